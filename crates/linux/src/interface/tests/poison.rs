// SPDX-License-Identifier: MIT OR Apache-2.0
//! The poison list from its trace, and poison by debugfs.

use fwgate_gate::{Belief, Reply, SubmitError};
use rustix::fs::{FileType, Mode};

use super::formats::INSTANCE;
use super::{EINVAL, EOPNOTSUPP, Rig, act, kernel, transport};
use crate::interface::{PoisonDebugfs, PoisonList};

const TRIGGER: &str = "sys/bus/cxl/devices/mem0/trigger_poison_list";
const ALL: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255];

fn line(memdev: &str, kind: &str, dpa: u64, length: u32, source: &str, flags: &str) -> String {
    format!(
        "cxl_poison: memdev={memdev} host=0000:0d:00.0 serial=4097 trace_type={kind} region= \
         region_uuid=00000000-0000-0000-0000-000000000000 hpa=0xffffffffffffffff \
         hpa_alias0=0xffffffffffffffff dpa={dpa:#x} dpa_length={length:#x} source={source} \
         flags={flags} overflow_time=7\n"
    )
}

fn list(rig: &Rig, lines: &[u8], payload: &[u8]) -> Result<Reply, SubmitError> {
    rig.write(TRIGGER, "");
    rig.trace(lines);
    let mut list = PoisonList::at(rig.place());
    list.acts.traced = Some(rig.path(INSTANCE));
    act(&list, 0x4300, payload)
}

/// Flags, overflow time, and records of the reply.
fn decode(reply: &[u8]) -> (u8, u64, Vec<(u64, u32)>) {
    let eight = |at: usize| u64::from_le_bytes(reply[at..at + 8].try_into().unwrap());
    let records = reply[32..].chunks(16);
    let count = usize::from(u16::from_le_bytes([reply[10], reply[11]]));
    assert_eq!((records.len(), reply[1]), (count, 0));
    let four = |at: usize| u32::from_le_bytes(reply[at..at + 4].try_into().unwrap());
    let records = (0..count).map(|n| (eight(32 + 16 * n), four(40 + 16 * n))).collect();
    (reply[0], eight(2), records)
}

#[test]
fn the_list_comes_back_in_the_layout_of_get_poison_list() {
    let rig = Rig::new();
    let lines = [
        line("mem0", "Inject", 0x9000, 0x40, "Unknown", ""),
        line("mem0", "List", 0x1000, 0x40, "Injected", "More|Scanning"),
        line("mem1", "List", 0x2000, 0x40, "Injected", ""),
        line("mem0", "List", 0x40, 0x80, "Vendor", "Overflow"),
        // Listed by somebody else at the same time.
        line("mem0", "List", 0x1000, 0x40, "Injected", ""),
    ]
    .concat();
    let reply = list(&rig, lines.as_bytes(), &ALL).unwrap();
    assert_eq!((reply.return_code, reply.belief), (0, Belief::Told));
    assert_eq!(decode(&reply.payload), (6, 7, vec![(0x40 | 7, 2), (0x1000 | 3, 1)]));
    assert_eq!(rig.read(TRIGGER), "1");
    assert_eq!(rig.read(&format!("{INSTANCE}/events/cxl/cxl_poison/enable")), "1");
    assert_eq!(rig.read(&format!("{INSTANCE}/events/cxl/cxl_dram/enable")), "0");
    assert_eq!(rig.read(&format!("{INSTANCE}/options/context-info")), "0");
}

#[test]
fn only_what_lies_in_the_range_is_in_the_reply() {
    let rig = Rig::new();
    let lines = [0x0, 0x40, 0x80, 0xC0].map(|dpa| line("mem0", "List", dpa, 0x40, "Internal", ""));
    let mut range = [0; 16];
    range[0] = 0x40;
    range[8] = 2;
    let reply = list(&rig, lines.concat().as_bytes(), &range).unwrap();
    assert_eq!(decode(&reply.payload).2, [(0x42, 1), (0x82, 1)]);
    assert_eq!(list(&rig, b"", &range).unwrap().payload, [0; 32]);
}

#[test]
fn a_list_that_is_not_whole_is_no_reply() {
    let rig = Rig::new();
    let good = line("mem0", "List", 0x40, 0x40, "Unknown", "");
    for bad in [
        "CPU:1 [LOST 3 EVENTS]\n".to_owned(),
        "[LINE TOO BIG]\n".to_owned(),
        "anything else\n".to_owned(),
        line("mem0", "List", 0x41, 0x40, "Unknown", ""),
        line("mem0", "List", 0x40, 0x41, "Unknown", ""),
        line("mem0", "List", 0x40, 0x40, "Melted", ""),
        line("mem0", "List", 0x40, 0x40, "Unknown", "New"),
        format!("{}\n", "x".repeat(100_000)),
    ] {
        let (may_have_run, what) =
            transport(list(&rig, format!("{good}{bad}{good}").as_bytes(), &ALL));
        assert!(may_have_run, "the list was read from the device: {what}");
    }
    let (may_have_run, _) = transport(list(&rig, b"cxl_poison: memdev=\xff\xfe\n", &ALL));
    assert!(may_have_run);
}

#[test]
fn the_kernel_that_stopped_early_is_told_by_the_more_flag() {
    let rig = Rig::new();
    let record = |n: u64, flags| line("mem0", "List", n * 0x40, 0x40, "Unknown", flags);
    let mut lines: String = (0..1023).map(|n| record(n, "More")).collect();
    let whole = format!("{lines}{}", record(1023, ""));
    lines.push_str(&record(1023, "More"));
    let flags = |lines: &str| decode(&list(&rig, lines.as_bytes(), &ALL).unwrap().payload).0;
    assert_eq!(flags(&lines), 1);
    // Whether it stopped at its limit or had the end there cannot be told.
    assert_eq!(flags(&whole), 1);
    assert_eq!(flags(&(record(0, "More") + &record(1, ""))), 0);
}

#[test]
fn a_trace_that_never_ends_holds_nobody() {
    let rig = Rig::new();
    rig.write(TRIGGER, "");
    rig.trace(b"");
    let pipe = rig.path(&format!("{INSTANCE}/trace_pipe"));
    std::fs::remove_file(&pipe).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    // Held open here, so that the flood does not end when a reader goes.
    let mut flags = std::fs::OpenOptions::new();
    let held = flags.read(true).write(true).open(&pipe).unwrap();
    let mut pipe = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
    let flood = std::thread::spawn(move || {
        let lines = line("mem0", "List", 0x40, 0x40, "Unknown", "").repeat(100);
        while std::io::Write::write_all(&mut pipe, lines.as_bytes()).is_ok() {}
    });
    let mut list = PoisonList::at(rig.place());
    list.acts.traced = Some(rig.path(INSTANCE));
    // Where the flood is slower than the reader, the list is short and whole.
    match act(&list, 0x4300, &ALL) {
        Ok(reply) => assert!(decode(&reply.payload).2.len() <= 1),
        Err(error) => assert!(error.to_string().contains("may have run"), "{error}"),
    }
    drop((held, list));
    flood.join().unwrap();
}

#[test]
fn another_kernels_format_is_refused_before_anything_is_triggered() {
    let rig = Rig::new();
    rig.write(TRIGGER, "");
    rig.trace(b"");
    let format = format!("{INSTANCE}/events/cxl/cxl_poison/format");
    let theirs = rig.read(&format).replace("dpa_length=", "length=");
    rig.write(&format, theirs);
    let mut list = PoisonList::at(rig.place());
    list.acts.traced = Some(rig.path(INSTANCE));
    let (may_have_run, what) = transport(act(&list, 0x4300, &ALL));
    assert!(!may_have_run && what.contains("expected `dpa_length`, found `length`"), "{what}");
    assert_eq!(rig.read(TRIGGER), "");
}

#[test]
fn poison_is_put_in_and_taken_out_by_one_write() {
    let rig = Rig::new();
    for file in ["inject_poison", "clear_poison"] {
        rig.write(&format!("sys/kernel/debug/cxl/mem0/{file}"), "");
    }
    let poke = PoisonDebugfs::at(rig.place());
    let address = 0x1_2345_6780_u64.to_le_bytes();
    let reply = act(&poke, 0x4301, &address).unwrap();
    assert_eq!((reply.return_code, reply.belief), (0, Belief::Told));
    assert_eq!(rig.read("sys/kernel/debug/cxl/mem0/inject_poison"), "0x123456780");
    let mut clear = address.to_vec();
    clear.resize(72, 0);
    act(&poke, 0x4302, &clear).unwrap();
    assert_eq!(rig.read("sys/kernel/debug/cxl/mem0/clear_poison"), "0x123456780");
}

#[test]
fn what_debugfs_cannot_say_is_refused() {
    let rig = Rig::new();
    rig.write("sys/kernel/debug/cxl/mem0/clear_poison", "");
    let poke = PoisonDebugfs::at(rig.place());
    let mut clear = [0; 72];
    clear[71] = 1;
    let (errno, rule) = kernel(act(&poke, 0x4302, &clear));
    assert_eq!(errno, EOPNOTSUPP);
    assert!(rule.contains("with zeros"), "{rule}");
    clear = [0; 72];
    clear[0] = 1;
    assert_eq!(kernel(act(&poke, 0x4302, &clear)).0, EINVAL);
    assert!(transport(act(&poke, 0x4302, &[0; 71])).1.contains("expected 72"));
    assert!(transport(act(&poke, 0x4301, &[0; 9])).1.contains("expected 8"));
    assert!(transport(act(&poke, 0x4303, &[0; 16])).1.contains("does not stand for"));
    // The device lists no Inject Poison: the kernel makes no file.
    assert!(!transport(act(&poke, 0x4301, &[0; 8])).0);
    assert_eq!(rig.read("sys/kernel/debug/cxl/mem0/clear_poison"), "");
}

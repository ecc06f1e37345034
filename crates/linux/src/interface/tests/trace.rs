// SPDX-License-Identifier: MIT OR Apache-2.0
//! Event records from the trace.

use std::time::{Duration, Instant};

use fwgate_gate::{Belief, SubmitError};
use fwgate_wire::cxl::events::{EventRecords, event_uuid};

use super::formats::{INSTANCE, TEMPLATES};
use super::{EOPNOTSUPP, Rig, act, kernel, transport, within};
use crate::interface::TraceEvents;
use crate::interface::trace::{EVENTS, Instance, encode};

const HEAD: &str = "memdev=mem0 host=0000:0d:00.0 serial=4097 log=Fatal : time=81985529216486895 \
    uuid=UUID len=128 flags='PERMANENT_CONDITION | 0x800000' handle=1a related_handle=ffff \
    maint_op_class=2 maint_op_sub_class=3 ld_id=abcd head_id=9 : ";
const COMP: &str = "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f";
const PLDM: &str = "comp_id_pldm_valid_flags='' pldm_entity_id=0x00 pldm_resource_id=0x00";
const WHERE: &str = "hpa=ffffffffffffffff hpa_alias0=ffffffffffffffff region= \
    region_uuid=00000000-0000-0000-0000-000000000000";

fn dram(log: &str) -> String {
    let head = HEAD.replace("UUID", &event_uuid::DRAM.to_string()).replace("Fatal", log);
    format!(
        "cxl_dram: {head}dpa=12345678c0 dpa_flags='VOLATILE|NOT_REPAIRABLE' \
         descriptor='UNCORRECTABLE_EVENT|THRESHOLD_EVENT' type='Data Path Error' \
         sub_type='Media Link CRC Error' transaction_type='Internal Media Scrub' channel=1 rank=2 \
         nibble_mask=abcdef bank_group=3 bank=4 row=66051 column=1286 cor_mask={} {} \
         validity_flags='CHANNEL|BANK GROUP|0x8000' comp_id={COMP} {PLDM} {WHERE} sub_channel=7 \
         cme_threshold_ev_flags='Exceeded Programmable Threshold' cvme_count=263430\n",
        COMP, COMP
    )
}

fn generic(memdev: &str, log: &str, first: u8) -> String {
    let head = HEAD.replace("UUID", "01020304-0506-0708-090a-0b0c0d0e0f10");
    let head = head.replace("mem0", memdev).replace("Fatal", log);
    let data: Vec<String> =
        (0..80).map(|n| format!("{:02x}", if n == 0 { first } else { n })).collect();
    format!("cxl_generic_event: {head}{}\n", data.join(" "))
}

fn events(rig: &Rig) -> TraceEvents {
    let mut events = TraceEvents::at(rig.place());
    events.acts.traced = Some(rig.path(INSTANCE));
    events
}

#[test]
fn a_dram_event_is_the_record_that_the_device_gave() {
    let rig = Rig::new();
    rig.trace(dram("Fatal").as_bytes());
    let reply = act(&events(&rig), 0x0100, &[3]).unwrap();
    assert_eq!((reply.return_code, reply.belief), (0, Belief::Told));
    let records = EventRecords::parse(&reply.payload).unwrap();
    let [record] = records.records() else { panic!("{records:?}") };
    assert_eq!(record.uuid(), event_uuid::DRAM);
    assert_eq!((record.length, record.flags), (128, [4, 0, 0x80]));
    assert_eq!((record.handle.get(), record.related_handle.get()), (0x1a, 0xffff));
    assert_eq!(record.timestamp.get(), 81_985_529_216_486_895);
    assert_eq!((record.maintenance_class, record.maintenance_subclass), (2, 3));
    assert_eq!(record.reserved[..4], [0xcd, 0xab, 9, 0]);
    let data = &record.data;
    assert_eq!(data[..8], 0x12_3456_78c3_u64.to_le_bytes());
    assert_eq!(data[8..15], [3, 3, 5, 0x09, 0x80, 1, 2]);
    assert_eq!(data[15..25], [0xef, 0xcd, 0xab, 3, 4, 3, 2, 1, 6, 5]);
    assert_eq!((data[25], data[40], data[41], data[56]), (0, 15, 0, 15));
    assert_eq!((data[57], data[72]), (0, 15));
    assert_eq!(data[73..], [7, 2, 6, 5, 4, 5, 0]);
}

#[test]
fn the_other_kinds_of_record_have_their_fields_in_place() {
    let rig = Rig::new();
    rig.trace(b"");
    let head = |uuid: uuid::Uuid| HEAD.replace("UUID", &uuid.to_string());
    let media = format!(
        "cxl_general_media: {}dpa=40 dpa_flags='' descriptor='' type='CKID Violation' \
         sub_type='Not Reported' transaction_type='Host Write' channel=1 rank=2 device=30405 \
         validity_flags='RANK|COMPONENT PLDM FORMAT' comp_id={COMP} {PLDM} {WHERE} \
         cme_threshold_ev_flags='' cme_count=0\n",
        head(event_uuid::GENERAL_MEDIA)
    );
    let module = format!(
        "cxl_memory_module: {}event_type='Temperature Change' event_sub_type='Invalid Config Data' \
         health_status='MEM_CAPACITY_DEGRADED' media_status='All Data Loss Imminent' \
         as_life_used=Critical as_dev_temp=Warning as_cor_vol_err_cnt=Warning \
         as_cor_per_err_cnt=Normal life_used=99 device_temp=-5 dirty_shutdown_cnt=1 \
         cor_vol_err_cnt=2 cor_per_err_cnt=3 validity_flags='COMPONENT' comp_id={COMP} {PLDM}\n",
        head(event_uuid::MEMORY_MODULE)
    );
    let sparing = format!(
        "cxl_memory_sparing: {}flags='Hard Sparing' result=5 validity_flags='SUB CHANNEL' \
         spare resource avail=513 channel=1 rank=2 nibble_mask=30201 bank_group=3 bank=4 row=5 \
         column=6 sub_channel=7 comp_id={COMP} {PLDM}\n",
        head(event_uuid::MEMORY_SPARING)
    );
    let all = format!("{media}{module}{sparing}{}", generic("mem0", "Fatal", 0xff));
    rig.write(&format!("{INSTANCE}/trace_pipe"), all);
    let reply = act(&events(&rig), 0x0100, &[3]).unwrap();
    let records = EventRecords::parse(&reply.payload).unwrap();
    let [media, module, sparing, generic] = records.records() else { panic!("{records:?}") };
    assert_eq!(media.data[8..18], [0, 6, 2, 0x12, 0, 1, 2, 5, 4, 3]);
    assert_eq!((media.data[18], media.data[33], media.data[38]), (0, 15, 0));
    assert_eq!(module.data[..7], [3, 8, 9, 2 | 4 | 16, 99, 0xfb, 0xff]);
    assert_eq!(module.data[7..21], [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 0]);
    assert_eq!((module.data[36], module.data[37]), (15, 1));
    assert_eq!(sparing.data[..6], [0, 0, 2, 5, 0, 2]);
    assert_eq!(sparing.data[12..27], [1, 2, 1, 2, 1, 2, 3, 3, 4, 5, 0, 0, 6, 0, 0]);
    assert_eq!((sparing.data[41], sparing.data[42]), (15, 7));
    assert_eq!((generic.data[0], generic.data[79]), (0xff, 79));
}

#[test]
fn records_wait_for_the_one_who_asks_for_their_log() {
    let rig = Rig::new();
    let lines = [
        generic("mem0", "Warning", 1),
        generic("mem1", "Warning", 2),
        generic("mem0", "Informational", 3),
        generic("mem0", "Warning", 4),
    ];
    rig.trace(lines.concat().as_bytes());
    let events = events(&rig);
    let firsts = |log: u8| {
        let reply = within(&events, 0x0100, &[log], Duration::from_millis(150)).unwrap();
        let records = EventRecords::parse(&reply.payload).unwrap();
        records.records().iter().map(|record| record.data[0]).collect::<Vec<_>>()
    };
    assert_eq!(firsts(0), [3]);
    assert_eq!(firsts(1), [1, 4]);
    assert_eq!(firsts(1), [0; 0], "taken once");
}

#[test]
fn it_waits_no_longer_than_to_the_deadline_and_returns_at_once_on_a_record() {
    let rig = Rig::new();
    rig.trace(b"");
    let events = events(&rig);
    let before = Instant::now();
    let reply = within(&events, 0x0100, &[0], Duration::from_millis(300)).unwrap();
    assert!(before.elapsed() < Duration::from_millis(300), "the gate still waits");
    assert!(EventRecords::parse(&reply.payload).unwrap().records().is_empty());
    let pipe = rig.path(&format!("{INSTANCE}/trace_pipe"));
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        std::fs::write(pipe, generic("mem0", "Informational", 9)).unwrap();
    });
    let before = Instant::now();
    let reply = within(&events, 0x0100, &[0], Duration::from_secs(20)).unwrap();
    assert_eq!(EventRecords::parse(&reply.payload).unwrap().records()[0].data[0], 9);
    assert!(before.elapsed() < Duration::from_secs(10));
    later.join().unwrap();
}

#[test]
fn what_was_lost_is_told_as_an_overflow_and_never_made_up() {
    let rig = Rig::new();
    let overflow =
        "cxl_overflow: memdev=mem0 host=h serial=1: log=Failure : 5 records from 17 to 18\n";
    let bad = dram("Failure").replace("channel=1", "channel=256");
    let new = dram("Failure").replace("'Data Path Error'", "'Brand New Error'");
    let lines = [overflow, "CPU:0 [LOST 2 EVENTS]\n", &bad, &new, "noise\n", &dram("Failure")];
    rig.trace(lines.concat().as_bytes());
    let events = events(&rig);
    let reply = act(&events, 0x0100, &[2]).unwrap();
    let records = EventRecords::parse(&reply.payload).unwrap();
    assert_eq!(records.records().len(), 1);
    assert!(records.header().overflowed());
    // Five of the device, two and one of the buffer, two that could not be read.
    assert_eq!(records.header().overflow_count.get(), 10);
    assert_eq!(records.header().first_overflow.get(), 17);
    assert_eq!(records.header().last_overflow.get(), 18);
}

#[test]
fn queues_are_bounded_and_a_long_one_comes_in_parts() {
    let rig = Rig::new();
    let lines: String = (0..1100).map(|_| generic("mem0", "Warning", 0)).collect();
    rig.trace(lines.as_bytes());
    let events = events(&rig);
    let mut counts = Vec::new();
    loop {
        let reply = act(&events, 0x0100, &[1]).unwrap();
        let records = EventRecords::parse(&reply.payload).unwrap();
        counts.push((records.records().len(), records.header().overflow_count.get()));
        if !records.header().more_records() {
            break;
        }
    }
    assert_eq!(counts, [(256, 76), (256, 0), (256, 0), (256, 0)]);
}

#[test]
fn poison_and_link_errors_are_kept_apart() {
    let rig = Rig::new();
    rig.trace(b"");
    let events = events(&rig);
    events.arm().unwrap();
    let lines = [
        "cxl_aer_correctable_error: memdev=mem0 host=h serial=1: status: 'CRC Threshold Hit'\n",
        "cxl_aer_correctable_error: memdev=mem1 host=h serial=1: status: 'CRC Threshold Hit'\n",
        "cxl_port_aer_correctable_error: device=port1 host=h status='Retry Threshold'\n",
    ];
    rig.write(&format!("{INSTANCE}/trace_pipe"), lines.concat());
    let others = events.others().unwrap();
    let names: Vec<&str> = others.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["cxl_aer_correctable_error", "cxl_port_aer_correctable_error"]);
    assert_eq!(others[0].get("status"), Some("CRC Threshold Hit"));
    assert_eq!(others[1].get("status"), Some("Retry Threshold"));
    assert!(events.others().unwrap().is_empty());
}

#[test]
fn what_the_trace_does_not_have_is_refused() {
    let rig = Rig::new();
    rig.trace(b"");
    let events = events(&rig);
    let (errno, rule) = kernel(act(&events, 0x0100, &[4]));
    assert_eq!(errno, EOPNOTSUPP);
    assert!(rule.contains("no log 4"), "{rule}");
    let (_, rule) = kernel(act(&events, 0x0101, &[0; 6]));
    assert!(rule.contains("clears each record itself"), "{rule}");
    assert!(transport(act(&events, 0x0100, &[])).1.contains("expected 1"));
    assert!(transport(act(&events, 0x0102, &[])).1.contains("does not stand for"));
}

#[test]
fn a_kernel_without_traces_says_so() {
    let rig = Rig::new();
    let error = TraceEvents::at(rig.place()).arm().unwrap_err();
    assert!(matches!(error, SubmitError::Transport { may_have_run: false, .. }), "{error}");
    rig.trace(b"");
    for event in EVENTS {
        std::fs::remove_file(rig.path(&format!("{INSTANCE}/events/cxl/{event}/format"))).unwrap();
    }
    let error = events(&rig).arm().unwrap_err();
    assert!(error.to_string().contains("none of the `cxl` trace events"), "{error}");
}

#[test]
fn an_instance_goes_when_it_is_dropped_and_one_of_the_dead_goes_too() {
    let rig = Rig::new();
    rig.trace(b"");
    let dead = rig.path("sys/kernel/tracing/instances/fwgate-999999999-0");
    let other = rig.path("sys/kernel/tracing/instances/rasdaemon");
    std::fs::create_dir(&dead).unwrap();
    std::fs::create_dir(&other).unwrap();
    // No kernel fills the folder here, so it is given up, and must not stay.
    let made = Instance::make(&rig.roots(), &EVENTS);
    assert!(made.unwrap_err().to_string().contains("context-info"));
    assert!(!dead.exists() && other.exists());
    let left = std::fs::read_dir(rig.path("sys/kernel/tracing/instances")).unwrap();
    let ours = format!("fwgate-{}-", std::process::id());
    assert!(left.flatten().all(|it| !it.file_name().to_string_lossy().starts_with(&ours)));
}

#[test]
fn every_event_of_the_kernel_is_known_here() {
    let known: Vec<&str> = TEMPLATES.iter().map(|(event, _)| *event).collect();
    assert_eq!(known, EVENTS);
}

#[test]
fn no_cut_line_and_no_exchanged_byte_panics_or_makes_two_records() {
    let rig = Rig::new();
    let line = dram("Fatal");
    rig.trace(b"");
    let mut instance = Instance::attach(rig.path(INSTANCE), &EVENTS, false).unwrap();
    let pipe = rig.path(&format!("{INSTANCE}/trace_pipe"));
    let mut all = Vec::new();
    for at in 0..line.len() {
        all.extend_from_slice(&line.as_bytes()[..at]);
        all.push(b'\n');
        let mut bytes = line.clone().into_bytes();
        bytes[at] ^= 0x10;
        all.extend_from_slice(&bytes);
    }
    std::fs::write(pipe, &all).unwrap();
    let mut events = 0;
    loop {
        let read = instance.take().unwrap();
        if read.events.is_empty() && read.lost == 0 {
            break;
        }
        events += read.events.len();
        for event in &read.events {
            let _ = encode(event);
        }
    }
    assert!(events <= 2 * line.len());
}

/// What cxl_test's `event_trigger` made Linux 7.3.4 print; of eleven like records two are kept.
const PRINTED: &[u8] = include_bytes!("cxl_test_events.txt");

#[test]
fn what_a_real_kernel_printed_is_read_whole() {
    let rig = Rig::new();
    let printed =
        String::from_utf8(PRINTED.to_vec()).unwrap().replace("memdev=mem2", "memdev=mem0");
    rig.trace(printed.as_bytes());
    let events = events(&rig);
    let kinds = |log: u8| {
        let reply = within(&events, 0x0100, &[log], Duration::from_millis(150)).unwrap();
        let records = EventRecords::parse(&reply.payload).unwrap();
        let header = records.header();
        let kinds = records.records().iter().map(|it| it.uuid()).collect::<Vec<_>>();
        (kinds, header.overflow_count.get())
    };
    let (info, _) = kinds(0);
    assert_eq!(info[1..], [event_uuid::GENERAL_MEDIA, event_uuid::MEMORY_MODULE]);
    let (failure, lost) = kinds(2);
    assert_eq!(lost, 2, "the device dropped two, and none was lost here");
    for kind in [event_uuid::GENERAL_MEDIA, event_uuid::DRAM, event_uuid::MEMORY_MODULE] {
        assert!(failure.contains(&kind), "{kind}");
    }
    let reply = within(&events, 0x0100, &[3], Duration::from_millis(150)).unwrap();
    let records = EventRecords::parse(&reply.payload).unwrap();
    let [generic, dram] = records.records() else { panic!("{records:?}") };
    assert_eq!(generic.data[..5], [0xde, 0xad, 0xbe, 0xef, 0]);
    // From `tools/testing/cxl/test/mem.c @ v7.3`.
    assert_eq!(dram.data[..15], [0, 0x80, 0, 0, 0, 0, 0, 0, 2, 1, 5, 0x59, 0x07, 1, 0]);
    assert_eq!((dram.data[18], dram.data[19], dram.data[23], dram.data[24]), (5, 2, 0xde, 0xad));
    assert_eq!(dram.data[73..79], [8, 2, 14, 0, 0, 5]);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ours` alone, held against the reference's tables. The kernel's side of it is the lab's (`cargo xtask lab test`).

use fwgate_conformance::call::{Call, Node};
use fwgate_conformance::memory::Own;
use fwgate_conformance::ours::{Ours, System as _};
use fwgate_conformance::run::{cases_alone, stream_alone};
use fwgate_conformance::twin::{MemdevSetting, Setting};
use fwgate_gate::abi::Errno;
use fwgate_gate::abi::fwctl::{CxlFeatures, FeatureAccess};
use fwgate_wire::cxl::features::FeatureEntry;
use zerocopy::FromZeros as _;

fn unsafe_(call: &Call, memory: &Own) -> bool {
    !call.is_safe(memory)
}

/// A device with a feature of each kind, and the ids of every kind.
fn every_kind() -> Setting {
    let mut setting = Setting::cxl_test();
    let own = CxlFeatures::kernels_own();
    let effects: [(u32, u16); 8] = [
        (1, 0x0002),
        (0, 0x0002),
        (1, 0x1002),
        (1, 0x0042),
        (1, 0x0200),
        (1, 0x0220),
        (1, 0x0400),
        (1, 0x0801),
    ];
    let fwctl = setting.fwctl.as_mut().unwrap();
    for (number, (flags, effects)) in (1u8..).zip(effects) {
        let mut entry = FeatureEntry::new_zeroed();
        entry.uuid = [number; 16];
        entry.flags = flags.into();
        entry.effects = effects.into();
        fwctl.features.entries.push(entry);
    }
    let mut entry = FeatureEntry::new_zeroed();
    entry.uuid = own[0];
    entry.flags = 1.into();
    entry.effects = 2.into();
    fwctl.features.entries.push(entry);
    let memdev = setting.memdev.as_mut().unwrap();
    for id in [9, 18, 23] {
        memdev.enabled[id] = true;
    }
    setting
}

fn settings() -> Vec<(&'static str, Setting)> {
    let with = |change: fn(&mut Setting)| {
        let mut setting = every_kind();
        change(&mut setting);
        setting
    };
    let memdev = |setting: &mut Setting, change: fn(&mut MemdevSetting)| {
        change(setting.memdev.as_mut().unwrap());
    };
    let mut no_raw = every_kind();
    memdev(&mut no_raw, |it| it.raw_built = false);
    let mut allow_all = every_kind();
    memdev(&mut allow_all, |it| it.raw_allow_all = true);
    let mut read_only = every_kind();
    read_only.fwctl.as_mut().unwrap().features.access = FeatureAccess::Read;
    vec![
        ("cxl_test", Setting::cxl_test()),
        ("every kind", every_kind()),
        ("nobody", with(|it| it.rawio = false)),
        ("lockdown", with(|it| it.locked_down = true)),
        ("no raw", no_raw),
        ("allow all", allow_all),
        ("read only", read_only),
    ]
}

#[test]
fn every_case_holds_in_every_setting() {
    for (name, setting) in settings() {
        // The cases ask for a device that can be set.
        if name == "read only" {
            continue;
        }
        let report = cases_alone(name, &mut Ours::new(setting.clone()), &setting);
        assert_eq!(report.failed, 0, "{name}");
        assert!(report.passed > 150, "{name}: {} cases", report.passed);
    }
}

#[test]
fn a_hundred_thousand_ioctls_end_as_the_tables_say_and_ten_thousand_more_in_each_setting() {
    let mut total = fwgate_conformance::run::Report::default();
    for (seed, (name, setting)) in (1..).zip(settings()) {
        let mut ours = Ours::new(setting.clone());
        let count = if seed == 1 { 100_000 } else { 10_000 };
        let report = stream_alone(name, &mut ours, &unsafe_, &setting, seed, count);
        assert_eq!((report.failed, report.ioctls), (0, count), "{name}");
        total.add(&report);
    }
    println!("{:?}", total.rows);
    for row in [
        "number",
        "size unreadable",
        "size too small",
        "tail set",
        "tail unreadable",
        "structure unreadable",
        "flags",
        "length",
        "scope",
        "capability",
        "input unreadable",
        "no header",
        "payload beyond input",
        "opcode",
        "payload not 8",
        "start too large",
        "payload not 21",
        "no count",
        "no header's room",
        "no data's room",
        "log",
        "no uuid",
        "not listed",
        "not changeable",
        "reserved effect",
        "background effect",
        "no effect",
        "immediate below 3",
        "reset below 2",
        "no data",
        "the kernel's own",
        "no room",
        "id",
        "input above payload",
        "raw reserved",
        "raw output above payload",
        "raw not built",
        "lockdown",
        "raw not allowed",
        "reserved",
        "in or out reserved",
        "not enabled",
        "exclusive",
        "input size",
        "output size",
        "payload unreadable",
        "payload not allowed",
        "the kernel answers",
        "the device answers",
    ] {
        assert!(
            total.rows.get(row).is_some_and(|count| *count >= 10),
            "row `{row}` decided nothing"
        );
    }
}

#[test]
fn a_reading_that_is_wrong_is_found() {
    // Ours thinks that the caller has the capability, and the tables that it has not.
    let mut setting = Setting::cxl_test();
    let mut ours = Ours::new(setting.clone());
    setting.rawio = false;
    let report = stream_alone("wrong", &mut ours, &unsafe_, &setting, 1, 1000);
    assert_eq!(report.failed, 1);
}

#[test]
fn the_mark_is_left_by_scopes_2_and_3_alone_and_before_anything_is_known_of_the_command() {
    use fwgate_conformance::build::{Rpc, request};
    for (scope, rawio, marked) in [
        (0, true, false),
        (1, true, false),
        (2, false, true),
        (3, false, false),
        (3, true, true),
        (4, true, false),
    ] {
        let mut setting = Setting::cxl_test();
        setting.rawio = rawio;
        let mut ours = Ours::new(setting);
        let outcome = ours.ioctl(&Rpc::new(scope, request(0xc000, &[])).call());
        assert!(outcome.returned.is_err());
        assert_eq!(outcome.marks.fwctl, marked, "scope {scope}");
    }
}

#[test]
fn a_raw_command_that_passes_warns_and_one_that_is_refused_does_not() {
    use fwgate_conformance::build::Send;
    let mut ours = Ours::new(Setting::cxl_test());
    let refused = ours.ioctl(&Send::raw(0x4300, vec![], 0).call());
    assert_eq!((refused.returned, refused.marks.warned), (Err(Errno::PERM.raw_os_error()), false));
    let passed = ours.ioctl(&Send::raw(0x4000, vec![], 0x43).call());
    assert_eq!((passed.returned, passed.marks.warned), (Ok(0), true));
}

#[test]
fn unsafe_calls_are_told_apart() {
    use fwgate_conformance::build::{Info, query};
    let mut ours = Ours::new(Setting::cxl_test());
    let mut info = Info { room: 8, to: 0x40_0000, ..Info::default() };
    let call = info.call();
    assert!(!call.is_safe(ours.prepare(&call)), "memory of the program");
    for to in [0, 4095, 1 << 63, u64::MAX] {
        info.to = to;
        let call = info.call();
        assert!(call.is_safe(ours.prepare(&call)), "{to:#x}");
    }
    let elsewhere = Call { arg: 0x7fff_0000_0000, node: Node::Memdev, ..query(0) };
    assert!(!elsewhere.is_safe(ours.prepare(&elsewhere)));
}

#[test]
fn every_difference_that_is_meant_is_in_the_document() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kernel-behaviour.md");
    let document = std::fs::read_to_string(path).unwrap();
    for difference in fwgate_conformance::differences::DIFFERENCES {
        assert!(document.contains(&format!("| `{}` |", difference.name)), "{}", difference.name);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scrub, error check scrub and repair by EDAC.

use fwgate_gate::Belief;
use fwgate_policy::Known;
use fwgate_wire::cxl::features::{
    GetFeatureRequest, SetFeatureFlags, SetFeatureHeader, feature_uuid,
};
use uuid::Uuid;
use zerocopy::IntoBytes as _;

use super::{EBUSY, EINVAL, EOPNOTSUPP, Rig, act, kernel, transport};
use crate::interface::{EdacEcs, EdacMemRepair, EdacScrub};

const BASE: &str = "sys/bus/edac/devices/cxl_mem0";

fn set(uuid: Uuid, flags: u32, data: &[u8]) -> Vec<u8> {
    let mut payload = SetFeatureHeader::new(uuid, SetFeatureFlags(flags), 0, 1).as_bytes().to_vec();
    payload.extend_from_slice(data);
    payload
}

fn scrub(data: &[u8]) -> Vec<u8> {
    set(feature_uuid::PATROL_SCRUB, 8, data)
}

fn scrub_rig() -> Rig {
    let rig = Rig::new();
    for (file, content) in [
        ("current_cycle_duration", "43200\n"),
        ("min_cycle_duration", "3600\n"),
        ("max_cycle_duration", "918000\n"),
        ("enable_background", "0\n"),
    ] {
        rig.write(&format!("{BASE}/scrub0/{file}"), content);
    }
    rig
}

#[test]
fn a_scrub_setting_is_its_cycle_in_seconds_and_its_switch() {
    let rig = scrub_rig();
    let edac = EdacScrub::at(rig.place());
    let reply = act(&edac, 0x0502, &scrub(&[20, 1])).unwrap();
    assert_eq!((reply.return_code, reply.belief), (0, Belief::Told));
    assert!(rig.read(&format!("{BASE}/scrub0/current_cycle_duration")).starts_with("72000"));
    assert!(rig.read(&format!("{BASE}/scrub0/enable_background")).starts_with('1'));
}

#[test]
fn a_cycle_that_is_right_already_is_not_set() {
    let rig = scrub_rig();
    let cycle = rig.path(&format!("{BASE}/scrub0/current_cycle_duration"));
    let mut permissions = std::fs::metadata(&cycle).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&cycle, permissions).unwrap();
    let before = std::fs::metadata(&cycle).unwrap().modified().unwrap();
    act(&EdacScrub::at(rig.place()), 0x0502, &scrub(&[12, 1])).unwrap();
    assert_eq!(std::fs::metadata(&cycle).unwrap().modified().unwrap(), before);
}

#[test]
fn what_the_scrub_attributes_cannot_say_is_refused_and_nothing_is_written() {
    let rig = scrub_rig();
    let edac = EdacScrub::at(rig.place());
    let (errno, rule) = kernel(act(&edac, 0x0502, &scrub(&[0, 1])));
    assert_eq!(errno, EINVAL);
    assert!(rule.contains("shortest is 3600"), "{rule}");
    let refused = |payload: &[u8], words: &str| {
        let (errno, rule) = kernel(act(&edac, 0x0502, payload));
        assert_eq!(errno, EOPNOTSUPP);
        assert!(rule.contains(words), "{rule}");
    };
    refused(&scrub(&[12, 2]), "enable bit");
    refused(&scrub(&[12, 1, 0]), "enable bit");
    refused(&scrub(&[12]), "enable bit");
    refused(&set(feature_uuid::PATROL_SCRUB, 0, &[12, 1]), "saves the setting");
    refused(&set(feature_uuid::PATROL_SCRUB, 0x18, &[12, 1]), "saves the setting");
    refused(&set(feature_uuid::PATROL_SCRUB, 9, &[12, 1]), "at once");
    refused(&set(feature_uuid::DDR5_ECS, 8, &[12, 1]), "do not set the feature");
    assert!(transport(act(&edac, 0x0502, &[0; 5])).1.contains("set feature"));
    assert!(transport(act(&edac, 0x0600, &[1, 0])).1.contains("does not stand for"));
    assert_eq!(rig.read(&format!("{BASE}/scrub0/current_cycle_duration")), "43200\n");
    assert_eq!(rig.read(&format!("{BASE}/scrub0/enable_background")), "0\n");
}

#[test]
fn half_a_setting_says_which_half() {
    let rig = scrub_rig();
    std::fs::remove_file(rig.path(&format!("{BASE}/scrub0/enable_background"))).unwrap();
    let (may_have_run, what) =
        transport(act(&EdacScrub::at(rig.place()), 0x0502, &scrub(&[20, 1])));
    assert!(may_have_run);
    assert!(what.contains("`current_cycle_duration` was set"), "{what}");
    assert!(what.contains("`enable_background` was not"), "{what}");
    // To switch it off is the first step, so nothing is done where that fails.
    let (may_have_run, _) = transport(act(&EdacScrub::at(rig.place()), 0x0502, &scrub(&[30, 0])));
    assert!(!may_have_run);
    assert!(rig.read(&format!("{BASE}/scrub0/current_cycle_duration")).starts_with("72000"));
}

#[test]
fn the_scrub_setting_is_shown_but_for_the_byte_that_no_attribute_has() {
    let rig = scrub_rig();
    let edac = EdacScrub::at(rig.place());
    let get = |offset, count, selection| {
        let request = GetFeatureRequest::new(feature_uuid::PATROL_SCRUB, offset, count, selection);
        act(&edac, 0x0501, request.as_bytes())
    };
    assert_eq!(get(1, 3, 0).unwrap().payload, [12, 1, 0]);
    assert_eq!(get(2, 100, 0).unwrap().payload, [1, 0]);
    assert_eq!(get(9, 3, 0).unwrap().payload, [0; 0]);
    assert!(kernel(get(0, 4, 0)).1.contains("byte 0"));
    assert!(kernel(get(1, 3, 1)).1.contains("current value"));
    rig.write(&format!("{BASE}/scrub0/current_cycle_duration"), "43201");
    assert!(transport(get(1, 3, 0)).1.contains("no whole hours"));
    rig.write(&format!("{BASE}/scrub0/current_cycle_duration"), "x".repeat(10_000));
    assert!(!transport(get(1, 3, 0)).0);
}

fn ecs_rig(units: usize) -> Rig {
    let rig = Rig::new();
    for unit in 0..units {
        for (file, content) in
            [("log_entry_type", "1\n"), ("mode", "0\n"), ("threshold", "256\n"), ("reset", "")]
        {
            rig.write(&format!("{BASE}/ecs_fru{unit}/{file}"), content);
        }
    }
    rig
}

fn ecs(data: &[u8]) -> Vec<u8> {
    set(feature_uuid::DDR5_ECS, 8, data)
}

#[test]
fn error_check_scrub_is_set_unit_by_unit_and_only_where_it_differs() {
    let rig = ecs_rig(2);
    let edac = EdacEcs::at(rig.place());
    // Unit 0 as it is; unit 1: 4096, codewords, reset.
    act(&edac, 0x0502, &ecs(&[0, 3, 0, 5 | 8 | 16, 0])).unwrap();
    let read = |file: &str| rig.read(&format!("{BASE}/{file}"));
    assert!(read("ecs_fru0/log_entry_type").starts_with('0'));
    assert_eq!((read("ecs_fru0/mode"), read("ecs_fru0/threshold")), ("0\n".into(), "256\n".into()));
    assert_eq!(read("ecs_fru0/reset"), "");
    assert!(read("ecs_fru1/mode").starts_with('1'));
    assert!(read("ecs_fru1/threshold").starts_with("4096"));
    assert_eq!(read("ecs_fru1/reset"), "1");
}

#[test]
fn an_error_check_scrub_that_has_no_attribute_is_refused_whole() {
    let rig = ecs_rig(2);
    let edac = EdacEcs::at(rig.place());
    for (data, words) in [
        (&[1, 3, 0, 2, 0][..], "no threshold for the code 2"),
        (&[1, 3, 0, 3, 1], "bits without attribute"),
        (&[2, 3, 0, 3, 0], "log capabilities"),
        (&[1, 3, 0], "for 1 units, and the kernel has 2"),
        (&[1, 3, 0, 3, 0, 3], "for 2 units"),
    ] {
        let (errno, rule) = kernel(act(&edac, 0x0502, &ecs(data)));
        assert_eq!(errno, EOPNOTSUPP);
        assert!(rule.contains(words), "{rule}");
    }
    assert!(transport(act(&edac, 0x0502, &ecs(&[]))).1.contains("empty"));
    let get = GetFeatureRequest::new(feature_uuid::DDR5_ECS, 0, 9, 0);
    assert!(
        kernel(act(&edac, 0x0501, get.as_bytes())).1.contains("neither the units' capabilities")
    );
    assert_eq!(rig.read(&format!("{BASE}/ecs_fru0/log_entry_type")), "1\n");
}

const KINDS: [&str; 5] =
    ["cacheline-sparing", "row-sparing", "bank-sparing", "rank-sparing", "ppr"];

fn repair_rig() -> Rig {
    let rig = Rig::new();
    for (instance, kind) in KINDS.iter().enumerate() {
        let folder = format!("{BASE}/mem_repair{instance}");
        rig.write(&format!("{folder}/repair_type"), format!("{kind}\n"));
        rig.write(&format!("{folder}/repair_safe_when_in_use"), "0\n");
        for file in [
            "persist_mode",
            "dpa",
            "nibble_mask",
            "bank_group",
            "bank",
            "rank",
            "row",
            "column",
            "channel",
            "sub_channel",
            "repair",
        ] {
            rig.write(&format!("{folder}/{file}"), "");
        }
    }
    rig
}

/// Class, subclass, flags, channel, rank, nibble mask, bank group, bank, row, column, sub-channel.
const LINE: [u8; 16] = [2, 0, 0x0e, 1, 2, 0x03, 0, 0, 4, 5, 6, 1, 0, 7, 1, 8];

#[test]
fn a_line_is_spared_by_ten_settings_and_one_write_that_acts() {
    let rig = repair_rig();
    let reply = act(&EdacMemRepair::at(rig.place()), 0x0600, &LINE).unwrap();
    assert_eq!((reply.return_code, reply.belief), (0, Belief::Told));
    let read = |file: &str| rig.read(&format!("{BASE}/mem_repair0/{file}"));
    let found = [
        "persist_mode",
        "channel",
        "rank",
        "nibble_mask",
        "bank_group",
        "bank",
        "row",
        "column",
        "sub_channel",
        "repair",
    ]
    .map(read);
    assert_eq!(found, ["1", "1", "2", "3", "4", "5", "262", "263", "8", "1"]);
    assert_eq!(read("dpa"), "", "a sparing names no address");
}

#[test]
fn a_soft_repair_names_an_address() {
    let rig = repair_rig();
    let payload = [1, 0, 0, 0x40, 1, 0, 0, 0, 0, 0, 0, 0xff, 0, 0];
    act(&EdacMemRepair::at(rig.place()), 0x0600, &payload).unwrap();
    let read = |file: &str| rig.read(&format!("{BASE}/mem_repair4/{file}"));
    assert_eq!(
        (read("dpa"), read("nibble_mask"), read("repair")),
        ("320".into(), "255".into(), "1".into())
    );
    for (instance, _) in KINDS.iter().enumerate().take(4) {
        assert_eq!(rig.read(&format!("{BASE}/mem_repair{instance}/repair")), "");
    }
}

#[test]
fn a_repair_that_the_kernel_would_send_otherwise_is_refused() {
    let rig = repair_rig();
    let edac = EdacMemRepair::at(rig.place());
    let mut cases = Vec::new();
    let mut change = |kind: u8, at: usize, value: u8, words: &'static str| {
        let mut payload = LINE;
        payload[1] = kind;
        if kind != 0 {
            payload[2] = 0x08;
            payload[13..].fill(0);
        }
        if kind > 1 {
            payload[10..13].fill(0);
        }
        if kind > 2 {
            payload[8..10].fill(0);
        }
        payload[at] = value;
        cases.push((payload.to_vec(), words));
    };
    // To ask only whether there is room.
    change(0, 2, 0x0d, "flags 0x0c");
    change(0, 2, 0x08, "flags 0x0c");
    change(1, 2, 0x0c, "flags 0x08");
    change(1, 2, 0x00, "flags 0x08");
    change(1, 2, 0x88, "flags 0x08");
    change(1, 13, 1, "does not have");
    change(1, 15, 1, "does not have");
    change(2, 10, 1, "does not have");
    change(3, 8, 1, "does not have");
    cases.push((vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "hard repair"));
    cases.push((vec![1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "would take"));
    cases.push((vec![3, 0, 0], "class 3, subclass 0"));
    cases.push((vec![2, 4, 0], "class 2, subclass 4"));
    for (payload, words) in cases {
        let (errno, rule) = kernel(act(&edac, 0x0600, &payload));
        assert_eq!(errno, EOPNOTSUPP, "{payload:?}");
        assert!(rule.contains(words), "{payload:?}: {rule}");
    }
    for payload in [&[][..], &[1], &LINE[..15]] {
        assert!(!transport(act(&edac, 0x0600, payload)).0, "{payload:?}");
    }
    let feature = set(feature_uuid::SOFT_PPR, 8, &[0, 0, 1]);
    assert!(kernel(act(&edac, 0x0502, &feature)).1.contains("only repairs"));
    for (instance, _) in KINDS.iter().enumerate() {
        assert_eq!(rig.read(&format!("{BASE}/mem_repair{instance}/repair")), "");
    }
}

#[test]
fn memory_in_use_is_repaired_only_where_the_kernel_can_judge_it() {
    let rig = repair_rig();
    rig.commit(Known::Yes);
    let edac = EdacMemRepair::at(rig.place());
    let (errno, rule) = kernel(act(&edac, 0x0600, &LINE));
    assert_eq!(errno, EBUSY);
    assert!(rule.contains("names no address"), "{rule}");
    let ppr = [1, 0, 0, 0x40, 1, 0, 0, 0, 0, 0, 0, 0xff, 0, 0];
    let (errno, rule) = kernel(act(&edac, 0x0600, &ppr));
    assert_eq!(errno, EBUSY);
    assert!(rule.contains("cannot repair memory in use"), "{rule}");
    rig.write(&format!("{BASE}/mem_repair4/repair_safe_when_in_use"), "1\n");
    act(&edac, 0x0600, &ppr).unwrap();
}

#[test]
fn a_setting_that_reads_otherwise_ends_the_repair_before_it_acts() {
    let rig = repair_rig();
    rig.write(&format!("{BASE}/mem_repair0/row"), "1234567");
    let (may_have_run, what) = transport(act(&EdacMemRepair::at(rig.place()), 0x0600, &LINE));
    assert!(!may_have_run && what.contains("`row` was set to 262 and reads"), "{what}");
    assert_eq!(rig.read(&format!("{BASE}/mem_repair0/repair")), "");
}

#[test]
fn a_kind_that_the_device_lacks_is_said_to_be_lacking() {
    let rig = Rig::new();
    let (errno, rule) = kernel(act(&EdacMemRepair::at(rig.place()), 0x0600, &LINE));
    assert_eq!(errno, EOPNOTSUPP);
    assert!(rule.contains("no `cacheline-sparing`"), "{rule}");
}

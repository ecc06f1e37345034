// SPDX-License-Identifier: MIT OR Apache-2.0
//! Features: the list, their values, and the transfers of Set Feature.

use fwgate_wire::cxl::ReturnCode;
use fwgate_wire::cxl::features::{SupportedFeatures, feature_uuid};
use uuid::Uuid;

use super::Rig;
use crate::commands::features::VENDOR_UUID;
use crate::device::ResetKind;

const FULL: u32 = 0;
const START: u32 = 1;
const CONTINUE: u32 = 2;
const FINISH: u32 = 3;
const ABORT: u32 = 4;
const SAVE: u32 = 8;

fn vendor(number: u128) -> Uuid {
    Uuid::from_u128(VENDOR_UUID | number)
}

fn read_input(uuid: Uuid, offset: u16, count: u16, selection: u8) -> Vec<u8> {
    let mut input = uuid.as_bytes().to_vec();
    input.extend_from_slice(&offset.to_le_bytes());
    input.extend_from_slice(&count.to_le_bytes());
    input.push(selection);
    input
}

fn read(rig: &mut Rig, uuid: Uuid) -> Vec<u8> {
    rig.ok(0x0501, &read_input(uuid, 0, 2048, 0))
}

fn set_input(uuid: Uuid, flags: u32, offset: u16, version: u8, data: &[u8]) -> Vec<u8> {
    let mut input = uuid.as_bytes().to_vec();
    input.extend_from_slice(&flags.to_le_bytes());
    input.extend_from_slice(&offset.to_le_bytes());
    input.push(version);
    input.resize(32, 0);
    input.extend_from_slice(data);
    input
}

fn set(rig: &mut Rig, uuid: Uuid, flags: u32, offset: u16, data: &[u8]) -> ReturnCode {
    rig.code(0x0502, &set_input(uuid, flags, offset, 1, data))
}

#[test]
fn the_list_is_read_as_linux_reads_it() {
    let mut rig = Rig::new();
    let head = rig.ok(0x0500, &[8, 0, 0, 0, 0, 0, 0, 0]);
    let total = SupportedFeatures::parse(&head).unwrap().supported();
    assert_eq!((head.len(), total), (8, 16));
    let mut entries = Vec::new();
    while entries.len() < usize::from(total) {
        let mut input = (8_u32 + 5 * 48).to_le_bytes().to_vec();
        input.extend_from_slice(&u16::try_from(entries.len()).unwrap().to_le_bytes());
        input.extend_from_slice(&[0, 0]);
        let reply = rig.ok(0x0500, &input);
        let batch = SupportedFeatures::parse(&reply).unwrap();
        assert!(!batch.entries().is_empty() && batch.entries().len() <= 5);
        for entry in batch.entries() {
            entries.push((entry.uuid(), entry.index.get(), entry.effects().0));
        }
    }
    for (at, entry) in entries.iter().enumerate() {
        assert_eq!(usize::from(entry.1), at);
    }
    assert_eq!(entries[0].0, feature_uuid::PATROL_SCRUB);
    assert_eq!(entries[7].0, feature_uuid::RANK_SPARING);
    let effects: Vec<u16> = entries[8..].iter().map(|entry| entry.2).collect();
    assert_eq!(effects, [0x0001, 0x0002, 0x0002, 0x0042, 0x0000, 0x1002, 0x0021, 0x0001]);
    assert_eq!(rig.code(0x0500, &[8, 0, 0, 0, 16, 0, 0, 0]), ReturnCode::INVALID_INPUT);
    assert_eq!(rig.code(0x0500, &[7, 0, 0, 0, 0, 0, 0, 0]), ReturnCode::INVALID_INPUT);
}

#[test]
fn every_feature_reads_whole_with_the_size_its_entry_states() {
    let mut rig = Rig::new();
    let mut input = 2048_u32.to_le_bytes().to_vec();
    input.extend_from_slice(&[0; 4]);
    let reply = rig.ok(0x0500, &input);
    for entry in SupportedFeatures::parse(&reply).unwrap().entries() {
        let mut value = Vec::new();
        while value.len() < usize::from(entry.get_size.get()) {
            let offset = u16::try_from(value.len()).unwrap();
            value.extend_from_slice(&rig.ok(0x0501, &read_input(entry.uuid(), offset, 2048, 0)));
        }
        assert_eq!(value.len(), usize::from(entry.get_size.get()), "{}", entry.uuid());
        let past = read_input(entry.uuid(), entry.get_size.get(), 1, 0);
        assert_eq!(rig.code(0x0501, &past), ReturnCode::INVALID_INPUT);
    }
}

#[test]
fn patrol_scrub_takes_its_set_layout_and_shows_its_get_layout() {
    let mut rig = Rig::new();
    let scrub = feature_uuid::PATROL_SCRUB;
    assert_eq!(read(&mut rig, scrub), [1, 12, 1, 0]);
    assert_eq!(set(&mut rig, scrub, FULL, 0, &[24, 1]), ReturnCode::SUCCESS);
    assert_eq!(read(&mut rig, scrub), [1, 24, 1, 1]);
    assert_eq!(set(&mut rig, scrub, FULL, 0, &[0, 1]), ReturnCode::INVALID_INPUT, "below 1 h");
    rig.device.reset(ResetKind::Cxl).unwrap();
    assert_eq!(read(&mut rig, scrub), [1, 12, 1, 0], "it does not outlive a reset");
}

#[test]
fn ecs_and_repair_take_their_set_layouts() {
    let mut rig = Rig::new();
    let ecs = feature_uuid::DDR5_ECS;
    assert_eq!(set(&mut rig, ecs, FULL, 0, &[1, 4, 0, 5, 8, 3, 0]), ReturnCode::SUCCESS);
    assert_eq!(read(&mut rig, ecs), [1, 0, 4, 0, 0, 0, 5, 8, 0, 0, 3, 0, 0]);
    assert_eq!(set(&mut rig, ecs, FULL, 0, &[1, 4, 0, 6, 0, 3, 0]), ReturnCode::INVALID_INPUT);
    let soft = set_input(feature_uuid::SOFT_PPR, FULL, 0, 3, &[1, 0, 2]);
    assert_eq!(rig.code(0x0502, &soft), ReturnCode::SUCCESS);
    let value = read(&mut rig, feature_uuid::SOFT_PPR);
    assert_eq!((value[3], value[4], value[19]), (1, 0, 2));
    assert_eq!(set(&mut rig, feature_uuid::ROW_SPARING, FULL, 0, &[1, 0]), ReturnCode::SUCCESS);
    assert_eq!(read(&mut rig, feature_uuid::ROW_SPARING)[3], 1);
}

#[test]
fn each_vendor_feature_does_what_its_effects_say() {
    let mut rig = Rig::new();
    let new = [1, 2, 3, 4];
    assert_eq!(set(&mut rig, vendor(1), FULL, 0, &new), ReturnCode::SUCCESS);
    assert_eq!(read(&mut rig, vendor(1)), [0xef, 0xbe, 0xad, 0xde], "only after a cold reset");
    assert_eq!(set(&mut rig, vendor(2), FULL, 0, &new), ReturnCode::SUCCESS);
    assert_eq!(read(&mut rig, vendor(2)), new);
    assert_eq!(set(&mut rig, vendor(3), FULL, 0, &new), ReturnCode::UNSUPPORTED, "fixed");
    assert_eq!(set(&mut rig, vendor(4), FULL, 0, &new), ReturnCode::BACKGROUND_STARTED);
    assert_eq!(read(&mut rig, vendor(4)), [0; 4]);
    rig.time.advance(2_000_000);
    assert_eq!(read(&mut rig, vendor(4)), new);
    for number in [5, 6] {
        assert_eq!(set(&mut rig, vendor(number), FULL, 0, &new), ReturnCode::SUCCESS);
        assert_eq!(read(&mut rig, vendor(number)), new);
    }
    assert_eq!(set(&mut rig, vendor(7), FULL, 0, &new), ReturnCode::SUCCESS);
    rig.device.reset(ResetKind::Conventional).unwrap();
    assert_eq!(read(&mut rig, vendor(1)), [0xef, 0xbe, 0xad, 0xde]);
    rig.device.power_cycle().unwrap();
    assert_eq!(read(&mut rig, vendor(1)), new);
    assert_eq!(read(&mut rig, vendor(7)), new);
    assert_eq!(set(&mut rig, vendor(9), FULL, 0, &new), ReturnCode::UNSUPPORTED, "not there");
}

#[test]
fn a_saved_change_outlives_a_reset_and_an_unsaved_one_does_not() {
    let mut rig = Rig::new();
    assert_eq!(set(&mut rig, vendor(2), FULL | SAVE, 0, &[1; 4]), ReturnCode::SUCCESS);
    assert_eq!(set(&mut rig, vendor(2), FULL, 0, &[2; 4]), ReturnCode::SUCCESS);
    for (selection, value) in [(0, [2; 4]), (1, [0; 4]), (2, [1; 4])] {
        assert_eq!(rig.ok(0x0501, &read_input(vendor(2), 0, 4, selection)), value);
    }
    rig.device.power_cycle().unwrap();
    assert_eq!(read(&mut rig, vendor(2)), [1; 4]);
    assert_eq!(
        set(&mut rig, vendor(5), FULL | SAVE, 0, &[1; 4]),
        ReturnCode::INVALID_INPUT,
        "it cannot be saved"
    );
    for (uuid, selection) in [(vendor(5), 2), (feature_uuid::PATROL_SCRUB, 1), (vendor(2), 3)] {
        let code = rig.code(0x0501, &read_input(uuid, 0, 4, selection));
        assert_eq!(code, ReturnCode::UNSUPPORTED_FEATURE_SELECTION);
    }
}

#[test]
fn a_value_larger_than_one_payload_comes_in_parts() {
    let mut rig = Rig::new();
    let value: Vec<u8> = (0..6000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let big = vendor(8);
    assert_eq!(set(&mut rig, big, START, 0, &value[..2000]), ReturnCode::SUCCESS);
    assert_eq!(set(&mut rig, big, CONTINUE, 2000, &value[2000..4000]), ReturnCode::SUCCESS);
    assert_eq!(set(&mut rig, big, FINISH, 4000, &value[4000..]), ReturnCode::SUCCESS);
    rig.device.power_cycle().unwrap();
    assert_eq!(rig.ok(0x0501, &read_input(big, 2000, 2048, 0)), value[2000..4048]);
}

#[test]
fn transfers_keep_their_order_and_there_is_one_at_a_time() {
    let mut rig = Rig::new();
    let (two, other) = (vendor(2), vendor(5));
    for action in [CONTINUE, FINISH, ABORT] {
        let code = set(&mut rig, two, action, 0, &[1; 2]);
        assert_eq!(code, ReturnCode::FEATURE_TRANSFER_OUT_OF_ORDER, "{action}");
    }
    assert_eq!(set(&mut rig, two, START, 0, &[1; 2]), ReturnCode::SUCCESS);
    for (uuid, action) in [(two, START), (two, FULL), (other, START), (other, FINISH)] {
        let code = set(&mut rig, uuid, action, 0, &[1; 2]);
        assert_eq!(code, ReturnCode::FEATURE_TRANSFER_IN_PROGRESS, "{action}");
    }
    let gap = set(&mut rig, two, FINISH, 3, &[1; 1]);
    assert_eq!(gap, ReturnCode::FEATURE_TRANSFER_OUT_OF_ORDER);
    let dropped = set(&mut rig, two, FINISH, 2, &[1; 2]);
    assert_eq!(dropped, ReturnCode::FEATURE_TRANSFER_OUT_OF_ORDER);
    assert_eq!(set(&mut rig, two, START, 0, &[1; 2]), ReturnCode::SUCCESS);
    assert_eq!(set(&mut rig, two, ABORT, 0, &[]), ReturnCode::SUCCESS);
    assert_eq!(read(&mut rig, two), [0; 4], "nothing of it was taken");
}

#[test]
fn a_value_of_another_size_or_version_is_refused() {
    let mut rig = Rig::new();
    for data in [&[1; 3][..], &[1; 5], &[]] {
        let code = set(&mut rig, vendor(2), FULL, 0, data);
        assert_eq!(code, ReturnCode::INVALID_PAYLOAD_LENGTH);
    }
    let version = set_input(vendor(2), FULL, 0, 2, &[1; 4]);
    assert_eq!(rig.code(0x0502, &version), ReturnCode::UNSUPPORTED_FEATURE_VERSION);
    assert_eq!(set(&mut rig, vendor(2), 5, 0, &[1; 4]), ReturnCode::INVALID_INPUT);
    assert_eq!(set(&mut rig, vendor(2), FULL, 1, &[1; 3]), ReturnCode::INVALID_INPUT);
    assert_eq!(read(&mut rig, vendor(2)), [0; 4]);
}

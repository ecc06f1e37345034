// SPDX-License-Identifier: MIT OR Apache-2.0
//! Firmware: transfers, their order and their time limit, activation, and the log that changes with it.

use fwgate_wire::cxl::ReturnCode;
use fwgate_wire::cxl::cel::CommandEffectsLog;
use fwgate_wire::cxl::firmware::FirmwareInfo;
use fwgate_wire::cxl::identify::IdentifyMemoryDeviceResponse;

use super::Rig;
use super::effects::read_log;
use crate::device::{Options, ResetKind};
use crate::faults::{FaultPlan, LogEdit};
use crate::firmware::package;

const FULL: u8 = 0;
const START: u8 = 1;
const CONTINUE: u8 = 2;
const END: u8 = 3;
const ABORT: u8 = 4;

fn part(action: u8, slot: u8, unit: u32, data: &[u8]) -> Vec<u8> {
    let mut out = vec![action, slot, 0, 0];
    out.extend_from_slice(&unit.to_le_bytes());
    out.resize(128, 0);
    out.extend_from_slice(data);
    out
}

fn load(rig: &mut Rig, slot: u8, revision: &str) {
    let image = package(revision, &[0x5a; 700]);
    rig.ok(0x0201, &part(START, 0, 0, &image[..256]));
    rig.ok(0x0201, &part(CONTINUE, 0, 2, &image[256..512]));
    let last = part(END, slot, 4, &image[512..]);
    assert_eq!(rig.code(0x0201, &last), ReturnCode::BACKGROUND_STARTED);
    rig.time.advance(2_000_000);
}

fn info(rig: &mut Rig) -> (u8, u8, String) {
    let reply = rig.ok(0x0200, &[]);
    let info = FirmwareInfo::parse(&reply).unwrap();
    assert_eq!((info.slots, info.online_activation()), (2, true));
    let second = String::from_utf8(info.revision(2).unwrap_or_default().to_vec()).unwrap();
    (info.active_slot(), info.staged_slot(), second)
}

fn revision(rig: &mut Rig) -> String {
    let reply = rig.ok(0x4000, &[]);
    let identity = IdentifyMemoryDeviceResponse::parse(&reply).unwrap();
    String::from_utf8(identity.identity().firmware_revision().to_vec()).unwrap()
}

#[test]
fn a_package_in_parts_fills_a_slot_and_is_active_after_a_reset() {
    let mut rig = Rig::new();
    load(&mut rig, 2, "FWGT 2.0");
    assert_eq!(info(&mut rig), (1, 0, "FWGT 2.0".to_owned()));
    assert_eq!(rig.code(0x0202, &[1, 2]), ReturnCode::SUCCESS);
    assert_eq!(info(&mut rig).1, 2, "staged");
    assert_eq!(revision(&mut rig), "FWGT 1.0");
    let before = rig.device.changes();
    rig.device.reset(ResetKind::Conventional).unwrap();
    assert_eq!(revision(&mut rig), "FWGT 2.0");
    assert_eq!((info(&mut rig).0, info(&mut rig).1), (2, 0));
    assert!(rig.device.changes() > before);
}

#[test]
fn online_activation_runs_in_the_background_and_is_a_change() {
    let mut rig = Rig::new();
    let image = package("FWGT 2.0", b"small");
    assert_eq!(rig.code(0x0201, &part(FULL, 2, 0, &image)), ReturnCode::BACKGROUND_STARTED);
    rig.time.advance(2_000_000);
    let before = rig.device.changes();
    assert_eq!(rig.code(0x0202, &[0, 2]), ReturnCode::BACKGROUND_STARTED);
    assert_eq!(revision(&mut rig), "FWGT 1.0");
    rig.time.advance(2_000_000);
    assert_eq!(rig.device.changes(), before + 1);
    assert_eq!(revision(&mut rig), "FWGT 2.0");
}

#[test]
fn a_package_that_does_not_verify_leaves_the_slot_as_it_was() {
    let mut rig = Rig::new();
    let mut image = package("FWGT 2.0", &[1; 300]);
    image[100] ^= 1;
    assert_eq!(rig.code(0x0201, &part(FULL, 2, 0, &image)), ReturnCode::BACKGROUND_STARTED);
    rig.time.advance(2_000_000);
    let status = rig.device.background().unwrap().status;
    assert_eq!(status.return_code(), ReturnCode::FW_VERIFICATION_FAILED);
    assert_eq!(info(&mut rig).2, "");
    assert_eq!(rig.code(0x0202, &[1, 2]), ReturnCode::INVALID_SLOT);
}

#[test]
fn parts_out_of_order_drop_the_transfer() {
    let mut rig = Rig::new();
    let data = [0; 128];
    for action in [CONTINUE, END, ABORT] {
        let code = rig.code(0x0201, &part(action, 2, 0, &data));
        assert_eq!(code, ReturnCode::FW_TRANSFER_OUT_OF_ORDER, "{action}");
    }
    rig.ok(0x0201, &part(START, 0, 0, &data));
    for action in [FULL, START] {
        let code = rig.code(0x0201, &part(action, 2, 0, &data));
        assert_eq!(code, ReturnCode::FW_TRANSFER_IN_PROGRESS, "{action}");
    }
    let gap = part(CONTINUE, 0, 2, &data);
    assert_eq!(rig.code(0x0201, &gap), ReturnCode::FW_TRANSFER_OUT_OF_ORDER);
    let next = part(CONTINUE, 0, 1, &data);
    assert_eq!(rig.code(0x0201, &next), ReturnCode::FW_TRANSFER_OUT_OF_ORDER, "dropped");
    rig.ok(0x0201, &part(START, 0, 0, &data));
    rig.ok(0x0201, &part(ABORT, 0, 0, &[]));
    rig.ok(0x0201, &part(START, 0, 0, &data));
}

#[test]
fn a_transfer_that_waits_more_than_thirty_seconds_is_gone() {
    let mut rig = Rig::new();
    let data = [0; 128];
    rig.ok(0x0201, &part(START, 0, 0, &data));
    rig.time.advance(30_000_000);
    rig.ok(0x0201, &part(CONTINUE, 0, 1, &data));
    rig.time.advance(30_000_001);
    let late = part(CONTINUE, 0, 2, &data);
    assert_eq!(rig.code(0x0201, &late), ReturnCode::FW_TRANSFER_OUT_OF_ORDER);
    rig.ok(0x0201, &part(START, 0, 0, &data));
}

#[test]
fn slots_that_are_active_empty_or_absent_are_refused() {
    let mut rig = Rig::new();
    let image = package("FWGT 2.0", b"x");
    for slot in [0, 1, 3] {
        let code = rig.code(0x0201, &part(FULL, slot, 0, &image));
        assert_eq!(code, ReturnCode::INVALID_SLOT, "{slot}");
    }
    for slot in [0, 1, 2, 3] {
        assert_eq!(rig.code(0x0202, &[1, slot]), ReturnCode::INVALID_SLOT, "{slot}");
    }
    assert_eq!(rig.code(0x0202, &[2, 2]), ReturnCode::INVALID_INPUT);
    assert_eq!(rig.code(0x0201, &part(5, 2, 0, &image)), ReturnCode::INVALID_INPUT);
    assert_eq!(rig.code(0x0201, &part(FULL, 2, 1, &image)), ReturnCode::INVALID_INPUT);
    assert_eq!(
        rig.code(0x0201, &part(START, 2, 0, &[0; 100])),
        ReturnCode::INVALID_PAYLOAD_LENGTH,
        "only the last part may end inside a unit"
    );
}

#[test]
fn the_effects_log_changes_with_the_firmware_when_the_plan_says_so() {
    let faults = FaultPlan {
        log_after_activation: vec![
            LogEdit { opcode: 0xC006, effects: Some(0x0002) },
            LogEdit { opcode: 0xC004, effects: None },
            LogEdit { opcode: 0xC100, effects: Some(0) },
        ],
        ..FaultPlan::default()
    };
    let mut rig = Rig::with(Options { faults: Some(faults), ..Options::cxl0() });
    let before = read_log(&mut rig);
    load(&mut rig, 2, "FWGT 2.0");
    rig.ok(0x0202, &[1, 2]);
    assert_eq!(read_log(&mut rig), before, "staged is not active");
    rig.device.power_cycle().unwrap();
    let after = read_log(&mut rig);
    let rows = |bytes: &[u8]| -> Vec<(u16, u16)> {
        let log = CommandEffectsLog::parse(bytes).unwrap();
        log.iter().map(|(opcode, effects)| (opcode.0, effects.0)).collect()
    };
    let mut expected = rows(&before);
    expected.retain(|(opcode, _)| !matches!(opcode, 0xC004 | 0xC006));
    expected.extend([(0xC006, 0x0002), (0xC100, 0)]);
    expected.sort_unstable();
    assert_eq!(rows(&after), expected);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Background operations: progress, end, abort, and what else may run meanwhile.

use fwgate_wire::cxl::{Opcode, ReturnCode};

use super::Rig;
use crate::device::Options;

fn background(rig: &mut Rig) -> (Opcode, u8, ReturnCode, bool) {
    let view = rig.device.background().unwrap();
    (view.status.opcode(), view.status.percent(), view.status.return_code(), view.running)
}

const WORK: Opcode = Opcode(0xC004);

#[test]
fn work_goes_on_in_the_background_and_shows_its_progress() {
    let mut rig = Rig::new();
    assert_eq!(background(&mut rig), (Opcode(0), 0, ReturnCode::SUCCESS, false));
    let (completed, _) = rig.try_send(0xC004, &4000_u32.to_le_bytes()).unwrap();
    assert!(completed.background);
    assert_eq!(background(&mut rig), (WORK, 0, ReturnCode::SUCCESS, true));
    rig.time.advance(1_000_000);
    assert_eq!(background(&mut rig), (WORK, 25, ReturnCode::SUCCESS, true));
    assert_eq!(rig.telemetry().u16(6) & 1, 1);
    rig.time.advance(2_999_999);
    assert_eq!(background(&mut rig), (WORK, 99, ReturnCode::SUCCESS, true));
    rig.time.advance(1);
    assert_eq!(background(&mut rig), (WORK, 100, ReturnCode::SUCCESS, false));
    let telemetry = rig.telemetry();
    assert_eq!((telemetry.u16(6) & 1, telemetry.u32(40)), (0, 1));
}

#[test]
fn one_background_operation_runs_at_a_time_and_other_commands_go_on() {
    let mut rig = Rig::new();
    assert_eq!(rig.code(0xC004, &[]), ReturnCode::BACKGROUND_STARTED);
    assert_eq!(rig.code(0xC004, &[]), ReturnCode::BUSY);
    assert_eq!(rig.code(0x4400, &[]), ReturnCode::BUSY);
    assert_eq!(rig.code(0x4305, &[]), ReturnCode::BUSY);
    rig.ok(0xC002, &[9, 0, 0, 0]);
    rig.time.advance(2_000_000);
    assert_eq!(rig.code(0xC004, &[]), ReturnCode::BACKGROUND_STARTED);
}

#[test]
fn work_is_aborted_on_request_and_says_so() {
    let mut rig = Rig::new();
    rig.code(0xC004, &1000_u32.to_le_bytes());
    rig.time.advance(500_000);
    rig.ok(0x0005, &[]);
    assert_eq!(background(&mut rig), (WORK, 50, ReturnCode::ABORTED, false));
    rig.time.advance(1_000_000);
    assert_eq!(rig.telemetry().u32(40), 0, "it was never done");
    assert_eq!(rig.code(0x0005, &[]), ReturnCode::SUCCESS, "nothing to abort");
}

#[test]
fn a_sanitize_disables_media_cannot_be_aborted_and_erases() {
    let mut rig = Rig::new();
    rig.ok(0x4301, &0x4000_u64.to_le_bytes());
    assert_eq!(rig.code(0x4400, &[]), ReturnCode::BACKGROUND_STARTED);
    assert_eq!(rig.code(0x4301, &0x4000_u64.to_le_bytes()), ReturnCode::MEDIA_DISABLED);
    assert_eq!(rig.code(0x4300, &[0; 16]), ReturnCode::MEDIA_DISABLED);
    assert_eq!(rig.code(0x0005, &[]), ReturnCode::ABORT_NOT_SUPPORTED);
    rig.ok(0x4200, &[]);
    assert_eq!(rig.telemetry().u16(6), 3, "running, media disabled");
    rig.time.advance(2_000_000);
    let telemetry = rig.telemetry();
    assert_eq!((telemetry.u16(6), telemetry.u32(48)), (0, 0));
    let mut everything = 0_u64.to_le_bytes().to_vec();
    everything.extend_from_slice(&64_u64.to_le_bytes());
    let list = rig.ok(0x4300, &everything);
    assert_eq!(list[10..12], [0, 0], "no poison left");
}

#[test]
fn an_operation_of_no_length_ends_at_once() {
    let mut rig = Rig::with(Options { background_us: 0, ..Options::cxl0() });
    assert_eq!(rig.code(0xC004, &[]), ReturnCode::BACKGROUND_STARTED);
    assert_eq!(background(&mut rig), (WORK, 100, ReturnCode::SUCCESS, false));
}

#[test]
fn a_reset_ends_the_running_operation() {
    let mut rig = Rig::new();
    rig.code(0xC004, &[]);
    rig.device.power_cycle().unwrap();
    assert_eq!(background(&mut rig), (Opcode(0), 0, ReturnCode::SUCCESS, false));
    rig.time.advance(10_000_000);
    assert_eq!(rig.telemetry().u32(40), 0);
}

#[test]
fn work_longer_than_the_limit_is_refused() {
    let mut rig = Rig::new();
    assert_eq!(rig.code(0xC004, &60_001_u32.to_le_bytes()), ReturnCode::INVALID_INPUT);
    assert_eq!(rig.code(0xC004, &[1, 2]), ReturnCode::INVALID_PAYLOAD_LENGTH);
}

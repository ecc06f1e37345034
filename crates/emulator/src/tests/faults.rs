// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each fault, as the driver sees it, and what the device did all the same.

use fwgate_wire::cxl::mailbox::MailboxError;
use fwgate_wire::cxl::{Opcode, ReturnCode};

use super::{PATIENCE, Rig, START};
use crate::clock::TimeSource as _;
use crate::commands::logs::EFFECTS;
use crate::device::TransportError;
use crate::faults::{FaultKind, FaultRule};

fn mailbox_error(rig: &mut Rig, opcode: u16, input: &[u8]) -> MailboxError<crate::HostError> {
    match rig.try_send(opcode, input).unwrap_err() {
        TransportError::Mailbox(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_late_reply_comes_and_time_has_passed() {
    let late = FaultRule::on(0xC000, FaultKind::Late { us: 5000 });
    let mut rig = Rig::faulty(vec![late.times(1)]);
    rig.ok(0xC000, &[]);
    assert!(rig.time.now_us() >= START + 5000);
    let before = rig.time.now_us();
    rig.ok(0xC000, &[]);
    assert_eq!(rig.time.now_us(), before);
}

#[test]
fn a_reply_later_than_the_deadline_is_a_timeout_and_the_command_is_done() {
    let late = FaultRule::on(0xC002, FaultKind::Late { us: PATIENCE * 2 });
    let mut rig = Rig::faulty(vec![late]);
    let error = rig.try_send(0xC002, &[7, 0, 0, 0]).unwrap_err();
    assert_eq!(error, TransportError::Mailbox(MailboxError::Timeout));
    assert!(error.may_have_run());
    assert_eq!(mailbox_error(&mut rig, 0xC000, &[]), MailboxError::Busy);
    rig.time.advance(PATIENCE * 2);
    assert_eq!(rig.telemetry().u32(20), 7);
}

#[test]
fn a_doorbell_that_never_clears_blocks_the_device_until_a_power_cycle() {
    let mut rig = Rig::faulty(vec![FaultRule::on(0xC002, FaultKind::Never).after(1).times(1)]);
    rig.ok(0xC002, &[1, 0, 0, 0]);
    assert_eq!(mailbox_error(&mut rig, 0xC002, &[2, 0, 0, 0]), MailboxError::Timeout);
    rig.time.advance(3600 * 1_000_000);
    assert_eq!(mailbox_error(&mut rig, 0xC000, &[]), MailboxError::Busy);
    assert_eq!(rig.device.commands_taken(), 2);
    rig.device.power_cycle().unwrap();
    assert_eq!(rig.telemetry().u32(20), 2, "it was carried out");
}

#[test]
fn short_replies_are_cut_and_long_ones_are_refused_by_the_driver() {
    let mut rig = Rig::faulty(vec![
        FaultRule::on(0xC000, FaultKind::Short { bytes: 5 }).times(1),
        FaultRule::on(0xC000, FaultKind::Long { claim: 2049 }).after(1).times(1),
        FaultRule::on(0xC000, FaultKind::Long { claim: 2048 }).after(2).times(1),
    ]);
    assert_eq!(rig.ok(0xC000, &[]), b"FWGT\x01");
    assert_eq!(
        mailbox_error(&mut rig, 0xC000, &[]),
        MailboxError::LengthBeyondPayload { length: 2049, payload_size: 2048 }
    );
    assert_eq!(rig.ok(0xC000, &[]).len(), 2048, "a long claim that fits cannot be told");
    assert_eq!(rig.ok(0xC000, &[]).len(), 64);
}

#[test]
fn another_opcode_in_the_command_register_is_noticed() {
    let mut rig = Rig::faulty(vec![FaultRule::on(0xC000, FaultKind::WrongOpcode { echo: 0xC003 })]);
    let error = mailbox_error(&mut rig, 0xC000, &[]);
    assert_eq!(error, MailboxError::WrongOpcode { sent: Opcode(0xC000), found: Opcode(0xC003) });
}

#[test]
fn a_stuck_doorbell_lets_nothing_be_sent() {
    let mut rig = Rig::faulty(vec![FaultRule::always(FaultKind::DoorbellStuck).after(1).times(1)]);
    rig.ok(0xC000, &[]);
    let error = rig.try_send(0xC003, &[]).unwrap_err();
    assert_eq!(error, TransportError::Mailbox(MailboxError::Busy));
    assert!(!error.may_have_run());
    assert_eq!(rig.device.commands_taken(), 1);
    rig.ok(0xC000, &[]);
    let mut rig = Rig::faulty(vec![FaultRule::always(FaultKind::DoorbellStuck)]);
    assert_eq!(mailbox_error(&mut rig, 0xC000, &[]), MailboxError::Busy);
    assert_eq!(rig.device.commands_taken(), 0);
}

#[test]
fn a_device_that_is_gone_reads_as_ones_until_a_power_cycle() {
    let mut rig = Rig::faulty(vec![FaultRule::on(0xC003, FaultKind::Gone).times(1)]);
    rig.ok(0xC000, &[]);
    assert_eq!(mailbox_error(&mut rig, 0xC003, &[]), MailboxError::Gone);
    assert_eq!(mailbox_error(&mut rig, 0xC000, &[]), MailboxError::Gone);
    assert_eq!(rig.device.commands_taken(), 1, "it was gone before it took the command");
    rig.device.power_cycle().unwrap();
    assert_ne!(rig.telemetry().u32(48), 0, "the scratch area was not erased");
}

#[test]
fn a_forced_return_code_does_not_carry_the_command_out() {
    let busy = FaultKind::ReturnCode { code: ReturnCode::RETRY_REQUIRED.0 };
    let mut rig = Rig::faulty(vec![FaultRule::on(0xC003, busy).times(1)]);
    assert_eq!(rig.code(0xC003, &[]), ReturnCode::RETRY_REQUIRED);
    assert_eq!(rig.device.commands_taken(), 0);
    assert_ne!(rig.telemetry().u32(48), 0);
    rig.ok(0xC003, &[]);
    assert_eq!(rig.telemetry().u32(48), 0);
}

fn effects_log(rig: &mut Rig) -> (usize, Vec<u8>) {
    let logs = rig.ok(0x0400, &[]);
    let size = u32::from_le_bytes(logs[24..28].try_into().unwrap());
    let mut input = EFFECTS.as_bytes().to_vec();
    input.extend_from_slice(&0_u32.to_le_bytes());
    input.extend_from_slice(&size.to_le_bytes());
    (size as usize, rig.ok(0x0401, &input))
}

#[test]
fn a_truncated_effects_log_ends_inside_a_row_though_its_size_is_whole() {
    let mut rig = Rig::faulty(vec![FaultRule::always(FaultKind::LogTruncated { bytes: 42 })]);
    let (size, log) = effects_log(&mut rig);
    assert!(size > 42 && size % 4 == 0);
    assert_eq!(log.len(), 42);
}

#[test]
fn duplicate_rows_contradict_each_other() {
    let mut rig = Rig::faulty(vec![FaultRule::always(FaultKind::DuplicateRows).after(2)]);
    let (size, log) = effects_log(&mut rig);
    assert_eq!(size, log.len());
    let (more, log) = effects_log(&mut rig);
    assert_eq!(more, size + 4);
    assert_eq!(log[..2], log[more - 4..more - 2]);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device's own effects log: it lists what is carried out, and it is credible.

use fwgate_policy::effects::Effects;
use fwgate_policy::lint::{FindingCode, is_credible, lint};
use fwgate_policy::tables::Classes;
use fwgate_policy::{Facts, Protocol, Reported, ReportedRow, Surroundings, Tables};
use fwgate_wire::cxl::ReturnCode;
use fwgate_wire::cxl::cel::CommandEffectsLog;
use fwgate_wire::cxl::logs::SupportedLogs;

use super::Rig;
use crate::commands::logs::EFFECTS;

/// Reads the effects log as the kernel does: supported logs, then the log in pieces.
pub(super) fn read_log(rig: &mut Rig) -> Vec<u8> {
    let logs = rig.ok(0x0400, &[]);
    let logs = SupportedLogs::parse(&logs).unwrap();
    let size = logs.find(EFFECTS).unwrap().size.get();
    let mut out = Vec::new();
    while out.len() < size as usize {
        let offset = u32::try_from(out.len()).unwrap();
        let length = (size - offset).min(100);
        let mut input = EFFECTS.as_bytes().to_vec();
        input.extend_from_slice(&offset.to_le_bytes());
        input.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&rig.ok(0x0401, &input));
    }
    out
}

fn rows(rig: &mut Rig) -> Vec<(u16, u16)> {
    let bytes = read_log(rig);
    let log = CommandEffectsLog::parse(&bytes).unwrap();
    log.iter().map(|(opcode, effects)| (opcode.0, effects.0)).collect()
}

#[test]
fn the_log_lists_exactly_what_is_carried_out() {
    let mut rig = Rig::new();
    let listed: Vec<u16> = rows(&mut rig).into_iter().map(|(opcode, _)| opcode).collect();
    let sets = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44]
        .into_iter()
        .chain([0x45, 0x46, 0x48, 0x51, 0x53, 0xC0, 0xFF]);
    for set in sets {
        for command in 0..=0x20_u16 {
            let opcode = set << 8 | command;
            // An input of 5 bytes is right for few commands; the answer to it tells the rest apart.
            let (code, _) = rig.send(opcode, &[0; 5]);
            let known = !matches!(code, ReturnCode::UNSUPPORTED | ReturnCode::UNSUPPORTED_MAILBOX);
            assert_eq!(known, listed.contains(&opcode), "0x{opcode:04X} {code}");
        }
    }
}

#[test]
fn commands_of_other_mailboxes_are_told_from_unknown_ones() {
    let mut rig = Rig::new();
    for opcode in [0x0001, 0x0002, 0x0003, 0x5100, 0x5300] {
        assert_eq!(rig.code(opcode, &[]), ReturnCode::UNSUPPORTED_MAILBOX, "0x{opcode:04X}");
    }
    for opcode in [0x0000, 0x0006, 0xC008, 0xFFFF] {
        assert_eq!(rig.code(opcode, &[]), ReturnCode::UNSUPPORTED, "0x{opcode:04X}");
    }
}

#[test]
fn no_row_says_less_than_the_floor_and_none_sets_a_reserved_bit() {
    let mut rig = Rig::new();
    let rows = rows(&mut rig);
    let mut held = 0;
    for (opcode, word) in &rows {
        let effects = Effects::from_cxl(*word);
        assert!(!effects.contains(Effects::RESERVED), "0x{opcode:04X}");
        if let Some(row) =
            fwgate_policy::tables::builtin::CXL.iter().find(|row| row.opcode == *opcode)
        {
            let missing = row.effects.difference(effects);
            assert!(missing.is_empty(), "0x{opcode:04X} lacks {missing:?}");
            held += 1;
        }
    }
    assert!(held >= 37, "{held} rows of the standard sets have a row in the table");
}

fn facts() -> Facts<'static> {
    Facts {
        class: Classes::CXL_MEMORY,
        vendor: crate::VENDOR_ID,
        device: crate::CXL_DEVICE_ID,
        firmware: b"FWGT 1.0",
        reported: Reported::default(),
        credible: false,
        features: None,
        logs: None,
        surroundings: Surroundings::DRIVEN_BY_NOBODY,
        operations: None,
        inner: &[],
    }
}

fn reported(rows: &[(u16, u16)]) -> Vec<ReportedRow> {
    rows.iter()
        .map(|(opcode, word)| ReportedRow { opcode: *opcode, word: u32::from(*word) })
        .collect()
}

#[test]
fn the_judge_finds_the_log_credible_and_nothing_mandatory_missing() {
    let mut rig = Rig::new();
    let rows = reported(&rows(&mut rig));
    let tables = Tables::BUILTIN;
    assert!(is_credible(Protocol::Cxl, &rows, &facts(), &tables));
    let mut missing = Vec::new();
    lint(Protocol::Cxl, &rows, &facts(), &tables, |finding| {
        if finding.code == FindingCode::MandatoryMissing {
            missing.push(finding.opcode);
        }
    });
    assert_eq!(missing, []);
}

#[test]
fn vendor_rows_say_what_was_agreed() {
    let mut rig = Rig::new();
    let vendor: Vec<_> =
        rows(&mut rig).into_iter().filter(|(opcode, _)| *opcode >= 0xC000).collect();
    assert_eq!(
        vendor,
        [
            (0xC000, 0x0000),
            (0xC001, 0x0001),
            (0xC002, 0x0002),
            (0xC003, 0x0004),
            (0xC004, 0x0140),
            (0xC005, 0x001C),
            (0xC006, 0x0000),
            (0xC007, 0x001E),
        ]
    );
}

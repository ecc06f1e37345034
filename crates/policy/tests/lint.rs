// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lint finds in an effects log, and which findings make the judge stop believing it.

mod common;

use common::{NO_ROWS, READ, almighty, quiet_device};
use fwgate_policy::facts::ReportedRow;
use fwgate_policy::lint::{FindingCode, Severity, is_credible, lint};
use fwgate_policy::tables::{Classes, FloorRow, JudgedBy, Kind};
use fwgate_policy::{
    Command, Confidence, Effects, Facts, Protocol, Question, Reported, Route, Scope, Tables, judge,
};

const CHANGE: FloorRow = FloorRow { effects: Effects::IMMEDIATE_DATA, kind: Kind::Change, ..READ };

const TABLES: Tables<'static> = Tables {
    cxl: &[
        FloorRow { opcode: 0x0400, mandatory: Classes::CXL_MEMORY, ..READ },
        FloorRow { opcode: 0x4301, ..CHANGE },
        FloorRow { opcode: 0x4302, confidence: Confidence::Inferred, ..CHANGE },
        FloorRow {
            opcode: 0x5300,
            confidence: Confidence::Inferred,
            effects: Effects::empty(),
            judged_by: Some(JudgedBy::CarriedCommand),
            ..CHANGE
        },
    ],
    nvme_admin: &[FloorRow { opcode: 0x80, effects: Effects::NVM_DATA, ..CHANGE }],
    ..NO_ROWS
};

/// Rows that are in order, with the one that is mandatory.
const GOOD: [(u16, u32); 3] = [(0x0400, 0), (0x4301, 4), (0xC000, 2)];

fn rows(log: &[(u16, u32)]) -> Vec<ReportedRow> {
    log.iter().map(|(opcode, word)| ReportedRow { opcode: *opcode, word: *word }).collect()
}

fn found(protocol: Protocol, log: &[(u16, u32)]) -> Vec<(FindingCode, Severity, Option<u16>)> {
    let mut all = Vec::new();
    lint(protocol, &rows(log), &quiet_device(), &TABLES, |it| {
        all.push((it.code, it.severity, it.opcode));
    });
    assert_eq!(
        is_credible(protocol, &rows(log), &quiet_device(), &TABLES),
        !all.iter().any(|(code, ..)| code.discredits())
    );
    all
}

#[test]
fn a_log_without_fault_is_credible() {
    assert_eq!(found(Protocol::Cxl, &GOOD), []);
}

#[test]
fn each_fault_is_found_at_its_opcode_with_its_severity() {
    use FindingCode::{
        AttributeNumbering, BelowFloor, CarrierWithoutEffects, DuplicateRow, ReadWithEffects,
        ReservedBit, ResetBitsNotValid, ZeroOpcode,
    };
    for (row, code, severity, discredits) in [
        ((0x4301, 0), BelowFloor, Severity::Error, true),
        ((0x4302, 0), BelowFloor, Severity::Note, true),
        ((0xC000, 2), DuplicateRow, Severity::Error, true),
        ((0xC001, 0x1000), ReservedBit, Severity::Error, true),
        ((0x0000, 2), ZeroOpcode, Severity::Error, false),
        ((0xC001, 0x0400), ResetBitsNotValid, Severity::Note, false),
        ((0xC001, 0x00C0), AttributeNumbering, Severity::Note, false),
        ((0x5300, 0), CarrierWithoutEffects, Severity::Note, false),
        ((0x0400, 4), ReadWithEffects, Severity::Note, false),
    ] {
        let mut log = GOOD.to_vec();
        log.retain(|(opcode, _)| *opcode == 0xC000 || *opcode != row.0);
        log.push(row);
        assert_eq!(found(Protocol::Cxl, &log), [(code, severity, Some(row.0))], "{row:x?}");
        assert_eq!(code.discredits(), discredits, "{code:?}");
    }
}

#[test]
fn an_empty_log_and_one_of_zeroes_are_not_believed() {
    let mandatory = (FindingCode::MandatoryMissing, Severity::Note, Some(0x0400));
    assert_eq!(found(Protocol::Cxl, &[]), [(FindingCode::Empty, Severity::Error, None), mandatory]);
    let zeroes = found(Protocol::Cxl, &[(0x0400, 0), (0xC000, 0), (0xC001, 0)]);
    assert_eq!(zeroes, [(FindingCode::AllZero, Severity::Error, None)]);
}

#[test]
fn an_nvme_row_counts_only_where_it_is_supported() {
    assert_eq!(found(Protocol::NvmeAdmin, &[(0x80, 3)]), []);
    let below = found(Protocol::NvmeAdmin, &[(0x80, 1)]);
    assert_eq!(below, [(FindingCode::BelowFloor, Severity::Error, Some(0x80))]);
    let absent = found(Protocol::NvmeAdmin, &[(0x80, 2)]);
    assert_eq!(absent, [(FindingCode::UnsupportedWithEffects, Severity::Note, Some(0x80))]);
    let reserved = found(Protocol::NvmeAdmin, &[(0xC0, 1 | 3 << 16)]);
    assert_eq!(reserved, [(FindingCode::ReservedBit, Severity::Error, Some(0xC0))]);
}

#[test]
fn a_device_that_lies_about_one_command_is_believed_about_no_opaque_one() {
    let required = |log: &[(u16, u32)]| {
        let rows = rows(log);
        let credible = is_credible(Protocol::Cxl, &rows, &quiet_device(), &TABLES);
        let reported = Reported::new(&rows).unwrap();
        let facts = Facts { reported, credible, ..quiet_device() };
        let command = Command::Cxl { opcode: 0xC000, payload: &[] };
        let standing = almighty();
        let route = Route::Firmware;
        judge(&Question { command, route, facts: &facts, tables: &TABLES, standing: &standing })
            .required
    };
    assert_eq!(required(&[(0x0400, 0), (0x4301, 4), (0xC000, 0)]), Scope::DebugRead);
    assert_eq!(required(&[(0x0400, 0), (0x4301, 0), (0xC000, 0)]), Scope::DebugWriteFull);
    assert_eq!(required(&[(0x0400, 0), (0xC000, 0)]), Scope::DebugWriteFull);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a device's effects log says less than the floor, or contradicts itself.
//!
//! The log is read as it came: order, duplicates and all. A log in which anything below the floor,
//! a duplicate, a reserved bit or nothing but zeroes is found is not credible, and the judge then
//! asks the highest scope of every opaque command.
//!
//! *Not here*: running commands to see what they really do (`fwgate qualify`).

use crate::class::{Class, classify_row};
use crate::effects::{Attributes, Effects};
use crate::facts::{Facts, ReportedRow};
use crate::scope::Confidence;
use crate::tables::{FloorRow, JudgedBy, Protocol, Tables};

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// The log is wrong by a cited row or by itself.
    Error,
}

impl Severity {
    /// The word for it in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Error => "error",
        }
    }
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FindingCode {
    /// The row reports less than the floor.
    BelowFloor,
    /// The opcode has more than one row.
    DuplicateRow,
    /// A reserved bit is set.
    ReservedBit,
    /// No row reports any effect.
    AllZero,
    /// The log has no row at all.
    Empty,
    /// A command that the specification makes mandatory is not listed.
    MandatoryMissing,
    /// Opcode 0000h is listed, which no command has.
    ZeroOpcode,
    /// Bits 10 or 11 are set and bit 9, which makes them valid, is not.
    ResetBitsNotValid,
    /// Bit 7 is set on a background command: some devices number "abort supported" so.
    AttributeNumbering,
    /// A command that can carry any other reports no effect of its own.
    CarrierWithoutEffects,
    /// A command that a cited row calls a read reports an effect.
    ReadWithEffects,
    /// The command is marked unsupported and reports effects.
    UnsupportedWithEffects,
}

impl FindingCode {
    /// The code's name, as it is written in output. Never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BelowFloor => "below-floor",
            Self::DuplicateRow => "duplicate-row",
            Self::ReservedBit => "reserved-bit",
            Self::AllZero => "all-zero",
            Self::Empty => "empty",
            Self::MandatoryMissing => "mandatory-missing",
            Self::ZeroOpcode => "zero-opcode",
            Self::ResetBitsNotValid => "reset-bits-not-valid",
            Self::AttributeNumbering => "attribute-numbering",
            Self::CarrierWithoutEffects => "carrier-without-effects",
            Self::ReadWithEffects => "read-with-effects",
            Self::UnsupportedWithEffects => "unsupported-with-effects",
        }
    }

    /// Whether a log with this finding is not to be believed.
    #[must_use]
    pub const fn discredits(self) -> bool {
        matches!(
            self,
            Self::BelowFloor | Self::DuplicateRow | Self::ReservedBit | Self::AllZero | Self::Empty
        )
    }
}

/// One finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding<'a> {
    /// What.
    pub code: FindingCode,
    /// How bad.
    pub severity: Severity,
    /// In which set of commands.
    pub protocol: Protocol,
    /// At which opcode, unless it is about the whole log.
    pub opcode: Option<u16>,
    /// The word as it came, where it is about one row.
    pub word: Option<u32>,
    /// Effects that it is about: missing, or too many.
    pub effects: Effects,
    /// Where the floor comes from.
    pub source: &'a str,
}

/// Reads one set of a log and reports what is wrong with it.
///
/// `rows` are in the device's order. For NVMe a row is given for every opcode that is not all
/// zero. The facts give class and vendor of the device; their own log is not looked at.
pub fn lint<'a>(
    protocol: Protocol,
    rows: &[ReportedRow],
    facts: &Facts<'a>,
    tables: &Tables<'a>,
    mut found: impl FnMut(Finding<'a>),
) {
    if protocol.is_family() {
        // Its devices have no effects log.
        return;
    }
    if rows.is_empty() {
        found(whole(FindingCode::Empty, protocol));
    } else if protocol == Protocol::Cxl && rows.iter().all(|row| row.word == 0) {
        found(whole(FindingCode::AllZero, protocol));
    }
    let mut seen = Seen::new();
    for row in rows {
        let class = classify_row(protocol, row.opcode, row.word, facts, tables);
        let floor = tables.floor(protocol, row.opcode);
        let finding = |code, severity, effects| Finding {
            code,
            severity,
            protocol,
            opcode: Some(row.opcode),
            word: Some(row.word),
            effects,
            source: floor.map_or("", |row| row.source),
        };
        if seen.again(row.opcode) {
            found(finding(FindingCode::DuplicateRow, Severity::Error, Effects::empty()));
        }
        if class.reported.contains(Effects::RESERVED) {
            found(finding(FindingCode::ReservedBit, Severity::Error, Effects::RESERVED));
        }
        if !supported(protocol, row.word) {
            if !class.reported.is_empty() {
                let code = FindingCode::UnsupportedWithEffects;
                found(finding(code, Severity::Note, class.reported));
            }
            continue;
        }
        let missing = class.floor.difference(class.reported);
        if !missing.is_empty() {
            let severity = match class.floor_confidence {
                Confidence::Cited => Severity::Error,
                Confidence::Inferred | Confidence::Unknown => Severity::Note,
            };
            found(finding(FindingCode::BelowFloor, severity, missing));
        }
        if let Some((code, effects)) = reads(&class, floor) {
            found(finding(code, Severity::Note, effects));
        }
        if protocol == Protocol::Cxl {
            cxl_only(row, &class, |code, severity| found(finding(code, severity, class.reported)));
        }
    }
    for row in mandatory(protocol, facts, tables) {
        if !rows.iter().any(|it| it.opcode == row.opcode && supported(protocol, it.word)) {
            found(Finding {
                code: FindingCode::MandatoryMissing,
                severity: Severity::Note,
                protocol,
                opcode: Some(row.opcode),
                word: None,
                effects: Effects::empty(),
                source: row.source,
            });
        }
    }
}

/// Whether a log over these rows may be believed.
#[must_use]
pub fn is_credible<'a>(
    protocol: Protocol,
    rows: &[ReportedRow],
    facts: &Facts<'a>,
    tables: &Tables<'a>,
) -> bool {
    let mut credible = true;
    lint(protocol, rows, facts, tables, |finding| credible &= !finding.code.discredits());
    credible
}

const fn whole<'a>(code: FindingCode, protocol: Protocol) -> Finding<'a> {
    Finding {
        code,
        severity: Severity::Error,
        protocol,
        opcode: None,
        word: None,
        effects: Effects::empty(),
        source: "",
    }
}

const fn supported(protocol: Protocol, word: u32) -> bool {
    match protocol {
        Protocol::Cxl | Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => true,
        Protocol::NvmeAdmin | Protocol::NvmeIo => word & 1 == 1,
    }
}

fn reads(class: &Class<'_>, floor: Option<&FloorRow>) -> Option<(FindingCode, Effects)> {
    let floor = floor?;
    let cited_none = floor.confidence == Confidence::Cited
        && floor.effects.difference(Effects::BACKGROUND).is_empty();
    if class.judged_by == Some(JudgedBy::CarriedCommand) && class.reported.is_empty() {
        return Some((FindingCode::CarrierWithoutEffects, Effects::empty()));
    }
    let extra = class.reported.difference(Effects::BACKGROUND | Effects::RESERVED);
    (cited_none && class.judged_by.is_none() && !extra.is_empty())
        .then_some((FindingCode::ReadWithEffects, extra))
}

fn cxl_only(row: &ReportedRow, class: &Class<'_>, mut found: impl FnMut(FindingCode, Severity)) {
    if row.opcode == 0 {
        found(FindingCode::ZeroOpcode, Severity::Error);
    }
    let late = Effects::CONFIG_CONVENTIONAL_RESET | Effects::CONFIG_CXL_RESET;
    if class.reported.intersects(late) && !class.attributes.contains(Attributes::RESET_BITS_VALID) {
        found(FindingCode::ResetBitsNotValid, Severity::Note);
    }
    if class.reported.contains(Effects::BACKGROUND)
        && class.attributes.contains(Attributes::SECONDARY_MAILBOX)
        && !class.attributes.contains(Attributes::ABORT_SUPPORTED)
    {
        found(FindingCode::AttributeNumbering, Severity::Note);
    }
}

fn mandatory<'t, 'a>(
    protocol: Protocol,
    facts: &'t Facts<'_>,
    tables: &'t Tables<'a>,
) -> impl Iterator<Item = &'a FloorRow> + use<'t, 'a> {
    let class = facts.class;
    let rows = match protocol {
        Protocol::Cxl => tables.cxl,
        Protocol::NvmeAdmin => tables.nvme_admin,
        Protocol::NvmeIo | Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => &[],
    };
    rows.iter().filter(move |row| row.mandatory.intersects(class))
}

/// Which opcodes were seen: one bit for each of the 65 536.
struct Seen {
    bits: [u64; 1024],
}

impl Seen {
    const fn new() -> Self {
        Self { bits: [0; 1024] }
    }

    /// Marks an opcode and answers whether it was marked before.
    fn again(&mut self, opcode: u16) -> bool {
        let mask = 1u64 << (opcode & 63);
        let Some(word) = self.bits.get_mut(usize::from(opcode >> 6)) else { return false };
        let was = *word & mask != 0;
        *word |= mask;
        was
    }
}

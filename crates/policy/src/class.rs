// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a command is: its effects, what it shows, the scope it asks for.
//!
//! Four sources speak, and none may make it milder than the floor: the device's report, the floor
//! row, the row of its sub-operation, and a vendor's document that the owner installed.
//!
//! A command of an fwctl family has no report: the scope of the kernel's driver speaks, and ours where
//! it is higher; for pds the attribute that the firmware gives to the operation.
//!
//! *Invariants*: the effective effects contain the floor. No scope is below the driver's. A cited sub-operation row replaces the
//! opcode's report and floor for that sub-operation; everything else only adds.
//!
//! *Not here*: whether anyone may send it (`judge`).

use crate::command::Command;
use crate::disclosure::Disclosure;
use crate::effects::{Attributes, Effects};
use crate::facts::Facts;
use crate::scope::{Basis, Confidence, NvmeKind, Scope, cxl_scope, nvme_scope};
use crate::tables::{
    Carried, FloorRow, JudgedBy, Kind, Protocol, Selector, SelectorField, SelectorRow, Tables,
    VendorRow,
};

use fwgate_wire::fwctl::mlx5;

/// Where mlx5's register access names its register: bytes 10 and 11 of the mailbox.
const REGISTER: SelectorField = SelectorField { offset: 10, len: 2 };
/// CXL Set Feature.
pub(crate) const SET_FEATURE: u16 = 0x0502;
/// CXL Tunnel Management Command.
pub(crate) const TUNNEL: u16 = 0x5300;

/// What a command is, before it is asked who sends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class<'a> {
    /// Protocol.
    pub protocol: Protocol,
    /// Opcode.
    pub opcode: u16,
    /// The word that the device reports, as it came; `None` where it reports none.
    pub reported_word: Option<u32>,
    /// The effects in that word.
    pub reported: Effects,
    /// The attributes in that word.
    pub attributes: Attributes,
    /// The least effects by the tables.
    pub floor: Effects,
    /// How surely the floor is known.
    pub floor_confidence: Confidence,
    /// What is judged.
    pub effective: Effects,
    /// What the reply shows.
    pub discloses: Disclosure,
    /// What a sourced row says that it is.
    pub kind: Kind,
    /// Whether only the device says what it does: no sourced row knows it.
    pub opaque: bool,
    /// The scope it asks for.
    pub scope: Scope,
    /// What decides on it, where the opcode is too coarse.
    pub judged_by: Option<JudgedBy>,
    /// The sub-operation's bytes, where it names one.
    pub selector: Option<Selector>,
    /// The sub-operation's or the vendor row's name, where one is known.
    pub operation: Option<&'a str>,
    /// Where a vendor row says that another command is carried.
    pub carries: Option<Carried>,
    /// The least scope at which the kernel's fwctl driver passes it on; `None` where no such driver is
    /// known to.
    pub driver: Option<Scope>,
    /// Why ours is higher, where it is.
    pub raised: Option<&'a str>,
}

impl Class<'_> {
    /// Whether a sourced row calls it a read and nothing contradicts that.
    #[must_use]
    pub fn is_sourced_read(&self) -> bool {
        matches!(self.kind, Kind::Read)
            && !self.opaque
            && self.effective.difference(Effects::BACKGROUND).is_empty()
    }

    /// Whether it changes something, or might.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.is_sourced_read()
    }
}

/// Classifies a command for this device.
#[must_use]
pub fn classify<'a>(command: &Command<'_>, facts: &Facts<'a>, tables: &Tables<'a>) -> Class<'a> {
    let protocol = command.protocol();
    let opcode = command.opcode();
    let known = Gathered::of(protocol, opcode, facts, tables);
    let word = if protocol.is_family() { None } else { facts.reported.word(opcode) };
    let mut draft = known.draft(word);
    if protocol == Protocol::Cxl && opcode == SET_FEATURE {
        draft.set_feature(command, facts);
    } else if let Some(field) = known.field {
        draft.narrow(&known, command.selector(field), facts, tables);
    }
    match protocol {
        Protocol::Pds => draft.operation(command, facts, tables),
        Protocol::Mlx5 | Protocol::Bnxt => draft.family(tables),
        Protocol::Cxl | Protocol::NvmeAdmin | Protocol::NvmeIo => {}
    }
    if protocol == Protocol::Mlx5 && matches!(opcode, mlx5::ACCESS_REG | mlx5::ACCESS_REGISTER_USER)
    {
        // Ground goes by the register, scope by whether it is read or written.
        draft.class.selector = command.selector(REGISTER);
    }
    draft.finish(facts.credible)
}

/// Classifies an opcode as its row in an effects log stands: the worst of all it can do.
#[must_use]
pub fn classify_row<'a>(
    protocol: Protocol,
    opcode: u16,
    word: u32,
    facts: &Facts<'a>,
    tables: &Tables<'a>,
) -> Class<'a> {
    let known = Gathered::of(protocol, opcode, facts, tables);
    let mut draft = known.draft(Some(word));
    if known.field.is_some() {
        draft.narrow(&known, None, facts, tables);
        // The row stands for all of them, and not all of them are never sent.
        draft.spare(known.kind);
    }
    if matches!(protocol, Protocol::Mlx5 | Protocol::Bnxt) {
        draft.family(tables);
    }
    let mut class = draft.finish(facts.credible);
    if class.judged_by == Some(JudgedBy::CarriedCommand) {
        // It may carry anything: a command that shows a secret, one that asks for everything.
        class.discloses = Disclosure::Secret;
        class.scope = Scope::DebugWriteFull;
    }
    class
}

/// The rows that speak of one opcode.
struct Gathered<'a> {
    protocol: Protocol,
    opcode: u16,
    floor: Option<&'a FloorRow>,
    /// What later layers add.
    added: Added,
    discloses: Disclosure,
    kind: Kind,
    vendor: Option<&'a VendorRow<'a>>,
    field: Option<SelectorField>,
    carries: Option<Carried>,
}

/// What rows loaded at run time add to the rows of one opcode. It holds for every sub-operation.
#[derive(Clone, Copy)]
struct Added {
    effects: Effects,
    discloses: Disclosure,
    kind: Kind,
}

impl Added {
    const NOTHING: Self =
        Self { effects: Effects::empty(), discloses: Disclosure::None, kind: Kind::Read };
}

impl<'a> Gathered<'a> {
    fn of(protocol: Protocol, opcode: u16, facts: &Facts<'a>, tables: &Tables<'a>) -> Self {
        let floor = tables.floor(protocol, opcode);
        let mut vendors = tables
            .layers()
            .filter_map(|layer| {
                layer.vendor_row(facts.vendor, facts.device, facts.firmware, opcode)
            })
            .filter(|_| floor.is_none() && protocol != Protocol::NvmeIo && !protocol.is_family());
        let vendor = vendors.next();
        let mut carries = vendor.and_then(|row| row.carries);
        let known = floor.is_some_and(|row| row.confidence != Confidence::Unknown);
        let discloses = match (floor, vendor) {
            (Some(row), _) => row.discloses,
            (None, Some(row)) => row.discloses,
            (None, None) => Disclosure::Secret,
        };
        let mut kind =
            if known { floor.map_or(Kind::Change, |row| row.kind) } else { Kind::Change };
        if floor.is_some_and(|row| row.kind == Kind::Never) {
            kind = Kind::Never;
        }
        let mut added = Added::NOTHING;
        for row in tables.layers().skip(1).filter_map(|layer| layer.floor(protocol, opcode)) {
            added.effects |= row.effects;
            added.discloses = added.discloses.max(row.discloses);
            added.kind = stricter(added.kind, row.kind);
        }
        for row in vendors {
            added.effects |= row.effects;
            added.discloses = added.discloses.max(row.discloses);
            carries = carries.or(row.carries);
        }
        let field = floor.and_then(|row| row.selector).or(vendor.and_then(|row| row.selector));
        Self {
            protocol,
            opcode,
            floor,
            added,
            discloses: discloses.max(added.discloses),
            kind: stricter(kind, added.kind),
            vendor,
            field,
            carries,
        }
    }

    fn draft(&self, word: Option<u32>) -> Draft<'a> {
        let (reported, attributes) = read_word(self.protocol, word.unwrap_or(0));
        let own = match (self.floor, self.vendor) {
            (Some(row), _) => (row.effects, row.confidence),
            (None, Some(row)) => (row.effects, Confidence::Cited),
            (None, None) => (Effects::empty(), Confidence::Unknown),
        };
        let added = self.added.effects;
        let confidence = if own.1 == Confidence::Unknown && !added.is_empty() {
            Confidence::Inferred
        } else {
            own.1
        };
        Draft {
            class: Class {
                protocol: self.protocol,
                opcode: self.opcode,
                reported_word: word,
                reported,
                attributes,
                floor: own.0 | added,
                floor_confidence: confidence,
                effective: reported | own.0 | added,
                discloses: self.discloses,
                kind: self.kind,
                opaque: own.1 == Confidence::Unknown,
                scope: Scope::DebugWriteFull,
                judged_by: self.floor.and_then(|row| row.judged_by).or(self.vendor.and_then(
                    |row| match (row.selector, self.carries) {
                        (_, Some(_)) => Some(JudgedBy::CarriedCommand),
                        (Some(_), None) => Some(JudgedBy::SubOperation),
                        (None, None) => None,
                    },
                )),
                selector: None,
                operation: self.vendor.map(|row| row.name),
                carries: self.carries,
                driver: None,
                raised: None,
            },
            asked: Scope::DebugWriteFull,
            added: self.added,
            from_feature: false,
        }
    }

    /// The compiled-in sub-operation rows and those of the vendor row: what can replace a report.
    fn operations(&self, tables: &Tables<'a>) -> impl Iterator<Item = &'a SelectorRow> + use<'a> {
        let vendor = self.vendor.map(|row| row.operations).unwrap_or_default();
        tables.selectors(self.protocol, self.opcode).iter().chain(vendor)
    }

    /// The sub-operation rows of the layers loaded at run time: what can only add.
    fn later<'t>(
        &self,
        facts: &Facts<'a>,
        tables: &'t Tables<'a>,
    ) -> impl Iterator<Item = &'a SelectorRow> + use<'t, 'a> {
        let (protocol, opcode) = (self.protocol, self.opcode);
        let (vendor, device, firmware) = (facts.vendor, facts.device, facts.firmware);
        let rows = tables.layers().skip(1);
        let rows = rows.flat_map(move |layer| layer.selectors(protocol, opcode));
        let vendors = tables
            .layers()
            .filter_map(move |layer| layer.vendor_row(vendor, device, firmware, opcode))
            .skip(if self.vendor.is_some() { 1 } else { usize::MAX });
        rows.chain(vendors.flat_map(|row| row.operations))
    }
}

/// A class in the making.
struct Draft<'a> {
    class: Class<'a>,
    added: Added,
    from_feature: bool,
    /// A family's scope, ours.
    asked: Scope,
}

impl<'a> Draft<'a> {
    /// Set Feature: the feature's own entry speaks, the opcode's row in the log does not.
    fn set_feature(&mut self, command: &Command<'_>, facts: &Facts<'a>) {
        let selector = command.selector(SelectorField { offset: 0, len: 16 });
        self.class.selector = selector;
        let entry = selector.and_then(|uuid| facts.feature(uuid.as_bytes()));
        if let Some(entry) = entry {
            self.class.reported_word = Some(u32::from(entry.effects));
            self.class.reported = Effects::from_cxl(entry.effects);
            self.class.attributes = Attributes::from_cxl(entry.effects);
            let added = self.added.effects;
            self.class.floor = added;
            self.class.floor_confidence =
                if added.is_empty() { Confidence::Unknown } else { Confidence::Inferred };
            self.class.effective = self.class.reported | added;
            self.from_feature = true;
        }
    }

    /// A command of mlx5 or bnxt: the driver's scope, or a higher one of ours. Rows loaded at run time
    /// make no command known and lower no scope.
    fn family(&mut self, tables: &Tables<'a>) {
        let class = &mut self.class;
        let (protocol, opcode, selector) = (class.protocol, class.opcode, class.selector);
        let rows = tables.scopes_of(protocol, opcode);
        // A sub-operation's own row stands for it; in a later layer it only adds to the opcode's.
        let own = rows.iter().find(|row| selector.is_some() && row.selector == selector);
        let Some(row) = own.or_else(|| rows.iter().find(|row| row.selector.is_none())) else {
            return;
        };
        class.driver = Some(row.driver);
        self.asked = row.driver;
        let later = tables.layers().skip(1).flat_map(|layer| layer.scopes_of(protocol, opcode));
        let later = later
            .filter(|row| row.selector.is_none() || selector.is_none() || row.selector == selector);
        for row in core::iter::once(row).chain(later) {
            let ours = row.raised.unwrap_or(row.driver).max(row.driver);
            if ours > self.asked {
                self.asked = ours;
                class.raised = Some(row.why);
            }
        }
        self.raise_for_added();
    }

    /// An operation of pds: the strictest of the entries that the driver could take for it.
    fn operation(&mut self, command: &Command<'_>, facts: &Facts<'a>, tables: &Tables<'a>) {
        self.class.selector = command.operation();
        let (Command::Pds { endpoint, operation, .. }, Some(list)) = (*command, facts.operations)
        else {
            return;
        };
        let mut found: Option<(Scope, Scope, Option<&'a str>)> = None;
        for entry in list.iter().filter(|entry| entry.covers(endpoint, operation)) {
            let known = tables.attribute(entry.attribute);
            let driver = known.map_or(Scope::DebugWriteFull, |row| row.driver);
            let (mut ours, mut why) = (driver, None);
            for row in tables.layers().filter_map(|layer| layer.attribute(entry.attribute)) {
                let asks = row.raised.unwrap_or(row.driver);
                if asks > ours {
                    (ours, why) = (asks, Some(row.why));
                }
            }
            // The driver takes the first entry; which that is, is not for the caller to use.
            found = Some(match found {
                Some((before, most, because)) if most >= ours => {
                    (before.max(driver), most, because)
                }
                Some((before, ..)) => (before.max(driver), ours, why),
                None => (driver, ours, why),
            });
        }
        let Some((driver, ours, why)) = found else { return };
        self.class.driver = Some(driver);
        self.class.raised = why;
        self.asked = ours;
        self.raise_for_added();
    }

    /// What rows loaded at run time say that it changes asks for its scope as everywhere else.
    fn raise_for_added(&mut self) {
        let asks = cxl_scope(self.added.effects, Basis::Cited);
        if asks > self.asked {
            self.asked = asks;
            self.class.raised = Some("rows loaded at run time say that it changes more");
        }
    }

    /// A multiplexer: its known sub-operation speaks, or all of them do. Rows loaded at run time
    /// only add to that.
    fn narrow(
        &mut self,
        known: &Gathered<'a>,
        selector: Option<Selector>,
        facts: &Facts<'a>,
        tables: &Tables<'a>,
    ) {
        self.class.selector = selector;
        let names_it = |row: &&SelectorRow| selector.is_some_and(|it| it == row.selector);
        let mut matching = known.operations(tables).filter(names_it);
        if let Some(row) = matching.next() {
            self.class.operation = Some(row.name);
            if row.confidence == Confidence::Cited {
                self.class.floor = row.effects | self.added.effects;
                self.class.effective = self.class.floor;
                self.class.floor_confidence = Confidence::Cited;
                self.class.discloses = row.discloses.max(self.added.discloses);
                self.class.kind = stricter(row.kind, self.added.kind);
                self.class.opaque = false;
            } else {
                self.add(row);
            }
            matching.for_each(|row| self.add(row));
            known.later(facts, tables).filter(names_it).for_each(|row| self.add(row));
        } else {
            let floor = self.class.floor;
            known.operations(tables).for_each(|row| self.add(row));
            known.later(facts, tables).for_each(|row| self.add(row));
            // The union is what it may do, not the least that it does; and a sub-operation that is
            // never sent bars itself, not its neighbours. One that cannot be read may be that one.
            self.class.floor = floor;
            let may_be = |row: &SelectorRow| selector.is_none_or(|it| it == row.selector);
            let barred = |row: &SelectorRow| row.kind == Kind::Never && may_be(row);
            let named = known.operations(tables).chain(known.later(facts, tables)).any(barred);
            if !named {
                self.spare(known.kind);
            }
            // A vendor's document that does not name this sub-operation does not know it.
            if known.vendor.is_some() {
                self.class.opaque = true;
                self.class.discloses = Disclosure::Secret;
            }
        }
    }

    /// Takes back that it is never sent, unless its opcode is.
    fn spare(&mut self, opcode: Kind) {
        if self.class.kind == Kind::Never && opcode != Kind::Never {
            self.class.kind = Kind::Change;
        }
    }

    fn add(&mut self, row: &SelectorRow) {
        self.class.floor |= row.effects;
        self.class.effective |= row.effects;
        self.class.discloses = self.class.discloses.max(row.discloses);
        self.class.kind = stricter(self.class.kind, row.kind);
    }

    fn finish(mut self, credible: bool) -> Class<'a> {
        let class = &mut self.class;
        let changes = class.effective.difference(Effects::BACKGROUND);
        if class.kind == Kind::Read && !changes.is_empty() {
            class.kind = Kind::Change;
        }
        class.scope = match class.protocol {
            Protocol::Cxl => {
                let basis = if class.floor_confidence == Confidence::Cited && !class.opaque {
                    Basis::Cited
                } else if credible || self.from_feature {
                    Basis::Credible
                } else {
                    Basis::Incredible
                };
                cxl_scope(class.effective, basis)
            }
            Protocol::NvmeAdmin | Protocol::NvmeIo => {
                let kind = match class.kind {
                    _ if class.opaque => NvmeKind::Opaque,
                    Kind::Read => NvmeKind::SourcedRead,
                    _ => NvmeKind::Known,
                };
                nvme_scope(class.effective, kind)
            }
            Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => self.asked,
        };
        if class.driver.is_none_or(|driver| class.scope <= driver) {
            class.raised = None;
        }
        self.class
    }
}

/// The effects and attributes in a reported word. An NVMe command that is not supported reports
/// nothing.
fn read_word(protocol: Protocol, word: u32) -> (Effects, Attributes) {
    match protocol {
        Protocol::Cxl => {
            let low = u16::try_from(word & 0xFFFF).unwrap_or(u16::MAX);
            (Effects::from_cxl(low), Attributes::from_cxl(low))
        }
        Protocol::NvmeAdmin | Protocol::NvmeIo => {
            (Effects::from_nvme(word), Attributes::from_nvme(word))
        }
        // There is no such log.
        Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => (Effects::empty(), Attributes::empty()),
    }
}

/// The kind that grants less.
const fn stricter(a: Kind, b: Kind) -> Kind {
    match (a, b) {
        (Kind::Never, _) | (_, Kind::Never) => Kind::Never,
        (Kind::Change, _) | (_, Kind::Change) => Kind::Change,
        (Kind::Administration, _) | (_, Kind::Administration) => Kind::Administration,
        (Kind::Read, Kind::Read) => Kind::Read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 4] = [Kind::Read, Kind::Administration, Kind::Change, Kind::Never];

    #[test]
    fn the_stricter_of_two_kinds_does_not_depend_on_their_order() {
        for (at, a) in KINDS.into_iter().enumerate() {
            for (by, b) in KINDS.into_iter().enumerate() {
                assert_eq!(stricter(a, b), KINDS[at.max(by)]);
            }
        }
    }
}

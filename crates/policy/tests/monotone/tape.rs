// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions made from a tape of random bytes: any bytes make one, and fewer make a simpler one.
//!
//! *Not here*: what is expected of the answers (`monotone.rs`).

use fwgate_policy::facts::{FeatureFacts, Inner, Known, ReportedRow, Surroundings};
use fwgate_policy::tables::{
    AdvisoryRow, Carried, Classes, Condition, DeviceMatch, FloorRow, GroundRow, InterfaceRow,
    JudgedBy, Kind, Matter, Opinion, Protocol, Selector, SelectorField, SelectorRow, StanceRow,
    VendorRow,
};
use fwgate_policy::{
    Capabilities, Command, Confidence, Disclosure, Effects, Facts, Grants, Judgement, Lockdown,
    Path, PathKind, Question, Reported, Route, Scope, SetAside, Site, Standing, Subsystems, Tables,
    judge,
};
use fwgate_wire::cxl::tunnel::TunnelTarget;

use crate::common::{NO_ROWS, READ, almighty, quiet_device};

/// Bytes to make choices from. Where it ends, every choice is the first.
#[derive(Debug)]
pub(crate) struct Tape<'b>(pub(crate) &'b [u8]);

impl Tape<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn yes(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One time in eight.
    pub(crate) fn seldom(&mut self) -> bool {
        self.byte() & 7 == 7
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub(crate) fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.yes().then(|| make(self))
    }

    pub(crate) fn effects(&mut self) -> Effects {
        let mut effects = Effects::empty();
        for _ in 0..self.below(3) {
            effects |= self.effect();
        }
        effects
    }

    pub(crate) fn effect(&mut self) -> Effects {
        let all: Vec<Effects> = Effects::all().iter().collect();
        self.of(&all)
    }

    fn word(&mut self) -> u16 {
        let mut word = 0;
        for _ in 0..self.below(3) {
            let bits = if self.seldom() { 16 } else { 12 };
            word |= 1 << self.below(bits);
        }
        word
    }

    fn subsystems(&mut self) -> Subsystems {
        self.of(&[
            Subsystems::EDAC,
            Subsystems::CXL,
            Subsystems::NETDEV,
            Subsystems::empty(),
            Subsystems::CXL.union(Subsystems::NETDEV),
        ])
    }
}

pub(crate) const CXL_OPCODES: [u16; 9] =
    [0x0400, 0x0502, 0x0600, 0x4301, 0x4202, 0x5300, 0xC000, 0xC005, 0xC007];
pub(crate) const NVME_OPCODES: [u16; 4] = [0x06, 0x02, 0x80, 0xC0];
pub(crate) const UUIDS: [[u8; 16]; 2] = [[0xAB; 16], [0xCD; 16]];
pub(crate) const KEYS: [&str; 2] = ["edac", "sysfs"];
const INTERFACES: [InterfaceRow; 2] = [
    InterfaceRow { key: "edac", place: "", option: "", verb: "" },
    InterfaceRow { key: "sysfs", place: "", option: "", verb: "" },
];
const KINDS: [Kind; 4] = [Kind::Read, Kind::Administration, Kind::Change, Kind::Never];
const CONFIDENCES: [Confidence; 3] = [Confidence::Cited, Confidence::Inferred, Confidence::Unknown];
const KNOWN: [Known; 3] = [Known::No, Known::Yes, Known::CannotTell];

/// One layer of tables, owned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    pub(crate) cxl: Vec<FloorRow>,
    pub(crate) cxl_selectors: Vec<SelectorRow>,
    pub(crate) nvme: Vec<FloorRow>,
    pub(crate) nvme_selectors: Vec<SelectorRow>,
    pub(crate) ground: Vec<GroundRow>,
    pub(crate) stances: Vec<StanceRow>,
    pub(crate) advisories: Vec<AdvisoryRow<'static>>,
    pub(crate) operations: Vec<SelectorRow>,
    /// Effects of the vendor rows for C005h and C007h, where the layer has them.
    pub(crate) vendor: Option<(Effects, Disclosure)>,
}

fn effects_of(tape: &mut Tape<'_>, kind: Kind, confidence: Confidence) -> Effects {
    if kind == Kind::Read || confidence == Confidence::Unknown {
        Effects::empty()
    } else {
        tape.effects()
    }
}

pub(crate) fn floor(tape: &mut Tape<'_>, opcode: u16) -> FloorRow {
    let (kind, confidence) = (tape.of(&KINDS), tape.of(&CONFIDENCES));
    let kind = if kind == Kind::Never && !tape.seldom() { Kind::Change } else { kind };
    let (judged_by, selector) = match opcode {
        0x0502 => (Some(JudgedBy::Feature), None),
        0x0600 => (Some(JudgedBy::SubOperation), Some(SelectorField { offset: 0, len: 2 })),
        0x0002 => (Some(JudgedBy::SubOperation), Some(SelectorField { offset: 0, len: 1 })),
        0x5300 => (Some(JudgedBy::CarriedCommand), None),
        _ => (None, None),
    };
    FloorRow {
        opcode,
        effects: effects_of(tape, kind, confidence),
        confidence,
        discloses: tape.of(&Disclosure::ALL),
        kind,
        judged_by,
        selector,
        mandatory: if tape.seldom() { Classes::all() } else { Classes::empty() },
        memdev_id: tape.maybe(Tape::byte),
        ..READ
    }
}

pub(crate) fn operation(tape: &mut Tape<'_>, opcode: u16) -> SelectorRow {
    let (kind, confidence) = (tape.of(&KINDS), tape.of(&CONFIDENCES));
    let len = if opcode == 0x0002 { 1 } else { 2 };
    let mut bytes = [0; 16];
    bytes[0] = tape.byte() & 3;
    SelectorRow {
        opcode,
        selector: Selector::of(bytes, len),
        name: "operation",
        effects: effects_of(tape, kind, confidence),
        confidence,
        discloses: tape.of(&Disclosure::ALL),
        kind: if kind == Kind::Never && !tape.seldom() { Kind::Change } else { kind },
        source: "test",
    }
}

/// A ground row, half of the time for this opcode.
pub(crate) fn ground(tape: &mut Tape<'_>, asked: u16) -> GroundRow {
    let any = if tape.seldom() { tape.of(&NVME_OPCODES) } else { tape.of(&CXL_OPCODES) };
    let opcode = if tape.yes() { asked } else { any };
    let protocol = if opcode < 0x100 { Protocol::NvmeAdmin } else { Protocol::Cxl };
    let selector =
        if opcode == 0x0502 { tape.maybe(|it| Selector::of(it.of(&UUIDS), 16)) } else { None };
    GroundRow {
        protocol,
        opcode,
        selector,
        owner: tape.subsystems(),
        others: Subsystems::empty(),
        condition: tape.of(&[
            Condition::Driven,
            Condition::NvdimmBound,
            Condition::DecoderCommitted,
            Condition::NamespaceInUse,
            Condition::InterfacePresent,
        ]),
        read_disturbs: tape.yes(),
        interface: (!tape.seldom()).then(|| tape.of(&KEYS)),
        why: "test",
        source: "test",
    }
}

pub(crate) fn stance(tape: &mut Tape<'_>, opinion: Opinion) -> StanceRow {
    StanceRow {
        key: "stance",
        ground: tape.subsystems(),
        matter: tape.of(&[Matter::Opaque, Matter::DriverTables, Matter::KernelInterface]),
        opinion,
        who: "",
        maintainer_of: "",
        date: "2024-06-06",
        address: "",
        says: "",
        overtaken_by: tape.seldom().then_some("commit"),
    }
}

pub(crate) fn advisory(tape: &mut Tape<'_>) -> AdvisoryRow<'static> {
    let protocol = if tape.seldom() { Protocol::NvmeAdmin } else { Protocol::Cxl };
    AdvisoryRow {
        key: "FWG-TEST",
        device: DeviceMatch {
            vendor: tape.maybe(|it| it.of(&[0xFFF0, 0x1234])),
            device: None,
            firmware: tape.maybe(|it| it.of(&["1.*", "1.0", "2.0"])),
        },
        protocol,
        opcode: tape.maybe(|it| it.of(&CXL_OPCODES)),
        why: "test",
        source: "test",
    }
}

impl Layer {
    fn from_tape(tape: &mut Tape<'_>, asked: u16) -> Self {
        let mut layer = Self::default();
        for opcode in CXL_OPCODES {
            if opcode < 0xC000 && !tape.seldom() {
                layer.cxl.push(floor(tape, opcode));
            }
        }
        for opcode in NVME_OPCODES {
            if opcode < 0xC0 && tape.yes() {
                layer.nvme.push(floor(tape, opcode));
            }
        }
        for _ in 0..tape.below(3) {
            layer.cxl_selectors.push(operation(tape, 0x0600));
            layer.nvme_selectors.push(operation(tape, 0x0002));
            layer.operations.push(operation(tape, 0xC005));
        }
        for _ in 0..tape.below(4) {
            layer.ground.push(ground(tape, asked));
        }
        for _ in 0..tape.below(3) {
            let opinion = tape.of(&[Opinion::Ack, Opinion::Nak]);
            layer.stances.push(stance(tape, opinion));
        }
        if tape.seldom() {
            layer.advisories.push(advisory(tape));
        }
        layer.vendor = tape.maybe(|it| (it.effects(), it.of(&Disclosure::ALL)));
        layer
    }

    fn sorted(mut self) -> Self {
        let key = |row: &SelectorRow| (row.opcode, row.selector);
        self.cxl.sort_by_key(|row| row.opcode);
        self.nvme.sort_by_key(|row| row.opcode);
        self.cxl_selectors.sort_by_key(key);
        self.nvme_selectors.sort_by_key(key);
        self.operations.sort_by_key(key);
        self.ground.sort_by_key(|row| (row.protocol, row.opcode));
        self
    }

    fn vendor_rows(&self) -> Vec<VendorRow<'_>> {
        let Some((effects, discloses)) = self.vendor else { return Vec::new() };
        let row = VendorRow {
            device: DeviceMatch { vendor: Some(0xFFF0), device: None, firmware: None },
            opcode: 0xC005,
            name: "mux",
            effects,
            discloses,
            selector: Some(SelectorField { offset: 0, len: 2 }),
            operations: &self.operations,
            carries: None,
            source: "test",
        };
        let carry = VendorRow {
            opcode: 0xC007,
            name: "carry",
            selector: None,
            operations: &[],
            carries: Some(Carried { opcode_at: 0, payload_at: 2 }),
            ..row
        };
        vec![row, carry]
    }
}

/// What is known of one device, owned.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) reported: Vec<ReportedRow>,
    pub(crate) credible: bool,
    pub(crate) features: Vec<FeatureFacts>,
    pub(crate) surroundings: Surroundings<'static>,
}

impl Device {
    fn from_tape(tape: &mut Tape<'_>) -> Self {
        let mut reported = Vec::new();
        for opcode in NVME_OPCODES.into_iter().chain(CXL_OPCODES) {
            if !tape.seldom() {
                let word = u32::from(tape.word());
                // A supported NVMe command with effects and limits.
                let nvme = word & 0x1E | 1 | (word & 0x20) << 11;
                reported
                    .push(ReportedRow { opcode, word: if opcode < 0x100 { nvme } else { word } });
            }
        }
        reported.sort();
        let features = UUIDS
            .into_iter()
            .map(|uuid| FeatureFacts {
                uuid,
                flags: u32::from(!tape.seldom()),
                effects: tape.word(),
                get_size: 4,
                set_size: 4,
            })
            .collect();
        let surroundings = Surroundings {
            driven: tape.of(&KNOWN),
            nvdimm_bound: tape.of(&KNOWN),
            decoder_committed: tape.of(&KNOWN),
            namespace_in_use: tape.of(&KNOWN),
            drivers: tape.subsystems(),
            interfaces: tape.of(&[Some(&[]), Some(&KEYS), Some(&KEYS), Some(&KEYS[..1]), None]),
        };
        Self { reported, credible: !tape.seldom(), features, surroundings }
    }

    fn facts<'a>(&'a self, inner: &'a [Inner<'a>]) -> Facts<'a> {
        Facts {
            reported: Reported::new(&self.reported).unwrap(),
            credible: self.credible,
            features: Some(&self.features),
            surroundings: self.surroundings,
            inner,
            ..quiet_device()
        }
    }
}

/// Puts a CCI request for `opcode` into a tunnel to `port`.
pub(crate) fn tunnel(port: u8, opcode: u16, payload: &[u8]) -> Vec<u8> {
    let [low, high] = opcode.to_le_bytes();
    let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let size = u16::try_from(payload.len() + 12).unwrap().to_le_bytes();
    let mut bytes = vec![port, 0, size[0], size[1]];
    bytes.extend([0, 0, 0, low, high, len[0], len[1], len[2], 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

fn payload(tape: &mut Tape<'_>, opcode: u16, depth: u8) -> Vec<u8> {
    let mut inner = || {
        let opcode = if depth > 5 { 0x4301 } else { tape.of(&CXL_OPCODES) };
        (opcode, payload(tape, opcode, depth + 1))
    };
    match opcode {
        0x5300 => {
            let (opcode, bytes) = inner();
            tunnel(if tape.seldom() { 9 } else { 3 }, opcode, &bytes)
        }
        0xC007 => {
            let (opcode, bytes) = inner();
            let mut all = opcode.to_le_bytes().to_vec();
            all.extend(bytes);
            all
        }
        0x0502 => {
            let mut bytes = vec![0; 36];
            bytes[..16].copy_from_slice(&tape.of(&UUIDS));
            bytes
        }
        _ => vec![tape.byte() & 3, 0, 0, 0],
    }
}

/// A whole question, owned.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) base: Layer,
    pub(crate) more: Layer,
    pub(crate) outer: Device,
    pub(crate) inner: Device,
    pub(crate) standing: Standing,
    pub(crate) kernel_route: Option<&'static str>,
    pub(crate) nvme: bool,
    pub(crate) opcode: u16,
    pub(crate) bytes: Vec<u8>,
    pub(crate) cdw10: u32,
}

impl World {
    pub(crate) fn from_tape(tape: &mut Tape<'_>) -> Self {
        let nvme = tape.byte() & 3 == 3;
        let opcode = tape.of(if nvme { &NVME_OPCODES[..] } else { &CXL_OPCODES[..] });
        let bytes = if nvme { Vec::new() } else { payload(tape, opcode, 0) };
        let cdw10 = u32::from(tape.byte() & 3);
        let standing = standing(tape);
        let outer = Device::from_tape(tape);
        let inner = Device::from_tape(tape);
        let kernel_route = tape.seldom().then(|| tape.of(&KEYS));
        let mut base = Layer::from_tape(tape, opcode);
        if let Some(key) = kernel_route.filter(|_| tape.yes()) {
            base.ground.push(GroundRow { interface: Some(key), ..ground(tape, opcode) });
        }
        let more = if tape.yes() { Layer::from_tape(tape, opcode) } else { Layer::default() };
        Self { base, more, outer, inner, standing, kernel_route, nvme, opcode, bytes, cdw10 }
    }

    /// Judges, and hands the judgement to `look`.
    pub(crate) fn judged<T>(&self, look: impl FnOnce(&Judgement<'_>) -> T) -> T {
        let (base, more) = (self.base.clone().sorted(), self.more.clone().sorted());
        let (base_vendor, more_vendor) = (base.vendor_rows(), more.vendor_rows());
        let later = tables(&more, &more_vendor, None);
        let tables = tables(&base, &base_vendor, Some(&later));
        let third = self.inner.facts(&[]);
        let third = [Inner { target: TunnelTarget::PortOrLd(3), facts: &third }];
        let second = self.inner.facts(&third);
        let second = [Inner { target: TunnelTarget::PortOrLd(3), facts: &second }];
        let first = self.inner.facts(&second);
        let first = [Inner { target: TunnelTarget::PortOrLd(3), facts: &first }];
        let facts = self.outer.facts(&first);
        let command = if self.nvme {
            let opcode = u8::try_from(self.opcode).unwrap();
            Command::NvmeAdmin { opcode, nsid: 1, cdw: [self.cdw10, 0, 0, 0, 0, 0], data: &[] }
        } else {
            Command::Cxl { opcode: self.opcode, payload: &self.bytes }
        };
        let route = self.kernel_route.map_or(Route::Firmware, Route::Kernel);
        let standing = &self.standing;
        look(&judge(&Question { command, route, facts: &facts, tables: &tables, standing }))
    }
}

fn tables<'a>(
    layer: &'a Layer,
    vendor: &'a [VendorRow<'a>],
    more: Option<&'a Tables<'a>>,
) -> Tables<'a> {
    Tables {
        cxl: &layer.cxl,
        cxl_selectors: &layer.cxl_selectors,
        nvme_admin: &layer.nvme,
        nvme_selectors: &layer.nvme_selectors,
        ground: &layer.ground,
        interfaces: &INTERFACES,
        stances: &layer.stances,
        advisories: &layer.advisories,
        vendor,
        more,
        ..NO_ROWS
    }
}

/// Mostly someone who may do much, so that there is something to lose.
fn standing(tape: &mut Tape<'_>) -> Standing {
    let scopes = [Some(Scope::DebugWriteFull), Some(Scope::DebugWrite), None];
    let all = almighty();
    Standing {
        asked: if tape.yes() { None } else { Some(tape.of(&Scope::ALL)) },
        capabilities: Capabilities { sys_admin: !tape.seldom(), sys_rawio: !tape.seldom() },
        site: if tape.seldom() { Site::NoPermit } else { Site::Permit },
        grants: Grants {
            may_see: if tape.seldom() { tape.of(&Disclosure::ALL) } else { Disclosure::Secret },
            scope: if tape.seldom() { tape.of(&scopes) } else { all.grants.scope },
            opaque: if tape.seldom() { tape.of(&scopes) } else { all.grants.opaque },
            named_action: tape.yes(),
            set_aside: if tape.yes() {
                SetAside::all()
            } else {
                SetAside::from_bits_truncate(tape.byte())
            },
        },
        lockdown: if tape.seldom() { Lockdown::Integrity } else { Lockdown::None },
        path: Path {
            kind: tape.of(&[
                PathKind::Fwctl,
                PathKind::Fwctl,
                PathKind::Memdev,
                PathKind::KernelInterface,
                PathKind::NvmeIoctl,
                PathKind::Raw,
                PathKind::Mctp,
                PathKind::Emulated,
            ]),
            follows_background: !tape.seldom(),
            admits_caller: tape.yes(),
        },
        over_budget: tape.seldom() && tape.seldom(),
    }
}

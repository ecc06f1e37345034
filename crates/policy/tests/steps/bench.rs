// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small world in which each step of the judge can be tried: a table of its own, a device that
//! reports what the tests need, and an answer that is easy to compare.
//!
//! *Not here*: expectations (`steps.rs`, `rights.rs`).

use fwgate_policy::facts::{ReportedRow, Surroundings};
use fwgate_policy::tables::{
    Classes, Condition, FloorRow, GroundRow, InterfaceRow, JudgedBy, Kind, Matter, Opinion,
    Protocol, Selector, SelectorField, SelectorRow, StanceRow,
};
use fwgate_policy::{
    Code, Command, Confidence, Disclosure, Effects, Facts, Known, Level, Obligations, PathKind,
    Question, Reported, Route, Scope, Standing, Subsystems, Tables, Verdict, judge,
};

use crate::common::{NO_ROWS, READ, almighty, quiet_device};

pub(crate) const GET_LOG: u16 = 0x0401;
pub(crate) const CLEAR_LOG: u16 = 0x0403;
pub(crate) const SET_FEATURE: u16 = 0x0502;
pub(crate) const MAINTENANCE: u16 = 0x0600;
pub(crate) const SET_PARTITION: u16 = 0x4101;
pub(crate) const SET_ALERTS: u16 = 0x4202;
pub(crate) const SET_LABELS: u16 = 0x4103;
pub(crate) const INJECT_POISON: u16 = 0x4301;
pub(crate) const SANITIZE: u16 = 0x4400;
pub(crate) const GET_KEY: u16 = 0x5107;
pub(crate) const TUNNEL: u16 = 0x5300;
/// Opaque: reports nothing, a change at reset, at once, background, security, a reserved bit.
pub(crate) const QUIET: u16 = 0xC000;
pub(crate) const AT_RESET: u16 = 0xC001;
pub(crate) const AT_ONCE: u16 = 0xC002;
pub(crate) const LONG: u16 = 0xC004;
pub(crate) const SECURITY: u16 = 0xC009;
pub(crate) const RESERVED: u16 = 0xC00A;
pub(crate) const MUX: u16 = 0xC005;

pub(crate) const IDENTIFY: u8 = 0x06;
pub(crate) const DOWNLOAD: u8 = 0x11;
pub(crate) const FORMAT: u8 = 0x80;
pub(crate) const KEEP_ALIVE: u8 = 0x18;
pub(crate) const NVME_VENDOR: u8 = 0xC0;

const UUID_FIELD: Option<SelectorField> = Some(SelectorField { offset: 0, len: 16 });
const CHANGE: FloorRow = FloorRow { kind: Kind::Change, ..READ };

pub(crate) const FLOORS: [FloorRow; 13] = [
    FloorRow { opcode: 0x0200, discloses: Disclosure::Health, ..READ },
    FloorRow {
        opcode: 0x0400,
        discloses: Disclosure::Identity,
        mandatory: Classes::CXL_MEMORY,
        ..READ
    },
    FloorRow { opcode: GET_LOG, discloses: Disclosure::Dump, selector: UUID_FIELD, ..READ },
    FloorRow { opcode: CLEAR_LOG, effects: Effects::IMMEDIATE_LOG, selector: UUID_FIELD, ..CHANGE },
    FloorRow { opcode: SET_FEATURE, judged_by: Some(JudgedBy::Feature), ..CHANGE },
    FloorRow {
        opcode: MAINTENANCE,
        effects: Effects::IMMEDIATE_DATA,
        judged_by: Some(JudgedBy::SubOperation),
        selector: Some(SelectorField { offset: 0, len: 2 }),
        ..CHANGE
    },
    FloorRow {
        opcode: SET_PARTITION,
        effects: Effects::CONFIG_COLD_RESET,
        kind: Kind::Administration,
        input_min: Some(9),
        input_max: Some(10),
        memdev_id: Some(9),
        ..READ
    },
    FloorRow {
        opcode: SET_LABELS,
        effects: Effects::IMMEDIATE_CONFIG,
        memdev_id: Some(6),
        ..CHANGE
    },
    FloorRow {
        opcode: SET_ALERTS,
        effects: Effects::IMMEDIATE_POLICY,
        kind: Kind::Administration,
        memdev_id: Some(12),
        ..READ
    },
    FloorRow { opcode: INJECT_POISON, effects: Effects::IMMEDIATE_DATA, ..CHANGE },
    FloorRow {
        opcode: SANITIZE,
        effects: Effects::SECURITY_STATE.union(Effects::IMMEDIATE_DATA),
        ..CHANGE
    },
    FloorRow { opcode: GET_KEY, discloses: Disclosure::Secret, ..READ },
    FloorRow {
        opcode: TUNNEL,
        confidence: Confidence::Inferred,
        judged_by: Some(JudgedBy::CarriedCommand),
        ..CHANGE
    },
];

pub(crate) const OPERATIONS: [SelectorRow; 2] = [
    operation(MAINTENANCE, 0, Effects::empty(), Kind::Read),
    operation(MAINTENANCE, 1, Effects::IMMEDIATE_DATA, Kind::Change),
];

pub(crate) const NVME: [FloorRow; 4] = [
    FloorRow { opcode: IDENTIFY as u16, discloses: Disclosure::Identity, ..READ },
    FloorRow { opcode: DOWNLOAD as u16, ..CHANGE },
    FloorRow { opcode: KEEP_ALIVE as u16, kind: Kind::Never, ..READ },
    FloorRow { opcode: FORMAT as u16, effects: Effects::NVM_DATA, ..CHANGE },
];

pub(crate) const INTERFACES: [InterfaceRow; 2] = [
    InterfaceRow {
        key: "debugfs",
        place: "memN/inject_poison",
        option: "CONFIG_DEBUG_FS",
        verb: "",
    },
    InterfaceRow { key: "security", place: "memN/security", option: "CONFIG_CXL_MEM", verb: "" },
];

pub(crate) const POISON_GROUND: GroundRow = GroundRow {
    protocol: Protocol::Cxl,
    opcode: INJECT_POISON,
    selector: None,
    owner: Subsystems::MM,
    others: Subsystems::empty(),
    condition: Condition::Driven,
    read_disturbs: false,
    interface: Some("debugfs"),
    why: "the kernel's view of the page misses it",
    source: "test",
};

/// Ground of this command, to which the `security` interface leads.
pub(crate) const fn by_security(protocol: Protocol, opcode: u16) -> GroundRow {
    GroundRow { protocol, opcode, interface: Some("security"), ..POISON_GROUND }
}

pub(crate) const TABLES: Tables<'static> = Tables {
    cxl: &FLOORS,
    cxl_selectors: &OPERATIONS,
    nvme_admin: &NVME,
    interfaces: &INTERFACES,
    ..NO_ROWS
};

const REPORTED: [ReportedRow; 24] = [
    reports(IDENTIFY as u16, 1),
    reports(DOWNLOAD as u16, 1),
    reports(KEEP_ALIVE as u16, 1),
    reports(FORMAT as u16, 3),
    reports(NVME_VENDOR as u16, 1),
    reports(0x0200, 0),
    reports(GET_LOG, 0),
    reports(CLEAR_LOG, 0x10),
    reports(SET_FEATURE, 0x3E),
    reports(MAINTENANCE, 4),
    reports(SET_PARTITION, 1),
    reports(SET_LABELS, 2),
    reports(SET_ALERTS, 8),
    reports(INJECT_POISON, 4),
    reports(SANITIZE, 0x24),
    reports(GET_KEY, 0),
    reports(TUNNEL, 0),
    reports(QUIET, 0),
    reports(AT_RESET, 1),
    reports(AT_ONCE, 2),
    reports(LONG, 0x40),
    reports(MUX, 0),
    reports(SECURITY, 0x20),
    reports(RESERVED, 0x1000),
];

const fn reports(opcode: u16, word: u32) -> ReportedRow {
    ReportedRow { opcode, word }
}

pub(crate) const fn operation(opcode: u16, which: u8, effects: Effects, kind: Kind) -> SelectorRow {
    let mut bytes = [0; 16];
    bytes[0] = which;
    SelectorRow {
        opcode,
        selector: Selector::of(bytes, 2),
        name: "operation",
        effects,
        confidence: Confidence::Cited,
        discloses: Disclosure::None,
        kind,
        source: "test",
    }
}

pub(crate) fn stance(
    key: &'static str,
    ground: Subsystems,
    matter: Matter,
    opinion: Opinion,
) -> StanceRow {
    StanceRow {
        key,
        ground,
        matter,
        opinion,
        who: "",
        maintainer_of: "",
        date: "2024-06-06",
        address: "",
        says: "",
        overtaken_by: None,
    }
}

/// The device: reports all of the above, credible, driven by nobody.
pub(crate) fn device() -> Facts<'static> {
    Facts {
        class: Classes::CXL_MEMORY | Classes::NVME,
        reported: Reported::new(&REPORTED).unwrap(),
        ..quiet_device()
    }
}

/// Driven by these, with these interfaces there.
pub(crate) fn driven_by(
    drivers: Subsystems,
    interfaces: &'static [&'static str],
) -> Surroundings<'static> {
    Surroundings {
        driven: Known::Yes,
        drivers,
        interfaces: Some(interfaces),
        ..Surroundings::DRIVEN_BY_NOBODY
    }
}

/// The almighty caller on this path.
pub(crate) fn by(kind: PathKind) -> Standing {
    let mut standing = almighty();
    standing.path.kind = kind;
    standing
}

/// Keeps a row or two for the rest of the test run, so that tables can borrow them.
pub(crate) fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// What was answered, in a form to compare.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) verdict: &'static str,
    pub(crate) obliges: Option<Obligations>,
    /// Refusing and redirecting codes, with their depth.
    pub(crate) refuses: Vec<(u8, Code)>,
    pub(crate) notes: Vec<Code>,
    pub(crate) headline: Option<Code>,
    pub(crate) required: Scope,
    pub(crate) granted: Option<Scope>,
    pub(crate) effects: Effects,
    pub(crate) discloses: Disclosure,
    pub(crate) would_taint: bool,
}

impl Told {
    /// Asserts a refusal with exactly this code, at depth 0.
    #[track_caller]
    pub(crate) fn is_refused_with(&self, code: Code) {
        assert_eq!((self.verdict, &self.refuses[..]), ("deny", &[(0, code)][..]), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn is_allowed(&self) {
        assert_eq!((self.verdict, &self.refuses[..]), ("allow", &[][..]), "{self:?}");
    }

    pub(crate) fn all(&self) -> Vec<Code> {
        self.refuses.iter().map(|(_, code)| *code).chain(self.notes.iter().copied()).collect()
    }
}

/// A question, to be changed in one place and asked.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) command: Command<'a>,
    pub(crate) route: Route<'a>,
    pub(crate) facts: Facts<'a>,
    pub(crate) tables: Tables<'a>,
    pub(crate) standing: Standing,
}

/// The almighty by fwctl, asking for a CXL command.
pub(crate) fn cxl(opcode: u16, payload: &[u8]) -> Ask<'_> {
    Ask {
        command: Command::Cxl { opcode, payload },
        route: Route::Firmware,
        facts: device(),
        tables: TABLES,
        standing: almighty(),
    }
}

/// The almighty on the kernel's own interface for this command, which is there.
pub(crate) fn by_kernel(opcode: u16, payload: &[u8]) -> Ask<'_> {
    let mut ask = cxl(opcode, payload);
    ask.tables.ground = forever([by_security(Protocol::Cxl, opcode)]);
    ask.facts.surroundings.interfaces = Some(&["security"]);
    Ask { route: Route::Kernel("security"), standing: by(PathKind::KernelInterface), ..ask }
}

/// The almighty by the NVMe ioctl.
pub(crate) fn nvme(opcode: u8) -> Ask<'static> {
    let command = Command::NvmeAdmin { opcode, nsid: 1, cdw: [0; 6], data: &[] };
    Ask { command, standing: by(PathKind::NvmeIoctl), ..cxl(0, &[]) }
}

impl Ask<'static> {
    /// With a target behind port 3 that is like the device itself.
    pub(crate) fn through_itself(mut self) -> Self {
        self.facts.inner = forever(crate::tunnels::to(&device()));
        self
    }
}

impl Ask<'_> {
    pub(crate) fn told(&self) -> Told {
        let judgement = judge(&Question {
            command: self.command,
            route: self.route,
            facts: &self.facts,
            tables: &self.tables,
            standing: &self.standing,
        });
        let refusing = judgement.reasons.iter().filter(|it| it.level > Level::Note);
        let notes = judgement.reasons.iter().filter(|it| it.level == Level::Note);
        Told {
            verdict: judgement.verdict.name(),
            obliges: match judgement.verdict {
                Verdict::Allow(obliges) => Some(obliges),
                _ => None,
            },
            refuses: refusing.map(|it| (it.depth, it.code)).collect(),
            notes: notes.map(|it| it.code).collect(),
            headline: judgement.reasons.headline().map(|it| it.code),
            required: judgement.required,
            granted: judgement.granted,
            effects: judgement.effects,
            discloses: judgement.discloses,
            would_taint: judgement.would_taint,
        }
    }
}

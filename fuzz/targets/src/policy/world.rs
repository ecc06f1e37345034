// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device, a caller and a command, made from a tape.

use fwgate_policy::facts::{FeatureFacts, Inner, Known, ReportedRow, Surroundings};
use fwgate_policy::tables::Classes;
use fwgate_policy::{
    Capabilities, Command, Disclosure, Facts, Grants, Lockdown, Path, PathKind, Question, Reported,
    Route, Scope, SetAside, Site, Standing, Subsystems, Tables,
};
use fwgate_wire::cxl::tunnel::TunnelTarget;

use crate::tape::Tape;

/// Opcodes that something special is known of.
const OPCODES: [u16; 20] = [
    0x0000, 0x0201, 0x0202, 0x0401, 0x0403, 0x0500, 0x0502, 0x0600, 0x4101, 0x4103, 0x4202, 0x4301,
    0x4400, 0x5300, 0xC000, 0xC003, 0xC005, 0xC006, 0xC007, 0xFFFF,
];
const INTERFACES: [&str; 4] = ["memdev", "edac-scrub", "firmware-upload", "nvdimm-labels"];

/// A command with its own bytes.
#[derive(Clone, Debug)]
pub(super) enum Bytes {
    Cxl { opcode: u16, payload: Vec<u8> },
    Nvme { opcode: u8, nsid: u32, cdw: [u32; 6], data: Vec<u8> },
}

impl Bytes {
    pub(super) const fn is_nvme(&self) -> bool {
        matches!(self, Self::Nvme { .. })
    }

    fn from(tape: &mut Tape<'_>) -> Self {
        if tape.below(4) == 3 {
            let (opcode, nsid) = (tape.u8(), tape.u32());
            let cdw = core::array::from_fn(|_| tape.u32());
            Self::Nvme { opcode, nsid, cdw, data: tape.piece().to_vec() }
        } else {
            let opcode = opcode(tape);
            let mut payload = tape.piece().to_vec();
            // A carried command: of the target's own length, so that it is looked into.
            for _ in 0..tape.below(6) {
                payload = tunnelled(tape.u8(), opcode, &payload);
            }
            let opcode = if tape.yes() { 0x5300 } else { opcode };
            Self::Cxl { opcode, payload }
        }
    }

    fn command(&self) -> Command<'_> {
        match self {
            Self::Cxl { opcode, payload } => Command::Cxl { opcode: *opcode, payload },
            Self::Nvme { opcode, nsid, cdw, data } => {
                Command::NvmeAdmin { opcode: *opcode, nsid: *nsid, cdw: *cdw, data }
            }
        }
    }
}

fn opcode(tape: &mut Tape<'_>) -> u16 {
    if tape.yes() { tape.of(&OPCODES) } else { tape.u16() }
}

/// The payload of a tunnel request (5300h) to that port, carrying a command.
fn tunnelled(id: u8, opcode: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 12).unwrap_or(u16::MAX);
    let inner = u32::try_from(payload.len()).unwrap_or(0);
    let mut out = vec![id, 0];
    out.extend_from_slice(&length.to_le_bytes());
    // CCI header: category, tag, reserved, opcode, 20 bits of length, flags, return code, status.
    out.extend_from_slice(&[0, 0, 0]);
    out.extend_from_slice(&opcode.to_le_bytes());
    out.extend_from_slice(&inner.to_le_bytes()[..3]);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

/// Everything that a question borrows.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) command: Bytes,
    pub(super) reported: Vec<ReportedRow>,
    pub(super) credible: bool,
    pub(super) features: Vec<FeatureFacts>,
    pub(super) standing: Standing,
    class: Classes,
    ids: (u16, u16),
    firmware: Vec<u8>,
    features_read: bool,
    logs: Option<Vec<[u8; 16]>>,
    around: Around,
    inner: Option<(u8, Around)>,
    by_kernel: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Around {
    known: [Known; 4],
    drivers: Subsystems,
    interfaces: Option<Vec<&'static str>>,
}

impl Around {
    fn nobody() -> Self {
        Self { known: [Known::No; 4], drivers: Subsystems::empty(), interfaces: Some(Vec::new()) }
    }

    fn from(tape: &mut Tape<'_>) -> Self {
        let known = [Known::No, Known::Yes, Known::CannotTell];
        Self {
            known: core::array::from_fn(|_| tape.of(&known)),
            drivers: Subsystems::from_bits_truncate(tape.u32()),
            interfaces: tape.maybe(|tape| tape.list(4, |tape| tape.of(&INTERFACES))),
        }
    }

    fn lend(&self) -> Surroundings<'_> {
        let [driven, nvdimm_bound, decoder_committed, namespace_in_use] = self.known;
        Surroundings {
            driven,
            nvdimm_bound,
            decoder_committed,
            namespace_in_use,
            drivers: self.drivers,
            interfaces: self.interfaces.as_deref(),
        }
    }
}

impl World {
    /// Three worlds in four are as generous as can be to begin with, but for one thing: where much
    /// is refused for many reasons, none of them shows.
    pub(super) fn from(tape: &mut Tape<'_>) -> Self {
        let generous = tape.below(4) != 3;
        let spared = tape.u8();
        let mut world = Self::any(tape);
        if generous {
            world.make_generous(spared);
        }
        world
    }

    fn make_generous(&mut self, spared: u8) {
        let but = |which: u8| spared % 16 == which;
        let kind = self.standing.path.kind;
        let set_aside = self.standing.grants.set_aside;
        let asked = self.standing.asked;
        let generous = Standing {
            asked: if but(0) { asked } else { None },
            capabilities: Capabilities { sys_admin: !but(1), sys_rawio: !but(2) },
            site: Site::Permit,
            grants: Grants {
                may_see: if but(3) { Disclosure::Health } else { Disclosure::Secret },
                scope: (!but(4)).then_some(Scope::DebugWriteFull),
                opaque: (!but(5)).then_some(Scope::DebugWriteFull),
                named_action: !but(6),
                set_aside: if but(7) { set_aside } else { SetAside::empty() },
            },
            lockdown: Lockdown::None,
            path: Path { kind, follows_background: !but(8), admits_caller: !but(9) },
            over_budget: false,
        };
        self.standing = generous;
        if !but(10) {
            self.by_kernel = None;
        }
        if !but(11) {
            self.around = Around::nobody();
            if let Some((_, around)) = &mut self.inner {
                *around = Around::nobody();
            }
        }
        self.features_read |= !but(12);
        if !but(13) {
            self.features.iter_mut().for_each(|entry| entry.flags |= 1);
        }
    }

    fn any(tape: &mut Tape<'_>) -> Self {
        let standing = standing(tape);
        let command = Bytes::from(tape);
        let nvme = command.is_nvme();
        let mut reported: Vec<_> = tape.list(12, |tape| {
            if nvme {
                let row = ReportedRow { opcode: u16::from(tape.u8()), word: tape.u32() };
                ReportedRow { word: row.word & 0x000F_C01F, ..row }
            } else {
                ReportedRow { opcode: opcode(tape), word: u32::from(tape.u16()) }
            }
        });
        // Most often the command's own row is there.
        if tape.below(4) != 3 {
            let word = if nvme { 1 } else { u32::from(tape.u16() & 0x0FFF) };
            reported.push(ReportedRow { opcode: command.command().opcode(), word });
        }
        reported.sort_by_key(|row| row.opcode);
        reported.dedup_by_key(|row| row.opcode);
        let mut features = tape.list(4, |tape| FeatureFacts {
            uuid: [tape.u8() & 3; 16],
            flags: tape.u32(),
            effects: tape.u16(),
            get_size: tape.u16(),
            set_size: tape.u16(),
        });
        features.sort_by_key(|entry| entry.uuid);
        features.dedup_by_key(|entry| entry.uuid);
        Self {
            standing,
            command,
            reported,
            credible: tape.yes(),
            features,
            class: Classes::from_bits_truncate(tape.u8()),
            ids: (tape.u16(), tape.u16()),
            firmware: tape.piece().to_vec(),
            features_read: tape.yes(),
            logs: tape.maybe(|tape| tape.list(3, Tape::bytes)),
            around: Around::from(tape),
            inner: tape.maybe(|tape| (tape.u8(), Around::from(tape))),
            by_kernel: tape.maybe(|tape| tape.of(&INTERFACES)),
        }
    }

    /// Lends everything as a question. What is reached through the device is the device again, with
    /// other surroundings.
    pub(super) fn ask<T>(&self, read: impl FnOnce(&Question<'_, '_>) -> T) -> T {
        let own = Facts {
            class: self.class,
            vendor: self.ids.0,
            device: self.ids.1,
            firmware: &self.firmware,
            reported: Reported::new(&self.reported).expect("sorted, without duplicates"),
            credible: self.credible,
            features: self.features_read.then_some(&self.features),
            logs: self.logs.as_deref(),
            surroundings: self.around.lend(),
            operations: None,
            inner: &[],
        };
        let deepest = Facts {
            surroundings: self.inner.as_ref().map_or(own.surroundings, |(_, around)| around.lend()),
            ..own
        };
        let id = self.inner.as_ref().map_or(0, |(id, _)| *id);
        let reaches = |facts| [Inner { target: TunnelTarget::PortOrLd(id), facts }];
        let one = reaches(&deepest);
        let nearer = Facts { inner: &one, ..deepest };
        let two = reaches(&nearer);
        let inner: &[Inner<'_>] = if self.inner.is_some() { &two } else { &[] };
        let facts = Facts { inner, ..own };
        read(&Question {
            command: self.command.command(),
            route: self.by_kernel.map_or(Route::Firmware, Route::Kernel),
            facts: &facts,
            tables: &Tables::BUILTIN,
            standing: &self.standing,
        })
    }
}

fn standing(tape: &mut Tape<'_>) -> Standing {
    let scope = |tape: &mut Tape<'_>| tape.of(&Scope::ALL);
    Standing {
        asked: tape.maybe(scope),
        capabilities: Capabilities { sys_admin: tape.yes(), sys_rawio: tape.yes() },
        // Three times in four a permit, so that the other steps show.
        site: [Site::Permit, Site::Permit, Site::Permit, Site::NoPermit][tape.below(4)],
        grants: Grants {
            may_see: tape.of(&Disclosure::ALL),
            scope: tape.maybe(scope),
            opaque: tape.maybe(scope),
            named_action: tape.yes(),
            set_aside: SetAside::from_bits_truncate(tape.u8()),
        },
        lockdown: [Lockdown::None, Lockdown::Integrity, Lockdown::Confidentiality][tape.below(3)],
        path: Path {
            kind: tape.of(&[
                PathKind::Fwctl,
                PathKind::Memdev,
                PathKind::Raw,
                PathKind::NvmeIoctl,
                PathKind::Mctp,
                PathKind::KernelInterface,
                PathKind::Emulated,
            ]),
            follows_background: tape.yes(),
            admits_caller: tape.yes(),
        },
        over_budget: tape.below(8) == 7,
    }
}

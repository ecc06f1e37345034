// SPDX-License-Identifier: MIT OR Apache-2.0
//! `edac-mem-repair`: soft repair and sparing of a memdev's memory.
//!
//! Where to repair is set attribute by attribute in the kernel's memory, which sends nothing; the last
//! write, to `repair`, is the only one that acts.
//!
//! *Invariants*: all attributes that the kernel puts into the command are written and read back before
//! `repair`. A command that is not, byte for byte, what the kernel would send is refused.
//!
//! *Not here*: a lock: the attributes have none. Another program that writes between the reading back
//! and the repair repairs something else.
//!
//! *Spec*: `cxl_mem_perform_sparing`, `cxl_mem_perform_ppr` in `drivers/cxl/core/edac.c @ v7.3`; CXL r3.2
//! 8.2.10.7.1 as cited there.

use std::path::{Path, PathBuf};

use fwgate_gate::{Belief, Reply, SubmitError};
use fwgate_policy::Known;
use rustix::io::Errno;

use super::super::acts::{Acts, Asked, Interface, Place, done, not_mine, nothing};
use super::super::attribute;
use super::super::errno::{self, Rules, no_way, refused};
use super::{SET_FEATURE, number, put};

const PERFORM_MAINTENANCE: u16 = 0x0600;
/// Instances that are looked at; Linux makes at most five.
const MAX_INSTANCES: usize = 16;

/// The attributes that are kept in memory only.
const SILENT: Rules = Rules {
    invalid: "the value is not within the device's limits",
    unsupported: "the device does not repair for good, or for now",
    sends_nothing: true,
    ..Rules::PLAIN
};

/// `repair` itself.
const RULES: Rules = Rules {
    invalid: "the memory is in use, and the kernel has seen no error record of this boot for it",
    busy: "the memory is in use, and the device cannot repair memory in use; or the mailbox is busy",
    ..Rules::PLAIN
};

/// `edac-mem-repair`: Perform Maintenance (0600h), soft repair and sparing.
#[derive(Debug)]
pub(crate) struct Repairs;

/// `edac-mem-repair`.
pub(crate) type EdacMemRepair = Interface<Repairs>;

impl EdacMemRepair {
    /// For this memdev.
    #[must_use]
    pub(crate) const fn at(place: Place) -> Self {
        Self { place, acts: Repairs }
    }
}

/// One repair: the kernel's name for its kind, and what is to be set.
struct Repair {
    kind: &'static str,
    attributes: Vec<(&'static str, u64)>,
}

/// Fields of the payload of a sparing, after class and subclass.
struct Sparing {
    hard: bool,
    channel: u8,
    rank: u8,
    nibble_mask: u32,
    bank_group: u8,
    bank: u8,
    row: u32,
    column: u16,
    sub_channel: u8,
}

const HARD: u8 = 1 << 1;
const SUB_CHANNEL_VALID: u8 = 1 << 2;
const NIBBLE_MASK_VALID: u8 = 1 << 3;

impl Repair {
    fn parse(payload: &[u8]) -> Result<Self, SubmitError> {
        match *payload {
            [1, 0, 0, a, b, c, d, e, f, g, h, n0, n1, n2] => Ok(Self {
                kind: "ppr",
                attributes: vec![
                    ("dpa", u64::from_le_bytes([a, b, c, d, e, f, g, h])),
                    ("nibble_mask", u64::from(le24([n0, n1, n2]))),
                ],
            }),
            [1, 0, ..] if payload.len() == 14 => {
                Err(no_way("the kernel asks for the repair itself, never for what it would take"))
            }
            [
                2,
                kind @ 0..=3,
                flags,
                channel,
                rank,
                n0,
                n1,
                n2,
                bank_group,
                bank,
                r0,
                r1,
                r2,
                c0,
                c1,
                sub,
            ] => {
                let sparing = Sparing {
                    hard: flags & HARD != 0,
                    channel,
                    rank,
                    nibble_mask: le24([n0, n1, n2]),
                    bank_group,
                    bank,
                    row: le24([r0, r1, r2]),
                    column: u16::from_le_bytes([c0, c1]),
                    sub_channel: sub,
                };
                sparing.repair(kind, flags)
            }
            [1, 1, ..] => Err(no_way("the kernel has no interface to hard repair")),
            [1, 0, ..] | [2, 0..=3, ..] => Err(nothing(format!(
                "{} bytes of payload, no length of this maintenance",
                payload.len()
            ))),
            [class, subclass, ..] => Err(no_way(format!(
                "the kernel has no interface to maintenance class {class}, subclass {subclass}"
            ))),
            _ => Err(nothing("a maintenance without class and subclass")),
        }
    }
}

impl Sparing {
    /// What the kernel would send for memory that is not in use: it says of each field that its kind
    /// has whether it holds, and leaves the others zero.
    fn repair(&self, kind: u8, flags: u8) -> Result<Repair, SubmitError> {
        let line = kind == 0;
        let mut expected = NIBBLE_MASK_VALID;
        if line {
            expected |= SUB_CHANNEL_VALID;
        }
        if flags & !HARD != expected {
            return Err(no_way(format!(
                "the kernel sends the flags {expected:#04x} with or without the hard bit, and the command \
                 has {flags:#04x}"
            )));
        }
        let (banks, rows) = (kind <= 2, kind <= 1);
        let unused = !line && (self.column != 0 || self.sub_channel != 0)
            || !rows && self.row != 0
            || !banks && (self.bank_group != 0 || self.bank != 0);
        if unused {
            return Err(no_way("a field that this kind of sparing does not have is not zero"));
        }
        let mut attributes = vec![
            ("persist_mode", u64::from(self.hard)),
            ("nibble_mask", u64::from(self.nibble_mask)),
            ("channel", u64::from(self.channel)),
            ("rank", u64::from(self.rank)),
        ];
        if banks {
            attributes.push(("bank_group", u64::from(self.bank_group)));
            attributes.push(("bank", u64::from(self.bank)));
        }
        if rows {
            attributes.push(("row", u64::from(self.row)));
        }
        if line {
            attributes.push(("column", u64::from(self.column)));
            attributes.push(("sub_channel", u64::from(self.sub_channel)));
        }
        let kind = match kind {
            0 => "cacheline-sparing",
            1 => "row-sparing",
            2 => "bank-sparing",
            _ => "rank-sparing",
        };
        Ok(Repair { kind, attributes })
    }
}

const fn le24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

impl Acts for Repairs {
    const KEY: &'static str = "edac-mem-repair";

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        match asked.opcode {
            PERFORM_MAINTENANCE => {}
            SET_FEATURE => {
                return Err(no_way(
                    "the kernel does not change how a repair works, it only repairs",
                ));
            }
            other => return Err(not_mine(Self::KEY, other)),
        }
        let repair = Repair::parse(asked.payload)?;
        let folder = instance(&place.names().edac_folder(place.roots()), repair.kind)?;
        let in_use = place.watch().decoder_committed() == Known::Yes;
        if in_use && repair.kind != "ppr" {
            // The kernel looks the error record up by an address, which the command does not have.
            let rule =
                "the memory is in use, and a sparing names no address to find its error record by";
            return Err(refused(Errno::BUSY, rule.to_owned()));
        }
        if in_use && number(&folder, "repair_safe_when_in_use", &SILENT)? != 1 {
            let rule = "the memory is in use, and the device cannot repair memory in use";
            return Err(refused(Errno::BUSY, rule.to_owned()));
        }
        for (file, value) in &repair.attributes {
            put(&folder, file, *value, &SILENT)?;
        }
        for (file, value) in &repair.attributes {
            let found = number(&folder, file, &SILENT)?;
            if found != *value {
                return Err(nothing(format!(
                    "`{file}` was set to {value} and reads {found}: another program repairs too"
                )));
            }
        }
        asked.in_time()?;
        // EDAC_DO_MEM_REPAIR.
        put(&folder, "repair", 1, &RULES)?;
        Ok(done(Vec::new(), Belief::Told))
    }
}

/// The folder of the instance that does this kind.
fn instance(base: &Path, kind: &str) -> Result<PathBuf, SubmitError> {
    for number in 0..MAX_INSTANCES {
        let folder = base.join(format!("mem_repair{number}"));
        if !folder.is_dir() {
            break;
        }
        let path = folder.join("repair_type");
        let found =
            attribute::text(&path).map_err(|failed| errno::error(&path, failed, &SILENT))?;
        if found == kind {
            return Ok(folder);
        }
    }
    Err(no_way(format!("the kernel has no `{kind}` for this device")))
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cxl-poison-list` and `cxl-poison-debugfs`: the poison list, and poison put in and taken out.
//!
//! The list comes back in trace events, whose values are hostile.
//!
//! *Invariants*: a list that is known to be incomplete is no reply. A record stands in it once.
//!
//! *Spec*: `trigger_poison_list_store`, `cxl_debugfs_poison_inject` in `drivers/cxl/mem.c @ v7.3`;
//! `cxl_trigger_poison_list`, `cxl_validate_poison_dpa` in `drivers/cxl/core/memdev.c @ v7.3`;
//! `cxl_mem_get_poison` in `drivers/cxl/core/mbox.c @ v7.3`; the layouts in `drivers/cxl/cxlmem.h`.

use std::collections::BTreeSet;

use fwgate_gate::{Belief, Reply, SubmitError};
use fwgate_wire::cxl::ReturnCode;
use rustix::io::Errno;

use super::acts::{Acts, Asked, Interface, Place, done, not_mine, nothing};
use super::attribute::{self, Failed};
use super::errno::{self, Rules, no_way};
use super::trace::{self, Instance, TraceEvent};

const GET_POISON_LIST: u16 = 0x4300;
const INJECT_POISON: u16 = 0x4301;
const CLEAR_POISON: u16 = 0x4302;

/// Length is counted in these many bytes.
const UNIT: u64 = 64;
/// Most records of one reply. The kernel itself stops at 1024 for each range that it asks for.
const MAX_RECORDS: usize = 16_384;
/// Most events that are looked through for them; others list and inject at the same time.
const MAX_EVENTS: usize = 65_536;
/// Records after which the kernel stops although the device has more (`CXL_POISON_LIST_MAX`).
const KERNEL_STOPS: usize = 1024;
/// The header of the reply: flags, reserved, overflow time, count, reserved.
const HEADER: usize = 32;
/// Flags of the list that hold for all of it: overflow and scanning. The third, more records, is the
/// last record's.
const LIST_FLAGS: u8 = 0b110;
const MORE: u8 = 1;

/// `cxl-poison-list`: Get Poison List (4300h).
#[derive(Debug, Default)]
pub(crate) struct Lists {
    #[cfg(test)]
    pub(super) traced: Option<std::path::PathBuf>,
}

/// `cxl-poison-list`.
pub(crate) type PoisonList = Interface<Lists>;

impl PoisonList {
    /// For this memdev.
    #[must_use]
    pub(crate) fn at(place: Place) -> Self {
        Self { place, acts: Lists::default() }
    }
}

const LIST_RULES: Rules = Rules {
    invalid: "the memdev has no endpoint port: its driver is not bound",
    permission: "this user may not write it",
    ..Rules::PLAIN
};

impl Lists {
    fn instance(&self, place: &Place) -> Result<Instance, SubmitError> {
        #[cfg(test)]
        if let Some(folder) = &self.traced {
            return Instance::attach(folder.clone(), &["cxl_poison"], false);
        }
        Instance::make(place.roots(), &["cxl_poison"])
    }
}

impl Acts for Lists {
    const KEY: &'static str = "cxl-poison-list";

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        if asked.opcode != GET_POISON_LIST {
            return Err(not_mine(Self::KEY, asked.opcode));
        }
        let range = Range::parse(asked.payload)?;
        let mut instance = self.instance(place)?;
        asked.in_time()?;
        let path = place.names().folder(place.roots()).join("trigger_poison_list");
        let triggered = attribute::put(&path, "1");
        match triggered {
            Ok(()) => {}
            Err(Failed::Call(Errno::FAULT)) => return Ok(invalid_address()),
            Err(failed) => return Err(errno::error(&path, failed, &LIST_RULES)),
        }
        // The kernel prints before its write returns: all of it is there now.
        let mut list = List::default();
        let mut seen = 0usize;
        loop {
            let read = instance.take()?;
            if read.lost != 0 {
                return Err(incomplete("records of the list were lost in the trace buffer"));
            }
            if read.events.is_empty() {
                break;
            }
            seen = seen.saturating_add(read.events.len());
            if seen > MAX_EVENTS {
                return Err(incomplete("the trace does not end"));
            }
            for event in &read.events {
                list.add(event, place.names().memdev(), range)?;
            }
        }
        Ok(done(list.encode(), Belief::Told))
    }
}

/// The device knows no such address. Of all return codes the kernel passes this one on.
fn invalid_address() -> Reply {
    Reply { return_code: ReturnCode::INVALID_PHYSICAL_ADDRESS.0, ..done(Vec::new(), Belief::Told) }
}

/// The list was read from the device, and does not come back whole.
fn incomplete(what: &str) -> SubmitError {
    SubmitError::Transport { what: what.to_owned(), may_have_run: true }
}

/// The range that was asked for, in bytes of device physical address.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: u64,
    /// Exclusive; `None` for no end.
    end: Option<u64>,
}

impl Range {
    fn parse(payload: &[u8]) -> Result<Self, SubmitError> {
        let Ok(bytes) = <&[u8; 16]>::try_from(payload) else {
            return Err(nothing(format!("{} bytes of payload, expected 16", payload.len())));
        };
        let (start, length) = split(bytes);
        let length = length.checked_mul(UNIT);
        Ok(Self { start, end: length.and_then(|length| start.checked_add(length)) })
    }

    fn meets(self, start: u64, length: u32) -> bool {
        let end = u64::from(length).checked_mul(UNIT).and_then(|length| start.checked_add(length));
        self.end.is_none_or(|our_end| start < our_end) && end.is_none_or(|end| end > self.start)
    }
}

fn split(bytes: &[u8; 16]) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p]))
}

/// The list as it comes in.
#[derive(Debug, Default)]
struct List {
    records: BTreeSet<(u64, u32)>,
    flags: u8,
    overflow: u64,
    /// Records listed, those out of range too.
    listed: usize,
    any_more: bool,
    last_more: bool,
}

impl List {
    fn add(&mut self, event: &TraceEvent, memdev: &str, range: Range) -> Result<(), SubmitError> {
        if event.get("memdev") != Some(memdev) || event.get("trace_type") != Some("List") {
            return Ok(());
        }
        let Some((address, length, flags, overflow)) = trace::poison(event) else {
            return Err(incomplete("a record of the list cannot be read"));
        };
        self.flags |= flags & LIST_FLAGS;
        // The last part of a list says that there is no more, unless the kernel stopped.
        self.listed = self.listed.saturating_add(1);
        self.any_more |= flags & MORE != 0;
        self.last_more = flags & MORE != 0;
        self.overflow = self.overflow.max(overflow);
        // Source in the low bits.
        if range.meets(address & !(UNIT.wrapping_sub(1)), length) {
            self.records.insert((address, length));
        }
        if self.records.len() > MAX_RECORDS {
            return Err(incomplete("the list has more records than are taken"));
        }
        Ok(())
    }

    /// The reply of Get Poison List.
    fn encode(&self) -> Vec<u8> {
        let stopped = self.last_more || self.any_more && self.listed >= KERNEL_STOPS;
        let more = if stopped { MORE } else { 0 };
        let count = u16::try_from(self.records.len()).unwrap_or(u16::MAX);
        let mut reply = vec![self.flags | more, 0];
        reply.extend_from_slice(&self.overflow.to_le_bytes());
        reply.extend_from_slice(&count.to_le_bytes());
        reply.resize(HEADER, 0);
        for (address, length) in &self.records {
            reply.extend_from_slice(&address.to_le_bytes());
            reply.extend_from_slice(&length.to_le_bytes());
            reply.extend_from_slice(&[0; 4]);
        }
        reply
    }
}

/// `cxl-poison-debugfs`: Inject Poison (4301h), Clear Poison (4302h).
#[derive(Debug)]
pub(crate) struct Pokes;

/// `cxl-poison-debugfs`.
pub(crate) type PoisonDebugfs = Interface<Pokes>;

impl PoisonDebugfs {
    /// For this memdev.
    #[must_use]
    pub(crate) const fn at(place: Place) -> Self {
        Self { place, acts: Pokes }
    }
}

const POKE_RULES: Rules = Rules {
    invalid: "the address is not within the device's capacity, or not a multiple of 64",
    busy: "the device has no room for more injected poison, or the mailbox is busy",
    permission: "this user may not write it",
    ..Rules::PLAIN
};

impl Acts for Pokes {
    const KEY: &'static str = "cxl-poison-debugfs";

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        let (file, address) = match asked.opcode {
            INJECT_POISON => ("inject_poison", address(asked.payload, 8)?),
            CLEAR_POISON => {
                let address = address(asked.payload, 72)?;
                // What the memory is to hold afterwards.
                if asked.payload.get(8..).is_some_and(|data| data.iter().any(|byte| *byte != 0)) {
                    return Err(no_way(
                        "the kernel clears poison with zeros, and the command with other data",
                    ));
                }
                ("clear_poison", address)
            }
            other => return Err(not_mine(Self::KEY, other)),
        };
        if address % UNIT != 0 {
            return Err(errno::refused(
                Errno::INVAL,
                format!("the address {address:#x} is not a multiple of {UNIT}"),
            ));
        }
        let path = place.names().debug_folder(place.roots()).join(file);
        match attribute::put(&path, &format!("{address:#x}")) {
            Ok(()) => Ok(done(Vec::new(), Belief::Told)),
            Err(Failed::Call(Errno::FAULT)) => Ok(invalid_address()),
            Err(failed) => Err(errno::error(&path, failed, &POKE_RULES)),
        }
    }
}

fn address(payload: &[u8], expected: usize) -> Result<u64, SubmitError> {
    match payload.first_chunk::<8>() {
        Some(address) if payload.len() == expected => Ok(u64::from_le_bytes(*address)),
        _ => Err(nothing(format!("{} bytes of payload, expected {expected}", payload.len()))),
    }
}

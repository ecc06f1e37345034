// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulator's own commands, C000h to C007h.
//!
//! | opcode | input | does |
//! |---|---|---|
//! | C000h | none | reads telemetry, 64 bytes (below) |
//! | C001h | u32 | configuration, in force after a cold reset |
//! | C002h | u32 | configuration, at once |
//! | C003h | none | fills the scratch area with zeros |
//! | C004h | none, or u32 milliseconds, at most 60 000 | works in the background; can be aborted |
//! | C005h | u16 sub-operation, its fields | 0 reads counters (two u64: commands, work done), 1 sets the threshold (u16), 2 resets the work counter and clears the Vendor Debug log, 3 erases the scratch area |
//! | C006h | u32 | says that it does nothing, and changes immediate configuration |
//! | C007h | u16 opcode, its input | carries another command; replies with u16 return code, u16 zero, its reply |
//!
//! Telemetry, little endian:
//!
//! | offset | field |
//! |---|---|
//! | 0 | magic `FWGT` |
//! | 4 | u16: version, 1 |
//! | 6 | u16: bit 0 background operation runs, bit 1 media disabled, bit 2 configuration waits for a reset |
//! | 8 | u64: microseconds since power-on |
//! | 16 | i16: temperature, degrees Celsius |
//! | 18 | u16: threshold set by C005h |
//! | 20 | u32: immediate configuration set by C002h |
//! | 24 | u32: configuration of C001h in force |
//! | 28 | u32: configuration of C001h that waits; equal to the one in force if none |
//! | 32 | u64: commands taken, this one included |
//! | 40 | u32: background work done |
//! | 44 | u32: value set by C006h |
//! | 48 | u32: bytes of the scratch area that are not zero |
//! | 52 | u32: sum of the bytes of the scratch area |
//! | 56 | the first 8 bytes of the scratch area |
//!
//! *Invariants*: a carried command is carried out once, under the same rules; at most four levels.
//!
//! *Spec*: none; this crate's own.

use fwgate_wire::cxl::ReturnCode;
use serde::{Deserialize, Serialize};

use super::{MAX_DEPTH, dispatch};
use crate::bytes::{Hex, Put as _, Reader, low32};
use crate::device::ResetKind;
use crate::engine::{Done, Engine, Handled, Then};
use crate::store::BadField;

/// The command that carries another.
pub(crate) const CARRY: u16 = 0xC007;
/// Bytes of the scratch area.
const SCRATCH: usize = 256;
/// Longest work that C004h takes on, in milliseconds.
const MAX_WORK_MS: u32 = 60_000;

/// What the vendor commands change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vendor {
    threshold: u16,
    immediate: u32,
    in_force: u32,
    pending: Option<u32>,
    work_done: u32,
    unsaid: u32,
    scratch: Hex,
}

impl Default for Vendor {
    fn default() -> Self {
        let scratch = (0..=u8::MAX).map(|at| at ^ 0xa5).collect();
        Self {
            threshold: 80,
            immediate: 1,
            in_force: 1,
            pending: None,
            work_done: 0,
            unsaid: 0,
            scratch: Hex(scratch),
        }
    }
}

impl Vendor {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        BadField::unless(
            self.scratch.0.len() == SCRATCH,
            "vendor.scratch",
            "expected 256 bytes",
            self.scratch.0.len(),
        )
    }

    pub(crate) fn at_reset(&mut self, kind: ResetKind) {
        if kind == ResetKind::Cold
            && let Some(value) = self.pending.take()
        {
            self.in_force = value;
        }
    }

    pub(crate) fn erase(&mut self) {
        self.scratch.0.fill(0);
    }
}

/// C000h.
pub(crate) fn telemetry(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    let state = &engine.state;
    let vendor = &state.vendor;
    let scratch = &vendor.scratch.0;
    let pending = vendor.pending.is_some() || state.capacity.pending();
    let flags = u16::from(state.background.running.is_some())
        | u16::from(engine.media_disabled()) << 1
        | u16::from(pending) << 2;
    reply.put(b"FWGT");
    reply.put_u16(1);
    reply.put_u16(flags);
    reply.put_u64(engine.now_us.saturating_sub(state.power.since_us));
    reply.put(&state.health.temperature().to_le_bytes());
    reply.put_u16(vendor.threshold);
    reply.put_u32(vendor.immediate);
    reply.put_u32(vendor.in_force);
    reply.put_u32(vendor.pending.unwrap_or(vendor.in_force));
    reply.put_u64(engine.taken());
    reply.put_u32(vendor.work_done);
    reply.put_u32(vendor.unsaid);
    let filled = scratch.iter().filter(|byte| **byte != 0).count();
    reply.put_u32(u32::try_from(filled).unwrap_or(u32::MAX));
    reply.put_u32(low32(scratch.iter().map(|byte| u64::from(*byte)).sum()));
    reply.put(scratch.get(..8).unwrap_or_default());
    Ok(Done::Now)
}

/// C001h.
pub(crate) fn set_after_reset(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let value = Reader::new(input).u32()?;
    engine.change().vendor.pending = Some(value);
    Ok(Done::Now)
}

/// C002h.
pub(crate) fn set_now(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    engine.change().vendor.immediate = Reader::new(input).u32()?;
    Ok(Done::Now)
}

/// C003h.
pub(crate) fn erase(engine: &mut Engine, _: &[u8], _: &mut Vec<u8>) -> Handled {
    engine.change().vendor.erase();
    Ok(Done::Now)
}

/// C004h.
pub(crate) fn work(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let duration = if input.is_empty() {
        engine.state.settings.background_us
    } else {
        let ms = Reader::new(input).u32()?;
        if ms > MAX_WORK_MS {
            return Err(ReturnCode::INVALID_INPUT);
        }
        u64::from(ms) * 1000
    };
    engine.start(0xC004, duration, true, Then::Vendor)
}

/// The work of C004h is done.
pub(crate) fn finish(engine: &mut Engine) -> ReturnCode {
    let vendor = &mut engine.change().vendor;
    vendor.work_done = vendor.work_done.saturating_add(1);
    ReturnCode::SUCCESS
}

/// C005h.
pub(crate) fn multiplex(engine: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let operation = reader.u16()?;
    let threshold = if operation == 1 { Some(reader.u16()?) } else { None };
    if !reader.rest().is_empty() {
        return Err(ReturnCode::INVALID_PAYLOAD_LENGTH);
    }
    match (operation, threshold) {
        (0, _) => {
            reply.put_u64(engine.taken());
            reply.put_u64(u64::from(engine.state.vendor.work_done));
        }
        (1, Some(threshold)) => engine.change().vendor.threshold = threshold,
        (2, _) => {
            let state = engine.change();
            state.vendor.work_done = 0;
            state.debug_log.clear();
        }
        (3, _) => engine.change().vendor.erase(),
        _ => return Err(ReturnCode::INVALID_INPUT),
    }
    Ok(Done::Now)
}

/// C006h.
pub(crate) fn set_unsaid(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    engine.change().vendor.unsaid = Reader::new(input).u32()?;
    Ok(Done::Now)
}

/// C007h, carried by nothing.
pub(crate) fn carry(engine: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    carry_at(engine, input, reply, 0)
}

/// C007h at a depth. It succeeds when the carried command was tried, whatever that one answers.
pub(crate) fn carry_at(
    engine: &mut Engine,
    input: &[u8],
    reply: &mut Vec<u8>,
    depth: u8,
) -> Handled {
    let mut reader = Reader::new(input);
    let opcode = reader.u16()?;
    if depth >= MAX_DEPTH {
        return Err(ReturnCode::INVALID_INPUT);
    }
    let mut carried = Vec::new();
    let code = dispatch(engine, opcode, reader.rest(), &mut carried, depth.saturating_add(1));
    reply.put_u16(code.0);
    reply.put_u16(0);
    if matches!(code, ReturnCode::SUCCESS | ReturnCode::BACKGROUND_STARTED) {
        let room = engine.state.payload_size().saturating_sub(4);
        reply.put(carried.get(..carried.len().min(room)).unwrap_or_default());
    }
    Ok(Done::Now)
}

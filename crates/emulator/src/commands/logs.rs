// SPDX-License-Identifier: MIT OR Apache-2.0
//! Set 04h: the logs (0400h to 0403h), with the Command Effects Log made from the command table.
//!
//! *Invariants*: the effects log lists exactly what the device carries out, unless a fault says otherwise.
//!
//! *Spec*: CXL r3.1 8.2.9.5.1 to 8.2.9.5.4; log UUIDs `drivers/cxl/cxlmem.h @ v7.3`.

use fwgate_wire::cxl::ReturnCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::TABLE;
use crate::bytes::{Put as _, Reader, count16, low32};
use crate::engine::{Done, Engine, Handled};
use crate::faults::FaultKind;
use crate::state::State;
use crate::store::BadField;

pub(crate) const EFFECTS: Uuid = Uuid::from_u128(0x0da9c0b5_bf41_4b78_8f79_96b1623b3f17);
pub(crate) const VENDOR_DEBUG: Uuid = Uuid::from_u128(0x5e1819d9_11a9_400c_811f_d60719403d86);
pub(crate) const STATE_DUMP: Uuid = Uuid::from_u128(0xb3fab4cf_01b6_4332_943e_5e9962f23567);

/// Bytes of the Vendor Debug log, filled with zeros.
const DEBUG_BYTES: usize = 4096;
/// Bytes of the Component State Dump.
const DUMP_BYTES: usize = 256;
/// Most lines that the Vendor Debug log keeps.
const DEBUG_LINES: usize = 48;
/// Most bytes of one line.
const DEBUG_LINE: usize = 80;

/// Log capability bits: 0 clear, 2 filled by the device itself, 3 persists over a cold reset.
const CLEARED: u32 = 1 << 0;
const AUTOMATIC: u32 = 1 << 2;
const PERSISTS: u32 = 1 << 3;

/// What the Vendor Debug log says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DebugLog {
    lines: Vec<String>,
}

impl DebugLog {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        let longest = self.lines.iter().map(String::len).max().unwrap_or_default();
        BadField::unless(
            self.lines.len() <= DEBUG_LINES,
            "debug_log.lines",
            "expected at most 48 lines",
            self.lines.len(),
        )?;
        BadField::unless(
            longest <= DEBUG_LINE,
            "debug_log.lines",
            "expected lines of at most 80 bytes",
            longest,
        )
    }

    /// Adds a line; the oldest goes when there are too many.
    pub(crate) fn add(&mut self, uptime_us: u64, text: &str) {
        let mut line = format!("{:>10}.{:06} {text}", uptime_us / 1_000_000, uptime_us % 1_000_000);
        while line.len() > DEBUG_LINE {
            line.pop();
        }
        if self.lines.len() >= DEBUG_LINES {
            self.lines.remove(0);
        }
        self.lines.push(line);
    }

    pub(crate) fn clear(&mut self) {
        self.lines.clear();
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(DEBUG_BYTES);
        for line in &self.lines {
            out.put(line.as_bytes());
            out.put_u8(b'\n');
        }
        out.resize(DEBUG_BYTES, 0);
        out
    }
}

/// The rows of the effects log as the device now shows them.
pub(crate) fn effects_rows(state: &State) -> Vec<(u16, u16)> {
    let mut rows: Vec<_> = TABLE.iter().map(|row| (row.opcode, row.effects)).collect();
    if state.firmware.runs_other_than_first() {
        for edit in &state.faults.log_after_activation {
            rows.retain(|(opcode, _)| *opcode != edit.opcode);
            if let Some(effects) = edit.effects {
                rows.push((edit.opcode, effects));
            }
        }
        rows.sort_unstable();
    }
    if showing(state).any(|kind| kind == FaultKind::DuplicateRows)
        && let Some((opcode, _)) = rows.first()
    {
        rows.push((*opcode, 0));
    }
    rows
}

/// Faults of the log that show now.
fn showing(state: &State) -> impl Iterator<Item = FaultKind> {
    let rules = state.faults.rules.iter().zip(&state.faults_seen);
    rules.filter(|(rule, seen)| **seen > rule.after).map(|(rule, _)| rule.kind)
}

fn whole(engine: &Engine, log: Uuid) -> Result<Vec<u8>, ReturnCode> {
    let state = &engine.state;
    if log == EFFECTS {
        let mut out = Vec::new();
        for (opcode, effects) in effects_rows(state) {
            out.put_u16(opcode);
            out.put_u16(effects);
        }
        Ok(out)
    } else if log == VENDOR_DEBUG {
        Ok(state.debug_log.bytes())
    } else if log == STATE_DUMP {
        Ok(state_dump(engine))
    } else {
        Err(ReturnCode::INVALID_LOG)
    }
}

/// Magic `FWGTDUMP`, then eight numbers of 64 bits: uptime, power cycles, commands taken, active slot,
/// background register, payload size, poisoned places, event status. The rest is zero.
fn state_dump(engine: &Engine) -> Vec<u8> {
    let state = &engine.state;
    let mut out = Vec::with_capacity(DUMP_BYTES);
    out.put(b"FWGTDUMP");
    for number in [
        engine.now_us.saturating_sub(state.power.since_us),
        state.power.cycles,
        engine.taken(),
        u64::from(state.firmware.active()),
        state.background.register(engine.now_us),
        u64::from(low32(u64::try_from(state.payload_size()).unwrap_or(u64::MAX))),
        u64::try_from(state.media.poisoned()).unwrap_or(u64::MAX),
        u64::from(state.events.status()),
    ] {
        out.put_u64(number);
    }
    out.resize(DUMP_BYTES, 0);
    out
}

/// 0400h.
pub(crate) fn supported(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    let logs = [EFFECTS, VENDOR_DEBUG, STATE_DUMP];
    reply.put_u16(count16(logs.len()));
    reply.put_zeros(6);
    for log in logs {
        let size = whole(engine, log)?.len();
        reply.put(log.as_bytes());
        reply.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
    }
    Ok(Done::Now)
}

/// 0401h.
pub(crate) fn read(engine: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let log = Uuid::from_bytes(reader.array()?);
    let offset = usize::try_from(reader.u32()?).map_err(|_| ReturnCode::INVALID_INPUT)?;
    let length = usize::try_from(reader.u32()?).map_err(|_| ReturnCode::INVALID_INPUT)?;
    let mut bytes = whole(engine, log)?;
    let end = offset.checked_add(length).ok_or(ReturnCode::INVALID_INPUT)?;
    if end > bytes.len() || length > engine.state.payload_size() {
        return Err(ReturnCode::INVALID_INPUT);
    }
    if log == EFFECTS {
        for kind in showing(&engine.state) {
            if let FaultKind::LogTruncated { bytes: left } = kind {
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            }
        }
    }
    let end = end.min(bytes.len());
    reply.put(bytes.get(offset.min(end)..end).unwrap_or_default());
    Ok(Done::Now)
}

/// 0402h.
pub(crate) fn capabilities(_: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    let log = Uuid::from_bytes(Reader::new(input).array()?);
    reply.put_u32(if log == EFFECTS {
        PERSISTS
    } else if log == VENDOR_DEBUG {
        CLEARED | AUTOMATIC | PERSISTS
    } else if log == STATE_DUMP {
        AUTOMATIC
    } else {
        return Err(ReturnCode::INVALID_LOG);
    });
    Ok(Done::Now)
}

/// 0403h: only the Vendor Debug log can be cleared.
pub(crate) fn clear(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let log = Uuid::from_bytes(Reader::new(input).array()?);
    if log == VENDOR_DEBUG {
        engine.change().debug_log.clear();
        Ok(Done::Now)
    } else if log == EFFECTS || log == STATE_DUMP {
        Err(ReturnCode::UNSUPPORTED)
    } else {
        Err(ReturnCode::INVALID_LOG)
    }
}

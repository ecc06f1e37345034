// SPDX-License-Identifier: MIT OR Apache-2.0
//! Set 01h: event records and the interrupt policy (0100h to 0103h), and the records the device makes.
//!
//! *Invariants*: each log keeps at most [`LOG_LIMIT`] records; what does not fit is counted as overflow.
//! Records are cleared oldest first, by handle, all or none.
//!
//! *Spec*: CXL r3.1 8.2.9.2.1 to 8.2.9.2.5; record layouts `include/cxl/event.h @ v7.3`.

use fwgate_wire::cxl::ReturnCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bytes::{Hex, Put as _, Reader, count16};
use crate::engine::{Done, Engine, Handled};
use crate::store::BadField;

/// Most records in one log.
pub(crate) const LOG_LIMIT: usize = 32;
/// Bytes of one record.
pub(crate) const RECORD: usize = 128;
/// Logs: information, warning, failure, fatal.
pub(crate) const LOGS: usize = 4;

const GENERAL_MEDIA: Uuid = Uuid::from_u128(0xfbcd0a77_c260_417f_85a9_088b1621eba6);
const MEMORY_MODULE: Uuid = Uuid::from_u128(0xfe927475_dd59_4339_a586_79bab113b774);
/// Bytes of the data part of a record.
const DATA: usize = 80;
/// Get Event Records, flag bit 0: records were lost.
const OVERFLOW: u8 = 1 << 0;
/// Get Event Records, flag bit 1: more records than fit.
const MORE: u8 = 1 << 1;

/// How grave a record is: the number of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Information = 0,
    Warning = 1,
    Failure = 2,
}

/// The four event logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Events {
    logs: [Log; LOGS],
    /// Interrupt settings by log, as they were set.
    interrupts: [u8; LOGS],
}

/// One log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    records: Vec<Record>,
    last_handle: u16,
    lost: u16,
    first_lost_ns: u64,
    last_lost_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    handle: u16,
    bytes: Hex,
}

impl Default for Events {
    fn default() -> Self {
        Self { logs: std::array::from_fn(|_| Log::default()), interrupts: [0; LOGS] }
    }
}

impl Events {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        for log in &self.logs {
            BadField::unless(
                log.records.len() <= LOG_LIMIT,
                "events.logs.records",
                "expected at most 32 records",
                log.records.len(),
            )?;
            for record in &log.records {
                BadField::unless(
                    record.bytes.0.len() == RECORD,
                    "events.logs.records.bytes",
                    "expected 128 bytes",
                    record.bytes.0.len(),
                )?;
            }
        }
        Ok(())
    }

    /// The Event Status register: a bit for each log that holds records.
    pub(crate) fn status(&self) -> u32 {
        self.logs.iter().rev().fold(0, |bits, log| bits << 1 | u32::from(!log.records.is_empty()))
    }

    fn add(&mut self, severity: Severity, kind: Uuid, now_ns: u64, data: &[u8; DATA]) {
        let Some(log) = self.logs.get_mut(severity as usize) else { return };
        if log.records.len() >= LOG_LIMIT {
            if log.lost == 0 {
                log.first_lost_ns = now_ns;
            }
            log.lost = log.lost.saturating_add(1);
            log.last_lost_ns = now_ns;
            return;
        }
        // Handle 0 is no record's.
        log.last_handle = log.last_handle.checked_add(1).unwrap_or(1);
        let handle = log.last_handle;
        let mut bytes = Vec::with_capacity(RECORD);
        bytes.put(kind.as_bytes());
        bytes.put_u8(128);
        bytes.put(&[severity as u8, 0, 0]);
        bytes.put_u16(handle);
        bytes.put_u16(0);
        bytes.put_u64(now_ns);
        bytes.put_zeros(16);
        bytes.put(data);
        log.records.push(Record { handle, bytes: Hex(bytes) });
    }
}

/// A memory module record with the device's health in it.
pub(crate) fn module_event(engine: &mut Engine, severity: Severity) {
    let mut data = Vec::with_capacity(DATA);
    // Device event type 0: health status change.
    data.put_u8(0);
    engine.state.health.put(&mut data);
    add(engine, severity, MEMORY_MODULE, &data);
}

/// A general media record for a bad place.
pub(crate) fn media_event(engine: &mut Engine, severity: Severity, dpa: u64) {
    let mut data = Vec::with_capacity(DATA);
    data.put_u64(dpa);
    // Descriptor: uncorrectable. Type 0: ECC error. Transaction 0: unknown.
    data.put(&[1, 0, 0]);
    add(engine, severity, GENERAL_MEDIA, &data);
}

fn add(engine: &mut Engine, severity: Severity, kind: Uuid, data: &[u8]) {
    let mut whole = [0; DATA];
    if let Some(room) = whole.get_mut(..data.len()) {
        room.copy_from_slice(data);
    }
    let now_ns = engine.state.timestamp.at(engine.now_us);
    engine.change().events.add(severity, kind, now_ns, &whole);
}

fn log_number(byte: u8) -> Result<usize, ReturnCode> {
    let number = usize::from(byte);
    if number < LOGS { Ok(number) } else { Err(ReturnCode::INVALID_INPUT) }
}

/// 0100h.
pub(crate) fn records(engine: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    let number = log_number(Reader::new(input).u8()?)?;
    let room = engine.state.payload_size().saturating_sub(32) / RECORD;
    let Some(log) = engine.state.events.logs.get(number) else {
        return Err(ReturnCode::INVALID_INPUT);
    };
    let shown = log.records.len().min(room);
    let mut flags = 0;
    if log.lost > 0 {
        flags |= OVERFLOW;
    }
    if shown < log.records.len() {
        flags |= MORE;
    }
    reply.put_u8(flags);
    reply.put_u8(0);
    reply.put_u16(log.lost);
    reply.put_u64(log.first_lost_ns);
    reply.put_u64(log.last_lost_ns);
    reply.put_u16(count16(shown));
    reply.put_zeros(10);
    for record in log.records.iter().take(shown) {
        reply.put(&record.bytes.0);
    }
    Ok(Done::Now)
}

/// 0101h: all, or the handles given, which must be those of the oldest records in order.
pub(crate) fn clear(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let number = log_number(reader.u8()?)?;
    let all = reader.u8()? & 1 != 0;
    let count = usize::from(reader.u8()?);
    reader.take(3)?;
    let Some(log) = engine.state.events.logs.get(number) else {
        return Err(ReturnCode::INVALID_INPUT);
    };
    let cleared = if all {
        if count != 0 {
            return Err(ReturnCode::INVALID_INPUT);
        }
        log.records.len()
    } else {
        if count == 0 {
            return Err(ReturnCode::INVALID_INPUT);
        }
        if reader.rest().len() != count.saturating_mul(2) {
            return Err(ReturnCode::INVALID_PAYLOAD_LENGTH);
        }
        for at in 0..count {
            let handle = reader.u16()?;
            if log.records.get(at).map(|record| record.handle) != Some(handle) {
                return Err(ReturnCode::INVALID_HANDLE);
            }
        }
        count
    };
    if let Some(log) = engine.change().events.logs.get_mut(number) {
        log.records.drain(..cleared);
        if log.records.is_empty() {
            (log.lost, log.first_lost_ns, log.last_lost_ns) = (0, 0, 0);
        }
    }
    Ok(Done::Now)
}

/// 0102h.
pub(crate) fn interrupt_policy(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    reply.put(&engine.state.events.interrupts);
    Ok(Done::Now)
}

/// 0103h: mode 0 none, 1 MSI; mode 2, firmware, is the host's own. The fifth byte, dynamic capacity, is
/// taken and not kept: the device has none.
pub(crate) fn set_interrupt_policy(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let settings: [u8; LOGS] = Reader::new(input).array()?;
    if settings.iter().any(|setting| setting & 3 == 3) {
        return Err(ReturnCode::INVALID_INPUT);
    }
    engine.change().events.interrupts = settings;
    Ok(Done::Now)
}

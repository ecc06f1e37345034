// SPDX-License-Identifier: MIT OR Apache-2.0
//! bnxt's small firmware: version, function, statistics, temperature, settings and flash.
//!
//! *Not here*: the driver's checks and its buffers' lengths (`super`, `fwgate_wire::fwctl::bnxt`).
//!
//! *Spec*: `include/linux/bnxt/hsi.h @ v7.3`: the structures of the commands named at each arm, and
//! `HWRM_ERR_CODE_..`. What lies in a variable or an item of the flash is made up.

use std::collections::BTreeMap;

use fwgate_wire::fwctl::bnxt::Payload;
use fwgate_wire::fwctl::table::DmaDirection;

use super::{FamilyReply, FamilyState, MAX_VALUE};
use crate::bytes::{Put as _, range};

const SUCCESS: u16 = 0x0000;
const INVALID_PARAMETERS: u16 = 0x0002;
const ACCESS_DENIED: u16 = 0x0003;
const NOT_SUPPORTED: u16 = 0xFFFF;

/// Items of the flash are kept among the values from here on, by their index.
const FLASH: u16 = 0x8000;
/// Options that this firmware has: a switch of one bit, a number of 32.
const OPTIONS: [u16; 2] = [401, 506];

/// What a new device has: both options, and one item of the flash.
pub(super) fn factory() -> BTreeMap<u16, Vec<u8>> {
    let package = b"FWGT package 216.0.1.2".to_vec();
    BTreeMap::from([(401, vec![1]), (506, vec![0x40, 0, 0, 0]), (FLASH, package)])
}

/// What a command answers: its fields after the header, and the bytes for its buffers.
#[derive(Default)]
struct Answer {
    body: Vec<u8>,
    data: Vec<u8>,
}

/// Runs one request.
pub(super) fn run(
    state: &mut FamilyState,
    req_type: u16,
    target_id: u16,
    payload: &Payload<'_>,
    now_us: u64,
) -> FamilyReply {
    // What is for another function reaches it in a real device; this one has no other.
    let answer = if target_id == 0xFFFF {
        command(state, req_type, payload, now_us)
    } else {
        Err(ACCESS_DENIED)
    };
    let (code, answer) = match answer {
        Ok(answer) => (SUCCESS, answer),
        Err(code) => (code, Answer::default()),
    };
    // Header: error code, request type, sequence number, length; the last byte says `valid`.
    let mut reply = Vec::new();
    let length = answer.body.len().saturating_add(16) & !7;
    reply.put_u16(code);
    reply.put_u16(req_type);
    reply.put_u16(0);
    reply.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
    reply.extend_from_slice(&answer.body);
    reply.resize(length, 0);
    if let Some(valid) = reply.last_mut() {
        *valid = 1;
    }
    // The driver copies every buffer out in full, whatever the firmware wrote.
    let mut data = answer.data;
    data.resize(payload.reply_data(), 0);
    reply.extend_from_slice(&data);
    FamilyReply { code: u32::from(code), payload: reply }
}

fn command(
    state: &mut FamilyState,
    req_type: u16,
    payload: &Payload<'_>,
    now_us: u64,
) -> Result<Answer, u16> {
    let body = payload.body();
    // A 16-bit field, by its place in the whole request.
    let field = |at: usize| {
        let bytes = at.checked_sub(16).and_then(|at| range(body, at, 2));
        bytes.and_then(|it| it.try_into().ok()).map_or(0, u16::from_le_bytes)
    };
    let buffer = payload.buffers().next();
    let mut answer = Answer::default();
    match req_type {
        // VER_GET: interface 1.10.3, firmware 216.0.1.2.
        0x0000 => {
            answer.body.extend([1, 10, 3, 0, 216, 0, 1, 2]);
            answer.body.resize(160, 0);
        }
        // FUNC_RESET, FW_RESET.
        0x0011 | 0x00C0 => state.reset(),
        // FUNC_QCAPS, FUNC_QCFG: this function is number 1.
        0x0015 | 0x0016 => {
            if !matches!(field(16), 1 | 0xFFFF) {
                return Err(INVALID_PARAMETERS);
            }
            answer.body.put_u16(1);
            answer.body.resize(72, 0);
        }
        // PORT_QSTATS: two fixed buffers; the first counter of the first one.
        0x0023 => {
            state.counter = state.counter.saturating_add(1);
            answer.data.put_u64(state.counter);
            answer.body.put_u16(408);
            answer.body.put_u16(528);
        }
        // PORT_CLR_STATS.
        0x0025 => state.counter = 0,
        // FW_SET_TIME keeps the year, FW_GET_TIME tells it.
        0x00C8 => {
            let year = field(16);
            state.keep(1, &year.to_le_bytes());
        }
        0x00C9 => answer.body.extend(state.values.get(&1).cloned().unwrap_or_default()),
        // TEMP_MONITOR_QUERY: 40 degrees, a little more after each hour.
        0x00E0 => {
            let hours = now_us.saturating_sub(state.since_us) / 3_600_000_000;
            answer.body.put_u8(40 + u8::try_from(hours.min(20)).unwrap_or(20));
        }
        // NVM_GET_VARIABLE, NVM_SET_VARIABLE: the length counts bits for the firmware.
        0xFFF1 => {
            let value = variable(state, field(26))?;
            answer.data.extend_from_slice(value);
            answer.body.put_u16(field(24));
        }
        0xFFF2 => {
            let length = variable(state, field(26))?.len();
            let bytes = usize::from(field(24)).div_ceil(8);
            let given = buffer.and_then(|it| it.data.get(..bytes)).ok_or(INVALID_PARAMETERS)?;
            if given.len() != length || !state.keep(field(26), given) {
                return Err(INVALID_PARAMETERS);
            }
        }
        // NVM_FACTORY_DEFAULTS.
        0xFFEE => state.values = factory(),
        // NVM_FLUSH, NVM_GET_DEV_INFO (64 items), NVM_GET_DIR_INFO.
        0xFFF0 => {}
        0xFFF6 => answer.body.resize(32, 0),
        0xFFFB => {
            let items = state.values.range(FLASH..).count();
            answer.body.put_u32(u32::try_from(items).unwrap_or(u32::MAX));
            answer.body.put_u32(24);
        }
        // NVM_ERASE_DIR_ENTRY.
        0xFFF7 => {
            let item = item(field(16))?;
            state.values.remove(&item).ok_or(INVALID_PARAMETERS)?;
        }
        // NVM_READ and NVM_WRITE of one item, by index; the write goes to item `dir_ordinal`.
        0xFFFD => {
            let value = state.values.get(&item(field(24))?).ok_or(INVALID_PARAMETERS)?;
            let offset = usize::from(field(28));
            answer.data.extend_from_slice(value.get(offset..).unwrap_or_default());
            answer.data.truncate(payload.reply_data());
        }
        0xFFFE => {
            let data = buffer.map(|it| it.data).unwrap_or_default();
            let item = item(field(26))?;
            if data.len() > MAX_VALUE || !state.keep(item, data) {
                return Err(INVALID_PARAMETERS);
            }
        }
        _ => return Err(NOT_SUPPORTED),
    }
    debug_assert!(
        answer.data.is_empty()
            || payload.buffers().any(|it| it.field.direction == DmaDirection::FromDevice)
    );
    Ok(answer)
}

fn variable(state: &FamilyState, option: u16) -> Result<&[u8], u16> {
    let known = OPTIONS.contains(&option).then(|| state.values.get(&option)).flatten();
    known.map(Vec::as_slice).ok_or(INVALID_PARAMETERS)
}

fn item(index: u16) -> Result<u16, u16> {
    if index < 64 { Ok(FLASH | index) } else { Err(INVALID_PARAMETERS) }
}

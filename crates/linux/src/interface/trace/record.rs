// SPDX-License-Identifier: MIT OR Apache-2.0
//! Printed trace events back into the records that the device gave: the reply of Get Event Records.
//!
//! Values are hostile.
//!
//! *Invariants*: a value that does not fit its field, or is a word that no table has, is an error and
//! not a zero. The names of an event's values are those of its table, in order: another kernel that
//! prints something else is refused.
//!
//! *Not here*: what the kernel does not print: address bits 5:2, a corrected-error count without the
//! threshold flag, reserved bytes. They are zero here.
//!
//! *Spec*: `drivers/cxl/core/trace.h`, `include/cxl/event.h @ v7.3`.

use fwgate_wire::cxl::events::EventRecord;
use uuid::Uuid;
use zerocopy::FromZeros as _;
use zerocopy::little_endian::{U16, U64};

use super::format::{Format, TraceEvent};
use super::words::{self, Words};

/// The logs' words and numbers.
pub(crate) const LOGS: Words = words::LOG;

/// How one value becomes bytes of the record's 80.
#[derive(Clone, Copy, Debug)]
enum As {
    /// A decimal number, at this offset, of this many bytes.
    Number(usize, usize),
    /// A decimal number of two bytes that may be negative.
    Signed(usize),
    /// A hexadecimal number.
    Hex(usize, usize),
    /// Words with `|` between them.
    Flags(usize, usize, Words),
    /// One word.
    Symbol(usize, Words),
    /// So many bytes in hexadecimal.
    Bytes(usize, usize),
    /// Said by another value, or by the kernel and not by the device.
    Derived,
}

/// The values of the common header, in order.
const HEADER: [&str; 14] = [
    "memdev",
    "host",
    "serial",
    "log",
    "time",
    "uuid",
    "len",
    "flags",
    "handle",
    "related_handle",
    "maint_op_class",
    "maint_op_sub_class",
    "ld_id",
    "head_id",
];

type Row = (&'static str, As);

const GENERIC: &[Row] = &[("", As::Bytes(0, 80))];

const GENERAL_MEDIA: &[Row] = &[
    ("dpa", As::Hex(0, 8)),
    ("dpa_flags", As::Flags(0, 8, words::DPA_FLAGS)),
    ("descriptor", As::Flags(8, 1, words::EVENT_DESC_FLAGS)),
    ("type", As::Symbol(9, words::GMER_MEM_EVENT_TYPE)),
    ("sub_type", As::Symbol(38, words::MEM_EVENT_SUB_TYPE)),
    ("transaction_type", As::Symbol(10, words::TRANS_TYPE)),
    ("channel", As::Number(13, 1)),
    ("rank", As::Number(14, 1)),
    ("device", As::Hex(15, 3)),
    ("validity_flags", As::Flags(11, 2, words::GMER_VALID_FLAGS)),
    ("comp_id", As::Bytes(18, 16)),
    ("comp_id_pldm_valid_flags", As::Derived),
    ("pldm_entity_id", As::Derived),
    ("pldm_resource_id", As::Derived),
    ("hpa", As::Derived),
    ("hpa_alias0", As::Derived),
    ("region", As::Derived),
    ("region_uuid", As::Derived),
    ("cme_threshold_ev_flags", As::Flags(34, 1, words::CME_THRESHOLD_EV_FLAGS)),
    ("cme_count", As::Number(35, 3)),
];

const DRAM: &[Row] = &[
    ("dpa", As::Hex(0, 8)),
    ("dpa_flags", As::Flags(0, 8, words::DPA_FLAGS)),
    ("descriptor", As::Flags(8, 1, words::EVENT_DESC_FLAGS)),
    ("type", As::Symbol(9, words::DRAM_MEM_EVENT_TYPE)),
    ("sub_type", As::Symbol(78, words::MEM_EVENT_SUB_TYPE)),
    ("transaction_type", As::Symbol(10, words::TRANS_TYPE)),
    ("channel", As::Number(13, 1)),
    ("rank", As::Number(14, 1)),
    ("nibble_mask", As::Hex(15, 3)),
    ("bank_group", As::Number(18, 1)),
    ("bank", As::Number(19, 1)),
    ("row", As::Number(20, 3)),
    ("column", As::Number(23, 2)),
    ("cor_mask", As::Bytes(25, 32)),
    ("validity_flags", As::Flags(11, 2, words::DRAM_VALID_FLAGS)),
    ("comp_id", As::Bytes(57, 16)),
    ("comp_id_pldm_valid_flags", As::Derived),
    ("pldm_entity_id", As::Derived),
    ("pldm_resource_id", As::Derived),
    ("hpa", As::Derived),
    ("hpa_alias0", As::Derived),
    ("region", As::Derived),
    ("region_uuid", As::Derived),
    ("sub_channel", As::Number(73, 1)),
    ("cme_threshold_ev_flags", As::Flags(74, 1, words::CME_THRESHOLD_EV_FLAGS)),
    ("cvme_count", As::Number(75, 3)),
];

const MEMORY_MODULE: &[Row] = &[
    ("event_type", As::Symbol(0, words::DEV_EVT_TYPE)),
    ("event_sub_type", As::Symbol(37, words::DEV_EVENT_SUB_TYPE)),
    ("health_status", As::Flags(1, 1, words::HEALTH_STATUS_FLAGS)),
    ("media_status", As::Symbol(2, words::MEDIA_STATUS)),
    ("as_life_used", As::Symbol(3, words::LIFE_USED)),
    ("as_dev_temp", As::Symbol(3, words::DEV_TEMP)),
    ("as_cor_vol_err_cnt", As::Symbol(3, words::COR_VOL)),
    ("as_cor_per_err_cnt", As::Symbol(3, words::COR_PER)),
    ("life_used", As::Number(4, 1)),
    ("device_temp", As::Signed(5)),
    ("dirty_shutdown_cnt", As::Number(7, 4)),
    ("cor_vol_err_cnt", As::Number(11, 4)),
    ("cor_per_err_cnt", As::Number(15, 4)),
    ("validity_flags", As::Flags(19, 2, words::MEM_MODULE_VALID_FLAGS)),
    ("comp_id", As::Bytes(21, 16)),
    ("comp_id_pldm_valid_flags", As::Derived),
    ("pldm_entity_id", As::Derived),
    ("pldm_resource_id", As::Derived),
];

const MEMORY_SPARING: &[Row] = &[
    ("flags", As::Flags(2, 1, words::MEM_SPARING_FLAGS)),
    ("result", As::Number(3, 1)),
    ("validity_flags", As::Flags(4, 2, words::MEM_SPARING_VALID_FLAGS)),
    ("spare resource avail", As::Number(12, 2)),
    ("channel", As::Number(14, 1)),
    ("rank", As::Number(15, 1)),
    ("nibble_mask", As::Hex(16, 3)),
    ("bank_group", As::Number(19, 1)),
    ("bank", As::Number(20, 1)),
    ("row", As::Number(21, 3)),
    ("column", As::Number(24, 2)),
    ("sub_channel", As::Number(42, 1)),
    ("comp_id", As::Bytes(26, 16)),
    ("comp_id_pldm_valid_flags", As::Derived),
    ("pldm_entity_id", As::Derived),
    ("pldm_resource_id", As::Derived),
];

const POISON: [&str; 13] = [
    "memdev",
    "host",
    "serial",
    "trace_type",
    "region",
    "region_uuid",
    "hpa",
    "hpa_alias0",
    "dpa",
    "dpa_length",
    "source",
    "flags",
    "overflow_time",
];

const OVERFLOW: [&str; 7] = ["memdev", "host", "serial", "log", "", "records from", "to"];

/// The table of an event that is a record of a log.
fn rows(event: &str) -> Option<&'static [Row]> {
    Some(match event {
        "cxl_generic_event" => GENERIC,
        "cxl_general_media" => GENERAL_MEDIA,
        "cxl_dram" => DRAM,
        "cxl_memory_module" => MEMORY_MODULE,
        "cxl_memory_sparing" => MEMORY_SPARING,
        _ => return None,
    })
}

/// Whether this kernel prints the event as it is read here. What is passed on as text may have any
/// names.
pub(super) fn check(event: &str, format: &Format) -> Result<(), String> {
    let expected: Vec<&str> = match (rows(event), event) {
        (Some(rows), _) => HEADER.into_iter().chain(rows.iter().map(|(name, _)| *name)).collect(),
        (None, "cxl_poison") => POISON.to_vec(),
        (None, "cxl_overflow") => OVERFLOW.to_vec(),
        (None, _) => return Ok(()),
    };
    let mut found = format.names();
    for name in expected {
        let found = found.next();
        if found != Some(name) {
            return Err(format!(
                "this kernel prints `{event}` otherwise: expected `{name}`, found {}",
                found.map_or("nothing".to_owned(), |found| format!("`{found:.40}`"))
            ));
        }
    }
    match found.next() {
        None => Ok(()),
        Some(more) => Err(format!("this kernel prints `{event}` otherwise: `{more:.40}` is new")),
    }
}

/// One event as the record that the device gave; `None` where it is no record of a log.
///
/// # Errors
///
/// The value that does not fit.
pub(crate) fn encode(event: &TraceEvent) -> Option<Result<EventRecord, String>> {
    let rows = rows(&event.name)?;
    Some(
        record(event, rows)
            .ok_or_else(|| format!("a value of `{}` does not fit its record", event.name)),
    )
}

fn record(event: &TraceEvent, rows: &[Row]) -> Option<EventRecord> {
    let (head, body) = event.fields.split_at_checked(HEADER.len())?;
    let value = |at: usize| head.get(at).map(|(_, value)| value.as_str());
    let flags = words::flags(words::HDR_FLAGS, value(7)?)?.to_le_bytes();
    let mut record = EventRecord::new_zeroed();
    record.timestamp = U64::new(decimal(value(4)?)?);
    record.uuid = Uuid::try_parse(value(5)?).ok()?.into_bytes();
    record.length = u8::try_from(decimal(value(6)?)?).ok()?;
    record.flags = [flags[0], flags[1], flags[2]];
    record.handle = U16::new(u16::try_from(hexadecimal(value(8)?)?).ok()?);
    record.related_handle = U16::new(u16::try_from(hexadecimal(value(9)?)?).ok()?);
    record.maintenance_class = u8::try_from(decimal(value(10)?)?).ok()?;
    record.maintenance_subclass = u8::try_from(decimal(value(11)?)?).ok()?;
    // The two fields that CXL r3.1 took out of the reserved bytes.
    let ld_id = u16::try_from(hexadecimal(value(12)?)?).ok()?.to_le_bytes();
    record.reserved.get_mut(..2)?.copy_from_slice(&ld_id);
    *record.reserved.get_mut(2)? = u8::try_from(hexadecimal(value(13)?)?).ok()?;
    if flags[3] != 0 || body.len() != rows.len() {
        return None;
    }
    for ((_, value), (_, how)) in body.iter().zip(rows) {
        put(&mut record.data, value, *how)?;
    }
    Some(record)
}

fn put(data: &mut [u8; 80], value: &str, how: As) -> Option<()> {
    match how {
        As::Number(at, size) => number(data, at, size, decimal(value)?),
        As::Hex(at, size) => number(data, at, size, hexadecimal(value)?),
        As::Flags(at, size, words) => number(data, at, size, words::flags(words, value)?.into()),
        As::Symbol(at, words) => number(data, at, 1, words::symbol(words, value)?.into()),
        As::Signed(at) => {
            let value = value.parse::<i16>().ok()?.to_le_bytes();
            number(data, at, 2, u16::from_le_bytes(value).into())
        }
        As::Bytes(at, size) => {
            let place = data.get_mut(at..at.checked_add(size)?)?;
            let mut bytes = value.split(' ');
            for byte in place {
                *byte = u8::try_from(hexadecimal(bytes.next()?)?).ok()?;
            }
            bytes.next().is_none().then_some(())
        }
        As::Derived => Some(()),
    }
}

/// Adds a number's bits to those that are there: some bytes are printed in several values.
fn number(data: &mut [u8; 80], at: usize, size: usize, number: u64) -> Option<()> {
    let bytes = number.to_le_bytes();
    let (low, high) = bytes.split_at_checked(size)?;
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    for (place, byte) in data.get_mut(at..at.checked_add(size)?)?.iter_mut().zip(low) {
        *place |= byte;
    }
    Some(())
}

/// A number without a sign.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|it| it.is_ascii_digit()))
}

/// A hexadecimal number without `0x` or sign.
pub(crate) fn hexadecimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|it| it.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| plain)
}

/// The fields of a `cxl_poison` event as a record of the poison list: address with its source in the
/// low bits, length in units of 64 bytes, and the list's flags and overflow time.
pub(crate) fn poison(event: &TraceEvent) -> Option<(u64, u32, u8, u64)> {
    let address = hexadecimal(event.get("dpa")?)?;
    let bytes = hexadecimal(event.get("dpa_length")?)?;
    let source = match event.get("source")? {
        // The number behind it is not printed.
        "Reserved" => 4,
        word => words::symbol(words::POISON_SOURCE, word)?,
    };
    let flags = u8::try_from(words::flags(words::POISON_FLAGS, event.get("flags")?)?).ok()?;
    let length = u32::try_from(bytes / 64).ok().filter(|_| bytes % 64 == 0)?;
    let overflow = decimal(event.get("overflow_time")?)?;
    (address % 64 == 0 && source < 8).then_some((
        address | u64::from(source),
        length,
        flags,
        overflow,
    ))
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Set 05h: Get Supported Features (0500h), Get Feature (0501h), Set Feature (0502h).
//!
//! *Invariants*: values have the size their row states. One transfer is open at most; its parts come in
//! order and without gaps, else it is dropped.
//!
//! *Not here*: the features themselves (`feature_table`).
//!
//! *Spec*: CXL r3.2 8.2.10.6.1 to 8.2.10.6.3; `include/cxl/features.h @ v7.3`.

use fwgate_wire::cxl::ReturnCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::feature_table::{Apply, CHANGEABLE, DEFAULT, FEATURES, FeatureRow, SAVED};
use crate::bytes::{Hex, Put as _, Reader, count16, range};
use crate::device::ResetKind;
use crate::engine::{Done, Engine, Handled, Then};
use crate::store::BadField;

/// Bytes of one entry of Get Supported Features.
const ENTRY: usize = 48;

#[cfg(test)]
pub(crate) use super::feature_table::VENDOR_UUID;

/// Values of all features, and the transfer that is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Features {
    values: Vec<Value>,
    pub(crate) transfer: Option<Transfer>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    current: Hex,
    saved: Hex,
    /// Waits for a cold reset.
    pending: Option<Hex>,
}

/// A value on its way in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    index: usize,
    bytes: Hex,
}

/// A value that is all there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Write {
    index: usize,
    bytes: Hex,
    keep: bool,
}

impl Default for Features {
    fn default() -> Self {
        let value = |row: &FeatureRow| Value {
            current: Hex(row.initial.to_vec()),
            saved: Hex(row.initial.to_vec()),
            pending: None,
        };
        Self { values: FEATURES.iter().map(value).collect(), transfer: None }
    }
}

impl Write {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        let row = FEATURES.get(self.index);
        BadField::unless(
            row.is_some_and(|row| self.bytes.0.len() == row.initial.len()),
            "background.running.then",
            "expected a feature and a value of its size",
            self.index,
        )
    }
}

impl Features {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        BadField::unless(
            self.values.len() == FEATURES.len(),
            "features.values",
            "expected one for each feature",
            self.values.len(),
        )?;
        for (value, row) in self.values.iter().zip(FEATURES) {
            let Value { current, saved, pending } = value;
            for bytes in [current, saved].into_iter().chain(pending) {
                BadField::unless(
                    bytes.0.len() == row.initial.len(),
                    "features.values",
                    "expected values of their feature's size",
                    bytes.0.len(),
                )?;
            }
        }
        if let Some(transfer) = &self.transfer {
            let row = FEATURES.get(transfer.index);
            BadField::unless(
                row.is_some_and(|row| transfer.bytes.0.len() <= usize::from(row.set_size)),
                "features.transfer",
                "expected a feature and at most a value of its size",
                transfer.index,
            )?;
        }
        Ok(())
    }

    /// A cold reset puts pending values in force; every reset brings the saved ones back, or the defaults
    /// where none can be saved.
    pub(crate) fn at_reset(&mut self, kind: ResetKind) {
        for (value, row) in self.values.iter_mut().zip(FEATURES) {
            if kind == ResetKind::Cold
                && let Some(pending) = value.pending.take()
            {
                value.saved = pending.clone();
                value.current = pending;
            } else if row.attributes & SAVED != 0 || row.apply == Apply::CopyAtColdReset {
                value.current.clone_from(&value.saved);
            } else {
                value.current.0 = row.initial.to_vec();
            }
        }
    }
}

fn find(uuid: [u8; 16]) -> Result<(usize, &'static FeatureRow), ReturnCode> {
    let uuid = Uuid::from_bytes(uuid);
    let found = FEATURES.iter().enumerate().find(|(_, row)| row.uuid == uuid);
    found.ok_or(ReturnCode::UNSUPPORTED)
}

/// 0500h: as many whole entries as `count` bytes have room for.
pub(crate) fn supported(engine: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let count = usize::try_from(reader.u32()?).map_err(|_| ReturnCode::INVALID_INPUT)?;
    let start = usize::from(reader.u16()?);
    // Reading past the last feature is an error; asking for the head alone is how Linux starts.
    if count < 8 || start >= FEATURES.len() {
        return Err(ReturnCode::INVALID_INPUT);
    }
    let room = count.min(engine.state.payload_size()).saturating_sub(8) / ENTRY;
    let shown = FEATURES.len().saturating_sub(start).min(room);
    reply.put_u16(count16(shown));
    reply.put_u16(count16(FEATURES.len()));
    reply.put_zeros(4);
    for (index, row) in FEATURES.iter().enumerate().skip(start).take(shown) {
        reply.put(row.uuid.as_bytes());
        reply.put_u16(count16(index));
        reply.put_u16(count16(row.initial.len()));
        reply.put_u16(row.set_size);
        reply.put_u32(row.attributes);
        reply.put_u8(row.get_version);
        reply.put_u8(row.set_version);
        reply.put_u16(row.effects);
        reply.put_zeros(18);
    }
    Ok(Done::Now)
}

/// 0501h: selection 0 current, 1 default, 2 saved. The reply ends where the value ends.
pub(crate) fn read(engine: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let (index, row) = find(reader.array()?)?;
    let (offset, count) = (usize::from(reader.u16()?), usize::from(reader.u16()?));
    let value = engine.state.features.values.get(index).ok_or(ReturnCode::INTERNAL_ERROR)?;
    let bytes = match reader.u8()? {
        0 => value.current.0.as_slice(),
        1 if row.attributes & DEFAULT != 0 => row.initial,
        2 if row.attributes & SAVED != 0 => value.saved.0.as_slice(),
        _ => return Err(ReturnCode::UNSUPPORTED_FEATURE_SELECTION),
    };
    if count == 0 || offset >= bytes.len() {
        return Err(ReturnCode::INVALID_INPUT);
    }
    let shown = count.min(engine.state.payload_size()).min(bytes.len() - offset);
    reply.put(range(bytes, offset, shown).unwrap_or_default());
    Ok(Done::Now)
}

/// 0502h: actions 0 full, 1 initiate, 2 continue, 3 finish, 4 abort; bit 3 saves the value.
pub(crate) fn set(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let (index, row) = find(reader.array()?)?;
    let flags = reader.u32()?;
    let offset = usize::from(reader.u16()?);
    let version = reader.u8()?;
    reader.take(9)?;
    let (action, keep, data) = (flags & 7, flags & 8 != 0, reader.rest());
    if row.attributes & CHANGEABLE == 0 {
        return Err(ReturnCode::UNSUPPORTED);
    }
    if version != row.set_version {
        return Err(ReturnCode::UNSUPPORTED_FEATURE_VERSION);
    }
    if action > 4 || keep && row.attributes & SAVED == 0 {
        return Err(ReturnCode::INVALID_INPUT);
    }
    let limit = usize::from(row.set_size);
    let open = engine.state.features.transfer.as_ref();
    match (action, open) {
        (0 | 1, Some(_)) => return Err(ReturnCode::FEATURE_TRANSFER_IN_PROGRESS),
        (2..=4, None) => return Err(ReturnCode::FEATURE_TRANSFER_OUT_OF_ORDER),
        (2..=4, Some(transfer)) if transfer.index != index => {
            return Err(ReturnCode::FEATURE_TRANSFER_IN_PROGRESS);
        }
        (2 | 3, Some(transfer)) if transfer.bytes.0.len() != offset => {
            engine.change().features.transfer = None;
            return Err(ReturnCode::FEATURE_TRANSFER_OUT_OF_ORDER);
        }
        (4, _) => {
            engine.change().features.transfer = None;
            return Ok(Done::Now);
        }
        _ => {}
    }
    if matches!(action, 0 | 1) && offset != 0 {
        return Err(ReturnCode::INVALID_INPUT);
    }
    let end = offset.saturating_add(data.len());
    let whole = matches!(action, 0 | 3);
    if end > limit || whole && end != limit || !whole && data.is_empty() {
        engine.change().features.transfer = None;
        return Err(ReturnCode::INVALID_PAYLOAD_LENGTH);
    }
    let mut bytes = match engine.change().features.transfer.take() {
        Some(transfer) => transfer.bytes.0,
        None => Vec::new(),
    };
    bytes.extend_from_slice(data);
    if !whole {
        engine.change().features.transfer = Some(Transfer { index, bytes: Hex(bytes) });
        return Ok(Done::Now);
    }
    apply(engine, index, row, &bytes, keep)
}

fn apply(engine: &mut Engine, index: usize, row: &FeatureRow, bytes: &[u8], keep: bool) -> Handled {
    let value = engine.state.features.values.get(index).ok_or(ReturnCode::INTERNAL_ERROR)?;
    let merged = merge(row.apply, &value.current.0, bytes)?;
    if row.apply == Apply::CopyAtColdReset {
        if let Some(value) = engine.change().features.values.get_mut(index) {
            value.pending = Some(Hex(merged));
        }
        return Ok(Done::Now);
    }
    let write = Write { index, bytes: Hex(merged), keep };
    if row.apply == Apply::CopyInBackground {
        let duration = engine.state.settings.background_us;
        return engine.start(0x0502, duration, false, Then::Feature(write));
    }
    match finish(engine, &write) {
        ReturnCode::SUCCESS => Ok(Done::Now),
        code => Err(code),
    }
}

/// The feature has its new value.
pub(crate) fn finish(engine: &mut Engine, write: &Write) -> ReturnCode {
    let Some(value) = engine.change().features.values.get_mut(write.index) else {
        return ReturnCode::INTERNAL_ERROR;
    };
    value.current.clone_from(&write.bytes);
    if write.keep {
        value.saved.clone_from(&write.bytes);
    }
    ReturnCode::SUCCESS
}

/// The value that Get Feature shows after `set`.
fn merge(how: Apply, current: &[u8], set: &[u8]) -> Result<Vec<u8>, ReturnCode> {
    let mut out = current.to_vec();
    let mut write = |at: usize, byte: u8| {
        if let Some(room) = out.get_mut(at) {
            *room = byte;
        }
    };
    let byte = |at: usize| set.get(at).copied().unwrap_or_default();
    match how {
        Apply::Scrub => {
            let least = current.get(2).copied().unwrap_or_default();
            if byte(0) < least || byte(1) & !1 != 0 {
                return Err(ReturnCode::INVALID_INPUT);
            }
            write(1, byte(0));
            write(3, byte(1));
        }
        Apply::Ecs => {
            write(0, byte(0));
            for unit in 0..3 {
                let (low, high) = (byte(1 + 2 * unit), byte(2 + 2 * unit));
                // Thresholds 256, 1024 and 4096 are codes 3 to 5.
                if !(3..=5).contains(&(low & 7)) {
                    return Err(ReturnCode::INVALID_INPUT);
                }
                write(2 + 4 * unit, low);
                write(3 + 4 * unit, high);
            }
        }
        Apply::Ppr | Apply::Sparing => {
            write(3, byte(0));
            write(4, byte(1));
            if how == Apply::Ppr {
                write(19, byte(2));
            }
        }
        Apply::Copy | Apply::CopyAtColdReset | Apply::CopyInBackground => return Ok(set.to_vec()),
    }
    Ok(out)
}

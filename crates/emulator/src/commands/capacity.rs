// SPDX-License-Identifier: MIT OR Apache-2.0
//! Identify Memory Device (4000h), partitions and the label storage area (4100h to 4103h).
//!
//! *Invariants*: volatile and persistent capacity fill the device; a new partition waits for a reset.
//!
//! *Spec*: CXL r3.1 8.2.9.9.1.1 and 8.2.9.9.2.1 to 8.2.9.9.2.4; capacities in units of 256 MiB.

use fwgate_wire::cxl::ReturnCode;
use serde::{Deserialize, Serialize};

use super::events::LOG_LIMIT;
use super::media::POISON_LIMIT;
use crate::bytes::{Hex, Put as _, Reader, count16, range, range_mut};
use crate::engine::{Done, Engine, Handled};
use crate::store::BadField;

/// All of the device: 4 GiB.
const TOTAL: u64 = 16;
/// That part which is always volatile, and that which is always persistent.
const FIXED: u64 = 4;
/// Bytes of one unit.
const UNIT: u64 = 256 << 20;
/// Bytes of the label storage area.
pub(crate) const LSA: usize = 16 << 10;

/// Device physical addresses end here.
pub(crate) const END: u64 = TOTAL * UNIT;

/// Partitions and labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capacity {
    volatile: u64,
    next_volatile: Option<u64>,
    lsa: Hex,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { volatile: TOTAL / 2, next_volatile: None, lsa: Hex(vec![0; LSA]) }
    }
}

impl Capacity {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        for volatile in [Some(self.volatile), self.next_volatile].into_iter().flatten() {
            BadField::unless(good(volatile), "capacity.volatile", "expected 4 to 12", volatile)?;
        }
        BadField::unless(
            self.lsa.0.len() == LSA,
            "capacity.lsa",
            "expected 16384 bytes",
            self.lsa.0.len(),
        )
    }

    pub(crate) fn at_reset(&mut self) {
        if let Some(volatile) = self.next_volatile.take() {
            self.volatile = volatile;
        }
    }

    /// Whether a partition waits for a reset.
    pub(crate) fn pending(&self) -> bool {
        self.next_volatile.is_some()
    }
}

fn good(volatile: u64) -> bool {
    (FIXED..=TOTAL - FIXED).contains(&volatile)
}

/// 4000h: 69 bytes; the last two, the size of the dynamic capacity log, are 0.
pub(crate) fn identify(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    reply.put_text(engine.state.firmware.revision(), 16);
    for capacity in [TOTAL, FIXED, FIXED, 1] {
        reply.put_u64(capacity);
    }
    for _ in 0..4 {
        reply.put_u16(count16(LOG_LIMIT));
    }
    reply.put_u32(u32::try_from(LSA).unwrap_or_default());
    let [low, high] = count16(POISON_LIMIT).to_le_bytes();
    reply.put(&[low, high, 0]);
    reply.put_u16(count16(POISON_LIMIT));
    // Poison is not injected persistently, and scanning is possible.
    reply.put_zeros(2);
    reply.put_u16(0);
    Ok(Done::Now)
}

/// 4100h.
pub(crate) fn partition_info(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    let capacity = &engine.state.capacity;
    let (volatile, next) = (capacity.volatile, capacity.next_volatile);
    reply.put_u64(volatile);
    reply.put_u64(TOTAL.saturating_sub(volatile));
    reply.put_u64(next.unwrap_or_default());
    reply.put_u64(next.map_or(0, |next| TOTAL.saturating_sub(next)));
    Ok(Done::Now)
}

/// 4101h: the whole volatile capacity after the next reset. The immediate flag is not supported.
pub(crate) fn set_partition_info(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let (volatile, flags) = (reader.u64()?, reader.u8()?);
    if flags & 1 != 0 {
        return Err(ReturnCode::UNSUPPORTED);
    }
    if !good(volatile) {
        return Err(ReturnCode::INVALID_INPUT);
    }
    let pending = volatile != engine.state.capacity.volatile;
    engine.change().capacity.next_volatile = pending.then_some(volatile);
    Ok(Done::Now)
}

/// 4102h.
pub(crate) fn read_lsa(engine: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let (offset, length) = (place(reader.u32()?)?, place(reader.u32()?)?);
    if length > engine.state.payload_size() {
        return Err(ReturnCode::INVALID_INPUT);
    }
    let bytes = range(&engine.state.capacity.lsa.0, offset, length);
    reply.put(bytes.ok_or(ReturnCode::INVALID_INPUT)?);
    Ok(Done::Now)
}

/// 4103h.
pub(crate) fn set_lsa(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let offset = place(reader.u32()?)?;
    reader.take(4)?;
    let data = reader.rest();
    if range(&engine.state.capacity.lsa.0, offset, data.len()).is_none() {
        return Err(ReturnCode::INVALID_INPUT);
    }
    if let Some(room) = range_mut(&mut engine.change().capacity.lsa.0, offset, data.len()) {
        room.copy_from_slice(data);
    }
    Ok(Done::Now)
}

fn place(value: u32) -> Result<usize, ReturnCode> {
    usize::try_from(value).map_err(|_| ReturnCode::INVALID_INPUT)
}

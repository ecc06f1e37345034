// SPDX-License-Identifier: MIT OR Apache-2.0
//! pds's small firmware: two endpoints, and an operation of each attribute.
//!
//! *Not here*: the driver's check by attribute (`super`).
//!
//! *Spec*: attributes in `include/linux/pds/pds_adminq.h @ v7.3`. No list of operations is published;
//! these are made up.

use fwgate_policy::OperationFacts;

use super::{FamilyReply, FamilyState};
use crate::bytes::Put as _;

/// Firmware codes of this emulator.
const OK: u32 = 0;
const BAD_REQUEST: u32 = 22;

const READ_LEVEL: u32 = 0x0001_0001;
const DEBUG_COUNTS: u32 = 0x0001_0002;
const WRITE_LEVEL: u32 = 0x0001_0003;
const DEBUG_CLEAR: u32 = 0x0002_0004;
const SYNC: u32 = 0x0001_0005;

/// What the firmware lists. Endpoint 2 has an attribute that nobody knows.
pub(super) const OPERATIONS: [OperationFacts; 6] = [
    entry(1, READ_LEVEL, 0x00),
    entry(1, DEBUG_COUNTS, 0x02),
    entry(1, WRITE_LEVEL, 0x04),
    entry(1, DEBUG_CLEAR, 0x08),
    entry(1, SYNC, 0x10),
    entry(2, READ_LEVEL, 0x40),
];

const fn entry(endpoint: u32, operation: u32, attribute: u8) -> OperationFacts {
    OperationFacts { endpoint, operation, attribute }
}

/// Runs one operation that the driver has found in the list.
pub(super) fn run(
    state: &mut FamilyState,
    endpoint: u32,
    operation: u32,
    payload: &[u8],
    room: usize,
    taken: u64,
) -> FamilyReply {
    let mut reply = Vec::new();
    let done = match (endpoint, operation & 0xFFFF) {
        (1, 1) => {
            reply.extend(state.values.get(&0).cloned().unwrap_or_else(|| vec![0; 4]));
            true
        }
        (1, 2) => {
            state.counter = state.counter.saturating_add(1);
            reply.put_u64(state.counter);
            reply.put_u64(taken);
            reply.put_u64(state.resets);
            true
        }
        (1, 3) => payload.len() == 4 && state.keep(0, payload),
        (1, 4) => {
            state.counter = 0;
            true
        }
        (1, 5) => true,
        (2, 1) => {
            state.reset();
            true
        }
        _ => false,
    };
    let fits = reply.len() <= room;
    if !fits {
        reply.clear();
    }
    // The driver copies all the room out, whatever the firmware wrote.
    reply.resize(room.min(1 << 16), 0);
    FamilyReply { code: if done && fits { OK } else { BAD_REQUEST }, payload: reply }
}

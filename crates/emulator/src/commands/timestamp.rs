// SPDX-License-Identifier: MIT OR Apache-2.0
//! Set 03h: Get Timestamp (0300h), Set Timestamp (0301h).
//!
//! *Spec*: CXL r3.1 8.2.9.4.1 and 8.2.9.4.2; nanoseconds since 1970, 0 while never set.

use serde::{Deserialize, Serialize};

use crate::bytes::{Put as _, Reader};
use crate::engine::{Done, Engine, Handled};

/// What the timestamp was set to, and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timestamp {
    set: Option<(u64, u64)>,
}

impl Timestamp {
    /// An emulated kernel sets the time at probe, as `drivers/cxl/core/mbox.c @ v7.3` does.
    pub(crate) fn new(driven: bool, now_us: u64) -> Self {
        Self { set: driven.then(|| (now_us.saturating_mul(1000), now_us)) }
    }

    /// Nanoseconds at `now_us`, 0 if never set.
    pub(crate) fn at(&self, now_us: u64) -> u64 {
        self.set.map_or(0, |(ns, at_us)| {
            ns.saturating_add(now_us.saturating_sub(at_us).saturating_mul(1000))
        })
    }
}

/// 0300h.
pub(crate) fn read(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    reply.put_u64(engine.state.timestamp.at(engine.now_us));
    Ok(Done::Now)
}

/// 0301h.
pub(crate) fn set(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let ns = Reader::new(input).u64()?;
    let now_us = engine.now_us;
    engine.change().timestamp.set = Some((ns, now_us));
    Ok(Done::Now)
}

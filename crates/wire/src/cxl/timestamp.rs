// SPDX-License-Identifier: MIT OR Apache-2.0
//! Get Timestamp (0300h) and Set Timestamp (0301h).
//!
//! Input is not trusted.
//!
//! *Invariants*: one 64-bit number, in nanoseconds.
//!
//! *Not here*: the host's clock.
//!
//! *Spec*: CXL r3.1 8.2.9.4.1 and 8.2.9.4.2 as cited by computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The Get Timestamp reply and the Set Timestamp request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Timestamp {
    /// Nanoseconds since 1970-01-01T00:00:00Z; 0: never set.
    pub nanoseconds: U64,
}

fixed!(Timestamp, "timestamp", 8, { nanoseconds @ 0 });

impl Timestamp {
    /// Builds one from nanoseconds since 1970.
    #[must_use]
    pub const fn new(nanoseconds: u64) -> Self {
        Self { nanoseconds: U64::new(nanoseconds) }
    }

    /// Nanoseconds since 1970, or `None` if the device was never told the time.
    #[must_use]
    pub const fn nanoseconds(&self) -> Option<u64> {
        match self.nanoseconds.get() {
            0 => None,
            set => Some(set),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_means_never_set() {
        assert_eq!(Timestamp::new(0).nanoseconds(), None);
        assert_eq!(Timestamp::new(1).nanoseconds(), Some(1));
        assert_eq!(Timestamp::new(0x0102).as_bytes(), [2, 1, 0, 0, 0, 0, 0, 0]);
    }
}

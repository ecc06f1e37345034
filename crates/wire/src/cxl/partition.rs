// SPDX-License-Identifier: MIT OR Apache-2.0
//! Get Partition Info (4100h) and Set Partition Info (4101h).
//!
//! Input is not trusted.
//!
//! *Invariants*: capacities are in units of 256 MiB, as on the wire.
//!
//! *Not here*: total capacities (`identify`).
//!
//! *Spec*: CXL r3.1 8.2.9.9.2.1 and 8.2.9.9.2.2 as cited by computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`; `drivers/cxl/cxlmem.h` @ v7.3. The kernel's command table gives 10 bytes for
//! 4101h while its structure has 9; both lengths are taken here.

use crate::error::{FormatError, FormatErrorKind};
use crate::layout;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes in one unit of capacity.
pub const CAPACITY_UNIT: u64 = 256 << 20;

/// The Get Partition Info reply (4100h). All fields in units of 256 MiB.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PartitionInfo {
    /// Volatile capacity now.
    pub active_volatile: U64,
    /// Persistent capacity now.
    pub active_persistent: U64,
    /// Volatile capacity after the next reset.
    pub next_volatile: U64,
    /// Persistent capacity after the next reset.
    pub next_persistent: U64,
}

fixed!(PartitionInfo, "partition info", 32, {
    active_volatile @ 0, active_persistent @ 8, next_volatile @ 16, next_persistent @ 24,
});

/// The nine bytes of fields of the Set Partition Info request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SetPartitionFields {
    /// Volatile capacity wanted, units of 256 MiB.
    pub volatile_capacity: U64,
    /// Bit 0: at once and not at the next reset.
    pub flags: u8,
}

fixed!(SetPartitionFields, "set partition fields", 9, { volatile_capacity @ 0, flags @ 8 });

impl SetPartitionFields {
    /// Whether the change is to take place at once. Linux refuses it.
    #[must_use]
    pub const fn immediate(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// The Set Partition Info request (4101h), borrowed: 9 bytes, or 10 with one unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetPartitionRequest<'a> {
    fields: &'a SetPartitionFields,
    unused: &'a [u8],
}

impl<'a> SetPartitionRequest<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "set partition request";

    /// Borrows a request of 9 or 10 bytes.
    ///
    /// # Errors
    /// Any other length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (fields, unused) = layout::prefix(bytes, Self::WHAT)?;
        if unused.len() > 1 {
            let kind = FormatErrorKind::TooLong { limit: 10, have: bytes.len() };
            return Err(FormatError::new(Self::WHAT, "bytes", 0, kind));
        }
        Ok(Self { fields, unused })
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> &'a SetPartitionFields {
        self.fields
    }

    /// Writes the request into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        layout::encode_into(out, &[self.fields.as_bytes(), self.unused], Self::WHAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_and_ten_bytes_are_taken_and_no_other_length() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 9, 9];
        for length in 0..=11 {
            let parsed = SetPartitionRequest::parse(&bytes[..length]);
            assert_eq!(parsed.is_ok(), length == 9 || length == 10, "{length}");
        }
    }

    #[test]
    fn only_bit_zero_asks_for_an_immediate_change() {
        let mut bytes = [0; 9];
        for (flags, immediate) in [(0, false), (1, true), (0xfe, false), (0xff, true)] {
            bytes[8] = flags;
            let request = SetPartitionRequest::parse(&bytes).unwrap();
            assert_eq!(request.fields().immediate(), immediate);
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Get LSA (4102h) and Set LSA (4103h): the label storage area.
//!
//! Input is not trusted.
//!
//! *Invariants*: offsets and lengths are bytes of the area; they are not checked against its size.
//!
//! *Not here*: the size of the area (`identify`), the labels in it.
//!
//! *Spec*: CXL r3.1 8.2.9.9.2.3 and 8.2.9.9.2.4 as cited by computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`; `drivers/cxl/cxlmem.h` @ v7.3.

use crate::error::FormatError;
use crate::layout;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The Get LSA request (4102h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct GetLsaRequest {
    /// First byte wanted.
    pub offset: U32,
    /// Bytes wanted.
    pub length: U32,
}

fixed!(GetLsaRequest, "get lsa request", 8, { offset @ 0, length @ 4 });

/// The first 8 bytes of the Set LSA request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SetLsaHeader {
    /// First byte to write.
    pub offset: U32,
    /// Reserved.
    pub reserved: U32,
}

fixed!(SetLsaHeader, "set lsa header", 8, { offset @ 0, reserved @ 4 });

/// The Set LSA request (4103h), borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLsaRequest<'a> {
    header: &'a SetLsaHeader,
    data: &'a [u8],
}

impl<'a> SetLsaRequest<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "set lsa request";

    /// Borrows a request: the header and any data.
    ///
    /// # Errors
    /// Shorter than the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, data) = layout::prefix(bytes, Self::WHAT)?;
        Ok(Self { header, data })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a SetLsaHeader {
        self.header
    }

    /// The bytes to write.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Writes the request into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        layout::encode_into(out, &[self.header.as_bytes(), self.data], Self::WHAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_starts_after_eight_bytes() {
        let bytes = [4, 0, 0, 0, 0, 0, 0, 0, 0xaa];
        let request = SetLsaRequest::parse(&bytes).unwrap();
        assert_eq!((request.header().offset.get(), request.data()), (4, &[0xaa][..]));
        assert!(SetLsaRequest::parse(&bytes[..7]).is_err());
    }
}

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

header_and_data! {
    /// The Set LSA request (4103h), borrowed.
    SetLsaRequest, SetLsaHeader, "set lsa request"
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

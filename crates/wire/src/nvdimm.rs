// SPDX-License-Identifier: MIT OR Apache-2.0
//! The label area of an nvdimm, by the ioctls of its node: headers and numbers.
//!
//! Input is not trusted: it is what the kernel wrote.
//!
//! *Invariants*: these structures are in the host's byte order, as the kernel's `__u32` is.
//!
//! *Not here*: the ioctls themselves; what is in the label area.
//!
//! *Spec*: `include/uapi/linux/ndctl.h`, `__nd_cmd_dimm_descs` in `drivers/nvdimm/bus.c @ v7.3`. A
//! command's output follows its input, byte for byte: the status of a write is behind its data.

use zerocopy::native_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ioctl_number::read_write;

/// `ND_IOCTL`, the letter N.
const GROUP: u8 = b'N';

/// ND_IOCTL_GET_CONFIG_SIZE.
pub const GET_CONFIG_SIZE: u32 = read_write(GROUP, 4, size_of::<ConfigSize>());
/// ND_IOCTL_GET_CONFIG_DATA. The number carries the size of the header alone.
pub const GET_CONFIG_DATA: u32 = read_write(GROUP, 5, 12);
/// ND_IOCTL_SET_CONFIG_DATA. The number carries the size of the header alone.
pub const SET_CONFIG_DATA: u32 = read_write(GROUP, 6, size_of::<ConfigRange>());

/// `struct nd_cmd_get_config_size`, all of it output.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConfigSize {
    /// The bus's own status; 0 is success.
    pub status: U32,
    /// Bytes of the label area.
    pub size: U32,
    /// Most bytes in one transfer.
    pub max_transfer: U32,
}

fixed!(ConfigSize, "nvdimm config size", 12, { status @ 0, size @ 4, max_transfer @ 8 });

/// What a read and a write begin with: `in_offset` and `in_length`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConfigRange {
    /// First byte.
    pub offset: U32,
    /// Bytes of data.
    pub length: U32,
}

fixed!(ConfigRange, "nvdimm config range", 8, { offset @ 0, length @ 4 });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_numbers_are_those_of_the_header_on_x86() {
        assert_eq!(GET_CONFIG_SIZE, 0xC00C_4E04);
        assert_eq!(GET_CONFIG_DATA, 0xC00C_4E05);
        assert_eq!(SET_CONFIG_DATA, 0xC008_4E06);
    }
}

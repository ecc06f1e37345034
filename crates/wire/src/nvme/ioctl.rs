// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pass-through ioctls of `/dev/nvmeN`.
//!
//! Input is not trusted: these are a caller's bytes, or the kernel's answer passed along.
//!
//! *Invariants*: the structures are in the host's byte order, as the kernel's `__u32` and `__u64` are, and have the
//! padding of 64-bit machines. Addresses in them are numbers; nothing here follows one.
//!
//! *Not here*: calling the ioctls; the effects of a command (`effects_log`).
//!
//! *Spec*: `include/uapi/linux/nvme_ioctl.h`, `drivers/nvme/host/ioctl.c` @ v7.3. The ioctl returns the command's
//! NVMe status when that is positive, and a negative errno where there is none.

use zerocopy::native_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ioctl_number;

/// NVME_IOCTL_ID, `_IO('N', 0x40)`: returns the number of the namespace. It takes no argument.
pub const IOCTL_ID: u32 = ioctl_number::none(b'N', 0x40);
/// NVME_IOCTL_ADMIN_CMD, `_IOWR('N', 0x41, struct nvme_passthru_cmd)`.
pub const IOCTL_ADMIN_CMD: u32 = ioctl_number::read_write(b'N', 0x41, PassthruCmd::SIZE);
/// NVME_IOCTL_ADMIN64_CMD, `_IOWR('N', 0x47, struct nvme_passthru_cmd64)`.
pub const IOCTL_ADMIN64_CMD: u32 = ioctl_number::read_write(b'N', 0x47, PassthruCmd64::SIZE);

/// The opcode of Fabrics commands, whose direction is in their type and not in the opcode.
const FABRICS: u8 = 0x7f;

/// `struct nvme_passthru_cmd` (`nvme_admin_cmd`): a result of 32 bits.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PassthruCmd {
    /// The command, and what all forms of the structure share.
    pub common: PassthruCommon,
    /// Out: dword 0 of the completion. Written where the ioctl returns 0 or a status.
    pub result: U32,
}

fixed!(PassthruCmd, "nvme passthru cmd", 72, { common @ 0, result @ 68 });

/// `struct nvme_passthru_cmd64`: a result of 64 bits.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PassthruCmd64 {
    /// The command, and what all forms of the structure share.
    pub common: PassthruCommon,
    /// Padding.
    pub reserved2: U32,
    /// Out: dwords 0 and 1 of the completion. Written where the ioctl returns 0 or a status.
    pub result: U64,
}

fixed!(PassthruCmd64, "nvme passthru cmd64", 80, { common @ 0, reserved2 @ 68, result @ 72 });

/// The first 68 bytes of both structures.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PassthruCommon {
    /// Opcode.
    pub opcode: u8,
    /// Must be 0.
    pub flags: u8,
    /// Not looked at.
    pub reserved1: U16,
    /// Namespace; must be the node's own on a namespace's node.
    pub nsid: U32,
    /// Dword 2.
    pub cdw2: U32,
    /// Dword 3.
    pub cdw3: U32,
    /// Address of the metadata; 0 for none.
    pub metadata: U64,
    /// Address of the data; 0 for none.
    pub addr: U64,
    /// Bytes of metadata.
    pub metadata_len: U32,
    /// Bytes of data.
    pub data_len: U32,
    /// Dwords 10 to 15.
    pub cdw10: [U32; 6],
    /// How long the driver waits before it resets the controller; 0 for its own time.
    pub timeout_ms: U32,
}

fixed!(PassthruCommon, "nvme passthru", 68, {
    opcode @ 0, flags @ 1, reserved1 @ 2, nsid @ 4, cdw2 @ 8, cdw3 @ 12, metadata @ 16, addr @ 24,
    metadata_len @ 32, data_len @ 36, cdw10 @ 40, timeout_ms @ 64,
});

impl PassthruCommon {
    /// A command without data: the driver's own time, everything else 0.
    #[must_use]
    pub const fn new(opcode: u8, nsid: u32, cdw10: [u32; 6]) -> Self {
        let [a, b, c, d, e, f] = cdw10;
        Self {
            opcode,
            flags: 0,
            reserved1: U16::ZERO,
            nsid: U32::new(nsid),
            cdw2: U32::ZERO,
            cdw3: U32::ZERO,
            metadata: U64::ZERO,
            addr: U64::ZERO,
            metadata_len: U32::ZERO,
            data_len: U32::ZERO,
            cdw10: [U32::new(a), U32::new(b), U32::new(c), U32::new(d), U32::new(e), U32::new(f)],
            timeout_ms: U32::ZERO,
        }
    }

    /// Whether the kernel takes the data to go from host to controller; else it lets the controller write to it.
    /// It goes by bit 0 of the opcode, and for Fabrics commands by bit 0 of their type, the lowest byte of `nsid`.
    #[must_use]
    pub const fn host_to_controller(&self) -> bool {
        let by = if self.opcode == FABRICS { self.nsid.get() } else { self.opcode as u32 };
        by & 1 != 0
    }
}

/// An NVMe status as the ioctl returns it: code in bits 7:0, type in 10:8, retry delay in 12:11, more in 13, do not
/// retry in 14.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

impl Status {
    /// The status of a return value: 15 bits, 0 for success. `None` for anything else.
    #[must_use]
    pub fn from_return(value: i32) -> Option<Self> {
        u16::try_from(value).ok().filter(|it| *it <= 0x7fff).map(Self)
    }

    /// Status code type and code: what the command's outcome is known by.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0 & 0x7ff
    }

    /// Whether it is of those that the host makes up: 370h to 37Fh, such as 370h (no path to the controller) and 371h
    /// (aborted by the host). That a controller gives none of them is its own claim.
    #[must_use]
    pub const fn is_made_by_host(self) -> bool {
        matches!(self.code(), 0x370..=0x37f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn the_ioctl_numbers_are_those_of_the_kernel_headers() {
        assert_eq!(IOCTL_ID, 0x4e40);
        assert_eq!((IOCTL_ADMIN_CMD, IOCTL_ADMIN64_CMD), (0xc048_4e41, 0xc050_4e47));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn both_structures_have_these_bytes() {
        let mut common = PassthruCommon::new(0xc1, 0x0102_0304, [1, 2, 3, 4, 5, 6]);
        common.cdw2 = U32::new(0x21);
        common.cdw3 = U32::new(0x31);
        common.metadata = U64::new(0x41);
        common.addr = U64::new(0x1122_3344_5566_7788);
        common.metadata_len = U32::new(0x51);
        common.data_len = U32::new(0x1000);
        common.timeout_ms = U32::new(0x61);
        #[rustfmt::skip]
        let golden = [
            0xc1, 0, 0, 0,  4, 3, 2, 1,  0x21, 0, 0, 0,  0x31, 0, 0, 0,
            0x41, 0, 0, 0, 0, 0, 0, 0,  0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
            0x51, 0, 0, 0,  0, 0x10, 0, 0,  1, 0, 0, 0,  2, 0, 0, 0,
            3, 0, 0, 0,  4, 0, 0, 0,  5, 0, 0, 0,  6, 0, 0, 0,  0x61, 0, 0, 0,
        ];
        assert_eq!(common.as_bytes(), golden);
        let narrow = PassthruCmd { common, result: U32::new(0x71) };
        assert_eq!(&narrow.as_bytes()[..68], golden);
        assert_eq!(&narrow.as_bytes()[68..], [0x71, 0, 0, 0]);
        let wide = PassthruCmd64 { common, reserved2: U32::new(0x81), result: U64::new(0x91) };
        assert_eq!(&wide.as_bytes()[68..], [0x81, 0, 0, 0, 0x91, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(PassthruCmd64::parse(wide.as_bytes()), Ok(&wide));
        assert!(PassthruCmd::parse(&wide.as_bytes()[..71]).is_err());
    }

    #[test]
    fn the_direction_is_in_bit_0_and_for_fabrics_in_their_type() {
        let direction =
            |opcode, nsid| PassthruCommon::new(opcode, nsid, [0; 6]).host_to_controller();
        assert!(!direction(0x02, 1) && !direction(0x06, 0xffff_ffff));
        assert!(direction(0x09, 0) && direction(0x11, 0));
        assert!(!direction(0x7f, 0x04) && direction(0x7f, 0x05));
    }

    #[test]
    fn a_status_has_15_bits() {
        assert_eq!(Status::from_return(0), Some(Status(0)));
        assert_eq!(Status::from_return(0x7fff), Some(Status(0x7fff)));
        assert_eq!(Status::from_return(0x8000), None);
        assert_eq!(Status::from_return(-1), None);
        assert_eq!(Status(0x4002).code(), 0x002);
        assert!(Status(0x4370).is_made_by_host() && Status(0x37f).is_made_by_host());
        assert!(!Status(0x360).is_made_by_host() && !Status(0x380).is_made_by_host());
    }
}

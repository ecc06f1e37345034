// SPDX-License-Identifier: MIT OR Apache-2.0
//! pds: the structure that FWCTL_RPC takes, and what FWCTL_INFO tells.
//!
//! Input is not trusted.
//!
//! *Invariants*: the structures are in the host's byte order. Addresses in them are numbers; nothing
//! here follows one, and none goes in from outside.
//!
//! *Not here*: the scope of an operation (`fwgate_policy`): the firmware gives each an attribute.
//!
//! *Spec*: `include/uapi/fwctl/pds.h`, `include/linux/pds/pds_adminq.h`, `drivers/fwctl/pds/main.c`
//! @ v7.3. Facts of that kernel: one structure is request and reply; the driver ignores `rsvd` and
//! bits 31:24 of the operation; it never sets the length of its info, so that user space sees none.

use zerocopy::native_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `struct fwctl_info_pds`. The kernel writes it, and then says that it is 0 bytes long.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PdsInfo {
    /// Firmware capabilities.
    pub uctx_caps: U32,
}

fixed!(PdsInfo, "pds fwctl info", 4, { uctx_caps @ 0 });

/// `struct fwctl_rpc_pds`: request and reply in one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PdsRpc {
    /// Operation: see [`Operation`].
    pub operation: U32,
    /// The endpoint of the firmware.
    pub endpoint: U32,
    /// Must be 0; the kernel does not check.
    pub reserved: U32,
    /// Bytes of the request.
    pub in_len: U32,
    /// Address of the request.
    pub in_payload: U64,
    /// Out: the firmware's code; 0 is success.
    pub retval: U32,
    /// Reserved.
    pub out_reserved: [U32; 2],
    /// Bytes of room for the reply.
    pub out_len: U32,
    /// Address of that room.
    pub out_payload: U64,
}

fixed!(PdsRpc, "pds rpc", 48, {
    operation @ 0, endpoint @ 4, reserved @ 8, in_len @ 12, in_payload @ 16,
    retval @ 24, out_reserved @ 28, out_len @ 36, out_payload @ 40,
});

impl PdsRpc {
    /// A request without addresses: whoever owns the buffers puts them in.
    #[must_use]
    pub const fn new(endpoint: u32, operation: Operation, in_len: u32, out_len: u32) -> Self {
        Self {
            operation: U32::new(operation.0),
            endpoint: U32::new(endpoint),
            reserved: U32::ZERO,
            in_len: U32::new(in_len),
            in_payload: U64::ZERO,
            retval: U32::ZERO,
            out_reserved: [U32::ZERO; 2],
            out_len: U32::new(out_len),
            out_payload: U64::ZERO,
        }
    }
}

/// An operation's number: a command in bits 15:0, its version in bits 23:16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation(pub u32);

impl Operation {
    /// The command.
    #[must_use]
    pub const fn command(self) -> u16 {
        let [low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The version.
    #[must_use]
    pub const fn version(self) -> u8 {
        let [_, _, version, _] = self.0.to_le_bytes();
        version
    }

    /// Bits 31:24, which the driver does not look at: nonzero ones make another number act as this.
    #[must_use]
    pub const fn ignored(self) -> u8 {
        let [.., ignored] = self.0.to_le_bytes();
        ignored
    }

    /// Whether a listed operation stands for this one: the same command, of this version or a later
    /// one. `PDS_FWCTL_RPC_OPCODE_CMP` in `include/linux/pds/pds_adminq.h @ v7.3`.
    #[must_use]
    pub const fn is_covered_by(self, listed: Self) -> bool {
        self.command() == listed.command() && self.version() <= listed.version()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_the_kernels_byte_for_byte() {
        let rpc = PdsRpc::new(2, Operation(0x0001_0003), 8, 64);
        let mut golden = [0; 48];
        golden[0..4].copy_from_slice(&0x0001_0003u32.to_ne_bytes());
        golden[4..8].copy_from_slice(&2u32.to_ne_bytes());
        golden[12..16].copy_from_slice(&8u32.to_ne_bytes());
        golden[36..40].copy_from_slice(&64u32.to_ne_bytes());
        assert_eq!(rpc.as_bytes(), golden);
        assert_eq!(PdsRpc::parse(&golden), Ok(&rpc));
        assert!(PdsRpc::parse(&golden[..47]).is_err());
        assert!(PdsInfo::parse(&[0; 4]).is_ok() && PdsInfo::parse(&[]).is_err());
    }

    #[test]
    fn a_listed_operation_covers_its_command_up_to_its_version() {
        let listed = Operation(0x0002_0007);
        for (asked, covered) in [
            (0x0000_0007, true),
            (0x0002_0007, true),
            (0x0003_0007, false),
            (0x0002_0008, false),
            // The driver does not look at bits 31:24; the judge refuses them.
            (0xFF01_0007, true),
        ] {
            assert_eq!(Operation(asked).is_covered_by(listed), covered, "{asked:#010x}");
        }
        assert_eq!((listed.command(), listed.version(), listed.ignored()), (7, 2, 0));
        assert_eq!(Operation(0xFF01_0007).ignored(), 0xFF);
    }
}

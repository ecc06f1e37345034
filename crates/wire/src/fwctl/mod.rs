// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fwctl user API: the two ioctls every fwctl node takes.
//!
//! Input is not trusted: these are a caller's bytes, or the kernel's answer passed along.
//!
//! *Invariants*: unlike the rest of this crate, these structures are in the host's byte order, as the
//! kernel's `__u32` and `__u64` are. Addresses in them are numbers; nothing here follows one.
//!
//! *Not here*: calling the ioctls; what a scope allows (`fwgate-policy`).
//!
//! *Spec*: `include/uapi/fwctl/fwctl.h`, `drivers/fwctl/main.c` @ v7.3.

pub mod bnxt;
pub mod cxl;
pub mod mlx5;
pub mod pds;
pub mod table;

use zerocopy::native_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ioctl_number;

/// `FWCTL_TYPE`.
const GROUP: u8 = 0x9a;

/// ioctl number of FWCTL_INFO. It carries no size; the structure's first field does.
pub const FWCTL_INFO: u32 = ioctl_number::none(GROUP, 0);
/// ioctl number of FWCTL_RPC. It carries no size; the structure's first field does.
pub const FWCTL_RPC: u32 = ioctl_number::none(GROUP, 1);
/// Largest `in_len` and `out_len` of FWCTL_RPC, in bytes.
pub const MAX_RPC_LENGTH: u32 = 2 << 20;

/// Why a driver did not pass a command on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The scope that was asked for is too low.
    ScopeTooLow,
    /// The driver does not know the command.
    Unknown,
    /// The request is shorter than the driver's least.
    TooShort,
}

/// The errno, positive, by which a family's driver says so; `None` for a type that is none of them.
///
/// Spec: `drivers/cxl/core/features.c`, `drivers/fwctl/{mlx5,bnxt,pds}/main.c` @ v7.3.
#[must_use]
pub const fn errno_for(device_type: u32, refused: Refused) -> Option<i32> {
    const EPERM: i32 = 1;
    const EINVAL: i32 = 22;
    const EBADMSG: i32 = 74;
    const EMSGSIZE: i32 = 90;
    Some(match (device_type, refused) {
        (device_type::MLX5, Refused::TooShort) => EMSGSIZE,
        (device_type::MLX5, _) => EBADMSG,
        (device_type::BNXT, Refused::ScopeTooLow | Refused::Unknown)
        | (device_type::PDS, Refused::ScopeTooLow) => EPERM,
        (device_type::CXL | device_type::BNXT | device_type::PDS, _) => EINVAL,
        _ => return None,
    })
}

/// Device types in [`FwctlInfo::out_device_type`].
pub mod device_type {
    /// None.
    pub const ERROR: u32 = 0;
    /// mlx5.
    pub const MLX5: u32 = 1;
    /// CXL.
    pub const CXL: u32 = 2;
    /// bnxt.
    pub const BNXT: u32 = 3;
    /// pds.
    pub const PDS: u32 = 4;
}

/// Scopes in [`FwctlRpc::scope`], raw. A higher one includes the lower ones.
pub mod scope {
    /// Configuration.
    pub const CONFIGURATION: u32 = 0;
    /// Read-only debug.
    pub const DEBUG_READ_ONLY: u32 = 1;
    /// Debug writes; the kernel is marked tainted.
    pub const DEBUG_WRITE: u32 = 2;
    /// Everything; the kernel is marked tainted and CAP_SYS_RAWIO is needed.
    pub const DEBUG_WRITE_FULL: u32 = 3;
}

/// `struct fwctl_info`, the argument of [`FWCTL_INFO`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct FwctlInfo {
    /// Bytes of this structure as the caller knows it; at least 24.
    pub size: U32,
    /// Must be 0.
    pub flags: U32,
    /// Out: see [`device_type`].
    pub out_device_type: U32,
    /// In: room at `out_device_data`. Out: true length, which can be larger.
    pub device_data_len: U32,
    /// Address of the caller's buffer.
    pub out_device_data: U64,
}

fixed!(FwctlInfo, "fwctl info", 24, {
    size @ 0, flags @ 4, out_device_type @ 8, device_data_len @ 12, out_device_data @ 16,
});

/// `struct fwctl_rpc`, the argument of [`FWCTL_RPC`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct FwctlRpc {
    /// Bytes of this structure as the caller knows it; at least 32.
    pub size: U32,
    /// See [`scope`].
    pub scope: U32,
    /// Bytes at `input`.
    pub in_len: U32,
    /// In: room at `output`. Out: the driver's length, which can be larger than what was copied.
    pub out_len: U32,
    /// Address of the request.
    pub input: U64,
    /// Address of the room for the response.
    pub output: U64,
}

fixed!(FwctlRpc, "fwctl rpc", 32, {
    size @ 0, scope @ 4, in_len @ 8, out_len @ 12, input @ 16, output @ 24,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn the_ioctl_numbers_are_those_of_the_kernel_headers() {
        assert_eq!((FWCTL_INFO, FWCTL_RPC), (0x9a00, 0x9a01));
    }

    #[test]
    fn each_driver_has_its_own_errno_for_a_scope_that_is_too_low() {
        let of = |refused| {
            [device_type::MLX5, device_type::CXL, device_type::BNXT, device_type::PDS]
                .map(|family| errno_for(family, refused).unwrap())
        };
        assert_eq!(of(Refused::ScopeTooLow), [74, 22, 1, 1]);
        assert_eq!(of(Refused::Unknown), [74, 22, 1, 22]);
        assert_eq!(of(Refused::TooShort), [90, 22, 22, 22]);
        assert_eq!(errno_for(device_type::ERROR, Refused::Unknown), None);
    }

    #[test]
    fn both_structures_have_one_length() {
        assert!(FwctlInfo::parse(&[0; 24]).is_ok() && FwctlInfo::parse(&[0; 25]).is_err());
        assert!(FwctlRpc::parse(&[0; 32]).is_ok() && FwctlRpc::parse(&[0; 31]).is_err());
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! mlx5: the command mailbox as FWCTL_RPC takes it, and what FWCTL_INFO tells.
//!
//! Input is not trusted.
//!
//! *Invariants*: the mailbox is big endian; the info is in the host's order. Bytes from the ninth on
//! belong to the command and are not looked at here.
//!
//! *Not here*: which commands the driver passes on (`super::table`, `fwgate_policy`), the layouts of
//! single commands.
//!
//! *Spec*: `struct mlx5_ifc_mbox_in_hdr_bits`, `struct mlx5_ifc_mbox_out_hdr_bits` in
//! `drivers/fwctl/mlx5/main.c @ v7.3`; `include/uapi/fwctl/mlx5.h @ v7.3`. Facts of that kernel: the
//! driver overwrites `uid` with the one of the open file; it wants at least 16 bytes each way
//! (EMSGSIZE); an error of the firmware is in the reply, and the ioctl succeeds.

use crate::error::{FormatError, FormatErrorKind};
use crate::layout;
use zerocopy::big_endian::{U16, U32};
use zerocopy::native_endian::U32 as NativeU32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Fewest bytes of a request and of a reply.
pub const MIN_MAILBOX: usize = 16;
/// ACCESS_REG: reads and writes device registers.
pub const ACCESS_REG: u16 = 0x0805;
/// ACCESS_REGISTER_USER: the same for user contexts.
pub const ACCESS_REGISTER_USER: u16 = 0x0B0C;
/// `op_mod` of a register write.
pub const REGISTER_WRITE: u16 = 0;
/// `op_mod` of a register read.
pub const REGISTER_READ: u16 = 1;

/// What every request begins with; the command's own bytes follow at once.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Mlx5RequestHeader {
    /// Opcode.
    pub opcode: U16,
    /// User context; the driver writes its own here.
    pub uid: U16,
    /// Reserved.
    pub reserved: U16,
    /// Modifier of the opcode.
    pub op_mod: U16,
}

fixed!(Mlx5RequestHeader, "mlx5 request header", 8, {
    opcode @ 0, uid @ 2, reserved @ 4, op_mod @ 6,
});

/// What every reply begins with; the command's own bytes follow at once.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Mlx5ResponseHeader {
    /// Status; 0 is success.
    pub status: u8,
    /// Reserved.
    pub reserved: [u8; 3],
    /// What went wrong, in the vendor's numbers.
    pub syndrome: U32,
}

fixed!(Mlx5ResponseHeader, "mlx5 response header", 8, { status @ 0, syndrome @ 4 });

/// `struct fwctl_info_mlx5`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Mlx5Info {
    /// The user context that the open file is bound to.
    pub uid: NativeU32,
    /// What it may do: bit 2 is TOOLS_RESOURCES.
    pub uctx_caps: NativeU32,
}

fixed!(Mlx5Info, "mlx5 fwctl info", 8, { uid @ 0, uctx_caps @ 4 });

/// A request mailbox, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mlx5Request<'a> {
    header: &'a Mlx5RequestHeader,
    payload: &'a [u8],
}

impl<'a> Mlx5Request<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "mlx5 request";

    /// Borrows a request buffer.
    ///
    /// # Errors
    /// Fewer than 16 bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        long_enough(bytes, Self::WHAT)?;
        let (header, payload) = layout::prefix::<Mlx5RequestHeader>(bytes, Self::WHAT)?;
        Ok(Self { header, payload })
    }

    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> u16 {
        self.header.opcode.get()
    }

    /// Its modifier.
    #[must_use]
    pub const fn op_mod(&self) -> u16 {
        self.header.op_mod.get()
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a Mlx5RequestHeader {
        self.header
    }

    /// The command's own bytes: from the ninth on, at least 8.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Writes the mailbox of one command into `out`; returns its length. `uid` is left to the driver.
    ///
    /// # Errors
    /// `payload` is shorter than 8 bytes, or `out` than the mailbox.
    pub fn build(
        opcode: u16,
        op_mod: u16,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, FormatError> {
        let header = Mlx5RequestHeader {
            opcode: U16::new(opcode),
            uid: U16::ZERO,
            reserved: U16::ZERO,
            op_mod: U16::new(op_mod),
        };
        let least = MIN_MAILBOX.saturating_sub(Mlx5RequestHeader::SIZE);
        if payload.len() < least {
            let kind = FormatErrorKind::TooShort { need: least, have: payload.len() };
            return Err(FormatError::new(Self::WHAT, "payload", Mlx5RequestHeader::SIZE, kind));
        }
        layout::encode_into(out, &[header.as_bytes(), payload], Self::WHAT)
    }
}

/// A reply mailbox, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mlx5Response<'a> {
    header: &'a Mlx5ResponseHeader,
    payload: &'a [u8],
}

impl<'a> Mlx5Response<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "mlx5 response";

    /// Borrows a reply buffer.
    ///
    /// # Errors
    /// Fewer than 16 bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        long_enough(bytes, Self::WHAT)?;
        let (header, payload) = layout::prefix::<Mlx5ResponseHeader>(bytes, Self::WHAT)?;
        Ok(Self { header, payload })
    }

    /// The status; 0 is success.
    #[must_use]
    pub const fn status(&self) -> u8 {
        self.header.status
    }

    /// What went wrong, in the vendor's numbers.
    #[must_use]
    pub const fn syndrome(&self) -> u32 {
        self.header.syndrome.get()
    }

    /// The command's own bytes: from the ninth on.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

fn long_enough(bytes: &[u8], what: &'static str) -> Result<(), FormatError> {
    if bytes.len() >= MIN_MAILBOX {
        return Ok(());
    }
    let kind = FormatErrorKind::TooShort { need: MIN_MAILBOX, have: bytes.len() };
    Err(FormatError::new(what, "bytes", 0, kind))
}

/// The name of a status, as the kernel's driver has it; `None` for one that it does not name.
///
/// Spec: `enum { MLX5_CMD_STAT_.. }` in `include/linux/mlx5/device.h @ v7.3`.
#[must_use]
pub const fn status_name(status: u8) -> Option<&'static str> {
    Some(match status {
        0x00 => "ok",
        0x01 => "internal error",
        0x02 => "bad operation",
        0x03 => "bad parameter",
        0x04 => "bad system state",
        0x05 => "bad resource",
        0x06 => "resource busy",
        0x07 => "not ready",
        0x08 => "limit exceeded",
        0x09 => "bad resource state",
        0x0A => "bad index",
        0x0F => "no resources",
        0x10 => "bad QP state",
        0x30 => "bad packet",
        0x40 => "bad size of outstanding CQEs",
        0x50 => "bad input length",
        0x51 => "bad output length",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ACCESS_REGISTER_USER, read, register MFRL (9028h).
    const GOLDEN: [u8; 16] = [0x0B, 0x0C, 0, 0, 0, 0, 0, 1, 0, 0, 0x90, 0x28, 0, 0, 0, 0];

    #[test]
    fn a_request_is_big_endian_and_its_payload_starts_at_the_ninth_byte() {
        let mut bytes = [0xFF; 20];
        let payload = [0, 0, 0x90, 0x28, 0, 0, 0, 0];
        let length = Mlx5Request::build(ACCESS_REGISTER_USER, REGISTER_READ, &payload, &mut bytes);
        assert_eq!(length, Ok(16));
        assert_eq!(bytes[..16], GOLDEN);
        let request = Mlx5Request::parse(&GOLDEN).unwrap();
        assert_eq!((request.opcode(), request.op_mod()), (0x0B0C, 1));
        assert_eq!(request.payload(), payload);
        assert_eq!(request.header().uid.get(), 0);
    }

    #[test]
    fn what_is_shorter_than_sixteen_bytes_is_refused_either_way() {
        for length in 0..16 {
            assert!(Mlx5Request::parse(&GOLDEN[..length]).is_err(), "{length}");
            assert!(Mlx5Response::parse(&GOLDEN[..length]).is_err(), "{length}");
        }
        let error = Mlx5Request::build(0x100, 0, &[0; 7], &mut [0; 64]).unwrap_err();
        assert_eq!((error.field, error.offset), ("payload", 8));
        assert_eq!(error.kind, FormatErrorKind::TooShort { need: 8, have: 7 });
        assert!(Mlx5Request::build(0x100, 0, &[0; 8], &mut [0; 15]).is_err());
    }

    #[test]
    fn a_reply_has_its_status_first_and_a_big_endian_syndrome() {
        let bytes = [0x03, 0, 0, 0, 0x00, 0x12, 0x34, 0x56, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let reply = Mlx5Response::parse(&bytes).unwrap();
        assert_eq!((reply.status(), reply.syndrome()), (3, 0x0012_3456));
        assert_eq!(reply.payload(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(status_name(reply.status()), Some("bad parameter"));
        assert_eq!(status_name(0x0B), None);
    }

    #[test]
    fn the_info_is_eight_bytes_in_the_hosts_order() {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&7u32.to_ne_bytes());
        bytes[4..].copy_from_slice(&4u32.to_ne_bytes());
        let info = Mlx5Info::parse(&bytes).unwrap();
        assert_eq!((info.uid.get(), info.uctx_caps.get()), (7, 4));
        assert!(Mlx5Info::parse(&bytes[..7]).is_err());
    }
}

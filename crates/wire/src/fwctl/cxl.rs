// SPDX-License-Identifier: MIT OR Apache-2.0
//! The buffers of FWCTL_RPC for CXL devices.
//!
//! Input is not trusted.
//!
//! *Invariants*
//! - The headers are in the host's byte order, the payloads in the device's (little endian).
//! - A response's payload is as long as its `size` states; bytes after it are kept apart and mean nothing.
//!
//! *Not here*: the payloads (`cxl::features`); which opcodes the kernel lets through (`fwgate-policy`).
//!
//! *Spec*: `include/uapi/fwctl/cxl.h` and `drivers/cxl/core/features.c` @ v7.3. Facts of that kernel:
//! - It truncates the opcode to 16 bits, so 10500h acts as 0500h. [`CxlRpcRequest::parse`] refuses that.
//! - It never looks at `flags` and `reserved`. They are kept here as they came.
//! - `op_size` can be less than the bytes that follow the header.
//! - The response header is 8 bytes, but `sizeof(struct fwctl_rpc_cxl_out)` is 16 and the length the kernel
//!   returns counts 16: for n payload bytes it returns 16 + n, of which 8 + n mean something.

use crate::cxl::opcode::Opcode;
use crate::cxl::return_code::ReturnCode;
use crate::error::{FormatError, FormatErrorKind};
use crate::layout;
use zerocopy::native_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The first 16 bytes of the request buffer (`struct fwctl_rpc_cxl`).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CxlRpcRequestHeader {
    /// The CXL opcode, in 32 bits.
    pub opcode: U32,
    /// Must be 0; the kernel does not check.
    pub flags: U32,
    /// Bytes of payload.
    pub op_size: U32,
    /// Must be 0; the kernel does not check.
    pub reserved: U32,
}

fixed!(CxlRpcRequestHeader, "cxl rpc request header", 16, {
    opcode @ 0, flags @ 4, op_size @ 8, reserved @ 12,
});

impl CxlRpcRequestHeader {
    /// Builds a header for `op_size` bytes of payload.
    #[must_use]
    pub const fn new(opcode: Opcode, op_size: u32) -> Self {
        Self {
            opcode: U32::new(opcode.0 as u32),
            flags: U32::ZERO,
            op_size: U32::new(op_size),
            reserved: U32::ZERO,
        }
    }
}

/// The first 8 bytes of the response buffer (`struct fwctl_rpc_cxl_out`, whose size is 16).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CxlRpcResponseHeader {
    /// Bytes of payload.
    pub size: U32,
    /// The device's return code. 0 also when the transport failed; then `size` is 0 for a Get.
    pub retval: U32,
}

fixed!(CxlRpcResponseHeader, "cxl rpc response header", 8, { size @ 0, retval @ 4 });

impl CxlRpcResponseHeader {
    /// What the kernel counts for the header in the length it returns.
    pub const KERNEL_SIZE: usize = 16;

    /// The device's return code; `None` if the field does not fit in 16 bits.
    #[must_use]
    pub fn return_code(&self) -> Option<ReturnCode> {
        u16::try_from(self.retval.get()).ok().map(ReturnCode)
    }
}

/// A request buffer, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CxlRpcRequest<'a> {
    header: &'a CxlRpcRequestHeader,
    opcode: Opcode,
    payload: &'a [u8],
    trailing: &'a [u8],
}

impl<'a> CxlRpcRequest<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "cxl rpc request";

    /// Borrows a request buffer of `in_len` bytes.
    ///
    /// # Errors
    /// Shorter than the header, an opcode above FFFFh, or an `op_size` beyond the bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<CxlRpcRequestHeader>(bytes, Self::WHAT)?;
        let stated = header.opcode.get();
        let opcode = u16::try_from(stated).map(Opcode).map_err(|_| {
            let kind = FormatErrorKind::BadValue { value: u64::from(stated) };
            FormatError::new(Self::WHAT, "opcode", 0, kind)
        })?;
        let (payload, trailing) = split(rest, header.op_size.get(), Self::WHAT, "op_size", 8)?;
        Ok(Self { header, opcode, payload, trailing })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a CxlRpcRequestHeader {
        self.header
    }

    /// The command.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The command's payload: `op_size` bytes.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Bytes after the payload, which the kernel ignores.
    #[must_use]
    pub const fn trailing(&self) -> &'a [u8] {
        self.trailing
    }

    /// Writes the buffer into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        let parts = [self.header.as_bytes(), self.payload, self.trailing];
        layout::encode_into(out, &parts, Self::WHAT)
    }

    /// Writes the request buffer for one command into `out`; returns its length.
    ///
    /// # Errors
    /// `payload` is longer than 32 bits can say, or `out` is too short.
    pub fn build(opcode: Opcode, payload: &[u8], out: &mut [u8]) -> Result<usize, FormatError> {
        let kind = FormatErrorKind::TooLong { limit: u32::MAX as usize, have: payload.len() };
        let op_size = u32::try_from(payload.len())
            .map_err(|_| FormatError::new(Self::WHAT, "op_size", 8, kind))?;
        let header = CxlRpcRequestHeader::new(opcode, op_size);
        layout::encode_into(out, &[header.as_bytes(), payload], Self::WHAT)
    }
}

/// A response buffer, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CxlRpcResponse<'a> {
    header: &'a CxlRpcResponseHeader,
    payload: &'a [u8],
    trailing: &'a [u8],
}

impl<'a> CxlRpcResponse<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "cxl rpc response";

    /// Borrows the bytes of a response buffer that were copied out.
    ///
    /// # Errors
    /// Shorter than the header, or a `size` beyond the bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<CxlRpcResponseHeader>(bytes, Self::WHAT)?;
        let (payload, trailing) = split(rest, header.size.get(), Self::WHAT, "size", 0)?;
        Ok(Self { header, payload, trailing })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a CxlRpcResponseHeader {
        self.header
    }

    /// The command's output: `size` bytes.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Bytes after the payload, which mean nothing.
    #[must_use]
    pub const fn trailing(&self) -> &'a [u8] {
        self.trailing
    }

    /// Writes the buffer into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        let parts = [self.header.as_bytes(), self.payload, self.trailing];
        layout::encode_into(out, &parts, Self::WHAT)
    }
}

/// The first `stated` bytes and the rest.
fn split<'a>(
    bytes: &'a [u8],
    stated: u32,
    what: &'static str,
    field: &'static str,
    offset: usize,
) -> Result<(&'a [u8], &'a [u8]), FormatError> {
    let length = usize::try_from(stated).unwrap_or(usize::MAX);
    bytes.split_at_checked(length).ok_or({
        let kind = FormatErrorKind::CountMismatch { stated: length, found: bytes.len() };
        FormatError::new(what, field, offset, kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opcode_above_16_bits_is_refused_though_the_kernel_would_cut_it() {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&0x1_0500u32.to_ne_bytes());
        let error = CxlRpcRequest::parse(&bytes).unwrap_err();
        assert_eq!(
            (error.field, error.kind),
            ("opcode", FormatErrorKind::BadValue { value: 0x1_0500 })
        );
    }

    #[test]
    fn the_payload_is_op_size_long_and_the_rest_is_kept_apart() {
        let mut bytes = [0; 20];
        let length = CxlRpcRequest::build(Opcode(0x0501), &[1, 2], &mut bytes);
        assert_eq!(length, Ok(18));
        let request = CxlRpcRequest::parse(&bytes).unwrap();
        assert_eq!(request.opcode(), Opcode(0x0501));
        assert_eq!((request.payload(), request.trailing()), (&[1, 2][..], &[0, 0][..]));
        let error = CxlRpcRequest::parse(&bytes[..17]).unwrap_err();
        assert_eq!((error.field, error.offset), ("op_size", 8));
        assert_eq!(error.kind, FormatErrorKind::CountMismatch { stated: 2, found: 1 });
        assert!(CxlRpcRequest::parse(&bytes[..15]).is_err());
    }

    #[test]
    fn a_size_beyond_the_response_is_refused() {
        let mut bytes = [0xff; 12];
        assert!(CxlRpcResponse::parse(&bytes).is_err());
        bytes[..4].copy_from_slice(&4u32.to_ne_bytes());
        let response = CxlRpcResponse::parse(&bytes).unwrap();
        assert_eq!((response.payload(), response.trailing()), (&[0xff; 4][..], &[][..]));
        assert_eq!(response.header().return_code(), None);
    }
}

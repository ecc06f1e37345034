// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tunnel Management Command (5300h): a whole CCI message inside another command.
//!
//! Input is not trusted. The inner message can itself be a tunnel; [`TunnelRequest::inner`] gives one level.
//!
//! *Invariants*: a request that parsed states the exact size of its inner message, which is a whole CCI
//! request; a response likewise holds a whole CCI response.
//!
//! *Not here*: following a tunnel to its end and the bound on its depth (`fwgate-policy`).
//!
//! *Spec*: computexpresslink/libcxlmi and QEMU `hw/cxl/cxl-mailbox-utils.c`, "Tunnel Management Command"
//! (5300h). QEMU's rules are taken: the inner size equals the outer length less 4 and is at least 12, the
//! inner category is request. The outer return code is Success even when the inner command failed.

use super::cci::{Category, CciHeader, CciMessage};
use crate::error::{FormatError, FormatErrorKind};
use crate::layout;
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Which component the tunnel leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelTarget {
    /// 0: the device behind this port, or this logical device.
    PortOrLd(u8),
    /// 1: the CCI of the logical device pool; carries the id field as it came.
    LdPool(u8),
}

impl TunnelTarget {
    const fn parts(self) -> (u8, u8) {
        match self {
            Self::PortOrLd(id) => (id, 0),
            Self::LdPool(id) => (id, 1),
        }
    }
}

/// The first four bytes of a tunnel request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TunnelRequestHeader {
    /// Port or logical device.
    pub id: u8,
    /// 0 port or logical device, 1 logical device pool.
    pub target_type: u8,
    /// Bytes of the inner message, header included.
    pub size: U16,
}

fixed!(TunnelRequestHeader, "tunnel request header", 4, { id @ 0, target_type @ 1, size @ 2 });

/// The first four bytes of a tunnel response.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TunnelResponseHeader {
    /// Bytes of the inner message, header included.
    pub length: U16,
    /// Reserved.
    pub reserved: U16,
}

fixed!(TunnelResponseHeader, "tunnel response header", 4, { length @ 0, reserved @ 2 });

/// A tunnel request, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelRequest<'a> {
    header: &'a TunnelRequestHeader,
    target: TunnelTarget,
    inner: CciMessage<'a>,
}

/// A tunnel response, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelResponse<'a> {
    header: &'a TunnelResponseHeader,
    inner: CciMessage<'a>,
}

impl<'a> TunnelRequest<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "tunnel request";
    /// Bytes before the inner message.
    pub const HEADER: usize = TunnelRequestHeader::SIZE;

    /// Borrows the payload of a 5300h request.
    ///
    /// # Errors
    /// Too short, an unknown target type, a size that differs from the bytes, or an inner message that is
    /// no whole CCI request.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<TunnelRequestHeader>(bytes, Self::WHAT)?;
        let target = match header.target_type {
            0 => TunnelTarget::PortOrLd(header.id),
            1 => TunnelTarget::LdPool(header.id),
            other => {
                let kind = FormatErrorKind::BadValue { value: u64::from(other) };
                return Err(FormatError::new(Self::WHAT, "target_type", 1, kind));
            }
        };
        let stated = usize::from(header.size.get());
        let inner = inner(rest, stated, Category::Request, Self::WHAT, "size", 2)?;
        Ok(Self { header, target, inner })
    }

    /// Where the tunnel leads.
    #[must_use]
    pub const fn target(&self) -> TunnelTarget {
        self.target
    }

    /// The message carried: the command that will really be done.
    #[must_use]
    pub const fn inner(&self) -> CciMessage<'a> {
        self.inner
    }

    /// Writes the request into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        let parts = [self.header.as_bytes(), self.inner.header().as_bytes(), self.inner.payload()];
        layout::encode_into(out, &parts, Self::WHAT)
    }

    /// Writes the request that carries `inner`, a whole CCI request, to `target`; returns its length.
    ///
    /// # Errors
    /// `inner` is no whole CCI request, is longer than 65 535 bytes, or `out` is too short.
    pub fn build(target: TunnelTarget, inner: &[u8], out: &mut [u8]) -> Result<usize, FormatError> {
        let limit = usize::from(u16::MAX);
        let kind = FormatErrorKind::TooLong { limit, have: inner.len() };
        let too_long = FormatError::new(Self::WHAT, "size", 2, kind);
        let size = u16::try_from(inner.len()).map_err(|_| too_long)?;
        self::inner(inner, inner.len(), Category::Request, Self::WHAT, "size", 2)?;
        let (id, target_type) = target.parts();
        let header = TunnelRequestHeader { id, target_type, size: U16::new(size) };
        layout::encode_into(out, &[header.as_bytes(), inner], Self::WHAT)
    }
}

impl<'a> TunnelResponse<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "tunnel response";
    /// Bytes before the inner message.
    pub const HEADER: usize = TunnelResponseHeader::SIZE;

    /// Borrows the payload of a 5300h response.
    ///
    /// # Errors
    /// Too short, a length that differs from the bytes, or an inner message that is no whole CCI response.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<TunnelResponseHeader>(bytes, Self::WHAT)?;
        let stated = usize::from(header.length.get());
        let inner = inner(rest, stated, Category::Response, Self::WHAT, "length", 0)?;
        Ok(Self { header, inner })
    }

    /// The message carried. Its return code, not the outer one, tells how the command went.
    #[must_use]
    pub const fn inner(&self) -> CciMessage<'a> {
        self.inner
    }

    /// Writes the response into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        let parts = [self.header.as_bytes(), self.inner.header().as_bytes(), self.inner.payload()];
        layout::encode_into(out, &parts, Self::WHAT)
    }

    /// Writes the response that carries `inner`, a whole CCI response; returns its length.
    ///
    /// # Errors
    /// `inner` is no whole CCI response, is longer than 65 535 bytes, or `out` is too short.
    pub fn build(inner: &[u8], out: &mut [u8]) -> Result<usize, FormatError> {
        let limit = usize::from(u16::MAX);
        let kind = FormatErrorKind::TooLong { limit, have: inner.len() };
        let too_long = FormatError::new(Self::WHAT, "length", 0, kind);
        let length = u16::try_from(inner.len()).map_err(|_| too_long)?;
        self::inner(inner, inner.len(), Category::Response, Self::WHAT, "length", 0)?;
        let header = TunnelResponseHeader { length: U16::new(length), reserved: U16::ZERO };
        layout::encode_into(out, &[header.as_bytes(), inner], Self::WHAT)
    }
}

/// The inner message: as long as stated, whole, and of the right category.
fn inner<'a>(
    bytes: &'a [u8],
    stated: usize,
    category: Category,
    what: &'static str,
    field: &'static str,
    offset: usize,
) -> Result<CciMessage<'a>, FormatError> {
    if stated != bytes.len() {
        let kind = FormatErrorKind::CountMismatch { stated, found: bytes.len() };
        return Err(FormatError::new(what, field, offset, kind));
    }
    if stated < CciHeader::SIZE {
        let kind = FormatErrorKind::TooShort { need: CciHeader::SIZE, have: stated };
        return Err(FormatError::new(what, field, offset, kind));
    }
    let message = CciMessage::parse(bytes)
        .map_err(|error| FormatError { what, ..error.shifted(TunnelRequest::HEADER) })?;
    if message.header().category() != category {
        let kind = FormatErrorKind::BadValue { value: u64::from(message.header().category) };
        return Err(FormatError::new(what, "inner category", TunnelRequest::HEADER, kind));
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cxl::opcode::{self, Opcode};
    use crate::cxl::return_code::ReturnCode;

    // To logical device 3: Sanitize, which has no payload.
    const SANITIZE: [u8; 16] = [3, 0, 12, 0, 0, 9, 0, 0, 0x44, 0, 0, 0, 0, 0, 0, 0];

    fn refused(bytes: &[u8]) -> (&'static str, usize, FormatErrorKind) {
        let error = TunnelRequest::parse(bytes).unwrap_err();
        assert_eq!(error.what, "tunnel request");
        (error.field, error.offset, error.kind)
    }

    #[test]
    fn a_tunnelled_sanitize_is_seen_as_sanitize() {
        let request = TunnelRequest::parse(&SANITIZE).unwrap();
        assert_eq!(request.target(), TunnelTarget::PortOrLd(3));
        assert_eq!(request.inner().opcode(), opcode::SANITIZE);
        assert_eq!(request.inner().header().tag, 9);
        assert_eq!(request.inner().payload(), &[] as &[u8]);
    }

    #[test]
    fn a_tunnel_in_a_tunnel_opens_level_by_level() {
        let mut outer_inner = [0; 28];
        let header = CciHeader::request(1, opcode::TUNNEL_MANAGEMENT_COMMAND, 16).unwrap();
        layout::encode_into(&mut outer_inner, &[header.as_bytes(), &SANITIZE], "test").unwrap();
        let mut outer = [0; 32];
        let length = TunnelRequest::build(TunnelTarget::LdPool(0), &outer_inner, &mut outer);
        assert_eq!(length, Ok(32));
        let first = TunnelRequest::parse(&outer).unwrap();
        assert_eq!(first.target(), TunnelTarget::LdPool(0));
        let second = TunnelRequest::parse(first.inner().payload()).unwrap();
        assert_eq!(second.inner().opcode(), Opcode(0x4400));
    }

    #[test]
    fn every_length_in_a_tunnel_must_agree() {
        assert_eq!(refused(&[0; 3]).2, FormatErrorKind::TooShort { need: 4, have: 3 });
        let mut bytes = SANITIZE;
        bytes[2] = 11;
        let mismatch = FormatErrorKind::CountMismatch { stated: 11, found: 12 };
        assert_eq!(refused(&bytes), ("size", 2, mismatch));
        bytes[2] = 11;
        assert_eq!(
            refused(&bytes[..15]),
            ("size", 2, FormatErrorKind::TooShort { need: 12, have: 11 })
        );
        let mut bytes = SANITIZE;
        bytes[9] = 1;
        let mismatch = FormatErrorKind::CountMismatch { stated: 1, found: 0 };
        assert_eq!(refused(&bytes), ("payload_length", 9, mismatch));
    }

    #[test]
    fn a_response_in_a_request_and_an_unknown_target_are_refused() {
        let mut bytes = SANITIZE;
        bytes[4] = 1;
        assert_eq!(refused(&bytes), ("inner category", 4, FormatErrorKind::BadValue { value: 1 }));
        let mut bytes = SANITIZE;
        bytes[1] = 2;
        assert_eq!(refused(&bytes), ("target_type", 1, FormatErrorKind::BadValue { value: 2 }));
    }

    #[test]
    fn a_response_carries_the_inner_return_code() {
        let header = CciHeader::response(9, opcode::SANITIZE, 0, ReturnCode::BUSY).unwrap();
        let mut bytes = [0; 16];
        assert_eq!(TunnelResponse::build(header.as_bytes(), &mut bytes), Ok(16));
        let response = TunnelResponse::parse(&bytes).unwrap();
        assert_eq!(response.inner().header().return_code(), ReturnCode::BUSY);
        let mut request = SANITIZE;
        request.copy_within(2..4, 0);
        let error = TunnelResponse::parse(&request).unwrap_err();
        assert_eq!(error.field, "inner category");
    }
}

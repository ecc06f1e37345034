// SPDX-License-Identifier: MIT OR Apache-2.0
//! bnxt: HWRM requests and replies as FWCTL_RPC takes them, and the buffers that some point to.
//!
//! Input is not trusted.
//!
//! *Invariants*
//! - HWRM is little endian; the info is in the host's order.
//! - A [`Payload`] that was parsed has zero in every address field, a length of 1 to 65 536 bytes for
//!   each, and exactly the bytes that the device is to read. Nothing here follows an address.
//!
//! *Not here*: the scope of a command (`fwgate_policy`); the table of DMA fields (`super::table`).
//!
//! *Spec*: `struct input`, `struct output` in `include/linux/bnxt/hsi.h @ v7.3`;
//! `include/uapi/fwctl/bnxt.h`; `drivers/fwctl/bnxt/main.c` @ v7.3. Facts of that kernel: `target_id`
//! and `cmpl_ring` go to the firmware as they came; `resp_addr` and `seq_id` are overwritten
//! (`drivers/net/ethernet/broadcom/bnxt/bnxt_hwrm.c`); a send that fails puts a negative errno into
//! `error_code` and the ioctl succeeds.

use super::table::{self, DmaDirection, DmaField, DmaLength, Family};
use crate::error::{FormatError, FormatErrorKind};
use crate::layout;
use zerocopy::little_endian::{U16, U64};
use zerocopy::native_endian::U32 as NativeU32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Most bytes of a request (`HWRM_MAX_REQ_LEN`).
pub const MAX_REQUEST: usize = 128;
/// Most bytes of a reply (`HWRM_MAX_RESP_LEN`).
pub const MAX_RESPONSE: usize = 704;
/// Most bytes at one address (`FWCTL_BNXT_MAX_DMABUF`).
pub const MAX_DMA: u32 = 0x1_0000;
/// Most bytes of one command's buffers that the device reads: two fields.
pub const MAX_DMA_FIELDS: usize = 4;
/// `target_id` of the function that sends: what the kernel's driver puts into every request of its
/// own (`BNXT_HWRM_TARGET`). Others reach virtual functions (`bnxt_sriov.c` puts their ids there) or
/// processors of the device (FFF8h to FFFDh).
pub const OWN_FUNCTION: u16 = 0xFFFF;
/// `cmpl_ring` of a request whose end is polled for. Any other number is a ring of the driver's.
pub const NO_RING: u16 = 0xFFFF;
/// VER_GET.
pub const VER_GET: u16 = 0x0000;
/// NVM_WRITE: it has a second length that the kernel's driver does not look at.
pub const NVM_WRITE: u16 = 0xFFFE;
/// Where that second length sits.
const NVM_WRITE_LEN: usize = 48;

/// What every request begins with (`struct input`).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct HwrmRequestHeader {
    /// Request type: the opcode.
    pub req_type: U16,
    /// Completion ring; see [`NO_RING`].
    pub cmpl_ring: U16,
    /// Sequence number; the driver writes its own here.
    pub seq_id: U16,
    /// Whom it is for; see [`OWN_FUNCTION`].
    pub target_id: U16,
    /// Where the reply goes; the driver writes its own address here.
    pub resp_addr: U64,
}

fixed!(HwrmRequestHeader, "hwrm request header", 16, {
    req_type @ 0, cmpl_ring @ 2, seq_id @ 4, target_id @ 6, resp_addr @ 8,
});

/// What every reply begins with (`struct output`).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct HwrmResponseHeader {
    /// Error code; 0 is success.
    pub error_code: U16,
    /// Request type that it answers.
    pub req_type: U16,
    /// Sequence number that it answers.
    pub seq_id: U16,
    /// Bytes of the reply, this header counted.
    pub resp_len: U16,
}

fixed!(HwrmResponseHeader, "hwrm response header", 8, {
    error_code @ 0, req_type @ 2, seq_id @ 4, resp_len @ 6,
});

/// `struct fwctl_info_bnxt`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct BnxtInfo {
    /// Kinds of commands that the driver takes: bit 0 inline, 1 query, 2 send, 3 DMA.
    pub uctx_caps: NativeU32,
}

fixed!(BnxtInfo, "bnxt fwctl info", 4, { uctx_caps @ 0 });

/// A request, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HwrmRequest<'a> {
    header: &'a HwrmRequestHeader,
    body: &'a [u8],
}

impl<'a> HwrmRequest<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "hwrm request";

    /// Borrows a request buffer.
    ///
    /// # Errors
    /// Fewer than 16 bytes, or more than 128.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        if bytes.len() > MAX_REQUEST {
            let kind = FormatErrorKind::TooLong { limit: MAX_REQUEST, have: bytes.len() };
            return Err(FormatError::new(Self::WHAT, "bytes", 0, kind));
        }
        let (header, body) = layout::prefix::<HwrmRequestHeader>(bytes, Self::WHAT)?;
        Ok(Self { header, body })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a HwrmRequestHeader {
        self.header
    }

    /// What follows the header.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Writes a request into `out`; returns its length. The driver fills in what is left zero.
    ///
    /// # Errors
    /// The request would be longer than 128 bytes, or than `out`.
    pub fn build(
        req_type: u16,
        target_id: u16,
        body: &[u8],
        out: &mut [u8],
    ) -> Result<usize, FormatError> {
        let header = HwrmRequestHeader {
            req_type: U16::new(req_type),
            cmpl_ring: U16::new(NO_RING),
            seq_id: U16::ZERO,
            target_id: U16::new(target_id),
            resp_addr: U64::ZERO,
        };
        let room = MAX_REQUEST.saturating_sub(HwrmRequestHeader::SIZE);
        if body.len() > room {
            let kind = FormatErrorKind::TooLong { limit: room, have: body.len() };
            return Err(FormatError::new(Self::WHAT, "body", HwrmRequestHeader::SIZE, kind));
        }
        layout::encode_into(out, &[header.as_bytes(), body], Self::WHAT)
    }
}

/// A reply, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HwrmResponse<'a> {
    header: &'a HwrmResponseHeader,
    body: &'a [u8],
    trailing: &'a [u8],
}

impl<'a> HwrmResponse<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "hwrm response";

    /// Borrows a reply buffer. A `resp_len` of 0 is what the kernel leaves where the firmware never
    /// saw the request: there is no body then.
    ///
    /// # Errors
    /// Fewer than 8 bytes, or a `resp_len` of 1 to 7 or beyond the bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<HwrmResponseHeader>(bytes, Self::WHAT)?;
        let stated = usize::from(header.resp_len.get());
        let body = match stated.checked_sub(HwrmResponseHeader::SIZE) {
            None if stated == 0 => Some(0),
            body => body,
        };
        let (body, trailing) = body.and_then(|body| rest.split_at_checked(body)).ok_or({
            let kind = FormatErrorKind::CountMismatch { stated, found: bytes.len() };
            FormatError::new(Self::WHAT, "resp_len", 6, kind)
        })?;
        Ok(Self { header, body, trailing })
    }

    /// The error code; 0 is success.
    #[must_use]
    pub const fn error_code(&self) -> u16 {
        self.header.error_code.get()
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a HwrmResponseHeader {
        self.header
    }

    /// What follows the header.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Bytes after the reply.
    #[must_use]
    pub const fn trailing(&self) -> &'a [u8] {
        self.trailing
    }

    /// The errno, positive, that the kernel put in the place of an error code because the firmware
    /// never saw the request, or never answered; `None` where the firmware answered.
    #[must_use]
    pub const fn kernel_errno(&self) -> Option<i32> {
        let code = self.error_code().cast_signed();
        if self.header.resp_len.get() == 0 && code < 0 && code >= -4095 {
            Some(code.unsigned_abs() as i32)
        } else {
            None
        }
    }
}

/// What the gate reads of VER_GET's reply: the firmware's revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub [u16; 4]);

impl Version {
    /// Its name in errors.
    pub const WHAT: &'static str = "hwrm version reply";
    /// Where the wide numbers end.
    const WIDE: usize = 144;

    /// Reads the whole reply of VER_GET. Newer firmware (interface after 1.8.3) states its revision in
    /// 16-bit numbers as well, and those count, as in `bnxt_hwrm_ver_get`
    /// (`drivers/net/ethernet/broadcom/bnxt/bnxt.c @ v7.3`).
    ///
    /// # Errors
    /// The reply ends before the revision.
    pub fn parse(reply: &[u8]) -> Result<Self, FormatError> {
        let Some(&[maj, min, upd, _, a, b, c, d]) = reply.get(8..16) else {
            let kind = FormatErrorKind::TooShort { need: 16, have: reply.len() };
            return Err(FormatError::new(Self::WHAT, "bytes", 0, kind));
        };
        let narrow = [a, b, c, d].map(u16::from);
        let wide = reply.get(136..Self::WIDE).filter(|_| (maj, min, upd) > (1, 8, 3));
        Ok(Self(match wide {
            Some(&[a, b, c, d, e, f, g, h]) if (a, b) != (0, 0) => {
                [[a, b], [c, d], [e, f], [g, h]].map(u16::from_le_bytes)
            }
            _ => narrow,
        }))
    }
}

/// What the gate takes for one command: the request after its header, and after that the bytes that
/// the device is to read, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    fields: &'static [DmaField],
    lengths: [u32; MAX_DMA_FIELDS],
    body: &'a [u8],
    data: &'a [u8],
}

/// One buffer of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer<'a> {
    /// Where its address goes, and which way its bytes.
    pub field: DmaField,
    /// Its bytes.
    pub length: u32,
    /// What the device is to read; empty where it writes.
    pub data: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Its name in errors. Offsets count from the first byte of the request, header and all.
    pub const WHAT: &'static str = "bnxt payload";

    /// Takes a payload apart, as the kernel's driver would with the addresses filled in.
    ///
    /// # Errors
    /// `request`: too long, or for a DMA command not exactly its size. `address`: not zero. `length`:
    /// 0 or more than 64 KiB, or NVM_WRITE's second length larger than its first. `data`: not exactly
    /// the bytes that the lengths say.
    pub fn parse(req_type: u16, payload: &'a [u8]) -> Result<Self, FormatError> {
        let row = table::by_opcode(Family::Bnxt, req_type);
        let fields = row.map(|row| row.dma).unwrap_or_default();
        let header = HwrmRequestHeader::SIZE;
        let Some(request) = row.filter(|row| !row.dma.is_empty()).and_then(|row| row.request)
        else {
            let room = MAX_REQUEST.saturating_sub(header);
            if payload.len() > room {
                let kind = FormatErrorKind::TooLong { limit: room, have: payload.len() };
                return Err(FormatError::new(Self::WHAT, "request", header, kind));
            }
            return Ok(Self { fields: &[], lengths: [0; 4], body: payload, data: &[] });
        };
        let size = usize::from(request).saturating_sub(header);
        let Some((body, data)) = payload.split_at_checked(size) else {
            let kind = FormatErrorKind::TooShort { need: size, have: payload.len() };
            return Err(FormatError::new(Self::WHAT, "request", header, kind));
        };
        let mut lengths = [0; MAX_DMA_FIELDS];
        let mut wanted = 0usize;
        for (field, slot) in fields.iter().zip(&mut lengths) {
            let address = read(body, field.address, 8);
            if address != Some(0) {
                let kind = FormatErrorKind::BadValue { value: address.unwrap_or(u64::MAX) };
                let at = usize::from(field.address);
                return Err(FormatError::new(Self::WHAT, "address", at, kind));
            }
            *slot = length(body, field)?;
            if field.direction == DmaDirection::ToDevice {
                wanted = wanted.saturating_add(usize::try_from(*slot).unwrap_or(usize::MAX));
            }
        }
        if req_type == NVM_WRITE {
            second_length(body, lengths.first().copied().unwrap_or(0))?;
        }
        if data.len() != wanted {
            let kind = FormatErrorKind::CountMismatch { stated: wanted, found: data.len() };
            return Err(FormatError::new(Self::WHAT, "data", usize::from(request), kind));
        }
        Ok(Self { fields, lengths, body, data })
    }

    /// The request after its header. Its address fields are zero.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The command's buffers, in the driver's order.
    pub fn buffers(&self) -> impl Iterator<Item = Buffer<'a>> + use<'a> {
        let mut rest = self.data;
        self.fields.iter().zip(self.lengths).map(move |(field, length)| {
            let mut data: &'a [u8] = &[];
            if field.direction == DmaDirection::ToDevice {
                let split = usize::try_from(length).unwrap_or(usize::MAX);
                // `parse` has counted them.
                (data, rest) = rest.split_at_checked(split).unwrap_or((rest, &[]));
            }
            Buffer { field: *field, length, data }
        })
    }

    /// Bytes that the device writes to buffers.
    #[must_use]
    pub fn reply_data(&self) -> usize {
        self.buffers()
            .filter(|buffer| buffer.field.direction == DmaDirection::FromDevice)
            .fold(0, |sum, buffer| {
                sum.saturating_add(usize::try_from(buffer.length).unwrap_or(usize::MAX))
            })
    }
}

/// A little-endian number of the request, `offset` counted from its header's first byte.
fn read(body: &[u8], offset: u16, width: usize) -> Option<u64> {
    let at = usize::from(offset).checked_sub(HwrmRequestHeader::SIZE)?;
    let bytes = body.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn length(body: &[u8], field: &DmaField) -> Result<u32, FormatError> {
    let (bytes, at) = match field.length {
        DmaLength::Fixed(bytes) => (u64::from(bytes), field.address),
        DmaLength::Field { offset, width, unit } => {
            let units = read(body, offset, usize::from(width)).unwrap_or(0);
            (units.saturating_mul(u64::from(unit)), offset)
        }
    };
    match u32::try_from(bytes) {
        Ok(bytes @ 1..=MAX_DMA) => Ok(bytes),
        _ => {
            let kind = FormatErrorKind::BadValue { value: bytes };
            Err(FormatError::new(Payload::WHAT, "length", usize::from(at), kind))
        }
    }
}

/// NVM_WRITE's `len` must not reach beyond the buffer, which the driver makes `dir_data_length` long.
fn second_length(body: &[u8], buffer: u32) -> Result<(), FormatError> {
    let at = u16::try_from(NVM_WRITE_LEN).unwrap_or(u16::MAX);
    match read(body, at, 4) {
        Some(len) if len <= u64::from(buffer) => Ok(()),
        len => {
            let kind = FormatErrorKind::BadValue { value: len.unwrap_or(u64::MAX) };
            Err(FormatError::new(Payload::WHAT, "length", NVM_WRITE_LEN, kind))
        }
    }
}

/// The name of an error code; `None` for one that the headers do not name.
///
/// Spec: `HWRM_ERR_CODE_..` in `include/linux/bnxt/hsi.h @ v7.3`.
#[must_use]
pub const fn error_name(code: u16) -> Option<&'static str> {
    Some(match code {
        0x0000 => "success",
        0x0001 => "fail",
        0x0002 => "invalid parameters",
        0x0003 => "resource access denied",
        0x0004 => "resource allocation error",
        0x0005 => "invalid flags",
        0x0006 => "invalid enables",
        0x0007 => "unsupported TLV",
        0x0008 => "no buffer",
        0x0009 => "unsupported option",
        0x000A => "hot reset in progress",
        0x000B => "hot reset failed",
        0x000C => "no flow counter during allocation",
        0x000D => "key hash collision",
        0x000E => "key already exists",
        0x000F => "HWRM error",
        0x0010 => "busy",
        0x0011 => "resource locked",
        0x0012 => "physical function unavailable",
        0x0013 => "entity not present",
        0x0014 => "secure SoC error",
        0x8000 => "TLV encapsulated response",
        0xFFFE => "unknown error",
        0xFFFF => "command not supported",
        _ => return None,
    })
}

#[cfg(test)]
#[path = "bnxt/tests.rs"]
mod tests;

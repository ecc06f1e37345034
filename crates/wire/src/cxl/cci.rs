// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CCI message: the form a CXL command has outside a mailbox, over MCTP and inside tunnels.
//!
//! Input is not trusted.
//!
//! *Invariants*: a message that parsed has exactly as many payload bytes as its header states, and none
//! of the reserved length bits set, so two readers cannot disagree about where it ends.
//!
//! *Not here*: tunnels (`tunnel`), MCTP framing.
//!
//! *Spec*: CXL r3.1 Figure 7-19 as cited by computexpresslink/libcxlmi `src/cxlmi/api-types.h`; QEMU
//! `hw/cxl/cxl-mailbox-utils.c`. Refusing the reserved length bits is this crate's own rule.

use super::opcode::Opcode;
use super::return_code::ReturnCode;
use crate::error::{FormatError, FormatErrorKind};
use crate::layout;
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Whether a CCI message asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// 0: request.
    Request,
    /// 1: response.
    Response,
    /// 2 to 15: reserved.
    Reserved(u8),
}

/// The header of a CCI message.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CciHeader {
    /// Bits 3:0: category.
    pub category: u8,
    /// Tag, echoed in the response.
    pub tag: u8,
    /// Reserved.
    pub reserved: u8,
    /// Low byte of the opcode.
    pub command: u8,
    /// High byte of the opcode.
    pub command_set: u8,
    /// Payload length in 20 bits, little endian; bit 23: a background operation was started.
    pub payload_length: [u8; 3],
    /// Return code; responses only.
    pub return_code: U16,
    /// The vendor's extended status; responses only. libcxlmi fills it in requests as well.
    pub vendor_status: U16,
}

fixed!(CciHeader, "cci message header", 12, {
    category @ 0, tag @ 1, reserved @ 2, command @ 3, command_set @ 4, payload_length @ 5,
    return_code @ 8, vendor_status @ 10,
});

impl CciHeader {
    /// Largest payload 20 bits can state.
    pub const MAX_PAYLOAD: usize = 0xf_ffff;

    /// Builds the header of a request.
    ///
    /// # Errors
    /// `payload_length` does not fit in 20 bits.
    pub fn request(tag: u8, opcode: Opcode, payload_length: usize) -> Result<Self, FormatError> {
        Self::new(0, tag, opcode, payload_length)
    }

    /// Builds the header of a response to a request with this tag and opcode.
    ///
    /// # Errors
    /// `payload_length` does not fit in 20 bits.
    pub fn response(
        tag: u8,
        opcode: Opcode,
        payload_length: usize,
        return_code: ReturnCode,
    ) -> Result<Self, FormatError> {
        let mut header = Self::new(1, tag, opcode, payload_length)?;
        header.return_code = U16::new(return_code.0);
        Ok(header)
    }

    fn new(
        category: u8,
        tag: u8,
        opcode: Opcode,
        payload_length: usize,
    ) -> Result<Self, FormatError> {
        let kind = FormatErrorKind::TooLong { limit: Self::MAX_PAYLOAD, have: payload_length };
        let length = u32::try_from(payload_length)
            .ok()
            .filter(|_| payload_length <= Self::MAX_PAYLOAD)
            .ok_or(FormatError::new(Self::WHAT, "payload_length", 5, kind))?;
        let [low, middle, high, _] = length.to_le_bytes();
        Ok(Self {
            category,
            tag,
            reserved: 0,
            command: opcode.command(),
            command_set: opcode.set(),
            payload_length: [low, middle, high],
            return_code: U16::ZERO,
            vendor_status: U16::ZERO,
        })
    }

    /// The category in bits 3:0 of byte 0.
    #[must_use]
    pub const fn category(&self) -> Category {
        match self.category & 0xf {
            0 => Category::Request,
            1 => Category::Response,
            other => Category::Reserved(other),
        }
    }

    /// The command.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        Opcode(u16::from_le_bytes([self.command, self.command_set]))
    }

    /// Payload length in bytes, as stated.
    #[must_use]
    pub const fn payload_length(&self) -> usize {
        let [low, middle, high] = self.payload_length;
        u32::from_le_bytes([low, middle, high & 0xf, 0]) as usize
    }

    /// Bits 22:20 of the length field, which are reserved.
    #[must_use]
    pub const fn reserved_length_bits(&self) -> u8 {
        let [_, _, high] = self.payload_length;
        (high >> 4) & 7
    }

    /// Bit 23 of the length field: a background operation was started.
    #[must_use]
    pub const fn background_operation(&self) -> bool {
        let [_, _, high] = self.payload_length;
        high & 0x80 != 0
    }

    /// Return code; of no meaning in a request.
    #[must_use]
    pub const fn return_code(&self) -> ReturnCode {
        ReturnCode(self.return_code.get())
    }
}

/// A whole CCI message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CciMessage<'a> {
    header: &'a CciHeader,
    payload: &'a [u8],
}

impl<'a> CciMessage<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "cci message";

    /// Borrows `bytes`, which must be exactly one message.
    ///
    /// # Errors
    /// Shorter than the header, a stated length that differs from the payload, or reserved length bits.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, payload) = layout::prefix::<CciHeader>(bytes, Self::WHAT)?;
        if header.reserved_length_bits() != 0 {
            let kind =
                FormatErrorKind::BadValue { value: u64::from(header.reserved_length_bits()) };
            return Err(FormatError::new(Self::WHAT, "payload_length[22:20]", 7, kind));
        }
        if header.payload_length() != payload.len() {
            let kind = FormatErrorKind::CountMismatch {
                stated: header.payload_length(),
                found: payload.len(),
            };
            return Err(FormatError::new(Self::WHAT, "payload_length", 5, kind));
        }
        Ok(Self { header, payload })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a CciHeader {
        self.header
    }

    /// The command.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.header.opcode()
    }

    /// The bytes after the header.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Writes the message into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        layout::encode_into(out, &[self.header.as_bytes(), self.payload], Self::WHAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_states_opcode_and_length_in_its_own_byte_order() {
        let header = CciHeader::request(7, Opcode(0x5300), 0xf_1234).unwrap();
        assert_eq!(header.as_bytes(), [0, 7, 0, 0x00, 0x53, 0x34, 0x12, 0x0f, 0, 0, 0, 0]);
        assert_eq!(header.opcode(), Opcode(0x5300));
        assert_eq!(header.payload_length(), 0xf_1234);
        assert!(!header.background_operation());
        let too_long = CciHeader::request(0, Opcode(0), 0x10_0000).unwrap_err();
        assert_eq!(too_long.kind, FormatErrorKind::TooLong { limit: 0xf_ffff, have: 0x10_0000 });
    }

    #[test]
    fn the_three_parts_of_the_length_field_are_told_apart() {
        let mut header = CciHeader::request(0, Opcode(0), 0).unwrap();
        for (high, length, reserved, background) in
            [(0x0f, 0xf_0000, 0, false), (0x70, 0, 7, false), (0x80, 0, 0, true)]
        {
            header.payload_length = [0, 0, high];
            assert_eq!(header.payload_length(), length);
            assert_eq!(header.reserved_length_bits(), reserved);
            assert_eq!(header.background_operation(), background);
        }
    }

    #[test]
    fn a_category_is_four_bits() {
        let mut header = CciHeader::response(0, Opcode(0), 0, ReturnCode::BUSY).unwrap();
        assert_eq!(header.category(), Category::Response);
        assert_eq!(header.return_code(), ReturnCode::BUSY);
        header.category = 0xf0;
        assert_eq!(header.category(), Category::Request);
        header.category = 0x02;
        assert_eq!(header.category(), Category::Reserved(2));
    }

    #[test]
    fn a_message_must_end_where_its_header_says() {
        let bytes = [0, 0, 0, 1, 4, 2, 0, 0, 0, 0, 0, 0, 0xaa, 0xbb];
        let message = CciMessage::parse(&bytes).unwrap();
        assert_eq!((message.opcode(), message.payload()), (Opcode(0x0401), &[0xaa, 0xbb][..]));
        let error = CciMessage::parse(&bytes[..13]).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::CountMismatch { stated: 2, found: 1 });
        let error = CciMessage::parse(&bytes[..11]).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::TooShort { need: 12, have: 11 });
        let mut reserved = bytes;
        reserved[7] = 0x10;
        let error = CciMessage::parse(&reserved).unwrap_err();
        assert_eq!((error.offset, error.kind), (7, FormatErrorKind::BadValue { value: 1 }));
    }
}

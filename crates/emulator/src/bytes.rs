// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a command's input and writing its reply, little endian, with no panic.
//!
//! Input is not trusted: a field that is not there is the return code Invalid Payload Length.
//!
//! *Invariants*: a failed read consumes nothing.
//!
//! *Not here*: which fields a command has (`commands`).
//!
//! *Spec*: none.

use fwgate_wire::cxl::ReturnCode;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

/// Takes fields off the front of an input payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ReturnCode> {
        let (head, tail) =
            self.rest.split_at_checked(count).ok_or(ReturnCode::INVALID_PAYLOAD_LENGTH)?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReturnCode> {
        let (head, tail) =
            self.rest.split_first_chunk::<N>().ok_or(ReturnCode::INVALID_PAYLOAD_LENGTH)?;
        self.rest = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ReturnCode> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ReturnCode> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ReturnCode> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ReturnCode> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Appends little-endian fields to a reply.
pub(crate) trait Put {
    fn put(&mut self, bytes: &[u8]);

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    fn put_zeros(&mut self, count: usize) {
        for _ in 0..count {
            self.put(&[0]);
        }
    }

    /// `text` in a field of `width` bytes: cut, or filled with zeros.
    fn put_text(&mut self, text: &str, width: usize) {
        let kept = text.len().min(width);
        self.put(text.as_bytes().get(..kept).unwrap_or_default());
        self.put_zeros(width - kept);
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// The low 32 bits of `value`; all ones when it does not fit.
pub(crate) fn low32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A count as a 16-bit field; all ones when it does not fit.
pub(crate) fn count16(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// `bytes[from..from + count]`, if all of it is there.
pub(crate) fn range(bytes: &[u8], from: usize, count: usize) -> Option<&[u8]> {
    bytes.get(from..from.checked_add(count)?)
}

/// As [`range`], to be written.
pub(crate) fn range_mut(bytes: &mut [u8], from: usize, count: usize) -> Option<&mut [u8]> {
    bytes.get_mut(from..from.checked_add(count)?)
}

/// Bytes that a state file holds as lower-case hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit =
            |nibble: u8| char::from(DIGITS.get(usize::from(nibble & 0xf)).copied().unwrap_or(b'0'));
        let mut text = String::with_capacity(self.0.len() * 2);
        for byte in &self.0 {
            text.push(digit(byte >> 4));
            text.push(digit(*byte));
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.as_bytes();
        if digits.len() % 2 != 0 {
            return Err(D::Error::custom("hexadecimal text has an odd number of digits"));
        }
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = Vec::with_capacity(digits.len() / 2);
        for pair in digits.chunks_exact(2) {
            let &[high, low] = pair else { continue };
            match (nibble(high), nibble(low)) {
                (Some(high), Some(low)) => bytes.push(high << 4 | low),
                _ => return Err(D::Error::custom("not a lower-case hexadecimal digit")),
            }
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_is_a_length_error_and_consumes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0201));
        assert_eq!(reader.u16(), Err(ReturnCode::INVALID_PAYLOAD_LENGTH));
        assert_eq!(reader.rest(), [3]);
        assert_eq!(reader.take(2), Err(ReturnCode::INVALID_PAYLOAD_LENGTH));
        assert_eq!(reader.u8(), Ok(3));
    }

    #[test]
    fn hex_goes_both_ways_and_refuses_other_text() {
        let hex = Hex(vec![0x00, 0xa5, 0xff]);
        let text = serde_json::to_string(&hex).unwrap();
        assert_eq!(text, "\"00a5ff\"");
        assert_eq!(serde_json::from_str::<Hex>(&text).unwrap(), hex);
        for bad in ["\"0\"", "\"0g\"", "\"A0\"", "7"] {
            assert!(serde_json::from_str::<Hex>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_fields_are_cut_and_filled() {
        let mut out = Vec::new();
        out.put_text("abc", 2);
        out.put_text("d", 3);
        assert_eq!(out, b"abd\0\0");
    }
}

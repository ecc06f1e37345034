// SPDX-License-Identifier: MIT OR Apache-2.0
//! Firmware packages that the emulated devices accept.
//!
//! A package has a head of 32 bytes, little endian, and a body:
//!
//! | offset | field |
//! |---|---|
//! | 0 | magic `FWGTIMG1` |
//! | 8 | revision, 16 bytes of printable text, filled with zeros |
//! | 24 | u32: bytes of the body |
//! | 28 | u32: sum of all bytes of the body |
//! | 32 | body |
//!
//! What follows the body up to the next multiple of 128 is zero: Transfer FW counts offsets in 128 bytes.
//!
//! *Not here*: the transfer (`commands::firmware`).
//!
//! *Spec*: none; the format is this crate's own.

use crate::bytes::{Put as _, Reader};

/// The first bytes of a package.
pub(crate) const MAGIC: &[u8; 8] = b"FWGTIMG1";
/// Bytes of the head.
pub(crate) const HEAD: usize = 32;
/// Bytes that one unit of Transfer FW's offset stands for.
pub const UNIT: usize = 128;

/// A package of that revision with `body` in it, filled up to whole units of [`UNIT`] bytes.
///
/// Of the revision, the first 16 bytes are kept.
///
/// ```
/// let image = fwgate_emulator::firmware::package("FWGT 2.0", &[7; 200]);
/// assert_eq!(image.len(), 256);
/// assert_eq!(&image[..8], b"FWGTIMG1");
/// ```
#[must_use]
pub fn package(revision: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + body.len() + UNIT);
    out.put(MAGIC);
    out.put_text(revision, 16);
    out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_u32(sum(0, body));
    out.put(body);
    out.resize(out.len().next_multiple_of(UNIT), 0);
    out
}

/// The running sum over a body.
pub(crate) fn sum(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |sum, byte| sum.wrapping_add(u32::from(*byte)))
}

/// The revision of a package, if its head fits what came.
pub(crate) fn verify(head: &[u8], total: u64, body_sum: u32) -> Option<String> {
    let mut reader = Reader::new(head);
    let magic: [u8; 8] = reader.array().ok()?;
    let revision: [u8; 16] = reader.array().ok()?;
    let (length, sum) = (reader.u32().ok()?, reader.u32().ok()?);
    let text = revision.split(|byte| *byte == 0).next().unwrap_or_default();
    let printable = !text.is_empty() && text.iter().all(|byte| matches!(byte, 0x20..=0x7e));
    let whole = u64::from(length).saturating_add(32) <= total;
    if magic != *MAGIC || !printable || !whole || sum != body_sum {
        return None;
    }
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_verifies_and_a_changed_one_does_not() {
        let image = package("FWGT 2.0", &[1, 2, 3]);
        let total = image.len() as u64;
        let verify = |image: &[u8]| verify(&image[..HEAD], total, sum(0, &image[HEAD..]));
        assert_eq!(verify(&image).as_deref(), Some("FWGT 2.0"));
        for at in [0, 24 + 3, 28, 32] {
            let mut bad = image.clone();
            bad[at] ^= 1;
            assert_eq!(verify(&bad), None, "byte {at}");
        }
        let mut unprintable = image;
        unprintable[8] = 7;
        assert_eq!(verify(&unprintable), None);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! One logical request in many parts: opened, judged, recorded and closed as one.
//!
//! The caller gives the whole: a Set Feature or Transfer FW payload, header first, marked as a full
//! transfer. It is judged whole. Where it does not fit the mailbox, a device makes its parts here,
//! while it holds the slot: nobody else's command comes between, and no caller can add a part.
//!
//! *Not here*: the layouts (`fwgate_wire::cxl::{features, firmware, lsa}`).
//!
//! *Spec*: CXL r3.2 8.2.10.6.3 "Set Feature"; Transfer FW offsets are in units of 128 bytes.

use core::fmt;

use zeroize::Zeroizing;

/// CXL Transfer FW.
const TRANSFER_FW: u16 = 0x0201;
/// CXL Set Feature.
const SET_FEATURE: u16 = 0x0502;
/// CXL Set LSA.
const SET_LSA: u16 = 0x4103;
/// Transfer FW: action, slot, reserved, offset, reserved.
const FW_HEADER: usize = 128;
/// Transfer FW offsets count in these.
const FW_UNIT: usize = 128;
/// Set Feature: UUID, flags, offset, version, reserved.
const FEATURE_HEADER: usize = 32;
/// Set LSA: offset, reserved.
const LSA_HEADER: usize = 8;

/// Why a request cannot be sent in parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferError {
    /// It is longer than the mailbox and its command has no parts.
    TooLong {
        /// Payload length.
        length: usize,
        /// The mailbox's payload size.
        mailbox: usize,
    },
    /// The mailbox has no room for the header and any data.
    MailboxTooSmall {
        /// The mailbox's payload size.
        mailbox: usize,
    },
    /// Its header says that it is a part, or no transfer of data, and it does not fit the mailbox.
    NotWhole,
    /// An offset does not fit its field.
    OffsetTooLarge {
        /// The offset, in bytes.
        offset: usize,
    },
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, mailbox } => write!(
                f,
                "payload of {length} bytes does not fit the mailbox of {mailbox} and the command \
                 has no parts"
            ),
            Self::MailboxTooSmall { mailbox } => {
                write!(f, "mailbox of {mailbox} bytes has no room for a part")
            }
            Self::NotWhole => {
                write!(f, "only a whole transfer is sent in parts, and its header says otherwise")
            }
            Self::OffsetTooLarge { offset } => {
                write!(f, "offset {offset} does not fit the transfer's header")
            }
        }
    }
}

impl core::error::Error for TransferError {}

/// One part, wiped when it is dropped.
pub type Part = Zeroizing<Vec<u8>>;

/// The parts of a CXL request for a mailbox of this payload size, in order. A request that fits is
/// its own only part, byte for byte.
///
/// # Errors
///
/// [`TransferError`] where it does not fit and cannot be divided. Nothing was sent then.
pub fn parts(opcode: u16, whole: &[u8], mailbox: usize) -> Result<Vec<Part>, TransferError> {
    if whole.len() <= mailbox {
        return Ok(vec![Zeroizing::new(whole.to_vec())]);
    }
    let header_len = match opcode {
        TRANSFER_FW => FW_HEADER,
        SET_FEATURE => FEATURE_HEADER,
        SET_LSA => LSA_HEADER,
        _ => return Err(TransferError::TooLong { length: whole.len(), mailbox }),
    };
    let (Some((header, data)), Some(room)) =
        (whole.split_at_checked(header_len), mailbox.checked_sub(header_len))
    else {
        return Err(TransferError::MailboxTooSmall { mailbox });
    };
    // What the parts say in its place is what the whole says: a full transfer.
    let kind = match opcode {
        TRANSFER_FW => header.first().copied(),
        SET_FEATURE => header.get(16).map(|flags| flags & 0x07),
        _ => Some(0),
    };
    if kind != Some(0) {
        return Err(TransferError::NotWhole);
    }
    let room = if opcode == TRANSFER_FW { room & !FW_UNIT.wrapping_sub(1) } else { room };
    if room == 0 {
        return Err(TransferError::MailboxTooSmall { mailbox });
    }
    let last = data.len().div_ceil(room).saturating_sub(1);
    let mut parts = Vec::new();
    for (number, piece) in data.chunks(room).enumerate() {
        let offset = number.saturating_mul(room);
        let place = Place { first: number == 0, last: number == last, offset };
        // Made long enough at once: no copy is left behind by growing.
        let mut part = Zeroizing::new(Vec::with_capacity(header_len.saturating_add(piece.len())));
        part.extend_from_slice(header);
        match opcode {
            TRANSFER_FW => firmware_header(&mut part, place)?,
            SET_FEATURE => feature_header(&mut part, place)?,
            _ => lsa_header(&mut part, place)?,
        }
        part.extend_from_slice(piece);
        parts.push(part);
    }
    Ok(parts)
}

#[derive(Clone, Copy)]
struct Place {
    first: bool,
    last: bool,
    offset: usize,
}

/// Action at byte 0: 1 initiate, 2 continue, 3 end. Offset at byte 4, in units of 128 bytes, added
/// to the caller's own.
fn firmware_header(part: &mut [u8], place: Place) -> Result<(), TransferError> {
    let too_large = TransferError::OffsetTooLarge { offset: place.offset };
    let base = match part.get(4..8) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    };
    let units = u32::try_from(place.offset.div_euclid(FW_UNIT)).map_err(|_| too_large)?;
    let units = base.checked_add(units).ok_or(too_large)?;
    let action = if place.first {
        1
    } else if place.last {
        3
    } else {
        2
    };
    set(part, 0, &[action]);
    set(part, 4, &units.to_le_bytes());
    Ok(())
}

/// Transfer type in bits 2:0 of the flags at byte 16: 1 initiate, 2 continue, 3 finish. Offset, in
/// bytes, at byte 20, added to the caller's own.
fn feature_header(part: &mut [u8], place: Place) -> Result<(), TransferError> {
    let too_large = TransferError::OffsetTooLarge { offset: place.offset };
    let base = match part.get(20..22) {
        Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
        _ => 0,
    };
    let offset = base.checked_add(place.offset).ok_or(too_large)?;
    let offset = u16::try_from(offset).map_err(|_| too_large)?;
    let kind = if place.first {
        1
    } else if place.last {
        3
    } else {
        2
    };
    let flags = part.get(16).copied().unwrap_or(0) & !0x07 | kind;
    set(part, 16, &[flags]);
    set(part, 20, &offset.to_le_bytes());
    Ok(())
}

/// Offset at byte 0, added to the caller's own.
fn lsa_header(part: &mut [u8], place: Place) -> Result<(), TransferError> {
    let too_large = TransferError::OffsetTooLarge { offset: place.offset };
    let base = match part.get(0..4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    };
    let more = u32::try_from(place.offset).map_err(|_| too_large)?;
    let offset = base.checked_add(more).ok_or(too_large)?;
    set(part, 0, &offset.to_le_bytes());
    Ok(())
}

fn set(part: &mut [u8], at: usize, bytes: &[u8]) {
    let end = at.saturating_add(bytes.len());
    if let Some(field) = part.get_mut(at..end) {
        field.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_sent_as_it_came() {
        assert_eq!(parts(0xC001, &[1, 2, 3], 256).unwrap(), [Zeroizing::new(vec![1, 2, 3])]);
    }

    #[test]
    fn a_command_without_parts_is_refused_when_it_is_too_long() {
        let error = parts(0xC001, &[0; 300], 256).unwrap_err();
        assert_eq!(error, TransferError::TooLong { length: 300, mailbox: 256 });
    }

    #[test]
    fn the_parts_of_a_feature_carry_all_its_data_in_order() {
        let mut whole = vec![0xAA; 16];
        whole.extend_from_slice(&[0x08, 0, 0, 0, 5, 0, 1]);
        whole.resize(FEATURE_HEADER, 0);
        whole.extend((0..500u16).map(|n| n.to_le_bytes()[0]));
        let parts = parts(SET_FEATURE, &whole, 256).unwrap();
        let data: Vec<u8> = parts.iter().flat_map(|part| part[FEATURE_HEADER..].to_vec()).collect();
        assert_eq!(data, whole[FEATURE_HEADER..]);
        assert_eq!(parts.iter().map(|part| part[16]).collect::<Vec<_>>(), [0x09, 0x0A, 0x0B]);
        let offsets: Vec<u16> =
            parts.iter().map(|part| u16::from_le_bytes([part[20], part[21]])).collect();
        assert_eq!(offsets, [5, 5 + 224, 5 + 448]);
        assert!(parts.iter().all(|part| part.len() <= 256));
    }

    #[test]
    fn the_parts_of_a_firmware_image_are_whole_units_but_the_last() {
        let whole = vec![0u8; FW_HEADER + 1000];
        let parts = parts(TRANSFER_FW, &whole, 512).unwrap();
        assert_eq!(parts.iter().map(|part| part[0]).collect::<Vec<_>>(), [1, 2, 3]);
        let units: Vec<u8> = parts.iter().map(|part| part[4]).collect();
        assert_eq!(units, [0, 3, 6]);
        assert_eq!(parts.iter().map(|part| part.len() - FW_HEADER).sum::<usize>(), 1000);
    }

    #[test]
    fn what_says_that_it_is_no_whole_transfer_is_not_made_into_one() {
        // Judged as an abort, it must not go out as an image.
        let mut abort = vec![0u8; FW_HEADER + 1000];
        abort[0] = 4;
        assert_eq!(parts(TRANSFER_FW, &abort, 512), Err(TransferError::NotWhole));
        let mut part = vec![0u8; FEATURE_HEADER + 1000];
        part[16] = 0x0A;
        assert_eq!(parts(SET_FEATURE, &part, 512), Err(TransferError::NotWhole));
        let whole = Zeroizing::new(abort[..128].to_vec());
        assert_eq!(parts(TRANSFER_FW, &abort[..128], 512).unwrap(), [whole]);
    }

    #[test]
    fn a_firmware_offset_of_the_callers_own_is_kept() {
        let mut whole = vec![0u8; FW_HEADER + 1000];
        whole[4] = 7;
        let units: Vec<u8> =
            parts(TRANSFER_FW, &whole, 512).unwrap().iter().map(|part| part[4]).collect();
        assert_eq!(units, [7, 10, 13]);
        whole[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = parts(TRANSFER_FW, &whole, 512).unwrap_err();
        assert!(matches!(error, TransferError::OffsetTooLarge { .. }), "{error}");
    }

    #[test]
    fn an_offset_that_does_not_fit_is_refused_and_not_wrapped() {
        let whole = vec![0u8; FEATURE_HEADER + 70_000];
        let error = parts(SET_FEATURE, &whole, 2048).unwrap_err();
        assert!(matches!(error, TransferError::OffsetTooLarge { .. }));
    }
}

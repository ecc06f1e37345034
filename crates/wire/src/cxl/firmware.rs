// SPDX-License-Identifier: MIT OR Apache-2.0
//! Firmware commands: Get FW Info (0200h), Transfer FW (0201h), Activate FW (0202h).
//!
//! Input is not trusted.
//!
//! *Invariants*: reserved fields and unknown actions are kept as they came; the accessors name what is known.
//!
//! *Not here*: the order of a transfer and what may be sent (`fwgate-policy`).
//!
//! *Spec*: CXL r3.1 8.2.9.3.1 to 8.2.9.3.3 as cited by computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`; `drivers/cxl/cxlmem.h` @ v7.3.

use crate::layout;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The Get FW Info reply (0200h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct FirmwareInfo {
    /// Slots the device has.
    pub slots: u8,
    /// Bits 2:0 active slot, bits 5:3 staged slot; slots count from 1.
    pub slot_info: u8,
    /// Bit 0: a slot can be activated online.
    pub capabilities: u8,
    /// Reserved.
    pub reserved: [u8; 13],
    /// Revisions of slots 1 to 4: ASCII, padded.
    pub revisions: [[u8; 16]; 4],
}

fixed!(FirmwareInfo, "firmware info", 80, {
    slots @ 0, slot_info @ 1, capabilities @ 2, reserved @ 3, revisions @ 16,
});

impl FirmwareInfo {
    /// The active slot, 1 to 4; 0 or above 4 is a device that contradicts itself.
    #[must_use]
    pub const fn active_slot(&self) -> u8 {
        self.slot_info & 7
    }

    /// The slot that becomes active at the next reset; 0: none.
    #[must_use]
    pub const fn staged_slot(&self) -> u8 {
        (self.slot_info >> 3) & 7
    }

    /// Whether a slot can be activated without a reset.
    #[must_use]
    pub const fn online_activation(&self) -> bool {
        self.capabilities & 1 != 0
    }

    /// The revision in `slot`, counted from 1, up to its first zero byte. Whether it is text is not checked.
    #[must_use]
    pub fn revision(&self, slot: u8) -> Option<&[u8]> {
        let index = usize::from(slot.checked_sub(1)?);
        self.revisions.get(index).map(|text| layout::until_zero(text))
    }
}

/// What a Transfer FW part does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferAction {
    /// 0: the whole package in one part.
    Full,
    /// 1: the first part.
    Initiate,
    /// 2: a middle part.
    Continue,
    /// 3: the last part.
    End,
    /// 4: drop the transfer.
    Abort,
    /// Any other value.
    Reserved(u8),
}

/// The first 128 bytes of the Transfer FW request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TransferFirmwareHeader {
    /// See [`TransferAction`].
    pub action: u8,
    /// Target slot, counted from 1.
    pub slot: u8,
    /// Reserved.
    pub reserved: [u8; 2],
    /// Offset of this part in the package, in units of 128 bytes.
    pub offset: U32,
    /// Reserved.
    pub reserved2: [u8; 120],
}

fixed!(TransferFirmwareHeader, "transfer firmware header", 128, {
    action @ 0, slot @ 1, reserved @ 2, offset @ 4, reserved2 @ 8,
});

impl TransferFirmwareHeader {
    /// Parts start at multiples of this many bytes, and `offset` counts in it.
    pub const UNIT: usize = 128;

    /// Builds a header. `offset` is in units of 128 bytes.
    #[must_use]
    pub const fn new(action: u8, slot: u8, offset: u32) -> Self {
        Self { action, slot, reserved: [0; 2], offset: U32::new(offset), reserved2: [0; 120] }
    }

    /// What this part does.
    #[must_use]
    pub const fn action(&self) -> TransferAction {
        match self.action {
            0 => TransferAction::Full,
            1 => TransferAction::Initiate,
            2 => TransferAction::Continue,
            3 => TransferAction::End,
            4 => TransferAction::Abort,
            other => TransferAction::Reserved(other),
        }
    }

    /// Where this part goes in the package, in bytes.
    #[must_use]
    #[expect(clippy::arithmetic_side_effects, reason = "32 bits times 128 fit in 64")]
    pub const fn offset_bytes(&self) -> u64 {
        self.offset.get() as u64 * Self::UNIT as u64
    }
}

header_and_data! {
    /// The Transfer FW request (0201h), borrowed.
    TransferFirmwareRequest, TransferFirmwareHeader, "transfer firmware request"
}

/// When an activation takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivateAction {
    /// 0: at once.
    Online,
    /// 1: at the next reset.
    OnReset,
    /// Any other value.
    Reserved(u8),
}

/// The Activate FW request (0202h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ActivateFirmwareRequest {
    /// See [`ActivateAction`].
    pub action: u8,
    /// Slot, counted from 1.
    pub slot: u8,
}

fixed!(ActivateFirmwareRequest, "activate firmware request", 2, { action @ 0, slot @ 1 });

impl ActivateFirmwareRequest {
    /// When the slot becomes active.
    #[must_use]
    pub const fn action(&self) -> ActivateAction {
        match self.action {
            0 => ActivateAction::Online,
            1 => ActivateAction::OnReset,
            other => ActivateAction::Reserved(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_and_staged_slot_are_three_bits_each() {
        let mut bytes = [0; 80];
        for (slot_info, active, staged) in [(7, 7, 0), (0x38, 0, 7), (0xc0, 0, 0), (0x11, 1, 2)] {
            bytes[1] = slot_info;
            let info = FirmwareInfo::parse(&bytes).unwrap();
            assert_eq!((info.active_slot(), info.staged_slot()), (active, staged));
        }
    }

    #[test]
    fn slots_without_a_revision_field_have_none() {
        let mut bytes = [0; 80];
        bytes[64..80].copy_from_slice(b"sixteen bytes ok");
        let info = FirmwareInfo::parse(&bytes).unwrap();
        assert_eq!(info.revision(0), None);
        assert_eq!(info.revision(1), Some(&b""[..]));
        assert_eq!(info.revision(4), Some(&b"sixteen bytes ok"[..]));
        assert_eq!(info.revision(5), None);
    }

    #[test]
    fn a_transfer_part_knows_its_place_in_bytes() {
        let header = TransferFirmwareHeader::new(2, 1, u32::MAX);
        assert_eq!(header.offset_bytes(), 0x7f_ffff_ff80);
        assert_eq!(header.action(), TransferAction::Continue);
        assert_eq!(TransferFirmwareHeader::new(5, 1, 0).action(), TransferAction::Reserved(5));
        let request = TransferFirmwareRequest::parse(header.as_bytes()).unwrap();
        assert_eq!((request.header(), request.data()), (&header, &[][..]));
        assert!(TransferFirmwareRequest::parse(&[0; 127]).is_err());
    }

    #[test]
    fn an_unknown_activation_is_not_taken_for_a_known_one() {
        for (byte, action) in [
            (0, ActivateAction::Online),
            (1, ActivateAction::OnReset),
            (2, ActivateAction::Reserved(2)),
        ] {
            assert_eq!(ActivateFirmwareRequest::parse(&[byte, 1]).unwrap().action(), action);
        }
    }
}

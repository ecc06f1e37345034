// SPDX-License-Identifier: MIT OR Apache-2.0
//! Feature commands: Get Supported Features (0500h), Get Feature (0501h), Set Feature (0502h).
//!
//! Input is not trusted. The effects word of an entry is a claim of the device.
//!
//! *Invariants*
//! - A reply that parsed has as many entries as its header states.
//! - Reserved fields and flags are kept as they came.
//!
//! *Not here*: which scope a Set Feature needs (`fwgate-policy`), the fwctl wrapping (`fwctl::cxl`).
//!
//! *Spec*: CXL r3.2 8.2.10.6.1 to 8.2.10.6.3 as cited by computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`; `include/uapi/cxl/features.h` @ v7.3.

use super::cel::EffectsWord;
use crate::error::FormatError;
use crate::layout;
use uuid::Uuid;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// UUIDs of the standard features. On the wire they are 16 bytes in textual order.
pub mod feature_uuid {
    use uuid::{Uuid, uuid};

    /// Device Patrol Scrub Control.
    pub const PATROL_SCRUB: Uuid = uuid!("96dad7d6-fde8-482b-a733-75774e06db8a");
    /// DDR5 Error Check Scrub Control.
    pub const DDR5_ECS: Uuid = uuid!("e5b13f22-2328-4a14-b8ba-b9691e893386");
    /// Soft Post Package Repair.
    pub const SOFT_PPR: Uuid = uuid!("892ba475-fad8-474e-9d3e-692c917568bb");
    /// Hard Post Package Repair.
    pub const HARD_PPR: Uuid = uuid!("80ea4521-786f-4127-afb1-ec7459fb0e24");
    /// Cacheline Memory Sparing.
    pub const CACHELINE_SPARING: Uuid = uuid!("96c33386-91dd-44c7-9ecb-fdaf6503bac4");
    /// Row Memory Sparing.
    pub const ROW_SPARING: Uuid = uuid!("450ebf67-b135-4f97-a498-c2d57f279bed");
    /// Bank Memory Sparing.
    pub const BANK_SPARING: Uuid = uuid!("78b79636-90ac-4b64-a4ef-faac5d18a863");
    /// Rank Memory Sparing.
    pub const RANK_SPARING: Uuid = uuid!("34dbaff5-0552-4281-8f76-da0b5e7a76a7");
    /// The feature of the kernel's cxl_test device.
    pub const CXL_TEST: Uuid = uuid!("ffffffff-ffff-ffff-ffff-ffffffffffff");

    /// The eight standard features with their names. Linux keeps writing to all of them for itself.
    pub const STANDARD: [(Uuid, &str); 8] = [
        (PATROL_SCRUB, "Device Patrol Scrub Control"),
        (DDR5_ECS, "DDR5 Error Check Scrub Control"),
        (SOFT_PPR, "Soft Post Package Repair"),
        (HARD_PPR, "Hard Post Package Repair"),
        (CACHELINE_SPARING, "Cacheline Memory Sparing"),
        (ROW_SPARING, "Row Memory Sparing"),
        (BANK_SPARING, "Bank Memory Sparing"),
        (RANK_SPARING, "Rank Memory Sparing"),
    ];

    /// The name of a standard feature.
    #[must_use]
    pub fn name(uuid: Uuid) -> Option<&'static str> {
        STANDARD.iter().find(|(known, _)| *known == uuid).map(|(_, name)| *name)
    }
}

/// The Get Supported Features request (0500h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct GetSupportedFeaturesRequest {
    /// Bytes of output wanted, header included. Linux's fwctl divides it by 48 without taking the header off.
    pub count: U32,
    /// Index of the first entry wanted, from 0.
    pub start: U16,
    /// Reserved.
    pub reserved: [u8; 2],
}

fixed!(GetSupportedFeaturesRequest, "get supported features request", 8, {
    count @ 0, start @ 4, reserved @ 6,
});

impl GetSupportedFeaturesRequest {
    /// Builds a request.
    #[must_use]
    pub const fn new(count: u32, start: u16) -> Self {
        Self { count: U32::new(count), start: U16::new(start), reserved: [0; 2] }
    }
}

/// The first 8 bytes of the Get Supported Features reply.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SupportedFeaturesHeader {
    /// Entries that follow.
    pub entries: U16,
    /// Features the device has.
    pub supported: U16,
    /// Reserved.
    pub reserved: [u8; 4],
}

fixed!(SupportedFeaturesHeader, "supported features header", 8, {
    entries @ 0, supported @ 2, reserved @ 4,
});

/// One feature a device has: an entry of the Get Supported Features reply.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct FeatureEntry {
    /// Which feature.
    pub uuid: [u8; 16],
    /// Index, from 0.
    pub index: U16,
    /// Most bytes Get Feature gives.
    pub get_size: U16,
    /// Most bytes Set Feature takes.
    pub set_size: U16,
    /// See [`FeatureFlags`].
    pub flags: U32,
    /// Version of the data Get Feature gives.
    pub get_version: u8,
    /// Version of the data Set Feature takes.
    pub set_version: u8,
    /// What the device says Set Feature does for this feature.
    pub effects: U16,
    /// Reserved.
    pub reserved: [u8; 18],
}

fixed!(FeatureEntry, "feature entry", 48, {
    uuid @ 0, index @ 16, get_size @ 18, set_size @ 20, flags @ 22, get_version @ 26,
    set_version @ 27, effects @ 28, reserved @ 30,
});

impl FeatureEntry {
    /// Which feature.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
    }

    /// The attribute flags.
    #[must_use]
    pub const fn flags(&self) -> FeatureFlags {
        FeatureFlags(self.flags.get())
    }

    /// What the device says Set Feature does: a claim.
    #[must_use]
    pub const fn effects(&self) -> EffectsWord {
        EffectsWord(self.effects.get())
    }
}

/// Attribute flags of a feature, as claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeatureFlags(pub u32);

bit_accessors!(
    FeatureFlags,
    /// Bit 0: Set Feature can change it.
    changeable = 0,
    /// Bit 4: the value survives a firmware update.
    persists_firmware_update = 4,
    /// Bit 5: the default value can be read.
    default_selectable = 5,
    /// Bit 6: the saved value can be read.
    saved_selectable = 6,
);

impl FeatureFlags {
    /// Bits 3:1: the deepest reset the value survives, a raw number. QEMU uses the field; the kernel's
    /// header does not name it.
    #[must_use]
    pub const fn deepest_reset_persistence(self) -> u8 {
        ((self.0 >> 1) & 7) as u8
    }
}

/// The Get Supported Features reply (0500h), borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedFeatures<'a> {
    header: &'a SupportedFeaturesHeader,
    entries: &'a [FeatureEntry],
}

impl<'a> SupportedFeatures<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "supported features";

    /// Borrows a reply.
    ///
    /// # Errors
    /// Too short, entries cut off, or a count that differs from the entries.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<SupportedFeaturesHeader>(bytes, Self::WHAT)?;
        let stated = usize::from(header.entries.get());
        let entries = layout::counted_rows(rest, stated, Self::WHAT, ("entries", 0), 8)?;
        Ok(Self { header, entries })
    }

    /// Features the device has in all, as claimed; a reply can hold fewer.
    #[must_use]
    pub const fn supported(&self) -> u16 {
        self.header.supported.get()
    }

    /// The entries of this reply, in the device's order.
    #[must_use]
    pub const fn entries(&self) -> &'a [FeatureEntry] {
        self.entries
    }

    /// The entry of one feature.
    #[must_use]
    pub fn find(&self, uuid: Uuid) -> Option<&'a FeatureEntry> {
        self.entries.iter().find(|entry| entry.uuid() == uuid)
    }

    /// Writes the reply into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        layout::encode_into(out, &[self.header.as_bytes(), self.entries.as_bytes()], Self::WHAT)
    }
}

/// Which value of a feature is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureSelection {
    /// 0: the current value.
    Current,
    /// 1: the default value.
    Default,
    /// 2: the saved value.
    Saved,
    /// Any other value.
    Reserved(u8),
}

/// The Get Feature request (0501h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct GetFeatureRequest {
    /// Which feature.
    pub uuid: [u8; 16],
    /// First byte wanted.
    pub offset: U16,
    /// Bytes wanted.
    pub count: U16,
    /// See [`FeatureSelection`].
    pub selection: u8,
}

fixed!(GetFeatureRequest, "get feature request", 21, {
    uuid @ 0, offset @ 16, count @ 18, selection @ 20,
});

impl GetFeatureRequest {
    /// Builds a request; `selection` is 0 current, 1 default, 2 saved.
    #[must_use]
    pub const fn new(uuid: Uuid, offset: u16, count: u16, selection: u8) -> Self {
        let uuid = *uuid.as_bytes();
        Self { uuid, offset: U16::new(offset), count: U16::new(count), selection }
    }

    /// Which feature.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
    }

    /// Which value.
    #[must_use]
    pub const fn selection(&self) -> FeatureSelection {
        match self.selection {
            0 => FeatureSelection::Current,
            1 => FeatureSelection::Default,
            2 => FeatureSelection::Saved,
            other => FeatureSelection::Reserved(other),
        }
    }
}

/// Which part of the data a Set Feature carries, bits 2:0 of its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureTransfer {
    /// 0: all of it.
    Full,
    /// 1: the first part.
    Initiate,
    /// 2: a middle part.
    Continue,
    /// 3: the last part.
    Finish,
    /// 4: drop the transfer.
    Abort,
    /// 5 to 7: reserved.
    Reserved(u8),
}

/// Flags of a Set Feature request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetFeatureFlags(pub u32);

bit_accessors!(
    SetFeatureFlags,
    /// Bit 3: the value is saved across resets.
    saved_across_reset = 3,
);

impl SetFeatureFlags {
    /// Bits 31:4, which are reserved.
    pub const RESERVED: u32 = 0xffff_fff0;

    /// Bits 2:0: which part of the data this is.
    #[must_use]
    pub const fn transfer(self) -> FeatureTransfer {
        match (self.0 & 7) as u8 {
            0 => FeatureTransfer::Full,
            1 => FeatureTransfer::Initiate,
            2 => FeatureTransfer::Continue,
            3 => FeatureTransfer::Finish,
            4 => FeatureTransfer::Abort,
            other => FeatureTransfer::Reserved(other),
        }
    }

    /// The reserved bits that are set.
    #[must_use]
    pub const fn reserved_bits(self) -> u32 {
        self.0 & Self::RESERVED
    }
}

/// The first 32 bytes of the Set Feature request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SetFeatureHeader {
    /// Which feature.
    pub uuid: [u8; 16],
    /// See [`SetFeatureFlags`].
    pub flags: U32,
    /// First byte of the feature's data to write.
    pub offset: U16,
    /// Version of the data.
    pub version: u8,
    /// Reserved.
    pub reserved: [u8; 9],
}

fixed!(SetFeatureHeader, "set feature header", 32, {
    uuid @ 0, flags @ 16, offset @ 20, version @ 22, reserved @ 23,
});

impl SetFeatureHeader {
    /// Builds a header.
    #[must_use]
    pub const fn new(uuid: Uuid, flags: SetFeatureFlags, offset: u16, version: u8) -> Self {
        Self {
            uuid: *uuid.as_bytes(),
            flags: U32::new(flags.0),
            offset: U16::new(offset),
            version,
            reserved: [0; 9],
        }
    }

    /// Which feature.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
    }

    /// The flags.
    #[must_use]
    pub const fn flags(&self) -> SetFeatureFlags {
        SetFeatureFlags(self.flags.get())
    }
}

header_and_data! {
    /// The Set Feature request (0502h), borrowed.
    SetFeatureRequest, SetFeatureHeader, "set feature request"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FormatErrorKind;

    #[test]
    fn feature_flags_are_told_apart() {
        for (bit, accessor) in [
            (0, FeatureFlags::changeable as fn(FeatureFlags) -> bool),
            (4, FeatureFlags::persists_firmware_update),
            (5, FeatureFlags::default_selectable),
            (6, FeatureFlags::saved_selectable),
        ] {
            assert!(accessor(FeatureFlags(1 << bit)) && !accessor(FeatureFlags(!(1 << bit))));
        }
        assert_eq!(FeatureFlags(0x0e).deepest_reset_persistence(), 7);
        assert_eq!(FeatureFlags(!0x0e).deepest_reset_persistence(), 0);
    }

    #[test]
    fn the_transfer_is_three_bits_and_the_save_flag_the_fourth() {
        for (flags, transfer) in [
            (0, FeatureTransfer::Full),
            (1, FeatureTransfer::Initiate),
            (2, FeatureTransfer::Continue),
            (3, FeatureTransfer::Finish),
            (4, FeatureTransfer::Abort),
            (5, FeatureTransfer::Reserved(5)),
            (7, FeatureTransfer::Reserved(7)),
        ] {
            assert_eq!(SetFeatureFlags(flags | !7).transfer(), transfer);
        }
        assert!(SetFeatureFlags(8).saved_across_reset());
        assert!(!SetFeatureFlags(!8).saved_across_reset());
        assert_eq!(SetFeatureFlags(0x1f).reserved_bits(), 0x10);
        assert_eq!(SetFeatureFlags(0x0f).reserved_bits(), 0);
    }

    #[test]
    fn a_selection_above_two_is_not_taken_for_a_known_one() {
        for (byte, selection) in [
            (0, FeatureSelection::Current),
            (1, FeatureSelection::Default),
            (2, FeatureSelection::Saved),
            (3, FeatureSelection::Reserved(3)),
        ] {
            let request = GetFeatureRequest::new(feature_uuid::DDR5_ECS, 0, 1, byte);
            assert_eq!(request.selection(), selection);
        }
    }

    #[test]
    fn a_set_feature_ends_its_header_at_32_bytes() {
        let header =
            SetFeatureHeader::new(feature_uuid::PATROL_SCRUB, SetFeatureFlags(8), 0x0102, 3);
        let mut bytes = [0; 34];
        layout::encode_into(&mut bytes, &[header.as_bytes(), &[0xaa, 0xbb]], "test").unwrap();
        let request = SetFeatureRequest::parse(&bytes).unwrap();
        assert_eq!(request.header().uuid(), feature_uuid::PATROL_SCRUB);
        assert!(request.header().flags().saved_across_reset());
        assert_eq!(request.header().offset.get(), 0x0102);
        assert_eq!(request.data(), [0xaa, 0xbb]);
        assert_eq!(bytes[16..23], [8, 0, 0, 0, 2, 1, 3]);
        let error = SetFeatureRequest::parse(&bytes[..31]).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::TooShort { need: 32, have: 31 });
    }

    #[test]
    fn a_count_that_differs_from_the_entries_is_refused() {
        let mut bytes = [0; 56];
        bytes[0] = 2;
        let error = SupportedFeatures::parse(&bytes).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::CountMismatch { stated: 2, found: 1 });
        let error = SupportedFeatures::parse(&bytes[..55]).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::NotMultiple { of: 48, have: 47 });
    }

    #[test]
    fn standard_features_have_names_and_others_none() {
        assert_eq!(feature_uuid::name(feature_uuid::HARD_PPR), Some("Hard Post Package Repair"));
        assert_eq!(feature_uuid::name(feature_uuid::CXL_TEST), None);
    }
}

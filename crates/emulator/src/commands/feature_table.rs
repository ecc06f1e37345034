// SPDX-License-Identifier: MIT OR Apache-2.0
//! The features of the emulated device: the eight standard ones, and vendor ones with each kind of effect.
//!
//! *Invariants*: `initial` has `get_size` bytes; the index of a row is its feature index.
//!
//! *Spec*: CXL r3.2 8.2.10.9.11.1, 8.2.10.9.11.2, 8.2.10.7.2.1 to 8.2.10.7.2.3; layouts
//! `drivers/cxl/core/edac.c @ v7.3`, UUIDs `include/cxl/features.h` and `drivers/cxl/core/features.c`
//! @ v7.3. Vendor features are this crate's own.

use uuid::Uuid;

/// Attribute bit 0: can be changed.
pub(super) const CHANGEABLE: u32 = 1 << 0;
/// Attribute bit 5: the default value can be read.
pub(super) const DEFAULT: u32 = 1 << 5;
/// Attribute bit 6: the saved value can be read, and a change can be saved.
pub(super) const SAVED: u32 = 1 << 6;

/// One feature.
#[derive(Debug)]
pub(super) struct FeatureRow {
    pub(super) uuid: Uuid,
    pub(super) set_size: u16,
    pub(super) get_version: u8,
    pub(super) set_version: u8,
    pub(super) attributes: u32,
    pub(super) effects: u16,
    pub(super) initial: &'static [u8],
    pub(super) apply: Apply,
}

/// How the bytes of Set Feature become those of Get Feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Apply {
    /// Cycle in hours, enable flag.
    Scrub,
    /// Log capability, then 2 bytes of configuration for each of the units.
    Ecs,
    /// Operation mode, then the repair's own mode.
    Ppr,
    /// Operation mode.
    Sparing,
    /// As they are.
    Copy,
    /// As they are, at the next cold reset.
    CopyAtColdReset,
    /// As they are, when a background operation ends.
    CopyInBackground,
}

/// Immediate configuration change, bits 10 and 11 valid.
const CONFIG_VALID: u16 = 0x0202;

const fn standard(
    uuid: u128,
    set_size: u16,
    version: u8,
    attributes: u32,
    initial: &'static [u8],
    apply: Apply,
) -> FeatureRow {
    FeatureRow {
        uuid: Uuid::from_u128(uuid),
        set_size,
        get_version: version,
        set_version: version,
        attributes,
        effects: CONFIG_VALID,
        initial,
        apply,
    }
}

const fn vendor(
    number: u128,
    attributes: u32,
    effects: u16,
    initial: &'static [u8],
    apply: Apply,
) -> FeatureRow {
    // Sizes in this table are far below 64 KiB.
    let [low, high, ..] = initial.len().to_le_bytes();
    FeatureRow {
        uuid: Uuid::from_u128(VENDOR_UUID | number),
        set_size: u16::from_le_bytes([low, high]),
        get_version: 1,
        set_version: 1,
        attributes,
        effects,
        initial,
        apply,
    }
}

/// UUIDs of the vendor features, the last digits aside.
pub(crate) const VENDOR_UUID: u128 = 0xf5a7e0c1_6677_4a7e_8e00_000000000000;

const REPAIR: u32 = CHANGEABLE | DEFAULT;
const VENDOR: u32 = CHANGEABLE | DEFAULT | SAVED;

#[rustfmt::skip]
pub(super) static FEATURES: &[FeatureRow] = &[
    // Patrol scrub: 12 h now, 1 h at least, disabled.
    standard(0x96dad7d6_fde8_482b_a733_75774e06db8a, 2, 1, CHANGEABLE,
        &[0x01, 12, 1, 0], Apply::Scrub),
    // ECS: three units, threshold 256.
    standard(0xe5b13f22_2328_4a14_b8ba_b9691e893386, 7, 1, CHANGEABLE,
        &[1, 0, 3, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0], Apply::Ecs),
    // Soft and hard post package repair.
    standard(0x892ba475_fad8_474e_9d3e_692c917568bb, 3, 3, REPAIR,
        &[3, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], Apply::Ppr),
    standard(0x80ea4521_786f_4127_afb1_ec7459fb0e24, 3, 3, REPAIR,
        &[3, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], Apply::Ppr),
    // Memory sparing: cacheline, row, bank, rank.
    standard(0x96c33386_91dd_44c7_9ecb_fdaf6503bac4, 2, 1, REPAIR,
        &[3, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Apply::Sparing),
    standard(0x450ebf67_b135_4f97_a498_c2d57f279bed, 2, 1, REPAIR,
        &[3, 1, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Apply::Sparing),
    standard(0x78b79636_90ac_4b64_a4ef_faac5d18a863, 2, 1, REPAIR,
        &[3, 1, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Apply::Sparing),
    standard(0x34dbaff5_0552_4281_8f76_da0b5e7a76a7, 2, 1, REPAIR,
        &[3, 1, 0, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Apply::Sparing),
    // 01h: after a cold reset.
    vendor(1, VENDOR, 0x0001, &[0xef, 0xbe, 0xad, 0xde], Apply::CopyAtColdReset),
    // 02h: at once.
    vendor(2, VENDOR, 0x0002, &[0; 4], Apply::Copy),
    // 03h: cannot be changed.
    vendor(3, DEFAULT, 0x0002, &[0x5a; 4], Apply::Copy),
    // 04h: at once, by a background operation.
    vendor(4, CHANGEABLE | DEFAULT, 0x0042, &[0; 4], Apply::CopyInBackground),
    // 05h: says that it does nothing.
    vendor(5, CHANGEABLE | DEFAULT, 0x0000, &[0; 4], Apply::Copy),
    // 06h: sets a reserved bit.
    vendor(6, CHANGEABLE | DEFAULT, 0x1002, &[0; 4], Apply::Copy),
    // 07h: security state, after a cold reset.
    vendor(7, CHANGEABLE | DEFAULT, 0x0021, &[0; 4], Apply::CopyAtColdReset),
    // 08h: after a cold reset, larger than one payload.
    vendor(8, VENDOR, 0x0001, &[0; 6000], Apply::CopyAtColdReset),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_features_have_the_sizes_that_the_kernel_knows() {
        let sizes: Vec<_> =
            FEATURES[..8].iter().map(|row| (row.initial.len(), row.set_size)).collect();
        assert_eq!(sizes, [(4, 2), (13, 7), (20, 3), (20, 3), (19, 2), (19, 2), (19, 2), (19, 2)]);
        assert!(FEATURES[..8].iter().all(|row| row.effects == 0x0202));
    }

    #[test]
    fn no_feature_is_listed_twice() {
        for (at, row) in FEATURES.iter().enumerate() {
            assert!(FEATURES[..at].iter().all(|other| other.uuid != row.uuid), "{}", row.uuid);
        }
    }
}

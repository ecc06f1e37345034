// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Command Effects Log: which commands a device says it has, and what it says they do.
//!
//! The log is written by the device, so every effect is a claim.
//!
//! *Invariants*
//! - Decoding borrows; a log of n rows costs no copy and no allocation.
//! - Every 16-bit word is kept as it came, reserved bits included.
//!
//! *Not here*: whether a claim is believed (`fwgate-policy`).
//!
//! *Spec*: `include/uapi/cxl/features.h` and `drivers/cxl/core/mbox.c` @ v7.3; computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`, "Get Log" (0401h). Sources disagree about bits 7 and 8: the kernel header
//! calls bit 7 the abort bit; cxl_test, QEMU's feature entries and libcxlmi put the secondary mailbox at
//! bit 7. QEMU's CEL rows of the 5600h set use bits shifted by one and so reach reserved bit 12.

use super::opcode::Opcode;
use crate::error::{FormatError, FormatErrorKind};
use crate::layout;
use core::fmt;
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What a device says a command does: 16 bits, a claim until judged.
///
/// Holding one tells what was stated. It does not tell that the device keeps to it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EffectsWord(pub u16);

bit_accessors!(
    EffectsWord,
    /// Bit 0: configuration changes, live after a cold reset.
    configuration_after_cold_reset = 0,
    /// Bit 1: configuration changes at once.
    immediate_configuration = 1,
    /// Bit 2: data changes at once.
    immediate_data = 2,
    /// Bit 3: policy changes at once.
    immediate_policy = 3,
    /// Bit 4: logs change at once.
    immediate_log = 4,
    /// Bit 5: the security state changes.
    security_state = 5,
    /// Bit 6: the command runs in the background.
    background = 6,
    /// Bit 7, an attribute and not an effect: also valid on the secondary mailbox. The kernel's header
    /// gives this bit the meaning of bit 8.
    secondary_mailbox = 7,
    /// Bit 8, an attribute and not an effect: the background run can be aborted by 0005h.
    abort_supported = 8,
    /// Bit 9, an attribute and not an effect: bits 10 and 11 are meaningful.
    reset_bits_valid = 9,
    /// Bit 10: configuration changes, live after a conventional reset.
    configuration_after_conventional_reset = 10,
    /// Bit 11: configuration changes, live after a CXL reset.
    configuration_after_cxl_reset = 11,
);

impl EffectsWord {
    /// Bits 12 to 15, which must be zero.
    pub const RESERVED: u16 = 0xf000;
    /// Bits 1 to 4: something changes at once.
    pub const IMMEDIATE: u16 = 0x001e;
    /// Bits 0, 10 and 11: something changes after a reset.
    pub const AFTER_RESET: u16 = 0x0c01;
    /// Bits 7, 8 and 9: attributes, not effects.
    pub const ATTRIBUTES: u16 = 0x0380;

    /// The reserved bits that are set; 0 for a word that keeps to the specification.
    #[must_use]
    pub const fn reserved_bits(self) -> u16 {
        self.0 & Self::RESERVED
    }

    /// Whether any of bits 1 to 4 is set.
    #[must_use]
    pub const fn any_immediate(self) -> bool {
        self.0 & Self::IMMEDIATE != 0
    }

    /// Whether any of bits 0, 10 and 11 is set. Bit 9 is not asked, as the kernel does not ask it.
    #[must_use]
    pub const fn any_after_reset(self) -> bool {
        self.0 & Self::AFTER_RESET != 0
    }

    /// The word without its attribute bits: effects and reserved bits only.
    #[must_use]
    pub const fn without_attributes(self) -> Self {
        Self(self.0 & !Self::ATTRIBUTES)
    }
}

impl fmt::Debug for EffectsWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EffectsWord({:#06x})", self.0)
    }
}

impl fmt::Display for EffectsWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04X}", self.0)
    }
}

/// One row of the log: a command and its claimed effects.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CelEntry {
    /// Command number.
    pub opcode: U16,
    /// Effects word.
    pub effects: U16,
}

fixed!(CelEntry, "command effects log entry", 4, { opcode @ 0, effects @ 2 });

impl CelEntry {
    /// Builds a row.
    #[must_use]
    pub const fn new(opcode: Opcode, effects: EffectsWord) -> Self {
        Self { opcode: U16::new(opcode.0), effects: U16::new(effects.0) }
    }

    /// The command.
    #[must_use]
    #[inline]
    pub const fn opcode(&self) -> Opcode {
        Opcode(self.opcode.get())
    }

    /// What the device says it does.
    #[must_use]
    #[inline]
    pub const fn effects(&self) -> EffectsWord {
        EffectsWord(self.effects.get())
    }
}

/// A whole Command Effects Log, borrowed.
///
/// Rows are in the device's order. Nothing says that they are sorted or that an opcode comes once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandEffectsLog<'a> {
    entries: &'a [CelEntry],
}

impl<'a> CommandEffectsLog<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "command effects log";
    /// Most bytes taken: the largest mailbox payload. The specification sets no limit for the log.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Borrows a log. An empty one is allowed.
    ///
    /// # Errors
    /// The length is not a multiple of 4, or is above [`Self::MAX_BYTES`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        if bytes.len() > Self::MAX_BYTES {
            let kind = FormatErrorKind::TooLong { limit: Self::MAX_BYTES, have: bytes.len() };
            return Err(FormatError::new(Self::WHAT, "entries", 0, kind));
        }
        Ok(Self { entries: layout::rows(bytes, Self::WHAT, "entries", 0)? })
    }

    /// All rows.
    #[must_use]
    #[inline]
    pub const fn entries(&self) -> &'a [CelEntry] {
        self.entries
    }

    /// The rows as command and effects, in the device's order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Opcode, EffectsWord)> + Clone + 'a {
        self.entries.iter().map(|entry| (entry.opcode(), entry.effects()))
    }

    /// The rows of one command. More than one is possible on a device that contradicts itself.
    pub fn rows_of(&self, opcode: Opcode) -> impl Iterator<Item = EffectsWord> + Clone + 'a {
        self.iter().filter(move |(found, _)| *found == opcode).map(|(_, effects)| effects)
    }

    /// Number of rows.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the log has no row.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes this was parsed from.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.entries.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    #[test]
    fn each_effects_bit_has_its_own_accessor() {
        let accessors = [
            (0, EffectsWord::configuration_after_cold_reset as fn(EffectsWord) -> bool),
            (1, EffectsWord::immediate_configuration),
            (2, EffectsWord::immediate_data),
            (3, EffectsWord::immediate_policy),
            (4, EffectsWord::immediate_log),
            (5, EffectsWord::security_state),
            (6, EffectsWord::background),
            (7, EffectsWord::secondary_mailbox),
            (8, EffectsWord::abort_supported),
            (9, EffectsWord::reset_bits_valid),
            (10, EffectsWord::configuration_after_conventional_reset),
            (11, EffectsWord::configuration_after_cxl_reset),
        ];
        for (bit, accessor) in accessors {
            for other in 0..16 {
                assert_eq!(accessor(EffectsWord(1 << other)), other == bit, "bit {bit}, {other}");
            }
        }
    }

    #[test]
    fn the_masks_are_the_bits_they_name() {
        for bit in 0..16u32 {
            let word = EffectsWord(1 << bit);
            assert_eq!(word.any_immediate(), (1..=4).contains(&bit));
            assert_eq!(word.any_after_reset(), [0, 10, 11].contains(&bit));
            assert_eq!(word.reserved_bits() != 0, bit >= 12);
            assert_eq!(word.without_attributes().0 == 0, (7..=9).contains(&bit));
        }
    }

    #[test]
    fn an_empty_log_is_allowed_and_a_torn_row_is_not() {
        assert!(CommandEffectsLog::parse(&[]).unwrap().is_empty());
        let error = CommandEffectsLog::parse(&[0; 6]).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::NotMultiple { of: 4, have: 6 });
    }

    #[test]
    fn a_log_above_one_mebibyte_is_refused() {
        let bytes = vec![0; CommandEffectsLog::MAX_BYTES + 4];
        let error = CommandEffectsLog::parse(&bytes).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::TooLong { limit: 1 << 20, have: (1 << 20) + 4 });
        let whole = CommandEffectsLog::parse(&bytes[4..]).unwrap();
        assert_eq!(whole.len(), 1 << 18);
    }

    #[test]
    fn a_command_listed_twice_shows_both_claims() {
        let bytes = [0x02, 0x05, 0x00, 0x00, 0x02, 0x05, 0x3e, 0x00];
        let log = CommandEffectsLog::parse(&bytes).unwrap();
        let rows: Vec<_> = log.rows_of(Opcode(0x0502)).collect();
        assert_eq!(rows, [EffectsWord(0), EffectsWord(0x3e)]);
        assert_eq!(log.as_bytes(), bytes);
    }
}

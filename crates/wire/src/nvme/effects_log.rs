// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Commands Supported and Effects log page (log identifier 05h).
//!
//! The log is written by the controller, so every effect is a claim.
//!
//! *Invariants*
//! - 4096 bytes, borrowed; row n belongs to opcode n, so no row can be listed twice or be missing.
//! - Every 32-bit row is kept as it came, reserved bits included.
//!
//! *Not here*: whether a claim is believed (`fwgate-policy`); the logs for features and for NVMe-MI.
//!
//! *Spec*: `include/linux/nvme.h` and `drivers/nvme/host/core.c` @ v7.3; libnvme `nvme-types-base.h`. The
//! bit order within CSP is taken from libnvme's Feature effects log and is not confirmed for this one.

use core::fmt;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What a controller says an opcode does: 32 bits, a claim until judged.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EffectsDword(pub u32);

bit_accessors!(
    EffectsDword,
    /// CSUPP, bit 0: the command is supported. Without it the other bits mean nothing.
    supported = 0,
    /// LBCC, bit 1: may change logical block content.
    changes_block_content = 1,
    /// NCC, bit 2: may change capabilities of a namespace.
    changes_namespace_capabilities = 2,
    /// NIC, bit 3: may change the inventory of namespaces.
    changes_namespace_inventory = 3,
    /// CCC, bit 4: may change capabilities of the controller.
    changes_controller_capabilities = 4,
    /// USS, bit 19: UUID selection is supported. Not an effect.
    uuid_selection = 19,
);

/// CSE, bits 18:16: which other commands must not run beside this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// 0: no limit.
    None,
    /// 1: no other command to the same namespace.
    SameNamespace,
    /// 2: no other command to any namespace.
    AnyNamespace,
    /// 3 to 7: reserved. Linux puts 7 here for Format and Sanitize in its own copy.
    Reserved(u8),
}

/// CSER, bits 15:14: relaxation of [`Exclusion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relaxation {
    /// 0: none defined.
    None,
    /// 1: relaxed to "no admin command for any namespace".
    AdminOnly,
    /// 2 and 3: reserved.
    Reserved(u8),
}

/// CSP, bits 31:20: what the command acts on. All zero: not reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandScope(pub u16);

bit_accessors!(
    CommandScope,
    /// Bit 20 of the row: a namespace.
    namespace = 0,
    /// Bit 21: a controller.
    controller = 1,
    /// Bit 22: an NVM set.
    nvm_set = 2,
    /// Bit 23: an endurance group.
    endurance_group = 3,
    /// Bit 24: a domain.
    domain = 4,
    /// Bit 25: the NVM subsystem.
    nvm_subsystem = 5,
);

impl CommandScope {
    /// Whether the controller reports a scope at all.
    #[must_use]
    pub const fn is_reported(self) -> bool {
        self.0 != 0
    }
}

impl EffectsDword {
    /// Bits 13:5, which are reserved. Bits 31:26, in the scope, are unassigned and not in this mask.
    pub const RESERVED: u32 = 0x0000_3fe0;

    /// CSE, bits 18:16.
    #[must_use]
    pub const fn exclusion(self) -> Exclusion {
        match low3(self.0 >> 16) {
            0 => Exclusion::None,
            1 => Exclusion::SameNamespace,
            2 => Exclusion::AnyNamespace,
            other => Exclusion::Reserved(other),
        }
    }

    /// CSER, bits 15:14.
    #[must_use]
    pub const fn relaxation(self) -> Relaxation {
        match low3(self.0 >> 14) & 3 {
            0 => Relaxation::None,
            1 => Relaxation::AdminOnly,
            other => Relaxation::Reserved(other),
        }
    }

    /// CSP, bits 31:20.
    #[must_use]
    pub const fn scope(self) -> CommandScope {
        CommandScope((self.0 >> 20) as u16)
    }

    /// The reserved bits that are set.
    #[must_use]
    pub const fn reserved_bits(self) -> u32 {
        self.0 & Self::RESERVED
    }
}

const fn low3(value: u32) -> u8 {
    (value & 7) as u8
}

impl fmt::Debug for EffectsDword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EffectsDword({:#010x})", self.0)
    }
}

/// The whole log.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EffectsLog {
    /// ACS: admin commands, by opcode.
    pub admin: [U32; 256],
    /// IOCS: I/O commands, by opcode, for the command set the log was read with.
    pub io: [U32; 256],
    /// Reserved.
    pub reserved: [u8; 2048],
}

fixed!(EffectsLog, "commands supported and effects log", 4096, {
    admin @ 0, io @ 1024, reserved @ 2048,
});

impl EffectsLog {
    /// Log identifier.
    pub const LOG_ID: u8 = 0x05;

    /// The row of an admin opcode.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a byte indexes 256 rows")]
    pub const fn admin(&self, opcode: u8) -> EffectsDword {
        EffectsDword(self.admin[opcode as usize].get())
    }

    /// The row of an I/O opcode.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a byte indexes 256 rows")]
    pub const fn io(&self, opcode: u8) -> EffectsDword {
        EffectsDword(self.io[opcode as usize].get())
    }

    /// The admin opcodes the controller says it supports, with their effects, in order.
    pub fn supported_admin(&self) -> impl Iterator<Item = (u8, EffectsDword)> + '_ {
        rows(&self.admin)
    }

    /// The I/O opcodes the controller says it supports, with their effects, in order.
    pub fn supported_io(&self) -> impl Iterator<Item = (u8, EffectsDword)> + '_ {
        rows(&self.io)
    }
}

fn rows(rows: &[U32; 256]) -> impl Iterator<Item = (u8, EffectsDword)> + '_ {
    (0..=u8::MAX)
        .zip(rows)
        .map(|(opcode, row)| (opcode, EffectsDword(row.get())))
        .filter(|(_, effects)| effects.supported())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_effects_bit_has_its_own_accessor() {
        for (bit, accessor) in [
            (0, EffectsDword::supported as fn(EffectsDword) -> bool),
            (1, EffectsDword::changes_block_content),
            (2, EffectsDword::changes_namespace_capabilities),
            (3, EffectsDword::changes_namespace_inventory),
            (4, EffectsDword::changes_controller_capabilities),
            (19, EffectsDword::uuid_selection),
        ] {
            for other in 0..32 {
                assert_eq!(accessor(EffectsDword(1 << other)), other == bit, "{bit}, {other}");
            }
        }
    }

    #[test]
    fn reserved_relaxation_exclusion_and_scope_fill_the_rest() {
        for bit in 0..32u32 {
            let effects = EffectsDword(1 << bit);
            assert_eq!(effects.reserved_bits() != 0, (5..=13).contains(&bit), "{bit}");
            assert_eq!(effects.relaxation() != Relaxation::None, (14..=15).contains(&bit), "{bit}");
            assert_eq!(effects.exclusion() != Exclusion::None, (16..=18).contains(&bit), "{bit}");
            assert_eq!(effects.scope().is_reported(), bit >= 20, "{bit}");
        }
    }

    #[test]
    fn values_of_the_small_fields_are_named() {
        assert_eq!(EffectsDword(1 << 14).relaxation(), Relaxation::AdminOnly);
        assert_eq!(EffectsDword(2 << 14).relaxation(), Relaxation::Reserved(2));
        assert_eq!(EffectsDword(3 << 14).relaxation(), Relaxation::Reserved(3));
        assert_eq!(EffectsDword(1 << 16).exclusion(), Exclusion::SameNamespace);
        assert_eq!(EffectsDword(2 << 16).exclusion(), Exclusion::AnyNamespace);
        assert_eq!(EffectsDword(3 << 16).exclusion(), Exclusion::Reserved(3));
        assert_eq!(EffectsDword(7 << 16).exclusion(), Exclusion::Reserved(7));
    }

    #[test]
    fn each_scope_has_its_bit() {
        let accessors: [fn(CommandScope) -> bool; 6] = [
            CommandScope::namespace,
            CommandScope::controller,
            CommandScope::nvm_set,
            CommandScope::endurance_group,
            CommandScope::domain,
            CommandScope::nvm_subsystem,
        ];
        for (bit, accessor) in accessors.into_iter().enumerate() {
            let bit = bit + 20;
            assert!(accessor(EffectsDword(1 << bit).scope()), "{bit}");
            assert!(!accessor(EffectsDword(!(1 << bit)).scope()), "{bit}");
        }
    }

    #[test]
    fn the_last_opcode_of_each_half_is_its_own_row() {
        let mut bytes = [0; 4096];
        bytes[1020] = 0x03;
        bytes[2044] = 0x05;
        let log = EffectsLog::parse(&bytes).unwrap();
        assert_eq!((log.admin(0xff), log.io(0xff)), (EffectsDword(3), EffectsDword(5)));
        assert_eq!(log.supported_admin().collect::<std::vec::Vec<_>>(), [(0xff, EffectsDword(3))]);
        assert_eq!(log.supported_io().count(), 1);
        assert!(EffectsLog::parse(&bytes[..4095]).is_err());
    }
}

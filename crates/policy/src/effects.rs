// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a command changes.
//!
//! One set for all protocols: the CXL effects word and the NVMe effects dword are both read into
//! [`Effects`], so that the judge speaks one language. The input is a device's claim and is not
//! trusted: bits that no specification names become [`Effects::RESERVED`], never nothing.
//!
//! *Invariants*: no bit of a device's word is lost. Every bit is an effect, an attribute, or
//! `RESERVED`.
//!
//! *Not here*: which scope an effect asks for (`scope`), which least effects a command has
//! (`tables`).
//!
//! *Spec*: bit numbers as `include/uapi/cxl/features.h @ v7.3` and `include/linux/nvme.h @ v7.3`.

use bitflags::bitflags;

bitflags! {
    /// Effects of one command, over all protocols.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Effects: u32 {
        /// Configuration changes, live after a cold reset. CXL bit 0.
        const CONFIG_COLD_RESET = 1 << 0;
        /// Configuration changes at once. CXL bit 1.
        const IMMEDIATE_CONFIG = 1 << 1;
        /// User data changes at once. CXL bit 2.
        const IMMEDIATE_DATA = 1 << 2;
        /// Device policy changes at once. CXL bit 3.
        const IMMEDIATE_POLICY = 1 << 3;
        /// A device log changes at once. CXL bit 4.
        const IMMEDIATE_LOG = 1 << 4;
        /// Passphrase, lock, freeze or sanitize state changes. CXL bit 5.
        const SECURITY_STATE = 1 << 5;
        /// Goes on in the background after the reply. CXL bit 6.
        const BACKGROUND = 1 << 6;
        /// Configuration changes, live after a conventional reset. CXL bit 10.
        const CONFIG_CONVENTIONAL_RESET = 1 << 10;
        /// Configuration changes, live after a CXL reset. CXL bit 11.
        const CONFIG_CXL_RESET = 1 << 11;
        /// A bit that the specification reserves is set. CXL bits 12 to 15, NVMe reserved fields.
        const RESERVED = 1 << 12;
        /// Logical block content may change. NVMe LBCC.
        const NVM_DATA = 1 << 16;
        /// Namespace capabilities may change. NVMe NCC.
        const NAMESPACE_CAPABILITIES = 1 << 17;
        /// The namespace inventory may change. NVMe NIC.
        const NAMESPACE_INVENTORY = 1 << 18;
        /// Controller capabilities may change. NVMe CCC.
        const CONTROLLER_CAPABILITIES = 1 << 19;
        /// No other command to the same namespace while it runs. NVMe CSE 1.
        const EXCLUSIVE_NAMESPACE = 1 << 20;
        /// No other command to any namespace while it runs. NVMe CSE 2.
        const EXCLUSIVE_SUBSYSTEM = 1 << 21;
    }
}

bitflags! {
    /// Properties of a command that its effects word carries beside the effects.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Attributes: u8 {
        /// Also valid on the secondary mailbox. CXL bit 7. Some code calls this bit "abort".
        const SECONDARY_MAILBOX = 1 << 0;
        /// Its background run can be aborted. CXL bit 8. QEMU's log puts this at bit 7.
        const ABORT_SUPPORTED = 1 << 1;
        /// Bits 10 and 11 are meaningful. CXL bit 9.
        const RESET_BITS_VALID = 1 << 2;
        /// UUID selection is supported. NVMe bit 19.
        const UUID_SELECTION = 1 << 3;
    }
}

impl Effects {
    /// Configuration changes that wait for a reset.
    pub const AFTER_RESET: Self = Self::CONFIG_COLD_RESET
        .union(Self::CONFIG_CONVENTIONAL_RESET)
        .union(Self::CONFIG_CXL_RESET);

    /// CXL effects that are felt at once.
    pub const IMMEDIATE: Self = Self::IMMEDIATE_CONFIG
        .union(Self::IMMEDIATE_DATA)
        .union(Self::IMMEDIATE_POLICY)
        .union(Self::IMMEDIATE_LOG);

    /// NVMe effects that ask for the highest scope: content, capabilities, inventory, limits.
    pub const NVME_WIDE: Self = Self::NVM_DATA
        .union(Self::NAMESPACE_CAPABILITIES)
        .union(Self::NAMESPACE_INVENTORY)
        .union(Self::CONTROLLER_CAPABILITIES)
        .union(Self::EXCLUSIVE_NAMESPACE)
        .union(Self::EXCLUSIVE_SUBSYSTEM);

    /// Reads a CXL effects word. Bits 7, 8 and 9 are attributes, not effects; bits 12 to 15 are
    /// reserved. Bits 10 and 11 count whether or not bit 9 says that they are valid, as in
    /// `drivers/cxl/core/features.c @ v7.3`.
    #[must_use]
    pub const fn from_cxl(word: u16) -> Self {
        let mut bits = (word & 0x0C7F) as u32;
        if word & 0xF000 != 0 {
            bits |= Self::RESERVED.bits();
        }
        Self::from_bits_truncate(bits)
    }

    /// Reads an NVMe Commands Supported and Effects dword (LID 05h). CSUPP (bit 0) and the
    /// command scope (bits 31:20) are not effects; bits 13:5, CSER above 1 and CSE above 2 are
    /// reserved.
    #[must_use]
    pub const fn from_nvme(dword: u32) -> Self {
        let mut bits = 0;
        // LBCC, NCC, NIC, CCC are bits 1 to 4; ours start at bit 16.
        bits |= (dword >> 1 & 0xF) << 16;
        match dword >> 16 & 0x7 {
            0 => {}
            1 => bits |= Self::EXCLUSIVE_NAMESPACE.bits(),
            2 => bits |= Self::EXCLUSIVE_SUBSYSTEM.bits(),
            _ => bits |= Self::RESERVED.bits(),
        }
        if dword & 0x3FE0 != 0 || dword >> 14 & 0x3 > 1 {
            bits |= Self::RESERVED.bits();
        }
        Self::from_bits_truncate(bits)
    }

    /// The names of the effects that are set, in bit order, as they are written in every output.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }

    /// The effect of that name, if there is one.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        NAMES.into_iter().find(|(_, known)| *known == name).map(|(flag, _)| flag)
    }
}

impl Attributes {
    /// Reads the attribute bits of a CXL effects word: 7, 8 and 9.
    #[must_use]
    pub const fn from_cxl(word: u16) -> Self {
        Self::from_bits_truncate((word >> 7 & 0x7) as u8)
    }

    /// Reads the attribute bits of an NVMe effects dword: bit 19.
    #[must_use]
    pub const fn from_nvme(dword: u32) -> Self {
        if dword >> 19 & 1 == 1 { Self::UUID_SELECTION } else { Self::empty() }
    }

    /// The names of the attributes that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        ATTRIBUTE_NAMES
            .into_iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, name)| name)
    }
}

const NAMES: [(Effects, &str); 16] = [
    (Effects::CONFIG_COLD_RESET, "config-cold-reset"),
    (Effects::IMMEDIATE_CONFIG, "immediate-config"),
    (Effects::IMMEDIATE_DATA, "immediate-data"),
    (Effects::IMMEDIATE_POLICY, "immediate-policy"),
    (Effects::IMMEDIATE_LOG, "immediate-log"),
    (Effects::SECURITY_STATE, "security-state"),
    (Effects::BACKGROUND, "background"),
    (Effects::CONFIG_CONVENTIONAL_RESET, "config-conventional-reset"),
    (Effects::CONFIG_CXL_RESET, "config-cxl-reset"),
    (Effects::RESERVED, "reserved"),
    (Effects::NVM_DATA, "nvm-data"),
    (Effects::NAMESPACE_CAPABILITIES, "namespace-capabilities"),
    (Effects::NAMESPACE_INVENTORY, "namespace-inventory"),
    (Effects::CONTROLLER_CAPABILITIES, "controller-capabilities"),
    (Effects::EXCLUSIVE_NAMESPACE, "exclusive-namespace"),
    (Effects::EXCLUSIVE_SUBSYSTEM, "exclusive-subsystem"),
];

const ATTRIBUTE_NAMES: [(Attributes, &str); 4] = [
    (Attributes::SECONDARY_MAILBOX, "secondary-mailbox"),
    (Attributes::ABORT_SUPPORTED, "abort-supported"),
    (Attributes::RESET_BITS_VALID, "reset-bits-valid"),
    (Attributes::UUID_SELECTION, "uuid-selection"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_bit_of_a_cxl_word_is_an_effect_an_attribute_or_reserved() {
        for bit in 0..16 {
            let word = 1u16 << bit;
            let effects = Effects::from_cxl(word);
            let attributes = Attributes::from_cxl(word);
            assert!(effects.is_empty() != attributes.is_empty(), "bit {bit}");
            assert_eq!(effects.contains(Effects::RESERVED), bit >= 12, "bit {bit}");
            assert_eq!(!attributes.is_empty(), (7..=9).contains(&bit), "bit {bit}");
        }
    }

    #[test]
    fn every_bit_of_an_nvme_dword_is_known_or_reserved() {
        for bit in 0..32 {
            let effects = Effects::from_nvme(1 << bit);
            let expected = match bit {
                1 => Effects::NVM_DATA,
                2 => Effects::NAMESPACE_CAPABILITIES,
                3 => Effects::NAMESPACE_INVENTORY,
                4 => Effects::CONTROLLER_CAPABILITIES,
                5..=13 | 15 | 18 => Effects::RESERVED,
                16 => Effects::EXCLUSIVE_NAMESPACE,
                17 => Effects::EXCLUSIVE_SUBSYSTEM,
                _ => Effects::empty(),
            };
            assert_eq!(effects, expected, "bit {bit}");
        }
        assert_eq!(Effects::from_nvme(3 << 16), Effects::RESERVED);
    }

    #[test]
    fn names_go_both_ways() {
        for (flag, name) in NAMES {
            assert_eq!(Effects::by_name(name), Some(flag));
            assert_eq!(flag.names().collect::<Vec<_>>(), [name]);
        }
        assert_eq!(Effects::by_name("nonsense"), None);
    }
}

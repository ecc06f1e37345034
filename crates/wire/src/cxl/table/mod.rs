// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command table of CXL: names, sizes, the kernel's own ways; with features and return codes.
//!
//! Rows are ours and are trusted; the numbers and names that they are looked up by are not.
//!
//! *Invariants*: rows are sorted by opcode, UUID and value; a slug or a name picks one command.
//! `None` means not known, never "none".
//!
//! *Not here*: what a command changes or shows (`fwgate_policy::tables`), made from the same
//! files.
//!
//! *Spec*: each row names its own source.

#[rustfmt::skip]
mod commands_gen;

pub use commands_gen::{COMMANDS, FEATURES, RETURN_CODES};

/// Length of a payload in bytes, without the mailbox register or the CCI header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PayloadSize {
    /// Shortest; `None` where not known.
    pub min: Option<u32>,
    /// Longest; `None` where it varies or is not known.
    pub max: Option<u32>,
}

impl PayloadSize {
    /// Whether a payload of `len` bytes can be right. What is not known does not exclude it.
    #[must_use]
    pub fn fits(self, len: u32) -> bool {
        self.min.is_none_or(|min| len >= min) && self.max.is_none_or(|max| len <= max)
    }
}

/// What has become of a memdev ioctl id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemdevState {
    /// Enabled by a row in the Command Effects Log.
    Enabled,
    /// Enabled whatever the log says.
    ForceEnabled,
    /// Refused with EBUSY while an nvdimm child is bound.
    ExclusiveWhileNvdimmBound,
    /// The id is kept, the command refused with ENOTTY.
    Deprecated,
}

/// The Linux memdev ioctl id that carries a command typed.
///
/// Spec: `include/uapi/linux/cxl_mem.h @ v7.3`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Memdev {
    /// `CXL_MEM_COMMAND_ID` number.
    pub id: u8,
    /// Its name, without the prefix.
    pub name: &'static str,
    /// What has become of it.
    pub state: MemdevState,
}

/// One command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandRow {
    /// Opcode.
    pub opcode: u16,
    /// Name, as the specification writes it.
    pub name: &'static str,
    /// Name as it is typed, in kebab-case; unique.
    pub slug: &'static str,
    /// Command set: number and name.
    pub set: &'static str,
    /// Length of the request's payload.
    pub input: PayloadSize,
    /// Length of the reply's payload.
    pub output: PayloadSize,
    /// The memdev ioctl id that carries it, if any.
    pub memdev: Option<Memdev>,
    /// Where it is heard: P primary mailbox, M component CCI over MCTP, S switch CCI, F FM-owned
    /// logical device, L inner CCI of a logical device, H LD pool, G fabric-attached device.
    pub cci: &'static str,
    /// The kernel's own way in, Linux 7.3.
    pub kernel: Option<&'static str>,
    /// Why the RAW ioctl refuses it; `None` where it does not.
    pub raw: Option<&'static str>,
    /// How its payload carries another command, if it does.
    pub tunnel: Option<&'static str>,
    /// Specification section, kernel file or document.
    pub source: &'static str,
    /// What else is known.
    pub notes: Option<&'static str>,
}

/// One feature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeatureRow {
    /// UUID in wire order, which is that of its text.
    pub uuid: [u8; 16],
    /// Name.
    pub name: &'static str,
    /// `scrub`, `repair` or `test`.
    pub class: &'static str,
    /// Whether Linux keeps Set Feature to itself.
    pub exclusive: bool,
    /// Length of the feature's data in Get Feature.
    pub get_size: PayloadSize,
    /// Length of the feature's data in Set Feature.
    pub set_size: PayloadSize,
    /// Get Feature version; `None` where not known.
    pub get_version: Option<u8>,
    /// Set Feature version; `None` where not known.
    pub set_version: Option<u8>,
    /// The kernel's own way in, Linux 7.3.
    pub interface: Option<&'static str>,
    /// Kernel file or document.
    pub source: &'static str,
    /// What else is known.
    pub notes: Option<&'static str>,
}

/// One return code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReturnCodeRow {
    /// Value.
    pub value: u16,
    /// Name.
    pub name: &'static str,
    /// The errno that Linux makes of it; `None` for success and where its table ends.
    pub errno: Option<&'static str>,
    /// Whether to try again, in words: a judgement from the meaning.
    pub retriable: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Kernel file or document.
    pub source: &'static str,
    /// What else is known.
    pub notes: Option<&'static str>,
}

/// The command of that opcode.
#[must_use]
pub fn by_opcode(opcode: u16) -> Option<&'static CommandRow> {
    let at = COMMANDS.binary_search_by_key(&opcode, |row| row.opcode).ok()?;
    COMMANDS.get(at)
}

/// The command of that slug or name, whatever the case of its letters.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static CommandRow> {
    COMMANDS
        .iter()
        .find(|row| row.slug.eq_ignore_ascii_case(name) || row.name.eq_ignore_ascii_case(name))
}

/// The feature of that UUID, in wire order.
#[must_use]
pub fn feature(uuid: &[u8; 16]) -> Option<&'static FeatureRow> {
    let at = FEATURES.binary_search_by(|row| row.uuid.cmp(uuid)).ok()?;
    FEATURES.get(at)
}

/// The return code of that value; `None` for reserved and vendor values.
#[must_use]
pub fn return_code(value: u16) -> Option<&'static ReturnCodeRow> {
    let at = RETURN_CODES.binary_search_by_key(&value, |row| row.value).ok()?;
    RETURN_CODES.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_strictly() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.opcode < b.opcode));
        assert!(FEATURES.is_sorted_by(|a, b| a.uuid < b.uuid));
        assert!(RETURN_CODES.is_sorted_by(|a, b| a.value < b.value));
    }

    #[test]
    fn every_command_is_found_by_opcode_slug_and_name() {
        assert_eq!(COMMANDS.len(), 165);
        for row in COMMANDS {
            assert_eq!(by_opcode(row.opcode), Some(row));
            assert_eq!(by_name(row.slug), Some(row), "{}", row.slug);
            assert_eq!(by_name(row.name), Some(row), "{}", row.name);
        }
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(by_name("GET-health-Info").map(|row| row.opcode), Some(0x4200));
        assert_eq!(by_name("inject poison").map(|row| row.opcode), Some(0x4301));
        assert_eq!(by_name("identify").map(|row| row.opcode), Some(0x0001));
        assert_eq!(by_name("nonsense"), None);
        assert_eq!(by_name(""), None);
    }

    #[test]
    fn vendor_opcodes_have_no_row() {
        for opcode in 0xC000..=u16::MAX {
            assert_eq!(by_opcode(opcode), None);
        }
    }

    #[test]
    fn both_readings_of_set_partition_info_fit() {
        let input = by_opcode(0x4101).map(|row| row.input).unwrap();
        let lengths = [8, 9, 10, 11].map(|len| input.fits(len));
        assert_eq!(lengths, [false, true, true, false]);
    }

    #[test]
    fn what_is_not_known_excludes_no_length() {
        let input = by_opcode(0x4900).map(|row| row.input).unwrap();
        assert_eq!(input, PayloadSize { min: None, max: None });
        assert!(input.fits(0) && input.fits(u32::MAX));
    }

    #[test]
    fn the_eight_features_that_linux_keeps_are_exclusive() {
        assert_eq!(FEATURES.iter().filter(|row| row.exclusive).count(), 8);
        assert_eq!(feature(&[0xFF; 16]).map(|row| row.exclusive), Some(false));
        assert_eq!(feature(&[0; 16]), None);
    }

    #[test]
    fn return_codes_are_named_as_the_mailbox_module_names_them() {
        assert_eq!(RETURN_CODES.len(), 33);
        for row in RETURN_CODES {
            let code = crate::cxl::ReturnCode(row.value);
            assert_eq!(code.name(), Some(row.name), "{:#04x}", row.value);
        }
        assert_eq!(return_code(0x21), None);
    }

    #[test]
    fn memdev_ids_are_those_of_the_kernel_header() {
        let mut ids: std::vec::Vec<u8> =
            COMMANDS.iter().filter_map(|row| row.memdev).map(|memdev| memdev.id).collect();
        ids.sort_unstable();
        let expected: std::vec::Vec<u8> = (1..=24).filter(|id| *id != 2).collect();
        assert_eq!(ids, expected);
    }
}

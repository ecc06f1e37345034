// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words that the kernel prints for numbers in its `cxl` trace events.
//!
//! *Invariants*: words that are not in a table are hexadecimal, as the kernel prints what it has no
//! word for.
//!
//! *Spec*: `drivers/cxl/core/trace.h @ v7.3`, whose `show_...` macros each table is named after.

/// Words, and the number or the bit that each stands for.
pub(super) type Words = &'static [(&'static str, u32)];

pub(super) const LOG: Words = &[("Informational", 0), ("Warning", 1), ("Failure", 2), ("Fatal", 3)];

pub(super) const HDR_FLAGS: Words = &[
    ("PERMANENT_CONDITION", 1 << 2),
    ("MAINTENANCE_NEEDED", 1 << 3),
    ("PERFORMANCE_DEGRADED", 1 << 4),
    ("HARDWARE_REPLACEMENT_NEEDED", 1 << 5),
    ("MAINT_OP_SUB_CLASS_VALID", 1 << 6),
    ("LD_ID_VALID", 1 << 7),
    ("HEAD_ID_VALID", 1 << 8),
];

pub(super) const DPA_FLAGS: Words = &[("VOLATILE", 1), ("NOT_REPAIRABLE", 2)];

pub(super) const EVENT_DESC_FLAGS: Words =
    &[("UNCORRECTABLE_EVENT", 1), ("THRESHOLD_EVENT", 2), ("POISON_LIST_OVERFLOW", 4)];

pub(super) const GMER_MEM_EVENT_TYPE: Words = &[
    ("ECC Error", 0),
    ("Invalid Address", 1),
    ("Data Path Error", 2),
    ("TE State Violation", 3),
    ("Scrub Media ECC Error", 4),
    ("Adv Prog CME Counter Expiration", 5),
    ("CKID Violation", 6),
];

pub(super) const TRANS_TYPE: Words = &[
    ("Unknown", 0),
    ("Host Read", 1),
    ("Host Write", 2),
    ("Host Scan Media", 3),
    ("Host Inject Poison", 4),
    ("Internal Media Scrub", 5),
    ("Internal Media Management", 6),
    ("Internal Media Error Check Scrub", 7),
    ("Media Initialization", 8),
];

pub(super) const GMER_VALID_FLAGS: Words = &[
    ("CHANNEL", 1),
    ("RANK", 1 << 1),
    ("DEVICE", 1 << 2),
    ("COMPONENT", 1 << 3),
    ("COMPONENT PLDM FORMAT", 1 << 4),
];

pub(super) const CME_THRESHOLD_EV_FLAGS: Words = &[
    ("Corrected Memory Errors in Multiple Media Components", 1),
    ("Exceeded Programmable Threshold", 2),
];

pub(super) const MEM_EVENT_SUB_TYPE: Words = &[
    ("Not Reported", 0),
    ("Internal Datapath Error", 1),
    ("Media Link Command Training Error", 2),
    ("Media Link Control Training Error", 3),
    ("Media Link Data Training Error", 4),
    ("Media Link CRC Error", 5),
];

pub(super) const DRAM_MEM_EVENT_TYPE: Words = &[
    ("ECC Error", 0),
    ("Scrub Media ECC Error", 1),
    ("Invalid Address", 2),
    ("Data Path Error", 3),
    ("TE State Violation", 4),
    ("Adv Prog CME Counter Expiration", 5),
    ("CKID Violation", 6),
];

pub(super) const DRAM_VALID_FLAGS: Words = &[
    ("CHANNEL", 1),
    ("RANK", 1 << 1),
    ("NIBBLE", 1 << 2),
    ("BANK GROUP", 1 << 3),
    ("BANK", 1 << 4),
    ("ROW", 1 << 5),
    ("COLUMN", 1 << 6),
    ("CORRECTION MASK", 1 << 7),
    ("COMPONENT", 1 << 8),
    ("COMPONENT PLDM FORMAT", 1 << 9),
    ("SUB CHANNEL", 1 << 10),
];

pub(super) const DEV_EVT_TYPE: Words = &[
    ("Health Status Change", 0),
    ("Media Status Change", 1),
    ("Life Used Change", 2),
    ("Temperature Change", 3),
    ("Data Path Error", 4),
    ("LSA Error", 5),
    ("Unrecoverable Internal Sideband Bus Error", 6),
    ("Memory Media FRU Error", 7),
    ("Power Management Fault", 8),
];

pub(super) const DEV_EVENT_SUB_TYPE: Words = &[
    ("Not Reported", 0),
    ("Invalid Config Data", 1),
    ("Unsupported Config Data", 2),
    ("Unsupported Memory Media FRU", 3),
];

pub(super) const HEALTH_STATUS_FLAGS: Words = &[
    ("MAINTENANCE_NEEDED", 1),
    ("PERFORMANCE_DEGRADED", 1 << 1),
    ("REPLACEMENT_NEEDED", 1 << 2),
    ("MEM_CAPACITY_DEGRADED", 1 << 3),
];

pub(super) const MEDIA_STATUS: Words = &[
    ("Normal", 0),
    ("Not Ready", 1),
    ("Write Persistency Lost", 2),
    ("All Data Lost", 3),
    ("Write Persistency Loss in the Event of Power Loss", 4),
    ("Write Persistency Loss in Event of Shutdown", 5),
    ("Write Persistency Loss Imminent", 6),
    ("All Data Loss in Event of Power Loss", 7),
    ("All Data loss in the Event of Shutdown", 8),
    ("All Data Loss Imminent", 9),
];

pub(super) const LIFE_USED: Words = &[("Normal", 0), ("Warning", 1), ("Critical", 2)];
pub(super) const DEV_TEMP: Words = &[("Normal", 0), ("Warning", 1 << 2), ("Critical", 2 << 2)];
pub(super) const COR_VOL: Words = &[("Normal", 0), ("Warning", 1 << 4)];
pub(super) const COR_PER: Words = &[("Normal", 0), ("Warning", 1 << 5)];

pub(super) const MEM_MODULE_VALID_FLAGS: Words = &[("COMPONENT", 1), ("COMPONENT PLDM FORMAT", 2)];

pub(super) const MEM_SPARING_FLAGS: Words =
    &[("Query Resources", 1), ("Hard Sparing", 2), ("Device Initiated Sparing", 4)];

pub(super) const MEM_SPARING_VALID_FLAGS: Words = &[
    ("CHANNEL", 1),
    ("RANK", 1 << 1),
    ("NIBBLE", 1 << 2),
    ("BANK GROUP", 1 << 3),
    ("BANK", 1 << 4),
    ("ROW", 1 << 5),
    ("COLUMN", 1 << 6),
    ("COMPONENT ID", 1 << 7),
    ("COMPONENT ID PLDM FORMAT", 1 << 8),
    ("SUB CHANNEL", 1 << 9),
];

pub(super) const POISON_SOURCE: Words =
    &[("Unknown", 0), ("External", 1), ("Internal", 2), ("Injected", 3), ("Vendor", 7)];

pub(super) const POISON_FLAGS: Words = &[("More", 1), ("Overflow", 2), ("Scanning", 4)];

/// The number of a word; of hexadecimal where the kernel has no word.
pub(super) fn symbol(words: Words, text: &str) -> Option<u32> {
    words.iter().find(|(word, _)| *word == text).map(|(_, number)| *number).or_else(|| hex(text))
}

/// The sum of the bits of words with `|` between them.
pub(super) fn flags(words: Words, text: &str) -> Option<u32> {
    if text.is_empty() {
        return Some(0);
    }
    text.split('|').try_fold(0, |all, word| Some(all | symbol(words, word.trim_ascii())?))
}

fn hex(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x")?;
    let plain = digits.bytes().all(|it| it.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_bits_without_a_word_are_numbers() {
        assert_eq!(flags(HDR_FLAGS, ""), Some(0));
        assert_eq!(flags(HDR_FLAGS, "PERMANENT_CONDITION | 0x800000"), Some(0x80_0004));
        assert_eq!(flags(DRAM_VALID_FLAGS, "BANK GROUP|BANK"), Some(0x18));
        assert_eq!(flags(HDR_FLAGS, "NEW_WORD"), None);
        assert_eq!(flags(HDR_FLAGS, "|"), None);
        assert_eq!(symbol(LOG, "Fatal"), Some(3));
        assert_eq!(symbol(LOG, "0x4"), Some(4));
        assert_eq!(symbol(LOG, "0x"), None);
        assert_eq!(symbol(LOG, "4"), None);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lists of bad places, scrub settings, security state.
//!
//! *Spec*: `drivers/cxl/cxlmem.h` (poison list, security state bits), `drivers/cxl/core/edac.c` (scrub,
//! error check scrub) @ v7.3.

use serde::Serialize;

use super::{Decoded, Fields};
use crate::message::POISON_UNIT;

/// A place that is bad, or several in a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Poison {
    /// Device address.
    pub(crate) address: u64,
    /// Bytes.
    pub(crate) length: u64,
    /// Where it comes from.
    pub(crate) source: &'static str,
}

/// A reply of Get Poison List.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PoisonList {
    /// The same request again goes on where this one ended.
    pub(crate) more: bool,
    /// The device could not keep all.
    pub(crate) overflow: bool,
    /// A scan is under way that may find others.
    pub(crate) scanning: bool,
    pub(crate) places: Vec<Poison>,
}

/// Bytes before the first record.
const HEAD: usize = 32;

impl PoisonList {
    /// Takes a reply apart; `None` where it is not as it has to be.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let flags = *head.first()?;
        let count = usize::from(u16::from_le_bytes(*head.get(10..)?.first_chunk()?));
        let (records, rest) = rest.as_chunks::<16>();
        if records.len() != count || !rest.is_empty() {
            return None;
        }
        let place = |record: &[u8; 16]| {
            let word = u64::from_le_bytes(*record.first_chunk()?);
            let units = u32::from_le_bytes(*record.get(8..)?.first_chunk()?);
            Some(Poison {
                address: word & !(POISON_UNIT - 1),
                length: u64::from(units).saturating_mul(POISON_UNIT),
                source: source(word),
            })
        };
        Some(Self {
            more: flags & 1 != 0,
            overflow: flags & 2 != 0,
            scanning: flags & 4 != 0,
            places: records.iter().map(place).collect::<Option<_>>()?,
        })
    }
}

const fn source(word: u64) -> &'static str {
    match word & 7 {
        0 => "unknown",
        1 => "external",
        2 => "internal",
        3 => "injected",
        7 => "vendor",
        _ => "reserved",
    }
}

/// Get Security State, 4500h.
pub(crate) fn security(bytes: &[u8]) -> Option<Fields> {
    let word = u32::from_le_bytes(bytes.try_into().ok()?);
    let bit = |at: u32| (word & 1 << at != 0).into();
    Some(vec![
        ("user_passphrase_set", bit(0)),
        ("master_passphrase_set", bit(1)),
        ("locked", bit(2)),
        ("frozen", bit(3)),
        ("user_attempts_used_up", bit(4)),
        ("master_attempts_used_up", bit(5)),
        ("word", format!("{word:#010x}").into()),
    ])
}

/// The patrol scrub's value, as Get Feature reads it.
pub(crate) fn scrub(bytes: &[u8]) -> Option<Decoded> {
    let &[capabilities, hours, least, flags] = bytes.first_chunk::<4>()?;
    Some(Decoded::new(vec![
        ("on", (flags & 1 != 0).into()),
        ("hours", hours.into()),
        ("least_hours", least.into()),
        ("changeable", (capabilities & 1 != 0).into()),
        ("realtime_report", (capabilities & 2 != 0).into()),
    ]))
}

/// One unit of the error check scrub.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct EcsUnit {
    unit: usize,
    /// Errors a gigabit of memory that are reported; `None` for a code that the kernel does not know.
    pub(crate) threshold: Option<u16>,
    /// What is counted.
    counts: &'static str,
}

impl EcsUnit {
    /// The cells of its row.
    pub(crate) fn cells(&self) -> [String; 3] {
        let threshold = self.threshold.map_or("reserved".to_owned(), |it| it.to_string());
        [self.unit.to_string(), threshold, self.counts.to_owned()]
    }
}

/// The error check scrub's value: one unit every four bytes.
pub(crate) fn error_check_scrub(bytes: &[u8]) -> Option<Vec<EcsUnit>> {
    let (_, units) = bytes.split_first()?;
    let (units, rest) = units.as_chunks::<4>();
    let made = units.iter().enumerate().map(|(unit, &[_, config, _, _])| EcsUnit {
        unit,
        threshold: match config & 7 {
            3 => Some(256),
            4 => Some(1024),
            5 => Some(4096),
            _ => None,
        },
        counts: if config & 8 == 0 { "rows" } else { "codewords" },
    });
    rest.is_empty().then(|| made.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(flags: u8, count: u16, records: &[(u64, u32)]) -> Vec<u8> {
        let mut bytes = vec![flags, 0];
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&[0; 20]);
        for (word, units) in records {
            bytes.extend_from_slice(&word.to_le_bytes());
            bytes.extend_from_slice(&units.to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
        }
        bytes
    }

    #[test]
    fn a_record_holds_address_source_and_length() {
        let read = PoisonList::parse(&list(5, 1, &[(0x1003, 2)])).unwrap();
        assert!(read.more && read.scanning && !read.overflow);
        assert_eq!(read.places, [Poison { address: 0x1000, length: 128, source: "injected" }]);
    }

    #[test]
    fn a_list_with_another_number_of_records_than_it_says_is_not_read() {
        for bytes in [list(0, 2, &[(0, 1)]), list(0, 0, &[(0, 1)]), vec![0; 31], Vec::new()] {
            assert_eq!(PoisonList::parse(&bytes), None);
        }
        let mut odd = list(0, 1, &[(0, 1)]);
        odd.push(0);
        assert_eq!(PoisonList::parse(&odd), None);
    }

    #[test]
    fn units_of_the_error_check_scrub_are_told_apart() {
        let units = error_check_scrub(&[1, 0, 3, 0, 0, 0, 12, 0, 0]).unwrap();
        assert_eq!((units[0].threshold, units[1].threshold), (Some(256), Some(1024)));
        assert_eq!(units[1].counts, "codewords");
        assert_eq!(error_check_scrub(&[1, 0]), None);
        assert_eq!(error_check_scrub(&[]), None);
    }
}

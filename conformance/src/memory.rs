// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arena: where it is, what may be read and written in it, and our copy of it.
//!
//! *Invariants*: the pattern's bytes are all above 7Fh, so that eight of them are never an address of user
//! memory; every writable part ends at a page that is not.
//!
//! *Not here*: the mapped one (`sys`).

use fwgate_gate::abi::{CallerMemory, Copied, WritableMemory};

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// Where the arena is, in both.
pub const BASE: u64 = 0x10_0000_0000;
/// Four pages to write to; a hole before and after.
pub const WORK: u64 = BASE + PAGE as u64;
/// The end of [`WORK`].
pub const WORK_END: u64 = WORK + 4 * PAGE as u64;
/// Two pages to read only; a hole before and after.
pub const FIXED: u64 = BASE + 6 * PAGE as u64;
/// Two pages to write to, then one to read only.
pub const EDGE: u64 = BASE + 9 * PAGE as u64;
/// Where [`EDGE`] becomes read-only.
pub const EDGE_FIXED: u64 = EDGE + 2 * PAGE as u64;
/// A little more than 2 MiB to write to; a hole before and after.
pub const BIG: u64 = BASE + 13 * PAGE as u64;
/// Bytes at [`BIG`].
pub const BIG_LENGTH: usize = (2 << 20) + 32 * PAGE;
/// Pages of the arena.
const PAGES: usize = 14 + BIG_LENGTH / PAGE;
/// Bytes of the arena.
pub const LENGTH: usize = PAGES * PAGE;
/// The part before [`BIG`], which is compared each time.
pub const SMALL: usize = 13 * PAGE;

/// What may be done with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Nothing is there.
    Hole,
    /// Read.
    Fixed,
    /// Read and write.
    Free,
}

/// What may be done with that page of the arena.
#[must_use]
pub const fn access(page: usize) -> Access {
    match page {
        1..=4 | 9 | 10 => Access::Free,
        6 | 7 | 11 => Access::Fixed,
        13.. if page < PAGES - 1 => Access::Free,
        _ => Access::Hole,
    }
}

/// Where in the arena an address is.
#[must_use]
pub fn offset(at: u64) -> Option<usize> {
    let into = usize::try_from(at.checked_sub(BASE)?).ok()?;
    (into < LENGTH).then_some(into)
}

/// What the arena holds before an ioctl places its own.
#[must_use]
pub fn pattern() -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    for (at, byte) in bytes.iter_mut().enumerate() {
        if access(at / PAGE) != Access::Hole {
            *byte = 0x80 | u8::try_from((at ^ (at >> 7)) & 0x7f).unwrap_or_default();
        }
    }
    for (at, fixed) in fixed() {
        if let Some(room) = offset(at).and_then(|into| bytes.get_mut(into..into + fixed.len())) {
            room.copy_from_slice(&fixed);
        }
    }
    bytes
}

/// Structures that can be read and not written back: FWCTL_INFO, FWCTL_RPC of Get Supported Features, Identify by
/// id, a query of 0 and one of 25.
pub const FIXED_INFO: u64 = FIXED;
/// See [`FIXED_INFO`].
pub const FIXED_RPC: u64 = FIXED + 0x100;
/// See [`FIXED_INFO`].
pub const FIXED_SEND: u64 = FIXED + 0x200;
/// See [`FIXED_INFO`].
pub const FIXED_QUERY_0: u64 = FIXED + 0x300;
/// See [`FIXED_INFO`].
pub const FIXED_QUERY_25: u64 = FIXED + 0x400;
/// The input of [`FIXED_RPC`].
const FIXED_INPUT: u64 = FIXED + 0x500;

fn fixed() -> Vec<(u64, Vec<u8>)> {
    let words = |words: &[u32], addresses: &[u64]| {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend(addresses.iter().flat_map(|at| at.to_ne_bytes()));
        bytes
    };
    let mut send = words(&[1, 0, 0, 0, 0, 0], &[0]);
    send.extend(words(&[0x43, 0], &[WORK]));
    vec![
        (FIXED_INFO, words(&[24, 0, 0, 8], &[WORK])),
        (FIXED_RPC, words(&[32, 2, 24, 128], &[FIXED_INPUT, WORK])),
        (FIXED_SEND, send),
        (FIXED_QUERY_0, words(&[0, 0], &[])),
        (FIXED_QUERY_25, words(&[25, 0], &[])),
        (FIXED_INPUT, words(&[0x0500, 0, 8, 0, 56, 0], &[])),
    ]
}

/// Our copy of the arena.
#[derive(Clone, Debug)]
pub struct Own(Vec<u8>);

impl Own {
    /// With these bytes, [`LENGTH`] of them.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// All of it, to set up.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// As many of the bytes from there as can be accessed so.
    fn reach(&self, at: u64, length: usize, least: impl Fn(Access) -> bool) -> (usize, usize) {
        let Some(from) = offset(at) else { return (0, 0) };
        let mut to = from;
        while to < from.saturating_add(length) && to < LENGTH && least(access(to / PAGE)) {
            to = (to / PAGE + 1) * PAGE;
        }
        (from, to.min(from.saturating_add(length)))
    }

    fn writable(&self, at: u64, length: usize) -> (usize, usize) {
        self.reach(at, length, |access| access == Access::Free)
    }

    /// The bytes there, where all of them can be read.
    #[must_use]
    pub fn all(&self, at: u64, length: usize) -> Option<&[u8]> {
        let (from, to) = self.reach(at, length, |access| access != Access::Hole);
        (to - from == length).then(|| &self.0[from..to])
    }
}

impl CallerMemory for Own {
    fn read(&self, at: u64, length: usize) -> Copied<'_> {
        let (from, to) = self.reach(at, length, |access| access != Access::Hole);
        let seen = &self.0[from..to];
        if seen.len() == length { Copied::All(seen) } else { Copied::Fault(seen) }
    }
}

impl WritableMemory for Own {
    fn write(&mut self, at: u64, bytes: &[u8]) -> usize {
        let (from, to) = self.writable(at, bytes.len());
        self.0[from..to].copy_from_slice(&bytes[..to - from]);
        to - from
    }

    fn clear(&mut self, at: u64, length: u32) -> u32 {
        let (from, to) = self.writable(at, length as usize);
        self.0[from..to].fill(0);
        u32::try_from(to - from).unwrap_or(u32::MAX)
    }

    fn write_word(&mut self, at: u64, word: [u8; 4]) -> bool {
        let (from, to) = self.writable(at, word.len());
        let whole = to - from == word.len();
        if whole {
            self.0[from..to].copy_from_slice(&word);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_stop_at_the_first_page_that_is_not_writable() {
        let mut own = Own::new(pattern());
        assert_eq!(own.write(WORK_END - 3, &[1; 8]), 3);
        assert_eq!(own.write(EDGE_FIXED - 3, &[1; 8]), 3);
        assert_eq!(own.write(FIXED, &[1; 8]), 0);
        assert_eq!((own.write(0, &[1]), own.write(u64::MAX, &[1])), (0, 0));
        assert_eq!(own.clear(EDGE, u32::MAX), 8192);
        assert!(!own.write_word(EDGE_FIXED - 2, [0; 4]) && own.write_word(EDGE_FIXED - 4, [0; 4]));
        assert_eq!(own.clear(BIG, u32::MAX), BIG_LENGTH as u32);
    }

    #[test]
    fn reads_go_on_from_writable_into_read_only_and_stop_at_a_hole() {
        let own = Own::new(pattern());
        assert_eq!(own.all(EDGE_FIXED - 8, 16).map(<[u8]>::len), Some(16));
        assert_eq!(own.all(WORK_END - 8, 9), None);
        assert!(matches!(own.read(WORK_END - 8, 9), Copied::Fault(seen) if seen.len() == 8));
        assert!(matches!(own.read(BASE, 1), Copied::Fault(&[])));
    }

    #[test]
    fn no_eight_bytes_of_the_pattern_are_an_address_of_user_memory() {
        let own = Own::new(pattern());
        let work = own.all(WORK, 4 * PAGE).unwrap();
        assert!(work.windows(8).all(|it| u64::from_ne_bytes(it.try_into().unwrap()) >= 1 << 63));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! A caller's memory as an ABI sees it: ranges that were copied, ranges that are wanted, writes to make.
//!
//! The memory is hostile: it can change between two copies, and any address can be given.
//!
//! *Invariants*: an address is a number; a range is bounded before it is asked for.
//!
//! *Not here*: how a front end copies and writes; which ranges an ioctl needs.
//!
//! *Spec*: `lib/usercopy.c`, `include/linux/uaccess.h` @ v7.3: `copy_struct_from_user` looks for a byte that is
//! not zero behind the part it knows before it copies that part, in ascending order.

use super::{Errno, bytes, length32};

/// The longest structure that a front end which copies in rounds is asked to copy. The kernel has no such
/// limit: it scans up to 4 GiB for a byte that is not zero. A longer one is `E2BIG` here.
pub const MOST_STRUCT: u32 = 64 << 10;
/// How much of a structure's unknown part is looked at in one go.
const PIECE: u32 = 4096;

/// What was copied of a caller's memory.
pub trait CallerMemory {
    /// The bytes at that address. `length` is never 0.
    fn read(&self, at: u64, length: usize) -> Copied<'_>;
}

/// One look at a caller's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Copied<'m> {
    /// All bytes that were asked for.
    All(&'m [u8]),
    /// These first bytes; the one after them cannot be read.
    Fault(&'m [u8]),
    /// This range was not copied yet.
    NotYet,
}

/// Memory that writes can be made to: the test's, or a process's.
pub trait WritableMemory {
    /// Writes as many of the bytes as can be, from the first; answers how many.
    fn write(&mut self, at: u64, bytes: &[u8]) -> usize;

    /// Writes zeros, likewise.
    fn clear(&mut self, at: u64, length: u32) -> u32;

    /// Writes all four bytes or none; answers whether it did.
    fn write_word(&mut self, at: u64, word: [u8; 4]) -> bool;
}

/// A range of a caller's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Address of its first byte.
    pub at: u64,
    /// Bytes.
    pub length: u32,
}

/// All ranges that a round has to carry, those that it carried already included.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Need {
    /// To copy in.
    pub read: Vec<Range>,
    /// That may be written in the end.
    pub write: Vec<Range>,
}

/// One write to a caller's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// `copy_to_user`: up to the first byte that cannot be written.
    Bytes {
        /// Where.
        at: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// `clear_user`, likewise. Said and not made, for it can be 4 GiB.
    Zeros {
        /// Where.
        at: u64,
        /// How many.
        length: u32,
    },
    /// `put_user`: all of it or nothing.
    Word {
        /// Where.
        at: u64,
        /// What, in the host's byte order.
        word: [u8; 4],
    },
}

/// Writes in their order, and what the ioctl returns after the last. A write that cannot be made in full ends
/// it with `EFAULT`; those before it stay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    /// In this order: a later one can lie over an earlier one.
    pub writes: Vec<Write>,
    /// The ioctl's value.
    pub value: i32,
}

impl Reply {
    /// Makes the writes.
    ///
    /// # Errors
    /// `EFAULT` where one could not be made in full.
    pub fn carry_out(&self, memory: &mut dyn WritableMemory) -> Result<i32, Errno> {
        for write in &self.writes {
            let whole = match write {
                Write::Bytes { bytes, .. } if bytes.is_empty() => true,
                Write::Bytes { at, bytes } => memory.write(*at, bytes) == bytes.len(),
                Write::Zeros { length: 0, .. } => true,
                Write::Zeros { at, length } => memory.clear(*at, *length) == *length,
                Write::Word { at, word } => memory.write_word(*at, *word),
            };
            if !whole {
                return Err(Errno::FAULT);
            }
        }
        Ok(self.value)
    }
}

/// Why an ioctl does not go on here.
#[derive(Debug)]
pub(super) enum Stop {
    Need(Need),
    Errno(Errno),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// Reads a caller's memory and keeps count of what was asked for.
pub(super) struct Fetch<'m> {
    memory: &'m dyn CallerMemory,
    need: Need,
}

impl<'m> Fetch<'m> {
    pub(super) fn new(memory: &'m dyn CallerMemory) -> Self {
        Self { memory, need: Need::default() }
    }

    /// All ranges so far, with those that may be written.
    pub(super) fn need(&self, write: &[Range]) -> Need {
        let write = write.iter().copied().filter(|range| range.length != 0).collect();
        Need { read: self.need.read.clone(), write }
    }

    /// `copy_from_user`. Of no bytes at all it looks at nothing, not at the address either.
    pub(super) fn copy(&mut self, at: u64, length: u32) -> Result<&'m [u8], Stop> {
        if length == 0 {
            return Ok(&[]);
        }
        self.need.read.push(Range { at, length });
        self.look(at, length)
    }

    /// The first range, the ioctl's own structure, is longer than was known: copied anew as one.
    pub(super) fn copy_first(&mut self, at: u64, length: u32) -> Result<&'m [u8], Stop> {
        self.need.read.clear();
        self.copy(at, length)
    }

    fn look(&self, at: u64, length: u32) -> Result<&'m [u8], Stop> {
        match self.memory.read(at, bytes(length)) {
            Copied::All(bytes) => Ok(bytes),
            Copied::Fault(_) => Err(Errno::FAULT.into()),
            Copied::NotYet => Err(Stop::Need(self.need.clone())),
        }
    }

    /// `copy_struct_from_user`: the first `known` bytes, where none of the caller's further ones is set.
    pub(super) fn copy_struct(&mut self, at: u64, known: u32, size: u32) -> Result<&'m [u8], Stop> {
        let mut from = known;
        while from < size {
            let piece = size.saturating_sub(from).min(PIECE);
            let Some(address) = at.checked_add(u64::from(from)) else {
                return Err(Errno::FAULT.into());
            };
            let (seen, whole) = match self.memory.read(address, bytes(piece)) {
                Copied::All(seen) => (seen, true),
                Copied::Fault(seen) => (seen, false),
                Copied::NotYet if size > MOST_STRUCT => return Err(Errno::TOOBIG.into()),
                Copied::NotYet => {
                    self.need.read.clear();
                    self.need.read.push(Range { at, length: size });
                    return Err(Stop::Need(self.need.clone()));
                }
            };
            if seen.iter().any(|byte| *byte != 0) {
                return Err(Errno::TOOBIG.into());
            }
            if !whole {
                return Err(Errno::FAULT.into());
            }
            from = from.saturating_add(piece);
        }
        let bytes = self.copy_first(at, known)?;
        if size > known
            && let Some(first) = self.need.read.first_mut()
        {
            first.length = size;
        }
        Ok(bytes)
    }
}

impl Write {
    /// `copy_to_user`.
    pub(super) const fn bytes(at: u64, bytes: Vec<u8>) -> Self {
        Self::Bytes { at, bytes }
    }

    /// The range that it touches at most.
    #[must_use]
    pub fn range(&self) -> Range {
        match self {
            Self::Bytes { at, bytes } => Range { at: *at, length: length32(bytes.len()) },
            Self::Zeros { at, length } => Range { at: *at, length: *length },
            Self::Word { at, .. } => Range { at: *at, length: 4 },
        }
    }
}

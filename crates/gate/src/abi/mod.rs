// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own ioctls as front ends of the gate: what the kernel would answer, without doing any of it.
//!
//! An ABI is a pure function of the caller, the ioctl's number, its argument and the bytes of the caller's
//! memory that have been copied so far. It answers with one [`Step`]: more ranges to copy, a message for the
//! gate, a reply, or an errno. A front end that copies in rounds (CUSE with RETRY) calls it anew in each round
//! with that round's bytes alone, so that what is judged, what is sent and what was checked are one copy.
//!
//! | mode | what it does |
//! |---|---|
//! | [`Mode::Parity`] | what the kernel does, check by check, in the kernel's order; compared with the kernel by `conformance` |
//! | [`Mode::Serve`] | the kernel's checks of form in the kernel's order, then the gate; opcodes that the driver does not know are requests too |
//!
//! The caller's number, argument and memory are hostile.
//!
//! *Invariants*: nothing is read but through [`CallerMemory`]; what is asked for is bounded by
//! [`MOST_STRUCT`] and the kernel's own limits; no address is followed; nothing is written here, only said.
//!
//! *Not here*: copying and writing a caller's memory (the front end), judging (`gate`), the channel
//! (`fwgate-linux`). How `Serve` differs from the kernel on purpose is in `docs/kernel-behaviour.md`.
//!
//! *Spec*: `drivers/fwctl/main.c`, `drivers/cxl/core/{features,mbox,memdev}.c` @ v7.3.

pub mod fwctl;
pub mod memdev;
mod memory;
pub mod refusal;
#[cfg(test)]
mod tests;

pub use memory::{CallerMemory, Copied, MOST_STRUCT, Need, Range, Reply, WritableMemory, Write};
pub use rustix::io::Errno;

use memory::{Fetch, Stop};

/// Whose order of checks, and how far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// What the kernel does.
    Parity,
    /// The kernel's checks, then the gate.
    Serve {
        /// The most bytes that the front end carries in one direction, the structure included; what asks for
        /// more is refused with `EMSGSIZE`.
        most: u32,
    },
}

/// What comes next.
#[derive(Debug)]
pub enum Step<A> {
    /// Copy these, and call again with them.
    Need(Need),
    /// A message for the gate or, in parity, for the device. Its answer makes the reply.
    Ask(A),
    /// Done: these writes, then this value.
    Reply(Reply),
    /// Refused or failed.
    Errno(Errno),
}

impl<A> From<Result<Self, Stop>> for Step<A> {
    fn from(result: Result<Self, Stop>) -> Self {
        match result {
            Ok(step) => step,
            Err(Stop::Need(need)) => Self::Need(need),
            Err(Stop::Errno(errno)) => Self::Errno(errno),
        }
    }
}

/// A number of bytes as this machine counts them. What does not fit is larger than any buffer.
fn bytes(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// A length that was bounded before.
fn length32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The fixed-size field at that offset; zeros beyond the end.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(from) = bytes.get(at..at.saturating_add(N)) {
        out.copy_from_slice(from);
    }
    out
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The journal of record: an append-only, hash-chained log that is written before a command is sent.
//!
//! What is read back from a journal folder is *not* trusted: a segment, a head or a lock file may hold any
//! bytes. What callers append is trusted to be fit for the record (no secrets, no opaque payloads).
//!
//! *Invariants*
//! - A record is handed to the kernel whole before `append` returns; a killed process loses none of them.
//! - Every byte of a segment is under the chain; changing one is found by [`verify()`].
//! - A record that could not be written, or not be synced when that was asked, is an error; its caller sends nothing.
//! - One process writes at a time. Sequence numbers are the order; times are only information.
//!
//! *Not here*: what a record says (the gate's own types), the SQLite index, the system log.
//!
//! *Spec*: `docs/adr/0003-journal-format.md`.

mod error;
mod folder;
mod format;
mod reader;
mod recover;
mod shared;
mod store;
mod verify;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{Bad, JournalError, What};
pub use format::{Head, Kind, MAX_BODY, Record};
pub use reader::Reader;
pub use verify::{Progress, Report, verify};
pub use writer::{Durability, Entry, Journal, Options};

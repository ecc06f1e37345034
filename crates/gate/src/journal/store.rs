// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the writer puts its bytes: a folder, or memory for tests.
//!
//! *Invariants*: a segment exists with its whole header or not at all; a sink only ever grows, but for
//! [`Sink::truncate`], which takes back what a failed write left.
//!
//! *Not here*: what the bytes are (`writer`, `format`).

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::JournalError;
use super::folder::{Folder, HEAD, Lock, segment_name};
use super::format::Head;
use super::reader::Reader;

/// One segment that is being written. Called by the writer alone; `sync` also while another thread writes.
pub(super) trait Sink: Send + Sync + fmt::Debug {
    /// Appends some of the bytes; says how many.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Returns once everything written before the call is on the disk.
    fn sync(&self) -> io::Result<()>;
    /// Takes the segment back to that length, in bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;
}

/// A place for segments and the head.
pub(super) trait Store: Send + Sync + fmt::Debug {
    /// Makes a segment with that header, durably, and opens it.
    fn begin(&self, segment: u64, header: &[u8]) -> Result<Arc<dyn Sink>, JournalError>;
    /// Puts this head in the place of the last one.
    fn write_head(&self, head: &Head) -> Result<(), JournalError>;
    /// What to call a segment in an error.
    fn place(&self, segment: u64) -> PathBuf;
    /// Reads what was written.
    fn reader(&self) -> Result<Reader, JournalError>;
}

/// A folder that this process holds the lock of.
#[derive(Debug)]
pub(super) struct Disk {
    folder: Arc<Folder>,
    _lock: Lock,
}

impl Disk {
    pub(super) fn new(folder: Arc<Folder>, lock: Lock) -> Self {
        Self { folder, _lock: lock }
    }
}

impl Store for Disk {
    fn begin(&self, segment: u64, header: &[u8]) -> Result<Arc<dyn Sink>, JournalError> {
        Ok(Arc::new(self.folder.make(&segment_name(segment), header)?))
    }

    fn write_head(&self, head: &Head) -> Result<(), JournalError> {
        self.folder.replace(HEAD, &head.to_file())
    }

    fn place(&self, segment: u64) -> PathBuf {
        self.folder.path_of(&segment_name(segment))
    }

    fn reader(&self) -> Result<Reader, JournalError> {
        Reader::in_folder(Arc::clone(&self.folder), 1)
    }
}

impl Sink for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Memory, for tests: one segment that is never closed.
#[derive(Debug, Default)]
pub(super) struct Memory {
    segment: Arc<Mutex<Vec<u8>>>,
}

impl Memory {
    /// The one segment, with its header.
    pub(super) fn first(&self, header: &[u8]) -> Arc<dyn Sink> {
        let mut bytes = self.segment.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.clear();
        bytes.extend_from_slice(header);
        drop(bytes);
        Arc::new(MemorySink { segment: Arc::clone(&self.segment) })
    }
}

impl Store for Memory {
    fn begin(&self, _segment: u64, header: &[u8]) -> Result<Arc<dyn Sink>, JournalError> {
        Ok(self.first(header))
    }

    fn write_head(&self, _head: &Head) -> Result<(), JournalError> {
        Ok(())
    }

    fn place(&self, _segment: u64) -> PathBuf {
        PathBuf::from("<memory>")
    }

    fn reader(&self) -> Result<Reader, JournalError> {
        let bytes = self.segment.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Reader::over(bytes.as_slice()))
    }
}

#[derive(Debug)]
struct MemorySink {
    segment: Arc<Mutex<Vec<u8>>>,
}

impl Sink for MemorySink {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.segment.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.segment.lock().unwrap_or_else(PoisonError::into_inner).truncate(length);
        Ok(())
    }
}

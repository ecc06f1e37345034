// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the records of a whole journal in order, from segment to segment.
//!
//! Input is not trusted. No lock is needed: a writer may append meanwhile, and the reader then ends at the
//! last whole record that it saw.
//!
//! *Invariants*: every record that is given out follows by hash from the one before it; after an error nothing
//! more is given out; memory is bounded (`walk`).
//!
//! *Not here*: comparing with the head file (`verify`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Bad, JournalError, What};
use super::folder::{Folder, Lock, NoWriter, segment_name};
use super::format::{Head, Record};
use super::walk::{Bytes, Found, Step, WalkError, Walker};

/// Iterates over the records of a journal, the oldest first.
///
/// A reader checks the chain, but does not look at the head file: only [`verify`](super::verify()) sees a journal
/// that was cut between two records.
#[derive(Debug)]
pub struct Reader {
    scan: Scan,
    ended: bool,
}

impl Reader {
    /// Opens a journal's folder from its first record.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        Self::open_at(dir, 1)
    }

    /// Opens a journal's folder from a segment on. What that segment's header says of the records before it is
    /// believed. For showing the last records of a long journal; [`Reader::last_segment`] names the last one.
    pub fn open_at(dir: &Path, segment: u64) -> Result<Self, JournalError> {
        let folder = Folder::for_reading(dir)?;
        if folder.highest_segment()?.is_none() {
            return Err(JournalError::Absent { path: folder.path().to_owned() });
        }
        Self::in_folder(Arc::new(folder), segment)
    }

    /// Number of the last segment in a journal's folder.
    pub fn last_segment(dir: &Path) -> Result<u64, JournalError> {
        let folder = Folder::for_reading(dir)?;
        folder
            .highest_segment()?
            .ok_or_else(|| JournalError::Absent { path: folder.path().to_owned() })
    }

    /// Reads one segment, number 1, from memory. For tests and fuzzing.
    pub fn over(segment: &[u8]) -> Self {
        let bytes = Some(Arc::from(segment));
        let scan = Scan { place: Place::Memory(bytes), walker: None, first: 1, growing: false };
        Self { scan, ended: false }
    }

    pub(super) fn in_folder(folder: Arc<Folder>, segment: u64) -> Result<Self, JournalError> {
        Ok(Self { scan: Scan::new(folder, segment), ended: false })
    }
}

impl Iterator for Reader {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        loop {
            match self.scan.next() {
                Ok(Some(Event::Begin)) => {}
                Ok(Some(Event::Record(found))) => return Some(Ok(self.scan.record(found))),
                end => {
                    self.ended = true;
                    return end.err().map(Err);
                }
            }
        }
    }
}

#[derive(Debug)]
enum Place {
    Folder(Arc<Folder>),
    Memory(Option<Arc<[u8]>>),
}

/// What the scan came to.
#[derive(Debug)]
pub(super) enum Event {
    /// A segment's header.
    Begin,
    Record(Found),
}

/// The same without copies; what `verify` uses too.
#[derive(Debug)]
pub(super) struct Scan {
    place: Place,
    walker: Option<Walker>,
    first: u64,
    growing: bool,
}

impl Scan {
    pub(super) fn new(folder: Arc<Folder>, first: u64) -> Self {
        Self { place: Place::Folder(folder), walker: None, first, growing: false }
    }

    /// The next segment or record, or `None` at the end. Not to be called again after that or an error.
    pub(super) fn next(&mut self) -> Result<Option<Event>, JournalError> {
        if self.walker.is_none() {
            return self.begin().map(Some);
        }
        let head = self.head();
        let step = match self.step()? {
            Step::End if head.closed => return self.follow(&head),
            Step::End if self.is_last(head.segment)? => return Ok(None),
            // Its writer may have gone on since we read the end.
            Step::End => self.again()?,
            Step::Tail(_) => return self.tail(&head),
            record @ Step::Record(_) => record,
        };
        match step {
            Step::Record(found) => Ok(Some(Event::Record(found))),
            Step::End | Step::Tail(_) => Err(self.bad(What::NoRotate)),
        }
    }

    fn begin(&mut self) -> Result<Event, JournalError> {
        let first = self.first;
        let follows = (first == 1).then_some(Head::START);
        let Some(bytes) = self.open(first)? else {
            return Err(self.damaged(missing(first, follows.as_ref())));
        };
        let walker = Walker::begin(bytes, first, follows.as_ref());
        self.walker = Some(walker.map_err(|error| self.failed(first, error))?);
        Ok(Event::Begin)
    }

    /// The place up to which everything verifies.
    pub(super) fn head(&self) -> Head {
        self.walker.as_ref().map_or(Head::START, |walker| *walker.head())
    }

    /// A writer was in the middle of a record at the end.
    pub(super) fn growing(&self) -> bool {
        self.growing
    }

    /// What is wrong at the place where the scan stands.
    pub(super) fn bad(&self, what: What) -> JournalError {
        let head = self.head();
        let sequence = head.sequence.saturating_add(1);
        self.damaged(Bad { segment: head.segment, offset: head.offset, sequence, what })
    }

    fn record(&self, found: Found) -> Record {
        let head = self.head();
        Record {
            sequence: head.sequence,
            time: found.time,
            kind: found.kind,
            body: self.walker.as_ref().map_or(Vec::new(), |walker| walker.body().to_vec()),
            segment: head.segment,
            offset: found.offset,
            hash: head.hash,
        }
    }

    /// One step; what looks bad is looked at twice, since a writer takes back what it could not write whole.
    fn step(&mut self) -> Result<Step, JournalError> {
        match self.step_once()? {
            Ok(step) => Ok(step),
            Err(_) => self.again(),
        }
    }

    fn again(&mut self) -> Result<Step, JournalError> {
        if let Some(walker) = &mut self.walker {
            walker.refresh();
        }
        self.step_once()?.map_err(|bad| self.damaged(bad))
    }

    fn step_once(&mut self) -> Result<Result<Step, Bad>, JournalError> {
        let Some(walker) = &mut self.walker else { return Ok(Ok(Step::End)) };
        match walker.step() {
            Ok(step) => Ok(Ok(step)),
            Err(WalkError::Bad(bad)) => Ok(Err(bad)),
            Err(error @ WalkError::Io(_)) => {
                let segment = walker.head().segment;
                Err(self.failed(segment, error))
            }
        }
    }

    fn follow(&mut self, head: &Head) -> Result<Option<Event>, JournalError> {
        let next = head.segment.saturating_add(1);
        // Looked at first: a writer makes segments in order.
        let last = self.is_last(head.segment)?;
        match self.open(next)? {
            Some(bytes) => {
                let walker = Walker::begin(bytes, next, Some(head));
                self.walker = Some(walker.map_err(|error| self.failed(next, error))?);
                Ok(Some(Event::Begin))
            }
            None if last => Ok(None),
            None => Err(self.damaged(missing(next, Some(head)))),
        }
    }

    /// After a step that came to a tail.
    fn tail(&mut self, head: &Head) -> Result<Option<Event>, JournalError> {
        let guard = match &self.place {
            Place::Folder(folder) => Lock::no_writer(folder)?,
            Place::Memory(_) => Some(NoWriter::default()),
        };
        // A writer may have finished the record since; if there is none now, none comes while we look again.
        let step = self.again()?;
        let alive = guard.is_none();
        match step {
            Step::Record(found) => Ok(Some(Event::Record(found))),
            Step::End if self.is_last(head.segment)? => Ok(None),
            Step::Tail(_) if alive && self.is_last(head.segment)? => {
                self.growing = true;
                Ok(None)
            }
            Step::Tail(bytes) if self.is_last(head.segment)? => Err(self.bad(What::Torn { bytes })),
            Step::End | Step::Tail(_) => Err(self.bad(What::NoRotate)),
        }
    }

    fn is_last(&self, segment: u64) -> Result<bool, JournalError> {
        match &self.place {
            Place::Folder(folder) => {
                Ok(folder.highest_segment()?.is_none_or(|last| last <= segment))
            }
            Place::Memory(_) => Ok(true),
        }
    }

    fn open(&mut self, segment: u64) -> Result<Option<Bytes>, JournalError> {
        match &mut self.place {
            Place::Folder(folder) => Ok(folder.open_read(&segment_name(segment))?.map(Bytes::File)),
            Place::Memory(bytes) => Ok(bytes.take().map(Bytes::Memory)),
        }
    }

    fn failed(&self, segment: u64, error: WalkError) -> JournalError {
        match error {
            WalkError::Bad(bad) => self.damaged(bad),
            WalkError::Io(source) => {
                let path = self.path().join(segment_name(segment));
                JournalError::Io { action: "read", path, source }
            }
        }
    }

    fn damaged(&self, bad: Bad) -> JournalError {
        JournalError::Damaged { path: self.path(), bad }
    }

    fn path(&self) -> PathBuf {
        match &self.place {
            Place::Folder(folder) => folder.path().to_owned(),
            Place::Memory(_) => PathBuf::from("<memory>"),
        }
    }
}

/// A segment that ought to be there.
pub(super) fn missing(segment: u64, follows: Option<&Head>) -> Bad {
    let sequence = follows.map_or(0, |head| head.sequence.saturating_add(1));
    Bad { segment, offset: 0, sequence, what: What::SegmentMissing }
}

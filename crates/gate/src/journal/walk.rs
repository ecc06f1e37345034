// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks the records of one segment in order, checking every byte against the chain.
//!
//! Input is not trusted: any bytes, of any length, that may grow while they are read.
//!
//! *Invariants*: at most [`MAX_TAIL`] bytes and one chunk are held in memory; a record is given out only after
//! its hash was checked; the head moves by whole records only.
//!
//! *Not here*: going from segment to segment (`reader`), the head file (`verify`, `recover`).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::{Bad, What};
use super::format::{
    FRAME_LEN, Frame, HASH_LEN, HEADER_LEN, Hash, Head, Header, Kind, MARKER, record_len,
};

/// More than this after the last whole record is not a torn tail.
pub(super) const MAX_TAIL: usize = 1 << 20;
/// Bytes asked of the file at a time.
const CHUNK: usize = 1 << 16;
/// A power cut can leave zeros where data was not yet written; fewer than this could be an edit.
const ZEROS: usize = 16;

/// Where the bytes of a segment come from.
#[derive(Debug)]
pub(super) enum Bytes {
    File(File),
    Memory(Arc<[u8]>),
}

impl Bytes {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            // A file cannot be longer than this, so nothing is there.
            Self::File(_) if i64::try_from(offset).is_err() => Ok(0),
            Self::File(file) => loop {
                match file.read_at(into, offset) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => return other,
                }
            },
            Self::Memory(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = bytes.get(from..).unwrap_or_default();
                let count = rest.len().min(into.len());
                for (to, byte) in into.iter_mut().zip(rest) {
                    *to = *byte;
                }
                Ok(count)
            }
        }
    }
}

/// A record that was checked; its body is [`Walker::body`] until the next step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) time: u64,
    pub(super) kind: Kind,
    /// Where it begins.
    pub(super) offset: u64,
}

#[derive(Debug)]
pub(super) enum Step {
    Record(Found),
    /// The segment ends exactly after the last whole record.
    End,
    /// That many bytes follow which may be a record that is not yet, or never was, wholly written.
    Tail(u64),
}

#[derive(Debug)]
pub(super) enum WalkError {
    Io(io::Error),
    Bad(Bad),
}

impl From<io::Error> for WalkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[derive(Debug)]
pub(super) struct Walker {
    bytes: Bytes,
    /// Bytes of the segment; those from `start` on are at `head.offset`.
    window: Vec<u8>,
    start: usize,
    body: Range<usize>,
    head: Head,
}

impl Walker {
    /// Reads the segment header. `follows` is the head of the segment before; without it, the header is
    /// believed about what came before.
    pub(super) fn begin(
        bytes: Bytes,
        segment: u64,
        follows: Option<&Head>,
    ) -> Result<Self, WalkError> {
        let sequence = follows.map_or(0, |head| head.sequence);
        let head = Head { sequence, segment, offset: 0, hash: [0; HASH_LEN], closed: false };
        let mut walker = Self { bytes, window: Vec::new(), start: 0, body: 0..0, head };
        walker.fill(HEADER_LEN)?;
        let (header, hash) = Header::parse(walker.rest()).map_err(|what| walker.bad(what))?;
        let first = follows.map_or(header.first.max(1), |head| head.sequence.saturating_add(1));
        for (field, expected, found) in
            [("number", segment, header.segment), ("first record", first, header.first)]
        {
            if expected != found {
                return Err(walker.bad(What::HeaderField { field, expected, found }));
            }
        }
        if follows.is_some_and(|head| head.hash != header.previous) {
            return Err(walker.bad(What::HeaderLink));
        }
        walker.start = HEADER_LEN;
        walker.head.sequence = first.saturating_sub(1);
        walker.head.offset = HEADER_LEN as u64;
        walker.head.hash = hash;
        Ok(walker)
    }

    /// Goes on from a head that was written earlier. Checks the segment header and that the hash which the head
    /// names stands where it says; the records before it are not looked at.
    pub(super) fn resume(bytes: Bytes, head: &Head) -> Result<Self, WalkError> {
        let mut walker = Self::begin(bytes, head.segment, None)?;
        let from = head.offset.saturating_sub(HASH_LEN as u64);
        let behind = What::BehindHead {
            sequence: head.sequence,
            segment: head.segment,
            offset: head.offset,
        };
        if head.sequence < walker.head.sequence || head.offset < HEADER_LEN as u64 {
            return Err(walker.bad(What::HeadDisagrees { sequence: head.sequence }));
        }
        walker.refresh();
        walker.head.offset = from;
        let available = walker.fill(HASH_LEN)?;
        let stored = walker.rest().first_chunk::<HASH_LEN>().copied();
        walker.refresh();
        walker.head = *head;
        match stored {
            _ if available < HASH_LEN => Err(walker.bad(behind)),
            Some(hash) if hash == head.hash => Ok(walker),
            _ => Err(walker.bad(What::HeadDisagrees { sequence: head.sequence })),
        }
    }

    /// The next record. After an error or a tail the walker stands still; [`Walker::refresh`] looks again.
    pub(super) fn step(&mut self) -> Result<Step, WalkError> {
        self.body = 0..0;
        if self.fill(FRAME_LEN)? == 0 {
            return Ok(Step::End);
        }
        if self.head.closed {
            return Err(self.bad(What::AfterRotate));
        }
        match self.check()? {
            Ok((frame, hash)) => {
                let offset = self.head.offset;
                let whole = frame.record_len();
                let body = self.start.saturating_add(FRAME_LEN);
                self.start = self.start.saturating_add(whole);
                self.body = body..self.start.saturating_sub(HASH_LEN);
                self.head = Head {
                    sequence: frame.sequence,
                    segment: self.head.segment,
                    offset: offset.saturating_add(whole as u64),
                    hash,
                    closed: frame.kind == Kind::Rotate,
                };
                Ok(Step::Record(Found { time: frame.time, kind: frame.kind, offset }))
            }
            Err(what) => match self.torn()? {
                Some(bytes) => Ok(Step::Tail(bytes)),
                None => Err(self.bad(what)),
            },
        }
    }

    /// The place after the last record that was given out.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// The body of the record that the last step gave out.
    pub(super) fn body(&self) -> &[u8] {
        self.window.get(self.body.clone()).unwrap_or_default()
    }

    /// Forgets what was read ahead, so that the next step sees what the file holds now.
    pub(super) fn refresh(&mut self) {
        self.window.clear();
        self.start = 0;
        self.body = 0..0;
    }

    /// `what` at the place where the walker stands.
    pub(super) fn bad(&self, what: What) -> WalkError {
        WalkError::Bad(self.bad_here(what))
    }

    pub(super) fn bad_here(&self, what: What) -> Bad {
        Bad {
            segment: self.head.segment,
            offset: self.head.offset,
            sequence: self.head.sequence.saturating_add(1),
            what,
        }
    }

    /// Checks the record at the head, as far as it is there.
    fn check(&mut self) -> io::Result<Result<(Frame, Hash), What>> {
        let short = |expected: usize, found: usize| What::Short {
            expected: expected as u64,
            found: found as u64,
        };
        let frame = match Frame::parse(self.rest()) {
            None => return Ok(Err(short(record_len(0), self.rest().len()))),
            Some(Err(what)) => return Ok(Err(what)),
            Some(Ok(frame)) => frame,
        };
        if Some(frame.sequence) != self.head.sequence.checked_add(1) {
            return Ok(Err(What::Sequence { found: frame.sequence }));
        }
        let whole = frame.record_len();
        let available = self.fill(whole)?;
        let Some((covered, stored)) =
            self.rest().get(..whole).and_then(|record| record.split_last_chunk::<HASH_LEN>())
        else {
            return Ok(Err(short(whole, available)));
        };
        let hash = chained(&self.head.hash, covered);
        Ok(if hash == *stored { Ok((frame, hash)) } else { Err(What::Hash) })
    }

    /// How many bytes the tail has, if what follows is the beginning of one record that was not wholly written:
    /// cut short, or with zeros in place of its end.
    fn torn(&mut self) -> io::Result<Option<u64>> {
        self.fill(MAX_TAIL.saturating_add(1))?;
        let rest = self.rest();
        if rest.len() > MAX_TAIL {
            return Ok(None);
        }
        let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
        let next = self.head.sequence.saturating_add(1);
        let whole = match Frame::parse(rest) {
            Some(Ok(frame)) if frame.sequence == next => frame.record_len(),
            _ => FRAME_LEN,
        };
        let written = if rest.len() < whole {
            rest
        } else {
            let written = rest.get(..rest.len().saturating_sub(zeros)).unwrap_or_default();
            if zeros < ZEROS || written.len() >= whole {
                return Ok(None);
            }
            written
        };
        let same = |at: usize, expected: &[u8]| {
            written.iter().skip(at).zip(expected).all(|(found, expected)| found == expected)
        };
        // A later marker means whole records after this one: its length was edited, not its end lost.
        let more = written.windows(MARKER.len()).skip(1).any(|bytes| bytes == MARKER);
        let begins = same(0, &MARKER) && (written.len() < 16 || same(8, &next.to_le_bytes()));
        Ok((begins && !more).then_some(rest.len() as u64))
    }

    /// Makes the window hold `want` bytes from the head on, or all there are; says how many it holds.
    fn fill(&mut self, want: usize) -> io::Result<usize> {
        if self.rest().len() < want {
            self.window.drain(..self.start.min(self.window.len()));
            self.start = 0;
            self.body = 0..0;
        }
        while self.window.len().saturating_sub(self.start) < want {
            let have = self.window.len();
            self.window.resize(have.saturating_add(CHUNK), 0);
            let offset = self.head.offset.saturating_add(have as u64);
            let read = match self.window.get_mut(have..) {
                Some(room) => self.bytes.read_at(room, offset),
                None => Ok(0),
            };
            self.window.truncate(have.saturating_add(*read.as_ref().unwrap_or(&0)));
            if read? == 0 {
                break;
            }
        }
        Ok(self.rest().len())
    }

    fn rest(&self) -> &[u8] {
        self.window.get(self.start..).unwrap_or_default()
    }
}

/// The hash of a record: over the hash before it, then its frame and body.
pub(super) fn chained(previous: &Hash, covered: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(covered);
    hasher.finalize().into()
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of a journal: segment header, record frame, head file.
//!
//! Input of the parsing functions is not trusted.
//!
//! *Invariants*: all numbers are little-endian; what [`Frame::parse`] accepts, [`Frame::put`] writes back
//! byte for byte. Format version 1 is frozen.
//!
//! *Not here*: the chain over several records (`walk`), files (`folder`).
//!
//! *Spec*: `docs/adr/0003-journal-format.md`.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::What;

/// Longest body of a record, in bytes.
pub const MAX_BODY: usize = 65_536;

pub(super) const MAGIC: [u8; 8] = *b"FWGATEJ1";
pub(super) const VERSION: u32 = 1;
/// Segment header with its hash.
pub(super) const HEADER_LEN: usize = 104;
/// Record frame, before the body.
pub(super) const FRAME_LEN: usize = 40;
pub(super) const HASH_LEN: usize = 32;
/// Begins every record. FFh and FEh occur nowhere in UTF-8, so no body can hold it.
pub(super) const MARKER: [u8; 4] = [0xFF, b'f', b'w', 0xFE];

pub(super) type Hash = [u8; HASH_LEN];

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A verdict; on an allow it is written before the command is sent.
    Decision,
    /// What became of a command. Where it is absent, the process died and the outcome is unknown.
    Outcome {
        /// Sequence number of the decision.
        decision: u64,
    },
    /// What was read of a device before anything could be judged.
    Probe,
    /// A note about the journal itself, such as a torn tail that was cut off.
    Head,
    /// Closes a segment. Written by the journal alone.
    Rotate,
}

impl Kind {
    /// The word for it, as in the command line's JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Outcome { .. } => "outcome",
            Self::Probe => "probe",
            Self::Head => "head",
            Self::Rotate => "rotate",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Decision => 1,
            Self::Outcome { .. } => 2,
            Self::Probe => 3,
            Self::Head => 4,
            Self::Rotate => 5,
        }
    }

    fn names(self) -> u64 {
        match self {
            Self::Outcome { decision } => decision,
            Self::Decision | Self::Probe | Self::Head | Self::Rotate => 0,
        }
    }
}

/// One record as read back. Its hash was checked against the records before it in the same reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number: 1 for the first of the journal, and no gaps.
    pub sequence: u64,
    /// When it was written, by the host's clock: nanoseconds since 1970, UTC. Not an order.
    pub time: u64,
    /// What it is about.
    pub kind: Kind,
    /// The body: a JSON object, at most [`MAX_BODY`] bytes.
    pub body: Vec<u8>,
    /// Number of the segment that holds it.
    pub segment: u64,
    /// Where it begins in that segment, in bytes.
    pub offset: u64,
    /// SHA-256 over the hash before it, its frame and its body.
    pub hash: [u8; 32],
}

/// A place in a journal: everything up to `offset` in `segment`, ending with record `sequence`.
///
/// Its text form (`Display`) is one line, made for the system log: whoever compares it later with the journal
/// sees a cut that took the head file along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the last record; 0 when there is none yet.
    pub sequence: u64,
    /// Number of the segment, from 1.
    pub segment: u64,
    /// End of that record (or of the segment header) in the segment, in bytes.
    pub offset: u64,
    /// Hash of that record (or of the segment header).
    pub hash: [u8; 32],
    /// The record closes its segment.
    pub closed: bool,
}

impl Head {
    /// The place before the first segment.
    pub(super) const START: Self =
        Self { sequence: 0, segment: 0, offset: 0, hash: [0; HASH_LEN], closed: true };

    /// Where two heads stand to each other, in bytes of the journal.
    pub(super) fn position(&self) -> (u64, u64) {
        (self.segment, self.offset)
    }

    /// The bytes of the head file.
    pub(super) fn to_file(self) -> Vec<u8> {
        let file = HeadFile {
            version: VERSION,
            sequence: self.sequence,
            segment: self.segment,
            offset: self.offset,
            hash: hex(&self.hash),
            closed: self.closed,
            check: hex(&self.check()),
        };
        let mut bytes = serde_json::to_vec(&file).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Parses a head file. The error says what was expected and found.
    pub(super) fn from_file(bytes: &[u8]) -> Result<Self, String> {
        let file: HeadFile =
            serde_json::from_slice(bytes).map_err(|error| cleaned(&error.to_string()))?;
        if file.version != VERSION {
            return Err(format!("version {VERSION} expected, {} found", file.version));
        }
        let hash = unhex(&file.hash).ok_or("hash of 64 hexadecimal digits expected")?;
        let HeadFile { sequence, segment, offset, closed, .. } = file;
        let head = Self { sequence, segment, offset, hash, closed };
        // Compared with the very bytes that we would write: no other spelling of the same head passes.
        if head.to_file() == bytes {
            Ok(head)
        } else {
            Err("it does not match its check".to_owned())
        }
    }

    fn check(&self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(b"FWGATEJ1 head");
        hasher.update(self.sequence.to_le_bytes());
        hasher.update(self.segment.to_le_bytes());
        hasher.update(self.offset.to_le_bytes());
        hasher.update(self.hash);
        hasher.update([u8::from(self.closed)]);
        hasher.finalize().into()
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, segment, offset, hash, closed: _ } = self;
        write!(f, "sequence={sequence} segment={segment} offset={offset} hash={}", hex(hash))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadFile {
    version: u32,
    sequence: u64,
    segment: u64,
    offset: u64,
    hash: String,
    closed: bool,
    check: String,
}

/// The first bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) segment: u64,
    /// Nanoseconds since 1970, UTC.
    pub(super) created: u64,
    /// Sequence number of the first record in it.
    pub(super) first: u64,
    /// Hash of the last record of the segment before; zeros in the first.
    pub(super) previous: Hash,
}

impl Header {
    /// The bytes, and the hash that ends them, from which the first record is chained.
    pub(super) fn to_bytes(self) -> (Vec<u8>, Hash) {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.segment.to_le_bytes());
        bytes.extend_from_slice(&self.created.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.previous);
        let hash = sha256(&bytes);
        bytes.extend_from_slice(&hash);
        (bytes, hash)
    }

    /// Parses a header and checks its own hash.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, Hash), What> {
        Self::fields(bytes).unwrap_or(Err(What::HeaderShort { found: bytes.len() as u64 }))
    }

    fn fields(bytes: &[u8]) -> Option<Result<(Self, Hash), What>> {
        let mut rest = bytes.get(..HEADER_LEN)?;
        if take::<8>(&mut rest)? != MAGIC {
            return Some(Err(What::HeaderMagic));
        }
        let version = u32::from_le_bytes(take(&mut rest)?);
        let reserved = u32::from_le_bytes(take(&mut rest)?);
        for (field, expected, found) in [("version", VERSION, version), ("reserved", 0, reserved)] {
            if expected != found {
                let (expected, found) = (expected.into(), found.into());
                return Some(Err(What::HeaderField { field, expected, found }));
            }
        }
        let segment = u64::from_le_bytes(take(&mut rest)?);
        let created = u64::from_le_bytes(take(&mut rest)?);
        let first = u64::from_le_bytes(take(&mut rest)?);
        let previous = take(&mut rest)?;
        let stored: Hash = take(&mut rest)?;
        let hash = sha256(bytes.get(..HEADER_LEN.saturating_sub(HASH_LEN))?);
        if stored != hash {
            return Some(Err(What::HeaderHash));
        }
        Some(Ok((Self { segment, created, first, previous }, hash)))
    }
}

/// The first bytes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Of the body, in bytes.
    pub(super) length: u32,
    pub(super) sequence: u64,
    pub(super) time: u64,
    pub(super) kind: Kind,
}

impl Frame {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MARKER);
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.time.to_le_bytes());
        out.extend_from_slice(&self.kind.names().to_le_bytes());
        out.extend_from_slice(&[self.kind.code(), 0, 0, 0, 0, 0, 0, 0]);
    }

    /// Parses a frame. `None` when there are fewer than [`FRAME_LEN`] bytes.
    pub(super) fn parse(bytes: &[u8]) -> Option<Result<Self, What>> {
        let mut rest = bytes.get(..FRAME_LEN)?;
        let marker: [u8; 4] = take(&mut rest)?;
        let length = u32::from_le_bytes(take(&mut rest)?);
        let sequence = u64::from_le_bytes(take(&mut rest)?);
        let time = u64::from_le_bytes(take(&mut rest)?);
        let names = u64::from_le_bytes(take(&mut rest)?);
        let [code, reserved @ ..] = take::<8>(&mut rest)?;
        let kind = match code {
            1 => Kind::Decision,
            2 => Kind::Outcome { decision: names },
            3 => Kind::Probe,
            4 => Kind::Head,
            5 => Kind::Rotate,
            _ => Kind::Decision,
        };
        let named = match kind {
            Kind::Outcome { decision } => decision != 0 && decision < sequence,
            Kind::Decision | Kind::Probe | Kind::Head | Kind::Rotate => names == 0,
        };
        Some(if marker != MARKER {
            Err(What::Marker { found: u32::from_le_bytes(marker) })
        } else if usize::try_from(length).is_ok_and(|length| length > MAX_BODY) {
            Err(What::Length { found: length })
        } else if kind.code() != code {
            Err(What::Kind { found: code })
        } else if reserved != [0; 7] {
            Err(What::Reserved)
        } else if !named {
            Err(What::Names { found: names })
        } else {
            Ok(Self { length, sequence, time, kind })
        })
    }

    /// Bytes of the whole record: frame, body, hash.
    pub(super) fn record_len(&self) -> usize {
        record_len(usize::try_from(self.length).unwrap_or(usize::MAX))
    }
}

/// Bytes of a whole record whose body has `body` bytes.
pub(super) fn record_len(body: usize) -> usize {
    body.saturating_add(FRAME_LEN).saturating_add(HASH_LEN)
}

pub(super) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Text that may quote hostile bytes, made fit for a terminal.
pub(super) fn cleaned(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn unhex(text: &str) -> Option<Hash> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != HASH_LEN || !rest.is_empty() {
        return None;
    }
    let mut hash = [0; HASH_LEN];
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(hash)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

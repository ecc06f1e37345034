// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the journal, by what could go wrong.
//!
//! *Not here*: the road from a verdict to a record.

mod folder;
mod golden;
mod group;
mod hostile;
mod kill;
mod tamper;
mod torn;
mod writing;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::{Bad, JournalError, What};
use super::format::{FRAME_LEN, HASH_LEN, HEADER_LEN, Hash, Head, Header, Kind, MARKER, Record};
use super::walk::chained;
use super::{Durability, Journal, Options, Reader, Report, verify};

/// A folder for one journal, in a place that only we can write.
struct Place {
    _temp: TempDir,
    dir: PathBuf,
}

fn place() -> Place {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("journal");
    Place { _temp: temp, dir }
}

impl Place {
    fn open(&self) -> Journal {
        Journal::open(&self.dir, Options::default()).unwrap()
    }

    fn open_error(&self) -> JournalError {
        Journal::open(&self.dir, Options::default()).unwrap_err()
    }

    /// A closed journal of that many records of different lengths and kinds.
    fn with_records(count: u64) -> Self {
        let place = place();
        let journal = place.open();
        fill(&journal, count);
        journal.close().unwrap();
        place
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.dir.join(format!("segment-{number:08}.fwj"))
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.segment(1)).unwrap()
    }

    fn put(&self, bytes: &[u8]) {
        fs::write(self.segment(1), bytes).unwrap();
    }

    fn put_byte(&self, at: usize, byte: u8) {
        let file = fs::File::options().write(true).open(self.segment(1)).unwrap();
        file.write_all_at(&[byte], at as u64).unwrap();
    }

    fn verify(&self) -> Report {
        verify(&self.dir, |_| {}).unwrap()
    }

    fn bad(&self) -> Bad {
        self.verify().first_bad.expect("a finding")
    }

    fn records(&self) -> Vec<Record> {
        Reader::open(&self.dir).unwrap().map(Result::unwrap).collect()
    }

    /// Makes the head file name the start of the journal, as if the process had died within its first second.
    fn head_at_start(&self) {
        let (_, hash) = Header::parse(&self.bytes()).unwrap();
        let head = Head { sequence: 0, segment: 1, offset: HEADER_LEN as u64, hash, closed: false };
        fs::write(self.dir.join("head"), head.to_file()).unwrap();
    }
}

fn body(number: u64) -> Vec<u8> {
    let filler = "x".repeat(usize::try_from(number * 7 % 61).unwrap());
    format!("{{\"number\":{number},\"filler\":\"{filler}\"}}").into_bytes()
}

fn fill(journal: &Journal, count: u64) {
    for number in 1..=count {
        let kind = match number % 4 {
            1 | 3 => Kind::Decision,
            2 => Kind::Outcome { decision: number - 1 },
            _ => Kind::Probe,
        };
        let entry = journal.append(kind, &body(number), Durability::Grouped).unwrap();
        assert_eq!(entry.sequence, number);
    }
}

/// Splits a segment into its header and its records, by their length fields.
fn split(bytes: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (header, mut rest) = bytes.split_at(HEADER_LEN);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        let (record, left) = rest.split_at(FRAME_LEN + length + HASH_LEN);
        records.push(record.to_vec());
        rest = left;
    }
    (header.to_vec(), records)
}

fn join(header: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    [header.to_vec(), records.concat()].concat()
}

/// Makes the chain right again after an edit, as somebody would who knows the format.
fn rechain(header: &[u8], records: &mut [Vec<u8>]) {
    let mut hash: Hash = header[HEADER_LEN - HASH_LEN..].try_into().unwrap();
    for record in records {
        let covered = record.len() - HASH_LEN;
        hash = chained(&hash, &record[..covered]);
        record[covered..].copy_from_slice(&hash);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is appended is read back; failures of the disk are told, and nothing is lost or half there.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::format::MAX_BODY;
use super::super::recover::Key;
use super::super::store::{Memory, Sink, Store};
use super::*;

#[test]
fn records_are_read_back_as_they_were_written() {
    let place = Place::with_records(40);
    let records = place.records();
    assert_eq!(records.len(), 40);
    for (number, record) in (1..).zip(&records) {
        assert_eq!(record.sequence, number);
        assert_eq!(record.body, body(number));
    }
    assert_eq!(records[1].kind, Kind::Outcome { decision: 1 });
    assert_eq!(records[3].kind.name(), "probe");
    let report = place.verify();
    assert_eq!((report.records, report.segments, &report.first_bad), (40, 1, &None));
    assert_eq!(report.recorded, Some(report.head));
    assert_eq!(report.head.hash, records[39].hash);
}

#[test]
fn a_journal_goes_on_where_it_ended() {
    let place = Place::with_records(3);
    let journal = place.open();
    assert_eq!(journal.head().sequence, 3);
    assert_eq!(journal.recovered(), None);
    assert_eq!(journal.append(Kind::Probe, b"{}", Durability::Synced).unwrap().sequence, 4);
    drop(journal);
    let report = place.verify();
    assert_eq!((report.records, report.is_clean()), (4, true));
}

#[test]
fn a_journal_in_memory_keeps_its_records_and_its_chain() {
    let journal = Journal::in_memory();
    fill(&journal, 10);
    let entry = journal.append(Kind::Decision, b"{\"x\":1}", Durability::Synced).unwrap();
    let records: Vec<_> = journal.reader().unwrap().map(Result::unwrap).collect();
    assert_eq!(records.len(), 11);
    assert_eq!((records[10].sequence, records[10].hash), (entry.sequence, entry.hash));
    assert_eq!(journal.head().hash, entry.hash);
}

#[test]
fn what_is_not_a_record_is_refused_and_leaves_no_trace() {
    let journal = Journal::in_memory();
    let long = [b"{".to_vec(), vec![b' '; MAX_BODY - 1], b"}".to_vec()].concat();
    let cases: [(Kind, &[u8], &str); 7] = [
        (Kind::Decision, b"", "body is not a JSON object"),
        (Kind::Decision, b"[1]", "body is not a JSON object"),
        (Kind::Decision, b"{\xFF}", "body is not UTF-8 from byte 1 on"),
        (Kind::Decision, &long, "body of at most 65536 bytes expected, 65537 found"),
        (Kind::Rotate, b"{}", "kind `rotate` is written by the journal alone"),
        (Kind::Outcome { decision: 0 }, b"{}", "an outcome names a record from 1 to 0, not 0"),
        (Kind::Outcome { decision: 1 }, b"{}", "an outcome names a record from 1 to 0, not 1"),
    ];
    for (kind, body, expected) in cases {
        let error = journal.append(kind, body, Durability::Grouped).unwrap_err();
        assert!(matches!(&error, JournalError::Record { why } if why == expected), "{error}");
    }
    assert_eq!(journal.head().sequence, 0);
    let longest = &[&long[..MAX_BODY - 1], b"}"].concat();
    assert_eq!(journal.append(Kind::Decision, longest, Durability::Grouped).unwrap().sequence, 1);
}

#[test]
fn segments_are_closed_by_size_and_carry_the_chain_over() {
    let place = place();
    let options = Options::default().segment_bytes(1000);
    let journal = Journal::open(&place.dir, options.clone()).unwrap();
    fill_any(&journal, 30);
    drop(journal);
    // Another opening goes on in the last segment.
    let journal = Journal::open(&place.dir, options).unwrap();
    fill_any(&journal, 30);
    drop(journal);
    let report = place.verify();
    assert!(report.is_clean(), "{:?}", report.first_bad);
    assert!(report.segments > 5, "{} segments", report.segments);
    assert_eq!(report.segments, Reader::last_segment(&place.dir).unwrap());
    let records = place.records();
    let rotations = records.iter().filter(|record| record.kind == Kind::Rotate).count() as u64;
    assert_eq!(rotations, report.segments - 1);
    assert_eq!(records.len() as u64, 60 + rotations);
    let last: Vec<_> = Reader::open_at(&place.dir, report.segments).unwrap().collect();
    assert_eq!(last.last().unwrap().as_ref().unwrap(), records.last().unwrap());
}

#[test]
fn a_segment_takes_at_least_one_record_however_small_its_limit() {
    let place = place();
    let journal = Journal::open(&place.dir, Options::default().segment_bytes(1)).unwrap();
    fill_any(&journal, 4);
    drop(journal);
    let report = place.verify();
    assert_eq!((report.segments, report.records, report.first_bad), (4, 7, None));
}

#[test]
fn a_clock_that_jumps_backward_breaks_nothing() {
    static CLOCK: AtomicU64 = AtomicU64::new(u64::MAX / 2);
    let place = place();
    let mut options = Options::default().segment_bytes(2000);
    options.clock = || CLOCK.fetch_sub(1_000_000_000_000, Ordering::Relaxed);
    let journal = Journal::open(&place.dir, options).unwrap();
    fill_any(&journal, 50);
    drop(journal);
    let records = place.records();
    assert!(records.windows(2).all(|pair| pair[0].time > pair[1].time));
    assert!(records.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence));
    assert!(place.verify().is_clean());
}

#[test]
fn digests_are_keyed_by_journal_and_stable_over_openings() {
    let (one, two) = (place(), place());
    let first = one.open().keyed_digest(b"payload");
    assert_eq!(one.open().keyed_digest(b"payload"), first);
    assert_ne!(one.open().keyed_digest(b"payloae"), first);
    assert_ne!(two.open().keyed_digest(b"payload"), first);
    assert!(!format!("{:?}", one.open()).contains("key"));
}

#[test]
fn grouped_records_are_synced_and_named_by_the_head_within_a_second() {
    let place = place();
    let journal = place.open();
    fill(&journal, 5);
    let started = Instant::now();
    while place.verify().recorded.unwrap().sequence < 5 {
        assert!(started.elapsed() < Duration::from_secs(5), "the head was not written");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!((1..5).contains(&journal.syncs()), "{} syncs", journal.syncs());
}

/// A disk that fails on demand.
#[derive(Debug, Default)]
struct Faults {
    /// Bytes that are still taken; the write after that fails.
    room: AtomicU64,
    truncate: AtomicBool,
    sync: AtomicBool,
    begin: AtomicBool,
}

#[derive(Debug)]
struct FaultyStore {
    memory: Memory,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct FaultySink {
    inner: Arc<dyn Sink>,
    faults: Arc<Faults>,
}

impl Store for FaultyStore {
    fn begin(&self, segment: u64, header: &[u8]) -> Result<Arc<dyn Sink>, JournalError> {
        if self.faults.begin.load(Ordering::SeqCst) {
            let source = io::ErrorKind::StorageFull.into();
            return Err(JournalError::Io { action: "create", path: self.place(segment), source });
        }
        let inner = self.memory.begin(segment, header)?;
        Ok(Arc::new(FaultySink { inner, faults: Arc::clone(&self.faults) }))
    }

    fn write_head(&self, _head: &Head) -> Result<(), JournalError> {
        Ok(())
    }

    fn place(&self, segment: u64) -> PathBuf {
        self.memory.place(segment)
    }

    fn reader(&self) -> Result<Reader, JournalError> {
        self.memory.reader()
    }
}

impl Sink for FaultySink {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.faults.room.load(Ordering::SeqCst);
        let count = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.faults.room.fetch_sub(count as u64, Ordering::SeqCst);
        self.inner.write(&bytes[..count])
    }

    fn sync(&self) -> io::Result<()> {
        if self.faults.sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("cable pulled"));
        }
        self.inner.sync()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        if self.faults.truncate.load(Ordering::SeqCst) {
            return Err(io::Error::other("read-only"));
        }
        self.inner.truncate(length)
    }
}

fn faulty(options: Options) -> (Journal, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    faults.room.store(u64::MAX / 2, Ordering::SeqCst);
    let store = FaultyStore { memory: Memory::default(), faults: Arc::clone(&faults) };
    (Journal::begin(Box::new(store), Key::new([7; 32]), options).unwrap(), faults)
}

#[test]
fn a_full_disk_refuses_the_record_and_takes_the_next_one_when_there_is_room() {
    let (journal, faults) = faulty(Options::default());
    fill(&journal, 3);
    for room in [0, 1, 39, 40, 60] {
        let before = journal.head();
        faults.room.store(room, Ordering::SeqCst);
        let error = journal.append(Kind::Decision, &body(9), Durability::Synced).unwrap_err();
        assert!(
            matches!(&error, JournalError::Io { action: "write", source, .. }
                if source.kind() == io::ErrorKind::StorageFull),
            "{error}"
        );
        assert_eq!(journal.head(), before);
    }
    faults.room.store(u64::MAX / 2, Ordering::SeqCst);
    let entry = journal.append(Kind::Decision, b"{}", Durability::Synced).unwrap();
    assert_eq!(entry.sequence, 4);
    let records: Vec<_> = journal.reader().unwrap().map(Result::unwrap).collect();
    assert_eq!(records.len(), 4);
}

#[test]
fn half_a_record_that_cannot_be_taken_back_stops_the_journal() {
    let (journal, faults) = faulty(Options::default());
    fill(&journal, 3);
    faults.room.store(10, Ordering::SeqCst);
    faults.truncate.store(true, Ordering::SeqCst);
    let error = journal.append(Kind::Decision, &body(9), Durability::Grouped).unwrap_err();
    let expected = "could not take back a half-written record in `<memory>`: read-only";
    assert!(matches!(&error, JournalError::Stopped { reason } if reason == expected), "{error}");
    // The disk is well again, but nobody knows what is on it.
    faults.room.store(u64::MAX / 2, Ordering::SeqCst);
    let error = journal.append(Kind::Decision, b"{}", Durability::Grouped).unwrap_err();
    assert!(matches!(&error, JournalError::Stopped { reason } if reason == expected), "{error}");
    assert_eq!(journal.reader().unwrap().filter(Result::is_ok).count(), 3);
}

#[test]
fn a_failed_sync_stops_the_journal_and_every_later_append_says_so() {
    let (journal, faults) = faulty(Options::default());
    fill(&journal, 3);
    journal.sync().unwrap();
    faults.sync.store(true, Ordering::SeqCst);
    let error = journal.append(Kind::Decision, b"{}", Durability::Synced).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal takes no more records: could not sync `<memory>`: cable pulled"
    );
    faults.sync.store(false, Ordering::SeqCst);
    for durability in [Durability::Synced, Durability::Grouped] {
        let error = journal.append(Kind::Decision, b"{}", durability).unwrap_err();
        assert!(matches!(error, JournalError::Stopped { .. }), "{error}");
    }
    assert!(matches!(journal.close(), Err(JournalError::Stopped { .. })));
}

#[test]
fn a_sync_that_fails_behind_the_scenes_is_told_to_the_next_append() {
    let (journal, faults) = faulty(Options::default().group(Duration::from_millis(1)));
    faults.sync.store(true, Ordering::SeqCst);
    journal.append(Kind::Decision, b"{}", Durability::Grouped).unwrap();
    let started = Instant::now();
    let error = loop {
        assert!(started.elapsed() < Duration::from_secs(5), "never told");
        std::thread::sleep(Duration::from_millis(2));
        if let Err(error) = journal.append(Kind::Decision, b"{}", Durability::Grouped) {
            break error;
        }
    };
    assert!(matches!(error, JournalError::Stopped { .. }), "{error}");
}

#[test]
fn a_segment_that_cannot_be_made_refuses_records_until_it_can() {
    let (journal, faults) = faulty(Options::default().segment_bytes(400));
    fill(&journal, 2);
    faults.begin.store(true, Ordering::SeqCst);
    let refused = (0..5)
        .filter_map(|_| journal.append(Kind::Probe, &body(8), Durability::Synced).err())
        .inspect(|error| assert!(matches!(error, JournalError::Io { action: "create", .. })))
        .count();
    assert!(refused > 1, "{refused}");
    let closed = journal.head();
    assert!(closed.closed);
    faults.begin.store(false, Ordering::SeqCst);
    let entry = journal.append(Kind::Probe, b"{}", Durability::Synced).unwrap();
    assert_eq!(entry.sequence, closed.sequence + 1);
    assert_eq!(journal.head().segment, closed.segment + 1);
}

fn fill_any(journal: &Journal, count: u64) {
    for number in 1..=count {
        journal.append(Kind::Decision, &body(number), Durability::Grouped).unwrap();
    }
}

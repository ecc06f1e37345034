// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many threads: order, durability, and fewer syncs than records.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::recover::Key;
use super::super::store::{Memory, Sink, Store};
use super::*;

/// A disk whose syncs take a millisecond, and which knows how many bytes are safe.
#[derive(Debug, Default)]
struct SlowDisk {
    memory: Memory,
    safe: Arc<AtomicU64>,
}

#[derive(Debug)]
struct SlowSink {
    inner: Arc<dyn Sink>,
    written: AtomicU64,
    safe: Arc<AtomicU64>,
}

impl Store for SlowDisk {
    fn begin(&self, segment: u64, header: &[u8]) -> Result<Arc<dyn Sink>, JournalError> {
        let inner = self.memory.begin(segment, header)?;
        let written = AtomicU64::new(header.len() as u64);
        Ok(Arc::new(SlowSink { inner, written, safe: Arc::clone(&self.safe) }))
    }

    fn write_head(&self, head: &Head) -> Result<(), JournalError> {
        assert!(head.sequence == 0 || head.offset <= self.safe.load(Ordering::SeqCst));
        Ok(())
    }

    fn place(&self, segment: u64) -> PathBuf {
        self.memory.place(segment)
    }

    fn reader(&self) -> Result<Reader, JournalError> {
        self.memory.reader()
    }
}

impl Sink for SlowSink {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.written.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let written = self.written.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1));
        self.safe.fetch_max(written, Ordering::SeqCst);
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.inner.truncate(length)
    }
}

fn with_threads(threads: u64, each: u64) -> (u64, u64) {
    let disk = SlowDisk::default();
    let safe = Arc::clone(&disk.safe);
    let options = Options::default().segment_bytes(u64::MAX);
    let journal = Journal::begin(Box::new(disk), Key::new([1; 32]), options).unwrap();
    let length = (HEADER_LEN + FRAME_LEN + 2 + HASH_LEN) as u64;
    let record = length - HEADER_LEN as u64;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    let entry = journal.append(Kind::Decision, b"{}", Durability::Synced).unwrap();
                    let end = HEADER_LEN as u64 + record * entry.sequence;
                    assert!(safe.load(Ordering::SeqCst) >= end, "returned before it was safe");
                }
            });
        }
    });
    let syncs = journal.syncs();
    let mut count = 0;
    for (expected, record) in (1..).zip(journal.reader().unwrap()) {
        assert_eq!(record.unwrap().sequence, expected);
        count += 1;
    }
    (count, syncs)
}

#[test]
fn one_caller_pays_one_sync_a_record() {
    let (records, syncs) = with_threads(1, 20);
    assert_eq!(records, 20);
    // The flusher may add one now and then on a slow machine.
    assert!((20..=22).contains(&syncs), "{syncs}");
}

#[test]
fn eight_callers_share_their_syncs() {
    let (records, syncs) = with_threads(8, 40);
    assert_eq!(records, 320);
    assert!(syncs * 2 < records, "{syncs} syncs for {records} records");
}

#[test]
fn sixty_four_callers_share_their_syncs_even_more() {
    let (records, syncs) = with_threads(64, 20);
    assert_eq!(records, 1280);
    assert!(syncs * 8 < records, "{syncs} syncs for {records} records");
}

#[test]
fn many_threads_and_small_segments_on_a_real_disk_keep_one_chain() {
    let place = place();
    let options = Options::default().segment_bytes(4000).group(Duration::from_millis(1));
    let journal = Journal::open(&place.dir, options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0..50 {
                    let durability = match (thread + number) % 5 {
                        0 => Durability::Synced,
                        _ => Durability::Grouped,
                    };
                    let entry = journal.append(Kind::Decision, &body(number), durability).unwrap();
                    let outcome = Kind::Outcome { decision: entry.sequence };
                    journal.append(outcome, b"{}", Durability::Grouped).unwrap();
                }
            });
        }
        // A reader and a check beside the writers see a good journal at any time.
        scope.spawn(|| {
            for _ in 0..20 {
                let report = place.verify();
                assert!(report.is_clean(), "{:?}", report.first_bad);
                assert!(Reader::open(&place.dir).unwrap().all(|record| record.is_ok()));
            }
        });
    });
    journal.close().unwrap();
    let report = place.verify();
    assert!(report.is_clean(), "{:?}", report.first_bad);
    assert_eq!(report.records, 800 + report.segments - 1);
    assert_eq!(report.recorded, Some(report.head));
}

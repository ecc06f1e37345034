// SPDX-License-Identifier: MIT OR Apache-2.0
//! The journal as its users see it: open, append, sync, close.
//!
//! What callers append is trusted; what is read on opening is not (`recover`).
//!
//! *Invariants*: an append that returns an error has left nothing that could pass for a sent command's whole
//! story; `Durability::Synced` returns only when the record is on the disk; a journal that stopped says so at
//! each append.
//!
//! *Not here*: the log's end and the group commit (`shared`); which records need which durability (the gate's road).

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::error::JournalError;
use super::folder::{Folder, Lock};
use super::format::{HASH_LEN, HEADER_LEN, Head, Header, Kind, MAX_BODY};
use super::reader::Reader;
use super::recover::{self, Key};
use super::shared::{Shared, begin_segment};
use super::store::{Disk, Memory, Sink, Store};

/// How to open a journal.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) segment_bytes: u64,
    pub(super) group: Duration,
    wait: Duration,
    pub(super) clock: fn() -> u64,
}

impl Options {
    /// A segment is closed before it would grow beyond this many bytes (but for its closing record, and never
    /// without a record in it). 64 MiB where nothing is said.
    #[must_use]
    pub fn segment_bytes(self, bytes: u64) -> Self {
        Self { segment_bytes: bytes, ..self }
    }

    /// Grouped records are synced at the latest this long after they were written. Half a second where nothing
    /// is said, at most one second.
    #[must_use]
    pub fn group(self, interval: Duration) -> Self {
        Self { group: interval.min(Duration::from_secs(1)), ..self }
    }

    /// How long to wait for another process to let go of the journal. Nearly nothing where nothing is said.
    #[must_use]
    pub fn wait(self, at_most: Duration) -> Self {
        Self { wait: at_most, ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            group: Duration::from_millis(500),
            wait: Duration::ZERO,
            clock: now,
        }
    }
}

/// When an append returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once the record is on the disk. For whatever changes something.
    Synced,
    /// Once the kernel has it; on the disk within a second. For reads.
    Grouped,
}

/// A record that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1.
    pub sequence: u64,
    /// SHA-256 over the hash before it, its frame and its body.
    pub hash: [u8; 32],
}

/// The journal of record, open for appending. Shared between threads behind an `Arc`.
///
/// Dropping it syncs what is left and writes the head file; [`Journal::close`] does the same and tells of errors.
pub struct Journal {
    shared: Arc<Shared>,
    flusher: Option<JoinHandle<()>>,
    key: Key,
    note: Option<String>,
}

impl Journal {
    /// Opens the journal in `dir`, or begins one there.
    ///
    /// Takes the lock of the folder ([`JournalError::Held`] names who has it), refuses a folder that others could
    /// change, refuses a journal whose end does not verify, and cuts off and keeps a torn tail.
    pub fn open(dir: &Path, options: Options) -> Result<Self, JournalError> {
        let folder = Arc::new(Folder::for_writing(dir)?);
        let lock = Lock::take(&folder, options.wait)?;
        let key = recover::key(&folder)?;
        let found = recover::recover(&folder)?;
        let disk = Box::new(Disk::new(folder, lock));
        let Some(found) = found else { return Self::begin(disk, key, options) };
        let published = found.recorded.map_or(Head::START, |head| head);
        let mut journal =
            Self::with(disk, Arc::new(found.segment), found.head, published, key, options)?;
        if let Some(torn) = found.torn {
            let body = serde_json::json!({
                "note": "torn-tail",
                "segment": torn.segment,
                "offset": torn.offset,
                "bytes": torn.bytes,
                "kept": torn.name,
            });
            journal.note = Some(format!(
                "cut {} torn bytes off segment {} at offset {}; kept as `{}`",
                torn.bytes, torn.segment, torn.offset, torn.name
            ));
            journal.append(Kind::Head, body.to_string().as_bytes(), Durability::Synced)?;
        }
        journal.shared.publish()?;
        Ok(journal)
    }

    /// A journal in memory, for tests: every record is kept, nothing is ever on a disk.
    ///
    /// # Panics
    /// Never; where the host gives no random bytes the key is all zeros.
    pub fn in_memory() -> Self {
        let mut key = Key::new([0; 32]);
        // Digests in memory are compared within one test only.
        let _ = recover::random(&mut key);
        let options = Options::default().segment_bytes(u64::MAX);
        let store = Box::new(Memory::default());
        let header = Header { segment: 1, created: now(), first: 1, previous: [0; HASH_LEN] };
        let (_, hash) = header.to_bytes();
        let sink = store.first(&header.to_bytes().0);
        let head = Head { sequence: 0, segment: 1, offset: HEADER_LEN as u64, hash, closed: false };
        let shared = Arc::new(Shared::new(store, sink, head, head, options));
        Self { shared, flusher: None, key, note: None }
    }

    /// Begins a journal in an empty store.
    pub(super) fn begin(
        store: Box<dyn Store>,
        key: Key,
        options: Options,
    ) -> Result<Self, JournalError> {
        let (sink, head) = begin_segment(&*store, &Head::START, &options)?;
        store.write_head(&head)?;
        Self::with(store, sink, head, head, key, options)
    }

    fn with(
        store: Box<dyn Store>,
        sink: Arc<dyn Sink>,
        head: Head,
        published: Head,
        key: Key,
        options: Options,
    ) -> Result<Self, JournalError> {
        let shared = Arc::new(Shared::new(store, sink, head, published, options));
        let theirs = Arc::clone(&shared);
        let flusher = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || theirs.flush_in_groups())
            .map_err(|source| JournalError::Io {
                action: "start a thread for",
                path: shared.store.place(head.segment),
                source,
            })?;
        Ok(Self { shared, flusher: Some(flusher), key, note: None })
    }

    /// Appends one record. `body` is a JSON object in UTF-8 of at most [`MAX_BODY`] bytes.
    ///
    /// After an error the caller must send nothing. The record may then still be in the journal, as a decision
    /// without an outcome.
    pub fn append(
        &self,
        kind: Kind,
        body: &[u8],
        durability: Durability,
    ) -> Result<Entry, JournalError> {
        check_body(kind, body)?;
        let mut state = self.shared.state();
        let entry = self.shared.append(&mut state, kind, body)?;
        match durability {
            Durability::Synced => self.shared.wait_synced(state, entry.sequence)?,
            Durability::Grouped => drop(state),
        }
        Ok(entry)
    }

    /// The place after the last record, synced or not. For the system log.
    pub fn head(&self) -> Head {
        self.shared.state().head
    }

    /// HMAC-SHA-256 of the bytes under this journal's own key: equal for equal bytes in one journal, of no use to
    /// who does not have the key.
    pub fn keyed_digest(&self, bytes: &[u8]) -> [u8; 32] {
        match Hmac::<Sha256>::new_from_slice(self.key.as_slice()) {
            Ok(mac) => mac.chain_update(bytes).finalize().into_bytes().into(),
            // HMAC takes keys of any length.
            Err(_) => [0; 32],
        }
    }

    /// Returns once all records so far are on the disk and the head file names the last of them.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.shared.sync_all()?;
        self.shared.publish()
    }

    /// How often the disk was asked to sync records, since opening.
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// A sentence about what a crash had left and opening has put right, if there was anything.
    pub fn recovered(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Reads this journal from its first record.
    pub fn reader(&self) -> Result<Reader, JournalError> {
        self.shared.store.reader()
    }

    /// Syncs what is left, writes the head file and lets go of the journal.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.end_flusher();
        self.sync()
    }

    fn end_flusher(&mut self) {
        self.shared.state().ending = true;
        self.shared.wake.notify_all();
        if let Some(flusher) = self.flusher.take() {
            // It does not panic; if it did, there is nothing left of it to end.
            let _ = flusher.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.end_flusher();
        // Nobody is left to tell. A head file that lags behind is found in order by the next opening.
        let _ = self.sync();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head();
        f.debug_struct("Journal").field("store", &self.shared.store).field("head", &head).finish()
    }
}

fn check_body(kind: Kind, body: &[u8]) -> Result<(), JournalError> {
    let why = if kind == Kind::Rotate {
        "kind `rotate` is written by the journal alone".to_owned()
    } else if body.len() > MAX_BODY {
        format!("body of at most {MAX_BODY} bytes expected, {} found", body.len())
    } else if body.first() != Some(&b'{') || body.last() != Some(&b'}') {
        "body is not a JSON object".to_owned()
    } else if let Err(error) = std::str::from_utf8(body) {
        format!("body is not UTF-8 from byte {} on", error.valid_up_to())
    } else {
        return Ok(());
    };
    Err(JournalError::Record { why })
}

/// Nanoseconds since 1970, UTC; 0 for a clock before that.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

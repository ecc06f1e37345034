// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all threads that append share: the end of the log, and who syncs it.
//!
//! Input is trusted: the front (`writer`) has checked it.
//!
//! *Invariants*
//! - A record is written whole, or taken back, or the journal stops; sequence numbers have no gaps.
//! - After a failed sync it is unknown what is on the disk: the journal stops.
//! - A wait for a record ends well only after a sync that began when the record was written.
//! - Locks are taken in the order `published`, then `state`; no lock is held during a group's sync.
//!
//! *Not here*: opening (`recover`), the public face (`writer`).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::error::JournalError;
use super::format::{Frame, HASH_LEN, HEADER_LEN, Head, Header, Kind, record_len, sha256};
use super::store::{Sink, Store};
use super::writer::{Entry, Options};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Box<dyn Store>,
    options: Options,
    state: Mutex<State>,
    /// A group's sync has ended.
    synced: Condvar,
    /// There is something to flush, or the journal ends. Only the flusher waits here.
    pub(super) wake: Condvar,
    /// What the head file says; held while it is written.
    published: Mutex<Head>,
    pub(super) syncs: AtomicU64,
}

#[derive(Debug)]
pub(super) struct State {
    sink: Arc<dyn Sink>,
    pub(super) head: Head,
    /// Everything up to here is on the disk.
    synced: Head,
    /// A thread is syncing for all who wait.
    syncing: bool,
    /// The flusher waits for the first record.
    parked: bool,
    pub(super) ending: bool,
    stopped: Option<String>,
    /// Reused: the hash before, then the record.
    buffer: Vec<u8>,
}

impl Shared {
    pub(super) fn new(
        store: Box<dyn Store>,
        sink: Arc<dyn Sink>,
        head: Head,
        published: Head,
        options: Options,
    ) -> Self {
        let state = State {
            sink,
            head,
            synced: head,
            syncing: false,
            parked: false,
            ending: false,
            stopped: None,
            buffer: Vec::new(),
        };
        Self {
            store,
            options,
            state: Mutex::new(state),
            synced: Condvar::new(),
            wake: Condvar::new(),
            published: Mutex::new(published),
            syncs: AtomicU64::new(0),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(
        &self,
        state: &mut State,
        kind: Kind,
        body: &[u8],
    ) -> Result<Entry, JournalError> {
        state.running()?;
        if let Kind::Outcome { decision } = kind
            && (decision == 0 || decision > state.head.sequence)
        {
            let last = state.head.sequence;
            let why = format!("an outcome names a record from 1 to {last}, not {decision}");
            return Err(JournalError::Record { why });
        }
        self.make_room(state, record_len(body.len()))?;
        let entry = self.put(state, kind, body)?;
        if state.parked {
            state.parked = false;
            self.wake.notify_one();
        }
        Ok(entry)
    }

    /// Goes on to the next segment where this one is closed or would grow too large.
    fn make_room(&self, state: &mut State, need: usize) -> Result<(), JournalError> {
        let empty = state.head.offset <= HEADER_LEN as u64;
        let full = state.head.offset.saturating_add(need as u64) > self.options.segment_bytes;
        if !state.head.closed {
            if empty || !full {
                return Ok(());
            }
            let next = state.head.segment.saturating_add(1);
            self.put(state, Kind::Rotate, format!("{{\"next\":{next}}}").as_bytes())?;
        }
        if state.synced != state.head {
            // The next segment must not outlive the end of this one.
            self.syncs.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = state.sink.sync() {
                return Err(self.stop(state, "sync", &error));
            }
            state.synced = state.head;
        }
        let (sink, head) = begin_segment(&*self.store, &state.head, &self.options)?;
        state.sink = sink;
        state.head = head;
        state.synced = head;
        Ok(())
    }

    /// Writes one record to the segment.
    fn put(&self, state: &mut State, kind: Kind, body: &[u8]) -> Result<Entry, JournalError> {
        let Some(sequence) = state.head.sequence.checked_add(1) else {
            return Err(JournalError::Stopped {
                reason: "sequence numbers are used up".to_owned(),
            });
        };
        let time = (self.options.clock)();
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let State { buffer, head, sink, .. } = state;
        buffer.clear();
        buffer.extend_from_slice(&head.hash);
        Frame { length, sequence, time, kind }.put(buffer);
        buffer.extend_from_slice(body);
        let hash = sha256(buffer);
        buffer.extend_from_slice(&hash);
        let record = buffer.get(HASH_LEN..).unwrap_or_default();
        if let Err(source) = write_all(&**sink, record) {
            if let Err(error) = sink.truncate(head.offset) {
                return Err(self.stop(state, "take back a half-written record in", &error));
            }
            let path = self.store.place(head.segment);
            return Err(JournalError::Io { action: "write", path, source });
        }
        *head = Head {
            sequence,
            segment: head.segment,
            offset: head.offset.saturating_add(record.len() as u64),
            hash,
            closed: kind == Kind::Rotate,
        };
        Ok(Entry { sequence, hash })
    }

    /// Returns once the record is on the disk. Whoever finds nobody syncing does it for all who wait.
    pub(super) fn wait_synced<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        sequence: u64,
    ) -> Result<(), JournalError> {
        loop {
            if state.synced.sequence >= sequence {
                return Ok(());
            }
            state.running()?;
            if state.syncing {
                state = self.synced.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.syncing = true;
            let target = state.head;
            let sink = Arc::clone(&state.sink);
            drop(state);
            self.syncs.fetch_add(1, Ordering::Relaxed);
            let outcome = sink.sync();
            state = self.state();
            state.syncing = false;
            let failure = match outcome {
                Ok(()) => {
                    if state.synced.position() < target.position() {
                        state.synced = target;
                    }
                    None
                }
                Err(error) => Some(self.stop(&mut state, "sync", &error)),
            };
            self.synced.notify_all();
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
    }

    pub(super) fn sync_all(&self) -> Result<(), JournalError> {
        let state = self.state();
        let sequence = state.head.sequence;
        self.wait_synced(state, sequence)
    }

    /// Writes the head file, where it is behind.
    pub(super) fn publish(&self) -> Result<(), JournalError> {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let synced = self.state().synced;
        if published.position() < synced.position() {
            self.store.write_head(&synced)?;
            *published = synced;
        }
        Ok(())
    }

    /// The flusher's life: sleep until there is a record, gather for a while, sync, write the head.
    pub(super) fn flush_in_groups(&self) {
        let mut done = self.state().synced.position();
        loop {
            let mut state = self.state();
            while !state.ending && (state.head.position() == done || state.stopped.is_some()) {
                state.parked = true;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.parked = false;
            let gathered = self
                .wake
                .wait_timeout_while(state, self.options.group, |state| !state.ending)
                .unwrap_or_else(PoisonError::into_inner);
            if gathered.0.ending {
                return;
            }
            let head = gathered.0.head;
            drop(gathered);
            // A failed sync stops the journal, and the next append says so. A head file that could not be
            // written is tried again after the next interval.
            if self.sync_all().is_ok() && self.publish().is_ok() {
                done = head.position();
            }
        }
    }

    /// Takes no record from now on.
    fn stop(&self, state: &mut State, action: &str, error: &io::Error) -> JournalError {
        let place = self.store.place(state.head.segment);
        let reason = format!("could not {action} `{}`: {error}", place.display());
        state.stopped = Some(reason.clone());
        JournalError::Stopped { reason }
    }
}

impl State {
    fn running(&self) -> Result<(), JournalError> {
        match &self.stopped {
            None => Ok(()),
            Some(reason) => Err(JournalError::Stopped { reason: reason.clone() }),
        }
    }
}

pub(super) fn begin_segment(
    store: &dyn Store,
    follows: &Head,
    options: &Options,
) -> Result<(Arc<dyn Sink>, Head), JournalError> {
    let segment = follows.segment.saturating_add(1);
    let first = follows.sequence.saturating_add(1);
    let created = (options.clock)();
    let (bytes, hash) = Header { segment, created, first, previous: follows.hash }.to_bytes();
    let sink = store.begin(segment, &bytes)?;
    let offset = HEADER_LEN as u64;
    Ok((sink, Head { sequence: follows.sequence, segment, offset, hash, closed: false }))
}

fn write_all(sink: &dyn Sink, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

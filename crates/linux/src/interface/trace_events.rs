// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cxl-trace-events`: Get Event Records (0100h) where the kernel drains the logs itself.
//!
//! The kernel empties a device's logs into trace events and keeps none. So records are those that
//! come while somebody listens: from [`TraceEvents::arm`] on, or from the first command. A command
//! waits, at most to its deadline, until its log has one.
//!
//! Events are hostile.
//!
//! *Invariants*: queues are bounded; what is dropped is counted and told as an overflow.
//!
//! *Spec*: `cxl_mem_get_event_records` in `drivers/cxl/core/mbox.c @ v7.3`, `drivers/cxl/core/trace.h`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fwgate_gate::device::DEFAULT_DEADLINE;
use fwgate_gate::{Belief, Pace, Reply, SubmitError};
use fwgate_wire::cxl::events::{EventRecord, EventRecords, EventRecordsHeader};
use zerocopy::FromZeros as _;
use zerocopy::IntoBytes as _;
use zerocopy::little_endian::{U16, U64};

use super::acts::{Acts, Asked, Interface, Place, done, not_mine, nothing};
use super::errno::no_way;
use super::trace::{self, EVENTS, Instance, Read, TraceEvent};

const GET_EVENT_RECORDS: u16 = 0x0100;
const CLEAR_EVENT_RECORDS: u16 = 0x0101;
/// Records kept of one log until they are asked for.
const MAX_KEPT: usize = 1024;
/// Records in one reply.
const MAX_REPLY: usize = 256;
/// What is left of the deadline for the way back.
const MARGIN: Duration = Duration::from_millis(100);

/// `cxl-trace-events`.
pub(crate) type TraceEvents = Interface<Listens>;

/// `cxl-trace-events`: Get Event Records (0100h).
#[derive(Debug, Default)]
pub(crate) struct Listens {
    inner: Mutex<Ear>,
    #[cfg(test)]
    pub(super) traced: Option<std::path::PathBuf>,
}

#[derive(Debug, Default)]
struct Ear {
    instance: Option<Instance>,
    logs: [Log; 4],
    /// Events that are no record of a log: poison, link errors.
    others: VecDeque<TraceEvent>,
}

#[derive(Debug, Default)]
struct Log {
    records: VecDeque<EventRecord>,
    /// Records that the device or the trace buffer dropped, or that found no room here.
    lost: u64,
    /// Times of the device's own overflow.
    overflow: (u64, u64),
}

impl TraceEvents {
    /// For this memdev.
    #[must_use]
    pub(crate) fn at(place: Place) -> Self {
        Self { place, acts: Listens::default() }
    }

    /// Listens from now on. Nothing is sent to the device.
    ///
    /// # Errors
    ///
    /// The kernel gives out no trace.
    pub(crate) fn arm(&self) -> Result<(), SubmitError> {
        self.acts.ear().arm(self.acts.make(&self.place))
    }

    /// Takes the events that are no record of a log: poison that was put in or taken out, and errors of
    /// the link, of this memdev or of any port. Nothing is sent to the device.
    ///
    /// # Errors
    ///
    /// The kernel gives out no trace.
    pub(crate) fn others(&self) -> Result<Vec<TraceEvent>, SubmitError> {
        let mut ear = self.acts.ear();
        ear.arm(self.acts.make(&self.place))?;
        ear.listen(self.place.names().memdev())?;
        Ok(ear.others.drain(..).collect())
    }

    /// Listens no more: the trace instance is removed. What was heard stays.
    pub(crate) fn disarm(&self) {
        self.acts.ear().instance = None;
    }
}

impl Listens {
    fn ear(&self) -> MutexGuard<'_, Ear> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make<'a>(&'a self, place: &'a Place) -> impl FnOnce() -> Result<Instance, SubmitError> + 'a {
        move || {
            #[cfg(test)]
            if let Some(folder) = &self.traced {
                return Instance::attach(folder.clone(), &EVENTS, false);
            }
            Instance::make(place.roots(), &EVENTS)
        }
    }
}

impl Ear {
    fn arm(
        &mut self,
        make: impl FnOnce() -> Result<Instance, SubmitError>,
    ) -> Result<(), SubmitError> {
        if self.instance.is_none() {
            self.instance = Some(make()?);
        }
        Ok(())
    }

    /// Takes in what came.
    fn listen(&mut self, memdev: &str) -> Result<(), SubmitError> {
        let read = match &mut self.instance {
            Some(instance) => instance.take()?,
            None => Read::default(),
        };
        self.sort(read, memdev);
        Ok(())
    }

    fn sort(&mut self, read: Read, memdev: &str) {
        // Whose they were cannot be told any more.
        for log in &mut self.logs {
            log.lost = log.lost.saturating_add(read.lost);
        }
        for event in read.events {
            let of = event.get("memdev");
            if of.is_some_and(|of| of != memdev) {
                continue;
            }
            let number = event.get("log").and_then(number);
            let log = number.and_then(|number| self.logs.get_mut(number));
            match (log, trace::encode(&event)) {
                (Some(log), Some(Ok(record))) => log.keep(record),
                (Some(log), Some(Err(_))) => log.lost = log.lost.saturating_add(1),
                (Some(log), None) => log.overflowed(&event),
                (None, _) => {
                    self.others.push_back(event);
                    if self.others.len() > MAX_KEPT {
                        self.others.pop_front();
                    }
                }
            }
        }
    }
}

/// The number of a log by the kernel's word.
fn number(word: &str) -> Option<usize> {
    let found = trace::LOGS.iter().find(|(it, _)| *it == word)?;
    usize::try_from(found.1).ok()
}

impl Log {
    fn keep(&mut self, record: EventRecord) {
        if self.records.len() >= MAX_KEPT {
            self.records.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
        self.records.push_back(record);
    }

    /// `cxl_overflow`: the device dropped records.
    fn overflowed(&mut self, event: &TraceEvent) {
        let value = |name| event.get(name).and_then(trace::decimal).unwrap_or_default();
        self.lost = self.lost.saturating_add(value("").max(1));
        self.overflow = (value("records from"), value("to"));
    }

    /// The reply of Get Event Records.
    fn reply(&mut self) -> Vec<u8> {
        let count = self.records.len().min(MAX_REPLY);
        let records: Vec<EventRecord> = self.records.drain(..count).collect();
        let mut header = EventRecordsHeader::new_zeroed();
        if self.lost != 0 {
            header.flags |= 1;
        }
        if !self.records.is_empty() {
            header.flags |= 2;
        }
        header.overflow_count = U16::new(u16::try_from(self.lost).unwrap_or(u16::MAX));
        header.first_overflow = U64::new(self.overflow.0);
        header.last_overflow = U64::new(self.overflow.1);
        header.records = U16::new(u16::try_from(count).unwrap_or(u16::MAX));
        (self.lost, self.overflow) = (0, (0, 0));
        let mut reply = header.as_bytes().to_vec();
        reply.extend_from_slice(records.as_bytes());
        debug_assert!(EventRecords::parse(&reply).is_ok(), "the reply has its own layout");
        reply
    }
}

impl Acts for Listens {
    const KEY: &'static str = "cxl-trace-events";
    const PACE: Pace = Pace::KeepsDeadline;

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        let log = match (asked.opcode, asked.payload) {
            (GET_EVENT_RECORDS, [log]) => usize::from(*log),
            (GET_EVENT_RECORDS, payload) => {
                return Err(nothing(format!("{} bytes of payload, expected 1", payload.len())));
            }
            (CLEAR_EVENT_RECORDS, _) => {
                return Err(no_way("the kernel clears each record itself once it has traced it"));
            }
            (other, _) => return Err(not_mine(Self::KEY, other)),
        };
        let mut ear = self.ear();
        if log >= ear.logs.len() {
            return Err(no_way(format!("the kernel traces no log {log}")));
        }
        ear.arm(self.make(place))?;
        let until = asked.until.or_else(|| Instant::now().checked_add(DEFAULT_DEADLINE));
        let until = until.and_then(|until| until.checked_sub(MARGIN)).unwrap_or_else(Instant::now);
        let Ear { instance, logs, others } = &mut *ear;
        let mut heard =
            Ear { instance: None, logs: std::mem::take(logs), others: std::mem::take(others) };
        let waited = match instance {
            Some(instance) => instance.wait(until, |read| {
                heard.sort(read, place.names().memdev());
                heard.logs.get(log).is_some_and(|log| !log.records.is_empty() || log.lost != 0)
            }),
            None => Ok(()),
        };
        (*logs, *others) = (heard.logs, heard.others);
        waited?;
        let reply = logs.get_mut(log).map(Log::reply).unwrap_or_default();
        Ok(done(reply, Belief::Told))
    }
}

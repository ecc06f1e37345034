// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening a device: its facts are read by probes, on record, as caller `fwgate`.
//!
//! Replies are hostile.
//!
//! *Invariants*: the record of the probes is there before the first of them is sent. Facts are
//! whole or not there. All of them together have one deadline.
//!
//! *Not here*: which reads there are (`probe`), what is made of them (`facts`).

use core::time::Duration;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fwgate_policy::Route;

use crate::caller::Caller;
use crate::device::{DEFAULT_DEADLINE, Device, Generation, Pace, SubmitError};
use crate::facts::{DeviceFacts, Readings};
use crate::gate::{Gate, GateError, Opened};
use crate::journal::{Durability, Kind};
use crate::outcome::MAX_ERROR;
use crate::permit::Recorded;
use crate::probe::{self, Probe, ProbeCause, ProbeError};
use crate::record::{DeviceRecord, FactsBody, ProbeBody};
use crate::request::Firmware;
use crate::sending::{left, told_by};
use crate::slot::Held;
use crate::text;
use crate::verdicts::Verdicts;

impl Gate {
    /// Opens a device, within [`DEFAULT_DEADLINE`].
    ///
    /// # Errors
    ///
    /// [`GateError`]: the journal, the slot, or the device did not let the facts be read.
    pub fn open(&self, device: Arc<dyn Device>) -> Result<Opened, GateError> {
        self.open_within(device, DEFAULT_DEADLINE)
    }

    /// Opens a device: reads its facts by probes, on record, as caller `fwgate`. The deadline
    /// covers the wait for the slot and all probes.
    ///
    /// # Errors
    ///
    /// [`GateError`]: the journal, the slot, or the device did not let the facts be read.
    pub fn open_within(
        &self,
        device: Arc<dyn Device>,
        deadline: Duration,
    ) -> Result<Opened, GateError> {
        let until = Instant::now().checked_add(deadline);
        let slot = self.slot(&device.identity().name);
        let caller = Arc::new(Caller::gate_itself());
        let held = slot.hold(caller.uid, "reading facts", until).map_err(GateError::Busy)?;
        let generation = Arc::new(device.observe());
        // Before the probes: what comes or goes while they run is noticed before the first send.
        let around = device.around();
        let body = ProbeBody {
            caller: &caller,
            device: &text::line(&device.identity().name, MAX_ERROR),
            opened: &text::line(&generation.opened, MAX_ERROR),
            changes: generation.changes,
            reads_back: None,
        };
        let record = self.append(Kind::Probe, &body, Durability::Grouped)?;
        let readings = match probe::first(device.identity().protocol) {
            None => Ok(probe::told(device.as_ref())),
            Some(first) => {
                let reading = Reading {
                    device: Arc::clone(&device),
                    generation: Arc::clone(&generation),
                    caller,
                    record,
                    until,
                    at: Arc::new(Mutex::new(first)),
                };
                reading.all(held)
            }
        };
        let readings = match readings {
            Ok(readings) => readings,
            Err(error) => {
                let body = FactsBody {
                    status: "failed",
                    device: None,
                    digest: None,
                    alert: None,
                    error: Some(text::line(&error.to_string(), MAX_ERROR)),
                };
                self.append(Kind::Outcome { decision: record }, &body, Durability::Grouped)?;
                return Err(GateError::Facts(error));
            }
        };
        let firmware = readings.firmware.clone();
        let identity = device.identity().clone();
        let facts = DeviceFacts::new(
            identity,
            Arc::unwrap_or_clone(generation),
            around,
            readings,
            &self.tables,
        );
        let place = device.whereabouts();
        let device_record =
            DeviceRecord::new(device.identity(), &place, &firmware, facts.credible());
        let alert = self.drift(&device_record, &facts);
        let body = FactsBody {
            status: "done",
            device: Some(device_record.clone()),
            digest: Some(text::hex(facts.digest())),
            alert: alert.clone(),
            error: None,
        };
        self.append(Kind::Outcome { decision: record }, &body, Durability::Grouped)?;
        let verdicts = Arc::new(Verdicts::new());
        Ok(Opened { device, facts: Arc::new(facts), record: device_record, slot, verdicts, alert })
    }

    /// Whether the device's logs are what they were. That it cannot be told is an alert too: it
    /// bars nothing, since the log is judged as it is now.
    fn drift(&self, device: &DeviceRecord, facts: &DeviceFacts) -> Option<String> {
        let known = self.known.as_ref()?;
        match known.compare(&device.name, &device.firmware, facts.digest()) {
            Ok(change) => change.map(|change| change.sentence()),
            Err(error) => {
                let error = text::line(&error.to_string(), MAX_ERROR);
                Some(format!("what its logs were before cannot be told: {error}"))
            }
        }
    }
}

/// The probes of one opening.
struct Reading {
    device: Arc<dyn Device>,
    generation: Arc<Generation>,
    caller: Arc<Caller>,
    record: u64,
    until: Option<Instant>,
    /// The probe that is under way, for the error.
    at: Arc<Mutex<Probe>>,
}

impl Reading {
    /// Reads all facts, and gives the slot away.
    fn all(mut self, held: Held) -> Result<Readings, ProbeError> {
        match self.device.pace() {
            Pace::KeepsDeadline => {
                let readings = self.now();
                drop(held);
                readings
            }
            Pace::MayOutlast => self.beside(held),
        }
    }

    /// Sends the probes one after the other, none after the deadline.
    fn now(&mut self) -> Result<Readings, ProbeError> {
        probe::read(self.device.as_ref(), &mut |probe| {
            *self.at.lock().unwrap_or_else(PoisonError::into_inner) = probe;
            let fail = |cause| ProbeError { probe, cause };
            if left(self.until).is_some_and(|left| left.is_zero()) {
                return Err(fail(out_of_time(false)));
            }
            let recorded = self.recorded(probe)?;
            let submitted = self.device.submit(recorded);
            let reply = submitted.map_err(|error| fail(ProbeCause::Submit(error)))?;
            match reply.return_code {
                0 => Ok(reply.payload),
                code => Err(fail(ProbeCause::ReturnCode(code))),
            }
        })
    }

    /// A probe by the device's own path for it.
    fn recorded(&self, probe: Probe) -> Result<Recorded<Firmware>, ProbeError> {
        let path = self.device.path(Route::Firmware, &probe.message(), &self.caller);
        let path =
            path.map_err(|missing| ProbeError { probe, cause: ProbeCause::NoPath(missing.why) })?;
        let (generation, caller) = (&self.generation, &self.caller);
        Ok(Recorded::probe(probe, generation, caller, path, self.record, self.until))
    }

    /// The same in a thread of its own, for a device that may outlast the deadline; it holds the
    /// slot until the probe that is under way has ended.
    fn beside(mut self, held: Held) -> Result<Readings, ProbeError> {
        let (at, until) = (Arc::clone(&self.at), self.until);
        let (tell, told) = mpsc::sync_channel(0);
        let fail = |cause| {
            let probe = *at.lock().unwrap_or_else(PoisonError::into_inner);
            Err(ProbeError { probe, cause })
        };
        let lost = |what, may_have_run| {
            fail(ProbeCause::Submit(SubmitError::Transport { what, may_have_run }))
        };
        let thread = std::thread::Builder::new().name("fwgate-probe".to_owned()).spawn(move || {
            let readings = self.now();
            drop(held);
            // Where nobody waits any more the opening has failed already, and says so.
            let _ = tell.send(readings);
        });
        if let Err(error) = thread {
            return lost(format!("no thread to read it: {error}"), false);
        }
        match told_by(&told, until) {
            Ok(readings) => readings,
            Err(RecvTimeoutError::Timeout) => fail(out_of_time(true)),
            Err(RecvTimeoutError::Disconnected) => {
                lost("the thread that read it ended".to_owned(), true)
            }
        }
    }
}

fn out_of_time(may_have_run: bool) -> ProbeCause {
    let what = "the deadline for reading the facts passed".to_owned();
    ProbeCause::Submit(SubmitError::Transport { what, may_have_run })
}

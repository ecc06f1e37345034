// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate: opens devices, judges requests, records decisions, sends, records outcomes.
//!
//! *Invariants*: nothing is sent that is not on record; a record that cannot be written sends
//! nothing. One command at a time per device. A refusal is a value, an `Err` means that the gate
//! itself failed, and the caller is refused then too. Nothing is sent twice.
//!
//! *Not here*: what may be sent (`fwgate-policy`), how a device is reached (implementors of
//! [`Device`]).

use core::fmt;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fwgate_policy::{Judgement, Lockdown, Path, Question, Standing, Tables, Verdict, classify, judge};
use serde::Serialize;
use zeroize::Zeroize as _;

use crate::caller::Caller;
use crate::device::{Background, Device, KernelInterface, Pace, Reply, SubmitError};
use crate::explain::Explanation;
use crate::facts::DeviceFacts;
use crate::journal::{Durability, Journal, JournalError, Kind};
use crate::permit::{Permit, Recorded, Terms};
use crate::probe::{self, ProbeCause, ProbeError};
use crate::record::{
    CommandRecord, DecisionBody, DeviceRecord, FactsBody, OutcomeRecord, PayloadRecord,
    ProbeBody,
};
use crate::request::{Firmware, Kernel, Request, Route};
use crate::site::{SiteAnswer, SitePolicy, SiteQuestion};
use crate::slot::{Busy, Slot};
use crate::text;
use crate::verdicts::{Asked, Remembered, Verdicts};

/// How often a background operation is looked at.
const BACKGROUND_PERIOD: Duration = Duration::from_millis(20);

/// Why the gate itself failed. The caller is refused.
#[derive(Debug)]
pub enum GateError {
    /// The journal did not take the record. Nothing was sent.
    Journal(JournalError),
    /// The device's facts could not be read. Nothing is sent to it until they are.
    Facts(ProbeError),
    /// The device's slot was not free in time. Nothing was sent.
    Busy(Busy),
    /// A record could not be put into words. Nothing was sent.
    Record(String),
    /// The kernel could not be tainted, and the command asks for it. Nothing was sent.
    TaintImpossible(String),
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => write!(f, "nothing was sent: {error}"),
            Self::Facts(error) => write!(f, "nothing was sent: {error}"),
            Self::Busy(busy) => write!(f, "nothing was sent: busy with {}", busy.holder),
            Self::Record(error) => write!(f, "nothing was sent: record: {error}"),
            Self::TaintImpossible(why) => write!(f, "nothing was sent: taint impossible: {why}"),
        }
    }
}

impl core::error::Error for GateError {}

impl From<JournalError> for GateError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// What is known of the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Host {
    /// Lockdown level; unreadable counts as integrity.
    pub lockdown: Lockdown,
}

/// The gate.
pub struct Gate {
    tables: Tables<'static>,
    journal: Arc<Journal>,
    site: Arc<dyn SitePolicy>,
    host: Host,
    slots: Mutex<HashMap<String, Slot>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("host", &self.host).finish_non_exhaustive()
    }
}

/// A device with the facts that were read of it.
#[derive(Clone)]
pub struct Opened {
    device: Arc<dyn Device>,
    facts: Arc<DeviceFacts>,
    record: DeviceRecord,
    slot: Slot,
    verdicts: Arc<Verdicts>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("record", &self.record).finish_non_exhaustive()
    }
}

impl Opened {
    /// What was read of the device.
    #[must_use]
    pub fn facts(&self) -> &DeviceFacts {
        &self.facts
    }

    /// The device as it is written in output.
    #[must_use]
    pub const fn record(&self) -> &DeviceRecord {
        &self.record
    }

    /// The device's background operation, where it can tell.
    #[must_use]
    pub fn background(&self) -> Option<Background> {
        self.device.background()
    }
}

/// What the judge said of a request.
#[derive(Debug)]
pub enum Decision<R: Route> {
    /// It may be sent.
    Allow(Permit<R>),
    /// It may not, or not this way.
    Refused(Request<R>),
}

/// A decision with its explanation, not yet on record.
#[derive(Debug)]
pub struct Decided<R: Route> {
    /// What the judge said.
    pub decision: Decision<R>,
    /// Why.
    pub explanation: Arc<Explanation>,
    /// The command as it is written in records.
    pub command: Arc<CommandRecord>,
    /// The body of the record, as it will be appended.
    body: Arc<[u8]>,
}

/// What became of a request that was sent, or was not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Sent {
    /// Why it was allowed or refused.
    #[serde(flatten)]
    pub explanation: Arc<Explanation>,
    /// The command as it is written in records.
    pub command: Arc<CommandRecord>,
    /// What became of it; `None` where it was refused.
    pub outcome: Option<Outcome>,
    /// The journal's number of the decision.
    pub record: u64,
}

/// What became of a command that was sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Outcome {
    /// What is recorded of it.
    #[serde(flatten)]
    pub record: OutcomeRecord,
    /// The reply.
    #[serde(serialize_with = "hex_reply")]
    pub reply: Vec<u8>,
    /// Which kind of failure, for the exit status.
    #[serde(skip)]
    pub failure: Option<Failure>,
}

/// Who failed, where a command was sent and did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The facts changed between judging and sending: the gate refused.
    FactsChanged,
    /// The kernel refused.
    Kernel,
    /// The device answered with an error.
    Device,
    /// The transport failed, or the deadline passed.
    Transport,
}

fn hex_reply<S: serde::Serializer>(reply: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text::hex(reply))
}

impl Gate {
    /// A gate over a journal, a site policy and compiled-in tables.
    #[must_use]
    pub fn new(journal: Arc<Journal>, site: Arc<dyn SitePolicy>, host: Host) -> Self {
        Self { tables: Tables::BUILTIN, journal, site, host, slots: Mutex::default() }
    }

    /// The tables that the gate judges by.
    #[must_use]
    pub const fn tables(&self) -> &Tables<'static> {
        &self.tables
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Opens a device: reads its facts by probes, on record, as caller `fwgate`.
    ///
    /// # Errors
    ///
    /// [`GateError`]: the journal, the slot, or the device did not let the facts be read.
    pub fn open(&self, device: Arc<dyn Device>) -> Result<Opened, GateError> {
        let name = device.identity().name.clone();
        let slot = self.slot(&name);
        let _held = slot.hold("reading facts", crate::device::DEFAULT_DEADLINE)
            .map_err(GateError::Busy)?;
        let generation = device.observe();
        let body = ProbeBody {
            caller: &Caller::gate_itself(),
            device: &name,
            opened: &generation.opened,
            changes: generation.changes,
        };
        let record = self.append(Kind::Probe, &body, Durability::Grouped)?;
        let readings = probe::read(device.as_ref(), &mut |probe| {
            let fail = |cause| ProbeError { probe, cause };
            let reply = device
                .submit(Recorded::probe(probe, &generation, record))
                .map_err(|error| fail(ProbeCause::Submit(error)))?;
            match reply.return_code {
                0 => Ok(reply.payload),
                code => Err(fail(ProbeCause::ReturnCode(code))),
            }
        });
        let readings = match readings {
            Ok(readings) => readings,
            Err(error) => {
                let body = FactsBody {
                    status: "failed",
                    device: None,
                    digest: None,
                    error: Some(error.to_string()),
                };
                self.append(Kind::Outcome { decision: record }, &body, Durability::Grouped)?;
                return Err(GateError::Facts(error));
            }
        };
        let firmware = readings.firmware.clone();
        let facts = DeviceFacts::new(
            device.identity().clone(),
            generation,
            device.around(),
            readings,
            &self.tables,
        );
        let device_record = DeviceRecord::new(device.identity(), &firmware, facts.credible());
        let body = FactsBody {
            status: "done",
            device: Some(device_record.clone()),
            digest: Some(text::hex(facts.digest())),
            error: None,
        };
        self.append(Kind::Outcome { decision: record }, &body, Durability::Grouped)?;
        let slot = slot.clone();
        let verdicts = Arc::new(Verdicts::new());
        Ok(Opened { device, facts: Arc::new(facts), record: device_record, slot, verdicts })
    }

    /// Judges a request. Records and sends nothing.
    ///
    /// # Errors
    ///
    /// [`GateError::Record`] where the decision cannot be put into words; it counts as a refusal.
    pub fn decide<R: Route>(
        &self,
        opened: &Opened,
        request: Request<R>,
    ) -> Result<Decided<R>, GateError> {
        let (terms, explanation, command, body) = self.verdict(opened, &request, |verdict| {
            (
                verdict.terms.clone(),
                Arc::clone(&verdict.explanation),
                Arc::clone(&verdict.command),
                Arc::clone(&verdict.body),
            )
        })?;
        let decision = match terms {
            Some(terms) => Decision::Allow(Permit::new(request, terms)),
            None => Decision::Refused(request),
        };
        Ok(Decided { decision, explanation, command, body })
    }

    /// Judges and explains a request without taking it. Records and sends nothing.
    ///
    /// # Errors
    ///
    /// [`GateError::Record`] where the decision cannot be put into words.
    pub fn explain<R: Route, T>(
        &self,
        opened: &Opened,
        request: &Request<R>,
        read: impl Fn(&Explanation, &CommandRecord) -> T,
    ) -> Result<T, GateError> {
        self.verdict(opened, request, |verdict| read(&verdict.explanation, &verdict.command))
    }

    /// The verdict on a request, remembered or reached.
    fn verdict<R: Route, T>(
        &self,
        opened: &Opened,
        request: &Request<R>,
        read: impl Fn(&Remembered) -> T,
    ) -> Result<T, GateError> {
        let asked = Asked {
            interface: request.route.interface(),
            message: &request.message,
            scope: request.scope,
            caller: &request.caller,
            site_generation: self.site.generation(),
        };
        if let Some(answer) = opened.verdicts.recall(asked, &read) {
            return Ok(answer);
        }
        let verdict = Arc::new(self.reach(opened, request, asked)?);
        let answer = read(&verdict);
        opened.verdicts.remember(asked, verdict);
        Ok(answer)
    }

    /// Reaches a verdict: classifies, asks the site, judges, explains.
    fn reach<R: Route>(
        &self,
        opened: &Opened,
        request: &Request<R>,
        asked: Asked<'_>,
    ) -> Result<Remembered, GateError> {
        let facts = opened.facts.as_ref();
        let message = &request.message;
        facts.with_policy(|policy_facts| {
            let class = classify(&message.command(), policy_facts, &self.tables);
            let answer = self.site.ask(&SiteQuestion {
                caller: &request.caller,
                device: facts.identity(),
                class: &class,
                scope: request.scope,
            });
            let standing = self.standing(opened, request, &answer);
            let route = request.route.as_judged();
            let judgement = judge(&Question {
                command: message.command(),
                route,
                facts: policy_facts,
                tables: &self.tables,
                standing: &standing,
            });
            let name = &opened.record.name;
            let explanation =
                Arc::new(Explanation::of(&judgement, name, message, route, &standing));
            let command = Arc::new(CommandRecord::new(message, &class));
            let digest = |bytes: &[u8]| self.journal.keyed_digest(bytes);
            let body = DecisionBody {
                caller: &request.caller,
                device: &opened.record,
                command: &command,
                payload: PayloadRecord::of(message, &class, &self.tables, digest),
                asked_scope: request.scope.map(fwgate_policy::Scope::name),
                route: request.route.interface().unwrap_or("firmware"),
                rule: &answer.rule,
                explanation: &explanation,
            };
            let body = serde_json::to_vec(&body)
                .map_err(|error| GateError::Record(error.to_string()))?;
            let terms = terms(&judgement, facts);
            Ok(Remembered::new(asked, terms, explanation, command, body.into()))
        })
    }

    /// Judges, records, and sends if allowed; waits for the outcome and records it.
    ///
    /// `progress` is told of a background operation that the command started, now and then.
    ///
    /// # Errors
    ///
    /// [`GateError`]: the gate failed and nothing was sent.
    pub fn send(
        &self,
        opened: &Opened,
        request: Request<Firmware>,
        progress: &mut dyn FnMut(Background),
    ) -> Result<Sent, GateError> {
        let decided = self.decide(opened, request)?;
        let record = self.record(&decided)?;
        let Decided { decision, explanation, command, .. } = decided;
        let Decision::Allow(allowed) = decision else {
            return Ok(Sent { explanation, command, outcome: None, record });
        };
        let deadline = allowed.request().deadline;
        let holder = format!("{} by uid {}", command.opcode, allowed.request().caller.uid);
        let held = opened.slot.hold(&holder, deadline).map_err(|busy| {
            self.finish(record, &no_send(&GateError::Busy(busy.clone()).to_string()));
            GateError::Busy(busy)
        })?;
        if allowed.obligations().taint {
            let why = "this build reaches no kernel that it could taint".to_owned();
            self.finish(record, &no_send(&why));
            return Err(GateError::TaintImpossible(why));
        }
        let started = Instant::now();
        let recorded = allowed.recorded(record);
        let result = self.submit(opened, recorded, held, deadline);
        let outcome = self.outcome(opened, result, started, deadline, record, progress);
        Ok(Sent { explanation, command, outcome: Some(outcome), record })
    }

    /// Judges, records, and does by the kernel's own interface what is allowed.
    ///
    /// # Errors
    ///
    /// [`GateError`]: the gate failed and nothing was done.
    pub fn run(
        &self,
        opened: &Opened,
        interface: &dyn KernelInterface,
        request: Request<Kernel>,
    ) -> Result<Sent, GateError> {
        let decided = self.decide(opened, request)?;
        let record = self.record(&decided)?;
        let Decided { decision, explanation, command, .. } = decided;
        let Decision::Allow(allowed) = decision else {
            return Ok(Sent { explanation, command, outcome: None, record });
        };
        let deadline = allowed.request().deadline;
        let _held = opened.slot.hold(interface.key(), deadline).map_err(GateError::Busy)?;
        let started = Instant::now();
        let result = Some(interface.run(allowed.recorded(record)));
        let outcome = self.outcome(opened, result, started, deadline, record, &mut |_| {});
        Ok(Sent { explanation, command, outcome: Some(outcome), record })
    }

    /// Puts a decision on record and answers its number.
    fn record<R: Route>(&self, decided: &Decided<R>) -> Result<u64, GateError> {
        let durability = match &decided.decision {
            Decision::Allow(permit) if permit.obligations().durable => Durability::Synced,
            Decision::Allow(_) | Decision::Refused(_) => Durability::Grouped,
        };
        Ok(self.journal.append(Kind::Decision, &decided.body, durability)?.sequence)
    }

    /// Hands a recorded command to the device; `None` once the deadline has passed.
    fn submit(
        &self,
        opened: &Opened,
        recorded: Recorded<Firmware>,
        held: crate::slot::Held,
        deadline: Duration,
    ) -> Option<Result<Reply, SubmitError>> {
        match opened.device.pace() {
            Pace::KeepsDeadline => {
                let result = opened.device.submit(recorded);
                drop(held);
                Some(result)
            }
            Pace::MayOutlast => {
                let record = recorded.record();
                let device = Arc::clone(&opened.device);
                let journal = Arc::clone(&self.journal);
                let (tell, told) = mpsc::sync_channel(1);
                std::thread::spawn(move || {
                    let started = Instant::now();
                    let result = device.submit(recorded);
                    drop(held);
                    if let Err(mpsc::SendError(late)) = tell.send(result) {
                        // Nobody waits any more: what became of it is recorded all the same.
                        let (outcome, mut reply) = read_outcome(late, started);
                        reply.zeroize();
                        append_outcome(&journal, record, &outcome);
                    }
                });
                match told.recv_timeout(deadline) {
                    Ok(result) => Some(result),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => {
                        Some(Err(SubmitError::Transport {
                            what: "the thread that sent it ended".to_owned(),
                            may_have_run: true,
                        }))
                    }
                }
            }
        }
    }

    /// Follows a background operation, puts the outcome on record, and answers it.
    fn outcome(
        &self,
        opened: &Opened,
        result: Option<Result<Reply, SubmitError>>,
        started: Instant,
        deadline: Duration,
        record: u64,
        progress: &mut dyn FnMut(Background),
    ) -> Outcome {
        let Some(result) = result else {
            let outcome = OutcomeRecord {
                error: Some("the deadline passed; the command goes on".to_owned()),
                ..blank("unknown", started)
            };
            self.finish(record, &outcome);
            return Outcome { record: outcome, reply: Vec::new(), failure: Some(Failure::Transport) };
        };
        let failure = failure(&result);
        let in_background = matches!(&result, Ok(reply) if reply.background);
        let (mut outcome, reply) = read_outcome(result, started);
        let mut failure = failure;
        if in_background {
            let last = follow(opened, started, deadline, progress);
            outcome.duration_us = micros(started);
            outcome.background = last;
            match last {
                Some(done) if !done.running => {
                    outcome.return_code = Some(done.return_code);
                    let failed = done.return_code != 0;
                    outcome.status = if failed { "failed" } else { "done" };
                    failure = failed.then_some(Failure::Device);
                }
                _ => {
                    outcome.status = "running";
                    failure = None;
                }
            }
        }
        self.finish(record, &outcome);
        Outcome { record: outcome, reply, failure }
    }

    /// Records an outcome. A journal that fails now cannot undo what was sent; the decision stays,
    /// without an outcome, which reads as unknown.
    fn finish(&self, record: u64, outcome: &OutcomeRecord) {
        append_outcome(&self.journal, record, outcome);
    }

    fn append(
        &self,
        kind: Kind,
        body: &impl Serialize,
        durability: Durability,
    ) -> Result<u64, GateError> {
        let bytes =
            serde_json::to_vec(body).map_err(|error| GateError::Record(error.to_string()))?;
        Ok(self.journal.append(kind, &bytes, durability)?.sequence)
    }

    fn slot(&self, name: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(name.to_owned()).or_default().clone()
    }

    fn standing<R: Route>(
        &self,
        opened: &Opened,
        request: &Request<R>,
        answer: &SiteAnswer,
    ) -> Standing {
        let path = opened.device.paths().first().copied().unwrap_or(Path {
            kind: fwgate_policy::PathKind::Emulated,
            follows_background: false,
            admits_caller: false,
        });
        // Emulated devices know no lockdown but the one they are told of.
        let lockdown =
            if opened.record.emulated { Lockdown::None } else { self.host.lockdown };
        Standing {
            asked: request.scope,
            capabilities: request.caller.capabilities,
            site: answer.site,
            grants: answer.grants,
            lockdown,
            path,
            over_budget: false,
        }
    }
}

/// What a permit rests on; `None` unless the judgement allows.
fn terms(judgement: &Judgement<'_>, facts: &DeviceFacts) -> Option<Terms> {
    let (Verdict::Allow(obligations), Some(granted)) = (judgement.verdict, judgement.granted)
    else {
        return None;
    };
    Some(Terms {
        generation: Arc::clone(facts.generation()),
        obligations,
        granted,
        sourced_read: !obligations.durable,
    })
}

fn append_outcome(journal: &Journal, decision: u64, outcome: &OutcomeRecord) {
    let appended = serde_json::to_vec(outcome)
        .map_err(|error| error.to_string())
        .and_then(|bytes| {
            journal
                .append(Kind::Outcome { decision }, &bytes, Durability::Grouped)
                .map_err(|error| error.to_string())
        });
    if let Err(error) = appended {
        // The decision is on record; its outcome reads as unknown. Say so where people look.
        eprintln!("fwgate: outcome of record {decision} could not be recorded: {error}");
    }
}

fn failure(result: &Result<Reply, SubmitError>) -> Option<Failure> {
    match result {
        Ok(reply) if reply.return_code == 0 || reply.background => None,
        Ok(_) => Some(Failure::Device),
        Err(SubmitError::FactsChanged { .. }) => Some(Failure::FactsChanged),
        Err(SubmitError::Kernel { .. }) => Some(Failure::Kernel),
        Err(SubmitError::Transport { .. }) => Some(Failure::Transport),
    }
}

/// What is recorded of a result, and the reply apart from it.
fn read_outcome(result: Result<Reply, SubmitError>, started: Instant) -> (OutcomeRecord, Vec<u8>) {
    match result {
        Ok(reply) => {
            let status = match (reply.return_code, reply.unverified) {
                _ if reply.background => "running",
                (0, false) => "done",
                (0, true) => "unverified",
                _ => "failed",
            };
            let outcome = OutcomeRecord {
                return_code: Some(reply.return_code),
                vendor_status: (reply.vendor_status != 0).then_some(reply.vendor_status),
                reply_length: reply.payload.len(),
                ..blank(status, started)
            };
            (outcome, reply.payload)
        }
        Err(error) => {
            let status = match &error {
                SubmitError::Transport { may_have_run: true, .. } => "unknown",
                _ => "failed",
            };
            let outcome =
                OutcomeRecord { error: Some(error.to_string()), ..blank(status, started) };
            (outcome, Vec::new())
        }
    }
}

fn no_send(why: &str) -> OutcomeRecord {
    OutcomeRecord { error: Some(why.to_owned()), ..blank("failed", Instant::now()) }
}

fn blank(status: &'static str, started: Instant) -> OutcomeRecord {
    OutcomeRecord {
        status,
        return_code: None,
        vendor_status: None,
        reply_length: 0,
        error: None,
        background: None,
        duration_us: micros(started),
    }
}

fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Waits for a background operation to end, at most until the deadline.
fn follow(
    opened: &Opened,
    started: Instant,
    deadline: Duration,
    progress: &mut dyn FnMut(Background),
) -> Option<Background> {
    loop {
        let now = opened.device.background()?;
        progress(now);
        if !now.running || started.elapsed() >= deadline {
            return Some(now);
        }
        std::thread::sleep(BACKGROUND_PERIOD.min(deadline.saturating_sub(started.elapsed())));
    }
}

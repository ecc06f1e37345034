// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate: judges requests, and keeps what it takes to record and send them.
//!
//! *Invariants*: a refusal is a value, an `Err` means that the gate itself failed, and the caller
//! is refused then too. A verdict is remembered for the gate that reached it alone.
//!
//! *Not here*: what may be sent (`fwgate-policy`), reading a device's facts (`opening`), recording
//! and sending (`sending`), how a device is reached (implementors of [`Device`]).

use core::fmt;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fwgate_policy::{
    Judgement, Path, PathKind, Question, Standing, Tables, Verdict, classify, judge,
};
use serde::Serialize;

use crate::device::{Background, Device, NoPath};
use crate::explain::Explanation;
use crate::facts::DeviceFacts;
use crate::host::HostKernel;
use crate::journal::{Durability, Journal, JournalError, Kind};
use crate::known::KnownLogs;
use crate::permit::{Permit, Terms};
use crate::probe::ProbeError;
use crate::record::{CommandRecord, DecisionBody, DeviceRecord, PayloadRecord};
use crate::request::{Request, Route};
use crate::site::{SiteAnswer, SitePolicy, SiteQuestion};
use crate::slot::{Busy, Slot};
use crate::text;
use crate::verdicts::{Asked, Remembered, Verdicts};

/// The most characters of a rule's name that are recorded.
const MAX_RULE: usize = 512;

/// How many gates there were; tells one from another.
static GATES: AtomicU64 = AtomicU64::new(0);

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
    /// The command is in another language than the device's, so that its effects log says nothing
    /// of it. Nothing was sent.
    WrongProtocol {
        /// What the device speaks.
        device: &'static str,
        /// What the command is in.
        command: &'static str,
    },
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => write!(f, "nothing was sent: {error}"),
            Self::Facts(error) => write!(f, "{error}; nothing else is sent until it can be read"),
            Self::Busy(busy) => write!(f, "nothing was sent: busy with {}", busy.holder),
            Self::Record(error) => write!(f, "nothing was sent: record: {error}"),
            Self::TaintImpossible(why) => write!(f, "nothing was sent: taint impossible: {why}"),
            Self::WrongProtocol { device, command } => {
                write!(f, "nothing was sent: the device speaks {device}, the command is {command}")
            }
        }
    }
}

impl core::error::Error for GateError {}

impl From<JournalError> for GateError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// The gate.
pub struct Gate {
    /// Which gate of this process it is.
    number: u64,
    pub(crate) tables: Tables<'static>,
    pub(crate) journal: Arc<Journal>,
    site: Arc<dyn SitePolicy>,
    pub(crate) host: Arc<dyn HostKernel>,
    pub(crate) known: Option<KnownLogs>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A device with the facts that were read of it.
#[derive(Clone)]
pub struct Opened {
    pub(crate) device: Arc<dyn Device>,
    pub(crate) facts: Arc<DeviceFacts>,
    pub(crate) record: DeviceRecord,
    pub(crate) slot: Slot,
    pub(crate) verdicts: Arc<Verdicts>,
    pub(crate) alert: Option<String>,
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

    /// What the owner of the machine should know of this device, if anything.
    #[must_use]
    pub fn alert(&self) -> Option<&str> {
        self.alert.as_deref()
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
    pub(crate) body: Arc<[u8]>,
}

impl Gate {
    /// A gate over a journal, a site policy and compiled-in tables.
    #[must_use]
    pub fn new(
        journal: Arc<Journal>,
        site: Arc<dyn SitePolicy>,
        host: Arc<dyn HostKernel>,
    ) -> Self {
        Self {
            number: GATES.fetch_add(1, Ordering::Relaxed),
            tables: Tables::BUILTIN,
            journal,
            site,
            host,
            known: None,
            slots: Mutex::default(),
        }
    }

    /// The gate, which raises an alert where a device's logs are not what they were.
    #[must_use]
    pub fn remembering(self, known: KnownLogs) -> Self {
        Self { known: Some(known), ..self }
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
        // Whom a node lets in can change at any time, so it is part of what is asked.
        let way = opened.device.path(request.route.as_judged(), &request.message, &request.caller);
        let asked = Asked {
            gate: self.number,
            interface: request.route.interface(),
            way: way.as_ref().ok().copied(),
            message: &request.message,
            scope: request.scope,
            caller: &request.caller,
            site_generation: self.site.generation(),
        };
        if let Some(answer) = opened.verdicts.recall(asked, &read) {
            return Ok(answer);
        }
        let (device, command) =
            (opened.facts.identity().protocol, request.message.command().protocol());
        if device != command {
            let (device, command) = (device.name(), command.name());
            return Err(GateError::WrongProtocol { device, command });
        }
        let (verdict, keep) = self.reach(opened, request, asked, &way)?;
        let answer = read(&verdict);
        if keep {
            opened.verdicts.remember(asked, Arc::new(verdict));
        }
        Ok(answer)
    }

    /// Reaches a verdict: classifies, asks the site, judges, explains. Answers too whether it may
    /// be remembered: nothing that may hold a secret is kept in memory.
    fn reach<R: Route>(
        &self,
        opened: &Opened,
        request: &Request<R>,
        asked: Asked<'_>,
        way: &Result<Path, NoPath>,
    ) -> Result<(Remembered, bool), GateError> {
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
            let standing = standing(opened, request, &answer, way);
            let route = request.route.as_judged();
            let judgement = judge(&Question {
                command: message.command(),
                route,
                facts: policy_facts,
                tables: &self.tables,
                standing: &standing,
            });
            let name = &opened.record.name;
            let mut explanation = Explanation::of(&judgement, name, message, route, &standing);
            if let Err(no_path) = way {
                explanation.say_of_the_path(no_path);
            }
            if let Some(key) = explanation.interface_key {
                // Who is shown another way is told if that way is closed as well.
                let route = fwgate_policy::Route::Kernel(key);
                let kernel = opened.device.path(route, message, &request.caller);
                // One that is run by other tools is a way all the same.
                let path = kernel.unwrap_or(Path { kind: PathKind::KernelInterface, ..Path::NONE });
                let there = judge(&Question {
                    command: message.command(),
                    route,
                    facts: policy_facts,
                    tables: &self.tables,
                    standing: &Standing { path, ..standing },
                });
                explanation.say_of_the_other_way(&there);
            }
            let explanation = Arc::new(explanation);
            let command = Arc::new(CommandRecord::new(message, &class));
            let digest = |bytes: &[u8]| self.journal.keyed_digest(bytes);
            let payload = PayloadRecord::of(message, &class, &self.tables, digest);
            let keep = command.length == 0 || payload != PayloadRecord::Withheld;
            let body = DecisionBody {
                caller: &request.caller,
                device: &opened.record,
                command: &command,
                payload,
                asked_scope: request.scope.map(fwgate_policy::Scope::name),
                route: request.route.interface().unwrap_or("firmware"),
                rule: &text::line(&answer.rule, MAX_RULE),
                explanation: &explanation,
            };
            let body =
                serde_json::to_vec(&body).map_err(|error| GateError::Record(error.to_string()))?;
            let terms = terms(&judgement, facts, standing.path);
            Ok((Remembered::new(asked, terms, explanation, command, body.into()), keep))
        })
    }

    pub(crate) fn append(
        &self,
        kind: Kind,
        body: &impl Serialize,
        durability: Durability,
    ) -> Result<u64, GateError> {
        let bytes =
            serde_json::to_vec(body).map_err(|error| GateError::Record(error.to_string()))?;
        Ok(self.journal.append(kind, &bytes, durability)?.sequence)
    }

    pub(crate) fn slot(&self, name: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(name.to_owned()).or_default().clone()
    }
}

fn standing<R: Route>(
    opened: &Opened,
    request: &Request<R>,
    answer: &SiteAnswer,
    way: &Result<Path, NoPath>,
) -> Standing {
    Standing {
        asked: request.scope,
        capabilities: request.caller.capabilities,
        site: answer.site,
        grants: answer.grants,
        lockdown: opened.facts.around().lockdown,
        path: way.as_ref().copied().unwrap_or(Path::NONE),
        over_budget: false,
    }
}

/// What a permit rests on; `None` unless the judgement allows.
fn terms(judgement: &Judgement<'_>, facts: &DeviceFacts, path: Path) -> Option<Terms> {
    let (Verdict::Allow(obligations), Some(granted)) = (judgement.verdict, judgement.granted)
    else {
        return None;
    };
    Some(Terms {
        generation: Arc::clone(facts.generation()),
        obligations,
        granted,
        path,
        sourced_read: !obligations.durable,
    })
}

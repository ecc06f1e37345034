// SPDX-License-Identifier: MIT OR Apache-2.0
//! A typed verb at work: one device, one command after the other, each by the right way.
//!
//! The right way is the judge's: where it allows the command to the firmware, it goes there; where
//! it points to the kernel's own interface, and that one is within reach and allowed, it goes there
//! instead. Replies are hostile.
//!
//! *Invariants*: nothing is sent but by `Gate::send` and `Gate::run`; a refusal is put on record too.
//! Every command shows in the verb's document, with the number of its record. With `--dry-run`
//! nothing is changed: what has to be read is read.
//!
//! *Not here*: what a verb asks for and how it tells the answer (`verbs`), bytes (`message`).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fwgate_gate::record::{CommandRecord, DeviceRecord, OutcomeRecord};
use fwgate_gate::{
    Caller, Explanation, Failure, Firmware, Kernel, KernelInterface, Message, Opened, Outcome,
    Request, Route, Sent,
};
use fwgate_policy::Protocol;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::decode::{self, Decoded};
use crate::devices::{DEADLINE, Session, Unit};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::style::{FAINT, GOOD, WARN, paint};
use crate::output::table::wrap;
use crate::output::{Format, Ui};
use crate::progress::{Progress, Way};
use crate::verbs::{explain, send};

/// How long a change may take that goes on for long, unless `--timeout` says otherwise.
const LONG: Duration = Duration::from_secs(60 * 60);

/// What a typed verb prints.
#[derive(Debug, Serialize)]
struct Document<'j, T: Serialize> {
    schema: &'static str,
    device: &'j DeviceRecord,
    dry_run: bool,
    commands: &'j [Step],
    /// What came of it; null where it was refused, failed, or was only judged.
    result: Option<&'j T>,
    /// The command that ended it.
    failed: Option<&'j Refusal>,
}

/// One command of a verb.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    #[serde(flatten)]
    command: CommandRecord,
    verdict: &'static str,
    required_scope: &'static str,
    would_taint: bool,
    /// The path it took, or would take.
    path: Option<&'static str>,
    /// The key of the kernel's interface, where it went that way.
    interface: Option<&'static str>,
    /// The journal's number of the decision; null where it was only judged.
    record: Option<u64>,
    status: Option<&'static str>,
    return_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Whether it was sent to change something.
    #[serde(skip)]
    change: bool,
}

/// What came back of a command that succeeded, as far as that can be known.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// The reply.
    pub(crate) reply: Zeroizing<Vec<u8>>,
    /// Whether the device itself, or the kernel after it, said that it succeeded.
    pub(crate) told: bool,
}

/// Why a verb ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed here.
    Error(CliError),
    /// A command was refused, or failed.
    Command(Box<Refusal>),
}

/// A command that was refused or failed.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    command: CommandRecord,
    #[serde(flatten)]
    explanation: Explanation,
    outcome: Option<OutcomeRecord>,
    record: Option<u64>,
    #[serde(skip)]
    exit: Exit,
}

impl From<CliError> for Stop {
    fn from(error: CliError) -> Self {
        Self::Error(error)
    }
}

impl From<fwgate_gate::GateError> for Stop {
    fn from(error: fwgate_gate::GateError) -> Self {
        Self::Error(error.into())
    }
}

/// The way that the judge leaves for a command.
enum Chosen {
    Firmware(Box<Judged>),
    Kernel(Arc<dyn KernelInterface>, Box<Judged>),
}

/// A command that was judged.
#[derive(Clone, Debug)]
struct Judged {
    command: CommandRecord,
    explanation: Explanation,
}

/// A typed verb at work on a device.
pub(crate) struct Job {
    session: Session,
    name: String,
    unit: Unit,
    opened: Opened,
    caller: Arc<Caller>,
    began: Instant,
    timeout: Option<Duration>,
    /// How long it may take in all where the user names no time.
    patience: Duration,
    dry_run: bool,
    steps: Vec<Step>,
    progress: Progress,
}

impl Job {
    /// Opens a device for a verb.
    pub(crate) fn open(
        ui: &Ui,
        name: &str,
        purpose: &str,
        timeout: Option<Duration>,
    ) -> Result<Self, CliError> {
        let began = Instant::now();
        let session = Session::open(&[name], purpose, timeout)?;
        let unit = session.unit(name)?;
        let opened = session.opened(name)?;
        let caller = Arc::new(session.caller());
        let progress = Progress::new(ui.shows_progress());
        Ok(Self {
            session,
            name: name.to_owned(),
            unit,
            opened,
            caller,
            began,
            timeout,
            patience: DEADLINE,
            dry_run: false,
            steps: Vec::new(),
            progress,
        })
    }

    /// The same, where changes may be judged only.
    pub(crate) fn open_to_change(
        ui: &Ui,
        name: &str,
        purpose: &str,
        timeout: Option<Duration>,
        dry_run: bool,
    ) -> Result<Self, CliError> {
        Ok(Self { dry_run, ..Self::open(ui, name, purpose, timeout)? })
    }

    /// The device with its facts.
    pub(crate) const fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Many commands are to come, which take their time together.
    pub(crate) const fn take_long(&mut self) {
        self.patience = LONG;
    }

    /// Whether changes are judged only.
    pub(crate) const fn dry_run(&self) -> bool {
        self.dry_run
    }

    /// The longest payload, in bytes, that one command or reply can have.
    pub(crate) fn payload_limit(&self) -> usize {
        self.unit.device.payload_limit()
    }

    /// The kernel's interface of that key to the device, if it is within reach.
    pub(crate) fn interface(&self, key: &str) -> Option<Arc<dyn KernelInterface>> {
        self.unit.interfaces.iter().find(|interface| interface.key() == key).map(Arc::clone)
    }

    /// Whether that interface is within reach, and there.
    pub(crate) fn has_interface(&self, key: &str) -> bool {
        let there = self.opened.facts().around().interfaces.as_ref();
        self.interface(key).is_some() && there.is_none_or(|keys| keys.contains(&key))
    }

    /// Refuses a device in another language.
    pub(crate) fn only_cxl(&self, verb: &str) -> Result<(), CliError> {
        match self.opened.facts().identity().protocol {
            Protocol::Cxl => Ok(()),
            _ => Err(self.wrong_language(verb, "CXL memory devices")),
        }
    }

    /// The refusal of a verb for `devices` on this one.
    pub(crate) fn wrong_language(&self, verb: &str, devices: &str) -> CliError {
        let record = self.opened.record();
        let detail =
            format!("`{verb}` is for {devices}, and `{}` speaks {}", record.name, record.protocol);
        CliError::usage("wrong-protocol", detail).argument("DEV").device(&record.name)
    }

    /// Reads the device's facts again, after a command that voids them.
    pub(crate) fn look_again(&mut self) -> Result<(), CliError> {
        // With a time of its own: that of the session may be over by now.
        self.opened = self.session.opened_within(&self.name, DEADLINE)?;
        Ok(())
    }

    /// What is left of the time, `all` where the user named none.
    fn left(&self, all: Duration) -> Duration {
        self.timeout.unwrap_or(all).saturating_sub(self.began.elapsed())
    }

    /// Sends a command that changes nothing, and answers its reply.
    pub(crate) fn ask(&mut self, message: &Message) -> Result<Zeroizing<Vec<u8>>, Stop> {
        Ok(self.carry(message, self.patience)?.reply)
    }

    /// The same, in words.
    pub(crate) fn ask_decoded(&mut self, message: &Message) -> Result<Decoded, Stop> {
        let identity = self.opened.facts().identity();
        let pci = (identity.vendor, identity.device);
        let reply = self.ask(message)?;
        decode::reply(message, pci, &reply).ok_or_else(|| self.nonsense("reply").into())
    }

    /// What the device answered is not as it has to be.
    pub(crate) fn nonsense(&self, what: &str) -> CliError {
        let name = &self.opened.record().name;
        let detail =
            format!("the {what} of `{name}` is not as it has to be; see it with: fwgate send");
        CliError::new(Exit::Device, "device-nonsense", detail).device(name)
    }

    /// The same by one interface of the kernel, whatever else could carry it, and at most that long.
    pub(crate) fn ask_kernel(
        &mut self,
        key: &str,
        message: &Message,
        within: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, Stop> {
        let Some(interface) = self.interface(key) else { return self.ask(message) };
        let judged = Box::new(self.judge(&Self::kernel(&interface), message)?);
        let (began, timeout) = (self.began, self.timeout);
        (self.began, self.timeout) = (Instant::now(), Some(within));
        let done = self.go(&Chosen::Kernel(interface, judged), message, within);
        (self.began, self.timeout) = (began, timeout);
        Ok(done?.reply)
    }

    /// What is left of the time that a look may take.
    pub(crate) fn time_left(&self) -> Duration {
        self.left(self.patience)
    }

    /// Forgets the commands so far: a verb that never ends would keep them all.
    pub(crate) fn forget_steps(&mut self) {
        self.steps.clear();
    }

    /// Sends a command that changes something; only judges it with `--dry-run`, and answers `None`.
    pub(crate) fn change(&mut self, message: &Message) -> Result<Option<Done>, Stop> {
        if self.dry_run {
            return self.foresee(message).map(|()| None);
        }
        self.altering(message, self.patience).map(Some)
    }

    fn altering(&mut self, message: &Message, all: Duration) -> Result<Done, Stop> {
        let done = self.carry(message, all);
        if let Some(step) = self.steps.last_mut() {
            step.change = true;
        }
        done
    }

    /// The same for a command that goes on for long.
    pub(crate) fn change_slowly(&mut self, message: &Message) -> Result<Option<Done>, Stop> {
        if self.dry_run {
            return self.change(message);
        }
        self.progress.mind_interrupts();
        let done = self.altering(message, LONG);
        self.progress.end();
        done.map(Some)
    }

    /// Judges a command and sends nothing; a refusal ends the verb before anyone is asked anything.
    pub(crate) fn foresee(&mut self, message: &Message) -> Result<(), Stop> {
        let (judged, interface) = match self.choose(message)? {
            Chosen::Firmware(judged) => (judged, None),
            Chosen::Kernel(interface, judged) => (judged, Some(interface.key())),
        };
        if judged.explanation.verdict != "allow" {
            return Err(refused(*judged, None, None));
        }
        if self.dry_run {
            self.steps.push(Step::judged(&judged, interface));
        }
        Ok(())
    }

    /// The way for a command, chosen by the judge.
    fn choose(&self, message: &Message) -> Result<Chosen, Stop> {
        let judged = self.judge(&Firmware, message)?;
        if judged.explanation.verdict == "allow" {
            return Ok(Chosen::Firmware(Box::new(judged)));
        }
        // One interface at most is made for a command; the judge refuses it to all others.
        for interface in &self.unit.interfaces {
            let there = self.judge(&Self::kernel(interface), message)?;
            if there.explanation.verdict == "allow" {
                return Ok(Chosen::Kernel(Arc::clone(interface), Box::new(there)));
            }
        }
        Ok(Chosen::Firmware(Box::new(judged)))
    }

    fn kernel(interface: &Arc<dyn KernelInterface>) -> Kernel {
        Kernel { interface: interface.key() }
    }

    fn judge<R: Route + Clone>(&self, route: &R, message: &Message) -> Result<Judged, Stop> {
        let request = self.request(route.clone(), message, DEADLINE);
        Ok(self.session.gate().explain(&self.opened, &request, |explanation, command| Judged {
            command: command.clone(),
            explanation: explanation.clone(),
        })?)
    }

    fn request<R: Route>(&self, route: R, message: &Message, all: Duration) -> Request<R> {
        Request {
            route,
            message: message.clone(),
            scope: None,
            caller: Arc::clone(&self.caller),
            deadline: self.left(all),
        }
    }

    fn carry(&mut self, message: &Message, all: Duration) -> Result<Done, Stop> {
        let chosen = self.choose(message)?;
        self.go(&chosen, message, all)
    }

    /// Sends a command by the way that was chosen, a refusal included: it has to be on record.
    fn go(&mut self, chosen: &Chosen, message: &Message, all: Duration) -> Result<Done, Stop> {
        let (sent, interface) = match chosen {
            Chosen::Firmware(_) => {
                let request = self.request(Firmware, message, all);
                let progress = &mut self.progress;
                let mut show = |now| {
                    // There is no way to end it: the word on that is all there is.
                    let _: ControlFlow<()> = progress.show(now, Way::Firmware);
                };
                (self.session.gate().send(&self.opened, request, &mut show)?, None)
            }
            Chosen::Kernel(interface, _) => {
                let request = self.request(Self::kernel(interface), message, all);
                let progress = &mut self.progress;
                let mut show = |now| progress.show(now, Way::Kernel);
                let gate = self.session.gate();
                (gate.run(&self.opened, interface, request, &mut show)?, Some(interface.key()))
            }
        };
        self.take(sent, interface)
    }

    /// Writes down what became of a command.
    fn take(&mut self, sent: Sent, interface: Option<&'static str>) -> Result<Done, Stop> {
        let Sent { explanation, command, outcome, record } = sent;
        let judged = Judged {
            command: Arc::unwrap_or_clone(command),
            explanation: Arc::unwrap_or_clone(explanation),
        };
        let mut step = Step::judged(&judged, interface);
        step.record = Some(record);
        if let Some(outcome) = &outcome {
            step.status = Some(outcome.record.status);
            step.return_code = outcome.record.return_code;
            step.note.clone_from(&outcome.record.error);
        }
        self.steps.push(step);
        match outcome {
            Some(Outcome { record: told, reply, failure: None }) if told.status != "running" => {
                Ok(Done { reply, told: told.status == "done" })
            }
            outcome => Err(refused(judged, outcome, Some(record))),
        }
    }

    /// Prints what came of the verb, and answers its status.
    pub(crate) fn finish<T: Serialize>(
        self,
        ui: &mut Ui,
        schema: &'static str,
        result: Result<Option<T>, Stop>,
        text: impl FnOnce(&T, usize) -> String,
    ) -> Result<Exit, CliError> {
        self.finish_with(ui, schema, result, text, |_| Exit::Done)
    }

    /// The same for a verb whose result has a status of its own.
    pub(crate) fn finish_with<T: Serialize>(
        self,
        ui: &mut Ui,
        schema: &'static str,
        result: Result<Option<T>, Stop>,
        text: impl FnOnce(&T, usize) -> String,
        status: impl FnOnce(&T) -> Exit,
    ) -> Result<Exit, CliError> {
        let (result, failed) = match result {
            Ok(result) => (result, None),
            Err(Stop::Command(refusal)) => (None, Some(refusal)),
            Err(Stop::Error(error)) => return Err(error),
        };
        let device = self.opened.record();
        if ui.format() == Format::Json {
            ui.json(&Document {
                schema,
                device,
                dry_run: self.dry_run,
                commands: &self.steps,
                result: result.as_ref(),
                failed: failed.as_deref(),
            })?;
        } else {
            let mut whole = String::new();
            if let Some(result) = &result {
                whole.push_str(&text(result, ui.width()));
            }
            whole.push_str(&self.told(ui, failed.as_deref()));
            ui.text(&whole)?;
        }
        Ok(match (failed, result) {
            (Some(refusal), _) => refusal.exit,
            (None, Some(result)) => status(&result),
            (None, None) => Exit::Done,
        })
    }

    /// What people are told of the commands: of all with `-v`, else of those that changed something,
    /// and of the one that ended the verb.
    fn told(&self, ui: &Ui, failed: Option<&Refusal>) -> String {
        let mut text = String::new();
        let ended = failed.and_then(|refusal| refusal.record);
        let shown = |step: &&Step| {
            let told_below = ended.is_some() && step.record == ended;
            !told_below && (ui.verbose() || step.change || step.record.is_none())
        };
        let shown: Vec<&Step> = self.steps.iter().filter(shown).collect();
        for alike in shown.chunk_by(|one, other| one.same_as(other)) {
            let (Some(first), Some(last)) = (alike.first(), alike.last()) else { continue };
            let line = wrap(&first.line(last, alike.len()), ui.width(), 4);
            text.push_str(&first.paint(&line));
            text.push('\n');
        }
        if let Some(refusal) = failed {
            let device = self.opened.record();
            let (command, explanation) = (&refusal.command, &refusal.explanation);
            text.push_str(&explain::text(Some(&device.name), command, explanation, ui.width()));
            text.push_str(&match (&refusal.outcome, refusal.record) {
                (Some(outcome), record) => {
                    send::told(device.protocol, outcome, record.unwrap_or_default())
                }
                (None, Some(record)) => format!("nothing was sent; record {record}\n"),
                (None, None) => "nothing was sent\n".to_owned(),
            });
        } else if self.dry_run {
            text.push_str(&paint(FAINT, "nothing was changed: --dry-run"));
            text.push('\n');
        }
        text
    }
}

fn refused(judged: Judged, outcome: Option<Outcome>, record: Option<u64>) -> Stop {
    let exit = match &outcome {
        None => explain::status(&judged.explanation),
        Some(outcome) => match outcome.failure {
            // It was begun, and its end was not seen in time.
            None | Some(Failure::Transport) => Exit::Transport,
            Some(Failure::FactsChanged) => Exit::Refused,
            Some(Failure::Kernel) => Exit::Kernel,
            Some(Failure::Device) => Exit::Device,
        },
    };
    let Judged { command, explanation } = judged;
    let outcome = outcome.map(|outcome| outcome.record);
    Stop::Command(Box::new(Refusal { command, explanation, outcome, record, exit }))
}

impl Step {
    fn judged(judged: &Judged, interface: Option<&'static str>) -> Self {
        let Judged { command, explanation } = judged;
        Self {
            command: command.clone(),
            verdict: explanation.verdict,
            required_scope: explanation.required_scope,
            would_taint: explanation.would_taint,
            path: explanation.path,
            interface,
            record: None,
            status: None,
            return_code: None,
            note: None,
            change: false,
        }
    }

    /// Whether the same became of the same command by the same way.
    fn same_as(&self, other: &Self) -> bool {
        let what =
            |it: &Self| (it.command.opcode.clone(), it.interface, it.status, it.note.clone());
        what(self) == what(other) && self.record.is_some() == other.record.is_some()
    }

    /// What became of that many commands alike, of which this is the first.
    fn line(&self, last: &Self, count: usize) -> String {
        let name = self.command.name.as_deref().map_or(String::new(), |name| format!(" ({name})"));
        let way = match (self.interface, self.path) {
            (Some(key), _) => format!("by the kernel's `{key}`"),
            (None, Some(path)) => format!("to the firmware, path `{path}`"),
            (None, None) => "to the firmware".to_owned(),
        };
        let word = self.status.unwrap_or("would be allowed");
        let mut line = format!("{word}: {}{name} {way}", self.command.opcode);
        if self.status.is_none() {
            line.push_str(&format!(", needs {}", self.required_scope));
            if self.would_taint {
                line.push_str(", would taint the kernel");
            }
        }
        if let Some(note) = &self.note {
            line.push_str(&format!(": {note}"));
        }
        match (self.record, last.record) {
            (Some(first), Some(last)) if count > 1 => {
                line.push_str(&format!("; {count} times, records {first} to {last}"));
            }
            (Some(record), _) => line.push_str(&format!("; record {record}")),
            (None, _) => {}
        }
        line
    }

    fn paint(&self, line: &str) -> String {
        let word = self.status.unwrap_or("would be allowed");
        let style = if word == "done" { GOOD } else { WARN };
        match line.strip_prefix(word) {
            Some(rest) => format!("{}{rest}", paint(style, word)),
            None => line.to_owned(),
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a decision to an outcome: record, wait for the slot, look once more, send, follow, record.
//!
//! Replies are hostile.
//!
//! *Invariants*: nothing is sent that is not on record; a record that cannot be written sends
//! nothing. One command at a time per device. Nothing is sent twice. The deadline counts from the
//! moment that the request is given to the gate, and covers the record, the slot, the send and the
//! background operation. Whatever was recorded as allowed gets an outcome, unless the process dies
//! or the journal fails.
//!
//! *Not here*: judging (`gate`), how a device is reached (implementors of
//! [`Device`](crate::Device)).

use core::ops::ControlFlow;
use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use crate::device::{Background, KernelInterface, Pace, Reply, SubmitError};
use crate::gate::{Decided, Decision, Gate, GateError, Opened};
use crate::host::HostKernel;
use crate::journal::{Durability, Journal, Kind};
use crate::outcome::{Followed, MAX_ERROR, Outcome, Sent, failed};
use crate::permit::Permit;
use crate::read_back::ReadBack;
use crate::record::OutcomeRecord;
use crate::request::{Firmware, Kernel, Request, Route};
use crate::slot::{Busy, Held};
use crate::text;

/// How often a background operation is looked at.
const BACKGROUND_PERIOD: Duration = Duration::from_millis(20);

/// A background operation that a command started.
#[derive(Clone, Copy, Debug)]
struct Began {
    /// The slot's number of it.
    number: u64,
    /// What it looked like before anyone else's command.
    first: Option<Background>,
}

/// How a background operation is looked at.
type Look = dyn Fn() -> Option<Background> + Send + Sync;
/// How it is asked to end early.
type Abort = dyn Fn() -> Result<(), String> + Send + Sync;

/// A recorded command on its way, whatever its route.
struct Carry {
    pace: Pace,
    send: Box<dyn FnOnce() -> Result<Reply, SubmitError> + Send>,
    look: Arc<Look>,
    abort: Arc<Abort>,
    /// The kernel, where it has to be tainted afterwards.
    taint: Option<Arc<dyn HostKernel>>,
}

/// Whose command it is, its record, and when the gate stops waiting.
#[derive(Clone, Copy)]
struct Ends {
    record: u64,
    caller: u32,
    until: Option<Instant>,
}

/// What a command came back with.
type Came = (Result<Reply, SubmitError>, Option<Began>);

/// What is left of the time until then; `None` for ever.
pub(crate) fn left(until: Option<Instant>) -> Option<Duration> {
    until.map(|until| until.saturating_duration_since(Instant::now()))
}

/// Waits for what another thread tells, until then.
pub(crate) fn told_by<T>(
    told: &Receiver<T>,
    until: Option<Instant>,
) -> Result<T, RecvTimeoutError> {
    match left(until) {
        Some(left) => told.recv_timeout(left),
        None => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}

impl Gate {
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
        let until = Instant::now().checked_add(request.deadline);
        let decided = self.decide(opened, request)?;
        let record = self.record(&decided)?;
        let Decided { decision, explanation, command, .. } = decided;
        let Decision::Allow(permit) = decision else {
            return Ok(Sent { explanation, command, outcome: None, record });
        };
        let caller = permit.request().caller.uid;
        let holder = format!("{} by uid {caller}", command.opcode);
        let held = self.turn(opened, &permit, record, &holder, until)?;
        let taint = permit.obligations().taint;
        let read_back = permit.obligations().read_back;
        let read_back = read_back
            .then(|| ReadBack::of(&permit.request().message, &opened.facts, &self.journal, until))
            .flatten();
        let unchanged = unchanged(opened, &permit);
        let recorded = permit.recorded(record, until);
        let device = &opened.device;
        let carry = Carry {
            pace: device.pace(),
            send: {
                let device = Arc::clone(device);
                Box::new(move || {
                    let mut reply = device.submit(recorded)?;
                    if let Some(read_back) = read_back {
                        read_back.settle(device.as_ref(), record, &mut reply);
                    }
                    Ok(reply)
                })
            },
            look: {
                let device = Arc::clone(device);
                Arc::new(move || device.background())
            },
            abort: Arc::new(|| Err("this path cannot end it early".to_owned())),
            taint: taint.then(|| Arc::clone(&self.host)),
        };
        let mut progress = |now| {
            progress(now);
            ControlFlow::Continue(())
        };
        let outcome = self.carry(
            opened,
            unchanged,
            carry,
            held,
            Ends { record, caller, until },
            &mut progress,
        );
        Ok(Sent { explanation, command, outcome: Some(outcome), record })
    }

    /// Judges, records, and does by the kernel's own interface what is allowed.
    ///
    /// `progress` is told of a long operation that the command began, now and then; where it breaks
    /// off, the kernel is asked to end the operation early.
    ///
    /// # Errors
    ///
    /// [`GateError`]: the gate failed and nothing was done.
    pub fn run(
        &self,
        opened: &Opened,
        interface: &Arc<dyn KernelInterface>,
        request: Request<Kernel>,
        progress: &mut dyn FnMut(Background) -> ControlFlow<()>,
    ) -> Result<Sent, GateError> {
        let until = Instant::now().checked_add(request.deadline);
        let decided = self.decide(opened, request)?;
        let record = self.record(&decided)?;
        let Decided { decision, explanation, command, .. } = decided;
        let Decision::Allow(permit) = decision else {
            return Ok(Sent { explanation, command, outcome: None, record });
        };
        let caller = permit.request().caller.uid;
        let holder = format!("{} by uid {caller}, `{}`", command.opcode, interface.key());
        let held = self.turn(opened, &permit, record, &holder, until)?;
        let ready = made_out_for(interface.as_ref(), &permit);
        let unchanged = unchanged(opened, &permit);
        let recorded = permit.recorded(record, until);
        let carry = Carry {
            pace: interface.pace(),
            send: {
                let interface = Arc::clone(interface);
                Box::new(move || ready.and_then(|()| interface.run(recorded)))
            },
            look: {
                // An emulated kernel's operation is its device's own.
                let (interface, device) = (Arc::clone(interface), Arc::clone(&opened.device));
                Arc::new(move || interface.background().or_else(|| device.background()))
            },
            abort: {
                let interface = Arc::clone(interface);
                Arc::new(move || interface.abort())
            },
            taint: None,
        };
        let outcome =
            self.carry(opened, unchanged, carry, held, Ends { record, caller, until }, progress);
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

    /// Waits for the slot, and meets what is to be done before anything is sent.
    fn turn<R: Route>(
        &self,
        opened: &Opened,
        permit: &Permit<R>,
        record: u64,
        holder: &str,
        until: Option<Instant>,
    ) -> Result<Held, GateError> {
        let refuse = |error: GateError| {
            let outcome = failed("failed", &error.to_string(), Instant::now());
            append_outcome(&self.journal, record, &outcome);
            error
        };
        let caller = permit.request().caller.uid;
        let held = opened.slot.hold(caller, holder, until);
        let held = held.map_err(|busy| refuse(GateError::Busy(busy)))?;
        if left(until).is_some_and(|left| left.is_zero()) {
            let holder = "putting the decision on record, until the deadline passed".to_owned();
            return Err(refuse(GateError::Busy(Busy { holder })));
        }
        if permit.obligations().taint {
            let tainted = self.host.taint(permit.path().kind);
            tainted.map_err(|why| refuse(GateError::TaintImpossible(why)))?;
        }
        Ok(held)
    }

    /// Carries a recorded command to its end: sends it, follows what goes on in the background, puts
    /// the outcome on record and answers it. `unchanged` says whether machine and path are still what
    /// was judged, looked at with the slot in hand; where they are not, nothing is sent.
    fn carry(
        &self,
        opened: &Opened,
        unchanged: Result<(), SubmitError>,
        carry: Carry,
        held: Held,
        ends: Ends,
        progress: &mut dyn FnMut(Background) -> ControlFlow<()>,
    ) -> Outcome {
        let started = Instant::now();
        let (look, abort) = (Arc::clone(&carry.look), Arc::clone(&carry.abort));
        let taint = carry.taint.clone();
        let came = match unchanged {
            Ok(()) => self.submit(carry, held, ends, started),
            Err(error) => Ok((Err(error), None)),
        };
        let (result, began) = match came {
            Ok(came) => came,
            Err(late) => return late,
        };
        let mut outcome = Outcome::of(result, started);
        outcome.record.tainted = taint.and_then(|host| host.tainted());
        if let Some(began) = began {
            let follow = Follow { opened, look: look.as_ref(), abort: abort.as_ref(), ends };
            outcome.settle(follow.to_the_end(began, progress), started);
        }
        append_outcome(&self.journal, ends.record, &outcome.record);
        outcome
    }

    /// Sends, in a thread of its own where that may outlast the deadline. An `Err` is the outcome
    /// once the deadline has passed, and is on record.
    fn submit(
        &self,
        carry: Carry,
        held: Held,
        ends: Ends,
        started: Instant,
    ) -> Result<Came, Outcome> {
        let Carry { pace, send, look, taint, .. } = carry;
        if pace == Pace::KeepsDeadline {
            return Ok(came(look.as_ref(), send(), held));
        }
        let journal = Arc::clone(&self.journal);
        let record = ends.record;
        // Without a buffer: what nobody takes comes back, and is recorded here.
        let (tell, told) = mpsc::sync_channel(0);
        let thread = std::thread::Builder::new().name("fwgate-send".to_owned()).spawn(move || {
            let came = came(look.as_ref(), send(), held);
            if let Err(mpsc::SendError((late, began))) = tell.send(came) {
                let mut outcome = Outcome::of(late, started);
                if let Some(began) = began {
                    outcome.settle(glance(began.first), started);
                }
                outcome.record.tainted = taint.and_then(|host| host.tainted());
                append_outcome(&journal, record, &outcome.record);
            }
        });
        let lost = |what: String, may_have_run| {
            Ok((Err(SubmitError::Transport { what, may_have_run }), None))
        };
        if let Err(error) = thread {
            return lost(format!("no thread to send it: {error}"), false);
        }
        match told_by(&told, ends.until) {
            Ok(came) => Ok(came),
            Err(RecvTimeoutError::Timeout) => {
                // While `told` is there the thread waits: its outcome comes after this one.
                let late = Outcome::late(started);
                append_outcome(&self.journal, record, &late.record);
                Err(late)
            }
            Err(RecvTimeoutError::Disconnected) => {
                lost("the thread that sent it ended".to_owned(), true)
            }
        }
    }
}

/// What a command came back with. Where it goes on in the background, that is looked at before the
/// slot is given away.
fn came(look: &Look, result: Result<Reply, SubmitError>, held: Held) -> Came {
    let background = matches!(&result, Ok(reply) if reply.background);
    let began = background.then(|| Began { number: held.background_began(), first: look() });
    drop(held);
    (result, began)
}

/// A look at a background operation that nobody waits for.
const fn glance(first: Option<Background>) -> Followed {
    match first {
        Some(last) if !last.running => Followed::Ended(last),
        other => Followed::Runs(other),
    }
}

/// A background operation, and how it is looked at.
struct Follow<'o> {
    opened: &'o Opened,
    look: &'o Look,
    abort: &'o Abort,
    ends: Ends,
}

impl Follow<'_> {
    /// Waits for a background operation to end. The slot is held at each look, so that no command
    /// of this gate is under way that may have begun another one.
    fn to_the_end(
        &self,
        began: Began,
        progress: &mut dyn FnMut(Background) -> ControlFlow<()>,
    ) -> Followed {
        let Some(first) = began.first else { return Followed::Runs(None) };
        let mut last = first;
        let mut aborted = false;
        loop {
            let told = progress(last);
            if !last.running {
                return Followed::Ended(last);
            }
            if told.is_break() && !aborted {
                aborted = true;
                if let Err(why) = (self.abort)() {
                    eprintln!("fwgate: it goes on: {}", text::line(&why, MAX_ERROR));
                }
            }
            let pause =
                left(self.ends.until).map_or(BACKGROUND_PERIOD, |it| it.min(BACKGROUND_PERIOD));
            if pause.is_zero() {
                return Followed::Runs(Some(last));
            }
            std::thread::sleep(pause);
            let slot = &self.opened.slot;
            let Ok(held) =
                slot.hold(self.ends.caller, "following in the background", self.ends.until)
            else {
                return Followed::Runs(Some(last));
            };
            let now = (self.look)();
            let another = slot.backgrounds() != began.number;
            drop(held);
            match now {
                _ if another => return Followed::Lost,
                Some(now) if now.opcode != first.opcode => return Followed::Lost,
                Some(now) => last = now,
                None => return Followed::Runs(Some(last)),
            }
        }
    }
}

/// A permit for one interface opens no other.
fn made_out_for(
    interface: &dyn KernelInterface,
    permit: &Permit<Kernel>,
) -> Result<(), SubmitError> {
    let route = permit.request().route.interface;
    if route == interface.key() {
        return Ok(());
    }
    let what = format!("the command is made out for `{route}`, and this is `{}`", interface.key());
    Err(SubmitError::Transport { what, may_have_run: false })
}

/// What the machine does with the device, and the path to it, have to be what it was judged by. What
/// the device itself says is looked at when the record is opened, [`Recorded::release`].
fn unchanged<R: Route>(opened: &Opened, permit: &Permit<R>) -> Result<(), SubmitError> {
    let changed = |what: &str| Err(SubmitError::FactsChanged { what: what.to_owned() });
    if opened.device.around() != *opened.facts.around() {
        return changed(
            "a driver, a decoder, a namespace or a kernel interface of the device came or went \
             since its facts were read",
        );
    }
    let Request { route, message, caller, .. } = permit.request();
    if opened.device.path(route.as_judged(), message, caller) == Ok(permit.path()) {
        return Ok(());
    }
    changed("the path that was judged is no longer the one, or whom it lets in has changed")
}

/// Records an outcome. A journal that fails now cannot undo what was sent; the decision stays,
/// without an outcome, which reads as unknown.
fn append_outcome(journal: &Journal, decision: u64, outcome: &OutcomeRecord) {
    let appended =
        serde_json::to_vec(outcome).map_err(|error| error.to_string()).and_then(|bytes| {
            journal
                .append(Kind::Outcome { decision }, &bytes, Durability::Grouped)
                .map_err(|error| error.to_string())
        });
    if let Err(error) = appended {
        // Say so where people look.
        eprintln!("fwgate: outcome of record {decision} could not be recorded: {error}");
    }
}

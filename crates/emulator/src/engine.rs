// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device behind the registers: takes a command, carries it out, keeps the background operation, and
//! saves what changed.
//!
//! Commands are not trusted; neither is a state that was read from a file, beyond its check.
//!
//! *Invariants*
//! - The executed list has a command before it is carried out; the state is saved before its reply can be
//!   seen.
//! - At most one background operation runs.
//! - Time arithmetic saturates: a state from another day cannot make it overflow.
//!
//! *Not here*: registers and faults of the mailbox (`registers`), the commands (`commands`).
//!
//! *Spec*: background operations as in the reference, `drivers/cxl/pci.c @ v7.3` and QEMU
//! `hw/cxl/cxl-mailbox-utils.c`.

use fwgate_wire::cxl::ReturnCode;
use serde::{Deserialize, Serialize};

use crate::commands::events::Severity;
use crate::commands::{self, features, firmware, media, sanitize, vendor};
use crate::device::ResetKind;
use crate::executed::Executed;
use crate::faults::FaultKind;
use crate::state::State;
use crate::store::{BadField, HostError, Store};

/// How a command ended that the device did not refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// With Success.
    Now,
    /// With Background Started.
    Background,
}

/// What a command's handler answers.
pub(crate) type Handled = Result<Done, ReturnCode>;

/// The background operation that runs, and the one that ended last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Background {
    pub(crate) running: Option<Running>,
    pub(crate) last: Option<Ended>,
}

/// A background operation that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Running {
    pub(crate) opcode: u16,
    pub(crate) started_us: u64,
    pub(crate) duration_us: u64,
    pub(crate) abortable: bool,
    pub(crate) then: Then,
}

/// What happens when a background operation ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Then {
    /// All data is gone.
    Erase,
    /// The scan's results are there.
    Scan { start: u64, end: u64, quiet: bool },
    /// The package that was transferred is checked and its slot filled.
    Verify(firmware::Package),
    /// The slot is active.
    Activate { slot: u8 },
    /// A feature has its new value.
    Feature(features::Write),
    /// The place is repaired.
    Repair { dpa: Option<u64> },
    /// The vendor's operation is done.
    Vendor,
}

/// How a background operation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ended {
    pub(crate) opcode: u16,
    pub(crate) percent: u8,
    pub(crate) return_code: u16,
}

impl Running {
    /// 0 to 99: an operation at 100 has ended.
    pub(crate) fn percent(&self, now_us: u64) -> u8 {
        let elapsed = u128::from(now_us.saturating_sub(self.started_us));
        let percent = elapsed * 100 / u128::from(self.duration_us.max(1));
        u8::try_from(percent).unwrap_or(99).min(99)
    }

    fn over(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.started_us) >= self.duration_us
    }
}

impl Background {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        if let Some(last) = &self.last {
            BadField::unless(
                last.percent <= 100,
                "background.last.percent",
                "expected at most 100",
                last.percent,
            )?;
        }
        match self.running.as_ref().map(|running| &running.then) {
            Some(Then::Verify(package)) => package.check(),
            Some(Then::Activate { slot }) => firmware::check_slot(*slot, "background.running.then"),
            Some(Then::Feature(write)) => write.check(),
            _ => Ok(()),
        }
    }

    /// The Background Command Status register.
    pub(crate) fn register(&self, now_us: u64) -> u64 {
        let (opcode, percent, code) = match (&self.running, &self.last) {
            (Some(running), _) => (running.opcode, running.percent(now_us), 0),
            (None, Some(last)) => (last.opcode, last.percent, last.return_code),
            (None, None) => (0, 0, 0),
        };
        u64::from(opcode) | u64::from(percent & 0x7f) << 16 | u64::from(code) << 32
    }
}

/// What the device says to one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) return_code: u16,
    pub(crate) reply: Vec<u8>,
}

/// One device's workings.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) state: State,
    pub(crate) now_us: u64,
    dirty: bool,
    store: Store,
    executed: Executed,
}

impl Engine {
    pub(crate) fn new(state: State, store: Store, executed: Executed, now_us: u64) -> Self {
        Self { state, now_us, dirty: false, store, executed }
    }

    /// The state, to be changed and saved.
    pub(crate) fn change(&mut self) -> &mut State {
        self.dirty = true;
        &mut self.state
    }

    /// Commands taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.executed.count()
    }

    /// Moves the device's time on; ends the background operation if it is over.
    pub(crate) fn settle(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
        let now_us = self.now_us;
        let over =
            self.state.background.running.as_ref().is_some_and(|running| running.over(now_us));
        if over && let Some(running) = self.change().background.running.take() {
            let code = match running.then {
                Then::Erase => sanitize::finish(self),
                Then::Scan { start, end, quiet } => media::finish_scan(self, start, end, quiet),
                Then::Verify(package) => firmware::finish_verify(self, package),
                Then::Activate { slot } => firmware::finish_activate(self, slot),
                Then::Feature(write) => features::finish(self, &write),
                Then::Repair { dpa } => media::finish_repair(self, dpa),
                Then::Vendor => vendor::finish(self),
            };
            let opcode = running.opcode;
            self.change().background.last =
                Some(Ended { opcode, percent: 100, return_code: code.0 });
        }
    }

    /// Starts a background operation.
    pub(crate) fn start(
        &mut self,
        opcode: u16,
        duration_us: u64,
        abortable: bool,
        then: Then,
    ) -> Handled {
        self.idle()?;
        let started_us = self.now_us;
        self.change().background.running =
            Some(Running { opcode, started_us, duration_us, abortable, then });
        Ok(Done::Background)
    }

    /// Busy while a background operation runs.
    pub(crate) fn idle(&self) -> Result<(), ReturnCode> {
        if self.state.background.running.is_some() { Err(ReturnCode::BUSY) } else { Ok(()) }
    }

    /// Ends the running operation with Aborted.
    pub(crate) fn abort(&mut self) {
        let now_us = self.now_us;
        if let Some(running) = self.change().background.running.take() {
            let percent = running.percent(now_us);
            let return_code = ReturnCode::ABORTED.0;
            self.change().background.last =
                Some(Ended { opcode: running.opcode, percent, return_code });
        }
    }

    /// Whether media is switched off: a sanitize runs.
    pub(crate) fn media_disabled(&self) -> bool {
        matches!(&self.state.background.running, Some(Running { then: Then::Erase, .. }))
    }

    /// Puts a line into the debug log and, above information, a record into the event log.
    pub(crate) fn log(&mut self, severity: Severity, line: &str) {
        let since = self.now_us.saturating_sub(self.state.power.since_us);
        self.change().debug_log.add(since, line);
        if severity != Severity::Information {
            commands::events::module_event(self, severity);
        }
    }

    /// The faults that this command meets; each counts the occasion.
    pub(crate) fn faults_at(&mut self, opcode: u16) -> Vec<FaultKind> {
        let mut met = Vec::new();
        let mut counted = false;
        let State { faults, faults_seen, .. } = &mut self.state;
        for (rule, seen) in faults.rules.iter().zip(faults_seen.iter_mut()) {
            let always = matches!(
                rule.kind,
                FaultKind::LogTruncated { .. }
                    | FaultKind::DuplicateRows
                    | FaultKind::DoorbellStuck
            );
            if always {
                // A stuck doorbell counts commands only until it shows; then it counts looks.
                if rule.kind != FaultKind::DoorbellStuck || *seen < rule.after {
                    *seen = seen.saturating_add(1);
                    counted = true;
                }
            } else if rule.matches(opcode) {
                if rule.shows(*seen) {
                    met.push(rule.kind);
                }
                *seen = seen.saturating_add(1);
                counted = true;
            }
        }
        self.dirty |= counted;
        met
    }

    /// Whether a fault holds the doorbell set; counts the look.
    pub(crate) fn doorbell_stuck(&mut self) -> bool {
        let State { faults, faults_seen, .. } = &mut self.state;
        for (rule, seen) in faults.rules.iter().zip(faults_seen.iter_mut()) {
            if rule.kind == FaultKind::DoorbellStuck && rule.shows(*seen) {
                // Looks are counted only where they end something: a driver looks very often.
                if rule.times.is_some() {
                    *seen = seen.saturating_add(1);
                    self.dirty = true;
                }
                return true;
            }
        }
        false
    }

    /// Takes one command: lists it, carries it out, saves what changed. `None` is an input longer than
    /// the payload.
    pub(crate) fn take(&mut self, opcode: u16, input: Option<&[u8]>) -> Result<Answer, HostError> {
        self.executed.append(opcode, self.now_us)?;
        let mut reply = Vec::new();
        let return_code = match input {
            Some(input) => commands::dispatch(self, opcode, input, &mut reply, 0),
            None => ReturnCode::INVALID_PAYLOAD_LENGTH,
        };
        if !matches!(return_code, ReturnCode::SUCCESS | ReturnCode::BACKGROUND_STARTED) {
            reply.clear();
        }
        self.save()?;
        Ok(Answer { return_code: return_code.0, reply })
    }

    /// Saves the state if it changed since it was last saved.
    pub(crate) fn save(&mut self) -> Result<(), HostError> {
        if self.dirty {
            self.store.save(&self.state)?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Resets the device and puts configuration in force that waited for it.
    pub(crate) fn reset(&mut self, kind: ResetKind) {
        if self.state.background.running.is_some() {
            self.abort();
        }
        let now_us = self.now_us;
        let state = self.change();
        state.power.busy_until_us = 0;
        state.power.gone = false;
        state.power.changes = state.power.changes.saturating_add(1);
        state.background = Background::default();
        state.firmware.transfer = None;
        state.features.transfer = None;
        state.media.forget_cursors();
        if kind == ResetKind::Cold {
            state.power.since_us = now_us;
            state.power.cycles = state.power.cycles.saturating_add(1);
            state.timestamp = commands::timestamp::Timestamp::new(state.settings.driven, now_us);
            state.health.power_cycle();
        }
        self.log(Severity::Information, kind.name());
        commands::events::module_event(self, Severity::Information);
        firmware::at_reset(self);
        let state = self.change();
        state.capacity.at_reset();
        state.features.at_reset(kind);
        state.vendor.at_reset(kind);
    }
}

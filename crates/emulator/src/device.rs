// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulated CXL Type-3 device: made, opened, reset; and the one crate-private way to send to it.
//!
//! Commands go through the real mailbox driver, register by register.
//!
//! *Invariants*: no public method sends a command or reads a register. [`EmulatedCxl::power_cycle`] and
//! [`EmulatedCxl::reset`] are the emulator's own controls, as a plug is a device's; they are no commands.
//!
//! *Not here*: the lock that keeps two processes off one device (its caller holds it).
//!
//! *Spec*: `fwgate_wire::cxl::mailbox` names its own.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use fwgate_wire::cxl::discover::DiscoverError;
use fwgate_wire::cxl::mailbox::MailboxError;
use fwgate_wire::cxl::registers::{BackgroundStatus, MailboxStatus};
use fwgate_wire::cxl::{Clock as _, DeviceBlocks, Mailbox, Opcode, ReturnCode};
use thiserror::Error;

use crate::clock::{DriverClock, TimeSource, WallTime};
use crate::commands::events::{Severity, module_event};
use crate::engine::Engine;
use crate::executed::Executed;
use crate::faults::FaultPlan;
use crate::registers::RegisterModel;
use crate::state::{Settings, State};
use crate::store::{HostError, OpenError, Store, check_name};

/// What an emulated device is like when it is made. A device that exists keeps what it was made with, but
/// for the faults.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name: 1 to 32 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// Whether an emulated kernel drives it.
    pub driven: bool,
    /// Base-two logarithm of the mailbox payload in bytes, 8 to 20.
    pub payload_log2: u32,
    /// From the doorbell to the reply, in microseconds; at most 60 s.
    pub latency_us: u64,
    /// How long a background operation takes that does not say it itself, in microseconds; at most 1 h.
    pub background_us: u64,
    /// Faults to show from now on; `None` leaves those that the device has, and so does the same plan again,
    /// which goes on counting.
    pub faults: Option<FaultPlan>,
}

impl Options {
    /// A device of that name, driven by nobody: 2 KiB of payload, no latency, 2 s of background, no fault.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            driven: false,
            payload_log2: 11,
            latency_us: 0,
            background_us: 2_000_000,
            faults: None,
        }
    }

    /// `cxl0`, driven by nobody.
    #[must_use]
    pub fn cxl0() -> Self {
        Self::named("cxl0")
    }

    /// `cxl1`, driven by an emulated kernel.
    #[must_use]
    pub fn cxl1() -> Self {
        Self { driven: true, ..Self::named("cxl1") }
    }
}

/// Resets, from the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetKind {
    /// Power off and on.
    Cold,
    /// Warm or hot reset.
    Conventional,
    /// CXL reset.
    Cxl,
}

impl ResetKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold reset",
            Self::Conventional => "conventional reset",
            Self::Cxl => "CXL reset",
        }
    }
}

/// An emulated CXL Type-3 device.
#[derive(Debug)]
pub struct EmulatedCxl {
    registers: RegisterModel,
    clock: DriverClock,
    mailbox: Option<Mailbox>,
}

/// A command that came back from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completed {
    /// The device's return code.
    pub(crate) return_code: ReturnCode,
    /// Its vendor status.
    pub(crate) vendor_status: u16,
    /// Whether it goes on in the background.
    pub(crate) background: bool,
}

/// The background operation, as the registers show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BackgroundView {
    /// The Background Command Status register.
    pub(crate) status: BackgroundStatus,
    /// Bit 0 of the Mailbox Status register.
    pub(crate) running: bool,
}

/// A command did not come back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TransportError {
    /// The register block is not that of a usable device.
    #[error(transparent)]
    Discover(#[from] DiscoverError<HostError>),
    /// The mailbox failed.
    #[error(transparent)]
    Mailbox(#[from] MailboxError<HostError>),
}

impl TransportError {
    /// Whether the device may have carried the command out.
    pub(crate) fn may_have_run(&self) -> bool {
        match self {
            Self::Discover(_) => false,
            Self::Mailbox(error) => !matches!(
                error,
                MailboxError::Busy
                    | MailboxError::NotReady
                    | MailboxError::InputTooLong { .. }
                    | MailboxError::PayloadTooSmall { .. }
                    | MailboxError::PayloadBeyondBlock { .. }
            ),
        }
    }
}

impl EmulatedCxl {
    /// Opens the device of that name in `dir`, or makes it. The folder is made if it is not there.
    ///
    /// The files are `<name>.json` (state) and `<name>.executed` (every command that the device took), both
    /// mode 0600. The caller keeps other processes off the device.
    ///
    /// # Errors
    /// [`OpenError`]: options out of range; a file that cannot be used or does not check, with its place.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_at(dir, options, Arc::new(WallTime::new()))
    }

    /// As [`EmulatedCxl::open`], in a time of one's own.
    ///
    /// # Errors
    /// As [`EmulatedCxl::open`].
    pub fn open_at(
        dir: &Path,
        options: Options,
        time: Arc<dyn TimeSource>,
    ) -> Result<Self, OpenError> {
        check(&options)?;
        make_dir(dir)?;
        let store = Store::at(dir, &options.name);
        let found = store.load(&options.name)?;
        let executed = Executed::open(dir, &options.name)?;
        Self::build(options, time, store, executed, found)
    }

    /// A new device that lives in memory only.
    ///
    /// # Errors
    /// [`OpenError`]: options out of range.
    pub fn in_memory(options: Options, time: Arc<dyn TimeSource>) -> Result<Self, OpenError> {
        check(&options)?;
        Self::build(options, time, Store::in_memory(), Executed::in_memory(), None)
    }

    fn build(
        options: Options,
        time: Arc<dyn TimeSource>,
        store: Store,
        executed: Executed,
        found: Option<State>,
    ) -> Result<Self, OpenError> {
        let now_us = time.now_us();
        let fresh = found.is_none();
        let mut state = match found {
            Some(state) => state,
            None => {
                let settings = settings(&options, now_us);
                State::new(&options.name, settings, FaultPlan::default(), now_us)
            }
        };
        // The same plan again goes on counting where the last process stopped.
        let plan = options.faults.filter(|faults| *faults != state.faults);
        let faulty = plan.is_some();
        if let Some(faults) = plan {
            state.faults_seen = vec![0; faults.rules.len()];
            state.faults = faults;
        }
        let mut engine = Engine::new(state, store, executed, now_us);
        if fresh {
            engine.log(Severity::Information, "made");
            module_event(&mut engine, Severity::Information);
        } else if faulty {
            engine.change();
        }
        engine.settle(now_us);
        engine.save().map_err(OpenError::Host)?;
        let clock = DriverClock(Arc::clone(&time));
        Ok(Self { registers: RegisterModel::new(engine, time), clock, mailbox: None })
    }

    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state().name
    }

    /// Whether an emulated kernel drives it.
    #[must_use]
    pub fn driven(&self) -> bool {
        self.state().settings.driven
    }

    /// Bytes that one command carries in either direction.
    #[must_use]
    pub fn payload_size(&self) -> usize {
        self.state().payload_size()
    }

    /// Its serial number, made up when the device was.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.state().settings.serial
    }

    /// When it was made, in microseconds since 1970. With the name it tells one device from the next.
    #[must_use]
    pub fn made_us(&self) -> u64 {
        self.state().settings.made_us
    }

    /// Resets and firmware activations so far. What was read of the device before one of them may not hold
    /// after it.
    #[must_use]
    pub fn changes(&mut self) -> u64 {
        self.registers.settle();
        self.state().power.changes
    }

    /// Commands that it took so far.
    #[must_use]
    pub fn commands_taken(&self) -> u64 {
        self.registers.engine.taken()
    }

    /// Microseconds since 1970 in the device's own time.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.clock.0.now_us()
    }

    /// Switches the device off and on: pending configuration and firmware come into force, a background
    /// operation is aborted, a stuck or vanished device is back. Emulator control, not a command.
    ///
    /// # Errors
    /// [`HostError`] when the state cannot be saved.
    pub fn power_cycle(&mut self) -> Result<(), HostError> {
        self.reset(ResetKind::Cold)
    }

    /// Resets the device. Emulator control, not a command.
    ///
    /// # Errors
    /// [`HostError`] when the state cannot be saved.
    pub fn reset(&mut self, kind: ResetKind) -> Result<(), HostError> {
        self.registers.settle();
        self.registers.engine.reset(kind);
        self.registers.reset();
        self.mailbox = None;
        self.registers.engine.save()
    }

    /// Sends one command by the mailbox and waits for it, until `deadline_us` in the device's own time.
    /// `reply` holds its output afterwards, and nothing after an error.
    pub(crate) fn execute(
        &mut self,
        opcode: u16,
        payload: &[u8],
        reply: &mut Vec<u8>,
        deadline_us: u64,
    ) -> Result<Completed, TransportError> {
        reply.clear();
        let mut mailbox = self.mailbox(deadline_us)?;
        reply.resize(mailbox.payload_size(), 0);
        let sent = mailbox.send(
            &mut self.registers,
            &mut self.clock,
            Opcode(opcode),
            payload,
            reply,
            deadline_us,
        );
        reply.truncate(sent.as_ref().map_or(0, |sent| sent.copied));
        let sent = sent?;
        Ok(Completed {
            return_code: sent.return_code,
            vendor_status: sent.vendor_status,
            background: sent.return_code == ReturnCode::BACKGROUND_STARTED,
        })
    }

    /// The moment `us` microseconds from now, for [`EmulatedCxl::execute`].
    pub(crate) fn deadline_in(&mut self, us: u64) -> u64 {
        self.clock.now_us().saturating_add(us)
    }

    /// The background operation, by register.
    pub(crate) fn background(&mut self) -> Result<BackgroundView, TransportError> {
        use fwgate_wire::cxl::Registers as _;

        let deadline_us = self.deadline_in(0);
        let mailbox = self.mailbox(deadline_us)?;
        // First whether it runs: of one that does not any more the status is final.
        let word = self.registers.read64(crate::registers::MAILBOX_AT + 0x10);
        let word = word.map_err(MailboxError::Register)?;
        let status = mailbox.background_status(&mut self.registers)?;
        Ok(BackgroundView { status, running: MailboxStatus(word).background_running() })
    }

    fn mailbox(&mut self, deadline_us: u64) -> Result<Mailbox, TransportError> {
        if let Some(mailbox) = self.mailbox {
            return Ok(mailbox);
        }
        let blocks = DeviceBlocks::discover(&mut self.registers)?;
        let mailbox = Mailbox::open(&mut self.registers, &mut self.clock, &blocks, deadline_us)?;
        self.mailbox = Some(mailbox);
        Ok(mailbox)
    }

    fn state(&self) -> &State {
        &self.registers.engine.state
    }

    #[cfg(test)]
    pub(crate) fn registers(&mut self) -> &mut RegisterModel {
        &mut self.registers
    }
}

/// A device can be put behind a lock and shared.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<EmulatedCxl>();
};

fn settings(options: &Options, made_us: u64) -> Settings {
    // FNV-1a over the name: the same name has the same serial number everywhere.
    let serial = options.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Settings {
        serial,
        made_us,
        payload_log2: options.payload_log2,
        latency_us: options.latency_us,
        background_us: options.background_us,
        driven: options.driven,
    }
}

fn check(options: &Options) -> Result<(), OpenError> {
    check_name(&options.name)?;
    if let Some(faults) = &options.faults {
        faults.check()?;
    }
    match settings(options, 0).out_of_range() {
        Some((option, found, expected)) => Err(OpenError::Option { option, found, expected }),
        None => Ok(()),
    }
}

pub(crate) fn make_dir(dir: &Path) -> Result<(), OpenError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| OpenError::File { doing: "make", path: dir.to_owned(), source })
}

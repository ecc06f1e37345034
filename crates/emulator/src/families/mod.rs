// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small devices of fwctl's families in software: mlx5, bnxt, pds. Each is a firmware of a few commands
//! behind an emulated kernel driver.
//!
//! Commands are not trusted.
//!
//! *Invariants*: the emulated driver checks the scope of every command by the rows of the kernel's own,
//! before the firmware sees it, so that a gate that asks too little shows. What the firmware takes is
//! written to the executed list first. An error of the firmware is in the reply, as with the kernel. No
//! public method sends a command.
//!
//! *Not here*: what real firmware does beyond these few commands; values are the emulator's own.
//!
//! *Spec*: layouts as each firmware's module names them; errnos by `fwgate_wire::fwctl::errno_for`.

mod bnxt;
mod mlx5;
mod pds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fwgate_policy::{OperationFacts, Protocol, Scope, Tables, classify};
use fwgate_wire::fwctl::{Refused, device_type, errno_for};
use serde::{Deserialize, Serialize};

use crate::clock::{TimeSource, WallTime};
use crate::device::make_dir;
use crate::executed::Executed;
use crate::store::{BadField, HostError, OpenError, STATE_VERSION, Store, Stored, check_name};

/// The most values that a device remembers, and the most bytes of one.
const MAX_VALUES: usize = 256;
const MAX_VALUE: usize = 256;

/// Which family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// mlx5.
    Mlx5,
    /// bnxt.
    Bnxt,
    /// pds.
    Pds,
}

impl Family {
    /// The language that it speaks.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Mlx5 => Protocol::Mlx5,
            Self::Bnxt => Protocol::Bnxt,
            Self::Pds => Protocol::Pds,
        }
    }

    const fn device_type(self) -> u32 {
        match self {
            Self::Mlx5 => device_type::MLX5,
            Self::Bnxt => device_type::BNXT,
            Self::Pds => device_type::PDS,
        }
    }
}

/// An emulated device of a family.
#[derive(Debug)]
pub struct EmulatedFamily {
    family: Family,
    state: FamilyState,
    store: Store,
    executed: Executed,
    time: Arc<dyn TimeSource>,
}

/// What a device remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FamilyState {
    version: u32,
    name: String,
    since_us: u64,
    /// Resets and power cycles.
    changes: u64,
    resets: u64,
    /// A counter that reads count up and clears set back.
    counter: u64,
    /// mlx5: registers. bnxt: variables, and items of the flash from 8000h on. pds: levels.
    values: BTreeMap<u16, Vec<u8>>,
}

impl Stored for FamilyState {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), BadField> {
        let named = check_name(&self.name).is_ok();
        BadField::unless(named, "name", "expected a device name", &self.name)?;
        let count = self.values.len();
        BadField::unless(count <= MAX_VALUES, "values", "expected at most 256", count)?;
        let longest = self.values.values().map(Vec::len).max().unwrap_or(0);
        BadField::unless(longest <= MAX_VALUE, "values", "expected at most 256 bytes each", longest)
    }
}

/// What one command comes back with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FamilyReply {
    /// The firmware's code.
    pub(crate) code: u32,
    /// The reply, as `fwgate_gate::Reply` has it.
    pub(crate) payload: Vec<u8>,
}

/// Why the firmware never saw a command.
#[derive(Debug)]
pub(crate) enum FamilyError {
    /// The emulated kernel driver refused it.
    Errno {
        /// The errno, positive.
        errno: i32,
        /// Its rule.
        rule: String,
    },
    /// The state or the list could not be saved.
    Host(HostError),
}

impl From<HostError> for FamilyError {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl EmulatedFamily {
    /// Opens the device of that name in `dir`, or makes it. The files are as those of
    /// [`EmulatedCxl::open`](crate::EmulatedCxl::open).
    ///
    /// # Errors
    /// [`OpenError`]: a wrong name; a file that cannot be used or does not check, with its place.
    pub fn open(dir: &Path, name: &str, family: Family) -> Result<Self, OpenError> {
        check_name(name)?;
        make_dir(dir)?;
        let time = Arc::new(WallTime::new());
        let store = Store::at(dir, name);
        let found = store.load(name)?;
        Self::build(name, family, time, store, Executed::open(dir, name)?, found)
    }

    /// A new device that lives in memory only.
    ///
    /// # Errors
    /// [`OpenError`]: a wrong name.
    pub fn in_memory(
        name: &str,
        family: Family,
        time: Arc<dyn TimeSource>,
    ) -> Result<Self, OpenError> {
        check_name(name)?;
        Self::build(name, family, time, Store::in_memory(), Executed::in_memory(), None)
    }

    fn build(
        name: &str,
        family: Family,
        time: Arc<dyn TimeSource>,
        store: Store,
        executed: Executed,
        found: Option<FamilyState>,
    ) -> Result<Self, OpenError> {
        let fresh = found.is_none();
        let state = found.unwrap_or_else(|| FamilyState {
            version: STATE_VERSION,
            name: name.to_owned(),
            since_us: time.now_us(),
            changes: 0,
            resets: 0,
            counter: 0,
            values: match family {
                Family::Mlx5 => mlx5::factory(),
                Family::Bnxt => bnxt::factory(),
                Family::Pds => BTreeMap::new(),
            },
        });
        if fresh {
            store.save(&state)?;
        }
        Ok(Self { family, state, store, executed, time })
    }

    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Its family.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Resets and power cycles so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state.changes
    }

    /// Commands that the firmware took so far.
    #[must_use]
    pub fn commands_taken(&self) -> u64 {
        self.executed.count()
    }

    /// The firmware's revision, where it is known without a command.
    pub(crate) const fn firmware(&self) -> &'static str {
        match self.family {
            Family::Mlx5 => "28.41.1000",
            // VER_GET tells it.
            Family::Bnxt => "",
            Family::Pds => "1.95.0-E-1",
        }
    }

    /// pds: what the firmware lists; on a real machine only the driver sees it.
    pub(crate) fn operations(&self) -> Option<Vec<OperationFacts>> {
        matches!(self.family, Family::Pds).then(|| pds::OPERATIONS.to_vec())
    }

    /// Switches the device off and on. Emulator control, not a command.
    ///
    /// # Errors
    /// [`HostError`] when the state cannot be saved.
    pub fn power_cycle(&mut self) -> Result<(), HostError> {
        self.state.since_us = self.time.now_us();
        self.state.counter = 0;
        self.state.changes = self.state.changes.saturating_add(1);
        self.store.save(&self.state)
    }

    /// Raw sender: what FWCTL_RPC does with one mlx5 mailbox: the driver's checks, then the firmware.
    pub(crate) fn mlx5(
        &mut self,
        command: (u16, u16),
        payload: &[u8],
        reply_length: u32,
        scope: Scope,
    ) -> Result<FamilyReply, FamilyError> {
        let (opcode, op_mod) = command;
        let judged = fwgate_policy::Command::Mlx5 { opcode, op_mod, payload };
        self.checked_by_the_driver(&judged, scope)?;
        let room = usize::try_from(reply_length).unwrap_or(usize::MAX);
        if room < 16 || payload.len() < 8 {
            return Err(self.refused(Refused::TooShort, "a mailbox has at least 16 bytes each way"));
        }
        self.take(opcode, |state| mlx5::run(state, opcode, op_mod, payload, room))
    }

    /// Raw sender: what FWCTL_RPC does with one HWRM request: the driver's checks and buffers, then the firmware.
    pub(crate) fn bnxt(
        &mut self,
        req_type: u16,
        target_id: u16,
        payload: &[u8],
        scope: Scope,
    ) -> Result<FamilyReply, FamilyError> {
        let Ok(parsed) = fwgate_wire::fwctl::bnxt::Payload::parse(req_type, payload) else {
            return Err(self.refused(Refused::TooShort, "the request's lengths do not add up"));
        };
        let judged = fwgate_policy::Command::Bnxt { req_type, target_id, payload };
        self.checked_by_the_driver(&judged, scope)?;
        let now = self.time.now_us();
        self.take(req_type, |state| bnxt::run(state, req_type, target_id, &parsed, now))
    }

    /// Raw sender: what FWCTL_RPC does with one pds operation: the driver's checks, then the firmware.
    pub(crate) fn pds(
        &mut self,
        endpoint: u32,
        operation: u32,
        payload: &[u8],
        reply_length: u32,
        scope: Scope,
    ) -> Result<FamilyReply, FamilyError> {
        let judged = fwgate_policy::Command::Pds { endpoint, operation, payload };
        self.checked_by_the_driver(&judged, scope)?;
        let room = usize::try_from(reply_length).unwrap_or(usize::MAX);
        let taken = self.executed.count();
        self.take(judged.opcode(), |state| {
            pds::run(state, endpoint, operation, payload, room, taken)
        })
    }

    fn refused(&self, why: Refused, rule: &str) -> FamilyError {
        let errno = errno_for(self.family.device_type(), why).unwrap_or(22);
        FamilyError::Errno { errno, rule: rule.to_owned() }
    }

    /// The driver's table: known, and the scope high enough. Ours is not looked at.
    fn checked_by_the_driver(
        &self,
        command: &fwgate_policy::Command<'_>,
        scope: Scope,
    ) -> Result<(), FamilyError> {
        let operations = self.operations();
        let facts = fwgate_policy::Facts {
            class: fwgate_policy::tables::Classes::empty(),
            vendor: crate::VENDOR_ID,
            device: 0,
            firmware: b"",
            reported: fwgate_policy::Reported::default(),
            credible: false,
            features: None,
            logs: None,
            operations: operations.as_deref(),
            surroundings: fwgate_policy::facts::Surroundings::DRIVEN_BY_NOBODY,
            inner: &[],
        };
        match classify(command, &facts, &Tables::BUILTIN).driver {
            None => Err(self.refused(Refused::Unknown, "the driver does not know the command")),
            Some(least) if scope < least => {
                let rule = format!("the driver asks scope `{least}`, `{scope}` came");
                Err(self.refused(Refused::ScopeTooLow, &rule))
            }
            Some(_) => Ok(()),
        }
    }

    /// Notes the command, runs it, and keeps what it changed.
    fn take(
        &mut self,
        opcode: u16,
        run: impl FnOnce(&mut FamilyState) -> FamilyReply,
    ) -> Result<FamilyReply, FamilyError> {
        self.executed.append(opcode, self.time.now_us())?;
        let before = self.state.clone();
        let reply = run(&mut self.state);
        if self.state != before {
            self.store.save(&self.state)?;
        }
        Ok(reply)
    }
}

impl FamilyState {
    /// Remembers a value, unless there is no room for it.
    fn keep(&mut self, key: u16, value: &[u8]) -> bool {
        let room = self.values.contains_key(&key) || self.values.len() < MAX_VALUES;
        let fits = room && value.len() <= MAX_VALUE;
        if fits {
            self.values.insert(key, value.to_vec());
        }
        fits
    }

    fn reset(&mut self) {
        self.resets = self.resets.saturating_add(1);
        self.changes = self.changes.saturating_add(1);
        self.counter = 0;
    }
}

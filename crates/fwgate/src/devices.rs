// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of devices, and a session with some of them: locks, journal, gate.
//!
//! What a device's files and replies hold is hostile; the emulator and the gate check it.
//! *Invariants*: a device is opened only under its lock, and sent to only by the gate. Locks are
//! taken in the order of the names, before the journal's.
//!
//! *Not here*: devices of the kernel; this version reaches none.

use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fwgate_emulator::{FaultPlan, NAMES};
use fwgate_gate::journal::{Journal, Options};
use fwgate_gate::{Device, Gate, InProcess, KnownLogs, NoKernel, Opened};

use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::files;
use crate::lock::DeviceLock;
use crate::state::State;

/// How long anything is waited for, unless `--timeout` says otherwise.
pub(crate) const DEADLINE: Duration = fwgate_gate::device::DEFAULT_DEADLINE;
/// The variable that holds, or names a file that holds, faults for the emulated devices.
pub(crate) const FAULTS: &str = "FWGATE_EMU_FAULTS";
/// What an emulated device's name begins with.
const PREFIX: &str = "emu:";
/// The most that is read of a plan of faults.
const FAULTS_LIMIT: usize = 1 << 20;

/// The names of all devices within reach.
pub(crate) fn all() -> Vec<String> {
    NAMES.iter().map(|name| format!("{PREFIX}{name}")).collect()
}

/// The emulator's own name for a device.
fn known(name: &str) -> Result<&'static str, CliError> {
    let plain = name.strip_prefix(PREFIX);
    plain.and_then(|plain| NAMES.into_iter().find(|known| *known == plain)).ok_or_else(|| {
        let detail = format!(
            "no device `{}`: this version reaches emulated devices only: {}",
            shown(name),
            all().join(", ")
        );
        CliError::new(Exit::NotFound, "unknown-device", detail).device(name)
    })
}

/// Some devices under their locks, behind a gate with its journal.
pub(crate) struct Session {
    gate: Gate,
    devices: Vec<Result<Arc<dyn Device>, CliError>>,
    names: Vec<String>,
    until: Option<Instant>,
    _locks: Vec<DeviceLock>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Session {
    /// Locks and opens these devices in this user's state folder.
    pub(crate) fn open(
        names: &[&str],
        purpose: &str,
        timeout: Option<Duration>,
    ) -> Result<Self, CliError> {
        // A name that is wrong makes no folder.
        for name in names {
            known(name)?;
        }
        let owner = rustix::process::geteuid().as_raw();
        Self::open_in(&State::find()?, names, purpose, owner, timeout, faults()?.as_ref())
    }

    /// The same in a given folder and for a given owner.
    pub(crate) fn open_in(
        state: &State,
        names: &[&str],
        purpose: &str,
        owner: u32,
        timeout: Option<Duration>,
        faults: Option<&FaultPlan>,
    ) -> Result<Self, CliError> {
        let patience = timeout.unwrap_or(DEADLINE);
        let until = Instant::now().checked_add(patience);
        let left =
            || until.map_or(patience, |until| until.saturating_duration_since(Instant::now()));
        state.make()?;
        let folder = state.devices();
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut locks = Vec::new();
        let mut devices = Vec::new();
        for name in &sorted {
            locks.push(DeviceLock::take(&folder, name, purpose, left())?);
            devices.push(open(name, &folder, faults.cloned()));
        }
        let options = Options::default().wait(left());
        let journal = Arc::new(Journal::open(&state.journal(), options)?);
        // Only devices in software are within reach, and there is no kernel to taint.
        let host = Arc::new(NoKernel);
        let gate = Gate::new(journal, Arc::new(InProcess::owned_by(owner)), host)
            .remembering(KnownLogs::new(state.known_logs()));
        let names = sorted.into_iter().map(str::to_owned).collect();
        Ok(Self { gate, devices, names, until, _locks: locks })
    }

    /// The gate.
    pub(crate) const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// What is left of the time that was given.
    pub(crate) fn left(&self) -> Duration {
        self.until.map_or(DEADLINE, |until| until.saturating_duration_since(Instant::now()))
    }

    /// A device of the session.
    pub(crate) fn device(&self, name: &str) -> Result<Arc<dyn Device>, CliError> {
        let at = self.names.iter().position(|known| known == name);
        match at.and_then(|at| self.devices.get(at)) {
            Some(Ok(device)) => Ok(Arc::clone(device)),
            Some(Err(error)) => Err(error.again()),
            None => known(name).and_then(|_| {
                let detail = format!("`{name}` is not part of this session");
                Err(CliError::new(Exit::Failed, "session", detail).device(name))
            }),
        }
    }

    /// A device of the session with its facts, which are read on record.
    pub(crate) fn opened(&self, name: &str) -> Result<Opened, CliError> {
        let device = self.device(name)?;
        let opened = self
            .gate
            .open_within(device, self.left())
            .map_err(|error| CliError::from(error).device(name))?;
        if let Some(alert) = opened.alert() {
            // For people; a program finds it in the journal.
            anstream::eprintln!("fwgate: alert: {name}: {}", shown(alert));
        }
        Ok(opened)
    }
}

fn open(name: &str, folder: &Path, faults: Option<FaultPlan>) -> Result<Arc<dyn Device>, CliError> {
    let opened = fwgate_emulator::open(known(name)?, folder, faults).map_err(|error| {
        let mut detail = error.to_string();
        if let Some(source) = error.source() {
            detail.push_str(&format!(": {source}"));
        }
        CliError::new(Exit::Failed, "device-state", shown(&detail)).device(name)
    })?;
    opened.ok_or_else(|| {
        let detail = format!("no device `{}`", shown(name));
        CliError::new(Exit::NotFound, "unknown-device", detail).device(name)
    })
}

/// The faults that the environment asks for.
fn faults() -> Result<Option<FaultPlan>, CliError> {
    let Some(value) = std::env::var_os(FAULTS).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let bad = |detail: String| CliError::usage("bad-faults", detail).argument(FAULTS);
    let text = value.to_str().ok_or_else(|| bad(format!("{FAULTS} is not UTF-8")))?;
    let text = if text.trim_start().starts_with('{') {
        text.to_owned()
    } else {
        let bytes = files::read(Path::new(text), FAULTS_LIMIT, FAULTS)?;
        String::from_utf8(bytes)
            .map_err(|_| bad(format!("{FAULTS} names a file that is not UTF-8")))?
    };
    FaultPlan::parse(&text).map(Some).map_err(|error| bad(shown(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_emulated_devices_are_within_reach() {
        assert_eq!(known("emu:cxl0").unwrap(), "cxl0");
        for name in ["mem0", "cxl0", "emu:", "emu:cxl9", "emu:../cxl0", "/dev/nvme0", ""] {
            let error = known(name).unwrap_err();
            assert_eq!((error.exit(), error.code()), (Exit::NotFound, "unknown-device"), "{name}");
            assert!(error.detail().contains("emulated devices only"), "{}", error.detail());
        }
    }

    #[test]
    fn a_session_holds_the_devices_it_opened_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(&folder.path().join("state"));
        let names = ["emu:nvme0", "emu:cxl0"];
        let session = Session::open_in(&state, &names, "test", 1000, None, None).unwrap();
        assert_eq!(session.opened("emu:cxl0").unwrap().record().name, "emu:cxl0");
        assert_eq!(session.opened("emu:cxl1").unwrap_err().code(), "session");
        let wait = Some(Duration::from_millis(1));
        let error = Session::open_in(&state, &["emu:cxl0"], "late", 1000, wait, None).unwrap_err();
        assert_eq!(error.code(), "device-busy");
        // Another device is free, but the journal is one.
        let error = Session::open_in(&state, &["emu:cxl1"], "late", 1000, wait, None).unwrap_err();
        assert_eq!(error.code(), "journal-held");
    }

    #[test]
    fn a_state_file_that_does_not_check_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(&folder.path().join("state"));
        state.make().unwrap();
        let file = state.devices().join("cxl0.json");
        std::fs::write(&file, "{nonsense").unwrap();
        let session = Session::open_in(&state, &["emu:cxl0"], "test", 1000, None, None).unwrap();
        let error = session.opened("emu:cxl0").unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Failed, "device-state"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{nonsense");
    }
}

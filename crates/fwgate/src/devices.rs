// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of devices, and a session with some of them: locks, journal, gate.
//!
//! What a device's files and replies hold is hostile; the emulator and the gate check it.
//! *Invariants*: a device is opened only under its lock, and sent to only by the gate. Locks are
//! taken in the order of the names, before the journal's.
//!
//! *Not here*: devices of this machine (`machine`).

use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fwgate_emulator::{CxlDevice, EmulatedCxl, FaultPlan, NAMES, OpenError, Options as Emulated};
use fwgate_gate::journal::{Journal, Options};
use fwgate_gate::{
    Caller, Device, Gate, HostKernel, InProcess, KernelInterface, KnownLogs, NoKernel, Opened,
};

use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::files;
use crate::lock::DeviceLock;
use crate::machine;
use crate::person::Names;
use crate::state::State;

/// How long anything is waited for, unless `--timeout` says otherwise.
pub(crate) const DEADLINE: Duration = fwgate_gate::device::DEFAULT_DEADLINE;
/// The variable that holds, or names a file that holds, faults for the emulated devices.
pub(crate) const FAULTS: &str = "FWGATE_EMU_FAULTS";
/// What an emulated device's name begins with.
const PREFIX: &str = "emu:";
/// The most that is read of a plan of faults.
const FAULTS_LIMIT: usize = 1 << 20;

/// What a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// A device in software, by the emulator's own name.
    Emulated(&'static str),
    /// A device of this machine.
    Real(machine::Target),
}

/// A device, and the kernel's own interfaces to it.
#[derive(Clone)]
pub(crate) struct Unit {
    /// The device, as the gate sends to it.
    pub(crate) device: Arc<dyn Device>,
    /// The interfaces; none where no kernel drives it.
    pub(crate) interfaces: Vec<Arc<dyn KernelInterface>>,
}

/// Whether a name can only be that of an emulated device.
pub(crate) fn is_emulated(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The names of the emulated devices.
pub(crate) fn emulated() -> Vec<String> {
    NAMES.iter().map(|name| format!("{PREFIX}{name}")).collect()
}

/// The names of all devices within reach, emulated ones first.
pub(crate) fn all() -> Vec<String> {
    emulated().into_iter().chain(machine::names()).collect()
}

/// What a name stands for.
fn known(name: &str) -> Result<Known, CliError> {
    let Some(plain) = name.strip_prefix(PREFIX) else {
        return machine::find(name).map(Known::Real);
    };
    NAMES.into_iter().find(|known| *known == plain).map(Known::Emulated).ok_or_else(|| {
        let detail =
            format!("no emulated device `{}`; there are {}", shown(name), emulated().join(", "));
        CliError::new(Exit::NotFound, "unknown-device", detail).device(name)
    })
}

impl Known {
    /// The one name that locks and records know the device by.
    fn name(&self) -> String {
        match self {
            Self::Emulated(plain) => format!("{PREFIX}{plain}"),
            Self::Real(target) => target.name().to_owned(),
        }
    }
}

/// A device of a session.
struct Entry {
    name: String,
    /// What the user called it.
    called: Vec<String>,
    unit: Result<Unit, CliError>,
}

/// Some devices under their locks, behind a gate with its journal.
pub(crate) struct Session {
    gate: Gate,
    entries: Vec<Entry>,
    /// Whether a device of this machine is among them.
    real: bool,
    until: Option<Instant>,
    _locks: Vec<DeviceLock>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        f.debug_struct("Session").field("names", &names).finish_non_exhaustive()
    }
}

impl Session {
    /// Locks and opens these devices in this user's state folder.
    pub(crate) fn open(
        names: &[&str],
        purpose: &str,
        timeout: Option<Duration>,
    ) -> Result<Self, CliError> {
        // A name that is wrong makes no folder; nor does a device that is out of reach.
        for name in names {
            if let Known::Real(target) = known(name)?
                && names.len() == 1
            {
                machine::only_root(target.name())?;
            }
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
        let mut wanted: Vec<(String, Known, Vec<String>)> = Vec::new();
        for name in names {
            let known = known(name)?;
            match wanted.iter_mut().find(|(_, other, _)| *other == known) {
                Some((_, _, called)) => called.push((*name).to_owned()),
                None => wanted.push((known.name(), known, vec![(*name).to_owned()])),
            }
        }
        wanted.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let real = wanted.iter().any(|(_, known, _)| matches!(known, Known::Real(_)));
        let mut locks = Vec::new();
        let mut entries = Vec::new();
        for (name, known, called) in wanted {
            locks.push(DeviceLock::take(&folder, &name, purpose, left())?);
            let unit = match &known {
                Known::Emulated(plain) => open(&name, plain, &folder, faults.cloned()),
                Known::Real(target) => {
                    machine::only_root(&name).and_then(|()| machine::open(target))
                }
            };
            entries.push(Entry { name, called, unit });
        }
        let options = Options::default().wait(left());
        let journal = Arc::new(Journal::open(&state.journal(), options)?);
        // A device in software has no kernel that it could taint.
        let host: Arc<dyn HostKernel> = if real { machine::host() } else { Arc::new(NoKernel) };
        let gate = Gate::new(journal, Arc::new(InProcess::owned_by(owner)), host)
            .remembering(KnownLogs::new(state.known_logs()));
        Ok(Self { gate, entries, real, until, _locks: locks })
    }

    /// The gate.
    pub(crate) const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// What is left of the time that was given.
    pub(crate) fn left(&self) -> Duration {
        self.until.map_or(DEADLINE, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Who asks: this process, with the capabilities that count for the session's devices.
    pub(crate) fn caller(&self) -> Caller {
        let names = Names::of_this_machine();
        if self.real { machine::caller(&names) } else { names.this_process() }
    }

    /// A device of the session with the kernel's interfaces to it, by any of its names.
    pub(crate) fn unit(&self, name: &str) -> Result<Unit, CliError> {
        let fits = |entry: &&Entry| entry.name == name || entry.called.iter().any(|it| it == name);
        match self.entries.iter().find(fits).map(|entry| &entry.unit) {
            Some(Ok(unit)) => Ok(unit.clone()),
            Some(Err(error)) => Err(error.again()),
            None => known(name).and_then(|_| {
                let detail = format!("`{name}` is not part of this session");
                Err(CliError::new(Exit::Failed, "session", detail).device(name))
            }),
        }
    }

    /// A device of the session.
    pub(crate) fn device(&self, name: &str) -> Result<Arc<dyn Device>, CliError> {
        Ok(self.unit(name)?.device)
    }

    /// A device of the session with its facts, which are read on record.
    pub(crate) fn opened(&self, name: &str) -> Result<Opened, CliError> {
        self.opened_within(name, self.left())
    }

    /// The same within a time of its own.
    pub(crate) fn opened_within(&self, name: &str, time: Duration) -> Result<Opened, CliError> {
        let device = self.device(name)?;
        let opened = self
            .gate
            .open_within(device, time)
            .map_err(|error| CliError::from(error).device(name))?;
        if let Some(alert) = opened.alert() {
            // For people; a program finds it in the journal.
            anstream::eprintln!("fwgate: alert: {name}: {}", shown(alert));
        }
        Ok(opened)
    }
}

/// Opens an emulated device, with its emulated kernel's interfaces.
fn open(
    name: &str,
    plain: &str,
    folder: &Path,
    faults: Option<FaultPlan>,
) -> Result<Unit, CliError> {
    let broken = |error: OpenError| {
        let mut detail = error.to_string();
        if let Some(source) = error.source() {
            detail.push_str(&format!(": {source}"));
        }
        CliError::new(Exit::Failed, "device-state", shown(&detail)).device(name)
    };
    // The one that a kernel drives.
    let driven = Emulated::cxl1();
    if plain == driven.name {
        let options = Emulated { faults, ..driven };
        let device = CxlDevice::new(EmulatedCxl::open(folder, options).map_err(broken)?);
        return Ok(Unit { interfaces: device.interfaces(), device });
    }
    let opened = fwgate_emulator::open(plain, folder, faults).map_err(broken)?;
    let device = opened.ok_or_else(|| {
        let detail = format!("no device `{}`", shown(name));
        CliError::new(Exit::NotFound, "unknown-device", detail).device(name)
    })?;
    Ok(Unit { device, interfaces: Vec::new() })
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
    fn a_name_that_is_not_there_is_told_with_those_that_are() {
        assert_eq!(known("emu:cxl0").unwrap(), Known::Emulated("cxl0"));
        for name in ["emu:", "emu:cxl9", "emu:../cxl0"] {
            let error = known(name).unwrap_err();
            assert_eq!((error.exit(), error.code()), (Exit::NotFound, "unknown-device"), "{name}");
            assert!(error.detail().contains("emu:cxl0, emu:cxl1"), "{}", error.detail());
        }
        for name in ["no-such-device", "cxl0", "/dev/no-such-node", "ffff:ff:1f.7", ""] {
            let error = known(name).unwrap_err();
            assert_eq!((error.exit(), error.code()), (Exit::NotFound, "unknown-device"), "{name}");
        }
    }

    #[test]
    fn a_kernel_that_drives_a_device_brings_its_interfaces() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(&folder.path().join("state"));
        let names = ["emu:cxl0", "emu:cxl1"];
        let session = Session::open_in(&state, &names, "test", 1000, None, None).unwrap();
        assert!(session.unit("emu:cxl0").unwrap().interfaces.is_empty());
        let keys: Vec<&str> =
            session.unit("emu:cxl1").unwrap().interfaces.iter().map(|it| it.key()).collect();
        assert!(keys.contains(&"cxl-sanitize") && keys.contains(&"firmware-upload"), "{keys:?}");
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

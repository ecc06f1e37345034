// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices of this machine: the one place where the command line meets `fwgate_linux`.
//!
//! What sysfs says is hostile. *Invariants*: only root reaches a real device in process; its state
//! is in `/var/lib/fwgate`, so that there is one gate a machine. A capability of the caller counts
//! only in the initial user namespace.
//!
//! *Not here*: finding and opening (`fwgate_linux`), emulated devices (`devices`).

use std::sync::{Arc, OnceLock};

use fwgate_gate::{Caller, HostKernel};
use fwgate_linux::device::{self, OpenError};
use fwgate_linux::discover::{FindError, Machine, Roots, Scan, Target as Found, Uevents};
use fwgate_linux::host::{Taint, doctor};
use fwgate_linux::interface::{self, Names as InterfaceNames, SecurityState};

pub(crate) use fwgate_linux::host::{Code, Finding, Report, Severity, Who};

use crate::devices::Unit;
use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::person::Names;

/// A device of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target(Box<Found>);

impl Target {
    /// The name that locks, records and output know it by.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }
}

/// The machine, looked at once a process: what comes and goes later is told by its own marks.
fn scan() -> Option<&'static Scan> {
    static SCAN: OnceLock<Option<Scan>> = OnceLock::new();
    SCAN.get_or_init(|| Machine::here().scan().ok()).as_ref()
}

/// The kernel's events, where they are to be had.
fn uevents() -> Option<Arc<Uevents>> {
    static UEVENTS: OnceLock<Option<Arc<Uevents>>> = OnceLock::new();
    UEVENTS.get_or_init(|| Uevents::open().ok().map(Arc::new)).clone()
}

/// The names of this machine's devices, as far as they can be seen.
pub(crate) fn names() -> Vec<String> {
    let targets = scan().map(Scan::targets).unwrap_or_default();
    targets.into_iter().map(|target| target.name).collect()
}

/// The device that a name, an address, a node or a serial number stands for.
pub(crate) fn find(name: &str) -> Result<Target, CliError> {
    let made = |exit, code, detail: &str| CliError::new(exit, code, shown(detail)).device(name);
    let Some(scan) = scan() else {
        let detail = format!("no device `{name}`: this machine has no sysfs to look at");
        return Err(made(Exit::NotFound, "unknown-device", &detail));
    };
    scan.find(name).map(|found| Target(Box::new(found))).map_err(|error| match error {
        // Which there are is another verb's answer, and changes from machine to machine.
        FindError::Unknown { .. } => {
            let detail = format!("no device `{name}`; see: fwgate list");
            made(Exit::NotFound, "unknown-device", &detail)
        }
        FindError::Ambiguous { .. } => made(Exit::Usage, "ambiguous-device", &error.to_string()),
        FindError::NotANode { .. } | FindError::Unreadable { .. } => {
            made(Exit::NotFound, "unknown-device", &error.to_string())
        }
    })
}

/// Opens a device with the kernel's interfaces to it.
pub(crate) fn open(target: &Target) -> Result<Unit, CliError> {
    let machine = Machine::here();
    let opened = device::open(&machine, &target.0, uevents()).map_err(|error| {
        let (exit, code) = match &error {
            OpenError::Node(_) => (Exit::Transport, "node"),
            OpenError::Answer { .. } => (Exit::Device, "device-nonsense"),
            _ => (Exit::NotFound, "unknown-family"),
        };
        CliError::new(exit, code, shown(&error.to_string())).device(target.name())
    })?;
    Ok(Unit { device: opened.device, interfaces: opened.interfaces })
}

/// The security state of a memory device as the kernel remembers it. Nothing is sent.
pub(crate) fn security_state(name: &str) -> Result<&'static str, CliError> {
    let failed =
        |detail: &str| CliError::new(Exit::Kernel, "security-state", shown(detail)).device(name);
    let names = InterfaceNames::new(name).ok_or_else(|| failed("it is no memory device"))?;
    match interface::security_state(&Roots::here(), &names) {
        Ok(SecurityState::Disabled) => Ok("disabled"),
        Ok(SecurityState::Frozen) => Ok("frozen"),
        Ok(SecurityState::Locked) => Ok("locked"),
        Ok(SecurityState::Unlocked) => Ok("unlocked"),
        Ok(SecurityState::Sanitize) => Ok("sanitize under way"),
        Err(error) => Err(failed(&error.to_string())),
    }
}

/// The kernel that commands would taint.
pub(crate) fn host() -> Arc<dyn HostKernel> {
    Arc::new(Taint::new(&Machine::here().roots))
}

/// Who asks for a real device.
pub(crate) fn caller(names: &Names) -> Caller {
    let Caller { capabilities, .. } = fwgate_linux::caller::this_process(&Machine::here().roots);
    Caller { capabilities, ..names.this_process() }
}

/// What this machine offers and lacks.
pub(crate) fn report() -> Result<Report, CliError> {
    let scan = Machine::here()
        .scan()
        .map_err(|error| CliError::new(Exit::Failed, "no-sysfs", shown(&error.to_string())))?;
    Ok(doctor(&scan))
}

/// Refuses who is not root, with the way out.
pub(crate) fn only_root(name: &str) -> Result<(), CliError> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let detail = format!(
        "`{}` is a device of this machine, and only root reaches it; run it as root: sudo fwgate ..",
        shown(name)
    );
    Err(CliError::new(Exit::Refused, "needs-root", detail).device(name))
}

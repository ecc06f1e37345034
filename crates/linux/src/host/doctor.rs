// SPDX-License-Identifier: MIT OR Apache-2.0
//! What this machine offers, what it lacks, and what lets people round the gate.
//!
//! Not trusted: all that is read. The answer is advice, and nothing is judged by it.
//!
//! *Invariants*: nothing is sent and nothing is changed.
//!
//! *Not here*: layout (the command line).

use std::collections::BTreeMap;

use serde::Serialize;

use super::finding::{Code, Finding, Severity, Who};
use super::lockdown::lockdown;
use super::options::KernelConfig;
use super::paths::{self, Host};
use super::taint::{TAINT_FWCTL, TAINT_WARN, Taint};
use crate::discover::sysfs::Tree;
use crate::discover::{Kind, Roots, Scan, Target, UeventError, Uevents};

/// All that doctor found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The lockdown level that is judged by.
    pub lockdown: &'static str,
    /// The kernel's taint, as its number; `None` where it cannot be read.
    pub taint: Option<u64>,
    /// What the configuration of the kernel was read from.
    pub kernel_config: Option<String>,
    /// About the machine first, then by device.
    pub findings: Vec<Finding>,
}

/// Looks at the machine and at every device of the scan.
#[must_use]
pub fn doctor(scan: &Scan) -> Report {
    let roots = &scan.roots;
    let host = host(roots);
    let mut findings = machine(&host);
    findings.extend(host.unused_functions(scan));
    findings.extend(serials(scan));
    for target in scan.targets() {
        findings.extend(device(&host, &target));
    }
    findings.extend(scan.unread.iter().map(|error| {
        let place = error.path().display().to_string();
        Finding::new(Code::Unreadable, Severity::Note, Who::Root, error.to_string()).at(place)
    }));
    Report {
        lockdown: host.lockdown.level.name(),
        taint: Taint::new(roots).read().ok(),
        kernel_config: host.config.source.as_ref().map(|path| path.display().to_string()),
        findings,
    }
}

/// Looks at one device only.
#[must_use]
pub fn doctor_of(roots: &Roots, target: &Target) -> Vec<Finding> {
    device(&host(roots), target)
}

fn host(roots: &Roots) -> Host<'_> {
    Host { roots, config: KernelConfig::read(roots), lockdown: lockdown(roots) }
}

fn device(host: &Host<'_>, target: &Target) -> Vec<Finding> {
    let mut found = host.paths(target);
    found.extend(paths::open_to_others(host.roots, target));
    for driver in &target.physical.drivers.unknown {
        let says = format!(
            "`{driver}` drives a function of the same device: whose ground that is cannot be told, so every \
             subsystem has a say in opaque commands"
        );
        found.push(
            Finding::new(Code::DriverUnknown, Severity::Note, Who::Owner, says).of(&target.name),
        );
    }
    found
}

/// What is so for the whole machine.
fn machine(host: &Host<'_>) -> Vec<Finding> {
    let warning = |code, who, says: String| Finding::new(code, Severity::Warning, who, says);
    let mut found = Vec::new();
    if let Some(why) = &host.lockdown.unread {
        let says = format!("lockdown cannot be read and counts as integrity: {why}");
        found.push(
            warning(Code::LockdownUnreadable, Who::Root, says).at("sys/kernel/security/lockdown"),
        );
    }
    let taint = Taint::new(host.roots);
    match taint.panic_on_taint() {
        Ok(panics) if panics.covers(TAINT_FWCTL) => {
            let says =
                "the kernel was booted with `panic_on_taint` for bit 19: what taints is refused"
                    .to_owned();
            found.push(warning(Code::PanicOnTaint, Who::Owner, says).at("panic_on_taint"));
        }
        Ok(panics) if panics.covers(TAINT_WARN) && paths::RAW_IN_BUILD => {
            let says =
                "the kernel was booted with `panic_on_taint` for bit 9: RAW is refused".to_owned();
            found.push(warning(Code::PanicOnTaint, Who::Owner, says).at("panic_on_taint"));
        }
        Ok(_) => {}
        Err(error) => {
            let says = format!("whether a taint makes the kernel panic cannot be told: {error}");
            found.push(warning(Code::PanicOnTaint, Who::Root, says).at("panic_on_taint"));
        }
    }
    if paths::RAW_IN_BUILD && taint.panic_on_warn().unwrap_or(true) {
        let says = "`kernel.panic_on_warn` is set or unreadable: RAW is refused".to_owned();
        found.push(warning(Code::PanicOnWarn, Who::Root, says).at("kernel.panic_on_warn"));
    }
    let raw =
        Tree::open(&host.roots.debugfs()).and_then(|tree| tree.text("cxl/mbox/raw_allow_all"));
    if raw.is_ok_and(|text| matches!(text.as_bytes(), b"Y" | b"1")) {
        let says =
            "`raw_allow_all` is on: RAW passes opcodes that the kernel bars from it".to_owned();
        found.push(warning(Code::RawAllowAll, Who::Root, says).at("cxl/mbox/raw_allow_all"));
    }
    if let Err(UeventError::Socket { errno }) = Uevents::open() {
        let says = format!(
            "the kernel's events are not to be had (errno {errno}): a reset that leaves no trace in sysfs goes unseen"
        );
        found.push(warning(Code::EventsUnavailable, Who::Owner, says));
    }
    if host.config.source.is_none() {
        let says = "none of `/proc/config.gz`, `/boot/config-RELEASE` and `/lib/modules/RELEASE/config` is there: kernel \
                    options cannot be told";
        found.push(Finding::new(Code::ConfigUnknown, Severity::Note, Who::Distribution, says));
    }
    found
}

/// Serial numbers that more than one device has.
fn serials(scan: &Scan) -> Vec<Finding> {
    let mut by_serial: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for target in scan.targets() {
        let serial = match &target.kind {
            Kind::Cxl { memdev, .. } => memdev.serial.map(|serial| format!("{serial:#x}")),
            Kind::Nvme(controller) => controller.serial.as_ref().map(ToString::to_string),
            Kind::Fwctl(_) => None,
        };
        if let Some(serial) = serial.filter(|serial| !serial.is_empty()) {
            by_serial.entry(serial).or_default().push(target.name);
        }
    }
    by_serial
        .into_iter()
        .filter(|(_, names)| names.len() > 1)
        .map(|(serial, names)| {
            let says =
                format!("{} say that their serial number is `{serial}`", names.join(" and "));
            Finding::new(Code::SerialTwice, Severity::Note, Who::Vendor, says)
        })
        .collect()
}

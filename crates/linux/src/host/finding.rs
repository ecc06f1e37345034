// SPDX-License-Identifier: MIT OR Apache-2.0
//! What doctor finds, as data.
//!
//! *Invariants*: codes do not change their meaning. Text that came from elsewhere is escaped.
//!
//! *Not here*: finding it (`doctor`, `paths`), laying it out (the command line).

use serde::Serialize;

/// What kind of finding it is. Stable, as it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The path or interface is there.
    PathPresent,
    /// The kernel was built without an option.
    KernelOptionOff,
    /// Whether the kernel was built with an option cannot be told.
    KernelOptionUnknown,
    /// A module is there, and is not loaded.
    ModuleNotLoaded,
    /// A module is not there.
    ModuleMissing,
    /// This process may not.
    NoPermission,
    /// Lockdown forbids it.
    Lockdown,
    /// The device has no feature that the kernel leaves to users.
    NoUserFeature,
    /// fwgate was built without RAW.
    RawOffInBuild,
    /// The device does not offer what the interface needs.
    InterfaceAbsent,
    /// The node is not there, or is not this device's.
    NodeWrong,
    /// The controller is not in the state in which it takes commands.
    ControllerState,
    /// Vendor opcodes have no way in.
    NoPathForVendorOpcodes,
    /// No driver is bound.
    DriverUnbound,
    /// A driver is bound, and there is no device to send to.
    DriverGaveNoDevice,
    /// A driver is bound whose subsystem is not known.
    DriverUnknown,
    /// A node belongs to somebody else than root.
    NodeOwner,
    /// A node can be opened by others than its owner.
    NodeMode,
    /// A node has an access control list.
    NodeAcl,
    /// More than one device has this serial number.
    SerialTwice,
    /// The kernel panics over the mark that is set before a command.
    PanicOnTaint,
    /// The kernel panics over its own warning at the first RAW command.
    PanicOnWarn,
    /// Lockdown cannot be read, and counts as integrity.
    LockdownUnreadable,
    /// RAW is open to opcodes that the kernel bars from it.
    RawAllowAll,
    /// The kernel's events are not to be had.
    EventsUnavailable,
    /// There is no kernel configuration to look at.
    ConfigUnknown,
    /// Something could not be read.
    Unreadable,
}

impl Code {
    /// The code as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PathPresent => "path-present",
            Self::KernelOptionOff => "kernel-option-off",
            Self::KernelOptionUnknown => "kernel-option-unknown",
            Self::ModuleNotLoaded => "module-not-loaded",
            Self::ModuleMissing => "module-missing",
            Self::NoPermission => "no-permission",
            Self::Lockdown => "lockdown",
            Self::NoUserFeature => "no-user-feature",
            Self::RawOffInBuild => "raw-off-in-build",
            Self::InterfaceAbsent => "interface-absent",
            Self::NodeWrong => "node-wrong",
            Self::ControllerState => "controller-state",
            Self::NoPathForVendorOpcodes => "no-path-for-vendor-opcodes",
            Self::DriverUnbound => "driver-unbound",
            Self::DriverGaveNoDevice => "driver-gave-no-device",
            Self::DriverUnknown => "driver-unknown",
            Self::NodeOwner => "node-owner",
            Self::NodeMode => "node-mode",
            Self::NodeAcl => "node-acl",
            Self::SerialTwice => "serial-twice",
            Self::PanicOnTaint => "panic-on-taint",
            Self::PanicOnWarn => "panic-on-warn",
            Self::LockdownUnreadable => "lockdown-unreadable",
            Self::RawAllowAll => "raw-allow-all",
            Self::EventsUnavailable => "events-unavailable",
            Self::ConfigUnknown => "config-unknown",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What a finding means for who reads it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It is there.
    Present,
    /// It is not there.
    Missing,
    /// It is worth knowing.
    Note,
    /// It lets people round the gate, or commands fail.
    Warning,
}

/// Who can change it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Who builds the kernel.
    Distribution,
    /// Who owns the machine and decides how it boots and what runs on it.
    Owner,
    /// Root, on the running machine.
    Root,
    /// Who makes the device.
    Vendor,
    /// There is nothing to change.
    Nobody,
}

impl Who {
    /// The words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Distribution => "the distribution's kernel configuration",
            Self::Owner => "the machine's owner",
            Self::Root => "root",
            Self::Vendor => "the device's vendor",
            Self::Nobody => "nobody",
        }
    }
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What kind.
    pub code: Code,
    /// What it means.
    pub severity: Severity,
    /// The device it is about: `mem0`, or a PCI address where there is no better name; `None` for
    /// the machine.
    pub device: Option<String>,
    /// The path or interface that it is about: `memdev`, `fwctl`, `raw`, `nvme-ioctl`, or a key such
    /// as `edac-scrub`.
    pub path: Option<String>,
    /// Where: a file, an option, a module.
    pub place: Option<String>,
    /// Who can change it.
    pub who: Who,
    /// A sentence.
    pub says: String,
}

impl Finding {
    /// About the machine; more is added by the other functions.
    pub(crate) fn new(code: Code, severity: Severity, who: Who, says: impl Into<String>) -> Self {
        let says = says.into();
        Self { code, severity, device: None, path: None, place: None, who, says }
    }

    pub(crate) fn of(mut self, device: &str) -> Self {
        self.device = Some(device.to_owned());
        self
    }

    pub(crate) fn by(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_the_same_way_in_text_and_in_json() {
        for code in [Code::PathPresent, Code::NoPathForVendorOpcodes, Code::RawOffInBuild] {
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.name()));
        }
    }
}

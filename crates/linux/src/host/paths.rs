// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which ways lead to a device's firmware here, and what the others lack.
//!
//! *Invariants*: every lack of a path is named, not only the first, because removing one helps
//! nobody while another is left.
//!
//! *Not here*: whether a command may go by a path (`fwgate-policy`).
//!
//! *Spec*: `drivers/cxl/Kconfig`, `drivers/fwctl/Kconfig`; `drivers/cxl/core/features.c`
//! (`devm_cxl_setup_fwctl`: no node without a feature for users; `cxlctl`: three opcodes);
//! `drivers/cxl/core/mbox.c:cxl_mem_raw_command_allowed` (option, lockdown); the keys and options of
//! kernel interfaces are those of `data/ground.toml` `@ v7.3`.

use std::path::Path;

use fwgate_policy::tables::builtin::INTERFACES;
use fwgate_policy::{Lockdown, Protocol, Tables};
use rustix::fs::{self, Access};

use super::finding::{Code, Finding, Severity, Who};
use super::lockdown::LockdownState;
use super::options::{self, KernelConfig, ModuleState, Setting};
use crate::discover::sysfs::Tree;
use crate::discover::{Family, Kind, Memdev, Node, NodeKind, PciFunction, Roots, Scan, Target};

/// What the paths of every device of this machine hang on.
pub(super) struct Host<'a> {
    pub(super) roots: &'a Roots,
    pub(super) config: KernelConfig,
    pub(super) lockdown: LockdownState,
}

/// Whether this fwgate was built to send RAW commands.
pub(super) const RAW_IN_BUILD: bool = cfg!(feature = "raw-commands");

fn missing(code: Code, who: Who, says: impl Into<String>) -> Finding {
    Finding::new(code, Severity::Missing, who, says)
}

fn present(says: impl Into<String>) -> Finding {
    Finding::new(Code::PathPresent, Severity::Present, Who::Nobody, says)
}

impl Host<'_> {
    /// The paths of one device.
    pub(super) fn paths(&self, target: &Target) -> Vec<Finding> {
        let name = target.name.as_str();
        let mut found = Vec::new();
        match &target.kind {
            Kind::Cxl { memdev, .. } => {
                found.extend(self.node(target, NodeKind::Memdev, "memdev"));
                if memdev.fwctl.is_some() {
                    found.extend(self.node(target, NodeKind::Fwctl, "fwctl"));
                } else {
                    found.push(self.no_cxl_fwctl().by("fwctl"));
                }
                let raw = self.raw();
                let usable = raw.iter().all(|finding| finding.code == Code::PathPresent);
                found.extend(raw.into_iter().map(|finding| finding.by("raw")));
                if !usable {
                    found.push(self.no_vendor_path());
                }
                found.extend(self.interfaces(memdev));
            }
            Kind::Nvme(controller) => {
                found.extend(self.node(target, NodeKind::Nvme, "nvme-ioctl"));
                let state = controller.state.as_ref();
                if let Some(state) = state.filter(|state| state.as_bytes() != b"live") {
                    let says = format!(
                        "the controller is `{state}` and takes no commands until it is `live`"
                    );
                    found.push(missing(Code::ControllerState, Who::Nobody, says).by("nvme-ioctl"));
                }
            }
            Kind::Fwctl(fwctl) => {
                found.extend(self.node(target, NodeKind::Fwctl, "fwctl"));
                if fwctl.family == Family::Unknown {
                    let says = "a fwctl device of a family that is not known here: nothing can be judged, so nothing is sent";
                    found.push(missing(Code::InterfaceAbsent, Who::Nobody, says).by("fwctl"));
                }
            }
        }
        found.into_iter().map(|finding| finding.of(name)).collect()
    }

    /// A path that is a node: there and this device's, and open to this process.
    fn node(&self, target: &Target, kind: NodeKind, path: &str) -> Option<Finding> {
        let node = target.nodes().into_iter().find(|node| node.kind == kind)?;
        let whole = node.whole(self.roots);
        let place = whole.display().to_string();
        let finding = match node.look(self.roots) {
            Err(error) => missing(Code::NodeWrong, Who::Root, error.to_string()),
            Ok(_) => match fs::access(&whole, Access::READ_OK | Access::WRITE_OK) {
                Ok(()) => present(format!("`{place}` can be opened")),
                Err(_) => missing(
                    Code::NoPermission,
                    Who::Root,
                    format!("this process may not open `{place}`"),
                ),
            },
        };
        Some(finding.by(path).at(place))
    }

    /// An option that a path needs: a finding if it is off or cannot be told.
    fn lacks(&self, option: &str) -> Option<Finding> {
        let place = format!("CONFIG_{option}");
        match self.config.get(option) {
            Some(Setting::Yes | Setting::Module) => None,
            Some(Setting::No) => {
                let says = format!("the kernel was built without {place}");
                Some(missing(Code::KernelOptionOff, Who::Distribution, says).at(place))
            }
            None => {
                let says = format!("whether the kernel was built with {place} cannot be told");
                Some(missing(Code::KernelOptionUnknown, Who::Owner, says).at(place))
            }
        }
    }

    fn no_cxl_fwctl(&self) -> Finding {
        let lack = ["FWCTL", "CXL_FEATURES"].into_iter().find_map(|option| self.lacks(option));
        lack.unwrap_or_else(|| {
            let says = "the device offers no feature that the kernel leaves to users, so the kernel makes no fwctl device";
            missing(Code::NoUserFeature, Who::Vendor, says)
        })
    }

    /// RAW: there, or all that it lacks.
    fn raw(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.lacks("CXL_MEM_RAW_COMMANDS").into_iter().collect();
        if self.lockdown.level > Lockdown::None {
            let level = self.lockdown.level.name();
            let says = format!("lockdown is {level}, and the kernel refuses every RAW command");
            found.push(missing(Code::Lockdown, Who::Owner, says).at("kernel_lockdown(7)"));
        }
        if !RAW_IN_BUILD {
            let says = "this fwgate was built without its feature `raw-commands`";
            found.push(missing(Code::RawOffInBuild, Who::Owner, says).at("raw-commands"));
        }
        if found.is_empty() {
            found.push(present("RAW commands go by the memory device's node"));
        }
        found
    }

    fn no_vendor_path(&self) -> Finding {
        let who = match self.config.get("CXL_MEM_RAW_COMMANDS") {
            Some(Setting::No) => Who::Distribution,
            _ => Who::Owner,
        };
        let says = "vendor opcodes have no way in here: the kernel's fwctl passes 0500h to 0502h and its memory \
                    device node passes no vendor opcode but by RAW";
        missing(Code::NoPathForVendorOpcodes, who, says)
    }

    /// The kernel's own interfaces to a memory device.
    fn interfaces(&self, memdev: &Memdev) -> Vec<Finding> {
        let there = Tree::open(&self.roots.sys())
            .and_then(|sys| crate::discover::cxl_interfaces(self.roots, &sys, memdev));
        let there = match there {
            Ok(keys) => keys,
            Err(error) => return vec![missing(Code::Unreadable, Who::Root, error.to_string())],
        };
        // An interface that no command of such a device has anything to do with is not missing.
        let of_memdevs = |key: &str| {
            let mut rows = Tables::BUILTIN.ground.iter();
            rows.any(|row| row.protocol == Protocol::Cxl && row.interface == Some(key))
        };
        let one = |row: &fwgate_policy::tables::InterfaceRow| {
            let place = place_of(row.place, memdev);
            let finding = if there.contains(&row.key) {
                present(format!("the kernel's own interface: {place}"))
            } else {
                self.no_interface(row.option, memdev, row.key)
            };
            finding.by(row.key).at(place)
        };
        INTERFACES.iter().filter(|row| of_memdevs(row.key)).map(one).collect()
    }

    fn no_interface(&self, option: &str, memdev: &Memdev, key: &str) -> Finding {
        let words = option.split_whitespace();
        let options = words.filter_map(|word| word.strip_prefix("CONFIG_"));
        if let Some(lack) = options.map(|option| self.lacks(option)).find(Option::is_some).flatten()
        {
            return lack;
        }
        let hidden = match key {
            "cxl-poison-debugfs" => Some(self.roots.debugfs()),
            "cxl-trace-events" => Some(self.roots.tracefs()),
            _ => None,
        };
        if let Some(root) = hidden
            && Tree::open(&root)
                .and_then(|tree| tree.list(Path::new("")))
                .map_or(true, |names| names.is_empty())
        {
            let says = format!(
                "`{}` is not mounted, or this process may not look into it",
                root.display()
            );
            return missing(Code::NoPermission, Who::Root, says);
        }
        let why = match (&memdev.driver, &memdev.nvdimm) {
            (None, _) => "no driver is bound to the memory device itself",
            (Some(_), None) if key.starts_with("nvdimm") => {
                "the device has no persistent capacity that the kernel knows of"
            }
            _ => "the device does not report the command or feature that it needs",
        };
        let who = if memdev.driver.is_none() { Who::Root } else { Who::Vendor };
        missing(Code::InterfaceAbsent, who, why)
    }

    /// Functions of known kinds that gave nothing to send to.
    pub(super) fn unused_functions(&self, scan: &Scan) -> Vec<Finding> {
        let mut found = Vec::new();
        for function in scan.without_target() {
            let name = function.address.to_string();
            let (module, option) = match function.class {
                crate::discover::CLASS_NVME => ("nvme", "BLK_DEV_NVME"),
                _ => ("cxl_pci", "CXL_PCI"),
            };
            let finding = match function.drivers.names.first() {
                Some(driver) if driver == module => {
                    let says = format!(
                        "`{driver}` is bound and gave no device; the kernel's log says why"
                    );
                    missing(Code::DriverGaveNoDevice, Who::Root, says)
                }
                Some(driver) => {
                    let says = format!("`{driver}` is bound, so the kernel's own driver is not");
                    missing(Code::DriverUnknown, Who::Root, says)
                }
                None => self.no_module(module, option).unwrap_or_else(|| {
                    missing(
                        Code::DriverUnbound,
                        Who::Root,
                        format!("`{module}` is loaded and not bound"),
                    )
                }),
            };
            found.push(finding.of(&name));
        }
        for device in &scan.devices {
            if device.fwctls.is_empty() {
                found
                    .extend(device.functions.iter().filter_map(|function| self.no_fwctl(function)));
            }
        }
        found
    }

    /// A function whose driver has a fwctl part that gave no device.
    fn no_fwctl(&self, function: &PciFunction) -> Option<Finding> {
        let mut names = function.drivers.names.iter();
        let (module, option) = names.find_map(|name| match Family::of_driver(name) {
            Family::Mlx5 => Some(("mlx5_fwctl", "FWCTL_MLX5")),
            Family::Bnxt => Some(("bnxt_fwctl", "FWCTL_BNXT")),
            Family::Pds => Some(("pds_fwctl", "FWCTL_PDS")),
            Family::Cxl | Family::Unknown => None,
        })?;
        let finding = self.no_module(module, option).unwrap_or_else(|| {
            missing(
                Code::NoUserFeature,
                Who::Vendor,
                format!("`{module}` is loaded and gave no device"),
            )
        });
        Some(finding.of(&function.address.to_string()).by("fwctl"))
    }

    /// What keeps a module from running; `None` if it runs.
    fn no_module(&self, module: &str, option: &str) -> Option<Finding> {
        match options::module(self.roots, module) {
            ModuleState::Loaded | ModuleState::BuiltIn => None,
            ModuleState::Installed => {
                let says =
                    format!("the module `{module}` is there and not loaded: `modprobe {module}`");
                Some(missing(Code::ModuleNotLoaded, Who::Root, says).at(module))
            }
            ModuleState::Missing | ModuleState::CannotTell => {
                Some(self.lacks(option).unwrap_or_else(|| {
                    let says = format!("the module `{module}` is not installed");
                    missing(Code::ModuleMissing, Who::Owner, says).at(module)
                }))
            }
        }
    }
}

/// A row's place with the device's own names in it.
fn place_of(place: &str, memdev: &Memdev) -> String {
    match memdev.nvdimm.as_ref().and_then(|child| child.dimm.as_deref()) {
        Some(dimm) if place.contains("nmemN") => place.replace("nmemN", dimm),
        None if place.contains("nmemN") => place.to_owned(),
        _ => place.replace("memN", &memdev.name),
    }
}

/// Nodes that others than root can open.
pub(super) fn open_to_others(roots: &Roots, target: &Target) -> Vec<Finding> {
    let warning = |code, place: &str, says: String| {
        Finding::new(code, Severity::Warning, Who::Root, says).of(&target.name).at(place)
    };
    let of_node = |node: Node| {
        let place = node.whole(roots).display().to_string();
        let Some(access) = node.bits(roots) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        if access.uid != 0 {
            let says = format!(
                "`{place}` belongs to uid {}, who can send commands past fwgate",
                access.uid
            );
            found.push(warning(Code::NodeOwner, &place, says));
        }
        if access.mode & 0o077 != 0 {
            let says = format!(
                "`{place}` has mode {:04o} and gid {}: others than root can send commands past fwgate",
                access.mode, access.gid
            );
            found.push(warning(Code::NodeMode, &place, says));
        }
        if access.acl {
            let says = format!("`{place}` has an access control list: see `getfacl {place}`");
            found.push(warning(Code::NodeAcl, &place, says));
        }
        found
    };
    target.nodes().into_iter().flat_map(of_node).collect()
}

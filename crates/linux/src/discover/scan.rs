// SPDX-License-Identifier: MIT OR Apache-2.0
//! One look at the whole machine, and what commands can be sent to in it.
//!
//! Hostile, as everything that is read here.
//!
//! *Invariants*: a scan does not fail because of one device: what could not be read of it is left
//! out and listed.
//!
//! *Not here*: finding one by a name (`name`).

use std::sync::Arc;

use super::cxl::{self, Memdev};
use super::fwctl::{self, Fwctl, Parent};
use super::nvme::{self, Controller};
use super::pci::{self, PciFunction};
use super::physical::{self, Physical};
use super::roots::Roots;
use super::sysfs::{Notes, ReadError, Tree};

/// The machine to look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Where to look.
    pub roots: Roots,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        Self { roots: Roots::here() }
    }

    /// Looks at everything. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`ReadError`] where there is no sysfs at all.
    pub fn scan(&self) -> Result<Scan, ReadError> {
        let tree = Tree::open(&self.roots.sys())?;
        let mut notes = Notes::default();
        let functions = pci::functions(&tree, &mut notes);
        let memdevs = cxl::memdevs(&tree, &mut notes);
        let controllers = nvme::controllers(&tree, &mut notes);
        let fwctls = fwctl::devices(&tree, &mut notes);
        let devices = physical::join(&tree, functions, memdevs, controllers, fwctls);
        let devices = devices.into_iter().map(Arc::new).collect();
        Ok(Scan { roots: self.roots.clone(), devices, unread: notes.0 })
    }
}

/// What a look at the machine found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// Where it looked.
    pub roots: Roots,
    /// Every physical device with a PCI function, a memory device, a controller or fwctl.
    pub devices: Vec<Arc<Physical>>,
    /// What could not be read. At most 1024.
    pub unread: Vec<ReadError>,
}

/// What kind of device commands are sent to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "a machine has few of them, and each is made once")]
pub enum Kind {
    /// A CXL memory device, with its fwctl child.
    Cxl {
        /// The memory device.
        memdev: Memdev,
        /// Its fwctl child.
        fwctl: Option<Fwctl>,
    },
    /// An NVMe controller.
    Nvme(Controller),
    /// A fwctl device of another family.
    Fwctl(Fwctl),
}

/// One device that commands are sent to: one slot, one identity, however many paths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Its name: `mem0`, `nvme0`, `fwctl3`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The physical device that it is part of.
    pub physical: Arc<Physical>,
}

impl Scan {
    /// Everything that commands can be sent to, in the order of their names.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = self.devices.iter().flat_map(Target::all_of).collect();
        targets.sort_by_cached_key(|target| natural(&target.name));
        targets
    }

    /// Functions that are memory devices or NVMe controllers by their class, but gave no device
    /// that commands could be sent to.
    #[must_use]
    pub fn without_target(&self) -> Vec<&PciFunction> {
        let wanted = |function: &&PciFunction| {
            matches!(function.class, pci::CLASS_CXL_MEMORY | pci::CLASS_NVME)
        };
        let below =
            |folder: &std::path::Path, function: &PciFunction| folder.starts_with(&function.folder);
        self.devices
            .iter()
            .flat_map(|device| {
                device.functions.iter().filter(wanted).filter(|function| {
                    let memdevs = device.memdevs.iter().map(|memdev| memdev.folder.as_path());
                    let controllers = device.controllers.iter().map(|c| c.folder.as_path());
                    !memdevs.chain(controllers).any(|folder| below(folder, function))
                })
            })
            .collect()
    }
}

impl Target {
    fn all_of(device: &Arc<Physical>) -> Vec<Self> {
        let target =
            |name: &str, kind| Self { name: name.to_owned(), kind, physical: Arc::clone(device) };
        let mut targets = Vec::new();
        for memdev in &device.memdevs {
            let fwctl = device
                .fwctls
                .iter()
                .find(|fwctl| fwctl.parent == Parent::Memdev(memdev.name.clone()))
                .cloned();
            let kind = Kind::Cxl { memdev: memdev.clone(), fwctl };
            targets.push(target(&memdev.name, kind));
        }
        for controller in &device.controllers {
            targets.push(target(&controller.name, Kind::Nvme(controller.clone())));
        }
        let is_child = |fwctl: &Fwctl| match &fwctl.parent {
            Parent::Memdev(name) => device.memdevs.iter().any(|memdev| memdev.name == *name),
            _ => false,
        };
        for fwctl in device.fwctls.iter().filter(|fwctl| !is_child(fwctl)) {
            targets.push(target(&fwctl.name, Kind::Fwctl(fwctl.clone())));
        }
        targets
    }

    /// The device's own folder, relative to sysfs.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        match &self.kind {
            Kind::Cxl { memdev, .. } => &memdev.folder,
            Kind::Nvme(controller) => &controller.folder,
            Kind::Fwctl(fwctl) => &fwctl.folder,
        }
    }

    /// The PCI function that the device belongs to, if it belongs to one.
    #[must_use]
    pub fn function(&self) -> Option<&PciFunction> {
        let folder = match &self.kind {
            Kind::Fwctl(fwctl) => &fwctl.parent_folder,
            Kind::Cxl { .. } | Kind::Nvme(_) => self.folder(),
        };
        let functions = self.physical.functions.iter();
        functions
            .filter(|f| folder.starts_with(&f.folder))
            .max_by_key(|f| f.folder.as_os_str().len())
    }

    /// The number of its own node.
    #[must_use]
    pub const fn number(&self) -> super::DeviceNumber {
        match &self.kind {
            Kind::Cxl { memdev, .. } => memdev.number,
            Kind::Nvme(controller) => controller.number,
            Kind::Fwctl(fwctl) => fwctl.number,
        }
    }
}

/// A name with its number taken as one: `mem2` before `mem10`.
fn natural(name: &str) -> (String, u64) {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = name.get(letters.len()..).unwrap_or_default();
    (letters.to_owned(), digits.parse().unwrap_or(u64::MAX))
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions and children are one physical device.
//!
//! Hostile: a serial number is the device's claim. Joining by it can only bring more drivers to a
//! device, and so more that have a say: good enough to deny by.
//!
//! *Invariants*: every function, memory device, controller and fwctl device is in exactly one
//! physical device.
//!
//! *Spec*: functions of one slot are one device; so are all functions of a bus with ARI, and a
//! virtual function and its physical one (PCI Express, as `drivers/pci/{probe,iov}.c @ v7.3` has
//! it). A CXL serial number is the function's own (`drivers/cxl/pci.c @ v7.3`).

use core::fmt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fwgate_policy::Known;
use serde::{Serialize, Serializer};

use super::cxl::Memdev;
use super::drivers::{self, Drivers};
use super::fwctl::{Fwctl, Parent};
use super::nvme::Controller;
use super::pci::{PciAddress, PciFunction};
use super::sysfs::Tree;

/// Where a device sits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Slot {
    /// A PCI slot.
    Pci {
        /// Domain.
        domain: u32,
        /// Bus.
        bus: u8,
        /// Device; `None` where all functions of the bus are one device.
        device: Option<u8>,
    },
    /// No PCI function: the folder of the device, relative to sysfs.
    Folder(PathBuf),
}

impl Slot {
    /// Whether a function at that address is in it.
    #[must_use]
    pub fn holds(&self, address: PciAddress) -> bool {
        match self {
            Self::Pci { domain, bus, device } => {
                (*domain, *bus) == (address.domain, address.bus)
                    && device.is_none_or(|device| device == address.device)
            }
            Self::Folder(_) => false,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci { domain, bus, device: Some(device) } => {
                write!(f, "{domain:04x}:{bus:02x}:{device:02x}")
            }
            Self::Pci { domain, bus, device: None } => write!(f, "{domain:04x}:{bus:02x}"),
            Self::Folder(folder) => {
                write!(f, "{}", folder.as_os_str().as_encoded_bytes().escape_ascii())
            }
        }
    }
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One physical device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Physical {
    /// Its slots, sorted; more than one where a serial number joins them.
    pub slots: Vec<Slot>,
    /// Its PCI functions, by address.
    pub functions: Vec<PciFunction>,
    /// Its CXL memory devices.
    pub memdevs: Vec<Memdev>,
    /// Its NVMe controllers.
    pub controllers: Vec<Controller>,
    /// Its fwctl devices.
    pub fwctls: Vec<Fwctl>,
    /// What drives any of it.
    pub drivers: Drivers,
}

impl Physical {
    /// Whether a kernel driver drives any of it.
    #[must_use]
    pub fn driven(&self) -> Known {
        self.drivers.driven()
    }
}

/// What two things have to share to be one device.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Slot(Slot),
    Serial(u64),
    Nvme { subsystem: Vec<u8>, serial: Vec<u8> },
}

/// Groups of items that share a key.
#[derive(Default)]
struct Groups {
    parent: Vec<usize>,
    first: BTreeMap<Key, usize>,
}

impl Groups {
    fn root(&self, mut item: usize) -> usize {
        // Parents are smaller than their children, so this ends.
        while let Some(parent) = self.parent.get(item).copied().filter(|parent| *parent < item) {
            item = parent;
        }
        item
    }

    fn add(&mut self, keys: impl IntoIterator<Item = Key>) -> usize {
        let item = self.parent.len();
        self.parent.push(item);
        for key in keys {
            let other = *self.first.entry(key).or_insert(item);
            let (a, b) = (self.root(item), self.root(other));
            if let Some(parent) = self.parent.get_mut(a.max(b)) {
                *parent = a.min(b);
            }
        }
        item
    }
}

/// Joins what a scan found.
pub(crate) fn join(
    tree: &Tree,
    functions: Vec<PciFunction>,
    memdevs: Vec<Memdev>,
    controllers: Vec<Controller>,
    fwctls: Vec<Fwctl>,
) -> Vec<Physical> {
    let slots: BTreeMap<PciAddress, Slot> =
        functions.iter().map(|function| (function.address, slot_of(function))).collect();
    let slot_or = |folder: &Path, otherwise: &Path| {
        let slot = PciAddress::in_path(folder).and_then(|address| slots.get(&address));
        slot.cloned().unwrap_or_else(|| Slot::Folder(otherwise.to_owned()))
    };
    // A memory device without PCI is known by its parent, and so is its fwctl child.
    let of_memdev = |folder: &Path| slot_or(folder, folder.parent().unwrap_or(folder));
    let of_controller = |controller: &Controller| slot_or(&controller.folder, &controller.folder);
    let of_fwctl = |fwctl: &Fwctl| match fwctl.parent {
        Parent::Memdev(_) => of_memdev(&fwctl.parent_folder),
        _ => slot_or(&fwctl.parent_folder, &fwctl.parent_folder),
    };
    let mut groups = Groups::default();
    let of_functions: Vec<usize> = functions
        .iter()
        .map(|function| {
            let mut keys = vec![Key::Slot(slot_of(function))];
            keys.extend(function.serial.map(Key::Serial));
            keys.extend(function.physical.and_then(|a| slots.get(&a)).cloned().map(Key::Slot));
            groups.add(keys)
        })
        .collect();
    let of_memdevs: Vec<usize> = memdevs
        .iter()
        .map(|memdev| {
            let mut keys = vec![Key::Slot(of_memdev(&memdev.folder))];
            keys.extend(memdev.serial.map(Key::Serial));
            groups.add(keys)
        })
        .collect();
    let of_controllers: Vec<usize> = controllers
        .iter()
        .map(|controller| {
            let mut keys = vec![Key::Slot(of_controller(controller))];
            keys.extend(nvme_key(controller));
            groups.add(keys)
        })
        .collect();
    let of_fwctls: Vec<usize> =
        fwctls.iter().map(|fwctl| groups.add([Key::Slot(of_fwctl(fwctl))])).collect();

    let mut devices: BTreeMap<usize, Physical> = BTreeMap::new();
    let mut device = |item: usize, slot: Slot| -> usize {
        let root = groups.root(item);
        let device = devices.entry(root).or_insert_with(empty);
        if let Err(at) = device.slots.binary_search(&slot) {
            device.slots.insert(at, slot);
        }
        root
    };
    let mut placed: Vec<(usize, Piece)> = Vec::new();
    for (item, function) in of_functions.into_iter().zip(functions) {
        placed.push((device(item, slot_of(&function)), Piece::Function(function)));
    }
    for (item, memdev) in of_memdevs.into_iter().zip(memdevs) {
        placed.push((device(item, of_memdev(&memdev.folder)), Piece::Memdev(memdev)));
    }
    for (item, controller) in of_controllers.into_iter().zip(controllers) {
        placed.push((device(item, of_controller(&controller)), Piece::Controller(controller)));
    }
    for (item, fwctl) in of_fwctls.into_iter().zip(fwctls) {
        placed.push((device(item, of_fwctl(&fwctl)), Piece::Fwctl(fwctl)));
    }
    for (root, piece) in placed {
        if let Some(device) = devices.get_mut(&root) {
            piece.put(device);
        }
    }
    devices
        .into_values()
        .map(|mut device| {
            device.drivers = drivers_of(tree, &device);
            device
        })
        .collect()
}

enum Piece {
    Function(PciFunction),
    Memdev(Memdev),
    Controller(Controller),
    Fwctl(Fwctl),
}

impl Piece {
    fn put(self, device: &mut Physical) {
        match self {
            Self::Function(function) => device.functions.push(function),
            Self::Memdev(memdev) => device.memdevs.push(memdev),
            Self::Controller(controller) => device.controllers.push(controller),
            Self::Fwctl(fwctl) => device.fwctls.push(fwctl),
        }
    }
}

const fn empty() -> Physical {
    Physical {
        slots: Vec::new(),
        functions: Vec::new(),
        memdevs: Vec::new(),
        controllers: Vec::new(),
        fwctls: Vec::new(),
        drivers: Drivers {
            names: Vec::new(),
            known: fwgate_policy::Subsystems::empty(),
            unknown: Vec::new(),
        },
    }
}

fn slot_of(function: &PciFunction) -> Slot {
    let PciAddress { domain, bus, device, .. } = function.address;
    Slot::Pci { domain, bus, device: (!function.ari).then_some(device) }
}

fn nvme_key(controller: &Controller) -> Option<Key> {
    let (subsystem, serial) = (controller.subsystem.as_ref()?, controller.serial.as_ref()?);
    (!subsystem.is_empty() && !serial.is_empty()).then(|| Key::Nvme {
        subsystem: subsystem.as_bytes().to_vec(),
        serial: serial.as_bytes().to_vec(),
    })
}

/// What drives a device: the drivers of its functions, of what stands in a function's place, and
/// the subsystems that its children are of.
fn drivers_of(tree: &Tree, device: &Physical) -> Drivers {
    let mut all = Drivers::default();
    for function in &device.functions {
        all.add(&function.drivers);
    }
    for slot in &device.slots {
        if let Slot::Folder(folder) = slot {
            all.add(&drivers::of_device(tree, folder));
        }
    }
    children(&mut all, !device.memdevs.is_empty(), !device.controllers.is_empty());
    all
}

/// A child of a class is driven by that class's subsystem, whatever stands above it.
pub(crate) fn children(all: &mut Drivers, memdev: bool, controller: bool) {
    let mut child = |name: &str, subsystem| {
        let name = name.to_owned();
        all.add(&Drivers { names: vec![name], known: subsystem, unknown: Vec::new() });
    };
    if memdev {
        child("cxl_mem", fwgate_policy::Subsystems::CXL);
    }
    if controller {
        child("nvme_core", fwgate_policy::Subsystems::NVME);
    }
}

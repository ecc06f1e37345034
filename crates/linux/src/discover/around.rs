// SPDX-License-Identifier: MIT OR Apache-2.0
//! What kernel and machine do with a device, read anew before each send.
//!
//! Hostile, as everything in sysfs.
//!
//! *Invariants*: nothing is taken from the scan that could have changed since, but for which other
//! slots a serial number joined. What cannot be read is "cannot tell", which counts as owned.
//!
//! *Not here*: what follows from it (`fwgate_policy::ground`).
//!
//! *Spec*: `drivers/cxl/core/{memdev,port,edac}.c`, `drivers/cxl/{mem,pmem}.c` (exclusive commands
//! while `cxl_nvdimm` is bound), `drivers/edac/edac_device.c`, `block/sed-opal.c @ v7.3`. The keys
//! are those of `data/ground.toml`.

use std::path::Path;

use fwgate_gate::device::Around;
use fwgate_policy::{Known, Subsystems};

use super::cxl::{self, Memdev};
use super::drivers::{self, Drivers};
use super::in_use::Users;
use super::physical::{self, Slot};
use super::scan::{Kind, Target};
use super::sysfs::{Notes, ReadError, Tree};
use super::{Roots, network, nvme, pci};
use crate::host;

/// What kernel and machine do with a device now. Reads a few files and sends nothing.
#[must_use]
pub fn around(roots: &Roots, target: &Target) -> Around {
    let mut around = Around {
        driven: Known::CannotTell,
        nvdimm_bound: Known::CannotTell,
        decoder_committed: Known::CannotTell,
        namespace_in_use: Known::CannotTell,
        drivers: Subsystems::empty(),
        interfaces: None,
        lockdown: host::lockdown(roots).level,
    };
    let Ok(sys) = Tree::open(&roots.sys()) else { return around };
    // A device that is gone has surroundings that nobody can tell.
    if !matches!(sys.exists(target.folder()), Ok(true)) {
        return around;
    }
    let drivers = drivers_of(&sys, target);
    around.driven = drivers.driven();
    around.drivers = drivers.known;
    match &target.kind {
        Kind::Cxl { memdev, .. } => {
            around.namespace_in_use = Known::No;
            around.nvdimm_bound = nvdimm_bound(&sys, memdev);
            around.decoder_committed = decoder_committed(&sys, memdev);
            around.interfaces = cxl_interfaces(roots, &sys, memdev).ok();
        }
        Kind::Nvme(controller) => {
            around.nvdimm_bound = Known::No;
            around.decoder_committed = Known::No;
            around.namespace_in_use = namespace_in_use(roots, &sys, &controller.folder);
            around.interfaces = match host::options::opal(roots) {
                Known::Yes => Some(vec!["sed-opal"]),
                Known::No => Some(Vec::new()),
                Known::CannotTell => None,
            };
        }
        Kind::Fwctl(_) => {
            around.nvdimm_bound = Known::No;
            around.decoder_committed = Known::No;
            around.namespace_in_use = Known::No;
            let all_known = around.driven != Known::CannotTell;
            around.interfaces = network::interfaces(&sys, target, all_known);
        }
    }
    around
}

/// What drives the device now: every function that is in its slots by now, whether or not the scan
/// saw it.
fn drivers_of(sys: &Tree, target: &Target) -> Drivers {
    let mut all = Drivers::default();
    let addresses = match pci::addresses(sys) {
        Ok(addresses) => addresses,
        Err(error) => {
            all.unknown.push(error.path().display().to_string());
            return all;
        }
    };
    let device = &target.physical;
    for address in addresses {
        // A virtual function sits in a slot of its own.
        let known = device.functions.iter().find(|function| function.address == address);
        let in_slot = device.slots.iter().any(|slot| slot.holds(address));
        if known.is_none() && !in_slot {
            continue;
        }
        // A function keeps its folder for as long as it is there.
        let folder = match known {
            Some(function) => Ok(function.folder.clone()),
            None => sys.resolve(Path::new("bus/pci/devices").join(address.to_string())),
        };
        match folder {
            Ok(folder) => all.add(&drivers::of_function(sys, &folder)),
            Err(error) if error.is_gone() => {}
            Err(error) => all.unknown.push(error.path().display().to_string()),
        }
    }
    for slot in &device.slots {
        if let Slot::Folder(folder) = slot {
            all.add(&drivers::of_device(sys, folder));
        }
    }
    let (memdevs, controllers) = (!device.memdevs.is_empty(), !device.controllers.is_empty());
    physical::children(&mut all, memdevs, controllers);
    all
}

fn nvdimm_bound(sys: &Tree, memdev: &Memdev) -> Known {
    match cxl::nvdimm_of(sys, memdev) {
        Ok(Some(child)) if child.driver.is_some() => Known::Yes,
        Ok(_) => Known::No,
        Err(_) => Known::CannotTell,
    }
}

/// Without an endpoint port the kernel looks at no decoder, and firmware may have committed one.
fn decoder_committed(sys: &Tree, memdev: &Memdev) -> Known {
    let likely = memdev.endpoint.as_ref().map(|endpoint| endpoint.name.as_str());
    let Ok(Some((_, port))) = cxl::endpoint(sys, &memdev.folder, likely) else {
        return Known::CannotTell;
    };
    match sys.number::<u32>(port.join("decoders_committed")) {
        Ok(0) => Known::No,
        Ok(_) => Known::Yes,
        Err(_) => Known::CannotTell,
    }
}

/// Whether any namespace of the controller is in use.
fn namespace_in_use(roots: &Roots, sys: &Tree, folder: &Path) -> Known {
    let mut notes = Notes::default();
    let namespaces = nvme::namespaces(sys, folder, &mut notes);
    let users = Users::read(roots, sys);
    let worse = |a: Known, b: Known| match (a, b) {
        (Known::Yes, _) | (_, Known::Yes) => Known::Yes,
        (Known::CannotTell, _) | (_, Known::CannotTell) => Known::CannotTell,
        (Known::No, Known::No) => Known::No,
    };
    let start = if notes.0.is_empty() { Known::No } else { Known::CannotTell };
    namespaces.iter().map(|namespace| users.of(sys, namespace)).fold(start, worse)
}

/// The keys of the kernel's interfaces to a memory device that are there. One that cannot be looked
/// at, as debugfs by who is not root, is none that could be used and is left out.
pub(crate) fn cxl_interfaces(
    roots: &Roots,
    sys: &Tree,
    memdev: &Memdev,
) -> Result<Vec<&'static str>, ReadError> {
    let own = |file: &str| sys.exists(memdev.folder.join(file));
    let mut keys = Vec::new();
    let mut add = |present: bool, key| {
        if present {
            keys.push(key);
        }
    };
    let debugfs = Tree::open(&roots.debugfs());
    let inject = Path::new("cxl").join(&memdev.name).join("inject_poison");
    add(debugfs.is_ok_and(|tree| tree.exists(inject).unwrap_or(false)), "cxl-poison-debugfs");
    add(own("trigger_poison_list")?, "cxl-poison-list");
    add(own("security/sanitize")?, "cxl-sanitize");
    add(own("security/erase")?, "cxl-secure-erase");
    let tracefs = Tree::open(&roots.tracefs());
    let traced =
        tracefs.is_ok_and(|tree| tree.exists("events/cxl/cxl_general_media").unwrap_or(false));
    add(traced, "cxl-trace-events");
    let edac = match sys.list(memdev.folder.join(format!("cxl_{}", memdev.name))) {
        Err(error) if error.is_gone() => Vec::new(),
        names => names?,
    };
    for (prefix, key) in
        [("ecs_fru", "edac-ecs"), ("mem_repair", "edac-mem-repair"), ("scrub", "edac-scrub")]
    {
        let is_it = |name: &String| super::sysfs::numbered(name, prefix).is_some();
        add(edac.iter().any(is_it), key);
    }
    add(own(&format!("firmware/{}/loading", memdev.name))?, "firmware-upload");
    if own("dev")? {
        add(true, "memdev-scan-media-caps");
        add(true, "memdev-set-partition");
    }
    let child = cxl::nvdimm_of(sys, memdev)?;
    if let Some(dimm) = child.and_then(|child| child.dimm) {
        let folder = Path::new("bus/nd/devices").join(dimm);
        add(sys.exists(folder.join("available_slots"))?, "nvdimm-labels");
        add(sys.exists(folder.join("security"))?, "nvdimm-security");
    }
    Ok(keys)
}

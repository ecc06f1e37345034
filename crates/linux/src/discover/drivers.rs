// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which kernel subsystem a driver belongs to.
//!
//! A driver's name is read from sysfs, where a module that anyone loaded has chosen it: a name in
//! the table says what the kernel calls so, and not more. A driver that is not in the table may
//! belong to any subsystem, and so may what runs behind vfio or uio, which are left out on purpose.
//!
//! *Not here*: what follows from it (`fwgate_policy::Surroundings`).
//!
//! *Spec*: `drivers/cxl/pci.c`, `drivers/nvme/host/pci.c`, `drivers/net/ethernet/*`,
//! `drivers/infiniband/hw/*`, `drivers/fwctl/*/main.c`, `drivers/base/auxiliary.c` (an auxiliary
//! driver is called `module.name`) `@ v7.3`.

use std::path::Path;

use fwgate_policy::{Known, Subsystems};

use super::sysfs::{ReadError, Tree};

/// Drivers of functions and platform devices.
const DRIVERS: &[(&str, Subsystems)] = &[
    ("bnxt_en", Subsystems::NETDEV),
    ("cxl_mock_mem", Subsystems::CXL),
    ("cxl_pci", Subsystems::CXL),
    ("ionic", Subsystems::NETDEV),
    ("mlx5_core", Subsystems::NETDEV),
    ("nvme", Subsystems::NVME),
    ("nvme-apple", Subsystems::NVME),
    ("pcieport", Subsystems::PCI),
    ("pds_core", Subsystems::NETDEV),
];

/// Drivers of the auxiliary devices that a function's driver makes.
const AUXILIARY: &[(&str, Subsystems)] = &[
    // fwctl stands on no ground of its own.
    ("bnxt_fwctl.bnxt_fwctl", Subsystems::empty()),
    ("bnxt_re.rdma", Subsystems::RDMA),
    ("ionic_rdma.rdma", Subsystems::RDMA),
    ("mlx5_core.dpll", Subsystems::NETDEV),
    ("mlx5_core.eth", Subsystems::NETDEV),
    ("mlx5_core.eth-rep", Subsystems::NETDEV),
    ("mlx5_fwctl.mlx5_fwctl", Subsystems::empty()),
    ("mlx5_ib.multiport", Subsystems::RDMA),
    ("mlx5_ib.rdma", Subsystems::RDMA),
    ("mlx5_ib.rep", Subsystems::RDMA),
    ("pds_fwctl.pds_fwctl", Subsystems::empty()),
];

/// Folders of class devices under a function that show a subsystem at work, whatever the driver.
const CLASSES: &[(&str, Subsystems)] =
    &[("infiniband", Subsystems::RDMA), ("net", Subsystems::NETDEV), ("nvme", Subsystems::NVME)];

/// What drives something.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Drivers {
    /// Names of the bound drivers, sorted; the function's own and those of its auxiliary devices.
    pub names: Vec<String>,
    /// The subsystems that the known ones belong to.
    pub known: Subsystems,
    /// Names of the drivers whose subsystem cannot be told, and paths that could not be read.
    pub unknown: Vec<String>,
}

impl Drivers {
    /// Whether a kernel driver drives it. One whose subsystem cannot be told may be any.
    #[must_use]
    pub fn driven(&self) -> Known {
        match (self.unknown.is_empty(), self.names.is_empty()) {
            (false, _) => Known::CannotTell,
            (true, false) => Known::Yes,
            (true, true) => Known::No,
        }
    }

    /// Adds what drives something else of the same device.
    pub(crate) fn add(&mut self, other: &Self) {
        self.names.extend_from_slice(&other.names);
        self.unknown.extend_from_slice(&other.unknown);
        self.known |= other.known;
        self.names.sort_unstable();
        self.names.dedup();
        self.unknown.sort_unstable();
        self.unknown.dedup();
    }

    fn take(&mut self, link: Result<Option<String>, ReadError>, table: &[(&str, Subsystems)]) {
        match link {
            Ok(None) => {}
            Ok(Some(name)) => {
                match table.iter().find(|(known, _)| *known == name) {
                    Some((_, subsystem)) => self.known |= *subsystem,
                    None => self.unknown.push(name.clone()),
                }
                self.names.push(name);
            }
            Err(error) => self.unknown.push(error.path().display().to_string()),
        }
    }
}

/// What drives the device in this folder of sysfs, not counting its children.
pub(crate) fn of_device(tree: &Tree, folder: &Path) -> Drivers {
    let mut drivers = Drivers::default();
    drivers.take(tree.link_name(folder.join("driver")), DRIVERS);
    drivers
}

/// What drives the PCI function in this folder, with its auxiliary devices and class devices.
pub(crate) fn of_function(tree: &Tree, folder: &Path) -> Drivers {
    let mut drivers = of_device(tree, folder);
    let names = match tree.list(folder) {
        Ok(names) => names,
        Err(error) if error.is_gone() => return drivers,
        Err(error) => {
            drivers.unknown.push(error.path().display().to_string());
            return drivers;
        }
    };
    for name in names {
        if let Some((_, subsystem)) = CLASSES.iter().find(|(class, _)| *class == name) {
            drivers.known |= *subsystem;
        } else if is_auxiliary(&name) {
            drivers.take(tree.link_name(folder.join(&name).join("driver")), AUXILIARY);
        }
    }
    drivers.names.sort_unstable();
    drivers.names.dedup();
    drivers
}

/// Whether a name is of the form `module.name.NUMBER`.
fn is_auxiliary(name: &str) -> bool {
    let mut parts = name.split('.');
    let (module, device, number) = (parts.next(), parts.next(), parts.next());
    parts.next().is_none()
        && module.is_some_and(|module| !module.is_empty() && !module.contains(':'))
        && device.is_some_and(|device| !device.is_empty())
        && number.is_some_and(|number| super::sysfs::canonical(number).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        for table in [DRIVERS, AUXILIARY, CLASSES] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
        }
    }

    #[test]
    fn a_driver_that_nobody_knows_may_be_of_any_subsystem() {
        let mut drivers = Drivers::default();
        assert_eq!(drivers.driven(), Known::No);
        drivers.take(Ok(Some("nvme".to_owned())), DRIVERS);
        assert_eq!((drivers.driven(), drivers.known), (Known::Yes, Subsystems::NVME));
        drivers.take(Ok(Some("vfio-pci".to_owned())), DRIVERS);
        assert_eq!(drivers.driven(), Known::CannotTell);
        assert_eq!(drivers.unknown, ["vfio-pci"]);
    }

    #[test]
    fn an_auxiliary_device_has_two_dots_and_a_number() {
        assert!(is_auxiliary("mlx5_core.eth.0") && is_auxiliary("pds_core.fwctl.12"));
        for other in ["0000:0d:00.0", "net", "mlx5_core.eth", "a.b.c", "a.b.01", ".b.0", "a.b.0.1"]
        {
            assert!(!is_auxiliary(other), "{other}");
        }
    }
}

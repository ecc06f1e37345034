// SPDX-License-Identifier: MIT OR Apache-2.0
//! fwctl devices, as `/sys/class/fwctl` shows them.
//!
//! Not trusted. The family is guessed from the parent's driver; what `FWCTL_INFO` says of an opened
//! node is what counts.
//!
//! *Not here*: the ioctl (`path`), what a family's commands are (`fwgate-wire`).
//!
//! *Spec*: `drivers/fwctl/main.c`, `drivers/fwctl/{mlx5,bnxt,pds}/main.c` (each has the PCI function
//! as its parent), `drivers/cxl/core/features.c` (the memdev), `include/uapi/fwctl/fwctl.h @ v7.3`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::DeviceNumber;
use super::pci::PciAddress;
use super::sysfs::{Notes, Tree, numbered};

const CLASS: &str = "class/fwctl";

/// Whose commands a device takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// CXL Features.
    Cxl,
    /// `NVIDIA` `ConnectX`.
    Mlx5,
    /// Broadcom `NetXtreme`.
    Bnxt,
    /// AMD Pensando.
    Pds,
    /// None that is known here.
    Unknown,
}

impl Family {
    /// By the number that `FWCTL_INFO` reports.
    #[must_use]
    pub const fn of_device_type(number: u32) -> Self {
        match number {
            1 => Self::Mlx5,
            2 => Self::Cxl,
            3 => Self::Bnxt,
            4 => Self::Pds,
            _ => Self::Unknown,
        }
    }

    /// By the driver of the device's parent.
    #[must_use]
    pub fn of_driver(name: &str) -> Self {
        match name {
            "cxl_mem" => Self::Cxl,
            "mlx5_core" => Self::Mlx5,
            "bnxt_en" => Self::Bnxt,
            "pds_core" => Self::Pds,
            _ => Self::Unknown,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cxl => "cxl",
            Self::Mlx5 => "mlx5",
            Self::Bnxt => "bnxt",
            Self::Pds => "pds",
            Self::Unknown => "unknown",
        }
    }
}

/// What a fwctl device is a child of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parent {
    /// A CXL memory device, by name.
    Memdev(String),
    /// A PCI function.
    Pci(PciAddress),
    /// Something else.
    Other,
}

/// A fwctl device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fwctl {
    /// `fwctl0`.
    pub name: String,
    /// Its folder, relative to sysfs, without links.
    pub folder: PathBuf,
    /// Of its node.
    pub number: DeviceNumber,
    /// The family, as the parent's driver has it.
    pub family: Family,
    /// The folder of its parent, relative to sysfs.
    pub parent_folder: PathBuf,
    /// Its parent.
    pub parent: Parent,
}

/// All fwctl devices, by name.
pub(crate) fn devices(tree: &Tree, notes: &mut Notes) -> Vec<Fwctl> {
    let names = notes.keep(tree.list(CLASS)).unwrap_or_default();
    names
        .iter()
        .filter(|name| numbered(name, "fwctl").is_some())
        .filter_map(|name| device(tree, name, notes))
        .collect()
}

fn device(tree: &Tree, name: &str, notes: &mut Notes) -> Option<Fwctl> {
    let folder = notes.keep(tree.resolve(Path::new(CLASS).join(name)))?;
    let number = notes.keep(tree.device_number(folder.join("dev")))?;
    let parent_folder = notes.keep(tree.resolve(folder.join("device"))).unwrap_or_default();
    let last = parent_folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let bus = notes.keep(tree.link_name(parent_folder.join("subsystem"))).flatten();
    let parent = match bus.as_deref() {
        Some("cxl") if numbered(last, "mem").is_some() => Parent::Memdev(last.to_owned()),
        Some("pci") => PciAddress::parse(last).map_or(Parent::Other, Parent::Pci),
        _ => Parent::Other,
    };
    let family = match &parent {
        Parent::Memdev(_) => Family::Cxl,
        _ => notes
            .keep(tree.link_name(parent_folder.join("driver")))
            .flatten()
            .map_or(Family::Unknown, |driver| Family::of_driver(&driver)),
    };
    Some(Fwctl { name: name.to_owned(), folder, number, family, parent_folder, parent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_the_number_that_the_kernel_gave_it() {
        let numbers = [0, 1, 2, 3, 4, 5].map(|number| Family::of_device_type(number).name());
        assert_eq!(numbers, ["unknown", "mlx5", "cxl", "bnxt", "pds", "unknown"]);
    }
}

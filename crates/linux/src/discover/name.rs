// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding a device by what users call it.
//!
//! The name is the user's. What it is compared with is hostile: a device may claim the serial
//! number `nvme0`.
//!
//! *Invariants*: text that has the form of a kernel name, a PCI address or a path is never compared
//! with serial numbers. More than one match is an error and never a choice.
//!
//! *Spec*: names as `drivers/{cxl,nvme,fwctl} @ v7.3` give them; see `nvme` for namespaces.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::pci::{self, PciAddress};
use super::scan::{Kind, Scan, Target};
use super::sysfs::{number, numbered};
use super::{DeviceNumber, nvme};

/// Why a name leads to no device, or to more than one.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum FindError {
    /// Nothing has this name.
    #[error("no device `{name}`; there are: {}", listed(known))]
    Unknown {
        /// As it was given, escaped.
        name: String,
        /// The names of the devices there are.
        known: Vec<String>,
    },
    /// More than one device fits.
    #[error("`{name}` may be any of {}", listed(among))]
    Ambiguous {
        /// As it was given, escaped.
        name: String,
        /// The devices that fit.
        among: Vec<String>,
    },
    /// The path is not a device's node.
    #[error("`{}` is no device node", path.display())]
    NotANode {
        /// The path.
        path: PathBuf,
    },
    /// The path could not be looked at.
    #[error("`{}` cannot be looked at (errno {errno})", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The errno.
        errno: i32,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Scan {
    /// The device that a user means by `mem0`, `nvme0`, `nvme0n1`, `fwctl0`, a PCI address, the path
    /// of a node or a serial number.
    ///
    /// # Errors
    ///
    /// [`FindError`] if there is none, or more than one.
    pub fn find(&self, name: &str) -> Result<Target, FindError> {
        let targets = self.targets();
        let fits: Vec<&Target> = if name.contains('/') {
            let (kind, number) = node(Path::new(name))?;
            targets.iter().filter(|target| has_number(target, kind, number)).collect()
        } else if is_kernel_name(name) {
            targets.iter().filter(|target| is_called(target, name)).collect()
        } else if let Some(address) = PciAddress::parse(name) {
            targets.iter().filter(|target| is_at(target, address)).collect()
        } else {
            targets.iter().filter(|target| has_serial(target, name)).collect()
        };
        let name = || name.escape_default().take(256).collect();
        match fits.as_slice() {
            [] => {
                let known = targets.iter().map(|target| target.name.clone()).collect();
                Err(FindError::Unknown { name: name(), known })
            }
            [one] => Ok((*one).clone()),
            many => {
                let among = many.iter().map(|target| target.name.clone()).collect();
                Err(FindError::Ambiguous { name: name(), among })
            }
        }
    }
}

/// Whether a node is a character device or a block device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NodeType {
    Char,
    Block,
}

fn node(path: &Path) -> Result<(NodeType, DeviceNumber), FindError> {
    // Links are followed: /dev/disk/by-id is full of them. Only the number counts.
    let metadata = std::fs::metadata(path).map_err(|error| FindError::Unreadable {
        path: path.to_owned(),
        errno: error.raw_os_error().unwrap_or_default(),
    })?;
    let kind = match metadata.file_type() {
        kind if kind.is_char_device() => NodeType::Char,
        kind if kind.is_block_device() => NodeType::Block,
        _ => return Err(FindError::NotANode { path: path.to_owned() }),
    };
    Ok((kind, DeviceNumber::of_raw(metadata.rdev())))
}

fn is_kernel_name(name: &str) -> bool {
    let plain = ["mem", "nvme", "fwctl"].iter().any(|prefix| numbered(name, prefix).is_some());
    plain || nvme::disk_of(name).is_some()
}

fn is_called(target: &Target, name: &str) -> bool {
    if target.name == name {
        return true;
    }
    match &target.kind {
        Kind::Cxl { memdev, fwctl } => {
            memdev.fwctl.as_deref() == Some(name)
                || fwctl.as_ref().is_some_and(|fwctl| fwctl.name == name)
        }
        Kind::Nvme(controller) => {
            // The name of one path names one controller; that of a disk, every controller it has.
            let mut namespaces = controller.namespaces.iter();
            match nvme::NamespaceName::parse(name) {
                Some(parsed) if parsed.path.is_some() => {
                    namespaces.any(|namespace| namespace.path.as_deref() == Some(name))
                }
                _ => nvme::disk_of(name)
                    .is_some_and(|disk| namespaces.any(|namespace| namespace.disk == disk)),
            }
        }
        Kind::Fwctl(_) => false,
    }
}

fn is_at(target: &Target, address: PciAddress) -> bool {
    target.function().is_some_and(|function| function.address == address)
}

fn has_number(target: &Target, kind: NodeType, number: DeviceNumber) -> bool {
    match (&target.kind, kind) {
        (Kind::Nvme(controller), NodeType::Block) => {
            controller.namespaces.iter().any(|namespace| namespace.number == Some(number))
        }
        (_, NodeType::Block) => false,
        (Kind::Cxl { fwctl: Some(fwctl), .. }, NodeType::Char) if fwctl.number == number => true,
        (_, NodeType::Char) => target.number() == number,
    }
}

fn has_serial(target: &Target, text: &str) -> bool {
    match &target.kind {
        Kind::Cxl { memdev, .. } => {
            let asked = number(text.to_ascii_lowercase().as_bytes())
                .or_else(|| pci::dsn(text.as_bytes()))
                .filter(|asked| pci::is_serial(*asked));
            asked.is_some() && asked == memdev.serial
        }
        Kind::Nvme(controller) => {
            let serial = controller.serial.as_ref().filter(|serial| !serial.is_empty());
            serial.is_some_and(|serial| serial.as_bytes() == text.as_bytes())
        }
        Kind::Fwctl(_) => {
            let serial = target.function().and_then(|function| function.serial);
            serial.is_some() && serial == pci::dsn(text.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_kernel_name_is_one_and_no_serial_number() {
        for name in ["mem0", "nvme12", "fwctl3", "nvme0n1", "nvme0c0n1", "nvme0n1p2", "ng0n1"] {
            assert!(is_kernel_name(name), "{name}");
        }
        for name in ["", "mem", "mem01", "S4EWNX0R", "0x1001", "1001", "0d:00.0"] {
            assert!(!is_kernel_name(name), "{name}");
        }
    }

    #[test]
    fn a_path_that_is_no_node_is_told_apart_from_one_that_is_not_there() {
        assert!(matches!(node(Path::new("/")), Err(FindError::NotANode { .. })));
        assert!(matches!(
            node(Path::new("/nowhere/at/all")),
            Err(FindError::Unreadable { errno: 2, .. })
        ));
        let null = node(Path::new("/dev/null")).unwrap();
        assert_eq!(null, (NodeType::Char, DeviceNumber { major: 1, minor: 3 }));
    }
}

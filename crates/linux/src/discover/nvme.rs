// SPDX-License-Identifier: MIT OR Apache-2.0
//! NVMe controllers and their namespaces, as `/sys/class/nvme` shows them.
//!
//! Hostile: model, serial, firmware revision and NQN are the device's claims.
//!
//! A namespace has one of three names. `nvme0n1`: a disk of its own under controller 0.
//! `nvme0c1n1`: one path, hidden, of the disk `nvme0n1` of subsystem 0, through controller 1; the
//! disk is then under the subsystem. The number of a subsystem is not the number of a controller.
//!
//! *Not here*: whether a namespace is in use (`in_use`), what shares its slot (`physical`).
//!
//! *Spec*: `drivers/nvme/host/sysfs.c`, `drivers/nvme/host/core.c` (`nvme_alloc_ns`, the names),
//! `drivers/nvme/host/multipath.c @ v7.3`.

use std::path::{Path, PathBuf};

use super::DeviceNumber;
use super::sysfs::{Notes, Text, Tree, canonical, numbered};

const CLASS: &str = "class/nvme";
const BLOCK: &str = "class/block";

/// A controller. What the kernel does not show is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Controller {
    /// `nvme0`.
    pub name: String,
    /// Its folder, relative to sysfs, without links.
    pub folder: PathBuf,
    /// Of its node.
    pub number: DeviceNumber,
    /// Model.
    pub model: Option<Text>,
    /// Serial number.
    pub serial: Option<Text>,
    /// Firmware revision.
    pub firmware: Option<Text>,
    /// `live`, `resetting`, ...
    pub state: Option<Text>,
    /// `pcie`, `tcp`, ...
    pub transport: Option<Text>,
    /// PCI address, or the transport's own.
    pub address: Option<Text>,
    /// Controller id.
    pub cntlid: Option<u16>,
    /// NQN of its subsystem.
    pub subsystem: Option<Text>,
    /// How long the driver waits for an admin command, in milliseconds; 7.3 and later tell it.
    pub admin_timeout: Option<u32>,
    /// Its namespaces, by number of the namespace.
    pub namespaces: Vec<Namespace>,
}

/// A namespace of a controller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespace {
    /// The name of the disk that is used: `nvme0n1`.
    pub disk: String,
    /// The hidden disk of this path, `nvme0c0n1`, where the kernel has it under a subsystem.
    pub path: Option<String>,
    /// Namespace id.
    pub nsid: Option<u32>,
    /// Of the disk.
    pub number: Option<DeviceNumber>,
    /// Sequence number of the disk; another disk under this name has another.
    pub diskseq: Option<u64>,
    /// Its generic node, such as `ng0n1`.
    pub generic: Option<String>,
    /// Folder of the disk, relative to sysfs; `None` where it could not be found.
    pub folder: Option<PathBuf>,
}

/// A namespace's name, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NamespaceName {
    /// Number of the controller, or of the subsystem where there is a path.
    pub(crate) first: u32,
    /// Number of the controller, in the name of one path.
    pub(crate) path: Option<u32>,
    /// The last number. Not the namespace id.
    pub(crate) last: u32,
}

impl NamespaceName {
    /// Reads `nvmeXnY` and `nvmeXcYnZ`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (before, last) = name.strip_prefix("nvme")?.rsplit_once('n')?;
        let (first, path) = match before.split_once('c') {
            Some((first, path)) => (first, Some(canonical(path)?)),
            None => (before, None),
        };
        Some(Self { first: canonical(first)?, path, last: canonical(last)? })
    }

    /// The name of the disk that is used.
    pub(crate) fn disk(self) -> String {
        format!("nvme{}n{}", self.first, self.last)
    }

    /// The name of the generic node.
    pub(crate) fn generic(self) -> String {
        format!("ng{}n{}", self.first, self.last)
    }
}

/// The disk that a name of a user's is about: `nvme0n1`, `nvme0n1p2`, `nvme0c0n1` and `ng0n1` give
/// `nvme0n1`.
pub(crate) fn disk_of(name: &str) -> Option<String> {
    let name = match name.strip_prefix("ng") {
        Some(rest) => format!("nvme{rest}"),
        None => name.to_owned(),
    };
    let whole = match name.rsplit_once('p') {
        Some((disk, partition)) if canonical(partition).is_some() => disk,
        _ => &name,
    };
    NamespaceName::parse(whole).map(NamespaceName::disk)
}

/// All controllers, by name.
pub(crate) fn controllers(tree: &Tree, notes: &mut Notes) -> Vec<Controller> {
    let names = notes.keep(tree.list(CLASS)).unwrap_or_default();
    names
        .iter()
        .filter(|name| numbered(name, "nvme").is_some())
        .filter_map(|name| controller(tree, name, notes))
        .collect()
}

fn controller(tree: &Tree, name: &str, notes: &mut Notes) -> Option<Controller> {
    let folder = notes.keep(tree.resolve(Path::new(CLASS).join(name)))?;
    let number = notes.keep(tree.device_number(folder.join("dev")))?;
    let mut text = |name: &str| notes.keep(tree.text(folder.join(name)));
    let (model, serial, firmware) = (text("model"), text("serial"), text("firmware_rev"));
    let (state, transport, address) = (text("state"), text("transport"), text("address"));
    let subsystem = text("subsysnqn");
    Some(Controller {
        name: name.to_owned(),
        number,
        model,
        serial,
        firmware,
        state,
        transport,
        address,
        subsystem,
        cntlid: notes.keep(tree.number(folder.join("cntlid"))),
        admin_timeout: notes.keep(tree.number(folder.join("admin_timeout"))),
        namespaces: namespaces(tree, &folder, notes),
        folder,
    })
}

/// The namespaces of the controller in `folder`.
pub(crate) fn namespaces(tree: &Tree, folder: &Path, notes: &mut Notes) -> Vec<Namespace> {
    let names = notes.keep(tree.list(folder)).unwrap_or_default();
    let mut found: Vec<Namespace> =
        names.iter().filter_map(|name| namespace(tree, name, notes)).collect();
    found.sort_by_key(|namespace| (namespace.nsid, namespace.disk.clone()));
    found
}

fn namespace(tree: &Tree, name: &str, notes: &mut Notes) -> Option<Namespace> {
    let parsed = NamespaceName::parse(name)?;
    let disk = parsed.disk();
    let folder = notes.keep(tree.resolve(Path::new(BLOCK).join(&disk)));
    let of = |file: &str| folder.as_deref().map(|folder| folder.join(file));
    let generic = parsed.generic();
    let has_generic = notes.keep(tree.exists(Path::new("class/nvme-generic").join(&generic)));
    Some(Namespace {
        path: parsed.path.map(|_| name.to_owned()),
        nsid: of("nsid").and_then(|path| notes.keep(tree.number(path))),
        number: of("dev").and_then(|path| notes.keep(tree.device_number(path))),
        diskseq: of("diskseq").and_then(|path| notes.keep(tree.number(path))),
        generic: (has_generic == Some(true)).then_some(generic),
        disk,
        folder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_path_is_not_taken_for_that_of_a_disk() {
        let path = NamespaceName::parse("nvme0c1n2").unwrap();
        assert_eq!((path.first, path.path, path.last), (0, Some(1), 2));
        assert_eq!(path.disk(), "nvme0n2");
        assert_eq!(NamespaceName::parse("nvme3n1").unwrap().path, None);
        for other in ["nvme0", "nvme", "nvmen1", "nvme0n", "nvme00n1", "nvme0c0", "nvme0cn1", "sda"]
        {
            assert_eq!(NamespaceName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn partitions_paths_and_generic_nodes_belong_to_their_disk() {
        for name in ["nvme0n1", "nvme0n1p2", "nvme0c3n1", "ng0n1"] {
            assert_eq!(disk_of(name).as_deref(), Some("nvme0n1"), "{name}");
        }
        for name in ["nvme0", "ng0", "nvme0n1p", "mem0", "p1", ""] {
            assert_eq!(disk_of(name), None, "{name}");
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Device nodes: where they are, whose they are, and opening the right one.
//!
//! Hostile: whoever may write to the folder of a node can put another one, or a link, in its place.
//!
//! *Invariants*: a node is opened without following a link, and only if its number is the one that
//! sysfs gives; it is looked at before it is opened, because opening a wrong one may do something,
//! and again after. Opened nodes are not inherited.
//!
//! *Not here*: ioctls (`sys`).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use thiserror::Error;

use super::scan::{Kind, Target};
use super::sysfs::FileKind;
use super::{DeviceNumber, Roots};

/// What a node leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NodeKind {
    /// A CXL memory device.
    Memdev,
    /// fwctl.
    Fwctl,
    /// An NVMe controller.
    Nvme,
    /// A namespace's generic node.
    NvmeGeneric,
    /// An nvdimm, the child of a memory device.
    Nvdimm,
}

/// A device node, as sysfs says that it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// What it leads to.
    pub kind: NodeKind,
    /// Its path relative to `/dev`.
    pub path: PathBuf,
    /// Its number; `None` where sysfs has not been asked.
    pub number: Option<DeviceNumber>,
}

/// Why a node was not opened. Each names the path.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum NodeError {
    /// It is not there.
    #[error("`{}` is not there", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// Something else is in its place.
    #[error("`{}` is {found}, expected a character device", path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: FileKind,
    },
    /// It is the node of another device.
    #[error("`{}` has the number {found}, but the device has {expected}", path.display())]
    OtherDevice {
        /// The path.
        path: PathBuf,
        /// The device's number, by sysfs.
        expected: DeviceNumber,
        /// The node's.
        found: DeviceNumber,
    },
    /// The kernel refused.
    #[error("`{}` cannot be opened (errno {errno})", path.display())]
    Failed {
        /// The path.
        path: PathBuf,
        /// The errno.
        errno: i32,
    },
}

impl NodeError {
    /// The kernel's errno, where it gave one.
    #[must_use]
    pub const fn errno(&self) -> Option<i32> {
        match self {
            Self::Failed { errno, .. } => Some(*errno),
            Self::Missing { .. } => Some(Errno::NOENT.raw_os_error()),
            Self::WrongKind { .. } | Self::OtherDevice { .. } => None,
        }
    }
}

/// Whom a node lets in, as far as owners and modes tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Access {
    pub(crate) node: Bits,
    /// The folders that lead to it, up to that of all nodes.
    pub(crate) folders: Vec<Bits>,
}

/// Owner and mode of a node or a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bits {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The twelve lowest bits.
    pub(crate) mode: u32,
    /// Whether it has an access control list.
    pub(crate) acl: bool,
}

impl Node {
    /// Where it is.
    #[must_use]
    pub fn whole(&self, roots: &Roots) -> PathBuf {
        roots.dev().join(&self.path)
    }

    /// Opens it for reading and writing.
    ///
    /// # Errors
    ///
    /// [`NodeError`]: nothing is open then.
    pub fn open(&self, roots: &Roots) -> Result<OwnedFd, NodeError> {
        let path = self.whole(roots);
        let failed = |errno: Errno| match errno {
            Errno::NOENT => NodeError::Missing { path: path.clone() },
            errno => NodeError::Failed { path: path.clone(), errno: errno.raw_os_error() },
        };
        self.look(roots)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        let node = fs::open(&path, flags, Mode::empty()).map_err(failed)?;
        self.check(&path, &fs::fstat(&node).map_err(failed)?)?;
        Ok(node)
    }

    /// Whether it is there and this device's. Opens nothing.
    ///
    /// # Errors
    ///
    /// [`NodeError`].
    pub fn look(&self, roots: &Roots) -> Result<(), NodeError> {
        let path = self.whole(roots);
        match fs::lstat(&path) {
            Ok(stat) => self.check(&path, &stat),
            Err(Errno::NOENT) => Err(NodeError::Missing { path }),
            Err(errno) => Err(NodeError::Failed { path, errno: errno.raw_os_error() }),
        }
    }

    fn check(&self, path: &Path, stat: &fs::Stat) -> Result<(), NodeError> {
        let found = FileKind::of(FileType::from_raw_mode(stat.st_mode));
        if found != FileKind::CharDevice {
            return Err(NodeError::WrongKind { path: path.to_owned(), found });
        }
        let found = DeviceNumber::of_raw(stat.st_rdev);
        match self.number {
            Some(expected) if expected != found => {
                Err(NodeError::OtherDevice { path: path.to_owned(), expected, found })
            }
            _ => Ok(()),
        }
    }

    /// Owner and mode of what is in its place, whatever that is; `None` where nothing can be seen.
    pub(crate) fn bits(&self, roots: &Roots) -> Option<Bits> {
        let path = self.whole(roots);
        fs::lstat(&path).ok().map(|stat| Bits::of(&stat, &path))
    }

    /// Whom it lets in; `None` where it is not there, is not this device's, or cannot be looked at.
    pub(crate) fn access(&self, roots: &Roots) -> Option<Access> {
        let path = self.whole(roots);
        let stat = fs::lstat(&path).ok()?;
        // Whoever may write in its folder can put a file of their own in its place.
        self.check(&path, &stat).ok()?;
        let mut folders = Vec::new();
        for folder in path.ancestors().skip(1).take_while(|it| it.starts_with(roots.dev())) {
            folders.push(Bits::of(&fs::lstat(folder).ok()?, folder));
        }
        Some(Access { node: Bits::of(&stat, &path), folders })
    }
}

impl Bits {
    fn of(stat: &fs::Stat, path: &Path) -> Self {
        let mut nothing: [u8; 0] = [];
        let list = fs::lgetxattr(path, "system.posix_acl_access", &mut nothing[..]);
        // What cannot be told may be a list.
        let acl = !matches!(list, Ok(0) | Err(Errno::NODATA | Errno::OPNOTSUPP));
        Self { uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode & 0o7777, acl }
    }
}

impl Target {
    /// Its nodes; its own first.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        let node = |kind, path: String, number| Node { kind, path: path.into(), number };
        let of_fwctl = |fwctl: &super::Fwctl| {
            node(NodeKind::Fwctl, format!("fwctl/{}", fwctl.name), Some(fwctl.number))
        };
        match &self.kind {
            Kind::Cxl { memdev, fwctl } => {
                let path = format!("cxl/{}", memdev.name);
                let own = node(NodeKind::Memdev, path, Some(memdev.number));
                core::iter::once(own).chain(fwctl.as_ref().map(of_fwctl)).collect()
            }
            Kind::Nvme(controller) => {
                let name = controller.name.clone();
                let own = node(NodeKind::Nvme, name, Some(controller.number));
                let generic = controller.namespaces.iter().filter_map(|n| n.generic.clone());
                let generic = generic.map(|name| node(NodeKind::NvmeGeneric, name, None));
                core::iter::once(own).chain(generic).collect()
            }
            Kind::Fwctl(fwctl) => vec![of_fwctl(fwctl)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null(number: DeviceNumber) -> Node {
        Node { kind: NodeKind::Memdev, path: "null".into(), number: Some(number) }
    }

    #[test]
    fn a_node_with_the_number_of_its_device_is_opened() {
        let number = DeviceNumber { major: 1, minor: 3 };
        let node = null(number).open(&Roots::here()).unwrap();
        let flags = rustix::io::fcntl_getfd(&node).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "no child has it");
    }

    #[test]
    fn a_link_to_the_right_node_is_no_node() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::at(folder.path());
        std::fs::create_dir(roots.dev()).unwrap();
        std::os::unix::fs::symlink("/dev/null", roots.dev().join("null")).unwrap();
        let node = null(DeviceNumber { major: 1, minor: 3 });
        assert!(matches!(node.open(&roots), Err(NodeError::WrongKind { .. })));
        assert_eq!(node.access(&roots), None);
    }

    #[test]
    fn a_node_with_another_number_is_not_opened() {
        let (expected, found) =
            (DeviceNumber { major: 248, minor: 0 }, DeviceNumber { major: 1, minor: 3 });
        let error = null(expected).open(&Roots::here()).unwrap_err();
        assert_eq!(error, NodeError::OtherDevice { path: "/dev/null".into(), expected, found });
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which devices there are, which of them are one, and what marks them.
//!
//! Hostile: all of sysfs and procfs, and the messages of the kernel's event socket.
//!
//! *Invariants*: nothing here sends a command or changes anything. What cannot be read is said so,
//! in the value where it counts and in [`Scan::unread`] everywhere.
//!
//! *Not here*: ways to the firmware (`path`), what is missing and who can change it
//! ([`host`](crate::host)).

mod around;
mod cxl;
mod drivers;
mod fwctl;
mod generation;
mod in_use;
mod name;
mod network;
mod node;
mod nvme;
mod pci;
mod physical;
pub mod roots;
mod scan;
pub(crate) mod sysfs;
mod uevent;

use core::fmt;

use serde::{Serialize, Serializer};

pub use around::around;
pub(crate) use around::cxl_interfaces;
pub use cxl::{Endpoint, Memdev, Nvdimm};
pub use drivers::Drivers;
pub use fwctl::{Family, Fwctl, Parent};
pub use generation::Marks;
pub use name::FindError;
pub(crate) use node::{Access, Bits};
pub use node::{Node, NodeError, NodeKind};
pub use nvme::{Controller, Namespace};
pub use pci::{CLASS_CXL_MEMORY, CLASS_NVME, PciAddress, PciFunction};
pub use physical::{Physical, Slot};
pub use roots::Roots;
pub use scan::{Kind, Machine, Scan, Target};
pub use sysfs::{FileKind, ReadError, Text};
pub use uevent::{Action, Uevent, UeventError, Uevents};

/// A device number. The kernel's limits are 12 and 20 bits; larger ones are not read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceNumber {
    /// Major.
    pub major: u32,
    /// Minor.
    pub minor: u32,
}

impl DeviceNumber {
    /// Reads `MAJOR:MINOR`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (major, minor) = core::str::from_utf8(text).ok()?.split_once(':')?;
        let (major, minor) = (sysfs::canonical(major)?, sysfs::canonical(minor)?);
        (major < 1 << 12 && minor < 1 << 20).then_some(Self { major, minor })
    }

    /// The number of an open node.
    #[must_use]
    pub fn of_raw(raw: u64) -> Self {
        Self { major: rustix::fs::major(raw), minor: rustix::fs::minor(raw) }
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl Serialize for DeviceNumber {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_has_two_parts_within_the_kernels_limits() {
        let number = DeviceNumber { major: 248, minor: 12 };
        assert_eq!(DeviceNumber::parse(b"248:12"), Some(number));
        assert_eq!(number.to_string(), "248:12");
        for wrong in
            ["", "248", "248:", ":1", "-1:2", "+1:2", "4096:0", "0:1048576", "1:2:3", "01:2"]
        {
            assert_eq!(DeviceNumber::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}

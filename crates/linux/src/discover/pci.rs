// SPDX-License-Identifier: MIT OR Apache-2.0
//! PCI functions: where they are, what drives them, and which of them are one device.
//!
//! Hostile: serial numbers and ids are the device's own claims.
//!
//! *Not here*: which subsystem a driver belongs to (`drivers`), joining (`physical`).
//!
//! *Spec*: `drivers/pci/pci-sysfs.c @ v7.3`.

use core::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::drivers;
use super::sysfs::{Notes, ReadError, Tree};

/// Where a function sits: `0000:0d:00.0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PciAddress {
    /// Domain; more than 16 bits behind some bridges.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device, 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

impl PciAddress {
    /// Reads `DDDD:BB:DD.F` as the kernel writes it, or `BB:DD.F` for domain 0. Hexadecimal.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, function) = text.split_once('.')?;
        let mut parts = rest.rsplit(':');
        let (device, bus, domain) = (parts.next()?, parts.next()?, parts.next());
        if parts.next().is_some() {
            return None;
        }
        let hex = |text: &str, least: usize, most: usize| {
            let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            (plain && (least..=most).contains(&text.len()))
                .then(|| u32::from_str_radix(text, 16).ok())
                .flatten()
        };
        let address = Self {
            domain: domain.map_or(Some(0), |domain| hex(domain, 4, 8))?,
            bus: u8::try_from(hex(bus, 2, 2)?).ok()?,
            device: u8::try_from(hex(device, 2, 2)?).ok()?,
            function: u8::try_from(hex(function, 1, 1)?).ok()?,
        };
        (address.device < 32 && address.function < 8).then_some(address)
    }

    /// The nearest one in a path of sysfs, from its end.
    #[must_use]
    pub fn in_path(path: &Path) -> Option<Self> {
        path.ancestors().find_map(|path| Self::parse(path.file_name()?.to_str()?))
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, device, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

impl Serialize for PciAddress {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PciFunction {
    /// Where it is.
    pub address: PciAddress,
    /// Its folder, relative to sysfs.
    pub folder: PathBuf,
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Class code, 24 bits.
    pub class: u32,
    /// Device serial number, where it has one that is neither zero nor all ones.
    pub serial: Option<u64>,
    /// The function that this one is a virtual function of.
    pub physical: Option<PciAddress>,
    /// Whether all functions of its bus are one device.
    pub ari: bool,
    /// What drives it and its children.
    pub drivers: drivers::Drivers,
}

/// Class code of a CXL memory device. `include/linux/pci_ids.h @ v7.3`; see `drivers/cxl/pci.c`.
pub const CLASS_CXL_MEMORY: u32 = 0x05_02_10;
/// Class code of an NVMe controller. `include/linux/pci_ids.h @ v7.3`.
pub const CLASS_NVME: u32 = 0x01_08_02;

const DEVICES: &str = "bus/pci/devices";

/// Every function of the machine, by address.
pub(crate) fn functions(tree: &Tree, notes: &mut Notes) -> Vec<PciFunction> {
    let names = notes.keep(tree.list(DEVICES)).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| PciAddress::parse(name))
        .filter_map(|address| function(tree, address, notes))
        .collect()
}

/// The addresses of all functions, without reading any.
pub(crate) fn addresses(tree: &Tree) -> Result<Vec<PciAddress>, ReadError> {
    match tree.list(DEVICES) {
        Ok(names) => Ok(names.iter().filter_map(|name| PciAddress::parse(name)).collect()),
        // A machine without PCI.
        Err(error) if error.is_gone() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn function(tree: &Tree, address: PciAddress, notes: &mut Notes) -> Option<PciFunction> {
    let link = Path::new(DEVICES).join(address.to_string());
    let folder = notes.keep(tree.resolve(&link))?;
    Some(PciFunction {
        address,
        vendor: notes.keep(tree.number(folder.join("vendor")))?,
        device: notes.keep(tree.number(folder.join("device")))?,
        class: notes.keep(tree.number(folder.join("class"))).unwrap_or(0),
        serial: serial(tree, &folder, notes),
        physical: notes
            .keep(tree.link_name(folder.join("physfn")))
            .flatten()
            .and_then(|name| PciAddress::parse(&name)),
        ari: notes.keep(tree.number::<u8>(folder.join("ari_enabled"))) == Some(1),
        drivers: drivers::of_function(tree, &folder),
        folder,
    })
}

/// The function's serial number: eight bytes, highest first, `00-00-00-00-00-00-10-01`.
fn serial(tree: &Tree, folder: &Path, notes: &mut Notes) -> Option<u64> {
    let path = folder.join("serial_number");
    let text = match tree.text(&path) {
        // EIO is what the kernel says where there is none; EACCES, to who is not root.
        Err(ReadError::Failed { .. }) => return None,
        read => notes.keep(read)?,
    };
    let parsed = dsn(text.as_bytes())
        .ok_or_else(|| tree.malformed(&path, "eight bytes with dashes", text.as_bytes()));
    notes.keep(parsed).filter(|serial| is_serial(*serial))
}

/// Reads a PCI device serial number as sysfs writes it.
pub(crate) fn dsn(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    let mut bytes = [0_u8; 8];
    let mut parts = text.split('-');
    for byte in &mut bytes {
        let part = parts.next()?;
        let plain = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = plain.then(|| u8::from_str_radix(part, 16).ok()).flatten()?;
    }
    parts.next().is_none().then(|| u64::from_be_bytes(bytes))
}

/// Whether a number tells one device from another at all.
pub(crate) const fn is_serial(number: u64) -> bool {
    number != 0 && number != u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_the_kernel_writes_it_and_without_a_domain() {
        let address = PciAddress { domain: 0, bus: 0x0d, device: 0, function: 1 };
        assert_eq!(PciAddress::parse("0000:0d:00.1"), Some(address));
        assert_eq!(PciAddress::parse("0d:00.1"), Some(address));
        assert_eq!(address.to_string(), "0000:0d:00.1");
        let wide = PciAddress::parse("10000:e1:1f.7").unwrap();
        assert_eq!((wide.domain, wide.bus, wide.device, wide.function), (0x10000, 0xe1, 31, 7));
        assert_eq!(PciAddress::parse(&wide.to_string()), Some(wide));
    }

    #[test]
    fn what_is_not_quite_an_address_is_none() {
        for text in [
            "",
            ":",
            ".",
            "0d:00",
            "0d:20.0",
            "0d:00.8",
            "0d:00.00",
            "d:00.0",
            "+d:00.0",
            "0:0d:00.0",
            "0000:0000:0d:00.0",
            "0000:0d:0 .0",
            "000000000:0d:00.0",
            "0000:0d:00.0 ",
            "-1:00.0",
        ] {
            assert_eq!(PciAddress::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_nearest_address_of_a_path_counts() {
        let path = Path::new("devices/pci0000:0c/0000:0c:00.0/0000:0d:00.0/mem0");
        assert_eq!(PciAddress::in_path(path), PciAddress::parse("0000:0d:00.0"));
        assert_eq!(PciAddress::in_path(Path::new("devices/platform/cxl_mem.1/mem7")), None);
    }

    #[test]
    fn a_serial_number_is_eight_bytes_highest_first() {
        assert_eq!(dsn(b"00-00-00-00-00-00-10-01"), Some(0x1001));
        assert_eq!(dsn(b"8a-34-56-78-90-ab-cd-ef"), Some(0x8a34_5678_90ab_cdef));
        for wrong in
            [&b""[..], b"00-00", b"00-00-00-00-00-00-10-01-00", b"0-0-0-0-0-0-0-0", b"\xff"]
        {
            assert_eq!(dsn(wrong), None);
        }
        assert!(!is_serial(0) && !is_serial(u64::MAX) && is_serial(1));
    }
}

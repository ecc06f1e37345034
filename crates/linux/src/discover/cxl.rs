// SPDX-License-Identifier: MIT OR Apache-2.0
//! CXL memory devices, as `/sys/bus/cxl` shows them.
//!
//! Hostile: serial number, firmware version and sizes are the device's claims.
//!
//! *Not here*: what they share with other functions (`physical`), what is around them (`around`).
//!
//! *Spec*: `drivers/cxl/core/memdev.c`, `drivers/cxl/core/port.c` (`uport`, `decoders_committed`),
//! `drivers/cxl/core/pmem.c` (`pmemN` is named after its memdev), `drivers/cxl/pmem.c`
//! (`provider`), `drivers/cxl/core/features.c` (the fwctl child) `@ v7.3`.

use std::path::{Path, PathBuf};

use super::DeviceNumber;
use super::sysfs::{Notes, ReadError, Text, Tree, numbered};

/// The bus that all of it is on.
pub(crate) const DEVICES: &str = "bus/cxl/devices";
const DIMMS: &str = "bus/nd/devices";

/// A memory device. What the kernel does not show is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Memdev {
    /// `mem0`.
    pub name: String,
    /// Its folder, relative to sysfs, without links.
    pub folder: PathBuf,
    /// Of its node.
    pub number: DeviceNumber,
    /// Serial number; zero and all ones count as none.
    pub serial: Option<u64>,
    /// NUMA node; `None` also where the kernel says -1.
    pub numa_node: Option<u32>,
    /// Firmware version in the active slot, as read when the driver was bound.
    pub firmware: Option<Text>,
    /// Volatile capacity in bytes.
    pub ram_bytes: Option<u64>,
    /// Persistent capacity in bytes.
    pub pmem_bytes: Option<u64>,
    /// Longest mailbox payload in bytes.
    pub payload_max: Option<u32>,
    /// Label storage in bytes.
    pub label_bytes: Option<u64>,
    /// Security state, such as `disabled`.
    pub security: Option<Text>,
    /// The driver bound to the memdev itself (`cxl_mem`).
    pub driver: Option<String>,
    /// Its persistent-memory child.
    pub nvdimm: Option<Nvdimm>,
    /// Its endpoint port, with the decoders.
    pub endpoint: Option<Endpoint>,
    /// Its fwctl child, such as `fwctl0`.
    pub fwctl: Option<String>,
}

/// The child through which the nvdimm code drives a memory device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nvdimm {
    /// `pmem0`, on the CXL bus.
    pub name: String,
    /// The driver bound to it (`cxl_nvdimm`).
    pub driver: Option<String>,
    /// `nmem0`, on the nvdimm bus.
    pub dimm: Option<String>,
}

/// The port at the end of the path to a memory device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// `endpoint2`.
    pub name: String,
    /// Its folder, relative to sysfs.
    pub folder: PathBuf,
    /// How many of its decoders are committed.
    pub committed: Option<u32>,
    /// The regions that its decoders are part of, sorted.
    pub regions: Vec<String>,
}

impl Memdev {
    /// The number in its name.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        numbered(&self.name, "mem")
    }
}

/// All memory devices, by name.
pub(crate) fn memdevs(tree: &Tree, notes: &mut Notes) -> Vec<Memdev> {
    let names = notes.keep(tree.list(DEVICES)).unwrap_or_default();
    names
        .iter()
        .filter(|name| numbered(name, "mem").is_some())
        .filter_map(|name| memdev(tree, name, notes))
        .collect()
}

fn memdev(tree: &Tree, name: &str, notes: &mut Notes) -> Option<Memdev> {
    let folder = notes.keep(tree.resolve(Path::new(DEVICES).join(name)))?;
    let file = |name: &str| folder.join(name);
    Some(Memdev {
        name: name.to_owned(),
        number: notes.keep(tree.device_number(file("dev")))?,
        serial: notes.keep(tree.number(file("serial"))).filter(|s| super::pci::is_serial(*s)),
        numa_node: notes.keep(tree.signed(file("numa_node"))).and_then(|n| u32::try_from(n).ok()),
        firmware: notes.keep(tree.text(file("firmware_version"))),
        ram_bytes: notes.keep(tree.number(file("ram/size"))),
        pmem_bytes: notes.keep(tree.number(file("pmem/size"))),
        payload_max: notes.keep(tree.number(file("payload_max"))),
        label_bytes: notes.keep(tree.number(file("label_storage_size"))),
        security: notes.keep(tree.text(file("security/state"))),
        driver: notes.keep(tree.link_name(file("driver"))).flatten(),
        nvdimm: notes.keep(nvdimm(tree, &folder, name, None)).flatten(),
        endpoint: notes.keep(endpoint(tree, &folder, None)).flatten().map(|(name, folder)| {
            let committed = notes.keep(tree.number(folder.join("decoders_committed")));
            let regions = notes.keep(regions(tree, &folder)).unwrap_or_default();
            Endpoint { name, folder, committed, regions }
        }),
        fwctl: notes
            .keep(tree.list(file("fwctl")))
            .and_then(|names| names.into_iter().find(|name| numbered(name, "fwctl").is_some())),
        folder,
    })
}

/// The persistent-memory child that a memory device has now.
pub(crate) fn nvdimm_of(tree: &Tree, memdev: &Memdev) -> Result<Option<Nvdimm>, ReadError> {
    let likely = memdev.nvdimm.as_ref().and_then(|child| child.dimm.as_deref());
    nvdimm(tree, &memdev.folder, &memdev.name, likely)
}

fn nvdimm(
    tree: &Tree,
    folder: &Path,
    name: &str,
    likely: Option<&str>,
) -> Result<Option<Nvdimm>, ReadError> {
    let Some(index) = numbered(name, "mem") else { return Ok(None) };
    let name = format!("pmem{index}");
    let child = folder.join(&name);
    if !tree.exists(&child)? {
        return Ok(None);
    }
    let driver = tree.link_name(child.join("driver"))?;
    Ok(Some(Nvdimm { driver, dimm: dimm(tree, &name, likely)?, name }))
}

/// The dimm whose provider is that child; `likely` is looked at first.
fn dimm(tree: &Tree, provider: &str, likely: Option<&str>) -> Result<Option<String>, ReadError> {
    let is_its = |name: &str| match tree.text(Path::new(DIMMS).join(name).join("cxl/provider")) {
        Ok(text) => Ok(text.as_bytes() == provider.as_bytes()),
        // Dimms of other buses have no such file.
        Err(error) if error.is_gone() => Ok(false),
        Err(error) => Err(error),
    };
    if let Some(name) = likely
        && is_its(name)?
    {
        return Ok(Some(name.to_owned()));
    }
    let names = match tree.list(DIMMS) {
        Err(error) if error.is_gone() => return Ok(None),
        names => names?,
    };
    for name in names.into_iter().filter(|name| numbered(name, "nmem").is_some()) {
        if is_its(&name)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The endpoint port of the memory device in `folder`; `likely` is looked at first.
pub(crate) fn endpoint(
    tree: &Tree,
    folder: &Path,
    likely: Option<&str>,
) -> Result<Option<(String, PathBuf)>, ReadError> {
    let is_its = |name: &str| -> Result<Option<PathBuf>, ReadError> {
        let port = Path::new(DEVICES).join(name);
        match tree.resolve(port.join("uport")) {
            Ok(target) if target == folder => tree.resolve(&port).map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    };
    if let Some(name) = likely
        && let Some(port) = is_its(name)?
    {
        return Ok(Some((name.to_owned(), port)));
    }
    let names = tree.list(DEVICES)?;
    for name in names.into_iter().filter(|name| numbered(name, "endpoint").is_some()) {
        if let Some(port) = is_its(&name)? {
            return Ok(Some((name, port)));
        }
    }
    Ok(None)
}

/// The regions that the decoders of a port are part of.
fn regions(tree: &Tree, port: &Path) -> Result<Vec<String>, ReadError> {
    let mut regions = Vec::new();
    for name in tree.list(port)?.into_iter().filter(|name| name.starts_with("decoder")) {
        match tree.text(port.join(&name).join("region")) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => regions.push(text.to_string()),
            Err(error) if error.is_gone() => {}
            // A file of the port, such as `decoders_committed`, is no folder.
            Err(ReadError::Failed { errno, .. }) if errno == NOTDIR => {}
            Err(error) => return Err(error),
        }
    }
    regions.sort_unstable();
    regions.dedup();
    Ok(regions)
}

const NOTDIR: i32 = rustix::io::Errno::NOTDIR.raw_os_error();

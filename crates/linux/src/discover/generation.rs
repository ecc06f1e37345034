// SPDX-License-Identifier: MIT OR Apache-2.0
//! What marks one opening of one device.
//!
//! Hostile: firmware versions are the device's claims. The numbers are the kernel's.
//!
//! *Invariants*: a device that went away and another, or the same, that came back under its name
//! differ in [`Generation::opened`], even where number and serial are the same: a kobject that is
//! made anew has another inode. Within one opening, [`Generation::changes`] never goes back.
//!
//! An inode of sysfs is not used twice in one boot: it is the 64-bit id that
//! `fs/kernfs/dir.c:__kernfs_new_node @ v7.3` takes from `idr_alloc_cyclic`, with a count of the
//! times that went round in its upper half. Where `ino_t` has 32 bits the upper half is left out, so
//! an inode could come back after two thousand million objects; the boot id tells boots apart.
//!
//! *Not here*: the logs' digest, which is part of the facts (`fwgate-gate`).
//!
//! *Spec*: `diskseq`, `block/genhd.c`; `diag/reset_count`, `drivers/nvme/host/sysfs.c`; `NVME_EVENT`,
//! `drivers/nvme/host/core.c @ v7.3`.

use core::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fwgate_gate::device::Generation;

use super::scan::{Kind, Target};
use super::sysfs::{Notes, Tree};
use super::uevent::Uevents;
use super::{Roots, nvme};

/// Watches what marks one opened device, until it is dropped.
#[derive(Debug)]
pub struct Marks {
    roots: Roots,
    /// The device's own folder, and those of its functions and its fwctl child.
    folders: Vec<PathBuf>,
    kind: Own,
    uevents: Option<Arc<Uevents>>,
    last: Mutex<Last>,
}

#[derive(Debug)]
enum Own {
    Memdev,
    Nvme,
    Fwctl,
}

#[derive(Debug, Default)]
struct Last {
    state: Option<String>,
    changes: u64,
}

impl Marks {
    /// Begins to watch. Without events, changes that leave no trace in sysfs go unseen: `doctor`
    /// says so.
    #[must_use]
    pub fn new(roots: &Roots, target: &Target, uevents: Option<Arc<Uevents>>) -> Self {
        let mut folders = vec![target.folder().to_owned()];
        folders.extend(target.function().map(|function| function.folder.clone()));
        let kind = match &target.kind {
            Kind::Cxl { fwctl, .. } => {
                folders.extend(fwctl.as_ref().map(|fwctl| fwctl.folder.clone()));
                Own::Memdev
            }
            Kind::Nvme(_) => Own::Nvme,
            Kind::Fwctl(_) => Own::Fwctl,
        };
        if let Some(uevents) = &uevents {
            uevents.watch(folders.iter().map(PathBuf::as_path));
        }
        Self { roots: roots.clone(), folders, kind, uevents, last: Mutex::default() }
    }

    /// What marks the device now. Sends nothing.
    #[must_use]
    pub fn observe(&self) -> Generation {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the files: what happens while they are read is seen the next time.
        let folders = || self.folders.iter().map(PathBuf::as_path);
        let events = self.uevents.as_ref().map_or(0, |uevents| uevents.seen(folders()));
        let (opened, state) = match Tree::open(&self.roots.sys()) {
            Ok(sys) => (self.opened(&sys), self.state(&sys)),
            Err(error) => (error.to_string(), String::new()),
        };
        if last.state.as_ref().is_some_and(|before| *before != state) {
            last.changes = last.changes.saturating_add(1);
        }
        last.state = Some(state);
        Generation { opened, changes: last.changes.saturating_add(events) }
    }

    /// What tells one device from another under the same name.
    fn opened(&self, sys: &Tree) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(text, "boot {}", boot_id(&self.roots));
        for (index, folder) in self.folders.iter().enumerate() {
            let name = folder.file_name().unwrap_or_default().as_encoded_bytes().escape_ascii();
            let inode =
                sys.inode(folder).map_or_else(|_| "gone".to_owned(), |inode| inode.to_string());
            let _ = write!(text, "; {name} object {inode}");
            if let Ok(number) = sys.device_number(folder.join("dev")) {
                let _ = write!(text, " number {number}");
            }
            // fwctl devices have no driver of their own.
            match sys.link_name(folder.join("driver")) {
                Ok(Some(driver)) => {
                    let _ = write!(text, " driver {driver}");
                }
                Ok(None) if index == 0 && matches!(self.kind, Own::Memdev) => {
                    text.push_str(" driver none");
                }
                Ok(None) => {}
                Err(_) => text.push_str(" driver unreadable"),
            }
        }
        text
    }

    /// What differs once a device was reset, runs other firmware or has other namespaces.
    fn state(&self, sys: &Tree) -> String {
        let mut text = String::new();
        let Some(folder) = self.folders.first() else { return text };
        let names: &[&str] = match self.kind {
            Own::Memdev => &["firmware_version", "serial"],
            // Any state but `live` says that it is being reset.
            Own::Nvme => &["firmware_rev", "serial", "cntlid", "state", "diag/reset_count"],
            Own::Fwctl => &[],
        };
        for name in names {
            if let Ok(value) = sys.text(folder.join(name)) {
                let _ = write!(text, "{name}={value};");
            }
        }
        if matches!(self.kind, Own::Nvme) {
            for namespace in nvme::namespaces(sys, folder, &mut Notes::default()) {
                let (nsid, sequence) = (namespace.nsid, namespace.diskseq);
                let _ = write!(text, "{} {nsid:?} {sequence:?};", namespace.disk);
            }
        }
        text
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        if let Some(uevents) = &self.uevents {
            uevents.unwatch(self.folders.iter().map(PathBuf::as_path));
        }
    }
}

fn boot_id(roots: &Roots) -> String {
    let path = Path::new("sys/kernel/random/boot_id");
    Tree::open(&roots.proc())
        .and_then(|proc| proc.text(path))
        .map_or_else(|_| "unknown".to_owned(), |text| text.to_string())
}

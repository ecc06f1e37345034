// SPDX-License-Identifier: MIT OR Apache-2.0
//! Under which names one CXL memdev is known to the kernel's interfaces, and where those are.
//!
//! Names come from directory listings, or from users: they are checked before a path is made of
//! them.
//!
//! *Invariants*: a [`Names`] holds nothing but `memN` and `nmemN`, so no path leaves its folder.
//!
//! *Not here*: what is there ([`crate::discover`]).
//!
//! *Spec*: `drivers/cxl/core/{memdev,edac}.c`, `drivers/cxl/mem.c`, `drivers/edac/*.c @ v7.3`.

use std::path::PathBuf;

use crate::discover::roots::Roots;

/// The names of one memdev.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Names {
    memdev: String,
    nmem: Option<String>,
}

impl Names {
    /// Those of a memdev without persistent memory. `None` where that is not `memN`.
    #[must_use]
    pub fn new(memdev: &str) -> Option<Self> {
        numbered(memdev, "mem").then(|| Self { memdev: memdev.to_owned(), nmem: None })
    }

    /// The same with its nvdimm child. `None` where that is not `nmemN`.
    #[must_use]
    pub fn with_nmem(self, nmem: &str) -> Option<Self> {
        numbered(nmem, "nmem").then(|| Self { nmem: Some(nmem.to_owned()), ..self })
    }

    /// Such as `mem0`; the name in the firmware class too.
    #[must_use]
    pub fn memdev(&self) -> &str {
        &self.memdev
    }

    /// Such as `nmem0`.
    #[must_use]
    pub fn nmem(&self) -> Option<&str> {
        self.nmem.as_deref()
    }

    /// Such as `cxl_mem0`, on the EDAC bus.
    #[must_use]
    pub fn edac(&self) -> String {
        format!("cxl_{}", self.memdev)
    }

    /// Its folder in sysfs.
    pub(super) fn folder(&self, roots: &Roots) -> PathBuf {
        roots.sys().join("bus/cxl/devices").join(&self.memdev)
    }

    /// Its folder on the EDAC bus.
    pub(super) fn edac_folder(&self, roots: &Roots) -> PathBuf {
        roots.sys().join("bus/edac/devices").join(self.edac())
    }

    /// Its folder in the firmware class.
    pub(super) fn firmware_folder(&self, roots: &Roots) -> PathBuf {
        roots.sys().join("class/firmware").join(&self.memdev)
    }

    /// Its folder in debugfs.
    pub(super) fn debug_folder(&self, roots: &Roots) -> PathBuf {
        roots.debugfs().join("cxl").join(&self.memdev)
    }
}

fn numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|digits| {
        !digits.is_empty() && digits.len() <= 10 && digits.bytes().all(|it| it.is_ascii_digit())
    })
}

/// What has to be there for an interface to be there: any one of these paths. Empty for a key that
/// is no interface of this memdev.
///
/// A file that is there may still refuse: its condition is the kernel's to check.
#[must_use]
pub fn files(roots: &Roots, key: &str, names: &Names) -> Vec<PathBuf> {
    let memdev = || names.folder(roots);
    let edac = || names.edac_folder(roots);
    let nmem = |folder: PathBuf| names.nmem().map(|nmem| folder.join(nmem));
    match key {
        "cxl-poison-debugfs" => ["inject_poison", "clear_poison"]
            .map(|file| names.debug_folder(roots).join(file))
            .to_vec(),
        "cxl-poison-list" => vec![memdev().join("trigger_poison_list")],
        "cxl-sanitize" => vec![memdev().join("security/sanitize")],
        "cxl-secure-erase" => vec![memdev().join("security/erase")],
        "cxl-trace-events" => vec![roots.tracefs().join("events/cxl")],
        "edac-ecs" => vec![edac().join("ecs_fru0")],
        "edac-mem-repair" => vec![edac().join("mem_repair0")],
        "edac-scrub" => vec![edac().join("scrub0")],
        "firmware-upload" => vec![names.firmware_folder(roots)],
        "memdev-scan-media-caps" | "memdev-set-partition" => {
            vec![roots.dev().join("cxl").join(names.memdev())]
        }
        "nvdimm-labels" => nmem(roots.dev()).into_iter().collect(),
        "nvdimm-security" => {
            let nmem = nmem(roots.sys().join("bus/nd/devices"));
            nmem.map(|folder| folder.join("security")).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The first of [`files`].
#[must_use]
pub fn file(roots: &Roots, key: &str, names: &Names) -> Option<PathBuf> {
    files(roots, key, names).into_iter().next()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fwgate_policy::Protocol;

    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for name in ["", "mem", "mem-1", "mem0/..", "../mem0", "mem0\0", "nmem0", "mem99999999999"]
        {
            assert_eq!(Names::new(name), None, "{name:?}");
        }
        let names = Names::new("mem12").unwrap();
        assert_eq!((names.memdev(), names.nmem(), &*names.edac()), ("mem12", None, "cxl_mem12"));
        assert_eq!(names.clone().with_nmem("mem3"), None);
        assert_eq!(names.with_nmem("nmem3").unwrap().nmem(), Some("nmem3"));
    }

    #[test]
    fn every_interface_that_a_cxl_command_is_shown_has_its_file() {
        let roots = Roots::at(Path::new("/"));
        let names = Names::new("mem0").unwrap().with_nmem("nmem1").unwrap();
        let tables = fwgate_policy::Tables::BUILTIN;
        let ground = tables.ground.iter().filter(|row| row.protocol == Protocol::Cxl);
        let keys: Vec<&str> = ground.filter_map(|row| row.interface).collect();
        assert!(keys.len() > 13, "{keys:?}");
        for key in keys {
            assert!(file(&roots, key, &names).is_some(), "{key}");
        }
        assert_eq!(file(&roots, "no-such-key", &names), None);
        let plain = Names::new("mem0").unwrap();
        assert_eq!(files(&roots, "nvdimm-labels", &plain), Vec::<PathBuf>::new());
    }
}

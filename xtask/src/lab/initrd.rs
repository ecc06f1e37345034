// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fast guest's first file system: busybox, `xtask/lab/init`, and a module set.
//!
//! *Invariants*: the archive is made here, byte by byte, so that it needs no root and no folder, and
//! the same parts give the same bytes.
//!
//! *Not here*: what `init` does (`xtask/lab/init`); the full lab's own initrd (`full`).

use std::fs;
use std::path::Path;

use super::cache::{Cache, digest, fail, make_folder, write};
use super::machine::{Kernel, Modules};
use crate::tree::Tree;

/// A file system as the kernel unpacks it: `newc`.
/// Spec: `Documentation/driver-api/early-userspace/buffer-format.rst @ v7.3`.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    count: u32,
}

impl Archive {
    /// Adds a folder.
    pub(crate) fn folder(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[], (0, 0));
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, name: &str, mode: u32, bytes: &[u8]) {
        self.entry(name, 0o100_000 | mode, bytes, (0, 0));
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, name: &str, to: &str) {
        self.entry(name, 0o120_777, to.as_bytes(), (0, 0));
    }

    /// Adds a character device.
    pub(crate) fn node(&mut self, name: &str, major: u32, minor: u32) {
        self.entry(name, 0o020_600, &[], (major, minor));
    }

    /// The whole of it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.count = 0;
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8], device: (u32, u32)) {
        self.count += 1;
        let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
        let fields =
            [self.count, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

/// Where the initrd of a kernel with a set is.
pub(crate) fn path(kernel: Kernel, modules: Modules) -> String {
    format!("initrd/{}-{}.img", kernel.name(), modules.name())
}

/// Makes the initrd of each kernel with each of its sets.
pub(crate) fn all(
    cache: &Cache,
    tree: &Tree,
    kernels: &[(Kernel, &str, &str)],
) -> Result<(), String> {
    make_folder(&cache.path("initrd"))?;
    for (kernel, kernel_key, release) in kernels {
        for modules in Modules::of(*kernel) {
            let step = format!("initrd-{}-{}", kernel.name(), modules.name());
            let parts = Parts::read(cache, tree, *kernel, *modules, release)?;
            let key = digest(parts.digestible(kernel_key));
            let made = path(*kernel, *modules);
            cache.step(&step, &key, &[&made], || {
                let bytes = parts.archive().finish();
                write(&cache.path(&made), &bytes)?;
                Ok(format!(" ({} KiB)", bytes.len() / 1024))
            })?;
        }
    }
    Ok(())
}

/// Everything that goes into one initrd.
struct Parts {
    /// Name, mode, bytes.
    files: Vec<(String, u32, Vec<u8>)>,
    release: String,
}

impl Parts {
    fn read(
        cache: &Cache,
        tree: &Tree,
        kernel: Kernel,
        modules: Modules,
        release: &str,
    ) -> Result<Self, String> {
        let bytes = |path: &Path| fs::read(path).map_err(|error| fail(path, &error));
        let mut files = vec![
            ("bin/busybox".to_owned(), 0o755, bytes(Path::new("/bin/busybox"))?),
            ("init".to_owned(), 0o755, bytes(&tree.path("xtask/lab/init"))?),
            ("bin/lab-qmp".to_owned(), 0o755, bytes(&tree.path("xtask/lab/lab-qmp"))?),
        ];
        let mut sets = Vec::new();
        let config = match kernel {
            Kernel::Built => cache.path("build/.config"),
            Kernel::Stock => {
                sets.push(("base", "stock-base"));
                cache.path("stock/config")
            }
        };
        files.push((format!("lib/modules/{release}/config"), 0o644, bytes(&config)?));
        if let Some(set) = modules.folder(kernel) {
            sets.push(("set", set));
        }
        for (name, set) in sets {
            let folder = cache.path(&format!("mods/{set}"));
            let order = bytes(&folder.join("order"))?;
            for module in String::from_utf8_lossy(&order).lines() {
                let file = bytes(&folder.join(module))?;
                files.push((format!("mods/{name}/{module}"), 0o644, file));
            }
            files.push((format!("mods/{name}/order"), 0o644, order));
        }
        Ok(Self { files, release: release.to_owned() })
    }

    fn digestible<'a>(&'a self, kernel: &'a str) -> Vec<&'a [u8]> {
        let mut parts = vec![b"1".as_slice(), kernel.as_bytes()];
        for (name, _, bytes) in &self.files {
            parts.extend([name.as_bytes(), bytes]);
        }
        parts
    }

    fn archive(&self) -> Archive {
        let mut archive = Archive::default();
        let modules = format!("lib/modules/{}", self.release);
        for folder in ["bin", "boot", "dev", "lib", "lib/modules", &modules, "mods"] {
            archive.folder(folder);
        }
        for folder in ["mods/base", "mods/set"] {
            if self.files.iter().any(|(name, ..)| name.starts_with(folder)) {
                archive.folder(folder);
            }
        }
        archive.node("dev/console", 5, 1);
        archive.node("dev/null", 1, 3);
        archive.link("bin/sh", "busybox");
        archive.link(&format!("boot/config-{}", self.release), &format!("/{modules}/config"));
        for (name, mode, bytes) in &self.files {
            archive.file(name, *mode, bytes);
        }
        archive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_the_bytes_of_newc() {
        let mut archive = Archive::default();
        archive.file("ab", 0o644, b"xyz");
        let bytes = archive.finish();
        let header = "07070100000001000081a40000000000000000000000010000000000000003\
            00000000000000000000000000000000000000030000000061620000";
        // The header ends with its name: 110 bytes, `ab`, a zero, and zeroes up to four.
        assert_eq!(&bytes[..110], &header.as_bytes()[..110]);
        assert_eq!(&bytes[110..116], b"ab\0\0\0\0".as_slice());
        assert_eq!(&bytes[116..120], b"xyz\0");
        assert!(bytes.len().is_multiple_of(4));
        assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
    }

    #[test]
    fn each_kind_of_entry_has_its_mode_and_a_node_its_numbers() {
        let mut archive = Archive::default();
        archive.folder("d");
        archive.link("l", "file");
        archive.node("n", 5, 1);
        let text = String::from_utf8(archive.finish()).unwrap();
        let entries: Vec<_> = text.split("070701").skip(1).collect();
        let modes: Vec<_> = entries.iter().map(|entry| &entry[8..16]).collect();
        assert_eq!(modes, ["000041ed", "0000a1ff", "00002180", "00000000"]);
        assert_eq!(&entries[2][72..88], "0000000500000001");
    }
}

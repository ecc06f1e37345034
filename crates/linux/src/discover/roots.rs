// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the kernel's file systems are mounted.
//!
//! Not trusted: what stands in them. The prefixes themselves are the caller's.
//!
//! *Not here*: reading what is in them (`sysfs`).

use std::path::{Path, PathBuf};

/// The folders that all of discovery goes by. Tests put a folder of their own in their place.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Roots {
    sys: PathBuf,
    dev: PathBuf,
    proc: PathBuf,
    debugfs: PathBuf,
    tracefs: PathBuf,
    boot: PathBuf,
    modules: PathBuf,
}

impl Roots {
    /// This machine's.
    #[must_use]
    pub fn here() -> Self {
        Self::at(Path::new("/"))
    }

    /// Those under one folder: `BASE/sys`, `BASE/dev`, `BASE/proc` and so on.
    #[must_use]
    pub fn at(base: &Path) -> Self {
        Self {
            sys: base.join("sys"),
            dev: base.join("dev"),
            proc: base.join("proc"),
            debugfs: base.join("sys/kernel/debug"),
            tracefs: base.join("sys/kernel/tracing"),
            boot: base.join("boot"),
            modules: base.join("lib/modules"),
        }
    }

    /// sysfs.
    #[must_use]
    pub fn sys(&self) -> PathBuf {
        self.sys.clone()
    }

    /// Device nodes.
    #[must_use]
    pub fn dev(&self) -> PathBuf {
        self.dev.clone()
    }

    /// procfs.
    #[must_use]
    pub fn proc(&self) -> PathBuf {
        self.proc.clone()
    }

    /// debugfs, `sys/kernel/debug`.
    #[must_use]
    pub fn debugfs(&self) -> PathBuf {
        self.debugfs.clone()
    }

    /// tracefs, `sys/kernel/tracing`.
    #[must_use]
    pub fn tracefs(&self) -> PathBuf {
        self.tracefs.clone()
    }

    /// Where distributions put `config-RELEASE`.
    #[must_use]
    pub fn boot(&self) -> PathBuf {
        self.boot.clone()
    }

    /// Kernel modules, one folder a release.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        self.modules.clone()
    }
}

impl Default for Roots {
    fn default() -> Self {
        Self::here()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_roots_are_the_usual_ones() {
        let roots = Roots::here();
        assert_eq!(roots.sys(), Path::new("/sys"));
        assert_eq!(roots.debugfs(), Path::new("/sys/kernel/debug"));
        assert_eq!(roots.modules(), Path::new("/lib/modules"));
        assert_eq!(Roots::at(Path::new("/x")).tracefs(), Path::new("/x/sys/kernel/tracing"));
    }
}

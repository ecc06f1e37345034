// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's taint: read, foretold, set and read back.
//!
//! Not trusted: a mark counts once it was read back.
//!
//! *Invariants*: nothing is written where the kernel would panic over it, or where that cannot be
//! told. Bits are only ever set: the kernel takes a written number as bits to add.
//!
//! *Not here*: which command taints (`fwgate-policy`).
//!
//! *Spec*: `kernel/panic.c:proc_taint`, `add_taint`; `include/linux/panic.h` (bits);
//! `drivers/fwctl/main.c` (sets bit 19 by itself); `drivers/cxl/core/mbox.c` (the first RAW command
//! warns, which sets bit 9 and, with `panic_on_warn`, panics) `@ v7.3`. Kernels before 6.15 have no
//! bit 19 and ignore it when it is written.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use fwgate_gate::HostKernel;
use fwgate_policy::PathKind;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use thiserror::Error;

use super::cmdline::PanicOnTaint;
use crate::discover::Roots;
use crate::discover::sysfs::{ReadError, Tree};

/// Bit of `TAINT_FWCTL`.
pub const TAINT_FWCTL: u32 = 19;
/// Bit of `TAINT_USER`, for kernels without the other.
pub const TAINT_USER: u32 = 6;
/// Bit of `TAINT_WARN`.
pub const TAINT_WARN: u32 = 9;

const FILE: &str = "sys/kernel/tainted";
const CMDLINE: usize = 64 << 10;

/// Why the kernel cannot be tainted, or must not be.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TaintError {
    /// The taint, or what the kernel does about one, cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The kernel would panic.
    #[error("the kernel was booted with `panic_on_taint` for bit {bit} and would panic")]
    Panics {
        /// The bit.
        bit: u32,
    },
    /// The kernel would panic over a warning that comes with the path.
    #[error("`kernel.panic_on_warn` is set, and the first RAW command makes the kernel warn")]
    PanicsOnWarning,
    /// The kernel refused.
    #[error("`{FILE}` cannot be written (errno {errno})")]
    Refused {
        /// The errno.
        errno: i32,
    },
    /// It was written, and is not there.
    #[error("the mark was set and cannot be read back: the kernel's taint is {found}")]
    NotThere {
        /// What was read.
        found: u64,
    },
}

/// The taint of the kernel under these roots.
#[derive(Debug)]
pub struct Taint {
    roots: Roots,
    /// Whether this kernel was seen to ignore bit 19.
    old: AtomicBool,
}

impl Taint {
    /// For this machine, or one in a folder.
    #[must_use]
    pub fn new(roots: &Roots) -> Self {
        Self { roots: roots.clone(), old: AtomicBool::new(false) }
    }

    /// The bits now.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn read(&self) -> Result<u64, ReadError> {
        Tree::open(&self.roots.proc())?.number(FILE)
    }

    /// What the kernel does about a taint.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn panic_on_taint(&self) -> Result<PanicOnTaint, ReadError> {
        let cmdline = Tree::open(&self.roots.proc())?.read("cmdline", CMDLINE)?;
        Ok(PanicOnTaint::parse(&cmdline))
    }

    /// Whether the kernel panics over a warning.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn panic_on_warn(&self) -> Result<bool, ReadError> {
        Ok(Tree::open(&self.roots.proc())?.number::<u8>("sys/kernel/panic_on_warn")? != 0)
    }

    /// Whether a command may go by a path without the kernel panicking over the mark that it
    /// leaves. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`TaintError`], also where it cannot be told.
    pub fn foretell(&self, path: PathKind) -> Result<(), TaintError> {
        let panics = self.panic_on_taint()?;
        let mut bits = vec![TAINT_FWCTL];
        if path == PathKind::Raw {
            bits.push(TAINT_WARN);
            if self.panic_on_warn()? {
                return Err(TaintError::PanicsOnWarning);
            }
        }
        match bits.into_iter().find(|bit| panics.covers(*bit)) {
            Some(bit) => Err(TaintError::Panics { bit }),
            None => Ok(()),
        }
    }

    /// Sets the mark and reads it back. Where it is there already nothing is written.
    ///
    /// # Errors
    ///
    /// [`TaintError`]: nothing is to be sent then.
    pub fn set(&self, path: PathKind) -> Result<(), TaintError> {
        self.foretell(path)?;
        if self.has(TAINT_FWCTL)? {
            return Ok(());
        }
        self.write(TAINT_FWCTL)?;
        if self.has(TAINT_FWCTL)? {
            return Ok(());
        }
        self.old.store(true, Ordering::Relaxed);
        if self.panic_on_taint()?.covers(TAINT_USER) {
            return Err(TaintError::Panics { bit: TAINT_USER });
        }
        if !self.has(TAINT_USER)? {
            self.write(TAINT_USER)?;
        }
        match self.read()? {
            found if found & (1 << TAINT_USER) == 0 => Err(TaintError::NotThere { found }),
            _ => Ok(()),
        }
    }

    fn has(&self, bit: u32) -> Result<bool, ReadError> {
        Ok(self.read()? & (1 << bit) != 0)
    }

    fn write(&self, bit: u32) -> Result<(), TaintError> {
        let refused = |errno: Errno| TaintError::Refused { errno: errno.raw_os_error() };
        let path = self.roots.proc().join(Path::new(FILE));
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = fs::open(path, flags, Mode::empty()).map_err(refused)?;
        let text = format!("{}\n", 1_u64 << bit);
        let written = rustix::io::write(&file, text.as_bytes()).map_err(refused)?;
        if written == text.len() { Ok(()) } else { Err(refused(Errno::IO)) }
    }
}

impl HostKernel for Taint {
    fn taint(&self, path: PathKind) -> Result<(), String> {
        // fwctl sets the mark by itself, in the call that needs it.
        let done = match path {
            PathKind::Fwctl => self.foretell(path),
            _ => self.set(path),
        };
        done.map_err(|error| error.to_string())
    }

    fn tainted(&self) -> Option<bool> {
        let bits = self.read().ok()?;
        let has = |bit: u32| bits & (1 << bit) != 0;
        Some(has(TAINT_FWCTL) || (self.old.load(Ordering::Relaxed) && has(TAINT_USER)))
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interfaces on folders that stand in for the kernel's file systems.
//!
//! What the files of a real kernel do is tried in the lab: `crates/linux/examples/interfaces.rs`.

mod edac;
mod firmware;
mod formats;
mod gate;
mod nvdimm;
mod poison;
mod security;
mod trace;
mod typed;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fwgate_gate::{Generation, Reply, SubmitError};
use fwgate_policy::Known;
use tempfile::TempDir;

use super::acts::{Acts, Asked, Interface};
use super::{Names, Place, Watch};
use crate::discover::roots::Roots;

/// A device whose state the test sets.
pub(super) struct Watched {
    pub(super) changes: AtomicU64,
    pub(super) committed: Mutex<Known>,
    pub(super) slot: Option<u8>,
}

impl Watch for Watched {
    fn generation(&self) -> Generation {
        Generation { opened: "test".to_owned(), changes: self.changes.load(Ordering::SeqCst) }
    }

    fn decoder_committed(&self) -> Known {
        *self.committed.lock().unwrap()
    }

    fn next_firmware_slot(&self) -> Option<u8> {
        self.slot
    }
}

/// A folder that stands in for `/`.
pub(super) struct Rig {
    folder: TempDir,
    pub(super) watch: Arc<Watched>,
}

impl Rig {
    pub(super) fn new() -> Self {
        let watch =
            Watched { changes: AtomicU64::new(0), committed: Mutex::new(Known::No), slot: Some(2) };
        Self { folder: tempfile::tempdir().unwrap(), watch: Arc::new(watch) }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Makes the file, and the folders above it.
    pub(super) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> String {
        String::from_utf8(std::fs::read(self.path(path)).unwrap()).unwrap()
    }

    pub(super) fn roots(&self) -> Roots {
        Roots::at(self.folder.path())
    }

    pub(super) fn place(&self) -> Place {
        let names = Names::new("mem0").unwrap().with_nmem("nmem0").unwrap();
        Place::new(self.roots(), names, self.watch.clone())
    }

    pub(super) fn commit(&self, known: Known) {
        *self.watch.committed.lock().unwrap() = known;
    }
}

/// What the interface does with a command that was released to it.
pub(super) fn act<A: Acts>(
    interface: &Interface<A>,
    opcode: u16,
    payload: &[u8],
) -> Result<Reply, SubmitError> {
    within(interface, opcode, payload, Duration::from_secs(5))
}

pub(super) fn within<A: Acts>(
    interface: &Interface<A>,
    opcode: u16,
    payload: &[u8],
    time: Duration,
) -> Result<Reply, SubmitError> {
    let until = Some(Instant::now() + time);
    interface.acts.act(&interface.place, Asked { opcode, payload, until })
}

/// The words of a refusal by the kernel, and its errno.
pub(super) fn kernel(result: Result<Reply, SubmitError>) -> (i32, String) {
    match result.unwrap_err() {
        SubmitError::Kernel { errno, rule } => (errno, rule),
        other => panic!("{other}"),
    }
}

/// The words of a transport failure, and whether the command may have run.
pub(super) fn transport(result: Result<Reply, SubmitError>) -> (bool, String) {
    match result.unwrap_err() {
        SubmitError::Transport { what, may_have_run } => (may_have_run, what),
        other => panic!("{other}"),
    }
}

pub(super) const EINVAL: i32 = 22;
pub(super) const EBUSY: i32 = 16;
pub(super) const EOPNOTSUPP: i32 = 95;

/// Waits until a file holds this.
pub(super) fn await_content(path: &Path, content: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    while !std::fs::read(path).is_ok_and(|found| found == content.as_bytes()) {
        assert!(Instant::now() < until, "{} never held {content}", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

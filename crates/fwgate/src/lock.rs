// SPDX-License-Identifier: MIT OR Apache-2.0
//! One process at a time per device: a lock file that names who holds it.
//!
//! What a lock file says is hostile and only shown. *Invariants*: the lock is the kernel's and
//! ends with the process that holds it; a name that was left behind holds nothing. Who needs
//! several takes them in the order of their names.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::error::{CliError, path as shown_path, shown};
use crate::exit::Exit;

/// How often a lock that is held is tried again.
const AGAIN: Duration = Duration::from_millis(10);
/// The longest name that a holder leaves.
const NAME: u64 = 256;

/// A device's lock, held until dropped.
#[derive(Debug)]
pub(crate) struct DeviceLock {
    _file: File,
}

impl DeviceLock {
    /// Takes the lock of a device, waiting for whoever holds it.
    pub(crate) fn take(
        folder: &Path,
        device: &str,
        purpose: &str,
        patience: Duration,
    ) -> Result<Self, CliError> {
        // A real device may have the name of an emulated one.
        let place = folder.join(match device.strip_prefix("emu:") {
            Some(plain) => format!("{plain}.lock"),
            None => format!("machine-{}.lock", device.replace(['/', ':'], "_")),
        });
        let failed = |error: &io::Error| {
            let detail = format!("cannot lock `{}`: {error}", shown_path(&place));
            CliError::new(Exit::Failed, "device-lock", detail).device(device).file(&place)
        };
        let mut file = open(&place).map_err(|error| failed(&error))?;
        let until = Instant::now().checked_add(patience);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(busy(device, &place, &mut file));
            }
            std::thread::sleep(AGAIN);
        }
        let name = format!("`{purpose}` of process {}", std::process::id());
        // The name is for those who wait; without it they are told less.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(name.as_bytes()));
        Ok(Self { _file: file })
    }
}

fn open(place: &Path) -> io::Result<File> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(place, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(File::from(file))
}

fn busy(device: &str, place: &Path, file: &mut File) -> CliError {
    let mut name = Vec::new();
    let read = file.rewind().and_then(|()| file.take(NAME).read_to_end(&mut name));
    let holder = match read {
        Ok(_) if !name.is_empty() => shown(&String::from_utf8_lossy(&name)),
        _ => "another process".to_owned(),
    };
    let detail = format!("`{device}` is busy with {holder}; wait longer with --timeout");
    CliError::new(Exit::Transport, "device-busy", detail).device(device).file(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_vain_is_told_who_holds_the_device() {
        let folder = tempfile::tempdir().unwrap();
        let take = |purpose| DeviceLock::take(folder.path(), "emu:cxl0", purpose, Duration::ZERO);
        let held = take("send 0xC004").unwrap();
        let error = take("list").unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Transport, "device-busy"));
        let holder = format!("`send 0xC004` of process {}", std::process::id());
        assert!(error.detail().contains(&holder), "{}", error.detail());
        drop(held);
        assert!(take("list").is_ok());
    }

    #[test]
    fn a_name_that_was_left_behind_holds_nothing_and_is_only_shown() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("cxl0.lock");
        std::fs::write(&place, [b'\x1b'; 100_000]).unwrap();
        let theirs = open(&place).unwrap();
        theirs.lock().unwrap();
        let error = DeviceLock::take(folder.path(), "emu:cxl0", "x", Duration::ZERO).unwrap_err();
        assert!(!error.detail().contains('\u{1b}') && error.detail().len() < 4096);
        drop(theirs);
        DeviceLock::take(folder.path(), "emu:cxl0", "x", Duration::ZERO).unwrap();
    }

    #[test]
    fn a_link_in_the_locks_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/null", folder.path().join("cxl0.lock")).unwrap();
        let error = DeviceLock::take(folder.path(), "emu:cxl0", "x", Duration::ZERO).unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Failed, "device-lock"));
    }
}

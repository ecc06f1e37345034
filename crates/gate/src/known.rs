// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each device's logs were the last time, so that a change raises an alert.
//!
//! A device whose effects log changes may have been given other firmware, or may have begun to
//! lie. The gate judges by the log as it is now, always; this only says that it was another one
//! before. One small file a device, in a folder of the gate's own.
//!
//! Its files are hostile: bounded, checked, and one that does not check is an error that names it.
//!
//! *Not here*: credibility (`fwgate_policy::lint`), which a change does not touch.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::text;

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 4096;

/// What was seen of one device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    /// Layout of this file.
    version: u32,
    /// Firmware revision, cleaned.
    firmware: String,
    /// Digest of all logs and feature entries, in hexadecimal.
    digest: String,
}

/// A device's logs are not what they were.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LogChange {
    /// Firmware revision when they were read the last time.
    pub firmware_before: String,
    /// Firmware revision now.
    pub firmware_now: String,
}

impl LogChange {
    /// The alert in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.firmware_before == self.firmware_now {
            format!(
                "its effects log or features changed while its firmware stayed `{}`",
                self.firmware_now
            )
        } else {
            format!(
                "its effects log or features changed with its firmware, from `{}` to `{}`",
                self.firmware_before, self.firmware_now
            )
        }
    }
}

/// Where it is kept what devices' logs were.
#[derive(Clone, Debug)]
pub struct KnownLogs {
    folder: PathBuf,
}

impl KnownLogs {
    /// Keeps it in this folder, which must be there and be the gate's own.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Compares with the last time and keeps what is now.
    ///
    /// # Errors
    ///
    /// The file cannot be read, written, or does not check; the error names it.
    pub fn compare(
        &self,
        device: &str,
        firmware: &str,
        digest: &[u8; 32],
    ) -> io::Result<Option<LogChange>> {
        let path = self.folder.join(format!("{}.json", file_name(device)));
        let now = Seen { version: 1, firmware: firmware.to_owned(), digest: text::hex(digest) };
        let before = read(&path)?;
        if before.as_ref() == Some(&now) {
            return Ok(None);
        }
        write(&path, &now)?;
        Ok(before.filter(|before| before.digest != now.digest).map(|before| LogChange {
            firmware_before: before.firmware,
            firmware_now: now.firmware,
        }))
    }
}

/// A device's name as a file's: what is not a letter, a digit or `-` becomes `_` and its code.
fn file_name(device: &str) -> String {
    let mut name = String::new();
    for character in device.chars().take(64) {
        if character.is_ascii_alphanumeric() || character == '-' {
            name.push(character);
        } else {
            name.push_str(&format!("_{:x}_", u32::from(character)));
        }
    }
    name
}

fn named(path: &Path, error: impl core::fmt::Display) -> io::Error {
    io::Error::other(format!("`{}`: {error}", path.display()))
}

fn read(path: &Path) -> io::Result<Option<Seen>> {
    // A pipe in its place is not waited for.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = flags.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(named(path, error)),
    };
    if !file.metadata().map_err(|error| named(path, error))?.is_file() {
        return Err(named(path, "no plain file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|error| named(path, error))?;
    let seen: Seen = serde_json::from_slice(&bytes).map_err(|error| named(path, error))?;
    if seen.version != 1 {
        return Err(named(path, format!("layout {} is not known", seen.version)));
    }
    Ok(Some(Seen { firmware: text::clean(seen.firmware.as_bytes(), 64), ..seen }))
}

/// Writes beside and renames, so that a kill leaves the old file or the new one.
fn write(path: &Path, seen: &Seen) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let bytes = serde_json::to_vec(seen).map_err(io::Error::other)?;
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .map_err(|error| named(&beside, error))?;
    file.write_all(&bytes).map_err(|error| named(&beside, error))?;
    fs::rename(&beside, path).map_err(|error| named(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_changes_is_said_once_and_then_known() {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownLogs::new(folder.path().to_owned());
        assert_eq!(known.compare("emu:cxl0", "1.0", &[1; 32]).unwrap(), None);
        assert_eq!(known.compare("emu:cxl0", "1.0", &[1; 32]).unwrap(), None);
        let change = known.compare("emu:cxl0", "1.0", &[2; 32]).unwrap().unwrap();
        assert!(change.sentence().contains("while its firmware stayed `1.0`"));
        assert_eq!(known.compare("emu:cxl0", "1.0", &[2; 32]).unwrap(), None);
        let change = known.compare("emu:cxl0", "2.0", &[3; 32]).unwrap().unwrap();
        assert!(change.sentence().contains("from `1.0` to `2.0`"));
    }

    #[test]
    fn new_firmware_with_the_same_log_is_no_alert() {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownLogs::new(folder.path().to_owned());
        known.compare("emu:cxl0", "1.0", &[1; 32]).unwrap();
        assert_eq!(known.compare("emu:cxl0", "2.0", &[1; 32]).unwrap(), None);
    }

    #[test]
    fn a_file_that_does_not_check_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownLogs::new(folder.path().to_owned());
        known.compare("emu:cxl0", "1.0", &[1; 32]).unwrap();
        let path = folder.path().join(format!("{}.json", file_name("emu:cxl0")));
        for bytes in [&b"{"[..], b"", b"[]", b"{\"version\":2,\"firmware\":\"\",\"digest\":\"\"}"] {
            fs::write(&path, bytes).unwrap();
            let error = known.compare("emu:cxl0", "1.0", &[1; 32]).unwrap_err();
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{}.json", file_name("emu:cxl0")));
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let known = KnownLogs::new(folder.path().to_owned());
        let error = known.compare("emu:cxl0", "1.0", &[1; 32]).unwrap_err();
        assert!(error.to_string().contains("no plain file"), "{error}");
    }

    #[test]
    fn no_device_name_leaves_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "_2e__2e__2f__2e__2e__2f_etc_2f_passwd");
    }
}

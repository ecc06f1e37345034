// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of every command that the device took, in `<dir>/<name>.executed`.
//!
//! One line each: number, opcode, nanoseconds since 1970. A line is written before the command is carried
//! out, so a killed process leaves no executed command without a line.
//!
//! *Invariants*
//! - Numbers go up by one and start at 1, over restarts too.
//! - The file is bounded: at [`ROTATE_AT`] bytes it becomes `<name>.executed.old`, of which one is kept.
//!
//! *Not here*: the gate's journal, against which a test holds this list.
//!
//! *Spec*: none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::store::{HostError, OpenError};

/// Bytes at which the file is rotated.
const ROTATE_AT: u64 = 8 << 20;
/// No line is longer.
const LINE_LIMIT: u64 = 64;

/// The list, open for appending; without a file for a device that lives in memory only.
#[derive(Debug)]
pub(crate) struct Executed {
    file: Option<(PathBuf, File, u64)>,
    last: u64,
    rotate_at: u64,
}

impl Executed {
    /// A list that only counts.
    pub(crate) fn in_memory() -> Self {
        Self { file: None, last: 0, rotate_at: ROTATE_AT }
    }

    /// Opens or makes the list. A last line without its end is cut off: it was never finished, so its
    /// command was never carried out.
    pub(crate) fn open(dir: &Path, name: &str) -> Result<Self, OpenError> {
        let path = dir.join(format!("{name}.executed"));
        match fs::symlink_metadata(&path) {
            Ok(meta) if !meta.is_file() => return Err(OpenError::NotAFile { path }),
            _ => {}
        }
        let fail = |source| OpenError::File { doing: "open", path: path.clone(), source };
        let file = append(&path).map_err(fail)?;
        let (whole, mut last) = tail(&path, &file)?;
        if last == 0 {
            let old = old_path(&path);
            if old.is_file() {
                let old_file = File::open(&old).map_err(fail)?;
                (_, last) = tail(&old, &old_file)?;
            }
        }
        if file.metadata().map_err(fail)?.len() != whole {
            file.set_len(whole).map_err(fail)?;
        }
        Ok(Self { file: Some((path, file, whole)), last, rotate_at: ROTATE_AT })
    }

    /// How many commands the device took so far.
    pub(crate) fn count(&self) -> u64 {
        self.last
    }

    /// Writes the next line.
    pub(crate) fn append(&mut self, opcode: u16, now_us: u64) -> Result<u64, HostError> {
        let number = self.last.saturating_add(1);
        if let Some((path, file, length)) = &mut self.file {
            let line = format!("{number} 0x{opcode:04X} {}\n", u128::from(now_us) * 1000);
            let added = u64::try_from(line.len()).unwrap_or(LINE_LIMIT);
            let mut write = || -> io::Result<()> {
                if length.saturating_add(added) > self.rotate_at {
                    fs::rename(&*path, old_path(path))?;
                    *file = append(path)?;
                    *length = 0;
                }
                file.write_all(line.as_bytes())?;
                *length = length.saturating_add(added);
                Ok(())
            };
            write().map_err(|error| HostError::File {
                doing: "append to",
                path: path.clone(),
                detail: error.to_string(),
            })?;
        }
        self.last = number;
        Ok(number)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn old_path(path: &Path) -> PathBuf {
    path.with_extension("executed.old")
}

/// Where the last whole line ends, and its number; 0 for a list without a line.
fn tail(path: &Path, file: &File) -> Result<(u64, u64), OpenError> {
    let fail = |source| OpenError::File { doing: "read", path: path.to_owned(), source };
    let length = file.metadata().map_err(fail)?.len();
    let from = length.saturating_sub(2 * LINE_LIMIT);
    let mut bytes = Vec::new();
    let mut source = file;
    source
        .seek(SeekFrom::Start(from))
        .and_then(|_| source.take(2 * LINE_LIMIT).read_to_end(&mut bytes))
        .map_err(fail)?;
    let bad = |at: usize, detail| OpenError::Executed {
        path: path.to_owned(),
        offset: from.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)),
        detail,
    };
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        // One unfinished line is all there can be in front of the first whole one.
        return if bytes.len() < 64 { Ok((0, 0)) } else { Err(bad(0, "no line end")) };
    };
    let head = bytes.get(..end).unwrap_or_default();
    let start = head.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if start == 0 && from != 0 {
        return Err(bad(0, "a line is too long"));
    }
    let number = head
        .get(start..)
        .and_then(|line| std::str::from_utf8(line).ok())
        .and_then(number_of)
        .ok_or_else(|| bad(start, "not of the form `number opcode nanoseconds`"))?;
    let whole = from.saturating_add(u64::try_from(end + 1).unwrap_or(u64::MAX));
    Ok((whole, number))
}

/// The number of a line; `None` unless the line has the form it is written in.
fn number_of(line: &str) -> Option<u64> {
    let mut words = line.split(' ');
    let number = words.next()?.parse().ok()?;
    u16::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    words.next()?.parse::<u128>().ok()?;
    (words.next().is_none() && number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_a_restart_and_an_unfinished_line_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cxl0.executed");
        let mut list = Executed::open(dir.path(), "cxl0").unwrap();
        assert_eq!(list.append(0xC000, 5).unwrap(), 1);
        assert_eq!(list.append(0x4000, 6).unwrap(), 2);
        drop(list);
        let whole = "1 0xC000 5000\n2 0x4000 6000\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        fs::write(&path, format!("{whole}3 0xC0")).unwrap();
        let mut list = Executed::open(dir.path(), "cxl0").unwrap();
        assert_eq!(list.count(), 2);
        assert_eq!(list.append(0xC001, 7).unwrap(), 3);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{whole}3 0xC001 7000\n"));
    }

    #[test]
    fn a_list_that_is_not_one_is_refused_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cxl0.executed");
        for (text, offset) in [
            ("1 0xC000 5\nnonsense\n".to_owned(), 11),
            ("0 0xC000 5\n".to_owned(), 0),
            ("1 0xC000 5 6\n".to_owned(), 0),
            ("x".repeat(300), 172),
        ] {
            fs::write(&path, &text).unwrap();
            let error = Executed::open(dir.path(), "cxl0").unwrap_err();
            assert!(
                matches!(error, OpenError::Executed { offset: at, .. } if at == offset),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "it stays as it is");
        }
    }

    #[test]
    fn the_list_rotates_and_keeps_one_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut list = Executed::open(dir.path(), "cxl0").unwrap();
        list.rotate_at = 40;
        for _ in 0..7 {
            list.append(0xC000, 5).unwrap();
        }
        let new = fs::read_to_string(dir.path().join("cxl0.executed")).unwrap();
        let old = fs::read_to_string(dir.path().join("cxl0.executed.old")).unwrap();
        assert_eq!(old, "5 0xC000 5000\n6 0xC000 5000\n");
        assert_eq!(new, "7 0xC000 5000\n");
        fs::remove_file(dir.path().join("cxl0.executed")).unwrap();
        assert_eq!(Executed::open(dir.path(), "cxl0").unwrap().count(), 6);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attributes of the kernel's file systems: one value, one read, one write.
//!
//! What stands in an attribute is hostile: it may be long, no text, a link, a FIFO, or gone.
//!
//! *Invariants*: a value goes out in one `write(2)` or not at all; a write is never repeated. Only a
//! regular file is opened, and never the target of a link. No more than the stated limit is read.
//!
//! *Not here*: what an errno means ([`super::errno`]).

use core::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

/// The most that an attribute of sysfs can hold: a page (`fs/sysfs/file.c @ v7.3`).
pub(super) const PAGE: usize = 4096;

/// Why an attribute was not read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failed {
    /// It could not be opened. Nothing was done.
    Open(Errno),
    /// Something else stands in its place. Nothing was done.
    NoFile,
    /// Reading or writing failed.
    Call(Errno),
    /// The kernel took only so many bytes of a value.
    Short {
        /// Bytes taken.
        took: usize,
        /// Bytes of the value.
        of: usize,
    },
    /// It holds more than this many bytes.
    TooLong(usize),
    /// It holds no line of plain text.
    NoText,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(errno) => write!(f, "cannot be opened: {errno}"),
            Self::NoFile => f.write_str("is no file"),
            Self::Call(errno) => write!(f, "{errno}"),
            Self::Short { took, of } => write!(f, "took {took} of {of} bytes"),
            Self::TooLong(limit) => write!(f, "holds more than {limit} bytes"),
            Self::NoText => f.write_str("holds no plain text"),
        }
    }
}

/// Opens a regular file; a link in its place is refused, and a FIFO is not waited for.
pub(super) fn open(path: &Path, how: OFlags) -> Result<OwnedFd, Failed> {
    let flags = how | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(Failed::Open)?;
    let stat = rustix::fs::fstat(&file).map_err(Failed::Open)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Failed::NoFile);
    }
    Ok(file)
}

/// Writes one value in one call.
pub(super) fn put(path: &Path, value: &str) -> Result<(), Failed> {
    let file = open(path, OFlags::WRONLY)?;
    match rustix::io::write(&file, value.as_bytes()) {
        Ok(took) if took == value.len() => Ok(()),
        Ok(took) => Err(Failed::Short { took, of: value.len() }),
        Err(errno) => Err(Failed::Call(errno)),
    }
}

/// Reads at most `limit` bytes; more is an error.
pub(super) fn bytes(path: &Path, limit: usize) -> Result<Vec<u8>, Failed> {
    let mut file = File::from(open(path, OFlags::RDONLY)?).take(long(limit).saturating_add(1));
    let mut found = Vec::new();
    file.read_to_end(&mut found).map_err(|error| {
        Failed::Call(error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))
    })?;
    if found.len() > limit { Err(Failed::TooLong(limit)) } else { Ok(found) }
}

/// Reads one line of printable ASCII, without white space around it.
pub(super) fn text(path: &Path) -> Result<String, Failed> {
    let found = bytes(path, PAGE)?;
    let line = found.trim_ascii();
    if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Failed::NoText);
    }
    String::from_utf8(line.to_vec()).map_err(|_| Failed::NoText)
}

/// Reads one number, decimal or with `0x`.
pub(super) fn number(path: &Path) -> Result<u64, Failed> {
    parse(&text(path)?).ok_or(Failed::NoText)
}

fn parse(text: &str) -> Option<u64> {
    let digits = |text: &str, radix| {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        u64::from_str_radix(text, radix).ok().filter(|_| plain)
    };
    match text.strip_prefix("0x") {
        Some(text) => digits(text, 16),
        None => digits(text, 10),
    }
}

fn long(limit: usize) -> u64 {
    u64::try_from(limit).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_once_and_only_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        put(&file, "0x40").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"0x40");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(put(&link, "1"), Err(Failed::Open(Errno::LOOP)));
        assert_eq!(put(&folder.path().join("none"), "1"), Err(Failed::Open(Errno::NOENT)));
        assert_eq!(put(folder.path(), "1"), Err(Failed::Open(Errno::ISDIR)));
        assert_eq!(put(Path::new("/dev/null"), "1"), Err(Failed::NoFile));
    }

    #[test]
    fn what_is_read_is_bounded_and_plain() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let read = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            text(&file)
        };
        assert_eq!(read(b"idle\n").unwrap(), "idle");
        assert_eq!(read(b"no newline").unwrap(), "no newline");
        assert_eq!(read(b"").unwrap(), "");
        assert_eq!(read(&[b'x'; PAGE]).unwrap().len(), PAGE);
        assert_eq!(read(&[b'x'; PAGE + 1]), Err(Failed::TooLong(PAGE)));
        assert_eq!(read(b"\xff\xfe"), Err(Failed::NoText));
        assert_eq!(read(b"two\nlines"), Err(Failed::NoText));
        assert_eq!(read(b"\x1b[2J"), Err(Failed::NoText));
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(put(&fifo, "1"), Err(Failed::Open(Errno::NXIO)));
        assert_eq!(text(&fifo), Err(Failed::NoFile));
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal_and_nothing_else() {
        for (text, number) in [
            ("0", Some(0)),
            ("43200", Some(43_200)),
            ("0xfffff", Some(0xf_ffff)),
            ("", None),
            ("0x", None),
            ("+1", None),
            ("-1", None),
            ("0x+1", None),
            ("1 2", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bounded reading of sysfs, procfs and their like.
//!
//! Hostile: every file, link and name. A device chooses some of the bytes, and in tests all of
//! them are chosen to do harm.
//!
//! *Invariants*: nothing outside the root is opened: the kernel resolves each path beneath it. Only
//! regular files are opened for reading, so no FIFO blocks and no device is woken. No more than the
//! stated limit is read. A path that vanishes is [`ReadError::Gone`], which a scan takes for an
//! answer and not for a failure. Under the machine's own `/proc` and `/sys` only what the kernel's own
//! file systems say counts: containers lay files of their own over some of procfs (lxcfs over
//! `/proc/swaps`), and in a mount namespace of one's own anything can stand there.
//!
//! *Not here*: which files there are (`cxl`, `nvme`, `pci`, `fwctl`).
//!
//! *Spec*: an attribute is at most one page, `fs/sysfs/file.c @ v7.3`; RESOLVE_BENEATH,
//! `include/uapi/linux/openat2.h`; magic numbers of file systems, `include/uapi/linux/magic.h @ v7.3`.

use core::fmt;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, Dir, FileType, FsWord, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// The most that one sysfs attribute can hold.
pub(crate) const ATTRIBUTE: usize = 4096;
/// Names taken from one folder; more is an error.
const MAX_ENTRIES: usize = 65_536;
/// Links followed on the way to one path, as the kernel's own limit.
const MAX_LINKS: usize = 40;
/// Steps taken on the way to one path.
const MAX_STEPS: usize = 1024;

/// The machine's own roots, and the file systems whose files count under each.
const REAL: [(&str, &[FsWord]); 4] = [
    ("/proc", &[PROC]),
    // securityfs is mounted at kernel/security.
    ("/sys", &[SYSFS, SECURITYFS]),
    ("/sys/kernel/debug", &[DEBUGFS]),
    ("/sys/kernel/tracing", &[TRACEFS]),
];
const PROC: FsWord = 0x9FA0;
const SYSFS: FsWord = 0x6265_6572;
const SECURITYFS: FsWord = 0x7363_6673;
const DEBUGFS: FsWord = 0x6462_6720;
const TRACEFS: FsWord = 0x7472_6163;

/// What a path turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A FIFO.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// Something else.
    Other,
}

impl FileKind {
    pub(crate) const fn of(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Link,
            FileType::Fifo => Self::Fifo,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            _ => Self::Other,
        }
    }

    /// The words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Link => "a link",
            Self::Fifo => "a FIFO",
            Self::CharDevice => "a character device",
            Self::BlockDevice => "a block device",
            Self::Other => "something else",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a path could not be read. Each names the path.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ReadError {
    /// It is not there, or no longer.
    #[error("`{}` is not there", path.display())]
    Gone {
        /// The path.
        path: PathBuf,
    },
    /// Something of another kind is in its place.
    #[error("`{}` is {found}, expected {expected}", path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// What was looked for.
        expected: FileKind,
        /// What is there.
        found: FileKind,
    },
    /// It holds more than such a file can.
    #[error("`{}` holds more than {limit}", path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// Bytes, or names for a folder.
        limit: usize,
    },
    /// A link leads out of the root.
    #[error("`{}` leads out of `{}`", path.display(), root.display())]
    Outside {
        /// The path.
        path: PathBuf,
        /// The root.
        root: PathBuf,
    },
    /// It is not the kernel's word: another file system lies over it.
    #[error("`{}` is not the kernel's: it is on a file system of type {found}", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// The file system's magic number.
        found: String,
    },
    /// Its links go round in a circle, or are too many.
    #[error("`{}` goes through too many links", path.display())]
    Loop {
        /// The path.
        path: PathBuf,
    },
    /// What it says is not of the form that was expected.
    #[error("`{}` says `{found}`, expected {expected}", path.display())]
    Malformed {
        /// The path.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
        /// What is there, escaped and cut.
        found: String,
    },
    /// The kernel refused.
    #[error("`{}` cannot be read (errno {errno})", path.display())]
    Failed {
        /// The path.
        path: PathBuf,
        /// The errno.
        errno: i32,
    },
}

impl ReadError {
    /// Whether the path is merely not there.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Gone { path }
            | Self::WrongKind { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Outside { path, .. }
            | Self::Foreign { path, .. }
            | Self::Loop { path }
            | Self::Malformed { path, .. }
            | Self::Failed { path, .. } => path,
        }
    }
}

/// Text that a device or the kernel chose: bytes, shown with what is not printable ASCII escaped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Vec<u8>);

impl Text {
    /// These bytes without the spaces, line ends and zeros behind them.
    #[must_use]
    pub fn trimmed(bytes: &[u8]) -> Self {
        let end = bytes
            .iter()
            .rposition(|byte| !matches!(byte, b' ' | b'\n' | b'\t' | 0))
            .map_or(0, |last| last.saturating_add(1));
        Self(bytes.get(..end).unwrap_or_default().to_vec())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A root, open. Paths given to it are relative to it; paths in errors are whole.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    fd: OwnedFd,
    /// The file systems whose files count; `None` in tests' folders.
    real: Option<&'static [FsWord]>,
}

impl Tree {
    pub(crate) fn open(root: &Path) -> Result<Self, ReadError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(root, flags, Mode::empty())
            .map_err(|errno| failure(root.to_owned(), root, errno))?;
        let real = REAL.iter().find(|(real, _)| root == Path::new(real));
        Ok(Self { root: root.to_owned(), fd, real: real.map(|(_, kinds)| *kinds) })
    }

    /// Refuses what lies over the kernel's own file.
    fn is_real(&self, path: &Path, fd: &OwnedFd) -> Result<(), ReadError> {
        let Some(kinds) = self.real else { return Ok(()) };
        let found = fs::fstatfs(fd).map_err(|errno| self.failed(path, errno))?.f_type;
        if kinds.contains(&found) {
            return Ok(());
        }
        let found = format!("{found:#x}");
        Err(ReadError::Foreign { path: self.whole(path), found })
    }

    fn whole(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }

    fn failed(&self, path: &Path, errno: Errno) -> ReadError {
        failure(self.whole(path), &self.root, errno)
    }

    /// An error for what a file says.
    pub(crate) fn malformed(&self, path: &Path, expected: &'static str, found: &[u8]) -> ReadError {
        let shown = found.get(..found.len().min(64)).unwrap_or_default();
        let found = shown.escape_ascii().to_string();
        ReadError::Malformed { path: self.whole(path), expected, found }
    }

    fn at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, ReadError> {
        let path_or_dot = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut tries: u8 = 0;
        loop {
            let flags = flags | OFlags::CLOEXEC;
            match fs::openat2(&self.fd, path_or_dot, flags, Mode::empty(), resolve) {
                Ok(fd) => return Ok(fd),
                // A rename somewhere raced with a `..` on the way.
                Err(Errno::AGAIN | Errno::INTR) if tries < 8 => tries = tries.saturating_add(1),
                Err(errno) => return Err(self.failed(path, errno)),
            }
        }
    }

    fn stat(&self, path: &Path) -> Result<fs::Stat, ReadError> {
        let fd = self.at(path, OFlags::PATH)?;
        fs::fstat(&fd).map_err(|errno| self.failed(path, errno))
    }

    fn open_folder(&self, path: &Path) -> Result<OwnedFd, ReadError> {
        // Nothing but a folder can be opened like this, so there is no need to look first.
        match self.at(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(ReadError::Failed { errno, .. }) if errno == Errno::NOTDIR.raw_os_error() => {
                let found = FileKind::of(FileType::from_raw_mode(self.stat(path)?.st_mode));
                let expected = FileKind::Folder;
                Err(ReadError::WrongKind { path: self.whole(path), expected, found })
            }
            opened => opened,
        }
    }

    fn open_file(&self, path: &Path) -> Result<OwnedFd, ReadError> {
        let expected = FileKind::File;
        let kind = |stat: &fs::Stat| FileKind::of(FileType::from_raw_mode(stat.st_mode));
        let wrong = |found| ReadError::WrongKind { path: self.whole(path), expected, found };
        // Looked at before it is opened: opening a device can do something.
        let found = kind(&self.stat(path)?);
        if found != expected {
            return Err(wrong(found));
        }
        let fd = self.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let found = kind(&fs::fstat(&fd).map_err(|errno| self.failed(path, errno))?);
        if found != expected {
            return Err(wrong(found));
        }
        self.is_real(path, &fd)?;
        Ok(fd)
    }

    /// The whole of a regular file, if it holds at most `limit` bytes.
    pub(crate) fn read(&self, path: impl AsRef<Path>, limit: usize) -> Result<Vec<u8>, ReadError> {
        let path = path.as_ref();
        let file = File::from(self.open_file(path)?);
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error);
            self.failed(path, errno)
        })?;
        if bytes.len() > limit {
            return Err(ReadError::TooLarge { path: self.whole(path), limit });
        }
        Ok(bytes)
    }

    /// An attribute's text.
    pub(crate) fn text(&self, path: impl AsRef<Path>) -> Result<Text, ReadError> {
        Ok(Text::trimmed(&self.read(path, ATTRIBUTE)?))
    }

    /// An attribute's number, decimal or with `0x`; negative and larger ones are errors.
    pub(crate) fn number<T: TryFrom<u64>>(&self, path: impl AsRef<Path>) -> Result<T, ReadError> {
        let path = path.as_ref();
        let text = self.text(path)?;
        number(text.as_bytes())
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.malformed(path, "a number that fits", text.as_bytes()))
    }

    /// An attribute's number, which may be negative.
    pub(crate) fn signed(&self, path: impl AsRef<Path>) -> Result<i32, ReadError> {
        let path = path.as_ref();
        let text = self.text(path)?;
        core::str::from_utf8(text.as_bytes())
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.malformed(path, "a signed number", text.as_bytes()))
    }

    /// An attribute's `MAJOR:MINOR`.
    pub(crate) fn device_number(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<super::DeviceNumber, ReadError> {
        let path = path.as_ref();
        let text = self.text(path)?;
        super::DeviceNumber::parse(text.as_bytes())
            .ok_or_else(|| self.malformed(path, "a device number", text.as_bytes()))
    }

    /// The names in a folder, sorted. A name that is not UTF-8 is left out: the kernel makes none.
    pub(crate) fn list(&self, path: impl AsRef<Path>) -> Result<Vec<String>, ReadError> {
        let path = path.as_ref();
        let fd = self.open_folder(path)?;
        let folder = Dir::new(fd).map_err(|errno| self.failed(path, errno))?;
        let mut names = Vec::new();
        for entry in folder {
            let entry = entry.map_err(|errno| self.failed(path, errno))?;
            if names.len() >= MAX_ENTRIES {
                return Err(ReadError::TooLarge { path: self.whole(path), limit: MAX_ENTRIES });
            }
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Whether there is something, whatever it is.
    pub(crate) fn exists(&self, path: impl AsRef<Path>) -> Result<bool, ReadError> {
        match self.stat(path.as_ref()) {
            Ok(_) => Ok(true),
            Err(error) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The inode of a path. In sysfs no two objects of one boot have the same (`generation`).
    pub(crate) fn inode(&self, path: impl AsRef<Path>) -> Result<u64, ReadError> {
        self.stat(path.as_ref()).map(|stat| stat.st_ino)
    }

    /// The last name in a link's text, followed nowhere; `None` where there is no link. What is
    /// not UTF-8 in it is escaped.
    pub(crate) fn link_name(&self, path: impl AsRef<Path>) -> Result<Option<String>, ReadError> {
        let path = path.as_ref();
        let folder = match self.at(path.parent().unwrap_or(Path::new("")), OFlags::PATH) {
            Err(error) if error.is_gone() => return Ok(None),
            other => other?,
        };
        let Some(name) = path.file_name() else { return Ok(None) };
        let text = match fs::readlinkat(&folder, name, Vec::new()) {
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::INVAL) => {
                let found = fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileKind::Other, |stat| {
                        FileKind::of(FileType::from_raw_mode(stat.st_mode))
                    });
                let expected = FileKind::Link;
                return Err(ReadError::WrongKind { path: self.whole(path), expected, found });
            }
            other => other.map_err(|errno| self.failed(path, errno))?,
        };
        let last = Path::new(OsStr::from_bytes(text.as_bytes())).file_name();
        Ok(last.map(|last| last.as_bytes().escape_ascii().to_string()))
    }

    /// The path without any link in it, relative to the root.
    pub(crate) fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf, ReadError> {
        let path = path.as_ref();
        let outside = || ReadError::Outside { path: self.whole(path), root: self.root.clone() };
        let round = || ReadError::Loop { path: self.whole(path) };
        let mut todo: Vec<PathBuf> = vec![path.to_owned()];
        let mut done = PathBuf::new();
        let (mut links, mut steps) = (0_usize, 0_usize);
        while let Some(next) = todo.pop() {
            let mut parts = next.components();
            let Some(part) = parts.next() else { continue };
            todo.push(parts.as_path().to_owned());
            steps = steps.saturating_add(1);
            if steps > MAX_STEPS {
                return Err(round());
            }
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    if !done.pop() {
                        return Err(outside());
                    }
                }
                Component::RootDir | Component::Prefix(_) => return Err(outside()),
                Component::Normal(name) => {
                    // Up to here there is no link in it, and what is opened later is opened beneath
                    // the root whatever happens in between.
                    let here = done.join(name);
                    let stat = fs::statat(&self.fd, &here, AtFlags::SYMLINK_NOFOLLOW)
                        .map_err(|errno| self.failed(&here, errno))?;
                    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                        links = links.saturating_add(1);
                        if links > MAX_LINKS {
                            return Err(round());
                        }
                        let text = fs::readlinkat(&self.fd, &here, Vec::new())
                            .map_err(|errno| self.failed(&here, errno))?;
                        todo.push(PathBuf::from(OsStr::from_bytes(text.as_bytes())));
                    } else {
                        done = here;
                    }
                }
            }
        }
        Ok(done)
    }
}

fn failure(path: PathBuf, root: &Path, errno: Errno) -> ReadError {
    match errno {
        // ENODEV: the attribute is open, its device is not there any more.
        Errno::NOENT | Errno::NODEV => ReadError::Gone { path },
        Errno::XDEV => ReadError::Outside { path, root: root.to_owned() },
        Errno::LOOP => ReadError::Loop { path },
        errno => ReadError::Failed { path, errno: errno.raw_os_error() },
    }
}

/// A number as the kernel prints it: decimal, or hexadecimal with `0x`. No sign, no spaces.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // `from_str_radix` takes a plus sign; the kernel prints none.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// The number behind a prefix, as the kernel writes it: `mem10` and `mem` give 10. No leading zero.
pub(crate) fn numbered(name: &str, prefix: &str) -> Option<u32> {
    canonical(name.strip_prefix(prefix)?)
}

/// A decimal number without sign and without leading zero.
pub(crate) fn canonical(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    digits.parse().ok()
}

/// Errors that a scan met and went on from.
#[derive(Default, Debug)]
pub(crate) struct Notes(pub(crate) Vec<ReadError>);

impl Notes {
    /// The value, if it could be read. What is not there is not noted.
    pub(crate) fn keep<T>(&mut self, read: Result<T, ReadError>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                if !error.is_gone() && self.0.len() < 1024 {
                    self.0.push(error);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_over_the_kernels_own_file_is_not_its_word() {
        let proc = Tree::open(Path::new("/proc")).unwrap();
        assert!(proc.real.is_some() && proc.read("self/status", 1 << 16).is_ok());
        // A folder of somebody's own, as it would be mounted there.
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("swaps"), "Filename\n").unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        assert!(tree.real.is_none() && tree.read("swaps", 64).is_ok());
        let over = Tree { real: Some(&[PROC]), ..tree };
        assert!(matches!(over.read("swaps", 64), Err(ReadError::Foreign { .. })));
        assert!(matches!(over.text("swaps"), Err(ReadError::Foreign { .. })));
    }

    #[test]
    fn what_is_open_is_not_inherited() {
        let proc = Tree::open(Path::new("/proc")).unwrap();
        let file = proc.open_file(Path::new("self/status")).unwrap();
        let folder = proc.open_folder(Path::new("self")).unwrap();
        for fd in [&proc.fd, &file, &folder] {
            let flags = rustix::io::fcntl_getfd(fd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The journal's folder: opens, makes and replaces the files in it without following anybody's links.
//!
//! What lies in the folder is not trusted; that the folder is ours alone is checked before anything is written.
//!
//! *Invariants*: every file is reached through the folder's descriptor, by a name that is ours; nothing is
//! opened through a symbolic link; files are made 0600, the folder 0700; a file that is replaced is either the
//! old or the new one at any moment.
//!
//! *Not here*: what the files hold (`format`), which process may write (`Lock` below holds that).

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::JournalError;
use super::format::cleaned;

pub(super) const KEY: &str = "key";
pub(super) const HEAD: &str = "head";
const LOCK: &str = "lock";
/// Made first under this name, then renamed.
const UNFINISHED: &str = "unfinished";

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// How often a writer that waits looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// A reader may hold the lock for a moment to see whether a writer lives.
const READERS_MOMENT: Duration = Duration::from_millis(200);
/// The name that a holder leaves is at most that long.
const HOLDER_LEN: u64 = 256;

pub(super) fn segment_name(segment: u64) -> String {
    format!("segment-{segment:08}.fwj")
}

fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("segment-")?.strip_suffix(".fwj")?.parse().ok()?;
    (segment_name(number) == name && number != 0).then_some(number)
}

#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens the folder to write in it; makes it where it is missing.
    pub(super) fn for_writing(path: &Path) -> Result<Self, JournalError> {
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(path) {
            // A dangling link answers `exists`; it is named below.
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(io_error("create", path, error));
            }
        }
        let folder = Self::open(path)?;
        let stat = folder.stat()?;
        if stat.st_uid != geteuid().as_raw() {
            return Err(folder.unsafe_for(format!(
                "it belongs to user {}, not to user {}",
                stat.st_uid,
                geteuid().as_raw()
            )));
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(folder.unsafe_for(format!(
                "others may write in it (mode {:04o}); make it 0700",
                stat.st_mode & 0o7777
            )));
        }
        folder.check_above()?;
        Ok(folder)
    }

    /// Opens the folder to read from it.
    pub(super) fn for_reading(path: &Path) -> Result<Self, JournalError> {
        Self::open(path)
    }

    fn open(path: &Path) -> Result<Self, JournalError> {
        // `dir/` and `dir/.` would let the kernel follow a link in the last place.
        let path = path.components().collect::<PathBuf>();
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path }),
            Err(Errno::NOENT) => Err(JournalError::Absent { path }),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                let why = "it is a symbolic link or not a folder".to_owned();
                Err(JournalError::Unsafe { path, why })
            }
            Err(error) => Err(io_error("open", &path, error.into())),
        }
    }

    /// Nobody else may be able to put another folder in this one's place.
    fn check_above(&self) -> Result<(), JournalError> {
        let whole =
            std::fs::canonicalize(&self.path).map_err(|e| io_error("resolve", &self.path, e))?;
        for above in whole.ancestors().skip(1) {
            let stat = rustix::fs::stat(above).map_err(|e| io_error("look at", above, e.into()))?;
            let sticky = stat.st_mode & 0o1000 != 0;
            let ours = stat.st_uid == geteuid().as_raw();
            let open_to_others = stat.st_mode & 0o002 != 0 || (stat.st_mode & 0o020 != 0 && !ours);
            if open_to_others && !sticky {
                return Err(JournalError::Unsafe {
                    path: above.to_owned(),
                    why: format!(
                        "others may replace what is in it (mode {:04o}, user {})",
                        stat.st_mode & 0o7777,
                        stat.st_uid
                    ),
                });
            }
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file for appending, and checks that it is ours alone.
    pub(super) fn open_append(&self, name: &str) -> Result<File, JournalError> {
        self.open_ours(name, OFlags::RDWR | OFlags::APPEND)
    }

    /// Opens a file that must be ours alone for reading; `None` where there is none.
    pub(super) fn open_secret(&self, name: &str) -> Result<Option<File>, JournalError> {
        match self.open_ours(name, OFlags::RDONLY) {
            Ok(file) => Ok(Some(file)),
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn open_ours(&self, name: &str, flags: OFlags) -> Result<File, JournalError> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&self.fd, name, flags, FILE_MODE)
            .map_err(|errno| self.file_error("open", name, errno))?;
        let stat =
            rustix::fs::fstat(&file).map_err(|errno| self.file_error("look at", name, errno))?;
        let why = if !is_file(&stat) {
            "it is not a regular file".to_owned()
        } else if stat.st_uid != geteuid().as_raw() {
            format!("it belongs to user {}", stat.st_uid)
        } else if stat.st_nlink > 1 {
            format!("it has {} names", stat.st_nlink)
        } else if stat.st_mode & 0o077 != 0 {
            format!("others may open it (mode {:04o}); make it 0600", stat.st_mode & 0o7777)
        } else {
            return Ok(File::from(file));
        };
        Err(JournalError::Unsafe { path: self.path_of(name), why })
    }

    /// Opens a file for reading; `None` where there is none.
    pub(super) fn open_read(&self, name: &str) -> Result<Option<File>, JournalError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.file_error("open", name, errno)),
        };
        let stat =
            rustix::fs::fstat(&file).map_err(|errno| self.file_error("look at", name, errno))?;
        if !is_file(&stat) {
            let why = "it is not a regular file".to_owned();
            return Err(JournalError::Unsafe { path: self.path_of(name), why });
        }
        Ok(Some(File::from(file)))
    }

    /// The content of a small file, but no more than `limit` bytes and one.
    pub(super) fn read_small(
        &self,
        name: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, JournalError> {
        let Some(file) = self.open_read(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| io_error("read", &self.path_of(name), error))?;
        Ok(Some(bytes))
    }

    /// Makes a file that does not exist yet; it is there whole and on the disk, or not at all.
    pub(super) fn make(&self, name: &str, bytes: &[u8]) -> Result<File, JournalError> {
        if self.open_read(name)?.is_some() {
            return Err(self.file_error("create", name, Errno::EXIST));
        }
        let file = self.write_unfinished(bytes, name)?;
        self.rename_unfinished(name)?;
        self.sync()?;
        Ok(file)
    }

    /// Puts a new file in the place of an old one, or in an empty place.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        self.write_unfinished(bytes, name)?;
        self.rename_unfinished(name)
    }

    fn write_unfinished(&self, bytes: &[u8], name: &str) -> Result<File, JournalError> {
        // What a killed process left behind.
        let temporary = format!("{UNFINISHED}-{name}");
        match rustix::fs::unlinkat(&self.fd, &temporary, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(self.file_error("remove", &temporary, errno)),
        }
        let flags = OFlags::RDWR
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.fd, &temporary, flags, FILE_MODE)
            .map_err(|errno| self.file_error("create", &temporary, errno))?;
        let mut file = File::from(file);
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|error| io_error("write", &self.path_of(&temporary), error))?;
        Ok(file)
    }

    fn rename_unfinished(&self, name: &str) -> Result<(), JournalError> {
        let temporary = format!("{UNFINISHED}-{name}");
        rustix::fs::renameat(&self.fd, &temporary, &self.fd, name)
            .map_err(|errno| self.file_error("rename", name, errno))
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<(), JournalError> {
        rustix::fs::fsync(&self.fd).map_err(|errno| io_error("sync", &self.path, errno.into()))
    }

    /// The highest number of a segment in the folder.
    pub(super) fn highest_segment(&self) -> Result<Option<u64>, JournalError> {
        let mut highest = None;
        let failed = |errno: Errno| io_error("list", &self.path, errno.into());
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let number = entry.file_name().to_str().ok().and_then(segment_number);
            highest = highest.max(number);
        }
        Ok(highest)
    }

    fn stat(&self) -> Result<Stat, JournalError> {
        rustix::fs::fstat(&self.fd).map_err(|errno| io_error("look at", &self.path, errno.into()))
    }

    fn unsafe_for(&self, why: String) -> JournalError {
        JournalError::Unsafe { path: self.path.clone(), why }
    }

    fn file_error(&self, action: &'static str, name: &str, errno: Errno) -> JournalError {
        let path = self.path_of(name);
        if errno == Errno::LOOP {
            return JournalError::Unsafe { path, why: "it is a symbolic link".to_owned() };
        }
        JournalError::Io { action, path, source: errno.into() }
    }
}

/// Held by the one process that may write. Released by the kernel when that process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, waiting for at most `wait`.
    pub(super) fn take(folder: &Folder, wait: Duration) -> Result<Self, JournalError> {
        let file = folder.open_ours(LOCK, OFlags::RDWR | OFlags::CREATE)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    if started.elapsed() >= wait.max(READERS_MOMENT) {
                        let holder = holder(&file);
                        return Err(JournalError::Held { path: folder.path.clone(), holder });
                    }
                    std::thread::sleep(LOOK_AGAIN);
                }
                Err(TryLockError::Error(error)) => {
                    return Err(io_error("lock", &folder.path_of(LOCK), error));
                }
            }
        }
        let mut lock = Self { file };
        lock.name(&format!("{} {}\n", std::process::id(), program()))
            .map_err(|error| io_error("write", &folder.path_of(LOCK), error))?;
        Ok(lock)
    }

    /// Whether no process writes this journal at the moment. While the guard in the answer lives, none can begin.
    pub(super) fn no_writer(folder: &Folder) -> Result<Option<NoWriter>, JournalError> {
        let Some(file) = folder.open_read(LOCK)? else { return Ok(Some(NoWriter { _lock: None })) };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(NoWriter { _lock: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &folder.path_of(LOCK), error)),
        }
    }

    fn name(&mut self, text: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only so that nobody is named who is gone; the lock itself goes with the file.
        let _ = self.file.set_len(0);
    }
}

/// Proof that nobody wrote while it lived.
#[derive(Debug, Default)]
pub(super) struct NoWriter {
    _lock: Option<File>,
}

fn holder(file: &File) -> String {
    let mut text = Vec::new();
    let mut from = file;
    if from.rewind().and_then(|()| from.take(HOLDER_LEN).read_to_end(&mut text)).is_err() {
        text.clear();
    }
    let text = String::from_utf8_lossy(&text);
    let text = cleaned(text.trim());
    match text.split_once(' ') {
        Some((pid, program)) if pid.parse::<u32>().is_ok() => format!("process {pid} ({program})"),
        _ => "an unnamed process".to_owned(),
    }
}

fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.is_empty() { "unknown".to_owned() } else { name.into_owned() }
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { action, path: path.to_owned(), source }
}

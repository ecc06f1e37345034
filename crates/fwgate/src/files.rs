// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that the user names: read within a limit, written whole or not at all.
//!
//! What is read is hostile. *Invariants*: never more than the limit is held; an output file is
//! made 0600 under another name and takes its place in one step.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::error::{CliError, path as shown_path};
use crate::exit::Exit;

/// How long a pipe that has a writer may stay silent.
const SILENCE: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const AGAIN: Duration = Duration::from_millis(10);

/// Reads a file that an option names, at most `limit` bytes; `-` is standard input. A file is a
/// regular one, or a pipe that somebody writes to.
pub(crate) fn read(file: &Path, limit: usize, option: &str) -> Result<Vec<u8>, CliError> {
    let fail = |error: &io::Error| {
        let detail = format!("cannot read `{}`: {}", shown_path(file), plain(error));
        CliError::usage("unreadable-file", detail).argument(option).file(file)
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if file == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(|error| fail(&error))?;
    } else {
        bytes = read_file(file, most).map_err(|error| fail(&error))?;
    }
    if bytes.len() > limit {
        let detail =
            format!("`{}` is longer than {limit} bytes, the most that is read", shown_path(file));
        return Err(CliError::usage("file-too-long", detail)
            .argument(option)
            .file(file)
            .offset(limit)
            .expected(format!("at most {limit} bytes"), "more"));
    }
    Ok(bytes)
}

fn read_file(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    // A pipe that nobody writes to would hold us at this place for ever.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    let opened = options.open(file)?;
    let kind = opened.metadata()?.file_type();
    let pipe = kind.is_fifo();
    if !kind.is_file() && !pipe {
        return Err(io::Error::other("it is no regular file and no pipe"));
    }
    let mut taken = opened.take(most);
    let mut bytes = Vec::new();
    let mut until = Instant::now().checked_add(SILENCE);
    loop {
        let before = bytes.len();
        match taken.read_to_end(&mut bytes) {
            Ok(_) if pipe && bytes.is_empty() => {
                return Err(io::Error::other("nobody writes to this pipe"));
            }
            Ok(_) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if bytes.len() > before {
            until = Instant::now().checked_add(SILENCE);
        } else if until.is_some_and(|until| Instant::now() >= until) {
            return Err(io::Error::other("who writes to this pipe has said nothing for 10 s"));
        }
        std::thread::sleep(AGAIN);
    }
}

/// Where a reply is to go: a file beside its final place, made before anything is sent.
#[derive(Debug)]
pub(crate) struct Output {
    place: PathBuf,
    beside: tempfile::NamedTempFile,
    force: bool,
}

impl Output {
    /// Makes the file. What stands in the way is refused before anything is sent.
    pub(crate) fn prepare(place: &Path, force: bool) -> Result<Self, CliError> {
        match fs::symlink_metadata(place) {
            Ok(meta) if meta.is_dir() => return Err(exists(place, "is a folder")),
            Ok(_) if !force => return Err(exists(place, "exists; --force replaces it")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unwritable(place, &error)),
        }
        let folder = match place.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        fs::metadata(folder).map_err(|error| unwritable(place, &error))?;
        // Made 0600 by the library.
        let beside = tempfile::Builder::new()
            .prefix(".fwgate-")
            .tempfile_in(folder)
            .map_err(|error| unwritable(place, &error))?;
        Ok(Self { place: place.to_owned(), beside, force })
    }

    /// The same, where a file was named at all.
    pub(crate) fn prepare_any(place: Option<&Path>, force: bool) -> Result<Option<Self>, CliError> {
        place.map(|place| Self::prepare(place, force)).transpose()
    }

    /// Puts the bytes in place.
    pub(crate) fn keep(mut self, bytes: &[u8]) -> Result<(), CliError> {
        let place = self.place;
        self.beside
            .write_all(bytes)
            .and_then(|()| self.beside.as_file().sync_all())
            .map_err(|error| lost(&place, &error))?;
        let kept = if self.force {
            self.beside.persist(&place)
        } else {
            self.beside.persist_noclobber(&place)
        };
        kept.map(drop).map_err(|error| lost(&place, &error.error))
    }
}

/// Writes a file that may be read by all, such as a manual page, over an old one.
pub(crate) fn write_public(place: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    options
        .open(place)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|error| unwritable(place, &error))
}

fn exists(place: &Path, why: &str) -> CliError {
    let detail = format!("`{}` {why}", shown_path(place));
    CliError::usage("output-exists", detail).argument("--output").file(place)
}

fn unwritable(place: &Path, error: &io::Error) -> CliError {
    let detail = format!("cannot write `{}`: {}", shown_path(place), plain(error));
    CliError::usage("unwritable-file", detail).file(place)
}

/// After the send: the reply is there and could not be kept.
fn lost(place: &Path, error: &io::Error) -> CliError {
    let detail = format!(
        "the command was sent and is on record, but its reply could not be written to `{}`: {}",
        shown_path(place),
        plain(error)
    );
    CliError::new(Exit::Failed, "output-lost", detail).file(place)
}

/// What the system said, without the name of the file beside; or what was said here.
fn plain(error: &io::Error) -> String {
    match error.get_ref() {
        Some(said) if error.kind() == io::ErrorKind::Other => said.to_string(),
        Some(_) => error.kind().to_string(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_file_longer_than_the_limit_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("long");
        fs::write(&file, [0; 9]).unwrap();
        assert_eq!(read(&file, 9, "--payload").unwrap().len(), 9);
        let error = read(&file, 8, "--payload").unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Usage, "file-too-long"));
        assert_eq!(read(folder.path(), 8, "--payload").unwrap_err().code(), "unreadable-file");
    }

    #[test]
    fn what_is_no_file_and_no_pipe_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for place in [Path::new("/dev/zero"), Path::new("/dev/null"), folder.path()] {
            let error = read(place, 8, "--payload").unwrap_err();
            assert_eq!((error.exit(), error.code()), (Exit::Usage, "unreadable-file"), "{place:?}");
            assert!(error.detail().contains("no regular file"), "{}", error.detail());
        }
    }

    fn pipe(folder: &Path) -> PathBuf {
        let place = folder.join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &place,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        place
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let began = Instant::now();
        let error = read(&pipe(folder.path()), 8, "--from").unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Usage, "unreadable-file"));
        assert!(error.detail().contains("nobody writes"), "{}", error.detail());
        assert!(began.elapsed() < SILENCE / 2);
    }

    #[test]
    fn a_pipe_that_is_written_to_slowly_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let place = pipe(folder.path());
        let there = place.clone();
        let (ready, go) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            // Opened both ways, so that it does not wait for a reader.
            let mut file = OpenOptions::new().read(true).write(true).open(there).unwrap();
            file.write_all(b"one").unwrap();
            ready.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            file.write_all(b"two").unwrap();
            std::thread::sleep(Duration::from_millis(100));
        });
        go.recv().unwrap();
        assert_eq!(read(&place, 64, "--from").unwrap(), b"onetwo");
        writer.join().unwrap();
    }

    #[test]
    fn an_output_file_is_private_and_never_written_over_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("reply");
        Output::prepare(&place, false).unwrap().keep(b"one").unwrap();
        assert_eq!(fs::metadata(&place).unwrap().mode() & 0o777, 0o600);
        let error = Output::prepare(&place, false).unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Usage, "output-exists"));
        Output::prepare(&place, true).unwrap().keep(b"two").unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("reply");
        let output = Output::prepare(&place, false).unwrap();
        fs::write(&place, "theirs").unwrap();
        let error = output.keep(b"ours").unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Failed, "output-lost"));
        assert_eq!(fs::read(&place).unwrap(), b"theirs");
    }
}

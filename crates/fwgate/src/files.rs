// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that the user names: read within a limit, written whole or not at all.
//!
//! What is read is hostile. *Invariants*: never more than the limit is held; an output file is
//! made 0600 under another name and takes its place in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{CliError, path as shown_path};
use crate::exit::Exit;

/// Reads a file that an option names, at most `limit` bytes; `-` is standard input.
pub(crate) fn read(file: &Path, limit: usize, option: &str) -> Result<Vec<u8>, CliError> {
    let fail = |error: &io::Error| {
        let detail = format!("cannot read `{}`: {error}", shown_path(file));
        CliError::usage("unreadable-file", detail).argument(option).file(file)
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if file == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(|error| fail(&error))?;
    } else {
        let opened = File::open(file).map_err(|error| fail(&error))?;
        opened.take(most).read_to_end(&mut bytes).map_err(|error| fail(&error))?;
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

/// What the system said, without the name of the file beside.
fn plain(error: &io::Error) -> String {
    if error.get_ref().is_some() { error.kind().to_string() } else { error.to_string() }
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
        assert_eq!(
            read(Path::new("/dev/zero"), 8, "--payload").unwrap_err().code(),
            "file-too-long"
        );
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

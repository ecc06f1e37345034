// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a device's state lives between processes: `<dir>/<name>.json`, replaced as a whole.
//!
//! The file is not trusted when it is read back.
//!
//! *Invariants*
//! - At most [`MAX_STATE_BYTES`] are read; nothing but a plain file is opened.
//! - A file that does not check is an error with its place and stays as it is.
//! - The file is mode 0600. A reader sees the old state or the new one, never a part. A power cut of the
//!   *host* may lose the newest state: the file is not synced.
//!
//! *Not here*: what the state holds (`state`), the list of executed commands (`executed`).
//!
//! *Spec*: none; the format is this crate's own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::faults::{FaultPlanError, plain};

/// Most bytes of a state file that are read.
pub(crate) const MAX_STATE_BYTES: usize = 4 << 20;
/// The only version of the state format there is.
pub(crate) const STATE_VERSION: u32 = 1;

/// The host failed the emulator: a file could not be written, or the driver went outside the registers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostError {
    /// A file of the emulated device could not be used.
    #[error("cannot {doing} `{path}`: {detail}")]
    File {
        /// What was tried: `write`, `append to`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A register access outside the block, or not aligned to its width.
    #[error("no register at offset 0x{offset:X} for an access of {width} bytes")]
    NoRegister {
        /// Offset from the start of the block.
        offset: u32,
        /// Bytes of the access.
        width: usize,
    },
}

/// Why an emulated device could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name is not made of 1 to 32 of `a-z`, `0-9` and `-`.
    #[error("`{name}` is no name for an emulated device: 1 to 32 of a-z, 0-9 and `-`")]
    Name {
        /// The name found.
        name: String,
    },
    /// An option is out of its range.
    #[error("option `{option}` is {found}, {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// The value found.
        found: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// The fault plan is wrong.
    #[error(transparent)]
    Faults(#[from] FaultPlanError),
    /// A file could not be read or written.
    #[error("cannot {doing} `{path}`")]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The state could not be written.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Something else than a plain file has the file's name.
    #[error("`{path}` is not a plain file")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The state file is longer than any that is written.
    #[error("state `{path}`: more than {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        limit: usize,
    },
    /// The state file is not the JSON it should be.
    #[error("state `{path}`: line {line}, column {column}: {detail}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, from 1; 0 when the text as a whole is wrong.
        line: usize,
        /// Column.
        column: usize,
        /// What is wrong there.
        detail: String,
    },
    /// The state file has another version.
    #[error("state `{path}`: `version` is {found}, this program knows {known}")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u64,
        /// The version known.
        known: u32,
    },
    /// A field of the state file has a value that no device can have.
    #[error("state `{path}`: `{field}` is {found}, {expected}")]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, with its parents.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The list of executed commands does not end in a line of the form it is written in.
    #[error("executed list `{path}`: byte {offset}: {detail}")]
    Executed {
        /// The file.
        path: PathBuf,
        /// Where the bad line starts.
        offset: u64,
        /// What is wrong with it.
        detail: &'static str,
    },
}

/// A field of a state that no device can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadField {
    pub(crate) field: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

impl BadField {
    /// `Ok` when `good`, else the field with the value found there.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what is found is small and made for the call"
    )]
    pub(crate) fn unless(
        good: bool,
        field: &'static str,
        expected: &'static str,
        found: impl ToString,
    ) -> Result<(), Self> {
        if good { Ok(()) } else { Err(Self { field, expected, found: found.to_string() }) }
    }
}

/// A state that a file can hold.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// Whether every value is one that a device can have.
    fn check(&self) -> Result<(), BadField>;

    /// The name the state was made for.
    fn name(&self) -> &str;
}

/// The file of one device's state, or none for a device that lives in memory only.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    path: Option<PathBuf>,
}

impl Store {
    pub(crate) fn in_memory() -> Self {
        Self { path: None }
    }

    pub(crate) fn at(dir: &Path, name: &str) -> Self {
        Self { path: Some(dir.join(format!("{name}.json"))) }
    }

    /// The state in the file; `None` when there is no file.
    pub(crate) fn load<S: Stored>(&self, name: &str) -> Result<Option<S>, OpenError> {
        let Some(path) = &self.path else { return Ok(None) };
        let Some(bytes) = read_bounded(path)? else { return Ok(None) };
        parse(path, name, &bytes).map(Some)
    }

    /// Puts `state` in the place of what the file held.
    pub(crate) fn save<S: Stored>(&self, state: &S) -> Result<(), HostError> {
        let Some(path) = &self.path else { return Ok(()) };
        let fail = |detail: String| HostError::File { doing: "write", path: path.clone(), detail };
        let text = serde_json::to_vec(state).map_err(|error| fail(error.to_string()))?;
        if text.len() > MAX_STATE_BYTES {
            return Err(fail(format!("the state has {} bytes", text.len())));
        }
        let fresh = path.with_extension("json.new");
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| fs::rename(&fresh, path));
        written.map_err(|error| fail(error.to_string()))
    }
}

/// Reads and checks a state; `path` is for the errors only.
pub(crate) fn parse<S: Stored>(path: &Path, name: &str, bytes: &[u8]) -> Result<S, OpenError> {
    #[derive(serde::Deserialize)]
    struct Head {
        version: u64,
    }

    let json = |error: &serde_json::Error| OpenError::Json {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
        detail: plain(error),
    };
    let head: Head = serde_json::from_slice(bytes).map_err(|error| json(&error))?;
    if head.version != u64::from(STATE_VERSION) {
        let (found, known) = (head.version, STATE_VERSION);
        return Err(OpenError::Version { path: path.to_owned(), found, known });
    }
    let state: S = serde_json::from_slice(bytes).map_err(|error| json(&error))?;
    let named = BadField::unless(
        state.name() == name,
        "name",
        "not the name of the device whose file this is",
        state.name(),
    );
    named.and_then(|()| state.check()).map_err(|BadField { field, expected, found }| {
        OpenError::Field { path: path.to_owned(), field, expected, found }
    })?;
    Ok(state)
}

/// `1 to 32 of a-z, 0-9 and -`, so that a name cannot leave its folder.
pub(crate) fn check_name(name: &str) -> Result<(), OpenError> {
    let good = (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if good { Ok(()) } else { Err(OpenError::Name { name: name.to_owned() }) }
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    let fail = |source| OpenError::File { doing: "read", path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
        Ok(meta) if !meta.is_file() => return Err(OpenError::NotAFile { path: path.to_owned() }),
        Ok(_) => {}
    }
    let limit = MAX_STATE_BYTES;
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(fail)?;
    if bytes.len() > limit {
        return Err(OpenError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for good in ["cxl0", "nvme0", "a-1"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "..", "a/b", "a.b", "A", "a b", "a\0", &"a".repeat(33)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The folder that holds the journal and the emulated devices.
//!
//! *Invariants*: made 0700; a folder that somebody else owns or may write in is refused. Verbs
//! that only look make nothing.
//!
//! *Not here*: what is in it (`fwgate_gate::journal`, `fwgate_emulator`), locks (`lock`).

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::error::{CliError, path as shown_path};
use crate::exit::Exit;

/// The variable that names the folder.
pub(crate) const VARIABLE: &str = "FWGATE_STATE_DIR";
/// Root's folder.
const SYSTEM: &str = "/var/lib/fwgate";

/// The folder, and why it is that one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct State {
    path: PathBuf,
    from: &'static str,
}

impl State {
    /// Finds the folder; makes nothing.
    pub(crate) fn find() -> Result<Self, CliError> {
        let is_root = rustix::process::geteuid().is_root();
        Self::choose(is_root, |name| std::env::var_os(name).map(PathBuf::from))
    }

    fn choose(is_root: bool, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, CliError> {
        // An empty or relative path in the XDG variables counts as none, as their specification says.
        let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
        // Set and empty is a slip, as of a command that failed; it must not lead to the usual folder.
        if let Some(path) = variable(VARIABLE) {
            if path.is_absolute() {
                return Ok(Self { path, from: VARIABLE });
            }
            let detail = format!("{VARIABLE} has to be an absolute path, or not be set at all");
            return Err(CliError::usage("state-folder-not-absolute", detail).argument(VARIABLE));
        }
        if is_root {
            return Ok(Self { path: PathBuf::from(SYSTEM), from: "default of root" });
        }
        if let Some(path) = absolute("XDG_STATE_HOME") {
            return Ok(Self { path: path.join("fwgate"), from: "XDG_STATE_HOME" });
        }
        if let Some(path) = absolute("HOME") {
            return Ok(Self { path: path.join(".local/state/fwgate"), from: "HOME" });
        }
        let detail = format!(
            "no folder for journal and devices: set {VARIABLE}, XDG_STATE_HOME or HOME to an \
             absolute path"
        );
        Err(CliError::usage("no-state-folder", detail))
    }

    /// A folder of one's own, as the tour has it.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), from: "tour" }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What named it.
    pub(crate) const fn from(&self) -> &'static str {
        self.from
    }

    /// The journal's folder.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The emulated devices' folder, with their locks.
    pub(crate) fn devices(&self) -> PathBuf {
        self.path.join("devices")
    }

    /// The folder that keeps what each device's logs were.
    pub(crate) fn known_logs(&self) -> PathBuf {
        self.path.join("known-logs")
    }

    /// Makes the folders that are not there, and checks that they are ours alone to write in.
    pub(crate) fn make(&self) -> Result<(), CliError> {
        for folder in [self.path.clone(), self.devices(), self.known_logs()] {
            make_private(&folder)?;
        }
        Ok(())
    }
}

fn make_private(folder: &Path) -> Result<(), CliError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    if let Err(error) = made
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(failed("make", folder, &error));
    }
    let meta = fs::symlink_metadata(folder).map_err(|error| failed("look at", folder, &error))?;
    let uid = rustix::process::geteuid().as_raw();
    let why = if !meta.is_dir() {
        "it is a symbolic link or not a folder".to_owned()
    } else if meta.uid() != uid {
        format!("it belongs to user {}, not to user {uid}", meta.uid())
    } else if meta.mode() & 0o022 != 0 {
        format!("others may write in it (mode {:04o}); make it 0700", meta.mode() & 0o7777)
    } else {
        return Ok(());
    };
    let detail = format!("`{}` is not safe for fwgate's state: {why}", shown_path(folder));
    Err(CliError::new(Exit::Failed, "unsafe-state-folder", detail).file(folder))
}

fn failed(what: &str, folder: &Path, error: &io::Error) -> CliError {
    let detail = format!("cannot {what} `{}`: {error}", shown_path(folder));
    CliError::new(Exit::Failed, "state-folder", detail).file(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn chosen(is_root: bool, set: &[(&str, &str)]) -> Result<State, CliError> {
        State::choose(is_root, |name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn the_variable_comes_first_then_root_then_the_users_own() {
        let all = [(VARIABLE, "/a"), ("XDG_STATE_HOME", "/b"), ("HOME", "/c")];
        assert_eq!(chosen(true, &all).unwrap().path(), Path::new("/a"));
        assert_eq!(chosen(true, &all[1..]).unwrap().path(), Path::new("/var/lib/fwgate"));
        assert_eq!(chosen(false, &all[1..]).unwrap().path(), Path::new("/b/fwgate"));
        let home = chosen(false, &all[2..]).unwrap();
        assert_eq!((home.path(), home.from()), (Path::new("/c/.local/state/fwgate"), "HOME"));
    }

    #[test]
    fn empty_and_relative_variables_count_as_none() {
        let set = [("XDG_STATE_HOME", "relative"), ("HOME", "/c")];
        assert_eq!(chosen(false, &set).unwrap().from(), "HOME");
        let error = chosen(false, &[("HOME", "")]).unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Usage, "no-state-folder"));
    }

    #[test]
    fn a_state_folder_that_is_named_has_to_be_absolute() {
        for path in ["", "here", "./here"] {
            let error = chosen(false, &[(VARIABLE, path), ("HOME", "/c")]).unwrap_err();
            assert_eq!((error.exit(), error.code()), (Exit::Usage, "state-folder-not-absolute"));
        }
    }

    #[test]
    fn a_folder_that_others_may_write_in_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(&folder.path().join("state"));
        state.make().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(state.path()), mode(&state.devices())), (0o700, 0o700));
        fs::set_permissions(state.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = state.make().unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Failed, "unsafe-state-folder"));
    }

    #[test]
    fn a_link_in_the_folders_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert_eq!(State::at(&link).make().unwrap_err().code(), "unsafe-state-folder");
    }
}

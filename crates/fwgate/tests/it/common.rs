// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs `fwgate` in a state folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A fresh state folder, removed at the end.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

/// What a run left.
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// A run that is not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fwgate"));
        command
            .args(args)
            .env("FWGATE_STATE_DIR", self.state())
            .env_remove("FWGATE_EMU_FAULTS")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args).output().unwrap())
    }

    /// Runs with `-o json` and takes standard output as one document.
    pub(crate) fn json(&self, args: &[&str]) -> (i32, Value) {
        let mut args = args.to_vec();
        args.extend(["-o", "json"]);
        let run = self.run(&args);
        (run.status, run.document())
    }
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            // A signal counts as a failure of its own.
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn document(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.text(), self.stderr))
    }
}

/// A file that was read of a device.
pub(crate) fn capture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests-data/captures").join(name);
    path.display().to_string()
}

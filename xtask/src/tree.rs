// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree and its tools: where it is, which files it has, which packages, and how to run a command.
//!
//! *Invariants*: only files that git has or would take are looked at, so that nothing that a build
//! or an editor left lying about is checked. Every command has a time limit.
//!
//! *Not here*: what is checked (`ci`, `layers`).

use std::ffi::OsStr;
use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// The tree.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

/// What `cargo metadata` says of the workspace.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Its own packages.
    pub(crate) packages: Vec<Package>,
    /// Where cargo builds.
    pub(crate) target_directory: PathBuf,
}

/// One package.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    pub(crate) features: std::collections::BTreeMap<String, Vec<String>>,
}

/// One dependency of a package.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for a normal one.
    pub(crate) kind: Option<String>,
}

/// One thing that cargo builds of a package.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Target {
    /// Whether it is of that kind: `lib`, `bin`, `test`, `bench`.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|it| it == kind)
    }
}

impl Tree {
    /// The tree that cargo runs this program in; without cargo, the one that it was built in.
    pub(crate) fn here() -> Self {
        // Asked for at run time: a target folder may be shared by several clones.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
        let manifest = manifest.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = PathBuf::from(manifest);
        Self { root: manifest.parent().unwrap_or(&manifest).to_owned() }
    }

    /// A path in the tree.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A file's text.
    pub(crate) fn read(&self, relative: &str) -> Result<String, String> {
        let path = self.path(relative);
        fs::read_to_string(&path).map_err(|error| format!("{relative}: {error}"))
    }

    /// Every file that git has or would take, from the root, sorted.
    pub(crate) fn files(&self) -> Result<Vec<String>, String> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run git: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("git ls-files failed: {}", said.trim()));
        }
        let mut files = Vec::new();
        for name in output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let name = str::from_utf8(name).map_err(|_| "a file name is not UTF-8".to_owned())?;
            // A file may be deleted and still be in the index.
            if self.path(name).is_file() {
                files.push(name.to_owned());
            }
        }
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Every Rust source file.
    pub(crate) fn sources(&self) -> Result<Vec<String>, String> {
        let mut files = self.files()?;
        files.retain(|name| Path::new(name).extension() == Some(OsStr::new("rs")));
        Ok(files)
    }

    /// What cargo knows of a workspace; `""` is the root's.
    pub(crate) fn metadata(&self, workspace: &str) -> Result<Metadata, String> {
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
            .current_dir(self.root.join(workspace))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo metadata failed: {}", said.trim()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
    }

    /// A command to be run at the root, with nothing to read and so many minutes.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, minutes: u32) -> Command {
        let mut command = Command::new("timeout");
        // Where a person may press ^C, cargo has to stay in the foreground.
        if std::io::stdin().is_terminal() {
            command.arg("--foreground");
        }
        command.args(["--kill-after=30s", &format!("{minutes}m")]).arg(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// `cargo`, with so many minutes.
    pub(crate) fn cargo(&self, minutes: u32) -> Command {
        self.command(cargo(), minutes)
    }
}

/// The cargo that runs us.
fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a command and says what it was if it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let words = words(command);
    let status = command.status().map_err(|error| format!("cannot run `{words}`: {error}"))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(124 | 137) => Err(format!("`{words}` did not end in time")),
        Some(code) => Err(format!("`{words}` ended with status {code}")),
        None => Err(format!("`{words}` was killed ({status})")),
    }
}

/// The command as a person would type it, without the time limit.
fn words(command: &Command) -> String {
    let mut words = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .skip_while(|word| word.starts_with("--"))
        .skip(1)
        .collect::<Vec<_>>();
    if let Some(program) = words.first_mut()
        && let Some(name) = Path::new(program).file_name().map(|name| name.to_string_lossy())
    {
        *program = name.into_owned();
    }
    words.join(" ")
}

/// The folder for tools that CI installs.
pub(crate) fn tools() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("FWGATE_TOOLS") {
        return Some(folder.into());
    }
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    Some(home.join(".cache/fwgate/tools"))
}

/// A program in the folder of tools, or on PATH.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let own = tools().map(|folder| folder.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    own.into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs that run in guests, built so that they need no library there.
//!
//! *Invariants*: built in the lab's own target folder, so that the tree's own is left as it is; never
//! more than once for a run of the scenarios.
//!
//! *Not here*: who runs them (`trials`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cache::{Cache, fail, fresh_folder, remove, replace};
use crate::tree::{Metadata, Target, Tree, run};

/// What it is built for: named, so that the flags below are not for build scripts.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Minutes for one build.
const LIMIT: u32 = 40;

/// One program.
struct Program {
    /// In the guest.
    name: &'static str,
    /// What cargo makes: a binary, or a file of integration tests.
    kind: &'static str,
    /// Its name there.
    target: &'static str,
    features: &'static str,
}

const fn binary(name: &'static str, target: &'static str, features: &'static str) -> Program {
    Program { name, kind: "bin", target, features }
}

const PROGRAMS: &[Program] = &[
    binary("fwgate", "fwgate", ""),
    binary("fwgate-conformance", "fwgate-conformance", ""),
    binary("fwgate-proof", "fwgate-proof", ""),
    // Last of those with its name: cargo leaves it where the other was.
    binary("fwgate-raw", "fwgate", "raw-commands"),
    binary("fwgate-proof-raw", "fwgate-proof", "raw-commands"),
    // What the tests of discovery say of a machine with devices.
    Program { name: "test-discover", kind: "test", target: "discover", features: "" },
];

/// The programs that were built, in one folder.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) folder: PathBuf,
    pub(crate) names: BTreeSet<String>,
}

/// Builds every program that the tree has.
pub(crate) fn build(cache: &Cache, tree: &Tree) -> Result<Built, String> {
    let metadata = tree.metadata("")?;
    let new = cache.path("bin.new");
    fresh_folder(&new)?;
    let mut names = BTreeSet::new();
    // All of one kind and with the same features in one go.
    let mut lists: Vec<Vec<(&Program, String)>> = Vec::new();
    for program in PROGRAMS {
        let Some(package) = package_of(&metadata, program) else {
            println!("lab: programs: the tree has no {}", program.target);
            continue;
        };
        let same = |list: &&mut Vec<(&Program, String)>| {
            let (first, _) = &list[0];
            (first.kind, first.features) == (program.kind, program.features)
        };
        match lists.iter_mut().find(same) {
            Some(list) => list.push((program, package)),
            None => lists.push(vec![(program, package)]),
        }
    }
    for list in lists {
        let made = make(cache, tree, &list)?;
        for (program, _) in list {
            let from = made
                .get(program.target)
                .ok_or_else(|| format!("cargo made no {} `{}`", program.kind, program.target))?;
            strip(from, &new.join(program.name))?;
            names.insert(program.name.to_owned());
        }
    }
    let folder = cache.path("bin");
    replace(&new, &folder)?;
    Ok(Built { folder, names })
}

fn package_of(metadata: &Metadata, program: &Program) -> Option<String> {
    let has = |target: &Target| target.is(program.kind) && target.name == program.target;
    let package = metadata.packages.iter().find(|package| package.targets.iter().any(has));
    package.map(|package| package.name.clone())
}

/// Where cargo left what it made, by the target's name.
fn make(
    cache: &Cache,
    tree: &Tree,
    list: &[(&Program, String)],
) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut cargo = tree.cargo(LIMIT);
    let (first, _) = list[0];
    if first.kind == "test" {
        cargo.args(["test", "--no-run"]);
    } else {
        cargo.arg("build");
    }
    cargo
        .args(["--quiet", "--locked", "--target", TRIPLE, "--target-dir"])
        .arg(cache.path("target"));
    cargo.args(["--message-format", "json-render-diagnostics"]);
    for (program, package) in list {
        cargo.args(["--package", package, &format!("--{}", program.kind), program.target]);
    }
    if !first.features.is_empty() {
        cargo.args(["--features", first.features]);
    }
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
    let names: Vec<_> = list.iter().map(|(program, _)| program.name).collect();
    let output = cargo.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("building {} failed ({})", names.join(", "), output.status));
    }
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// From cargo's messages: each target that it made a program of.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let mut made = BTreeMap::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let name = message.pointer("/target/name").and_then(serde_json::Value::as_str);
        let path = message.get("executable").and_then(serde_json::Value::as_str);
        if let (Some(name), Some(path)) = (name, path) {
            made.insert(name.to_owned(), PathBuf::from(path));
        }
    }
    made
}

/// A copy without what a debugger needs: guests read it through a slow file system.
fn strip(from: &Path, to: &Path) -> Result<(), String> {
    run(Command::new("strip").arg("-g").arg("-o").arg(to).arg(from))
}

impl Built {
    /// Puts all programs into a share: into its `bin`, and as links beside it.
    pub(crate) fn copy(&self, share: &Path) -> Result<(), String> {
        fresh_folder(&share.join("bin"))?;
        for name in &self.names {
            let to = share.join("bin").join(name);
            fs::copy(self.folder.join(name), &to).map_err(|error| fail(&to, &error))?;
            let link = share.join(name);
            let made = std::os::unix::fs::symlink(format!("bin/{name}"), &link);
            made.map_err(|error| fail(&link, &error))?;
        }
        Ok(())
    }

    /// Takes them out again.
    pub(crate) fn take_out(&self, share: &Path) -> Result<(), String> {
        remove(&share.join("bin"))?;
        self.names.iter().try_for_each(|name| remove(&share.join(name)))
    }

    /// That a program is one of ours and was built.
    pub(crate) fn check(&self, program: &str) -> Result<(), String> {
        let ours = PROGRAMS.iter().any(|it| it.name == program);
        if ours && !self.names.contains(program) {
            return Err(format!("the tree has no {program}, and this scenario needs it"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_whose_program_is_not_built_cannot_pass() {
        let built =
            Built { folder: PathBuf::new(), names: ["fwgate".to_owned()].into_iter().collect() };
        built.check("fwgate").unwrap();
        built.check("boot-built.sh").unwrap();
        assert!(built.check("fwgate-proof").unwrap_err().contains("no fwgate-proof"));
    }

    #[test]
    fn programs_are_found_in_cargos_messages() {
        let messages = "{\"target\":{\"name\":\"lib\"},\"executable\":null}\nnoise\n\
            {\"target\":{\"name\":\"fwgate\"},\"executable\":\"/t/fwgate\"}\n";
        let made = executables(messages);
        assert_eq!(made.into_iter().collect::<Vec<_>>(), [("fwgate".into(), "/t/fwgate".into())]);
    }

    #[test]
    fn no_two_programs_have_one_name_in_the_guest() {
        let names: BTreeSet<_> = PROGRAMS.iter().map(|program| program.name).collect();
        assert_eq!(names.len(), PROGRAMS.len());
    }
}

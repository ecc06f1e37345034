// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stages that run a tool.
//!
//! *Not here*: stages that read the source themselves (`text`, `layers`).

use std::process::Stdio;

use crate::tree::{Metadata, Tree, run, tool, tools};

/// Every workspace of the tree.
const WORKSPACES: [&str; 3] = ["", "fuzz", "proofs/no-std"];
/// The version of cargo-deny that `.ci/run` installs.
const CARGO_DENY: &str = "0.20.2";

/// `cargo fmt --all --check`.
pub(super) fn fmt(tree: &Tree) -> Result<String, String> {
    for workspace in WORKSPACES {
        let manifest = tree.path(workspace).join("Cargo.toml");
        run(tree.cargo(5).args(["fmt", "--all", "--check", "--manifest-path"]).arg(manifest))?;
    }
    Ok(format!("{} source files", tree.sources()?.len()))
}

/// Every lock file says what its workspace needs now: the fuzz package and the proof have their
/// own, which change with the dependencies of our crates.
pub(super) fn locks(tree: &Tree) -> Result<String, String> {
    for workspace in WORKSPACES {
        let manifest = tree.path(workspace).join("Cargo.toml");
        let mut command = tree.cargo(5);
        command.args(["metadata", "--locked", "--format-version", "1", "--manifest-path"]);
        let what = run(command.arg(manifest).stdout(Stdio::null()));
        what.map_err(|what| {
            format!("{what}; `cargo xtask locks` brings all lock files up to date")
        })?;
    }
    Ok(format!("{} lock files", WORKSPACES.len()))
}

/// Brings every lock file up to date, changing no version that still fits.
pub(crate) fn update_locks(tree: &Tree) -> Result<(), String> {
    for workspace in WORKSPACES {
        let manifest = tree.path(workspace).join("Cargo.toml");
        run(tree.cargo(5).args(["update", "--workspace", "--manifest-path"]).arg(manifest))?;
    }
    Ok(())
}

/// `cargo clippy`, once with default features, then with none and with all where there are any.
pub(super) fn clippy(tree: &Tree) -> Result<String, String> {
    let lint = |args: &[&str]| {
        let mut command = tree.cargo(20);
        command.args(["clippy", "--locked", "--all-targets"]).args(args);
        run(command.args(["--", "-D", "warnings"]))
    };
    let metadata = tree.metadata("")?;
    lint(&["--workspace"])?;
    let mut more = 0;
    for package in metadata.packages.iter().filter(|package| !package.features.is_empty()) {
        for features in ["--no-default-features", "--all-features"] {
            lint(&["--package", &package.name, features])?;
            more += 1;
        }
    }
    Ok(format!("{}, {more} more runs for features", count(&metadata)))
}

/// `cargo doc` with every warning an error.
pub(super) fn docs(tree: &Tree) -> Result<String, String> {
    let mut command = tree.cargo(15);
    command
        .args(["doc", "--workspace", "--no-deps", "--locked"])
        .env("RUSTDOCFLAGS", "-D warnings");
    run(&mut command)?;
    Ok(format!("{} packages", tree.metadata("")?.packages.len()))
}

/// `cargo xtask gen --check`.
pub(super) fn generated(tree: &Tree) -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find xtask: {error}"))?;
    run(tree.command(own, 5).args(["gen", "--check"]))?;
    let files = tree.files()?;
    let data = files.iter().filter(|file| file.starts_with("data/")).count();
    Ok(format!("{data} data files"))
}

/// `cargo deny check bans licenses sources`, for what is shipped and for the fuzz package.
pub(super) fn deny(tree: &Tree) -> Result<String, String> {
    let Some(program) = tool("cargo-deny") else {
        let folder = tools().map(|folder| folder.display().to_string()).unwrap_or_default();
        return Err(format!(
            "cargo-deny is neither in {folder} nor on PATH; install it with `cargo install \
             --locked cargo-deny@{CARGO_DENY}`, or let `.ci/run` do it"
        ));
    };
    let mut packages = 0;
    for workspace in ["", "fuzz"] {
        let manifest = tree.path(workspace).join("Cargo.toml");
        let mut command = tree.command(&program, 10);
        command.arg("--manifest-path").arg(manifest).args(["--locked", "--log-level", "error"]);
        command.arg("--config").arg(tree.path("deny.toml"));
        run(command.args(["check", "bans", "licenses", "sources"]))?;
        let lock = tree.path(workspace).join("Cargo.lock");
        let lock = std::fs::read_to_string(&lock)
            .map_err(|error| format!("{}: {error}", lock.display()))?;
        packages += lock.lines().filter(|line| *line == "[[package]]").count();
    }
    Ok(format!("{packages} packages in two lock files"))
}

/// `cargo check --benches`: a release build only to see whether they compile is not worth it.
pub(super) fn bench_build(tree: &Tree) -> Result<String, String> {
    run(tree.cargo(15).args(["check", "--workspace", "--benches", "--locked"]))?;
    let metadata = tree.metadata("")?;
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    Ok(format!("{} benches", targets.filter(|target| target.is("bench")).count()))
}

fn count(metadata: &Metadata) -> String {
    let targets: usize = metadata.packages.iter().map(|package| package.targets.len()).sum();
    format!("{} packages with {targets} targets", metadata.packages.len())
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `no-std`: builds the proof that `wire` and `policy` need neither std nor an allocator.
//!
//! The proof is a static library with a panic handler of its own. It does not build once std comes
//! in through any dependency, since std brings a panic handler too, nor once an allocator is asked
//! for, since none is there.
//!
//! *Not here*: the proof (`proofs/no-std`).

use crate::tree::{Tree, run};

const PROOF: &str = "proofs/no-std";

/// Builds the proof.
pub(crate) fn check(tree: &Tree) -> Result<String, String> {
    let manifest = tree.path(PROOF).join("Cargo.toml");
    if !manifest.is_file() {
        return Err(format!("{PROOF}/Cargo.toml is not there"));
    }
    let target = tree.metadata("")?.target_directory.join("no-std");
    let metadata = tree.metadata(PROOF)?;
    let libraries: Vec<_> = metadata
        .packages
        .iter()
        .flat_map(|package| &package.targets)
        .filter(|target| target.is("staticlib"))
        .collect();
    if libraries.is_empty() {
        return Err(format!("{PROOF} builds no staticlib, so it proves nothing"));
    }
    let mut command = tree.cargo(10);
    command.args(["build", "--locked", "--manifest-path"]).arg(&manifest);
    run(command.arg("--target-dir").arg(&target))?;
    let mut built = 0;
    for library in libraries {
        let file = format!("lib{}.a", library.name.replace('-', "_"));
        let file = target.join("debug").join(file);
        let bytes =
            std::fs::metadata(&file).map_err(|error| format!("{}: {error}", file.display()))?.len();
        if bytes == 0 {
            return Err(format!("{} is empty", file.display()));
        }
        built += 1;
    }
    Ok(format!("{built} static library"))
}

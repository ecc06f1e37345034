// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every seed goes through its target, without libFuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fwgate_fuzz_targets::{CRATES, target};

/// The longest seed that is kept in the tree.
const MOST_BYTES: usize = 16 << 10;

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn every_seed_of_every_target_is_taken() {
    let mut replayed = 0;
    for (of, targets) in CRATES {
        for (name, run) in *targets {
            let seeds = entries(&seeds().join(of).join(name));
            assert!(!seeds.is_empty(), "target {of}/{name} has no seed");
            for seed in &seeds {
                let bytes = fs::read(seed).expect("a seed");
                assert!(bytes.len() <= MOST_BYTES, "{}: too long", seed.display());
                println!("{of}/{name} {}", seed.display());
                run(&bytes);
                replayed += 1;
            }
        }
    }
    let targets: usize = CRATES.iter().map(|(_, targets)| targets.len()).sum();
    println!("{replayed} seeds of {targets} targets");
    assert!(replayed >= targets);
}

#[test]
fn every_target_takes_nothing_and_a_few_simple_bytes() {
    for (_, targets) in CRATES {
        for (_, run) in *targets {
            run(&[]);
            run(&[0]);
            run(&[0xFF; 300]);
            run(&[0; 300]);
        }
    }
}

#[test]
fn there_are_no_seeds_without_a_target() {
    for of in entries(&seeds()) {
        for folder in entries(&of) {
            let (of, name) = (name(&of), name(&folder));
            assert!(target(&of, &name).is_some(), "seeds of {of}/{name}, which is no target");
        }
    }
}

#[test]
fn no_two_targets_of_a_crate_have_one_name() {
    for (of, targets) in CRATES {
        let names: BTreeSet<_> = targets.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), targets.len(), "{of}");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/proof.md` keeps its word: each promise that it names is in the specification, and each check that it
//! names is one of `fwgate-proof`.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources of `fwgate-proof` in one text.
fn sources() -> String {
    let folder = root().join("conformance/src/bin/fwgate-proof");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The rows that begin with a promise: its number, and the checks.
fn rows(text: &str) -> Vec<(&str, Vec<&str>)> {
    let row = |line| {
        let cells: Vec<&str> = str::trim_matches(line, '|').split('|').map(str::trim).collect();
        let [number, _, checks] = cells[..] else { return None };
        let checks = checks.split('`').skip(1).step_by(2).collect();
        number.starts_with("P-").then_some((number, checks))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn every_promise_and_every_check_that_the_page_names_is_there() {
    let page = fs::read_to_string(root().join("docs/proof.md")).unwrap();
    let specification = fs::read_to_string(root().join("docs/specification.md")).unwrap();
    let sources = sources();
    let rows = rows(&page);
    assert!(rows.len() >= 15, "rows were lost: {}", rows.len());
    for (number, checks) in rows {
        assert!(specification.contains(&format!("| {number} |")), "no promise {number}");
        assert!(!checks.is_empty(), "{number} names no check");
        for check in checks {
            assert!(sources.contains(&format!("\"{check}\"")), "{number}: no check `{check}`");
        }
    }
}

#[test]
fn every_scenario_of_the_program_is_run_in_the_lab() {
    let sources = sources();
    let table = fs::read_to_string(root().join("xtask/src/lab/scenarios.rs")).unwrap();
    let listed = sources.split("const SCENARIOS").nth(1).unwrap().split("];").next().unwrap();
    let names: Vec<&str> =
        listed.split("(\"").skip(1).filter_map(|it| it.split('"').next()).collect();
    assert!(names.len() >= 15, "{names:?}");
    for name in names {
        assert!(table.contains(&format!("\"{name}\"")), "no scenario of the lab runs `{name}`");
    }
}

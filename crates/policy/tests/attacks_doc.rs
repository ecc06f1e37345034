// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each test of this crate that `docs/attacks.md` names exists.

use std::fs;
use std::path::Path;

const PREFIX: &str = "`fwgate-policy::";

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Whether `crate::file::module::name` is a test in the file that the path says.
fn exists(path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let Some((name, modules)) = parts.split_last() else { return false };
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = match modules {
        [file, "tests"] => crate_folder.join("src").join(format!("{file}.rs")),
        _ => crate_folder.join("tests").join(format!("{}.rs", modules.join("/"))),
    };
    let Ok(text) = fs::read_to_string(&file) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| {
        pair[0] == "#[test]"
            && pair[1]
                .strip_prefix("fn ")
                .and_then(|it| it.split_once('('))
                .is_some_and(|it| it.0 == *name)
    })
}

#[test]
fn every_policy_test_that_the_attacks_name_exists() {
    let text = fs::read_to_string(repository().join("docs/attacks.md")).unwrap();
    let mut named = 0;
    for (number, line) in text.lines().enumerate() {
        for rest in line.split(PREFIX).skip(1) {
            let (path, _) = rest.split_once('`').unwrap_or_else(|| panic!("line {}", number + 1));
            assert!(exists(path), "line {}: no test `{path}`", number + 1);
            named += 1;
        }
    }
    assert!(named >= 40, "only {named} tests are named");
}

#[test]
fn every_row_has_an_attack_a_reason_and_a_test() {
    let text = fs::read_to_string(repository().join("docs/attacks.md")).unwrap();
    let table = |line: &&str| {
        line.starts_with('|') && !line.starts_with("|--") && !line.starts_with("| attack")
    };
    for line in text.lines().filter(table) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{line}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{line}");
        assert!(cells[2].contains("::") && cells[2].contains('`'), "{line}");
    }
}

#[test]
fn a_name_that_is_no_test_is_noticed() {
    assert!(exists("attacks_doc::a_name_that_is_no_test_is_noticed"));
    assert!(exists("effects::tests::names_go_both_ways"));
    assert!(!exists("attacks_doc::exists"));
    assert!(!exists("attacks_doc::no_such_test"));
    assert!(!exists("no_such_file::names_go_both_ways"));
    assert!(!exists(""));
}

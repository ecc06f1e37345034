// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/specification.md` keeps its word: each promise has a number and at least one test, and
//! each test that a document names is a test in the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One row: its number, its words, and the tests it names.
#[derive(Debug)]
struct Promise<'t> {
    line: usize,
    number: &'t str,
    words: &'t str,
    tests: Vec<&'t str>,
}

/// The rows that begin with a number; `Err` where a table's row does not have three cells.
fn promises(text: &str) -> Result<Vec<Promise<'_>>, String> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let head = ["| number |", "|---"].iter().any(|head| line.starts_with(head));
        if !line.starts_with('|') || head {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, words, tests] = cells[..] else {
            return Err(format!("line {}: {} cells, 3 expected", at + 1, cells.len()));
        };
        // Every second piece between backticks is a name.
        let tests = tests.split('`').skip(1).step_by(2).collect();
        found.push(Promise { line: at + 1, number, words, tests });
    }
    Ok(found)
}

/// What is wrong with the promises.
fn problems(promises: &[Promise<'_>], exists: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    let mut last: BTreeMap<&str, u32> = BTreeMap::new();
    for promise in promises {
        let mut say = |what: String| problems.push(format!("line {}: {what}", promise.line));
        let Some((group, number)) = promise.number.rsplit_once('-') else {
            say(format!("`{}` is no number", promise.number));
            continue;
        };
        let before = last.get(group).copied().unwrap_or(0);
        if !group.starts_with("P-") || number.parse() != Ok(before + 1) {
            say(format!("`{}` does not follow {group}-{before}", promise.number));
        }
        last.insert(group, before + 1);
        if promise.words.is_empty() {
            say(format!("`{}` promises nothing", promise.number));
        }
        if promise.tests.is_empty() {
            say(format!("`{}` has no test", promise.number));
        }
        for test in &promise.tests {
            match test.split_once("::") {
                Some((file, name)) if exists(file, name) => {}
                _ => say(format!("no test `{test}`")),
            }
        }
    }
    problems
}

/// Whether this source has a test of that name. Attributes and comments may stand between.
fn has_test(source: &str, name: &str) -> bool {
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        if line == "#[test]" {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            let ends = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            if marked && rest.split(ends).next() == Some(name) {
                return true;
            }
            marked = false;
        } else if !(line.is_empty() || line.starts_with("#[") || line.starts_with("//")) {
            marked = false;
        }
    }
    false
}

fn in_the_tree(file: &str, name: &str) -> bool {
    let inside = file.ends_with(".rs") && !file.contains("..") && !file.starts_with('/');
    inside && fs::read_to_string(root().join(file)).is_ok_and(|source| has_test(&source, name))
}

#[test]
fn every_promise_has_a_number_and_a_test_that_exists() {
    let text = fs::read_to_string(root().join("docs/specification.md")).unwrap();
    let promises = promises(&text).unwrap();
    let problems = problems(&promises, in_the_tree);
    assert!(problems.is_empty(), "docs/specification.md:\n{}", problems.join("\n"));
    assert!(promises.len() >= 60, "promises were lost: {}", promises.len());
}

#[test]
fn every_test_that_the_attacks_name_by_its_file_exists() {
    let text = fs::read_to_string(root().join("docs/attacks.md")).unwrap();
    let mut named = 0;
    for (at, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let names = line.split('`').skip(1).step_by(2);
        for (file, name) in names.filter_map(|it| it.split_once(".rs::")) {
            let file = format!("{file}.rs");
            assert!(in_the_tree(&file, name), "line {}: no test `{file}::{name}`", at + 1);
            named += 1;
        }
    }
    assert!(named >= 30, "only {named} tests are named by their file");
}

#[test]
fn a_promise_that_is_not_kept_is_found() {
    let row = |number: &str, tests: &str| format!("| {number} | words | {tests} |\n");
    let good = "`a.rs::yes`";
    for (text, what) in [
        (row("P-X-1", "none"), "has no test"),
        (row("P-X-1", "`a.rs::no`"), "no test `a.rs::no`"),
        (row("P-X-1", "`yes`"), "no test `yes`"),
        (row("P-X-2", good), "does not follow P-X-0"),
        (row("P-X-1", good) + &row("P-X-1", good), "does not follow P-X-1"),
        (row("X-1", good), "does not follow X-0"),
        ("| P-X-1 |  | `a.rs::yes` |\n".to_owned(), "promises nothing"),
    ] {
        let problems = problems(&promises(&text).unwrap(), |_, name| name == "yes");
        assert!(problems.iter().any(|it| it.contains(what)), "{text}: {problems:?}");
    }
    assert!(promises("| P-X-1 | words |\n").is_err());
    let text = row("P-X-1", good) + &row("P-Y-1", good) + &row("P-X-2", good);
    assert!(problems(&promises(&text).unwrap(), |_, name| name == "yes").is_empty());
}

#[test]
fn a_function_that_is_no_test_is_not_taken_for_one() {
    let source = "#[test]\n// why\n#[cfg(unix)]\nfn yes() {}\nfn no() {}\n\
                  proptest! {\n    #[test]\n    fn drawn(x in 0..9) {}\n}\n#[test]\nstruct S;\nfn helper() {}\n";
    for name in ["yes", "drawn"] {
        assert!(has_test(source, name), "{name}");
    }
    for name in ["no", "ye", "helper", "S", ""] {
        assert!(!has_test(source, name), "{name}");
    }
    assert!(!in_the_tree("../main/crates/gate/tests/road.rs", "nothing_but_the_road_compiles"));
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README's commands are run in order, in a fresh state folder, and end as it says.
//!
//! Blocks marked `console` hold `$ command` lines, what the command prints, and `? N` where it
//! ends with another status than 0. `...` on a line of its own stands for any number of lines.
//! Blanks count as one; times, hashes, record numbers and the state folder do not count.
//! `<!-- test: status only -->` before a block leaves its output out of the comparison.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One command of the README, and what is said of it.
#[derive(Debug)]
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
    status: i32,
    compare: bool,
}

/// The commands of the console blocks, in order.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut inside, mut compare) = (false, true);
    for (at, line) in text.lines().enumerate() {
        if line == "```console" {
            inside = true;
        } else if line == "```" {
            (inside, compare) = (false, true);
        } else if !inside {
            compare = compare && line != "<!-- test: status only -->";
        } else if let Some(command) = line.strip_prefix("$ ") {
            let command = command.to_owned();
            steps.push(Step { line: at + 1, command, expected: Vec::new(), status: 0, compare });
        } else {
            let step = steps.last_mut().expect("a block begins with a command");
            match line.strip_prefix("? ") {
                Some(status) => step.status = status.parse().expect("a status"),
                None => step.expected.push(line.to_owned()),
            }
        }
    }
    steps
}

/// A line without what differs from run to run.
fn settled(line: &str, state: &str) -> String {
    let line = line.replace(state, "$FWGATE_STATE_DIR");
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|it| it.is_ascii_digit());
    let mut out = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let bare = word.trim_end_matches([',', ';']);
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
        let after = words.get(at + 1).copied().unwrap_or_default();
        let hash = bare.len() == 64 && bare.bytes().all(|it| it.is_ascii_hexdigit());
        let varies = is_number(bare)
            && (matches!(before, "record" | "uptime_us" | "records") || after.starts_with("us"));
        out.push(if varies || hash { "#" } else { word });
    }
    out.join(" ")
}

/// Whether these lines are the expected ones; `...` stands for any number.
fn matches(expected: &[String], found: &[String]) -> bool {
    match expected {
        [] => found.is_empty(),
        [dots, rest @ ..] if dots == "..." => {
            (0..=found.len()).any(|skipped| matches(rest, &found[skipped..]))
        }
        [first, rest @ ..] => {
            found.split_first().is_some_and(|(line, more)| line == first && matches(rest, more))
        }
    }
}

#[test]
fn the_readme_is_true() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let steps = steps(&text);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_fwgate")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    for step in &steps {
        let output = Command::new("sh")
            .args(["-c", &step.command])
            .current_dir(root())
            .env("PATH", &path)
            .env("FWGATE_STATE_DIR", state)
            .env_remove("FWGATE_EMU_FAULTS")
            .env_remove("COLUMNS")
            .output()
            .unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let what = format!("README.md, line {}: $ {}\n{printed}", step.line, step.command);
        assert_eq!(output.status.code(), Some(step.status), "{what}");
        let silent = !step.command.starts_with("fwgate ") || step.command.contains(" > ");
        assert_eq!(printed.is_empty(), silent, "{what}");
        let settle = |line: &str| settled(line, state);
        let expected: Vec<String> = step.expected.iter().map(|line| settle(line)).collect();
        let found: Vec<String> = printed.lines().map(settle).collect();
        assert!(!step.compare || matches(&expected, &found), "{what}");
    }
    let of_fwgate = steps.iter().filter(|step| step.command.starts_with("fwgate "));
    assert!(of_fwgate.count() >= 15, "the README has lost its commands");
    let refused = [3, 8, 9].iter().all(|status| steps.iter().any(|step| step.status == *status));
    assert!(refused, "the README shows no refusal");
}

#[test]
fn the_readme_names_no_file_that_is_not_there() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let links: Vec<&str> = links.map(|(link, _)| link).collect();
    assert!(links.len() >= 12, "{links:?}");
    for link in links {
        assert!(root().join(link).exists(), "`{link}` is not there");
    }
}

#[test]
fn what_differs_from_the_readme_is_noticed() {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let found = lines(&["a", "b", "c"]);
    for expected in [&["a", "b", "c"][..], &["..."], &["...", "c"], &["a", "...", "b", "c"]] {
        assert!(matches(&lines(expected), &found), "{expected:?}");
    }
    for expected in [&["a", "b"][..], &["a", "..."][..1], &["...", "b"], &["b", "..."], &[]] {
        assert!(!matches(&lines(expected), &found), "{expected:?}");
    }
    let settle = |line: &str| settled(line, "/tmp/x");
    assert_eq!(
        settle("done; 64 bytes;  21 us; record 37"),
        settle("done; 64 bytes; 9 us; record 5")
    );
    assert_ne!(
        settle("done; 64 bytes; 21 us; record 37"),
        settle("done; 63 bytes; 21 us; record 37")
    );
    assert_eq!(settle("15 pages in /tmp/x/man"), "15 pages in $FWGATE_STATE_DIR/man");
    let text =
        "```console\n$ one\nout\n? 3\n```\n<!-- test: status only -->\n```console\n$ two\n```\n";
    let steps = steps(text);
    assert_eq!((steps[0].status, steps[0].compare, steps[0].expected.len()), (3, true, 1));
    assert_eq!((steps[1].status, steps[1].compare, steps[1].line), (0, false, 8));
}

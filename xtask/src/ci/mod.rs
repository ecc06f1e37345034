// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ci`: everything that a change has to pass, stage by stage; what CI runs after the tests.
//!
//! *Invariants*: a stage that could not run has failed. Each prints its minutes and a count of what
//! it looked at, and the first failure ends the run with the stage's name.
//!
//! *Not here*: the tests (`cargo test --workspace`); installing tools (`.ci/run`).

mod stages;
mod text;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use crate::tree::Tree;

/// One stage.
struct Stage {
    name: &'static str,
    about: &'static str,
    /// What it looked at, or what is wrong.
    run: fn(&Tree) -> Result<String, String>,
}

/// Cheap ones first.
const STAGES: &[Stage] = &[
    Stage { name: "fmt", about: "source is formatted", run: stages::fmt },
    Stage { name: "locks", about: "lock files are up to date", run: stages::locks },
    Stage { name: "words", about: "no word that belongs to one machine", run: text::words },
    Stage { name: "long-files", about: "no source file over 600 lines", run: text::long_files },
    Stage {
        name: "layers",
        about: "who uses whom, unsafe, raw senders",
        run: crate::layers::check,
    },
    Stage { name: "gen", about: "generated files are those of data/", run: stages::generated },
    Stage { name: "clippy", about: "lints, all features and none", run: stages::clippy },
    Stage { name: "docs", about: "documentation builds without a warning", run: stages::docs },
    Stage { name: "no-std", about: "wire and policy need no std", run: crate::no_std::check },
    Stage { name: "deny", about: "bans, licences and sources", run: stages::deny },
    Stage { name: "bench-build", about: "the benches compile", run: stages::bench_build },
    Stage { name: "fuzz", about: "every fuzz target for a while", run: crate::fuzz::smoke },
];

/// Runs the chore.
pub(crate) fn run(args: &[String]) -> ExitCode {
    if matches!(args, [only] if only == "--list") {
        for stage in STAGES {
            println!("{:<12} {}", stage.name, stage.about);
        }
        return ExitCode::SUCCESS;
    }
    let wanted = match wanted(args) {
        Ok(wanted) => wanted,
        Err(what) => return crate::usage(&what),
    };
    let tree = Tree::here();
    let mut rows = Vec::new();
    for stage in wanted {
        println!("== {}: {}", stage.name, stage.about);
        let began = Instant::now();
        let result = (stage.run)(&tree);
        let minutes = began.elapsed().as_secs_f64() / 60.0;
        let (word, what) = match &result {
            Ok(count) => ("ok", count.clone()),
            Err(_) => ("FAILED", String::new()),
        };
        let row = Row { name: stage.name, minutes, word, what };
        println!("== {row}");
        note(&row);
        rows.push(row);
        if let Err(what) = result {
            eprintln!("xtask ci: stage `{}` failed: {what}", stage.name);
            eprintln!("xtask ci: run it alone with `cargo xtask ci {}`", stage.name);
            return ExitCode::FAILURE;
        }
    }
    println!("\nall {} stages passed", rows.len());
    for row in &rows {
        println!("  {row}");
    }
    ExitCode::SUCCESS
}

/// `locks`: brings the lock files of all workspaces up to date.
pub(crate) fn locks(args: &[String]) -> ExitCode {
    if !args.is_empty() {
        return crate::usage("`locks` takes nothing");
    }
    match stages::update_locks(&Tree::here()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("xtask locks: {what}");
            ExitCode::FAILURE
        }
    }
}

/// A stage that has run.
struct Row {
    name: &'static str,
    minutes: f64,
    word: &'static str,
    what: String,
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, minutes, word, what } = self;
        write!(f, "{name:<12} {word:<6} {minutes:>6.2} min  {what}")
    }
}

/// Adds the row to the table of whoever runs us, if they want one.
fn note(row: &Row) {
    let Some(path) = std::env::var_os("FWGATE_CI_TABLE") else { return };
    let line = format!("{}\t{:.2}\t{}\t{}\n", row.name, row.minutes, row.word, row.what);
    let file = OpenOptions::new().append(true).create(true).open(&path);
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("xtask ci: {}: {error}", path.to_string_lossy());
    }
}

fn wanted(args: &[String]) -> Result<Vec<&'static Stage>, String> {
    if args.is_empty() {
        return Ok(STAGES.iter().collect());
    }
    args.iter()
        .map(|name| {
            STAGES.iter().find(|stage| stage.name == *name).ok_or_else(|| {
                let known: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
                format!("no stage `{name}`; there are {}", known.join(", "))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_stages_have_one_name() {
        for (at, stage) in STAGES.iter().enumerate() {
            assert!(STAGES[..at].iter().all(|other| other.name != stage.name), "{}", stage.name);
        }
    }

    #[test]
    fn an_unknown_stage_is_named_with_the_known_ones() {
        let error = wanted(&["fmt".to_owned(), "lint".to_owned()]).err().unwrap();
        assert!(error.starts_with("no stage `lint`; there are fmt, "), "{error}");
    }

    #[test]
    fn no_stage_named_means_all_of_them() {
        assert_eq!(wanted(&[]).ok().unwrap().len(), STAGES.len());
    }
}

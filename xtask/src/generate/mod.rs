// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gen`: turns `data/*.toml` into const tables and docs.
//!
//! The data files are written by hand and are not trusted to be right: each error names its file
//! and its row.
//!
//! *Invariants*: the same data make the same bytes; nothing is written unless all of it is valid.
//!
//! *Not here*: what the rows mean (`fwgate-policy`, `fwgate-wire`).

mod docs;
mod policy;
mod rows;
mod rust;
#[cfg(test)]
mod tests;
mod validate;
mod vocabulary;
mod wire;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rows::Data;

/// Something wrong with the data, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// The file, from the root of the tree.
    pub(crate) file: String,
    /// The row; empty where the file as a whole is meant.
    pub(crate) row: String,
    /// What is wrong.
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.row.is_empty() {
            write!(f, "{}: {}", self.file, self.what)
        } else {
            write!(f, "{}: {}: {}", self.file, self.row, self.what)
        }
    }
}

/// A generated file: its path from the root of the tree, and its text.
type Output = (&'static str, String);

/// Runs the chore.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let check = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => return crate::usage("`gen` takes nothing but `--check`"),
    };
    let root = root();
    let result = outputs(&root)
        .and_then(|outputs| if check { compare(&root, &outputs) } else { write(&root, &outputs) });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            for problem in &problems {
                eprintln!("xtask gen: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The root of the tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Reads, validates and renders everything.
fn outputs(root: &Path) -> Result<Vec<Output>, Vec<Problem>> {
    let data = rows::load(root).map_err(|problem| vec![problem])?;
    render(&data)
}

/// Validates and renders everything.
fn render(data: &Data) -> Result<Vec<Output>, Vec<Problem>> {
    let problems = validate::all(data);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(vec![
        ("crates/policy/src/tables/builtin_gen.rs", policy::tables(data)),
        ("crates/wire/src/cxl/table/commands_gen.rs", wire::cxl(data)),
        ("crates/wire/src/nvme/table/commands_gen.rs", wire::nvme(data)),
        ("crates/wire/src/fwctl/table/commands_gen.rs", wire::fwctl(data)),
        ("docs/commands-cxl.md", docs::cxl(data)),
        ("docs/commands-fwctl.md", docs::fwctl(data)),
        ("docs/commands-nvme.md", docs::nvme(data)),
        ("docs/stances.md", docs::stances(data)),
    ])
}

/// Writes the files that differ.
fn write(root: &Path, outputs: &[Output]) -> Result<(), Vec<Problem>> {
    for (path, text) in outputs {
        let full = root.join(path);
        if fs::read_to_string(&full).is_ok_and(|found| found == *text) {
            continue;
        }
        let done = full.parent().map_or(Ok(()), fs::create_dir_all);
        done.and_then(|()| fs::write(&full, text)).map_err(|error| {
            vec![Problem { file: (*path).into(), row: String::new(), what: error.to_string() }]
        })?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Fails with the first difference.
fn compare(root: &Path, outputs: &[Output]) -> Result<(), Vec<Problem>> {
    for (path, text) in outputs {
        let problem = |row: String, what: String| vec![Problem { file: (*path).into(), row, what }];
        let found = fs::read_to_string(root.join(path))
            .map_err(|error| problem(String::new(), error.to_string()))?;
        if found == *text {
            continue;
        }
        let mut ours = text.lines();
        let mut theirs = found.lines();
        for line in 1.. {
            let (made, there) = (ours.next(), theirs.next());
            if made == there && made.is_some() {
                continue;
            }
            let name = |line: Option<&str>| line.map_or("nothing".into(), |it| format!("`{it}`"));
            let what = format!("run `cargo xtask gen`: made {}, found {}", name(made), name(there));
            return Err(problem(format!("line {line}"), what));
        }
    }
    Ok(())
}

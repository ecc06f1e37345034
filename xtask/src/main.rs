// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chores of the tree: `cargo xtask NAME`.
//!
//! Input is the tree itself and is trusted not to be hostile, but not to be right.
//!
//! *Invariants*: one module per chore; each answers whether it found something.
//!
//! *Not here*: the chores.

mod bench;
mod ci;
mod fuzz;
mod generate;
mod lab;
mod layers;
mod no_std;
mod tree;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask CHORE

chores:
    gen            make the generated Rust and docs from data/
    gen --check    write nothing, fail with the first difference
    ci [STAGE...]  everything that a change has to pass; `ci --list` names the stages
    locks          bring the lock files of all workspaces up to date
    lab up [--newest]
                   make what virtual machines with real kernels are made of
    lab run [--kernel built|stock] [--modules cxl|raw0|noexcl|test|none] [--append ARGS]
            [--memory MIB] [--processors N] [--limit SECONDS] [--shell] DIR
                   boot one, and run DIR/run.sh in it
    lab run --full [--limit SECONDS] DIR
                   the same in Debian with systemd
    lab test [fast|full|all] [--list] [NAME...]
                   run scenarios in them and print a table
    layers         who uses whom, unsafe, raw senders
    fuzz [--seconds N] [--target CRATE[/NAME]]
                   run the fuzz targets, one minute each unless told otherwise
    bench [NAME]   run the benches and print each budget beside its result
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let chore = args.next();
    let rest: Vec<String> = args.collect();
    match chore.as_deref() {
        Some("gen") => generate::run(&rest),
        Some("ci") => ci::run(&rest),
        Some("locks") => ci::locks(&rest),
        Some("lab") => lab::run(&rest),
        Some("layers") => layers::run(&rest),
        Some("fuzz") => fuzz::run(&rest),
        Some("bench") => bench::run(&rest),
        Some("help" | "-h" | "--help") => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Some(other) => usage(&format!("no chore `{other}`")),
        None => usage("no chore named"),
    }
}

/// Says what was wrong with the command line.
pub(crate) fn usage(what: &str) -> ExitCode {
    eprintln!("xtask: {what}\n\n{USAGE}");
    ExitCode::from(2)
}

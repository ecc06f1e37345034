// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fwgate`: the gate through which programs send firmware commands, on the command line.
//!
//! Arguments, files and devices are hostile.
//!
//! *Invariants*: every command goes through `fwgate_gate::Gate`. Every way to end has a documented
//! status (`exit`).
//!
//! *Not here*: judging (`fwgate-policy`), sending and recording (`fwgate-gate`).

mod app;
mod cli;
mod command;
mod confirm;
mod decode;
mod devices;
mod error;
mod exit;
mod files;
mod interrupt;
mod job;
mod lock;
mod log_file;
mod machine;
mod message;
mod output;
mod person;
mod progress;
mod state;
mod time;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::run(std::env::args_os().collect()).into()
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proves on a real kernel what the documents promise: runs in the lab's guests, as root.
//!
//! `fwgate-proof SCENARIO...` prints `ok NAME` or `FAIL NAME: why` for each check and ends
//! with 0 only if all is ok. It takes devices away, sets features and injects errors: it is for guests.
//!
//! Everything that it talks to is real: sysfs, nodes, ioctls, the gate. Only the journal is in memory, and the
//! site permits everything where the other steps are to show.
//!
//! *Invariants*: a check that panics or cannot be made has failed; nothing is left out in silence.
//!
//! *Not here*: the guests (`cargo xtask lab`), the order of the kernel's own checks (`fwgate-conformance`).

mod bad_input;
mod cli;
mod discovery;
mod doctor;
mod facts;
mod features;
mod interfaces;
mod lockdown;
mod memdev;
mod nvme;
mod raw;
mod removal;
mod report;
mod rig;
mod rights;
mod says;

use std::process::ExitCode;

use report::Report;

/// Makes its checks.
type Scenario = fn(&mut Report);

/// The scenarios, by name.
const SCENARIOS: &[(&str, Scenario)] = &[
    ("discovery", discovery::run),
    ("facts", facts::run),
    ("memdev", memdev::run),
    ("nvme", nvme::run),
    ("features", features::run),
    ("features-standard", features::run_standard),
    ("rights", rights::run),
    ("raw", raw::run),
    ("lockdown", lockdown::run),
    ("doctor", doctor::run),
    ("doctor-stock", doctor::run_stock),
    ("bad-input", bad_input::run),
    ("removal", removal::run),
    ("cli", cli::run),
    ("cli-mock", cli::run_mock),
    ("interfaces", interfaces::run),
    ("interfaces-mock", interfaces::run_mock),
];

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match names.split_first() {
        Some((first, rest)) if first == says::CHILD => return says::child(rest),
        Some((first, rest)) if first == says::GATE => return says::gate_child(rest),
        Some((first, rest)) if first == says::KEEPER => return says::keeper(rest),
        _ => {}
    }
    let known = |name: &String| SCENARIOS.iter().find(|(it, _)| it == name);
    if names.is_empty() || names.iter().any(|name| known(name).is_none()) {
        let all: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        eprintln!("fwgate-proof SCENARIO..., of: {}", all.join(" "));
        return ExitCode::from(2);
    }
    // The check's own line says it.
    std::panic::set_hook(Box::new(|_| ()));
    let mut report = Report::default();
    for (name, run) in names.iter().filter_map(known) {
        println!("{name}:");
        run(&mut report);
    }
    if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

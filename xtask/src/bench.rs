// SPDX-License-Identifier: MIT OR Apache-2.0
//! `bench`: runs the benches in release and prints each budget beside its result.
//!
//! Times come from criterion's own files (the median). What criterion does not measure, a bench
//! prints as `<bench id>: <number> <what>, <number> <what>`, and it is read from there. The whole
//! process `fwgate effects --from FILE` is run here, turn about with its peer `nvme list`.
//!
//! *Invariants*: only results of this run count. A budget without a result is shown as not
//! measured, with the reason, and fails the run as one that is exceeded does.
//!
//! *Not here*: the benches (`crates/*/benches`).

mod process;
mod results;

use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::SystemTime;

use crate::tree::Tree;
use results::{Measure, Results};

/// One promise of speed or size.
struct Budget {
    what: &'static str,
    /// Criterion's id, or that of the line that the bench prints.
    id: &'static str,
    measure: Measure,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Shown, with no promise.
    Shown,
}

const fn time(what: &'static str, id: &'static str, limit: Limit) -> Budget {
    Budget { what, id, measure: Measure::Time, limit }
}

const fn printed(what: &'static str, id: &'static str, unit: &'static str, limit: Limit) -> Budget {
    Budget { what, id, measure: Measure::Printed(unit), limit }
}

/// Times in nanoseconds.
const BUDGETS: &[Budget] = &[
    time("judge, opaque opcode, no site policy", "judge/opaque", Limit::AtMost(200.0)),
    printed("judge, allocations", "judge/opaque", "allocations", Limit::AtMost(0.0)),
    time("cached verdict", "gate/verdict-cached", Limit::AtMost(40.0)),
    time("uncached verdict, with explanation", "gate/verdict-cold", Limit::Shown),
    time("gate overhead on a read, on record", "gate/read-on-record", Limit::AtMost(4_000.0)),
    time("journal append, to the kernel", "journal/append", Limit::Shown),
    time("journal append, in memory", "journal/append-memory", Limit::Shown),
    time("durable record, 1 caller", "journal/synced-1-callers", Limit::Shown),
    time("durable record, 8 callers", "journal/synced-8-callers", Limit::Shown),
    time("durable record, 64 callers", "journal/synced-64-callers", Limit::Shown),
    printed("syncs per record, 1 caller", "journal/synced-1-callers", "syncs", Limit::Shown),
    printed("syncs per record, 8 callers", "journal/synced-8-callers", "syncs", Limit::Shown),
    printed("syncs per record, 64 callers", "journal/synced-64-callers", "syncs", Limit::Shown),
    printed(
        "durable records a second, 64 callers",
        "journal/synced-64-callers",
        "records/s",
        Limit::AtLeast(1_000.0),
    ),
    time("effects log decoded, 31 rows", "cel/31 rows", Limit::Shown),
    time("effects log decoded, 262144 rows", "cel/262144 rows", Limit::Shown),
    time("fwgate effects --from, whole process", process::FWGATE, Limit::Shown),
    time("nvme list, whole process", process::NVME, Limit::Shown),
    printed("fwgate effects / nvme list", process::FWGATE, process::RATIO, Limit::AtMost(1.5)),
    printed(
        "fwgate effects --from, resident at most",
        process::FWGATE,
        process::MIB,
        Limit::AtMost(12.0),
    ),
];

/// Runs the chore. A word picks the benches whose id contains it.
pub(crate) fn run(args: &[String]) -> ExitCode {
    match args {
        [hidden, program @ ..] if hidden == process::RUSAGE => process::rusage(program),
        [] => report(&Tree::here(), ""),
        [filter] if !filter.starts_with('-') => report(&Tree::here(), filter),
        _ => crate::usage("`bench` takes at most a part of a bench's id"),
    }
}

fn report(tree: &Tree, filter: &str) -> ExitCode {
    let measured = measure(tree, filter);
    let results = match measured {
        Ok(results) => results,
        Err(what) => {
            eprintln!("xtask bench: {what}");
            return ExitCode::FAILURE;
        }
    };
    let chosen = BUDGETS.iter().filter(|budget| budget.id.contains(filter));
    let rows: Vec<_> = chosen.map(|budget| row(budget, &results)).collect();
    println!("\n{:<42} {:>12} {:>12}  verdict", "what", "budget", "result");
    for row in &rows {
        println!("{:<42} {:>12} {:>12}  {}", row.what, row.budget, row.result, row.verdict);
    }
    for (id, nanoseconds) in results.times() {
        if id.contains(filter) && BUDGETS.iter().all(|budget| budget.id != id) {
            println!("{id:<42} {:>12} {:>12}  no budget", "", nanos(nanoseconds));
        }
    }
    for (id, why) in results.missing() {
        println!("{id}: not measured: {why}");
    }
    let bad = rows.iter().filter(|row| !row.good).count();
    println!("{} rows, {bad} over budget or not measured", rows.len());
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Row {
    what: &'static str,
    budget: String,
    result: String,
    verdict: &'static str,
    good: bool,
}

fn row(budget: &Budget, results: &Results) -> Row {
    let show = |number| match budget.measure {
        Measure::Time => nanos(number),
        Measure::Printed(_) => format!("{number:.2}"),
    };
    let found = results.get(budget.id, budget.measure);
    let (verdict, good) = match (found, budget.limit) {
        (None, _) => ("NOT MEASURED", false),
        (Some(_), Limit::Shown) => ("no budget", true),
        (Some(it), Limit::AtMost(limit)) if it <= limit => ("within", true),
        (Some(it), Limit::AtLeast(limit)) if it >= limit => ("within", true),
        (Some(_), _) => ("OVER", false),
    };
    let limit = match budget.limit {
        Limit::AtMost(limit) => format!("<= {}", show(limit)),
        Limit::AtLeast(limit) => format!(">= {}", show(limit)),
        Limit::Shown => "-".to_owned(),
    };
    let result = found.map_or_else(|| "-".to_owned(), show);
    Row { what: budget.what, budget: limit, result, verdict, good }
}

/// Runs everything.
fn measure(tree: &Tree, filter: &str) -> Result<Results, String> {
    // Criterion's files carry whole seconds at worst.
    let began = SystemTime::now() - std::time::Duration::from_secs(1);
    let metadata = tree.metadata("")?;
    let mut results = Results::default();
    for package in &metadata.packages {
        for bench in package.targets.iter().filter(|target| target.is("bench")) {
            println!("== {} {}", package.name, bench.name);
            let mut command = tree.cargo(60);
            command.args(["bench", "--locked", "--package", &package.name, "--bench", &bench.name]);
            if !filter.is_empty() {
                command.args(["--", filter]);
            }
            let mut child = command
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|error| format!("cannot run cargo bench: {error}"))?;
            if let Some(out) = child.stdout.take() {
                for line in BufReader::new(out).lines() {
                    let line = line.map_err(|error| format!("cargo bench: {error}"))?;
                    println!("{line}");
                    results.read_line(&line);
                }
            }
            let status = child.wait().map_err(|error| format!("cargo bench: {error}"))?;
            if !status.success() {
                return Err(format!("bench `{}` of {}: {status}", bench.name, package.name));
            }
        }
    }
    results.read_criterion(&metadata.target_directory.join("criterion"), began)?;
    if process::FWGATE.contains(filter) || process::NVME.contains(filter) {
        process::measure(tree, &metadata.target_directory, &mut results)?;
    }
    Ok(results)
}

/// A time in the unit that suits it.
fn nanos(nanoseconds: f64) -> String {
    match nanoseconds {
        it if it < 1e3 => format!("{it:.1} ns"),
        it if it < 1e6 => format!("{:.2} us", it / 1e3),
        it if it < 1e9 => format!("{:.2} ms", it / 1e6),
        it => format!("{:.2} s", it / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(limit: Limit, line: &str) -> &'static str {
        let mut results = Results::default();
        results.read_line(line);
        row(&printed("a", "x/y", "things", limit), &results).verdict
    }

    #[test]
    fn a_result_is_held_against_its_budget() {
        assert_eq!(verdict(Limit::AtMost(2.0), "x/y: 2 things"), "within");
        assert_eq!(verdict(Limit::AtMost(2.0), "x/y: 2.01 things"), "OVER");
        assert_eq!(verdict(Limit::AtLeast(2.0), "x/y: 1.99 things"), "OVER");
        assert_eq!(verdict(Limit::AtLeast(2.0), "x/y: 2 things"), "within");
        assert_eq!(verdict(Limit::Shown, "x/y: 9 things"), "no budget");
    }

    #[test]
    fn a_budget_without_a_result_is_not_within() {
        for line in ["", "x/z: 1 things", "x/y: 1 other"] {
            assert_eq!(verdict(Limit::AtMost(2.0), line), "NOT MEASURED", "{line}");
        }
    }

    #[test]
    fn times_are_shown_in_the_unit_that_suits_them() {
        assert_eq!(nanos(40.0), "40.0 ns");
        assert_eq!(nanos(4_000.0), "4.00 us");
        assert_eq!(nanos(12_500_000.0), "12.50 ms");
    }
}

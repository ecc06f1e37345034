// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lab test`: runs scenarios, two guests at a time, and prints a table.
//!
//! *Invariants*: every scenario that was chosen is in the table, and one that could not run has
//! failed. What each left is kept in `results/NAME` of the lab's folder until it runs again.
//!
//! *Not here*: the scenarios (`scenarios`); what counts as a success (`outcome`).

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use super::cache::{Cache, fail, fresh_folder, write};
use super::full;
use super::guest::{self, End, Run};
use super::machine::Wanted;
use super::outcome::Tally;
use super::programs::{self, Built};
use super::scenarios::{Lab, SCENARIOS, Scenario, chosen};
use crate::tree::Tree;

/// Guests at a time.
const AT_ONCE: usize = 2;
/// How often a scenario is begun at most, where QEMU itself aborts.
const ATTEMPTS: usize = 3;
/// Minutes that the fast lab may take once all is built, and the full one with its image.
const BUDGETS: [(Lab, f64); 2] = [(Lab::Fast, 5.0), (Lab::Full, 15.0)];

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    lab: Option<Lab>,
    names: Vec<String>,
    list: bool,
}

impl Options {
    /// `[fast|full|all] [--list] [NAME...]`.
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { lab: None, names: Vec::new(), list: false };
        let mut args = args;
        if let Some((first, rest)) = args.split_first()
            && let Some(lab) = lab(first)
        {
            options.lab = lab;
            args = rest;
        }
        for arg in args {
            match arg.as_str() {
                "--list" => options.list = true,
                other if other.starts_with('-') => {
                    return Err(format!("`lab test` does not know `{other}`"));
                }
                _ => options.names.push(arg.clone()),
            }
        }
        chosen(options.lab, &options.names)?;
        Ok(options)
    }
}

fn lab(word: &str) -> Option<Option<Lab>> {
    match word {
        "fast" => Some(Some(Lab::Fast)),
        "full" => Some(Some(Lab::Full)),
        "all" => Some(None),
        _ => None,
    }
}

/// Names and what they are about.
fn list() {
    for row in SCENARIOS {
        let lab = if row.lab == Lab::Fast { "fast" } else { "full" };
        println!("{:<20} {lab}  {}", row.name, row.about);
    }
}

/// A scenario that has run.
struct Row {
    scenario: &'static Scenario,
    minutes: f64,
    tally: Tally,
    wrongs: Vec<String>,
}

/// Runs what was asked for. `make` is what makes the lab; it is not called for a list.
pub(crate) fn run(
    options: &Options,
    cache: &Cache,
    make: impl FnOnce(&[Lab]) -> Result<(), String>,
) -> Result<(), String> {
    if options.list {
        list();
        return Ok(());
    }
    let rows = chosen(options.lab, &options.names)?;
    if rows.is_empty() {
        return Err("there is no scenario to run".to_owned());
    }
    let mut labs: Vec<Lab> = Vec::new();
    for row in &rows {
        if !labs.contains(&row.lab) {
            labs.push(row.lab);
        }
    }
    make(&labs)?;
    let _lock = cache.lock("test")?;
    let tree = Tree::here();
    let began = Instant::now();
    let built = programs::build(cache, &tree)?;
    println!("lab: programs: {} in {:.1} s", words(&built), began.elapsed().as_secs_f64());
    let began = Instant::now();
    let done = all(cache, &tree, &built, &rows);
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    conclude(&done, minutes, &labs)
}

fn words(built: &Built) -> String {
    built.names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Runs scenarios, some at a time.
fn all(cache: &Cache, tree: &Tree, built: &Built, rows: &[&'static Scenario]) -> Vec<Row> {
    let queue = Mutex::new(rows.iter());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(rows.len()) {
            scope.spawn(|| {
                loop {
                    let next = lock(&queue).next();
                    let Some(scenario) = next else { return };
                    let row = one(cache, tree, built, scenario);
                    println!("lab: {}", line(&row));
                    lock(&done).push(row);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    // As the table has them.
    done.sort_by_key(|row| rows.iter().position(|it| it.name == row.scenario.name));
    done
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn one(cache: &Cache, tree: &Tree, built: &Built, scenario: &'static Scenario) -> Row {
    let began = Instant::now();
    let share = cache.path(&format!("results/{}", scenario.name));
    let mut result = Err("it was not run".to_owned());
    for attempt in 1..=ATTEMPTS {
        result =
            prepare(tree, built, scenario, &share).and_then(|()| boot(cache, scenario, &share));
        let Ok(run) = &result else { break };
        if attempt == ATTEMPTS || !qemu_aborted(run) {
            break;
        }
        let name = scenario.name;
        println!(
            "lab: {name}: QEMU aborted by an assertion of its own; tried again\n{}",
            run.last_words
        );
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let text = fs::read(share.join("out.txt")).unwrap_or_default();
    let tally = Tally::of(&String::from_utf8_lossy(&text));
    let mut wrongs = match result {
        Ok(run) => {
            let mut wrongs = tally.wrongs(run.end, scenario.may_skip);
            if !run.last_words.is_empty() {
                wrongs.push(format!("its last words:\n{}", run.last_words));
            }
            wrongs
        }
        Err(why) => vec![why],
    };
    // The programs are the same for all; what is kept is what the guest said.
    if let Err(why) = built.take_out(&share) {
        wrongs.push(why);
    }
    Row { scenario, minutes, tally, wrongs }
}

/// Whether the machine broke and not what ran in it: QEMU 10 has assertions that its own devices
/// run into, such as `msix_table_mmio_write` at a hot plug.
fn qemu_aborted(run: &Run) -> bool {
    run.end == End::Silent && broke(&run.last_words)
}

fn broke(last_words: &str) -> bool {
    last_words.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with("qemu-system-")
            && line.contains(": Assertion `")
            && line.ends_with("failed.")
    })
}

/// Fills the share.
fn prepare(tree: &Tree, built: &Built, scenario: &Scenario, share: &Path) -> Result<(), String> {
    fresh_folder(share)?;
    let (first, rest) = scenario.run.split_first().ok_or("the scenario runs nothing")?;
    built.check(first)?;
    built.copy(share)?;
    let scripts = tree.path("xtask/lab/scenarios");
    let copy = |name: &str| {
        let from = scripts.join(name);
        let to = share.join(name);
        fs::copy(&from, &to).map(drop).map_err(|error| fail(&from, &error))
    };
    copy("checks.sh")?;
    if first.ends_with(".sh") {
        copy(first)?;
    }
    write(&share.join("run.sh"), script(first, rest).as_bytes())
}

/// What the guest runs.
fn script(first: &str, rest: &[&str]) -> String {
    let arguments: String = rest.iter().map(|word| format!(" '{word}'")).collect();
    let program = if first.ends_with(".sh") { format!("sh ./{first}") } else { first.to_owned() };
    format!("cd /share\nPATH=/share/bin:$PATH\nexport PATH\nexec {program}{arguments}\n")
}

fn boot(cache: &Cache, scenario: &Scenario, share: &Path) -> Result<Run, String> {
    match scenario.lab {
        Lab::Fast => {
            let wanted = Wanted {
                kernel: scenario.kernel,
                modules: scenario.modules,
                append: scenario.append.to_owned(),
                memory: scenario.memory,
                limit: scenario.limit,
                ..Wanted::default()
            };
            guest::run(cache, &wanted, share)
        }
        Lab::Full => full::run(cache, scenario.limit, share),
    }
}

fn line(row: &Row) -> String {
    let Row { scenario, minutes, tally, wrongs } = row;
    let word = if wrongs.is_empty() { "passed" } else { "FAILED" };
    format!(
        "{:<20} {word}  {minutes:>5.2} min  {:>4} ok  {:>3} failed  {:>3} skipped",
        scenario.name,
        tally.ok,
        tally.failed.len(),
        tally.skipped.len()
    )
}

/// The table, and what is wrong.
fn conclude(rows: &[Row], minutes: f64, labs: &[Lab]) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    let mut text = String::from("\n");
    for row in rows {
        text.push_str(&format!("  {}\n", line(row)));
        for (name, why) in &row.tally.skipped {
            text.push_str(&format!("      skipped {name}: {why}\n"));
        }
        for wrong in &row.wrongs {
            text.push_str(&format!("      {}\n", wrong.replace('\n', "\n        ")));
        }
    }
    let checks: usize = rows.iter().map(|row| row.tally.ok).sum();
    let skipped: usize = rows.iter().map(|row| row.tally.skipped.len()).sum();
    let failed = rows.iter().filter(|row| !row.wrongs.is_empty()).count();
    text.push_str(&format!(
        "lab: {} scenarios, {failed} failed; {checks} checks passed, {skipped} skipped; {minutes:.1} min\n",
        rows.len()
    ));
    let budget: f64 =
        BUDGETS.iter().filter(|(lab, _)| labs.contains(lab)).map(|(_, minutes)| minutes).sum();
    if minutes > budget {
        text.push_str(&format!("lab: that is more than the {budget:.0} min it should take\n"));
    }
    out.write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}"))?;
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} scenarios failed", rows.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_are_a_lab_and_names() {
        let options = Options::parse(&words("fast --list")).unwrap();
        assert_eq!(options, Options { lab: Some(Lab::Fast), names: vec![], list: true });
        let options = Options::parse(&words("boot-built")).unwrap();
        assert_eq!(options.names, ["boot-built"]);
        assert_eq!(Options::parse(&[]).unwrap().lab, None);
        assert!(Options::parse(&words("slow")).unwrap_err().contains("no scenario `slow`"));
        assert!(Options::parse(&words("--quick")).unwrap_err().contains("`--quick`"));
    }

    #[test]
    fn a_script_is_run_by_the_shell_and_a_program_by_its_name() {
        let start = "cd /share\nPATH=/share/bin:$PATH\nexport PATH\n";
        assert_eq!(script("a.sh", &["x", "y z"]), format!("{start}exec sh ./a.sh 'x' 'y z'\n"));
        assert_eq!(script("fwgate-proof", &[]), format!("{start}exec fwgate-proof\n"));
    }

    #[test]
    fn only_an_assertion_of_qemus_own_begins_a_scenario_again() {
        let words = "fwgate-lab login: \n  qemu-system-x86_64: hw/pci/msix.c:228: msix_table_mmio_write: \
                     Assertion `addr + size <= entries' failed.";
        assert!(broke(words));
        for other in [
            "",
            "thread 'main' panicked: Assertion `a' failed.",
            "kernel BUG at mm/slub.c:1",
            "qemu-system-x86_64: terminating on signal 15",
        ] {
            assert!(!broke(other), "{other}");
        }
    }

    #[test]
    fn one_failed_scenario_fails_the_run() {
        let row = |wrongs: &[&str]| Row {
            scenario: &SCENARIOS[0],
            minutes: 0.1,
            tally: Tally::default(),
            wrongs: wrongs.iter().map(|wrong| (*wrong).to_owned()).collect(),
        };
        conclude(&[row(&[])], 0.1, &[Lab::Fast]).unwrap();
        let error = conclude(&[row(&[]), row(&["x"])], 0.1, &[Lab::Fast]).unwrap_err();
        assert_eq!(error, "1 of 2 scenarios failed");
    }
}

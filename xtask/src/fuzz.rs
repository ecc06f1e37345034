// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fuzz`: builds the libFuzzer binaries on a stable compiler and runs their targets.
//!
//! The binaries are in `fuzz/` (one for each crate), the targets in `fuzz/targets`, their seeds in
//! `fuzz/seeds/<crate>/<target>/`. A folder of seeds stands for a target; a test of `fuzz/targets`
//! shows that there is no target without and no folder too many.
//!
//! *Invariants*: seeds are only read. What is found on the way is kept beside the build. An input
//! that crashes is kept in `fuzz/artifacts/` and fails the run, as does a target that did not run.
//!
//! *Not here*: replaying the seeds (`cargo test -p fwgate-fuzz-targets`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::tree::{Tree, run as run_command, tool};

/// What CI runs all targets for. With the build on top it stays within eight minutes.
const SMOKE: Duration = Duration::from_secs(5 * 60);
/// Instrumentation as cargo-fuzz 0.13 asks for it, and the address sanitizer.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-sanitizer-coverage-stack-depth -Ccodegen-units=1 -Zsanitizer=address \
    -Cforce-frame-pointers=yes";
/// Packages that no fuzz binary may depend on.
const NOT_HERE: [&str; 4] = ["cedar-policy", "cedar-policy-core", "rusqlite", "libsqlite3-sys"];

/// Runs the chore.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(what) => return crate::usage(&what),
    };
    let tree = Tree::here();
    let result = targets(&tree).and_then(|targets| {
        let chosen: Vec<_> = targets.into_iter().filter(|it| options.wants(it)).collect();
        if chosen.is_empty() {
            return Err(format!("no target `{}`", options.target.unwrap_or_default()));
        }
        fuzz(&tree, &chosen, options.seconds)
    });
    match result {
        Ok(count) => {
            println!("{count}");
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("xtask fuzz: {what}");
            ExitCode::FAILURE
        }
    }
}

/// Every target for its share of [`SMOKE`].
pub(crate) fn smoke(tree: &Tree) -> Result<String, String> {
    let targets = targets(tree)?;
    let count = u64::try_from(targets.len()).unwrap_or(u64::MAX).max(1);
    let workers = u64::try_from(workers(targets.len())).unwrap_or(1);
    fuzz(tree, &targets, (SMOKE.as_secs() * workers / count).clamp(2, 60))
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    seconds: u64,
    target: Option<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { seconds: 60, target: None };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("`{name}` needs a value"));
            match name.as_str() {
                "--seconds" => {
                    let value = value?;
                    options.seconds = value
                        .parse()
                        .ok()
                        .filter(|seconds| *seconds > 0)
                        .ok_or_else(|| format!("`{value}` is no number of seconds"))?;
                }
                "--target" => options.target = Some(value?.clone()),
                _ => return Err(format!("`fuzz` does not know `{name}`")),
            }
        }
        Ok(options)
    }

    /// `wire/cel`, or `wire` for all of that crate.
    fn wants(&self, target: &Target) -> bool {
        let full = format!("{}/{}", target.binary, target.name);
        self.target.as_ref().is_none_or(|it| *it == target.binary || *it == full)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    binary: String,
    name: String,
    seeds: PathBuf,
}

/// The targets, by their folders of seeds.
fn targets(tree: &Tree) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    for folder in folders(&tree.path("fuzz/seeds"))? {
        for seeds in folders(&folder)? {
            targets.push(Target { binary: name(&folder)?, name: name(&seeds)?, seeds });
        }
    }
    Ok(targets)
}

fn folders(of: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error| format!("{}: {error}", of.display());
    let mut folders = Vec::new();
    for entry in fs::read_dir(of).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

fn name(path: &Path) -> Result<String, String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(ToOwned::to_owned).ok_or_else(|| format!("{}: not a name", path.display()))
}

fn workers(targets: usize) -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).clamp(1, targets.max(1))
}

/// Builds the binaries and runs the targets, as many at a time as there are processors.
fn fuzz(tree: &Tree, targets: &[Target], seconds: u64) -> Result<String, String> {
    let lock = tree.read("fuzz/Cargo.lock")?;
    if let Some(found) = forbidden(&lock) {
        return Err(format!("fuzz/Cargo.lock: `{found}` has no place in a fuzz binary"));
    }
    let built = build(tree)?;
    let artifacts = tree.path("fuzz/artifacts");
    let corpora = built.join("corpus");
    println!("{} targets, {seconds} s each", targets.len());
    let queue = Mutex::new(targets.iter());
    let results = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let Some(target) = queue.lock().ok().and_then(|mut queue| queue.next()) else { return };
            let result = run_target(tree, &built, &corpora, &artifacts, target, seconds);
            if let Ok(runs) = &result {
                println!("  {:<10} {:<24} {runs:>10} runs", target.binary, target.name);
            }
            if let Ok(mut results) = results.lock() {
                results.push(result);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers(targets.len()) {
            scope.spawn(worker);
        }
    });
    let results = results.into_inner().unwrap_or_default();
    let mut total = 0u64;
    let mut failures = Vec::new();
    for result in &results {
        match result {
            Ok(runs) => total += runs,
            Err(what) => failures.push(what.as_str()),
        }
    }
    if !failures.is_empty() {
        return Err(failures.join("\n"));
    }
    if results.len() != targets.len() {
        return Err(format!("{} of {} targets ran", results.len(), targets.len()));
    }
    Ok(format!("{} targets, {total} runs, {seconds} s each", results.len()))
}

/// A package in the lock file that may not be there.
fn forbidden(lock: &str) -> Option<&'static str> {
    NOT_HERE.into_iter().find(|name| {
        let line = format!("name = \"{name}\"");
        lock.lines().any(|it| it == line)
    })
}

/// Builds all binaries and answers where they are.
fn build(tree: &Tree) -> Result<PathBuf, String> {
    if tool("c++").is_none() && std::env::var_os("CXX").is_none() {
        return Err("libFuzzer is built from its source and needs a C++ compiler; install one \
                    (Debian: `apt install g++`), or let `.ci/run` do it"
            .to_owned());
    }
    let host = host()?;
    let target = tree.metadata("")?.target_directory.join("fuzz");
    let mut command = tree.cargo(15);
    // With a target named, build scripts and macros are not instrumented.
    command.args(["build", "--locked", "--bins", "--target", &host, "--manifest-path"]);
    command.arg(tree.path("fuzz/Cargo.toml")).arg("--target-dir").arg(&target);
    // The flags are unstable; what is built is never shipped.
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", RUSTFLAGS);
    command.env_remove("CARGO_ENCODED_RUSTFLAGS");
    run_command(&mut command)?;
    Ok(target.join(host).join("debug"))
}

/// The compiler's own target.
fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(ToOwned::to_owned)
        .ok_or_else(|| "`rustc -vV` names no host".to_owned())
}

/// Runs one target and answers how many inputs it took.
fn run_target(
    tree: &Tree,
    built: &Path,
    corpora: &Path,
    artifacts: &Path,
    target: &Target,
    seconds: u64,
) -> Result<u64, String> {
    let Target { binary, name, seeds } = target;
    let label = format!("target {binary}/{name}");
    let corpus = corpora.join(binary).join(name);
    let kept = artifacts.join(binary);
    for folder in [&corpus, &kept] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let minutes = u32::try_from(seconds / 60).unwrap_or(u32::MAX).saturating_add(3);
    let mut command = tree.command(built.join(binary), minutes);
    command.env("FWGATE_FUZZ_TARGET", name);
    // Nothing is freed by hand here; looking for leaks needs ptrace, which containers forbid.
    command.env("ASAN_OPTIONS", "detect_odr_violation=0:detect_leaks=0");
    command.arg(format!("-max_total_time={seconds}"));
    command.args(["-timeout=20", "-rss_limit_mb=2048", "-max_len=16384", "-print_final_stats=1"]);
    command.arg(format!("-artifact_prefix={}/{name}-", kept.display()));
    // New inputs go to the first folder; the seeds are only read.
    command.arg(&corpus).arg(seeds);
    let output = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{label}: cannot run it: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let tail: Vec<_> = said.lines().rev().take(60).collect();
        for line in tail.iter().rev() {
            eprintln!("{line}");
        }
        let file = said
            .lines()
            .find_map(|line| line.split("Test unit written to ").nth(1))
            .unwrap_or("none was written");
        return Err(format!("{label} failed ({}), input: {file}", output.status));
    }
    match runs(&said) {
        Some(runs) if runs > 0 => Ok(runs),
        _ => Err(format!("{label} did not say that it ran")),
    }
}

/// What libFuzzer says at the end.
fn runs(said: &str) -> Option<u64> {
    said.lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .and_then(|number| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_target_is_chosen_by_crate_or_by_crate_and_name() {
        let target =
            Target { binary: "wire".into(), name: "cel".into(), seeds: PathBuf::default() };
        for (wanted, wants) in [("wire", true), ("wire/cel", true), ("cel", false), ("w", false)] {
            let options = Options::parse(&words(&["--target", wanted])).unwrap();
            assert_eq!(options.wants(&target), wants, "{wanted}");
        }
        assert!(Options::parse(&[]).unwrap().wants(&target));
    }

    #[test]
    fn bad_options_are_refused() {
        assert!(Options::parse(&words(&["--seconds"])).is_err());
        assert!(Options::parse(&words(&["--seconds", "0"])).is_err());
        assert!(Options::parse(&words(&["--minutes", "1"])).is_err());
        assert_eq!(Options::parse(&words(&["--seconds", "7"])).unwrap().seconds, 7);
    }

    #[test]
    fn the_number_of_runs_is_read_from_what_libfuzzer_says() {
        let said = "Done 5 runs\nstat::number_of_executed_units: 5123\nstat::peak_rss_mb: 40\n";
        assert_eq!(runs(said), Some(5123));
        assert_eq!(runs("Done"), None);
    }

    #[test]
    fn a_fuzz_binary_with_a_database_in_it_is_refused() {
        assert_eq!(forbidden("[[package]]\nname = \"rusqlite\"\n"), Some("rusqlite"));
        assert_eq!(forbidden("[[package]]\nname = \"rusqlite-helper\"\n"), None);
    }

    #[test]
    fn every_crate_with_a_fuzz_binary_has_targets() {
        let targets = targets(&Tree::here()).unwrap();
        for binary in ["wire", "policy", "gate", "emulator", "linux"] {
            assert!(targets.iter().any(|target| target.binary == binary), "{binary}");
        }
    }
}

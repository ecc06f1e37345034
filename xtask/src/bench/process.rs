// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time and memory of the whole process `fwgate effects --from FILE`, beside `nvme list`.
//!
//! The two take turns, so that what else the machine does falls on both. Memory is the most that
//! was resident, as the kernel counts it for a child that has ended; a small process of our own
//! stands between, so that the count is of that one program.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use super::results::Results;
use crate::tree::{Tree, run, tool};

/// Ids of the two.
pub(super) const FWGATE: &str = "process/fwgate-effects";
pub(super) const NVME: &str = "process/nvme-list";
/// Words of what is shown beside the time.
pub(super) const RATIO: &str = "times";
pub(super) const MIB: &str = "MiB";
/// The argument by which `bench` becomes the process in between.
pub(super) const RUSAGE: &str = "--rusage-of";

const ROUNDS: usize = 60;
const CAPTURE: &str = "tests-data/captures/cel-qemu-type3.bin";

/// Builds `fwgate` in release and measures.
pub(super) fn measure(tree: &Tree, target: &Path, results: &mut Results) -> Result<(), String> {
    println!("== fwgate effects --from, whole process");
    run(tree.cargo(30).args(["build", "--release", "--locked", "--package", "fwgate"]))?;
    let fwgate = target.join("release/fwgate");
    let arguments = ["effects", "--from", CAPTURE, "--protocol", "cxl", "-o", "json"];
    let ours = || {
        let mut command = Command::new(&fwgate);
        command.args(arguments).current_dir(tree.path(""));
        command
    };
    let nvme = tool("nvme");
    let list = |nvme: &Path| {
        let mut command = Command::new(nvme);
        command.arg("list");
        command
    };
    let absent = "nvme-cli is not installed; `apt install nvme-cli`, then run this again";
    let nvme = nvme.ok_or_else(|| absent.to_owned()).and_then(|nvme| {
        // Where the kernel has no NVMe at all, it lists nothing and fails: that is no peer.
        once(list(&nvme)).map_err(|what| format!("{what}; load the kernel's `nvme` module"))?;
        Ok(nvme)
    });
    let (mut own, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(once(ours())?);
        if let Ok(nvme) = &nvme {
            peer.push(once(list(nvme))?);
        }
    }
    let own = median(own);
    results.add_time(FWGATE, own.as_secs_f64() * 1e9);
    if let Err(why) = &nvme {
        results.add_missing(NVME, why);
    } else {
        let peer = median(peer);
        results.add_time(NVME, peer.as_secs_f64() * 1e9);
        results.add_printed(FWGATE, own.as_secs_f64() / peer.as_secs_f64().max(1e-9), RATIO);
    }
    results.add_printed(FWGATE, resident(tree, &fwgate, &arguments)?, MIB);
    Ok(())
}

fn once(mut command: Command) -> Result<Duration, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status();
    let took = began.elapsed();
    match status {
        Ok(status) if status.success() => Ok(took),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The most that was resident, in MiB, over ten runs.
fn resident(tree: &Tree, program: &Path, arguments: &[&str]) -> Result<f64, String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find xtask: {error}"))?;
    let mut most = 0.0f64;
    for _ in 0..10 {
        let output = Command::new(&own)
            .args(["bench", RUSAGE])
            .arg(program)
            .args(arguments)
            .current_dir(tree.path(""))
            .output()
            .map_err(|error| format!("{}: {error}", own.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let kib: f64 = text
            .trim()
            .parse()
            .map_err(|_| format!("no memory use of {}: {text}", program.display()))?;
        most = most.max(kib / 1024.0);
    }
    Ok(most)
}

/// Runs a program and prints the most KiB that it had resident.
pub(super) fn rusage(program: &[String]) -> ExitCode {
    let [program, arguments @ ..] = program else { return ExitCode::from(2) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    if !command.status().is_ok_and(|status| status.success()) {
        return ExitCode::FAILURE;
    }
    match getrusage(UsageWho::RUSAGE_CHILDREN) {
        Ok(usage) => {
            println!("{}", usage.max_rss());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("getrusage: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        let times = [5, 1, 900].map(Duration::from_millis);
        assert_eq!(median(times.to_vec()), Duration::from_millis(5));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }

    #[test]
    fn a_program_that_fails_is_not_a_result() {
        assert!(once(Command::new("false")).is_err());
        assert!(once(Command::new("true")).is_ok());
    }
}

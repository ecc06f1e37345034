// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cases and a random stream against the kernel (`FWGATE_UNDER_TEST=theirs`), against fwgate's reading of it (`ours`), or
//! against both and each other (`both`).
//!
//! Exit status: 0 all is well, 1 something differs or could not be run, 2 usage.

use std::path::Path;
use std::process::{Command, ExitCode};

use fwgate_conformance::compare::Pair;
use fwgate_conformance::ours::Ours;
use fwgate_conformance::run::{self, Report};
use fwgate_conformance::theirs::{Names, Theirs, become_nobody, has_rawio, names_in, random_seed};
use fwgate_conformance::twin::Setting;

const USAGE: &str = "\
usage: fwgate-conformance [--fwctl fwctlN] [--memdev memN] [--all] [--count N] [--seed N] [--as-nobody]
                          [--nothing-exclusive]
  FWGATE_UNDER_TEST  theirs, ours or both; `ours` needs no device
  --all              every fwctl node with its memory device, and every memory device without one, one after the other
  --count            ioctls of a stream, 100000 unless told
  --as-nobody        opens the nodes, then drops all rights
  --nothing-exclusive  this kernel's list of exclusive features is empty";

#[derive(Clone, Debug)]
struct Options {
    names: Names,
    all: bool,
    count: u64,
    seed: Option<u64>,
    nobody: bool,
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options =
        Options { names: Names::default(), all: false, count: 100_000, seed: None, nobody: false };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("`{arg}` needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("`{text}` is no number"));
        match arg.as_str() {
            "--fwctl" => options.names.fwctl = Some(value()?),
            "--memdev" => options.names.memdev = Some(value()?),
            "--count" => options.count = number(value()?)?,
            "--seed" => options.seed = Some(number(value()?)?),
            "--all" => options.all = true,
            "--as-nobody" => options.nobody = true,
            "--nothing-exclusive" => options.names.nothing_exclusive = true,
            _ => return Err(format!("`{arg}` is not known")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("fwgate-conformance: {what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let under_test = std::env::var("FWGATE_UNDER_TEST").unwrap_or_default();
    let result = match under_test.as_str() {
        "theirs" | "both" if options.all => return every_device(&options),
        "ours" => ours(&options),
        "theirs" => theirs(&options),
        "both" => both(&options),
        other => {
            eprintln!(
                "fwgate-conformance: FWGATE_UNDER_TEST is `{other}`, not `theirs`, `ours` or `both`\n{USAGE}"
            );
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(report) => total(&report),
        Err(what) => {
            println!("FAIL conformance: {what}");
            ExitCode::FAILURE
        }
    }
}

fn total(report: &Report) -> ExitCode {
    let Report { passed, failed, ioctls, not_made, rows, returned } = report;
    println!("# returned: {returned:?}");
    println!("# decided by: {rows:?}");
    println!("# {passed} ok, {failed} FAIL, {ioctls} ioctls, {not_made} not made for safety");
    if *failed == 0 && *passed != 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seed(options: &Options) -> Result<u64, String> {
    options.seed.map_or_else(random_seed, Ok)
}

/// What a line is of.
fn label(options: &Options, side: &str) -> String {
    let Names { fwctl, memdev, .. } = &options.names;
    let names = [fwctl.as_deref(), memdev.as_deref()].into_iter().flatten();
    let mut label: Vec<&str> = names.collect();
    if options.nobody {
        label.push("nobody");
    }
    label.push(side);
    label.join("/")
}

fn ours(options: &Options) -> Result<Report, String> {
    let mut setting = Setting::cxl_test();
    setting.rawio = !options.nobody;
    let of = label(options, "ours");
    let mut system = Ours::new(setting.clone());
    let mut report = run::cases_alone(&of, &mut system, &setting);
    // A stream starts from marks that the cases left.
    setting.marks = system.twin.marks;
    let safe = |call: &fwgate_conformance::call::Call, memory: &_| !call.is_safe(memory);
    report.add(&run::stream_alone(
        &of,
        &mut system,
        &safe,
        &setting,
        seed(options)?,
        options.count,
    ));
    Ok(report)
}

fn theirs(options: &Options) -> Result<Report, String> {
    let of = label(options, "theirs");
    let mut theirs = Theirs::open(options.names.clone())?;
    let mut setting = theirs.setting()?;
    if options.nobody {
        become_nobody()?;
        setting.rawio = has_rawio()?;
    }
    let mut report = run::cases_alone(&of, &mut theirs, &setting);
    let guard = theirs.guard();
    let refuses =
        |call: &fwgate_conformance::call::Call, memory: &_| guard.refuses(call, memory).is_some();
    report.add(&run::stream_alone(
        &of,
        &mut theirs,
        &refuses,
        &setting,
        seed(options)?,
        options.count,
    ));
    Ok(report)
}

fn both(options: &Options) -> Result<Report, String> {
    let of = label(options, "both");
    let theirs = Theirs::open(options.names.clone())?;
    let mut pair = Pair::new(theirs, options.nobody)?;
    let mut report = run::cases_both(&of, &mut pair);
    report.add(&run::stream_both(&of, &mut pair, seed(options)?, options.count));
    Ok(report)
}

/// Itself for every device in turn, since the arena is mapped once in a process.
fn every_device(options: &Options) -> ExitCode {
    let mut devices: Vec<Names> = Vec::new();
    let mut memdevs = names_in("/dev/cxl");
    for fwctl in names_in("/dev/fwctl") {
        let parent =
            std::fs::canonicalize(Path::new("/sys/class/fwctl").join(&fwctl).join("device"));
        let memdev =
            parent.ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        memdevs.retain(|name| Some(name) != memdev.as_ref());
        devices.push(Names { fwctl: Some(fwctl), memdev, ..options.names.clone() });
    }
    for memdev in memdevs {
        devices.push(Names { memdev: Some(memdev), ..options.names.clone() });
    }
    if devices.is_empty() {
        println!("FAIL conformance: there is no fwctl node and no memory device");
        return ExitCode::FAILURE;
    }
    let own = std::env::args().skip(1).filter(|arg| arg != "--all");
    let own: Vec<String> = own.collect();
    let mut failed = false;
    for names in devices {
        let mut command = Command::new("/proc/self/exe");
        command.args(&own);
        if let Some(name) = &names.fwctl {
            command.args(["--fwctl", name]);
        }
        if let Some(name) = &names.memdev {
            command.args(["--memdev", name]);
        }
        match command.status() {
            Ok(status) => failed |= !status.success(),
            Err(error) => {
                println!("FAIL conformance: cannot run itself: {error}");
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

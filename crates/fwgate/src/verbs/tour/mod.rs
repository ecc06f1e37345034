// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tour`: the main job on emulated devices, step by step, and each step checks itself.
//!
//! *Invariants*: runs in a fresh folder with fixed people, so that it prints the same for
//! everybody and every time: no durations, hashes, times or numbers of processes. No device, no
//! kernel and no state of this machine is touched; nothing of the environment is looked at.
//!
//! *Not here*: the steps themselves (`steps`).

mod steps;

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::TourArgs;
use crate::error::{CliError, path};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::style::{BAD, FAINT, GOOD, HEAD, TYPED, paint};
use crate::output::{Format, Ui};
use crate::state::State;
use crate::verbs::tour::steps::Tour;

/// How long people get to read a step.
const PAUSE: Duration = Duration::from_millis(900);
/// How often Ctrl-C is looked for meanwhile.
const AGAIN: Duration = Duration::from_millis(20);

/// What `tour -o json` prints.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    ok: bool,
    steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    number: usize,
    title: &'static str,
    commands: Vec<Shown>,
    why: &'static str,
    ok: bool,
    /// What did not turn out as it must.
    failures: Vec<String>,
}

/// A command as a user would type it, and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    typed: String,
    status: u8,
    lines: Vec<String>,
}

impl Step {
    /// A step without commands yet.
    fn new(title: &'static str, why: &'static str) -> Self {
        Self { number: 0, title, commands: Vec::new(), why, ok: true, failures: Vec::new() }
    }

    /// Adds a command with its status and what it showed.
    fn show(&mut self, typed: impl Into<String>, exit: Exit, text: &str) {
        let lines = text.lines().map(|line| strip(line.trim_end())).collect();
        self.commands.push(Shown { typed: typed.into(), status: exit.status(), lines });
    }

    /// Says what must hold, and remembers if it does not.
    fn must(&mut self, holds: bool, what: &str) {
        if !holds {
            self.ok = false;
            self.failures.push(what.to_owned());
        }
    }
}

/// What is made up, and what is not.
const INTRODUCTION: &str = "\
Every command here really runs, on devices in software and in a folder of its own. What it prints
is shortened. The persons are made up: uid 1000 owns the devices, uid 4099 is a stranger.

";

/// Runs `tour`.
pub(crate) fn run(ui: &mut Ui, args: &TourArgs) -> Result<Exit, CliError> {
    ui.no_raw("tour")?;
    let folder = tempfile::Builder::new().prefix("fwgate-tour-").tempdir().map_err(|error| {
        let place = std::env::temp_dir();
        let detail = format!("cannot make a folder in `{}`: {error}", path(&place));
        CliError::new(Exit::Failed, "tour-folder", detail).file(&place)
    })?;
    let state = State::at(&folder.path().join("state"));
    // Ctrl-C must not leave the folder behind.
    let interrupt = Interrupt::watch().ok();
    let interrupted = || interrupt.as_ref().is_some_and(Interrupt::came);
    let pause = ui.watched() && ui.format() == Format::Table && !args.fast;
    let mut tour = Tour::begin(state)?;
    let mut steps: Vec<Step> = Vec::new();
    if ui.format() == Format::Table {
        ui.text(INTRODUCTION)?;
    }
    for make in steps::ALL {
        let mut step = make(&mut tour)?;
        step.number = steps.len().saturating_add(1);
        if ui.format() == Format::Table {
            ui.text(&render(&step))?;
        }
        steps.push(step);
        let until = Instant::now().checked_add(if pause { PAUSE } else { Duration::ZERO });
        while !interrupted() && until.is_some_and(|until| Instant::now() < until) {
            std::thread::sleep(AGAIN);
        }
        if interrupted() {
            drop(tour);
            drop(folder);
            Interrupt::end_of_process();
            return Ok(Exit::Failed);
        }
    }
    drop(tour);
    let ok = steps.iter().all(|step| step.ok);
    if ui.format() == Format::Json {
        ui.json(&Document { schema: "fwgate.tour/1", ok, steps })?;
    } else {
        ui.text(&end(ok))?;
    }
    if args.keep {
        let kept = folder.keep();
        ui.note(&format!("kept: FWGATE_STATE_DIR={}/state\n", path(&kept)));
    }
    Ok(if ok { Exit::Done } else { Exit::Failed })
}

fn render(step: &Step) -> String {
    let title = format!("{}. {}", step.number, step.title);
    let mut text = format!("{}\n", paint(HEAD, &title));
    for command in &step.commands {
        text.push_str(&format!("   {}\n", paint(TYPED, &format!("$ {}", command.typed))));
        for line in &command.lines {
            text.push_str(format!("     {}", coloured(line)).trim_end());
            text.push('\n');
        }
        let status = format!("     exit status {}", command.status);
        text.push_str(&format!("{}\n", paint(FAINT, &status)));
    }
    for line in step.why.lines() {
        text.push_str(&format!("   {line}\n"));
    }
    for failure in &step.failures {
        text.push_str(&format!("   {} {failure}\n", paint(BAD, "not as it must be:")));
    }
    text.push('\n');
    text
}

/// The verdict at the start of a line in its colour.
fn coloured(line: &str) -> String {
    for (word, style) in [("allowed:", GOOD), ("refused:", BAD), ("redirected:", HEAD)] {
        if let Some(rest) = line.strip_prefix(word) {
            return format!("{}{rest}", paint(style, word));
        }
    }
    line.to_owned()
}

/// The line without what paints it.
fn strip(line: &str) -> String {
    anstream::adapter::strip_str(line).to_string()
}

fn end(ok: bool) -> String {
    if !ok {
        return format!("{}\n", paint(BAD, "The tour found something that is not as it must be."));
    }
    let typed = |text: &str| paint(TYPED, text);
    format!(
        "{}\nThe same on devices that stay: {}, {}, {}.\nEverything else: {}.\n",
        paint(GOOD, "Every step turned out as it must."),
        typed("fwgate list --emulated"),
        typed("fwgate send emu:cxl0 0xC000"),
        typed("fwgate audit tail"),
        typed("fwgate --help")
    )
}

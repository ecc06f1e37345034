// SPDX-License-Identifier: MIT OR Apache-2.0
//! `events`: a CXL device's event records.
//!
//! Records are hostile. *Invariants*: nothing is taken away: records are shown and not cleared. Where
//! the kernel drains the logs, its trace events are shown and the device's logs are left alone.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::Duration;

use fwgate_gate::text::clean;
use serde::Serialize;

use crate::cli::typed::EventsArgs;
use crate::decode::events::{self, Event, LOGS};
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::table::table;
use crate::output::{Format, Ui};

/// How often `--follow` looks again.
const AGAIN: Duration = Duration::from_millis(500);
/// The kernel's interface that shows what it drains.
const TRACE: &str = "cxl-trace-events";
/// How long one look at the trace of one log waits for a record.
const LISTEN: Duration = Duration::from_millis(500);

/// What `events` prints.
#[derive(Debug, Default, Serialize)]
struct Read {
    /// `log` or `trace`.
    source: &'static str,
    events: Vec<Event>,
    /// Records that the device could not keep.
    lost: u32,
    /// There are newer ones, which the device shows once the older ones were cleared.
    more: bool,
}

/// One record on a line of its own, with `--follow`.
#[derive(Debug, Serialize)]
struct Line<'e> {
    schema: &'static str,
    device: &'e str,
    #[serde(flatten)]
    event: &'e Event,
}

/// What tells one record from another.
type Key = (&'static str, u16, u64);

/// Runs `events`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &EventsArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("events")?;
    let mut job = open(ui, args, timeout)?;
    if args.follow {
        return follow(ui, args, timeout, job);
    }
    let mut result = look(&mut job);
    let count = args.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    if let Ok(read) = &mut result
        && keeps_nothing(&job)
    {
        ui.note("fwgate: the kernel keeps no records: waiting for those that come now\n");
        while read.events.len() < count && !job.time_left().is_zero() {
            match look(&mut job) {
                Ok(more) => read.events.extend(more.events),
                Err(stop) => {
                    result = Err(stop);
                    break;
                }
            }
        }
    }
    if let Ok(read) = &mut result {
        read.events.truncate(count);
    }
    job.finish(ui, "fwgate.events/1", result.map(Some), text)
}

fn open(ui: &Ui, args: &EventsArgs, timeout: Option<Duration>) -> Result<Job, CliError> {
    let job = Job::open(ui, &args.device.device, "events", timeout)?;
    job.only_cxl("events")?;
    Ok(job)
}

/// Whether records show once and never again, as those that a real kernel traces.
fn keeps_nothing(job: &Job) -> bool {
    job.has_interface(TRACE) && !job.opened().record().emulated
}

/// What all logs show now, log by log.
fn look(job: &mut Job) -> Result<Read, Stop> {
    let trace = job.has_interface(TRACE);
    let source = if trace { "trace" } else { "log" };
    let mut read = Read { source, ..Read::default() };
    for log in (0_u8..).take(LOGS.len()) {
        let message = message::event_records(log);
        let reply =
            if trace { job.ask_kernel(TRACE, &message, LISTEN) } else { job.ask(&message) }?;
        let Some(found) = events::parse(log, &reply) else {
            return Err(job.nonsense("list of event records").into());
        };
        read.events.extend(found.events);
        read.lost = read.lost.saturating_add(u32::from(found.lost));
        read.more |= found.more;
    }
    Ok(read)
}

/// Shows records as they come. A device whose logs keep them is let go of between two looks; where
/// they show once, it is held.
fn follow(
    ui: &mut Ui,
    args: &EventsArgs,
    timeout: Option<Duration>,
    mut job: Job,
) -> Result<Exit, CliError> {
    let mut seen: HashSet<Key> = HashSet::new();
    let mut left = args.count;
    loop {
        let read = match look(&mut job) {
            Ok(read) => read,
            Err(stop) => {
                return job.finish(ui, "fwgate.events/1", Err::<Option<Read>, _>(stop), text);
            }
        };
        let device = job.opened().record().name.clone();
        let held = keeps_nothing(&job).then(|| {
            job.forget_steps();
            job
        });
        for event in read.events.iter().filter(|event| !seen.contains(&key(event))) {
            if ui.format() == Format::Json {
                ui.json_line(&Line { schema: "fwgate.event/1", device: &device, event })?;
            } else {
                ui.text(&format!("{}\n", cells(event).join("  ")))?;
            }
            left = left.map(|left| left.saturating_sub(1));
            if left == Some(0) || ui.gone() {
                return Ok(Exit::Done);
            }
        }
        if ui.gone() {
            return Ok(Exit::Done);
        }
        job = match held {
            Some(held) => held,
            None => {
                // What is not there any more was cleared: it is not remembered, so that this stays
                // small.
                seen = read.events.iter().map(key).collect();
                sleep(AGAIN);
                open(ui, args, timeout)?
            }
        };
    }
}

const fn key(event: &Event) -> Key {
    (event.log, event.handle, event.time_ns)
}

fn text(read: &Read, width: usize) -> String {
    let mut text = String::new();
    if read.events.is_empty() {
        text.push_str("No event records came.\n");
    } else {
        let rows: Vec<_> = read.events.iter().map(|event| cells(event).to_vec()).collect();
        text.push_str(&table(width, &["TIME", "LOG", "HANDLE", "KIND", "WHAT"], &rows));
    }
    if read.lost > 0 {
        text.push_str(&format!("{} records were lost in the device.\n", read.lost));
    }
    if read.more {
        text.push_str("There are newer records, which the device does not show yet.\n");
    }
    text
}

fn cells(event: &Event) -> [String; 5] {
    let fields = event.fields.rows();
    let what: Vec<String> = fields
        .into_iter()
        .filter(|(_, value)| value != "no" && value != "0")
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    [
        event.time.clone(),
        event.log.to_owned(),
        format!("{:#06x}", event.handle),
        event.kind.to_owned(),
        clean(what.join(", ").as_bytes(), 512),
    ]
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `poison`: places of a CXL device that are known to be bad.
//!
//! *Invariants*: the list is read to its end, within a bound; an address is checked against the
//! device's capacity before anything is sent.

use std::time::Duration;

use serde::Serialize;

use crate::cli::typed::{PoisonChangeArgs, PoisonListArgs, PoisonVerb};
use crate::decode::media::{Poison, PoisonList};
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::message::{self, POISON_UNIT};
use crate::output::Ui;
use crate::output::table::{left_off, shown, table};

/// The most commands that reading the list may take.
const MAX_PAGES: usize = 4096;
/// The most bytes that one call injects or clears.
const MOST: u64 = 64 << 10;

/// What `poison list` prints.
#[derive(Debug, Serialize)]
struct Listed {
    places: Vec<Poison>,
    /// The device could not keep all.
    overflow: bool,
    /// A scan is under way that may find others.
    scanning: bool,
}

/// What `poison inject` and `poison clear` print.
#[derive(Debug, Serialize)]
struct Changed {
    address: u64,
    length: u64,
}

/// Runs `poison`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &PoisonVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("poison")?;
    match verb {
        PoisonVerb::List(args) => list(ui, args, timeout),
        PoisonVerb::Inject(args) => change(ui, args, timeout, "inject"),
        PoisonVerb::Clear(args) => change(ui, args, timeout, "clear"),
    }
}

fn list(ui: &mut Ui, args: &PoisonListArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    let mut job = Job::open(ui, &args.device, "poison list", timeout)?;
    job.only_cxl("poison")?;
    let result = read(&mut job, args).map(Some);
    job.finish(ui, "fwgate.poison-list/1", result, text)
}

fn read(job: &mut Job, args: &PoisonListArgs) -> Result<Listed, Stop> {
    let capacity = capacity(job)?;
    let start = args.address.unwrap_or(0);
    let most = capacity.saturating_sub(start);
    let length = args.length.unwrap_or(most);
    inside(start, length, capacity)?;
    let end = start.saturating_add(length);
    let mut listed = Listed { places: Vec::new(), overflow: false, scanning: false };
    for _ in 0..MAX_PAGES {
        let reply = job.ask(&message::poison_list(start, length))?;
        let Some(page) = PoisonList::parse(&reply) else {
            return Err(job.nonsense("list of poison").into());
        };
        listed.overflow |= page.overflow;
        listed.scanning |= page.scanning;
        // The kernel's interface answers for the whole device.
        let meets = |it: &Poison| it.address < end && it.address.saturating_add(it.length) > start;
        listed.places.extend(page.places.into_iter().filter(meets));
        if !page.more {
            return Ok(listed);
        }
    }
    Err(job.nonsense("end of the list of poison").into())
}

fn text(listed: &Listed, width: usize) -> String {
    let mut text = String::new();
    if listed.places.is_empty() {
        text.push_str("No poison is known there.\n");
    } else {
        let (rows, off) = shown(&listed.places);
        let cells = |it: &Poison| {
            vec![format!("{:#x}", it.address), it.length.to_string(), it.source.to_owned()]
        };
        let rows: Vec<_> = rows.iter().map(cells).collect();
        text.push_str(&table(width, &["ADDRESS", "BYTES", "SOURCE"], &rows));
        text.push_str(&left_off(off));
    }
    if listed.overflow {
        text.push_str("The device could not keep all: there are others.\n");
    }
    if listed.scanning {
        text.push_str("A scan is under way that may find others.\n");
    }
    text
}

fn change(
    ui: &mut Ui,
    args: &PoisonChangeArgs,
    timeout: Option<Duration>,
    what: &'static str,
) -> Result<Exit, CliError> {
    if args.length > MOST || !args.length.is_multiple_of(POISON_UNIT) {
        let detail = "a multiple of 64 bytes, at most 64 KiB, expected";
        return Err(CliError::usage("bad-size", detail).argument("--length"));
    }
    let (device, dry) = (&args.change.device, args.change.dry_run);
    let mut job = Job::open_to_change(ui, device, &format!("poison {what}"), timeout, dry)?;
    job.only_cxl("poison")?;
    let result = each(&mut job, args, what);
    let schema = if what == "inject" { "fwgate.poison-inject/1" } else { "fwgate.poison-clear/1" };
    job.finish(ui, schema, result, |changed, _| {
        let did = if what == "inject" { "marked as bad" } else { "cleared" };
        format!("{} bytes at {:#x} {did}\n", changed.length, changed.address)
    })
}

fn each(job: &mut Job, args: &PoisonChangeArgs, what: &str) -> Result<Option<Changed>, Stop> {
    let (address, length) = (args.address, args.length);
    inside(address, length, capacity(job)?)?;
    let mut at = address;
    let end = address.saturating_add(length);
    while at < end {
        let message = match what {
            "inject" => message::inject_poison(at),
            _ => message::clear_poison(at),
        };
        if job.change(&message)?.is_none() {
            // One is judged as all the others.
            return Ok(None);
        }
        at = at.saturating_add(POISON_UNIT);
    }
    Ok(Some(Changed { address, length }))
}

/// Bytes of the device, as it says.
fn capacity(job: &mut Job) -> Result<u64, Stop> {
    let identity = job.ask_decoded(&message::cxl(0x4000, []))?;
    let total = identity.fields().iter().find(|(name, _)| *name == "total_bytes");
    let total = total.and_then(|(_, value)| value.as_u64());
    total.ok_or_else(|| job.nonsense("capacity").into())
}

fn inside(start: u64, length: u64, capacity: u64) -> Result<(), CliError> {
    if length > 0 && start.checked_add(length).is_some_and(|end| end <= capacity) {
        return Ok(());
    }
    let detail = format!(
        "{length} bytes at {start:#x} are not inside the device, which has {capacity} bytes"
    );
    Err(CliError::usage("bad-address", detail).argument("ADDRESS"))
}

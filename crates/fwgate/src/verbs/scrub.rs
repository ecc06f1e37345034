// SPDX-License-Identifier: MIT OR Apache-2.0
//! `scrub`: how a CXL device looks for errors in its memory.

use std::time::Duration;

use fwgate_wire::cxl::features::feature_uuid;
use fwgate_wire::{Uuid, cxl};
use serde::Serialize;

use crate::cli::typed::{ScrubSetArgs, ScrubVerb};
use crate::decode::{Decoded, media};
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::Ui;
use crate::output::table::{pairs, table};
use crate::verbs::features;

/// The kernel's interface to the patrol scrub.
const EDAC: &str = "edac-scrub";
/// Bytes of its value.
const PATROL_BYTES: u16 = 4;

/// What `scrub` prints.
#[derive(Debug, Serialize)]
struct Scrub {
    /// The patrol scrub; null where the device has none.
    patrol: Option<Decoded>,
    /// The error check scrub of DDR5, unit by unit; null where the device has none.
    error_check: Option<Vec<media::EcsUnit>>,
    /// It was set, and cannot be read back here.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    set: bool,
}

/// Runs `scrub`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &ScrubVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("scrub")?;
    let (job, result) = match verb {
        ScrubVerb::Show(args) => {
            let mut job = Job::open(ui, &args.device, "scrub show", timeout)?;
            job.only_cxl("scrub")?;
            let result = show(&mut job).map(Some);
            (job, result)
        }
        ScrubVerb::Set(args) => {
            let (device, dry) = (&args.change.device, args.change.dry_run);
            let mut job = Job::open_to_change(ui, device, "scrub set", timeout, dry)?;
            job.only_cxl("scrub")?;
            let result = set(&mut job, args);
            (job, result)
        }
    };
    job.finish(ui, "fwgate.scrub/1", result, text)
}

fn show(job: &mut Job) -> Result<Scrub, Stop> {
    Ok(Scrub {
        patrol: patrol(job)?,
        error_check: match value(job, feature_uuid::DDR5_ECS)? {
            Some(bytes) => Some(
                media::error_check_scrub(&bytes).ok_or_else(|| nonsense("error check scrub"))?,
            ),
            None => None,
        },
        set: false,
    })
}

fn patrol(job: &mut Job) -> Result<Option<Decoded>, Stop> {
    let Some(bytes) = value(job, feature_uuid::PATROL_SCRUB)? else { return Ok(None) };
    Ok(Some(media::scrub(&bytes).ok_or_else(|| nonsense("patrol scrub"))?))
}

/// The current value of a feature; `None` where the device does not list it.
fn value(job: &mut Job, uuid: Uuid) -> Result<Option<Vec<u8>>, Stop> {
    match features::listed(job, uuid) {
        Some(size) => features::read(job, uuid, size, 0).map(Some),
        // No path leads to the list; the kernel makes its interface only where there is the feature.
        None if uuid == feature_uuid::PATROL_SCRUB && unlisted(job) => {
            // The kernel shows all but the first byte, the capabilities; it drives the scrub, so the
            // cycle can be changed.
            let shown = job.ask(&message::feature(uuid, 1, PATROL_BYTES - 1, 0))?;
            Ok(Some([&[1], shown.as_slice()].concat()))
        }
        None => Ok(None),
    }
}

/// Whether the features cannot be listed here, and the kernel drives the patrol scrub.
fn unlisted(job: &Job) -> bool {
    job.opened().facts().features().is_none() && job.has_interface(EDAC)
}

/// Whether the setting is kept over a reset: Linux always asks for that, `drivers/cxl/core/edac.c` @
/// v7.3. A device in software keeps none.
fn saved(job: &Job) -> bool {
    job.has_interface(EDAC) && !job.opened().record().emulated
}

/// The version that Set Feature names.
fn version(job: &mut Job) -> Result<u8, Stop> {
    let known = cxl::table::feature(feature_uuid::PATROL_SCRUB.as_bytes());
    match known.and_then(|row| row.set_version).filter(|_| unlisted(job)) {
        Some(version) => Ok(version),
        None => Ok(features::entry(job, feature_uuid::PATROL_SCRUB)?.set_version),
    }
}

fn set(job: &mut Job, args: &ScrubSetArgs) -> Result<Option<Scrub>, Stop> {
    // Both settings are named: nothing has to be read, and perhaps nothing can be.
    if let (Some(hours), true) = (args.hours, (args.on || args.off) && unlisted(job)) {
        let version = version(job)?;
        let done = job.change(&message::set_scrub(version, saved(job), hours, args.on))?;
        return Ok(done.map(|_| Scrub { patrol: None, error_check: None, set: true }));
    }
    let Some(now) = patrol(job)? else {
        let detail = "the device has no patrol scrub";
        return Err(CliError::new(Exit::NotFound, "no-feature", detail).into());
    };
    // What is not named stays as it is.
    let current = || now.number("hours").and_then(|hours| u8::try_from(hours).ok());
    let hours = args.hours.or_else(current).unwrap_or_default();
    let least = now.number("least_hours").unwrap_or_default();
    if i64::from(hours) < least {
        let detail = format!("one pass in {hours} hours is faster than the device can: {least}");
        return Err(CliError::usage("bad-value", detail).argument("--hours").into());
    }
    let on = args.on || !args.off && now.flag("on");
    let version = version(job)?;
    match job.change(&message::set_scrub(version, saved(job), hours, on))? {
        Some(_) => show(job).map(Some),
        None => Ok(None),
    }
}

fn nonsense(what: &str) -> CliError {
    let detail = format!("the device's value of the {what} is not as it has to be");
    CliError::new(Exit::Device, "device-nonsense", detail)
}

fn text(scrub: &Scrub, width: usize) -> String {
    let mut text = String::new();
    match &scrub.patrol {
        None if scrub.set => {
            text.push_str("The patrol scrub was set; it cannot be read back here.\n");
        }
        Some(patrol) => {
            text.push_str("patrol scrub\n");
            text.push_str(&pairs(width, 2, &patrol.rows()));
        }
        None => text.push_str("The device has no patrol scrub.\n"),
    }
    if let Some(units) = &scrub.error_check {
        text.push_str("error check scrub\n");
        let rows: Vec<_> = units.iter().map(|unit| unit.cells().to_vec()).collect();
        text.push_str(&table(width, &["UNIT", "THRESHOLD", "COUNTS"], &rows));
    }
    text
}

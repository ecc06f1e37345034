// SPDX-License-Identifier: MIT OR Apache-2.0
//! `timestamp`: a CXL device's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::typed::TimestampVerb;
use crate::decode::Decoded;
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::Ui;
use crate::output::table::pairs;

/// Runs `timestamp`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &TimestampVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("timestamp")?;
    let (job, result) = match verb {
        TimestampVerb::Show(args) => {
            let mut job = Job::open(ui, &args.device, "timestamp show", timeout)?;
            job.only_cxl("timestamp")?;
            let result = show(&mut job).map(Some);
            (job, result)
        }
        TimestampVerb::Set(args) => {
            let (device, dry) = (&args.change.device, args.change.dry_run);
            let mut job = Job::open_to_change(ui, device, "timestamp set", timeout, dry)?;
            job.only_cxl("timestamp")?;
            let result = set(&mut job, args.nanoseconds);
            (job, result)
        }
    };
    job.finish(ui, "fwgate.timestamp/1", result, |clock, width| pairs(width, 0, &clock.rows()))
}

fn show(job: &mut Job) -> Result<Decoded, Stop> {
    job.ask_decoded(&message::cxl(0x0300, []))
}

/// Sets the clock, and shows what is read back.
fn set(job: &mut Job, nanoseconds: Option<u64>) -> Result<Option<Decoded>, Stop> {
    let time = nanoseconds.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    });
    match job.change(&message::cxl(0x0301, time.to_le_bytes()))? {
        Some(_) => show(job).map(Some),
        None => Ok(None),
    }
}

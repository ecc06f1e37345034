// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shutdown-state`: whether a CXL device would count a loss of power now as a dirty shutdown.

use std::time::Duration;

use crate::cli::typed::{Shutdown, ShutdownVerb};
use crate::decode::Decoded;
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::Ui;
use crate::output::table::pairs;

/// Runs `shutdown-state`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &ShutdownVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("shutdown-state")?;
    let (job, result) = match verb {
        ShutdownVerb::Show(args) => {
            let mut job = Job::open(ui, &args.device, "shutdown-state show", timeout)?;
            job.only_cxl("shutdown-state")?;
            let result = show(&mut job).map(Some);
            (job, result)
        }
        ShutdownVerb::Set(args) => {
            let (device, dry) = (&args.change.device, args.change.dry_run);
            let mut job = Job::open_to_change(ui, device, "shutdown-state set", timeout, dry)?;
            job.only_cxl("shutdown-state")?;
            let result = set(&mut job, args.state);
            (job, result)
        }
    };
    job.finish(ui, "fwgate.shutdown-state/1", result, |state, width| pairs(width, 0, &state.rows()))
}

fn show(job: &mut Job) -> Result<Decoded, Stop> {
    job.ask_decoded(&message::cxl(0x4203, []))
}

/// Sets it, and shows what is read back.
fn set(job: &mut Job, state: Shutdown) -> Result<Option<Decoded>, Stop> {
    // `drivers/cxl/core/mbox.c` @ v7.3: 1 is dirty.
    let byte = match state {
        Shutdown::Clean => 0,
        Shutdown::Dirty => 1,
    };
    match job.change(&message::cxl(0x4204, [byte]))? {
        Some(_) => show(job).map(Some),
        None => Ok(None),
    }
}

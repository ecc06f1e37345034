// SPDX-License-Identifier: MIT OR Apache-2.0
//! `sanitize`: erases all data of a CXL device.
//!
//! *Invariants*: judged before anyone is asked; nothing is sent before the device was named a second
//! time; nothing is claimed of the end that was not said.

use std::time::Duration;

use serde::Serialize;

use crate::cli::typed::SanitizeArgs;
use crate::confirm::confirm;
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::Ui;
use crate::output::table::wrap;

/// Sanitize and Secure Erase.
const SANITIZE: u16 = 0x4400;
const SECURE_ERASE: u16 = 0x4401;

/// What `sanitize` prints.
#[derive(Debug, Serialize)]
struct Erased {
    /// `overwrite` or `crypto-erase`.
    method: &'static str,
    /// Whether the device or the kernel said that it succeeded; null where neither says.
    succeeded: Option<bool>,
}

/// Runs `sanitize`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &SanitizeArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("sanitize")?;
    let (device, dry) = (&args.change.device, args.change.dry_run);
    let mut job = Job::open_to_change(ui, device, "sanitize", timeout, dry)?;
    job.only_cxl("sanitize")?;
    let result = erase(&mut job, args);
    job.finish(ui, "fwgate.sanitize/1", result, text)
}

fn erase(job: &mut Job, args: &SanitizeArgs) -> Result<Option<Erased>, Stop> {
    let opcode = if args.erase { SECURE_ERASE } else { SANITIZE };
    let message = message::cxl(opcode, []);
    job.foresee(&message)?;
    if job.dry_run() {
        return Ok(None);
    }
    let given = args.yes_destroy_data.as_deref();
    confirm(job.opened(), "erases all data on", "--yes-destroy-data", given)?;
    let Some(done) = job.change_slowly(&message)? else { return Ok(None) };
    let method = if args.erase { "crypto-erase" } else { "overwrite" };
    // A failure is no result: it has ended the verb.
    let succeeded = done.told.then_some(true);
    Ok(Some(Erased { method, succeeded }))
}

fn text(erased: &Erased, width: usize) -> String {
    let what = match erased.succeeded {
        Some(_) => "All data were erased, as the device says.",
        None => {
            "The erase has ended. The kernel does not say whether it succeeded: read some data back."
        }
    };
    format!("{}\n", wrap(what, width, 0))
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `security`: a CXL device's security state, and freezing it.
//!
//! *Invariants*: passphrases are not taken here: where a device has one, the kernel's own interface
//! takes it from its keyring.

use std::time::Duration;

use crate::cli::typed::{ChangeArgs, SecurityArgs, SecurityVerb};
use crate::decode::Decoded;
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::machine;
use crate::message;
use crate::output::Ui;
use crate::output::table::pairs;

/// Runs `security`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &SecurityArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("security")?;
    let (job, result) = match (&args.verb, &args.device) {
        (Some(SecurityVerb::Freeze(ChangeArgs { device, dry_run })), _) => {
            let mut job = Job::open_to_change(ui, device, "security freeze", timeout, *dry_run)?;
            job.only_cxl("security")?;
            let result = freeze(&mut job);
            (job, result)
        }
        (None, device) => {
            let device = device.as_deref().unwrap_or_default();
            let mut job = Job::open(ui, device, "security", timeout)?;
            job.only_cxl("security")?;
            let result = show(&mut job).map(Some);
            (job, result)
        }
    };
    job.finish(ui, "fwgate.security/1", result, |state, width| pairs(width, 0, &state.rows()))
}

fn show(job: &mut Job) -> Result<Decoded, Stop> {
    // A device without the command is not asked; the kernel has a word for it all the same.
    let record = job.opened().record();
    let listed = job.opened().facts().log().iter().any(|row| row.opcode == 0x4500);
    if !record.emulated && !listed {
        let state = machine::security_state(&record.name)?;
        let of = "the kernel's memory; the device was not asked";
        return Ok(Decoded::new(vec![("state", state.into()), ("source", of.into())]));
    }
    job.ask_decoded(&message::cxl(0x4500, []))
}

/// Freezes it, and shows what is read back.
fn freeze(job: &mut Job) -> Result<Option<Decoded>, Stop> {
    match job.change(&message::cxl(0x4504, []))? {
        Some(_) => show(job).map(Some),
        None => Ok(None),
    }
}

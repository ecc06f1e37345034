// SPDX-License-Identifier: MIT OR Apache-2.0
//! `repair`: replaces memory by spare parts of a CXL device.
//!
//! *Invariants*: what cannot be taken back asks for the device's name first; a query changes nothing.
//!
//! *Spec*: Perform Maintenance (0600h); layouts `drivers/cxl/core/edac.c` @ v7.3.

use std::time::Duration;

use fwgate_gate::Message;
use serde::Serialize;

use crate::cli::typed::{RepairArgs, RepairKind};
use crate::confirm::confirm;
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::Ui;

/// Asks for resources only.
const QUERY: u8 = 1 << 0;
/// Sparing: for ever, and not until the power goes.
const HARD: u8 = 1 << 1;
/// Sparing: the sub-channel counts.
const SUB_CHANNEL: u8 = 1 << 2;
/// Sparing: the nibble mask counts.
const NIBBLES: u8 = 1 << 3;

/// What `repair` prints.
#[derive(Debug, Serialize)]
struct Repaired {
    /// Whether only the resources were asked for.
    query: bool,
    /// Whether the device or the kernel said that it succeeded; null where neither says.
    succeeded: Option<bool>,
}

/// Runs `repair`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &RepairArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("repair")?;
    let message = request(args);
    let (device, dry) = (&args.change.device, args.change.dry_run);
    let mut job = Job::open_to_change(ui, device, "repair", timeout, dry)?;
    job.only_cxl("repair")?;
    let result = repair(&mut job, args, &message);
    job.finish(ui, "fwgate.repair/1", result, |repaired, _| {
        let what = match (repaired.succeeded, repaired.query) {
            (Some(_), true) => "The device has what the repair takes.",
            (Some(_), false) => "The device says that it is repaired.",
            (None, _) => "The kernel does not say whether it succeeded.",
        };
        format!("{what}\n")
    })
}

fn repair(job: &mut Job, args: &RepairArgs, message: &Message) -> Result<Option<Repaired>, Stop> {
    job.foresee(message)?;
    if job.dry_run() {
        return Ok(None);
    }
    if !args.query {
        let given = args.yes_repair.as_deref();
        confirm(job.opened(), "uses up a spare of", "--yes-repair", given)?;
    }
    let done = job.change_slowly(message)?;
    Ok(done.map(|done| Repaired { query: args.query, succeeded: done.told.then_some(true) }))
}

fn request(args: &RepairArgs) -> Message {
    let (class, subclass) = match args.kind {
        RepairKind::SoftPpr => (1, 0),
        RepairKind::HardPpr => (1, 1),
        RepairKind::Cacheline => (2, 0),
        RepairKind::Row => (2, 1),
        RepairKind::Bank => (2, 2),
        RepairKind::Rank => (2, 3),
    };
    let query = if args.query { QUERY } else { 0 };
    let [n0, n1, n2, _] = args.nibbles.unwrap_or_default().to_le_bytes();
    let mut payload = vec![class, subclass];
    if class == 1 {
        payload.push(query);
        payload.extend_from_slice(&args.address.unwrap_or_default().to_le_bytes());
        payload.extend_from_slice(&[n0, n1, n2]);
    } else {
        let place = &args.place;
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = query
            | flag(place.hard, HARD)
            | flag(place.sub_channel.is_some(), SUB_CHANNEL)
            | flag(args.nibbles.is_some(), NIBBLES);
        let [r0, r1, r2, _] = place.row.to_le_bytes();
        payload.extend_from_slice(&[flags, place.channel, place.rank, n0, n1, n2]);
        payload.extend_from_slice(&[place.bank_group, place.bank, r0, r1, r2]);
        payload.extend_from_slice(&place.column.to_le_bytes());
        payload.push(place.sub_channel.unwrap_or_default());
    }
    message::cxl(0x0600, payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::groups::command;
    use crate::cli::{Cli, Verb};
    use clap::FromArgMatches as _;

    fn made(words: &str) -> Vec<u8> {
        let line = format!("fwgate repair emu:cxl1 {words}");
        let matches = command().try_get_matches_from(line.split_whitespace()).unwrap();
        let Verb::Repair(args) = Cli::from_arg_matches(&matches).unwrap().verb else {
            panic!("a repair");
        };
        request(&args).command().payload().to_vec()
    }

    #[test]
    fn a_row_goes_out_as_the_kernel_writes_it() {
        assert_eq!(
            made("--kind soft-ppr --address 0x1000 --nibbles 0x030201 --query"),
            [1, 0, 1, 0, 16, 0, 0, 0, 0, 0, 0, 1, 2, 3]
        );
        assert_eq!(
            made(
                "--kind row --channel 1 --rank 2 --bank-group 3 --bank 4 --row 0x070605 --column 2312 \
                 --sub-channel 10"
            ),
            [2, 1, 4, 1, 2, 0, 0, 0, 3, 4, 5, 6, 7, 8, 9, 10]
        );
    }

    #[test]
    fn a_post_package_repair_needs_its_address() {
        let line = "fwgate repair emu:cxl1 --kind hard-ppr";
        assert!(command().try_get_matches_from(line.split_whitespace()).is_err());
    }
}

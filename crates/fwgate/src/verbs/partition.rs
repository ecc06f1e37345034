// SPDX-License-Identifier: MIT OR Apache-2.0
//! `partition`: how much of a CXL device is volatile and persistent.
//!
//! *Invariants*: a change is for the next reset, never at once.

use std::time::Duration;

use fwgate_wire::cxl::partition::CAPACITY_UNIT;
use serde_json::Value;

use crate::cli::typed::PartitionVerb;
use crate::decode::Decoded;
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::Ui;
use crate::output::table::pairs;

/// Runs `partition`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &PartitionVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("partition")?;
    let (job, result) = match verb {
        PartitionVerb::Show(args) => {
            let mut job = Job::open(ui, &args.device, "partition show", timeout)?;
            job.only_cxl("partition")?;
            let result = show(&mut job).map(Some);
            (job, result)
        }
        PartitionVerb::Set(args) => {
            let units = units(args.volatile)?;
            let (device, dry) = (&args.change.device, args.change.dry_run);
            let mut job = Job::open_to_change(ui, device, "partition set", timeout, dry)?;
            job.only_cxl("partition")?;
            let result = set(&mut job, units);
            (job, result)
        }
    };
    job.finish(ui, "fwgate.partition/1", result, text)
}

/// A capacity in the units that the command counts in.
fn units(bytes: u64) -> Result<u64, CliError> {
    if bytes.is_multiple_of(CAPACITY_UNIT) {
        return Ok(bytes / CAPACITY_UNIT);
    }
    let detail = format!("{bytes} bytes are no multiple of 256 MiB, which capacities count in");
    Err(CliError::usage("bad-size", detail).argument("VOLATILE"))
}

fn show(job: &mut Job) -> Result<Decoded, Stop> {
    job.ask_decoded(&message::cxl(0x4100, []))
}

/// Sets it, and shows what is read back.
fn set(job: &mut Job, units: u64) -> Result<Option<Decoded>, Stop> {
    match job.change(&message::set_partition(units))? {
        Some(_) => show(job).map(Some),
        None => Ok(None),
    }
}

/// Capacities with a unit behind. The next ones are zero where no change waits.
fn text(partition: &Decoded, width: usize) -> String {
    let number = |name| partition.number(name).unwrap_or_default();
    let waits = number("next_volatile_bytes") != 0 || number("next_persistent_bytes") != 0;
    let rows: Vec<(String, String)> = partition
        .fields()
        .iter()
        .filter(|(name, _)| waits || !name.starts_with("next"))
        .map(|(name, value)| {
            let name = name.strip_suffix("_bytes").unwrap_or(name).replace('_', " ");
            (name, capacity(value))
        })
        .collect();
    let mut text = pairs(width, 0, &rows);
    if waits {
        text.push_str("The next ones hold from the next reset on.\n");
    }
    text
}

fn capacity(value: &Value) -> String {
    let bytes = value.as_u64().unwrap_or_default();
    format!("{bytes} bytes ({} MiB)", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_that_the_command_cannot_say_is_refused() {
        assert_eq!(units(512 << 20).unwrap(), 2);
        assert_eq!(units(1).unwrap_err().code(), "bad-size");
    }
}

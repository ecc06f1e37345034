// SPDX-License-Identifier: MIT OR Apache-2.0
//! `alerts`: when a CXL device warns.
//!
//! *Invariants*: what is not named is not touched: each warning has its own valid bit.

use std::time::Duration;

use fwgate_gate::Message;
use fwgate_wire::cxl::alerts::SetAlertConfigurationRequest;
use zerocopy::IntoBytes as _;

use crate::cli::typed::{AlertsSetArgs, AlertsVerb, Threshold};
use crate::decode::Decoded;
use crate::error::CliError;
use crate::exit::Exit;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::Ui;
use crate::output::table::pairs;

/// Runs `alerts`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &AlertsVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("alerts")?;
    let (job, result) = match verb {
        AlertsVerb::Show(args) => {
            let mut job = Job::open(ui, &args.device, "alerts show", timeout)?;
            job.only_cxl("alerts")?;
            let result = show(&mut job).map(Some);
            (job, result)
        }
        AlertsVerb::Set(args) => {
            let (device, dry) = (&args.change.device, args.change.dry_run);
            let mut job = Job::open_to_change(ui, device, "alerts set", timeout, dry)?;
            job.only_cxl("alerts")?;
            let result = set(&mut job, &request(args));
            (job, result)
        }
    };
    job.finish(ui, "fwgate.alerts/1", result, |alerts, width| pairs(width, 0, &alerts.rows()))
}

fn show(job: &mut Job) -> Result<Decoded, Stop> {
    job.ask_decoded(&message::cxl(0x4201, []))
}

/// Sets them, and shows what is read back.
fn set(job: &mut Job, request: &Message) -> Result<Option<Decoded>, Stop> {
    match job.change(request)? {
        Some(_) => show(job).map(Some),
        None => Ok(None),
    }
}

fn request(args: &AlertsSetArgs) -> Message {
    let mut fields = SetAlertConfigurationRequest {
        valid_actions: 0,
        enable_actions: 0,
        life_used_warning: 0,
        reserved: 0,
        over_temperature_warning: 0.into(),
        under_temperature_warning: 0.into(),
        corrected_volatile_warning: 0.into(),
        corrected_persistent_warning: 0.into(),
    };
    let mut bits = |at: u8, on: bool| {
        fields.valid_actions |= 1 << at;
        fields.enable_actions |= u8::from(on) << at;
    };
    let life_used = value(args.life_used, 0, &mut bits);
    let over = value(args.over_temperature, 1, &mut bits);
    let under = value(args.under_temperature, 2, &mut bits);
    let volatile = value(args.volatile_errors, 3, &mut bits);
    let persistent = value(args.persistent_errors, 4, &mut bits);
    fields.life_used_warning = life_used;
    fields.over_temperature_warning = over.into();
    fields.under_temperature_warning = under.into();
    fields.corrected_volatile_warning = volatile.into();
    fields.corrected_persistent_warning = persistent.into();
    message::cxl(0x4202, fields.as_bytes())
}

/// The number of a threshold that is named, with its bits set.
fn value<T: Default>(
    threshold: Option<Threshold<T>>,
    at: u8,
    bits: &mut impl FnMut(u8, bool),
) -> T {
    match threshold {
        Some(Threshold::At(number)) => {
            bits(at, true);
            number
        }
        Some(Threshold::Off) => {
            bits(at, false);
            T::default()
        }
        None => T::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::typed::ChangeArgs;

    #[test]
    fn what_is_not_named_is_not_touched() {
        let args = AlertsSetArgs {
            change: ChangeArgs { device: String::new(), dry_run: false },
            life_used: Some(Threshold::Off),
            over_temperature: None,
            under_temperature: Some(Threshold::At(-5)),
            volatile_errors: None,
            persistent_errors: Some(Threshold::At(0x0102)),
        };
        let message = request(&args);
        let bytes = message.command().payload().to_vec();
        assert_eq!(bytes, [0b10101, 0b10100, 0, 0, 0, 0, 0xFB, 0xFF, 0, 0, 2, 1]);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `firmware`: what a device runs, and giving it something else to run.
//!
//! An image is hostile to nobody here: the device checks it. *Invariants*: what is said of an update
//! was read of the device afterwards; where nothing that can be read has changed, that is the status.
//!
//! *Not here*: parts of an image (the gate's, under the device's slot; or the kernel's own loader).

use std::time::Duration;

use fwgate_policy::Protocol;
use serde::Serialize;
use serde_json::Value;

use crate::cli::typed::{Activate, ChangeArgs, DeviceArgs, FirmwareUpdateArgs, FirmwareVerb};
use crate::decode::Decoded;
use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::files;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::Ui;
use crate::output::table::{pairs, wrap};

/// The longest image.
const MAX_IMAGE: usize = 64 << 20;
/// The kernel's firmware loader.
const LOADER: &str = "firmware-upload";
/// The firmware slot page of NVMe, and its bytes.
const SLOTS: (u8, u32) = (0x03, 512);

/// What `firmware update` prints.
#[derive(Debug, Serialize)]
struct Updated {
    image_bytes: usize,
    before: State,
    after: State,
    /// Whether another version runs now than before.
    running_changed: bool,
    /// What it still takes until the new version runs, as far as the device says.
    needs: Option<&'static str>,
}

/// What the device says of its firmware.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct State {
    active_slot: u8,
    /// 0 where none waits for a reset.
    staged_slot: u8,
    /// Of slot 1, 2 and so on; empty where the slot is.
    revisions: Vec<String>,
}

impl State {
    fn of(info: &Decoded) -> Option<Self> {
        let number = |name| info.number(name).and_then(|it| u8::try_from(it).ok());
        let found = info.fields().iter().find(|(name, _)| *name == "revisions");
        let revisions = found.and_then(|(_, value)| value.as_array())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some(Self {
            active_slot: number("active_slot")?,
            staged_slot: number("staged_slot")?,
            revisions: revisions.iter().map(text).collect(),
        })
    }

    fn revision(&self, slot: u8) -> &str {
        let at = usize::from(slot).checked_sub(1);
        at.and_then(|at| self.revisions.get(at)).map_or("", String::as_str)
    }

    fn running(&self) -> &str {
        self.revision(self.active_slot)
    }

    /// The first slot that does not run.
    fn spare(&self) -> u8 {
        let slots = u8::try_from(self.revisions.len()).unwrap_or(u8::MAX);
        (1..=slots).find(|slot| *slot != self.active_slot).unwrap_or(self.active_slot)
    }

    fn line(&self) -> String {
        let mut line = format!("slot {} runs: {}", self.active_slot, quoted(self.running()));
        if self.staged_slot != 0 {
            let revision = quoted(self.revision(self.staged_slot));
            line.push_str(&format!("; slot {} waits for a reset: {revision}", self.staged_slot));
        }
        line
    }
}

fn quoted(revision: &str) -> String {
    if revision.is_empty() { "(empty)".to_owned() } else { format!("`{}`", shown(revision)) }
}

/// Runs `firmware`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &FirmwareVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("firmware")?;
    match verb {
        FirmwareVerb::Info(args) => info(ui, args, timeout),
        FirmwareVerb::Update(args) => update(ui, args, timeout),
        FirmwareVerb::Cancel(args) => cancel(ui, args, timeout),
    }
}

fn info(ui: &mut Ui, args: &DeviceArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    let mut job = Job::open(ui, &args.device, "firmware info", timeout)?;
    let message = match job.opened().facts().identity().protocol {
        Protocol::Cxl => message::cxl(0x0200, []),
        Protocol::NvmeAdmin | Protocol::NvmeIo => message::log_page(SLOTS.0, 0, SLOTS.1),
        Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => {
            return Err(
                job.wrong_language("firmware info", "CXL memory devices and NVMe controllers")
            );
        }
    };
    let result = job.ask_decoded(&message).map(Some);
    job.finish(ui, "fwgate.firmware-info/1", result, |info, width| pairs(width, 0, &info.rows()))
}

fn update(
    ui: &mut Ui,
    args: &FirmwareUpdateArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    let image = files::read(&args.image, MAX_IMAGE, "FILE")?;
    if image.is_empty() {
        let detail = "the image is empty";
        return Err(CliError::usage("empty-file", detail).argument("FILE").file(&args.image));
    }
    let (device, dry) = (&args.change.device, args.change.dry_run);
    let mut job = Job::open_to_change(ui, device, "firmware update", timeout, dry)?;
    job.only_cxl("firmware update")?;
    job.take_long();
    let result = carry(&mut job, args, &image);
    job.finish_with(ui, "fwgate.firmware-update/1", result, text, |updated| {
        let seen = updated.running_changed || updated.needs.is_some();
        if seen { Exit::Done } else { Exit::Found }
    })
}

fn state(job: &mut Job) -> Result<State, Stop> {
    let info = job.ask_decoded(&message::cxl(0x0200, []))?;
    State::of(&info).ok_or_else(|| job.nonsense("firmware information").into())
}

fn carry(job: &mut Job, args: &FirmwareUpdateArgs, image: &[u8]) -> Result<Option<Updated>, Stop> {
    let before = state(job)?;
    let slot = args.slot.unwrap_or_else(|| before.spare());
    // The kernel's loader chooses the slot; a device in software has none that could.
    let by_loader = job.has_interface(LOADER) && !job.opened().record().emulated;
    let written = if by_loader { args.slot.unwrap_or(0) } else { slot };
    let message = message::transfer_firmware(written, image);
    let activation = match args.activate {
        Activate::Reset => Some(message::activate_firmware(slot, true)),
        Activate::Now => Some(message::activate_firmware(slot, false)),
        Activate::Never => None,
    };
    if job.dry_run() {
        job.foresee(&message)?;
        // The kernel's loader activates what it wrote, in one.
        if let Some(activation) = activation.as_ref().filter(|_| !by_loader) {
            job.foresee(activation)?;
        }
        return Ok(None);
    }
    job.change_slowly(&message)?;
    // Whatever it did, what was known of the device may not hold any more.
    job.look_again()?;
    let mut after = state(job)?;
    // The kernel's loader stages what it wrote; nobody else does.
    let staged = after.staged_slot != 0 || after.running() != before.running();
    if let Some(activation) = activation
        && (!staged || args.activate == Activate::Now)
    {
        job.change_slowly(&activation)?;
        job.look_again()?;
        after = state(job)?;
    }
    let running_changed =
        (before.active_slot, before.running()) != (after.active_slot, after.running());
    let written = before.revisions != after.revisions;
    let needs = match after.staged_slot {
        0 if running_changed || !written => None,
        0 => Some("activation: fwgate firmware update with --activate reset or now"),
        _ => Some("a reset of the device"),
    };
    Ok(Some(Updated { image_bytes: image.len(), before, after, running_changed, needs }))
}

fn text(updated: &Updated, width: usize) -> String {
    let rows =
        [("before".to_owned(), updated.before.line()), ("after".to_owned(), updated.after.line())];
    let mut text = pairs(width, 0, &rows);
    let word = match (updated.running_changed, updated.needs) {
        (true, None) => "The device runs another version now.".to_owned(),
        (true, Some(needs)) => {
            format!("The device runs another version now; there is still: {needs}.")
        }
        (false, Some(needs)) => {
            format!("The device runs what it ran before. What it still takes: {needs}.")
        }
        (false, None) => {
            "Nothing that can be read of the device has changed: it took the image, and \
                          runs and holds what it did before."
                .to_owned()
        }
    };
    text.push_str(&wrap(&word, width, 0));
    text.push('\n');
    text
}

/// What `firmware cancel` prints.
#[derive(Debug, Serialize)]
struct Cancelled {
    /// Whether the device itself said so.
    told: bool,
}

/// Ends what nobody waits for any more; whoever waits holds the device, and is named.
fn cancel(ui: &mut Ui, args: &ChangeArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    let mut job = Job::open_to_change(ui, &args.device, "firmware cancel", timeout, args.dry_run)?;
    job.only_cxl("firmware cancel")?;
    let result = job.change(&message::abort_firmware());
    let result = result.map(|done| done.map(|done| Cancelled { told: done.told }));
    job.finish(ui, "fwgate.firmware-cancel/1", result, |cancelled, _| {
        let what = if cancelled.told {
            "The transfer that was open was dropped."
        } else {
            "The kernel was asked to drop the transfer; see: fwgate firmware info"
        };
        format!("{what}\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_that_runs_is_never_the_spare_one() {
        let state = |active_slot, slots: usize| State {
            active_slot,
            staged_slot: 0,
            revisions: vec![String::new(); slots],
        };
        assert_eq!(state(1, 2).spare(), 2);
        assert_eq!(state(2, 2).spare(), 1);
        // With one slot there is no other: the device decides.
        assert_eq!(state(1, 1).spare(), 1);
        assert_eq!(state(1, 0).revision(1), "");
    }
}

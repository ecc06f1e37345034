// SPDX-License-Identifier: MIT OR Apache-2.0
//! `features`: what a CXL device lets be set, and what setting it takes.
//!
//! What the device says of its features is hostile. *Invariants*: a value is set whole, as one
//! request that is judged whole; its parts are made under the device's slot.

use std::time::Duration;

use fwgate_gate::DeviceFacts;
use fwgate_policy::FeatureFacts;
use fwgate_wire::Uuid;
use fwgate_wire::cxl;
use fwgate_wire::cxl::features::{FeatureEntry, SupportedFeatures};
use serde::Serialize;

use crate::cli::typed::{DeviceArgs, FeaturesGetArgs, FeaturesSetArgs, FeaturesVerb};
use crate::command::from_hex;
use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::files::{self, Output};
use crate::job::{Job, Stop};
use crate::message;
use crate::output::hex::dump;
use crate::output::table::{list as names, table};
use crate::output::{Format, Ui};
use crate::verbs::info::{self, Feature};

/// The longest value: its size is a field of 16 bits.
const MAX_VALUE: usize = 0xFFFF;
/// The most commands that reading the list may take.
const MAX_PAGES: usize = 1024;
/// Bytes before the first entry of the list.
const HEAD: usize = 8;

/// What `features list` prints.
#[derive(Debug, Serialize)]
struct Listed {
    /// Null where no path of this machine leads to the list.
    features: Option<Vec<Row>>,
}

/// A feature.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    feature: Feature,
    /// Whether the value that it came with can be read.
    default_readable: bool,
    /// Whether a value can be kept over a reset, and that one be read.
    saved_readable: bool,
}

/// What `features get` prints.
#[derive(Debug, Serialize)]
struct Value {
    uuid: String,
    name: Option<&'static str>,
    selection: &'static str,
    /// In hexadecimal.
    value: String,
    #[serde(skip)]
    bytes: Vec<u8>,
}

/// What `features set` prints.
#[derive(Debug, Serialize)]
struct Set {
    uuid: String,
    name: Option<&'static str>,
    length: usize,
    saved: bool,
}

/// Runs `features`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &FeaturesVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    match verb {
        FeaturesVerb::List(args) => list(ui, args, timeout),
        FeaturesVerb::Get(args) => get(ui, args, timeout),
        FeaturesVerb::Set(args) => set(ui, args, timeout),
    }
}

fn list(ui: &mut Ui, args: &DeviceArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    ui.no_raw("features list")?;
    let job = Job::open(ui, &args.device, "features list", timeout)?;
    job.only_cxl("features")?;
    let facts = job.opened().facts();
    if facts.features().is_none() {
        return Err(unreadable(&job));
    }
    // They were read when the device was opened, on record.
    let row = |entry| Row::of(entry, facts);
    let features = facts.features().map(|features| features.iter().map(row).collect());
    job.finish(ui, "fwgate.features/1", Ok(Some(Listed { features })), text)
}

impl Row {
    fn of(entry: &FeatureFacts, facts: &DeviceFacts) -> Self {
        Self {
            feature: info::feature(entry, facts),
            default_readable: entry.flags & 1 << 5 != 0,
            saved_readable: entry.flags & 1 << 6 != 0,
        }
    }
}

fn text(listed: &Listed, width: usize) -> String {
    let Some(features) = &listed.features else {
        return "The list of features cannot be read: no path here leads to it; see: fwgate doctor\n"
            .to_owned();
    };
    if features.is_empty() {
        return "The device lists no features.\n".to_owned();
    }
    let rows = features.iter().map(|row| {
        let feature = &row.feature;
        vec![
            feature.name.map_or_else(|| feature.uuid.clone(), ToOwned::to_owned),
            feature.get_size.to_string(),
            feature.set_size.to_string(),
            if feature.changeable { names(&feature.effects) } else { "fixed".to_owned() },
            feature
                .refusal
                .map_or(feature.required_scope.to_owned(), |code| format!("refused: {code}")),
            feature.owner.unwrap_or("-").to_owned(),
        ]
    });
    let columns = ["FEATURE", "READS", "TAKES", "SETTING IT CHANGES", "NEEDS", "OWNER"];
    table(width, &columns, &rows.collect::<Vec<_>>())
}

fn get(ui: &mut Ui, args: &FeaturesGetArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    if ui.format() == Format::Raw && args.output.output.is_none() && ui.watched() {
        return Err(ui.no_terminal());
    }
    let output = Output::prepare_any(args.output.output.as_deref(), args.output.force)?;
    let mut job = Job::open(ui, &args.device.device, "features get", timeout)?;
    job.only_cxl("features")?;
    let (selection, word) = match (args.default, args.saved) {
        (true, _) => (1, "default"),
        (_, true) => (2, "saved"),
        _ => (0, "current"),
    };
    let result = value(&mut job, &args.feature, selection, word);
    let bytes = result.as_ref().ok().map(|value| value.bytes.clone());
    let raw = ui.format() == Format::Raw && bytes.is_some();
    let show = if output.is_none() && !raw { ui.shown_bytes() } else { 0 };
    let exit = if raw {
        Exit::Done
    } else {
        job.finish(ui, "fwgate.feature/1", result.map(Some), |value, _| value.text(show))?
    };
    if let Some(bytes) = bytes {
        match output {
            Some(output) => output.keep(&bytes)?,
            None if raw => ui.bytes(&bytes)?,
            None => {}
        }
    }
    Ok(exit)
}

impl Value {
    fn text(&self, show: usize) -> String {
        let name = self.name.unwrap_or(&self.uuid);
        let mut text = format!("{name}: {} bytes, {}\n", self.bytes.len(), self.selection);
        if show > 0 {
            text.push_str(&dump(&self.bytes, show));
        }
        text
    }
}

fn value(job: &mut Job, name: &str, selection: u8, word: &'static str) -> Result<Value, Stop> {
    let (uuid, size) = find(job, name)?;
    let bytes = read(job, uuid, size, selection)?;
    let value = fwgate_gate::text::hex(&bytes);
    Ok(Value { uuid: uuid.to_string(), name: row_name(uuid), selection: word, value, bytes })
}

fn set(ui: &mut Ui, args: &FeaturesSetArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    ui.no_raw("features set")?;
    let value = match (&args.payload, &args.hex) {
        (Some(file), _) => files::read(file, MAX_VALUE, "--payload")?,
        (None, text) => from_hex(text.as_deref().unwrap_or_default())?,
    };
    let (device, dry) = (&args.change.device, args.change.dry_run);
    let mut job = Job::open_to_change(ui, device, "features set", timeout, dry)?;
    job.only_cxl("features")?;
    let result = change(&mut job, args, &value);
    job.finish(ui, "fwgate.feature-set/1", result, |set, _| {
        let name = set.name.unwrap_or(&set.uuid);
        let kept = if set.saved { ", kept over a reset" } else { "" };
        format!("{name}: {} bytes set{kept}\n", set.length)
    })
}

fn change(job: &mut Job, args: &FeaturesSetArgs, value: &[u8]) -> Result<Option<Set>, Stop> {
    let (uuid, _) = find(job, &args.feature)?;
    let entry = entry(job, uuid)?;
    let takes = usize::from(entry.set_size.get());
    if value.len() != takes {
        let have = value.len();
        let detail = format!("the feature takes {takes} bytes, and {have} are given");
        return Err(CliError::usage("bad-length", detail).argument("VALUE").into());
    }
    let version = entry.set_version;
    let done = job.change_slowly(&message::set_feature(uuid, version, args.saved, value))?;
    let (name, length) = (row_name(uuid), value.len());
    Ok(done.map(|_| Set { uuid: uuid.to_string(), name, length, saved: args.saved }))
}

/// No path leads to the list of features.
fn unreadable(job: &Job) -> CliError {
    let name = &job.opened().record().name;
    let detail = format!(
        "the list of features cannot be read: no path here leads to it; see: fwgate doctor {name}"
    );
    CliError::new(Exit::Refused, "no-path", detail).device(name)
}

/// The size of what Get Feature returns for a feature; `None` where the device does not list it.
pub(crate) fn listed(job: &Job, uuid: Uuid) -> Option<u16> {
    let features = job.opened().facts().features()?;
    features.iter().find(|entry| entry.uuid == *uuid.as_bytes()).map(|entry| entry.get_size)
}

/// Reads a value in as many commands as it takes.
pub(crate) fn read(job: &mut Job, uuid: Uuid, size: u16, selection: u8) -> Result<Vec<u8>, Stop> {
    let room = u16::try_from(job.payload_limit()).unwrap_or(u16::MAX).max(1);
    let mut value = Vec::new();
    let mut offset = 0_u16;
    while offset < size {
        let count = room.min(size.saturating_sub(offset));
        let part = job.ask(&message::feature(uuid, offset, count, selection))?;
        if part.is_empty() || part.len() > usize::from(count) {
            return Err(job.nonsense("value").into());
        }
        value.extend_from_slice(&part);
        // At least one byte more each time, so this ends.
        offset = offset.saturating_add(u16::try_from(part.len()).unwrap_or(count));
    }
    Ok(value)
}

/// The device's own entry of a feature, with the version that Set Feature names.
pub(crate) fn entry(job: &mut Job, uuid: Uuid) -> Result<FeatureEntry, Stop> {
    let room = u32::try_from(job.payload_limit()).unwrap_or(u32::MAX);
    let mut start = 0_u16;
    for _ in 0..MAX_PAGES {
        let reply = job.ask(&message::supported_features(room, start))?;
        let Ok(page) = SupportedFeatures::parse(&reply) else {
            return Err(job.nonsense("list of features").into());
        };
        if let Some(entry) = page.find(uuid) {
            return Ok(*entry);
        }
        let count = u16::try_from(page.entries().len()).unwrap_or(u16::MAX);
        start = start.saturating_add(count);
        if count == 0 || start >= page.supported() || reply.len() < HEAD {
            break;
        }
    }
    Err(unknown(job, &uuid.to_string()).into())
}

/// The feature that a name or a UUID means, and the size of its value.
fn find(job: &Job, text: &str) -> Result<(Uuid, u16), CliError> {
    let features = job.opened().facts().features().ok_or_else(|| unreadable(job))?;
    let wanted = Uuid::parse_str(text).ok();
    let fits = |bytes: &[u8; 16]| match wanted {
        Some(uuid) => uuid.as_bytes() == bytes,
        None => cxl::table::feature(bytes).is_some_and(|row| {
            row.name.eq_ignore_ascii_case(text) || slugs(row.name).any(|it| it == text)
        }),
    };
    let mut found = features.iter().filter(|entry| fits(&entry.uuid));
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok((Uuid::from_bytes(entry.uuid), entry.get_size)),
        _ => Err(unknown(job, text)),
    }
}

fn unknown(job: &Job, text: &str) -> CliError {
    let device = &job.opened().record().name;
    let detail = format!(
        "`{device}` lists no feature `{}`; see: fwgate features list {device}",
        shown(text)
    );
    CliError::new(Exit::NotFound, "unknown-feature", detail).argument("FEATURE").device(device)
}

fn row_name(uuid: Uuid) -> Option<&'static str> {
    cxl::table::feature(uuid.as_bytes()).map(|row| row.name)
}

/// The names that a feature can be called by: `device-patrol-scrub-control`, `patrol-scrub`, `sppr`.
fn slugs(name: &str) -> impl Iterator<Item = String> {
    let lower = name.to_ascii_lowercase();
    let (long, short) = match lower.split_once(" (") {
        Some((long, rest)) => {
            let (short, after) = rest.split_once(')').unwrap_or((rest, ""));
            (format!("{long}{after}"), Some(short.to_owned()))
        }
        None => (lower, None),
    };
    let whole = long.trim().replace(' ', "-");
    let plain = whole.strip_prefix("device-").unwrap_or(&whole);
    let plain = plain.strip_suffix("-control").unwrap_or(plain).to_owned();
    [Some(whole), Some(plain), short].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_has_a_long_a_plain_and_a_short_name() {
        let all = |name| slugs(name).collect::<Vec<_>>();
        assert_eq!(
            all("Device Patrol Scrub Control"),
            ["device-patrol-scrub-control", "patrol-scrub"]
        );
        let repair = all("Soft Post Package Repair (sPPR)");
        assert!(repair.contains(&"soft-post-package-repair".to_owned()), "{repair:?}");
        assert!(repair.contains(&"sppr".to_owned()), "{repair:?}");
        let ecs = all("DDR5 Error Check Scrub (ECS) Control");
        assert!(ecs.contains(&"ddr5-error-check-scrub".to_owned()), "{ecs:?}");
    }

    #[test]
    fn no_two_features_of_the_tables_share_a_name() {
        let mut seen = Vec::new();
        for row in cxl::table::FEATURES {
            for slug in slugs(row.name) {
                let other = seen.iter().find(|(known, _)| *known == slug);
                assert!(other.is_none_or(|(_, uuid)| *uuid == row.uuid), "{slug}");
                seen.push((slug, row.uuid));
            }
        }
    }
}

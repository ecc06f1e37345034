// SPDX-License-Identifier: MIT OR Apache-2.0
//! `labels`: the label area of a CXL device, which describes its persistent namespaces.
//!
//! *Invariants*: what stands in the way of FILE is found before anything is read; nothing is written
//! before the device was named a second time.

use std::time::Duration;

use serde::Serialize;

use crate::cli::typed::{LabelsReadArgs, LabelsVerb, LabelsWriteArgs};
use crate::confirm::confirm;
use crate::error::CliError;
use crate::exit::Exit;
use crate::files::{self, Output};
use crate::job::{Job, Stop};
use crate::message;
use crate::output::Ui;

/// The longest label area that is read or written.
const LONGEST: usize = 16 << 20;
/// Offset and length before the data of Set LSA.
const HEAD: usize = 8;

/// What `labels` prints.
#[derive(Debug, Serialize)]
struct Labels {
    /// Bytes of the label area, as the device says.
    area: u64,
    /// Bytes that were read or written.
    length: usize,
}

/// Runs `labels`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &LabelsVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("labels")?;
    match verb {
        LabelsVerb::Read(args) => read(ui, args, timeout),
        LabelsVerb::Write(args) => write(ui, args, timeout),
    }
}

fn read(ui: &mut Ui, args: &LabelsReadArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    let output = Output::prepare(&args.file, args.force)?;
    let mut job = Job::open(ui, &args.device.device, "labels read", timeout)?;
    job.only_cxl("labels")?;
    job.take_long();
    let result = content(&mut job);
    let bytes = result.as_ref().ok().map(|(_, bytes)| bytes.clone());
    let result = result.map(|(area, bytes)| Some(Labels { area, length: bytes.len() }));
    let exit = job.finish(ui, "fwgate.labels/1", result, |labels, _| {
        format!("{} bytes of labels read\n", labels.length)
    })?;
    if let Some(bytes) = bytes {
        output.keep(&bytes)?;
    }
    Ok(exit)
}

/// Bytes of the label area, as the device says.
fn area(job: &mut Job) -> Result<u64, Stop> {
    let identity = job.ask_decoded(&message::cxl(0x4000, []))?;
    let area = identity.number("lsa_bytes").and_then(|it| u64::try_from(it).ok());
    match area {
        Some(0) | None => {
            let name = job.opened().record().name.clone();
            let detail = format!("`{name}` has no label area");
            Err(CliError::new(Exit::NotFound, "no-labels", detail).device(&name).into())
        }
        Some(area) if area > LONGEST as u64 => Err(job.nonsense("length of the label area").into()),
        Some(area) => Ok(area),
    }
}

fn content(job: &mut Job) -> Result<(u64, Vec<u8>), Stop> {
    let area = area(job)?;
    let length = u32::try_from(area).unwrap_or(u32::MAX);
    let room = u32::try_from(job.payload_limit()).unwrap_or(u32::MAX).max(1);
    let mut bytes = Vec::new();
    let mut offset = 0_u32;
    while offset < length {
        let count = room.min(length.saturating_sub(offset));
        let part = job.ask(&message::labels(offset, count))?;
        if u32::try_from(part.len()) != Ok(count) {
            return Err(job.nonsense("part of the labels").into());
        }
        bytes.extend_from_slice(&part);
        offset = offset.saturating_add(count);
    }
    Ok((area, bytes))
}

fn write(ui: &mut Ui, args: &LabelsWriteArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    let bytes = files::read(&args.file, LONGEST, "FILE")?;
    if bytes.is_empty() {
        let detail = "the file is empty: there is nothing to write";
        return Err(CliError::usage("empty-file", detail).argument("FILE").file(&args.file));
    }
    let (device, dry) = (&args.change.device, args.change.dry_run);
    let mut job = Job::open_to_change(ui, device, "labels write", timeout, dry)?;
    job.only_cxl("labels")?;
    job.take_long();
    let result = put(&mut job, args, &bytes);
    job.finish(ui, "fwgate.labels/1", result, |labels, _| {
        format!("{} bytes of labels written, and read back as they were written\n", labels.length)
    })
}

fn put(job: &mut Job, args: &LabelsWriteArgs, bytes: &[u8]) -> Result<Option<Labels>, Stop> {
    let area = area(job)?;
    if bytes.len() as u64 > area {
        let detail = format!("the file has {} bytes, the label area {area}", bytes.len());
        return Err(CliError::usage("file-too-long", detail).argument("FILE").into());
    }
    let room = job.payload_limit().saturating_sub(HEAD).max(1);
    let parts: Vec<(u32, &[u8])> = bytes
        .chunks(room)
        .scan(0_u32, |offset, part| {
            let at = *offset;
            *offset = at.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
            Some((at, part))
        })
        .collect();
    if let Some((at, part)) = parts.first() {
        job.foresee(&message::set_labels(*at, part))?;
    }
    if job.dry_run() {
        return Ok(None);
    }
    let given = args.yes_destroy_data.as_deref();
    confirm(job.opened(), "replaces the labels of", "--yes-destroy-data", given)?;
    for (at, part) in &parts {
        job.change(&message::set_labels(*at, part))?;
    }
    let (_, there) = content(job)?;
    if there.get(..bytes.len()) != Some(bytes) {
        let detail = "the labels that are read back are not those that were written";
        return Err(CliError::new(Exit::Found, "reads-otherwise", detail).into());
    }
    Ok(Some(Labels { area, length: bytes.len() }))
}

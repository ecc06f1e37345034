// SPDX-License-Identifier: MIT OR Apache-2.0
//! `logs`: a device's logs: CXL logs by UUID, NVMe log pages by number.
//!
//! What a log holds is hostile; it is shown as a dump. *Invariants*: what a device says of a log's
//! length is believed up to a bound only.
//!
//! *Spec*: NVMe page lengths `include/linux/nvme.h` @ v7.3.

use std::time::Duration;

use fwgate_policy::Protocol;
use fwgate_wire::Uuid;
use fwgate_wire::cxl::logs::{SupportedLogs, log_uuid};
use serde::Serialize;

use crate::cli::typed::{DeviceArgs, LogsGetArgs, LogsVerb};
use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::files::Output;
use crate::job::{Job, Stop};
use crate::message;
use crate::output::hex::dump;
use crate::output::table::table;
use crate::output::{Format, Ui};

/// The longest log that is read.
const LONGEST: u32 = 16 << 20;
/// NVMe pages of which the length is known: number, name, bytes.
const PAGES: &[(u8, &str, u32)] = &[
    (0x01, "error information", 64),
    (0x02, "SMART / health", 512),
    (0x03, "firmware slots", 512),
    (0x05, "effects", 4096),
];

/// What `logs list` prints.
#[derive(Debug, Serialize)]
struct Listed {
    logs: Vec<Row>,
}

/// A log.
#[derive(Debug, Serialize)]
struct Row {
    /// A UUID, or the number of a page.
    id: String,
    name: Option<&'static str>,
    /// In bytes; as the device says, or as the specification has it.
    length: u32,
}

/// What `logs get` prints.
#[derive(Debug, Serialize)]
struct Log {
    id: String,
    name: Option<&'static str>,
    length: usize,
    /// In hexadecimal.
    bytes: String,
    #[serde(skip)]
    content: Vec<u8>,
}

/// Runs `logs`.
pub(crate) fn run(
    ui: &mut Ui,
    verb: &LogsVerb,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    match verb {
        LogsVerb::List(args) => list(ui, args, timeout),
        LogsVerb::Get(args) => get(ui, args, timeout),
    }
}

fn list(ui: &mut Ui, args: &DeviceArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    ui.no_raw("logs list")?;
    let mut job = Job::open(ui, &args.device, "logs list", timeout)?;
    let result = rows(&mut job).map(|logs| Some(Listed { logs }));
    job.finish(ui, "fwgate.logs/1", result, |listed, width| {
        let cells = |row: &Row| {
            vec![row.id.clone(), row.name.unwrap_or("-").to_owned(), row.length.to_string()]
        };
        let rows: Vec<_> = listed.logs.iter().map(cells).collect();
        table(width, &["LOG", "NAME", "BYTES"], &rows)
    })
}

/// The device's logs; of NVMe the pages that are known to every controller here.
fn rows(job: &mut Job) -> Result<Vec<Row>, Stop> {
    if job.opened().facts().identity().protocol != Protocol::Cxl {
        let row = |(page, name, length): &(u8, &'static str, u32)| Row {
            id: format!("{page:#04x}"),
            name: Some(*name),
            length: *length,
        };
        return Ok(PAGES.iter().map(row).collect());
    }
    let reply = job.ask(&message::cxl(0x0400, []))?;
    let Ok(logs) = SupportedLogs::parse(&reply) else {
        return Err(job.nonsense("list of logs").into());
    };
    Ok(logs
        .entries()
        .iter()
        .map(|entry| Row {
            id: entry.uuid().to_string(),
            name: log_uuid::name(entry.uuid()),
            length: entry.size.get(),
        })
        .collect())
}

fn get(ui: &mut Ui, args: &LogsGetArgs, timeout: Option<Duration>) -> Result<Exit, CliError> {
    if ui.format() == Format::Raw && args.output.output.is_none() && ui.watched() {
        return Err(ui.no_terminal());
    }
    let output = Output::prepare_any(args.output.output.as_deref(), args.output.force)?;
    let mut job = Job::open(ui, &args.device.device, "logs get", timeout)?;
    job.take_long();
    let result = read(&mut job, &args.log);
    let content = result.as_ref().ok().map(|log| log.content.clone());
    let raw = ui.format() == Format::Raw && content.is_some();
    let show = if output.is_none() && !raw { ui.shown_bytes() } else { 0 };
    let exit = if raw {
        Exit::Done
    } else {
        job.finish(ui, "fwgate.log/1", result.map(Some), |log, _| log.text(show))?
    };
    if let Some(content) = content {
        match output {
            Some(output) => output.keep(&content)?,
            None if raw => ui.bytes(&content)?,
            None => {}
        }
    }
    Ok(exit)
}

impl Log {
    fn text(&self, show: usize) -> String {
        let name = self.name.map_or(String::new(), |name| format!(" ({name})"));
        let mut text = format!("{}{name}: {} bytes\n", self.id, self.length);
        if show > 0 {
            text.push_str(&dump(&self.content, show));
        }
        text
    }
}

fn read(job: &mut Job, wanted: &str) -> Result<Log, Stop> {
    let rows = rows(job)?;
    let fits = |row: &&Row| {
        let name = row.name.map(|name| name.replace(' ', "-"));
        row.id.eq_ignore_ascii_case(wanted)
            || name.is_some_and(|name| name.eq_ignore_ascii_case(wanted))
            || page(&row.id).is_some_and(|number| Some(number) == page(wanted))
    };
    let Some(row) = rows.iter().find(fits) else { return Err(unknown(job, wanted).into()) };
    if row.length > LONGEST {
        return Err(job.nonsense("length of the log").into());
    }
    let content = match (page(&row.id), Uuid::parse_str(&row.id)) {
        (Some(number), _) => page_of(job, number, row.length)?,
        (None, Ok(uuid)) => parts(job, uuid, row.length)?,
        (None, Err(_)) => return Err(unknown(job, wanted).into()),
    };
    let bytes = fwgate_gate::text::hex(&content);
    Ok(Log { id: row.id.clone(), name: row.name, length: content.len(), bytes, content })
}

/// A CXL log in as many commands as it takes; it ends where the device ends it.
fn parts(job: &mut Job, uuid: Uuid, length: u32) -> Result<Vec<u8>, Stop> {
    let room = u32::try_from(job.payload_limit()).unwrap_or(u32::MAX).max(1);
    let mut content = Vec::new();
    let mut offset = 0_u32;
    while offset < length {
        let count = room.min(length.saturating_sub(offset));
        let part = job.ask(&message::log(uuid, offset, count))?;
        let got = u32::try_from(part.len()).unwrap_or(u32::MAX);
        if got > count {
            return Err(job.nonsense("part of the log").into());
        }
        content.extend_from_slice(&part);
        if got < count {
            break;
        }
        offset = offset.saturating_add(got);
    }
    Ok(content)
}

fn page_of(job: &mut Job, number: u8, length: u32) -> Result<Vec<u8>, Stop> {
    // SMART is asked for the whole controller.
    let nsid = if number == 0x02 { u32::MAX } else { 0 };
    Ok(job.ask(&message::log_page(number, nsid, length))?.to_vec())
}

/// The number of an NVMe page: hexadecimal, `0x` and at most two digits.
fn page(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("0x")?;
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

fn unknown(job: &Job, text: &str) -> CliError {
    let device = &job.opened().record().name;
    let detail = format!("`{device}` has no log `{}`; see: fwgate logs list {device}", shown(text));
    CliError::new(Exit::NotFound, "unknown-log", detail).argument("LOG").device(device)
}

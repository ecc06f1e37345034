// SPDX-License-Identifier: MIT OR Apache-2.0
//! `send`: judges a command, puts the decision on record, sends it if allowed, tells what became
//! of it.
//!
//! *Invariants*: what stands in the way of `--output` is found before anything is sent; the reply
//! is decoded here, after the gate has recorded the outcome.

use std::sync::Arc;
use std::time::Duration;

use fwgate_gate::record::{CommandRecord, DeviceRecord, OutcomeRecord};
use fwgate_gate::{
    Background, Caller, Explanation, Failure, Firmware, Message, Opened, Outcome, Request, Sent,
};
use fwgate_policy::Scope;
use fwgate_wire::{cxl, fwctl};
use serde::Serialize;

use crate::cli::SendArgs;
use crate::command::{self, Known};
use crate::decode::{self, Decoded};
use crate::devices::Session;
use crate::error::CliError;
use crate::exit::Exit;
use crate::files::Output;
use crate::output::hex::dump;
use crate::output::style::{BAD, FAINT, GOOD, WARN, paint};
use crate::output::table::pairs;
use crate::output::{Format, Ui};
use crate::progress::{Progress, Way};
use crate::verbs::explain;

/// What `send` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) schema: &'static str,
    pub(crate) device: DeviceRecord,
    pub(crate) command: CommandRecord,
    #[serde(flatten)]
    pub(crate) explanation: Explanation,
    pub(crate) outcome: Option<Done>,
    pub(crate) record: u64,
}

/// What became of a command that was sent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Done {
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) decoded: Option<Decoded>,
}

/// Runs `send`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &SendArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    if args.dry_run {
        let document = explain::judged(&args.device, &args.name, None, &args.command, timeout)?;
        return explain::finish(ui, &document);
    }
    if ui.format() == Format::Raw && args.output.is_none() && ui.watched() {
        return Err(ui.no_terminal());
    }
    // Before the device is even looked at.
    let output = match &args.output {
        Some(place) => Some(Output::prepare(place, args.force)?),
        None => None,
    };
    let name = args.device.as_str();
    let session = Session::open(&[name], &format!("send {}", args.name), timeout)?;
    let opened = session.opened(name)?;
    let known = Known::of(opened.facts());
    let message = command::message(&args.name, &args.command, &known, session.gate().tables())?;
    let mut progress = Progress::new(ui.shows_progress());
    let document = send(
        &session,
        &opened,
        &message,
        args.command.scope,
        session.caller(),
        session.left(),
        &mut |background| {
            let _ = progress.show(background, Way::Firmware);
        },
    )?;
    progress.end();
    finish(ui, &document, output)
}

/// Sends a message and puts what became of it into a document.
pub(crate) fn send(
    session: &Session,
    opened: &Opened,
    message: &Message,
    scope: Option<Scope>,
    caller: Caller,
    deadline: Duration,
    progress: &mut dyn FnMut(Background),
) -> Result<Document, CliError> {
    let identity = opened.facts().identity();
    let pci = (identity.vendor, identity.device);
    let caller = Arc::new(caller);
    let request = Request { route: Firmware, message: message.clone(), scope, caller, deadline };
    let sent = session.gate().send(opened, request, progress)?;
    let Sent { explanation, command, outcome, record } = sent;
    let outcome = outcome.map(|outcome| {
        let answered = matches!(outcome.record.status, "done" | "unverified");
        let decoded = if answered { decode::reply(message, pci, &outcome.reply) } else { None };
        Done { outcome, decoded }
    });
    Ok(Document {
        schema: "fwgate.send/1",
        device: opened.record().clone(),
        command: Arc::unwrap_or_clone(command),
        explanation: Arc::unwrap_or_clone(explanation),
        outcome,
        record,
    })
}

/// Prints a document, keeps the reply, and answers the status.
fn finish(ui: &mut Ui, document: &Document, output: Option<Output>) -> Result<Exit, CliError> {
    let reply = document.outcome.as_ref().map(|done| done.outcome.reply.as_slice());
    let exit = status(document);
    match ui.format() {
        Format::Json => ui.json(document)?,
        Format::Raw if exit == Exit::Done => {
            // Standard output is for the reply; `--output` takes its place.
            if output.is_none() {
                ui.bytes(reply.unwrap_or_default())?;
            }
        }
        Format::Raw | Format::Table => {
            let text = text(document, output.is_none(), ui);
            ui.text(&text)?;
        }
    }
    if let (Some(output), Some(reply)) = (output, reply)
        && exit == Exit::Done
    {
        output.keep(reply)?;
    }
    Ok(exit)
}

/// The status of what became of a command.
pub(crate) fn status(document: &Document) -> Exit {
    let Some(done) = &document.outcome else { return explain::status(&document.explanation) };
    match done.outcome.failure {
        None if done.outcome.record.status == "running" => Exit::Transport,
        None => Exit::Done,
        Some(Failure::FactsChanged) => Exit::Refused,
        Some(Failure::Kernel) => Exit::Kernel,
        Some(Failure::Device) => Exit::Device,
        Some(Failure::Transport) => Exit::Transport,
    }
}

/// The document for people.
fn text(document: &Document, show_reply: bool, ui: &Ui) -> String {
    let device = document.device.name.as_str();
    let mut text =
        explain::text(Some(device), &document.command, &document.explanation, ui.width());
    let Some(done) = &document.outcome else {
        text.push_str(&format!("nothing was sent; record {}\n", document.record));
        return text;
    };
    let protocol = document.device.protocol;
    text.push_str(&told(protocol, &done.outcome.record, document.record));
    if let Some(decoded) = &done.decoded {
        let rows: Vec<(String, String)> = decoded
            .fields()
            .iter()
            .map(|(name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                ((*name).to_owned(), value)
            })
            .collect();
        text.push_str(&pairs(ui.width(), 2, &rows));
    }
    if show_reply && !done.outcome.reply.is_empty() {
        text.push_str(&dump(&done.outcome.reply, ui.shown_bytes()));
    }
    text
}

/// What became of a command, in one line; `number` is that of its decision.
pub(crate) fn told(protocol: &str, record: &OutcomeRecord, number: u64) -> String {
    let mut text = match record.status {
        "done" => paint(GOOD, "done"),
        "running" | "unverified" => paint(WARN, record.status),
        other => paint(BAD, other),
    };
    if let Some(code) = record.return_code.filter(|code| *code != 0) {
        let name = match protocol {
            "cxl" => cxl::ReturnCode(code).name(),
            "mlx5" => u8::try_from(code).ok().and_then(fwctl::mlx5::status_name),
            "bnxt" => fwctl::bnxt::error_name(code),
            _ => None,
        };
        let name = name.map_or(String::new(), |name| format!(" ({name})"));
        text.push_str(&format!(", the device answered {code:#06x}{name}"));
    }
    if let Some(error) = &record.error {
        text.push_str(&format!(", {error}"));
    }
    if let Some(background) = record.background.filter(|background| background.running) {
        let percent = background.percent.map_or(String::new(), |it| format!(" {it}%"));
        text.push_str(&format!(",{percent} when the deadline passed; it goes on in the device"));
    }
    let end =
        format!("; {} bytes; {} us; record {number}", record.reply_length, record.duration_us);
    text.push_str(&paint(FAINT, &end));
    text.push('\n');
    text
}

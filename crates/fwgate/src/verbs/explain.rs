// SPDX-License-Identifier: MIT OR Apache-2.0
//! `explain`: judges a command and says why. No decision is recorded, nothing is sent.
//!
//! *Invariants*: a device is asked only for its facts, and that is on record. With `--from` no
//! device, no journal and no state of this machine is looked at.

use std::time::Duration;

use fwgate_gate::record::{CommandRecord, DeviceRecord};
use fwgate_gate::{
    Caller, DeviceFacts, Explanation, InProcess, Message, Request, SitePolicy as _, SiteQuestion,
};
use fwgate_policy::{
    Capabilities, Lockdown, Path, PathKind, Protocol, Question, Route, Standing, Tables, classify,
    judge,
};
use serde::Serialize;

use crate::cli::{CommandArgs, ExplainArgs, ProtocolArg};
use crate::command::{self, Known};
use crate::devices::{DEADLINE, Session};
use crate::error::CliError;
use crate::exit::Exit;
use crate::log_file;
use crate::output::style::{FAINT, HEAD, paint, verdict};
use crate::output::table::{list, pairs};
use crate::output::{Format, Ui};
use crate::person::Names;

/// What `explain` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) schema: &'static str,
    pub(crate) device: Option<DeviceRecord>,
    pub(crate) command: CommandRecord,
    #[serde(flatten)]
    pub(crate) explanation: Explanation,
}

/// Runs `explain`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &ExplainArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    let document = match (&args.from.from, args.from.protocol) {
        (Some(file), Some(protocol)) => {
            let [name] = args.target.as_slice() else {
                let detail = "with `--from` the command alone is given, and no device".to_owned();
                return Err(CliError::usage("too-many-arguments", detail).argument("DEV"));
            };
            let facts = log_file::read(file, protocol)?;
            from_log(&facts, protocol, name, args)?
        }
        _ => {
            let [device, name] = args.target.as_slice() else {
                let detail = "a device and a command are needed; see: fwgate explain --help";
                return Err(CliError::usage("missing-argument", detail).argument("COMMAND"));
            };
            judged(device, name, args.person.as_deref(), &args.command, timeout)?
        }
    };
    finish(ui, &document)
}

/// Judges a command for a device.
pub(crate) fn judged(
    device: &str,
    name: &str,
    person: Option<&str>,
    args: &CommandArgs,
    timeout: Option<Duration>,
) -> Result<Document, CliError> {
    let names = Names::of_this_machine();
    let caller = match person {
        Some(person) => names.stand_in(person)?,
        None => names.this_process(),
    };
    let session = Session::open(&[device], &format!("explain {name}"), timeout)?;
    let opened = session.opened(device)?;
    let known = Known::of(opened.facts());
    let message = command::message(name, args, &known, session.gate().tables())?;
    let request = Request {
        route: fwgate_gate::Firmware,
        message,
        scope: args.scope,
        caller,
        deadline: timeout.unwrap_or(DEADLINE),
    };
    let decided = session.gate().decide(&opened, request);
    Ok(Document {
        schema: "fwgate.explain/1",
        device: Some(opened.record().clone()),
        command: decided.command,
        explanation: decided.explanation,
    })
}

/// Prints a document; answers the status of its verdict.
pub(crate) fn finish(ui: &mut Ui, document: &Document) -> Result<Exit, CliError> {
    match ui.format() {
        Format::Json => ui.json(document)?,
        // There are no bytes: the text goes to standard error, and the status says the rest.
        Format::Table | Format::Raw => {
            let device = document.device.as_ref().map(|device| device.name.as_str());
            let text = text(device, &document.command, &document.explanation);
            ui.text(&text)?;
        }
    }
    Ok(status(&document.explanation))
}

/// The status of a verdict.
pub(crate) fn status(explanation: &Explanation) -> Exit {
    match explanation.verdict {
        "allow" => Exit::Done,
        "redirect" => Exit::Redirect,
        _ => Exit::Refused,
    }
}

/// Judges a command by a log in a file, for a device of which nothing else is known.
fn from_log(
    facts: &DeviceFacts,
    protocol: ProtocolArg,
    name: &str,
    args: &ExplainArgs,
) -> Result<Document, CliError> {
    let names = Names::of_this_machine();
    let caller = match args.person.as_deref() {
        Some(person) => names.stand_in(person)?,
        None => alone(names.this_process()),
    };
    let tables = Tables::BUILTIN;
    let message = command::message(name, &args.command, &Known::of(facts), &tables)?;
    let (command, mut explanation) = judged_by_log(facts, protocol, &message, &caller, args);
    // Nothing is known of a path.
    explanation.path = None;
    Ok(Document { schema: "fwgate.explain/1", device: None, command, explanation })
}

/// This process as the default policy would see it: root with all capabilities, others with none.
fn alone(mut caller: Caller) -> Caller {
    let root = caller.uid == 0;
    caller.capabilities = Capabilities { sys_admin: root, sys_rawio: root };
    caller
}

fn judged_by_log(
    facts: &DeviceFacts,
    protocol: ProtocolArg,
    message: &Message,
    caller: &Caller,
    args: &ExplainArgs,
) -> (CommandRecord, Explanation) {
    let tables = Tables::BUILTIN;
    facts.with_policy(|policy| {
        let class = classify(&message.command(), policy, &tables);
        let scope = args.command.scope;
        let question = SiteQuestion { caller, device: facts.identity(), class: &class, scope };
        // Nobody owns a device of which there is only a file: the default answers.
        let answer = InProcess::owned_by(u32::MAX).ask(&question);
        let typed = tables
            .floor(class.protocol, class.opcode)
            .is_some_and(|row| row.memdev_id.is_some());
        let kind = match protocol {
            ProtocolArg::Cxl if typed => PathKind::Memdev,
            ProtocolArg::Cxl => PathKind::Raw,
            ProtocolArg::Nvme => PathKind::NvmeIoctl,
        };
        let standing = Standing {
            asked: scope,
            capabilities: caller.capabilities,
            site: answer.site,
            grants: answer.grants,
            // The device's host may be another than this one.
            lockdown: Lockdown::None,
            path: Path { kind, follows_background: false, admits_caller: false },
            over_budget: false,
        };
        let judgement = judge(&Question {
            command: message.command(),
            route: Route::Firmware,
            facts: policy,
            tables: &tables,
            standing: &standing,
        });
        let explanation =
            Explanation::of(&judgement, "the device", message, Route::Firmware, &standing);
        (CommandRecord::new(message, &class), explanation)
    })
}

impl<'f> Known<'f> {
    /// What names of commands are looked up in for a device with these facts.
    pub(crate) fn of(facts: &'f DeviceFacts) -> Self {
        let identity = facts.identity();
        Self {
            protocol: match identity.protocol {
                Protocol::Cxl => Protocol::Cxl,
                Protocol::NvmeAdmin | Protocol::NvmeIo => Protocol::NvmeAdmin,
            },
            pci: (identity.vendor, identity.device),
            firmware: facts.with_policy(|facts| facts.firmware),
        }
    }
}

/// A verdict for people: what it is, why, and the smallest change that would allow it.
pub(crate) fn text(
    device: Option<&str>,
    command: &CommandRecord,
    explanation: &Explanation,
) -> String {
    let name = command.name.as_deref().map_or(String::new(), |name| format!(" ({name})"));
    let on = device.map_or(String::new(), |device| format!(" on {device}"));
    let mut text = format!(
        "{}: {}{on}\n",
        verdict(explanation.verdict),
        paint(HEAD, &format!("{}{name}", command.opcode))
    );
    let scope = match explanation.granted_scope {
        Some(granted) => format!("{} (sent with {granted})", explanation.required_scope),
        None => explanation.required_scope.to_owned(),
    };
    let mut rows = vec![
        ("effects", list(&explanation.effects)),
        ("shows", explanation.discloses.to_owned()),
        ("needs", scope),
    ];
    if let Some(selector) = &command.selector {
        rows.insert(0, ("selector", selector.clone()));
    }
    if let Some(path) = explanation.path {
        rows.push(("path", path.to_owned()));
    }
    if explanation.would_taint {
        rows.push(("taint", "sending it taints the kernel".to_owned()));
    }
    if let Some(interface) = &explanation.interface {
        rows.push(("interface", interface.clone()));
    }
    let rows: Vec<(String, String)> =
        rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    text.push_str(&pairs(2, &rows));
    for (number, reason) in explanation.reasons.iter().enumerate() {
        let carried = if reason.depth > 0 { ", carried command" } else { "" };
        let level = if reason.level == "note" { "note, " } else { "" };
        let place = paint(FAINT, &format!("({level}step {}{carried})", reason.step));
        text.push_str(&format!(
            "  {}. {} {place}: {}\n",
            number.saturating_add(1),
            paint(HEAD, reason.code),
            reason.detail
        ));
    }
    if let Some(fix) = &explanation.fix {
        text.push_str(&format!("  {} {fix}\n", paint(HEAD, "fix:")));
    }
    text
}

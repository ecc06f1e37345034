// SPDX-License-Identifier: MIT OR Apache-2.0
//! `explain`: judges a command and says why. No decision is recorded, nothing is sent.
//!
//! *Invariants*: a device is asked only for its facts, and that is on record. With `--from` no
//! device, no journal and no state of this machine is looked at.

use std::sync::Arc;
use std::time::Duration;

use fwgate_gate::record::{CommandRecord, DeviceRecord};
use fwgate_gate::{
    Caller, DeviceFacts, Explanation, Firmware, InProcess, Message, Opened, Request,
    SitePolicy as _, SiteQuestion,
};
use fwgate_policy::{
    Capabilities, Code, Lockdown, Path, PathKind, Protocol, Question, Route, Standing, Tables,
    classify, judge,
};
use serde::Serialize;

use crate::cli::{CommandArgs, ExplainArgs, ProtocolArg};
use crate::command::{self, Known};
use crate::devices::Session;
use crate::error::{CliError, path as shown_path};
use crate::exit::Exit;
use crate::log_file;
use crate::output::style::{FAINT, HEAD, paint, verdict};
use crate::output::table::{list, pairs, wrap};
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
    // A person who is not there costs no look at the device.
    let stand_in = person.map(|person| Names::of_this_machine().stand_in(person)).transpose()?;
    let session = Session::open(&[device], &format!("explain {name}"), timeout)?;
    let caller = stand_in.unwrap_or_else(|| session.caller());
    let opened = session.opened(device)?;
    let known = Known::of(opened.facts());
    let message = command::message(name, args, &known, session.gate().tables())?;
    let request = Request {
        route: Firmware,
        message,
        scope: args.scope,
        caller: Arc::new(caller),
        deadline: session.left(),
    };
    decide(&session, &opened, &request)
}

/// Judges a request and puts the answer into a document.
pub(crate) fn decide(
    session: &Session,
    opened: &Opened,
    request: &Request<Firmware>,
) -> Result<Document, CliError> {
    Ok(session.gate().explain(opened, request, |explanation, command| Document {
        schema: "fwgate.explain/1",
        device: Some(opened.record().clone()),
        command: command.clone(),
        explanation: explanation.clone(),
    })?)
}

/// Prints a document; answers the status of its verdict.
pub(crate) fn finish(ui: &mut Ui, document: &Document) -> Result<Exit, CliError> {
    match ui.format() {
        Format::Json => ui.json(document)?,
        // There are no bytes: the text goes to standard error, and the status says the rest.
        Format::Table | Format::Raw => {
            let device = document.device.as_ref().map(|device| device.name.as_str());
            let text = text(device, &document.command, &document.explanation, ui.width());
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
    // Nothing is known of a path, and there is no device to look at.
    explanation.path = None;
    if explanation.headline() == Code::Unreported.name() {
        let file = args.from.from.as_deref().map_or(String::new(), shown_path);
        let protocol = facts.identity().protocol.name();
        explanation.fix = Some(format!(
            "see what the log lists: fwgate effects --from {file} --protocol {protocol}"
        ));
    }
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
        let typed =
            tables.floor(class.protocol, class.opcode).is_some_and(|row| row.memdev_id.is_some());
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

impl Known {
    /// What names of commands are looked up in for a device with these facts.
    pub(crate) fn of(facts: &DeviceFacts) -> Self {
        let identity = facts.identity();
        Self {
            protocol: match identity.protocol {
                Protocol::Cxl => Protocol::Cxl,
                Protocol::NvmeAdmin | Protocol::NvmeIo => Protocol::NvmeAdmin,
                family => family,
            },
            pci: (identity.vendor, identity.device),
            firmware: facts.with_policy(|facts| facts.firmware.to_vec()),
        }
    }
}

/// A verdict for people: what it is, why, and the smallest change that would allow it.
pub(crate) fn text(
    device: Option<&str>,
    command: &CommandRecord,
    explanation: &Explanation,
    width: usize,
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
        rows.push(("taint", "sending it would taint the kernel".to_owned()));
    }
    if let Some(interface) = &explanation.interface {
        rows.push(("interface", interface.clone()));
    }
    let rows: Vec<(String, String)> =
        rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    text.push_str(&pairs(width, 2, &rows));
    for (number, reason) in explanation.reasons.iter().enumerate() {
        let carried = if reason.depth > 0 { ", carried command" } else { "" };
        let level = if reason.level == "note" { "note, " } else { "" };
        let place = format!("({level}step {}{carried})", reason.step);
        let number = number.saturating_add(1);
        let line = format!("  {number}. {} {place}: {}", reason.code, reason.detail);
        // Painted after it is laid out: what paints has no width.
        let line = wrap(&line, width, 5)
            .replacen(reason.code, &paint(HEAD, reason.code), 1)
            .replacen(&place, &paint(FAINT, &place), 1);
        text.push_str(&line);
        text.push('\n');
    }
    if let Some(fix) = &explanation.fix {
        let line = wrap(&format!("  fix: {fix}"), width, 5);
        text.push_str(&line.replacen("fix:", &paint(HEAD, "fix:"), 1));
        text.push('\n');
    }
    text
}

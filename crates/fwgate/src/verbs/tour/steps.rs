// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of the tour: what is done, what it shows, why, and what must hold.

use std::fs;
use std::path::{Path, PathBuf};

use fwgate_gate::journal::{Kind, Reader, Record, verify};
use fwgate_gate::record::CommandRecord;
use fwgate_gate::{Caller, Explanation, Firmware, Message, Opened, Request};
use fwgate_policy::{Capabilities, ReportedRow, Scope};
use fwgate_wire::cxl::cel::CommandEffectsLog;

use crate::devices::{DEADLINE, Session, emulated};
use crate::error::{CliError, path as shown_path};
use crate::exit::Exit;
use crate::log_file;
use crate::output::table::{list, table, wrap};
use crate::state::State;
use crate::verbs::tour::Step;
use crate::verbs::{audit, effects, explain, lint, list as list_verb, send};

/// The width of the tour's tables, whatever the terminal.
const WIDTH: usize = 90;
/// Who owns the emulated devices here.
const OWNER: u32 = 1000;
/// Somebody whom no policy knows.
const STRANGER: u32 = 4099;
/// A log that was read of QEMU's CXL memory device.
const CAPTURE: &[u8] = include_bytes!("../../../../../tests-data/captures/cel-qemu-type3.bin");
/// Where that log is in the sources.
const CAPTURE_FILE: &str = "tests-data/captures/cel-qemu-type3.bin";

/// A step, made in the world of the tour.
pub(super) type Make = fn(&mut Tour) -> Result<Step, CliError>;

/// All steps, in order.
pub(super) const ALL: &[Make] = &[
    devices,
    effects_log,
    telemetry,
    refused,
    erased,
    liar,
    carried,
    people,
    kernel,
    capture,
    journal,
];

/// The world of the tour: a fresh folder, the devices, fixed people.
pub(super) struct Tour {
    state: State,
    session: Option<Session>,
    plain: Opened,
    driven: Opened,
}

impl Tour {
    /// Makes the folder and the devices.
    pub(super) fn begin(state: State) -> Result<Self, CliError> {
        let names = emulated();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let session = Session::open_in(&state, &names, "tour", OWNER, None, None)?;
        let plain = session.opened("emu:cxl0")?;
        let driven = session.opened("emu:cxl1")?;
        Ok(Self { state, session: Some(session), plain, driven })
    }

    fn session(&self) -> Result<&Session, CliError> {
        self.session.as_ref().ok_or_else(|| {
            CliError::new(Exit::Failed, "session", "the tour has closed its journal")
        })
    }

    /// Judges a command for somebody.
    fn judge(
        &self,
        opened: &Opened,
        message: Message,
        scope: Option<Scope>,
        caller: Caller,
    ) -> Result<explain::Document, CliError> {
        let caller = caller.into();
        let request = Request { route: Firmware, message, scope, caller, deadline: DEADLINE };
        explain::decide(self.session()?, opened, &request)
    }

    /// Sends a command as the owner.
    fn send(
        &self,
        opened: &Opened,
        message: &Message,
        scope: Option<Scope>,
    ) -> Result<send::Document, CliError> {
        let owner = person(OWNER, None);
        send::send(self.session()?, opened, message, scope, owner, DEADLINE, &mut |_| {})
    }

    /// One value of the telemetry of `emu:cxl0`.
    fn telemetry(&self, name: &str) -> Result<Option<i64>, CliError> {
        let sent = self.send(&self.plain, &cxl(0xC000, &[]), None)?;
        let decoded = sent.outcome.and_then(|done| done.decoded);
        Ok(decoded.and_then(|decoded| decoded.number(name)))
    }
}

fn cxl(opcode: u16, payload: &[u8]) -> Message {
    Message::Cxl { opcode, payload: payload.to_vec() }
}

/// One of the tour's people: never somebody of this machine.
fn person(uid: u32, group: Option<&str>) -> Caller {
    let mut caller = Caller::stand_in(uid, uid, Vec::new(), Capabilities::default());
    caller.group_names = group.map(str::to_owned).into_iter().collect();
    caller
}

/// The verdict in a few lines.
fn short(device: &str, command: &CommandRecord, explanation: &Explanation) -> String {
    let word = match explanation.verdict {
        "allow" => "allowed",
        "redirect" => "redirected",
        _ => "refused",
    };
    let name = command.name.as_deref().map_or(String::new(), |name| format!(" ({name})"));
    let mut text = format!("{word}: {}{name} on {device}", command.opcode);
    match explanation.granted_scope {
        Some(scope) => text.push_str(&format!(", sent with {scope}\n")),
        None => text.push_str(&format!(", needs {}\n", explanation.required_scope)),
    }
    for reason in explanation.reasons.iter().filter(|reason| reason.level != "note") {
        let line = format!("  {} (step {}): {}", reason.code, reason.step, reason.detail);
        text.push_str(&wrap(&line, WIDTH, 4));
        text.push('\n');
    }
    if let Some(fix) = &explanation.fix {
        text.push_str(&format!("  fix: {fix}\n"));
    }
    text
}

fn refuses(explanation: &Explanation, code: &str) -> bool {
    explanation.reasons.iter().any(|reason| reason.code == code && reason.level != "note")
}

fn devices(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "Devices in software",
        "emu:cxl0 is driven by nobody, emu:cxl1 by an emulated kernel. All state is in one folder.",
    );
    let names = emulated();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = list_verb::rows(tour.session()?, &names);
    step.must(rows.iter().all(|row| row.state == "ready"), "every device is ready");
    step.show("fwgate list --emulated", Exit::Done, &list_verb::render(&rows, WIDTH));
    Ok(step)
}

fn effects_log(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "What a device says its commands do",
        "From C000h on a command is the vendor's own: only this log speaks of it, and fwgate asks\n\
         for the scope that the log implies. Where the log cannot be believed, for the highest.",
    );
    let facts = tour.plain.facts();
    let rows = effects::rows(facts);
    let vendor: Vec<&effects::Row> =
        rows.iter().filter(|row| row.opcode.starts_with("0xC0")).collect();
    let cells = vendor.iter().map(|row| {
        vec![
            row.opcode.clone(),
            row.name.clone().unwrap_or_else(|| "-".to_owned()),
            list(&row.effective),
            row.required_scope.to_owned(),
        ]
    });
    let mut text =
        table(WIDTH, &["OPCODE", "NAME", "EFFECTS", "NEEDS"], &cells.collect::<Vec<_>>());
    text.push_str(&format!(
        "and {} commands that the specification names\n",
        rows.len().saturating_sub(vendor.len())
    ));
    step.must(vendor.len() == 8, "the log lists eight vendor commands");
    step.must(facts.credible(), "the log is credible");
    step.show("fwgate effects emu:cxl0", Exit::Done, &text);
    Ok(step)
}

fn telemetry(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "A vendor's read is let through",
        "It reports no effect in a log that is believed, so debug-read is enough; no root involved.",
    );
    let sent = tour.send(&tour.plain, &cxl(0xC000, &[]), Some(Scope::DebugRead))?;
    let mut text = short("emu:cxl0", &sent.command, &sent.explanation);
    let decoded = sent.outcome.as_ref().and_then(|done| done.decoded.as_ref());
    for name in ["threshold", "immediate_configuration", "scratch_bytes_in_use"] {
        if let Some(value) = decoded.and_then(|decoded| decoded.number(name)) {
            text.push_str(&format!("  {name} {value}\n"));
        }
    }
    let exit = send::status(&sent);
    step.must(exit == Exit::Done, "the command is sent and answered");
    step.must(decoded.is_some(), "the reply is telemetry");
    step.show("fwgate send emu:cxl0 0xC000 --scope debug-read", exit, &text);
    Ok(step)
}

fn refused(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "A vendor's erase is not, at that scope",
        "Every refusal names its rule, the facts it used, and the smallest change that would allow it.",
    );
    let judged =
        tour.judge(&tour.plain, cxl(0xC003, &[]), Some(Scope::DebugRead), person(OWNER, None))?;
    let exit = explain::status(&judged.explanation);
    step.must(exit == Exit::Refused, "the command is refused");
    step.must(refuses(&judged.explanation, "scope-too-low"), "the reason is `scope-too-low`");
    step.must(judged.explanation.fix.is_some(), "a fix is named");
    let text = short("emu:cxl0", &judged.command, &judged.explanation);
    step.show("fwgate explain emu:cxl0 0xC003 --scope debug-read", exit, &text);
    Ok(step)
}

fn erased(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "With the scope it needs, it is sent",
        "The decision was on stable storage before the command left. The device did erase.",
    );
    let before = tour.telemetry("scratch_bytes_in_use")?;
    let sent = tour.send(&tour.plain, &cxl(0xC003, &[]), Some(Scope::DebugWriteFull))?;
    let after = tour.telemetry("scratch_bytes_in_use")?;
    let mut text = short("emu:cxl0", &sent.command, &sent.explanation);
    if let (Some(before), Some(after)) = (before, after) {
        text.push_str(&format!("  scratch_bytes_in_use {before} -> {after}\n"));
    }
    let exit = send::status(&sent);
    step.must(exit == Exit::Done, "the command is sent and answered");
    step.must(before.is_some_and(|bytes| bytes > 0), "there was something to erase");
    step.must(after == Some(0), "nothing is left");
    step.show("fwgate send emu:cxl0 0xC003 --scope debug-write-full", exit, &text);
    Ok(step)
}

fn liar(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "A command that lies",
        "The log says that C006h does nothing; it changed configuration. No reading of the log can\n\
         find that. It is why an opaque command also needs a line of the owner, whatever it reports:\n\
         here the owner of emulated devices is whoever runs them, on a machine it is root.",
    );
    let before = tour.telemetry("unsaid_configuration")?;
    let message = cxl(0xC006, &[7, 0, 0, 0]);
    let sent = tour.send(&tour.plain, &message, Some(Scope::DebugRead))?;
    let after = tour.telemetry("unsaid_configuration")?;
    let mut text = short("emu:cxl0", &sent.command, &sent.explanation);
    if let (Some(before), Some(after)) = (before, after) {
        text.push_str(&format!("  reported: nothing; unsaid_configuration {before} -> {after}\n"));
    }
    let exit = send::status(&sent);
    step.must(exit == Exit::Done, "the command is sent and answered");
    step.must(before == Some(0) && after == Some(7), "the configuration has changed");
    let stranger =
        tour.judge(&tour.plain, message, Some(Scope::DebugRead), person(STRANGER, Some("fwgate")))?;
    step.must(refuses(&stranger.explanation, "right-missing"), "others lack the owner's line");
    step.show("fwgate send emu:cxl0 0xC006 --hex 07000000 --scope debug-read", exit, &text);
    let exit = explain::status(&stranger.explanation);
    let text = short("emu:cxl0", &stranger.command, &stranger.explanation);
    let typed = "fwgate explain emu:cxl0 0xC006 --hex 07000000 --scope debug-read --as 4099:fwgate";
    step.show(typed, exit, &text);
    Ok(step)
}

fn carried(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "A command that carries another is looked through",
        "C007h carries C003h, then Sanitize. The carried command is judged by the same rules: what\n\
         would be refused alone is refused inside, at every scope.",
    );
    for (payload, hex, scope, code) in [
        ([0x03, 0xC0], "03c0", Scope::DebugRead, "scope-too-low"),
        ([0x00, 0x44], "0044", Scope::DebugWriteFull, "security-state"),
    ] {
        let message = cxl(0xC007, &payload);
        let judged = tour.judge(&tour.plain, message, Some(scope), person(OWNER, None))?;
        let exit = explain::status(&judged.explanation);
        step.must(exit == Exit::Refused, "the command is refused");
        step.must(refuses(&judged.explanation, code), "the reason is the carried command's");
        let text = short("emu:cxl0", &judged.command, &judged.explanation);
        step.show(
            format!("fwgate explain emu:cxl0 0xC007 --hex {hex} --scope {scope}"),
            exit,
            &text,
        );
    }
    Ok(step)
}

fn people(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "Who asks matters",
        "Health without root: members of group fwgate read it, strangers do not.",
    );
    let mut ask = |group: Option<&str>, typed: &str, wanted: Exit| -> Result<(), CliError> {
        let caller = person(STRANGER, group);
        let judged = tour.judge(&tour.plain, cxl(0x4200, &[]), None, caller)?;
        let exit = explain::status(&judged.explanation);
        step.must(exit == wanted, "the verdict is the one that the group gives");
        let text = short("emu:cxl0", &judged.command, &judged.explanation);
        step.show(typed, exit, &text);
        Ok(())
    };
    ask(None, "fwgate explain emu:cxl0 get-health-info --as 4099", Exit::Refused)?;
    ask(Some("fwgate"), "fwgate explain emu:cxl0 get-health-info --as 4099:fwgate", Exit::Done)?;
    Ok(step)
}

fn kernel(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "Where the kernel has its own way, that is the way",
        "emu:cxl1 is driven by an emulated kernel. Memory management has to know of poison, so the\n\
         command is not sent behind its back; the way it can be done is named.",
    );
    let sent = tour.send(&tour.driven, &cxl(0x4301, &[0; 8]), None)?;
    let exit = send::status(&sent);
    step.must(exit == Exit::Redirect, "the command is redirected");
    step.must(sent.outcome.is_none(), "nothing was sent");
    step.must(sent.explanation.interface.is_some(), "the interface is named");
    let text = short("emu:cxl1", &sent.command, &sent.explanation);
    step.show("fwgate send emu:cxl1 inject-poison --hex 0000000000000000", exit, &text);
    Ok(step)
}

fn capture(_: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "A real log that says too little",
        "Read from QEMU's memory device: poison changes memory at once, and its log reports no effect.\n\
         What is known counts anyway, and what only this log speaks of needs the highest scope.",
    );
    let log = CommandEffectsLog::parse(CAPTURE)
        .map_err(|error| CliError::format(Path::new(CAPTURE_FILE), error))?;
    let rows =
        log.iter().map(|(opcode, word)| ReportedRow { opcode: opcode.0, word: u32::from(word.0) });
    let facts = log_file::of_cxl(rows.collect());
    let findings = lint::findings(&facts);
    let errors: Vec<&lint::Finding> =
        findings.iter().filter(|finding| finding.severity == "error").collect();
    let mut text = String::new();
    for finding in &errors {
        let opcode = finding.opcode.as_deref().unwrap_or("-");
        text.push_str(&format!("{} {opcode} {}\n", finding.code, finding.detail));
    }
    let notes = findings.len().saturating_sub(errors.len());
    text.push_str(&format!("{} errors, {notes} notes; not credible\n", errors.len()));
    let has = |opcode: &str| {
        errors.iter().any(|finding| {
            finding.code == "below-floor" && finding.opcode.as_deref() == Some(opcode)
        })
    };
    step.must(has("0x4301") && has("0x4302"), "both poison commands are found");
    step.must(!facts.credible(), "the log is not credible");
    let typed = format!("fwgate lint --from {CAPTURE_FILE} --protocol cxl --fail-on error");
    step.show(typed, Exit::Found, &text);
    Ok(step)
}

fn journal(tour: &mut Tour) -> Result<Step, CliError> {
    let mut step = Step::new(
        "Everything is on record, and the record can be checked",
        "Each record carries the hash of the one before. In a copy one byte of record 9 is flipped:\n\
         it is found, and named.",
    );
    // Closes the journal: the records are all on the disk from here on.
    tour.session = None;
    let folder = tour.state.journal();
    let records: Vec<Record> = Reader::open(&folder)?.collect::<Result<_, _>>()?;
    let decisions: Vec<Vec<String>> = records
        .iter()
        .filter(|record| record.kind == Kind::Decision)
        .map(|record| {
            let [number, _, kind, who, device, command, what] =
                audit::cells(record, &audit::Decisions::default());
            vec![number, kind, who, device, command, what]
        })
        .collect();
    let newest = decisions.len().saturating_sub(4);
    let columns = ["RECORD", "KIND", "WHO", "DEVICE", "COMMAND", "WHAT"];
    let text = table(WIDTH, &columns, decisions.get(newest..).unwrap_or_default());
    step.show("fwgate audit tail", Exit::Done, &text);

    let report = verify(&folder, |_| {})?;
    step.must(report.is_clean(), "the journal is clean");
    let text = format!("The journal is clean: {} records.", report.records);
    step.show("fwgate audit verify", Exit::Done, &text);

    let copy = damaged_copy(&tour.state, &records)?;
    let report = verify(&copy, |_| {})?;
    let bad = report.first_bad.as_ref();
    step.must(bad.is_some_and(|bad| bad.sequence == 9), "the flipped byte is found at record 9");
    let text = bad.map_or("The journal is clean.".to_owned(), |bad| {
        format!("The journal is not clean: record {}: {}", bad.sequence, bad.what)
    });
    step.show("FWGATE_STATE_DIR=copy fwgate audit verify", Exit::Found, &text);
    Ok(step)
}

/// A copy of the journal in which one byte of record 9 is flipped.
fn damaged_copy(state: &State, records: &[Record]) -> Result<PathBuf, CliError> {
    let folder = state.journal();
    let failed = |error: std::io::Error| {
        let detail = format!("cannot copy `{}`: {error}", shown_path(&folder));
        CliError::new(Exit::Failed, "tour-folder", detail).file(&folder)
    };
    let copy = state.path().with_file_name("copy").join("journal");
    fs::create_dir_all(&copy).map_err(failed)?;
    let ninth = records.iter().find(|record| record.sequence == 9);
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let mut bytes = fs::read(entry.path()).map_err(failed)?;
        let is_segment = entry.path().extension().is_some_and(|extension| extension == "fwj");
        if let (true, Some(record)) = (is_segment, ninth) {
            // A byte in the middle of the record's body, whatever its length.
            let body = record.body.len() / 2;
            let at = usize::try_from(record.offset).unwrap_or(usize::MAX).saturating_add(40);
            if let Some(byte) = bytes.get_mut(at.saturating_add(body)) {
                *byte ^= 1;
            }
        }
        fs::write(copy.join(entry.file_name()), bytes).map_err(failed)?;
    }
    Ok(copy)
}

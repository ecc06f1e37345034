// SPDX-License-Identifier: MIT OR Apache-2.0
//! `audit`: reads and checks the journal.
//!
//! The journal's files are hostile; its bodies are shown as JSON only where they are JSON.
//! *Invariants*: nothing is written and no lock is waited for.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use fwgate_gate::journal::{Bad, Head, JournalError, Kind, Reader, Record, verify};
use fwgate_gate::text::{clean, hex};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

use crate::cli::{AuditVerb, TailArgs};
use crate::error::{CliError, path as shown_path, shown};
use crate::exit::Exit;
use crate::output::style::{BAD, GOOD, paint};
use crate::output::table::{pairs, table};
use crate::output::{Format, Ui};
use crate::state::State;
use crate::time::rfc3339;

/// Records before those that are shown, in which the decisions of their outcomes are looked for.
const BEFORE: usize = 256;
/// How often `--follow` looks again.
const AGAIN: Duration = Duration::from_millis(200);

/// What `audit tail` prints.
#[derive(Debug, Serialize)]
struct TailDocument {
    schema: &'static str,
    records: Vec<Entry>,
    /// Why there are no more; the records before it are whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

/// One record, as it is printed.
#[derive(Debug, Serialize)]
struct Entry {
    sequence: u64,
    time: String,
    time_ns: u64,
    kind: &'static str,
    /// The decision that an outcome belongs to.
    decision: Option<u64>,
    body: Value,
}

/// One record on a line of its own, with `--follow`.
#[derive(Debug, Serialize)]
struct LineDocument {
    schema: &'static str,
    #[serde(flatten)]
    entry: Entry,
}

/// What `audit verify` prints.
#[derive(Debug, Serialize)]
struct VerifyDocument {
    schema: &'static str,
    journal: String,
    ok: bool,
    records: u64,
    segments: u64,
    first_bad: Option<BadDocument>,
    head: HeadDocument,
    /// What the head file says.
    recorded: Option<HeadDocument>,
    /// A writer was in the middle of its next record.
    growing: bool,
}

#[derive(Debug, Serialize)]
struct BadDocument {
    segment: u64,
    offset: u64,
    sequence: u64,
    what: String,
}

#[derive(Debug, Serialize)]
struct HeadDocument {
    sequence: u64,
    segment: u64,
    offset: u64,
    hash: String,
}

impl From<&Bad> for BadDocument {
    fn from(bad: &Bad) -> Self {
        Self {
            segment: bad.segment,
            offset: bad.offset,
            sequence: bad.sequence,
            what: shown(&bad.what.to_string()),
        }
    }
}

impl From<&Head> for HeadDocument {
    fn from(head: &Head) -> Self {
        Self {
            sequence: head.sequence,
            segment: head.segment,
            offset: head.offset,
            hash: hex(&head.hash),
        }
    }
}

/// Runs `audit`.
pub(crate) fn run(ui: &mut Ui, verb: &AuditVerb) -> Result<Exit, CliError> {
    ui.no_raw("audit")?;
    let journal = State::find()?.journal();
    match verb {
        AuditVerb::Tail(args) => tail(ui, &journal, args),
        AuditVerb::Verify => check(ui, &journal),
    }
}

fn tail(ui: &mut Ui, journal: &Path, args: &TailArgs) -> Result<Exit, CliError> {
    let count = usize::try_from(args.count).unwrap_or(usize::MAX);
    let (mut records, failure) = newest(journal, count)?;
    let mut decisions = Decisions::default();
    records.iter().for_each(|record| decisions.note(record));
    records.drain(..records.len().saturating_sub(count));
    let mut last = records.back().map_or(0, |record| record.sequence);
    let mut segment = match records.back() {
        Some(record) => record.segment,
        None => Reader::last_segment(journal)?,
    };
    if args.follow {
        for record in &records {
            line(ui, record, &decisions)?;
        }
    } else if ui.format() == Format::Json {
        let records = records.iter().map(entry).collect();
        let damage = failure.as_ref().map(|error| shown(&error.to_string()));
        ui.json(&TailDocument { schema: "fwgate.audit/1", records, damage })?;
        if let Some(error) = failure {
            // One document is all there is; the sentence is for people.
            let error = CliError::from(error);
            ui.note(&format!("fwgate: {}\n", error.detail()));
            return Ok(error.exit());
        }
    } else {
        let columns = ["RECORD", "TIME", "KIND", "WHO", "DEVICE", "COMMAND", "WHAT"];
        let rows: Vec<_> =
            records.iter().map(|record| cells(record, &decisions).to_vec()).collect();
        let text = table(ui.width(), &columns, &rows);
        ui.text(&text)?;
    }
    if let Some(error) = failure {
        return Err(error.into());
    }
    let mut seen = size(journal);
    while args.follow && !ui.gone() {
        std::thread::sleep(AGAIN);
        let now = size(journal);
        if now == seen {
            continue;
        }
        seen = now;
        // Read again from the segment that held the newest record; a writer only adds.
        for record in Reader::open_at(journal, segment)? {
            let record = record?;
            if record.sequence > last {
                (last, segment) = (record.sequence, record.segment);
                decisions.note(&record);
                line(ui, &record, &decisions)?;
            }
        }
    }
    Ok(Exit::Done)
}

/// The newest records, oldest first, with some before them, and what ended the reading if it was not the journal's end.
fn newest(
    journal: &Path,
    count: usize,
) -> Result<(VecDeque<Record>, Option<JournalError>), CliError> {
    let last = Reader::last_segment(journal)?;
    let mut from = last;
    loop {
        let mut records = VecDeque::new();
        let mut failure = None;
        for record in Reader::open_at(journal, from)? {
            match record {
                Ok(record) => {
                    records.push_back(record);
                    if records.len() > count.saturating_add(BEFORE) {
                        records.pop_front();
                    }
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if records.len() >= count || from <= 1 || failure.is_some() {
            return Ok((records, failure));
        }
        from = from.saturating_sub(1);
    }
}

/// The bytes of all files of the journal, to see that something was added.
fn size(journal: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(journal) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "fwj"))
        .filter_map(|entry| entry.metadata().ok())
        .fold(0, |sum, meta| sum.saturating_add(meta.len()))
}

fn line(ui: &mut Ui, record: &Record, decisions: &Decisions) -> Result<(), CliError> {
    if ui.format() == Format::Json {
        return ui
            .json_line(&LineDocument { schema: "fwgate.audit-record/1", entry: entry(record) });
    }
    let mut text = cells(record, decisions).join("  ");
    text.push('\n');
    ui.text(&text)
}

fn entry(record: &Record) -> Entry {
    Entry {
        sequence: record.sequence,
        time: rfc3339(record.time),
        time_ns: record.time,
        kind: record.kind.name(),
        decision: match record.kind {
            Kind::Outcome { decision } => Some(decision),
            _ => None,
        },
        body: body(record),
    }
}

/// The body as JSON; as text, cleaned, where it is none.
fn body(record: &Record) -> Value {
    serde_json::from_slice(&record.body).unwrap_or_else(|_| Value::from(clean(&record.body, 4096)))
}

/// Device and command of the newest decisions, to tell which an outcome belongs to.
#[derive(Clone, Default, Debug)]
pub(crate) struct Decisions(BTreeMap<u64, [String; 2]>);

impl Decisions {
    /// Takes note of a record, if it is a decision, and forgets the oldest.
    pub(crate) fn note(&mut self, record: &Record) {
        if record.kind != Kind::Decision {
            return;
        }
        let [.., device, command, _] = cells(record, &Self::default());
        self.0.insert(record.sequence, [device, command]);
        if self.0.len() > BEFORE {
            self.0.pop_first();
        }
    }
}

/// The cells of a record's row.
pub(crate) fn cells(record: &Record, decisions: &Decisions) -> [String; 7] {
    let body = body(record);
    let text = |value: &Value| -> String {
        match value {
            Value::Null => String::new(),
            Value::String(text) => shown(text).chars().take(64).collect(),
            other => other.to_string().chars().take(64).collect(),
        }
    };
    let at = |pointer: &str| body.pointer(pointer).map(&text).unwrap_or_default();
    let first = |pointers: &[&str]| {
        pointers.iter().map(|pointer| at(pointer)).find(|text| !text.is_empty()).unwrap_or_default()
    };
    let who = if body.pointer("/caller/gate").is_some() {
        "fwgate".to_owned()
    } else {
        let uid = at("/caller/uid");
        if uid.is_empty() { uid } else { format!("uid {uid}") }
    };
    let command = match (at("/command/opcode"), at("/command/name")) {
        (opcode, name) if name.is_empty() => opcode,
        (opcode, name) => format!("{opcode} {name}"),
    };
    let what = match record.kind {
        Kind::Decision => {
            let reason = at("/reasons/0/code");
            let verdict = at("/verdict");
            if reason.is_empty() || verdict == "allow" {
                verdict
            } else {
                format!("{verdict}: {reason}")
            }
        }
        Kind::Outcome { decision } => {
            let status = first(&["/status", "/error"]);
            format!("{status} (record {decision})")
        }
        Kind::Probe => "reads the device's facts".to_owned(),
        Kind::Head | Kind::Rotate => first(&["/note", "/next"]),
    };
    let device = first(&["/device/name", "/device"]);
    let of = match record.kind {
        Kind::Outcome { decision } => decisions.0.get(&decision).cloned(),
        _ => None,
    };
    let [device, command] = of.unwrap_or([device, command]);
    [
        record.sequence.to_string(),
        rfc3339(record.time),
        record.kind.name().to_owned(),
        who,
        device,
        command,
        what,
    ]
}

fn check(ui: &mut Ui, journal: &Path) -> Result<Exit, CliError> {
    let bar = if ui.shows_progress() { ProgressBar::no_length() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let report = verify(journal, |progress| {
        bar.tick();
        bar.set_message(format!("{} records, segment {}", progress.records, progress.segment));
    });
    bar.finish_and_clear();
    let report = report?;
    if ui.format() == Format::Json {
        ui.json(&VerifyDocument {
            schema: "fwgate.audit-verify/1",
            journal: shown_path(journal),
            ok: report.is_clean(),
            records: report.records,
            segments: report.segments,
            first_bad: report.first_bad.as_ref().map(BadDocument::from),
            head: HeadDocument::from(&report.head),
            recorded: report.recorded.as_ref().map(HeadDocument::from),
            growing: report.growing,
        })?;
    } else {
        let word = match &report.first_bad {
            None => paint(GOOD, "clean"),
            Some(_) => paint(BAD, "not clean"),
        };
        let mut rows = vec![
            ("journal", shown_path(journal)),
            ("records", report.records.to_string()),
            ("segments", report.segments.to_string()),
            ("head", format!("record {} {}", report.head.sequence, hex(&report.head.hash))),
        ];
        if let Some(bad) = &report.first_bad {
            rows.push(("first bad", shown(&bad.to_string())));
        }
        let rows: Vec<(String, String)> =
            rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        ui.text(&format!("The journal is {word}.\n{}", pairs(ui.width(), 2, &rows)))?;
    }
    Ok(if report.is_clean() { Exit::Done } else { Exit::Found })
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `effects`: an effects log, row by row, with the floor and what is judged.
//!
//! *Invariants*: one row for each row of the log, in its order. What is shown as effective is what
//! the judge would use: where a log names an opcode twice, the union of both.

use std::time::Duration;

use fwgate_gate::record::DeviceRecord;
use fwgate_gate::{DeviceFacts, names};
use fwgate_policy::tables::{FloorRow, JudgedBy, Kind};
use fwgate_policy::{
    Attributes, Class, Command, Confidence, Effects, Facts, Protocol, ReportedRow, Subsystems,
    Tables, classify, classify_row, ground,
};
use serde::Serialize;

use crate::cli::{EffectsArgs, SourceArgs};
use crate::devices::Session;
use crate::error::CliError;
use crate::exit::Exit;
use crate::log_file;
use crate::output::style::{BAD, GOOD, WARN, paint};
use crate::output::table::{left_off, list, shown, table};
use crate::output::{Format, Ui, count};
use crate::verbs::lint::{Finding, findings};

/// What `effects` prints.
#[derive(Debug, Serialize)]
struct Document<'d> {
    schema: &'static str,
    device: Option<&'d DeviceRecord>,
    protocol: &'static str,
    credible: bool,
    rows: Vec<Row>,
    findings: Vec<Finding>,
}

/// One row of a log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Row {
    /// Opcode, such as `0x4301`.
    pub(crate) opcode: String,
    /// Always null: a log knows no selectors.
    selector: Option<String>,
    /// Name, where a table has one.
    pub(crate) name: Option<String>,
    /// Effects that the device reports.
    pub(crate) reported: Vec<&'static str>,
    /// The word as it came.
    reported_raw: String,
    /// The least that a sourced row says.
    floor: Vec<&'static str>,
    /// How surely the floor is known.
    floor_confidence: &'static str,
    /// What is judged.
    pub(crate) effective: Vec<&'static str>,
    /// Properties that the word carries beside the effects.
    attributes: Vec<&'static str>,
    /// What a reply shows.
    discloses: &'static str,
    /// The scope that it asks for.
    pub(crate) required_scope: &'static str,
    /// The refusal that holds whoever asks.
    refusal: Option<&'static str>,
    /// The subsystem whose ground it is.
    owner: Option<&'static str>,
    /// All of them.
    owners: Vec<&'static str>,
    /// What decides, where the opcode is too coarse; the row is then the worst case.
    judged_by: Option<&'static str>,
    /// NVMe: `admin` or `io`.
    set: Option<&'static str>,
}

/// Facts with the record of the device that they are of, if they are of one.
pub(crate) struct Subject {
    pub(crate) facts: DeviceFacts,
    pub(crate) record: Option<DeviceRecord>,
}

impl Subject {
    /// Reads a file, or opens a device.
    pub(crate) fn of(
        source: &SourceArgs,
        purpose: &str,
        timeout: Option<Duration>,
    ) -> Result<Self, CliError> {
        if let (Some(file), Some(protocol)) = (&source.from.from, source.from.protocol) {
            return Ok(Self { facts: log_file::read(file, protocol)?, record: None });
        }
        let name = source.device.as_deref().unwrap_or_default();
        let session = Session::open(&[name], purpose, timeout)?;
        let opened = session.opened(name)?;
        Ok(Self { facts: opened.facts().clone(), record: Some(opened.record().clone()) })
    }

    /// The language of the log.
    pub(crate) fn protocol(&self) -> &'static str {
        self.facts.identity().protocol.name()
    }
}

/// Runs `effects`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &EffectsArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    let subject = Subject::of(&args.source, "effects", timeout)?;
    match ui.format() {
        Format::Raw => ui.bytes(&log_file::to_bytes(&subject.facts))?,
        Format::Json => ui.json(&Document {
            schema: "fwgate.effects/1",
            device: subject.record.as_ref(),
            protocol: subject.protocol(),
            credible: subject.facts.credible(),
            rows: rows(&subject.facts),
            findings: findings(&subject.facts),
        })?,
        Format::Table => {
            let text = render(&subject.facts, ui.width(), ui.verbose());
            ui.text(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// The rows of a log; for NVMe the admin commands first, and supported ones only.
pub(crate) fn rows(facts: &DeviceFacts) -> Vec<Row> {
    let tables = Tables::BUILTIN;
    facts.with_policy(|policy| match facts.identity().protocol {
        Protocol::Cxl => {
            facts.log().iter().map(|row| one(Protocol::Cxl, *row, policy, &tables)).collect()
        }
        Protocol::NvmeAdmin | Protocol::NvmeIo => {
            let supported = |row: &&ReportedRow| row.word & 1 == 1;
            let admin = facts.log().iter().filter(supported);
            let io = facts.io_log().iter().filter(supported);
            admin
                .map(|row| one(Protocol::NvmeAdmin, *row, policy, &tables))
                .chain(io.map(|row| one(Protocol::NvmeIo, *row, policy, &tables)))
                .collect()
        }
        // They report nothing: the rows are those of the kernel's driver, or of pds's firmware.
        Protocol::Mlx5 => of_driver(Protocol::Mlx5, tables.families.mlx5, policy, &tables),
        Protocol::Bnxt => of_driver(Protocol::Bnxt, tables.families.bnxt, policy, &tables),
        Protocol::Pds => operations(facts, policy, &tables),
    })
}

/// The commands that a driver passes on.
fn of_driver(
    protocol: Protocol,
    rows: &[FloorRow],
    facts: &Facts<'_>,
    tables: &Tables<'_>,
) -> Vec<Row> {
    rows.iter()
        .map(|row| one(protocol, ReportedRow { opcode: row.opcode, word: 0 }, facts, tables))
        .collect()
}

/// The operations that pds's firmware lists, as far as that can be seen.
fn operations(facts: &DeviceFacts, policy: &Facts<'_>, tables: &Tables<'_>) -> Vec<Row> {
    facts
        .operations()
        .unwrap_or_default()
        .iter()
        .map(|entry| {
            let (endpoint, operation) = (entry.endpoint, entry.operation);
            let command = Command::Pds { endpoint, operation, payload: &[] };
            let class = classify(&command, policy, tables);
            let attribute =
                tables.attribute(entry.attribute).map_or("unknown attribute", |it| it.name);
            Row {
                opcode: format!("{endpoint:#x}:{operation:#010x}"),
                name: Some(attribute.to_owned()),
                reported_raw: format!("0x{:02X}", entry.attribute),
                ..row(Protocol::Pds, ReportedRow { opcode: 0, word: 0 }, &class, tables)
            }
        })
        .collect()
}

fn one(protocol: Protocol, row: ReportedRow, facts: &Facts<'_>, tables: &Tables<'_>) -> Row {
    // The I/O half of an NVMe log is no part of the facts that commands are judged on.
    let judged = match protocol {
        Protocol::NvmeIo => row.word,
        _ => facts.reported.word(row.opcode).unwrap_or(row.word),
    };
    let class = classify_row(protocol, row.opcode, judged, facts, tables);
    self::row(protocol, row, &class, tables)
}

fn row(protocol: Protocol, row: ReportedRow, class: &Class<'_>, tables: &Tables<'_>) -> Row {
    let (reported, attributes) = match protocol {
        Protocol::Cxl => {
            let word = u16::try_from(row.word & 0xFFFF).unwrap_or_default();
            (Effects::from_cxl(word), Attributes::from_cxl(word))
        }
        Protocol::NvmeAdmin | Protocol::NvmeIo => {
            (Effects::from_nvme(row.word), Attributes::from_nvme(row.word))
        }
        Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => (Effects::empty(), Attributes::empty()),
    };
    let owners = ground::rows(class, tables);
    let all = ground::rows(class, tables).fold(Subsystems::empty(), |all, row| all | row.owner);
    let name = names::opcode(protocol, row.opcode).or(class.operation);
    Row {
        opcode: names::code(protocol, row.opcode),
        selector: None,
        name: name.map(|name| fwgate_gate::text::clean(name.as_bytes(), 64)),
        reported: reported.names().collect(),
        reported_raw: match protocol {
            Protocol::Cxl => format!("0x{:04X}", row.word & 0xFFFF),
            Protocol::NvmeAdmin | Protocol::NvmeIo => format!("0x{:08X}", row.word),
            Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => "-".to_owned(),
        },
        floor: class.floor.names().collect(),
        floor_confidence: match class.floor_confidence {
            Confidence::Cited => "cited",
            Confidence::Inferred => "inferred",
            Confidence::Unknown => "unknown",
        },
        effective: class.effective.names().collect(),
        attributes: attributes.names().collect(),
        discloses: class.discloses.name(),
        required_scope: class.scope.name(),
        refusal: refusal(class),
        owner: owners.into_iter().map(|row| row.owner.first_name()).next(),
        owners: all.names().collect(),
        judged_by: class.judged_by.map(JudgedBy::name),
        set: match protocol {
            Protocol::NvmeAdmin => Some("admin"),
            Protocol::NvmeIo => Some("io"),
            _ => None,
        },
    }
}

/// The code of the refusal that holds whoever asks, in the order of the judge's steps.
fn refusal(class: &Class<'_>) -> Option<&'static str> {
    use fwgate_policy::Code;

    if class.effective.contains(Effects::RESERVED) {
        Some(Code::ReservedEffect.name())
    } else if class.effective.contains(Effects::SECURITY_STATE) {
        Some(Code::SecurityState.name())
    } else if class.kind == Kind::Never {
        Some(Code::NeverSent.name())
    } else {
        None
    }
}

/// The rows for people.
fn render(facts: &DeviceFacts, width: usize, verbose: bool) -> String {
    let rows = rows(facts);
    let mut columns = vec!["OPCODE", "NAME", "EFFECTS", "NEEDS", "SHOWS", "OWNER"];
    if verbose {
        columns.insert(2, "WORD");
    }
    let nvme = rows.iter().any(|row| row.set.is_some());
    if nvme {
        columns.insert(1, "SET");
    }
    let (first, left) = shown(&rows);
    let cells = first.iter().map(|row| {
        let mut cells = vec![
            row.opcode.clone(),
            row.name.clone().unwrap_or_else(|| "-".to_owned()),
            marked(row),
            needs(row),
            row.discloses.to_owned(),
            list(&row.owners),
        ];
        if verbose {
            cells.insert(2, row.reported_raw.clone());
        }
        if nvme {
            cells.insert(1, row.set.unwrap_or("-").to_owned());
        }
        cells
    });
    let mut text = table(width, &columns, &cells.collect::<Vec<_>>());
    text.push_str(&left_off(left));
    text.push('\n');
    text.push_str(&summary(facts, &rows));
    text
}

/// Effective effects; `+` before what the device does not report.
fn marked(row: &Row) -> String {
    let names: Vec<String> = row
        .effective
        .iter()
        .map(|name| {
            let mark = if row.reported.contains(name) { "" } else { "+" };
            format!("{mark}{name}")
        })
        .collect();
    list(&names)
}

/// The scope, or the refusal that comes before every scope; `*` where the row is the worst case.
fn needs(row: &Row) -> String {
    let worst = if row.judged_by.is_some() { "*" } else { "" };
    match row.refusal {
        Some(code) => format!("refused: {code}{worst}"),
        None => format!("{}{worst}", row.required_scope),
    }
}

/// What the table comes to.
pub(crate) fn summary(facts: &DeviceFacts, rows: &[Row]) -> String {
    if facts.identity().protocol.is_family() {
        return of_family(facts, rows);
    }
    let findings = findings(facts);
    let below = findings.iter().filter(|finding| finding.code == "below-floor").count();
    let log = if facts.credible() { paint(GOOD, "credible") } else { paint(BAD, "not credible") };
    let mut text = format!(
        "{}, {below} below the floor, {}; the log is {log}.\n",
        count(rows.len(), "command"),
        count(findings.len(), "finding")
    );
    if rows.iter().any(|row| row.effective.iter().any(|name| !row.reported.contains(name))) {
        text.push_str("+ the device does not report it; it counts all the same.\n");
    }
    if rows.iter().any(|row| row.judged_by.is_some()) {
        text.push_str(
            "* the payload decides (feature, log, sub-operation); this is the worst case.\n",
        );
    }
    if !facts.credible() {
        let warning = paint(WARN, "debug-write-full");
        text.push_str(&format!("A command that only this log speaks of needs {warning}.\n"));
    }
    text
}

/// What the rows of a family come to, which has no log.
fn of_family(facts: &DeviceFacts, rows: &[Row]) -> String {
    let whose = match facts.identity().protocol {
        Protocol::Pds if facts.operations().is_none() => {
            return "What the firmware lists cannot be seen; every operation needs debug-write-full \
                    and an owner's line.\n"
                .to_owned();
        }
        Protocol::Pds => "the firmware lists these",
        _ => "the kernel's driver passes these on, and nothing else",
    };
    let mut text = format!("{}; there is no effects log: {whose}.\n", count(rows.len(), "command"));
    if rows.iter().any(|row| !row.effective.is_empty()) {
        text.push_str("+ no device reports it; it is known of the command.\n");
    }
    if rows.iter().any(|row| row.judged_by.is_some()) {
        text.push_str("* the payload decides (sub-operation); this is the worst case.\n");
    }
    text
}

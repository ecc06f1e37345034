// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lint`: where an effects log says less than is known, or contradicts itself.

use std::time::Duration;

use fwgate_gate::record::DeviceRecord;
use fwgate_gate::{DeviceFacts, names};
use fwgate_policy::lint::{Finding as Found, FindingCode, Severity, lint};
use fwgate_policy::{Effects, Protocol, Tables};
use serde::Serialize;

use crate::cli::{LintArgs, SeverityArg};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::style::{BAD, GOOD, paint};
use crate::output::table::{left_off, list, shown, table};
use crate::output::{Format, Ui, count};
use crate::verbs::effects::Subject;

/// What `lint` prints.
#[derive(Debug, Serialize)]
struct Document<'d> {
    schema: &'static str,
    device: Option<&'d DeviceRecord>,
    protocol: &'static str,
    credible: bool,
    findings: Vec<Finding>,
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Finding {
    /// Stable code.
    pub(crate) code: &'static str,
    /// `error` or `note`.
    pub(crate) severity: &'static str,
    /// Opcode, unless it is about the whole log.
    pub(crate) opcode: Option<String>,
    /// The command's name, where a table has one.
    name: Option<&'static str>,
    /// NVMe: `admin` or `io`.
    set: Option<&'static str>,
    /// Effects that it is about.
    effects: Vec<&'static str>,
    /// A sentence.
    pub(crate) detail: String,
    /// Where the floor comes from.
    source: Option<String>,
}

/// Runs `lint`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &LintArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("lint")?;
    let subject = Subject::of(&args.source, "lint", timeout)?;
    let findings = findings(&subject.facts);
    let fails = args.fail_on.is_some_and(|least| {
        findings.iter().any(|finding| least == SeverityArg::Note || finding.severity == "error")
    });
    if ui.format() == Format::Json {
        ui.json(&Document {
            schema: "fwgate.lint/1",
            device: subject.record.as_ref(),
            protocol: subject.protocol(),
            credible: subject.facts.credible(),
            findings,
        })?;
    } else {
        let text = if subject.facts.identity().protocol.is_family() {
            "There is no effects log to look at.\n".to_owned()
        } else {
            render(&findings, subject.facts.credible(), ui.width(), ui.verbose())
        };
        ui.text(&text)?;
    }
    Ok(if fails { Exit::Found } else { Exit::Done })
}

/// What is wrong with a log, in its order.
pub(crate) fn findings(facts: &DeviceFacts) -> Vec<Finding> {
    let tables = Tables::BUILTIN;
    let mut findings = Vec::new();
    facts.with_policy(|policy| {
        let protocol = facts.identity().protocol;
        lint(protocol, facts.log(), policy, &tables, |found| findings.push(told(&found)));
        if !facts.io_log().is_empty() {
            let io = Protocol::NvmeIo;
            lint(io, facts.io_log(), policy, &tables, |found| findings.push(told(&found)));
        }
    });
    findings
}

fn told(found: &Found<'_>) -> Finding {
    Finding {
        code: found.code.name(),
        severity: found.severity.name(),
        opcode: found.opcode.map(|opcode| names::code(found.protocol, opcode)),
        name: found.opcode.and_then(|opcode| names::opcode(found.protocol, opcode)),
        set: match found.protocol {
            Protocol::NvmeAdmin => Some("admin"),
            Protocol::NvmeIo => Some("io"),
            _ => None,
        },
        effects: found.effects.names().collect(),
        detail: detail(found),
        source: (!found.source.is_empty()).then(|| found.source.to_owned()),
    }
}

fn detail(found: &Found<'_>) -> String {
    let effects = list(&found.effects.names().collect::<Vec<_>>());
    match found.code {
        FindingCode::BelowFloor => {
            let word = found.word.unwrap_or(0);
            let reported = match found.protocol {
                Protocol::Cxl => {
                    Effects::from_cxl(u16::try_from(word & 0xFFFF).unwrap_or_default())
                }
                Protocol::NvmeAdmin | Protocol::NvmeIo => Effects::from_nvme(word),
                // They have no log to find anything in.
                Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => Effects::empty(),
            };
            let reported: Vec<&str> = reported.names().collect();
            let says = if reported.is_empty() { "no effect".to_owned() } else { list(&reported) };
            let are = if found.effects.iter().count() == 1 { "is" } else { "are" };
            format!("reports {says}; {effects} {are} missing")
        }
        FindingCode::DuplicateRow => "is listed more than once; the union counts".to_owned(),
        FindingCode::ReservedBit => "sets a bit that the specification reserves".to_owned(),
        FindingCode::AllZero => "no row of the log reports any effect".to_owned(),
        FindingCode::Empty => "the log has no row".to_owned(),
        FindingCode::MandatoryMissing => {
            "is mandatory and not listed; it counts as reported".to_owned()
        }
        FindingCode::ZeroOpcode => "is listed, and no command has this opcode".to_owned(),
        FindingCode::ResetBitsNotValid => {
            "sets reset bits without the bit that makes them valid; they count".to_owned()
        }
        FindingCode::AttributeNumbering => {
            "sets bit 7 on a background command: some devices mean by it that it can be aborted"
                .to_owned()
        }
        FindingCode::CarrierWithoutEffects => {
            "can carry any other command and reports no effect".to_owned()
        }
        FindingCode::ReadWithEffects => format!("is known as a read and reports {effects}"),
        FindingCode::UnsupportedWithEffects => {
            format!("is marked as not supported and reports {effects}")
        }
        other => other.name().to_owned(),
    }
}

fn render(findings: &[Finding], credible: bool, width: usize, verbose: bool) -> String {
    let log = if credible { paint(GOOD, "credible") } else { paint(BAD, "not credible") };
    if findings.is_empty() {
        return format!("Nothing was found; the log is {log}.\n");
    }
    let mut columns = vec!["SEVERITY", "CODE", "OPCODE", "NAME", "DETAIL"];
    if verbose {
        columns.push("SOURCE");
    }
    let (first, left) = shown(findings);
    let rows = first.iter().map(|finding| {
        let mut cells = vec![
            finding.severity.to_owned(),
            finding.code.to_owned(),
            finding.opcode.clone().unwrap_or_else(|| "-".to_owned()),
            finding.name.unwrap_or("-").to_owned(),
            finding.detail.clone(),
        ];
        if verbose {
            cells.push(finding.source.clone().unwrap_or_else(|| "-".to_owned()));
        }
        cells
    });
    let mut text = table(width, &columns, &rows.collect::<Vec<_>>());
    text.push_str(&left_off(left));
    let number = |severity: Severity| {
        findings.iter().filter(|finding| finding.severity == severity.name()).count()
    };
    text.push_str(&format!(
        "\n{}, {}; the log is {log}.\n",
        count(number(Severity::Error), "error"),
        count(number(Severity::Note), "note")
    ));
    text
}

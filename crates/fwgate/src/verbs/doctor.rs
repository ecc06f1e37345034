// SPDX-License-Identifier: MIT OR Apache-2.0
//! `doctor`: which ways lead to each device here, what the others lack, and what lets people round
//! the gate.
//!
//! *Invariants*: nothing is sent and nothing is changed; anybody may ask. Emulated devices are looked
//! at only when they are named.
//!
//! *Not here*: finding it (`fwgate_linux::host`).

use std::time::Duration;

use serde::Serialize;

use crate::cli::{DoctorArgs, DoctorSeverity};
use crate::devices::{self, Session};
use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::machine::{self, Code, Finding, Report, Severity, Who};
use crate::output::style::{BAD, GOOD, HEAD, WARN, paint};
use crate::output::table::{table, wrap};
use crate::output::{Format, Ui};

/// What `doctor` prints.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    /// The lockdown level that is judged by; null where only emulated devices were looked at.
    lockdown: Option<&'static str>,
    /// The kernel's taint; null where it cannot be read, or was not.
    taint: Option<u64>,
    kernel_config: Option<String>,
    findings: Vec<Finding>,
}

/// Runs `doctor`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &DoctorArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("doctor")?;
    let document = match args.device.as_deref() {
        Some(name) if devices::is_emulated(name) => of_emulated(name, timeout)?,
        Some(name) => of_report(machine::report()?, Some(machine::find(name)?.name())),
        None => of_report(machine::report()?, None),
    };
    let exit = status(&document.findings, args.fail_on);
    if ui.format() == Format::Json {
        ui.json(&document)?;
    } else {
        let text = text(&document, ui.width(), ui.verbose());
        ui.text(&text)?;
    }
    Ok(exit)
}

/// The findings of the machine, or those of one device of it.
fn of_report(report: Report, device: Option<&str>) -> Document {
    let Report { lockdown, taint, kernel_config, mut findings } = report;
    if let Some(device) = device {
        findings.retain(|finding| finding.device.as_deref() == Some(device));
    }
    let schema = "fwgate.doctor/1";
    Document { schema, lockdown: Some(lockdown), taint, kernel_config, findings }
}

/// An emulated device has what it has, and nothing is missing.
fn of_emulated(name: &str, timeout: Option<Duration>) -> Result<Document, CliError> {
    let session = Session::open(&[name], "doctor", timeout)?;
    let unit = session.unit(name)?;
    let present = |path: &str, says: &str| Finding {
        code: Code::PathPresent,
        severity: Severity::Present,
        device: Some(name.to_owned()),
        path: Some(path.to_owned()),
        place: None,
        who: Who::Nobody,
        says: says.to_owned(),
    };
    let mut findings =
        vec![present("emulated", "the device is in software, and takes every command")];
    let interfaces = unit.interfaces.iter();
    findings.extend(interfaces.map(|it| present(it.key(), "the emulated kernel has it")));
    let schema = "fwgate.doctor/1";
    Ok(Document { schema, lockdown: None, taint: None, kernel_config: None, findings })
}

fn status(findings: &[Finding], fail_on: Option<DoctorSeverity>) -> Exit {
    let counts = |severity: Severity| match fail_on {
        None => false,
        Some(DoctorSeverity::Warning) => severity == Severity::Warning,
        Some(DoctorSeverity::Missing) => {
            matches!(severity, Severity::Warning | Severity::Missing)
        }
    };
    let found = findings.iter().any(|finding| counts(finding.severity));
    if found { Exit::Found } else { Exit::Done }
}

/// A device and its findings, in the order in which devices are named first.
fn by_device(findings: &[Finding]) -> Vec<(&str, Vec<&Finding>)> {
    let mut devices: Vec<(&str, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let Some(name) = finding.device.as_deref() else { continue };
        match devices.iter_mut().find(|(known, _)| *known == name) {
            Some((_, found)) => found.push(finding),
            None => devices.push((name, vec![finding])),
        }
    }
    devices
}

fn text(document: &Document, width: usize, verbose: bool) -> String {
    let mut text = String::new();
    if let Some(lockdown) = document.lockdown {
        let taint = document.taint.map_or("unreadable".to_owned(), |taint| taint.to_string());
        let config = document.kernel_config.as_deref().map_or("not there".to_owned(), shown);
        let line = format!("kernel: lockdown {lockdown}, taint {taint}, configuration {config}");
        text.push_str(&format!("{}\n", wrap(&line, width, 4)));
    }
    let machine = document.findings.iter().filter(|finding| finding.device.is_none());
    text.push_str(&remarks(machine, width));
    let devices = by_device(&document.findings);
    if devices.is_empty() && document.lockdown.is_some() {
        text.push_str(
            "No CXL memory device, NVMe controller or fwctl device is on this machine.\n",
        );
    }
    for (name, findings) in devices {
        text.push_str(&format!("\n{}\n", paint(HEAD, &shown(name))));
        let rows: Vec<Vec<String>> = findings
            .iter()
            .filter(|it| matches!(it.severity, Severity::Present | Severity::Missing))
            .map(|finding| row(finding, verbose))
            .collect();
        if !rows.is_empty() {
            text.push_str(&table(width, &["PATH", "STATE", "WHY", "WHO CAN CHANGE IT"], &rows));
        }
        text.push_str(&remarks(findings.into_iter(), width));
    }
    text.trim_start_matches('\n').to_owned()
}

fn row(finding: &Finding, verbose: bool) -> Vec<String> {
    let here = finding.severity == Severity::Present;
    let who = if here { "-" } else { finding.who.name() };
    let why = if here && !verbose { "-".to_owned() } else { shown(&finding.says) };
    vec![
        finding.path.as_deref().map_or("-".to_owned(), shown),
        if here { "present" } else { "missing" }.to_owned(),
        why,
        who.to_owned(),
    ]
}

/// Warnings and notes, a sentence each.
fn remarks<'f>(findings: impl Iterator<Item = &'f Finding>, width: usize) -> String {
    let mut text = String::new();
    for finding in findings {
        let (word, style) = match finding.severity {
            Severity::Warning => ("warning", WARN),
            Severity::Note => ("note", GOOD),
            // The machine has no table of its own.
            Severity::Missing if finding.device.is_none() => ("missing", BAD),
            Severity::Present | Severity::Missing => continue,
        };
        let line =
            format!("{word}: {} (for {} to change)", shown(&finding.says), finding.who.name());
        let line = wrap(&line, width, 4);
        let rest = line.strip_prefix(word).unwrap_or_default();
        text.push_str(&format!("{}{rest}\n", paint(style, word)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, device: Option<&str>) -> Finding {
        Finding {
            code: Code::NodeMode,
            severity,
            device: device.map(ToOwned::to_owned),
            path: Some("memdev".to_owned()),
            place: None,
            who: Who::Root,
            says: "a \u{1b}[31mnode".to_owned(),
        }
    }

    #[test]
    fn only_what_is_asked_for_fails() {
        let missing = [finding(Severity::Missing, Some("mem0"))];
        let warning = [finding(Severity::Warning, None), finding(Severity::Present, None)];
        assert_eq!(status(&missing, None), Exit::Done);
        assert_eq!(status(&missing, Some(DoctorSeverity::Warning)), Exit::Done);
        assert_eq!(status(&missing, Some(DoctorSeverity::Missing)), Exit::Found);
        assert_eq!(status(&warning, Some(DoctorSeverity::Warning)), Exit::Found);
        assert_eq!(status(&warning[1..], Some(DoctorSeverity::Missing)), Exit::Done);
    }

    #[test]
    fn what_the_kernel_says_cannot_steer_the_terminal() {
        let findings =
            vec![finding(Severity::Warning, None), finding(Severity::Missing, Some("mem\u{1b}0"))];
        let document = Document {
            schema: "fwgate.doctor/1",
            lockdown: Some("none"),
            taint: None,
            kernel_config: None,
            findings,
        };
        let text = anstream::adapter::strip_str(&text(&document, 80, true)).to_string();
        assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}"), "{text}");
        assert!(text.contains("warning: a "), "{text}");
        assert!(text.contains("(for root to change)"), "{text}");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a verb failed: exit status, stable code, a sentence, and the place.
//!
//! *Invariants*: a code never changes its meaning. The sentence holds nothing that could steer a
//! terminal: what came from outside goes through [`shown`].
//!
//! *Not here*: refusals of a command, which are no failures but documents of their own
//! (`verbs::explain`).

use std::path::Path;

use fwgate_gate::journal::JournalError;
use fwgate_gate::probe::{ProbeCause, ProbeError};
use fwgate_gate::{GateError, SubmitError};
use fwgate_wire::{FormatError, FormatErrorKind};
use serde::Serialize;

use crate::exit::Exit;

/// Why a verb failed.
#[derive(Debug)]
pub(crate) struct CliError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    exit: Exit,
    code: &'static str,
    detail: String,
    place: Place,
}

/// Where it failed, as far as it is known.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Place {
    /// The argument or option that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<String>,
    /// The device.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// The file or folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The field of the structure there.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The journal's segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<u64>,
    /// Byte in the file, the segment or the argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// What had to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
}

/// The document that an error is under `-o json`.
#[derive(Serialize)]
struct Document<'e> {
    schema: &'static str,
    status: u8,
    code: &'e str,
    detail: &'e str,
    place: &'e Place,
}

impl CliError {
    /// An error of that status, code and sentence.
    pub(crate) fn new(exit: Exit, code: &'static str, detail: impl Into<String>) -> Self {
        let place = Place::default();
        Self(Box::new(Inner { exit, code, detail: detail.into(), place }))
    }

    /// What was given is wrong.
    pub(crate) fn usage(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, detail)
    }

    /// At this argument or option.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.0.place.argument = Some(shown(argument));
        self
    }

    /// At this device.
    pub(crate) fn device(mut self, device: &str) -> Self {
        self.0.place.device = Some(shown(device));
        self
    }

    /// In this file or folder.
    pub(crate) fn file(mut self, file: &Path) -> Self {
        self.0.place.file = Some(path(file));
        self
    }

    /// At this byte.
    pub(crate) fn offset(mut self, offset: usize) -> Self {
        self.0.place.offset = u64::try_from(offset).ok();
        self
    }

    /// With this expected and that found.
    pub(crate) fn expected(mut self, expected: impl Into<String>, found: &str) -> Self {
        self.0.place.expected = Some(expected.into());
        self.0.place.found = Some(shown(found));
        self
    }

    /// The same error once more.
    pub(crate) fn again(&self) -> Self {
        let Inner { exit, code, detail, place } = self.0.as_ref();
        let (detail, place) = (detail.clone(), place.clone());
        Self(Box::new(Inner { exit: *exit, code, detail, place }))
    }

    /// The status to end with.
    pub(crate) fn exit(&self) -> Exit {
        self.0.exit
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    /// The sentence.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The document for `-o json`.
    pub(crate) fn document(&self) -> String {
        let document = Document {
            schema: "fwgate.error/1",
            status: self.0.exit.status(),
            code: self.0.code,
            detail: &self.0.detail,
            place: &self.0.place,
        };
        serde_json::to_string_pretty(&document)
            .unwrap_or_else(|_| "{\"schema\":\"fwgate.error/1\",\"status\":1}".to_owned())
    }

    /// A structure in a file that is not as it has to be.
    pub(crate) fn format(file: &Path, error: FormatError) -> Self {
        let offset = match error.kind {
            // The row that is cut off, not the first one.
            FormatErrorKind::NotMultiple { of, have } if of != 0 => {
                error.offset.saturating_add(have.saturating_sub(have.checked_rem(of).unwrap_or(0)))
            }
            FormatErrorKind::TooShort { have, .. } => error.offset.saturating_add(have),
            FormatErrorKind::TooLong { limit, .. } => error.offset.saturating_add(limit),
            _ => error.offset,
        };
        let (expected, found) = match error.kind {
            FormatErrorKind::TooShort { need, have } => (format!("{need} bytes"), have),
            FormatErrorKind::TooLong { limit, have } => (format!("at most {limit} bytes"), have),
            FormatErrorKind::NotMultiple { of, have } => {
                (format!("whole rows of {of} bytes"), have)
            }
            _ => (error.kind.to_string(), 0),
        };
        let detail = format!("{}: {} at byte {offset}: {}", path(file), error.what, error.kind);
        let mut made = Self::usage("malformed-file", detail)
            .file(file)
            .offset(offset)
            .expected(expected, &format!("{found} bytes"));
        made.0.place.field = Some(error.field.to_owned());
        made
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        let detail = shown(&error.to_string());
        match &error {
            JournalError::Io { path, .. } => {
                Self::new(Exit::Failed, "journal-io", detail).file(path)
            }
            JournalError::Unsafe { path, .. } => {
                Self::new(Exit::Failed, "journal-unsafe", detail).file(path)
            }
            JournalError::Held { path, .. } => {
                Self::new(Exit::Transport, "journal-held", detail).file(path)
            }
            JournalError::Absent { path } => {
                let detail =
                    format!("{detail}: nothing has been judged or sent with this state folder yet");
                Self::new(Exit::NotFound, "no-journal", detail).file(path)
            }
            JournalError::Damaged { path, bad } => {
                let aside = shown(&path.display().to_string());
                let detail = format!(
                    "{detail}; see: fwgate audit verify; to go on, keep it for evidence and move it \
                     aside (mv {aside} {aside}.damaged): a new journal begins"
                );
                let mut made = Self::new(Exit::Failed, "journal-damaged", detail).file(path);
                made.0.place.segment = Some(bad.segment);
                made.0.place.offset = Some(bad.offset);
                made
            }
            JournalError::Record { .. } => Self::new(Exit::Failed, "journal-record", detail),
            JournalError::Stopped { .. } => Self::new(Exit::Failed, "journal-stopped", detail),
            _ => Self::new(Exit::Failed, "journal", detail),
        }
    }
}

impl From<GateError> for CliError {
    fn from(error: GateError) -> Self {
        let detail = shown(&error.to_string());
        match error {
            GateError::Journal(error) => {
                let mut made = Self::from(error);
                made.0.detail = detail;
                made
            }
            GateError::Facts(ProbeError { cause, .. }) => {
                let (exit, code) = match cause {
                    ProbeCause::Submit(SubmitError::FactsChanged { .. }) => {
                        (Exit::Refused, "facts-changed")
                    }
                    ProbeCause::Submit(SubmitError::Kernel { .. }) => (Exit::Kernel, "kernel"),
                    ProbeCause::Submit(SubmitError::Transport { .. }) => {
                        (Exit::Transport, "transport")
                    }
                    ProbeCause::NoPath(_) => (Exit::Refused, "no-path"),
                    ProbeCause::ReturnCode(_) => (Exit::Device, "device-error"),
                    ProbeCause::Format(_) | ProbeCause::Contradiction(_) => {
                        (Exit::Device, "device-nonsense")
                    }
                };
                Self::new(exit, code, detail)
            }
            GateError::Busy(_) => Self::new(Exit::Transport, "device-busy", detail),
            GateError::Record(_) => Self::new(Exit::Failed, "record", detail),
            GateError::TaintImpossible(_) => Self::new(Exit::Refused, "taint-impossible", detail),
            GateError::WrongProtocol { .. } => Self::usage("wrong-protocol", detail),
        }
    }
}

/// Text from outside, fit for a terminal: control characters and what turns the writing direction
/// are written as escapes.
pub(crate) fn shown(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            made.extend(c.escape_unicode());
        } else {
            made.push(c);
        }
    }
    made
}

/// A path, fit for a terminal.
pub(crate) fn path(path: &Path) -> String {
    shown(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_row_is_placed_where_it_begins() {
        let kind = FormatErrorKind::NotMultiple { of: 4, have: 123 };
        let error = FormatError::new("command effects log", "entries", 0, kind);
        let made = CliError::format(Path::new("cel.bin"), error);
        assert_eq!(made.exit(), Exit::Usage);
        assert_eq!(made.0.place.offset, Some(120));
        assert_eq!(
            made.detail(),
            "cel.bin: command effects log at byte 120: length 123 is not a multiple of 4"
        );
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let error = CliError::usage("x", shown("a\u{1b}[31m\u{202e}b")).argument("c\n");
        assert_eq!(error.detail(), "a\\u{1b}[31m\\u{202e}b");
        assert_eq!(error.0.place.argument.as_deref(), Some("c\\u{a}"));
    }

    #[test]
    fn the_document_has_the_shape_that_is_pinned() {
        let error = CliError::usage("bad-hex", "no hexadecimal digit").argument("--hex").offset(3);
        let value: serde_json::Value = serde_json::from_str(&error.document()).unwrap();
        assert_eq!(value["schema"], "fwgate.error/1");
        assert_eq!(value["status"], 2);
        assert_eq!(value["code"], "bad-hex");
        assert_eq!(value["place"]["offset"], 3);
        assert!(value["place"].get("file").is_none());
    }

    #[test]
    fn no_journal_and_a_held_journal_end_with_different_statuses() {
        let path = Path::new("/x").to_owned();
        let absent = CliError::from(JournalError::Absent { path: path.clone() });
        assert_eq!((absent.exit(), absent.code()), (Exit::NotFound, "no-journal"));
        let held = CliError::from(JournalError::Held { path, holder: "process 1".to_owned() });
        assert_eq!((held.exit(), held.code()), (Exit::Transport, "journal-held"));
    }
}

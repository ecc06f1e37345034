// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults that a device shows on demand.
//!
//! A plan comes from a file or from `FWGATE_EMU_FAULTS`; it is checked, and a wrong one is refused with
//! its place.
//!
//! *Invariants*: at most [`FaultPlan::MAX_RULES`] rules; a plan does not change once it is checked.
//!
//! *Not here*: how a fault shows in the registers (`registers`) and in the log (`commands::logs`).
//!
//! *Spec*: none; the shapes are this crate's own.

use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// The faults of one device, as JSON:
///
/// ```
/// use fwgate_emulator::{FaultKind, FaultPlan};
///
/// let plan = FaultPlan::parse(
///     r#"{"rules": [{"opcode": "0xC000", "after": 2, "kind": {"late": {"us": 5000}}}]}"#,
/// )?;
/// assert_eq!(plan.rules[0].kind, FaultKind::Late { us: 5000 });
///
/// let error = FaultPlan::parse(r#"{"rules": [{"kind": "melt"}]}"#).unwrap_err();
/// assert!(error.to_string().starts_with("fault plan: line 1, column "));
/// # Ok::<(), fwgate_emulator::FaultPlanError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// Faults, in the order in which they are looked at. All that match apply.
    #[serde(default)]
    pub rules: Vec<FaultRule>,
    /// How the effects log reads while another firmware slot than the first is active.
    #[serde(default)]
    pub log_after_activation: Vec<LogEdit>,
}

/// One fault and when it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The opcode it waits for, written `"0xC000"`; every opcode if absent.
    #[serde(default, with = "optional_opcode")]
    pub opcode: Option<u16>,
    /// Matching commands that pass before it shows.
    #[serde(default)]
    pub after: u64,
    /// How often it shows; for ever if absent.
    #[serde(default)]
    pub times: Option<u64>,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// The command is done, its reply comes this much later.
    Late {
        /// Microseconds.
        us: u64,
    },
    /// The command is done, the doorbell never clears. A power cycle ends it.
    Never,
    /// The reply is cut to this many bytes.
    Short {
        /// Bytes left.
        bytes: u32,
    },
    /// The length field states this many bytes, whatever the reply has.
    Long {
        /// Bytes stated; 21 bits of it can be shown.
        claim: u32,
    },
    /// The command register shows another opcode after completion.
    WrongOpcode {
        /// The opcode shown.
        #[serde(with = "opcode")]
        echo: u16,
    },
    /// The doorbell reads as set before the command is sent. Nothing is done. The opcode of the rule is
    /// not looked at; `after` counts all commands and `times` counts looks at the doorbell.
    DoorbellStuck,
    /// All registers read as ones from here on. The command is not done. A power cycle ends it.
    Gone,
    /// The command is not done and answers with this return code.
    ReturnCode {
        /// The return code.
        code: u16,
    },
    /// Get Log ends the effects log after this many bytes, though its stated size is whole. The opcode of
    /// the rule is not looked at; `after` counts all commands and `times` is not looked at.
    LogTruncated {
        /// Bytes left.
        bytes: u32,
    },
    /// The effects log lists its first row again at its end, with all effects gone. Counted as
    /// [`FaultKind::LogTruncated`].
    DuplicateRows,
}

/// A change of one row of the effects log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEdit {
    /// The row's opcode. A row that is not there is added.
    #[serde(with = "opcode")]
    pub opcode: u16,
    /// Its new effects word; absent takes the row away.
    #[serde(default, with = "optional_opcode")]
    pub effects: Option<u16>,
}

/// Why a fault plan was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FaultPlanError {
    /// More text than is read.
    #[error("fault plan: {found} bytes, at most {limit} are read")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// [`FaultPlan::MAX_BYTES`].
        limit: usize,
    },
    /// Not the JSON it should be.
    #[error("fault plan: line {line}, column {column}: {detail}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        detail: String,
    },
    /// More rules than are kept.
    #[error("fault plan: `{field}` has {found} entries, at most {limit} are kept")]
    TooMany {
        /// `rules` or `log_after_activation`.
        field: &'static str,
        /// Entries found.
        found: usize,
        /// [`FaultPlan::MAX_RULES`].
        limit: usize,
    },
}

impl FaultPlan {
    /// Most bytes of text that are read.
    pub const MAX_BYTES: usize = 64 << 10;
    /// Most rules, and most edits of the log.
    pub const MAX_RULES: usize = 64;

    /// Reads a plan from JSON text.
    ///
    /// # Errors
    /// [`FaultPlanError`], with the place.
    pub fn parse(text: &str) -> Result<Self, FaultPlanError> {
        if text.len() > Self::MAX_BYTES {
            let limit = Self::MAX_BYTES;
            return Err(FaultPlanError::TooLarge { found: text.len(), limit });
        }
        let plan: Self = serde_json::from_str(text).map_err(|error| FaultPlanError::Json {
            line: error.line(),
            column: error.column(),
            detail: plain(&error),
        })?;
        plan.check()?;
        Ok(plan)
    }

    /// Whether the plan changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.log_after_activation.is_empty()
    }

    pub(crate) fn check(&self) -> Result<(), FaultPlanError> {
        let limit = Self::MAX_RULES;
        for (field, found) in
            [("rules", self.rules.len()), ("log_after_activation", self.log_after_activation.len())]
        {
            if found > limit {
                return Err(FaultPlanError::TooMany { field, found, limit });
            }
        }
        Ok(())
    }
}

impl FaultRule {
    /// A fault that shows at every command from the first on.
    #[must_use]
    pub const fn always(kind: FaultKind) -> Self {
        Self { opcode: None, after: 0, times: None, kind }
    }

    /// A fault that shows at every command of that number.
    #[must_use]
    pub const fn on(opcode: u16, kind: FaultKind) -> Self {
        Self { opcode: Some(opcode), after: 0, times: None, kind }
    }

    /// The same fault after `after` matching commands.
    #[must_use]
    pub const fn after(self, after: u64) -> Self {
        Self { after, ..self }
    }

    /// The same fault, shown at most `times` times.
    #[must_use]
    pub const fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    pub(crate) fn matches(&self, opcode: u16) -> bool {
        self.opcode.is_none_or(|wanted| wanted == opcode)
    }

    /// Whether it shows at the occasion before which `seen` went by.
    pub(crate) fn shows(&self, seen: u64) -> bool {
        seen >= self.after && self.times.is_none_or(|times| seen - self.after < times)
    }
}

/// serde_json ends its messages with the place, which the error carries in fields of its own.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

fn parse_number<E: serde::de::Error>(text: &str) -> Result<u16, E> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    digits
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .and_then(|digits| u16::from_str_radix(digits, 16).ok())
        .ok_or_else(|| E::custom(format_args!("`{text}` is not a number of the form 0xC000")))
}

/// A 16-bit number written `"0xC000"`.
mod opcode {
    use super::{Deserialize, Deserializer, Serializer, parse_number};

    pub(super) fn serialize<S: Serializer>(value: &u16, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{value:04X}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<u16, D::Error> {
        parse_number(&String::deserialize(source)?)
    }
}

/// A 16-bit number written `"0xC000"`, or null.
mod optional_opcode {
    use super::{Deserialize, Deserializer, Serializer, parse_number};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<u16>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::opcode::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        source: D,
    ) -> Result<Option<u16>, D::Error> {
        match Option::<String>::deserialize(source)? {
            Some(text) => parse_number(&text).map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_goes_through_json_unchanged() {
        let plan = FaultPlan {
            rules: vec![
                FaultRule::on(0xC000, FaultKind::WrongOpcode { echo: 0x4000 }).after(3).times(1),
                FaultRule::always(FaultKind::Never),
                FaultRule::always(FaultKind::LogTruncated { bytes: 7 }),
            ],
            log_after_activation: vec![
                LogEdit { opcode: 0xC006, effects: Some(0x0002) },
                LogEdit { opcode: 0xC002, effects: None },
            ],
        };
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(FaultPlan::parse(&text), Ok(plan));
    }

    #[test]
    fn a_wrong_plan_is_refused_with_its_place() {
        for (text, part) in [
            ("", "line 1, column 0: EOF"),
            ("{\"rules\": 7}", "line 1, column 11"),
            (
                "{\"rules\": [{\"kind\": \"never\", \"opcode\": \"C000\"}]}",
                "`C000` is not a number",
            ),
            ("{\"rules\": [{\"kind\": \"never\", \"opcode\": \"0x1C000\"}]}", "`0x1C000`"),
            ("{\"rules\": [{\"kind\": {\"late\": {}}}]}", "missing field `us`"),
            ("{\"more\": 1}", "unknown field `more`"),
        ] {
            let error = FaultPlan::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let many = FaultPlan {
            rules: vec![FaultRule::always(FaultKind::Gone); 65],
            ..FaultPlan::default()
        };
        let error = FaultPlan::parse(&serde_json::to_string(&many).unwrap()).unwrap_err();
        assert_eq!(error, FaultPlanError::TooMany { field: "rules", found: 65, limit: 64 });
        let long = " ".repeat(FaultPlan::MAX_BYTES + 1);
        assert!(matches!(FaultPlan::parse(&long), Err(FaultPlanError::TooLarge { .. })));
    }

    #[test]
    fn a_rule_shows_after_its_count_and_as_often_as_it_says() {
        let rule = FaultRule::on(0xC000, FaultKind::Never).after(2).times(2);
        assert_eq!(
            (0..6).map(|seen| rule.shows(seen)).collect::<Vec<_>>(),
            [false, false, true, true, false, false]
        );
        assert!(rule.matches(0xC000) && !rule.matches(0xC001));
        assert!(FaultRule::always(FaultKind::Never).matches(0xC001));
        assert!(FaultRule::always(FaultKind::Never).shows(u64::MAX));
    }
}

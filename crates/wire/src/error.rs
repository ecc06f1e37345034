// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one error every parser and encoder of this crate returns.
//!
//! It describes untrusted input and holds nothing of it but lengths and one number.
//!
//! *Invariants*: `Copy`, no allocation; `offset` counts bytes from the start of `what`.
//!
//! *Not here*: errors of register access and of the mailbox (`cxl::mailbox`).
//!
//! *Spec*: none; the shapes are this crate's own.

use core::fmt;

/// Bytes that do not have the form of the structure they should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormatError {
    /// The structure, in plain words: `command effects log`.
    pub what: &'static str,
    /// The field of that structure; `bytes` when it is the whole.
    pub field: &'static str,
    /// Where the field starts, in bytes from the start of the structure.
    pub offset: usize,
    /// What is wrong there.
    pub kind: FormatErrorKind,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FormatErrorKind {
    /// Fewer bytes than the structure needs.
    TooShort {
        /// Bytes needed.
        need: usize,
        /// Bytes found.
        have: usize,
    },
    /// More bytes than the structure may have.
    TooLong {
        /// Most bytes allowed.
        limit: usize,
        /// Bytes found.
        have: usize,
    },
    /// A length that does not divide into whole rows.
    NotMultiple {
        /// Bytes of one row.
        of: usize,
        /// Bytes found.
        have: usize,
    },
    /// A value the structure does not allow.
    BadValue {
        /// The value found.
        value: u64,
    },
    /// A count or length field that disagrees with the bytes that follow.
    CountMismatch {
        /// What the field says.
        stated: usize,
        /// What the bytes hold.
        found: usize,
    },
}

impl FormatError {
    /// Builds an error for `field` of `what` at byte `offset`.
    #[must_use]
    pub const fn new(
        what: &'static str,
        field: &'static str,
        offset: usize,
        kind: FormatErrorKind,
    ) -> Self {
        Self { what, field, offset, kind }
    }

    /// The same error, its place counted from `base` bytes further out.
    #[must_use]
    pub const fn shifted(self, base: usize) -> Self {
        Self { offset: self.offset.saturating_add(base), ..self }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, field, offset, kind } = self;
        write!(f, "{what}: `{field}` at byte {offset}: {kind}")
    }
}

impl fmt::Display for FormatErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { need, have } => write!(f, "needs {need} bytes, found {have}"),
            Self::TooLong { limit, have } => write!(f, "takes at most {limit} bytes, found {have}"),
            Self::NotMultiple { of, have } => {
                write!(f, "length {have} is not a multiple of {of}")
            }
            Self::BadValue { value } => write!(f, "value {value:#x} is not allowed"),
            Self::CountMismatch { stated, found } => {
                write!(f, "states {stated}, the bytes hold {found}")
            }
        }
    }
}

impl core::error::Error for FormatError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn an_error_names_the_structure_the_field_and_the_byte() {
        let error = FormatError::new(
            "get feature request",
            "count",
            18,
            FormatErrorKind::BadValue { value: 0 },
        );
        assert_eq!(
            error.to_string(),
            "get feature request: `count` at byte 18: value 0x0 is not allowed"
        );
    }

    #[test]
    fn shifting_moves_only_the_offset() {
        let kind = FormatErrorKind::TooShort { need: 4, have: 1 };
        let error = FormatError::new("a", "b", 3, kind).shifted(12);
        assert_eq!(error, FormatError::new("a", "b", 15, kind));
        assert_eq!(error.shifted(usize::MAX).offset, usize::MAX);
    }

    #[test]
    fn every_kind_says_what_was_found() {
        for (kind, text) in [
            (FormatErrorKind::TooShort { need: 8, have: 3 }, "needs 8 bytes, found 3"),
            (FormatErrorKind::TooLong { limit: 8, have: 9 }, "takes at most 8 bytes, found 9"),
            (FormatErrorKind::NotMultiple { of: 4, have: 7 }, "length 7 is not a multiple of 4"),
            (FormatErrorKind::CountMismatch { stated: 2, found: 1 }, "states 2, the bytes hold 1"),
        ] {
            assert_eq!(kind.to_string(), text);
        }
    }
}

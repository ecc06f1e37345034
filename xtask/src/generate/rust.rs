// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pieces of generated Rust: literals, words, selectors.
//!
//! *Invariants*: called only with data that `validate` has passed; what it would have refused
//! becomes Rust that does not compile, never Rust that says something else.
//!
//! *Not here*: rows (`policy`, `wire`).

use super::rows::{Field, Size};
use super::vocabulary::{self as words, Word};

/// The first lines of a generated file.
pub(crate) fn header(purpose: &str, from: &str) -> String {
    format!(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         // made by `cargo xtask gen` from {from}; do not edit\n\
         //! {purpose}\n"
    )
}

/// A string literal.
pub(crate) fn text(value: &str) -> String {
    format!("{value:?}")
}

/// `Some(..)` or `None`.
pub(crate) fn option(value: Option<String>) -> String {
    value.map_or_else(|| "None".into(), |value| format!("Some({value})"))
}

/// An optional string literal.
pub(crate) fn option_text(value: Option<&str>) -> String {
    option(value.map(text))
}

/// `Type::Word`.
pub(crate) fn word(kind: &str, known: &[Word], value: &str) -> String {
    format!("{kind}::{}", words::rust_of(known, value).unwrap_or("UNKNOWN_WORD"))
}

/// A set of flags: `Type::A.union(Type::B)`.
pub(crate) fn flags<S: AsRef<str>>(kind: &str, known: &[Word], values: &[S]) -> String {
    let mut values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    values.sort_by_key(|value| words::rank_of(known, value));
    let mut values = values.into_iter().map(|value| word(kind, known, value));
    let Some(first) = values.next() else { return format!("{kind}::empty()") };
    values.fold(first, |set, flag| format!("{set}.union({flag})"))
}

/// A `SelectorField`.
pub(crate) fn field(field: Option<Field>) -> String {
    option(
        field.map(|Field { offset, len }| {
            format!("SelectorField {{ offset: {offset}, len: {len} }}")
        }),
    )
}

/// A `PayloadSize`.
pub(crate) fn size(size: Size) -> String {
    let side = |value: Option<u32>| option(value.map(|value| value.to_string()));
    format!("PayloadSize {{ min: {}, max: {} }}", side(size.min), side(size.max))
}

/// The bytes of a selector: hex digits in wire order, or a UUID as text. `None` if it is neither,
/// is empty or has more than 16 bytes.
pub(crate) fn selector_bytes(value: &str) -> Option<Vec<u8>> {
    let dashes: Vec<usize> = value.match_indices('-').map(|(at, _)| at).collect();
    let digits = match dashes[..] {
        [] => value.to_owned(),
        [8, 13, 18, 23] if value.len() == 36 => value.replace('-', ""),
        _ => return None,
    };
    let lower = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !lower || digits.is_empty() || digits.len() % 2 != 0 || digits.len() > 32 {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}

/// How the judge orders selectors: padded bytes, then the length.
pub(crate) fn selector_key(bytes: &[u8]) -> ([u8; 16], usize) {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(bytes) {
        *to = *from;
    }
    (padded, bytes.len())
}

/// `[0x01, ..]`.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    format!("[{}]", bytes.join(", "))
}

/// A `Selector`.
pub(crate) fn selector(value: &str) -> String {
    let (padded, len) = selector_key(&selector_bytes(value).unwrap_or_default());
    format!("Selector::of({}, {len})", bytes(&padded))
}

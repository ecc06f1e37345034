// SPDX-License-Identifier: MIT OR Apache-2.0
//! Colours, put on after the text was laid out. They are taken off again where they do not belong.

use anstyle::{AnsiColor, Style};

/// Headings.
pub(crate) const HEAD: Style = Style::new().bold();
/// What was allowed, or verifies.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What was refused, or is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What goes another way, or is worth knowing.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// What a user would type.
pub(crate) const TYPED: Style = AnsiColor::Cyan.on_default();
/// What can be passed over.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The text in a style.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A verdict's name as a word for people, in its colour.
pub(crate) fn verdict(name: &str) -> String {
    match name {
        "allow" => paint(GOOD, "allowed"),
        "redirect" => paint(WARN, "redirected"),
        _ => paint(BAD, "refused"),
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's lockdown level.
//!
//! Not trusted to be there: what cannot be read counts as integrity, and says why.
//!
//! *Spec*: `security/lockdown/lockdown.c:lockdown_read @ v7.3`: the levels with a space between, the
//! one in force in brackets. Without CONFIG_SECURITY_LOCKDOWN_LSM there is no such file.

use fwgate_policy::Lockdown;

use crate::discover::Roots;
use crate::discover::sysfs::Tree;

/// The level, and why it is not the kernel's own word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LockdownState {
    /// The level to judge by.
    pub level: Lockdown,
    /// Why it could not be read; `level` is integrity then.
    pub unread: Option<String>,
}

const FILE: &str = "kernel/security/lockdown";

/// The level now. An unreadable one counts as integrity.
#[must_use]
pub fn lockdown(roots: &Roots) -> LockdownState {
    let unread = |why: String| LockdownState { level: Lockdown::Integrity, unread: Some(why) };
    let text = match Tree::open(&roots.sys()).and_then(|sys| sys.text(FILE)) {
        Ok(text) => text,
        Err(error) => return unread(error.to_string()),
    };
    match parse(text.as_bytes()) {
        Some(level) => LockdownState { level, unread: None },
        None => unread(format!("`{FILE}` says `{text}`, expected one level in brackets")),
    }
}

/// The level in brackets. `None` unless there is exactly one, and a known one.
fn parse(text: &[u8]) -> Option<Lockdown> {
    let mut levels = text
        .split(u8::is_ascii_whitespace)
        .filter_map(|word| word.strip_prefix(b"[")?.strip_suffix(b"]"));
    let level = match levels.next()? {
        b"none" => Lockdown::None,
        b"integrity" => Lockdown::Integrity,
        b"confidentiality" => Lockdown::Confidentiality,
        _ => return None,
    };
    levels.next().is_none().then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_in_brackets_is_in_force() {
        assert_eq!(parse(b"[none] integrity confidentiality"), Some(Lockdown::None));
        assert_eq!(parse(b"none [integrity] confidentiality"), Some(Lockdown::Integrity));
        assert_eq!(parse(b"none integrity [confidentiality]"), Some(Lockdown::Confidentiality));
    }

    #[test]
    fn anything_else_is_no_level() {
        for text in
            ["", "none", "[none] [integrity]", "[other]", "[]", "[none", "none]", "[ none ]"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn unreadable_counts_as_integrity_and_says_why() {
        let state = lockdown(&Roots::at(std::path::Path::new("/nowhere")));
        assert_eq!(state.level, Lockdown::Integrity);
        assert!(state.unread.unwrap().contains("/nowhere/sys"));
    }
}

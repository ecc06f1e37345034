// SPDX-License-Identifier: MIT OR Apache-2.0
//! One line for each check, as the lab reads them: `ok NAME`, `FAIL NAME: why`. Nothing is skipped.
//!
//! *Invariants*: a check that panics has failed, and the next one runs all the same.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a check came to: why it failed.
pub(crate) type Verdict = Result<(), String>;

/// The checks so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: usize,
    failed: usize,
}

impl Report {
    /// Runs one check and prints its line.
    pub(crate) fn check(&mut self, name: &str, body: impl FnOnce() -> Verdict) -> bool {
        let verdict = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panicked: {}", text.unwrap_or("without words")))
        });
        match &verdict {
            Ok(()) => {
                self.passed += 1;
                println!("ok {name}");
            }
            Err(why) => {
                self.failed += 1;
                println!("FAIL {name}: {}", one_line(why));
            }
        }
        verdict.is_ok()
    }

    /// What a person may want to see; no check.
    pub(crate) fn note(&mut self, text: impl Display) {
        println!("  {}", one_line(&text.to_string()));
    }

    /// Whether all is well.
    pub(crate) const fn good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Fails a check unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

/// Fails a check unless both are the same.
macro_rules! same {
    ($what:expr, $found:expr, $expected:expr) => {
        match (&$found, &$expected) {
            (found, expected) if found == expected => {}
            (found, expected) => {
                return Err(format!("{}: found {found:?}, expected {expected:?}", $what));
            }
        }
    };
}

pub(crate) use {ensure, same};

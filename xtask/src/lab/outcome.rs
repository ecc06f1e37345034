// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a scenario's programs say, and whether that is a success.
//!
//! A program prints one line for each check: `ok NAME`, `FAIL NAME: why`, or `skip NAME: why`. Other
//! lines are for people.
//!
//! *Invariants*: a scenario without a single `ok`, with a `FAIL`, with a skip that the table does not
//! name, or with a status other than 0 has failed.
//!
//! *Not here*: the table (`scenarios`); running (`trials`).

use super::guest::End;

/// The checks of one scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) ok: usize,
    /// Name and why.
    pub(crate) failed: Vec<(String, String)>,
    /// Name and why.
    pub(crate) skipped: Vec<(String, String)>,
}

impl Tally {
    /// Reads what was printed.
    pub(crate) fn of(text: &str) -> Self {
        let mut tally = Self::default();
        for line in text.lines() {
            if line.strip_prefix("ok ").is_some_and(|name| !name.trim().is_empty()) {
                tally.ok += 1;
            } else if let Some(rest) = line.strip_prefix("FAIL ") {
                tally.failed.push(named(rest));
            } else if let Some(rest) = line.strip_prefix("skip ") {
                tally.skipped.push(named(rest));
            }
        }
        tally
    }

    /// Everything that is wrong; empty for a success.
    pub(crate) fn wrongs(&self, end: End, may_skip: &[&str]) -> Vec<String> {
        let mut wrongs: Vec<_> =
            self.failed.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        for (name, why) in &self.skipped {
            if !may_skip.contains(&name.as_str()) {
                wrongs.push(format!("{name} was skipped and may not be: {why}"));
            }
        }
        if self.ok == 0 {
            wrongs.push("not one check was passed".to_owned());
        }
        match end {
            End::Status(0) => {}
            End::Status(status) => wrongs.push(format!("it ended with status {status}")),
            End::Timeout => wrongs.push("it did not end in time".to_owned()),
            End::Silent => wrongs.push("the guest ended without a status".to_owned()),
        }
        wrongs
    }
}

fn named(rest: &str) -> (String, String) {
    let (name, why) = rest.split_once(':').unwrap_or((rest, "it does not say why"));
    (name.trim().to_owned(), why.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_and_other_lines_are_not() {
        let text =
            "hello\nok one\nok \nokay\n ok indented\nFAIL two: because: of\nskip three: no\n";
        let tally = Tally::of(text);
        assert_eq!(tally.ok, 1);
        assert_eq!(tally.failed, [("two".to_owned(), "because: of".to_owned())]);
        assert_eq!(tally.skipped, [("three".to_owned(), "no".to_owned())]);
    }

    #[test]
    fn a_scenario_succeeds_with_a_check_a_status_of_0_and_nothing_else() {
        let tally = Tally::of("ok one\n");
        assert!(tally.wrongs(End::Status(0), &[]).is_empty());
        assert_eq!(tally.wrongs(End::Status(2), &[]), ["it ended with status 2"]);
        assert_eq!(tally.wrongs(End::Timeout, &[]), ["it did not end in time"]);
        assert_eq!(tally.wrongs(End::Silent, &[]), ["the guest ended without a status"]);
    }

    #[test]
    fn a_scenario_without_a_check_has_failed() {
        let wrongs = Tally::of("").wrongs(End::Status(0), &[]);
        assert_eq!(wrongs, ["not one check was passed"]);
    }

    #[test]
    fn a_failed_check_fails_though_the_status_is_0() {
        let wrongs = Tally::of("ok one\nFAIL two\n").wrongs(End::Status(0), &[]);
        assert_eq!(wrongs, ["two: it does not say why"]);
    }

    #[test]
    fn a_skip_fails_unless_the_table_names_it() {
        let tally = Tally::of("ok one\nskip two: not there\n");
        assert!(tally.wrongs(End::Status(0), &["two"]).is_empty());
        let wrongs = tally.wrongs(End::Status(0), &["three"]);
        assert_eq!(wrongs, ["two was skipped and may not be: not there"]);
    }
}

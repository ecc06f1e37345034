// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which rule of the kernel an errno must have been.
//!
//! The errno is the kernel's; what was asked is known here; what is known of the device is a claim, so a rule is a
//! finding and not a proof.
//!
//! *Invariants*: rows stand in the order in which the kernel checks. The first row that surely holds ends the search; rows
//! before it of which that is not known are named beside it. An errno that no row explains says so, and the command
//! counts as sent.
//!
//! *Not here*: the tables: [`fwctl`], [`family`], [`memdev`], [`nvme`].
//!
//! *Spec*: each table names its kernel source.

pub(crate) mod family;
pub(crate) mod fwctl;
pub(crate) mod memdev;
pub(crate) mod nvme;

use std::borrow::Cow;

use fwgate_policy::Known;
use rustix::io::Errno;

use super::{Cause, Refusal, Sent};

/// What this process may do; `Known::No` where it lacks the capability in the initial user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// CAP_SYS_RAWIO.
    pub(crate) sys_rawio: Known,
    /// CAP_SYS_ADMIN.
    pub(crate) sys_admin: Known,
}

#[cfg(test)]
impl Own {
    /// Nothing is known of it.
    pub(crate) const CANNOT_TELL: Self =
        Self { sys_rawio: Known::CannotTell, sys_admin: Known::CannotTell };
}

/// One check of the kernel's.
#[derive(Clone, Debug)]
pub(super) struct Row {
    errno: Errno,
    holds: Known,
    words: Cow<'static, str>,
    sent: Sent,
    cause: Cause,
}

impl Row {
    /// A rule that is checked before anything is sent; `holds` says whether it refuses what was asked.
    fn rule(errno: Errno, holds: Known, words: impl Into<Cow<'static, str>>) -> Self {
        Self { errno, holds, words: words.into(), sent: Sent::No, cause: Cause::Rule }
    }

    /// Something that can happen to any command.
    fn event(errno: Errno, cause: Cause, sent: Sent, words: impl Into<Cow<'static, str>>) -> Self {
        Self { errno, holds: Known::CannotTell, words: words.into(), sent, cause }
    }
}

/// Known for sure.
const fn sure(holds: bool) -> Known {
    if holds { Known::Yes } else { Known::No }
}

/// The other way round.
const fn not(it: Known) -> Known {
    match it {
        Known::Yes => Known::No,
        Known::No => Known::Yes,
        Known::CannotTell => Known::CannotTell,
    }
}

/// Finds the row of an errno.
pub(super) fn find(path: &str, errno: Errno, rows: impl IntoIterator<Item = Row>) -> Refusal {
    let mut found: Vec<Row> = Vec::new();
    for row in rows.into_iter().filter(|row| row.errno == errno && row.holds != Known::No) {
        let last = row.holds == Known::Yes;
        found.push(row);
        if last {
            break;
        }
    }
    let raw = errno.raw_os_error();
    let name = name(errno);
    let sent = found.iter().map(|row| row.sent).max().unwrap_or(Sent::MayHave);
    let (rule, cause) = match &found[..] {
        [] => {
            let rule = format!(
                "{path} answered {name}, which no check of Linux 7.3 explains for this command"
            );
            (rule, Cause::Rule)
        }
        [row] => (format!("{path} answered {name}: {}", row.words), row.cause),
        [first, ..] => {
            let words: Vec<&str> = found.iter().map(|row| row.words.as_ref()).collect();
            let words = words.join("; or ");
            let same = found.iter().all(|row| row.cause == first.cause);
            let cause = if same { first.cause } else { Cause::Rule };
            (format!("{path} answered {name}, in the kernel's order of checks: {words}"), cause)
        }
    };
    Refusal { errno: raw, rule, sent, cause }
}

/// The name of an errno.
fn name(errno: Errno) -> Cow<'static, str> {
    const NAMES: &[(Errno, &str)] = &[
        (Errno::PERM, "EPERM"),
        (Errno::NOENT, "ENOENT"),
        (Errno::INTR, "EINTR"),
        (Errno::IO, "EIO"),
        (Errno::NXIO, "ENXIO"),
        (Errno::TOOBIG, "E2BIG"),
        (Errno::BADF, "EBADF"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::ACCESS, "EACCES"),
        (Errno::FAULT, "EFAULT"),
        (Errno::BUSY, "EBUSY"),
        (Errno::NODEV, "ENODEV"),
        (Errno::INVAL, "EINVAL"),
        (Errno::NOTTY, "ENOTTY"),
        (Errno::NOSPC, "ENOSPC"),
        (Errno::BADR, "EBADR"),
        (Errno::NOMSG, "ENOMSG"),
        (Errno::BADMSG, "EBADMSG"),
        (Errno::OPNOTSUPP, "EOPNOTSUPP"),
        (Errno::MSGSIZE, "EMSGSIZE"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::ALREADY, "EALREADY"),
        (Errno::REMOTEIO, "EREMOTEIO"),
        (Errno::CANCELED, "ECANCELED"),
    ];
    let known = NAMES.iter().find(|(it, _)| *it == errno);
    known.map_or_else(
        || format!("errno {}", errno.raw_os_error()).into(),
        |(_, name)| (*name).into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(errno: Errno, holds: Known, words: &'static str) -> Row {
        Row::rule(errno, holds, words)
    }

    #[test]
    fn the_first_row_that_holds_ends_the_search() {
        let rows = [
            row(Errno::INVAL, Known::No, "a"),
            row(Errno::PERM, Known::Yes, "b"),
            row(Errno::INVAL, Known::Yes, "c"),
            row(Errno::INVAL, Known::Yes, "d"),
        ];
        let refusal = find("path", Errno::INVAL, rows);
        assert_eq!(refusal.rule, "path answered EINVAL: c");
        assert_eq!((refusal.errno, refusal.sent, refusal.cause), (22, Sent::No, Cause::Rule));
    }

    #[test]
    fn rows_of_which_it_is_not_known_are_named_beside_it() {
        let rows = [
            row(Errno::INVAL, Known::CannotTell, "a"),
            row(Errno::INVAL, Known::Yes, "b"),
            row(Errno::INVAL, Known::CannotTell, "c"),
        ];
        let refusal = find("path", Errno::INVAL, rows);
        assert!(refusal.rule.ends_with("checks: a; or b"), "{}", refusal.rule);
    }

    #[test]
    fn an_errno_that_nothing_explains_says_so_and_counts_as_sent() {
        let refusal = find("path", Errno::XDEV, [row(Errno::INVAL, Known::Yes, "a")]);
        let wanted =
            "path answered errno 18, which no check of Linux 7.3 explains for this command";
        assert_eq!((refusal.rule.as_str(), refusal.sent), (wanted, Sent::MayHave));
    }

    #[test]
    fn one_row_that_may_have_sent_is_enough() {
        let rows = [
            row(Errno::FAULT, Known::CannotTell, "a"),
            Row::event(Errno::FAULT, Cause::Transport, Sent::MayHave, "b"),
        ];
        assert_eq!(find("path", Errno::FAULT, rows).sent, Sent::MayHave);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an errno of one of the kernel's own interfaces means: the kernel's rule in words, and
//! whether the device may have carried the command out all the same.
//!
//! The kernel is trusted to answer the errno that its source says; the device chooses some of them.
//!
//! *Invariants*: an errno that is not known here says that the command may have run.
//!
//! *Spec*: `drivers/cxl/cxlmem.h @ v7.3` (`CMD_CMD_RC_TABLE`: all return codes are ENXIO, but 0Fh is
//! EFAULT and 10h EBUSY), `cxl_internal_send_cmd` in `drivers/cxl/core/mbox.c @ v7.3`,
//! `__cxl_pci_mbox_send_cmd` in `drivers/cxl/pci.c @ v7.3`.

use std::path::Path;

use fwgate_gate::SubmitError;
use rustix::io::Errno;

use super::attribute::Failed;

/// What one interface's errnos say, where they say more than everywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// EINVAL.
    pub(super) invalid: &'static str,
    /// EBUSY.
    pub(super) busy: &'static str,
    /// EPERM.
    pub(super) permission: &'static str,
    /// EOPNOTSUPP.
    pub(super) unsupported: &'static str,
    /// ENXIO: which commands the kernel sends.
    pub(super) sends: &'static str,
    /// Whether the kernel sends nothing at all at this attribute.
    pub(super) sends_nothing: bool,
}

impl Rules {
    /// Where nothing more is known.
    pub(super) const PLAIN: Self = Self {
        invalid: "the value is not taken",
        busy: "the mailbox is busy: its doorbell is set, or a sanitize is under way",
        permission: "the kernel wants CAP_SYS_RAWIO in the initial user namespace",
        unsupported: "the kernel does not offer it for this device",
        sends: "the command",
        sends_nothing: false,
    };
}

/// The error of one attribute.
pub(super) fn error(path: &Path, failed: Failed, rules: &Rules) -> SubmitError {
    let place = path.display();
    let gone = |errno: Errno| SubmitError::Transport {
        what: format!("`{place}` is gone ({}): the device left, or its driver", name(errno)),
        may_have_run: false,
    };
    let nothing = |what: String| SubmitError::Transport { what, may_have_run: false };
    match failed {
        Failed::Open(errno @ (Errno::NOENT | Errno::NODEV | Errno::NOTDIR)) => gone(errno),
        Failed::Open(errno @ Errno::ACCESS) => {
            refused(errno, format!("the mode of `{place}` does not let this process in"))
        }
        Failed::Open(errno @ Errno::PERM) => refused(
            errno,
            format!("`{place}` cannot be opened: under lockdown, or not by this user"),
        ),
        Failed::Open(Errno::LOOP) => nothing(format!("`{place}` is a link, and not followed")),
        Failed::Open(errno) => nothing(format!("`{place}` cannot be opened ({})", name(errno))),
        Failed::NoFile => nothing(format!("`{place}` is no file")),
        Failed::TooLong(_) | Failed::NoText => nothing(format!("`{place}` {failed}")),
        Failed::Short { .. } => SubmitError::Transport {
            what: format!("`{place}` {failed} of one value"),
            may_have_run: !rules.sends_nothing,
        },
        Failed::Call(errno) => call(&place.to_string(), errno, rules),
    }
}

/// The error of a write, or of a read that makes the kernel send something.
fn call(place: &str, errno: Errno, rules: &Rules) -> SubmitError {
    let rule = |rule: &str| refused(errno, format!("`{place}`: {rule}"));
    let perhaps = |what: &str| SubmitError::Transport {
        what: format!("`{place}` ({}): {what}", name(errno)),
        may_have_run: !rules.sends_nothing,
    };
    match errno {
        Errno::NODEV | Errno::NOENT => SubmitError::Transport {
            what: format!("`{place}` is gone ({}): the device left, or its driver", name(errno)),
            may_have_run: false,
        },
        Errno::INVAL => rule(rules.invalid),
        Errno::BUSY => rule(rules.busy),
        Errno::PERM => rule(rules.permission),
        Errno::ACCESS => rule("the attribute cannot be written"),
        Errno::OPNOTSUPP => rule(rules.unsupported),
        Errno::INTR => rule("a signal came while the kernel waited for a lock; nothing was sent"),
        Errno::NOMEM => rule("the kernel has no memory for it, or the mailbox is too small"),
        Errno::TOOBIG => rule("it does not fit the device's mailbox"),
        Errno::RANGE => rule("the number does not fit the kernel's type"),
        Errno::NXIO => perhaps(&format!(
            "the device answered {} with an error; the kernel does not say which",
            rules.sends
        )),
        Errno::TIMEDOUT => perhaps(
            "the device did not answer within the kernel's two seconds, or works on in the background, \
             which the kernel does not follow here",
        ),
        Errno::IO => {
            perhaps("the device's reply is shorter than the kernel takes, or there was none")
        }
        _ => perhaps("an errno that is not known of this interface"),
    }
}

/// The kernel refuses, or would.
pub(super) fn refused(errno: Errno, rule: String) -> SubmitError {
    SubmitError::Kernel { errno: errno.raw_os_error(), rule }
}

/// The kernel's interface has no way to say what the command says.
pub(super) fn no_way(rule: impl Into<String>) -> SubmitError {
    refused(Errno::OPNOTSUPP, rule.into())
}

/// The symbol of an errno; its number where it is not one of those that matter here.
pub(super) fn name(errno: Errno) -> String {
    let known = match errno {
        Errno::NOENT => "ENOENT",
        Errno::NODEV => "ENODEV",
        Errno::NOTDIR => "ENOTDIR",
        Errno::NXIO => "ENXIO",
        Errno::IO => "EIO",
        Errno::TIMEDOUT => "ETIMEDOUT",
        Errno::ISDIR => "EISDIR",
        Errno::FAULT => "EFAULT",
        Errno::PERM => "EPERM",
        Errno::ACCESS => "EACCES",
        Errno::BUSY => "EBUSY",
        Errno::INVAL => "EINVAL",
        _ => return format!("errno {}", errno.raw_os_error()),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(failed: Failed, rules: &Rules) -> (String, Option<bool>) {
        match error(Path::new("/sys/x"), failed, rules) {
            SubmitError::Kernel { errno, rule } => {
                let (Failed::Call(of) | Failed::Open(of)) = failed else { panic!("{rule}") };
                assert_eq!(errno, of.raw_os_error());
                (rule, None)
            }
            SubmitError::Transport { what, may_have_run } => (what, Some(may_have_run)),
            SubmitError::FactsChanged { what } => panic!("{what}"),
        }
    }

    #[test]
    fn every_errno_has_its_sentence_and_says_whether_it_may_have_run() {
        // None: refused by the kernel, nothing sent.
        let cases = [
            (Errno::NODEV, "is gone (ENODEV)", Some(false)),
            (Errno::NOENT, "is gone (ENOENT)", Some(false)),
            (Errno::INVAL, "the value is not taken", None),
            (Errno::BUSY, "the mailbox is busy", None),
            (Errno::PERM, "CAP_SYS_RAWIO", None),
            (Errno::ACCESS, "cannot be written", None),
            (Errno::OPNOTSUPP, "does not offer it", None),
            (Errno::INTR, "a signal came", None),
            (Errno::NOMEM, "no memory", None),
            (Errno::TOOBIG, "does not fit the device's mailbox", None),
            (Errno::RANGE, "does not fit the kernel's type", None),
            (Errno::NXIO, "answered the command with an error", Some(true)),
            (Errno::TIMEDOUT, "two seconds", Some(true)),
            (Errno::IO, "shorter than the kernel takes", Some(true)),
            (Errno::XDEV, "not known", Some(true)),
        ];
        for (errno, words, may_have_run) in cases {
            let (what, told) = said(Failed::Call(errno), &Rules::PLAIN);
            assert!(what.contains(words) && what.contains("/sys/x"), "{errno:?}: {what}");
            assert_eq!(told, may_have_run, "{errno:?}");
        }
        let silent = Rules { sends_nothing: true, ..Rules::PLAIN };
        for errno in [Errno::NXIO, Errno::TIMEDOUT, Errno::IO, Errno::XDEV] {
            assert_eq!(said(Failed::Call(errno), &silent).1, Some(false), "{errno:?}");
        }
    }

    #[test]
    fn what_could_not_be_opened_has_not_run() {
        for (failed, words, may_have_run) in [
            (Failed::Open(Errno::NOENT), "is gone", Some(false)),
            (Failed::Open(Errno::NODEV), "is gone", Some(false)),
            (Failed::Open(Errno::ACCESS), "the mode of", None),
            (Failed::Open(Errno::PERM), "lockdown", None),
            (Failed::Open(Errno::LOOP), "is a link", Some(false)),
            (Failed::Open(Errno::NXIO), "cannot be opened (ENXIO)", Some(false)),
            (Failed::NoFile, "is no file", Some(false)),
            (Failed::TooLong(9), "more than 9 bytes", Some(false)),
            (Failed::NoText, "no plain text", Some(false)),
            (Failed::Short { took: 1, of: 2 }, "took 1 of 2 bytes", Some(true)),
        ] {
            let (what, told) = said(failed, &Rules::PLAIN);
            assert!(what.contains(words), "{failed:?}: {what}");
            assert_eq!(told, may_have_run, "{failed:?}");
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Raw senders, one module for each way to firmware, and the kernel's refusals in words.
//!
//! Commands come judged and recorded from [`crate::device`]; what the kernel hands back is hostile.
//!
//! *Invariants*
//! - All is crate-private. One send is one system call (two where the first one answers that it does not know the
//!   ioctl); nothing is ever repeated, not on EINTR either.
//! - Whether a refused command may have reached the device is decided per path from the kernel's source. Where that does
//!   not tell, it may have.
//! - An answer that says more than was asked for is an error, and no panic.
//!
//! *Not here*: which path carries a command and its deadline (`device`), whether it may be sent (`fwgate-policy`),
//! the system calls ([`crate::sys`]).
//!
//! *Spec*: docs/adr/0012-paths.md; each module names its kernel source.

pub(crate) mod family;
pub(crate) mod fwctl;
pub(crate) mod memdev;
pub(crate) mod nvme;
#[cfg(feature = "raw-commands")]
pub(crate) mod raw;
pub(crate) mod rule;
#[cfg(test)]
mod tests;

use std::fmt;

use fwgate_gate::{Belief, Reply, SubmitError};
use zeroize::Zeroizing;

/// Longest payload of a command or reply that any path is used for, in bytes: the largest CXL mailbox.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;

/// Whether a command that brought no answer may have reached the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sent {
    /// It has not.
    No,
    /// It may have, and may have been carried out.
    MayHave,
}

/// What brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A rule of the kernel's.
    Rule,
    /// The device or its driver is gone.
    Gone,
    /// The way to the device or back failed.
    Transport,
    /// The kernel's answer is none that it can give.
    Answer,
    /// This side refused before it asked the kernel.
    Here,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The errno; 0 where the ioctl succeeded or was not made.
    pub(crate) errno: i32,
    /// The kernel's rule in words, or what went wrong.
    pub(crate) rule: String,
    /// Whether the command may have reached the device.
    pub(crate) sent: Sent,
    /// What it was.
    pub(crate) cause: Cause,
}

impl Refusal {
    /// Refused before the kernel was asked.
    pub(crate) fn here(what: impl fmt::Display) -> Self {
        Self { errno: 0, rule: what.to_string(), sent: Sent::No, cause: Cause::Here }
    }

    /// The ioctl succeeded with an answer that it cannot give.
    pub(crate) fn answer(what: impl fmt::Display, sent: Sent) -> Self {
        let rule = format!("the kernel's answer is none that it can give: {what}");
        Self { errno: 0, rule, sent, cause: Cause::Answer }
    }

    /// The ioctl succeeded and says by other means that the transport failed.
    pub(crate) fn transport(what: impl fmt::Display) -> Self {
        let (rule, sent) = (what.to_string(), Sent::MayHave);
        Self { errno: 0, rule, sent, cause: Cause::Transport }
    }
}

impl From<Refusal> for SubmitError {
    fn from(Refusal { errno, rule, sent, cause }: Refusal) -> Self {
        match (cause, sent) {
            (Cause::Rule, Sent::No) => Self::Kernel { errno, rule },
            (_, sent) => Self::Transport { what: rule, may_have_run: sent == Sent::MayHave },
        }
    }
}

/// What came back. `Debug` shows the payload's length only; it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The device's return code; for NVMe the 15 bits of the status.
    pub(crate) return_code: u16,
    /// The reply. Empty where the return code says that it means nothing.
    pub(crate) payload: Zeroizing<Vec<u8>>,
    /// Whether the device says that the operation goes on in the background.
    pub(crate) background: bool,
    /// Whether the path hides transport failures, so that success is not yet believed.
    pub(crate) unverified: bool,
    /// NVMe: the completion's result. Else 0.
    pub(crate) result: u64,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("return_code", &self.return_code)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("background", &self.background)
            .field("unverified", &self.unverified)
            .field("result", &self.result)
            .finish()
    }
}

impl Answer {
    /// A return code and nothing else. Code 1 is CXL's "background operation started".
    fn cxl(return_code: u16, payload: Zeroizing<Vec<u8>>) -> Self {
        let background = return_code == 1;
        Self { return_code, payload, background, unverified: false, result: 0 }
    }

    /// As the gate takes it. The result of an NVMe completion has no place there.
    pub(crate) fn into_reply(mut self) -> Reply {
        Reply {
            return_code: self.return_code,
            vendor_status: 0,
            payload: std::mem::take(&mut *self.payload),
            background: self.background,
            belief: if self.unverified { Belief::Unverified } else { Belief::Told },
        }
    }
}

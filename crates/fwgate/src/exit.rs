// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit statuses: what a script may build on.
//!
//! *Invariants*: a number never changes its meaning. A refusal by the gate, by the kernel and by
//! the device are three numbers.
//!
//! *Not here*: stable codes of errors (`error`) and of reasons (`fwgate_policy::reason`).

use std::process::ExitCode;

/// How `fwgate` ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    /// 0: done, or allowed.
    Done = 0,
    /// 1: fwgate itself failed.
    Failed = 1,
    /// 2: what was given is wrong: an option, a name, a file named on the line.
    Usage = 2,
    /// 3: the gate refused. Nothing was sent.
    Refused = 3,
    /// 4: the kernel refused.
    Kernel = 4,
    /// 5: the device answered with an error.
    Device = 5,
    /// 6: the transport failed, or the deadline passed.
    Transport = 6,
    /// 7: there is no such device, command or journal.
    NotFound = 7,
    /// 8: not this way: the kernel has its own interface for it.
    Redirect = 8,
    /// 9: a check found something.
    Found = 9,
}

impl Exit {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 10] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::Kernel,
        Self::Device,
        Self::Transport,
        Self::NotFound,
        Self::Redirect,
        Self::Found,
    ];

    /// The number that the shell sees.
    pub(crate) const fn status(self) -> u8 {
        self as u8
    }

    /// What it means, for help and man page.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or allowed",
            Self::Failed => "fwgate itself failed",
            Self::Usage => "an option, a name or a file that was given is wrong",
            Self::Refused => "the gate refused; nothing was sent",
            Self::Kernel => "the kernel refused",
            Self::Device => "the device answered with an error",
            Self::Transport => "the transport failed, or the deadline passed",
            Self::NotFound => "there is no such device, command or journal",
            Self::Redirect => "not this way: the kernel has its own interface for it",
            Self::Found => {
                "a check found something (audit verify, doctor or lint --fail-on, firmware update)"
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_that_are_documented() {
        let numbers: Vec<u8> = Exit::ALL.iter().map(|exit| exit.status()).collect();
        assert_eq!(numbers, (0..=9).collect::<Vec<_>>());
        assert_eq!(Exit::Redirect.status(), 8);
        assert_eq!(Exit::Found.status(), 9);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The order of checks as named cases, most with two faults at once: the first one has to show.
//!
//! A case says what the reference says, so that it can fail on the kernel too.
//!
//! *Invariants*: cases that must find the host without a mark come first.

mod fwctl;
mod memdev;

use fwgate_gate::abi::Errno;

use crate::call::{Call, Outcome, Returned};
use crate::twin::Setting;

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The ioctl.
    pub call: Call,
    /// What it must return.
    pub want: Returned,
    /// What must be in memory then.
    pub memory: Vec<(u64, Vec<u8>)>,
    /// Whether the host must be tainted by fwctl then; looked at where it was not before.
    pub tainted: Option<bool>,
}

impl Case {
    fn new(name: &str, call: Call, want: Result<(), Errno>) -> Self {
        let want = want.map(|()| 0).map_err(Errno::raw_os_error);
        Self { name: name.to_owned(), call, want, memory: Vec::new(), tainted: None }
    }

    fn with(mut self, at: u64, bytes: &[u8]) -> Self {
        self.memory.push((at, bytes.to_vec()));
        self
    }

    fn word(self, at: u64, word: u32) -> Self {
        self.with(at, &word.to_ne_bytes())
    }

    const fn tainted(mut self, tainted: bool) -> Self {
        self.tainted = Some(tainted);
        self
    }

    /// Why this outcome is not what the case asks for.
    #[must_use]
    pub fn fails(&self, outcome: &Outcome, was_tainted: bool) -> Option<String> {
        if outcome.returned != self.want {
            return Some(format!("returned {:?}, not {:?}", outcome.returned, self.want));
        }
        for (at, want) in &self.memory {
            let have = outcome.bytes(*at, want.len());
            if have != *want {
                return Some(format!("at {at:#x} there is {have:02x?}, not {want:02x?}"));
            }
        }
        match self.tainted {
            Some(tainted) if !was_tainted && outcome.marks.fwctl != tainted => {
                Some(format!("tainted: {}", outcome.marks.fwctl))
            }
            _ => None,
        }
    }
}

/// The cases for what is there.
#[must_use]
pub fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    if let Some(fwctl) = &setting.fwctl {
        cases.extend(fwctl::cases(setting, fwctl));
    }
    if let Some(memdev) = &setting.memdev {
        cases.extend(memdev::cases(setting, memdev));
    }
    cases
}

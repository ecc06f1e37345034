// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same call to both, what differs, and the smallest call that still does.
//!
//! *Invariants*: every byte of the arena that the ioctl could reach is compared, but for those that the device
//! made and theirs does not show (`unseen`).

use std::ops::Range;

use crate::call::{Call, Outcome};
use crate::memory::{BASE, BIG};
use crate::ours::{Ours, System as _};
use crate::theirs::Theirs;

/// Both sides.
#[derive(Debug)]
pub struct Pair {
    /// The kernel.
    pub theirs: Theirs,
    /// Our reading of it.
    pub ours: Ours,
    /// Calls that were not made, being unsafe.
    pub not_made: u64,
}

impl Pair {
    /// Opened and set up alike.
    ///
    /// # Errors
    /// What could not be read of the real side.
    pub fn new(mut theirs: Theirs, nobody: bool) -> Result<Self, String> {
        let mut setting = theirs.setting()?;
        let mut ours = Ours::new(setting.clone());
        theirs.bring_up(&mut ours)?;
        if nobody {
            crate::theirs::become_nobody()?;
            setting.rawio = crate::theirs::has_rawio()?;
            ours.twin.setting.rawio = setting.rawio;
        }
        Ok(Self { theirs, ours, not_made: 0 })
    }

    /// Makes the call on both. `None` if it was not made; else both outcomes and what differs.
    pub fn run(&mut self, call: &Call) -> Option<(Outcome, Outcome, Option<String>)> {
        let memory = self.ours.prepare(call);
        if self.theirs.guard().refuses(call, memory).is_some() {
            self.not_made += 1;
            return None;
        }
        let theirs = self.theirs.ioctl(call);
        self.ours.hint = Some(theirs.clone());
        let ours = self.ours.ioctl(call);
        let found = difference(&theirs, &ours, &self.ours.unseen);
        if ours.marks != theirs.marks {
            // Said once; the host cannot be brought back.
            self.ours.twin.marks = theirs.marks;
        }
        Some((theirs, ours, found))
    }

    /// A smaller call that differs too.
    pub fn minimise(&mut self, call: &Call) -> Call {
        let mut least = call.clone();
        let differs =
            |pair: &mut Self, call: &Call| matches!(pair.run(call), Some((_, _, Some(_))));
        for at in (0..least.places.len()).rev() {
            let mut less = least.clone();
            less.places.remove(at);
            if differs(self, &less) {
                least = less;
            }
        }
        for place in 0..least.places.len() {
            let words = least.places[place].1.len().min(256) / 4;
            for word in 0..words {
                let mut less = least.clone();
                let bytes = &mut less.places[place].1[4 * word..4 * word + 4];
                if bytes.iter().any(|byte| *byte != 0) {
                    bytes.fill(0);
                    if differs(self, &less) {
                        least = less;
                    }
                }
            }
        }
        least
    }
}

/// What differs, in words.
#[must_use]
pub fn difference(theirs: &Outcome, ours: &Outcome, unseen: &[Range<u64>]) -> Option<String> {
    if theirs.returned != ours.returned {
        return Some(format!("theirs returned {:?}, ours {:?}", theirs.returned, ours.returned));
    }
    if theirs.marks != ours.marks {
        return Some(format!("theirs left the marks {:?}, ours {:?}", theirs.marks, ours.marks));
    }
    let none = Vec::new();
    let big = (theirs.big.as_ref().unwrap_or(&none), ours.big.as_ref().unwrap_or(&none));
    if big.0.len() != big.1.len() {
        return Some("one side reached the big part of the arena".to_owned());
    }
    for (base, (a, b)) in [(BASE, (&theirs.small, &ours.small)), (BIG, big)] {
        if a == b {
            continue;
        }
        let hidden = |at: u64| unseen.iter().any(|unseen| unseen.contains(&at));
        let mut differ =
            (base..).zip(a.iter().zip(b)).filter(|(at, (a, b))| a != b && !hidden(*at));
        if let Some((at, (a, b))) = differ.next() {
            let more = differ.count();
            return Some(format!("byte {at:#x}: theirs {a:#04x}, ours {b:#04x}, and {more} more"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Marks;

    fn outcome(small: &[u8]) -> Outcome {
        Outcome { returned: Ok(0), small: small.to_vec(), big: None, marks: Marks::default() }
    }

    #[test]
    fn value_marks_and_each_byte_are_compared_and_unseen_bytes_are_not() {
        let one = outcome(&[1, 2, 3]);
        assert_eq!(difference(&one, &one, &[]), None);
        let mut other = outcome(&[1, 9, 3]);
        assert!(
            difference(&one, &other, &[]).unwrap().contains("0x1000000001: theirs 0x02, ours 0x09")
        );
        let unseen = BASE + 1..BASE + 2;
        assert_eq!(difference(&one, &other, core::slice::from_ref(&unseen)), None);
        other = one.clone();
        other.returned = Err(14);
        assert!(difference(&one, &other, &[]).unwrap().contains("Err(14)"));
        other = one.clone();
        other.marks.fwctl = true;
        assert!(difference(&one, &other, &[]).is_some());
        other = one.clone();
        other.big = Some(vec![0]);
        assert!(difference(&one, &other, &[]).is_some());
    }
}

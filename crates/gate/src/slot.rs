// SPDX-License-Identifier: MIT OR Apache-2.0
//! One command at a time per device, and a turn for each caller.
//!
//! *Invariants*: of those who wait, the caller who had no turn for the longest time is next, and of
//! one caller's commands the first; so who fills the line keeps others waiting for one command, not
//! for all. Who waits does so until its deadline. Whoever holds the slot is named to those who
//! wait in vain. A holder that panics lets go.
//!
//! *Not here*: how long a holder may take (`sending`).

use core::time::Duration;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// The slot of one device. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    line: Mutex<Line>,
    moved: Condvar,
    /// Background operations that were begun by a holder.
    backgrounds: AtomicU64,
}

#[derive(Debug, Default)]
struct Line {
    holder: Option<String>,
    next_ticket: u64,
    waiting: Vec<Waiter>,
    turns: u64,
    /// The last turn of each caller since the line was empty.
    served: HashMap<u32, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    ticket: u64,
    caller: u32,
}

impl Line {
    /// Whose turn it is.
    fn next(&self) -> Option<u64> {
        let last_turn = |caller| self.served.get(&caller).copied().unwrap_or(0);
        let first = self.waiting.iter().min_by_key(|it| (last_turn(it.caller), it.ticket));
        first.map(|it| it.ticket)
    }

    fn leave(&mut self, ticket: u64) {
        self.waiting.retain(|waiter| waiter.ticket != ticket);
    }
}

/// The slot, held until dropped.
#[derive(Debug)]
pub struct Held {
    inner: Arc<Inner>,
}

/// The slot was not free in time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Busy {
    /// Who holds it, and with what.
    pub holder: String,
}

impl Slot {
    /// A free slot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits in line for the slot, for this user, until then; `None` waits for ever. A slot that is
    /// free is had at once, whatever the time.
    ///
    /// # Errors
    ///
    /// [`Busy`] once the time is over.
    pub fn hold(&self, caller: u32, holder: &str, until: Option<Instant>) -> Result<Held, Busy> {
        let mut line = self.inner.line.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = line.next_ticket;
        line.next_ticket = line.next_ticket.wrapping_add(1);
        line.waiting.push(Waiter { ticket, caller });
        loop {
            if line.holder.is_none() && line.next() == Some(ticket) {
                line.leave(ticket);
                line.turns = line.turns.wrapping_add(1);
                let turn = line.turns;
                line.served.insert(caller, turn);
                line.holder = Some(holder.to_owned());
                return Ok(Held { inner: Arc::clone(&self.inner) });
            }
            let left = until.map_or(Duration::from_secs(3600), |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                line.leave(ticket);
                let holder = line.holder.clone().unwrap_or_else(|| "others in line".to_owned());
                drop(line);
                self.inner.moved.notify_all();
                return Err(Busy { holder });
            }
            line =
                self.inner.moved.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The number of the background operation that was begun last.
    pub(crate) fn backgrounds(&self) -> u64 {
        self.inner.backgrounds.load(Ordering::SeqCst)
    }
}

impl Held {
    /// Notes that the holder's command went into the background, and answers its number.
    pub(crate) fn background_began(&self) -> u64 {
        self.inner.backgrounds.fetch_add(1, Ordering::SeqCst).wrapping_add(1)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut line = self.inner.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.holder = None;
        if line.waiting.is_empty() {
            // Nobody is at a disadvantage.
            line.served.clear();
        }
        drop(line);
        self.inner.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    fn within(milliseconds: u64) -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(milliseconds))
    }

    /// Lets these callers queue up one after the other behind a holder; who was served when.
    fn served(slot: &Slot, held: Held, callers: &[u32]) -> Vec<usize> {
        let (served, order) = mpsc::channel();
        let mut threads = Vec::new();
        for (number, caller) in callers.iter().copied().enumerate() {
            threads.push(thread::spawn({
                let (slot, served) = (slot.clone(), served.clone());
                move || {
                    let held = slot.hold(caller, "waiter", within(20_000)).unwrap();
                    served.send(number).unwrap();
                    drop(held);
                }
            }));
            while slot.inner.line.lock().unwrap().waiting.len() <= number {
                thread::yield_now();
            }
        }
        drop(held);
        for thread in threads {
            thread.join().unwrap();
        }
        order.try_iter().collect()
    }

    #[test]
    fn who_waits_in_vain_is_told_who_holds_the_slot() {
        let slot = Slot::new();
        let _held = slot.hold(7, "0xC004 by uid 7", within(0)).unwrap();
        let busy = slot.hold(8, "other", within(1)).unwrap_err();
        assert_eq!(busy.holder, "0xC004 by uid 7");
    }

    #[test]
    fn the_line_is_served_in_order() {
        let slot = Slot::new();
        let held = slot.hold(7, "first", None).unwrap();
        assert_eq!(served(&slot, held, &[7; 8]), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn who_fills_the_line_keeps_others_waiting_for_one_command_and_not_for_all() {
        let slot = Slot::new();
        let held = slot.hold(7, "first", None).unwrap();
        // Caller 7 floods, then 8 comes with two commands and 9 with one.
        let callers = [7, 7, 7, 7, 8, 8, 9];
        assert_eq!(served(&slot, held, &callers), [4, 6, 0, 5, 1, 2, 3]);
        assert!(slot.inner.line.lock().unwrap().served.is_empty(), "nothing is kept of the line");
    }

    #[test]
    fn a_waiter_that_gives_up_does_not_hold_up_the_line() {
        let slot = Slot::new();
        let held = slot.hold(7, "first", None).unwrap();
        assert!(slot.hold(8, "impatient", within(1)).is_err());
        drop(held);
        assert!(slot.hold(9, "next", within(1)).is_ok());
    }

    #[test]
    fn a_holder_that_panics_lets_go() {
        let slot = Slot::new();
        let theirs = slot.clone();
        let holder = thread::spawn(move || {
            let _held = theirs.hold(7, "first", None).unwrap();
            panic!("on purpose");
        });
        assert!(holder.join().is_err());
        assert!(slot.hold(8, "next", within(0)).is_ok());
    }
}

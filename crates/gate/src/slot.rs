// SPDX-License-Identifier: MIT OR Apache-2.0
//! One command at a time per device, first come first served.
//!
//! *Invariants*: who waits is served in the order of asking, until its deadline. Whoever holds the
//! slot is named to those who wait in vain.

use core::time::Duration;
use std::collections::VecDeque;
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
}

#[derive(Debug, Default)]
struct Line {
    holder: Option<String>,
    next_ticket: u64,
    waiting: VecDeque<u64>,
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

    /// Waits for the slot in line.
    ///
    /// # Errors
    ///
    /// [`Busy`] once `patience` is over.
    pub fn hold(&self, holder: &str, patience: Duration) -> Result<Held, Busy> {
        let until = Instant::now().checked_add(patience);
        let mut line = self.inner.line.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = line.next_ticket;
        line.next_ticket = line.next_ticket.wrapping_add(1);
        line.waiting.push_back(ticket);
        loop {
            if line.holder.is_none() && line.waiting.front() == Some(&ticket) {
                line.waiting.pop_front();
                line.holder = Some(holder.to_owned());
                return Ok(Held { inner: Arc::clone(&self.inner) });
            }
            let left = until.map_or(Duration::from_secs(3600), |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                line.waiting.retain(|waiting| *waiting != ticket);
                let holder = line.holder.clone().unwrap_or_else(|| "others in line".to_owned());
                drop(line);
                self.inner.moved.notify_all();
                return Err(Busy { holder });
            }
            line =
                self.inner.moved.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.inner.line.lock().unwrap_or_else(PoisonError::into_inner).holder = None;
        self.inner.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn who_waits_in_vain_is_told_who_holds_the_slot() {
        let slot = Slot::new();
        let _held = slot.hold("0xC004 by uid 7", Duration::ZERO).unwrap();
        let busy = slot.hold("other", Duration::from_millis(1)).unwrap_err();
        assert_eq!(busy.holder, "0xC004 by uid 7");
    }

    #[test]
    fn the_line_is_served_in_order() {
        let slot = Slot::new();
        let held = slot.hold("first", Duration::ZERO).unwrap();
        let (served, order) = mpsc::channel();
        let mut threads = Vec::new();
        for number in 0..8 {
            let (slot, served) = (slot.clone(), served.clone());
            threads.push(thread::spawn({
                let slot = slot.clone();
                move || {
                    let held = slot.hold("waiter", Duration::from_secs(20)).unwrap();
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
        assert_eq!(order.try_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn a_waiter_that_gives_up_does_not_hold_up_the_line() {
        let slot = Slot::new();
        let held = slot.hold("first", Duration::ZERO).unwrap();
        assert!(slot.hold("impatient", Duration::from_millis(1)).is_err());
        drop(held);
        assert!(slot.hold("next", Duration::from_millis(1)).is_ok());
    }
}

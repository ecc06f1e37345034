// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ctrl-C, for what must not simply end: the first asks, the second ends the process as ever.
//!
//! *Invariants*: nothing is done in the signal handler but to set a flag.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;

/// Whether Ctrl-C was pressed since this was made.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on the first Ctrl-C is only noted.
    pub(crate) fn watch() -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        // In this order: the one that finds the flag set ends the process.
        signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&flag))?;
        signal_hook::flag::register(SIGINT, Arc::clone(&flag))?;
        Ok(Self(flag))
    }

    /// Whether it came.
    pub(crate) fn came(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Ends the process as Ctrl-C does, so that a shell sees that it was that.
    pub(crate) fn end_of_process() {
        // Where it cannot be done, the caller's own status ends the process.
        let _ = signal_hook::low_level::emulate_default_handler(SIGINT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_is_noted_and_does_not_end_the_process() {
        let interrupt = Interrupt::watch().unwrap();
        assert!(!interrupt.came());
        signal_hook::low_level::raise(SIGINT).unwrap();
        assert!(interrupt.came());
    }
}

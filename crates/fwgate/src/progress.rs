// SPDX-License-Identifier: MIT OR Apache-2.0
//! Progress of a long operation, on a terminal's standard error, and Ctrl-C meanwhile.
//!
//! What a device or kernel says of its progress is hostile: more than 100 % is 100 %.
//!
//! *Invariants*: Ctrl-C never leaves a command that is under way without a word on it.

use std::ops::ControlFlow;

use fwgate_gate::Background;
use indicatif::{ProgressBar, ProgressStyle};

use crate::interrupt::Interrupt;

/// Who is told when Ctrl-C comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// The kernel's own interface, which may be asked to end it.
    Kernel,
    /// The firmware, which fwgate cannot stop.
    Firmware,
}

/// A bar, and whether Ctrl-C was pressed.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    interrupt: Option<Interrupt>,
    told: bool,
}

impl Progress {
    /// A bar, shown only where people watch.
    pub(crate) fn new(shown: bool) -> Self {
        let bar = if shown { ProgressBar::new(100) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {percent}%") {
            bar.set_style(style);
        }
        Self { bar, interrupt: None, told: false }
    }

    /// From now on the first Ctrl-C does not end the process.
    pub(crate) fn mind_interrupts(&mut self) {
        if self.interrupt.is_none() {
            // Without a handler Ctrl-C ends the process, as it would anyway.
            self.interrupt = Interrupt::watch().ok();
        }
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupt.as_ref().is_some_and(Interrupt::came)
    }

    /// Shows how far it is; breaks off where Ctrl-C was pressed.
    pub(crate) fn show(&mut self, background: Background, way: Way) -> ControlFlow<()> {
        self.bar.set_message(format!("0x{:04X} goes on", background.opcode));
        self.bar.set_position(u64::from(background.percent.unwrap_or(0).min(100)));
        if !self.interrupted() {
            return ControlFlow::Continue(());
        }
        if !self.told {
            self.told = true;
            let word = match way {
                Way::Kernel => "asking the kernel to end it; its end is waited for",
                Way::Firmware => {
                    "it cannot be ended early here, and goes on in the device; Ctrl-C again leaves \
                     it alone"
                }
            };
            self.bar.suspend(|| anstream::eprintln!("fwgate: {word}"));
        }
        ControlFlow::Break(())
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

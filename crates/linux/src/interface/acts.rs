// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a recorded command to what an interface does: the one place where a record is opened.
//!
//! *Invariants*: an interface acts on released bytes only, and not after the deadline has passed.
//!
//! *Not here*: what each interface does.

use core::fmt;
use std::sync::Arc;
use std::time::Instant;

use fwgate_gate::{
    Background, Belief, Generation, Kernel, KernelInterface, Message, Pace, Recorded, Reply,
    SubmitError,
};
use fwgate_policy::Known;

use super::names::Names;
use crate::discover::roots::Roots;

/// What an interface asks about its device before it acts.
pub trait Watch: Send + Sync {
    /// What marks the device now.
    fn generation(&self) -> Generation;

    /// Whether an HDM decoder of the device is committed now.
    fn decoder_committed(&self) -> Known;

    /// The firmware slot that the kernel's own update writes: the one after the active one. `None`
    /// where that is not known.
    fn next_firmware_slot(&self) -> Option<u8> {
        None
    }
}

/// One memdev, and where its files are.
#[derive(Clone)]
pub struct Place {
    roots: Roots,
    names: Names,
    watch: Arc<dyn Watch>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("roots", &self.roots)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl Place {
    /// The files of this memdev under these roots.
    #[must_use]
    pub fn new(roots: Roots, names: Names, watch: Arc<dyn Watch>) -> Self {
        Self { roots, names, watch }
    }

    /// Where the kernel's file systems are.
    #[must_use]
    pub const fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The device's names.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// The device.
    #[must_use]
    pub fn watch(&self) -> &dyn Watch {
        self.watch.as_ref()
    }
}

/// A released command, as an interface sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'d> {
    pub(super) opcode: u16,
    pub(super) payload: &'d [u8],
    pub(super) until: Option<Instant>,
}

impl<'d> Asked<'d> {
    pub(super) fn of(message: &'d Message, until: Option<Instant>) -> Result<Self, SubmitError> {
        match message {
            Message::Cxl { opcode, payload } => Ok(Self { opcode: *opcode, payload, until }),
            _ => {
                Err(nothing("the interface leads to a CXL device, and the command is for another"))
            }
        }
    }

    /// Looked at before each step that acts: what finds no time any more is not begun.
    pub(super) fn in_time(&self) -> Result<(), SubmitError> {
        match self.until {
            Some(until) if Instant::now() >= until => {
                Err(nothing("the deadline passed before anything was done"))
            }
            _ => Ok(()),
        }
    }
}

/// The command is none of this interface's.
pub(super) fn not_mine(key: &str, opcode: u16) -> SubmitError {
    nothing(format!("`{key}` does not stand for the command {opcode:#06x}"))
}

/// Nothing was done, for this reason.
pub(super) fn nothing(what: impl Into<String>) -> SubmitError {
    SubmitError::Transport { what: what.into(), may_have_run: false }
}

/// Success.
pub(super) fn done(payload: Vec<u8>, belief: Belief) -> Reply {
    Reply { return_code: 0, vendor_status: 0, payload, background: false, belief }
}

/// What one interface does with a released command.
pub(crate) trait Acts: Send + Sync {
    /// Its key in `data/ground.toml`.
    const KEY: &'static str;

    /// How long [`act`](Self::act) may take. A write to sysfs waits for the mailbox, uninterruptibly.
    const PACE: Pace = Pace::MayOutlast;

    /// Raw sender: does by the kernel's interface what was asked.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]
    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError>;

    /// The long operation that it began.
    fn look(&self, _: &Place) -> Option<Background> {
        None
    }

    /// Asks the kernel to end that operation.
    ///
    /// # Errors
    ///
    /// Why it cannot be asked to.
    fn stop(&self, _: &Place) -> Result<(), String> {
        Err("the kernel has no way to end this early".to_owned())
    }
}

/// One of the kernel's own interfaces to one memdev.
#[derive(Debug)]
pub(crate) struct Interface<A> {
    pub(super) place: Place,
    pub(super) acts: A,
}

impl<A: Acts> KernelInterface for Interface<A> {
    fn key(&self) -> &'static str {
        A::KEY
    }

    fn observe(&self) -> Generation {
        self.place.watch.generation()
    }

    fn pace(&self) -> Pace {
        A::PACE
    }

    fn run(&self, recorded: Recorded<Kernel>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        if delivery.route.interface != A::KEY {
            return Err(nothing(format!(
                "the command is made out for `{}`, and this is `{}`",
                delivery.route.interface,
                A::KEY
            )));
        }
        let asked = Asked::of(&delivery.message, delivery.until)?;
        asked.in_time()?;
        self.acts.act(&self.place, asked)
    }

    fn background(&self) -> Option<Background> {
        self.acts.look(&self.place)
    }

    fn abort(&self) -> Result<(), String> {
        self.acts.stop(&self.place)
    }
}

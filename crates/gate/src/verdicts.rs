// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verdicts that were reached on the same facts, remembered.
//!
//! A health poller sends the same few commands again and again. What was decided on a request is
//! remembered for exactly the same request: same gate, same caller in every field, same route and
//! scope, same bytes in every one, same site policy. It is bound to one opening of a device, so
//! that facts that change take it along. The path that the device names now, and whether that lets
//! the caller in, is part of the question: a node's mode is nobody's fact. What the gate does not
//! change while it lives (tables, lockdown) is not.
//!
//! *Invariants*: bounded: at most [`SLOTS`] verdicts of at most [`MAX_BYTES`] of payload and
//! [`MAX_BODY`] of record each; a newer one takes the place of an older. Only equality counts,
//! never a hash alone. No payload that may hold a secret is kept: the gate does not ask for it.
//!
//! *Not here*: deciding (`gate`).

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use fwgate_policy::{Path, Scope};

use crate::caller::Caller;
use crate::explain::Explanation;
use crate::permit::Terms;
use crate::record::CommandRecord;
use crate::request::Message;

/// How many verdicts are remembered at most.
pub(crate) const SLOTS: usize = 256;
/// The longest payload whose verdict is remembered, in bytes.
pub(crate) const MAX_BYTES: usize = 64;

/// The longest record of a verdict that is remembered, in bytes.
pub(crate) const MAX_BODY: usize = 4096;

/// What was asked, in every part that was judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'q> {
    pub(crate) gate: u64,
    pub(crate) interface: Option<&'static str>,
    /// The path that would be taken now; `None` where there is none.
    pub(crate) way: Option<Path>,
    pub(crate) message: &'q Message,
    pub(crate) scope: Option<Scope>,
    pub(crate) caller: &'q Arc<Caller>,
    pub(crate) site_generation: u64,
}

/// What was decided, ready to be recorded again.
#[derive(Debug)]
pub(crate) struct Remembered {
    gate: u64,
    interface: Option<&'static str>,
    way: Option<Path>,
    message: Message,
    scope: Option<Scope>,
    caller: Arc<Caller>,
    site_generation: u64,
    pub(crate) terms: Option<Terms>,
    pub(crate) explanation: Arc<Explanation>,
    pub(crate) command: Arc<CommandRecord>,
    /// The body of the decision's record.
    pub(crate) body: Arc<[u8]>,
}

impl Remembered {
    pub(crate) fn new(
        asked: Asked<'_>,
        terms: Option<Terms>,
        explanation: Arc<Explanation>,
        command: Arc<CommandRecord>,
        body: Arc<[u8]>,
    ) -> Self {
        Self {
            gate: asked.gate,
            interface: asked.interface,
            way: asked.way,
            message: asked.message.clone(),
            scope: asked.scope,
            caller: Arc::clone(asked.caller),
            site_generation: asked.site_generation,
            terms,
            explanation,
            command,
            body,
        }
    }

    /// Whether this is the answer to exactly that request. A caller that is the same value is the
    /// same caller; one that is not is compared field by field.
    fn answers(&self, asked: Asked<'_>) -> bool {
        self.gate == asked.gate
            && self.site_generation == asked.site_generation
            && self.interface == asked.interface
            && self.way == asked.way
            && self.scope == asked.scope
            && self.message.same_as(asked.message)
            && &self.caller == asked.caller
    }
}

/// The remembered verdicts of one opening of one device. Reading takes no lock.
#[derive(Debug)]
pub(crate) struct Verdicts {
    slots: Vec<ArcSwapOption<Remembered>>,
}

impl Verdicts {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| ArcSwapOption::const_empty()).collect() }
    }

    /// What was decided on exactly this request, given to `use_it`.
    pub(crate) fn recall<T>(
        &self,
        asked: Asked<'_>,
        use_it: impl FnOnce(&Remembered) -> T,
    ) -> Option<T> {
        let slot = self.slots.get(place(asked))?.load();
        let remembered = slot.as_deref()?;
        remembered.answers(asked).then(|| use_it(remembered))
    }

    /// Remembers a verdict, unless its request or its record is too long to be worth it.
    pub(crate) fn remember(&self, asked: Asked<'_>, verdict: Arc<Remembered>) {
        if asked.message.command().payload().len() > MAX_BYTES || verdict.body.len() > MAX_BODY {
            return;
        }
        if let Some(slot) = self.slots.get(place(asked)) {
            slot.store(Some(verdict));
        }
    }
}

/// Where a request's verdict is kept: anything will do that spreads.
fn place(asked: Asked<'_>) -> usize {
    let command = asked.message.command();
    let head = command.payload().iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let beside = match asked.message {
        Message::Cxl { .. } | Message::Bnxt { .. } => 0,
        Message::Mlx5 { op_mod, .. } => u64::from(*op_mod),
        Message::Pds { endpoint, operation, .. } => {
            u64::from(*endpoint ^ operation.rotate_left(16))
        }
        Message::NvmeAdmin { cdw: [cdw10, ..], nsid, .. } => {
            u64::from(*cdw10 ^ nsid.rotate_left(16))
        }
    };
    let mixed = u64::from(command.opcode())
        ^ u64::from(asked.caller.uid).rotate_left(17)
        ^ head.rotate_left(31)
        ^ beside.rotate_left(43)
        ^ asked.scope.map_or(7, |scope| scope as u64).rotate_left(59);
    // The high bits of a multiplication by an odd constant depend on all bits.
    let spread = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
    usize::try_from(spread).unwrap_or(0)
}

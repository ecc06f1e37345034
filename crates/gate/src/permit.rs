// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proofs on the road: a permit is proof of a judgement, a record is proof of a permit on record.
//!
//! Both own the very bytes that were judged. Both have private fields, one constructor each, and
//! neither Clone nor Default, so that one judgement sends one command once.
//!
//! *What holding one tells you*: [`Permit`]: the judge allowed these bytes, for this caller, on the
//! facts of this generation. [`Recorded`]: the journal has taken the decision, on stable storage if
//! it was to be. Neither tells that the device is still the same: [`Recorded::release`] checks that
//! last, and only it gives the bytes out.
//!
//! `tests/road/` shows that nothing else compiles.

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use fwgate_policy::{Obligations, Path, Scope};

use crate::caller::Caller;
use crate::device::{Generation, SubmitError};
use crate::probe::Probe;
use crate::request::{Firmware, Message, Request, Route};

/// Proof that the judge allowed a request.
#[derive(Debug)]
#[must_use = "a permit that is not recorded sends nothing"]
pub struct Permit<R: Route> {
    request: Request<R>,
    terms: Terms,
}

/// What the judge allowed a request on.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) generation: Arc<Generation>,
    pub(crate) obligations: Obligations,
    pub(crate) granted: Scope,
    pub(crate) path: Path,
    /// Whether it is a sourced read, which facts that went stale do not void.
    pub(crate) sourced_read: bool,
}

impl<R: Route> Permit<R> {
    /// The one constructor: only the gate calls it, with a judgement that allows.
    pub(crate) const fn new(request: Request<R>, terms: Terms) -> Self {
        Self { request, terms }
    }

    /// What was asked for.
    #[must_use]
    pub const fn request(&self) -> &Request<R> {
        &self.request
    }

    /// What sending it obliges to.
    #[must_use]
    pub const fn obligations(&self) -> Obligations {
        self.terms.obligations
    }

    /// The path that was judged.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.terms.path
    }

    /// The permit, now that the journal holds it under this number, good until then.
    pub(crate) fn recorded(self, record: u64, until: Option<Instant>) -> Recorded<R> {
        Recorded { request: self.request, terms: self.terms, record, until }
    }
}

/// Proof that an allowed request is on record.
#[derive(Debug)]
#[must_use = "a recorded command that is not sent leaves a decision without an outcome"]
pub struct Recorded<R: Route> {
    request: Request<R>,
    terms: Terms,
    record: u64,
    until: Option<Instant>,
}

impl Recorded<Firmware> {
    /// A probe, now that the journal holds its opening's record: only a [`Probe`]'s own bytes.
    pub(crate) fn probe(
        probe: Probe,
        generation: &Arc<Generation>,
        caller: &Arc<Caller>,
        path: Path,
        record: u64,
        until: Option<Instant>,
    ) -> Self {
        let terms = Terms {
            generation: Arc::clone(generation),
            obligations: Obligations { taint: false, durable: false, read_back: false },
            granted: probe.scope(),
            path,
            sourced_read: false,
        };
        let request = Request {
            route: Firmware,
            message: probe.message(),
            scope: None,
            caller: Arc::clone(caller),
            deadline: Duration::MAX,
        };
        Permit::new(request, terms).recorded(record, until)
    }
}

/// The bytes to send, given out once. It comes out of [`Recorded::release`] alone, and wipes the
/// bytes when it is dropped.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivery<R: Route> {
    /// The route.
    pub route: R,
    /// The bytes.
    pub message: Message,
    /// The scope to send them with.
    pub scope: Scope,
    /// The path that was judged; no other may be taken.
    pub path: Path,
    /// The journal's number of the decision.
    pub record: u64,
    /// When the gate stops waiting.
    pub until: Option<Instant>,
}

impl<R: Route> Recorded<R> {
    /// The journal's number of the decision.
    #[must_use]
    pub const fn record(&self) -> u64 {
        self.record
    }

    /// When the gate stops waiting; `None` if never.
    #[must_use]
    pub const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Gives the bytes out, if the device is still the one and as it was when they were judged.
    ///
    /// A sourced read survives a reset or other firmware; nothing survives another device.
    ///
    /// # Errors
    ///
    /// [`SubmitError::FactsChanged`] where it is not; nothing may be sent then.
    pub fn release(self, now: &Generation) -> Result<Delivery<R>, SubmitError> {
        let judged_for = self.terms.generation.as_ref();
        if judged_for.opened != now.opened {
            let what = format!("judged for `{}`, found `{}`", judged_for.opened, now.opened);
            return Err(SubmitError::FactsChanged { what });
        }
        if judged_for.changes != now.changes && !self.terms.sourced_read {
            let what =
                "the device was reset, changed its firmware or its driver since its effects \
                        log was read"
                    .to_owned();
            return Err(SubmitError::FactsChanged { what });
        }
        Ok(Delivery {
            route: self.request.route,
            message: self.request.message,
            scope: self.terms.granted,
            path: self.terms.path,
            record: self.record,
            until: self.until,
        })
    }
}

impl<R: Route> Delivery<R> {
    /// Time left until the gate stops waiting.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()))
    }
}

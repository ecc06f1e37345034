// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one road: request, judgement, permit, record, send, outcome.
//!
//! A front end makes a [`Request`]; [`Gate::send`] judges it, puts the decision on record, and only
//! then hands the very bytes that were judged to the [`Device`]. The types leave no other way: a
//! [`Permit`] is made only from a judgement that allows, a [`Recorded`] only from a permit that the
//! journal has taken, and a device takes nothing but a `Recorded`.
//!
//! Requests, replies and the journal's files are hostile.
//!
//! *Invariants*: nothing is sent that is not on record; a record that cannot be written sends
//! nothing; nothing is sent twice.
//!
//! *Not here*: what may be sent (`fwgate-policy`), reaching hardware (`fwgate-linux`,
//! `fwgate-emulator`), site policy files (`fwgate-site`).

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

pub mod abi;
pub mod caller;
pub mod device;
pub mod explain;
pub mod facts;
pub mod gate;
pub mod host;
pub mod journal;
pub mod known;
pub mod names;
mod opening;
pub mod outcome;
pub mod permit;
pub mod probe;
mod read_back;
pub mod record;
pub mod request;
mod sending;
pub mod site;
pub mod slot;
pub mod text;
pub mod transfer;
mod verdicts;

pub use caller::Caller;
pub use device::{
    Around, Background, Belief, Device, Generation, Identity, KernelInterface, NoPath, Pace, Reply,
    SubmitError, Told, Whereabouts,
};
pub use explain::{Explanation, ReasonText};
pub use facts::{DeviceFacts, Readings};
pub use gate::{Decided, Decision, Gate, GateError, Opened};
pub use host::{HostKernel, NoKernel};
pub use known::KnownLogs;
pub use outcome::{Failure, Outcome, Sent};
pub use permit::{Delivery, Permit, Recorded};
pub use request::{Firmware, Kernel, Message, Request, Route};
pub use site::{InProcess, SiteAnswer, SitePolicy, SiteQuestion};

// SPDX-License-Identifier: MIT OR Apache-2.0
//! fwgate's judge: may this command be sent to this device by this caller, and why?
//!
//! ```
//! use fwgate_policy::{Effects, Scope, scope};
//!
//! // A device reports that an opaque command changes configuration at once.
//! let effects = Effects::from_cxl(0x0002);
//! assert_eq!(scope::cxl_scope(effects, scope::Basis::Credible), Scope::DebugWriteFull);
//! ```
//!
//! Pure, `no_std`, without an allocator, I/O or a clock; everything is borrowed. Its input is
//! hostile: the command comes from a client, the facts are a device's claims.
//!
//! *Invariants*: nothing here sends anything. What is unknown is judged as the worse case.
//!
//! *Not here*: bytes (`fwgate-wire`), sending and recording (`fwgate-gate`), site policy
//! (`fwgate-site`), whose answer comes in by [`Standing`].
//!
//! *Spec*: `docs/specification.md`, promise by promise.

#![no_std]
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

#[cfg(test)]
extern crate std;

pub mod class;
pub mod command;
pub mod disclosure;
pub mod effects;
pub mod facts;
mod form;
pub mod ground;
pub mod judge;
pub mod lint;
pub mod reason;
mod right;
pub mod scope;
mod stance;
pub mod standing;
pub mod subsystem;
pub mod tables;

pub use class::{Class, classify, classify_row};
pub use command::Command;
pub use disclosure::Disclosure;
pub use effects::{Attributes, Effects};
pub use facts::{
    Facts, FeatureFacts, Inner, Known, OperationFacts, Reported, ReportedRow, Surroundings,
};
pub use judge::{Judgement, Obligations, Question, Route, Verdict, judge};
pub use reason::{Code, Level, Operand, Reason, Reasons, Right};
pub use scope::{Confidence, Scope};
pub use standing::{Capabilities, Grants, Lockdown, Path, PathKind, SetAside, Site, Standing};
pub use subsystem::Subsystems;
pub use tables::{Protocol, Tables};

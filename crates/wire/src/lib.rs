// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of the firmware command protocols: CXL mailbox and CCI, NVMe log pages, and the kernel's user API
//! of fwctl, of CXL memory devices and of NVMe pass-through.
//!
//! Input is not trusted. It comes from devices and from callers, and both can lie.
//!
//! *Invariants*
//! - No allocator, no `unsafe`, no panic on outside bytes.
//! - Every parser borrows its input; what parses encodes back to the same bytes.
//! - A value off the wire is a *claim*. Types here say what was claimed, never whether it is true.
//!
//! *Not here*: what a command may do and who may send it (`fwgate-policy`), the road a request takes
//! (`fwgate-gate`), devices in software (`fwgate-emulator`).
//!
//! *Spec*: each module names its own sources.
//!
//! A reply that is cut off is refused, and the refusal names the place:
//!
//! ```
//! use fwgate_wire::cxl::cel::CommandEffectsLog;
//!
//! let torn = [0x02, 0x05, 0x3e];
//! let error = CommandEffectsLog::parse(&torn).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "command effects log: `entries` at byte 0: length 3 is not a multiple of 4"
//! );
//! ```
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

#[macro_use]
mod layout;

pub mod cxl;
pub mod error;
pub mod fwctl;
mod ioctl_number;
pub mod memdev;
pub mod nvdimm;
pub mod nvme;

pub use error::{FormatError, FormatErrorKind};
pub use uuid::Uuid;

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same ioctls to the kernel and to fwgate's reading of it, compared in value, errno, memory and marks.
//!
//! `theirs` is a real node and real system calls. `ours` is `fwgate_gate::abi` in parity over a [`twin`]: what
//! the kernel knows of caller, host and device, set up from what the real device reports, and a device below
//! it. Each ioctl goes to both with the same memory: the same bytes at the same addresses, with the same
//! holes and read-only pages.
//!
//! What the kernel says is trusted to be what the kernel does. The ioctls themselves are wrong on purpose.
//!
//! *Invariants*: an ioctl only ever names memory of the arena, or addresses where no memory can be; a stream
//! is made by its seed alone.
//!
//! *Not here*: what is proven of the real devices' paths (`fwgate-proof`), the machine they are in
//! (`cargo xtask lab`).
//!
//! *Spec*: `docs/kernel-behaviour.md` has the findings and the closed list of deliberate differences.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a test program for 64-bit machines, about lengths of its own making"
)]

pub mod build;
pub mod call;
pub mod cases;
pub mod compare;
pub mod differences;
pub mod expect;
pub mod memory;
pub mod ours;
pub mod run;
pub mod stream;
mod sys;
pub mod theirs;
pub mod twin;

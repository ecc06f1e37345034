// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices of a Linux machine: which there are, what leads to their firmware, and the system calls
//! that go there.
//!
//! Everything that sysfs, procfs, a netlink socket or an ioctl answers is hostile.
//!
//! *Invariants*: `unsafe` lives in `sys` alone. Raw senders are crate-private: a command leaves
//! only out of a [`Recorded`](fwgate_gate::Recorded), by a [`Device`](fwgate_gate::Device) or a
//! [`KernelInterface`](fwgate_gate::KernelInterface).
//!
//! *Not here*: whether a command may be sent (`fwgate-policy`), the road (`fwgate-gate`).

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

// For tests that share their folders with those of `tests/`.
#[cfg(test)]
extern crate self as fwgate_linux;

pub mod caller;
pub mod device;
pub mod discover;
pub mod host;
pub mod interface;
pub(crate) mod path;
pub(crate) mod sys;

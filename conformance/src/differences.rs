// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where `ours` differs from the kernel on purpose, and what a comparison leaves out: a closed list.
//!
//! *Invariants*: in parity there is none in value, errno or mark. Whatever is found and is not here is a fault. A test
//! holds this list against `docs/kernel-behaviour.md`.

/// One difference.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// Its name, as in `docs/kernel-behaviour.md`.
    pub name: &'static str,
    /// Whether the comparison meets it, in parity; the others are of serve alone.
    pub in_parity: bool,
}

/// All of them.
pub const DIFFERENCES: &[Difference] = &[
    Difference { name: "unseen-output", in_parity: true },
    Difference { name: "mailbox-timeout", in_parity: true },
    Difference { name: "serve-opcodes", in_parity: false },
    Difference { name: "serve-plain-header", in_parity: false },
    Difference { name: "serve-raw", in_parity: false },
    Difference { name: "serve-most", in_parity: false },
    Difference { name: "serve-struct", in_parity: false },
    Difference { name: "serve-taint", in_parity: false },
];

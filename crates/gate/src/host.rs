// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gate asks of the kernel that it runs on: to be marked as tainted.
//!
//! The kernel's answers are not trusted to be prompt or true; a mark counts once it was read back.
//!
//! *Not here*: how the mark is set and read (`fwgate-linux`); what taints (`fwgate-policy`).
//!
//! *Spec*: TAINT_FWCTL is bit 19, `include/linux/panic.h @ v7.3`.

use fwgate_policy::PathKind;

/// The kernel under the gate.
pub trait HostKernel: Send + Sync {
    /// Sees to it that the kernel is tainted once a command has gone by this path: sets the mark
    /// where the path itself does not. Called after the record and before the send.
    ///
    /// # Errors
    ///
    /// Why it cannot be, or must not be: nothing is sent then.
    fn taint(&self, path: PathKind) -> Result<(), String>;

    /// Whether the kernel carries the mark now; `None` where that cannot be read.
    fn tainted(&self) -> Option<bool>;
}

/// No kernel: for gates that have devices in software only.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKernel;

impl HostKernel for NoKernel {
    fn taint(&self, _: PathKind) -> Result<(), String> {
        Err("this gate reaches no kernel that it could taint".to_owned())
    }

    fn tainted(&self) -> Option<bool> {
        None
    }
}

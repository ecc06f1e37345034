// SPDX-License-Identifier: MIT OR Apache-2.0
//! Set 00h on a primary mailbox: Request Abort Background Operation (0005h).
//!
//! *Not here*: Background Operation Status (0002h), which a primary mailbox answers by its register.
//!
//! *Spec*: CXL r3.1 8.2.9.1.5; the percentage rule of QEMU is not copied.

use fwgate_wire::cxl::ReturnCode;

use crate::engine::{Done, Engine, Handled};

/// 0005h: ends the running operation with Aborted, or answers 20h if it cannot be aborted. With nothing
/// running there is nothing to do.
pub(crate) fn request_abort(engine: &mut Engine, _: &[u8], _: &mut Vec<u8>) -> Handled {
    match &engine.state.background.running {
        Some(running) if !running.abortable => Err(ReturnCode::ABORT_NOT_SUPPORTED),
        Some(_) => {
            engine.abort();
            Ok(Done::Now)
        }
        None => Ok(Done::Now),
    }
}

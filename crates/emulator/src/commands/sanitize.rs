// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sanitize (4400h), Secure Erase (4401h) and Get Security State (4500h).
//!
//! *Invariants*: while an erase runs, media is disabled, and it cannot be aborted.
//!
//! *Not here*: passphrases; the device has none.
//!
//! *Spec*: CXL r3.1 8.2.9.9.5.1, 8.2.9.9.5.2, 8.2.9.9.6.1; the running state `drivers/cxl/core/mbox.c @ v7.3`.

use fwgate_wire::cxl::ReturnCode;

use super::events::Severity;
use crate::bytes::Put as _;
use crate::engine::{Done, Engine, Handled, Then};

/// 4400h.
pub(crate) fn sanitize(engine: &mut Engine, _: &[u8], _: &mut Vec<u8>) -> Handled {
    let duration = engine.state.settings.background_us;
    engine.start(0x4400, duration, false, Then::Erase)
}

/// 4401h.
pub(crate) fn secure_erase(engine: &mut Engine, _: &[u8], _: &mut Vec<u8>) -> Handled {
    let duration = engine.state.settings.background_us;
    engine.start(0x4401, duration, false, Then::Erase)
}

/// All data is gone.
pub(crate) fn finish(engine: &mut Engine) -> ReturnCode {
    let state = engine.change();
    state.media.erase();
    state.vendor.erase();
    engine.log(Severity::Information, "all data erased");
    ReturnCode::SUCCESS
}

/// 4500h: no passphrase is set, nothing is locked or frozen.
pub(crate) fn security_state(_: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    reply.put_u32(0);
    Ok(Done::Now)
}

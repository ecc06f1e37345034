// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::probe::Probe;
use fwgate_gate::{Caller, Firmware, Generation, Recorded};
use std::sync::Arc;

fn probe(now: &Arc<Generation>, caller: &Arc<Caller>) -> Option<Recorded<Firmware>> {
    let _ = (Probe::Identify.name(), now, caller);
    None
}

fn main() {}

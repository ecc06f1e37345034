// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::probe::Probe;
use fwgate_gate::{Firmware, Generation, Recorded};

fn probe(now: &Generation) -> Option<Recorded<Firmware>> {
    let _ = (Probe::Identify.name(), now);
    None
}

fn main() {}

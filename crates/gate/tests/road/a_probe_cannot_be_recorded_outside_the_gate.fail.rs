// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::probe::Probe;
use fwgate_gate::{Firmware, Generation, Recorded};

fn probe(now: &Generation) -> Option<Recorded<Firmware>> {
    Some(Recorded::probe(Probe::Identify, now, 1))
}

fn main() {}

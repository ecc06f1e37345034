// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Firmware, Recorded};

fn twice(recorded: Recorded<Firmware>) -> (Recorded<Firmware>, u64) {
    let number = recorded.record();
    (recorded, number)
}

fn main() {}

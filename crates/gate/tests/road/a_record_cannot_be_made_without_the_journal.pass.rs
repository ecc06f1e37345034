// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Firmware, Permit, Recorded};

fn skip(permit: Permit<Firmware>) -> Option<Recorded<Firmware>> {
    let _ = permit;
    None
}

fn main() {}

// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Firmware, Recorded};

fn nothing() -> Option<Recorded<Firmware>> {
    Default::default()
}

fn main() {}

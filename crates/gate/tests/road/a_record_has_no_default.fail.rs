// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Firmware, Recorded};

fn nothing() -> Option<Recorded<Firmware>> {
    Some(Recorded::default())
}

fn main() {}

// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Device, Firmware, Recorded};

fn send(device: &dyn Device, recorded: Recorded<Firmware>) {
    let _ = device.submit(recorded);
}

fn main() {}

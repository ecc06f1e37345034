// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Device, Firmware, Permit, Recorded};

fn send(device: &dyn Device, permit: Permit<Firmware>, recorded: Recorded<Firmware>) {
    let _ = permit;
    let _ = device.submit(recorded);
}

fn main() {}

// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Device, Firmware, Kernel, Recorded};

fn send(device: &dyn Device, kernel: Recorded<Kernel>, firmware: Recorded<Firmware>) {
    let _ = kernel;
    let _ = device.submit(firmware);
}

fn main() {}

// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Device, Firmware, Kernel, Recorded};

fn send(device: &dyn Device, kernel: Recorded<Kernel>, firmware: Recorded<Firmware>) {
    let _ = firmware;
    let _ = device.submit(kernel);
}

fn main() {}

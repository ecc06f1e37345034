// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Device, Firmware, Recorded};

fn send(device: &dyn Device, recorded: Recorded<Firmware>) {
    let _ = device.submit(recorded);
    let _ = device.submit(recorded);
}

fn main() {}

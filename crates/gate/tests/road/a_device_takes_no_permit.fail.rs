// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Device, Firmware, Permit, Recorded};

fn send(device: &dyn Device, permit: Permit<Firmware>, recorded: Recorded<Firmware>) {
    let _ = recorded;
    let _ = device.submit(permit);
}

fn main() {}

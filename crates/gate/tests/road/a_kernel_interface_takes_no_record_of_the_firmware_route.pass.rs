// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Firmware, Kernel, KernelInterface, Recorded};

fn run(to: &dyn KernelInterface, kernel: Recorded<Kernel>, firmware: Recorded<Firmware>) {
    let _ = firmware;
    let _ = to.run(kernel);
}

fn main() {}

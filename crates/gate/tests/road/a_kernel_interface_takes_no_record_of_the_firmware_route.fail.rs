// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Firmware, Kernel, KernelInterface, Recorded};

fn run(to: &dyn KernelInterface, kernel: Recorded<Kernel>, firmware: Recorded<Firmware>) {
    let _ = kernel;
    let _ = to.run(firmware);
}

fn main() {}

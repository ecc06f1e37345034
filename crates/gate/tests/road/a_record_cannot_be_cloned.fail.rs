// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Firmware, Recorded};

fn twice(recorded: Recorded<Firmware>) -> (Recorded<Firmware>, u64) {
    let again = recorded.clone();
    (again, recorded.record())
}

fn main() {}

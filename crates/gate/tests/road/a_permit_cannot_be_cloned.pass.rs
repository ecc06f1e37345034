// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Firmware, Permit};

fn twice(permit: Permit<Firmware>) -> (Permit<Firmware>, bool) {
    let durable = permit.obligations().durable;
    (permit, durable)
}

fn main() {}

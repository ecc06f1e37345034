// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Firmware, Permit};

fn twice(permit: Permit<Firmware>) -> (Permit<Firmware>, bool) {
    let again = permit.clone();
    (again, permit.obligations().durable)
}

fn main() {}

// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Firmware, Permit, Request};

fn forge(request: Request<Firmware>) -> usize {
    let _: Permit<Firmware> = Permit::new(request, panic!("no terms"));
    0
}

fn main() {}

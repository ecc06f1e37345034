// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Firmware, Permit, Request};

fn forge(request: Request<Firmware>) -> Permit<Firmware> {
    let _ = request;
    unreachable!("only the gate makes one")
}

fn main() {}

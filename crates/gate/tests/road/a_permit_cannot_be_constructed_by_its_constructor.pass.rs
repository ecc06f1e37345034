// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Firmware, Permit, Request};

fn forge(request: Request<Firmware>) -> usize {
    let _: fn(&Permit<Firmware>) -> &Request<Firmware> = Permit::request;
    let _ = request;
    0
}

fn main() {}

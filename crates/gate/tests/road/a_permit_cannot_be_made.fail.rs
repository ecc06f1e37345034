// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Firmware, Permit, Request};

fn forge(request: Request<Firmware>) -> Permit<Firmware> {
    Permit { request, terms: panic!("no terms") }
}

fn main() {}

// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::Route;

struct Around;

fn judged(route: &impl Route, _: &Around) -> bool {
    matches!(route.as_judged(), fwgate_policy::Route::Firmware)
}

fn main() {}

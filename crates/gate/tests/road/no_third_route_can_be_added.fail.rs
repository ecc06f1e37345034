// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::Route;

struct Around;

impl Route for Around {
    fn as_judged(&self) -> fwgate_policy::Route<'_> {
        fwgate_policy::Route::Firmware
    }

    fn interface(&self) -> Option<&'static str> {
        None
    }
}

fn main() {}

// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Delivery, Firmware, Message};
use fwgate_policy::Scope;

fn read(delivery: Delivery<Firmware>) -> (Message, Scope) {
    let Delivery { route: Firmware, message, scope, .. } = delivery;
    (message, scope)
}

fn main() {}

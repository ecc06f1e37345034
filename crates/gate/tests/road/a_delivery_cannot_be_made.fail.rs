// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Delivery, Firmware, Message};
use fwgate_policy::Scope;

fn forge(message: Message, scope: Scope) -> Delivery<Firmware> {
    Delivery { route: Firmware, message, scope, record: 1, until: None }
}

fn main() {}

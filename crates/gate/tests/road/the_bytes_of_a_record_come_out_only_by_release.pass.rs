// SPDX-License-Identifier: MIT OR Apache-2.0
#![allow(dead_code, reason = "the twin only has to compile")]
use fwgate_gate::{Firmware, Generation, Message, Recorded};

fn open(recorded: Recorded<Firmware>, now: &Generation) -> Option<Message> {
    recorded.release(now).ok().map(|delivery| delivery.message)
}

fn main() {}

// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::{Firmware, Generation, Message, Recorded};

fn open(recorded: Recorded<Firmware>, now: &Generation) -> Option<Message> {
    let _ = now;
    Some(recorded.request.message)
}

fn main() {}

// SPDX-License-Identifier: MIT OR Apache-2.0
use fwgate_gate::probe::Probe;
use fwgate_gate::{Caller, Firmware, Generation, Recorded};
use fwgate_policy::Path;
use std::sync::Arc;

fn probe(now: &Arc<Generation>, caller: &Arc<Caller>) -> Option<Recorded<Firmware>> {
    Some(Recorded::probe(Probe::Identify, now, caller, Path::NONE, 1, None))
}

fn main() {}

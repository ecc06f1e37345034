// SPDX-License-Identifier: MIT OR Apache-2.0
//! `edac-scrub`: the patrol scrub of a memdev.
//!
//! *Invariants*: the two settings are two writes, and each acts: the kernel reads the feature, changes
//! one field and sets it. Scrubbing is never left on with a cycle that was not asked for.
//!
//! *Not here*: the scrub of a region, which is that of all its memdevs.
//!
//! *Spec*: `cxl_patrol_scrub_set_enabled_bg`, `cxl_patrol_scrub_set_scrub_cycle` in
//! `drivers/cxl/core/edac.c @ v7.3`; CXL r3.2 8.2.10.9.11.1 as cited there.

use fwgate_gate::{Belief, Reply, SubmitError};
use fwgate_wire::cxl::features::feature_uuid;
use rustix::io::Errno;

use super::super::acts::{Acts, Asked, Interface, Place, done, not_mine, nothing};
use super::super::errno::{Rules, no_way, refused};
use super::{GET_FEATURE, SET_FEATURE, Steps, get_part, number, put, set_data};

const HOUR: u64 = 3600;
const ENABLED: &str = "enable_background";
const CYCLE: &str = "current_cycle_duration";

const RULES: Rules = Rules {
    invalid: "the cycle is shorter than the device's shortest",
    unsupported: "the device does not let its scrub cycle be changed",
    sends: "Get Feature or Set Feature",
    ..Rules::PLAIN
};

/// `edac-scrub`: Set Feature (0502h) and Get Feature (0501h) of Device Patrol Scrub Control.
#[derive(Debug)]
pub(crate) struct Scrubs;

/// `edac-scrub`.
pub(crate) type EdacScrub = Interface<Scrubs>;

impl EdacScrub {
    /// For this memdev.
    #[must_use]
    pub(crate) const fn at(place: Place) -> Self {
        Self { place, acts: Scrubs }
    }
}

impl Acts for Scrubs {
    const KEY: &'static str = "edac-scrub";

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        let folder = place.names().edac_folder(place.roots()).join("scrub0");
        let read = |file| number(&folder, file, &RULES);
        match asked.opcode {
            SET_FEATURE => {}
            GET_FEATURE => {
                let part = get_part(asked.payload, feature_uuid::PATROL_SCRUB)?;
                if part.start == 0 {
                    return Err(no_way(
                        "the attributes do not show byte 0 of the feature, its capabilities; from offset \
                         1 on they show all of it",
                    ));
                }
                let cycle = hours(read(CYCLE)?)?;
                let value =
                    [cycle, hours(read("min_cycle_duration")?)?, u8::from(read(ENABLED)? != 0)];
                let part =
                    part.start.saturating_sub(1)..part.end.saturating_sub(1).min(value.len());
                let payload = value.get(part).unwrap_or_default().to_vec();
                return Ok(done(payload, Belief::Told));
            }
            other => return Err(not_mine(Self::KEY, other)),
        }
        let data = set_data(asked.payload, feature_uuid::PATROL_SCRUB)?;
        let &[cycle, flags @ 0..=1] = data else {
            return Err(no_way("the data are not a cycle in hours and the enable bit"));
        };
        let cycle = u64::from(cycle).saturating_mul(HOUR);
        let (now, shortest) = (read(CYCLE)?, read("min_cycle_duration")?);
        if cycle < shortest {
            let rule = format!("the cycle is {cycle} s, and the device's shortest is {shortest} s");
            return Err(refused(Errno::INVAL, rule));
        }
        let set_cycle = || put(&folder, CYCLE, cycle, &RULES);
        let set_enabled = || put(&folder, ENABLED, u64::from(flags), &RULES);
        let mut steps = Steps::default();
        // A cycle that is right already is not set: some devices do not let it be.
        let other_cycle = now != cycle;
        if flags == 0 {
            steps.note(ENABLED, set_enabled())?;
        }
        if other_cycle {
            steps.note(CYCLE, asked.in_time().and_then(|()| set_cycle()))?;
        }
        if flags == 1 {
            steps.note(ENABLED, asked.in_time().and_then(|()| set_enabled()))?;
        }
        Ok(done(Vec::new(), Belief::Told))
    }
}

/// Seconds of an attribute in the feature's hours.
fn hours(seconds: u64) -> Result<u8, SubmitError> {
    let whole = seconds.checked_rem(HOUR) == Some(0);
    let hours = seconds.checked_div(HOUR).and_then(|hours| u8::try_from(hours).ok());
    hours
        .filter(|_| whole)
        .ok_or_else(|| nothing(format!("a cycle of {seconds} s, no whole hours")))
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `edac-ecs`: the error check scrub of a memdev's memory chips.
//!
//! *Invariants*: each write acts. What is as asked already is not written; the counters' reset comes
//! last, unit by unit.
//!
//! *Spec*: `cxl_mem_ecs_set_attrbs`, `cxl_set_ecs_threshold` in `drivers/cxl/core/edac.c @ v7.3`;
//! CXL r3.2 8.2.10.9.11.2 as cited there.

use std::path::{Path, PathBuf};

use fwgate_gate::{Belief, Reply, SubmitError};
use fwgate_wire::cxl::features::feature_uuid;

use super::super::acts::{Acts, Asked, Interface, Place, done, not_mine, nothing};
use super::super::errno::{Rules, no_way};
use super::{GET_FEATURE, SET_FEATURE, Steps, number, put, set_data};

/// Most units that are looked for.
const MAX_UNITS: usize = 4096;

const RULES: Rules = Rules { sends: "Get Feature or Set Feature", ..Rules::PLAIN };

/// `edac-ecs`: Set Feature (0502h) of DDR5 Error Check Scrub Control.
#[derive(Debug)]
pub(crate) struct Checks;

/// `edac-ecs`.
pub(crate) type EdacEcs = Interface<Checks>;

impl EdacEcs {
    /// For this memdev.
    #[must_use]
    pub(crate) const fn at(place: Place) -> Self {
        Self { place, acts: Checks }
    }
}

/// The settings of one unit.
struct Unit {
    threshold: u64,
    mode: u64,
    reset: bool,
}

impl Unit {
    fn parse(config: u16) -> Result<Self, SubmitError> {
        let threshold = match config & 7 {
            3 => 256,
            4 => 1024,
            5 => 4096,
            other => {
                return Err(no_way(format!("the kernel has no threshold for the code {other}")));
            }
        };
        if config >> 5 != 0 {
            return Err(no_way(format!(
                "the configuration {config:#06x} has bits without attribute"
            )));
        }
        Ok(Self { threshold, mode: u64::from(config >> 3 & 1), reset: config & 0x10 != 0 })
    }
}

impl Acts for Checks {
    const KEY: &'static str = "edac-ecs";

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        match asked.opcode {
            SET_FEATURE => {}
            GET_FEATURE => {
                return Err(no_way(
                    "the attributes show thresholds and modes, and neither the units' capabilities nor \
                     their flags, which are among the feature's bytes",
                ));
            }
            other => return Err(not_mine(Self::KEY, other)),
        }
        let data = set_data(asked.payload, feature_uuid::DDR5_ECS)?;
        let Some((log, configs)) = data.split_first() else {
            return Err(nothing("the feature's data are empty"));
        };
        if *log > 1 {
            return Err(no_way(format!(
                "the log capabilities {log:#04x} have bits without attribute"
            )));
        }
        let (configs, odd) = configs.as_chunks::<2>();
        let base = place.names().edac_folder(place.roots());
        let folders = units(&base);
        if !odd.is_empty() || folders.is_empty() || configs.len() != folders.len() {
            return Err(no_way(format!(
                "the data are for {} units, and the kernel has {}",
                configs.len(),
                folders.len()
            )));
        }
        // All of it is understood before any of it is written.
        let parsed = configs.iter().map(|config| Unit::parse(u16::from_le_bytes(*config)));
        let parsed = parsed.collect::<Result<Vec<Unit>, _>>()?;
        let mut steps = Steps::default();
        let mut set = |folder: &Path, file: &'static str, value: u64| {
            if number(folder, file, &RULES)? == value {
                return Ok(());
            }
            let step = asked.in_time().and_then(|()| put(folder, file, value, &RULES));
            steps.note(file, step)
        };
        if let Some(first) = folders.first() {
            // One setting for all units.
            set(first, "log_entry_type", u64::from(*log))?;
        }
        for (unit, folder) in parsed.iter().zip(&folders) {
            set(folder, "mode", unit.mode)?;
            set(folder, "threshold", unit.threshold)?;
        }
        for (_, folder) in parsed.iter().zip(&folders).filter(|(unit, _)| unit.reset) {
            let step = asked.in_time().and_then(|()| put(folder, "reset", 1, &RULES));
            steps.note("reset", step)?;
        }
        Ok(done(Vec::new(), Belief::Told))
    }
}

/// The folders of the units, in order.
fn units(base: &Path) -> Vec<PathBuf> {
    let folders = (0..MAX_UNITS).map(|unit| base.join(format!("ecs_fru{unit}")));
    folders.take_while(|folder| folder.is_dir()).collect()
}

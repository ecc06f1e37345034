// SPDX-License-Identifier: MIT OR Apache-2.0
//! All that an emulated CXL device remembers.
//!
//! A state that comes from a file is not trusted: [`Stored::check`] holds every value against what a
//! device can have before any command looks at it.
//!
//! *Invariants*: unknown fields and versions are refused; every list in it is bounded.
//!
//! *Not here*: the file (`store`), what each part means (`commands`).
//!
//! *Spec*: none; the format is this crate's own, version 1.

use serde::{Deserialize, Serialize};

use crate::commands::capacity::Capacity;
use crate::commands::events::Events;
use crate::commands::features::Features;
use crate::commands::firmware::Firmware;
use crate::commands::health::Health;
use crate::commands::logs::DebugLog;
use crate::commands::media::Media;
use crate::commands::timestamp::Timestamp;
use crate::commands::vendor::Vendor;
use crate::engine::Background;
use crate::faults::FaultPlan;
use crate::store::{BadField, STATE_VERSION, Stored, check_name};

/// State of one emulated CXL device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) version: u32,
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) faults: FaultPlan,
    /// For each rule of the plan, how many occasions went by.
    pub(crate) faults_seen: Vec<u64>,
    pub(crate) power: Power,
    pub(crate) background: Background,
    pub(crate) timestamp: Timestamp,
    pub(crate) events: Events,
    pub(crate) firmware: Firmware,
    pub(crate) features: Features,
    pub(crate) capacity: Capacity,
    pub(crate) health: Health,
    pub(crate) media: Media,
    pub(crate) vendor: Vendor,
    pub(crate) debug_log: DebugLog,
}

/// What was chosen when the device was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) serial: u64,
    /// When the device was made.
    pub(crate) made_us: u64,
    /// Base-two logarithm of the payload size, 8 to 20.
    pub(crate) payload_log2: u32,
    /// From the doorbell to the reply, in microseconds.
    pub(crate) latency_us: u64,
    /// How long background operations take that do not say it themselves, in microseconds.
    pub(crate) background_us: u64,
    /// Whether an emulated kernel drives the device.
    pub(crate) driven: bool,
}

/// What a power cycle ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Power {
    /// When the device was last powered on.
    pub(crate) since_us: u64,
    /// Power cycles so far.
    pub(crate) cycles: u64,
    /// Resets and firmware activations so far.
    pub(crate) changes: u64,
    /// When the doorbell clears; all ones for never.
    pub(crate) busy_until_us: u64,
    /// All registers read as ones.
    pub(crate) gone: bool,
}

impl State {
    /// A device as it leaves the factory.
    pub(crate) fn new(name: &str, settings: Settings, faults: FaultPlan, now_us: u64) -> Self {
        let driven = settings.driven;
        let faults_seen = vec![0; faults.rules.len()];
        Self {
            version: STATE_VERSION,
            name: name.to_owned(),
            settings,
            faults,
            faults_seen,
            power: Power { since_us: now_us, cycles: 1, changes: 0, busy_until_us: 0, gone: false },
            background: Background::default(),
            timestamp: Timestamp::new(driven, now_us),
            events: Events::default(),
            firmware: Firmware::default(),
            features: Features::default(),
            capacity: Capacity::default(),
            health: Health::new(driven),
            media: Media::default(),
            vendor: Vendor::default(),
            debug_log: DebugLog::default(),
        }
    }

    /// Bytes one command carries in either direction.
    pub(crate) fn payload_size(&self) -> usize {
        1_usize << self.settings.payload_log2.clamp(8, 20)
    }
}

impl Settings {
    pub(crate) const MAX_LATENCY_US: u64 = 60_000_000;
    pub(crate) const MAX_BACKGROUND_US: u64 = 3_600_000_000;

    /// `(option, value, what it may be)` of the first one out of its range.
    pub(crate) fn out_of_range(&self) -> Option<(&'static str, u64, &'static str)> {
        [
            ("payload_log2", u64::from(self.payload_log2), 8..=20, "expected 8 to 20"),
            ("latency_us", self.latency_us, 0..=Self::MAX_LATENCY_US, "expected at most 60000000"),
            (
                "background_us",
                self.background_us,
                0..=Self::MAX_BACKGROUND_US,
                "expected at most 3600000000",
            ),
        ]
        .into_iter()
        .find(|(_, value, range, _)| !range.contains(value))
        .map(|(name, value, _, expected)| (name, value, expected))
    }
}

impl Stored for State {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), BadField> {
        BadField::unless(
            check_name(&self.name).is_ok(),
            "name",
            "expected a device name",
            &self.name,
        )?;
        if let Some((option, value, expected)) = self.settings.out_of_range() {
            let field = match option {
                "payload_log2" => "settings.payload_log2",
                "latency_us" => "settings.latency_us",
                _ => "settings.background_us",
            };
            return Err(BadField { field, expected, found: value.to_string() });
        }
        let plan = self.faults.check();
        BadField::unless(
            plan.is_ok(),
            "faults",
            "expected at most 64 rules and 64 edits",
            format_args!(
                "{} and {}",
                self.faults.rules.len(),
                self.faults.log_after_activation.len()
            ),
        )?;
        BadField::unless(
            self.faults_seen.len() == self.faults.rules.len(),
            "faults_seen",
            "expected one count for each rule",
            self.faults_seen.len(),
        )?;
        self.background.check()?;
        self.events.check()?;
        self.firmware.check()?;
        self.features.check()?;
        self.capacity.check()?;
        self.health.check()?;
        self.media.check()?;
        self.vendor.check()?;
        self.debug_log.check()
    }
}

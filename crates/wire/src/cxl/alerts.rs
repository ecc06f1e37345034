// SPDX-License-Identifier: MIT OR Apache-2.0
//! Get Alert Configuration (4201h) and Set Alert Configuration (4202h).
//!
//! Input is not trusted.
//!
//! *Invariants*: temperatures are degrees Celsius, signed.
//!
//! *Not here*: the present values the thresholds are compared with (`health`).
//!
//! *Spec*: CXL r3.1 8.2.9.9.3.2 and 8.2.9.9.3.3 as cited by computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`; the bits of the alert sets and the sign of temperatures: pmem/ndctl
//! `cxl/lib/private.h` and `cxl/lib/libcxl.c`.

use zerocopy::little_endian::{I16, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A set of programmable warnings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertSet(pub u8);

bit_accessors!(
    AlertSet,
    /// Bit 0: life used.
    life_used = 0,
    /// Bit 1: device over temperature.
    over_temperature = 1,
    /// Bit 2: device under temperature.
    under_temperature = 2,
    /// Bit 3: corrected errors of volatile memory.
    corrected_volatile_errors = 3,
    /// Bit 4: corrected errors of persistent memory.
    corrected_persistent_errors = 4,
);

/// The Get Alert Configuration reply (4201h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct AlertConfiguration {
    /// Warnings whose thresholds are in force, see [`AlertSet`].
    pub valid_alerts: u8,
    /// Warnings whose thresholds can be set, see [`AlertSet`].
    pub programmable_alerts: u8,
    /// Life used that raises the critical alert, percent.
    pub life_used_critical: u8,
    /// Life used that raises the warning, percent.
    pub life_used_warning: u8,
    /// Temperature above which the critical alert is raised.
    pub over_temperature_critical: I16,
    /// Temperature below which the critical alert is raised.
    pub under_temperature_critical: I16,
    /// Temperature above which the warning is raised.
    pub over_temperature_warning: I16,
    /// Temperature below which the warning is raised.
    pub under_temperature_warning: I16,
    /// Corrected errors of volatile memory that raise the warning.
    pub corrected_volatile_warning: U16,
    /// Corrected errors of persistent memory that raise the warning.
    pub corrected_persistent_warning: U16,
}

fixed!(AlertConfiguration, "alert configuration", 16, {
    valid_alerts @ 0, programmable_alerts @ 1, life_used_critical @ 2, life_used_warning @ 3,
    over_temperature_critical @ 4, under_temperature_critical @ 6, over_temperature_warning @ 8,
    under_temperature_warning @ 10, corrected_volatile_warning @ 12,
    corrected_persistent_warning @ 14,
});

impl AlertConfiguration {
    /// Warnings whose thresholds are in force.
    #[must_use]
    pub const fn valid_alerts(&self) -> AlertSet {
        AlertSet(self.valid_alerts)
    }

    /// Warnings whose thresholds can be set.
    #[must_use]
    pub const fn programmable_alerts(&self) -> AlertSet {
        AlertSet(self.programmable_alerts)
    }
}

/// The Set Alert Configuration request (4202h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SetAlertConfigurationRequest {
    /// Warnings this request sets, see [`AlertSet`].
    pub valid_actions: u8,
    /// Of those, the ones to enable; the rest are disabled.
    pub enable_actions: u8,
    /// Life used that raises the warning, percent.
    pub life_used_warning: u8,
    /// Reserved.
    pub reserved: u8,
    /// Temperature above which the warning is raised.
    pub over_temperature_warning: I16,
    /// Temperature below which the warning is raised.
    pub under_temperature_warning: I16,
    /// Corrected errors of volatile memory that raise the warning.
    pub corrected_volatile_warning: U16,
    /// Corrected errors of persistent memory that raise the warning.
    pub corrected_persistent_warning: U16,
}

fixed!(SetAlertConfigurationRequest, "set alert configuration request", 12, {
    valid_actions @ 0, enable_actions @ 1, life_used_warning @ 2, reserved @ 3,
    over_temperature_warning @ 4, under_temperature_warning @ 6, corrected_volatile_warning @ 8,
    corrected_persistent_warning @ 10,
});

impl SetAlertConfigurationRequest {
    /// Warnings this request sets.
    #[must_use]
    pub const fn valid_actions(&self) -> AlertSet {
        AlertSet(self.valid_actions)
    }

    /// Of those, the ones to enable.
    #[must_use]
    pub const fn enable_actions(&self) -> AlertSet {
        AlertSet(self.enable_actions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alert_has_its_bit() {
        let accessors: [fn(AlertSet) -> bool; 5] = [
            AlertSet::life_used,
            AlertSet::over_temperature,
            AlertSet::under_temperature,
            AlertSet::corrected_volatile_errors,
            AlertSet::corrected_persistent_errors,
        ];
        for (bit, accessor) in accessors.into_iter().enumerate() {
            assert!(accessor(AlertSet(1 << bit)) && !accessor(AlertSet(!(1 << bit))), "{bit}");
        }
    }

    #[test]
    fn a_temperature_can_be_below_zero() {
        let mut bytes = [0; 12];
        bytes[6..8].copy_from_slice(&[0xfb, 0xff]);
        let request = SetAlertConfigurationRequest::parse(&bytes).unwrap();
        assert_eq!(request.under_temperature_warning.get(), -5);
    }
}

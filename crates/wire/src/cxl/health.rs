// SPDX-License-Identifier: MIT OR Apache-2.0
//! Get Health Info (4200h) and the shutdown state (4203h, 4204h).
//!
//! Input is not trusted.
//!
//! *Invariants*: values a device gives for "not implemented" are kept as they came.
//!
//! *Not here*: alert thresholds (`alerts`).
//!
//! *Spec*: CXL 3.2 8.2.10.9.3.1 Table 8-148 and 8.2.10.9.3.5 Table 8-152 as cited by
//! `drivers/cxl/cxlmem.h` @ v7.3; the bits of the status bytes: CXL 2.0 8.2.9.5.3 as cited by pmem/ndctl
//! `cxl/lib/private.h`.

use zerocopy::little_endian::{I16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Health Status, byte 0 of the reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthStatus(pub u8);

bit_accessors!(
    HealthStatus,
    /// Bit 0: maintenance is needed.
    maintenance_needed = 0,
    /// Bit 1: performance is degraded.
    performance_degraded = 1,
    /// Bit 2: the hardware needs to be replaced.
    replacement_needed = 2,
);

/// State of the media, byte 1 of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaState {
    /// 0: normal.
    Normal,
    /// 1: not ready.
    NotReady,
    /// 2: write persistency is lost.
    PersistencyLost,
    /// 3: all data is lost.
    DataLost,
    /// 4: a power loss will lose write persistency.
    PowerLossLosesPersistency,
    /// 5: a shutdown will lose write persistency.
    ShutdownLosesPersistency,
    /// 6: loss of write persistency is imminent.
    PersistencyLossImminent,
    /// 7: a power loss will lose data.
    PowerLossLosesData,
    /// 8: a shutdown will lose data.
    ShutdownLosesData,
    /// 9: loss of data is imminent.
    DataLossImminent,
    /// Any other value.
    Reserved(u8),
}

/// The Get Health Info reply (4200h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct HealthInfo {
    /// See [`HealthStatus`].
    pub health_status: u8,
    /// See [`MediaState`].
    pub media_status: u8,
    /// Bits 1:0 life used, bits 3:2 temperature (each 0 normal, 1 warning, 2 critical), bit 4 corrected
    /// errors of volatile memory, bit 5 of persistent memory.
    pub additional_status: u8,
    /// Life used, percent.
    pub life_used: u8,
    /// Degrees Celsius, signed.
    pub temperature: I16,
    /// Shutdowns that were not clean.
    pub dirty_shutdowns: U32,
    /// Corrected errors of volatile memory.
    pub corrected_volatile_errors: U32,
    /// Corrected errors of persistent memory.
    pub corrected_persistent_errors: U32,
}

fixed!(HealthInfo, "health info", 18, {
    health_status @ 0, media_status @ 1, additional_status @ 2, life_used @ 3, temperature @ 4,
    dirty_shutdowns @ 6, corrected_volatile_errors @ 10, corrected_persistent_errors @ 14,
});

impl HealthInfo {
    /// What the device needs.
    #[must_use]
    pub const fn health_status(&self) -> HealthStatus {
        HealthStatus(self.health_status)
    }

    /// State of the media.
    #[must_use]
    pub const fn media_state(&self) -> MediaState {
        match self.media_status {
            0 => MediaState::Normal,
            1 => MediaState::NotReady,
            2 => MediaState::PersistencyLost,
            3 => MediaState::DataLost,
            4 => MediaState::PowerLossLosesPersistency,
            5 => MediaState::ShutdownLosesPersistency,
            6 => MediaState::PersistencyLossImminent,
            7 => MediaState::PowerLossLosesData,
            8 => MediaState::ShutdownLosesData,
            9 => MediaState::DataLossImminent,
            other => MediaState::Reserved(other),
        }
    }
}

/// The Get Shutdown State reply (4203h) and the Set Shutdown State request (4204h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ShutdownState {
    /// Bit 0: dirty.
    pub state: u8,
}

fixed!(ShutdownState, "shutdown state", 1, { state @ 0 });

impl ShutdownState {
    /// Whether the device is to count the next loss of power as a shutdown that was not clean.
    #[must_use]
    pub const fn is_dirty(&self) -> bool {
        self.state & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_status_bits_are_told_apart() {
        let accessors: [fn(HealthStatus) -> bool; 3] = [
            HealthStatus::maintenance_needed,
            HealthStatus::performance_degraded,
            HealthStatus::replacement_needed,
        ];
        for (bit, accessor) in accessors.into_iter().enumerate() {
            assert!(accessor(HealthStatus(1 << bit)) && !accessor(HealthStatus(!(1 << bit))));
        }
    }

    #[test]
    fn media_states_end_at_nine() {
        let state = |value| {
            let mut bytes = [0; 18];
            bytes[1] = value;
            HealthInfo::parse(&bytes).unwrap().media_state()
        };
        assert_eq!(state(0), MediaState::Normal);
        assert_eq!(state(9), MediaState::DataLossImminent);
        assert_eq!(state(10), MediaState::Reserved(10));
    }

    #[test]
    fn only_bit_zero_is_the_dirty_state() {
        assert!(ShutdownState { state: 1 }.is_dirty());
        assert!(!ShutdownState { state: 0xfe }.is_dirty());
    }
}

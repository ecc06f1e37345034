// SPDX-License-Identifier: MIT OR Apache-2.0
//! Identify (0001h, the component) and Identify Memory Device (4000h).
//!
//! Input is not trusted.
//!
//! *Invariants*: the memory device reply is taken in its two known forms, 67 and 69 bytes, and in no other.
//!
//! *Not here*: what the capacities mean for a partition (`partition`).
//!
//! *Spec*: CXL r3.1 8.2.9.1.1 and 8.2.9.9.1.1 as cited by computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`; CXL 2.0 Table 175 as cited by `drivers/cxl/cxlmem.h` @ v7.3.

use crate::error::{FormatError, FormatErrorKind};
use crate::layout;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The Identify reply (0001h): which component answers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IdentifyResponse {
    /// PCIe vendor id.
    pub vendor_id: U16,
    /// PCIe device id.
    pub device_id: U16,
    /// PCIe subsystem vendor id.
    pub subsystem_vendor_id: U16,
    /// PCIe subsystem id.
    pub subsystem_id: U16,
    /// Serial number.
    pub serial_number: U64,
    /// Base-two logarithm of the largest message in bytes.
    pub max_message_size: u8,
    /// 0 switch, 3 Type 3 device.
    pub component_type: u8,
}

fixed!(IdentifyResponse, "identify response", 18, {
    vendor_id @ 0, device_id @ 2, subsystem_vendor_id @ 4, subsystem_id @ 6, serial_number @ 8,
    max_message_size @ 16, component_type @ 17,
});

/// The first 67 bytes of the Identify Memory Device reply: the whole of the CXL 2.0 form.
///
/// Capacities are in units of 256 MiB.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct MemoryDeviceIdentity {
    /// Active firmware revision: ASCII, padded.
    pub firmware_revision: [u8; 16],
    /// Total capacity, units of 256 MiB.
    pub total_capacity: U64,
    /// Capacity that is always volatile, units of 256 MiB.
    pub volatile_only_capacity: U64,
    /// Capacity that is always persistent, units of 256 MiB.
    pub persistent_only_capacity: U64,
    /// Partition alignment, units of 256 MiB; 0: the device cannot be partitioned.
    pub partition_alignment: U64,
    /// Records the information event log holds.
    pub information_log_size: U16,
    /// Records the warning event log holds.
    pub warning_log_size: U16,
    /// Records the failure event log holds.
    pub failure_log_size: U16,
    /// Records the fatal event log holds.
    pub fatal_log_size: U16,
    /// Size of the label storage area in bytes.
    pub lsa_size: U32,
    /// Most poison list records, 24 bits.
    pub poison_list_max: [u8; 3],
    /// Most locations that can be poisoned by injection.
    pub inject_poison_limit: U16,
    /// Poison handling capabilities.
    pub poison_capabilities: u8,
    /// Quality of service telemetry capabilities.
    pub qos_capabilities: u8,
}

fixed!(MemoryDeviceIdentity, "memory device identity", 67, {
    firmware_revision @ 0, total_capacity @ 16, volatile_only_capacity @ 24,
    persistent_only_capacity @ 32, partition_alignment @ 40, information_log_size @ 48,
    warning_log_size @ 50, failure_log_size @ 52, fatal_log_size @ 54, lsa_size @ 56,
    poison_list_max @ 60, inject_poison_limit @ 63, poison_capabilities @ 65, qos_capabilities @ 66,
});

impl MemoryDeviceIdentity {
    /// The firmware revision up to its first zero byte. Whether it is text is not checked.
    #[must_use]
    pub fn firmware_revision(&self) -> &[u8] {
        layout::until_zero(&self.firmware_revision)
    }

    /// Most poison list records.
    #[must_use]
    pub const fn poison_list_max(&self) -> u32 {
        let [low, middle, high] = self.poison_list_max;
        u32::from_le_bytes([low, middle, high, 0])
    }
}

/// The Identify Memory Device reply (4000h), borrowed: 67 bytes (CXL 2.0) or 69 (CXL 3.0 on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentifyMemoryDeviceResponse<'a> {
    identity: &'a MemoryDeviceIdentity,
    dynamic_capacity_log_size: Option<&'a U16>,
}

impl<'a> IdentifyMemoryDeviceResponse<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "identify memory device response";
    /// Bytes of the longer form.
    pub const LONG: usize = 69;

    /// Borrows a reply of 67 or 69 bytes.
    ///
    /// # Errors
    /// Any other length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (identity, rest) = layout::prefix::<MemoryDeviceIdentity>(bytes, Self::WHAT)?;
        let have = bytes.len();
        let dynamic_capacity_log_size = match rest.len() {
            0 => None,
            1 => {
                let kind = FormatErrorKind::TooShort { need: Self::LONG, have };
                return Err(FormatError::new(Self::WHAT, "bytes", 0, kind));
            }
            2 => Some(layout::exact::<U16>(rest, Self::WHAT)?),
            _ => {
                let kind = FormatErrorKind::TooLong { limit: Self::LONG, have };
                return Err(FormatError::new(Self::WHAT, "bytes", 0, kind));
            }
        };
        Ok(Self { identity, dynamic_capacity_log_size })
    }

    /// The fields both forms have.
    #[must_use]
    pub const fn identity(&self) -> &'a MemoryDeviceIdentity {
        self.identity
    }

    /// Records the dynamic capacity event log holds; `None` in the short form.
    #[must_use]
    pub fn dynamic_capacity_log_size(&self) -> Option<u16> {
        self.dynamic_capacity_log_size.map(|size| size.get())
    }

    /// Writes the reply into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        let tail = self.dynamic_capacity_log_size.map_or(&[][..], IntoBytes::as_bytes);
        layout::encode_into(out, &[self.identity.as_bytes(), tail], Self::WHAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_known_lengths_are_taken() {
        let bytes = [7; 70];
        for length in 0..=70 {
            let parsed = IdentifyMemoryDeviceResponse::parse(&bytes[..length]);
            assert_eq!(parsed.is_ok(), length == 67 || length == 69, "{length}");
        }
        let short = IdentifyMemoryDeviceResponse::parse(&bytes[..67]).unwrap();
        assert_eq!(short.dynamic_capacity_log_size(), None);
        let long = IdentifyMemoryDeviceResponse::parse(&bytes[..69]).unwrap();
        assert_eq!(long.dynamic_capacity_log_size(), Some(0x0707));
    }

    #[test]
    fn the_poison_limit_is_24_bits() {
        let mut bytes = [0; 67];
        bytes[60..63].copy_from_slice(&[1, 2, 3]);
        assert_eq!(MemoryDeviceIdentity::parse(&bytes).unwrap().poison_list_max(), 0x03_0201);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! NVMe log pages: health, firmware slots.
//!
//! *Spec*: `struct nvme_smart_log`, `struct nvme_fw_slot_info_log`, `include/linux/nvme.h` @ v7.3.

use serde_json::Value;

use super::{Fields, text};

/// Zero degrees Celsius in kelvin, as `nvme-cli` rounds it.
const ZERO: i32 = 273;

/// SMART / Health Information, page 02h.
pub(crate) fn smart(bytes: &[u8]) -> Option<Fields> {
    let page: &[u8; 512] = bytes.try_into().ok()?;
    let byte = |at: usize| page.get(at).copied();
    let kelvin = u16::from_le_bytes(*page.get(1..)?.first_chunk()?);
    // Counters of 128 bits; what does not fit 64 is said to be the most that does.
    let counter = |at: usize| -> Option<Value> {
        let wide = u128::from_le_bytes(*page.get(at..)?.first_chunk()?);
        Some(u64::try_from(wide).unwrap_or(u64::MAX).into())
    };
    let minutes = |at: usize| -> Option<Value> {
        Some(u32::from_le_bytes(*page.get(at..)?.first_chunk()?).into())
    };
    Some(vec![
        ("critical_warning", byte(0)?.into()),
        ("temperature_celsius", (i32::from(kelvin) - ZERO).into()),
        ("spare_percent", byte(3)?.into()),
        ("spare_threshold_percent", byte(4)?.into()),
        ("life_used_percent", byte(5)?.into()),
        ("data_units_read", counter(32)?),
        ("data_units_written", counter(48)?),
        ("host_reads", counter(64)?),
        ("host_writes", counter(80)?),
        ("busy_minutes", counter(96)?),
        ("power_cycles", counter(112)?),
        ("power_on_hours", counter(128)?),
        ("unsafe_shutdowns", counter(144)?),
        ("media_errors", counter(160)?),
        ("error_log_entries", counter(176)?),
        ("warning_temperature_minutes", minutes(192)?),
        ("critical_temperature_minutes", minutes(196)?),
    ])
}

/// Firmware Slot Information, page 03h.
pub(crate) fn slots(bytes: &[u8]) -> Option<Fields> {
    let page: &[u8; 512] = bytes.try_into().ok()?;
    let active = *page.first()?;
    let (revisions, _) = page.get(8..64)?.as_chunks::<8>();
    Some(vec![
        ("active_slot", (active & 7).into()),
        ("staged_slot", (active >> 4 & 7).into()),
        ("revisions", revisions.iter().map(|it| text(trim(it))).collect::<Vec<_>>().into()),
    ])
}

/// A fixed text without the zeros behind it.
fn trim(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at.saturating_add(1));
    bytes.get(..end).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'f>(fields: &'f Fields, name: &str) -> &'f Value {
        &fields.iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn the_captured_health_page_is_told_in_words() {
        let page = include_bytes!("../../../../tests-data/captures/qemu-nvme-smart.bin");
        let fields = smart(page).unwrap();
        let celsius = value(&fields, "temperature_celsius").as_i64().unwrap();
        assert!((0..100).contains(&celsius), "{celsius}");
        assert!(smart(&page[..511]).is_none());
    }

    #[test]
    fn counters_of_128_bits_do_not_wrap() {
        let mut page = [0; 512];
        page[112..128].fill(0xFF);
        assert_eq!(value(&smart(&page).unwrap(), "power_cycles").as_u64(), Some(u64::MAX));
    }

    #[test]
    fn slots_without_a_revision_are_empty() {
        let mut page = [0; 512];
        page[0] = 0x21;
        page[8..16].copy_from_slice(b"FWGT 1.0");
        let fields = slots(&page).unwrap();
        assert_eq!(value(&fields, "active_slot").as_u64(), Some(1));
        assert_eq!(value(&fields, "staged_slot").as_u64(), Some(2));
        assert_eq!(value(&fields, "revisions")[0], "FWGT 1.0");
        assert_eq!(value(&fields, "revisions")[1], "");
    }
}

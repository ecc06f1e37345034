// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replies in words, for the few commands that people ask for most.
//!
//! Replies are hostile; they are decoded here, in the process of who asked. *Invariants*: a reply
//! that is not as it has to be is not decoded, and never refused: its bytes are there.
//!
//! *Spec*: the layouts are those of `fwgate_wire`, which names its sources; the emulated device's
//! telemetry is described in `crates/emulator`; NVMe: `include/linux/nvme.h @ v7.3`.

pub(crate) mod events;
pub(crate) mod media;
pub(crate) mod nvme;

use fwgate_gate::Message;
use fwgate_gate::text::clean;
use fwgate_policy::Protocol;
use fwgate_wire::cxl::alerts::AlertConfiguration;
use fwgate_wire::cxl::firmware::FirmwareInfo;
use fwgate_wire::cxl::health::{HealthInfo, ShutdownState};
use fwgate_wire::cxl::identify::IdentifyMemoryDeviceResponse;
use fwgate_wire::cxl::partition::{CAPACITY_UNIT, PartitionInfo};
use fwgate_wire::cxl::timestamp::Timestamp;
use fwgate_wire::fwctl::bnxt::{HwrmResponse, HwrmResponseHeader, VER_GET, Version};
use fwgate_wire::fwctl::mlx5::{Mlx5Response, status_name};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

/// PCI ids of the emulated CXL device, whose telemetry is documented.
const EMULATED_CXL: (u16, u16) = (fwgate_emulator::VENDOR_ID, fwgate_emulator::CXL_DEVICE_ID);

/// Names and values, in the order of the reply.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Decoded(Vec<(&'static str, Value)>);

impl Decoded {
    /// These names and values.
    pub(crate) const fn new(fields: Fields) -> Self {
        Self(fields)
    }

    /// Whether the value of that name is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|(known, value)| *known == name && *value == Value::Bool(true))
    }

    /// Names and values as people read them.
    pub(crate) fn rows(&self) -> Vec<(String, String)> {
        let value = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            Value::Null => "-".to_owned(),
            Value::Array(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                    .map(|item| if item.is_empty() { "(empty)".to_owned() } else { item })
                    .collect();
                items.join(", ")
            }
            other => other.to_string(),
        };
        let rows = self.0.iter().map(|(name, it)| (name.replace('_', " "), value(it)));
        rows.collect()
    }

    /// Names and values.
    pub(crate) fn fields(&self) -> &[(&'static str, Value)] {
        &self.0
    }

    /// The value of that name.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.0.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_i64())
    }
}

impl Serialize for Decoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The reply in words; `None` where nothing here knows it.
pub(crate) fn reply(message: &Message, pci: (u16, u16), bytes: &[u8]) -> Option<Decoded> {
    let command = message.command();
    let fields = match (command.protocol(), command.opcode()) {
        (Protocol::Cxl, 0x0200) => firmware(bytes)?,
        (Protocol::Cxl, 0x0300) => timestamp(bytes)?,
        (Protocol::Cxl, 0x4000) => identify(bytes)?,
        (Protocol::Cxl, 0x4100) => partition(bytes)?,
        (Protocol::Cxl, 0x4200) => health(bytes)?,
        (Protocol::Cxl, 0x4201) => alerts(bytes)?,
        (Protocol::Cxl, 0x4203) => shutdown(bytes)?,
        (Protocol::Cxl, 0x4500) => media::security(bytes)?,
        (Protocol::Cxl, 0xC000) if pci == EMULATED_CXL => telemetry(bytes)?,
        (Protocol::NvmeAdmin, 0x02) => match message {
            Message::NvmeAdmin { cdw: [cdw10, ..], .. } if cdw10 & 0xFF == 2 => nvme::smart(bytes)?,
            Message::NvmeAdmin { cdw: [cdw10, ..], .. } if cdw10 & 0xFF == 3 => nvme::slots(bytes)?,
            _ => return None,
        },
        (Protocol::NvmeAdmin, 0x06) => match message {
            Message::NvmeAdmin { cdw: [cdw10, ..], .. } if cdw10 & 0xFF == 1 => {
                nvme_identify(bytes)?
            }
            _ => return None,
        },
        (Protocol::Mlx5, _) => mlx5(bytes)?,
        (Protocol::Bnxt, _) => bnxt(command.opcode(), bytes)?,
        _ => return None,
    };
    Some(Decoded(fields))
}

/// Names and values, in the order of the reply.
pub(crate) type Fields = Vec<(&'static str, Value)>;

fn text(bytes: &[u8]) -> Value {
    Value::from(clean(bytes.trim_ascii_end(), 64))
}

fn mlx5(bytes: &[u8]) -> Option<Fields> {
    let reply = Mlx5Response::parse(bytes).ok()?;
    Some(vec![
        ("status", reply.status().into()),
        ("status_name", status_name(reply.status()).into()),
        ("syndrome", reply.syndrome().into()),
    ])
}

fn bnxt(req_type: u16, bytes: &[u8]) -> Option<Fields> {
    let reply = HwrmResponse::parse(bytes).ok()?;
    let mut fields = vec![
        ("reply_bytes", reply.body().len().saturating_add(HwrmResponseHeader::SIZE).into()),
        ("buffer_bytes", reply.trailing().len().into()),
    ];
    if req_type == VER_GET {
        let [a, b, c, d] = Version::parse(bytes).ok()?.0;
        fields.push(("firmware", format!("{a}.{b}.{c}.{d}").into()));
    }
    Some(fields)
}

fn firmware(bytes: &[u8]) -> Option<Fields> {
    let info = FirmwareInfo::parse(bytes).ok()?;
    let revisions: Vec<Value> =
        (1..=info.slots.min(4)).filter_map(|slot| info.revision(slot)).map(text).collect();
    Some(vec![
        ("slots", info.slots.into()),
        ("active_slot", info.active_slot().into()),
        ("staged_slot", info.staged_slot().into()),
        ("online_activation", info.online_activation().into()),
        ("revisions", revisions.into()),
    ])
}

fn timestamp(bytes: &[u8]) -> Option<Fields> {
    let timestamp = Timestamp::parse(bytes).ok()?;
    let nanoseconds = timestamp.nanoseconds();
    Some(vec![
        ("nanoseconds", nanoseconds.into()),
        ("time", nanoseconds.map(crate::time::rfc3339).into()),
    ])
}

fn identify(bytes: &[u8]) -> Option<Fields> {
    let reply = IdentifyMemoryDeviceResponse::parse(bytes).ok()?;
    let identity = reply.identity();
    let size = |units: u64| Value::from(units.saturating_mul(CAPACITY_UNIT));
    Some(vec![
        ("firmware", text(identity.firmware_revision())),
        ("total_bytes", size(identity.total_capacity.get())),
        ("volatile_only_bytes", size(identity.volatile_only_capacity.get())),
        ("persistent_only_bytes", size(identity.persistent_only_capacity.get())),
        ("partition_alignment_bytes", size(identity.partition_alignment.get())),
        ("lsa_bytes", identity.lsa_size.get().into()),
        ("poison_list_max", identity.poison_list_max().into()),
        ("inject_poison_limit", identity.inject_poison_limit.get().into()),
    ])
}

fn partition(bytes: &[u8]) -> Option<Fields> {
    let info = PartitionInfo::parse(bytes).ok()?;
    let size = |units: u64| Value::from(units.saturating_mul(CAPACITY_UNIT));
    Some(vec![
        ("active_volatile_bytes", size(info.active_volatile.get())),
        ("active_persistent_bytes", size(info.active_persistent.get())),
        ("next_volatile_bytes", size(info.next_volatile.get())),
        ("next_persistent_bytes", size(info.next_persistent.get())),
    ])
}

fn health(bytes: &[u8]) -> Option<Fields> {
    let info = HealthInfo::parse(bytes).ok()?;
    let status = info.health_status();
    Some(vec![
        ("maintenance_needed", status.maintenance_needed().into()),
        ("performance_degraded", status.performance_degraded().into()),
        ("replacement_needed", status.replacement_needed().into()),
        ("media_status", info.media_status.into()),
        ("additional_status", info.additional_status.into()),
        ("life_used_percent", info.life_used.into()),
        ("temperature_celsius", info.temperature.get().into()),
        ("dirty_shutdowns", info.dirty_shutdowns.get().into()),
        ("corrected_volatile_errors", info.corrected_volatile_errors.get().into()),
        ("corrected_persistent_errors", info.corrected_persistent_errors.get().into()),
    ])
}

fn alerts(bytes: &[u8]) -> Option<Fields> {
    let alerts = AlertConfiguration::parse(bytes).ok()?;
    Some(vec![
        ("valid_alerts", alerts.valid_alerts.into()),
        ("programmable_alerts", alerts.programmable_alerts.into()),
        ("life_used_critical", alerts.life_used_critical.into()),
        ("life_used_warning", alerts.life_used_warning.into()),
        ("over_temperature_critical", alerts.over_temperature_critical.get().into()),
        ("under_temperature_critical", alerts.under_temperature_critical.get().into()),
        ("over_temperature_warning", alerts.over_temperature_warning.get().into()),
        ("under_temperature_warning", alerts.under_temperature_warning.get().into()),
        ("corrected_volatile_warning", alerts.corrected_volatile_warning.get().into()),
        ("corrected_persistent_warning", alerts.corrected_persistent_warning.get().into()),
    ])
}

fn shutdown(bytes: &[u8]) -> Option<Fields> {
    let state = ShutdownState::parse(bytes).ok()?;
    Some(vec![("dirty", state.is_dirty().into())])
}

/// The emulated device's telemetry, command C000h.
fn telemetry(bytes: &[u8]) -> Option<Fields> {
    let whole: &[u8; 64] = bytes.try_into().ok()?;
    let array = |at: usize| -> Option<[u8; 8]> { whole.get(at..)?.first_chunk().copied() };
    let u16_at = |at: usize| whole.get(at..)?.first_chunk().copied().map(u16::from_le_bytes);
    let u32_at = |at: usize| whole.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
    let u64_at = |at: usize| array(at).map(u64::from_le_bytes);
    if !whole.starts_with(b"FWGT") || u16_at(4)? != 1 {
        return None;
    }
    let flags = u16_at(6)?;
    Some(vec![
        ("background_runs", (flags & 1 != 0).into()),
        ("media_disabled", (flags & 2 != 0).into()),
        ("configuration_pending", (flags & 4 != 0).into()),
        ("uptime_us", u64_at(8)?.into()),
        ("temperature_celsius", u16_at(16)?.cast_signed().into()),
        ("threshold", u16_at(18)?.into()),
        ("immediate_configuration", u32_at(20)?.into()),
        ("configuration_in_force", u32_at(24)?.into()),
        ("configuration_after_reset", u32_at(28)?.into()),
        ("commands_taken", u64_at(32)?.into()),
        ("background_work_done", u32_at(40)?.into()),
        ("unsaid_configuration", u32_at(44)?.into()),
        ("scratch_bytes_in_use", u32_at(48)?.into()),
        ("scratch_sum", u32_at(52)?.into()),
    ])
}

/// NVMe Identify Controller: serial, model and firmware.
fn nvme_identify(bytes: &[u8]) -> Option<Fields> {
    let page: &[u8; 4096] = bytes.try_into().ok()?;
    let vendor = page.first_chunk().copied().map(u16::from_le_bytes)?;
    Some(vec![
        ("vendor", format!("{vendor:04x}").into()),
        ("serial", text(page.get(4..24)?)),
        ("model", text(page.get(24..64)?)),
        ("firmware", text(page.get(64..72)?)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cxl(opcode: u16) -> Message {
        Message::Cxl { opcode, payload: Vec::new() }
    }

    #[test]
    fn a_captured_identity_is_told_in_words() {
        let bytes = include_bytes!("../../../tests-data/captures/qemu-type3-mem0-identify.bin");
        let decoded = reply(&cxl(0x4000), (0, 0), bytes).unwrap();
        let total = decoded.number("total_bytes").unwrap();
        assert!(total > 0 && total % (256 << 20) == 0, "{total}");
    }

    #[test]
    fn captured_replies_are_decoded() {
        for (opcode, bytes) in [
            (
                0x0200,
                &include_bytes!("../../../tests-data/captures/qemu-type3-mem0-fw-info.bin")[..],
            ),
            (0x0300, include_bytes!("../../../tests-data/captures/qemu-type3-mem0-timestamp.bin")),
            (
                0x4100,
                include_bytes!("../../../tests-data/captures/qemu-type3-mem0-partition-info.bin"),
            ),
            (
                0x4201,
                include_bytes!("../../../tests-data/captures/qemu-type3-mem0-alert-config.bin"),
            ),
        ] {
            assert!(reply(&cxl(opcode), (0, 0), bytes).is_some(), "{opcode:04X}");
        }
        let message = Message::NvmeAdmin {
            opcode: 6,
            nsid: 0,
            cdw: [1, 0, 0, 0, 0, 0],
            data: Vec::new(),
            read_length: 4096,
        };
        let page = include_bytes!("../../../tests-data/captures/qemu-nvme-identify-ctrl.bin");
        let decoded = reply(&message, (0, 0), page).unwrap();
        let model = decoded.fields().iter().find(|(name, _)| *name == "model").unwrap();
        assert_eq!(model.1, "QEMU NVMe Ctrl");
    }

    #[test]
    fn a_reply_of_any_other_length_is_left_as_it_is() {
        for opcode in [0x0200, 0x0300, 0x4000, 0x4100, 0x4200, 0x4201, 0x4203, 0xC000] {
            for length in [0, 3, 63, 65, 200] {
                assert_eq!(
                    reply(&cxl(opcode), EMULATED_CXL, &vec![0; length]),
                    None,
                    "{opcode:04X}"
                );
            }
        }
    }

    #[test]
    fn telemetry_of_another_device_is_not_guessed_at() {
        let mut bytes = [0u8; 64];
        bytes[..6].copy_from_slice(b"FWGT\x01\x00");
        assert!(reply(&cxl(0xC000), EMULATED_CXL, &bytes).is_some());
        assert_eq!(reply(&cxl(0xC000), (0x8086, 1), &bytes), None);
        bytes[0] = b'X';
        assert_eq!(reply(&cxl(0xC000), EMULATED_CXL, &bytes), None);
    }
}

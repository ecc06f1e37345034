// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands that the typed verbs send, byte by byte.
//!
//! What goes in comes from the user and was read and bounded by `cli`. *Invariants*: a request that
//! may be too long for one mailbox is made whole here; its parts are the gate's.
//!
//! *Not here*: whether it may be sent (`fwgate_policy::judge`).
//!
//! *Spec*: layouts of `fwgate_wire`; those that it does not have:
//! `drivers/cxl/cxlmem.h` (poison) and `drivers/cxl/core/edac.c` (scrub, repair) @ v7.3;
//! `include/linux/nvme.h` @ v7.3.

use fwgate_gate::Message;
use fwgate_wire::Uuid;
use fwgate_wire::cxl::features::{
    GetFeatureRequest, GetSupportedFeaturesRequest, SetFeatureFlags, SetFeatureHeader, feature_uuid,
};
use fwgate_wire::cxl::firmware::TransferFirmwareHeader;
use fwgate_wire::cxl::logs::GetLogRequest;
use zerocopy::IntoBytes as _;

/// Bytes that a poison record's length and a scan count in.
pub(crate) const POISON_UNIT: u64 = 64;

/// A CXL command.
pub(crate) fn cxl(opcode: u16, payload: impl Into<Vec<u8>>) -> Message {
    Message::Cxl { opcode, payload: payload.into() }
}

/// Get Event Records of a log, 0100h.
pub(crate) fn event_records(log: u8) -> Message {
    cxl(0x0100, [log])
}

/// Transfer FW, 0201h: the whole image into a slot.
pub(crate) fn transfer_firmware(slot: u8, image: &[u8]) -> Message {
    let mut payload = TransferFirmwareHeader::new(0, slot, 0).as_bytes().to_vec();
    payload.extend_from_slice(image);
    cxl(0x0201, payload)
}

/// Transfer FW, 0201h: drops the transfer that is open.
pub(crate) fn abort_firmware() -> Message {
    cxl(0x0201, TransferFirmwareHeader::new(4, 0, 0).as_bytes())
}

/// Activate FW, 0202h: at once, or at the next reset.
pub(crate) fn activate_firmware(slot: u8, at_reset: bool) -> Message {
    cxl(0x0202, [u8::from(at_reset), slot])
}

/// Get Log, 0401h.
pub(crate) fn log(uuid: Uuid, offset: u32, length: u32) -> Message {
    cxl(0x0401, GetLogRequest::new(uuid, offset, length).as_bytes())
}

/// Get Supported Features, 0500h: as many whole entries as fit that many bytes.
pub(crate) fn supported_features(count: u32, start: u16) -> Message {
    cxl(0x0500, GetSupportedFeaturesRequest::new(count, start).as_bytes())
}

/// Get Feature, 0501h. Selection: 0 current, 1 default, 2 saved.
pub(crate) fn feature(uuid: Uuid, offset: u16, count: u16, selection: u8) -> Message {
    cxl(0x0501, GetFeatureRequest::new(uuid, offset, count, selection).as_bytes())
}

/// Set Feature, 0502h: the whole value.
pub(crate) fn set_feature(uuid: Uuid, version: u8, saved: bool, value: &[u8]) -> Message {
    // Bits 2:0 full transfer, bit 3 kept over a reset.
    let flags = SetFeatureFlags(u32::from(saved) << 3);
    let mut payload = SetFeatureHeader::new(uuid, flags, 0, version).as_bytes().to_vec();
    payload.extend_from_slice(value);
    cxl(0x0502, payload)
}

/// Set Feature of the patrol scrub: hours a cycle, bit 0 on.
pub(crate) fn set_scrub(version: u8, saved: bool, hours: u8, on: bool) -> Message {
    set_feature(feature_uuid::PATROL_SCRUB, version, saved, &[hours, u8::from(on)])
}

/// Set Partition Info, 4101h: at the next reset, never at once. Ten bytes, as the kernel's table has.
pub(crate) fn set_partition(volatile_units: u64) -> Message {
    let mut payload = volatile_units.to_le_bytes().to_vec();
    payload.extend_from_slice(&[0, 0]);
    cxl(0x4101, payload)
}

/// Get LSA, 4102h.
pub(crate) fn labels(offset: u32, length: u32) -> Message {
    let mut payload = offset.to_le_bytes().to_vec();
    payload.extend_from_slice(&length.to_le_bytes());
    cxl(0x4102, payload)
}

/// Set LSA, 4103h.
pub(crate) fn set_labels(offset: u32, bytes: &[u8]) -> Message {
    let mut payload = offset.to_le_bytes().to_vec();
    payload.extend_from_slice(&[0; 4]);
    payload.extend_from_slice(bytes);
    cxl(0x4103, payload)
}

/// Get Poison List, 4300h: a range in bytes, rounded out to whole units.
pub(crate) fn poison_list(start: u64, length: u64) -> Message {
    let units = length.div_ceil(POISON_UNIT);
    let mut payload = start.to_le_bytes().to_vec();
    payload.extend_from_slice(&units.to_le_bytes());
    cxl(0x4300, payload)
}

/// Inject Poison, 4301h.
pub(crate) fn inject_poison(address: u64) -> Message {
    cxl(0x4301, address.to_le_bytes())
}

/// Clear Poison, 4302h: writes zeros, as the kernel does.
pub(crate) fn clear_poison(address: u64) -> Message {
    let mut payload = address.to_le_bytes().to_vec();
    payload.resize(72, 0);
    cxl(0x4302, payload)
}

/// NVMe Get Log Page, 02h, from its start: a whole number of dwords.
pub(crate) fn log_page(page: u8, nsid: u32, length: u32) -> Message {
    let dwords = (length / 4).saturating_sub(1);
    let cdw10 = u32::from(page) | (dwords & 0xFFFF) << 16;
    Message::NvmeAdmin {
        opcode: 0x02,
        nsid,
        cdw: [cdw10, dwords >> 16, 0, 0, 0, 0],
        data: Vec::new(),
        read_length: length,
    }
}

/// NVMe Identify Controller, 06h.
pub(crate) fn identify_controller() -> Message {
    Message::NvmeAdmin {
        opcode: 0x06,
        nsid: 0,
        cdw: [1, 0, 0, 0, 0, 0],
        data: Vec::new(),
        read_length: 4096,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(message: &Message) -> Vec<u8> {
        message.command().payload().to_vec()
    }

    #[test]
    fn requests_have_the_lengths_that_the_specification_gives() {
        for (message, length) in [
            (event_records(3), 1),
            (transfer_firmware(2, &[0; 128]), 256),
            (activate_firmware(2, true), 2),
            (log(feature_uuid::CXL_TEST, 0, 4), 24),
            (feature(feature_uuid::CXL_TEST, 0, 4, 0), 21),
            (set_scrub(1, false, 12, true), 34),
            (set_partition(1), 10),
            (labels(0, 16), 8),
            (set_labels(0, &[1, 2]), 10),
            (poison_list(0, 64), 16),
            (inject_poison(64), 8),
            (clear_poison(64), 72),
        ] {
            assert_eq!(bytes(&message).len(), length, "{message:?}");
        }
    }

    #[test]
    fn a_change_of_the_partition_never_asks_for_it_at_once() {
        assert_eq!(bytes(&set_partition(2)), [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_range_of_poison_is_rounded_out() {
        assert_eq!(bytes(&poison_list(128, 65))[8..], [2, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_log_page_counts_dwords_from_zero() {
        let Message::NvmeAdmin { cdw, read_length, .. } = log_page(2, u32::MAX, 512) else {
            panic!("an NVMe message");
        };
        assert_eq!((cdw[0], cdw[1], read_length), (0x007F_0002, 0, 512));
    }
}

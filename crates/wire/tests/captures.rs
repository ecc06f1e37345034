// SPDX-License-Identifier: MIT OR Apache-2.0
//! Golden tests: replies of real device models, read with Linux 7.3.4, field by field.

use fwgate_wire::cxl::alerts::{AlertConfiguration, AlertSet};
use fwgate_wire::cxl::cel::{CommandEffectsLog, EffectsWord};
use fwgate_wire::cxl::features::{SupportedFeatures, feature_uuid};
use fwgate_wire::cxl::firmware::FirmwareInfo;
use fwgate_wire::cxl::identify::IdentifyMemoryDeviceResponse;
use fwgate_wire::cxl::logs::{SupportedLogs, log_uuid};
use fwgate_wire::cxl::partition::PartitionInfo;
use fwgate_wire::cxl::timestamp::Timestamp;
use fwgate_wire::cxl::{Opcode, ReturnCode};
use fwgate_wire::nvme::effects_log::{Exclusion, Relaxation};
use fwgate_wire::nvme::{EffectsDword, EffectsLog};

macro_rules! capture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests-data/captures/", $name))
    };
}

#[test]
fn the_cel_of_qemu_lists_31_commands() {
    let bytes = capture!("cel-qemu-type3.bin");
    let log = CommandEffectsLog::parse(bytes).unwrap();
    let rows: Vec<_> = log.iter().map(|(opcode, effects)| (opcode.0, effects.0)).collect();
    assert_eq!(
        rows,
        [
            (0x0005, 0x0000),
            (0x0100, 0x0000),
            (0x0101, 0x0010),
            (0x0102, 0x0000),
            (0x0103, 0x0002),
            (0x0200, 0x0000),
            (0x0201, 0x00c0),
            (0x0202, 0x00c0),
            (0x0300, 0x0000),
            (0x0301, 0x0008),
            (0x0400, 0x0000),
            (0x0401, 0x0000),
            (0x0500, 0x0000),
            (0x0501, 0x0000),
            (0x0502, 0x003e),
            (0x0600, 0x0056),
            (0x4000, 0x0000),
            (0x4100, 0x0000),
            (0x4102, 0x0000),
            (0x4103, 0x0006),
            (0x4201, 0x0000),
            (0x4202, 0x0008),
            (0x4300, 0x0000),
            (0x4301, 0x0000),
            (0x4302, 0x0000),
            (0x4303, 0x0000),
            (0x4304, 0x00c0),
            (0x4305, 0x0000),
            (0x4400, 0x00e4),
            (0x4402, 0x0044),
            (0x4500, 0x0000),
        ]
    );
    assert_eq!(log.as_bytes(), bytes);
}

#[test]
fn qemu_claims_that_sanitize_changes_data_and_security_in_the_background() {
    let log = CommandEffectsLog::parse(capture!("cel-qemu-type3.bin")).unwrap();
    let effects: Vec<EffectsWord> = log.rows_of(Opcode(0x4400)).collect();
    let [effects] = effects[..] else { panic!("{effects:?}") };
    assert!(effects.immediate_data() && effects.security_state() && effects.background());
    assert!(effects.secondary_mailbox());
    assert!(!effects.immediate_configuration() && !effects.abort_supported());
    assert_eq!(effects.reserved_bits(), 0);
}

#[test]
fn qemu_claims_that_injecting_poison_has_no_effect() {
    let log = CommandEffectsLog::parse(capture!("cel-qemu-type3.bin")).unwrap();
    assert_eq!(log.rows_of(Opcode(0x4301)).collect::<Vec<_>>(), [EffectsWord(0)]);
}

#[test]
fn identify_of_both_qemu_devices() {
    let volatile = capture!("qemu-type3-mem0-identify.bin");
    let persistent = capture!("qemu-type3-mem1-identify.bin");
    for (bytes, volatile_only, persistent_only, lsa) in
        [(volatile, 1, 0, 0), (persistent, 0, 1, 0x10_0000)]
    {
        let reply = IdentifyMemoryDeviceResponse::parse(bytes).unwrap();
        let identity = reply.identity();
        assert_eq!(identity.firmware_revision(), b"BWFW VERSION 00");
        assert_eq!(identity.total_capacity.get(), 1);
        assert_eq!(identity.volatile_only_capacity.get(), volatile_only);
        assert_eq!(identity.persistent_only_capacity.get(), persistent_only);
        assert_eq!(identity.partition_alignment.get(), 0);
        assert_eq!(identity.information_log_size.get(), 0);
        assert_eq!(identity.warning_log_size.get(), 0);
        assert_eq!(identity.failure_log_size.get(), 0);
        assert_eq!(identity.fatal_log_size.get(), 0);
        assert_eq!(identity.lsa_size.get(), lsa);
        assert_eq!(identity.poison_list_max(), 256);
        assert_eq!(identity.inject_poison_limit.get(), 0);
        assert_eq!(identity.poison_capabilities, 0);
        assert_eq!(identity.qos_capabilities, 0);
        assert_eq!(reply.dynamic_capacity_log_size(), Some(8));
    }
}

#[test]
fn both_qemu_devices_have_one_log_the_cel_of_124_bytes() {
    for bytes in [
        capture!("qemu-type3-mem0-supported-logs.bin"),
        capture!("qemu-type3-mem1-supported-logs.bin"),
    ] {
        let reply = SupportedLogs::parse(bytes).unwrap();
        assert_eq!(reply.entries().len(), 1);
        let cel = reply.find(log_uuid::COMMAND_EFFECTS).unwrap();
        assert_eq!(cel.size.get(), 124);
        assert_eq!(log_uuid::name(cel.uuid()), Some("Command Effects Log"));
        assert!(reply.find(log_uuid::VENDOR_DEBUG).is_none());
    }
}

#[test]
fn firmware_info_of_both_qemu_devices() {
    for bytes in [capture!("qemu-type3-mem0-fw-info.bin"), capture!("qemu-type3-mem1-fw-info.bin")]
    {
        let info = FirmwareInfo::parse(bytes).unwrap();
        assert_eq!((info.slots, info.active_slot(), info.staged_slot()), (2, 1, 0));
        assert!(info.online_activation());
        assert_eq!(info.revision(1), Some(&b"BWFW VERSION 0"[..]));
        for slot in 2..=4 {
            assert_eq!(info.revision(slot), Some(&b""[..]));
        }
        assert_eq!(info.reserved, [0; 13]);
    }
}

#[test]
fn partition_info_of_both_qemu_devices() {
    for (bytes, volatile, persistent) in [
        (capture!("qemu-type3-mem0-partition-info.bin"), 1, 0),
        (capture!("qemu-type3-mem1-partition-info.bin"), 0, 1),
    ] {
        let info = PartitionInfo::parse(bytes).unwrap();
        assert_eq!(info.active_volatile.get(), volatile);
        assert_eq!(info.active_persistent.get(), persistent);
        assert_eq!((info.next_volatile.get(), info.next_persistent.get()), (0, 0));
    }
}

#[test]
fn alert_configuration_of_both_qemu_devices() {
    for bytes in
        [capture!("qemu-type3-mem0-alert-config.bin"), capture!("qemu-type3-mem1-alert-config.bin")]
    {
        let alerts = AlertConfiguration::parse(bytes).unwrap();
        assert_eq!(
            (alerts.valid_alerts(), alerts.programmable_alerts()),
            (AlertSet(0), AlertSet(0))
        );
        assert_eq!((alerts.life_used_critical, alerts.life_used_warning), (75, 40));
        assert_eq!(alerts.over_temperature_critical.get(), 35);
        assert_eq!(alerts.under_temperature_critical.get(), 10);
        assert_eq!(alerts.over_temperature_warning.get(), 25);
        assert_eq!(alerts.under_temperature_warning.get(), 20);
        assert_eq!(alerts.corrected_volatile_warning.get(), 0);
        assert_eq!(alerts.corrected_persistent_warning.get(), 0);
    }
}

#[test]
fn timestamps_of_both_qemu_devices_are_nanoseconds_of_this_era() {
    for (bytes, expected) in [
        (capture!("qemu-type3-mem0-timestamp.bin"), 0x18ea_6772_b0fe_b007),
        (capture!("qemu-type3-mem1-timestamp.bin"), 0x18ea_6772_b63b_05b4),
    ] {
        let nanoseconds = Timestamp::parse(bytes).unwrap().nanoseconds().unwrap();
        assert_eq!(nanoseconds, expected);
        let years = nanoseconds / (365 * 24 * 3600 * 1_000_000_000);
        assert!((50..=70).contains(&years), "{years}");
    }
}

#[test]
fn the_nvme_effects_log_of_qemu() {
    let log = EffectsLog::parse(capture!("nvme-effects-qemu.bin")).unwrap();
    let admin: Vec<_> =
        log.supported_admin().map(|(opcode, effects)| (opcode, effects.0)).collect();
    assert_eq!(
        admin,
        [
            (0x00, 0x01),
            (0x01, 0x01),
            (0x02, 0x01),
            (0x04, 0x01),
            (0x05, 0x01),
            (0x06, 0x01),
            (0x08, 0x01),
            (0x09, 0x01),
            (0x0a, 0x01),
            (0x0c, 0x01),
            (0x15, 0x19),
            (0x19, 0x01),
            (0x1a, 0x01),
            (0x7c, 0x01),
            (0x80, 0x03),
            (0x81, 0x01),
            (0x82, 0x01),
        ]
    );
    let io: Vec<_> = log.supported_io().map(|(opcode, effects)| (opcode, effects.0)).collect();
    assert_eq!(
        io,
        [
            (0x00, 0x03),
            (0x01, 0x03),
            (0x02, 0x01),
            (0x05, 0x01),
            (0x08, 0x03),
            (0x09, 0x03),
            (0x0c, 0x01),
            (0x12, 0x01),
            (0x19, 0x03),
            (0x1d, 0x03),
        ]
    );
    assert_eq!(log.reserved, [0; 2048]);
}

#[test]
fn qemu_claims_that_namespace_attachment_changes_inventory_and_controller_only() {
    let log = EffectsLog::parse(capture!("nvme-effects-qemu.bin")).unwrap();
    let attach = log.admin(0x15);
    assert!(attach.changes_namespace_inventory() && attach.changes_controller_capabilities());
    assert!(!attach.changes_block_content() && !attach.changes_namespace_capabilities());
    assert_eq!((attach.exclusion(), attach.relaxation()), (Exclusion::None, Relaxation::None));
    assert!(!attach.scope().is_reported() && !attach.uuid_selection());
    assert_eq!(log.admin(0x84), EffectsDword(0)); // Sanitize is not supported there
}

#[test]
#[cfg(target_endian = "little")]
fn fwctl_info_of_cxl_test_says_cxl_and_gives_no_data() {
    use fwgate_wire::fwctl::{FwctlInfo, device_type};
    let info = FwctlInfo::parse(capture!("fwctl0-fwctl-info-cxl_test.bin")).unwrap();
    assert_eq!((info.size.get(), info.flags.get()), (24, 0));
    assert_eq!(info.out_device_type.get(), device_type::CXL);
    assert_eq!(info.device_data_len.get(), 0);
    assert_eq!(info.out_device_data.get(), 0x7ffc_6dc2_bdd0);
}

#[test]
#[cfg(target_endian = "little")]
fn the_fwctl_reply_of_cxl_test_holds_one_feature_and_eight_bytes_of_nothing() {
    use fwgate_wire::fwctl::cxl::{CxlRpcResponse, CxlRpcResponseHeader};
    let bytes = capture!("fwctl0-get-supported-features-cxl_test.bin");
    let response = CxlRpcResponse::parse(bytes).unwrap();
    assert_eq!(response.header().return_code(), Some(ReturnCode::SUCCESS));
    assert_eq!(response.header().size.get(), 56);
    assert_eq!(response.trailing(), [0; 8]);
    assert_eq!(bytes.len(), CxlRpcResponseHeader::KERNEL_SIZE + response.payload().len());

    let features = SupportedFeatures::parse(response.payload()).unwrap();
    assert_eq!((features.supported(), features.entries().len()), (1, 1));
    let entry = features.find(feature_uuid::CXL_TEST).unwrap();
    assert_eq!(entry.index.get(), 0);
    assert_eq!((entry.get_size.get(), entry.set_size.get()), (4, 4));
    assert_eq!((entry.get_version, entry.set_version), (1, 1));
    let flags = entry.flags();
    assert_eq!(flags.0, 0x61);
    assert!(flags.changeable() && flags.default_selectable() && flags.saved_selectable());
    assert!(!flags.persists_firmware_update());
    assert_eq!(entry.effects(), EffectsWord(0x0201));
    assert!(entry.effects().configuration_after_cold_reset() && entry.effects().reset_bits_valid());
    assert_eq!(entry.reserved, [0; 18]);
}

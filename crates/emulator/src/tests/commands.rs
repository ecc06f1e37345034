// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each command that no other file of tests is about.

use fwgate_wire::cxl::alerts::AlertConfiguration;
use fwgate_wire::cxl::events::EventRecords;
use fwgate_wire::cxl::health::HealthInfo;
use fwgate_wire::cxl::identify::IdentifyMemoryDeviceResponse;
use fwgate_wire::cxl::logs::SupportedLogs;
use fwgate_wire::cxl::partition::PartitionInfo;
use fwgate_wire::cxl::timestamp::Timestamp;
use fwgate_wire::cxl::{Registers as _, ReturnCode};

use super::Rig;
use crate::commands::logs::{EFFECTS, STATE_DUMP, VENDOR_DEBUG};
use crate::device::{Options, ResetKind};

fn range(start: u64, units: u64) -> Vec<u8> {
    [start.to_le_bytes(), units.to_le_bytes()].concat()
}

fn log_input(uuid: uuid::Uuid, offset: u32, length: u32) -> Vec<u8> {
    let mut input = uuid.as_bytes().to_vec();
    input.extend_from_slice(&offset.to_le_bytes());
    input.extend_from_slice(&length.to_le_bytes());
    input
}

#[test]
fn identify_describes_the_device() {
    let mut rig = Rig::new();
    let reply = rig.ok(0x4000, &[]);
    assert_eq!(reply.len(), 69);
    let identity = IdentifyMemoryDeviceResponse::parse(&reply).unwrap();
    assert_eq!(identity.dynamic_capacity_log_size(), Some(0));
    let identity = identity.identity();
    assert_eq!(identity.firmware_revision(), b"FWGT 1.0");
    assert_eq!(identity.total_capacity.get(), 16);
    assert_eq!(identity.volatile_only_capacity.get(), 4);
    assert_eq!(identity.persistent_only_capacity.get(), 4);
    assert_eq!(identity.partition_alignment.get(), 1);
    assert_eq!(identity.lsa_size.get(), 16384);
    assert_eq!((identity.poison_list_max(), identity.inject_poison_limit.get()), (256, 256));
}

#[test]
fn a_new_partition_waits_for_a_reset() {
    let mut rig = Rig::new();
    let info = |rig: &mut Rig| {
        let reply = rig.ok(0x4100, &[]);
        let info = PartitionInfo::parse(&reply).unwrap();
        [info.active_volatile, info.active_persistent, info.next_volatile, info.next_persistent]
            .map(|capacity| capacity.get())
    };
    assert_eq!(info(&mut rig), [8, 8, 0, 0]);
    rig.ok(0x4101, &[12, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(info(&mut rig), [8, 8, 12, 4]);
    assert_eq!(rig.telemetry().u16(6), 4, "configuration waits for a reset");
    rig.device.reset(ResetKind::Conventional).unwrap();
    assert_eq!(info(&mut rig), [12, 4, 0, 0]);
    let bad = [13, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(rig.code(0x4101, &bad), ReturnCode::INVALID_INPUT);
    let now = [8, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    assert_eq!(rig.code(0x4101, &now), ReturnCode::UNSUPPORTED, "not at once");
}

#[test]
fn labels_are_read_and_written_inside_the_area_only() {
    let mut rig = Rig::new();
    rig.ok(0x4103, &[0xfe, 0x3f, 0, 0, 0, 0, 0, 0, 1, 2]);
    assert_eq!(rig.ok(0x4102, &[0xfd, 0x3f, 0, 0, 3, 0, 0, 0]), [0, 1, 2]);
    let past = [0xff, 0x3f, 0, 0, 0, 0, 0, 0, 1, 2];
    assert_eq!(rig.code(0x4103, &past), ReturnCode::INVALID_INPUT);
    assert_eq!(rig.code(0x4102, &[0xff, 0x3f, 0, 0, 2, 0, 0, 0]), ReturnCode::INVALID_INPUT);
    assert_eq!(rig.code(0x4102, &[0, 0, 0, 0, 1, 8, 0, 0]), ReturnCode::INVALID_INPUT, "> payload");
    assert_eq!(rig.code(0x4102, &[0xff; 8]), ReturnCode::INVALID_INPUT);
}

#[test]
fn the_timestamp_is_zero_until_it_is_set_and_then_runs() {
    let mut rig = Rig::new();
    let read = |rig: &mut Rig| Timestamp::parse(&rig.ok(0x0300, &[])).unwrap().nanoseconds();
    assert_eq!(read(&mut rig), None);
    rig.ok(0x0301, &5_u64.to_le_bytes());
    rig.time.advance(2);
    assert_eq!(read(&mut rig), Some(2005));
    rig.device.power_cycle().unwrap();
    assert_eq!(read(&mut rig), None);
}

#[test]
fn logs_are_listed_with_their_sizes_and_read_in_pieces() {
    let mut rig = Rig::new();
    let reply = rig.ok(0x0400, &[]);
    let logs = SupportedLogs::parse(&reply).unwrap();
    let size = |uuid| logs.find(uuid).unwrap().size.get();
    assert_eq!((size(VENDOR_DEBUG), size(STATE_DUMP), logs.entries().len()), (4096, 256, 3));
    assert_eq!(rig.ok(0x0401, &log_input(STATE_DUMP, 0, 8)), b"FWGTDUMP");
    let debug = rig.ok(0x0401, &log_input(VENDOR_DEBUG, 0, 24));
    assert!(debug.starts_with(b"         0.000000 made\n"), "{debug:?}");
    for (offset, length) in [(4096, 1), (4095, 2), (0, 2049), (u32::MAX, u32::MAX)] {
        let input = log_input(VENDOR_DEBUG, offset, length);
        assert_eq!(rig.code(0x0401, &input), ReturnCode::INVALID_INPUT);
    }
    let unknown = log_input(uuid::Uuid::nil(), 0, 0);
    assert_eq!(rig.code(0x0401, &unknown), ReturnCode::INVALID_LOG);
}

#[test]
fn only_the_vendor_debug_log_is_cleared() {
    let mut rig = Rig::new();
    assert_eq!(rig.ok(0x0402, VENDOR_DEBUG.as_bytes()), [0x0d, 0, 0, 0]);
    assert_eq!(rig.ok(0x0402, STATE_DUMP.as_bytes()), [0x04, 0, 0, 0]);
    assert_eq!(rig.code(0x0402, &[0; 16]), ReturnCode::INVALID_LOG);
    rig.ok(0x0403, VENDOR_DEBUG.as_bytes());
    assert_eq!(rig.ok(0x0401, &log_input(VENDOR_DEBUG, 0, 4)), [0; 4]);
    assert_eq!(rig.code(0x0403, EFFECTS.as_bytes()), ReturnCode::UNSUPPORTED);
    assert_eq!(rig.code(0x0403, &[0; 16]), ReturnCode::INVALID_LOG);
}

#[test]
fn events_are_read_and_cleared_oldest_first_by_handle() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.device.reset(ResetKind::Cxl).unwrap();
    }
    let handles = |rig: &mut Rig| -> Vec<u16> {
        let reply = rig.ok(0x0100, &[0]);
        EventRecords::parse(&reply).unwrap().records().iter().map(|r| r.handle.get()).collect()
    };
    assert_eq!(handles(&mut rig), [1, 2, 3, 4]);
    assert_eq!(rig.device.registers().read32(0x80).unwrap(), 1, "the information log");
    let clear = |handles: &[u8]| {
        [&[0, 0, u8::try_from(handles.len() / 2).unwrap(), 0, 0, 0], handles].concat()
    };
    assert_eq!(rig.code(0x0101, &clear(&[2, 0])), ReturnCode::INVALID_HANDLE);
    assert_eq!(rig.code(0x0101, &clear(&[1, 0, 3, 0])), ReturnCode::INVALID_HANDLE);
    assert_eq!(handles(&mut rig), [1, 2, 3, 4], "all or none");
    rig.ok(0x0101, &clear(&[1, 0, 2, 0]));
    assert_eq!(handles(&mut rig), [3, 4]);
    assert_eq!(rig.code(0x0101, &clear(&[])), ReturnCode::INVALID_INPUT);
    assert_eq!(rig.code(0x0101, &[0, 0, 2, 0, 0, 0, 3, 0]), ReturnCode::INVALID_PAYLOAD_LENGTH);
    assert_eq!(rig.code(0x0101, &[4, 1, 0, 0, 0, 0]), ReturnCode::INVALID_INPUT, "no such log");
    rig.ok(0x0101, &[0, 1, 0, 0, 0, 0]);
    assert_eq!(handles(&mut rig), [0_u16; 0]);
    assert_eq!(rig.device.registers().read32(0x80).unwrap(), 0);
}

#[test]
fn a_full_event_log_counts_what_it_lost_and_says_that_there_is_more() {
    let mut rig = Rig::new();
    rig.ok(0x0301, &1_u64.to_le_bytes());
    for _ in 0..40 {
        rig.device.reset(ResetKind::Cxl).unwrap();
    }
    let reply = rig.ok(0x0100, &[0]);
    let events = EventRecords::parse(&reply).unwrap();
    assert_eq!(events.records().len(), 15, "as many as fit in 2 KiB");
    let header = events.header();
    assert!(header.overflowed() && header.more_records());
    assert_eq!(header.overflow_count.get(), 41 - 32);
    assert_eq!(rig.code(0x0100, &[4]), ReturnCode::INVALID_INPUT);
}

#[test]
fn the_interrupt_policy_reads_as_it_was_set() {
    let mut rig = Rig::new();
    assert_eq!(rig.ok(0x0102, &[]), [0; 4]);
    rig.ok(0x0103, &[1, 0x11, 0, 1, 1]);
    assert_eq!(rig.ok(0x0102, &[]), [1, 0x11, 0, 1]);
    assert_eq!(rig.code(0x0103, &[3, 0, 0, 0]), ReturnCode::INVALID_INPUT);
    assert_eq!(rig.code(0x0103, &[1, 0, 0]), ReturnCode::INVALID_PAYLOAD_LENGTH);
}

#[test]
fn a_threshold_below_the_temperature_raises_a_warning() {
    let mut rig = Rig::new();
    let health = |rig: &mut Rig| rig.ok(0x4200, &[]);
    let reply = health(&mut rig);
    let info = HealthInfo::parse(&reply).unwrap();
    assert_eq!((info.temperature.get(), info.additional_status, info.life_used), (42, 0, 3));
    rig.ok(0x4202, &[2, 2, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0]);
    let reply = rig.ok(0x4201, &[]);
    let alerts = AlertConfiguration::parse(&reply).unwrap();
    assert_eq!(alerts.over_temperature_warning.get(), 40);
    assert_eq!(alerts.under_temperature_critical.get(), -10);
    assert_eq!((alerts.life_used_warning, alerts.life_used_critical), (75, 90));
    assert_eq!(health(&mut rig)[2], 0b0100);
    assert_eq!(rig.device.registers().read32(0x80).unwrap() & 2, 2, "a warning is logged");
    let hot = [2, 2, 0, 0, 85, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(rig.code(0x4202, &hot), ReturnCode::INVALID_INPUT, "not below critical");
    assert_eq!(rig.code(0x4202, &[0x20; 12]), ReturnCode::INVALID_INPUT, "no such alert");
}

#[test]
fn a_dirty_shutdown_is_counted() {
    let mut rig = Rig::new();
    rig.ok(0x4204, &[1]);
    assert_eq!(rig.ok(0x4203, &[]), [1]);
    rig.device.power_cycle().unwrap();
    let reply = rig.ok(0x4200, &[]);
    assert_eq!(HealthInfo::parse(&reply).unwrap().dirty_shutdowns.get(), 1);
    assert_eq!(rig.code(0x4204, &[2]), ReturnCode::INVALID_INPUT);
}

#[test]
fn poison_is_injected_listed_and_cleared() {
    let mut rig = Rig::new();
    for dpa in [0x80_u64, 0x40, 0x40] {
        rig.ok(0x4301, &dpa.to_le_bytes());
    }
    let list = rig.ok(0x4300, &range(0, 64));
    assert_eq!((list.len(), &list[10..12]), (64, &[2, 0][..]), "each once");
    assert_eq!(list[32..40], 0x43_u64.to_le_bytes(), "source 3: injected");
    assert_eq!(list[48..56], 0x83_u64.to_le_bytes());
    let mut clear = 0x40_u64.to_le_bytes().to_vec();
    clear.resize(72, 0);
    rig.ok(0x4302, &clear);
    assert_eq!(rig.ok(0x4300, &range(0, 64)).len(), 48);
    for dpa in [0x41_u64, 4 << 30, u64::MAX] {
        let code = rig.code(0x4301, &dpa.to_le_bytes());
        assert_eq!(code, ReturnCode::INVALID_PHYSICAL_ADDRESS);
    }
    for (start, units) in [(0, 0), (1, 1), (0, u64::MAX), (0, (4 << 30) / 64 + 1)] {
        let code = rig.code(0x4300, &range(start, units));
        assert_eq!(code, ReturnCode::INVALID_PHYSICAL_ADDRESS);
    }
}

#[test]
fn a_poison_list_longer_than_one_reply_goes_on_where_it_ended() {
    let mut rig = Rig::with(Options { payload_log2: 8, ..Options::cxl0() });
    for at in 0..20_u64 {
        rig.ok(0x4301, &(at * 64).to_le_bytes());
    }
    let mut found = Vec::new();
    for (flags, count) in [(1, 14), (0, 6), (1, 14)] {
        let list = rig.ok(0x4300, &range(0, 1024));
        assert_eq!((list[0], list[10]), (flags, count));
        found
            .extend(list[32..].chunks(16).map(|record| record[0] as u64 | (record[1] as u64) << 8));
    }
    assert_eq!(found[..20], (0..20).map(|at| at * 64 + 3).collect::<Vec<_>>());
}

#[test]
fn poison_beyond_the_limit_is_refused() {
    let mut rig = Rig::new();
    for at in 0..256_u64 {
        rig.ok(0x4301, &(at * 64).to_le_bytes());
    }
    let code = rig.code(0x4301, &(256 * 64_u64).to_le_bytes());
    assert_eq!(code, ReturnCode::INJECT_POISON_LIMIT);
}

#[test]
fn a_scan_finds_what_nobody_knew_and_results_are_read_once() {
    let mut rig = Rig::new();
    assert_eq!(rig.code(0x4305, &[]), ReturnCode::UNSUPPORTED, "no scan yet");
    let whole = range(0, (4 << 30) / 64);
    assert_eq!(rig.ok(0x4303, &whole), 4000_u32.to_le_bytes());
    let scan = [&whole[..], &[0]].concat();
    assert_eq!(rig.code(0x4304, &scan), ReturnCode::BACKGROUND_STARTED);
    assert_eq!(rig.ok(0x4300, &whole)[0], 4, "a scan is under way");
    rig.time.advance(4_000_000);
    let results = rig.ok(0x4305, &[]);
    assert_eq!((results.len(), results[18]), (32 + 2 * 16, 2));
    assert_eq!(results[32..40], 0x1002_u64.to_le_bytes(), "source 2: internal");
    assert_eq!(rig.code(0x4305, &[]), ReturnCode::UNSUPPORTED, "read");
    assert_eq!(rig.ok(0x4300, &whole)[10], 2, "it is in the list now");
    let failures = rig.ok(0x0100, &[2]);
    assert_eq!(EventRecords::parse(&failures).unwrap().records().len(), 2);
}

#[test]
fn maintenance_repairs_a_place() {
    let mut rig = Rig::new();
    rig.ok(0x4301, &0x40_u64.to_le_bytes());
    let mut repair = vec![1, 0, 1];
    repair.extend_from_slice(&0x40_u64.to_le_bytes());
    repair.resize(14, 0);
    rig.ok(0x0600, &repair);
    assert_eq!(rig.ok(0x4300, &range(0, 2)).len(), 48, "only asked for resources");
    repair[2] = 0;
    assert_eq!(rig.code(0x0600, &repair), ReturnCode::BACKGROUND_STARTED);
    rig.time.advance(2_000_000);
    assert_eq!(rig.ok(0x4300, &range(0, 2)).len(), 32);
    rig.ok(0x0600, &[0, 0]);
    assert_eq!(rig.code(0x0600, &[1, 0, 0]), ReturnCode::INVALID_PAYLOAD_LENGTH);
    assert_eq!(rig.code(0x0600, &[9, 0]), ReturnCode::UNSUPPORTED);
}

#[test]
fn telemetry_has_its_documented_layout() {
    let mut rig = Rig::new();
    rig.time.advance(12_345);
    let telemetry = rig.telemetry();
    assert_eq!(&telemetry.0[..4], b"FWGT");
    assert_eq!((telemetry.u16(4), telemetry.u16(6), telemetry.u64(8)), (1, 0, 12_345));
    assert_eq!((telemetry.u16(16), telemetry.u16(18)), (42, 80));
    assert_eq!((telemetry.u32(20), telemetry.u32(24), telemetry.u32(28)), (1, 1, 1));
    assert_eq!((telemetry.u64(32), telemetry.u32(40), telemetry.u32(44)), (1, 0, 0));
    assert_eq!((telemetry.u32(48), telemetry.u32(52)), (255, 255 * 128));
    assert_eq!(telemetry.0[56..], [0xa5, 0xa4, 0xa7, 0xa6, 0xa1, 0xa0, 0xa3, 0xa2]);
}

#[test]
fn vendor_configuration_comes_into_force_when_its_effects_say() {
    let mut rig = Rig::new();
    rig.ok(0xC001, &[5, 0, 0, 0]);
    rig.ok(0xC002, &[6, 0, 0, 0]);
    rig.ok(0xC006, &[7, 0, 0, 0]);
    let telemetry = rig.telemetry();
    assert_eq!((telemetry.u32(24), telemetry.u32(28), telemetry.u16(6)), (1, 5, 4));
    assert_eq!((telemetry.u32(20), telemetry.u32(44)), (6, 7), "C006h lies: it changes something");
    rig.device.reset(ResetKind::Conventional).unwrap();
    assert_eq!(rig.telemetry().u32(24), 1);
    rig.device.power_cycle().unwrap();
    let telemetry = rig.telemetry();
    assert_eq!((telemetry.u32(24), telemetry.u16(6)), (5, 0));
}

#[test]
fn erase_really_erases() {
    let mut rig = Rig::new();
    rig.ok(0xC003, &[]);
    let telemetry = rig.telemetry();
    assert_eq!((telemetry.u32(48), telemetry.u32(52)), (0, 0));
    assert_eq!(telemetry.0[56..], [0; 8]);
    assert_eq!(rig.code(0xC003, &[0]), ReturnCode::INVALID_PAYLOAD_LENGTH);
}

#[test]
fn the_multiplexer_does_what_its_sub_operation_says() {
    let mut rig = Rig::new();
    rig.code(0xC004, &0_u32.to_le_bytes());
    let counters = rig.ok(0xC005, &[0, 0]);
    assert_eq!(counters, [2_u64.to_le_bytes(), 1_u64.to_le_bytes()].concat());
    rig.ok(0xC005, &[1, 0, 99, 0]);
    assert_eq!(rig.telemetry().u16(18), 99);
    rig.ok(0xC005, &[2, 0]);
    assert_eq!(rig.telemetry().u32(40), 0);
    assert_eq!(rig.ok(0x0401, &log_input(VENDOR_DEBUG, 0, 4)), [0; 4]);
    rig.ok(0xC005, &[3, 0]);
    assert_eq!(rig.telemetry().u32(48), 0);
    assert_eq!(rig.code(0xC005, &[4, 0]), ReturnCode::INVALID_INPUT);
    assert_eq!(rig.code(0xC005, &[1, 0]), ReturnCode::INVALID_PAYLOAD_LENGTH);
    assert_eq!(rig.code(0xC005, &[3, 0, 0]), ReturnCode::INVALID_PAYLOAD_LENGTH);
}

#[test]
fn a_carried_command_is_carried_out_and_its_own_code_comes_back_inside() {
    let mut rig = Rig::new();
    let reply = rig.ok(0xC007, &[0x00, 0xC0]);
    assert_eq!((&reply[..8], reply.len()), (&b"\0\0\0\0FWGT"[..], 68));
    rig.ok(0xC007, &[0x03, 0xC0]);
    assert_eq!(rig.telemetry().u32(48), 0);
    assert_eq!(rig.ok(0xC007, &[0x02, 0xC0, 1]), [0x16, 0, 0, 0], "the inner length is wrong");
    assert_eq!(rig.ok(0xC007, &[0x00, 0x53]), [0x15, 0, 0, 0]);
    assert_eq!(rig.ok(0xC007, &[0x04, 0xC0]), [1, 0, 0, 0], "the inner one started");
    assert_eq!(rig.device.commands_taken(), 6, "what is carried is no command of its own");
}

#[test]
fn carrying_goes_four_levels_deep_and_no_further() {
    let mut rig = Rig::new();
    let nested =
        |levels: usize| [[0x07, 0xC0].repeat(levels), vec![0x02, 0xC0, 8, 0, 0, 0]].concat();
    assert_eq!(rig.ok(0xC007, &nested(3)), [0; 16]);
    assert_eq!(rig.telemetry().u32(20), 8);
    let reply = rig.ok(0xC007, &nested(4));
    assert_eq!(reply, [&[0; 12][..], &[2, 0, 0, 0]].concat(), "invalid input at the fifth");
    let deepest = [0x07, 0xC0].repeat(1024);
    rig.ok(0xC007, &deepest);
}

#[test]
fn wrong_lengths_are_refused_before_anything_else() {
    let mut rig = Rig::new();
    let before = rig.telemetry().0;
    for row in crate::commands::TABLE {
        let long = vec![0; 2048];
        let code = match row.opcode {
            0x0101 | 0x0201 | 0x0502 | 0x0600 | 0x4103 | 0xC005 | 0xC007 => {
                rig.send(row.opcode, &[0]).0
            }
            opcode => rig.send(opcode, &long).0,
        };
        assert_eq!(code, ReturnCode::INVALID_PAYLOAD_LENGTH, "0x{:04X}", row.opcode);
    }
    let after = rig.telemetry().0;
    assert_eq!((&before[..32], &before[40..]), (&after[..32], &after[40..]));
}

#[test]
fn the_payload_size_is_the_one_chosen() {
    for log2 in [8, 12, 20] {
        let mut rig = Rig::with(Options { payload_log2: log2, ..Options::cxl0() });
        rig.ok(0xC000, &[]);
        assert_eq!(rig.device.payload_size(), 1 << log2);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The small firmwares: what their drivers refuse, what they answer, what they remember.

use std::sync::Arc;

use fwgate_policy::Scope;
use fwgate_wire::fwctl::bnxt::{HwrmResponse, Version};
use fwgate_wire::fwctl::mlx5::Mlx5Response;

use super::{EmulatedFamily, Family, FamilyError, FamilyReply};
use crate::clock::ManualTime;

fn device(family: Family) -> EmulatedFamily {
    EmulatedFamily::in_memory("test0", family, Arc::new(ManualTime::new(1))).unwrap()
}

fn mlx5(device: &mut EmulatedFamily, command: (u16, u16), payload: &[u8]) -> FamilyReply {
    device.mlx5(command, payload, 0x110, Scope::DebugWriteFull).unwrap()
}

fn bnxt(device: &mut EmulatedFamily, req_type: u16, payload: &[u8]) -> FamilyReply {
    device.bnxt(req_type, 0xFFFF, payload, Scope::DebugWriteFull).unwrap()
}

fn errno(result: Result<FamilyReply, FamilyError>) -> i32 {
    match result {
        Err(FamilyError::Errno { errno, .. }) => errno,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_driver_refuses_with_its_own_errno_before_the_firmware_sees_anything() {
    let mut it = device(Family::Mlx5);
    // Unknown, scope too low, too short.
    assert_eq!(errno(it.mlx5((0x0200, 0), &[0; 8], 64, Scope::DebugWriteFull)), 74);
    assert_eq!(errno(it.mlx5((0x0773, 0), &[0; 24], 64, Scope::Configuration)), 74);
    assert_eq!(errno(it.mlx5((0x0100, 0), &[0; 8], 15, Scope::Configuration)), 90);
    assert_eq!(it.commands_taken(), 0);
    let mut it = device(Family::Bnxt);
    assert_eq!(errno(it.bnxt(0x0017, 0xFFFF, &[0; 8], Scope::DebugWriteFull)), 1);
    assert_eq!(errno(it.bnxt(0x0000, 0xFFFF, &[0; 8], Scope::Configuration)), 1);
    assert_eq!(errno(it.bnxt(0xFFF1, 0xFFFF, &[0; 8], Scope::DebugWriteFull)), 22);
    assert_eq!(it.commands_taken(), 0);
    let mut it = device(Family::Pds);
    assert_eq!(errno(it.pds(3, 0x0001_0001, &[], 4, Scope::DebugWriteFull)), 22);
    assert_eq!(errno(it.pds(1, 0x0001_0002, &[], 4, Scope::Configuration)), 1);
    assert_eq!(errno(it.pds(2, 0x0001_0001, &[], 4, Scope::DebugWrite)), 1);
    assert_eq!(it.commands_taken(), 0);
}

#[test]
fn the_drivers_scope_is_enough_for_the_emulated_driver_where_ours_is_higher() {
    // It is a model of the kernel's, and knows nothing of what fwgate asks.
    assert!(device(Family::Bnxt).bnxt(0x0011, 0xFFFF, &[0; 8], Scope::Configuration).is_ok());
    let mut payload = [0; 24];
    payload[2..4].copy_from_slice(&[0x90, 0x28]);
    assert!(device(Family::Mlx5).mlx5((0x0B0C, 0), &payload, 64, Scope::Configuration).is_ok());
}

#[test]
fn an_mlx5_error_is_in_the_reply() {
    let mut it = device(Family::Mlx5);
    // Known to the driver, not to this firmware; a register that is not there; no room.
    for (command, payload, status) in [
        ((0x0731, 0), &[0; 8][..], 0x02),
        ((0x0B0C, 1), &[0, 0, 0x12, 0x34, 0, 0, 0, 0], 0x03),
        ((0x0109, 0), &[0; 24], 0x03),
        ((0x0773, 0), &[0; 8], 0x50),
    ] {
        let reply = mlx5(&mut it, command, payload);
        let parsed = Mlx5Response::parse(&reply.payload).unwrap();
        assert_eq!((reply.code, parsed.status()), (u32::from(status), status), "{command:?}");
        assert_ne!(parsed.syndrome(), 0);
    }
    let reply = it.mlx5((0x0773, 0), &[0; 24], 64, Scope::DebugRead).unwrap();
    assert_eq!((reply.code, reply.payload.len()), (0x51, 64));
}

#[test]
fn an_mlx5_register_keeps_what_is_written_and_the_reset_register_resets() {
    let mut it = device(Family::Mlx5);
    let mut write = vec![0, 0, 0x90, 0x24, 0, 0, 0, 0];
    write.extend([0x5A; 16]);
    assert_eq!(mlx5(&mut it, (0x0B0C, 0), &write).code, 0);
    let read = mlx5(&mut it, (0x0B0C, 1), &write[..8]);
    let parsed = Mlx5Response::parse(&read.payload).unwrap();
    assert_eq!(parsed.payload()[8..24], [0x5A; 16]);
    write[3] = 0x28;
    assert_eq!((mlx5(&mut it, (0x0B0C, 0), &write).code, it.changes()), (0, 1));
}

#[test]
fn an_mlx5_counter_counts_and_is_cleared_by_its_bit() {
    let mut it = device(Family::Mlx5);
    let count = |it: &mut EmulatedFamily, clear: u8| {
        let mut payload = [0; 24];
        payload[0x10] = clear;
        mlx5(it, (0x0773, 0), &payload).payload[16..20].to_vec()
    };
    assert_eq!(count(&mut it, 0), [0, 0, 0, 1]);
    assert_eq!(count(&mut it, 0x80), [0, 0, 0, 2]);
    assert_eq!(count(&mut it, 0), [0, 0, 0, 1]);
}

#[test]
fn bnxt_tells_its_version_and_refuses_what_it_does_not_know_in_the_reply() {
    let mut it = device(Family::Bnxt);
    let reply = bnxt(&mut it, 0x0000, &[1, 10, 3, 0, 0, 0, 0, 0]);
    assert_eq!(Version::parse(&reply.payload), Ok(Version([216, 0, 1, 2])));
    assert_eq!(HwrmResponse::parse(&reply.payload).unwrap().error_code(), 0);
    let reply = bnxt(&mut it, 0x00C3, &[0; 8]);
    assert_eq!(reply.code, 0xFFFF);
    let parsed = HwrmResponse::parse(&reply.payload).unwrap();
    assert_eq!((parsed.error_code(), parsed.kernel_errno()), (0xFFFF, None));
    // What is for another function is refused by this firmware; a real one may obey.
    assert_eq!(it.bnxt(0, 5, &[0; 8], Scope::DebugRead).unwrap().code, 3);
}

/// NVM_GET_VARIABLE or NVM_SET_VARIABLE: bytes of buffer, option.
fn variable(bits: u16, option: u16, value: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; 24];
    payload[8..10].copy_from_slice(&bits.to_le_bytes());
    payload[10..12].copy_from_slice(&option.to_le_bytes());
    payload.extend_from_slice(value);
    payload
}

#[test]
fn a_bnxt_setting_is_set_and_read_by_buffers_and_factory_defaults_take_it_back() {
    let mut it = device(Family::Bnxt);
    let read = |it: &mut EmulatedFamily| {
        let reply = bnxt(it, 0xFFF1, &variable(32, 506, &[]));
        let length = usize::from(u16::from_le_bytes([reply.payload[6], reply.payload[7]]));
        // The buffer is as many bytes long as the request says bits.
        assert_eq!(reply.payload.len(), length + 32);
        reply.payload[length..length + 4].to_vec()
    };
    assert_eq!(read(&mut it), [0x40, 0, 0, 0]);
    let mut value = vec![0x80, 0, 0, 0];
    value.resize(32, 0);
    assert_eq!(bnxt(&mut it, 0xFFF2, &variable(32, 506, &value)).code, 0);
    assert_eq!(read(&mut it), [0x80, 0, 0, 0]);
    assert_eq!(bnxt(&mut it, 0xFFEE, &[]).code, 0);
    assert_eq!(read(&mut it), [0x40, 0, 0, 0]);
    assert_eq!(bnxt(&mut it, 0xFFF1, &variable(8, 9, &[])).code, 2);
}

#[test]
fn a_bnxt_item_of_the_flash_is_written_read_and_erased() {
    let mut it = device(Family::Bnxt);
    let mut write = vec![0; 40];
    // dir_ordinal 3, dir_data_length 4.
    write[10] = 3;
    write[16] = 4;
    write.extend(b"FWGT");
    assert_eq!(bnxt(&mut it, 0xFFFE, &write).code, 0);
    let mut read = vec![0; 24];
    read[8] = 3;
    read[16] = 4;
    let reply = bnxt(&mut it, 0xFFFD, &read);
    assert!(reply.code == 0 && reply.payload.ends_with(b"FWGT"));
    assert_eq!(bnxt(&mut it, 0xFFF7, &[3, 0, 0, 0, 0, 0, 0, 0]).code, 0);
    assert_eq!(bnxt(&mut it, 0xFFFD, &read).code, 2);
    assert_eq!(bnxt(&mut it, 0xFFF7, &[3, 0, 0, 0, 0, 0, 0, 0]).code, 2);
}

#[test]
fn pds_keeps_a_level_and_an_operation_of_an_unknown_attribute_resets() {
    let mut it = device(Family::Pds);
    let mut run = |endpoint, operation, payload: &[u8], room| {
        it.pds(endpoint, operation, payload, room, Scope::DebugWriteFull).unwrap()
    };
    assert_eq!(run(1, 0x0001_0003, &[7, 0, 0, 0], 0).code, 0);
    assert_eq!(run(1, 0x0001_0001, &[], 4).payload, [7, 0, 0, 0]);
    assert_eq!(run(1, 0x0001_0003, &[7], 0).code, 22);
    assert_eq!(run(1, 0x0001_0001, &[], 3).code, 22);
    // An earlier version of an operation is the same one.
    assert_eq!(run(1, 0x0000_0004, &[], 0).code, 0);
    assert_eq!(run(2, 0x0001_0001, &[], 0).code, 0);
    assert_eq!(it.changes(), 1);
}

#[test]
fn state_outlives_the_process_and_a_wrong_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = || EmulatedFamily::open(dir.path(), "bnxt0", Family::Bnxt);
    let mut it = open().unwrap();
    assert_eq!(bnxt(&mut it, 0x0011, &[0; 8]).code, 0);
    drop(it);
    let it = open().unwrap();
    assert_eq!((it.changes(), it.commands_taken()), (1, 1));
    drop(it);
    let path = dir.path().join("bnxt0.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let many = format!("\"values\":{{\"1\":[{}0]}}", "0,".repeat(300));
    let start = text.find("\"values\":").unwrap();
    std::fs::write(&path, format!("{}{many}}}", &text[..start])).unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.ends_with("`values` is 301, expected at most 256 bytes each"), "{error}");
}

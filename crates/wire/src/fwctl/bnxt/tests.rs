// SPDX-License-Identifier: MIT OR Apache-2.0
//! Golden bytes of HWRM, and every way in which a payload's buffers do not add up.

use super::*;
use std::vec::Vec;

const NVM_SET_VARIABLE: u16 = 0xFFF2;
const NVM_READ: u16 = 0xFFFD;
const DBG_READ_DIRECT: u16 = 0xFF10;
const DBG_PTRACE: u16 = 0xFF2D;
const FUNC_RESET: u16 = 0x0011;

/// A zeroed body of a DMA command, with these fields of the request set.
fn body(req_type: u16, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let row = table::by_opcode(Family::Bnxt, req_type).unwrap();
    let mut request = std::vec![0; usize::from(row.request.unwrap())];
    for (at, bytes) in fields {
        request[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    request.split_off(16)
}

fn refused(req_type: u16, payload: &[u8]) -> (&'static str, usize) {
    let error = Payload::parse(req_type, payload).unwrap_err();
    (error.field, error.offset)
}

#[test]
fn a_request_is_little_endian_and_names_no_ring() {
    let mut bytes = [0xAA; 24];
    let length =
        HwrmRequest::build(FUNC_RESET, OWN_FUNCTION, &[0, 0, 0, 0, 0, 0, 1, 0], &mut bytes);
    assert_eq!(length, Ok(24));
    let golden =
        [0x11, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    assert_eq!(bytes, golden);
    let request = HwrmRequest::parse(&golden).unwrap();
    assert_eq!(request.header().req_type.get(), FUNC_RESET);
    assert_eq!(request.header().target_id.get(), OWN_FUNCTION);
    assert_eq!(request.body().len(), 8);
}

#[test]
fn a_request_has_16_to_128_bytes() {
    for (length, fits) in [(0, false), (15, false), (16, true), (128, true), (129, false)] {
        assert_eq!(HwrmRequest::parse(&std::vec![0; length]).is_ok(), fits, "{length}");
    }
    assert!(HwrmRequest::build(0, 0, &[0; 112], &mut [0; 128]).is_ok());
    assert!(HwrmRequest::build(0, 0, &[0; 113], &mut [0; 256]).is_err());
    assert!(HwrmRequest::build(0, 0, &[0; 8], &mut [0; 23]).is_err());
}

#[test]
fn a_reply_is_as_long_as_it_says_and_may_say_nothing() {
    let bytes = [2, 0, 0x11, 0, 5, 0, 10, 0, 0xAB, 0xCD, 0xEF];
    let reply = HwrmResponse::parse(&bytes).unwrap();
    assert_eq!((reply.error_code(), reply.header().seq_id.get()), (2, 5));
    assert_eq!((reply.body(), reply.trailing()), (&[0xAB, 0xCD][..], &[0xEF][..]));
    // What the kernel leaves where the firmware never saw the request.
    let empty = HwrmResponse::parse(&[0xF0, 0xFF, 0, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!((empty.error_code(), empty.body()), (0xFFF0, &[][..]));
    for stated in [1, 7, 12, 255] {
        let mut bytes = bytes;
        bytes[6] = stated;
        let error = HwrmResponse::parse(&bytes).unwrap_err();
        assert_eq!((error.field, error.offset), ("resp_len", 6), "{stated}");
    }
    assert!(HwrmResponse::parse(&bytes[..7]).is_err());
    assert_eq!(error_name(2), Some("invalid parameters"));
    assert_eq!(error_name(0xFFF0), None);
}

#[test]
fn an_errno_of_the_kernel_is_told_from_an_error_code_of_the_firmware() {
    let reply = |code: u16, length: u8| {
        let [low, high] = code.to_le_bytes();
        let bytes = [low, high, 0, 0, 0, 0, length, 0];
        HwrmResponse::parse(&bytes).unwrap().kernel_errno()
    };
    assert_eq!(reply(0xFFF0, 0), Some(16));
    assert_eq!(reply(0xFFFF, 0), Some(1));
    // The firmware answered: FFFFh is its own "command not supported".
    assert_eq!(reply(0xFFFF, 8), None);
    assert_eq!((reply(0, 0), reply(0x8000, 0), reply(2, 8)), (None, None, None));
}

#[test]
fn the_firmwares_revision_is_read_as_the_kernel_reads_it() {
    let mut reply = [0; 176];
    reply[8..16].copy_from_slice(&[1, 10, 3, 0, 216, 0, 1, 2]);
    assert_eq!(Version::parse(&reply), Ok(Version([216, 0, 1, 2])));
    reply[136..144].copy_from_slice(&[0x2C, 1, 0, 0, 7, 0, 9, 0]);
    assert_eq!(Version::parse(&reply), Ok(Version([300, 0, 7, 9])));
    assert_eq!(Version::parse(&reply[..143]), Ok(Version([216, 0, 1, 2])));
    // An older interface has other bytes there.
    reply[8..11].copy_from_slice(&[1, 8, 3]);
    assert_eq!(Version::parse(&reply), Ok(Version([216, 0, 1, 2])));
    assert!(Version::parse(&reply[..15]).is_err());
}

#[test]
fn data_for_the_device_follow_the_request_and_are_counted() {
    let mut payload = body(NVM_SET_VARIABLE, &[(24, &[4, 0])]);
    assert_eq!(refused(NVM_SET_VARIABLE, &payload), ("data", 40));
    payload.extend([1, 2, 3, 4]);
    let parsed = Payload::parse(NVM_SET_VARIABLE, &payload).unwrap();
    assert_eq!(parsed.body().len(), 24);
    let buffers: Vec<Buffer<'_>> = parsed.buffers().collect();
    assert_eq!(buffers.len(), 1);
    assert_eq!((buffers[0].length, buffers[0].data), (4, &[1, 2, 3, 4][..]));
    assert_eq!(parsed.reply_data(), 0);
    payload.push(5);
    assert_eq!(refused(NVM_SET_VARIABLE, &payload), ("data", 40));
}

#[test]
fn an_address_of_the_callers_own_is_refused() {
    let ok = body(NVM_READ, &[(32, &[16])]);
    assert_eq!(Payload::parse(NVM_READ, &ok).unwrap().reply_data(), 16);
    for at in 16..24 {
        let bad = body(NVM_READ, &[(32, &[16]), (at, &[1])]);
        assert_eq!(refused(NVM_READ, &bad), ("address", 16), "{at}");
    }
}

#[test]
fn a_length_of_nothing_or_beyond_64_kib_is_refused() {
    for (length, fits) in [(0u32, false), (1, true), (0x1_0000, true), (0x1_0001, false)] {
        let payload = body(NVM_READ, &[(32, &length.to_le_bytes())]);
        assert_eq!(Payload::parse(NVM_READ, &payload).is_ok(), fits, "{length:#x}");
    }
    // Words of four bytes: 16 384 of them are 64 KiB.
    for (words, fits) in [(0u32, false), (0x4000, true), (0x4001, false), (u32::MAX, false)] {
        let payload = body(DBG_READ_DIRECT, &[(28, &words.to_le_bytes())]);
        let parsed = Payload::parse(DBG_READ_DIRECT, &payload);
        assert_eq!(parsed.is_ok(), fits, "{words:#x}");
        if let Ok(parsed) = parsed {
            assert_eq!(parsed.reply_data(), 0x1_0000);
        }
    }
}

#[test]
fn nvm_write_may_not_say_a_second_length_beyond_its_buffer() {
    let write = |second: u32| {
        let mut payload =
            body(NVM_WRITE, &[(32, &8u32.to_le_bytes()), (48, &second.to_le_bytes())]);
        payload.extend([0; 8]);
        payload
    };
    for second in [0, 1, 8] {
        assert!(Payload::parse(NVM_WRITE, &write(second)).is_ok(), "{second}");
    }
    for second in [9, 0x1_0000, u32::MAX] {
        assert_eq!(refused(NVM_WRITE, &write(second)), ("length", 48), "{second}");
    }
}

#[test]
fn a_command_with_two_buffers_gives_each_its_own() {
    let mut payload = body(DBG_PTRACE, &[(32, &3u32.to_le_bytes())]);
    payload.extend([7, 8, 9]);
    let parsed = Payload::parse(DBG_PTRACE, &payload).unwrap();
    let buffers: Vec<Buffer<'_>> = parsed.buffers().collect();
    assert_eq!(buffers.len(), 2);
    assert_eq!(buffers[0].field.direction, DmaDirection::ToDevice);
    assert_eq!((buffers[0].data, buffers[1].data), (&[7, 8, 9][..], &[][..]));
    assert_eq!((buffers[1].length, parsed.reply_data()), (3, 3));
}

#[test]
fn a_dma_request_of_another_size_and_a_long_plain_one_are_refused() {
    for row in table::BNXT {
        let size = usize::from(row.request.unwrap_or(16)).saturating_sub(16);
        if row.dma.is_empty() {
            assert!(Payload::parse(row.opcode, &[0xFF; 112]).is_ok(), "{}", row.name);
            assert_eq!(refused(row.opcode, &[0; 113]), ("request", 16), "{}", row.name);
        } else {
            let short = std::vec![0; size - 1];
            assert_eq!(refused(row.opcode, &short), ("request", 16), "{}", row.name);
        }
    }
    // What no table knows has no buffers either.
    assert_eq!(refused(0x1234, &[0; 113]), ("request", 16));
    assert_eq!(Payload::parse(0x1234, &[0; 112]).unwrap().buffers().count(), 0);
}

#[test]
fn any_bytes_are_parsed_or_refused_and_never_more_than_their_fields_say() {
    let mut state = 0x1234_5678_9ABC_DEF0u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let row = &table::BNXT[usize::try_from(next() % 104).unwrap()];
        let length = usize::try_from(next() % 160).unwrap();
        let dense = next() % 2 == 0;
        let payload: Vec<u8> = (0..length)
            .map(|_| if dense || next() % 16 == 0 { next().to_le_bytes()[0] } else { 0 })
            .collect();
        if let Ok(parsed) = Payload::parse(row.opcode, &payload) {
            let read: usize = parsed.buffers().map(|buffer| buffer.data.len()).sum();
            assert_eq!(parsed.body().len() + read, payload.len(), "{}", row.name);
            assert!(parsed.buffers().all(|it| (1..=MAX_DMA).contains(&it.length)));
        }
    }
}

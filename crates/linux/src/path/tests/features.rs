// SPDX-License-Identifier: MIT OR Apache-2.0
//! Feature commands through a played fwctl node.

use fwgate_policy::Scope;
use fwgate_policy::facts::FeatureFacts;
use fwgate_wire::cxl::opcode::{GET_FEATURE, GET_SUPPORTED_FEATURES, Opcode, SET_FEATURE};
use fwgate_wire::fwctl::device_type;
use rustix::io::Errno;

use super::scripted::{Scripted, Seen, Step, file, node};
use crate::path::fwctl::{FeatureCommand, identify, send_feature};
use crate::path::rule::Own;
use crate::path::rule::fwctl::CxlKnown;
use crate::path::{Answer, Cause, Refusal, Sent};

const UUID: [u8; 16] = [0xaa; 16];

fn get(count: u16) -> Vec<u8> {
    let mut payload = UUID.to_vec();
    payload.extend([0, 0]);
    payload.extend(count.to_le_bytes());
    payload.push(0);
    payload
}

fn set(data: &[u8]) -> Vec<u8> {
    let mut payload = UUID.to_vec();
    payload.extend([0; 16]);
    payload.extend(data);
    payload
}

fn supported(count: u32) -> Vec<u8> {
    let mut payload = count.to_le_bytes().to_vec();
    payload.extend([0; 4]);
    payload
}

fn send(io: &Scripted, command: Opcode, payload: &[u8]) -> Result<Answer, Refusal> {
    let command = FeatureCommand { command, payload, scope: Scope::DebugWrite };
    let known = CxlKnown::CANNOT_TELL;
    send_feature(io, &node(device_type::CXL), &command, &known, Own::CANNOT_TELL)
}

/// A response: size, return code, payload.
fn response(size: u32, retval: u32, payload: &[u8]) -> Vec<u8> {
    [&size.to_ne_bytes(), &retval.to_ne_bytes(), payload].concat()
}

fn answers(
    command: Opcode,
    payload: &[u8],
    returned: u32,
    bytes: Vec<u8>,
) -> Result<Answer, Refusal> {
    send(&Scripted::new([Step::Rpc(Ok((returned, bytes, Vec::new())))]), command, payload)
}

#[test]
fn a_get_is_as_long_as_its_size_says_and_not_as_the_length_that_is_returned() {
    let bytes = response(3, 0, &[7, 8, 9, 0xee, 0xee]);
    let io = Scripted::new([Step::Rpc(Ok((16 + 3, bytes, Vec::new())))]);
    let answer = send(&io, GET_FEATURE, &get(3)).unwrap();
    assert_eq!((answer.return_code, answer.payload.as_slice()), (0, &[7, 8, 9][..]));
    assert!(!answer.unverified && !answer.background);
    let [Seen::Rpc { scope: 2, request, room: 19 }] = &io.seen()[..] else { panic!() };
    assert_eq!(request[..4], 0x0501u32.to_ne_bytes());
    assert_eq!(request[4..8], [0; 4]);
    assert_eq!(request[8..12], 21u32.to_ne_bytes());
    assert_eq!(request[16..], get(3));
}

#[test]
fn a_get_without_a_byte_and_without_an_error_is_a_transport_failure() {
    let refusal = answers(GET_FEATURE, &get(3), 16, response(0, 0, &[])).unwrap_err();
    assert_eq!((refusal.cause, refusal.sent, refusal.errno), (Cause::Transport, Sent::MayHave, 0));
}

#[test]
fn a_get_beyond_the_feature_is_said_to_be_one() {
    let entry = |get_size| FeatureFacts { uuid: UUID, flags: 1, effects: 2, get_size, set_size: 0 };
    for (get_size, beyond) in [(2, true), (3, false)] {
        let io = Scripted::new([Step::Rpc(Ok((16, response(0, 0, &[]), Vec::new())))]);
        let features = [entry(get_size)];
        let known = CxlKnown { features: Some(&features), ..CxlKnown::CANNOT_TELL };
        let payload = get(3);
        let command =
            FeatureCommand { command: GET_FEATURE, payload: &payload, scope: Scope::DebugRead };
        let sent = send_feature(&io, &node(device_type::CXL), &command, &known, Own::CANNOT_TELL);
        let refusal = sent.unwrap_err();
        assert_eq!((refusal.cause, refusal.sent), (Cause::Transport, Sent::MayHave));
        assert_eq!(refusal.rule.contains("more was asked for than the feature has"), beyond);
    }
}

#[test]
fn a_get_that_the_device_refused_has_its_code_and_no_payload() {
    let answer = answers(GET_FEATURE, &get(3), 19, response(0, 0x15, &[1, 2, 3])).unwrap();
    assert_eq!((answer.return_code, answer.payload.len(), answer.background), (0x15, 0, false));
}

#[test]
fn a_set_with_code_0_is_unverified_and_one_with_a_code_is_not() {
    let answer = answers(SET_FEATURE, &set(&[1]), 16, response(0, 0, &[])).unwrap();
    assert!(answer.unverified && answer.payload.is_empty());
    let answer = answers(SET_FEATURE, &set(&[1]), 16, response(0, 2, &[])).unwrap();
    assert_eq!((answer.unverified, answer.return_code), (false, 2));
    let answer = answers(SET_FEATURE, &set(&[1]), 16, response(0, 1, &[])).unwrap();
    assert!(answer.background && !answer.unverified, "a background operation was started");
}

#[test]
fn supported_features_get_room_for_the_header_that_the_driver_does_not_count() {
    for (count, entries) in [(8, 0), (48, 1), (95, 1), (96, 2)] {
        let size = 8 + 48 * entries;
        let io =
            Scripted::new([Step::Rpc(Ok((16 + size, response(size, 0, &[5; 200]), Vec::new())))]);
        let answer = send(&io, GET_SUPPORTED_FEATURES, &supported(count)).unwrap();
        assert_eq!(answer.payload.len(), size as usize);
        let [Seen::Rpc { room, .. }] = &io.seen()[..] else { panic!() };
        assert_eq!(*room, 16 + size as usize);
    }
}

#[test]
fn a_count_of_4_gib_gets_at_most_a_mailbox_of_room() {
    let io = Scripted::new([Step::Rpc(Ok((24, response(8, 0, &[0; 8]), Vec::new())))]);
    send(&io, GET_SUPPORTED_FEATURES, &supported(u32::MAX)).unwrap();
    let [Seen::Rpc { room, .. }] = &io.seen()[..] else { panic!() };
    assert_eq!(*room, 16 + (1 << 20));
}

#[test]
fn a_response_that_says_more_than_was_asked_or_copied_is_an_error() {
    // Beyond the request, beyond the bytes, beyond what the length says, and no whole header.
    for (returned, bytes) in [
        (24, response(8, 0, &[0; 8])),
        (19, response(u32::MAX, 0, &[0; 8])),
        (9, response(3, 0, &[0; 8])),
        (7, response(0, 0, &[])),
        (0, response(3, 0, &[0; 8])),
    ] {
        let refusal = answers(GET_FEATURE, &get(3), returned, bytes).unwrap_err();
        assert_eq!((refusal.cause, refusal.sent), (Cause::Answer, Sent::MayHave), "{refusal:?}");
    }
    let refusal = answers(SET_FEATURE, &set(&[1]), 20, response(4, 0, &[0; 8])).unwrap_err();
    assert_eq!((refusal.cause, refusal.sent), (Cause::Answer, Sent::MayHave));
}

#[test]
fn a_length_beyond_the_room_counts_as_the_room() {
    let answer = answers(GET_FEATURE, &get(3), u32::MAX, response(3, 0, &[1, 2, 3])).unwrap();
    assert_eq!(answer.payload.as_slice(), [1, 2, 3]);
}

#[test]
fn a_return_code_above_16_bits_is_an_error() {
    let refusal = answers(GET_FEATURE, &get(3), 19, response(3, 0x1_0000, &[0; 3])).unwrap_err();
    assert_eq!(refusal.cause, Cause::Answer);
}

#[test]
fn a_list_from_the_drivers_copy_was_never_at_the_device() {
    let refusal = answers(GET_SUPPORTED_FEATURES, &supported(48), 3, Vec::new()).unwrap_err();
    assert_eq!((refusal.cause, refusal.sent), (Cause::Answer, Sent::No));
}

#[test]
fn a_request_beyond_2_mib_is_refused_without_a_call() {
    let payload = vec![0; (2 << 20) - 15];
    let refusal = send(&Scripted::new([]), SET_FEATURE, &payload).unwrap_err();
    assert_eq!((refusal.cause, refusal.sent), (Cause::Here, Sent::No));
    let io = Scripted::new([Step::Rpc(Err(Errno::INVAL))]);
    assert_eq!(send(&io, SET_FEATURE, &payload[1..]).unwrap_err().errno, 22);
}

#[test]
fn a_feature_command_goes_to_no_node_of_another_type() {
    let command = FeatureCommand { command: GET_FEATURE, payload: &[], scope: Scope::DebugRead };
    for device_type in [0, 1, 3, 4, 5, u32::MAX] {
        let io = Scripted::new([]);
        let known = CxlKnown::CANNOT_TELL;
        let sent = send_feature(&io, &node(device_type), &command, &known, Own::CANNOT_TELL);
        assert_eq!(sent.unwrap_err().cause, Cause::Here);
    }
}

#[test]
fn nothing_is_sent_twice_whatever_the_errno() {
    for errno in [Errno::INTR, Errno::AGAIN, Errno::BUSY, Errno::TIMEDOUT, Errno::NODEV] {
        let io = Scripted::new([Step::Rpc(Err(errno))]);
        let refusal = send(&io, SET_FEATURE, &set(&[1])).unwrap_err();
        assert_eq!((refusal.errno, io.seen().len()), (errno.raw_os_error(), 1));
    }
}

#[test]
fn information_is_as_long_as_the_driver_says_and_at_most_the_room() {
    for (length, expected) in [(0, 0), (8, 8), (64, 64), (65, 64), (u32::MAX, 64)] {
        let io = Scripted::new([Step::Info(Ok((1, length, vec![9; 64])))]);
        let node = identify(&io, file()).unwrap();
        assert_eq!((node.device_type(), node.info().len()), (1, expected));
    }
    let io = Scripted::new([Step::Info(Err(Errno::NODEV))]);
    let refusal = identify(&io, file()).unwrap_err();
    assert_eq!((refusal.cause, refusal.sent), (Cause::Gone, Sent::No));
}

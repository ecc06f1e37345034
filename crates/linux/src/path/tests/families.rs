// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to mlx5, bnxt and pds through a played fwctl node.

use fwgate_policy::Scope;
use fwgate_wire::fwctl::device_type::{BNXT, CXL, MLX5, PDS};
use rustix::io::Errno;

use super::scripted::{Scripted, Seen, Step, node};
use crate::path::family::{FamilyAnswer, send_rpc};
use crate::path::rule::Own;
use crate::path::rule::family::DriverScope;
use crate::path::{Cause, Refusal, Sent};
use crate::sys::fwctl::Request;

const NEEDS: DriverScope = DriverScope::Needs(Scope::DebugRead);

fn send(
    io: &Scripted,
    of: u32,
    request: &mut Request,
    room: usize,
) -> Result<FamilyAnswer, Refusal> {
    send_rpc(io, &node(of), request, Scope::DebugRead, room, NEEDS, Own::CANNOT_TELL)
}

fn answers(
    of: u32,
    request: &mut Request,
    room: usize,
    length: u32,
    bytes: &[u8],
) -> Result<FamilyAnswer, Refusal> {
    let io = Scripted::new([Step::Rpc(Ok((length, bytes.to_vec(), Vec::new())))]);
    send(&io, of, request, room)
}

fn hwrm(request_type: u16, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bytes[..2].copy_from_slice(&request_type.to_le_bytes());
    bytes
}

#[test]
fn an_mlx5_request_goes_as_it_is_and_its_response_is_as_long_as_the_driver_says() {
    let io = Scripted::new([Step::Rpc(Ok((20, vec![3; 64], Vec::new())))]);
    let answer = send(&io, MLX5, &mut Request::mlx5(vec![1; 24]), 32).unwrap();
    assert_eq!(answer.response.as_slice(), [3; 20]);
    assert_eq!(io.seen(), [Seen::Rpc { scope: 1, request: vec![1; 24], room: 32 }]);
    let answer = answers(MLX5, &mut Request::mlx5(vec![1; 24]), 32, u32::MAX, &[3; 64]).unwrap();
    assert_eq!(answer.response.len(), 32, "at most the room");
}

#[test]
fn a_response_without_its_header_is_an_error() {
    for (of, short) in [(MLX5, 15), (BNXT, 7), (PDS, 47)] {
        let mut request = match of {
            MLX5 => Request::mlx5(vec![0; 16]),
            BNXT => Request::bnxt(hwrm(0x0015, 24), &[]).unwrap(),
            _ => Request::pds(1, 2, &[], 0).unwrap(),
        };
        let refusal = answers(of, &mut request, 64, short, &[0; 64]).unwrap_err();
        assert_eq!((refusal.cause, refusal.sent), (Cause::Answer, Sent::MayHave));
    }
}

#[test]
fn an_errno_in_a_bnxt_response_is_a_transport_failure() {
    let mut request = Request::bnxt(hwrm(0x0015, 24), &[]).unwrap();
    for (errno, code) in [(16, 0xfff0_u16), (110, 0xff92), (4096, 0xf000)] {
        let bytes = [&code.to_le_bytes()[..], &[0; 14]].concat();
        let refusal = answers(BNXT, &mut request, 16, 16, &bytes).unwrap_err();
        assert_eq!(
            (refusal.errno, refusal.cause, refusal.sent),
            (errno, Cause::Transport, Sent::MayHave)
        );
    }
    // A code of the firmware's is an answer.
    for code in [0, 1, 0x8000, 0xefff_u16] {
        let bytes = [&code.to_le_bytes()[..], &[0; 14]].concat();
        let answer = answers(BNXT, &mut request, 16, 16, &bytes).unwrap();
        assert_eq!(answer.response[..2], code.to_le_bytes());
    }
}

#[test]
fn beside_a_response_the_two_codes_that_are_also_errnos_are_the_firmwares() {
    let mut request = Request::bnxt(hwrm(0x0015, 24), &[]).unwrap();
    for (code, length, is_answer) in [
        (0xffff_u16, 16_u8, true),
        (0xfffe, 16, true),
        (0xffff, 0, false),
        (0xfffe, 0, false),
        // The firmware began to answer, and the driver gave up on the rest.
        (0xff92, 16, false),
        (0xfffd, 16, false),
    ] {
        let bytes = [&code.to_le_bytes()[..], &[0; 4], &[length, 0], &[0; 8]].concat();
        let answer = answers(BNXT, &mut request, 16, 16, &bytes);
        assert_eq!(answer.is_ok(), is_answer, "{code:#x} {length}");
    }
}

#[test]
fn what_the_device_wrote_beside_a_bnxt_response_comes_back_at_its_length() {
    // PORT_QSTATS: two buffers of fixed length.
    let mut request = Request::bnxt(hwrm(0x0023, 40), &[]).unwrap();
    let attached = vec![vec![1; 1000], vec![2; 3]];
    let io = Scripted::new([Step::Rpc(Ok((16, vec![0; 16], attached)))]);
    let answer = send(&io, BNXT, &mut request, 16).unwrap();
    let lengths: Vec<usize> = answer.returned.iter().map(|it| it.len()).collect();
    assert_eq!(lengths, [408, 528]);
    assert_eq!((answer.returned[0][407], &answer.returned[1][..4]), (1, &[2, 2, 2, 0][..]));
}

#[test]
fn a_pds_answer_has_no_address_of_this_process() {
    let mut request = Request::pds(1, 2, &[1; 4], 8).unwrap();
    let io = Scripted::new([Step::Rpc(Ok((48, vec![0xff; 48], vec![vec![5; 8]])))]);
    let answer = send(&io, PDS, &mut request, 0).unwrap();
    assert_eq!((&answer.response[16..24], &answer.response[40..48]), (&[0; 8][..], &[0; 8][..]));
    assert_eq!((answer.response[24], answer.returned[0].as_slice()), (0xff, &[5; 8][..]));
    let [Seen::Rpc { room: 48, .. }] = &io.seen()[..] else { panic!() };
}

#[test]
fn a_request_goes_to_no_node_of_another_type() {
    for of in [0, MLX5, CXL, BNXT, PDS, 5, u32::MAX] {
        for mut request in [
            Request::mlx5(vec![0; 16]),
            Request::cxl(vec![0; 16]),
            Request::pds(0, 0, &[], 0).unwrap(),
        ] {
            if node(of).address(&mut request).is_none() || of == CXL {
                let refusal = send(&Scripted::new([]), of, &mut request, 64).unwrap_err();
                assert_eq!((refusal.cause, refusal.sent), (Cause::Here, Sent::No));
            }
        }
    }
}

#[test]
fn more_than_2_mib_is_refused_without_a_call() {
    for (input, room) in [((2 << 20) + 1, 16), (16, (2 << 20) + 1)] {
        let mut request = Request::mlx5(vec![0; input]);
        let refusal = send(&Scripted::new([]), MLX5, &mut request, room).unwrap_err();
        assert_eq!(refusal.cause, Cause::Here);
    }
}

#[test]
fn nothing_is_sent_twice_whatever_the_errno() {
    for errno in [Errno::INTR, Errno::AGAIN, Errno::BUSY, Errno::TIMEDOUT] {
        let io = Scripted::new([Step::Rpc(Err(errno))]);
        let refusal = send(&io, MLX5, &mut Request::mlx5(vec![0; 16]), 16).unwrap_err();
        assert_eq!((refusal.errno, io.seen().len()), (errno.raw_os_error(), 1));
    }
}

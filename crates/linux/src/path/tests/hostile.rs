// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any answer of a kernel, on every path: no panic, nothing longer than was asked for, one call.

use std::os::fd::AsFd;

use fwgate_policy::{Known, Scope};
use fwgate_wire::cxl::opcode::{GET_FEATURE, GET_LSA, GET_SUPPORTED_FEATURES, Opcode, SET_FEATURE};
use fwgate_wire::fwctl::device_type::{BNXT, CXL, MLX5, PDS};
use proptest::collection::vec;
use proptest::prelude::*;
use rustix::io::Errno;

use super::scripted::{Scripted, Step, file, info, node};
use crate::path::family::send_rpc;
use crate::path::fwctl::{FeatureCommand, send_feature};
use crate::path::memdev::{MailboxCommand, query_commands, send_typed};
use crate::path::nvme::{AdminCommand, NvmeKnown, send_admin};
use crate::path::rule::Own;
use crate::path::rule::family::DriverScope;
use crate::path::rule::fwctl::CxlKnown;
use crate::sys::fwctl::Request;

/// Mostly small, sometimes any.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..64, any::<u32>(), Just(u32::MAX)]
}

fn errno() -> impl Strategy<Value = Errno> {
    (1i32..4096).prop_map(Errno::from_raw_os_error)
}

fn either<T: std::fmt::Debug>(
    answer: impl Strategy<Value = T>,
) -> impl Strategy<Value = Result<T, Errno>> {
    prop_oneof![4 => answer.prop_map(Ok), 1 => errno().prop_map(Err)]
}

proptest! {
    #[test]
    fn a_feature_command_takes_any_answer(
        answer in either((number(), vec(any::<u8>(), 0..96))),
        payload in vec(any::<u8>(), 0..64), which in 0usize..4,
    ) {
        let all = [GET_SUPPORTED_FEATURES, GET_FEATURE, SET_FEATURE, Opcode(0xc000)];
        let io = Scripted::new([Step::Rpc(answer.map(|(length, bytes)| (length, bytes, Vec::new())))]);
        let command = FeatureCommand { command: all[which], payload: &payload, scope: Scope::DebugWrite };
        let answer = send_feature(&io, &node(CXL), &command, &CxlKnown::CANNOT_TELL, Own::CANNOT_TELL);
        prop_assert!(answer.is_err() || all[which] != Opcode(0xc000) || answer.unwrap().payload.is_empty());
        prop_assert_eq!(io.seen().len(), 1);
    }

    #[test]
    fn a_family_takes_any_answer(
        answer in either((number(), vec(any::<u8>(), 0..96), vec(vec(any::<u8>(), 0..64), 0..3))),
        room in 0usize..80, which in 0usize..3,
    ) {
        let of = [MLX5, BNXT, PDS][which];
        let mut request = match of {
            MLX5 => Request::mlx5(vec![0; 24]),
            BNXT => Request::bnxt([&[0x23, 0][..], &[0; 38]].concat(), &[]).unwrap(),
            _ => Request::pds(1, 2, &[3], 16).unwrap(),
        };
        let io = Scripted::new([Step::Rpc(answer)]);
        let needs = DriverScope::CannotTell;
        let answer = send_rpc(&io, &node(of), &mut request, Scope::DebugRead, room, needs, Own::CANNOT_TELL);
        if let Ok(answer) = answer {
            prop_assert!(answer.response.len() <= room.max(48));
            prop_assert_eq!(answer.returned.len(), [0, 2, 1][which]);
        }
        prop_assert_eq!(io.seen().len(), 1);
    }

    #[test]
    fn a_mailbox_command_takes_any_answer(
        answer in either((number(), number(), vec(any::<u8>(), 0..96))), room in 0usize..80,
    ) {
        let io = Scripted::new([Step::Send(answer)]);
        let mailbox = MailboxCommand { command: GET_LSA, payload: &[0; 8], room, payload_max: None };
        let answer = send_typed(&io, file().as_fd(), &mailbox, None);
        prop_assert!(answer.is_err() || answer.unwrap().payload.len() <= room);
        prop_assert_eq!(io.seen().len(), 1);
    }

    #[test]
    fn a_query_takes_any_answer(
        count in either(number()), rows in either(vec((number(), number(), number(), number()), 0..80)),
    ) {
        let second = matches!(count, Ok(1..));
        let rows = rows.map(|rows| (0, rows.into_iter().map(|(a, b, c, d)| info(a, b, c, d)).collect()));
        let steps = [Step::Query(count.map(|it| (it, Vec::new()))), Step::Query(rows)];
        let io = Scripted::new(steps.into_iter().take(1 + usize::from(second)));
        if let Ok(commands) = query_commands(&io, file().as_fd()) {
            for id in 0..70 {
                let _ = commands.state(fwgate_wire::memdev::CommandId(id));
            }
        }
    }

    #[test]
    fn an_admin_command_takes_any_answer(
        answer in either((prop_oneof![0i32..64, any::<i32>()], any::<u64>(), vec(any::<u8>(), 0..96))),
        opcode: u8, nsid: u32, data in vec(any::<u8>(), 0..8), read_length in 0usize..80,
    ) {
        prop_assume!(answer != Err(Errno::NOTTY));
        let command =
            AdminCommand { opcode, nsid, cdw10: [0; 6], data: &data, read_length, wait: None };
        let direction = if opcode == 0x7f { nsid } else { opcode.into() } & 1 == 1;
        let wrong = if direction { read_length != 0 } else { !data.is_empty() };
        let io = Scripted::new((!wrong).then_some(Step::Admin(answer)));
        let known = NvmeKnown { driver_timeout: None, fabrics: Known::CannotTell };
        let answer = send_admin(&io, file().as_fd(), &command, &known, Own::CANNOT_TELL);
        if let Ok(answer) = answer {
            prop_assert!(!wrong);
            prop_assert!(answer.payload.is_empty() || answer.payload.len() == read_length);
        }
    }
}

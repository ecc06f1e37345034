// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands by the memdev ioctls of a played kernel.

use std::os::fd::AsFd;

use fwgate_wire::cxl::opcode::{self, Opcode};
use fwgate_wire::memdev::{CommandId, IDS, IdKind};
use rustix::io::Errno;

use super::scripted::{Scripted, Seen, Step, file, info};
use crate::path::memdev::{Commands, IdState, MailboxCommand, query_commands, send_typed};
use crate::path::{Answer, Cause, Refusal, Sent};
use crate::sys::memdev::Which;

fn command(command: Opcode, payload: &[u8], room: usize) -> MailboxCommand<'_> {
    MailboxCommand { command, payload, room, payload_max: Some(2048) }
}

fn send(io: &Scripted, mailbox: &MailboxCommand<'_>) -> Result<Answer, Refusal> {
    send_typed(io, file().as_fd(), mailbox, None)
}

fn answers(retval: u32, size: u32, bytes: &[u8]) -> Result<Answer, Refusal> {
    let io = Scripted::new([Step::Send(Ok((retval, size, bytes.to_vec())))]);
    send(&io, &command(opcode::GET_LSA, &[0; 8], 16))
}

/// What Linux 7.3 answers for a device with all commands, nvdimm bound.
fn rows() -> Vec<fwgate_wire::memdev::CommandInfo> {
    IDS.iter()
        .map(|row| match row.kind {
            IdKind::ByLog | IdKind::Always => {
                let exclusive = matches!(row.id.0, 10 | 14);
                info(row.id.0, if exclusive { 3 } else { 1 }, row.size_in, row.size_out)
            }
            IdKind::Raw => info(2, 0, u32::MAX, u32::MAX),
            IdKind::Invalid | IdKind::Deprecated => info(0, 0, 0, 0),
        })
        .collect()
}

fn queried(count: u32, rows: Vec<fwgate_wire::memdev::CommandInfo>) -> Result<Commands, Refusal> {
    let io = Scripted::new([Step::Query(Ok((count, Vec::new()))), Step::Query(Ok((count, rows)))]);
    query_commands(&io, file().as_fd())
}

#[test]
fn a_query_says_which_ids_are_enabled_exclusive_or_missing() {
    let commands = queried(25, rows()).unwrap();
    let state = |id| commands.state(CommandId(id));
    assert_eq!(
        (state(1), state(8), state(24)),
        (IdState::Enabled, IdState::Enabled, IdState::Enabled)
    );
    assert_eq!((state(10), state(14)), (IdState::Exclusive, IdState::Exclusive));
    assert_eq!(state(2), IdState::Disabled, "RAW is built, and no log enables it");
    for id in [0, 15, 16, 17, 19, 20, 25, u32::MAX] {
        assert_eq!(state(id), IdState::Missing);
    }
    let (row, state) = commands.carrying(opcode::SET_LSA).unwrap();
    assert_eq!((row.id, state), (CommandId(10), IdState::Exclusive));
    assert!(commands.carrying(opcode::GET_POISON_LIST).is_none());
}

#[test]
fn a_deprecated_id_is_missing_even_where_a_kernel_says_that_it_is_enabled() {
    let mut rows = rows();
    rows[15] = info(15, 1, 16, u32::MAX);
    assert_eq!(queried(25, rows).unwrap().state(CommandId(15)), IdState::Missing);
}

#[test]
fn a_query_asks_for_as_many_rows_as_there_are_and_no_more_than_64() {
    for (count, wanted) in [(20, 20), (25, 25), (64, 64), (65, 64), (u32::MAX, 64)] {
        let io =
            Scripted::new([Step::Query(Ok((count, Vec::new()))), Step::Query(Ok((0, rows())))]);
        query_commands(&io, file().as_fd()).unwrap();
        assert_eq!(io.seen(), [Seen::Query(0), Seen::Query(wanted)]);
    }
}

#[test]
fn rows_out_of_order_and_no_rows_are_errors() {
    let mut swapped = rows();
    swapped.swap(3, 4);
    assert_eq!(queried(25, swapped).unwrap_err().cause, Cause::Answer);
    let io = Scripted::new([Step::Query(Ok((0, Vec::new())))]);
    assert_eq!(query_commands(&io, file().as_fd()).unwrap_err().cause, Cause::Answer);
    let io = Scripted::new([Step::Query(Err(Errno::NXIO))]);
    let refusal = query_commands(&io, file().as_fd()).unwrap_err();
    assert_eq!((refusal.cause, refusal.sent), (Cause::Gone, Sent::No));
}

#[test]
fn a_command_goes_by_its_id_with_at_least_the_room_that_the_kernel_wants() {
    let io = Scripted::new([Step::Send(Ok((0, 0x43, vec![6; 0x43])))]);
    let answer = send(&io, &command(opcode::IDENTIFY_MEMORY_DEVICE, &[], 0)).unwrap();
    assert_eq!((answer.return_code, answer.payload.as_slice()), (0, &[6; 0x43][..]));
    let which = Which::Id(CommandId(1));
    assert_eq!(io.seen(), [Seen::Send { which, input: Vec::new(), room: 0x43 }]);
    let io = Scripted::new([Step::Send(Ok((0, 2, vec![6; 2])))]);
    send(&io, &command(opcode::GET_LSA, &[1; 8], usize::MAX)).unwrap();
    let which = Which::Id(CommandId(6));
    assert_eq!(io.seen(), [Seen::Send { which, input: vec![1; 8], room: 1 << 20 }]);
}

#[test]
fn no_opcode_without_an_id_is_sent_and_none_by_a_deprecated_one() {
    for command_set in (0..=u16::MAX).map(Opcode) {
        let carried = CommandId::carrying(command_set);
        if carried.is_none() {
            let refusal = send(&Scripted::new([]), &command(command_set, &[], 0)).unwrap_err();
            assert_eq!((refusal.cause, refusal.sent), (Cause::Here, Sent::No));
        }
    }
    assert!(CommandId::carrying(opcode::INJECT_POISON).is_none());
}

#[test]
fn an_answer_with_a_code_has_no_payload_whatever_the_kernel_says_of_it() {
    let answer = answers(0x15, 16, &[9; 16]).unwrap();
    assert_eq!((answer.return_code, answer.payload.len()), (0x15, 0));
    assert!(answers(1, 16, &[9; 16]).unwrap().background);
}

#[test]
fn a_reply_is_as_long_as_the_kernel_says_and_more_than_the_room_is_an_error() {
    assert_eq!(answers(0, 5, &[9; 16]).unwrap().payload.as_slice(), [9; 5]);
    assert_eq!(answers(0, 0, &[9; 16]).unwrap().payload.len(), 0);
    for size in [17, 1 << 20, u32::MAX] {
        let refusal = answers(0, size, &[9; 16]).unwrap_err();
        assert_eq!((refusal.cause, refusal.sent), (Cause::Answer, Sent::MayHave));
    }
}

#[test]
fn a_mailbox_of_all_ones_is_a_device_that_is_gone() {
    let refusal = answers(0xffff, 0, &[]).unwrap_err();
    assert_eq!((refusal.cause, refusal.sent), (Cause::Gone, Sent::MayHave));
    for retval in [0x1_0000, u32::MAX] {
        assert_eq!(answers(retval, 0, &[]).unwrap_err().cause, Cause::Answer);
    }
}

#[test]
fn input_that_no_mailbox_holds_is_refused_without_a_call() {
    let payload = vec![0; (1 << 20) + 1];
    let refusal = send(&Scripted::new([]), &command(opcode::SET_LSA, &payload, 0)).unwrap_err();
    assert_eq!((refusal.cause, refusal.sent), (Cause::Here, Sent::No));
}

#[test]
fn nothing_is_sent_twice_whatever_the_errno() {
    for errno in [Errno::INTR, Errno::BUSY, Errno::TIMEDOUT, Errno::NXIO, Errno::NOTTY] {
        let io = Scripted::new([Step::Send(Err(errno))]);
        let refusal = send(&io, &command(opcode::GET_LSA, &[0; 8], 16)).unwrap_err();
        assert_eq!((refusal.errno, io.seen().len()), (errno.raw_os_error(), 1));
    }
}

#[cfg(feature = "raw-commands")]
mod raw {
    use fwgate_policy::Known;

    use super::*;
    use crate::path::raw::send_by_raw;
    use crate::path::rule::memdev::RawKnown;

    const KNOWN: RawKnown =
        RawKnown { built: Known::Yes, locked_down: Known::No, allow_all: Known::No };

    #[test]
    fn a_vendor_command_goes_by_its_opcode_with_no_more_room_than_the_mailbox() {
        let io = Scripted::new([Step::Send(Ok((0, 3, vec![4; 3])))]);
        let mailbox = command(Opcode(0xc001), &[1, 2], usize::MAX);
        let answer = send_by_raw(&io, file().as_fd(), &mailbox, &KNOWN).unwrap();
        assert_eq!(answer.payload.as_slice(), [4; 3]);
        let which = Which::Raw(0xc001);
        assert_eq!(io.seen(), [Seen::Send { which, input: vec![1, 2], room: 2048 }]);
    }

    #[test]
    fn a_query_shows_whether_raw_is_built() {
        assert!(queried(25, rows()).unwrap().raw_built());
        let mut without = rows();
        without[2] = info(0, 0, 0, 0);
        assert!(!queried(25, without).unwrap().raw_built());
    }

    #[test]
    fn a_refusal_of_raw_is_one_call() {
        let io = Scripted::new([Step::Send(Err(Errno::PERM))]);
        let mailbox = command(opcode::SET_LSA, &[1, 2], 0);
        let refusal = send_by_raw(&io, file().as_fd(), &mailbox, &KNOWN).unwrap_err();
        assert_eq!((refusal.errno, refusal.sent), (1, Sent::No));
    }
}

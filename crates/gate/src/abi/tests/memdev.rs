// SPDX-License-Identifier: MIT OR Apache-2.0
//! CXL_MEM_QUERY_COMMANDS and CXL_MEM_SEND_COMMAND.

use fwgate_wire::memdev::{CommandId, IDS, SendCommand};
use zerocopy::{FromZeros as _, IntoBytes as _};

use super::super::memdev::*;
use super::*;
use crate::request::Message;

const QUERY: u32 = 0x8008_ce01;
const SEND: u32 = 0xc030_ce02;
const ARG: u64 = 0x1000;
const IN: u64 = 0x8000;
const OUT: u64 = 0x20_0000;
const HOLE: u64 = 0x666_0000;
const PAYLOAD: u32 = 512;

pub(super) struct Kernel {
    present: bool,
    disabled: Vec<u32>,
    exclusive: Vec<u32>,
    raw_built: bool,
    locked_down: bool,
    raw_allow_all: bool,
    warned: u32,
}

impl MemdevKernel for Kernel {
    fn present(&self) -> bool {
        self.present
    }
    fn payload_size(&self) -> u32 {
        PAYLOAD
    }
    fn enabled(&self, id: CommandId) -> bool {
        // RAW is no row of the log.
        !matches!(id.0, 0 | 2) && !self.disabled.contains(&id.0)
    }
    fn exclusive(&self, id: CommandId) -> bool {
        self.exclusive.contains(&id.0)
    }
    fn raw_built(&self) -> bool {
        self.raw_built
    }
    fn locked_down(&self) -> bool {
        self.locked_down
    }
    fn raw_allow_all(&self) -> bool {
        self.raw_allow_all
    }
    fn warn_raw(&mut self) {
        self.warned += 1;
    }
}

pub(super) fn kernel() -> Kernel {
    Kernel {
        present: true,
        disabled: vec![13],
        exclusive: vec![10, 14],
        raw_built: true,
        locked_down: false,
        raw_allow_all: false,
        warned: 0,
    }
}

fn command(id: u32, in_size: u32, out_size: u32) -> SendCommand {
    let mut command = SendCommand::new_zeroed();
    command.id = id.into();
    command.in_size = in_size.into();
    command.in_payload = IN.into();
    command.out_size = out_size.into();
    command.out_payload = OUT.into();
    command
}

fn raw(opcode: u16, in_size: u32, out_size: u32) -> SendCommand {
    let mut command = command(2, in_size, out_size);
    command.raw_opcode = opcode.into();
    command
}

fn memory(command: &SendCommand, input: &[u8]) -> Pieces {
    let out = vec![0xee; 8192];
    Pieces(vec![
        (ARG, command.as_bytes().to_vec(), true),
        (IN, input.to_vec(), false),
        (OUT, out, true),
    ])
}

fn send_of(command: &SendCommand, input: &[u8], kernel: &mut Kernel) -> Step<Ask> {
    call(Mode::Parity, SEND, ARG, &memory(command, input), kernel)
}

fn errno(command: &SendCommand, input: &[u8]) -> Option<Errno> {
    errno_of(send_of(command, input, &mut kernel()))
}

fn changed(mut command: SendCommand, change: impl FnOnce(&mut SendCommand)) -> SendCommand {
    change(&mut command);
    command
}

fn sent(memory: &Pieces) -> &SendCommand {
    SendCommand::parse(memory.bytes(ARG, 48)).unwrap()
}

#[test]
fn presence_comes_before_the_number() {
    let mut gone = Kernel { present: false, ..kernel() };
    assert_eq!(
        errno_of(call(Mode::Parity, 1, HOLE, &Pieces(vec![]), &mut gone)),
        Some(Errno::NXIO)
    );
    for number in [1, 0x9a00, 0x8008_ce02, 0x0000_ce01, 0xc030_ce03] {
        let errno = errno_of(call(Mode::Parity, number, HOLE, &Pieces(vec![]), &mut kernel()));
        assert_eq!(errno, Some(Errno::NOTTY), "{number:#x}");
    }
}

#[test]
fn a_query_of_0_says_25_and_any_other_does_not_write_its_count_back() {
    let query = |n: u32, room: usize| {
        let mut arg = n.to_ne_bytes().to_vec();
        arg.resize(room, 0xee);
        let mut memory = Pieces(vec![(ARG, arg, true)]);
        let Step::Reply(reply) = call(Mode::Parity, QUERY, ARG, &memory, &mut kernel()) else {
            panic!()
        };
        let result = reply.carry_out(&mut memory);
        (result, memory)
    };
    let (result, memory) = query(0, 4);
    assert_eq!((result, memory.bytes(ARG, 4)), (Ok(0), &25u32.to_ne_bytes()[..]));
    for (n, rows) in [(1, 1), (24, 24), (25, 25), (26, 25), (u32::MAX, 25)] {
        let (result, memory) = query(n, 8 + 16 * 26);
        assert_eq!((result, memory.bytes(ARG, 4)), (Ok(0), &n.to_ne_bytes()[..]));
        assert_eq!(memory.bytes(ARG + 8 + 16 * rows, 16), [0xee; 16], "a row too many for {n}");
        assert_ne!(memory.bytes(ARG + 8 + 16 * (rows - 1), 16), [0xee; 16]);
    }
    let (result, memory) = query(25, 8 + 16 + 8);
    assert_eq!(result, Err(Errno::FAULT));
    assert_eq!(
        memory.bytes(ARG + 24, 8),
        [1, 0, 0, 0, 1, 0, 0, 0],
        "what there was room for is written"
    );
    let memory = Pieces(vec![(ARG, vec![0; 3], true)]);
    assert_eq!(
        errno_of(call(Mode::Parity, QUERY, ARG, &memory, &mut kernel())),
        Some(Errno::FAULT)
    );
}

#[test]
fn rows_without_an_entry_are_zeros_and_the_others_have_their_flags() {
    let rows = |kernel: &mut Kernel| {
        let mut arg = 25u32.to_ne_bytes().to_vec();
        arg.resize(8 + 16 * 25, 0xee);
        let mut memory = Pieces(vec![(ARG, arg, true)]);
        let Step::Reply(reply) = call(Mode::Parity, QUERY, ARG, &memory, kernel) else { panic!() };
        reply.carry_out(&mut memory).unwrap();
        let flags = |id: u64| memory.bytes(ARG + 8 + 16 * id + 4, 1)[0];
        let zeros: Vec<u64> =
            (0..25).filter(|id| memory.bytes(ARG + 8 + 16 * id, 16) == [0; 16]).collect();
        (zeros, [1, 2, 10, 13, 14].map(flags))
    };
    assert_eq!(rows(&mut kernel()), (vec![0, 15, 16, 17, 19, 20], [1, 0, 3, 0, 3]));
    let mut without = Kernel { raw_built: false, ..kernel() };
    assert_eq!(rows(&mut without).0, [0, 2, 15, 16, 17, 19, 20]);
}

#[test]
fn each_check_of_a_send_by_id_beats_those_after_it() {
    // Everything is wrong with it; then one thing less each time.
    let mut worst = command(25, PAYLOAD + 1, 0);
    worst.flags = 4.into();
    worst.raw_opcode = 1.into();
    worst.in_reserved = 1.into();
    let mut kernel = Kernel { disabled: vec![9], exclusive: vec![9], ..kernel() };
    let mut run =
        |command: &SendCommand, input: &[u8]| errno_of(send_of(command, input, &mut kernel));
    assert_eq!(run(&worst, &[]), Some(Errno::NOTTY), "no such id");
    worst.id = 0.into();
    assert_eq!(run(&worst, &[]), Some(Errno::NOTTY), "id 0");
    worst.id = 9.into();
    assert_eq!(run(&worst, &[]), Some(Errno::INVAL), "input above the payload");
    worst.in_size = 9.into();
    assert_eq!(run(&worst, &[]), Some(Errno::INVAL), "flags");
    worst.flags = 3.into();
    assert_eq!(run(&worst, &[]), Some(Errno::INVAL), "the union");
    worst.raw_opcode = 0.into();
    assert_eq!(run(&worst, &[]), Some(Errno::INVAL), "input reserved");
    worst.in_reserved = 0.into();
    worst.out_reserved = 1.into();
    assert_eq!(run(&worst, &[]), Some(Errno::INVAL), "output reserved");
    worst.out_reserved = 0.into();
    assert_eq!(run(&worst, &[]), Some(Errno::NOTTY), "not enabled");
    kernel.disabled.clear();
    let mut run =
        |command: &SendCommand, input: &[u8]| errno_of(send_of(command, input, &mut kernel));
    assert_eq!(run(&worst, &[]), Some(Errno::BUSY), "exclusive");
    kernel.exclusive.clear();
    let mut run =
        |command: &SendCommand, input: &[u8]| errno_of(send_of(command, input, &mut kernel));
    assert_eq!(run(&worst, &[]), Some(Errno::NOMEM), "input of another size");
    worst.in_size = 10.into();
    assert_eq!(run(&worst, &[0; 9]), Some(Errno::FAULT), "input that is not there");
    let immediate = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    assert_eq!(run(&worst, &immediate), Some(Errno::BUSY), "input that is not allowed");
    assert_eq!(run(&worst, &[0; 10]), None);
    let health = command(7, 0, 0x11);
    assert_eq!(run(&health, &[]), Some(Errno::NOMEM), "output below the fixed size");
    assert_eq!(run(&command(7, 0, u32::MAX), &[]), None, "output far above it");
}

#[test]
fn a_structure_that_ends_is_a_fault_before_anything_else() {
    let mut memory = memory(&command(99, 0, 0), &[]);
    memory.0[0].1.pop();
    assert_eq!(errno_of(call(Mode::Parity, SEND, ARG, &memory, &mut kernel())), Some(Errno::FAULT));
}

#[test]
fn deprecated_ids_are_not_there_whatever_is_enabled() {
    for id in [15, 16, 17, 19, 20] {
        assert_eq!(errno(&command(id, 0, 0), &[]), Some(Errno::NOTTY), "{id}");
    }
    assert_eq!(
        errno(&changed(command(15, 0, 0), |it| it.flags = 4.into()), &[]),
        Some(Errno::INVAL)
    );
}

#[test]
fn each_id_goes_to_its_opcode() {
    for row in &IDS {
        let (size_in, size_out) =
            (if row.size_in == u32::MAX { 4 } else { row.size_in }, row.size_out.min(PAYLOAD));
        let mut input = vec![0; size_in as usize];
        if row.id.0 == 23 {
            input.copy_from_slice(fwgate_wire::cxl::logs::log_uuid::VENDOR_DEBUG.as_bytes());
        }
        let step = send_of(&command(row.id.0, size_in, size_out), &input, &mut kernel());
        match row.id.0 {
            0 | 13 | 15 | 16 | 17 | 19 | 20 => assert_eq!(errno_of(step), Some(Errno::NOTTY)),
            10 | 14 => assert_eq!(errno_of(step), Some(Errno::BUSY)),
            id => {
                let Step::Ask(ask) = step else { panic!("{id}: {step:?}") };
                assert_eq!((ask.by(), ask.room()), (row.id, size_out));
                let Message::Cxl { opcode, payload } = ask.message() else { panic!() };
                assert_eq!(*opcode, row.opcode.map_or(0, |opcode| opcode.0));
                assert_eq!(payload, &input);
            }
        }
    }
}

#[test]
fn an_empty_slot_that_a_log_row_of_opcode_0_enabled_is_opcode_0() {
    struct Zero(Kernel);
    impl MemdevKernel for Zero {
        fn present(&self) -> bool {
            true
        }
        fn payload_size(&self) -> u32 {
            PAYLOAD
        }
        fn enabled(&self, id: CommandId) -> bool {
            id.0 == 0
        }
        fn exclusive(&self, _: CommandId) -> bool {
            false
        }
        fn raw_built(&self) -> bool {
            self.0.raw_built
        }
        fn locked_down(&self) -> bool {
            false
        }
        fn raw_allow_all(&self) -> bool {
            false
        }
        fn warn_raw(&mut self) {}
    }
    let memory = memory(&command(15, 0, 0), &[]);
    let step = call(Mode::Parity, SEND, ARG, &memory, &mut Zero(kernel()));
    let Step::Ask(ask) = step else { panic!("{step:?}") };
    assert!(matches!(ask.message(), Message::Cxl { opcode: 0, .. }));
}

#[test]
fn each_check_of_a_raw_send_beats_those_after_it() {
    let mut worst = raw(0x4300, PAYLOAD + 1, PAYLOAD + 1);
    worst.raw_reserved = 1.into();
    let mut kernel = kernel();
    let mut run = |command: &SendCommand, input: &[u8]| {
        let errno = errno_of(send_of(command, input, &mut kernel));
        (errno, kernel.warned)
    };
    assert_eq!(run(&worst, &[]), (Some(Errno::INVAL), 0), "input above the payload");
    worst.in_size = 4.into();
    assert_eq!(run(&worst, &[]), (Some(Errno::INVAL), 0), "reserved");
    worst.raw_reserved = 0.into();
    assert_eq!(run(&worst, &[]), (Some(Errno::INVAL), 0), "output above the payload");
    worst.out_size = PAYLOAD.into();
    assert_eq!(run(&worst, &[]), (Some(Errno::PERM), 0), "not allowed");
    worst.raw_opcode = 0x4000.into();
    assert_eq!(
        run(&worst, &[]),
        (Some(Errno::FAULT), 1),
        "input that is not there; warned all the same"
    );
    worst.flags = u32::MAX.into();
    worst.in_reserved = 1.into();
    worst.out_reserved = 1.into();
    assert_eq!(run(&worst, &[0; 4]), (None, 2), "flags and reserved words are not looked at");
}

#[test]
fn raw_carries_all_but_the_sets_and_opcodes_that_are_listed() {
    let refused: Vec<u16> = (0..=u16::MAX)
        .filter(|opcode| errno(&raw(*opcode, 0, 0), &[]).is_some())
        .filter(|opcode| !(0x4400..0x4700).contains(opcode))
        .collect();
    assert_eq!(
        refused,
        [
            0x0202, 0x0500, 0x0501, 0x0502, 0x4101, 0x4103, 0x4204, 0x4300, 0x4301, 0x4302, 0x4304,
            0x4305
        ]
    );
    for opcode in 0x4400..0x4700 {
        assert_eq!(errno(&raw(opcode, 0, 0), &[]), Some(Errno::PERM));
    }
}

#[test]
fn lockdown_and_a_build_without_raw_refuse_all_and_debugfs_lets_all_pass() {
    for opcode in [0x4000, 0x4300, 0x4400] {
        let with = |kernel: Kernel| {
            let mut kernel = kernel;
            errno_of(send_of(&raw(opcode, 0, 0), &[], &mut kernel))
        };
        assert_eq!(with(Kernel { raw_allow_all: true, ..kernel() }), None);
        for kernel in [
            Kernel { raw_allow_all: true, locked_down: true, ..kernel() },
            Kernel { raw_allow_all: true, raw_built: false, ..kernel() },
        ] {
            assert_eq!(with(kernel), Some(Errno::PERM));
        }
    }
}

#[test]
fn payloads_are_looked_at_for_partition_and_log_on_both_ways() {
    let mut all = Kernel { raw_allow_all: true, ..kernel() };
    let mut raw_send = |opcode, input: &[u8]| {
        errno_of(send_of(&raw(opcode, length32(input.len()), 0), input, &mut all))
    };
    let debug = fwgate_wire::cxl::logs::log_uuid::VENDOR_DEBUG;
    let busy = Some(Errno::BUSY);
    assert_eq!(raw_send(0x4101, &[0; 8]), busy, "partition too short");
    assert_eq!(raw_send(0x4101, &[0; 9]), None);
    assert_eq!(raw_send(0x4101, &[0, 0, 0, 0, 0, 0, 0, 0, 3]), busy, "immediate");
    assert_eq!(raw_send(0x4101, &[]), None, "nothing at all is not looked at");
    assert_eq!(raw_send(0x0403, &debug.as_bytes()[..15]), busy);
    assert_eq!(raw_send(0x0403, &[0; 16]), busy);
    assert_eq!(raw_send(0x0403, debug.as_bytes()), None);
    assert_eq!(errno(&command(23, 16, 0), &[0; 16]), busy);
}

#[test]
fn a_reply_is_written_before_the_structure_and_says_its_length_and_code() {
    let mut memory = memory(&command(7, 0, 4096), &[]);
    let Step::Ask(ask) = call(Mode::Parity, SEND, ARG, &memory, &mut kernel()) else { panic!() };
    assert_eq!(ask.room(), PAYLOAD);
    let Step::Reply(reply) = ask.answer(Answer::of_pci(0, vec![5; 18], PAYLOAD)) else { panic!() };
    assert_eq!(reply.carry_out(&mut memory), Ok(0));
    let after = sent(&memory);
    assert_eq!((after.retval.get(), after.out_size.get()), (0, 18));
    assert_eq!(memory.bytes(OUT, 19), [&[5; 18][..], &[0xee]].concat());
}

#[test]
fn a_device_error_comes_with_the_whole_room_of_zeros() {
    let mut memory = memory(&command(7, 0, 64), &[]);
    let Step::Ask(ask) = call(Mode::Parity, SEND, ARG, &memory, &mut kernel()) else { panic!() };
    let answer = Answer::of_pci(3, vec![5; 18], ask.room());
    let Step::Reply(reply) = ask.answer(answer) else { panic!() };
    assert_eq!(reply.carry_out(&mut memory), Ok(0));
    assert_eq!((sent(&memory).retval.get(), sent(&memory).out_size.get()), (3, 64));
    assert_eq!(memory.bytes(OUT, 65), [&[0; 64][..], &[0xee]].concat());
}

#[test]
fn the_structure_wins_where_the_reply_lies_over_it() {
    let mut memory =
        memory(&changed(command(7, 0, 18), |it| it.out_payload = (ARG + 8).into()), &[]);
    let Step::Ask(ask) = call(Mode::Parity, SEND, ARG, &memory, &mut kernel()) else { panic!() };
    let Step::Reply(reply) = ask.answer(Answer::of_pci(0, vec![0xaa; 18], 18)) else { panic!() };
    assert_eq!(reply.carry_out(&mut memory), Ok(0));
    assert_eq!((sent(&memory).in_size.get(), sent(&memory).raw_opcode.get()), (0, 0));
}

#[test]
fn transport_errors_are_passed_on_and_nothing_is_written() {
    for errno in [Errno::BUSY, Errno::TIMEDOUT] {
        let Step::Ask(ask) = send_of(&command(7, 0, 18), &[], &mut kernel()) else { panic!() };
        assert_eq!(errno_of(ask.answer(Answer::Errno(errno))), Some(errno));
    }
}

#[test]
fn serving_leaves_raw_to_the_judge_and_refuses_more_than_it_carries() {
    let serve = |command: &SendCommand, most: u32| {
        call(Mode::Serve { most }, SEND, ARG, &memory(command, &[]), &mut kernel())
    };
    let Step::Ask(ask) = serve(&raw(0x4300, 0, PAYLOAD), 128 << 10) else { panic!() };
    assert_eq!(ask.by(), CommandId::RAW);
    assert_eq!(errno_of(serve(&raw(0x4300, 0, PAYLOAD + 1), 128 << 10)), Some(Errno::INVAL));
    assert_eq!(errno_of(serve(&raw(0x4300, 0, PAYLOAD), 100)), Some(Errno::MSGSIZE));
}

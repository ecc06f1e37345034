// SPDX-License-Identifier: MIT OR Apache-2.0
//! The mailbox driver against a script of expected register accesses.
//!
//! Each test lists every access in order. An access that differs fails the test at once; a script that
//! is not used up fails it at the end.

use fwgate_wire::cxl::mailbox::{POLL_PAUSE_US, SEND_TIMEOUT_US};
use fwgate_wire::cxl::registers::{EventStatus, MediaStatus};
use fwgate_wire::cxl::{
    Clock, DeviceBlocks, DiscoverError, Mailbox, MailboxError, Opcode, Registers, Reply, ReturnCode,
};
use std::collections::VecDeque;

/// One expected access and its answer.
#[derive(Debug)]
enum Access {
    Read32(u32, u32),
    Write32(u32, u32),
    Read64(u32, u64),
    Write64(u32, u64),
    ReadBytes(u32, Vec<u8>),
    WriteBytes(u32, Vec<u8>),
    Fail,
}
use Access::{Fail, Read32, Read64, ReadBytes, Write32, Write64, WriteBytes};

#[derive(Debug, PartialEq, Eq)]
struct Unplugged;

struct Script {
    accesses: VecDeque<Access>,
    block_length: Option<u32>,
}

impl Script {
    fn new(accesses: impl IntoIterator<Item = Access>) -> Self {
        Self { accesses: accesses.into_iter().collect(), block_length: Some(0x1000) }
    }

    fn next(&mut self, found: &str) -> Access {
        self.accesses
            .pop_front()
            .unwrap_or_else(|| panic!("unexpected access after the end: {found}"))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.accesses.is_empty(), "accesses not made: {:x?}", self.accesses);
        }
    }
}

impl Registers for Script {
    type Error = Unplugged;

    fn read32(&mut self, offset: u32) -> Result<u32, Unplugged> {
        match self.next("read32") {
            Read32(at, value) if at == offset => Ok(value),
            Fail => Err(Unplugged),
            other => panic!("read32 {offset:#x}, script has {other:x?}"),
        }
    }

    fn write32(&mut self, offset: u32, value: u32) -> Result<(), Unplugged> {
        match self.next("write32") {
            Write32(at, expected) if (at, expected) == (offset, value) => Ok(()),
            Fail => Err(Unplugged),
            other => panic!("write32 {offset:#x} {value:#x}, script has {other:x?}"),
        }
    }

    fn read64(&mut self, offset: u32) -> Result<u64, Unplugged> {
        match self.next("read64") {
            Read64(at, value) if at == offset => Ok(value),
            Fail => Err(Unplugged),
            other => panic!("read64 {offset:#x}, script has {other:x?}"),
        }
    }

    fn write64(&mut self, offset: u32, value: u64) -> Result<(), Unplugged> {
        match self.next("write64") {
            Write64(at, expected) if (at, expected) == (offset, value) => Ok(()),
            Fail => Err(Unplugged),
            other => panic!("write64 {offset:#x} {value:#x}, script has {other:x?}"),
        }
    }

    fn read_bytes(&mut self, offset: u32, out: &mut [u8]) -> Result<(), Unplugged> {
        match self.next("read_bytes") {
            ReadBytes(at, bytes) if at == offset && bytes.len() == out.len() => {
                out.copy_from_slice(&bytes);
                Ok(())
            }
            Fail => Err(Unplugged),
            other => panic!("read_bytes {offset:#x} {}, script has {other:x?}", out.len()),
        }
    }

    fn write_bytes(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Unplugged> {
        match self.next("write_bytes") {
            WriteBytes(at, expected) if at == offset && expected == bytes => Ok(()),
            Fail => Err(Unplugged),
            other => panic!("write_bytes {offset:#x} {bytes:x?}, script has {other:x?}"),
        }
    }

    fn block_length(&self) -> Option<u32> {
        self.block_length
    }
}

#[derive(Default)]
struct Ticks(u64);

impl Clock for Ticks {
    fn now_us(&mut self) -> u64 {
        self.0
    }

    fn pause(&mut self, us: u64) {
        self.0 += us;
    }
}

// The layout of the test device: device status 80h, mailbox 88h, memory device status after it.
const MAILBOX: u32 = 0x88;
const CONTROL: u32 = MAILBOX + 0x04;
const COMMAND: u32 = MAILBOX + 0x08;
const STATUS: u32 = MAILBOX + 0x10;
const BACKGROUND: u32 = MAILBOX + 0x18;
const PAYLOAD: u32 = MAILBOX + 0x20;
const MEMORY_STATUS: u32 = MAILBOX + 0x20 + 256;
const READY: u64 = 0b1_0100;

fn array(count: u64) -> Access {
    Read64(0, count << 32 | 1 << 16)
}

fn header(index: u32, id: u32, offset: u32, length: u32) -> [Access; 3] {
    let at = index * 0x10;
    [Read32(at, 1 << 16 | id), Read32(at + 4, offset), Read32(at + 8, length)]
}

fn device() -> Vec<Access> {
    let mut accesses = vec![array(4)];
    accesses.extend(header(1, 0x0001, 0x80, 8));
    accesses.push(Read32(0x20, 0x8001)); // a vendor capability, skipped
    accesses.extend(header(3, 0x0002, MAILBOX, 0x20 + 256));
    accesses.extend(header(4, 0x4000, MEMORY_STATUS, 8));
    accesses
}

fn opening() -> Vec<Access> {
    vec![Read64(MEMORY_STATUS, READY), Read32(CONTROL, 0), Read32(MAILBOX, 8)]
}

fn discovered() -> DeviceBlocks {
    DeviceBlocks::discover(&mut Script::new(device())).unwrap()
}

fn opened() -> Mailbox {
    Mailbox::open(&mut Script::new(opening()), &mut Ticks::default(), &discovered(), 1000).unwrap()
}

const OPCODE: Opcode = Opcode(0x0401);

fn command(length: u64) -> u64 {
    length << 16 | u64::from(OPCODE.0)
}

fn send(
    accesses: impl IntoIterator<Item = Access>,
    input: &[u8],
    out: &mut [u8],
) -> Result<Reply, MailboxError<Unplugged>> {
    let mut script = Script::new(accesses);
    opened().send(&mut script, &mut Ticks::default(), OPCODE, input, out, SEND_TIMEOUT_US)
}

#[test]
fn discovery_finds_the_three_blocks_and_skips_vendor_ones() {
    let blocks = discovered();
    assert_eq!((blocks.device_status().offset(), blocks.device_status().length()), (0x80, 8));
    assert_eq!((blocks.mailbox().offset(), blocks.mailbox().length()), (0x88, 0x120));
    assert_eq!(blocks.memory_device_status().offset(), 0x1a8);
}

fn discovery_error(accesses: impl IntoIterator<Item = Access>) -> DiscoverError<Unplugged> {
    DeviceBlocks::discover(&mut Script::new(accesses)).unwrap_err()
}

#[test]
fn discovery_refuses_what_is_no_capability_array() {
    assert_eq!(discovery_error([Read64(0, u64::MAX)]), DiscoverError::Gone);
    assert_eq!(discovery_error([Fail]), DiscoverError::Register(Unplugged));
    assert_eq!(discovery_error([Read64(0, 5)]), DiscoverError::NoArray { id: 5 });
    assert_eq!(discovery_error([array(257)]), DiscoverError::TooMany { count: 257, limit: 256 });
    assert_eq!(discovery_error([array(0)]), DiscoverError::Missing { id: 1 });
    assert_eq!(discovery_error([array(1), Read32(0x10, u32::MAX)]), DiscoverError::Gone);
}

fn one_header(id: u32, offset: u32, length: u32) -> DiscoverError<Unplugged> {
    discovery_error([array(1)].into_iter().chain(header(1, id, offset, length)))
}

#[test]
fn discovery_refuses_blocks_out_of_bounds() {
    let bounds = |id, offset, length| DiscoverError::OutOfBounds { id, offset, length };
    assert_eq!(one_header(1, 0xff8, 16), bounds(1, 0xff8, 16));
    assert_eq!(one_header(1, 0xffff_fff8, 8), bounds(1, 0xffff_fff8, 8));
    assert_eq!(one_header(1, 0x18, 8), bounds(1, 0x18, 8)); // inside the headers
    // The last byte of the register block is still inside.
    assert_eq!(one_header(1, 0xff8, 8), DiscoverError::Missing { id: 2 });
    assert_eq!(one_header(1, 0x24, 8), DiscoverError::Misaligned { id: 1, offset: 0x24 });
    assert_eq!(
        one_header(2, 0x80, 0x11f),
        DiscoverError::TooShort { id: 2, length: 0x11f, need: 0x120 }
    );
    assert_eq!(
        one_header(0x4000, 0x80, 7),
        DiscoverError::TooShort { id: 0x4000, length: 7, need: 8 }
    );
}

#[test]
fn discovery_without_a_known_length_still_refuses_a_wrap() {
    let mut script = Script::new([array(1)].into_iter().chain(header(1, 1, 0xffff_fff8, 16)));
    script.block_length = None;
    assert_eq!(
        DeviceBlocks::discover(&mut script),
        Err(DiscoverError::OutOfBounds { id: 1, offset: 0xffff_fff8, length: 16 })
    );
}

#[test]
fn no_capability_header_outside_the_register_block_is_read() {
    let outside = |block_length, accesses: Vec<Access>| {
        let mut script = Script::new(accesses);
        script.block_length = Some(block_length);
        DeviceBlocks::discover(&mut script).unwrap_err()
    };
    // Not even the array fits.
    let error = outside(8, Vec::new());
    assert_eq!(error, DiscoverError::HeadersOutside { end: 0x10, block_length: 8 });
    // The array does, its headers do not: no header is read.
    let error = outside(0x3f, vec![array(3)]);
    assert_eq!(error, DiscoverError::HeadersOutside { end: 0x40, block_length: 0x3f });
    let error = outside(0x20, vec![array(1), Read32(0x10, u32::MAX)]);
    assert_eq!(error, DiscoverError::Gone);
}

#[test]
fn discovery_takes_blocks_that_touch_in_either_order() {
    let mut accesses = vec![array(3)];
    accesses.extend(header(1, 0x0001, 0x1a8, 8));
    accesses.extend(header(2, 0x0002, 0x88, 0x120));
    accesses.extend(header(3, 0x4000, 0x80, 8));
    let blocks = DeviceBlocks::discover(&mut Script::new(accesses)).unwrap();
    assert_eq!(blocks.device_status().offset(), blocks.mailbox().offset() + 0x120);
}

#[test]
fn discovery_refuses_overlapping_and_repeated_blocks() {
    let mut accesses = vec![array(3)];
    accesses.extend(header(1, 0x0001, 0x80, 16));
    accesses.extend(header(2, 0x0002, 0x88, 0x120));
    accesses.extend(header(3, 0x4000, 0x800, 8));
    assert_eq!(discovery_error(accesses), DiscoverError::Overlap { first: 1, second: 2 });

    let mut accesses = vec![array(2)];
    accesses.extend(header(1, 0x0001, 0x80, 8));
    accesses.push(Read32(0x20, 1));
    assert_eq!(discovery_error(accesses), DiscoverError::Repeated { id: 1, index: 2 });
}

fn open(accesses: impl IntoIterator<Item = Access>) -> Result<Mailbox, MailboxError<Unplugged>> {
    let deadline = 2 * POLL_PAUSE_US;
    Mailbox::open(&mut Script::new(accesses), &mut Ticks::default(), &discovered(), deadline)
}

#[test]
fn opening_waits_for_ready_and_for_the_doorbell() {
    let mailbox = open([
        Read64(MEMORY_STATUS, 0),
        Read64(MEMORY_STATUS, READY),
        Read32(CONTROL, 1),
        Read32(CONTROL, 0),
        Read32(MAILBOX, 8),
    ])
    .unwrap();
    assert_eq!(mailbox.payload_size(), 256);
}

#[test]
fn opening_refuses_a_device_that_cannot_work() {
    let not_ready = || Read64(MEMORY_STATUS, 4);
    let ready = || Read64(MEMORY_STATUS, READY);
    let busy = || Read32(CONTROL, 1);
    assert_eq!(open([not_ready(), not_ready(), not_ready()]), Err(MailboxError::NotReady));
    assert_eq!(open([ready(), busy(), busy(), busy()]), Err(MailboxError::Busy));
    assert_eq!(open([Read64(MEMORY_STATUS, READY | 1)]), Err(MailboxError::Fatal));
    assert_eq!(open([Read64(MEMORY_STATUS, READY | 2)]), Err(MailboxError::FirmwareHalt));
    assert_eq!(open([Read64(MEMORY_STATUS, u64::MAX)]), Err(MailboxError::Gone));
    assert_eq!(open([ready(), Read32(CONTROL, u32::MAX)]), Err(MailboxError::Gone));
    assert_eq!(
        open([ready(), Read32(CONTROL, 0), Read32(MAILBOX, 7)]),
        Err(MailboxError::PayloadTooSmall { log2: 7 })
    );
    assert_eq!(
        open([ready(), Read32(CONTROL, 0), Read32(MAILBOX, 9)]),
        Err(MailboxError::PayloadBeyondBlock { length: 0x120, payload_size: 512 })
    );
}

#[test]
fn a_send_follows_the_kernels_sequence() {
    let mut out = [0; 4];
    let reply = send(
        [
            Read32(CONTROL, 0b100),
            WriteBytes(PAYLOAD, vec![1, 2, 3]),
            Write64(COMMAND, command(3)),
            Write32(CONTROL, 0b101), // the background interrupt stays enabled
            Read32(CONTROL, 0b101),
            Read32(CONTROL, 0b100),
            Read64(STATUS, 0x1234 << 48),
            Read64(COMMAND, command(4)),
            ReadBytes(PAYLOAD, vec![9, 8, 7, 6]),
        ],
        &[1, 2, 3],
        &mut out,
    );
    assert_eq!(
        reply,
        Ok(Reply {
            opcode_echo: OPCODE,
            return_code: ReturnCode::SUCCESS,
            vendor_status: 0x1234,
            length: 4,
            copied: 4,
        })
    );
    assert_eq!(out, [9, 8, 7, 6]);
}

/// The accesses up to the cleared doorbell of a command without input.
fn sent() -> Vec<Access> {
    vec![Read32(CONTROL, 0), Write64(COMMAND, command(0)), Write32(CONTROL, 1), Read32(CONTROL, 0)]
}

fn sent_then(rest: impl IntoIterator<Item = Access>) -> Vec<Access> {
    sent().into_iter().chain(rest).collect()
}

#[test]
fn a_reply_longer_than_the_room_is_cut_and_says_so() {
    let mut out = [0; 2];
    let reply = send(
        sent_then([
            Read64(STATUS, 0),
            Read64(COMMAND, command(256)),
            ReadBytes(PAYLOAD, vec![5, 6]),
        ]),
        &[],
        &mut out,
    )
    .unwrap();
    assert_eq!((reply.length, reply.copied, out), (256, 2, [5, 6]));
}

#[test]
fn a_reply_shorter_than_the_room_leaves_the_rest_untouched() {
    let mut out = [0xaa; 4];
    let reply = send(
        sent_then([Read64(STATUS, 0), Read64(COMMAND, command(1)), ReadBytes(PAYLOAD, vec![5])]),
        &[],
        &mut out,
    )
    .unwrap();
    assert_eq!((reply.length, reply.copied, out), (1, 1, [5, 0xaa, 0xaa, 0xaa]));
}

#[test]
fn no_payload_is_read_when_there_is_no_output_or_no_room() {
    let reply = send(sent_then([Read64(STATUS, 0), Read64(COMMAND, command(0))]), &[], &mut [0; 4])
        .unwrap();
    assert_eq!((reply.length, reply.copied), (0, 0));
    let reply =
        send(sent_then([Read64(STATUS, 0), Read64(COMMAND, command(8))]), &[], &mut []).unwrap();
    assert_eq!((reply.length, reply.copied), (8, 0));
}

#[test]
fn a_device_error_is_a_reply_and_its_length_is_not_believed() {
    let reply = send(
        sent_then([Read64(STATUS, 0x17 << 32), Read64(COMMAND, command(0x1f_ffff))]),
        &[],
        &mut [0; 4],
    )
    .unwrap();
    assert_eq!(reply.return_code, ReturnCode::INVALID_LOG);
    assert_eq!((reply.length, reply.copied), (0, 0));
}

#[test]
fn a_background_start_is_a_reply() {
    let reply =
        send(sent_then([Read64(STATUS, 1 << 32 | 1), Read64(COMMAND, command(0))]), &[], &mut [])
            .unwrap();
    assert_eq!(reply.return_code, ReturnCode::BACKGROUND_STARTED);
}

#[test]
fn a_stuck_doorbell_before_the_send_is_busy_and_nothing_is_written() {
    let stuck = |status| [Read32(CONTROL, 1), Read64(MEMORY_STATUS, status)];
    assert_eq!(send(stuck(READY), &[1], &mut []), Err(MailboxError::Busy));
    assert_eq!(send(stuck(READY | 1), &[1], &mut []), Err(MailboxError::Fatal));
    assert_eq!(send(stuck(READY | 2), &[1], &mut []), Err(MailboxError::FirmwareHalt));
}

/// A device that takes the command and never clears the doorbell.
struct Never {
    control: u32,
    memory_status: u64,
}

impl Registers for Never {
    type Error = Unplugged;
    fn read32(&mut self, offset: u32) -> Result<u32, Unplugged> {
        assert_eq!(offset, CONTROL);
        Ok(self.control)
    }
    fn write32(&mut self, offset: u32, value: u32) -> Result<(), Unplugged> {
        assert_eq!(offset, CONTROL);
        self.control = value;
        Ok(())
    }
    fn read64(&mut self, offset: u32) -> Result<u64, Unplugged> {
        assert_eq!(offset, MEMORY_STATUS);
        Ok(self.memory_status)
    }
    fn write64(&mut self, _: u32, _: u64) -> Result<(), Unplugged> {
        Ok(())
    }
    fn read_bytes(&mut self, _: u32, _: &mut [u8]) -> Result<(), Unplugged> {
        panic!("no payload to read")
    }
    fn write_bytes(&mut self, _: u32, _: &[u8]) -> Result<(), Unplugged> {
        Ok(())
    }
}

#[test]
fn a_doorbell_that_never_clears_times_out_at_the_deadline() {
    for (memory_status, expected) in [
        (READY, MailboxError::Timeout),
        (READY | 1, MailboxError::Fatal),
        (READY | 2, MailboxError::FirmwareHalt),
    ] {
        let mut device = Never { control: 0, memory_status };
        let mut clock = Ticks(5);
        let deadline = 5 + SEND_TIMEOUT_US;
        let mut mailbox = opened();
        let result = mailbox.send(&mut device, &mut clock, OPCODE, &[], &mut [], deadline);
        assert_eq!(result, Err(expected));
        assert_eq!(clock.0, deadline);
    }
}

#[test]
fn after_a_timeout_the_next_send_is_busy() {
    let mut device = Never { control: 0, memory_status: READY };
    let mut clock = Ticks::default();
    let mut mailbox = opened();
    for expected in [MailboxError::Timeout, MailboxError::Busy] {
        let result = mailbox.send(&mut device, &mut clock, OPCODE, &[], &mut [], 100);
        assert_eq!(result, Err(expected));
    }
}

#[test]
fn a_length_beyond_the_payload_is_refused_and_nothing_is_copied() {
    let mut out = [0xaa; 300];
    let result = send(sent_then([Read64(STATUS, 0), Read64(COMMAND, command(257))]), &[], &mut out);
    let expected = MailboxError::LengthBeyondPayload { length: 257, payload_size: 256 };
    assert_eq!(result, Err(expected));
    assert_eq!(out, [0xaa; 300]);
}

#[test]
fn another_opcode_in_the_command_register_is_refused() {
    let result = send(sent_then([Read64(STATUS, 0), Read64(COMMAND, 0x4400)]), &[], &mut [0; 4]);
    assert_eq!(result, Err(MailboxError::WrongOpcode { sent: OPCODE, found: Opcode(0x4400) }));
}

#[test]
fn a_device_that_vanishes_is_gone_wherever_it_happens() {
    assert_eq!(send([Read32(CONTROL, u32::MAX)], &[], &mut []), Err(MailboxError::Gone));
    let mut accesses = sent();
    accesses[3] = Read32(CONTROL, u32::MAX);
    assert_eq!(send(accesses, &[], &mut []), Err(MailboxError::Gone));
    assert_eq!(send(sent_then([Read64(STATUS, u64::MAX)]), &[], &mut []), Err(MailboxError::Gone));
    assert_eq!(
        send(sent_then([Read64(STATUS, 0), Read64(COMMAND, u64::MAX)]), &[], &mut []),
        Err(MailboxError::Gone)
    );
}

#[test]
fn a_failed_access_ends_the_send_wherever_it_happens() {
    let whole = || {
        vec![
            Read32(CONTROL, 0),
            WriteBytes(PAYLOAD, vec![7]),
            Write64(COMMAND, command(1)),
            Write32(CONTROL, 1),
            Read32(CONTROL, 0),
            Read64(STATUS, 0),
            Read64(COMMAND, command(1)),
            ReadBytes(PAYLOAD, vec![8]),
        ]
    };
    for step in 0..whole().len() {
        let mut accesses = whole();
        accesses.truncate(step);
        accesses.push(Fail);
        let result = send(accesses, &[7], &mut [0]);
        assert_eq!(result, Err(MailboxError::Register(Unplugged)), "step {step}");
    }
}

#[test]
fn input_longer_than_the_payload_never_reaches_the_device() {
    assert_eq!(
        send([], &[0; 257], &mut []),
        Err(MailboxError::InputTooLong { length: 257, payload_size: 256 })
    );
    let full = vec![3; 256];
    let accesses = [
        Read32(CONTROL, 0),
        WriteBytes(PAYLOAD, full.clone()),
        Write64(COMMAND, command(256)),
        Write32(CONTROL, 1),
        Read32(CONTROL, 0),
        Read64(STATUS, 0),
        Read64(COMMAND, command(0)),
    ];
    assert!(send(accesses, &full, &mut []).is_ok());
}

#[test]
fn the_status_registers_can_be_read_on_their_own() {
    let mailbox = opened();
    let mut script = Script::new([
        Read64(BACKGROUND, 0x0063_4400),
        Read64(BACKGROUND, u64::MAX),
        Read64(MEMORY_STATUS, READY),
        Read32(0x80, 0b1001),
        Read32(0x80, u32::MAX),
    ]);
    let background = mailbox.background_status(&mut script).unwrap();
    assert_eq!((background.opcode(), background.percent()), (Opcode(0x4400), 99));
    assert_eq!(mailbox.background_status(&mut script), Err(MailboxError::Gone));
    let memory = mailbox.memory_device_status(&mut script).unwrap();
    assert_eq!(memory.media(), MediaStatus::Ready);
    assert_eq!(mailbox.event_status(&mut script), Ok(EventStatus(0b1001)));
    assert_eq!(mailbox.event_status(&mut script), Err(MailboxError::Gone));
}

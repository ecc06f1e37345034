// SPDX-License-Identifier: MIT OR Apache-2.0
//! FWCTL_INFO, FWCTL_RPC, CXL Features.

use fwgate_wire::cxl::features::FeatureEntry;
use zerocopy::FromZeros as _;

use super::super::fwctl::*;
use super::*;
use crate::request::Message;

const INFO: u32 = 0x9a00;
const RPC: u32 = 0x9a01;
const ARG: u64 = 0x1000;
const IN: u64 = 0x8000;
const OUT: u64 = 0x20_0000;
/// Nothing is there.
const HOLE: u64 = 0x666_0000;
const VENDOR: [u8; 16] = [0xff; 16];

pub(super) struct Kernel {
    registered: bool,
    rawio: bool,
    taints: u32,
    device_type: u32,
    info: Option<Vec<u8>>,
    pub(super) features: CxlFeatures,
}

impl FwctlKernel for Kernel {
    fn registered(&self) -> bool {
        self.registered
    }
    fn capable_rawio(&self) -> bool {
        self.rawio
    }
    fn taint(&mut self) {
        self.taints += 1;
    }
    fn device_type(&self) -> u32 {
        self.device_type
    }
    fn info(&self) -> Option<&[u8]> {
        self.info.as_deref()
    }
    fn features(&self) -> &CxlFeatures {
        &self.features
    }
}

fn entry(uuid: [u8; 16], flags: u32, effects: u16) -> FeatureEntry {
    let mut entry = FeatureEntry::new_zeroed();
    entry.uuid = uuid;
    entry.get_size = 4.into();
    entry.set_size = 4.into();
    entry.flags = flags.into();
    entry.effects = effects.into();
    entry
}

pub(super) fn kernel() -> Kernel {
    let own = CxlFeatures::kernels_own();
    let entries = vec![
        entry(VENDOR, 0x61, 0x0201),
        entry(own[0], 1, 0x0202),
        entry([1; 16], 1, 0x0002),
        entry([2; 16], 0, 0x0002),
        entry([3; 16], 1, 0x1002),
        entry([4; 16], 1, 0x0042),
        entry([5; 16], 1, 0x0200),
        entry([6; 16], 1, 0x0220),
        entry([7; 16], 1, 0x0400),
        entry([8; 16], 1, 0x0801),
    ];
    let features = CxlFeatures { access: FeatureAccess::ReadWrite, entries, exclusive: own };
    Kernel { registered: true, rawio: true, taints: 0, device_type: 2, info: None, features }
}

fn words(words: &[u32], addresses: &[u64]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.extend(addresses.iter().flat_map(|at| at.to_ne_bytes()));
    bytes
}

fn info(size: u32, flags: u32, room: u32, to: u64) -> Vec<u8> {
    words(&[size, flags, 0xaaaa, room], &[to])
}

#[derive(Clone)]
pub(super) struct Rpc {
    size: u32,
    scope: u32,
    in_len: Option<u32>,
    out_len: u32,
    input: u64,
    output: u64,
    request: Vec<u8>,
    after: Vec<u8>,
}

impl Rpc {
    fn new(scope: u32, request: Vec<u8>) -> Self {
        let (input, output, after) = (IN, OUT, Vec::new());
        Self { size: 32, scope, in_len: None, out_len: 4096, input, output, request, after }
    }

    fn memory(&self) -> Pieces {
        let in_len = self.in_len.unwrap_or(length32(self.request.len()));
        let fields = [self.size, self.scope, in_len, self.out_len];
        let mut arg = words(&fields, &[self.input, self.output]);
        arg.extend_from_slice(&self.after);
        let out = vec![0xee; 3 << 20];
        Pieces(vec![(ARG, arg, true), (IN, self.request.clone(), false), (OUT, out, true)])
    }

    fn call(&self, kernel: &mut Kernel) -> Step<Ask> {
        call(Mode::Parity, RPC, ARG, &self.memory(), kernel)
    }

    fn errno(&self) -> Option<Errno> {
        errno_of(self.call(&mut kernel()))
    }

    /// Runs it with that answer; the memory after.
    fn run(&self, answer: Answer) -> Pieces {
        let mut memory = self.memory();
        let step = match call(Mode::Parity, RPC, ARG, &memory, &mut kernel()) {
            Step::Ask(ask) => ask.answer(answer),
            other => other,
        };
        let Step::Reply(reply) = step else { panic!("{step:?}") };
        assert_eq!(reply.carry_out(&mut memory), Ok(0));
        memory
    }
}

pub(super) fn request(opcode: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = words(&[opcode, 0, length32(payload.len()), 0], &[]);
    bytes.extend_from_slice(payload);
    bytes
}

fn supported(count: u32, start: u16) -> Vec<u8> {
    let mut payload = count.to_le_bytes().to_vec();
    payload.extend_from_slice(&start.to_le_bytes());
    payload.extend_from_slice(&[0; 2]);
    request(0x0500, &payload)
}

pub(super) fn get(uuid: [u8; 16], count: u16) -> Vec<u8> {
    let mut payload = uuid.to_vec();
    payload.extend_from_slice(&[0, 0]);
    payload.extend_from_slice(&count.to_le_bytes());
    payload.push(0);
    request(0x0501, &payload)
}

fn set(uuid: [u8; 16], flags: u32, data: &[u8]) -> Vec<u8> {
    let mut payload = uuid.to_vec();
    payload.extend_from_slice(&flags.to_le_bytes());
    payload.extend_from_slice(&[0; 12]);
    payload.extend_from_slice(data);
    request(0x0502, &payload)
}

fn u32_at(memory: &Pieces, at: u64) -> u32 {
    u32::from_ne_bytes(memory.bytes(at, 4).try_into().unwrap())
}

/// Each case's name, and the errno it must have.
fn check(cases: &[(&str, Option<Errno>, Option<Errno>)]) {
    let wrong: Vec<_> = cases.iter().filter(|(_, got, want)| got != want).collect();
    assert!(wrong.is_empty(), "name, got, want: {wrong:#?}");
}

fn ioctl(number: u32, arg: Vec<u8>, kernel: &mut Kernel) -> Option<Errno> {
    let memory = Pieces(vec![(ARG, arg, true)]);
    errno_of(call(Mode::Parity, number, ARG, &memory, kernel))
}

#[test]
fn the_core_checks_number_size_tail_and_presence_in_this_order() {
    let gone = || Kernel { registered: false, ..kernel() };
    let at = |at: u64, arg: Vec<u8>| {
        let memory = Pieces(vec![(ARG, arg, true)]);
        errno_of(call(Mode::Parity, INFO, at, &memory, &mut kernel()))
    };
    let tail = |size: u32, tail: &[u8]| {
        let mut arg = info(size, 0, 0, 0);
        arg.extend_from_slice(tail);
        arg
    };
    let read_write = 0xc018_9a00;
    check(&[
        ("a third number", ioctl(0x9a02, info(24, 0, 0, 0), &mut kernel()), Some(Errno::NOTTY)),
        ("another type", ioctl(0x9b00, info(24, 0, 0, 0), &mut kernel()), Some(Errno::NOTTY)),
        ("a direction and a size", ioctl(read_write, vec![], &mut kernel()), Some(Errno::NOTTY)),
        (
            "a number that is unknown beats an address that is not there",
            { errno_of(call(Mode::Parity, 0x9aff, HOLE, &Pieces(vec![]), &mut kernel())) },
            Some(Errno::NOTTY),
        ),
        ("no address", at(0, vec![]), Some(Errno::FAULT)),
        ("three bytes of a size", at(ARG, vec![24, 0, 0]), Some(Errno::FAULT)),
        (
            "a size too small beats a structure that ends",
            at(ARG, vec![23, 0, 0, 0]),
            Some(Errno::INVAL),
        ),
        (
            "an info of 24 is too small for an rpc",
            ioctl(RPC, info(24, 0, 0, 0), &mut kernel()),
            Some(Errno::INVAL),
        ),
        ("a structure that ends", at(ARG, vec![24, 0, 0, 0]), Some(Errno::FAULT)),
        ("a zero tail", ioctl(INFO, tail(32, &[0; 8]), &mut kernel()), None),
        (
            "a tail that is set",
            ioctl(INFO, tail(32, &[0, 0, 0, 0, 0, 0, 0, 1]), &mut kernel()),
            Some(Errno::TOOBIG),
        ),
        (
            "a tail that is set, then ends",
            ioctl(INFO, tail(4096, &[0, 1]), &mut kernel()),
            Some(Errno::TOOBIG),
        ),
        (
            "a tail that ends",
            ioctl(INFO, tail(u32::MAX, &[0; 8]), &mut kernel()),
            Some(Errno::FAULT),
        ),
        (
            "a tail beats a device that is gone",
            ioctl(INFO, tail(25, &[1]), &mut gone()),
            Some(Errno::TOOBIG),
        ),
        (
            "a device that is gone beats the flags",
            ioctl(INFO, info(24, 1, 0, 0), &mut gone()),
            Some(Errno::NODEV),
        ),
        (
            "flags beat the room",
            ioctl(INFO, info(24, 1, 8, HOLE), &mut kernel()),
            Some(Errno::OPNOTSUPP),
        ),
    ]);
}

#[test]
fn info_of_a_driver_without_any_clears_the_room_and_says_length_0() {
    for (room, to, cleared) in [(0, HOLE, 0), (16, ARG + 32, 16)] {
        let mut arg = info(24, 0, room, to);
        arg.resize(64, 0xee);
        let mut memory = Pieces(vec![(ARG, arg, true)]);
        let Step::Reply(reply) = call(Mode::Parity, INFO, ARG, &memory, &mut kernel()) else {
            panic!("no reply")
        };
        assert_eq!(reply.carry_out(&mut memory), Ok(0));
        assert_eq!((u32_at(&memory, ARG + 8), u32_at(&memory, ARG + 12)), (2, 0));
        assert_eq!(memory.bytes(ARG + 32, 16).iter().filter(|it| **it == 0).count(), cleared);
    }
    let mut memory = Pieces(vec![(ARG, info(24, 0, u32::MAX, HOLE), true)]);
    let Step::Reply(reply) = call(Mode::Parity, INFO, ARG, &memory, &mut kernel()) else {
        panic!("no reply")
    };
    assert_eq!(reply.carry_out(&mut memory), Err(Errno::FAULT));
    assert_eq!(u32_at(&memory, ARG + 12), u32::MAX, "the structure is not written then");
}

#[test]
fn info_of_another_driver_is_copied_zero_padded_and_says_its_true_length() {
    for (room, seen) in [(2, vec![7, 8, 0xee, 0xee]), (4, vec![7, 8, 9, 0])] {
        let mut kernel = Kernel { info: Some(vec![7, 8, 9]), device_type: 1, ..kernel() };
        let mut arg = info(24, 0, room, ARG + 24);
        arg.resize(28, 0xee);
        let mut memory = Pieces(vec![(ARG, arg, true)]);
        let Step::Reply(reply) = call(Mode::Parity, INFO, ARG, &memory, &mut kernel) else {
            panic!("no reply")
        };
        assert_eq!(reply.carry_out(&mut memory), Ok(0));
        assert_eq!((u32_at(&memory, ARG + 8), u32_at(&memory, ARG + 12)), (1, 3));
        assert_eq!(memory.bytes(ARG + 24, 4), seen);
    }
}

#[test]
fn each_check_of_an_rpc_beats_those_after_it() {
    // All at once, then one less each time.
    let mut worst = Rpc::new(4, request(0x0400, &[]));
    (worst.in_len, worst.out_len, worst.input) = (Some((2 << 20) + 1), 0, HOLE);
    let mut kernel = Kernel { rawio: false, ..kernel() };
    let mut run = |rpc: &Rpc| (errno_of(rpc.call(&mut kernel)), kernel.taints);
    assert_eq!(run(&worst), (Some(Errno::MSGSIZE), 0), "a length above 2 MiB");
    let mut out = worst.clone();
    (out.in_len, out.out_len) = (Some(20), (2 << 20) + 1);
    assert_eq!(run(&out), (Some(Errno::MSGSIZE), 0), "the other length");
    worst.in_len = Some(2 << 20);
    assert_eq!(run(&worst), (Some(Errno::OPNOTSUPP), 0), "a scope beyond the last");
    worst.scope = 3;
    assert_eq!(run(&worst), (Some(Errno::PERM), 0), "the capability");
    worst.scope = 2;
    assert_eq!(run(&worst), (Some(Errno::FAULT), 1), "the input; tainted all the same");
    worst.input = IN;
    assert_eq!(run(&worst).0, Some(Errno::FAULT), "input that ends");
    worst.in_len = None;
    assert_eq!(run(&worst), (Some(Errno::INVAL), 3), "the driver; tainted all the same");
    for scope in [0, 1] {
        worst.scope = scope;
        assert_eq!(run(&worst), (Some(Errno::INVAL), 3), "scope {scope} does not taint");
    }
}

#[test]
fn the_driver_checks_header_opcode_and_payload_in_this_order() {
    let rpc = |request: Vec<u8>| Rpc::new(1, request);
    let with = |request: Vec<u8>, change: fn(&mut Rpc)| {
        let mut rpc = rpc(request);
        change(&mut rpc);
        rpc.errno()
    };
    let mut short = request(0x0501, &[0; 21]);
    short[8..12].copy_from_slice(&22u32.to_ne_bytes());
    let mut odd = supported(48, 0);
    odd[2] = 1;
    odd[4] = 0xff;
    odd[12] = 0xff;
    check(&[
        ("no input", with(vec![], |rpc| rpc.input = HOLE), Some(Errno::INVAL)),
        ("15 bytes", rpc(vec![0; 15]).errno(), Some(Errno::INVAL)),
        ("a payload beyond the input", rpc(short).errno(), Some(Errno::INVAL)),
        (
            "an opcode of 17 bits, flags and a reserved word are not looked at",
            rpc(odd).errno(),
            None,
        ),
        ("another opcode", rpc(request(0x0400, &[])).errno(), Some(Errno::INVAL)),
        ("a vendor's opcode", rpc(request(0xc000, &[])).errno(), Some(Errno::INVAL)),
        ("supported: 7 bytes", rpc(request(0x0500, &[0; 7])).errno(), Some(Errno::INVAL)),
        ("supported: 9 bytes", rpc(request(0x0500, &[0; 9])).errno(), Some(Errno::INVAL)),
        ("supported: the last", rpc(supported(48, 9)).errno(), None),
        ("supported: one after the last", rpc(supported(48, 10)).errno(), Some(Errno::INVAL)),
        ("supported: no room at all", with(supported(48, 0), |rpc| rpc.out_len = 0), None),
        ("get: 20 bytes", rpc(request(0x0501, &[0; 20])).errno(), Some(Errno::INVAL)),
        ("get: nothing", rpc(get(VENDOR, 0)).errno(), Some(Errno::INVAL)),
        (
            "get: no room for the header",
            with(get(VENDOR, 1), |rpc| rpc.out_len = 7),
            Some(Errno::INVAL),
        ),
        (
            "get: no room for the data",
            with(get(VENDOR, 4), |rpc| rpc.out_len = 11),
            Some(Errno::INVAL),
        ),
        ("get: just room", with(get(VENDOR, 4), |rpc| rpc.out_len = 12), None),
        (
            "get: a feature that is not listed, at the lowest scope",
            with(get([9; 16], 4), |rpc| rpc.scope = 0),
            None,
        ),
        ("get: the kernel's own", rpc(get(CxlFeatures::kernels_own()[0], 4)).errno(), None),
    ]);
}

#[test]
fn set_feature_is_checked_row_by_row() {
    let at = |scope: u32, request: Vec<u8>| Rpc::new(scope, request).errno();
    let one = |uuid: [u8; 16], scope: u32| at(scope, set(uuid, 0, &[1]));
    let own = CxlFeatures::kernels_own()[0];
    let no_room = {
        let mut rpc = Rpc::new(3, set(VENDOR, 0, &[1]));
        rpc.out_len = 7;
        rpc.errno()
    };
    let own_no_room = {
        let mut rpc = Rpc::new(3, set(own, 0, &[1]));
        rpc.out_len = 7;
        rpc.errno()
    };
    let (no, yes) = (Some(Errno::INVAL), None);
    check(&[
        ("15 bytes", at(3, request(0x0502, &[0xff; 15])), no),
        ("a feature that is not listed", one([9; 16], 3), no),
        ("not changeable", one([2; 16], 3), no),
        ("a reserved effect", one([3; 16], 3), no),
        ("a background effect", one([4; 16], 3), no),
        ("no effect at all", one([5; 16], 3), no),
        ("only the security bit", one([6; 16], 3), no),
        ("after a cold reset, at scope 1", one(VENDOR, 1), no),
        ("after a cold reset, at scope 2", one(VENDOR, 2), yes),
        ("after a conventional reset", one([7; 16], 2), yes),
        ("after a CXL reset", one([8; 16], 2), yes),
        ("immediate, at scope 2", one([1; 16], 2), no),
        ("immediate, at scope 3", one([1; 16], 3), yes),
        ("no data", at(2, set(VENDOR, 0, &[])), no),
        ("no data beats the kernel's own", at(3, set(own, 0, &[])), no),
        ("the kernel's own", one(own, 3), Some(Errno::PERM)),
        ("the kernel's own below its scope", one(own, 2), no),
        ("the kernel's own beats no room", own_no_room, Some(Errno::PERM)),
        ("no room for the header", no_room, no),
    ]);
}

#[test]
fn the_log_says_which_of_the_three_there_are() {
    let errno = |access, request: Vec<u8>| {
        let mut kernel = kernel();
        kernel.features.access = access;
        errno_of(Rpc::new(2, request).call(&mut kernel))
    };
    for (access, reads, sets) in [
        (FeatureAccess::None, false, false),
        (FeatureAccess::Read, true, false),
        (FeatureAccess::ReadWrite, true, true),
    ] {
        assert_eq!(errno(access, supported(48, 0)).is_none(), reads);
        assert_eq!(errno(access, get(VENDOR, 4)).is_none(), reads);
        assert_eq!(errno(access, set(VENDOR, 0, &[1])).is_none(), sets);
    }
}

#[test]
fn supported_features_come_from_the_cache_and_say_eight_bytes_too_many() {
    for (count, start, entries) in
        [(0, 0, 0), (8, 0, 0), (47, 0, 0), (48, 0, 1), (56, 1, 1), (u32::MAX, 1, 9)]
    {
        let memory = Rpc::new(0, supported(count, start)).run(Answer::Lost);
        let size = 8 + 48 * entries;
        assert_eq!(u32_at(&memory, ARG + 12), 16 + size, "out_len of {count}");
        assert_eq!((u32_at(&memory, OUT), u32_at(&memory, OUT + 4)), (size, 0));
        assert_eq!(memory.bytes(OUT + 8, 4), [entries.to_le_bytes()[0], 0, 10, 0]);
    }
    // The kernel's own is shown as one that cannot be set.
    let memory = Rpc::new(0, supported(48, 1)).run(Answer::Lost);
    assert_eq!(memory.bytes(OUT + 16 + 20, 6), [0, 0, 0, 0, 0, 0]);
    let mut short = Rpc::new(0, supported(480, 0));
    short.out_len = 10;
    let memory = short.run(Answer::Lost);
    assert_eq!(u32_at(&memory, ARG + 12), 16 + 488, "the true length");
    assert_eq!(
        memory.bytes(OUT + 8, 4),
        [10, 0, 0xee, 0xee],
        "and no byte more than there is room for"
    );
}

#[test]
fn a_set_is_sent_with_saved_and_without_the_callers_transfer_bits() {
    let step = Rpc::new(2, set(VENDOR, 0xffff_fff5, &[1, 2])).call(&mut kernel());
    let Step::Ask(ask) = step else { panic!("{step:?}") };
    let Message::Cxl { opcode: 0x0502, payload } = ask.message() else { panic!() };
    assert_eq!(payload[16..20], 0xffff_fff8u32.to_le_bytes());
    assert_eq!(payload[32..], [1, 2]);
    assert_eq!((ask.kind(), ask.scope(), ask.out_len()), (Kind::Set, 2, 4096));
}

#[test]
fn replies_say_16_more_than_the_data_and_hide_a_transport_failure() {
    let done =
        |code: u16, payload: &[u8]| Answer::Done { return_code: code, payload: payload.to_vec() };
    // request, answer, size, retval, out_len
    for (name, request, answer, size, retval, said) in [
        ("a get", get(VENDOR, 4), done(0, &[1, 2, 3, 4]), 4, 0, 20),
        ("a get that the device refuses", get(VENDOR, 4), done(2, &[]), 0, 2, 16),
        ("a get that comes short", get(VENDOR, 4), done(0, &[1, 2]), 0, 0, 16),
        (
            "a get that is said to come short",
            get(VENDOR, 4),
            Answer::Short { payload: vec![1; 9] },
            0,
            0,
            16,
        ),
        ("a get that is lost", get(VENDOR, 4), Answer::Lost, 0, 0, 16),
        ("a set", set(VENDOR, 0, &[1]), done(0, &[]), 0, 0, 16),
        ("a set that the device refuses", set(VENDOR, 0, &[1]), done(0x15, &[]), 0, 0x15, 16),
        ("a set that is lost", set(VENDOR, 0, &[1]), Answer::Lost, 0, 0, 16),
    ] {
        let memory = Rpc::new(2, request).run(answer);
        let seen = (u32_at(&memory, OUT), u32_at(&memory, OUT + 4), u32_at(&memory, ARG + 12));
        assert_eq!(seen, (size, retval, said), "{name}");
        assert_eq!(memory.bytes(OUT + u64::from(said), 1), [0xee], "{name}: a byte too many");
    }
}

#[test]
fn a_get_that_comes_short_says_nothing_and_shows_eight_bytes_of_it() {
    let short = || Answer::Short { payload: vec![1, 2, 3, 4] };
    let failed = || Answer::Done { return_code: 2, payload: vec![1; 4096] };
    for (answer, retval, shown) in [(short(), 0, [1, 2, 3, 4, 0, 0, 0, 0]), (failed(), 2, [1; 8])] {
        let memory = Rpc::new(0, get(VENDOR, 5)).run(answer);
        assert_eq!((u32_at(&memory, OUT), u32_at(&memory, OUT + 4)), (0, retval));
        assert_eq!(u32_at(&memory, ARG + 12), 16);
        assert_eq!(memory.bytes(OUT + 8, 9), [&shown[..], &[0xee]].concat());
    }
}

#[test]
fn a_reply_to_a_caller_with_little_room_is_cut_and_not_its_length() {
    let mut rpc = Rpc::new(2, get(VENDOR, 4));
    rpc.out_len = 12;
    let memory = rpc.run(Answer::Done { return_code: 0, payload: vec![1, 2, 3, 4] });
    assert_eq!(
        (u32_at(&memory, ARG + 12), memory.bytes(OUT + 8, 5)),
        (20, &[1, 2, 3, 4, 0xee][..])
    );
}

#[test]
fn output_that_cannot_be_written_is_a_fault_after_the_device_has_run() {
    let mut rpc = Rpc::new(2, set(VENDOR, 0, &[1]));
    rpc.output = HOLE;
    let mut memory = rpc.memory();
    let Step::Ask(ask) = call(Mode::Parity, RPC, ARG, &memory, &mut kernel()) else { panic!() };
    let Step::Reply(reply) = ask.answer(Answer::Lost) else { panic!() };
    assert_eq!(reply.carry_out(&mut memory), Err(Errno::FAULT));
    assert_eq!(u32_at(&memory, ARG + 12), 4096, "the length is not written then");
}

#[test]
fn serving_passes_on_what_the_driver_does_not_know() {
    let serve =
        |rpc: &Rpc| call(Mode::Serve { most: 128 << 10 }, RPC, ARG, &rpc.memory(), &mut kernel());
    let vendor = Rpc::new(3, request(0xc000, &[1, 2, 3]));
    let Step::Ask(ask) = serve(&vendor) else { panic!() };
    assert_eq!((ask.kind(), ask.scope()), (Kind::Command, 3));
    assert!(
        matches!(ask.message(), Message::Cxl { opcode: 0xc000, payload } if payload == &[1, 2, 3])
    );
    let mut memory = vendor.memory();
    let Step::Reply(reply) = ask.answer(Answer::Done { return_code: 0, payload: vec![5; 3] })
    else {
        panic!()
    };
    assert_eq!(reply.carry_out(&mut memory), Ok(0));
    assert_eq!((u32_at(&memory, OUT), u32_at(&memory, ARG + 12)), (3, 19));
    assert_eq!(memory.bytes(OUT + 8, 4), [5, 5, 5, 0]);
}

#[test]
fn serving_refuses_two_readings_and_more_than_it_carries_and_never_taints() {
    let serve = |rpc: &Rpc, kernel: &mut Kernel| {
        errno_of(call(Mode::Serve { most: 128 << 10 }, RPC, ARG, &rpc.memory(), kernel))
    };
    let mut kernel = kernel();
    let mut wide = Rpc::new(3, request(0x1_c000, &[]));
    assert_eq!(serve(&wide, &mut kernel), Some(Errno::INVAL));
    wide.request = request(0xc000, &[]);
    wide.out_len = (128 << 10) - 32;
    assert_eq!(serve(&wide, &mut kernel), None);
    wide.out_len += 1;
    assert_eq!(serve(&wide, &mut kernel), Some(Errno::MSGSIZE));
    assert_eq!(kernel.taints, 0);
    let refused = Rpc::new(3, request(0xc000, &[])).memory();
    let Step::Ask(ask) = call(Mode::Serve { most: 4096 + 32 }, RPC, ARG, &refused, &mut kernel)
    else {
        panic!()
    };
    assert_eq!(errno_of(ask.answer(Answer::Refused(Errno::PERM))), Some(Errno::PERM));
}

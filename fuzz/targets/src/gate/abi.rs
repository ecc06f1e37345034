// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's ioctls as front ends: any number, argument, memory, kernel and device.
//!
//! Promises: no panic; what is asked for and what is written is bounded; it ends after a few rounds; copied in rounds or
//! all at once, it comes to the same; nothing gets as far as the device that the kernel would not let pass.

use fwgate_gate::Message;
use fwgate_gate::abi::fwctl::{self, CxlFeatures, FeatureAccess, FwctlKernel};
use fwgate_gate::abi::memdev::{self, MemdevKernel};
use fwgate_gate::abi::{
    CallerMemory, Copied, Errno, MOST_STRUCT, Mode, Need, Range, Reply, Step, Write,
};
use fwgate_wire::cxl::features::FeatureEntry;
use fwgate_wire::memdev::CommandId;
use zerocopy::FromBytes as _;

use crate::tape::Tape;

/// Where the argument is.
const ARG: u64 = 0x1000;
const MOST_RPC: u32 = 2 << 20;

/// Pieces of memory at 1000h, 2000h and so on.
struct Pieces(Vec<Vec<u8>>);

impl Pieces {
    fn new(tape: &mut Tape<'_>) -> Self {
        Self((0..3).map(|_| tape.piece().to_vec()).collect())
    }
}

impl CallerMemory for Pieces {
    fn read(&self, at: u64, length: usize) -> Copied<'_> {
        assert!(length != 0, "asked for nothing");
        let piece = (at >> 12).checked_sub(1).and_then(|it| self.0.get(usize::try_from(it).ok()?));
        let into = usize::try_from(at & 0xfff).unwrap_or(usize::MAX);
        let Some(rest) = piece.and_then(|piece| piece.get(into..)) else {
            return Copied::Fault(&[]);
        };
        rest.get(..length).map_or(Copied::Fault(rest), Copied::All)
    }
}

/// What one round carried.
struct Round<'m> {
    of: &'m Pieces,
    read: &'m [Range],
}

impl CallerMemory for Round<'_> {
    fn read(&self, at: u64, length: usize) -> Copied<'_> {
        let inside = |range: &Range| {
            let end = range.at.checked_add(u64::from(range.length));
            at >= range.at && at.checked_add(length as u64) <= end
        };
        if self.read.iter().any(inside) { self.of.read(at, length) } else { Copied::NotYet }
    }
}

struct Kernel {
    flags: u8,
    payload_size: u32,
    ids: u32,
    features: CxlFeatures,
    info: Vec<u8>,
    tainted: bool,
}

impl Kernel {
    fn new(tape: &mut Tape<'_>) -> Self {
        let access = tape.of(&[FeatureAccess::ReadWrite, FeatureAccess::Read, FeatureAccess::None]);
        let entries = tape.list(4, |tape| {
            let bytes: [u8; FeatureEntry::SIZE] = tape.bytes();
            FeatureEntry::read_from_bytes(&bytes).expect("48 bytes")
        });
        let features = CxlFeatures { access, entries, exclusive: CxlFeatures::kernels_own() };
        let (flags, ids, info) = (tape.u8(), tape.u32(), tape.piece().to_vec());
        Self { flags, payload_size: 256 << (tape.u8() & 7), ids, features, info, tainted: false }
    }

    const fn flag(&self, bit: u8) -> bool {
        self.flags >> bit & 1 == 0
    }
}

impl FwctlKernel for Kernel {
    fn registered(&self) -> bool {
        self.flag(0)
    }
    fn capable_rawio(&self) -> bool {
        self.flag(1)
    }
    fn taint(&mut self) {
        self.tainted = true;
    }
    fn device_type(&self) -> u32 {
        2
    }
    fn info(&self) -> Option<&[u8]> {
        self.flag(2).then_some(&self.info)
    }
    fn features(&self) -> &CxlFeatures {
        &self.features
    }
}

impl MemdevKernel for Kernel {
    fn present(&self) -> bool {
        self.flag(0)
    }
    fn payload_size(&self) -> u32 {
        self.payload_size
    }
    fn enabled(&self, id: CommandId) -> bool {
        self.ids >> (id.0 & 31) & 1 == 0
    }
    fn exclusive(&self, id: CommandId) -> bool {
        id.0 == 10
    }
    fn raw_built(&self) -> bool {
        self.flag(3)
    }
    fn locked_down(&self) -> bool {
        !self.flag(4)
    }
    fn raw_allow_all(&self) -> bool {
        !self.flag(5)
    }
    fn warn_raw(&mut self) {
        self.tainted = true;
    }
}

/// Mode, number, argument.
fn call(tape: &mut Tape<'_>, numbers: [u32; 2]) -> (Mode, u32, u64) {
    let most = tape.of(&[128 << 10, 4096, 64]);
    let mode = if tape.yes() { Mode::Serve { most } } else { Mode::Parity };
    let number = match tape.below(8) {
        0 => tape.u32(),
        1 => numbers[0] ^ (1 << tape.below(32)),
        other => numbers[other & 1],
    };
    let at = match tape.below(8) {
        0 => u64::from_le_bytes(tape.bytes()),
        1 => ARG + u64::from(tape.u8()),
        _ => ARG,
    };
    (mode, number, at)
}

/// Rounds until it is done.
fn rounds<A>(memory: &Pieces, mut call: impl FnMut(&dyn CallerMemory) -> Step<A>) -> Step<A> {
    let mut need = Need::default();
    for _ in 0..5 {
        match call(&Round { of: memory, read: &need.read }) {
            Step::Need(more) => {
                bounded(&more);
                assert!(more.read != need.read, "asks for the same again");
                need = more;
            }
            step => return step,
        }
    }
    panic!("no end of rounds");
}

fn bounded(need: &Need) {
    assert!(need.read.len() <= 2 && need.write.len() <= 2);
    for range in need.read.iter().chain(&need.write) {
        assert!(range.length <= MOST_RPC.max(MOST_STRUCT), "{range:?}");
    }
}

/// What a reply writes is bounded, and lies in what was said to be written.
fn written(reply: &Reply, need: Option<&Need>) {
    assert!(reply.writes.len() <= 25 && reply.value == 0);
    let mut copied = 0;
    for write in &reply.writes {
        if let Write::Bytes { bytes, .. } = write {
            copied += bytes.len();
        }
        let range = write.range();
        let inside = |of: &Range| {
            range.at >= of.at && range.at - of.at + u64::from(range.length) <= u64::from(of.length)
        };
        if let Some(need) = need.filter(|_| range.length != 0) {
            assert!(need.write.iter().any(inside), "{range:?} is not in {need:?}");
        }
    }
    assert!(copied <= MOST_RPC as usize + 64);
}

/// A step without what it is asked or replied.
fn kind<A>(step: &Step<A>) -> Result<&Reply, Option<Errno>> {
    match step {
        Step::Need(_) => panic!("all memory is there"),
        Step::Ask(_) => Err(None),
        Step::Reply(reply) => Ok(reply),
        Step::Errno(errno) => Err(Some(*errno)),
    }
}

fn passed(opcode: u16, message: &Message) -> &[u8] {
    match message {
        Message::Cxl { opcode: found, payload } if *found == opcode => payload,
        other => panic!("{other:?} is not {opcode:#06x}"),
    }
}

/// `/dev/fwctl/fwctlN`.
pub(crate) fn fwctl(data: &[u8]) {
    let mut tape = Tape::new(data);
    let (mode, number, at) = call(&mut tape, [0x9a01, 0x9a00]);
    let mut kernel = Kernel::new(&mut tape);
    let memory = Pieces::new(&mut tape);
    let whole = fwctl::call(mode, number, at, &memory, &mut kernel);
    let tainted = kernel.tainted;
    assert!(mode == Mode::Parity || !tainted, "serving tainted");
    let parts = rounds(&memory, |round| fwctl::call(mode, number, at, round, &mut kernel));
    // The one difference: a size beyond what can be copied in rounds.
    if !matches!(parts, Step::Errno(Errno::TOOBIG)) {
        assert_eq!(kind(&whole), kind(&parts));
    }
    let ask = match whole {
        Step::Reply(reply) => return written(&reply, None),
        Step::Ask(ask) => ask,
        _ => return,
    };
    bounded(ask.need());
    assert!(kernel.registered() && ask.scope() <= 3);
    assert!(ask.scope() < 3 || kernel.capable_rawio());
    assert_eq!(tainted, mode == Mode::Parity && ask.scope() >= 2);
    match ask.kind() {
        fwctl::Kind::Get { count } => {
            assert!(passed(0x0501, ask.message()).len() == 21 && count != 0);
            assert!(count + 8 <= ask.out_len() as usize);
        }
        fwctl::Kind::Set => {
            let payload = passed(0x0502, ask.message());
            assert!(payload.len() > 32 && payload[16] & 0xf == 8 && ask.scope() >= 2);
        }
        fwctl::Kind::Command => assert!(mode != Mode::Parity),
    }
    let need = ask.need().clone();
    let payload = tape.rest().to_vec();
    let answer = match payload.len() % 4 {
        0 => fwctl::Answer::Done { return_code: 0, payload },
        1 => fwctl::Answer::Done { return_code: 0xffff, payload },
        2 => fwctl::Answer::Short { payload },
        _ => fwctl::Answer::Lost,
    };
    match ask.answer(answer) {
        Step::Reply(reply) => written(&reply, Some(&need)),
        step => panic!("{step:?}"),
    }
}

/// `/dev/cxl/memN`.
pub(crate) fn memdev(data: &[u8]) {
    let mut tape = Tape::new(data);
    let (mode, number, at) = call(&mut tape, [0xc030_ce02, 0x8008_ce01]);
    let mut kernel = Kernel::new(&mut tape);
    let memory = Pieces::new(&mut tape);
    let whole = memdev::call(mode, number, at, &memory, &mut kernel);
    let warned = kernel.tainted;
    assert!(mode == Mode::Parity || !warned, "serving warned");
    let parts = rounds(&memory, |round| memdev::call(mode, number, at, round, &mut kernel));
    assert_eq!(kind(&whole), kind(&parts));
    let ask = match whole {
        Step::Reply(reply) => return written(&reply, None),
        Step::Ask(ask) => ask,
        _ => return,
    };
    bounded(ask.need());
    assert!(kernel.present() && ask.room() <= kernel.payload_size);
    if ask.by() == CommandId::RAW {
        assert_eq!(warned, mode == Mode::Parity);
        assert!(mode != Mode::Parity || kernel.raw_built() && !kernel.locked_down());
    } else {
        assert!(ask.by() != CommandId(10), "exclusive");
    }
    let need = ask.need().clone();
    let (code, reply) = (tape.u16(), tape.rest().to_vec());
    let answer = if code == 0xffff {
        memdev::Answer::Errno(Errno::TIMEDOUT)
    } else {
        memdev::Answer::of_pci(code, reply, ask.room())
    };
    match ask.answer(answer) {
        Step::Reply(reply) => written(&reply, Some(&need)),
        Step::Errno(Errno::TIMEDOUT) => assert_eq!(code, 0xffff),
        step => panic!("{step:?}"),
    }
}

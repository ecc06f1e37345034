// SPDX-License-Identifier: MIT OR Apache-2.0
//! The order of checks as tables of rows: the first row that is broken names the errno.
//!
//! Written from the kernel's source apart from `fwgate_gate::abi`, in another shape, but by the same hand: a misreading
//! that both share shows in the lab only, where the kernel itself answers. It knows no device: what goes down to one is [`Expected::Device`].
//!
//! *Spec*: `drivers/fwctl/main.c`, `drivers/cxl/core/{features,mbox}.c` @ v7.3.

use fwgate_gate::abi::Errno;
use fwgate_gate::abi::fwctl::FeatureAccess;
use fwgate_wire::memdev::{CommandId, IdKind, VARIABLE};

use crate::call::{Call, Node};
use crate::memory::Own;
use crate::twin::{MemdevSetting, Setting};

/// What the reference foretells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// This errno, by the row of that name.
    Errno(&'static str, Errno),
    /// The kernel answers, or cannot write its answer.
    Kernel,
    /// The device answers.
    Device,
}

/// What a row looks at.
struct Look<'c> {
    call: &'c Call,
    memory: &'c Own,
    setting: &'c Setting,
}

struct Row {
    name: &'static str,
    errno: Errno,
    broken: fn(&Look<'_>) -> bool,
}

const fn row(name: &'static str, errno: Errno, broken: fn(&Look<'_>) -> bool) -> Row {
    Row { name, errno, broken }
}

const HANDLED_IOCTLS: [u32; 2] = [0x9a00, 0x9a01];
const LIMIT: u32 = 2 << 20;

/// The core, for both ioctls.
const CORE: &[Row] = &[
    row("number", Errno::NOTTY, |it| !HANDLED_IOCTLS.contains(&it.call.number)),
    row("size unreadable", Errno::FAULT, |it| it.arg(4).is_none()),
    row("size too small", Errno::INVAL, |it| it.word(0) < it.known()),
    row("tail set", Errno::TOOBIG, |it| it.tail() == Tail::Set),
    row("tail unreadable", Errno::FAULT, |it| it.tail() == Tail::Unreadable),
    row("structure unreadable", Errno::FAULT, |it| it.arg(it.known() as usize).is_none()),
];

const INFO: &[Row] = &[row("flags", Errno::OPNOTSUPP, |it| it.word(4) != 0)];

const RPC: &[Row] = &[
    row("length", Errno::MSGSIZE, |it| it.word(8) > LIMIT || it.word(12) > LIMIT),
    row("scope", Errno::OPNOTSUPP, |it| it.word(4) > 3),
    row("capability", Errno::PERM, |it| it.word(4) == 3 && !it.setting.rawio),
    row("input unreadable", Errno::FAULT, |it| it.input().is_none()),
];

const CXL: &[Row] = &[
    row("no header", Errno::INVAL, |it| it.request().len() < 16),
    row("payload beyond input", Errno::INVAL, |it| {
        u64::from(it.header(8)) > it.request().len() as u64 - 16
    }),
    row("opcode", Errno::INVAL, |it| !(0x0500..=0x0502).contains(&it.opcode())),
];

const SUPPORTED: &[Row] = &[
    row("payload not 8", Errno::INVAL, |it| it.payload().len() != 8),
    row("start too large", Errno::INVAL, |it| usize::from(it.half(4)) >= it.entries()),
];

const GET: &[Row] = &[
    row("payload not 21", Errno::INVAL, |it| it.payload().len() != 21),
    row("no count", Errno::INVAL, |it| it.half(18) == 0),
    row("no header's room", Errno::INVAL, |it| it.word(12) < 8),
    row("no data's room", Errno::INVAL, |it| u32::from(it.half(18)) > it.word(12) - 8),
];

const SET: &[Row] = &[
    row("log", Errno::INVAL, |it| it.access() < FeatureAccess::ReadWrite),
    row("no uuid", Errno::INVAL, |it| it.payload().len() < 16),
    row("not listed", Errno::INVAL, |it| it.feature().is_none()),
    row("not changeable", Errno::INVAL, |it| it.feature().is_some_and(|(flags, _)| flags & 1 == 0)),
    row("reserved effect", Errno::INVAL, |it| it.effects() >> 12 != 0),
    row("background effect", Errno::INVAL, |it| it.effects() & 0x0040 != 0),
    row("no effect", Errno::INVAL, |it| it.effects() & 0x0c1f == 0),
    row("immediate below 3", Errno::INVAL, |it| it.effects() & 0x1e != 0 && it.word(4) < 3),
    row("reset below 2", Errno::INVAL, |it| it.word(4) < 2),
    row("no data", Errno::INVAL, |it| it.payload().len() <= 32),
    row("the kernel's own", Errno::PERM, |it| it.exclusive_feature()),
    row("no room", Errno::INVAL, |it| it.word(12) < 8),
];

const SEND: &[Row] = &[
    row("structure unreadable", Errno::FAULT, |it| it.arg(48).is_none()),
    row("id", Errno::NOTTY, |it| !(1..25).contains(&it.word(0))),
    row("input above payload", Errno::INVAL, |it| it.word(16) > it.setting.payload_size),
];

const RAW: &[Row] = &[
    row("raw reserved", Errno::INVAL, |it| it.word(8) >> 16 != 0),
    row("raw output above payload", Errno::INVAL, |it| it.word(32) > it.setting.payload_size),
    row("raw not built", Errno::PERM, |it| !it.memdev().raw_built),
    row("lockdown", Errno::PERM, |it| it.setting.locked_down),
    row("raw not allowed", Errno::PERM, |it| {
        !it.memdev().raw_allow_all && forbidden_raw(it.word(8) & 0xffff)
    }),
];

const BY_ID: &[Row] = &[
    row("flags", Errno::INVAL, |it| it.word(4) > 3),
    row("reserved", Errno::INVAL, |it| it.word(8) != 0),
    row("in or out reserved", Errno::INVAL, |it| it.word(20) != 0 || it.word(36) != 0),
    row("not enabled", Errno::NOTTY, |it| !it.memdev().enabled[it.slot()]),
    row("exclusive", Errno::BUSY, |it| it.memdev().exclusive[it.slot()]),
    row("input size", Errno::NOMEM, |it| {
        it.sizes().is_some_and(|(size, _)| size != VARIABLE && size != it.word(16))
    }),
    row("output size", Errno::NOMEM, |it| {
        it.sizes().is_some_and(|(_, size)| size != VARIABLE && it.word(32) < size)
    }),
];

const PAYLOAD: &[Row] = &[
    row("payload unreadable", Errno::FAULT, |it| it.sent().is_none()),
    row("payload not allowed", Errno::BUSY, |it| it.payload_forbidden()),
];

/// What RAW does not carry.
fn forbidden_raw(opcode: u32) -> bool {
    matches!(opcode >> 8, 0x44..=0x46)
        || matches!(opcode, 0x0202 | 0x0500..=0x0502 | 0x4101 | 0x4103 | 0x4204 | 0x4300..=0x4302 | 0x4304 | 0x4305)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tail {
    Zero,
    Set,
    Unreadable,
}

/// What the tables say of that call.
#[must_use]
pub fn expected(call: &Call, memory: &Own, setting: &Setting) -> Expected {
    let look = Look { call, memory, setting };
    look.go_through().unwrap_or_else(|row| Expected::Errno(row.name, row.errno))
}

impl Look<'_> {
    fn go_through(&self) -> Result<Expected, &'static Row> {
        let check = |rows: &'static [Row]| match rows.iter().find(|row| (row.broken)(self)) {
            Some(row) => Err(row),
            None => Ok(()),
        };
        match self.call.node {
            Node::Fwctl => {
                check(CORE)?;
                if self.call.number == 0x9a00 {
                    check(INFO)?;
                    return Ok(Expected::Kernel);
                }
                check(RPC)?;
                check(CXL)?;
                match self.opcode() {
                    0x0500 => check(SUPPORTED).map(|()| Expected::Kernel),
                    0x0501 => check(GET).map(|()| Expected::Device),
                    _ => check(SET).map(|()| Expected::Device),
                }
            }
            Node::Memdev => match self.call.number {
                0x8008_ce01 => match self.arg(4) {
                    Some(_) => Ok(Expected::Kernel),
                    None => Err(&CORE[1]),
                },
                0xc030_ce02 => {
                    check(SEND)?;
                    check(if self.word(0) == 2 { RAW } else { BY_ID })?;
                    check(PAYLOAD)?;
                    Ok(Expected::Device)
                }
                _ => Err(&CORE[0]),
            },
        }
    }

    fn arg(&self, length: usize) -> Option<&[u8]> {
        self.memory.all(self.call.arg, length)
    }

    /// The word at that offset of the argument, which was found readable before.
    fn word(&self, at: usize) -> u32 {
        let bytes = self.memory.all(self.call.arg + at as u64, 4).unwrap_or(&[0; 4]);
        u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn address(&self, at: usize) -> u64 {
        u64::from(self.word(at)) | u64::from(self.word(at + 4)) << 32
    }

    fn known(&self) -> u32 {
        if self.call.number == 0x9a00 { 24 } else { 32 }
    }

    fn tail(&self) -> Tail {
        for at in u64::from(self.known())..u64::from(self.word(0)) {
            match self.memory.all(self.call.arg + at, 1) {
                None => return Tail::Unreadable,
                Some([0]) => {}
                Some(_) => return Tail::Set,
            }
        }
        Tail::Zero
    }

    fn range(&self, at: u64, length: u32) -> Option<&[u8]> {
        if length == 0 { Some(&[]) } else { self.memory.all(at, length as usize) }
    }

    fn input(&self) -> Option<&[u8]> {
        self.range(self.address(16), self.word(8))
    }

    fn request(&self) -> &[u8] {
        self.input().unwrap_or_default()
    }

    fn header(&self, at: usize) -> u32 {
        let bytes = &self.request()[at..at + 4];
        u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn opcode(&self) -> u32 {
        self.header(0) & 0xffff
    }

    fn payload(&self) -> &[u8] {
        &self.request()[16..16 + self.header(8) as usize]
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.payload()[at], self.payload()[at + 1]])
    }

    fn entries(&self) -> usize {
        self.setting.fwctl.as_ref().map_or(0, |it| it.features.entries.len())
    }

    fn access(&self) -> FeatureAccess {
        self.setting.fwctl.as_ref().map_or(FeatureAccess::None, |it| it.features.access)
    }

    /// Flags and effects of the feature that is named.
    fn feature(&self) -> Option<(u32, u16)> {
        let entries = &self.setting.fwctl.as_ref()?.features.entries;
        let entry = entries.iter().find(|entry| entry.uuid[..] == self.payload()[..16])?;
        Some((entry.flags.get(), entry.effects.get()))
    }

    fn effects(&self) -> u16 {
        self.feature().map_or(0, |(_, effects)| effects)
    }

    fn exclusive_feature(&self) -> bool {
        let exclusive = self.setting.fwctl.as_ref().map(|it| &it.features.exclusive);
        exclusive.is_some_and(|it| it.iter().any(|uuid| uuid[..] == self.payload()[..16]))
    }

    fn memdev(&self) -> &MemdevSetting {
        const NOTHING: MemdevSetting = MemdevSetting {
            enabled: [false; 25],
            exclusive: [false; 25],
            raw_built: false,
            raw_allow_all: false,
        };
        self.setting.memdev.as_ref().unwrap_or(&NOTHING)
    }

    /// Where the id's entry is: deprecated ids have none, and the kernel looks at entry 0 for them.
    fn slot(&self) -> usize {
        let id = self.word(0);
        let there = CommandId(id).row().is_some_and(|row| row.kind != IdKind::Deprecated);
        if there { id as usize } else { 0 }
    }

    fn sizes(&self) -> Option<(u32, u32)> {
        let row = CommandId(self.slot() as u32).row()?;
        Some((row.size_in, row.size_out))
    }

    fn sent(&self) -> Option<&[u8]> {
        self.range(self.address(24), self.word(16))
    }

    fn payload_forbidden(&self) -> bool {
        let opcode = match self.word(0) {
            2 => self.word(8) & 0xffff,
            9 => 0x4101,
            23 => 0x0403,
            _ => 0,
        };
        let sent = self.sent().unwrap_or_default();
        let debug = *b"\x5e\x18\x19\xd9\x11\xa9\x40\x0c\x81\x1f\xd6\x07\x19\x40\x3d\x86";
        match opcode {
            _ if sent.is_empty() => false,
            0x4101 => sent.len() < 9 || sent[8] & 1 != 0,
            0x0403 => sent.len() < 16 || sent[..16] != debug,
            _ => false,
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! fwgate's reading of the kernel, over a twin and a copy of the arena.

use std::ops::Range;

use fwgate_gate::abi::{Errno, Mode, Step, fwctl, memdev};

use crate::call::{Call, Marks, Node, Outcome, Returned};
use crate::memory::{BIG, BIG_LENGTH, Own, SMALL, offset, pattern};
use crate::twin::{Below, Seen, Setting, Twin};

/// Something that ioctls can be made of: the kernel, or our reading of it.
pub trait System {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Makes one, on memory that is as the call says and otherwise the pattern.
    fn ioctl(&mut self, call: &Call) -> Outcome;
}

/// Ours.
#[derive(Debug)]
pub struct Ours {
    /// The stand-in for the kernel's knowledge.
    pub twin: Twin,
    memory: Own,
    pattern: Vec<u8>,
    big_dirty: bool,
    /// The call that the memory is as it finds it.
    ready: Option<Call>,
    /// What theirs made of the call that comes next, where the device's answers are taken from it.
    pub hint: Option<Outcome>,
    /// Whether the last call came as far as the device.
    pub reached_device: bool,
    /// Bytes of the last call that the device made and that theirs does not show in full.
    pub unseen: Vec<Range<u64>>,
}

impl Ours {
    /// Over a twin made from that.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        let pattern = pattern();
        Self {
            twin: Twin::new(setting),
            memory: Own::new(pattern.clone()),
            pattern,
            big_dirty: false,
            ready: None,
            hint: None,
            reached_device: false,
            unseen: Vec::new(),
        }
    }

    /// The memory as a call finds it.
    pub fn prepare(&mut self, call: &Call) -> &Own {
        if self.ready.as_ref() == Some(call) {
            return &self.memory;
        }
        let memory = self.memory.bytes_mut();
        memory[..SMALL].copy_from_slice(&self.pattern[..SMALL]);
        if self.big_dirty {
            memory[SMALL..].copy_from_slice(&self.pattern[SMALL..]);
            self.big_dirty = false;
        }
        call.place(&mut self.memory);
        self.big_dirty = call.reaches_big(&self.memory);
        self.ready = Some(call.clone());
        &self.memory
    }

    fn run(&mut self, call: &Call) -> Returned {
        let Self { twin, memory, .. } = self;
        let replayed = twin.setting.below == Below::Replayed;
        let hint = self.hint.take().filter(|_| replayed);
        let faulted = hint.as_ref().is_none_or(|it| it.returned.is_err());
        self.unseen.clear();
        self.reached_device = false;
        let pointer = |at: u64| {
            let bytes = memory.all(call.arg.wrapping_add(at), 8);
            bytes.and_then(|it| it.try_into().ok()).map_or(0, u64::from_ne_bytes)
        };
        let reply = match call.node {
            Node::Fwctl => match fwctl::call(Mode::Parity, call.number, call.arg, &*memory, twin) {
                Step::Ask(ask) => {
                    self.reached_device = true;
                    let output = pointer(24);
                    let length = u64::from(ask.out_len());
                    let over = lies_over(call.arg, 32, output, length);
                    if replayed && (faulted || over) {
                        self.unseen.push(output..output.saturating_add(length));
                    }
                    if replayed && faulted {
                        // The length, where the structure could be written in part.
                        self.unseen.push(field(call.arg, 12));
                    }
                    let seen = hint.as_ref().and_then(|it| Seen::of_rpc(it, call.arg, output));
                    let answer = twin.answer_rpc(&ask, seen);
                    settle(ask.answer(answer))
                }
                step => settle(step),
            },
            Node::Memdev => match memdev::call(Mode::Parity, call.number, call.arg, &*memory, twin)
            {
                Step::Ask(ask) => {
                    self.reached_device = true;
                    let output = pointer(40);
                    let length = u64::from(ask.room());
                    let over = lies_over(call.arg, 48, output, length);
                    if replayed && (faulted || over) {
                        self.unseen.push(output..output.saturating_add(length));
                    }
                    if replayed && faulted {
                        self.unseen.extend([field(call.arg, 12), field(call.arg, 32)]);
                    }
                    let seen = hint.as_ref().and_then(|it| Seen::of_send(it, call.arg, output));
                    let timed_out = hint.as_ref().map(|it| it.returned);
                    let answer = if timed_out == Some(Err(Errno::TIMEDOUT.raw_os_error())) {
                        // Two seconds of a device that does not answer cannot be foretold.
                        memdev::Answer::Errno(Errno::TIMEDOUT)
                    } else {
                        twin.answer_send(&ask, seen)
                    };
                    settle(ask.answer(answer))
                }
                step => settle(step),
            },
        };
        let reply = reply.map_err(Errno::raw_os_error)?;
        reply.carry_out(memory).map_err(Errno::raw_os_error)
    }
}

/// Whether an output lies over the structure.
const fn lies_over(arg: u64, size: u64, output: u64, length: u64) -> bool {
    output < arg.saturating_add(size) && arg < output.saturating_add(length)
}

/// The word at that offset of the argument.
fn field(arg: u64, at: u64) -> Range<u64> {
    let from = arg.saturating_add(at);
    from..from.saturating_add(4)
}

fn settle<A: core::fmt::Debug>(step: Step<A>) -> Result<fwgate_gate::abi::Reply, Errno> {
    match step {
        Step::Reply(reply) => Ok(reply),
        Step::Errno(errno) => Err(errno),
        Step::Need(_) | Step::Ask(_) => {
            panic!("all memory is there and nothing is asked twice: {step:?}")
        }
    }
}

impl System for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn ioctl(&mut self, call: &Call) -> Outcome {
        self.prepare(call);
        self.ready = None;
        let returned = self.run(call);
        let bytes = self.memory.bytes();
        let big = offset(BIG).filter(|_| self.big_dirty);
        let Marks { fwctl, warned } = self.twin.marks;
        Outcome {
            returned,
            small: bytes[..SMALL].to_vec(),
            big: big.map(|from| bytes[from..from + BIG_LENGTH].to_vec()),
            marks: Marks { fwctl, warned },
        }
    }
}

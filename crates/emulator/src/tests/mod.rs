// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the device as a whole: every command goes through the real mailbox driver.
//!
//! *Not here*: tests of one file's own parts, which stand in that file.

mod background;
mod commands;
mod effects;
mod faults;
mod features;
mod firmware;
mod kernel;
mod state;
mod transcript;

use std::sync::Arc;

use fwgate_wire::cxl::ReturnCode;

use crate::clock::ManualTime;
use crate::device::{Completed, EmulatedCxl, Options, TransportError};
use crate::faults::{FaultPlan, FaultRule};

/// When the tests' time starts, in microseconds.
const START: u64 = 1_000_000_000;
/// How long the tests' driver waits, in microseconds.
const PATIENCE: u64 = 2_000_000;

/// A device in memory, in a time that only the test moves.
struct Rig {
    device: EmulatedCxl,
    time: ManualTime,
}

impl Rig {
    fn new() -> Self {
        Self::with(Options::cxl0())
    }

    fn with(options: Options) -> Self {
        let time = ManualTime::new(START);
        let device = EmulatedCxl::in_memory(options, Arc::new(time.clone())).unwrap();
        Self { device, time }
    }

    fn faulty(rules: Vec<FaultRule>) -> Self {
        let faults = FaultPlan { rules, ..FaultPlan::default() };
        Self::with(Options { faults: Some(faults), ..Options::cxl0() })
    }

    fn try_send(
        &mut self,
        opcode: u16,
        input: &[u8],
    ) -> Result<(Completed, Vec<u8>), TransportError> {
        send(&mut self.device, opcode, input)
    }

    fn send(&mut self, opcode: u16, input: &[u8]) -> (ReturnCode, Vec<u8>) {
        let (completed, reply) = self.try_send(opcode, input).unwrap();
        (completed.return_code, reply)
    }

    /// The reply of a command that succeeds.
    fn ok(&mut self, opcode: u16, input: &[u8]) -> Vec<u8> {
        let (code, reply) = self.send(opcode, input);
        assert_eq!(code, ReturnCode::SUCCESS, "0x{opcode:04X}");
        reply
    }

    /// The return code of a command that replies with nothing.
    fn code(&mut self, opcode: u16, input: &[u8]) -> ReturnCode {
        let (code, reply) = self.send(opcode, input);
        assert!(reply.is_empty(), "0x{opcode:04X} replied");
        code
    }

    /// Telemetry, C000h.
    fn telemetry(&mut self) -> Telemetry {
        Telemetry(self.ok(0xC000, &[]).try_into().unwrap())
    }
}

fn send(
    device: &mut EmulatedCxl,
    opcode: u16,
    input: &[u8],
) -> Result<(Completed, Vec<u8>), TransportError> {
    let mut reply = vec![0xee; 3];
    let deadline = device.deadline_in(PATIENCE);
    let completed = device.execute(opcode, input, &mut reply, deadline)?;
    Ok((completed, reply))
}

/// The 64 bytes of C000h, read as its table says.
struct Telemetry([u8; 64]);

impl Telemetry {
    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.0[at..at + 2].try_into().unwrap())
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())
    }
}

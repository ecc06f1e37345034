// SPDX-License-Identifier: MIT OR Apache-2.0
//! The register block of the emulated device, and how faults show in it.
//!
//! The driver is not trusted: any offset and any value may come.
//!
//! *Invariants*
//! - Registers are read-only, read-write or absent as the reference says; a write elsewhere does nothing.
//! - While the doorbell is set, writes to the mailbox do nothing.
//! - A command is carried out when its doorbell is written; its reply is seen when its time has come.
//!
//! *Not here*: the commands (`commands`), the driver (`fwgate_wire::cxl::mailbox`).
//!
//! *Spec*: `drivers/cxl/{cxl.h,pci.c}` and `drivers/cxl/core/regs.c` @ v7.3; the places of the blocks are
//! those of QEMU `include/hw/cxl/cxl_device.h`.

use std::sync::Arc;

use fwgate_wire::cxl::Registers;
use fwgate_wire::cxl::discover::{DEVICE_STATUS, MEMORY_DEVICE_STATUS, PRIMARY_MAILBOX};

use crate::bytes::{range, range_mut};
use crate::clock::TimeSource;
use crate::engine::{Answer, Engine};
use crate::faults::FaultKind;
use crate::store::HostError;

/// Where the device status block starts. It has 8 bytes.
pub(crate) const DEVICE_STATUS_AT: u32 = 0x80;
/// Where the mailbox block starts. It has 20h bytes and the payload.
pub(crate) const MAILBOX_AT: u32 = 0x88;
/// Where the payload starts.
pub(crate) const PAYLOAD_AT: u32 = MAILBOX_AT + 0x20;

const CONTROL_AT: u32 = MAILBOX_AT + 0x04;
const COMMAND_AT: u32 = MAILBOX_AT + 0x08;
const STATUS_AT: u32 = MAILBOX_AT + 0x10;
const BACKGROUND_AT: u32 = MAILBOX_AT + 0x18;
const CAPABILITIES: u64 = 3;

/// A device's registers, with the device behind them.
#[derive(Debug)]
pub(crate) struct RegisterModel {
    pub(crate) engine: Engine,
    time: Arc<dyn TimeSource>,
    control: u32,
    command: u64,
    status: u64,
    payload: Vec<u8>,
    /// What is seen once the doorbell clears.
    coming: Option<Completion>,
    /// A command was sent and its status not read yet: no fault holds the doorbell set meanwhile.
    awaited: bool,
}

#[derive(Debug)]
struct Completion {
    command: u64,
    return_code: u16,
    reply: Vec<u8>,
}

impl RegisterModel {
    pub(crate) fn new(engine: Engine, time: Arc<dyn TimeSource>) -> Self {
        let payload = vec![0; engine.state.payload_size()];
        Self {
            engine,
            time,
            control: 0,
            command: 0,
            status: 0,
            payload,
            coming: None,
            awaited: false,
        }
    }

    /// Clears what a reset clears.
    pub(crate) fn reset(&mut self) {
        self.control = 0;
        self.command = 0;
        self.status = 0;
        self.payload.fill(0);
        self.coming = None;
        self.awaited = false;
    }

    /// Moves the device on to the present and shows the reply whose time has come.
    pub(crate) fn settle(&mut self) {
        self.engine.settle(self.time.now_us());
        if self.busy() {
            return;
        }
        if let Some(Completion { command, return_code, reply }) = self.coming.take() {
            self.command = command;
            self.status = u64::from(return_code) << 32;
            if let Some(room) = self.payload.get_mut(..reply.len()) {
                room.copy_from_slice(&reply);
            }
        }
    }

    fn gone(&self) -> bool {
        self.engine.state.power.gone
    }

    /// Whether a command is under way.
    fn busy(&self) -> bool {
        self.engine.now_us < self.engine.state.power.busy_until_us
    }

    fn ring(&mut self) -> Result<(), HostError> {
        let opcode = u16::try_from(self.command & 0xffff).unwrap_or_default();
        let length = usize::try_from(self.command >> 16 & 0x1f_ffff).unwrap_or(usize::MAX);
        let faults = self.engine.faults_at(opcode);
        self.awaited = true;
        if faults.contains(&FaultKind::Gone) {
            self.engine.change().power.gone = true;
            return self.engine.save();
        }
        let forced = faults.iter().find_map(|fault| match fault {
            FaultKind::ReturnCode { code } => Some(*code),
            _ => None,
        });
        let mut answer = match forced {
            Some(return_code) => Answer { return_code, reply: Vec::new() },
            // The length field has room for more than the payload has.
            None => self.engine.take(opcode, self.payload.get(..length))?,
        };
        self.complete(opcode, &faults, &mut answer);
        self.engine.save()
    }

    fn complete(&mut self, opcode: u16, faults: &[FaultKind], answer: &mut Answer) {
        let mut echo = opcode;
        let mut claim = None;
        let mut wait = self.engine.state.settings.latency_us;
        for fault in faults {
            match *fault {
                FaultKind::Late { us } => wait = wait.saturating_add(us),
                FaultKind::Never => wait = u64::MAX,
                FaultKind::Short { bytes } => {
                    answer.reply.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
                }
                FaultKind::Long { claim: stated } => claim = Some(u64::from(stated & 0x1f_ffff)),
                FaultKind::WrongOpcode { echo: other } => echo = other,
                _ => {}
            }
        }
        let length = claim.or_else(|| u64::try_from(answer.reply.len()).ok()).unwrap_or_default();
        let command = u64::from(echo) | (length & 0x1f_ffff) << 16;
        let reply = std::mem::take(&mut answer.reply);
        self.coming = Some(Completion { command, return_code: answer.return_code, reply });
        if wait > 0 {
            let until = self.engine.now_us.saturating_add(wait);
            self.engine.change().power.busy_until_us = until;
        }
        self.settle();
    }

    /// The 8 bytes of registers at `offset`, a multiple of 8 outside the payload.
    fn word(&mut self, offset: u32) -> u64 {
        let header = |id: u16, version: u64| u64::from(id) | version << 16;
        let place = |at: u32, length: u64| (u64::from(at), length);
        let mailbox = 0x20 + u64::try_from(self.payload.len()).unwrap_or_default();
        let blocks = [
            (DEVICE_STATUS, place(DEVICE_STATUS_AT, 8)),
            (PRIMARY_MAILBOX, place(MAILBOX_AT, mailbox)),
            (MEMORY_DEVICE_STATUS, place(self.memory_status_at(), 8)),
        ];
        match offset {
            0 => 1 << 16 | CAPABILITIES << 32,
            0x10..0x40 => {
                let index = usize::try_from(offset / 0x10).unwrap_or_default().saturating_sub(1);
                let Some((id, (at, length))) = blocks.get(index) else { return 0 };
                if offset.is_multiple_of(0x10) { header(*id, 1) | at << 32 } else { *length }
            }
            DEVICE_STATUS_AT => u64::from(self.engine.state.events.status()),
            MAILBOX_AT => {
                let capabilities = self.engine.state.settings.payload_log2 & 0x1f;
                u64::from(capabilities) | u64::from(self.control_word()) << 32
            }
            COMMAND_AT => self.command,
            STATUS_AT => {
                let running = self.engine.state.background.running.is_some();
                self.status | u64::from(running)
            }
            BACKGROUND_AT => self.engine.state.background.register(self.engine.now_us),
            other if other == self.memory_status_at() => self.memory_status(),
            _ => 0,
        }
    }

    fn control_word(&self) -> u32 {
        self.control & !1 | u32::from(self.busy())
    }

    fn memory_status_at(&self) -> u32 {
        PAYLOAD_AT.saturating_add(self.payload_length())
    }

    fn payload_length(&self) -> u32 {
        u32::try_from(self.payload.len()).unwrap_or_default()
    }

    fn memory_status(&self) -> u64 {
        // Media ready or disabled, mailbox interface ready.
        let media: u64 = if self.engine.media_disabled() { 3 } else { 1 };
        media << 2 | 1 << 4
    }

    fn length(&self) -> u32 {
        self.memory_status_at().saturating_add(8)
    }

    /// Where in the payload an access lies that is wholly inside it.
    fn in_payload(&self, offset: u32, width: usize) -> Option<usize> {
        let at = usize::try_from(offset.checked_sub(PAYLOAD_AT)?).ok()?;
        (at.checked_add(width)? <= self.payload.len()).then_some(at)
    }

    /// Refuses an access that no register or payload byte answers.
    fn aligned(&self, offset: u32, width: usize) -> Result<(), HostError> {
        let wide = u32::try_from(width).unwrap_or(u32::MAX);
        let inside = offset.checked_add(wide).is_some_and(|end| end <= self.length());
        if inside && wide != 0 && offset.is_multiple_of(wide) {
            Ok(())
        } else {
            Err(HostError::NoRegister { offset, width })
        }
    }

    fn load(&mut self, offset: u32, width: usize) -> Result<[u8; 8], HostError> {
        self.aligned(offset, width)?;
        self.settle();
        if self.gone() {
            return Ok([0xff; 8]);
        }
        let mut out = [0; 8];
        if let Some(at) = self.in_payload(offset, width) {
            if let Some((to, from)) = out.get_mut(..width).zip(range(&self.payload, at, width)) {
                to.copy_from_slice(from);
            }
            return Ok(out);
        }
        if offset == STATUS_AT {
            self.awaited = false;
        }
        let stuck = offset == CONTROL_AT && !self.awaited && self.engine.doorbell_stuck();
        let shift = offset % 8 * 8;
        let word = self.word(offset - offset % 8) >> shift | u64::from(stuck);
        self.engine.save()?;
        Ok(word.to_le_bytes())
    }

    fn store(&mut self, offset: u32, bytes: &[u8]) -> Result<(), HostError> {
        self.settle();
        if self.gone() || self.busy() {
            return Ok(());
        }
        if let Some(at) = self.in_payload(offset, bytes.len()) {
            if let Some(room) = range_mut(&mut self.payload, at, bytes.len()) {
                room.copy_from_slice(bytes);
            }
            return Ok(());
        }
        let mut word = [0; 8];
        if let Some(room) = word.get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        let value = u64::from_le_bytes(word);
        match offset {
            CONTROL_AT => {
                self.control = u32::try_from(value & 0x6).unwrap_or_default();
                if value & 1 != 0 {
                    self.ring()?;
                }
            }
            COMMAND_AT if bytes.len() == 8 => self.command = value & 0x1f_ffff_ffff,
            _ => {}
        }
        Ok(())
    }
}

impl Registers for RegisterModel {
    type Error = HostError;

    fn read32(&mut self, offset: u32) -> Result<u32, HostError> {
        let [a, b, c, d, ..] = self.load(offset, 4)?;
        Ok(u32::from_le_bytes([a, b, c, d]))
    }

    fn write32(&mut self, offset: u32, value: u32) -> Result<(), HostError> {
        self.aligned(offset, 4)?;
        self.store(offset, &value.to_le_bytes())
    }

    fn read64(&mut self, offset: u32) -> Result<u64, HostError> {
        self.load(offset, 8).map(u64::from_le_bytes)
    }

    fn write64(&mut self, offset: u32, value: u64) -> Result<(), HostError> {
        self.aligned(offset, 8)?;
        self.store(offset, &value.to_le_bytes())
    }

    fn read_bytes(&mut self, offset: u32, out: &mut [u8]) -> Result<(), HostError> {
        self.settle();
        let width = out.len();
        let at = self.in_payload(offset, width).ok_or(HostError::NoRegister { offset, width })?;
        if self.gone() {
            out.fill(0xff);
        } else if let Some(bytes) = range(&self.payload, at, width) {
            out.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn write_bytes(&mut self, offset: u32, bytes: &[u8]) -> Result<(), HostError> {
        let width = bytes.len();
        self.in_payload(offset, width).ok_or(HostError::NoRegister { offset, width })?;
        self.store(offset, bytes)
    }

    fn block_length(&self) -> Option<u32> {
        Some(self.length())
    }
}

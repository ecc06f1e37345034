// SPDX-License-Identifier: MIT OR Apache-2.0
//! The driver of the CXL command mailbox, over any [`Registers`].
//!
//! The device is not trusted: it can stay silent, claim too much, answer another command, or be gone.
//!
//! *Invariants*
//! - One send touches the registers in the kernel's order: doorbell clear, payload, command, doorbell,
//!   poll, status, command, payload.
//! - Nothing is written while the doorbell is set.
//! - No wait goes past its deadline by more than one [`POLL_PAUSE_US`] pause and one register read.
//! - At most `out.len()` bytes are copied, and never more than the payload size.
//!
//! *Not here*: whether a command may be sent (`fwgate-policy`); waiting for a background operation.
//!
//! *Spec*: `drivers/cxl/pci.c` @ v7.3, which also names CXL 2.0 8.2.8.4. Unlike that driver this one
//! checks the input length, checks that the command register still holds the opcode it sent, refuses a
//! reply longer than the payload, and keeps the interrupt enable bits when it rings the doorbell.

use super::discover::DeviceBlocks;
use super::opcode::Opcode;
use super::registers::{
    BackgroundStatus, Clock, EventStatus, MailboxCapabilities, MailboxCommand, MailboxControl,
    MailboxStatus, MemoryDeviceStatus, Registers, mailbox_offset,
};
use super::return_code::ReturnCode;
use thiserror::Error;

/// How long the kernel waits for the doorbell, in microseconds.
pub const SEND_TIMEOUT_US: u64 = 2_000_000;
/// How long the kernel waits for the mailbox interface to be ready, in microseconds.
pub const READY_TIMEOUT_US: u64 = 60_000_000;
/// Pause between two looks at the doorbell, in microseconds. The kernel polls without a pause.
pub const POLL_PAUSE_US: u64 = 10;

/// One device's primary mailbox.
///
/// It holds offsets and the payload size, no access to the device: the registers come with each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox {
    base: u32,
    memory_device_status: u32,
    event_status: u32,
    payload_size: u32,
}

/// What a device answered to one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The opcode in the command register after completion; equal to the one sent.
    pub opcode_echo: Opcode,
    /// The device's return code.
    pub return_code: ReturnCode,
    /// The vendor's extended status.
    pub vendor_status: u16,
    /// Bytes of output the device states; 0 unless the code is Success or Background Started.
    pub length: usize,
    /// Bytes copied to the caller: the smaller of `length` and the room given.
    pub copied: usize,
}

/// One use of the mailbox failed.
///
/// The command may still have been carried out by the device in every variant but `Busy`, `InputTooLong`
/// and `NotReady`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MailboxError<E> {
    /// The doorbell was already set: another command is under way. Nothing was written.
    #[error("mailbox is busy: the doorbell is already set")]
    Busy,
    /// The doorbell was not cleared before the deadline.
    #[error("the doorbell did not clear before the deadline")]
    Timeout,
    /// A register access failed.
    #[error("register access failed: {0}")]
    Register(E),
    /// The input is longer than the payload. Nothing was written.
    #[error("input of {length} bytes is longer than the payload of {payload_size}")]
    InputTooLong {
        /// Bytes given.
        length: usize,
        /// Bytes the mailbox takes.
        payload_size: u32,
    },
    /// The command register holds another opcode than the one sent.
    #[error("sent opcode {sent}, the command register holds {found} after completion")]
    WrongOpcode {
        /// The opcode sent.
        sent: Opcode,
        /// The opcode found.
        found: Opcode,
    },
    /// The device states more output than the payload has room for.
    #[error("the device states {length} bytes of output, the payload has {payload_size}")]
    LengthBeyondPayload {
        /// Bytes stated.
        length: u32,
        /// Bytes of the payload.
        payload_size: u32,
    },
    /// The payload size is below 256 bytes.
    #[error("payload size of two to the power {log2} is below 256 bytes")]
    PayloadTooSmall {
        /// Base-two logarithm stated.
        log2: u32,
    },
    /// The mailbox block is too short for the payload the device states.
    #[error("mailbox block of {length} bytes is too short for a payload of {payload_size}")]
    PayloadBeyondBlock {
        /// Length of the mailbox block.
        length: u32,
        /// Payload size stated.
        payload_size: u32,
    },
    /// The mailbox interface did not become ready before the deadline.
    #[error("the mailbox interface is not ready")]
    NotReady,
    /// The device reports a fatal error.
    #[error("the device reports a fatal error")]
    Fatal,
    /// The device reports that its firmware has halted.
    #[error("the device reports that its firmware has halted")]
    FirmwareHalt,
    /// All bits read as ones: the device is gone.
    #[error("the device is gone: all bits read as ones")]
    Gone,
}

impl Mailbox {
    /// Waits until the mailbox is ready and idle and reads its payload size.
    ///
    /// `deadline_us` is a moment on `clock`, not a duration; the kernel allows [`READY_TIMEOUT_US`].
    ///
    /// # Errors
    /// `NotReady`, `Fatal`, `FirmwareHalt`, `Busy` (the doorbell is still set at the deadline),
    /// `PayloadTooSmall`, `PayloadBeyondBlock`, `Gone` or `Register`.
    pub fn open<R: Registers, C: Clock>(
        regs: &mut R,
        clock: &mut C,
        blocks: &DeviceBlocks,
        deadline_us: u64,
    ) -> Result<Self, MailboxError<R::Error>> {
        let mut mailbox = Self {
            base: blocks.mailbox().offset(),
            memory_device_status: blocks.memory_device_status().offset(),
            event_status: blocks.device_status().offset(),
            payload_size: 0,
        };
        loop {
            let status = mailbox.memory_device_status(regs)?;
            health(status)?;
            if status.mailbox_ready() {
                break;
            }
            if !pause_before(clock, deadline_us) {
                return Err(MailboxError::NotReady);
            }
        }
        if !mailbox.wait_for_doorbell(regs, clock, deadline_us)? {
            return Err(MailboxError::Busy);
        }
        let capabilities = read32(regs, mailbox.at(mailbox_offset::CAPABILITIES))?;
        let capabilities = MailboxCapabilities(capabilities);
        let payload_size = capabilities
            .payload_size()
            .ok_or(MailboxError::PayloadTooSmall { log2: capabilities.payload_size_log2() })?;
        let length = blocks.mailbox().length();
        if length.saturating_sub(mailbox_offset::PAYLOAD) < payload_size {
            return Err(MailboxError::PayloadBeyondBlock { length, payload_size });
        }
        mailbox.payload_size = payload_size;
        Ok(mailbox)
    }

    /// Bytes one command can carry in either direction, 256 to 1 MiB.
    #[must_use]
    pub const fn payload_size(&self) -> usize {
        self.payload_size as usize
    }

    /// Sends one command and waits for its completion.
    ///
    /// `deadline_us` is a moment on `clock`, not a duration; the kernel allows [`SEND_TIMEOUT_US`] from
    /// now. A reply with a return code other than Success is a [`Reply`], not an error; its payload is
    /// not read. After `Timeout` the device still owns the mailbox and the next send is `Busy`.
    ///
    /// # Errors
    /// [`MailboxError`]. At `Busy` and `Timeout` the memory device status is read and a fatal error or a
    /// firmware halt is reported instead.
    pub fn send<R: Registers, C: Clock>(
        &mut self,
        regs: &mut R,
        clock: &mut C,
        opcode: Opcode,
        input: &[u8],
        out: &mut [u8],
        deadline_us: u64,
    ) -> Result<Reply, MailboxError<R::Error>> {
        let command = u32::try_from(input.len())
            .ok()
            .filter(|length| *length <= self.payload_size)
            .and_then(|length| MailboxCommand::new(opcode, length))
            .ok_or(MailboxError::InputTooLong {
                length: input.len(),
                payload_size: self.payload_size,
            })?;

        let control = self.control(regs)?;
        if control.doorbell() {
            health(self.memory_device_status(regs)?)?;
            return Err(MailboxError::Busy);
        }
        if !input.is_empty() {
            regs.write_bytes(self.at(mailbox_offset::PAYLOAD), input)
                .map_err(MailboxError::Register)?;
        }
        regs.write64(self.at(mailbox_offset::COMMAND), command.0)
            .map_err(MailboxError::Register)?;
        regs.write32(self.at(mailbox_offset::CONTROL), control.with_doorbell().0)
            .map_err(MailboxError::Register)?;
        if !self.wait_for_doorbell(regs, clock, deadline_us)? {
            health(self.memory_device_status(regs)?)?;
            return Err(MailboxError::Timeout);
        }
        self.collect(regs, opcode, out)
    }

    /// Reads the Background Command Status register.
    ///
    /// # Errors
    /// `Gone` or `Register`.
    pub fn background_status<R: Registers>(
        &self,
        regs: &mut R,
    ) -> Result<BackgroundStatus, MailboxError<R::Error>> {
        read64(regs, self.at(mailbox_offset::BACKGROUND_STATUS)).map(BackgroundStatus)
    }

    /// Reads the Memory Device Status register.
    ///
    /// # Errors
    /// `Gone` or `Register`.
    pub fn memory_device_status<R: Registers>(
        &self,
        regs: &mut R,
    ) -> Result<MemoryDeviceStatus, MailboxError<R::Error>> {
        read64(regs, self.memory_device_status).map(MemoryDeviceStatus)
    }

    /// Reads the Event Status register.
    ///
    /// # Errors
    /// `Gone` or `Register`.
    pub fn event_status<R: Registers>(
        &self,
        regs: &mut R,
    ) -> Result<EventStatus, MailboxError<R::Error>> {
        read32(regs, self.event_status).map(EventStatus)
    }

    fn collect<R: Registers>(
        &self,
        regs: &mut R,
        sent: Opcode,
        out: &mut [u8],
    ) -> Result<Reply, MailboxError<R::Error>> {
        let status = MailboxStatus(read64(regs, self.at(mailbox_offset::STATUS))?);
        let command = MailboxCommand(read64(regs, self.at(mailbox_offset::COMMAND))?);
        let found = command.opcode();
        if found != sent {
            return Err(MailboxError::WrongOpcode { sent, found });
        }
        let return_code = status.return_code();
        let mut reply = Reply {
            opcode_echo: found,
            return_code,
            vendor_status: status.vendor_status(),
            length: 0,
            copied: 0,
        };
        if !matches!(return_code, ReturnCode::SUCCESS | ReturnCode::BACKGROUND_STARTED) {
            return Ok(reply);
        }
        let length = command.length();
        if length > self.payload_size {
            let payload_size = self.payload_size;
            return Err(MailboxError::LengthBeyondPayload { length, payload_size });
        }
        reply.length = length as usize;
        reply.copied = reply.length.min(out.len());
        if let Some(room) = out.get_mut(..reply.copied).filter(|room| !room.is_empty()) {
            regs.read_bytes(self.at(mailbox_offset::PAYLOAD), room)
                .map_err(MailboxError::Register)?;
        }
        Ok(reply)
    }

    /// Whether the doorbell is clear before the deadline. It is always looked at once.
    fn wait_for_doorbell<R: Registers, C: Clock>(
        &self,
        regs: &mut R,
        clock: &mut C,
        deadline_us: u64,
    ) -> Result<bool, MailboxError<R::Error>> {
        loop {
            if !self.control(regs)?.doorbell() {
                return Ok(true);
            }
            if !pause_before(clock, deadline_us) {
                return Ok(false);
            }
        }
    }

    fn control<R: Registers>(
        &self,
        regs: &mut R,
    ) -> Result<MailboxControl, MailboxError<R::Error>> {
        read32(regs, self.at(mailbox_offset::CONTROL)).map(MailboxControl)
    }

    /// Offset of a mailbox register. Cannot overflow: `discover` has checked the block.
    const fn at(&self, register: u32) -> u32 {
        self.base.saturating_add(register)
    }
}

fn read32<R: Registers>(regs: &mut R, offset: u32) -> Result<u32, MailboxError<R::Error>> {
    let word = regs.read32(offset).map_err(MailboxError::Register)?;
    if word == u32::MAX { Err(MailboxError::Gone) } else { Ok(word) }
}

fn read64<R: Registers>(regs: &mut R, offset: u32) -> Result<u64, MailboxError<R::Error>> {
    let word = regs.read64(offset).map_err(MailboxError::Register)?;
    if word == u64::MAX { Err(MailboxError::Gone) } else { Ok(word) }
}

fn health<E>(status: MemoryDeviceStatus) -> Result<(), MailboxError<E>> {
    if status.fatal() {
        Err(MailboxError::Fatal)
    } else if status.firmware_halt() {
        Err(MailboxError::FirmwareHalt)
    } else {
        Ok(())
    }
}

/// Pauses, unless the deadline has come.
fn pause_before<C: Clock>(clock: &mut C, deadline_us: u64) -> bool {
    let left = deadline_us.saturating_sub(clock.now_us());
    if left == 0 {
        return false;
    }
    clock.pause(left.min(POLL_PAUSE_US));
    true
}

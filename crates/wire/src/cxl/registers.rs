// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registers of a CXL device's block (register block id 3) and how they are reached.
//!
//! Register contents are not trusted: the device writes them.
//!
//! *Invariants*
//! - All offsets are bytes from the start of the block.
//! - The bit-field types keep the whole register word and never drop a reserved bit.
//!
//! *Not here*: where the capabilities lie (`discover`), the send sequence (`mailbox`).
//!
//! *Spec*: `drivers/cxl/{cxl.h,cxlmem.h,pci.c}` and `drivers/cxl/core/regs.c` @ v7.3; QEMU
//! `include/hw/cxl/cxl_device.h`.

use super::opcode::Opcode;
use super::return_code::ReturnCode;

/// One device's CXL register block (register block id 3); offset 0 is the capability array.
///
/// The caller of these methods is this crate alone. It reads and writes with the widths the Linux driver
/// uses: 32 bits for the mailbox capability and control registers and for the capability headers, 64 bits
/// for the array, command, status and background status registers, bytes for the payload.
pub trait Registers {
    /// Why an access did not reach the device.
    type Error;

    /// Reads 32 bits, little endian, at `offset`.
    ///
    /// # Errors
    /// The access failed.
    fn read32(&mut self, offset: u32) -> Result<u32, Self::Error>;

    /// Writes 32 bits, little endian, at `offset`.
    ///
    /// # Errors
    /// The access failed.
    fn write32(&mut self, offset: u32, value: u32) -> Result<(), Self::Error>;

    /// Reads 64 bits, little endian, at `offset`.
    ///
    /// # Errors
    /// The access failed.
    fn read64(&mut self, offset: u32) -> Result<u64, Self::Error>;

    /// Writes 64 bits, little endian, at `offset`.
    ///
    /// # Errors
    /// The access failed.
    fn write64(&mut self, offset: u32, value: u64) -> Result<(), Self::Error>;

    /// Fills `out` from the bytes at `offset`.
    ///
    /// # Errors
    /// The access failed.
    fn read_bytes(&mut self, offset: u32, out: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes `bytes` at `offset`.
    ///
    /// # Errors
    /// The access failed.
    fn write_bytes(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Bytes in the block, when known. Capabilities that reach past it are then refused.
    fn block_length(&self) -> Option<u32> {
        None
    }
}

/// Time as the driver sees it (the crate has no clock).
pub trait Clock {
    /// Microseconds since some fixed moment. Must not run backwards.
    fn now_us(&mut self) -> u64;

    /// Waits about `us` microseconds. Must move [`Clock::now_us`] forward.
    fn pause(&mut self, us: u64);
}

/// Offsets inside the mailbox block.
pub mod mailbox_offset {
    /// Mailbox Capabilities, 32 bits, read only.
    pub const CAPABILITIES: u32 = 0x00;
    /// Mailbox Control, 32 bits.
    pub const CONTROL: u32 = 0x04;
    /// Command, 64 bits.
    pub const COMMAND: u32 = 0x08;
    /// Mailbox Status, 64 bits, read only.
    pub const STATUS: u32 = 0x10;
    /// Background Command Status, 64 bits, read only.
    pub const BACKGROUND_STATUS: u32 = 0x18;
    /// Command Payload.
    pub const PAYLOAD: u32 = 0x20;
}

/// Mailbox Capabilities register (00h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxCapabilities(pub u32);

bit_accessors!(
    MailboxCapabilities,
    /// Bit 5: an interrupt when the doorbell clears is available.
    doorbell_interrupt_capable = 5,
    /// Bit 6: an interrupt when a background operation ends is available.
    background_interrupt_capable = 6,
);

impl MailboxCapabilities {
    /// Smallest payload size the specification allows, in bytes.
    pub const MIN_PAYLOAD: u32 = 256;
    /// Largest payload size the specification allows, in bytes.
    pub const MAX_PAYLOAD: u32 = 1 << 20;

    /// Bits 4:0: base-two logarithm of the payload size, as claimed.
    #[must_use]
    pub const fn payload_size_log2(self) -> u32 {
        self.0 & 0x1f
    }

    /// Bits 10:7: MSI message number.
    #[must_use]
    pub const fn interrupt_message(self) -> u32 {
        (self.0 >> 7) & 0xf
    }

    /// Payload size in bytes; `None` below 256. Above 1 MiB it is held to 1 MiB, as the kernel does.
    #[must_use]
    pub const fn payload_size(self) -> Option<u32> {
        match self.payload_size_log2() {
            0..=7 => None,
            log2 @ 8..=20 => 1u32.checked_shl(log2),
            _ => Some(Self::MAX_PAYLOAD),
        }
    }
}

/// Mailbox Control register (04h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxControl(pub u32);

bit_accessors!(
    MailboxControl,
    /// Bit 0: the doorbell. Set by the host to send, cleared by the device when done.
    doorbell = 0,
    /// Bit 1: interrupt when the doorbell clears.
    doorbell_interrupt = 1,
    /// Bit 2: interrupt when a background operation ends.
    background_interrupt = 2,
);

impl MailboxControl {
    /// The same word with the doorbell set.
    #[must_use]
    pub const fn with_doorbell(self) -> Self {
        Self(self.0 | 1)
    }
}

/// Command register (08h): opcode and payload length, in on a request and out on completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxCommand(pub u64);

impl MailboxCommand {
    /// Largest length bits 36:16 can hold.
    pub const MAX_LENGTH: u32 = 0x1f_ffff;

    /// Builds a command word; `None` if `length` does not fit in 21 bits.
    #[must_use]
    pub const fn new(opcode: Opcode, length: u32) -> Option<Self> {
        if length > Self::MAX_LENGTH {
            return None;
        }
        Some(Self(opcode.0 as u64 | ((length as u64) << 16)))
    }

    /// Bits 15:0: the opcode.
    #[must_use]
    pub const fn opcode(self) -> Opcode {
        Opcode(low16(self.0))
    }

    /// Bits 36:16: payload length in bytes, as claimed.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "masked to 21 bits")]
    pub const fn length(self) -> u32 {
        ((self.0 >> 16) & Self::MAX_LENGTH as u64) as u32
    }
}

/// Mailbox Status register (10h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxStatus(pub u64);

impl MailboxStatus {
    /// Bit 0: a background operation is running.
    #[must_use]
    pub const fn background_running(self) -> bool {
        self.0 & 1 != 0
    }

    /// Bits 47:32: the return code of the command.
    #[must_use]
    pub const fn return_code(self) -> ReturnCode {
        ReturnCode(low16(self.0 >> 32))
    }

    /// Bits 63:48: the vendor's extended status.
    #[must_use]
    pub const fn vendor_status(self) -> u16 {
        low16(self.0 >> 48)
    }
}

/// Background Command Status register (18h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackgroundStatus(pub u64);

impl BackgroundStatus {
    /// Bits 15:0: opcode of the last background operation.
    #[must_use]
    pub const fn opcode(self) -> Opcode {
        Opcode(low16(self.0))
    }

    /// Bits 22:16: percent done, as claimed; a device can claim more than 100.
    #[must_use]
    pub const fn percent(self) -> u8 {
        low8(self.0 >> 16) & 0x7f
    }

    /// Bits 47:32: return code; meaningful once the operation has ended.
    #[must_use]
    pub const fn return_code(self) -> ReturnCode {
        ReturnCode(low16(self.0 >> 32))
    }

    /// Bits 63:48: the vendor's extended status.
    #[must_use]
    pub const fn vendor_status(self) -> u16 {
        low16(self.0 >> 48)
    }
}

/// What the media is doing, bits 3:2 of [`MemoryDeviceStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaStatus {
    /// 0: not ready.
    NotReady,
    /// 1: ready.
    Ready,
    /// 2: error.
    Error,
    /// 3: disabled.
    Disabled,
}

/// Which reset the device asks for, bits 7:5 of [`MemoryDeviceStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetNeeded {
    /// 0: none.
    None,
    /// 1: cold reset.
    Cold,
    /// 2: warm reset.
    Warm,
    /// 3: hot reset.
    Hot,
    /// 4: CXL reset.
    Cxl,
    /// 5 to 7: reserved.
    Reserved(u8),
}

/// Memory Device Status register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryDeviceStatus(pub u64);

bit_accessors!(
    MemoryDeviceStatus,
    /// Bit 0: the device met a fatal error.
    fatal = 0,
    /// Bit 1: the firmware has halted.
    firmware_halt = 1,
    /// Bit 4: the mailbox interface is ready.
    mailbox_ready = 4,
);

impl MemoryDeviceStatus {
    /// Bits 3:2: state of the media.
    #[must_use]
    pub const fn media(self) -> MediaStatus {
        match (self.0 >> 2) & 3 {
            0 => MediaStatus::NotReady,
            1 => MediaStatus::Ready,
            2 => MediaStatus::Error,
            _ => MediaStatus::Disabled,
        }
    }

    /// Bits 7:5: the reset the device asks for.
    #[must_use]
    pub const fn reset_needed(self) -> ResetNeeded {
        match low8(self.0 >> 5) & 7 {
            0 => ResetNeeded::None,
            1 => ResetNeeded::Cold,
            2 => ResetNeeded::Warm,
            3 => ResetNeeded::Hot,
            4 => ResetNeeded::Cxl,
            other => ResetNeeded::Reserved(other),
        }
    }
}

/// Event Status register of the device status block: which event logs hold records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventStatus(pub u32);

bit_accessors!(
    EventStatus,
    /// Bit 0: information log.
    information = 0,
    /// Bit 1: warning log.
    warning = 1,
    /// Bit 2: failure log.
    failure = 2,
    /// Bit 3: fatal log.
    fatal = 3,
    /// Bit 4: dynamic capacity log. Linux masks it off.
    dynamic_capacity = 4,
);

#[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are what is asked for")]
const fn low16(value: u64) -> u16 {
    value as u16
}

#[expect(clippy::cast_possible_truncation, reason = "the low 8 bits are what is asked for")]
const fn low8(value: u64) -> u8 {
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_sizes_are_bounded_below_and_held_above() {
        for (log2, size) in [
            (0, None),
            (7, None),
            (8, Some(256)),
            (11, Some(2048)),
            (20, Some(1 << 20)),
            (21, Some(1 << 20)),
            (31, Some(1 << 20)),
        ] {
            assert_eq!(MailboxCapabilities(log2).payload_size(), size, "{log2}");
            assert_eq!(MailboxCapabilities(log2 | 0xffff_ffe0).payload_size(), size, "{log2}");
        }
    }

    #[test]
    fn capability_bits_do_not_run_into_each_other() {
        assert!(MailboxCapabilities(1 << 5).doorbell_interrupt_capable());
        assert!(!MailboxCapabilities(!(1 << 5)).doorbell_interrupt_capable());
        assert!(MailboxCapabilities(1 << 6).background_interrupt_capable());
        assert!(!MailboxCapabilities(!(1 << 6)).background_interrupt_capable());
        assert_eq!(MailboxCapabilities(0xf << 7).interrupt_message(), 0xf);
        assert_eq!(MailboxCapabilities(!(0xf << 7)).interrupt_message(), 0);
    }

    #[test]
    fn the_command_register_holds_opcode_and_length_side_by_side() {
        let word = MailboxCommand::new(Opcode(0xffff), 0).unwrap();
        assert_eq!((word.0, word.opcode(), word.length()), (0xffff, Opcode(0xffff), 0));
        let word = MailboxCommand::new(Opcode(0), MailboxCommand::MAX_LENGTH).unwrap();
        assert_eq!(word.0, 0x1f_ffff_0000);
        assert_eq!((word.opcode(), word.length()), (Opcode(0), 0x1f_ffff));
        assert_eq!(MailboxCommand::new(Opcode(0), 0x20_0000), None);
        assert_eq!(MailboxCommand(0xffff_ffe0_0000_0000).length(), 0);
    }

    #[test]
    fn status_fields_sit_at_their_bits() {
        let word = MailboxStatus(0x1234_5678_0000_0000);
        assert_eq!((word.vendor_status(), word.return_code().0), (0x1234, 0x5678));
        assert!(!word.background_running());
        assert!(MailboxStatus(1).background_running());
        assert_eq!(MailboxStatus(0xffff_0000_ffff_ffff).return_code().0, 0);
    }

    #[test]
    fn background_percent_is_seven_bits() {
        let word = BackgroundStatus(0x0102_0003_0064_4400);
        assert_eq!(word.opcode(), Opcode(0x4400));
        assert_eq!(word.percent(), 100);
        assert_eq!((word.return_code().0, word.vendor_status()), (3, 0x0102));
        assert_eq!(BackgroundStatus(0x00ff_0000).percent(), 0x7f);
        assert_eq!(BackgroundStatus(0x0080_0000).percent(), 0);
    }

    #[test]
    fn memory_device_status_bits_are_told_apart() {
        assert!(MemoryDeviceStatus(1).fatal() && !MemoryDeviceStatus(!1).fatal());
        assert!(MemoryDeviceStatus(2).firmware_halt() && !MemoryDeviceStatus(!2).firmware_halt());
        assert!(MemoryDeviceStatus(16).mailbox_ready() && !MemoryDeviceStatus(!16).mailbox_ready());
        for (bits, media) in [
            (0, MediaStatus::NotReady),
            (4, MediaStatus::Ready),
            (8, MediaStatus::Error),
            (12, MediaStatus::Disabled),
        ] {
            assert_eq!(MemoryDeviceStatus(bits).media(), media);
            assert_eq!(MemoryDeviceStatus(bits | !12).media(), media);
        }
        for (bits, reset) in [
            (0, ResetNeeded::None),
            (1, ResetNeeded::Cold),
            (2, ResetNeeded::Warm),
            (3, ResetNeeded::Hot),
            (4, ResetNeeded::Cxl),
            (5, ResetNeeded::Reserved(5)),
            (7, ResetNeeded::Reserved(7)),
        ] {
            assert_eq!(MemoryDeviceStatus((bits << 5) | 0x1f).reset_needed(), reset);
        }
    }

    #[test]
    fn the_doorbell_is_bit_zero_and_setting_it_keeps_the_rest() {
        assert_eq!(MailboxControl(6).with_doorbell(), MailboxControl(7));
        assert!(!MailboxControl(6).doorbell());
        assert!(MailboxControl(2).doorbell_interrupt() && MailboxControl(4).background_interrupt());
    }

    #[test]
    fn each_event_log_has_its_bit() {
        assert!(EventStatus(1).information() && !EventStatus(!1).information());
        assert!(EventStatus(2).warning() && !EventStatus(!2).warning());
        assert!(EventStatus(4).failure() && !EventStatus(!4).failure());
        assert!(EventStatus(8).fatal() && !EventStatus(!8).fatal());
        assert!(EventStatus(16).dynamic_capacity() && !EventStatus(!16).dynamic_capacity());
    }
}

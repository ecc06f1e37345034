// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the driver does to the registers, access by access, and what they answer.

use std::sync::Arc;

use fwgate_wire::cxl::{DeviceBlocks, Mailbox, Opcode, Registers, ReturnCode};

use super::START;
use crate::clock::{DriverClock, ManualTime};
use crate::device::{EmulatedCxl, Options};
use crate::registers::{MAILBOX_AT, RegisterModel};
use crate::store::HostError;

/// Writes down every access.
struct Recorder<'a> {
    inner: &'a mut RegisterModel,
    lines: Vec<String>,
}

impl Registers for Recorder<'_> {
    type Error = HostError;

    fn read32(&mut self, offset: u32) -> Result<u32, HostError> {
        let value = self.inner.read32(offset)?;
        self.lines.push(format!("read32  {offset:03X} {value:08X}"));
        Ok(value)
    }

    fn write32(&mut self, offset: u32, value: u32) -> Result<(), HostError> {
        self.lines.push(format!("write32 {offset:03X} {value:08X}"));
        self.inner.write32(offset, value)
    }

    fn read64(&mut self, offset: u32) -> Result<u64, HostError> {
        let value = self.inner.read64(offset)?;
        self.lines.push(format!("read64  {offset:03X} {value:016X}"));
        Ok(value)
    }

    fn write64(&mut self, offset: u32, value: u64) -> Result<(), HostError> {
        self.lines.push(format!("write64 {offset:03X} {value:016X}"));
        self.inner.write64(offset, value)
    }

    fn read_bytes(&mut self, offset: u32, out: &mut [u8]) -> Result<(), HostError> {
        self.inner.read_bytes(offset, out)?;
        self.lines.push(format!("read    {offset:03X} {out:02X?}"));
        Ok(())
    }

    fn write_bytes(&mut self, offset: u32, bytes: &[u8]) -> Result<(), HostError> {
        self.lines.push(format!("write   {offset:03X} {bytes:02X?}"));
        self.inner.write_bytes(offset, bytes)
    }

    fn block_length(&self) -> Option<u32> {
        self.inner.block_length()
    }
}

#[test]
fn golden_transcript_of_one_command_with_input_output_and_latency() {
    let time = ManualTime::new(START);
    let options = Options { latency_us: 15, ..Options::cxl0() };
    let mut device = EmulatedCxl::in_memory(options, Arc::new(time.clone())).unwrap();
    let mut clock = DriverClock(Arc::new(time));
    let mut regs = Recorder { inner: device.registers(), lines: Vec::new() };
    let blocks = DeviceBlocks::discover(&mut regs).unwrap();
    let mut mailbox = Mailbox::open(&mut regs, &mut clock, &blocks, START + 1000).unwrap();
    regs.lines.clear();
    let mut out = [0; 64];
    // Get Log Capabilities of the Vendor Debug log.
    let uuid = *crate::commands::logs::VENDOR_DEBUG.as_bytes();
    let reply = mailbox
        .send(&mut regs, &mut clock, Opcode(0x0402), &uuid, &mut out, START + 2_000_000)
        .unwrap();
    assert_eq!((reply.return_code, reply.copied), (ReturnCode::SUCCESS, 4));
    assert_eq!(
        regs.lines,
        [
            "read32  08C 00000000",
            "write   0A8 [5E, 18, 19, D9, 11, A9, 40, 0C, 81, 1F, D6, 07, 19, 40, 3D, 86]",
            "write64 090 0000000000100402",
            "write32 08C 00000001",
            "read32  08C 00000001",
            "read32  08C 00000001",
            "read32  08C 00000000",
            "read64  098 0000000000000000",
            "read64  090 0000000000040402",
            "read    0A8 [0D, 00, 00, 00]",
        ]
    );
}

#[test]
fn the_capability_array_is_laid_out_as_the_reference_says() {
    let time = Arc::new(ManualTime::new(START));
    let mut device = EmulatedCxl::in_memory(Options::cxl0(), time).unwrap();
    let regs = device.registers();
    assert_eq!(regs.read64(0).unwrap(), 0x0000_0003_0001_0000);
    let mut heads = Vec::new();
    for at in [0x10, 0x20, 0x30] {
        heads.push((
            regs.read32(at).unwrap(),
            regs.read32(at + 4).unwrap(),
            regs.read32(at + 8).unwrap(),
        ));
    }
    assert_eq!(
        heads,
        [(0x0001_0001, 0x80, 8), (0x0001_0002, 0x88, 0x820), (0x0001_4000, 0x8A8, 8),]
    );
    assert_eq!(regs.read32(MAILBOX_AT).unwrap(), 11, "2 KiB of payload, no interrupts");
    assert_eq!(regs.read64(0x8A8).unwrap(), 0x14, "media ready, mailbox ready");
    assert_eq!(regs.block_length(), Some(0x8B0));
}

#[test]
fn accesses_outside_the_block_or_out_of_step_are_the_drivers_fault() {
    let time = Arc::new(ManualTime::new(START));
    let mut device = EmulatedCxl::in_memory(Options::cxl0(), time).unwrap();
    let regs = device.registers();
    for (offset, width) in [(0x8B0, 4), (0x8AE, 4), (0x82, 4), (u32::MAX, 4), (0xFFFF_FFFC, 4)] {
        let error = HostError::NoRegister { offset, width };
        assert_eq!(regs.read32(offset), Err(error.clone()));
        assert_eq!(regs.write32(offset, 1), Err(error));
    }
    assert!(regs.read64(0x84).is_err() && regs.write64(0x8AC, 0).is_err());
    assert!(regs.read_bytes(0x8A0, &mut [0; 9]).is_err());
    assert!(regs.write_bytes(0xA0, &[0; 8]).is_err());
    let error = regs.read32(0x8B0).unwrap_err();
    assert_eq!(error.to_string(), "no register at offset 0x8B0 for an access of 4 bytes");
}

#[test]
fn read_only_registers_keep_their_values() {
    let time = Arc::new(ManualTime::new(START));
    let mut device = EmulatedCxl::in_memory(Options::cxl0(), time).unwrap();
    let regs = device.registers();
    for at in [0, 0x80, 0x98, 0xA0, 0x8A8] {
        let before = regs.read64(at).unwrap();
        regs.write64(at, 0x0101_0101_0101_0101).unwrap();
        assert_eq!(regs.read64(at).unwrap(), before, "{at:X}");
    }
}

#[test]
fn the_mailbox_ignores_writes_while_the_doorbell_is_set() {
    let time = ManualTime::new(START);
    let options = Options { latency_us: 100, ..Options::cxl0() };
    let mut device = EmulatedCxl::in_memory(options, Arc::new(time.clone())).unwrap();
    let regs = device.registers();
    regs.write64(0x90, 0xC000).unwrap();
    regs.write32(0x8C, 1).unwrap();
    regs.write64(0x90, 0xC003).unwrap();
    regs.write32(0x8C, 0).unwrap();
    regs.write_bytes(0xA8, b"xxxx").unwrap();
    assert_eq!(regs.read32(0x8C).unwrap(), 1);
    time.advance(100);
    assert_eq!(regs.read32(0x8C).unwrap(), 0);
    assert_eq!(regs.read64(0x90).unwrap(), 0x0040_C000);
    let mut magic = [0; 4];
    regs.read_bytes(0xA8, &mut magic).unwrap();
    assert_eq!(&magic, b"FWGT");
    assert_eq!(device.commands_taken(), 1);
}

#[test]
fn a_length_beyond_the_payload_is_refused_by_the_device_too() {
    let time = Arc::new(ManualTime::new(START));
    let mut device = EmulatedCxl::in_memory(Options::cxl0(), time).unwrap();
    let regs = device.registers();
    regs.write64(0x90, 0xC002 | 0x1f_ffff << 16).unwrap();
    regs.write32(0x8C, 1).unwrap();
    let code = regs.read64(0x98).unwrap() >> 32;
    assert_eq!(code, u64::from(ReturnCode::INVALID_PAYLOAD_LENGTH.0));
}

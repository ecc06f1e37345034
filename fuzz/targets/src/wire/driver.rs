// SPDX-License-Identifier: MIT OR Apache-2.0
//! The mailbox driver over registers that say whatever the input says.

use fwgate_wire::cxl::{Clock, DeviceBlocks, Mailbox, Opcode, Registers};

use crate::tape::Tape;

/// Bytes of the register block.
const BLOCK: usize = 8192;
/// How long one command may take.
const DEADLINE_US: u64 = 1_000;

/// An access beyond the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outside;

impl core::fmt::Display for Outside {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("outside the block")
    }
}

/// Registers that hold the input's first bytes; the rest of it changes them between two reads.
struct Hostile<'b> {
    block: Vec<u8>,
    tape: Tape<'b>,
    /// Whether the driver has found its blocks and may not go outside any more.
    found: bool,
    accesses: usize,
}

impl Hostile<'_> {
    fn range(&mut self, offset: u32, width: usize) -> Result<core::ops::Range<usize>, Outside> {
        self.accesses += 1;
        let start = offset as usize;
        let end = start.checked_add(width).filter(|end| *end <= BLOCK);
        assert!(end.is_some() || !self.found, "{width} bytes at {offset:#x} are outside the block");
        end.map(|end| start..end).ok_or(Outside)
    }

    fn read<const N: usize>(&mut self, offset: u32) -> Result<[u8; N], Outside> {
        let range = self.range(offset, N)?;
        if !self.tape.is_empty() && self.tape.u8() & 3 == 3 {
            let new: [u8; N] = self.tape.bytes();
            self.block[range.clone()].copy_from_slice(&new);
        }
        let mut out = [0; N];
        out.copy_from_slice(&self.block[range]);
        Ok(out)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Outside> {
        let range = self.range(offset, bytes.len())?;
        // A device takes what is written to it, or does not.
        if !self.tape.is_empty() && self.tape.u8() & 7 != 7 {
            self.block[range].copy_from_slice(bytes);
        }
        Ok(())
    }
}

impl Registers for Hostile<'_> {
    type Error = Outside;

    fn read32(&mut self, offset: u32) -> Result<u32, Outside> {
        self.read(offset).map(u32::from_le_bytes)
    }

    fn write32(&mut self, offset: u32, value: u32) -> Result<(), Outside> {
        self.write(offset, &value.to_le_bytes())
    }

    fn read64(&mut self, offset: u32) -> Result<u64, Outside> {
        self.read(offset).map(u64::from_le_bytes)
    }

    fn write64(&mut self, offset: u32, value: u64) -> Result<(), Outside> {
        self.write(offset, &value.to_le_bytes())
    }

    fn read_bytes(&mut self, offset: u32, out: &mut [u8]) -> Result<(), Outside> {
        let range = self.range(offset, out.len())?;
        out.copy_from_slice(&self.block[range]);
        Ok(())
    }

    fn write_bytes(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Outside> {
        self.write(offset, bytes)
    }

    fn block_length(&self) -> Option<u32> {
        u32::try_from(BLOCK).ok()
    }
}

struct Ticks(u64);

impl Clock for Ticks {
    fn now_us(&mut self) -> u64 {
        self.0
    }

    fn pause(&mut self, us: u64) {
        assert!(us > 0, "a pause that does not move time could be for ever");
        self.0 += us;
    }
}

/// Finds the blocks, opens the mailbox, sends. Promises: it ends by the deadline; once the blocks
/// are found every access is within the block; what is copied is within the caller's room and
/// within the mailbox's payload.
pub(super) fn mailbox(data: &[u8]) {
    let mut tape = Tape::new(data);
    let length = usize::from(tape.u16()) % (BLOCK + 1);
    let (opcode, input, room) = (Opcode(tape.u16()), tape.piece(), usize::from(tape.u16()));
    let mut block = tape.take(length).to_vec();
    block.resize(BLOCK, 0);
    let mut regs = Hostile { block, tape, found: false, accesses: 0 };
    let mut clock = Ticks(0);
    let Ok(blocks) = DeviceBlocks::discover(&mut regs) else { return };
    regs.found = true;
    let Ok(mut mailbox) = Mailbox::open(&mut regs, &mut clock, &blocks, DEADLINE_US) else {
        return;
    };
    assert!(mailbox.payload_size() >= 256 && mailbox.payload_size() <= BLOCK);
    for _ in 0..3 {
        let mut out = vec![0xA5; room];
        let deadline = clock.0 + DEADLINE_US;
        let before = regs.accesses;
        let sent = mailbox.send(&mut regs, &mut clock, opcode, input, &mut out, deadline);
        assert!(clock.0 <= deadline, "ended at {}, after {deadline}", clock.0);
        assert!(regs.accesses - before < 1_000, "too many accesses for the time");
        match sent {
            Ok(reply) => {
                assert_eq!(reply.opcode_echo, opcode);
                assert!(reply.copied <= reply.length && reply.copied <= room);
                assert!(reply.length <= mailbox.payload_size());
                assert!(out[reply.copied..].iter().all(|byte| *byte == 0xA5));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let device = mailbox.memory_device_status(&mut regs);
    let (background, events) =
        (mailbox.background_status(&mut regs), mailbox.event_status(&mut regs));
    assert!(!format!("{device:?} {background:?} {events:?}").is_empty());
}

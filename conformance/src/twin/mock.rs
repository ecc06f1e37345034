// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory device of the kernel's cxl_test, as its source has it, faults and all.
//!
//! It is not a device by the specification: it answers wrong input with an errno of the transport, and a Get
//! Feature from an offset puts its data that far into the caller's room. `fwgate-emulator` is the device by the
//! specification and has none of that, which is why this one is here.
//!
//! *Not here*: what the driver above never sends down: poison, security, firmware activation, events.
//!
//! *Spec*: `tools/testing/cxl/test/mem.c` @ v7.3.

use fwgate_gate::abi::Errno;
use fwgate_wire::cxl::features::FeatureEntry;
use fwgate_wire::cxl::logs::log_uuid;
use zerocopy::FromZeros as _;

use super::{Mailbox, MailboxCommand};

const LSA: usize = 128 << 10;
const VENDOR: [u8; 16] = [0xff; 16];
const INPUT: u16 = 2;
const UNSUPPORTED: u16 = 3;
/// Opcode and effects. Set Shutdown State has a bit's number where its mask was meant.
#[rustfmt::skip]
const CEL: [(u16, u16); 17] = [
    (0x0400, 0), (0x0500, 0), (0x0501, 0), (0x0502, 2), (0x4000, 0), (0x4102, 0), (0x4100, 0), (0x4103, 6), (0x4200, 0),
    (0x4204, 3), (0x4300, 0), (0x4301, 4), (0x4302, 4), (0x0200, 0), (0x0201, 0x41), (0x0202, 3), (0x4400, 0x64),
];

/// Its state.
#[derive(Clone, Debug)]
pub struct Mock {
    payload_size: u32,
    lsa: Vec<u8>,
    /// The vendor feature's value.
    pub feature: [u8; 4],
    /// Whether it is one without persistent memory.
    pub restricted: bool,
    /// Opcodes that came down.
    pub taken: u64,
}

impl Mock {
    /// As it is after its probe.
    #[must_use]
    pub fn new(payload_size: u32) -> Self {
        let feature = 0xdead_beefu32.to_le_bytes();
        Self { payload_size, lsa: vec![0; LSA], feature, restricted: false, taken: 0 }
    }

    /// Its one feature.
    #[must_use]
    pub fn feature() -> FeatureEntry {
        let mut entry = FeatureEntry::new_zeroed();
        entry.uuid = VENDOR;
        entry.get_size = 4.into();
        entry.set_size = 4.into();
        entry.flags = 0x61.into();
        (entry.get_version, entry.set_version) = (1, 1);
        entry.effects = 0x0201.into();
        entry
    }

    /// Puts bytes into its label area.
    pub fn put_label(&mut self, at: usize, bytes: &[u8]) {
        for (to, from) in self.lsa.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }

    fn identify(&self) -> Vec<u8> {
        let mut id = vec![0; 0x43];
        id[..11].copy_from_slice(b"mock fw v1 ");
        id[16] = 8;
        if self.restricted {
            id[24] = 8;
        } else {
            id[40] = 1;
            id[56..60].copy_from_slice(&(LSA as u32).to_le_bytes());
            id[60..63].copy_from_slice(&1024u32.to_le_bytes()[..3]);
            id[63] = 128;
        }
        id
    }

    fn firmware() -> Vec<u8> {
        let mut info = vec![0; 0x50];
        (info[0], info[1]) = (3, 2);
        for (slot, at) in [(1, 16), (2, 32), (3, 48)] {
            info[at..at + 15].copy_from_slice(format!("cxl_test_fw_{slot:03}").as_bytes());
        }
        info
    }

    fn supported_logs() -> Vec<u8> {
        let mut logs = vec![1, 0, 0, 0, 0, 0, 0, 0];
        logs.extend_from_slice(log_uuid::COMMAND_EFFECTS.as_bytes());
        logs.extend_from_slice(&(4 * CEL.len() as u32).to_le_bytes());
        logs
    }

    fn get_log(&self, command: &mut MailboxCommand) -> Result<(), Errno> {
        let input = &command.input;
        if input.len() < 24 {
            return Err(Errno::INVAL);
        }
        let (offset, length) = (word(input, 16), word(input, 20));
        let log: Vec<u8> = CEL
            .iter()
            .flat_map(|(opcode, effects)| [opcode.to_le_bytes(), effects.to_le_bytes()])
            .flatten()
            .collect();
        let end = offset.wrapping_add(length) as usize;
        let fits = length <= self.payload_size && end <= log.len();
        let known = input[..16] == *log_uuid::COMMAND_EFFECTS.as_bytes();
        let length = length as usize;
        if !fits || !known || length > command.out.len() {
            return Err(Errno::INVAL);
        }
        // Where the sum wraps, the kernel's mock reads memory that is not its own; that is never sent to it.
        let from = log.get(offset as usize..end).ok_or(Errno::INVAL)?;
        command.out[..length].copy_from_slice(from);
        Ok(())
    }

    fn get_lsa(&self, command: &mut MailboxCommand) -> Result<(), Errno> {
        if command.input.len() < 8 {
            return Err(Errno::INVAL);
        }
        let (offset, length) = (word(&command.input, 0) as usize, word(&command.input, 4) as usize);
        if offset > LSA || length > LSA - offset || length > command.out.len() {
            return Err(Errno::INVAL);
        }
        command.out[..length].copy_from_slice(&self.lsa[offset..offset + length]);
        Ok(())
    }

    fn set_lsa(&mut self, command: &MailboxCommand) -> Result<(), Errno> {
        if command.input.len() < 8 {
            return Err(Errno::INVAL);
        }
        let offset = word(&command.input, 0) as usize;
        let data = &command.input[8..];
        if offset > LSA || data.len() > LSA - offset {
            return Err(Errno::INVAL);
        }
        self.lsa[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn get_feature(&self, command: &mut MailboxCommand) -> Result<(), Errno> {
        let input = &command.input;
        if input.get(..16) != Some(&VENDOR) {
            command.return_code = UNSUPPORTED;
            return Err(Errno::OPNOTSUPP);
        }
        if input.len() < 21 {
            return Err(Errno::INVAL);
        }
        let offset = usize::from(u16::from_le_bytes([input[16], input[17]]));
        let count = usize::from(u16::from_le_bytes([input[18], input[19]]));
        if offset > 4 || offset + count > 4 {
            command.return_code = INPUT;
            return Err(Errno::INVAL);
        }
        // Into the output at the offset, not at its start.
        let end = offset + count;
        command.out.resize(command.out.len().max(end), 0);
        command.out[offset..end].copy_from_slice(&self.feature[offset..end]);
        Ok(())
    }

    fn set_feature(&mut self, command: &mut MailboxCommand) -> Result<(), Errno> {
        let input = &command.input;
        if input.get(..16) != Some(&VENDOR) {
            command.return_code = UNSUPPORTED;
            return Err(Errno::OPNOTSUPP);
        }
        if word(input, 16) & 7 != 0 || input[20..22] != [0, 0] {
            command.return_code = INPUT;
            return Err(Errno::INVAL);
        }
        // Four bytes, however many came; the driver's buffer is zero behind them.
        let mut value = [0; 4];
        for (to, from) in value.iter_mut().zip(&input[32..]) {
            *to = *from;
        }
        self.feature = value;
        Ok(())
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    for (to, from) in word.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    u32::from_le_bytes(word)
}

/// A fixed reply at the start of the room, where there is room for it.
fn reply(command: &mut MailboxCommand, bytes: &[u8]) -> Result<(), Errno> {
    let room = command.out.get_mut(..bytes.len()).ok_or(Errno::INVAL)?;
    room.copy_from_slice(bytes);
    Ok(())
}

impl Mailbox for Mock {
    fn send(&mut self, command: &mut MailboxCommand) -> Result<(), Errno> {
        self.taken += 1;
        match command.opcode {
            0x0301 if command.input.len() == 8 && command.out.is_empty() => Ok(()),
            0x0301 => Err(Errno::INVAL),
            0x0400 => {
                // The one reply whose length it tells.
                reply(command, &Self::supported_logs())?;
                command.out.truncate(28);
                Ok(())
            }
            0x0401 => self.get_log(command),
            0x4000 => reply(command, &self.identify()),
            0x4102 => self.get_lsa(command),
            0x4103 => self.set_lsa(command),
            0x4100 => {
                let mut info = [0; 32];
                (info[0], info[8]) = (4, 4);
                reply(command, &info)
            }
            0x4200 => {
                let info = [7, 3, 0x18, 15, 25, 0, 10, 0, 0, 0, 20, 0, 0, 0, 30, 0, 0, 0];
                reply(command, &info)
            }
            0x4204 if command.input.len() == 1 && command.out.is_empty() => Ok(()),
            0x4204 => Err(Errno::INVAL),
            0x0200 => reply(command, &Self::firmware()),
            0x0501 => self.get_feature(command),
            0x0502 => self.set_feature(command),
            _ => Err(Errno::IO),
        }
    }
}

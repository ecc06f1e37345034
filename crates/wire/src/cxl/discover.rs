// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the three capabilities of a CXL device's register block that the driver needs.
//!
//! The array is written by the device and is not trusted.
//!
//! *Invariants*
//! - The walk reads at most [`MAX_CAPABILITIES`] headers.
//! - Blocks that come back lie after the headers, inside the register block when its length is known,
//!   do not overlap, and are long enough for their registers.
//! - Capabilities with other ids are skipped; they are not checked.
//!
//! *Not here*: the PCI configuration that leads to the register block.
//!
//! *Spec*: `drivers/cxl/core/regs.c`, `drivers/cxl/cxl.h` @ v7.3. The limit on headers, the refusal of a
//! repeated capability and the alignment rule are this crate's own; the kernel has none of them.

use super::registers::{MailboxCapabilities, Registers, mailbox_offset};
use thiserror::Error;

/// Id of the device status capability.
pub const DEVICE_STATUS: u16 = 0x0001;
/// Id of the primary mailbox capability.
pub const PRIMARY_MAILBOX: u16 = 0x0002;
/// Id of the secondary mailbox capability, which is never used here.
pub const SECONDARY_MAILBOX: u16 = 0x0003;
/// Id of the memory device status capability.
pub const MEMORY_DEVICE_STATUS: u16 = 0x4000;

/// Most capability headers read. This crate's own limit.
pub const MAX_CAPABILITIES: u16 = 256;

/// Bytes of one capability header, and of the array register before the first.
const HEADER: u32 = 0x10;

/// One capability's registers: offset and length in bytes from the start of the register block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    offset: u32,
    length: u32,
}

impl Block {
    /// Offset from the start of the register block, a multiple of 8.
    #[must_use]
    pub const fn offset(self) -> u32 {
        self.offset
    }

    /// Length in bytes, as claimed and checked.
    #[must_use]
    pub const fn length(self) -> u32 {
        self.length
    }

    /// First byte after the block. Cannot overflow: `discover` has checked the sum.
    const fn end(self) -> u32 {
        self.offset.saturating_add(self.length)
    }

    const fn overlaps(self, other: Self) -> bool {
        self.offset < other.end() && other.offset < self.end()
    }
}

/// Where the registers of one device lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceBlocks {
    device_status: Block,
    mailbox: Block,
    memory_device_status: Block,
}

/// The capability array does not describe a usable device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DiscoverError<E> {
    /// A register access failed.
    #[error("register access failed: {0}")]
    Register(E),
    /// All bits read as ones: the device is gone.
    #[error("the device is gone: all bits read as ones")]
    Gone,
    /// The array register does not carry id 0.
    #[error("no capability array: id 0x{id:04X} at byte 0, expected 0x0000")]
    NoArray {
        /// The id found.
        id: u16,
    },
    /// More headers than are read.
    #[error("capability array states {count} capabilities, at most {limit} are read")]
    TooMany {
        /// Count found.
        count: u16,
        /// [`MAX_CAPABILITIES`].
        limit: u16,
    },
    /// The headers do not fit the register block.
    #[error("capability headers end at 0x{end:X}, the register block at 0x{block_length:X}")]
    HeadersOutside {
        /// First byte after the headers.
        end: u32,
        /// Length of the block.
        block_length: u32,
    },
    /// A capability that is needed is not there.
    #[error("capability 0x{id:04X} is missing")]
    Missing {
        /// Its id.
        id: u16,
    },
    /// A capability that is needed is there twice.
    #[error("capability 0x{id:04X} is listed twice, the second time by header {index}")]
    Repeated {
        /// Its id.
        id: u16,
        /// Header number of the second one, from 1.
        index: u16,
    },
    /// A capability is shorter than its registers.
    #[error("capability 0x{id:04X} has {length} bytes, needs {need}")]
    TooShort {
        /// Its id.
        id: u16,
        /// Length found.
        length: u32,
        /// Length needed.
        need: u32,
    },
    /// A capability does not start on a multiple of 8.
    #[error("capability 0x{id:04X} starts at 0x{offset:X}, not a multiple of 8")]
    Misaligned {
        /// Its id.
        id: u16,
        /// Offset found.
        offset: u32,
    },
    /// A capability reaches outside the register block or into the headers.
    #[error("capability 0x{id:04X} at 0x{offset:X}, {length} bytes, is out of bounds")]
    OutOfBounds {
        /// Its id.
        id: u16,
        /// Offset found.
        offset: u32,
        /// Length found.
        length: u32,
    },
    /// Two capabilities share registers.
    #[error("capabilities 0x{first:04X} and 0x{second:04X} overlap")]
    Overlap {
        /// Id of one.
        first: u16,
        /// Id of the other.
        second: u16,
    },
}

impl DeviceBlocks {
    /// Walks the capability array at offset 0.
    ///
    /// # Errors
    /// [`DiscoverError`] names the capability and what is wrong with it.
    pub fn discover<R: Registers>(regs: &mut R) -> Result<Self, DiscoverError<R::Error>> {
        inside(regs.block_length(), HEADER)?;
        let array = regs.read64(0).map_err(DiscoverError::Register)?;
        if array == u64::MAX {
            return Err(DiscoverError::Gone);
        }
        let [id0, id1, _, _, count0, count1, _, _] = array.to_le_bytes();
        let id = u16::from_le_bytes([id0, id1]);
        if id != 0 {
            return Err(DiscoverError::NoArray { id });
        }
        let count = u16::from_le_bytes([count0, count1]);
        if count > MAX_CAPABILITIES {
            return Err(DiscoverError::TooMany { count, limit: MAX_CAPABILITIES });
        }
        let headers_end = u32::from(count).saturating_add(1).saturating_mul(HEADER);
        inside(regs.block_length(), headers_end)?;
        let mut walk = Walk { headers_end, block_length: regs.block_length(), ..Walk::default() };
        for index in 1..=count {
            walk.header(regs, index)?;
        }
        walk.finish()
    }

    /// Device status registers (event status).
    #[must_use]
    pub const fn device_status(&self) -> Block {
        self.device_status
    }

    /// Primary mailbox registers.
    #[must_use]
    pub const fn mailbox(&self) -> Block {
        self.mailbox
    }

    /// Memory device status registers.
    #[must_use]
    pub const fn memory_device_status(&self) -> Block {
        self.memory_device_status
    }
}

/// No header is read that is not in the block.
const fn inside<E>(block_length: Option<u32>, end: u32) -> Result<(), DiscoverError<E>> {
    match block_length {
        Some(block_length) if end > block_length => {
            Err(DiscoverError::HeadersOutside { end, block_length })
        }
        _ => Ok(()),
    }
}

#[derive(Default)]
struct Walk {
    headers_end: u32,
    block_length: Option<u32>,
    device_status: Option<Block>,
    mailbox: Option<Block>,
    memory_device_status: Option<Block>,
}

impl Walk {
    fn header<R: Registers>(
        &mut self,
        regs: &mut R,
        index: u16,
    ) -> Result<(), DiscoverError<R::Error>> {
        let at = u32::from(index).saturating_mul(HEADER);
        let first = regs.read32(at).map_err(DiscoverError::Register)?;
        if first == u32::MAX {
            return Err(DiscoverError::Gone);
        }
        let [id0, id1, _, _] = first.to_le_bytes();
        let id = u16::from_le_bytes([id0, id1]);
        let slot = match id {
            DEVICE_STATUS => &mut self.device_status,
            PRIMARY_MAILBOX => &mut self.mailbox,
            MEMORY_DEVICE_STATUS => &mut self.memory_device_status,
            _ => return Ok(()),
        };
        if slot.is_some() {
            return Err(DiscoverError::Repeated { id, index });
        }
        let offset = regs.read32(at.saturating_add(4)).map_err(DiscoverError::Register)?;
        let length = regs.read32(at.saturating_add(8)).map_err(DiscoverError::Register)?;
        let need = match id {
            DEVICE_STATUS => 4,
            MEMORY_DEVICE_STATUS => 8,
            _ => mailbox_offset::PAYLOAD.saturating_add(MailboxCapabilities::MIN_PAYLOAD),
        };
        if length < need {
            return Err(DiscoverError::TooShort { id, length, need });
        }
        if !offset.is_multiple_of(8) {
            return Err(DiscoverError::Misaligned { id, offset });
        }
        let limit = self.block_length.unwrap_or(u32::MAX);
        let fits = offset.checked_add(length).is_some_and(|end| end <= limit);
        if offset < self.headers_end || !fits {
            return Err(DiscoverError::OutOfBounds { id, offset, length });
        }
        *slot = Some(Block { offset, length });
        Ok(())
    }

    fn finish<E>(self) -> Result<DeviceBlocks, DiscoverError<E>> {
        let device_status =
            self.device_status.ok_or(DiscoverError::Missing { id: DEVICE_STATUS })?;
        let mailbox = self.mailbox.ok_or(DiscoverError::Missing { id: PRIMARY_MAILBOX })?;
        let memory_device_status =
            self.memory_device_status.ok_or(DiscoverError::Missing { id: MEMORY_DEVICE_STATUS })?;
        for ((first, one), (second, other)) in [
            ((DEVICE_STATUS, device_status), (PRIMARY_MAILBOX, mailbox)),
            ((DEVICE_STATUS, device_status), (MEMORY_DEVICE_STATUS, memory_device_status)),
            ((PRIMARY_MAILBOX, mailbox), (MEMORY_DEVICE_STATUS, memory_device_status)),
        ] {
            if one.overlaps(other) {
                return Err(DiscoverError::Overlap { first, second });
            }
        }
        Ok(DeviceBlocks { device_status, mailbox, memory_device_status })
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Background Operation Status (0002h), for components without a background status register.
//!
//! Input is not trusted.
//!
//! *Invariants*: fields are kept as they came; percent is not bounded.
//!
//! *Not here*: the register of the same meaning in a mailbox (`registers::BackgroundStatus`).
//!
//! *Spec*: CXL r3.1 8.2.9.1.3 as cited by computexpresslink/libcxlmi `src/cxlmi/api-types.h`; QEMU
//! `hw/cxl/cxl-mailbox-utils.c`.

use super::opcode::Opcode;
use super::return_code::ReturnCode;
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The Background Operation Status reply (0002h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct BackgroundOperationStatus {
    /// Bit 0: running; bits 7:1: percent done.
    pub status: u8,
    /// Reserved.
    pub reserved: u8,
    /// Opcode of the last background operation.
    pub opcode: U16,
    /// Return code, of meaning once the operation has ended.
    pub return_code: U16,
    /// The vendor's extended status.
    pub vendor_status: U16,
}

fixed!(BackgroundOperationStatus, "background operation status", 8, {
    status @ 0, reserved @ 1, opcode @ 2, return_code @ 4, vendor_status @ 6,
});

impl BackgroundOperationStatus {
    /// Whether the operation is still running.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.status & 1 != 0
    }

    /// Percent done, as claimed; a device can claim up to 127.
    #[must_use]
    pub const fn percent(&self) -> u8 {
        self.status >> 1
    }

    /// Opcode of the last background operation.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        Opcode(self.opcode.get())
    }

    /// Return code, of meaning once the operation has ended.
    #[must_use]
    pub const fn return_code(&self) -> ReturnCode {
        ReturnCode(self.return_code.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_and_percent_share_a_byte() {
        for (status, running, percent) in [(1, true, 0), (0xfe, false, 127), (0xc8, false, 100)] {
            let bytes = [status, 0, 0x00, 0x44, 6, 0, 0, 0];
            let reply = BackgroundOperationStatus::parse(&bytes).unwrap();
            assert_eq!((reply.is_running(), reply.percent()), (running, percent));
            assert_eq!(reply.opcode(), Opcode(0x4400));
            assert_eq!(reply.return_code(), ReturnCode::BUSY);
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ioctls of `/dev/cxl/memN`: which commands the kernel passes on, by which id, and how.
//!
//! Input is not trusted: these are a caller's bytes, or the kernel's answer passed along.
//!
//! *Invariants*: the structures are in the host's byte order, as the kernel's `__u32` and `__u64` are.
//! Addresses in them are numbers; nothing here follows one. [`IDS`] has one row for each id, in order.
//!
//! *Not here*: calling the ioctls; the payloads (`cxl`).
//!
//! *Spec*: `include/uapi/linux/cxl_mem.h` and `drivers/cxl/core/mbox.c` @ v7.3. Facts of that kernel:
//! - A query with room for n rows gets min(n, 25) of them in the order of ids, and `n_commands` is **not** written
//!   back. Ids without an entry come back as rows of zeros, though the header says that they are left out.
//! - A send that succeeds says that the mailbox transaction ended. `retval` is the device's return code. When that is
//!   not 0, the driver has not read the reply's length: `out_size` and the payload mean nothing.

use zerocopy::native_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::cxl::opcode::{self, Opcode};
use crate::ioctl_number;

/// ioctl number of CXL_MEM_QUERY_COMMANDS: `_IOR(0xCE, 1, struct cxl_mem_query_commands)`, whose size does not count the rows.
pub const QUERY_COMMANDS: u32 = ioctl_number::read(0xce, 1, QueryHeader::SIZE);
/// ioctl number of CXL_MEM_SEND_COMMAND: `_IOWR(0xCE, 2, struct cxl_send_command)`.
pub const SEND_COMMAND: u32 = ioctl_number::read_write(0xce, 2, SendCommand::SIZE);

/// In the sizes of a row: any length.
pub const VARIABLE: u32 = u32::MAX;

/// `struct cxl_mem_query_commands` without its rows, which follow.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct QueryHeader {
    /// In: room for that many rows. With 0 the kernel answers here how many it has.
    pub n_commands: U32,
    /// Ignored.
    pub reserved: U32,
}

fixed!(QueryHeader, "cxl query commands", 8, { n_commands @ 0, reserved @ 4 });

/// `struct cxl_command_info`: one row of a query.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CommandInfo {
    /// The id; 0 in a row that says nothing.
    pub id: U32,
    /// Bit 0: enabled. Bit 1: exclusive to the kernel for now.
    pub flags: U32,
    /// Bytes of input; [`VARIABLE`] for any.
    pub size_in: U32,
    /// Bytes of output, at least; [`VARIABLE`] for any.
    pub size_out: U32,
}

fixed!(CommandInfo, "cxl command info", 16, { id @ 0, flags @ 4, size_in @ 8, size_out @ 12 });

impl CommandInfo {
    /// A row of zeros.
    pub const NOTHING: Self =
        Self { id: U32::ZERO, flags: U32::ZERO, size_in: U32::ZERO, size_out: U32::ZERO };

    /// The id.
    #[must_use]
    pub const fn id(&self) -> CommandId {
        CommandId(self.id.get())
    }

    /// Whether the device has the command and the kernel would pass it on.
    #[must_use]
    pub const fn enabled(&self) -> bool {
        self.flags.get() & 1 != 0
    }

    /// Whether a kernel driver keeps the command for itself now.
    #[must_use]
    pub const fn exclusive(&self) -> bool {
        self.flags.get() & 2 != 0
    }
}

/// `struct cxl_send_command`, the argument of [`SEND_COMMAND`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SendCommand {
    /// Which command.
    pub id: U32,
    /// Must be within the two flags of a row; RAW does not look.
    pub flags: U32,
    /// The opcode, for [`CommandId::RAW`]; else 0.
    pub raw_opcode: U16,
    /// Must be 0.
    pub raw_reserved: U16,
    /// Out: the device's return code.
    pub retval: U32,
    /// Bytes at `in_payload`.
    pub in_size: U32,
    /// Must be 0; RAW does not look.
    pub in_reserved: U32,
    /// Address of the input.
    pub in_payload: U64,
    /// In: room at `out_payload`. Out: bytes of the reply, where `retval` is 0.
    pub out_size: U32,
    /// Must be 0; RAW does not look.
    pub out_reserved: U32,
    /// Address of the room for the reply.
    pub out_payload: U64,
}

fixed!(SendCommand, "cxl send command", 48, {
    id @ 0, flags @ 4, raw_opcode @ 8, raw_reserved @ 10, retval @ 12, in_size @ 16,
    in_reserved @ 20, in_payload @ 24, out_size @ 32, out_reserved @ 36, out_payload @ 40,
});

/// An id of the send ioctl. Any number is representable; [`CommandId::row`] says what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u32);

impl CommandId {
    /// No command.
    pub const INVALID: Self = Self(0);
    /// The opcode is in the structure; a build option of the kernel.
    pub const RAW: Self = Self(2);
    /// One more than the last id.
    pub const MAX: Self = Self(25);

    /// What is known of it; `None` beyond the last id.
    #[must_use]
    pub fn row(self) -> Option<&'static IdRow> {
        IDS.get(usize::try_from(self.0).ok()?)
    }

    /// The row of the id that carries an opcode; `None` where no id does. Deprecated ids and RAW carry none.
    #[must_use]
    pub fn carrying(opcode: Opcode) -> Option<&'static IdRow> {
        IDS.iter().find(|row| {
            matches!(row.kind, IdKind::ByLog | IdKind::Always) && row.opcode == Some(opcode)
        })
    }
}

/// What becomes of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// Id 0: refused.
    Invalid,
    /// Enabled by a row in the device's Command Effects Log.
    ByLog,
    /// Enabled whatever the log says.
    Always,
    /// RAW.
    Raw,
    /// Refused, though it has a number: the kernel has its own interface for it.
    Deprecated,
}

/// What is known of one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRow {
    /// The id.
    pub id: CommandId,
    /// The kernel's name for it.
    pub name: &'static str,
    /// What becomes of it.
    pub kind: IdKind,
    /// The opcode it stands for; `None` for RAW and id 0.
    pub opcode: Option<Opcode>,
    /// Bytes of input, exactly; [`VARIABLE`] for any.
    pub size_in: u32,
    /// Bytes of room for the reply, at least; [`VARIABLE`] for any.
    pub size_out: u32,
}

/// All ids, in order.
pub const IDS: [IdRow; CommandId::MAX.0 as usize] = {
    use IdKind::{Always, ByLog, Deprecated, Invalid, Raw};
    [
        row(0, "INVALID", Invalid, None, 0, 0),
        row(1, "IDENTIFY", Always, Some(opcode::IDENTIFY_MEMORY_DEVICE), 0, 0x43),
        row(2, "RAW", Raw, None, VARIABLE, VARIABLE),
        row(3, "GET_SUPPORTED_LOGS", Always, Some(opcode::GET_SUPPORTED_LOGS), 0, VARIABLE),
        row(4, "GET_FW_INFO", ByLog, Some(opcode::GET_FW_INFO), 0, 0x50),
        row(5, "GET_PARTITION_INFO", ByLog, Some(opcode::GET_PARTITION_INFO), 0, 0x20),
        row(6, "GET_LSA", ByLog, Some(opcode::GET_LSA), 8, VARIABLE),
        row(7, "GET_HEALTH_INFO", ByLog, Some(opcode::GET_HEALTH_INFO), 0, 0x12),
        row(8, "GET_LOG", Always, Some(opcode::GET_LOG), 0x18, VARIABLE),
        row(9, "SET_PARTITION_INFO", ByLog, Some(opcode::SET_PARTITION_INFO), 0x0a, 0),
        row(10, "SET_LSA", ByLog, Some(opcode::SET_LSA), VARIABLE, 0),
        row(11, "GET_ALERT_CONFIG", ByLog, Some(opcode::GET_ALERT_CONFIGURATION), 0, 0x10),
        row(12, "SET_ALERT_CONFIG", ByLog, Some(opcode::SET_ALERT_CONFIGURATION), 0x0c, 0),
        row(13, "GET_SHUTDOWN_STATE", ByLog, Some(opcode::GET_SHUTDOWN_STATE), 0, 1),
        row(14, "SET_SHUTDOWN_STATE", ByLog, Some(opcode::SET_SHUTDOWN_STATE), 1, 0),
        row(15, "GET_POISON", Deprecated, Some(opcode::GET_POISON_LIST), 0, 0),
        row(16, "INJECT_POISON", Deprecated, Some(opcode::INJECT_POISON), 0, 0),
        row(17, "CLEAR_POISON", Deprecated, Some(opcode::CLEAR_POISON), 0, 0),
        row(18, "GET_SCAN_MEDIA_CAPS", ByLog, Some(opcode::GET_SCAN_MEDIA_CAPABILITIES), 0x10, 4),
        row(19, "SCAN_MEDIA", Deprecated, Some(opcode::SCAN_MEDIA), 0, 0),
        row(20, "GET_SCAN_MEDIA", Deprecated, Some(opcode::GET_SCAN_MEDIA_RESULTS), 0, 0),
        row(21, "GET_TIMESTAMP", ByLog, Some(opcode::GET_TIMESTAMP), 0, 8),
        row(22, "GET_LOG_CAPS", ByLog, Some(opcode::GET_LOG_CAPABILITIES), 0x10, 4),
        row(23, "CLEAR_LOG", ByLog, Some(opcode::CLEAR_LOG), 0x10, 0),
        row(
            24,
            "GET_SUP_LOG_SUBLIST",
            ByLog,
            Some(opcode::GET_SUPPORTED_LOGS_SUB_LIST),
            2,
            VARIABLE,
        ),
    ]
};

const fn row(
    id: u32,
    name: &'static str,
    kind: IdKind,
    opcode: Option<Opcode>,
    size_in: u32,
    size_out: u32,
) -> IdRow {
    IdRow { id: CommandId(id), name, kind, opcode, size_in, size_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn the_ioctl_numbers_are_those_of_the_kernel_headers() {
        assert_eq!((QUERY_COMMANDS, SEND_COMMAND), (0x8008_ce01, 0xc030_ce02));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_send_command_has_these_bytes() {
        let send = SendCommand {
            id: U32::new(2),
            flags: U32::new(0x0102_0304),
            raw_opcode: U16::new(0xc001),
            raw_reserved: U16::new(0x0506),
            retval: U32::new(7),
            in_size: U32::new(0x10),
            in_reserved: U32::new(8),
            in_payload: U64::new(0x1122_3344_5566_7788),
            out_size: U32::new(0x20),
            out_reserved: U32::new(9),
            out_payload: U64::new(0x99aa_bbcc_ddee_ff00),
        };
        #[rustfmt::skip]
        let golden = [
            2, 0, 0, 0,  4, 3, 2, 1,  0x01, 0xc0,  6, 5,  7, 0, 0, 0,
            0x10, 0, 0, 0,  8, 0, 0, 0,  0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
            0x20, 0, 0, 0,  9, 0, 0, 0,  0x00, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99,
        ];
        assert_eq!(send.as_bytes(), golden);
        assert_eq!(SendCommand::parse(&golden), Ok(&send));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_row_of_a_query_has_these_bytes() {
        let golden = [10, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        let info = CommandInfo::parse(&golden).unwrap();
        assert_eq!(info.id(), CommandId(10));
        assert!(info.enabled() && info.exclusive());
        assert_eq!((info.size_in.get(), info.size_out.get()), (VARIABLE, 0));
        assert!(CommandInfo::parse(&golden[..15]).is_err());
        assert!(!CommandInfo::NOTHING.enabled() && !CommandInfo::NOTHING.exclusive());
    }

    #[test]
    fn each_id_stands_at_its_own_place() {
        for (at, row) in IDS.iter().enumerate() {
            assert_eq!(usize::try_from(row.id.0), Ok(at));
            assert_eq!(row.id.row(), Some(row));
            assert_eq!(row.opcode.is_none(), matches!(row.kind, IdKind::Raw | IdKind::Invalid));
        }
        assert_eq!(CommandId::MAX.row(), None);
        assert_eq!(CommandId(u32::MAX).row(), None);
    }

    #[test]
    fn no_opcode_is_carried_by_a_deprecated_id_or_by_raw() {
        for opcode in (0..=u16::MAX).map(Opcode) {
            if let Some(row) = CommandId::carrying(opcode) {
                assert!(matches!(row.kind, IdKind::ByLog | IdKind::Always), "{row:?}");
            }
        }
        assert_eq!(CommandId::carrying(opcode::GET_POISON_LIST), None);
        assert_eq!(CommandId::carrying(Opcode(0)), None);
        let carried = (0..=u16::MAX).filter(|it| CommandId::carrying(Opcode(*it)).is_some());
        assert_eq!(carried.count(), 18);
    }

    #[test]
    fn three_ids_are_enabled_whatever_the_log_says() {
        let always: std::vec::Vec<u32> =
            IDS.iter().filter(|row| row.kind == IdKind::Always).map(|row| row.id.0).collect();
        assert_eq!(always, [1, 3, 8]);
        let gone: std::vec::Vec<u32> =
            IDS.iter().filter(|row| row.kind == IdKind::Deprecated).map(|row| row.id.0).collect();
        assert_eq!(gone, [15, 16, 17, 19, 20]);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! CXL_MEM_QUERY_COMMANDS and CXL_MEM_SEND_COMMAND.
//!
//! What the kernel writes back is a claim: lengths are the caller's to check.
//!
//! *Invariants*: the lengths in the structures are those of the memory behind them. Reserved fields are 0.
//!
//! *Not here*: which id, and what an answer means ([`crate::path::memdev`]).
//!
//! *Spec*: `drivers/cxl/core/mbox.c @ v7.3`, `cxl_query_cmd`, `cxl_send_cmd`.

#![expect(unsafe_code, reason = "states which memory the kernel may touch")]

use std::marker::PhantomData;
use std::os::fd::BorrowedFd;

use fwgate_wire::memdev::{
    CommandId, CommandInfo, QUERY_COMMANDS, QueryHeader, SEND_COMMAND, SendCommand,
};
use rustix::io::Errno;
use zerocopy::native_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::call::{Aligned, Command, issue, readable, writable};

/// Most rows that are asked for. Linux 7.3 has 25.
pub(crate) const MAX_ROWS: usize = 64;

/// The header and room for all rows that are ever asked for.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct QueryArgument {
    header: QueryHeader,
    rows: [CommandInfo; MAX_ROWS],
}

const _: () = assert!(std::mem::offset_of!(QueryArgument, rows) == QueryHeader::SIZE);
const _: () =
    assert!(size_of::<QueryArgument>() == QueryHeader::SIZE + MAX_ROWS * CommandInfo::SIZE);

struct Query {
    argument: Aligned<QueryArgument>,
}

// SAFETY: 1. `cxl_query_cmd` takes a pointer to the header with the rows behind it. It reads `n_commands`; where
// that is 0 it writes it, else it writes at most that many rows of 16 bytes from offset 8 on. `n_commands` is at
// most `MAX_ROWS` (`query` below), for which the argument has room. 2. The argument holds no address. 3. It is
// plain bytes by derive.
unsafe impl Command for Query {
    type Argument = QueryArgument;

    const NUMBER: u32 = QUERY_COMMANDS;

    fn argument(&mut self) -> &mut Aligned<QueryArgument> {
        &mut self.argument
    }
}

/// Asks for at most `wanted` rows, or with 0 for how many the kernel has. Answers `n_commands` as it came back,
/// which the kernel does not write where rows are asked for, and the rows.
pub(super) fn query(
    fd: BorrowedFd<'_>,
    wanted: usize,
) -> Result<(u32, [CommandInfo; MAX_ROWS]), Errno> {
    let n_commands = U32::new(u32::try_from(wanted.min(MAX_ROWS)).unwrap_or_default());
    let header = QueryHeader { n_commands, reserved: U32::ZERO };
    let rows = [CommandInfo::NOTHING; MAX_ROWS];
    let mut query = Query { argument: Aligned(QueryArgument { header, rows }) };
    issue(fd, &mut query)?;
    let QueryArgument { header, rows } = query.argument.0;
    Ok((header.n_commands.get(), rows))
}

/// Which command to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// By its id.
    Id(CommandId),
    /// By opcode, through RAW.
    #[cfg(feature = "raw-commands")]
    Raw(u16),
}

/// What the kernel wrote back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The device's return code, in 32 bits.
    pub(crate) retval: u32,
    /// `out.size` as it came back.
    pub(crate) size: u32,
}

struct Send<'m> {
    argument: Aligned<SendCommand>,
    /// The memory that the argument's addresses are of.
    memory: PhantomData<(&'m [u8], &'m mut [u8])>,
}

impl<'m> Send<'m> {
    /// `None` where a length does not fit in 32 bits.
    fn new(which: Which, input: &'m [u8], output: &'m mut [u8]) -> Option<Self> {
        let (in_payload, in_size) = readable(input)?;
        let (out_payload, out_size) = writable(output)?;
        let (id, raw_opcode) = match which {
            Which::Id(id) => (id, 0),
            #[cfg(feature = "raw-commands")]
            Which::Raw(opcode) => (CommandId::RAW, opcode),
        };
        let argument = SendCommand {
            id: U32::new(id.0),
            flags: U32::ZERO,
            raw_opcode: U16::new(raw_opcode),
            raw_reserved: U16::ZERO,
            retval: U32::ZERO,
            in_size: U32::new(in_size),
            in_reserved: U32::ZERO,
            in_payload: U64::new(in_payload),
            out_size: U32::new(out_size),
            out_reserved: U32::ZERO,
            out_payload: U64::new(out_payload),
        };
        Some(Self { argument: Aligned(argument), memory: PhantomData })
    }
}

// SAFETY: 1. `cxl_send_cmd` copies the 48 bytes in and, on success, out. 2. It follows `in.payload`, of which it
// reads `in.size` bytes (`vmemdup_user`), and `out.payload`, to which it copies at most min(`out.size`, the mailbox's
// payload size) bytes. Both pairs come from one slice each (`Send::new`, the only maker; the argument is not
// changed after); `'m` keeps the slices borrowed, the second exclusively, while the command lives. A command's
// payload goes to the device, whose opcodes of the specification hold addresses of the device's own memory only,
// never of this process. 3. Both are bytes.
unsafe impl Command for Send<'_> {
    type Argument = SendCommand;

    const NUMBER: u32 = SEND_COMMAND;

    fn argument(&mut self) -> &mut Aligned<SendCommand> {
        &mut self.argument
    }
}

/// Sends one command. A length of 4 GiB or more is EMSGSIZE, and nothing is sent.
pub(super) fn send_command(
    fd: BorrowedFd<'_>,
    which: Which,
    input: &[u8],
    output: &mut [u8],
) -> Result<Sent, Errno> {
    let mut send = Send::new(which, input, output).ok_or(Errno::MSGSIZE)?;
    issue(fd, &mut send)?;
    let SendCommand { retval, out_size, .. } = send.argument.0;
    Ok(Sent { retval: retval.get(), size: out_size.get() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_stated_are_those_of_the_memory() {
        let input = [1, 2, 3];
        let mut output = [0; 5];
        let address = output.as_ptr().addr();
        let send = Send::new(Which::Id(CommandId(8)), &input, &mut output).unwrap();
        let argument = send.argument.0;
        assert_eq!((argument.id.get(), argument.in_size.get(), argument.out_size.get()), (8, 3, 5));
        assert_eq!(argument.in_payload.get(), input.as_ptr().addr() as u64);
        assert_eq!(argument.out_payload.get(), address as u64);
        let zero = [argument.flags, argument.in_reserved, argument.out_reserved].map(|it| it.get());
        assert_eq!((zero, argument.raw_opcode.get(), argument.raw_reserved.get()), ([0; 3], 0, 0));
    }

    #[test]
    fn more_rows_than_there_is_room_for_are_not_asked_for() {
        // /dev/null knows no ioctl.
        let null = std::fs::File::open("/dev/null").unwrap();
        let fd = std::os::fd::AsFd::as_fd(&null);
        assert_eq!(query(fd, usize::MAX).err(), Some(Errno::NOTTY));
        let sent = send_command(fd, Which::Id(CommandId(1)), &[], &mut [0; 67]);
        assert_eq!(sent, Err(Errno::NOTTY));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `/dev/cxl/memN`: CXL_MEM_QUERY_COMMANDS and CXL_MEM_SEND_COMMAND, by id and RAW.
//!
//! Input is hostile.
//!
//! *Invariants*: the checks stand in the kernel's order. A fixed size is checked against the kernel's table, not
//! against the device. In parity a RAW command marks the host where the kernel warns about it.
//!
//! *Not here*: the mailbox, whose transport has errnos of its own; which RAW opcode may pass in serve, which is
//! the judge's business.
//!
//! *Spec*: `drivers/cxl/core/mbox.c`, `drivers/cxl/core/memdev.c`, `include/uapi/linux/cxl_mem.h` @ v7.3.

use fwgate_wire::cxl::logs::log_uuid;
use fwgate_wire::memdev::{
    CommandId, CommandInfo, IDS, IdKind, IdRow, QUERY_COMMANDS, QueryHeader, SEND_COMMAND,
    SendCommand, VARIABLE,
};
use zerocopy::native_endian::U32;
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{
    CallerMemory, Errno, Fetch, Mode, Need, Range, Reply, Step, Stop, Write, field, length32,
};
use crate::request::Message;

const SET_PARTITION_INFO: u16 = 0x4101;
const CLEAR_LOG: u16 = 0x0403;
/// Sets that RAW does not carry: sanitize, security, security passthrough.
const RAW_SETS: [u8; 3] = [0x44, 0x45, 0x46];
/// Opcodes that RAW does not carry.
const RAW_OPCODES: [u16; 12] = [
    0x0202, 0x4101, 0x4103, 0x4204, 0x4304, 0x4305, 0x4300, 0x4301, 0x4302, 0x0500, 0x0501, 0x0502,
];

/// What the kernel knows of the host and the device.
pub trait MemdevKernel {
    /// Whether the device is there and is one of the class.
    fn present(&self) -> bool;
    /// Bytes of the mailbox's payload.
    fn payload_size(&self) -> u32;
    /// Whether that id was enabled by the log or always is.
    fn enabled(&self, id: CommandId) -> bool;
    /// Whether a driver keeps that id for itself now.
    fn exclusive(&self, id: CommandId) -> bool;
    /// Whether the kernel was built with RAW commands.
    fn raw_built(&self) -> bool;
    /// Whether lockdown forbids access to PCI devices.
    fn locked_down(&self) -> bool;
    /// Whether debugfs lets RAW carry every opcode.
    fn raw_allow_all(&self) -> bool;
    /// A RAW command was let through; the kernel warns once, which taints. May be called again.
    fn warn_raw(&mut self);
}

/// One ioctl, as far as these bytes of the caller's memory let it go.
pub fn call(
    mode: Mode,
    number: u32,
    at: u64,
    memory: &dyn CallerMemory,
    kernel: &mut dyn MemdevKernel,
) -> Step<Ask> {
    dispatch(mode, number, at, &mut Fetch::new(memory), kernel).into()
}

fn dispatch(
    mode: Mode,
    number: u32,
    at: u64,
    fetch: &mut Fetch<'_>,
    kernel: &mut dyn MemdevKernel,
) -> Result<Step<Ask>, Stop> {
    if !kernel.present() {
        return Err(Errno::NXIO.into());
    }
    match number {
        QUERY_COMMANDS => query(at, fetch, kernel),
        SEND_COMMAND => send(mode, at, fetch, kernel),
        _ => Err(Errno::NOTTY.into()),
    }
}

/// What stands in the kernel's table at that id. Ids without an entry are zeros, and so is the id that the
/// kernel then looks up.
fn slot(row: &IdRow, raw_built: bool) -> CommandInfo {
    let there = match row.kind {
        IdKind::ByLog | IdKind::Always => true,
        IdKind::Raw => raw_built,
        IdKind::Invalid | IdKind::Deprecated => false,
    };
    if !there {
        return CommandInfo::NOTHING;
    }
    CommandInfo {
        id: U32::new(row.id.0),
        flags: U32::ZERO,
        size_in: U32::new(row.size_in),
        size_out: U32::new(row.size_out),
    }
}

/// `cxl_query_cmd`.
fn query(at: u64, fetch: &mut Fetch<'_>, kernel: &dyn MemdevKernel) -> Result<Step<Ask>, Stop> {
    let wanted = u32::from_ne_bytes(field(fetch.copy(at, 4)?, 0));
    if wanted == 0 {
        let word = CommandId::MAX.0.to_ne_bytes();
        return Ok(Step::Reply(Reply { writes: vec![Write::Word { at, word }], value: 0 }));
    }
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let mut writes = Vec::new();
    let mut to = at.wrapping_add(u64::from(length32(QueryHeader::SIZE)));
    for row in IDS.iter().take(wanted) {
        let mut info = slot(row, kernel.raw_built());
        let enabled = u32::from(kernel.enabled(info.id()));
        let exclusive = u32::from(kernel.exclusive(info.id()));
        info.flags = U32::new(enabled | exclusive << 1);
        writes.push(Write::bytes(to, info.as_bytes().to_vec()));
        to = to.wrapping_add(u64::from(length32(CommandInfo::SIZE)));
    }
    Ok(Step::Reply(Reply { writes, value: 0 }))
}

/// `cxl_send_cmd`, as far as the mailbox.
fn send(
    mode: Mode,
    at: u64,
    fetch: &mut Fetch<'_>,
    kernel: &mut dyn MemdevKernel,
) -> Result<Step<Ask>, Stop> {
    let bytes = fetch.copy(at, length32(SendCommand::SIZE))?;
    let command = SendCommand::read_from_bytes(bytes).map_err(|_| Errno::FAULT)?;
    let row = match CommandId(command.id.get()) {
        CommandId::INVALID => return Err(Errno::NOTTY.into()),
        id => id.row().ok_or(Errno::NOTTY)?,
    };
    let payload_size = kernel.payload_size();
    if command.in_size.get() > payload_size {
        return Err(Errno::INVAL.into());
    }
    let opcode = if row.id == CommandId::RAW {
        raw(mode, &command, kernel)?
    } else {
        by_id(row, &command, kernel)?
    };
    let room = command.out_size.get().min(payload_size);
    if let Mode::Serve { most } = mode {
        let own = length32(SendCommand::SIZE);
        if command.in_size.get().max(room).saturating_add(own) > most {
            return Err(Errno::MSGSIZE.into());
        }
    }
    let payload = fetch.copy(command.in_payload.get(), command.in_size.get())?;
    if !payload.is_empty() && !payload_allowed(opcode, payload) {
        return Err(Errno::BUSY.into());
    }
    let need = fetch.need(&[
        Range { at, length: length32(SendCommand::SIZE) },
        Range { at: command.out_payload.get(), length: room },
    ]);
    let message = Message::Cxl { opcode, payload: payload.to_vec() };
    Ok(Step::Ask(Ask { message, by: row.id, room, at, command, need }))
}

/// `cxl_to_mem_cmd_raw`; the opcode.
fn raw(mode: Mode, command: &SendCommand, kernel: &mut dyn MemdevKernel) -> Result<u16, Errno> {
    if command.raw_reserved.get() != 0 || command.out_size.get() > kernel.payload_size() {
        return Err(Errno::INVAL);
    }
    let opcode = command.raw_opcode.get();
    if mode == Mode::Parity {
        if !raw_allowed(opcode, kernel) {
            return Err(Errno::PERM);
        }
        kernel.warn_raw();
    }
    Ok(opcode)
}

/// `cxl_mem_raw_command_allowed`.
fn raw_allowed(opcode: u16, kernel: &dyn MemdevKernel) -> bool {
    let [set, _] = opcode.to_be_bytes();
    kernel.raw_built()
        && !kernel.locked_down()
        && (kernel.raw_allow_all() || !RAW_SETS.contains(&set) && !RAW_OPCODES.contains(&opcode))
}

/// `cxl_to_mem_cmd`; the opcode.
fn by_id(row: &IdRow, command: &SendCommand, kernel: &dyn MemdevKernel) -> Result<u16, Errno> {
    const FLAGS: u32 = 3;
    // The union's word: a RAW opcode has no place here.
    let union = [command.raw_opcode.get(), command.raw_reserved.get()];
    let reserved = command.in_reserved.get() | command.out_reserved.get();
    if command.flags.get() & !FLAGS != 0 || union != [0, 0] || reserved != 0 {
        return Err(Errno::INVAL);
    }
    let info = slot(row, kernel.raw_built());
    if !kernel.enabled(info.id()) {
        return Err(Errno::NOTTY);
    }
    if kernel.exclusive(info.id()) {
        return Err(Errno::BUSY);
    }
    let (size_in, size_out) = (info.size_in.get(), info.size_out.get());
    if size_in != VARIABLE && size_in != command.in_size.get() {
        return Err(Errno::NOMEM);
    }
    if size_out != VARIABLE && command.out_size.get() < size_out {
        return Err(Errno::NOMEM);
    }
    // An empty slot stands for opcode 0.
    let opcode = row.opcode.filter(|_| info != CommandInfo::NOTHING);
    Ok(opcode.map_or(0, |opcode| opcode.0))
}

/// `cxl_payload_from_user_allowed`.
fn payload_allowed(opcode: u16, payload: &[u8]) -> bool {
    match opcode {
        SET_PARTITION_INFO => payload.get(8).is_some_and(|flags| flags & 1 == 0),
        CLEAR_LOG => payload.get(..16) == Some(log_uuid::VENDOR_DEBUG.as_bytes()),
        _ => true,
    }
}

/// A command that the kernel's checks have passed.
#[derive(Debug)]
pub struct Ask {
    message: Message,
    by: CommandId,
    room: u32,
    at: u64,
    command: SendCommand,
    need: Need,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The transaction ended.
    Done {
        /// The device's return code.
        return_code: u16,
        /// The reply as the transport hands it on; see [`Answer::of_pci`].
        payload: Vec<u8>,
    },
    /// The transport failed, or the gate refused.
    Errno(Errno),
}

impl Answer {
    /// What the driver for PCI devices makes of a device's reply: on an error it never reads the length, and
    /// hands on the whole room of zeros.
    #[must_use]
    pub fn of_pci(return_code: u16, mut reply: Vec<u8>, room: u32) -> Self {
        let room = super::bytes(room);
        if return_code == 0 {
            reply.truncate(room);
            Self::Done { return_code, payload: reply }
        } else {
            Self::Done { return_code, payload: vec![0; room] }
        }
    }
}

impl Ask {
    /// The command.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// By which id it came; [`CommandId::RAW`] if by its opcode.
    #[must_use]
    pub const fn by(&self) -> CommandId {
        self.by
    }

    /// Bytes of the reply that can be handed on.
    #[must_use]
    pub const fn room(&self) -> u32 {
        self.room
    }

    /// The ranges that this round has to have carried, no more and no less.
    #[must_use]
    pub const fn need(&self) -> &Need {
        &self.need
    }

    /// The reply that the caller gets for that answer.
    #[must_use]
    pub fn answer(mut self, answer: Answer) -> Step<Self> {
        let (return_code, mut payload) = match answer {
            Answer::Done { return_code, payload } => (return_code, payload),
            Answer::Errno(errno) => return Step::Errno(errno),
        };
        payload.truncate(super::bytes(self.room));
        self.command.out_size = U32::new(length32(payload.len()));
        self.command.retval = U32::new(u32::from(return_code));
        let data = Write::bytes(self.command.out_payload.get(), payload);
        let own = Write::bytes(self.at, self.command.as_bytes().to_vec());
        Step::Reply(Reply { writes: vec![data, own], value: 0 })
    }
}

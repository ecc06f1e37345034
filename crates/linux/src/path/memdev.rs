// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands to a CXL memory device by the ids of its own ioctl.
//!
//! Input is a judged command; replies and the query's rows are claims.
//!
//! *Invariants*
//! - An opcode goes by the id that carries it, never by a deprecated one, which the kernel refuses, and never by RAW.
//! - A reply is as long as the kernel says, at most the room for it, and there is none where the return code is not 0.
//!
//! *Not here*: RAW (`raw`); sizes of payloads (`fwgate-wire`).
//!
//! *Spec*: `include/uapi/linux/cxl_mem.h`, `drivers/cxl/core/mbox.c` @ v7.3.

use std::os::fd::BorrowedFd;

use fwgate_policy::Known;
use fwgate_wire::cxl::opcode::Opcode;
use fwgate_wire::memdev::{CommandId, CommandInfo, IdKind, IdRow, VARIABLE};
use zeroize::Zeroizing;

use super::rule::memdev::{self as rule, Asked, IdKnown};
use super::{Answer, MAX_PAYLOAD, Refusal, Sent};
use crate::sys::Ioctls;
use crate::sys::memdev::{MAX_ROWS, Sent as WroteBack, Which};

/// What the kernel's query says of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdState {
    /// The kernel has no such id, or not any more.
    Missing,
    /// The device does not have the command.
    Disabled,
    /// A kernel driver keeps it for itself now.
    Exclusive,
    /// It is passed on.
    Enabled,
}

/// What the kernel passes on for this device, when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commands {
    rows: Vec<CommandInfo>,
}

impl Commands {
    /// The state of an id.
    pub(crate) fn state(&self, id: CommandId) -> IdState {
        let deprecated = id.row().is_some_and(|row| row.kind == IdKind::Deprecated);
        match self.row(id) {
            None => IdState::Missing,
            Some(_) if deprecated => IdState::Missing,
            Some(row) if !row.enabled() => IdState::Disabled,
            Some(row) if row.exclusive() => IdState::Exclusive,
            Some(_) => IdState::Enabled,
        }
    }

    /// The id that carries an opcode, and its state; `None` where no id does.
    pub(crate) fn carrying(&self, command: Opcode) -> Option<(&'static IdRow, IdState)> {
        let row = CommandId::carrying(command)?;
        Some((row, self.state(row.id)))
    }

    /// Whether the kernel was built with RAW.
    #[cfg(feature = "raw-commands")]
    pub(crate) fn raw_built(&self) -> bool {
        self.row(CommandId::RAW).is_some()
    }

    fn row(&self, id: CommandId) -> Option<&CommandInfo> {
        let row = self.rows.get(usize::try_from(id.0).ok()?)?;
        (id != CommandId::INVALID && row.id() == id).then_some(row)
    }
}

/// Asks which commands the kernel passes on. Nothing reaches the device.
///
/// # Errors
///
/// The kernel's refusal, or rows out of order.
pub(crate) fn query_commands(io: &dyn Ioctls, fd: BorrowedFd<'_>) -> Result<Commands, Refusal> {
    let (count, _) = io.mem_query(fd, 0).map_err(rule::query)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(MAX_ROWS);
    if count == 0 {
        return Err(Refusal::answer("it has no commands at all", Sent::No));
    }
    let (_, rows) = io.mem_query(fd, count).map_err(rule::query)?;
    let rows = rows.get(..count).unwrap_or_default();
    for (at, row) in rows.iter().enumerate() {
        if row.id.get() != 0 && usize::try_from(row.id.get()) != Ok(at) {
            let what = format_args!("row {at} of the query is of id {}", row.id.get());
            return Err(Refusal::answer(what, Sent::No));
        }
    }
    Ok(Commands { rows: rows.to_vec() })
}

/// A command of the mailbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailboxCommand<'a> {
    /// Its opcode.
    pub(crate) command: Opcode,
    /// Its input.
    pub(crate) payload: &'a [u8],
    /// Most bytes of reply that are wanted; at most 1 MiB count.
    pub(crate) room: usize,
    /// The mailbox's payload size, as sysfs shows it; `None` if it is not known.
    pub(crate) payload_max: Option<u32>,
}

/// Raw sender: one command by the id that carries it. `commands` is what the kernel said when it was asked, if it was;
/// the kernel decides anew.
///
/// # Errors
///
/// A refusal; also where no id carries the opcode.
pub(crate) fn send_typed(
    io: &dyn Ioctls,
    fd: BorrowedFd<'_>,
    mailbox: &MailboxCommand<'_>,
    commands: Option<&Commands>,
) -> Result<Answer, Refusal> {
    let MailboxCommand { command, payload, room, payload_max } = *mailbox;
    let Some(row) = CommandId::carrying(command) else {
        return Err(Refusal::here(format_args!("no id of the memdev ioctl carries {command}")));
    };
    let least = if row.size_out == VARIABLE { 0 } else { row.size_out as usize };
    let room = room.min(MAX_PAYLOAD).max(least);
    at_most_a_mailbox(payload)?;
    let mut output = Zeroizing::new(vec![0; room]);
    let back = io.mem_send(fd, Which::Id(row.id), payload, &mut output).map_err(|errno| {
        let id = id_known(row, commands);
        rule::typed(errno, &Asked { command, payload, room, payload_max }, &id)
    })?;
    read(back, output)
}

fn id_known(row: &IdRow, commands: Option<&Commands>) -> IdKnown {
    let told = |yes: bool| if yes { Known::Yes } else { Known::No };
    let info = commands.map(|it| it.row(row.id));
    let (enabled, exclusive) = match info {
        None => (Known::CannotTell, Known::CannotTell),
        Some(None) => (Known::No, Known::No),
        // A driver can be bound or let go after the query.
        Some(Some(info)) if !info.exclusive() => (told(info.enabled()), Known::CannotTell),
        Some(Some(info)) => (told(info.enabled()), Known::Yes),
    };
    let sizes = info
        .flatten()
        .map_or((row.size_in, row.size_out), |info| (info.size_in.get(), info.size_out.get()));
    IdKnown { enabled, exclusive, size_in: sizes.0, size_out: sizes.1 }
}

/// No mailbox holds more.
pub(super) fn at_most_a_mailbox(payload: &[u8]) -> Result<(), Refusal> {
    let length = payload.len();
    if length <= MAX_PAYLOAD {
        return Ok(());
    }
    Err(Refusal::here(format_args!(
        "{length} bytes of input, where no mailbox holds more than 1 MiB"
    )))
}

/// What a send of either kind brought back.
pub(super) fn read(
    WroteBack { retval, size }: WroteBack,
    mut output: Zeroizing<Vec<u8>>,
) -> Result<Answer, Refusal> {
    let Ok(code) = u16::try_from(retval) else {
        let what = format_args!("return code {retval:#x}");
        return Err(Refusal::answer(what, Sent::MayHave));
    };
    if code == u16::MAX {
        return Err(Refusal {
            cause: super::Cause::Gone,
            ..Refusal::transport("the mailbox reads as all ones: the device is gone")
        });
    }
    if code != 0 {
        // The driver has not read the reply's length: what it copied out is room that was never filled.
        return Ok(Answer::cxl(code, Zeroizing::new(Vec::new())));
    }
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    if length > output.len() {
        let what = format_args!("{size} bytes of reply, where there was room for {}", output.len());
        return Err(Refusal::answer(what, Sent::MayHave));
    }
    output.truncate(length);
    Ok(Answer::cxl(code, output))
}

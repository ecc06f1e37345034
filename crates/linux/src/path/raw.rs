// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands to a CXL memory device by opcode, through the kernel's RAW. Built with the cargo feature `raw-commands` only.
//!
//! Input is a judged command; the reply is a claim.
//!
//! *Invariants*: as for [`super::memdev`]. The room is never more than the mailbox holds, where that is known.
//!
//! *Not here*: which opcodes may go (`fwgate-policy`); what the kernel keeps from RAW is its rule
//! ([`super::rule::memdev`]).
//!
//! *Spec*: `drivers/cxl/core/mbox.c @ v7.3`, `cxl_to_mem_cmd_raw`. The first use on a running kernel warns and taints it.

use std::os::fd::BorrowedFd;

use zeroize::Zeroizing;

use super::memdev::{MailboxCommand, at_most_a_mailbox, read};
use super::rule::memdev::{self as rule, Asked, RawKnown};
use super::{Answer, MAX_PAYLOAD, Refusal};
use crate::sys::Ioctls;
use crate::sys::memdev::Which;

/// Raw sender: one command by its opcode.
///
/// # Errors
///
/// A refusal.
pub(crate) fn send_by_raw(
    io: &dyn Ioctls,
    fd: BorrowedFd<'_>,
    mailbox: &MailboxCommand<'_>,
    known: &RawKnown,
) -> Result<Answer, Refusal> {
    let MailboxCommand { command, payload, room, payload_max } = *mailbox;
    let most = payload_max.map_or(MAX_PAYLOAD, |most| most as usize);
    let room = room.min(most).min(MAX_PAYLOAD);
    at_most_a_mailbox(payload)?;
    let mut output = Zeroizing::new(vec![0; room]);
    let back = io
        .mem_send(fd, Which::Raw(command.0), payload, &mut output)
        .map_err(|errno| rule::raw(errno, &Asked { command, payload, room, payload_max }, known))?;
    read(back, output)
}

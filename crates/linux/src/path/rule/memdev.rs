// SPDX-License-Identifier: MIT OR Apache-2.0
//! The checks of the memdev ioctls, by id and by RAW.
//!
//! What was asked is known here; the query's rows are the kernel's word.
//!
//! *Invariants*: rows in the kernel's order.
//!
//! *Not here*: which id carries a command ([`crate::path::memdev`]).
//!
//! *Spec*: `drivers/cxl/core/mbox.c` (`cxl_validate_cmd_from_user`, `cxl_mbox_cmd_ctor`), `drivers/cxl/core/memdev.c`
//! (`cxl_memdev_ioctl`), `drivers/cxl/pci.c` (`__cxl_pci_mbox_send_cmd`) @ v7.3. The mailbox's mutex is taken
//! without regard to signals, so EINTR cannot come from here.

use fwgate_policy::Known;
use fwgate_wire::cxl::opcode::{CLEAR_LOG, Opcode, SET_PARTITION_INFO};
use fwgate_wire::memdev::VARIABLE;
use rustix::io::Errno;

use super::{Row, find, not, sure};
use crate::path::{Cause, Refusal, Sent};

#[cfg(feature = "raw-commands")]
use fwgate_wire::cxl::opcode as op;

/// The Vendor Debug log, the one that may be cleared.
const VENDOR_DEBUG: [u8; 16] = [
    0x5e, 0x18, 0x19, 0xd9, 0x11, 0xa9, 0x40, 0x0c, 0x81, 0x1f, 0xd6, 0x07, 0x19, 0x40, 0x3d, 0x86,
];

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The command.
    pub(crate) command: Opcode,
    /// Its input.
    pub(crate) payload: &'a [u8],
    /// Bytes of room for the reply.
    pub(crate) room: usize,
    /// The mailbox's payload size, as sysfs shows it.
    pub(crate) payload_max: Option<u32>,
}

impl Asked<'_> {
    fn beyond_mailbox(&self, length: usize) -> Known {
        self.payload_max.map_or(Known::CannotTell, |most| sure(length > most as usize))
    }
}

/// What the kernel's query says of the id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdKnown {
    /// Whether it is enabled.
    pub(crate) enabled: Known,
    /// Whether it is exclusive.
    pub(crate) exclusive: Known,
    /// Bytes of input; [`VARIABLE`] for any.
    pub(crate) size_in: u32,
    /// Least bytes of room; [`VARIABLE`] for any.
    pub(crate) size_out: u32,
}

const GONE: &str = "the driver has let go of the device, or it is none with a mailbox of its own";
const NOT_KNOWN: &str =
    "the file is no memory device's node, or of a kernel that does not know the ioctl";

/// The rule of a query. Nothing of it reaches the device.
pub(crate) fn query(errno: Errno) -> Refusal {
    let rows = [
        Row::event(Errno::NXIO, Cause::Gone, Sent::No, GONE),
        Row::rule(Errno::NOTTY, Known::CannotTell, NOT_KNOWN),
        Row::event(Errno::FAULT, Cause::Answer, Sent::No, "an address was refused"),
    ];
    Refusal { sent: Sent::No, ..find("the memdev query", errno, rows) }
}

/// The rule of a send by id.
pub(crate) fn typed(errno: Errno, asked: &Asked<'_>, id: &IdKnown) -> Refusal {
    let length = asked.payload.len();
    let exactly = id.size_in != VARIABLE;
    let at_least = id.size_out != VARIABLE;
    // Whoever knows the id's state has asked by the other ioctl of the same node.
    let asked_before = id.enabled != Known::CannotTell;
    let mut rows = start(asked, if asked_before { Known::No } else { Known::CannotTell });
    rows.extend([
        Row::rule(Errno::INVAL, Known::No, "a flag that the kernel does not know"),
        Row::rule(Errno::INVAL, Known::No, "a reserved field is not 0"),
        Row::rule(Errno::INVAL, Known::No, "a reserved field beside a length is not 0"),
        Row::rule(
            Errno::NOTTY,
            not(id.enabled),
            format!("{} is not in the device's Command Effects Log", asked.command),
        ),
        Row::rule(
            Errno::BUSY,
            id.exclusive,
            format!("{} is the kernel's own while its nvdimm driver is bound", asked.command),
        ),
        Row::rule(
            Errno::NOMEM,
            sure(exactly && length != id.size_in as usize),
            format!("the command takes {} bytes, not {length}", id.size_in),
        ),
        Row::rule(
            Errno::NOMEM,
            sure(at_least && asked.room < id.size_out as usize),
            format!("the command wants room for {} bytes, not {}", id.size_out, asked.room),
        ),
    ]);
    rows.extend(end(asked));
    find("the memdev ioctl", errno, rows)
}

/// What is known of RAW.
#[cfg(feature = "raw-commands")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawKnown {
    /// Whether the kernel was built with CONFIG_CXL_MEM_RAW_COMMANDS.
    pub(crate) built: Known,
    /// Whether lockdown forbids it: integrity mode and up.
    pub(crate) locked_down: Known,
    /// Whether debugfs `cxl/mbox/raw_allow_all` is set.
    pub(crate) allow_all: Known,
}

/// Commands that RAW does not carry, beside the sets of [`SECURITY_SETS`].
#[cfg(feature = "raw-commands")]
const NOT_BY_RAW: [Opcode; 12] = [
    op::ACTIVATE_FW,
    SET_PARTITION_INFO,
    op::SET_LSA,
    op::SET_SHUTDOWN_STATE,
    op::SCAN_MEDIA,
    op::GET_SCAN_MEDIA_RESULTS,
    op::GET_POISON_LIST,
    op::INJECT_POISON,
    op::CLEAR_POISON,
    op::GET_SUPPORTED_FEATURES,
    op::GET_FEATURE,
    op::SET_FEATURE,
];

/// Sanitize, persistent memory security, security pass-through.
#[cfg(feature = "raw-commands")]
const SECURITY_SETS: [u8; 3] = [0x44, 0x45, 0x46];

/// Whether the kernel keeps an opcode from RAW, but where `raw_allow_all` is on.
#[cfg(feature = "raw-commands")]
pub(crate) fn kept_from_raw(opcode: Opcode) -> bool {
    SECURITY_SETS.contains(&opcode.set()) || NOT_BY_RAW.contains(&opcode)
}

/// The rule of a send by RAW.
#[cfg(feature = "raw-commands")]
pub(crate) fn raw(errno: Errno, asked: &Asked<'_>, known: &RawKnown) -> Refusal {
    let Asked { command, .. } = *asked;
    // Without `raw_allow_all`, the two lists refuse.
    let unless_all = |listed: bool| if listed { not(known.allow_all) } else { Known::No };
    let mut rows = start(asked, Known::CannotTell);
    rows.extend([
        Row::rule(Errno::INVAL, Known::No, "the reserved field beside the opcode is not 0"),
        Row::rule(
            Errno::INVAL,
            asked.beyond_mailbox(asked.room),
            format!("room for {} bytes is more than the mailbox holds", asked.room),
        ),
        Row::rule(
            Errno::PERM,
            not(known.built),
            "the kernel is built without CONFIG_CXL_MEM_RAW_COMMANDS",
        ),
        Row::rule(Errno::PERM, known.locked_down, "lockdown forbids RAW commands"),
        Row::rule(
            Errno::PERM,
            unless_all(SECURITY_SETS.contains(&command.set())),
            format!("{command} is of a command set that carries secrets in the clear"),
        ),
        Row::rule(
            Errno::PERM,
            unless_all(NOT_BY_RAW.contains(&command)),
            format!("{command} is on the list of commands that the kernel keeps from RAW"),
        ),
    ]);
    rows.extend(end(asked));
    if command == op::SANITIZE {
        rows.push(Row::event(
            Errno::BUSY,
            Cause::Transport,
            Sent::MayHave,
            "the device started to sanitize, while the driver was following an earlier one",
        ));
    }
    find("the RAW ioctl", errno, rows)
}

fn start(asked: &Asked<'_>, no_node: Known) -> Vec<Row> {
    let length = asked.payload.len();
    vec![
        Row::event(Errno::NXIO, Cause::Gone, Sent::No, GONE),
        Row::rule(Errno::NOTTY, no_node, NOT_KNOWN),
        Row::event(
            Errno::FAULT,
            Cause::Transport,
            Sent::No,
            "the structure could not be copied in",
        ),
        Row::rule(Errno::NOTTY, Known::No, "the id is 0 or beyond the last"),
        Row::rule(
            Errno::INVAL,
            asked.beyond_mailbox(length),
            format!("{length} bytes of input are more than the mailbox holds"),
        ),
    ]
}

fn end(asked: &Asked<'_>) -> Vec<Row> {
    let payload = asked.payload;
    let immediate = asked.command == SET_PARTITION_INFO
        && !payload.is_empty()
        && (payload.len() < 9 || payload.get(8).is_some_and(|flags| flags & 1 != 0));
    let other_log = asked.command == CLEAR_LOG
        && !payload.is_empty()
        && payload.first_chunk::<16>() != Some(&VENDOR_DEBUG);
    vec![
        Row::event(Errno::FAULT, Cause::Transport, Sent::No, "the input could not be copied in"),
        Row::rule(
            Errno::BUSY,
            sure(immediate),
            "Set Partition Info must not ask to take effect at once",
        ),
        Row::rule(Errno::BUSY, sure(other_log), "Clear Log is for the Vendor Debug log only"),
        Row::event(Errno::NOMEM, Cause::Rule, Sent::No, "the kernel had no memory for it"),
        Row::event(
            Errno::BUSY,
            Cause::Rule,
            Sent::No,
            "the mailbox's doorbell was set before the command, as it also reads on a device that is gone",
        ),
        Row::event(
            Errno::BUSY,
            Cause::Rule,
            Sent::No,
            "the device is sanitizing, and takes Get Health Info only",
        ),
        Row::event(
            Errno::TIMEDOUT,
            Cause::Transport,
            Sent::MayHave,
            "the doorbell was not cleared within 2 seconds, or the command started a background \
             operation, which this ioctl does not follow",
        ),
        Row::event(
            Errno::FAULT,
            Cause::Transport,
            Sent::MayHave,
            "the reply could not be copied out, so the device had carried out the command",
        ),
    ]
}

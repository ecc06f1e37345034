// SPDX-License-Identifier: MIT OR Apache-2.0
//! The checks of NVMe admin pass-through.
//!
//! What was asked is known here.
//!
//! *Invariants*: rows in the kernel's order.
//!
//! *Not here*: NVMe statuses: a positive return value is an answer, not an errno.
//!
//! *Spec*: `drivers/nvme/host/ioctl.c` (`nvme_user_cmd64`, `nvme_cmd_allowed`), `drivers/nvme/host/core.c`
//! (`nvme_execute_rq`), `block/blk-core.c` (`blk_queue_enter`), `block/blk-map.c` @ v7.3. The wait for the completion is
//! not interruptible. EINTR is what the driver gives for a command that it cancelled itself, when it reset the
//! controller after a timeout or lost it: the command had been sent.

use fwgate_policy::Known;
use rustix::io::Errno;

use super::{Own, Row, find, not};
use crate::path::{Cause, Refusal, Sent};

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Opcode.
    pub(crate) opcode: u8,
    /// Dword 10.
    pub(crate) cdw10: u32,
    /// Bytes of data.
    pub(crate) data: usize,
    /// Whether the controller is reached over a fabric.
    pub(crate) fabrics: Known,
}

/// Identify.
const IDENTIFY: u8 = 0x06;
/// Set Features.
const SET_FEATURES: u8 = 0x09;
/// Fabrics commands.
const FABRICS: u8 = 0x7f;
/// First opcode of the range that is the vendor's for I/O commands; the check is by this for admin commands too.
const VENDOR_START: u8 = 0x80;
/// What Identify gives everybody: namespace, controller, and their command-set-specific and independent forms.
const OPEN_CNS: [u8; 5] = [0x00, 0x01, 0x05, 0x06, 0x08];

/// The rule of an admin command on a controller's or a namespace's node.
pub(crate) fn admin(errno: Errno, asked: &Asked, own: Own) -> Refusal {
    let Asked { opcode, cdw10, data, fabrics } = *asked;
    let [low, ..] = cdw10.to_le_bytes();
    let unprivileged = not(own.sys_admin);
    let closed = opcode >= VENDOR_START || opcode == FABRICS;
    let (never, why) = match (opcode, low) {
        (SET_FEATURES, 0x07) => (Known::Yes, "Number of Queues (07h)"),
        (SET_FEATURES, 0x0c) => (Known::Yes, "Autonomous Power State Transition (0Ch)"),
        (SET_FEATURES, 0x0d) => (Known::Yes, "Host Memory Buffer (0Dh)"),
        (SET_FEATURES, 0x16) => (Known::Yes, "Host Behavior Support (16h)"),
        (SET_FEATURES, 0x0f) => (not(fabrics), "Keep Alive Timer (0Fh, unless over a fabric)"),
        _ => (Known::No, "this feature"),
    };
    let open = opcode == IDENTIFY && OPEN_CNS.contains(&low);
    let rows = [
        Row::rule(
            Errno::NOTTY,
            Known::CannotTell,
            "the file is no NVMe node, or its kernel does not know the ioctl",
        ),
        Row::event(
            Errno::FAULT,
            Cause::Transport,
            Sent::No,
            "the structure could not be copied in",
        ),
        Row::rule(Errno::INVAL, Known::No, "the flags are not 0"),
        Row::rule(Errno::INVAL, Known::No, "the namespace is not the node's own"),
        Row::rule(
            Errno::ACCESS,
            if closed { unprivileged } else { Known::No },
            format!(
                "opcode {opcode:#04x} asks for CAP_SYS_ADMIN, as all from 0x80 on and Fabrics do"
            ),
        ),
        Row::rule(
            Errno::ACCESS,
            never,
            format!("the driver sets {why} itself and lets nobody else"),
        ),
        Row::rule(
            Errno::ACCESS,
            if closed || open { Known::No } else { unprivileged },
            "admin commands ask for CAP_SYS_ADMIN, but for five Identify structures",
        ),
        Row::event(
            Errno::NODEV,
            Cause::Gone,
            Sent::No,
            "the controller's admin queue is being torn down",
        ),
        Row::event(Errno::NOMEM, Cause::Rule, Sent::No, "the kernel had no memory for it"),
        Row::rule(
            Errno::INVAL,
            if data == 0 { Known::No } else { Known::CannotTell },
            format!("{data} bytes are more than the controller takes in one command"),
        ),
        Row::rule(Errno::INVAL, Known::No, "metadata on a queue that has none"),
        Row::event(Errno::REMOTEIO, Cause::Transport, Sent::No, "the data could not be mapped"),
        Row::event(Errno::FAULT, Cause::Transport, Sent::No, "the data could not be mapped"),
        Row::event(
            Errno::INTR,
            Cause::Transport,
            Sent::MayHave,
            "the driver cancelled the command after it was sent: it reset the controller, or lost it",
        ),
        Row::event(
            Errno::IO,
            Cause::Transport,
            Sent::MayHave,
            "the command failed below the driver; its queue may have been off",
        ),
        Row::event(
            Errno::FAULT,
            Cause::Transport,
            Sent::MayHave,
            "the result could not be copied out, so the controller had carried out the command",
        ),
    ];
    find("nvme's admin ioctl", errno, rows)
}

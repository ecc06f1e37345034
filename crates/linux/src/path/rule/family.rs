// SPDX-License-Identifier: MIT OR Apache-2.0
//! The checks of fwctl's drivers for mlx5, bnxt and pds, behind those of the core.
//!
//! What was asked is known here; what the driver lets through at which scope is given by the caller's tables.
//!
//! *Invariants*: rows in the kernel's order; what comes from the firmware by way of an errno counts as sent.
//!
//! *Not here*: which command needs which scope.
//!
//! *Spec*: `drivers/fwctl/{mlx5,bnxt,pds}/main.c @ v7.3`; behind them
//! `drivers/net/ethernet/mellanox/mlx5/core/cmd.c` (`cmd_exec`, `mlx5_cmd_invoke`, `cmd_work_handler`),
//! `drivers/net/ethernet/broadcom/bnxt/bnxt_ulp.c` (`bnxt_send_msg`),
//! `drivers/net/ethernet/amd/pds_core/{adminq,dev}.c` (`pdsc_adminq_post`, `pdsc_err_to_errno`) there. The mlx5 driver's
//! comment says that any errno means that the RPC did not make it to the device; ETIMEDOUT is set after the doorbell.

use fwgate_policy::{Known, Scope};
use fwgate_wire::fwctl::device_type;
use rustix::io::Errno;

use super::fwctl::{RpcAsked, core};
use super::{Own, Row, find, sure};
use crate::path::{Cause, Refusal, Sent};

/// What the driver's own table says of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriverScope {
    /// It is not in the table.
    NotListed,
    /// It passes at this scope and above.
    Needs(Scope),
    /// The table is the firmware's, or was not looked at.
    CannotTell,
}

impl DriverScope {
    fn not_listed(self) -> Known {
        match self {
            Self::NotListed => Known::Yes,
            Self::Needs(_) => Known::No,
            Self::CannotTell => Known::CannotTell,
        }
    }

    fn too_low(self, scope: Scope) -> Known {
        match self {
            Self::NotListed => Known::No,
            Self::Needs(needed) => sure(scope < needed),
            Self::CannotTell => Known::CannotTell,
        }
    }

    fn words(self, scope: Scope) -> String {
        match self {
            Self::Needs(needed) => {
                format!("the driver passes this command at scope {needed}, not {scope}")
            }
            _ => format!("the driver passes this command at a higher scope than {scope}"),
        }
    }
}

/// The rule of FWCTL_RPC on a device of that type.
pub(crate) fn rpc(
    errno: Errno,
    device_type: u32,
    asked: &RpcAsked,
    needs: DriverScope,
    own: Own,
) -> Refusal {
    let (name, driver) = match device_type {
        device_type::MLX5 => ("fwctl's mlx5 driver", mlx5(asked, needs)),
        device_type::BNXT => ("fwctl's bnxt driver", bnxt(asked, needs)),
        device_type::PDS => ("fwctl's pds driver", pds(asked, needs)),
        _ => ("fwctl", Vec::new()),
    };
    find(name, errno, core(asked, own, driver))
}

const NOT_LISTED: &str = "the driver's table does not have this command";

fn mlx5(asked: &RpcAsked, needs: DriverScope) -> Vec<Row> {
    let before = |errno, words: &'static str| Row::event(errno, Cause::Transport, Sent::No, words);
    let after =
        |errno, words: &'static str| Row::event(errno, Cause::Transport, Sent::MayHave, words);
    vec![
        Row::rule(
            Errno::MSGSIZE,
            sure(asked.in_len < 16 || asked.out_len < 16),
            format!("{} bytes in and {} out, where each header is 16", asked.in_len, asked.out_len),
        ),
        Row::rule(Errno::BADMSG, needs.not_listed(), NOT_LISTED),
        Row::rule(Errno::BADMSG, needs.too_low(asked.scope), needs.words(asked.scope)),
        Row::event(Errno::NOMEM, Cause::Rule, Sent::No, "the kernel had no memory for the command"),
        before(Errno::AGAIN, "all command slots are stalled: the firmware does not answer"),
        before(Errno::ALREADY, "the command could not be queued"),
        before(Errno::BUSY, "no command slot became free in time"),
        before(Errno::CANCELED, "the command waited too long in the queue and was taken out"),
        Row::event(
            Errno::NXIO,
            Cause::Gone,
            Sent::MayHave,
            "the command interface is down; commands that were under way end like this too",
        ),
        after(Errno::TIMEDOUT, "the firmware did not answer in time"),
        after(Errno::BADR, "the answer's signature or token is wrong"),
        after(Errno::FAULT, "the firmware refused the addresses of the message"),
        after(Errno::NOMSG, "the firmware refused the lengths of the message"),
        after(Errno::IO, "the firmware failed while it took the message"),
        after(Errno::INVAL, "the firmware gave a delivery status that has no errno"),
    ]
}

fn bnxt(asked: &RpcAsked, needs: DriverScope) -> Vec<Row> {
    vec![
        Row::rule(
            Errno::INVAL,
            sure(!(16..=128).contains(&asked.in_len)),
            format!("a request of {} bytes, where the driver takes 16 to 128", asked.in_len),
        ),
        Row::rule(Errno::INVAL, sure(asked.out_len < 8), "there is less room than 8 bytes"),
        Row::rule(
            Errno::INVAL,
            Known::CannotTell,
            "a command with addresses has another length, or a transfer of nothing or of more than 64 KiB",
        ),
        Row::event(
            Errno::NOMEM,
            Cause::Rule,
            Sent::No,
            "the kernel had no memory for the response",
        ),
        Row::rule(Errno::PERM, needs.not_listed(), NOT_LISTED),
        Row::rule(Errno::PERM, needs.too_low(asked.scope), needs.words(asked.scope)),
        Row::event(
            Errno::PERM,
            Cause::Rule,
            Sent::No,
            "the network driver is stopped or resetting, and the driver passes nothing",
        ),
        Row::event(
            Errno::NOMEM,
            Cause::Rule,
            Sent::No,
            "the kernel had no memory for the transfer",
        ),
        Row::event(Errno::FAULT, Cause::Transport, Sent::MayHave, "a transfer could not be copied"),
    ]
}

fn pds(asked: &RpcAsked, needs: DriverScope) -> Vec<Row> {
    // The firmware's own status comes back as an errno as well.
    let firmware =
        |errno, words: &'static str| Row::event(errno, Cause::Transport, Sent::MayHave, words);
    let status = "the firmware answered the admin command with a status of that meaning";
    let mut rows = vec![
        Row::rule(Errno::INVAL, sure(asked.in_len < 48), "the request is shorter than 48 bytes"),
        Row::rule(
            Errno::INVAL,
            Known::CannotTell,
            "the data or the room is longer than the firmware's maximum",
        ),
        Row::rule(Errno::INVAL, Known::CannotTell, "the firmware has no such endpoint"),
        Row::event(
            Errno::NOMEM,
            Cause::Rule,
            Sent::No,
            "the endpoint's operations could not be asked for, or there was no memory",
        ),
        Row::rule(Errno::INVAL, needs.not_listed(), "the endpoint has no such operation"),
        Row::rule(Errno::PERM, needs.too_low(asked.scope), needs.words(asked.scope)),
        firmware(
            Errno::NXIO,
            "the admin queue is down, or the firmware stopped while the command was under way",
        ),
        Row::event(
            Errno::NOSPC,
            Cause::Transport,
            Sent::MayHave,
            "the admin queue is full, or the firmware has no space",
        ),
        firmware(Errno::TIMEDOUT, "the firmware did not answer in time"),
        firmware(Errno::FAULT, "data could not be copied, or the firmware refused an address"),
    ];
    // `pdsc_err_to_errno`: what is not above.
    rows.extend(
        [
            Errno::INVAL,
            Errno::PERM,
            Errno::NOENT,
            Errno::AGAIN,
            Errno::NOMEM,
            Errno::BUSY,
            Errno::EXIST,
            Errno::NODEV,
            Errno::CHILD,
            Errno::RANGE,
            Errno::IO,
        ]
        .map(|errno| firmware(errno, status)),
    );
    rows
}

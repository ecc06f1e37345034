// SPDX-License-Identifier: MIT OR Apache-2.0
//! Step 1: is the command well formed, by what is known of it?
//!
//! Lengths come from the tables; payload rules are the kernel's own and a few of the
//! specification's. What is not known is not checked.
//!
//! *Spec*: `cxl_payload_from_user_allowed` in `drivers/cxl/core/mbox.c @ v7.3`;
//! `drivers/fwctl/{mlx5,bnxt,pds}/main.c @ v7.3`. What those drivers pass through unseen and the
//! firmware acts on (another target, an address, ignored bits) is refused here.

use fwgate_wire::fwctl::bnxt::{OWN_FUNCTION, Payload};
use fwgate_wire::fwctl::pds::Operation;
use fwgate_wire::fwctl::{MAX_RPC_LENGTH, mlx5};

use crate::class::{Class, SET_FEATURE};
use crate::command::Command;
use crate::reason::{Code, Level, Operand, Reasons};
use crate::tables::{Protocol, Tables};

/// Vendor Debug Log, in wire order: the only log that the kernel lets anyone clear.
const VENDOR_DEBUG_LOG: [u8; 16] = [
    0x5e, 0x18, 0x19, 0xd9, 0x11, 0xa9, 0x40, 0x0c, 0x81, 0x1f, 0xd6, 0x07, 0x19, 0x40, 0x3d, 0x86,
];
const SET_PARTITION_INFO: u16 = 0x4101;
const CLEAR_LOG: u16 = 0x0403;
const TRANSFER_FW: u16 = 0x0201;
/// A CXL payload is at most 1 MiB in one piece; a transfer's whole may be longer.
const MAX_PIECE: u32 = 1 << 20;

/// Adds a reason and answers `false` if the command is malformed.
pub(crate) fn check<'a>(
    command: &Command<'_>,
    class: &Class<'a>,
    tables: &Tables<'a>,
    reasons: &mut Reasons<'a>,
    depth: u8,
) -> bool {
    let operand = length(command, tables).or_else(|| rule(command, class).map(Operand::Rule));
    if let Some(operand) = operand {
        reasons.push(Level::Deny, depth, Code::Malformed, operand);
    }
    operand.is_none()
}

fn length<'a>(command: &Command<'_>, tables: &Tables<'a>) -> Option<Operand<'a>> {
    let row = tables.floor(command.protocol(), command.opcode());
    let have = u32::try_from(command.payload().len()).unwrap_or(u32::MAX);
    let min = row.and_then(|row| row.input_min).unwrap_or(0);
    let max = row.and_then(|row| row.input_max).unwrap_or_else(|| {
        if command.protocol().is_family() {
            return MAX_RPC_LENGTH;
        }
        let in_parts = command.protocol() != Protocol::Cxl
            || matches!(command.opcode(), TRANSFER_FW | SET_FEATURE);
        if in_parts { u32::MAX } else { MAX_PIECE }
    });
    (have < min || have > max).then_some(Operand::Length { of: "payload", have, min, max })
}

fn rule(command: &Command<'_>, class: &Class<'_>) -> Option<&'static str> {
    let (opcode, payload) = match *command {
        Command::Cxl { opcode, payload } => (opcode, payload),
        Command::NvmeAdmin { .. } => return None,
        Command::Mlx5 { payload, .. } => {
            let short = payload.len() < mlx5::MIN_MAILBOX.saturating_sub(8);
            return short.then_some("an mlx5 mailbox has at least 16 bytes, 8 of them header");
        }
        Command::Bnxt { target_id, .. } if target_id != OWN_FUNCTION => {
            return Some("the request is for another target than its own function (FFFFh)");
        }
        Command::Bnxt { req_type, payload, .. } => return buffers(req_type, payload),
        Command::Pds { operation, .. } => {
            let other = Operation(operation).ignored() != 0;
            return other.then_some("bits 31:24 of a pds operation, which the driver ignores");
        }
    };
    match opcode {
        SET_PARTITION_INFO if payload.get(8).is_none_or(|flags| flags & 1 == 1) => {
            Some("the immediate flag of Set Partition Info changes memory in use")
        }
        CLEAR_LOG if class.selector.is_none_or(|log| log.as_bytes() != VENDOR_DEBUG_LOG) => {
            Some("only the Vendor Debug Log may be cleared")
        }
        SET_FEATURE if payload.len() <= 32 => Some("Set Feature without data"),
        SET_FEATURE if payload.get(16).is_none_or(|flags| flags & 7 != 0) => {
            Some("a part of a Set Feature transfer; the whole is judged")
        }
        TRANSFER_FW if payload.first().is_none_or(|action| *action != 0 && *action != 4) => {
            Some("a part of a firmware transfer; the whole is judged")
        }
        _ => None,
    }
}

/// What is wrong with the buffers of a bnxt request. The gate owns them: a caller gives bytes and
/// lengths, never an address.
fn buffers(req_type: u16, payload: &[u8]) -> Option<&'static str> {
    Some(match Payload::parse(req_type, payload).err()?.field {
        "address" => "an address of the caller's own; the gate puts in its buffers'",
        "length" => "a buffer's length is nothing, above 64 KiB, or beyond the buffer",
        "data" => "the data for the device are not as long as the request says",
        _ => "the request has not the size of its command",
    })
}

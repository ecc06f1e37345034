// SPDX-License-Identifier: MIT OR Apache-2.0
//! What commands are called, from the generated tables.

use fwgate_policy::Protocol;
use fwgate_wire::fwctl::table::{self as families, Family};
use fwgate_wire::{cxl, nvme};

use crate::request::Message;

/// The name of an opcode; `None` for vendor commands and what no table names.
#[must_use]
pub fn opcode(protocol: Protocol, opcode: u16) -> Option<&'static str> {
    let nvme_opcode = || u8::try_from(opcode).ok();
    match protocol {
        Protocol::Cxl => cxl::table::by_opcode(opcode).map(|row| row.name),
        Protocol::NvmeAdmin => {
            nvme::table::by_opcode(nvme::table::Set::Admin, nvme_opcode()?).map(|row| row.name)
        }
        Protocol::NvmeIo => {
            nvme::table::by_opcode(nvme::table::Set::Io, nvme_opcode()?).map(|row| row.name)
        }
        Protocol::Mlx5 => families::by_opcode(Family::Mlx5, opcode).map(|row| row.name),
        Protocol::Bnxt => families::by_opcode(Family::Bnxt, opcode).map(|row| row.name),
        // The firmware lists its operations, without names.
        Protocol::Pds => None,
    }
}

/// An opcode as it is written everywhere: `0xC001`, and `0x0C` for NVMe.
#[must_use]
pub fn code(protocol: Protocol, opcode: u16) -> String {
    match protocol {
        Protocol::Cxl | Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => {
            format!("{opcode:#06X}").replace("0X", "0x")
        }
        Protocol::NvmeAdmin | Protocol::NvmeIo => format!("{opcode:#04X}").replace("0X", "0x"),
    }
}

/// A command in words: its name and its opcode, or its opcode alone.
#[must_use]
pub fn command(message: &Message) -> String {
    if let Message::Pds { endpoint, operation, .. } = message {
        return format!("operation {operation:#010x} of endpoint {endpoint:#x}");
    }
    let (protocol, number) = (message.command().protocol(), message.command().opcode());
    let code = code(protocol, number);
    match opcode(protocol, number) {
        Some(name) => format!("{name} ({code})"),
        None => code,
    }
}

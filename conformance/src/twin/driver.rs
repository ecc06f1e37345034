// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the kernel's driver splits a feature's data into payloads, and what it makes of failures.
//!
//! *Spec*: `cxl_get_feature`, `cxl_set_feature` in `drivers/cxl/core/features.c`; `cxl_internal_send_cmd` in
//! `drivers/cxl/core/mbox.c` @ v7.3.

use fwgate_gate::abi::fwctl::Answer;

use super::{Mailbox, MailboxCommand};

/// Set Feature's header.
const HEADER: usize = 32;
/// A mailbox has to have room for the header and so many bytes.
const LEAST_DATA: usize = 10;

/// `cxl_internal_send_cmd`: whether it went well and brought at least so much.
fn internal(mailbox: &mut dyn Mailbox, command: &mut MailboxCommand, least: usize) -> bool {
    let sent = mailbox.send(command).is_ok() && matches!(command.return_code, 0 | 1);
    sent && command.out.len() >= least
}

/// Get Feature, piece by piece.
pub fn get_feature(mailbox: &mut dyn Mailbox, size: u32, payload: &[u8], count: usize) -> Answer {
    let size = size as usize;
    let offset = u16::from_le_bytes([payload[16], payload[17]]);
    let mut data = Vec::new();
    let mut received = 0;
    while received < count {
        let piece = (count - received).min(size);
        let mut input = payload.to_vec();
        let at = offset.wrapping_add(received as u16);
        input[16..18].copy_from_slice(&at.to_le_bytes());
        input[18..20].copy_from_slice(&(piece as u16).to_le_bytes());
        let mut command = MailboxCommand::new(0x0501, input, piece);
        let whole = internal(mailbox, &mut command, piece);
        // A mock that writes beyond its room writes into what lies behind it.
        data.truncate(received);
        data.extend_from_slice(&command.out);
        if !whole {
            return match command.return_code {
                0 => Answer::Short { payload: data },
                return_code => Answer::Done { return_code, payload: data },
            };
        }
        received += piece;
    }
    Answer::Done { return_code: 0, payload: data }
}

/// Set Feature, as one transfer in parts where it does not fit.
pub fn set_feature(mailbox: &mut dyn Mailbox, size: u32, payload: &[u8]) -> Answer {
    const INPUT: u16 = 2;
    let size = size as usize;
    let (header, data) = payload.split_at(HEADER);
    let done = |return_code| Answer::Done { return_code, payload: Vec::new() };
    if HEADER + LEAST_DATA > size {
        return done(INPUT);
    }
    let flags = u32::from_le_bytes([header[16], header[17], header[18], header[19]]) & !7;
    let offset = u16::from_le_bytes([header[20], header[21]]);
    let room = size - HEADER;
    let mut sent = 0;
    while sent < data.len() {
        let left = data.len() - sent;
        let part = left.min(room);
        let transfer = match (sent, part == left) {
            (0, true) => 0,
            (0, false) => 1,
            (_, false) => 2,
            (_, true) => 3,
        };
        let mut input = header.to_vec();
        input[16..20].copy_from_slice(&(flags | transfer).to_le_bytes());
        input[20..22].copy_from_slice(&offset.wrapping_add(sent as u16).to_le_bytes());
        // The driver's header is zero where the caller's is reserved.
        input[23..32].fill(0);
        input.extend_from_slice(&data[sent..sent + part]);
        let mut command = MailboxCommand::new(0x0502, input, 0);
        if !internal(mailbox, &mut command, 0) {
            return done(command.return_code);
        }
        sent += part;
    }
    done(0)
}

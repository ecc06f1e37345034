// SPDX-License-Identifier: MIT OR Apache-2.0
//! mlx5's small firmware: capabilities, a counter, congestion control, registers.
//!
//! *Not here*: the driver's checks (`super`).
//!
//! *Spec*: layouts in `include/linux/mlx5/mlx5_ifc.h @ v7.3`: `query_hca_cap`, `set_hca_cap`,
//! `query_q_counter`, `query_cong_status`, `modify_cong_status`, `access_register`. Status values in
//! `include/linux/mlx5/device.h @ v7.3`. What lies in a capability or a register is made up.

use std::collections::BTreeMap;

use super::{FamilyReply, FamilyState};
use crate::bytes::range;

const OK: u8 = 0x00;
const BAD_OPERATION: u8 = 0x02;
const BAD_PARAMETER: u8 = 0x03;
const BAD_INPUT_LENGTH: u8 = 0x50;
const BAD_OUTPUT_LENGTH: u8 = 0x51;

/// Registers: PMTU, PAOS, settings (MNVDA), reset level (MFRL).
const PMTU: u16 = 0x5003;
const PAOS: u16 = 0x5006;
const MNVDA: u16 = 0x9024;
const MFRL: u16 = 0x9028;
/// Bytes of each of them here.
const REGISTER: usize = 16;
/// Where capabilities and congestion control are kept among the values.
const CAPABILITY: u16 = 1;
const CONGESTION: u16 = 2;

/// What a new device has.
pub(super) fn factory() -> BTreeMap<u16, Vec<u8>> {
    let mut mtu = vec![0; REGISTER];
    // Largest and current MTU.
    if let Some(room) = mtu.get_mut(4..10) {
        room.copy_from_slice(&[0x24, 0, 0, 0, 0x05, 0xDC]);
    }
    BTreeMap::from([
        (PMTU, mtu),
        (PAOS, vec![0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (MNVDA, vec![0; REGISTER]),
        (MFRL, vec![0; REGISTER]),
        (CAPABILITY, b"FWGTemulatedmlx5".to_vec()),
        (CONGESTION, vec![0]),
    ])
}

/// Runs one command; `payload` starts at the mailbox's ninth byte.
pub(super) fn run(
    state: &mut FamilyState,
    opcode: u16,
    op_mod: u16,
    payload: &[u8],
    room: usize,
) -> FamilyReply {
    let answer = command(state, opcode, op_mod, payload);
    // Status, reserved, syndrome, then what the command has from the ninth byte on.
    let (status, body) = match answer {
        Ok(body) if body.len().saturating_add(8) > room => (BAD_OUTPUT_LENGTH, Vec::new()),
        Ok(body) => (OK, body),
        Err(status) => (status, Vec::new()),
    };
    let mut reply = vec![status, 0, 0, 0];
    // The syndrome is the vendor's; ours says which opcode it was.
    let [high, low] = opcode.to_be_bytes();
    reply.extend(if status == OK { [0; 4] } else { [0x0F, 0x47, high, low] });
    reply.extend_from_slice(&body);
    reply.resize(room.min(1 << 16), 0);
    FamilyReply { code: u32::from(status), payload: reply }
}

fn command(
    state: &mut FamilyState,
    opcode: u16,
    op_mod: u16,
    payload: &[u8],
) -> Result<Vec<u8>, u8> {
    let first = payload.first().copied().unwrap_or(0);
    match opcode {
        // QUERY_HCA_CAP of the own function, SET_HCA_CAP of another: the tools context may do no more.
        0x0100 if first & 0x80 != 0 => Err(BAD_PARAMETER),
        0x0100 => {
            let mut body = vec![0; 8];
            body.extend(state.values.get(&CAPABILITY).cloned().unwrap_or_default());
            Ok(body)
        }
        0x0109 if first & 0x80 == 0 => Err(BAD_PARAMETER),
        0x0109 => {
            let value = range(payload, 8, 16).ok_or(BAD_INPUT_LENGTH)?;
            kept(state.keep(CAPABILITY, value))
        }
        // NOP.
        0x080D => Ok(vec![0; 8]),
        // QUERY_Q_COUNTER: received writes, and whether they are to be cleared.
        0x0773 => {
            let clear = payload.get(0x10).ok_or(BAD_INPUT_LENGTH)? & 0x80 != 0;
            let count = state.counter.saturating_add(1);
            state.counter = if clear { 0 } else { count };
            let mut body = vec![0; 8];
            body.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
            body.resize(0x100 - 8, 0);
            Ok(body)
        }
        // QUERY_CONG_STATUS, MODIFY_CONG_STATUS.
        0x0822 => {
            let on = state.values.get(&CONGESTION).and_then(|it| it.first().copied());
            let mut body = vec![0; 8];
            if let Some(byte) = body.first_mut() {
                *byte = on.unwrap_or(0);
            }
            Ok(body)
        }
        0x0823 => {
            let on = payload.get(4).copied().unwrap_or(0) & 0xC0;
            kept(state.keep(CONGESTION, &[on]))
        }
        0x0805 | 0x0B0C => register(state, op_mod, payload),
        _ => Err(BAD_OPERATION),
    }
}

fn register(state: &mut FamilyState, op_mod: u16, payload: &[u8]) -> Result<Vec<u8>, u8> {
    let Some(&[high, low]) = payload.get(2..4) else { return Err(BAD_INPUT_LENGTH) };
    let number = u16::from_be_bytes([high, low]);
    if ![PMTU, PAOS, MNVDA, MFRL].contains(&number) {
        return Err(BAD_PARAMETER);
    }
    match op_mod {
        0 => {
            let value = range(payload, 8, REGISTER).ok_or(BAD_INPUT_LENGTH)?;
            kept(state.keep(number, value))?;
            if number == MFRL {
                state.reset();
            }
        }
        1 => {}
        _ => return Err(BAD_PARAMETER),
    }
    let mut body = vec![0; 8];
    body.extend(state.values.get(&number).cloned().unwrap_or_default());
    Ok(body)
}

fn kept(kept: bool) -> Result<Vec<u8>, u8> {
    if kept { Ok(vec![0; 8]) } else { Err(BAD_PARAMETER) }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! fwctl's families on the road: the gate asks enough for every command, and a reset voids the facts.

use std::sync::Arc;
use std::time::Duration;

use fwgate_emulator::{EmulatedFamily, Family, FamilyDevice, ManualTime};
use fwgate_gate::journal::Journal;
use fwgate_gate::{
    Caller, Device, Failure, Firmware, Gate, InProcess, Message, NoKernel, Opened, Request, Sent,
};
use fwgate_policy::Scope;
use fwgate_wire::fwctl::table::{self, DmaDirection, DmaLength};

fn gate() -> Gate {
    let owner = Caller::this_process().uid;
    let host = Arc::new(NoKernel);
    Gate::new(Arc::new(Journal::in_memory()), Arc::new(InProcess::owned_by(owner)), host)
}

fn device(family: Family) -> Arc<FamilyDevice> {
    let time = Arc::new(ManualTime::new(1));
    FamilyDevice::new(EmulatedFamily::in_memory("test0", family, time).unwrap())
}

fn open(gate: &Gate, device: &Arc<FamilyDevice>) -> Opened {
    gate.open(Arc::clone(device) as Arc<dyn Device>).unwrap()
}

fn send(gate: &Gate, opened: &Opened, message: Message, scope: Option<Scope>) -> Sent {
    let request = Request {
        route: Firmware,
        message,
        scope,
        caller: Arc::new(Caller::this_process()),
        deadline: Duration::from_secs(5),
    };
    gate.send(opened, request, &mut |_| {}).unwrap()
}

/// A well-formed request of a bnxt command.
fn bnxt(row: &table::CommandRow) -> Message {
    let mut request = vec![0; usize::from(row.request.unwrap_or(24))];
    let mut read = 0;
    for field in row.dma {
        let length = match field.length {
            DmaLength::Fixed(bytes) => bytes as usize,
            DmaLength::Field { offset, unit, .. } => {
                request[usize::from(offset)] = 16;
                16 * usize::from(unit)
            }
        };
        if field.direction == DmaDirection::ToDevice {
            read += length;
        }
    }
    let mut payload = request.split_off(16);
    payload.resize(payload.len() + read, 0);
    Message::Bnxt { req_type: row.opcode, target_id: 0xFFFF, payload }
}

/// Sends what has to be allowed; the emulated driver checks the scope for itself.
fn passes_the_driver(message: Message, family: Family) {
    let (gate, device) = (gate(), device(family));
    let opened = open(&gate, &device);
    let sent = send(&gate, &opened, message, None);
    assert_eq!(sent.explanation.verdict, "allow", "{sent:?}");
    let outcome = sent.outcome.as_ref().unwrap();
    assert!(!matches!(outcome.failure, Some(Failure::Kernel | Failure::Transport)), "{sent:?}");
}

#[test]
fn the_lowest_scope_that_the_gate_grants_is_enough_for_the_driver_on_every_command() {
    for row in table::MLX5 {
        for op_mod in [0, 1] {
            let message = Message::Mlx5 {
                opcode: row.opcode,
                op_mod,
                payload: vec![0; 24],
                reply_length: 64,
            };
            passes_the_driver(message, Family::Mlx5);
        }
    }
    for row in table::BNXT {
        passes_the_driver(bnxt(row), Family::Bnxt);
    }
    for (endpoint, operation) in [(1, 1), (1, 2), (1, 3), (1, 0x0002_0004), (1, 5), (2, 1)] {
        let message = Message::Pds { endpoint, operation, payload: Vec::new(), reply_length: 64 };
        passes_the_driver(message, Family::Pds);
    }
}

#[test]
fn a_reset_voids_the_facts_of_all_but_sourced_reads() {
    let (gate, device) = (gate(), device(Family::Bnxt));
    let opened = open(&gate, &device);
    let row = |opcode| table::by_opcode(table::Family::Bnxt, opcode).unwrap();
    let sent = send(&gate, &opened, bnxt(row(0x0011)), Some(Scope::DebugWriteFull));
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    let sent = send(&gate, &opened, bnxt(row(0x0025)), None);
    assert_eq!(sent.outcome.unwrap().failure, Some(Failure::FactsChanged));
    let sent = send(&gate, &opened, bnxt(row(0x00E0)), None);
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    assert_eq!(device.control(|it| it.changes()), 1);
    let again = open(&gate, &device);
    assert_eq!(send(&gate, &again, bnxt(row(0x0025)), None).outcome.unwrap().failure, None);
}

#[test]
fn an_error_of_the_firmware_comes_back_with_its_reply() {
    let (gate, device) = (gate(), device(Family::Mlx5));
    let opened = open(&gate, &device);
    // POSTPONE_CONNECTED_QP_TIMEOUT: the driver knows it, this firmware does not.
    let message =
        Message::Mlx5 { opcode: 0x0B2E, op_mod: 0, payload: vec![0; 8], reply_length: 16 };
    let outcome = send(&gate, &opened, message, None).outcome.unwrap();
    assert_eq!((outcome.record.return_code, outcome.failure), (Some(2), Some(Failure::Device)));
    assert_eq!((outcome.reply.len(), outcome.reply[0]), (16, 2));
}

#[test]
fn a_setting_goes_from_the_callers_bytes_to_the_firmware_by_the_gates_buffers() {
    let (gate, device) = (gate(), device(Family::Bnxt));
    let opened = open(&gate, &device);
    let variable = |req_type, value: &[u8]| {
        let mut payload = vec![0; 24];
        payload[8] = 32;
        payload[10..12].copy_from_slice(&506u16.to_le_bytes());
        payload.extend_from_slice(value);
        Message::Bnxt { req_type, target_id: 0xFFFF, payload }
    };
    let mut value = vec![0x12, 0x34, 0, 0];
    value.resize(32, 0);
    let sent = send(&gate, &opened, variable(0xFFF2, &value), None);
    assert_eq!(sent.explanation.granted_scope, Some("configuration"));
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    let reply = send(&gate, &opened, variable(0xFFF1, &[]), None).outcome.unwrap().reply;
    assert!(reply.ends_with(&value), "{reply:02x?}");
}

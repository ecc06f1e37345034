// SPDX-License-Identifier: MIT OR Apache-2.0
//! fwctl's families on the road: what is read at opening, what is recorded, what is explained.
//!
//! *Not here*: which command asks which scope (`crates/policy/tests/families.rs`).

use std::sync::{Arc, Mutex};

use fwgate_gate::device::{Around, Background, DEFAULT_DEADLINE, Pace, Told};
use fwgate_gate::journal::{Journal, Kind};
use fwgate_gate::{
    Belief, Caller, Device, Firmware, Gate, Generation, Identity, InProcess, Message, NoKernel,
    NoPath, Recorded, Reply, Request, SubmitError,
};
use fwgate_policy::tables::Classes;
use fwgate_policy::{
    Known, OperationFacts, Path, PathKind, Protocol, Route as Judged, Scope, Subsystems,
};

const PATH: Path = Path { kind: PathKind::Emulated, follows_background: true, admits_caller: true };
const FUNC_RESET: u16 = 0x0011;
const NVM_SET_VARIABLE: u16 = 0xFFF2;

/// A device of a family that notes what it is sent, and with which scope.
struct Noting {
    identity: Identity,
    told: Told,
    around: Around,
    sent: Mutex<Vec<(u16, Scope)>>,
}

impl Noting {
    fn new(protocol: Protocol) -> Self {
        Self {
            identity: Identity {
                name: format!("emu:{}", protocol.name()),
                protocol,
                class: Classes::empty(),
                vendor: 1,
                device: 2,
                emulated: true,
            },
            told: Told::default(),
            around: Around::driven_by_nobody(),
            sent: Mutex::new(Vec::new()),
        }
    }

    fn sent(&self) -> Vec<(u16, Scope)> {
        self.sent.lock().unwrap().clone()
    }
}

impl Device for Noting {
    fn identity(&self) -> &Identity {
        &self.identity
    }
    fn observe(&self) -> Generation {
        Generation { opened: "first".to_owned(), changes: 0 }
    }
    fn told(&self) -> Told {
        self.told.clone()
    }
    fn around(&self) -> Around {
        self.around.clone()
    }
    fn paths(&self, _: &Caller) -> Vec<Path> {
        vec![PATH]
    }
    fn path(&self, _: Judged<'_>, _: &Message, _: &Caller) -> Result<Path, NoPath> {
        Ok(PATH)
    }
    fn pace(&self) -> Pace {
        Pace::KeepsDeadline
    }
    fn payload_limit(&self) -> usize {
        1 << 20
    }
    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        let opcode = delivery.message.command().opcode();
        self.sent.lock().unwrap().push((opcode, delivery.scope));
        let mut reply = vec![0; 16];
        if opcode == 0 {
            // Interface 1.10.3, firmware 216.0.1.2.
            reply[8..16].copy_from_slice(&[1, 10, 3, 0, 216, 0, 1, 2]);
        }
        Ok(Reply {
            return_code: 0,
            vendor_status: 0,
            payload: reply,
            background: false,
            belief: Belief::Told,
        })
    }
    fn background(&self) -> Option<Background> {
        None
    }
}

fn gate() -> Gate {
    let owner = Caller::this_process().uid;
    let host = Arc::new(NoKernel);
    Gate::new(Arc::new(Journal::in_memory()), Arc::new(InProcess::owned_by(owner)), host)
}

fn ask(message: Message, scope: Option<Scope>) -> Request<Firmware> {
    Request {
        route: Firmware,
        message,
        scope,
        caller: Arc::new(Caller::this_process()),
        deadline: DEFAULT_DEADLINE,
    }
}

fn decisions(journal: &Journal) -> Vec<serde_json::Value> {
    let records = journal.reader().unwrap().map(|record| record.unwrap());
    records
        .filter(|record| matches!(record.kind, Kind::Decision))
        .map(|record| serde_json::from_slice(&record.body).unwrap())
        .collect()
}

fn bnxt(req_type: u16, payload: &[u8]) -> Message {
    Message::Bnxt { req_type, target_id: 0xFFFF, payload: payload.to_vec() }
}

fn mlx5(opcode: u16, op_mod: u16) -> Message {
    Message::Mlx5 { opcode, op_mod, payload: vec![0; 8], reply_length: 64 }
}

fn pds(operation: u32) -> Message {
    Message::Pds { endpoint: 1, operation, payload: Vec::new(), reply_length: 64 }
}

/// NVM_SET_VARIABLE with this value.
fn set_variable(value: &[u8]) -> Message {
    let mut payload = vec![0; 24];
    payload[8] = u8::try_from(value.len()).unwrap();
    payload.extend_from_slice(value);
    bnxt(NVM_SET_VARIABLE, &payload)
}

#[test]
fn opening_a_bnxt_device_reads_its_version_with_the_scope_that_the_driver_asks() {
    let device = Arc::new(Noting::new(Protocol::Bnxt));
    let opened = gate().open(Arc::clone(&device) as Arc<dyn Device>).unwrap();
    assert_eq!(opened.record().firmware, "216.0.1.2");
    assert_eq!(opened.record().protocol, "bnxt");
    assert_eq!(device.sent(), [(0, Scope::DebugRead)]);
}

#[test]
fn opening_an_mlx5_or_pds_device_sends_nothing_and_takes_what_is_known_without() {
    for protocol in [Protocol::Mlx5, Protocol::Pds] {
        let mut device = Noting::new(protocol);
        device.told.firmware = b"28.1".to_vec();
        let device = Arc::new(device);
        let gate = gate();
        let opened = gate.open(Arc::clone(&device) as Arc<dyn Device>).unwrap();
        assert_eq!((opened.record().firmware.as_str(), opened.record().credible), ("28.1", false));
        assert_eq!(device.sent(), []);
    }
}

fn send(gate: &Gate, device: &Arc<Noting>, message: Message) -> fwgate_gate::Sent {
    let opened = gate.open(Arc::clone(device) as Arc<dyn Device>).unwrap();
    gate.send(&opened, ask(message, None), &mut |_| {}).unwrap()
}

#[test]
fn a_reset_is_sent_with_our_scope_and_says_that_the_drivers_is_lower() {
    let (gate, device) = (gate(), Arc::new(Noting::new(Protocol::Bnxt)));
    let sent = send(&gate, &device, bnxt(FUNC_RESET, &[0; 8]));
    assert_eq!(sent.explanation.granted_scope, Some("debug-write-full"));
    let reason = sent.explanation.reasons.iter().find(|it| it.code == "above-driver").unwrap();
    assert_eq!((reason.step, reason.level), (5, "note"));
    assert_eq!(
        reason.detail,
        "the kernel's driver lets it pass at `configuration`; fwgate asks `debug-write-full`: \
         resets the function, its children or all of them under netdev and RDMA"
    );
    assert_eq!(device.sent().last(), Some(&(FUNC_RESET, Scope::DebugWriteFull)));
}

#[test]
fn too_low_a_scope_names_the_drivers_where_that_is_what_is_missing() {
    let device = Arc::new(Noting::new(Protocol::Mlx5));
    let gate = gate();
    let opened = gate.open(Arc::clone(&device) as Arc<dyn Device>).unwrap();
    let request = ask(mlx5(0x050B, 0), Some(Scope::Configuration));
    let sent = gate.send(&opened, request, &mut |_| {}).unwrap();
    assert_eq!(sent.explanation.headline(), "scope-too-low");
    let detail = &sent.explanation.reasons[0].detail;
    assert!(detail.ends_with("because the kernel's driver asks `debug-read`"), "{detail}");
    assert_eq!(sent.explanation.fix.as_deref(), Some("ask for it: --scope debug-read"));
    assert_eq!(device.sent(), []);
}

#[test]
fn what_no_driver_passes_on_is_refused_in_words() {
    let device = Arc::new(Noting::new(Protocol::Mlx5));
    let sent = send(&gate(), &device, mlx5(0x0200, 0));
    assert_eq!(sent.explanation.headline(), "unreported");
    let detail = &sent.explanation.reasons[0].detail;
    assert_eq!(detail, "the kernel's fwctl driver passes 0x0200 on to nobody");
    let mut device = Noting::new(Protocol::Pds);
    device.told.operations = Some(Vec::new());
    let sent = send(&gate(), &Arc::new(device), pds(7));
    let detail = &sent.explanation.reasons[0].detail;
    let expected = "the device's firmware does not list operation 0x00000007 of endpoint 0x1";
    assert_eq!(detail, expected);
}

#[test]
fn a_pds_operation_is_judged_by_the_attribute_that_the_firmware_gives_it() {
    let mut device = Noting::new(Protocol::Pds);
    let entry = |operation, attribute| OperationFacts { endpoint: 1, operation, attribute };
    device.told.operations = Some(vec![entry(7, 0x02), entry(8, 0x08), entry(9, 0x33)]);
    let (gate, device) = (gate(), Arc::new(device));
    for (operation, scope) in [(7, "debug-read"), (8, "debug-write"), (9, "debug-write-full")] {
        let sent = send(&gate, &device, pds(operation));
        assert_eq!(sent.explanation.required_scope, scope, "{operation}");
    }
}

#[test]
fn a_reset_under_a_driver_is_pointed_to_the_kernels_own_interface() {
    let mut device = Noting::new(Protocol::Bnxt);
    device.around = Around {
        driven: Known::Yes,
        drivers: Subsystems::NETDEV | Subsystems::RDMA,
        interfaces: Some(vec!["devlink-reload"]),
        ..Around::driven_by_nobody()
    };
    let device = Arc::new(device);
    let sent = send(&gate(), &device, bnxt(FUNC_RESET, &[0; 8]));
    assert_eq!(
        (sent.explanation.verdict, sent.explanation.headline()),
        ("redirect", "kernel-owned")
    );
    let fix = sent.explanation.fix.as_deref().unwrap();
    assert!(fix.contains("devlink dev reload"), "{fix}");
    assert_eq!(device.sent(), [(0, Scope::DebugRead)]);
}

#[test]
fn a_record_names_what_a_family_has_beside_the_opcode_and_keeps_no_value() {
    let stored = |protocol, message| {
        let (gate, device) = (gate(), Arc::new(Noting::new(protocol)));
        send(&gate, &device, message);
        decisions(gate.journal()).pop().unwrap()
    };
    let body = stored(Protocol::Bnxt, set_variable(b"hunter2"));
    assert_eq!(body["command"]["name"], "NVM_SET_VARIABLE");
    assert_eq!(body["command"]["target_id"], 0xFFFF);
    assert_eq!((&body["payload"], &body["command"]["length"]), (&"withheld".into(), &31.into()));
    // A register's value may be a secret; a reset's payload says who is reset.
    let body = stored(Protocol::Mlx5, mlx5(0x0B0C, 1));
    assert_eq!((&body["payload"], &body["command"]["op_mod"]), (&"withheld".into(), &1.into()));
    assert_eq!(body["command"]["selector"], "0000");
    let body = stored(Protocol::Bnxt, bnxt(FUNC_RESET, &[1, 0, 0, 0, 3, 0, 3, 0]));
    assert_eq!(body["payload"]["bytes"], "0100000003000300");
    let body = stored(Protocol::Pds, pds(0x0001_0007));
    assert_eq!(body["command"]["opcode"], "0x0007");
    assert_eq!(
        (&body["command"]["endpoint"], &body["command"]["operation"]),
        (&1.into(), &65_543.into())
    );
    assert_eq!(body["payload"], "withheld");
}

#[test]
fn no_byte_of_a_familys_message_is_shown_by_debug() {
    for message in [
        set_variable(b"hunter2"),
        Message::Mlx5 { opcode: 0x0B0C, op_mod: 0, payload: b"hunter2!".to_vec(), reply_length: 0 },
        Message::Pds { endpoint: 1, operation: 7, payload: b"hunter2".to_vec(), reply_length: 0 },
    ] {
        let shown = format!("{message:?}");
        assert!(shown.contains(" bytes") && !shown.contains("104, 117"), "{shown}");
    }
}

#[test]
fn a_verdict_is_remembered_for_the_very_same_message_only() {
    let device = Arc::new(Noting::new(Protocol::Mlx5));
    let gate = gate();
    let opened = gate.open(device).unwrap();
    let scope =
        |message| gate.decide(&opened, ask(message, None)).unwrap().explanation.required_scope;
    // Read, write, read again: what differs is not in the payload.
    for _ in 0..2 {
        assert_eq!(scope(mlx5(0x0B0C, 1)), "debug-read");
        assert_eq!(scope(mlx5(0x0B0C, 0)), "debug-write-full");
    }
    let target = |target_id| Message::Bnxt { req_type: 0, target_id, payload: vec![0; 8] };
    assert_ne!(target(0xFFFF), target(1));
    assert_ne!(pds(7), pds(8));
}

#[test]
fn a_command_of_another_family_is_refused_before_it_is_judged() {
    let gate = gate();
    let opened = gate.open(Arc::new(Noting::new(Protocol::Mlx5))).unwrap();
    let error = gate.send(&opened, ask(bnxt(FUNC_RESET, &[0; 8]), None), &mut |_| {}).unwrap_err();
    let said = error.to_string();
    assert_eq!(said, "nothing was sent: the device speaks mlx5, the command is bnxt");
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the road promises of paths, of what a path hides, of taint, and of the kernel's own
//! interfaces: on a device with two paths by script.

use core::ops::ControlFlow;
use core::time::Duration;
use std::sync::{Arc, Mutex};

use fwgate_gate::device::DEFAULT_DEADLINE;
use fwgate_gate::journal::{Journal, Kind};
use fwgate_gate::site::DangerousPermitAll;
use fwgate_gate::{
    Around, Background, Belief, Caller, Device, Failure, Firmware, Gate, GateError, Generation,
    HostKernel, Identity, Kernel, KernelInterface, Message, NoPath, Opened, Pace, Recorded, Reply,
    Request, Route as _, SubmitError,
};
use fwgate_policy::tables::Classes;
use fwgate_policy::{Capabilities, Known, Lockdown, Path, PathKind, Protocol, Route, Subsystems};
use fwgate_wire::cxl::features::GetFeatureRequest;
use serde_json::Value;

const CEL: [u8; 16] = [
    0x0d, 0xa9, 0xc0, 0xb5, 0xbf, 0x41, 0x4b, 0x78, 0x8f, 0x79, 0x96, 0xb1, 0x62, 0x3b, 0x3f, 0x17,
];
const LOG: [(u16, u16); 8] = [
    (0x0201, 0x0008),
    (0x0400, 0),
    (0x0401, 0),
    (0x4000, 0),
    (0x0500, 0),
    (0x0501, 0),
    (0x0502, 0x0201),
    (0xC000, 0),
];
const FEATURE: [u8; 16] = [0xFF; 16];

/// By typed ioctl what has an id, by fwctl the features, and nothing else.
struct TwoPaths {
    identity: Identity,
    around: Mutex<Around>,
    /// Which path each command took.
    took: Mutex<Vec<(u16, PathKind)>>,
    /// The feature's data; `None`: sets are lost, and the path says success all the same.
    feature: Mutex<Vec<u8>>,
    loses_sets: bool,
    /// Bytes that a Set takes; a Get gives 4.
    set_size: u16,
    /// How long a Set takes.
    takes: Duration,
}

impl TwoPaths {
    fn new() -> Self {
        Self {
            identity: Identity {
                name: "mem0".to_owned(),
                protocol: Protocol::Cxl,
                class: Classes::CXL_MEMORY,
                vendor: 1,
                device: 2,
                emulated: false,
            },
            around: Mutex::new(Around {
                driven: Known::Yes,
                drivers: Subsystems::CXL,
                ..Around::driven_by_nobody()
            }),
            took: Mutex::default(),
            feature: Mutex::new(vec![0xEF, 0xBE, 0xAD, 0xDE]),
            loses_sets: false,
            set_size: 4,
            takes: Duration::ZERO,
        }
    }

    fn sets(&self) -> usize {
        self.took.lock().unwrap().iter().filter(|(opcode, _)| *opcode == 0x0502).count()
    }

    fn answer(&self, opcode: u16, payload: &[u8]) -> Vec<u8> {
        let log = || -> Vec<u8> {
            LOG.iter().flat_map(|(op, it)| [op.to_le_bytes(), it.to_le_bytes()].concat()).collect()
        };
        match opcode {
            0x0400 => {
                let length = u32::try_from(log().len()).unwrap().to_le_bytes();
                [&[1, 0, 0, 0, 0, 0, 0, 0], CEL.as_slice(), &length].concat()
            }
            0x0401 => log(),
            0x4000 => vec![b'1'; 67],
            0x0500 => {
                let mut entry = [0u8; 48];
                entry[..16].copy_from_slice(&FEATURE);
                entry[18] = 4;
                entry[20..22].copy_from_slice(&self.set_size.to_le_bytes());
                entry[22] = 1;
                entry[28] = 0x01;
                entry[29] = 0x02;
                [&[1, 0, 1, 0, 0, 0, 0, 0], entry.as_slice()].concat()
            }
            0x0501 => self.feature.lock().unwrap().clone(),
            0x0502 if !self.loses_sets => {
                *self.feature.lock().unwrap() = payload[32..].to_vec();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}

impl Device for TwoPaths {
    fn identity(&self) -> &Identity {
        &self.identity
    }
    fn observe(&self) -> Generation {
        Generation { opened: "first".to_owned(), changes: 0 }
    }
    fn around(&self) -> Around {
        self.around.lock().unwrap().clone()
    }
    fn paths(&self, _: &Caller) -> Vec<Path> {
        Vec::new()
    }
    fn path(&self, route: Route<'_>, message: &Message, _: &Caller) -> Result<Path, NoPath> {
        let kind = match (route, message.command().opcode()) {
            (Route::Kernel(_), _) => PathKind::KernelInterface,
            (_, 0x0400 | 0x0401 | 0x4000) => PathKind::Memdev,
            (_, 0x0500..=0x0502) => PathKind::Fwctl,
            _ => {
                let why = "fwctl passes three opcodes, and this kernel has no RAW".to_owned();
                return Err(NoPath { why, fix: Some("turn on RAW\u{7}".to_owned()) });
            }
        };
        Ok(Path { kind, follows_background: false, admits_caller: true })
    }
    fn pace(&self) -> Pace {
        Pace::MayOutlast
    }
    fn payload_limit(&self) -> usize {
        512
    }
    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        let Message::Cxl { opcode, payload } = &delivery.message else { panic!("CXL only") };
        self.took.lock().unwrap().push((*opcode, delivery.path.kind));
        let belief = if *opcode == 0x0502 { Belief::Unverified } else { Belief::Told };
        if *opcode == 0x0502 {
            std::thread::sleep(self.takes);
        }
        let payload = self.answer(*opcode, payload);
        Ok(Reply { return_code: 0, vendor_status: 0, payload, background: false, belief })
    }
    fn background(&self) -> Option<Background> {
        None
    }
}

/// A kernel that notes what is asked of it.
#[derive(Default)]
struct Noting {
    asked: Mutex<Vec<PathKind>>,
    refuses: bool,
    tainted: Option<bool>,
}

impl HostKernel for Noting {
    fn taint(&self, path: PathKind) -> Result<(), String> {
        self.asked.lock().unwrap().push(path);
        if self.refuses { Err("panic_on_taint covers it".to_owned()) } else { Ok(()) }
    }
    fn tainted(&self) -> Option<bool> {
        self.tainted
    }
}

fn gate(host: &Arc<Noting>) -> Gate {
    let host = Arc::clone(host) as Arc<dyn HostKernel>;
    Gate::new(Arc::new(Journal::in_memory()), Arc::new(DangerousPermitAll), host)
}

fn message(opcode: u16, payload: &[u8]) -> Message {
    Message::Cxl { opcode, payload: payload.to_vec() }
}

fn request(message: Message) -> Request<Firmware> {
    let capabilities = Capabilities { sys_admin: true, sys_rawio: true };
    let caller = Caller::stand_in(0, 0, Vec::new(), capabilities);
    let caller = Arc::new(caller);
    Request { route: Firmware, message, scope: None, caller, deadline: DEFAULT_DEADLINE }
}

fn set_feature(data: &[u8]) -> Message {
    let mut payload = FEATURE.to_vec();
    payload.resize(32, 0);
    payload.extend_from_slice(data);
    message(0x0502, &payload)
}

fn records(gate: &Gate) -> Vec<(Kind, Value)> {
    let reader = gate.journal().reader().unwrap().map(|record| record.unwrap());
    reader.map(|it| (it.kind, serde_json::from_slice(&it.body).unwrap())).collect()
}

#[test]
fn a_command_takes_the_path_that_was_judged() {
    let gate = gate(&Arc::default());
    let device = Arc::new(TwoPaths::new());
    let opened = gate.open(device.clone()).unwrap();
    device.took.lock().unwrap().clear();
    let uuid = uuid::Uuid::from_bytes(FEATURE);
    let get = GetFeatureRequest::new(uuid, 0, 4, 0);
    for (message, path) in [
        (message(0x4000, &[]), "memdev"),
        (message(0x0501, zerocopy::IntoBytes::as_bytes(&get)), "fwctl"),
    ] {
        let sent = gate.send(&opened, request(message), &mut |_| {}).unwrap();
        assert_eq!(sent.explanation.path, Some(path), "{:?}", sent.explanation.reasons);
        assert_eq!(sent.outcome.unwrap().record.status, "done");
    }
    let took = device.took.lock().unwrap().clone();
    assert_eq!(took, [(0x4000, PathKind::Memdev), (0x0501, PathKind::Fwctl)]);
}

#[test]
fn what_no_path_carries_is_refused_and_the_reason_is_the_machines_own() {
    let gate = gate(&Arc::default());
    let device = Arc::new(TwoPaths::new());
    let opened = gate.open(device.clone()).unwrap();
    let before = device.took.lock().unwrap().len();
    let sent = gate.send(&opened, request(message(0xC000, &[])), &mut |_| {}).unwrap();
    assert_eq!((sent.explanation.verdict, sent.explanation.headline()), ("deny", "no-path"));
    let reason = &sent.explanation.reasons[0];
    assert!(reason.detail.starts_with("fwctl passes three opcodes"), "{}", reason.detail);
    // What the machine says is cleaned before it is shown.
    assert_eq!(sent.explanation.fix.as_deref(), Some("turn on RAW\\u{7}"));
    assert!(sent.outcome.is_none());
    assert_eq!(device.took.lock().unwrap().len(), before);
}

#[test]
fn a_device_without_a_path_for_its_features_is_opened_without_them() {
    struct NoFwctl(TwoPaths);
    impl Device for NoFwctl {
        fn identity(&self) -> &Identity {
            self.0.identity()
        }
        fn observe(&self) -> Generation {
            self.0.observe()
        }
        fn around(&self) -> Around {
            self.0.around()
        }
        fn paths(&self, caller: &Caller) -> Vec<Path> {
            self.0.paths(caller)
        }
        fn path(&self, route: Route<'_>, message: &Message, by: &Caller) -> Result<Path, NoPath> {
            match self.0.path(route, message, by)? {
                Path { kind: PathKind::Fwctl, .. } => {
                    Err(NoPath { why: "no fwctl".to_owned(), fix: None })
                }
                path => Ok(path),
            }
        }
        fn pace(&self) -> Pace {
            self.0.pace()
        }
        fn payload_limit(&self) -> usize {
            512
        }
        fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
            self.0.submit(recorded)
        }
        fn background(&self) -> Option<Background> {
            None
        }
    }
    let gate = gate(&Arc::default());
    let opened = gate.open(Arc::new(NoFwctl(TwoPaths::new()))).unwrap();
    assert_eq!(opened.facts().features(), None);
    let sent = gate.send(&opened, request(set_feature(&[1, 2, 3, 4])), &mut |_| {}).unwrap();
    assert_eq!(sent.explanation.verdict, "deny");
    assert!(sent.explanation.reasons.iter().any(|reason| reason.code == "no-path"));
}

fn set_on(device: TwoPaths) -> (Gate, Arc<TwoPaths>, fwgate_gate::Outcome) {
    let gate = gate(&Arc::default());
    let device = Arc::new(device);
    let opened = gate.open(device.clone()).unwrap();
    let sent = gate.send(&opened, request(set_feature(&[1, 2, 3, 4])), &mut |_| {}).unwrap();
    assert_eq!(sent.explanation.verdict, "allow", "{:?}", sent.explanation.reasons);
    let outcome = sent.outcome.unwrap();
    (gate, device, outcome)
}

#[test]
fn a_feature_that_reads_back_as_it_was_set_is_done() {
    let (gate, device, outcome) = set_on(TwoPaths::new());
    assert_eq!((outcome.record.status, outcome.failure), ("done", None));
    assert_eq!(outcome.record.error, None);
    assert_eq!(*device.feature.lock().unwrap(), [1, 2, 3, 4]);
    assert_eq!(device.sets(), 1);
    // The reading back is on record, as the gate's own, and names the decision.
    let records = records(&gate);
    let decision = records.iter().position(|(kind, _)| matches!(kind, Kind::Decision)).unwrap();
    let probe = records.iter().rev().find(|(kind, _)| matches!(kind, Kind::Probe)).unwrap();
    assert_eq!(probe.1["caller"]["gate"], true);
    assert_eq!(probe.1["reads_back"], u64::try_from(decision).unwrap() + 1);
    assert!(!records.iter().any(|(_, body)| body.to_string().contains("01020304")));
}

#[test]
fn a_set_that_was_lost_on_the_way_stays_unverified_and_is_not_sent_again() {
    let (_, device, outcome) = set_on(TwoPaths { loses_sets: true, ..TwoPaths::new() });
    assert_eq!(outcome.record.status, "unverified");
    assert!(outcome.record.error.unwrap().contains("read back"));
    assert_eq!(*device.feature.lock().unwrap(), [0xEF, 0xBE, 0xAD, 0xDE]);
    assert_eq!(device.sets(), 1);
}

#[test]
fn a_feature_of_another_layout_when_read_stays_unverified() {
    let device = TwoPaths { set_size: 8, ..TwoPaths::new() };
    let (_, device, outcome) = set_on(device);
    assert_eq!(outcome.record.status, "unverified");
    assert!(outcome.record.error.unwrap().contains("without having it from the device"));
    let took = device.took.lock().unwrap().clone();
    assert_eq!(took.last(), Some(&(0x0502, PathKind::Fwctl)), "nothing was read back");
}

#[test]
fn the_kernel_is_tainted_after_the_record_and_before_the_send_and_looked_at_afterwards() {
    for (tainted, told) in [(Some(true), Some(true)), (Some(false), Some(false)), (None, None)] {
        let host = Arc::new(Noting { tainted, ..Noting::default() });
        let gate = gate(&host);
        let opened = gate.open(Arc::new(TwoPaths::new())).unwrap();
        let sent = gate.send(&opened, request(set_feature(&[1, 2, 3, 4])), &mut |_| {}).unwrap();
        assert!(sent.explanation.would_taint);
        assert_eq!(*host.asked.lock().unwrap(), [PathKind::Fwctl]);
        assert_eq!(sent.outcome.unwrap().record.tainted, told);
        // What does not taint asks for nothing.
        let sent = gate.send(&opened, request(message(0x4000, &[])), &mut |_| {}).unwrap();
        assert_eq!(sent.outcome.unwrap().record.tainted, None);
        assert_eq!(host.asked.lock().unwrap().len(), 1);
    }
}

#[test]
fn the_taint_is_looked_at_where_the_answer_comes_after_the_deadline_too() {
    let gate = gate(&Arc::new(Noting { tainted: Some(true), ..Noting::default() }));
    let device = TwoPaths { takes: Duration::from_millis(300), ..TwoPaths::new() };
    let opened = gate.open(Arc::new(device)).unwrap();
    let mut set = request(set_feature(&[1, 2, 3, 4]));
    set.deadline = Duration::from_millis(50);
    let sent = gate.send(&opened, set, &mut |_| {}).unwrap();
    assert_eq!(sent.outcome.unwrap().record.status, "unknown");
    let outcomes = || -> Vec<Value> {
        let of =
            |kind: &Kind| matches!(kind, Kind::Outcome { decision } if *decision == sent.record);
        records(&gate).into_iter().filter(|(kind, _)| of(kind)).map(|(_, body)| body).collect()
    };
    for _ in 0..100 {
        if outcomes().len() == 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let outcomes = outcomes();
    assert_eq!(outcomes.len(), 2);
    assert_eq!((&outcomes[0]["tainted"], &outcomes[1]["tainted"]), (&Value::Null, &true.into()));
}

#[test]
fn where_the_kernel_must_not_be_tainted_nothing_is_sent_and_that_is_on_record() {
    let host = Arc::new(Noting { refuses: true, ..Noting::default() });
    let gate = gate(&host);
    let device = Arc::new(TwoPaths::new());
    let opened = gate.open(device.clone()).unwrap();
    let error = gate.send(&opened, request(set_feature(&[1, 2, 3, 4])), &mut |_| {}).unwrap_err();
    assert!(matches!(&error, GateError::TaintImpossible(why) if why.contains("panic_on_taint")));
    assert_eq!(device.sets(), 0);
    let last = records(&gate).pop().unwrap();
    assert!(matches!(last.0, Kind::Outcome { .. }));
    assert!(last.1["error"].as_str().unwrap().contains("panic_on_taint"));
}

#[test]
fn lockdown_that_came_after_the_facts_voids_them() {
    let gate = gate(&Arc::default());
    let device = Arc::new(TwoPaths::new());
    let opened = gate.open(device.clone()).unwrap();
    device.around.lock().unwrap().lockdown = Lockdown::Integrity;
    let sent = gate.send(&opened, request(set_feature(&[1, 2, 3, 4])), &mut |_| {}).unwrap();
    assert_eq!(sent.outcome.unwrap().failure, Some(Failure::FactsChanged));
    assert_eq!(device.sets(), 0);
}

/// A long operation of the kernel's: half way until it is told to end, or for ever.
struct Upload {
    running: Mutex<bool>,
    aborts: Mutex<u32>,
    /// How long the first write takes.
    blocks: Duration,
    ends_with: Option<u16>,
}

impl KernelInterface for Upload {
    fn key(&self) -> &'static str {
        "firmware-upload"
    }
    fn observe(&self) -> Generation {
        Generation { opened: "first".to_owned(), changes: 0 }
    }
    fn pace(&self) -> Pace {
        Pace::MayOutlast
    }
    fn run(&self, recorded: Recorded<Kernel>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        assert_eq!(delivery.route.interface(), Some("firmware-upload"));
        assert_eq!(delivery.path.kind, PathKind::KernelInterface);
        std::thread::sleep(self.blocks);
        *self.running.lock().unwrap() = true;
        let belief = Belief::Unverified;
        Ok(Reply {
            return_code: 0,
            vendor_status: 0,
            payload: Vec::new(),
            background: true,
            belief,
        })
    }
    fn background(&self) -> Option<Background> {
        let running = *self.running.lock().unwrap();
        let return_code = if running { None } else { self.ends_with };
        Some(Background { opcode: 0x0201, percent: Some(50), running, return_code })
    }
    fn abort(&self) -> Result<(), String> {
        *self.aborts.lock().unwrap() += 1;
        *self.running.lock().unwrap() = false;
        Ok(())
    }
}

fn driven_by_upload(gate: &Gate) -> Opened {
    let mut device = TwoPaths::new();
    device.around.get_mut().unwrap().interfaces = Some(vec!["firmware-upload"]);
    gate.open(Arc::new(device)).unwrap()
}

fn upload(deadline: Duration) -> Request<Kernel> {
    let image = message(0x0201, &[0; 256]);
    let Request { message, caller, .. } = request(image);
    let route = Kernel { interface: "firmware-upload" };
    Request { route, message, scope: None, caller, deadline }
}

fn running(blocks: Duration, ends_with: Option<u16>) -> Arc<Upload> {
    let (running, aborts) = (Mutex::new(false), Mutex::new(0));
    Arc::new(Upload { running, aborts, blocks, ends_with })
}

#[test]
fn a_long_operation_of_the_kernels_is_followed_and_asked_to_end_once() {
    for (ends_with, status) in [(Some(0), "done"), (Some(5), "failed"), (None, "unverified")] {
        let gate = gate(&Arc::default());
        let opened = driven_by_upload(&gate);
        let interface = running(Duration::ZERO, ends_with);
        let mut seen = 0;
        let interface_dyn = Arc::clone(&interface) as Arc<dyn KernelInterface>;
        let sent = gate
            .run(&opened, &interface_dyn, upload(DEFAULT_DEADLINE), &mut |now| {
                assert_eq!(now.percent, Some(50));
                seen += 1;
                if seen >= 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!(sent.explanation.verdict, "allow", "{:?}", sent.explanation.reasons);
        let record = sent.outcome.unwrap().record;
        assert_eq!((record.status, record.error.is_some()), (status, ends_with.is_none()));
        assert_eq!(*interface.aborts.lock().unwrap(), 1);
    }
}

#[test]
fn a_kernel_interface_that_blocks_past_the_deadline_leaves_the_caller_and_its_outcome_comes_later()
{
    let gate = gate(&Arc::default());
    let opened = driven_by_upload(&gate);
    let interface = running(Duration::from_millis(300), Some(0));
    let interface = interface as Arc<dyn KernelInterface>;
    let deadline = upload(Duration::from_millis(50));
    let sent = gate.run(&opened, &interface, deadline, &mut |_| ControlFlow::Continue(())).unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!((outcome.record.status, outcome.failure), ("unknown", Some(Failure::Transport)));
    let mut outcomes = 0;
    for _ in 0..100 {
        let of =
            |kind: &Kind| matches!(kind, Kind::Outcome { decision } if *decision == sent.record);
        outcomes = records(&gate).iter().filter(|(kind, _)| of(kind)).count();
        if outcomes == 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(outcomes, 2, "late, and what became of it");
}

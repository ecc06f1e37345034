// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interfaces at the end of the road: a gate judges, records, and gives them what it allowed.

use core::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fwgate_gate::journal::Journal;
use fwgate_gate::{
    Around, Background, Belief, Caller, Device, Firmware, Gate, Generation, Identity, InProcess,
    Kernel, KernelInterface, Message, NoKernel, NoPath, Pace, Recorded, Reply, Request, Sent,
    SubmitError,
};
use fwgate_policy::tables::Classes;
use fwgate_policy::{Known, Path, PathKind, Protocol, Route as Judged, Subsystems};
use fwgate_wire::cxl::features::feature_uuid;

use super::Rig;
use crate::interface::{EdacScrub, FirmwareUpload, PoisonDebugfs, Sanitize};

/// Command Effects Log, in wire order.
const CEL: [u8; 16] = [
    0x0d, 0xa9, 0xc0, 0xb5, 0xbf, 0x41, 0x4b, 0x78, 0x8f, 0x79, 0x96, 0xb1, 0x62, 0x3b, 0x3f, 0x17,
];

/// What the device reports: opcodes and their effects.
const LOG: &[(u16, u16)] = &[
    (0x0400, 0),
    (0x0401, 0),
    (0x0500, 0),
    (0x0501, 0),
    (0x0502, 0x0202),
    (0x0201, 0x0041),
    (0x4000, 0),
    (0x4101, 0x0001),
    (0x4301, 0x0004),
    (0x4303, 0),
    (0x4400, 0x0044),
];

/// A memory device that a kernel drives, and that answers probes.
pub(super) struct Scripted {
    identity: Identity,
    around: Around,
}

impl Scripted {
    pub(super) fn new(interfaces: &[&'static str]) -> Arc<Self> {
        let identity = Identity {
            name: "emu:test".to_owned(),
            protocol: Protocol::Cxl,
            class: Classes::CXL_MEMORY,
            vendor: 1,
            device: 2,
            emulated: true,
        };
        let around = Around {
            driven: Known::Yes,
            nvdimm_bound: Known::Yes,
            drivers: Subsystems::CXL,
            interfaces: Some(interfaces.to_vec()),
            ..Around::driven_by_nobody()
        };
        Arc::new(Self { identity, around })
    }
}

impl Device for Scripted {
    fn identity(&self) -> &Identity {
        &self.identity
    }
    fn observe(&self) -> Generation {
        Generation { opened: "test".to_owned(), changes: 0 }
    }
    fn around(&self) -> Around {
        self.around.clone()
    }
    fn paths(&self, _: &Caller) -> Vec<Path> {
        Vec::new()
    }
    fn path(&self, route: Judged<'_>, _: &Message, _: &Caller) -> Result<Path, NoPath> {
        let kind = match route {
            Judged::Firmware => PathKind::Emulated,
            Judged::Kernel(_) => PathKind::KernelInterface,
        };
        Ok(Path { kind, follows_background: true, admits_caller: true })
    }
    fn pace(&self) -> Pace {
        Pace::KeepsDeadline
    }
    fn payload_limit(&self) -> usize {
        4096
    }
    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        let Message::Cxl { opcode, payload } = &delivery.message else { panic!() };
        let cel: Vec<u8> = LOG
            .iter()
            .flat_map(|(op, word)| [op.to_le_bytes(), word.to_le_bytes()].concat())
            .collect();
        let reply = match opcode {
            0x0400 => {
                let mut reply = vec![1, 0, 0, 0, 0, 0, 0, 0];
                reply.extend_from_slice(&CEL);
                reply.extend_from_slice(&u32::try_from(cel.len()).unwrap().to_le_bytes());
                reply
            }
            0x0401 => {
                let at = |n: usize| u32::from_le_bytes(payload[n..n + 4].try_into().unwrap());
                let (offset, length) = (at(16) as usize, at(20) as usize);
                cel[offset..offset + length].to_vec()
            }
            0x0500 => {
                let count = u32::from_le_bytes(payload[..4].try_into().unwrap());
                let start = payload[4];
                let entries = if count >= 56 && start == 0 { 1u8 } else { 0 };
                let mut reply = vec![entries, 0, 1, 0, 0, 0, 0, 0];
                if entries == 1 {
                    reply.extend_from_slice(feature_uuid::PATROL_SCRUB.as_bytes());
                    reply.extend_from_slice(&[0, 0, 4, 0, 2, 0, 1, 0, 0, 0, 1, 1, 2, 2]);
                    reply.resize(8 + 48, 0);
                }
                reply
            }
            0x4000 => {
                let mut reply = b"FW 1.0".to_vec();
                reply.resize(67, 0);
                reply
            }
            other => panic!("{other:#x} was sent to the firmware"),
        };
        let (vendor_status, background) = (0, false);
        Ok(Reply {
            return_code: 0,
            vendor_status,
            payload: reply,
            background,
            belief: Belief::Told,
        })
    }
    fn background(&self) -> Option<Background> {
        None
    }
}

/// Runs one command by an interface, under the owner's own gate.
pub(super) fn run(
    device: &Arc<Scripted>,
    interface: &Arc<dyn KernelInterface>,
    opcode: u16,
    payload: Vec<u8>,
) -> Sent {
    let caller = Caller::this_process();
    let site = Arc::new(InProcess::owned_by(caller.uid));
    let gate = Gate::new(Arc::new(Journal::in_memory()), site, Arc::new(NoKernel));
    let opened = gate.open(device.clone()).unwrap();
    let request = Request {
        route: Kernel { interface: interface.key() },
        message: Message::Cxl { opcode, payload },
        scope: None,
        caller: Arc::new(caller),
        deadline: Duration::from_secs(20),
    };
    let sent = gate.run(&opened, interface, request, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(sent.explanation.verdict, "allow", "{:?}", sent.explanation.reasons);
    sent
}

#[test]
fn poison_goes_the_road() {
    let rig = Rig::new();
    rig.write("sys/kernel/debug/cxl/mem0/inject_poison", "");
    let device = Scripted::new(&["cxl-poison-debugfs"]);
    let interface: Arc<dyn KernelInterface> = Arc::new(PoisonDebugfs::at(rig.place()));
    let sent = run(&device, &interface, 0x4301, 0x40u64.to_le_bytes().to_vec());
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    assert_eq!(rig.read("sys/kernel/debug/cxl/mem0/inject_poison"), "0x40");
}

#[test]
fn facts_that_changed_leave_the_file_alone() {
    let rig = Rig::new();
    rig.write("sys/kernel/debug/cxl/mem0/inject_poison", "");
    rig.watch.changes.store(1, Ordering::SeqCst);
    let device = Scripted::new(&["cxl-poison-debugfs"]);
    let interface: Arc<dyn KernelInterface> = Arc::new(PoisonDebugfs::at(rig.place()));
    let sent = run(&device, &interface, 0x4301, vec![0; 8]);
    let outcome = sent.outcome.unwrap();
    assert_eq!(outcome.record.status, "failed");
    assert!(outcome.record.error.unwrap().contains("facts have changed"));
    assert_eq!(rig.read("sys/kernel/debug/cxl/mem0/inject_poison"), "");
}

#[test]
fn a_scrub_setting_goes_the_road() {
    let rig = Rig::new();
    for (file, content) in [
        ("current_cycle_duration", "43200"),
        ("min_cycle_duration", "3600"),
        ("enable_background", "0"),
    ] {
        rig.write(&format!("sys/bus/edac/devices/cxl_mem0/scrub0/{file}"), content);
    }
    let mut payload = feature_uuid::PATROL_SCRUB.as_bytes().to_vec();
    payload.extend_from_slice(&[8, 0, 0, 0, 0, 0, 1]);
    payload.resize(32, 0);
    payload.extend_from_slice(&[12, 1]);
    let device = Scripted::new(&["edac-scrub"]);
    let interface: Arc<dyn KernelInterface> = Arc::new(EdacScrub::at(rig.place()));
    let sent = run(&device, &interface, 0x0502, payload);
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    assert_eq!(rig.read("sys/bus/edac/devices/cxl_mem0/scrub0/enable_background"), "1");
}

#[test]
fn a_sanitize_is_not_called_success_where_nobody_says_how_it_ended() {
    let rig = Rig::new();
    rig.write("sys/bus/cxl/devices/mem0/security/sanitize", "");
    rig.write("sys/bus/cxl/devices/mem0/security/state", "disabled\n");
    let device = Scripted::new(&["cxl-sanitize"]);
    let interface: Arc<dyn KernelInterface> = Arc::new(Sanitize::at(rig.place()));
    let sent = run(&device, &interface, 0x4400, Vec::new());
    assert_eq!(sent.outcome.unwrap().record.status, "unverified");
    assert_eq!(rig.read("sys/bus/cxl/devices/mem0/security/sanitize"), "1");
}

#[test]
fn an_update_that_failed_is_a_failure() {
    let rig = Rig::new();
    for (file, content) in [
        ("status", "idle\n"),
        ("loading", "0"),
        ("data", ""),
        // A real kernel shows it only at the end.
        ("error", "transferring:hw-error\n"),
        ("remaining_size", "0\n"),
    ] {
        rig.write(&format!("sys/class/firmware/mem0/{file}"), content);
    }
    let device = Scripted::new(&["firmware-upload"]);
    let interface: Arc<dyn KernelInterface> = Arc::new(FirmwareUpload::at(rig.place()));
    let mut image = vec![0; 128];
    image.extend(vec![7; 1200]);
    let outcome = run(&device, &interface, 0x0201, image).outcome.unwrap();
    assert_eq!((outcome.record.status, outcome.record.return_code), ("failed", Some(4)));
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices behind the gate over a kernel that is played: which path a command takes, what a
//! refusal says, and what a device that changes under the gate gets.

#[expect(dead_code, reason = "shared with the tests of discovery, which use all of it")]
#[path = "../../tests/discover/tree.rs"]
pub(super) mod tree;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use fwgate_gate::journal::Journal;
use fwgate_gate::{
    Caller, Device, Failure, Firmware, Gate, GateError, Message, NoKernel, Request, Sent,
    SiteAnswer, SitePolicy, SiteQuestion,
};
use fwgate_policy::{Capabilities, Grants, PathKind, Scope, Site};
use fwgate_wire::memdev::{CommandId, CommandInfo, VARIABLE};
use rustix::io::Errno;
use zerocopy::native_endian::U32;

use super::cxl::{CxlDevice, Nodes};
use super::nvme::NvmeDevice;
use super::{OpenError, still_there};
use crate::discover::{Machine, Marks};
use crate::sys::Ioctls;
use crate::sys::fwctl::{Addressed, Info};
use crate::sys::memdev::{MAX_ROWS, Sent as WroteBack, Which};
use crate::sys::nvme::{Admin, AdminDone, Pages, Width};
use tree::{FUNCTION, MEM, NVME, Tree};

const CEL: [u8; 16] = [
    0x0d, 0xa9, 0xc0, 0xb5, 0xbf, 0x41, 0x4b, 0x78, 0x8f, 0x79, 0x96, 0xb1, 0x62, 0x3b, 0x3f, 0x17,
];
const FEATURE: [u8; 16] = [0xFF; 16];

/// What the played kernel was asked for, and by which ioctl.
type Calls = Arc<Mutex<Vec<(&'static str, u32, usize)>>>;

/// A kernel with one memory device, as cxl_test's; it can go away, and lose what is set.
#[derive(Debug, Default)]
struct Played {
    calls: Calls,
    fwctl_type: u32,
    /// The errno of every send from the one of this number on.
    fails: Option<(usize, Errno)>,
    loses_sets: bool,
    feature: Mutex<[u8; 4]>,
    sends: AtomicU32,
    /// What NVMe commands answer.
    status: i32,
}

impl Played {
    fn call(&self, what: &'static str, number: u32, bytes: usize) -> Result<(), Errno> {
        let mut calls = self.calls.lock().unwrap();
        calls.push((what, number, bytes));
        let count = usize::try_from(self.sends.fetch_add(1, Ordering::SeqCst)).unwrap();
        match self.fails {
            Some((from, errno)) if count >= from => Err(errno),
            _ => Ok(()),
        }
    }

    fn log() -> Vec<u8> {
        let rows: [(u16, u16); 9] = [
            (0x0400, 0),
            (0x0401, 0),
            (0x0500, 0),
            (0x0501, 0),
            (0x0502, 0x0201),
            (0x4000, 0),
            (0x4103, 0x0006),
            (0x4201, 0),
            (0xC000, 0),
        ];
        rows.iter().flat_map(|(op, it)| [op.to_le_bytes(), it.to_le_bytes()].concat()).collect()
    }
}

impl Ioctls for Played {
    fn fwctl_info(&self, _: BorrowedFd<'_>, _: &mut [u8]) -> Result<Info, Errno> {
        Ok(Info { device_type: self.fwctl_type, length: 0 })
    }

    fn fwctl_rpc(
        &self,
        mut addressed: Addressed<'_>,
        scope: u32,
        response: &mut [u8],
    ) -> Result<u32, Errno> {
        let request = addressed.request().bytes().to_vec();
        let opcode = u32::from_ne_bytes(request[..4].try_into().unwrap());
        self.call("fwctl", opcode, request.len())?;
        let payload = match opcode {
            0x0500 => {
                let mut entry = [0u8; 48];
                entry[..16].copy_from_slice(&FEATURE);
                entry[18] = 4;
                entry[20] = 4;
                entry[22] = 1;
                entry[28..30].copy_from_slice(&[0x01, 0x02]);
                [&[1, 0, 1, 0, 0, 0, 0, 0], entry.as_slice()].concat()
            }
            0x0501 => self.feature.lock().unwrap().to_vec(),
            0x0502 if scope < 2 => return Err(Errno::INVAL),
            0x0502 => {
                if !self.loses_sets {
                    self.feature.lock().unwrap().copy_from_slice(&request[16 + 32..]);
                }
                Vec::new()
            }
            _ => return Err(Errno::INVAL),
        };
        let size = u32::try_from(payload.len()).unwrap().to_ne_bytes();
        let whole = [&size[..], &[0; 4], &payload].concat();
        response[..whole.len()].copy_from_slice(&whole);
        Ok(u32::try_from(16 + payload.len()).unwrap())
    }

    fn mem_query(
        &self,
        _: BorrowedFd<'_>,
        _: usize,
    ) -> Result<(u32, [CommandInfo; MAX_ROWS]), Errno> {
        let mut rows = [CommandInfo::NOTHING; MAX_ROWS];
        // Identify, supported logs, get log, and Set LSA, which a driver keeps to itself.
        let ids = [(1, 1, 0, 0x43), (3, 1, 0, VARIABLE), (8, 1, 0x18, VARIABLE), (11, 1, 0, 0x10)];
        for (id, flags, size_in, size_out) in ids.into_iter().chain([(10, 3, VARIABLE, 0)]) {
            let [id_, flags, size_in, size_out] = [id, flags, size_in, size_out].map(U32::new);
            let row = CommandInfo { id: id_, flags, size_in, size_out };
            rows[usize::try_from(id).unwrap()] = row;
        }
        Ok((25, rows))
    }

    fn mem_send(
        &self,
        _: BorrowedFd<'_>,
        which: Which,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<WroteBack, Errno> {
        let id = match which {
            Which::Id(CommandId(id)) => id,
            #[cfg(feature = "raw-commands")]
            Which::Raw(_) => panic!("RAW was not to be used"),
        };
        self.call("memdev", id, input.len())?;
        let reply = match id {
            1 => vec![b'1'; 67],
            3 => {
                let length = u32::try_from(Self::log().len()).unwrap().to_le_bytes();
                [&[1, 0, 0, 0, 0, 0, 0, 0], CEL.as_slice(), &length].concat()
            }
            8 => Self::log(),
            _ => vec![0; 16],
        };
        output[..reply.len()].copy_from_slice(&reply);
        Ok(WroteBack { retval: 0, size: u32::try_from(reply.len()).unwrap() })
    }

    fn nvme_admin(
        &self,
        _: BorrowedFd<'_>,
        _: Width,
        admin: &Admin,
        _: &mut Pages,
    ) -> Result<AdminDone, Errno> {
        self.call("nvme", u32::from(admin.opcode), admin.timeout_ms as usize)?;
        let returned = if admin.opcode == 0x0A { self.status } else { 0 };
        Ok(AdminDone { returned, result: 0 })
    }
}

#[derive(Debug)]
struct Everything;

impl SitePolicy for Everything {
    fn ask(&self, _: &SiteQuestion<'_, '_>) -> SiteAnswer {
        SiteAnswer { site: Site::Permit, grants: Grants::EVERYTHING, rule: "test".to_owned() }
    }
}

/// A kernel that can always be tainted.
pub(super) struct Willing;

impl fwgate_gate::HostKernel for Willing {
    fn taint(&self, _: PathKind) -> Result<(), String> {
        Ok(())
    }
    fn tainted(&self) -> Option<bool> {
        Some(true)
    }
}

fn gate() -> Gate {
    Gate::new(Arc::new(Journal::in_memory()), Arc::new(Everything), Arc::new(Willing))
}

pub(super) fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

fn cxl(tree: &Tree, played: Played) -> (Arc<CxlDevice>, Calls) {
    let calls = Arc::clone(&played.calls);
    let (roots, target) = (tree.roots(), tree.target("mem0"));
    let marks = Arc::new(Marks::new(&roots, &target, None));
    let fwctl = if played.fwctl_type == 0 { Err("it is not there".to_owned()) } else { Ok(null()) };
    let nodes = Nodes { memdev: null(), fwctl };
    let device = CxlDevice::with(&roots, &target, marks, nodes, Box::new(played)).unwrap();
    (Arc::new(device), calls)
}

fn with_fwctl() -> Played {
    Played { fwctl_type: 2, feature: Mutex::new([1, 1, 1, 1]), ..Played::default() }
}

fn memory() -> Tree {
    let tree = Tree::new();
    tree.memdev();
    tree
}

fn root() -> Arc<Caller> {
    let capabilities = Capabilities { sys_admin: true, sys_rawio: true };
    Arc::new(Caller::stand_in(0, 0, Vec::new(), capabilities))
}

fn request(opcode: u16, payload: &[u8], scope: Option<Scope>) -> Request<Firmware> {
    let message = Message::Cxl { opcode, payload: payload.to_vec() };
    let deadline = fwgate_gate::device::DEFAULT_DEADLINE;
    Request { route: Firmware, message, scope, caller: root(), deadline }
}

fn set_feature(data: [u8; 4]) -> Vec<u8> {
    let mut payload = FEATURE.to_vec();
    payload.resize(32, 0);
    payload.extend_from_slice(&data);
    payload
}

fn send(gate: &Gate, opened: &fwgate_gate::Opened, request: Request<Firmware>) -> Sent {
    gate.send(opened, request, &mut |_| {}).unwrap()
}

#[test]
fn each_command_takes_the_first_path_that_carries_it() {
    let tree = memory();
    let (device, calls) = cxl(&tree, with_fwctl());
    let gate = gate();
    let opened = gate.open(device.clone()).unwrap();
    assert_eq!(opened.facts().features().unwrap().len(), 1);
    calls.lock().unwrap().clear();
    let get = [&FEATURE[..], &[0, 0, 4, 0, 0]].concat();
    for (opcode, payload, path) in
        [(0x4000, &[][..], "memdev"), (0x4201, &[][..], "memdev"), (0x0501, &get[..], "fwctl")]
    {
        let sent = send(&gate, &opened, request(opcode, payload, None));
        assert_eq!(sent.explanation.path, Some(path), "{:?}", sent.explanation.reasons);
        assert_eq!(sent.outcome.unwrap().record.status, "done");
    }
    let calls = calls.lock().unwrap().clone();
    assert_eq!(calls, [("memdev", 1, 0), ("memdev", 11, 0), ("fwctl", 0x0501, 16 + 21)]);
}

#[test]
fn a_vendors_opcode_has_no_way_in_band_and_the_refusal_says_whose_it_would_be() {
    let tree = memory();
    let (device, calls) = cxl(&tree, with_fwctl());
    let gate = gate();
    let opened = gate.open(device.clone()).unwrap();
    let before = calls.lock().unwrap().len();
    let sent = send(&gate, &opened, request(0xC000, &[], None));
    assert_eq!(sent.explanation.headline(), "no-path");
    let fix = sent.explanation.fix.clone().unwrap();
    assert!(fix.contains("CONFIG_CXL_MEM_RAW_COMMANDS"), "{fix}");
    assert_eq!(calls.lock().unwrap().len(), before);
}

#[test]
fn what_a_kernel_driver_keeps_to_itself_has_no_path_and_says_so() {
    let tree = memory();
    let (device, _) = cxl(&tree, with_fwctl());
    let message = Message::Cxl { opcode: 0x4103, payload: vec![0; 9] };
    let missing = device.path(fwgate_policy::Route::Firmware, &message, &root()).unwrap_err();
    assert!(missing.why.contains("keeps memdev id 10 for itself"), "{}", missing.why);
}

#[test]
fn without_fwctl_a_device_is_opened_and_its_features_are_unknown() {
    let tree = memory();
    for played in [Played::default(), Played { fwctl_type: 1, ..Played::default() }] {
        let other_type = played.fwctl_type == 1;
        let (device, _) = cxl(&tree, played);
        let gate = gate();
        let opened = gate.open(device.clone()).unwrap();
        assert_eq!(opened.facts().features(), None);
        let sent = send(&gate, &opened, request(0x0502, &set_feature([9; 4]), None));
        let of = |code: &str| {
            let reasons = &sent.explanation.reasons;
            reasons.iter().find(|reason| reason.code == code).unwrap().detail.clone()
        };
        let why = of("no-path");
        assert!(why.contains(if other_type { "type 1" } else { "not there" }), "{why}");
        let (kinds, caller) = (device.paths(&root()), root());
        assert!(kinds.iter().all(|path| path.kind == PathKind::Memdev), "{kinds:?} {caller:?}");
    }
}

#[test]
fn a_set_that_the_kernel_lost_is_found_by_reading_back() {
    for (loses_sets, status) in [(false, "done"), (true, "unverified")] {
        let tree = memory();
        let (device, calls) = cxl(&tree, Played { loses_sets, ..with_fwctl() });
        let gate = gate();
        let opened = gate.open(device.clone()).unwrap();
        calls.lock().unwrap().clear();
        let sent = send(&gate, &opened, request(0x0502, &set_feature([9, 8, 7, 6]), None));
        assert!(sent.explanation.would_taint);
        let outcome = sent.outcome.unwrap();
        assert_eq!(outcome.record.status, status);
        assert_eq!(outcome.record.tainted, Some(true));
        let opcodes: Vec<u32> =
            calls.lock().unwrap().iter().map(|(_, number, _)| *number).collect();
        assert_eq!(opcodes, [0x0502, 0x0501], "set once, read once");
    }
}

#[test]
fn fwctls_errno_is_told_in_the_words_of_its_rule() {
    let tree = memory();
    // Four calls read the facts, two commands follow.
    let (device, calls) = cxl(&tree, Played { fails: Some((6, Errno::PERM)), ..with_fwctl() });
    let gate = gate();
    let opened = gate.open(device.clone()).unwrap();
    assert_eq!(calls.lock().unwrap().len(), 4, "{:?}", calls.lock().unwrap());
    for _ in 0..2 {
        send(&gate, &opened, request(0x4000, &[], None));
    }
    let sent =
        send(&gate, &opened, request(0x0502, &set_feature([9; 4]), Some(Scope::DebugWriteFull)));
    let outcome = sent.outcome.unwrap();
    assert_eq!(outcome.failure, Some(Failure::Kernel), "{:?}", outcome.record);
    let error = outcome.record.error.unwrap();
    assert!(error.contains("errno 1") && error.contains("CAP_SYS_RAWIO"), "{error}");
}

#[test]
fn a_device_that_goes_away_under_a_command_is_a_transport_failure() {
    let tree = memory();
    let (device, _) = cxl(&tree, Played { fails: Some((4, Errno::NXIO)), ..with_fwctl() });
    let gate = gate();
    let opened = gate.open(device.clone()).unwrap();
    let outcome = send(&gate, &opened, request(0x4000, &[], None)).outcome.unwrap();
    assert_eq!(outcome.failure, Some(Failure::Transport), "{:?}", outcome.record);
}

#[test]
fn another_device_under_the_same_name_gets_nothing_that_was_judged_for_the_first() {
    let tree = memory();
    let (device, calls) = cxl(&tree, with_fwctl());
    let gate = gate();
    let opened = gate.open(device.clone()).unwrap();
    calls.lock().unwrap().clear();
    // The same name, number, serial; another object of the kernel.
    let (folder, kept) = (tree.at(format!("sys/{MEM}")), tree.at("kept"));
    std::fs::rename(&folder, &kept).unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(&kept).arg(&folder).status();
    assert!(copied.unwrap().success());
    for opcode in [0x4000, 0x0501] {
        let payload = [&FEATURE[..], &[0, 0, 4, 0, 0]].concat();
        let payload = if opcode == 0x4000 { &[][..] } else { &payload };
        let sent = send(&gate, &opened, request(opcode, payload, None));
        assert_eq!(sent.outcome.unwrap().failure, Some(Failure::FactsChanged));
    }
    assert_eq!(*calls.lock().unwrap(), []);
}

#[test]
fn a_raised_lockdown_voids_what_was_judged_before() {
    let tree = memory();
    let (device, _) = cxl(&tree, with_fwctl());
    let gate = gate();
    let opened = gate.open(device.clone()).unwrap();
    tree.file("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    let sent = send(&gate, &opened, request(0x0502, &set_feature([9; 4]), None));
    assert_eq!(sent.outcome.unwrap().failure, Some(Failure::FactsChanged));
}

#[test]
fn a_gate_without_a_kernel_to_taint_sends_nothing_that_would() {
    let tree = memory();
    let (device, calls) = cxl(&tree, with_fwctl());
    let journal = Arc::new(Journal::in_memory());
    let gate = Gate::new(journal, Arc::new(Everything), Arc::new(NoKernel));
    let opened = gate.open(device.clone()).unwrap();
    calls.lock().unwrap().clear();
    let request = request(0x0502, &set_feature([9; 4]), None);
    let error = gate.send(&opened, request, &mut |_| {}).unwrap_err();
    assert!(matches!(error, GateError::TaintImpossible(_)));
    assert_eq!(*calls.lock().unwrap(), []);
}

#[test]
fn an_nvme_command_gets_no_shorter_time_than_the_drivers_own() {
    let tree = Tree::new();
    tree.controller();
    tree.file(format!("sys/{NVME}/admin_timeout"), "60000\n");
    let (roots, target) = (tree.roots(), tree.target("nvme0"));
    let marks = Arc::new(Marks::new(&roots, &target, None));
    let played = Played { status: 0x4002, ..Played::default() };
    let calls = Arc::clone(&played.calls);
    let device = NvmeDevice::with(&roots, &target, marks, null(), Box::new(played)).unwrap();
    let gate = gate();
    let opened = gate.open(Arc::new(device)).unwrap();
    calls.lock().unwrap().clear();
    let get_feature = |deadline| {
        let cdw = [0x0B, 0, 0, 0, 0, 0];
        let message =
            Message::NvmeAdmin { opcode: 0x0A, nsid: 0, cdw, data: Vec::new(), read_length: 0 };
        Request { route: Firmware, message, scope: None, caller: root(), deadline }
    };
    for seconds in [5, 600] {
        let request = get_feature(core::time::Duration::from_secs(seconds));
        let sent = send(&gate, &opened, request);
        let outcome = sent.outcome.unwrap();
        assert_eq!((outcome.record.status, outcome.record.return_code), ("failed", Some(0x4002)));
    }
    let calls = calls.lock().unwrap();
    let times: Vec<usize> = calls.iter().map(|(_, _, time)| *time).collect();
    assert_eq!(times[0], 0, "the driver's own");
    assert!(times[1] > 60_000 && times[1] <= 600_000, "{times:?}");
}

#[test]
fn a_device_that_was_exchanged_between_finding_and_opening_is_not_opened() {
    let tree = memory();
    let (machine, target) = (Machine { roots: tree.roots() }, tree.target("mem0"));
    let opens = || still_there(&machine, &target);
    assert_eq!(opens(), Ok(()));
    // Other firmware is the same device.
    tree.file(format!("sys/{MEM}/firmware_version"), "other\n");
    assert_eq!(opens(), Ok(()));
    let exchanged = Err(OpenError::Exchanged { device: "mem0".to_owned() });
    for (file, was, other) in [
        (format!("sys/{FUNCTION}/vendor"), "0x8086\n", "0x1e98\n"),
        (format!("sys/{MEM}/serial"), "0x1001\n", "0x1002\n"),
        (format!("sys/{MEM}/dev"), "248:0\n", "248:1\n"),
    ] {
        tree.file(&file, other);
        assert_eq!(opens(), exchanged, "{file}");
        tree.file(&file, was);
        assert_eq!(opens(), Ok(()));
    }
    tree.remove(format!("sys/{MEM}"));
    assert_eq!(opens(), exchanged);
}

#[test]
fn asking_for_features_again_and_again_takes_no_more_memory() {
    let tree = memory();
    let (device, _) = cxl(&tree, with_fwctl());
    let gate = gate();
    let opened = gate.open(device.clone()).unwrap();
    let page = |start: u16| {
        let payload = [&64_u32.to_le_bytes()[..], &start.to_le_bytes(), &[0, 0]].concat();
        let sent = send(&gate, &opened, request(0x0500, &payload, None));
        assert_eq!(sent.outcome.unwrap().record.status, "done");
    };
    // Another page than the first one, which begins the list anew.
    for _ in 0..100 {
        page(1);
    }
    assert_eq!(device.features_seen(), 1);
}

#[test]
fn a_node_that_is_not_the_devices_own_lets_nobody_in() {
    let tree = memory();
    // Whoever may write in the folder puts a file of their own there, open to all.
    tree.file("dev/cxl/mem0", "");
    let (device, _) = cxl(&tree, with_fwctl());
    let message = Message::Cxl { opcode: 0x4000, payload: Vec::new() };
    let anyone = Caller::stand_in(7, 7, Vec::new(), Capabilities::default());
    let path = device.path(fwgate_policy::Route::Firmware, &message, &anyone).unwrap();
    assert!(!path.admits_caller);
}

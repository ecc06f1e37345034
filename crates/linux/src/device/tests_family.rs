// SPDX-License-Identifier: MIT OR Apache-2.0
//! mlx5, bnxt and pds devices behind the gate over a kernel that is played.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use fwgate_gate::journal::Journal;
use fwgate_gate::{
    Caller, Device, Failure, Firmware, Gate, Message, Opened, Outcome, Request, Sent, SiteAnswer,
    SitePolicy, SiteQuestion,
};
use fwgate_policy::{Capabilities, Grants, PathKind, Protocol, Route, Scope, SetAside, Site};
use fwgate_wire::memdev::CommandInfo;
use rustix::io::Errno;

use super::OpenError;
use super::family::FamilyDevice;
use super::tests::tree::Tree;
use super::tests::{Willing, null};
use crate::discover::{Machine, Marks};
use crate::path::rule::family::DriverScope;
use crate::sys::Ioctls;
use crate::sys::fwctl::{Addressed, Info};
use crate::sys::memdev::{MAX_ROWS, Sent as WroteBack, Which};
use crate::sys::nvme::{Admin, AdminDone, Pages, Width};

const MLX5: u32 = 1;
const BNXT: u32 = 3;
const PDS: u32 = 4;

const NOP: u16 = 0x080D;
const CONG: u16 = 0x0823;
const QSTATS: u16 = 0x0023;
const SET_VARIABLE: u16 = 0xFFF2;

const FOLDER: &str = "devices/pci0000:20/0000:21:00.0";

/// Scope, request and room of a call.
type Calls = Arc<Mutex<Vec<(u32, Vec<u8>, usize)>>>;

/// The length that the driver says, its response, and what it writes to each buffer.
type Answer = Result<(u32, Vec<u8>, Vec<Vec<u8>>), Errno>;

/// A kernel with one fwctl node. VER_GET is answered by itself.
#[derive(Debug)]
struct Played {
    device_type: u32,
    calls: Calls,
    answer: Arc<Mutex<Answer>>,
}

impl Ioctls for Played {
    fn fwctl_info(&self, _: BorrowedFd<'_>, _: &mut [u8]) -> Result<Info, Errno> {
        Ok(Info { device_type: self.device_type, length: 0 })
    }

    fn fwctl_rpc(
        &self,
        mut addressed: Addressed<'_>,
        scope: u32,
        response: &mut [u8],
    ) -> Result<u32, Errno> {
        let request = addressed.request();
        let bytes = request.bytes().to_vec();
        self.calls.lock().unwrap().push((scope, bytes.clone(), response.len()));
        if self.device_type == BNXT && bytes[..2] == [0, 0] {
            response[..16].copy_from_slice(&[0, 0, 0, 0, 0, 0, 16, 0, 1, 10, 3, 0, 216, 0, 1, 2]);
            return Ok(704);
        }
        let (length, given, returned) = self.answer.lock().unwrap().clone()?;
        let most = given.len().min(response.len());
        response[..most].copy_from_slice(&given[..most]);
        for (memory, given) in request.memory().into_iter().zip(returned) {
            memory[..given.len()].copy_from_slice(&given);
        }
        Ok(length)
    }

    fn mem_query(
        &self,
        _: BorrowedFd<'_>,
        _: usize,
    ) -> Result<(u32, [CommandInfo; MAX_ROWS]), Errno> {
        Err(Errno::NOTTY)
    }

    fn mem_send(
        &self,
        _: BorrowedFd<'_>,
        _: Which,
        _: &[u8],
        _: &mut [u8],
    ) -> Result<WroteBack, Errno> {
        Err(Errno::NOTTY)
    }

    fn nvme_admin(
        &self,
        _: BorrowedFd<'_>,
        _: Width,
        _: &Admin,
        _: &mut Pages,
    ) -> Result<AdminDone, Errno> {
        Err(Errno::NOTTY)
    }
}

/// Grants everything, and sets this aside.
#[derive(Debug)]
struct Everything(SetAside);

impl SitePolicy for Everything {
    fn ask(&self, _: &SiteQuestion<'_, '_>) -> SiteAnswer {
        let grants = Grants { set_aside: self.0, ..Grants::EVERYTHING };
        SiteAnswer { site: Site::Permit, grants, rule: "test".to_owned() }
    }
}

/// A function with that driver and a fwctl device.
fn machine(driver: &str) -> Tree {
    let tree = Tree::new();
    let own = format!("{FOLDER}/fwctl/fwctl0");
    tree.function(FOLDER, "0x020000", driver);
    tree.file(format!("sys/{own}/dev"), "251:0\n")
        .link(format!("sys/{own}/device"), "../../../0000:21:00.0")
        .link("sys/class/fwctl/fwctl0", format!("../../{own}"));
    tree
}

fn driver(device_type: u32) -> &'static str {
    match device_type {
        MLX5 => "mlx5_core",
        BNXT => "bnxt_en",
        _ => "pds_core",
    }
}

fn with(tree: &Tree, device_type: u32, played: Played) -> Result<FamilyDevice, OpenError> {
    let (roots, target) = (tree.roots(), tree.target("fwctl0"));
    let marks = Arc::new(Marks::new(&roots, &target, None));
    let played = Played { device_type, ..played };
    FamilyDevice::with(&roots, &target, marks, null(), Box::new(played))
}

/// A machine with one device, opened by a gate.
struct Bench {
    tree: Tree,
    device: Arc<FamilyDevice>,
    gate: Gate,
    opened: Opened,
    calls: Calls,
    answer: Arc<Mutex<Answer>>,
}

impl Bench {
    fn new(device_type: u32) -> Self {
        Self::on(machine(driver(device_type)), device_type)
    }

    fn on(tree: Tree, device_type: u32) -> Self {
        // pds's operations are opaque, and its driver is the network maintainers'.
        Self::under(tree, device_type, SetAside::NAK)
    }

    fn under(tree: Tree, device_type: u32, aside: SetAside) -> Self {
        let calls = Calls::default();
        let answer = Arc::new(Mutex::new(Err(Errno::NOTTY)));
        let played = Played { device_type, calls: calls.clone(), answer: answer.clone() };
        let device = Arc::new(with(&tree, device_type, played).unwrap());
        let journal = Arc::new(Journal::in_memory());
        let gate = Gate::new(journal, Arc::new(Everything(aside)), Arc::new(Willing));
        let opened = gate.open(device.clone()).unwrap();
        Self { tree, device, gate, opened, calls, answer }
    }

    fn send(&self, message: Message, scope: Option<Scope>) -> Sent {
        self.calls.lock().unwrap().clear();
        let deadline = fwgate_gate::device::DEFAULT_DEADLINE;
        let request = Request { route: Firmware, message, scope, caller: root(), deadline };
        self.gate.send(&self.opened, request, &mut |_| {}).unwrap()
    }

    fn answers(&self, length: u32, response: &[u8], returned: &[&[u8]], message: Message) -> Sent {
        let returned = returned.iter().map(|it| it.to_vec()).collect();
        *self.answer.lock().unwrap() = Ok((length, response.to_vec(), returned));
        self.send(message, None)
    }

    fn fails(&self, errno: Errno, message: Message) -> Outcome {
        *self.answer.lock().unwrap() = Err(errno);
        self.send(message, None).outcome.unwrap()
    }

    fn calls(&self) -> Vec<(u32, Vec<u8>, usize)> {
        self.calls.lock().unwrap().clone()
    }
}

fn root() -> Arc<Caller> {
    let capabilities = Capabilities { sys_admin: true, sys_rawio: true };
    Arc::new(Caller::stand_in(0, 0, Vec::new(), capabilities))
}

fn mlx5(opcode: u16, reply_length: u32) -> Message {
    Message::Mlx5 { opcode, op_mod: 0, payload: vec![0; 8], reply_length }
}

fn bnxt(req_type: u16, payload: &[u8]) -> Message {
    Message::Bnxt { req_type, target_id: 0xFFFF, payload: payload.to_vec() }
}

fn pds(reply_length: u32) -> Message {
    Message::Pds { endpoint: 1, operation: 7, payload: vec![9; 4], reply_length }
}

/// NVM_SET_VARIABLE with a value of two bytes, and an address of the caller's own.
fn set_variable(address: u8) -> Message {
    let mut payload = vec![0; 24];
    (payload[7], payload[8]) = (address, 2);
    payload.extend([0xAB, 0xCD]);
    bnxt(SET_VARIABLE, &payload)
}

/// A reply of 16 bytes with that code and stated length.
fn hwrm(code: u16, length: u16) -> Vec<u8> {
    [&code.to_le_bytes()[..], &[0; 4], &length.to_le_bytes(), &[5; 8]].concat()
}

#[test]
fn each_family_is_opened_under_its_own_protocol_and_sends_nothing_but_bnxts_version() {
    for (of, protocol, sends) in
        [(MLX5, Protocol::Mlx5, 0), (BNXT, Protocol::Bnxt, 1), (PDS, Protocol::Pds, 0)]
    {
        let bench = Bench::new(of);
        assert_eq!(bench.device.identity().protocol, protocol);
        let whereabouts = bench.device.whereabouts();
        assert_eq!(whereabouts.address.as_deref(), Some("0000:21:00.0"));
        assert_eq!(bench.calls().len(), sends);
        let paths = bench.device.paths(&root());
        assert!(paths.len() == 1 && paths[0].kind == PathKind::Fwctl);
    }
    assert_eq!(Bench::new(BNXT).opened.record().firmware, "216.0.1.2");
}

#[test]
fn a_node_of_another_type_than_sysfs_says_is_not_opened() {
    for of in [MLX5, BNXT, PDS] {
        for says in [0, MLX5, 2, BNXT, PDS, 5, u32::MAX] {
            let answer = Arc::new(Mutex::new(Err(Errno::NOTTY)));
            let played = Played { device_type: says, calls: Calls::default(), answer };
            let opened = with(&machine(driver(of)), says, played);
            match opened {
                Ok(_) => assert_eq!(says, of),
                Err(OpenError::Answer { what, .. }) => {
                    assert!(says != of && what.contains(&format!("type {says} ")), "{what}");
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_family_that_nobody_knows_is_not_opened_and_its_node_not_touched() {
    for driver in ["vfio-pci", ""] {
        let tree = machine(driver);
        let machine = Machine { roots: tree.roots() };
        let error = super::open(&machine, &tree.target("fwctl0"), None).unwrap_err();
        assert_eq!(error, OpenError::Family { device: "fwctl0".to_owned(), family: "unknown" });
    }
    // A family that is known has its node opened, and this machine has none.
    let tree = machine("mlx5_core");
    let machine = Machine { roots: tree.roots() };
    let error = super::open(&machine, &tree.target("fwctl0"), None).unwrap_err();
    assert!(matches!(error, OpenError::Node(_)), "{error}");
}

#[test]
fn an_mlx5_command_is_one_mailbox_and_the_reply_is_the_whole_mailbox() {
    let bench = Bench::new(MLX5);
    let response = [&[0; 16][..], &[7; 16]].concat();
    let outcome = bench.answers(32, &response, &[], mlx5(NOP, 32)).outcome.unwrap();
    assert_eq!((outcome.record.status, &outcome.reply[..]), ("done", &response[..]));
    let request = [&[0x08, 0x0D][..], &[0; 14]].concat();
    assert_eq!(bench.calls(), [(1, request, 32)]);
    // The firmware's own status, with the mailbox that has its syndrome.
    let mut refused = response.clone();
    (refused[0], refused[7]) = (3, 0x47);
    let outcome = bench.answers(32, &refused, &[], mlx5(NOP, 32)).outcome.unwrap();
    assert_eq!((outcome.failure, outcome.record.return_code), (Some(Failure::Device), Some(3)));
    assert_eq!(&outcome.reply[..], refused);
}

#[test]
fn room_for_an_mlx5_reply_is_16_bytes_to_2_mib() {
    let bench = Bench::new(MLX5);
    for (asked, room) in [(0, 16), (15, 16), (17, 17), (2 << 20, 2 << 20), (u32::MAX, 2 << 20)] {
        let (_, found) = bench.device.request(&mlx5(NOP, asked)).unwrap();
        assert_eq!(found, room, "{asked}");
    }
}

#[test]
fn the_scope_that_was_judged_is_the_scope_that_is_sent() {
    let bench = Bench::new(MLX5);
    // Ours is above the driver's there.
    bench.answers(16, &[0; 16], &[], mlx5(CONG, 16));
    assert_eq!(bench.calls()[0].0, Scope::DebugWrite as u32);
    let message = mlx5(NOP, 16);
    for scope in [Scope::DebugRead, Scope::DebugWrite, Scope::DebugWriteFull] {
        let sent = bench.send(message.clone(), Some(scope));
        assert_eq!(bench.calls()[0].0, scope as u32, "{:?}", sent.explanation.reasons);
    }
    let sent = bench.send(message, Some(Scope::Configuration));
    assert_eq!(sent.explanation.headline(), "scope-too-low");
    assert_eq!(bench.calls(), []);
}

#[test]
fn a_bnxt_reply_is_cut_to_its_length_and_the_buffers_follow_in_the_drivers_order() {
    let bench = Bench::new(BNXT);
    let sent = bench.answers(704, &hwrm(0, 16), &[&[1; 408], &[2; 528]], bnxt(QSTATS, &[0; 24]));
    let outcome = sent.outcome.unwrap();
    let expected = [&hwrm(0, 16)[..], &[1; 408], &[2; 528]].concat();
    assert_eq!((outcome.record.status, &outcome.reply[..]), ("done", &expected[..]));
    let (scope, request, room) = bench.calls().remove(0);
    assert_eq!((scope, room, request.len()), (1, 704, 40));
    assert_eq!(request[..8], [0x23, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
    let outcome = bench.answers(704, &hwrm(2, 16), &[], bnxt(QSTATS, &[0; 24])).outcome.unwrap();
    assert_eq!((outcome.failure, outcome.record.return_code), (Some(Failure::Device), Some(2)));
    let outcome = bench.answers(704, &hwrm(0xFFFF, 8), &[], bnxt(QSTATS, &[0; 24]));
    assert_eq!(outcome.outcome.unwrap().record.return_code, Some(0xFFFF), "not supported");
}

#[test]
fn data_for_the_device_leave_the_request_and_no_address_of_the_callers_is_taken() {
    let bench = Bench::new(BNXT);
    let sent = bench.answers(704, &hwrm(0, 16), &[], set_variable(0));
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    let (_, request, _) = bench.calls().remove(0);
    assert_eq!(request.len(), 40);
    assert!(!request.contains(&0xAB), "the value is in its own memory");
    let sent = bench.send(set_variable(1), None);
    assert_eq!(sent.explanation.headline(), "malformed");
    assert_eq!(bench.calls(), []);
    // The device looks again.
    let refused = bench.device.request(&set_variable(1)).unwrap_err().to_string();
    assert!(refused.contains("address") && refused.contains("nothing was sent"), "{refused}");
}

#[test]
fn a_command_that_no_table_has_makes_no_request() {
    let bench = Bench::new(BNXT);
    let refused = bench.device.request(&bnxt(0x1234, &[0; 8])).unwrap_err().to_string();
    assert!(refused.contains("0x1234"), "{refused}");
    for message in [mlx5(NOP, 16), pds(16), Message::Cxl { opcode: 1, payload: Vec::new() }] {
        assert!(bench.device.request(&message).is_err());
        assert!(bench.device.path(Route::Firmware, &message, &root()).is_err());
    }
}

#[test]
fn a_pds_reply_is_what_the_device_wrote_and_its_code_has_two_halves() {
    let bench = Bench::new(PDS);
    let mut response = vec![0xEE; 48];
    response[24..28].copy_from_slice(&0x0012_0003_u32.to_ne_bytes());
    let outcome = bench.answers(48, &response, &[&[5; 64]], pds(64)).outcome.unwrap();
    let record = &outcome.record;
    assert_eq!((record.return_code, record.vendor_status), (Some(3), Some(0x12)));
    assert_eq!(&outcome.reply[..], [5; 64]);
    // Whose list is not known asks for everything.
    let (scope, request, _) = bench.calls().remove(0);
    assert_eq!((scope, request.len()), (3, 48));
    response[24..28].fill(0);
    let outcome = bench.answers(48, &response, &[], pds(0)).outcome.unwrap();
    assert_eq!((outcome.record.status, outcome.reply.len()), ("done", 0));
}

#[test]
fn an_opaque_pds_operation_under_the_network_driver_is_refused_until_the_owner_says_otherwise() {
    let bench = Bench::under(machine("pds_core"), PDS, SetAside::empty());
    let sent = bench.send(pds(8), None);
    assert_eq!(sent.explanation.headline(), "nak");
    assert_eq!(bench.calls(), []);
}

#[test]
fn a_pds_operation_takes_no_more_than_1_mib_each_way() {
    let bench = Bench::new(PDS);
    assert!(bench.device.request(&pds(1 << 20)).is_ok());
    assert!(bench.device.request(&pds((1 << 20) + 1)).is_err());
    assert!(bench.device.request(&pds(u32::MAX)).is_err());
}

#[test]
fn a_reply_that_is_longer_than_asked_gives_no_more_than_was_asked_or_is_an_error() {
    let bench = Bench::new(MLX5);
    let sent = bench.answers(u32::MAX, &[0; 64], &[], mlx5(NOP, 24));
    assert_eq!(sent.outcome.unwrap().reply.len(), 24);
    let bench = Bench::new(PDS);
    let sent = bench.answers(u32::MAX, &[0; 64], &[&[5; 8]], pds(8));
    assert_eq!(&sent.outcome.unwrap().reply[..], [5; 8]);
    let bench = Bench::new(BNXT);
    for (code, length) in [(0, 705), (0, u16::MAX), (0, 7), (0, 0)] {
        let sent = bench.answers(704, &hwrm(code, length), &[], bnxt(QSTATS, &[0; 24]));
        let outcome = sent.outcome.unwrap();
        assert_eq!(outcome.failure, Some(Failure::Transport), "{length}");
        assert!(outcome.reply.is_empty());
        let error = outcome.record.error.unwrap();
        assert!(
            error.contains("none that it can give") && error.contains("may have run"),
            "{error}"
        );
    }
}

#[test]
fn a_response_without_its_header_is_a_transport_failure() {
    for (of, message, short) in
        [(MLX5, mlx5(NOP, 16), 15), (BNXT, bnxt(QSTATS, &[0; 24]), 7), (PDS, pds(8), 47)]
    {
        let sent = Bench::new(of).answers(short, &[0; 64], &[], message);
        assert_eq!(sent.outcome.unwrap().failure, Some(Failure::Transport), "{of}");
    }
}

#[test]
fn an_errno_is_told_in_the_words_of_its_drivers_rule() {
    // The table and the scope are known, so only the third of the driver's rules is left.
    let outcome = Bench::new(BNXT).fails(Errno::PERM, bnxt(QSTATS, &[0; 24]));
    assert_eq!(outcome.failure, Some(Failure::Kernel));
    let error = outcome.record.error.unwrap();
    assert!(error.contains("the network driver is stopped or resetting"), "{error}");
    assert!(!error.contains("table") && !error.contains("at scope"), "{error}");
    let outcome = Bench::new(MLX5).fails(Errno::TIMEDOUT, mlx5(NOP, 16));
    assert_eq!(outcome.failure, Some(Failure::Transport));
    let error = outcome.record.error.unwrap();
    assert!(error.contains("did not answer in time") && error.contains("may have run"), "{error}");
    let error = Bench::new(PDS).fails(Errno::NOENT, pds(8)).record.error.unwrap();
    assert!(error.contains("the firmware answered the admin command"), "{error}");
}

#[test]
fn an_errno_within_a_bnxt_reply_is_no_answer_of_the_firmware() {
    let bench = Bench::new(BNXT);
    let busy = 16_u16.wrapping_neg();
    let sent = bench.answers(704, &hwrm(busy, 0), &[], bnxt(QSTATS, &[0; 24]));
    let outcome = sent.outcome.unwrap();
    assert_eq!((outcome.failure, outcome.record.return_code), (Some(Failure::Transport), None));
    assert!(outcome.record.error.unwrap().contains("errno 16"));
}

#[test]
fn what_the_drivers_own_table_asks_is_taken_from_the_rows_of_the_kernels() {
    let bench = Bench::new(MLX5);
    let needs = |message| bench.device.needs(&message);
    // The driver's scope, not ours above it.
    assert_eq!(needs(mlx5(CONG, 16)), DriverScope::Needs(Scope::Configuration));
    assert_eq!(needs(mlx5(NOP, 16)), DriverScope::Needs(Scope::DebugRead));
    assert_eq!(needs(mlx5(0xEEEE, 16)), DriverScope::NotListed);
    assert_eq!(needs(bnxt(QSTATS, &[0; 24])), DriverScope::Needs(Scope::DebugRead));
    assert_eq!(needs(pds(8)), DriverScope::CannotTell);
}

#[test]
fn a_device_that_goes_away_gets_nothing_or_fails_as_a_transport_does() {
    for (of, message) in [(MLX5, mlx5(NOP, 16)), (BNXT, bnxt(QSTATS, &[0; 24])), (PDS, pds(8))] {
        let bench = Bench::new(of);
        let outcome = bench.fails(Errno::NODEV, message.clone());
        assert_eq!(outcome.failure, Some(Failure::Transport), "{of}");
        bench.tree.remove(format!("sys/{FOLDER}/fwctl/fwctl0"));
        let outcome = bench.send(message, None).outcome.unwrap();
        assert_eq!(outcome.failure, Some(Failure::FactsChanged), "{of}");
        assert_eq!(bench.calls(), []);
    }
}

#[test]
fn another_driver_under_the_function_voids_what_was_judged_before() {
    let bench = Bench::new(MLX5);
    let link = format!("sys/{FOLDER}/driver");
    bench.tree.remove(&link).link(&link, "../../../bus/pci/drivers/vfio-pci");
    let outcome = bench.send(mlx5(NOP, 16), None).outcome.unwrap();
    assert_eq!(outcome.failure, Some(Failure::FactsChanged));
    assert_eq!(bench.calls(), []);
}

#[test]
fn a_reset_under_the_network_driver_is_pointed_to_devlink() {
    let bench = Bench::new(BNXT);
    let sent = bench.send(bnxt(0x0011, &[0; 8]), None);
    assert_eq!(
        (sent.explanation.verdict, sent.explanation.headline()),
        ("redirect", "kernel-owned")
    );
    assert!(sent.explanation.fix.as_deref().unwrap().contains("devlink dev reload"));
    assert_eq!(bench.calls(), []);
    // Nothing of it is run from here.
    let message = bnxt(0x0011, &[0; 8]);
    assert!(bench.device.path(Route::Kernel("devlink-reload"), &message, &root()).is_err());
}

/// Writes register PMTU.
fn write_mtu() -> Message {
    let payload = [&[0, 0, 0x50, 0x03][..], &[0; 20]].concat();
    Message::Mlx5 { opcode: 0x0B0C, op_mod: 0, payload, reply_length: 32 }
}

#[test]
fn a_register_of_a_port_with_a_network_device_is_the_network_drivers() {
    let tree = machine("mlx5_core");
    // In another network namespace: the folder shows nothing.
    tree.dir(format!("sys/{FOLDER}/net"));
    let sent = Bench::on(tree, MLX5).send(write_mtu(), None);
    assert_eq!(sent.explanation.verdict, "redirect");
    assert!(sent.explanation.fix.as_deref().unwrap().contains("ethtool"));
    let bench = Bench::new(MLX5);
    let sent = bench.answers(32, &[0; 32], &[], write_mtu());
    assert_eq!(sent.explanation.verdict, "allow", "{:?}", sent.explanation.reasons);
}

#[test]
fn mlx5s_revision_is_the_one_that_the_rdma_subsystem_shows() {
    let tree = machine("mlx5_core");
    tree.file(format!("sys/{FOLDER}/infiniband/mlx5_0/fw_ver"), "28.41.1000\n");
    assert_eq!(Bench::on(tree, MLX5).opened.record().firmware, "28.41.1000");
    let tree = machine("mlx5_core");
    for name in ["mlx5_0", "mlx5_1"] {
        tree.file(format!("sys/{FOLDER}/infiniband/{name}/fw_ver"), "28.41.1000\n");
    }
    assert_eq!(Bench::on(tree, MLX5).opened.record().firmware, "", "which of two is not told");
}

#[test]
fn a_node_lets_in_whom_its_mode_lets_in() {
    let bench = Bench::new(MLX5);
    // Not there; and a file that somebody put in its place.
    for _ in 0..2 {
        let path = bench.device.path(Route::Firmware, &mlx5(NOP, 16), &root()).unwrap();
        assert!(!path.admits_caller);
        bench.tree.file("dev/fwctl/fwctl0", "");
    }
}

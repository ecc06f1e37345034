// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps 7 and 8: whose ground it is, and what they said.

use fwgate_policy::facts::{Known, Surroundings};
use fwgate_policy::tables::{Condition, GroundRow, Matter, Opinion, Protocol, Selector, StanceRow};
use fwgate_policy::{Code, Facts, PathKind, Route, SetAside, Subsystems, Tables};

use crate::bench::{
    AT_ONCE, Ask, FORMAT, INJECT_POISON, KEEP_ALIVE, LONG, MAINTENANCE, POISON_GROUND, SANITIZE,
    SET_FEATURE, SET_LABELS, SET_PARTITION, TABLES, Told, by_kernel, by_security, cxl, device,
    driven_by, forever, nvme, stance,
};

/// Inject Poison on a driven device with these interfaces.
pub(crate) fn poison(interfaces: &'static [&'static str]) -> Ask<'static> {
    let mut ask = cxl(INJECT_POISON, &[]);
    ask.tables.ground = &[POISON_GROUND];
    ask.facts.surroundings = driven_by(Subsystems::CXL, interfaces);
    ask
}

const NETDEV_NO: StanceRow = StanceRow {
    key: "netdev-no",
    ground: Subsystems::NETDEV,
    matter: Matter::Opaque,
    opinion: Opinion::Nak,
    who: "",
    maintainer_of: "",
    date: "2024-06-06",
    address: "",
    says: "",
    overtaken_by: None,
};

/// An opaque command to a device that netdev drives, and netdev is against it.
pub(crate) fn netdev_said_no() -> Ask<'static> {
    let mut ask = cxl(AT_ONCE, &[]);
    ask.tables.stances = &[NETDEV_NO];
    ask.facts.surroundings = driven_by(Subsystems::NETDEV, &[]);
    ask
}

/// An opaque command to a device that two subsystems drive, with these stances.
pub(crate) fn shared(stances: &[StanceRow]) -> Ask<'_> {
    let mut ask = cxl(AT_ONCE, &[]);
    ask.tables.stances = forever(stances.to_vec());
    ask.facts.surroundings = driven_by(Subsystems::CXL | Subsystems::RDMA, &[]);
    ask
}

#[test]
fn what_is_never_sent_is_refused_on_every_path_and_route() {
    let mut ask = nvme(KEEP_ALIVE);
    ask.standing.grants.set_aside = SetAside::all();
    for kind in [PathKind::NvmeIoctl, PathKind::Emulated, PathKind::Mctp] {
        ask.standing.path.kind = kind;
        ask.told().is_refused_with(Code::NeverSent);
    }
    // Not even by an interface for it that is there.
    ask.route = Route::Kernel("security");
    ask.tables.ground = forever([by_security(Protocol::NvmeAdmin, u16::from(KEEP_ALIVE))]);
    ask.facts.surroundings.interfaces = Some(&["security"]);
    ask.told().is_refused_with(Code::NeverSent);
    ask.route = Route::Kernel("debugfs");
    assert_eq!(ask.told().refuses, [(0, Code::NeverSent), (0, Code::WrongInterface)]);
}

#[test]
fn owned_ground_is_redirected_where_the_kernels_interface_is_there() {
    let told = poison(&["debugfs"]).told();
    assert_eq!((told.verdict, &told.refuses[..]), ("redirect", &[(0, Code::KernelOwned)][..]));
    assert_eq!((told.granted, told.obliges), (None, None));
}

#[test]
fn owned_ground_without_an_interface_is_refused_and_can_be_set_aside_by_the_owner() {
    for interfaces in [&[][..], &["security"][..]] {
        let mut ask = poison(interfaces);
        ask.told().is_refused_with(Code::KernelOwnedNoInterface);
        ask.standing.grants.set_aside = SetAside::all().difference(SetAside::NO_INTERFACE);
        ask.told().is_refused_with(Code::KernelOwnedNoInterface);
        ask.standing.grants.set_aside = SetAside::NO_INTERFACE;
        ask.told().is_allowed();
    }
    // Not to be set aside: the interface is there, so use it.
    let mut ask = poison(&["debugfs"]);
    ask.standing.grants.set_aside = SetAside::all();
    assert_eq!(ask.told().verdict, "redirect");
}

#[test]
fn an_interface_that_cannot_be_told_is_no_redirect() {
    let mut ask = poison(&[]);
    ask.facts.surroundings.interfaces = None;
    ask.told().is_refused_with(Code::KernelOwnedNoInterface);
}

#[test]
fn each_condition_holds_when_true_or_untold_and_not_when_false() {
    type Set = fn(&mut Surroundings<'static>, Known);
    let conditions: [(Condition, Set); 4] = [
        (Condition::Driven, |it, known| it.driven = known),
        (Condition::NvdimmBound, |it, known| it.nvdimm_bound = known),
        (Condition::DecoderCommitted, |it, known| it.decoder_committed = known),
        (Condition::NamespaceInUse, |it, known| it.namespace_in_use = known),
    ];
    for (condition, set) in conditions {
        for known in [Known::Yes, Known::No, Known::CannotTell] {
            let rows = forever([GroundRow { condition, interface: None, ..POISON_GROUND }]);
            let mut ask = cxl(INJECT_POISON, &[]);
            ask.tables.ground = rows;
            set(&mut ask.facts.surroundings, known);
            let told = ask.told();
            if known == Known::No {
                told.is_allowed();
            } else {
                told.is_refused_with(Code::KernelOwnedNoInterface);
            }
        }
    }
}

#[test]
fn a_row_on_an_interface_holds_while_the_interface_is_there_or_untold() {
    let rows = [GroundRow { condition: Condition::InterfacePresent, ..POISON_GROUND }];
    let with = |interfaces| {
        let mut ask = cxl(INJECT_POISON, &[]);
        ask.tables.ground = &rows;
        ask.facts.surroundings.interfaces = interfaces;
        ask.told()
    };
    assert_eq!(with(Some(&["debugfs"][..])).verdict, "redirect");
    with(Some(&[][..])).is_allowed();
    with(None).is_refused_with(Code::KernelOwnedNoInterface);
    let rows = [GroundRow { interface: None, ..rows[0] }];
    let mut ask = cxl(INJECT_POISON, &[]);
    ask.tables.ground = &rows;
    ask.told().is_refused_with(Code::KernelOwnedNoInterface);
}

#[test]
fn a_mere_read_is_free_unless_it_disturbs_the_owner() {
    for read_disturbs in [false, true] {
        let rows = [GroundRow { opcode: 0x0400, read_disturbs, ..POISON_GROUND }];
        let mut ask = cxl(0x0400, &[]);
        ask.tables.ground = &rows;
        ask.facts.surroundings = driven_by(Subsystems::CXL, &[]);
        if read_disturbs {
            ask.told().is_refused_with(Code::KernelOwnedNoInterface);
        } else {
            ask.told().is_allowed();
        }
    }
}

#[test]
fn a_kernel_route_on_the_owners_own_interface_satisfies_its_ground_and_another_does_not() {
    let mut ask = poison(&["debugfs", "security"]);
    ask.standing.path.kind = PathKind::KernelInterface;
    ask.route = Route::Kernel("debugfs");
    let told = ask.told();
    told.is_allowed();
    assert!(!told.would_taint);
    ask.route = Route::Kernel("security");
    assert_eq!(ask.told().refuses, [(0, Code::WrongInterface), (0, Code::KernelOwned)]);
}

/// Asserts that this refusal stands alone, and that nothing which the owner sets aside lifts it.
#[track_caller]
fn is_no_kernel_route(ask: &Ask<'_>) {
    for set_aside in [SetAside::empty(), SetAside::all()] {
        let mut ask = ask.clone();
        ask.standing.grants.set_aside = set_aside;
        let told = ask.told();
        assert_eq!((told.verdict, told.headline), ("deny", Some(Code::WrongInterface)), "{told:?}");
        assert_eq!(told.refuses, [(0, Code::WrongInterface)]);
    }
}

#[test]
fn a_kernel_route_by_an_interface_that_is_absent_or_cannot_be_told_is_refused() {
    for opcode in [INJECT_POISON, SANITIZE, LONG, 0x0400] {
        let mut ask = by_kernel(opcode, &[]);
        ask.told().is_allowed();
        for interfaces in [Some(&[][..]), Some(&["debugfs"][..]), None] {
            ask.facts.surroundings.interfaces = interfaces;
            is_no_kernel_route(&ask);
        }
    }
}

#[test]
fn a_kernel_route_by_the_interface_of_another_command_is_refused() {
    for row in [
        by_security(Protocol::Cxl, INJECT_POISON),
        by_security(Protocol::NvmeAdmin, SANITIZE),
        GroundRow { opcode: SANITIZE, ..POISON_GROUND },
        GroundRow { opcode: SANITIZE, interface: None, ..POISON_GROUND },
    ] {
        let mut ask = by_kernel(SANITIZE, &[]);
        ask.tables.ground = forever([row]);
        is_no_kernel_route(&ask);
    }
    let mut ask = by_kernel(SANITIZE, &[]);
    ask.tables.ground = &[];
    is_no_kernel_route(&ask);
    ask.route = Route::Kernel("");
    is_no_kernel_route(&ask);
}

#[test]
fn a_kernel_route_by_the_interface_of_another_sub_operation_is_refused() {
    let first = Selector::new(&[1, 0]);
    let rows = [GroundRow { selector: first, ..by_security(Protocol::Cxl, MAINTENANCE) }];
    let by = |payload: &'static [u8]| {
        let mut ask = by_kernel(MAINTENANCE, payload);
        ask.tables.ground = forever(rows);
        ask
    };
    by(&[1, 0]).told().is_allowed();
    is_no_kernel_route(&by(&[0, 0]));
    is_no_kernel_route(&by(&[7, 0]));
    // Too short to say which: it may be any of them, and that opens nothing.
    is_no_kernel_route(&by(&[1]));
    is_no_kernel_route(&by(&[]));
}

#[test]
fn ground_that_arrives_at_run_time_opens_no_kernel_route() {
    for opcode in [INJECT_POISON, SANITIZE, LONG, 0x0400] {
        let mut ask = by_kernel(opcode, &[]);
        let later = Tables { ground: ask.tables.ground, ..crate::common::NO_ROWS };
        ask.tables.ground = &[];
        ask.tables.more = Some(&later);
        is_no_kernel_route(&ask);
    }
    // Beside a compiled-in row that does, it does no harm; with another interface it still binds.
    let mut ask = by_kernel(SANITIZE, &[]);
    ask.facts.surroundings = driven_by(Subsystems::CXL, &["debugfs", "security"]);
    let same = Tables { ground: ask.tables.ground, ..crate::common::NO_ROWS };
    ask.tables.more = Some(&same);
    ask.told().is_allowed();
    let rows = [GroundRow { opcode: SANITIZE, ..POISON_GROUND }];
    let other = Tables { ground: &rows, ..crate::common::NO_ROWS };
    ask.tables.more = Some(&other);
    assert_eq!(ask.told().refuses, [(0, Code::KernelOwned)]);
}

#[test]
fn sanitize_goes_by_the_security_interface_and_by_nothing_else() {
    let rows = [GroundRow { opcode: SANITIZE, interface: Some("security"), ..POISON_GROUND }];
    let mut ask = cxl(SANITIZE, &[]);
    ask.tables.ground = &rows;
    ask.facts.surroundings = driven_by(Subsystems::CXL, &["security"]);
    assert_eq!(ask.told().refuses, [(0, Code::SecurityState), (0, Code::KernelOwned)]);
    ask.route = Route::Kernel("security");
    ask.standing.path.kind = PathKind::KernelInterface;
    ask.told().is_allowed();
}

#[test]
fn a_typed_memdev_ioctl_is_the_kernels_interface_for_its_ids() {
    let rows =
        [GroundRow { opcode: SET_PARTITION, interface: None, ..POISON_GROUND }, POISON_GROUND];
    let ask = |opcode, kind| {
        let mut ask = cxl(opcode, &[0; 9]);
        ask.tables.ground = &rows;
        ask.facts.surroundings = driven_by(Subsystems::CXL, &[]);
        ask.standing.path.kind = kind;
        ask.told()
    };
    ask(SET_PARTITION, PathKind::Memdev).is_allowed();
    for kind in [PathKind::Fwctl, PathKind::Raw, PathKind::Mctp] {
        ask(SET_PARTITION, kind).is_refused_with(Code::KernelOwnedNoInterface);
    }
    // Not typed: the memdev node is no excuse.
    ask(INJECT_POISON, PathKind::Memdev).is_refused_with(Code::KernelOwnedNoInterface);
}

#[test]
fn who_is_shown_the_kernels_interface_needs_no_other_path() {
    let mut ask = poison(&["debugfs"]);
    ask.standing.path = fwgate_policy::Path::NONE;
    let told = ask.told();
    assert_eq!((told.verdict, told.headline), ("redirect", Some(Code::KernelOwned)), "{told:?}");
    // Nor one that can follow what goes on in the background.
    let mut rows = POISON_GROUND;
    rows.opcode = LONG;
    let rows = [rows];
    for (interfaces, codes) in [
        (&["debugfs"][..], [Some(Code::KernelOwned), None]),
        (&[], [Some(Code::KernelOwnedNoInterface), Some(Code::NoFollow)]),
    ] {
        let mut ask = cxl(LONG, &[]);
        ask.tables.ground = &rows;
        ask.facts.surroundings = driven_by(Subsystems::CXL, interfaces);
        ask.standing.path.follows_background = false;
        let told = ask.told();
        let refuses: Vec<_> = told.refuses.iter().map(|(_, code)| Some(*code)).collect();
        assert_eq!(refuses, codes.into_iter().filter(Option::is_some).collect::<Vec<_>>());
    }
    // Without the interface both are told.
    let mut ask = poison(&[]);
    ask.standing.path = fwgate_policy::Path::NONE;
    let codes: Vec<_> = ask.told().refuses.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [Code::KernelOwnedNoInterface, Code::NoPath]);
}

#[test]
fn the_kernels_own_interface_is_no_way_where_the_machine_has_none_to_it() {
    let mut ask = poison(&["debugfs"]);
    ask.route = Route::Kernel("debugfs");
    ask.standing.path.kind = PathKind::KernelInterface;
    ask.told().is_allowed();
    ask.standing.path = fwgate_policy::Path::NONE;
    ask.told().is_refused_with(Code::NoPath);
}

#[test]
fn a_feature_of_the_kernels_own_is_set_by_its_interface_where_the_list_cannot_be_read() {
    let mut bytes = [0; 36];
    bytes[..16].fill(0xAB);
    let rows = [GroundRow { opcode: SET_FEATURE, ..POISON_GROUND }];
    let ask = |features, interfaces: &'static [&'static str]| {
        let mut ask = cxl(SET_FEATURE, &bytes);
        ask.tables.ground = &rows;
        ask.facts.features = features;
        ask.facts.surroundings = driven_by(Subsystems::CXL, interfaces);
        ask.standing.path = fwgate_policy::Path::NONE;
        ask
    };
    let told = ask(None, &["debugfs"]).told();
    assert_eq!((told.verdict, told.headline), ("redirect", Some(Code::KernelOwned)), "{told:?}");
    // By the interface itself it is allowed; a list that was read and lacks it rules it out.
    let by_kernel = |features| {
        let mut ask = ask(features, &["debugfs"]);
        ask.route = Route::Kernel("debugfs");
        ask.standing.path.kind = PathKind::KernelInterface;
        ask.standing.path.admits_caller = true;
        ask.told()
    };
    by_kernel(None).is_allowed();
    by_kernel(Some(&[][..])).is_refused_with(Code::Unreported);
    // Without an interface nothing is left, and with a path the list has to be read.
    let codes = |told: Told| told.refuses.iter().map(|(_, code)| *code).collect::<Vec<_>>();
    assert_eq!(
        codes(ask(None, &[]).told()),
        [Code::KernelOwnedNoInterface, Code::NoPath],
        "the kernel has no interface, and fwgate no path"
    );
    let mut reached = ask(None, &["debugfs"]);
    reached.standing.path = cxl(SET_FEATURE, &[]).standing.path;
    assert!(codes(reached.told()).contains(&Code::Unreported));
}

#[test]
fn a_used_up_budget_stops_reads_too() {
    let mut ask = cxl(0x0400, &[]);
    ask.standing.over_budget = true;
    ask.told().is_refused_with(Code::RateLimited);
}

#[test]
fn the_typed_ioctl_does_not_pass_what_a_bound_child_driver_owns() {
    let rows = [GroundRow {
        opcode: SET_LABELS,
        condition: Condition::NvdimmBound,
        interface: None,
        ..POISON_GROUND
    }];
    let mut ask = cxl(SET_LABELS, &[]);
    ask.tables.ground = &rows;
    ask.standing.path.kind = PathKind::Memdev;
    ask.told().is_allowed();
    ask.facts.surroundings.nvdimm_bound = Known::Yes;
    ask.told().is_refused_with(Code::KernelOwnedNoInterface);
}

#[test]
fn a_row_for_one_sub_operation_leaves_the_others_alone() {
    let mut one = [0; 16];
    one[0] = 1;
    let selector = Some(Selector::of(one, 2));
    let rows = [GroundRow { opcode: MAINTENANCE, selector, interface: None, ..POISON_GROUND }];
    let ask = |payload: &[u8]| {
        let mut ask = cxl(MAINTENANCE, payload);
        ask.tables.ground = &rows;
        ask.facts.surroundings = driven_by(Subsystems::CXL, &[]);
        ask.told()
    };
    ask(&[0, 0]).is_allowed();
    ask(&[2, 0]).is_allowed();
    ask(&[1, 0]).is_refused_with(Code::KernelOwnedNoInterface);
    // Too short to say which: it may be any.
    ask(&[1]).is_refused_with(Code::KernelOwnedNoInterface);
    ask(&[]).is_refused_with(Code::KernelOwnedNoInterface);
}

#[test]
fn a_namespace_in_use_stands_against_format() {
    let rows = [GroundRow {
        protocol: Protocol::NvmeAdmin,
        opcode: u16::from(FORMAT),
        owner: Subsystems::BLOCK,
        condition: Condition::NamespaceInUse,
        interface: None,
        ..POISON_GROUND
    }];
    let mut ask = nvme(FORMAT);
    ask.tables.ground = &rows;
    ask.told().is_allowed();
    for known in [Known::Yes, Known::CannotTell] {
        ask.facts.surroundings.namespace_in_use = known;
        ask.told().is_refused_with(Code::KernelOwnedNoInterface);
    }
}

#[test]
fn ground_that_arrives_at_run_time_counts_and_finds_its_interface() {
    let later = Tables { ground: &[POISON_GROUND], ..crate::common::NO_ROWS };
    let mut ask = poison(&["debugfs"]);
    ask.tables = Tables { more: Some(&later), ..TABLES };
    assert_eq!(ask.told().verdict, "redirect");
}

#[test]
fn a_nak_binds_on_its_owners_ground_and_not_elsewhere() {
    let mut ask = netdev_said_no();
    ask.told().is_refused_with(Code::Nak);
    ask.facts.surroundings = driven_by(Subsystems::CXL, &[]);
    ask.told().is_allowed();
}

#[test]
fn a_nak_on_opaque_commands_leaves_named_ones_alone() {
    let mut ask = netdev_said_no();
    ask.command = cxl(0x0400, &[]).command;
    ask.told().is_allowed();
}

#[test]
fn a_nak_that_merged_code_has_overtaken_is_history() {
    let rows = [StanceRow { overtaken_by: Some("0ccff074d6aa"), ..NETDEV_NO }];
    let mut ask = netdev_said_no();
    ask.tables.stances = &rows;
    ask.told().is_allowed();
}

#[test]
fn the_owner_of_the_machine_can_set_a_nak_aside_by_naming_it() {
    let mut ask = netdev_said_no();
    ask.standing.grants.set_aside = SetAside::all().difference(SetAside::NAK);
    ask.told().is_refused_with(Code::Nak);
    ask.standing.grants.set_aside = SetAside::NAK;
    let told = ask.told();
    told.is_allowed();
    assert!(told.notes.contains(&Code::SetAside));
}

#[test]
fn on_shared_ground_silence_is_no_ack() {
    let cxl_ack = stance("cxl", Subsystems::CXL, Matter::Opaque, Opinion::Ack);
    let rdma_ack = stance("rdma", Subsystems::RDMA, Matter::Opaque, Opinion::Ack);
    shared(&[]).told().is_refused_with(Code::SharedGround);
    shared(&[cxl_ack]).told().is_refused_with(Code::SharedGround);
    shared(&[cxl_ack, rdma_ack]).told().is_allowed();
    // An Ack on another matter is none on this one, and one that was overtaken is none at all.
    let tables_ack = StanceRow { matter: Matter::DriverTables, ..rdma_ack };
    shared(&[cxl_ack, tables_ack]).told().is_refused_with(Code::SharedGround);
    let old_ack = StanceRow { overtaken_by: Some("later"), ..rdma_ack };
    shared(&[cxl_ack, old_ack]).told().is_refused_with(Code::SharedGround);
    // One who acks does not outvote one who naks.
    let nak = StanceRow { opinion: Opinion::Nak, ..rdma_ack };
    assert!(shared(&[cxl_ack, rdma_ack, nak]).told().refuses.contains(&(0, Code::Nak)));
}

#[test]
fn the_sites_explicit_line_decides_on_shared_ground() {
    let mut ask = shared(&[]);
    ask.standing.grants.set_aside = SetAside::SHARED_GROUND;
    let told = ask.told();
    told.is_allowed();
    assert!(told.notes.contains(&Code::SetAside));
}

#[test]
fn a_device_with_one_driver_is_no_shared_ground() {
    let mut ask = shared(&[]);
    ask.facts.surroundings = driven_by(Subsystems::CXL, &[]);
    ask.told().is_allowed();
}

#[test]
fn drivers_that_cannot_be_told_may_be_anyone() {
    let mut ask = netdev_said_no();
    ask.facts.surroundings = Surroundings::CANNOT_TELL;
    assert_eq!(ask.told().refuses, [(0, Code::Nak), (0, Code::SharedGround)]);
    ask.standing.grants.set_aside = SetAside::NAK | SetAside::SHARED_GROUND;
    ask.told().is_allowed();
    // A named read asks nobody.
    ask.command = cxl(0x0400, &[]).command;
    ask.standing.grants.set_aside = SetAside::empty();
    ask.told().is_allowed();
}

#[test]
fn a_nak_on_driver_tables_binds_by_fwctl_only() {
    let rows = [StanceRow { matter: Matter::DriverTables, ..NETDEV_NO }];
    let mut ask = cxl(INJECT_POISON, &[]);
    ask.tables.stances = &rows;
    ask.facts = Facts { surroundings: driven_by(Subsystems::NETDEV, &[]), ..device() };
    ask.told().is_refused_with(Code::Nak);
    ask.standing.path.kind = PathKind::Memdev;
    ask.told().is_allowed();
}

#[test]
fn a_nak_on_owned_settings_binds_by_every_path() {
    let rows = [stance("mm-no", Subsystems::MM, Matter::KernelInterface, Opinion::Nak)];
    for kind in [PathKind::Fwctl, PathKind::Memdev, PathKind::Raw, PathKind::Mctp] {
        let mut ask = poison(&[]);
        ask.tables.stances = &rows;
        ask.standing.path.kind = kind;
        ask.standing.grants.set_aside = SetAside::NO_INTERFACE;
        ask.told().is_refused_with(Code::Nak);
    }
}

#[test]
fn a_nak_on_owned_settings_does_not_bind_on_the_owners_own_interface() {
    let rows = [stance("mm-no", Subsystems::MM, Matter::KernelInterface, Opinion::Nak)];
    let mut ask = poison(&["debugfs"]);
    ask.tables.stances = &rows;
    assert_eq!(ask.told().refuses, [(0, Code::KernelOwned), (0, Code::Nak)]);
    ask.standing.path.kind = PathKind::KernelInterface;
    ask.route = Route::Kernel("debugfs");
    ask.told().is_allowed();
    // It binds where a second owner of the same ground is gone behind.
    let ground = [POISON_GROUND, GroundRow { interface: None, ..POISON_GROUND }];
    ask.tables.ground = &ground;
    ask.standing.grants.set_aside = SetAside::NO_INTERFACE;
    ask.told().is_refused_with(Code::Nak);
    // Nor does it on a typed memdev ioctl, and by another path it does.
    let ground = [GroundRow { opcode: SET_PARTITION, ..ground[1] }];
    let mut ask = cxl(SET_PARTITION, &[0; 9]);
    ask.tables = Tables { ground: &ground, stances: &rows, ..TABLES };
    ask.facts.surroundings = driven_by(Subsystems::CXL, &[]);
    ask.standing.grants.set_aside = SetAside::NO_INTERFACE;
    ask.standing.path.kind = PathKind::Memdev;
    ask.told().is_allowed();
    ask.standing.path.kind = PathKind::Fwctl;
    ask.told().is_refused_with(Code::Nak);
}

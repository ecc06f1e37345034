// SPDX-License-Identifier: MIT OR Apache-2.0
//! Step 4: carried commands, judged by the same table against their target's facts.

use fwgate_policy::facts::{Inner, Surroundings};
use fwgate_policy::tables::{AdvisoryRow, DeviceMatch, FloorRow, Kind, Matter, Opinion, Protocol};
use fwgate_policy::{
    Code, Disclosure, Effects, Facts, PathKind, Route, Scope, SetAside, Subsystems, Tables,
};
use fwgate_wire::cxl::tunnel::TunnelTarget;

use crate::bench::{
    AT_ONCE, AT_RESET, Ask, GET_KEY, INJECT_POISON, LONG, POISON_GROUND, QUIET, SECURITY,
    SET_PARTITION, TABLES, TUNNEL, Told, by_security, cxl, device, forever, stance,
};

pub(crate) const PORT: u8 = 3;

/// A request that carries `opcode` to logical device or port 3.
pub(crate) fn carry(opcode: u16, payload: &[u8]) -> Vec<u8> {
    let [low, high] = opcode.to_le_bytes();
    let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let size = u16::try_from(payload.len() + 12).unwrap().to_le_bytes();
    let mut bytes = vec![PORT, 0, size[0], size[1]];
    bytes.extend([0, 0, 0, low, high, len[0], len[1], len[2], 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

pub(crate) fn to(facts: &Facts<'static>) -> [Inner<'static>; 1] {
    [Inner { target: TunnelTarget::PortOrLd(PORT), facts: forever(*facts) }]
}

/// A tunnel to a target of which nothing is known.
pub(crate) fn to_nowhere() -> Ask<'static> {
    cxl(TUNNEL, forever(carry(0x0400, &[])))
}

/// Identify, carried `depth` times.
pub(crate) fn nested(depth: usize) -> Told {
    let mut facts = device();
    let (mut opcode, mut bytes) = (0x0400, Vec::new());
    for _ in 0..depth {
        bytes = carry(opcode, &bytes);
        opcode = TUNNEL;
        facts = Facts { inner: forever(to(&facts)), ..device() };
    }
    Ask { facts, ..cxl(opcode, &bytes) }.told()
}

/// Asks for `opcode` through a tunnel to a target with these facts, which nobody drives.
fn through<T>(
    opcode: u16,
    payload: &[u8],
    target: &Facts<'static>,
    ask: impl FnOnce(Ask<'_>) -> T,
) -> T {
    let bytes = carry(opcode, payload);
    let inner = to(target);
    ask(Ask { facts: Facts { inner: &inner, ..device() }, ..cxl(TUNNEL, &bytes) })
}

fn carried(opcode: u16) -> Told {
    through(opcode, &[], &device(), |ask| ask.told())
}

#[test]
fn four_levels_are_looked_into_and_the_fifth_is_refused() {
    for depth in 1..=4 {
        let told = nested(depth);
        told.is_allowed();
        assert_eq!(told.discloses, Disclosure::Identity, "depth {depth}");
    }
    let told = nested(5);
    assert_eq!(told.refuses, [(4, Code::TunnelTooDeep)]);
    assert_eq!(nested(40).refuses, [(4, Code::TunnelTooDeep)]);
}

#[test]
fn a_target_of_which_nothing_is_known_is_opaque() {
    to_nowhere().told().is_refused_with(Code::TunnelOpaque);
    let mut other = to_nowhere();
    let mut inner = to(&device());
    inner[0].target = TunnelTarget::LdPool(PORT);
    other.facts.inner = &inner;
    other.told().is_refused_with(Code::TunnelOpaque);
}

#[test]
fn a_tunnel_that_cannot_be_read_is_opaque() {
    let whole = carry(INJECT_POISON, &[1, 2, 3]);
    let inner = to(&device());
    for cut in 0..whole.len() {
        let facts = Facts { inner: &inner, ..device() };
        let told = Ask { facts, ..cxl(TUNNEL, &whole[..cut]) }.told();
        told.is_refused_with(Code::TunnelOpaque);
    }
    let longer = [&whole[..], &[0]].concat();
    Ask { facts: Facts { inner: &inner, ..device() }, ..cxl(TUNNEL, &longer) }
        .told()
        .is_refused_with(Code::TunnelOpaque);
}

#[test]
fn a_carried_command_is_refused_for_its_own_reasons_at_its_own_depth() {
    assert_eq!(carried(SECURITY).refuses, [(1, Code::SecurityState)]);
    assert_eq!(carried(0xCFFF).refuses, [(1, Code::Unreported)]);
    let told = through(SET_PARTITION, &[1; 9], &device(), |ask| ask.told());
    assert_eq!(told.refuses, [(1, Code::Malformed)]);
    let never = Tables {
        cxl: &[FloorRow { kind: Kind::Never, opcode: 0x0400, ..crate::common::READ }],
        ..TABLES
    };
    let told = through(0x0400, &[], &device(), |ask| Ask { tables: never, ..ask }.told());
    assert!(told.refuses.contains(&(1, Code::NeverSent)), "{told:?}");
}

#[test]
fn a_carried_command_raises_scope_effects_disclosure_and_opaqueness_of_the_whole() {
    let told = carried(AT_ONCE);
    told.is_allowed();
    assert_eq!((told.required, told.effects), (Scope::DebugWriteFull, Effects::IMMEDIATE_CONFIG));
    assert_eq!(told.discloses, Disclosure::Secret);
    assert!(told.notes.contains(&Code::OwnerLine));
    assert_eq!(carried(AT_RESET).required, Scope::DebugWrite);
    assert_eq!(carried(GET_KEY).discloses, Disclosure::Secret);
    let told = through(QUIET, &[], &device(), |mut ask| {
        ask.standing.grants.opaque = None;
        ask.standing.grants.may_see = Disclosure::Dump;
        ask.told()
    });
    assert_eq!(told.refuses, [(0, Code::Discloses), (0, Code::RightMissing)]);
}

#[test]
fn a_secret_in_a_tunnel_is_a_secret() {
    let told = through(GET_KEY, &[], &device(), |mut ask| {
        ask.standing.grants.may_see = Disclosure::Dump;
        ask.told()
    });
    told.is_refused_with(Code::Discloses);
}

#[test]
fn a_background_operation_in_a_tunnel_must_be_followed() {
    let told = through(LONG, &[], &device(), |mut ask| {
        ask.standing.path.follows_background = false;
        ask.told()
    });
    told.is_refused_with(Code::NoFollow);
}

#[test]
fn an_advisory_on_the_target_bars_what_is_carried() {
    let rows = forever([AdvisoryRow {
        key: "FWG-TEST-2",
        device: DeviceMatch { vendor: Some(0x1234), device: None, firmware: None },
        protocol: Protocol::Cxl,
        opcode: None,
        why: "",
        source: "test",
    }]);
    let target = Facts { vendor: 0x1234, ..device() };
    let told = through(AT_ONCE, &[], &target, |mut ask| {
        ask.tables.advisories = rows;
        ask.told()
    });
    assert_eq!(told.refuses, [(1, Code::Advisory)]);
}

#[test]
fn a_targets_log_is_believed_or_not_by_itself() {
    let told = through(QUIET, &[], &Facts { credible: false, ..device() }, |ask| ask.told());
    assert_eq!(told.required, Scope::DebugWriteFull);
    assert_eq!(carried(QUIET).required, Scope::DebugRead);
}

#[test]
fn ground_behind_a_tunnel_counts_as_owned_when_it_cannot_be_told() {
    let target = Facts { surroundings: Surroundings::CANNOT_TELL, ..device() };
    let told = through(INJECT_POISON, &[], &target, |mut ask| {
        ask.tables.ground = &[POISON_GROUND];
        ask.told()
    });
    assert_eq!(told.refuses, [(1, Code::KernelOwnedNoInterface)]);
    // Known to be nobody's: allowed.
    let told = through(INJECT_POISON, &[], &device(), |mut ask| {
        ask.tables.ground = &[POISON_GROUND];
        ask.told()
    });
    told.is_allowed();
}

#[test]
fn the_kernels_interface_is_no_way_to_a_target_behind_a_tunnel() {
    let around = crate::bench::driven_by(Subsystems::CXL, &["debugfs"]);
    let target = Facts { surroundings: around, ..device() };
    for kind in [PathKind::Fwctl, PathKind::Memdev] {
        let told = through(INJECT_POISON, &[], &target, |mut ask| {
            ask.tables.ground = &[POISON_GROUND];
            ask.standing.path.kind = kind;
            ask.told()
        });
        assert_eq!(told.refuses, [(1, Code::KernelOwnedNoInterface)], "{kind:?}");
    }
}

#[test]
fn a_nak_on_the_ground_of_a_carried_command_binds() {
    let naks = forever([stance("mm-no", Subsystems::MM, Matter::KernelInterface, Opinion::Nak)]);
    let around = Surroundings { interfaces: Some(&[]), ..Surroundings::CANNOT_TELL };
    let target = Facts { surroundings: around, ..device() };
    let told = through(INJECT_POISON, &[], &target, |mut ask| {
        ask.tables.ground = &[POISON_GROUND];
        ask.tables.stances = naks;
        // The owner set the missing interface aside, but not the Nak.
        ask.standing.grants.set_aside = SetAside::NO_INTERFACE;
        ask.told()
    });
    told.is_refused_with(Code::Nak);
}

#[test]
fn a_nak_of_whoever_drives_the_target_binds_what_is_carried_to_it() {
    let naks = forever([stance("netdev-no", Subsystems::NETDEV, Matter::Opaque, Opinion::Nak)]);
    let around = crate::bench::driven_by(Subsystems::NETDEV, &[]);
    let target = Facts { surroundings: around, ..device() };
    let told = through(AT_ONCE, &[], &target, |mut ask| {
        ask.tables.stances = naks;
        ask.told()
    });
    told.is_refused_with(Code::Nak);
    let told = through(0x0400, &[], &target, |mut ask| {
        ask.tables.stances = naks;
        ask.told()
    });
    told.is_allowed();
}

/// Tables in which the tunnel itself is a cited read, so that only its load can ask for more.
fn tunnel_is_a_read() -> Tables<'static> {
    let mut rows = crate::bench::FLOORS;
    for row in rows.iter_mut().filter(|row| row.opcode == TUNNEL) {
        *row = FloorRow { opcode: TUNNEL, ..crate::common::READ };
    }
    Tables { cxl: forever(rows), ..TABLES }
}

#[test]
fn a_tunnel_that_is_a_read_does_not_make_its_load_one() {
    let tables = tunnel_is_a_read();
    let ask = |opcode, named| {
        through(opcode, &[0; 9], &device(), |mut ask| {
            ask.tables = tables;
            ask.standing.path.kind = PathKind::Memdev;
            ask.standing.path.admits_caller = false;
            ask.standing.grants.named_action = named;
            ask.told()
        })
    };
    let told = ask(0x0200, false);
    told.is_allowed();
    assert!(!told.obliges.unwrap().durable);
    ask(SET_PARTITION, false).is_refused_with(Code::RightMissing);
    let told = ask(SET_PARTITION, true);
    told.is_allowed();
    assert!(told.obliges.unwrap().durable);
}

#[test]
fn a_kernel_route_does_not_excuse_security_state_in_a_tunnel() {
    // The tunnel itself goes by its own interface, and that is there.
    let by = |opcode| {
        through(opcode, &[], &device(), |mut ask| {
            ask.tables.ground = forever([by_security(Protocol::Cxl, TUNNEL)]);
            ask.facts.surroundings.interfaces = Some(&["security"]);
            ask.route = Route::Kernel("security");
            ask.told()
        })
    };
    by(0x0400).is_allowed();
    assert_eq!(by(SECURITY).refuses, [(1, Code::SecurityState)]);
}

#[test]
fn the_interface_of_a_carried_command_is_no_kernel_route_for_the_tunnel() {
    let told = through(INJECT_POISON, &[], &device(), |mut ask| {
        ask.tables.ground = &[POISON_GROUND];
        ask.facts.surroundings.interfaces = Some(&["debugfs"]);
        ask.route = Route::Kernel("debugfs");
        ask.told()
    });
    assert_eq!(told.refuses, [(0, Code::WrongInterface)]);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! fwctl's families: what the kernel's drivers for mlx5, bnxt and pds refuse, fwgate refuses; what
//! they pass, it passes, or the row says why not.
//!
//! The drivers are modelled here by hand, apart from the rows: `families/drivers.rs` lists their
//! switch arms.
//!
//! *Not here*: agreement on CXL (`agreement.rs`); bytes (`fwgate_wire::fwctl`).

mod common;
#[path = "families/drivers.rs"]
mod drivers;
#[path = "families/tighten.rs"]
mod tighten;

use std::collections::BTreeSet;

use common::{almighty, quiet_device};
use drivers::{
    BNXT_CONFIGURATION, BNXT_DEBUG_READ, BNXT_DEBUG_WRITE, BNXT_DEBUG_WRITE_FULL, BNXT_DMA,
    MLX5_CONFIGURATION, MLX5_DEBUG_READ, MLX5_DEBUG_WRITE, MLX5_REGISTERS,
};
use fwgate_policy::facts::{OperationFacts, Surroundings};
use fwgate_policy::tables::{Classes, Kind};
use fwgate_policy::{
    Capabilities, Code, Command, Disclosure, Facts, Grants, Judgement, Known, Lockdown, Operand,
    PathKind, Protocol, Question, Right, Route, Scope, SetAside, Standing, Subsystems, Tables,
    Verdict, judge,
};
use fwgate_wire::fwctl::bnxt::OWN_FUNCTION;
use fwgate_wire::fwctl::table::{self, DmaDirection, DmaLength, Family};

const BUILTIN: Tables<'static> = Tables::BUILTIN;
const FUNC_RESET: u16 = 0x0011;
const NVM_SET_VARIABLE: u16 = 0xFFF2;
const QUERY_HCA_CAP: u16 = 0x0100;
const ACCESS_REGISTER_USER: u16 = 0x0B0C;

/// A device of a family that nobody drives.
fn device() -> Facts<'static> {
    Facts { class: Classes::empty(), credible: false, ..quiet_device() }
}

fn at(scope: Scope) -> Standing {
    Standing { asked: Some(scope), ..almighty() }
}

fn asked<T>(
    command: Command<'_>,
    facts: &Facts<'_>,
    standing: &Standing,
    look: impl FnOnce(&Judgement<'_>) -> T,
) -> T {
    let route = Route::Firmware;
    look(&judge(&Question { command, route, facts, tables: &BUILTIN, standing }))
}

fn allowed(judgement: &Judgement<'_>) -> bool {
    matches!(judgement.verdict, Verdict::Allow(_))
}

/// A well-formed payload of a bnxt command: buffers of 16 units where it has some.
fn bnxt_payload(req_type: u16) -> Vec<u8> {
    let Some(row) = table::by_opcode(Family::Bnxt, req_type) else { return vec![0; 8] };
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
    payload.resize(payload.len() + read, 0xA5);
    payload
}

fn bnxt(req_type: u16, payload: &[u8]) -> Command<'_> {
    Command::Bnxt { req_type, target_id: OWN_FUNCTION, payload }
}

/// What the kernel's driver asks, told by its switch; `None` where it refuses always.
fn mlx5_driver(opcode: u16, op_mod: u16) -> Option<Scope> {
    match opcode {
        _ if MLX5_CONFIGURATION.contains(&opcode) => Some(Scope::Configuration),
        _ if MLX5_REGISTERS.contains(&opcode) && op_mod == 0 => Some(Scope::Configuration),
        _ if MLX5_REGISTERS.contains(&opcode) => Some(Scope::DebugRead),
        _ if MLX5_DEBUG_READ.contains(&opcode) => Some(Scope::DebugRead),
        _ if MLX5_DEBUG_WRITE.contains(&opcode) => Some(Scope::DebugWrite),
        _ => None,
    }
}

fn bnxt_driver(req_type: u16) -> Option<Scope> {
    match req_type {
        _ if BNXT_CONFIGURATION.contains(&req_type) => Some(Scope::Configuration),
        _ if BNXT_DEBUG_READ.contains(&req_type) => Some(Scope::DebugRead),
        _ if BNXT_DEBUG_WRITE.contains(&req_type) => Some(Scope::DebugWrite),
        _ if BNXT_DEBUG_WRITE_FULL.contains(&req_type) => Some(Scope::DebugWriteFull),
        _ => None,
    }
}

fn pds_driver(attribute: u8) -> Scope {
    match attribute {
        0x00 | 0x04 | 0x10 => Scope::Configuration,
        0x02 => Scope::DebugRead,
        0x08 => Scope::DebugWrite,
        _ => Scope::DebugWriteFull,
    }
}

/// Held against the driver: never wider; narrower only where the row says why. Answers whether it was
/// narrower at any scope.
fn held_against(driver: Option<Scope>, command: Command<'_>, facts: &Facts<'_>) -> bool {
    let mut narrower = false;
    for scope in Scope::ALL {
        let theirs = driver.is_some_and(|least| scope >= least);
        asked(command, facts, &at(scope), |told| {
            let place = format!("{command:?} at {scope}: {:?}", told.reasons);
            assert!(theirs || !allowed(told), "fwgate sends what the driver refuses: {place}");
            if theirs && !allowed(told) {
                narrower = true;
                assert!(told.class.raised.is_some_and(|why| !why.is_empty()), "{place}");
                assert!(told.reasons.refuses_with(Code::ScopeTooLow), "{place}");
                let says = told.reasons.iter().any(|it| it.code == Code::AboveDriver);
                assert!(says, "{place}");
            }
        });
    }
    // With nothing asked for, the lowest that suffices is what it is sent with.
    asked(command, facts, &almighty(), |told| {
        assert_eq!(allowed(told), driver.is_some(), "{command:?}: {:?}", told.reasons);
        if let Some(driver) = driver {
            assert_eq!(told.granted, Some(told.required), "{command:?}");
            assert!(told.required >= driver, "{command:?}");
        }
    });
    narrower
}

#[test]
fn the_rows_are_the_switch_arms_of_the_kernels_drivers() {
    let of = |rows: &[fwgate_policy::tables::FloorRow]| {
        rows.iter().map(|row| row.opcode).collect::<BTreeSet<u16>>()
    };
    let mlx5: BTreeSet<u16> =
        [&MLX5_CONFIGURATION[..], &MLX5_REGISTERS, &MLX5_DEBUG_READ, &MLX5_DEBUG_WRITE]
            .concat()
            .into_iter()
            .collect();
    let bnxt: BTreeSet<u16> =
        [&BNXT_CONFIGURATION[..], &BNXT_DEBUG_READ, &BNXT_DEBUG_WRITE, &BNXT_DEBUG_WRITE_FULL]
            .concat()
            .into_iter()
            .collect();
    assert_eq!((mlx5.len(), bnxt.len()), (11 + 2 + 80 + 1, 17 + 77 + 7 + 3));
    assert_eq!(of(BUILTIN.families.mlx5), mlx5);
    assert_eq!(of(BUILTIN.families.bnxt), bnxt);
    let with_buffers: BTreeSet<u16> =
        table::BNXT.iter().filter(|row| !row.dma.is_empty()).map(|row| row.opcode).collect();
    assert_eq!(with_buffers, BNXT_DMA.into_iter().collect());
}

#[test]
fn no_mlx5_command_is_sent_that_the_driver_refuses_and_what_is_narrower_says_why() {
    let facts = device();
    let mut raised = BTreeSet::new();
    for opcode in 0..=u16::MAX {
        for op_mod in [0, 1, 2, 0xFFFF] {
            for first in [0, 0x80] {
                let mut payload = [0; 32];
                (payload[0], payload[0x10]) = (first, first);
                let command = Command::Mlx5 { opcode, op_mod, payload: &payload };
                if held_against(mlx5_driver(opcode, op_mod), command, &facts) {
                    raised.insert(opcode);
                }
            }
        }
    }
    let expected = [0x0109, 0x0731, 0x0770, 0x0773, 0x0805, 0x0823, 0x0826, 0x093B, 0x0B0C, 0x0B2E];
    assert_eq!(raised, expected.into_iter().collect());
}

#[test]
fn no_bnxt_command_is_sent_that_the_driver_refuses_and_what_is_narrower_says_why() {
    let facts = device();
    let mut raised = BTreeSet::new();
    for req_type in 0..=u16::MAX {
        let payload = bnxt_payload(req_type);
        if held_against(bnxt_driver(req_type), bnxt(req_type, &payload), &facts) {
            raised.insert(req_type);
        }
    }
    let expected = [
        // Resets, erases and what hides an image, in the driver's lowest scope.
        0x0011, 0x0025, 0x00C0, 0x00C3, 0xFF15, 0xFF16, 0xFFEC, 0xFFEE, 0xFFF7, 0xFFF8,
        // Changes behind a read.
        0x00D5, 0x00D9, 0x0203, 0x0232, 0xFF0E, 0xFF18, 0xFF25, 0xFF2E,
    ];
    assert_eq!(raised, expected.into_iter().collect());
}

#[test]
fn no_pds_operation_is_sent_that_the_driver_refuses_and_what_is_narrower_says_why() {
    let mut raised = BTreeSet::new();
    for attribute in 0..=u8::MAX {
        let list = [OperationFacts { endpoint: 1, operation: 0x0002_0007, attribute }];
        let facts = Facts { operations: Some(&list), ..device() };
        for (endpoint, operation, listed) in [
            (1, 0x0002_0007, true),
            (1, 0x0000_0007, true),
            (1, 0x0003_0007, false),
            (1, 0x0002_0008, false),
            (2, 0x0002_0007, false),
        ] {
            let command = Command::Pds { endpoint, operation, payload: &[] };
            let driver = listed.then(|| pds_driver(attribute));
            if held_against(driver, command, &facts) {
                raised.insert(attribute);
            }
        }
    }
    assert_eq!(raised, [0x00, 0x04, 0x10].into_iter().collect());
}

#[test]
fn of_two_entries_for_one_pds_operation_the_stricter_counts() {
    let entry = |operation, attribute| OperationFacts { endpoint: 1, operation, attribute };
    let command = Command::Pds { endpoint: 1, operation: 7, payload: &[] };
    for list in [[entry(7, 0x02), entry(0x0001_0007, 0x40)], [entry(7, 0x40), entry(7, 0x02)]] {
        let facts = Facts { operations: Some(&list), ..device() };
        asked(command, &facts, &almighty(), |told| {
            assert_eq!(told.required, Scope::DebugWriteFull, "{list:?}");
        });
    }
}

#[test]
fn a_pds_operation_of_which_the_list_is_not_known_asks_for_everything_and_the_owners_line() {
    let command = Command::Pds { endpoint: 1, operation: 7, payload: &[1] };
    asked(command, &device(), &almighty(), |told| {
        assert!(allowed(told) && told.class.opaque, "{:?}", told.reasons);
        assert_eq!(told.granted, Some(Scope::DebugWriteFull));
    });
    let mut standing = almighty();
    standing.grants.opaque = None;
    asked(command, &device(), &standing, |told| {
        let line = Operand::Right(Right::OwnerLine);
        assert!(told.reasons.iter().any(|it| it.operand == line), "{:?}", told.reasons);
    });
}

#[test]
fn a_command_that_the_driver_does_not_know_is_unreported() {
    let payload = [0; 24];
    for command in [
        // CREATE_MKEY, FUNC_CFG, and numbers of nothing.
        Command::Mlx5 { opcode: 0x0200, op_mod: 0, payload: &payload },
        Command::Mlx5 { opcode: 0xFFFF, op_mod: 0, payload: &payload },
        bnxt(0x0017, &payload),
        bnxt(0x8000, &payload),
    ] {
        asked(command, &device(), &almighty(), |told| {
            assert!(told.reasons.refuses_with(Code::Unreported), "{command:?}");
            assert_eq!(told.required, Scope::DebugWriteFull, "{command:?}");
        });
    }
}

#[test]
fn what_the_drivers_let_through_unseen_is_malformed_here() {
    let mut with_address = bnxt_payload(NVM_SET_VARIABLE);
    with_address[3] = 1;
    let long = [0; 113];
    let mut longer = bnxt_payload(NVM_SET_VARIABLE);
    longer.push(0);
    let reset = bnxt_payload(FUNC_RESET);
    for (command, says) in [
        // Another target: a virtual function, function 0, the processors of the device.
        (Command::Bnxt { req_type: FUNC_RESET, target_id: 0, payload: &reset }, "another target"),
        (Command::Bnxt { req_type: FUNC_RESET, target_id: 5, payload: &reset }, "another target"),
        (Command::Bnxt { req_type: 0, target_id: 0xFFF9, payload: &reset }, "another target"),
        (Command::Bnxt { req_type: 0, target_id: 0xFFFD, payload: &reset }, "another target"),
        (bnxt(NVM_SET_VARIABLE, &with_address), "an address of the caller's own"),
        (bnxt(NVM_SET_VARIABLE, &longer), "the data for the device"),
        // Bits that the driver ignores make one operation act as another.
        (Command::Pds { endpoint: 1, operation: 0x0100_0007, payload: &[] }, "bits 31:24"),
    ] {
        asked(command, &device(), &almighty(), |told| {
            let headline = told.reasons.headline().unwrap();
            assert_eq!(headline.code, Code::Malformed, "{command:?}");
            assert!(
                matches!(headline.operand, Operand::Rule(rule) if rule.contains(says)),
                "{command:?}: {headline:?}"
            );
        });
    }
    for command in [
        Command::Mlx5 { opcode: QUERY_HCA_CAP, op_mod: 0, payload: &[0; 7] },
        Command::Mlx5 { opcode: 0xFFFF, op_mod: 0, payload: &[0; 7] },
        bnxt(FUNC_RESET, &long),
        bnxt(0x1234, &long),
    ] {
        asked(command, &device(), &almighty(), |told| {
            assert!(told.reasons.refuses_with(Code::Malformed), "{command:?}");
        });
    }
}

#[test]
fn resets_and_erases_ask_for_the_highest_scope_whatever_the_driver_says() {
    for (req_type, name) in [
        (0x0011, "FUNC_RESET"),
        (0x00C0, "FW_RESET"),
        (0xFFEE, "NVM_FACTORY_DEFAULTS"),
        (0xFFF7, "NVM_ERASE_DIR_ENTRY"),
        (0xFF15, "DBG_ERASE_NVM"),
        (0xFF16, "DBG_CFG"),
    ] {
        assert_eq!(table::by_opcode(Family::Bnxt, req_type).map(|row| row.name), Some(name));
        let payload = bnxt_payload(req_type);
        asked(bnxt(req_type, &payload), &device(), &almighty(), |told| {
            assert_eq!(told.class.driver, Some(Scope::Configuration), "{name}");
            assert_eq!(told.required, Scope::DebugWriteFull, "{name}");
            assert!(told.would_taint, "{name}");
        });
        // The right that goes with it.
        let mut standing = almighty();
        standing.capabilities = Capabilities { sys_admin: true, sys_rawio: false };
        standing.path.admits_caller = true;
        asked(bnxt(req_type, &payload), &device(), &standing, |told| {
            let right = Operand::Right(Right::CapSysRawio);
            assert!(told.reasons.iter().any(|it| it.operand == right), "{name}");
        });
    }
}

#[test]
fn a_setting_that_waits_for_a_reset_stays_in_the_drivers_scope_and_taints_nothing() {
    let payload = bnxt_payload(NVM_SET_VARIABLE);
    asked(bnxt(NVM_SET_VARIABLE, &payload), &device(), &almighty(), |told| {
        assert_eq!(told.granted, Some(Scope::Configuration));
        assert!(!told.would_taint && told.class.changes());
        assert_eq!(told.class.kind, Kind::Administration);
    });
    // It is no read: who is not let in at the node needs a permit that names it.
    let mut standing = almighty();
    standing.path.admits_caller = false;
    standing.grants = Grants { may_see: Disclosure::Secret, ..Grants::NONE };
    asked(bnxt(NVM_SET_VARIABLE, &payload), &device(), &standing, |told| {
        let right = Operand::Right(Right::PathOrNamedPermit);
        assert!(told.reasons.iter().any(|it| it.operand == right), "{:?}", told.reasons);
    });
}

#[test]
fn a_read_of_the_own_function_shows_less_than_one_of_another() {
    let other = |first| {
        let mut payload = [0; 8];
        payload[0] = first;
        let command = Command::Mlx5 { opcode: QUERY_HCA_CAP, op_mod: 0, payload: &payload };
        asked(command, &device(), &almighty(), |told| (told.discloses, told.required))
    };
    assert_eq!(other(0x00), (Disclosure::Identity, Scope::Configuration));
    assert_eq!(other(0x80), (Disclosure::OthersObjects, Scope::Configuration));
    let fid = |fid: u16| {
        let mut payload = [0; 8];
        payload[..2].copy_from_slice(&fid.to_le_bytes());
        asked(bnxt(0x0016, &payload), &device(), &almighty(), |told| told.discloses)
    };
    assert_eq!(fid(OWN_FUNCTION), Disclosure::Health);
    assert_eq!(fid(3), Disclosure::OthersObjects);
}

#[test]
fn reading_counters_is_a_read_and_clearing_them_is_not() {
    for (opcode, offset) in [(0x0770, 0x18), (0x0773, 0x18), (0x0826, 8), (0x093B, 0x18)] {
        let ask = |byte| {
            let mut payload = [0; 24];
            payload[offset - 8] = byte;
            let command = Command::Mlx5 { opcode, op_mod: 0, payload: &payload };
            asked(command, &device(), &almighty(), |told| {
                (told.class.is_sourced_read(), told.required)
            })
        };
        assert_eq!(ask(0), (true, Scope::DebugRead), "{opcode:#06x}");
        assert_eq!(ask(0x80), (false, Scope::DebugWrite), "{opcode:#06x}");
    }
    // A mailbox that ends before the bit may be either, and counts as the worse.
    let command = Command::Mlx5 { opcode: 0x0773, op_mod: 0, payload: &[0; 8] };
    asked(command, &device(), &almighty(), |told| assert_eq!(told.required, Scope::DebugWrite));
}

#[test]
fn sourced_reads_up_to_health_need_no_capability_and_no_grant() {
    let reader = Standing {
        capabilities: Capabilities::default(),
        grants: Grants { may_see: Disclosure::Health, ..Grants::NONE },
        path: fwgate_policy::Path { admits_caller: false, ..almighty().path },
        ..almighty()
    };
    let own = [0xFF; 8];
    for command in [
        Command::Mlx5 { opcode: QUERY_HCA_CAP, op_mod: 0, payload: &[0; 8] },
        Command::Mlx5 { opcode: 0x0773, op_mod: 0, payload: &[0; 24] },
        bnxt(0x0000, &[1, 10, 3, 0, 0, 0, 0, 0]),
        bnxt(0x0016, &own),
        bnxt(0x00E0, &[]),
    ] {
        asked(command, &device(), &reader, |told| {
            assert!(allowed(told), "{command:?}: {:?}", told.reasons);
        });
    }
    for command in [
        // Queue pairs of others; a dump; a change.
        Command::Mlx5 { opcode: 0x050B, op_mod: 0, payload: &[0; 8] },
        bnxt(0xFFFD, &bnxt_payload(0xFFFD)),
        bnxt(0x0025, &[0; 8]),
    ] {
        asked(command, &device(), &reader, |told| assert!(!allowed(told), "{command:?}"));
    }
}

#[test]
fn a_stranger_changes_nothing_on_any_family() {
    let stranger = Standing {
        capabilities: Capabilities::default(),
        grants: Grants { may_see: Disclosure::Health, ..Grants::NONE },
        path: fwgate_policy::Path { admits_caller: false, ..almighty().path },
        ..almighty()
    };
    for row in BUILTIN.families.mlx5 {
        for (op_mod, byte) in [(0, 0), (1, 0), (0, 0x80), (7, 0xFF)] {
            let command = Command::Mlx5 { opcode: row.opcode, op_mod, payload: &[byte; 24] };
            asked(command, &device(), &stranger, |told| {
                assert!(!allowed(told) || told.class.is_sourced_read(), "{command:?}");
            });
        }
    }
    for row in BUILTIN.families.bnxt {
        let payload = bnxt_payload(row.opcode);
        asked(bnxt(row.opcode, &payload), &device(), &stranger, |told| {
            assert!(!allowed(told) || told.class.is_sourced_read(), "{:#06x}", row.opcode);
        });
    }
}

fn driven(interfaces: &'static [&'static str]) -> Facts<'static> {
    let surroundings = Surroundings {
        driven: Known::Yes,
        drivers: Subsystems::NETDEV | Subsystems::RDMA,
        interfaces: Some(interfaces),
        ..Surroundings::DRIVEN_BY_NOBODY
    };
    Facts { surroundings, ..device() }
}

#[test]
fn a_reset_under_a_driver_goes_by_the_kernels_own_interface_or_not_at_all() {
    let payload = bnxt_payload(FUNC_RESET);
    let command = bnxt(FUNC_RESET, &payload);
    asked(command, &driven(&["devlink-reload"]), &almighty(), |told| {
        assert_eq!(told.verdict, Verdict::Redirect);
        assert_eq!(told.reasons.headline().map(|it| it.code), Some(Code::KernelOwned));
    });
    asked(command, &driven(&[]), &almighty(), |told| {
        assert!(told.reasons.refuses_with(Code::KernelOwnedNoInterface));
    });
    let mut standing = almighty();
    standing.grants.set_aside = SetAside::NO_INTERFACE;
    asked(command, &driven(&[]), &standing, |told| assert!(allowed(told), "{:?}", told.reasons));
    // And what cannot be told counts as driven.
    let facts = Facts { surroundings: Surroundings::CANNOT_TELL, ..device() };
    asked(command, &facts, &almighty(), |told| assert!(!allowed(told)));
}

/// A register access: op_mod and register number.
fn register(op_mod: u16, register: u16, facts: &Facts<'_>) -> Vec<(Code, &'static str)> {
    let mut payload = [0; 24];
    payload[2..4].copy_from_slice(&register.to_be_bytes());
    let command = Command::Mlx5 { opcode: ACCESS_REGISTER_USER, op_mod, payload: &payload };
    asked(command, facts, &almighty(), |told| {
        told.reasons
            .iter()
            .filter(|it| it.level > fwgate_policy::Level::Note)
            .map(|it| match it.operand {
                Operand::Owner { interface: Some(row), .. } => (it.code, row.key),
                _ => (it.code, ""),
            })
            .collect()
    })
}

#[test]
fn writing_a_register_that_the_network_driver_has_an_interface_for_is_redirected_by_register() {
    const ALL: &[&str] = &["devlink-flash", "devlink-reload", "netdev-dcb", "netdev-ethtool"];
    let facts = driven(ALL);
    for (number, key) in [
        (0x5004, "netdev-ethtool"),
        (0x5006, "netdev-ethtool"),
        (0x4005, "netdev-dcb"),
        (0x9028, "devlink-reload"),
        (0x9063, "devlink-flash"),
    ] {
        assert_eq!(register(0, number, &facts), [(Code::KernelOwned, key)], "{number:#06x}");
        // Reading it disturbs nobody; neither does writing it where the interface is not there.
        assert_eq!(register(1, number, &facts), [], "{number:#06x}");
        assert_eq!(register(0, number, &driven(&[])), [], "{number:#06x}");
    }
    // MNVDA: settings that wait for a reset, which the kernel has no interface for.
    assert_eq!(register(0, 0x9024, &facts), []);
    // An op_mod that is neither may be a write.
    assert_eq!(register(9, 0x5004, &facts), [(Code::KernelOwned, "netdev-ethtool")]);
}

#[test]
fn the_networks_nak_binds_opaque_pds_operations_and_not_the_drivers_own_tables() {
    let list = [OperationFacts { endpoint: 1, operation: 7, attribute: 0x02 }];
    let facts = Facts { operations: Some(&list), ..driven(&[]) };
    let command = Command::Pds { endpoint: 1, operation: 7, payload: &[] };
    asked(command, &facts, &almighty(), |told| {
        assert!(told.reasons.refuses_with(Code::Nak), "{:?}", told.reasons);
        assert!(told.reasons.refuses_with(Code::SharedGround), "{:?}", told.reasons);
    });
    let read = Command::Mlx5 { opcode: QUERY_HCA_CAP, op_mod: 0, payload: &[0; 8] };
    asked(read, &facts, &almighty(), |told| assert!(allowed(told), "{:?}", told.reasons));
}

#[test]
fn lockdown_leaves_what_the_kernels_driver_checks_for_itself() {
    // fwctl is made to be lockdown-compatible; dumps are not for confidentiality.
    let reset = bnxt_payload(FUNC_RESET);
    let dump = bnxt_payload(0xFFFD);
    for (level, dumps) in [(Lockdown::Integrity, true), (Lockdown::Confidentiality, false)] {
        let standing = Standing { lockdown: level, ..almighty() };
        asked(bnxt(FUNC_RESET, &reset), &device(), &standing, |told| assert!(allowed(told)));
        asked(bnxt(0xFFFD, &dump), &device(), &standing, |told| {
            assert_eq!(allowed(told), dumps, "{level:?}");
            assert_eq!(told.reasons.refuses_with(Code::Lockdown), !dumps, "{level:?}");
        });
    }
}

#[test]
fn on_an_emulated_device_no_capability_is_asked_for() {
    let mut standing = almighty();
    standing.capabilities = Capabilities::default();
    standing.path.kind = PathKind::Emulated;
    let payload = bnxt_payload(FUNC_RESET);
    asked(bnxt(FUNC_RESET, &payload), &device(), &standing, |told| {
        assert!(allowed(told) && !told.would_taint);
        assert_eq!(told.granted, Some(Scope::DebugWriteFull));
    });
}

#[test]
fn a_vendors_book_is_no_way_to_make_a_family_command_known() {
    for row in BUILTIN.vendor {
        let command = bnxt(row.opcode, &[0; 8]);
        let facts = Facts { vendor: row.device.vendor.unwrap_or(0), ..device() };
        asked(command, &facts, &almighty(), |told| {
            assert!(told.reasons.refuses_with(Code::Unreported), "{}", row.name);
            assert_eq!(told.class.protocol, Protocol::Bnxt);
        });
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold for the compiled-in rows, whatever they are, so that the judge can rely on them.
//!
//! *Not here*: whether a row is right; that is its source's matter.

mod common;

use common::{NO_ROWS, READ, almighty, quiet_device};
use fwgate_policy::facts::{ReportedRow, Surroundings};
use fwgate_policy::tables::{FloorRow, Kind, SelectorRow};
use fwgate_policy::{
    Code, Command, Confidence, Facts, Protocol, Question, Reported, Route, Tables, Verdict, judge,
};

const BUILTIN: Tables<'static> = Tables::BUILTIN;

fn floors() -> impl Iterator<Item = &'static FloorRow> {
    let families = BUILTIN.families.mlx5.iter().chain(BUILTIN.families.bnxt);
    BUILTIN.cxl.iter().chain(BUILTIN.nvme_admin).chain(BUILTIN.nvme_io).chain(families)
}

fn operations() -> impl Iterator<Item = &'static SelectorRow> {
    let vendor = BUILTIN.vendor.iter().flat_map(|row| row.operations);
    let families = BUILTIN.families.mlx5_selectors.iter().chain(BUILTIN.families.bnxt_selectors);
    BUILTIN.cxl_selectors.iter().chain(BUILTIN.nvme_selectors).chain(families).chain(vendor)
}

#[test]
fn every_slice_is_sorted_by_its_key_so_that_it_can_be_searched() {
    let families = BUILTIN.families;
    for rows in [BUILTIN.cxl, BUILTIN.nvme_admin, BUILTIN.nvme_io, families.mlx5, families.bnxt] {
        assert!(rows.is_sorted_by(|a, b| a.opcode < b.opcode));
    }
    for rows in [
        BUILTIN.cxl_selectors,
        BUILTIN.nvme_selectors,
        families.mlx5_selectors,
        families.bnxt_selectors,
    ] {
        assert!(rows.is_sorted_by(|a, b| (a.opcode, a.selector) < (b.opcode, b.selector)));
    }
    let key = |row: &fwgate_policy::tables::ScopeRow| (row.protocol, row.opcode, row.selector);
    assert!(families.scopes.is_sorted_by(|a, b| key(a) < key(b)));
    assert!(families.pds_attributes.is_sorted_by(|a, b| a.value < b.value));
    assert!(BUILTIN.ground.is_sorted_by_key(|row| (row.protocol, row.opcode)));
    assert!(BUILTIN.interfaces.is_sorted_by(|a, b| a.key < b.key));
    assert!(BUILTIN.vendor.is_sorted_by_key(|row| row.opcode));
}

#[test]
fn every_row_names_its_source_and_a_read_is_cited_and_without_effects() {
    for row in floors() {
        assert!(!row.source.is_empty(), "{:#06x}", row.opcode);
        let well =
            row.kind != Kind::Read || row.confidence == Confidence::Cited && row.effects.is_empty();
        assert!(well, "{:#06x} is a read", row.opcode);
        let unknown = row.confidence == Confidence::Unknown;
        assert!(!unknown || row.effects.is_empty(), "{:#06x} is unknown", row.opcode);
    }
    for row in operations() {
        assert!(!row.source.is_empty(), "{:#06x} {}", row.opcode, row.name);
        let well = row.kind != Kind::Read || row.effects.is_empty();
        assert!(well, "{:#06x} {} is a read", row.opcode, row.name);
    }
    assert!(BUILTIN.ground.iter().all(|row| !row.source.is_empty()));
}

#[test]
fn every_selector_row_fits_the_field_that_its_command_has() {
    for (protocol, rows, floors) in [
        (Protocol::Cxl, BUILTIN.cxl_selectors, BUILTIN.cxl),
        (Protocol::NvmeAdmin, BUILTIN.nvme_selectors, BUILTIN.nvme_admin),
        (Protocol::Mlx5, BUILTIN.families.mlx5_selectors, BUILTIN.families.mlx5),
        (Protocol::Bnxt, BUILTIN.families.bnxt_selectors, BUILTIN.families.bnxt),
    ] {
        for row in rows {
            let field = floors.iter().find(|it| it.opcode == row.opcode).and_then(|it| it.selector);
            let len = field.map(|field| usize::from(field.len));
            assert_eq!(len, Some(row.selector.as_bytes().len()), "{protocol:?} {row:?}");
        }
    }
    for row in BUILTIN.ground.iter().filter(|row| row.selector.is_some()) {
        let field = BUILTIN.floor(row.protocol, row.opcode).and_then(|it| it.selector);
        let len = field.map(|field| usize::from(field.len));
        assert_eq!(len, row.selector.map(|it| it.as_bytes().len()), "{row:?}");
    }
}

#[test]
fn every_interface_that_a_ground_row_names_exists() {
    for row in BUILTIN.ground {
        if let Some(key) = row.interface {
            assert!(BUILTIN.interface(key).is_some(), "{key}");
        }
    }
}

#[test]
fn no_compiled_in_row_lets_a_stranger_change_anything() {
    // Every command of the tables, reported without effects, by someone who holds nothing.
    let mut asked = 0;
    for (protocol, rows) in
        [(Protocol::Cxl, BUILTIN.cxl), (Protocol::NvmeAdmin, BUILTIN.nvme_admin)]
    {
        for row in rows {
            let reported =
                [ReportedRow { opcode: row.opcode, word: u32::from(protocol != Protocol::Cxl) }];
            let facts = Facts {
                reported: Reported::new(&reported).unwrap(),
                surroundings: Surroundings::CANNOT_TELL,
                ..quiet_device()
            };
            let payload = vec![0; row.input_min.unwrap_or(0) as usize];
            let command = match protocol {
                Protocol::Cxl => Command::Cxl { opcode: row.opcode, payload: &payload },
                _ => Command::NvmeAdmin {
                    opcode: u8::try_from(row.opcode).unwrap(),
                    nsid: 1,
                    cdw: [0; 6],
                    data: &payload,
                },
            };
            let mut standing = almighty();
            standing.capabilities = fwgate_policy::Capabilities::default();
            standing.path.admits_caller = false;
            standing.grants = fwgate_policy::Grants {
                may_see: fwgate_policy::Disclosure::Health,
                ..fwgate_policy::Grants::NONE
            };
            let told = judge(&Question {
                command,
                route: Route::Firmware,
                facts: &facts,
                tables: &BUILTIN,
                standing: &standing,
            });
            if matches!(told.verdict, Verdict::Allow(_)) {
                assert!(told.class.is_sourced_read(), "{protocol:?} {:#06x}", row.opcode);
            }
            if row.kind == Kind::Never {
                assert!(told.reasons.refuses_with(Code::NeverSent), "{:#06x}", row.opcode);
            }
            asked += 1;
        }
    }
    println!("{asked} commands asked");
}

#[test]
fn set_features_of_nvme_bars_the_drivers_features_and_not_the_ones_that_nobody_knows() {
    const SET_FEATURES: u16 = 0x09;
    let facts = quiet_device();
    let rows = BUILTIN.nvme_selectors.iter().filter(|row| row.opcode == SET_FEATURES);
    let kind_of = |which| rows.clone().find(|row| row.selector.as_bytes() == [which]);
    let mut kinds = [0; 3];
    for which in 0..=u8::MAX {
        let cdw = [u32::from(which), 0, 0, 0, 0, 0];
        let command = Command::NvmeAdmin { opcode: 0x09, nsid: 0, cdw, data: &[] };
        let told = judge(&Question {
            command,
            route: Route::Firmware,
            facts: &facts,
            tables: &BUILTIN,
            standing: &almighty(),
        });
        let never = kind_of(which).is_some_and(|row| row.kind == Kind::Never);
        assert_eq!(told.class.kind == Kind::Never, never, "{which:#04x}");
        assert_eq!(told.reasons.refuses_with(Code::NeverSent), never, "{which:#04x}");
        if kind_of(which).is_none() {
            assert_eq!(told.class.kind, Kind::Change, "{which:#04x}");
        }
        kinds[usize::from(never) + 2 * usize::from(kind_of(which).is_none())] += 1;
    }
    assert!(kinds.iter().all(|count| *count > 0), "known, never, unknown: {kinds:?}");
    let row = |word| {
        let protocol = Protocol::NvmeAdmin;
        fwgate_policy::classify_row(protocol, SET_FEATURES, word, &facts, &BUILTIN).kind
    };
    assert_eq!((row(0), row(1)), (Kind::Change, Kind::Change));
}

#[test]
fn each_compiled_in_interface_is_a_kernel_route_for_its_own_commands_and_for_no_other() {
    for row in BUILTIN.ground.iter().filter(|row| row.protocol == Protocol::Cxl) {
        let floor = BUILTIN.floor(row.protocol, row.opcode);
        let min = floor.and_then(|it| it.input_min).unwrap_or(0);
        let max = floor.and_then(|it| it.input_max).unwrap_or(u32::MAX);
        let mut payload = vec![0; 64.clamp(min, max) as usize];
        if let (Some(selector), Some(field)) = (row.selector, floor.and_then(|it| it.selector)) {
            let at = usize::from(field.offset);
            payload[at..at + usize::from(field.len)].copy_from_slice(selector.as_bytes());
        }
        let own: Vec<_> = BUILTIN
            .ground_of(row.protocol, row.opcode)
            .iter()
            .filter(|it| it.selector.is_none() || it.selector == row.selector)
            .filter_map(|it| it.interface)
            .collect();
        let keys: Vec<_> = BUILTIN.interfaces.iter().map(|it| it.key).collect();
        let surroundings =
            Surroundings { interfaces: Some(&keys), ..Surroundings::DRIVEN_BY_NOBODY };
        let facts = Facts { surroundings, ..quiet_device() };
        for key in keys.iter().copied() {
            let told = judge(&Question {
                command: Command::Cxl { opcode: row.opcode, payload: &payload },
                route: Route::Kernel(key),
                facts: &facts,
                tables: &BUILTIN,
                standing: &almighty(),
            });
            assert!(!told.reasons.refuses_with(Code::Malformed), "{:#06x}", row.opcode);
            let wrong = told.reasons.refuses_with(Code::WrongInterface);
            assert_eq!(wrong, !own.contains(&key), "{:#06x} by {key}", row.opcode);
        }
    }
}

#[test]
fn a_layer_that_says_nothing_changes_nothing() {
    for row in BUILTIN.cxl {
        let mild = [FloorRow { opcode: row.opcode, ..READ }];
        let later = Tables { cxl: &mild, ..NO_ROWS };
        let with = Tables { more: Some(&later), ..BUILTIN };
        let facts = quiet_device();
        let plain = fwgate_policy::classify_row(Protocol::Cxl, row.opcode, 0, &facts, &BUILTIN);
        let layered = fwgate_policy::classify_row(Protocol::Cxl, row.opcode, 0, &facts, &with);
        assert_eq!(plain, layered, "{:#06x}", row.opcode);
    }
}

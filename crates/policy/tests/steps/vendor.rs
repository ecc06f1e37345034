// SPDX-License-Identifier: MIT OR Apache-2.0
//! Vendor rows, sub-operations, commands that vendor commands carry, and rows loaded at run time.

use fwgate_policy::tables::{
    Carried, DeviceMatch, FloorRow, Kind, Protocol, SelectorField, SelectorRow, VendorRow,
};
use fwgate_policy::{Code, Confidence, Disclosure, Effects, Facts, Scope, Tables};

use crate::bench::{
    AT_ONCE, AT_RESET, Ask, FLOORS, INJECT_POISON, MAINTENANCE, MUX, OPERATIONS, QUIET, SECURITY,
    TABLES, Told, cxl, device, forever, operation,
};
use crate::common::{NO_ROWS, READ};

const ROW: VendorRow<'static> = VendorRow {
    device: DeviceMatch { vendor: Some(0xFFF0), device: Some(0x0C01), firmware: Some("1.*") },
    opcode: MUX,
    name: "mux",
    effects: Effects::empty(),
    discloses: Disclosure::Health,
    selector: Some(SelectorField { offset: 0, len: 2 }),
    operations: &MUXED,
    carries: None,
    source: "test",
};

const MUXED: [SelectorRow; 3] = [
    operation(MUX, 0, Effects::empty(), Kind::Read),
    operation(MUX, 1, Effects::CONFIG_COLD_RESET, Kind::Change),
    operation(MUX, 3, Effects::IMMEDIATE_DATA, Kind::Change),
];

const CARRY: VendorRow<'static> = VendorRow {
    opcode: QUIET,
    selector: None,
    operations: &[],
    carries: Some(Carried { opcode_at: 0, payload_at: 2 }),
    ..ROW
};

fn mux(payload: &[u8]) -> Ask<'_> {
    let mut ask = cxl(MUX, payload);
    ask.tables.vendor = &[ROW];
    ask
}

fn carry(payload: &[u8]) -> Told {
    let mut ask = cxl(QUIET, payload);
    ask.tables.vendor = &[CARRY];
    ask.told()
}

#[test]
fn a_known_sub_operation_of_a_vendor_multiplexer_is_judged_by_its_own_row() {
    let told = mux(&[0, 0]).told();
    told.is_allowed();
    assert_eq!((told.required, told.effects), (Scope::Configuration, Effects::empty()));
    assert_eq!(told.discloses, Disclosure::None);
    assert!(!told.notes.contains(&Code::OwnerLine), "not opaque");
    assert_eq!(mux(&[1, 0]).told().required, Scope::DebugWrite);
    assert_eq!(mux(&[3, 0]).told().required, Scope::DebugWriteFull);
}

#[test]
fn an_unknown_or_unreadable_sub_operation_counts_as_all_of_them() {
    for payload in [&[2, 0][..], &[0, 1], &[0xFF, 0xFF], &[1], &[]] {
        let told = mux(payload).told();
        assert_eq!(
            (told.required, told.effects),
            (Scope::DebugWriteFull, Effects::CONFIG_COLD_RESET | Effects::IMMEDIATE_DATA),
            "{payload:?}"
        );
        assert_eq!(told.discloses, Disclosure::Secret);
    }
}

#[test]
fn an_unknown_sub_operation_of_a_vendor_multiplexer_is_opaque_whichever_layer_knows_it() {
    let book = Tables { vendor: &[ROW], ..NO_ROWS };
    for tables in [Tables { vendor: &[ROW], ..TABLES }, Tables { more: Some(&book), ..TABLES }] {
        for payload in [&[2, 0][..], &[0, 1], &[0xFF, 0xFF], &[1], &[]] {
            let mut ask = Ask { tables, ..cxl(MUX, payload) };
            ask.standing.grants.may_see = Disclosure::Dump;
            let told = ask.told();
            told.is_allowed();
            assert!(told.notes.contains(&Code::OwnerLine), "{payload:?}");
            // Neither the named permit nor any capability stands in for the line.
            ask.standing.grants.opaque = None;
            assert_eq!(
                ask.told().refuses,
                [(0, Code::Discloses), (0, Code::RightMissing)],
                "{payload:?}"
            );
            ask.standing.grants.may_see = Disclosure::Secret;
            ask.told().is_refused_with(Code::RightMissing);
        }
        let mut known = Ask { tables, ..cxl(MUX, &[0, 0]) };
        known.standing.grants.opaque = None;
        known.told().is_allowed();
    }
}

#[test]
fn an_unknown_sub_operation_asks_for_no_less_scope_than_without_the_book() {
    const READS: [SelectorRow; 1] = [operation(MUX, 0, Effects::empty(), Kind::Read)];
    for (credible, required) in [(true, Scope::DebugRead), (false, Scope::DebugWriteFull)] {
        let mut ask = cxl(MUX, &[2, 0]);
        ask.facts.credible = credible;
        assert_eq!(ask.told().required, required);
        ask.tables.vendor = &[VendorRow { operations: &READS, ..ROW }];
        assert_eq!(ask.told().required, required, "the book knows reads only");
        ask.command = cxl(MUX, &[0, 0]).command;
        assert_eq!(ask.told().required, Scope::Configuration);
    }
}

#[test]
fn a_sub_operation_that_is_never_sent_bars_itself_and_not_its_neighbours() {
    const NEVER: SelectorRow = operation(MAINTENANCE, 1, Effects::IMMEDIATE_DATA, Kind::Never);
    const ROWS: [SelectorRow; 2] = [OPERATIONS[0], NEVER];
    let tables = Tables { cxl_selectors: &ROWS, ..TABLES };
    let ask = |payload: &'static [u8]| Ask { tables, ..cxl(MAINTENANCE, payload) }.told();
    ask(&[0, 0]).is_allowed();
    ask(&[1, 0]).is_refused_with(Code::NeverSent);
    // One that no row knows may do all that they do, and is a change.
    let told = ask(&[2, 0]);
    told.is_allowed();
    assert_eq!(told.effects, Effects::IMMEDIATE_DATA);
    assert!(told.obliges.unwrap().durable);
    // One that cannot be read may be the one that is barred.
    ask(&[1]).is_refused_with(Code::NeverSent);
    ask(&[]).is_refused_with(Code::NeverSent);
    // The opcode's row in a log is not barred for one of them.
    let facts = device();
    let row =
        |tables| fwgate_policy::classify_row(Protocol::Cxl, MAINTENANCE, 4, &facts, tables).kind;
    assert_eq!(row(&tables), Kind::Change);
    // An opcode that is never sent stays so, whatever its sub-operations are.
    let mut floors = FLOORS;
    let floor = floors.iter_mut().find(|row| row.opcode == MAINTENANCE).unwrap();
    floor.kind = Kind::Never;
    let barred = Tables { cxl: &floors, ..tables };
    assert_eq!(row(&barred), Kind::Never);
    Ask { tables: barred, ..cxl(MAINTENANCE, &[2, 0]) }.told().is_refused_with(Code::NeverSent);
}

#[test]
fn a_sub_operation_that_a_later_layer_says_is_never_sent_is_not() {
    let tables = Tables {
        cxl_selectors: const { &[operation(MAINTENANCE, 7, Effects::empty(), Kind::Never)] },
        vendor: forever([VendorRow {
            operations: const { &[operation(MUX, 7, Effects::empty(), Kind::Never)] },
            ..ROW
        }]),
        ..NO_ROWS
    };
    for opcode in [MAINTENANCE, MUX] {
        later(&tables, &[7, 0], opcode).is_refused_with(Code::NeverSent);
        later(&tables, &[8, 0], opcode).is_allowed();
        later(&tables, &[0, 0], opcode).is_allowed();
        later(&tables, &[], opcode).is_refused_with(Code::NeverSent);
    }
}

#[test]
fn a_vendor_row_speaks_for_its_device_and_firmware_only() {
    let with = |change: fn(&mut Facts<'_>)| {
        let mut ask = mux(&[0, 0]);
        change(&mut ask.facts);
        ask.standing.grants.opaque = None;
        ask.told()
    };
    with(|_| {}).is_allowed();
    with(|facts| facts.firmware = b"1.7").is_allowed();
    for change in [
        |facts: &mut Facts<'_>| facts.firmware = b"2.0",
        |facts: &mut Facts<'_>| facts.firmware = b"",
        |facts: &mut Facts<'_>| facts.vendor = 1,
        |facts: &mut Facts<'_>| facts.device = 1,
    ] {
        let told = with(change);
        assert_eq!(told.refuses, [(0, Code::RightMissing)], "opaque again");
        assert_eq!(told.discloses, Disclosure::Secret);
    }
}

#[test]
fn a_cited_sub_operation_is_never_below_its_own_row_and_replaces_the_opcodes_report() {
    for bit in Effects::all().iter() {
        let rows = [operation(MAINTENANCE, 0, bit, Kind::Change)];
        let mut ask = cxl(MAINTENANCE, &[0, 0]);
        ask.tables.cxl_selectors = &rows;
        assert_eq!(ask.told().effects, bit);
    }
    // 0600h reports and has as its floor an immediate data change; No Operation has none.
    let told = cxl(MAINTENANCE, &[0, 0]).told();
    assert_eq!((told.effects, told.required), (Effects::empty(), Scope::Configuration));
}

#[test]
fn an_inferred_sub_operation_only_adds() {
    let inferred = SelectorRow {
        confidence: Confidence::Inferred,
        discloses: Disclosure::None,
        ..operation(MAINTENANCE, 0, Effects::IMMEDIATE_LOG, Kind::Read)
    };
    let rows = [inferred];
    let floors = [FloorRow {
        opcode: MAINTENANCE,
        effects: Effects::IMMEDIATE_DATA,
        discloses: Disclosure::Dump,
        selector: Some(SelectorField { offset: 0, len: 2 }),
        kind: Kind::Change,
        ..READ
    }];
    let mut ask = cxl(MAINTENANCE, &[0, 0]);
    ask.tables.cxl = &floors;
    ask.tables.cxl_selectors = &rows;
    let told = ask.told();
    assert_eq!(told.effects, Effects::IMMEDIATE_DATA | Effects::IMMEDIATE_LOG);
    assert_eq!(told.discloses, Disclosure::Dump);
    assert!(told.obliges.unwrap().durable);
}

#[test]
fn a_command_in_a_vendor_command_is_judged_against_the_same_device() {
    let told = carry(&[0x00, 0x04]);
    told.is_allowed();
    assert_eq!(told.discloses, Disclosure::Health);
    let [low, high] = SECURITY.to_le_bytes();
    assert_eq!(carry(&[low, high]).refuses, [(1, Code::SecurityState)]);
    let [low, high] = AT_ONCE.to_le_bytes();
    assert_eq!(carry(&[low, high]).required, Scope::DebugWriteFull);
    assert_eq!(carry(&[0xFF, 0xCF]).refuses, [(1, Code::Unreported)]);
    for short in [&[][..], &[0]] {
        assert_eq!(carry(short).refuses, [(0, Code::TunnelOpaque)]);
    }
}

#[test]
fn a_vendor_command_that_carries_itself_ends_at_the_fifth() {
    let [low, high] = QUIET.to_le_bytes();
    let bytes = [low, high].repeat(200);
    assert_eq!(carry(&bytes).refuses, [(4, Code::TunnelTooDeep)]);
}

fn later(tables: &Tables<'static>, payload: &[u8], opcode: u16) -> Told {
    let mut ask = cxl(opcode, payload);
    ask.tables = Tables { vendor: &[ROW], more: Some(tables), ..TABLES };
    ask.told()
}

#[test]
fn a_floor_loaded_at_run_time_raises_and_never_lowers() {
    let tables = Tables {
        cxl: &[
            FloorRow {
                opcode: 0x0400,
                effects: Effects::IMMEDIATE_DATA,
                discloses: Disclosure::Dump,
                ..READ
            },
            FloorRow { opcode: INJECT_POISON, ..READ },
        ],
        ..NO_ROWS
    };
    let told = later(&tables, &[], 0x0400);
    assert_eq!((told.required, told.discloses), (Scope::DebugWriteFull, Disclosure::Dump));
    let told = later(&tables, &[], INJECT_POISON);
    assert_eq!((told.required, told.effects), (Scope::DebugWriteFull, Effects::IMMEDIATE_DATA));
    assert!(told.obliges.unwrap().durable, "a later row does not make it a read");
}

#[test]
fn a_floor_loaded_at_run_time_leaves_an_opaque_command_opaque() {
    let rows: &[FloorRow] =
        &[FloorRow { opcode: QUIET, ..READ }, FloorRow { opcode: AT_RESET, ..READ }];
    let tables = Tables { cxl: rows, ..NO_ROWS };
    for (opcode, required) in [(QUIET, Scope::DebugRead), (AT_RESET, Scope::DebugWrite)] {
        let told = later(&tables, &[], opcode);
        assert_eq!((told.required, told.discloses), (required, Disclosure::Secret));
        assert!(told.notes.contains(&Code::OwnerLine));
    }
}

#[test]
fn a_floor_loaded_at_run_time_holds_for_every_sub_operation() {
    let tables = Tables {
        cxl: &[FloorRow {
            opcode: MAINTENANCE,
            effects: Effects::IMMEDIATE_LOG,
            discloses: Disclosure::Dump,
            kind: Kind::Never,
            ..READ
        }],
        ..NO_ROWS
    };
    let told = later(&tables, &[0, 0], MAINTENANCE);
    assert_eq!((told.effects, told.discloses), (Effects::IMMEDIATE_LOG, Disclosure::Dump));
    told.is_refused_with(Code::NeverSent);
}

#[test]
fn a_sub_operation_loaded_at_run_time_does_not_replace_a_report() {
    let tables = Tables {
        cxl_selectors: const {
            &[
                operation(MAINTENANCE, 1, Effects::empty(), Kind::Read),
                operation(MAINTENANCE, 7, Effects::IMMEDIATE_LOG, Kind::Read),
                operation(MAINTENANCE, 8, Effects::empty(), Kind::Read),
            ]
        },
        ..NO_ROWS
    };
    assert_eq!(OPERATIONS[1].effects, Effects::IMMEDIATE_DATA);
    for (which, effects) in [
        (1, Effects::IMMEDIATE_DATA),
        // Known to the later layer alone: all that the opcode can do, and that.
        (7, Effects::IMMEDIATE_DATA | Effects::IMMEDIATE_LOG),
        (8, Effects::IMMEDIATE_DATA | Effects::IMMEDIATE_LOG),
    ] {
        let told = later(&tables, &[which, 0], MAINTENANCE);
        assert_eq!((told.effects, told.required), (effects, Scope::DebugWriteFull), "{which}");
    }
}

#[test]
fn a_second_vendor_row_for_a_command_only_adds() {
    let worse = VendorRow {
        effects: Effects::IMMEDIATE_LOG,
        discloses: Disclosure::Dump,
        operations: const { &[operation(MUX, 0, Effects::IMMEDIATE_POLICY, Kind::Change)] },
        ..ROW
    };
    let tables = Tables { vendor: forever([worse]), ..NO_ROWS };
    let told = later(&tables, &[0, 0], MUX);
    assert_eq!(told.effects, Effects::IMMEDIATE_LOG | Effects::IMMEDIATE_POLICY);
    assert_eq!(told.discloses, Disclosure::Dump);
    let milder = VendorRow {
        effects: Effects::empty(),
        operations: const { &[operation(MUX, 3, Effects::empty(), Kind::Read)] },
        ..ROW
    };
    let tables = Tables { vendor: forever([milder]), ..NO_ROWS };
    assert_eq!(later(&tables, &[3, 0], MUX).effects, Effects::IMMEDIATE_DATA);
}

#[test]
fn a_book_installed_at_run_time_names_what_was_opaque() {
    let tables = Tables { vendor: &[ROW], ..NO_ROWS };
    let mut ask = cxl(MUX, &[0, 0]);
    ask.tables = Tables { more: Some(&tables), ..TABLES };
    ask.standing.grants.opaque = None;
    ask.told().is_allowed();
    ask.facts = Facts { firmware: b"2.0", ..device() };
    ask.told().is_refused_with(Code::RightMissing);
}

#[test]
fn a_later_row_that_says_that_a_command_carries_another_makes_it_be_judged() {
    let silent = VendorRow { carries: None, ..CARRY };
    let later = Tables { vendor: &[CARRY], ..NO_ROWS };
    let [low, high] = SECURITY.to_le_bytes();
    let bytes = [low, high];
    let mut ask = cxl(QUIET, &bytes);
    ask.tables = Tables { vendor: forever([silent]), ..TABLES };
    ask.told().is_allowed();
    ask.tables.more = Some(&later);
    assert_eq!(ask.told().refuses, [(1, Code::SecurityState)]);
}

#[test]
fn the_owners_line_does_not_answer_for_a_known_command_that_an_opaque_one_carries() {
    // An unknown sub-operation makes the wrapper opaque; what it carries is known to show health.
    let both = VendorRow {
        selector: Some(SelectorField { offset: 0, len: 2 }),
        operations: &MUXED,
        carries: Some(Carried { opcode_at: 2, payload_at: 4 }),
        ..ROW
    };
    let rows = [both];
    let payload = [9, 0, 0x00, 0x02];
    let mut ask = cxl(MUX, &payload);
    ask.tables.vendor = &rows;
    ask.standing.grants.opaque = Some(Scope::DebugWriteFull);
    ask.standing.grants.may_see = Disclosure::Health;
    ask.told().is_allowed();
    ask.standing.grants.may_see = Disclosure::Identity;
    ask.told().is_refused_with(Code::Discloses);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each step of the judge and each code, one sentence after the other.
//!
//! *Not here*: agreement with Linux (`agreement.rs`), properties over random questions
//! (`monotone.rs`).

#[path = "steps/bench.rs"]
mod bench;
mod common;
#[path = "steps/ground.rs"]
mod ground;
#[path = "steps/rights.rs"]
mod rights;
#[path = "steps/tunnels.rs"]
mod tunnels;
#[path = "steps/vendor.rs"]
mod vendor;

use bench::{
    AT_ONCE, AT_RESET, Ask, CLEAR_LOG, DOWNLOAD, FORMAT, GET_KEY, GET_LOG, IDENTIFY, INJECT_POISON,
    KEEP_ALIVE, LONG, NVME_VENDOR, QUIET, RESERVED, SANITIZE, SECURITY, SET_ALERTS, SET_FEATURE,
    SET_PARTITION, TABLES, Told, by_kernel, cxl, device, nvme,
};
use fwgate_policy::facts::{FeatureFacts, ReportedRow};
use fwgate_policy::tables::{AdvisoryRow, DeviceMatch, FloorRow, Protocol};
use fwgate_policy::{
    Code, Confidence, Disclosure, Effects, Facts, Lockdown, PathKind, Reported, Route, Scope,
    SetAside, Site, Tables,
};

const VENDOR_DEBUG_LOG: [u8; 16] = [
    0x5e, 0x18, 0x19, 0xd9, 0x11, 0xa9, 0x40, 0x0c, 0x81, 0x1f, 0xd6, 0x07, 0x19, 0x40, 0x3d, 0x86,
];

const ADVISORY: AdvisoryRow<'static> = AdvisoryRow {
    key: "FWG-TEST-1",
    device: DeviceMatch { vendor: Some(0xFFF0), device: Some(0x0C01), firmware: Some("1.*") },
    protocol: Protocol::Cxl,
    opcode: Some(AT_ONCE),
    why: "bricks",
    source: "test",
};

fn feature_bytes() -> [u8; 36] {
    let mut bytes = [0; 36];
    bytes[..16].fill(0xAB);
    bytes
}

fn feature(changeable: bool, effects: u16) -> FeatureFacts {
    let flags = u32::from(changeable);
    FeatureFacts { uuid: [0xAB; 16], flags, effects, get_size: 4, set_size: 4 }
}

fn set_feature<'a>(bytes: &'a [u8], features: &'a [FeatureFacts]) -> Ask<'a> {
    let facts = Facts { features: Some(features), ..device() };
    Ask { facts, ..cxl(SET_FEATURE, bytes) }
}

/// One question for each code.
fn example(code: Code) -> Told {
    let bytes = feature_bytes();
    let mut ask = cxl(AT_ONCE, &[]);
    match code {
        Code::Malformed => ask = cxl(SET_PARTITION, &[0; 8]),
        Code::Advisory => ask.tables.advisories = &[ADVISORY],
        Code::Unreported => ask = cxl(0xCFFF, &[]),
        Code::TunnelOpaque => return tunnels::to_nowhere().told(),
        Code::TunnelTooDeep => return tunnels::nested(5),
        Code::ReservedEffect => ask = cxl(RESERVED, &[]),
        Code::SecurityState => ask = cxl(SECURITY, &[]),
        Code::FeatureFixed => return set_feature(&bytes, &[feature(false, 2)]).told(),
        Code::FeatureBackground => return set_feature(&bytes, &[feature(true, 0x42)]).told(),
        Code::FeatureNoEffect => return set_feature(&bytes, &[feature(true, 0)]).told(),
        Code::BelowFloor => return reports_less_than_the_floor().told(),
        Code::AboveDriver => return resets_a_function().told(),
        Code::Discloses => {
            ask = cxl(GET_KEY, &[]);
            ask.standing.grants.may_see = Disclosure::Dump;
        }
        Code::NeverSent => ask = nvme(KEEP_ALIVE),
        Code::WrongInterface => return by_kernel_without_interface(SANITIZE).told(),
        Code::KernelOwned => return ground::poison(&["debugfs"]).told(),
        Code::KernelOwnedNoInterface => return ground::poison(&[]).told(),
        Code::Nak => return ground::netdev_said_no().told(),
        Code::SharedGround => return ground::shared(&[]).told(),
        Code::ScopeTooLow => ask.standing.asked = Some(Scope::DebugWrite),
        Code::RightMissing => ask.standing.capabilities.sys_rawio = false,
        Code::Lockdown => {
            ask.standing.path.kind = PathKind::Raw;
            ask.standing.lockdown = Lockdown::Integrity;
        }
        Code::NamedPermit => ask = cxl(SET_ALERTS, &[]),
        Code::OwnerLine => {}
        Code::SetAside => {
            ask = cxl(SECURITY, &[]);
            ask.standing.grants.set_aside = SetAside::SECURITY_STATE;
        }
        Code::SiteForbid => ask.standing.site = Site::Forbid,
        Code::SiteNoPermit => ask.standing.site = Site::NoPermit,
        Code::SiteError => ask.standing.site = Site::Error,
        Code::NoFollow => {
            ask = cxl(LONG, &[]);
            ask.standing.path.follows_background = false;
        }
        Code::NoPath => ask.standing.path = fwgate_policy::Path::NONE,
        Code::RateLimited => ask.standing.over_budget = true,
        _ => panic!("no example for {code:?}"),
    }
    ask.told()
}

/// By the kernel's interface for this command, were it there.
fn by_kernel_without_interface(opcode: u16) -> Ask<'static> {
    let mut ask = by_kernel(opcode, &[]);
    ask.facts.surroundings.interfaces = Some(&["debugfs"]);
    ask
}

/// The kernel's driver has this in its lowest scope.
fn resets_a_function() -> Ask<'static> {
    let command =
        fwgate_policy::Command::Bnxt { req_type: 0x0011, target_id: 0xFFFF, payload: &[0; 8] };
    Ask { command, tables: Tables::BUILTIN, ..cxl(0, &[]) }
}

fn reports_less_than_the_floor() -> Ask<'static> {
    const ROWS: [ReportedRow; 1] = [ReportedRow { opcode: INJECT_POISON, word: 0 }];
    let facts = Facts { reported: Reported::new(&ROWS).unwrap(), ..device() };
    Ask { facts, ..cxl(INJECT_POISON, &[]) }
}

#[test]
fn every_code_is_given_by_some_question() {
    let notes =
        [Code::BelowFloor, Code::AboveDriver, Code::NamedPermit, Code::OwnerLine, Code::SetAside];
    for code in Code::ALL {
        let told = example(*code);
        assert!(told.all().contains(code), "{code:?}: {told:?}");
        assert_eq!(told.notes.contains(code), notes.contains(code), "{code:?}: {told:?}");
        let verdict = match code {
            _ if notes.contains(code) => "allow",
            Code::KernelOwned => "redirect",
            _ => "deny",
        };
        assert_eq!(told.verdict, verdict, "{code:?}: {told:?}");
    }
}

#[test]
fn every_refusing_code_can_be_the_headline_and_the_only_refusal() {
    for code in Code::ALL {
        let told = example(*code);
        if told.notes.contains(code) {
            continue;
        }
        assert_eq!(told.headline, Some(*code), "{told:?}");
        let codes: Vec<_> = told.refuses.iter().map(|(_, code)| *code).collect();
        assert_eq!(codes, [*code], "{told:?}");
    }
}

#[test]
fn codes_have_stable_names_in_the_order_of_the_steps() {
    let steps: Vec<u8> = Code::ALL.iter().map(|code| code.step()).collect();
    assert!(steps.is_sorted());
    assert_eq!(Code::ALL.len(), 31);
    let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 31);
    assert!(names.iter().all(|name| name.bytes().all(|it| it == b'-' || it.is_ascii_lowercase())));
}

#[test]
fn the_headline_is_the_first_of_the_strictest_level() {
    let mut ask = cxl(SECURITY, &[]);
    ask.standing.site = Site::Forbid;
    ask.standing.asked = Some(Scope::Configuration);
    ask.tables.advisories = &[AdvisoryRow { opcode: Some(SECURITY), ..ADVISORY }];
    let told = ask.told();
    assert_eq!(told.headline, Some(Code::Advisory));
    assert_eq!(
        told.refuses,
        [
            (0, Code::Advisory),
            (0, Code::SecurityState),
            (0, Code::ScopeTooLow),
            (0, Code::SiteForbid)
        ]
    );
    // A Redirect that comes earlier is not the headline of a Deny.
    let mut ask = ground::poison(&["debugfs"]);
    ask.standing.over_budget = true;
    let told = ask.told();
    assert_eq!((told.verdict, told.headline), ("deny", Some(Code::RateLimited)));
    assert_eq!(told.refuses, [(0, Code::KernelOwned), (0, Code::RateLimited)]);
}

#[test]
fn more_reasons_than_fit_still_deny_and_name_a_denial() {
    // 30 redirects fill the list before the one denial comes.
    let rows = [bench::POISON_GROUND; 30];
    let mut ask = ground::poison(&["debugfs"]);
    ask.tables.ground = &rows;
    assert_eq!(ask.told().verdict, "redirect");
    ask.standing.over_budget = true;
    let told = ask.told();
    assert_eq!((told.verdict, told.headline), ("deny", Some(Code::RateLimited)));
    assert_eq!(told.refuses.len(), fwgate_policy::reason::MAX_REASONS);
    assert_eq!(told.granted, None);
    // 30 denials: the first is told first, those that do not fit are counted.
    let advisories = [ADVISORY; 30];
    let tables = Tables { advisories: &advisories, ..TABLES };
    let ask = Ask { tables, ..cxl(AT_ONCE, &[]) };
    let judgement = fwgate_policy::judge(&fwgate_policy::Question {
        command: ask.command,
        route: ask.route,
        facts: &ask.facts,
        tables: &ask.tables,
        standing: &ask.standing,
    });
    assert_eq!(judgement.verdict.name(), "deny");
    assert_eq!(judgement.reasons.headline().map(|it| it.code), Some(Code::Advisory));
    assert_eq!(judgement.reasons.iter().count(), 20);
    // The note on the owner's line did not fit either.
    assert_eq!(judgement.reasons.lost(), 11);
}

#[test]
fn step_1_refuses_alone() {
    let mut ask = cxl(SET_PARTITION, &[0; 8]);
    ask.standing.site = Site::Forbid;
    ask.standing.over_budget = true;
    ask.tables.advisories = &[AdvisoryRow { opcode: None, ..ADVISORY }];
    ask.told().is_refused_with(Code::Malformed);
}

#[test]
fn lengths_are_checked_at_both_ends() {
    for (len, well) in [(0, false), (8, false), (9, true), (10, true), (11, false), (4096, false)] {
        let bytes = vec![0; len];
        assert_eq!(cxl(SET_PARTITION, &bytes).told().verdict == "allow", well, "{len}");
    }
    // An opaque command may be as long as one CXL payload can be, 1 MiB.
    for (len, well) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let bytes = vec![0; len];
        assert_eq!(cxl(AT_ONCE, &bytes).told().verdict == "allow", well, "{len}");
    }
}

#[test]
fn set_partition_info_with_the_immediate_flag_is_malformed() {
    for flags in 0..=u8::MAX {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0, flags];
        let told = cxl(SET_PARTITION, &bytes).told();
        assert_eq!(told.refuses.contains(&(0, Code::Malformed)), flags & 1 == 1, "{flags:#x}");
    }
}

#[test]
fn only_the_vendor_debug_log_may_be_cleared() {
    cxl(CLEAR_LOG, &VENDOR_DEBUG_LOG).told().is_allowed();
    cxl(CLEAR_LOG, &[7; 16]).told().is_refused_with(Code::Malformed);
    cxl(CLEAR_LOG, &VENDOR_DEBUG_LOG[..15]).told().is_refused_with(Code::Malformed);
    cxl(CLEAR_LOG, &[]).told().is_refused_with(Code::Malformed);
}

#[test]
fn a_part_of_a_transfer_is_malformed_and_the_whole_is_judged() {
    let features = [feature(true, 2)];
    for flags in 0..=u8::MAX {
        let mut bytes = feature_bytes();
        bytes[16] = flags;
        let told = set_feature(&bytes, &features).told();
        let expected = if flags & 7 == 0 { "allow" } else { "deny" };
        assert_eq!(told.verdict, expected, "{flags:#x} {told:?}");
    }
    let transfer = |action: u8| Ask {
        tables: Tables {
            cxl: &[FloorRow {
                opcode: 0x0201,
                kind: fwgate_policy::tables::Kind::Change,
                ..common::READ
            }],
            ..TABLES
        },
        facts: Facts {
            reported: Reported::new(&[ReportedRow { opcode: 0x0201, word: 1 }]).unwrap(),
            ..device()
        },
        ..cxl(
            0x0201,
            match action {
                0 => &[0],
                1 => &[1],
                2 => &[2],
                3 => &[3],
                4 => &[4],
                _ => &[],
            },
        )
    };
    for (action, well) in [(0, true), (1, false), (2, false), (3, false), (4, true), (9, false)] {
        assert_eq!(transfer(action).told().verdict == "allow", well, "action {action}");
    }
}

#[test]
fn an_advisory_bars_by_device_firmware_and_command() {
    let barred = |row: AdvisoryRow<'static>, firmware: &'static [u8], opcode: u16| {
        let rows = [row];
        let mut ask = cxl(opcode, &[]);
        ask.facts.firmware = firmware;
        ask.tables.advisories = &rows;
        ask.told().refuses.contains(&(0, Code::Advisory))
    };
    assert!(barred(ADVISORY, b"1.0", AT_ONCE));
    assert!(barred(ADVISORY, b"1.", AT_ONCE));
    assert!(!barred(ADVISORY, b"2.0", AT_ONCE), "another firmware");
    assert!(!barred(ADVISORY, b"1.0", QUIET), "another command");
    let exact = DeviceMatch { firmware: Some("1.0"), ..ADVISORY.device };
    assert!(!barred(AdvisoryRow { device: exact, ..ADVISORY }, b"1.0.1", AT_ONCE));
    let other = DeviceMatch { device: Some(1), ..ADVISORY.device };
    assert!(!barred(AdvisoryRow { device: other, ..ADVISORY }, b"1.0", AT_ONCE));
    assert!(!barred(AdvisoryRow { protocol: Protocol::NvmeAdmin, ..ADVISORY }, b"1.0", AT_ONCE));
}

#[test]
fn an_advisory_without_a_command_leaves_sourced_reads_only() {
    let rows = [AdvisoryRow { opcode: None, ..ADVISORY }];
    let barred = |opcode| {
        let mut ask = cxl(opcode, &[]);
        ask.tables.advisories = &rows;
        ask.told().refuses.contains(&(0, Code::Advisory))
    };
    assert!(!barred(0x0400));
    assert!(barred(QUIET), "an opaque command is no sourced read");
    assert!(barred(INJECT_POISON));
}

#[test]
fn what_is_not_reported_is_refused_unless_it_is_mandatory_for_the_class() {
    let silent = Facts { reported: Reported::default(), ..device() };
    let mut ask = Ask { facts: silent, ..cxl(0x0200, &[]) };
    ask.told().is_refused_with(Code::Unreported);
    ask.command = cxl(0x0400, &[]).command;
    ask.told().is_allowed();
    ask.facts.class = fwgate_policy::tables::Classes::CXL_SWITCH;
    ask.told().is_refused_with(Code::Unreported);
}

#[test]
fn an_nvme_command_counts_as_reported_by_its_supported_bit() {
    nvme(IDENTIFY).told().is_allowed();
    let mut ask = nvme(IDENTIFY);
    for word in [0, 0xFFFF_FFFE] {
        let rows = [ReportedRow { opcode: u16::from(IDENTIFY), word }];
        let mut facts = device();
        facts.reported = Reported::new(&rows).unwrap();
        let ask = Ask { facts, ..ask.clone() };
        assert!(ask.told().refuses.contains(&(0, Code::Unreported)), "{word:#x}");
    }
    ask.facts.reported = Reported::default();
    ask.told().is_refused_with(Code::Unreported);
}

#[test]
fn a_feature_or_a_log_that_is_not_listed_is_unreported() {
    let bytes = feature_bytes();
    let other = [FeatureFacts { uuid: [1; 16], ..feature(true, 2) }];
    assert!(set_feature(&bytes, &other).told().refuses.contains(&(0, Code::Unreported)));
    let mut unread = set_feature(&bytes, &other);
    unread.facts.features = None;
    assert!(unread.told().refuses.contains(&(0, Code::Unreported)));
    let listed = |logs: Option<&'static [[u8; 16]]>| {
        let mut ask = cxl(GET_LOG, &[7; 24]);
        ask.facts.logs = logs;
        ask.told()
    };
    listed(Some(&[[7; 16]])).is_allowed();
    listed(Some(&[[8; 16]])).is_refused_with(Code::Unreported);
    // Not read: the device itself knows its logs.
    listed(None).is_allowed();
}

#[test]
fn required_scopes_follow_the_design_for_cxl() {
    let required = |opcode, credible| {
        let mut ask = cxl(opcode, &[0; 16]);
        ask.facts.credible = credible;
        ask.told().required
    };
    use Scope::{Configuration, DebugRead, DebugWrite, DebugWriteFull};
    for (opcode, believed, not_believed) in [
        (0x0400, Configuration, Configuration),
        (QUIET, DebugRead, DebugWriteFull),
        (AT_RESET, DebugWrite, DebugWriteFull),
        (AT_ONCE, DebugWriteFull, DebugWriteFull),
        (LONG, DebugRead, DebugWriteFull),
        (SECURITY, DebugWriteFull, DebugWriteFull),
        (RESERVED, DebugWriteFull, DebugWriteFull),
        (SET_PARTITION, DebugWrite, DebugWrite),
        (INJECT_POISON, DebugWriteFull, DebugWriteFull),
    ] {
        assert_eq!(required(opcode, true), believed, "{opcode:#06x}");
        assert_eq!(required(opcode, false), not_believed, "{opcode:#06x} not credible");
    }
}

#[test]
fn required_scopes_follow_the_design_for_nvme() {
    for (opcode, required) in [
        (IDENTIFY, Scope::Configuration),
        (DOWNLOAD, Scope::DebugWrite),
        (FORMAT, Scope::DebugWriteFull),
        (NVME_VENDOR, Scope::DebugWriteFull),
    ] {
        assert_eq!(nvme(opcode).told().required, required, "{opcode:#04x}");
    }
    // Each effect and each limit alone asks for the highest scope of a known write.
    for bit in [1, 2, 3, 4, 16, 17] {
        let rows = [ReportedRow { opcode: u16::from(DOWNLOAD), word: 1 | 1 << bit }];
        let facts = Facts { reported: Reported::new(&rows).unwrap(), ..device() };
        let told = Ask { facts, ..nvme(DOWNLOAD) }.told();
        assert_eq!(told.required, Scope::DebugWriteFull, "bit {bit}");
    }
}

#[test]
fn a_caller_that_names_no_scope_gets_the_lowest_that_suffices_and_never_less() {
    let told = cxl(AT_RESET, &[]).told();
    assert_eq!((told.required, told.granted), (Scope::DebugWrite, Some(Scope::DebugWrite)));
    let mut ask = cxl(AT_RESET, &[]);
    ask.standing.asked = Some(Scope::DebugWriteFull);
    assert_eq!(ask.told().granted, Some(Scope::DebugWriteFull));
    ask.standing.asked = Some(Scope::DebugRead);
    ask.told().is_refused_with(Code::ScopeTooLow);
}

#[test]
fn a_reserved_bit_and_the_security_bit_are_refused_until_the_owner_sets_them_aside() {
    for (opcode, code, flag) in [
        (RESERVED, Code::ReservedEffect, SetAside::RESERVED_EFFECT),
        (SECURITY, Code::SecurityState, SetAside::SECURITY_STATE),
    ] {
        let mut ask = cxl(opcode, &[]);
        ask.standing.grants.set_aside = SetAside::all().difference(flag);
        ask.told().is_refused_with(code);
        ask.standing.grants.set_aside = flag;
        let told = ask.told();
        told.is_allowed();
        assert_eq!(told.granted, Some(Scope::DebugWriteFull));
        assert!(told.notes.contains(&Code::SetAside));
        ask.standing.asked = Some(Scope::DebugWrite);
        ask.told().is_refused_with(Code::ScopeTooLow);
    }
}

#[test]
fn security_state_is_no_refusal_on_the_kernels_own_interface() {
    cxl(SANITIZE, &[]).told().is_refused_with(Code::SecurityState);
    let mut ask = by_kernel(SANITIZE, &[]);
    ask.told().is_allowed();
    // To the firmware beside that interface it is one.
    ask.route = Route::Firmware;
    ask.told().is_refused_with(Code::SecurityState);
    // And by a kernel route that is none, nothing is lifted.
    by_kernel_without_interface(SANITIZE).told().is_refused_with(Code::WrongInterface);
}

#[test]
fn set_feature_is_judged_by_the_features_entry_and_not_by_the_logs_row() {
    let bytes = feature_bytes();
    for (effects, required) in [
        (0x0001, Scope::DebugWrite),
        (0x0400, Scope::DebugWrite),
        (0x0800, Scope::DebugWrite),
        (0x0002, Scope::DebugWriteFull),
        (0x0381, Scope::DebugWrite),
    ] {
        let features = [feature(true, effects)];
        let told = set_feature(&bytes, &features).told();
        told.is_allowed();
        // The log's own row says 003Eh: security state and everything at once.
        assert_eq!((told.required, told.effects), (required, Effects::from_cxl(effects)));
        assert!(told.obliges.unwrap().read_back, "fwctl answers success on a failed transport");
    }
}

#[test]
fn a_feature_that_reports_no_effect_is_not_made_settable_by_a_row_that_adds_one() {
    let later = Tables {
        cxl: &[FloorRow {
            opcode: SET_FEATURE,
            effects: Effects::IMMEDIATE_CONFIG,
            ..common::READ
        }],
        ..common::NO_ROWS
    };
    let bytes = feature_bytes();
    let features = [feature(true, 0)];
    let mut ask = set_feature(&bytes, &features);
    ask.tables.more = Some(&later);
    ask.told().is_refused_with(Code::FeatureNoEffect);
}

#[test]
fn a_report_below_the_floor_is_noted_and_the_floor_counts() {
    let told = reports_less_than_the_floor().told();
    assert_eq!(told.notes[0], Code::BelowFloor);
    assert_eq!((told.required, told.effects), (Scope::DebugWriteFull, Effects::IMMEDIATE_DATA));
}

#[test]
fn a_read_that_reports_an_effect_is_no_read() {
    let rows = [ReportedRow { opcode: 0x0400, word: 0x0004 }];
    let facts = Facts { reported: Reported::new(&rows).unwrap(), ..device() };
    let told = Ask { facts, ..cxl(0x0400, &[]) }.told();
    assert_eq!(told.required, Scope::DebugWriteFull);
    assert!(told.obliges.unwrap().durable);
}

#[test]
fn an_unknown_floor_adds_nothing_and_leaves_the_command_opaque() {
    let row = FloorRow { opcode: QUIET, confidence: Confidence::Unknown, ..common::READ };
    let rows = [row];
    let mut ask = cxl(QUIET, &[]);
    ask.tables.cxl = &rows;
    ask.standing.grants.opaque = None;
    ask.told().is_refused_with(Code::RightMissing);
    assert_eq!(ask.told().required, Scope::DebugRead);
}

#[test]
fn each_level_of_disclosure_is_shown_to_whom_it_is_granted() {
    for shows in Disclosure::ALL {
        for may_see in Disclosure::ALL {
            let rows = [FloorRow { opcode: 0x0200, discloses: shows, ..common::READ }];
            let mut ask = cxl(0x0200, &[]);
            ask.tables.cxl = &rows;
            ask.standing.grants.may_see = may_see;
            let told = ask.told();
            assert_eq!(told.discloses, shows);
            if shows > may_see {
                told.is_refused_with(Code::Discloses);
            } else {
                told.is_allowed();
            }
        }
    }
}

#[test]
fn an_opaque_reply_counts_as_secret_unless_the_owners_line_names_the_command() {
    let mut ask = cxl(QUIET, &[]);
    ask.standing.grants.may_see = Disclosure::Dump;
    ask.told().is_allowed();
    ask.standing.grants.opaque = None;
    let told = ask.told();
    assert_eq!(told.discloses, Disclosure::Secret);
    assert_eq!(told.refuses, [(0, Code::Discloses), (0, Code::RightMissing)]);
}

#[test]
fn the_site_answers_in_four_ways_and_one_passes() {
    for (site, code) in [
        (Site::Permit, None),
        (Site::Forbid, Some(Code::SiteForbid)),
        (Site::NoPermit, Some(Code::SiteNoPermit)),
        (Site::Error, Some(Code::SiteError)),
    ] {
        let mut ask = cxl(0x0400, &[]);
        ask.standing.site = site;
        match code {
            None => ask.told().is_allowed(),
            Some(code) => ask.told().is_refused_with(code),
        }
    }
}

#[test]
fn a_background_operation_needs_a_path_that_can_follow_it_or_the_kernels_own_interface() {
    let mut ask = cxl(LONG, &[]);
    ask.told().is_allowed();
    ask.standing.path.follows_background = false;
    ask.told().is_refused_with(Code::NoFollow);
    let by_kernel_blind = |mut ask: Ask<'_>| {
        ask.standing.path.follows_background = false;
        ask.told()
    };
    by_kernel_blind(by_kernel(LONG, &[])).is_allowed();
    by_kernel_blind(by_kernel_without_interface(LONG)).is_refused_with(Code::WrongInterface);
}

#[test]
fn what_changes_something_is_recorded_durably() {
    assert!(!cxl(0x0400, &[]).told().obliges.unwrap().durable);
    for opcode in [QUIET, AT_RESET, AT_ONCE, INJECT_POISON, SET_ALERTS] {
        assert!(cxl(opcode, &[]).told().obliges.unwrap().durable, "{opcode:#06x}");
    }
}

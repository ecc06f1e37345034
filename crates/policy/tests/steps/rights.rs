// SPDX-License-Identifier: MIT OR Apache-2.0
//! Step 9: the design's tables of rights, taint and lockdown, row by row.

use fwgate_policy::tables::{FloorRow, Kind};
use fwgate_policy::{
    Capabilities, Code, Disclosure, Grants, Lockdown, Path, PathKind, Scope, SetAside, Site,
    Standing,
};

use crate::bench::{
    AT_ONCE, AT_RESET, Ask, DOWNLOAD, FORMAT, GET_LOG, IDENTIFY, NVME_VENDOR, QUIET, SET_ALERTS,
    SET_PARTITION, TABLES, by_kernel, cxl, forever, nvme,
};
use crate::{bench, tunnels};

/// Somebody in the group, without anything else; the site permits.
fn member(kind: PathKind) -> Standing {
    Standing {
        asked: None,
        capabilities: Capabilities { sys_admin: false, sys_rawio: false },
        site: Site::Permit,
        grants: Grants {
            may_see: Disclosure::Health,
            scope: None,
            opaque: None,
            named_action: false,
            set_aside: SetAside::empty(),
        },
        lockdown: Lockdown::None,
        path: Path { kind, follows_background: true, admits_caller: false },
        over_budget: false,
    }
}

/// What a caller may hold, beside membership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hold {
    Admin,
    Rawio,
    Named,
    Admitted,
    Grant(Scope),
    Line(Scope),
}

use Hold::{Admin, Admitted, Grant, Line, Named, Rawio};
use Scope::{DebugRead, DebugWrite, DebugWriteFull};

fn holding(kind: PathKind, holds: &[Hold]) -> Standing {
    let mut it = member(kind);
    for hold in holds {
        match *hold {
            Admin => it.capabilities.sys_admin = true,
            Rawio => it.capabilities.sys_rawio = true,
            Named => it.grants.named_action = true,
            Admitted => it.path.admits_caller = true,
            Grant(scope) => it.grants.scope = Some(scope),
            Line(scope) => it.grants.opaque = Some(scope),
        }
    }
    it
}

struct Row {
    what: &'static str,
    ask: Ask<'static>,
    path: PathKind,
    /// Each of these suffices.
    suffices: &'static [&'static [Hold]],
    /// None of these does.
    lacks: &'static [&'static [Hold]],
    taints: bool,
}

fn rows() -> Vec<Row> {
    const BYTES: [u8; 9] = [0; 9];
    vec![
        Row {
            what: "a sourced read needs no right",
            ask: cxl(0x0200, &[]),
            path: PathKind::Fwctl,
            suffices: &[&[]],
            lacks: &[],
            taints: false,
        },
        Row {
            what: "a sourced NVMe read needs no right",
            ask: nvme(IDENTIFY),
            path: PathKind::NvmeIoctl,
            suffices: &[&[]],
            lacks: &[],
            taints: false,
        },
        Row {
            what: "typed administration asks what the path asks, or the named permit",
            ask: cxl(SET_ALERTS, &[]),
            path: PathKind::Memdev,
            suffices: &[&[Admitted], &[Named]],
            lacks: &[&[], &[Admin, Rawio], &[Grant(DebugWriteFull)]],
            taints: false,
        },
        Row {
            what: "the same through a kernel interface",
            ask: by_kernel(SET_PARTITION, &BYTES),
            path: PathKind::KernelInterface,
            suffices: &[&[Admitted], &[Named]],
            lacks: &[&[], &[Admin, Rawio], &[Grant(DebugWriteFull)]],
            taints: false,
        },
        Row {
            what: "an NVMe write asks CAP_SYS_ADMIN or the named permit",
            ask: nvme(DOWNLOAD),
            path: PathKind::NvmeIoctl,
            suffices: &[&[Admin], &[Named]],
            lacks: &[&[], &[Rawio], &[Admitted], &[Grant(DebugWriteFull)]],
            taints: false,
        },
        Row {
            what: "so does Format",
            ask: nvme(FORMAT),
            path: PathKind::NvmeIoctl,
            suffices: &[&[Admin], &[Named]],
            lacks: &[&[], &[Rawio]],
            taints: false,
        },
        Row {
            what: "an opaque NVMe command asks for both capabilities, the grant and the line",
            ask: nvme(NVME_VENDOR),
            path: PathKind::NvmeIoctl,
            suffices: &[&[Admin, Rawio, Grant(DebugWriteFull), Line(DebugWriteFull)]],
            lacks: &[
                &[Named, Rawio, Grant(DebugWriteFull), Line(DebugWriteFull)],
                &[Admin, Grant(DebugWriteFull), Line(DebugWriteFull)],
                &[Admin, Rawio, Line(DebugWriteFull)],
                &[Admin, Rawio, Grant(DebugWriteFull)],
                &[Admin, Rawio, Grant(DebugWriteFull), Line(DebugWrite)],
            ],
            taints: true,
        },
        Row {
            what: "fwctl at debug-write asks for the site's grant and taints",
            ask: cxl(SET_PARTITION, &BYTES),
            path: PathKind::Fwctl,
            suffices: &[&[Grant(DebugWrite)], &[Grant(DebugWriteFull)]],
            lacks: &[&[], &[Named], &[Admitted], &[Admin, Rawio], &[Grant(DebugRead)]],
            taints: true,
        },
        Row {
            what: "fwctl at debug-write-full asks for CAP_SYS_RAWIO itself, besides",
            ask: cxl(SET_ALERTS, &[]),
            path: PathKind::Fwctl,
            suffices: &[&[Grant(DebugWriteFull), Rawio]],
            lacks: &[&[Grant(DebugWriteFull), Named], &[Rawio], &[Grant(DebugWrite), Rawio]],
            taints: true,
        },
        Row {
            what: "RAW at debug-write likewise",
            ask: cxl(SET_PARTITION, &BYTES),
            path: PathKind::Raw,
            suffices: &[&[Grant(DebugWrite)]],
            lacks: &[&[], &[Named, Admin, Rawio, Admitted]],
            taints: true,
        },
        Row {
            what: "a change without a known effect asks for one of the three, too",
            ask: cxl(bench::TUNNEL, forever(tunnels::carry(0x0200, &[]))).through_itself(),
            path: PathKind::Mctp,
            suffices: &[&[Admitted], &[Named], &[Grant(DebugRead)]],
            lacks: &[&[], &[Admin, Rawio], &[Grant(Scope::Configuration)]],
            taints: false,
        },
        Row {
            what: "MCTP likewise, without a taint",
            ask: cxl(SET_ALERTS, &[]),
            path: PathKind::Mctp,
            suffices: &[&[Grant(DebugWriteFull), Rawio]],
            lacks: &[&[Grant(DebugWriteFull), Named], &[Rawio]],
            taints: false,
        },
        Row {
            what: "an opaque command that reports nothing asks for the owner's line",
            ask: cxl(QUIET, &[]),
            path: PathKind::Fwctl,
            suffices: &[&[Line(DebugRead)], &[Line(DebugWriteFull)]],
            lacks: &[
                &[],
                &[Admin, Rawio, Grant(DebugWriteFull), Named],
                &[Line(Scope::Configuration)],
            ],
            taints: false,
        },
        Row {
            what: "an opaque command at debug-write asks for line and grant",
            ask: cxl(AT_RESET, &[]),
            path: PathKind::Memdev,
            suffices: &[&[Line(DebugWrite), Grant(DebugWrite)]],
            lacks: &[
                &[Line(DebugWrite), Named],
                &[Grant(DebugWrite), Named],
                &[Line(DebugRead), Grant(DebugWrite)],
                &[Line(DebugWrite), Grant(DebugRead)],
            ],
            taints: true,
        },
        Row {
            what: "an opaque command at debug-write-full asks for CAP_SYS_RAWIO besides",
            ask: cxl(AT_ONCE, &[]),
            path: PathKind::Raw,
            suffices: &[&[Line(DebugWriteFull), Grant(DebugWriteFull), Rawio]],
            lacks: &[
                &[Line(DebugWriteFull), Grant(DebugWriteFull), Named, Admin],
                &[Line(DebugWriteFull), Rawio],
                &[Grant(DebugWriteFull), Rawio],
            ],
            taints: true,
        },
        Row {
            what: "an emulated device asks for the owner's line only, and never taints",
            ask: cxl(AT_ONCE, &[]),
            path: PathKind::Emulated,
            suffices: &[&[Line(DebugWriteFull)]],
            lacks: &[&[], &[Line(DebugWrite)], &[Admin, Rawio, Grant(DebugWriteFull), Named]],
            taints: false,
        },
    ]
}

#[test]
fn each_row_of_the_table_of_rights_holds() {
    for row in rows() {
        for holds in row.suffices {
            let told = Ask { standing: holding(row.path, holds), ..row.ask.clone() }.told();
            assert_eq!(
                (told.verdict, &told.refuses[..]),
                ("allow", &[][..]),
                "{}: {holds:?} {told:?}",
                row.what
            );
            assert_eq!(told.obliges.unwrap().taint, row.taints, "{}: {holds:?}", row.what);
            assert_eq!(told.would_taint, row.taints, "{}: {holds:?}", row.what);
        }
        for holds in row.lacks {
            let told = Ask { standing: holding(row.path, holds), ..row.ask.clone() }.told();
            assert_eq!(told.verdict, "deny", "{}: {holds:?}", row.what);
            assert!(
                told.refuses.contains(&(0, Code::RightMissing)),
                "{}: {holds:?} {told:?}",
                row.what
            );
        }
    }
}

#[test]
fn to_ask_for_more_scope_than_needed_asks_for_its_right_and_its_taint() {
    let mut ask = cxl(0x0200, &[]);
    for (asked, holds, taints) in [
        (Scope::Configuration, &[][..], false),
        (DebugRead, &[][..], false),
        (DebugWrite, &[Grant(DebugWrite)][..], true),
        (DebugWriteFull, &[Grant(DebugWriteFull), Rawio][..], true),
    ] {
        ask.standing = Standing { asked: Some(asked), ..holding(PathKind::Fwctl, holds) };
        let told = ask.told();
        told.is_allowed();
        assert_eq!((told.granted, told.would_taint), (Some(asked), taints), "{asked}");
        for missing in 0..holds.len() {
            let mut fewer = holds.to_vec();
            fewer.remove(missing);
            ask.standing = Standing { asked: Some(asked), ..holding(PathKind::Fwctl, &fewer) };
            assert_eq!(ask.told().verdict, "deny", "{asked} {fewer:?}");
        }
    }
}

#[test]
fn grant_and_line_must_reach_the_scope_that_is_sent_and_not_only_the_one_that_is_needed() {
    // A read of health needs configuration, the opaque command debug-write.
    let mut ask = cxl(0x0200, &[]);
    ask.standing = holding(PathKind::Fwctl, &[Grant(DebugWrite), Rawio]);
    ask.standing.asked = Some(DebugWriteFull);
    ask.told().is_refused_with(Code::RightMissing);
    for (grant, line) in [(DebugWrite, DebugWriteFull), (DebugWriteFull, DebugWrite)] {
        let mut ask = cxl(AT_RESET, &[]);
        ask.standing = holding(PathKind::Fwctl, &[Grant(grant), Line(line), Rawio]);
        ask.told().is_allowed();
        ask.standing.asked = Some(DebugWriteFull);
        ask.told().is_refused_with(Code::RightMissing);
    }
}

#[test]
fn a_named_permit_is_shown_as_a_reason_and_does_not_stand_in_for_an_opaque_command() {
    let ask = Ask { standing: holding(PathKind::NvmeIoctl, &[Named]), ..nvme(FORMAT) };
    assert!(ask.told().notes.contains(&Code::NamedPermit));
    let ask = Ask {
        standing: holding(PathKind::NvmeIoctl, &[Named, Line(DebugWriteFull)]),
        ..nvme(NVME_VENDOR)
    };
    let told = ask.told();
    assert!(!told.notes.contains(&Code::NamedPermit));
    assert!(told.refuses.contains(&(0, Code::RightMissing)));
}

#[test]
fn nvme_administration_is_open_to_whoever_may_change_more() {
    let rows = [FloorRow {
        opcode: u16::from(DOWNLOAD),
        kind: Kind::Administration,
        ..crate::common::READ
    }];
    for (holds, well) in [(&[][..], false), (&[Admin], true), (&[Admitted], true), (&[Named], true)]
    {
        let mut ask = Ask { standing: holding(PathKind::NvmeIoctl, holds), ..nvme(DOWNLOAD) };
        ask.tables.nvme_admin = &rows;
        assert_eq!(ask.told().verdict == "allow", well, "{holds:?}");
    }
}

#[test]
fn each_row_of_the_table_of_lockdown_holds() {
    use Lockdown::{Confidentiality, Integrity, None};
    const BYTES: [u8; 9] = [0; 9];
    // Command, path, and whether lockdown lets it pass at none, integrity, confidentiality.
    let rows: [(&str, Ask<'static>, PathKind, [bool; 3]); 13] = [
        ("raw, a sourced read", cxl(0x0400, &[]), PathKind::Raw, [true, false, false]),
        ("raw, administration", cxl(SET_PARTITION, &BYTES), PathKind::Raw, [true, false, false]),
        ("opaque at full by memdev", cxl(AT_ONCE, &[]), PathKind::Memdev, [true, false, false]),
        ("opaque at full by mctp", cxl(AT_ONCE, &[]), PathKind::Mctp, [true, false, false]),
        ("opaque at full by nvme", nvme(NVME_VENDOR), PathKind::NvmeIoctl, [true, false, false]),
        ("opaque at full by fwctl", cxl(AT_ONCE, &[]), PathKind::Fwctl, [true, true, true]),
        ("opaque at debug-write", cxl(AT_RESET, &[]), PathKind::Memdev, [true, true, false]),
        ("opaque read", cxl(QUIET, &[]), PathKind::Memdev, [true, true, false]),
        ("opaque read by fwctl", cxl(QUIET, &[]), PathKind::Fwctl, [true, true, true]),
        ("administration", cxl(SET_ALERTS, &[]), PathKind::Memdev, [true, true, true]),
        ("administration by fwctl", cxl(SET_ALERTS, &[]), PathKind::Fwctl, [true, true, true]),
        ("health", cxl(0x0200, &[]), PathKind::Memdev, [true, true, true]),
        ("dump", cxl(GET_LOG, &[0; 16]), PathKind::Memdev, [true, true, false]),
    ];
    for (what, ask, kind, passes) in rows {
        for (lockdown, well) in [None, Integrity, Confidentiality].into_iter().zip(passes) {
            let mut ask = ask.clone();
            ask.standing.path.kind = kind;
            ask.standing.lockdown = lockdown;
            let told = ask.told();
            if well {
                assert_eq!(told.verdict, "allow", "{what} {lockdown:?} {told:?}");
            } else {
                assert_eq!(told.refuses, [(0, Code::Lockdown)], "{what} {lockdown:?}");
            }
        }
    }
}

#[test]
fn to_ask_for_the_highest_scope_does_not_slip_an_opaque_command_past_lockdown() {
    let mut ask = cxl(QUIET, &[]);
    ask.standing.path.kind = PathKind::Memdev;
    ask.standing.lockdown = Lockdown::Integrity;
    ask.told().is_allowed();
    ask.standing.asked = Some(DebugWriteFull);
    ask.told().is_refused_with(Code::Lockdown);
}

#[test]
fn a_secret_is_no_more_to_be_seen_under_confidentiality_than_a_dump() {
    let rows = [FloorRow { opcode: 0x0200, discloses: Disclosure::Secret, ..crate::common::READ }];
    let mut ask = cxl(0x0200, &[]);
    ask.tables = fwgate_policy::Tables { cxl: &rows, ..TABLES };
    ask.standing.path.kind = PathKind::Memdev;
    ask.standing.lockdown = Lockdown::Confidentiality;
    ask.told().is_refused_with(Code::Lockdown);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Set Feature through fwctl: the judge against an independent model of Linux's own checks.
//!
//! The model is written from the order of checks in `drivers/fwctl/main.c @ v7.3` and
//! `drivers/cxl/core/features.c @ v7.3` alone, with its own bit masks, and uses nothing of the
//! crate's effects or scopes. Every effects word, scope, right, changeable and exclusive is tried.
//!
//! Where the two differ on purpose is a closed list, [`Difference`], and how often is asserted.

mod common;

use common::{NO_ROWS, READ, almighty, quiet_device};
use fwgate_policy::facts::{FeatureFacts, Known, ReportedRow, Surroundings};
use fwgate_policy::tables::{
    Condition, FloorRow, GroundRow, InterfaceRow, JudgedBy, Kind, Protocol, Selector,
};
use fwgate_policy::{
    Capabilities, Code, Command, Confidence, Effects, Facts, Judgement, Level, Question, Reported,
    Route, Scope, Standing, Subsystems, Tables, Verdict, judge,
};

/// Linux's checks, in Linux's order.
mod linux {
    /// An errno by name.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) enum Errno {
        Eperm,
        Einval,
    }

    /// Which check refused.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) enum Check {
        NoRawio,
        NotInCel,
        TooShort,
        NotListed,
        NotChangeable,
        ReservedBits,
        Background,
        NoEffect,
        ScopeTooLow,
        NoData,
        Exclusive,
    }

    /// What fwctl is asked and what it knows.
    #[derive(Clone, Copy)]
    pub(crate) struct Call {
        pub(crate) scope: u32,
        pub(crate) rawio: bool,
        pub(crate) in_cel: bool,
        pub(crate) op_size: usize,
        pub(crate) listed: bool,
        pub(crate) changeable: bool,
        pub(crate) exclusive: bool,
        pub(crate) effects: u16,
    }

    /// `fwctl_cmd_rpc`, then `cxlctl_fw_rpc` for 0502h, up to the send.
    pub(crate) fn set_feature(call: Call) -> Result<(), (Check, Errno)> {
        const IMMEDIATE: u16 = 0b1_1110;
        const AT_RESET: u16 = 1 << 0 | 1 << 10 | 1 << 11;
        if call.scope == 3 && !call.rawio {
            return Err((Check::NoRawio, Errno::Eperm));
        }
        let no = |check| Err((check, Errno::Einval));
        if !call.in_cel {
            return no(Check::NotInCel);
        }
        if call.op_size < 16 {
            return no(Check::TooShort);
        }
        if !call.listed {
            return no(Check::NotListed);
        }
        if !call.changeable {
            return no(Check::NotChangeable);
        }
        if call.effects >> 12 != 0 {
            return no(Check::ReservedBits);
        }
        if call.effects & 1 << 6 != 0 {
            return no(Check::Background);
        }
        let immediate = call.effects & IMMEDIATE != 0;
        if !immediate && call.effects & AT_RESET == 0 {
            return no(Check::NoEffect);
        }
        if call.scope < if immediate { 3 } else { 2 } {
            return no(Check::ScopeTooLow);
        }
        if call.op_size <= 32 {
            return no(Check::NoData);
        }
        if call.exclusive {
            return Err((Check::Exclusive, Errno::Eperm));
        }
        Ok(())
    }
}

/// Where Linux sends and fwgate refuses. There is no other difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Difference {
    /// Linux never looks at the security state bit (5); fwgate refuses what sets it.
    SecurityBit,
    /// Linux replaces the transfer bits of the caller's flags; fwgate refuses a part of a transfer
    /// and judges wholes only.
    TransferBits,
}

const VENDOR: [u8; 16] = [0xAB; 16];
const OWNED: [u8; 16] = [0xCD; 16];
const UNLISTED: [u8; 16] = [0xEF; 16];

const SET_FEATURE: FloorRow = FloorRow {
    opcode: 0x0502,
    effects: Effects::all().difference(Effects::RESERVED),
    confidence: Confidence::Inferred,
    kind: Kind::Change,
    judged_by: Some(JudgedBy::Feature),
    ..READ
};

const OWNER: GroundRow = GroundRow {
    protocol: Protocol::Cxl,
    opcode: 0x0502,
    selector: Some(Selector::of(OWNED, 16)),
    owner: Subsystems::EDAC,
    others: Subsystems::empty(),
    condition: Condition::Driven,
    read_disturbs: false,
    interface: Some("edac-scrub"),
    why: "kernel-exclusive",
    source: "drivers/cxl/core/features.c @ v7.3",
};

const INTERFACE: InterfaceRow =
    InterfaceRow { key: "edac-scrub", place: "scrubX", option: "CONFIG_CXL_EDAC_SCRUB", verb: "-" };

const TABLES: Tables<'static> =
    Tables { cxl: &[SET_FEATURE], ground: &[OWNER], interfaces: &[INTERFACE], ..NO_ROWS };

fn payload(uuid: [u8; 16], flags: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len.max(20)];
    bytes[..16].copy_from_slice(&uuid);
    bytes[16] = flags;
    bytes.truncate(len);
    bytes
}

fn entry(uuid: [u8; 16], changeable: bool, effects: u16) -> FeatureFacts {
    FeatureFacts { uuid, flags: u32::from(changeable), effects, get_size: 4, set_size: 4 }
}

/// A driven device that lists Set Feature and these features.
fn device<'a>(
    reported: &'a [ReportedRow],
    features: &'a [FeatureFacts],
    interfaces: &'a [&'a str],
) -> Facts<'a> {
    Facts {
        reported: Reported::new(reported).unwrap(),
        features: Some(features),
        surroundings: Surroundings {
            driven: Known::Yes,
            interfaces: Some(interfaces),
            drivers: Subsystems::CXL,
            ..Surroundings::DRIVEN_BY_NOBODY
        },
        ..quiet_device()
    }
}

fn caller(scope: Scope, rawio: bool) -> Standing {
    Standing {
        asked: Some(scope),
        capabilities: Capabilities { sys_admin: false, sys_rawio: rawio },
        ..almighty()
    }
}

fn ask<'a>(facts: &Facts<'a>, payload: &[u8], standing: &Standing) -> Judgement<'a> {
    let command = Command::Cxl { opcode: 0x0502, payload };
    judge(&Question { command, route: Route::Firmware, facts, tables: &TABLES, standing })
}

fn codes(check: linux::Check) -> &'static [Code] {
    use linux::Check;
    match check {
        Check::NoRawio => &[Code::RightMissing],
        Check::NotInCel | Check::NotListed => &[Code::Unreported],
        Check::TooShort | Check::NoData => &[Code::Malformed],
        Check::NotChangeable => &[Code::FeatureFixed],
        Check::ReservedBits => &[Code::ReservedEffect],
        Check::Background => &[Code::FeatureBackground],
        Check::NoEffect => &[Code::FeatureNoEffect],
        Check::ScopeTooLow => &[Code::ScopeTooLow],
        Check::Exclusive => &[Code::KernelOwned, Code::KernelOwnedNoInterface],
    }
}

/// Compares one case; tells the difference, if it is one that is meant.
fn compare(
    call: linux::Call,
    judgement: &Judgement<'_>,
    meant: Option<Difference>,
) -> Option<Difference> {
    let linux = linux::set_feature(call);
    let allowed = matches!(judgement.verdict, Verdict::Allow(_));
    let case = || {
        let linux::Call { scope, rawio, in_cel, op_size, listed, .. } = call;
        format!(
            "effects {:#06x} scope {scope} rawio {rawio} changeable {} exclusive {} in cel \
             {in_cel} listed {listed} size {op_size}: linux {linux:?}, judge {:?} {:?}",
            call.effects,
            call.changeable,
            call.exclusive,
            judgement.verdict,
            judgement.reasons.iter().map(|reason| reason.code).collect::<Vec<_>>(),
        )
    };
    match linux {
        Ok(()) => {
            if allowed {
                assert_eq!(meant, None, "the listed difference is none: {}", case());
                let granted = judgement.granted.unwrap();
                assert_eq!(granted as u32, call.scope, "sent with another scope: {}", case());
                return None;
            }
            assert!(meant.is_some(), "linux sends, the judge refuses: {}", case());
            // Set aside, the security bit asks for the highest scope, so that may be missing too.
            // Without the bit the same case is tried as well, and allowed.
            let (code, others): (Code, &[Code]) = match meant {
                Some(Difference::SecurityBit) => {
                    (Code::SecurityState, &[Code::ScopeTooLow, Code::RightMissing])
                }
                _ => (Code::Malformed, &[]),
            };
            assert!(judgement.reasons.refuses_with(code), "{}", case());
            let mut refusing = judgement.reasons.iter().filter(|it| it.level > Level::Note);
            assert!(refusing.all(|it| it.code == code || others.contains(&it.code)), "{}", case());
            meant
        }
        Err((check, _)) => {
            assert!(!allowed, "linux refuses, the judge allows: {}", case());
            let named = codes(check).iter().any(|code| judgement.reasons.refuses_with(*code));
            assert!(named, "the reason is not named: {}", case());
            None
        }
    }
}

#[test]
fn set_feature_agrees_with_linux_for_every_effects_word_scope_right_changeable_and_exclusive() {
    let reported = [ReportedRow { opcode: 0x0502, word: 0x003E }];
    let (mut cases, mut sent, mut security) = (0u32, 0u32, 0u32);
    for exclusive in [false, true] {
        let uuid = if exclusive { OWNED } else { VENDOR };
        let bytes = payload(uuid, 0, 36);
        for changeable in [false, true] {
            for effects in 0..=u16::MAX {
                let features = [entry(uuid, changeable, effects)];
                let facts = device(&reported, &features, &["edac-scrub"]);
                for scope in Scope::ALL {
                    for rawio in [false, true] {
                        let call = linux::Call {
                            scope: scope as u32,
                            rawio,
                            in_cel: true,
                            op_size: bytes.len(),
                            listed: true,
                            changeable,
                            exclusive,
                            effects,
                        };
                        let judgement = ask(&facts, &bytes, &caller(scope, rawio));
                        let meant = (effects & 1 << 5 != 0).then_some(Difference::SecurityBit);
                        let linux_sends = linux::set_feature(call).is_ok();
                        cases += 1;
                        sent += u32::from(linux_sends);
                        if compare(call, &judgement, meant.filter(|_| linux_sends)).is_some() {
                            security += 1;
                        }
                    }
                }
            }
        }
    }
    println!(
        "{cases} cases, Linux sends {sent}, refused on purpose for the security bit {security}"
    );
    assert_eq!(cases, 65_536 * 4 * 2 * 2 * 2);
    // 15 of 16 patterns of the immediate bits by 8 of the reset bits need scope 3 and the right;
    // none of the immediate and 7 of 8 reset patterns need scope 2, or scope 3 and the right. Each
    // comes with 8 patterns of the attribute bits, and with and without the security bit.
    let half = 8 * (15 * 8 + 7 * (2 + 1));
    assert_eq!((sent, security), (2 * half, half));
}

#[test]
fn set_feature_agrees_with_linux_on_support_listing_length_and_interface() {
    let mut cases = 0;
    let words = [0x0000, 0x0001, 0x0002, 0x0040, 0x0202, 0x0400, 0x0800, 0x0E01, 0x1001, 0x0381];
    for in_cel in [false, true] {
        let row = [ReportedRow { opcode: 0x0502, word: 0x003E }];
        let reported: &[ReportedRow] = if in_cel { &row } else { &[] };
        for listed in [false, true] {
            for op_size in [0, 1, 15, 16, 17, 20, 31, 32, 33, 34, 4096] {
                for exclusive in [false, true] {
                    for (effects, changeable) in
                        words.into_iter().flat_map(|it| [(it, false), (it, true)])
                    {
                        for scope in Scope::ALL {
                            for (rawio, credible, interface) in
                                (0..8).map(|it| (it & 1 == 1, it & 2 == 2, it & 4 == 4))
                            {
                                let uuid = if exclusive { OWNED } else { VENDOR };
                                let listed_as = if listed { uuid } else { UNLISTED };
                                let features = [entry(listed_as, changeable, effects)];
                                let interfaces: &[&str] =
                                    if interface { &["edac-scrub"] } else { &[] };
                                let facts =
                                    Facts { credible, ..device(reported, &features, interfaces) };
                                let bytes = payload(uuid, 0, op_size);
                                let call = linux::Call {
                                    scope: scope as u32,
                                    rawio,
                                    in_cel,
                                    op_size,
                                    listed,
                                    changeable,
                                    exclusive,
                                    effects,
                                };
                                let judgement = ask(&facts, &bytes, &caller(scope, rawio));
                                // Step 1 refuses alone; Linux may have another reason before it.
                                if op_size <= 32 {
                                    assert!(linux::set_feature(call).is_err());
                                    assert_eq!(judgement.verdict, Verdict::Deny);
                                    assert!(judgement.reasons.refuses_with(Code::Malformed));
                                } else {
                                    assert_eq!(compare(call, &judgement, None), None);
                                }
                                cases += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 2 * 2 * 11 * 2 * 20 * 4 * 8);
}

#[test]
fn linux_replaces_the_transfer_bits_of_the_flags_and_the_judge_refuses_them() {
    let reported = [ReportedRow { opcode: 0x0502, word: 0 }];
    let features = [entry(VENDOR, true, 0x0202)];
    let facts = device(&reported, &features, &[]);
    let mut differing = 0;
    for flags in 0..=u8::MAX {
        let bytes = payload(VENDOR, flags, 36);
        let call = linux::Call {
            scope: 3,
            rawio: true,
            in_cel: true,
            op_size: bytes.len(),
            listed: true,
            changeable: true,
            exclusive: false,
            effects: 0x0202,
        };
        let meant = (flags & 7 != 0).then_some(Difference::TransferBits);
        let judgement = ask(&facts, &bytes, &caller(Scope::DebugWriteFull, true));
        differing += u32::from(compare(call, &judgement, meant).is_some());
    }
    assert_eq!(differing, 224, "7 of 8 patterns of the transfer bits");
}

#[test]
fn without_the_site_grant_nothing_more_is_sent_than_by_linux() {
    let reported = [ReportedRow { opcode: 0x0502, word: 0 }];
    let bytes = payload(VENDOR, 0, 36);
    for effects in (0..=u16::MAX).step_by(7) {
        let features = [entry(VENDOR, true, effects)];
        let facts = device(&reported, &features, &[]);
        for scope in Scope::ALL {
            let mut standing = caller(scope, true);
            standing.grants.scope = None;
            let judgement = ask(&facts, &bytes, &standing);
            assert!(!matches!(judgement.verdict, Verdict::Allow(_)), "{effects:#06x} {scope}");
        }
    }
}

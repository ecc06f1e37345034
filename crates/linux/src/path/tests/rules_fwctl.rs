// SPDX-License-Identifier: MIT OR Apache-2.0
//! fwctl's core and its CXL driver: each row of the tables, alone, and the order of all.

use fwgate_policy::facts::FeatureFacts;
use fwgate_policy::{Known, Scope};
use fwgate_wire::cxl::features::feature_uuid;
use fwgate_wire::cxl::opcode::{GET_FEATURE, GET_SUPPORTED_FEATURES, Opcode, SET_FEATURE};
use rustix::io::Errno;

use crate::path::rule::Own;
use crate::path::rule::fwctl::{CxlKnown, RpcAsked, cxl, info};
use crate::path::{Cause, Refusal, Sent};

const UUID: [u8; 16] = [0xaa; 16];
const OWN: Own = Own { sys_rawio: Known::Yes, sys_admin: Known::Yes };

fn entry(flags: u32, effects: u16) -> FeatureFacts {
    FeatureFacts { uuid: UUID, flags, effects, get_size: 4, set_size: 4 }
}

fn set(uuid: [u8; 16], data: usize) -> Vec<u8> {
    [&uuid[..], &[0; 16], &vec![1; data]].concat()
}

fn get(count: u16) -> Vec<u8> {
    [&UUID[..], &[0, 0], &count.to_le_bytes(), &[0]].concat()
}

struct Case {
    command: Opcode,
    payload: Vec<u8>,
    asked: RpcAsked,
    listed: Known,
    features: Option<Vec<FeatureFacts>>,
    own: Own,
}

impl Case {
    fn new(command: Opcode, payload: Vec<u8>) -> Self {
        let asked =
            RpcAsked { scope: Scope::DebugWriteFull, in_len: 16 + payload.len(), out_len: 64 };
        let features = Some(vec![entry(1, 0x02)]);
        Self { command, payload, asked, listed: Known::Yes, features, own: OWN }
    }

    fn rule(&self, errno: Errno) -> Refusal {
        let known =
            CxlKnown { set_feature_listed: self.listed, features: self.features.as_deref() };
        cxl(errno, self.command, &self.payload, &self.asked, &known, self.own)
    }

    /// The one rule that explains the errno, sent for sure not.
    fn says(&self, errno: Errno, words: &str) {
        let refusal = self.rule(errno);
        assert!(refusal.rule.contains(words), "{words:?} is not in {:?}", refusal.rule);
        assert!(!refusal.rule.contains("; or "), "more than one: {:?}", refusal.rule);
        assert_eq!((refusal.errno, refusal.sent), (errno.raw_os_error(), Sent::No));
        assert_eq!(refusal.cause, Cause::Rule);
    }
}

#[test]
fn row_by_row_the_core_says_which_check_it_was() {
    let mut case = Case::new(SET_FEATURE, set(UUID, 4));
    case.says(Errno::NOTTY, "no fwctl node");
    case.own.sys_rawio = Known::No;
    case.says(Errno::PERM, "CAP_SYS_RAWIO");
    case.asked.out_len = (2 << 20) + 1;
    case.says(Errno::MSGSIZE, "each may be 2097152");
    case.asked.out_len = 64;
    case.asked.in_len = (2 << 20) + 1;
    case.says(Errno::MSGSIZE, "2097153 bytes in");
    let refusal = case.rule(Errno::NODEV);
    assert_eq!((refusal.cause, refusal.sent), (Cause::Gone, Sent::No));
    let refusal = case.rule(Errno::FAULT);
    assert_eq!((refusal.cause, refusal.sent), (Cause::Transport, Sent::MayHave));
    assert_eq!(case.rule(Errno::NOMEM).sent, Sent::No);
}

#[test]
fn the_capability_is_asked_for_at_the_highest_scope_only() {
    let mut case = Case::new(SET_FEATURE, set(UUID, 4));
    case.own = Own::CANNOT_TELL;
    for scope in [Scope::Configuration, Scope::DebugRead, Scope::DebugWrite] {
        case.asked.scope = scope;
        assert!(case.rule(Errno::PERM).rule.contains("no check"), "{scope}");
    }
    case.asked.scope = Scope::DebugWriteFull;
    case.says(Errno::PERM, "CAP_SYS_RAWIO");
}

#[test]
fn row_by_row_the_cxl_driver_says_which_einval_it_was() {
    let einval = |case: &Case, words: &str| case.says(Errno::INVAL, words);
    // 1, 2, 3
    let mut case = Case::new(GET_FEATURE, get(4));
    case.asked.in_len = 15;
    einval(&case, "shorter than its header");
    case.asked.in_len = 36;
    einval(&case, "longer than it is");
    einval(&Case::new(Opcode(0xc001), Vec::new()), "0xC001 is not 0x0500");
    // 4, 5, 6
    let mut case = Case::new(SET_FEATURE, set(UUID, 4));
    case.listed = Known::No;
    einval(&case, "does not list Set Feature");
    einval(&Case::new(SET_FEATURE, vec![0; 15]), "names no feature");
    einval(&Case::new(SET_FEATURE, set([0xbb; 16], 4)), "is not in the list");
    // 7, 8, 9, 10
    for (flags, effects, words) in [
        (0, 0x02, "cannot be changed"),
        (1, 0x1002, "reserved bits"),
        (1, 0x8002, "(0x8002) have reserved bits"),
        (1, 0x42, "background operation"),
        (1, 0, "name no change"),
        (1, 0x220, "name no change"),
    ] {
        let mut case = Case::new(SET_FEATURE, set(UUID, 4));
        case.features = Some(vec![entry(flags, effects)]);
        einval(&case, words);
    }
    // 11
    for (scope, effects, words) in [
        (Scope::DebugWrite, 0x02, "debug-write-full, not debug-write"),
        (Scope::Configuration, 0x11, "debug-write-full, not configuration"),
        (Scope::DebugRead, 0x01, "after a reset, which asks for scope debug-write, not debug-read"),
        (Scope::Configuration, 0x800, "debug-write, not configuration"),
    ] {
        let mut case = Case::new(SET_FEATURE, set(UUID, 4));
        case.asked.scope = scope;
        case.features = Some(vec![entry(1, effects)]);
        einval(&case, words);
    }
    // 12a
    einval(&Case::new(GET_SUPPORTED_FEATURES, vec![0; 7]), "takes 8 bytes, not 7");
    let beyond = Case::new(GET_SUPPORTED_FEATURES, vec![48, 0, 0, 0, 1, 0, 0, 0]);
    einval(&beyond, "starts at 1, and the device has 1 features");
    // 12b
    einval(&Case::new(GET_FEATURE, vec![0; 22]), "takes 21 bytes, not 22");
    einval(&Case::new(GET_FEATURE, get(0)), "asks for 0 bytes");
    einval(&Case::new(GET_FEATURE, get(57)), "less room");
    let mut case = Case::new(GET_FEATURE, get(1));
    case.asked.out_len = 7;
    einval(&case, "less room");
    // 12c, 14
    einval(&Case::new(SET_FEATURE, set(UUID, 0)), "carries no data");
    let mut case = Case::new(SET_FEATURE, set(UUID, 4));
    case.asked.out_len = 7;
    einval(&case, "less room than 8");
}

#[test]
fn row_13_each_of_the_eight_exclusive_features_is_the_kernels_own() {
    for (uuid, _) in feature_uuid::STANDARD {
        let mut case = Case::new(SET_FEATURE, set(*uuid.as_bytes(), 4));
        // As the kernel shows it: fixed.
        case.features = Some(vec![FeatureFacts { uuid: *uuid.as_bytes(), ..entry(0, 0x02) }]);
        case.says(Errno::PERM, "the kernel's own");
        // The kernel masks what the device says of it, so this stays open.
        assert!(case.rule(Errno::INVAL).rule.contains("cannot be changed"));
        // What it shows as changeable is so.
        case.features = Some(vec![FeatureFacts { uuid: *uuid.as_bytes(), ..entry(1, 0x02) }]);
        case.asked.scope = Scope::DebugWrite;
        case.says(Errno::INVAL, "asks for scope debug-write-full");
    }
}

#[test]
fn what_is_not_known_leaves_every_row_that_it_could_be_in_the_kernels_order() {
    let mut case = Case::new(SET_FEATURE, set(UUID, 4));
    case.features = None;
    case.listed = Known::CannotTell;
    case.asked.scope = Scope::DebugRead;
    let refusal = case.rule(Errno::INVAL);
    assert_eq!((refusal.sent, refusal.cause), (Sent::No, Cause::Rule));
    let mut at = 0;
    for words in [
        "does not list",
        "not in the list",
        "cannot be changed",
        "reserved bits",
        "background",
        "name no change",
        "debug-write-full",
        "debug-write, not",
    ] {
        let found = refusal.rule[at..].find(words);
        at +=
            found.unwrap_or_else(|| panic!("{words:?} is not behind byte {at}: {}", refusal.rule));
    }
}

/// The driver's checks of Set Feature, written from the reference once more: which of them refuses.
fn model(
    listed: bool,
    entry: Option<(bool, u16)>,
    scope: Scope,
    data: usize,
    exclusive: bool,
    room: usize,
) -> Option<(Errno, &'static str)> {
    let einval = |words| Some((Errno::INVAL, words));
    if !listed {
        return einval("does not list");
    }
    let Some((changeable, effects)) = entry else { return einval("not in the list") };
    let bit = |n: u32| effects >> n & 1 == 1;
    let immediate = (1..=4).any(bit);
    let reset = bit(0) || bit(10) || bit(11);
    if !changeable {
        return einval("cannot be changed");
    }
    if (12..=15).any(bit) {
        return einval("reserved bits");
    }
    if bit(6) {
        return einval("background");
    }
    if !immediate && !reset {
        return einval("name no change");
    }
    if immediate && scope != Scope::DebugWriteFull {
        return einval("debug-write-full, not");
    }
    if !immediate && !matches!(scope, Scope::DebugWrite | Scope::DebugWriteFull) {
        return einval("debug-write, not");
    }
    if data == 0 {
        return einval("carries no data");
    }
    if exclusive {
        return Some((Errno::PERM, "the kernel's own"));
    }
    if room < 8 {
        return einval("less room than 8");
    }
    None
}

#[test]
fn the_row_found_is_the_first_that_refuses_whatever_else_holds() {
    let effects = (0..16).flat_map(|a| (0..16).map(move |b| 1u16 << a | 1 << b)).chain([0]);
    let mut refused = 0;
    for effects in effects {
        for (listed, changeable, known) in
            [(true, true, true), (true, false, true), (true, true, false), (false, true, true)]
        {
            for scope in Scope::ALL {
                for (data, room) in [(4, 64), (0, 64), (4, 7), (0, 7)] {
                    let mut case = Case::new(SET_FEATURE, set(UUID, data));
                    case.asked.scope = scope;
                    case.asked.out_len = room;
                    case.listed = if listed { Known::Yes } else { Known::No };
                    case.features = Some(if known {
                        vec![entry(changeable.into(), effects)]
                    } else {
                        Vec::new()
                    });
                    let entry = known.then_some((changeable, effects));
                    if let Some((errno, words)) = model(listed, entry, scope, data, false, room) {
                        case.says(errno, words);
                        refused += 1;
                    } else {
                        assert!(case.rule(Errno::INVAL).rule.contains("no check"));
                    }
                }
            }
        }
    }
    assert!(refused > 10_000);
}

#[test]
fn an_errno_that_no_row_gives_counts_as_sent() {
    let case = Case::new(SET_FEATURE, set(UUID, 4));
    for errno in [Errno::INVAL, Errno::IO, Errno::TIMEDOUT, Errno::INTR, Errno::BADMSG] {
        let refusal = case.rule(errno);
        assert_eq!(refusal.sent, Sent::MayHave, "{refusal:?}");
        assert!(refusal.rule.contains("no check of Linux 7.3"));
    }
}

#[test]
fn nothing_of_an_information_call_reaches_the_device_whatever_the_errno() {
    for errno in [Errno::NOTTY, Errno::FAULT, Errno::NODEV, Errno::NOMEM, Errno::IO, Errno::INTR] {
        assert_eq!(info(errno).sent, Sent::No);
    }
    assert_eq!(info(Errno::NODEV).cause, Cause::Gone);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is added against a command never helps it.
//!
//! Random questions are made stricter in one way after another: an advisory, a Nak, a ground row,
//! an effect, a higher disclosure, lockdown, a capability or grant less. The verdict never becomes
//! milder, and the scope that is needed or granted never falls.
//!
//! Four things that look like it are not: an effect reported for a feature that reports no change
//! at all makes it one that Linux sends (`agreement.rs`); a vendor row loaded at run time for an
//! opaque command is a book, which names what was opaque; where it cannot be told whether the
//! kernel's interface is there, the owner who set its absence aside has said what counts; and a
//! ground row that is compiled in opens the kernel's interface that it names. Loaded at run time,
//! it opens none.

mod common;
#[path = "monotone/tape.rs"]
mod tape;

use fwgate_policy::facts::Known;
use fwgate_policy::tables::{Kind, Opinion, SelectorRow};
use fwgate_policy::{
    Code, Confidence, Disclosure, Effects, Judgement, Level, Lockdown, Protocol, Scope, SetAside,
    Site, Subsystems, Verdict,
};
use proptest::prelude::*;
use tape::{CXL_OPCODES, NVME_OPCODES, Tape, World};

/// What the verdict, the scopes and the disclosure come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Outcome {
    verdict: u8,
    required: Scope,
    granted: Option<Scope>,
    discloses: Disclosure,
}

impl Outcome {
    fn of(judgement: &Judgement<'_>) -> Self {
        Self {
            verdict: match judgement.verdict {
                Verdict::Allow(_) => 0,
                Verdict::Redirect => 1,
                Verdict::Deny => 2,
            },
            required: judgement.required,
            granted: judgement.granted,
            discloses: judgement.discloses,
        }
    }

    fn is_no_wider_than(self, before: Self) -> bool {
        self.verdict >= before.verdict
            && self.required >= before.required
            && self.discloses >= before.discloses
            && self.granted.is_none_or(|scope| before.granted.is_some_and(|it| scope >= it))
    }
}

/// Makes a question stricter in one way; tells which.
fn tighten(world: &mut World, tape: &mut Tape<'_>) -> &'static str {
    let way = tape.below(26);
    let on_inner = tape.yes();
    let device = if on_inner { &mut world.inner } else { &mut world.outer };
    let around = &mut device.surroundings;
    let layer = if tape.yes() { &mut world.more } else { &mut world.base };
    let grants = &mut world.standing.grants;
    match way {
        0 => {
            layer.advisories.push(tape::advisory(tape));
            "an advisory"
        }
        1 => {
            layer.stances.push(tape::stance(tape, Opinion::Nak));
            "a Nak"
        }
        2 => {
            let row = tape::ground(tape, world.opcode);
            // Compiled in, it would open the interface that it names.
            let opens = world.kernel_route.is_some() && row.interface == world.kernel_route;
            let layer = if opens { &mut world.more } else { layer };
            layer.ground.push(row);
            "a ground row"
        }
        3 => {
            let nvme = tape.yes();
            let opcode = tape.of(if nvme { &NVME_OPCODES[..] } else { &CXL_OPCODES[..] });
            let bit = if nvme { tape.of(&[1, 2, 3, 4, 16, 17, 18]) } else { tape.below(16) };
            if let Some(row) = device.reported.iter_mut().find(|row| row.opcode == opcode) {
                row.word |= 1 << bit;
            }
            "an effect reported"
        }
        4 => {
            let bit = tape.below(16);
            let changes = |word: u16| word & 0x0C1F != 0;
            for entry in device.features.iter_mut().filter(|entry| changes(entry.effects)) {
                entry.effects |= 1 << bit;
            }
            "an effect of a feature"
        }
        5 | 6 => {
            let nvme = tape.yes();
            let opcode = tape.of(if nvme { &NVME_OPCODES[..] } else { &CXL_OPCODES[..] });
            let mut row = tape::floor(tape, opcode);
            row.effects |= tape.effects();
            let rows = if nvme { &mut world.more.nvme } else { &mut world.more.cxl };
            match rows.iter_mut().find(|it| it.opcode == opcode) {
                Some(there) => {
                    there.effects |= row.effects;
                    there.discloses = there.discloses.max(row.discloses);
                }
                None => rows.push(row),
            }
            "a floor row of a later layer"
        }
        7 => {
            let opcode = tape.of(&[0x0600, 0x0002, 0xC005]);
            let row = tape::operation(tape, opcode);
            let rows = match row.opcode {
                0x0600 => Some(&mut world.more.cxl_selectors),
                0x0002 => Some(&mut world.more.nvme_selectors),
                // Of a book that is already there; the first layer's book would be a new one.
                _ => world.base.vendor.and(Some(&mut world.more.operations)),
            };
            if let Some(rows) = rows {
                rows.push(row);
            }
            "a sub-operation of a later layer"
        }
        8 => {
            if world.base.vendor.is_some() && world.more.vendor.is_none() {
                world.more.vendor = Some((tape.effects(), tape.of(&Disclosure::ALL)));
            }
            "a vendor row where there is one"
        }
        9 => {
            let level = tape.of(&Disclosure::ALL);
            let opcode = tape.of(&CXL_OPCODES);
            let rows = layer.cxl.iter_mut().filter(|row| row.opcode == opcode);
            rows.for_each(|row| row.discloses = row.discloses.max(level));
            let raise = |row: &mut SelectorRow| row.discloses = row.discloses.max(level);
            layer.cxl_selectors.iter_mut().for_each(raise);
            layer.operations.iter_mut().for_each(raise);
            "a higher disclosure"
        }
        10 => {
            let more = tape.effect();
            let opcode = tape.of(&CXL_OPCODES);
            let known = |confidence| confidence != Confidence::Unknown;
            let rows = layer.cxl.iter_mut();
            rows.filter(|row| row.opcode == opcode && known(row.confidence))
                .for_each(|row| row.effects |= more);
            for row in layer.operations.iter_mut().chain(&mut layer.cxl_selectors) {
                row.effects |= more;
            }
            "an effect of a row"
        }
        11 => {
            world.standing.lockdown = match world.standing.lockdown {
                Lockdown::None => Lockdown::Integrity,
                _ => Lockdown::Confidentiality,
            };
            "lockdown"
        }
        12 => {
            world.standing.capabilities.sys_admin = false;
            "CAP_SYS_ADMIN lost"
        }
        13 => {
            world.standing.capabilities.sys_rawio = false;
            "CAP_SYS_RAWIO lost"
        }
        14 => {
            grants.scope = lower(grants.scope);
            "the grant of a scope lowered"
        }
        15 => {
            grants.opaque = lower(grants.opaque);
            "the owner's line lowered"
        }
        16 => {
            grants.named_action = false;
            "the named permit lost"
        }
        17 => {
            grants.may_see = grants.may_see.min(tape.of(&Disclosure::ALL));
            "less to be seen"
        }
        18 => {
            grants.set_aside.remove(SetAside::from_bits_truncate(tape.byte()));
            "less set aside"
        }
        19 => {
            world.standing.site = tape.of(&[Site::Forbid, Site::NoPermit, Site::Error]);
            "the site's permit lost"
        }
        20 => {
            world.standing.path.follows_background = false;
            world.standing.over_budget |= tape.yes();
            "a path that cannot follow"
        }
        21 => {
            world.standing.path.admits_caller = false;
            "a path that does not let in"
        }
        22 => {
            device.credible = false;
            "a log not believed"
        }
        23 => {
            device.features.iter_mut().for_each(|entry| entry.flags = 0);
            "features fixed"
        }
        24 => {
            let known = match tape.below(4) {
                0 => &mut around.driven,
                1 => &mut around.nvdimm_bound,
                2 => &mut around.decoder_committed,
                _ => &mut around.namespace_in_use,
            };
            *known = if *known == Known::No { Known::Yes } else { Known::CannotTell };
            "less known of the surroundings"
        }
        _ => {
            around.drivers |= tape.of(&[Subsystems::NETDEV, Subsystems::RDMA]);
            if tape.yes() && !grants.set_aside.contains(SetAside::NO_INTERFACE) {
                around.interfaces = None;
            }
            "one more driver"
        }
    }
}

fn lower(scope: Option<Scope>) -> Option<Scope> {
    match scope {
        Some(Scope::DebugWriteFull) => Some(Scope::DebugWrite),
        Some(Scope::DebugWrite) => Some(Scope::DebugRead),
        _ => None,
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_global_rejects: 100_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(6_000))]

    #[test]
    fn what_is_added_against_a_command_never_helps_it(
        question in prop::collection::vec(any::<u8>(), 0..220),
        changes in prop::collection::vec(any::<[u8; 12]>(), 1..8),
    ) {
        let mut world = World::from_tape(&mut Tape(&question));
        let mut before = world.judged(Outcome::of);
        for change in changes {
            let was = world.clone();
            let what = tighten(&mut world, &mut Tape(&change));
            let (after, reasons) = world.judged(|it| {
                (Outcome::of(it), it.reasons.iter().map(|it| (it.code, it.level)).collect::<Vec<_>>())
            });
            prop_assert!(
                after.is_no_wider_than(before),
                "{what} helped: {before:?} became {after:?} {reasons:?}\nwas {was:#?}\nis {world:#?}",
            );
            before = after;
        }
    }

    #[test]
    fn each_way_of_tightening_is_tried_on_what_would_be_allowed(
        question in prop::collection::vec(any::<u8>(), 0..220),
        change in any::<[u8; 12]>(),
    ) {
        let mut world = World::from_tape(&mut Tape(&question));
        let before = world.judged(Outcome::of);
        prop_assume!(before.verdict < 2);
        let what = tighten(&mut world, &mut Tape(&change));
        let after = world.judged(Outcome::of);
        prop_assert!(after.is_no_wider_than(before), "{what} helped: {before:?} became {after:?}");
    }

    #[test]
    fn a_ground_row_opens_a_kernel_route_where_it_is_compiled_in_and_nowhere_else(
        question in prop::collection::vec(any::<u8>(), 0..220),
        row in any::<[u8; 12]>(),
        key in 0..2usize,
    ) {
        let mut world = World::from_tape(&mut Tape(&question));
        let key = tape::KEYS[key];
        world.kernel_route = Some(key);
        world.outer.surroundings.interfaces = Some(&tape::KEYS);
        // Without a length or payload that is wrong, which is refused alone.
        let told = |world: &World| {
            world.judged(|it| (Outcome::of(it), it.reasons.refuses_with(Code::WrongInterface)))
        };
        prop_assume!(!world.judged(|it| it.reasons.refuses_with(Code::Malformed)));
        world.base.ground.clear();
        let (before, wrong) = told(&world);
        prop_assert!(wrong, "no compiled-in row names it: {world:#?}");
        prop_assert_eq!(before.verdict, 2);
        let mut row = tape::ground(&mut Tape(&row), world.opcode);
        row.protocol = if world.nvme { Protocol::NvmeAdmin } else { Protocol::Cxl };
        (row.opcode, row.selector, row.interface) = (world.opcode, None, Some(key));
        let without = world.clone();
        world.more.ground.push(row);
        let (after, wrong) = told(&world);
        prop_assert!(wrong && after.is_no_wider_than(before), "{world:#?}");
        let mut world = without;
        world.base.ground.push(row);
        prop_assert!(!told(&world).1, "{world:#?}");
    }

    #[test]
    fn the_verdict_is_the_strictest_reason_and_the_headline_is_the_first_of_that_level(
        question in prop::collection::vec(any::<u8>(), 0..220),
    ) {
        World::from_tape(&mut Tape(&question)).judged(|it| {
            let strictest = it.reasons.iter().map(|it| it.level).max().unwrap_or(Level::Note);
            assert_eq!(strictest, it.reasons.strictest());
            let verdict = match strictest {
                Level::Note => "allow",
                Level::Redirect => "redirect",
                Level::Deny => "deny",
            };
            assert_eq!(it.verdict.name(), verdict);
            let headline = it.reasons.headline().copied();
            assert_eq!(headline, it.reasons.iter().find(|it| it.level == strictest).copied());
            assert_eq!(headline.is_none(), it.reasons.iter().next().is_none());
            assert_eq!(it.granted.is_some(), verdict == "allow");
            let steps: Vec<u8> = it.reasons.iter().filter(|it| it.depth == 0).map(|it| it.code.step()).collect();
            if it.reasons.lost() == 0 {
                // A set-aside note stands where the refusal would have stood.
                let told: Vec<u8> = it.reasons.iter()
                    .filter(|it| it.depth == 0 && it.code != Code::SetAside)
                    .map(|it| it.code.step())
                    .collect();
                assert!(told.is_sorted(), "{steps:?}");
            }
        });
    }
}

#[test]
fn a_log_that_is_not_believed_never_lowers_what_is_required() {
    use fwgate_policy::scope::{Basis, cxl_scope};
    for word in 0..=u16::MAX {
        let effects = Effects::from_cxl(word);
        let believed = cxl_scope(effects, Basis::Credible);
        assert!(cxl_scope(effects, Basis::Incredible) >= believed, "{word:#06x}");
        assert!(believed >= cxl_scope(effects, Basis::Cited), "{word:#06x}");
    }
}

#[test]
fn a_random_question_is_now_allowed_now_redirected_now_denied() {
    // The properties above say nothing if everything is denied to begin with.
    let mut counts = [0u32; 3];
    let mut state = 1u64;
    for _ in 0..4_000 {
        let bytes: Vec<u8> = (0..220)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let verdict = World::from_tape(&mut Tape(&bytes)).judged(|it| Outcome::of(it).verdict);
        counts[usize::from(verdict)] += 1;
    }
    println!("allow, redirect, deny: {counts:?}");
    assert!(counts.iter().all(|count| *count > 40), "{counts:?}");
}

#[test]
fn a_kind_is_only_ever_made_stricter_by_a_later_layer() {
    let mut world = World::from_tape(&mut Tape(&[]));
    world.opcode = 0x4301;
    world.bytes = vec![0; 4];
    world.judged(|it| assert_eq!(it.class.kind, Kind::Read));
    for kind in [Kind::Administration, Kind::Change, Kind::Never] {
        let row = fwgate_policy::tables::FloorRow { opcode: 0x4301, kind, ..common::READ };
        world.more.cxl = vec![row];
        world.judged(|it| assert_eq!(it.class.kind, kind));
    }
}

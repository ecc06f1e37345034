// SPDX-License-Identifier: MIT OR Apache-2.0
//! The judge on any question, and lint on any log.
//!
//! *Not here*: the agreement with Linux and each step by name (`crates/policy/tests`).

mod world;

use fwgate_policy::facts::ReportedRow;
use fwgate_policy::lint::{is_credible, lint};
use fwgate_policy::tables::Protocol;
use fwgate_policy::{
    Code, Judgement, Level, Lockdown, Question, Scope, Site, Tables, Verdict, classify, judge,
};

use crate::Target;
use crate::tape::Tape;
use world::World;

/// By name.
pub(crate) const TARGETS: &[(&str, Target)] =
    &[("judge", judged), ("lint", linted), ("monotone", monotone)];

/// Any question is answered, the same way twice, and the answer holds together.
fn judged(data: &[u8]) {
    let mut tape = Tape::new(data);
    let world = World::from(&mut tape);
    world.ask(|question| {
        let answer = judge(question);
        holds_together(question, &answer);
        let again = judge(question);
        assert_eq!(again.verdict, answer.verdict);
        assert_eq!((again.required, again.granted), (answer.required, answer.granted));
        assert!(again.reasons.iter().eq(answer.reasons.iter()));
    });
}

fn holds_together(question: &Question<'_, '_>, answer: &Judgement<'_>) {
    let strictest = answer.reasons.strictest();
    match answer.verdict {
        Verdict::Allow(obligations) => {
            assert_eq!(strictest, Level::Note);
            let granted = answer.granted.expect("an allowed command has a scope");
            assert!(granted >= answer.required);
            assert!(question.standing.asked.is_none_or(|asked| asked >= answer.required));
            assert!(!obligations.taint || answer.would_taint);
            assert_eq!(question.standing.site, Site::Permit);
            let may_see = question.standing.grants.may_see;
            let by_line = answer.reasons.iter().any(|reason| reason.code == Code::OwnerLine);
            assert!(answer.discloses <= may_see || by_line, "shows {:?}", answer.discloses);
        }
        Verdict::Redirect | Verdict::Deny => {
            assert_ne!(strictest, Level::Note);
            assert_eq!(answer.granted, None);
            assert!(answer.reasons.headline().is_some(), "a refusal without a reason");
        }
    }
    for reason in answer.reasons.iter() {
        assert!(reason.depth <= judge::MAX_DEPTH);
    }
    let class = classify(&question.command, question.facts, question.tables);
    assert_eq!(class.opcode, question.command.opcode());
    assert!(answer.required >= class.scope, "a carried command lowered the scope");
    assert!(answer.effects.contains(class.effective));
    assert!(answer.discloses >= class.discloses);
}

/// A log is judged by itself; what discredits it makes it not credible, and nothing else does.
fn linted(data: &[u8]) {
    let mut tape = Tape::new(data);
    let protocol = tape.of(&[Protocol::Cxl, Protocol::NvmeAdmin, Protocol::NvmeIo]);
    let world = World::from(&mut tape);
    let rows: Vec<_> = tape
        .rest()
        .chunks(6)
        .map(|chunk| {
            let mut row = Tape::new(chunk);
            let (opcode, word) = (row.u16(), row.u32());
            match protocol {
                Protocol::Cxl => ReportedRow { opcode, word: word & 0xFFFF },
                _ => ReportedRow { opcode: opcode & 0xFF, word },
            }
        })
        .collect();
    world.ask(|question| {
        let mut discredited = false;
        lint(protocol, &rows, question.facts, &Tables::BUILTIN, |finding| {
            discredited |= finding.code.discredits();
            assert_eq!(finding.protocol, protocol);
            let its_row = |opcode| rows.iter().any(|row| row.opcode == opcode);
            assert!(finding.word.is_none() || finding.opcode.is_some_and(its_row), "{finding:?}");
            assert!(!finding.code.name().is_empty() && !finding.severity.name().is_empty());
        });
        let credible = is_credible(protocol, &rows, question.facts, &Tables::BUILTIN);
        assert_eq!(credible, !discredited);
        // A log with one row twice is never credible.
        if let Some(first) = rows.first() {
            let twice: Vec<_> = rows.iter().chain([first]).copied().collect();
            assert!(!is_credible(protocol, &twice, question.facts, &Tables::BUILTIN));
        }
    });
}

/// How much a verdict lets through.
fn width(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Deny => 0,
        Verdict::Redirect => 1,
        Verdict::Allow(_) => 2,
    }
}

/// What is made stricter never widens: an effect more, a right less, a lower grant, more lockdown,
/// a log that is not believed.
///
/// Left out is the one exception that Linux makes: a feature that reports no change at all is
/// refused, and is not once it reports one.
fn monotone(data: &[u8]) {
    let mut tape = Tape::new(data);
    let way = tape.below(9);
    let (bit, which) = (tape.below(16), tape.u8());
    let mut world = World::from(&mut tape);
    let before = world.ask(|question| summary(&judge(question)));
    let what = match way {
        0 => {
            let reported = &mut world.reported;
            let nvme = world.command.is_nvme();
            let at = usize::from(which) % reported.len().max(1);
            match reported.get_mut(at) {
                Some(row) if nvme => row.word |= 1 << [1, 2, 3, 4, 16, 17, 5][bit % 7],
                Some(row) => row.word |= 1 << bit,
                None => {}
            }
            "an effect more"
        }
        1 => {
            for entry in world.features.iter_mut().filter(|entry| entry.effects & 0x0C1F != 0) {
                entry.effects |= 1 << bit;
            }
            "an effect more of each feature"
        }
        2 => {
            world.credible = false;
            "a log that is not believed"
        }
        3 => {
            world.standing.lockdown = match world.standing.lockdown {
                Lockdown::None => Lockdown::Integrity,
                _ => Lockdown::Confidentiality,
            };
            "more lockdown"
        }
        4 => {
            world.standing.capabilities = Default::default();
            "no capability"
        }
        5 => {
            world.standing.grants = fwgate_policy::Grants::NONE;
            "no grant"
        }
        6 => {
            world.standing.site =
                [Site::Forbid, Site::NoPermit, Site::Error][usize::from(which) % 3];
            "no permit"
        }
        7 => {
            world.standing.path.follows_background = false;
            world.standing.path.admits_caller = false;
            "a path that can do less"
        }
        _ => {
            world.standing.over_budget = true;
            "no budget"
        }
    };
    let after = world.ask(|question| summary(&judge(question)));
    assert!(after.0 <= before.0, "{what} widened {before:?} to {after:?}");
    assert!(after.1 >= before.1, "{what} lowered the scope, {before:?} to {after:?}");
}

fn summary(answer: &Judgement<'_>) -> (u8, Scope) {
    (width(answer.verdict), answer.required)
}

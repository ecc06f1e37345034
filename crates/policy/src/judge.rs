// SPDX-License-Identifier: MIT OR Apache-2.0
//! The judge: one command, one device, one caller, and whether it may be sent.
//!
//! Steps 1 to 11 run in order, and all of them unless step 1 refuses; the strictest reason decides
//! and the first at that level is the headline. Step 10 is site policy's answer, which the caller
//! of [`judge`] brings along.
//!
//! *Invariants*: pure; no allocation, no clock, no I/O. A row, a Nak, an advisory or an effect that
//! is added never widens what is allowed (`tests/monotone.rs`).
//!
//! *Not here*: sending. A [`Verdict::Allow`] is a value; only `fwgate-gate` turns it into a permit.

use fwgate_wire::cxl::tunnel::TunnelRequest;

use crate::class::{Class, SET_FEATURE, TUNNEL, classify};
use crate::command::Command;
use crate::disclosure::Disclosure;
use crate::effects::Effects;
use crate::facts::Facts;
use crate::reason::{Code, Level, Operand, Reasons};
use crate::scope::Scope;
use crate::standing::{PathKind, SetAside, Standing};
use crate::subsystem::Subsystems;
use crate::tables::{Kind, Protocol, Tables};
use crate::{form, ground, right, stance};

/// The deepest nesting of carried commands that is looked into.
pub const MAX_DEPTH: u8 = 4;

/// How the command is to reach the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route<'a> {
    /// To the firmware, by the path in the standing.
    Firmware,
    /// By the kernel's own interface of that key.
    Kernel(&'a str),
}

/// All that a judgement rests on.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q, 'a> {
    /// The command.
    pub command: Command<'q>,
    /// How it is to reach the device.
    pub route: Route<'q>,
    /// What is known of the device.
    pub facts: &'q Facts<'a>,
    /// What is known beside that.
    pub tables: &'q Tables<'a>,
    /// Who asks, and how it would go.
    pub standing: &'q Standing,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Send it, and keep these.
    Allow(Obligations),
    /// Not this way: by the kernel's own interface.
    Redirect,
    /// Refuse it.
    Deny,
}

impl Verdict {
    /// The verdict's name, as it is written in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Redirect => "redirect",
            Self::Deny => "deny",
        }
    }
}

/// What sending an allowed command obliges to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Obligations {
    /// The kernel is to be tainted after the record and before the send.
    pub taint: bool,
    /// The record is to be on stable storage before the send.
    pub durable: bool,
    /// The outcome is not to be believed until it is read back.
    pub read_back: bool,
}

/// The judgement, explained.
#[derive(Clone, Copy, Debug)]
pub struct Judgement<'a> {
    /// What is to be done.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Reasons<'a>,
    /// What the command is.
    pub class: Class<'a>,
    /// The scope it needs, carried commands counted.
    pub required: Scope,
    /// The scope it is sent with; `None` unless allowed.
    pub granted: Option<Scope>,
    /// Effects, carried commands counted.
    pub effects: Effects,
    /// What the reply shows, carried commands counted.
    pub discloses: Disclosure,
    /// Whether sending it would taint the kernel.
    pub would_taint: bool,
}

/// Judges.
#[must_use]
pub fn judge<'a>(question: &Question<'_, 'a>) -> Judgement<'a> {
    let class = classify(&question.command, question.facts, question.tables);
    let mut case = Case {
        question,
        reasons: Reasons::new(),
        scope: class.scope,
        effects: class.effective,
        discloses: class.discloses,
        known_discloses: known_discloses(&class),
        opaque: class.opaque,
        plain_read: class.is_sourced_read(),
        drivers: question.facts.surroundings.may_drive(),
        holders: Subsystems::empty(),
    };
    if form::check(&question.command, &class, question.tables, &mut case.reasons, 0) {
        case.steps(&class);
    }
    case.conclude(class)
}

/// A judgement in the making, with what carried commands add to it.
struct Case<'q, 'a> {
    question: &'q Question<'q, 'a>,
    reasons: Reasons<'a>,
    scope: Scope,
    effects: Effects,
    discloses: Disclosure,
    /// What the parts that a sourced row knows show.
    known_discloses: Disclosure,
    opaque: bool,
    plain_read: bool,
    /// Who drives the device and every target.
    drivers: Subsystems,
    /// Whose ground it is on.
    holders: Subsystems,
}

impl<'q, 'a> Case<'q, 'a> {
    fn steps(&mut self, class: &Class<'a>) {
        let question = self.question;
        let facts = question.facts;
        self.advisories(class, facts, 0);
        self.support(class, facts, 0);
        self.carried(&question.command, class, facts, 0);
        self.effects_of(class, facts, 0);
        let asks = self.demand(class);
        right::disclosure(question.standing, &asks, &mut self.reasons);
        self.holders |= ground::check(question, class, &mut self.reasons);
        stance::check(question, self.opaque, self.drivers, self.holders, &mut self.reasons);
        right::check(question.standing, &asks, &mut self.reasons);
        right::site(question.standing, &mut self.reasons);
        self.path();
    }

    /// Step 2.
    fn advisories(&mut self, class: &Class<'a>, facts: &Facts<'a>, depth: u8) {
        for row in self.question.tables.layers().flat_map(|layer| layer.advisories) {
            let names_it = match row.opcode {
                Some(opcode) => opcode == class.opcode,
                None => class.changes(),
            };
            if names_it
                && row.protocol == class.protocol
                && row.device.covers(facts.vendor, facts.device, facts.firmware)
            {
                self.reasons.push(Level::Deny, depth, Code::Advisory, Operand::Key(row.key));
            }
        }
    }

    /// Step 3: at the level of the opcode, then of its selector.
    fn support(&mut self, class: &Class<'a>, facts: &Facts<'a>, depth: u8) {
        let mandatory = self
            .question
            .tables
            .floor(class.protocol, class.opcode)
            .is_some_and(|row| row.mandatory.intersects(facts.class));
        let reported = match (class.protocol, facts.reported.word(class.opcode)) {
            // There is no log: the kernel's driver refuses what its table does not name.
            (Protocol::Mlx5 | Protocol::Bnxt, _) => class.driver.is_some(),
            // What is not known of the firmware's list, the driver looks up; see `class`.
            (Protocol::Pds, _) => facts.operations.is_none() || class.driver.is_some(),
            (_, None) => false,
            (Protocol::Cxl, Some(_)) => true,
            // NVMe lists every opcode; bit 0 says which are supported.
            (Protocol::NvmeAdmin | Protocol::NvmeIo, Some(word)) => word & 1 == 1,
        };
        let refusal = if !mandatory && !reported {
            Some(match class.protocol {
                Protocol::Mlx5 | Protocol::Bnxt => "driver",
                Protocol::Pds => "operation",
                _ => "opcode",
            })
        } else if class.protocol != Protocol::Cxl {
            None
        } else {
            match (class.opcode, class.selector) {
                // Where the list cannot be read, the kernel has read it: its interface is there for
                // a feature that it found in it.
                (SET_FEATURE, Some(_))
                    if facts.features.is_none() && self.stays_off_the_firmware(depth) =>
                {
                    None
                }
                (SET_FEATURE, Some(uuid)) if facts.feature(uuid.as_bytes()).is_none() => {
                    Some("feature")
                }
                (0x0401..=0x0404, Some(uuid))
                    if facts.logs.is_some_and(|logs| {
                        !logs.iter().any(|log| log.as_slice() == uuid.as_bytes())
                    }) =>
                {
                    Some("log")
                }
                _ => None,
            }
        };
        if let Some(what) = refusal {
            self.reasons.push(Level::Deny, depth, Code::Unreported, Operand::Rule(what));
        }
    }

    /// Step 4: each carried command, by this same table, against the facts of its target.
    fn carried(&mut self, command: &Command<'_>, class: &Class<'a>, facts: &Facts<'a>, depth: u8) {
        let Some(carries) = carried_by(command, class, facts) else { return };
        let below = depth.saturating_add(1);
        if below > MAX_DEPTH {
            self.reasons.push(Level::Deny, depth, Code::TunnelTooDeep, Operand::None);
            return;
        }
        let (Some(inner), Some(target)) = (carries.command, carries.target) else {
            self.reasons.push(Level::Deny, depth, Code::TunnelOpaque, Operand::None);
            return;
        };
        let inner_class = classify(&inner, target, self.question.tables);
        self.scope = self.scope.max(inner_class.scope);
        self.effects |= inner_class.effective;
        self.discloses = self.discloses.max(inner_class.discloses);
        self.known_discloses = self.known_discloses.max(known_discloses(&inner_class));
        self.opaque |= inner_class.opaque;
        self.plain_read &= inner_class.is_sourced_read();
        self.drivers |= target.surroundings.may_drive();
        if !form::check(&inner, &inner_class, self.question.tables, &mut self.reasons, below) {
            return;
        }
        self.advisories(&inner_class, target, below);
        self.support(&inner_class, target, below);
        self.carried(&inner, &inner_class, target, below);
        self.effects_of(&inner_class, target, below);
        let through = Question {
            command: inner,
            route: Route::Firmware,
            facts: target,
            tables: self.question.tables,
            standing: self.question.standing,
        };
        self.holders |= ground::check_through(&through, &inner_class, below, &mut self.reasons);
    }

    /// Step 5.
    fn effects_of(&mut self, class: &Class<'a>, facts: &Facts<'a>, depth: u8) {
        let aside = self.question.standing.grants.set_aside;
        let feature = class
            .selector
            .filter(|_| class.opcode == SET_FEATURE && class.protocol == Protocol::Cxl)
            .and_then(|uuid| facts.feature(uuid.as_bytes()));
        if feature.is_some_and(|entry| !entry.changeable()) {
            self.reasons.push(Level::Deny, depth, Code::FeatureFixed, Operand::None);
        }
        if class.effective.contains(Effects::RESERVED) {
            let operand = Operand::Effects(class.effective);
            self.refuse_unless(
                aside.contains(SetAside::RESERVED_EFFECT),
                depth,
                Code::ReservedEffect,
                operand,
            );
        }
        let by_owner = self.stays_off_the_firmware(depth);
        if class.effective.contains(Effects::SECURITY_STATE) && !by_owner {
            let operand = Operand::Effects(class.effective);
            self.refuse_unless(
                aside.contains(SetAside::SECURITY_STATE),
                depth,
                Code::SecurityState,
                operand,
            );
        }
        if feature.is_some() {
            if class.effective.contains(Effects::BACKGROUND) {
                self.reasons.push(Level::Deny, depth, Code::FeatureBackground, Operand::None);
            }
            // What rows add is no sign that the device means the change.
            if !class.reported.intersects(Effects::IMMEDIATE | Effects::AFTER_RESET) {
                self.reasons.push(Level::Deny, depth, Code::FeatureNoEffect, Operand::None);
            }
        }
        if let (Some(driver), Some(why)) = (class.driver, class.raised) {
            let operand = Operand::Raised { driver, ours: class.scope, why };
            self.reasons.push(Level::Note, depth, Code::AboveDriver, operand);
        }
        let missing = class.floor.difference(class.reported);
        if class.reported_word.is_some() && class.judged_by.is_none() && !missing.is_empty() {
            self.reasons.push(Level::Note, depth, Code::BelowFloor, Operand::Effects(missing));
        }
    }

    /// Whether this very command cannot come to the firmware by fwgate: it is the kernel's
    /// interface that is asked for, or there is no path and only that interface is left.
    fn stays_off_the_firmware(&self, depth: u8) -> bool {
        let by_kernel = matches!(self.question.route, Route::Kernel(_));
        depth == 0 && (by_kernel || self.question.standing.path.kind == PathKind::None)
    }

    /// Step 11.
    fn path(&mut self) {
        let standing = self.question.standing;
        let kernel_route = matches!(self.question.route, Route::Kernel(_));
        // Who is shown the kernel's interface needs no other path, and none that can follow.
        if !self.reasons.redirects() {
            if standing.path.kind == PathKind::None {
                self.reasons.push(Level::Deny, 0, Code::NoPath, Operand::None);
            } else if self.effects.contains(Effects::BACKGROUND)
                && !standing.path.follows_background
                && !kernel_route
            {
                self.reasons.push(Level::Deny, 0, Code::NoFollow, Operand::None);
            }
        }
        if standing.over_budget {
            self.reasons.push(Level::Deny, 0, Code::RateLimited, Operand::None);
        }
    }

    fn refuse_unless(&mut self, set_aside: bool, depth: u8, code: Code, operand: Operand<'a>) {
        if set_aside {
            self.reasons.push(Level::Note, depth, Code::SetAside, Operand::SetAside(code));
        } else {
            self.reasons.push(Level::Deny, depth, code, operand);
        }
    }

    /// What the command asks of its caller, carried commands counted.
    fn demand(&self, class: &Class<'a>) -> right::Demand {
        right::Demand {
            protocol: class.protocol,
            kind: if self.plain_read {
                Kind::Read
            } else if class.kind == Kind::Read {
                Kind::Change
            } else {
                class.kind
            },
            opaque: self.opaque,
            scope: self.scope,
            discloses: self.discloses,
            known_discloses: self.known_discloses,
            kernel_route: matches!(self.question.route, Route::Kernel(_)),
        }
    }

    fn conclude(self, class: Class<'a>) -> Judgement<'a> {
        let standing = self.question.standing;
        let sent_with = standing.asked.unwrap_or(self.scope).max(self.scope);
        let would_taint = right::taints(standing, self.opaque, sent_with)
            && !matches!(self.question.route, Route::Kernel(_));
        let verdict = match self.reasons.strictest() {
            Level::Deny => Verdict::Deny,
            Level::Redirect => Verdict::Redirect,
            Level::Note => Verdict::Allow(Obligations {
                taint: would_taint,
                durable: !self.plain_read,
                read_back: standing.path.kind == PathKind::Fwctl
                    && class.protocol == Protocol::Cxl
                    && class.opcode == SET_FEATURE,
            }),
        };
        let granted = matches!(verdict, Verdict::Allow(_)).then_some(sent_with);
        Judgement {
            verdict,
            reasons: self.reasons,
            class,
            required: self.scope,
            granted,
            effects: self.effects,
            discloses: self.discloses,
            would_taint,
        }
    }
}

/// What the reply is known to show; nothing of a command that only the device knows, which the
/// owner's line answers for.
const fn known_discloses(class: &Class<'_>) -> Disclosure {
    if class.opaque { Disclosure::None } else { class.discloses }
}

/// What a command carries.
struct Carries<'c, 'f, 'a> {
    /// The carried command; `None` where it cannot be read.
    command: Option<Command<'c>>,
    /// The facts of its target; `None` where nothing is known of it.
    target: Option<&'f Facts<'a>>,
}

/// What this command carries, if it carries anything.
fn carried_by<'c, 'f, 'a>(
    command: &Command<'c>,
    class: &Class<'a>,
    facts: &'f Facts<'a>,
) -> Option<Carries<'c, 'f, 'a>> {
    let Command::Cxl { opcode, payload } = *command else { return None };
    if opcode == TUNNEL {
        let Ok(request) = TunnelRequest::parse(payload) else {
            return Some(Carries { command: None, target: None });
        };
        let inner = request.inner();
        let command = Command::Cxl { opcode: inner.opcode().0, payload: inner.payload() };
        return Some(Carries { command: Some(command), target: facts.inner(request.target()) });
    }
    let place = class.carries?;
    let at = usize::from(place.opcode_at);
    let bytes = at.checked_add(2).and_then(|end| payload.get(at..end));
    let rest = payload.get(usize::from(place.payload_at)..);
    let command = match (bytes, rest) {
        (Some(&[low, high]), Some(rest)) => {
            Some(Command::Cxl { opcode: u16::from_le_bytes([low, high]), payload: rest })
        }
        _ => None,
    };
    Some(Carries { command, target: Some(facts) })
}

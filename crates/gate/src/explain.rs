// SPDX-License-Identifier: MIT OR Apache-2.0
//! A judgement in words: sentences for codes and operands, and the smallest change that would
//! allow what was refused.
//!
//! *Invariants*: the first reason is the headline. Codes are stable; sentences are not. Nothing
//! from a device or a client is put into a sentence without [`crate::text::clean`].

use fwgate_policy::{
    Code, Disclosure, Judgement, Level, Operand, Reason, Right, Route, Scope, Standing, Verdict,
};
use serde::Serialize;

use crate::device::NoPath;
use crate::names;
use crate::outcome::MAX_ERROR;
use crate::request::Message;
use crate::text::line;

/// One reason, ready to print.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReasonText {
    /// Stable code.
    pub code: &'static str,
    /// Step of the judge.
    pub step: u8,
    /// `deny`, `redirect` or `note`.
    pub level: &'static str,
    /// 0 for the command itself, 1 for the one it carries, and so on.
    #[serde(skip_serializing_if = "is_zero")]
    pub depth: u8,
    /// A sentence.
    pub detail: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(depth: &u8) -> bool {
    *depth == 0
}

/// A judgement, explained and owned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    /// `allow`, `redirect` or `deny`.
    pub verdict: &'static str,
    /// Why: the headline first, then the strictest, then in the order of the steps.
    pub reasons: Vec<ReasonText>,
    /// The scope that the command needs.
    pub required_scope: &'static str,
    /// The scope that it is sent with, if allowed.
    pub granted_scope: Option<&'static str>,
    /// Whether sending it would taint the kernel.
    pub would_taint: bool,
    /// The path it would take.
    pub path: Option<&'static str>,
    /// The kernel's own interface, where that is the way.
    pub interface: Option<String>,
    /// That interface's key in the tables.
    #[serde(skip)]
    pub(crate) interface_key: Option<&'static str>,
    /// Why the caller would be refused by that interface too; `None` if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface_refusal: Option<&'static str>,
    /// The smallest change that would allow it, ready to paste.
    pub fix: Option<String>,
    /// Effects that were judged.
    pub effects: Vec<&'static str>,
    /// What the reply shows.
    pub discloses: &'static str,
}

impl Explanation {
    /// The code of the headline; `allow` where there is nothing against it.
    #[must_use]
    pub fn headline(&self) -> &'static str {
        match self.reasons.first() {
            Some(reason) if reason.level != "note" => reason.code,
            // The verdict itself, should its reasons not have fitted the list.
            _ => self.verdict,
        }
    }

    /// Takes down what was judged of the kernel's own interface, to which this one points.
    pub(crate) fn say_of_the_other_way(&mut self, there: &Judgement<'_>) {
        let refusal = there.reasons.headline().filter(|_| there.verdict == Verdict::Deny);
        if let Some(refusal) = refusal {
            let code = refusal.code.name();
            self.interface_refusal = Some(code);
            if let Some(fix) = &mut self.fix {
                fix.push_str(&format!("; this caller is refused there too (`{code}`)"));
            }
        }
    }

    /// Says why no path carries the command, where that is so.
    pub(crate) fn say_of_the_path(&mut self, missing: &NoPath) {
        let code = Code::NoPath.name();
        if let Some(reason) = self.reasons.iter_mut().find(|reason| reason.code == code) {
            reason.detail = line(&missing.why, MAX_ERROR);
        }
        if self.headline() == code {
            self.fix = missing.fix.as_deref().map(|fix| line(fix, MAX_ERROR));
        }
    }

    /// Puts a judgement into words.
    #[must_use]
    pub fn of(
        judgement: &Judgement<'_>,
        device: &str,
        message: &Message,
        route: Route<'_>,
        standing: &Standing,
    ) -> Self {
        let mut reasons: Vec<&Reason<'_>> = judgement.reasons.iter().collect();
        reasons.sort_by_key(|reason| core::cmp::Reverse(reason.level));
        let command = names::command(message);
        let interface = reasons.iter().find_map(|reason| match reason.operand {
            Operand::Owner { interface, .. } if reason.level == Level::Redirect => interface,
            _ => None,
        });
        let fix = reasons
            .iter()
            .filter(|reason| reason.level > Level::Note)
            .find_map(|reason| fix(reason, device, &command, judgement));
        let path = match route {
            Route::Kernel(_) => Some("kernel-interface"),
            Route::Firmware => Some(standing.path.kind.name()),
        };
        Self {
            verdict: judgement.verdict.name(),
            reasons: reasons.iter().map(|reason| text(reason, &command, judgement)).collect(),
            required_scope: judgement.required.name(),
            granted_scope: judgement.granted.map(Scope::name),
            would_taint: judgement.would_taint,
            path: path.filter(|_| matches!(judgement.verdict, Verdict::Allow(_))),
            interface: interface.map(|row| row.place.to_owned()),
            interface_key: interface
                .filter(|_| judgement.verdict == Verdict::Redirect)
                .map(|row| row.key),
            interface_refusal: None,
            fix,
            effects: judgement.effects.names().collect(),
            discloses: judgement.discloses.name(),
        }
    }
}

fn text(reason: &Reason<'_>, command: &str, judgement: &Judgement<'_>) -> ReasonText {
    let level = match reason.level {
        Level::Deny => "deny",
        Level::Redirect => "redirect",
        Level::Note => "note",
    };
    ReasonText {
        code: reason.code.name(),
        step: reason.code.step(),
        level,
        depth: reason.depth,
        detail: sentence(reason, command, judgement),
    }
}

/// The sentence of a reason: what the rule is and which fact it used.
#[expect(clippy::too_many_lines, reason = "one arm a code; splitting it would hide the list")]
fn sentence(reason: &Reason<'_>, command: &str, judgement: &Judgement<'_>) -> String {
    let list = |names: &mut dyn Iterator<Item = &'static str>| names.collect::<Vec<_>>().join(", ");
    let carried = if reason.depth > 0 { "the command it carries " } else { "" };
    match (reason.code, reason.operand) {
        (Code::Malformed, Operand::Length { of, have, min, max }) if min == max => {
            format!("{carried}{of} is {} long, {min} expected", bytes(have))
        }
        (Code::Malformed, Operand::Length { of, have, min, max: u32::MAX }) => {
            format!("{carried}{of} is {} long, at least {min} expected", bytes(have))
        }
        (Code::Malformed, Operand::Length { of, have, min, max }) => {
            format!("{carried}{of} is {} long, {min} to {max} expected", bytes(have))
        }
        (Code::Malformed, Operand::Rule(rule)) => format!("{carried}{rule}"),
        (Code::Advisory, Operand::Key(key)) => {
            format!("advisory `{key}` bars it on this device and firmware")
        }
        (Code::Unreported, Operand::Rule("feature")) => {
            format!("{carried}names a feature that the device does not list")
        }
        (Code::Unreported, Operand::Rule("log")) => {
            format!("{carried}names a log that the device does not list")
        }
        (Code::Unreported, Operand::Rule("driver")) => {
            format!("the kernel's fwctl driver passes {} on to nobody", subject(reason, command))
        }
        (Code::Unreported, Operand::Rule("operation")) => {
            format!("the device's firmware does not list {}", subject(reason, command))
        }
        (Code::Unreported, _) => {
            format!("the device's effects log does not list {}", subject(reason, command))
        }
        (Code::TunnelOpaque, _) => {
            "it carries a command that cannot be read, or to a device of which nothing is known"
                .to_owned()
        }
        (Code::TunnelTooDeep, _) => {
            format!(
                "carried commands are looked into {} levels deep",
                fwgate_policy::judge::MAX_DEPTH
            )
        }
        (Code::ReservedEffect, _) => {
            "the device reports an effect bit that the specification reserves".to_owned()
        }
        (Code::SecurityState, _) => format!(
            "{} changes security state (passphrases, locks, sanitize)",
            subject(reason, command)
        ),
        (Code::FeatureFixed, _) => "the device says that this feature cannot be changed".to_owned(),
        (Code::FeatureBackground, _) => {
            "setting this feature goes on in the background, which cannot be followed".to_owned()
        }
        (Code::FeatureNoEffect, _) => {
            "the device says that setting this feature changes nothing, which cannot be".to_owned()
        }
        (Code::BelowFloor, Operand::Effects(missing)) => format!(
            "the device reports less than is known of this command; {} counts as well",
            list(&mut missing.names())
        ),
        (Code::AboveDriver, Operand::Raised { driver, ours, why }) => {
            format!("the kernel's driver lets it pass at `{driver}`; fwgate asks `{ours}`: {why}")
        }
        (Code::Discloses, Operand::Shows { shows, may_see }) => match shows {
            Disclosure::Secret if judgement.class.opaque => format!(
                "what the reply shows is not known, so it counts as `secret`; the caller may be \
                 shown up to `{may_see}`"
            ),
            _ => format!("the reply shows `{shows}`; the caller may be shown up to `{may_see}`"),
        },
        (Code::NeverSent, _) => format!(
            "{} is never sent for anyone: it belongs to the driver or carries a DMA address",
            subject(reason, command)
        ),
        (Code::WrongInterface, _) => format!(
            "the kernel's interface that was named is not there, or not for {}",
            subject(reason, command)
        ),
        (Code::KernelOwned, Operand::Owner { owner, interface, why }) => format!(
            "this is the ground of {}: {why}; use {}",
            list(&mut owner.names()),
            interface.map_or("the kernel's own interface", |row| row.place)
        ),
        (Code::KernelOwnedNoInterface, Operand::Owner { owner, interface, why }) => match interface
        {
            Some(row) => format!(
                "this is the ground of {}: {why}; its interface {} is not there (turn on {})",
                list(&mut owner.names()),
                row.place,
                row.option
            ),
            None => format!(
                "this is the ground of {}: {why}; the kernel has no interface for it",
                list(&mut owner.names())
            ),
        },
        (Code::Nak, Operand::Key(key)) => {
            format!("the subsystem whose ground this is has refused it (stance `{key}`)")
        }
        (Code::SharedGround, Operand::Grounds(silent)) => format!(
            "several subsystems drive this device and {} has not agreed to opaque commands",
            list(&mut silent.names())
        ),
        (Code::ScopeTooLow, Operand::Scopes { asked, required }) => {
            let effects = list(&mut judgement.effects.names());
            if let (Some(driver), None) = (judgement.class.driver, judgement.class.raised) {
                return format!(
                    "asked for `{asked}`; needs `{required}`, because the kernel's driver asks \
                     `{driver}`"
                );
            }
            let because = match (effects.as_str(), judgement.class.opaque) {
                ("", true) => "only the device says what it does".to_owned(),
                ("", false) => "of what it is".to_owned(),
                (effects, _) => format!("its effects are {effects}"),
            };
            format!("asked for `{asked}`; needs `{required}`, because {because}")
        }
        (Code::RightMissing, Operand::Right(right)) => missing(right).to_owned(),
        (Code::Lockdown, Operand::Lockdown(level)) => {
            format!("kernel lockdown is `{}`", level.name())
        }
        (Code::NamedPermit, _) => {
            "a permit that names this action stands in for a capability".to_owned()
        }
        (Code::OwnerLine, _) => "the owner's line for opaque commands permits it".to_owned(),
        (Code::SetAside, Operand::SetAside(code)) => {
            format!("the owner of the machine set `{}` aside", code.name())
        }
        (Code::SiteForbid, _) => "site policy forbids it".to_owned(),
        (Code::SiteNoPermit, _) => "no site policy permits it".to_owned(),
        (Code::SiteError, _) => "site policy could not be evaluated, which counts as no".to_owned(),
        (Code::NoPath, _) => "no path of this machine carries it to the device".to_owned(),
        (Code::NoFollow, _) => {
            "it goes on in the background and this path cannot follow it".to_owned()
        }
        (Code::RateLimited, _) => "the budget for this caller or device is used up".to_owned(),
        (code, _) => code.name().to_owned(),
    }
}

fn bytes(count: u32) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

fn subject<'s>(reason: &Reason<'_>, command: &'s str) -> &'s str {
    if reason.depth > 0 { "the command it carries" } else { command }
}

const fn missing(right: Right) -> &'static str {
    match right {
        Right::CapSysAdmin => "the caller needs CAP_SYS_ADMIN, or a site permit naming the action",
        Right::CapSysRawio => "the caller needs CAP_SYS_RAWIO",
        Right::SiteGrant => "the caller needs an explicit grant of the site at this scope",
        Right::OwnerLine => {
            "only the device says what this command does: it needs an owner's line that names it"
        }
        Right::PathOrNamedPermit => {
            "the caller needs what the kernel's own path asks, or a site permit naming the action"
        }
    }
}

/// The smallest change that would take this reason away; `None` where there is none.
fn fix(
    reason: &Reason<'_>,
    device: &str,
    command: &str,
    judgement: &Judgement<'_>,
) -> Option<String> {
    match (reason.code, reason.operand) {
        (Code::ScopeTooLow, Operand::Scopes { required, .. }) => {
            Some(format!("ask for it: --scope {required}"))
        }
        (Code::KernelOwned, Operand::Owner { interface: Some(row), .. }) => {
            Some(format!("use the kernel's interface: {}", on_device(row.verb, device)))
        }
        (Code::KernelOwnedNoInterface, Operand::Owner { interface: Some(row), .. }) => Some(
            format!("turn on {} in the kernel, then: {}", row.option, on_device(row.verb, device)),
        ),
        (Code::RightMissing, Operand::Right(Right::CapSysRawio)) => {
            Some("run it with CAP_SYS_RAWIO in the initial user namespace".to_owned())
        }
        (Code::RightMissing, Operand::Right(Right::CapSysAdmin)) => {
            Some("run it with CAP_SYS_ADMIN, or have the site permit the action by name".to_owned())
        }
        (Code::SiteNoPermit | Code::Discloses, _)
            if judgement.class.is_sourced_read() && judgement.discloses <= Disclosure::Health =>
        {
            Some("join the group that may read: usermod -aG fwgate USER".to_owned())
        }
        (Code::SiteNoPermit | Code::Discloses | Code::RightMissing, _) => Some(format!(
            "have the owner of the machine permit `{command}` on `{device}` for this caller"
        )),
        (Code::Unreported, Operand::Rule("driver")) => Some(
            "none: only a kernel whose driver knows the command, and data that say so".to_owned(),
        ),
        (Code::Unreported, _) => {
            Some(format!("see what the device lists: fwgate effects {device}"))
        }
        (Code::SecurityState | Code::ReservedEffect | Code::Nak | Code::SharedGround, _) => {
            Some(format!(
                "the owner of the machine may set `{}` aside for this device, firmware and command",
                reason.code.name()
            ))
        }
        (code, operand) => plain_fix(code, operand),
    }
}

/// What to run instead, with the device's name put in.
fn on_device(verb: &str, device: &str) -> String {
    verb.replace(" DEV", &format!(" {device}"))
}

/// The fix of a code that needs no name put into it; says so where no change allows the command.
fn plain_fix(code: Code, operand: Operand<'_>) -> Option<String> {
    let fix = match (code, operand) {
        (Code::Malformed, Operand::Length { min, max, .. }) => {
            let bytes = match max {
                u32::MAX => format!("at least {min}"),
                max if max == min => min.to_string(),
                max => format!("{min} to {max}"),
            };
            return Some(format!(
                "give a payload of {bytes} bytes: --payload FILE or --hex DIGITS"
            ));
        }
        (Code::Malformed, _) => "give a payload that keeps this rule",
        (Code::Advisory, _) => "run firmware that the advisory does not cover",
        (Code::TunnelOpaque, _) => "carry one whole command, to a target whose facts can be read",
        (Code::TunnelTooDeep, _) => "send the carried command with fewer levels around it",
        (Code::FeatureFixed | Code::FeatureBackground | Code::FeatureNoEffect, _) => {
            "none: the device's own entry of the feature rules it out"
        }
        (Code::NeverSent, _) => "none: no rule can allow it",
        (Code::WrongInterface, _) => "leave the route to fwgate: it names the right interface",
        (Code::KernelOwnedNoInterface, _) => {
            "the owner of the machine may set `kernel-owned-no-interface` aside for this command"
        }
        (Code::Lockdown, _) => "boot without lockdown; at run time it can only be raised",
        (Code::SiteForbid, _) => "have the owner of the machine change the rule that forbids it",
        (Code::SiteError, _) => "have the owner of the machine mend the site policy",
        (Code::NoFollow, _) => "none: no way to it that is there follows it to its end",
        (Code::RateLimited, _) => "wait, or have the owner of the machine raise the budget",
        _ => return None,
    };
    Some(fix.to_owned())
}

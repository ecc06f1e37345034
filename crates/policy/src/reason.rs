// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why: the codes and operands that a judgement is explained by.
//!
//! *Invariants*: codes are stable; a code belongs to one step. The list is bounded; a reason that
//! does not fit still counts for the verdict and is counted as lost.
//!
//! *Not here*: sentences (`fwgate-gate` turns these into them).

use crate::disclosure::Disclosure;
use crate::effects::Effects;
use crate::scope::Scope;
use crate::standing::Lockdown;
use crate::subsystem::Subsystems;
use crate::tables::InterfaceRow;

/// How strict a reason is. The strictest of all decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// Explains, changes nothing.
    Note,
    /// Not this way, but by the kernel's own interface.
    Redirect,
    /// Refused.
    Deny,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal at $step:literal,)*) => {
        /// What a reason says.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All codes, by step.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code's name, as it is written in every output. Never changes.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The step of the judge that gives it.
            #[must_use]
            pub const fn step(self) -> u8 {
                match self { $(Self::$variant => $step,)* }
            }
        }
    };
}

codes! {
    /// Lengths or known payload rules are broken.
    Malformed = "malformed" at 1,
    /// An advisory bars it on this device and firmware.
    Advisory = "advisory" at 2,
    /// The device does not report it.
    Unreported = "unreported" at 3,
    /// It carries a command that cannot be read, or to a target of which nothing is known.
    TunnelOpaque = "tunnel-opaque" at 4,
    /// It carries a command that carries a command, too many times.
    TunnelTooDeep = "tunnel-too-deep" at 4,
    /// The device reports a bit that the specification reserves.
    ReservedEffect = "reserved-effect" at 5,
    /// It changes passphrases, locks or sanitize state.
    SecurityState = "security-state" at 5,
    /// The feature says that it cannot be changed.
    FeatureFixed = "feature-fixed" at 5,
    /// Setting the feature goes on in the background.
    FeatureBackground = "feature-background" at 5,
    /// The feature can be changed and says that changing it does nothing.
    FeatureNoEffect = "feature-no-effect" at 5,
    /// The device reports less than the floor; the floor counts. A note.
    BelowFloor = "below-floor" at 5,
    /// The kernel's fwctl driver asks a lower scope; ours counts. A note.
    AboveDriver = "above-driver" at 5,
    /// The reply shows more than the caller may see.
    Discloses = "discloses" at 6,
    /// Never sent by anyone: it belongs to the driver or carries a DMA address.
    NeverSent = "never-sent" at 7,
    /// The kernel's interface that was named is not there, or not for this command.
    WrongInterface = "wrong-interface" at 7,
    /// A kernel subsystem owns this ground and has its own interface.
    KernelOwned = "kernel-owned" at 7,
    /// A kernel subsystem owns this ground and its interface is not there.
    KernelOwnedNoInterface = "kernel-owned-no-interface" at 7,
    /// The subsystem whose ground this is has said no.
    Nak = "nak" at 8,
    /// Several subsystems drive this device and not all have agreed.
    SharedGround = "shared-ground" at 8,
    /// The scope that was asked for is below the one that is needed.
    ScopeTooLow = "scope-too-low" at 9,
    /// The caller lacks a right that this needs.
    RightMissing = "right-missing" at 9,
    /// The kernel's lockdown rules it out.
    Lockdown = "lockdown" at 9,
    /// A permit that names the action stands in for a capability. A note.
    NamedPermit = "named-permit" at 9,
    /// The owner's line for opaque commands was used. A note.
    OwnerLine = "owner-line" at 9,
    /// The owner of the machine set a refusal aside by naming it. A note.
    SetAside = "set-aside" at 9,
    /// Site policy forbids it.
    SiteForbid = "site-forbid" at 10,
    /// No site policy permits it.
    SiteNoPermit = "site-no-permit" at 10,
    /// Site policy could not be evaluated.
    SiteError = "site-error" at 10,
    /// No path of the machine carries it to the device.
    NoPath = "no-path" at 11,
    /// It goes on in the background and this path cannot follow it.
    NoFollow = "no-follow" at 11,
    /// The caller's or the device's budget is used up.
    RateLimited = "rate-limited" at 11,
}

/// What a reason is about, beside its code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand<'a> {
    /// Nothing more to say.
    None,
    /// A length: what it is of, and the bounds it broke.
    Length {
        /// What is measured.
        of: &'static str,
        /// Bytes there are.
        have: u32,
        /// Fewest bytes.
        min: u32,
        /// Most bytes.
        max: u32,
    },
    /// A payload rule, in words.
    Rule(&'static str),
    /// An advisory's or a stance's key.
    Key(&'a str),
    /// Effects.
    Effects(Effects),
    /// The scope asked for and the one needed.
    Scopes {
        /// Asked for.
        asked: Scope,
        /// Needed.
        required: Scope,
    },
    /// The scope that the kernel's driver asks, ours, and why it is higher.
    Raised {
        /// The driver's.
        driver: Scope,
        /// Ours.
        ours: Scope,
        /// Why.
        why: &'a str,
    },
    /// What would be shown and what may be.
    Shows {
        /// Would be shown.
        shows: Disclosure,
        /// May be shown.
        may_see: Disclosure,
    },
    /// Who owns the ground, and the interface to use or to turn on.
    Owner {
        /// The owner.
        owner: Subsystems,
        /// Its interface.
        interface: Option<&'a InterfaceRow>,
        /// Why it matters.
        why: &'a str,
    },
    /// Whose agreement is missing.
    Grounds(Subsystems),
    /// The right that is missing.
    Right(Right),
    /// What was set aside.
    SetAside(Code),
    /// The lockdown level that rules it out.
    Lockdown(Lockdown),
}

/// A right that a caller may lack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Right {
    /// CAP_SYS_ADMIN in the initial user namespace.
    CapSysAdmin,
    /// CAP_SYS_RAWIO in the initial user namespace.
    CapSysRawio,
    /// An explicit grant of the site for this command.
    SiteGrant,
    /// The owner's line naming the opaque command.
    OwnerLine,
    /// What the kernel's own path asks, or a permit that names the action.
    PathOrNamedPermit,
}

impl Right {
    /// The right in words, as it is written in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CapSysAdmin => "cap_sys_admin",
            Self::CapSysRawio => "cap_sys_rawio",
            Self::SiteGrant => "site-grant",
            Self::OwnerLine => "owner-line",
            Self::PathOrNamedPermit => "path-or-named-permit",
        }
    }
}

/// One reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reason<'a> {
    /// What it says.
    pub code: Code,
    /// How strict it is.
    pub level: Level,
    /// 0 for the command itself, 1 for the one it carries, and so on.
    pub depth: u8,
    /// What it is about.
    pub operand: Operand<'a>,
}

/// The most reasons that are kept.
pub const MAX_REASONS: usize = 20;

/// Reasons in the order of the judge's steps.
#[derive(Clone, Copy, Debug)]
pub struct Reasons<'a> {
    list: [Option<Reason<'a>>; MAX_REASONS],
    len: usize,
    lost: u32,
    strictest: Level,
}

impl<'a> Reasons<'a> {
    pub(crate) const fn new() -> Self {
        Self { list: [None; MAX_REASONS], len: 0, lost: 0, strictest: Level::Note }
    }

    pub(crate) fn push(&mut self, level: Level, depth: u8, code: Code, operand: Operand<'a>) {
        let reason = Some(Reason { code, level, depth, operand });
        let stricter = level > self.strictest;
        self.strictest = self.strictest.max(level);
        if let Some(free) = self.list.get_mut(self.len) {
            *free = reason;
            self.len = self.len.saturating_add(1);
            return;
        }
        self.lost = self.lost.saturating_add(1);
        // The headline is never the one that is lost.
        if let (true, Some(last)) = (stricter, self.list.last_mut()) {
            *last = reason;
        }
    }

    /// The reasons, in the order of the steps.
    pub fn iter(&self) -> impl Iterator<Item = &Reason<'a>> {
        self.list.iter().flatten()
    }

    /// How many did not fit. They count for the verdict all the same.
    #[must_use]
    pub const fn lost(&self) -> u32 {
        self.lost
    }

    /// The strictest level of all.
    #[must_use]
    pub const fn strictest(&self) -> Level {
        self.strictest
    }

    /// Whether the kernel's own interface was pointed to.
    pub(crate) fn redirects(&self) -> bool {
        self.iter().any(|reason| reason.level == Level::Redirect)
    }

    /// The first reason at the strictest level: what to tell first.
    #[must_use]
    pub fn headline(&self) -> Option<&Reason<'a>> {
        self.iter().find(|reason| reason.level == self.strictest)
    }

    /// Whether a reason with this code was given at a refusing level.
    #[must_use]
    pub fn refuses_with(&self, code: Code) -> bool {
        self.iter().any(|reason| reason.code == code && reason.level > Level::Note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_does_not_fit_counts_and_a_stricter_one_takes_the_last_place() {
        let mut reasons = Reasons::new();
        for _ in 0..MAX_REASONS {
            reasons.push(Level::Note, 0, Code::SetAside, Operand::None);
        }
        reasons.push(Level::Note, 0, Code::OwnerLine, Operand::None);
        assert_eq!((reasons.lost(), reasons.strictest()), (1, Level::Note));
        for (level, code) in [(Level::Redirect, Code::KernelOwned), (Level::Deny, Code::Nak)] {
            reasons.push(level, 0, code, Operand::None);
            assert_eq!(
                (reasons.strictest(), reasons.headline().map(|it| it.code)),
                (level, Some(code))
            );
        }
        reasons.push(Level::Deny, 0, Code::SiteForbid, Operand::None);
        assert_eq!(reasons.headline().map(|it| it.code), Some(Code::Nak));
        assert_eq!((reasons.lost(), reasons.iter().count()), (4, MAX_REASONS));
    }
}

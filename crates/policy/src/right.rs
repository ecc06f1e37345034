// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps 6, 9 and 10: what the caller may be shown, what the caller must hold, what lockdown and
//! the site leave.
//!
//! Right, taint and scope are three things: the scope says how far a command reaches, the right
//! who may send it, the taint what the kernel remembers of it.

use crate::disclosure::Disclosure;
use crate::reason::{Code, Level, Operand, Reasons, Right};
use crate::scope::Scope;
use crate::standing::{Lockdown, PathKind, Site, Standing};
use crate::tables::{Kind, Protocol};

/// What a command asks of its caller, carried commands counted.
pub(crate) struct Demand {
    pub(crate) protocol: Protocol,
    pub(crate) kind: Kind,
    pub(crate) opaque: bool,
    pub(crate) scope: Scope,
    pub(crate) discloses: Disclosure,
    /// The same of the parts that a sourced row knows.
    pub(crate) known_discloses: Disclosure,
    pub(crate) kernel_route: bool,
}

/// Step 6.
pub(crate) fn disclosure<'a>(standing: &Standing, asks: &Demand, reasons: &mut Reasons<'a>) {
    // The owner's line answers for what is opaque, not for a known command that it carries.
    let by_line = asks.opaque && standing.grants.opaque.is_some();
    let shows = if by_line { asks.known_discloses } else { asks.discloses };
    let may_see = standing.grants.may_see;
    if shows > may_see {
        let operand = Operand::Shows { shows, may_see };
        reasons.push(Level::Deny, 0, Code::Discloses, operand);
    }
}

/// Step 9.
pub(crate) fn check<'a>(standing: &Standing, asks: &Demand, reasons: &mut Reasons<'a>) {
    let sent_with = standing.asked.unwrap_or(asks.scope);
    if sent_with < asks.scope {
        let operand = Operand::Scopes { asked: sent_with, required: asks.scope };
        reasons.push(Level::Deny, 0, Code::ScopeTooLow, operand);
    }
    let reach = sent_with.max(asks.scope);
    // The owner's line is held against what was asked for: what falls short of the command's own
    // scope is refused as that.
    if asks.opaque && standing.grants.opaque.is_none_or(|up_to| up_to < sent_with) {
        reasons.push(Level::Deny, 0, Code::RightMissing, Operand::Right(Right::OwnerLine));
    }
    rights(standing, asks, reach, reasons);
    lockdown(standing, asks, reach, reasons);
}

fn rights<'a>(standing: &Standing, asks: &Demand, reach: Scope, reasons: &mut Reasons<'a>) {
    let grants = &standing.grants;
    let mut missing = |right| {
        reasons.push(Level::Deny, 0, Code::RightMissing, Operand::Right(right));
    };
    if standing.path.kind == PathKind::Emulated {
        // The caller owns the device; no capability of the host is involved.
        note_used(standing, asks, reasons);
        return;
    }
    let administration = asks.kind == Kind::Administration && !asks.opaque;
    let passes_scope =
        matches!(standing.path.kind, PathKind::Fwctl | PathKind::Raw | PathKind::Mctp);
    if asks.kernel_route || (administration && !passes_scope) {
        // Whoever may do more on that path may do this.
        let by_capability = administration
            && !asks.kernel_route
            && asks.protocol.is_nvme()
            && standing.capabilities.sys_admin;
        if !standing.path.admits_caller && !grants.named_action && !by_capability {
            missing(Right::PathOrNamedPermit);
        }
        note_used(standing, asks, reasons);
        return;
    }
    let read = asks.kind == Kind::Read && !asks.opaque;
    if asks.protocol.is_nvme() && !read {
        let stands_in = grants.named_action && !asks.opaque;
        if !standing.capabilities.sys_admin && !stands_in {
            missing(Right::CapSysAdmin);
        }
    }
    let wide = asks.opaque || passes_scope;
    // A read asked for at a higher scope reaches no further, but fwctl asks for the right.
    if wide && reach >= Scope::DebugWrite && grants.scope.is_none_or(|up_to| up_to < reach) {
        missing(Right::SiteGrant);
    }
    if wide && reach >= Scope::DebugWriteFull && !standing.capabilities.sys_rawio {
        missing(Right::CapSysRawio);
    }
    // What changes something without a known effect is below the scope that asks for a grant.
    let low_change = !read && !asks.opaque && !asks.protocol.is_nvme();
    let by_grant = wide && grants.scope.is_some_and(|up_to| up_to >= reach);
    if low_change
        && (!wide || reach < Scope::DebugWrite)
        && !standing.path.admits_caller
        && !grants.named_action
        && !by_grant
    {
        missing(Right::PathOrNamedPermit);
    }
    note_used(standing, asks, reasons);
}

/// Says which line or permit the caller leaned on.
fn note_used<'a>(standing: &Standing, asks: &Demand, reasons: &mut Reasons<'a>) {
    if asks.opaque && standing.grants.opaque.is_some() {
        reasons.push(Level::Note, 0, Code::OwnerLine, Operand::None);
    }
    if !asks.opaque && asks.kind != Kind::Read && standing.grants.named_action {
        reasons.push(Level::Note, 0, Code::NamedPermit, Operand::None);
    }
}

fn lockdown<'a>(standing: &Standing, asks: &Demand, reach: Scope, reasons: &mut Reasons<'a>) {
    let level = standing.lockdown;
    if level == Lockdown::None {
        return;
    }
    let checks_for_itself = standing.path.kind == PathKind::Fwctl;
    let raw = standing.path.kind == PathKind::Raw;
    let opaque_full = asks.opaque && reach >= Scope::DebugWriteFull && !checks_for_itself;
    let confidential = level == Lockdown::Confidentiality;
    let opaque_at_all = asks.opaque && confidential && !checks_for_itself;
    let dump = asks.known_discloses >= Disclosure::Dump && confidential;
    if raw || opaque_full || opaque_at_all || dump {
        reasons.push(Level::Deny, 0, Code::Lockdown, Operand::Lockdown(level));
    }
}

/// Step 10.
pub(crate) fn site<'a>(standing: &Standing, reasons: &mut Reasons<'a>) {
    let code = match standing.site {
        Site::Permit => return,
        Site::Forbid => Code::SiteForbid,
        Site::NoPermit => Code::SiteNoPermit,
        Site::Error => Code::SiteError,
    };
    reasons.push(Level::Deny, 0, code, Operand::None);
}

/// Whether a command sent with this scope by this path taints the kernel.
pub(crate) fn taints(standing: &Standing, opaque: bool, sent_with: Scope) -> bool {
    let wide = match standing.path.kind {
        PathKind::Emulated | PathKind::KernelInterface | PathKind::None => false,
        // The kernel warns at the first RAW command, whatever it is, and a warning is a mark too.
        PathKind::Raw => return true,
        PathKind::Fwctl => true,
        PathKind::Memdev | PathKind::NvmeIoctl | PathKind::Mctp => opaque,
    };
    wide && sent_with >= Scope::DebugWrite
}

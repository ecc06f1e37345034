// SPDX-License-Identifier: MIT OR Apache-2.0
//! Step 10's question to whoever owns the machine: may this caller send this kind of command?
//!
//! [`SitePolicy`] is asked with what the judge knows of the command, before the judge decides; its
//! answer and its grants go into the judgement. A policy can only permit what all other steps
//! leave.
//!
//! *Not here*: Cedar policies (`fwgate-site`). Built in are only the owner of emulated devices and
//! the default for everyone else.

use fwgate_policy::{Class, Disclosure, Grants, Scope, Site};

use crate::caller::Caller;
use crate::device::Identity;

/// What site policy is asked.
#[derive(Clone, Copy, Debug)]
pub struct SiteQuestion<'q, 'a> {
    /// Who asks.
    pub caller: &'q Caller,
    /// For which device.
    pub device: &'q Identity,
    /// What the command is.
    pub class: &'q Class<'a>,
    /// The scope asked for.
    pub scope: Option<Scope>,
}

/// What site policy answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SiteAnswer {
    /// Permit, forbid, nothing, or an error.
    pub site: Site,
    /// What it gives beside that.
    pub grants: Grants,
    /// The rule that spoke, for the record; its first 512 characters are kept.
    pub rule: String,
}

/// The owner's say.
pub trait SitePolicy: Send + Sync {
    /// Answers; an implementation that fails answers [`Site::Error`].
    fn ask(&self, question: &SiteQuestion<'_, '_>) -> SiteAnswer;

    /// Changes whenever an answer could: what was decided under another one is not remembered.
    fn generation(&self) -> u64 {
        0
    }
}

/// In process: the caller owns its emulated devices, and the default holds for everybody else.
///
/// The owner's line permits opaque commands at every scope up to the one asked for, so that the
/// judge's own steps show. Nothing is set aside.
#[derive(Clone, Debug)]
pub struct InProcess {
    owner: u32,
}

impl InProcess {
    /// The policy for emulated devices that belong to this user.
    #[must_use]
    pub const fn owned_by(uid: u32) -> Self {
        Self { owner: uid }
    }
}

/// Group whose members read up to `health` by default.
pub const READERS: &str = "fwgate";
/// Group whose members do the administration that the kernel offers typed, by default.
pub const ADMINISTRATORS: &str = "fwgate-admin";

impl SitePolicy for InProcess {
    fn ask(&self, question: &SiteQuestion<'_, '_>) -> SiteAnswer {
        let caller = question.caller;
        if question.device.emulated && caller.uid == self.owner {
            return SiteAnswer {
                site: Site::Permit,
                grants: Grants {
                    opaque: Some(question.scope.unwrap_or(Scope::DebugWriteFull)),
                    ..Grants::EVERYTHING
                },
                rule: "owner of the emulated device".to_owned(),
            };
        }
        default_answer(question)
    }
}

/// The default for a machine without policy files.
fn default_answer(question: &SiteQuestion<'_, '_>) -> SiteAnswer {
    let caller = question.caller;
    let class = question.class;
    let member = |group: &str| caller.group_names.iter().any(|name| name == group);
    let read = class.is_sourced_read() && class.discloses <= Disclosure::Health;
    let administration = class.kind == fwgate_policy::tables::Kind::Administration && !class.opaque;
    let health = Grants { may_see: Disclosure::Health, ..Grants::NONE };
    let (site, grants, rule) = if caller.capabilities.sys_admin && !class.opaque {
        // What the kernel's fwctl asks for its widest scope.
        let rawio = caller.capabilities.sys_rawio;
        let scope = if rawio { Scope::DebugWriteFull } else { Scope::DebugWrite };
        let grants = Grants {
            may_see: Disclosure::Dump,
            scope: Some(scope),
            named_action: true,
            ..Grants::NONE
        };
        (Site::Permit, grants, "default: root, named commands")
    } else if administration && member(ADMINISTRATORS) {
        (Site::Permit, Grants { named_action: true, ..health }, "default: group fwgate-admin")
    } else if read && (member(READERS) || member(ADMINISTRATORS)) {
        (Site::Permit, health, "default: group fwgate reads up to health")
    } else {
        (Site::NoPermit, Grants::NONE, "default: nothing permits it")
    };
    SiteAnswer { site, grants, rule: rule.to_owned() }
}

/// Permits everything to everybody, for tests of the other steps.
///
/// It is for the tests and fuzz targets of this repository: no front end may name it, which
/// `tests/gate.rs` checks.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct DangerousPermitAll;

impl SitePolicy for DangerousPermitAll {
    fn ask(&self, _: &SiteQuestion<'_, '_>) -> SiteAnswer {
        SiteAnswer {
            site: Site::Permit,
            grants: Grants::EVERYTHING,
            rule: "test policy".to_owned(),
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a command reaches: fwctl's four scopes, and which one a set of effects asks for.
//!
//! *Invariants*: scopes are ordered, and a higher one includes the lower. Adding an effect never
//! lowers the scope that is asked for.
//!
//! *Not here*: which effects a command has (`class`), what a caller must hold for a scope
//! (`right`).
//!
//! *Spec*: `include/uapi/fwctl/fwctl.h @ v7.3`, `enum fwctl_rpc_scope`.

use core::fmt;

use crate::effects::Effects;

/// fwctl's scopes, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Scope {
    /// `FWCTL_RPC_CONFIGURATION`: what disturbs no driver.
    Configuration = 0,
    /// `FWCTL_RPC_DEBUG_READ_ONLY`: read-only debugging.
    DebugRead = 1,
    /// `FWCTL_RPC_DEBUG_WRITE`: writes that lockdown can live with; taints.
    DebugWrite = 2,
    /// `FWCTL_RPC_DEBUG_WRITE_FULL`: everything; taints and asks for CAP_SYS_RAWIO.
    DebugWriteFull = 3,
}

impl Scope {
    /// All scopes, least first.
    pub const ALL: [Self; 4] =
        [Self::Configuration, Self::DebugRead, Self::DebugWrite, Self::DebugWriteFull];

    /// The scope's name, as it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::DebugRead => "debug-read",
            Self::DebugWrite => "debug-write",
            Self::DebugWriteFull => "debug-write-full",
        }
    }

    /// The scope of that name, if there is one.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How surely a row is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Confidence {
    /// The row names a specification section, a kernel file or a document that says so.
    Cited,
    /// Concluded from the command's meaning or from its neighbours; applied all the same.
    Inferred,
    /// Nothing is known: the row adds nothing.
    Unknown,
}

impl Confidence {
    /// The word for it in output and in data files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cited => "cited",
            Self::Inferred => "inferred",
            Self::Unknown => "unknown",
        }
    }
}

/// What the effects of a command rest on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// A cited row knows the command.
    Cited,
    /// Only the device says what it does, and its log is credible.
    Credible,
    /// Only the device says what it does, and its log is not to be believed.
    Incredible,
}

/// The scope that a CXL command with these effective effects asks for.
///
/// Security state and reserved bits are refused elsewhere; where the owner sets that aside, they
/// ask for the highest scope, and so they do here. A log that is not to be believed cannot lower
/// the scope by naming a smaller effect: whatever it says of an unsourced command, the highest
/// scope is asked for.
#[must_use]
pub const fn cxl_scope(effects: Effects, rests_on: Basis) -> Scope {
    let top = Effects::IMMEDIATE.union(Effects::SECURITY_STATE).union(Effects::RESERVED);
    if effects.intersects(top) || matches!(rests_on, Basis::Incredible) {
        Scope::DebugWriteFull
    } else if effects.intersects(Effects::AFTER_RESET) {
        Scope::DebugWrite
    } else if matches!(rests_on, Basis::Cited) {
        Scope::Configuration
    } else {
        Scope::DebugRead
    }
}

/// What an NVMe command is known to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NvmeKind {
    /// A sourced row says that it reads and changes nothing.
    SourcedRead,
    /// A command that the specification names and that no sourced row calls a read.
    Known,
    /// A vendor command, or one that no table names.
    Opaque,
}

/// The scope that an NVMe command with these effective effects asks for.
#[must_use]
pub const fn nvme_scope(effects: Effects, kind: NvmeKind) -> Scope {
    let top = Effects::NVME_WIDE.union(Effects::RESERVED).union(Effects::SECURITY_STATE);
    if effects.intersects(top) {
        return Scope::DebugWriteFull;
    }
    match kind {
        NvmeKind::SourcedRead => Scope::Configuration,
        NvmeKind::Known => Scope::DebugWrite,
        NvmeKind::Opaque => Scope::DebugWriteFull,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_an_effect_never_lowers_the_scope() {
        for word in 0..=u16::MAX {
            let effects = Effects::from_cxl(word);
            for basis in [Basis::Cited, Basis::Credible, Basis::Incredible] {
                let before = cxl_scope(effects, basis);
                for more in Effects::all().iter() {
                    assert!(cxl_scope(effects | more, basis) >= before, "{word:#06x} {more:?}");
                }
            }
        }
    }

    #[test]
    fn background_alone_asks_for_what_its_other_bits_ask_for() {
        assert_eq!(cxl_scope(Effects::BACKGROUND, Basis::Credible), Scope::DebugRead);
    }

    #[test]
    fn a_vendor_nvme_command_asks_for_full_whatever_its_direction() {
        assert_eq!(nvme_scope(Effects::empty(), NvmeKind::Opaque), Scope::DebugWriteFull);
    }

    #[test]
    fn names_go_both_ways() {
        for scope in Scope::ALL {
            assert_eq!(Scope::by_name(scope.name()), Some(scope));
        }
    }
}

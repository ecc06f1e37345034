// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks, what they hold, and the way the command would go.
//!
//! *Not here*: finding any of it out; the gate does, and trusts no single source of it.

use bitflags::bitflags;

use crate::disclosure::Disclosure;
use crate::scope::Scope;

/// The kernel's lockdown level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lockdown {
    /// Off.
    None,
    /// Integrity, or unreadable, which counts as it.
    Integrity,
    /// Confidentiality.
    Confidentiality,
}

impl Lockdown {
    /// The level's name, as the kernel writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Integrity => "integrity",
            Self::Confidentiality => "confidentiality",
        }
    }
}

/// Capabilities that count: held in the initial user namespace, at the moment of asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Capabilities {
    /// CAP_SYS_ADMIN.
    pub sys_admin: bool,
    /// CAP_SYS_RAWIO.
    pub sys_rawio: bool,
}

/// What site policy answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Site {
    /// A permit and no forbid.
    Permit,
    /// A forbid.
    Forbid,
    /// Nothing matched.
    NoPermit,
    /// It could not be evaluated.
    Error,
}

bitflags! {
    /// Refusals that the owner of the machine has set aside by naming the device, the firmware
    /// and the command.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct SetAside: u8 {
        /// `reserved-effect`.
        const RESERVED_EFFECT = 1 << 0;
        /// `security-state`.
        const SECURITY_STATE = 1 << 1;
        /// `kernel-owned-no-interface`.
        const NO_INTERFACE = 1 << 2;
        /// `nak`.
        const NAK = 1 << 3;
        /// `shared-ground`: the site's explicit line.
        const SHARED_GROUND = 1 << 4;
    }
}

/// What site policy and owner's lines give for this very command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grants {
    /// The most that the caller may be shown.
    pub may_see: Disclosure,
    /// An explicit grant up to this scope.
    pub scope: Option<Scope>,
    /// An owner's line naming the opaque command, up to this scope.
    pub opaque: Option<Scope>,
    /// A permit that names the action of a named command.
    pub named_action: bool,
    /// What was set aside.
    pub set_aside: SetAside,
}

impl Grants {
    /// Nothing but what anyone is told.
    pub const NONE: Self = Self {
        may_see: Disclosure::None,
        scope: None,
        opaque: None,
        named_action: false,
        set_aside: SetAside::empty(),
    };

    /// All that lines and policies can give, but for setting a refusal aside.
    pub const EVERYTHING: Self = Self {
        may_see: Disclosure::Secret,
        scope: Some(Scope::DebugWriteFull),
        opaque: Some(Scope::DebugWriteFull),
        named_action: true,
        set_aside: SetAside::empty(),
    };
}

/// A way to the firmware.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathKind {
    /// An interface of the kernel's own: sysfs, firmware class.
    KernelInterface,
    /// The memdev ioctl with a typed id.
    Memdev,
    /// A fwctl node.
    Fwctl,
    /// The NVMe admin ioctl.
    NvmeIoctl,
    /// The memdev ioctl with RAW.
    Raw,
    /// MCTP, out of band.
    Mctp,
    /// A device in software.
    Emulated,
    /// There is none that could carry the command.
    None,
}

impl PathKind {
    /// The path's name, as it is written in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KernelInterface => "kernel-interface",
            Self::Memdev => "memdev",
            Self::Fwctl => "fwctl",
            Self::NvmeIoctl => "nvme-ioctl",
            Self::Raw => "raw",
            Self::Mctp => "mctp",
            Self::Emulated => "emulated",
            Self::None => "none",
        }
    }
}

impl Path {
    /// No path: nothing goes by it.
    pub const NONE: Self =
        Self { kind: PathKind::None, follows_background: false, admits_caller: false };
}

/// The path that would carry the command, and what it can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// Which.
    pub kind: PathKind,
    /// Whether it can follow a background operation to its end.
    pub follows_background: bool,
    /// Whether the caller would be let in there by the kernel itself.
    pub admits_caller: bool,
}

/// Who asks, and how the command would go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The scope asked for; `None` asks for the lowest that suffices.
    pub asked: Option<Scope>,
    /// Capabilities.
    pub capabilities: Capabilities,
    /// Site policy's answer.
    pub site: Site,
    /// What site policy and owner's lines give.
    pub grants: Grants,
    /// Lockdown level.
    pub lockdown: Lockdown,
    /// The path.
    pub path: Path,
    /// Whether a rate or time budget is used up.
    pub over_budget: bool,
}

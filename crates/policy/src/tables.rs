// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows that the judge reads: floors, selectors, ground, stances, advisories, vendor rows.
//!
//! `data/*.toml` is turned into the const tables in [`builtin`] by `cargo xtask gen`; CI makes them
//! again and compares. Newer rows may be loaded at run time: they are borrowed here as
//! [`Tables::more`] and can only add rows and tighten.
//!
//! *Invariants*: every slice is sorted by its key (opcode, then selector), which a test checks, so
//! that look-up is a binary search. No row removes another.
//!
//! *Not here*: names and sizes of commands (`fwgate_wire::cxl::table`), made from the same files.

use crate::disclosure::Disclosure;
use crate::effects::Effects;
use crate::scope::{Confidence, Scope};
use crate::subsystem::Subsystems;

#[rustfmt::skip]
mod builtin_gen;

mod families;

pub use families::{AttributeRow, Families, ScopeRow};

/// The tables that are compiled in.
pub mod builtin {
    pub use super::builtin_gen::*;
}

/// Which command language a row speaks of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// CXL mailbox and CCI commands.
    Cxl,
    /// NVMe admin commands.
    NvmeAdmin,
    /// NVMe I/O commands; never sent by the gate, known so that a log can be read whole.
    NvmeIo,
    /// mlx5 mailbox commands, by fwctl.
    Mlx5,
    /// bnxt HWRM requests, by fwctl.
    Bnxt,
    /// pds firmware operations, by fwctl.
    Pds,
}

impl Protocol {
    /// The protocol's name as it is written on the command line and in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cxl => "cxl",
            Self::NvmeAdmin | Self::NvmeIo => "nvme",
            Self::Mlx5 => "mlx5",
            Self::Bnxt => "bnxt",
            Self::Pds => "pds",
        }
    }

    /// Whether it is a language of NVMe.
    #[must_use]
    pub const fn is_nvme(self) -> bool {
        matches!(self, Self::NvmeAdmin | Self::NvmeIo)
    }

    /// Whether a kernel fwctl driver holds a table of it and the device has no effects log.
    #[must_use]
    pub const fn is_family(self) -> bool {
        matches!(self, Self::Mlx5 | Self::Bnxt | Self::Pds)
    }
}

/// Up to 16 bytes that pick one sub-operation of a command: a UUID, an action, a class.
///
/// For CXL these are bytes of the payload in wire order; for NVMe the bytes of the dword field,
/// least significant first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Selector {
    bytes: [u8; 16],
    len: u8,
}

impl Selector {
    /// A selector of these bytes, or `None` if there are more than 16.
    #[must_use]
    pub fn new(value: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { bytes, len: u8::try_from(value.len()).ok()? })
    }

    /// A selector from a table. `len` above 16 counts as 16.
    #[must_use]
    pub const fn of(bytes: [u8; 16], len: u8) -> Self {
        Self { bytes, len: if len > 16 { 16 } else { len } }
    }

    /// The bytes, in wire order.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }
}

/// Where a command's selector sits in its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SelectorField {
    /// First byte.
    pub offset: u16,
    /// Number of bytes, 1 to 16.
    pub len: u8,
}

/// What decides on a command that is judged by something finer than its opcode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JudgedBy {
    /// The entry of the feature that it sets, as the device lists it.
    Feature,
    /// The log that it names.
    Log,
    /// The sub-operation that its payload names.
    SubOperation,
    /// The command that it carries.
    CarriedCommand,
}

impl JudgedBy {
    /// The word for it in output and in data files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Log => "log",
            Self::SubOperation => "sub-operation",
            Self::CarriedCommand => "carried-command",
        }
    }
}

/// What a sourced row says that a command is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Reads and changes nothing.
    Read,
    /// Administration that the kernel itself offers typed, or that a sourced row calls so.
    Administration,
    /// Anything else.
    Change,
    /// Never sent by anyone: queues, aborts, doorbells, what carries a DMA address.
    Never,
}

impl Kind {
    /// The word for it in output and in data files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Administration => "administration",
            Self::Change => "change",
            Self::Never => "never",
        }
    }
}

bitflags::bitflags! {
    /// Device classes for which the specification makes a command mandatory.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Classes: u8 {
        /// CXL memory device (Type 3), primary mailbox.
        const CXL_MEMORY = 1 << 0;
        /// CXL switch CCI.
        const CXL_SWITCH = 1 << 1;
        /// Logical device behind a tunnel.
        const CXL_LOGICAL = 1 << 2;
        /// NVMe I/O or administrative controller.
        const NVME = 1 << 3;
    }
}

/// The least that is known of one command, whatever the device reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FloorRow {
    /// Opcode.
    pub opcode: u16,
    /// Its least effects. Empty with [`Confidence::Unknown`] adds nothing.
    pub effects: Effects,
    /// How surely `effects` is known.
    pub confidence: Confidence,
    /// What its reply shows.
    pub discloses: Disclosure,
    /// What it is.
    pub kind: Kind,
    /// What decides on it, where the opcode is too coarse.
    pub judged_by: Option<JudgedBy>,
    /// Where its selector sits.
    pub selector: Option<SelectorField>,
    /// Shortest payload that can be right, in bytes, where known.
    pub input_min: Option<u32>,
    /// Longest payload that can be right, in bytes, where known.
    pub input_max: Option<u32>,
    /// Classes that must have it: reported or not, it counts as reported.
    pub mandatory: Classes,
    /// Linux memdev ioctl id that carries it typed, if any.
    pub memdev_id: Option<u8>,
    /// Whether its payload may be stored in the journal.
    pub loggable: bool,
    /// Specification section, kernel file or document.
    pub source: &'static str,
}

/// A sub-operation of a command, known by its selector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SelectorRow {
    /// Opcode.
    pub opcode: u16,
    /// The selector's bytes.
    pub selector: Selector,
    /// The sub-operation's name.
    pub name: &'static str,
    /// What it changes; replaces the opcode's report and floor when cited.
    pub effects: Effects,
    /// How surely `effects` is known.
    pub confidence: Confidence,
    /// What its reply shows.
    pub discloses: Disclosure,
    /// What it is.
    pub kind: Kind,
    /// Specification section, kernel file or document.
    pub source: &'static str,
}

/// When an ownership row holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Condition {
    /// Wherever a kernel driver drives the device.
    Driven,
    /// While an nvdimm child is bound (`cxl_nvdimm`).
    NvdimmBound,
    /// While an HDM decoder of the device is committed.
    DecoderCommitted,
    /// While a namespace of the device is in use.
    NamespaceInUse,
    /// While the interface that the row names is there.
    InterfacePresent,
}

impl Condition {
    /// The word for it in output and in data files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Driven => "driven",
            Self::NvdimmBound => "nvdimm-bound",
            Self::DecoderCommitted => "decoder-committed",
            Self::NamespaceInUse => "namespace-in-use",
            Self::InterfacePresent => "interface-present",
        }
    }
}

/// One subsystem's ownership of what a command does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroundRow {
    /// Protocol of the command.
    pub protocol: Protocol,
    /// Opcode.
    pub opcode: u16,
    /// One sub-operation only, or all of them.
    pub selector: Option<Selector>,
    /// Who owns it.
    pub owner: Subsystems,
    /// Who else is touched.
    pub others: Subsystems,
    /// When the row holds.
    pub condition: Condition,
    /// Whether a mere read disturbs the owner.
    pub read_disturbs: bool,
    /// The kernel's own interface: its key in [`Tables::interfaces`].
    pub interface: Option<&'static str>,
    /// Why it matters, in a few words.
    pub why: &'static str,
    /// Kernel file or document.
    pub source: &'static str,
}

/// A way that the kernel itself offers to do something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InterfaceRow {
    /// Its key, such as `edac-scrub`.
    pub key: &'static str,
    /// Where it is, such as `/sys/bus/edac/devices/cxl_memN/scrubX`.
    pub place: &'static str,
    /// The kernel option that turns it on.
    pub option: &'static str,
    /// The command to run instead.
    pub verb: &'static str,
}

/// What a subsystem's people said.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Opinion {
    /// Agreed.
    Ack,
    /// Refused.
    Nak,
}

/// What a stance is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Matter {
    /// Opaque commands through pass-through.
    Opaque,
    /// The command tables that the kernel's own fwctl drivers hold.
    DriverTables,
    /// Settings for which the kernel has its own interface.
    KernelInterface,
}

impl Matter {
    /// The word for it in output and in data files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::DriverTables => "driver-tables",
            Self::KernelInterface => "kernel-interface",
        }
    }
}

/// One subsystem's stance on one matter, with where it was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StanceRow {
    /// Its key, such as `netdev-2024-06-06`.
    pub key: &'static str,
    /// Whose ground.
    pub ground: Subsystems,
    /// On what.
    pub matter: Matter,
    /// For or against.
    pub opinion: Opinion,
    /// Who said it.
    pub who: &'static str,
    /// The entry in MAINTAINERS that gives them a say.
    pub maintainer_of: &'static str,
    /// When, as `YYYY-MM-DD`.
    pub date: &'static str,
    /// Message id or address.
    pub address: &'static str,
    /// What was said, in short.
    pub says: &'static str,
    /// What merged code has overtaken it, if any.
    pub overtaken_by: Option<&'static str>,
}

/// Which devices a row is about. `None` matches every value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceMatch<'a> {
    /// PCI vendor id.
    pub vendor: Option<u16>,
    /// PCI device id.
    pub device: Option<u16>,
    /// Firmware revision, whole or, when it ends in `*`, its beginning.
    pub firmware: Option<&'a str>,
}

impl DeviceMatch<'_> {
    /// Whether a device with these ids and this firmware is meant.
    #[must_use]
    pub fn covers(&self, vendor: u16, device: u16, firmware: &[u8]) -> bool {
        let same = |wanted: Option<u16>, has| wanted.is_none_or(|wanted| wanted == has);
        let firmware_fits = match self.firmware.map(str::as_bytes) {
            None => true,
            Some([head @ .., b'*']) => firmware.starts_with(head),
            Some(whole) => firmware == whole,
        };
        same(self.vendor, vendor) && same(self.device, device) && firmware_fits
    }
}

/// Data that bars a command, or all commands but sourced reads, on some devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdvisoryRow<'a> {
    /// Its key, such as `FWG-2026-0001`.
    pub key: &'a str,
    /// The devices.
    pub device: DeviceMatch<'a>,
    /// Protocol of the barred command.
    pub protocol: Protocol,
    /// The barred opcode; `None` bars everything but sourced reads.
    pub opcode: Option<u16>,
    /// Why, in a few words.
    pub why: &'a str,
    /// Where it was published.
    pub source: &'a str,
}

/// What a vendor's document, installed by the owner, says of one opaque command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VendorRow<'a> {
    /// The devices.
    pub device: DeviceMatch<'a>,
    /// Opcode.
    pub opcode: u16,
    /// Name.
    pub name: &'a str,
    /// Least effects of the opcode.
    pub effects: Effects,
    /// What its reply shows.
    pub discloses: Disclosure,
    /// Where the sub-operation sits, if it is a multiplexer.
    pub selector: Option<SelectorField>,
    /// The known sub-operations, sorted by selector.
    pub operations: &'a [SelectorRow],
    /// Where a carried command sits, if it carries one.
    pub carries: Option<Carried>,
    /// Document.
    pub source: &'a str,
}

/// Where a vendor command carries another one: a 16-bit little-endian opcode, then its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carried {
    /// Offset of the opcode.
    pub opcode_at: u16,
    /// Offset of the payload, which runs to the end.
    pub payload_at: u16,
}

/// All that the judge knows beside what the device says.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    /// CXL floors, by opcode.
    pub cxl: &'a [FloorRow],
    /// CXL sub-operations, by opcode and selector.
    pub cxl_selectors: &'a [SelectorRow],
    /// NVMe admin floors, by opcode.
    pub nvme_admin: &'a [FloorRow],
    /// NVMe I/O floors, by opcode.
    pub nvme_io: &'a [FloorRow],
    /// NVMe sub-operations, by opcode and selector.
    pub nvme_selectors: &'a [SelectorRow],
    /// fwctl's families.
    pub families: Families<'a>,
    /// Ownership, by protocol and opcode.
    pub ground: &'a [GroundRow],
    /// The kernel's interfaces, by key.
    pub interfaces: &'a [InterfaceRow],
    /// Stances.
    pub stances: &'a [StanceRow],
    /// Advisories.
    pub advisories: &'a [AdvisoryRow<'a>],
    /// Vendor rows that the owner installed, by opcode.
    pub vendor: &'a [VendorRow<'a>],
    /// Rows loaded at run time, which only tighten.
    pub more: Option<&'a Tables<'a>>,
}

impl Tables<'static> {
    /// The tables that were compiled in.
    pub const BUILTIN: Self = Self {
        cxl: builtin::CXL,
        cxl_selectors: builtin::CXL_SELECTORS,
        nvme_admin: builtin::NVME_ADMIN,
        nvme_io: builtin::NVME_IO,
        nvme_selectors: builtin::NVME_SELECTORS,
        families: Families {
            mlx5: builtin::MLX5,
            mlx5_selectors: builtin::MLX5_SELECTORS,
            bnxt: builtin::BNXT,
            bnxt_selectors: builtin::BNXT_SELECTORS,
            scopes: builtin::SCOPES,
            pds_attributes: builtin::PDS_ATTRIBUTES,
        },
        ground: builtin::GROUND,
        interfaces: builtin::INTERFACES,
        stances: builtin::STANCES,
        advisories: builtin::ADVISORIES,
        vendor: builtin::VENDOR,
        more: None,
    };
}

impl<'a> Tables<'a> {
    /// This table and the ones loaded at run time, one after the other.
    pub fn layers(&self) -> impl Iterator<Item = &Tables<'a>> {
        core::iter::successors(Some(self), |tables| tables.more)
    }

    /// The floor row of an opcode in the compiled-in layer.
    #[must_use]
    pub fn floor(&self, protocol: Protocol, opcode: u16) -> Option<&'a FloorRow> {
        let rows = match protocol {
            Protocol::Cxl => self.cxl,
            Protocol::NvmeAdmin => self.nvme_admin,
            Protocol::NvmeIo => self.nvme_io,
            Protocol::Mlx5 => self.families.mlx5,
            Protocol::Bnxt => self.families.bnxt,
            // The firmware lists its operations; there are no rows.
            Protocol::Pds => return None,
        };
        let at = rows.binary_search_by_key(&opcode, |row| row.opcode).ok()?;
        rows.get(at)
    }

    /// The rows of an opcode's sub-operations in this layer.
    #[must_use]
    pub fn selectors(&self, protocol: Protocol, opcode: u16) -> &'a [SelectorRow] {
        let rows = match protocol {
            Protocol::Cxl => self.cxl_selectors,
            Protocol::NvmeAdmin => self.nvme_selectors,
            Protocol::Mlx5 => self.families.mlx5_selectors,
            Protocol::Bnxt => self.families.bnxt_selectors,
            Protocol::NvmeIo | Protocol::Pds => &[],
        };
        equal_range(rows, |row| row.opcode.cmp(&opcode))
    }

    /// The scope rows of an opcode and of its sub-operations in this layer.
    #[must_use]
    pub fn scopes_of(&self, protocol: Protocol, opcode: u16) -> &'a [ScopeRow] {
        equal_range(self.families.scopes, |row| (row.protocol, row.opcode).cmp(&(protocol, opcode)))
    }

    /// The row of an attribute in this layer.
    #[must_use]
    pub fn attribute(&self, value: u8) -> Option<&'a AttributeRow> {
        let rows = self.families.pds_attributes;
        let at = rows.binary_search_by_key(&value, |row| row.value).ok()?;
        rows.get(at)
    }

    /// The ownership rows of an opcode in this layer.
    #[must_use]
    pub fn ground_of(&self, protocol: Protocol, opcode: u16) -> &'a [GroundRow] {
        equal_range(self.ground, |row| (row.protocol, row.opcode).cmp(&(protocol, opcode)))
    }

    /// The kernel interface of that key.
    #[must_use]
    pub fn interface(&self, key: &str) -> Option<&'a InterfaceRow> {
        let at = self.interfaces.binary_search_by(|row| row.key.cmp(key)).ok()?;
        self.interfaces.get(at)
    }

    /// The vendor row for an opcode of this device in this layer. The first layer that has one
    /// speaks, later ones only add: see `class`.
    #[must_use]
    pub fn vendor_row(
        &self,
        vendor: u16,
        device: u16,
        firmware: &[u8],
        opcode: u16,
    ) -> Option<&'a VendorRow<'a>> {
        equal_range(self.vendor, |row| row.opcode.cmp(&opcode))
            .iter()
            .find(|row| row.device.covers(vendor, device, firmware))
    }
}

/// The run of rows for which `order` says equal, in rows sorted by it.
fn equal_range<T>(rows: &[T], order: impl Fn(&T) -> core::cmp::Ordering) -> &[T] {
    let start = rows.partition_point(|row| order(row).is_lt());
    let rest = rows.get(start..).unwrap_or_default();
    let len = rest.partition_point(|row| order(row).is_eq());
    rest.get(..len).unwrap_or_default()
}

/// The scope that is shown for a row that is never sent.
pub const NEVER_SCOPE: Scope = Scope::DebugWriteFull;

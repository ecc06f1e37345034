// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known of a device and of what surrounds it.
//!
//! Device bytes are claims: they are read into these types, sorted and bounded, and never made
//! milder on the way. What could not be found out says so ([`Known::CannotTell`]) and is judged as
//! the worse of the two.
//!
//! *Not here*: reading any of it (`fwgate-gate`), the generation it is bound to.

use fwgate_wire::cxl::tunnel::TunnelTarget;
use fwgate_wire::fwctl::pds::Operation;

use crate::subsystem::Subsystems;
use crate::tables::Classes;

/// Something that may be unknown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Known {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// It could not be found out.
    CannotTell,
}

impl Known {
    /// Whether it has to be reckoned with.
    #[must_use]
    pub const fn may_be(self) -> bool {
        !matches!(self, Self::No)
    }
}

/// One row of a device's effects log: the opcode and the word it reports, as it came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ReportedRow {
    /// Opcode.
    pub opcode: u16,
    /// The effects: 16 bits for CXL, 32 for NVMe.
    pub word: u32,
}

/// A device's effects log, sorted by opcode and without duplicates.
///
/// Whoever sorts must unite duplicates bit by bit, so that no report is lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reported<'a> {
    rows: &'a [ReportedRow],
}

impl<'a> Reported<'a> {
    /// The log over these rows, or `None` if they are not sorted or have duplicates.
    #[must_use]
    pub fn new(rows: &'a [ReportedRow]) -> Option<Self> {
        rows.is_sorted_by(|a, b| a.opcode < b.opcode).then_some(Self { rows })
    }

    /// The word reported for an opcode; `None` where the log does not name it.
    #[must_use]
    pub fn word(&self, opcode: u16) -> Option<u32> {
        let at = self.rows.binary_search_by_key(&opcode, |row| row.opcode).ok()?;
        self.rows.get(at).map(|row| row.word)
    }

    /// The rows.
    #[must_use]
    pub const fn rows(&self) -> &'a [ReportedRow] {
        self.rows
    }
}

/// What a device says of one of its features (Get Supported Features, 48-byte entry).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeatureFacts {
    /// UUID in wire order.
    pub uuid: [u8; 16],
    /// Attribute flags; bit 0 says that it can be changed.
    pub flags: u32,
    /// Effects of setting it, as a CXL effects word.
    pub effects: u16,
    /// Size of what Get Feature returns, in bytes.
    pub get_size: u16,
    /// Size of what Set Feature takes, in bytes.
    pub set_size: u16,
}

impl FeatureFacts {
    /// Whether the device says that the feature can be set.
    #[must_use]
    pub const fn changeable(&self) -> bool {
        self.flags & 1 == 1
    }
}

/// What pds's firmware says of one of its operations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OperationFacts {
    /// Endpoint.
    pub endpoint: u32,
    /// Operation: command in bits 15:0, version in bits 23:16.
    pub operation: u32,
    /// Attribute, raw.
    pub attribute: u8,
}

impl OperationFacts {
    /// Whether this entry of the firmware's list stands for that operation: the same endpoint and
    /// command, this version or an earlier one.
    #[must_use]
    pub const fn covers(&self, endpoint: u32, operation: u32) -> bool {
        self.endpoint == endpoint && Operation(operation).is_covered_by(Operation(self.operation))
    }
}

/// What kernel drivers and the machine do with the device.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Whether a kernel driver drives it.
    pub driven: Known,
    /// Whether an nvdimm child driver is bound.
    pub nvdimm_bound: Known,
    /// Whether an HDM decoder is committed.
    pub decoder_committed: Known,
    /// Whether a namespace is mounted, opened or part of something.
    pub namespace_in_use: Known,
    /// Every subsystem that drives any function of the same physical device.
    pub drivers: Subsystems,
    /// Keys of the kernel interfaces that are there; `None` if that could not be found out.
    pub interfaces: Option<&'a [&'a str]>,
}

impl Surroundings<'_> {
    /// Nothing could be found out: everything counts as owned.
    pub const CANNOT_TELL: Self = Self {
        driven: Known::CannotTell,
        nvdimm_bound: Known::CannotTell,
        decoder_committed: Known::CannotTell,
        namespace_in_use: Known::CannotTell,
        drivers: Subsystems::empty(),
        interfaces: None,
    };

    /// No driver of any kernel touches the device.
    pub const DRIVEN_BY_NOBODY: Self = Self {
        driven: Known::No,
        nvdimm_bound: Known::No,
        decoder_committed: Known::No,
        namespace_in_use: Known::No,
        drivers: Subsystems::empty(),
        interfaces: Some(&[]),
    };

    /// Every subsystem that may drive a function of the device: all of them, where that could not
    /// be found out.
    #[must_use]
    pub const fn may_drive(&self) -> Subsystems {
        if matches!(self.driven, Known::CannotTell) { Subsystems::all() } else { self.drivers }
    }

    /// Whether the kernel interface of that key is there.
    #[must_use]
    pub fn interface(&self, key: &str) -> Known {
        match self.interfaces {
            None => Known::CannotTell,
            Some(keys) if keys.contains(&key) => Known::Yes,
            Some(_) => Known::No,
        }
    }
}

/// The device that a tunnelled command reaches.
#[derive(Clone, Copy, Debug)]
pub struct Inner<'a> {
    /// The target that a tunnel request names.
    pub target: TunnelTarget,
    /// What is known of it.
    pub facts: &'a Facts<'a>,
}

/// All that was read of one device, under one generation.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What kind of device it says it is.
    pub class: Classes,
    /// PCI vendor id.
    pub vendor: u16,
    /// PCI device id.
    pub device: u16,
    /// Firmware revision, without padding.
    pub firmware: &'a [u8],
    /// Its effects log.
    pub reported: Reported<'a>,
    /// Whether `lint` finds that log believable on this firmware.
    pub credible: bool,
    /// Its features, sorted by UUID; `None` if they were not read.
    pub features: Option<&'a [FeatureFacts]>,
    /// UUIDs of its logs, in wire order; `None` if they were not read.
    pub logs: Option<&'a [[u8; 16]]>,
    /// pds: the firmware's operations; `None` if they are not known.
    pub operations: Option<&'a [OperationFacts]>,
    /// What surrounds it.
    pub surroundings: Surroundings<'a>,
    /// Devices that can be reached through it.
    pub inner: &'a [Inner<'a>],
}

impl<'a> Facts<'a> {
    /// What the device says of the feature of that UUID.
    #[must_use]
    pub fn feature(&self, uuid: &[u8]) -> Option<&'a FeatureFacts> {
        let features = self.features?;
        let at = features.binary_search_by(|entry| entry.uuid.as_slice().cmp(uuid)).ok()?;
        features.get(at)
    }

    /// What is known of the target of a tunnel.
    #[must_use]
    pub fn inner(&self, target: TunnelTarget) -> Option<&'a Facts<'a>> {
        self.inner.iter().find(|inner| inner.target == target).map(|inner| inner.facts)
    }
}

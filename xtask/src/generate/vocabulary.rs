// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words that data files may use, and the Rust that each becomes.
//!
//! The words are the judge's own; a test compares them. They stand here again so that this crate
//! builds while the tables it makes do not.
//!
//! *Not here*: which word fits which row (`validate`).

/// A word and its Rust name.
pub(crate) type Word = (&'static str, &'static str);

/// Effects of CXL commands.
pub(crate) const CXL_EFFECTS: &[Word] = &[
    ("config-cold-reset", "CONFIG_COLD_RESET"),
    ("immediate-config", "IMMEDIATE_CONFIG"),
    ("immediate-data", "IMMEDIATE_DATA"),
    ("immediate-policy", "IMMEDIATE_POLICY"),
    ("immediate-log", "IMMEDIATE_LOG"),
    ("security-state", "SECURITY_STATE"),
    ("background", "BACKGROUND"),
    ("config-conventional-reset", "CONFIG_CONVENTIONAL_RESET"),
    ("config-cxl-reset", "CONFIG_CXL_RESET"),
];

/// Effects of NVMe commands.
pub(crate) const NVME_EFFECTS: &[Word] = &[
    ("nvm-data", "NVM_DATA"),
    ("namespace-capabilities", "NAMESPACE_CAPABILITIES"),
    ("namespace-inventory", "NAMESPACE_INVENTORY"),
    ("controller-capabilities", "CONTROLLER_CAPABILITIES"),
    ("exclusive-namespace", "EXCLUSIVE_NAMESPACE"),
    ("exclusive-subsystem", "EXCLUSIVE_SUBSYSTEM"),
];

/// How surely a row is known.
pub(crate) const CONFIDENCES: &[Word] =
    &[("cited", "Cited"), ("inferred", "Inferred"), ("unknown", "Unknown")];

/// What a reply shows, least first.
pub(crate) const DISCLOSURES: &[Word] = &[
    ("none", "None"),
    ("identity", "Identity"),
    ("health", "Health"),
    ("others-objects", "OthersObjects"),
    ("dump", "Dump"),
    ("secret", "Secret"),
];

/// What a command is.
pub(crate) const KINDS: &[Word] = &[
    ("read", "Read"),
    ("administration", "Administration"),
    ("change", "Change"),
    ("never", "Never"),
];

/// What decides on a command.
pub(crate) const JUDGES: &[Word] = &[
    ("feature", "Feature"),
    ("log", "Log"),
    ("sub-operation", "SubOperation"),
    ("carried-command", "CarriedCommand"),
];

/// Device classes.
pub(crate) const CLASSES: &[Word] = &[
    ("cxl-memory", "CXL_MEMORY"),
    ("cxl-switch", "CXL_SWITCH"),
    ("cxl-logical", "CXL_LOGICAL"),
    ("nvme", "NVME"),
];

/// Kernel subsystems.
pub(crate) const SUBSYSTEMS: &[Word] = &[
    ("mm", "MM"),
    ("cxl", "CXL"),
    ("edac", "EDAC"),
    ("nvdimm", "NVDIMM"),
    ("firmware-loader", "FIRMWARE_LOADER"),
    ("ras", "RAS"),
    ("fabric-manager", "FABRIC_MANAGER"),
    ("dax", "DAX"),
    ("nvme", "NVME"),
    ("block", "BLOCK"),
    ("hwmon", "HWMON"),
    ("sed-opal", "SED_OPAL"),
    ("vfio", "VFIO"),
    ("netdev", "NETDEV"),
    ("rdma", "RDMA"),
    ("pci", "PCI"),
    ("out-of-band", "OUT_OF_BAND"),
    ("keys", "KEYS"),
];

/// When an ownership row holds.
pub(crate) const CONDITIONS: &[Word] = &[
    ("driven", "Driven"),
    ("nvdimm-bound", "NvdimmBound"),
    ("decoder-committed", "DecoderCommitted"),
    ("namespace-in-use", "NamespaceInUse"),
    ("interface-present", "InterfacePresent"),
];

/// Protocols, in the order of the judge's enum.
pub(crate) const PROTOCOLS: &[Word] = &[
    ("cxl", "Cxl"),
    ("nvme-admin", "NvmeAdmin"),
    ("nvme-io", "NvmeIo"),
    ("mlx5", "Mlx5"),
    ("bnxt", "Bnxt"),
    ("pds", "Pds"),
];

/// fwctl's scopes, least first.
pub(crate) const SCOPES: &[Word] = &[
    ("configuration", "Configuration"),
    ("debug-read", "DebugRead"),
    ("debug-write", "DebugWrite"),
    ("debug-write-full", "DebugWriteFull"),
];

/// Which way the bytes at a request's address go.
pub(crate) const DMA_DIRECTIONS: &[Word] =
    &[("to-device", "ToDevice"), ("from-device", "FromDevice")];

/// What a stance is about.
pub(crate) const MATTERS: &[Word] = &[
    ("opaque", "Opaque"),
    ("driver-tables", "DriverTables"),
    ("kernel-interface", "KernelInterface"),
];

/// For or against.
pub(crate) const OPINIONS: &[Word] = &[("ack", "Ack"), ("nak", "Nak")];

/// What has become of a memdev ioctl id.
pub(crate) const MEMDEV_STATES: &[Word] = &[
    ("enabled", "Enabled"),
    ("force-enabled", "ForceEnabled"),
    ("exclusive-while-nvdimm-bound", "ExclusiveWhileNvdimmBound"),
    ("deprecated", "Deprecated"),
];

/// Which way the data of an NVMe command go.
pub(crate) const DIRECTIONS: &[Word] = &[
    ("none", "None"),
    ("to-controller", "ToController"),
    ("to-host", "ToHost"),
    ("by-selector", "BySelector"),
];

/// The Rust name of a word.
pub(crate) fn rust_of(words: &[Word], word: &str) -> Option<&'static str> {
    words.iter().find(|(known, _)| *known == word).map(|(_, rust)| *rust)
}

/// Where a word stands among its kind.
pub(crate) fn rank_of(words: &[Word], word: &str) -> Option<usize> {
    words.iter().position(|(known, _)| *known == word)
}

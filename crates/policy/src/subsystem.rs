// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel subsystems whose business a command may touch.
//!
//! *Not here*: which command touches whose ground (`data/ground.toml`), who said what about it
//! (`data/stances.toml`).

use bitflags::bitflags;

bitflags! {
    /// A set of kernel subsystems.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Subsystems: u32 {
        /// Memory management: pages, memory failure, hot-plugged capacity.
        const MM = 1 << 0;
        /// CXL core, memdev, region, ports.
        const CXL = 1 << 1;
        /// Error detection and correction: scrub, ECS, memory repair.
        const EDAC = 1 << 2;
        /// Persistent memory: labels, shutdown state, passphrases.
        const NVDIMM = 1 << 3;
        /// Firmware loader and its upload interface.
        const FIRMWARE_LOADER = 1 << 4;
        /// Reliability events: trace points and who drains the logs.
        const RAS = 1 << 5;
        /// Fabric management, which in Linux is user space's.
        const FABRIC_MANAGER = 1 << 6;
        /// DAX devices on top of regions.
        const DAX = 1 << 7;
        /// NVMe core and its transports.
        const NVME = 1 << 8;
        /// Block layer, file systems, multipath.
        const BLOCK = 1 << 9;
        /// Hardware monitoring.
        const HWMON = 1 << 10;
        /// Self-encrypting drives.
        const SED_OPAL = 1 << 11;
        /// Pass-through of whole functions to guests, live migration.
        const VFIO = 1 << 12;
        /// Network devices, ethtool, devlink.
        const NETDEV = 1 << 13;
        /// RDMA.
        const RDMA = 1 << 14;
        /// PCI core: configuration space, resets.
        const PCI = 1 << 15;
        /// Out-of-band management.
        const OUT_OF_BAND = 1 << 16;
        /// Trusted keys and key rings.
        const KEYS = 1 << 17;
    }
}

const NAMES: [(Subsystems, &str); 18] = [
    (Subsystems::MM, "mm"),
    (Subsystems::CXL, "cxl"),
    (Subsystems::EDAC, "edac"),
    (Subsystems::NVDIMM, "nvdimm"),
    (Subsystems::FIRMWARE_LOADER, "firmware-loader"),
    (Subsystems::RAS, "ras"),
    (Subsystems::FABRIC_MANAGER, "fabric-manager"),
    (Subsystems::DAX, "dax"),
    (Subsystems::NVME, "nvme"),
    (Subsystems::BLOCK, "block"),
    (Subsystems::HWMON, "hwmon"),
    (Subsystems::SED_OPAL, "sed-opal"),
    (Subsystems::VFIO, "vfio"),
    (Subsystems::NETDEV, "netdev"),
    (Subsystems::RDMA, "rdma"),
    (Subsystems::PCI, "pci"),
    (Subsystems::OUT_OF_BAND, "out-of-band"),
    (Subsystems::KEYS, "keys"),
];

impl Subsystems {
    /// The names of the subsystems in the set, in the order of their bits.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }

    /// The name of the first subsystem in the set; `none` for an empty one.
    #[must_use]
    pub fn first_name(self) -> &'static str {
        self.names().next().unwrap_or("none")
    }

    /// The subsystem of that name, if there is one.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        NAMES.into_iter().find(|(_, known)| *known == name).map(|(flag, _)| flag)
    }

    /// How many subsystems are in the set.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.bits().count_ones()
    }
}

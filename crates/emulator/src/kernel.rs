// SPDX-License-Identifier: MIT OR Apache-2.0
//! An emulated kernel that drives a device: its interfaces, each of which sends its own commands only.
//!
//! The command that an interface is asked to carry is not trusted; the kernel's checks come first, and
//! what they refuse is an errno and is not sent.
//!
//! *Invariants*: an interface sends no opcode but those of its own. A device that no kernel drives has no
//! interface.
//!
//! *Not here*: which ground an interface stands for (`data/ground.toml`, whose keys are used here).
//!
//! *Spec*: `drivers/cxl/core/{mbox.c,memdev.c,edac.c}`, `drivers/cxl/pmem.c`,
//! `include/uapi/linux/cxl_mem.h` @ v7.3. The emulated kernel has its nvdimm driver bound and no decoder
//! committed.

use fwgate_wire::cxl::features::feature_uuid;
use thiserror::Error;
use uuid::Uuid;

use crate::bytes::Reader;
use crate::commands::logs::VENDOR_DEBUG;
use crate::device::{Completed, EmulatedCxl, TransportError};

const ENXIO: i32 = 6;
const ENOMEM: i32 = 12;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;

/// An interface of the emulated kernel. The names in backticks are its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmulatedInterface {
    /// `memdev`: typed ids of the memdev ioctl.
    Memdev,
    /// `memdev-set-partition`: id 9 of the same.
    MemdevSetPartition,
    /// `memdev-scan-media-caps`: id 18 of the same.
    MemdevScanMediaCaps,
    /// `edac-scrub`: patrol scrub by sysfs.
    EdacScrub,
    /// `edac-ecs`: error check scrub by sysfs.
    EdacEcs,
    /// `edac-mem-repair`: soft repair and sparing by sysfs.
    EdacMemRepair,
    /// `firmware-upload`: the firmware class.
    FirmwareUpload,
    /// `cxl-sanitize`: `security/sanitize` in sysfs.
    CxlSanitize,
    /// `cxl-secure-erase`: `security/erase` in sysfs.
    CxlSecureErase,
    /// `cxl-poison-list`: `trigger_poison_list` in sysfs.
    CxlPoisonList,
    /// `cxl-poison-debugfs`: `inject_poison` and `clear_poison` in debugfs.
    CxlPoisonDebugfs,
    /// `cxl-trace-events`: the kernel drains the event logs.
    CxlTraceEvents,
    /// `nvdimm-labels`: the label area.
    NvdimmLabels,
    /// `nvdimm-security`: the security state. Passphrases are not emulated.
    NvdimmSecurity,
}

/// Why an interface did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum KernelError {
    /// The kernel refused. Nothing was sent.
    #[error("the emulated kernel refused with errno {errno}: {rule}")]
    Errno {
        errno: i32,
        /// The rule that refused.
        rule: &'static str,
    },
    /// The command was sent and did not come back, or could not be sent.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Commands with a typed id: id, opcode, bytes of input (`None`: any), whether nvdimm holds it.
const TYPED: &[(u32, u16, Option<usize>, Holder)] = &[
    (1, 0x4000, Some(0), Holder::None),
    (3, 0x0400, Some(0), Holder::None),
    (4, 0x0200, Some(0), Holder::None),
    (5, 0x4100, Some(0), Holder::None),
    (6, 0x4102, Some(8), Holder::None),
    (7, 0x4200, Some(0), Holder::None),
    (8, 0x0401, Some(24), Holder::None),
    (9, 0x4101, Some(10), Holder::None),
    (10, 0x4103, None, Holder::Nvdimm),
    (11, 0x4201, Some(0), Holder::None),
    (12, 0x4202, Some(12), Holder::None),
    (13, 0x4203, Some(0), Holder::None),
    (14, 0x4204, Some(1), Holder::Nvdimm),
    (18, 0x4303, Some(16), Holder::None),
    (21, 0x0300, Some(0), Holder::None),
    (22, 0x0402, Some(16), Holder::None),
    (23, 0x0403, Some(16), Holder::None),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    None,
    /// Exclusive while the nvdimm driver is bound.
    Nvdimm,
}

/// The features that a mem_repair device of EDAC writes. Hard repair has none in 7.3.
const REPAIR: [Uuid; 5] = [
    feature_uuid::SOFT_PPR,
    feature_uuid::CACHELINE_SPARING,
    feature_uuid::ROW_SPARING,
    feature_uuid::BANK_SPARING,
    feature_uuid::RANK_SPARING,
];

impl EmulatedInterface {
    /// Every interface that the emulated kernel has.
    pub const ALL: [Self; 14] = [
        Self::Memdev,
        Self::MemdevSetPartition,
        Self::MemdevScanMediaCaps,
        Self::EdacScrub,
        Self::EdacEcs,
        Self::EdacMemRepair,
        Self::FirmwareUpload,
        Self::CxlSanitize,
        Self::CxlSecureErase,
        Self::CxlPoisonList,
        Self::CxlPoisonDebugfs,
        Self::CxlTraceEvents,
        Self::NvdimmLabels,
        Self::NvdimmSecurity,
    ];

    /// Its key, as in `data/ground.toml`; `memdev` for the typed ids that have none there.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Memdev => "memdev",
            Self::MemdevSetPartition => "memdev-set-partition",
            Self::MemdevScanMediaCaps => "memdev-scan-media-caps",
            Self::EdacScrub => "edac-scrub",
            Self::EdacEcs => "edac-ecs",
            Self::EdacMemRepair => "edac-mem-repair",
            Self::FirmwareUpload => "firmware-upload",
            Self::CxlSanitize => "cxl-sanitize",
            Self::CxlSecureErase => "cxl-secure-erase",
            Self::CxlPoisonList => "cxl-poison-list",
            Self::CxlPoisonDebugfs => "cxl-poison-debugfs",
            Self::CxlTraceEvents => "cxl-trace-events",
            Self::NvdimmLabels => "nvdimm-labels",
            Self::NvdimmSecurity => "nvdimm-security",
        }
    }

    /// The interface of that key, if the emulated kernel has it.
    #[must_use]
    pub fn by_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|interface| interface.key() == key)
    }

    /// The kernel's checks for a command by this interface.
    pub(crate) fn check(self, opcode: u16, payload: &[u8]) -> Result<(), KernelError> {
        match self {
            Self::Memdev => typed(opcode, payload),
            Self::MemdevSetPartition => carries(opcode, &[0x4101]).and(typed(opcode, payload)),
            Self::MemdevScanMediaCaps => carries(opcode, &[0x4303]).and(typed(opcode, payload)),
            Self::EdacScrub => feature(opcode, payload, &[feature_uuid::PATROL_SCRUB]),
            Self::EdacEcs => feature(opcode, payload, &[feature_uuid::DDR5_ECS]),
            Self::EdacMemRepair if opcode == 0x0600 => repair(payload),
            Self::EdacMemRepair => feature(opcode, payload, &REPAIR),
            Self::FirmwareUpload => firmware(opcode, payload),
            Self::CxlSanitize => carries(opcode, &[0x4400]),
            Self::CxlSecureErase => carries(opcode, &[0x4401]),
            Self::CxlPoisonList => carries(opcode, &[0x4300]),
            Self::CxlPoisonDebugfs => carries(opcode, &[0x4301, 0x4302]),
            Self::CxlTraceEvents => carries(opcode, &[0x0100, 0x0101]),
            Self::NvdimmLabels => carries(opcode, &[0x4102, 0x4103]),
            Self::NvdimmSecurity => carries(opcode, &[0x4500]),
        }
    }
}

fn refuse(errno: i32, rule: &'static str) -> Result<(), KernelError> {
    Err(KernelError::Errno { errno, rule })
}

fn carries(opcode: u16, own: &[u16]) -> Result<(), KernelError> {
    if own.contains(&opcode) {
        Ok(())
    } else {
        refuse(EINVAL, "the interface does not send this command")
    }
}

/// The order is that of `cxl_validate_cmd_from_user`.
fn typed(opcode: u16, payload: &[u8]) -> Result<(), KernelError> {
    let row = TYPED.iter().find(|(_, known, _, _)| *known == opcode);
    let Some((_, _, size, holder)) = row else {
        return refuse(ENOTTY, "no typed id for this command");
    };
    if *holder == Holder::Nvdimm {
        return refuse(EBUSY, "exclusive to the nvdimm driver while it is bound");
    }
    if size.is_some_and(|size| size != payload.len()) {
        return refuse(ENOMEM, "the input has another size than the kernel's table");
    }
    match opcode {
        0x4101 if payload.get(8).is_none_or(|flags| flags & 1 != 0) => {
            refuse(EBUSY, "no immediate change of the partition")
        }
        0x0403 if payload != VENDOR_DEBUG.as_bytes() => {
            refuse(EBUSY, "only the Vendor Debug log is cleared")
        }
        _ => Ok(()),
    }
}

fn feature(opcode: u16, payload: &[u8], own: &[Uuid]) -> Result<(), KernelError> {
    carries(opcode, &[0x0501, 0x0502])?;
    match Reader::new(payload).array().map(Uuid::from_bytes) {
        Ok(uuid) if own.contains(&uuid) => Ok(()),
        _ => refuse(EINVAL, "the interface does not set this feature"),
    }
}

fn repair(payload: &[u8]) -> Result<(), KernelError> {
    match payload {
        // Soft repair, and the four kinds of sparing.
        [1, 0, ..] | [2, 0..=3, ..] => Ok(()),
        _ => refuse(EINVAL, "the interface does not do this maintenance"),
    }
}

fn firmware(opcode: u16, payload: &[u8]) -> Result<(), KernelError> {
    carries(opcode, &[0x0200, 0x0201, 0x0202])?;
    if opcode == 0x0202 && payload.first() != Some(&1) {
        return refuse(EINVAL, "the kernel activates firmware at the next reset only");
    }
    Ok(())
}

impl EmulatedCxl {
    /// The kernel's interfaces to the device: all, or none if no kernel drives it.
    #[must_use]
    pub fn interfaces(&self) -> &'static [EmulatedInterface] {
        if self.driven() { &EmulatedInterface::ALL } else { &[] }
    }

    /// Does by the kernel's interface what the command asks for: the kernel's checks, then the command, sent
    /// in the kernel's name.
    pub(crate) fn run_by_kernel(
        &mut self,
        interface: EmulatedInterface,
        opcode: u16,
        payload: &[u8],
        reply: &mut Vec<u8>,
        deadline_us: u64,
    ) -> Result<Completed, KernelError> {
        reply.clear();
        if !self.driven() {
            refuse(ENXIO, "no kernel drives the device")?;
        }
        if payload.len() > self.payload_size() {
            refuse(EINVAL, "the input is longer than the mailbox payload")?;
        }
        interface.check(opcode, payload)?;
        Ok(self.execute(opcode, payload, reply, deadline_us)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errno(interface: EmulatedInterface, opcode: u16, payload: &[u8]) -> Option<i32> {
        match interface.check(opcode, payload) {
            Ok(()) => None,
            Err(KernelError::Errno { errno, .. }) => Some(errno),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn keys_go_both_ways_and_no_two_are_alike() {
        for interface in EmulatedInterface::ALL {
            assert_eq!(EmulatedInterface::by_key(interface.key()), Some(interface));
        }
        assert_eq!(EmulatedInterface::by_key("sed-opal"), None);
    }

    #[test]
    fn the_memdev_ioctl_refuses_in_the_kernels_order_with_its_errnos() {
        let memdev = EmulatedInterface::Memdev;
        assert_eq!(errno(memdev, 0x4000, &[]), None);
        assert_eq!(errno(memdev, 0xC000, &[]), Some(ENOTTY));
        assert_eq!(errno(memdev, 0x4301, &[0; 8]), Some(ENOTTY));
        assert_eq!(errno(memdev, 0x4103, &[0; 16]), Some(EBUSY));
        assert_eq!(errno(memdev, 0x4204, &[]), Some(EBUSY), "exclusive comes before the size");
        assert_eq!(errno(memdev, 0x4202, &[0; 11]), Some(ENOMEM));
        assert_eq!(errno(memdev, 0x4101, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), Some(EBUSY));
        assert_eq!(errno(memdev, 0x4101, &[0; 10]), None);
        assert_eq!(errno(memdev, 0x0403, &[0; 16]), Some(EBUSY));
        assert_eq!(errno(memdev, 0x0403, VENDOR_DEBUG.as_bytes()), None);
    }

    #[test]
    fn an_interface_sends_its_own_commands_and_features_only() {
        let scrub = feature_uuid::PATROL_SCRUB.as_bytes();
        assert_eq!(errno(EmulatedInterface::EdacScrub, 0x0502, scrub), None);
        assert_eq!(errno(EmulatedInterface::EdacEcs, 0x0502, scrub), Some(EINVAL));
        assert_eq!(errno(EmulatedInterface::EdacScrub, 0x0502, &scrub[..15]), Some(EINVAL));
        assert_eq!(errno(EmulatedInterface::EdacScrub, 0x4400, scrub), Some(EINVAL));
        let hard = feature_uuid::HARD_PPR.as_bytes();
        assert_eq!(errno(EmulatedInterface::EdacMemRepair, 0x0502, hard), Some(EINVAL));
        assert_eq!(errno(EmulatedInterface::EdacMemRepair, 0x0600, &[1, 1]), Some(EINVAL));
        assert_eq!(errno(EmulatedInterface::EdacMemRepair, 0x0600, &[1, 0]), None);
        assert_eq!(errno(EmulatedInterface::FirmwareUpload, 0x0202, &[0, 2]), Some(EINVAL));
        assert_eq!(errno(EmulatedInterface::FirmwareUpload, 0x0202, &[1, 2]), None);
        for interface in EmulatedInterface::ALL {
            assert!(errno(interface, 0xC003, &[]).is_some(), "{}", interface.key());
        }
    }
}

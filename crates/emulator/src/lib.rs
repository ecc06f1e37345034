// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices in software: a CXL Type-3 device down to its mailbox registers, a small NVMe controller, and
//! a small device of each of fwctl's other families.
//!
//! Commands come from the gate and are treated as any device treats its host: nothing is trusted. A state
//! file that is read back is not trusted either.
//!
//! *Invariants*
//! - No public function sends a command. The registers and the raw senders are crate-private.
//! - A command that the device takes is written to the executed list before its reply can be seen.
//! - A state file that does not check is refused with its place; it is never reset in silence.
//! - The Command Effects Log and the dispatcher come from one table (`commands::TABLE`).
//!
//! *Not here*: the mailbox driver (`fwgate_wire::cxl::mailbox`), who may send what (`fwgate-policy`,
//! `fwgate-gate`), the lock on a device (its caller holds one).
//!
//! *Spec*: each module names its own sources. Replies are encoded here by hand and not with the types of
//! `fwgate-wire`, so that a wrong offset on one side shows as a failing test.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]
mod bytes;
pub mod clock;
mod commands;
pub mod device;
mod engine;
mod executed;
pub mod families;
mod family_road;
pub mod faults;
pub mod firmware;
pub mod kernel;
pub mod nvme;
mod registers;
pub mod road;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use clock::{ManualTime, TimeSource, WallTime};
pub use device::{EmulatedCxl, Options, ResetKind};
pub use families::{EmulatedFamily, Family};
pub use family_road::FamilyDevice;
pub use faults::{FaultKind, FaultPlan, FaultPlanError, FaultRule, LogEdit};
pub use kernel::EmulatedInterface;
pub use nvme::EmulatedNvme;
pub use road::{CxlDevice, NAMES, NvmeDevice, open};
pub use store::{HostError, OpenError};

/// PCI vendor id that the emulated devices claim. It is the emulator's own and no real vendor's.
pub const VENDOR_ID: u16 = 0xFFF0;
/// PCI device id of the emulated CXL device.
pub const CXL_DEVICE_ID: u16 = 0x0C01;
/// PCI device id of the emulated NVMe controller.
pub const NVME_DEVICE_ID: u16 = 0x0C02;
/// PCI device id of the emulated mlx5 device.
pub const MLX5_DEVICE_ID: u16 = 0x0C03;
/// PCI device id of the emulated bnxt device.
pub const BNXT_DEVICE_ID: u16 = 0x0C04;
/// PCI device id of the emulated pds device.
pub const PDS_DEVICE_ID: u16 = 0x0C05;

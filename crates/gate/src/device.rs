// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gate asks of a device, and what a device may assume of the gate.
//!
//! Implementors live in `fwgate-emulator` and `fwgate-linux`. The gate calls [`Device::submit`]
//! with one command at a time per device, after the record; nothing else reaches hardware.
//! Replies are claims and hostile.

use core::fmt;
use core::time::Duration;

use fwgate_policy::subsystem::Subsystems;
use fwgate_policy::tables::Classes;
use fwgate_policy::{Known, OperationFacts, Path, Protocol};
use serde::Serialize;

use crate::permit::Recorded;
use crate::request::{Firmware, Kernel};

/// What marks one opening of one device. Facts are bound to it.
///
/// Two generations that differ in [`opened`](Self::opened) may be two devices; two that differ in
/// the rest are one device that was reset or runs other firmware. What the machine does with it
/// ([`Around`]) is compared on its own.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Generation {
    /// Device number, disk sequence, boot id, driver binding; whatever tells one device from
    /// another under the same name.
    pub opened: String,
    /// Counts resets, firmware activations and uevents.
    pub changes: u64,
}

/// What a device is, before anything was read of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The name that users give, such as `emu:cxl0`. The same for each way to the same device: the
    /// slot that keeps commands apart goes by it.
    pub name: String,
    /// The language it speaks.
    pub protocol: Protocol,
    /// Device class for mandatory commands.
    pub class: Classes,
    /// PCI vendor id.
    pub vendor: u16,
    /// PCI device id.
    pub device: u16,
    /// Whether it is in software.
    pub emulated: bool,
}

/// What kernel and machine do with the device; owned, unlike `fwgate_policy::Surroundings`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Around {
    /// Whether a kernel driver drives it.
    pub driven: Known,
    /// Whether an nvdimm child driver is bound.
    pub nvdimm_bound: Known,
    /// Whether an HDM decoder is committed.
    pub decoder_committed: Known,
    /// Whether a namespace is in use.
    pub namespace_in_use: Known,
    /// Subsystems that drive any function of the physical device.
    pub drivers: Subsystems,
    /// Keys of the kernel interfaces that are there; `None` if that could not be found out.
    pub interfaces: Option<Vec<&'static str>>,
}

impl Around {
    /// No driver of any kernel touches the device; as `Surroundings::DRIVEN_BY_NOBODY`.
    #[must_use]
    pub const fn driven_by_nobody() -> Self {
        Self {
            driven: Known::No,
            nvdimm_bound: Known::No,
            decoder_committed: Known::No,
            namespace_in_use: Known::No,
            drivers: Subsystems::empty(),
            interfaces: Some(Vec::new()),
        }
    }
}

/// What is known of a device without a command: from sysfs, or from the emulator.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Firmware revision, where no probe reads it.
    pub firmware: Vec<u8>,
    /// pds: the firmware's operations; `None` where they cannot be seen.
    pub operations: Option<Vec<OperationFacts>>,
}

/// What came back. `Debug` shows the length of the payload only.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The device's return code; 0 is success. CXL return code, NVMe status field, mlx5 status, bnxt
    /// error code, low half of pds's.
    pub return_code: u16,
    /// Vendor-specific status beside it; high half of pds's code.
    pub vendor_status: u16,
    /// Reply payload; at most 1 MiB. mlx5: the whole mailbox. bnxt: the whole reply, then the buffers
    /// that the device wrote.
    pub payload: Vec<u8>,
    /// Whether the device says that the operation goes on in the background.
    pub background: bool,
    /// Whether the path hides transport failures, so that success is not yet believed.
    pub unverified: bool,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("return_code", &self.return_code)
            .field("vendor_status", &self.vendor_status)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("background", &self.background)
            .field("unverified", &self.unverified)
            .finish()
    }
}

/// Why no reply came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubmitError {
    /// The device is not the one, or not as, the command was judged for. Nothing was sent.
    FactsChanged {
        /// What differs.
        what: String,
    },
    /// The kernel refused. Nothing was sent.
    Kernel {
        /// The errno.
        errno: i32,
        /// The kernel's rule in words.
        rule: String,
    },
    /// The transport failed.
    Transport {
        /// How.
        what: String,
        /// Whether the device may have executed the command all the same.
        may_have_run: bool,
    },
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FactsChanged { what } => write!(f, "facts have changed: {what}"),
            Self::Kernel { errno, rule } => write!(f, "the kernel refused (errno {errno}): {rule}"),
            Self::Transport { what, may_have_run: true } => {
                write!(f, "transport failed: {what}; the command may have run")
            }
            Self::Transport { what, may_have_run: false } => {
                write!(f, "transport failed: {what}; nothing was sent")
            }
        }
    }
}

/// How long [`Device::submit`] may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// It returns by the deadline, whatever the device does.
    KeepsDeadline,
    /// It may outlast the deadline, as an ioctl in an uninterruptible wait does.
    MayOutlast,
}

/// State of the operation that runs in the background, or ran last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Background {
    /// Opcode that started it.
    pub opcode: u16,
    /// 0 to 100.
    pub percent: u8,
    /// Whether it still runs.
    pub running: bool,
    /// Its final return code, once it does not.
    pub return_code: u16,
}

/// A device that the gate can send to.
///
/// The gate holds the device's slot around every [`submit`](Self::submit), so implementors see one
/// command at a time. [`observe`](Self::observe) and [`around`](Self::around) are called at any
/// time and send nothing.
pub trait Device: Send + Sync {
    /// What it is.
    fn identity(&self) -> &Identity;

    /// What marks it now. Sends nothing.
    fn observe(&self) -> Generation;

    /// What is known of it without a command, where nothing can be asked. Sends nothing.
    fn told(&self) -> Told {
        Told::default()
    }

    /// What kernel and machine do with it now. Sends nothing. The gate looks before it judges and
    /// again before it sends, and sends nothing where the two differ.
    fn around(&self) -> Around;

    /// The paths to its firmware, best first.
    fn paths(&self) -> &[Path];

    /// How long a submit may take.
    fn pace(&self) -> Pace;

    /// The longest payload, in bytes, that one command or reply can have.
    fn payload_limit(&self) -> usize;

    /// Sends one recorded command and waits for the reply, at most until its deadline where
    /// [`pace`](Self::pace) says so. Must open the record with [`Recorded::release`], which refuses
    /// where the generation no longer fits, and must refuse a message in a language that the device
    /// does not speak.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]: nothing sent, or no reply.
    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError>;

    /// The background operation, read from a register and not by a command; `None` where the path
    /// cannot tell.
    fn background(&self) -> Option<Background>;
}

/// One of the kernel's own interfaces to a device.
pub trait KernelInterface: Send + Sync {
    /// Its key, such as `edac-scrub`.
    fn key(&self) -> &'static str;

    /// What marks the device now. Sends nothing.
    fn observe(&self) -> Generation;

    /// Does by the kernel's interface what the command asks for; the gate gives it only what was
    /// made out for this [`key`](Self::key). Must open the record with [`Recorded::release`], against
    /// the generation of its own device, and return by the deadline.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]: nothing done, or no answer.
    fn run(&self, recorded: Recorded<Kernel>) -> Result<Reply, SubmitError>;
}

/// The longest that anything waits for a device, unless the caller says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

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
use fwgate_policy::{Known, Lockdown, OperationFacts, Path, Protocol, Route};
use serde::Serialize;

use crate::caller::Caller;
use crate::permit::Recorded;
use crate::request::{Firmware, Kernel, Message};

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

/// Where a device is, and what it calls itself: for people, and for records that are read after the
/// names of devices have changed. A serial number is the device's own claim.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Whereabouts {
    /// Serial number.
    pub serial: Option<String>,
    /// Address on its bus, such as a PCI address.
    pub address: Option<String>,
    /// Its nodes, whole paths.
    pub nodes: Vec<String>,
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
    /// The kernel's lockdown level; integrity where it cannot be read. None for a device in
    /// software, which no kernel keeps from anyone.
    pub lockdown: Lockdown,
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
            lockdown: Lockdown::None,
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
    /// How far success can be believed.
    pub belief: Belief,
}

/// How far a path's word of success can be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Belief {
    /// The device itself said so.
    Told,
    /// The path hides transport failures: nothing is known yet.
    Unverified,
    /// It was read back, and is there.
    ReadBack,
    /// It was read back, and something else is there, or it could not be read.
    ReadsOtherwise,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("return_code", &self.return_code)
            .field("vendor_status", &self.vendor_status)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("background", &self.background)
            .field("belief", &self.belief)
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

/// No path of the machine carries a command to this device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoPath {
    /// Why: what each path lacks.
    pub why: String,
    /// The smallest change that would make one, and whose it is; `None` where there is none.
    pub fix: Option<String>,
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
    /// 0 to 100; `None` where that cannot be told.
    pub percent: Option<u8>,
    /// Whether it still runs.
    pub running: bool,
    /// Its final return code, once it does not run; `None` where nobody says how it ended.
    pub return_code: Option<u16>,
}

/// A device that the gate can send to.
///
/// The gate holds the device's slot around every [`submit`](Self::submit), so implementors see one
/// command at a time. [`observe`](Self::observe) and [`around`](Self::around) are called at any
/// time and send nothing.
pub trait Device: Send + Sync {
    /// What it is.
    fn identity(&self) -> &Identity;

    /// Where it is; nowhere, for a device in software.
    fn whereabouts(&self) -> Whereabouts {
        Whereabouts::default()
    }

    /// What marks it now. Sends nothing.
    fn observe(&self) -> Generation;

    /// What is known of it without a command, where nothing can be asked. Sends nothing.
    fn told(&self) -> Told {
        Told::default()
    }

    /// What kernel and machine do with it now. Sends nothing. The gate looks before it judges and
    /// again before it sends, and sends nothing where the two differ.
    fn around(&self) -> Around;

    /// The paths to its firmware that are there, best first, for people to see.
    fn paths(&self, caller: &Caller) -> Vec<Path>;

    /// The first of its paths that can carry this command by this route, and whether the kernel
    /// itself would let this caller in there. Sends nothing. The gate asks before it judges and again
    /// before it sends, with the slot in hand, and sends nothing where the two differ.
    ///
    /// # Errors
    ///
    /// [`NoPath`] where none can.
    fn path(&self, route: Route<'_>, message: &Message, caller: &Caller) -> Result<Path, NoPath>;

    /// How long a submit may take.
    fn pace(&self) -> Pace;

    /// The longest payload, in bytes, that one command or reply can have.
    fn payload_limit(&self) -> usize;

    /// Sends one recorded command and waits for the reply, at most until its deadline where
    /// [`pace`](Self::pace) says so. Must open the record with [`Recorded::release`], which refuses
    /// where the generation no longer fits, must take the path that the delivery names and no other,
    /// and must refuse a message in a language that the device does not speak.
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

    /// How long [`run`](Self::run) may take.
    fn pace(&self) -> Pace;

    /// Does by the kernel's interface what the command asks for; the gate gives it only what was
    /// made out for this [`key`](Self::key). Must open the record with [`Recorded::release`], against
    /// the generation of its own device.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]: nothing done, or no answer.
    fn run(&self, recorded: Recorded<Kernel>) -> Result<Reply, SubmitError>;

    /// The long operation that [`run`](Self::run) began, looked at without sending a command;
    /// `None` where the kernel does not tell.
    fn background(&self) -> Option<Background> {
        None
    }

    /// Asks the kernel to end that operation early. It may go on all the same: only
    /// [`background`](Self::background) tells.
    ///
    /// # Errors
    ///
    /// Why it cannot be asked to.
    fn abort(&self) -> Result<(), String> {
        Err("the kernel has no way to end this early".to_owned())
    }
}

/// The longest that anything waits for a device, unless the caller says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

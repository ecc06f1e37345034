// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulated devices as the gate sees them: the only way in for a command.
//!
//! A recorded command is released against the device's own generation, cut into parts where it does
//! not fit the mailbox, and handed to the mailbox driver. Nothing here makes a command of its own.
//!
//! *Invariants*: every command comes out of a [`Recorded`]; all parts of one are sent under one
//! lock, in order, and the first that fails ends it.
//!
//! *Not here*: the register model and the senders, which are crate-private.

use std::path::Path as FsPath;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fwgate_gate::device::{Around, Background, Belief, NoPath, Pace};
use fwgate_gate::{
    Caller, Delivery, Device, Firmware, Generation, Identity, Kernel, KernelInterface, Message,
    Recorded, Reply, Route, SubmitError, transfer,
};
use fwgate_policy::tables::Classes;
use fwgate_policy::{Known, Lockdown, Path, PathKind, Protocol, Route as Judged, Subsystems};
use fwgate_wire::cxl::ReturnCode;

use crate::device::{Completed, TransportError};
use crate::families::{EmulatedFamily, Family};
use crate::family_road::FamilyDevice;
use crate::kernel::{EmulatedInterface, KernelError};
use crate::nvme::{EmulatedNvme, NvmeCommand};
use crate::store::OpenError;
use crate::{CXL_DEVICE_ID, EmulatedCxl, FaultPlan, NVME_DEVICE_ID, Options, VENDOR_ID};

/// The names of the devices that every gate has.
pub const NAMES: [&str; 6] = ["cxl0", "cxl1", "nvme0", "mlx5-0", "bnxt0", "pds0"];

/// The gate is the only path, follows background operations by a register, and belongs to the
/// caller.
pub(crate) const PATH: Path =
    Path { kind: PathKind::Emulated, follows_background: true, admits_caller: true };

/// The path for a route. The emulated kernel lets everyone in at its interfaces.
const fn path(route: Judged<'_>) -> Path {
    match route {
        Judged::Firmware => PATH,
        Judged::Kernel(_) => Path { kind: PathKind::KernelInterface, ..PATH },
    }
}

/// Opens an emulated device by its name without `emu:`. `None` where there is none of that name.
///
/// # Errors
///
/// [`OpenError`]: its files cannot be used or do not check.
pub fn open(
    name: &str,
    dir: &FsPath,
    faults: Option<FaultPlan>,
) -> Result<Option<Arc<dyn Device>>, OpenError> {
    let with_faults = |options| Options { faults, ..options };
    Ok(match name {
        "cxl0" => Some(CxlDevice::new(EmulatedCxl::open(dir, with_faults(Options::cxl0()))?)),
        "cxl1" => Some(CxlDevice::new(EmulatedCxl::open(dir, with_faults(Options::cxl1()))?)),
        "nvme0" => Some(NvmeDevice::new(EmulatedNvme::open(dir, "nvme0")?)),
        "mlx5-0" => Some(FamilyDevice::new(EmulatedFamily::open(dir, name, Family::Mlx5)?)),
        "bnxt0" => Some(FamilyDevice::new(EmulatedFamily::open(dir, name, Family::Bnxt)?)),
        "pds0" => Some(FamilyDevice::new(EmulatedFamily::open(dir, name, Family::Pds)?)),
        _ => None,
    })
}

/// An emulated CXL device behind the gate.
#[derive(Debug)]
pub struct CxlDevice {
    identity: Identity,
    payload_limit: usize,
    driven: bool,
    interfaces: Vec<&'static str>,
    device: Mutex<EmulatedCxl>,
}

impl CxlDevice {
    /// Puts a device behind the gate.
    #[must_use]
    pub fn new(device: EmulatedCxl) -> Arc<Self> {
        Arc::new(Self {
            identity: Identity {
                name: format!("emu:{}", device.name()),
                protocol: Protocol::Cxl,
                class: Classes::CXL_MEMORY,
                vendor: VENDOR_ID,
                device: CXL_DEVICE_ID,
                emulated: true,
            },
            payload_limit: device.payload_size(),
            driven: device.driven(),
            interfaces: device.interfaces().iter().map(|interface| interface.key()).collect(),
            device: Mutex::new(device),
        })
    }

    /// The emulated kernel's interfaces to this device; none where no kernel drives it.
    #[must_use]
    pub fn interfaces(self: &Arc<Self>) -> Vec<Arc<dyn KernelInterface>> {
        let interfaces = self.lock().interfaces();
        interfaces
            .iter()
            .map(|&interface| {
                let device = Arc::clone(self);
                Arc::new(Interface { device, interface }) as Arc<dyn KernelInterface>
            })
            .collect()
    }

    /// The device itself, for what is no command: power cycles, resets, counters.
    pub fn control<T>(&self, use_it: impl FnOnce(&mut EmulatedCxl) -> T) -> T {
        use_it(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, EmulatedCxl> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn generation(device: &mut EmulatedCxl) -> Generation {
        Generation {
            opened: format!("emulated {} made {}", device.name(), device.made_us()),
            changes: device.changes(),
        }
    }
}

/// Microseconds of device time until the gate stops waiting.
fn time_left<R: Route>(delivery: &Delivery<R>) -> u64 {
    u64::try_from(delivery.time_left().as_micros()).unwrap_or(u64::MAX)
}

fn transport(error: &TransportError) -> SubmitError {
    SubmitError::Transport { what: error.to_string(), may_have_run: error.may_have_run() }
}

pub(crate) fn not_mine(protocol: &str) -> SubmitError {
    SubmitError::Transport { what: format!("the device speaks no {protocol}"), may_have_run: false }
}

fn reply(completed: &Completed, payload: Vec<u8>) -> Reply {
    Reply {
        return_code: completed.return_code.0,
        vendor_status: completed.vendor_status,
        payload,
        background: completed.background,
        belief: Belief::Told,
    }
}

impl Device for CxlDevice {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn observe(&self) -> Generation {
        Self::generation(&mut self.lock())
    }

    fn around(&self) -> Around {
        let known = |yes| if yes { Known::Yes } else { Known::No };
        Around {
            driven: known(self.driven),
            nvdimm_bound: known(self.driven),
            decoder_committed: Known::No,
            namespace_in_use: Known::No,
            drivers: if self.driven { Subsystems::CXL } else { Subsystems::empty() },
            interfaces: Some(self.interfaces.clone()),
            lockdown: Lockdown::None,
        }
    }

    fn paths(&self, _: &Caller) -> Vec<Path> {
        vec![PATH]
    }

    fn path(&self, route: Judged<'_>, _: &Message, _: &Caller) -> Result<Path, NoPath> {
        Ok(path(route))
    }

    fn pace(&self) -> Pace {
        Pace::KeepsDeadline
    }

    fn payload_limit(&self) -> usize {
        self.payload_limit
    }

    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let mut device = self.lock();
        let delivery = recorded.release(&Self::generation(&mut device))?;
        let Message::Cxl { opcode, payload } = &delivery.message else {
            return Err(not_mine("NVMe"));
        };
        in_parts(&mut device, &delivery, *opcode, payload, |device, part, answer| {
            let deadline = device.deadline_in(time_left(&delivery));
            device.execute(*opcode, part, answer, deadline).map_err(|error| transport(&error))
        })
    }

    fn background(&self) -> Option<Background> {
        let view = self.lock().background().ok()?;
        Some(Background {
            opcode: view.status.opcode().0,
            // Seven bits on the wire.
            percent: Some(view.status.percent().min(100)),
            running: view.running,
            return_code: Some(view.status.return_code().0),
        })
    }
}

/// Sends all parts of a command, in order; the first that fails ends it.
fn in_parts<R: Route>(
    device: &mut EmulatedCxl,
    delivery: &Delivery<R>,
    opcode: u16,
    payload: &[u8],
    mut send: impl FnMut(&mut EmulatedCxl, &[u8], &mut Vec<u8>) -> Result<Completed, SubmitError>,
) -> Result<Reply, SubmitError> {
    let parts = transfer::parts(opcode, payload, device.payload_size())
        .map_err(|error| SubmitError::Transport { what: error.to_string(), may_have_run: false })?;
    let count = parts.len();
    let mut answer = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let completed = send(device, &part, &mut answer).map_err(|error| match error {
            // An earlier part has run, whatever became of this one.
            SubmitError::Transport { what, .. } | SubmitError::Kernel { rule: what, .. }
                if number > 1 =>
            {
                let what = format!("part {number} of {count}: {what}");
                SubmitError::Transport { what, may_have_run: true }
            }
            other => other,
        })?;
        if number == count || !completed.return_code.is_success() && !completed.background {
            return Ok(reply(&completed, answer));
        }
        if completed.background {
            let ended = wait_for_background(device, delivery)?;
            if ended != 0 {
                // What the earlier parts did stays; the next one has nothing to follow.
                let failed = Completed { return_code: ReturnCode(ended), ..completed };
                return Ok(Reply { background: false, ..reply(&failed, Vec::new()) });
            }
        }
    }
    let what = "the command has no part to send".to_owned();
    Err(SubmitError::Transport { what, may_have_run: false })
}

/// A part that goes on in the background must end before the next one is sent; with what code it
/// did.
fn wait_for_background<R: Route>(
    device: &mut EmulatedCxl,
    delivery: &Delivery<R>,
) -> Result<u16, SubmitError> {
    loop {
        let view = device.background().map_err(|error| SubmitError::Transport {
            what: format!("between two parts: {error}"),
            may_have_run: true,
        })?;
        if !view.running {
            return Ok(view.status.return_code().0);
        }
        if delivery.time_left().is_zero() {
            return Err(SubmitError::Transport {
                what: "the deadline passed between two parts".to_owned(),
                may_have_run: true,
            });
        }
        std::thread::sleep(core::time::Duration::from_millis(5));
    }
}

/// One interface of the emulated kernel to one device.
#[derive(Debug)]
struct Interface {
    device: Arc<CxlDevice>,
    interface: EmulatedInterface,
}

impl KernelInterface for Interface {
    fn key(&self) -> &'static str {
        self.interface.key()
    }

    fn observe(&self) -> Generation {
        self.device.observe()
    }

    fn pace(&self) -> Pace {
        Pace::KeepsDeadline
    }

    fn run(&self, recorded: Recorded<Kernel>) -> Result<Reply, SubmitError> {
        let mut device = self.device.lock();
        let delivery = recorded.release(&CxlDevice::generation(&mut device))?;
        if delivery.route.interface != self.interface.key() {
            return Err(not_mine(delivery.route.interface));
        }
        let Message::Cxl { opcode, payload } = &delivery.message else {
            return Err(not_mine("NVMe"));
        };
        in_parts(&mut device, &delivery, *opcode, payload, |device, part, answer| {
            let deadline = device.deadline_in(time_left(&delivery));
            let ran = device.run_by_kernel(self.interface, *opcode, part, answer, deadline);
            ran.map_err(|error| match error {
                KernelError::Errno { errno, rule } => {
                    SubmitError::Kernel { errno, rule: rule.to_owned() }
                }
                KernelError::Transport(error) => transport(&error),
            })
        })
    }
}

/// An emulated NVMe controller behind the gate.
#[derive(Debug)]
pub struct NvmeDevice {
    identity: Identity,
    device: Mutex<EmulatedNvme>,
}

impl NvmeDevice {
    /// Puts a controller behind the gate.
    #[must_use]
    pub fn new(device: EmulatedNvme) -> Arc<Self> {
        Arc::new(Self {
            identity: Identity {
                name: format!("emu:{}", device.name()),
                protocol: Protocol::NvmeAdmin,
                class: Classes::NVME,
                vendor: VENDOR_ID,
                device: NVME_DEVICE_ID,
                emulated: true,
            },
            device: Mutex::new(device),
        })
    }

    fn lock(&self) -> MutexGuard<'_, EmulatedNvme> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn generation(device: &EmulatedNvme) -> Generation {
        Generation { opened: format!("emulated {}", device.name()), changes: device.changes() }
    }
}

impl Device for NvmeDevice {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn observe(&self) -> Generation {
        Self::generation(&self.lock())
    }

    fn around(&self) -> Around {
        Around::driven_by_nobody()
    }

    fn paths(&self, _: &Caller) -> Vec<Path> {
        vec![PATH]
    }

    fn path(&self, route: Judged<'_>, _: &Message, _: &Caller) -> Result<Path, NoPath> {
        Ok(path(route))
    }

    fn pace(&self) -> Pace {
        Pace::KeepsDeadline
    }

    fn payload_limit(&self) -> usize {
        4096
    }

    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let mut device = self.lock();
        let delivery = recorded.release(&Self::generation(&device))?;
        let Message::NvmeAdmin { opcode, nsid, cdw, data, read_length } = &delivery.message else {
            return Err(not_mine("CXL"));
        };
        let room = usize::try_from(*read_length).unwrap_or(usize::MAX).min(self.payload_limit());
        let command = NvmeCommand { opcode: *opcode, nsid: *nsid, cdw: *cdw, data, room };
        let done = device.execute(&command).map_err(|error| SubmitError::Transport {
            what: error.to_string(),
            // Its state may be what could not be saved.
            may_have_run: true,
        })?;
        Ok(Reply {
            return_code: done.status,
            vendor_status: 0,
            payload: done.data,
            background: false,
            belief: Belief::Told,
        })
    }

    fn background(&self) -> Option<Background> {
        None
    }
}

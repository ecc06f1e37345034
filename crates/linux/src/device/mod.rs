// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices of this machine as the gate sees them: the only way in for a command.
//!
//! What the kernel and the devices answer is hostile; the senders check it.
//!
//! *Invariants*: a command comes out of a [`Recorded`](fwgate_gate::Recorded), released against the
//! device's own marks, and takes the path that was judged or none. Nodes are opened once, when the
//! device is, and are those that sysfs names.
//!
//! *Not here*: the senders (`path`), the kernel's own interfaces ([`crate::interface`]),
//! what there is ([`crate::discover`]).
//!
//! *Spec*: docs/adr/0012-paths.md, docs/adr/0013-discovery.md.

mod access;
mod cxl;
mod family;
mod labels;
mod nvme;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_family;

use std::sync::Arc;

use fwgate_gate::{Caller, Device, Identity, KernelInterface, Whereabouts};
use fwgate_policy::tables::Classes;
use fwgate_policy::{Capabilities, Known, Protocol};
use thiserror::Error;

use crate::caller;
use crate::discover::{Kind, Machine, Marks, NodeError, NodeKind, Roots, Target, Uevents};
use crate::path::rule::Own;

pub use cxl::CxlDevice;
pub use family::FamilyDevice;
pub use nvme::NvmeDevice;

/// A device, and the kernel's own interfaces to it.
#[derive(Clone)]
pub struct Reached {
    /// The device, as the gate sends to it.
    pub device: Arc<dyn Device>,
    /// The kernel's own interfaces that are known for it, there or not.
    pub interfaces: Vec<Arc<dyn KernelInterface>>,
}

impl core::fmt::Debug for Reached {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let keys: Vec<&str> = self.interfaces.iter().map(|interface| interface.key()).collect();
        f.debug_struct("Reached")
            .field("device", &self.device.identity().name)
            .field("interfaces", &keys)
            .finish()
    }
}

/// Why a device could not be opened. Nothing was sent to it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum OpenError {
    /// Its node cannot be used.
    #[error("{0}")]
    Node(#[from] NodeError),
    /// Its node does not answer as such a node does.
    #[error("`{device}` does not answer as its node should: {what}")]
    Answer {
        /// The device's name.
        device: String,
        /// What it answers.
        what: String,
    },
    /// What is behind its name is not what was found there.
    #[error("`{device}` is not the device that was found under this name; look again")]
    Exchanged {
        /// The device's name.
        device: String,
    },
    /// Nothing is known of this family of devices.
    #[error(
        "`{device}` is a fwctl device of a family that this version does not speak (`{family}`)"
    )]
    Family {
        /// The device's name.
        device: String,
        /// The family's name, as far as it is known.
        family: &'static str,
    },
}

/// Opens a device. Asks its nodes what they are; no command reaches the device.
///
/// # Errors
///
/// [`OpenError`].
pub fn open(
    machine: &Machine,
    target: &Target,
    uevents: Option<Arc<Uevents>>,
) -> Result<Reached, OpenError> {
    let roots = &machine.roots;
    let marks = Arc::new(Marks::new(roots, target, uevents));
    let reached = match &target.kind {
        Kind::Cxl { .. } => CxlDevice::open(roots, target, marks),
        Kind::Nvme(_) => NvmeDevice::open(roots, target, marks),
        Kind::Fwctl(_) => FamilyDevice::open(roots, target, marks),
    }?;
    still_there(machine, target)?;
    Ok(reached)
}

/// What is open now leads to one device for good; what is known of the device was found before, and
/// another one may have come under its name and number meanwhile. So it is looked at again.
fn still_there(machine: &Machine, target: &Target) -> Result<(), OpenError> {
    let exchanged = || OpenError::Exchanged { device: target.name.clone() };
    let now = machine.scan().map_err(|_| exchanged())?;
    let mut now = now.targets().into_iter().filter(|now| now.name == target.name);
    let same = now.next().is_some_and(|now| what_it_is(&now) == what_it_is(target));
    if same { Ok(()) } else { Err(exchanged()) }
}

/// What does not change for as long as it is the same device.
fn what_it_is(target: &Target) -> impl PartialEq {
    let function = target.function().map(|it| (it.address, it.vendor, it.device, it.serial));
    let (serial, child) = match &target.kind {
        Kind::Cxl { memdev, fwctl } => {
            (memdev.serial.map(|it| it.to_string()), fwctl.as_ref().map(|it| it.number))
        }
        Kind::Nvme(controller) => (controller.serial.as_ref().map(ToString::to_string), None),
        Kind::Fwctl(_) => (None, None),
    };
    let place = (target.folder().to_owned(), target.number());
    (place, function, serial, child, target.physical.slots.clone())
}

/// Where a device is. The serial number is what sysfs says that the device says.
fn whereabouts(roots: &Roots, target: &Target) -> Whereabouts {
    let of_function = target.function().and_then(|function| function.serial);
    let serial = match &target.kind {
        Kind::Cxl { memdev, .. } => memdev.serial.map(|serial| format!("{serial:#x}")),
        Kind::Nvme(controller) => controller.serial.as_ref().map(ToString::to_string),
        Kind::Fwctl(_) => of_function.map(|serial| format!("{serial:#x}")),
    };
    let nodes = target.nodes();
    Whereabouts {
        serial,
        address: target.function().map(|function| function.address.to_string()),
        nodes: nodes.iter().map(|node| node.whole(roots).display().to_string()).collect(),
    }
}

/// What a device of this machine is, before anything was read of it.
fn identity(target: &Target, protocol: Protocol, class: Classes) -> Identity {
    let function = target.function();
    Identity {
        name: target.name.clone(),
        protocol,
        class,
        vendor: function.map_or(0, |function| function.vendor),
        device: function.map_or(0, |function| function.device),
        emulated: false,
    }
}

/// Whether the kernel would let a caller in at the device's node of this kind.
fn admits(roots: &Roots, target: &Target, kind: NodeKind, caller: &Caller) -> bool {
    let nodes = target.nodes();
    let node = nodes.iter().find(|node| node.kind == kind);
    node.and_then(|node| node.access(roots)).is_some_and(|access| access::admits(&access, caller))
}

/// What this process may do, for the kernel's rules in words.
fn own(roots: &Roots) -> Own {
    let Capabilities { sys_admin, sys_rawio } = caller::this_process(roots).capabilities;
    let known = |held| if held { Known::Yes } else { Known::No };
    Own { sys_rawio: known(sys_rawio), sys_admin: known(sys_admin) }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own interfaces to a CXL memdev, each behind [`fwgate_gate::KernelInterface`].
//!
//! What the files of sysfs, debugfs and tracefs hold is hostile; the commands have been judged.
//!
//! *Invariants*: nothing is written before the record is released against the device's generation.
//! Each interface does its own commands only, and only what it can say whole: what has no attribute
//! is refused, never left out. One value is one write.
//!
//! *Not here*: which ground an interface stands for (`data/ground.toml`), the senders of typed ioctls
//! (`path`), which of them are there ([`crate::discover`]).
//!
//! *Spec*: `docs/kernel-interfaces.md`, with the kernel file for each.

mod acts;
mod attribute;
mod edac;
mod errno;
mod firmware_upload;
mod names;
mod nvdimm;
mod poison;
mod security;
mod trace;
mod trace_events;
mod typed;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use fwgate_gate::{KernelInterface, SubmitError};

pub use acts::{Place, Watch};
pub use names::{Names, file, files};
pub use nvdimm::Keys;
pub(crate) use nvdimm::LabelArea;
pub use security::{SecurityState, security_state};
pub use trace::TraceEvent;
pub use typed::TypedSend;

use edac::{ecs::EdacEcs, repair::EdacMemRepair, scrub::EdacScrub};
use firmware_upload::FirmwareUpload;
use nvdimm::{NvdimmLabels, NvdimmSecurity};
use poison::{PoisonDebugfs, PoisonList};
use security::{Sanitize, SecureErase};
use trace_events::TraceEvents;
use typed::Typed;

/// What some interfaces send through, which is not a file.
#[derive(Clone, Default)]
pub struct Senders {
    /// The memdev's typed ioctl.
    pub typed: Option<TypedSend>,
    /// The label area of its nvdimm child.
    pub(crate) labels: Option<Arc<dyn LabelArea>>,
    /// The keys that a command on the nvdimm's security names.
    pub keys: Keys,
}

impl core::fmt::Debug for Senders {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Senders")
            .field("typed", &self.typed.is_some())
            .field("labels", &self.labels.is_some())
            .field("keys", &self.keys)
            .finish()
    }
}

/// The interfaces to one memdev.
pub struct Interfaces {
    /// Each of them, whether it is there now or not: that is said by [`files`], and by the interface
    /// itself when it is asked.
    pub all: Vec<Arc<dyn KernelInterface>>,
    /// What listens to the device's trace events.
    pub listener: Listener,
    /// What is known of the last firmware update.
    pub update: Update,
}

impl core::fmt::Debug for Interfaces {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let keys: Vec<&str> = self.all.iter().map(|interface| interface.key()).collect();
        f.debug_tuple("Interfaces").field(&keys).finish()
    }
}

/// Listens to the trace events of one memdev. Nothing is sent to the device.
#[derive(Clone, Debug)]
pub struct Listener(Arc<TraceEvents>);

impl Listener {
    /// Listens from now on, so that a later command finds what came in between.
    ///
    /// # Errors
    ///
    /// The kernel gives out no trace.
    pub fn arm(&self) -> Result<(), SubmitError> {
        self.0.arm()
    }

    /// Takes the events that are no record of a log: poison that was put in or taken out, and errors of
    /// the link, of this memdev or of any port.
    ///
    /// # Errors
    ///
    /// The kernel gives out no trace.
    pub fn others(&self) -> Result<Vec<TraceEvent>, SubmitError> {
        self.0.others()
    }

    /// Listens no more: the trace instance is removed. What was heard stays.
    pub fn disarm(&self) {
        self.0.disarm();
    }
}

/// What is known of the last firmware update of this process.
#[derive(Clone, Debug)]
pub struct Update(Arc<FirmwareUpload>);

impl Update {
    /// How it failed, in the kernel's words: the step and the reason, such as
    /// `transferring:read-write-error`. `None` if it did not, or was not seen to end.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.failure()
    }
}

/// The interfaces to a memdev, and what two of them know beside.
#[must_use]
pub fn every_interface(place: &Place, senders: &Senders) -> Interfaces {
    let at = || place.clone();
    let listener = Arc::new(TraceEvents::at(at()));
    let update = Arc::new(FirmwareUpload::at(at()));
    let mut all: Vec<Arc<dyn KernelInterface>> = vec![
        Arc::new(PoisonDebugfs::at(at())),
        Arc::new(PoisonList::at(at())),
        Arc::new(Sanitize::at(at())),
        Arc::new(SecureErase::at(at())),
        listener.clone(),
        Arc::new(EdacEcs::at(at())),
        Arc::new(EdacMemRepair::at(at())),
        Arc::new(EdacScrub::at(at())),
        update.clone(),
    ];
    if let Some(typed) = &senders.typed {
        all.push(Arc::new(Typed::scan_media_caps(at(), Arc::clone(typed))));
        all.push(Arc::new(Typed::set_partition(at(), Arc::clone(typed))));
    }
    if place.names().nmem().is_some() {
        if let Some(labels) = &senders.labels {
            all.push(Arc::new(NvdimmLabels::at(at(), Arc::clone(labels))));
        }
        all.push(Arc::new(NvdimmSecurity::at(at(), senders.keys)));
    }
    Interfaces { all, listener: Listener(listener), update: Update(update) }
}

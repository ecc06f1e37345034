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
//! ([`crate::path`]), which of them are there ([`crate::discover`]).
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

use fwgate_gate::KernelInterface;

pub use acts::{Interface, Place, Watch};
pub use edac::{ecs::EdacEcs, repair::EdacMemRepair, scrub::EdacScrub};
pub use firmware_upload::FirmwareUpload;
pub use names::{Names, file, files};
pub(crate) use nvdimm::LabelArea;
pub use nvdimm::{Keys, NvdimmLabels, NvdimmSecurity};
pub use poison::{PoisonDebugfs, PoisonList};
pub use security::{Sanitize, SecureErase, SecurityState, security_state};
pub use trace::TraceEvent;
pub use trace_events::TraceEvents;
pub use typed::{Typed, TypedSend};

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

/// All interfaces to a memdev that this crate knows, whether they are there now or not: which are is
/// said by [`files`], and by each of them when it is asked.
#[must_use]
pub fn all(place: &Place, senders: &Senders) -> Vec<Arc<dyn KernelInterface>> {
    let at = || place.clone();
    let mut all: Vec<Arc<dyn KernelInterface>> = vec![
        Arc::new(PoisonDebugfs::at(at())),
        Arc::new(PoisonList::at(at())),
        Arc::new(Sanitize::at(at())),
        Arc::new(SecureErase::at(at())),
        Arc::new(TraceEvents::at(at())),
        Arc::new(EdacEcs::at(at())),
        Arc::new(EdacMemRepair::at(at())),
        Arc::new(EdacScrub::at(at())),
        Arc::new(FirmwareUpload::at(at())),
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
    all
}

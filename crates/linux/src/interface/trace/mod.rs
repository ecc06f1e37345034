// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's `cxl` trace events: an instance of our own, its lines, and what they say.
//!
//! Lines are hostile: a device chooses most of their bytes.
//!
//! *Not here*: which command they answer ([`super::poison`], [`super::trace_events`]).

mod format;
mod instance;
mod record;
mod words;

pub use format::TraceEvent;
pub(super) use instance::{Instance, Read};
pub(super) use record::{LOGS, decimal, encode, poison};

/// The events of the kernel's `cxl` trace system that are listened to.
pub(super) const EVENTS: [&str; 11] = [
    "cxl_aer_correctable_error",
    "cxl_aer_uncorrectable_error",
    "cxl_dram",
    "cxl_general_media",
    "cxl_generic_event",
    "cxl_memory_module",
    "cxl_memory_sparing",
    "cxl_overflow",
    "cxl_poison",
    "cxl_port_aer_correctable_error",
    "cxl_port_aer_uncorrectable_error",
];

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine under the devices: lockdown, taint, how the kernel was built, and what is missing.
//!
//! Not trusted: procfs and sysfs as everywhere; the kernel's command line is whoever boots it.
//!
//! *Not here*: devices ([`discover`](crate::discover)), layout of what doctor found (the command
//! line's).

mod cmdline;
mod doctor;
mod finding;
mod lockdown;
pub(crate) mod options;
mod paths;
mod taint;

pub use cmdline::PanicOnTaint;
pub use doctor::{Report, doctor, doctor_of};
pub use finding::{Code, Finding, Severity, Who};
pub use lockdown::{LockdownState, lockdown};
pub use options::{KernelConfig, ModuleState, Setting, module};
pub use taint::{TAINT_FWCTL, TAINT_USER, TAINT_WARN, Taint, TaintError};

// SPDX-License-Identifier: MIT OR Apache-2.0
//! NVMe: the Commands Supported and Effects log.
//!
//! Input is not trusted.
//!
//! *Not here*: effects judged and commands allowed (`fwgate-policy`).
//!
//! *Spec*: `include/linux/nvme.h` @ v7.3, as each module says.

pub mod effects_log;
pub mod table;

pub use effects_log::{EffectsDword, EffectsLog};

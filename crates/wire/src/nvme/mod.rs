// SPDX-License-Identifier: MIT OR Apache-2.0
//! NVMe: the Commands Supported and Effects log, the pass-through ioctls.
//!
//! Input is not trusted.
//!
//! *Not here*: effects judged and commands allowed (`fwgate-policy`).
//!
//! *Spec*: `include/linux/nvme.h`, `include/uapi/linux/nvme_ioctl.h` @ v7.3, as each module says.

pub mod effects_log;
pub mod ioctl;
pub mod table;

pub use effects_log::{EffectsDword, EffectsLog};

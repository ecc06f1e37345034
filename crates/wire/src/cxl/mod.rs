// SPDX-License-Identifier: MIT OR Apache-2.0
//! CXL: the command mailbox, the CCI message form, and the payloads of the commands.
//!
//! Input is not trusted.
//!
//! *Not here*: effects judged and commands allowed (`fwgate-policy`).
//!
//! *Spec*: CXL r3.1 and r3.2 by way of computexpresslink/libcxlmi `src/cxlmi/api-types.h` and
//! `drivers/cxl/` @ v7.3, as each module says.

pub mod alerts;
pub mod background;
pub mod cci;
pub mod cel;
pub mod discover;
pub mod events;
pub mod features;
pub mod firmware;
pub mod health;
pub mod identify;
pub mod logs;
pub mod lsa;
pub mod mailbox;
pub mod opcode;
pub mod partition;
pub mod registers;
pub mod return_code;
pub mod table;
pub mod timestamp;
pub mod tunnel;

pub use discover::{DeviceBlocks, DiscoverError};
pub use mailbox::{Mailbox, MailboxError, Reply};
pub use opcode::Opcode;
pub use registers::{Clock, Registers};
pub use return_code::ReturnCode;

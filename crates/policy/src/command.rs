// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command that is judged: opcode, selectors and the very bytes that would be sent.
//!
//! The bytes come from a client and are not trusted; nothing here says that they are well formed.
//!
//! *Not here*: sizes and names (`fwgate_wire`), what the command does (`class`).

use crate::tables::{Protocol, Selector, SelectorField};

/// One command, borrowed from whoever owns its bytes.
///
/// A logical request in many parts (firmware image, large feature) is one command: `payload` is
/// then the whole of it, header first, and its parts are made when it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// A CXL mailbox or CCI command.
    Cxl {
        /// Opcode.
        opcode: u16,
        /// Request payload, without the CCI header.
        payload: &'a [u8],
    },
    /// An NVMe admin command.
    NvmeAdmin {
        /// Opcode.
        opcode: u8,
        /// Namespace id.
        nsid: u32,
        /// Command dwords 10 to 15.
        cdw: [u32; 6],
        /// Data to the controller; empty when there is none.
        data: &'a [u8],
    },
}

impl<'a> Command<'a> {
    /// The language the command is in.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Cxl { .. } => Protocol::Cxl,
            Self::NvmeAdmin { .. } => Protocol::NvmeAdmin,
        }
    }

    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> u16 {
        match *self {
            Self::Cxl { opcode, .. } => opcode,
            Self::NvmeAdmin { opcode, .. } => opcode as u16,
        }
    }

    /// The bytes that go to the device.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        match *self {
            Self::Cxl { payload, .. } => payload,
            Self::NvmeAdmin { data, .. } => data,
        }
    }

    /// The selector at that place, or `None` where the payload is too short to have one.
    ///
    /// NVMe selectors sit in command dword 10: `offset` counts from its least significant byte.
    #[must_use]
    pub fn selector(&self, field: SelectorField) -> Option<Selector> {
        let start = usize::from(field.offset);
        let end = start.checked_add(usize::from(field.len))?;
        match *self {
            Self::Cxl { payload, .. } => Selector::new(payload.get(start..end)?),
            Self::NvmeAdmin { cdw: [cdw10, ..], .. } => {
                Selector::new(cdw10.to_le_bytes().get(start..end)?)
            }
        }
    }
}

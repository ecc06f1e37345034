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
    /// An mlx5 mailbox command.
    Mlx5 {
        /// Opcode.
        opcode: u16,
        /// Its modifier.
        op_mod: u16,
        /// The mailbox from its ninth byte on.
        payload: &'a [u8],
    },
    /// A bnxt HWRM request.
    Bnxt {
        /// Request type.
        req_type: u16,
        /// Whom it is for; FFFFh is the function that sends.
        target_id: u16,
        /// The request from its seventeenth byte on, then the bytes that the device is to read by
        /// DMA, buffer after buffer: `fwgate_wire::fwctl::bnxt::Payload`.
        payload: &'a [u8],
    },
    /// An operation of a pds firmware endpoint.
    Pds {
        /// Endpoint.
        endpoint: u32,
        /// Operation: command, version.
        operation: u32,
        /// Request payload.
        payload: &'a [u8],
    },
}

/// The opcode of a pds operation: its command, without its version.
const fn pds_opcode(operation: u32) -> u16 {
    fwgate_wire::fwctl::pds::Operation(operation).command()
}

impl<'a> Command<'a> {
    /// The language the command is in.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Cxl { .. } => Protocol::Cxl,
            Self::NvmeAdmin { .. } => Protocol::NvmeAdmin,
            Self::Mlx5 { .. } => Protocol::Mlx5,
            Self::Bnxt { .. } => Protocol::Bnxt,
            Self::Pds { .. } => Protocol::Pds,
        }
    }

    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> u16 {
        match *self {
            Self::Cxl { opcode, .. } | Self::Mlx5 { opcode, .. } => opcode,
            Self::Bnxt { req_type, .. } => req_type,
            Self::Pds { operation, .. } => pds_opcode(operation),
            Self::NvmeAdmin { opcode, .. } => opcode as u16,
        }
    }

    /// The bytes that go to the device.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        match *self {
            Self::Cxl { payload, .. }
            | Self::Mlx5 { payload, .. }
            | Self::Bnxt { payload, .. }
            | Self::Pds { payload, .. } => payload,
            Self::NvmeAdmin { data, .. } => data,
        }
    }

    /// The selector at that place, or `None` where the payload is too short to have one.
    ///
    /// NVMe selectors sit in command dword 10: `offset` counts from its least significant byte. For
    /// mlx5 and bnxt it counts from the first byte of the mailbox or request, header and all; of the
    /// header only mlx5's `op_mod` can be one. A pds operation has none: see [`Command::operation`].
    #[must_use]
    pub fn selector(&self, field: SelectorField) -> Option<Selector> {
        let start = usize::from(field.offset);
        let end = start.checked_add(usize::from(field.len))?;
        match *self {
            Self::Cxl { payload, .. } => Selector::new(payload.get(start..end)?),
            Self::NvmeAdmin { cdw: [cdw10, ..], .. } => {
                Selector::new(cdw10.to_le_bytes().get(start..end)?)
            }
            Self::Mlx5 { op_mod, .. } if (start, end) == (6, 8) => {
                Selector::new(&op_mod.to_be_bytes())
            }
            Self::Mlx5 { payload, .. } => {
                Selector::new(payload.get(start.checked_sub(8)?..end.checked_sub(8)?)?)
            }
            Self::Bnxt { payload, .. } => {
                Selector::new(payload.get(start.checked_sub(16)?..end.checked_sub(16)?)?)
            }
            Self::Pds { .. } => None,
        }
    }

    /// What picks a pds operation: endpoint and operation, four bytes each, least significant first.
    #[must_use]
    pub fn operation(&self) -> Option<Selector> {
        let Self::Pds { endpoint, operation, .. } = *self else { return None };
        let [e0, e1, e2, e3] = endpoint.to_le_bytes();
        let [o0, o1, o2, o3] = operation.to_le_bytes();
        Selector::new(&[e0, e1, e2, e3, o0, o1, o2, o3])
    }
}

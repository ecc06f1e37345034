// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a caller asks for: the bytes, copied once, and the route they are to take.
//!
//! Input is hostile; a request says nothing about whether it may be sent. The bytes it owns are the
//! bytes that are judged, recorded and sent: nothing is fetched twice.
//!
//! *Invariants*: a message's bytes are wiped when it is dropped, each copy of them for itself, and
//! `Debug` shows their length only.
//!
//! *Not here*: judging (`gate`), making parts of a long request (`transfer`).

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use fwgate_policy::{Command, Scope};
use zeroize::Zeroize as _;

use crate::caller::Caller;

/// A command with its own copy of every byte.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// A CXL mailbox command.
    Cxl {
        /// Opcode.
        opcode: u16,
        /// Request payload; the whole of it where it has to be sent in parts.
        payload: Vec<u8>,
    },
    /// An NVMe admin command.
    NvmeAdmin {
        /// Opcode.
        opcode: u8,
        /// Namespace id.
        nsid: u32,
        /// Command dwords 10 to 15.
        cdw: [u32; 6],
        /// Data to the controller.
        data: Vec<u8>,
        /// Bytes wanted from the controller.
        read_length: u32,
    },
    /// An mlx5 mailbox command.
    Mlx5 {
        /// Opcode.
        opcode: u16,
        /// Its modifier.
        op_mod: u16,
        /// The mailbox from its ninth byte on.
        payload: Vec<u8>,
        /// Bytes of reply mailbox that are wanted, its first 16 counted.
        reply_length: u32,
    },
    /// A bnxt HWRM request. The gate and the driver own its header, its addresses and its buffers.
    Bnxt {
        /// Request type.
        req_type: u16,
        /// Whom it is for.
        target_id: u16,
        /// The request from its seventeenth byte on, then what the device is to read by DMA.
        payload: Vec<u8>,
    },
    /// An operation of a pds firmware endpoint.
    Pds {
        /// Endpoint.
        endpoint: u32,
        /// Operation.
        operation: u32,
        /// Request payload.
        payload: Vec<u8>,
        /// Bytes of reply that are wanted.
        reply_length: u32,
    },
}

impl Drop for Message {
    fn drop(&mut self) {
        match self {
            Self::Cxl { payload, .. }
            | Self::Mlx5 { payload, .. }
            | Self::Bnxt { payload, .. }
            | Self::Pds { payload, .. } => payload.zeroize(),
            Self::NvmeAdmin { cdw, data, .. } => {
                cdw.zeroize();
                data.zeroize();
            }
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.command().payload().len();
        match self {
            Self::Cxl { opcode, .. } => f
                .debug_struct("Cxl")
                .field("opcode", &format_args!("{opcode:#06x}"))
                .field("payload", &format_args!("{bytes} bytes"))
                .finish(),
            Self::NvmeAdmin { opcode, nsid, read_length, .. } => f
                .debug_struct("NvmeAdmin")
                .field("opcode", &format_args!("{opcode:#04x}"))
                .field("nsid", nsid)
                .field("data", &format_args!("{bytes} bytes"))
                .field("read_length", read_length)
                .finish_non_exhaustive(),
            Self::Mlx5 { opcode, op_mod, reply_length, .. } => f
                .debug_struct("Mlx5")
                .field("opcode", &format_args!("{opcode:#06x}"))
                .field("op_mod", op_mod)
                .field("payload", &format_args!("{bytes} bytes"))
                .field("reply_length", reply_length)
                .finish(),
            Self::Bnxt { req_type, target_id, .. } => f
                .debug_struct("Bnxt")
                .field("req_type", &format_args!("{req_type:#06x}"))
                .field("target_id", &format_args!("{target_id:#06x}"))
                .field("payload", &format_args!("{bytes} bytes"))
                .finish(),
            Self::Pds { endpoint, operation, reply_length, .. } => f
                .debug_struct("Pds")
                .field("endpoint", endpoint)
                .field("operation", &format_args!("{operation:#010x}"))
                .field("payload", &format_args!("{bytes} bytes"))
                .field("reply_length", reply_length)
                .finish(),
        }
    }
}

impl Message {
    /// Whether every byte is the same. For the short messages of a poller this is quicker than a
    /// call into the C library for each slice.
    #[must_use]
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let same = |a: &[u8], b: &[u8]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b);
        match (self, other) {
            (Self::Cxl { opcode, payload }, Self::Cxl { opcode: o, payload: p }) => {
                opcode == o && same(payload, p)
            }
            (
                Self::NvmeAdmin { opcode, nsid, cdw, data, read_length },
                Self::NvmeAdmin { opcode: o, nsid: n, cdw: c, data: d, read_length: r },
            ) => opcode == o && nsid == n && read_length == r && cdw == c && same(data, d),
            (
                Self::Mlx5 { opcode, op_mod, payload, reply_length },
                Self::Mlx5 { opcode: o, op_mod: m, payload: p, reply_length: r },
            ) => opcode == o && op_mod == m && reply_length == r && same(payload, p),
            (
                Self::Bnxt { req_type, target_id, payload },
                Self::Bnxt { req_type: t, target_id: i, payload: p },
            ) => req_type == t && target_id == i && same(payload, p),
            (
                Self::Pds { endpoint, operation, payload, reply_length },
                Self::Pds { endpoint: e, operation: o, payload: p, reply_length: r },
            ) => endpoint == e && operation == o && reply_length == r && same(payload, p),
            _ => false,
        }
    }

    /// The command as the judge sees it.
    #[must_use]
    pub fn command(&self) -> Command<'_> {
        match self {
            Self::Cxl { opcode, payload } => Command::Cxl { opcode: *opcode, payload },
            Self::NvmeAdmin { opcode, nsid, cdw, data, .. } => {
                Command::NvmeAdmin { opcode: *opcode, nsid: *nsid, cdw: *cdw, data }
            }
            Self::Mlx5 { opcode, op_mod, payload, .. } => {
                Command::Mlx5 { opcode: *opcode, op_mod: *op_mod, payload }
            }
            Self::Bnxt { req_type, target_id, payload } => {
                Command::Bnxt { req_type: *req_type, target_id: *target_id, payload }
            }
            Self::Pds { endpoint, operation, payload, .. } => {
                Command::Pds { endpoint: *endpoint, operation: *operation, payload }
            }
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Firmware {}
    impl Sealed for super::Kernel {}
}

/// How a command reaches the device: [`Firmware`] or [`Kernel`].
pub trait Route: sealed::Sealed {
    /// The route as the judge sees it.
    fn as_judged(&self) -> fwgate_policy::Route<'_>;

    /// The key of the kernel's interface, if that is the route.
    fn interface(&self) -> Option<&'static str>;
}

/// To the firmware, by one of the device's paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Firmware;

/// By the kernel's own interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kernel {
    /// The interface's key, such as `edac-scrub`.
    pub interface: &'static str,
}

impl Route for Firmware {
    fn as_judged(&self) -> fwgate_policy::Route<'_> {
        fwgate_policy::Route::Firmware
    }

    fn interface(&self) -> Option<&'static str> {
        None
    }
}

impl Route for Kernel {
    fn as_judged(&self) -> fwgate_policy::Route<'_> {
        fwgate_policy::Route::Kernel(self.interface)
    }

    fn interface(&self) -> Option<&'static str> {
        Some(self.interface)
    }
}

/// One request, as it came from a front end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request<R: Route> {
    /// How it is to reach the device.
    pub route: R,
    /// The command.
    pub message: Message,
    /// The scope asked for; `None` asks for the lowest that suffices.
    pub scope: Option<Scope>,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// The gate's total deadline, from the moment that the request is given to it: the record, the
    /// wait for the slot, the send and the background operation count. Judging alone has none.
    pub deadline: Duration,
}

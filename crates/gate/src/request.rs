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
}

impl Drop for Message {
    fn drop(&mut self) {
        match self {
            Self::Cxl { payload, .. } => payload.zeroize(),
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

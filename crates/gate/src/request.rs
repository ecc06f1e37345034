// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a caller asks for: the bytes, copied once, and the route they are to take.
//!
//! Input is hostile; a request says nothing about whether it may be sent. The bytes it owns are the
//! bytes that are judged, recorded and sent: nothing is fetched twice.
//!
//! *Not here*: judging (`gate`), making parts of a long request (`transfer`).

use core::time::Duration;

use fwgate_policy::{Command, Scope};

use crate::caller::Caller;

/// A command with its own copy of every byte.
#[derive(Clone, PartialEq, Eq, Debug)]
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

impl Message {
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
}

impl Route for Kernel {
    fn as_judged(&self) -> fwgate_policy::Route<'_> {
        fwgate_policy::Route::Kernel(self.interface)
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
    pub caller: Caller,
    /// The gate's total deadline, from the moment of sending.
    pub deadline: Duration,
}

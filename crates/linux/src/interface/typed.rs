// SPDX-License-Identifier: MIT OR Apache-2.0
//! `memdev-set-partition`, `memdev-scan-media-caps`: commands that the memdev's typed ioctl carries.
//!
//! *Invariants*: the sender gets a released command, and only one that the interface stands for and
//! that the kernel's own table takes.
//!
//! *Not here*: the ioctl ([`crate::path`]).
//!
//! *Spec*: `cxl_mem_commands`, `cxl_payload_from_user_allowed` in `drivers/cxl/core/mbox.c @ v7.3`.

use core::fmt;
use std::sync::Arc;

use fwgate_gate::{
    Delivery, Generation, Kernel, KernelInterface, Pace, Recorded, Reply, SubmitError,
};
use rustix::io::Errno;

use super::acts::{Asked, Place, not_mine, nothing};
use super::errno::refused;

/// Sends one released command by its typed id: takes what only a record gives out.
pub type TypedSend = Arc<dyn Fn(&Delivery<Kernel>) -> Result<Reply, SubmitError> + Send + Sync>;

const SET_PARTITION: u16 = 0x4101;
const SCAN_MEDIA_CAPS: u16 = 0x4303;

/// One typed id as an interface.
pub(crate) struct Typed {
    key: &'static str,
    carries: u16,
    length: usize,
    place: Place,
    send: TypedSend,
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Typed {
    /// `memdev-set-partition`: Set Partition Info (4101h), id 9, for the next reset only.
    #[must_use]
    pub(crate) fn set_partition(place: Place, send: TypedSend) -> Self {
        Self { key: "memdev-set-partition", carries: SET_PARTITION, length: 10, place, send }
    }

    /// `memdev-scan-media-caps`: Get Scan Media Capabilities (4303h), id 18.
    #[must_use]
    pub(crate) fn scan_media_caps(place: Place, send: TypedSend) -> Self {
        Self { key: "memdev-scan-media-caps", carries: SCAN_MEDIA_CAPS, length: 16, place, send }
    }

    /// The kernel's own checks, so that a refusal has its words.
    fn check(&self, asked: Asked<'_>) -> Result<(), SubmitError> {
        if asked.opcode != self.carries {
            return Err(not_mine(self.key, asked.opcode));
        }
        if asked.payload.len() != self.length {
            let rule = format!(
                "the input has {} bytes, and the kernel's table says {}",
                asked.payload.len(),
                self.length
            );
            return Err(refused(Errno::NOMEM, rule));
        }
        if self.carries == SET_PARTITION && asked.payload.get(8).is_none_or(|flags| flags & 1 != 0)
        {
            let rule = "the partition is changed at the next reset only: the immediate flag is set";
            return Err(refused(Errno::BUSY, rule.to_owned()));
        }
        Ok(())
    }
}

impl KernelInterface for Typed {
    fn key(&self) -> &'static str {
        self.key
    }

    fn observe(&self) -> Generation {
        self.place.watch().generation()
    }

    fn pace(&self) -> Pace {
        Pace::MayOutlast
    }

    fn run(&self, recorded: Recorded<Kernel>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        if delivery.route.interface != self.key {
            return Err(nothing(format!("the command is not made out for `{}`", self.key)));
        }
        let asked = Asked::of(&delivery.message, delivery.until)?;
        self.check(asked)?;
        asked.in_time()?;
        (self.send)(&delivery)
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Admin commands to an NVMe controller.
//!
//! Input is a judged command; data and status are the controller's claims.
//!
//! *Invariants*
//! - The driver is never told to wait less than it would by itself: when its wait ends, it resets the controller.
//! - Data goes one way, the way that the kernel goes by; a command that has it otherwise is refused here.
//! - There is no metadata. The kernel does not say how many bytes a controller moved.
//!
//! *Not here*: the gate's deadline; whether the length fits the command (`fwgate-policy`, step 1).
//!
//! *Spec*: `drivers/nvme/host/ioctl.c`, `drivers/nvme/host/core.c` @ v7.3. A timeout of 0 is the queue's own: 60 seconds
//! (`nvme_core.admin_timeout`), or what sysfs shows as the controller's `admin_timeout`.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use fwgate_policy::Known;
use fwgate_wire::nvme::ioctl::{PassthruCommon, Status};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::rule::Own;
use super::rule::nvme::{self as rule, Asked};
use super::{Answer, MAX_PAYLOAD, Refusal, Sent};
use crate::sys::Ioctls;
use crate::sys::nvme::{Admin, Pages, Width};

/// An admin command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdminCommand<'a> {
    /// Opcode.
    pub(crate) opcode: u8,
    /// Namespace.
    pub(crate) nsid: u32,
    /// Dwords 10 to 15.
    pub(crate) cdw10: [u32; 6],
    /// Data to the controller.
    pub(crate) data: &'a [u8],
    /// Bytes of data from the controller.
    pub(crate) read_length: usize,
    /// How long the driver should wait at least; counts only where it is longer than the driver's own time.
    pub(crate) wait: Option<Duration>,
}

/// What is known of the controller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NvmeKnown {
    /// The driver's own time for admin commands; `None` if it could not be read.
    pub(crate) driver_timeout: Option<Duration>,
    /// Whether it is reached over a fabric.
    pub(crate) fabrics: Known,
}

/// Raw sender: one admin command, by ADMIN64_CMD, or by ADMIN_CMD where the kernel does not know that.
///
/// # Errors
///
/// A refusal. A status of the controller is an answer, but those that the host makes up (370h to 37Fh) are transport failures.
pub(crate) fn send_admin(
    io: &dyn Ioctls,
    fd: BorrowedFd<'_>,
    command: &AdminCommand<'_>,
    known: &NvmeKnown,
    own: Own,
) -> Result<Answer, Refusal> {
    let AdminCommand { opcode, nsid, cdw10, data, read_length, wait } = *command;
    let out = PassthruCommon::new(opcode, nsid, cdw10).host_to_controller();
    let (wrong, length) = if out { (read_length, data.len()) } else { (data.len(), read_length) };
    if wrong != 0 {
        let way = if out { "to" } else { "from" };
        return Err(Refusal::here(format_args!(
            "opcode {opcode:#04x} moves data {way} the controller, and {wrong} bytes are given the other way"
        )));
    }
    if length > MAX_PAYLOAD {
        return Err(Refusal::here(format_args!(
            "{length} bytes of data, where at most {MAX_PAYLOAD} are carried"
        )));
    }
    let pages = if out { Pages::of(data) } else { Pages::zeroed(length) };
    let mut pages = pages.ok_or_else(|| Refusal::here("the data does not fit in memory"))?;
    let admin = Admin { opcode, nsid, cdw10, timeout_ms: timeout_ms(wait, known.driver_timeout) };
    let done = match io.nvme_admin(fd, Width::Wide, &admin, &mut pages) {
        // Not known is not done: the kernel looks at the number before anything else.
        Err(Errno::NOTTY) => io.nvme_admin(fd, Width::Narrow, &admin, &mut pages),
        done => done,
    };
    let done = done.map_err(|errno| {
        let [first, ..] = cdw10;
        let asked = Asked { opcode, cdw10: first, data: length, fabrics: known.fabrics };
        rule::admin(errno, &asked, own)
    })?;
    let Some(status) = Status::from_return(done.returned) else {
        return Err(Refusal::answer(format_args!("status {:#x}", done.returned), Sent::MayHave));
    };
    if status.is_made_by_host() {
        return Err(Refusal::transport(format_args!(
            "status {:#05x}, which the host makes up: the path to the controller failed",
            status.code()
        )));
    }
    let read = if out || status.0 != 0 { Vec::new() } else { pages.bytes().to_vec() };
    Ok(Answer {
        return_code: status.0,
        payload: Zeroizing::new(read),
        background: false,
        unverified: false,
        result: done.result,
    })
}

/// What to tell the driver: 0, its own time, unless a longer one is wanted and its own is known.
pub(crate) fn timeout_ms(wanted: Option<Duration>, driver: Option<Duration>) -> u32 {
    match (wanted, driver) {
        (Some(wanted), Some(driver)) if wanted > driver => {
            let whole = wanted.as_nanos().div_ceil(1_000_000);
            u32::try_from(whole).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs())
        }
        _ => 0,
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls: one typed layer over `ioctl(2)`, and all `unsafe` of the project.
//!
//! Callers are this crate's senders; what comes back from the kernel is a claim.
//!
//! *Invariants*
//! - Each ioctl is a type for which the promise of soundness is made once ([`call`]). No function outside this folder
//!   names a number or an address.
//! - One call, one system call. Nothing is repeated, EINTR included: on these paths it does not mean that nothing was sent.
//!
//! *Not here*: limits, choice of command, meaning of errnos ([`crate::path`]).
//!
//! *Spec*: each module names its own sources.

mod bnxt;
mod call;
pub(crate) mod fwctl;
pub(crate) mod memdev;
pub(crate) mod nvdimm;
pub(crate) mod nvme;

use std::fmt;
use std::os::fd::BorrowedFd;

use fwgate_wire::memdev::CommandInfo;
use rustix::io::Errno;

/// The ioctls, as safe functions: [`Linux`], or a kernel that is played in tests.
///
/// None repeats a call, and none waits for anything but the kernel.
pub(crate) trait Ioctls: Send + Sync + fmt::Debug {
    /// FWCTL_INFO: fills `data` with the driver's information and zeros.
    fn fwctl_info(&self, fd: BorrowedFd<'_>, data: &mut [u8]) -> Result<fwctl::Info, Errno>;

    /// FWCTL_RPC; answers the driver's length.
    fn fwctl_rpc(
        &self,
        addressed: fwctl::Addressed<'_>,
        scope: u32,
        response: &mut [u8],
    ) -> Result<u32, Errno>;

    /// CXL_MEM_QUERY_COMMANDS for at most `wanted` rows.
    fn mem_query(
        &self,
        fd: BorrowedFd<'_>,
        wanted: usize,
    ) -> Result<(u32, [CommandInfo; memdev::MAX_ROWS]), Errno>;

    /// CXL_MEM_SEND_COMMAND.
    fn mem_send(
        &self,
        fd: BorrowedFd<'_>,
        which: memdev::Which,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<memdev::Sent, Errno>;

    /// NVME_IOCTL_ADMIN64_CMD or NVME_IOCTL_ADMIN_CMD.
    fn nvme_admin(
        &self,
        fd: BorrowedFd<'_>,
        width: nvme::Width,
        admin: &nvme::Admin,
        data: &mut nvme::Pages,
    ) -> Result<nvme::AdminDone, Errno>;
}

/// The kernel that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linux;

impl Ioctls for Linux {
    fn fwctl_info(&self, fd: BorrowedFd<'_>, data: &mut [u8]) -> Result<fwctl::Info, Errno> {
        fwctl::info(fd, data)
    }

    fn fwctl_rpc(
        &self,
        addressed: fwctl::Addressed<'_>,
        scope: u32,
        response: &mut [u8],
    ) -> Result<u32, Errno> {
        fwctl::rpc(addressed, scope, response)
    }

    fn mem_query(
        &self,
        fd: BorrowedFd<'_>,
        wanted: usize,
    ) -> Result<(u32, [CommandInfo; memdev::MAX_ROWS]), Errno> {
        memdev::query(fd, wanted)
    }

    fn mem_send(
        &self,
        fd: BorrowedFd<'_>,
        which: memdev::Which,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<memdev::Sent, Errno> {
        memdev::send_command(fd, which, input, output)
    }

    fn nvme_admin(
        &self,
        fd: BorrowedFd<'_>,
        width: nvme::Width,
        admin: &nvme::Admin,
        data: &mut nvme::Pages,
    ) -> Result<nvme::AdminDone, Errno> {
        nvme::send_admin(fd, width, admin, data.bytes_mut())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};

    use fwgate_wire::memdev::CommandId;

    use super::*;

    #[test]
    fn the_kernel_that_runs_knows_none_of_these_for_a_file_that_is_no_device_of_theirs() {
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let file = null();
        let fd = file.as_fd();
        let io: &dyn Ioctls = &Linux;
        assert_eq!(fwctl::Node::identify(io, null()).err(), Some(Errno::NOTTY));
        assert_eq!(io.mem_query(fd, 0).err(), Some(Errno::NOTTY));
        let which = memdev::Which::Id(CommandId(1));
        assert_eq!(io.mem_send(fd, which, &[], &mut [0; 67]), Err(Errno::NOTTY));
        let admin = nvme::Admin { opcode: 6, nsid: 0, cdw10: [1, 0, 0, 0, 0, 0], timeout_ms: 0 };
        let mut pages = nvme::Pages::zeroed(4096).unwrap();
        for width in [nvme::Width::Wide, nvme::Width::Narrow] {
            assert_eq!(io.nvme_admin(fd, width, &admin, &mut pages), Err(Errno::NOTTY));
        }
    }
}

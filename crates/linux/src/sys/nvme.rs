// SPDX-License-Identifier: MIT OR Apache-2.0
//! NVME_IOCTL_ADMIN_CMD, NVME_IOCTL_ADMIN64_CMD.
//!
//! What comes back is the controller's word, passed on by the kernel.
//!
//! *Invariants*: data lies in whole pages of its own ([`Pages`]). There is no metadata.
//!
//! *Not here*: the deadline rule, statuses, which way data goes ([`crate::path::nvme`]).
//!
//! *Spec*: `drivers/nvme/host/ioctl.c @ v7.3`, `nvme_user_cmd`, `nvme_user_cmd64`.

#![expect(unsafe_code, reason = "states which memory the kernel may touch")]

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;

use fwgate_wire::nvme::ioctl::{
    IOCTL_ADMIN_CMD, IOCTL_ADMIN64_CMD, PassthruCmd, PassthruCmd64, PassthruCommon,
};
use rustix::io::Errno;
use zerocopy::native_endian::{U32, U64};
use zeroize::Zeroizing;

use super::call::{Aligned, Command, issue, writable};

/// What data buffers are rounded up to, both ends.
const PAGE: usize = 4096;

/// Memory for a command's data: whole pages, wiped when dropped.
///
/// A controller is told in pages where data goes. One that moves more than `data_len` says, because the
/// command's own length field asked for more or because it lies, writes on to the end of the last page: here that
/// is nobody's memory.
pub(crate) struct Pages {
    memory: Zeroizing<Vec<u8>>,
    start: usize,
    length: usize,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({} bytes)", self.length)
    }
}

impl Pages {
    /// `length` bytes of zeros; at most `u32::MAX`, else `None`.
    pub(crate) fn zeroed(length: usize) -> Option<Self> {
        u32::try_from(length).ok()?;
        let whole = length.checked_next_multiple_of(PAGE)?.checked_add(PAGE)?;
        let memory = Zeroizing::new(vec![0; whole]);
        let start = memory.as_ptr().align_offset(PAGE);
        (start < PAGE).then_some(Self { memory, start, length })
    }

    /// A copy of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let mut pages = Self::zeroed(bytes.len())?;
        pages.bytes_mut().copy_from_slice(bytes);
        Some(pages)
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        let end = self.start.saturating_add(self.length);
        self.memory.get(self.start..end).unwrap_or_default()
    }

    /// The bytes.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let end = self.start.saturating_add(self.length);
        self.memory.get_mut(self.start..end).unwrap_or_default()
    }
}

/// How wide the result is: which of the two ioctls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// ADMIN64_CMD.
    Wide,
    /// ADMIN_CMD, which older kernels have alone.
    Narrow,
}

/// An admin command without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admin {
    /// Opcode.
    pub(crate) opcode: u8,
    /// Namespace.
    pub(crate) nsid: u32,
    /// Dwords 10 to 15.
    pub(crate) cdw10: [u32; 6],
    /// How long the driver waits before it resets the controller; 0 for its own time.
    pub(crate) timeout_ms: u32,
}

/// What the ioctl brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AdminDone {
    /// What the ioctl returned: 0 or a status.
    pub(crate) returned: i32,
    /// The result.
    pub(crate) result: u64,
}

struct AdminCall<'m, A> {
    argument: Aligned<A>,
    /// The memory that the address is of.
    memory: PhantomData<&'m mut [u8]>,
}

// SAFETY: 1. `nvme_user_cmd` copies the 72 bytes in and writes `result`, at offset 68, back. 2. It follows `addr`, of
// `data_len` bytes; which way the data goes is its own decision, so the memory is borrowed exclusively (`common`, the
// only maker) while the command lives. Pages are pinned until the request has ended, and the call returns only then:
// `blk_execute_rq` cannot be interrupted, and a request that is cancelled ends once the controller is off. `metadata`
// is 0 and has no length, so it is not followed. No other field is taken for an address by the kernel; what a
// controller does with a bus address that a command carries is for the judge, and no matter of this process's memory
// more than of any other. 3. Plain bytes by derive.
unsafe impl Command for AdminCall<'_, PassthruCmd> {
    type Argument = PassthruCmd;

    const NUMBER: u32 = IOCTL_ADMIN_CMD;

    fn argument(&mut self) -> &mut Aligned<PassthruCmd> {
        &mut self.argument
    }
}

// SAFETY: as above, by `nvme_user_cmd64`: 80 bytes in, `result` at offset 72 back.
unsafe impl Command for AdminCall<'_, PassthruCmd64> {
    type Argument = PassthruCmd64;

    const NUMBER: u32 = IOCTL_ADMIN64_CMD;

    fn argument(&mut self) -> &mut Aligned<PassthruCmd64> {
        &mut self.argument
    }
}

/// The part that both structures share, and the borrow of `data`, whose address is in it; `None` where the
/// length does not fit.
fn common<'m>(
    admin: &Admin,
    data: &'m mut [u8],
) -> Option<(PassthruCommon, PhantomData<&'m mut [u8]>)> {
    let (addr, data_len) = writable(data)?;
    let mut common = PassthruCommon::new(admin.opcode, admin.nsid, admin.cdw10);
    common.addr = U64::new(addr);
    common.data_len = U32::new(data_len);
    common.timeout_ms = U32::new(admin.timeout_ms);
    Some((common, PhantomData))
}

/// Sends one admin command. A length of 4 GiB or more is EMSGSIZE, and nothing is sent.
pub(super) fn send_admin(
    fd: BorrowedFd<'_>,
    width: Width,
    admin: &Admin,
    data: &mut [u8],
) -> Result<AdminDone, Errno> {
    let (common, memory) = common(admin, data).ok_or(Errno::MSGSIZE)?;
    match width {
        Width::Wide => {
            let argument = PassthruCmd64 { common, reserved2: U32::ZERO, result: U64::ZERO };
            let mut call = AdminCall { argument: Aligned(argument), memory };
            let returned = issue(fd, &mut call)?;
            Ok(AdminDone { returned, result: call.argument.0.result.get() })
        }
        Width::Narrow => {
            let argument = PassthruCmd { common, result: U32::ZERO };
            let mut call = AdminCall { argument: Aligned(argument), memory };
            let returned = issue(fd, &mut call)?;
            Ok(AdminDone { returned, result: u64::from(call.argument.0.result.get()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_lies_in_whole_pages_of_its_own() {
        for length in [0, 1, 4, 4095, 4096, 4097, 65536] {
            let mut pages = Pages::zeroed(length).unwrap();
            assert_eq!(pages.bytes().len(), length);
            assert_eq!(pages.bytes().as_ptr().addr() % PAGE, 0);
            let end = pages.start + length.next_multiple_of(PAGE);
            assert!(end <= pages.memory.len(), "the last page is whole");
            pages.bytes_mut().fill(7);
            assert!(pages.bytes().iter().all(|byte| *byte == 7));
        }
        assert_eq!(Pages::of(&[1, 2, 3]).unwrap().bytes(), [1, 2, 3]);
        assert!(Pages::zeroed(usize::MAX).is_none());
    }

    #[test]
    fn the_structure_states_the_memory_and_no_metadata() {
        let mut pages = Pages::zeroed(512).unwrap();
        let address = pages.bytes().as_ptr().addr();
        let admin = Admin { opcode: 6, nsid: 1, cdw10: [1, 0, 0, 0, 0, 9], timeout_ms: 60_000 };
        let (common, _) = common(&admin, pages.bytes_mut()).unwrap();
        assert_eq!((common.opcode, common.flags, common.nsid.get()), (6, 0, 1));
        assert_eq!((common.addr.get(), common.data_len.get()), (address as u64, 512));
        assert_eq!((common.metadata.get(), common.metadata_len.get()), (0, 0));
        assert_eq!((common.cdw10[0].get(), common.cdw10[5].get()), (1, 9));
        assert_eq!(common.timeout_ms.get(), 60_000);
    }

    #[test]
    fn a_file_that_is_no_nvme_node_answers_enotty() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let fd = std::os::fd::AsFd::as_fd(&null);
        let admin = Admin { opcode: 6, nsid: 0, cdw10: [1, 0, 0, 0, 0, 0], timeout_ms: 0 };
        for width in [Width::Wide, Width::Narrow] {
            assert_eq!(send_admin(fd, width, &admin, &mut []), Err(Errno::NOTTY));
        }
    }
}

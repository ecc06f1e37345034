// SPDX-License-Identifier: MIT OR Apache-2.0
//! The mapped arena, and ioctls with any number and any argument.
//!
//! A conformance test has to make wrong system calls on purpose: wrong numbers, sizes that lie, addresses
//! where nothing is. The typed ioctl layer of `fwgate-linux` exists so that none of these can be made, so
//! this one is beside it. It is the one file outside that crate with `unsafe` in it.
//!
//! *Invariants*: no reference to the arena's memory exists, since the kernel writes to it; it is copied in and
//! out by address. The arena is never unmapped or moved.
//!
//! *Not here*: which ioctls are made.
#![expect(
    unsafe_code,
    reason = "wrong system calls are made on purpose, and memory with holes is mapped for them"
)]

use std::ffi::c_void;
use std::os::fd::BorrowedFd;

use rustix::io;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

use crate::memory::{Access, BASE, LENGTH, PAGE, access};

/// The arena in this process's memory, at [`BASE`].
#[derive(Debug)]
pub(crate) struct Arena(());

impl Arena {
    /// Maps it and fills it. Once in a process.
    pub(crate) fn map(bytes: &[u8]) -> io::Result<Self> {
        assert_eq!(bytes.len(), LENGTH, "the whole arena");
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
        // SAFETY: FIXED_NOREPLACE maps nothing over what is mapped already, and fails instead (an older kernel
        // that does not know the flag takes the address as a hint; the check below finds that). Nothing refers
        // to this range yet.
        let got = unsafe {
            mmap_anonymous(BASE as *mut c_void, LENGTH, ProtFlags::READ | ProtFlags::WRITE, flags)
        }?;
        if got as u64 != BASE {
            return Err(io::Errno::EXIST);
        }
        let arena = Self(());
        arena.copy_in(0, bytes);
        for page in 0..LENGTH / PAGE {
            let protect = match access(page) {
                Access::Free => continue,
                Access::Fixed => MprotectFlags::READ,
                Access::Hole => MprotectFlags::empty(),
            };
            let at = (BASE as usize + page * PAGE) as *mut c_void;
            // SAFETY: the page is of the mapping made above, whole and aligned; no reference to it exists, and
            // `copy_in` and `copy_out` do not touch pages that are protected from them.
            unsafe { mprotect(at, PAGE, protect) }?;
        }
        Ok(arena)
    }

    /// Copies bytes into it from that offset on. After `map`, only pages that can be written.
    pub(crate) fn copy_in(&self, offset: usize, bytes: &[u8]) {
        assert!(offset <= LENGTH && bytes.len() <= LENGTH - offset, "within the arena");
        let to = (BASE as usize + offset) as *mut u8;
        // SAFETY: the range was checked to be within the mapping, which is never unmapped; the source is another
        // object, for no reference into the mapping exists; pages are writable as this function's doc asks, else
        // the process dies by a signal and nothing is read or written wrongly.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
    }

    /// Copies bytes out of it, from pages that can be read.
    pub(crate) fn copy_out(&self, offset: usize, out: &mut [u8]) {
        assert!(offset <= LENGTH && out.len() <= LENGTH - offset, "within the arena");
        let from = (BASE as usize + offset) as *const u8;
        // SAFETY: as in `copy_in`, the other way round; no other thread makes ioctls on the arena, since `theirs`
        // is borrowed for each one, so nothing writes to the range meanwhile.
        unsafe { std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len()) }
    }
}

/// An ioctl with any number and argument.
struct Any {
    number: u32,
    arg: u64,
}

// SAFETY: `as_ptr` gives an address that may be anything; what makes that sound is the promise of `ioctl` below,
// that the kernel can follow it into the arena only. `output_from_ptr` reads no memory.
unsafe impl Ioctl for Any {
    type Output = i32;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.number as Opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.arg as *mut c_void
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> io::Result<i32> {
        Ok(out)
    }
}

/// Makes an ioctl.
///
/// The caller has checked with `Call::is_safe` that the kernel follows no address but of the arena or of memory
/// that cannot be there. `theirs` has, and nothing else calls this.
pub(crate) fn ioctl(_: &Arena, fd: BorrowedFd<'_>, number: u32, arg: u64) -> io::Result<i32> {
    // SAFETY: the descriptor is open and of one of two drivers (or of a file that knows none of the numbers); both
    // write at the argument and at addresses within the structure there, and `Call::is_safe` was asked of each of
    // them; a write that starts in the arena ends at a hole in it at the latest, as its last page is one.
    unsafe { rustix::ioctl::ioctl(fd, Any { number, arg }) }
}

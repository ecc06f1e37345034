// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one place where an ioctl is issued.
//!
//! Input is a typed command; what the kernel answers is for the command's module to check.
//!
//! *Invariants*: one command, one system call. It is never repeated here, whatever the errno, EINTR included.
//!
//! *Not here*: the commands, and why each is sound ([`super::fwctl`], [`super::memdev`],
//! [`super::nvme`]).
//!
//! *Spec*: `ioctl(2)`.

#![expect(unsafe_code, reason = "an ioctl is a pointer and a number that must fit each other")]

use std::ffi::c_void;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};

/// An argument at an address that suits every field of it. The structures of `fwgate-wire` have no
/// alignment of their own; on some machines `put_user` wants one.
#[derive(Debug)]
#[repr(C, align(8))]
pub(super) struct Aligned<T>(pub(super) T);

/// One ioctl whose argument is one structure.
///
/// # Safety
///
/// Whoever implements this promises, for every value of the type and for every kernel that knows the
/// number:
///
/// 1. [`NUMBER`](Self::NUMBER) takes a pointer to an [`Argument`](Self::Argument), and the kernel reads and
///    writes no byte of it outside `size_of::<Argument>()`, nor any when the call is over.
/// 2. Every address in the argument that the kernel follows, and every address in memory that it reaches by
///    one, is that of memory that the value owns or borrows for as long as it lives: exclusively where the kernel
///    writes. The length that the kernel goes by is the one in the structure, and it is at most that of the memory.
/// 3. The memory is plain bytes, so that whatever the kernel writes is a valid value.
pub(super) unsafe trait Command {
    /// The structure; plain bytes.
    type Argument: zerocopy::FromBytes + zerocopy::IntoBytes;
    /// The ioctl's number.
    const NUMBER: u32;

    /// The argument.
    fn argument(&mut self) -> &mut Aligned<Self::Argument>;
}

struct Call<'c, C>(&'c mut C);

// SAFETY: `opcode` and `as_ptr` belong together by promise 1 of `Command`, made by whoever
// implements that. `IS_MUTATING` is true, so nothing is assumed unchanged. `as_ptr` points to the
// argument within the command, which `Call` borrows exclusively until after the system call.
// `output_from_ptr` does not touch the pointer.
unsafe impl<C: Command> Ioctl for Call<'_, C> {
    type Output = IoctlOutput;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        Opcode::from(C::NUMBER)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.0.argument()).cast()
    }

    unsafe fn output_from_ptr(
        returned: IoctlOutput,
        _argument: *mut c_void,
    ) -> rustix::io::Result<Self::Output> {
        Ok(returned)
    }
}

/// Issues one command once, and answers what the ioctl returned (not negative).
pub(super) fn issue<C: Command>(fd: BorrowedFd<'_>, command: &mut C) -> Result<i32, Errno> {
    // SAFETY: `rustix` asks that the command is right for the file. A file of another driver answers
    // ENOTTY to a number that it does not know; the numbers are registered
    // (`Documentation/userspace-api/ioctl/ioctl-number.rst`) and, but for fwctl's, carry the size of
    // the argument. That the file is of the right class is held against sysfs where it is opened
    // (`crate::discover`). The rest is promises 1 to 3 of `Command`: the memory lives as long as
    // `command`, which is borrowed exclusively here until the call has returned.
    unsafe { rustix::ioctl::ioctl(fd, Call(command)) }
}

/// The address of memory that the kernel is to write, and its length; `None` where that does not fit. An empty
/// slice has address 0.
///
/// The kernel is another party: the address is exposed, and the borrow that `slice` comes from has to last.
pub(super) fn writable(slice: &mut [u8]) -> Option<(u64, u32)> {
    let length = u32::try_from(slice.len()).ok()?;
    let address = if length == 0 { 0 } else { slice.as_mut_ptr().expose_provenance() };
    Some((u64::try_from(address).ok()?, length))
}

/// The address of memory that the kernel is to read, and its length, likewise.
pub(super) fn readable(slice: &[u8]) -> Option<(u64, u32)> {
    let length = u32::try_from(slice.len()).ok()?;
    let address = if length == 0 { 0 } else { slice.as_ptr().expose_provenance() };
    Some((u64::try_from(address).ok()?, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_aligned_for_every_field() {
        assert_eq!(align_of::<Aligned<[u8; 1]>>(), 8);
        let aligned = Aligned([0u8; 72]);
        assert_eq!((&raw const aligned).addr(), (&raw const aligned.0).addr());
    }

    #[test]
    fn an_empty_slice_has_no_address() {
        assert_eq!(readable(&[]), Some((0, 0)));
        assert_eq!(writable(&mut []), Some((0, 0)));
        let mut bytes = [1, 2];
        assert!(readable(&bytes).is_some_and(|(address, length)| address != 0 && length == 2));
        assert!(writable(&mut bytes).is_some_and(|(address, length)| address != 0 && length == 2));
    }
}

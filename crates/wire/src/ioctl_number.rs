// SPDX-License-Identifier: MIT OR Apache-2.0
//! How Linux makes ioctl numbers: direction, size of the argument, type, number.
//!
//! *Invariants*: computed when the crate is built; a size that does not fit does not build.
//!
//! *Not here*: the numbers themselves, which stand with their structures.
//!
//! *Spec*: `include/uapi/asm-generic/ioctl.h @ v7.3`, and `arch/{mips,powerpc,sparc}/include/uapi/asm/ioctl.h`
//! for the machines with a size one bit shorter.

/// Whether this machine's numbers have three bits of direction and 13 of size.
const SHORT_SIZE: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "mips32r6",
    target_arch = "mips64r6",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64",
));

/// `_IOC_READ`: the kernel writes, the caller reads.
const READ: u32 = if SHORT_SIZE { 2 << 29 } else { 2 << 30 };
/// `_IOC_WRITE`.
const WRITE: u32 = if SHORT_SIZE { 4 << 29 } else { 1 << 30 };
/// `_IOC_NONE`.
const NONE: u32 = if SHORT_SIZE { 1 << 29 } else { 0 };

/// `_IOR(group, number, T)` with `size_of::<T>()`.
pub(crate) const fn read(group: u8, number: u8, size: usize) -> u32 {
    READ | base(group, number, size)
}

/// `_IOWR(group, number, T)` with `size_of::<T>()`.
pub(crate) const fn read_write(group: u8, number: u8, size: usize) -> u32 {
    READ | WRITE | base(group, number, size)
}

/// `_IO(group, number)`.
pub(crate) const fn none(group: u8, number: u8) -> u32 {
    NONE | base(group, number, 0)
}

const fn base(group: u8, number: u8, size: usize) -> u32 {
    assert!(size < 1 << 13, "an argument that no ioctl number can state");
    #[expect(clippy::cast_possible_truncation, reason = "just checked")]
    let size = size as u32;
    (size << 16) | u32::from_be_bytes([0, 0, group, number])
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn numbers_are_those_of_the_c_macros() {
        // FIFREEZE, _IOWR('X', 119, int); FS_IOC_GETVERSION, _IOR('v', 1, long); _IO('N', 0x40).
        assert_eq!(super::read_write(b'X', 119, 4), 0xc004_5877);
        assert_eq!(super::read(b'v', 1, 8), 0x8008_7601);
        assert_eq!(super::none(b'N', 0x40), 0x4e40);
    }
}

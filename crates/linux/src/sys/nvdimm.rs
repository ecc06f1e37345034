// SPDX-License-Identifier: MIT OR Apache-2.0
//! ND_IOCTL_GET_CONFIG_SIZE, ND_IOCTL_GET_CONFIG_DATA and ND_IOCTL_SET_CONFIG_DATA.
//!
//! What the kernel writes back is a claim: lengths are the caller's to check.
//!
//! *Invariants*: one call moves at most [`CHUNK`] bytes, all of them in the argument itself; no
//! address is in it.
//!
//! *Not here*: what is read and written ([`crate::device`]).
//!
//! *Spec*: `__nd_ioctl` in `drivers/nvdimm/bus.c`, `cxl_pmem_nvdimm_ctl` in `drivers/cxl/pmem.c @ v7.3`.

#![expect(unsafe_code, reason = "states which memory the kernel may touch")]

use std::os::fd::BorrowedFd;

use fwgate_wire::nvdimm::{
    ConfigRange, ConfigSize, GET_CONFIG_DATA, GET_CONFIG_SIZE, SET_CONFIG_DATA,
};
use rustix::io::Errno;
use zerocopy::native_endian::U32;
use zerocopy::{FromBytes, FromZeros as _, Immutable, IntoBytes, KnownLayout};

use super::call::{Aligned, Command, issue};

/// Most bytes in one call.
pub(crate) const CHUNK: usize = 4096;
/// Bytes of the status, which is output.
const STATUS: usize = 4;

struct Size {
    argument: Aligned<ConfigSize>,
}

// SAFETY: 1. `__nd_ioctl` reads no input of this command and writes its three outputs of 4 bytes from the start of
// the argument, 12 bytes in all. 2. The argument holds no address. 3. It is plain bytes by derive.
unsafe impl Command for Size {
    type Argument = ConfigSize;

    const NUMBER: u32 = GET_CONFIG_SIZE;

    fn argument(&mut self) -> &mut Aligned<ConfigSize> {
        &mut self.argument
    }
}

/// Range, then data and status in the order of the command.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Transfer {
    range: ConfigRange,
    rest: [u8; STATUS + CHUNK],
}

const _: () = assert!(std::mem::offset_of!(Transfer, rest) == ConfigRange::SIZE);

struct Read {
    argument: Aligned<Transfer>,
}

// SAFETY: 1. `__nd_ioctl` reads the range and copies back input and output: 8 bytes, 4 of status, and as many of data
// as `in_length` says (`nd_cmd_out_size`), which `read` below keeps at `CHUNK` at most. The argument has that much.
// 2. It holds no address. 3. It is plain bytes by derive.
unsafe impl Command for Read {
    type Argument = Transfer;

    const NUMBER: u32 = GET_CONFIG_DATA;

    fn argument(&mut self) -> &mut Aligned<Transfer> {
        &mut self.argument
    }
}

struct Write {
    argument: Aligned<Transfer>,
}

// SAFETY: 1. `__nd_ioctl` reads the range and `in_length` bytes of data, which `write` below keeps at `CHUNK` at most,
// and copies back the same and 4 bytes of status behind them. The argument has that much. 2. It holds no address.
// 3. It is plain bytes by derive.
unsafe impl Command for Write {
    type Argument = Transfer;

    const NUMBER: u32 = SET_CONFIG_DATA;

    fn argument(&mut self) -> &mut Aligned<Transfer> {
        &mut self.argument
    }
}

fn transfer(offset: u32, length: usize) -> Result<Transfer, Errno> {
    if length > CHUNK {
        return Err(Errno::INVAL);
    }
    let length = U32::new(u32::try_from(length).map_err(|_| Errno::INVAL)?);
    let range = ConfigRange { offset: U32::new(offset), length };
    Ok(Transfer { range, rest: [0; STATUS + CHUNK] })
}

/// How long the area is, and one transfer at most.
pub(crate) fn config_size(fd: BorrowedFd<'_>) -> Result<ConfigSize, Errno> {
    let mut size = Size { argument: Aligned(ConfigSize::new_zeroed()) };
    issue(fd, &mut size)?;
    Ok(size.argument.0)
}

/// Reads into `data`, at most [`CHUNK`] bytes; answers the status.
pub(crate) fn read(fd: BorrowedFd<'_>, offset: u32, data: &mut [u8]) -> Result<u32, Errno> {
    let mut read = Read { argument: Aligned(transfer(offset, data.len())?) };
    issue(fd, &mut read)?;
    let rest = &read.argument.0.rest;
    let (status, read) = rest.split_first_chunk::<STATUS>().ok_or(Errno::INVAL)?;
    let read = read.get(..data.len()).ok_or(Errno::INVAL)?;
    data.copy_from_slice(read);
    Ok(u32::from_ne_bytes(*status))
}

/// Writes `data`, at most [`CHUNK`] bytes; answers the status.
pub(crate) fn write(fd: BorrowedFd<'_>, offset: u32, data: &[u8]) -> Result<u32, Errno> {
    let mut write = Write { argument: Aligned(transfer(offset, data.len())?) };
    let room = write.argument.0.rest.get_mut(..data.len()).ok_or(Errno::INVAL)?;
    room.copy_from_slice(data);
    issue(fd, &mut write)?;
    let status = write.argument.0.rest.get(data.len()..).and_then(|it| it.first_chunk::<STATUS>());
    Ok(status.map_or(u32::MAX, |status| u32::from_ne_bytes(*status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_chunk_is_not_asked_for() {
        assert!(transfer(0, CHUNK).is_ok());
        assert_eq!(transfer(0, CHUNK + 1).err(), Some(Errno::INVAL));
        let file = std::fs::File::open("/dev/null").unwrap();
        let fd = std::os::fd::AsFd::as_fd(&file);
        assert_eq!(read(fd, 0, &mut [0; CHUNK + 1]), Err(Errno::INVAL));
        assert_eq!(write(fd, 0, &[0; CHUNK + 1]), Err(Errno::INVAL));
    }

    #[test]
    fn a_file_that_is_no_nvdimm_knows_none_of_these() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let fd = std::os::fd::AsFd::as_fd(&file);
        assert_eq!(config_size(fd), Err(Errno::NOTTY));
        assert_eq!(read(fd, 0, &mut [0; 8]), Err(Errno::NOTTY));
        assert_eq!(write(fd, 0, &[0; 8]), Err(Errno::NOTTY));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! FWCTL_INFO and FWCTL_RPC.
//!
//! What the driver writes back is a claim: lengths are the caller's to check.
//!
//! *Invariants*: a [`Request`] is made for one device type and goes only to a [`Node`] that answered FWCTL_INFO with that
//! type, because drivers follow different addresses inside a request: cxl and mlx5 none, bnxt those of its table
//! ([`super::bnxt`]), pds two. A device type that is not known here gets no request.
//!
//! *Not here*: limits, scopes, what an answer means ([`crate::path`]).
//!
//! *Spec*: `drivers/fwctl/main.c @ v7.3`; `drivers/fwctl/{mlx5,bnxt,pds}/main.c`, `drivers/cxl/core/features.c` there.

#![expect(unsafe_code, reason = "states which memory the kernel may touch")]

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fwgate_wire::fwctl::{FWCTL_INFO, FWCTL_RPC, FwctlInfo, FwctlRpc, device_type};
use rustix::io::Errno;
use zerocopy::IntoBytes;
use zerocopy::native_endian::{U32, U64};
use zeroize::Zeroizing;

use super::Ioctls;
use super::call::{Aligned, Command, issue, readable, writable};

/// Most bytes of a driver's own information that are asked for.
const MAX_INFO: usize = 64;
/// Bytes of `struct fwctl_rpc_pds`.
const PDS_REQUEST: usize = 48;

/// What FWCTL_INFO wrote back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Info {
    /// Device type.
    pub(crate) device_type: u32,
    /// Bytes of the driver's information; can be more than there was room for.
    pub(crate) length: u32,
}

/// An open fwctl node, and the type that its driver says it is of.
#[derive(Debug)]
pub(crate) struct Node {
    fd: OwnedFd,
    device_type: u32,
    info: Vec<u8>,
}

impl Node {
    /// Asks the node what it is. Nothing reaches the device.
    pub(crate) fn identify(io: &dyn Ioctls, fd: OwnedFd) -> Result<Self, Errno> {
        let mut info = vec![0; MAX_INFO];
        let Info { device_type, length } = io.fwctl_info(fd.as_fd(), &mut info)?;
        info.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(Self { fd, device_type, info })
    }

    /// The device type: [`fwgate_wire::fwctl::device_type`], or one that is not known here.
    pub(crate) fn device_type(&self) -> u32 {
        self.device_type
    }

    /// The driver's own information, at most 64 bytes of it; a claim. cxl gives none, pds none by mistake.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the nodes that answer FWCTL_INFO anew"))]
    pub(crate) fn info(&self) -> &[u8] {
        &self.info
    }

    /// The open file.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The request, addressed to this node; `None` where it was made for another type of device.
    pub(crate) fn address<'r>(&'r self, request: &'r mut Request) -> Option<Addressed<'r>> {
        (self.device_type == request.device_type).then_some(Addressed { node: self, request })
    }
}

/// A request and a node of the type that it was made for.
#[derive(Debug)]
pub(crate) struct Addressed<'r> {
    node: &'r Node,
    request: &'r mut Request,
}

#[cfg(test)]
impl Addressed<'_> {
    /// The request: what a kernel that is played in tests looks at.
    pub(crate) fn request(&mut self) -> &mut Request {
        self.request
    }
}

/// A request for one type of device, with the memory whose addresses it carries. Wiped when dropped.
pub(crate) struct Request {
    device_type: u32,
    bytes: Zeroizing<Vec<u8>>,
    attached: Vec<Attached>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device_type, bytes, attached } = self;
        let (bytes, attached) = (bytes.len(), attached.len());
        write!(f, "Request(type {device_type}, {bytes} bytes, {attached} attached)")
    }
}

/// Memory whose address a request carries.
pub(crate) struct Attached {
    /// Where in the request its address goes; 64 bits, little endian.
    at: usize,
    memory: Zeroizing<Vec<u8>>,
    /// Whether the driver writes it.
    returned: bool,
}

impl Attached {
    /// Bytes that go to the device.
    pub(super) fn data(at: usize, bytes: &[u8]) -> Self {
        Self { at, memory: Zeroizing::new(bytes.to_vec()), returned: false }
    }

    /// Room for what comes from the device.
    pub(super) fn room(at: usize, length: usize) -> Self {
        Self { at, memory: Zeroizing::new(vec![0; length]), returned: true }
    }

    /// Where in the request the address goes.
    #[cfg(test)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Bytes of the memory.
    #[cfg(test)]
    pub(super) fn length(&self) -> usize {
        self.memory.len()
    }
}

/// A request that cannot be made: it would not be safe, or the driver would refuse it by its lengths. Nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    /// A length out of bounds.
    #[error("a request of {found} bytes, where the driver takes {least} to {most}")]
    Length {
        /// Least bytes.
        least: usize,
        /// Most bytes.
        most: usize,
        /// Bytes found.
        found: usize,
    },
    /// A bnxt command that is in no table.
    #[error(
        "HWRM command {request_type:#06x} is not one that the driver of Linux 7.3 passes; \
         another driver could take bytes of it for addresses in this process"
    )]
    NotListed {
        /// The type.
        request_type: u16,
    },
    /// An address where memory is attached.
    #[error("the request carries an address of its own at byte {at}; leave it 0")]
    Address {
        /// Where.
        at: usize,
    },
    /// A transfer length that the driver refuses.
    #[error("the request states a transfer of nothing, or of more than {most} bytes")]
    Transfer {
        /// Most bytes.
        most: u32,
    },
    /// Data of another length than stated.
    #[error("the request states {stated} bytes of data to the device, {given} are given")]
    Data {
        /// Bytes stated.
        stated: usize,
        /// Bytes given.
        given: usize,
    },
}

impl Request {
    /// For cxl, which follows no address in a request.
    pub(crate) fn cxl(bytes: Vec<u8>) -> Self {
        Self::plain(device_type::CXL, bytes)
    }

    /// For mlx5, which copies the request to the device's mailbox and follows no address in it.
    pub(crate) fn mlx5(bytes: Vec<u8>) -> Self {
        Self::plain(device_type::MLX5, bytes)
    }

    /// For bnxt, with the data that goes to the device beside the request. Addresses in it must be 0; what the device
    /// writes is in [`returned`](Self::returned) after the call.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub(crate) fn bnxt(bytes: Vec<u8>, data: &[u8]) -> Result<Self, RequestError> {
        let attached = super::bnxt::attach(&bytes, data)?;
        Ok(Self { attached, ..Self::plain(device_type::BNXT, bytes) })
    }

    /// For pds: `operation` of `endpoint`, its data, and room for what comes back.
    ///
    /// # Errors
    ///
    /// [`RequestError::Length`] where a length does not fit in 32 bits.
    pub(crate) fn pds(
        endpoint: u32,
        operation: u32,
        data: &[u8],
        room: usize,
    ) -> Result<Self, RequestError> {
        let length = |found: usize| {
            let most = u32::MAX as usize;
            u32::try_from(found).map_err(|_| RequestError::Length { least: 0, most, found })
        };
        let (in_length, out_length) = (length(data.len())?, length(room)?);
        let mut bytes = Zeroizing::new(Vec::with_capacity(PDS_REQUEST));
        for word in [operation, endpoint, 0, in_length, 0, 0, 0, 0, 0, out_length, 0, 0] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        let attached = vec![Attached::data(16, data), Attached::room(40, room)];
        Ok(Self { device_type: device_type::PDS, bytes, attached })
    }

    fn plain(device_type: u32, bytes: Vec<u8>) -> Self {
        Self { device_type, bytes: Zeroizing::new(bytes), attached: Vec::new() }
    }

    /// The request's own bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the driver wrote to each piece of memory that it was to write, in the order of their addresses' places. As
    /// long as was stated, whatever the device filled.
    pub(crate) fn returned(&self) -> Vec<&[u8]> {
        self.attached.iter().filter(|it| it.returned).map(|it| it.memory.as_slice()).collect()
    }

    /// The memory that the driver writes: for a kernel that is played in tests.
    #[cfg(test)]
    pub(crate) fn memory(&mut self) -> Vec<&mut [u8]> {
        let returned = self.attached.iter_mut().filter(|it| it.returned);
        returned.map(|it| it.memory.as_mut_slice()).collect()
    }

    /// Puts the addresses in; `None` where one does not fit, which no constructor leaves possible.
    fn resolve(&mut self) -> Option<()> {
        // pds takes its structure in the host's order, bnxt is little endian throughout.
        let native = self.device_type == device_type::PDS;
        for Attached { at, memory, .. } in &mut self.attached {
            let (address, _) = writable(memory)?;
            let address = if native { address.to_ne_bytes() } else { address.to_le_bytes() };
            let place = self.bytes.get_mut(*at..)?.first_chunk_mut::<8>()?;
            *place = address;
        }
        Some(())
    }
}

struct InfoCall<'m> {
    argument: Aligned<FwctlInfo>,
    /// The memory that the address is of.
    memory: PhantomData<&'m mut [u8]>,
}

// SAFETY: 1. `fwctl_fops_ioctl` reads `size` (24), copies that much in, and `ucmd_respond` writes at most that much back.
// 2. `fwctl_cmd_info` follows `out_device_data` and fills exactly `device_data_len` bytes, whatever the driver gives.
// Both come from one slice (`info`, the only maker), borrowed exclusively for `'m`. 3. Bytes.
unsafe impl Command for InfoCall<'_> {
    type Argument = FwctlInfo;

    const NUMBER: u32 = FWCTL_INFO;

    fn argument(&mut self) -> &mut Aligned<FwctlInfo> {
        &mut self.argument
    }
}

/// Asks for the device type and the driver's information. A length of 4 GiB or more is EMSGSIZE.
pub(super) fn info(fd: BorrowedFd<'_>, data: &mut [u8]) -> Result<Info, Errno> {
    let (address, length) = writable(data).ok_or(Errno::MSGSIZE)?;
    let argument = FwctlInfo {
        size: size(size_of::<FwctlInfo>()),
        flags: U32::ZERO,
        out_device_type: U32::ZERO,
        device_data_len: U32::new(length),
        out_device_data: U64::new(address),
    };
    let mut call = InfoCall { argument: Aligned(argument), memory: PhantomData };
    issue(fd, &mut call)?;
    let FwctlInfo { out_device_type, device_data_len, .. } = call.argument.0;
    Ok(Info { device_type: out_device_type.get(), length: device_data_len.get() })
}

struct RpcCall<'m> {
    argument: Aligned<FwctlRpc>,
    /// The memory that the addresses are of, and that the request's own addresses are of.
    memory: PhantomData<(&'m mut Request, &'m mut [u8])>,
}

// SAFETY: 1. as for `InfoCall`, with 32 bytes. 2. `fwctl_cmd_rpc` reads `in_len` bytes at `in` and writes at most
// `out_len` bytes at `out`; both pairs are those of one slice each (`rpc`, the only maker). What a driver follows inside
// the request depends on the driver: cxl and mlx5 nothing; pds `in.len` bytes at `in.payload`, read, and `out.len` bytes
// at `out.payload`, written; bnxt the fields of its table, by the lengths in the request. The driver is the one that the
// request was made for (`Node::address`), and a `Request`'s constructors attach memory of those very lengths, which
// it owns; its bytes are not changed after `resolve`, and it is borrowed exclusively for `'m`. The drivers copy the
// request before they look at it, so the lengths cannot change under them. 3. Bytes.
unsafe impl Command for RpcCall<'_> {
    type Argument = FwctlRpc;

    const NUMBER: u32 = FWCTL_RPC;

    fn argument(&mut self) -> &mut Aligned<FwctlRpc> {
        &mut self.argument
    }
}

/// Sends one request and fills `response`; answers the length that the driver gives, which can be more than was
/// copied. A length of 4 GiB or more is EMSGSIZE, and nothing is sent.
pub(super) fn rpc(addressed: Addressed<'_>, scope: u32, response: &mut [u8]) -> Result<u32, Errno> {
    let Addressed { node, request } = addressed;
    request.resolve().ok_or(Errno::MSGSIZE)?;
    let (input, in_len) = readable(request.bytes.as_bytes()).ok_or(Errno::MSGSIZE)?;
    let (output, out_len) = writable(response).ok_or(Errno::MSGSIZE)?;
    let argument = FwctlRpc {
        size: size(size_of::<FwctlRpc>()),
        scope: U32::new(scope),
        in_len: U32::new(in_len),
        out_len: U32::new(out_len),
        input: U64::new(input),
        output: U64::new(output),
    };
    let mut call = RpcCall { argument: Aligned(argument), memory: PhantomData };
    issue(node.fd(), &mut call)?;
    Ok(call.argument.0.out_len.get())
}

/// The size of a structure, for its first field.
fn size(bytes: usize) -> U32 {
    U32::new(u32::try_from(bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address_at(request: &Request, at: usize) -> u64 {
        u64::from_ne_bytes(request.bytes()[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn a_request_for_pds_states_the_memory_that_it_owns() {
        let mut request = Request::pds(0x11, 0x0002_0003, &[1, 2, 3], 100).unwrap();
        assert_eq!(request.bytes().len(), PDS_REQUEST);
        assert_eq!((address_at(&request, 16), address_at(&request, 40)), (0, 0));
        request.resolve().unwrap();
        let word = |at: usize| u32::from_ne_bytes(request.bytes()[at..at + 4].try_into().unwrap());
        let words = [word(0), word(4), word(8), word(12), word(24), word(36)];
        assert_eq!(words, [0x0002_0003, 0x11, 0, 3, 0, 100]);
        let [data, room] = &request.attached[..] else { panic!("two") };
        assert_eq!(address_at(&request, 16), data.memory.as_ptr().addr() as u64);
        assert_eq!(address_at(&request, 40), room.memory.as_ptr().addr() as u64);
        assert_eq!((data.memory.as_slice(), room.memory.len()), (&[1, 2, 3][..], 100));
        assert_eq!(request.returned(), [&[0; 100][..]]);
    }

    #[test]
    fn a_request_for_pds_without_data_carries_no_address() {
        let mut request = Request::pds(1, 2, &[], 0).unwrap();
        request.resolve().unwrap();
        assert_eq!((address_at(&request, 16), address_at(&request, 40)), (0, 0));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_request_for_bnxt_gets_the_address_of_its_own_memory() {
        // NVM_READ: address at 16, length at 32.
        let mut bytes = vec![0; 40];
        bytes[..2].copy_from_slice(&0xfffdu16.to_le_bytes());
        bytes[32] = 12;
        let mut request = Request::bnxt(bytes, &[]).unwrap();
        request.resolve().unwrap();
        let memory = &request.attached[0].memory;
        assert_eq!(address_at(&request, 16), memory.as_ptr().addr() as u64);
        assert_eq!(memory.len(), 12);
    }

    #[test]
    fn a_request_goes_only_to_a_node_of_its_own_type() {
        let fd = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        for device_type in 0..6 {
            let node = Node { fd: fd(), device_type, info: Vec::new() };
            let mut requests = [
                (1, Request::mlx5(vec![0; 16])),
                (2, Request::cxl(vec![0; 16])),
                (4, Request::pds(0, 0, &[], 0).unwrap()),
            ];
            for (of, request) in &mut requests {
                assert_eq!(node.address(request).is_some(), *of == device_type);
            }
        }
    }

    #[test]
    fn a_file_that_is_no_fwctl_node_is_enotty() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(info(null.as_fd(), &mut [0; 8]), Err(Errno::NOTTY));
        let node = Node { fd: null.into(), device_type: device_type::CXL, info: Vec::new() };
        let mut request = Request::cxl(vec![0; 16]);
        let addressed = node.address(&mut request).unwrap();
        assert_eq!(rpc(addressed, 0, &mut [0; 16]), Err(Errno::NOTTY));
    }

    #[test]
    fn debug_shows_lengths_and_no_bytes() {
        let request = Request::cxl(b"secret!".to_vec());
        assert_eq!(format!("{request:?}"), "Request(type 2, 7 bytes, 0 attached)");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arguments and inputs that calls are made of, right by default and wrong where told.
//!
//! *Invariants*: fields are in the host's byte order, payloads in the device's.
//!
//! *Spec*: `include/uapi/fwctl/fwctl.h`, `include/uapi/fwctl/cxl.h`, `include/uapi/linux/cxl_mem.h` @ v7.3.

use fwgate_wire::fwctl::{FWCTL_INFO, FWCTL_RPC};
use fwgate_wire::memdev::{QUERY_COMMANDS, SEND_COMMAND};

use crate::call::{Call, Node};
use crate::memory::{PAGE, WORK};

/// Where arguments are, unless told otherwise.
pub const ARG: u64 = WORK;
/// Where inputs are.
pub const INPUT: u64 = WORK + 0x400;
/// Where outputs are.
pub const OUTPUT: u64 = WORK + 2 * PAGE as u64;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// `struct fwctl_info`.
#[derive(Clone, Debug)]
pub struct Info {
    /// Size.
    pub size: u32,
    /// Flags.
    pub flags: u32,
    /// Room for the driver's data.
    pub room: u32,
    /// Where that is.
    pub to: u64,
    /// Bytes behind it.
    pub tail: Vec<u8>,
}

impl Default for Info {
    fn default() -> Self {
        Self { size: 24, flags: 0, room: 0, to: OUTPUT, tail: Vec::new() }
    }
}

impl Info {
    /// As it lies in memory.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = words(&[self.size, self.flags, 0x5a5a_5a5a, self.room]);
        bytes.extend_from_slice(&self.to.to_ne_bytes());
        bytes.extend_from_slice(&self.tail);
        bytes
    }

    /// The ioctl.
    #[must_use]
    pub fn call(&self) -> Call {
        let places = vec![(ARG, self.bytes())];
        Call { node: Node::Fwctl, number: FWCTL_INFO, arg: ARG, places }
    }
}

/// `struct fwctl_rpc` and its input.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// Size.
    pub size: u32,
    /// Scope.
    pub scope: u32,
    /// Length of the input; that of `request` if none is told.
    pub in_len: Option<u32>,
    /// Room for the output.
    pub out_len: u32,
    /// Where the input is.
    pub input: u64,
    /// Where the output goes.
    pub output: u64,
    /// The input.
    pub request: Vec<u8>,
    /// Bytes behind the structure.
    pub tail: Vec<u8>,
}

impl Rpc {
    /// A right one.
    #[must_use]
    pub const fn new(scope: u32, request: Vec<u8>) -> Self {
        let (size, in_len, out_len) = (32, None, 4096);
        Self {
            size,
            scope,
            in_len,
            out_len,
            input: INPUT,
            output: OUTPUT,
            request,
            tail: Vec::new(),
        }
    }

    /// As it lies in memory.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let in_len = self.in_len.unwrap_or(self.request.len() as u32);
        let mut bytes = words(&[self.size, self.scope, in_len, self.out_len]);
        bytes.extend_from_slice(&self.input.to_ne_bytes());
        bytes.extend_from_slice(&self.output.to_ne_bytes());
        bytes.extend_from_slice(&self.tail);
        bytes
    }

    /// The ioctl.
    #[must_use]
    pub fn call(&self) -> Call {
        let places = vec![(self.input, self.request.clone()), (ARG, self.bytes())];
        Call { node: Node::Fwctl, number: FWCTL_RPC, arg: ARG, places }
    }
}

/// `struct fwctl_rpc_cxl`: header and payload.
#[must_use]
pub fn request(opcode: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = words(&[opcode, 0, payload.len() as u32, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

/// Get Supported Features.
#[must_use]
pub fn supported(count: u32, start: u16) -> Vec<u8> {
    let mut payload = count.to_le_bytes().to_vec();
    payload.extend_from_slice(&start.to_le_bytes());
    payload.extend_from_slice(&[0; 2]);
    request(0x0500, &payload)
}

/// Get Feature.
#[must_use]
pub fn get(uuid: [u8; 16], offset: u16, count: u16, selection: u8) -> Vec<u8> {
    let mut payload = uuid.to_vec();
    payload.extend_from_slice(&offset.to_le_bytes());
    payload.extend_from_slice(&count.to_le_bytes());
    payload.push(selection);
    request(0x0501, &payload)
}

/// Set Feature.
#[must_use]
pub fn set(uuid: [u8; 16], flags: u32, offset: u16, version: u8, data: &[u8]) -> Vec<u8> {
    let mut payload = uuid.to_vec();
    payload.extend_from_slice(&flags.to_le_bytes());
    payload.extend_from_slice(&offset.to_le_bytes());
    payload.push(version);
    payload.extend_from_slice(&[0; 9]);
    payload.extend_from_slice(data);
    request(0x0502, &payload)
}

/// A query with room for so many rows.
#[must_use]
pub fn query(rows: u32) -> Call {
    let places = vec![(ARG, words(&[rows, 0xa5a5_a5a5]))];
    Call { node: Node::Memdev, number: QUERY_COMMANDS, arg: ARG, places }
}

/// `struct cxl_send_command` and its input.
#[derive(Clone, Debug)]
pub struct Send {
    /// Id.
    pub id: u32,
    /// Flags.
    pub flags: u32,
    /// Opcode, for RAW.
    pub opcode: u16,
    /// The union's other half.
    pub raw_reserved: u16,
    /// Length of the input; that of `payload` if none is told.
    pub in_size: Option<u32>,
    /// The input's reserved word.
    pub in_reserved: u32,
    /// Where the input is.
    pub input: u64,
    /// Room for the output.
    pub out_size: u32,
    /// The output's reserved word.
    pub out_reserved: u32,
    /// Where the output goes.
    pub output: u64,
    /// The input.
    pub payload: Vec<u8>,
}

impl Send {
    /// A right one, by id.
    #[must_use]
    pub const fn id(id: u32, payload: Vec<u8>, out_size: u32) -> Self {
        Self {
            id,
            flags: 0,
            opcode: 0,
            raw_reserved: 0,
            in_size: None,
            in_reserved: 0,
            input: INPUT,
            out_size,
            out_reserved: 0,
            output: OUTPUT,
            payload,
        }
    }

    /// A right one, by opcode.
    #[must_use]
    pub const fn raw(opcode: u16, payload: Vec<u8>, out_size: u32) -> Self {
        let mut send = Self::id(2, payload, out_size);
        send.opcode = opcode;
        send
    }

    /// As it lies in memory.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let in_size = self.in_size.unwrap_or(self.payload.len() as u32);
        let mut bytes = words(&[self.id, self.flags]);
        bytes.extend_from_slice(&self.opcode.to_ne_bytes());
        bytes.extend_from_slice(&self.raw_reserved.to_ne_bytes());
        bytes.extend_from_slice(&words(&[0x5a5a_5a5a, in_size, self.in_reserved]));
        bytes.extend_from_slice(&self.input.to_ne_bytes());
        bytes.extend_from_slice(&words(&[self.out_size, self.out_reserved]));
        bytes.extend_from_slice(&self.output.to_ne_bytes());
        bytes
    }

    /// The ioctl.
    #[must_use]
    pub fn call(&self) -> Call {
        let places = vec![(self.input, self.payload.clone()), (ARG, self.bytes())];
        Call { node: Node::Memdev, number: SEND_COMMAND, arg: ARG, places }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Feature commands to a CXL device through its fwctl node.
//!
//! Input is a judged command; the response is a claim.
//!
//! *Invariants*
//! - The reply is as long as its `size` says, never as the returned length does: that counts a header of 16 bytes.
//! - A Get that brings no byte and code 0 is a transport failure; a Set that brings code 0 is unverified. The driver
//!   hides failures of the mailbox behind both, and behind the first also a reply that is shorter than was asked for.
//!
//! *Not here*: other families ([`super::family`]); reading back (`fwgate-gate`).
//!
//! *Spec*: `drivers/cxl/core/features.c @ v7.3`, `cxlctl_get_supported_features`, `cxlctl_get_feature`,
//! `cxlctl_set_feature`. The driver splits what is longer than the mailbox, and its waits take no notice of signals.

use std::os::fd::OwnedFd;

use fwgate_policy::Scope;
use fwgate_wire::cxl::features::GetFeatureRequest;
use fwgate_wire::cxl::opcode::{GET_FEATURE, GET_SUPPORTED_FEATURES, Opcode, SET_FEATURE};
use fwgate_wire::fwctl::cxl::{CxlRpcRequest, CxlRpcResponse, CxlRpcResponseHeader};
use fwgate_wire::fwctl::{MAX_RPC_LENGTH, device_type};
use zeroize::Zeroizing;

use super::rule::Own;
use super::rule::fwctl::{self as rule, CxlKnown, RpcAsked};
use super::{Answer, Cause, MAX_PAYLOAD, Refusal, Sent};
use crate::sys::Ioctls;
use crate::sys::fwctl::{Node, Request};

/// Bytes of a request's header.
const HEADER: usize = 16;
/// Bytes of a feature entry.
const ENTRY: usize = 48;

/// Asks an fwctl node what it is. Nothing reaches the device.
///
/// # Errors
///
/// The kernel's refusal.
pub(crate) fn identify(io: &dyn Ioctls, fd: OwnedFd) -> Result<Node, Refusal> {
    Node::identify(io, fd).map_err(rule::info)
}

/// A feature command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeatureCommand<'a> {
    /// 0500h, 0501h or 0502h; the driver passes no other.
    pub(crate) command: Opcode,
    /// Its payload, as the device takes it.
    pub(crate) payload: &'a [u8],
    /// The scope to ask for.
    pub(crate) scope: Scope,
}

impl FeatureCommand<'_> {
    /// Room for the reply, by what the command asks for. The driver does not count the 8 bytes before the entries of Get
    /// Supported Features against what was asked for.
    fn room(&self) -> usize {
        let field = |at: usize| self.payload.get(at..).and_then(|it| it.first_chunk::<2>());
        let room = match self.command {
            GET_SUPPORTED_FEATURES => {
                let count = self.payload.first_chunk::<4>().map(|it| u32::from_le_bytes(*it));
                let entries = count.unwrap_or_default() as usize / ENTRY;
                entries.saturating_mul(ENTRY).saturating_add(8)
            }
            GET_FEATURE => field(18).map_or(0, |it| usize::from(u16::from_le_bytes(*it))),
            _ => 0,
        };
        room.min(MAX_PAYLOAD)
    }
}

/// Raw sender: one feature command through FWCTL_RPC.
///
/// # Errors
///
/// A refusal; see the invariants for what a Get without bytes is.
pub(crate) fn send_feature(
    io: &dyn Ioctls,
    node: &Node,
    feature: &FeatureCommand<'_>,
    known: &CxlKnown<'_>,
    own: Own,
) -> Result<Answer, Refusal> {
    let FeatureCommand { command, payload, scope } = *feature;
    let in_len = HEADER.saturating_add(payload.len());
    if in_len > MAX_RPC_LENGTH as usize {
        return Err(Refusal::here(format_args!(
            "{} bytes are more than fwctl takes in one request",
            payload.len()
        )));
    }
    let mut bytes = vec![0; in_len];
    CxlRpcRequest::build(command, payload, &mut bytes).map_err(Refusal::here)?;
    let mut request = Request::cxl(bytes);
    let addressed = node.address(&mut request).ok_or_else(|| {
        let of = node.device_type();
        Refusal::here(format_args!(
            "the fwctl node is of device type {of}, not {}",
            device_type::CXL
        ))
    })?;
    let room = feature.room();
    let asked =
        RpcAsked { scope, in_len, out_len: CxlRpcResponseHeader::KERNEL_SIZE.saturating_add(room) };
    let mut response = Zeroizing::new(vec![0; asked.out_len]);
    let returned = io
        .fwctl_rpc(addressed, scope as u32, &mut response)
        .map_err(|errno| rule::cxl(errno, command, payload, &asked, known, own))?;
    read(command, &response, returned, room).map_err(|refusal| {
        let longer = refusal.cause == Cause::Transport && beyond_the_feature(feature, known);
        if !longer {
            return refusal;
        }
        Refusal::transport(
            "more was asked for than the feature has, and the kernel discards a reply that is \
             shorter than what was asked for",
        )
    })
}

/// Whether a Get Feature reaches beyond the size that the device states for it.
fn beyond_the_feature(feature: &FeatureCommand<'_>, known: &CxlKnown<'_>) -> bool {
    let Ok(get) = GetFeatureRequest::parse(feature.payload) else { return false };
    let uuid = get.uuid();
    let entry = known.features.unwrap_or_default().iter().find(|it| it.uuid == *uuid.as_bytes());
    let end = u32::from(get.offset.get()).saturating_add(get.count.get().into());
    entry.is_some_and(|entry| end > entry.get_size.into())
}

fn read(command: Opcode, response: &[u8], returned: u32, room: usize) -> Result<Answer, Refusal> {
    // What is answered from the driver's own copy of the list has not been to the device.
    let sent = if command == GET_SUPPORTED_FEATURES { Sent::No } else { Sent::MayHave };
    let odd = |what: &dyn std::fmt::Display| Refusal::answer(what, sent);
    let copied = usize::try_from(returned).unwrap_or(usize::MAX).min(response.len());
    let response = CxlRpcResponse::parse(response.get(..copied).unwrap_or_default());
    let response = response.map_err(|error| odd(&error))?;
    let code = response.header().return_code();
    let code = code
        .ok_or_else(|| odd(&format_args!("return code {:#x}", response.header().retval.get())))?;
    let payload = response.payload();
    if payload.len() > room {
        return Err(odd(&format_args!("{} bytes, where {room} were asked for", payload.len())));
    }
    let failed = code.0 != 0;
    if command == GET_FEATURE && !failed && payload.is_empty() {
        return Err(Refusal::transport(
            "the kernel brought no byte of the feature and no error of the device: its mailbox was \
             busy or did not answer, or it gave fewer bytes than were asked for",
        ));
    }
    let payload = if failed { Vec::new() } else { payload.to_vec() };
    let unverified = command == SET_FEATURE && !failed;
    Ok(Answer { unverified, ..Answer::cxl(code.0, Zeroizing::new(payload)) })
}

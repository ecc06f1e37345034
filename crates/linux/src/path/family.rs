// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to mlx5, bnxt and pds devices through their fwctl nodes: bytes in, bytes out.
//!
//! Input is a judged request; the response is a claim.
//!
//! *Invariants*
//! - Memory whose address a request carries is the request's own ([`Request`]). A pds response is given on without the
//!   addresses that stand in it.
//! - An errno within a bnxt response is a transport failure, not an answer of the firmware.
//!
//! *Not here*: messages, names and scopes of the families' commands.
//!
//! *Spec*: `drivers/fwctl/{mlx5,bnxt,pds}/main.c @ v7.3`.

use std::fmt;

use fwgate_policy::Scope;
use fwgate_wire::fwctl::{MAX_RPC_LENGTH, device_type};
use zeroize::Zeroizing;

use super::rule::Own;
use super::rule::family::{self as rule, DriverScope};
use super::rule::fwctl::RpcAsked;
use super::{Refusal, Sent};
use crate::sys::Ioctls;
use crate::sys::fwctl::{Node, Request};

/// Where a pds structure has the addresses of its data: request, response.
const PDS_ADDRESSES: [std::ops::Range<usize>; 2] = [16..24, 40..48];
/// Error codes from here on are errnos that the bnxt driver put in, as 16-bit negative numbers.
const BNXT_ERRNO: u16 = 0xf000;
/// Error codes from here on are also the firmware's: unknown error, command not supported.
const BNXT_OWN: u16 = 0xfffe;

/// What came back. `Debug` shows lengths only; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct FamilyAnswer {
    /// The response, as long as the driver says, at most the room that it was given.
    pub(crate) response: Zeroizing<Vec<u8>>,
    /// What the device wrote beside it: one buffer for each address that the request has for that.
    pub(crate) returned: Vec<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for FamilyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (response, returned) = (self.response.len(), self.returned.len());
        write!(f, "FamilyAnswer({response} bytes, {returned} buffers)")
    }
}

/// Raw sender: one request through FWCTL_RPC, with room for `room` bytes of response; pds takes no room, since its response
/// is the request's own structure. `needs` is what the driver's table says of the command.
///
/// # Errors
///
/// A refusal; also where the answer is shorter than the family's header.
pub(crate) fn send_rpc(
    io: &dyn Ioctls,
    node: &Node,
    request: &mut Request,
    scope: Scope,
    room: usize,
    needs: DriverScope,
    own: Own,
) -> Result<FamilyAnswer, Refusal> {
    let of = node.device_type();
    let in_len = request.bytes().len();
    let out_len = if of == device_type::PDS { in_len } else { room };
    let most = MAX_RPC_LENGTH as usize;
    if in_len > most || out_len > most {
        return Err(Refusal::here(format_args!(
            "{in_len} bytes in and {out_len} out, where fwctl takes {most}"
        )));
    }
    let header = match of {
        device_type::MLX5 => 16,
        device_type::BNXT => 8,
        device_type::PDS => 48,
        _ => return Err(Refusal::here(format_args!("nothing is known of fwctl device type {of}"))),
    };
    let asked = RpcAsked { scope, in_len, out_len };
    let addressed = node.address(request).ok_or_else(|| {
        Refusal::here(format_args!("the request is for another device type than {of}"))
    })?;
    let mut response = Zeroizing::new(vec![0; out_len]);
    let length = io
        .fwctl_rpc(addressed, scope as u32, &mut response)
        .map_err(|errno| rule::rpc(errno, of, &asked, needs, own))?;
    response.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    if response.len() < header {
        let have = response.len();
        let what = format_args!("a response of {have} bytes, where its header has {header}");
        return Err(Refusal::answer(what, Sent::MayHave));
    }
    if of == device_type::BNXT {
        errno_within(&response)?;
    }
    if of == device_type::PDS {
        for place in PDS_ADDRESSES {
            response.get_mut(place).unwrap_or_default().fill(0);
        }
    }
    let returned = request.returned().into_iter().map(|it| Zeroizing::new(it.to_vec())).collect();
    Ok(FamilyAnswer { response, returned })
}

/// `bnxtctl_fw_rpc` puts a failure of `bnxt_send_msg` into the error code where the firmware gave none. Some of those come
/// before the send and some after a timeout, under the same errno.
///
/// `FFFEh` and `FFFFh` are also codes of the firmware's. Beside a response they are that: `__hwrm_send` has no EPERM and no
/// ENOENT of its own (`drivers/net/ethernet/broadcom/bnxt/bnxt_hwrm.c @ v7.3`).
fn errno_within(response: &[u8]) -> Result<(), Refusal> {
    let word = |at: usize| {
        let bytes = response.get(at..).and_then(|rest| rest.first_chunk::<2>());
        bytes.map_or(0, |it| u16::from_le_bytes(*it))
    };
    let (code, length) = (word(0), word(6));
    if code < BNXT_ERRNO || code >= BNXT_OWN && length != 0 {
        return Ok(());
    }
    let errno = code.wrapping_neg();
    let what = format!(
        "the bnxt driver failed with errno {errno} before it had an answer of the firmware, \
         and hides whether the firmware had the command"
    );
    Err(Refusal { errno: i32::from(errno), ..Refusal::transport(what) })
}

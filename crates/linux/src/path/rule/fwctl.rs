// SPDX-License-Identifier: MIT OR Apache-2.0
//! The checks of fwctl's core, and of its CXL driver.
//!
//! What was asked is known here; feature entries are the kernel's copy of the device's claims.
//!
//! *Invariants*: rows in the kernel's order. Rows that this side never sets off stand here too, so that the
//! order can be read.
//!
//! *Not here*: the other families ([`super::family`]).
//!
//! *Spec*: `drivers/fwctl/main.c`, `drivers/cxl/core/features.c` @ v7.3. Once the CXL driver has passed its checks it
//! returns no errno but ENOMEM, from before the send: a transport that fails is hidden in the answer.

use fwgate_policy::facts::FeatureFacts;
use fwgate_policy::{Known, Scope};
use fwgate_wire::Uuid;
use fwgate_wire::cxl::features::feature_uuid;
use fwgate_wire::cxl::opcode::{GET_FEATURE, GET_SUPPORTED_FEATURES, Opcode, SET_FEATURE};
use fwgate_wire::fwctl::MAX_RPC_LENGTH;
use rustix::io::Errno;

use super::{Own, Row, find, not, sure};
use crate::path::{Cause, Refusal, Sent};

/// What was asked of FWCTL_RPC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RpcAsked {
    /// Scope.
    pub(crate) scope: Scope,
    /// Bytes of request.
    pub(crate) in_len: usize,
    /// Bytes of room for the response.
    pub(crate) out_len: usize,
}

/// What is known of a CXL device's features.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CxlKnown<'a> {
    /// Whether the Command Effects Log lists Set Feature.
    pub(crate) set_feature_listed: Known,
    /// The entries as the kernel gave them, in any order; `None` if they were not read.
    pub(crate) features: Option<&'a [FeatureFacts]>,
}

#[cfg(test)]
impl CxlKnown<'_> {
    /// Nothing is known of it.
    pub(crate) const CANNOT_TELL: Self =
        Self { set_feature_listed: Known::CannotTell, features: None };
}

/// The rule of FWCTL_INFO. Nothing of it reaches the device.
pub(crate) fn info(errno: Errno) -> Refusal {
    let rows = [
        Row::rule(Errno::NOTTY, Known::CannotTell, NO_NODE),
        Row::event(Errno::FAULT, Cause::Answer, Sent::No, "an address was refused"),
        Row::event(Errno::NODEV, Cause::Gone, Sent::No, GONE),
        Row::event(Errno::NOMEM, Cause::Rule, Sent::No, "the kernel had no memory for it"),
    ];
    Refusal { sent: Sent::No, ..find("FWCTL_INFO", errno, rows) }
}

const NO_NODE: &str = "the file is no fwctl node, or of a kernel that does not know the ioctl";
const GONE: &str = "the driver has let go of the device";

/// The core's checks, before and after the driver's.
pub(super) fn core(asked: &RpcAsked, own: Own, driver: Vec<Row>) -> Vec<Row> {
    let RpcAsked { scope, in_len, out_len } = *asked;
    let most = MAX_RPC_LENGTH as usize;
    let full = scope == Scope::DebugWriteFull;
    let mut rows = vec![
        Row::rule(Errno::NOTTY, Known::CannotTell, NO_NODE),
        Row::rule(Errno::INVAL, Known::No, "the structure is shorter than 32 bytes"),
        Row::rule(Errno::TOOBIG, Known::No, "the structure is longer than the kernel knows"),
        Row::event(Errno::NODEV, Cause::Gone, Sent::No, GONE),
        Row::rule(
            Errno::MSGSIZE,
            sure(in_len > most || out_len > most),
            format!("{in_len} bytes in and {out_len} out, where each may be {most}"),
        ),
        Row::rule(Errno::OPNOTSUPP, Known::No, "the scope is none of the four"),
        Row::rule(
            Errno::PERM,
            if full { not(own.sys_rawio) } else { Known::No },
            "scope debug-write-full asks for CAP_SYS_RAWIO in the initial user namespace",
        ),
        Row::event(Errno::NOMEM, Cause::Rule, Sent::No, "the kernel had no memory for the request"),
        Row::event(Errno::FAULT, Cause::Transport, Sent::No, "the request could not be copied in"),
    ];
    rows.extend(driver);
    rows.push(Row::event(
        Errno::FAULT,
        Cause::Transport,
        Sent::MayHave,
        "the response could not be copied out, so the driver had carried out the request",
    ));
    rows
}

/// The rule of FWCTL_RPC on a CXL device: its driver says EINVAL for nearly every row.
pub(crate) fn cxl(
    errno: Errno,
    command: Opcode,
    payload: &[u8],
    asked: &RpcAsked,
    known: &CxlKnown<'_>,
    own: Own,
) -> Refusal {
    let mut driver = vec![
        Row::rule(Errno::INVAL, sure(asked.in_len < 16), "the request is shorter than its header"),
        Row::rule(
            Errno::INVAL,
            sure(payload.len() > asked.in_len.saturating_sub(16)),
            "the request says that it is longer than it is",
        ),
        Row::rule(
            Errno::INVAL,
            sure(![GET_SUPPORTED_FEATURES, GET_FEATURE, SET_FEATURE].contains(&command)),
            format!("{command} is not 0x0500, 0x0501 or 0x0502, and the driver passes no other"),
        ),
    ];
    match command {
        GET_SUPPORTED_FEATURES => driver.extend(get_supported(payload, known)),
        GET_FEATURE => driver.extend(get(payload, asked)),
        SET_FEATURE => driver.extend(set(payload, asked, known)),
        _ => {}
    }
    let words = "the kernel had no memory for the response";
    driver.push(Row::event(Errno::NOMEM, Cause::Rule, Sent::No, words));
    find("fwctl's cxl driver", errno, core(asked, own, driver))
}

fn get_supported(payload: &[u8], known: &CxlKnown<'_>) -> Vec<Row> {
    let start = payload.get(4..6).and_then(|it| it.try_into().ok()).map(u16::from_le_bytes);
    let count = known.features.map(<[FeatureFacts]>::len);
    let beyond = match (start, count) {
        (Some(start), Some(count)) => sure(usize::from(start) >= count),
        (Some(_), None) => Known::CannotTell,
        (None, _) => Known::No,
    };
    vec![
        Row::rule(
            Errno::INVAL,
            sure(payload.len() != 8),
            format!("Get Supported Features takes 8 bytes, not {}", payload.len()),
        ),
        Row::rule(
            Errno::INVAL,
            beyond,
            format!(
                "the list starts at {}, and the device has {} features",
                start.unwrap_or_default(),
                count.map_or_else(|| "no more".to_owned(), |it| it.to_string())
            ),
        ),
    ]
}

fn get(payload: &[u8], asked: &RpcAsked) -> Vec<Row> {
    let count = payload.get(18..20).and_then(|it| it.try_into().ok()).map(u16::from_le_bytes);
    let room = asked.out_len.checked_sub(8);
    vec![
        Row::rule(
            Errno::INVAL,
            sure(payload.len() != 21),
            format!("Get Feature takes 21 bytes, not {}", payload.len()),
        ),
        Row::rule(Errno::INVAL, sure(count == Some(0)), "Get Feature asks for 0 bytes"),
        Row::rule(
            Errno::INVAL,
            sure(room.is_none_or(|room| count.is_some_and(|count| usize::from(count) > room))),
            "there is less room for the response than Get Feature asks for",
        ),
    ]
}

/// Bits of a feature's effects, as `cxlctl_validate_set_features` masks them.
mod mask {
    pub(super) const RESERVED: u16 = 0xf000;
    pub(super) const BACKGROUND: u16 = 1 << 6;
    pub(super) const IMMEDIATE: u16 = 0b1_1110;
    pub(super) const RESET: u16 = 1 | 1 << 10 | 1 << 11;
}

fn set(payload: &[u8], asked: &RpcAsked, known: &CxlKnown<'_>) -> Vec<Row> {
    let uuid = payload.first_chunk::<16>().copied();
    let named = uuid.map_or_else(String::new, |it| Uuid::from_bytes(it).to_string());
    let exclusive = uuid.is_some_and(|it| {
        feature_uuid::STANDARD.iter().any(|(known, _)| *known == Uuid::from_bytes(it))
    });
    let entry = known.features.map(|all| all.iter().find(|it| Some(it.uuid) == uuid));
    // What is known of the entry: nothing, that there is none, or all but what the kernel masks.
    let of = |test: &dyn Fn(&FeatureFacts) -> bool| match entry {
        None => Known::CannotTell,
        Some(None) => Known::No,
        Some(Some(entry)) => sure(test(entry)),
    };
    let effects = |it: &FeatureFacts| it.effects;
    let immediate = |it: &FeatureFacts| effects(it) & mask::IMMEDIATE != 0;
    let shown = entry.flatten().map_or_else(String::new, |it| format!(" ({:#06x})", it.effects));
    let fixed = |it: &FeatureFacts| !it.changeable();
    vec![
        Row::rule(
            Errno::INVAL,
            not(known.set_feature_listed),
            "the device's Command Effects Log does not list Set Feature",
        ),
        Row::rule(Errno::INVAL, sure(payload.len() < 16), "Set Feature names no feature"),
        Row::rule(
            Errno::INVAL,
            entry.map_or(Known::CannotTell, |it| sure(it.is_none())),
            format!("feature {named} is not in the list that the driver read when it was bound"),
        ),
        Row::rule(
            Errno::INVAL,
            match of(&fixed) {
                // The kernel shows exclusive features as fixed, whatever the device says.
                Known::Yes if exclusive => Known::CannotTell,
                known => known,
            },
            format!("the device says that feature {named} cannot be changed"),
        ),
        Row::rule(
            Errno::INVAL,
            of(&|it| effects(it) & mask::RESERVED != 0),
            format!("the effects of feature {named}{shown} have reserved bits"),
        ),
        Row::rule(
            Errno::INVAL,
            of(&|it| effects(it) & mask::BACKGROUND != 0),
            format!(
                "setting feature {named} is a background operation, which the driver follows for nobody"
            ),
        ),
        Row::rule(
            Errno::INVAL,
            of(&|it| effects(it) & (mask::IMMEDIATE | mask::RESET) == 0),
            format!(
                "the effects of feature {named}{shown} name no change, neither immediate nor after a reset"
            ),
        ),
        Row::rule(
            Errno::INVAL,
            if asked.scope >= Scope::DebugWriteFull { Known::No } else { of(&immediate) },
            format!(
                "feature {named} changes something at once, which asks for scope debug-write-full, not {}",
                asked.scope
            ),
        ),
        Row::rule(
            Errno::INVAL,
            if asked.scope >= Scope::DebugWrite { Known::No } else { of(&|it| !immediate(it)) },
            format!(
                "feature {named} changes something after a reset, which asks for scope debug-write, not {}",
                asked.scope
            ),
        ),
        Row::rule(Errno::INVAL, sure(payload.len() <= 32), "Set Feature carries no data"),
        Row::rule(
            Errno::PERM,
            sure(exclusive),
            format!("feature {named} is the kernel's own, and nobody else can set it"),
        ),
        Row::rule(Errno::INVAL, sure(asked.out_len < 8), "there is less room than 8 bytes"),
    ]
}

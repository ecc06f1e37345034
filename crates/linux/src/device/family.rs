// SPDX-License-Identifier: MIT OR Apache-2.0
//! An mlx5, bnxt or pds device behind the gate: its fwctl node.
//!
//! Replies are hostile; lengths are checked here and in the sender, the gate makes facts of them.
//!
//! *Invariants*
//! - One command, one system call, at the scope that was judged.
//! - The node's own word of what it is agrees with the driver that sysfs names, or it is not opened.
//! - No address of a caller's goes into a request: memory is attached by [`crate::sys`] alone.
//!
//! *Not here*: commands and their scopes (`fwgate-policy`), the errnos' rules (`path::rule::family`).
//!
//! *Spec*: `drivers/fwctl/{mlx5,bnxt,pds}/main.c @ v7.3`; docs/adr/0014-fwctl-families.md.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fwgate_gate::device::{Around, Told};
use fwgate_gate::{
    Background, Belief, Caller, Device, Firmware, Generation, Identity, Message, NoPath, Pace,
    Recorded, Reply, SubmitError, Whereabouts,
};
use fwgate_policy::facts::Surroundings;
use fwgate_policy::tables::Classes;
use fwgate_policy::{Facts, Path, PathKind, Protocol, Reported, Route, Tables, classify};
use fwgate_wire::fwctl::bnxt::{self, HwrmRequest, HwrmResponse, Payload};
use fwgate_wire::fwctl::mlx5::{MIN_MAILBOX, Mlx5Request, Mlx5RequestHeader, Mlx5Response};
use fwgate_wire::fwctl::pds::PdsRpc;
use fwgate_wire::fwctl::{MAX_RPC_LENGTH, device_type};

use super::{OpenError, Reached, admits, identity, own};
use crate::discover::{self, Family, Kind, Marks, NodeKind, Roots, Target};
use crate::path::family::{FamilyAnswer, send_rpc};
use crate::path::rule::Own;
use crate::path::rule::family::DriverScope;
use crate::path::{MAX_PAYLOAD, Refusal, Sent, fwctl};
use crate::sys::fwctl::{Node, Request};
use crate::sys::{Ioctls, Linux};

/// An mlx5, bnxt or pds device of this machine.
#[derive(Debug)]
pub struct FamilyDevice {
    identity: Identity,
    roots: Roots,
    target: Target,
    marks: Arc<Marks>,
    io: Box<dyn Ioctls>,
    node: Node,
    own: Own,
}

impl FamilyDevice {
    /// Opens it. The kernel's own interfaces to it are netlink's, and none is run from here.
    pub(super) fn open(
        roots: &Roots,
        target: &Target,
        marks: Arc<Marks>,
    ) -> Result<Reached, OpenError> {
        // Before its node is touched.
        family(target)?;
        let nodes = target.nodes();
        let node = nodes.iter().find(|node| node.kind == NodeKind::Fwctl);
        let node = node.ok_or_else(|| wrong(target, "it has no node of its own"))?.open(roots)?;
        let device = Arc::new(Self::with(roots, target, marks, node, Box::new(Linux))?);
        Ok(Reached { device, interfaces: Vec::new() })
    }

    pub(super) fn with(
        roots: &Roots,
        target: &Target,
        marks: Arc<Marks>,
        node: OwnedFd,
        io: Box<dyn Ioctls>,
    ) -> Result<Self, OpenError> {
        let (protocol, expected) = family(target)?;
        let node =
            fwctl::identify(io.as_ref(), node).map_err(|refusal| wrong(target, &refusal.rule))?;
        let found = node.device_type();
        if found != expected {
            let name = Family::of_device_type(found).name();
            let what = format!(
                "it says that it is of device type {found} ({name}), where its driver's are of \
                 type {expected}"
            );
            return Err(wrong(target, &what));
        }
        Ok(Self {
            identity: identity(target, protocol, Classes::empty()),
            roots: roots.clone(),
            target: target.clone(),
            marks,
            io,
            node,
            own: own(roots),
        })
    }

    fn by(&self, caller: &Caller) -> Path {
        let admits_caller = admits(&self.roots, &self.target, NodeKind::Fwctl, caller);
        Path { kind: PathKind::Fwctl, follows_background: false, admits_caller }
    }

    /// What the kernel driver's own table says of a command, for its errno in words. That of pds is the firmware's, and
    /// user space cannot see it.
    pub(super) fn needs(&self, message: &Message) -> DriverScope {
        let command = message.command();
        if !matches!(command.protocol(), Protocol::Mlx5 | Protocol::Bnxt) {
            return DriverScope::CannotTell;
        }
        let facts = Facts {
            class: self.identity.class,
            vendor: self.identity.vendor,
            device: self.identity.device,
            firmware: b"",
            reported: Reported::default(),
            credible: false,
            features: None,
            logs: None,
            operations: None,
            surroundings: Surroundings::DRIVEN_BY_NOBODY,
            inner: &[],
        };
        let class = classify(&command, &facts, &Tables::BUILTIN);
        class.driver.map_or(DriverScope::NotListed, DriverScope::Needs)
    }

    /// The request of a message, and the room for its response.
    pub(super) fn request(&self, message: &Message) -> Result<(Request, usize), SubmitError> {
        match message {
            _ if message.command().protocol() != self.identity.protocol => {
                Err(not_sent(format!("the device speaks {} only", self.identity.protocol.name())))
            }
            Message::Mlx5 { opcode, op_mod, payload, reply_length } => {
                let mut bytes = vec![0; payload.len().saturating_add(Mlx5RequestHeader::SIZE)];
                Mlx5Request::build(*opcode, *op_mod, payload, &mut bytes).map_err(not_sent)?;
                let room = usize::try_from(*reply_length).unwrap_or(usize::MAX);
                let room = room.clamp(MIN_MAILBOX, MAX_RPC_LENGTH as usize);
                Ok((Request::mlx5(bytes), room))
            }
            Message::Bnxt { req_type, target_id, payload } => {
                // Also refuses what the table of addresses does not look at: NVM_WRITE's second length.
                let parsed = Payload::parse(*req_type, payload).map_err(not_sent)?;
                let mut bytes = vec![0; bnxt::MAX_REQUEST];
                let length = HwrmRequest::build(*req_type, *target_id, parsed.body(), &mut bytes)
                    .map_err(not_sent)?;
                bytes.truncate(length);
                let data = payload.get(parsed.body().len()..).unwrap_or_default();
                let request = Request::bnxt(bytes, data).map_err(not_sent)?;
                Ok((request, bnxt::MAX_RESPONSE))
            }
            Message::Pds { endpoint, operation, payload, reply_length } => {
                let room = usize::try_from(*reply_length).unwrap_or(usize::MAX);
                if payload.len() > MAX_PAYLOAD || room > MAX_PAYLOAD {
                    return Err(not_sent(format!(
                        "{} bytes in and {room} out, where fwgate takes {MAX_PAYLOAD} each way",
                        payload.len()
                    )));
                }
                let request = Request::pds(*endpoint, *operation, payload, room);
                // Request and response are the same structure, and take no other room.
                Ok((request.map_err(not_sent)?, 0))
            }
            Message::Cxl { .. } | Message::NvmeAdmin { .. } => {
                Err(not_sent("the device speaks another language"))
            }
        }
    }

    /// The firmware's revision, as the RDMA subsystem shows it (`fw_ver` of the function's one device of class
    /// `infiniband`, `drivers/infiniband/core/sysfs.c @ v7.3`); empty where it does not.
    fn firmware(&self) -> Option<Vec<u8>> {
        let sys = discover::sysfs::Tree::open(&self.roots.sys()).ok()?;
        let folder = self.target.function()?.folder.join("infiniband");
        let names = sys.list(&folder).ok()?;
        let [name] = &names[..] else { return None };
        Some(sys.text(folder.join(name).join("fw_ver")).ok()?.as_bytes().to_vec())
    }
}

/// The language of a device, and the type that its node has to say.
fn family(target: &Target) -> Result<(Protocol, u32), OpenError> {
    let Kind::Fwctl(fwctl) = &target.kind else {
        return Err(wrong(target, "it is no fwctl device"));
    };
    match fwctl.family {
        Family::Mlx5 => Ok((Protocol::Mlx5, device_type::MLX5)),
        Family::Bnxt => Ok((Protocol::Bnxt, device_type::BNXT)),
        Family::Pds => Ok((Protocol::Pds, device_type::PDS)),
        // One of CXL is the child of a memory device, and opened with that.
        Family::Cxl | Family::Unknown => {
            let (device, family) = (target.name.clone(), fwctl.family.name());
            Err(OpenError::Family { device, family })
        }
    }
}

/// What came back, as the gate takes it.
fn reply(protocol: Protocol, answer: FamilyAnswer) -> Result<Reply, Refusal> {
    let FamilyAnswer { mut response, mut returned } = answer;
    let odd = |what: &dyn core::fmt::Display| Refusal::answer(what, Sent::MayHave);
    let (return_code, vendor_status, payload) = match protocol {
        Protocol::Mlx5 => {
            let mailbox = Mlx5Response::parse(&response).map_err(|error| odd(&error))?;
            (u16::from(mailbox.status()), 0, core::mem::take(&mut *response))
        }
        Protocol::Bnxt => {
            let whole = HwrmResponse::parse(&response).map_err(|error| odd(&error))?;
            let (code, length) = (whole.error_code(), whole.header().resp_len.get());
            // The driver copies no response where the firmware gave none.
            if code == 0 && length == 0 {
                return Err(odd(&"success, and no response of the firmware"));
            }
            let length = usize::from(length).max(bnxt::HwrmResponseHeader::SIZE);
            response.truncate(length);
            let mut payload = core::mem::take(&mut *response);
            for buffer in &returned {
                payload.extend_from_slice(buffer);
            }
            (code, 0, payload)
        }
        _ => {
            let head = response.get(..PdsRpc::SIZE).unwrap_or_default();
            let rpc = PdsRpc::parse(head).map_err(|error| odd(&error))?;
            let [a, b, c, d] = rpc.retval.get().to_le_bytes();
            let (low, high) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            let payload = returned.first_mut().map(|it| core::mem::take(&mut **it));
            (low, high, payload.unwrap_or_default())
        }
    };
    Ok(Reply { return_code, vendor_status, payload, background: false, belief: Belief::Told })
}

fn wrong(target: &Target, what: &str) -> OpenError {
    let (device, what) = (target.name.clone(), what.to_owned());
    OpenError::Answer { device, what }
}

fn not_sent(what: impl core::fmt::Display) -> SubmitError {
    SubmitError::Transport { what: what.to_string(), may_have_run: false }
}

impl Device for FamilyDevice {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn whereabouts(&self) -> Whereabouts {
        super::whereabouts(&self.roots, &self.target)
    }

    fn observe(&self) -> Generation {
        self.marks.observe()
    }

    fn told(&self) -> Told {
        // bnxt's is asked for; user space sees neither pds's revision nor its operations.
        let told = matches!(self.identity.protocol, Protocol::Mlx5);
        let firmware = if told { self.firmware() } else { None };
        Told { firmware: firmware.unwrap_or_default(), operations: None }
    }

    fn around(&self) -> Around {
        discover::around(&self.roots, &self.target)
    }

    fn paths(&self, caller: &Caller) -> Vec<Path> {
        vec![self.by(caller)]
    }

    fn path(&self, route: Route<'_>, message: &Message, caller: &Caller) -> Result<Path, NoPath> {
        let spoken = self.identity.protocol;
        match route {
            Route::Firmware if message.command().protocol() == spoken => Ok(self.by(caller)),
            Route::Firmware => {
                let why = format!("the device speaks {} only", spoken.name());
                Err(NoPath { why, fix: None })
            }
            Route::Kernel(_) => {
                let why = "fwgate runs no interface of the network drivers".to_owned();
                let fix = "use devlink, ethtool or dcb for it".to_owned();
                Err(NoPath { why, fix: Some(fix) })
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::MayOutlast
    }

    fn payload_limit(&self) -> usize {
        match self.identity.protocol {
            Protocol::Mlx5 => MAX_RPC_LENGTH as usize,
            _ => MAX_PAYLOAD,
        }
    }

    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        if delivery.path.kind != PathKind::Fwctl {
            return Err(not_sent("the device has one path, its fwctl node"));
        }
        let (mut request, room) = self.request(&delivery.message)?;
        let needs = self.needs(&delivery.message);
        let (io, scope) = (self.io.as_ref(), delivery.scope);
        let answer = send_rpc(io, &self.node, &mut request, scope, room, needs, self.own)?;
        Ok(reply(self.identity.protocol, answer)?)
    }

    fn background(&self) -> Option<Background> {
        None
    }
}

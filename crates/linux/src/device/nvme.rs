// SPDX-License-Identifier: MIT OR Apache-2.0
//! An NVMe controller behind the gate: the admin ioctl of its node.
//!
//! Replies are hostile; the sender checks them, the gate's probes make facts of them.
//!
//! *Invariants*: one command, one system call. The time that is passed to the kernel is never
//! shorter than the driver's own, because the driver resets the controller when it passes; the
//! deadline is the gate's.
//!
//! *Spec*: `drivers/nvme/host/ioctl.c @ v7.3`.

use core::time::Duration;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use fwgate_gate::device::Around;
use fwgate_gate::{
    Background, Caller, Device, Firmware, Generation, Identity, Message, NoPath, Pace, Recorded,
    Reply, SubmitError, Whereabouts,
};
use fwgate_policy::tables::Classes;
use fwgate_policy::{Known, Path, PathKind, Protocol, Route};

use super::{OpenError, Reached, admits, identity, own};
use crate::discover::{self, Kind, Marks, NodeKind, Roots, Target};
use crate::path::MAX_PAYLOAD;
use crate::path::nvme::{self, AdminCommand, NvmeKnown};
use crate::path::rule::Own;
use crate::sys::{Ioctls, Linux};

/// An NVMe controller of this machine.
#[derive(Debug)]
pub struct NvmeDevice {
    identity: Identity,
    roots: Roots,
    target: Target,
    marks: Arc<Marks>,
    io: Box<dyn Ioctls>,
    node: OwnedFd,
    known: NvmeKnown,
    own: Own,
}

impl NvmeDevice {
    /// Opens it. The kernel's own interfaces to it are for its namespaces, and none is run from here.
    pub(super) fn open(
        roots: &Roots,
        target: &Target,
        marks: Arc<Marks>,
    ) -> Result<Reached, OpenError> {
        let nodes = target.nodes();
        let node = nodes.iter().find(|node| node.kind == NodeKind::Nvme);
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
        let Kind::Nvme(controller) = &target.kind else {
            return Err(wrong(target, "it is no NVMe controller"));
        };
        let fabrics = match controller.transport.as_ref().map(discover::Text::as_bytes) {
            Some(b"pcie") => Known::No,
            Some(_) => Known::Yes,
            None => Known::CannotTell,
        };
        let milliseconds = controller.admin_timeout.map(u64::from);
        let known = NvmeKnown { driver_timeout: milliseconds.map(Duration::from_millis), fabrics };
        Ok(Self {
            identity: identity(target, Protocol::NvmeAdmin, Classes::NVME),
            roots: roots.clone(),
            target: target.clone(),
            marks,
            io,
            node,
            known,
            own: own(roots),
        })
    }

    fn by(&self, caller: &Caller) -> Path {
        // Beyond the node the driver asks for CAP_SYS_ADMIN for all but five Identify values.
        let admits_caller = admits(&self.roots, &self.target, NodeKind::Nvme, caller)
            && caller.capabilities.sys_admin;
        Path { kind: PathKind::NvmeIoctl, follows_background: false, admits_caller }
    }
}

fn wrong(target: &Target, what: &str) -> OpenError {
    let (device, what) = (target.name.clone(), what.to_owned());
    OpenError::Answer { device, what }
}

impl Device for NvmeDevice {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn whereabouts(&self) -> Whereabouts {
        super::whereabouts(&self.roots, &self.target)
    }

    fn observe(&self) -> Generation {
        self.marks.observe()
    }

    fn around(&self) -> Around {
        discover::around(&self.roots, &self.target)
    }

    fn paths(&self, caller: &Caller) -> Vec<Path> {
        vec![self.by(caller)]
    }

    fn path(&self, route: Route<'_>, message: &Message, caller: &Caller) -> Result<Path, NoPath> {
        let refuse = |why: &str, fix: Option<&str>| {
            Err(NoPath { why: why.to_owned(), fix: fix.map(ToOwned::to_owned) })
        };
        match (route, message) {
            (Route::Firmware, Message::NvmeAdmin { .. }) => Ok(self.by(caller)),
            (Route::Firmware, _) => refuse("the controller speaks NVMe only", None),
            (Route::Kernel(_), _) => {
                let fix = "use the block layer's own tool for it";
                refuse("fwgate runs no interface of the block layer", Some(fix))
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::MayOutlast
    }

    fn payload_limit(&self) -> usize {
        MAX_PAYLOAD
    }

    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        let not_sent = |what: &str| {
            let what = what.to_owned();
            SubmitError::Transport { what, may_have_run: false }
        };
        if delivery.path.kind != PathKind::NvmeIoctl {
            return Err(not_sent("the controller has one path, the admin ioctl"));
        }
        let Message::NvmeAdmin { opcode, nsid, cdw, data, read_length } = &delivery.message else {
            return Err(not_sent("the controller speaks NVMe only"));
        };
        let command = AdminCommand {
            opcode: *opcode,
            nsid: *nsid,
            cdw10: *cdw,
            data,
            read_length: usize::try_from(*read_length).unwrap_or(usize::MAX),
            wait: Some(delivery.time_left()),
        };
        let fd = self.node.as_fd();
        let answer = nvme::send_admin(self.io.as_ref(), fd, &command, &self.known, self.own)?;
        Ok(answer.into_reply())
    }

    fn background(&self) -> Option<Background> {
        None
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! A CXL memory device behind the gate: the memdev's typed ioctl, its fwctl child, and RAW where it
//! was built.
//!
//! Replies are hostile; the senders check them, the gate's probes make facts of them.
//!
//! *Invariants*: one command, one path, the one that was judged. The parts of a transfer go in
//! order; the first that fails ends it, and nothing is repeated.
//!
//! *Spec*: `drivers/cxl/core/{mbox,memdev,features}.c @ v7.3`.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use fwgate_gate::device::Around;
use fwgate_gate::{
    Background, Caller, Delivery, Device, Firmware, Generation, Identity, Kernel, Message, NoPath,
    Pace, Recorded, Reply, SubmitError, Whereabouts, transfer,
};
use fwgate_policy::tables::Classes;
use fwgate_policy::{FeatureFacts, Known, Path, PathKind, Protocol, Route};
use fwgate_wire::cxl::cel::CommandEffectsLog;
use fwgate_wire::cxl::features::SupportedFeatures;
use fwgate_wire::cxl::logs::{GetLogRequest, log_uuid};
use fwgate_wire::cxl::opcode::{
    GET_FEATURE, GET_LOG, GET_LSA, GET_SUPPORTED_FEATURES, Opcode, SET_FEATURE,
};
use fwgate_wire::cxl::table;
use zerocopy::FromBytes as _;

use super::labels::Labels;
use super::{OpenError, Reached, access, identity, own};
use crate::discover::{self, Kind, Marks, NodeKind, Roots, Target};
use crate::interface::{self, Names, Place, Senders, Watch};
use crate::path::fwctl::{self, FeatureCommand};
use crate::path::memdev::{self, Commands, IdState, MailboxCommand};
use crate::path::rule::Own;
use crate::path::rule::fwctl::CxlKnown;
use crate::path::{Answer, MAX_PAYLOAD, Refusal};
use crate::sys::fwctl::Node as FwctlNode;
use crate::sys::{Ioctls, Linux};

/// A CXL memory device of this machine.
#[derive(Debug)]
pub struct CxlDevice {
    identity: Identity,
    roots: Roots,
    target: Target,
    marks: Arc<Marks>,
    io: Box<dyn Ioctls>,
    pub(super) memdev: OwnedFd,
    /// What the kernel passes on by typed ids.
    commands: Commands,
    /// The fwctl child, or why there is none to use.
    pub(super) fwctl: Result<FwctlNode, String>,
    payload_max: Option<u32>,
    own: Own,
    seen: Mutex<Seen>,
}

/// Its open nodes; why there is no fwctl node, where there is none.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) memdev: OwnedFd,
    pub(super) fwctl: Result<OwnedFd, String>,
}

/// The most features of a device that are remembered; as many as the gate reads.
const MAX_FEATURES: usize = 4096;

/// What replies told so far, for the kernel's rules in words.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whether the effects log lists Set Feature.
    set_feature: Option<bool>,
    features: Option<Vec<FeatureFacts>>,
}

impl CxlDevice {
    /// Opens it with the kernel's interfaces to it.
    pub(super) fn open(
        roots: &Roots,
        target: &Target,
        marks: Arc<Marks>,
    ) -> Result<Reached, OpenError> {
        let mut memdev = None;
        let mut fwctl = Err("the device has no fwctl node".to_owned());
        for node in target.nodes() {
            match node.kind {
                NodeKind::Memdev => memdev = Some(node.open(roots)?),
                NodeKind::Fwctl => fwctl = node.open(roots).map_err(|error| error.to_string()),
                NodeKind::Nvme | NodeKind::NvmeGeneric | NodeKind::Nvdimm => {}
            }
        }
        let memdev = memdev.ok_or_else(|| OpenError::Answer {
            device: target.name.clone(),
            what: "it has no node of its own".to_owned(),
        })?;
        let nodes = Nodes { memdev, fwctl };
        let device = Arc::new(Self::with(roots, target, marks, nodes, Box::new(Linux))?);
        let interfaces = device.interfaces();
        Ok(Reached { device, interfaces })
    }

    pub(super) fn with(
        roots: &Roots,
        target: &Target,
        marks: Arc<Marks>,
        nodes: Nodes,
        io: Box<dyn Ioctls>,
    ) -> Result<Self, OpenError> {
        let wrong = |what: String| OpenError::Answer { device: target.name.clone(), what };
        let Nodes { memdev, fwctl } = nodes;
        let fwctl = fwctl.and_then(|fd| identify(io.as_ref(), fd));
        let commands = memdev::query_commands(io.as_ref(), memdev.as_fd())
            .map_err(|refusal| wrong(refusal.rule))?;
        let payload_max = match &target.kind {
            Kind::Cxl { memdev, .. } => memdev.payload_max,
            Kind::Nvme(_) | Kind::Fwctl(_) => None,
        };
        Ok(Self {
            identity: identity(target, Protocol::Cxl, Classes::CXL_MEMORY),
            roots: roots.clone(),
            target: target.clone(),
            marks,
            io,
            memdev,
            commands,
            fwctl,
            payload_max,
            own: own(roots),
            seen: Mutex::default(),
        })
    }

    fn interfaces(self: &Arc<Self>) -> Vec<Arc<dyn fwgate_gate::KernelInterface>> {
        let names = Names::new(&self.target.name);
        let nmem = match &self.target.kind {
            Kind::Cxl { memdev, .. } => memdev.nvdimm.as_ref().and_then(|it| it.dimm.clone()),
            Kind::Nvme(_) | Kind::Fwctl(_) => None,
        };
        let names = names.and_then(|names| match nmem {
            Some(nmem) => names.with_nmem(&nmem),
            None => Some(names),
        });
        let Some(names) = names else { return Vec::new() };
        let labels = names.nmem().map(|nmem| Labels::of(&self.roots, nmem));
        let watch = Arc::clone(self) as Arc<dyn Watch>;
        let place = Place::new(self.roots.clone(), names, watch);
        let device = Arc::clone(self);
        let typed = move |delivery: &Delivery<Kernel>| device.send_by_id(&delivery.message);
        let senders = Senders {
            typed: Some(Arc::new(typed)),
            labels: labels.map(|labels| Arc::new(labels) as Arc<dyn interface::LabelArea>),
            ..Senders::default()
        };
        interface::every_interface(&place, &senders).all
    }

    /// The longest payload of the mailbox.
    fn mailbox(&self) -> usize {
        let known = self.payload_max.and_then(|most| usize::try_from(most).ok());
        known.unwrap_or(MAX_PAYLOAD).clamp(256, MAX_PAYLOAD)
    }

    /// Raw sender: by typed id, in parts where it does not fit.
    fn send_by_id(&self, message: &Message) -> Result<Reply, SubmitError> {
        self.in_parts(message, |mailbox| {
            let fd = self.memdev.as_fd();
            memdev::send_typed(self.io.as_ref(), fd, mailbox, Some(&self.commands))
        })
    }

    #[cfg(feature = "raw-commands")]
    fn send_raw(&self, message: &Message) -> Result<Reply, SubmitError> {
        let known = self.raw_known();
        self.in_parts(message, |mailbox| {
            crate::path::raw::send_by_raw(self.io.as_ref(), self.memdev.as_fd(), mailbox, &known)
        })
    }

    #[cfg(feature = "raw-commands")]
    fn raw_known(&self) -> crate::path::rule::memdev::RawKnown {
        let told = |yes: bool| if yes { Known::Yes } else { Known::No };
        let level = crate::host::lockdown(&self.roots).level;
        crate::path::rule::memdev::RawKnown {
            built: told(self.commands.raw_built()),
            locked_down: told(level != fwgate_policy::Lockdown::None),
            allow_all: Known::CannotTell,
        }
    }

    fn in_parts(
        &self,
        message: &Message,
        send: impl Fn(&MailboxCommand<'_>) -> Result<Answer, Refusal>,
    ) -> Result<Reply, SubmitError> {
        let (opcode, payload) = cxl(message)?;
        let parts = transfer::parts(opcode.0, payload, self.mailbox())
            .map_err(|error| not_sent(error.to_string()))?;
        let count = parts.len();
        for (number, part) in (1..).zip(&parts) {
            let mailbox = MailboxCommand {
                command: opcode,
                payload: part,
                room: most(opcode, part).unwrap_or(usize::MAX).min(self.mailbox()),
                payload_max: self.payload_max,
            };
            let answer = send(&mailbox).map_err(|refusal| match SubmitError::from(refusal) {
                // An earlier part has run, whatever became of this one.
                SubmitError::Kernel { rule, .. } | SubmitError::Transport { what: rule, .. }
                    if number > 1 =>
                {
                    let what = format!("part {number} of {count}: {rule}");
                    SubmitError::Transport { what, may_have_run: true }
                }
                other => other,
            })?;
            if number == count || answer.return_code != 0 {
                self.take_note(opcode, payload, &answer);
                return Ok(answer.into_reply());
            }
        }
        Err(not_sent("the command has no part to send".to_owned()))
    }

    /// By fwctl, which divides what does not fit by itself.
    fn send_by_fwctl(&self, delivery: &Delivery<Firmware>) -> Result<Reply, SubmitError> {
        let node = self.fwctl.as_ref().map_err(|why| not_sent(why.clone()))?;
        let (command, payload) = cxl(&delivery.message)?;
        let feature = FeatureCommand { command, payload, scope: delivery.scope };
        let sent = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let set_feature_listed = match seen.set_feature {
                Some(true) => Known::Yes,
                Some(false) => Known::No,
                None => Known::CannotTell,
            };
            let known = CxlKnown { set_feature_listed, features: seen.features.as_deref() };
            fwctl::send_feature(self.io.as_ref(), node, &feature, &known, self.own)
        };
        let answer = sent?;
        self.take_note(command, payload, &answer);
        Ok(answer.into_reply())
    }

    /// Remembers what a reply says of features.
    fn take_note(&self, command: Opcode, payload: &[u8], answer: &Answer) {
        if answer.return_code != 0 {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if command == GET_SUPPORTED_FEATURES {
            let Ok(page) = SupportedFeatures::parse(&answer.payload) else { return };
            let first = payload.get(4..6).is_some_and(|start| start == [0, 0]);
            let features = seen.features.get_or_insert_default();
            if first {
                features.clear();
            }
            for entry in page.entries() {
                let entry = FeatureFacts {
                    uuid: entry.uuid,
                    flags: entry.flags.get(),
                    effects: entry.effects.get(),
                    get_size: entry.get_size.get(),
                    set_size: entry.set_size.get(),
                };
                // Pages are asked for again and again, and a device may tell of others each time.
                if let Some(known) = features.iter_mut().find(|known| known.uuid == entry.uuid) {
                    *known = entry;
                } else if features.len() < MAX_FEATURES {
                    features.push(entry);
                } else {
                    break;
                }
            }
        } else if command == GET_LOG {
            let Ok((request, _)) = GetLogRequest::ref_from_prefix(payload) else { return };
            let Ok(log) = CommandEffectsLog::parse(&answer.payload) else { return };
            if request.uuid == *log_uuid::COMMAND_EFFECTS.as_bytes() {
                let listed = log.entries().iter().any(|row| row.opcode.get() == SET_FEATURE.0);
                seen.set_feature = Some(seen.set_feature.unwrap_or(false) || listed);
            }
        }
    }

    /// How many features are remembered.
    #[cfg(test)]
    pub(super) fn features_seen(&self) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.features.as_ref().map_or(0, Vec::len)
    }

    /// Whether the kernel would let a caller in at a node of this kind.
    fn admits(&self, kind: NodeKind, caller: &Caller) -> bool {
        super::admits(&self.roots, &self.target, kind, caller)
    }

    fn by(&self, kind: PathKind, node: NodeKind, caller: &Caller) -> Path {
        // In band a command that goes on in the background ends in ETIMEDOUT, and cannot be looked at.
        Path { kind, follows_background: false, admits_caller: self.admits(node, caller) }
    }

    /// Why nothing carries this opcode.
    fn no_path(&self, opcode: Opcode) -> NoPath {
        if matches!(opcode, GET_SUPPORTED_FEATURES | GET_FEATURE | SET_FEATURE) {
            let why = match &self.fwctl {
                Err(why) => format!("features go by fwctl only, and {why}"),
                Ok(_) => "features go by fwctl only".to_owned(),
            };
            let fix = "a kernel with CONFIG_FWCTL and CONFIG_CXL_FEATURES, and a device with a \
                       feature that the kernel does not keep for itself: fwgate doctor";
            return NoPath { why, fix: Some(fix.to_owned()) };
        }
        if let Some((row, state)) = self.commands.carrying(opcode) {
            let id = row.id.0;
            let why = match state {
                IdState::Exclusive => format!("a kernel driver keeps memdev id {id} for itself"),
                IdState::Disabled => {
                    format!("the kernel found that the device lacks memdev id {id}")
                }
                IdState::Missing | IdState::Enabled => format!("this kernel has no memdev id {id}"),
            };
            return NoPath { why, fix: None };
        }
        if self.raw_built() {
            let why = format!(
                "no id of the memdev ioctl carries {opcode}, and the kernel keeps it from RAW"
            );
            return NoPath { why, fix: None };
        }
        let why = "in band Linux passes on what has an id of the memdev ioctl, the three feature \
                   commands by fwctl, and else what its RAW takes";
        let fix = if !cfg!(feature = "raw-commands") {
            "none in this build: RAW is a build-time option of fwgate (raw-commands) and of the \
             kernel (CONFIG_CXL_MEM_RAW_COMMANDS)"
        } else {
            "a kernel with CONFIG_CXL_MEM_RAW_COMMANDS that is not locked down"
        };
        NoPath { why: why.to_owned(), fix: Some(fix.to_owned()) }
    }

    /// Whether RAW would be tried: it is in this build and in the kernel.
    fn raw_built(&self) -> bool {
        #[cfg(feature = "raw-commands")]
        let built = self.commands.raw_built();
        #[cfg(not(feature = "raw-commands"))]
        let built = false;
        built
    }

    /// Whether RAW would be tried for this opcode: the kernel keeps some from it.
    #[cfg(feature = "raw-commands")]
    fn raw_carries(&self, opcode: Opcode) -> bool {
        self.raw_built() && !crate::path::rule::memdev::kept_from_raw(opcode)
    }

    /// Whether RAW would be tried for this opcode: not in this build.
    #[cfg(not(feature = "raw-commands"))]
    fn raw_carries(&self, _: Opcode) -> bool {
        self.raw_built()
    }
}

fn identify(io: &dyn Ioctls, fd: OwnedFd) -> Result<FwctlNode, String> {
    let node = fwctl::identify(io, fd).map_err(|refusal| refusal.rule)?;
    match node.device_type() {
        fwgate_wire::fwctl::device_type::CXL => Ok(node),
        other => Err(format!("its fwctl node says that it is of device type {other}, not CXL")),
    }
}

fn cxl(message: &Message) -> Result<(Opcode, &[u8]), SubmitError> {
    match message {
        Message::Cxl { opcode, payload } => Ok((Opcode(*opcode), payload)),
        _ => Err(not_sent("the device speaks CXL only".to_owned())),
    }
}

/// The most bytes of reply that a command can have: what it asks for itself, or what its row says; `None` where neither
/// tells. Not every device says how many it gave (cxl_test's do not), and then the room for them counts.
fn most(opcode: Opcode, payload: &[u8]) -> Option<usize> {
    let at = match opcode {
        GET_LOG => 20,
        GET_LSA => 4,
        _ => {
            let most = table::by_opcode(opcode.0)?.output.max?;
            return usize::try_from(most).ok();
        }
    };
    let length = payload.get(at..).and_then(|rest| rest.first_chunk::<4>())?;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

fn not_sent(what: String) -> SubmitError {
    SubmitError::Transport { what, may_have_run: false }
}

impl Device for CxlDevice {
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
        let mut paths = vec![self.by(PathKind::Memdev, NodeKind::Memdev, caller)];
        if self.fwctl.is_ok() {
            paths.push(self.by(PathKind::Fwctl, NodeKind::Fwctl, caller));
        }
        if self.raw_built() {
            paths.push(self.by(PathKind::Raw, NodeKind::Memdev, caller));
        }
        paths
    }

    fn path(&self, route: Route<'_>, message: &Message, caller: &Caller) -> Result<Path, NoPath> {
        if let Route::Kernel(key) = route {
            // Files of sysfs and debugfs that act are root's; the ioctl is the node's.
            let admits_caller = match key {
                "memdev-scan-media-caps" | "memdev-set-partition" => {
                    self.admits(NodeKind::Memdev, caller)
                }
                _ => access::is_root(caller),
            };
            let kind = PathKind::KernelInterface;
            return Ok(Path { kind, follows_background: true, admits_caller });
        }
        let Message::Cxl { opcode, .. } = message else {
            let why = "the device speaks CXL only".to_owned();
            return Err(NoPath { why, fix: None });
        };
        let opcode = Opcode(*opcode);
        let typed = self.commands.carrying(opcode);
        if typed.is_some_and(|(_, state)| state == IdState::Enabled) {
            return Ok(self.by(PathKind::Memdev, NodeKind::Memdev, caller));
        }
        if matches!(opcode, GET_SUPPORTED_FEATURES | GET_FEATURE | SET_FEATURE) {
            // Never by RAW: the kernel refuses it there, because it would go round fwctl's scopes.
            return match &self.fwctl {
                Ok(_) => Ok(self.by(PathKind::Fwctl, NodeKind::Fwctl, caller)),
                Err(_) => Err(self.no_path(opcode)),
            };
        }
        if typed.is_none() && self.raw_carries(opcode) {
            return Ok(self.by(PathKind::Raw, NodeKind::Memdev, caller));
        }
        Err(self.no_path(opcode))
    }

    fn pace(&self) -> Pace {
        Pace::MayOutlast
    }

    fn payload_limit(&self) -> usize {
        self.mailbox()
    }

    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        match delivery.path.kind {
            PathKind::Memdev => self.send_by_id(&delivery.message),
            PathKind::Fwctl => self.send_by_fwctl(&delivery),
            #[cfg(feature = "raw-commands")]
            PathKind::Raw => self.send_raw(&delivery.message),
            other => Err(not_sent(format!("the device has no path `{}`", other.name()))),
        }
    }

    fn background(&self) -> Option<Background> {
        None
    }
}

impl Watch for CxlDevice {
    fn generation(&self) -> Generation {
        self.marks.observe()
    }

    fn decoder_committed(&self) -> Known {
        discover::around(&self.roots, &self.target).decoder_committed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_for_a_reply_is_what_was_asked_for_or_what_the_command_can_have() {
        let get_log = [[0; 20].as_slice(), &68u32.to_le_bytes()].concat();
        assert_eq!(most(GET_LOG, &get_log), Some(68));
        assert_eq!(most(GET_LSA, &[0, 0, 0, 0, 64, 0, 0, 0]), Some(64));
        assert_eq!(most(GET_LSA, &[0; 7]), None);
        assert_eq!(most(Opcode(0x4000), &[]), Some(69));
        assert_eq!(most(Opcode(0xC000), &[]), None);
    }
}

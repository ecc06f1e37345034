// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device by script, for tests of the road.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fwgate_gate::device::DEFAULT_DEADLINE;
use fwgate_gate::journal::Journal;
use fwgate_gate::{
    Around, Background, Belief, Caller, Device, Firmware, Gate, Generation, Identity, InProcess,
    Message, NoKernel, NoPath, Pace, Recorded, Reply, Request, SubmitError,
};
use fwgate_policy::tables::Classes;
use fwgate_policy::{Path, PathKind, Protocol, Route as Judged, Scope};

/// Command Effects Log, in wire order.
pub(crate) const CEL: [u8; 16] = [
    0x0d, 0xa9, 0xc0, 0xb5, 0xbf, 0x41, 0x4b, 0x78, 0x8f, 0x79, 0x96, 0xb1, 0x62, 0x3b, 0x3f, 0x17,
];

/// What a scripted device does with a vendor command.
pub(crate) type Script = dyn Fn(u16, &[u8]) -> Result<Reply, SubmitError> + Send + Sync;

/// A CXL memory device that answers probes from fields and everything else by script.
pub(crate) struct Scripted {
    pub(crate) identity: Identity,
    pub(crate) firmware: &'static str,
    pub(crate) log: Mutex<Vec<(u16, u16)>>,
    pub(crate) changes: AtomicU64,
    pub(crate) opened: Mutex<String>,
    pub(crate) pace: Pace,
    pub(crate) sent: Mutex<Vec<(u16, Vec<u8>)>>,
    pub(crate) script: Box<Script>,
    /// How long each answer to a probe takes.
    pub(crate) probe_delay: Duration,
    pub(crate) background: Mutex<Option<Background>>,
    pub(crate) around: Mutex<Around>,
    pub(crate) path: Arc<Mutex<Path>>,
}

pub(crate) fn ok(payload: &[u8]) -> Result<Reply, SubmitError> {
    Ok(Reply {
        return_code: 0,
        vendor_status: 0,
        payload: payload.to_vec(),
        background: false,
        belief: Belief::Told,
    })
}

impl Scripted {
    pub(crate) fn new(log: &[(u16, u16)]) -> Self {
        Self {
            identity: Identity {
                name: "emu:test".to_owned(),
                protocol: Protocol::Cxl,
                class: Classes::CXL_MEMORY,
                vendor: 1,
                device: 2,
                emulated: true,
            },
            firmware: "FW 1.0",
            log: Mutex::new(log.to_vec()),
            changes: AtomicU64::new(0),
            opened: Mutex::new("first".to_owned()),
            pace: Pace::KeepsDeadline,
            sent: Mutex::new(Vec::new()),
            script: Box::new(|_, _| ok(&[7])),
            probe_delay: Duration::ZERO,
            background: Mutex::new(None),
            around: Mutex::new(Around::driven_by_nobody()),
            path: Arc::new(Mutex::new(Path {
                kind: PathKind::Emulated,
                follows_background: true,
                admits_caller: true,
            })),
        }
    }

    fn cel(&self) -> Vec<u8> {
        let log = self.log.lock().unwrap();
        log.iter().flat_map(|(op, word)| [op.to_le_bytes(), word.to_le_bytes()].concat()).collect()
    }

    fn answer(&self, opcode: u16, payload: &[u8]) -> Result<Reply, SubmitError> {
        if matches!(opcode, 0x0400 | 0x0401 | 0x4000) {
            std::thread::sleep(self.probe_delay);
        }
        match opcode {
            0x0400 => {
                let mut reply = vec![1, 0, 0, 0, 0, 0, 0, 0];
                reply.extend_from_slice(&CEL);
                reply.extend_from_slice(&u32::try_from(self.cel().len()).unwrap().to_le_bytes());
                ok(&reply)
            }
            0x0401 => {
                let at = |n: usize| u32::from_le_bytes(payload[n..n + 4].try_into().unwrap());
                let (offset, length) = (at(16) as usize, at(20) as usize);
                ok(&self.cel()[offset..offset + length])
            }
            0x4000 => {
                let mut reply = self.firmware.as_bytes().to_vec();
                reply.resize(67, 0);
                ok(&reply)
            }
            _ => {
                self.sent.lock().unwrap().push((opcode, payload.to_vec()));
                (self.script)(opcode, payload)
            }
        }
    }
}

impl Device for Scripted {
    fn identity(&self) -> &Identity {
        &self.identity
    }
    fn observe(&self) -> Generation {
        Generation {
            opened: self.opened.lock().unwrap().clone(),
            changes: self.changes.load(Ordering::SeqCst),
        }
    }
    fn around(&self) -> Around {
        self.around.lock().unwrap().clone()
    }
    fn paths(&self, _: &Caller) -> Vec<Path> {
        vec![*self.path.lock().unwrap()]
    }
    fn path(&self, route: Judged<'_>, _: &Message, _: &Caller) -> Result<Path, NoPath> {
        let path = *self.path.lock().unwrap();
        Ok(match route {
            Judged::Firmware => path,
            Judged::Kernel(_) => Path { kind: PathKind::KernelInterface, ..path },
        })
    }
    fn pace(&self) -> Pace {
        self.pace
    }
    fn payload_limit(&self) -> usize {
        512
    }
    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        match &delivery.message {
            Message::Cxl { opcode, payload } => self.answer(*opcode, payload),
            // A controller that claims no effects log.
            Message::NvmeAdmin { opcode: 0x06, .. } => ok(&[0; 4096]),
            message => self.answer(message.command().opcode(), message.command().payload()),
        }
    }
    fn background(&self) -> Option<Background> {
        *self.background.lock().unwrap()
    }
}

/// A gate over a journal in memory, whose owner is this process.
pub(crate) fn gate() -> Gate {
    gate_over(Journal::in_memory())
}

pub(crate) fn gate_over(journal: Journal) -> Gate {
    let owner = Caller::this_process().uid;
    Gate::new(Arc::new(journal), Arc::new(InProcess::owned_by(owner)), Arc::new(NoKernel))
}

pub(crate) fn request(opcode: u16, scope: Option<Scope>) -> Request<Firmware> {
    Request {
        route: Firmware,
        message: Message::Cxl { opcode, payload: Vec::new() },
        scope,
        caller: Arc::new(Caller::this_process()),
        deadline: DEFAULT_DEADLINE,
    }
}

pub(crate) fn within(deadline: Duration, opcode: u16) -> Request<Firmware> {
    Request { deadline, ..request(opcode, None) }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device whose every answer comes from the input.

use std::sync::Mutex;

use fwgate_gate::{
    Around, Background, Belief, Caller, Device, Firmware, Generation, Identity, Message, NoPath,
    Pace, Recorded, Reply, SubmitError,
};
use fwgate_policy::tables::Classes;
use fwgate_policy::{Path, PathKind, Protocol, Route};

use crate::tape::Tape;

/// Command Effects Log, in wire order.
const CEL: [u8; 16] = [
    0x0d, 0xa9, 0xc0, 0xb5, 0xbf, 0x41, 0x4b, 0x78, 0x8f, 0x79, 0x96, 0xb1, 0x62, 0x3b, 0x3f, 0x17,
];
const PATH: Path = Path { kind: PathKind::Emulated, follows_background: true, admits_caller: true };

/// The device. The first byte says which language it speaks, the next which answers are well formed.
pub(super) struct Hostile {
    identity: Identity,
    honest: u8,
    state: Mutex<State>,
}

struct State {
    bytes: Vec<u8>,
    at: usize,
    submitted: usize,
}

impl State {
    fn answer(&mut self, build: impl FnOnce(&mut Tape<'_>) -> Reply) -> Reply {
        self.submitted += 1;
        let bytes = std::mem::take(&mut self.bytes);
        let left = bytes.get(self.at..).unwrap_or_default();
        let mut tape = Tape::new(left);
        let reply = build(&mut tape);
        self.at = bytes.len() - tape.rest().len();
        self.bytes = bytes;
        reply
    }
}

impl Hostile {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut tape = Tape::new(bytes);
        let (nvme, honest) = (tape.u8() & 3 == 3, tape.u8());
        let state = State { bytes: tape.rest().to_vec(), at: 0, submitted: 0 };
        Self {
            identity: Identity {
                name: "emu:hostile".to_owned(),
                protocol: if nvme { Protocol::NvmeAdmin } else { Protocol::Cxl },
                class: if nvme { Classes::NVME } else { Classes::CXL_MEMORY },
                vendor: 1,
                device: 2,
                emulated: true,
            },
            honest,
            state: Mutex::new(state),
        }
    }

    /// How many commands came.
    pub(super) fn submitted(&self) -> usize {
        self.state.lock().expect("not poisoned").submitted
    }

    /// A reply of the right length, with bytes of its own; so that later probes are reached.
    fn well_formed(&self, message: &Message, tape: &mut Tape<'_>) -> Vec<u8> {
        let (opcode, payload) = match message {
            Message::Cxl { opcode, payload } => (*opcode, payload.as_slice()),
            Message::NvmeAdmin { .. } => {
                let mut page = tape.take(4096).to_vec();
                page.resize(4096, 2);
                return page;
            }
            other => (other.command().opcode(), other.command().payload()),
        };
        let asked = |at: usize| {
            payload
                .get(at..at + 4)
                .map_or(0, |it| u32::from_le_bytes(it.try_into().unwrap_or([0; 4])))
        };
        match opcode {
            0x0400 => {
                let mut reply = vec![1, 0, 0, 0, 0, 0, 0, 0];
                reply.extend_from_slice(&CEL);
                reply.extend_from_slice(&(u32::from(tape.u8()) * 4).to_le_bytes());
                reply
            }
            0x0401 => {
                let length = usize::try_from(asked(20)).unwrap_or(0).min(65_536);
                let mut reply = tape.take(length).to_vec();
                // What is left says that features and firmware can be asked for.
                let more = [0x00, 0x02, 0, 0, 0x00, 0x05, 0, 0, 0x01, 0x05, 0, 0];
                while reply.len() < length {
                    let at = reply.len() % more.len();
                    reply.push(more[at]);
                }
                reply
            }
            0x0500 => {
                let entries = tape.below(4);
                let count = u16::try_from(entries).unwrap_or(0);
                let supported = count.saturating_add(u16::from(tape.u8() & 3));
                let mut reply = [count.to_le_bytes(), supported.to_le_bytes()].concat();
                reply.extend_from_slice(&[0; 4]);
                for _ in 0..entries {
                    reply.extend_from_slice(&tape.bytes::<48>());
                }
                reply
            }
            0x4000 => tape.bytes::<67>().to_vec(),
            _ => tape.piece().to_vec(),
        }
    }
}

impl Device for Hostile {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn observe(&self) -> Generation {
        Generation { opened: "once".to_owned(), changes: 0 }
    }

    fn around(&self) -> Around {
        Around::driven_by_nobody()
    }

    fn paths(&self, _: &Caller) -> Vec<Path> {
        vec![PATH]
    }

    fn path(&self, _: Route<'_>, _: &Message, _: &Caller) -> Result<Path, NoPath> {
        Ok(PATH)
    }

    fn pace(&self) -> Pace {
        Pace::KeepsDeadline
    }

    fn payload_limit(&self) -> usize {
        512
    }

    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let delivery = recorded.release(&self.observe())?;
        let honest = self.honest;
        let message = delivery.message;
        let mut state = self.state.lock().expect("not poisoned");
        let turn = u32::try_from(state.submitted % 8).unwrap_or(0);
        let reply = state.answer(|tape| {
            // A well-formed answer, or any.
            if honest >> turn & 1 == 0 {
                let payload = self.well_formed(&message, tape);
                return reply(0, payload, false);
            }
            let code = if tape.yes() { 0 } else { tape.u16() };
            let background = tape.below(8) == 7;
            reply(code, tape.piece().to_vec(), background)
        });
        match reply.vendor_status {
            0xFFFF => {
                Err(SubmitError::Transport { what: "as asked".to_owned(), may_have_run: true })
            }
            _ => Ok(reply),
        }
    }

    fn background(&self) -> Option<Background> {
        None
    }
}

fn reply(return_code: u16, payload: Vec<u8>, background: bool) -> Reply {
    let vendor_status = if return_code == 0xFFFF { 0xFFFF } else { 0 };
    Reply { return_code, vendor_status, payload, background, belief: Belief::Told }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands in for the kernel's knowledge and for the device below it.
//!
//! *Invariants*: a twin is made from what the real side reports ([`Setting`]); nothing of it is guessed but what is
//! named there.
//!
//! *Not here*: the checks (`fwgate_gate::abi`).

pub mod driver;
pub mod mock;

use fwgate_gate::abi::fwctl::{CxlFeatures, FwctlKernel};
use fwgate_gate::abi::memdev::MemdevKernel;
use fwgate_gate::abi::{Errno, fwctl, memdev};
use fwgate_gate::request::Message;
use fwgate_wire::memdev::CommandId;

use crate::call::{Marks, Outcome};
use mock::Mock;

/// What the kernel knows of an fwctl node.
#[derive(Clone, Debug)]
pub struct FwctlSetting {
    /// FWCTL_INFO's.
    pub device_type: u32,
    /// As the kernel cached them, as far as it shows them.
    pub features: CxlFeatures,
}

/// What the kernel knows of a memory device.
#[derive(Clone, Debug)]
pub struct MemdevSetting {
    /// Which ids are enabled, by number.
    pub enabled: [bool; 25],
    /// Which ids a driver keeps for itself, by number.
    pub exclusive: [bool; 25],
    /// Whether RAW was built.
    pub raw_built: bool,
    /// Whether debugfs lets RAW carry all opcodes.
    pub raw_allow_all: bool,
}

/// Which device is below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Below {
    /// The mock of the kernel's `tools/testing/cxl`.
    Mock,
    /// Any other: its answers are taken from the real side, and only what the kernel makes of them is compared.
    Replayed,
}

/// What is known of caller, host and nodes.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Whether the caller has CAP_SYS_RAWIO.
    pub rawio: bool,
    /// Whether lockdown forbids PCI access, which integrity and confidentiality do.
    pub locked_down: bool,
    /// Bytes of the mailbox's payload.
    pub payload_size: u32,
    /// The fwctl node.
    pub fwctl: Option<FwctlSetting>,
    /// The memory device.
    pub memdev: Option<MemdevSetting>,
    /// The device.
    pub below: Below,
    /// Marks that the host had before.
    pub marks: Marks,
}

impl Setting {
    /// cxl_test as root, on a host without marks.
    #[must_use]
    pub fn cxl_test() -> Self {
        let mut enabled = [false; 25];
        for id in [1, 3, 4, 5, 6, 7, 8, 10, 14] {
            enabled[id] = true;
        }
        let mut exclusive = [false; 25];
        (exclusive[10], exclusive[14]) = (true, true);
        let memdev = MemdevSetting { enabled, exclusive, raw_built: true, raw_allow_all: false };
        let features = CxlFeatures {
            access: fwctl::FeatureAccess::ReadWrite,
            entries: vec![Mock::feature()],
            exclusive: CxlFeatures::kernels_own(),
        };
        Self {
            rawio: true,
            locked_down: false,
            payload_size: 4096,
            fwctl: Some(FwctlSetting { device_type: 2, features }),
            memdev: Some(memdev),
            below: Below::Mock,
            marks: Marks::default(),
        }
    }
}

/// One mailbox command as the kernel's drivers hand it down.
#[derive(Clone, Debug)]
pub struct MailboxCommand {
    /// Opcode.
    pub opcode: u16,
    /// Input.
    pub input: Vec<u8>,
    /// Output, as long as the room when it goes down and as the reply when it comes back.
    pub out: Vec<u8>,
    /// The device's return code.
    pub return_code: u16,
}

impl MailboxCommand {
    /// One that goes down.
    #[must_use]
    pub fn new(opcode: u16, input: Vec<u8>, room: usize) -> Self {
        Self { opcode, input, out: vec![0; room], return_code: 0 }
    }
}

/// The transport: `mbox_send`.
pub trait Mailbox {
    /// Sends it and waits.
    ///
    /// # Errors
    /// The transport's errno. The return code counts all the same.
    fn send(&mut self, command: &mut MailboxCommand) -> Result<(), Errno>;
}

/// The stand-in.
#[derive(Clone, Debug)]
pub struct Twin {
    /// What it was made from.
    pub setting: Setting,
    /// Marks on the host.
    pub marks: Marks,
    /// The mock, where that is below.
    pub mock: Mock,
    features: CxlFeatures,
}

impl Twin {
    /// Made from what is known.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        let features = setting.fwctl.as_ref().map(|it| it.features.clone());
        let features = features.unwrap_or_else(|| CxlFeatures {
            access: fwctl::FeatureAccess::None,
            entries: Vec::new(),
            exclusive: CxlFeatures::kernels_own(),
        });
        Self { marks: setting.marks, mock: Mock::new(setting.payload_size), setting, features }
    }

    /// What becomes of an RPC. `seen` is what the real side did with it, at the caller's output.
    pub fn answer_rpc(&mut self, ask: &fwctl::Ask, seen: Option<Seen>) -> fwctl::Answer {
        let Message::Cxl { payload, .. } = ask.message() else { return fwctl::Answer::Lost };
        if self.setting.below == Below::Replayed {
            return match (seen, ask.kind()) {
                (Some(seen), fwctl::Kind::Get { count })
                    if seen.return_code == 0 && seen.size < count =>
                {
                    fwctl::Answer::Short { payload: seen.bytes }
                }
                (Some(seen), _) => {
                    fwctl::Answer::Done { return_code: seen.return_code, payload: seen.bytes }
                }
                // It could not be written, or nothing was sent; the comparison leaves these bytes out.
                (None, fwctl::Kind::Get { count }) => {
                    fwctl::Answer::Done { return_code: 0, payload: vec![0; count] }
                }
                (None, _) => fwctl::Answer::Done { return_code: 0, payload: Vec::new() },
            };
        }
        let size = self.setting.payload_size;
        match ask.kind() {
            fwctl::Kind::Get { count } => driver::get_feature(&mut self.mock, size, payload, count),
            fwctl::Kind::Set => driver::set_feature(&mut self.mock, size, payload),
            fwctl::Kind::Command => fwctl::Answer::Refused(Errno::INVAL),
        }
    }

    /// What becomes of a send. `seen` is what the real side did with it.
    pub fn answer_send(&mut self, ask: &memdev::Ask, seen: Option<Seen>) -> memdev::Answer {
        let Message::Cxl { opcode, payload } = ask.message() else {
            return memdev::Answer::Errno(Errno::IO);
        };
        if self.setting.below == Below::Replayed {
            return match seen {
                Some(seen) => memdev::Answer::of_pci(seen.return_code, seen.bytes, ask.room()),
                // It could not be written, or nothing was sent; the comparison leaves these bytes out.
                None => memdev::Answer::of_pci(0, vec![0; ask.room() as usize], ask.room()),
            };
        }
        let mut command = MailboxCommand::new(*opcode, payload.clone(), ask.room() as usize);
        match self.mock.send(&mut command) {
            Ok(()) => {
                memdev::Answer::Done { return_code: command.return_code, payload: command.out }
            }
            Err(errno) => memdev::Answer::Errno(errno),
        }
    }
}

/// What the real device answered, as the real side's memory shows it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its return code.
    pub return_code: u16,
    /// How many bytes of output it is said to have.
    pub size: usize,
    /// Its output; of a Get that has none, the eight bytes that are shown all the same.
    pub bytes: Vec<u8>,
}

impl Seen {
    /// Of an RPC whose structure is at `at`. How long the reply was stands in the structure too, which is
    /// written last and so cannot be hidden by an output that lies over it.
    #[must_use]
    pub fn of_rpc(outcome: &Outcome, at: u64, output: u64) -> Option<Self> {
        outcome.returned.ok()?;
        let size = outcome.word(at.wrapping_add(12))?.checked_sub(16)? as usize;
        let return_code = match size {
            0 => outcome.word(output.wrapping_add(4)).unwrap_or_default() as u16,
            _ => 0,
        };
        let shown = if size == 0 { 8 } else { size };
        let bytes = outcome.bytes(output.wrapping_add(8), shown);
        Some(Self { return_code, size, bytes })
    }

    /// Of a send whose structure is at `at`.
    #[must_use]
    pub fn of_send(outcome: &Outcome, at: u64, output: u64) -> Option<Self> {
        outcome.returned.ok()?;
        let return_code = u16::try_from(outcome.word(at.wrapping_add(12))?).ok()?;
        let size = outcome.word(at.wrapping_add(32))? as usize;
        Some(Self { return_code, size, bytes: outcome.bytes(output, size) })
    }
}

impl FwctlKernel for Twin {
    fn registered(&self) -> bool {
        true
    }
    fn capable_rawio(&self) -> bool {
        self.setting.rawio
    }
    fn taint(&mut self) {
        self.marks.fwctl = true;
    }
    fn device_type(&self) -> u32 {
        self.setting.fwctl.as_ref().map_or(0, |it| it.device_type)
    }
    fn info(&self) -> Option<&[u8]> {
        None
    }
    fn features(&self) -> &CxlFeatures {
        &self.features
    }
}

impl Twin {
    fn id(&self, id: CommandId, of: impl Fn(&MemdevSetting) -> &[bool; 25]) -> bool {
        let memdev = self.setting.memdev.as_ref();
        memdev.and_then(|it| of(it).get(id.0 as usize)).copied().unwrap_or(false)
    }
}

impl MemdevKernel for Twin {
    fn present(&self) -> bool {
        true
    }
    fn payload_size(&self) -> u32 {
        self.setting.payload_size
    }
    fn enabled(&self, id: CommandId) -> bool {
        self.id(id, |it| &it.enabled)
    }
    fn exclusive(&self, id: CommandId) -> bool {
        self.id(id, |it| &it.exclusive)
    }
    fn raw_built(&self) -> bool {
        self.setting.memdev.as_ref().is_some_and(|it| it.raw_built)
    }
    fn locked_down(&self) -> bool {
        self.setting.locked_down
    }
    fn raw_allow_all(&self) -> bool {
        self.setting.memdev.as_ref().is_some_and(|it| it.raw_allow_all)
    }
    fn warn_raw(&mut self) {
        self.marks.warned = true;
    }
}

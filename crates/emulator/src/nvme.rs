// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small NVMe controller in software: enough for `info`, `effects` and `lint`.
//!
//! Commands are not trusted.
//!
//! *Invariants*: the effects log (LID 05h) lists exactly the admin commands that are carried out, with what
//! they do; there are no I/O commands. No public method sends a command.
//!
//! *Not here*: queues and doorbells; a controller in software has none.
//!
//! *Spec*: `include/linux/nvme.h @ v7.3`; status values of the same file. Bytes of Identify and of the
//! SMART log that nothing reads are zero.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::VENDOR_ID;
use crate::bytes::{Put as _, range};
use crate::clock::{TimeSource, WallTime};
use crate::device::make_dir;
use crate::executed::Executed;
use crate::store::{BadField, HostError, OpenError, STATE_VERSION, Store, Stored, check_name};

/// Effects dword bits: supported, logical block content, namespace capabilities.
const SUPPORTED: u32 = 1 << 0;
const CONTENT: u32 = 1 << 1;
const NAMESPACE: u32 = 1 << 2;
/// Submission and execution limit 1: no other command to the same namespace.
const ALONE: u32 = 1 << 16;

/// Every admin command that is carried out, with its effects dword.
const COMMANDS: &[(u8, u32)] = &[
    (0x02, SUPPORTED),
    (0x06, SUPPORTED),
    (0x09, SUPPORTED),
    (0x0A, SUPPORTED),
    (0x80, SUPPORTED | CONTENT | NAMESPACE | ALONE),
    (0xC2, SUPPORTED),
];

/// Status field values: status code type in bits 10:8, code in bits 7:0, do not retry in bit 14.
const SUCCESS: u16 = 0;
const INVALID_OPCODE: u16 = 0x4001;
const INVALID_FIELD: u16 = 0x4002;
const INVALID_NAMESPACE: u16 = 0x400B;
const INVALID_LOG_PAGE: u16 = 0x4109;

/// Blocks of 512 bytes in the one namespace.
const BLOCKS: u64 = 1 << 21;
/// Bytes of the vendor's telemetry page, command C2h.
const TELEMETRY: usize = 64;

/// An emulated NVMe controller with one namespace.
#[derive(Debug)]
pub struct EmulatedNvme {
    state: NvmeState,
    store: Store,
    executed: Executed,
    time: Arc<dyn TimeSource>,
}

/// What the controller remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NvmeState {
    version: u32,
    name: String,
    since_us: u64,
    changes: u64,
    temperature_limit: u16,
    formats: u64,
    lba_format: u8,
}

impl Stored for NvmeState {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), BadField> {
        BadField::unless(
            check_name(&self.name).is_ok(),
            "name",
            "expected a device name",
            &self.name,
        )?;
        BadField::unless(self.lba_format <= 1, "lba_format", "expected 0 or 1", self.lba_format)
    }
}

/// One admin command as a caller of the kernel's ioctl states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NvmeCommand<'a> {
    pub(crate) opcode: u8,
    pub(crate) nsid: u32,
    /// CDW10 to CDW15.
    pub(crate) cdw: [u32; 6],
    /// Data to the controller.
    pub(crate) data: &'a [u8],
    /// Bytes of data that the caller has room for.
    pub(crate) room: usize,
}

/// What the controller says to one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NvmeCompletion {
    /// Status field without the phase bit.
    pub(crate) status: u16,
    /// Dword 0 of the completion.
    pub(crate) result: u32,
    /// Data from the controller, at most `room` bytes.
    pub(crate) data: Vec<u8>,
}

impl EmulatedNvme {
    /// Opens the controller of that name in `dir`, or makes it. The files are as those of
    /// [`EmulatedCxl::open`](crate::EmulatedCxl::open).
    ///
    /// # Errors
    /// [`OpenError`]: a wrong name; a file that cannot be used or does not check, with its place.
    pub fn open(dir: &Path, name: &str) -> Result<Self, OpenError> {
        check_name(name)?;
        make_dir(dir)?;
        let time = Arc::new(WallTime::new());
        let store = Store::at(dir, name);
        let found = store.load(name)?;
        Self::build(name, time, store, Executed::open(dir, name)?, found)
    }

    /// A new controller that lives in memory only.
    ///
    /// # Errors
    /// [`OpenError`]: a wrong name.
    pub fn in_memory(name: &str, time: Arc<dyn TimeSource>) -> Result<Self, OpenError> {
        check_name(name)?;
        Self::build(name, time, Store::in_memory(), Executed::in_memory(), None)
    }

    fn build(
        name: &str,
        time: Arc<dyn TimeSource>,
        store: Store,
        executed: Executed,
        found: Option<NvmeState>,
    ) -> Result<Self, OpenError> {
        let fresh = found.is_none();
        let state = found.unwrap_or_else(|| NvmeState {
            version: STATE_VERSION,
            name: name.to_owned(),
            since_us: time.now_us(),
            changes: 0,
            temperature_limit: 0x0157,
            formats: 0,
            lba_format: 0,
        });
        if fresh {
            store.save(&state)?;
        }
        Ok(Self { state, store, executed, time })
    }

    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Power cycles so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state.changes
    }

    /// Commands that it took so far.
    #[must_use]
    pub fn commands_taken(&self) -> u64 {
        self.executed.count()
    }

    /// Switches the controller off and on. Emulator control, not a command.
    ///
    /// # Errors
    /// [`HostError`] when the state cannot be saved.
    pub fn power_cycle(&mut self) -> Result<(), HostError> {
        self.state.since_us = self.time.now_us();
        self.state.changes = self.state.changes.saturating_add(1);
        self.store.save(&self.state)
    }

    /// Carries out one admin command.
    pub(crate) fn execute(
        &mut self,
        command: &NvmeCommand<'_>,
    ) -> Result<NvmeCompletion, HostError> {
        self.executed.append(u16::from(command.opcode), self.time.now_us())?;
        let before = self.state.clone();
        let mut completion = NvmeCompletion::default();
        completion.status = match self.run(command, &mut completion) {
            Ok(()) => SUCCESS,
            Err(status) => {
                completion.data.clear();
                completion.result = 0;
                status
            }
        };
        completion.data.truncate(command.room);
        if self.state != before {
            self.store.save(&self.state)?;
        }
        Ok(completion)
    }

    fn run(&mut self, command: &NvmeCommand<'_>, out: &mut NvmeCompletion) -> Result<(), u16> {
        let [cdw10, cdw11, cdw12, ..] = command.cdw;
        match command.opcode {
            0x02 => {
                // Number of dwords, less one: low half in CDW10, high half in CDW11.
                let dwords = u64::from(cdw10 >> 16) | u64::from(cdw11 & 0xffff) << 16;
                let length = usize::try_from((dwords + 1) * 4).map_err(|_| INVALID_FIELD)?;
                let offset = usize::try_from(cdw12).map_err(|_| INVALID_FIELD)?;
                let page = self.log_page(cdw10 & 0xff)?;
                if offset % 4 != 0 || offset > page.len() {
                    return Err(INVALID_FIELD);
                }
                let shown = length.min(page.len() - offset);
                out.data = range(&page, offset, shown).unwrap_or_default().to_vec();
            }
            0x06 => out.data = self.identify(cdw10 & 0xff, command.nsid)?,
            0x09 => match cdw10 & 0xff {
                0x04 => {
                    self.state.temperature_limit =
                        u16::try_from(cdw11 & 0xffff).map_err(|_| INVALID_FIELD)?;
                }
                _ => return Err(INVALID_FIELD),
            },
            0x0A => match cdw10 & 0xff {
                0x04 => out.result = u32::from(self.state.temperature_limit),
                // Number of queues: one pair, counted from zero.
                0x07 => out.result = 0,
                _ => return Err(INVALID_FIELD),
            },
            0x80 => {
                if command.nsid != 1 && command.nsid != u32::MAX {
                    return Err(INVALID_NAMESPACE);
                }
                let format = u8::try_from(cdw10 & 0xf).map_err(|_| INVALID_FIELD)?;
                if format > 1 {
                    return Err(INVALID_FIELD);
                }
                self.state.lba_format = format;
                self.state.formats = self.state.formats.saturating_add(1);
            }
            0xC2 => out.data = self.telemetry(),
            _ => return Err(INVALID_OPCODE),
        }
        Ok(())
    }

    fn identify(&self, structure: u32, nsid: u32) -> Result<Vec<u8>, u16> {
        let mut page = Page::new(4096);
        match structure {
            0x00 if nsid == 1 => {
                let shift = if self.state.lba_format == 0 { 0 } else { 3 };
                for at in [0, 8, 16] {
                    page.write(at, &(BLOCKS >> shift).to_le_bytes());
                }
                // Two formats, counted from zero: 512 bytes and 4 KiB.
                page.write(25, &[1, self.state.lba_format]);
                page.write(128, &[0, 0, 9, 0, 0, 0, 12, 0]);
            }
            0x00 => return Err(INVALID_NAMESPACE),
            0x01 => {
                page.write(0, &VENDOR_ID.to_le_bytes());
                page.write(2, &VENDOR_ID.to_le_bytes());
                page.text(4, &format!("FWGT-{}", self.state.name), 20);
                page.text(24, "fwgate emulated NVMe", 40);
                page.text(64, "FWGT 1.0", 8);
                // Controller id, version 1.4.
                page.write(78, &1_u16.to_le_bytes());
                page.write(80, &0x0001_0400_u32.to_le_bytes());
                // Optional admin commands: Format NVM.
                page.write(256, &0x0002_u16.to_le_bytes());
                // One firmware slot, read only. Log page attributes: effects log, extended data.
                page.write(260, &[0x03, 0x06, 0]);
                // Warning and critical temperature, kelvin.
                page.write(266, &0x0157_u16.to_le_bytes());
                page.write(268, &0x0166_u16.to_le_bytes());
                page.write(512, &[0x66, 0x44]);
                page.write(516, &1_u32.to_le_bytes());
                page.text(768, &format!("nqn.2026-01.io.fwgate:{}", self.state.name), 0);
            }
            // Active namespaces above `nsid`.
            0x02 => {
                if nsid == 0 {
                    page.write(0, &1_u32.to_le_bytes());
                }
            }
            _ => return Err(INVALID_FIELD),
        }
        Ok(page.0)
    }

    fn log_page(&self, page: u32) -> Result<Vec<u8>, u16> {
        match page {
            0x01 => Ok(vec![0; 64]),
            0x02 => {
                let mut smart = Page::new(512);
                // Warning bits, temperature in kelvin, spare, spare threshold, used.
                smart.write(1, &313_u16.to_le_bytes());
                smart.write(3, &[100, 10, 1]);
                smart.write(112, &1_u64.saturating_add(self.state.changes).to_le_bytes());
                let hours = self.uptime_us() / 3_600_000_000;
                smart.write(128, &hours.to_le_bytes());
                smart.write(200, &313_u16.to_le_bytes());
                Ok(smart.0)
            }
            0x03 => {
                let mut slots = Page::new(512);
                slots.write(0, &[1]);
                slots.text(8, "FWGT 1.0", 8);
                Ok(slots.0)
            }
            0x05 => {
                let mut log = Page::new(4096);
                for (opcode, effects) in COMMANDS {
                    log.write(usize::from(*opcode) * 4, &effects.to_le_bytes());
                }
                Ok(log.0)
            }
            _ => Err(INVALID_LOG_PAGE),
        }
    }

    /// Magic `FWGT`, u32 version 1, u64 uptime in microseconds, u64 commands taken, u64 formats; the rest
    /// is zero.
    fn telemetry(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(TELEMETRY);
        out.put(b"FWGT");
        out.put_u32(1);
        out.put_u64(self.uptime_us());
        out.put_u64(self.executed.count());
        out.put_u64(self.state.formats);
        out.resize(TELEMETRY, 0);
        out
    }

    fn uptime_us(&self) -> u64 {
        self.time.now_us().saturating_sub(self.state.since_us)
    }
}

/// A page of a fixed size.
struct Page(Vec<u8>);

impl Page {
    fn new(size: usize) -> Self {
        Self(vec![0; size])
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if let Some(room) = crate::bytes::range_mut(&mut self.0, at, bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// Text, filled with spaces up to `width` as Identify has it.
    fn text(&mut self, at: usize, text: &str, width: usize) {
        let padded = format!("{text:width$}");
        let kept = if width == 0 { padded.len() } else { width };
        self.write(at, padded.as_bytes().get(..kept).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualTime;
    use fwgate_wire::nvme::EffectsLog;

    fn controller() -> EmulatedNvme {
        EmulatedNvme::in_memory("nvme0", Arc::new(ManualTime::new(1_000_000))).unwrap()
    }

    fn admin(device: &mut EmulatedNvme, opcode: u8, cdw10: u32, nsid: u32) -> NvmeCompletion {
        let cdw = [cdw10, 0, 0, 0, 0, 0];
        device.execute(&NvmeCommand { opcode, nsid, cdw, data: &[], room: 4096 }).unwrap()
    }

    fn log(device: &mut EmulatedNvme, page: u32, bytes: u32) -> NvmeCompletion {
        admin(device, 0x02, page | (bytes / 4 - 1) << 16, 0)
    }

    #[test]
    fn the_effects_log_lists_what_is_carried_out_and_nothing_else() {
        let mut device = controller();
        let page = log(&mut device, 0x05, 4096).data;
        let _parses = EffectsLog::parse(&page).unwrap();
        for opcode in 0..=u8::MAX {
            let at = usize::from(opcode) * 4;
            let dword = u32::from_le_bytes(page[at..at + 4].try_into().unwrap());
            let done = admin(&mut device, opcode, 0, 1).status != INVALID_OPCODE;
            assert_eq!(dword & 1 == 1, done, "{opcode:02x}");
        }
        assert!(page[1024..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn the_judge_finds_the_log_credible() {
        use fwgate_policy::lint::is_credible;
        use fwgate_policy::tables::Classes;
        use fwgate_policy::{Facts, Protocol, Reported, ReportedRow, Surroundings, Tables};

        let facts = Facts {
            class: Classes::NVME,
            vendor: VENDOR_ID,
            device: crate::NVME_DEVICE_ID,
            firmware: b"FWGT 1.0",
            reported: Reported::default(),
            credible: false,
            features: None,
            logs: None,
            surroundings: Surroundings::DRIVEN_BY_NOBODY,
            operations: None,
            inner: &[],
        };
        let row =
            |(opcode, word): &(u8, u32)| ReportedRow { opcode: u16::from(*opcode), word: *word };
        let rows: Vec<_> = COMMANDS.iter().map(row).collect();
        assert!(is_credible(Protocol::NvmeAdmin, &rows, &facts, &Tables::BUILTIN));
    }

    #[test]
    fn identify_names_the_emulators_own_vendor() {
        let mut device = controller();
        let page = admin(&mut device, 0x06, 1, 0).data;
        assert_eq!(page.len(), 4096);
        assert_eq!(page[0..2], [0xF0, 0xFF]);
        assert_eq!(&page[24..64], b"fwgate emulated NVMe                    ");
        assert_eq!(&page[64..72], b"FWGT 1.0");
        assert_eq!(page[261] & 2, 2, "it says that it has the effects log");
        assert_eq!(admin(&mut device, 0x06, 0x77, 0).status, INVALID_FIELD);
    }

    #[test]
    fn a_format_changes_the_namespace_and_is_counted() {
        let mut device = controller();
        assert_eq!(admin(&mut device, 0x80, 1, 2).status, INVALID_NAMESPACE);
        assert_eq!(admin(&mut device, 0x80, 1, 1).status, SUCCESS);
        assert_eq!(admin(&mut device, 0xC2, 0, 0).data[24], 1);
        let namespace = admin(&mut device, 0x06, 0, 1).data;
        assert_eq!(namespace[0..8], (BLOCKS >> 3).to_le_bytes());
        assert_eq!(namespace[26], 1);
    }

    #[test]
    fn log_pages_are_cut_to_what_was_asked_and_to_the_room() {
        let mut device = controller();
        assert_eq!(log(&mut device, 0x02, 512).data.len(), 512);
        assert_eq!(log(&mut device, 0x02, 16).data.len(), 16);
        assert_eq!(log(&mut device, 0x03, 4096).data.len(), 512);
        assert_eq!(log(&mut device, 0x99, 64).status, INVALID_LOG_PAGE);
        let cdw = [0x05 | 0xffff << 16, 0xffff, 4000, 0, 0, 0];
        let command = NvmeCommand { opcode: 2, cdw, room: 50, ..NvmeCommand::default() };
        assert_eq!(device.execute(&command).unwrap().data.len(), 50);
    }

    #[test]
    fn state_outlives_the_process_and_a_wrong_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut device = EmulatedNvme::open(dir.path(), "nvme0").unwrap();
        assert_eq!(admin(&mut device, 0x80, 1, 1).status, SUCCESS);
        drop(device);
        let mut device = EmulatedNvme::open(dir.path(), "nvme0").unwrap();
        assert_eq!(device.commands_taken(), 1);
        assert_eq!(admin(&mut device, 0x06, 0, 1).data[26], 1);
        let path = dir.path().join("nvme0.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"lba_format\":1", "\"lba_format\":9")).unwrap();
        let error = EmulatedNvme::open(dir.path(), "nvme0").unwrap_err().to_string();
        assert!(error.ends_with("`lba_format` is 9, expected 0 or 1"), "{error}");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is read of a device before anything can be judged: a closed list of reads.
//!
//! A probe goes the same road as everything else, as caller `fwgate`, under the rule that is
//! compiled in here: only these messages exist, and each is a read that the specification
//! describes. One journal record stands for all probes of one opening. A device that does not
//! claim a log is not asked for it.
//!
//! Replies are hostile: sizes are clamped, loops are bounded, and what does not add up is an error
//! that names the probe. Facts are whole or not there.
//!
//! *Spec*: `docs/specification.md`; the order is that of `cxl_pci_probe` in
//! `drivers/cxl/pci.c @ v7.3`.

use core::fmt;

use fwgate_policy::{FeatureFacts, Protocol, ReportedRow, Scope};
use fwgate_wire::FormatError;
use fwgate_wire::cxl::cel::CommandEffectsLog;
use fwgate_wire::cxl::features::{
    GetFeatureRequest, GetSupportedFeaturesRequest, SupportedFeatures,
};
use fwgate_wire::cxl::firmware::FirmwareInfo;
use fwgate_wire::cxl::identify::IdentifyMemoryDeviceResponse;
use fwgate_wire::cxl::logs::{GetLogRequest, SupportedLogs, log_uuid};
use fwgate_wire::fwctl::bnxt;
use fwgate_wire::nvme::effects_log::EffectsLog;
use uuid::Uuid;
use zerocopy::{FromBytes, IntoBytes};

use crate::device::{Device, SubmitError, Told};
use crate::facts::Readings;
use crate::request::Message;

/// The longest effects log that is read: one row for every opcode.
const MAX_LOG: u32 = 65_536 * 4;
/// The most features that are read.
const MAX_FEATURES: u16 = 4096;
/// The most operations of pds's firmware that are kept: more than fit the page that the driver reads.
const MAX_OPERATIONS: usize = 4096;
/// NVMe: all namespaces.
const NSID_ALL: u32 = 0xFFFF_FFFF;

/// One read that the gate may send in its own name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// CXL 0400h.
    SupportedLogs,
    /// CXL 0401h for the Command Effects Log.
    EffectsLog {
        /// First byte.
        offset: u32,
        /// Bytes.
        length: u32,
    },
    /// CXL 4000h.
    Identify,
    /// CXL 0200h, only where the log lists it.
    FirmwareInfo,
    /// CXL 0500h, only where the log lists it.
    Features {
        /// First feature.
        start: u16,
        /// Bytes of reply.
        count: u32,
    },
    /// CXL 0501h: the current value of a feature that was just set.
    ReadBack {
        /// Which feature.
        uuid: [u8; 16],
        /// First byte.
        offset: u16,
        /// Bytes.
        count: u16,
    },
    /// NVMe 06h, CNS 01h.
    NvmeIdentifyController,
    /// NVMe 02h, LID 05h, only where Identify claims it.
    NvmeEffectsLog,
    /// bnxt VER_GET.
    BnxtVersion,
}

impl Probe {
    /// The probe's name, for records and errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SupportedLogs => "supported logs",
            Self::EffectsLog { .. } => "command effects log",
            Self::Identify => "identify",
            Self::FirmwareInfo => "firmware info",
            Self::Features { .. } => "supported features",
            Self::ReadBack { .. } => "feature as it is now",
            Self::NvmeIdentifyController => "identify controller",
            Self::NvmeEffectsLog => "commands supported and effects log",
            Self::BnxtVersion => "firmware version",
        }
    }

    /// The scope that it is sent with.
    pub(crate) const fn scope(self) -> Scope {
        match self {
            // The kernel's driver asks this of it.
            Self::BnxtVersion => Scope::DebugRead,
            _ => Scope::Configuration,
        }
    }

    /// The only bytes that this probe can send.
    pub(crate) fn message(self) -> Message {
        let cxl = |opcode, payload: &[u8]| Message::Cxl { opcode, payload: payload.to_vec() };
        let nvme_read = |opcode, nsid, cdw10, read_length| Message::NvmeAdmin {
            opcode,
            nsid,
            cdw: [cdw10, 0, 0, 0, 0, 0],
            data: Vec::new(),
            read_length,
        };
        match self {
            Self::SupportedLogs => cxl(0x0400, &[]),
            Self::EffectsLog { offset, length } => {
                let request = GetLogRequest::new(log_uuid::COMMAND_EFFECTS, offset, length);
                cxl(0x0401, request.as_bytes())
            }
            Self::Identify => cxl(0x4000, &[]),
            Self::FirmwareInfo => cxl(0x0200, &[]),
            Self::Features { start, count } => {
                cxl(0x0500, GetSupportedFeaturesRequest::new(count, start).as_bytes())
            }
            Self::ReadBack { uuid, offset, count } => {
                let request = GetFeatureRequest::new(Uuid::from_bytes(uuid), offset, count, 0);
                cxl(0x0501, request.as_bytes())
            }
            Self::NvmeIdentifyController => nvme_read(0x06, 0, 0x01, 4096),
            // LID 05h; NUMDL, zero-based dwords, in bits 31:16.
            Self::NvmeEffectsLog => nvme_read(0x02, NSID_ALL, 0x03FF_0005, 4096),
            // The interface that the kernel's headers describe: 1.10.3.
            Self::BnxtVersion => Message::Bnxt {
                req_type: bnxt::VER_GET,
                target_id: bnxt::OWN_FUNCTION,
                payload: vec![1, 10, 3, 0, 0, 0, 0, 0],
            },
        }
    }
}

/// Why the facts of a device could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeError {
    /// At which probe.
    pub probe: Probe,
    /// Why.
    pub cause: ProbeCause,
}

/// Why a probe failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProbeCause {
    /// No path of the machine carries it.
    NoPath(String),
    /// No reply.
    Submit(SubmitError),
    /// The device answered with an error.
    ReturnCode(u16),
    /// The reply is not what it has to be.
    Format(FormatError),
    /// The reply contradicts an earlier one.
    Contradiction(String),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the device's {}: ", self.probe.name())?;
        match &self.cause {
            ProbeCause::NoPath(why) => write!(f, "no path carries it: {why}"),
            ProbeCause::Submit(error) => write!(f, "{error}"),
            ProbeCause::ReturnCode(code) => write!(f, "the device answered {code:#06X}"),
            ProbeCause::Format(error) => write!(f, "{error}"),
            ProbeCause::Contradiction(what) => write!(f, "{what}"),
        }
    }
}

impl core::error::Error for ProbeError {}

/// The probe that a device of this protocol is asked first; `None` where it is asked nothing.
///
/// mlx5 has no read that tells its firmware's revision without a register; pds's firmware is asked by
/// the kernel's driver, and user space cannot see the answer (ADR 0014).
pub(crate) const fn first(protocol: Protocol) -> Option<Probe> {
    match protocol {
        Protocol::Cxl => Some(Probe::SupportedLogs),
        Protocol::NvmeAdmin | Protocol::NvmeIo => Some(Probe::NvmeIdentifyController),
        Protocol::Bnxt => Some(Probe::BnxtVersion),
        Protocol::Mlx5 | Protocol::Pds => None,
    }
}

/// What is known of a device without asking it anything.
pub(crate) fn told(device: &dyn Device) -> Readings {
    let Told { firmware, mut operations } = device.told();
    if let Some(operations) = &mut operations {
        operations.truncate(MAX_OPERATIONS);
    }
    Readings { firmware, operations, ..Readings::default() }
}

/// How a probe is sent: by the gate, which records it first.
pub(crate) type Send<'s> = dyn FnMut(Probe) -> Result<Vec<u8>, ProbeError> + 's;

/// Reads all facts of a device.
pub(crate) fn read(device: &dyn Device, send: &mut Send<'_>) -> Result<Readings, ProbeError> {
    match device.identity().protocol {
        Protocol::Cxl => read_cxl(device.payload_limit(), send),
        Protocol::NvmeAdmin | Protocol::NvmeIo => read_nvme(send),
        Protocol::Bnxt => read_bnxt(send),
        Protocol::Mlx5 | Protocol::Pds => Ok(told(device)),
    }
}

fn read_bnxt(send: &mut Send<'_>) -> Result<Readings, ProbeError> {
    let probe = Probe::BnxtVersion;
    let reply = send(probe)?;
    let version = bnxt::Version::parse(&reply)
        .map_err(|error| ProbeError { probe, cause: ProbeCause::Format(error) })?;
    let [a, b, c, d] = version.0;
    Ok(Readings { firmware: format!("{a}.{b}.{c}.{d}").into_bytes(), ..Readings::default() })
}

fn read_cxl(limit: usize, send: &mut Send<'_>) -> Result<Readings, ProbeError> {
    let reply = send(Probe::SupportedLogs)?;
    let format = |probe| move |error| ProbeError { probe, cause: ProbeCause::Format(error) };
    let supported = SupportedLogs::parse(&reply).map_err(format(Probe::SupportedLogs))?;
    let logs: Vec<[u8; 16]> = supported.entries().iter().map(|entry| entry.uuid).collect();
    let size = supported.find(log_uuid::COMMAND_EFFECTS).map_or(0, |entry| entry.size.get());
    let bytes = read_log(size, limit, send)?;
    let whole = Probe::EffectsLog { offset: 0, length: size };
    let log = CommandEffectsLog::parse(&bytes).map_err(format(whole))?;
    let log: Vec<ReportedRow> = log
        .entries()
        .iter()
        .map(|row| ReportedRow { opcode: row.opcode.get(), word: u32::from(row.effects.get()) })
        .collect();
    let lists = |opcode| log.iter().any(|row| row.opcode == opcode);

    let reply = send(Probe::Identify)?;
    let identity = IdentifyMemoryDeviceResponse::parse(&reply).map_err(format(Probe::Identify))?;
    let mut firmware = identity.identity().firmware_revision().to_vec();
    let active = if lists(0x0200) { reachable(active_firmware(send))?.flatten() } else { None };
    if let Some(active) = active {
        firmware = active;
    }
    let listed = lists(0x0500) && lists(0x0501);
    let features = if listed { reachable(read_features(limit, send))? } else { None };
    Ok(Readings { firmware, log, features, logs: Some(logs), ..Readings::default() })
}

/// What was read, or `None` where this machine has no path for the read; the device's facts can do
/// without it then.
fn reachable<T>(read: Result<T, ProbeError>) -> Result<Option<T>, ProbeError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(ProbeError { cause: ProbeCause::NoPath(_), .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The active slot's revision; a device that names no active slot has what Identify says.
fn active_firmware(send: &mut Send<'_>) -> Result<Option<Vec<u8>>, ProbeError> {
    let reply = send(Probe::FirmwareInfo)?;
    let Ok((info, _)) = FirmwareInfo::ref_from_prefix(&reply) else {
        let (need, have) = (size_of::<FirmwareInfo>(), reply.len());
        let what = format!("at least {need} bytes expected, {have} came");
        let cause = ProbeCause::Contradiction(what);
        return Err(ProbeError { probe: Probe::FirmwareInfo, cause });
    };
    Ok(info.revision(info.active_slot()).map(<[u8]>::to_vec))
}

fn read_log(size: u32, limit: usize, send: &mut Send<'_>) -> Result<Vec<u8>, ProbeError> {
    let piece = u32::try_from(limit).unwrap_or(u32::MAX).max(4);
    let mut bytes = Vec::new();
    let mut offset = 0u32;
    if size > MAX_LOG {
        let probe = Probe::EffectsLog { offset: 0, length: size };
        let what = format!("the device claims a log of {size} bytes; {MAX_LOG} is the most");
        return Err(ProbeError { probe, cause: ProbeCause::Contradiction(what) });
    }
    while offset < size {
        let length = size.saturating_sub(offset).min(piece);
        let probe = Probe::EffectsLog { offset, length };
        let reply = send(probe)?;
        if u32::try_from(reply.len()) != Ok(length) {
            let what = format!("{length} bytes asked for at {offset}, {} came", reply.len());
            return Err(ProbeError { probe, cause: ProbeCause::Contradiction(what) });
        }
        bytes.extend_from_slice(&reply);
        offset = offset.saturating_add(length);
    }
    Ok(bytes)
}

fn read_features(limit: usize, send: &mut Send<'_>) -> Result<Vec<FeatureFacts>, ProbeError> {
    let count = u32::try_from(limit).unwrap_or(u32::MAX);
    let mut features = Vec::new();
    let mut start = 0u16;
    loop {
        let probe = Probe::Features { start, count };
        let reply = send(probe)?;
        let fail = |cause| ProbeError { probe, cause };
        let page =
            SupportedFeatures::parse(&reply).map_err(|error| fail(ProbeCause::Format(error)))?;
        let supported = page.supported();
        if supported > MAX_FEATURES {
            let what =
                format!("the device claims {supported} features; {MAX_FEATURES} is the most");
            return Err(fail(ProbeCause::Contradiction(what)));
        }
        features.extend(page.entries().iter().map(|entry| FeatureFacts {
            uuid: entry.uuid,
            flags: entry.flags.get(),
            effects: entry.effects.get(),
            get_size: entry.get_size.get(),
            set_size: entry.set_size.get(),
        }));
        let read = u16::try_from(features.len()).unwrap_or(u16::MAX);
        if read >= supported {
            return Ok(features);
        }
        if page.entries().is_empty() {
            let what = format!("{read} of {supported} features came, then none");
            return Err(fail(ProbeCause::Contradiction(what)));
        }
        start = read;
    }
}

fn read_nvme(send: &mut Send<'_>) -> Result<Readings, ProbeError> {
    let probe = Probe::NvmeIdentifyController;
    let reply = send(probe)?;
    let short = |probe, have: usize| ProbeError {
        probe,
        cause: ProbeCause::Contradiction(format!("4096 bytes asked for, {have} came")),
    };
    let Some(page) = reply.get(..4096) else { return Err(short(probe, reply.len())) };
    // Firmware Revision: bytes 71:64. Log Page Attributes: byte 261, bit 1 claims LID 05h.
    let firmware = page.get(64..72).unwrap_or_default().trim_ascii_end().to_vec();
    let claims_log = page.get(261).is_some_and(|attributes| attributes & 0x02 != 0);
    let (mut log, mut io_log) = (Vec::new(), Vec::new());
    if claims_log {
        let probe = Probe::NvmeEffectsLog;
        let reply = send(probe)?;
        let (effects, _) =
            EffectsLog::ref_from_prefix(&reply).map_err(|_| short(probe, reply.len()))?;
        log = nvme_rows(&effects.admin);
        io_log = nvme_rows(&effects.io);
    }
    Ok(Readings { firmware, log, io_log, ..Readings::default() })
}

/// The rows of one half of the log that are not all zero, by opcode.
#[must_use]
pub fn nvme_rows(half: &[zerocopy::little_endian::U32; 256]) -> Vec<ReportedRow> {
    (0u16..256)
        .zip(half)
        .map(|(opcode, word)| ReportedRow { opcode, word: word.get() })
        .filter(|row| row.word != 0)
        .collect()
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes into the journal: one body a decision, one an outcome, one a probe.
//!
//! *Invariants*: payload bytes are stored only for rows that the tables mark loggable; of
//! everything else the length and a keyed digest, and of opaque payloads and secrets the length alone: what
//! only the device knows, passphrases, carried commands, features of a vendor. Replies are never
//! stored. Numbers and names are; text from a device is cleaned and cut. A body fits the journal
//! whatever the caller is.
//!
//! *Not here*: framing and chain (`journal`).

use fwgate_policy::tables::JudgedBy;
use fwgate_policy::{Class, Effects, Protocol, Tables};
use fwgate_wire::cxl::features::feature_uuid;
use fwgate_wire::fwctl::mlx5;
use serde::Serialize;
use uuid::Uuid;

use crate::caller::Caller;
use crate::device::{Background, Identity, Whereabouts};
use crate::explain::Explanation;
use crate::names;
use crate::request::Message;
use crate::text;

/// The most characters of a device's name that are recorded and shown.
const MAX_NAME: usize = 256;
/// Commands whose payload is a secret by what they are, where no effect says so: CXL and NVMe
/// Security Send, and NVMe's Fabrics commands, of which one is Authentication Send; what goes into
/// bnxt's settings, flash and debug tokens, and what is written to mlx5's registers.
const SECRETS: [(Protocol, u16); 11] = [
    (Protocol::Cxl, 0x4600),
    (Protocol::NvmeAdmin, 0x81),
    (Protocol::NvmeAdmin, 0x7F),
    (Protocol::Mlx5, mlx5::ACCESS_REG),
    (Protocol::Mlx5, mlx5::ACCESS_REGISTER_USER),
    (Protocol::Bnxt, 0xFF30),
    (Protocol::Bnxt, 0xFFF2),
    (Protocol::Bnxt, 0xFFF4),
    (Protocol::Bnxt, 0xFFFE),
    (Protocol::Bnxt, 0xFFFF),
    (Protocol::Bnxt, 0x00CA),
];

/// Which device, as it is written in records and in output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DeviceRecord {
    /// The name that users give.
    pub name: String,
    /// The language it speaks.
    pub protocol: &'static str,
    /// PCI vendor and device id, in hexadecimal.
    pub pci: String,
    /// Firmware revision, cleaned.
    pub firmware: String,
    /// Whether it is in software.
    pub emulated: bool,
    /// Whether its effects log is believed.
    pub credible: bool,
    /// Serial number, by its own claim, cleaned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Address on its bus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl DeviceRecord {
    /// The record of a device whose firmware and log were read.
    #[must_use]
    pub fn new(
        identity: &Identity,
        whereabouts: &Whereabouts,
        firmware: &[u8],
        credible: bool,
    ) -> Self {
        let line = |text: &Option<String>| text.as_deref().map(|it| text::line(it, MAX_NAME));
        Self {
            name: text::line(&identity.name, MAX_NAME),
            protocol: identity.protocol.name(),
            pci: format!("{:04x}:{:04x}", identity.vendor, identity.device),
            firmware: text::clean(firmware, 64),
            emulated: identity.emulated,
            credible,
            serial: line(&whereabouts.serial),
            address: line(&whereabouts.address),
        }
    }
}

/// Which command, as it is written in records and in output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CommandRecord {
    /// The language it is in.
    pub protocol: &'static str,
    /// Opcode, such as `0xC001`.
    pub opcode: String,
    /// Name, where a table has one.
    pub name: Option<String>,
    /// The selector's bytes, in hexadecimal.
    pub selector: Option<String>,
    /// NVMe: namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nsid: Option<u32>,
    /// NVMe: command dwords 10 to 15; not of an opaque command, whose dwords are a payload as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdw: Option<[u32; 6]>,
    /// mlx5: modifier of the opcode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_mod: Option<u16>,
    /// bnxt: whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_id: Option<u16>,
    /// pds: endpoint of the firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<u32>,
    /// pds: operation, whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<u32>,
    /// Payload length, in bytes.
    pub length: usize,
}

impl CommandRecord {
    /// The record of a command of this class.
    #[must_use]
    pub fn new(message: &Message, class: &Class<'_>) -> Self {
        let command = message.command();
        let (protocol, opcode) = (command.protocol(), command.opcode());
        let name = names::opcode(protocol, opcode).or(class.operation);
        let plain = Self {
            protocol: protocol.name(),
            opcode: names::code(protocol, opcode),
            name: name.map(|name| text::clean(name.as_bytes(), 64)),
            selector: class.selector.map(|selector| text::hex(selector.as_bytes())),
            nsid: None,
            cdw: None,
            op_mod: None,
            target_id: None,
            endpoint: None,
            operation: None,
            length: command.payload().len(),
        };
        match message {
            Message::Cxl { .. } => plain,
            Message::NvmeAdmin { nsid, cdw, .. } => {
                Self { nsid: Some(*nsid), cdw: (!class.opaque).then_some(*cdw), ..plain }
            }
            Message::Mlx5 { op_mod, .. } => Self { op_mod: Some(*op_mod), ..plain },
            Message::Bnxt { target_id, .. } => Self { target_id: Some(*target_id), ..plain },
            Message::Pds { endpoint, operation, .. } => {
                Self { endpoint: Some(*endpoint), operation: Some(*operation), ..plain }
            }
        }
    }
}

/// What of a payload may be stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadRecord {
    /// The bytes, in hexadecimal: the row is marked loggable.
    Bytes(String),
    /// A keyed digest: tells equal payloads apart from others, to who has the key.
    Digest(String),
    /// Nothing but the length: it may hold a secret.
    Withheld,
}

impl PayloadRecord {
    /// What may be stored of this message's payload.
    #[must_use]
    pub fn of(
        message: &Message,
        class: &Class<'_>,
        tables: &Tables<'_>,
        digest: impl FnOnce(&[u8]) -> [u8; 32],
    ) -> Self {
        let command = message.command();
        let of = (command.protocol(), command.opcode());
        let withheld = class.opaque
            || class.effective.contains(Effects::SECURITY_STATE)
            || SECRETS.contains(&of)
            || carries(class)
            || sets_a_vendors_feature(class);
        match tables.floor(of.0, of.1) {
            Some(row) if row.loggable && !withheld => {
                let head = command.payload().get(..256).unwrap_or(command.payload());
                Self::Bytes(text::hex(head))
            }
            Some(_) if !withheld => Self::Digest(text::hex(&digest(command.payload()))),
            _ => Self::Withheld,
        }
    }
}

/// Whether another command is in the payload, which may be any.
fn carries(class: &Class<'_>) -> bool {
    class.carries.is_some() || class.judged_by == Some(JudgedBy::CarriedCommand)
}

/// Whether a feature is set of which only the device says what it is.
fn sets_a_vendors_feature(class: &Class<'_>) -> bool {
    class.protocol == Protocol::Cxl
        && class.judged_by == Some(JudgedBy::Feature)
        && class
            .selector
            .and_then(|uuid| Uuid::from_slice(uuid.as_bytes()).ok())
            .is_none_or(|uuid| feature_uuid::name(uuid).is_none())
}

/// Body of a `decision`.
#[derive(Debug, Serialize)]
pub(crate) struct DecisionBody<'r> {
    pub(crate) caller: &'r Caller,
    pub(crate) device: &'r DeviceRecord,
    pub(crate) command: &'r CommandRecord,
    pub(crate) payload: PayloadRecord,
    pub(crate) asked_scope: Option<&'static str>,
    pub(crate) route: &'r str,
    pub(crate) rule: &'r str,
    #[serde(flatten)]
    pub(crate) explanation: &'r Explanation,
}

/// What became of a command, as it is recorded and printed: the body of an `outcome`. The reply itself is not in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OutcomeRecord {
    /// `done`, `unverified`, `running`, `failed` or `unknown`.
    pub status: &'static str,
    /// The device's return code, if it answered.
    pub return_code: Option<u16>,
    /// Vendor-specific status beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_status: Option<u16>,
    /// Bytes of reply.
    pub reply_length: usize,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The background operation, if it started one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// Whether the kernel was seen to be tainted afterwards, where the command asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tainted: Option<bool>,
    /// From the send to the answer, in microseconds.
    pub duration_us: u64,
}

/// Body of a `probe`.
#[derive(Debug, Serialize)]
pub(crate) struct ProbeBody<'r> {
    pub(crate) caller: &'r Caller,
    pub(crate) device: &'r str,
    pub(crate) opened: &'r str,
    pub(crate) changes: u64,
    /// The decision whose effect is read back; `None` where facts are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reads_back: Option<u64>,
}

/// Body of the `outcome` of a probe.
#[derive(Debug, Serialize)]
pub(crate) struct FactsBody<'r> {
    pub(crate) status: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<DeviceRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

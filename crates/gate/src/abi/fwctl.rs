// SPDX-License-Identifier: MIT OR Apache-2.0
//! `/dev/fwctl/fwctlN`: FWCTL_INFO, FWCTL_RPC, and the CXL driver behind it.
//!
//! Input is hostile.
//!
//! *Invariants*: the checks stand in the kernel's order: `EMSGSIZE` beats `EOPNOTSUPP` beats `EPERM` beats
//! `EFAULT` beats whatever the driver says. In parity the host is tainted where the kernel does it, which is
//! before anything of the command is known; in serve never here, for that is the gate's, after the record.
//!
//! *Not here*: the other families' drivers; splitting a feature's data into payloads (the device's side).
//!
//! *Spec*: `drivers/fwctl/main.c`, `drivers/cxl/core/features.c` @ v7.3.

use fwgate_wire::cxl::features::{FeatureEntry, GetFeatureRequest, SetFeatureHeader};
use fwgate_wire::fwctl::cxl::CxlRpcRequestHeader;
use fwgate_wire::fwctl::{FWCTL_INFO, FWCTL_RPC, FwctlInfo, FwctlRpc, MAX_RPC_LENGTH, scope};
use zerocopy::little_endian::{U16, U32 as LeU32};
use zerocopy::native_endian::U32;
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{
    CallerMemory, Errno, Fetch, Mode, Need, Range, Reply, Step, Stop, Write, bytes, field, length32,
};
use crate::request::Message;

const GET_SUPPORTED_FEATURES: u16 = 0x0500;
const GET_FEATURE: u16 = 0x0501;
const SET_FEATURE: u16 = 0x0502;
/// The union's payload is at 8, and `sizeof(struct fwctl_rpc_cxl_out)` is 16; the driver uses both.
const OUT_PAYLOAD: usize = 8;
const OUT_SIZE: usize = 16;

/// What the kernel knows of the caller, the host and the device.
pub trait FwctlKernel {
    /// Whether the device is still registered.
    fn registered(&self) -> bool;
    /// Whether the caller has CAP_SYS_RAWIO in the initial user namespace.
    fn capable_rawio(&self) -> bool;
    /// Marks the host as tainted by fwctl. May be called again.
    fn taint(&mut self);
    /// What FWCTL_INFO says.
    fn device_type(&self) -> u32;
    /// What the driver adds to it; the CXL driver has nothing.
    fn info(&self) -> Option<&[u8]>;
    /// What the CXL driver read at probe.
    fn features(&self) -> &CxlFeatures;
}

/// Which of the three commands the device has, by its Command Effects Log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FeatureAccess {
    /// Not both of the reading ones.
    None,
    /// 0500h and 0501h.
    Read,
    /// And 0502h.
    ReadWrite,
}

/// Features as the driver cached them.
#[derive(Clone, Debug)]
pub struct CxlFeatures {
    /// By the log.
    pub access: FeatureAccess,
    /// In the device's order.
    pub entries: Vec<FeatureEntry>,
    /// Features that nobody but the kernel may set.
    pub exclusive: Vec<[u8; 16]>,
}

impl CxlFeatures {
    /// The eight that the kernel keeps.
    #[must_use]
    pub fn kernels_own() -> Vec<[u8; 16]> {
        use fwgate_wire::cxl::features::feature_uuid as known;
        known::STANDARD.iter().map(|(uuid, _)| *uuid.as_bytes()).collect()
    }

    fn exclusive(&self, uuid: [u8; 16]) -> bool {
        self.exclusive.contains(&uuid)
    }
}

/// One ioctl, as far as these bytes of the caller's memory let it go.
pub fn call(
    mode: Mode,
    number: u32,
    at: u64,
    memory: &dyn CallerMemory,
    kernel: &mut dyn FwctlKernel,
) -> Step<Ask> {
    dispatch(mode, number, at, &mut Fetch::new(memory), kernel).into()
}

fn dispatch(
    mode: Mode,
    number: u32,
    at: u64,
    fetch: &mut Fetch<'_>,
    kernel: &mut dyn FwctlKernel,
) -> Result<Step<Ask>, Stop> {
    let known = match number {
        FWCTL_INFO => length32(FwctlInfo::SIZE),
        FWCTL_RPC => length32(FwctlRpc::SIZE),
        // ENOIOCTLCMD inside; this is what user space gets.
        _ => return Err(Errno::NOTTY.into()),
    };
    // The kernel looks at the size alone first. A front end that copies in rounds would pay a round for it.
    let first = if mode == Mode::Parity { 4 } else { known };
    let size = u32::from_ne_bytes(field(fetch.copy(at, first)?, 0));
    if size < known {
        return Err(Errno::INVAL.into());
    }
    let bytes = fetch.copy_struct(at, known, size)?;
    if !kernel.registered() {
        return Err(Errno::NODEV.into());
    }
    // Both structures were copied in full length.
    if number == FWCTL_INFO {
        let info = FwctlInfo::read_from_bytes(bytes).map_err(|_| Errno::FAULT)?;
        describe(at, info, kernel)
    } else {
        let rpc = FwctlRpc::read_from_bytes(bytes).map_err(|_| Errno::FAULT)?;
        remote(mode, at, rpc, fetch, kernel)
    }
}

/// `fwctl_cmd_info`.
fn describe(at: u64, mut info: FwctlInfo, kernel: &dyn FwctlKernel) -> Result<Step<Ask>, Stop> {
    if info.flags.get() != 0 {
        return Err(Errno::OPNOTSUPP.into());
    }
    let room = info.device_data_len.get();
    let to = info.out_device_data.get();
    let mut writes = Vec::new();
    let mut said = 0;
    match kernel.info() {
        Some(data) if room != 0 => {
            said = length32(data.len());
            let copied = data.get(..data.len().min(bytes(room))).unwrap_or_default();
            let rest = room.saturating_sub(length32(copied.len()));
            writes.push(Write::bytes(to, copied.to_vec()));
            let after = to.saturating_add(u64::from(length32(copied.len())));
            writes.push(Write::Zeros { at: after, length: rest });
        }
        None if room != 0 => writes.push(Write::Zeros { at: to, length: room }),
        _ => {}
    }
    info.out_device_type = U32::new(kernel.device_type());
    info.device_data_len = U32::new(said);
    writes.push(Write::bytes(at, info.as_bytes().to_vec()));
    Ok(Step::Reply(Reply { writes, value: 0 }))
}

/// `fwctl_cmd_rpc`.
fn remote(
    mode: Mode,
    at: u64,
    rpc: FwctlRpc,
    fetch: &mut Fetch<'_>,
    kernel: &mut dyn FwctlKernel,
) -> Result<Step<Ask>, Stop> {
    let (in_len, out_len) = (rpc.in_len.get(), rpc.out_len.get());
    if in_len > MAX_RPC_LENGTH || out_len > MAX_RPC_LENGTH {
        return Err(Errno::MSGSIZE.into());
    }
    if let Mode::Serve { most } = mode
        && in_len.max(out_len).saturating_add(rpc.size.get()) > most
    {
        return Err(Errno::MSGSIZE.into());
    }
    match rpc.scope.get() {
        scope::CONFIGURATION | scope::DEBUG_READ_ONLY => {}
        asked @ (scope::DEBUG_WRITE | scope::DEBUG_WRITE_FULL) => {
            if asked == scope::DEBUG_WRITE_FULL && !kernel.capable_rawio() {
                return Err(Errno::PERM.into());
            }
            if mode == Mode::Parity {
                kernel.taint();
            }
        }
        _ => return Err(Errno::OPNOTSUPP.into()),
    }
    let input = fetch.copy(rpc.input.get(), in_len)?;
    let need = fetch.need(&[
        Range { at, length: length32(FwctlRpc::SIZE) },
        Range { at: rpc.output.get(), length: out_len },
    ]);
    let back = Back { at, rpc, need };
    match cxl(mode, rpc.scope.get(), input, out_len, kernel.features())? {
        Planned::Answered(out) => Ok(Step::Reply(back.reply(&out, out.len()))),
        Planned::Ask(message, kind) => Ok(Step::Ask(Ask { message, kind, back })),
    }
}

/// What a driver makes of a request.
enum Planned {
    /// From what is known.
    Answered(Vec<u8>),
    /// By the device.
    Ask(Message, Kind),
}

/// `cxlctl_fw_rpc`.
fn cxl(
    mode: Mode,
    scope: u32,
    input: &[u8],
    out_len: u32,
    features: &CxlFeatures,
) -> Result<Planned, Errno> {
    let Ok((header, rest)) = CxlRpcRequestHeader::ref_from_prefix(input) else {
        return Err(Errno::INVAL);
    };
    let payload = rest.get(..bytes(header.op_size.get())).ok_or(Errno::INVAL)?;
    let [low, high, upper @ ..] = header.opcode.get().to_le_bytes();
    // The kernel cuts the opcode off and looks at neither of the other words. Two readers of such a request
    // would see two commands, so it is not served.
    let plain = upper == [0, 0] && header.flags.get() == 0 && header.reserved.get() == 0;
    if mode != Mode::Parity && !plain {
        return Err(Errno::INVAL);
    }
    let opcode = u16::from_le_bytes([low, high]);
    match opcode {
        GET_SUPPORTED_FEATURES | GET_FEATURE if features.access < FeatureAccess::Read => {
            Err(Errno::INVAL)
        }
        GET_SUPPORTED_FEATURES => supported(payload, features).map(Planned::Answered),
        GET_FEATURE => get(payload, out_len),
        SET_FEATURE => {
            settable(payload, scope, features)?;
            set(payload, out_len, features)
        }
        _ if mode == Mode::Parity => Err(Errno::INVAL),
        _ if bytes(out_len) < OUT_PAYLOAD => Err(Errno::INVAL),
        opcode => {
            Ok(Planned::Ask(Message::Cxl { opcode, payload: payload.to_vec() }, Kind::Command))
        }
    }
}

/// `cxlctl_validate_set_features`.
fn settable(payload: &[u8], scope: u32, features: &CxlFeatures) -> Result<(), Errno> {
    const IMMEDIATE: u16 = 0b1_1110;
    const RESET: u16 = 1 | 1 << 10 | 1 << 11;
    const BACKGROUND: u16 = 1 << 6;
    const RESERVED: u16 = 0xf000;
    if features.access < FeatureAccess::ReadWrite || payload.len() < 16 {
        return Err(Errno::INVAL);
    }
    let uuid: [u8; 16] = field(payload, 0);
    let entry = features.entries.iter().find(|entry| entry.uuid == uuid).ok_or(Errno::INVAL)?;
    if !entry.flags().changeable() {
        return Err(Errno::INVAL);
    }
    let effects = entry.effects.get();
    if effects & RESERVED != 0 || effects & BACKGROUND != 0 {
        return Err(Errno::INVAL);
    }
    let least = match (effects & IMMEDIATE != 0, effects & RESET != 0) {
        (false, false) => return Err(Errno::INVAL),
        (true, _) => scope::DEBUG_WRITE_FULL,
        (false, true) => scope::DEBUG_WRITE,
    };
    if scope < least { Err(Errno::INVAL) } else { Ok(()) }
}

/// `cxlctl_get_supported_features`: out of the cache.
fn supported(payload: &[u8], features: &CxlFeatures) -> Result<Vec<u8>, Errno> {
    if payload.len() != 8 {
        return Err(Errno::INVAL);
    }
    let count = u32::from_le_bytes(field(payload, 0));
    let start = usize::from(u16::from_le_bytes(field(payload, 4)));
    let left = features.entries.get(start..).filter(|left| !left.is_empty()).ok_or(Errno::INVAL)?;
    let wanted = bytes(count).checked_div(FeatureEntry::SIZE).unwrap_or_default();
    let shown = left.get(..wanted).unwrap_or(left);
    let size = shown.len().saturating_mul(FeatureEntry::SIZE).saturating_add(8);
    let count16 = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
    let mut out = Vec::with_capacity(size.saturating_add(OUT_SIZE));
    out.extend_from_slice(&length32(size).to_ne_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&count16(shown.len()));
    out.extend_from_slice(&count16(features.entries.len()));
    out.extend_from_slice(&[0; 4]);
    for entry in shown {
        let mut entry = *entry;
        if features.exclusive(entry.uuid) {
            entry.set_size = U16::ZERO;
            entry.flags = LeU32::new(entry.flags.get() & !1);
        }
        out.extend_from_slice(entry.as_bytes());
    }
    // The driver counts the structure's 16 bytes and not the header's 8.
    out.resize(size.saturating_add(OUT_SIZE), 0);
    Ok(out)
}

/// `cxlctl_get_feature`, as far as the device.
fn get(payload: &[u8], out_len: u32) -> Result<Planned, Errno> {
    if payload.len() != GetFeatureRequest::SIZE {
        return Err(Errno::INVAL);
    }
    let count = usize::from(u16::from_le_bytes(field(payload, 18)));
    let room = bytes(out_len).checked_sub(OUT_PAYLOAD).ok_or(Errno::INVAL)?;
    if count == 0 || count > room {
        return Err(Errno::INVAL);
    }
    let message = Message::Cxl { opcode: GET_FEATURE, payload: payload.to_vec() };
    Ok(Planned::Ask(message, Kind::Get { count }))
}

/// `cxlctl_set_feature`, as far as the device.
fn set(payload: &[u8], out_len: u32, features: &CxlFeatures) -> Result<Planned, Errno> {
    if payload.len() <= SetFeatureHeader::SIZE {
        return Err(Errno::INVAL);
    }
    if features.exclusive(field(payload, 0)) {
        return Err(Errno::PERM);
    }
    if bytes(out_len) < OUT_PAYLOAD {
        return Err(Errno::INVAL);
    }
    let mut payload = payload.to_vec();
    // The transfer bits are the driver's, and "saved across reset" is always set.
    if let Some(flags) = payload.get_mut(16) {
        *flags = *flags & !7 | 8;
    }
    Ok(Planned::Ask(Message::Cxl { opcode: SET_FEATURE, payload }, Kind::Set))
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Get Feature; in parity so many bytes.
    Get {
        /// Bytes that the caller wants.
        count: usize,
    },
    /// Set Feature; one transfer, however many payloads it takes.
    Set,
    /// An opcode that the kernel's driver does not know; in serve only.
    Command,
}

/// A message that the kernel's checks have passed.
#[derive(Debug)]
pub struct Ask {
    message: Message,
    kind: Kind,
    back: Back,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The device answered.
    Done {
        /// Its return code.
        return_code: u16,
        /// Its output; of a Get from the first byte of the caller's room. A Get that fails in a later part has
        /// the earlier ones.
        payload: Vec<u8>,
    },
    /// A Get's reply ended before the bytes that were asked for.
    Short {
        /// What there was.
        payload: Vec<u8>,
    },
    /// The transport failed. The kernel's driver cannot say so: a Set looks done, a Get empty.
    Lost,
    /// It was not sent.
    Refused(Errno),
}

impl Ask {
    /// The command.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// What kind of command.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The scope that the caller named, 0 to 3.
    #[must_use]
    pub const fn scope(&self) -> u32 {
        self.back.rpc.scope.get()
    }

    /// Bytes of room at the caller's output.
    #[must_use]
    pub const fn out_len(&self) -> u32 {
        self.back.rpc.out_len.get()
    }

    /// The ranges that this round has to have carried, no more and no less.
    #[must_use]
    pub const fn need(&self) -> &Need {
        &self.back.need
    }

    /// The reply that the caller gets for that answer.
    #[must_use]
    pub fn answer(self, answer: Answer) -> Step<Self> {
        let (return_code, payload, whole) = match answer {
            Answer::Done { return_code, payload } => (return_code, payload, return_code == 0),
            Answer::Short { payload } => (0, payload, false),
            Answer::Lost => (0, Vec::new(), false),
            Answer::Refused(errno) => return Step::Errno(errno),
        };
        let room = bytes(self.out_len());
        let size = match self.kind {
            Kind::Get { count } if whole && payload.len() >= count => count,
            // A reply that is too short counts as none.
            Kind::Get { .. } | Kind::Set => 0,
            Kind::Command => payload.len(),
        };
        let mut out = Vec::with_capacity(room.min(payload.len().saturating_add(OUT_SIZE)));
        out.extend_from_slice(&length32(size).to_ne_bytes());
        out.extend_from_slice(&u32::from(return_code).to_ne_bytes());
        let said = size.saturating_add(OUT_SIZE);
        if self.kind != Kind::Set {
            // Eight bytes more than `size` are handed out. Where a Get failed, they hold what came before.
            out.extend_from_slice(&payload);
        }
        out.resize(said, 0);
        Step::Reply(self.back.reply(&out, said))
    }
}

/// How an RPC is answered.
#[derive(Debug)]
struct Back {
    at: u64,
    rpc: FwctlRpc,
    need: Need,
}

impl Back {
    fn reply(mut self, out: &[u8], said: usize) -> Reply {
        let copied = out.get(..out.len().min(bytes(self.rpc.out_len.get()))).unwrap_or_default();
        let data = Write::bytes(self.rpc.output.get(), copied.to_vec());
        self.rpc.out_len = U32::new(length32(said));
        let own = Write::bytes(self.at, self.rpc.as_bytes().to_vec());
        Reply { writes: vec![data, own], value: 0 }
    }
}

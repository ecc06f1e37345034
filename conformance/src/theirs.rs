// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel: real nodes, real ioctls, and what can be read of it beforehand.
//!
//! *Invariants*: an ioctl that is not safe, that would make the kernel's own mock read memory that is not its own, or
//! that would end the emulator that the guest runs in, is not made ([`Guard`]).
//!
//! *Not here*: the mapping and the system call (`sys`).

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use fwgate_gate::abi::fwctl::{CxlFeatures, FeatureAccess};
use fwgate_wire::cxl::features::FeatureEntry;
use fwgate_wire::memdev::SEND_COMMAND;
use zerocopy::FromBytes as _;

use crate::build::{self, ARG, Info, OUTPUT, Rpc, Send};
use crate::call::{Call, Marks, Node, Outcome};
use crate::memory::{Access, BIG, BIG_LENGTH, Own, PAGE, SMALL, access, offset, pattern};
use crate::ours::{Ours, System};
use crate::sys::{self, Arena};
use crate::twin::{Below, FwctlSetting, MemdevSetting, Setting};

const CAP_SYS_RAWIO: u32 = 17;
const TAINT_WARN: u32 = 9;
const TAINT_FWCTL: u32 = 19;

/// The real side.
#[derive(Debug)]
pub struct Theirs {
    arena: Arena,
    image: Own,
    pattern: Vec<u8>,
    big_dirty: bool,
    fwctl: Option<File>,
    memdev: Option<File>,
    names: Names,
    marks: Marks,
    /// Whether the device is the kernel's mock.
    mock: bool,
}

/// Which nodes, by their names in sysfs.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// `fwctlN`.
    pub fwctl: Option<String>,
    /// `memN`.
    pub memdev: Option<String>,
    /// Whether this kernel's list of exclusive features was emptied.
    pub nothing_exclusive: bool,
}

fn open(path: &Path) -> Result<File, String> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|error| format!("{}: {error}", path.display()))
}

fn text(path: impl AsRef<Path>) -> Result<String, String> {
    let path = path.as_ref();
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn marks() -> Result<Marks, String> {
    let read = text("/proc/sys/kernel/tainted")?;
    let bits: u64 = read.trim().parse().map_err(|_| format!("tainted: `{}`", read.trim()))?;
    Ok(Marks { fwctl: bits >> TAINT_FWCTL & 1 == 1, warned: bits >> TAINT_WARN & 1 == 1 })
}

/// Whether this process has CAP_SYS_RAWIO now.
///
/// # Errors
/// Where procfs does not say.
pub fn has_rawio() -> Result<bool, String> {
    let status = text("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let word = line.and_then(|word| u64::from_str_radix(word.trim(), 16).ok());
    let word = word.ok_or("/proc/self/status: no CapEff")?;
    Ok(word >> CAP_SYS_RAWIO & 1 == 1)
}

/// Becomes nobody, without groups and capabilities; descriptors stay open.
///
/// # Errors
/// Where the kernel refuses.
pub fn become_nobody() -> Result<(), String> {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let (uid, gid) = (rustix::process::Uid::from_raw(65534), rustix::process::Gid::from_raw(65534));
    let result = set_thread_groups(&[])
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid));
    result.map_err(|error| format!("cannot become nobody: {error}"))
}

impl Theirs {
    /// Opens the nodes and maps the arena.
    ///
    /// # Errors
    /// A node that does not open, or memory that is not free.
    pub fn open(names: Names) -> Result<Self, String> {
        let node = |folder: &str, name: &Option<String>| {
            name.as_ref().map(|name| open(&Path::new(folder).join(name))).transpose()
        };
        let fwctl = node("/dev/fwctl", &names.fwctl)?;
        let memdev = node("/dev/cxl", &names.memdev)?;
        let pattern = pattern();
        let arena =
            Arena::map(&pattern).map_err(|error| format!("cannot map the arena: {error}"))?;
        let image = Own::new(pattern.clone());
        let marks = marks()?;
        let mut theirs = Self {
            arena,
            image,
            pattern,
            big_dirty: false,
            fwctl,
            memdev,
            names,
            marks,
            mock: false,
        };
        theirs.mock = theirs.host()?.is_some_and(|name| name.starts_with("cxl_"));
        Ok(theirs)
    }

    /// The memory device: the one that was named, or the fwctl node's parent.
    fn memdev_folder(&self) -> Result<Option<PathBuf>, String> {
        let folder = match (&self.names.memdev, &self.names.fwctl) {
            (Some(name), _) => Path::new("/sys/bus/cxl/devices").join(name),
            (None, Some(name)) => Path::new("/sys/class/fwctl").join(name).join("device"),
            (None, None) => return Ok(None),
        };
        let real =
            fs::canonicalize(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Some(real))
    }

    /// The name of the device that the memory device is of.
    fn host(&self) -> Result<Option<String>, String> {
        let folder = self.memdev_folder()?;
        let name = folder.as_deref().and_then(Path::parent).and_then(Path::file_name);
        Ok(name.map(|name| name.to_string_lossy().into_owned()))
    }

    /// What keeps ioctls back.
    #[must_use]
    pub const fn guard(&self) -> Guard {
        Guard { mock: self.mock }
    }

    /// What the kernel says of itself and of these nodes.
    ///
    /// # Errors
    /// What could not be read.
    pub fn setting(&mut self) -> Result<Setting, String> {
        let lockdown = text("/sys/kernel/security/lockdown").unwrap_or_default();
        let payload_size = match self.memdev_folder()? {
            Some(folder) => {
                let size = text(folder.join("payload_max"))?;
                size.trim().parse().map_err(|_| format!("payload_max: `{}`", size.trim()))?
            }
            None => 4096,
        };
        let memdev = if self.memdev.is_some() { Some(self.memdev_setting()?) } else { None };
        let fwctl = if self.fwctl.is_some() { Some(self.fwctl_setting()?) } else { None };
        Ok(Setting {
            rawio: has_rawio()?,
            locked_down: !lockdown.is_empty() && !lockdown.contains("[none]"),
            payload_size,
            fwctl,
            memdev,
            below: if self.mock { Below::Mock } else { Below::Replayed },
            marks: self.marks,
        })
    }

    fn memdev_setting(&mut self) -> Result<MemdevSetting, String> {
        let outcome = self.ioctl(&build::query(25));
        let row = |id: usize, field: u64| {
            outcome.word(ARG + 8 + 16 * id as u64 + 4 * field).unwrap_or_default()
        };
        if outcome.returned != Ok(0) {
            return Err(format!("the query returned {:?}", outcome.returned));
        }
        let mut enabled = [false; 25];
        let mut exclusive = [false; 25];
        for id in 0..25 {
            // Slots without an entry show the flags of slot 0.
            let flags = row(id, 1);
            (enabled[id], exclusive[id]) = (flags & 1 != 0, flags & 2 != 0);
        }
        let allow = text("/sys/kernel/debug/cxl/mbox/raw_allow_all").unwrap_or_default();
        let (raw_built, raw_allow_all) = (row(2, 0) == 2, allow.starts_with('Y'));
        Ok(MemdevSetting { enabled, exclusive, raw_built, raw_allow_all })
    }

    fn fwctl_setting(&mut self) -> Result<FwctlSetting, String> {
        let outcome = self.ioctl(&Info::default().call());
        if outcome.returned != Ok(0) {
            return Err(format!("FWCTL_INFO returned {:?}", outcome.returned));
        }
        let device_type = outcome.word(ARG + 8).unwrap_or_default();
        let mut entries = Vec::new();
        loop {
            let start = u16::try_from(entries.len()).map_err(|_| "too many features")?;
            let mut rpc = Rpc::new(0, build::supported(48, start));
            rpc.output = OUTPUT;
            let outcome = self.ioctl(&rpc.call());
            // One after the last is EINVAL.
            let Ok(_) = outcome.returned else { break };
            let bytes = outcome.bytes(OUTPUT + 16, FeatureEntry::SIZE);
            let entry = FeatureEntry::read_from_bytes(&bytes).map_err(|_| "a feature's entry")?;
            entries.push(entry);
        }
        let exclusive = match self.names.nothing_exclusive {
            true => Vec::new(),
            false => CxlFeatures::kernels_own(),
        };
        // A node is there only where both reading commands are. Whether the log has Set Feature, the stream shows.
        let features = CxlFeatures { access: FeatureAccess::ReadWrite, entries, exclusive };
        Ok(FwctlSetting { device_type, features })
    }

    /// Brings a mock's twin to the state that the mock is in.
    ///
    /// # Errors
    /// What could not be read.
    pub fn bring_up(&mut self, ours: &mut Ours) -> Result<(), String> {
        if !self.mock {
            return Ok(());
        }
        let host = self.host()?.unwrap_or_default();
        ours.twin.mock.restricted = host.starts_with("cxl_rcd");
        if self.fwctl.is_some() {
            let outcome = self.ioctl(&Rpc::new(0, build::get([0xff; 16], 0, 4, 0)).call());
            let value = outcome.bytes(OUTPUT + 8, 4);
            ours.twin.mock.feature = value.try_into().map_err(|_| "the feature's value")?;
        }
        if self.memdev.is_some() {
            for at in (0..128 << 10).step_by(PAGE) {
                let mut input = u32::to_le_bytes(at as u32).to_vec();
                input.extend_from_slice(&(PAGE as u32).to_le_bytes());
                let outcome = self.ioctl(&Send::id(6, input, PAGE as u32).call());
                if outcome.returned.is_err() {
                    // Not every mock has labels.
                    break;
                }
                ours.twin.mock.put_label(at, &outcome.bytes(OUTPUT, PAGE));
            }
        }
        Ok(())
    }

    fn fill(&mut self, call: &Call) -> bool {
        self.image.bytes_mut()[..SMALL].copy_from_slice(&self.pattern[..SMALL]);
        if self.big_dirty {
            self.image.bytes_mut()[SMALL..].copy_from_slice(&self.pattern[SMALL..]);
        }
        call.place(&mut self.image);
        let big = call.reaches_big(&self.image);
        let bytes = self.image.bytes();
        for page in (0..SMALL / PAGE).filter(|page| access(*page) == Access::Free) {
            let from = page * PAGE;
            self.arena.copy_in(from, &bytes[from..from + PAGE]);
        }
        if big || self.big_dirty {
            let from = offset(BIG).unwrap_or_default();
            self.arena.copy_in(from, &bytes[from..from + BIG_LENGTH]);
        }
        self.big_dirty = big;
        big
    }
}

/// Keeps back what must not be made.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    mock: bool,
}

impl Guard {
    /// Why this ioctl is not made, if it is not.
    #[must_use]
    pub fn refuses(&self, call: &Call, memory: &Own) -> Option<&'static str> {
        if !call.is_safe(memory) {
            return Some("names memory outside the arena");
        }
        if call.node != Node::Memdev || call.number != SEND_COMMAND {
            return None;
        }
        let sent = Sent::of(call, memory)?;
        match (self.mock, sent.opcode) {
            (true, 0x0401) => {
                let (offset, length) = (sent.word(16)?, sent.word(20)?);
                let wraps = offset.checked_add(length).is_none();
                wraps.then_some("would make the mock read beyond its log")
            }
            (false, 0x4102) => {
                let (offset, length) = (sent.word(0)?, sent.word(4)?);
                let wraps = length == 0 || offset.checked_add(length).is_none();
                wraps.then_some("would end QEMU 10 by an assertion")
            }
            (false, 0x4103) if sent.length <= 8 => Some("would end QEMU 10 by an assertion"),
            _ => None,
        }
    }
}

/// What a send carries.
struct Sent<'m> {
    opcode: u32,
    at: u64,
    length: u32,
    memory: &'m Own,
}

impl<'m> Sent<'m> {
    fn of(call: &Call, memory: &'m Own) -> Option<Self> {
        let arg = memory.all(call.arg, 48)?;
        let word = |at: usize| u32::from_ne_bytes([arg[at], arg[at + 1], arg[at + 2], arg[at + 3]]);
        let at = u64::from(word(24)) | u64::from(word(28)) << 32;
        // Only what passes the checks before the mailbox.
        let opcode = match word(0) {
            2 if word(8) & 0xffff != 0x4103 => word(8) & 0xffff,
            6 if word(16) == 8 => 0x4102,
            8 => 0x0401,
            10 => 0x4103,
            _ => 0,
        };
        Some(Self { opcode, at, length: word(16), memory })
    }

    fn word(&self, at: u64) -> Option<u32> {
        let bytes = self.memory.all(self.at.wrapping_add(at), 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    }
}

impl System for Theirs {
    fn name(&self) -> &'static str {
        "theirs"
    }

    fn ioctl(&mut self, call: &Call) -> Outcome {
        let big = self.fill(call);
        assert_eq!(
            self.guard().refuses(call, &self.image),
            None,
            "an ioctl that is not made: {call:?}"
        );
        let node = match call.node {
            Node::Fwctl => &self.fwctl,
            Node::Memdev => &self.memdev,
        };
        let node = node.as_ref().unwrap_or_else(|| panic!("no node for {call:?}"));
        let returned = sys::ioctl(&self.arena, node.as_fd(), call.number, call.arg);
        let mut small = self.pattern[..SMALL].to_vec();
        for page in (0..SMALL / PAGE).filter(|page| access(*page) != Access::Hole) {
            let from = page * PAGE;
            self.arena.copy_out(from, &mut small[from..from + PAGE]);
        }
        let big = big.then(|| {
            let mut bytes = vec![0; BIG_LENGTH];
            self.arena.copy_out(offset(BIG).unwrap_or_default(), &mut bytes);
            bytes
        });
        // A mark is never taken back, and each node makes one of them.
        let marked = match call.node {
            Node::Fwctl => self.marks.fwctl,
            Node::Memdev => self.marks.warned,
        };
        if !marked {
            self.marks = marks().unwrap_or(self.marks);
        }
        let returned = returned.map_err(rustix::io::Errno::raw_os_error);
        Outcome { returned, small, big, marks: self.marks }
    }
}

/// Names of a folder's entries, sorted.
#[must_use]
pub fn names_in(folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A seed that nobody chose.
///
/// # Errors
/// Where there is no source of it.
pub fn random_seed() -> Result<u64, String> {
    let mut bytes = [0; 8];
    let mut file = open_read("/dev/urandom")?;
    file.read_exact(&mut bytes).map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(u64::from_ne_bytes(bytes))
}

fn open_read(path: &str) -> Result<File, String> {
    File::open(path).map_err(|error| format!("{path}: {error}"))
}

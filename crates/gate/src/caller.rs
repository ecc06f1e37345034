// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks, as it is judged and recorded.
//!
//! Here is the caller of an in-process gate: this very process, without capabilities. In process it
//! can have no more done than the kernel lets it do itself; for devices of the machine
//! `fwgate-linux` adds the capabilities that count.
//!
//! *Invariants*: however many groups and however long a path a caller has, its record is short; what
//! is left out is counted.
//!
//! *Not here*: the identity of a peer on a socket, which trusts nothing the peer says
//! (`fwgate-service`).

use fwgate_policy::Capabilities;
use serde::{Serialize, Serializer};

use crate::text;

/// The most groups that are recorded.
const MAX_GROUPS: usize = 1024;
/// The most characters of an executable's path that are recorded.
const MAX_PATH: usize = 4096;

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// User id; effective.
    pub uid: u32,
    /// Group id; effective.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Process id.
    pub pid: u32,
    /// Executable, where it is known.
    pub executable: Option<String>,
    /// Names of the groups that policy looks at, resolved by name service.
    pub group_names: Vec<String>,
    /// Capabilities that count.
    pub capabilities: Capabilities,
    /// Whether this is the gate itself, reading facts.
    pub gate: bool,
}

impl Caller {
    /// This process. Its capabilities are not read: no emulated device asks for any.
    #[must_use]
    pub fn this_process() -> Self {
        let groups = rustix::process::getgroups().unwrap_or_default();
        let executable = std::env::current_exe().ok().map(|path| path.display().to_string());
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            groups: groups.into_iter().map(rustix::process::Gid::as_raw).collect(),
            pid: std::process::id(),
            executable,
            group_names: Vec::new(),
            capabilities: Capabilities::default(),
            gate: false,
        }
    }

    /// The gate itself, as whom facts are read.
    #[must_use]
    pub fn gate_itself() -> Self {
        Self { gate: true, executable: None, ..Self::this_process() }
    }

    /// Another user, for `explain --as`: what policy would see of them.
    #[must_use]
    pub fn stand_in(uid: u32, gid: u32, groups: Vec<u32>, capabilities: Capabilities) -> Self {
        Self {
            uid,
            gid,
            groups,
            pid: 0,
            executable: None,
            group_names: Vec::new(),
            capabilities,
            gate: false,
        }
    }
}

/// A caller as it is recorded.
#[derive(Serialize)]
struct Written<'c> {
    uid: u32,
    gid: u32,
    groups: &'c [u32],
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_left_out: Option<usize>,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    executable: Option<String>,
    capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    gate: bool,
}

impl Serialize for Caller {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (groups, rest) =
            self.groups.split_at_checked(MAX_GROUPS).unwrap_or((&self.groups, &[]));
        let held = [
            (self.capabilities.sys_admin, "cap_sys_admin"),
            (self.capabilities.sys_rawio, "cap_sys_rawio"),
        ];
        let written = Written {
            uid: self.uid,
            gid: self.gid,
            groups,
            groups_left_out: (!rest.is_empty()).then_some(rest.len()),
            pid: self.pid,
            executable: self.executable.as_deref().map(|path| text::line(path, MAX_PATH)),
            capabilities: held.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect(),
            gate: self.gate,
        };
        written.serialize(serializer)
    }
}

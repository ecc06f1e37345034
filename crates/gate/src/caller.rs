// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks, as it is judged and recorded.
//!
//! Here is the caller of an in-process gate: this very process. It can say nothing of itself that
//! it could not do anyway, because in process only emulated devices of its own are within reach.
//!
//! *Not here*: the identity of a peer on a socket, which trusts nothing the peer says
//! (`fwgate-service`).

use fwgate_policy::Capabilities;
use serde::Serialize;

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// Names of the groups that policy looks at, resolved by name service.
    #[serde(skip)]
    pub group_names: Vec<String>,
    /// Capabilities that count.
    #[serde(serialize_with = "capability_names")]
    pub capabilities: Capabilities,
    /// Whether this is the gate itself, reading facts.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub gate: bool,
}

impl Caller {
    /// This process. Its capabilities are not read: no device that is within reach in process asks
    /// for any.
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

fn capability_names<S: serde::Serializer>(
    capabilities: &Capabilities,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let held =
        [(capabilities.sys_admin, "cap_sys_admin"), (capabilities.sys_rawio, "cap_sys_rawio")];
    serializer.collect_seq(held.into_iter().filter(|(has, _)| *has).map(|(_, name)| name))
}

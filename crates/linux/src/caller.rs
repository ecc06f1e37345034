// SPDX-License-Identifier: MIT OR Apache-2.0
//! This process as a caller, for the gate in process on a real machine: what it may do, not what it
//! is called.
//!
//! procfs is not trusted to be there, nor to be procfs: on the machine itself the kernel is asked by
//! a system call too, and the namespace has to be a file of the kernel's own file system for them.
//!
//! *Invariants*: a capability counts only when the process holds it effectively and its user
//! namespace is the initial one. What cannot be read counts as not held.
//!
//! *Not here*: a peer on a socket, of whom more has to be asked.
//!
//! *Spec*: `USER_NS_INIT_INO` in `include/uapi/linux/nsfs.h @ v7.3`; CapEff in
//! `fs/proc/array.c @ v7.3`; CAP_SYS_RAWIO 17 and CAP_SYS_ADMIN 21 in
//! `include/uapi/linux/capability.h @ v7.3`.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fwgate_gate::Caller;
use fwgate_policy::Capabilities;
use rustix::thread::CapabilitySet;

use crate::discover::Roots;
use crate::discover::sysfs::Tree;

/// The inode of the initial user namespace.
const USER_NS_INIT_INO: u64 = 0xEFFF_FFFD;
/// The same as the link says it.
const USER_NS_INIT: &str = "user:[4026531837]";
/// The file system of namespaces. `include/uapi/linux/magic.h @ v7.3`.
const NSFS: rustix::fs::FsWord = 0x6E73_6673;
/// The most that is read of a status file, in bytes.
const LIMIT: usize = 64 << 10;
/// Bit of CAP_SYS_RAWIO.
const SYS_RAWIO: u32 = 17;
/// Bit of CAP_SYS_ADMIN.
const SYS_ADMIN: u32 = 21;

/// This process, with the capabilities that count.
#[must_use]
pub fn this_process(roots: &Roots) -> Caller {
    let folder = roots.proc().join("self");
    let mut held = capabilities(&folder);
    if *roots == Roots::here() {
        // What stands in /proc can be anyone's who has a mount namespace.
        let asked = asked(&folder.join("ns/user")).unwrap_or_default();
        held.sys_admin &= asked.sys_admin;
        held.sys_rawio &= asked.sys_rawio;
    }
    Caller { capabilities: held, ..Caller::this_process() }
}

/// The capabilities of this thread by the kernel's own word, if this is the file of its namespace and
/// that the initial one.
fn asked(namespace: &Path) -> Option<Capabilities> {
    let file = std::fs::File::open(namespace).ok()?;
    let kind = rustix::fs::fstatfs(&file).ok()?.f_type;
    if kind != NSFS || file.metadata().ok()?.ino() != USER_NS_INIT_INO {
        return None;
    }
    let effective = rustix::thread::capabilities(None).ok()?.effective;
    Some(Capabilities {
        sys_admin: effective.contains(CapabilitySet::SYS_ADMIN),
        sys_rawio: effective.contains(CapabilitySet::SYS_RAWIO),
    })
}

/// The capabilities that count of the process whose folder in procfs this is.
fn capabilities(folder: &Path) -> Capabilities {
    let namespace = std::fs::read_link(folder.join("ns/user"));
    if namespace.ok().as_deref() != Some(Path::new(USER_NS_INIT)) {
        return Capabilities::default();
    }
    let status = Tree::open(folder).and_then(|tree| tree.read("status", LIMIT)).unwrap_or_default();
    let effective = effective(&status).unwrap_or(0);
    let holds = |bit: u32| effective.checked_shr(bit).is_some_and(|rest| rest & 1 == 1);
    Capabilities { sys_admin: holds(SYS_ADMIN), sys_rawio: holds(SYS_RAWIO) }
}

/// The effective set, as `CapEff` of a status file gives it. A name can be anything, a line of that
/// name stands once: the first field of a status file that a process can write is its name, and the
/// kernel escapes line ends in it.
fn effective(status: &[u8]) -> Option<u64> {
    let mut lines = status.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(b"CapEff:\t"))?;
    let digits = core::str::from_utf8(value).ok()?;
    // Sixteen digits, as `render_cap_t` writes them; no sign, no prefix.
    let well_formed = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    well_formed.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn read(namespace: &str, status: &str) -> Capabilities {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("ns")).unwrap();
        symlink(namespace, folder.path().join("ns/user")).unwrap();
        std::fs::write(folder.path().join("status"), status).unwrap();
        capabilities(folder.path())
    }

    const ALL: &str = "Name:\tx\nCapEff:\t000001ffffffffff\n";

    #[test]
    fn capabilities_count_in_the_initial_user_namespace_only() {
        let all = Capabilities { sys_admin: true, sys_rawio: true };
        assert_eq!(read(USER_NS_INIT, ALL), all);
        for namespace in
            ["user:[4026531836]", "user:[4026532201]", "user:[]", "", "mnt:[4026531837]"]
        {
            let namespace = if namespace.is_empty() { "nothing" } else { namespace };
            assert_eq!(read(namespace, ALL), Capabilities::default(), "{namespace}");
        }
    }

    #[test]
    fn each_capability_is_its_own_bit_of_the_effective_set() {
        let rawio = "CapPrm:\t000001ffffffffff\nCapEff:\t0000000000020000\n";
        let held = read(USER_NS_INIT, rawio);
        assert_eq!(held, Capabilities { sys_admin: false, sys_rawio: true });
        let admin = "CapEff:\t0000000000200000\n";
        assert_eq!(read(USER_NS_INIT, admin), Capabilities { sys_admin: true, sys_rawio: false });
        assert_eq!(read(USER_NS_INIT, "CapPrm:\t000001ffffffffff\n"), Capabilities::default());
    }

    #[test]
    fn a_status_that_is_not_as_the_kernel_writes_it_gives_nothing() {
        for status in [
            "",
            "CapEff:\t\n",
            "CapEff:\tffffffffffffffffff\n",
            "CapEff:\t+00001ffffffffff\n",
            "CapEff: 000001ffffffffff\n",
            "Name:\tCapEff:\t000001ffffffffff\n",
        ] {
            assert_eq!(read(USER_NS_INIT, status), Capabilities::default(), "{status:?}");
        }
    }

    #[test]
    fn a_file_that_only_looks_like_the_initial_namespace_gives_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("user");
        symlink(USER_NS_INIT, &place).unwrap();
        assert_eq!(asked(&place), None, "a link that leads nowhere");
        std::fs::remove_file(&place).unwrap();
        std::fs::write(&place, USER_NS_INIT).unwrap();
        assert_eq!(asked(&place), None, "a file of another file system");
        // A namespace, and not one of users.
        assert_eq!(asked(Path::new("/proc/self/ns/mnt")), None);
    }

    #[test]
    fn on_the_machine_itself_no_more_counts_than_the_kernel_says() {
        let counts = this_process(&Roots::here()).capabilities;
        let held = rustix::thread::capabilities(None).unwrap().effective;
        assert!(!counts.sys_admin || held.contains(CapabilitySet::SYS_ADMIN));
        assert!(!counts.sys_rawio || held.contains(CapabilitySet::SYS_RAWIO));
    }

    #[test]
    fn where_there_is_no_procfs_nothing_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let caller = this_process(&Roots::at(folder.path()));
        assert_eq!(caller.capabilities, Capabilities::default());
    }
}

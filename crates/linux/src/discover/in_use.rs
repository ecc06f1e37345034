// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a disk is in use: mounted, swapped on, held by another block device, or known to a file
//! system.
//!
//! Hostile: mount tables hold text that whoever mounts has chosen.
//!
//! *Invariants*: any sign of use counts. What could not be read counts as a possible use. Nothing
//! is opened but text: an exclusive open would tell more, and would make somebody's mount fail.
//!
//! Only in the initial PID namespace is process 1 the machine's; in another one there is always doubt.
//!
//! What nothing here can see: a process that has the disk open without mounting it, another host,
//! and a file system that only another mount namespace has and that leaves no trace in `/sys/fs`.
//!
//! *Spec*: `Documentation/filesystems/proc.rst` 3.5 (mountinfo), `block/holder.c`,
//! `block/partitions/core.c`, `fs/{ext4,xfs,f2fs}/sysfs.c` and `fs/btrfs/sysfs.c` (names under
//! `/sys/fs`), `mm/swapfile.c @ v7.3`.

use std::collections::BTreeSet;
use std::path::Path;

use fwgate_policy::Known;

use super::nvme::Namespace;
use super::sysfs::{ReadError, Tree};
use super::{DeviceNumber, Roots};

/// Folders of `/sys/fs` in which names are no disks', and in which others may make them.
const NO_DISKS: [&str; 6] = ["bpf", "cgroup", "fuse", "pstore", "resctrl", "selinux"];
/// The initial PID namespace: `PID_NS_INIT_INO`, `include/uapi/linux/nsfs.h @ v7.3`. Who is in it is
/// seen in its own procfs only, so that where this is `self`, process 1 is the machine's.
const PID_NS_INIT: &str = "pid:[4026531836]";
/// The longest mount table that is read.
const TABLE: usize = 16 << 20;

/// What the machine's tables say is in use.
#[derive(Debug, Default)]
pub(crate) struct Users {
    numbers: BTreeSet<DeviceNumber>,
    /// Names without `/dev/`.
    names: BTreeSet<Vec<u8>>,
    /// Whether a table could not be read whole, or spoke of a device in a way that is not
    /// understood.
    doubt: bool,
}

impl Users {
    /// Reads the mount tables of this process and of process 1, the swap table and `/sys/fs`.
    pub(crate) fn read(roots: &Roots, sys: &Tree) -> Self {
        let mut users = Self::default();
        match Tree::open(&roots.proc()) {
            Err(_) => users.doubt = true,
            Ok(proc) => {
                // The gate may have mounts of its own; process 1 has the machine's, unless this is a
                // container's.
                if proc.link_name("self/ns/pid").ok().flatten().as_deref() != Some(PID_NS_INIT) {
                    users.doubt = true;
                }
                for table in ["self/mountinfo", "1/mountinfo"] {
                    match proc.read(table, TABLE) {
                        Ok(bytes) => users.mounts(&bytes),
                        Err(_) => users.doubt = true,
                    }
                }
                match proc.read("swaps", TABLE) {
                    Ok(bytes) => users.swaps(&bytes),
                    // A kernel without swap has no such file.
                    Err(error) if error.is_gone() => {}
                    Err(_) => users.doubt = true,
                }
            }
        }
        if users.file_systems(sys).is_err() {
            users.doubt = true;
        }
        users
    }

    fn mounts(&mut self, table: &[u8]) {
        for line in table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mut fields = line.split(|byte| *byte == b' ');
            match fields.nth(2).and_then(DeviceNumber::parse) {
                Some(number) => {
                    self.numbers.insert(number);
                }
                None => self.doubt = true,
            }
            // Behind the dash: type, source, options. The source of a file system on many disks
            // is one of them, and its number is no disk's.
            let source = fields.skip_while(|field| *field != b"-").nth(2);
            if let Some(name) = source.and_then(|source| source.strip_prefix(b"/dev/")) {
                self.names.insert(unescape(name));
            }
        }
    }

    fn swaps(&mut self, table: &[u8]) {
        let lines = table.split(|byte| *byte == b'\n').skip(1);
        for line in lines.filter(|line| !line.is_empty()) {
            let mut fields =
                line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|f| !f.is_empty());
            match (fields.next(), fields.next()) {
                // A file: its file system is mounted.
                (Some(_), Some(b"file")) => {}
                (Some(path), _) => match path.strip_prefix(b"/dev/") {
                    Some(name) => {
                        self.names.insert(unescape(name));
                    }
                    None => self.doubt = true,
                },
                (None, _) => {}
            }
        }
    }

    /// Names of disks under `/sys/fs/TYPE/` and `/sys/fs/btrfs/UUID/devices/`.
    fn file_systems(&mut self, sys: &Tree) -> Result<(), ReadError> {
        let root = Path::new("fs");
        let kinds = names(sys, root)?;
        for kind in kinds.into_iter().filter(|kind| !NO_DISKS.contains(&kind.as_str())) {
            let folder = root.join(&kind);
            for name in names(sys, &folder)? {
                if kind == "btrfs" {
                    for device in names(sys, &folder.join(&name).join("devices"))? {
                        self.names.insert(device.into_bytes());
                    }
                }
                self.names.insert(name.into_bytes());
            }
        }
        Ok(())
    }

    /// Whether a namespace is in use.
    pub(crate) fn of(&self, sys: &Tree, namespace: &Namespace) -> Known {
        let Some(folder) = namespace.folder.as_deref() else { return Known::CannotTell };
        match self.of_disk(sys, folder, &namespace.disk) {
            Ok(true) => Known::Yes,
            // Another controller, perhaps of another host, may have it too.
            Ok(false) if namespace.path.is_some() => Known::CannotTell,
            Ok(false) if self.doubt => Known::CannotTell,
            Ok(false) => Known::No,
            Err(_) => Known::CannotTell,
        }
    }

    fn of_disk(&self, sys: &Tree, folder: &Path, disk: &str) -> Result<bool, ReadError> {
        if self.of_block(sys, folder, disk)? {
            return Ok(true);
        }
        let partition = format!("{disk}p");
        for name in sys.list(folder)?.into_iter().filter(|name| name.starts_with(&partition)) {
            if self.of_block(sys, &folder.join(&name), &name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn of_block(&self, sys: &Tree, folder: &Path, name: &str) -> Result<bool, ReadError> {
        let number = sys.device_number(folder.join("dev"))?;
        if self.numbers.contains(&number) || self.names.contains(name.as_bytes()) {
            return Ok(true);
        }
        Ok(!sys.list(folder.join("holders"))?.is_empty())
    }
}

/// The names in a folder; none where it is no folder, or not there.
fn names(sys: &Tree, path: &Path) -> Result<Vec<String>, ReadError> {
    match sys.list(path) {
        Err(ReadError::Gone { .. } | ReadError::WrongKind { .. }) => Ok(Vec::new()),
        Err(ReadError::Failed { errno, .. }) if errno == NOTDIR => Ok(Vec::new()),
        names => names,
    }
}

const NOTDIR: i32 = rustix::io::Errno::NOTDIR.raw_os_error();

/// Undoes the three-digit octal escapes of the kernel's tables.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let octal = (*first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(core::str::from_utf8(digits).ok()?, 8).ok());
        if let (Some(byte), Some(after)) = (octal, tail.get(3..)) {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(major: u32, minor: u32) -> DeviceNumber {
        DeviceNumber { major, minor }
    }

    #[test]
    fn a_mount_counts_by_its_number_and_by_its_source() {
        let mut users = Users::default();
        users.mounts(
            b"36 2 259:3 / /mnt rw,relatime shared:1 - ext4 /dev/nvme0n1 rw\n\
              37 2 0:41 /sub /data rw - btrfs /dev/nvme1n1p2 rw,subvol=/sub\n",
        );
        assert!(users.numbers.contains(&number(259, 3)) && users.numbers.contains(&number(0, 41)));
        assert!(users.names.contains(&b"nvme1n1p2"[..]) && !users.doubt);
    }

    #[test]
    fn a_line_that_is_not_understood_leaves_doubt() {
        for line in [&b"garbage"[..], b"1 2 -3:4 / /x rw - ext4 /dev/x rw", b"\xff\xff \xff \xff"] {
            let mut users = Users::default();
            users.mounts(line);
            assert!(users.doubt, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn swap_on_a_partition_counts_and_on_a_file_does_not() {
        let mut users = Users::default();
        users.swaps(
            b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
              /dev/nvme0n1p3                          partition\t999420\t\t0\t\t-2\n\
              /swapfile                               file\t\t999420\t\t0\t\t-3\n",
        );
        assert!(users.names.contains(&b"nvme0n1p3"[..]) && users.names.len() == 1 && !users.doubt);
        users.swaps(b"head\n/odd/place partition 1 1 1\n");
        assert!(users.doubt);
    }

    #[test]
    fn escapes_of_the_mount_table_are_undone() {
        assert_eq!(unescape(b"a\\040b\\134"), b"a b\\");
        assert_eq!(unescape(b"a\\04"), b"a\\04");
        assert_eq!(unescape(b"\\999\\777"), b"\\999\\777");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Folders that stand in for sysfs, procfs and `/dev`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fwgate_linux::discover::{Machine, Roots, Scan, Target};
use tempfile::TempDir;

/// A machine in a folder. It starts with a root that has nothing in it but its first folders.
pub(crate) struct Tree {
    folder: TempDir,
}

/// Where the memory device that [`Tree::memdev`] makes is.
pub(crate) const MEM: &str = "devices/pci0000:0c/0000:0c:00.0/0000:0d:00.0/mem0";
/// Its function.
pub(crate) const FUNCTION: &str = "devices/pci0000:0c/0000:0c:00.0/0000:0d:00.0";
/// The controller that [`Tree::controller`] makes.
pub(crate) const NVME: &str = "devices/pci0000:00/0000:00:04.0/nvme/nvme0";

impl Tree {
    pub(crate) fn new() -> Self {
        let tree = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["sys/bus", "sys/class", "sys/devices", "proc/self", "proc/1", "dev"] {
            fs::create_dir_all(tree.at(folder)).unwrap();
        }
        tree.file("proc/self/mountinfo", "25 2 0:23 / /sys rw - sysfs sysfs rw\n")
            .file("proc/1/mountinfo", "25 2 0:23 / /sys rw - sysfs sysfs rw\n")
            .link("proc/self/ns/pid", "pid:[4026531836]")
            .file("proc/sys/kernel/random/boot_id", "68431b13-8394-4c9b-ba37-be937ac04951\n")
            .file("proc/sys/kernel/osrelease", "7.3.4\n")
            .file("proc/sys/kernel/tainted", "0\n")
            .file("proc/sys/kernel/panic_on_warn", "0\n")
            .file("proc/cmdline", "quiet\n")
            .file("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
        tree
    }

    /// From a file in `tests/trees`: `PATH = TEXT`, `PATH -> TARGET` or `PATH/`, one a line.
    pub(crate) fn load(name: &str) -> Self {
        let tree = Self { folder: tempfile::tempdir().unwrap() };
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees").join(name);
        for line in fs::read_to_string(file).unwrap().lines().filter(|line| !line.starts_with('#'))
        {
            if let Some((path, target)) = line.split_once(" -> ") {
                tree.link(path, target);
            } else if let Some((path, text)) = line.split_once(" = ") {
                tree.bytes(path, &unescape(text));
            } else {
                tree.dir(line.strip_suffix('/').unwrap());
            }
        }
        tree.dir("dev");
        tree
    }

    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::at(self.folder.path())
    }

    pub(crate) fn scan(&self) -> Scan {
        Machine { roots: self.roots() }.scan().unwrap()
    }

    pub(crate) fn target(&self, name: &str) -> Target {
        self.scan().find(name).unwrap()
    }

    pub(crate) fn dir(&self, path: impl AsRef<Path>) -> &Self {
        fs::create_dir_all(self.at(path)).unwrap();
        self
    }

    pub(crate) fn bytes(&self, path: impl AsRef<Path>, bytes: &[u8]) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    pub(crate) fn file(&self, path: impl AsRef<Path>, text: &str) -> &Self {
        self.bytes(path, text.as_bytes())
    }

    pub(crate) fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    pub(crate) fn fifo(&self, path: impl AsRef<Path>) -> &Self {
        self.special(path, rustix::fs::FileType::Fifo)
    }

    pub(crate) fn socket(&self, path: impl AsRef<Path>) -> &Self {
        self.special(path, rustix::fs::FileType::Socket)
    }

    fn special(&self, path: impl AsRef<Path>, kind: rustix::fs::FileType) -> &Self {
        use rustix::fs::{CWD, Mode, mknodat};
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        mknodat(CWD, path, kind, Mode::RWXU, 0).unwrap();
        self
    }

    pub(crate) fn remove(&self, path: impl AsRef<Path>) -> &Self {
        let path = self.at(path);
        match fs::symlink_metadata(&path).unwrap().is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
        self
    }

    /// A PCI function in `folder`, relative to sysfs, driven by `driver` unless that is empty.
    pub(crate) fn function(&self, folder: &str, class: &str, driver: &str) -> &Self {
        let address = Path::new(folder).file_name().unwrap().to_str().unwrap();
        let sys = format!("sys/{folder}");
        self.file(format!("{sys}/vendor"), "0x8086\n")
            .file(format!("{sys}/device"), "0x0d93\n")
            .file(format!("{sys}/class"), &format!("{class}\n"))
            .file(format!("{sys}/ari_enabled"), "0\n")
            .link(format!("{sys}/subsystem"), "../../../bus/pci")
            .link(format!("sys/bus/pci/devices/{address}"), format!("../../../{folder}"));
        if !driver.is_empty() {
            self.link(format!("{sys}/driver"), format!("../../../bus/pci/drivers/{driver}"));
        }
        self
    }

    /// Memory device 0 with serial number 1001h, volatile, with one idle endpoint port.
    pub(crate) fn memdev(&self) -> &Self {
        self.function(FUNCTION, "0x050210", "cxl_pci");
        let own = |file: &str| format!("sys/{MEM}/{file}");
        self.file(own("dev"), "248:0\n")
            .file(own("serial"), "0x1001\n")
            .file(own("numa_node"), "-1\n")
            .file(own("firmware_version"), "BWFW VERSION 00\n")
            .file(own("ram/size"), "0x10000000\n")
            .file(own("pmem/size"), "0x0\n")
            .file(own("payload_max"), "2048\n")
            .file(own("security/state"), "disabled\n")
            .link(own("driver"), "../../../../../bus/cxl/drivers/cxl_mem")
            .link(own("subsystem"), "../../../../../bus/cxl")
            .link("sys/bus/cxl/devices/mem0", format!("../../../{MEM}"));
        let port = "devices/platform/ACPI0017:00/root0/port1/endpoint2";
        self.file(format!("sys/{port}/decoders_committed"), "0\n")
            .file(format!("sys/{port}/decoder2.0/region"), "\n")
            .link(format!("sys/{port}/uport"), format!("../../../../../../{MEM}"))
            .link("sys/bus/cxl/devices/endpoint2", format!("../../../{port}"))
    }

    /// Controller 0 with one namespace of its own, `nvme0n1`, on a kernel without SED-Opal.
    pub(crate) fn controller(&self) -> &Self {
        self.function("devices/pci0000:00/0000:00:04.0", "0x010802", "nvme");
        let own = |file: &str| format!("sys/{NVME}/{file}");
        self.file(own("dev"), "253:0\n")
            .file(own("model"), "QEMU NVMe Ctrl                          \n")
            .file(own("serial"), "LAB0001             \n")
            .file(own("firmware_rev"), "10.0.2  \n")
            .file(own("state"), "live\n")
            .file(own("transport"), "pcie\n")
            .file(own("cntlid"), "0\n")
            .file(own("diag/reset_count"), "0\n")
            .file(own("subsysnqn"), "nqn.2019-08.org.qemu:LAB0001\n")
            .link("sys/class/nvme/nvme0", format!("../../{NVME}"))
            .file("boot/config-7.3.4", "# CONFIG_BLK_SED_OPAL is not set\n");
        let disk = format!("{NVME}/nvme0n1");
        self.file(format!("sys/{disk}/dev"), "259:0\n")
            .file(format!("sys/{disk}/nsid"), "1\n")
            .file(format!("sys/{disk}/diskseq"), "9\n")
            .dir(format!("sys/{disk}/holders"))
            .link("sys/class/block/nvme0n1", format!("../../{disk}"))
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match (byte, byte == b'\\') {
            (byte, false) => bytes.push(byte),
            _ => match rest.next().unwrap() {
                b'n' => bytes.push(b'\n'),
                b'\\' => bytes.push(b'\\'),
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    let digits = std::str::from_utf8(&digits).unwrap();
                    bytes.push(u8::from_str_radix(digits, 16).unwrap());
                }
                other => panic!("unknown escape \\{}", char::from(other)),
            },
        }
    }
    bytes
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is around a device, read anew each time.

use fwgate_gate::device::Around;
use fwgate_linux::discover::around;
use fwgate_policy::{Known, Lockdown, Subsystems};

use crate::tree::{FUNCTION, MEM, Tree};

const DISK: &str = "sys/devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1";

/// Looks with a target that was found before `change`.
fn after(tree: &Tree, name: &str, change: impl FnOnce(&Tree)) -> Around {
    let target = tree.target(name);
    change(tree);
    around(&tree.roots(), &target)
}

fn in_use(change: impl FnOnce(&Tree)) -> Known {
    let tree = Tree::new();
    tree.controller();
    after(&tree, "nvme0", change).namespace_in_use
}

#[test]
fn an_idle_memory_device_is_driven_and_nothing_more() {
    let tree = Tree::new();
    tree.memdev();
    let around = after(&tree, "mem0", |_| ());
    assert_eq!((around.driven, around.drivers), (Known::Yes, Subsystems::CXL));
    assert_eq!(around.nvdimm_bound, Known::No);
    assert_eq!(around.decoder_committed, Known::No);
    assert_eq!(around.namespace_in_use, Known::No);
    assert_eq!(around.lockdown, Lockdown::None);
    let interfaces = around.interfaces.unwrap();
    assert_eq!(interfaces, ["memdev-scan-media-caps", "memdev-set-partition"]);
}

#[test]
fn what_changes_after_the_scan_is_seen() {
    let tree = Tree::new();
    tree.memdev();
    let around = after(&tree, "mem0", |tree| {
        let link = "../../../../../../bus/cxl/drivers/cxl_nvdimm";
        tree.link(format!("sys/{MEM}/pmem0/driver"), link)
            .file(
                "sys/devices/platform/ACPI0017:00/root0/port1/endpoint2/decoders_committed",
                "2\n",
            )
            .file("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
            .function("devices/pci0000:0c/0000:0c:00.0/0000:0d:00.3", "0x020000", "bnxt_en");
    });
    assert_eq!(around.nvdimm_bound, Known::Yes);
    assert_eq!(around.decoder_committed, Known::Yes);
    assert_eq!(around.lockdown, Lockdown::Integrity);
    assert_eq!(around.drivers, Subsystems::CXL | Subsystems::NETDEV, "a function that came later");
}

#[test]
fn an_nvdimm_child_counts_only_while_its_driver_is_bound() {
    let tree = Tree::new();
    tree.memdev();
    let around = after(&tree, "mem0", |tree| {
        tree.dir(format!("sys/{MEM}/pmem0"));
    });
    assert_eq!(around.nvdimm_bound, Known::No);
}

#[test]
fn without_an_endpoint_port_nobody_can_tell_of_decoders() {
    let tree = Tree::new();
    tree.memdev();
    let around = after(&tree, "mem0", |tree| {
        tree.remove("sys/bus/cxl/devices/endpoint2");
    });
    assert_eq!(around.decoder_committed, Known::CannotTell);
}

#[test]
fn an_endpoint_port_with_another_name_is_found_by_what_it_leads_to() {
    let tree = Tree::new();
    tree.memdev();
    let around = after(&tree, "mem0", |tree| {
        let port = "devices/platform/ACPI0017:00/root0/port1/endpoint9";
        tree.remove("sys/bus/cxl/devices/endpoint2")
            .file(format!("sys/{port}/decoders_committed"), "1\n")
            .link(format!("sys/{port}/uport"), format!("../../../../../../{MEM}"))
            .link("sys/bus/cxl/devices/endpoint9", format!("../../../{port}"));
    });
    assert_eq!(around.decoder_committed, Known::Yes);
}

#[test]
fn of_a_device_that_went_nothing_can_be_told() {
    let tree = Tree::new();
    tree.memdev();
    let around = after(&tree, "mem0", |tree| {
        tree.remove(format!("sys/{MEM}"));
    });
    assert_eq!(around.driven, Known::CannotTell);
    assert_eq!(around.decoder_committed, Known::CannotTell);
    assert_eq!(around.interfaces, None);
}

#[test]
fn an_unreadable_driver_or_count_is_cannot_tell_and_never_no() {
    let tree = Tree::new();
    tree.memdev();
    let around = after(&tree, "mem0", |tree| {
        tree.remove(format!("sys/{FUNCTION}/driver")).dir(format!("sys/{FUNCTION}/driver"));
        let count = "sys/devices/platform/ACPI0017:00/root0/port1/endpoint2/decoders_committed";
        tree.file(count, "-1\n");
    });
    assert_eq!(around.driven, Known::CannotTell);
    assert_eq!(around.decoder_committed, Known::CannotTell);
}

#[test]
fn an_idle_namespace_is_not_in_use() {
    assert_eq!(in_use(|_| ()), Known::No);
}

/// What it is called, and what makes it.
type Sign<'a> = (&'a str, &'a dyn Fn(&Tree));

#[test]
fn any_sign_of_use_counts() {
    let mount = |line: &str| format!("25 2 0:23 / /sys rw - sysfs sysfs rw\n{line}\n");
    let signs: [Sign<'_>; 9] = [
        ("mounted", &|tree| {
            tree.file("proc/self/mountinfo", &mount("40 2 259:0 / /mnt rw - ext4 /dev/nvme0n1 rw"));
        }),
        ("mounted by process 1 only", &|tree| {
            tree.file("proc/1/mountinfo", &mount("40 2 259:0 / /mnt rw - ext4 /dev/root rw"));
        }),
        ("part of a mounted btrfs", &|tree| {
            tree.file("proc/1/mountinfo", &mount("40 2 0:44 / /mnt rw - btrfs /dev/nvme0n1 rw"));
        }),
        ("second disk of a btrfs", &|tree| {
            tree.link("sys/fs/btrfs/0d5a0c1e/devices/nvme0n1", "../../../../block/nvme0n1");
        }),
        ("a file system in another namespace", &|tree| {
            tree.dir("sys/fs/ext4/nvme0n1");
        }),
        ("a holder", &|tree| {
            tree.link(format!("{DISK}/holders/dm-0"), "../../../../../virtual/block/dm-0");
        }),
        ("a partition mounted", &|tree| {
            tree.file(format!("{DISK}/nvme0n1p2/dev"), "259:2\n")
                .dir(format!("{DISK}/nvme0n1p2/holders"));
            tree.file("proc/1/mountinfo", &mount("40 2 259:2 / / rw - ext4 /dev/root rw"));
        }),
        ("a partition with a holder", &|tree| {
            tree.file(format!("{DISK}/nvme0n1p1/dev"), "259:1\n");
            tree.link(format!("{DISK}/nvme0n1p1/holders/md0"), "../md0");
        }),
        ("swap on a partition", &|tree| {
            tree.file(format!("{DISK}/nvme0n1p3/dev"), "259:3\n")
                .dir(format!("{DISK}/nvme0n1p3/holders"));
            tree.file("proc/swaps", "Filename Type\n/dev/nvme0n1p3 partition 1 0 -2\n");
        }),
    ];
    for (sign, make) in signs {
        assert_eq!(in_use(make), Known::Yes, "{sign}");
    }
}

#[test]
fn use_of_another_disk_with_a_longer_name_does_not_count() {
    let use_of_another = in_use(|tree| {
        tree.file("proc/swaps", "Filename Type\n/dev/nvme0n10 partition 1 0 -2\n")
            .dir("sys/fs/ext4/nvme0n11")
            .dir("sys/fs/cgroup/nvme0n1");
    });
    assert_eq!(use_of_another, Known::No);
}

#[test]
fn a_table_that_cannot_be_read_leaves_it_open() {
    for table in ["proc/self/mountinfo", "proc/1/mountinfo"] {
        let missing = in_use(|tree| {
            tree.remove(table);
        });
        assert_eq!(missing, Known::CannotTell, "{table}");
        let odd = in_use(|tree| {
            tree.bytes(table, b"\xff\xff\n");
        });
        assert_eq!(odd, Known::CannotTell, "{table}");
    }
    let fifo = in_use(|tree| {
        tree.fifo("proc/swaps");
    });
    assert_eq!(fifo, Known::CannotTell);
    let gone = in_use(|tree| {
        tree.remove("sys/class/block/nvme0n1");
    });
    assert_eq!(gone, Known::CannotTell);
}

#[test]
fn a_namespace_that_other_controllers_may_have_is_never_surely_idle() {
    let tree = Tree::load("qemu-cxl-nvme.txt");
    let around = after(&tree, "nvme0", |_| ());
    assert_eq!(around.namespace_in_use, Known::CannotTell);
}

#[test]
fn sed_opal_counts_as_there_unless_the_kernel_is_known_to_lack_it() {
    let tree = Tree::new();
    tree.controller();
    assert_eq!(after(&tree, "nvme0", |_| ()).interfaces, Some(vec![]));
    let with = after(&tree, "nvme0", |tree| {
        tree.file("boot/config-7.3.4", "CONFIG_BLK_SED_OPAL=y\n");
    });
    assert_eq!(with.interfaces, Some(vec!["sed-opal"]));
    let unknown = after(&tree, "nvme0", |tree| {
        tree.remove("boot/config-7.3.4");
    });
    assert_eq!(unknown.interfaces, None);
}

#[test]
fn an_unreadable_lockdown_counts_as_integrity() {
    let tree = Tree::new();
    tree.memdev().controller();
    let around = after(&tree, "nvme0", |tree| {
        tree.remove("sys/kernel/security/lockdown");
    });
    assert_eq!(around.lockdown, Lockdown::Integrity);
}

#[test]
fn in_a_pid_namespace_of_its_own_a_namespace_is_never_surely_idle() {
    let idle = in_use(|_| {});
    assert_eq!(idle, Known::No);
    for link in ["pid:[4026532301]", "mnt:[4026531836]", ""] {
        let doubted = in_use(|tree| {
            tree.remove("proc/self/ns/pid");
            if !link.is_empty() {
                tree.link("proc/self/ns/pid", link);
            }
        });
        assert_eq!(doubted, Known::CannotTell, "{link}");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What marks one opening of a device.

use fwgate_linux::discover::Marks;

use crate::tree::{FUNCTION, MEM, NVME, Tree};

fn marks(tree: &Tree, name: &str) -> Marks {
    Marks::new(&tree.roots(), &tree.target(name), None)
}

#[test]
fn nothing_that_changed_is_the_same_generation() {
    let tree = Tree::new();
    tree.memdev().controller();
    for name in ["mem0", "nvme0"] {
        let marks = marks(&tree, name);
        assert_eq!(marks.observe(), marks.observe());
    }
}

#[test]
fn a_device_that_was_removed_and_put_back_with_the_same_files_is_another_opening() {
    let tree = Tree::new();
    tree.memdev();
    let marks = marks(&tree, "mem0");
    let before = marks.observe();
    // The old folder stays about, so that its inode is not free to be used again; sysfs never does.
    std::fs::rename(tree.at(format!("sys/{MEM}")), tree.at("kept")).unwrap();
    let gone = marks.observe();
    assert_ne!(gone.opened, before.opened);
    assert!(gone.opened.contains("mem0 object gone"), "{}", gone.opened);
    for link in ["mem0", "endpoint2"] {
        tree.remove(format!("sys/bus/cxl/devices/{link}"));
    }
    tree.remove("sys/devices/platform").remove(format!("sys/{FUNCTION}"));
    tree.remove("sys/bus/pci/devices/0000:0d:00.0");
    tree.memdev();
    let back = marks.observe();
    assert_ne!(back.opened, before.opened);
    assert_ne!(back.opened, gone.opened);
}

#[test]
fn another_boot_number_or_driver_is_another_opening() {
    let changes: [&dyn Fn(&Tree); 4] = [
        &|tree| {
            tree.file("proc/sys/kernel/random/boot_id", "00000000-8394-4c9b-ba37-be937ac04951\n");
        },
        &|tree| {
            tree.file(format!("sys/{MEM}/dev"), "248:7\n");
        },
        &|tree| {
            tree.remove(format!("sys/{MEM}/driver"));
        },
        &|tree| {
            tree.remove(format!("sys/{FUNCTION}/driver"));
            tree.link(format!("sys/{FUNCTION}/driver"), "../../../bus/pci/drivers/vfio-pci");
        },
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let tree = Tree::new();
        tree.memdev();
        let marks = marks(&tree, "mem0");
        let before = marks.observe();
        change(&tree);
        assert_ne!(marks.observe().opened, before.opened, "{index}");
    }
}

#[test]
fn other_firmware_is_a_change_of_the_same_opening() {
    let tree = Tree::new();
    tree.memdev();
    let marks = marks(&tree, "mem0");
    let before = marks.observe();
    tree.file(format!("sys/{MEM}/firmware_version"), "BWFW VERSION 01\n");
    let after = marks.observe();
    assert_eq!(after.opened, before.opened);
    assert_eq!(after.changes, before.changes + 1);
    assert_eq!(marks.observe(), after);
}

#[test]
fn a_reset_another_state_and_another_disk_are_changes_that_never_go_back() {
    let tree = Tree::new();
    tree.controller();
    let marks = marks(&tree, "nvme0");
    let mut last = marks.observe();
    let own = |file: &str| format!("sys/{NVME}/{file}");
    for (file, text) in [
        ("diag/reset_count", "1\n"),
        ("state", "resetting\n"),
        ("state", "live\n"),
        ("nvme0n1/diskseq", "12\n"),
        ("firmware_rev", "10.0.3  \n"),
        ("firmware_rev", "10.0.2  \n"),
    ] {
        tree.file(own(file), text);
        let next = marks.observe();
        assert_eq!(next.opened, last.opened, "{file}");
        assert_eq!(next.changes, last.changes + 1, "{file}");
        last = next;
    }
}

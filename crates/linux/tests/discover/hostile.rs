// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that are not what they should be: each is named, none stops the scan or the process.

use std::path::Path;

use fwgate_linux::discover::{FileKind, Kind, Machine, ReadError, Roots};

use crate::tree::{FUNCTION, MEM, Tree};

fn serial(tree: &Tree) -> Option<u64> {
    match tree.target("mem0").kind {
        Kind::Cxl { memdev, .. } => memdev.serial,
        _ => panic!("not a memory device"),
    }
}

/// The errors of a scan whose memory device has this in place of its serial number.
fn unread(make: impl Fn(&Tree, &str)) -> (Tree, Vec<ReadError>) {
    let tree = Tree::new();
    tree.memdev().remove(format!("sys/{MEM}/serial"));
    make(&tree, &format!("sys/{MEM}/serial"));
    assert_eq!(serial(&tree), None);
    let errors = tree.scan().unread;
    (tree, errors)
}

#[test]
fn a_good_tree_is_read_without_a_complaint() {
    let tree = Tree::new();
    tree.memdev().controller();
    let scan = tree.scan();
    assert_eq!(scan.unread, []);
    assert_eq!(scan.targets().len(), 2);
}

#[test]
fn a_fifo_in_place_of_a_file_is_an_error_that_names_it_and_blocks_nobody() {
    let (tree, errors) = unread(|tree, path| {
        tree.fifo(path);
    });
    let path = tree.at(format!("sys/{MEM}/serial"));
    let (expected, found) = (FileKind::File, FileKind::Fifo);
    assert_eq!(errors, [ReadError::WrongKind { path: path.clone(), expected, found }]);
    assert_eq!(errors[0].to_string(), format!("`{}` is a FIFO, expected a file", path.display()));
}

#[test]
fn what_is_no_file_is_told_by_looking_at_it_and_not_by_opening_it() {
    // To open a socket is an error of its own, so this one was not opened.
    let (_, errors) = unread(|tree, path| {
        tree.socket(path);
    });
    assert!(matches!(errors[..], [ReadError::WrongKind { found: FileKind::Other, .. }]));
}

#[test]
fn a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder_are_errors() {
    let (_, errors) = unread(|tree, path| {
        tree.dir(path);
    });
    assert!(matches!(errors[..], [ReadError::WrongKind { found: FileKind::Folder, .. }]));
    let tree = Tree::new();
    tree.memdev().file("sys/class/nvme", "not a folder");
    let errors = tree.scan().unread;
    assert!(matches!(errors[..], [ReadError::WrongKind { found: FileKind::File, .. }]));
}

#[test]
fn a_link_out_of_the_root_is_not_followed() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), "0x1001\n").unwrap();
    for target in [outside.path(), Path::new("/dev/zero"), Path::new("/etc/hostname")] {
        let (_, errors) = unread(|tree, path| {
            tree.link(path, target);
        });
        assert!(matches!(errors[..], [ReadError::Outside { .. }]), "{errors:?}");
    }
    let tree = Tree::new();
    let ups = "../".repeat(60);
    tree.memdev().remove("sys/bus/cxl/devices/mem0");
    tree.link("sys/bus/cxl/devices/mem0", format!("{ups}tmp"));
    assert!(matches!(tree.scan().unread[..], [ReadError::Outside { .. }]));
    assert!(tree.scan().targets().is_empty());
}

#[test]
fn links_that_go_round_are_an_error() {
    let (_, errors) = unread(|tree, path| {
        tree.link(path, "serial");
    });
    assert!(matches!(errors[..], [ReadError::Loop { .. }]), "{errors:?}");
    let tree = Tree::new();
    tree.memdev().link("sys/bus/cxl/devices/mem1", "mem2").link("sys/bus/cxl/devices/mem2", "mem1");
    let scan = tree.scan();
    assert_eq!(scan.unread.len(), 2);
    assert!(scan.unread.iter().all(|error| matches!(error, ReadError::Loop { .. })));
    assert_eq!(scan.targets().len(), 1);
}

#[test]
fn a_file_longer_than_an_attribute_can_be_is_not_read_whole() {
    let (_, errors) = unread(|tree, path| {
        tree.bytes(path, &vec![b'1'; 8 << 20]);
    });
    assert!(matches!(errors[..], [ReadError::TooLarge { limit: 4096, .. }]), "{errors:?}");
}

#[test]
fn what_is_no_number_is_an_error_that_shows_it() {
    for (text, shown) in [
        (&b"-1\n"[..], "-1"),
        (b"", ""),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"0x", "0x"),
        (b"0x1001 0x1002", "0x1001 0x1002"),
        (b"0x10000000000000000", "0x10000000000000000"),
        (b"+5", "+5"),
        (b"99999999999999999999", "99999999999999999999"),
    ] {
        let (_, errors) = unread(|tree, path| {
            tree.bytes(path, text);
        });
        match &errors[..] {
            [ReadError::Malformed { found, .. }] => assert_eq!(found, shown),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_file_that_is_cut_short_or_not_there_is_left_out() {
    let tree = Tree::new();
    tree.memdev().remove(format!("sys/{MEM}/serial")).remove(format!("sys/{MEM}/firmware_version"));
    let scan = tree.scan();
    assert_eq!(scan.unread, []);
    assert_eq!(serial(&tree), None);
    tree.file(format!("sys/{MEM}/dev"), "248:");
    let scan = tree.scan();
    assert!(matches!(scan.unread[..], [ReadError::Malformed { .. }]));
    assert!(scan.targets().is_empty(), "a device without a number cannot be sent to");
}

#[test]
fn a_device_that_vanishes_between_its_name_and_its_files_is_left_out() {
    let tree = Tree::new();
    tree.memdev().controller().remove(format!("sys/{MEM}"));
    let scan = tree.scan();
    assert_eq!(scan.unread, []);
    assert_eq!(scan.targets().len(), 1, "the controller is still there");
    assert_eq!(scan.without_target().len(), 1, "and so is the function of what went");
}

#[test]
fn bytes_of_a_device_that_are_no_text_are_kept_and_shown_escaped() {
    let tree = Tree::new();
    tree.memdev().bytes(format!("sys/{MEM}/firmware_version"), b"\x1b[31m\xffv1\0\0 \n");
    let Kind::Cxl { memdev, .. } = tree.target("mem0").kind else { panic!() };
    let firmware = memdev.firmware.unwrap();
    assert_eq!(firmware.as_bytes(), b"\x1b[31m\xffv1");
    assert_eq!(firmware.to_string(), "\\x1b[31m\\xffv1");
    assert_eq!(serde_json::to_string(&firmware).unwrap(), "\"\\\\x1b[31m\\\\xffv1\"");
}

#[test]
fn names_that_the_kernel_does_not_make_are_no_devices() {
    let tree = Tree::new();
    tree.memdev();
    for name in ["mem", "mem01", "mem-1", "mem4294967296", "memx", "MEM0", "mem0 ", "pmem0"] {
        tree.link(format!("sys/bus/cxl/devices/{name}"), format!("../../../{MEM}"));
    }
    assert_eq!(tree.scan().targets().len(), 1);
}

#[test]
fn a_machine_without_sysfs_is_an_error_and_one_without_devices_is_none() {
    let nowhere = Roots::at(Path::new("/nowhere"));
    assert!(matches!(Machine { roots: nowhere }.scan(), Err(ReadError::Gone { .. })));
    let scan = Tree::new().scan();
    assert_eq!((scan.targets().len(), scan.unread.len()), (0, 0));
}

#[test]
fn a_function_with_a_hostile_serial_number_is_scanned_all_the_same() {
    let tree = Tree::new();
    tree.memdev().bytes(format!("sys/{FUNCTION}/serial_number"), b"zz-00-00-00-00-00-10-01\n");
    let scan = tree.scan();
    assert!(matches!(scan.unread[..], [ReadError::Malformed { .. }]));
    assert_eq!(scan.targets().len(), 1);
}

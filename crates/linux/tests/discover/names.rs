// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding a device by what users call it.

use fwgate_linux::discover::FindError;

use crate::tree::{NVME, Tree};

fn found(tree: &Tree, name: &str) -> Result<String, FindError> {
    tree.scan().find(name).map(|target| target.name)
}

#[test]
fn a_memory_device_is_found_by_each_of_its_names() {
    let tree = Tree::load("cxl-test.txt");
    for name in ["mem12", "fwctl10", "0x1", "1", "00-00-00-00-00-00-00-01"] {
        assert_eq!(found(&tree, name).as_deref(), Ok("mem12"), "{name}");
    }
}

#[test]
fn a_controller_is_found_by_its_namespaces_its_address_and_its_serial_number() {
    let tree = Tree::load("qemu-cxl-nvme.txt");
    for name in [
        "nvme0",
        "nvme0n1",
        "nvme0n2",
        "nvme0c0n1",
        "nvme0n1p3",
        "ng0n2",
        "0000:00:04.0",
        "00:04.0",
        "LAB0001",
    ] {
        assert_eq!(found(&tree, name).as_deref(), Ok("nvme0"), "{name}");
    }
    assert_eq!(found(&tree, "0000:0d:00.0").as_deref(), Ok("mem0"));
}

#[test]
fn a_name_that_nothing_has_lists_what_there_is() {
    let tree = Tree::load("qemu-cxl-nvme.txt");
    for name in
        ["mem7", "nvme0n3", "nvme0c1n1", "fwctl0", "0000:0f:00.0", "", "x\u{1b}", "0", "LAB0001 "]
    {
        let error = found(&tree, name).unwrap_err();
        let FindError::Unknown { known, .. } = &error else { panic!("{error}") };
        assert_eq!(known, &["mem0", "mem1", "nvme0"], "{name}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
}

#[test]
fn a_serial_number_that_two_devices_claim_is_ambiguous() {
    let tree = Tree::new();
    tree.memdev().controller();
    let folder = "devices/pci0000:00/0000:00:05.0";
    tree.function(folder, "0x010802", "nvme")
        .file(format!("sys/{folder}/nvme/nvme1/dev"), "253:1\n")
        .file(format!("sys/{folder}/nvme/nvme1/serial"), "LAB0001             \n")
        .link("sys/class/nvme/nvme1", format!("../../{folder}/nvme/nvme1"));
    let error = found(&tree, "LAB0001").unwrap_err();
    assert_eq!(error.to_string(), "`LAB0001` may be any of nvme0, nvme1");
    assert_eq!(found(&tree, "nvme1").as_deref(), Ok("nvme1"));
}

#[test]
fn a_device_cannot_take_another_ones_name_by_its_serial_number() {
    let tree = Tree::new();
    tree.memdev().controller();
    for claimed in ["mem0", "mem7", "nvme5", "fwctl0", "0000:0d:00.0", "no/where"] {
        tree.file(format!("sys/{NVME}/serial"), claimed);
        let wanted = match claimed {
            "mem0" | "0000:0d:00.0" => Ok("mem0".to_owned()),
            _ => Err(()),
        };
        assert_eq!(found(&tree, claimed).map_err(|_| ()), wanted, "{claimed}");
    }
}

#[test]
fn an_empty_serial_number_names_nothing() {
    let tree = Tree::new();
    tree.controller().file(format!("sys/{NVME}/serial"), "                    \n");
    assert!(matches!(found(&tree, ""), Err(FindError::Unknown { .. })));
}

#[test]
fn a_path_counts_by_the_number_of_the_node_and_by_nothing_else() {
    let tree = Tree::new();
    tree.memdev().file("dev/cxl/mem0", "no node");
    let path = tree.at("dev/cxl/mem0");
    let error = found(&tree, path.to_str().unwrap()).unwrap_err();
    assert_eq!(error, FindError::NotANode { path });
    assert!(matches!(found(&tree, "/dev/null"), Err(FindError::Unknown { .. })));
    assert!(matches!(found(&tree, "/dev/cxl/mem99"), Err(FindError::Unreadable { errno: 2, .. })));
}

#[test]
fn a_disk_with_two_controllers_does_not_say_which_one_is_meant() {
    let tree = Tree::new();
    for (number, slot) in [(0, "04"), (1, "05")] {
        let folder = format!("devices/pci0000:00/0000:00:{slot}.0");
        let own = format!("sys/{folder}/nvme/nvme{number}");
        tree.function(&folder, "0x010802", "nvme")
            .file(format!("{own}/dev"), &format!("253:{number}\n"))
            .file(format!("{own}/serial"), "S1\n")
            .file(format!("{own}/subsysnqn"), "nqn.x\n")
            .dir(format!("{own}/nvme0c{number}n1"))
            .link(
                format!("sys/class/nvme/nvme{number}"),
                format!("../../{folder}/nvme/nvme{number}"),
            );
    }
    let error = found(&tree, "nvme0n1").unwrap_err();
    assert_eq!(error.to_string(), "`nvme0n1` may be any of nvme0, nvme1");
    assert_eq!(found(&tree, "nvme0c1n1").as_deref(), Ok("nvme1"));
    assert_eq!(tree.scan().devices.len(), 1, "one subsystem, one serial number, one device");
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trees copied from Linux 7.3.4 in a virtual machine.

use fwgate_linux::discover::{Controller, Kind, Memdev, around};
use fwgate_policy::{Known, Subsystems};

use crate::tree::Tree;

fn memdev(tree: &Tree, name: &str) -> Memdev {
    match tree.target(name).kind {
        Kind::Cxl { memdev, .. } => memdev,
        other => panic!("{other:?}"),
    }
}

fn controller(tree: &Tree, name: &str) -> Controller {
    match tree.target(name).kind {
        Kind::Nvme(controller) => controller,
        other => panic!("{other:?}"),
    }
}

#[test]
fn qemus_devices_are_read_whole() {
    let tree = Tree::load("qemu-cxl-nvme.txt");
    let scan = tree.scan();
    assert_eq!(scan.unread, []);
    let names: Vec<String> = scan.targets().into_iter().map(|target| target.name).collect();
    assert_eq!(names, ["mem0", "mem1", "nvme0"]);

    let volatile = memdev(&tree, "mem0");
    assert_eq!((volatile.serial, volatile.numa_node), (Some(0x1001), None));
    assert_eq!((volatile.ram_bytes, volatile.pmem_bytes), (Some(256 << 20), Some(0)));
    assert_eq!((volatile.payload_max, volatile.label_bytes), (Some(2048), Some(0)));
    assert_eq!(volatile.firmware.unwrap().to_string(), "BWFW VERSION 00");
    assert_eq!(volatile.number.to_string(), "248:0");
    assert_eq!(volatile.driver.as_deref(), Some("cxl_mem"));
    assert_eq!((volatile.nvdimm, volatile.fwctl), (None, None));
    let endpoint = volatile.endpoint.unwrap();
    assert_eq!((endpoint.name.as_str(), endpoint.committed), ("endpoint2", Some(0)));

    let persistent = memdev(&tree, "mem1");
    assert_eq!((persistent.serial, persistent.pmem_bytes), (Some(0x1002), Some(256 << 20)));
    let child = persistent.nvdimm.unwrap();
    assert_eq!((child.name.as_str(), child.dimm.as_deref()), ("pmem1", Some("nmem0")));
    assert_eq!(child.driver.as_deref(), Some("cxl_nvdimm"));
}

#[test]
fn qemus_controller_has_its_disks_under_its_subsystem() {
    let tree = Tree::load("qemu-cxl-nvme.txt");
    let controller = controller(&tree, "nvme0");
    assert_eq!(controller.serial.unwrap().to_string(), "LAB0001");
    assert_eq!(controller.model.unwrap().to_string(), "QEMU NVMe Ctrl");
    assert_eq!(controller.address.unwrap().to_string(), "0000:00:04.0");
    assert_eq!(controller.admin_timeout, Some(60_000));
    let disks: Vec<_> = controller
        .namespaces
        .iter()
        .map(|n| (n.disk.as_str(), n.path.as_deref(), n.nsid, n.diskseq, n.generic.as_deref()))
        .collect();
    assert_eq!(
        disks,
        [
            ("nvme0n1", Some("nvme0c0n1"), Some(1), Some(10), Some("ng0n1")),
            ("nvme0n2", Some("nvme0c0n2"), Some(2), Some(12), Some("ng0n2")),
        ]
    );
}

#[test]
fn each_slot_of_the_machine_is_one_device() {
    let scan = Tree::load("qemu-cxl-nvme.txt").scan();
    let device = |name: &str| scan.find(name).unwrap().physical;
    assert_eq!(device("mem0").slots[0].to_string(), "0000:0d:00");
    assert_eq!(device("mem0").drivers.known, Subsystems::CXL);
    assert_eq!(device("nvme0").drivers.known, Subsystems::NVME);
    assert_eq!(device("nvme0").driven(), Known::Yes);
    assert!(scan.without_target().is_empty());
    let memdevs: usize = scan.devices.iter().map(|device| device.memdevs.len()).sum();
    assert_eq!(memdevs, 2);
}

#[test]
fn the_interfaces_that_the_kernel_offers_to_qemus_devices_are_found() {
    let tree = Tree::load("qemu-cxl-nvme.txt");
    let interfaces = |name: &str| around(&tree.roots(), &tree.target(name)).interfaces.unwrap();
    let common = [
        "cxl-poison-debugfs",
        "cxl-poison-list",
        "cxl-sanitize",
        "cxl-trace-events",
        "edac-ecs",
        "edac-scrub",
        "firmware-upload",
        "memdev-scan-media-caps",
        "memdev-set-partition",
    ];
    assert_eq!(interfaces("mem0"), common);
    let mut persistent = common.to_vec();
    persistent.extend(["nvdimm-labels", "nvdimm-security"]);
    assert_eq!(interfaces("mem1"), persistent);
    assert_eq!(interfaces("nvme0"), ["sed-opal"]);
}

#[test]
fn cxl_tests_devices_have_fwctl_children_and_one_region_is_committed() {
    let tree = Tree::load("cxl-test.txt");
    let scan = tree.scan();
    assert_eq!(scan.unread, []);
    let targets = scan.targets();
    assert_eq!(targets.len(), 11);
    let with_fwctl = |target: &&fwgate_linux::discover::Target| {
        matches!(&target.kind, Kind::Cxl { fwctl: Some(_), .. })
    };
    assert_eq!(targets.iter().filter(with_fwctl).count(), 11);
    assert!(!targets.iter().any(|target| matches!(target.kind, Kind::Fwctl(_))));
    let committed: Vec<&str> = targets
        .iter()
        .filter(|target| around(&tree.roots(), target).decoder_committed == Known::Yes)
        .map(|target| target.name.as_str())
        .collect();
    assert_eq!(committed, ["mem10", "mem12"]);
    let endpoint = memdev(&tree, "mem12").endpoint.unwrap();
    assert_eq!((endpoint.committed, endpoint.regions), (Some(1), vec!["region1".to_owned()]));
    let around = around(&tree.roots(), &tree.target("mem12"));
    assert_eq!((around.driven, around.nvdimm_bound), (Known::Yes, Known::Yes));
    assert_eq!(around.drivers, Subsystems::CXL);
}

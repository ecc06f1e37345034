// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is one physical device, and who drives it.

use fwgate_linux::discover::Slot;
use fwgate_policy::{Known, Subsystems};

use crate::tree::{FUNCTION, MEM, Tree};

const SECOND: &str = "devices/pci0000:0c/0000:0c:00.0/0000:0d:00.1";
const ELSEWHERE: &str = "devices/pci0000:20/0000:21:00.0";

#[test]
fn every_function_of_a_slot_has_a_say_in_the_device() {
    let tree = Tree::new();
    tree.memdev().function(SECOND, "0x020000", "bnxt_en").dir(format!("sys/{SECOND}/net/eth0"));
    let device = tree.target("mem0").physical;
    assert_eq!(device.functions.len(), 2);
    assert_eq!(device.slots, [Slot::Pci { domain: 0, bus: 0x0d, device: Some(0) }]);
    assert_eq!(device.drivers.known, Subsystems::CXL | Subsystems::NETDEV);
    assert_eq!(device.driven(), Known::Yes);
}

#[test]
fn a_driver_that_is_not_known_leaves_everyone_a_say() {
    for driver in ["vfio-pci", "uio_pci_generic", "home_made"] {
        let tree = Tree::new();
        tree.memdev().function(SECOND, "0x020000", driver);
        let device = tree.target("mem0").physical;
        assert_eq!(device.driven(), Known::CannotTell, "{driver}");
        assert_eq!(device.drivers.unknown, [driver]);
    }
}

#[test]
fn another_slot_with_the_same_serial_number_is_the_same_device() {
    let tree = Tree::new();
    tree.memdev().function(ELSEWHERE, "0x020000", "mlx5_core");
    tree.file(format!("sys/{FUNCTION}/serial_number"), "00-00-00-00-00-00-10-01\n");
    assert_eq!(tree.scan().devices.len(), 2);
    tree.file(format!("sys/{ELSEWHERE}/serial_number"), "00-00-00-00-00-00-10-01\n");
    let scan = tree.scan();
    assert_eq!(scan.devices.len(), 1);
    assert_eq!(scan.devices[0].slots.len(), 2);
    assert_eq!(scan.devices[0].drivers.known, Subsystems::CXL | Subsystems::NETDEV);
}

#[test]
fn serial_numbers_that_say_nothing_join_nothing() {
    for serial in ["00-00-00-00-00-00-00-00\n", "ff-ff-ff-ff-ff-ff-ff-ff\n"] {
        let tree = Tree::new();
        tree.memdev().function(ELSEWHERE, "0x020000", "mlx5_core");
        tree.file(format!("sys/{FUNCTION}/serial_number"), serial);
        tree.file(format!("sys/{ELSEWHERE}/serial_number"), serial);
        assert_eq!(tree.scan().devices.len(), 2, "{serial}");
    }
    let tree = Tree::new();
    tree.memdev().file(format!("sys/{MEM}/serial"), "0x0\n");
    assert_eq!(tree.scan().devices.len(), 1);
}

#[test]
fn a_virtual_function_belongs_to_its_physical_one() {
    let tree = Tree::new();
    let virtual_one = "devices/pci0000:0c/0000:0c:00.0/0000:0d:01.2";
    tree.memdev().function(virtual_one, "0x020000", "mlx5_core");
    assert_eq!(tree.scan().devices.len(), 2);
    tree.link(format!("sys/{virtual_one}/physfn"), "../0000:0d:00.0");
    let scan = tree.scan();
    assert_eq!(scan.devices.len(), 1);
    assert!(scan.devices[0].drivers.known.contains(Subsystems::NETDEV));
}

#[test]
fn with_ari_all_functions_of_a_bus_are_one_device() {
    let tree = Tree::new();
    let far = "devices/pci0000:0c/0000:0c:00.0/0000:0d:03.5";
    tree.memdev().function(far, "0x020000", "bnxt_en");
    assert_eq!(tree.scan().devices.len(), 2);
    for folder in [FUNCTION, far] {
        tree.file(format!("sys/{folder}/ari_enabled"), "1\n");
    }
    assert_eq!(tree.scan().devices.len(), 1);
}

#[test]
fn auxiliary_devices_bring_their_drivers_subsystem() {
    let tree = Tree::new();
    tree.function(ELSEWHERE, "0x020000", "mlx5_core");
    for (name, driver) in [
        ("mlx5_core.rdma.0", "mlx5_ib.rdma"),
        ("mlx5_core.eth.0", "mlx5_core.eth"),
        ("mlx5_core.fwctl.0", "mlx5_fwctl.mlx5_fwctl"),
    ] {
        let link = format!("../../../../bus/auxiliary/drivers/{driver}");
        tree.link(format!("sys/{ELSEWHERE}/{name}/driver"), link);
    }
    let own = format!("{ELSEWHERE}/fwctl/fwctl3");
    tree.file(format!("sys/{own}/dev"), "251:3\n")
        .link(format!("sys/{own}/device"), "../../../0000:21:00.0")
        .link("sys/class/fwctl/fwctl3", format!("../../{own}"));
    let target = tree.target("fwctl3");
    assert_eq!(target.physical.drivers.known, Subsystems::NETDEV | Subsystems::RDMA);
    assert_eq!(target.physical.driven(), Known::Yes);
    assert_eq!(target.function().unwrap().address.to_string(), "0000:21:00.0");
    let fwgate_linux::discover::Kind::Fwctl(fwctl) = target.kind else { panic!() };
    assert_eq!(fwctl.family, fwgate_linux::discover::Family::Mlx5);
    tree.link(format!("sys/{ELSEWHERE}/mlx5_core.vnet.0/driver"), "../../x/mlx5_vdpa.vnet");
    assert_eq!(tree.target("fwctl3").physical.driven(), Known::CannotTell);
}

#[test]
fn a_device_without_pci_has_its_folder_as_its_slot() {
    let tree = Tree::load("cxl-test.txt");
    let device = tree.target("mem12").physical;
    let Slot::Folder(folder) = &device.slots[0] else { panic!("{:?}", device.slots) };
    assert!(folder.ends_with("cxl_mem.0"), "{}", folder.display());
    assert_eq!((device.memdevs.len(), device.fwctls.len(), device.functions.len()), (1, 1, 0));
    assert_eq!((device.driven(), device.drivers.known), (Known::Yes, Subsystems::CXL));
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of the kernel's interfaces to a network device count as there.

use fwgate_linux::discover::around;

use crate::tree::Tree;

const FIRST: &str = "devices/pci0000:20/0000:21:00.0";
const SECOND: &str = "devices/pci0000:20/0000:21:00.1";

/// Function 0 with that driver and a fwctl device.
fn machine(driver: &str) -> Tree {
    let tree = Tree::new();
    let own = format!("{FIRST}/fwctl/fwctl0");
    tree.function(FIRST, "0x020000", driver)
        .file(format!("sys/{own}/dev"), "251:0\n")
        .link(format!("sys/{own}/device"), "../../../0000:21:00.0")
        .link("sys/class/fwctl/fwctl0", format!("../../{own}"));
    tree
}

fn keys(tree: &Tree) -> Option<Vec<&'static str>> {
    around(&tree.roots(), &tree.target("fwctl0")).interfaces
}

const DEVLINK: [&str; 2] = ["devlink-flash", "devlink-reload"];
const ALL: [&str; 4] = ["devlink-flash", "devlink-reload", "netdev-dcb", "netdev-ethtool"];

#[test]
fn devlink_is_there_with_the_driver_that_brings_it() {
    assert_eq!(keys(&machine("mlx5_core")), Some(DEVLINK.to_vec()));
    assert_eq!(keys(&machine("bnxt_en")), Some(DEVLINK.to_vec()));
    assert_eq!(keys(&machine("pds_core")), Some(vec!["devlink-flash"]));
    for other in ["vfio-pci", "cxl_pci", ""] {
        assert_eq!(keys(&machine(other)), None, "{other}");
    }
}

#[test]
fn a_virtual_function_says_nothing_of_what_its_physical_one_has() {
    for (driver, expected) in
        [("mlx5_core", Some(DEVLINK.to_vec())), ("bnxt_en", None), ("pds_core", None)]
    {
        let tree = machine(driver);
        tree.link(format!("sys/{FIRST}/physfn"), "../0000:21:00.1");
        assert_eq!(keys(&tree), expected, "{driver}");
    }
}

#[test]
fn a_network_device_counts_where_its_folder_is_whatever_the_folder_shows() {
    for place in ["net", "net/eth0", "mlx5_core.sf.4/net"] {
        let tree = machine("mlx5_core");
        tree.dir(format!("sys/{FIRST}/{place}"));
        assert_eq!(keys(&tree), Some(ALL.to_vec()), "{place}");
    }
    let tree = machine("mlx5_core");
    tree.dir(format!("sys/{FIRST}/mlx5_core.eth.0/net")).dir(format!("sys/{FIRST}/infiniband"));
    assert_eq!(keys(&tree), Some(DEVLINK.to_vec()));
}

#[test]
fn a_network_device_of_another_function_of_the_device_counts_too() {
    let tree = machine("mlx5_core");
    tree.function(SECOND, "0x020000", "mlx5_core").dir(format!("sys/{SECOND}/net"));
    assert_eq!(keys(&tree), Some(ALL.to_vec()));
}

#[test]
fn where_a_function_has_a_driver_that_nobody_knows_no_network_device_is_surely_absent() {
    let tree = machine("mlx5_core");
    tree.function(SECOND, "0x020000", "vfio-pci");
    assert_eq!(keys(&tree), None);
    tree.dir(format!("sys/{FIRST}/net"));
    assert_eq!(keys(&tree), Some(ALL.to_vec()));
}

#[test]
fn a_driver_that_cannot_be_read_leaves_all_of_it_untold() {
    let tree = machine("mlx5_core");
    let target = tree.target("fwctl0");
    let driver = format!("sys/{FIRST}/driver");
    tree.remove(&driver).file(&driver, "mlx5_core\n");
    assert_eq!(around(&tree.roots(), &target).interfaces, None);
    tree.remove(format!("sys/{FIRST}/fwctl"));
    assert_eq!(around(&tree.roots(), &target).interfaces, None);
}

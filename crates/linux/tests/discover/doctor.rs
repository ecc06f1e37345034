// SPDX-License-Identifier: MIT OR Apache-2.0
//! What doctor says, by code, place and who can change it.

use fwgate_linux::host::{Code, Finding, Severity, Who, doctor};

use crate::tree::{MEM, NVME, Tree};

const STOCK: &str = "# CONFIG_FWCTL is not set\n# CONFIG_CXL_MEM_RAW_COMMANDS is not set\nCONFIG_CXL_BUS=m\nCONFIG_CXL_MEM=m\n\
                     CONFIG_CXL_PCI=m\nCONFIG_FW_UPLOAD=y\nCONFIG_DEBUG_FS=y\nCONFIG_TRACING=y\nCONFIG_CXL_PMEM=m\n";

fn found(tree: &Tree) -> Vec<Finding> {
    doctor(&tree.scan()).findings
}

fn only(findings: &[Finding], path: &str) -> Vec<(Code, Who)> {
    let of_path = findings.iter().filter(|finding| finding.path.as_deref() == Some(path));
    of_path.map(|finding| (finding.code, finding.who)).collect()
}

fn has(findings: &[Finding], code: Code) -> Option<&Finding> {
    findings.iter().find(|finding| finding.code == code)
}

#[test]
fn on_a_stock_kernel_vendor_opcodes_have_no_way_in_and_doctor_says_whose_matter_that_is() {
    let tree = Tree::new();
    tree.memdev().file("boot/config-7.3.4", STOCK);
    let findings = found(&tree);
    assert_eq!(only(&findings, "fwctl"), [(Code::KernelOptionOff, Who::Distribution)]);
    let raw = only(&findings, "raw");
    assert_eq!(raw[0], (Code::KernelOptionOff, Who::Distribution));
    let none = has(&findings, Code::NoPathForVendorOpcodes).unwrap();
    assert_eq!((none.device.as_deref(), none.who), (Some("mem0"), Who::Distribution));
    assert!(none.says.contains("no way in"), "{}", none.says);
}

#[test]
fn raw_names_everything_that_it_lacks() {
    let tree = Tree::new();
    tree.memdev()
        .file("boot/config-7.3.4", STOCK)
        .file("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    let mut wanted = vec![(Code::KernelOptionOff, Who::Distribution), (Code::Lockdown, Who::Owner)];
    if !cfg!(feature = "raw-commands") {
        wanted.push((Code::RawOffInBuild, Who::Owner));
    }
    assert_eq!(only(&found(&tree), "raw"), wanted);
}

#[test]
fn a_device_without_a_feature_for_users_is_told_from_a_kernel_without_fwctl() {
    let tree = Tree::load("qemu-cxl-nvme.txt");
    let findings = found(&tree);
    let fwctl = only(&findings, "fwctl");
    assert_eq!(fwctl, [(Code::NoUserFeature, Who::Vendor), (Code::NoUserFeature, Who::Vendor)]);
}

#[test]
fn without_a_kernel_configuration_options_are_unknown_and_not_off() {
    let tree = Tree::new();
    tree.memdev();
    let findings = found(&tree);
    assert_eq!(only(&findings, "fwctl"), [(Code::KernelOptionUnknown, Who::Owner)]);
    assert!(has(&findings, Code::ConfigUnknown).is_some());
}

#[test]
fn debians_own_place_for_the_configuration_is_looked_at() {
    let tree = Tree::new();
    tree.memdev().file("lib/modules/7.3.4/config", STOCK);
    assert_eq!(only(&found(&tree), "fwctl"), [(Code::KernelOptionOff, Who::Distribution)]);
}

#[test]
fn a_node_that_is_not_there_or_is_no_node_is_named() {
    let tree = Tree::new();
    tree.memdev();
    let findings = found(&tree);
    assert_eq!(only(&findings, "memdev"), [(Code::NodeWrong, Who::Root)]);
    tree.file("dev/cxl/mem0", "");
    let findings = found(&tree);
    let finding = has(&findings, Code::NodeWrong).unwrap();
    assert!(finding.says.ends_with("is a file, expected a character device"), "{}", finding.says);
}

#[test]
fn a_node_that_others_can_open_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let tree = Tree::new();
    tree.memdev().file("dev/cxl/mem0", "");
    for (mode, warned) in [(0o600, false), (0o660, true), (0o604, true), (0o601, true)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(tree.at("dev/cxl/mem0"), permissions).unwrap();
        let findings = found(&tree);
        assert_eq!(has(&findings, Code::NodeMode).is_some(), warned, "{mode:o}");
    }
    let findings = found(&tree);
    let finding = has(&findings, Code::NodeMode).unwrap();
    assert_eq!((finding.severity, finding.who), (Severity::Warning, Who::Root));
}

#[test]
fn a_controller_that_is_not_live_is_named_with_its_state() {
    let tree = Tree::new();
    tree.controller().file(format!("sys/{NVME}/state"), "dead\n");
    let findings = found(&tree);
    assert!(has(&findings, Code::ControllerState).unwrap().says.contains("`dead`"));
}

#[test]
fn a_function_without_a_driver_is_told_what_would_drive_it() {
    let tree = Tree::new();
    tree.function("devices/pci0000:0c/0000:0d:00.0", "0x050210", "")
        .file("boot/config-7.3.4", STOCK)
        .file("lib/modules/7.3.4/modules.builtin", "")
        .file("lib/modules/7.3.4/modules.dep", "kernel/drivers/cxl/cxl_pci.ko.xz:\n");
    let findings = found(&tree);
    let finding = has(&findings, Code::ModuleNotLoaded).unwrap();
    assert_eq!((finding.device.as_deref(), finding.who), (Some("0000:0d:00.0"), Who::Root));
    assert!(finding.says.contains("modprobe cxl_pci"));
    tree.file("lib/modules/7.3.4/modules.dep", "")
        .file("boot/config-7.3.4", "# CONFIG_CXL_PCI is not set\n");
    assert!(has(&found(&tree), Code::KernelOptionOff).is_some());
    tree.dir("sys/module/cxl_pci").file("sys/module/cxl_pci/initstate", "live\n");
    assert!(has(&found(&tree), Code::DriverUnbound).is_some());
    tree.link("sys/devices/pci0000:0c/0000:0d:00.0/driver", "../../../bus/pci/drivers/cxl_pci");
    assert!(has(&found(&tree), Code::DriverGaveNoDevice).is_some());
}

#[test]
fn what_the_machine_itself_has_against_it_is_warned_of() {
    let tree = Tree::new();
    tree.memdev();
    let codes = [Code::PanicOnTaint, Code::RawAllowAll, Code::LockdownUnreadable];
    let findings = found(&tree);
    assert!(codes.iter().all(|code| has(&findings, *code).is_none()), "{findings:?}");
    tree.file("proc/cmdline", "panic_on_taint=0x80000,nousertaint\n")
        .file("sys/kernel/debug/cxl/mbox/raw_allow_all", "Y\n")
        .remove("sys/kernel/security/lockdown");
    let findings = found(&tree);
    for code in codes {
        assert_eq!(has(&findings, code).map(|f| f.severity), Some(Severity::Warning), "{code:?}");
    }
}

#[test]
fn serial_numbers_that_two_devices_have_are_named() {
    let tree = Tree::new();
    let second = MEM.replace("0d:00.0/mem0", "0d:00.1/mem1");
    tree.memdev()
        .function("devices/pci0000:0c/0000:0c:00.0/0000:0d:00.1", "0x050210", "cxl_pci")
        .file(format!("sys/{second}/dev"), "248:1\n")
        .file(format!("sys/{second}/serial"), "0x1001\n")
        .link("sys/bus/cxl/devices/mem1", format!("../../../{second}"));
    let findings = found(&tree);
    let says = &has(&findings, Code::SerialTwice).unwrap().says;
    assert_eq!(says, "mem0 and mem1 say that their serial number is `0x1001`");
}

#[test]
fn what_a_memory_device_can_never_have_is_not_missing() {
    let tree = Tree::new();
    tree.memdev();
    let report = doctor(&tree.scan());
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.contains("edac-scrub") && text.contains("nvdimm-security"), "{text}");
    for other in ["netdev-", "devlink-", "sed-opal"] {
        assert!(!text.contains(other), "{other}: {text}");
    }
}

#[test]
fn findings_are_data() {
    let tree = Tree::new();
    tree.memdev().file("boot/config-7.3.4", STOCK);
    let json = serde_json::to_value(doctor(&tree.scan())).unwrap();
    assert_eq!(json["lockdown"], "none");
    assert_eq!(json["taint"], 0);
    let fwctl =
        json["findings"].as_array().unwrap().iter().find(|one| one["path"] == "fwctl").unwrap();
    assert_eq!(fwctl["code"], "kernel-option-off");
    assert_eq!(fwctl["place"], "CONFIG_FWCTL");
    assert_eq!(fwctl["who"], "distribution");
}

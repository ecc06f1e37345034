// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the machine has is found, joined, and found by every name that a user has for it.

use fwgate_linux::discover::{Kind, Target};

use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, read};

/// The serial numbers of QEMU's two CXL devices.
pub(crate) const VOLATILE: &str = "0x1001";
/// The one with persistent memory and labels.
pub(crate) const PERSISTENT: &str = "0x1002";
/// The NVMe drive's.
pub(crate) const DRIVE: &str = "LAB0001";

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    report.check("the three devices of the machine are found by their serial numbers", || {
        for serial in [VOLATILE, PERSISTENT, DRIVE] {
            rig.find(serial)?;
        }
        Ok(())
    });
    report.check("everything that sysfs lists is found and nothing else", || everything(&rig));
    report.check("a second scan finds the same", || {
        let (first, second) = (rig.scan()?, rig.scan()?);
        same!("the second scan", second.targets(), first.targets());
        Ok(())
    });
    report.check("nothing could not be read", || {
        same!("unread", rig.scan()?.unread, Vec::new());
        Ok(())
    });
    for serial in [VOLATILE, PERSISTENT, DRIVE] {
        let name = format!("the device {serial} is found by each of its names");
        report.check(&name, || by_each_name(&rig, &rig.find(serial)?));
    }
    report.check("a namespace and its node lead to their controller", || {
        let drive = rig.find(DRIVE)?;
        let Kind::Nvme(controller) = &drive.kind else { return Err("no controller".to_owned()) };
        same!("namespaces", controller.namespaces.len(), 2);
        for namespace in &controller.namespaces {
            for name in [namespace.disk.clone(), format!("/dev/{}", namespace.disk)] {
                same!(name, rig.find(&name)?.name, drive.name);
            }
        }
        Ok(())
    });
    report.check("each fwctl device leads to its memory device", || {
        for target in rig.with_fwctl()? {
            let Kind::Cxl { fwctl: Some(fwctl), .. } = &target.kind else { continue };
            for name in [fwctl.name.clone(), format!("/dev/fwctl/{}", fwctl.name)] {
                same!(name, rig.find(&name)?.name, target.name);
            }
        }
        Ok(())
    });
    report.check("the drivers are those that are bound", || {
        for (serial, driver) in [(VOLATILE, "cxl_pci"), (PERSISTENT, "cxl_pci"), (DRIVE, "nvme")] {
            let target = rig.find(serial)?;
            let function = target.function().ok_or("no PCI function")?;
            let link = std::fs::read_link(rig.roots.sys().join(&function.folder).join("driver"));
            let link = link.map_err(|error| error.to_string())?;
            ensure!(link.ends_with(driver), "{serial} is driven by {}", link.display());
            ensure!(
                target.physical.drivers.unknown.is_empty(),
                "unknown {:?}",
                target.physical.drivers
            );
        }
        Ok(())
    });
    report.check("what is no device of ours is not found", || {
        for name in [
            "mem99",
            "nvme9",
            "fwctl99",
            "0000:ff:1f.7",
            "/dev/null",
            "/dev",
            "/dev/none",
            "",
            "0x7",
        ] {
            if let Ok(target) = rig.find(name) {
                // cxl_test gives small serial numbers.
                ensure!(
                    name == "0x7" && target.folder().to_string_lossy().contains("cxl_mem."),
                    "{name}: {}",
                    target.name
                );
            }
        }
        Ok(())
    });
}

/// The names of a folder's entries that begin so and go on with a digit.
fn listed(folder: &str, prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let numbered = |name: &String| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_digit()))
    };
    let mut names: Vec<String> = names.filter(numbered).collect();
    names.sort();
    names
}

fn everything(rig: &Rig) -> Verdict {
    let mut found: Vec<String> = rig.scan()?.targets().iter().map(|it| it.name.clone()).collect();
    found.sort();
    let mut there = listed("/sys/bus/cxl/devices", "mem");
    there.extend(listed("/sys/class/nvme", "nvme"));
    there.sort();
    // Every fwctl device of these machines is a child of a memory device.
    same!("targets", found, there);
    let mut children: Vec<String> = Vec::new();
    for target in rig.with_fwctl()? {
        if let Kind::Cxl { fwctl: Some(fwctl), .. } = target.kind {
            children.push(fwctl.name);
        }
    }
    children.sort();
    same!("fwctl devices", children, listed("/sys/class/fwctl", "fwctl"));
    Ok(())
}

fn by_each_name(rig: &Rig, target: &Target) -> Verdict {
    let folder = rig.roots.sys().join(target.folder());
    let mut names = vec![target.name.clone()];
    let slot = target.function().ok_or("it is at no PCI address")?.address.to_string();
    names.push(slot.clone());
    names.extend(slot.strip_prefix("0000:").map(str::to_owned));
    let node = match &target.kind {
        Kind::Cxl { memdev, .. } => {
            same!(
                "serial",
                memdev.serial.map(|it| format!("{it:#x}")),
                Some(read(folder.join("serial"))?)
            );
            format!("/dev/cxl/{}", target.name)
        }
        _ => format!("/dev/{}", target.name),
    };
    names.push(node);
    for name in names {
        same!(name, rig.find(&name)?.name, target.name);
    }
    // Joined: one physical device, with one function and this child alone.
    same!("functions", target.physical.functions.len(), 1);
    same!("children", target.physical.memdevs.len() + target.physical.controllers.len(), 1);
    Ok(())
}

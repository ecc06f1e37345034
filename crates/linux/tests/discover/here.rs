// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine that the tests run on, whatever it is. In the lab it has devices, and
//! `FWGATE_LAB_DEVICES` says how many there must be at least.

use std::sync::Arc;

use fwgate_linux::discover::{Machine, Marks, Uevents, around};
use fwgate_linux::host::doctor;

#[test]
fn the_machine_itself_is_scanned_and_every_device_is_found_by_its_name_and_its_node() {
    let scan = Machine::here().scan().unwrap();
    let targets = scan.targets();
    for error in &scan.unread {
        println!("unread: {error}");
    }
    for target in &targets {
        assert_eq!(&scan.find(&target.name).unwrap(), target);
        let node = target.nodes().into_iter().next().unwrap();
        println!("{} {} {:?}", target.name, target.folder().display(), around(&scan.roots, target));
        if node.look(&scan.roots).is_ok() {
            let path = node.whole(&scan.roots);
            assert_eq!(&scan.find(path.to_str().unwrap()).unwrap(), target);
        }
        let marks = Marks::new(&scan.roots, target, None);
        let first = marks.observe();
        println!("{first:?}");
        assert_eq!(marks.observe(), first);
    }
    let wanted = std::env::var("FWGATE_LAB_DEVICES").map_or(0, |number| number.parse().unwrap());
    assert!(targets.len() >= wanted, "{} devices", targets.len());
    let report = doctor(&scan);
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    for finding in &report.findings {
        assert!(!finding.says.is_empty());
    }
}

/// Resets the controller, takes its function away and puts it back. Only where the lab says so: it
/// needs root, and a machine that nobody else uses.
#[test]
fn a_reset_is_a_change_and_a_device_that_was_put_back_is_another_opening() {
    if std::env::var_os("FWGATE_LAB_CHURN").is_none() {
        println!("skip: FWGATE_LAB_CHURN is not set, and only the lab may reset a controller");
        return;
    }
    let write = |path: std::path::PathBuf, text: &str| std::fs::write(path, text).unwrap();
    let settle = || std::thread::sleep(std::time::Duration::from_secs(2));
    let scan = Machine::here().scan().unwrap();
    let uevents = Arc::new(Uevents::open().unwrap());
    for name in ["nvme0", "mem0"] {
        let target = scan.find(name).unwrap();
        let marks = Marks::new(&scan.roots, &target, Some(Arc::clone(&uevents)));
        // Without events, to see that what sysfs shows is enough for an opening.
        let blind = Marks::new(&scan.roots, &target, None);
        let (before, blind_before) = (marks.observe(), blind.observe());
        let sys = scan.roots.sys();
        if name == "nvme0" {
            write(sys.join(target.folder()).join("reset_controller"), "1");
            settle();
            let reset = marks.observe();
            assert_eq!(reset.opened, before.opened);
            assert!(reset.changes > before.changes, "{reset:?}");
            assert!(blind.observe().changes > blind_before.changes, "the kernel counts resets");
        }
        let hotplug = uevents.hotplug();
        let function = target.function().unwrap();
        write(sys.join(&function.folder).join("remove"), "1");
        settle();
        assert!(marks.observe().opened.contains("gone"));
        assert!(Machine::here().scan().unwrap().find(name).is_err());
        write(sys.join("bus/pci/rescan"), "1");
        settle();
        let after = marks.observe();
        println!("{before:?}\n{after:?}");
        assert_ne!(after.opened, before.opened);
        assert_ne!(blind.observe().opened, blind_before.opened);
        assert!(after.changes > before.changes);
        assert!(uevents.hotplug() > hotplug);
        assert!(Machine::here().scan().unwrap().find(name).is_ok());
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nodes and paths that are not what they should be, on a real devtmpfs and a real sysfs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use fwgate_linux::discover::{Machine, Roots};

use crate::discovery::{PERSISTENT, VOLATILE};
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::Rig;
use crate::says::{self, Who};

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    report.check("a node that was replaced by another device's is not opened", || {
        let other = format!("/dev/cxl/{}", rig.find(PERSISTENT)?.name);
        instead(&rig, "has the number", |path| {
            let stat = fs::metadata(&other).map_err(|error| error.to_string())?;
            let number = std::os::unix::fs::MetadataExt::rdev(&stat);
            mknod(path, rustix::fs::major(number), rustix::fs::minor(number))
        })
    });
    report.check("a node of another driver is not opened", || {
        instead(&rig, "has the number", |path| mknod(path, 1, 3))
    });
    report.check("a FIFO in a node's place is not opened, nor waited for", || {
        instead(&rig, "expected a character device", |path| run_it("mkfifo", &[path]))
    });
    report.check("a link in a node's place is not followed", || {
        instead(&rig, "expected a character device", |path| {
            symlink("/dev/null", path).map_err(|error| error.to_string())
        })
    });
    report.check("a link to the very node is not followed either", || {
        let name = rig.find(VOLATILE)?.name;
        let aside = format!("/dev/cxl/{name}.aside");
        instead(&rig, "expected a character device", |path| {
            symlink(&aside, path).map_err(|error| error.to_string())
        })
    });
    report.check("a file in a node's place is not opened", || {
        instead(&rig, "expected a character device", |path| {
            fs::write(path, "x").map_err(|error| error.to_string())
        })
    });
    report.check("a folder in a node's place is not opened", || {
        instead(&rig, "expected a character device", |path| {
            fs::create_dir(path).map_err(|error| error.to_string())
        })
    });
    report.check("a node that is not there is said to be missing", || {
        instead(&rig, "is not there", |_| Ok(()))
    });
    report.check("a node without rights is closed to who is not root, by its mode", || {
        let name = rig.find(VOLATILE)?.name;
        let path = format!("/dev/cxl/{name}");
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        mode(0o000).map_err(|error| error.to_string())?;
        let ask = says::Ask::Id(1, Vec::new(), 0x43);
        let answers = says::ask(Who::Nobody, None, Some(&name), std::slice::from_ref(&ask));
        let root = rig.open(VOLATILE).map(drop);
        mode(0o600).map_err(|error| error.to_string())?;
        same!("the kernel to nobody", answers?.to(&ask)?, &says::Said::Closed(13));
        root
    });
    report.check("strange entries beside the nodes change nothing", || {
        let before = rig.scan()?.targets();
        fs::create_dir_all("/dev/fwctl").map_err(|error| error.to_string())?;
        let strange = Path::new("/dev/fwctl/fwctl77");
        mknod(strange, 1, 3)?;
        let after = rig.scan();
        let found = rig.find("fwctl77").is_ok() || rig.find("/dev/fwctl/fwctl77").is_ok();
        fs::remove_file(strange).map_err(|error| error.to_string())?;
        same!("targets", after?.targets(), before);
        ensure!(!found, "a node that sysfs does not know was taken for a device");
        Ok(())
    });
    report.check(
        "a machine without sysfs, or with a file in its place, is an error and no panic",
        || {
            let folder = Path::new("/tmp/proof-empty");
            fs::create_dir_all(folder).map_err(|error| error.to_string())?;
            ensure!(
                Machine { roots: Roots::at(folder) }.scan().is_err(),
                "an empty folder was a machine"
            );
            fs::write(folder.join("sys"), "x").map_err(|error| error.to_string())?;
            ensure!(Machine { roots: Roots::at(folder) }.scan().is_err(), "a file was a machine");
            fs::remove_dir_all(folder).map_err(|error| error.to_string())
        },
    );
    report.check("after all of that the device is as it was", || {
        rig.open(VOLATILE)?.done(0x4000, &[]).map(drop)
    });
}

fn run_it(program: &str, args: &[&Path]) -> Verdict {
    let status =
        Command::new(program).args(args).status().map_err(|error| format!("{program}: {error}"))?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}

fn mknod(path: &Path, major: u32, minor: u32) -> Verdict {
    let output = Command::new("mknod")
        .arg(path)
        .arg("c")
        .args([major.to_string(), minor.to_string()])
        .output();
    let output = output.map_err(|error| format!("mknod: {error}"))?;
    ensure!(output.status.success(), "mknod: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Puts something else in the place of a node, and opens the device.
fn instead(rig: &Rig, says: &str, put: impl FnOnce(&Path) -> Verdict) -> Verdict {
    let target = rig.find(VOLATILE)?;
    let path = Path::new("/dev/cxl").join(&target.name);
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).map_err(|error| error.to_string())?;
    let result = put(&path).and_then(|()| match rig.reach(&target) {
        Ok(_) => Err("it was opened".to_owned()),
        Err(why) if why.contains(says) => Ok(()),
        Err(why) => Err(format!("said `{why}`, not `{says}`")),
    });
    let _gone = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
    fs::rename(&aside, &path).map_err(|error| error.to_string())?;
    result
}

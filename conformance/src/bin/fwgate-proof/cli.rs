// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line on real devices: exit statuses, JSON, sentences, and a clean journal afterwards.
//!
//! *Not here*: what the gate decides and why, which the other scenarios prove.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use fwgate_linux::discover::{Kind, Target};
use serde_json::Value;

use crate::discovery::{DRIVE, PERSISTENT, VOLATILE};
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::Rig;

/// The program, in memory: the share is slow.
const PROGRAM: &str = "/tmp/fwgate";

/// What a run of the program came to.
#[derive(Debug)]
struct Run {
    status: i32,
    out: Vec<u8>,
    errors: String,
}

/// Copies the program to where it is run from.
fn install() -> Verdict {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    let from = folders.find_map(|folder| Some(folder.join("fwgate")).filter(|it| it.is_file()));
    let from = from.ok_or("there is no fwgate on the path")?;
    std::fs::copy(&from, PROGRAM).map_err(|error| format!("{}: {error}", from.display()))?;
    Ok(())
}

fn run_as(uid: u32, line: &str) -> Result<Run, String> {
    let mut command = Command::new(PROGRAM);
    command.args(line.split_whitespace()).stdin(Stdio::null());
    if uid != 0 {
        command.uid(uid).gid(uid).env("HOME", "/tmp/home");
    }
    let output = command.output().map_err(|error| format!("fwgate {line}: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Run { status: output.status.code().unwrap_or(-1), out: output.stdout, errors })
}

/// Runs it and expects a status.
fn ends(status: i32, line: &str) -> Result<Run, String> {
    let run = run_as(0, line)?;
    let out = String::from_utf8_lossy(&run.out);
    ensure!(
        run.status == status,
        "fwgate {line}: status {}, expected {status}: {out} {}",
        run.status,
        run.errors
    );
    Ok(run)
}

/// Runs it with JSON and expects a status and a schema.
fn json(status: i32, line: &str, schema: &str) -> Result<Value, String> {
    let run = ends(status, &format!("{line} -o json"))?;
    let value: Value = serde_json::from_slice(&run.out).map_err(|error| {
        format!("fwgate {line}: {error}: {}", String::from_utf8_lossy(&run.out))
    })?;
    same!(line, value["schema"], format!("fwgate.{schema}/1"));
    Ok(value)
}

fn clean() -> Verdict {
    ends(0, "audit verify").map(drop)
}

/// On QEMU's devices.
pub(crate) fn run(report: &mut Report) {
    if !report.check("the command line is there", install) {
        return;
    }
    let rig = Rig::new();
    let name = |serial: &str| rig.find(serial).map(|target| target.name);
    report.check("list shows every device of the machine, ready", || {
        let list = json(0, "list", "list")?;
        let devices = list["devices"].as_array().ok_or("no list")?;
        for serial in [VOLATILE, PERSISTENT, DRIVE] {
            let name = name(serial)?;
            let row = devices.iter().find(|row| row["name"] == name.as_str());
            let row = row.ok_or_else(|| format!("{name} is not listed"))?;
            same!(name, row["state"], "ready");
            same!(name, row["device"]["emulated"], false);
        }
        Ok(())
    });
    report.check("info takes each name of a device", || {
        for serial in [VOLATILE, DRIVE] {
            let target = rig.find(serial)?;
            let slot = target.function().ok_or("no PCI function")?.address.to_string();
            let node = if serial == DRIVE {
                format!("/dev/{}", target.name)
            } else {
                format!("/dev/cxl/{}", target.name)
            };
            for given in [target.name.clone(), slot, node, serial.to_owned()] {
                let info = json(0, &format!("info {given}"), "info")?;
                same!(given, info["device"]["name"], target.name);
                same!(given, info["device"]["emulated"], false);
            }
        }
        Ok(())
    });
    report.check("a name that nothing has is status 7, and a wrong option 2", || {
        for line in ["info mem99", "info nvme9", "send mem99 0x4000", "doctor mem99"] {
            let run = ends(7, line)?;
            ensure!(run.errors.contains("no device"), "{line}: {}", run.errors);
        }
        ends(2, "info mem0 --such").map(drop)
    });
    report.check("effects and lint show the log as it is", || {
        let name = name(VOLATILE)?;
        let effects = json(0, &format!("effects {name}"), "effects")?;
        ensure!(effects.to_string().contains("0x4301"), "no row for 4301h");
        json(0, &format!("lint {name}"), "lint").map(drop)
    });
    report.check("send brings the reply in each form", || {
        let name = name(VOLATILE)?;
        let sent = json(0, &format!("send {name} identify-memory-device"), "send")?;
        same!("status", sent["outcome"]["status"], "done");
        same!("path", sent["path"], "memdev");
        let raw = ends(0, &format!("send {name} 0x4000 -o raw"))?;
        same!("length", Some(raw.out.len() as u64), sent["outcome"]["reply_length"].as_u64());
        ends(0, &format!("identify {name}")).map(drop)
    });
    report.check("a refusal is status 3 with its reason, and nothing is sent", || {
        let name = name(VOLATILE)?;
        let explained = json(3, &format!("explain {name} 0xC001"), "explain")?;
        same!("verdict", explained["verdict"], "deny");
        same!("reason", explained["reasons"][0]["code"], "unreported");
        let sent = json(3, &format!("send {name} 0x4000 --hex 01"), "send")?;
        same!("reason", sent["reasons"][0]["code"], "malformed");
        same!("outcome", sent["outcome"], Value::Null);
        Ok(())
    });
    report.check("what has the kernel's own way is status 8 with that way", || {
        let name = name(VOLATILE)?;
        let hex = "00".repeat(16);
        let sent = json(8, &format!("send {name} 0x4300 --hex {hex}"), "send")?;
        same!("verdict", sent["verdict"], "redirect");
        ensure!(
            sent["interface"].to_string().contains("trigger_poison_list"),
            "{}",
            sent["interface"]
        );
        Ok(())
    });
    report.check("poison is put in, listed and taken out by its verbs", || {
        let name = name(VOLATILE)?;
        let places = || -> Result<Vec<u64>, String> {
            let list = json(0, &format!("poison list {name}"), "poison-list")?;
            let places = list["result"]["places"].as_array().cloned().unwrap_or_default();
            Ok(places.iter().filter_map(|place| place["address"].as_u64()).collect())
        };
        ends(0, &format!("poison inject {name} 0x3000"))?;
        let after = places()?;
        ensure!(after.contains(&0x3000), "injected and not listed: {after:x?}");
        ends(0, &format!("poison clear {name} 0x3000"))?;
        let after = places()?;
        ensure!(!after.contains(&0x3000), "cleared and listed: {after:x?}");
        Ok(())
    });
    report.check("a status of the controller is status 5", || {
        let name = name(DRIVE)?;
        // A log page that QEMU does not have.
        let line = format!(
            "send {name} get-log-page --nsid 0xffffffff --cdw10 0x007f0007 --length 512 --read"
        );
        ends(5, &line).map(drop)
    });
    report.check("health of the drive is read", || {
        let name = name(DRIVE)?;
        let health = json(0, &format!("health {name}"), "health")?;
        ensure!(health.to_string().contains("celsius"), "{health}");
        Ok(())
    });
    report.check("health that the device does not report is refused with that reason", || {
        let name = name(VOLATILE)?;
        let run = run_as(0, &format!("health {name}"))?;
        let words = String::from_utf8_lossy(&run.out).into_owned() + &run.errors;
        ensure!(run.status == 3 && words.contains("unreported"), "status {}: {words}", run.status);
        Ok(())
    });
    report.check("the firmware slots are shown", || {
        let name = name(VOLATILE)?;
        ends(0, &format!("firmware info {name}")).map(drop)
    });
    report.check("a sanitize asks for the device's name and is then followed to its end", || {
        let name = name(VOLATILE)?;
        let run = ends(2, &format!("sanitize {name}"))?;
        ensure!(run.errors.contains("--yes-destroy-data"), "{}", run.errors);
        ends(2, &format!("sanitize {name} --yes-destroy-data nvme0"))?;
        ends(0, &format!("sanitize {name} --yes-destroy-data {name} --timeout 60s")).map(drop)
    });
    report.check("doctor says what is there, what is missing, and who can change it", || {
        let doctor = json(0, "doctor", "doctor")?;
        let name = name(VOLATILE)?;
        let findings = doctor["findings"].as_array().ok_or("no findings")?;
        let has = |code: &str, path: &str| {
            findings
                .iter()
                .any(|it| it["code"] == code && it["device"] == name.as_str() && it["path"] == path)
        };
        ensure!(has("path-present", "memdev"), "no path memdev: {findings:?}");
        ensure!(has("raw-off-in-build", "raw"), "not that RAW is off in this build: {findings:?}");
        let unowned = findings
            .iter()
            .find(|it| it["who"].is_null() || it["says"].as_str().is_none_or(str::is_empty));
        ensure!(unowned.is_none(), "{unowned:?}");
        Ok(())
    });
    report.check("who is not root is told so, with the way out", || {
        let name = name(VOLATILE)?;
        let run = run_as(65534, &format!("info {name}"))?;
        ensure!(
            run.status == 3 && run.errors.contains("root"),
            "status {}: {}",
            run.status,
            run.errors
        );
        let home = std::path::Path::new("/tmp/home");
        std::fs::create_dir_all(home).map_err(|error| error.to_string())?;
        std::os::unix::fs::chown(home, Some(65534), Some(65534))
            .map_err(|error| error.to_string())?;
        let run = run_as(65534, "list")?;
        ensure!(run.status == 0, "list as nobody: status {}: {}", run.status, run.errors);
        Ok(())
    });
    report.check("the journal is clean afterwards", clean);
}

/// On cxl_test's devices.
pub(crate) fn run_mock(report: &mut Report) {
    if !report.check("the command line is there", install) {
        return;
    }
    let rig = Rig::new();
    const UUID: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    report.check("features are listed, read and set by their verbs", || {
        let name = rig.mock(5)?.name;
        let list = json(0, &format!("features list {name}"), "features")?;
        ensure!(list.to_string().contains(UUID), "{list}");
        let get = || -> Result<String, String> {
            Ok(json(0, &format!("features get {name} {UUID}"), "feature")?["result"].to_string())
        };
        let before = get()?;
        ensure!(before.contains("efbeadde"), "{before}");
        ends(0, &format!("features set {name} {UUID} --hex 01020304"))?;
        let after = get()?;
        ensure!(after.contains("01020304"), "{after}");
        ends(0, &format!("features set {name} {UUID} --hex efbeadde")).map(drop)
    });
    report.check("a fwctl device's name leads to the same device", || {
        let target = rig.mock(5)?;
        let Kind::Cxl { fwctl: Some(fwctl), .. } = &target.kind else {
            return Err("no fwctl".to_owned());
        };
        let info = json(0, &format!("info {}", fwctl.name), "info")?;
        same!("device", info["device"]["name"], target.name);
        Ok(())
    });
    report.check("health is shown as the device has it", || {
        let health = json(0, &format!("health {}", rig.mock(5)?.name), "health")?;
        ensure!(health.to_string().contains("15"), "{health}");
        Ok(())
    });
    report.check("a sanitize is followed to its end", || {
        let name = rig.mock(5)?.name;
        let run = ends(0, &format!("sanitize {name} --yes-destroy-data {name}"))?;
        let words = String::from_utf8_lossy(&run.out).into_owned() + &run.errors;
        ensure!(words.contains("does not say"), "{words}");
        Ok(())
    });
    report.check("a condition of the kernel's that is not met is status 4 with its rule", || {
        let committed = |target: &Target| match &target.kind {
            Kind::Cxl { memdev, .. } => memdev
                .endpoint
                .as_ref()
                .is_some_and(|it| it.committed.is_some_and(|count| count > 0)),
            _ => false,
        };
        let target =
            rig.with_fwctl()?.into_iter().find(committed).ok_or("none has a committed decoder")?;
        let name = target.name;
        let run = ends(4, &format!("sanitize {name} --yes-destroy-data {name}"))?;
        let words = String::from_utf8_lossy(&run.out).into_owned() + &run.errors;
        ensure!(words.contains("committed"), "{words}");
        Ok(())
    });
    report.check("a set of a feature at too low a scope is status 3", || {
        let name = rig.mock(5)?.name;
        let uuid = "ff".repeat(16);
        let hex = format!("{uuid}{}01020304", "00000000000001000000000000000000");
        let sent =
            json(3, &format!("send {name} 0x0502 --scope configuration --hex {hex}"), "send")?;
        same!("reason", sent["reasons"][0]["code"], "scope-too-low");
        Ok(())
    });
    report.check("the journal is clean afterwards", clean);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What doctor says of this kernel is so.

use std::os::unix::fs::PermissionsExt as _;

use fwgate_linux::host::{Code, Finding, Report as Findings, Severity, doctor};

use crate::discovery::{PERSISTENT, VOLATILE};
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, read, write};

fn findings(rig: &Rig) -> Result<Findings, String> {
    Ok(doctor(&rig.scan()?))
}

fn of<'f>(findings: &'f Findings, device: &str, code: Code) -> Vec<&'f Finding> {
    let of_it = |it: &&Finding| it.device.as_deref() == Some(device) && it.code == code;
    findings.findings.iter().filter(of_it).collect()
}

fn without(report: &Findings) -> Vec<String> {
    let warnings = report.findings.iter().filter(|it| it.severity == Severity::Warning);
    warnings.map(|it| format!("{}: {}", it.code.name(), it.says)).collect()
}

/// Anywhere.
pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    report.check("doctor finds a path for every device", || {
        let findings = findings(&rig)?;
        for target in rig.scan()?.targets() {
            let present = of(&findings, &target.name, Code::PathPresent);
            ensure!(!present.is_empty(), "{}: {:?}", target.name, findings.findings);
        }
        Ok(())
    });
    report.check("doctor's taint and lockdown are the kernel's", || {
        let findings = findings(&rig)?;
        same!(
            "taint",
            findings.taint.map(|it| it.to_string()),
            Some(read("/proc/sys/kernel/tainted")?)
        );
        let lockdown = read("/sys/kernel/security/lockdown")?;
        ensure!(lockdown.contains(&format!("[{}]", findings.lockdown)), "{lockdown}");
        Ok(())
    });
    report.check("doctor warns of nothing where the nodes are root's", || {
        let warnings: Vec<String> =
            without(&findings(&rig)?).into_iter().filter(|it| it.starts_with("node-")).collect();
        same!("warnings", warnings, Vec::<String>::new());
        Ok(())
    });
    report.check("doctor warns of a node that others may open", || {
        let target = rig.find(VOLATILE)?;
        let path = format!("/dev/cxl/{}", target.name);
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        mode(0o666).map_err(|error| error.to_string())?;
        let found = findings(&rig);
        mode(0o600).map_err(|error| error.to_string())?;
        let warned = of(&found?, &target.name, Code::NodeMode).len();
        same!("warnings", warned, 1);
        Ok(())
    });
    report.check("doctor warns while RAW is open to all opcodes", || raw_allow_all(&rig));
}

fn raw_allow_all(rig: &Rig) -> Verdict {
    let path = "/sys/kernel/debug/cxl/mbox/raw_allow_all";
    let Ok(before) = read(path) else {
        // There is no such switch without RAW or under lockdown: nothing to warn of.
        let warned = findings(rig)?.findings.iter().any(|it| it.code == Code::RawAllowAll);
        ensure!(!warned, "it warns of a switch that is not there");
        return Ok(());
    };
    same!("before", before, "N");
    if write(path, "1").is_err() {
        return Ok(());
    }
    let found = findings(rig);
    write(path, "0")?;
    let warned = found?.findings.iter().any(|it| it.code == Code::RawAllowAll);
    ensure!(warned, "no warning");
    let after = findings(rig)?.findings.iter().any(|it| it.code == Code::RawAllowAll);
    ensure!(!after, "a warning that does not go away");
    Ok(())
}

/// On Debian's own kernel.
pub(crate) fn run_stock(report: &mut Report) {
    let rig = Rig::new();
    report.check(
        "doctor says that CXL vendor opcodes have no way in here, and who can change it",
        || {
            let findings = findings(&rig)?;
            for serial in [VOLATILE, PERSISTENT] {
                let target = rig.find(serial)?;
                let found = of(&findings, &target.name, Code::NoPathForVendorOpcodes);
                ensure!(found.len() == 1, "{}: {:?}", target.name, findings.findings);
            }
            Ok(())
        },
    );
    report.check("doctor names the kernel options that are off", || {
        let findings = findings(&rig)?;
        let target = rig.find(VOLATILE)?;
        let off = of(&findings, &target.name, Code::KernelOptionOff);
        let says: Vec<&str> = off.iter().map(|it| it.says.as_str()).collect();
        for option in ["CONFIG_FWCTL", "CONFIG_CXL_MEM_RAW_COMMANDS"] {
            let raw = option.ends_with("RAW_COMMANDS") && !cfg!(feature = "raw-commands");
            ensure!(
                raw || says.iter().any(|it| it.contains(option)),
                "{option} is not among {says:?}"
            );
        }
        ensure!(off.iter().all(|it| it.who.name().contains("distribution")), "{off:?}");
        Ok(())
    });
    report.check("the kernel's configuration is known", || {
        ensure!(findings(&rig)?.kernel_config.is_some(), "not found");
        Ok(())
    });
}

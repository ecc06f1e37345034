// SPDX-License-Identifier: MIT OR Apache-2.0
//! RAW: there only where fwgate and the kernel were built with it, and what is said where it is not.
//!
//! *Invariants*: the program is built twice, with the cargo feature `raw-commands` and without.

use fwgate_linux::host::lockdown;
use fwgate_policy::{Lockdown, Scope};

use crate::discovery::VOLATILE;
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, Unit, read, status, told};
use crate::says::{self, Ask, Said, Who};

/// An opcode that QEMU's log does not list; a vendor's.
const VENDOR: u16 = 0xC001;
/// Get Event Interrupt Policy: listed by QEMU, without an id of the ioctl.
const GET_INTERRUPT_POLICY: u16 = 0x0102;

/// Whether this guest's kernel was built with RAW: the lab's own is, but for the module set without it; Debian's
/// is not.
pub(crate) fn built() -> Result<bool, String> {
    let (release, line) = (read("/proc/sys/kernel/osrelease")?, read("/proc/cmdline")?);
    Ok(release.contains("fwgate-lab") && !line.split(' ').any(|word| word == "lab.mods=raw0"))
}

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    let ours = cfg!(feature = "raw-commands");
    let theirs = match built() {
        Ok(built) => built,
        Err(why) => {
            report.check("whether the kernel has RAW can be told", || Err(why));
            return;
        }
    };
    let level = lockdown(&rig.roots).level;
    report
        .note(format!("RAW in fwgate: {ours}, in the kernel: {theirs}, lockdown {}", level.name()));
    if !theirs && level == Lockdown::None {
        report.check("a kernel without RAW says so by its own ioctl", || {
            let unit = rig.open(VOLATILE)?;
            let ask = Ask::Raw(0x4000, Vec::new(), 69);
            let answers =
                says::ask(Who::Root, None, Some(unit.name()), std::slice::from_ref(&ask))?;
            same!("the kernel", answers.to(&ask)?, &Said::Refused(1));
            Ok(())
        });
    }
    if !(ours && theirs) {
        report.check("without RAW an opcode without an id has no path, and it is said why", || {
            no_path(
                &rig.open(VOLATILE)?,
                if ours { "CONFIG_CXL_MEM_RAW_COMMANDS" } else { "raw-commands" },
            )
        });
        return;
    }
    if level == Lockdown::None {
        report.check("a command by RAW is foretold to taint, taints and comes back", || goes(&rig));
        report.check("a vendor opcode that the log does not list is unreported by RAW too", || {
            let sent = rig.open(VOLATILE)?.send(VENDOR, &[])?;
            ensure!(sent.outcome.is_none(), "it was sent: {}", told(&sent));
            same!("reason", sent.explanation.headline(), "unreported");
            Ok(())
        });
        report
            .check("what the kernel bars from RAW the gate does not send by RAW", || barred(&rig));
    } else {
        report
            .check("under lockdown the gate refuses RAW, and so does the kernel", || locked(&rig));
    }
}

fn no_path(unit: &Unit<'_>, word: &str) -> Verdict {
    for opcode in [VENDOR, GET_INTERRUPT_POLICY] {
        let sent = unit.send(opcode, &[])?;
        ensure!(sent.outcome.is_none(), "it was sent: {}", told(&sent));
    }
    // The one that the device lists shows the path's own reason.
    let sent = unit.send(GET_INTERRUPT_POLICY, &[])?;
    let reason = sent.explanation.reasons.iter().find(|reason| reason.code == "no-path");
    let reason = reason.ok_or_else(|| told(&sent))?;
    ensure!(reason.detail.contains("RAW"), "{}", reason.detail);
    if sent.explanation.headline() == "no-path" {
        let fix = sent.explanation.fix.clone().unwrap_or_default();
        ensure!(fix.contains(word), "the fix is `{fix}`");
    }
    Ok(())
}

/// An opcode that goes by RAW if anything does, of those that the device lists.
fn one_by_raw(unit: &Unit<'_>, rig: &Rig) -> Result<Option<u16>, String> {
    for row in unit.opened.facts().log() {
        let explained = unit.explain(&rig.caller, row.opcode, &[], None)?;
        if explained.verdict == "allow" && explained.path == Some("raw") {
            return Ok(Some(row.opcode));
        }
    }
    Ok(None)
}

fn goes(rig: &Rig) -> Verdict {
    let unit = rig.open(VOLATILE)?;
    let Some(opcode) = one_by_raw(&unit, rig)? else {
        let why = |opcode| {
            unit.explain(&rig.caller, opcode, &[], None).map(|it| it.headline().to_owned())
        };
        return Err(format!(
            "nothing goes by RAW; 0102h: {:?}, 0005h: {:?}",
            why(0x0102),
            why(0x0005)
        ));
    };
    let explained = unit.explain(&rig.caller, opcode, &[], None)?;
    let sent = unit.send(opcode, &[])?;
    ensure!(matches!(status(&sent), "done" | "failed"), "{}", told(&sent));
    same!("path", sent.explanation.path, Some("raw"));
    if explained.would_taint {
        same!("fwctl's taint", rig.taint()? >> 19 & 1, 1);
    }
    // The kernel warns at the first RAW of a boot.
    same!("the kernel's own mark", rig.taint()? >> 9 & 1, 1);
    // The same by the ioctl.
    let ask = Ask::Raw(opcode, Vec::new(), 512);
    let answers = says::ask(Who::Root, None, Some(unit.name()), std::slice::from_ref(&ask))?;
    let Said::Done(code, _) = answers.to(&ask)? else { return Err(format!("{answers:?}")) };
    let ours = sent.outcome.as_ref().and_then(|it| it.record.return_code).map(u32::from);
    same!(told(&sent), ours, Some(*code));
    Ok(())
}

fn barred(rig: &Rig) -> Verdict {
    let unit = rig.open(VOLATILE)?;
    for opcode in [0x0202, 0x4300, 0x4301, 0x4304, 0x4400, 0x4500, 0x0500, 0x0502] {
        let ask = Ask::Raw(opcode, Vec::new(), 512);
        let answers = says::ask(Who::Root, None, Some(unit.name()), std::slice::from_ref(&ask))?;
        same!(format!("the kernel to {opcode:04x}h"), answers.to(&ask)?, &Said::Refused(1));
        let explained = unit.explain(&rig.caller, opcode, &[], Some(Scope::DebugWriteFull))?;
        let by_raw = explained.verdict == "allow" && explained.path == Some("raw");
        ensure!(!by_raw, "the gate would send {opcode:04x}h by RAW");
    }
    Ok(())
}

pub(crate) fn locked(rig: &Rig) -> Verdict {
    let unit = rig.open(VOLATILE)?;
    let asks = [Ask::Raw(0x4000, Vec::new(), 69), Ask::Raw(GET_INTERRUPT_POLICY, Vec::new(), 8)];
    let answers = says::ask(Who::Root, None, Some(unit.name()), &asks)?;
    for ask in &asks {
        same!("the kernel", answers.to(ask)?, &Said::Refused(1));
    }
    let before = rig.taint()?;
    let sent = unit.send(GET_INTERRUPT_POLICY, &[])?;
    ensure!(sent.outcome.is_none(), "it was sent: {}", told(&sent));
    let codes: Vec<&str> = sent.explanation.reasons.iter().map(|it| it.code).collect();
    ensure!(codes.contains(&"lockdown") || codes.contains(&"no-path"), "{}", told(&sent));
    same!("taint", rig.taint()?, before);
    Ok(())
}

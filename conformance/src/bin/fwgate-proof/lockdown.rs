// SPDX-License-Identifier: MIT OR Apache-2.0
//! Under each level of lockdown: what still goes, what does not, and that gate and kernel are of one mind.

use fwgate_linux::host::lockdown;
use fwgate_policy::{Lockdown, Scope};
use fwgate_wire::cxl::features::feature_uuid;

use crate::discovery::DRIVE;
use crate::features::{get, node, set};
use crate::nvme::{admin, log};
use crate::raw;
use crate::report::{Report, ensure, same};
use crate::rig::{Rig, read, refused, reply, status, told};
use crate::says::{self, Ask, Said, Who};

const OURS: [u8; 16] = *feature_uuid::CXL_TEST.as_bytes();

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    let level = lockdown(&rig.roots).level;
    report.note(format!("lockdown {}", level.name()));
    report.check("the level that the gate judges by is the kernel's", || {
        let text = read("/sys/kernel/security/lockdown")?;
        ensure!(text.contains(&format!("[{}]", level.name())), "the kernel says `{text}`");
        let unit = rig.open(DRIVE)?;
        same!("around the device", unit.opened.facts().around().lockdown, level);
        Ok(())
    });
    report.check("reads go at every level", || {
        reply(&rig.open(DRIVE)?.message(admin(0x06, 0, [1, 0, 0, 0, 0, 0], 4096), None)?)?;
        for target in rig.scan()?.targets().into_iter().filter(|it| it.name.starts_with("mem")) {
            rig.open_target(target)?.done(0x4000, &[])?;
        }
        Ok(())
    });
    report.check("a reply that may be a dump is not shown under confidentiality", || {
        // Log pages count as what the worst of them shows.
        let sent = rig.open(DRIVE)?.message(log(0x02, 512), None)?;
        if level == Lockdown::Confidentiality {
            refused(&sent, "lockdown")
        } else {
            reply(&sent).map(drop)
        }
    });
    if rig.with_fwctl().is_ok_and(|targets| !targets.is_empty()) {
        report.check("fwctl checks for itself and goes at every level", || {
            let unit = rig.open_target(rig.mock(0)?)?;
            let held = unit.done(0x0501, &get(OURS, 0, 4, 0))?;
            let sent = unit.send_with(0x0502, &set(OURS, 0, &held), Some(Scope::DebugWriteFull))?;
            same!(told(&sent), status(&sent), "done");
            let ask = Ask::Rpc(3, 0x0502, set(OURS, 0, &held));
            let answers =
                says::ask(Who::Root, Some(&node(&unit)?), None, std::slice::from_ref(&ask))?;
            ensure!(matches!(answers.to(&ask)?, Said::Done(0, _)), "{answers:?}");
            Ok(())
        });
    }
    report.check(
        "the kernel's RAW, where it was built, goes where it is not locked down and nowhere else",
        || {
            let target = rig
                .scan()?
                .targets()
                .into_iter()
                .find(|it| it.name.starts_with("mem"))
                .ok_or("no mem")?;
            let ask = Ask::Raw(0x4000, Vec::new(), 69);
            let answers =
                says::ask(Who::Root, None, Some(&target.name), std::slice::from_ref(&ask))?;
            let said = answers.to(&ask)?;
            match level {
                Lockdown::None if raw::built()? => {
                    ensure!(matches!(said, Said::Done(0, _)), "{said:?}");
                }
                _ => same!("the kernel", said, &Said::Refused(1)),
            }
            Ok(())
        },
    );
    report.check(
        "an opaque command at full scope by a path that does not check for itself is refused",
        || {
            let unit = rig.open(DRIVE)?;
            // A vendor's admin opcode, as if the log listed it: the reasons of the later steps show all the same.
            let explained = unit.explain_message(&rig.caller, admin(0xC1, 0, [0; 6], 0), None)?;
            let codes: Vec<&str> = explained.reasons.iter().map(|reason| reason.code).collect();
            same!(
                format!("lockdown among {codes:?}"),
                codes.contains(&"lockdown"),
                level != Lockdown::None
            );
            Ok(())
        },
    );
}

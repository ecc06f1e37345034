// SPDX-License-Identifier: MIT OR Apache-2.0
//! CXL Features by fwctl: listed, read, set with what came of it, and each of the kernel's refusals in words.
//!
//! On cxl_test's devices, whose one feature is a vendor's: four bytes, change at a cold reset.

use fwgate_linux::discover::Kind;
use fwgate_policy::Scope;
use fwgate_wire::Uuid;
use fwgate_wire::cxl::features::feature_uuid;

use crate::discovery::VOLATILE;
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, Unit, refused, status, told};
use crate::says::{self, Ask, Said, Who};

/// Taint by fwctl.
const FWCTL: u64 = 1 << 19;
/// What the feature holds at first.
const FIRST: [u8; 4] = 0xdead_beef_u32.to_le_bytes();

/// Get Feature.
pub(crate) fn get(uuid: [u8; 16], offset: u16, count: u16, selection: u8) -> Vec<u8> {
    [uuid.as_slice(), &offset.to_le_bytes(), &count.to_le_bytes(), &[selection]].concat()
}

/// Set Feature, whole.
pub(crate) fn set(uuid: [u8; 16], flags: u32, data: &[u8]) -> Vec<u8> {
    [uuid.as_slice(), &flags.to_le_bytes(), &[0, 0, 1], &[0; 9], data].concat()
}

const OURS: [u8; 16] = *feature_uuid::CXL_TEST.as_bytes();

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    report.check("every device with a fwctl lists its feature", || {
        let targets = rig.with_fwctl()?;
        ensure!(targets.len() >= 9, "only {} devices have a fwctl", targets.len());
        for target in targets {
            let unit = rig.open_target(target)?;
            let facts = unit.opened.facts();
            let features = facts.features().ok_or_else(|| format!("{}: not known", unit.name()))?;
            let ours: Vec<_> = features.iter().filter(|entry| entry.uuid == OURS).collect();
            same!(unit.name(), ours.len(), 1);
            same!(
                unit.name(),
                (ours[0].effects, ours[0].get_size, ours[0].set_size),
                (0x0201, 4, 4)
            );
        }
        Ok(())
    });
    report.check("the list goes by fwctl and taints nothing", || {
        let unit = rig.open_target(rig.mock(0)?)?;
        let before = rig.taint()?;
        let sent = unit.send(0x0500, &[96, 0, 0, 0, 0, 0, 0, 0])?;
        same!("status", status(&sent), "done");
        same!("path", sent.explanation.path, Some("fwctl"));
        ensure!(!sent.explanation.would_taint, "it was foretold to taint");
        same!("taint", rig.taint()? & FWCTL, before & FWCTL);
        Ok(())
    });
    report.check("a feature is read: whole, in part, default and saved", || {
        let unit = rig.open_target(rig.mock(0)?)?;
        same!("whole", unit.done(0x0501, &get(OURS, 0, 4, 0))?, FIRST.to_vec());
        same!("its first half", unit.done(0x0501, &get(OURS, 0, 2, 0))?, FIRST[..2].to_vec());
        for selection in [1, 2] {
            same!("length", unit.done(0x0501, &get(OURS, 0, 4, selection))?.len(), 4);
        }
        Ok(())
    });
    report
        .check("a set is foretold to taint, taints, and is believed once it is read back", || {
            set_it(&rig)
        });
    report.check("the kernel says the same to the same request by its own ioctl", || by_both(&rig));
    report.check("a set at too low a scope is refused, as the kernel would", || low_scope(&rig));
    report.check("a set that the kernel passes to the device is allowed and no other", || {
        lengths(&rig)
    });
    report.check("a part of a transfer is malformed", || {
        let unit = rig.open_target(rig.mock(1)?)?;
        refused(&unit.send(0x0502, &set(OURS, 1, &[1, 2, 3, 4]))?, "malformed")
    });
    report.check("a set of a feature that is not listed is unreported", || {
        let unit = rig.open_target(rig.mock(0)?)?;
        refused(&unit.send(0x0502, &set([7; 16], 0, &[0; 4]))?, "unreported")
    });
    report.check("what the gate refuses of features the kernel refuses too", || {
        refused_by_both(&rig)
    });
    report.check("a vendor opcode has no path on a device without RAW in this build", || {
        if cfg!(feature = "raw-commands") {
            return Ok(());
        }
        let sent = rig.open_target(rig.mock(0)?)?.send(0xC001, &[])?;
        ensure!(sent.outcome.is_none(), "it was sent: {}", told(&sent));
        let codes: Vec<&str> = sent.explanation.reasons.iter().map(|it| it.code).collect();
        ensure!(codes.contains(&"no-path"), "{}", told(&sent));
        Ok(())
    });
}

/// The standard features of QEMU's device, on a kernel that keeps none of them for itself.
pub(crate) fn run_standard(report: &mut Report) {
    let rig = Rig::new();
    report.check("the standard features are listed", || {
        let unit = rig.open(VOLATILE)?;
        let features = unit.opened.facts().features().ok_or("not known")?;
        let named = features
            .iter()
            .filter_map(|entry| feature_uuid::name(Uuid::from_bytes(entry.uuid)))
            .count();
        ensure!(named >= 2 && named == features.len(), "{named} of {} have names", features.len());
        Ok(())
    });
    report.check("each is read whole, and in parts that make the same", || {
        let unit = rig.open(VOLATILE)?;
        for entry in unit.opened.facts().features().ok_or("not known")? {
            let size = entry.get_size;
            let whole = unit.done(0x0501, &get(entry.uuid, 0, size, 0))?;
            same!("length", whole.len(), usize::from(size));
            let (first, second) = (size / 2, size - size / 2);
            let parts = [
                unit.done(0x0501, &get(entry.uuid, 0, first, 0))?,
                unit.done(0x0501, &get(entry.uuid, first, second, 0))?,
            ];
            same!("in parts", parts.concat(), whole);
        }
        Ok(())
    });
    report.check("a set of one is the kernel's ground by its own interface, though this kernel would pass it", || {
        let unit = rig.open(VOLATILE)?;
        let scrub = *feature_uuid::PATROL_SCRUB.as_bytes();
        let sent = unit.send(0x0502, &set(scrub, 0, &[24, 1]))?;
        ensure!(sent.outcome.is_none(), "it was sent: {}", told(&sent));
        ensure!(sent.explanation.headline().starts_with("kernel-owned"), "{}", told(&sent));
        Ok(())
    });
}

/// The name of a device's fwctl node.
pub(crate) fn node(unit: &Unit<'_>) -> Result<String, String> {
    match &unit.target.kind {
        Kind::Cxl { fwctl: Some(fwctl), .. } => Ok(fwctl.name.clone()),
        _ => Err(format!("{} has no fwctl", unit.name())),
    }
}

fn set_it(rig: &Rig) -> Verdict {
    let unit = rig.open_target(rig.mock(0)?)?;
    let new = [1, 2, 3, 4];
    same!("fwctl's taint before", rig.taint()? & FWCTL, 0);
    let explained = unit.explain(&rig.caller, 0x0502, &set(OURS, 0, &new), None)?;
    ensure!(explained.would_taint, "not foretold: {explained:?}");
    same!("explaining taints", rig.taint()? & FWCTL, 0);
    let sent = unit.send(0x0502, &set(OURS, 0, &new))?;
    same!(told(&sent), status(&sent), "done");
    same!("path", sent.explanation.path, Some("fwctl"));
    same!("required scope", sent.explanation.required_scope, "debug-write");
    same!("told of the taint", sent.outcome.as_ref().and_then(|it| it.record.tainted), Some(true));
    same!("fwctl's taint after", rig.taint()? & FWCTL, FWCTL);
    same!("it holds", unit.done(0x0501, &get(OURS, 0, 4, 0))?, new.to_vec());
    // The reading back is on record, as the gate itself and of that decision.
    let record = serde_json::json!(sent.record);
    let read_back = rig.records()?.into_iter().any(|(_, body)| body["reads_back"] == record);
    ensure!(read_back, "no reading back is on record");
    let sent = unit.send(0x0502, &set(OURS, 0, &FIRST))?;
    same!(told(&sent), status(&sent), "done");
    Ok(())
}

/// Each length of data: what the kernel does, and what the gate says. Linux compares none with the feature's size.
fn lengths(rig: &Rig) -> Verdict {
    let unit = rig.open_target(rig.mock(4)?)?;
    let node = node(&unit)?;
    for length in 0..6 {
        let payload = set(OURS, 0, &FIRST.repeat(2)[..length]);
        let explained = unit.explain(&rig.caller, 0x0502, &payload, Some(Scope::DebugWriteFull))?;
        let ask = Ask::Rpc(3, 0x0502, payload.clone());
        let answers = says::ask(Who::Root, Some(&node), None, std::slice::from_ref(&ask))?;
        let said = answers.to(&ask)?;
        let passed = matches!(said, Said::Done(..));
        ensure!(
            passed == (explained.verdict == "allow"),
            "{length} bytes: the kernel {said:?}, the gate {} ({})",
            explained.verdict,
            explained.headline()
        );
    }
    Ok(())
}

/// The same requests by the gate and by the ioctl.
fn by_both(rig: &Rig) -> Verdict {
    let unit = rig.open_target(rig.mock(2)?)?;
    let cases: Vec<(u16, Vec<u8>, u32)> = vec![
        (0x0501, get(OURS, 0, 4, 0), 0),
        (0x0501, get(OURS, 1, 2, 0), 0),
        (0x0500, vec![56, 0, 0, 0, 0, 0, 0, 0], 0),
        (0x0502, set(OURS, 0, &[9, 8, 7, 6]), 2),
        (0x0501, get(OURS, 0, 4, 0), 0),
    ];
    let node = node(&unit)?;
    for (opcode, payload, scope) in cases {
        let ours = unit.send(opcode, &payload)?;
        let ask = Ask::Rpc(scope, opcode, payload.clone());
        let theirs = says::ask(Who::Root, Some(&node), None, std::slice::from_ref(&ask))?;
        let said = theirs.to(&ask)?.clone();
        match (&ours.outcome, &said) {
            (Some(outcome), Said::Done(0, reply)) => {
                same!(told(&ours), outcome.record.status, "done");
                let (ours, theirs) = (outcome.reply.as_slice(), reply.as_slice());
                ensure!(
                    theirs.starts_with(ours) || ours.starts_with(theirs),
                    "{opcode:04x}h {payload:02x?}: the gate brings {ours:02x?}, the kernel {theirs:02x?}"
                );
            }
            _ => return Err(format!("{opcode:04x}h: {} and {said:?}", told(&ours))),
        }
    }
    Ok(())
}

fn low_scope(rig: &Rig) -> Verdict {
    let unit = rig.open_target(rig.mock(1)?)?;
    let payload = set(OURS, 0, &[5, 5, 5, 5]);
    let node = node(&unit)?;
    for (number, scope) in [(0, Scope::Configuration), (1, Scope::DebugRead)] {
        refused(&unit.send_with(0x0502, &payload, Some(scope))?, "scope-too-low")?;
        let ask = Ask::Rpc(number, 0x0502, payload.clone());
        let answers = says::ask(Who::Root, Some(&node), None, std::slice::from_ref(&ask))?;
        same!("the kernel", answers.to(&ask)?, &Said::Refused(22));
    }
    same!("afterwards", unit.done(0x0501, &get(OURS, 0, 4, 0))?, FIRST.to_vec());
    Ok(())
}

fn refused_by_both(rig: &Rig) -> Verdict {
    let unit = rig.open_target(rig.mock(1)?)?;
    let node = node(&unit)?;
    let cases = [
        (3, 0x0502, set([7; 16], 0, &[0; 4])),
        (3, 0x0400, Vec::new()),
        (3, 0x4000, Vec::new()),
        (3, 0xC001, Vec::new()),
    ];
    for (scope, opcode, payload) in cases {
        let ask = Ask::Rpc(scope, opcode, payload.clone());
        let answers = says::ask(Who::Root, Some(&node), None, std::slice::from_ref(&ask))?;
        same!(format!("the kernel to {opcode:04x}h"), answers.to(&ask)?, &Said::Refused(22));
        let explained = unit.explain(&rig.caller, opcode, &payload, Some(Scope::DebugWriteFull))?;
        let by_fwctl = explained.verdict == "allow" && explained.path == Some("fwctl");
        ensure!(!by_fwctl, "the gate would send {opcode:04x}h by fwctl");
    }
    Ok(())
}

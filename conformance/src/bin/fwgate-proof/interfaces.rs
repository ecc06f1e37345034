// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own interfaces, by the gate: poison, events, scrub, firmware, sanitize.
//!
//! On QEMU's devices what they have; on cxl_test's the rest.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use fwgate_wire::cxl::features::feature_uuid;

use crate::discovery::{PERSISTENT, VOLATILE};
use crate::features::set;
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, Unit, qmp, read, refused, reply, status, told, write};

/// On QEMU's devices.
pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    for serial in [VOLATILE, PERSISTENT] {
        report.check(&format!("{serial} has the interfaces that the kernel made for it"), || {
            let unit = rig.open(serial)?;
            let there = unit.reached.device.around().interfaces.unwrap_or_default();
            report_missing(&unit, &there)?;
            for key in [
                "cxl-poison-debugfs",
                "cxl-poison-list",
                "cxl-sanitize",
                "cxl-trace-events",
                "firmware-upload",
            ] {
                ensure!(there.contains(&key), "no `{key}` among {there:?}");
            }
            Ok(())
        });
        report.check(&format!("poison is put into {serial}, listed and taken out"), || {
            poison(&rig.open(serial)?)
        });
        report.check(
            &format!(
                "what the firmware route of {serial} does not carry is shown the kernel's way"
            ),
            || {
                let unit = rig.open(serial)?;
                for (opcode, payload) in
                    [(0x4300, vec![0; 16]), (0x4301, vec![0; 8]), (0x4302, vec![0; 72])]
                {
                    let sent = unit.send(opcode, &payload)?;
                    refused(&sent, "kernel-owned")?;
                    same!("verdict", sent.explanation.verdict, "redirect");
                }
                Ok(())
            },
        );
    }
    report
        .check("an event that is injected comes back as a record", || event(&rig.open(VOLATILE)?));
    report.check("an interface does not take another one's command", || {
        let unit = rig.open(VOLATILE)?;
        refused(&unit.run("cxl-poison-list", 0x4400, &[])?, "wrong-interface")?;
        refused(&unit.run("cxl-sanitize", 0x4300, &[0; 16])?, "wrong-interface")
    });
    report.check("an address outside the device is refused with the kernel's rule", || {
        let unit = rig.open(VOLATILE)?;
        for address in [!63u64, 65] {
            let sent = unit.run("cxl-poison-debugfs", 0x4301, &address.to_le_bytes())?;
            same!(told(&sent), status(&sent), "failed");
            let error = sent.outcome.and_then(|it| it.record.error).unwrap_or_default();
            ensure!(error.contains("multiple of 64"), "{error}");
        }
        Ok(())
    });
    report.check("the patrol scrub cycle is set by EDAC and read back", || {
        scrub(&rig.open(VOLATILE)?)
    });
    report.check("an error check scrub threshold is set by EDAC and read back", || {
        ecs(&rig.open(VOLATILE)?)
    });
    report.check("labels are written and read by the nvdimm's own ioctls", || {
        labels(&rig.open(PERSISTENT)?)
    });
    report.check("the security state of a persistent device is the nvdimm's", || {
        let unit = rig.open(PERSISTENT)?;
        // It is the kernel's memory of what the device said, and said to be that.
        let sent = unit.run("nvdimm-security", 0x4500, &[])?;
        same!(told(&sent), status(&sent), "unverified");
        same!("state", sent.outcome.map(|it| it.reply.to_vec()), Some(vec![0; 4]));
        Ok(())
    });
    report.check("firmware goes through the firmware class and the staged slot changes", || {
        // One part: QEMU takes seconds for each.
        firmware(&rig.open(VOLATILE)?, 256)
    });
    report.check("a sanitize is followed to its end", || sanitize(&rig.open(PERSISTENT)?));
}

/// On cxl_test's devices.
pub(crate) fn run_mock(report: &mut Report) {
    let rig = Rig::new();
    report.check("a device of cxl_test has its interfaces", || {
        let unit = rig.open_target(rig.mock(0)?)?;
        let there = unit.reached.device.around().interfaces.unwrap_or_default();
        report_missing(&unit, &there)
    });
    report.check("health is read", || {
        let reply = rig.open_target(rig.mock(0)?)?.done(0x4200, &[])?;
        // As the mock has it: maintenance needed and more, all data lost, life used 15.
        same!("health", reply.get(..4), Some(&[0x07, 0x03, 0x18, 15][..]));
        Ok(())
    });
    report.check("poison is put in, listed and taken out", || {
        poison(&rig.open_target(rig.mock(0)?)?)
    });
    report.check(
        "poison beyond what the device has room for is refused with the kernel's rule",
        || {
            let unit = rig.open_target(rig.mock(1)?)?;
            let address = |number: u64| (number * 64).to_le_bytes();
            for number in 0..8 {
                unit.ran("cxl-poison-debugfs", 0x4301, &address(number))?;
            }
            let sent = unit.run("cxl-poison-debugfs", 0x4301, &address(8))?;
            same!(told(&sent), status(&sent), "failed");
            let error = sent.outcome.and_then(|it| it.record.error).unwrap_or_default();
            ensure!(error.contains("no room"), "{error}");
            for number in 0..8 {
                unit.ran("cxl-poison-debugfs", 0x4302, &clear(number * 64))?;
            }
            Ok(())
        },
    );
    report.check("the security state is read and a sanitize is followed to its end", || {
        let unit = rig.open_target(rig.mock(2)?)?;
        same!("before", read(unit.file("security/state"))?, "disabled");
        write(unit.file("../sanitize_timeout"), "600")?;
        sanitize(&unit)
    });
    report.check("a sanitize under way is told and not begun again", || {
        let unit = rig.open_target(rig.mock(2)?)?;
        write(unit.file("../sanitize_timeout"), "3000")?;
        write(unit.file("security/sanitize"), "1")?;
        same!("state", read(unit.file("security/state"))?, "sanitize");
        let sent = unit.run("cxl-sanitize", 0x4400, &[])?;
        ensure!(status(&sent) == "failed", "{}", told(&sent));
        crate::rig::wait_for("the end of the sanitize", || {
            read(unit.file("security/state")).is_ok_and(|state| state == "disabled")
        })
    });
    report.check("a device with a committed decoder is not sanitized", || {
        let targets = rig.with_fwctl()?;
        let committed = |target: &fwgate_linux::discover::Target| match &target.kind {
            fwgate_linux::discover::Kind::Cxl { memdev, .. } => memdev
                .endpoint
                .as_ref()
                .is_some_and(|it| it.committed.is_some_and(|count| count > 0)),
            _ => false,
        };
        let target = targets.into_iter().find(committed).ok_or("none has a committed decoder")?;
        let unit = rig.open_target(target)?;
        let sent = unit.run("cxl-sanitize", 0x4400, &[])?;
        ensure!(matches!(status(&sent), "failed" | "refused"), "{}", told(&sent));
        Ok(())
    });
    report.check(
        "firmware goes through the firmware class with progress and the staged slot changes",
        || firmware(&rig.open_target(rig.mock(0)?)?, 64 << 10),
    );
    report.check("a firmware update is ended early at the caller's wish", || {
        abort(&rig.open_target(rig.mock(1)?)?)
    });
    report.check("the shutdown state is the kernel's while it drives the nvdimm", || {
        let sent = rig.open_target(rig.mock(0)?)?.send(0x4204, &[1])?;
        ensure!(sent.outcome.is_none(), "it was sent: {}", told(&sent));
        ensure!(sent.explanation.headline().starts_with("kernel-owned"), "{}", told(&sent));
        Ok(())
    });
    report.check("events of a device whose log has no event commands are unreported", || {
        refused(
            &rig.open_target(rig.mock(3)?)?.run("cxl-trace-events", 0x0100, &[0])?,
            "unreported",
        )
    });
    report.check("labels are read by the ioctl", || {
        let unit = rig.open_target(rig.mock(0)?)?;
        let reply = unit.done(0x4102, &[0u32.to_le_bytes(), 128u32.to_le_bytes()].concat())?;
        same!("length", reply.len(), 128);
        Ok(())
    });
}

/// That what is there can be opened.
fn report_missing(unit: &Unit<'_>, there: &[&'static str]) -> Verdict {
    let ours: Vec<&str> = unit.reached.interfaces.iter().map(|it| it.key()).collect();
    let missing: Vec<&&str> = there.iter().filter(|key| !ours.contains(key)).collect();
    ensure!(missing.is_empty(), "there and not opened: {missing:?}; opened: {ours:?}");
    Ok(())
}

/// Clear Poison with zeros.
fn clear(address: u64) -> Vec<u8> {
    [address.to_le_bytes().as_slice(), &[0; 64]].concat()
}

/// The addresses of a poison list.
fn listed(unit: &Unit<'_>) -> Result<Vec<u64>, String> {
    let range = [0u64.to_le_bytes(), (1u64 << 28).to_le_bytes()].concat();
    let reply = unit.ran("cxl-poison-list", 0x4300, &range)?;
    let records = reply.get(32..).ok_or("a short list")?;
    let address =
        |record: &[u8]| record.first_chunk::<8>().map_or(0, |it| u64::from_le_bytes(*it) & !63);
    Ok(records.chunks(16).map(address).collect())
}

fn poison(unit: &Unit<'_>) -> Verdict {
    let address = 0x4_0000u64;
    ensure!(!listed(unit)?.contains(&address), "it is poisoned before");
    unit.ran("cxl-poison-debugfs", 0x4301, &address.to_le_bytes())?;
    let after = listed(unit)?;
    ensure!(after.contains(&address), "injected and not listed: {after:x?}");
    unit.ran("cxl-poison-debugfs", 0x4302, &clear(address))?;
    let after = listed(unit)?;
    ensure!(!after.contains(&address), "cleared and listed: {after:x?}");
    Ok(())
}

fn event(unit: &Unit<'_>) -> Verdict {
    const EVENT: &str = r#"{"execute":"cxl-inject-general-media-event","arguments":{"path":"/machine/peripheral/cxl-vmem0","log":"informational","flags":1,"dpa":4096,"descriptor":3,"type":1,"transaction-type":1}}"#;
    let sent = std::thread::scope(|scope| {
        let waits = scope.spawn(|| unit.run("cxl-trace-events", 0x0100, &[0]));
        // It listens from the command on.
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(300));
            if waits.is_finished() {
                break;
            }
            qmp(EVENT)?;
        }
        waits.join().map_err(|_| "it panicked".to_owned())?
    })?;
    let reply = reply(&sent)?;
    let count = reply.get(20..22).map_or(0, |it| u16::from_le_bytes([it[0], it[1]]));
    ensure!(
        count >= 1 && reply.len() == 32 + 128 * usize::from(count),
        "{count} records, {} bytes",
        reply.len()
    );
    // A general media event, of the address that was injected.
    let record = &reply[32..];
    same!("kind", &record[..4], &[0xfb, 0xcd, 0x0a, 0x77]);
    let address = u64::from_le_bytes(record[48..56].try_into().unwrap_or_default());
    same!("address", address & !0x3f, 4096);
    Ok(())
}

fn scrub(unit: &Unit<'_>) -> Verdict {
    let uuid = *feature_uuid::PATROL_SCRUB.as_bytes();
    let folder =
        Path::new("/sys/bus/edac/devices").join(format!("cxl_{}", unit.name())).join("scrub0");
    let hours = |file: &str| -> Result<u64, String> {
        read(folder.join(file))?
            .parse::<u64>()
            .map(|seconds| seconds / 3600)
            .map_err(|error| error.to_string())
    };
    let (before, least) = (hours("current_cycle_duration")?, hours("min_cycle_duration")?);
    let new = if before == least + 2 { least + 3 } else { least + 2 };
    let cycle = u8::try_from(new).map_err(|error| error.to_string())?;
    // Saved across resets, as the kernel has it.
    let sent = unit.run("edac-scrub", 0x0502, &set(uuid, 8, &[cycle, 1]))?;
    same!(told(&sent), status(&sent), "done");
    same!("cycle", hours("current_cycle_duration")?, new);
    same!("enabled", read(folder.join("enable_background"))?, "1");
    Ok(())
}

/// Threshold and mode of the first unit, the others as they are.
fn ecs(unit: &Unit<'_>) -> Verdict {
    let base = Path::new("/sys/bus/edac/devices").join(format!("cxl_{}", unit.name()));
    let units: Vec<_> = (0..64)
        .map(|number| base.join(format!("ecs_fru{number}")))
        .take_while(|it| it.is_dir())
        .collect();
    ensure!(!units.is_empty(), "there are no units");
    let mut data = vec![u8::from(read(units[0].join("log_entry_type"))? == "1")];
    let mut expected = Vec::new();
    for folder in &units {
        let (threshold, mode) = (read(folder.join("threshold"))?, read(folder.join("mode"))?);
        // 256, 1024 or 4096; another one for each than it has.
        let (code, new) = if threshold == "1024" { (5, "4096") } else { (4, "1024") };
        let config: u16 = code | u16::from(mode == "1") << 3;
        data.extend_from_slice(&config.to_le_bytes());
        expected.push(new);
    }
    let sent = unit.run("edac-ecs", 0x0502, &set(*feature_uuid::DDR5_ECS.as_bytes(), 8, &data))?;
    same!(told(&sent), status(&sent), "done");
    for (folder, expected) in units.iter().zip(expected) {
        same!(folder.display().to_string(), read(folder.join("threshold"))?, expected);
    }
    Ok(())
}

fn labels(unit: &Unit<'_>) -> Verdict {
    let part = |offset: u32, length: u32| [offset.to_le_bytes(), length.to_le_bytes()].concat();
    let text = b"by the nvdimm";
    unit.ran("nvdimm-labels", 0x4103, &[part(512, 0), text.to_vec()].concat())?;
    let length = u32::try_from(text.len()).map_err(|error| error.to_string())?;
    same!("by the nvdimm", unit.ran("nvdimm-labels", 0x4102, &part(512, length))?, text.to_vec());
    // The device itself has them now.
    same!("by the memory device", unit.done(0x4102, &part(512, length))?, text.to_vec());
    Ok(())
}

/// Transfer FW, whole, to the slot that the kernel chooses.
fn image(length: usize) -> Vec<u8> {
    let mut payload = vec![0; 128];
    payload.extend((0..length).map(|at| u8::try_from(at % 251).unwrap_or(0)));
    payload
}

/// Active and staged slot.
fn slots(unit: &Unit<'_>) -> Result<(u8, u8), String> {
    let info = unit.done(0x0200, &[])?;
    let slots = info.get(1).ok_or("a short reply")?;
    Ok((slots & 7, slots >> 3 & 7))
}

fn firmware(unit: &Unit<'_>, length: usize) -> Verdict {
    let before = slots(unit)?;
    let mut seen = Vec::new();
    let sent = unit.follow("firmware-upload", 0x0201, &image(length), &mut |now| {
        seen.push(now.percent);
        ControlFlow::Continue(())
    })?;
    same!(told(&sent), status(&sent), "done");
    ensure!(!seen.is_empty(), "no progress was told");
    let known: Vec<u8> = seen.iter().copied().flatten().collect();
    ensure!(known.is_sorted(), "progress went back: {known:?}");
    let after = slots(unit)?;
    same!("active slot", after.0, before.0);
    ensure!(
        after.1 != 0 && after.1 != before.0,
        "staged slot {} where {} is active",
        after.1,
        before.0
    );
    Ok(())
}

fn abort(unit: &Unit<'_>) -> Verdict {
    let before = slots(unit)?;
    let sent =
        unit.follow("firmware-upload", 0x0201, &image(8 << 20), &mut |_| ControlFlow::Break(()))?;
    same!(told(&sent), status(&sent), "failed");
    same!("slots", slots(unit)?, before);
    same!("state", read(format!("/sys/class/firmware/{}/status", unit.name()))?, "idle");
    Ok(())
}

fn sanitize(unit: &Unit<'_>) -> Verdict {
    let mut ran = false;
    let sent = unit.follow("cxl-sanitize", 0x4400, &[], &mut |now| {
        ran |= now.running;
        ControlFlow::Continue(())
    })?;
    // The kernel does not say how it ended.
    ensure!(matches!(status(&sent), "unverified" | "done"), "{}", told(&sent));
    same!("state afterwards", read(unit.file("security/state"))?, "disabled");
    ensure!(ran || status(&sent) == "unverified", "nothing was seen of it");
    Ok(())
}

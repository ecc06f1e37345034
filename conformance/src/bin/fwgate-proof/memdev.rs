// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memdev ioctl by typed id: each id that the kernel passes on, and what it refuses.

use fwgate_wire::cxl::logs::log_uuid;
use fwgate_wire::memdev::{IDS, IdKind, VARIABLE};

use crate::discovery::{PERSISTENT, VOLATILE};
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, Unit, read, refused, status, told, write};
use crate::says::{self, Ask, Said, Who};

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    for serial in [VOLATILE, PERSISTENT] {
        report.check(&format!("{serial} is sent each typed read that its log lists"), || {
            reads(&rig, serial)
        });
        report.check(&format!("what {serial} says of itself is what sysfs shows"), || {
            identity(&rig, serial)
        });
        report.check(&format!("a read of {serial} taints nothing"), || {
            let before = rig.taint()?;
            let sent = rig.open(serial)?.send(0x4000, &[])?;
            ensure!(!sent.explanation.would_taint, "it was foretold to taint");
            same!("path", sent.explanation.path, Some("memdev"));
            same!("taint", rig.taint()?, before);
            Ok(())
        });
        report.check(
            &format!("alerts of {serial} are set and read back where its log lists them"),
            || alerts(&rig.open(serial)?),
        );
        report.check(&format!("what {serial} does not list is unreported"), || {
            refused(&rig.open(serial)?.send(0x4204, &[1])?, "unreported")
        });
    }
    report.check("labels are read in parts up to their whole size", || labels(&rig));
    report.check(
        "labels are the kernel's while it drives them, and it keeps the id for itself",
        || {
            let unit = rig.open(PERSISTENT)?;
            let sent = unit.send(0x4103, &[0; 16])?;
            ensure!(sent.outcome.is_none(), "it was sent: {}", told(&sent));
            refused(&sent, "kernel-owned")?;
            let ask = Ask::Id(10, vec![0; 16], 0);
            let answers =
                says::ask(Who::Root, None, Some(unit.name()), std::slice::from_ref(&ask))?;
            same!("the kernel", answers.to(&ask)?, &Said::Refused(16));
            Ok(())
        },
    );
    report.check("labels are written by the ioctl once no driver has them, and an older opening sends nothing", || {
        let older = rig.open(PERSISTENT)?;
        // The nvdimm child goes with the driver of its memory device; the node stays.
        let driver = "/sys/bus/cxl/drivers/cxl_mem";
        write(format!("{driver}/unbind"), older.name())?;
        let result = unbound_labels(&rig, &older);
        write(format!("{driver}/bind"), older.name())?;
        result
    });
    report
        .check("what the gate sends by a typed id comes back as by the kernel's own ioctl", || {
            by_both(&rig)
        });
    report.check("a malformed command is refused before it is sent", || {
        let unit = rig.open(VOLATILE)?;
        refused(&unit.send(0x4000, &[1])?, "malformed")?;
        refused(&unit.send(0x0401, &[0; 23])?, "malformed")?;
        let mut set_partition = [0u8; 10];
        set_partition[8] = 1;
        refused(&unit.send(0x4101, &set_partition)?, "malformed")
    });
    report.check("a log that the device does not have is refused by the gate", || {
        let unit = rig.open(VOLATILE)?;
        refused(&unit.send(0x0401, &get_log([7; 16], 0, 16))?, "unreported")
    });
    report.check("an error of the device is passed on as its own", || {
        let unit = rig.open(VOLATILE)?;
        // Beyond the end of the log.
        let sent =
            unit.send(0x0401, &get_log(*log_uuid::COMMAND_EFFECTS.as_bytes(), 0x10_0000, 4))?;
        same!("status", status(&sent), "failed");
        let code = sent.outcome.as_ref().and_then(|it| it.record.return_code);
        ensure!(code.is_some_and(|code| code != 0), "{}", told(&sent));
        same!("reply", sent.outcome.map(|it| it.reply.len()), Some(0));
        Ok(())
    });
}

fn unbound_labels(rig: &Rig, older: &Unit<'_>) -> Verdict {
    let stale = older.send(0x4103, &[0; 16])?;
    ensure!(status(&stale) != "done", "an older opening wrote labels: {}", told(&stale));
    let unit = rig.open(PERSISTENT)?;
    let text = b"written by fwgate";
    let sent = unit.send(0x4103, &[&[0, 1, 0, 0, 0, 0, 0, 0], text.as_slice()].concat())?;
    same!(told(&sent), status(&sent), "done");
    let length = u32::try_from(text.len()).map_err(|error| error.to_string())?;
    let read = unit.done(0x4102, &[256u32.to_le_bytes(), length.to_le_bytes()].concat())?;
    same!("labels", read, text.to_vec());
    Ok(())
}

/// Each read by both: the same bytes, but for the clock.
fn by_both(rig: &Rig) -> Verdict {
    for serial in [VOLATILE, PERSISTENT] {
        let unit = rig.open(serial)?;
        for row in IDS.iter().filter(|row| row.id.0 != 21) {
            let (Some(opcode), Some(payload)) = (row.opcode, payload(row.id.0)) else { continue };
            let room = match row.id.0 {
                6 => 64,
                8 => 16,
                _ => 512,
            };
            let ask = Ask::Id(row.id.0, payload.clone(), room);
            let answers =
                says::ask(Who::Root, None, Some(unit.name()), std::slice::from_ref(&ask))?;
            let sent = unit.send(opcode.0, &payload)?;
            match (answers.to(&ask)?, &sent.outcome) {
                (Said::Done(0, theirs), Some(outcome)) if outcome.record.status == "done" => {
                    same!(row.name, outcome.reply.as_slice(), theirs.as_slice());
                }
                (Said::Done(code, _), Some(outcome)) => {
                    same!(row.name, outcome.record.return_code.map(u32::from), Some(*code));
                }
                (Said::Refused(_) | Said::Closed(_), None) => {}
                (said, _) => {
                    return Err(format!(
                        "{}: the kernel {said:?}, the gate {}",
                        row.name,
                        told(&sent)
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Get Log.
pub(crate) fn get_log(uuid: [u8; 16], offset: u32, length: u32) -> Vec<u8> {
    [uuid.as_slice(), &offset.to_le_bytes(), &length.to_le_bytes()].concat()
}

/// A payload for each id that reads; `None` for what writes, and for what has another way.
fn payload(id: u32) -> Option<Vec<u8>> {
    let effects = log_uuid::COMMAND_EFFECTS;
    Some(match id {
        1 | 3 | 4 | 5 | 7 | 11 | 13 | 21 => Vec::new(),
        6 => [0u32.to_le_bytes(), 64u32.to_le_bytes()].concat(),
        8 => get_log(*effects.as_bytes(), 0, 16),
        22 => effects.as_bytes().to_vec(),
        24 => vec![8, 0],
        _ => return None,
    })
}

fn reads(rig: &Rig, serial: &str) -> Verdict {
    let unit = rig.open(serial)?;
    let lists = |opcode| unit.opened.facts().log().iter().any(|row| row.opcode == opcode);
    let mut sent = 0;
    for row in &IDS {
        let (Some(opcode), Some(payload)) = (row.opcode, payload(row.id.0)) else { continue };
        let enabled = row.kind == IdKind::Always || (row.kind == IdKind::ByLog && lists(opcode.0));
        if !enabled {
            continue;
        }
        // A device without labels has none to read.
        if row.id.0 == 6 && read(unit.file("label_storage_size"))? == "0" {
            continue;
        }
        let reply = unit.done(opcode.0, &payload)?;
        sent += 1;
        let most = usize::try_from(row.size_out).map_err(|error| error.to_string())?;
        if row.size_out != VARIABLE {
            ensure!(
                reply.len() >= most,
                "{}: {} bytes, the kernel's table says {most}",
                row.name,
                reply.len()
            );
        }
        match row.id.0 {
            6 => same!(row.name, reply.len(), 64),
            8 => same!(row.name, reply.len(), 16),
            _ => ensure!(!reply.is_empty(), "{}: an empty reply", row.name),
        }
    }
    // Those that are enabled whatever the log says, and at least firmware, partition and timestamp.
    ensure!(sent >= 6, "only {sent} ids were sent");
    Ok(())
}

fn identity(rig: &Rig, serial: &str) -> Verdict {
    let unit = rig.open(serial)?;
    let reply = unit.done(0x4000, &[])?;
    let number = |at: usize| -> Result<u64, String> {
        let bytes = reply.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        Ok(u64::from_le_bytes(bytes.ok_or("a short reply")?))
    };
    let hex = |name: &str| -> Result<u64, String> {
        let text = read(unit.file(name))?;
        u64::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|error| error.to_string())
    };
    // In units of 256 MiB.
    same!("total capacity", number(16)? << 28, hex("ram/size")? + hex("pmem/size")?);
    Ok(())
}

fn alerts(unit: &Unit<'_>) -> Verdict {
    if !unit.opened.facts().log().iter().any(|row| row.opcode == 0x4202) {
        // QEMU before 11.
        return refused(&unit.send(0x4202, &[0; 12])?, "unreported");
    }
    let before = unit.done(0x4201, &[])?;
    let life_used = if before.get(2) == Some(&50) { 60 } else { 50 };
    // Valid, enable, life used, reserved; the first bit is life used.
    let mut set = [0u8; 12];
    (set[0], set[1], set[2]) = (1, 1, life_used);
    let sent = unit.send(0x4202, &set)?;
    same!("status", status(&sent), "done");
    same!("path", sent.explanation.path, Some("memdev"));
    let after = unit.done(0x4201, &[])?;
    ensure!(
        after.get(3) == Some(&life_used) || after.get(2) == Some(&life_used),
        "before {before:?}, after {after:?}"
    );
    Ok(())
}

fn labels(rig: &Rig) -> Verdict {
    let unit = rig.open(PERSISTENT)?;
    let size: u32 = read(unit.file("label_storage_size"))?.parse().map_err(|_| "no size")?;
    ensure!(size > 0, "it has no labels");
    let most: u32 = read(unit.file("payload_max"))?.parse().map_err(|_| "no payload size")?;
    let mut at = 0;
    while at < size {
        let length = most.min(size - at);
        let reply = unit.done(0x4102, &[at.to_le_bytes(), length.to_le_bytes()].concat())?;
        same!("length", reply.len(), length as usize);
        at += length;
    }
    Ok(())
}

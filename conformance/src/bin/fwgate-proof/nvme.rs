// SPDX-License-Identifier: MIT OR Apache-2.0
//! The NVMe admin ioctl: reads, a write with its read back, and what the controller or the gate refuses.

use fwgate_gate::Message;

use crate::discovery::DRIVE;
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, Unit, read, refused, reply, status, told};

/// As QEMU's controller gave it when the captures were made.
const EFFECTS: &[u8] = include_bytes!("../../../../tests-data/captures/nvme-effects-qemu.bin");
/// All namespaces.
const ALL: u32 = u32::MAX;

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    report.check("the controller is identified as sysfs shows it", || identify(&rig.open(DRIVE)?));
    report.check("both namespaces are identified", || {
        let unit = rig.open(DRIVE)?;
        for (nsid, disk) in [(1, "nvme0n1"), (2, "nvme0n2")] {
            let data = reply(&unit.message(admin(0x06, nsid, [0; 6], 4096), None)?)?;
            let blocks =
                data.first_chunk::<8>().map(|it| u64::from_le_bytes(*it)).ok_or("a short reply")?;
            let disk = disk.replace("nvme0", unit.name());
            let sectors: u64 =
                read(format!("/sys/class/block/{disk}/size"))?.parse().map_err(|_| "no size")?;
            // Both count 512 bytes in QEMU.
            same!(disk, blocks, sectors);
        }
        Ok(())
    });
    report.check("the SMART log is read", || {
        let data = reply(&rig.open(DRIVE)?.message(log(0x02, 512), None)?)?;
        same!("length", data.len(), 512);
        let kelvin = data.get(1..3).map_or(0, |it| u16::from_le_bytes([it[0], it[1]]));
        ensure!((250..400).contains(&kelvin), "a temperature of {kelvin} K");
        Ok(())
    });
    report.check("the effects log has nothing that the capture of a later QEMU has not", || {
        let data = reply(&rig.open(DRIVE)?.message(log(0x05, 4096), None)?)?;
        same!("length", data.len(), EFFECTS.len());
        let more = data.iter().zip(EFFECTS).position(|(ours, theirs)| ours & !theirs != 0);
        same!("first byte with more", more, None);
        ensure!(data.iter().any(|byte| *byte != 0), "it is empty");
        Ok(())
    });
    report.check("the firmware slots are read", || {
        let data = reply(&rig.open(DRIVE)?.message(log(0x03, 512), None)?)?;
        ensure!(data.first().is_some_and(|it| it & 7 != 0), "no active slot: {:?}", data.first());
        Ok(())
    });
    report.check("reads go by the ioctl and taint nothing", || {
        let before = rig.taint()?;
        let sent = rig.open(DRIVE)?.message(log(0x02, 512), None)?;
        same!("path", sent.explanation.path, Some("nvme-ioctl"));
        ensure!(!sent.explanation.would_taint, "it was foretold to taint");
        same!("taint", rig.taint()?, before);
        Ok(())
    });
    report.check("a feature is set and read back", || feature(&rig.open(DRIVE)?));
    report.check("a status of the controller is passed on as its own", || {
        let unit = rig.open(DRIVE)?;
        // A log that QEMU does not have: Invalid Log Page, 109h, with Do Not Retry.
        let sent = unit.message(log(0x07, 512), None)?;
        match &sent.outcome {
            None => Err(told(&sent)),
            Some(outcome) => {
                same!("status", outcome.record.status, "failed");
                let code = outcome.record.return_code.unwrap_or(0);
                ensure!(code & 0x7ff != 0, "code {code:#x}");
                same!("reply", outcome.reply.len(), 0);
                Ok(())
            }
        }
    });
    report.check("a vendor opcode is refused by the policy that is built in", || {
        let rig = Rig::by_default();
        let sent = rig.open(DRIVE)?.message(admin(0xC2, 0, [0; 6], 512), None)?;
        ensure!(sent.outcome.is_none(), "it was sent: {}", told(&sent));
        Ok(())
    });
    report.check(
        "a vendor opcode that the log does not list is unreported whoever permits it",
        || refused(&rig.open(DRIVE)?.message(admin(0xC2, 0, [0; 6], 512), None)?, "unreported"),
    );
    report.check("a command of the data path or the driver is never sent", || {
        let unit = rig.open(DRIVE)?;
        // Create I/O submission queue, create I/O completion queue, asynchronous event, keep alive.
        for opcode in [0x00, 0x01, 0x04, 0x05, 0x0C] {
            let sent = unit.message(admin(opcode, 0, [0; 6], 0), None)?;
            ensure!(sent.outcome.is_none(), "{opcode:#04x} was sent: {}", told(&sent));
        }
        Ok(())
    });
    report.check(
        "a format of a namespace is the block layer's ground or asks for more than a permit",
        || {
            let unit = rig.open(DRIVE)?;
            let sent = Rig::by_default().open(DRIVE)?.message(admin(0x80, 1, [0; 6], 0), None)?;
            ensure!(sent.outcome.is_none(), "{} was formatted: {}", unit.name(), told(&sent));
            Ok(())
        },
    );
    report.check("data the wrong way is refused before the kernel is asked", || {
        let unit = rig.open(DRIVE)?;
        let message = Message::NvmeAdmin {
            opcode: 0x06,
            nsid: 0,
            cdw: [1, 0, 0, 0, 0, 0],
            data: vec![0; 4096],
            read_length: 0,
        };
        let sent = unit.message(message, None)?;
        ensure!(status(&sent) != "done", "{}", told(&sent));
        Ok(())
    });
    report.check("a CXL command to the controller is refused", || {
        match rig.open(DRIVE)?.send(0x4000, &[]) {
            Err(why) if why.contains("nothing was sent") => Ok(()),
            Err(why) => Err(why),
            Ok(sent) => Err(told(&sent)),
        }
    });
}

/// An admin command that reads.
pub(crate) fn admin(opcode: u8, nsid: u32, cdw: [u32; 6], read_length: u32) -> Message {
    Message::NvmeAdmin { opcode, nsid, cdw, data: Vec::new(), read_length }
}

/// Get Log Page.
pub(crate) fn log(page: u8, length: u32) -> Message {
    admin(0x02, ALL, [(length / 4 - 1) << 16 | u32::from(page), 0, 0, 0, 0, 0], length)
}

fn identify(unit: &Unit<'_>) -> Verdict {
    let data = reply(&unit.message(admin(0x06, 0, [1, 0, 0, 0, 0, 0], 4096), None)?)?;
    same!("length", data.len(), 4096);
    let text = |from: usize, to: usize| {
        String::from_utf8_lossy(data.get(from..to).unwrap_or_default()).trim().to_owned()
    };
    same!("serial", text(4, 24), read(unit.file("serial"))?.trim());
    same!("model", text(24, 64), read(unit.file("model"))?.trim());
    same!("firmware", text(64, 72), read(unit.file("firmware_rev"))?.trim());
    same!("firmware in facts", unit.opened.facts().firmware(), text(64, 72));
    Ok(())
}

/// Temperature Threshold (04h), over-temperature of the composite: set, read, set back.
fn feature(unit: &Unit<'_>) -> Verdict {
    let get = || -> Result<u32, String> {
        // The value comes in the completion, which the gate does not pass on; so it is told from the SMART
        // log: below the temperature the warning is set.
        let smart = reply(&unit.message(log(0x02, 512), None)?)?;
        Ok(u32::from(smart.first().copied().unwrap_or(0) & 0x02))
    };
    let set = |kelvin: u32| -> Verdict {
        let sent = unit.message(admin(0x09, 0, [0x04, kelvin, 0, 0, 0, 0], 0), None)?;
        reply(&sent).map(drop)
    };
    same!("warning at first", get()?, 0);
    set(200)?;
    let after = get()?;
    set(0x157)?;
    same!("warning at a threshold of 200 K", after, 0x02);
    same!("warning at the end", get()?, 0);
    Ok(())
}

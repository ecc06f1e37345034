// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gate's probes read of a device is what the device has.

use fwgate_gate::journal::Kind as RecordKind;
use fwgate_linux::discover::Kind;
use fwgate_wire::cxl::cel::CommandEffectsLog;
use fwgate_wire::nvme::EffectsLog;
use zerocopy::FromBytes as _;

use crate::discovery::{DRIVE, PERSISTENT, VOLATILE};
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, read};

/// As QEMU's device gave it when the captures were made.
const CEL: &[u8] = include_bytes!("../../../../tests-data/captures/cel-qemu-type3.bin");
/// The same of QEMU's NVMe controller.
const EFFECTS: &[u8] = include_bytes!("../../../../tests-data/captures/nvme-effects-qemu.bin");

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    for serial in [VOLATILE, PERSISTENT] {
        report.check(&format!("the effects log of {serial} is that of the capture"), || cel(&rig, serial));
        report.check(&format!("the firmware of {serial} is the one that sysfs shows"), || {
            let unit = rig.open(serial)?;
            ensure!(unit.opened.facts().credible(), "its log is not believed");
            // sysfs shows what Identify said; the active slot may say more.
            let shown = read(unit.file("firmware_version"))?;
            let facts = unit.opened.facts().firmware();
            ensure!(facts.trim() == shown.trim() || !facts.is_empty(), "facts {facts:?}, sysfs {shown:?}");
            Ok(())
        });
        report.check(&format!("features of {serial} are read where there is a fwctl and not else"), || {
            let unit = rig.open(serial)?;
            let has = matches!(&unit.target.kind, Kind::Cxl { fwctl: Some(_), .. });
            same!("features known", unit.opened.facts().features().is_some(), has);
            Ok(())
        });
    }
    report.check("the effects log of the NVMe drive is that of the capture", || nvme(&rig));
    report.check("reading facts is on record with its outcome and as the gate itself", || {
        let rig = Rig::new();
        rig.open(VOLATILE)?;
        let records = rig.records()?;
        let [(RecordKind::Probe, probe), (RecordKind::Outcome { .. }, outcome)] = &records[..] else {
            return Err(format!("{} records", records.len()));
        };
        same!("caller", probe["caller"]["gate"], serde_json::json!(true));
        same!("outcome", outcome["status"], serde_json::json!("done"));
        Ok(())
    });
    report.check("what marks an opening is the same until something changes", || {
        let reached = rig.reach(&rig.find(VOLATILE)?)?;
        let again = rig.reach(&rig.find(VOLATILE)?)?;
        same!("a second opening", again.device.observe(), reached.device.observe());
        let other = rig.reach(&rig.find(PERSISTENT)?)?;
        ensure!(other.device.observe().opened != again.device.observe().opened, "two devices, one mark");
        Ok(())
    });
}

fn cel(rig: &Rig, serial: &str) -> Verdict {
    let unit = rig.open(serial)?;
    let capture = CommandEffectsLog::parse(CEL).map_err(|error| error.to_string())?;
    let expected: Vec<(u16, u32)> =
        capture.entries().iter().map(|row| (row.opcode.get(), u32::from(row.effects.get()))).collect();
    let found: Vec<(u16, u32)> =
        unit.opened.facts().log().iter().map(|row| (row.opcode, row.word)).collect();
    same!("rows", found, expected);
    Ok(())
}

fn nvme(rig: &Rig) -> Verdict {
    let unit = rig.open(DRIVE)?;
    let (capture, _) = EffectsLog::ref_from_prefix(EFFECTS).map_err(|_| "the capture is short")?;
    let rows = fwgate_gate::probe::nvme_rows;
    same!("admin rows", unit.opened.facts().log(), rows(&capture.admin));
    same!("I/O rows", unit.opened.facts().io_log(), rows(&capture.io));
    ensure!(!unit.opened.facts().log().is_empty(), "no rows at all");
    Ok(())
}

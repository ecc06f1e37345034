// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gate's probes read of a device is what the device has.

use fwgate_gate::journal::Kind as RecordKind;
use fwgate_linux::discover::Kind;
use fwgate_wire::cxl::cel::CommandEffectsLog;
use fwgate_wire::cxl::logs::log_uuid;
use fwgate_wire::nvme::EffectsLog;
use zerocopy::FromBytes as _;

use crate::discovery::{DRIVE, PERSISTENT, VOLATILE};
use crate::memdev::get_log;
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::Rig;
use crate::says::{self, Ask, Said, Who};

/// As QEMU's device gave it when the captures were made.
const CEL: &[u8] = include_bytes!("../../../../tests-data/captures/cel-qemu-type3.bin");
/// The same of QEMU's NVMe controller.
const EFFECTS: &[u8] = include_bytes!("../../../../tests-data/captures/nvme-effects-qemu.bin");

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    for serial in [VOLATILE, PERSISTENT] {
        report
            .check(&format!("the effects log of {serial} is the one that the device has"), || {
                cel(&rig, serial)
            });
        report.check(&format!("the firmware of {serial} is the active slot's"), || {
            let unit = rig.open(serial)?;
            let info = unit.done(0x0200, &[])?;
            let slot = usize::from(info.get(1).ok_or("a short reply")? & 7);
            let revision = info.get(16 * slot..16 * slot + 16).ok_or("no such slot")?;
            let revision =
                String::from_utf8_lossy(revision).trim_end_matches(['\0', ' ']).to_owned();
            same!("firmware", unit.opened.facts().firmware(), revision);
            Ok(())
        });
        report.check(
            &format!("features of {serial} are read where there is a fwctl and not else"),
            || {
                let unit = rig.open(serial)?;
                let has = matches!(&unit.target.kind, Kind::Cxl { fwctl: Some(_), .. });
                same!("features known", unit.opened.facts().features().is_some(), has);
                Ok(())
            },
        );
    }
    report
        .check("the effects log of the NVMe drive is that of the capture or an older one", || {
            nvme(&rig)
        });
    report.check("reading facts is on record with its outcome and as the gate itself", || {
        let rig = Rig::new();
        rig.open(VOLATILE)?;
        let records = rig.records()?;
        let [(RecordKind::Probe, probe), (RecordKind::Outcome { .. }, outcome)] = &records[..]
        else {
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
        ensure!(
            other.device.observe().opened != again.device.observe().opened,
            "two devices, one mark"
        );
        Ok(())
    });
}

/// Secondary mailbox supported: QEMU sets it from 11 on.
const SECONDARY: u32 = 1 << 7;

/// The log as the kernel's own ioctl brings it, and as it was when the capture was made of a later QEMU: no row and
/// no bit more than there.
fn cel(rig: &Rig, serial: &str) -> Verdict {
    let unit = rig.open(serial)?;
    let rows = |bytes: &[u8]| -> Result<Vec<(u16, u32)>, String> {
        let log = CommandEffectsLog::parse(bytes).map_err(|error| error.to_string())?;
        Ok(log
            .entries()
            .iter()
            .map(|row| (row.opcode.get(), u32::from(row.effects.get())))
            .collect())
    };
    let found: Vec<(u16, u32)> =
        unit.opened.facts().log().iter().map(|row| (row.opcode, row.word)).collect();
    let length = u32::try_from(4 * found.len()).map_err(|error| error.to_string())?;
    let request = get_log(*log_uuid::COMMAND_EFFECTS.as_bytes(), 0, length);
    let ask = Ask::Id(8, request, length);
    let answers = says::ask(Who::Root, None, Some(unit.name()), std::slice::from_ref(&ask))?;
    let Said::Done(0, bytes) = answers.to(&ask)? else { return Err(format!("{answers:?}")) };
    same!("rows by the ioctl", found, rows(bytes)?);
    let capture = rows(CEL)?;
    for (opcode, word) in &found {
        let there =
            capture.iter().any(|(it, was)| it == opcode && was & !SECONDARY == word & !SECONDARY);
        ensure!(there, "{opcode:04x}h with {word:#x} is not in the capture");
    }
    ensure!(found.len() >= 20, "only {} rows", found.len());
    Ok(())
}

fn nvme(rig: &Rig) -> Verdict {
    let unit = rig.open(DRIVE)?;
    let (capture, _) = EffectsLog::ref_from_prefix(EFFECTS).map_err(|_| "the capture is short")?;
    let rows = fwgate_gate::probe::nvme_rows;
    let (found, capture) = (
        [unit.opened.facts().log(), unit.opened.facts().io_log()].concat(),
        [rows(&capture.admin), rows(&capture.io)].concat(),
    );
    // The capture is of a later QEMU, which has more commands.
    for row in &found {
        ensure!(capture.contains(row), "{row:?} is not in the capture");
    }
    ensure!(found.len() >= 20, "only {} rows", found.len());
    Ok(())
}

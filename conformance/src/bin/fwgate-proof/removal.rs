// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device goes away under load and comes back: every record has its outcome, nothing hangs, and the old
//! opening never reaches the new device.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fwgate_gate::Message;
use fwgate_gate::journal::Kind as RecordKind;

use crate::discovery::{DRIVE, PERSISTENT, VOLATILE};
use crate::nvme::log;
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, Unit, qmp, status, told, wait_for, write};

/// Threads that read all the while.
const THREADS: usize = 4;

pub(crate) fn run(report: &mut Report) {
    let identify = || Message::Cxl { opcode: 0x4000, payload: Vec::new() };
    report.check("a CXL device is removed by sysfs under load and comes back by a rescan", || {
        under_load(VOLATILE, &identify, &remove, &rescan, VOLATILE)
    });
    report.check("a CXL device is let go by its driver under load and bound again", || {
        under_load(
            VOLATILE,
            &identify,
            &|unit| driver(unit, "unbind"),
            &|address| bind("cxl_pci", address),
            VOLATILE,
        )
    });
    report.check("an NVMe drive is removed by sysfs under load and comes back by a rescan", || {
        under_load(DRIVE, &|| log(0x02, 512), &remove, &rescan, DRIVE)
    });
    report.check("an NVMe drive is reset under load and its openings go on or say so", reset);
    report.check("an NVMe drive is unplugged under load and another one is under its name", || {
        let out = |_: &Unit<'_>| qmp(r#"{"execute":"device_del","arguments":{"id":"nvme0"}}"#);
        let back = |_: &str| {
            qmp(r#"{"execute":"device_add","arguments":{"driver":"nvme","id":"nvme9","bus":"rpn","serial":"LAB0002","drive":"ns3"}}"#)
        };
        under_load(DRIVE, &|| log(0x02, 512), &out, &back, "LAB0002")
    });
    report.check("a CXL device is unplugged under load and nothing hangs", || {
        let out = |_: &Unit<'_>| qmp(r#"{"execute":"device_del","arguments":{"id":"cxl-pmem0"}}"#);
        unplugged(PERSISTENT, &identify, &out)
    });
}

fn remove(unit: &Unit<'_>) -> Verdict {
    write(format!("/sys/bus/pci/devices/{}/remove", address(unit)?), "1")
}

fn rescan(_: &str) -> Verdict {
    write("/sys/bus/pci/rescan", "1")
}

fn driver(unit: &Unit<'_>, file: &str) -> Verdict {
    let address = address(unit)?;
    write(format!("/sys/bus/pci/devices/{address}/driver/{file}"), &address)
}

fn bind(driver: &str, address: &str) -> Verdict {
    write(format!("/sys/bus/pci/drivers/{driver}/bind"), address)
}

fn address(unit: &Unit<'_>) -> Result<String, String> {
    let function = unit.target.function().ok_or("it is at no PCI address")?;
    Ok(function.address.to_string())
}

/// Takes the device away while threads read from it; answers how often each end came.
fn load(
    unit: &Unit<'_>,
    message: &(dyn Fn() -> Message + Sync),
    out: &dyn Fn(&Unit<'_>) -> Verdict,
) -> Result<BTreeMap<String, usize>, String> {
    let stop = AtomicBool::new(false);
    let ends = std::thread::scope(|scope| {
        let read = || {
            let mut ends = Vec::new();
            while !stop.load(Ordering::Relaxed) && ends.len() < 100_000 {
                ends.push(match unit.message(message(), None) {
                    Ok(sent) => {
                        let failure = sent.outcome.as_ref().and_then(|it| it.failure);
                        match failure {
                            None => status(&sent).to_owned(),
                            Some(failure) => format!("{} {failure:?}", status(&sent)),
                        }
                    }
                    Err(why) => format!("gate: {why}"),
                });
            }
            ends
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(read)).collect();
        std::thread::sleep(Duration::from_millis(300));
        let out = out(unit);
        std::thread::sleep(Duration::from_millis(700));
        stop.store(true, Ordering::Relaxed);
        let ends: Result<Vec<_>, _> = threads.into_iter().map(|thread| thread.join()).collect();
        out.and(ends.map_err(|_| "a thread panicked".to_owned()))
    })?;
    let mut counts = BTreeMap::new();
    for end in ends.into_iter().flatten() {
        *counts.entry(end).or_insert(0) += 1;
    }
    Ok(counts)
}

/// That each decision that allowed has exactly one outcome.
fn every_record_ends(rig: &Rig) -> Verdict {
    let (mut open, mut outcomes) = (BTreeSet::new(), 0);
    let reader = rig.journal.reader().map_err(|error| error.to_string())?;
    for record in reader {
        let record = record.map_err(|error| error.to_string())?;
        match record.kind {
            RecordKind::Decision => {
                let body: serde_json::Value =
                    serde_json::from_slice(&record.body).map_err(|error| error.to_string())?;
                if body["verdict"] == "allow" {
                    open.insert(record.sequence);
                }
            }
            RecordKind::Probe => {
                open.insert(record.sequence);
            }
            RecordKind::Outcome { decision } => {
                ensure!(
                    open.remove(&decision),
                    "record {decision} has two outcomes, or none asked for one"
                );
                outcomes += 1;
            }
            _ => {}
        }
    }
    ensure!(open.is_empty(), "{} records have no outcome: {open:?}", open.len());
    ensure!(outcomes > 10, "only {outcomes} outcomes");
    Ok(())
}

fn under_load(
    serial: &str,
    message: &(dyn Fn() -> Message + Sync),
    out: &dyn Fn(&Unit<'_>) -> Verdict,
    back: &dyn Fn(&str) -> Verdict,
    new_serial: &str,
) -> Verdict {
    let rig = Rig::new();
    let unit = rig.open(serial)?;
    let (name, address) = (unit.name().to_owned(), address(&unit)?);
    let mark = unit.reached.device.observe().opened;
    let ends = load(&unit, message, out)?;
    judged(&ends)?;
    wait_for("the device to be gone", || rig.find(serial).is_err())?;
    let gone = unit.message(message(), None);
    ensure!(
        gone.as_ref().map_or(true, |sent| status(sent) != "done"),
        "a device that is gone answered"
    );
    back(&address)?;
    wait_for("the device to come back", || {
        rig.find(new_serial).is_ok_and(|target| rig.open_target(target).is_ok())
    })?;
    let new = rig.open(new_serial)?;
    ensure!(new.reached.device.observe().opened != mark, "the new device has the old one's mark");
    // The old opening, under the old name: never the new device.
    for _ in 0..20 {
        let sent = unit.message(message(), None);
        if let Ok(sent) = &sent {
            ensure!(
                status(sent) != "done",
                "the old opening reached {}, which was {name}: {}",
                new.name(),
                told(sent)
            );
        }
    }
    let sent = new.message(message(), None)?;
    same!(told(&sent), status(&sent), "done");
    every_record_ends(&rig)
}

/// That commands ended as they may.
fn judged(ends: &BTreeMap<String, usize>) -> Verdict {
    ensure!(ends.contains_key("done"), "nothing was done before it went: {ends:?}");
    ensure!(ends.len() > 1, "nothing was noticed: {ends:?}");
    for end in ends.keys() {
        let known = end == "done"
            || end.starts_with("failed FactsChanged")
            || end.starts_with("failed Transport")
            || end.starts_with("unknown Transport")
            || end.starts_with("failed Kernel")
            || end.starts_with("failed Device")
            || end.starts_with("refused");
        ensure!(known, "ended as {end}: {ends:?}");
    }
    Ok(())
}

fn unplugged(
    serial: &str,
    message: &(dyn Fn() -> Message + Sync),
    out: &dyn Fn(&Unit<'_>) -> Verdict,
) -> Verdict {
    let rig = Rig::new();
    let unit = rig.open(serial)?;
    let ends = load(&unit, message, out)?;
    wait_for("the device to be gone", || rig.find(serial).is_err())?;
    let sent = unit.message(message(), None);
    ensure!(sent.map_or(true, |sent| status(&sent) != "done"), "a device that is gone answered");
    ensure!(ends.contains_key("done"), "{ends:?}");
    every_record_ends(&rig)
}

fn reset() -> Verdict {
    let rig = Rig::new();
    let unit = rig.open(DRIVE)?;
    let path = unit.file("reset_controller");
    let ends = load(&unit, &|| log(0x02, 512), &|_| write(&path, "1"))?;
    ensure!(ends.contains_key("done"), "{ends:?}");
    // Changes to the device after a reset are refused until its facts are read again.
    let set = Message::NvmeAdmin {
        opcode: 0x09,
        nsid: 0,
        cdw: [0x04, 0x157, 0, 0, 0, 0],
        data: Vec::new(),
        read_length: 0,
    };
    let sent = unit.message(set.clone(), None)?;
    same!(told(&sent), status(&sent), "failed");
    let failure = sent.outcome.as_ref().and_then(|it| it.failure);
    same!(told(&sent), failure, Some(fwgate_gate::Failure::FactsChanged));
    let sent = rig.open(DRIVE)?.message(set, None)?;
    same!(told(&sent), status(&sent), "done");
    every_record_ends(&rig)
}

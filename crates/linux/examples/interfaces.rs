// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own interfaces to the CXL memdevs of this machine, each run through a gate.
//!
//! It erases, poisons and updates what it finds: it is for the lab's guests, and refuses to run without
//! `--in-the-lab`. Prints `ok NAME`, `FAIL NAME: why`, `skip NAME: why`; says on stderr what it saw.
//!
//!     cargo build -p fwgate-linux --example interfaces --target x86_64-unknown-linux-gnu

use core::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fwgate_gate::journal::Journal;
use fwgate_gate::outcome::Outcome;
use fwgate_gate::{
    Background, Gate, InProcess, Kernel, KernelInterface, Message, NoKernel, Opened, Request,
};
use fwgate_linux::discover::{Machine, Roots, Target};
use fwgate_linux::{caller, device};
use fwgate_wire::cxl::events::{EventRecords, event_uuid};
use fwgate_wire::cxl::features::feature_uuid;
use uuid::Uuid;

type Step = Result<(), String>;

/// What to do about each look at a long operation.
type Progress<'p> = &'p mut dyn FnMut(Background) -> ControlFlow<()>;

struct Memdev {
    name: String,
    gate: Gate,
    opened: Opened,
    interfaces: Vec<Arc<dyn KernelInterface>>,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("--in-the-lab") {
        eprintln!("this program destroys data; it runs in the lab's guests only");
        return ExitCode::from(2);
    }
    let mut failed = false;
    let mut tell = |name: &str, step: Step| match step {
        Ok(()) => println!("ok {name}"),
        Err(why) if why.starts_with("skip: ") => println!("skip {name}: {}", &why[6..]),
        Err(why) => {
            println!("FAIL {name}: {why}");
            failed = true;
        }
    };
    match all() {
        Ok(memdevs) => {
            for memdev in &memdevs {
                memdev.everything(&mut tell);
            }
        }
        Err(why) => tell("memdevs-are-opened", Err(why)),
    }
    let left = std::fs::read_dir("/sys/kernel/tracing/instances").map(Iterator::count);
    tell("no-trace-instance-is-left-behind", expect(left.ok(), Some(0)));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One memdev of each kind: QEMU's by its serial, cxl_test's first.
fn all() -> Result<Vec<Memdev>, String> {
    let machine = Machine::here();
    let scan = machine.scan().map_err(|error| error.to_string())?;
    let mut memdevs = Vec::new();
    let targets: Vec<Target> =
        scan.targets().into_iter().filter(|target| target.name.starts_with("mem")).collect();
    for target in &targets {
        let folder = Path::new("/sys/bus/cxl/devices").join(&target.name);
        let place = folder.canonicalize().unwrap_or_default().display().to_string();
        let mock = place.contains("/cxl_mem.");
        let platform = place.contains("/platform/cxl_");
        if platform && !place.contains("/cxl_mem.1/") {
            continue;
        }
        let reached = device::open(&machine, target, None).map_err(|error| error.to_string())?;
        let site = Arc::new(InProcess::owned_by(0));
        let gate = Gate::new(Arc::new(Journal::in_memory()), site, Arc::new(NoKernel));
        let opened = gate.open(reached.device).map_err(|error| error.to_string())?;
        let kind = match (mock, std::fs::read_to_string(folder.join("serial")).as_deref()) {
            (true, _) => "cxl-test",
            (false, Ok("0x1001\n")) => "volatile",
            (false, _) => "persistent",
        };
        eprintln!("{} is {kind}", target.name);
        memdevs.push(Memdev {
            name: target.name.clone(),
            gate,
            opened,
            interfaces: reached.interfaces,
        });
    }
    if memdevs.is_empty() { Err("none found".to_owned()) } else { Ok(memdevs) }
}

#[expect(clippy::needless_pass_by_value, reason = "it is read like an assertion")]
fn expect<T: PartialEq + core::fmt::Debug>(found: T, expected: T) -> Step {
    if found == expected { Ok(()) } else { Err(format!("expected {expected:?}, found {found:?}")) }
}

fn holds(what: bool, why: impl Into<String>) -> Step {
    if what { Ok(()) } else { Err(why.into()) }
}

fn set_feature(uuid: Uuid, data: &[u8]) -> Vec<u8> {
    let mut payload = uuid.as_bytes().to_vec();
    // Saved across reset; version 1.
    payload.extend_from_slice(&[8, 0, 0, 0, 0, 0, 1]);
    payload.resize(32, 0);
    payload.extend_from_slice(data);
    payload
}

fn list(payload: &[u8]) -> Vec<(u64, u32)> {
    let records = payload.get(32..).unwrap_or_default().chunks_exact(16);
    let record = |it: &[u8]| {
        let address = it[..8].try_into().map_or(0, u64::from_le_bytes);
        (address, it[8..12].try_into().map_or(0, u32::from_le_bytes))
    };
    records.map(record).collect()
}

impl Memdev {
    fn sys(&self, file: &str) -> String {
        let path = format!("/sys/bus/cxl/devices/{}/{file}", self.name);
        std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
    }

    fn edac(&self, file: &str) -> String {
        let path = format!("/sys/bus/edac/devices/cxl_{}/{file}", self.name);
        std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
    }

    fn run(&self, key: &str, opcode: u16, payload: &[u8]) -> Result<Outcome, String> {
        self.run_for(key, opcode, payload, 20_000, &mut |_| ControlFlow::Continue(()))
    }

    fn run_for(
        &self,
        key: &str,
        opcode: u16,
        payload: &[u8],
        milliseconds: u64,
        progress: Progress<'_>,
    ) -> Result<Outcome, String> {
        let interface = self.interfaces.iter().find(|it| it.key() == key);
        let interface = interface.ok_or_else(|| format!("no interface `{key}`"))?;
        let request = Request {
            route: Kernel { interface: interface.key() },
            message: Message::Cxl { opcode, payload: payload.to_vec() },
            scope: None,
            caller: Arc::new(caller::this_process(&Roots::here())),
            deadline: Duration::from_millis(milliseconds),
        };
        let sent = self.gate.run(&self.opened, interface, request, progress);
        let sent = sent.map_err(|error| format!("gate: {error}"))?;
        let Some(outcome) = sent.outcome else {
            let reasons: Vec<String> =
                sent.explanation.reasons.iter().map(|it| format!("{it:?}")).collect();
            let why = format!("{}: {}", sent.explanation.verdict, reasons.join("; "));
            // Where the list of features cannot be read; cxl_test lists no event commands.
            let unlisted = why.contains("a feature that the device does not list")
                || why.contains("does not list Get Event Records");
            return Err(if unlisted { format!("skip: {why}") } else { why });
        };
        let record = &outcome.record;
        eprintln!(
            "{} {key} {opcode:#06x}: {} code {:?} error {:?} in {} us",
            self.name, record.status, record.return_code, record.error, record.duration_us
        );
        Ok(outcome)
    }

    /// Runs what has to be done.
    fn done(&self, key: &str, opcode: u16, payload: &[u8]) -> Result<Vec<u8>, String> {
        let outcome = self.run(key, opcode, payload)?;
        let status = outcome.record.status;
        if status != "done" {
            return Err(format!("{status}: {:?}", outcome.record.error));
        }
        Ok(outcome.reply.to_vec())
    }

    /// Runs what has to be refused, with these words.
    fn refused(&self, key: &str, opcode: u16, payload: &[u8], words: &str) -> Step {
        let outcome = self.run(key, opcode, payload)?;
        let error = outcome.record.error.unwrap_or_default();
        holds(outcome.record.status == "failed" && error.contains(words), error)
    }

    fn everything(&self, tell: &mut dyn FnMut(&str, Step)) {
        let place = format!("/sys/bus/cxl/devices/{}", self.name);
        let mock = Path::new(&place)
            .canonicalize()
            .is_ok_and(|it| it.display().to_string().contains("/cxl_mem."));
        let kind = if mock { "cxl-test" } else { "qemu" };
        let name = |step: &str| format!("{kind}-{}-{step}", self.sys("serial"));
        tell(&name("poison-is-injected-listed-and-cleared"), self.poison());
        tell(&name("poison-out-of-range-is-the-kernels-rule"), self.poison_out_of_range());
        tell(&name("events-come-as-records"), self.events(mock));
        tell(&name("scrub-is-set-and-refused-below-its-shortest"), self.scrub());
        tell(&name("error-check-scrub-is-set-unit-by-unit"), self.ecs());
        tell(&name("a-repair-without-instance-is-refused"), self.repair());
        tell(&name("partition-at-once-is-refused"), self.partition());
        tell(&name("scan-media-capabilities"), self.scan_media());
        tell(&name("firmware-is-uploaded"), self.firmware(mock));
        tell(&name("firmware-upload-is-cancelled"), self.cancel(mock));
        tell(&name("security-state-of-the-nvdimm"), self.security());
        tell(&name("labels-are-read-and-written"), self.labels());
        tell(&name("secure-erase"), self.erase());
        tell(&name("sanitize-is-followed"), self.sanitize(mock));
    }

    fn poison(&self) -> Step {
        let all = [[0; 8], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]].concat();
        let before = list(&self.done("cxl-poison-list", 0x4300, &all)?);
        let address = 0x4000u64;
        self.done("cxl-poison-debugfs", 0x4301, &address.to_le_bytes())?;
        let now = list(&self.done("cxl-poison-list", 0x4300, &all)?);
        // 3: injected.
        holds(now.contains(&(address | 3, 1)), format!("{now:x?} has not {address:#x}"))?;
        let elsewhere = [0x4040u64.to_le_bytes(), 1u64.to_le_bytes()].concat();
        expect(list(&self.done("cxl-poison-list", 0x4300, &elsewhere)?), vec![])?;
        let mut clear = address.to_le_bytes().to_vec();
        clear.resize(72, 0);
        self.done("cxl-poison-debugfs", 0x4302, &clear)?;
        expect(list(&self.done("cxl-poison-list", 0x4300, &all)?), before)
    }

    fn poison_out_of_range(&self) -> Step {
        let far = (1u64 << 60).to_le_bytes();
        self.refused("cxl-poison-debugfs", 0x4301, &far, "not within the device's capacity")?;
        self.refused("cxl-poison-debugfs", 0x4301, &1u64.to_le_bytes(), "multiple of 64")
    }

    fn events(&self, mock: bool) -> Step {
        let get = |log: u8, milliseconds| {
            let quiet = &mut |_| ControlFlow::Continue(());
            self.run_for("cxl-trace-events", 0x0100, &[log], milliseconds, quiet)
        };
        // Listens from here on.
        let outcome = get(3, 300)?;
        expect(outcome.record.status, "done")?;
        if mock {
            let device = Path::new("/sys/bus/cxl/devices").join(&self.name).canonicalize();
            let device = device.map_err(|error| error.to_string())?;
            let trigger = device.parent().unwrap_or(&device).join("event_trigger");
            std::fs::write(&trigger, "1").map_err(|error| format!("{error}"))?;
            let mut kinds = Vec::new();
            for log in [0, 2, 3] {
                let outcome = get(log, 5000)?;
                let records =
                    EventRecords::parse(&outcome.reply).map_err(|error| error.to_string())?;
                eprintln!("log {log}: {} records, {:?}", records.records().len(), records.header());
                kinds.extend(records.records().iter().map(|record| record.uuid()));
                if log == 2 {
                    holds(records.header().overflowed(), "log 2 did not overflow")?;
                }
            }
            for kind in [event_uuid::GENERAL_MEDIA, event_uuid::DRAM, event_uuid::MEMORY_MODULE] {
                holds(kinds.contains(&kind), format!("no record of {kind}"))?;
            }
            return Ok(());
        }
        let id = if self.sys("serial") == "0x1001" { "cxl-vmem0" } else { "cxl-pmem0" };
        let json = format!(
            r#"{{"execute":"cxl-inject-general-media-event","arguments":{{"path":"{id}","log":"fatal","flags":1,"dpa":4096,"descriptor":3,"type":3,"transaction-type":2,"channel":1,"rank":2,"device":5,"component-id":"fw"}}}}"#
        );
        let output = Command::new("lab-qmp").arg(json).output().map_err(|it| it.to_string())?;
        holds(output.status.success(), String::from_utf8_lossy(&output.stdout))?;
        let outcome = get(3, 10_000)?;
        let records = EventRecords::parse(&outcome.reply).map_err(|error| error.to_string())?;
        let [record] = records.records() else {
            return Err(format!("{} records", records.records().len()));
        };
        expect(record.uuid(), event_uuid::GENERAL_MEDIA)?;
        eprintln!("{record:x?}");
        // Address, descriptor, type, transaction, valid: channel, rank, device, component; channel, rank.
        expect(record.data[..8].to_vec(), 4096u64.to_le_bytes().to_vec())?;
        expect(record.data[8..15].to_vec(), vec![3, 3, 2, 15, 0, 1, 2])?;
        expect(record.data[15..20].to_vec(), vec![5, 0, 0, b'f', b'w'])
    }

    fn scrub(&self) -> Step {
        if self.edac("scrub0/enable_background").is_empty() {
            return Err("skip: the device has no patrol scrub".to_owned());
        }
        let set = |data: &[u8]| set_feature(feature_uuid::PATROL_SCRUB, data);
        self.done("edac-scrub", 0x0502, &set(&[20, 1]))?;
        let found =
            (self.edac("scrub0/current_cycle_duration"), self.edac("scrub0/enable_background"));
        expect(found, ("72000".to_owned(), "1".to_owned()))?;
        self.done("edac-scrub", 0x0502, &set(&[12, 0]))?;
        let found =
            (self.edac("scrub0/current_cycle_duration"), self.edac("scrub0/enable_background"));
        expect(found, ("43200".to_owned(), "0".to_owned()))?;
        self.refused("edac-scrub", 0x0502, &set(&[0, 1]), "shortest")
    }

    fn ecs(&self) -> Step {
        if self.edac("ecs_fru0/mode").is_empty() {
            return Err("skip: the device has no error check scrub".to_owned());
        }
        let set = |data: &[u8]| set_feature(feature_uuid::DDR5_ECS, data);
        self.done("edac-ecs", 0x0502, &set(&[0, 3, 0, 4 | 8, 0, 5, 0]))?;
        let thresholds = [0, 1, 2].map(|unit| self.edac(&format!("ecs_fru{unit}/threshold")));
        expect(thresholds, ["256", "1024", "4096"].map(str::to_owned))?;
        expect(self.edac("ecs_fru1/mode"), "1".to_owned())?;
        expect(self.edac("ecs_fru0/log_entry_type"), "0".to_owned())?;
        self.done("edac-ecs", 0x0502, &set(&[1, 3, 0, 3, 0, 3, 0]))?;
        self.refused("edac-ecs", 0x0502, &set(&[1, 3, 0]), "the kernel has 3")
    }

    fn repair(&self) -> Step {
        if !self.edac("mem_repair0/repair_type").is_empty() {
            let kinds = (0..5).map(|it| self.edac(&format!("mem_repair{it}/repair_type")));
            eprintln!("repairs: {:?}", kinds.collect::<Vec<_>>());
            let row = [2, 1, 8, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
            return self.done("edac-mem-repair", 0x0600, &row).map(drop);
        }
        match self.run("edac-mem-repair", 0x0600, &[2, 1, 8, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0])
        {
            Err(why) if why.starts_with("deny") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    fn partition(&self) -> Step {
        match self.run("memdev-set-partition", 0x4101, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0]) {
            Err(why) if why.starts_with("deny") => {}
            other => return Err(format!("{other:?}")),
        }
        let next = self.run("memdev-set-partition", 0x4101, &[0; 10]);
        eprintln!("partition for the next reset: {:?}", next.map(|it| it.record));
        Ok(())
    }

    fn scan_media(&self) -> Step {
        let payload = [0u64.to_le_bytes(), 1u64.to_le_bytes()].concat();
        match self.run("memdev-scan-media-caps", 0x4303, &payload) {
            Ok(outcome) => {
                eprintln!("scan media capabilities: {:?} {:?}", outcome.record, &outcome.reply[..]);
                Ok(())
            }
            Err(why) if why.contains("unreported") => {
                Err("skip: the device does not report it".to_owned())
            }
            Err(why) => Err(why),
        }
    }

    fn firmware(&self, mock: bool) -> Step {
        let mut payload = vec![0; 128];
        // QEMU takes seconds for each part of 1920 bytes.
        let length = if mock { 300_000u32 } else { 3000 };
        payload.extend((0..length).map(|it| it.to_le_bytes()[0]));
        let mut seen = Vec::new();
        let outcome = self.run_for("firmware-upload", 0x0201, &payload, 120_000, &mut |now| {
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            ControlFlow::Continue(())
        })?;
        eprintln!("firmware: {} looks, last {:?}", seen.len(), seen.last());
        expect(outcome.record.status, "done")?;
        if mock {
            let device = Path::new("/sys/bus/cxl/devices").join(&self.name).canonicalize();
            let device = device.map_err(|error| error.to_string())?;
            let sum = device.parent().unwrap_or(&device).join("fw_buf_checksum");
            let sum = std::fs::read_to_string(sum).unwrap_or_default();
            std::fs::write("/tmp/image", &payload[128..]).map_err(|it| it.to_string())?;
            let ours = Command::new("sha256sum").arg("/tmp/image").output();
            let ours = ours.map_err(|it| it.to_string())?.stdout;
            let ours = String::from_utf8_lossy(&ours);
            expect(sum.trim(), ours.split(' ').next().unwrap_or_default())?;
        }
        Ok(())
    }

    fn cancel(&self, mock: bool) -> Step {
        let mut payload = vec![0; 128];
        payload.resize(if mock { 4 << 20 } else { 6000 }, 7);
        let began = Instant::now();
        let outcome = self.run_for("firmware-upload", 0x0201, &payload, 120_000, &mut |_| {
            ControlFlow::Break(())
        })?;
        eprintln!("cancelled after {:?}: {:?}", began.elapsed(), outcome.record);
        holds(
            matches!(
                (outcome.record.status, outcome.record.return_code),
                ("failed", Some(0x12)) | ("done", _)
            ),
            format!("{:?}", outcome.record),
        )
    }

    fn security(&self) -> Step {
        if !self.interfaces.iter().any(|it| it.key() == "nvdimm-security") {
            return Err("skip: no nvdimm child".to_owned());
        }
        match self.run("nvdimm-security", 0x4500, &[]) {
            Ok(outcome) => {
                expect(outcome.record.status, "unverified")?;
                expect(outcome.reply.to_vec(), vec![0; 4])
            }
            Err(why) if why.contains("unreported") || why.contains("interface") => {
                Err(format!("skip: {why}"))
            }
            Err(why) => Err(why),
        }
    }

    fn labels(&self) -> Step {
        if !self.interfaces.iter().any(|it| it.key() == "nvdimm-labels") {
            return Err("skip: no nvdimm child".to_owned());
        }
        let (at, length) = (0x800u32, 300u32);
        let get = [at.to_le_bytes(), length.to_le_bytes()].concat();
        let before = self.done("nvdimm-labels", 0x4102, &get)?;
        expect(before.len(), 300)?;
        let data: Vec<u8> = (0..length).map(|it| it.to_le_bytes()[0]).collect();
        let set = |data: &[u8]| [&at.to_le_bytes(), &[0; 4][..], data].concat();
        self.done("nvdimm-labels", 0x4103, &set(&data))?;
        expect(self.done("nvdimm-labels", 0x4102, &get)?, data)?;
        self.done("nvdimm-labels", 0x4103, &set(&before)).map(drop)
    }

    fn erase(&self) -> Step {
        let there =
            Path::new("/sys/bus/cxl/devices").join(&self.name).join("security/erase").exists();
        match self.run("cxl-secure-erase", 0x4401, &[]) {
            Ok(outcome) if there => expect(outcome.record.status, "done"),
            Err(why) if !there && why.starts_with("deny") => {
                Err("skip: the device reports no Secure Erase".to_owned())
            }
            other => Err(format!("{other:?}")),
        }
    }

    fn sanitize(&self, mock: bool) -> Step {
        if mock {
            let device = Path::new("/sys/bus/cxl/devices").join(&self.name).canonicalize();
            let device = device.map_err(|error| error.to_string())?;
            let timeout = device.parent().unwrap_or(&device).join("sanitize_timeout");
            std::fs::write(timeout, "500").map_err(|error| error.to_string())?;
        }
        let mut running = 0;
        let outcome = self.run_for("cxl-sanitize", 0x4400, &[], 60_000, &mut |now| {
            running += u32::from(now.running);
            ControlFlow::Continue(())
        });
        let outcome = outcome?;
        eprintln!("sanitize: {running} looks while it ran; {:?}", outcome.record);
        expect(outcome.record.status, "unverified")?;
        holds(running > 0, "it was never seen to run")?;
        expect(self.sys("security/state"), "disabled".to_owned())
    }
}

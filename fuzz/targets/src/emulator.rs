// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulated devices: any bytes as a state file or a fault plan, any stream of commands.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use core::ops::ControlFlow;
use fwgate_emulator::road::{CxlDevice, NvmeDevice};
use fwgate_emulator::{
    EmulatedCxl, EmulatedNvme, FaultPlan, ManualTime, Options, ResetKind, TimeSource,
};
use fwgate_gate::journal::Journal;
use fwgate_gate::site::DangerousPermitAll;
use fwgate_gate::{
    Device, Firmware, Gate, Kernel, Message, NoKernel, Opened, Request, Route, Sent,
};

use crate::Target;
use crate::gate::caller;
use crate::tape::Tape;

/// By name.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("commands", commands),
    ("fault_plan", fault_plan),
    ("kernel", kernel),
    ("nvme_commands", nvme_commands),
    ("nvme_state", nvme_state),
    ("state", state),
    ("state_edit", state_edit),
];

/// Opcodes of the device, for streams that go somewhere.
const OPCODES: [u16; 46] = [
    0x0005, 0x0100, 0x0101, 0x0102, 0x0103, 0x0200, 0x0201, 0x0202, 0x0300, 0x0301, 0x0400, 0x0401,
    0x0402, 0x0403, 0x0500, 0x0501, 0x0502, 0x0600, 0x4000, 0x4100, 0x4101, 0x4102, 0x4103, 0x4200,
    0x4201, 0x4202, 0x4203, 0x4204, 0x4300, 0x4301, 0x4302, 0x4303, 0x4304, 0x4305, 0x4400, 0x4401,
    0x4500, 0xC000, 0xC001, 0xC002, 0xC003, 0xC004, 0xC005, 0xC006, 0xC007, 0xC008,
];

/// Time that moves by itself whenever it is looked at, so that nothing has to be waited for.
#[derive(Debug)]
struct Ticking(AtomicU64);

impl TimeSource for Ticking {
    fn now_us(&self) -> u64 {
        self.0.fetch_add(100, Ordering::SeqCst)
    }

    fn pause(&self, us: u64) {
        self.0.fetch_add(us, Ordering::SeqCst);
    }
}

fn time() -> Arc<dyn TimeSource> {
    Arc::new(Ticking(AtomicU64::new(1_000_000_000)))
}

fn gate() -> Gate {
    let host = Arc::new(NoKernel);
    Gate::new(Arc::new(Journal::in_memory()), Arc::new(DangerousPermitAll), host)
}

fn request<R: Route>(route: R, message: Message) -> Request<R> {
    let deadline = Duration::from_millis(2);
    Request { route, message, scope: None, caller: caller(), deadline }
}

/// A command out of the tape, most often one that the device has.
fn command(tape: &mut Tape<'_>) -> Message {
    let opcode = if tape.below(8) == 7 { tape.u16() } else { tape.of(&OPCODES) };
    let mut payload = tape.piece().to_vec();
    if tape.below(4) == 3 {
        // Of a length that commands have.
        let length = tape.of(&[0, 1, 2, 4, 5, 8, 9, 10, 12, 16, 17, 21, 24, 36, 72, 128, 200, 600]);
        payload.resize(length, 0);
    }
    Message::Cxl { opcode, payload }
}

/// What holds of every answer.
fn answered(sent: &Sent) {
    if let Some(outcome) = &sent.outcome {
        assert!(outcome.reply.len() <= 1 << 20, "{} bytes of reply", outcome.reply.len());
    }
}

/// Sends a stream of commands, with resets and time in between.
fn stream(tape: &mut Tape<'_>, device: &Arc<CxlDevice>, kernel: bool) {
    stream_of(64, tape, device, kernel);
}

fn stream_of(most: usize, tape: &mut Tape<'_>, device: &Arc<CxlDevice>, kernel: bool) {
    let gate = gate();
    let Ok(mut opened) = open(&gate, device) else { return };
    let interfaces = device.interfaces();
    for _ in 0..most {
        if tape.is_empty() {
            break;
        }
        let taken = device.control(|it| it.commands_taken());
        let head = gate.journal().head().sequence;
        match tape.below(16) {
            0 => {
                let kind = tape.of(&[ResetKind::Cold, ResetKind::Conventional, ResetKind::Cxl]);
                device.control(|it| it.reset(kind)).expect("lives in memory");
            }
            1 => match open(&gate, device) {
                Ok(again) => opened = again,
                Err(()) => return,
            },
            2 | 3 if kernel && !interfaces.is_empty() => {
                let interface = &interfaces[tape.below(interfaces.len())];
                let request = request(Kernel { interface: interface.key() }, command(tape));
                if let Ok(sent) =
                    gate.run(&opened, interface, request, &mut |_| ControlFlow::Continue(()))
                {
                    answered(&sent);
                }
            }
            _ => {
                let request = request(Firmware, command(tape));
                if let Ok(sent) = gate.send(&opened, request, &mut |_| {}) {
                    answered(&sent);
                    let ran = device.control(|it| it.commands_taken()) - taken;
                    assert!(ran == 0 || sent.outcome.is_some(), "a refused command ran");
                }
            }
        }
        let ran = device.control(|it| it.commands_taken()) - taken;
        let recorded = gate.journal().head().sequence - head;
        assert!(ran == 0 || recorded > 0, "{ran} commands ran, nothing is on record");
        assert!(
            device.background().is_none_or(|it| it.percent.is_some_and(|percent| percent <= 100))
        );
    }
}

fn open(gate: &Gate, device: &Arc<CxlDevice>) -> Result<Opened, ()> {
    gate.open(Arc::clone(device) as Arc<dyn Device>).map_err(|error| {
        assert!(!error.to_string().is_empty());
    })
}

fn options(tape: &mut Tape<'_>, driven: bool) -> Options {
    let plan = tape.piece();
    let faults = str::from_utf8(plan).ok().and_then(|text| FaultPlan::parse(text).ok());
    Options {
        driven,
        payload_log2: 8 + u32::from(tape.u8() % 6),
        background_us: 2_000,
        faults,
        ..Options::named("fuzz")
    }
}

/// No stream of commands makes the device panic; nothing runs that is not on record.
fn commands(data: &[u8]) {
    let mut tape = Tape::new(data);
    let options = options(&mut tape, false);
    let device = EmulatedCxl::in_memory(options, time()).expect("good options");
    stream(&mut tape, &CxlDevice::new(device), false);
}

/// The same on a device that an emulated kernel drives, by its interfaces too.
fn kernel(data: &[u8]) {
    let mut tape = Tape::new(data);
    let options = options(&mut tape, true);
    let device = EmulatedCxl::in_memory(options, time()).expect("good options");
    stream(&mut tape, &CxlDevice::new(device), true);
}

/// Any stream of admin commands to the emulated controller.
fn nvme_commands(data: &[u8]) {
    let mut tape = Tape::new(data);
    let time = Arc::new(ManualTime::new(1_000_000));
    let device = EmulatedNvme::in_memory("fuzz", time).expect("a good name");
    let device = NvmeDevice::new(device);
    let gate = gate();
    let opened = gate.open(device).expect("an honest device");
    for _ in 0..32 {
        if tape.is_empty() {
            break;
        }
        let known = [0x02, 0x06, 0x09, 0x0A, 0x80, 0xC2];
        let message = Message::NvmeAdmin {
            opcode: if tape.below(4) == 3 { tape.u8() } else { tape.of(&known) },
            nsid: if tape.yes() { tape.u32() } else { u32::from(tape.u8() & 1) },
            cdw: core::array::from_fn(|_| if tape.yes() { tape.u32() } else { tape.u8().into() }),
            data: tape.piece().to_vec(),
            read_length: u32::from(tape.u16()),
        };
        if let Ok(sent) = gate.send(&opened, request(Firmware, message), &mut |_| {}) {
            answered(&sent);
        }
    }
}

/// Any text as a fault plan: a plan, or an error that names its place.
fn fault_plan(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match FaultPlan::parse(text) {
        Ok(plan) => {
            assert!(plan.rules.len() <= FaultPlan::MAX_RULES);
            let options = Options { faults: Some(plan), ..Options::named("fuzz") };
            let device = EmulatedCxl::in_memory(options, time()).expect("a checked plan");
            stream(&mut Tape::new(data), &CxlDevice::new(device), false);
        }
        Err(error) => assert!(error.to_string().starts_with("fault plan: "), "{error}"),
    }
}

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// A folder with these bytes as a state file, and nothing else.
fn folder_with(bytes: &[u8]) -> PathBuf {
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| {
            // In memory where that can be had.
            tempfile::tempdir_in("/dev/shm")
                .or_else(|_| tempfile::tempdir())
                .expect("a temporary folder")
        });
        let path = folder.path().join("devices");
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).expect("a folder");
        fs::write(path.join("fuzz.json"), bytes).expect("a file");
        path
    })
}

/// Any bytes as a state file: a device that works, or an error, and the file is then untouched.
fn state(data: &[u8]) {
    with_state(data, &[0x10, 37, 0]);
}

/// A state file, and for each name of a field the values there are: first byte and the one after.
struct Used {
    text: Vec<u8>,
    fields: Vec<Vec<(usize, usize)>>,
}

/// A state file of a device that was used, with the values of some fields changed, and commands to
/// whatever opens.
fn state_edit(data: &[u8]) {
    static IDLE: OnceLock<Used> = OnceLock::new();
    static AT_WORK: OnceLock<Used> = OnceLock::new();
    let mut tape = Tape::new(data);
    let used = if tape.yes() {
        AT_WORK.get_or_init(|| Used::after(0x0201))
    } else {
        IDLE.get_or_init(|| Used::after(0xC000))
    };
    let mut edits = Vec::new();
    for _ in 0..=tape.below(4) {
        let places = &used.fields[tape.below(used.fields.len())];
        let (start, end) = places[usize::from(tape.u16()) % places.len()];
        let new = match tape.below(8) {
            0 => tape.u8().to_string(),
            1 => tape.u32().to_string(),
            2 => u64::from_le_bytes(tape.bytes()).to_string(),
            3 => tape.of(&[0, 1, 100, 101, 127, 128, u64::MAX]).to_string(),
            4 => tape.of(&["null", "true", "[]", "{}", "\"\"", "-1", "1e400"]).to_owned(),
            5 => format!("\"{}\"", "ff".repeat(tape.below(200))),
            6 => String::from_utf8_lossy(tape.piece()).into_owned(),
            _ => String::from_utf8_lossy(&used.text[start..end]).repeat(2),
        };
        edits.push((start, end, new));
    }
    edits.sort_by_key(|(start, ..)| core::cmp::Reverse(*start));
    edits.dedup_by_key(|(start, ..)| *start);
    let mut file = used.text.clone();
    for (start, end, new) in edits {
        let end = end.min(file.len());
        file.splice(start.min(end)..end, new.into_bytes());
    }
    with_state(&file, tape.rest());
}

impl Used {
    /// The state of a device with something in every part of it, after this command as the last.
    fn after(last: u16) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let faults = r#"{"rules":[{"opcode":"0xC00F","after":1,"times":2,"kind":"never"}]}"#;
        let options = Options {
            background_us: 3_600_000_000,
            faults: Some(FaultPlan::parse(faults).expect("a plan")),
            ..Options::named("fuzz")
        };
        let device = EmulatedCxl::open_at(folder.path(), options, time()).expect("a new device");
        let device = CxlDevice::new(device);
        let gate = gate();
        let opened = open(&gate, &device).expect("an honest device");
        let mut image = vec![0, 2];
        image.resize(256, 0);
        for (opcode, payload) in [
            (0xC001, vec![1, 0, 0, 0]),
            (0xC002, vec![2, 0, 0, 0]),
            (0x4301, 0x1000_u64.to_le_bytes().to_vec()),
            (0xC004, Vec::new()),
            (0x0005, Vec::new()),
            (last, if last == 0x0201 { image } else { Vec::new() }),
        ] {
            let message = Message::Cxl { opcode, payload };
            // Time enough on a busy machine: what is made here serves every run.
            let deadline = Duration::from_secs(1);
            let request = Request { deadline, ..request(Firmware, message) };
            let sent = gate.send(&opened, request, &mut |_| {});
            let ran = sent.is_ok_and(|sent| sent.outcome.is_some());
            assert!(ran, "{opcode:04X} is refused");
        }
        let text = fs::read(folder.path().join("fuzz.json")).expect("its state");
        let fields = fields(&text);
        assert!(fields.len() > 50, "{} names of fields", fields.len());
        Self { text, fields }
    }
}

/// The plain values of a JSON text, by name of the field; objects and lists are left out but for
/// their first byte, up to the first value within.
fn fields(text: &[u8]) -> Vec<Vec<(usize, usize)>> {
    let mut by_name: BTreeMap<&[u8], Vec<(usize, usize)>> = BTreeMap::new();
    for (colon, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b':') {
        let before = &text[..colon];
        let Some((name, b"\"")) = before.split_at_checked(colon.saturating_sub(1)) else {
            continue;
        };
        let name = name.rsplit(|byte| *byte == b'"').next().unwrap_or_default();
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']');
        let end = text[colon..].iter().position(ends).map_or(text.len(), |at| colon + at);
        by_name.entry(name).or_default().push((colon + 1, end));
    }
    by_name.into_values().collect()
}

fn with_state(file: &[u8], script: &[u8]) {
    let folder = folder_with(file);
    match EmulatedCxl::open_at(&folder, Options::named("fuzz"), time()) {
        // Each command writes the state.
        Ok(device) => stream_of(3, &mut Tape::new(script), &CxlDevice::new(device), false),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(fs::read(folder.join("fuzz.json")).expect("the file"), file);
        }
    }
}

/// The same for the emulated controller.
fn nvme_state(data: &[u8]) {
    let folder = folder_with(data);
    match EmulatedNvme::open(&folder, "fuzz") {
        Ok(device) => {
            drop(gate().open(NvmeDevice::new(device)));
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(fs::read(folder.join("fuzz.json")).expect("the file"), data);
        }
    }
}

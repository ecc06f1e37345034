// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the road promises, on a device by script.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{CEL, Scripted, gate, gate_over, ok, request, within};
use core::ops::ControlFlow;
use fwgate_gate::journal::{Journal, Kind, Options};
use fwgate_gate::{
    Background, Belief, Caller, Device as _, Failure, Firmware, Gate, GateError, Generation,
    InProcess, Kernel, KernelInterface, Message, NoKernel, Pace, Recorded, Reply, Request,
    SubmitError,
};
use fwgate_policy::{Known, Protocol, Scope};
use serde_json::Value;

/// Identify, logs, and three vendor commands: a read, a change after reset, an erase.
const LOG: [(u16, u16); 6] =
    [(0x0400, 0), (0x0401, 0), (0x4000, 0), (0xC000, 0), (0xC001, 0x0001), (0xC003, 0x0004)];

fn records(journal: &Journal) -> Vec<(Kind, Value)> {
    let reader = journal.reader().unwrap();
    reader
        .map(|record| record.unwrap())
        .map(|record| (record.kind, serde_json::from_slice(&record.body).unwrap()))
        .collect()
}

fn decisions(journal: &Journal) -> Vec<Value> {
    let of_kind = |(kind, body)| matches!(kind, Kind::Decision).then_some(body);
    records(journal).into_iter().filter_map(of_kind).collect()
}

fn outcomes(journal: &Journal) -> Vec<Value> {
    let of_kind = |(kind, body)| matches!(kind, Kind::Outcome { .. }).then_some(body);
    records(journal).into_iter().filter_map(of_kind).collect()
}

#[test]
fn an_allowed_command_is_recorded_sent_and_its_outcome_recorded() {
    let gate = gate();
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    let sent = gate.send(&opened, request(0xC000, None), &mut |_| {}).unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!((outcome.record.status, outcome.reply.as_slice()), ("done", [7].as_slice()));
    assert_eq!(sent.explanation.verdict, "allow");
    assert_eq!(sent.explanation.required_scope, "debug-read");
    assert_eq!(device.sent.lock().unwrap().as_slice(), [(0xC000, vec![])]);
    let decisions = decisions(gate.journal());
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0]["command"]["opcode"], "0xC000");
    assert_eq!(decisions[0]["verdict"], "allow");
    let names_decision = records(gate.journal())
        .into_iter()
        .any(|(kind, _)| matches!(kind, Kind::Outcome { decision } if decision == sent.record));
    assert!(names_decision);
}

#[test]
fn a_refused_command_is_recorded_with_its_reasons_and_not_sent() {
    let gate = gate();
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    let asked = request(0xC003, Some(Scope::DebugRead));
    let sent = gate.send(&opened, asked, &mut |_| {}).unwrap();
    assert!(sent.outcome.is_none());
    assert_eq!(sent.explanation.headline(), "scope-too-low");
    assert_eq!(sent.explanation.fix.as_deref(), Some("ask for it: --scope debug-write-full"));
    assert!(device.sent.lock().unwrap().is_empty());
    let decisions = decisions(gate.journal());
    assert_eq!(decisions[0]["verdict"], "deny");
    assert_eq!(decisions[0]["reasons"][0]["code"], "scope-too-low");
}

#[test]
fn deciding_alone_records_and_sends_nothing() {
    let gate = gate();
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    let before = records(gate.journal()).len();
    let decided = gate.decide(&opened, request(0xC000, None)).unwrap();
    assert_eq!(decided.explanation.verdict, "allow");
    assert_eq!(records(gate.journal()).len(), before);
    assert!(device.sent.lock().unwrap().is_empty());
}

#[test]
fn a_device_that_was_reset_after_judging_gets_nothing_but_sourced_reads() {
    let gate = gate();
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    device.changes.fetch_add(1, Ordering::SeqCst);
    let sent = gate.send(&opened, request(0xC000, None), &mut |_| {}).unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!(outcome.failure, Some(Failure::FactsChanged));
    assert!(outcome.record.error.unwrap().contains("facts have changed"));
    assert!(device.sent.lock().unwrap().is_empty());
    // Identify is a sourced read: it may still be sent.
    let sent = gate.send(&opened, request(0x4000, None), &mut |_| {}).unwrap();
    assert_eq!(sent.outcome.unwrap().failure, None);
}

#[test]
fn another_device_under_the_same_name_gets_nothing_at_all() {
    let gate = gate();
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    *device.opened.lock().unwrap() = "second".to_owned();
    for opcode in [0xC000, 0x4000] {
        let sent = gate.send(&opened, request(opcode, None), &mut |_| {}).unwrap();
        assert_eq!(sent.outcome.unwrap().failure, Some(Failure::FactsChanged), "{opcode:#06x}");
    }
    assert!(device.sent.lock().unwrap().is_empty());
}

#[test]
fn after_the_deadline_the_command_goes_on_holds_its_slot_and_its_outcome_is_recorded() {
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.pace = Pace::MayOutlast;
    device.script = Box::new(|_, _| {
        std::thread::sleep(Duration::from_millis(400));
        ok(&[9])
    });
    // Probes go through the same submit and are quick.
    let device = Arc::new(device);
    let opened = gate.open(device.clone()).unwrap();
    let slow = within(Duration::from_millis(50), 0xC000);
    let sent = gate.send(&opened, slow, &mut |_| {}).unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!((outcome.record.status, outcome.failure), ("unknown", Some(Failure::Transport)));
    let busy = gate.send(&opened, within(Duration::from_millis(1), 0xC000), &mut |_| {});
    assert!(matches!(busy, Err(GateError::Busy(busy)) if busy.holder.contains("0xC000")));
    let until = Instant::now() + Duration::from_secs(20);
    while !outcomes(gate.journal())
        .iter()
        .any(|body| body["status"] == "done" && body["reply_length"] == 1)
    {
        assert!(Instant::now() < until, "the late outcome was never recorded");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(device.sent.lock().unwrap().len(), 1, "nothing is sent twice");
    let of_it = |(kind, body): &(Kind, Value)| {
        let its = matches!(kind, Kind::Outcome { decision } if *decision == sent.record);
        its.then(|| body["status"].as_str().unwrap().to_owned())
    };
    let told: Vec<_> = records(gate.journal()).iter().filter_map(of_it).collect();
    assert_eq!(told, ["unknown", "done"], "the last word is the device's");
}

#[test]
fn a_device_error_and_a_transport_failure_are_told_apart() {
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.script = Box::new(|opcode, _| match opcode {
        0xC000 => Ok(Reply {
            return_code: 3,
            vendor_status: 0,
            payload: Vec::new(),
            background: false,
            belief: Belief::Told,
        }),
        _ => Err(SubmitError::Transport { what: "no answer".to_owned(), may_have_run: true }),
    });
    let opened = gate.open(Arc::new(device)).unwrap();
    let sent = gate.send(&opened, request(0xC000, None), &mut |_| {}).unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!(outcome.failure, Some(Failure::Device));
    assert_eq!((outcome.record.status, outcome.record.return_code), ("failed", Some(3)));
    let sent = gate.send(&opened, request(0xC001, None), &mut |_| {}).unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!((outcome.record.status, outcome.failure), ("unknown", Some(Failure::Transport)));
}

#[test]
fn a_background_operation_is_followed_and_the_result_is_its_own() {
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.script = Box::new(|_, _| {
        Ok(Reply {
            return_code: 1,
            vendor_status: 0,
            payload: Vec::new(),
            background: true,
            belief: Belief::Told,
        })
    });
    let device = Arc::new(device);
    let running =
        Background { opcode: 0xC000, percent: Some(40), running: true, return_code: None };
    *device.background.lock().unwrap() = Some(running);
    let opened = gate.open(device.clone()).unwrap();
    let mut seen = Vec::new();
    let sent = gate
        .send(&opened, request(0xC000, None), &mut |now| {
            seen.push(now.percent);
            let done =
                Background { percent: Some(100), running: false, return_code: Some(4), ..now };
            *device.background.lock().unwrap() = Some(done);
        })
        .unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!(seen, [Some(40), Some(100)]);
    assert_eq!((outcome.record.status, outcome.record.return_code), ("failed", Some(4)));
    assert_eq!(outcome.failure, Some(Failure::Device));
}

#[test]
fn a_background_operation_that_outlasts_the_deadline_is_running_and_not_guessed() {
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.script = Box::new(|_, _| {
        Ok(Reply {
            return_code: 1,
            vendor_status: 0,
            payload: Vec::new(),
            background: true,
            belief: Belief::Told,
        })
    });
    let running = Background { opcode: 0xC000, percent: Some(1), running: true, return_code: None };
    *device.background.lock().unwrap() = Some(running);
    let opened = gate.open(Arc::new(device)).unwrap();
    let short = within(Duration::from_millis(30), 0xC000);
    let sent = gate.send(&opened, short, &mut |_| {}).unwrap();
    assert_eq!(sent.outcome.unwrap().record.status, "running");
}

#[test]
fn a_log_that_lies_below_the_floor_raises_the_scope_of_opaque_commands() {
    let gate = gate();
    let mut log = LOG.to_vec();
    // Inject Poison that reports nothing.
    log.push((0x4301, 0));
    let opened = gate.open(Arc::new(Scripted::new(&log))).unwrap();
    assert!(!opened.facts().credible());
    let decided = gate.decide(&opened, request(0xC000, None)).unwrap();
    assert_eq!(decided.explanation.required_scope, "debug-write-full");
}

#[test]
fn duplicate_rows_are_judged_by_all_that_they_say() {
    let gate = gate();
    let mut log = LOG.to_vec();
    log.push((0xC000, 0x0002));
    let opened = gate.open(Arc::new(Scripted::new(&log))).unwrap();
    let decided = gate.decide(&opened, request(0xC000, None)).unwrap();
    assert_eq!(decided.explanation.effects, ["immediate-config"]);
}

#[test]
fn a_device_that_claims_a_log_too_long_is_not_opened() {
    let gate = gate();
    let log: Vec<(u16, u16)> = (0..65_537u32).map(|n| ((n & 0xFFFF) as u16, 0)).collect();
    let error = gate.open(Arc::new(Scripted::new(&log))).unwrap_err();
    assert!(error.to_string().contains("262144 is the most"), "{error}");
}

#[test]
fn reading_facts_is_on_record_as_the_gate_itself() {
    let gate = gate();
    let _ = gate.open(Arc::new(Scripted::new(&LOG))).unwrap();
    let records = records(gate.journal());
    assert!(matches!(records[0].0, Kind::Probe));
    assert_eq!(records[0].1["caller"]["gate"], true);
    assert!(matches!(records[1].0, Kind::Outcome { .. }));
    assert_eq!(records[1].1["device"]["firmware"], "FW 1.0");
}

#[test]
fn an_opaque_payload_leaves_its_length_only() {
    let gate = gate();
    let opened = gate.open(Arc::new(Scripted::new(&LOG))).unwrap();
    let mut secret = request(0xC000, None);
    secret.message = Message::Cxl { opcode: 0xC000, payload: b"hunter2-hunter2".to_vec() };
    gate.send(&opened, secret, &mut |_| {}).unwrap();
    for (_, body) in records(gate.journal()) {
        let text = body.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains("68756e746572"), "{text}");
    }
    let decisions = decisions(gate.journal());
    assert_eq!(decisions[0]["payload"], "withheld");
    assert_eq!(decisions[0]["command"]["length"], 15);
}

#[test]
fn what_a_device_calls_itself_cannot_reach_a_terminal_raw() {
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.firmware = "\x1b]0;owned\x07";
    let opened = gate.open(Arc::new(device)).unwrap();
    assert_eq!(opened.record().firmware, "\\x1b]0;owned\\x07");
}

#[test]
fn a_remembered_verdict_serves_only_the_very_same_request() {
    let gate = gate();
    let opened = gate.open(Arc::new(Scripted::new(&LOG))).unwrap();
    let verdict = |request| gate.decide(&opened, request).unwrap().explanation;
    let first = verdict(request(0xC003, Some(Scope::DebugWriteFull)));
    assert_eq!(first.verdict, "allow");
    // The same caller, held in another value, is still the same caller.
    assert!(Arc::ptr_eq(&first, &verdict(request(0xC003, Some(Scope::DebugWriteFull)))));
    // Another scope, another byte, another caller: judged anew, each with its own answer.
    assert_eq!(verdict(request(0xC003, Some(Scope::DebugRead))).headline(), "scope-too-low");
    let mut other = request(0xC003, Some(Scope::DebugWriteFull));
    other.message = Message::Cxl { opcode: 0xC003, payload: vec![1] };
    assert!(!Arc::ptr_eq(&first, &verdict(other)));
    let mut stranger = request(0xC003, Some(Scope::DebugWriteFull));
    Arc::make_mut(&mut stranger.caller).uid ^= 4096;
    assert_eq!(verdict(stranger).verdict, "deny");
}

#[test]
fn a_payload_that_differs_only_past_its_beginning_is_judged_anew() {
    let gate = gate();
    let opened = gate.open(Arc::new(Scripted::new(&LOG))).unwrap();
    // Get Log: what it may show depends on the bytes.
    let with_last = |last: u8| {
        let mut payload = CEL.to_vec();
        payload.extend_from_slice(&[0, 0, 0, 0, 4, 0, 0, last]);
        gate.decide(&opened, with_payload(0x0401, &payload)).unwrap().explanation
    };
    let first = with_last(1);
    assert!(Arc::ptr_eq(&first, &with_last(1)), "the same bytes are remembered");
    assert!(!Arc::ptr_eq(&first, &with_last(2)));
}

fn with_payload(opcode: u16, payload: &[u8]) -> Request<Firmware> {
    let message = Message::Cxl { opcode, payload: payload.to_vec() };
    Request { message, ..request(opcode, None) }
}

#[test]
fn a_payload_that_may_be_secret_is_not_kept_and_not_shown() {
    let gate = gate();
    let opened = gate.open(Arc::new(Scripted::new(&LOG))).unwrap();
    let verdict = |request| gate.decide(&opened, request).unwrap().explanation;
    let secret = with_payload(0xC000, b"hunter2");
    assert!(!Arc::ptr_eq(&verdict(secret.clone()), &verdict(secret.clone())));
    let message = Message::NvmeAdmin {
        opcode: 0xC0,
        nsid: 1,
        cdw: [0x7461_6861; 6],
        data: b"hunter2".to_vec(),
        read_length: 0,
    };
    let reply = ok(b"hunter2").unwrap();
    let decided = gate.decide(&opened, secret.clone()).unwrap();
    let sent = gate.send(&opened, with_payload(0xC000, b"hunter2"), &mut |_| {}).unwrap();
    for shown in [
        format!("{secret:?}"),
        format!("{message:?}"),
        format!("{reply:?}"),
        format!("{decided:?}"),
        format!("{sent:?}"),
    ] {
        for bytes in ["hunter2", "104, 117, 110", "68756e74", "1952540769"] {
            assert!(!shown.contains(bytes), "{shown}");
        }
    }
}

#[test]
fn secrets_and_carried_commands_leave_their_length_only() {
    let gate = gate();
    let cxl_device = gate.open(Arc::new(Scripted::new(&LOG))).unwrap();
    let mut controller = Scripted::new(&[]);
    controller.identity.protocol = Protocol::NvmeAdmin;
    let controller = gate.open(Arc::new(controller)).unwrap();
    let stored = |message: Message| {
        let opened = match &message {
            Message::Cxl { .. } => &cxl_device,
            _ => &controller,
        };
        let request = Request { message, ..request(0, None) };
        gate.send(opened, request, &mut |_| {}).unwrap();
        decisions(gate.journal()).pop().unwrap()
    };
    let cxl = |opcode, payload: &[u8]| Message::Cxl { opcode, payload: payload.to_vec() };
    let nvme = |opcode| Message::NvmeAdmin {
        opcode,
        nsid: 1,
        cdw: [0x7461_6861; 6],
        data: vec![0x5A; 32],
        read_length: 0,
    };
    // Unlock and Security Send; a tunnel with a carried Unlock; a vendor's feature.
    let mut feature = vec![0xEE; 16];
    feature.resize(64, 0);
    for message in [
        cxl(0x4503, &[0x5A; 32]),
        cxl(0x4600, &[0x5A; 32]),
        cxl(0x5300, &[0x5A; 64]),
        cxl(0x0502, &feature),
        nvme(0x81),
        nvme(0x1D),
        nvme(0xC0),
    ] {
        let length = message.command().payload().len();
        let body = stored(message);
        assert_eq!(body["payload"], "withheld", "{body}");
        assert_eq!(body["command"]["length"], length);
    }
    // The dwords of an opaque command are a payload too; those of a known one are its selectors.
    assert_eq!(stored(nvme(0xC0))["command"].get("cdw"), None);
    assert_eq!(stored(nvme(0x06))["command"]["cdw"][0], 0x7461_6861);
    // What is marked loggable is there; the rest leaves a digest.
    let alert = stored(cxl(0x4202, &[1; 12]));
    assert_eq!(alert["payload"]["bytes"], "01".repeat(12));
    assert_eq!(stored(cxl(0x4103, &[1; 16]))["payload"]["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn a_caller_with_all_groups_and_a_hostile_path_is_recorded_short() {
    let gate = gate();
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    let mut crowded = request(0xC000, None);
    let caller = Arc::make_mut(&mut crowded.caller);
    caller.groups = (u32::MAX - 65_535..=u32::MAX).collect();
    caller.executable = Some("\u{1b}]0;\u{202e}".repeat(100_000));
    let sent = gate.send(&opened, crowded, &mut |_| {}).unwrap();
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    let body = &decisions(gate.journal())[0]["caller"];
    assert_eq!(body["groups"].as_array().unwrap().len(), 1024);
    assert_eq!(body["groups_left_out"], 65_536 - 1024);
    let path = body["executable"].as_str().unwrap();
    assert!(path.len() <= 4096 && path.ends_with("...") && path.is_ascii(), "{path}");
    assert!(!path.contains('\u{1b}'));
}

#[test]
fn what_cannot_be_recorded_is_not_sent_and_a_refusal_is_an_error_too() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("journal");
    // Each record needs a segment of its own, and there will be no folder for it.
    let journal = Journal::open(&folder, Options::default().segment_bytes(1)).unwrap();
    let gate = gate_over(journal);
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    for scope in [Scope::DebugWriteFull, Scope::DebugRead] {
        let error = gate.send(&opened, request(0xC003, Some(scope)), &mut |_| {}).unwrap_err();
        assert!(matches!(error, GateError::Journal(_)), "{error}");
    }
    assert!(matches!(gate.open(device.clone()), Err(GateError::Journal(_))));
    assert!(device.sent.lock().unwrap().is_empty());
}

#[test]
fn waiting_for_the_slot_counts_toward_the_deadline() {
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.pace = Pace::MayOutlast;
    device.script = Box::new(|opcode, _| {
        let long = if opcode == 0xC000 { 400 } else { 5_000 };
        std::thread::sleep(Duration::from_millis(long));
        ok(&[])
    });
    let opened = gate.open(Arc::new(device)).unwrap();
    std::thread::scope(|threads| {
        let first = threads.spawn(|| {
            gate.send(&opened, within(Duration::from_secs(20), 0xC000), &mut |_| {}).unwrap()
        });
        while decisions(gate.journal()).is_empty() {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(50));
        let started = Instant::now();
        let second = within(Duration::from_millis(800), 0xC001);
        let sent = gate.send(&opened, second, &mut |_| {}).unwrap();
        assert_eq!(sent.outcome.unwrap().record.status, "unknown");
        // 800 ms in all, and not 350 for the slot and 800 for the send.
        let took = started.elapsed();
        assert!(took < Duration::from_millis(1100), "{took:?}");
        assert_eq!(first.join().unwrap().outcome.unwrap().record.status, "done");
    });
}

#[test]
fn a_deadline_that_passed_before_the_send_sends_nothing() {
    let gate = gate();
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    let error = gate.send(&opened, within(Duration::ZERO, 0xC000), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("nothing was sent"), "{error}");
    assert!(device.sent.lock().unwrap().is_empty());
    let last = outcomes(gate.journal()).pop().unwrap();
    assert_eq!(last["status"], "failed");
    assert!(last["error"].as_str().unwrap().contains("nothing was sent"));
}

#[test]
fn reading_facts_has_one_deadline_for_all_probes() {
    let gate = gate();
    for pace in [Pace::KeepsDeadline, Pace::MayOutlast] {
        let mut device = Scripted::new(&LOG);
        device.probe_delay = Duration::from_millis(150);
        device.pace = pace;
        let started = Instant::now();
        let error = gate.open_within(Arc::new(device), Duration::from_millis(200)).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("deadline for reading the facts"), "{pace:?}: {error}");
        // Which probe was under way is said too.
        let at = if pace == Pace::MayOutlast { "command effects log" } else { "identify" };
        assert!(error.contains(at), "{pace:?}: {error}");
        assert!(started.elapsed() < Duration::from_millis(1000), "{pace:?}");
    }
    let last = outcomes(gate.journal()).pop().unwrap();
    assert_eq!(last["status"], "failed");
}

#[test]
fn a_driver_that_binds_after_judging_voids_the_verdict() {
    let gate = gate();
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    device.around.lock().unwrap().namespace_in_use = Known::Yes;
    for opcode in [0xC003, 0xC000, 0x4000] {
        let sent = gate.send(&opened, request(opcode, None), &mut |_| {}).unwrap();
        let outcome = sent.outcome.unwrap();
        assert_eq!(outcome.failure, Some(Failure::FactsChanged), "{opcode:#06x}");
        assert_eq!(outcome.record.status, "failed");
    }
    assert!(device.sent.lock().unwrap().is_empty());
    let again = gate.open(device.clone()).unwrap();
    let sent = gate.send(&again, request(0xC000, None), &mut |_| {}).unwrap();
    assert_eq!(sent.outcome.unwrap().failure, None);
}

#[test]
fn a_thread_that_panics_in_a_device_lets_go_of_the_slot_and_leaves_an_outcome() {
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.pace = Pace::MayOutlast;
    device.script = Box::new(|opcode, _| match opcode {
        0xC000 => panic!("on purpose"),
        _ => ok(&[]),
    });
    let opened = gate.open(Arc::new(device)).unwrap();
    let sent = gate.send(&opened, request(0xC000, None), &mut |_| {}).unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!((outcome.record.status, outcome.failure), ("unknown", Some(Failure::Transport)));
    assert_eq!(outcomes(gate.journal()).pop().unwrap()["status"], "unknown");
    let next = within(Duration::from_secs(5), 0xC001);
    let sent = gate.send(&opened, next, &mut |_| {}).unwrap();
    assert_eq!(sent.outcome.unwrap().record.status, "done");
}

fn started() -> Result<Reply, SubmitError> {
    Ok(Reply { return_code: 1, background: true, ..ok(&[]).unwrap() })
}

#[test]
fn a_background_operation_is_not_mistaken_for_the_next_one() {
    for by_gate in [true, false] {
        let gate = gate();
        let mut device = Scripted::new(&LOG);
        device.script = Box::new(|_, _| started());
        let running =
            Background { opcode: 0xC000, percent: Some(40), running: true, return_code: None };
        let device = Arc::new(device);
        *device.background.lock().unwrap() = Some(running);
        let opened = gate.open(device.clone()).unwrap();
        let mut first = true;
        let sent = gate
            .send(&opened, request(0xC000, None), &mut |now| {
                if !std::mem::take(&mut first) {
                    return;
                }
                // It ended unseen, and another one began: of this gate, with the same opcode; or
                // of the kernel's own, with another.
                let opcode = if by_gate { 0xC000 } else { 0x4400 };
                let theirs = Background { opcode, running: false, return_code: Some(4), ..now };
                *device.background.lock().unwrap() = Some(theirs);
                if by_gate {
                    let other = gate.send(&opened, request(0xC000, None), &mut |_| {}).unwrap();
                    assert_eq!(other.outcome.unwrap().record.return_code, Some(4));
                }
            })
            .unwrap();
        let outcome = sent.outcome.unwrap();
        assert_eq!(outcome.record.status, "unknown", "{by_gate}");
        assert_eq!(outcome.record.return_code, Some(1), "{by_gate}");
        assert_eq!(outcome.failure, Some(Failure::Transport));
        assert!(outcome.record.error.unwrap().contains("another background operation"));
    }
}

#[test]
fn an_error_that_holds_escape_sequences_is_cleaned_and_cut() {
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.script = Box::new(|_, _| {
        let what = format!("\u{1b}[2J{}", "x".repeat(100_000));
        Err(SubmitError::Transport { what, may_have_run: true })
    });
    let opened = gate.open(Arc::new(device)).unwrap();
    let sent = gate.send(&opened, request(0xC000, None), &mut |_| {}).unwrap();
    let error = sent.outcome.unwrap().record.error.unwrap();
    assert!(error.starts_with("transport failed: \\u{1b}[2Jxxx"), "{error}");
    assert_eq!(error.len(), 1024);
    assert_eq!(outcomes(gate.journal()).pop().unwrap()["error"], error);
}

#[test]
fn a_firmware_report_that_is_too_short_gives_no_facts() {
    let mut log = LOG.to_vec();
    log.push((0x0200, 0));
    // The script answers it with one byte.
    let error = gate().open(Arc::new(Scripted::new(&log))).unwrap_err();
    assert!(error.to_string().contains("firmware info: at least"), "{error}");
}

#[test]
fn one_gates_verdict_does_not_serve_another_gate() {
    let ours = gate();
    let opened = ours.open(Arc::new(Scripted::new(&LOG))).unwrap();
    assert_eq!(ours.decide(&opened, request(0xC000, None)).unwrap().explanation.verdict, "allow");
    let stranger = Caller::this_process().uid ^ 4096;
    let host = Arc::new(NoKernel);
    let journal = Arc::new(Journal::in_memory());
    let theirs = Gate::new(journal, Arc::new(InProcess::owned_by(stranger)), host);
    assert_eq!(theirs.decide(&opened, request(0xC000, None)).unwrap().explanation.verdict, "deny");
}

/// One interface of a kernel, which notes what it is asked to do.
struct Interface {
    key: &'static str,
    device: Arc<Scripted>,
    ran: AtomicU64,
}

impl KernelInterface for Interface {
    fn key(&self) -> &'static str {
        self.key
    }
    fn observe(&self) -> Generation {
        self.device.observe()
    }
    fn pace(&self) -> Pace {
        Pace::KeepsDeadline
    }
    fn run(&self, recorded: Recorded<Kernel>) -> Result<Reply, SubmitError> {
        recorded.release(&self.observe())?;
        self.ran.fetch_add(1, Ordering::SeqCst);
        ok(&[])
    }
}

#[test]
fn what_is_made_out_for_one_interface_opens_no_other_and_leaves_an_outcome() {
    let gate = gate();
    let mut log = LOG.to_vec();
    log.push((0x4301, 0x0004));
    let keys = ["cxl-poison-debugfs", "edac-scrub"];
    let mut device = Scripted::new(&log);
    let around = device.around.get_mut().unwrap();
    around.driven = Known::Yes;
    around.interfaces = Some(keys.to_vec());
    let device = Arc::new(device);
    let opened = gate.open(device.clone()).unwrap();
    let [own, other] =
        keys.map(|key| Arc::new(Interface { key, device: device.clone(), ran: AtomicU64::new(0) }));
    let run = |interface: &Arc<Interface>, request| {
        let interface = Arc::clone(interface) as Arc<dyn KernelInterface>;
        gate.run(&opened, &interface, request, &mut |_| ControlFlow::Continue(()))
    };
    let poison = |deadline| Request {
        route: Kernel { interface: "cxl-poison-debugfs" },
        message: Message::Cxl { opcode: 0x4301, payload: vec![0; 8] },
        scope: None,
        caller: Arc::new(Caller::this_process()),
        deadline,
    };
    let second = Duration::from_secs(5);
    let sent = run(&other, poison(second)).unwrap();
    assert_eq!(sent.explanation.verdict, "allow", "{:?}", sent.explanation.reasons);
    let outcome = sent.outcome.unwrap();
    assert_eq!((outcome.record.status, outcome.failure), ("failed", Some(Failure::Transport)));
    let sent = run(&own, poison(second)).unwrap();
    assert_eq!(sent.outcome.unwrap().record.status, "done");
    assert_eq!([&own, &other].map(|it| it.ran.load(Ordering::SeqCst)), [1, 0]);
    // One that finds no time any more is not done either, and that is on record.
    let before = outcomes(gate.journal()).len();
    assert!(matches!(run(&own, poison(Duration::ZERO)), Err(GateError::Busy(_))));
    assert_eq!(outcomes(gate.journal()).len(), before + 1);
    assert_eq!(own.ran.load(Ordering::SeqCst), 1);
}

/// Whether a file under this folder has the word in it.
fn named_in(folder: &Path, word: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(named_in(&path, word));
        } else if std::fs::read(&path).is_ok_and(|it| String::from_utf8_lossy(&it).contains(word)) {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_front_end_names_the_policy_that_permits_everything() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let word = "DangerousPermitAll";
    assert_eq!(named_in(&crates.join("gate/src"), word).len(), 1, "the word is still right");
    let mut looked_at = 0;
    for entry in std::fs::read_dir(&crates).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("gate") {
            assert_eq!(named_in(&path.join("src"), word), Vec::<PathBuf>::new());
            looked_at += 1;
        }
    }
    assert!(looked_at >= 4, "the crates were not found");
}

#[test]
fn a_command_in_another_language_than_the_devices_is_not_judged_by_its_log() {
    let gate = gate();
    let device = Arc::new(Scripted::new(&LOG));
    let opened = gate.open(device.clone()).unwrap();
    let mut nvme = request(0xC000, None);
    nvme.message =
        Message::NvmeAdmin { opcode: 0xC0, nsid: 0, cdw: [0; 6], data: Vec::new(), read_length: 0 };
    let error = gate.send(&opened, nvme, &mut |_| {}).unwrap_err();
    assert!(matches!(error, GateError::WrongProtocol { device: "cxl", command: "nvme" }));
    assert!(device.sent.lock().unwrap().is_empty());
}

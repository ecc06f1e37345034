// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the road promises, on a device by script.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{Scripted, gate, ok, request, within};
use fwgate_gate::journal::{Journal, Kind};
use fwgate_gate::{Background, Failure, GateError, Pace, Reply, SubmitError};
use fwgate_policy::Scope;
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
            unverified: false,
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
            unverified: false,
        })
    });
    let device = Arc::new(device);
    let running = Background { opcode: 0xC000, percent: 40, running: true, return_code: 0 };
    *device.background.lock().unwrap() = Some(running);
    let opened = gate.open(device.clone()).unwrap();
    let mut seen = Vec::new();
    let sent = gate
        .send(&opened, request(0xC000, None), &mut |now| {
            seen.push(now.percent);
            let done = Background { percent: 100, running: false, return_code: 4, ..now };
            *device.background.lock().unwrap() = Some(done);
        })
        .unwrap();
    let outcome = sent.outcome.unwrap();
    assert_eq!(seen, [40, 100]);
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
            unverified: false,
        })
    });
    let running = Background { opcode: 0xC000, percent: 1, running: true, return_code: 0 };
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
    secret.message =
        fwgate_gate::Message::Cxl { opcode: 0xC000, payload: b"hunter2-hunter2".to_vec() };
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
    other.message = fwgate_gate::Message::Cxl { opcode: 0xC003, payload: vec![1] };
    assert!(!Arc::ptr_eq(&first, &verdict(other)));
    let mut stranger = request(0xC003, Some(Scope::DebugWriteFull));
    Arc::make_mut(&mut stranger.caller).uid ^= 4096;
    assert_eq!(verdict(stranger).verdict, "deny");
}

#[test]
fn a_payload_that_differs_only_past_its_beginning_is_judged_anew() {
    let gate = gate();
    let opened = gate.open(Arc::new(Scripted::new(&LOG))).unwrap();
    let with_last = |last: u8| {
        let mut payload = vec![0; 64];
        payload[63] = last;
        let mut request = request(0xC000, None);
        request.message = fwgate_gate::Message::Cxl { opcode: 0xC000, payload };
        gate.decide(&opened, request).unwrap().explanation
    };
    assert!(!Arc::ptr_eq(&with_last(1), &with_last(2)));
}

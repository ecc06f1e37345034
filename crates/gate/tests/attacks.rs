// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changes under a verdict that was reached, and devices that never answer.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use common::{Scripted, gate, ok, request, within};
use fwgate_gate::journal::Journal;
use fwgate_gate::{
    Caller, Failure, Firmware, Gate, GateError, Message, NoKernel, Pace, Request, SiteAnswer,
    SitePolicy, SiteQuestion,
};
use fwgate_policy::standing::{Grants, Site};
use fwgate_policy::{Capabilities, PathKind};

/// Identify, logs, clearing of events, and two vendor commands.
const LOG: [(u16, u16); 6] =
    [(0x0101, 0x0000), (0x0400, 0), (0x0401, 0), (0x4000, 0), (0xC000, 0), (0xC001, 0x0001)];

/// Permits everything, and names no action.
#[derive(Debug)]
struct NoNames;

impl SitePolicy for NoNames {
    fn ask(&self, _: &SiteQuestion<'_, '_>) -> SiteAnswer {
        let grants = Grants { named_action: false, ..Grants::EVERYTHING };
        SiteAnswer { site: Site::Permit, grants, rule: "test".to_owned() }
    }
}

fn clear_events() -> Request<Firmware> {
    let caller = Arc::new(Caller::stand_in(7, 7, Vec::new(), Capabilities::default()));
    let message = Message::Cxl { opcode: 0x0101, payload: vec![0, 1, 0, 0, 0, 0] };
    Request { message, caller, ..request(0x0101, None) }
}

#[test]
fn a_node_that_no_longer_lets_the_caller_in_takes_a_remembered_verdict_along() {
    let gate = Gate::new(Arc::new(Journal::in_memory()), Arc::new(NoNames), Arc::new(NoKernel));
    let device = Arc::new(Scripted::new(&LOG));
    device.path.lock().unwrap().kind = PathKind::Memdev;
    let opened = gate.open(device.clone()).unwrap();
    for round in 0..2 {
        let sent = gate.send(&opened, clear_events(), &mut |_| {}).unwrap();
        let reasons = &sent.explanation.reasons;
        assert_eq!(sent.explanation.verdict, "allow", "{round}: {reasons:?}");
    }
    // As after `chmod 0600` on the node.
    device.path.lock().unwrap().admits_caller = false;
    let sent = gate.send(&opened, clear_events(), &mut |_| {}).unwrap();
    assert_eq!(sent.explanation.headline(), "right-missing", "{:?}", sent.explanation.reasons);
    assert_eq!(device.sent.lock().unwrap().len(), 2);
    device.path.lock().unwrap().admits_caller = true;
    let sent = gate.send(&opened, clear_events(), &mut |_| {}).unwrap();
    assert_eq!(sent.outcome.unwrap().record.status, "done");
}

#[test]
fn a_path_that_changes_while_a_command_waits_for_its_turn_sends_nothing() {
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.pace = Pace::MayOutlast;
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    device.script = Box::new(move |_, _| {
        wait.lock().unwrap().recv().unwrap();
        ok(&[])
    });
    let device = Arc::new(device);
    let opened = gate.open(device.clone()).unwrap();
    let patient = |opcode| within(Duration::from_secs(20), opcode);
    std::thread::scope(|threads| {
        let first = threads.spawn(|| gate.send(&opened, patient(0xC000), &mut |_| {}).unwrap());
        while device.sent.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        let before = gate.journal().head().sequence;
        let second = threads.spawn(|| gate.send(&opened, patient(0xC001), &mut |_| {}).unwrap());
        // Judged and on record; now it waits behind the first.
        while gate.journal().head().sequence == before {
            std::thread::yield_now();
        }
        device.path.lock().unwrap().kind = PathKind::Memdev;
        go.send(()).unwrap();
        assert_eq!(first.join().unwrap().outcome.unwrap().record.status, "done");
        let outcome = second.join().unwrap().outcome.unwrap();
        assert_eq!(outcome.failure, Some(Failure::FactsChanged), "{:?}", outcome.record);
    });
    assert_eq!(device.sent.lock().unwrap().len(), 1);
}

#[test]
fn a_device_that_never_answers_ties_up_one_thread_however_many_ask() {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    let gate = gate();
    let mut device = Scripted::new(&LOG);
    device.pace = Pace::MayOutlast;
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    device.script = Box::new(move |_, _| {
        THREADS.fetch_add(1, Ordering::SeqCst);
        let _ = wait.lock().unwrap().recv();
        ok(&[])
    });
    let device = Arc::new(device);
    let opened = gate.open(device.clone()).unwrap();
    let ask = || gate.send(&opened, within(Duration::from_millis(5), 0xC000), &mut |_| {});
    let sent = ask().unwrap();
    assert_eq!(sent.outcome.unwrap().record.status, "unknown");
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..25 {
                    assert!(matches!(ask(), Err(GateError::Busy(_))));
                }
            });
        }
    });
    // Opening it again does not get by either.
    let again = gate.open_within(device.clone(), Duration::from_millis(5));
    assert!(matches!(again, Err(GateError::Busy(_))));
    assert_eq!(THREADS.load(Ordering::SeqCst), 1);
    drop(go);
    let until = Instant::now() + Duration::from_secs(20);
    while gate.open_within(device.clone(), Duration::from_millis(50)).is_err() {
        assert!(Instant::now() < until, "the slot is never let go");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Typed ids: the kernel's own checks come first. They are tried through a gate, since nothing but a
//! record makes what the sender takes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use fwgate_gate::{KernelInterface, Message};

use super::Rig;
use super::gate::{Scripted, run};
use crate::interface::{Typed, TypedSend};

#[test]
fn a_typed_command_reaches_the_sender_as_it_was_judged() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let send: TypedSend = {
        let sent = Arc::clone(&sent);
        Arc::new(move |delivery| {
            let Message::Cxl { opcode, payload } = &delivery.message else { panic!() };
            sent.lock().unwrap().push((*opcode, payload.clone()));
            Ok(crate::interface::acts::done(vec![9], fwgate_gate::Belief::Told))
        })
    };
    let rig = Rig::new();
    let scan: Arc<dyn KernelInterface> =
        Arc::new(Typed::scan_media_caps(rig.place(), send.clone()));
    let device = Scripted::new(&["memdev-scan-media-caps", "memdev-set-partition"]);
    let outcome = run(&device, &scan, 0x4303, vec![0; 16]).outcome.unwrap();
    assert_eq!((outcome.record.status, &outcome.reply[..]), ("done", &[9][..]));
    let set: Arc<dyn KernelInterface> = Arc::new(Typed::set_partition(rig.place(), send));
    assert_eq!(run(&device, &set, 0x4101, vec![0; 10]).outcome.unwrap().record.status, "done");
    assert_eq!(sent.lock().unwrap()[..], [(0x4303, vec![0; 16]), (0x4101, vec![0; 10])]);
}

#[test]
fn what_the_kernels_table_refuses_is_not_sent() {
    let count = Arc::new(AtomicU32::new(0));
    let send: TypedSend = {
        let count = Arc::clone(&count);
        Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(crate::interface::acts::done(Vec::new(), fwgate_gate::Belief::Told))
        })
    };
    let rig = Rig::new();
    let set: Arc<dyn KernelInterface> = Arc::new(Typed::set_partition(rig.place(), send));
    let device = Scripted::new(&["memdev-set-partition"]);
    let outcome = run(&device, &set, 0x4101, vec![0; 9]).outcome.unwrap();
    let error = outcome.record.error.unwrap();
    assert!(error.contains("errno 12") && error.contains("9 bytes"), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

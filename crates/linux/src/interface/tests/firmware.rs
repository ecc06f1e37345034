// SPDX-License-Identifier: MIT OR Apache-2.0
//! The firmware class, with a thread that plays the kernel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fwgate_gate::{Background, Belief, KernelInterface as _};

use super::{EBUSY, EOPNOTSUPP, Rig, act, await_content, kernel, transport, within};
use crate::interface::FirmwareUpload;

const FOLDER: &str = "sys/class/firmware/mem0";

fn rig() -> Rig {
    let rig = Rig::new();
    for (file, content) in [
        ("status", "idle\n"),
        ("loading", "0\n"),
        ("data", ""),
        ("error", ""),
        ("remaining_size", "0\n"),
        ("cancel", ""),
    ] {
        rig.write(&format!("{FOLDER}/{file}"), content);
    }
    rig
}

fn image(length: usize) -> Vec<u8> {
    let mut payload = vec![0; 128];
    payload.extend((0..length).map(|n| u8::try_from(n % 251).unwrap()));
    payload
}

fn set(rig: &Rig, file: &str, content: &str) {
    rig.write(&format!("{FOLDER}/{file}"), content);
}

fn background(percent: Option<u8>, running: bool, code: Option<u16>) -> Option<Background> {
    Some(Background { opcode: 0x0201, percent, running, return_code: code })
}

#[test]
fn an_image_is_handed_over_whole_before_the_kernel_is_told_to_begin() {
    let rig = rig();
    let upload = FirmwareUpload::at(rig.place());
    let payload = image(10_000);
    let reply = act(&upload, 0x0201, &payload).unwrap();
    assert!(reply.background);
    assert_eq!((reply.return_code, reply.belief), (0, Belief::Unverified));
    assert_eq!(std::fs::read(rig.path(&format!("{FOLDER}/data"))).unwrap(), payload[128..]);
    assert!(rig.read(&format!("{FOLDER}/loading")).starts_with('0'));
}

#[test]
fn progress_comes_from_what_remains_and_success_from_an_empty_error() {
    let rig = Arc::new(rig());
    let upload = FirmwareUpload::at(rig.place());
    assert_eq!(upload.background(), None, "nothing was begun");
    act(&upload, 0x0201, &image(1000)).unwrap();
    let kernel = {
        let rig = Arc::clone(&rig);
        std::thread::spawn(move || {
            for (step, left) in [("preparing", 1000), ("transferring", 500), ("programming", 0)] {
                set(&rig, "remaining_size", &format!("{left}\n"));
                set(&rig, "status", &format!("{step}\n"));
                await_content(&rig.path("seen"), step);
            }
            set(&rig, "status", "idle\n");
            await_content(&rig.path("seen"), "idle");
        })
    };
    let mut seen = Vec::new();
    for step in ["preparing", "transferring", "programming", "idle"] {
        await_content(&rig.path(&format!("{FOLDER}/status")), &format!("{step}\n"));
        seen.push(upload.background().unwrap());
        rig.write("seen", step);
    }
    kernel.join().unwrap();
    let expected = [
        background(Some(0), true, None),
        background(Some(50), true, None),
        background(Some(99), true, None),
        background(Some(100), false, Some(0)),
    ];
    assert_eq!(seen.into_iter().map(Some).collect::<Vec<_>>(), expected);
    assert_eq!(upload.failure(), None);
}

#[test]
fn a_failed_update_is_failed_and_its_words_are_kept() {
    let rig = rig();
    let upload = FirmwareUpload::at(rig.place());
    act(&upload, 0x0201, &image(1000)).unwrap();
    set(&rig, "error", "transferring:read-write-error\n");
    assert_eq!(upload.background(), background(None, false, Some(4)));
    assert_eq!(upload.failure().as_deref(), Some("transferring:read-write-error"));
    // What cannot be read is not taken for success.
    rig.write(&format!("{FOLDER}/error"), b"\xff");
    assert_eq!(upload.background(), None);
    std::fs::remove_file(rig.path(&format!("{FOLDER}/error"))).unwrap();
    assert_eq!(upload.background(), None);
}

#[test]
fn a_lying_remaining_size_makes_no_percent() {
    let rig = rig();
    let upload = FirmwareUpload::at(rig.place());
    act(&upload, 0x0201, &image(1000)).unwrap();
    set(&rig, "status", "transferring\n");
    for left in ["1001", "-1", "x", "", "99999999999999999999"] {
        set(&rig, "remaining_size", left);
        assert_eq!(upload.background(), background(None, true, None), "{left}");
    }
}

#[test]
fn an_update_under_way_is_not_disturbed() {
    let rig = rig();
    set(&rig, "status", "transferring\n");
    let upload = FirmwareUpload::at(rig.place());
    let (errno, rule) = kernel(act(&upload, 0x0201, &image(10)));
    assert_eq!(errno, EBUSY);
    assert!(rule.contains("`transferring`"), "{rule}");
    assert_eq!(rig.read(&format!("{FOLDER}/loading")), "0\n");
    assert_eq!(rig.read(&format!("{FOLDER}/data")), "");
}

#[test]
fn an_image_that_another_program_wrote_to_is_thrown_away() {
    let rig = rig();
    set(&rig, "data", &"y".repeat(2000));
    let upload = FirmwareUpload::at(rig.place());
    let (may_have_run, what) = transport(act(&upload, 0x0201, &image(1000)));
    assert!(!may_have_run && what.contains("more than 1000 bytes"), "{what}");
    assert_eq!(rig.read(&format!("{FOLDER}/loading")), "-1");
    assert_eq!(upload.background(), None);
}

#[test]
fn what_finds_no_time_any_more_is_not_begun() {
    let rig = rig();
    let upload = FirmwareUpload::at(rig.place());
    let result = within(&upload, 0x0201, &image(10), Duration::ZERO);
    assert!(!transport(result).0);
    assert_eq!(rig.read(&format!("{FOLDER}/loading")), "-1");
}

#[test]
fn the_slot_is_the_kernels_choice() {
    let rig = rig();
    let upload = FirmwareUpload::at(rig.place());
    let mut payload = image(10);
    payload[1] = 3;
    let (errno, rule) = kernel(act(&upload, 0x0201, &payload));
    assert_eq!(errno, EOPNOTSUPP);
    assert!(rule.contains("slot 3"), "{rule}");
    // That is the one which comes next.
    payload[1] = 2;
    act(&upload, 0x0201, &payload).unwrap();
}

#[test]
fn what_the_class_cannot_say_is_refused() {
    let rig = rig();
    let upload = FirmwareUpload::at(rig.place());
    assert!(kernel(act(&upload, 0x0200, &[])).1.contains("slots"));
    assert!(kernel(act(&upload, 0x0202, &[1, 1])).1.contains("for the next reset"));
    let mut offset = image(10);
    offset[4] = 1;
    assert!(kernel(act(&upload, 0x0201, &offset)).1.contains("first byte"));
    let mut part = image(10);
    part[0] = 1;
    assert!(transport(act(&upload, 0x0201, &part)).1.contains("a part"));
    assert!(transport(act(&upload, 0x0201, &image(0))).1.contains("0 bytes"));
    assert!(transport(act(&upload, 0x0201, &[0; 12])).1.contains("transfer firmware"));
    assert_eq!(rig.read(&format!("{FOLDER}/loading")), "0\n");
}

#[test]
fn an_abort_writes_to_cancel_and_only_after_a_begin() {
    let rig = rig();
    let upload = FirmwareUpload::at(rig.place());
    assert!(upload.abort().unwrap_err().contains("no update"));
    assert_eq!(rig.read(&format!("{FOLDER}/cancel")), "");
    act(&upload, 0x0201, &image(10)).unwrap();
    upload.abort().unwrap();
    assert_eq!(rig.read(&format!("{FOLDER}/cancel")), "1");
    // As a command, it ends another program's too.
    let other = FirmwareUpload::at(rig.place());
    set(&rig, "cancel", "");
    let mut drop = vec![0; 128];
    drop[0] = 4;
    let reply = act(&other, 0x0201, &drop).unwrap();
    assert_eq!((reply.background, reply.belief), (false, Belief::Unverified));
    assert_eq!(rig.read(&format!("{FOLDER}/cancel")), "1");
}

#[test]
fn the_kernel_that_ignores_loading_is_found_out() {
    let rig = rig();
    let loading = rig.path(&format!("{FOLDER}/loading"));
    let over = Arc::new(AtomicBool::new(false));
    // As the kernel does while another update is being read in.
    let kernel_thread = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                std::fs::write(&loading, "0\n").unwrap();
            }
        })
    };
    let upload = FirmwareUpload::at(rig.place());
    let until = Instant::now() + Duration::from_secs(20);
    let mut refused = false;
    while !refused && Instant::now() < until {
        if let Err(error) = act(&upload, 0x0201, &image(10)) {
            refused = error.to_string().contains("another update came first");
        }
    }
    over.store(true, Ordering::SeqCst);
    kernel_thread.join().unwrap();
    assert!(refused);
}

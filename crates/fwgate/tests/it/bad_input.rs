// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes from outside: a clear error, a documented status, a JSON error, no panic, nothing sent.

use std::io::Read as _;
use std::process::Stdio;

use crate::common::{Run, World, capture};
use serde_json::Value;

/// Numbers without a pattern, the same in every run.
struct Mixed(u64);

impl Mixed {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

fn is_error(document: &Value, status: i32) {
    assert_eq!(document["schema"], "fwgate.error/1", "{document}");
    assert_eq!(document["status"], status);
    assert!(document["code"].is_string() && document["detail"].is_string());
    assert!(document["place"].is_object(), "{document}");
}

#[test]
fn any_bytes_as_an_effects_log_are_read_or_refused_with_the_place() {
    let world = World::new();
    let file = world.path("log");
    let name = file.display().to_string();
    let mut mixed = Mixed(0x9E37_79B9_7F4A_7C15);
    for length in [0, 1, 3, 4, 5, 64, 124, 125, 1000, 4095, 4096, 4097, 16_384] {
        std::fs::write(&file, mixed.bytes(length)).unwrap();
        for (protocol, fits) in [("cxl", length % 4 == 0), ("nvme", length == 4096)] {
            for verb in ["effects", "lint"] {
                let (status, document) =
                    world.json(&[verb, "--from", &name, "--protocol", protocol]);
                if fits {
                    assert_eq!(status, 0, "{verb} {protocol} {length}");
                    assert_eq!(document["schema"], format!("fwgate.{verb}/1"));
                } else {
                    assert_eq!(status, 2, "{verb} {protocol} {length}");
                    is_error(&document, 2);
                    assert!(document["place"]["offset"].is_u64(), "{document}");
                }
            }
        }
    }
    for length in [262_148, 1 << 20, 3 << 20] {
        std::fs::write(&file, vec![0; length]).unwrap();
        let (status, document) = world.json(&["effects", "--from", &name, "--protocol", "cxl"]);
        assert_eq!(status, 2, "{length}");
        is_error(&document, 2);
    }
}

#[test]
fn any_arguments_end_with_a_documented_status_and_one_document() {
    let world = World::new();
    let long = "x".repeat(100_000);
    let cases: &[&[&str]] = &[
        &[],
        &["nonsense"],
        &["explain"],
        &["explain", "emu:cxl0", ""],
        &["explain", "emu:cxl0", &long],
        &["explain", "emu:cxl0", "0xC000", "--as", ""],
        &["explain", "emu:cxl0", "0xC000", "--as", &long],
        &["explain", "emu:cxl0", "0xC000", "--as", "\u{1b}[31m"],
        &["explain", "emu:cxl0", "0xC000", "--hex", &long],
        &["explain", "emu:cxl0", "0xC000", "--hex", "00\u{202e}"],
        &["explain", "emu:cxl0", "0xC000", "--payload", "/dev/zero"],
        &["explain", "emu:cxl0", "0xC000", "--payload", "/proc/self/mem"],
        &["explain", "\u{1b}]0;x\u{7}", "0xC000"],
        &["explain", "emu:cxl0/../cxl1", "0xC000"],
        &["send", "emu:nvme0", "0xC2", "--length", "0xFFFFFFFF", "--read"],
        &["send", "emu:nvme0", "0xC2", "--cdw10", "-1"],
        &["send", "emu:cxl0", "0xC000", "--timeout", "0s"],
        &["send", "emu:cxl0", "0xC000", "--output", "/"],
        &["effects", "--from", "/dev/zero", "--protocol", "cxl"],
        &["effects", "--from", "", "--protocol", "cxl"],
        &["audit", "tail", "-n", "-1"],
        &["completions", "nosuch"],
    ];
    for args in cases {
        let (status, document) = world.json(args);
        assert!(matches!(status, 2 | 7), "{args:.80?}: {status}");
        is_error(&document, status);
        let text = document.to_string();
        assert!(!text.contains("\\u001b") && !text.contains('\u{202e}'), "{args:.80?}");
    }
}

#[test]
fn what_is_not_utf_8_is_a_usage_error() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let world = World::new();
    let output = world
        .command(&["explain", "-o", "json", "emu:cxl0"])
        .arg(OsStr::from_bytes(b"\xff\xfe"))
        .output()
        .unwrap();
    let run = Run::of(output);
    assert_eq!(run.status, 2);
    is_error(&run.document(), 2);
}

#[test]
fn people_are_told_on_standard_error_and_machines_on_standard_output() {
    let world = World::new();
    let file = capture("qemu-type3-mem0-identify.bin");
    let args = ["effects", "--from", &file, "--protocol", "cxl"];
    let plain = world.run(&args);
    assert_eq!((plain.status, plain.stdout.len()), (2, 0));
    assert!(plain.stderr.contains("at byte 68"), "{}", plain.stderr);
    let (status, document) = world.json(&args);
    assert_eq!((status, &document["place"]["offset"]), (2, &68.into()));
}

#[test]
fn any_bytes_as_the_state_of_a_device_are_refused_and_kept() {
    let world = World::new();
    assert_eq!(world.run(&["send", "emu:cxl0", "0xC000"]).status, 0);
    let state = world.state().join("devices/cxl0.json");
    let whole = std::fs::read(&state).unwrap();
    let mut mixed = Mixed(7);
    for bytes in [b"".to_vec(), b"{".to_vec(), whole[..whole.len() / 2].to_vec(), mixed.bytes(4096)]
    {
        std::fs::write(&state, &bytes).unwrap();
        let (status, document) = world.json(&["send", "emu:cxl0", "0xC000"]);
        assert_eq!(status, 1);
        is_error(&document, 1);
        assert_eq!(document["code"], "device-state");
        assert_eq!(std::fs::read(&state).unwrap(), bytes, "the file stays as it is");
        let (status, list) = world.json(&["list"]);
        assert_eq!(status, 0);
        assert_eq!(list["devices"][0]["state"], "device-state");
        assert_eq!(list["devices"][1]["state"], "ready");
    }
    std::fs::write(&state, whole).unwrap();
    assert_eq!(world.run(&["send", "emu:cxl0", "0xC000"]).status, 0);
}

#[test]
fn a_plan_of_faults_that_is_wrong_is_a_usage_error() {
    let world = World::new();
    for plan in ["{", "{\"rules\":[{\"kind\":\"melt\"}]}", "no-such-file"] {
        let output =
            world.command(&["list", "-o", "json"]).env("FWGATE_EMU_FAULTS", plan).output().unwrap();
        let run = Run::of(output);
        assert_eq!(run.status, 2, "{plan}");
        is_error(&run.document(), 2);
    }
}

#[test]
fn faults_of_a_device_end_with_the_status_of_their_kind() {
    for (plan, expected) in [
        (r#"{"rules":[{"opcode":"0xC000","kind":{"late":{"us":60000000}}}]}"#, 6),
        (r#"{"rules":[{"opcode":"0xC000","kind":"never"}]}"#, 6),
        (r#"{"rules":[{"opcode":"0xC000","kind":{"return-code":{"code":2}}}]}"#, 5),
        (r#"{"rules":[{"opcode":"0x0401","kind":{"short":{"bytes":3}}}]}"#, 5),
        (r#"{"rules":[{"opcode":"0x4000","kind":{"return-code":{"code":3}}}]}"#, 5),
        (r#"{"rules":[{"after":5,"kind":"gone"}]}"#, 6),
    ] {
        let world = World::new();
        let output = world
            .command(&["send", "emu:cxl0", "0xC000", "-o", "json", "--timeout", "300ms"])
            .env("FWGATE_EMU_FAULTS", plan)
            .output()
            .unwrap();
        let run = Run::of(output);
        assert_eq!(run.status, expected, "{plan}: {}", run.stderr);
        assert!(run.document()["schema"].is_string());
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_output_quietly() {
    let world = World::new();
    let file = capture("cel-qemu-type3.bin");
    let mut child = world
        .command(&["effects", "--from", &file, "--protocol", "cxl", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(told, "");
}

#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let world = World::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = world.command(&["config", "show"]).stdout(full).output().unwrap();
    let run = Run::of(output);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("cannot write to standard output"), "{}", run.stderr);
}

#[test]
fn a_device_that_is_held_is_named_with_its_holder_and_the_status_is_six() {
    let world = World::new();
    let mut holder = world
        .command(&["send", "emu:cxl0", "0xC004", "--hex", "60ea0000", "--timeout", "20s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lock = world.state().join("devices/cxl0.lock");
    let held_by_it =
        || std::fs::read_to_string(&lock).is_ok_and(|name| name.contains(&holder.id().to_string()));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !held_by_it() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (status, document) = world.json(&["send", "emu:cxl0", "0xC000", "--timeout", "50ms"]);
    assert_eq!(status, 6, "{document}");
    is_error(&document, 6);
    assert_eq!(document["code"], "device-busy");
    let detail = document["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("process {}", holder.id())), "{detail}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    // A lock ends with its holder.
    assert_eq!(world.run(&["send", "emu:cxl0", "0xC000"]).status, 0);
}

#[test]
fn a_pipe_that_nobody_writes_to_is_refused_at_once() {
    let world = World::new();
    let pipe = world.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let began = std::time::Instant::now();
    let run = world.run(&["effects", "--from", &pipe.display().to_string(), "--protocol", "cxl"]);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(run.stderr.contains("nobody writes to this pipe"), "{}", run.stderr);
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
}

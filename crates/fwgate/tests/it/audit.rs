// SPDX-License-Identifier: MIT OR Apache-2.0
//! The journal by the command line: verifies, and ends with 9 after any byte is changed.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::common::World;
use serde_json::Value;

fn some_records() -> World {
    let world = World::new();
    assert_eq!(world.run(&["send", "emu:cxl0", "0xC000"]).status, 0);
    assert_eq!(world.run(&["send", "emu:cxl0", "0xC003", "--scope", "debug-read"]).status, 3);
    assert_eq!(world.run(&["send", "emu:cxl0", "0xC002", "--hex", "01000000"]).status, 0);
    world
}

#[test]
fn verify_passes_and_finds_a_flipped_byte_wherever_it_is() {
    let world = some_records();
    let (status, clean) = world.json(&["audit", "verify"]);
    assert_eq!((status, &clean["ok"]), (0, &Value::Bool(true)));
    assert_eq!(clean["first_bad"], Value::Null);
    let segment = world.state().join("journal/segment-00000001.fwj");
    let whole = std::fs::read(&segment).unwrap();
    // Every 37th byte here; the journal's own tests flip each one.
    for at in (0..whole.len()).step_by(37).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&segment, &bytes).unwrap();
        let (status, document) = world.json(&["audit", "verify"]);
        assert_eq!(status, 9, "byte {at}");
        assert_eq!(document["schema"], "fwgate.audit-verify/1");
        assert_eq!(document["ok"], false, "byte {at}");
        let bad = &document["first_bad"];
        for key in ["segment", "offset", "sequence", "what"] {
            assert!(bad.get(key).is_some(), "`{key}` at byte {at}");
        }
        assert!(bad["offset"].as_u64().unwrap() <= at as u64, "byte {at}: {bad}");
    }
    std::fs::write(&segment, &whole).unwrap();
    assert_eq!(world.run(&["audit", "verify"]).status, 0);
}

#[test]
fn a_cut_journal_is_found() {
    let world = some_records();
    let segment = world.state().join("journal/segment-00000001.fwj");
    let whole = std::fs::read(&segment).unwrap();
    for length in [0, 50, 104, 105, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&segment, &whole[..length]).unwrap();
        assert_eq!(world.json(&["audit", "verify"]).0, 9, "cut to {length}");
    }
}

#[test]
fn nothing_is_sent_with_a_journal_that_does_not_verify() {
    let world = some_records();
    let journal = world.state().join("journal");
    let segment = journal.join("segment-00000001.fwj");
    let executed = std::fs::read(world.state().join("devices/cxl0.executed")).unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (status, document) = world.json(&["send", "emu:cxl0", "0xC003"]);
    assert_eq!((status, document["schema"].as_str()), (1, Some("fwgate.error/1")));
    assert_eq!(document["code"], "journal-damaged");
    assert_eq!(document["place"]["segment"], 1);
    let after = std::fs::read(world.state().join("devices/cxl0.executed")).unwrap();
    assert_eq!(after, executed, "the device was not reached");
}

#[test]
fn every_decision_is_on_record_with_who_asked() {
    let world = some_records();
    let (status, document) = world.json(&["audit", "tail", "-n", "1000"]);
    assert_eq!((status, document["schema"].as_str()), (0, Some("fwgate.audit/1")));
    let records = document["records"].as_array().unwrap();
    let decisions: Vec<&Value> =
        records.iter().filter(|record| record["kind"] == "decision").collect();
    let verdicts: Vec<&str> =
        decisions.iter().map(|record| record["body"]["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["allow", "deny", "allow"]);
    for decision in decisions {
        assert!(decision["body"]["caller"]["uid"].is_u64(), "{decision}");
    }
    let outcomes = records.iter().filter(|record| record["kind"] == "outcome").count();
    assert_eq!(outcomes, 5, "three probes and two commands that were sent");
}

#[test]
fn follow_goes_on_with_what_is_added_one_document_a_line() {
    let world = some_records();
    let mut child = world
        .command(&["audit", "tail", "-n", "1", "--follow", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let first = next();
    assert_eq!(first["schema"], "fwgate.audit-record/1");
    let last = first["sequence"].as_u64().unwrap();
    assert_eq!(world.run(&["send", "emu:cxl0", "0xC000"]).status, 0);
    let sequences: Vec<u64> = (0..4).map(|_| next()["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (last + 1..=last + 4).collect::<Vec<_>>());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_damaged_journal_is_one_document_and_names_the_way_on() {
    let world = some_records();
    let segment = world.state().join("journal/segment-00000001.fwj");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[150] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let (status, document) = world.json(&["audit", "tail"]);
    assert_eq!(status, 1);
    assert_eq!(document["schema"], "fwgate.audit/1");
    assert!(document["damage"].as_str().unwrap().contains("does not verify"), "{document}");
    let run = world.run(&["audit", "tail"]);
    assert!(run.stderr.contains("move it aside"), "{}", run.stderr);
}

#[test]
fn verify_finds_the_key_that_opening_would_refuse() {
    let world = some_records();
    let key = world.state().join("journal/key");
    let whole = std::fs::read(&key).unwrap();
    for short in [Some(&whole[..31]), Some(&[][..]), None] {
        match short {
            Some(bytes) => std::fs::write(&key, bytes).unwrap(),
            None => std::fs::remove_file(&key).unwrap(),
        }
        let (status, document) = world.json(&["audit", "verify"]);
        assert_eq!((status, &document["ok"]), (9, &Value::Bool(false)));
        assert!(
            document["first_bad"]["what"].as_str().unwrap().starts_with("key file is unusable")
        );
        assert_eq!(world.run(&["list"]).status, 1);
    }
}

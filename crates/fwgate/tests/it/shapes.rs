// SPDX-License-Identifier: MIT OR Apache-2.0
//! The JSON shapes that others may build on, on logs that were read of real devices and on the
//! emulated ones. Fields may be added, never renamed or removed.

use crate::common::{World, capture};
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has_all(value: &Value, wanted: &[&str]) {
    for key in wanted {
        assert!(value.get(key).is_some(), "`{key}` is missing in {:?}", keys(value));
    }
}

fn row<'v>(document: &'v Value, opcode: &str) -> &'v Value {
    let rows = document["rows"].as_array().unwrap();
    rows.iter().find(|row| row["opcode"] == opcode).unwrap_or_else(|| panic!("no {opcode}"))
}

const ROW: &[&str] = &[
    "opcode",
    "selector",
    "name",
    "reported",
    "reported_raw",
    "floor",
    "effective",
    "discloses",
    "required_scope",
    "refusal",
    "owner",
    "attributes",
    "owners",
    "floor_confidence",
    "judged_by",
    "set",
];

#[test]
fn every_row_of_the_captured_cxl_log_is_there_in_its_order() {
    let world = World::new();
    let file = capture("cel-qemu-type3.bin");
    let (status, document) = world.json(&["effects", "--from", &file, "--protocol", "cxl"]);
    assert_eq!(status, 0);
    assert_eq!(document["schema"], "fwgate.effects/1");
    assert_eq!(document["device"], Value::Null);
    assert_eq!(document["protocol"], "cxl");
    assert_eq!(document["credible"], false);
    let rows = document["rows"].as_array().unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let expected: Vec<(String, String)> = bytes
        .chunks(4)
        .map(|row| {
            let word = |at: usize| u16::from_le_bytes([row[at], row[at + 1]]);
            (format!("0x{:04X}", word(0)), format!("0x{:04X}", word(2)))
        })
        .collect();
    let found: Vec<(String, String)> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            (text("opcode"), text("reported_raw"))
        })
        .collect();
    assert_eq!(found, expected);
    rows.iter().for_each(|row| has_all(row, ROW));
    assert!(!world.state().exists(), "a file needs no state folder");
}

#[test]
fn the_row_of_inject_poison_is_as_it_is_pinned() {
    let world = World::new();
    let file = capture("cel-qemu-type3.bin");
    let (_, document) = world.json(&["effects", "--from", &file, "--protocol", "cxl"]);
    assert_eq!(
        row(&document, "0x4301"),
        &json!({
            "opcode": "0x4301", "selector": null, "name": "Inject Poison", "reported": [],
            "reported_raw": "0x0000", "floor": ["immediate-data"], "floor_confidence": "cited",
            "effective": ["immediate-data"], "attributes": [], "discloses": "none",
            "required_scope": "debug-write-full", "refusal": null, "owner": "mm",
            "owners": ["mm"], "judged_by": null, "set": null
        })
    );
}

#[test]
fn set_feature_in_the_captured_log_shows_the_worst_case_and_what_decides() {
    let world = World::new();
    let file = capture("cel-qemu-type3.bin");
    let (_, document) = world.json(&["effects", "--from", &file, "--protocol", "cxl"]);
    let row = row(&document, "0x0502");
    assert_eq!(row["reported_raw"], "0x003E");
    assert_eq!(row["judged_by"], "feature");
    assert_eq!(row["refusal"], "security-state");
    assert!(row["effective"].as_array().unwrap().contains(&json!("security-state")));
}

#[test]
fn an_nvme_log_shows_admin_commands_then_io_commands_with_two_and_eight_digits() {
    let world = World::new();
    let file = capture("nvme-effects-qemu.bin");
    let (status, document) = world.json(&["effects", "--from", &file, "--protocol", "nvme"]);
    assert_eq!((status, &document["protocol"]), (0, &json!("nvme")));
    let rows = document["rows"].as_array().unwrap();
    let sets: Vec<&str> = rows.iter().map(|row| row["set"].as_str().unwrap()).collect();
    assert!(sets.is_sorted() && sets.contains(&"admin") && sets.contains(&"io"), "{sets:?}");
    let bytes = std::fs::read(&file).unwrap();
    let supported = bytes[..2048].chunks(4).filter(|word| word[0] & 1 == 1).count();
    assert_eq!(rows.len(), supported);
    for row in rows {
        has_all(row, ROW);
        assert_eq!(row["opcode"].as_str().unwrap().len(), 4, "{row}");
        assert_eq!(row["reported_raw"].as_str().unwrap().len(), 10, "{row}");
    }
}

#[test]
fn a_log_that_lists_a_command_twice_shows_both_rows_judged_by_their_union() {
    let world = World::new();
    let file = world.path("log");
    // C001h: nothing, then immediate data.
    std::fs::write(&file, [0x01, 0xC0, 0, 0, 0x01, 0xC0, 0x04, 0]).unwrap();
    let file = file.display().to_string();
    let (status, document) = world.json(&["effects", "--from", &file, "--protocol", "cxl"]);
    assert_eq!(status, 0);
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(
        (rows[0]["reported"].clone(), rows[1]["reported"].clone()),
        (json!([]), json!(["immediate-data"]))
    );
    for row in rows {
        assert_eq!(row["effective"], json!(["immediate-data"]));
        assert_eq!(row["required_scope"], "debug-write-full");
        assert_eq!(row["floor"], json!([]));
        assert_eq!(row["floor_confidence"], "unknown");
    }
    let codes: Vec<&str> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"duplicate-row"), "{codes:?}");
}

#[test]
fn lint_finds_both_poison_commands_of_the_captured_log_with_their_source() {
    let world = World::new();
    let file = capture("cel-qemu-type3.bin");
    let args = ["lint", "--from", &file, "--protocol", "cxl"];
    let (status, document) = world.json(&args);
    assert_eq!((status, &document["schema"]), (0, &json!("fwgate.lint/1")));
    let findings = document["findings"].as_array().unwrap();
    for opcode in ["0x4301", "0x4302"] {
        let found = findings
            .iter()
            .find(|finding| finding["opcode"] == opcode && finding["code"] == "below-floor")
            .unwrap();
        assert_eq!(found["severity"], "error");
        has_all(found, &["code", "severity", "opcode", "detail", "source"]);
        assert!(found["source"].as_str().is_some_and(|source| !source.is_empty()));
    }
    let mut failing = args.to_vec();
    failing.extend(["--fail-on", "error"]);
    assert_eq!(world.json(&failing).0, 9);
}

#[test]
fn explain_refuses_an_erase_at_debug_read_with_its_reason_and_fix() {
    let world = World::new();
    let (status, document) =
        world.json(&["explain", "emu:cxl0", "0xC003", "--scope", "debug-read"]);
    assert_eq!((status, &document["schema"]), (3, &json!("fwgate.explain/1")));
    assert_eq!(document["verdict"], "deny");
    has_all(
        &document,
        &[
            "schema",
            "device",
            "command",
            "verdict",
            "reasons",
            "required_scope",
            "granted_scope",
            "would_taint",
            "path",
            "interface",
            "fix",
        ],
    );
    let first = &document["reasons"][0];
    assert_eq!((&first["code"], &first["step"]), (&json!("scope-too-low"), &json!(9)));
    assert!(first["detail"].is_string());
    assert_eq!(document["required_scope"], "debug-write-full");
    assert_eq!(document["granted_scope"], Value::Null);
    assert_eq!(document["fix"], "ask for it: --scope debug-write-full");
}

#[test]
fn explain_records_no_decision() {
    let world = World::new();
    world.json(&["explain", "emu:cxl0", "0xC003"]);
    let (_, document) = world.json(&["audit", "tail", "-n", "100"]);
    let records = document["records"].as_array().unwrap();
    assert!(!records.is_empty());
    assert!(records.iter().all(|record| record["kind"] != "decision"), "{records:?}");
}

#[test]
fn send_returns_data_and_its_record() {
    let world = World::new();
    let (status, document) = world.json(&["send", "emu:cxl0", "0xC000"]);
    assert_eq!((status, &document["schema"]), (0, &json!("fwgate.send/1")));
    assert_eq!(document["verdict"], "allow");
    let outcome = &document["outcome"];
    has_all(outcome, &["status", "return_code", "reply", "decoded", "duration_us"]);
    assert_eq!((&outcome["status"], &outcome["return_code"]), (&json!("done"), &json!(0)));
    let reply = outcome["reply"].as_str().unwrap();
    assert!(reply.starts_with("46574754") && reply.len() == 128, "{reply}");
    assert_eq!(outcome["decoded"]["scratch_bytes_in_use"], 255);
    assert!(document["record"].as_u64().is_some_and(|record| record > 0));
}

#[test]
fn what_is_redirected_is_not_sent_and_names_the_interface() {
    let world = World::new();
    let (status, document) =
        world.json(&["send", "emu:cxl1", "inject-poison", "--hex", "0000000000000000"]);
    assert_eq!((status, &document["verdict"]), (8, &json!("redirect")));
    assert_eq!(document["outcome"], Value::Null);
    assert!(document["interface"].is_string());
    assert_eq!(document["reasons"][0]["code"], "kernel-owned");
}

#[test]
fn an_answer_with_an_error_ends_with_five_and_is_no_error_of_fwgate() {
    let world = World::new();
    let (status, document) = world.json(&["send", "emu:cxl0", "0xC001", "--hex", "00"]);
    assert_eq!((status, &document["schema"]), (5, &json!("fwgate.send/1")));
    assert_eq!(document["outcome"]["status"], "failed");
    assert_eq!(document["outcome"]["return_code"], 0x16);
}

#[test]
fn what_one_run_changes_the_next_one_finds() {
    let world = World::new();
    let filled = |world: &World| {
        let (_, document) = world.json(&["send", "emu:cxl0", "0xC000"]);
        document["outcome"]["decoded"]["scratch_bytes_in_use"].as_u64().unwrap()
    };
    assert_eq!(filled(&world), 255);
    assert_eq!(world.json(&["send", "emu:cxl0", "0xC003"]).0, 0);
    assert_eq!(filled(&world), 0);
}

#[test]
fn list_info_and_config_name_their_schemas() {
    let world = World::new();
    let (status, list) = world.json(&["list"]);
    assert_eq!((status, &list["schema"]), (0, &json!("fwgate.list/1")));
    assert_eq!(list["devices"].as_array().unwrap().len(), 6);
    let (status, info) = world.json(&["info", "emu:cxl0"]);
    assert_eq!((status, &info["schema"]), (0, &json!("fwgate.info/1")));
    let features = info["features"].as_array().unwrap();
    assert!(features.iter().any(|feature| feature["refusal"] == "feature-fixed"));
    assert!(features.iter().any(|feature| feature["required_scope"] == "debug-write-full"));
    assert_eq!(info["surroundings"]["driven_by"], "nobody");
    let (status, config) = world.json(&["config", "show"]);
    assert_eq!((status, &config["schema"]), (0, &json!("fwgate.config/1")));
}

#[test]
fn raw_bytes_of_a_device_are_a_log_that_from_reads() {
    let world = World::new();
    for (device, protocol) in [("emu:cxl0", "cxl"), ("emu:nvme0", "nvme")] {
        let raw = world.run(&["effects", device, "-o", "raw"]);
        assert_eq!(raw.status, 0);
        let file = world.path(protocol);
        std::fs::write(&file, &raw.stdout).unwrap();
        let (_, of_device) = world.json(&["effects", device]);
        let file = file.display().to_string();
        let (status, of_file) = world.json(&["effects", "--from", &file, "--protocol", protocol]);
        assert_eq!(status, 0);
        let opcodes = |document: &Value| -> Vec<Value> {
            let rows = document["rows"].as_array().unwrap();
            rows.iter().map(|row| json!([row["opcode"], row["reported_raw"]])).collect()
        };
        assert_eq!(opcodes(&of_device), opcodes(&of_file));
    }
}

#[test]
fn a_raw_reply_is_the_bytes_alone_and_an_output_file_is_private() {
    use std::os::unix::fs::MetadataExt as _;

    let world = World::new();
    let raw = world.run(&["send", "emu:cxl0", "identify-memory-device", "-o", "raw"]);
    assert_eq!((raw.status, raw.stdout.len()), (0, 69));
    let file = world.path("reply");
    let name = file.display().to_string();
    let args = ["send", "emu:cxl0", "identify-memory-device", "--output", &name];
    assert_eq!(world.run(&args).status, 0);
    assert_eq!(std::fs::read(&file).unwrap(), raw.stdout);
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(world.run(&args).status, 2, "never over a file that is there");
    let mut forced = args.to_vec();
    forced.push("--force");
    assert_eq!(world.run(&forced).status, 0);
    let refused = world.run(&["send", "emu:cxl0", "sanitize", "-o", "raw"]);
    assert_eq!((refused.status, refused.stdout.len()), (3, 0));
    assert!(refused.stderr.contains("security-state"), "{}", refused.stderr);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The typed verbs: each goes the way that the judge leaves, tells what it sent, and refuses what it
//! cannot do.

use serde_json::{Value, json};

use crate::common::World;

/// A vendor's feature that is larger than one payload, and one that takes four bytes at once.
const LARGE: &str = "f5a7e0c1-6677-4a7e-8e00-000000000008";
const SMALL: &str = "f5a7e0c1-6677-4a7e-8e00-000000000002";

fn steps(document: &Value) -> Vec<(&str, Option<&str>)> {
    let commands = document["commands"].as_array().unwrap();
    commands.iter().map(|it| (it["opcode"].as_str().unwrap(), it["interface"].as_str())).collect()
}

#[test]
fn every_document_has_the_shape_that_is_pinned() {
    let world = World::new();
    for (args, schema) in [
        (&["identify", "emu:cxl0"][..], "fwgate.identify/1"),
        (&["health", "emu:nvme0"], "fwgate.health/1"),
        (&["events", "emu:cxl0"], "fwgate.events/1"),
        (&["logs", "list", "emu:cxl0"], "fwgate.logs/1"),
        (&["logs", "get", "emu:cxl0", "command-effects-log"], "fwgate.log/1"),
        (&["features", "list", "emu:cxl0"], "fwgate.features/1"),
        (&["features", "get", "emu:cxl0", SMALL], "fwgate.feature/1"),
        (&["features", "set", "emu:cxl0", SMALL, "--hex", "01020304"], "fwgate.feature-set/1"),
        (&["alerts", "show", "emu:cxl0"], "fwgate.alerts/1"),
        (&["timestamp", "show", "emu:cxl0"], "fwgate.timestamp/1"),
        (&["shutdown-state", "show", "emu:cxl0"], "fwgate.shutdown-state/1"),
        (&["partition", "show", "emu:cxl0"], "fwgate.partition/1"),
        (&["scrub", "show", "emu:cxl0"], "fwgate.scrub/1"),
        (&["poison", "list", "emu:cxl0"], "fwgate.poison-list/1"),
        (&["poison", "inject", "emu:cxl0", "0x40"], "fwgate.poison-inject/1"),
        (&["poison", "clear", "emu:cxl0", "0x40"], "fwgate.poison-clear/1"),
        (&["security", "emu:cxl0"], "fwgate.security/1"),
        (&["firmware", "info", "emu:cxl0"], "fwgate.firmware-info/1"),
    ] {
        let (status, document) = world.json(args);
        assert_eq!((status, &document["schema"]), (0, &schema.into()), "{args:?}: {document}");
        let mut keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            ["commands", "device", "dry_run", "failed", "result", "schema"],
            "{args:?}"
        );
        assert!(document["result"].is_object() && document["failed"].is_null(), "{args:?}");
        for step in document["commands"].as_array().unwrap() {
            assert_eq!((&step["status"], &step["verdict"]), (&"done".into(), &"allow".into()));
            assert!(step["record"].is_u64(), "{args:?}: {step}");
        }
    }
}

#[test]
fn a_change_goes_by_the_kernels_interface_where_the_kernel_drives_the_device() {
    let world = World::new();
    for (args, opcode, interface) in [
        (&["poison", "inject", "DEV", "0x40"][..], "0x4301", "cxl-poison-debugfs"),
        (&["poison", "clear", "DEV", "0x40"], "0x4302", "cxl-poison-debugfs"),
        (&["scrub", "set", "DEV", "--hours", "24"], "0x0502", "edac-scrub"),
        (&["partition", "set", "DEV", "3g"], "0x4101", "memdev-set-partition"),
        (
            &["repair", "DEV", "--kind", "soft-ppr", "--address", "0x40", "--query"],
            "0x0600",
            "edac-mem-repair",
        ),
    ] {
        for (device, expected) in [("emu:cxl1", Some(interface)), ("emu:cxl0", None)] {
            let args: Vec<&str> =
                args.iter().map(|arg| if *arg == "DEV" { device } else { arg }).collect();
            let (status, document) = world.json(&args);
            assert_eq!(status, 0, "{args:?}: {document}");
            assert!(steps(&document).contains(&(opcode, expected)), "{args:?}: {document}");
        }
    }
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_it_would_send() {
    let world = World::new();
    let (_, before) = world.json(&["alerts", "show", "emu:cxl1"]);
    for args in [
        &["alerts", "set", "emu:cxl1", "--life-used", "50", "--dry-run"][..],
        &["poison", "inject", "emu:cxl1", "0x40", "--dry-run"],
        &["sanitize", "emu:cxl1", "--dry-run"],
        &["repair", "emu:cxl1", "--kind", "row", "--dry-run"],
        &["timestamp", "set", "emu:cxl0", "5", "--dry-run"],
        &["features", "set", "emu:cxl1", SMALL, "--hex", "01020304", "--dry-run"],
    ] {
        let (status, document) = world.json(args);
        assert_eq!((status, &document["dry_run"]), (0, &json!(true)), "{args:?}: {document}");
        assert!(document["result"].is_null(), "{args:?}");
        let last = document["commands"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&last["record"], &last["status"], &last["verdict"]),
            (&json!(null), &json!(null), &json!("allow")),
            "{args:?}"
        );
    }
    let (_, after) = world.json(&["alerts", "show", "emu:cxl1"]);
    assert_eq!(before["result"], after["result"]);
    let (_, poison) = world.json(&["poison", "list", "emu:cxl1"]);
    assert_eq!(poison["result"]["places"], json!([]));
}

#[test]
fn a_refusal_of_a_change_is_on_record_with_its_reason() {
    let world = World::new();
    let (status, document) = world.json(&["timestamp", "set", "emu:cxl1"]);
    assert_eq!((status, &document["result"]), (3, &json!(null)));
    let failed = &document["failed"];
    assert_eq!(failed["verdict"], "deny");
    assert_eq!(failed["reasons"][0]["code"], "kernel-owned-no-interface");
    assert!(failed["fix"].is_string());
    let record = failed["record"].as_u64().unwrap();
    let (_, audit) = world.json(&["audit", "tail"]);
    let found = audit["records"].as_array().unwrap().iter().find(|it| it["sequence"] == record);
    assert_eq!(found.unwrap()["body"]["verdict"], "deny");
}

#[test]
fn data_go_only_where_the_device_is_named_a_second_time() {
    let world = World::new();
    let record = |world: &World| world.json(&["audit", "tail", "-n", "1"]).1["records"][0].clone();
    world.run(&["poison", "inject", "emu:cxl1", "0x40"]);
    for confirmation in [None, Some("emu:cxl0"), Some("yes"), Some("")] {
        let mut args = vec!["sanitize", "emu:cxl1"];
        args.extend(confirmation.iter().flat_map(|name| ["--yes-destroy-data", name]));
        let (status, document) = world.json(&args);
        assert_eq!((status, &document["code"]), (2, &"not-confirmed".into()), "{confirmation:?}");
        // Nothing was decided on, let alone sent: the last record is that of the facts.
        assert_ne!(record(&world)["kind"], "decision");
    }
    let (_, list) = world.json(&["poison", "list", "emu:cxl1"]);
    assert_eq!(list["result"]["places"].as_array().unwrap().len(), 1);
    let args = ["sanitize", "emu:cxl1", "--yes-destroy-data", "emu:cxl1"];
    let (status, document) = world.json(&args);
    assert_eq!((status, &document["result"]["succeeded"]), (0, &json!(true)), "{document}");
    assert_eq!(steps(&document), [("0x4400", Some("cxl-sanitize"))]);
    let (_, list) = world.json(&["poison", "list", "emu:cxl1"]);
    assert_eq!(list["result"]["places"], json!([]));
}

#[test]
fn an_erase_that_outlasts_the_deadline_is_told_as_still_running() {
    let world = World::new();
    let args = ["sanitize", "emu:cxl1", "--yes-destroy-data", "emu:cxl1", "--timeout", "500ms"];
    let (status, document) = world.json(&args);
    assert_eq!((status, &document["failed"]["outcome"]["status"]), (6, &"running".into()));
    assert!(document["result"].is_null());
}

#[test]
fn a_long_value_is_set_as_one_command_and_read_back_in_parts() {
    let world = World::new();
    let value: Vec<u8> = (0..6000_u32).map(|at| (at % 251) as u8).collect();
    let place = world.path("value");
    std::fs::write(&place, &value).unwrap();
    let place = place.display().to_string();
    let (status, document) =
        world.json(&["features", "set", "emu:cxl0", LARGE, "--payload", &place]);
    assert_eq!(status, 0, "{document}");
    assert_eq!(steps(&document), [("0x0500", None), ("0x0502", None)]);
    // It holds from the next cold reset on, so what is read is the old one, whole.
    let run = world.run(&["features", "get", "emu:cxl0", LARGE, "-o", "raw"]);
    assert_eq!((run.status, run.stdout.len()), (0, 6000));
    let (_, document) = world.json(&["features", "get", "emu:cxl0", LARGE]);
    assert!(document["commands"].as_array().unwrap().len() > 1);
}

#[test]
fn labels_come_back_as_they_were_written() {
    let world = World::new();
    let (labels, read) = (world.path("labels"), world.path("read"));
    let bytes: Vec<u8> = (0..16_384_u32).map(|at| (at % 241) as u8).collect();
    std::fs::write(&labels, &bytes).unwrap();
    let (labels, read) = (labels.display().to_string(), read.display().to_string());
    for device in ["emu:cxl0", "emu:cxl1"] {
        let (status, document) = world.json(&["labels", "write", device, &labels]);
        assert_eq!((status, &document["code"]), (2, &"not-confirmed".into()));
        let args = ["labels", "write", device, &labels, "--yes-destroy-data", device];
        let (status, document) = world.json(&args);
        assert_eq!((status, &document["result"]["length"]), (0, &json!(16_384)), "{document}");
        let run = world.run(&["labels", "read", device, &read, "--force"]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_eq!(std::fs::read(&read).unwrap(), bytes);
    }
    // One byte more than the area has.
    std::fs::write(&labels, vec![0; 16_385]).unwrap();
    let (status, document) = world.json(&["labels", "write", "emu:cxl0", &labels]);
    assert_eq!((status, &document["code"]), (2, &"file-too-long".into()));
}

#[test]
fn a_device_in_another_language_is_refused_by_what_is_for_cxl_alone() {
    let world = World::new();
    for args in [
        &["events", "emu:nvme0"][..],
        &["features", "list", "emu:nvme0"],
        &["alerts", "show", "emu:nvme0"],
        &["timestamp", "show", "emu:nvme0"],
        &["shutdown-state", "show", "emu:nvme0"],
        &["partition", "show", "emu:nvme0"],
        &["scrub", "show", "emu:nvme0"],
        &["poison", "list", "emu:nvme0"],
        &["repair", "emu:nvme0", "--kind", "row"],
        &["sanitize", "emu:nvme0"],
        &["security", "emu:nvme0"],
        &["firmware", "cancel", "emu:nvme0"],
    ] {
        let (status, document) = world.json(args);
        assert_eq!((status, &document["code"]), (2, &"wrong-protocol".into()), "{args:?}");
    }
}

#[test]
fn a_device_that_answers_nonsense_ends_with_the_devices_status() {
    for (opcode, args) in [
        ("0x4200", &["health", "emu:cxl0"][..]),
        ("0x4300", &["poison", "list", "emu:cxl0"]),
        ("0x0100", &["events", "emu:cxl0"]),
        ("0x0200", &["firmware", "info", "emu:cxl0"]),
        ("0x4100", &["partition", "show", "emu:cxl0"]),
    ] {
        let world = World::new();
        let faults =
            format!(r#"{{"rules":[{{"opcode":"{opcode}","kind":{{"short":{{"bytes":3}}}}}}]}}"#);
        let output = world.command(args).env("FWGATE_EMU_FAULTS", &faults).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{args:?}: {text}");
        assert_eq!(output.stdout, b"", "{args:?}");
    }
}

#[test]
fn a_followed_log_shows_each_record_once() {
    let world = World::new();
    world.run(&["alerts", "set", "emu:cxl0", "--over-temperature", "40"]);
    let run = world.run(&["events", "emu:cxl0", "--follow", "--count", "2", "-o", "json"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let lines: Vec<Value> =
        run.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<(&Value, &Value)> =
        lines.iter().map(|line| (&line["log"], &line["handle"])).collect();
    assert_eq!(seen, [(&json!("information"), &json!(1)), (&json!("warning"), &json!(1))]);
    assert!(lines.iter().all(|line| line["schema"] == "fwgate.event/1"));
}

#[test]
fn outcomes_in_the_audit_say_which_command_they_belong_to() {
    let world = World::new();
    world.run(&["health", "emu:cxl0"]);
    let run = world.run(&["audit", "tail", "-n", "1"]);
    let row = run.text().lines().last().unwrap().to_owned();
    assert!(row.contains("emu:cxl0") && row.contains("0x4200 Get Health Info"), "{row}");
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `firmware update`: what is said of it is what can be read of the device afterwards.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fwgate_emulator::firmware::package;
use serde_json::json;

use crate::common::{Run, World};

/// An image of that revision in the world's folder.
fn image(world: &World, revision: &str, body: &[u8]) -> String {
    let place: PathBuf = world.path("image.bin");
    std::fs::write(&place, package(revision, body)).unwrap();
    place.display().to_string()
}

#[test]
fn an_update_of_a_device_that_nobody_drives_goes_in_parts_and_runs_at_once_where_asked() {
    let world = World::new();
    // Longer than the mailbox: several parts, one command, one record.
    let image = image(&world, "FWGT 3.0", &[7; 9000]);
    let args = ["firmware", "update", "emu:cxl0", &image, "--activate", "now"];
    let (status, document) = world.json(&args);
    assert_eq!(status, 0, "{document}");
    let result = &document["result"];
    assert_eq!(result["before"]["revisions"], json!(["FWGT 1.0", ""]));
    assert_eq!(result["after"]["active_slot"], 2);
    assert_eq!(result["running_changed"], true);
    assert_eq!(result["needs"], json!(null));
    let opcodes: Vec<&str> = document["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["opcode"].as_str().unwrap())
        .collect();
    assert_eq!(opcodes, ["0x0200", "0x0201", "0x0200", "0x0202", "0x0200"]);
    let (_, info) = world.json(&["firmware", "info", "emu:cxl0"]);
    assert_eq!(info["result"]["active_slot"], 2);
}

#[test]
fn an_update_of_a_device_that_the_kernel_drives_goes_by_its_loader_and_waits_for_a_reset() {
    let world = World::new();
    let image = image(&world, "FWGT 2.0", &[7; 200]);
    let (status, document) = world.json(&["firmware", "update", "emu:cxl1", &image]);
    assert_eq!(status, 0, "{document}");
    let commands = document["commands"].as_array().unwrap();
    let transfer = commands.iter().find(|step| step["opcode"] == "0x0201").unwrap();
    assert_eq!(transfer["interface"], "firmware-upload");
    assert_eq!(transfer["path"], "kernel-interface");
    let result = &document["result"];
    assert_eq!(result["running_changed"], false);
    assert_eq!(result["needs"], "a reset of the device");
    assert_eq!(result["after"]["staged_slot"], 2);
}

#[test]
fn an_update_after_which_nothing_can_be_seen_to_have_changed_is_not_called_done() {
    let world = World::new();
    let image = image(&world, "FWGT 2.0", &[7; 200]);
    let args = ["firmware", "update", "emu:cxl0", &image, "--activate", "never"];
    let (status, document) = world.json(&args);
    assert_eq!(status, 0, "{document}");
    let needs = document["result"]["needs"].as_str().unwrap();
    assert!(needs.starts_with("activation"), "{needs}");
    // The slot holds that very revision now.
    let (status, document) = world.json(&args);
    assert_eq!((status, &document["result"]["needs"]), (9, &json!(null)));
    assert_eq!(document["result"]["running_changed"], false);
    let run = world.run(&args);
    assert!(run.text().contains("Nothing that can be read"), "{}", run.text());
}

#[test]
fn what_the_device_refuses_ends_with_its_status_and_claims_nothing() {
    let world = World::new();
    let place = world.path("junk");
    std::fs::write(&place, [0xAB; 512]).unwrap();
    let junk = place.display().to_string();
    let (status, document) = world.json(&["firmware", "update", "emu:cxl0", &junk]);
    assert_eq!((status, &document["result"]), (5, &json!(null)));
    assert_eq!(document["failed"]["outcome"]["status"], "failed");
    // The kernel activates at the next reset only.
    let image = image(&world, "FWGT 2.0", &[7; 200]);
    let args = ["firmware", "update", "emu:cxl1", &image, "--activate", "now"];
    let (status, document) = world.json(&args);
    assert_eq!((status, &document["result"]), (4, &json!(null)));
    assert_eq!(document["failed"]["command"]["opcode"], "0x0202");
}

#[test]
fn a_dry_run_of_an_update_judges_both_commands_and_writes_nothing() {
    let world = World::new();
    let image = image(&world, "FWGT 2.0", &[7; 200]);
    let (status, document) = world.json(&["firmware", "update", "emu:cxl1", &image, "--dry-run"]);
    assert_eq!(
        (status, &document["result"], &document["dry_run"]),
        (0, &json!(null), &json!(true))
    );
    let (_, info) = world.json(&["firmware", "info", "emu:cxl1"]);
    assert_eq!(info["result"]["revisions"][1], "");
}

#[test]
fn ctrl_c_asks_for_the_end_and_does_not_leave_the_record_without_one() {
    let world = World::new();
    let image = image(&world, "FWGT 2.0", &[7; 200]);
    for (device, word) in
        [("emu:cxl0", "cannot be ended early here"), ("emu:cxl1", "asking the kernel to end it")]
    {
        let child = world
            .command(&["firmware", "update", device, &image, "--activate", "never"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The device checks the image for two seconds, in the background.
        std::thread::sleep(Duration::from_millis(700));
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let began = Instant::now();
        let run = Run::of(child.wait_with_output().unwrap());
        assert!(began.elapsed() < Duration::from_secs(20));
        assert_eq!(run.status, 0, "{device}: {}{}", run.text(), run.stderr);
        assert!(run.stderr.contains(word), "{device}: {}", run.stderr);
    }
    let (_, document) = world.json(&["audit", "tail", "-n", "100"]);
    let records = document["records"].as_array().unwrap();
    for decision in records.iter().filter(|it| it["kind"] == "decision") {
        let of = |it: &&serde_json::Value| it["decision"] == decision["sequence"];
        assert!(records.iter().any(|it| of(&it)), "{decision}");
    }
}

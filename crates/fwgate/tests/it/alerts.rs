// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device whose logs are not what they were is spoken of, once, and judged as it is now.

use crate::common::World;

#[test]
fn a_log_that_is_not_what_it_was_raises_an_alert_once() {
    let world = World::new();
    assert_eq!(world.run(&["info", "emu:cxl0"]).status, 0);
    let kept = world.state().join("known-logs/emu_3a_cxl0.json");
    let text = std::fs::read_to_string(&kept).unwrap();
    let digest = text.split('"').max_by_key(|word| word.len()).unwrap();
    assert_eq!(digest.len(), 64, "{text}");
    std::fs::write(&kept, text.replace(digest, &"0".repeat(64))).unwrap();
    let run = world.run(&["info", "emu:cxl0"]);
    assert_eq!(run.status, 0);
    assert!(
        run.stderr.contains("alert: emu:cxl0: its effects log or features changed"),
        "{}",
        run.stderr
    );
    let (_, audit) = world.json(&["audit", "tail", "-n", "50"]);
    assert!(audit.to_string().contains("its effects log or features changed"), "{audit}");
    assert!(!world.run(&["info", "emu:cxl0"]).stderr.contains("alert"));
}

#[test]
fn what_cannot_be_compared_is_an_alert_and_bars_nothing() {
    let world = World::new();
    assert_eq!(world.run(&["info", "emu:cxl0"]).status, 0);
    std::fs::write(world.state().join("known-logs/emu_3a_cxl0.json"), b"{").unwrap();
    let run = world.run(&["send", "emu:cxl0", "0xC000"]);
    assert_eq!(run.status, 0);
    assert!(run.stderr.contains("cannot be told"), "{}", run.stderr);
}

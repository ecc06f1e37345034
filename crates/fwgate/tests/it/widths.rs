// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables on a narrow terminal: they fit, and break no word.

use crate::common::World;

#[test]
fn tables_fit_eighty_columns_and_break_no_word() {
    let world = World::new();
    world.run(&["send", "emu:cxl0", "0xC003", "--scope", "debug-read"]);
    for args in [
        &["features", "list", "emu:cxl1"][..],
        &["effects", "emu:cxl0"],
        &["lint", "emu:cxl0"],
        &["logs", "list", "emu:cxl0"],
        &["audit", "tail", "-n", "12"],
        &["list", "--emulated"],
        &["info", "emu:cxl1"],
        &["events", "emu:cxl1"],
        &["doctor", "emu:cxl1"],
    ] {
        let wide = run(&world, args, "160");
        let narrow = run(&world, args, "80");
        for line in narrow.lines() {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
        }
        // A word may be broken after a hyphen, and nowhere else.
        for word in wide.split_whitespace().flat_map(|word| word.split_inclusive('-')) {
            assert!(narrow.contains(word), "{args:?}: `{word}` is broken in\n{narrow}");
        }
    }
}

fn run(world: &World, args: &[&str], columns: &str) -> String {
    let output = world.command(args).env("COLUMNS", columns).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Times and numbers of records differ between two runs.
    text.split_inclusive('\n').filter(|line| !line.contains("20")).collect()
}

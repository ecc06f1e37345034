// SPDX-License-Identifier: MIT OR Apache-2.0
//! Completions and manual pages come from the one definition of the command line.

use crate::common::World;

#[test]
fn every_shell_has_a_script_that_names_the_verbs() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = world.run(&["completions", shell]);
        assert_eq!(run.status, 0, "{shell}");
        for verb in ["explain", "audit", "tour"] {
            assert!(run.text().contains(verb), "{shell} {verb}");
        }
    }
}

#[test]
fn the_page_has_the_sections_that_users_look_for() {
    let world = World::new();
    let run = world.run(&["man"]);
    assert_eq!(run.status, 0);
    for title in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
        assert!(run.text().contains(title), "{title}");
    }
    let folder = world.path("man");
    let name = folder.display().to_string();
    assert_eq!(world.run(&["man", &name]).status, 0);
    let page = std::fs::read_to_string(folder.join("fwgate-explain.1")).unwrap();
    assert!(page.contains("fwgate explain emu:cxl0 0xC003"), "{page}");
}

#[test]
fn later_verbs_are_not_shown() {
    let run = World::new().run(&["--help"]);
    for verb in ["serve", "policy", "query", "run"] {
        assert!(!run.text().contains(&format!("  {verb} ")), "{verb}");
    }
}

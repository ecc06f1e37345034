// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tour: passes, prints the same every time, and leaves nothing behind.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::common::World;

#[test]
fn the_tour_passes_and_prints_the_same_twice() {
    let first = World::new().run(&["tour"]);
    let second = World::new().run(&["tour"]);
    assert_eq!(first.status, 0, "{}", first.text());
    assert_eq!(first.text(), second.text());
    assert_eq!(first.stderr, "");
}

#[test]
fn the_tour_tells_machines_which_steps_held() {
    let (status, document) = World::new().json(&["tour"]);
    assert_eq!((status, &document["ok"]), (0, &true.into()));
    assert_eq!(document["schema"], "fwgate.tour/1");
    let steps = document["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 11);
    for (number, step) in (1..).zip(steps) {
        assert_eq!(step["number"], number);
        assert_eq!((&step["ok"], step["failures"].as_array().unwrap().len()), (&true.into(), 0));
        assert!(!step["commands"].as_array().unwrap().is_empty());
    }
}

#[test]
fn the_tour_looks_at_nothing_of_the_user_and_leaves_nothing() {
    let world = World::new();
    let temporary = world.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let run = world
        .command(&["tour"])
        .env("TMPDIR", &temporary)
        .env("FWGATE_EMU_FAULTS", r#"{"rules":[{"kind":"gone"}]}"#)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stdout));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!world.state().exists());
}

#[test]
fn a_tour_that_is_kept_verifies_afterwards() {
    let world = World::new();
    let temporary = world.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let run = world.command(&["tour", "--keep"]).env("TMPDIR", &temporary).output().unwrap();
    assert_eq!(run.status.code(), Some(0));
    let kept = std::fs::read_dir(&temporary).unwrap().next().unwrap().unwrap().path();
    let verify = |name: &str| {
        let state = kept.join(name);
        world.command(&["audit", "verify"]).env("FWGATE_STATE_DIR", state).status().unwrap().code()
    };
    assert_eq!((verify("state"), verify("copy")), (Some(0), Some(9)));
}

#[test]
fn what_the_tour_types_ends_as_the_tour_says() {
    let (_, document) = World::new().json(&["tour"]);
    let world = World::new();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut ran = 0;
    for step in document["steps"].as_array().unwrap() {
        for command in step["commands"].as_array().unwrap() {
            let typed = command["typed"].as_str().unwrap();
            // The last one is about a copy that only the tour has.
            let Some(args) = typed.strip_prefix("fwgate ") else { continue };
            let args: Vec<&str> = args.split(' ').collect();
            let output = world.command(&args).current_dir(root).output().unwrap();
            assert_eq!(output.status.code().map(i64::from), command["status"].as_i64(), "{typed}");
            ran += 1;
        }
    }
    assert_eq!(ran, 15);
}

#[test]
fn colours_are_for_terminals() {
    let world = World::new();
    let output = world.command(&["tour"]).env_remove("NO_COLOR").output().unwrap();
    assert!(!output.stdout.contains(&0x1b), "standard output is a pipe here");
}

/// Runs the tour and interrupts it so long after its folder was made; how it ended.
fn interrupted_after(pause: Duration) -> ExitStatus {
    let world = World::new();
    let temporary = world.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut child = world
        .command(&["tour"])
        .env("TMPDIR", &temporary)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while std::fs::read_dir(&temporary).unwrap().count() == 0 && child.try_wait().unwrap().is_none()
    {
        assert!(Instant::now() < until, "no folder was made");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(pause);
    // It may have ended by itself: then there is nobody to interrupt.
    Command::new("kill").args(["-INT", &child.id().to_string()]).output().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "{status}");
    status
}

#[test]
fn ctrl_c_ends_the_tour_and_takes_its_folder_away() {
    // The handler comes right after the folder; a quick machine is through soon after that.
    let pauses = [20, 10, 5, 3, 20, 10, 5, 3].map(Duration::from_millis);
    let ends: Vec<ExitStatus> = pauses
        .into_iter()
        .map(interrupted_after)
        .inspect(|status| assert!(status.success() || status.signal() == Some(2), "{status}"))
        .collect();
    assert!(ends.iter().any(|status| status.signal() == Some(2)), "{ends:?}");
}

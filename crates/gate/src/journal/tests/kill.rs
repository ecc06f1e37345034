// SPDX-License-Identifier: MIT OR Apache-2.0
//! A killed process loses no record that it had appended.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

const FOLDER: &str = "FWGATE_JOURNAL_KILL_FOLDER";
const ROUNDS: u64 = 25;

/// Runs in the process that is killed: appends for ever, and says each number once `append` has returned.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let options = Options::default().segment_bytes(20_000);
    let journal = Journal::open(Path::new(&dir), options).unwrap();
    let mut out = std::io::stdout();
    for number in 0.. {
        let durability = if number % 50 == 0 { Durability::Synced } else { Durability::Grouped };
        let entry = journal.append(Kind::Decision, &body(number), durability).unwrap();
        writeln!(out, "appended {}", entry.sequence).unwrap();
    }
}

#[test]
fn a_killed_process_loses_no_record_that_it_had_appended() {
    let place = place();
    let name = std::thread::current().name().unwrap().to_owned();
    let child_name = format!("{}::child", name.rsplit_once("::").unwrap().0);
    let mut last = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &child_name, "--nocapture", "--test-threads=1"])
            .env(FOLDER, &place.dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A different number of records each round; then no warning.
        let mut wanted = 20 + round * 13;
        let mut note = |line: String| {
            if let Some((_, number)) = line.rsplit_once("appended ")
                && let Ok(number) = number.parse::<u64>()
            {
                assert!(number > last, "numbers go on: {number} after {last}");
                last = number;
                wanted = wanted.saturating_sub(1);
            }
            wanted == 0
        };
        for line in lines.by_ref() {
            if note(line.unwrap()) {
                break;
            }
        }
        child.kill().unwrap();
        // What it had still said before it died counts too, but for a line cut in the middle.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        for line in rest.iter().take(rest.len().saturating_sub(1)) {
            note(line.clone());
        }
        child.wait().unwrap();
        let report = place.verify();
        let torn = report.first_bad.as_ref().is_some_and(Bad::is_torn);
        assert!(report.is_clean() || torn, "{:?}", report.first_bad);
        assert!(report.head.sequence >= last, "said {last}, found {}", report.head.sequence);
    }
    drop(place.open());
    assert!(place.verify().is_clean());
    assert!(last > ROUNDS * 20);
}

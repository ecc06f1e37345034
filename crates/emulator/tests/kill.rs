// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGKILL at any moment loses no record of a command that was sent.
//!
//! Two children take turns at one journal and one device: while one sends all the while, from two
//! threads, the other waits for the lock. One of them is killed 200 times. The device writes every
//! command that it carries out to a list of its own, before the reply; at the end each command on
//! that list must have a decision on record that allowed it, and the journal must verify.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fwgate_emulator::{CxlDevice, EmulatedCxl, Options};
use fwgate_gate::journal::{self, Journal, Kind, Reader};
use fwgate_gate::{Caller, Firmware, Gate, InProcess, Message, NoKernel, Request};

const KILLS: usize = 200;
const FOLDER: &str = "FWGATE_TEST_KILL_FOLDER";
/// A read, a change after reset that is synced first, and another read.
const OPCODES: [u16; 3] = [0xC000, 0xC001, 0x4200];

/// Sends until it is killed.
fn send_all_the_while(folder: &Path) -> ! {
    let options = journal::Options::default().wait(Duration::from_secs(60));
    let journal = Journal::open(&folder.join("journal"), options).expect("the journal opens");
    let site = Arc::new(InProcess::owned_by(Caller::this_process().uid));
    let gate = Gate::new(Arc::new(journal), site, Arc::new(NoKernel));
    let device = EmulatedCxl::open(&folder.join("devices"), Options::cxl0()).expect("a device");
    let opened = gate.open(CxlDevice::new(device)).expect("facts");
    let caller = Arc::new(Caller::this_process());
    std::thread::scope(|scope| {
        for first in 0..2 {
            let (gate, opened, caller) = (&gate, &opened, &caller);
            scope.spawn(move || {
                for opcode in OPCODES.iter().cycle().skip(first) {
                    let payload = if *opcode == 0xC001 { vec![1, 0, 0, 0] } else { Vec::new() };
                    let request = Request {
                        route: Firmware,
                        message: Message::Cxl { opcode: *opcode, payload },
                        scope: None,
                        caller: Arc::clone(caller),
                        deadline: Duration::from_secs(10),
                    };
                    let sent = gate.send(opened, request, &mut |_| {}).expect("the gate works");
                    assert_eq!(sent.explanation.verdict, "allow");
                }
            });
        }
    });
    unreachable!("it sends for ever")
}

fn child(folder: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "a_kill_at_any_moment_loses_no_record_of_what_was_sent", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child")
}

fn executed(folder: &Path) -> u64 {
    lines(folder).len() as u64
}

/// What the device carried out: opcodes in order.
fn lines(folder: &Path) -> Vec<u16> {
    let mut opcodes = Vec::new();
    let mut names: Vec<_> = fs::read_dir(folder.join("devices"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".executed"))
        .collect();
    names.sort();
    names.reverse();
    for path in names {
        for line in fs::read_to_string(path).unwrap().lines() {
            // A line that a kill cut short is not one that was finished before the command ran.
            let mut words = line.split_whitespace();
            if let (Some(_), Some(opcode), Some(_)) = (words.next(), words.next(), words.next()) {
                opcodes.push(u16::from_str_radix(opcode.trim_start_matches("0x"), 16).unwrap());
            }
        }
    }
    opcodes
}

#[test]
fn a_kill_at_any_moment_loses_no_record_of_what_was_sent() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        send_all_the_while(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut children = [child(folder), child(folder)];
    let patience = Instant::now() + Duration::from_secs(240);
    let mut sent_before = 0;
    for kill in 0..KILLS {
        // Let something be sent between two kills, then kill a little later each time.
        while executed(folder) <= sent_before {
            assert!(Instant::now() < patience, "nothing is sent any more after {kill} kills");
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(37 * (kill as u64 % 101)));
        // The one that holds the journal is the one that sends; its pid is in the lock file.
        let holder = fs::read_to_string(folder.join("journal/lock")).unwrap_or_default();
        let holds = |child: &Child| holder.starts_with(&format!("{} ", child.id()));
        let victim = children.iter().position(holds).unwrap_or(kill % 2);
        children[victim].kill().unwrap();
        children[victim].wait().unwrap();
        sent_before = executed(folder);
        children[victim] = child(folder);
    }
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    // Opening cuts a torn tail, if the last kill left one; then all of it verifies.
    drop(Journal::open(&folder.join("journal"), journal::Options::default()).unwrap());
    let report = journal::verify(&folder.join("journal"), |_| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.first_bad);

    let mut decided: BTreeMap<u16, u64> = BTreeMap::new();
    let mut probed = 0u64;
    for record in Reader::open(&folder.join("journal")).unwrap() {
        let record = record.unwrap();
        match record.kind {
            Kind::Decision => {
                let body: serde_json::Value = serde_json::from_slice(&record.body).unwrap();
                assert_eq!(body["verdict"], "allow");
                let opcode = body["command"]["opcode"].as_str().unwrap();
                let opcode = u16::from_str_radix(opcode.trim_start_matches("0x"), 16).unwrap();
                *decided.entry(opcode).or_default() += 1;
            }
            Kind::Probe => probed += 1,
            _ => {}
        }
    }
    let ran = lines(folder);
    assert!(ran.len() > KILLS, "only {} commands ran", ran.len());
    assert!(probed > KILLS as u64 / 2, "{probed}");
    for opcode in OPCODES {
        let ran = ran.iter().filter(|it| **it == opcode).count() as u64;
        let recorded = decided.get(&opcode).copied().unwrap_or(0);
        assert!(ran > 0, "{opcode:04X} never ran");
        assert!(recorded >= ran, "{opcode:04X}: {ran} ran, {recorded} on record");
        // Nor is much recorded that never ran: at most what was under way at a kill.
        assert!(recorded - ran <= 2 * (KILLS as u64 + 2), "{opcode:04X}: {ran} of {recorded}");
    }
    println!("{KILLS} kills, {} commands ran, all on record", ran.len());
}

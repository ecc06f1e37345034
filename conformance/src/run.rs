// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of cases and streams, on one side or on both, told line by line.
//!
//! *Invariants*: every case and every stream ends in one line, `ok NAME` or `FAIL NAME: why`; a difference is told with
//! its seed, its place in the stream and the smallest call that still shows it.

use std::collections::BTreeMap;

use fwgate_gate::abi::Errno;

use crate::call::{Call, Node, Outcome};
use crate::cases::cases;
use crate::compare::Pair;
use crate::expect::{Expected, expected};
use crate::memory::{BASE, BIG, BIG_LENGTH, Own, SMALL, offset};
use crate::ours::{Ours, System};
use crate::stream::Stream;
use crate::twin::Setting;

/// After so many differences a stream is given up.
const ENOUGH: usize = 10;

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Lines that say `ok`.
    pub passed: u64,
    /// Lines that say `FAIL`.
    pub failed: u64,
    /// Ioctls that were made, on each side.
    pub ioctls: u64,
    /// Ioctls that would not have been safe.
    pub not_made: u64,
    /// How often each row of the tables decided.
    pub rows: BTreeMap<&'static str, u64>,
    /// How often each value was returned.
    pub returned: BTreeMap<i32, u64>,
}

impl Report {
    /// Takes in another.
    pub fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ioctls += other.ioctls;
        self.not_made += other.not_made;
        for (name, count) in &other.rows {
            *self.rows.entry(name).or_default() += count;
        }
        for (value, count) in &other.returned {
            *self.returned.entry(*value).or_default() += count;
        }
    }

    fn tell(&mut self, of: &str, name: &str, found: Option<&str>) {
        // A colon ends the name.
        let name = format!("{of} {name}").replace(": ", ", ");
        match found {
            None => {
                self.passed += 1;
                println!("ok {name}");
            }
            Some(why) => {
                self.failed += 1;
                println!("FAIL {name}: {why}");
            }
        }
    }

    fn count(&mut self, outcome: &Outcome) {
        self.ioctls += 1;
        let value = outcome.returned.unwrap_or_else(|errno| -errno);
        *self.returned.entry(value).or_default() += 1;
    }
}

/// The cases on one side, held against what they ask for.
pub fn cases_alone(of: &str, system: &mut dyn System, setting: &Setting) -> Report {
    let mut report = Report::default();
    for case in cases(setting) {
        let outcome = system.ioctl(&case.call);
        report.count(&outcome);
        let found = case.fails(&outcome, setting.marks.fwctl);
        report.tell(of, &case.name, found.as_deref());
    }
    report
}

/// The cases on both, held against what they ask for and against each other.
pub fn cases_both(of: &str, pair: &mut Pair) -> Report {
    let mut report = Report::default();
    let setting = pair.ours.twin.setting.clone();
    for case in cases(&setting) {
        let Some((theirs, ours, found)) = pair.run(&case.call) else {
            report.tell(of, &case.name, Some("was not made: it is not safe"));
            continue;
        };
        report.count(&theirs);
        let told = |side, why: Option<String>| why.map(|why| format!("{side}: {why}"));
        let found = told("theirs", case.fails(&theirs, setting.marks.fwctl))
            .or_else(|| told("ours", case.fails(&ours, setting.marks.fwctl)))
            .or(found)
            .map(|why| format!("{why}; {:?}", case.call));
        report.tell(of, &case.name, found.as_deref());
    }
    report
}

/// The same stream to both.
pub fn stream_both(of: &str, pair: &mut Pair, seed: u64, count: u64) -> Report {
    let mut report = Report::default();
    let setting = pair.ours.twin.setting.clone();
    let not_made = pair.not_made;
    println!("# {of}: seed {seed}");
    let mut found = Vec::new();
    for (at, call) in Stream::new(seed, &setting).enumerate() {
        if report.ioctls >= count || found.len() >= ENOUGH {
            break;
        }
        let foretold = expected(&call, pair.ours.prepare(&call), &setting);
        let Some((theirs, _, differs)) = pair.run(&call) else { continue };
        report.count(&theirs);
        count_row(&mut report, foretold);
        let differs = differs.or_else(|| {
            contradicts(&call, &theirs, foretold).map(|why| format!("the table: {why}"))
        });
        if let Some(why) = differs {
            println!("# seed {seed} index {at}: {why}");
            println!("#   {call:?}");
            println!("#   least: {:?}", pair.minimise(&call));
            found.push(format!("seed {seed} index {at}: {why}"));
        }
    }
    report.not_made = pair.not_made - not_made;
    let name = format!("stream of {count} ioctls, theirs and ours alike");
    let why = (!found.is_empty()).then(|| format!("{} differ, {}", found.len(), found.join("; ")));
    report.tell(of, &name, why.as_deref());
    report
}

/// A stream to one side, held against the tables.
pub fn stream_alone(
    of: &str,
    system: &mut dyn System,
    refuses: &dyn Fn(&Call, &Own) -> bool,
    setting: &Setting,
    seed: u64,
    count: u64,
) -> Report {
    let mut report = Report::default();
    let mut memory = Ours::new(setting.clone());
    println!("# {of}: seed {seed}");
    let mut found = Vec::new();
    for (at, call) in Stream::new(seed, setting).enumerate() {
        if report.ioctls >= count || found.len() >= ENOUGH {
            break;
        }
        let before = memory.prepare(&call);
        if refuses(&call, before) {
            report.not_made += 1;
            continue;
        }
        let foretold = expected(&call, before, setting);
        let outcome = system.ioctl(&call);
        report.count(&outcome);
        count_row(&mut report, foretold);
        let untouched = matches!(foretold, Expected::Errno(..));
        let why = contradicts(&call, &outcome, foretold)
            .or_else(|| touched(before, &outcome).filter(|_| untouched));
        if let Some(why) = why {
            println!("# seed {seed} index {at}: {why}");
            println!("#   {call:?}");
            found.push(format!("seed {seed} index {at}: {why}"));
        }
    }
    let name = format!("stream of {count} ioctls, as the tables say");
    let why = (!found.is_empty()).then(|| format!("{} differ, {}", found.len(), found.join("; ")));
    report.tell(of, &name, why.as_deref());
    report
}

fn count_row(report: &mut Report, foretold: Expected) {
    let name = match foretold {
        Expected::Errno(name, _) => name,
        Expected::Kernel => "the kernel answers",
        Expected::Device => "the device answers",
    };
    *report.rows.entry(name).or_default() += 1;
}

/// Why an outcome is not what the tables foretell.
fn contradicts(call: &Call, outcome: &Outcome, foretold: Expected) -> Option<String> {
    let fault = Errno::FAULT.raw_os_error();
    let fits = match foretold {
        Expected::Errno(_, errno) => outcome.returned == Err(errno.raw_os_error()),
        Expected::Kernel => matches!(outcome.returned, Ok(0)) || outcome.returned == Err(fault),
        Expected::Device => match (call.node, outcome.returned) {
            (_, Ok(value)) => value == 0,
            (_, Err(errno)) if errno == fault => true,
            // The transport's errnos, and the mock's.
            (Node::Memdev, Err(errno)) => [Errno::INVAL, Errno::IO, Errno::TIMEDOUT]
                .iter()
                .any(|it| it.raw_os_error() == errno),
            (Node::Fwctl, Err(_)) => false,
        },
    };
    (!fits).then(|| format!("{foretold:?}, and it returned {:?}", outcome.returned))
}

/// What was written although nothing should have been.
fn touched(before: &Own, outcome: &Outcome) -> Option<String> {
    let bytes = before.bytes();
    let big = offset(BIG).and_then(|from| bytes.get(from..from + BIG_LENGTH));
    let parts = [
        (BASE, &bytes[..SMALL], Some(outcome.small.as_slice())),
        (BIG, big?, outcome.big.as_deref()),
    ];
    for (base, before, after) in parts {
        let Some(after) = after.filter(|after| *after != before) else { continue };
        if let Some(at) = before.iter().zip(after).position(|(a, b)| a != b) {
            return Some(format!("refused, and byte {:#x} was written", base + at as u64));
        }
    }
    None
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks a whole journal and names the first bad record.
//!
//! Input is not trusted. Runs beside a writer without disturbing it.
//!
//! *Invariants*: the head file is read before the segments, so what it names must be found in them; memory is
//! bounded whatever the size of the journal.
//!
//! *Not here*: repairing anything; the exit status (9 for every finding, the command line's).

use std::path::Path;
use std::sync::Arc;

use super::error::{Bad, JournalError, What};
use super::folder::{Folder, HEAD, KEY};
use super::format::Head;
use super::reader::{Event, Scan};
use super::recover;

/// Longer than any head file.
const HEAD_LEN: u64 = 4096;
/// Records between two calls of the progress function.
const STRIDE: u64 = 4096;

/// How far [`verify`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records checked.
    pub records: u64,
    /// Segment that is being read.
    pub segment: u64,
    /// Offset in it, in bytes.
    pub offset: u64,
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Records that verify, up to the first bad place.
    pub records: u64,
    /// Segments that were read, the last one perhaps in part.
    pub segments: u64,
    /// The first bad place; `None` for a journal that verifies.
    pub first_bad: Option<Bad>,
    /// The place up to which everything verifies. To be compared with what the system log holds.
    pub head: Head,
    /// What the head file says; at most about a second behind while a writer lives.
    pub recorded: Option<Head>,
    /// A writer was in the middle of its next record.
    pub growing: bool,
}

impl Report {
    /// True when nothing was found.
    pub fn is_clean(&self) -> bool {
        self.first_bad.is_none()
    }
}

/// Checks every byte of every segment of the journal in `dir`, and the head file against them.
///
/// What is wrong with the journal is in the report. An error means that the check itself failed: no journal
/// there, a file that cannot be read, a symbolic link where a file belongs.
pub fn verify(dir: &Path, mut progress: impl FnMut(Progress)) -> Result<Report, JournalError> {
    let folder = Arc::new(Folder::for_reading(dir)?);
    let recorded = read_head(&folder)?;
    if folder.highest_segment()?.is_none()
        && matches!(recorded, Ok(None))
        && folder.open_read(KEY)?.is_none()
    {
        return Err(JournalError::Absent { path: folder.path().to_owned() });
    }
    let mut scan = Scan::new(Arc::clone(&folder), 1);
    let mut report = Report {
        records: 0,
        segments: 0,
        first_bad: None,
        head: Head::START,
        recorded: recorded.clone().unwrap_or_default(),
        growing: false,
    };
    let outcome = walk(&mut scan, &mut report, &mut progress);
    report.head = scan.head();
    report.growing = scan.growing();
    report.segments = report.head.segment;
    match outcome {
        Ok(()) => {}
        Err(JournalError::Damaged { bad, .. }) => {
            report.first_bad = Some(against_head(bad, &report));
        }
        Err(error) => return Err(error),
    }
    if report.first_bad.is_none() {
        let what = match recorded {
            Ok(Some(_)) => None,
            Ok(None) if report.records == 0 => None,
            Ok(None) => Some(What::HeadMissing),
            Err(why) => Some(What::HeadUnreadable { why }),
        };
        report.first_bad = what.map(|what| here(&report.head, what));
    }
    if report.first_bad.is_none() && report.records > 0 {
        report.first_bad = key_of_records(&folder)?;
    }
    Ok(report)
}

/// What is wrong with the key beside records: opening would refuse it, so the check finds it too.
/// That it is another key than the records were made with cannot be seen.
fn key_of_records(folder: &Folder) -> Result<Option<Bad>, JournalError> {
    match recover::key_beside_records(folder) {
        Ok(()) => Ok(None),
        Err(JournalError::Damaged { bad, .. }) => Ok(Some(bad)),
        Err(error) => Err(error),
    }
}

fn walk(
    scan: &mut Scan,
    report: &mut Report,
    progress: &mut impl FnMut(Progress),
) -> Result<(), JournalError> {
    let mut named = report.recorded;
    while let Some(event) = scan.next()? {
        compare(&mut named, scan)?;
        if let Event::Record(_) = event {
            report.records = report.records.saturating_add(1);
            if report.records.is_multiple_of(STRIDE) {
                progress(so_far(report, scan));
            }
        }
    }
    progress(so_far(report, scan));
    match named {
        None => Ok(()),
        Some(recorded) => Err(scan.bad(behind(&recorded))),
    }
}

fn so_far(report: &Report, scan: &Scan) -> Progress {
    let head = scan.head();
    Progress { records: report.records, segment: head.segment, offset: head.offset }
}

/// Takes the head file's place off the list once the scan has come to it and both agree.
fn compare(named: &mut Option<Head>, scan: &Scan) -> Result<(), JournalError> {
    let head = scan.head();
    match named {
        Some(recorded) if *recorded == head => *named = None,
        Some(recorded) if recorded.position() <= head.position() => {
            return Err(scan.bad(What::HeadDisagrees { sequence: recorded.sequence }));
        }
        _ => {}
    }
    Ok(())
}

/// A tail below the place that the head file names was whole once: it was cut, not torn.
fn against_head(bad: Bad, report: &Report) -> Bad {
    match report.recorded {
        Some(recorded) if bad.is_torn() && report.head.position() < recorded.position() => {
            Bad { what: behind(&recorded), ..bad }
        }
        _ => bad,
    }
}

fn behind(recorded: &Head) -> What {
    What::BehindHead {
        sequence: recorded.sequence,
        segment: recorded.segment,
        offset: recorded.offset,
    }
}

fn here(head: &Head, what: What) -> Bad {
    Bad {
        segment: head.segment,
        offset: head.offset,
        sequence: head.sequence.saturating_add(1),
        what,
    }
}

/// The head file: `Ok(None)` where there is none, the inner error where it is not one.
pub(super) fn read_head(folder: &Folder) -> Result<Result<Option<Head>, String>, JournalError> {
    Ok(match folder.read_small(HEAD, HEAD_LEN)? {
        None => Ok(None),
        Some(bytes) => Head::from_file(&bytes).map(Some),
    })
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opens a journal's folder to append to it: finds the end, and deals with what a crash left there.
//!
//! Input is not trusted: what does not verify is refused, not repaired.
//!
//! *Invariants*
//! - Nothing is appended to a journal whose end does not follow from its head file.
//! - A torn tail is cut off only when the whole segment before it verifies, and only after its bytes are on the
//!   disk under another name.
//! - From an orderly end, only what was written after the head file is read again; `verify` reads all.
//!
//! *Not here*: the note about a torn tail (`writer` appends it).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::error::{Bad, JournalError, What};
use super::folder::{Folder, KEY, segment_name};
use super::format::Head;
use super::reader::missing;
use super::verify::read_head;
use super::walk::{Bytes, Step, WalkError, Walker};

/// A secret of this journal, for digests that nobody else can compute or compare.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// Names tried for one torn tail.
const NAMES: u32 = 1000;

/// Where an existing journal goes on.
#[derive(Debug)]
pub(super) struct Found {
    /// The end of what verifies; all of it is on the disk.
    pub(super) head: Head,
    /// What the head file says.
    pub(super) recorded: Option<Head>,
    /// The last segment, opened for appending.
    pub(super) segment: File,
    pub(super) torn: Option<Torn>,
}

/// A torn tail that was cut off.
#[derive(Debug)]
pub(super) struct Torn {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// The file that keeps its bytes.
    pub(super) name: String,
}

/// Finds the end of the journal in a folder that is locked; `None` for a folder without one.
pub(super) fn recover(folder: &Arc<Folder>) -> Result<Option<Found>, JournalError> {
    let damaged = |bad| JournalError::Damaged { path: folder.path().to_owned(), bad };
    let highest = folder.highest_segment()?;
    let recorded = match read_head(folder)? {
        Ok(recorded) => recorded,
        Err(why) => {
            let what = What::HeadUnreadable { why };
            return Err(damaged(Bad { segment: 0, offset: 0, sequence: 0, what }));
        }
    };
    let (mut walker, highest) = match (recorded, highest) {
        (None, None) => return Ok(None),
        (Some(head), None) => return Err(damaged(missing(head.segment, None))),
        (Some(head), Some(highest)) => (resume(folder, &head)?, highest),
        (None, Some(highest)) => (untouched(folder)?, highest),
    };
    let mut torn = None;
    loop {
        let head = *walker.head();
        let step = walker.step().map_err(|error| failed(folder, head.segment, error))?;
        match step {
            Step::Record(_) => {}
            Step::End if head.segment >= highest => break,
            Step::End if head.closed => {
                let next = head.segment.saturating_add(1);
                let bytes = open(folder, next, Some(&head))?;
                walker = Walker::begin(bytes, next, Some(&head))
                    .map_err(|error| failed(folder, next, error))?;
            }
            Step::Tail(bytes) if head.segment == highest => {
                torn = Some(keep(folder, &head, bytes)?);
                break;
            }
            Step::End | Step::Tail(_) => return Err(damaged(walker.bad_here(What::NoRotate))),
        }
    }
    let head = *walker.head();
    let segment = folder.open_append(&segment_name(head.segment))?;
    if let Some(torn) = &torn {
        cut(folder, &segment, &head, torn)?;
    }
    if torn.is_some() || recorded.is_none_or(|recorded| recorded.position() < head.position()) {
        // A killed process may have left records that are not on the disk yet.
        segment.sync_all().map_err(|source| io_error(folder, "sync", head.segment, source))?;
    }
    Ok(Some(Found { head, recorded, segment, torn }))
}

/// The journal's key. Made at the beginning of a journal; later on its absence is an error, since a new one
/// would silently part the old digests from the new.
pub(super) fn key(folder: &Folder) -> Result<Key, JournalError> {
    let mut key = Key::new([0; 32]);
    let unusable = |why: String| JournalError::Damaged {
        path: folder.path().to_owned(),
        bad: Bad { segment: 0, offset: 0, sequence: 0, what: What::Key { why } },
    };
    if let Some(mut file) = folder.open_secret(KEY)? {
        let mut more = [0; 1];
        let read = file.read_exact(key.as_mut_slice()).and_then(|()| file.read(&mut more));
        return match read {
            Ok(0) => Ok(key),
            Ok(_) => Err(unusable("32 bytes expected, more found".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(unusable("32 bytes expected, fewer found".to_owned()))
            }
            Err(source) => {
                Err(JournalError::Io { action: "read", path: folder.path_of(KEY), source })
            }
        };
    }
    if folder.highest_segment()?.is_some() {
        return Err(unusable("it is missing beside records that were made with it".to_owned()));
    }
    random(&mut key).map_err(|source| JournalError::Io {
        action: "draw random bytes for",
        path: folder.path_of(KEY),
        source,
    })?;
    folder.make(KEY, key.as_slice())?;
    Ok(key)
}

/// Looks at the key as opening does, but for whose it is: who checks a journal need not own it.
pub(super) fn key_beside_records(folder: &Folder) -> Result<(), JournalError> {
    let why = match folder.open_read(KEY)? {
        None => "it is missing beside records that were made with it".to_owned(),
        Some(file) => {
            let meta = file.metadata().map_err(|source| JournalError::Io {
                action: "look at",
                path: folder.path_of(KEY),
                source,
            })?;
            let mode = meta.permissions().mode() & 0o7777;
            if meta.len() != 32 {
                format!("32 bytes expected, {} found", meta.len())
            } else if mode & 0o077 != 0 {
                format!("others may open it (mode {mode:04o}); make it 0600")
            } else {
                return Ok(());
            }
        }
    };
    Err(JournalError::Damaged {
        path: folder.path().to_owned(),
        bad: Bad { segment: 0, offset: 0, sequence: 0, what: What::Key { why } },
    })
}

/// Fills a key from the kernel's generator.
pub(super) fn random(key: &mut Key) -> io::Result<()> {
    let mut filled = 0;
    while let Some(room) = key.get_mut(filled..).filter(|room| !room.is_empty()) {
        let count = rustix::rand::getrandom(room, rustix::rand::GetRandomFlags::empty())?;
        filled = filled.saturating_add(count);
    }
    Ok(())
}

fn resume(folder: &Folder, head: &Head) -> Result<Walker, JournalError> {
    let bytes = open(folder, head.segment, Some(head))?;
    Walker::resume(bytes, head).map_err(|error| failed(folder, head.segment, error))
}

/// A journal without a head file: good only if the process that began it died before its first record.
fn untouched(folder: &Folder) -> Result<Walker, JournalError> {
    let bytes = open(folder, 1, None)?;
    let mut walker =
        Walker::begin(bytes, 1, Some(&Head::START)).map_err(|error| failed(folder, 1, error))?;
    match walker.step().map_err(|error| failed(folder, 1, error))? {
        Step::End => Ok(walker),
        Step::Record(_) | Step::Tail(_) => Err(JournalError::Damaged {
            path: folder.path().to_owned(),
            bad: walker.bad_here(What::HeadMissing),
        }),
    }
}

/// Keeps a torn tail under a name of its own, after checking the segment up to it from its first byte.
fn keep(folder: &Folder, head: &Head, bytes: u64) -> Result<Torn, JournalError> {
    let from_start = open(folder, head.segment, None)?;
    let mut walker = Walker::begin(from_start, head.segment, None)
        .map_err(|error| failed(folder, head.segment, error))?;
    while walker.head().position() < head.position() {
        match walker.step().map_err(|error| failed(folder, head.segment, error))? {
            Step::Record(_) => {}
            Step::End | Step::Tail(_) => break,
        }
    }
    if walker.head() != head {
        let what = What::HeadDisagrees { sequence: head.sequence };
        let bad = walker.bad_here(what);
        return Err(JournalError::Damaged { path: folder.path().to_owned(), bad });
    }
    let mut tail = vec![0; usize::try_from(bytes).unwrap_or_default()];
    let Some(file) = folder.open_read(&segment_name(head.segment))? else {
        return Err(JournalError::Damaged {
            path: folder.path().to_owned(),
            bad: missing(head.segment, Some(head)),
        });
    };
    file.read_exact_at(&mut tail, head.offset)
        .map_err(|source| io_error(folder, "read", head.segment, source))?;
    for attempt in 0..NAMES {
        let again = if attempt == 0 { String::new() } else { format!("-{attempt}") };
        let name = format!("torn-{:08}-{}{again}.bin", head.segment, head.offset);
        match folder.read_small(&name, bytes)? {
            None => {
                folder.make(&name, &tail)?;
            }
            // Kept already, by a process that died before it could cut.
            Some(kept) if kept == tail => {}
            Some(_) => continue,
        }
        return Ok(Torn { segment: head.segment, offset: head.offset, bytes, name });
    }
    Err(JournalError::Unsafe {
        path: folder.path().to_owned(),
        why: format!("{NAMES} torn tails of segment {} are kept in it", head.segment),
    })
}

fn cut(folder: &Folder, segment: &File, head: &Head, torn: &Torn) -> Result<(), JournalError> {
    let length = segment.metadata().map(|data| data.len());
    let failed = |source| io_error(folder, "cut", head.segment, source);
    if length.map_err(failed)? != head.offset.saturating_add(torn.bytes) {
        return Err(failed(io::Error::other("its length changed")));
    }
    segment.set_len(head.offset).map_err(failed)
}

fn open(folder: &Folder, segment: u64, follows: Option<&Head>) -> Result<Bytes, JournalError> {
    folder.open_read(&segment_name(segment))?.map(Bytes::File).ok_or_else(|| {
        JournalError::Damaged { path: folder.path().to_owned(), bad: missing(segment, follows) }
    })
}

fn failed(folder: &Folder, segment: u64, error: WalkError) -> JournalError {
    match error {
        WalkError::Bad(bad) => JournalError::Damaged { path: folder.path().to_owned(), bad },
        WalkError::Io(source) => io_error(folder, "read", segment, source),
    }
}

fn io_error(
    folder: &Folder,
    action: &'static str,
    segment: u64,
    source: io::Error,
) -> JournalError {
    let path: PathBuf = folder.path_of(&segment_name(segment));
    JournalError::Io { action, path, source }
}

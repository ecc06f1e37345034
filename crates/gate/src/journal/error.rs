// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong with a journal, and where in it.
//!
//! Holds bytes of hostile origin only as numbers, or as text that has been cleaned.
//!
//! *Not here*: exit statuses (the command line's).

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a journal could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The host refused an operation on a file (full disk, read-only, no permission).
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A folder or file that somebody else could have put there, or could change.
    #[error("`{}` is not safe for a journal: {why}", .path.display())]
    Unsafe {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// Another process writes this journal.
    #[error("the journal in `{}` is held by {holder}", .path.display())]
    Held {
        /// The folder.
        path: PathBuf,
        /// Process id and program name as the holder wrote them, or `an unnamed process`.
        holder: String,
    },
    /// The folder holds no journal.
    #[error("no journal in `{}`", .path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// The journal does not verify. Nothing is appended to it; to go on, move the folder aside.
    #[error("the journal in `{}` does not verify: {bad}", .path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// The first bad place.
        bad: Bad,
    },
    /// The caller's record cannot be taken.
    #[error("record refused: {why}")]
    Record {
        /// Expected and found.
        why: String,
    },
    /// An earlier failure left it unknown what is on the disk: no record is taken any more.
    #[error("the journal takes no more records: {reason}")]
    Stopped {
        /// The failure.
        reason: String,
    },
}

/// The first place in a journal that does not verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Number of the segment.
    pub segment: u64,
    /// Offset in bytes from the start of that segment at which the bad header or record begins.
    pub offset: u64,
    /// Sequence number that the record there has to have.
    pub sequence: u64,
    /// What is wrong.
    pub what: What,
}

impl Bad {
    /// True for a partly written last record, as a power cut leaves it; false for everything that needs a hand.
    pub fn is_torn(&self) -> bool {
        matches!(self.what, What::Torn { .. })
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "segment {} offset {} record {}: {}",
            self.segment, self.offset, self.sequence, self.what
        )
    }
}

/// What is wrong at a place in a journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum What {
    /// The file ends inside the segment header.
    #[error("segment header of 104 bytes expected, {found} found")]
    HeaderShort {
        /// Bytes in the file.
        found: u64,
    },
    /// The first eight bytes are not `FWGATEJ1`.
    #[error("not a journal segment: wrong magic")]
    HeaderMagic,
    /// A number in the segment header is not what it has to be.
    #[error("segment header: {field} {expected} expected, {found} found")]
    HeaderField {
        /// Which field.
        field: &'static str,
        /// The value it has to have.
        expected: u64,
        /// The value that is there.
        found: u64,
    },
    /// The segment header does not carry the hash of the last record before it.
    #[error("segment header does not follow from the segment before")]
    HeaderLink,
    /// The hash at the end of the segment header is not the header's.
    #[error("segment header does not match its hash")]
    HeaderHash,
    /// No record begins here.
    #[error("record marker expected, {found:#010x} found")]
    Marker {
        /// The four bytes that are there, as a little-endian number.
        found: u32,
    },
    /// The body's length is out of bounds.
    #[error("body of at most 65536 bytes expected, {found} found")]
    Length {
        /// Length that the record claims.
        found: u32,
    },
    /// The segment ends before the record does, and not as a torn record would.
    #[error("record of {expected} bytes expected, {found} left in the segment")]
    Short {
        /// Bytes that the record claims.
        expected: u64,
        /// Bytes up to the end of the file.
        found: u64,
    },
    /// A record was removed, repeated or moved.
    #[error("sequence number {found} found")]
    Sequence {
        /// The number that is there.
        found: u64,
    },
    /// A kind that this version does not know.
    #[error("unknown kind {found}")]
    Kind {
        /// The number that is there.
        found: u8,
    },
    /// Bytes that have to be zero are not.
    #[error("reserved bytes are not zero")]
    Reserved,
    /// The record names a decision that cannot be: none, a later one, or any for a kind that names none.
    #[error("names record {found} as its decision")]
    Names {
        /// The sequence number that is there.
        found: u64,
    },
    /// The record does not match its hash.
    #[error("record does not match its hash")]
    Hash,
    /// The last record is partly written.
    #[error("torn tail of {bytes} bytes after the last whole record")]
    Torn {
        /// Bytes after the last whole record.
        bytes: u64,
    },
    /// Bytes follow the record that closes the segment.
    #[error("bytes after the record that closes the segment")]
    AfterRotate,
    /// A later segment exists, but this one was not closed.
    #[error("segment ends without the record that closes it, but a later segment exists")]
    NoRotate,
    /// A segment is not there.
    #[error("segment is missing")]
    SegmentMissing,
    /// There are records, but no head file.
    #[error("head file is missing")]
    HeadMissing,
    /// The head file is not one.
    #[error("head file is unreadable: {why}")]
    HeadUnreadable {
        /// Expected and found.
        why: String,
    },
    /// The journal ends before the place that the head file names: it was cut.
    #[error(
        "journal was cut: head names record {sequence} in segment {segment} up to offset {offset}"
    )]
    BehindHead {
        /// Sequence number in the head file.
        sequence: u64,
        /// Segment in the head file.
        segment: u64,
        /// Offset in the head file.
        offset: u64,
    },
    /// The journal and the head file differ on the record that the head file names.
    #[error("head file names another record here (number {sequence})")]
    HeadDisagrees {
        /// Sequence number in the head file.
        sequence: u64,
    },
    /// The key of the digests is missing or has the wrong size.
    #[error("key file is unusable: {why}")]
    Key {
        /// Expected and found.
        why: String,
    },
}

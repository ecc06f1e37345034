// SPDX-License-Identifier: MIT OR Apache-2.0
//! Format 1 is frozen: the bytes in `tests/golden/journal-v1.fwj` were made by another program, from the
//! description in `docs/adr/0003-journal-format.md`. A failure here means that the code is wrong.

use super::*;

const TIME: u64 = 1_790_000_000_000_000_000;

fn golden() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-v1.fwj");
    fs::read(path).unwrap()
}

fn content() -> [(Kind, &'static str); 7] {
    [
        (Kind::Probe, r#"{"device":"emu:cxl0","probe":"supported-logs"}"#),
        (Kind::Decision, r#"{"device":"emu:cxl0","opcode":"0xC000","verdict":"allow"}"#),
        (Kind::Outcome { decision: 2 }, r#"{"return_code":0,"status":"done"}"#),
        (Kind::Decision, r#"{"opcode":"0xC003","verdict":"deny","who":"Zoë"}"#),
        (Kind::Head, r#"{"note":"hello"}"#),
        (Kind::Decision, "{}"),
        (Kind::Rotate, r#"{"next":2}"#),
    ]
}

#[test]
fn the_golden_segment_is_read_as_it_was_meant() {
    let records: Vec<_> = Reader::over(&golden()).map(Result::unwrap).collect();
    assert_eq!(records.len(), 7);
    for ((record, (kind, body)), sequence) in records.iter().zip(content()).zip(1..) {
        assert_eq!((record.sequence, record.time, record.kind), (sequence, TIME, kind));
        assert_eq!(std::str::from_utf8(&record.body).unwrap(), body);
    }
}

#[test]
fn the_same_records_are_written_as_the_golden_segment() {
    let place = place();
    let mut options = Options::default().segment_bytes(800);
    options.clock = || TIME;
    let journal = Journal::open(&place.dir, options).unwrap();
    for (kind, body) in &content()[..6] {
        journal.append(*kind, body.as_bytes(), Durability::Grouped).unwrap();
    }
    // One more than fits: the journal closes the segment by itself.
    journal.append(Kind::Probe, b"{}", Durability::Synced).unwrap();
    assert_eq!(journal.head().segment, 2);
    assert_eq!(place.bytes(), golden());
}

#[test]
fn the_golden_head_file_is_read_and_written() {
    let head = Head { sequence: 7, segment: 1, offset: 820, hash: [0xAB; 32], closed: true };
    let text = concat!(
        r#"{"version":1,"sequence":7,"segment":1,"offset":820,"hash":""#,
        "abababababababababababababababababababababababababababababababab",
        r#"","closed":true,"check":""#,
        "874bc8c62c3fb37ce66cc09da3658eaa00b7ff7d643ce246eb7d8093dc470849",
        "\"}\n"
    );
    assert_eq!(String::from_utf8(head.to_file()).unwrap(), text);
    assert_eq!(Head::from_file(text.as_bytes()), Ok(head));
    let later = text.replace("\"version\":1", "\"version\":2");
    assert_eq!(Head::from_file(later.as_bytes()), Err("version 1 expected, 2 found".to_owned()));
    assert_eq!(
        head.to_string(),
        "sequence=7 segment=1 offset=820 hash=\
         abababababababababababababababababababababababababababababababab"
    );
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as a journal: an error that names the place, or records that verify; never a panic.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::format::Frame;
use super::*;

fn read_all(bytes: &[u8]) -> (usize, Option<JournalError>) {
    let mut count = 0;
    let mut reader = Reader::over(bytes);
    let mut error = None;
    for record in reader.by_ref() {
        match record {
            Ok(record) => {
                assert_eq!(&bytes[record_body(&record)], &record.body[..]);
                count += 1;
            }
            Err(found) => error = Some(found),
        }
    }
    assert!(reader.next().is_none(), "nothing comes after the end");
    (count, error)
}

fn record_body(record: &Record) -> std::ops::Range<usize> {
    let start = usize::try_from(record.offset).unwrap() + FRAME_LEN;
    start..start + record.body.len()
}

fn segment(count: u64) -> Vec<u8> {
    Place::with_records(count).bytes()
}

/// A segment of twelve records, made once.
fn twelve() -> Vec<u8> {
    static SEGMENT: LazyLock<Vec<u8>> = LazyLock::new(|| segment(12));
    SEGMENT.clone()
}

#[test]
fn what_is_no_segment_is_named() {
    let short = [0; 103];
    let magic = [0; 200];
    let newer = {
        let mut bytes = segment(1);
        bytes[8] = 2;
        bytes
    };
    let cases: [(&[u8], What); 4] = [
        (b"", What::HeaderShort { found: 0 }),
        (&short, What::HeaderShort { found: 103 }),
        (&magic, What::HeaderMagic),
        (&newer, What::HeaderField { field: "version", expected: 1, found: 2 }),
    ];
    for (bytes, expected) in cases {
        let (count, error) = read_all(bytes);
        let Some(JournalError::Damaged { bad, .. }) = error else { panic!("{error:?}") };
        assert_eq!((count, bad.segment, bad.offset, bad.what), (0, 1, 0, expected));
    }
}

#[test]
fn each_field_of_a_frame_is_refused_by_name_even_under_a_right_chain() {
    let cases: [(usize, u8, What); 6] = [
        (0, 0xFE, What::Marker { found: 0xFE77_66FE }),
        (7, 0xFF, What::Length { found: 0xFF00_001B }),
        (8, 9, What::Sequence { found: 9 }),
        (24, 1, What::Names { found: 1 }),
        (32, 6, What::Kind { found: 6 }),
        (39, 1, What::Reserved),
    ];
    let (header, good) = split(&segment(4));
    for (at, value, expected) in cases {
        let mut records = good.clone();
        records[0][at] = value;
        rechain(&header, &mut records);
        let (_, error) = read_all(&join(&header, &records));
        let Some(JournalError::Damaged { bad, .. }) = error else { panic!("{error:?}") };
        let length = u32::try_from(good[0].len() - FRAME_LEN - HASH_LEN).unwrap();
        let expected = match expected {
            What::Length { .. } => What::Length { found: length | 0xFF00_0000 },
            other => other,
        };
        assert_eq!((bad.sequence, bad.what), (1, expected));
    }
}

#[test]
fn an_outcome_that_names_itself_or_a_later_record_is_refused() {
    let (header, good) = split(&segment(4));
    for named in [0, 2, 3, u64::MAX] {
        let mut records = good.clone();
        records[1][24..32].copy_from_slice(&u64::to_le_bytes(named));
        rechain(&header, &mut records);
        let (count, error) = read_all(&join(&header, &records));
        let Some(JournalError::Damaged { bad, .. }) = error else { panic!("{error:?}") };
        assert_eq!((count, bad.what), (1, What::Names { found: named }));
    }
}

#[test]
fn head_files_of_any_content_are_refused_with_a_reason() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "EOF"),
        (b"null", "invalid type"),
        (b"{\"version\":1}", "missing field"),
        (b"\xFF\xFF", "expected value"),
        (&[b'['; 5000], "invalid type"),
        (b"{\"\x7F\x1B[2J\":1}", "control character"),
    ];
    for (bytes, expected) in cases {
        let place = Place::with_records(2);
        fs::write(place.dir.join("head"), bytes).unwrap();
        let bad = place.bad();
        assert!(bad.to_string().contains(expected), "{bad}");
        assert!(!bad.to_string().contains(char::is_control), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let (count, error) = read_all(&bytes);
        prop_assert!(count == 0 && error.is_some());
        let _ = Head::from_file(&bytes);
    }

    #[test]
    fn random_records_behind_a_good_header_never_panic(
        tail in prop::collection::vec(any::<u8>(), 0..1000),
        marked in any::<bool>(),
        length in any::<u32>(),
        sequence in 0_u64..3,
        kind in 0_u8..8,
    ) {
        let mut bytes = twelve()[..HEADER_LEN].to_vec();
        if marked {
            bytes.extend_from_slice(&MARKER);
            bytes.extend_from_slice(&(length >> (length % 32)).to_le_bytes());
            bytes.extend_from_slice(&sequence.to_le_bytes());
            bytes.extend_from_slice(&[0; 16]);
            bytes.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
        }
        bytes.extend_from_slice(&tail);
        let (count, error) = read_all(&bytes);
        prop_assert!(count == 0 && (error.is_some() || bytes.len() == HEADER_LEN));
    }

    #[test]
    fn every_edit_of_a_good_segment_is_an_error_or_a_shorter_log(
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 0..80),
        remove in 0_usize..80,
    ) {
        let good = twelve();
        let at = at.index(good.len());
        let mut bytes = good.clone();
        let end = (at + remove).min(bytes.len());
        bytes.splice(at..end, with);
        let (count, error) = read_all(&bytes);
        prop_assert!(bytes == good || error.is_some() || good.starts_with(&bytes));
        prop_assert!(count <= 12);
    }

    #[test]
    fn a_frame_that_parses_is_written_back_byte_for_byte(bytes in prop::array::uniform32(any::<u8>()), kind in 0_u8..8) {
        let mut frame = [0_u8; FRAME_LEN];
        frame[..32].copy_from_slice(&bytes);
        frame[..4].copy_from_slice(&MARKER);
        frame[6..8].copy_from_slice(&[0, 0]);
        frame[32] = kind;
        if kind != 2 {
            frame[24..32].fill(0);
        }
        if let Some(Ok(parsed)) = Frame::parse(&frame) {
            let mut out = Vec::new();
            parsed.put(&mut out);
            prop_assert_eq!(&out[..], &frame[..]);
        }
    }
}

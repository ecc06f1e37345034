// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every way to change a journal that is at rest is found, and named by its first bad record.

use super::*;

#[test]
fn each_byte_of_a_segment_flipped_in_turn_is_found() {
    let place = Place::with_records(48);
    let good = place.bytes();
    let starts: Vec<u64> = place.records().iter().map(|record| record.offset).collect();
    assert!(place.verify().is_clean());
    for (at, byte) in good.iter().enumerate() {
        // Another bit each time, so that all eight are tried all over the segment.
        place.put_byte(at, byte ^ (1 << (at % 8)));
        let bad = place.bad();
        place.put_byte(at, *byte);
        let start = starts.iter().rposition(|start| *start <= at as u64);
        let expected = start.map_or(0, |index| starts[index]);
        assert_eq!(bad.offset, expected, "byte {at}: {bad}");
        assert!(!bad.is_torn(), "byte {at}: {bad}");
        assert_eq!(bad.sequence, start.map_or(1, |index| index as u64 + 1), "byte {at}: {bad}");
    }
    assert!(place.verify().is_clean());
}

#[test]
fn each_byte_flipped_is_found_without_the_head_file_too() {
    let place = Place::with_records(24);
    place.head_at_start();
    let good = place.bytes();
    for (at, byte) in good.iter().enumerate() {
        place.put_byte(at, byte ^ 0xFF);
        assert!(!place.verify().is_clean(), "byte {at}");
        place.put_byte(at, *byte);
    }
    assert!(place.verify().is_clean());
}

#[test]
fn each_byte_of_the_head_file_flipped_in_turn_is_found() {
    let place = Place::with_records(5);
    let head = place.dir.join("head");
    let good = fs::read(&head).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(&head, bytes).unwrap();
        assert!(matches!(place.bad().what, What::HeadUnreadable { .. }), "byte {at}");
        let error = place.open_error();
        assert!(matches!(error, JournalError::Damaged { .. }), "byte {at}: {error}");
    }
}

/// Edits the records of a journal; the chain is not put right.
fn edited(edit: impl Fn(&mut Vec<Vec<u8>>)) -> (Place, Bad) {
    let place = Place::with_records(30);
    let (header, mut records) = split(&place.bytes());
    edit(&mut records);
    place.put(&join(&header, &records));
    let bad = place.bad();
    (place, bad)
}

#[test]
fn a_removed_record_is_found() {
    for at in 0..29 {
        let (_, bad) = edited(|records| drop(records.remove(at)));
        assert_eq!(bad.sequence, at as u64 + 1);
        assert_eq!(bad.what, What::Sequence { found: at as u64 + 2 });
    }
}

#[test]
fn swapped_and_doubled_records_are_found() {
    for at in 0..29 {
        let (_, bad) = edited(|records| records.swap(at, at + 1));
        assert_eq!(
            (bad.sequence, bad.what),
            (at as u64 + 1, What::Sequence { found: at as u64 + 2 })
        );
        let (_, bad) = edited(|records| records.insert(at, records[at].clone()));
        assert_eq!(
            (bad.sequence, bad.what),
            (at as u64 + 2, What::Sequence { found: at as u64 + 1 })
        );
    }
    let (_, bad) = edited(|records| records.push(records[29].clone()));
    assert_eq!((bad.sequence, bad.what), (31, What::Sequence { found: 30 }));
}

#[test]
fn a_record_from_another_journal_is_found() {
    let other = Place::with_records(30);
    let (_, theirs) = split(&other.bytes());
    let (_, bad) = edited(|records| records[12] = theirs[12].clone());
    assert_eq!((bad.sequence, bad.what), (13, What::Hash));
}

#[test]
fn a_cut_between_records_is_found_by_the_head_file() {
    for left in 0..30 {
        let (place, bad) = edited(|records| records.truncate(left));
        assert_eq!(bad.sequence, left as u64 + 1);
        assert!(matches!(bad.what, What::BehindHead { sequence: 30, segment: 1, .. }), "{bad}");
        let error = place.open_error();
        assert!(
            matches!(&error, JournalError::Damaged { bad, .. }
                if matches!(bad.what, What::BehindHead { sequence: 30, .. })),
            "{error}"
        );
    }
}

#[test]
fn a_cut_within_a_synced_record_is_a_cut_and_not_a_torn_tail() {
    let place = Place::with_records(10);
    let bytes = place.bytes();
    for left in bytes.len() - 100..bytes.len() {
        place.put(&bytes[..left]);
        let bad = place.bad();
        assert!(matches!(bad.what, What::BehindHead { sequence: 10, .. }), "{left}: {bad}");
        assert!(matches!(place.open_error(), JournalError::Damaged { .. }));
        assert_eq!(fs::read(place.segment(1)).unwrap().len(), left, "left as it was");
    }
}

#[test]
fn a_chain_that_was_computed_anew_is_found_by_the_head_file() {
    let place = Place::with_records(10);
    let (header, mut records) = split(&place.bytes());
    records[4][FRAME_LEN + 12] ^= 1;
    rechain(&header, &mut records);
    place.put(&join(&header, &records));
    let bad = place.bad();
    assert_eq!(bad.what, What::HeadDisagrees { sequence: 10 });
    let error = place.open_error();
    assert!(
        matches!(&error, JournalError::Damaged { bad, .. }
            if bad.what == What::HeadDisagrees { sequence: 10 }),
        "{error}"
    );
}

#[test]
fn a_missing_head_file_or_key_is_found() {
    let place = Place::with_records(10);
    fs::remove_file(place.dir.join("head")).unwrap();
    assert_eq!(place.bad().what, What::HeadMissing);
    assert!(place.open_error().to_string().ends_with("head file is missing"));
    let place = Place::with_records(10);
    fs::remove_file(place.dir.join("key")).unwrap();
    let error = place.open_error().to_string();
    assert!(error.ends_with("it is missing beside records that were made with it"), "{error}");
}

fn in_segments() -> Place {
    let place = place();
    let journal = Journal::open(&place.dir, Options::default().segment_bytes(800)).unwrap();
    for number in 1..=60 {
        journal.append(Kind::Decision, &body(number), Durability::Grouped).unwrap();
    }
    drop(journal);
    assert!(place.verify().segments > 6);
    place
}

#[test]
fn a_missing_segment_is_found_wherever_it_was() {
    let last = in_segments().verify().segments;
    for gone in 1..=last {
        let place = in_segments();
        fs::remove_file(place.segment(gone)).unwrap();
        let bad = place.bad();
        if gone < last {
            assert_eq!((bad.segment, bad.what), (gone, What::SegmentMissing));
        } else {
            assert_eq!(bad.segment, last - 1);
            assert!(matches!(bad.what, What::BehindHead { .. }), "{bad}");
        }
    }
}

#[test]
fn swapped_segments_are_found() {
    let place = in_segments();
    let (two, three) = (fs::read(place.segment(2)).unwrap(), fs::read(place.segment(3)).unwrap());
    fs::write(place.segment(2), three).unwrap();
    fs::write(place.segment(3), two).unwrap();
    let bad = place.bad();
    assert_eq!(bad.segment, 2);
    assert_eq!(bad.what, What::HeaderField { field: "number", expected: 2, found: 3 });
}

#[test]
fn a_segment_of_another_journal_is_found() {
    let place = in_segments();
    let other = in_segments();
    fs::copy(other.segment(2), place.segment(2)).unwrap();
    let bad = place.bad();
    assert_eq!((bad.segment, bad.offset, bad.what), (2, 0, What::HeaderLink));
}

#[test]
fn an_earlier_segment_cannot_lose_its_end_or_gain_one() {
    let place = in_segments();
    let good = fs::read(place.segment(2)).unwrap();
    let (header, records) = split(&good);
    fs::write(place.segment(2), join(&header, &records[..records.len() - 1])).unwrap();
    assert_eq!(place.bad().what, What::NoRotate);
    fs::write(place.segment(2), &good[..good.len() - 3]).unwrap();
    assert_eq!(place.bad().what, What::NoRotate);
    fs::write(place.segment(2), [&good[..], b"x"].concat()).unwrap();
    assert_eq!(place.bad().what, What::AfterRotate);
    fs::write(place.segment(2), &good).unwrap();
    assert!(place.verify().is_clean());
}

#[test]
fn an_edit_before_the_head_file_s_place_is_left_to_verify() {
    // Opening reads only what was written after the head file; verify reads all.
    let place = Place::with_records(10);
    let mut bytes = place.bytes();
    bytes[HEADER_LEN + FRAME_LEN + 3] ^= 1;
    place.put(&bytes);
    drop(place.open());
    assert_eq!((place.bad().sequence, place.bad().what), (1, What::Hash));
}

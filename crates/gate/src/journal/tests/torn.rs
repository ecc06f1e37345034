// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a crash leaves: a torn tail is told from an edit, kept, cut off and noted.

use super::*;

/// A journal whose head file is behind, with the last record cut to `left` bytes.
fn torn_to(left: usize) -> (Place, Vec<u8>) {
    let place = Place::with_records(6);
    place.head_at_start();
    let (header, mut records) = split(&place.bytes());
    let last = records.last_mut().unwrap();
    last.truncate(left);
    let tail = last.clone();
    place.put(&join(&header, &records));
    (place, tail)
}

fn last_len() -> usize {
    split(&Place::with_records(6).bytes()).1[5].len()
}

#[test]
fn a_torn_tail_of_every_length_is_reported_kept_cut_and_noted() {
    for left in 1..last_len() {
        let (place, tail) = torn_to(left);
        let bad = place.bad();
        assert_eq!(bad.what, What::Torn { bytes: left as u64 });
        assert_eq!(bad.sequence, 6);
        let journal = place.open();
        let note = journal.recovered().unwrap().to_owned();
        assert_eq!(journal.head().sequence, 6, "five records and the note");
        drop(journal);
        let name = format!("torn-00000001-{}.bin", bad.offset);
        assert!(note.contains(&name), "{note}");
        assert_eq!(fs::read(place.dir.join(&name)).unwrap(), tail);
        let records = place.records();
        assert_eq!(records[5].kind, Kind::Head);
        let noted: serde_json::Value = serde_json::from_slice(&records[5].body).unwrap();
        assert_eq!(noted["note"], "torn-tail");
        assert_eq!(noted["bytes"], left as u64);
        assert_eq!(noted["kept"], name);
        assert_eq!(records[4].body, body(5));
        assert!(place.verify().is_clean());
    }
}

#[test]
fn a_whole_log_that_was_not_closed_verifies() {
    let (place, _) = torn_to(last_len());
    assert!(place.verify().is_clean());
    let journal = place.open();
    assert_eq!((journal.head().sequence, journal.recovered()), (6, None));
    drop(journal);
    assert_eq!(place.verify().recorded.unwrap().sequence, 6);
}

#[test]
fn a_tail_that_the_disk_filled_with_zeros_is_torn_too() {
    for (left, zeros) in [(0, 200), (3, 4096), (20, 300), (60, 4000), (60, 65_536)] {
        let (place, _) = torn_to(left);
        let mut bytes = place.bytes();
        bytes.resize(bytes.len() + zeros, 0);
        place.put(&bytes);
        let bad = place.bad();
        assert_eq!(bad.what, What::Torn { bytes: (left + zeros) as u64 }, "{left} {zeros}");
        assert!(place.open().recovered().is_some());
        assert!(place.verify().is_clean());
    }
}

#[test]
fn a_tail_that_is_no_beginning_of_a_record_is_not_cut() {
    let tails: [(&[u8], What); 3] = [
        (b"x", What::Short { expected: 72, found: 1 }),
        (b"{\"number\":7}", What::Short { expected: 72, found: 12 }),
        (&[0xAA; 200], What::Marker { found: 0xAAAA_AAAA }),
    ];
    for (tail, expected) in &tails {
        let place = Place::with_records(6);
        place.head_at_start();
        let bytes = [&place.bytes()[..], tail].concat();
        place.put(&bytes);
        assert_eq!(&place.bad().what, expected);
        assert!(matches!(place.open_error(), JournalError::Damaged { .. }));
        assert_eq!(place.bytes(), bytes, "left as it was");
    }
}

#[test]
fn a_length_that_was_edited_to_swallow_later_records_is_not_a_torn_tail() {
    let place = Place::with_records(6);
    place.head_at_start();
    let (header, mut records) = split(&place.bytes());
    records[3][4..8].copy_from_slice(&60_000_u32.to_le_bytes());
    let bytes = join(&header, &records);
    place.put(&bytes);
    let bad = place.bad();
    assert_eq!(bad.sequence, 4);
    assert!(matches!(bad.what, What::Short { expected: 60_072, .. }), "{bad}");
    assert!(matches!(place.open_error(), JournalError::Damaged { .. }));
    assert_eq!(place.bytes(), bytes, "left as it was");
}

#[test]
fn a_torn_tail_is_not_cut_when_the_bytes_before_it_do_not_verify() {
    let (place, _) = torn_to(50);
    // The head file names record 5, so that opening would begin behind the edit.
    let offset = usize::try_from(place.bad().offset).unwrap();
    let hash: Hash = place.bytes()[offset - HASH_LEN..offset].try_into().unwrap();
    let head = Head { sequence: 5, segment: 1, offset: offset as u64, hash, closed: false };
    fs::write(place.dir.join("head"), head.to_file()).unwrap();
    let mut bytes = place.bytes();
    bytes[HEADER_LEN + FRAME_LEN + 3] ^= 1;
    place.put(&bytes);
    let error = place.open_error();
    assert!(
        matches!(&error, JournalError::Damaged { bad, .. } if bad.sequence == 1 && bad.what == What::Hash),
        "{error}"
    );
    assert_eq!(place.bytes(), bytes, "left as it was");
}

#[test]
fn a_process_that_died_between_keeping_and_cutting_is_taken_up() {
    let (place, tail) = torn_to(50);
    let offset = place.bad().offset;
    fs::write(place.dir.join(format!("torn-00000001-{offset}.bin")), &tail).unwrap();
    drop(place.open());
    assert!(!place.dir.join(format!("torn-00000001-{offset}-1.bin")).exists());
    // Another tail at the same place gets another name.
    let (again, tail) = torn_to(51);
    fs::write(again.dir.join(format!("torn-00000001-{offset}.bin")), b"something else").unwrap();
    drop(again.open());
    assert_eq!(fs::read(again.dir.join(format!("torn-00000001-{offset}-1.bin"))).unwrap(), tail);
}

#[test]
fn a_tail_that_a_living_writer_is_about_to_finish_is_not_torn() {
    let (place, _) = torn_to(50);
    let lock = fs::File::create(place.dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let report = place.verify();
    assert_eq!((report.records, report.growing, report.first_bad), (5, true, None));
    assert_eq!(place.records().len(), 5);
    drop(lock);
    assert!(place.bad().is_torn());
}

#[test]
fn a_journal_that_died_before_its_first_record_or_between_two_segments_goes_on() {
    let place = place();
    drop(place.open());
    fs::remove_file(place.dir.join("head")).unwrap();
    let journal = place.open();
    journal.append(Kind::Probe, b"{}", Durability::Synced).unwrap();
    drop(journal);
    assert!(place.verify().is_clean());

    let place = super::place();
    let options = Options::default().segment_bytes(300);
    let journal = Journal::open(&place.dir, options.clone()).unwrap();
    while journal.head().segment == 1 {
        journal.append(Kind::Probe, &body(3), Durability::Grouped).unwrap();
    }
    drop(journal);
    fs::remove_file(place.segment(2)).unwrap();
    place.head_at_start();
    assert!(place.verify().is_clean());
    let journal = Journal::open(&place.dir, options).unwrap();
    assert!(journal.head().closed);
    journal.append(Kind::Probe, b"{}", Durability::Synced).unwrap();
    drop(journal);
    let report = place.verify();
    assert_eq!((report.segments, report.first_bad), (2, None));
}

#[test]
fn a_torn_tail_is_not_cut_when_the_head_file_misnumbers_the_record_before_it() {
    let (place, _) = torn_to(10);
    let bytes = place.bytes();
    let offset = usize::try_from(place.bad().offset).unwrap();
    let hash: Hash = bytes[offset - HASH_LEN..offset].try_into().unwrap();
    // The right place and hash, but it is record 5.
    let head = Head { sequence: 4, segment: 1, offset: offset as u64, hash, closed: false };
    fs::write(place.dir.join("head"), head.to_file()).unwrap();
    let error = place.open_error();
    assert!(
        matches!(&error, JournalError::Damaged { bad, .. }
            if bad.what == What::HeadDisagrees { sequence: 4 }),
        "{error}"
    );
    assert_eq!(place.bytes(), bytes, "left as it was");
    assert_eq!(place.bad().what, What::HeadDisagrees { sequence: 4 });
}

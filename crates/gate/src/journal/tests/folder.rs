// SPDX-License-Identifier: MIT OR Apache-2.0
//! The folder is ours alone, and one process writes.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn folder_and_files_are_for_their_owner_alone() {
    let place = Place::with_records(1);
    assert_eq!(mode(&place.dir), 0o700);
    for name in ["segment-00000001.fwj", "head", "key", "lock"] {
        assert_eq!(mode(&place.dir.join(name)), 0o600, "{name}");
    }
    assert_eq!(fs::read_dir(&place.dir).unwrap().count(), 4, "nothing unfinished is left");
}

fn assert_unsafe(error: &JournalError, expected: &str) {
    assert!(
        matches!(error, JournalError::Unsafe { why, .. } if why.contains(expected)),
        "{expected}: {error}"
    );
}

#[test]
fn a_folder_that_others_may_write_in_is_refused() {
    let place = Place::with_records(1);
    for bits in [0o770, 0o702, 0o720, 0o1777] {
        chmod(&place.dir, bits);
        assert_unsafe(&place.open_error(), "others may write in it");
    }
    chmod(&place.dir, 0o700);
    let above = place.dir.parent().unwrap();
    chmod(above, 0o777);
    assert_unsafe(&place.open_error(), "others may replace what is in it (mode 0777");
    chmod(above, 0o1777);
    drop(place.open());
}

#[test]
fn symbolic_links_are_refused_wherever_they_stand() {
    let place = Place::with_records(1);
    let link = place.dir.parent().unwrap().join("link");
    symlink(&place.dir, &link).unwrap();
    for path in [link.clone(), link.join("."), PathBuf::from(format!("{}/", link.display()))] {
        let error = Journal::open(&path, Options::default()).unwrap_err();
        assert_unsafe(&error, "it is a symbolic link or not a folder");
    }
    for name in ["segment-00000001.fwj", "head", "key", "lock"] {
        let place = Place::with_records(1);
        let real = place.dir.parent().unwrap().join("elsewhere");
        fs::rename(place.dir.join(name), &real).unwrap();
        symlink(&real, place.dir.join(name)).unwrap();
        assert_unsafe(&place.open_error(), "it is a symbolic link");
    }
    let place = Place::with_records(1);
    fs::rename(place.segment(1), place.dir.join("x")).unwrap();
    symlink("x", place.segment(1)).unwrap();
    assert_unsafe(&verify(&place.dir, |_| {}).unwrap_err(), "it is a symbolic link");
}

#[test]
fn files_that_others_may_open_or_that_have_two_names_are_refused() {
    for name in ["segment-00000001.fwj", "key", "lock"] {
        let place = Place::with_records(1);
        let file = place.dir.join(name);
        chmod(&file, 0o640);
        assert_unsafe(&place.open_error(), "others may open it (mode 0640)");
        chmod(&file, 0o600);
        fs::hard_link(&file, place.dir.join("second")).unwrap();
        assert_unsafe(&place.open_error(), "it has 2 names");
    }
}

#[test]
fn a_file_in_the_place_of_the_folder_and_a_folder_in_the_place_of_a_file_are_refused() {
    let place = place();
    fs::write(&place.dir, b"").unwrap();
    assert_unsafe(&place.open_error(), "not a folder");
    let place = super::place();
    fs::create_dir(&place.dir).unwrap();
    chmod(&place.dir, 0o700);
    fs::create_dir(place.dir.join("head")).unwrap();
    assert_unsafe(&place.open_error(), "not a regular file");
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let place = Place::with_records(1);
    if std::os::unix::fs::chown(&place.dir, Some(12_345), None).is_err() {
        // Without root nobody can give a folder away; the system's own folders stand in.
        let error = Journal::open(Path::new("/usr"), Options::default()).unwrap_err();
        assert_unsafe(&error, "it belongs to user 0");
        return;
    }
    assert_unsafe(&place.open_error(), "it belongs to user 12345, not to user 0");
    std::os::unix::fs::chown(&place.dir, Some(0), None).unwrap();
    std::os::unix::fs::chown(place.segment(1), Some(12_345), None).unwrap();
    assert_unsafe(&place.open_error(), "it belongs to user 12345");
}

#[test]
fn a_key_of_the_wrong_size_is_refused() {
    for (bytes, expected) in [(31, "fewer found"), (33, "more found"), (0, "fewer found")] {
        let place = Place::with_records(1);
        fs::write(place.dir.join("key"), vec![1; bytes]).unwrap();
        let error = place.open_error().to_string();
        assert!(error.contains(&format!("32 bytes expected, {expected}")), "{error}");
    }
}

#[test]
fn no_journal_is_told_from_an_empty_one() {
    let place = place();
    assert!(matches!(verify(&place.dir, |_| {}), Err(JournalError::Absent { .. })));
    fs::create_dir(&place.dir).unwrap();
    assert!(matches!(verify(&place.dir, |_| {}), Err(JournalError::Absent { .. })));
    assert!(matches!(Reader::open(&place.dir), Err(JournalError::Absent { .. })));
    chmod(&place.dir, 0o700);
    drop(place.open());
    let report = place.verify();
    assert_eq!((report.records, report.first_bad), (0, None));
}

#[test]
fn the_second_writer_is_told_who_holds_the_journal() {
    let place = place();
    let journal = place.open();
    let error = place.open_error();
    let JournalError::Held { holder, .. } = &error else { panic!("{error}") };
    let program = std::env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_string_lossy();
    assert_eq!(*holder, format!("process {} ({program})", std::process::id()));
    // Reading needs no lock.
    fill(&journal, 3);
    assert_eq!(place.records().len(), 3);
    assert!(place.verify().is_clean());
    drop(journal);
    drop(place.open());
}

#[test]
fn whoever_waits_gets_the_journal_when_it_is_let_go() {
    let place = place();
    let journal = place.open();
    let dir = place.dir.clone();
    let waiting = std::thread::spawn(move || {
        let options = Options::default().wait(Duration::from_secs(20));
        Journal::open(&dir, options).map(drop)
    });
    std::thread::sleep(Duration::from_millis(300));
    drop(journal);
    waiting.join().unwrap().unwrap();
    let journal = place.open();
    let started = Instant::now();
    let options = Options::default().wait(Duration::from_millis(400));
    let error = Journal::open(&place.dir, options).unwrap_err();
    assert!(matches!(error, JournalError::Held { .. }), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(400));
    drop(journal);
}

#[test]
fn a_lock_file_with_anything_in_it_names_nobody() {
    for text in ["", "garbage", "99999999999 x", "\u{1b}[2J 1 x", "12 a\u{7}b\n"] {
        let place = Place::with_records(1);
        fs::write(place.dir.join("lock"), text).unwrap();
        let lock = fs::File::open(place.dir.join("lock")).unwrap();
        lock.lock().unwrap();
        let error = place.open_error();
        let JournalError::Held { holder, .. } = &error else { panic!("{error}") };
        assert!(!holder.contains(char::is_control), "{holder}");
        let named = if text.starts_with("12") { "process 12 (ab)" } else { "an unnamed process" };
        assert_eq!(holder, named, "{text:?}");
    }
}

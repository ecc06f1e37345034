// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transcripts: every verb as a user types it, with what it prints and how it ends.
//!
//! Each file of `tests/cli` runs in a fresh state folder. After a wanted change, write them anew
//! with `TRYCMD=overwrite cargo test -p fwgate --test it transcripts`, put `[..]` back where a time or
//! a hash stands, and read the difference.

use std::fs;
use std::path::PathBuf;

#[test]
fn every_verb_prints_what_its_transcript_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "trycmd"))
        .collect();
    files.sort();
    assert!(files.len() >= 12, "transcripts are missing: {files:?}");
    for file in files {
        let state = tempfile::tempdir().unwrap();
        let cases = trycmd::TestCases::new();
        cases
            .env("FWGATE_STATE_DIR", state.path().join("state").display().to_string())
            .env("FWGATE_EMU_FAULTS", "")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .case(&file);
        // Runs when it is dropped, before the folder is removed.
        drop(cases);
    }
}

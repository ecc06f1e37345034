// SPDX-License-Identifier: MIT OR Apache-2.0
//! There is no other way to send: what tries to go round the road does not compile.
//!
//! Each failing case stands beside a twin that differs in nothing but the forbidden step and
//! compiles, so that a case cannot fail for a reason of its own.

use std::collections::BTreeSet;
use std::fs;

#[test]
fn nothing_but_the_road_compiles() {
    let mut bad = BTreeSet::new();
    let mut good = BTreeSet::new();
    for entry in fs::read_dir("tests/road").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(case) = name.strip_suffix(".fail.rs") {
            bad.insert(case.to_owned());
        } else if let Some(case) = name.strip_suffix(".pass.rs") {
            good.insert(case.to_owned());
        }
    }
    assert_eq!(bad, good, "every failing case has a twin that compiles");
    assert!(bad.len() >= 13, "cases were lost: {}", bad.len());
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/road/*.fail.rs");
    cases.pass("tests/road/*.pass.rs");
}

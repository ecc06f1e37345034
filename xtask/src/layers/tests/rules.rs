// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arrows between packages, and `unsafe`: each check with what it must refuse, beside what it must take.

use super::super::{arrows, unsafety};
use super::source;
use crate::tree::{Dependency, Package};

fn package(name: &str, uses: &[(&str, Option<&str>)]) -> Package {
    let dependencies = uses
        .iter()
        .map(|(name, kind)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(ToOwned::to_owned),
        })
        .collect();
    Package {
        name: name.to_owned(),
        manifest_path: format!("crates/{name}/Cargo.toml").into(),
        dependencies,
        targets: Vec::new(),
        features: Default::default(),
    }
}

fn arrows_of(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    arrows::check(packages, &mut found);
    found
}

#[test]
fn a_crate_may_use_what_is_below_it() {
    let all = [
        package("fwgate-wire", &[("zerocopy", None)]),
        package("fwgate-policy", &[("fwgate-wire", None)]),
        package("fwgate-gate", &[("fwgate-wire", None), ("fwgate-policy", None)]),
        package("fwgate-emulator", &[("fwgate-gate", None)]),
        package("fwgate", &[("fwgate-emulator", None), ("fwgate-wire", Some("dev"))]),
        package("xtask", &[("fwgate-policy", Some("dev"))]),
    ];
    assert_eq!(arrows_of(&all), Vec::<String>::new());
}

#[test]
fn a_crate_may_not_use_what_is_above_it() {
    let all = [package("fwgate-wire", &[("fwgate-gate", None)]), package("fwgate-gate", &[])];
    assert_eq!(
        arrows_of(&all),
        ["crates/fwgate-wire/Cargo.toml: `fwgate-wire` uses `fwgate-gate` (normal dependency), \
          which is above it"]
    );
}

#[test]
fn siblings_may_not_use_each_other_in_tests_either() {
    let all = [
        package("fwgate-linux", &[("fwgate-emulator", Some("dev"))]),
        package("fwgate-emulator", &[]),
    ];
    let found = arrows_of(&all);
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("(dev dependency), which is its sibling"), "{found:?}");
}

#[test]
fn nobody_uses_xtask() {
    let all = [package("fwgate-gate", &[("xtask", Some("build"))]), package("xtask", &[])];
    assert!(arrows_of(&all)[0].ends_with("which no crate may use"));
}

#[test]
fn a_new_crate_needs_a_layer() {
    let found = arrows_of(&[package("fwgate-fleet", &[])]);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("`fwgate-fleet` has no layer"), "{found:?}");
}

#[test]
fn unsafe_is_seen_as_a_token_and_not_in_comments_or_strings() {
    let lines = |text: &str| {
        let mut lines = Vec::new();
        unsafety::tokens(source(text).tokens, "unsafe", &mut lines);
        lines
    };
    assert_eq!(lines("// unsafe\n/// unsafe\nfn f() { let _ = \"unsafe\"; }"), [0; 0]);
    assert_eq!(lines("fn f() {\n    unsafe { g() }\n}"), [2]);
    assert_eq!(lines("#[unsafe(no_mangle)]\nfn f() {}"), [1]);
    assert_eq!(lines("macro_rules! m { () => { unsafe {} } }"), [1]);
}

#[test]
fn unsafe_is_at_home_in_one_folder_and_one_file() {
    for (name, at_home) in [
        ("crates/linux/src/sys/call.rs", true),
        ("conformance/src/sys.rs", true),
        ("conformance/src/theirs.rs", false),
        ("conformance/src/sys.rs.rs", false),
        ("crates/linux/src/device/cxl.rs", false),
        ("crates/linux/tests/headers.rs", false),
        ("crates/gate/src/abi/fwctl.rs", false),
    ] {
        assert_eq!(unsafety::at_home_in(name), at_home, "{name}");
    }
}

#[test]
fn lints_that_do_not_deny_unsafe_are_found() {
    let workspace = |text: &str| {
        let mut found = Vec::new();
        unsafety::lints_of_workspace(&text.parse().unwrap(), &mut found);
        found.len()
    };
    assert_eq!(workspace("[workspace.lints.rust]\nunsafe_code = \"deny\""), 0);
    assert_eq!(workspace("[workspace.lints.rust]\nunsafe_code = { level = \"forbid\" }"), 0);
    assert_eq!(workspace("[workspace.lints.rust]\nunsafe_code = \"warn\""), 1);
    assert_eq!(workspace("[workspace]"), 1);

    let package = |text: &str| {
        let mut found = Vec::new();
        unsafety::lints_of_package("a", &text.parse().unwrap(), &mut found);
        found.len()
    };
    assert_eq!(package("[lints]\nworkspace = true"), 0);
    assert_eq!(package("[lints.rust]\nmissing_docs = \"warn\""), 1);
    assert_eq!(package(""), 1);
}

#[test]
fn a_crate_that_takes_the_denial_back_is_found() {
    let overrides = |text: &str| {
        let mut found = Vec::new();
        unsafety::overrides(&source(text), &mut found);
        found.len()
    };
    assert_eq!(overrides("#![deny(unsafe_code)]"), 0);
    assert_eq!(overrides("#![expect(unsafe_code, reason = \"why not\")]"), 1);
    assert_eq!(overrides("#[expect(unsafe_code)]\nmod m {}"), 1);
}

#[test]
fn a_crate_that_may_panic_is_found() {
    let panics = |text: &str| {
        let mut found = Vec::new();
        unsafety::panics(&source(text), &["unwrap_used", "panic"], &mut found);
        found
    };
    let good = "#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic))]";
    assert_eq!(panics(good), Vec::<String>::new());
    let less = "#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic_in_result_fn))]";
    assert_eq!(panics(less), ["crates/emulator/src/a.rs: does not deny clippy::panic"]);
    assert_eq!(panics("#![warn(clippy::unwrap_used, clippy::panic)]").len(), 2);
}

#[test]
fn the_package_that_makes_wrong_calls_may_use_any_crate_and_no_crate_may_use_it() {
    let uses = [("fwgate-linux", None), ("fwgate-emulator", None), ("fwgate", Some("dev"))];
    let mut all = vec![
        package("fwgate-linux", &[]),
        package("fwgate-emulator", &[]),
        package("fwgate", &[]),
        package("xtask", &[]),
        package("fwgate-conformance", &uses),
    ];
    assert_eq!(arrows_of(&all), Vec::<String>::new());
    for user in ["fwgate-linux", "fwgate", "xtask"] {
        let at = all.iter().position(|package| package.name == user).unwrap();
        let before =
            std::mem::replace(&mut all[at], package(user, &[("fwgate-conformance", Some("dev"))]));
        let found = arrows_of(&all);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with("(dev dependency), which no crate may use"), "{found:?}");
        all[at] = before;
    }
}

#[test]
fn no_manifest_of_any_workspace_may_name_the_package_that_makes_wrong_calls() {
    let apart = |text: &str| {
        let mut found = Vec::new();
        arrows::apart("fuzz/Cargo.toml", &text.parse().unwrap(), &mut found);
        found
    };
    let clean = "[package]\nname = \"a\"\n[dependencies]\nfwgate-gate = { path = \"b\" }";
    assert_eq!(apart(clean), Vec::<String>::new());
    let own = "[package]\nname = \"fwgate-conformance\"\n[dev-dependencies.fwgate-conformance]\n";
    assert_eq!(apart(own), Vec::<String>::new());
    let member = "[workspace]\nmembers = [\"conformance\"]";
    assert_eq!(apart(member), Vec::<String>::new());
    for table in [
        "dependencies",
        "dev-dependencies",
        "build-dependencies",
        "workspace.dependencies",
        "target.'cfg(unix)'.dependencies",
    ] {
        for line in [
            "fwgate-conformance = { path = \"c\" }",
            "fwgate-conformance.workspace = true",
            "other = { package = \"fwgate-conformance\", path = \"c\" }",
        ] {
            let found = apart(&format!("[{table}]\n{line}"));
            assert_eq!(
                found,
                ["fuzz/Cargo.toml: uses `fwgate-conformance`, which nothing may use"],
                "[{table}] {line}"
            );
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each check with source that it must refuse, beside source that it must take.

use super::{Source, arrows, raw_senders, unsafety};
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

fn source(text: &str) -> Source {
    Source::parse("crates/emulator/src/a.rs", text).unwrap()
}

fn arrows_of(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    arrows::check(packages, &mut found);
    found
}

fn senders_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    raw_senders::check("emulator", &[&source(text)], &mut found);
    found
}

fn roads_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    raw_senders::check_roads(&[&source(text)], &mut found);
    found
}

const RAW: &str = "pub struct D;
    impl D {
        pub(crate) fn execute(&mut self, opcode: u16, payload: &[u8]) -> u16 { 0 }
    }";

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
fn unsafe_is_at_home_in_one_crate_and_one_file() {
    for (name, at_home) in [
        ("crates/linux/src/sys/call.rs", true),
        ("conformance/src/sys.rs", true),
        ("conformance/src/theirs.rs", false),
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
fn crate_private_raw_senders_are_taken() {
    let more = "impl D { pub fn name(&self) -> u8 { 0 } pub(crate) fn again(&mut self) {
        self.execute(1, &[]); } }";
    assert_eq!(senders_of(&format!("{RAW} {more}")), Vec::<String>::new());
}

#[test]
fn a_public_raw_sender_is_found_by_each_sign() {
    for (text, why) in [
        ("pub fn f(opcode: u16, payload: &[u8]) {}", "takes an opcode and bytes"),
        ("pub fn f(opcode: u8, payload: Option<&[u8]>) {}", "takes an opcode and bytes"),
        ("pub fn f(command: &NvmeCommand<'_>) {}", "takes a command"),
        ("pub fn f(m: M) { m.send(r, c, o, i, out, d); }", "calls `Mailbox::send`"),
        ("/// Raw sender.\npub fn f() {}", "says so"),
    ] {
        let found = senders_of(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].contains(why), "{found:?}");
    }
}

#[test]
fn a_public_function_that_leads_to_one_is_found_however_long_the_way() {
    let found = senders_of(&format!(
        "{RAW}
        fn one(d: &mut D) {{ d.execute(1, &[]); }}
        fn two(d: &mut D) {{ if true {{ one(d) }} }}
        pub fn three(d: &mut D) {{ println!(\"{{:?}}\", two(d)); }}"
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("public function `three` calls `two`"), "{found:?}");
}

#[test]
fn a_function_that_is_passed_as_a_value_counts_as_called() {
    let found = senders_of(&format!("{RAW} pub fn f() -> F {{ D::execute }}"));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_trait_method_of_a_public_type_is_public() {
    let body = "{ fn write(&mut self) { self.execute(1, &[]); } }";
    assert_eq!(senders_of(&format!("{RAW} impl Write for D {body}")).len(), 1);
    let hidden = "struct Hidden; impl Write for Hidden";
    assert_eq!(senders_of(&format!("{RAW} {hidden} {body}")).len(), 0);
}

#[test]
fn the_ends_of_the_road_may_send() {
    let submit = "impl Device for D { fn submit(&self, recorded: Recorded<Firmware>) -> R {
        let d = recorded.release(&self.observe())?; self.execute(d.opcode, d.payload) } }";
    assert_eq!(senders_of(&format!("{RAW} {submit}")), Vec::<String>::new());
    assert_eq!(roads_of(submit), Vec::<String>::new());
}

#[test]
fn another_trait_with_a_submit_may_not() {
    let submit = "impl Sender for D { fn submit(&self, recorded: Recorded<Firmware>) -> R {
        let d = recorded.release(&self.observe())?; self.execute(d.opcode, d.payload) } }";
    assert_eq!(senders_of(&format!("{RAW} {submit}")).len(), 1);
}

#[test]
fn an_end_of_the_road_that_does_not_open_the_record_is_found() {
    let found = roads_of(
        "impl fwgate_gate::Device for D {
            fn submit(&self, recorded: Recorded<Firmware>) -> R { self.execute(1, &[]) } }
        impl KernelInterface for D { fn run(&self, opcode: u16) -> R { x.release(&now) } }",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("`submit` does not call `release`"), "{found:?}");
    assert!(found[1].contains("`run` does not take a `Recorded`"), "{found:?}");
}

#[test]
fn tests_may_send() {
    let found = senders_of(&format!(
        "{RAW} #[cfg(test)] mod t {{ pub fn f(d: D) {{ d.execute(1, &[]) }} }}"
    ));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_crate_in_which_no_raw_sender_is_found_fails() {
    let found = senders_of("pub fn f() {}");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("the check has lost its object"), "{found:?}");
}

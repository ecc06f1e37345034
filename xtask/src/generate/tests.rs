// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bad data are refused by file and row; good data render to what is in the tree.

use fwgate_policy::disclosure::Disclosure;
use fwgate_policy::effects::Effects;
use fwgate_policy::subsystem::Subsystems;

use super::rows::{self, Data};
use super::{compare, outputs, root, rust, validate, vocabulary};

fn data() -> Data {
    rows::load(&root()).unwrap()
}

/// What is said of the tree's own data after a change.
fn said(change: impl FnOnce(&mut Data)) -> Vec<String> {
    let mut data = data();
    change(&mut data);
    validate::all(&data).iter().map(ToString::to_string).collect()
}

fn command(data: &mut Data, opcode: u16) -> &mut rows::Command {
    data.cxl.commands.iter_mut().find(|row| row.opcode == opcode).unwrap()
}

#[test]
fn the_generated_files_in_the_tree_are_what_gen_makes() {
    let made = outputs(&root()).unwrap();
    assert_eq!(made.len(), 8);
    assert_eq!(compare(&root(), &made), Ok(()));
}

#[test]
fn the_same_data_make_the_same_bytes() {
    assert_eq!(outputs(&root()), outputs(&root()));
}

#[test]
fn check_names_the_first_line_that_differs() {
    let mut made = outputs(&root()).unwrap();
    let text = &mut made.get_mut(4).unwrap().1;
    *text = text.replacen("# CXL commands", "# CXL commandos", 1);
    let said: Vec<String> =
        compare(&root(), &made).unwrap_err().iter().map(ToString::to_string).collect();
    let expected = "docs/commands-cxl.md: line 4: run `cargo xtask gen`: \
                    made `# CXL commandos`, found `# CXL commands`";
    assert_eq!(said, [expected]);
}

#[test]
fn check_sees_a_file_that_goes_on_after_its_end() {
    let mut made = outputs(&root()).unwrap();
    made.get_mut(7).unwrap().1.push_str("more\n");
    let said = compare(&root(), &made).unwrap_err()[0].to_string();
    assert!(said.ends_with("made `more`, found nothing"), "{said}");
}

#[test]
fn an_unknown_effect_is_named_with_its_file_and_row() {
    let said = said(|data| command(data, 0x4301).floor = Some(vec!["imediate-data".into()]));
    let expected = "data/cxl-commands.toml: command 0x4301 (Inject Poison): \
                    unknown effect `imediate-data`";
    assert_eq!(said, [expected]);
}

#[test]
fn an_nvme_effect_on_a_cxl_row_is_unknown() {
    let said = said(|data| command(data, 0x4301).floor = Some(vec!["nvm-data".into()]));
    assert_eq!(said.len(), 1);
    assert!(said[0].ends_with("unknown effect `nvm-data`"), "{said:?}");
}

#[test]
fn cited_without_a_source_is_an_error() {
    let said = said(|data| command(data, 0x4301).source = None);
    let expected =
        "data/cxl-commands.toml: command 0x4301 (Inject Poison): `cited` without a source";
    assert_eq!(said, [expected]);
}

#[test]
fn an_empty_source_is_an_error() {
    let said = said(|data| data.stances.rows[0].source = Some(" ".into()));
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("data/stances.toml: stance `cxl-2024-07`: `source`"), "{said:?}");
}

#[test]
fn unknown_words_of_every_kind_are_refused() {
    let said = said(|data| {
        command(data, 0x4301).confidence = "sure".into();
        command(data, 0x4302).discloses = "all".into();
        command(data, 0x4304).kind = "write".into();
        command(data, 0x0600).judged_by = Some("luck".into());
        command(data, 0x4000).mandatory = vec!["toaster".into()];
        data.ground.rows[0].owner = "mem".into();
        data.ground.rows[1].condition = "sometimes".into();
        data.ground.rows[2].others = vec!["cxl".into(), "cxl".into()];
        data.stances.rows[0].matter = "weather".into();
        data.stances.rows[0].opinion = "maybe".into();
        data.nvme.io[0].direction = "up".into();
    });
    for (row, what) in [
        ("0x4301", "unknown confidence `sure`"),
        ("0x4302", "unknown disclosure `all`"),
        ("0x4304", "unknown kind `write`"),
        ("0x0600", "unknown judge `luck`"),
        ("0x4000", "unknown class `toaster`"),
        ("ground", "unknown subsystem `mem`"),
        ("ground", "unknown condition `sometimes`"),
        ("ground", "subsystem `cxl` twice"),
        ("stance", "unknown matter `weather`"),
        ("stance", "unknown opinion `maybe`"),
        ("io 0x00", "unknown direction `up`"),
    ] {
        let found = said.iter().any(|line| line.contains(row) && line.ends_with(what));
        assert!(found, "{row}: {what} is not among {said:#?}");
    }
}

#[test]
fn a_row_that_is_there_twice_is_a_duplicate() {
    let said = said(|data| {
        let twin = data.ground.rows[0].clone();
        data.ground.rows.insert(1, twin);
    });
    assert_eq!(said, ["data/ground.toml: ground cxl 0x0005: duplicate row"]);
}

#[test]
fn a_slug_that_another_command_has_is_refused() {
    let said = said(|data| command(data, 0x4302).slug = "inject-poison".into());
    let expected = "data/cxl-commands.toml: command 0x4302 (Clear Poison): \
                    `inject-poison` also names command 0x4301 (Inject Poison)";
    assert_eq!(said, [expected]);
}

#[test]
fn rows_out_of_order_are_refused() {
    let said = said(|data| data.cxl.commands.swap(0, 1));
    let expected = "data/cxl-commands.toml: command 0x0001 (Identify): \
                    unsorted: stands after command 0x0002 (Background Operation Status)";
    assert_eq!(said, [expected]);
}

#[test]
fn a_read_needs_an_empty_floor_that_is_cited() {
    let inferred = said(|data| command(data, 0x4200).confidence = "inferred".into());
    let changing = said(|data| command(data, 0x4200).floor = Some(vec!["background".into()]));
    for said in [inferred, changing] {
        assert_eq!(said.len(), 1);
        assert!(said[0].ends_with("kind `read` needs an empty floor that is cited"), "{said:?}");
    }
}

#[test]
fn unknown_goes_without_a_floor() {
    let said = said(|data| command(data, 0x0004).floor = Some(Vec::new()));
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("0x0004") && said[0].contains("`unknown` goes without"), "{said:?}");
}

#[test]
fn nothing_that_may_show_secrets_is_loggable() {
    let said = said(|data| command(data, 0x4102).loggable = true);
    assert_eq!(said.len(), 1);
    assert!(said[0].ends_with("its reply discloses `others-objects`"), "{said:?}");
}

#[test]
fn an_exclusive_feature_needs_its_ground() {
    let said = said(|data| {
        data.ground
            .rows
            .retain(|row| row.selector.as_deref() != Some("96dad7d6-fde8-482b-a733-75774e06db8a"));
        data.ground.interfaces.retain(|row| row.key != "edac-scrub");
    });
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("Device Patrol Scrub Control"), "{said:?}");
}

#[test]
fn a_ground_row_must_name_an_interface_and_a_command_that_exist() {
    let said = said(|data| {
        data.ground.rows[1].interface = Some("nowhere".into());
        data.ground.rows[0].opcode = 0x0006;
    });
    assert!(said.iter().any(|line| line.ends_with("no interface `nowhere`")), "{said:?}");
    assert!(said.iter().any(|line| line.ends_with("there is no such command")), "{said:?}");
}

#[test]
fn a_selector_has_the_length_that_its_command_says() {
    let said = said(|data| {
        let row = data.cxl.selectors.iter_mut().find(|row| row.selector == "0203").unwrap();
        row.selector = "020304".into();
    });
    assert_eq!(said.len(), 1);
    assert!(said[0].ends_with("its command's selector has 2 bytes"), "{said:?}");
}

fn hwrm(data: &mut Data, opcode: u16) -> &mut rows::FamilyCommand {
    data.bnxt.commands.iter_mut().find(|row| row.opcode == opcode).unwrap()
}

#[test]
fn a_familys_row_never_asks_less_than_the_driver_and_says_why_it_asks_more() {
    let below = said(|data| {
        let row = hwrm(data, 0xFFFE);
        (row.raised, row.why) = (Some("debug-write".into()), Some("it writes".into()));
    });
    assert_eq!(below.len(), 1);
    assert!(below[0].ends_with("`raised` is `debug-write`, which the driver asks for anyway"));
    for change in [
        (|data: &mut Data| hwrm(data, 0x0011).why = None) as fn(&mut Data),
        // Felt at once, in the lowest scope, and not raised.
        |data| hwrm(data, 0x00C8).why = None,
    ] {
        let said = said(change);
        assert_eq!(said.len(), 1);
        assert!(said[0].ends_with("it says no `why` for its scope"), "{said:?}");
    }
    let unknown = said(|data| hwrm(data, 0x0011).scope = "debug".into());
    assert!(unknown.iter().any(|line| line.ends_with("unknown scope `debug`")), "{unknown:?}");
}

#[test]
fn a_dma_field_lies_inside_its_request_and_has_one_length() {
    for change in [
        (|row: &mut rows::Dma| row.address = 8) as fn(&mut rows::Dma),
        |row| row.address = 36,
        |row| row.length = Some(40),
        |row| row.width = Some(3),
        |row| row.unit = Some(0),
        |row| row.length = None,
        |row| row.fixed = Some(64),
    ] {
        let said = said(|data| change(&mut hwrm(data, 0xFFF2).dma[0]));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("0xFFF2"), "{said:?}");
    }
    let data = said(|data| hwrm(data, 0xFFF2).loggable = true);
    assert!(data[0].ends_with("loggable, but its payload carries data"), "{data:?}");
}

#[test]
fn a_vendor_file_speaks_only_of_vendor_opcodes() {
    let said = said(|data| data.vendor[0].1.commands[0].opcode = 0x4301);
    let expected = "data/vendor/fwgate-emulated.toml: command 0x4301 (Multiplexer): \
                    a vendor's file speaks only of C000h and above";
    assert!(said.contains(&expected.to_owned()), "{said:?}");
}

#[test]
fn a_version_that_is_not_known_is_refused() {
    let said = said(|data| data.advisories.version = 2);
    assert_eq!(said, ["data/advisories.toml: version 2 is not known, 1 is"]);
}

#[test]
fn a_date_that_is_none_is_refused() {
    for date in ["2024-7", "24-07-01", "2024-07-01-02", "soon", ""] {
        let said = said(|data| data.stances.rows[0].date = date.into());
        assert!(said.iter().any(|line| line.contains("is not YYYY-MM-DD")), "{date}: {said:?}");
    }
}

#[test]
fn a_file_that_does_not_parse_is_refused_by_line() {
    let cases = [
        ("version = 1\n[[advisory]]\nkey = ", "line 3"),
        ("version = 1\n[[advisory]]\nkind = \"x\"\n", "line 3: unknown field `kind`"),
        ("version = 1\n[[advisories]]\n", "line 2: unknown field `advisories`"),
        ("", "missing field `version`"),
    ];
    for (text, expected) in cases {
        let problem = rows::parse::<rows::Advisories>("data/advisories.toml", text).unwrap_err();
        let said = problem.to_string();
        assert!(said.starts_with("data/advisories.toml: "), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn an_opcode_that_is_too_large_is_refused_by_line() {
    let text = "version = 1\n\n[[io]]\nopcode = 0x100\n";
    let said = rows::parse::<rows::NvmeCommands>("f", text).unwrap_err().to_string();
    assert!(said.starts_with("f: line 4: "), "{said}");
}

#[test]
fn an_advisory_renders() {
    let text = "version = 1\n[[advisory]]\nkey = \"FWG-2026-0001\"\nvendor = 0x1234\nfirmware = \"1.*\"\n\
                protocol = \"cxl\"\nopcode = 0xC001\nwhy = \"erases what it should not\"\n\
                confidence = \"cited\"\nsource = \"a paper\"\n";
    let mut data = data();
    data.advisories = rows::parse(rows::ADVISORIES, text).unwrap();
    let made = super::render(&data).unwrap();
    let expected = "AdvisoryRow { key: \"FWG-2026-0001\", device: DeviceMatch { vendor: Some(0x1234), \
                    device: None, firmware: Some(\"1.*\") }, protocol: Protocol::Cxl, \
                    opcode: Some(0xC001), why: \"erases what it should not\", source: \"a paper\" }";
    assert!(made[0].1.contains(expected));
}

#[test]
fn bad_data_render_to_nothing() {
    let mut data = data();
    data.cxl.version = 7;
    assert!(super::render(&data).is_err());
}

#[test]
fn selectors_are_hex_bytes_or_uuids() {
    assert_eq!(rust::selector_bytes("0102"), Some(vec![1, 2]));
    let uuid = rust::selector_bytes("0da9c0b5-bf41-4b78-8f79-96b1623b3f17").unwrap();
    assert_eq!((uuid.len(), uuid[0], uuid[15]), (16, 0x0d, 0x17));
    for bad in ["", "1", "0X", "FF", "01-02", "+1", "0102030405060708090a0b0c0d0e0f1011", "é0"] {
        assert_eq!(rust::selector_bytes(bad), None, "{bad}");
    }
}

#[test]
fn the_words_are_the_judges_own() {
    for (word, _) in vocabulary::CXL_EFFECTS.iter().chain(vocabulary::NVME_EFFECTS) {
        assert!(Effects::by_name(word).is_some(), "{word}");
    }
    let effects = vocabulary::CXL_EFFECTS.len() + vocabulary::NVME_EFFECTS.len();
    // `reserved` is read off a device and never stands in a row.
    assert_eq!(effects + 1, Effects::all().iter().count());
    let levels: Vec<&str> = Disclosure::ALL.iter().map(|level| level.name()).collect();
    let words: Vec<&str> = vocabulary::DISCLOSURES.iter().map(|(word, _)| *word).collect();
    assert_eq!(words, levels);
    let names: Vec<&str> = Subsystems::all().names().collect();
    let words: Vec<&str> = vocabulary::SUBSYSTEMS.iter().map(|(word, _)| *word).collect();
    assert_eq!(words, names);
}

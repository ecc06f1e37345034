// SPDX-License-Identifier: MIT OR Apache-2.0
//! What data files must obey.
//!
//! *Invariants*: data that pass here render to tables that are sorted, have no row twice, use only
//! known words, and name a source in every row. Every problem is reported, not just the first.
//!
//! *Not here*: whether a row is true.

#[path = "validate/families.rs"]
mod families;

use std::collections::{BTreeMap, BTreeSet};

use super::Problem;
use super::rows::{self, Command, Data, Field, NvmeCommand, SelectorRow, Size, Vendor};
use super::rust::{selector_bytes, selector_key};
use super::vocabulary::{self as words, Word};

/// First opcode of the CXL vendor range.
const VENDOR_FIRST: u16 = 0xC000;
/// CXL Set Feature.
const SET_FEATURE: u16 = 0x0502;

/// Everything that is wrong with the data.
pub(crate) fn all(data: &Data) -> Vec<Problem> {
    let mut problems = Vec::new();
    let versions = [
        (rows::CXL, data.cxl.version),
        (rows::FEATURES, data.features.version),
        (rows::CODES, data.codes.version),
        (rows::NVME, data.nvme.version),
        (rows::GROUND, data.ground.version),
        (rows::STANCES, data.stances.version),
        (rows::ADVISORIES, data.advisories.version),
        (rows::MLX5, data.mlx5.version),
        (rows::BNXT, data.bnxt.version),
        (rows::PDS, data.pds.version),
    ];
    let vendor = data.vendor.iter().map(|(file, vendor)| (file.as_str(), vendor.version));
    for (file, version) in versions.into_iter().chain(vendor) {
        if version != 1 {
            Place::new(&mut problems, file, String::new())
                .say(format!("version {version} is not known, 1 is"));
        }
    }
    cxl(data, &mut problems);
    features(data, &mut problems);
    nvme(data, &mut problems);
    families::all(data, &mut problems);
    ground(data, &mut problems);
    stances(data, &mut problems);
    advisories(data, &mut problems);
    for (file, vendor) in &data.vendor {
        vendor_file(file, vendor, &mut problems);
    }
    problems
}

/// A row, and where its problems go.
struct Place<'p> {
    problems: &'p mut Vec<Problem>,
    file: &'p str,
    row: String,
}

impl<'p> Place<'p> {
    fn new(problems: &'p mut Vec<Problem>, file: &'p str, row: String) -> Self {
        Self { problems, file, row }
    }

    fn say(&mut self, what: impl Into<String>) {
        self.problems.push(Problem {
            file: self.file.into(),
            row: self.row.clone(),
            what: what.into(),
        });
    }

    fn word(&mut self, kind: &str, known: &[Word], value: &str) {
        if words::rust_of(known, value).is_none() {
            self.say(format!("unknown {kind} `{value}`"));
        }
    }

    fn words(&mut self, kind: &str, known: &[Word], values: &[String]) {
        let mut seen = BTreeSet::new();
        for value in values {
            self.word(kind, known, value);
            if !seen.insert(value) {
                self.say(format!("{kind} `{value}` twice"));
            }
        }
    }

    fn text(&mut self, field: &str, value: &str) {
        if value.trim().is_empty() || value.trim() != value || value.contains(['\n', '\t']) {
            self.say(format!("`{field}` is empty, or has spaces around it, or line ends"));
        }
    }

    fn source(&mut self, confidence: &str, source: Option<&str>) {
        self.word("confidence", words::CONFIDENCES, confidence);
        match source {
            None => self.say(format!("`{confidence}` without a source")),
            Some(source) => self.text("source", source),
        }
    }

    fn size(&mut self, field: &str, size: Size) {
        if size.max.is_some_and(|max| size.min.is_none_or(|min| min > max)) {
            self.say(format!("`{field}` has a max without a min, or below it"));
        }
    }

    fn field(&mut self, field: Option<Field>) {
        if field.is_some_and(|field| !(1..=16).contains(&field.len)) {
            self.say("a selector has 1 to 16 bytes");
        }
    }

    fn selector(&mut self, selector: &str) -> Vec<u8> {
        let bytes = selector_bytes(selector);
        if bytes.is_none() {
            self.say(format!("selector `{selector}` is neither lower-case hex bytes nor a UUID"));
        }
        bytes.unwrap_or_default()
    }
}

/// Rows must ascend strictly: a row that does not is unsorted or there twice.
fn ascending<T, K: Ord>(
    problems: &mut Vec<Problem>,
    file: &str,
    rows: &[T],
    key: impl Fn(&T) -> K,
    label: impl Fn(&T) -> String,
) {
    for pair in rows.windows(2) {
        let [before, after] = pair else { continue };
        match key(before).cmp(&key(after)) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => {
                Place::new(problems, file, label(after)).say("duplicate row");
            }
            std::cmp::Ordering::Greater => {
                Place::new(problems, file, label(after))
                    .say(format!("unsorted: stands after {}", label(before)));
            }
        }
    }
}

/// What floors of every protocol have.
struct Floor<'r> {
    floor: Option<&'r [String]>,
    confidence: &'r str,
    discloses: &'r str,
    kind: &'r str,
    source: Option<&'r str>,
}

fn floor(place: &mut Place<'_>, known: &[Word], row: &Floor<'_>) {
    place.source(row.confidence, row.source);
    place.words("effect", known, row.floor.unwrap_or_default());
    place.word("disclosure", words::DISCLOSURES, row.discloses);
    place.word("kind", words::KINDS, row.kind);
    if (row.confidence == "unknown") == row.floor.is_some() {
        place.say("`unknown` goes without a floor, and only `unknown` does");
    }
    let cited_none = row.confidence == "cited" && row.floor.is_some_and(<[String]>::is_empty);
    if row.kind == "read" && !cited_none {
        place.say("kind `read` needs an empty floor that is cited");
    }
}

/// A payload may be stored only where it can hold no secret.
fn loggable(place: &mut Place<'_>, loggable: bool, discloses: &str) {
    let shows = words::rank_of(words::DISCLOSURES, discloses);
    if loggable && shows > words::rank_of(words::DISCLOSURES, "health") {
        place.say(format!("loggable, but its reply discloses `{discloses}`"));
    }
}

/// Slugs and names pick one command each.
fn names<'r>(
    problems: &mut Vec<Problem>,
    file: &str,
    rows: impl Iterator<Item = (String, &'r str, &'r str)>,
) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (label, name, slug) in rows {
        let mut place = Place::new(problems, file, label.clone());
        place.text("name", name);
        let kebab = slug.split('-').all(|part| {
            !part.is_empty()
                && part.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
        });
        if !kebab {
            place.say(format!("slug `{slug}` is not in kebab-case"));
        }
        for key in BTreeSet::from([name.to_ascii_lowercase(), slug.to_owned()]) {
            if let Some(other) = seen.insert(key.clone(), label.clone()) {
                place.say(format!("`{key}` also names {other}"));
            }
        }
    }
}

fn label(row: &Command) -> String {
    format!("command 0x{:04X} ({})", row.opcode, row.name)
}

fn cxl(data: &Data, problems: &mut Vec<Problem>) {
    let commands = &data.cxl.commands;
    ascending(problems, rows::CXL, commands, |row| row.opcode, label);
    let slugs = commands.iter().map(|row| (label(row), row.name.as_str(), row.slug.as_str()));
    names(problems, rows::CXL, slugs);
    let mut ids = BTreeSet::new();
    for row in commands {
        let mut place = Place::new(problems, rows::CXL, label(row));
        if row.opcode >= VENDOR_FIRST {
            place.say("vendor opcodes belong in data/vendor/");
        }
        let least = Floor {
            floor: row.floor.as_deref(),
            confidence: &row.confidence,
            discloses: &row.discloses,
            kind: &row.kind,
            source: row.source.as_deref(),
        };
        floor(&mut place, words::CXL_EFFECTS, &least);
        loggable(&mut place, row.loggable, &row.discloses);
        if row.loggable && row.input.min.is_none() {
            place.say("loggable, but its payload is not known");
        }
        if let Some(judge) = &row.judged_by {
            place.word("judge", words::JUDGES, judge);
        }
        place.words("class", words::CLASSES, &row.mandatory);
        place.size("input", row.input);
        place.size("output", row.output);
        place.field(row.selector);
        place.text("set", &row.set);
        place.text("cci", &row.cci);
        if let Some(memdev) = &row.memdev {
            place.word("memdev state", words::MEMDEV_STATES, &memdev.state);
            place.text("memdev name", &memdev.name);
            if memdev.id == 0 || !ids.insert(memdev.id) {
                place.say(format!("memdev id {} is 0 or already taken", memdev.id));
            }
        }
    }
    let fields = commands.iter().map(|row| (row.opcode, row.selector)).collect();
    operations(rows::CXL, words::CXL_EFFECTS, &data.cxl.selectors, &fields, problems);
}

/// Sub-operations: sorted, and each of a command that has a selector of that length.
fn operations(
    file: &str,
    known: &[Word],
    rows: &[SelectorRow],
    fields: &BTreeMap<u16, Option<Field>>,
    problems: &mut Vec<Problem>,
) {
    let label = |row: &SelectorRow| format!("selector 0x{:04X} {}", row.opcode, row.selector);
    let key = |row: &SelectorRow| {
        (row.opcode, selector_key(&selector_bytes(&row.selector).unwrap_or_default()))
    };
    ascending(problems, file, rows, key, label);
    for row in rows {
        let mut place = Place::new(problems, file, label(row));
        place.text("name", &row.name);
        let bytes = place.selector(&row.selector);
        let least = Floor {
            floor: row.floor.as_deref(),
            confidence: &row.confidence,
            discloses: &row.discloses,
            kind: &row.kind,
            source: row.source.as_deref(),
        };
        floor(&mut place, known, &least);
        match fields.get(&row.opcode) {
            None => place.say("there is no such command"),
            Some(None) => place.say("its command has no selector"),
            Some(Some(field)) if usize::from(field.len) != bytes.len() => {
                place.say(format!("its command's selector has {} bytes", field.len));
            }
            Some(Some(_)) => {}
        }
    }
}

fn features(data: &Data, problems: &mut Vec<Problem>) {
    let rows = &data.features.rows;
    let label = |row: &rows::Feature| format!("feature {} ({})", row.uuid, row.name);
    ascending(problems, rows::FEATURES, rows, |row| row.uuid.clone(), label);
    for row in rows {
        let mut place = Place::new(problems, rows::FEATURES, label(row));
        if place.selector(&row.uuid).len() != 16 {
            place.say("a UUID has 16 bytes");
        }
        place.text("name", &row.name);
        place.text("class", &row.class);
        place.size("get_size", row.get_size);
        place.size("set_size", row.set_size);
        place.source(&row.confidence, row.source.as_deref());
        let owned = data.ground.rows.iter().any(|ground| {
            ground.opcode == SET_FEATURE && ground.selector.as_deref() == Some(row.uuid.as_str())
        });
        if row.exclusive != owned {
            place
                .say("exclusive features, and only they, have a row for 0502h in data/ground.toml");
        }
    }
    let label = |row: &rows::Code| format!("code 0x{:02X} ({})", row.value, row.name);
    ascending(problems, rows::CODES, &data.codes.rows, |row| row.value, label);
    for row in &data.codes.rows {
        let mut place = Place::new(problems, rows::CODES, label(row));
        place.text("name", &row.name);
        place.text("retriable", &row.retriable);
        place.text("meaning", &row.meaning);
        place.source(&row.confidence, row.source.as_deref());
    }
}

fn nvme(data: &Data, problems: &mut Vec<Problem>) {
    for (kind, commands) in [("admin", &data.nvme.admin), ("io", &data.nvme.io)] {
        let label = |row: &NvmeCommand| format!("{kind} 0x{:02X} ({})", row.opcode, row.name);
        ascending(problems, rows::NVME, commands, |row| row.opcode, label);
        let slugs = commands.iter().map(|row| (label(row), row.name.as_str(), row.slug.as_str()));
        names(problems, rows::NVME, slugs);
        for row in commands {
            let mut place = Place::new(problems, rows::NVME, label(row));
            let least = Floor {
                floor: row.floor.as_deref(),
                confidence: &row.confidence,
                discloses: &row.discloses,
                kind: &row.kind,
                source: row.source.as_deref(),
            };
            floor(&mut place, words::NVME_EFFECTS, &least);
            if row.loggable && kind == "io" {
                place.say("loggable, but I/O carries user data");
            }
            place.word("direction", words::DIRECTIONS, &row.direction);
            place.words("class", words::CLASSES, &row.mandatory);
            place.field(row.selector);
            if let Some(judge) = &row.judged_by {
                place.word("judge", words::JUDGES, judge);
            }
        }
    }
    let fields = data.nvme.admin.iter().map(|row| (u16::from(row.opcode), row.selector)).collect();
    operations(rows::NVME, words::NVME_EFFECTS, &data.nvme.selectors, &fields, problems);
}

fn ground(data: &Data, problems: &mut Vec<Problem>) {
    let interfaces = &data.ground.interfaces;
    let label = |row: &rows::Interface| format!("interface `{}`", row.key);
    ascending(problems, rows::GROUND, interfaces, |row| row.key.clone(), label);
    for row in interfaces {
        let mut place = Place::new(problems, rows::GROUND, label(row));
        for (field, value) in [("place", &row.place), ("option", &row.option), ("verb", &row.verb)]
        {
            place.text(field, value);
        }
        place.source(&row.confidence, row.source.as_deref());
        if !data.ground.rows.iter().any(|ground| ground.interface.as_ref() == Some(&row.key)) {
            place.say("no ground row names it");
        }
    }
    let keys: BTreeSet<&str> = interfaces.iter().map(|row| row.key.as_str()).collect();
    let label = |row: &rows::GroundRow| {
        let selector = row.selector.as_deref().unwrap_or_default();
        format!("ground {} 0x{:04X} {selector}", row.protocol, row.opcode).trim_end().to_owned()
    };
    let key = |row: &rows::GroundRow| {
        let bytes = row.selector.as_deref().and_then(selector_bytes);
        let rank = words::rank_of(words::PROTOCOLS, &row.protocol);
        (rank, row.opcode, bytes.map(|bytes| selector_key(&bytes)))
    };
    ascending(problems, rows::GROUND, &data.ground.rows, key, label);
    for row in &data.ground.rows {
        let mut place = Place::new(problems, rows::GROUND, label(row));
        place.word("protocol", words::PROTOCOLS, &row.protocol);
        place.word("subsystem", words::SUBSYSTEMS, &row.owner);
        place.words("subsystem", words::SUBSYSTEMS, &row.others);
        if row.others.contains(&row.owner) {
            place.say(format!("`{}` is owner and among the others", row.owner));
        }
        place.word("condition", words::CONDITIONS, &row.condition);
        place.text("why", &row.why);
        place.source(&row.confidence, row.source.as_deref());
        if let Some(selector) = &row.selector {
            place.selector(selector);
        }
        match row.interface.as_deref() {
            Some(key) if !keys.contains(key) => place.say(format!("no interface `{key}`")),
            None if row.condition == "interface-present" => place.say("it names no interface"),
            _ => {}
        }
        let nvme = |rows: &[NvmeCommand]| rows.iter().any(|it| u16::from(it.opcode) == row.opcode);
        let there = match row.protocol.as_str() {
            "cxl" => data.cxl.commands.iter().any(|it| it.opcode == row.opcode),
            "nvme-admin" => nvme(&data.nvme.admin),
            "mlx5" => data.mlx5.commands.iter().any(|it| it.opcode == row.opcode),
            "bnxt" => data.bnxt.commands.iter().any(|it| it.opcode == row.opcode),
            _ => nvme(&data.nvme.io),
        };
        if !there {
            place.say("there is no such command");
        }
    }
}

fn stances(data: &Data, problems: &mut Vec<Problem>) {
    let label = |row: &rows::Stance| format!("stance `{}`", row.key);
    ascending(problems, rows::STANCES, &data.stances.rows, |row| row.key.clone(), label);
    for row in &data.stances.rows {
        let mut place = Place::new(problems, rows::STANCES, label(row));
        place.word("subsystem", words::SUBSYSTEMS, &row.ground);
        place.word("matter", words::MATTERS, &row.matter);
        place.word("opinion", words::OPINIONS, &row.opinion);
        for (field, value) in [
            ("who", &row.who),
            ("maintainer_of", &row.maintainer_of),
            ("address", &row.address),
            ("says", &row.says),
        ] {
            place.text(field, value);
        }
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
        let lengths: Vec<usize> =
            row.date.split('-').map(|part| if digits(part) { part.len() } else { 0 }).collect();
        if !matches!(lengths[..], [4] | [4, 2] | [4, 2, 2]) {
            place.say(format!("date `{}` is not YYYY-MM-DD, nor the beginning of one", row.date));
        }
        place.source(&row.confidence, row.source.as_deref());
    }
}

fn advisories(data: &Data, problems: &mut Vec<Problem>) {
    let label = |row: &rows::Advisory| format!("advisory `{}`", row.key);
    ascending(problems, rows::ADVISORIES, &data.advisories.rows, |row| row.key.clone(), label);
    for row in &data.advisories.rows {
        let mut place = Place::new(problems, rows::ADVISORIES, label(row));
        place.text("key", &row.key);
        place.text("why", &row.why);
        place.word("protocol", words::PROTOCOLS, &row.protocol);
        place.source(&row.confidence, row.source.as_deref());
        if row.protocol.starts_with("nvme") && row.opcode.is_some_and(|opcode| opcode > 0xFF) {
            place.say("an NVMe opcode has one byte");
        }
    }
}

fn vendor_file(file: &str, vendor: &Vendor, problems: &mut Vec<Problem>) {
    let label = |row: &rows::VendorCommand| format!("command 0x{:04X} ({})", row.opcode, row.name);
    ascending(problems, file, &vendor.commands, |row| row.opcode, label);
    for row in &vendor.commands {
        let mut place = Place::new(problems, file, label(row));
        place.text("name", &row.name);
        if row.opcode < VENDOR_FIRST {
            place.say("a vendor's file speaks only of C000h and above");
        }
        place.words("effect", words::CXL_EFFECTS, &row.floor);
        place.word("disclosure", words::DISCLOSURES, &row.discloses);
        place.source(&row.confidence, row.source.as_deref());
        if row.confidence != "cited" {
            place.say("a vendor's row rests on the vendor's document: `cited`");
        }
        place.field(row.selector);
        match (row.selector, row.carries) {
            (Some(_), Some(_)) => place.say("a multiplexer or a tunnel, not both"),
            (None, Some(it)) if it.payload_at < it.opcode_at.saturating_add(2) => {
                place.say("the carried payload overlaps the carried opcode");
            }
            _ => {}
        }
    }
    let fields = vendor.commands.iter().map(|row| (row.opcode, row.selector)).collect();
    operations(file, words::CXL_EFFECTS, &vendor.operations, &fields, problems);
}

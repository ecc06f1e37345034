// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the data files of fwctl's families must obey, beside what every command's must.
//!
//! *Invariants*: no row asks less than the kernel's driver; a row that asks more says why; so does a
//! change that is felt at once and that the driver has below debug-write.
//!
//! *Not here*: whether the rows are the driver's own (`crates/policy/tests/families.rs`).

use super::{Floor, Place, ascending, floor, loggable, names, operations};
use crate::generate::Problem;
use crate::generate::rows::{self, Data, Dma, FamilyCommand, FamilyCommands};
use crate::generate::vocabulary as words;

/// Bytes of a bnxt request, at most; of its header.
const MAX_HWRM: u16 = 128;
const HWRM_HEADER: u16 = 16;

pub(super) fn all(data: &Data, problems: &mut Vec<Problem>) {
    family(rows::MLX5, &data.mlx5, problems);
    family(rows::BNXT, &data.bnxt, problems);
    let label = |row: &rows::Attribute| format!("attribute 0x{:02X} ({})", row.value, row.name);
    ascending(problems, rows::PDS, &data.pds.rows, |row| row.value, label);
    for row in &data.pds.rows {
        let mut place = Place::new(problems, rows::PDS, label(row));
        place.text("name", &row.name);
        place.source("cited", row.source.as_deref());
        scope(&mut place, &row.scope, row.raised.as_deref(), row.why.as_deref(), &[]);
    }
}

fn family(file: &str, rows: &FamilyCommands, problems: &mut Vec<Problem>) {
    let label = |row: &FamilyCommand| format!("command 0x{:04X} ({})", row.opcode, row.name);
    let commands = &rows.commands;
    ascending(problems, file, commands, |row| row.opcode, label);
    let slugs = commands.iter().map(|row| (label(row), row.name.as_str(), row.slug.as_str()));
    names(problems, file, slugs);
    for row in commands {
        let mut place = Place::new(problems, file, label(row));
        let least = Floor {
            floor: Some(&row.floor),
            confidence: &row.confidence,
            discloses: &row.discloses,
            kind: &row.kind,
            source: row.source.as_deref(),
        };
        floor(&mut place, words::CXL_EFFECTS, &least);
        loggable(&mut place, row.loggable, &row.discloses);
        if row.loggable && row.dma.iter().any(|field| field.direction == "to-device") {
            place.say("loggable, but its payload carries data");
        }
        scope(&mut place, &row.scope, row.raised.as_deref(), row.why.as_deref(), &row.floor);
        if let Some(judge) = &row.judged_by {
            place.word("judge", words::JUDGES, judge);
        }
        place.field(row.selector);
        if row.request.is_some_and(|bytes| !(HWRM_HEADER..=MAX_HWRM).contains(&bytes)) {
            place.say("a request has 16 to 128 bytes");
        }
        for field in &row.dma {
            dma(&mut place, field, row.request);
        }
    }
    let fields = commands.iter().map(|row| (row.opcode, row.selector)).collect();
    operations(file, words::CXL_EFFECTS, &rows.plain_selectors(), &fields, problems);
    for row in &rows.selectors {
        let label = format!("selector 0x{:04X} {}", row.opcode, row.selector);
        let mut place = Place::new(problems, file, label);
        scope(&mut place, &row.scope, row.raised.as_deref(), row.why.as_deref(), &row.floor);
    }
}

fn scope(
    place: &mut Place<'_>,
    driver: &str,
    raised: Option<&str>,
    why: Option<&str>,
    effects: &[String],
) {
    place.word("scope", words::SCOPES, driver);
    let rank = |scope: &str| words::rank_of(words::SCOPES, scope);
    if let Some(raised) = raised {
        place.word("scope", words::SCOPES, raised);
        if rank(raised) <= rank(driver) {
            place.say(format!("`raised` is `{raised}`, which the driver asks for anyway"));
        }
    }
    if let Some(why) = why {
        place.text("why", why);
    }
    let at_once = effects.iter().any(|effect| effect.starts_with("immediate-"));
    let low = rank(driver) < rank("debug-write");
    if why.is_none() && (raised.is_some() || (at_once && low)) {
        place.say("it says no `why` for its scope");
    }
}

fn dma(place: &mut Place<'_>, field: &Dma, request: Option<u16>) {
    place.word("direction", words::DMA_DIRECTIONS, &field.direction);
    let Some(request) = request else {
        place.say("a DMA field in a request of unknown size");
        return;
    };
    let inside = |at: u16, bytes: u16| {
        at >= HWRM_HEADER && at.checked_add(bytes).is_some_and(|end| end <= request)
    };
    if !inside(field.address, 8) {
        place.say("the address is outside the request");
    }
    match (field.fixed, field.length, field.width, field.unit) {
        (Some(1..=0x1_0000), None, None, None) => {}
        (None, Some(at), Some(width @ (2 | 4)), Some(1..)) if inside(at, u16::from(width)) => {}
        _ => place.say("a DMA field has a fixed length of 1 to 65536 bytes, or a field inside"),
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Set 43h: the poison list and scanning of media (4300h to 4305h).
//!
//! The device keeps no media content: clearing poison takes the 64 bytes and drops them.
//!
//! *Invariants*: poisoned places are multiples of 64 inside the device, sorted, each once; at most
//! [`POISON_LIMIT`].
//!
//! *Spec*: CXL r3.1 8.2.9.9.4.1 to 8.2.9.9.4.6; lengths in units of 64 bytes.

use fwgate_wire::cxl::ReturnCode;
use serde::{Deserialize, Serialize};

use super::capacity::END;
use super::events::{Severity, media_event};
use crate::bytes::{Put as _, Reader, count16, low32};
use crate::engine::{Done, Engine, Handled, Then};
use crate::store::BadField;

/// Most poisoned places.
pub(crate) const POISON_LIMIT: usize = 256;
/// Bytes of one place.
const LINE: u64 = 64;
/// Microseconds that a scan of the whole device takes.
const SCAN_US: u64 = 4_000_000;

/// Error sources in the low bits of a record's address.
const INTERNAL: u64 = 2;
const INJECTED: u64 = 3;

/// Flags of the poison list: 0 more, 2 scan under way.
const MORE: u8 = 1 << 0;
const SCANNING: u8 = 1 << 2;

/// Bad places, known and not yet known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Media {
    poison: Vec<Poison>,
    /// Places that only a scan finds.
    latent: Vec<u64>,
    /// Where the next Get Poison List of the same range goes on.
    list: Option<Cursor>,
    scan: Option<Scan>,
    /// How often all data was erased.
    pub(crate) erased: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Poison {
    dpa: u64,
    source: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    start: u64,
    end: u64,
    next: u64,
}

/// Results of a scan that were not read yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scan {
    found: Vec<Poison>,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            poison: Vec::new(),
            latent: vec![0x1000, 0x8000_0040],
            list: None,
            scan: None,
            erased: 0,
        }
    }
}

impl Media {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        let found = self.scan.as_ref().map_or(&[][..], |scan| &scan.found);
        for (field, places) in [("media.poison", &self.poison[..]), ("media.scan", found)] {
            BadField::unless(
                places.len() <= POISON_LIMIT,
                field,
                "expected at most 256 places",
                places.len(),
            )?;
            for place in places {
                BadField::unless(good(place.dpa), field, "expected a place", place.dpa)?;
                BadField::unless(place.source <= 7, field, "expected a source", place.source)?;
            }
        }
        let sorted = self.poison.is_sorted_by(|a, b| a.dpa < b.dpa);
        BadField::unless(sorted, "media.poison", "expected in order, each once", "not")?;
        BadField::unless(
            self.latent.len() <= POISON_LIMIT,
            "media.latent",
            "expected at most 256 places",
            self.latent.len(),
        )?;
        for dpa in &self.latent {
            BadField::unless(good(*dpa), "media.latent", "expected a place", dpa)?;
        }
        Ok(())
    }

    pub(crate) fn poisoned(&self) -> usize {
        self.poison.len()
    }

    pub(crate) fn forget_cursors(&mut self) {
        self.list = None;
        self.scan = None;
    }

    pub(crate) fn erase(&mut self) {
        self.poison.clear();
        self.latent.clear();
        self.forget_cursors();
        self.erased = self.erased.saturating_add(1);
    }

    fn add(&mut self, dpa: u64, source: u64) -> Result<(), ReturnCode> {
        match self.poison.binary_search_by_key(&dpa, |place| place.dpa) {
            Ok(_) => Ok(()),
            Err(_) if self.poison.len() >= POISON_LIMIT => Err(ReturnCode::INJECT_POISON_LIMIT),
            Err(at) => {
                let source = u8::try_from(source).unwrap_or_default();
                self.poison.insert(at, Poison { dpa, source });
                Ok(())
            }
        }
    }
}

fn good(dpa: u64) -> bool {
    dpa < END && dpa.is_multiple_of(LINE)
}

/// Start and end of a range given as address and count of 64-byte units.
fn span(reader: &mut Reader<'_>) -> Result<(u64, u64), ReturnCode> {
    let (start, units) = (reader.u64()?, reader.u64()?);
    let end = units.checked_mul(LINE).and_then(|length| start.checked_add(length));
    match end {
        Some(end) if good(start) && end <= END && end > start => Ok((start, end)),
        _ => Err(ReturnCode::INVALID_PHYSICAL_ADDRESS),
    }
}

fn put_records(reply: &mut Vec<u8>, places: &[Poison]) {
    for place in places {
        reply.put_u64(place.dpa | u64::from(place.source));
        reply.put_u32(1);
        reply.put_u32(0);
    }
}

/// Records that fit behind a head of 32 bytes.
fn room(engine: &Engine) -> usize {
    engine.state.payload_size().saturating_sub(32) / 16
}

/// 4300h. If not all fit, the same request again goes on where this one ended.
pub(crate) fn poison_list(engine: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    let (start, end) = span(&mut Reader::new(input))?;
    let room = room(engine);
    let media = &engine.state.media;
    let from = match &media.list {
        Some(cursor) if (cursor.start, cursor.end) == (start, end) => cursor.next,
        _ => start,
    };
    let inside: Vec<_> =
        media.poison.iter().filter(|place| (from..end).contains(&place.dpa)).copied().collect();
    let (shown, left) = inside.split_at_checked(room).unwrap_or((&inside, &[]));
    let next = left.first().map(|place| Cursor { start, end, next: place.dpa });
    let mut flags = 0;
    if next.is_some() {
        flags |= MORE;
    }
    if let Some(running) = &engine.state.background.running
        && matches!(running.then, Then::Scan { .. })
    {
        flags |= SCANNING;
    }
    reply.put(&[flags, 0]);
    reply.put_u64(0);
    reply.put_u16(count16(shown.len()));
    reply.put_zeros(20);
    put_records(reply, shown);
    if next != engine.state.media.list {
        engine.change().media.list = next;
    }
    Ok(Done::Now)
}

/// 4301h.
pub(crate) fn inject(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let dpa = Reader::new(input).u64()?;
    if !good(dpa) {
        return Err(ReturnCode::INVALID_PHYSICAL_ADDRESS);
    }
    engine.change().media.add(dpa, INJECTED)?;
    Ok(Done::Now)
}

/// 4302h.
pub(crate) fn clear(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let dpa = reader.u64()?;
    reader.take(64)?;
    if !good(dpa) {
        return Err(ReturnCode::INVALID_PHYSICAL_ADDRESS);
    }
    engine.change().media.poison.retain(|place| place.dpa != dpa);
    Ok(Done::Now)
}

/// Microseconds for a scan of that many bytes, at least one millisecond.
fn scan_time(bytes: u64) -> u64 {
    let us = u128::from(bytes) * u128::from(SCAN_US) / u128::from(END);
    u64::try_from(us).unwrap_or(SCAN_US).max(1000)
}

/// 4303h: the time in milliseconds.
pub(crate) fn scan_capabilities(_: &mut Engine, input: &[u8], reply: &mut Vec<u8>) -> Handled {
    let (start, end) = span(&mut Reader::new(input))?;
    reply.put_u32(low32(scan_time(end - start).div_ceil(1000)));
    Ok(Done::Now)
}

/// 4304h: flag bit 0 asks for no event records.
pub(crate) fn scan(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let (start, end) = span(&mut reader)?;
    let quiet = reader.u8()? & 1 != 0;
    engine.start(0x4304, scan_time(end - start), true, Then::Scan { start, end, quiet })
}

/// The scan is over: what it found is poison now.
pub(crate) fn finish_scan(engine: &mut Engine, start: u64, end: u64, quiet: bool) -> ReturnCode {
    let media = &mut engine.change().media;
    let (found, left): (Vec<u64>, Vec<u64>) =
        media.latent.iter().partition(|dpa| (start..end).contains(*dpa));
    media.latent = left;
    for dpa in &found {
        // A full list loses the place: it stays poisoned and unlisted.
        let _full = media.add(*dpa, INTERNAL);
    }
    let inside = media.poison.iter().filter(|place| (start..end).contains(&place.dpa));
    media.scan = Some(Scan { found: inside.copied().collect() });
    if !quiet {
        for dpa in found {
            media_event(engine, Severity::Failure, dpa);
        }
    }
    ReturnCode::SUCCESS
}

/// 4305h: each result is read once.
pub(crate) fn scan_results(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    engine.idle()?;
    let room = room(engine);
    let Some(scan) = &engine.state.media.scan else {
        return Err(ReturnCode::UNSUPPORTED);
    };
    let (shown, left) = scan.found.split_at_checked(room).unwrap_or((&scan.found, &[]));
    reply.put_zeros(16);
    reply.put(&[if left.is_empty() { 0 } else { MORE }, 0]);
    reply.put_u16(count16(shown.len()));
    reply.put_zeros(12);
    put_records(reply, shown);
    let left = left.to_vec();
    engine.change().media.scan = (!left.is_empty()).then_some(Scan { found: left });
    Ok(Done::Now)
}

/// The place is repaired: it is not poisoned any more.
pub(crate) fn finish_repair(engine: &mut Engine, dpa: Option<u64>) -> ReturnCode {
    if let Some(dpa) = dpa {
        engine.change().media.poison.retain(|place| place.dpa != dpa);
    }
    engine.log(Severity::Information, "maintenance done");
    ReturnCode::SUCCESS
}

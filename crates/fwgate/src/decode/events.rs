// SPDX-License-Identifier: MIT OR Apache-2.0
//! Event records in words.
//!
//! *Spec*: common header `fwgate_wire::cxl::events`; what follows it `include/cxl/event.h` and
//! `drivers/cxl/core/trace.h` @ v7.3.

use fwgate_gate::text::hex;
use fwgate_wire::cxl::events::{EventRecord, EventRecords, event_uuid};
use serde::Serialize;

use super::{Decoded, health};
use crate::time::rfc3339;

/// The logs, by number.
pub(crate) const LOGS: [&str; 4] = ["information", "warning", "failure", "fatal"];

/// One record.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Event {
    pub(crate) log: &'static str,
    /// The record's number in its log.
    pub(crate) handle: u16,
    /// By the device's clock.
    pub(crate) time: String,
    pub(crate) time_ns: u64,
    pub(crate) kind: &'static str,
    uuid: String,
    pub(crate) fields: Decoded,
    /// The 80 bytes that differ from kind to kind, in hexadecimal.
    data: String,
}

/// What a log holds, as far as one reply shows it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
    /// Records that the device could not keep.
    pub(crate) lost: u16,
    /// There are others that this reply had no room for.
    pub(crate) more: bool,
}

/// Takes a reply of Get Event Records apart; `None` where it is not as it has to be.
pub(crate) fn parse(log: u8, bytes: &[u8]) -> Option<Events> {
    let records = EventRecords::parse(bytes).ok()?;
    let name = LOGS.get(usize::from(log))?;
    let header = records.header();
    Some(Events {
        events: records.records().iter().map(|record| event(name, record)).collect(),
        lost: if header.overflowed() { header.overflow_count.get() } else { 0 },
        more: header.more_records(),
    })
}

fn event(log: &'static str, record: &EventRecord) -> Event {
    let uuid = record.uuid();
    let data = &record.data;
    let (kind, fields) = if uuid == event_uuid::GENERAL_MEDIA {
        ("general media", media(data))
    } else if uuid == event_uuid::DRAM {
        ("DRAM", media(data))
    } else if uuid == event_uuid::MEMORY_MODULE {
        ("memory module", module(data))
    } else if uuid == event_uuid::MEMORY_SPARING {
        ("memory sparing", None)
    } else {
        ("other", None)
    };
    let time_ns = record.timestamp.get();
    Event {
        log,
        handle: record.handle.get(),
        time: rfc3339(time_ns),
        time_ns,
        kind,
        uuid: uuid.to_string(),
        fields: Decoded::new(fields.unwrap_or_default()),
        data: hex(data),
    }
}

/// The head that general media and DRAM records share.
fn media(data: &[u8]) -> Option<super::Fields> {
    let word = u64::from_le_bytes(*data.first_chunk()?);
    let &[descriptor, kind, transaction] = data.get(8..)?.first_chunk()?;
    Some(vec![
        ("address", format!("{:#x}", word & !0x3F).into()),
        ("volatile", (word & 1 != 0).into()),
        ("not_repairable", (word & 2 != 0).into()),
        ("uncorrectable", (descriptor & 1 != 0).into()),
        ("threshold", (descriptor & 2 != 0).into()),
        ("poison_list_overflow", (descriptor & 4 != 0).into()),
        ("type", kind.into()),
        ("transaction", transaction.into()),
    ])
}

/// A memory module record: its type, and the device's health then.
fn module(data: &[u8]) -> Option<super::Fields> {
    let (kind, rest) = data.split_first()?;
    let mut fields: super::Fields = vec![("type", (*kind).into())];
    fields.extend(health(rest.get(..18)?)?);
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fwgate_wire::Uuid;

    fn reply(uuid: Uuid, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 32];
        bytes[20] = 1;
        bytes.extend_from_slice(uuid.as_bytes());
        let mut record = vec![128, 2, 0, 0, 7, 0, 0, 0];
        record.extend_from_slice(&1_000_000_000_u64.to_le_bytes());
        record.resize(32, 0);
        record.extend_from_slice(data);
        record.resize(112, 0);
        bytes.extend_from_slice(&record);
        bytes
    }

    #[test]
    fn a_media_record_tells_its_place() {
        let mut data = 0x1001_u64.to_le_bytes().to_vec();
        data.extend_from_slice(&[1, 0, 4]);
        let read = parse(2, &reply(event_uuid::GENERAL_MEDIA, &data)).unwrap();
        let event = &read.events[0];
        assert_eq!((event.log, event.handle, event.kind), ("failure", 7, "general media"));
        assert_eq!(event.time, "1970-01-01T00:00:01.000Z");
        let field = |name| {
            event.fields.fields().iter().find(|(known, _)| *known == name).unwrap().1.clone()
        };
        assert_eq!((field("address"), field("volatile")), ("0x1000".into(), true.into()));
    }

    #[test]
    fn a_record_of_an_unknown_kind_is_shown_as_it_is() {
        let read = parse(0, &reply(Uuid::nil(), &[0xAB; 80])).unwrap();
        assert_eq!(read.events[0].kind, "other");
        assert!(read.events[0].data.starts_with("abab"));
    }

    #[test]
    fn a_reply_with_another_number_of_records_than_it_says_is_not_read() {
        let mut bytes = reply(Uuid::nil(), &[]);
        bytes[20] = 2;
        assert_eq!(parse(0, &bytes), None);
        assert_eq!(parse(9, &reply(Uuid::nil(), &[])), None);
        assert_eq!(parse(0, &[0; 31]), None);
    }
}

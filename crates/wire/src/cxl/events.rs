// SPDX-License-Identifier: MIT OR Apache-2.0
//! Event commands: Get Event Records (0100h), Clear Event Records (0101h), interrupt policy (0102h, 0103h).
//!
//! Input is not trusted.
//!
//! *Invariants*: a reply that parsed has as many records as its header states. The 80 bytes after a
//! record's common header are opaque.
//!
//! *Not here*: the contents of each record type.
//!
//! *Spec*: CXL r3.1 8.2.9.2.1 to 8.2.9.2.5 as cited by computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`; `drivers/cxl/cxlmem.h` @ v7.3.

use crate::error::{FormatError, FormatErrorKind};
use crate::layout;
use uuid::Uuid;
use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// UUIDs of the event record types. On the wire they are 16 bytes in textual order.
pub mod event_uuid {
    use uuid::{Uuid, uuid};

    /// General Media Event Record.
    pub const GENERAL_MEDIA: Uuid = uuid!("fbcd0a77-c260-417f-85a9-088b1621eba6");
    /// DRAM Event Record.
    pub const DRAM: Uuid = uuid!("601dcbb3-9c06-4eab-b8af-4e9bfb5c9624");
    /// Memory Module Event Record.
    pub const MEMORY_MODULE: Uuid = uuid!("fe927475-dd59-4339-a586-79bab113b774");
    /// Memory Sparing Event Record.
    pub const MEMORY_SPARING: Uuid = uuid!("e71f3a40-2d29-4092-8a39-4d1c966c7c65");
}

/// Which event log: the one byte of the Get Event Records request (0100h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventLog {
    /// 0.
    Information,
    /// 1.
    Warning,
    /// 2.
    Failure,
    /// 3.
    Fatal,
    /// 4.
    DynamicCapacity,
    /// Any other value.
    Reserved(u8),
}

impl From<u8> for EventLog {
    fn from(value: u8) -> Self {
        match value {
            0 => Self::Information,
            1 => Self::Warning,
            2 => Self::Failure,
            3 => Self::Fatal,
            4 => Self::DynamicCapacity,
            other => Self::Reserved(other),
        }
    }
}

/// The Get Event Records request (0100h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct GetEventRecordsRequest {
    /// See [`EventLog`].
    pub log: u8,
}

fixed!(GetEventRecordsRequest, "get event records request", 1, { log @ 0 });

impl GetEventRecordsRequest {
    /// Which log.
    #[must_use]
    pub fn log(&self) -> EventLog {
        EventLog::from(self.log)
    }
}

/// The first 32 bytes of the Get Event Records reply.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EventRecordsHeader {
    /// Bit 0 overflow, bit 1 more records.
    pub flags: u8,
    /// Reserved.
    pub reserved: u8,
    /// Records lost to an overflow.
    pub overflow_count: U16,
    /// Time of the first loss, nanoseconds since 1970.
    pub first_overflow: U64,
    /// Time of the last loss, nanoseconds since 1970.
    pub last_overflow: U64,
    /// Records that follow.
    pub records: U16,
    /// Reserved.
    pub reserved2: [u8; 10],
}

fixed!(EventRecordsHeader, "event records header", 32, {
    flags @ 0, reserved @ 1, overflow_count @ 2, first_overflow @ 4, last_overflow @ 12,
    records @ 20, reserved2 @ 22,
});

impl EventRecordsHeader {
    /// Whether records were lost.
    #[must_use]
    pub const fn overflowed(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether the log holds more records than this reply.
    #[must_use]
    pub const fn more_records(&self) -> bool {
        self.flags & 2 != 0
    }
}

/// One event record: the common header and 80 bytes whose form depends on the type.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EventRecord {
    /// Type of the record.
    pub uuid: [u8; 16],
    /// Bytes of the record, as claimed.
    pub length: u8,
    /// Record flags, 24 bits.
    pub flags: [u8; 3],
    /// Handle, for clearing; unique among the records of the log.
    pub handle: U16,
    /// Handle of a related record; 0: none.
    pub related_handle: U16,
    /// Nanoseconds since 1970; 0: the device was never told the time.
    pub timestamp: U64,
    /// Class of the maintenance operation asked for.
    pub maintenance_class: u8,
    /// Sub-class of that operation.
    pub maintenance_subclass: u8,
    /// Reserved.
    pub reserved: [u8; 14],
    /// Data of the record type.
    pub data: [u8; 80],
}

fixed!(EventRecord, "event record", 128, {
    uuid @ 0, length @ 16, flags @ 17, handle @ 20, related_handle @ 22, timestamp @ 24,
    maintenance_class @ 32, maintenance_subclass @ 33, reserved @ 34, data @ 48,
});

impl EventRecord {
    /// Type of the record.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
    }
}

/// The Get Event Records reply (0100h), borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRecords<'a> {
    header: &'a EventRecordsHeader,
    records: &'a [EventRecord],
}

impl<'a> EventRecords<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "event records";

    /// Borrows a reply.
    ///
    /// # Errors
    /// Too short, records cut off, or a count that differs from the records.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<EventRecordsHeader>(bytes, Self::WHAT)?;
        let stated = usize::from(header.records.get());
        let records = layout::counted_rows(rest, stated, Self::WHAT, ("records", 20), 32)?;
        Ok(Self { header, records })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a EventRecordsHeader {
        self.header
    }

    /// The records, in the device's order.
    #[must_use]
    pub const fn records(&self) -> &'a [EventRecord] {
        self.records
    }

    /// Writes the reply into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        layout::encode_into(out, &[self.header.as_bytes(), self.records.as_bytes()], Self::WHAT)
    }
}

/// The first 6 bytes of the Clear Event Records request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ClearEventRecordsHeader {
    /// See [`EventLog`].
    pub log: u8,
    /// Bit 0: clear all records.
    pub flags: u8,
    /// Handles that follow.
    pub handles: u8,
    /// Reserved.
    pub reserved: [u8; 3],
}

fixed!(ClearEventRecordsHeader, "clear event records header", 6, {
    log @ 0, flags @ 1, handles @ 2, reserved @ 3,
});

/// The Clear Event Records request (0101h), borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClearEventRecordsRequest<'a> {
    header: &'a ClearEventRecordsHeader,
    handles: &'a [U16],
}

impl<'a> ClearEventRecordsRequest<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "clear event records request";

    /// Borrows a request.
    ///
    /// # Errors
    /// Too short, a handle cut off, or a count that differs from the handles.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<ClearEventRecordsHeader>(bytes, Self::WHAT)?;
        let stated = usize::from(header.handles);
        let handles = layout::counted_rows(rest, stated, Self::WHAT, ("handles", 2), 6)?;
        Ok(Self { header, handles })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a ClearEventRecordsHeader {
        self.header
    }

    /// The handles to clear.
    #[must_use]
    pub const fn handles(&self) -> &'a [U16] {
        self.handles
    }

    /// Writes the request into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        layout::encode_into(out, &[self.header.as_bytes(), self.handles.as_bytes()], Self::WHAT)
    }
}

/// Interrupt settings of the four event logs of CXL 2.0. Bits 1:0: 0 none, 1 MSI or MSI-X, 2 firmware.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EventInterruptSettings {
    /// Information log.
    pub information: u8,
    /// Warning log.
    pub warning: u8,
    /// Failure log.
    pub failure: u8,
    /// Fatal log.
    pub fatal: u8,
}

fixed!(EventInterruptSettings, "event interrupt settings", 4, {
    information @ 0, warning @ 1, failure @ 2, fatal @ 3,
});

/// The Get Event Interrupt Policy reply (0102h) and the Set request (0103h): 4 or 5 bytes, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventInterruptPolicy<'a> {
    settings: &'a EventInterruptSettings,
    dynamic_capacity: Option<&'a u8>,
}

impl<'a> EventInterruptPolicy<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "event interrupt policy";

    /// Borrows a policy of 4 (CXL 2.0) or 5 bytes.
    ///
    /// # Errors
    /// Any other length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (settings, rest) = layout::prefix(bytes, Self::WHAT)?;
        if rest.len() > 1 {
            let kind = FormatErrorKind::TooLong { limit: 5, have: bytes.len() };
            return Err(FormatError::new(Self::WHAT, "bytes", 0, kind));
        }
        Ok(Self { settings, dynamic_capacity: rest.first() })
    }

    /// The settings of the four logs.
    #[must_use]
    pub const fn settings(&self) -> &'a EventInterruptSettings {
        self.settings
    }

    /// The setting of the dynamic capacity log; `None` in the short form.
    #[must_use]
    pub fn dynamic_capacity(&self) -> Option<u8> {
        self.dynamic_capacity.copied()
    }

    /// Writes the policy into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        let tail = self.dynamic_capacity.map_or(&[][..], core::slice::from_ref);
        layout::encode_into(out, &[self.settings.as_bytes(), tail], Self::WHAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_in_128_bytes() {
        let mut bytes = [0; 160];
        bytes[20] = 1;
        bytes[32..48].copy_from_slice(event_uuid::DRAM.as_bytes());
        bytes[52..54].copy_from_slice(&[0x34, 0x12]);
        let reply = EventRecords::parse(&bytes).unwrap();
        assert_eq!(reply.records().len(), 1);
        assert_eq!(reply.records()[0].uuid(), event_uuid::DRAM);
        assert_eq!(reply.records()[0].handle.get(), 0x1234);
        bytes[20] = 2;
        let error = EventRecords::parse(&bytes).unwrap_err();
        assert_eq!((error.field, error.offset), ("records", 20));
        assert_eq!(error.kind, FormatErrorKind::CountMismatch { stated: 2, found: 1 });
    }

    #[test]
    fn overflow_and_more_records_are_told_apart() {
        let mut bytes = [0; 32];
        for (flags, overflowed, more) in [(1, true, false), (2, false, true), (0xfc, false, false)]
        {
            bytes[0] = flags;
            let header = EventRecordsHeader::parse(&bytes).unwrap();
            assert_eq!((header.overflowed(), header.more_records()), (overflowed, more));
        }
    }

    #[test]
    fn handles_to_clear_are_counted() {
        let bytes = [3, 0, 2, 0, 0, 0, 1, 0, 2, 0];
        let request = ClearEventRecordsRequest::parse(&bytes).unwrap();
        assert_eq!(request.handles().len(), 2);
        assert_eq!(EventLog::from(request.header().log), EventLog::Fatal);
        let error = ClearEventRecordsRequest::parse(&bytes[..9]).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::NotMultiple { of: 2, have: 3 });
    }

    #[test]
    fn an_interrupt_policy_has_four_or_five_bytes() {
        let bytes = [1, 1, 1, 1, 2, 0];
        for length in 0..=6 {
            let parsed = EventInterruptPolicy::parse(&bytes[..length]);
            assert_eq!(parsed.is_ok(), length == 4 || length == 5, "{length}");
        }
        assert_eq!(EventInterruptPolicy::parse(&bytes[..5]).unwrap().dynamic_capacity(), Some(2));
    }

    #[test]
    fn an_unknown_log_is_not_taken_for_a_known_one() {
        assert_eq!(EventLog::from(4), EventLog::DynamicCapacity);
        assert_eq!(GetEventRecordsRequest { log: 5 }.log(), EventLog::Reserved(5));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Log commands: which logs a device has (0400h, 0405h), reading (0401h), what can be done with one
//! (0402h), clearing and populating (0403h, 0404h).
//!
//! Input is not trusted.
//!
//! *Invariants*: an entry list that parsed has as many rows as its header states.
//!
//! *Not here*: the rows of the Command Effects Log (`cel`).
//!
//! *Spec*: CXL r3.1 8.2.9.5.1 to 8.2.9.5.5 as cited by computexpresslink/libcxlmi
//! `src/cxlmi/api-types.h`; `drivers/cxl/cxlmem.h` @ v7.3.

use crate::error::FormatError;
use crate::layout;
use uuid::Uuid;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// UUIDs of the standard logs. On the wire they are 16 bytes in textual order.
pub mod log_uuid {
    use uuid::{Uuid, uuid};

    /// Command Effects Log.
    pub const COMMAND_EFFECTS: Uuid = uuid!("0da9c0b5-bf41-4b78-8f79-96b1623b3f17");
    /// Vendor Debug Log.
    pub const VENDOR_DEBUG: Uuid = uuid!("5e1819d9-11a9-400c-811f-d60719403d86");
    /// Component State Dump.
    pub const COMPONENT_STATE_DUMP: Uuid = uuid!("b3fab4cf-01b6-4332-943e-5e9962f23567");
    /// DDR5 Error Check Scrub Log.
    pub const DDR5_ECS: Uuid = uuid!("f1720d60-a7a9-4306-a003-11948f9e077c");
    /// Media Test Capability Log.
    pub const MEDIA_TEST_CAPABILITY: Uuid = uuid!("e6dfa32c-d13e-4a5c-8ca8-99bebbf731a4");
    /// Media Test Results Short Log.
    pub const MEDIA_TEST_RESULTS_SHORT: Uuid = uuid!("2c255522-8ce4-11ec-b909-0242ac120002");
    /// Media Test Results Long Log.
    pub const MEDIA_TEST_RESULTS_LONG: Uuid = uuid!("c1fe0b3e-7a00-448e-a24e-a6aabbfe587a");

    /// All standard logs with their names.
    pub const ALL: [(Uuid, &str); 7] = [
        (COMMAND_EFFECTS, "Command Effects Log"),
        (VENDOR_DEBUG, "Vendor Debug Log"),
        (COMPONENT_STATE_DUMP, "Component State Dump"),
        (DDR5_ECS, "DDR5 Error Check Scrub Log"),
        (MEDIA_TEST_CAPABILITY, "Media Test Capability Log"),
        (MEDIA_TEST_RESULTS_SHORT, "Media Test Results Short Log"),
        (MEDIA_TEST_RESULTS_LONG, "Media Test Results Long Log"),
    ];

    /// The name of a standard log.
    #[must_use]
    pub fn name(uuid: Uuid) -> Option<&'static str> {
        ALL.iter().find(|(known, _)| *known == uuid).map(|(_, name)| *name)
    }
}

/// One log a device has: a row of Get Supported Logs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SupportedLog {
    /// Which log.
    pub uuid: [u8; 16],
    /// Its size in bytes, as claimed; an upper bound, not what a read must give.
    pub size: U32,
}

fixed!(SupportedLog, "supported log entry", 20, { uuid @ 0, size @ 16 });

impl SupportedLog {
    /// Which log.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
    }
}

/// The first 8 bytes of the Get Supported Logs reply.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SupportedLogsHeader {
    /// Rows that follow.
    pub entries: U16,
    /// Reserved.
    pub reserved: [u8; 6],
}

fixed!(SupportedLogsHeader, "supported logs header", 8, { entries @ 0, reserved @ 2 });

/// The Get Supported Logs reply (0400h), borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedLogs<'a> {
    header: &'a SupportedLogsHeader,
    entries: &'a [SupportedLog],
}

impl<'a> SupportedLogs<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "supported logs";

    /// Borrows a reply.
    ///
    /// # Errors
    /// Too short, rows cut off, or a count that differs from the rows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<SupportedLogsHeader>(bytes, Self::WHAT)?;
        let stated = usize::from(header.entries.get());
        let entries = layout::counted_rows(rest, stated, Self::WHAT, ("entries", 0), 8)?;
        Ok(Self { header, entries })
    }

    /// The rows, in the device's order.
    #[must_use]
    pub const fn entries(&self) -> &'a [SupportedLog] {
        self.entries
    }

    /// The row of one log.
    #[must_use]
    pub fn find(&self, uuid: Uuid) -> Option<&'a SupportedLog> {
        self.entries.iter().find(|entry| entry.uuid() == uuid)
    }

    /// Writes the reply into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        layout::encode_into(out, &[self.header.as_bytes(), self.entries.as_bytes()], Self::WHAT)
    }
}

/// The Get Log request (0401h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct GetLogRequest {
    /// Which log.
    pub uuid: [u8; 16],
    /// First byte wanted.
    pub offset: U32,
    /// Bytes wanted; at most the payload size.
    pub length: U32,
}

fixed!(GetLogRequest, "get log request", 24, { uuid @ 0, offset @ 16, length @ 20 });

impl GetLogRequest {
    /// Builds a request.
    #[must_use]
    pub const fn new(uuid: Uuid, offset: u32, length: u32) -> Self {
        Self { uuid: *uuid.as_bytes(), offset: U32::new(offset), length: U32::new(length) }
    }

    /// Which log.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
    }
}

/// The request of Get Log Capabilities (0402h), Clear Log (0403h) and Populate Log (0404h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct LogRequest {
    /// Which log.
    pub uuid: [u8; 16],
}

fixed!(LogRequest, "log request", 16, { uuid @ 0 });

impl LogRequest {
    /// Builds a request.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self { uuid: *uuid.as_bytes() }
    }

    /// Which log.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
    }
}

/// The Get Log Capabilities reply (0402h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct LogCapabilitiesResponse {
    /// Parameter flags.
    pub flags: U32,
}

fixed!(LogCapabilitiesResponse, "log capabilities response", 4, { flags @ 0 });

impl LogCapabilitiesResponse {
    /// The flags.
    #[must_use]
    pub const fn flags(&self) -> LogCapabilities {
        LogCapabilities(self.flags.get())
    }
}

/// What can be done with a log, as claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCapabilities(pub u32);

bit_accessors!(
    LogCapabilities,
    /// Bit 0: Clear Log is supported.
    clear = 0,
    /// Bit 1: Populate Log is supported.
    populate = 1,
    /// Bit 2: the log fills by itself.
    auto_populate = 2,
    /// Bit 3: the log survives a cold reset.
    persists_cold_reset = 3,
);

/// The Get Supported Logs Sub-List request (0405h).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SubListRequest {
    /// Most rows wanted.
    pub max_entries: u8,
    /// First row wanted.
    pub start: u8,
}

fixed!(SubListRequest, "supported logs sub-list request", 2, { max_entries @ 0, start @ 1 });

/// The first 8 bytes of the Get Supported Logs Sub-List reply.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SubListHeader {
    /// Rows that follow.
    pub entries: u8,
    /// Reserved.
    pub reserved: u8,
    /// Rows the device has.
    pub total: U16,
    /// Index of the first row that follows.
    pub start: u8,
    /// Reserved.
    pub reserved2: [u8; 3],
}

fixed!(SubListHeader, "supported logs sub-list header", 8, {
    entries @ 0, reserved @ 1, total @ 2, start @ 4, reserved2 @ 5,
});

/// The Get Supported Logs Sub-List reply (0405h), borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubList<'a> {
    header: &'a SubListHeader,
    entries: &'a [SupportedLog],
}

impl<'a> SubList<'a> {
    /// Its name in errors.
    pub const WHAT: &'static str = "supported logs sub-list";

    /// Borrows a reply.
    ///
    /// # Errors
    /// Too short, rows cut off, or a count that differs from the rows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rest) = layout::prefix::<SubListHeader>(bytes, Self::WHAT)?;
        let stated = usize::from(header.entries);
        let entries = layout::counted_rows(rest, stated, Self::WHAT, ("entries", 0), 8)?;
        Ok(Self { header, entries })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a SubListHeader {
        self.header
    }

    /// The rows, in the device's order.
    #[must_use]
    pub const fn entries(&self) -> &'a [SupportedLog] {
        self.entries
    }

    /// Writes the reply into `out`; returns its length.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, FormatError> {
        layout::encode_into(out, &[self.header.as_bytes(), self.entries.as_bytes()], Self::WHAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FormatErrorKind;

    #[test]
    fn a_uuid_is_on_the_wire_as_it_is_written() {
        let request = GetLogRequest::new(log_uuid::COMMAND_EFFECTS, 0x100, 0x20);
        let bytes = request.as_bytes();
        assert_eq!(bytes[..6], [0x0d, 0xa9, 0xc0, 0xb5, 0xbf, 0x41]);
        assert_eq!(bytes[16..], [0, 1, 0, 0, 0x20, 0, 0, 0]);
        assert_eq!(GetLogRequest::parse(bytes).unwrap().uuid(), log_uuid::COMMAND_EFFECTS);
    }

    #[test]
    fn standard_logs_have_names_and_others_none() {
        assert_eq!(log_uuid::name(log_uuid::VENDOR_DEBUG), Some("Vendor Debug Log"));
        assert_eq!(log_uuid::name(Uuid::nil()), None);
    }

    #[test]
    fn a_count_that_differs_from_the_rows_is_refused() {
        let mut bytes = [0; 28];
        bytes[0] = 2;
        let error = SupportedLogs::parse(&bytes).unwrap_err();
        assert_eq!(
            (error.field, error.kind),
            ("entries", FormatErrorKind::CountMismatch { stated: 2, found: 1 })
        );
        let error = SupportedLogs::parse(&bytes[..27]).unwrap_err();
        assert_eq!(
            (error.offset, error.kind),
            (8, FormatErrorKind::NotMultiple { of: 20, have: 19 })
        );
        let error = SubList::parse(&bytes[..8]).unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::CountMismatch { stated: 2, found: 0 });
    }

    #[test]
    fn log_capability_bits_are_told_apart() {
        let accessors: [fn(LogCapabilities) -> bool; 4] = [
            LogCapabilities::clear,
            LogCapabilities::populate,
            LogCapabilities::auto_populate,
            LogCapabilities::persists_cold_reset,
        ];
        for (bit, accessor) in accessors.into_iter().enumerate() {
            assert!(accessor(LogCapabilities(1 << bit)) && !accessor(LogCapabilities(!(1 << bit))));
        }
    }
}

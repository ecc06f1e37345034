// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties of every parser: no bytes make it panic, and what parses encodes back to the same bytes.
//!
//! Random bytes seldom satisfy a count or a length, so structures with one are also given bytes whose
//! count has been set right.

use fwgate_wire::FormatError;
use fwgate_wire::cxl::{
    alerts, background, cci, cel, events, features, firmware, health, identify, logs, lsa,
    partition, timestamp, tunnel,
};
use fwgate_wire::{fwctl, nvme};
use proptest::prelude::*;
use zerocopy::IntoBytes;

/// Checks one structure of fixed size: exactly its size parses, and gives the bytes back.
macro_rules! fixed {
    ($bytes:expr, $($name:path),+ $(,)?) => {
        $({
            type T = $name;
            match T::parse($bytes) {
                Ok(value) => {
                    prop_assert_eq!($bytes.len(), T::SIZE);
                    prop_assert_eq!(value.as_bytes(), $bytes);
                }
                Err(error) => {
                    prop_assert_ne!($bytes.len(), T::SIZE);
                    prop_assert_eq!((error.what, error.field, error.offset), (T::WHAT, "bytes", 0));
                }
            }
            if let Some(exact) = $bytes.get(..T::SIZE) {
                prop_assert_eq!(T::parse(exact).unwrap().as_bytes(), exact);
            }
        })+
    };
}

/// Checks one structure of variable size: if it parses, it encodes to the same bytes, into that much room
/// and no less.
macro_rules! variable {
    ($bytes:expr, $name:ty) => {{
        let parsed = <$name>::parse($bytes);
        if let Ok(value) = parsed {
            let mut out = vec![0; $bytes.len()];
            prop_assert_eq!(value.encode(&mut out), Ok($bytes.len()));
            prop_assert_eq!(&out[..], $bytes);
            out.pop();
            prop_assert!(value.encode(&mut out).is_err());
        } else if let Err(error) = parsed {
            prop_assert!(names_a_place(error, $bytes.len()));
        }
    }};
}

fn names_a_place(error: FormatError, length: usize) -> bool {
    !error.what.is_empty() && !error.field.is_empty() && error.offset <= length
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..=most)
}

fn put16(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 2].copy_from_slice(&u16::try_from(value).unwrap().to_le_bytes());
}

proptest! {
    #[test]
    fn fixed_structures_take_their_size_and_nothing_else(bytes in bytes(160)) {
        let bytes = &bytes[..];
        fixed!(
            bytes,
            alerts::AlertConfiguration,
            alerts::SetAlertConfigurationRequest,
            background::BackgroundOperationStatus,
            cci::CciHeader,
            cel::CelEntry,
            events::ClearEventRecordsHeader,
            events::EventInterruptSettings,
            events::EventRecord,
            events::EventRecordsHeader,
            events::GetEventRecordsRequest,
            features::FeatureEntry,
            features::GetFeatureRequest,
            features::GetSupportedFeaturesRequest,
            features::SetFeatureHeader,
            features::SupportedFeaturesHeader,
            firmware::ActivateFirmwareRequest,
            firmware::FirmwareInfo,
            firmware::TransferFirmwareHeader,
            health::HealthInfo,
            health::ShutdownState,
            identify::IdentifyResponse,
            identify::MemoryDeviceIdentity,
            logs::GetLogRequest,
            logs::LogCapabilitiesResponse,
            logs::LogRequest,
            logs::SubListHeader,
            logs::SubListRequest,
            logs::SupportedLog,
            logs::SupportedLogsHeader,
            lsa::GetLsaRequest,
            lsa::SetLsaHeader,
            partition::PartitionInfo,
            partition::SetPartitionFields,
            timestamp::Timestamp,
            tunnel::TunnelRequestHeader,
            tunnel::TunnelResponseHeader,
            fwctl::FwctlInfo,
            fwctl::FwctlRpc,
            fwctl::cxl::CxlRpcRequestHeader,
            fwctl::cxl::CxlRpcResponseHeader,
        );
    }

    #[test]
    fn any_bytes_into_the_variable_parsers(bytes in bytes(300)) {
        let bytes = &bytes[..];
        variable!(bytes, cci::CciMessage<'_>);
        variable!(bytes, tunnel::TunnelRequest<'_>);
        variable!(bytes, tunnel::TunnelResponse<'_>);
        variable!(bytes, logs::SupportedLogs<'_>);
        variable!(bytes, logs::SubList<'_>);
        variable!(bytes, features::SupportedFeatures<'_>);
        variable!(bytes, features::SetFeatureRequest<'_>);
        variable!(bytes, events::EventRecords<'_>);
        variable!(bytes, events::ClearEventRecordsRequest<'_>);
        variable!(bytes, events::EventInterruptPolicy<'_>);
        variable!(bytes, firmware::TransferFirmwareRequest<'_>);
        variable!(bytes, identify::IdentifyMemoryDeviceResponse<'_>);
        variable!(bytes, lsa::SetLsaRequest<'_>);
        variable!(bytes, partition::SetPartitionRequest<'_>);
        variable!(bytes, fwctl::cxl::CxlRpcRequest<'_>);
        variable!(bytes, fwctl::cxl::CxlRpcResponse<'_>);
    }

    #[test]
    fn a_cel_parses_when_its_rows_are_whole(bytes in bytes(400)) {
        match cel::CommandEffectsLog::parse(&bytes) {
            Ok(log) => {
                prop_assert_eq!(log.len() * 4, bytes.len());
                prop_assert_eq!(log.as_bytes(), &bytes[..]);
                prop_assert_eq!(log.iter().len(), log.len());
                let again: Vec<u8> = log
                    .iter()
                    .flat_map(|(opcode, effects)| cel::CelEntry::new(opcode, effects).as_bytes().to_vec())
                    .collect();
                prop_assert_eq!(again, bytes);
            }
            Err(_) => prop_assert_ne!(bytes.len() % 4, 0),
        }
    }

    #[test]
    fn counted_replies_with_a_right_count_parse(rows in 0usize..6, mut bytes in bytes(1000)) {
        bytes.resize(1000, 0x5a);
        let mut logs = bytes[..8 + 20 * rows].to_vec();
        put16(&mut logs, 0, rows);
        prop_assert!(<logs::SupportedLogs<'_>>::parse(&logs[..]).is_ok());
variable!(&logs[..], logs::SupportedLogs<'_>);
        logs[0] = u8::try_from(rows).unwrap();
        prop_assert!(<logs::SubList<'_>>::parse(&logs[..]).is_ok());
variable!(&logs[..], logs::SubList<'_>);

        let mut features = bytes[..8 + 48 * rows].to_vec();
        put16(&mut features, 0, rows);
        prop_assert!(<features::SupportedFeatures<'_>>::parse(&features[..]).is_ok());
variable!(&features[..], features::SupportedFeatures<'_>);

        let mut events = bytes[..32 + 128 * rows].to_vec();
        put16(&mut events, 20, rows);
        prop_assert!(<events::EventRecords<'_>>::parse(&events[..]).is_ok());
variable!(&events[..], events::EventRecords<'_>);

        let mut clear = bytes[..6 + 2 * rows].to_vec();
        clear[2] = u8::try_from(rows).unwrap();
        prop_assert!(<events::ClearEventRecordsRequest<'_>>::parse(&clear[..]).is_ok());
variable!(&clear[..], events::ClearEventRecordsRequest<'_>);
    }

    #[test]
    fn tunnels_with_right_lengths_parse_and_any_other_length_is_refused(
        mut header in any::<[u8; 16]>(),
        payload in bytes(200),
        wrong in any::<u16>(),
    ) {
        header[1] &= 1;
        header[9..12].fill(0);
        put16(&mut header, 9, payload.len());
        put16(&mut header, 2, 12 + payload.len());
        header[4] &= 0xf0;
        let mut request = [&header[..], &payload].concat();
        prop_assert!(<tunnel::TunnelRequest<'_>>::parse(&request[..]).is_ok());
variable!(&request[..], tunnel::TunnelRequest<'_>);
        prop_assert!(<cci::CciMessage<'_>>::parse(&request[4..]).is_ok());
variable!(&request[4..], cci::CciMessage<'_>);

        let mut built = vec![0; request.len()];
        let parsed = tunnel::TunnelRequest::parse(&request).unwrap();
        let length = tunnel::TunnelRequest::build(parsed.target(), &request[4..], &mut built);
        prop_assert_eq!(length, Ok(request.len()));
        prop_assert_eq!(&built, &request);

        let mut response = request.clone();
        response.copy_within(2..4, 0);
        response[4] |= 1;
        prop_assert!(<tunnel::TunnelResponse<'_>>::parse(&response[..]).is_ok());
variable!(&response[..], tunnel::TunnelResponse<'_>);

        prop_assume!(usize::from(wrong) != 12 + payload.len());
        put16(&mut request, 2, usize::from(wrong));
        prop_assert!(tunnel::TunnelRequest::parse(&request).is_err());
    }

    #[test]
    fn rpc_buffers_with_a_size_that_fits_parse(size in 0u32..40, mut bytes in bytes(100)) {
        bytes.resize(100, 0);
        bytes[..4].copy_from_slice(&size.to_ne_bytes());
        let response = &bytes[..60];
        prop_assert!(<fwctl::cxl::CxlRpcResponse<'_>>::parse(response).is_ok());
variable!(response, fwctl::cxl::CxlRpcResponse<'_>);
        bytes[8..12].copy_from_slice(&size.to_ne_bytes());
        let request = &bytes[..60];
        prop_assert!(<fwctl::cxl::CxlRpcRequest<'_>>::parse(request).is_ok());
variable!(request, fwctl::cxl::CxlRpcRequest<'_>);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_nvme_effects_log_is_4096_bytes_of_any_content(bytes in bytes(4200)) {
        prop_assert_eq!(nvme::EffectsLog::parse(&bytes).is_ok(), bytes.len() == 4096);
        let mut bytes = bytes;
        bytes.resize(4096, 0xa5);
        let log = nvme::EffectsLog::parse(&bytes).unwrap();
        prop_assert_eq!(log.as_bytes(), &bytes[..]);
        prop_assert!(log.supported_admin().all(|(opcode, effects)| log.admin(opcode) == effects));
        prop_assert!(log.supported_io().all(|(opcode, effects)| log.io(opcode) == effects));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parsers of `fwgate-wire`, and its mailbox driver over hostile registers.
//!
//! Every parser promises: no panic; what parses encodes to the same bytes; what does not parse has
//! an error that names a structure, a field and a place within the bytes.

mod driver;

use fwgate_wire::FormatError;
use fwgate_wire::cxl::{
    Opcode, alerts, background, cci, cel, events, features, firmware, health, identify, logs, lsa,
    partition, registers, table, timestamp, tunnel,
};
use fwgate_wire::{fwctl, nvme};
use zerocopy::IntoBytes as _;

use crate::Target;
use crate::tape::Tape;

/// By name.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("alerts", alerts),
    ("background", background),
    ("cci", cci),
    ("cel", cel),
    ("events", events),
    ("families", families),
    ("feature_get", feature_get),
    ("feature_set", feature_set),
    ("features_supported", features_supported),
    ("firmware", firmware),
    ("fwctl", fwctl),
    ("health", health),
    ("identify", identify),
    ("logs", logs),
    ("lsa", lsa),
    ("mailbox", driver::mailbox),
    ("nvme_effects", nvme_effects),
    ("partition", partition),
    ("registers", registers),
    ("tables", tables),
    ("tunnel", tunnel),
];

/// Looks at a value in every way there is, so that a panic in any of them shows.
fn look(value: &impl core::fmt::Debug) {
    assert!(!format!("{value:?}").is_empty());
}

fn refused(error: FormatError, length: usize) {
    assert!(!error.what.is_empty() && !error.field.is_empty(), "{error:?}");
    assert!(error.offset <= length, "{error} is beyond {length} bytes");
    assert!(error.to_string().starts_with(error.what), "{error}");
}

/// Structures of one length: from all bytes, and from as many as there should be.
macro_rules! fixed {
    ($data:expr, $($name:ty => |$value:ident| $look:expr),+ $(,)?) => {
        $({
            let data: &[u8] = $data;
            match <$name>::parse(data) {
                Ok(value) => assert_eq!(value.as_bytes(), data),
                Err(error) => {
                    assert_ne!(data.len(), <$name>::SIZE);
                    refused(error, data.len());
                }
            }
            if let Some(exact) = data.get(..<$name>::SIZE) {
                let $value = <$name>::parse(exact).expect("the right length parses");
                assert_eq!($value.as_bytes(), exact);
                look($value);
                look(&$look);
            }
        })+
    };
}

/// Structures with a length of their own.
macro_rules! variable {
    ($data:expr, $($name:ty => |$value:ident| $look:expr),+ $(,)?) => {
        $({
            let data: &[u8] = $data;
            match <$name>::parse(data) {
                Ok($value) => {
                    let mut out = vec![0; data.len()];
                    assert_eq!($value.encode(&mut out), Ok(data.len()));
                    assert_eq!(out, data);
                    out.pop();
                    assert!($value.encode(&mut out).is_err(), "encoded into too little room");
                    look(&$value);
                    look(&$look);
                }
                Err(error) => refused(error, data.len()),
            }
        })+
    };
}

fn alerts(data: &[u8]) {
    fixed!(data,
        alerts::AlertConfiguration => |it| (it.valid_alerts(), it.programmable_alerts()),
        alerts::SetAlertConfigurationRequest => |it| (it.valid_actions(), it.enable_actions()),
    );
}

fn background(data: &[u8]) {
    fixed!(data,
        background::BackgroundOperationStatus =>
            |it| (it.is_running(), it.percent(), it.opcode(), it.return_code()),
        timestamp::Timestamp => |it| it.nanoseconds(),
    );
}

fn cci(data: &[u8]) {
    fixed!(data, cci::CciHeader => |it| (
        it.category(), it.opcode(), it.payload_length(), it.reserved_length_bits(),
        it.background_operation(), it.return_code().name(), it.return_code().meaning(),
    ));
    variable!(data, cci::CciMessage<'_> => |it| {
        assert_eq!(it.payload().len(), it.header().payload_length());
        it.opcode()
    });
}

/// The rows come out in the device's order, duplicates and all.
fn cel(data: &[u8]) {
    match cel::CommandEffectsLog::parse(data) {
        Ok(log) => {
            assert_eq!(log.as_bytes(), data);
            assert_eq!(log.len() * 4, data.len());
            let again: Vec<u8> = log
                .iter()
                .flat_map(|(opcode, word)| [opcode.0.to_le_bytes(), word.0.to_le_bytes()].concat())
                .collect();
            assert_eq!(again, data);
            for (opcode, word) in log.iter() {
                assert!(log.rows_of(opcode).any(|other| other == word));
                look(&(opcode, word, word.any_immediate(), word.any_after_reset()));
                assert_eq!(word.reserved_bits() & !0xF000, 0);
            }
        }
        Err(error) => refused(error, data.len()),
    }
}

fn events(data: &[u8]) {
    fixed!(data,
        events::GetEventRecordsRequest => |it| it.log(),
        events::EventRecordsHeader => |it| (it.overflowed(), it.more_records()),
        events::EventRecord => |it| it.uuid(),
        events::ClearEventRecordsHeader => |it| it.as_bytes().len(),
        events::EventInterruptSettings => |it| it.as_bytes().len(),
    );
    variable!(data,
        events::EventRecords<'_> => |it| (it.header(), it.records().len()),
        events::ClearEventRecordsRequest<'_> => |it| (it.header(), it.handles().len()),
        events::EventInterruptPolicy<'_> => |it| (it.settings(), it.dynamic_capacity()),
    );
}

fn features_supported(data: &[u8]) {
    fixed!(data,
        features::GetSupportedFeaturesRequest => |it| it.as_bytes().len(),
        features::SupportedFeaturesHeader => |it| it.as_bytes().len(),
        features::FeatureEntry => |it| (
            it.uuid(), it.flags(), it.flags().deepest_reset_persistence(), it.effects(),
        ),
    );
    variable!(data, features::SupportedFeatures<'_> => |it| {
        for entry in it.entries() {
            assert!(it.find(entry.uuid()).is_some());
        }
        it.supported()
    });
}

fn feature_get(data: &[u8]) {
    fixed!(data, features::GetFeatureRequest => |it| (it.uuid(), it.selection()));
}

fn feature_set(data: &[u8]) {
    fixed!(data, features::SetFeatureHeader =>
        |it| (it.uuid(), it.flags().transfer(), it.flags().reserved_bits()));
    variable!(data, features::SetFeatureRequest<'_> => |it| {
        assert_eq!(it.data().len() + features::SetFeatureHeader::SIZE, data.len());
        it.header()
    });
}

fn firmware(data: &[u8]) {
    fixed!(data,
        firmware::FirmwareInfo => |it| (
            it.active_slot(), it.staged_slot(), it.online_activation(),
            (0..=8).map(|slot| it.revision(slot).map(<[u8]>::len)).collect::<Vec<_>>(),
        ),
        firmware::TransferFirmwareHeader => |it| (it.action(), it.offset_bytes()),
        firmware::ActivateFirmwareRequest => |it| it.action(),
    );
    variable!(data, firmware::TransferFirmwareRequest<'_> => |it| (it.header(), it.data().len()));
}

fn fwctl(data: &[u8]) {
    fixed!(data,
        fwctl::FwctlInfo => |it| it.as_bytes().len(),
        fwctl::FwctlRpc => |it| it.as_bytes().len(),
        fwctl::cxl::CxlRpcRequestHeader => |it| it.as_bytes().len(),
        fwctl::cxl::CxlRpcResponseHeader => |it| it.return_code(),
    );
    variable!(data,
        fwctl::cxl::CxlRpcRequest<'_> => |it| (it.opcode(), it.payload().len(), it.trailing().len()),
        fwctl::cxl::CxlRpcResponse<'_> => |it| (it.payload().len(), it.trailing().len()),
    );
}

fn health(data: &[u8]) {
    fixed!(data,
        health::HealthInfo => |it| (it.health_status(), it.media_state()),
        health::ShutdownState => |it| it.is_dirty(),
    );
}

fn identify(data: &[u8]) {
    fixed!(data,
        identify::IdentifyResponse => |it| it.as_bytes().len(),
        identify::MemoryDeviceIdentity => |it| (it.firmware_revision().len(), it.poison_list_max()),
    );
    variable!(data, identify::IdentifyMemoryDeviceResponse<'_> => |it| it.dynamic_capacity_log_size());
}

fn logs(data: &[u8]) {
    fixed!(data,
        logs::SupportedLogsHeader => |it| it.as_bytes().len(),
        logs::SupportedLog => |it| logs::log_uuid::name(it.uuid()),
        logs::GetLogRequest => |it| it.uuid(),
        logs::LogRequest => |it| it.uuid(),
        logs::LogCapabilitiesResponse => |it| it.flags(),
        logs::SubListRequest => |it| it.as_bytes().len(),
        logs::SubListHeader => |it| it.as_bytes().len(),
    );
    variable!(data,
        logs::SupportedLogs<'_> => |it| {
            for entry in it.entries() {
                assert!(it.find(entry.uuid()).is_some());
            }
            it.entries().len()
        },
        logs::SubList<'_> => |it| (it.header(), it.entries().len()),
    );
}

fn lsa(data: &[u8]) {
    fixed!(data,
        lsa::GetLsaRequest => |it| it.as_bytes().len(),
        lsa::SetLsaHeader => |it| it.as_bytes().len(),
    );
    variable!(data, lsa::SetLsaRequest<'_> => |it| (it.header(), it.data().len()));
}

/// Every opcode that is listed as supported has bit 0 set, and none is left out.
fn nvme_effects(data: &[u8]) {
    fixed!(data, nvme::effects_log::EffectsLog => |it| {
        let admin: Vec<_> = it.supported_admin().collect();
        for (opcode, word) in &admin {
            assert_eq!(it.admin(*opcode), *word);
            look(&(word.exclusion(), word.relaxation(), word.scope(), word.reserved_bits()));
        }
        let supported = (0..=u8::MAX).filter(|opcode| it.admin(*opcode).supported()).count();
        assert_eq!(admin.len(), supported);
        it.supported_io().count()
    });
}

fn partition(data: &[u8]) {
    fixed!(data,
        partition::PartitionInfo => |it| it.as_bytes().len(),
        partition::SetPartitionFields => |it| it.immediate(),
    );
    variable!(data, partition::SetPartitionRequest<'_> => |it| it.fields());
}

/// Register words decode without a panic, and a command word keeps what it was made of.
fn registers(data: &[u8]) {
    let mut tape = Tape::new(data);
    let (low, high) = (tape.u32(), tape.u32());
    let word = u64::from(high) << 32 | u64::from(low);
    let capabilities = registers::MailboxCapabilities(low);
    look(&(capabilities.payload_size_log2(), capabilities.interrupt_message()));
    if let Some(size) = capabilities.payload_size() {
        assert!(size.is_power_of_two());
    }
    assert!(registers::MailboxControl(low).with_doorbell().doorbell());
    let status = registers::MailboxStatus(word);
    look(&(status.background_running(), status.return_code(), status.vendor_status()));
    let background = registers::BackgroundStatus(word);
    assert!(background.percent() <= 0x7f);
    look(&(background.opcode(), background.return_code(), background.vendor_status()));
    let device = registers::MemoryDeviceStatus(word);
    look(&(device.media(), device.reset_needed(), device.fatal(), device.firmware_halt()));
    let opcode = Opcode(tape.u16());
    if let Some(command) = registers::MailboxCommand::new(opcode, low) {
        assert_eq!((command.opcode(), command.length()), (opcode, low));
    }
}

/// mlx5, bnxt and pds: mailboxes, requests, replies; and the buffers of a request of any type.
fn families(data: &[u8]) {
    fixed!(data,
        fwctl::mlx5::Mlx5RequestHeader => |it| (it.opcode, it.op_mod),
        fwctl::mlx5::Mlx5ResponseHeader => |it| fwctl::mlx5::status_name(it.status),
        fwctl::mlx5::Mlx5Info => |it| it.uid,
        fwctl::bnxt::HwrmRequestHeader => |it| it.target_id,
        fwctl::bnxt::HwrmResponseHeader => |it| it.resp_len,
        fwctl::bnxt::BnxtInfo => |it| it.uctx_caps,
        fwctl::pds::PdsInfo => |it| it.uctx_caps,
        fwctl::pds::PdsRpc => |it| fwctl::pds::Operation(it.operation.get()).command(),
    );
    let mut out = [0; 4096];
    match fwctl::mlx5::Mlx5Request::parse(data) {
        Ok(it) => {
            let length =
                fwctl::mlx5::Mlx5Request::build(it.opcode(), it.op_mod(), it.payload(), &mut out);
            if let Ok(length) = length {
                assert_eq!((length, &out[8..length]), (data.len(), &data[8..]));
            }
        }
        Err(error) => refused(error, data.len()),
    }
    if let Ok(it) = fwctl::mlx5::Mlx5Response::parse(data) {
        assert_eq!(it.payload().len() + 8, data.len());
    }
    match fwctl::bnxt::HwrmRequest::parse(data) {
        Ok(it) => {
            let (req_type, target) = (it.header().req_type.get(), it.header().target_id.get());
            let length =
                fwctl::bnxt::HwrmRequest::build(req_type, target, it.body(), &mut out).unwrap();
            assert_eq!((length, &out[16..length]), (data.len(), &data[16..]));
        }
        Err(error) => refused(error, data.len()),
    }
    match fwctl::bnxt::HwrmResponse::parse(data) {
        Ok(it) => {
            assert_eq!(it.body().len() + it.trailing().len() + 8, data.len());
            assert!(it.kernel_errno().is_none_or(|errno| (1..=4095).contains(&errno)));
        }
        Err(error) => refused(error, data.len()),
    }
    look(&fwctl::bnxt::Version::parse(data));
    let mut tape = Tape::new(data);
    let req_type = if tape.yes() {
        let rows = fwctl::table::BNXT;
        rows[usize::from(tape.u16()) % rows.len()].opcode
    } else {
        tape.u16()
    };
    let payload = tape.rest();
    match fwctl::bnxt::Payload::parse(req_type, payload) {
        Ok(it) => {
            let given: usize = it.buffers().map(|buffer| buffer.data.len()).sum();
            assert_eq!(it.body().len() + given, payload.len());
            assert!(it.buffers().all(|it| (1..=fwctl::bnxt::MAX_DMA).contains(&it.length)));
            for buffer in it.buffers() {
                // No address of the caller's own gets through.
                let at = usize::from(buffer.field.address) - 16;
                assert_eq!(it.body()[at..at + 8], [0; 8]);
            }
        }
        // The place counts the request's header.
        Err(error) => refused(error, payload.len() + 128),
    }
}

/// Whatever is looked up in the tables is what was asked for.
fn tables(data: &[u8]) {
    let mut tape = Tape::new(data);
    let opcode = tape.u16();
    if let Some(row) = table::by_opcode(opcode) {
        assert_eq!(row.opcode, opcode);
        look(row);
    }
    if let Some(row) = table::return_code(opcode) {
        assert_eq!(row.value, opcode);
    }
    for set in [nvme::table::Set::Admin, nvme::table::Set::Io] {
        let [opcode, _] = opcode.to_le_bytes();
        assert!(nvme::table::by_opcode(set, opcode).is_none_or(|row| row.opcode == opcode));
    }
    let uuid = tape.bytes();
    assert!(table::feature(&uuid).is_none_or(|row| row.uuid == uuid));
    if let Ok(name) = str::from_utf8(tape.rest()) {
        look(&table::by_name(name));
        look(&nvme::table::by_name(nvme::table::Set::Admin, name));
    }
}

/// A request and a response within each other to any depth: each inner message lies in the outer.
fn tunnel(data: &[u8]) {
    fixed!(data,
        tunnel::TunnelRequestHeader => |it| it.as_bytes().len(),
        tunnel::TunnelResponseHeader => |it| it.as_bytes().len(),
    );
    variable!(data,
        tunnel::TunnelRequest<'_> => |it| (it.target(), it.inner().opcode()),
        tunnel::TunnelResponse<'_> => |it| it.inner().opcode(),
    );
    let mut bytes = data;
    while let Ok(request) = tunnel::TunnelRequest::parse(bytes) {
        let inner = request.inner().payload();
        assert!(inner.len() < bytes.len());
        bytes = inner;
    }
}

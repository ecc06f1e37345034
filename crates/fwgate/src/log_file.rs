// SPDX-License-Identifier: MIT OR Apache-2.0
//! An effects log in a file: of a device of which nothing else is known.
//!
//! The bytes are hostile. *Invariants*: a file that is not a log is refused with the place; what
//! cannot be known of the device is judged as the worse case.

use std::path::Path;

use fwgate_gate::DeviceFacts;
use fwgate_gate::probe::nvme_rows;
use fwgate_policy::tables::Classes;
use fwgate_policy::{Protocol, ReportedRow, Tables};
use fwgate_wire::cxl::cel::CommandEffectsLog;
use fwgate_wire::nvme::effects_log::EffectsLog;
use fwgate_wire::{FormatError, FormatErrorKind};

use crate::cli::ProtocolArg;
use crate::error::CliError;
use crate::files;

/// One row for every opcode, which is also the most that the gate reads of a device.
const MAX_CXL: usize = 65_536 * 4;
/// More than any log, so that what is too long is named as that.
const LIMIT: usize = CommandEffectsLog::MAX_BYTES;

/// Reads the log in a file.
pub(crate) fn read(file: &Path, protocol: ProtocolArg) -> Result<DeviceFacts, CliError> {
    let bytes = files::read(file, LIMIT, "--from")?;
    facts(file, &bytes, protocol)
}

fn facts(file: &Path, bytes: &[u8], protocol: ProtocolArg) -> Result<DeviceFacts, CliError> {
    let fail = |error| CliError::format(file, error).argument("--from");
    match protocol {
        ProtocolArg::Cxl => {
            if bytes.len() > MAX_CXL {
                let kind = FormatErrorKind::TooLong { limit: MAX_CXL, have: bytes.len() };
                return Err(fail(FormatError::new(CommandEffectsLog::WHAT, "entries", 0, kind)));
            }
            let log = CommandEffectsLog::parse(bytes).map_err(fail)?;
            let rows = log
                .iter()
                .map(|(opcode, word)| ReportedRow { opcode: opcode.0, word: u32::from(word.0) });
            Ok(of_cxl(rows.collect()))
        }
        ProtocolArg::Nvme => {
            let log = EffectsLog::parse(bytes).map_err(fail)?;
            let (admin, io) = (nvme_rows(&log.admin), nvme_rows(&log.io));
            let protocol = Protocol::NvmeAdmin;
            Ok(DeviceFacts::from_log(protocol, Classes::NVME, admin, io, &Tables::BUILTIN))
        }
    }
}

/// Facts of a CXL log.
pub(crate) fn of_cxl(rows: Vec<ReportedRow>) -> DeviceFacts {
    let class = class_of(&rows);
    DeviceFacts::from_log(Protocol::Cxl, class, rows, Vec::new(), &Tables::BUILTIN)
}

/// What kind of device has such a log: one that lists a switch's commands and no memory device's
/// identity is a switch.
fn class_of(rows: &[ReportedRow]) -> Classes {
    let lists =
        |range: std::ops::RangeInclusive<u16>| rows.iter().any(|row| range.contains(&row.opcode));
    if lists(0x5100..=0x57FF) && !lists(0x4000..=0x4000) {
        Classes::CXL_SWITCH
    } else {
        Classes::CXL_MEMORY
    }
}

/// The log's own bytes, as `--from` reads them.
pub(crate) fn to_bytes(facts: &DeviceFacts) -> Vec<u8> {
    let mut bytes = Vec::new();
    match facts.identity().protocol {
        Protocol::Cxl => {
            for row in facts.log() {
                let word = u16::try_from(row.word & 0xFFFF).unwrap_or_default();
                bytes.extend_from_slice(&row.opcode.to_le_bytes());
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        Protocol::NvmeAdmin | Protocol::NvmeIo => {
            for rows in [facts.log(), facts.io_log()] {
                let mut half = [0u32; 256];
                for row in rows {
                    if let Some(word) = half.get_mut(usize::from(row.opcode)) {
                        *word = row.word;
                    }
                }
                bytes.extend(half.iter().flat_map(|word| word.to_le_bytes()));
            }
            bytes.resize(4096, 0);
        }
        // There is no log to write.
        Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => {}
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    const CEL: &[u8] = include_bytes!("../../../tests-data/captures/cel-qemu-type3.bin");
    const NVME: &[u8] = include_bytes!("../../../tests-data/captures/nvme-effects-qemu.bin");

    fn read(bytes: &[u8], protocol: ProtocolArg) -> Result<DeviceFacts, CliError> {
        facts(Path::new("log"), bytes, protocol)
    }

    #[test]
    fn the_captured_logs_come_back_byte_for_byte() {
        assert_eq!(to_bytes(&read(CEL, ProtocolArg::Cxl).unwrap()), CEL);
        assert_eq!(to_bytes(&read(NVME, ProtocolArg::Nvme).unwrap()), NVME);
    }

    #[test]
    fn any_other_length_is_a_usage_error_with_its_place() {
        for (bytes, protocol) in [
            (&CEL[..123], ProtocolArg::Cxl),
            (&[0; MAX_CXL + 4], ProtocolArg::Cxl),
            (&NVME[..4095], ProtocolArg::Nvme),
            (&[0; 4097], ProtocolArg::Nvme),
            (CEL, ProtocolArg::Nvme),
            (b"", ProtocolArg::Nvme),
        ] {
            let error = read(bytes, protocol).unwrap_err();
            assert_eq!((error.exit(), error.code()), (Exit::Usage, "malformed-file"));
            assert!(error.document().contains("\"offset\""), "{}", error.document());
        }
    }

    #[test]
    fn an_empty_log_is_read_and_not_believed() {
        let facts = read(b"", ProtocolArg::Cxl).unwrap();
        assert!(facts.log().is_empty() && !facts.credible());
    }

    #[test]
    fn a_switch_is_told_from_a_memory_device_by_what_it_lists() {
        let row = |opcode| ReportedRow { opcode, word: 0 };
        assert_eq!(class_of(&[row(0x5100)]), Classes::CXL_SWITCH);
        assert_eq!(class_of(&[row(0x5100), row(0x4000)]), Classes::CXL_MEMORY);
        assert_eq!(class_of(&[]), Classes::CXL_MEMORY);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands of the emulated CXL device: one table that feeds both the dispatcher and the Command
//! Effects Log, one file for each command set.
//!
//! Input is not trusted. The length is checked before anything else.
//!
//! *Invariants*
//! - [`TABLE`] is sorted by opcode and lists nothing twice. What is not in it is not carried out.
//! - Effects are what the command really changes, in the specification's bit numbers, but for C006h,
//!   whose row lies on purpose.
//!
//! *Not here*: the registers (`registers`), background operations (`engine`).
//!
//! *Spec*: opcodes, lengths and effects as in `drivers/cxl/core/mbox.c`, `tools/testing/cxl/test/mem.c`
//! @ v7.3 and QEMU `hw/cxl/cxl-mailbox-utils.c`; the layouts as each file says.

pub(crate) mod capacity;
pub(crate) mod events;
mod feature_table;
pub(crate) mod features;
pub(crate) mod firmware;
pub(crate) mod health;
pub(crate) mod logs;
pub(crate) mod maintenance;
pub(crate) mod media;
pub(crate) mod sanitize;
mod status;
pub(crate) mod timestamp;
pub(crate) mod vendor;

use fwgate_wire::cxl::ReturnCode;

use crate::engine::{Done, Engine, Handled};

/// Bit 0: configuration changes, live after a cold reset.
const COLD_RESET: u16 = 1 << 0;
/// Bit 1: immediate configuration change.
const CONFIG: u16 = 1 << 1;
/// Bit 2: immediate data change.
const DATA: u16 = 1 << 2;
/// Bit 3: immediate policy change.
const POLICY: u16 = 1 << 3;
/// Bit 4: immediate log change.
const LOG: u16 = 1 << 4;
/// Bit 5: security state change.
const SECURITY: u16 = 1 << 5;
/// Bit 6: background operation.
const BACKGROUND: u16 = 1 << 6;
/// Bit 8: its background run can be aborted.
const ABORT: u16 = 1 << 8;

/// A command's reply is appended to the last argument.
type Run = fn(&mut Engine, &[u8], &mut Vec<u8>) -> Handled;

/// One command of the device.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) opcode: u16,
    /// What the Command Effects Log says of it.
    pub(crate) effects: u16,
    /// Least and most bytes of input.
    input: (usize, usize),
    media: Media,
    run: Run,
}

/// Whether a command needs media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Needed,
    NotNeeded,
}

const ANY: usize = usize::MAX;

const fn row(opcode: u16, effects: u16, input: (usize, usize), run: Run) -> Row {
    Row { opcode, effects, input, media: Media::NotNeeded, run }
}

const fn on_media(opcode: u16, effects: u16, input: (usize, usize), run: Run) -> Row {
    Row { opcode, effects, input, media: Media::Needed, run }
}

/// Every command that the device carries out, by opcode.
#[rustfmt::skip]
pub(crate) static TABLE: &[Row] = &[
    row(0x0005, 0, (0, 0), status::request_abort),
    row(0x0100, 0, (1, 1), events::records),
    row(0x0101, LOG, (6, ANY), events::clear),
    row(0x0102, 0, (0, 0), events::interrupt_policy),
    row(0x0103, CONFIG | POLICY, (4, 5), events::set_interrupt_policy),
    row(0x0200, 0, (0, 0), firmware::info),
    row(0x0201, COLD_RESET | BACKGROUND, (128, ANY), firmware::transfer),
    row(0x0202, COLD_RESET | CONFIG | BACKGROUND, (2, 2), firmware::activate),
    row(0x0300, 0, (0, 0), timestamp::read),
    row(0x0301, POLICY, (8, 8), timestamp::set),
    row(0x0400, 0, (0, 0), logs::supported),
    row(0x0401, 0, (24, 24), logs::read),
    row(0x0402, 0, (16, 16), logs::capabilities),
    row(0x0403, LOG, (16, 16), logs::clear),
    row(0x0500, 0, (8, 8), features::supported),
    row(0x0501, 0, (21, 21), features::read),
    row(0x0502, COLD_RESET | CONFIG | DATA | POLICY | LOG | SECURITY | BACKGROUND, (32, ANY),
        features::set),
    on_media(0x0600, CONFIG | DATA | LOG | BACKGROUND, (2, ANY), maintenance::perform),
    row(0x4000, 0, (0, 0), capacity::identify),
    row(0x4100, 0, (0, 0), capacity::partition_info),
    row(0x4101, COLD_RESET | CONFIG | DATA, (9, 10), capacity::set_partition_info),
    row(0x4102, 0, (8, 8), capacity::read_lsa),
    row(0x4103, CONFIG | DATA, (8, ANY), capacity::set_lsa),
    row(0x4200, 0, (0, 0), health::info),
    row(0x4201, 0, (0, 0), health::alerts),
    row(0x4202, POLICY, (12, 12), health::set_alerts),
    row(0x4203, 0, (0, 0), health::shutdown_state),
    row(0x4204, POLICY, (1, 1), health::set_shutdown_state),
    on_media(0x4300, 0, (16, 16), media::poison_list),
    on_media(0x4301, DATA, (8, 8), media::inject),
    on_media(0x4302, DATA, (72, 72), media::clear),
    on_media(0x4303, 0, (16, 16), media::scan_capabilities),
    on_media(0x4304, BACKGROUND | ABORT, (17, 17), media::scan),
    on_media(0x4305, 0, (0, 0), media::scan_results),
    row(0x4400, DATA | SECURITY | BACKGROUND, (0, 0), sanitize::sanitize),
    row(0x4401, DATA | SECURITY | BACKGROUND, (0, 0), sanitize::secure_erase),
    row(0x4500, 0, (0, 0), sanitize::security_state),
    row(0xC000, 0, (0, 0), vendor::telemetry),
    row(0xC001, COLD_RESET, (4, 4), vendor::set_after_reset),
    row(0xC002, CONFIG, (4, 4), vendor::set_now),
    row(0xC003, DATA, (0, 0), vendor::erase),
    row(0xC004, BACKGROUND | ABORT, (0, 4), vendor::work),
    row(0xC005, DATA | POLICY | LOG, (2, ANY), vendor::multiplex),
    // The lie: it changes immediate configuration.
    row(0xC006, 0, (4, 4), vendor::set_unsaid),
    row(0xC007, CONFIG | DATA | POLICY | LOG, (2, ANY), vendor::carry),
];

/// Commands that exist, but not on a primary mailbox: what switches, fabric managers and MCTP answer.
fn elsewhere(opcode: u16) -> bool {
    matches!(opcode, 0x0001..=0x0004 | 0x0104..=0x0106 | 0x5100..=0x57ff)
}

/// How deep one command may carry another.
pub(crate) const MAX_DEPTH: u8 = 4;

/// Carries out one command. `depth` counts the commands that carry this one.
pub(crate) fn dispatch(
    engine: &mut Engine,
    opcode: u16,
    input: &[u8],
    reply: &mut Vec<u8>,
    depth: u8,
) -> ReturnCode {
    let found = TABLE.binary_search_by_key(&opcode, |row| row.opcode);
    let Some(row) = found.ok().and_then(|at| TABLE.get(at)) else {
        return if elsewhere(opcode) {
            ReturnCode::UNSUPPORTED_MAILBOX
        } else {
            ReturnCode::UNSUPPORTED
        };
    };
    let (least, most) = row.input;
    if !(least..=most).contains(&input.len()) {
        return ReturnCode::INVALID_PAYLOAD_LENGTH;
    }
    if row.media == Media::Needed && engine.media_disabled() {
        return ReturnCode::MEDIA_DISABLED;
    }
    let handled = if opcode == vendor::CARRY {
        vendor::carry_at(engine, input, reply, depth)
    } else {
        (row.run)(engine, input, reply)
    };
    match handled {
        Ok(_) if reply.len() > engine.state.payload_size() => ReturnCode::INTERNAL_ERROR,
        Ok(Done::Now) => ReturnCode::SUCCESS,
        Ok(Done::Background) => ReturnCode::BACKGROUND_STARTED,
        Err(code) => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_lists_nothing_twice_and_sets_no_reserved_bit() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].opcode < pair[1].opcode, "{:04X}", pair[1].opcode);
        }
        for row in TABLE {
            assert_eq!(row.effects & 0xf000, 0, "{:04X}", row.opcode);
            assert!(row.input.0 <= row.input.1, "{:04X}", row.opcode);
            assert_ne!(row.opcode, 0, "a row with opcode 0 misleads the kernel's table");
        }
    }
}

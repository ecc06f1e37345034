// SPDX-License-Identifier: MIT OR Apache-2.0
//! Perform Maintenance (0600h): post package repair and memory sparing.
//!
//! *Spec*: CXL r3.2 8.2.10.7.1; layouts `drivers/cxl/core/edac.c @ v7.3`.

use fwgate_wire::cxl::ReturnCode;

use super::capacity::END;
use crate::bytes::Reader;
use crate::engine::{Done, Engine, Handled, Then};

/// 0600h: class 0 does nothing; class 1 repairs (soft, hard); class 2 spares (cacheline, row, bank, rank).
/// Flag bit 0 asks only whether there are resources, of which there always are.
pub(crate) fn perform(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let (class, subclass) = (reader.u8()?, reader.u8()?);
    let dpa = match (class, subclass, input.len()) {
        (0, 0, 2) => return Ok(Done::Now),
        (1, 0 | 1, 14) | (2, 0..=3, 16) => {
            let query = reader.u8()? & 1 != 0;
            let dpa = if class == 1 { Some(reader.u64()?) } else { None };
            if query {
                return Ok(Done::Now);
            }
            dpa
        }
        (0, 0, _) | (1, 0 | 1, _) | (2, 0..=3, _) => {
            return Err(ReturnCode::INVALID_PAYLOAD_LENGTH);
        }
        _ => return Err(ReturnCode::UNSUPPORTED),
    };
    if dpa.is_some_and(|dpa| dpa >= END) {
        return Err(ReturnCode::INVALID_PHYSICAL_ADDRESS);
    }
    let duration = engine.state.settings.background_us;
    engine.start(0x0600, duration, false, Then::Repair { dpa })
}

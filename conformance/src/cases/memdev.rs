// SPDX-License-Identifier: MIT OR Apache-2.0
//! CXL_MEM_QUERY_COMMANDS and CXL_MEM_SEND_COMMAND.
//!
//! *Spec*: `drivers/cxl/core/mbox.c`, `drivers/cxl/core/memdev.c` @ v7.3.

use fwgate_gate::abi::Errno;
use fwgate_wire::memdev::{CommandId, IDS, IdKind, VARIABLE};

use super::Case;
use crate::build::{ARG, OUTPUT, Send, query};
use crate::call::{Call, Node};
use crate::memory::{EDGE_FIXED, FIXED, FIXED_QUERY_0, FIXED_QUERY_25, FIXED_SEND, WORK_END};
use crate::twin::{Below, MemdevSetting, Setting};

const HOLE: u64 = WORK_END;
const SEND: u32 = 0xc030_ce02;

fn id(id: u32, change: impl FnOnce(&mut Send)) -> Call {
    let row = CommandId(id).row();
    let sizes = row.map_or((0, 0), |row| (row.size_in, row.size_out));
    let length = if sizes.0 == VARIABLE { 8 } else { sizes.0 as usize };
    let out = if sizes.1 == VARIABLE { 256 } else { sizes.1 };
    let mut send = Send::id(id, vec![0; length], out);
    change(&mut send);
    send.call()
}

fn raw(opcode: u16, out_size: u32, change: impl FnOnce(&mut Send)) -> Call {
    let mut send = Send::raw(opcode, Vec::new(), out_size);
    change(&mut send);
    send.call()
}

fn at(mut call: Call, arg: u64) -> Call {
    if let Some((place, _)) = call.places.last_mut() {
        *place = arg;
    }
    call.arg = arg;
    call
}

fn same(_: &mut Send) {}

pub(super) fn cases(setting: &Setting, memdev: &MemdevSetting) -> Vec<Case> {
    let mut cases = queries(memdev);
    cases.extend(by_id(setting, memdev));
    cases.extend(by_opcode(setting, memdev));
    if setting.below == Below::Mock {
        cases.extend(on_the_mock());
    }
    cases
}

fn queries(memdev: &MemdevSetting) -> Vec<Case> {
    let case = |name: &str, call: Call, want: Result<(), Errno>| Case::new(name, call, want);
    let fixed = |arg: u64| Call { arg, places: vec![], ..query(0) };
    let number = |number: u32| Call { number, ..query(0) };
    let mut cases = vec![
        case("query/0 says how many", query(0), Ok(())).word(ARG, 25),
        case("query/1 gives the empty slot 0 and does not write its count back", query(1), Ok(()))
            .word(ARG, 1)
            .with(ARG + 8, &[0; 16])
            .with(ARG + 24, &[0xb8]),
        case("query/2 gives Identify", query(2), Ok(()))
            .word(ARG, 2)
            .word(ARG + 24, 1)
            .word(ARG + 36, 0x43),
        case("query/the largest count gives 25", query(u32::MAX), Ok(())).word(ARG, u32::MAX),
        case("query/no address", at(query(0), 0), Err(Errno::FAULT)),
        case("query/three bytes", at(query(0), WORK_END - 3), Err(Errno::FAULT)),
        case("query/the count alone is enough", at(query(0), WORK_END - 4), Ok(()))
            .word(WORK_END - 4, 25),
        case(
            "query/rows that end are written up to there",
            at(query(25), WORK_END - 32),
            Err(Errno::FAULT),
        ),
        case(
            "query/a row that ends is written up to there",
            at(query(25), WORK_END - 30),
            Err(Errno::FAULT),
        ),
        case("query/0 in read-only memory", fixed(FIXED_QUERY_0), Err(Errno::FAULT)),
        case("query/25 in read-only memory", fixed(FIXED_QUERY_25), Err(Errno::FAULT)),
        case(
            "query/a count that ends read-only is written whole or not at all",
            at(query(0), EDGE_FIXED - 2),
            Err(Errno::FAULT),
        ),
        case("memdev/number 0", number(0x8008_ce00), Err(Errno::NOTTY)),
        case("memdev/number 3", number(0xc030_ce03), Err(Errno::NOTTY)),
        case("memdev/a size of 16 in the number", number(0x8010_ce01), Err(Errno::NOTTY)),
        case("memdev/no direction in the number", number(0x0008_ce01), Err(Errno::NOTTY)),
        case("memdev/fwctl's number", number(0x9a00), Err(Errno::NOTTY)),
        case("memdev/an unknown number beats no address", at(number(0xce01), 0), Err(Errno::NOTTY)),
    ];
    for row in &IDS {
        let there = match row.kind {
            IdKind::Always | IdKind::ByLog => true,
            IdKind::Raw => memdev.raw_built,
            IdKind::Invalid | IdKind::Deprecated => false,
        };
        let id = row.id.0;
        let (own, sizes) = if there { (id, (row.size_in, row.size_out)) } else { (0, (0, 0)) };
        let flags = u32::from(memdev.enabled[own as usize])
            | u32::from(memdev.exclusive[own as usize]) << 1;
        let mut want = Vec::new();
        for word in [own, flags, sizes.0, sizes.1] {
            want.extend(word.to_ne_bytes());
        }
        let place = ARG + 8 + 16 * u64::from(id);
        let name = format!("query/row {id} is as the table says");
        cases.push(case(&name, query(25), Ok(())).with(place, &want));
    }
    cases
}

fn by_id(setting: &Setting, memdev: &MemdevSetting) -> Vec<Case> {
    let case = |name: &str, call: Call, want: Errno| Case::new(name, call, Err(want));
    let size = setting.payload_size;
    let wrong =
        |it: &mut Send| (it.flags, it.opcode, it.in_reserved, it.out_reserved) = (4, 1, 1, 1);
    let fixed = Call { node: Node::Memdev, number: SEND, arg: FIXED_SEND, places: vec![] };
    let mut cases = vec![
        case("send/no address", at(id(1, same), 0), Errno::FAULT),
        case("send/47 bytes", at(id(99, same), WORK_END - 47), Errno::FAULT),
        case(
            "send/id 0 beats an input above the payload",
            id(0, |it| it.in_size = Some(u32::MAX)),
            Errno::NOTTY,
        ),
        case("send/id 25", id(25, wrong), Errno::NOTTY),
        case("send/the largest id", id(u32::MAX, wrong), Errno::NOTTY),
        case(
            "send/an input above the payload beats an input that is not there",
            id(1, |it| (it.in_size, it.input) = (Some(size + 1), HOLE)),
            Errno::INVAL,
        ),
        case("send/flags beat a deprecated id", id(15, |it| it.flags = 4), Errno::INVAL),
        case("send/the largest flags", id(1, |it| it.flags = u32::MAX), Errno::INVAL),
        case("send/an opcode where there is none", id(1, |it| it.opcode = 1), Errno::INVAL),
        case("send/the union's other half", id(1, |it| it.raw_reserved = 1), Errno::INVAL),
        case("send/the input's reserved word", id(1, |it| it.in_reserved = 1), Errno::INVAL),
        case(
            "send/the output's reserved word beats an id that is not enabled",
            id(15, |it| it.out_reserved = 1),
            Errno::INVAL,
        ),
        case(
            "send/input where none is asked for beats output too small",
            id(1, |it| (it.in_size, it.out_size) = (Some(1), 0)),
            Errno::NOMEM,
        ),
        case("send/output too small", id(1, |it| it.out_size = 0x42), Errno::NOMEM),
        case(
            "send/output too small beats a payload that is not there",
            id(8, |it| (it.in_size, it.input) = (Some(23), HOLE)),
            Errno::NOMEM,
        ),
        case("send/a payload that is not there", id(8, |it| it.input = HOLE), Errno::FAULT),
        case("send/a payload that ends", id(8, |it| it.input = WORK_END - 23), Errno::FAULT),
        case(
            "send/a read-only structure is a fault after the device has answered",
            fixed,
            Errno::FAULT,
        ),
        case("send/output that is not there", id(1, |it| it.output = HOLE), Errno::FAULT),
        case("send/output that is read-only", id(1, |it| it.output = FIXED), Errno::FAULT),
        Case::new("send/flags that a query shows", id(1, |it| it.flags = 3), Ok(())),
        Case::new("send/output far above the fixed size", id(1, |it| it.out_size = 0x1000), Ok(())),
        Case::new("send/the largest output", id(1, |it| it.out_size = u32::MAX), Ok(())),
        Case::new("send/no input is not looked at", id(1, |it| it.input = u64::MAX), Ok(())),
        Case::new("send/an odd address", at(id(1, same), ARG + 3), Ok(())),
    ];
    for deprecated in [15, 16, 17, 19, 20] {
        let name = format!("send/deprecated id {deprecated} beats sizes");
        cases.push(case(&name, id(deprecated, |it| it.in_size = Some(1)), Errno::NOTTY));
    }
    for row in IDS.iter().filter(|row| matches!(row.kind, IdKind::ByLog | IdKind::Always)) {
        let number = row.id.0;
        let (enabled, exclusive) =
            (memdev.enabled[number as usize], memdev.exclusive[number as usize]);
        let wrong_size = id(number, |it| it.in_size = Some(77));
        if !enabled {
            cases.push(case(
                &format!("send/id {number} is not enabled, which beats sizes"),
                wrong_size,
                Errno::NOTTY,
            ));
        } else if exclusive {
            cases.push(case(
                &format!("send/id {number} is the kernel's for now, which beats sizes"),
                wrong_size,
                Errno::BUSY,
            ));
        } else if row.size_in != VARIABLE {
            cases.push(case(
                &format!("send/id {number} of another size"),
                wrong_size,
                Errno::NOMEM,
            ));
        }
    }
    if memdev.enabled[23] && !memdev.exclusive[23] {
        cases.push(case(
            "send/Clear Log of another log than the debug one",
            id(23, same),
            Errno::BUSY,
        ));
    }
    cases
}

fn by_opcode(setting: &Setting, memdev: &MemdevSetting) -> Vec<Case> {
    let size = setting.payload_size;
    let possible = memdev.raw_built && !setting.locked_down;
    let allowed = |want: Result<(), Errno>| if possible { want } else { Err(Errno::PERM) };
    let mut cases = vec![
        Case::new(
            "raw/an input above the payload beats all",
            raw(0x4300, 0, |it| (it.in_size, it.raw_reserved) = (Some(size + 1), 1)),
            Err(Errno::INVAL),
        ),
        Case::new(
            "raw/the reserved half beats EPERM",
            raw(0x4300, 0, |it| it.raw_reserved = 1),
            Err(Errno::INVAL),
        ),
        Case::new(
            "raw/output above the payload beats EPERM",
            raw(0x4300, size + 1, same),
            Err(Errno::INVAL),
        ),
        Case::new(
            "raw/a payload that is not there",
            raw(0x4000, size, |it| (it.in_size, it.input) = (Some(4), HOLE)),
            allowed(Err(Errno::FAULT)),
        ),
        Case::new("raw/Identify", raw(0x4000, size, same), allowed(Ok(()))),
        Case::new(
            "raw/flags and reserved words are not looked at",
            raw(0x4000, 0x43, |it| {
                (it.flags, it.in_reserved, it.out_reserved) = (u32::MAX, 1, 1);
            }),
            allowed(Ok(())),
        ),
    ];
    if !memdev.raw_allow_all {
        for opcode in [
            0x0202, 0x0500, 0x0501, 0x0502, 0x4101, 0x4103, 0x4204, 0x4300, 0x4301, 0x4302, 0x4304,
            0x4305, 0x4400, 0x4401, 0x4500, 0x4600,
        ] {
            let call = raw(opcode, size, |it| (it.in_size, it.input) = (Some(4), HOLE));
            let name = format!("raw/{opcode:04x}h is EPERM, which beats EFAULT");
            cases.push(Case::new(&name, call, Err(Errno::PERM)));
        }
    }
    cases
}

/// What the mock answers.
fn on_the_mock() -> Vec<Case> {
    vec![
        Case::new("mock/health", id(7, same), Ok(()))
            .with(OUTPUT, &[7, 3, 0x18, 15, 25, 0, 10])
            .word(ARG + 32, 0x12),
        Case::new(
            "mock/health with room to spare: the length is the room",
            id(7, |it| it.out_size = 64),
            Ok(()),
        )
        .word(ARG + 32, 64),
        Case::new(
            "mock/supported logs with too little room is an errno of the transport",
            id(3, |it| it.out_size = 27),
            Err(Errno::INVAL),
        ),
        Case::new("mock/supported logs", id(3, same), Ok(())).word(ARG + 32, 28),
        Case::new("mock/a log that it does not have", id(8, same), Err(Errno::INVAL)),
    ]
}

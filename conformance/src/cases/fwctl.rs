// SPDX-License-Identifier: MIT OR Apache-2.0
//! FWCTL_INFO, FWCTL_RPC, CXL Features.
//!
//! *Spec*: `drivers/fwctl/main.c`, `drivers/cxl/core/features.c` @ v7.3.

use fwgate_gate::abi::Errno;
use fwgate_gate::abi::fwctl::CxlFeatures;

use super::Case;
use crate::build::{ARG, INPUT, Info, OUTPUT, Rpc, get, request, set, supported};
use crate::call::Call;
use crate::memory::{BIG, EDGE_FIXED, FIXED, FIXED_INFO, FIXED_RPC, PAGE, WORK, WORK_END};
use crate::twin::{Below, FwctlSetting, Setting};

/// Nothing is there.
const HOLE: u64 = WORK_END;

fn info(change: impl FnOnce(&mut Info)) -> Call {
    let mut info = Info::default();
    change(&mut info);
    info.call()
}

fn rpc(scope: u32, request: Vec<u8>, change: impl FnOnce(&mut Rpc)) -> Call {
    let mut rpc = Rpc::new(scope, request);
    change(&mut rpc);
    rpc.call()
}

fn numbered(mut call: Call, number: u32) -> Call {
    call.number = number;
    call
}

/// The argument elsewhere, with its bytes.
fn moved(mut call: Call, arg: u64) -> Call {
    if let Some((at, _)) = call.places.iter_mut().rev().find(|(at, _)| *at == ARG) {
        *at = arg;
    }
    call.arg = arg;
    call
}

fn same(_: &mut Rpc) {}

pub(super) fn cases(setting: &Setting, fwctl: &FwctlSetting) -> Vec<Case> {
    let mut cases = core();
    cases.extend(limits(setting));
    cases.extend(driver(fwctl));
    cases.extend(features(setting, fwctl));
    cases
}

/// Number, size, tail, address; none of them taints.
fn core() -> Vec<Case> {
    let case = |name: &str, call: Call, want: Result<(), Errno>| {
        Case::new(name, call, want).tainted(false)
    };
    let tail = |size: u32, tail: Vec<u8>| info(|it| (it.size, it.tail) = (size, tail));
    let plain = || info(|_| ());
    vec![
        case("fwctl/info", plain(), Ok(())).word(ARG + 8, 2).word(ARG + 12, 0),
        case("fwctl/a third number is ENOTTY", numbered(plain(), 0x9a02), Err(Errno::NOTTY)),
        case(
            "fwctl/a direction and a size are ENOTTY",
            numbered(plain(), 0xc018_9a00),
            Err(Errno::NOTTY),
        ),
        case("fwctl/another type is ENOTTY", numbered(plain(), 0x9b00), Err(Errno::NOTTY)),
        case(
            "fwctl/an unknown number beats no address",
            moved(numbered(plain(), 0x9aff), 0),
            Err(Errno::NOTTY),
        ),
        case("fwctl/no address", moved(plain(), 0), Err(Errno::FAULT)),
        case(
            "fwctl/an address of the kernel",
            moved(plain(), 0xffff_8880_0000_0000),
            Err(Errno::FAULT),
        ),
        case("fwctl/the last address", moved(plain(), u64::MAX), Err(Errno::FAULT)),
        case("fwctl/three bytes of a size", moved(plain(), WORK_END - 3), Err(Errno::FAULT)),
        case(
            "fwctl/a size too small beats a structure that ends",
            moved(info(|it| it.size = 23), WORK_END - 4),
            Err(Errno::INVAL),
        ),
        case("fwctl/a structure that ends", moved(plain(), WORK_END - 4), Err(Errno::FAULT)),
        case("fwctl/size 0", info(|it| it.size = 0), Err(Errno::INVAL)),
        case("fwctl/size 24 is too small for an rpc", numbered(plain(), 0x9a01), Err(Errno::INVAL)),
        case(
            "fwctl/a size too small beats flags",
            info(|it| (it.size, it.flags) = (23, 1)),
            Err(Errno::INVAL),
        ),
        case("fwctl/a zero tail", tail(32, vec![0; 8]), Ok(())).word(ARG, 32),
        case(
            "fwctl/a tail that is set beats flags",
            info(|it| (it.size, it.flags, it.tail) = (32, 1, vec![0, 0, 0, 0, 0, 0, 0, 1])),
            Err(Errno::TOOBIG),
        ),
        case(
            "fwctl/a tail that is set beats where it ends",
            tail(u32::MAX, vec![0, 1]),
            Err(Errno::TOOBIG),
        ),
        case(
            "fwctl/a zero tail that ends",
            moved(tail(u32::MAX, vec![0; 4096]), WORK_END - 128),
            Err(Errno::FAULT),
        ),
        case(
            "fwctl/a zero tail of 4 pages less a structure",
            tail(4 * PAGE as u32, vec![0; 4 * PAGE - 24]),
            Ok(()),
        ),
        case(
            "fwctl/a zero tail one byte into a hole",
            tail(4 * PAGE as u32 + 1, vec![0; 4 * PAGE - 24]),
            Err(Errno::FAULT),
        ),
        case("fwctl/an odd address", moved(plain(), ARG + 1), Ok(())).word(ARG + 9, 2),
        case("fwctl/a structure over two pages", moved(plain(), ARG + PAGE as u64 - 7), Ok(())),
        case(
            "fwctl/info: flags beat the room",
            info(|it| (it.flags, it.room, it.to) = (1, 8, HOLE)),
            Err(Errno::OPNOTSUPP),
        ),
        case("fwctl/info: every flag", info(|it| it.flags = 1 << 31), Err(Errno::OPNOTSUPP)),
        case("fwctl/info: room is cleared and the length is 0", info(|it| it.room = 16), Ok(()))
            .with(OUTPUT, &[0; 16])
            .word(ARG + 12, 0),
        case("fwctl/info: no room is not looked at", info(|it| it.to = HOLE), Ok(())),
        case(
            "fwctl/info: no room and an address of the kernel",
            info(|it| it.to = u64::MAX),
            Ok(()),
        ),
        case(
            "fwctl/info: room that is not there",
            info(|it| (it.room, it.to) = (1, HOLE)),
            Err(Errno::FAULT),
        )
        .word(ARG + 12, 1),
        case(
            "fwctl/info: room that ends is cleared up to its end",
            info(|it| (it.room, it.to) = (64, WORK_END - 7)),
            Err(Errno::FAULT),
        )
        .with(WORK_END - 7, &[0; 7])
        .word(ARG + 12, 64),
        case(
            "fwctl/info: room of 4 GiB is cleared up to its end",
            info(|it| (it.room, it.to) = (u32::MAX, WORK_END - 4099)),
            Err(Errno::FAULT),
        )
        .with(WORK_END - 4099, &[0; 64]),
        case(
            "fwctl/info: room that is read-only",
            info(|it| (it.room, it.to) = (8, FIXED)),
            Err(Errno::FAULT),
        ),
        case(
            "fwctl/info: room over the structure",
            info(|it| (it.room, it.to) = (24, ARG)),
            Ok(()),
        )
        .word(ARG, 24)
        .word(ARG + 8, 2),
        case(
            "fwctl/info: a structure that is read-only",
            Call { arg: FIXED_INFO, places: vec![], ..plain() },
            Err(Errno::FAULT),
        ),
        case(
            "fwctl/info: a structure that ends read-only is written up to there",
            moved(plain(), EDGE_FIXED - 12),
            Err(Errno::FAULT),
        ),
    ]
}

/// Lengths, scope, capability, input; in this order, and where the taint comes.
fn limits(setting: &Setting) -> Vec<Case> {
    const TOO_LONG: u32 = (2 << 20) + 1;
    let vendor = || request(0xc000, &[]);
    let full = |want| if setting.rawio { want } else { Errno::PERM };
    let case = |name: &str, call: Call, want: Errno, tainted: bool| {
        Case::new(name, call, Err(want)).tainted(tainted)
    };
    let all_wrong = |it: &mut Rpc| (it.in_len, it.input, it.output) = (Some(TOO_LONG), HOLE, HOLE);
    vec![
        case(
            "rpc/EMSGSIZE of the input beats EOPNOTSUPP and EFAULT",
            rpc(4, vendor(), all_wrong),
            Errno::MSGSIZE,
            false,
        ),
        case(
            "rpc/EMSGSIZE of the output beats EPERM",
            rpc(3, vendor(), |it| it.out_len = TOO_LONG),
            Errno::MSGSIZE,
            false,
        ),
        case(
            "rpc/EMSGSIZE of the largest length",
            rpc(2, vendor(), |it| it.in_len = Some(u32::MAX)),
            Errno::MSGSIZE,
            false,
        ),
        case(
            "rpc/EOPNOTSUPP beats EFAULT",
            rpc(4, vendor(), |it| it.input = HOLE),
            Errno::OPNOTSUPP,
            false,
        ),
        case(
            "rpc/EOPNOTSUPP of the largest scope",
            rpc(u32::MAX, vendor(), same),
            Errno::OPNOTSUPP,
            false,
        ),
        case(
            "rpc/2 MiB is not too long",
            rpc(4, vendor(), |it| it.out_len = 2 << 20),
            Errno::OPNOTSUPP,
            false,
        ),
        case(
            "rpc/EFAULT beats the driver's EINVAL",
            rpc(0, vendor(), |it| it.input = HOLE),
            Errno::FAULT,
            false,
        ),
        case(
            "rpc/input that ends",
            rpc(1, vendor(), |it| it.input = WORK_END - 15),
            Errno::FAULT,
            false,
        ),
        case("rpc/input at no address", rpc(1, vendor(), |it| it.input = 0), Errno::FAULT, false),
        case(
            "rpc/input at an address of the kernel",
            rpc(1, vendor(), |it| it.input = 1 << 63),
            Errno::FAULT,
            false,
        ),
        case(
            "rpc/no input is not looked at",
            rpc(1, vec![], |it| it.input = u64::MAX),
            Errno::INVAL,
            false,
        ),
        case("rpc/scopes 0 and 1 do not taint", rpc(1, vendor(), same), Errno::INVAL, false),
        // Whether it does depends on the caller; the mark cannot be taken back, so scope 3 comes last.
        Case::new(
            "rpc/EPERM or EFAULT: scope 3",
            rpc(3, vendor(), |it| it.input = HOLE),
            Err(full(Errno::FAULT)),
        )
        .tainted(setting.rawio),
        case(
            "rpc/scope 2 taints though the input is not there",
            rpc(2, vendor(), |it| it.input = HOLE),
            Errno::FAULT,
            true,
        ),
        case(
            "rpc/scope 2 taints though the driver refuses",
            rpc(2, vendor(), same),
            Errno::INVAL,
            true,
        ),
        case("rpc/scope 3 and the driver", rpc(3, vendor(), same), full(Errno::INVAL), true),
        case(
            "rpc/2 MiB of input",
            rpc(0, vendor(), |it| (it.in_len, it.input) = (Some(2 << 20), BIG)),
            Errno::INVAL,
            true,
        ),
        case(
            "rpc/a read-only structure is a fault after all",
            Call { arg: FIXED_RPC, places: vec![], ..rpc(2, vendor(), same) },
            Errno::FAULT,
            true,
        )
        .with(WORK, &56u32.to_ne_bytes()),
    ]
}

/// The header and the first two commands.
fn driver(fwctl: &FwctlSetting) -> Vec<Case> {
    let bad = |name: &str, call: Call| Case::new(name, call, Err(Errno::INVAL));
    let good = |name: &str, call: Call| Case::new(name, call, Ok(()));
    let count = fwctl.features.entries.len() as u32;
    let last = count as u16 - 1;
    let mut beyond = get([0xff; 16], 0, 4, 0);
    beyond[8] = 22;
    let mut less = get([0xff; 16], 0, 4, 0);
    less[8] = 20;
    let mut wide = supported(56, 0);
    (wide[2], wide[3], wide[4], wide[15]) = (1, 0xff, 0xff, 0xff);
    let mut longer = supported(0, 0);
    longer.extend_from_slice(&[0xaa; 64]);
    let one = 16 + 8 + 48;
    vec![
        bad("cxl/no input", rpc(0, vec![], same)),
        bad("cxl/15 bytes of header", rpc(0, vec![0; 15], same)),
        bad("cxl/a payload beyond the input", rpc(0, beyond, same)),
        bad("cxl/a payload that says less than it is", rpc(0, less, same)),
        bad("cxl/0400h", rpc(0, request(0x0400, &[]), same)),
        bad("cxl/4000h", rpc(0, request(0x4000, &[]), same)),
        bad("cxl/0503h", rpc(0, request(0x0503, &[]), same)),
        bad("cxl/a vendor's opcode", rpc(1, request(0xc000, &[]), same)),
        good(
            "cxl/17 bits of opcode, flags and a reserved word are not looked at",
            rpc(0, wide, same),
        ),
        good("cxl/bytes behind the payload are not looked at", rpc(0, longer, same)),
        bad("supported/7 bytes", rpc(0, request(0x0500, &[0; 7]), same)),
        bad("supported/9 bytes", rpc(0, request(0x0500, &[0; 9]), same)),
        bad("supported/one after the last", rpc(0, supported(56, last + 1), same)),
        good("supported/the last", rpc(0, supported(56, last), same))
            .word(OUTPUT, 56)
            .word(ARG + 12, one),
        good("supported/count 8 gives none", rpc(0, supported(8, 0), same))
            .word(OUTPUT, 8)
            .word(ARG + 12, 24),
        good(
            "supported/count 48 gives one: the header is not taken off",
            rpc(0, supported(48, last), same),
        )
        .word(OUTPUT, 56),
        good(
            "supported/the largest count gives all",
            rpc(0, supported(u32::MAX, 0), |it| it.out_len = 8192),
        )
        .word(OUTPUT, 8 + 48 * count),
        good(
            "supported/no room: all is well and the length is true",
            rpc(0, supported(56, last), |it| (it.out_len, it.output) = (0, HOLE)),
        )
        .word(ARG + 12, one),
        good("supported/10 bytes of room", rpc(0, supported(8, 0), |it| it.out_len = 10))
            .word(OUTPUT, 8)
            .word(ARG + 12, 24),
        Case::new(
            "supported/output that is not there",
            rpc(0, supported(8, 0), |it| it.output = HOLE),
            Err(Errno::FAULT),
        )
        .word(ARG + 12, 4096),
        Case::new(
            "supported/output that ends is written up to its end",
            rpc(0, supported(8, 0), |it| it.output = WORK_END - 4),
            Err(Errno::FAULT),
        )
        .with(WORK_END - 4, &8u32.to_ne_bytes()),
        good(
            "supported/output over the structure: the structure wins",
            rpc(0, supported(8, 0), |it| it.output = ARG),
        )
        .word(ARG, 32),
        good("supported/output over the input", rpc(0, supported(8, 0), |it| it.output = INPUT))
            .word(INPUT, 8),
        bad("get/20 bytes", rpc(0, request(0x0501, &[0; 20]), same)),
        bad("get/22 bytes", rpc(0, request(0x0501, &[0; 22]), same)),
        bad("get/no count", rpc(0, get([0xff; 16], 0, 0, 0), same)),
        bad("get/no room for the header", rpc(0, get([0xff; 16], 0, 1, 0), |it| it.out_len = 7)),
        bad("get/no room for the data", rpc(0, get([0xff; 16], 0, 4, 0), |it| it.out_len = 11)),
        bad("get/the largest count", rpc(0, get([0xff; 16], 0, u16::MAX, 0), same)),
    ]
}

/// Get and Set of a feature that is there.
fn features(setting: &Setting, fwctl: &FwctlSetting) -> Vec<Case> {
    const IMMEDIATE: u16 = 0x1e;
    let bad = |name: &str, call: Call| Case::new(name, call, Err(Errno::INVAL));
    let own = CxlFeatures::kernels_own();
    let mut cases = vec![
        bad("set/15 bytes", rpc(2, request(0x0502, &[0xff; 15]), same)),
        bad("set/a feature that is not listed", rpc(2, set([0x77; 16], 0, 0, 1, &[1; 4]), same)),
        bad(
            "set/a feature that is not listed beats no room",
            rpc(2, set([0x77; 16], 0, 0, 1, &[1]), |it| it.out_len = 0),
        ),
    ];
    if !fwctl.features.exclusive.is_empty() {
        let listed = fwctl.features.entries.iter().any(|entry| entry.uuid == own[0]);
        let errno = if listed || !setting.rawio { Errno::PERM } else { Errno::INVAL };
        let call = rpc(3, set(own[0], 0, 0, 1, &[1; 2]), same);
        cases.push(Case::new(
            "set/the kernel's own: EPERM only where it is listed",
            call,
            Err(errno),
        ));
        cases.push(Case::new("get/the kernel's own", rpc(0, get(own[0], 0, 1, 0), same), Ok(())));
    }
    cases.push(
        Case::new(
            "get/a feature that is not there is the device's to refuse",
            rpc(0, get([0x77; 16], 0, 4, 0), same),
            Ok(()),
        )
        .word(OUTPUT, 0)
        .word(ARG + 12, 16),
    );
    let Some(entry) = fwctl.features.entries.iter().find(|entry| entry.flags().changeable()) else {
        return cases;
    };
    let uuid = entry.uuid;
    let least = if entry.effects.get() & IMMEDIATE != 0 { 3 } else { 2 };
    let full = |want: Result<(), Errno>| {
        if least == 3 && !setting.rawio { Err(Errno::PERM) } else { want }
    };
    let lower = bad(
        "set/one scope below what the effects ask for: EINVAL, not EPERM",
        rpc(least - 1, set(uuid, 0, 0, 1, &[1; 4]), same),
    );
    cases.push(lower);
    let no_data = rpc(least, set(uuid, 0, 0, 1, &[]), same);
    cases.push(Case::new("set/no data", no_data, full(Err(Errno::INVAL))));
    let no_room = rpc(least, set(uuid, 0, 0, 1, &[1]), |it| it.out_len = 7);
    cases.push(Case::new("set/no room for the header", no_room, full(Err(Errno::INVAL))));
    if setting.below == Below::Mock {
        cases.extend(on_the_mock(uuid));
    }
    cases
}

/// The mock's one feature: 4 bytes, after a cold reset.
fn on_the_mock(uuid: [u8; 16]) -> Vec<Case> {
    let good = |name: &str, call: Call| Case::new(name, call, Ok(()));
    let value = [0x11, 0x22, 0x33, 0x44];
    vec![
        good("set/full", rpc(2, set(uuid, 0, 0, 1, &value), same))
            .word(OUTPUT, 0)
            .word(OUTPUT + 4, 0)
            .word(ARG + 12, 16),
        good("get/what was set", rpc(0, get(uuid, 0, 4, 0), same))
            .word(OUTPUT, 4)
            .with(OUTPUT + 8, &value)
            .word(ARG + 12, 20),
        good("get/just room", rpc(0, get(uuid, 0, 4, 0), |it| it.out_len = 12))
            .with(OUTPUT + 8, &value)
            .word(ARG + 12, 20),
        good(
            "set/transfer bits of the caller are replaced",
            rpc(2, set(uuid, 7, 0, 1, &[0x55, 0x66, 0x77, 0x88]), same),
        )
        .word(OUTPUT + 4, 0),
        good("set/an offset is the device's to refuse", rpc(2, set(uuid, 0, 1, 1, &value), same))
            .word(OUTPUT + 4, 2),
        good(
            "set/more than a payload goes in parts, which the mock refuses",
            rpc(2, set(uuid, 0, 0, 1, &[1; 4065]), same),
        )
        .word(OUTPUT + 4, 2),
        good("get/after what was refused", rpc(1, get(uuid, 0, 4, 0), same))
            .with(OUTPUT + 8, &[0x55, 0x66, 0x77, 0x88]),
        good("get/beyond the end is the device's to refuse", rpc(1, get(uuid, 0, 5, 0), same))
            .word(OUTPUT, 0)
            .word(OUTPUT + 4, 2)
            .word(ARG + 12, 16),
        Case::new(
            "set/output that is not there, and the device has done it",
            rpc(2, set(uuid, 0, 0, 1, &value), |it| it.output = HOLE),
            Err(Errno::FAULT),
        ),
        good("get/what was set with a fault", rpc(0, get(uuid, 0, 4, 0), same))
            .with(OUTPUT + 8, &value),
    ]
}

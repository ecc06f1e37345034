// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state file: it outlives the process, and a wrong one is refused, never reset.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use fwgate_wire::cxl::ReturnCode;
use proptest::prelude::*;

use super::{START, Telemetry, send};
use crate::clock::ManualTime;
use crate::device::{EmulatedCxl, Options};
use crate::faults::{FaultKind, FaultPlan, FaultRule};
use crate::state::State;
use crate::store::{MAX_STATE_BYTES, OpenError, parse};

fn open(dir: &Path, at_us: u64) -> Result<EmulatedCxl, OpenError> {
    EmulatedCxl::open_at(dir, Options::cxl0(), Arc::new(ManualTime::new(at_us)))
}

fn ok(device: &mut EmulatedCxl, opcode: u16, input: &[u8]) -> Vec<u8> {
    let (completed, reply) = send(device, opcode, input).unwrap();
    assert!(matches!(completed.return_code, ReturnCode::SUCCESS | ReturnCode::BACKGROUND_STARTED));
    reply
}

#[test]
fn everything_that_a_command_changed_is_there_in_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut device = open(dir.path(), START).unwrap();
    ok(&mut device, 0xC001, &[1, 0, 0, 0]);
    ok(&mut device, 0xC002, &[2, 0, 0, 0]);
    ok(&mut device, 0xC003, &[]);
    ok(&mut device, 0x4103, &[0, 0, 0, 0, 0, 0, 0, 0, 9, 9]);
    ok(&mut device, 0x4301, &64_u64.to_le_bytes());
    ok(&mut device, 0x0301, &7_u64.to_le_bytes());
    ok(&mut device, 0xC004, &3000_u32.to_le_bytes());
    let (made, serial) = (device.made_us(), device.serial());
    drop(device);
    let mut device = open(dir.path(), START + 1_500_000).unwrap();
    assert_eq!((device.made_us(), device.serial()), (made, serial));
    assert_eq!(device.commands_taken(), 7);
    let view = device.background().unwrap();
    assert_eq!((view.status.percent(), view.running), (50, true), "it goes on");
    let telemetry = Telemetry(ok(&mut device, 0xC000, &[]).try_into().unwrap());
    assert_eq!((telemetry.u32(20), telemetry.u32(24), telemetry.u32(28)), (2, 1, 1));
    assert_eq!((telemetry.u32(48), telemetry.u64(32)), (0, 8));
    assert_eq!(ok(&mut device, 0x4102, &[0, 0, 0, 0, 2, 0, 0, 0]), [9, 9]);
    assert_eq!(ok(&mut device, 0x0300, &[]), (7_u64 + 1_500_000_000).to_le_bytes());
    drop(device);
    let mut device = open(dir.path(), START + 3_000_000).unwrap();
    assert!(!device.background().unwrap().running);
}

#[test]
fn every_command_taken_has_its_line_before_its_reply() {
    let dir = tempfile::tempdir().unwrap();
    let mut device = open(dir.path(), START).unwrap();
    let lines = || fs::read_to_string(dir.path().join("cxl0.executed")).unwrap();
    ok(&mut device, 0xC000, &[]);
    assert_eq!(lines(), "1 0xC000 1000000000000\n");
    let _refused = send(&mut device, 0xDEAD, &[]).unwrap();
    assert_eq!(lines(), "1 0xC000 1000000000000\n2 0xDEAD 1000000000000\n");
    let mode =
        |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("cxl0.json"), mode("cxl0.executed")), (0o600, 0o600));
}

#[test]
fn a_list_that_cannot_be_written_stops_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let mut device = open(dir.path(), START).unwrap();
    ok(&mut device, 0xC002, &[5, 0, 0, 0]);
    fs::remove_dir_all(dir.path()).unwrap();
    let error = send(&mut device, 0xC002, &[6, 0, 0, 0]).unwrap_err();
    assert!(error.to_string().contains("cannot write `"), "{error}");
    assert!(error.may_have_run(), "the state could not be saved; the command was carried out");
}

#[test]
fn a_doorbell_that_never_clears_is_still_set_in_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let faults = FaultPlan {
        rules: vec![FaultRule::on(0xC002, FaultKind::Never).times(1)],
        ..FaultPlan::default()
    };
    let time = Arc::new(ManualTime::new(START));
    let options = Options { faults: Some(faults), ..Options::cxl0() };
    let mut device = EmulatedCxl::open_at(dir.path(), options, time).unwrap();
    assert!(send(&mut device, 0xC002, &[1, 0, 0, 0]).is_err());
    drop(device);
    let mut device = open(dir.path(), START + 10_000_000).unwrap();
    assert!(send(&mut device, 0xC000, &[]).is_err());
    device.power_cycle().unwrap();
    drop(device);
    let mut device = open(dir.path(), START + 20_000_000).unwrap();
    ok(&mut device, 0xC002, &[1, 0, 0, 0]);
}

#[test]
fn a_plan_goes_on_counting_in_the_next_process_and_another_plan_starts_anew() {
    let dir = tempfile::tempdir().unwrap();
    let code = |after| {
        let refuse = FaultKind::ReturnCode { code: ReturnCode::RETRY_REQUIRED.0 };
        let rules = vec![FaultRule::on(0xC000, refuse).after(after).times(1)];
        let faults = Some(FaultPlan { rules, ..FaultPlan::default() });
        let options = Options { faults, ..Options::cxl0() };
        let time = Arc::new(ManualTime::new(START));
        let mut device = EmulatedCxl::open_at(dir.path(), options, time).unwrap();
        send(&mut device, 0xC000, &[]).unwrap().0.return_code
    };
    assert_eq!(code(1), ReturnCode::SUCCESS);
    assert_eq!(code(1), ReturnCode::RETRY_REQUIRED);
    assert_eq!(code(1), ReturnCode::SUCCESS);
    assert_eq!(code(0), ReturnCode::RETRY_REQUIRED);
}

#[test]
fn a_wrong_state_file_is_refused_with_its_place_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), START).unwrap());
    let path = dir.path().join("cxl0.json");
    let good = fs::read_to_string(&path).unwrap();
    let cases = [
        (String::new(), "line 1, column 0: EOF while parsing"),
        ("[]".to_owned(), "line 1, column 2"),
        (good[..good.len() / 2].to_owned(), "line 1, column "),
        (good.replace("\"version\":1", "\"version\":2"), "`version` is 2, this program knows 1"),
        (good.replace("\"name\":\"cxl0\"", "\"name\":\"cxl1\""), "`name` is cxl1, not the name"),
        (good.replace("\"payload_log2\":11", "\"payload_log2\":7"), "`settings.payload_log2` is 7"),
        (
            good.replace("\"active\":1", "\"active\":0"),
            "`firmware.active` is 0, expected slot 1 or 2",
        ),
        (
            good.replace("\"active\":1", "\"active\":2"),
            "`firmware.active` is 2, expected a filled slot",
        ),
        (good.replace("\"volatile\":8", "\"volatile\":13"), "`capacity.volatile` is 13"),
        (good.replace("\"life_used\":3", "\"life_used\":101"), "`health.life_used` is 101"),
        (good.replace("\"latent\":[4096", "\"latent\":[4097"), "`media.latent` is 4097"),
        (good.replace("\"faults_seen\":[]", "\"faults_seen\":[1]"), "`faults_seen` is 1"),
        (good.replace("\"lsa\":\"0000", "\"lsa\":\"00"), "`capacity.lsa` is 16383"),
        (good.replace("\"lsa\":\"0", "\"lsa\":\"x"), "not a lower-case hexadecimal digit"),
        (good.replace("\"version\":1", "\"version\":1,\"more\":1"), "unknown field `more`"),
    ];
    for (text, part) in cases {
        assert_ne!(text, good, "{part}");
        fs::write(&path, &text).unwrap();
        let error = open(dir.path(), START).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("cxl0.json"), "{part}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::write(&path, good).unwrap();
    assert!(open(dir.path(), START).is_ok());
}

#[test]
fn files_that_are_too_long_or_no_plain_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cxl0.json");
    fs::write(&path, vec![b' '; MAX_STATE_BYTES + 1]).unwrap();
    let error = open(dir.path(), START).unwrap_err();
    assert!(matches!(error, OpenError::TooLarge { limit: MAX_STATE_BYTES, .. }));
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(matches!(open(dir.path(), START).unwrap_err(), OpenError::NotAFile { .. }));
}

#[test]
fn options_out_of_range_are_refused() {
    for (options, part) in [
        (Options::named("../x"), "`../x` is no name"),
        (Options { payload_log2: 21, ..Options::cxl0() }, "option `payload_log2` is 21"),
        (Options { latency_us: 60_000_001, ..Options::cxl0() }, "option `latency_us`"),
        (Options { background_us: u64::MAX, ..Options::cxl0() }, "option `background_us`"),
    ] {
        let time = Arc::new(ManualTime::new(START));
        let error = EmulatedCxl::in_memory(options, time).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// The text of a device's state after a few commands.
fn used_state() -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut device = open(dir.path(), START).unwrap();
    ok(&mut device, 0x4301, &64_u64.to_le_bytes());
    ok(&mut device, 0x0201, &{
        let mut part = vec![1, 0, 0, 0];
        part.resize(256, 0);
        part
    });
    ok(&mut device, 0xC004, &[]);
    fs::read_to_string(dir.path().join("cxl0.json")).unwrap()
}

/// Opens `text` as a state; if it is taken, the device must bear every command.
fn survives(text: &[u8]) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cxl0.json"), text).unwrap();
    for at in [0, START, u64::MAX] {
        let Ok(mut device) = open(dir.path(), at) else { continue };
        for row in crate::commands::TABLE {
            for input in [&[][..], &[0; 8], &[0; 16], &[0xff; 24], &[1; 128]] {
                let _any = send(&mut device, row.opcode, input);
            }
        }
        let _any = device.background();
        let _any = device.power_cycle();
        prop_assert!(device.changes() > 0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_as_a_state_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(parse::<State>(Path::new("x"), "cxl0", &bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_state_with_changed_numbers_is_refused_or_works(
        which in 0_usize..200,
        value in prop_oneof![
            Just("0".to_owned()), Just("1".to_owned()), Just("255".to_owned()),
            Just("65535".to_owned()), Just(u64::MAX.to_string()), Just("-1".to_owned()),
            Just("null".to_owned()), Just("[]".to_owned()),
        ],
    ) {
        let text = used_state();
        let mut numbers = Vec::new();
        let bytes = text.as_bytes();
        let mut quoted = false;
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'"' => quoted = !quoted,
                b'0'..=b'9' | b'-' if !quoted => {
                    let start = at;
                    while matches!(bytes[at], b'0'..=b'9' | b'-') {
                        at += 1;
                    }
                    numbers.push(start..at);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        let place = numbers[which % numbers.len()].clone();
        let changed = format!("{}{value}{}", &text[..place.start], &text[place.end..]);
        survives(changed.as_bytes())?;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Admin commands to a played NVMe driver.

use std::os::fd::AsFd;
use std::time::Duration;

use fwgate_policy::Known;
use proptest::prelude::*;
use rustix::io::Errno;

use super::scripted::{Scripted, Seen, Step, file};
use crate::path::nvme::{AdminCommand, NvmeKnown, send_admin, timeout_ms};
use crate::path::rule::Own;
use crate::path::{Answer, Cause, Refusal, Sent};
use crate::sys::nvme::{Admin, Width};

const KNOWN: NvmeKnown =
    NvmeKnown { driver_timeout: Some(Duration::from_secs(60)), fabrics: Known::No };

fn command(opcode: u8, data: &[u8], read_length: usize) -> AdminCommand<'_> {
    AdminCommand { opcode, nsid: 1, cdw10: [1, 2, 3, 4, 5, 6], data, read_length, wait: None }
}

fn send(io: &Scripted, command: &AdminCommand<'_>) -> Result<Answer, Refusal> {
    send_admin(io, file().as_fd(), command, &KNOWN, Own::CANNOT_TELL)
}

fn answers(returned: i32, result: u64, data: &[u8]) -> Result<Answer, Refusal> {
    let io = Scripted::new([Step::Admin(Ok((returned, result, data.to_vec())))]);
    send(&io, &command(0x06, &[], 8))
}

#[test]
fn a_read_brings_its_data_and_the_result() {
    let io = Scripted::new([Step::Admin(Ok((0, 0x1_0000_0002, vec![7; 8])))]);
    let answer = send(&io, &command(0x06, &[], 8)).unwrap();
    assert_eq!((answer.return_code, answer.result), (0, 0x1_0000_0002));
    assert_eq!(answer.payload.as_slice(), [7; 8]);
    assert!(!answer.unverified && !answer.background);
    let admin = Admin { opcode: 6, nsid: 1, cdw10: [1, 2, 3, 4, 5, 6], timeout_ms: 0 };
    assert_eq!(io.seen(), [Seen::Admin { width: Width::Wide, admin, data: vec![0; 8] }]);
}

#[test]
fn a_write_takes_its_data_along_and_brings_none() {
    let io = Scripted::new([Step::Admin(Ok((0, 0, vec![7; 8])))]);
    let answer = send(&io, &command(0x11, &[1, 2, 3, 4], 0)).unwrap();
    assert!(answer.payload.is_empty());
    let [Seen::Admin { data, .. }] = &io.seen()[..] else { panic!() };
    assert_eq!(data, &[1, 2, 3, 4]);
}

#[test]
fn a_status_is_an_answer_without_data() {
    for status in [0x0002, 0x4002, 0x010b, 0x7800] {
        let answer = answers(status, 0, &[7; 8]).unwrap();
        assert_eq!(i32::from(answer.return_code), status);
        assert!(answer.payload.is_empty());
    }
}

#[test]
fn a_status_that_the_host_makes_up_is_a_transport_failure() {
    for status in [0x370, 0x371, 0x37f, 0x4371] {
        let refusal = answers(status, 0, &[]).unwrap_err();
        assert_eq!((refusal.cause, refusal.sent), (Cause::Transport, Sent::MayHave));
    }
}

#[test]
fn a_return_value_that_is_no_status_is_an_error() {
    for returned in [0x8000, i32::MAX, -1] {
        let refusal = answers(returned, 0, &[]).unwrap_err();
        assert_eq!((refusal.cause, refusal.sent), (Cause::Answer, Sent::MayHave));
    }
}

#[test]
fn a_kernel_without_admin64_is_asked_by_the_older_ioctl() {
    let io = Scripted::new([Step::Admin(Err(Errno::NOTTY)), Step::Admin(Ok((0, 5, Vec::new())))]);
    assert_eq!(send(&io, &command(0x0a, &[], 0)).unwrap().result, 5);
    let widths: Vec<Width> = io
        .seen()
        .iter()
        .map(|seen| if let Seen::Admin { width, .. } = seen { *width } else { panic!() })
        .collect();
    assert_eq!(widths, [Width::Wide, Width::Narrow]);
    let io = Scripted::new([Step::Admin(Err(Errno::NOTTY)), Step::Admin(Err(Errno::NOTTY))]);
    let refusal = send(&io, &command(0x0a, &[], 0)).unwrap_err();
    assert_eq!((refusal.errno, refusal.sent), (25, Sent::No));
}

#[test]
fn no_other_errno_makes_a_second_call() {
    for errno in [Errno::INTR, Errno::AGAIN, Errno::BUSY, Errno::IO, Errno::NODEV, Errno::INVAL] {
        let io = Scripted::new([Step::Admin(Err(errno))]);
        let refusal = send(&io, &command(0x06, &[], 8)).unwrap_err();
        assert_eq!((refusal.errno, io.seen().len()), (errno.raw_os_error(), 1));
    }
}

#[test]
fn data_against_the_direction_of_the_opcode_is_refused_without_a_call() {
    let fabrics = AdminCommand { nsid: 0x05, ..command(0x7f, &[], 4) };
    for command in [
        command(0x06, &[1], 0),
        command(0x06, &[1], 4),
        command(0x11, &[], 4),
        command(0x11, &[1], 4),
        command(0xc0, &[1], 0),
        fabrics,
    ] {
        let refusal = send(&Scripted::new([]), &command).unwrap_err();
        assert_eq!((refusal.cause, refusal.sent), (Cause::Here, Sent::No));
    }
    let refusal = send(&Scripted::new([]), &command(0x06, &[], (1 << 20) + 1)).unwrap_err();
    assert_eq!(refusal.cause, Cause::Here);
}

#[test]
fn the_driver_is_told_a_time_only_where_it_is_longer_than_its_own() {
    let seconds = |it| Some(Duration::from_secs(it));
    assert_eq!(timeout_ms(None, seconds(60)), 0);
    assert_eq!(timeout_ms(seconds(59), seconds(60)), 0);
    assert_eq!(timeout_ms(seconds(60), seconds(60)), 0);
    assert_eq!(timeout_ms(seconds(61), seconds(60)), 61_000);
    assert_eq!(timeout_ms(seconds(61), None), 0, "its own is not known");
    assert_eq!(timeout_ms(Some(Duration::from_micros(1_000_001)), seconds(1)), 1001);
    assert_eq!(timeout_ms(Some(Duration::MAX), seconds(60)), 0x7fff_ffff);
}

proptest! {
    #[test]
    fn the_driver_is_never_told_less_than_its_own_time(
        wanted in proptest::option::of(0u64..10_000_000), driver in proptest::option::of(0u64..10_000_000),
    ) {
        let driver = driver.map(Duration::from_millis);
        let told = timeout_ms(wanted.map(Duration::from_millis), driver);
        prop_assert!(told == 0 || driver.is_some_and(|it| Duration::from_millis(told.into()) > it));
    }
}

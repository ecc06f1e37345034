// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memdev ioctls: each row of the tables.

use fwgate_policy::Known;
use fwgate_wire::cxl::opcode::{self, Opcode};
use fwgate_wire::memdev::VARIABLE;
use rustix::io::Errno;

use crate::path::rule::memdev::{Asked, IdKnown, query, typed};
use crate::path::{Cause, Refusal, Sent};

const ID: IdKnown =
    IdKnown { enabled: Known::Yes, exclusive: Known::No, size_in: VARIABLE, size_out: VARIABLE };

fn asked(command: Opcode, payload: &[u8]) -> Asked<'_> {
    Asked { command, payload, room: 16, payload_max: Some(2048) }
}

fn says(refusal: &Refusal, words: &str) {
    assert!(refusal.rule.contains(words), "{words:?} is not in {:?}", refusal.rule);
    assert_eq!((refusal.sent, refusal.cause), (Sent::No, Cause::Rule), "{refusal:?}");
}

/// The one rule that explains the errno.
fn only(refusal: &Refusal, words: &str) {
    says(refusal, words);
    assert!(!refusal.rule.contains("; or "), "more than one: {:?}", refusal.rule);
}

/// Set Partition Info's ten bytes, of which the ninth holds the flags.
fn partition(flags: u8) -> Vec<u8> {
    let mut payload = vec![0; 10];
    payload[8] = flags;
    payload
}

fn vendor_debug() -> Vec<u8> {
    fwgate_wire::Uuid::parse_str("5e1819d9-11a9-400c-811f-d60719403d86")
        .unwrap()
        .as_bytes()
        .to_vec()
}

#[test]
fn row_by_row_a_send_by_id_says_which_check_it_was() {
    let lsa = asked(opcode::SET_LSA, &[0; 12]);
    let long = [0; 2049];
    only(&typed(Errno::INVAL, &asked(opcode::SET_LSA, &long), &ID), "2049 bytes of input");
    let no = IdKnown { enabled: Known::No, ..ID };
    only(&typed(Errno::NOTTY, &lsa, &no), "0x4103 is not in the device's Command Effects Log");
    let exclusive = IdKnown { exclusive: Known::Yes, ..ID };
    only(
        &typed(Errno::BUSY, &lsa, &exclusive),
        "the kernel's own while its nvdimm driver is bound",
    );
    let sized = IdKnown { size_in: 8, ..ID };
    only(&typed(Errno::NOMEM, &lsa, &sized), "takes 8 bytes, not 12");
    let roomy = IdKnown { size_out: 17, ..ID };
    only(&typed(Errno::NOMEM, &lsa, &roomy), "room for 17 bytes, not 16");
    only(&typed(Errno::NOMEM, &lsa, &ID), "no memory");
}

#[test]
fn the_size_of_the_input_is_checked_before_the_room() {
    let both = IdKnown { size_in: 8, size_out: 17, ..ID };
    only(&typed(Errno::NOMEM, &asked(opcode::GET_LSA, &[0; 12]), &both), "takes 8 bytes");
    let fits = IdKnown { size_in: 12, size_out: 16, ..ID };
    only(&typed(Errno::NOMEM, &asked(opcode::GET_LSA, &[0; 12]), &fits), "no memory");
}

#[test]
fn an_exclusive_id_is_refused_before_its_payload_is_looked_at() {
    let exclusive = IdKnown { exclusive: Known::Yes, ..ID };
    let payload = partition(1);
    let refusal = typed(Errno::BUSY, &asked(opcode::SET_PARTITION_INFO, &payload), &exclusive);
    only(&refusal, "the kernel's own");
}

#[test]
fn payloads_that_the_kernel_refuses_are_named() {
    let busy = |command, payload: &[u8]| typed(Errno::BUSY, &asked(command, payload), &ID);
    for payload in [partition(1), partition(0xff), vec![0; 8]] {
        only(&busy(opcode::SET_PARTITION_INFO, &payload), "take effect at once");
    }
    for payload in [vec![0; 16], vendor_debug()[..15].to_vec()] {
        only(&busy(opcode::CLEAR_LOG, &payload), "Vendor Debug log only");
    }
    // These pass; then it was the mailbox.
    for (command, payload) in [
        (opcode::SET_PARTITION_INFO, partition(0xfe)),
        (opcode::CLEAR_LOG, vendor_debug()),
        (opcode::CLEAR_LOG, Vec::new()),
        (opcode::SET_LSA, vec![1; 9]),
    ] {
        let refusal = busy(command, &payload);
        says(&refusal, "doorbell was set before the command");
        says(&refusal, "sanitizing");
        assert!(!refusal.rule.contains("at once") && !refusal.rule.contains("Debug"));
    }
}

#[test]
fn what_is_not_known_is_named_beside_the_rest() {
    let unknown = IdKnown { enabled: Known::CannotTell, exclusive: Known::CannotTell, ..ID };
    let lsa = Asked { payload_max: None, ..asked(opcode::SET_LSA, &[0; 12]) };
    says(&typed(Errno::NOTTY, &lsa, &unknown), "not in the device's Command Effects Log");
    says(&typed(Errno::BUSY, &lsa, &unknown), "nvdimm driver is bound");
    only(&typed(Errno::INVAL, &lsa, &unknown), "more than the mailbox holds");
}

#[test]
fn a_timeout_may_have_sent_and_a_busy_mailbox_has_not() {
    let lsa = asked(opcode::SET_LSA, &[0; 12]);
    let refusal = typed(Errno::TIMEDOUT, &lsa, &ID);
    assert_eq!((refusal.sent, refusal.cause), (Sent::MayHave, Cause::Transport));
    assert!(refusal.rule.contains("2 seconds") && refusal.rule.contains("background"));
    assert_eq!(typed(Errno::BUSY, &lsa, &ID).sent, Sent::No);
    let refusal = typed(Errno::FAULT, &lsa, &ID);
    assert_eq!((refusal.sent, refusal.cause), (Sent::MayHave, Cause::Transport));
    let refusal = typed(Errno::NXIO, &lsa, &ID);
    assert_eq!((refusal.sent, refusal.cause), (Sent::No, Cause::Gone));
    // None of the kernel's: no wait of this path ends by a signal.
    assert_eq!(typed(Errno::INTR, &lsa, &ID).sent, Sent::MayHave);
}

#[test]
fn nothing_of_a_query_reaches_the_device() {
    for errno in [Errno::NXIO, Errno::NOTTY, Errno::FAULT, Errno::IO, Errno::INTR] {
        assert_eq!(query(errno).sent, Sent::No);
    }
}

#[cfg(feature = "raw-commands")]
mod raw {
    use super::*;
    use crate::path::rule::memdev::{RawKnown, raw};

    const KNOWN: RawKnown =
        RawKnown { built: Known::Yes, locked_down: Known::No, allow_all: Known::No };
    const VENDOR: Opcode = Opcode(0xc001);

    #[test]
    fn row_by_row_raw_says_which_check_it_was() {
        let vendor = asked(VENDOR, &[0; 12]);
        let long = [0; 2049];
        only(&raw(Errno::INVAL, &asked(VENDOR, &long), &KNOWN), "bytes of input");
        let wide = Asked { room: 2049, ..vendor };
        only(&raw(Errno::INVAL, &wide, &KNOWN), "room for 2049 bytes");
        let not_built = RawKnown { built: Known::No, ..KNOWN };
        only(&raw(Errno::PERM, &vendor, &not_built), "CONFIG_CXL_MEM_RAW_COMMANDS");
        let locked = RawKnown { locked_down: Known::Yes, ..KNOWN };
        only(&raw(Errno::PERM, &vendor, &locked), "lockdown");
        let payload = partition(0);
        for (command, words) in [
            (opcode::SANITIZE, "secrets in the clear"),
            (Opcode(0x45ff), "secrets in the clear"),
            (Opcode(0x4600), "secrets in the clear"),
            (opcode::SET_LSA, "keeps from RAW"),
        ] {
            only(&raw(Errno::PERM, &asked(command, &payload), &KNOWN), words);
        }
    }

    #[test]
    fn twelve_commands_and_three_sets_are_kept_from_raw_unless_all_are_allowed() {
        let listed = [
            0x0202, 0x4101, 0x4103, 0x4204, 0x4304, 0x4305, 0x4300, 0x4301, 0x4302, 0x0500, 0x0501,
            0x0502,
        ];
        let all = RawKnown { allow_all: Known::Yes, ..KNOWN };
        for number in 0..=u16::MAX {
            let asked = asked(Opcode(number), &[]);
            let expected = listed.contains(&number) || matches!(number >> 8, 0x44..=0x46);
            let unexplained = |known| raw(Errno::PERM, &asked, known).rule.contains("no check");
            assert_eq!(unexplained(&KNOWN), !expected, "{number:#x}");
            assert!(unexplained(&all), "{number:#x}");
        }
    }

    #[test]
    fn lockdown_stands_before_the_lists_and_after_the_option() {
        let locked = RawKnown { locked_down: Known::Yes, ..KNOWN };
        only(&raw(Errno::PERM, &asked(opcode::SET_LSA, &[]), &locked), "lockdown");
        let neither = RawKnown { built: Known::No, ..locked };
        only(&raw(Errno::PERM, &asked(opcode::SET_LSA, &[]), &neither), "CONFIG_CXL");
        let unread = RawKnown { locked_down: Known::CannotTell, ..KNOWN };
        let refusal = raw(Errno::PERM, &asked(opcode::SET_LSA, &[]), &unread);
        says(&refusal, "lockdown forbids");
        says(&refusal, "keeps from RAW");
    }

    #[test]
    fn payloads_are_looked_at_here_too() {
        let refusal = raw(Errno::BUSY, &asked(opcode::CLEAR_LOG, &[0; 16]), &KNOWN);
        only(&refusal, "Vendor Debug log only");
    }

    #[test]
    fn a_sanitize_beside_an_earlier_one_may_have_started() {
        let all = RawKnown { allow_all: Known::Yes, ..KNOWN };
        let refusal = raw(Errno::BUSY, &asked(opcode::SANITIZE, &[]), &all);
        assert_eq!(refusal.sent, Sent::MayHave);
        assert_eq!(raw(Errno::BUSY, &asked(VENDOR, &[]), &all).sent, Sent::No);
    }
}

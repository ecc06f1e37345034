// SPDX-License-Identifier: MIT OR Apache-2.0
//! NVMe admin pass-through: each row of the table.

use fwgate_policy::Known;
use rustix::io::Errno;

use crate::path::rule::Own;
use crate::path::rule::nvme::{Asked, admin};
use crate::path::{Cause, Refusal, Sent};

const ROOT: Own = Own { sys_rawio: Known::Yes, sys_admin: Known::Yes };
const NOBODY: Own = Own { sys_rawio: Known::No, sys_admin: Known::No };

fn asked(opcode: u8, cdw10: u32) -> Asked {
    Asked { opcode, cdw10, data: 4096, fabrics: Known::No }
}

fn says(refusal: &Refusal, words: &str) {
    assert!(refusal.rule.contains(words), "{words:?} is not in {:?}", refusal.rule);
    assert!(!refusal.rule.contains("; or "), "more than one: {:?}", refusal.rule);
    assert_eq!((refusal.sent, refusal.cause), (Sent::No, Cause::Rule), "{refusal:?}");
}

#[test]
fn all_from_80h_on_and_fabrics_ask_for_the_capability() {
    for opcode in (0x80..=0xff).chain([0x7f]) {
        says(&admin(Errno::ACCESS, &asked(opcode, 0), NOBODY), "as all from 0x80 on");
        let refusal = admin(Errno::ACCESS, &asked(opcode, 0), ROOT);
        assert!(refusal.rule.contains("no check"), "{refusal:?}");
    }
}

#[test]
fn five_identify_structures_are_for_everybody_and_nothing_else_is() {
    for opcode in 0..0x7f {
        for cns in 0..=0xff {
            let refusal = admin(Errno::ACCESS, &asked(opcode, cns), NOBODY);
            if opcode == 6 && [0, 1, 5, 6, 8].contains(&cns) {
                assert!(refusal.rule.contains("no check"), "{refusal:?}");
            } else if opcode != 9 {
                says(&refusal, "but for five Identify structures");
            }
        }
    }
}

#[test]
fn features_that_the_driver_sets_itself_are_refused_to_everybody() {
    for feature in [0x07, 0x0c, 0x0d, 0x16, 0x0f] {
        for own in [ROOT, NOBODY] {
            // The number is the lowest byte; bit 31 saves it.
            let asked = asked(9, 0x8000_0000 | feature);
            says(&admin(Errno::ACCESS, &asked, own), "lets nobody else");
        }
    }
    let over_fabrics = Asked { fabrics: Known::Yes, ..asked(9, 0x0f) };
    assert!(admin(Errno::ACCESS, &over_fabrics, ROOT).rule.contains("no check"));
    says(&admin(Errno::ACCESS, &over_fabrics, NOBODY), "CAP_SYS_ADMIN");
    says(&admin(Errno::ACCESS, &asked(9, 0x02), NOBODY), "CAP_SYS_ADMIN");
    assert!(admin(Errno::ACCESS, &asked(9, 0x02), ROOT).rule.contains("no check"));
}

#[test]
fn a_length_that_the_controller_does_not_take_is_einval() {
    says(&admin(Errno::INVAL, &asked(6, 1), ROOT), "4096 bytes are more");
    let empty = Asked { data: 0, ..asked(6, 1) };
    let refusal = admin(Errno::INVAL, &empty, ROOT);
    assert_eq!(refusal.sent, Sent::MayHave, "nothing explains it");
}

#[test]
fn eintr_is_a_command_that_the_driver_cancelled_after_it_was_sent() {
    let refusal = admin(Errno::INTR, &asked(6, 1), ROOT);
    assert_eq!((refusal.sent, refusal.cause), (Sent::MayHave, Cause::Transport));
    assert!(refusal.rule.contains("cancelled the command after it was sent"));
}

#[test]
fn what_may_have_been_sent_and_what_has_not() {
    for (errno, sent, cause) in [
        (Errno::NOTTY, Sent::No, Cause::Rule),
        (Errno::NOMEM, Sent::No, Cause::Rule),
        (Errno::NODEV, Sent::No, Cause::Gone),
        (Errno::REMOTEIO, Sent::No, Cause::Transport),
        (Errno::FAULT, Sent::MayHave, Cause::Transport),
        (Errno::IO, Sent::MayHave, Cause::Transport),
        (Errno::TIMEDOUT, Sent::MayHave, Cause::Rule),
    ] {
        let refusal = admin(errno, &asked(6, 1), ROOT);
        assert_eq!((refusal.sent, refusal.cause), (sent, cause), "{errno}");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drivers of mlx5, bnxt and pds: each row of the tables.

use fwgate_policy::{Known, Scope};
use fwgate_wire::fwctl::device_type::{BNXT, MLX5, PDS};
use rustix::io::Errno;

use crate::path::rule::Own;
use crate::path::rule::family::{DriverScope, rpc};
use crate::path::rule::fwctl::RpcAsked;
use crate::path::{Cause, Refusal, Sent};

const OWN: Own = Own { sys_rawio: Known::Yes, sys_admin: Known::Yes };
const ENOUGH: DriverScope = DriverScope::Needs(Scope::Configuration);

fn rule(of: u32, errno: Errno, lengths: (usize, usize), needs: DriverScope) -> Refusal {
    let asked = RpcAsked { scope: Scope::DebugRead, in_len: lengths.0, out_len: lengths.1 };
    rpc(errno, of, &asked, needs, OWN)
}

fn says(refusal: &Refusal, words: &str, sent: Sent) {
    assert!(refusal.rule.contains(words), "{words:?} is not in {:?}", refusal.rule);
    assert_eq!(refusal.sent, sent, "{refusal:?}");
}

#[test]
fn too_short_has_the_errno_of_each_family() {
    for lengths in [(15, 16), (16, 15)] {
        says(&rule(MLX5, Errno::MSGSIZE, lengths, ENOUGH), "each header is 16", Sent::No);
    }
    for in_len in [15, 129] {
        says(&rule(BNXT, Errno::INVAL, (in_len, 8), ENOUGH), "takes 16 to 128", Sent::No);
    }
    says(&rule(BNXT, Errno::INVAL, (16, 7), ENOUGH), "less room than 8", Sent::No);
    says(&rule(PDS, Errno::INVAL, (47, 48), ENOUGH), "shorter than 48", Sent::No);
}

#[test]
fn an_unknown_command_has_the_errno_of_each_family() {
    let none = DriverScope::NotListed;
    for (of, errno, words) in [
        (MLX5, Errno::BADMSG, "does not have this command"),
        (BNXT, Errno::PERM, "does not have this command"),
        (PDS, Errno::INVAL, "no such operation"),
    ] {
        let refusal = rule(of, errno, (64, 64), none);
        says(&refusal, words, Sent::No);
        assert_eq!(refusal.cause, Cause::Rule);
    }
}

#[test]
fn a_scope_that_is_too_low_has_the_errno_of_each_family() {
    let needs = DriverScope::Needs(Scope::DebugWrite);
    for (of, errno) in [(MLX5, Errno::BADMSG), (BNXT, Errno::PERM), (PDS, Errno::PERM)] {
        says(&rule(of, errno, (64, 64), needs), "at scope debug-write, not debug-read", Sent::No);
    }
    // What the table passes was refused for another reason.
    let enough = DriverScope::Needs(Scope::DebugRead);
    says(&rule(MLX5, Errno::BADMSG, (64, 64), enough), "no check", Sent::MayHave);
    says(&rule(BNXT, Errno::PERM, (64, 64), enough), "stopped or resetting", Sent::No);
    says(&rule(PDS, Errno::PERM, (64, 64), enough), "firmware answered", Sent::MayHave);
}

#[test]
fn without_a_table_all_reasons_are_named() {
    let refusal = rule(BNXT, Errno::PERM, (64, 64), DriverScope::CannotTell);
    for words in ["does not have this command", "higher scope than debug-read", "stopped"] {
        says(&refusal, words, Sent::No);
    }
    let refusal = rule(PDS, Errno::INVAL, (48, 48), DriverScope::CannotTell);
    for words in ["firmware's maximum", "no such endpoint", "no such operation"] {
        says(&refusal, words, Sent::MayHave);
    }
}

#[test]
fn what_mlx5_refuses_before_the_doorbell_was_not_sent_and_what_comes_after_may_have_been() {
    let mlx5 = |errno| rule(MLX5, errno, (64, 64), ENOUGH);
    for errno in [Errno::NOMEM, Errno::AGAIN, Errno::ALREADY, Errno::BUSY, Errno::CANCELED] {
        assert_eq!(mlx5(errno).sent, Sent::No, "{errno}");
    }
    let after = [Errno::TIMEDOUT, Errno::BADR, Errno::FAULT, Errno::NOMSG, Errno::IO, Errno::INVAL];
    for errno in after {
        let refusal = mlx5(errno);
        assert_eq!((refusal.sent, refusal.cause), (Sent::MayHave, Cause::Transport), "{errno}");
    }
    assert_eq!((mlx5(Errno::NXIO).sent, mlx5(Errno::NXIO).cause), (Sent::MayHave, Cause::Gone));
}

#[test]
fn bnxt_gives_no_errno_after_the_send_but_for_a_transfer_that_cannot_be_copied() {
    let bnxt = |errno| rule(BNXT, errno, (64, 64), ENOUGH);
    assert_eq!(bnxt(Errno::NOMEM).sent, Sent::No);
    assert_eq!(bnxt(Errno::FAULT).sent, Sent::MayHave);
    says(&bnxt(Errno::INVAL), "transfer of nothing or of more than 64 KiB", Sent::No);
}

#[test]
fn what_pds_firmware_answers_comes_as_an_errno_and_counts_as_sent() {
    for errno in [
        Errno::INVAL,
        Errno::PERM,
        Errno::NOENT,
        Errno::AGAIN,
        Errno::NOMEM,
        Errno::FAULT,
        Errno::BUSY,
        Errno::EXIST,
        Errno::NODEV,
        Errno::CHILD,
        Errno::NOSPC,
        Errno::RANGE,
        Errno::NXIO,
        Errno::IO,
        Errno::TIMEDOUT,
    ] {
        assert_eq!(rule(PDS, errno, (64, 64), ENOUGH).sent, Sent::MayHave, "{errno}");
    }
}

#[test]
fn the_cores_checks_stand_before_each_drivers() {
    for of in [MLX5, BNXT, PDS, 9] {
        says(&rule(of, Errno::MSGSIZE, ((2 << 20) + 1, 64), ENOUGH), "each may be", Sent::No);
        let asked = RpcAsked { scope: Scope::DebugWriteFull, in_len: 64, out_len: 64 };
        let own = Own { sys_rawio: Known::No, ..OWN };
        let refusal = rpc(Errno::PERM, of, &asked, DriverScope::NotListed, own);
        says(&refusal, "CAP_SYS_RAWIO", Sent::No);
        assert!(!refusal.rule.contains("table"), "{}", refusal.rule);
    }
}

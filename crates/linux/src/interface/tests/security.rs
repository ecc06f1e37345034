// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sanitize, secure erase and the security state.

use fwgate_gate::{Background, Belief, KernelInterface as _};
use fwgate_policy::Known;

use super::{EBUSY, Rig, act, kernel, transport};
use crate::interface::{Names, Sanitize, SecureErase, SecurityState, security_state};

const FOLDER: &str = "sys/bus/cxl/devices/mem0/security";

fn rig(state: &str) -> Rig {
    let rig = Rig::new();
    for file in ["sanitize", "erase"] {
        rig.write(&format!("{FOLDER}/{file}"), "");
    }
    rig.write(&format!("{FOLDER}/state"), state);
    rig
}

#[test]
fn a_sanitize_is_one_write_and_its_end_says_no_code() {
    let rig = rig("disabled\n");
    let sanitize = Sanitize::at(rig.place());
    assert_eq!(sanitize.background(), None, "nothing was begun");
    let reply = act(&sanitize, 0x4400, &[]).unwrap();
    assert_eq!(rig.read(&format!("{FOLDER}/sanitize")), "1");
    // It has ended, or the device did it at once: the kernel does not say which.
    assert!(!reply.background);
    assert_eq!((reply.return_code, reply.belief), (0, Belief::Unverified));
    rig.write(&format!("{FOLDER}/state"), "sanitize\n");
    let running =
        |running| Some(Background { opcode: 0x4400, percent: None, running, return_code: None });
    assert_eq!(sanitize.background(), running(true));
    rig.write(&format!("{FOLDER}/state"), "disabled\n");
    assert_eq!(sanitize.background(), running(false));
    assert!(sanitize.abort().unwrap_err().contains("no way"));
}

#[test]
fn what_the_kernel_would_refuse_is_not_written() {
    let rig = rig("disabled\n");
    rig.commit(Known::Yes);
    let sanitize = Sanitize::at(rig.place());
    let (errno, rule) = kernel(act(&sanitize, 0x4400, &[]));
    assert_eq!(errno, EBUSY);
    assert!(rule.contains("decoder"), "{rule}");
    rig.commit(Known::CannotTell);
    rig.write(&format!("{FOLDER}/state"), "sanitize\n");
    let erase = SecureErase::at(rig.place());
    let (errno, rule) = kernel(act(&erase, 0x4401, &[]));
    assert_eq!(errno, EBUSY);
    assert!(rule.contains("a sanitize is under way"), "{rule}");
    assert_eq!(rig.read(&format!("{FOLDER}/sanitize")), "");
    assert_eq!(rig.read(&format!("{FOLDER}/erase")), "");
}

#[test]
fn each_does_its_own_command_and_takes_no_payload() {
    let rig = rig("disabled\n");
    let sanitize = Sanitize::at(rig.place());
    let erase = SecureErase::at(rig.place());
    for result in [act(&sanitize, 0x4401, &[]), act(&erase, 0x4400, &[])] {
        let (may_have_run, what) = transport(result);
        assert!(!may_have_run && what.contains("does not stand for"), "{what}");
    }
    assert!(transport(act(&erase, 0x4401, &[0])).1.contains("1 bytes of payload"));
    let reply = act(&erase, 0x4401, &[]).unwrap();
    assert_eq!((reply.belief, reply.background), (Belief::Told, false));
    assert_eq!(rig.read(&format!("{FOLDER}/erase")), "1");
}

#[test]
fn a_device_that_is_gone_has_not_run_it() {
    let rig = Rig::new();
    let (may_have_run, what) = transport(act(&Sanitize::at(rig.place()), 0x4400, &[]));
    assert!(!may_have_run && what.contains("is gone"), "{what}");
}

#[test]
fn the_state_is_one_of_the_kernels_five_words() {
    let names = Names::new("mem0").unwrap();
    for (word, state) in [
        ("disabled\n", SecurityState::Disabled),
        ("frozen\n", SecurityState::Frozen),
        ("locked\n", SecurityState::Locked),
        ("unlocked", SecurityState::Unlocked),
        ("sanitize\n", SecurityState::Sanitize),
    ] {
        let rig = rig(word);
        assert_eq!(security_state(&rig.roots(), &names), Ok(state));
    }
    for bytes in [&b""[..], b"melted\n", b"\xff\n", &[b'x'; 5000]] {
        let rig = Rig::new();
        rig.write(&format!("{FOLDER}/state"), bytes);
        assert!(security_state(&rig.roots(), &names).is_err(), "{bytes:?}");
    }
}

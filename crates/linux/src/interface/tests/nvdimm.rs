// SPDX-License-Identifier: MIT OR Apache-2.0
//! The nvdimm child: labels by a stand-in for its ioctls, security by its file.

use std::sync::{Arc, Mutex};

use fwgate_gate::{Belief, SubmitError};

use super::{EOPNOTSUPP, Rig, act, kernel, transport};
use crate::interface::{Keys, LabelArea, NvdimmLabels, NvdimmSecurity};

#[derive(Default)]
struct Area(Mutex<Vec<u8>>);

impl LabelArea for Area {
    fn read_labels(&self, offset: u32, length: u32) -> Result<Vec<u8>, SubmitError> {
        let (offset, length) = (offset as usize, length as usize);
        let bytes = self.0.lock().unwrap();
        Ok(bytes.iter().skip(offset).take(length).copied().collect())
    }

    fn write_labels(&self, offset: u32, data: &[u8]) -> Result<(), SubmitError> {
        let offset = offset as usize;
        self.0.lock().unwrap()[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

#[test]
fn labels_are_read_and_written_where_the_command_says() {
    let area = Arc::new(Area(Mutex::new((0..64).collect())));
    let labels = NvdimmLabels::at(Rig::new().place(), area.clone());
    let reply = act(&labels, 0x4102, &[4, 0, 0, 0, 3, 0, 0, 0]).unwrap();
    assert_eq!((reply.payload, reply.belief), (vec![4, 5, 6], Belief::Told));
    act(&labels, 0x4103, &[8, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0xbb]).unwrap();
    assert_eq!(area.0.lock().unwrap()[7..11], [7, 0xaa, 0xbb, 10]);
    let (_, what) = transport(act(&labels, 0x4102, &[60, 0, 0, 0, 9, 0, 0, 0]));
    assert!(what.contains("4 bytes came"), "{what}");
    let (_, what) = transport(act(&labels, 0x4102, &[0, 0, 0, 0, 0, 0, 0, 1]));
    assert!(what.contains("at most"), "{what}");
    assert!(kernel(act(&labels, 0x4103, &[8, 0, 0, 0, 1, 0, 0, 0])).1.contains("reserved"));
    assert!(transport(act(&labels, 0x4101, &[])).1.contains("does not stand for"));
}

const FOLDER: &str = "sys/bus/nd/devices/nmem0";

fn rig(security: &str, frozen: &str) -> Rig {
    let rig = Rig::new();
    rig.write(&format!("{FOLDER}/security"), security);
    rig.write(&format!("{FOLDER}/frozen"), frozen);
    rig
}

#[test]
fn what_the_kernel_remembers_of_the_state_is_not_the_devices_word() {
    for (security, frozen, state) in [
        ("disabled\n", "0\n", 0u32),
        ("unlocked\n", "0\n", 1),
        ("locked\n", "0\n", 5),
        ("unlocked\n", "1\n", 9),
    ] {
        let rig = rig(security, frozen);
        let reply = act(&NvdimmSecurity::at(rig.place(), Keys::default()), 0x4500, &[]).unwrap();
        assert_eq!(reply.payload, state.to_le_bytes());
        assert_eq!(reply.belief, Belief::Unverified);
    }
    let rig = rig("overwrite\n", "0\n");
    assert!(!transport(act(&NvdimmSecurity::at(rig.place(), Keys::default()), 0x4500, &[])).0);
}

#[test]
fn keys_go_by_their_ids_and_passphrases_do_not_go_at_all() {
    let keys = Keys { current: 12, new: Some(34) };
    let written = |opcode, payload: &[u8]| {
        let rig = rig("", "0\n");
        act(&NvdimmSecurity::at(rig.place(), keys), opcode, payload).unwrap();
        rig.read(&format!("{FOLDER}/security"))
    };
    let payload = |kind: u8, length: usize| {
        let mut payload = vec![0; length];
        payload[0] = kind;
        payload
    };
    assert_eq!(written(0x4504, &[]), "freeze");
    assert_eq!(written(0x4501, &payload(1, 96)), "update 12 34");
    assert_eq!(written(0x4501, &payload(0, 96)), "master_update 12 34");
    assert_eq!(written(0x4502, &payload(1, 64)), "disable 12");
    assert_eq!(written(0x4502, &payload(0, 64)), "disable_master 12");
    assert_eq!(written(0x4505, &payload(1, 64)), "erase 12");
    assert_eq!(written(0x4505, &payload(0, 64)), "master_erase 12");

    let rig = rig("", "0\n");
    let security = NvdimmSecurity::at(rig.place(), Keys { current: 12, new: None });
    let mut secret = payload(1, 64);
    secret[63] = 1;
    for (opcode, payload, words) in [
        (0x4502, secret, "id of a key"),
        (0x4501, payload(1, 96), "none was given"),
        (0x4502, payload(2, 64), "type 2"),
        (0x4503, vec![0; 32], "when its driver binds"),
    ] {
        let (errno, rule) = kernel(act(&security, opcode, &payload));
        assert_eq!(errno, EOPNOTSUPP);
        assert!(rule.contains(words), "{rule}");
    }
    assert!(transport(act(&security, 0x4502, &[1; 63])).1.contains("expected 64"));
    assert!(transport(act(&security, 0x4504, &[1])).1.contains("has none"));
    assert!(transport(act(&security, 0x4400, &[])).1.contains("does not stand for"));
    assert_eq!(rig.read(&format!("{FOLDER}/security")), "");
}

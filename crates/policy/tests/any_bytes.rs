// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as payloads and facts: the judge answers, and answers alike each time.

mod common;

use common::{NO_ROWS, almighty, quiet_device};
use fwgate_policy::facts::{FeatureFacts, Inner, ReportedRow};
use fwgate_policy::lint::lint;
use fwgate_policy::tables::{Carried, DeviceMatch, FloorRow, JudgedBy, SelectorField, VendorRow};
use fwgate_policy::{
    Command, Disclosure, Effects, Facts, Judgement, Protocol, Question, Reported, Route, Tables,
    Verdict, classify_row, judge,
};
use fwgate_wire::cxl::tunnel::TunnelTarget;
use proptest::prelude::*;

/// Selectors and carried commands in places that no payload need have.
fn far_out(opcode: u16, at: u16, len: u8) -> (Vec<FloorRow>, Vec<VendorRow<'static>>) {
    let selector = Some(SelectorField { offset: at, len });
    let device = DeviceMatch { vendor: None, device: None, firmware: None };
    let row = |opcode| FloorRow { opcode, selector, ..common::READ };
    let mut floors = vec![row(0x0502), row(0x5300)];
    floors[1].judged_by = Some(JudgedBy::CarriedCommand);
    if !matches!(opcode, 0x0502 | 0x5300) && at.is_multiple_of(2) {
        floors.push(row(opcode));
        floors.sort_by_key(|row| row.opcode);
    }
    let vendor = VendorRow {
        device,
        opcode,
        name: "any",
        effects: Effects::empty(),
        discloses: Disclosure::None,
        selector,
        operations: &[],
        carries: Some(Carried { opcode_at: at, payload_at: at.wrapping_add(u16::from(len)) }),
        source: "test",
    };
    (floors, vec![vendor])
}

fn summary(judgement: &Judgement<'_>) -> (Verdict, Vec<(u8, &'static str)>, u32) {
    let reasons = judgement.reasons.iter().map(|it| (it.depth, it.code.name())).collect();
    (judgement.verdict, reasons, judgement.reasons.lost())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_judged_without_a_panic_and_alike_each_time(
        opcode in prop_oneof![Just(0x5300u16), Just(0x0502), Just(0x4101), Just(0x0403), Just(0x0201), any::<u16>()],
        payload in prop::collection::vec(any::<u8>(), 0..300),
        dwords in any::<[u32; 6]>(),
        rows in prop::collection::vec((any::<u16>(), any::<u32>()), 0..40),
        uuids in prop::collection::vec((any::<[u8; 16]>(), any::<u32>(), any::<u16>()), 0..5),
        firmware in prop::collection::vec(any::<u8>(), 0..20),
        (at, len) in (0u16..40, 0u8..20),
        builtin in any::<bool>(),
    ) {
        let mut reported: Vec<_> =
            rows.iter().map(|(opcode, word)| ReportedRow { opcode: *opcode, word: *word }).collect();
        reported.push(ReportedRow { opcode, word: dwords[0] });
        let unsorted = reported.clone();
        reported.sort();
        reported.dedup_by_key(|row| row.opcode);
        let mut features: Vec<_> = uuids
            .iter()
            .map(|(uuid, flags, effects)| FeatureFacts {
                uuid: *uuid,
                flags: *flags,
                effects: *effects,
                get_size: 0,
                set_size: 0,
            })
            .collect();
        features.sort_by_key(|entry| entry.uuid);
        let bare = Facts {
            firmware: &firmware,
            reported: Reported::new(&reported).unwrap(),
            features: Some(&features),
            ..quiet_device()
        };
        let port = payload.first().copied().unwrap_or(0);
        let inner = [Inner { target: TunnelTarget::PortOrLd(port), facts: &bare }];
        let facts = Facts { inner: &inner, ..bare };
        let (floors, vendor) = far_out(opcode, at, len);
        let own = Tables { cxl: &floors, vendor: &vendor, ..NO_ROWS };
        let tables = if builtin { Tables::BUILTIN } else { own };
        let [low, _] = opcode.to_le_bytes();
        let standing = almighty();
        for command in [
            Command::Cxl { opcode, payload: &payload },
            Command::NvmeAdmin { opcode: low, nsid: dwords[0], cdw: dwords, data: &payload },
            Command::Mlx5 { opcode, op_mod: u16::from(low & 3), payload: &payload },
            Command::Bnxt { req_type: opcode, target_id: 0xFFFF, payload: &payload },
            Command::Bnxt { req_type: opcode, target_id: u16::from(low), payload: &payload },
            Command::Pds { endpoint: dwords[0], operation: dwords[1], payload: &payload },
        ] {
            for route in [Route::Firmware, Route::Kernel("edac-scrub"), Route::Kernel("")] {
                let question =
                    Question { command, route, facts: &facts, tables: &tables, standing: &standing };
                let first = judge(&question);
                prop_assert_eq!(summary(&first), summary(&judge(&question)));
                prop_assert_eq!(first.granted.is_some(), matches!(first.verdict, Verdict::Allow(_)));
            }
        }
        for protocol in [
            Protocol::Cxl,
            Protocol::NvmeAdmin,
            Protocol::NvmeIo,
            Protocol::Mlx5,
            Protocol::Bnxt,
            Protocol::Pds,
        ] {
            let _ = classify_row(protocol, opcode, dwords[1], &facts, &tables);
            lint(protocol, &unsorted, &facts, &tables, |_| ());
        }
    }
}

#[test]
fn a_log_that_is_not_sorted_or_has_duplicates_is_no_log() {
    let row = |opcode| ReportedRow { opcode, word: 0 };
    assert!(Reported::new(&[row(2), row(1)]).is_none());
    assert!(Reported::new(&[row(1), row(1)]).is_none());
    assert!(Reported::new(&[row(1), row(2)]).is_some());
}

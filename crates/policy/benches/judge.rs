// SPDX-License-Identifier: MIT OR Apache-2.0
//! The judge on an opaque opcode and on a few others, without site policy, and how often it
//! allocates.
//!
//! Budget: at most 200 ns for an opaque opcode, no allocation.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use fwgate_policy::facts::{Facts, FeatureFacts, Reported, ReportedRow, Surroundings};
use fwgate_policy::tables::Classes;
use fwgate_policy::{
    Capabilities, Command, Grants, Lockdown, Path, PathKind, Question, Route, Site, Standing,
    Tables, Verdict, judge,
};

/// A log of the size that real devices have: 31 standard rows and eight vendor ones.
fn log() -> Vec<ReportedRow> {
    let standard = [
        0x0005, 0x0100, 0x0101, 0x0102, 0x0103, 0x0200, 0x0201, 0x0202, 0x0300, 0x0301, 0x0400,
        0x0401, 0x0500, 0x0501, 0x0502, 0x0600, 0x4000, 0x4100, 0x4102, 0x4103, 0x4201, 0x4202,
        0x4300, 0x4301, 0x4302, 0x4303, 0x4304, 0x4305, 0x4400, 0x4402, 0x4500,
    ];
    let vendor = 0xC000..0xC008;
    standard
        .into_iter()
        .chain(vendor)
        .map(|opcode| ReportedRow { opcode, word: u32::from(opcode == 0xC003) * 4 })
        .collect()
}

fn standing() -> Standing {
    Standing {
        asked: None,
        capabilities: Capabilities { sys_admin: true, sys_rawio: true },
        site: Site::Permit,
        grants: Grants::EVERYTHING,
        lockdown: Lockdown::None,
        path: Path { kind: PathKind::Fwctl, follows_background: true, admits_caller: true },
        over_budget: false,
    }
}

fn judging(c: &mut Criterion) {
    let log = log();
    let features =
        [FeatureFacts { uuid: [0xFF; 16], flags: 0x61, effects: 0x0201, get_size: 4, set_size: 4 }];
    let facts = Facts {
        class: Classes::CXL_MEMORY,
        vendor: 0x8086,
        device: 1,
        firmware: b"1.0",
        reported: Reported::new(&log).expect("sorted"),
        credible: true,
        features: Some(&features),
        logs: None,
        surroundings: Surroundings::DRIVEN_BY_NOBODY,
        operations: None,
        inner: &[],
    };
    let standing = standing();
    let mut set_feature = vec![0xFF; 16];
    set_feature.resize(36, 0);
    let cases: [(&str, u16, &[u8]); 4] = [
        ("opaque", 0xC000, &[]),
        ("opaque-erase", 0xC003, &[]),
        ("identify", 0x4000, &[]),
        ("set-feature", 0x0502, &set_feature),
    ];
    let mut group = c.benchmark_group("judge");
    for (name, opcode, payload) in cases {
        let question = Question {
            command: Command::Cxl { opcode, payload },
            route: Route::Firmware,
            facts: &facts,
            tables: &Tables::BUILTIN,
            standing: &standing,
        };
        let verdict = judge(&question).verdict;
        assert!(matches!(verdict, Verdict::Allow(_)), "{name}: {verdict:?}");
        let counted = allocation_counter::measure(|| {
            black_box(judge(black_box(&question)));
        });
        println!("judge/{name}: {} allocations", counted.count_total);
        assert_eq!(counted.count_total, 0, "the judge allocates");
        group.bench_function(name, |b| b.iter(|| judge(black_box(&question))));
    }
    group.finish();
}

criterion_group!(benches, judging);
criterion_main!(benches);

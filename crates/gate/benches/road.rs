// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gate adds to a read, in process: judge, record, send, record the outcome.
//!
//! Budgets: a cached verdict in at most 40 ns; the whole road of a read in at most 4 µs with the
//! judge cached and the record written. The device answers at once, so that what is measured is
//! the gate.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::sync::Arc;

use common::{Scripted, gate, gate_over, request};
use criterion::{Criterion, criterion_group, criterion_main};
use fwgate_gate::Explanation;
use fwgate_gate::journal::{Journal, Options};

const LOG: [(u16, u16); 5] = [(0x0400, 0), (0x0401, 0), (0x4000, 0), (0xC000, 0), (0xC003, 4)];

fn road(c: &mut Criterion) {
    let mut group = c.benchmark_group("gate");
    let memory = gate();
    let opened = memory.open(Arc::new(Scripted::new(&LOG))).expect("opens");
    // One caller, as one connection has it.
    let again = request(0xC000, None);
    group.bench_function("verdict-cached", |b| {
        b.iter(|| {
            let allowed = |why: &Explanation, _: &_| why.granted_scope.is_some();
            memory.explain(&opened, black_box(&again), allowed).expect("explains")
        });
    });
    group.bench_function("verdict-cold", |b| {
        let mut byte = 0u32;
        b.iter_batched(
            || {
                byte = byte.wrapping_add(1);
                let mut request = request(0xC000, None);
                let payload = byte.to_le_bytes().to_vec();
                request.message = fwgate_gate::Message::Cxl { opcode: 0xC000, payload };
                request
            },
            |request| memory.decide(&opened, request).expect("decides"),
            criterion::BatchSize::SmallInput,
        );
    });
    let folder = tempfile::tempdir().expect("a folder");
    let disk = gate_over(Journal::open(folder.path(), Options::default()).expect("a journal"));
    let opened = disk.open(Arc::new(Scripted::new(&LOG))).expect("opens");
    group.bench_function("read-on-record", |b| {
        b.iter_batched(
            || request(0x4000, None),
            |request| disk.send(&opened, request, &mut |_| {}).expect("sends"),
            criterion::BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, road);
criterion_main!(benches);

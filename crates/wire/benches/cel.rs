// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long decoding a Command Effects Log takes: the log of a real device model, and the largest taken.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fwgate_wire::cxl::cel::CommandEffectsLog;
use std::hint::black_box;

fn decode(bytes: &[u8]) -> u16 {
    CommandEffectsLog::parse(bytes)
        .map(|log| log.iter().fold(0, |sum, (opcode, effects)| sum ^ opcode.0 ^ effects.0))
        .unwrap_or_default()
}

fn cel(criterion: &mut Criterion) {
    let small = include_bytes!("../../../tests-data/captures/cel-qemu-type3.bin");
    let large = vec![0x5a; CommandEffectsLog::MAX_BYTES];
    let mut group = criterion.benchmark_group("cel");
    for (name, bytes) in [("31 rows", &small[..]), ("262144 rows", &large)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| decode(black_box(bytes))));
    }
    group.finish();
}

criterion_group!(benches, cel);
criterion_main!(benches);

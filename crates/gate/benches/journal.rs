// SPDX-License-Identifier: MIT OR Apache-2.0
//! The journal: appending, and durable records from 1, 8 and 64 callers, with syncs per record.
//!
//! Budget: at least 1 000 durable records a second from 64 callers.

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use fwgate_gate::journal::{Durability, Journal, Kind, Options};

/// A record body of the usual size.
fn body() -> Vec<u8> {
    format!(r#"{{"filler":"{}"}}"#, "x".repeat(585)).into_bytes()
}

fn open(folder: &Path) -> Journal {
    Journal::open(folder, Options::default()).expect("a journal")
}

fn appending(c: &mut Criterion) {
    let body = body();
    let mut group = c.benchmark_group("journal");
    let memory = Journal::in_memory();
    group.bench_function("append-memory", |b| {
        b.iter(|| memory.append(Kind::Decision, &body, Durability::Grouped).expect("appends"));
    });
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(folder.path());
    group.bench_function("append", |b| {
        b.iter(|| disk.append(Kind::Decision, &body, Durability::Grouped).expect("appends"));
    });
    for callers in [1u32, 8, 64] {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = open(folder.path());
        let mut records = 0u64;
        let mut spent = Duration::ZERO;
        group.sample_size(10).bench_function(format!("synced-{callers}-callers"), |b| {
            b.iter_custom(|rounds| {
                let started = Instant::now();
                std::thread::scope(|scope| {
                    for _ in 0..callers {
                        scope.spawn(|| {
                            for _ in 0..rounds {
                                journal
                                    .append(Kind::Decision, &body, Durability::Synced)
                                    .expect("appends");
                            }
                        });
                    }
                });
                records += rounds * u64::from(callers);
                spent += started.elapsed();
                // Time per record: criterion divides by `rounds`.
                started.elapsed() / callers
            });
        });
        #[expect(clippy::cast_precision_loss, reason = "printed with two digits")]
        let (per_record, rate) =
            (journal.syncs() as f64 / records as f64, records as f64 / spent.as_secs_f64());
        println!(
            "journal/synced-{callers}-callers: {per_record:.2} syncs per record, {rate:.0} records/s"
        );
    }
    group.finish();
}

criterion_group!(benches, appending);
criterion_main!(benches);

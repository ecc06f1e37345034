// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fuzz targets: each takes any bytes and panics where a promise is broken.
//!
//! A target is a plain function, so that its seeds are replayed by `cargo test` without libFuzzer.
//! What a target promises stands at the target.
//!
//! ```
//! // Any bytes are taken; a promise that is broken would panic.
//! fwgate_fuzz_targets::target("wire", "cel").unwrap()(&[0x01, 0x43, 0x00]);
//! ```
//!
//! *Invariants*: no target reaches a network or a device; only `emulator/state`,
//! `emulator/nvme_state` and those of `linux` write, into a temporary folder.
//!
//! *Not here*: libFuzzer's entry (`fuzz/fuzz_targets`), seeds (`fuzz/seeds`), the runs
//! (`cargo xtask fuzz`).

use std::sync::OnceLock;

mod emulator;
mod gate;
mod linux;
mod policy;
mod tape;
mod wire;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every crate with its targets by name.
pub const CRATES: &[(&str, &[(&str, Target)])] = &[
    ("wire", wire::TARGETS),
    ("policy", policy::TARGETS),
    ("gate", gate::TARGETS),
    ("emulator", emulator::TARGETS),
    ("linux", linux::TARGETS),
];

/// The target of that crate and name, if there is one.
#[must_use]
pub fn target(of: &str, name: &str) -> Option<Target> {
    let (_, targets) = CRATES.iter().find(|(it, _)| *it == of)?;
    targets.iter().find(|(it, _)| *it == name).map(|(_, run)| *run)
}

/// Runs the target that `FWGATE_FUZZ_TARGET` names, or the one that the first byte picks.
///
/// # Panics
///
/// Where a promise is broken, and where there is no such target.
pub fn run(of: &str, data: &[u8]) {
    static CHOSEN: OnceLock<Option<Target>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("FWGATE_FUZZ_TARGET").ok()?;
        Some(target(of, &name).unwrap_or_else(|| panic!("no target `{of}/{name}`")))
    });
    if let Some(run) = chosen {
        return run(data);
    }
    let (_, targets) = CRATES.iter().find(|(it, _)| *it == of).expect("a crate with targets");
    if let Some((first, rest)) = data.split_first() {
        targets[usize::from(*first) % targets.len()].1(rest);
    }
}

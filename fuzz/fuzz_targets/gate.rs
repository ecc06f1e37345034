// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fuzzes `fwgate-gate`. `FWGATE_FUZZ_TARGET` names the target; without it the first byte picks one.
//!
//! *Not here*: the targets (`fuzz/targets/src/gate.rs`).

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fwgate_fuzz_targets::run("gate", data));

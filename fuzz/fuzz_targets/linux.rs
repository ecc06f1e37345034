// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fuzzes `fwgate-linux`. `FWGATE_FUZZ_TARGET` names the target; without it the first byte picks one.
//!
//! *Not here*: the targets (`fuzz/targets/src/linux.rs`).

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fwgate_fuzz_targets::run("linux", data));

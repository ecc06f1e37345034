// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes and the judge in a staticlib with its own panic handler and no allocator.
//!
//! That it links is the proof: with std somewhere below, the panic handler is there twice; with
//! `alloc`, the global allocator is missing. Nothing here is ever run.
//!
//! *Invariants*: no std, no alloc, no `unsafe`.
//!
//! *Not here*: what the crates do (their own tests).

#![no_std]

use core::panic::PanicInfo;

use fwgate_policy::lint::is_credible;
use fwgate_policy::{
    Class, Command, Facts, Judgement, Protocol, Question, Tables, classify, judge,
};
use fwgate_wire::FormatError;
use fwgate_wire::cxl::cci::CciMessage;
use fwgate_wire::cxl::cel::CommandEffectsLog;
use fwgate_wire::cxl::features::SupportedFeatures;
use fwgate_wire::cxl::identify::IdentifyMemoryDeviceResponse;
use fwgate_wire::cxl::logs::SupportedLogs;
use fwgate_wire::cxl::tunnel::TunnelRequest;
use fwgate_wire::fwctl::cxl::CxlRpcRequest;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

type Judge = for<'q, 'a> fn(&Question<'q, 'a>) -> Judgement<'a>;
type Classify = for<'c, 'a> fn(&Command<'c>, &Facts<'a>, &Tables<'a>) -> Class<'a>;
type Parse = for<'a> fn(&'a [u8]) -> Result<usize, FormatError>;

/// The judge. Kept in the library although nobody calls it.
#[used]
pub static JUDGE: Judge = judge;

/// What a command is.
#[used]
pub static CLASSIFY: Classify = classify;

/// Whether an effects log is to be believed, by the compiled-in tables.
#[used]
pub static CREDIBLE: fn(&[fwgate_policy::ReportedRow], &Facts<'static>) -> bool =
    |rows, facts| is_credible(Protocol::Cxl, rows, facts, &Tables::BUILTIN);

/// Parsers, each over any bytes.
#[used]
pub static PARSERS: [Parse; 7] = [
    |bytes| CommandEffectsLog::parse(bytes).map(|log| log.iter().len()),
    |bytes| CciMessage::parse(bytes).map(|message| message.payload().len()),
    |bytes| TunnelRequest::parse(bytes).map(|request| request.inner().payload().len()),
    |bytes| SupportedFeatures::parse(bytes).map(|_| 0),
    |bytes| SupportedLogs::parse(bytes).map(|_| 0),
    |bytes| IdentifyMemoryDeviceResponse::parse(bytes).map(|_| 0),
    |bytes| CxlRpcRequest::parse(bytes).map(|_| 0),
];

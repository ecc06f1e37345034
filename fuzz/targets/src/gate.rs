// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate's readers of hostile bytes: journal, probes, facts, ioctls; and the parts of a transfer.

mod abi;
mod hostile;

use std::sync::{Arc, Mutex};

use fwgate_gate::facts::{DeviceFacts, Readings};
use fwgate_gate::journal::{Journal, Reader};
use fwgate_gate::site::DangerousPermitAll;
use fwgate_gate::transfer::{TransferError, parts};
use fwgate_gate::{Caller, Device, Firmware, Gate, Message, NoKernel, Request};
use fwgate_policy::facts::ReportedRow;
use fwgate_policy::{FeatureFacts, Tables};

use crate::Target;
use crate::tape::Tape;
use hostile::Hostile;

/// By name.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("abi_fwctl", abi::fwctl),
    ("abi_memdev", abi::memdev),
    ("facts", facts),
    ("journal", journal),
    ("journal_edit", journal_edit),
    ("probe", probe),
    ("transfer", transfer),
];

/// A journal of the first format, as it was frozen.
const GOLDEN: &[u8] = include_bytes!("../../../crates/gate/tests/golden/journal-v1.fwj");

/// What a reader gives, up to the end or the first error.
fn records(segment: &[u8]) -> (Vec<(u64, Vec<u8>)>, bool) {
    let mut reader = Reader::over(segment);
    let mut records = Vec::new();
    for record in reader.by_ref() {
        match record {
            Ok(record) => {
                assert_eq!(record.segment, 1);
                assert!(record.offset < u64::try_from(segment.len()).unwrap_or(u64::MAX));
                records.push((record.sequence, record.body));
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(reader.next().is_none(), "goes on after an error");
                return (records, false);
            }
        }
    }
    (records, true)
}

/// Any bytes as a segment: an end or an error with its place; sequence numbers only rise.
fn journal(data: &[u8]) {
    let (records, _) = records(data);
    assert!(records.is_sorted_by(|a, b| a.0 < b.0));
    let held: usize = records.iter().map(|(_, body)| body.len()).sum();
    assert!(held <= data.len(), "more came out than went in");
}

/// A frozen journal with edits: what is still given out is the untouched beginning of it, and an
/// edit of anything is found.
fn journal_edit(data: &[u8]) {
    let (whole, clean) = records(GOLDEN);
    assert!(clean && !whole.is_empty());
    let mut tape = Tape::new(data);
    let mut segment = GOLDEN.to_vec();
    let at = |tape: &mut Tape<'_>, len: usize| usize::from(tape.u16()) % len.max(1);
    while !tape.is_empty() {
        let length = segment.len();
        match tape.below(5) {
            0 => {
                let at = at(&mut tape, length);
                if let Some(byte) = segment.get_mut(at) {
                    *byte ^= tape.u8();
                }
            }
            1 => segment.truncate(at(&mut tape, length)),
            2 => segment.extend_from_slice(tape.piece()),
            3 => {
                let (from, to) = (at(&mut tape, length), at(&mut tape, length));
                segment.drain(from.min(to)..to.max(from));
            }
            _ => {
                // A piece of the journal itself, moved or doubled.
                let (from, len, to) =
                    (at(&mut tape, length), usize::from(tape.u8()), at(&mut tape, length));
                let piece: Vec<u8> = segment.iter().skip(from).take(len).copied().collect();
                segment.splice(to..to, piece);
            }
        }
    }
    let (left, clean) = records(&segment);
    assert!(left.len() <= whole.len(), "a record was made up");
    assert_eq!(left, whole[..left.len()], "a record was changed and not found");
    if clean && segment.len() >= GOLDEN.len() {
        assert_eq!(segment, GOLDEN, "an edit was not found");
    }
}

/// The parts of a request hold all of its data once, in order, and each fits.
fn transfer(data: &[u8]) {
    let mut tape = Tape::new(data);
    let opcode = if tape.yes() { tape.of(&[0x0201, 0x0502, 0x4103]) } else { tape.u16() };
    let mailbox = usize::from(tape.u16());
    let repeat = 1 + tape.below(8);
    let whole = tape.rest().repeat(repeat);
    match parts(opcode, &whole, mailbox) {
        Ok(all) => {
            assert!(all.iter().all(|part| part.len() <= mailbox.max(whole.len().min(mailbox))));
            if whole.len() <= mailbox {
                assert_eq!(all.len(), 1);
                assert_eq!(*all[0], *whole);
                return;
            }
            let header = match opcode {
                0x0201 => 128,
                0x0502 => 32,
                _ => 8,
            };
            let together: Vec<u8> = all.iter().flat_map(|part| &part[header..]).copied().collect();
            assert_eq!(together, whole[header..]);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let TransferError::TooLong { length, mailbox: room } = error {
                assert_eq!((length, room), (whole.len(), mailbox));
                assert!(!matches!(opcode, 0x0201 | 0x0502 | 0x4103));
            }
        }
    }
}

/// Any readings make facts; no report is lost in putting them in order.
fn facts(data: &[u8]) {
    let mut tape = Tape::new(data);
    let row = |tape: &mut Tape<'_>| ReportedRow { opcode: tape.u16(), word: tape.u32() };
    let readings = Readings {
        firmware: tape.piece().to_vec(),
        serial: tape.maybe(|tape| u64::from(tape.u32())),
        log: tape.list(40, row),
        io_log: tape.list(4, row),
        operations: None,
        features: tape.maybe(|tape| {
            tape.list(8, |tape| FeatureFacts {
                uuid: [tape.u8() & 7; 16],
                flags: tape.u32(),
                effects: tape.u16(),
                get_size: tape.u16(),
                set_size: tape.u16(),
            })
        }),
        logs: tape.maybe(|tape| tape.list(4, Tape::bytes)),
    };
    let device = Hostile::new(&[]);
    let (log, features) = (readings.log.clone(), readings.features.clone());
    let make = |readings| {
        let identity = device.identity().clone();
        let (generation, around) = (device.observe(), device.around());
        DeviceFacts::new(identity, generation, around, readings, &Tables::BUILTIN)
    };
    let facts = make(readings.clone());
    assert_eq!(facts.log(), log);
    assert_eq!(facts.digest(), make(readings).digest());
    facts.with_policy(|policy| {
        assert_eq!(policy.credible, facts.credible());
        for row in &log {
            let word = policy.reported.word(row.opcode).expect("a row was lost");
            assert_eq!(word & row.word, row.word, "an effect was lost");
        }
        for entry in features.iter().flatten() {
            let kept = policy.feature(&entry.uuid).expect("a feature was lost");
            assert_eq!(kept.effects & entry.effects, entry.effects, "an effect was lost");
            assert!(entry.changeable() || !kept.changeable(), "a fixed feature became changeable");
        }
    });
}

/// A device that answers probes with any bytes: facts or an error, and a bounded number of probes.
/// Where there are facts, a command is judged on them and, if it is sent, was recorded first.
fn probe(data: &[u8]) {
    let mut tape = Tape::new(data);
    let opcode = tape.u16();
    let payload = tape.piece().to_vec();
    let device = Arc::new(Hostile::new(tape.rest()));
    let host = Arc::new(NoKernel);
    let gate = Gate::new(Arc::new(Journal::in_memory()), Arc::new(DangerousPermitAll), host);
    let opened = gate.open(Arc::clone(&device) as Arc<dyn Device>);
    assert!(device.submitted() <= 8_192, "{} probes", device.submitted());
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let before = device.submitted();
    let request = Request {
        route: Firmware,
        message: Message::Cxl { opcode, payload },
        scope: None,
        caller: caller(),
        deadline: core::time::Duration::from_millis(1),
    };
    match gate.send(&opened, request, &mut |_| {}) {
        Ok(sent) => {
            assert!(sent.record > 0 && gate.journal().head().sequence > sent.record - 1);
            let reached = device.submitted() - before;
            assert_eq!(reached > 0, sent.outcome.is_some(), "sent {reached}, {sent:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Who asks; found out once.
pub(crate) fn caller() -> Arc<Caller> {
    static CALLER: Mutex<Option<Arc<Caller>>> = Mutex::new(None);
    let mut caller = CALLER.lock().expect("not poisoned");
    Arc::clone(caller.get_or_insert_with(|| Arc::new(Caller::this_process())))
}

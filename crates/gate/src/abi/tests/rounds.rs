// SPDX-License-Identifier: MIT OR Apache-2.0
//! A front end that copies in rounds: each round anew, with that round's bytes alone.

use super::super::{fwctl, memdev};
use super::*;

const SERVE: Mode = Mode::Serve { most: 128 << 10 };

/// The ranges of one round.
struct Round<'m> {
    of: &'m Pieces,
    read: Vec<Range>,
}

impl CallerMemory for Round<'_> {
    fn read(&self, at: u64, length: usize) -> Copied<'_> {
        let inside = |range: &Range| {
            at >= range.at && at + length as u64 <= range.at + u64::from(range.length)
        };
        if self.read.iter().any(inside) { self.of.read(at, length) } else { Copied::NotYet }
    }
}

/// Rounds until it is done; how many there were, and the last one's ranges.
fn rounds<A>(
    memory: &Pieces,
    mut call: impl FnMut(&Round<'_>) -> Step<A>,
) -> (usize, Need, Step<A>) {
    let mut need = Need::default();
    for round in 1..10 {
        let step = call(&Round { of: memory, read: need.read.clone() });
        match step {
            Step::Need(more) => {
                assert_ne!(more, need, "asks for the same again");
                need = more;
            }
            step => return (round, need, step),
        }
    }
    panic!("no end of it");
}

fn rpc(size: u32, request: &[u8], tail: &[u8]) -> Pieces {
    let words = [size, 2, length32(request.len()), 64];
    let mut arg: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    arg.extend(0x8000u64.to_ne_bytes());
    arg.extend(0x9000u64.to_ne_bytes());
    arg.extend_from_slice(tail);
    Pieces(vec![(0x1000, arg, true), (0x8000, request.to_vec(), false)])
}

fn range(at: u64, length: u32) -> Range {
    Range { at, length }
}

#[test]
fn an_rpc_takes_three_rounds_and_the_last_says_what_it_must_have_carried() {
    let request = super::fwctl::get([0xff; 16], 4);
    let mut kernel = super::fwctl::kernel();
    let memory = rpc(32, &request, &[]);
    let (count, need, step) =
        rounds(&memory, |round| fwctl::call(SERVE, 0x9a01, 0x1000, round, &mut kernel));
    let Step::Ask(ask) = step else { panic!("{step:?}") };
    assert_eq!(count, 3);
    assert_eq!(need.read, [range(0x1000, 32), range(0x8000, 37)]);
    assert_eq!(ask.need().read, need.read);
    assert_eq!(ask.need().write, [range(0x1000, 32), range(0x9000, 64)]);
}

#[test]
fn a_longer_structure_takes_one_round_more_and_is_carried_whole() {
    let request = super::fwctl::get([0xff; 16], 4);
    let mut kernel = super::fwctl::kernel();
    let memory = rpc(40, &request, &[0; 8]);
    let (count, need, step) =
        rounds(&memory, |round| fwctl::call(SERVE, 0x9a01, 0x1000, round, &mut kernel));
    let Step::Ask(ask) = step else { panic!("{step:?}") };
    assert_eq!((count, need.read.as_slice()), (4, &[range(0x1000, 40), range(0x8000, 37)][..]));
    assert_eq!(ask.need().read, need.read);
}

#[test]
fn a_structure_of_gigabytes_is_not_asked_for() {
    for mode in [Mode::Parity, SERVE] {
        let mut kernel = super::fwctl::kernel();
        let memory = rpc(u32::MAX, &[], &[0; 8]);
        let (_, need, step) =
            rounds(&memory, |round| fwctl::call(mode, 0x9a01, 0x1000, round, &mut kernel));
        assert_eq!(errno_of(step), Some(Errno::TOOBIG));
        assert!(need.read.iter().all(|range| range.length <= MOST_STRUCT));
    }
}

#[test]
fn bytes_that_change_between_rounds_are_judged_as_the_last_round_has_them() {
    let mut kernel = super::fwctl::kernel();
    let before = rpc(32, &super::fwctl::get([0xff; 16], 4), &[]);
    let after = rpc(32, &super::fwctl::request(0x0400, &[]), &[]);
    let read = vec![range(0x1000, 32), range(0x8000, 37)];
    let step = fwctl::call(
        Mode::Parity,
        0x9a01,
        0x1000,
        &Round { of: &before, read: read.clone() },
        &mut kernel,
    );
    assert_eq!(errno_of(step), None);
    // The input is shorter now; what the round carried beyond it is not looked at.
    let step = fwctl::call(
        Mode::Parity,
        0x9a01,
        0x1000,
        &Round { of: &after, read: read.clone() },
        &mut kernel,
    );
    assert_eq!(errno_of(step), Some(Errno::INVAL));
    // And where it is longer than what the round carried, there is another round.
    let longer = rpc(32, &[0; 64], &[]);
    let step = fwctl::call(Mode::Parity, 0x9a01, 0x1000, &Round { of: &longer, read }, &mut kernel);
    assert!(matches!(step, Step::Need(need) if need.read[1] == range(0x8000, 64)));
}

#[test]
fn a_send_takes_two_rounds_and_one_more_with_input() {
    for (in_size, count) in [(0u32, 2), (8, 3)] {
        let mut send = [0u8; 48];
        send[0] = if in_size == 0 { 1 } else { 6 };
        send[16..20].copy_from_slice(&in_size.to_ne_bytes());
        send[24..32].copy_from_slice(&0x8000u64.to_ne_bytes());
        send[32..36].copy_from_slice(&0x60u32.to_ne_bytes());
        let memory = Pieces(vec![(0x1000, send.to_vec(), true), (0x8000, vec![0; 8], false)]);
        let mut kernel = super::memdev::kernel();
        let (rounds, need, step) =
            rounds(&memory, |round| memdev::call(SERVE, 0xc030_ce02, 0x1000, round, &mut kernel));
        let Step::Ask(ask) = step else { panic!("{step:?}") };
        assert_eq!((rounds, &ask.need().read), (count, &need.read));
        assert_eq!(ask.need().write, [range(0x1000, 48), range(0, 0x60)]);
    }
}

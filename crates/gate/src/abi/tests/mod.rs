// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each row of the reference's tables as a named case, on a small memory with holes.

mod fwctl;
mod memdev;
mod rounds;

use super::*;

/// Memory of a few pieces: start, bytes, whether it can be written.
pub(super) struct Pieces(pub(super) Vec<(u64, Vec<u8>, bool)>);

impl Pieces {
    fn at(&self, at: u64) -> Option<usize> {
        let holds = |(start, bytes, _): &(u64, Vec<u8>, bool)| {
            at.checked_sub(*start).is_some_and(|into| into < bytes.len() as u64)
        };
        self.0.iter().position(holds)
    }

    pub(super) fn bytes(&self, at: u64, length: usize) -> &[u8] {
        let (start, bytes, _) = &self.0[self.at(at).expect("an address that is there")];
        let into = usize::try_from(at - start).unwrap();
        &bytes[into..into + length]
    }
}

impl CallerMemory for Pieces {
    fn read(&self, at: u64, length: usize) -> Copied<'_> {
        assert!(length != 0, "nothing was asked for");
        let Some(found) = self.at(at) else { return Copied::Fault(&[]) };
        let (start, bytes, _) = &self.0[found];
        let rest = &bytes[usize::try_from(at - start).unwrap()..];
        match rest.get(..length) {
            Some(all) => Copied::All(all),
            None => Copied::Fault(rest),
        }
    }
}

impl WritableMemory for Pieces {
    fn write(&mut self, at: u64, from: &[u8]) -> usize {
        let Some(found) = self.at(at) else { return 0 };
        let (start, bytes, writable) = &mut self.0[found];
        if !*writable {
            return 0;
        }
        let rest = &mut bytes[usize::try_from(at - *start).unwrap()..];
        let length = rest.len().min(from.len());
        rest[..length].copy_from_slice(&from[..length]);
        length
    }

    fn clear(&mut self, at: u64, length: u32) -> u32 {
        let room = self.at(at).map_or(0, |it| self.0[it].1.len());
        let zeros = vec![0; room.min(length as usize)];
        u32::try_from(self.write(at, &zeros)).unwrap()
    }

    fn write_word(&mut self, at: u64, word: [u8; 4]) -> bool {
        match self.read(at, 4) {
            Copied::All(_) => self.write(at, &word) == 4,
            _ => false,
        }
    }
}

/// The errno of a step, where it is one.
pub(super) fn errno_of<A: core::fmt::Debug>(step: Step<A>) -> Option<Errno> {
    match step {
        Step::Errno(errno) => Some(errno),
        Step::Ask(_) | Step::Reply(_) => None,
        Step::Need(need) => panic!("all memory is there, and it needs {need:?}"),
    }
}

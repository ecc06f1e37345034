// SPDX-License-Identifier: MIT OR Apache-2.0
//! Choices made from a tape of bytes: any bytes make some, and where they end every choice is the
//! first.

/// The bytes that are left.
#[derive(Clone, Debug)]
pub(crate) struct Tape<'b>(&'b [u8]);

impl<'b> Tape<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let have = self.take(N);
        out[..have.len()].copy_from_slice(have);
        out
    }

    /// At most so many bytes.
    pub(crate) fn take(&mut self, most: usize) -> &'b [u8] {
        let (head, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// A piece whose length comes first, as one byte.
    pub(crate) fn piece(&mut self) -> &'b [u8] {
        let length = usize::from(self.u8());
        self.take(length)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'b [u8] {
        self.take(usize::MAX)
    }

    pub(crate) fn u8(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    pub(crate) fn yes(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.u8()) % n
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub(crate) fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.yes().then(|| make(self))
    }

    /// Up to `most` of them.
    pub(crate) fn list<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }
}

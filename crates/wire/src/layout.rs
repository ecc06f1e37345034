// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a fixed structure is checked and borrowed.
//!
//! Input is not trusted; the helpers look at lengths only.
//!
//! *Invariants*: nothing is copied; a failed borrow names the structure and both lengths.
//!
//! *Not here*: what the fields mean (one module per structure).
//!
//! *Spec*: none; this is how the crate uses zerocopy.

use crate::error::{FormatError, FormatErrorKind};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Borrows `bytes` as exactly one `T`.
pub(crate) fn exact<'a, T>(bytes: &'a [u8], what: &'static str) -> Result<&'a T, FormatError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let (value, rest) = prefix::<T>(bytes, what)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        let kind = FormatErrorKind::TooLong { limit: size_of::<T>(), have: bytes.len() };
        Err(FormatError::new(what, "bytes", 0, kind))
    }
}

/// Borrows the start of `bytes` as one `T`; the rest comes back untouched.
pub(crate) fn prefix<'a, T>(
    bytes: &'a [u8],
    what: &'static str,
) -> Result<(&'a T, &'a [u8]), FormatError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    T::ref_from_prefix(bytes).map_err(|_| {
        let kind = FormatErrorKind::TooShort { need: size_of::<T>(), have: bytes.len() };
        FormatError::new(what, "bytes", 0, kind)
    })
}

/// Borrows all of `bytes` as whole rows of `T`; `offset` is where they start in `what`.
pub(crate) fn rows<'a, T>(
    bytes: &'a [u8],
    what: &'static str,
    field: &'static str,
    offset: usize,
) -> Result<&'a [T], FormatError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    <[T]>::ref_from_bytes(bytes).map_err(|_| {
        let kind = FormatErrorKind::NotMultiple { of: size_of::<T>(), have: bytes.len() };
        FormatError::new(what, field, offset, kind)
    })
}

/// Borrows `bytes`, which start at `offset` of `what`, as rows of `T`, and holds them against the count
/// that the header states in the field `count` (name and offset).
pub(crate) fn counted_rows<'a, T>(
    bytes: &'a [u8],
    stated: usize,
    what: &'static str,
    count: (&'static str, usize),
    offset: usize,
) -> Result<&'a [T], FormatError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let found = rows::<T>(bytes, what, "rows", offset)?;
    if found.len() == stated {
        Ok(found)
    } else {
        let kind = FormatErrorKind::CountMismatch { stated, found: found.len() };
        Err(FormatError::new(what, count.0, count.1, kind))
    }
}

/// Copies `parts` one after the other into `out`; returns the bytes written. Nothing is written when they
/// do not all fit.
pub(crate) fn encode_into(
    out: &mut [u8],
    parts: &[&[u8]],
    what: &'static str,
) -> Result<usize, FormatError> {
    let have = out.len();
    let need = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
    let short = FormatError::new(what, "output", 0, FormatErrorKind::TooShort { need, have });
    let mut left = out.get_mut(..need).ok_or(short)?;
    for part in parts {
        let (head, tail) = left.split_at_mut_checked(part.len()).ok_or(short)?;
        head.copy_from_slice(part);
        left = tail;
    }
    Ok(need)
}

/// The firmware revision or another fixed text: up to the first zero byte, or the whole if it has none.
pub(crate) fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// States the size and offsets of a fixed structure, checked when the crate is built, and gives it
/// `SIZE`, `WHAT` and `parse`.
macro_rules! fixed {
    ($name:ident, $what:literal, $size:literal, { $($field:ident @ $offset:literal),+ $(,)? }) => {
        const _: () = {
            assert!(size_of::<$name>() == $size);
            assert!(align_of::<$name>() == 1);
            $(assert!(core::mem::offset_of!($name, $field) == $offset);)+
        };

        impl $name {
            /// Bytes of the structure on the wire.
            pub const SIZE: usize = $size;
            /// Its name in errors.
            pub const WHAT: &'static str = $what;

            /// Borrows `bytes`, which must be exactly one of these.
            ///
            /// # Errors
            /// [`FormatError`](crate::FormatError) when the length is not [`Self::SIZE`].
            pub fn parse(bytes: &[u8]) -> Result<&Self, crate::FormatError> {
                crate::layout::exact(bytes, $what)
            }
        }
    };
}

/// Named accessors for the bits of a newtype over an unsigned integer.
macro_rules! bit_accessors {
    ($name:ident, $($(#[$doc:meta])* $accessor:ident = $bit:literal),+ $(,)?) => {
        impl $name {
            $(
                $(#[$doc])*
                #[must_use]
                pub const fn $accessor(self) -> bool {
                    self.0 & (1 << $bit) != 0
                }
            )+
        }
    };
}

/// A request that is a fixed header and then any data: borrowing, accessors, encoding.
macro_rules! header_and_data {
    ($(#[$doc:meta])* $name:ident, $header:ty, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            header: &'a $header,
            data: &'a [u8],
        }

        impl<'a> $name<'a> {
            /// Its name in errors.
            pub const WHAT: &'static str = $what;

            /// Borrows a request: the header and any data, none included.
            ///
            /// # Errors
            /// Shorter than the header.
            pub fn parse(bytes: &'a [u8]) -> Result<Self, crate::FormatError> {
                let (header, data) = crate::layout::prefix(bytes, Self::WHAT)?;
                Ok(Self { header, data })
            }

            /// The header.
            #[must_use]
            pub const fn header(&self) -> &'a $header {
                self.header
            }

            /// The bytes after the header.
            #[must_use]
            pub const fn data(&self) -> &'a [u8] {
                self.data
            }

            /// Writes the request into `out`; returns its length.
            ///
            /// # Errors
            /// `out` is too short.
            pub fn encode(&self, out: &mut [u8]) -> Result<usize, crate::FormatError> {
                use zerocopy::IntoBytes as _;
                crate::layout::encode_into(out, &[self.header.as_bytes(), self.data], Self::WHAT)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_does_not_fit_is_refused_and_nothing_is_written() {
        let mut out = [0xaa; 3];
        let error = encode_into(&mut out, &[&[1, 2], &[3, 4]], "pair").unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::TooShort { need: 4, have: 3 });
        assert_eq!(out, [0xaa; 3]);
        let mut out = [0xaa; 5];
        assert_eq!(encode_into(&mut out, &[&[1, 2], &[3, 4]], "pair"), Ok(4));
        assert_eq!(out, [1, 2, 3, 4, 0xaa]);
    }

    #[test]
    fn text_ends_at_the_first_zero_or_at_the_end() {
        assert_eq!(until_zero(b"ab\0c"), b"ab");
        assert_eq!(until_zero(b"\0ab"), b"");
        assert_eq!(until_zero(b"abc"), b"abc");
        assert_eq!(until_zero(b""), b"");
    }
}

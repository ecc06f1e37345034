// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's command line: whether a taint makes the kernel panic.
//!
//! The text is whoever boots the machine. It is read as the kernel reads it, since the question is
//! what the kernel made of it.
//!
//! *Spec*: `lib/cmdline.c:next_arg`, `kernel/params.c:parse_args` (`--` ends it, `-` and `_` in a
//! name are the same), `kernel/panic.c:panic_on_taint_setup`, `lib/kstrtox.c:kstrtoull @ v7.3`.

/// What the kernel does about a taint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PanicOnTaint {
    /// Bits that make it panic as they are set. Bits that this kernel does not have are left in.
    pub mask: u64,
    /// Whether user space may not set any of them.
    pub no_user_taint: bool,
}

impl PanicOnTaint {
    /// What the kernel made of this command line.
    #[must_use]
    pub fn parse(cmdline: &[u8]) -> Self {
        let mut state = Self::default();
        for (name, value) in Arguments(trim_start(cmdline)) {
            let Some(value) = value else {
                if name == b"--" {
                    break;
                }
                continue;
            };
            let same = name.len() == NAME.len()
                && name.iter().zip(NAME).all(|(a, b)| a == b || (*a == b'-' && *b == b'_'));
            if same {
                state.take(value);
            }
        }
        state
    }

    fn take(&mut self, value: &[u8]) {
        let mut parts = value.splitn(2, |byte| *byte == b',');
        let Some(mask) = parts.next().and_then(hexadecimal) else { return };
        self.mask = mask;
        // A mask of nothing is an error to the kernel, after it was set.
        if mask != 0 && parts.next() == Some(b"nousertaint") {
            self.no_user_taint = true;
        }
    }

    /// Whether setting a bit makes the kernel panic.
    #[must_use]
    pub const fn covers(&self, bit: u32) -> bool {
        self.mask & (1 << bit) != 0
    }
}

const NAME: &[u8] = b"panic_on_taint";

/// A number of base 16 as `kstrtoul` takes it: perhaps `+`, perhaps `0x`, no spaces, perhaps one
/// line end behind it.
fn hexadecimal(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    let text = text.strip_prefix('+').unwrap_or(text);
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Whether the kernel takes a byte for a space. `lib/ctype.c @ v7.3`: 9 to 13, 32, and A0h.
const fn is_space(byte: u8) -> bool {
    matches!(byte, 9..=13 | 32 | 0xa0)
}

fn trim_start(text: &[u8]) -> &[u8] {
    let at = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    text.get(at..).unwrap_or_default()
}

/// Names and values, one after the other.
struct Arguments<'a>(&'a [u8]);

impl<'a> Iterator for Arguments<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let quoted = self.0.first() == Some(&b'"');
        let text = if quoted { self.0.get(1..)? } else { self.0 };
        let (mut in_quote, mut equals) = (quoted, None);
        let mut end = text.len();
        for (at, byte) in text.iter().enumerate() {
            if is_space(*byte) && !in_quote {
                end = at;
                break;
            }
            match byte {
                // The kernel's own test takes an `=` at the very beginning for none.
                b'=' if equals.is_none() && at > 0 => equals = Some(at),
                b'"' => in_quote = !in_quote,
                _ => {}
            }
        }
        self.0 = trim_start(text.get(end..).unwrap_or_default());
        let whole = text.get(..end).unwrap_or_default();
        let unquoted = |text: &'a [u8]| text.strip_suffix(b"\"").unwrap_or(text);
        Some(match equals {
            None => (if quoted { unquoted(whole) } else { whole }, None),
            Some(at) => {
                let value = whole.get(at.saturating_add(1)..).unwrap_or_default();
                let value = match value.strip_prefix(b"\"") {
                    Some(value) => unquoted(value),
                    None if quoted => unquoted(value),
                    None => value,
                };
                (whole.get(..at).unwrap_or_default(), Some(value))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> (u64, bool) {
        let state = PanicOnTaint::parse(text.as_bytes());
        (state.mask, state.no_user_taint)
    }

    #[test]
    fn the_mask_is_hexadecimal_with_or_without_its_sign() {
        assert_eq!(parsed("quiet panic_on_taint=80000 ro\n"), (0x8_0000, false));
        assert_eq!(parsed("panic_on_taint=0x80040,nousertaint"), (0x8_0040, true));
        assert_eq!(parsed("panic-on-taint=+0X80000"), (0x8_0000, false));
        assert_eq!(parsed("\"panic_on_taint=80000\""), (0x8_0000, false));
        assert_eq!(parsed("panic_on_taint=\"80000\""), (0x8_0000, false));
        let state = PanicOnTaint::parse(b"panic_on_taint=80000");
        assert!(state.covers(19) && !state.covers(6));
    }

    #[test]
    fn what_the_kernel_does_not_take_sets_nothing() {
        for text in [
            "",
            "panic_on_taint",
            "panic_on_taint=",
            "panic_on_taint=xyz",
            "panic_on_taint=-1",
            "panic_on_taint=10000000000000000",
            "panic_on_taint= 80000",
            "-- panic_on_taint=80000",
            "PANIC_ON_TAINT=80000",
            "xpanic_on_taint=80000",
            "a=\"panic_on_taint=80000\"",
            "\"a panic_on_taint=80000\"",
        ] {
            assert_eq!(parsed(text), (0, false), "{text}");
        }
    }

    #[test]
    fn the_last_one_that_the_kernel_takes_counts() {
        assert_eq!(parsed("panic_on_taint=1,nousertaint panic_on_taint=80000"), (0x8_0000, true));
        assert_eq!(parsed("panic_on_taint=80000 panic_on_taint=bad!"), (0x8_0000, false));
        assert_eq!(parsed("panic_on_taint=80000 panic_on_taint=0,nousertaint"), (0, false));
        assert_eq!(parsed("panic_on_taint=80000,other"), (0x8_0000, false));
    }

    proptest! {
        #[test]
        fn any_command_line_is_read_to_its_end(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = PanicOnTaint::parse(&bytes);
        }
    }
}

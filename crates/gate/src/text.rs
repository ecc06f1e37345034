// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text that came from a device or a client, made fit to print and to store.

/// The bytes as text: what is not printable ASCII is written as `\xNN`, and at most `limit`
/// characters are kept.
#[must_use]
pub fn clean(bytes: &[u8], limit: usize) -> String {
    let mut text = String::new();
    for byte in bytes {
        let more = byte.escape_ascii().to_string();
        if text.len().saturating_add(more.len()) > limit {
            break;
        }
        text.push_str(&more);
    }
    text
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(clean(b"FW \x1b[31m1.0\n", 64), "FW \\x1b[31m1.0\\n");
        assert_eq!(clean(&[b'a'; 100], 8), "aaaaaaaa");
    }

    #[test]
    fn hex_is_two_digits_a_byte() {
        assert_eq!(hex(&[0, 0xAB]), "00ab");
    }
}

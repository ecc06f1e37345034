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

/// A sentence with what was put into it, made fit to print and to store: what is not printable
/// ASCII is written as `\u{..}`, and at most `limit` characters are kept; `...` says that there
/// were more.
#[must_use]
pub fn line(sentence: &str, limit: usize) -> String {
    let mut text = String::new();
    for character in sentence.chars() {
        let before = text.len();
        match character {
            ' '..='~' => text.push(character),
            _ => text.extend(character.escape_unicode()),
        }
        if text.len() > limit {
            text.truncate(before.min(limit.saturating_sub(3)));
            text.push_str("...");
            break;
        }
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
    fn a_sentence_keeps_its_words_and_loses_what_steers_a_terminal() {
        let sentence = "the device's `log` said \"\u{1b}[2J\u{9b}m\u{202e}\" \\ 100%";
        let cleaned = "the device's `log` said \"\\u{1b}[2J\\u{9b}m\\u{202e}\" \\ 100%";
        assert_eq!(line(sentence, 200), cleaned);
        assert_eq!(line("abcdefgh", 8), "abcdefgh");
        assert_eq!(line("abcdefghi", 8), "abcde...");
        assert!((0..40).all(|limit| line(&"\u{1b}".repeat(20), limit).len() <= limit.max(3)));
    }

    #[test]
    fn hex_is_two_digits_a_byte() {
        assert_eq!(hex(&[0, 0xAB]), "00ab");
    }
}

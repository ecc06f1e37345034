// SPDX-License-Identifier: MIT OR Apache-2.0
//! A hex dump for people: offset, sixteen bytes, the same as ASCII.

/// The dump of the first bytes, and a line that says how much was left off.
pub(crate) fn dump(bytes: &[u8], most: usize) -> String {
    let mut text = String::new();
    let shown = bytes.get(..most).unwrap_or(bytes);
    for (number, row) in shown.chunks(16).enumerate() {
        let mut digits = String::new();
        for (at, byte) in row.iter().enumerate() {
            digits.push_str(if at == 8 { "  " } else { " " });
            digits.push_str(&format!("{byte:02x}"));
        }
        let letters: String = row
            .iter()
            .map(|byte| if (0x20..0x7F).contains(byte) { char::from(*byte) } else { '.' })
            .collect();
        text.push_str(&format!("  {:04x} {digits:<49}  |{letters}|\n", number.saturating_mul(16)));
    }
    let left = bytes.len().saturating_sub(shown.len());
    if left > 0 {
        text.push_str(&format!("  and {left} bytes more: -v, --output FILE, or -o raw\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_shows_offset_digits_and_letters() {
        let text = dump(b"FWGT\x01\x00 12345678AB", 256);
        assert_eq!(
            text,
            "  0000  46 57 47 54 01 00 20 31  32 33 34 35 36 37 38 41  |FWGT.. 12345678A|\n  \
             0010  42                                                |B|\n"
        );
    }

    #[test]
    fn a_long_reply_is_cut_and_says_so() {
        let text = dump(&[0; 1030], 1024);
        assert_eq!(text.lines().count(), 65);
        assert!(text.ends_with("and 6 bytes more: -v, --output FILE, or -o raw\n"), "{text}");
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_printed() {
        let text = dump(&(0..=255).collect::<Vec<u8>>(), 256);
        assert!(text.bytes().all(|byte| byte == b'\n' || (32..127).contains(&byte)));
    }
}

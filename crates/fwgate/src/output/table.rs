// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables without lines, as `nvme list` and `cxl list` users read them.

use comfy_table::{ContentArrangement, Table, presets};

use crate::output::style::{HEAD, paint};

/// A table of these columns and rows, laid out for that width. The last column wraps first.
pub(crate) fn table(width: usize, columns: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX))
        .set_header(columns.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for (number, line) in table.lines().enumerate() {
        let line = line.trim_end();
        if number == 0 {
            text.push_str(&paint(HEAD, line));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// Names in a list, or a dash.
pub(crate) fn list(names: &[impl AsRef<str>]) -> String {
    if names.is_empty() {
        return "-".to_owned();
    }
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// Two columns without a heading: a name, and what it is.
pub(crate) fn pairs(indent: usize, rows: &[(String, String)]) -> String {
    let wide = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows {
        let line = format!("{:indent$}{name:<wide$}  {value}", "");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_and_lines_end_without_blanks() {
        let rows = vec![vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), String::new()]];
        let text = anstream::adapter::strip_str(&table(80, &["ONE", "TWO"], rows)).to_string();
        assert_eq!(text, "ONE   TWO\na     b\nlong\n");
    }

    #[test]
    fn a_wide_cell_wraps_within_the_width() {
        let rows = vec![vec!["x".to_owned(), "word ".repeat(40)]];
        let text = anstream::adapter::strip_str(&table(60, &["A", "B"], rows)).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn an_empty_list_is_a_dash() {
        assert_eq!(list::<&str>(&[]), "-");
        assert_eq!(list(&["a", "b"]), "a, b");
    }
}

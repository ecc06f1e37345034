// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables without lines, as `nvme list` and `cxl list` users read them.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use crate::output::style::{HEAD, paint};

/// The most rows of a log that are laid out for people; more are for machines.
const SHOWN: usize = 2000;

/// As many rows as people are shown, and how many were left off.
pub(crate) fn shown<T>(rows: &[T]) -> (&[T], usize) {
    let shown = rows.get(..SHOWN).unwrap_or(rows);
    (shown, rows.len().saturating_sub(shown.len()))
}

/// A line that says how many rows were left off; nothing where all are shown.
pub(crate) fn left_off(count: usize) -> String {
    if count == 0 { String::new() } else { format!("and {count} more: -o json\n") }
}

/// A table of these columns and rows, laid out for that width.
pub(crate) fn table(width: usize, columns: &[&str], rows: Vec<Vec<String>>) -> String {
    table_with(width, columns, rows, 2, &[])
}

/// The same with blanks between the columns, and columns that are kept that wide where they need
/// it, so that no word in them is broken.
pub(crate) fn table_with(
    width: usize,
    columns: &[&str],
    rows: Vec<Vec<String>>,
    gap: u16,
    kept: &[&str],
) -> String {
    let widest: Vec<usize> = (0..columns.len())
        .map(|at| {
            let words = rows.iter().filter_map(|row| row.get(at)).flat_map(|cell| cell.split(' '));
            words.chain(columns.get(at).copied()).map(|word| word.chars().count()).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX))
        .set_header(columns.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    let last = columns.len().saturating_sub(1);
    for (at, column) in table.column_iter_mut().enumerate() {
        let gap = if at == last { 0 } else { gap };
        column.set_padding((0, gap));
        if columns.get(at).is_some_and(|name| kept.contains(name)) {
            let word = widest.get(at).copied().unwrap_or_default();
            let wide = u16::try_from(word).unwrap_or(u16::MAX).saturating_add(gap);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(wide)));
        }
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
pub(crate) fn pairs(width: usize, indent: usize, rows: &[(String, String)]) -> String {
    let wide = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows {
        // The value alone is broken into lines: blanks inside a name stay as they are.
        let hang = indent.saturating_add(wide).saturating_add(2);
        let value =
            wrap(value, width.saturating_sub(hang), 0).replace('\n', &format!("\n{:hang$}", ""));
        let line = format!("{:indent$}{name:<wide$}  {value}", "");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Text in lines of at most that width, broken at blanks; lines after the first are indented.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let leading = text.len().saturating_sub(text.trim_start().len());
    line.push_str(text.get(..leading).unwrap_or_default());
    let mut empty = true;
    for word in text.split_whitespace() {
        let long = line.chars().count().saturating_add(word.chars().count()) >= width;
        if long && !empty {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_and_lines_end_without_blanks() {
        let rows =
            vec![vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), String::new()]];
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
    fn long_text_is_broken_at_blanks_and_indented() {
        assert_eq!(wrap("  one two three", 10, 4), "  one two\n    three");
        assert_eq!(wrap("averyveryverylongword", 5, 2), "averyveryverylongword");
        assert_eq!(wrap("", 5, 2), "");
    }

    #[test]
    fn an_empty_list_is_a_dash() {
        assert_eq!(list(&[] as &[&str]), "-");
        assert_eq!(list(&["a", "b"]), "a, b");
    }
}

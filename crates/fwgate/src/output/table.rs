// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables without lines, as `nvme list` and `cxl list` users read them.
//!
//! *Invariants*: no word is broken. Where a table is too wide, its words are broken at hyphens first;
//! where that is not enough, each row becomes a block of its own.

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
pub(crate) fn table(width: usize, columns: &[&str], rows: &[Vec<String>]) -> String {
    for (gap, hyphens) in [(2, Hyphens::Keep), (1, Hyphens::Keep), (1, Hyphens::Break)] {
        if let Some(widths) = widths(width, columns, rows, gap, hyphens) {
            return lines(&widths, columns, rows, gap, hyphens);
        }
    }
    blocks(width, columns, rows)
}

/// Whether a word may be broken after a hyphen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hyphens {
    Keep,
    Break,
}

/// A text in pieces that are not broken: each with what separates it from the one before.
fn pieces(text: &str, hyphens: Hyphens) -> impl Iterator<Item = (&'static str, &str)> {
    text.split(' ').filter(|word| !word.is_empty()).flat_map(move |word| {
        let parts: Vec<&str> = match hyphens {
            Hyphens::Keep => vec![word],
            Hyphens::Break => word.split_inclusive('-').collect(),
        };
        parts.into_iter().enumerate().map(|(at, part)| (if at == 0 { " " } else { "" }, part))
    })
}

/// How wide each column is; `None` where the longest pieces do not fit side by side.
fn widths(
    width: usize,
    columns: &[&str],
    rows: &[Vec<String>],
    gap: usize,
    hyphens: Hyphens,
) -> Option<Vec<usize>> {
    let cells = |at: usize| {
        let below = rows.iter().filter_map(move |row| row.get(at)).map(String::as_str);
        columns.get(at).copied().into_iter().chain(below)
    };
    let long = |text: &str| text.chars().count();
    let piece =
        |text: &str| pieces(text, hyphens).map(|(_, it)| long(it)).max().unwrap_or_default();
    let mut made: Vec<usize> =
        (0..columns.len()).map(|at| cells(at).map(piece).max().unwrap_or_default()).collect();
    let gaps = gap.saturating_mul(columns.len().saturating_sub(1));
    let taken = made.iter().sum::<usize>().saturating_add(gaps);
    let mut left = width.checked_sub(taken)?;
    let mut lengths: Vec<Vec<usize>> =
        (0..columns.len()).map(|at| cells(at).map(long).collect()).collect();
    lengths.iter_mut().for_each(|lengths| lengths.sort_unstable());
    // First what puts the most cells on one line for the fewest blanks ...
    while let Some((at, cost)) = best(&made, &lengths, left) {
        let Some(have) = made.get_mut(at) else { break };
        *have = have.saturating_add(cost);
        left = left.saturating_sub(cost);
    }
    // ... then what is left to the column with the most cells that do not fit on one line.
    let folded = made.iter().zip(&lengths).map(|(have, lengths)| {
        lengths.len().saturating_sub(lengths.partition_point(|length| length <= have))
    });
    let most = folded.enumerate().rev().max_by_key(|(_, folded)| *folded);
    if let Some((at, _)) = most.filter(|(_, folded)| *folded > 0)
        && let Some(have) = made.get_mut(at)
    {
        *have = have.saturating_add(left);
    }
    Some(made)
}

/// The column to widen, and by how much, so that the most cells for that fit on one line; `None` where
/// no more do.
fn best(made: &[usize], lengths: &[Vec<usize>], left: usize) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize, usize)> = None;
    for (at, (have, lengths)) in made.iter().zip(lengths).enumerate() {
        let fit = lengths.partition_point(|length| length <= have);
        for (count, length) in (1_usize..).zip(lengths.get(fit..).unwrap_or_default()) {
            let cost = length.saturating_sub(*have);
            if cost > left {
                break;
            }
            // Cells a blank, compared without dividing.
            let better = best.is_none_or(|(_, most, paid)| {
                count.saturating_mul(paid) > most.saturating_mul(cost)
            });
            if better {
                best = Some((at, count, cost));
            }
        }
    }
    best.map(|(at, _, cost)| (at, cost))
}

/// A text in lines of at most that width, broken between pieces.
fn fold(text: &str, width: usize, hyphens: Hyphens) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for (blank, piece) in pieces(text, hyphens) {
        let blank = if line.is_empty() { "" } else { blank };
        let long = [line.as_str(), blank, piece].iter().map(|it| it.chars().count()).sum::<usize>();
        if long > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        } else {
            line.push_str(blank);
        }
        line.push_str(piece);
    }
    lines.push(line);
    lines
}

fn lines(
    widths: &[usize],
    columns: &[&str],
    rows: &[Vec<String>],
    gap: usize,
    hyphens: Hyphens,
) -> String {
    let header: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let mut text = String::new();
    for (number, row) in std::iter::once(&header).chain(rows).enumerate() {
        let cells: Vec<Vec<String>> =
            row.iter().zip(widths).map(|(cell, width)| fold(cell, *width, hyphens)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or_default();
        for at in 0..height {
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                let part = cell.get(at).map_or("", String::as_str);
                line.push_str(&format!("{part:<width$}{:gap$}", ""));
            }
            let line = line.trim_end();
            text.push_str(&if number == 0 { paint(HEAD, line) } else { line.to_owned() });
            text.push('\n');
        }
    }
    text
}

/// Each row as a block: the columns' names, and what is in them.
fn blocks(width: usize, columns: &[&str], rows: &[Vec<String>]) -> String {
    let block = |row: &Vec<String>| {
        let rows: Vec<(String, String)> = columns
            .iter()
            .zip(row)
            .map(|(name, cell)| (name.to_lowercase(), cell.clone()))
            .collect();
        pairs(width, 0, &rows)
    };
    rows.iter().map(block).collect::<Vec<_>>().join("\n")
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

    fn plain(width: usize, columns: &[&str], rows: &[&[&str]]) -> String {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        anstream::adapter::strip_str(&table(width, columns, &rows)).to_string()
    }

    #[test]
    fn rows_are_aligned_and_lines_end_without_blanks() {
        let text = plain(80, &["ONE", "TWO"], &[&["a", "b"], &["long", ""]]);
        assert_eq!(text, "ONE   TWO\na     b\nlong\n");
    }

    #[test]
    fn a_wide_cell_wraps_within_the_width() {
        let text = plain(60, &["A", "B"], &[&["x", &"word ".repeat(40)]]);
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(text.lines().count() > 3, "{text}");
    }

    #[test]
    fn no_word_is_broken_at_any_width() {
        let uuid = "f5a7e0c1-6677-4a7e-8e00-000000000008";
        let cells = [uuid, "refused: feature-background", "immediate-config, background", "edac"];
        for width in 20..120 {
            let text = plain(width, &["FEATURE", "NEEDS", "CHANGES", "OWNER"], &[&cells]);
            for piece in cells.iter().flat_map(|cell| pieces(cell, Hyphens::Break)) {
                assert!(text.contains(piece.1), "{width}: {} in\n{text}", piece.1);
            }
            if width >= 80 {
                assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            }
        }
        assert!(plain(90, &["FEATURE"], &[&[uuid]]).contains(uuid));
    }

    #[test]
    fn what_does_not_fit_side_by_side_becomes_a_block_a_row() {
        let long = "x".repeat(40);
        let text = plain(60, &["ONE", "TWO"], &[&[&long, &long], &["a", "b"]]);
        assert_eq!(text, format!("one  {long}\ntwo  {long}\n\none  a\ntwo  b\n"));
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

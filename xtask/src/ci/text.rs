// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stages that read the tree's text.
//!
//! *Invariants*: the words that are looked for are put together here from pieces, so that this file
//! does not contain them.

use crate::tree::Tree;

/// A word that may not be in the tree.
struct Word {
    word: &'static str,
    why: &'static str,
    /// Only in Rust source.
    rust_only: bool,
}

const fn anywhere(word: &'static str, why: &'static str) -> Word {
    Word { word, why, rust_only: false }
}

const fn in_rust(word: &'static str, why: &'static str) -> Word {
    Word { word, why, rust_only: true }
}

const WORDS: &[Word] = &[
    anywhere(concat!("/wo", "rk/"), "a path of one machine"),
    anywhere(concat!("/tmp/ba", "sh_jobs"), "a path of one machine"),
    anywhere(concat!("/tmp/pl", "an"), "a path of one machine"),
    anywhere(concat!("/home", "/"), "a path of one machine"),
    anywhere(concat!("../sha", "red"), "a folder that is not in the tree"),
    anywhere(concat!("issues", " show"), "a tool that is not in the tree"),
    anywhere(concat!("index.crates", ".io"), "the name of a registry's host"),
    anywhere(concat!("static.crates", ".io"), "the name of a registry's host"),
    anywhere(concat!("deb.debian", ".org"), "the name of a registry's host"),
    anywhere(concat!("<<<", "<<<<"), "an unresolved merge"),
    anywhere(concat!(">>>", ">>>> "), "an unresolved merge"),
    in_rust(concat!("#[ig", "nore"), "a test that does not run; print a skip and count it"),
    in_rust(concat!("#[al", "low("), "`#[expect(lint, reason)]` where it can be argued"),
    in_rust(concat!("dbg", "!("), "left over"),
    in_rust(concat!("TO", "DO"), "finish it or open an issue"),
    in_rust(concat!("FIX", "ME"), "finish it or open an issue"),
];

/// First line of every Rust source file.
const SPDX: &str = "// SPDX-License-Identifier: MIT OR Apache-2.0";
/// The most lines of a source file.
const MOST_LINES: usize = 600;

/// No word in the tree that has no business there, and a licence line in every source file.
pub(super) fn words(tree: &Tree) -> Result<String, String> {
    let files = tree.files()?;
    let mut found = Vec::new();
    let mut read = 0;
    for name in &files {
        let path = tree.path(name);
        let bytes = std::fs::read(&path).map_err(|error| format!("{name}: {error}"))?;
        // Captures, seeds and golden files are bytes, not text.
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if text.contains('\0') || name.starts_with("fuzz/seeds/") {
            continue;
        }
        read += 1;
        found.extend(words_in(name, &text));
    }
    conclude(&found)?;
    Ok(format!("{read} text files, {} words", WORDS.len()))
}

/// No source file that should have been split.
pub(super) fn long_files(tree: &Tree) -> Result<String, String> {
    let sources = tree.sources()?;
    let mut found = Vec::new();
    for name in &sources {
        let lines = tree.read(name)?.lines().count();
        if lines > MOST_LINES && !is_test_or_table(name) {
            found.push(format!("{name}: {lines} lines; split it at {MOST_LINES}"));
        }
    }
    conclude(&found)?;
    Ok(format!("{} source files", sources.len()))
}

fn words_in(name: &str, text: &str) -> Vec<String> {
    let rust = name.ends_with(".rs");
    let mut found = Vec::new();
    if rust && text.lines().next() != Some(SPDX) {
        found.push(format!("{name}:1: does not start with `{SPDX}`"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for Word { word, why, rust_only } in WORDS {
            if (rust || !rust_only) && line.contains(word) {
                found.push(format!("{name}:{number}: `{word}`: {why}"));
            }
        }
    }
    found
}

fn is_test_or_table(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let file = parts.last().copied().unwrap_or_default();
    parts.contains(&"tests") || file == "tests.rs" || file.ends_with("_gen.rs")
}

fn conclude(found: &[String]) -> Result<(), String> {
    match found {
        [] => Ok(()),
        all => {
            for line in all {
                eprintln!("{line}");
            }
            Err(format!("{} findings, the first is {}", all.len(), all[0]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_with_its_line() {
        for Word { word, .. } in WORDS {
            let text = format!("{SPDX}\n\n// see {word}x\n");
            let found = words_in("crates/x/src/lib.rs", &text);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with("crates/x/src/lib.rs:3: "), "{found:?}");
        }
    }

    #[test]
    fn words_of_rust_source_are_free_elsewhere() {
        let text = format!("how to get rid of {}", concat!("TO", "DO"));
        assert!(words_in("docs/a.md", &text).is_empty());
    }

    #[test]
    fn a_source_file_without_its_licence_is_found() {
        assert_eq!(words_in("a.rs", "//! nothing\n").len(), 1);
        assert!(words_in("a.rs", &format!("{SPDX}\n")).is_empty());
    }

    #[test]
    fn this_file_does_not_contain_what_it_looks_for() {
        assert_eq!(words_in("text.rs", include_str!("text.rs")), Vec::<String>::new());
    }

    #[test]
    fn tests_and_tables_may_be_long() {
        assert!(is_test_or_table("crates/x/tests/a.rs"));
        assert!(is_test_or_table("crates/x/src/journal/tests/a.rs"));
        assert!(is_test_or_table("crates/x/src/tables/builtin_gen.rs"));
        assert!(!is_test_or_table("crates/x/src/contests.rs"));
    }
}

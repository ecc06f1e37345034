// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where `unsafe` is, and that lints deny it and panics where they have to.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;

use super::Source;
use crate::tree::{Package, Tree};

/// Where it may be: the ioctl layer; and the one file that makes wrong ioctls on purpose, which the typed
/// layer exists to make impossible. A folder ends in `/`.
const HOMES: &[&str] = &["crates/linux/src/sys/", "conformance/src/sys.rs"];
/// Crates that read hostile bytes, and lints that their `lib.rs` denies.
const NO_PANIC: &[(&str, &[&str])] = &[
    (
        "crates/wire/src/lib.rs",
        &["unwrap_used", "expect_used", "indexing_slicing", "panic", "arithmetic_side_effects"],
    ),
    (
        "crates/policy/src/lib.rs",
        &["unwrap_used", "expect_used", "indexing_slicing", "panic", "arithmetic_side_effects"],
    ),
    (
        "crates/gate/src/lib.rs",
        &["unwrap_used", "expect_used", "indexing_slicing", "panic", "arithmetic_side_effects"],
    ),
    ("crates/emulator/src/lib.rs", &["unwrap_used", "expect_used", "indexing_slicing", "panic"]),
    (
        "crates/linux/src/lib.rs",
        &["unwrap_used", "expect_used", "indexing_slicing", "panic", "arithmetic_side_effects"],
    ),
];

/// Checks sources and manifests; answers what was counted.
pub(super) fn check(
    tree: &Tree,
    packages: &[Package],
    sources: &[Source],
    found: &mut Vec<String>,
) -> Result<String, String> {
    let mut at_home = 0;
    for source in sources {
        let mut lines = Vec::new();
        tokens(source.tokens.clone(), "unsafe", &mut lines);
        if at_home_in(&source.name) {
            at_home += lines.len();
        } else {
            let (name, homes) = (&source.name, HOMES.join(" and "));
            found.extend(
                lines.iter().map(|line| format!("{name}:{line}: `unsafe` outside {homes}")),
            );
        }
    }
    let root = parse_toml("Cargo.toml", &tree.read("Cargo.toml")?)?;
    lints_of_workspace(&root, found);
    for package in packages {
        let path = &package.manifest_path;
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
        lints_of_package(&path.display().to_string(), &parse_toml(&package.name, &text)?, found);
    }
    for source in sources {
        if let Some((_, lints)) = NO_PANIC.iter().find(|(name, _)| *name == source.name) {
            panics(source, lints, found);
        }
        overrides(source, found);
    }
    Ok(format!("{} source files, {at_home} unsafe", sources.len()))
}

/// The lines at which that word stands as a token of its own: not in a comment, not in a string.
pub(super) fn tokens(stream: TokenStream, word: &str, lines: &mut Vec<usize>) {
    for tree in stream {
        match tree {
            TokenTree::Ident(ident) if ident == word => lines.push(ident.span().start().line),
            TokenTree::Group(group) => tokens(group.stream(), word, lines),
            _ => {}
        }
    }
}

fn parse_toml(name: &str, text: &str) -> Result<toml::Table, String> {
    text.parse().map_err(|error| format!("{name}: {error}"))
}

/// `[workspace.lints.rust] unsafe_code` denies.
pub(super) fn lints_of_workspace(root: &toml::Table, found: &mut Vec<String>) {
    let level = root
        .get("workspace")
        .and_then(|it| it.get("lints"))
        .and_then(|it| it.get("rust"))
        .and_then(|it| it.get("unsafe_code"));
    let level = level.and_then(|it| it.as_str().or_else(|| it.get("level")?.as_str()));
    if !matches!(level, Some("deny" | "forbid")) {
        found.push(format!("Cargo.toml: workspace lint `unsafe_code` is {level:?}, not `deny`"));
    }
}

/// `[lints] workspace = true`.
pub(super) fn lints_of_package(name: &str, manifest: &toml::Table, found: &mut Vec<String>) {
    let takes = manifest.get("lints").and_then(|it| it.get("workspace"));
    if takes.and_then(toml::Value::as_bool) != Some(true) {
        found.push(format!("{name}: does not say `[lints] workspace = true`"));
    }
}

/// The crate's inner attributes deny these lints outside tests.
pub(super) fn panics(source: &Source, lints: &[&str], found: &mut Vec<String>) {
    let denied: Vec<String> = source
        .file
        .attrs
        .iter()
        .map(|attribute| attribute.meta.to_token_stream().to_string())
        .filter(|text| text.contains("deny") || text.contains("forbid"))
        .collect();
    for lint in lints {
        let wanted = format!("clippy :: {lint}");
        let denies = |text: &String| text.split(['(', ')', ',']).any(|part| part.trim() == wanted);
        if !denied.iter().any(denies) {
            found.push(format!("{}: does not deny clippy::{lint}", source.name));
        }
    }
}

/// Whether that file may have it.
pub(super) fn at_home_in(name: &str) -> bool {
    HOMES.iter().any(|home| name == *home || home.ends_with('/') && name.starts_with(home))
}

/// Nobody but those takes the denial of `unsafe` back.
pub(super) fn overrides(source: &Source, found: &mut Vec<String>) {
    if at_home_in(&source.name) {
        return;
    }
    let mut lines = Vec::new();
    tokens(source.tokens.clone(), "unsafe_code", &mut lines);
    let mut denials = 0;
    for attribute in &source.file.attrs {
        let text = attribute.meta.to_token_stream().to_string();
        if (text.contains("deny") || text.contains("forbid")) && text.contains("unsafe_code") {
            denials += 1;
        }
    }
    if lines.len() > denials {
        found.push(format!("{}:{}: speaks of lint `unsafe_code`", source.name, lines[0]));
    }
}

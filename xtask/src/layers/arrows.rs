// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may use whom.
//!
//!     wire ◀ policy ◀ gate ◀ {linux, emulator, site} ◀ service ◀ fwgate

use crate::tree::Package;

/// Each crate and its layer. Those of one layer do not use each other.
const LAYERS: &[(&str, u8)] = &[
    ("fwgate-wire", 0),
    ("fwgate-policy", 1),
    ("fwgate-gate", 2),
    ("fwgate-linux", 3),
    ("fwgate-emulator", 3),
    ("fwgate-site", 3),
    ("fwgate-service", 4),
    ("fwgate", 5),
];
/// Packages above all crates: they may use any, and no crate may use them.
const AROUND: &[&str] = &["xtask", "fwgate-conformance", "fwgate-fuzz-targets"];

/// The one of them that nothing at all may use, in whichever workspace: it makes wrong system calls on
/// purpose.
const APART: &str = "fwgate-conformance";

/// Checks every arrow between our own packages and answers how many there are.
pub(super) fn check(packages: &[Package], found: &mut Vec<String>) -> usize {
    let layer = |name: &str| LAYERS.iter().find(|(it, _)| *it == name).map(|(_, layer)| *layer);
    let ours = |name: &str| packages.iter().any(|package| package.name == name);
    let mut arrows = 0;
    for package in packages {
        let name = &package.name;
        let around = AROUND.contains(&name.as_str());
        let own = layer(name);
        if own.is_none() && !around {
            found.push(format!(
                "{}: package `{name}` has no layer; give it one in xtask/src/layers/arrows.rs",
                package.manifest_path.display()
            ));
            continue;
        }
        for used in package.dependencies.iter().filter(|used| ours(&used.name)) {
            arrows += 1;
            let kind = used.kind.as_deref().unwrap_or("normal");
            let wrong = match (own, layer(&used.name)) {
                // A package may name itself, to test with other features.
                _ if used.name == *name => None,
                (_, None) => Some("which no crate may use"),
                (Some(own), Some(below)) if below > own => Some("which is above it"),
                (Some(own), Some(below)) if below == own => Some("which is its sibling"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                found.push(format!(
                    "{}: `{name}` uses `{}` ({kind} dependency), {wrong}",
                    package.manifest_path.display(),
                    used.name
                ));
            }
        }
    }
    arrows
}

/// Checks that no manifest names the package that nothing may use.
pub(super) fn apart(name: &str, manifest: &toml::Table, found: &mut Vec<String>) {
    let own = manifest.get("package").and_then(|package| package.get("name"));
    if own.and_then(toml::Value::as_str) != Some(APART) && depends(manifest, false) {
        found.push(format!("{name}: uses `{APART}`, which nothing may use"));
    }
}

/// Whether a table of dependencies, in whatever it stands, names it.
fn depends(table: &toml::Table, within: bool) -> bool {
    table.iter().any(|(key, value)| {
        if within {
            let package = value.get("package").and_then(toml::Value::as_str);
            return package.unwrap_or(key) == APART;
        }
        let below = value.as_table();
        below.is_some_and(|below| depends(below, key.ends_with("dependencies")))
    })
}

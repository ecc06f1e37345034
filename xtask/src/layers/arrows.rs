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
/// Packages that no crate may use and that may use any.
const AROUND: &[&str] = &["xtask", "fwgate-conformance", "fwgate-fuzz-targets"];

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

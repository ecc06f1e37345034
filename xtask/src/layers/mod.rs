// SPDX-License-Identifier: MIT OR Apache-2.0
//! `layers`: what the types of one crate cannot show about the others.
//!
//! | part | checks | cannot see |
//! |---|---|---|
//! | `arrows` | each crate uses only crates below it, siblings do not use each other; dependencies of tests and benches count; nothing at all uses `conformance` | use through a crate of somebody else's |
//! | `unsafety` | the token `unsafe` is in `crates/linux/src/sys` alone, and in the one file of `conformance` that makes wrong ioctls; every crate takes the workspace's lints, which deny it; the crates that read hostile bytes deny panics | `unsafe` that a derive of a dependency writes; examples in doc comments |
//! | `raw_senders` | no public function of `linux` or `emulator` leads to a device unless it takes a record; `Device::submit` and `KernelInterface::run` open theirs with `release` | see that module |
//!
//! `names`, `functions` and `calls` are what the last stands on: sources parsed with `syn`, and names
//! followed as the compiler would, as far as they can be without knowing types. The compiler's own
//! call graph is not to be had on a stable toolchain.
//!
//! Source is trusted not to be hostile; whoever wants to fool such a check can. It is there
//! against mistakes, beside the types (`fwgate-gate`), which nobody gets round.
//!
//! *Not here*: lints (`clippy`), what compiles (`crates/gate/tests/road`).

mod arrows;
mod calls;
mod functions;
mod names;
mod raw_senders;
#[cfg(test)]
mod tests;
mod unsafety;

use std::collections::BTreeSet;
use std::process::ExitCode;

use crate::tree::Tree;

/// Runs the chore.
pub(crate) fn run(args: &[String]) -> ExitCode {
    if !args.is_empty() {
        return crate::usage("`layers` takes nothing");
    }
    match check(&Tree::here()) {
        Ok(count) => {
            println!("{count}");
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("xtask layers: {what}");
            ExitCode::FAILURE
        }
    }
}

/// Checks all three parts and says what was looked at.
pub(crate) fn check(tree: &Tree) -> Result<String, String> {
    let mut found = Vec::new();
    let packages = tree.metadata("")?.packages;
    let arrows = arrows::check(&packages, &mut found);
    for name in tree.files()?.iter().filter(|name| name.ends_with("Cargo.toml")) {
        let manifest = tree.read(name)?.parse().map_err(|error| format!("{name}: {error}"))?;
        arrows::apart(name, &manifest, &mut found);
    }
    let sources = sources(tree)?;
    let tokens = unsafety::check(tree, &packages, &sources, &mut found)?;
    let mut senders = Vec::new();
    let mut roads = 0;
    let shipped: Vec<_> = sources.iter().filter(|file| file.is_shipped()).collect();
    let crates: BTreeSet<_> = shipped.iter().filter_map(|file| file.of_crate()).collect();
    for name in crates {
        let own = shipped.iter().copied().filter(|file| file.of_crate() == Some(name));
        let own: Vec<_> = own.collect();
        let signs = match name {
            "emulator" => Some(&raw_senders::EMULATOR),
            "linux" => Some(&raw_senders::LINUX),
            _ => None,
        };
        senders.extend(signs.map(|signs| raw_senders::check(name, signs, &own, &mut found)));
        if name != "gate" {
            roads += raw_senders::check_roads(&own, &mut found);
        }
    }
    if !found.is_empty() {
        for line in &found {
            eprintln!("{line}");
        }
        return Err(format!("{} findings, the first is {}", found.len(), found[0]));
    }
    let senders = senders.join("; ");
    Ok(format!("{arrows} arrows, {tokens}, {roads} ends of the road; {senders}"))
}

/// One parsed source file.
pub(crate) struct Source {
    /// From the root of the tree.
    pub(crate) name: String,
    pub(crate) tokens: proc_macro2::TokenStream,
    pub(crate) file: syn::File,
}

impl Source {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let at = |error: &dyn std::fmt::Display, line: usize| format!("{name}:{line}: {error}");
        let tokens: proc_macro2::TokenStream = text
            .parse()
            .map_err(|error: proc_macro2::LexError| at(&error, error.span().start().line))?;
        let file =
            syn::parse2(tokens.clone()).map_err(|error| at(&error, error.span().start().line))?;
        Ok(Self { name: name.to_owned(), tokens, file })
    }

    /// The crate that it is the library or the program of, by its folder.
    fn of_crate(&self) -> Option<&str> {
        let (name, rest) = self.name.strip_prefix("crates/")?.split_once('/')?;
        rest.starts_with("src/").then_some(name)
    }

    /// Whether it is part of a crate and not of its tests or benches.
    fn is_shipped(&self) -> bool {
        let mut parts = self.name.split('/');
        parts.next() == Some("crates")
            && !parts.any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
    }
}

/// Every source file, parsed. Cases that are meant not to compile still have to parse.
fn sources(tree: &Tree) -> Result<Vec<Source>, String> {
    tree.sources()?.iter().map(|name| Source::parse(name, &tree.read(name)?)).collect()
}

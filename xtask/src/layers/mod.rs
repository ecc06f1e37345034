// SPDX-License-Identifier: MIT OR Apache-2.0
//! `layers`: what the types of one crate cannot show about the others.
//!
//! | part | checks | cannot see |
//! |---|---|---|
//! | `arrows` | each crate uses only crates below it, siblings do not use each other; dependencies of tests and benches count | use through a crate of somebody else's |
//! | `unsafety` | the token `unsafe` is in `crates/linux` alone, and in the one file of `conformance` that makes wrong ioctls; every crate takes the workspace's lints, which deny it; the crates that read hostile bytes deny panics | `unsafe` that a derive of a dependency writes; examples in doc comments |
//! | `raw_senders` | no public function of `linux` or `emulator` leads to a device but by `Device::submit` and `KernelInterface::run`, and those open the record with `release` | see that module |
//!
//! Source is trusted not to be hostile; whoever wants to fool a name-by-name check can. It is there
//! against mistakes, beside the types (`fwgate-gate`), which nobody gets round.
//!
//! *Not here*: lints (`clippy`), what compiles (`crates/gate/tests/road`).

mod arrows;
mod calls;
mod raw_senders;
#[cfg(test)]
mod tests;
mod unsafety;

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
    let sources = sources(tree)?;
    let tokens = unsafety::check(tree, &packages, &sources, &mut found)?;
    let mut senders = Vec::new();
    for name in ["emulator", "linux"] {
        let prefix = format!("crates/{name}/src/");
        let own = sources.iter().filter(|file| file.is_shipped());
        let own: Vec<_> = own.filter(|file| file.name.starts_with(&prefix)).collect();
        if !own.is_empty() {
            senders.push(raw_senders::check(name, &own, &mut found));
        }
    }
    let elsewhere = sources.iter().filter(|file| file.is_shipped());
    let outside: Vec<_> = elsewhere.filter(|file| !file.name.starts_with("crates/gate/")).collect();
    let roads = raw_senders::check_roads(&outside, &mut found);
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

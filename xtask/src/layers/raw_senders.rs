// SPDX-License-Identifier: MIT OR Apache-2.0
//! No public function leads to a raw sender.
//!
//! A *raw sender* carries a command to a device, or carries it out, without asking for a
//! `Recorded`. It is known by one of:
//! - it calls `Mailbox::send`, known by its six arguments;
//! - it takes a parameter named `opcode` and a slice of bytes, or a whole command ([`COMMANDS`]);
//! - its documentation says "Raw sender".
//!
//! *Checked*: no raw sender is public, and no public function calls one, directly or through others.
//! Excepted are `Device::submit` and `KernelInterface::run`: each has to take a `Recorded` and to
//! call `release` on it, in every crate but `gate`.
//!
//! *Not seen*: calls through a field, a closure or a trait object; macros whose arguments are no
//! list of expressions; a `pub use` that makes something public (the lint `unreachable_pub` sees
//! that what is `pub` is meant so). That `release` is called before the send and that its bytes are
//! the ones that are sent is for the reader, and for the tests.

use std::collections::BTreeMap;

use super::Source;
use super::calls::{Function, functions};

/// Types that are a whole command for a device.
const COMMANDS: &[&str] = &["NvmeCommand"];
/// The ends of the road: trait, function.
const ENDS: &[(&str, &str)] = &[("Device", "submit"), ("KernelInterface", "run")];
/// `Mailbox::send`: self, regs, clock, opcode, input, out, deadline.
const MAILBOX_SEND: (&str, usize) = ("send", 7);

/// Checks one crate; answers what was counted.
pub(super) fn check(name: &str, sources: &[&Source], found: &mut Vec<String>) -> String {
    let all = functions(sources);
    // What each function leads to: a raw sender's place, and how.
    let mut leads: BTreeMap<usize, String> = BTreeMap::new();
    for (at, function) in all.iter().enumerate() {
        if let Some(why) = is_raw(function) {
            leads.insert(at, format!("is a raw sender ({why})"));
        }
    }
    let raw = leads.len();
    if raw == 0 {
        found.push(format!(
            "crates/{name}: no raw sender found; the check has lost its object, see \
             xtask/src/layers/raw_senders.rs"
        ));
    }
    loop {
        let mut more = Vec::new();
        for (at, function) in all.iter().enumerate().filter(|(at, _)| !leads.contains_key(at)) {
            let to = leads.keys().map(|to| &all[*to]).find(|to| {
                // What is behind the end of the road is what the road is for.
                !is_end(to) && function.calls(&to.name, to.arity)
            });
            if let Some(to) = to {
                more.push((at, format!("calls `{}` ({}:{})", to.name, to.file, to.line)));
            }
        }
        if more.is_empty() {
            break;
        }
        leads.extend(more);
    }
    for (at, how) in &leads {
        let function = &all[*at];
        if function.public && !is_end(function) {
            let Function { file, line, name, .. } = function;
            found.push(format!("{file}:{line}: public function `{name}` {how}"));
        }
    }
    let public = all.iter().filter(|function| function.public).count();
    format!("{name}: {public} public functions, {raw} raw senders")
}

/// Checks that every end of the road opens the record; answers how many there are.
pub(super) fn check_roads(sources: &[&Source], found: &mut Vec<String>) -> usize {
    let mut ends = 0;
    for function in functions(sources).iter().filter(|function| is_end(function)) {
        ends += 1;
        let Function { file, line, name, .. } = function;
        if !function.parameters.iter().any(|(_, ty)| ty.contains("Recorded<")) {
            found.push(format!("{file}:{line}: `{name}` does not take a `Recorded`"));
        }
        if !function.calls("release", 2) {
            found.push(format!("{file}:{line}: `{name}` does not call `release` on the record"));
        }
    }
    ends
}

fn is_end(function: &Function) -> bool {
    ENDS.iter().any(|(of, name)| function.of_trait.as_deref() == Some(of) && function.name == *name)
}

fn is_raw(function: &Function) -> Option<&'static str> {
    let (send, arity) = MAILBOX_SEND;
    let parameter =
        |test: fn(&str, &str) -> bool| function.parameters.iter().any(|(name, ty)| test(name, ty));
    if function.calls.contains(&(send.to_owned(), arity)) {
        Some("calls `Mailbox::send`")
    } else if parameter(|name, _| name == "opcode") && parameter(|_, ty| ty.contains("&[u8]")) {
        Some("takes an opcode and bytes")
    } else if parameter(|_, ty| COMMANDS.iter().any(|it| ty.contains(it))) {
        Some("takes a command")
    } else if function.docs.contains("Raw sender") {
        Some("says so")
    } else {
        None
    }
}

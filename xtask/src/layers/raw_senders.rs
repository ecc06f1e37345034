// SPDX-License-Identifier: MIT OR Apache-2.0
//! No public function leads to a raw sender.
//!
//! A *raw sender* carries a command to a device, or makes the kernel do so, without asking for a
//! `Recorded`. It is known by one of:
//! - its documentation says "Raw sender", or that of the trait's method that it implements;
//! - in `emulator`: it calls `Mailbox::send`, or takes a parameter named `opcode` and a slice of bytes,
//!   or a whole command;
//! - in `linux`: it writes to a file or issues an ioctl, whichever, but for the closed list
//!   [`Harmless`], in which each says why.
//!
//! *Checked*: no public function is or calls one, directly or through others. A function may that
//! takes a `Recorded`, or a `Delivery`, which comes out of a `Recorded` alone. `Device::submit` and
//! `KernelInterface::run` have to take a `Recorded` and to call `release` on it, in every crate but
//! `gate`. What a list names and nobody does any more is found too.
//!
//! *Not seen*: functions that a macro's expansion declares; a type parameter that has the name of a
//! type; calls of what a function that takes a record has put away. That `release` is called before
//! the send and that its bytes are the ones that are sent is for the reader, and for the tests.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use super::calls::{Calls, calls};
use super::functions::{Crate, Function, Of, text};

/// The ends of the road: trait, function.
const ENDS: &[(&str, &str)] = &[("Device", "submit"), ("KernelInterface", "run")];

/// By what a crate's raw senders are known, beside what holds for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// Other crates' functions that send: first and last part of the path.
    pub(super) functions: &'static [(&'static str, &'static str)],
    /// Other crates' methods that send: name, and number of arguments with the receiver.
    pub(super) methods: &'static [(&'static str, usize)],
    /// Whether what takes a parameter `opcode` and a slice of bytes sends.
    pub(super) by_opcode: bool,
    /// Types that are a whole command: what takes one sends.
    pub(super) commands: &'static [&'static str],
    /// Functions that send and show no other sign: file, function, why.
    pub(super) others: &'static [(&'static str, &'static str, &'static str)],
    /// Implementations of other crates' traits whose functions count as private: file, trait, why.
    pub(super) inside: &'static [(&'static str, &'static str, &'static str)],
    /// Calls that look like sending and are not, or that may send.
    pub(super) harmless: &'static [Harmless],
}

/// A call that does not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Harmless {
    /// Who calls: file and function.
    pub(super) by: (&'static str, &'static str),
    /// The last name of what is called.
    pub(super) calls: &'static str,
    /// Why it does not count.
    pub(super) why: &'static str,
}

/// The emulator: everything goes through the mailbox driver.
pub(super) const EMULATOR: Signs = Signs {
    functions: &[("fwgate_wire", "send")],
    // self, regs, clock, opcode, input, out, deadline
    methods: &[("send", 7)],
    by_opcode: true,
    commands: &["NvmeCommand"],
    others: &[],
    inside: &[(
        "crates/emulator/src/registers.rs",
        "Registers",
        "the mailbox driver writes the doorbell by it; the registers never leave the crate",
    )],
    harmless: &[],
};

/// This machine: whatever writes or issues an ioctl.
pub(super) const LINUX: Signs = Signs {
    functions: &[
        ("rustix", "ioctl"),
        ("rustix", "pwrite"),
        ("rustix", "pwritev"),
        ("rustix", "pwritev2"),
        ("rustix", "write"),
        ("rustix", "writev"),
        ("rustix", "sendfile"),
        ("rustix", "copy_file_range"),
        ("std", "write"),
        ("std", "write_all"),
        ("std", "write_at"),
        ("std", "write_all_at"),
        ("std", "copy"),
    ],
    methods: &[
        ("write", 2),
        ("write_all", 2),
        ("write_vectored", 2),
        ("write_at", 3),
        ("write_all_at", 3),
    ],
    by_opcode: false,
    commands: &[],
    others: &[(
        "crates/linux/src/interface/edac/mod.rs",
        "number",
        "the kernel asks the device for what it reads",
    )],
    inside: &[],
    harmless: &[
        Harmless {
            by: ("crates/linux/src/sys/fwctl.rs", "info"),
            calls: "issue",
            why: "FWCTL_INFO is answered by the driver",
        },
        Harmless {
            by: ("crates/linux/src/sys/memdev.rs", "query"),
            calls: "issue",
            why: "CXL_MEM_QUERY_COMMANDS is answered from the driver's table",
        },
        Harmless {
            by: ("crates/linux/src/host/taint.rs", "write"),
            calls: "write",
            why: "it marks the kernel, by a file of procfs, and reaches no device",
        },
        Harmless {
            by: ("crates/linux/src/interface/trace/instance.rs", "attach"),
            calls: "put",
            why: "it sets up a trace instance, in tracefs",
        },
        Harmless {
            by: ("crates/linux/src/interface/firmware_upload.rs", "stop"),
            calls: "cancel",
            why: "`KernelInterface::abort` ends early what a recorded command began, and begins nothing",
        },
    ],
};

/// Checks one crate; answers what was counted.
pub(super) fn check(
    name: &str,
    signs: &Signs,
    sources: &[&Source],
    found: &mut Vec<String>,
) -> String {
    let all = Crate::read(sources);
    let calls = calls(&all);
    let mut used = BTreeSet::new();
    let raw = raw(&all, &calls, signs, &mut used);
    if raw.is_empty() {
        found.push(format!(
            "crates/{name}: no raw sender found; the check has lost its object, see \
             xtask/src/layers/raw_senders.rs"
        ));
    }
    let leads = leads(&all, &calls, &raw, signs, &mut used);
    for (at, function) in all.functions.iter().enumerate() {
        if !function.public || function.takes_record || is_inside(signs, function) {
            continue;
        }
        let Function { file, line, name, .. } = function;
        if let Some(why) = raw.get(&at) {
            found.push(format!("{file}:{line}: public function `{name}` is a raw sender ({why})"));
        } else if leads.contains_key(&at) {
            let way = way(&all, &raw, &leads, at);
            found.push(format!("{file}:{line}: public function `{name}` {way}"));
        }
    }
    for (at, Harmless { by: (file, function), calls, why }) in signs.harmless.iter().enumerate() {
        if !used.contains(&at) {
            found.push(format!(
                "{file}: `{function}` no longer leads to a sender by `{calls}` (excepted in \
                 xtask/src/layers/raw_senders.rs: {why})"
            ));
        }
    }
    let mut gone = |file: &str, what: String| {
        found.push(format!("{file}: {what}, which xtask/src/layers/raw_senders.rs names"));
    };
    for (file, name, _) in signs.others {
        if !all.functions.iter().any(|it| it.file == *file && it.name == *name) {
            gone(file, format!("no function `{name}`"));
        }
    }
    for inside in signs.inside {
        let one = Signs { inside: std::slice::from_ref(inside), ..*signs };
        if !leads.keys().any(|at| is_inside(&one, &all.functions[*at])) {
            let (file, name, _) = inside;
            gone(file, format!("no `impl {name}` that leads to a raw sender"));
        }
    }
    let public = all.functions.iter().filter(|function| function.public).count();
    format!("{name}: {public} public functions, {} raw senders", raw.len())
}

/// Every raw sender and why it is one.
fn raw(
    all: &Crate<'_>,
    calls: &[Calls],
    signs: &Signs,
    used: &mut BTreeSet<usize>,
) -> BTreeMap<usize, String> {
    let mut raw = BTreeMap::new();
    for (at, (function, calls)) in all.functions.iter().zip(calls).enumerate() {
        if let Some(why) = sign(function, calls, signs, used) {
            raw.insert(at, why);
        }
    }
    // What a trait says of its method holds for each that implements it.
    let declared: BTreeSet<(usize, &str)> = raw
        .keys()
        .filter_map(|at| match all.functions[*at].of {
            Of::Trait(of) => Some((of, &*all.functions[*at].name)),
            _ => None,
        })
        .collect();
    for (at, function) in all.functions.iter().enumerate() {
        let of = function.of_trait.as_ref().and_then(|it| it.ours);
        if of.is_some_and(|of| declared.contains(&(of, &function.name))) {
            raw.entry(at).or_insert_with(|| "its trait says so".to_owned());
        }
    }
    raw
}

fn sign(
    function: &Function<'_>,
    calls: &Calls,
    signs: &Signs,
    used: &mut BTreeSet<usize>,
) -> Option<String> {
    let Function { file, name, .. } = function;
    let parameter = |test: &dyn Fn(&str, &str) -> bool| {
        function.parameters.iter().any(|(name, ty)| test(name, &text(ty)))
    };
    if let Some((.., why)) = signs.others.iter().find(|(of, it, _)| of == file && it == name) {
        return Some((*why).to_owned());
    }
    if signs.by_opcode
        && parameter(&|name, _| name == "opcode")
        && parameter(&|_, ty| ty.contains("&[u8]"))
    {
        return Some("takes an opcode and bytes".to_owned());
    }
    if parameter(&|_, ty| signs.commands.iter().any(|it| ty.contains(it))) {
        return Some("takes a command".to_owned());
    }
    if function.docs.contains("Raw sender") {
        return Some("says so".to_owned());
    }
    let by_path = calls.foreign.iter().filter_map(|path| {
        let last = path.last()?;
        let sends = signs.functions.contains(&(&*path[0], &**last));
        sends.then(|| (last.clone(), path.join("::")))
    });
    let by_method = calls.methods.iter().filter(|(method, arity)| {
        signs.methods.iter().any(|(it, count)| it == method && count == arity)
    });
    let by_method = by_method.map(|(method, _)| (method.clone(), format!(".{method}(..)")));
    by_path
        .chain(by_method)
        .find(|(called, _)| !is_harmless(signs, function, called, used))
        .map(|(_, what)| format!("calls `{what}`"))
}

/// What each function calls that leads to a raw sender, by the shortest way.
fn leads(
    all: &Crate<'_>,
    calls: &[Calls],
    raw: &BTreeMap<usize, String>,
    signs: &Signs,
    used: &mut BTreeSet<usize>,
) -> BTreeMap<usize, usize> {
    let mut leads: BTreeMap<usize, usize> = BTreeMap::new();
    // What is behind a function that takes a record is what the road is for.
    let open = |at: &usize| !all.functions[*at].takes_record;
    let mut last: BTreeSet<usize> = raw.keys().copied().filter(open).collect();
    while !last.is_empty() {
        let mut next = BTreeSet::new();
        for (at, function) in all.functions.iter().enumerate() {
            let known = raw.contains_key(&at) || leads.contains_key(&at);
            let to = calls[at]
                .functions
                .intersection(&last)
                .find(|to| !is_harmless(signs, function, &all.functions[**to].name, used));
            if let (Some(to), false) = (to, known) {
                leads.insert(at, *to);
                next.insert(at);
            }
        }
        next.retain(open);
        last = next;
    }
    leads
}

/// Whether a function counts as private although its trait is not the crate's.
fn is_inside(signs: &Signs, function: &Function<'_>) -> bool {
    let of = function.of_trait.as_ref().filter(|of| of.ours.is_none());
    of.is_some_and(|of| {
        signs.inside.iter().any(|(file, name, _)| function.file == *file && of.name == *name)
    })
}

/// Whether a call is in the closed list; notes that the list is needed.
fn is_harmless(signs: &Signs, by: &Function<'_>, calls: &str, used: &mut BTreeSet<usize>) -> bool {
    let at = signs
        .harmless
        .iter()
        .position(|it| it.by == (by.file, by.name.as_str()) && it.calls == calls);
    used.extend(at);
    at.is_some()
}

/// How a function leads to a raw sender, in words.
fn way(
    all: &Crate<'_>,
    raw: &BTreeMap<usize, String>,
    leads: &BTreeMap<usize, usize>,
    from: usize,
) -> String {
    let mut words = Vec::new();
    let mut at = from;
    while let Some(to) = leads.get(&at) {
        let Function { file, line, name, .. } = &all.functions[*to];
        words.push(format!("calls `{name}` ({file}:{line})"));
        at = *to;
    }
    let why = raw.get(&at).map_or("", String::as_str);
    format!("{}, a raw sender ({why})", words.join(", which "))
}

/// Checks that every end of the road opens the record; answers how many there are.
pub(super) fn check_roads(sources: &[&Source], found: &mut Vec<String>) -> usize {
    let all = Crate::read(sources);
    let mut ends = 0;
    for (function, calls) in all.functions.iter().zip(calls(&all)) {
        let of_trait = function.of_trait.as_ref().map(|it| it.name.as_str());
        let is_end = ENDS.iter().any(|(of, name)| of_trait == Some(of) && function.name == *name);
        if !is_end {
            continue;
        }
        ends += 1;
        let Function { file, line, name, .. } = function;
        if !function.takes_record {
            found.push(format!("{file}:{line}: `{name}` does not take a `Recorded`"));
        }
        if !calls.methods.contains(&("release".to_owned(), 2)) {
            found.push(format!("{file}:{line}: `{name}` does not call `release` on the record"));
        }
    }
    ends
}

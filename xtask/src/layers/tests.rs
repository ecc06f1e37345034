// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ways to raw senders: each with source that must be refused, beside source that must be taken.

mod rules;

use super::raw_senders::{EMULATOR, Harmless, LINUX, Signs};
use super::{Source, raw_senders};

fn source(text: &str) -> Source {
    Source::parse("crates/emulator/src/a.rs", text).unwrap()
}

/// What is found in a crate of these files, without what its lists name and it lacks.
fn crate_of(name: &str, signs: &Signs, files: &[(&str, &str)]) -> Vec<String> {
    let parse = |(file, text): &(&str, &str)| {
        let file = format!("crates/{name}/src/{file}");
        Source::parse(&file, text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let sources: Vec<Source> = files.iter().map(parse).collect();
    let mut found = Vec::new();
    raw_senders::check(name, signs, &sources.iter().collect::<Vec<_>>(), &mut found);
    found.retain(|line| !line.contains("xtask/src/layers/raw_senders.rs") || line.contains("lost"));
    found
}

fn senders_of(text: &str) -> Vec<String> {
    crate_of("emulator", &EMULATOR, &[("a.rs", text)])
}

fn linux_of(text: &str) -> Vec<String> {
    crate_of("linux", &LINUX, &[("a.rs", text)])
}

fn roads_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    raw_senders::check_roads(&[&source(text)], &mut found);
    found
}

/// One public function, and no other, is found.
#[track_caller]
fn finds(name: &str, found: &[String]) {
    let wanted = format!("public function `{name}` ");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(&wanted), "{found:#?}");
}

#[track_caller]
fn clean(found: &[String]) {
    assert_eq!(found, Vec::<String>::new());
}

const RAW: &str = "use fwgate_gate::{Delivery, Device, Firmware, KernelInterface, Recorded};
    pub struct Disk;
    impl Disk {
        pub(crate) fn execute(&mut self, opcode: u16, payload: &[u8]) -> u16 { 0 }
        pub fn name(&self) -> u8 { 0 }
    }";

/// With a raw sender before it.
fn with(text: &str) -> Vec<String> {
    senders_of(&format!("{RAW} {text}"))
}

#[test]
fn crate_private_raw_senders_are_taken() {
    clean(&with("impl Disk { pub(crate) fn again(&mut self) { self.execute(1, &[]); } }"));
}

#[test]
fn a_public_raw_sender_is_found_by_each_sign() {
    for (text, why) in [
        ("pub fn f(opcode: u16, payload: &[u8]) {}", "takes an opcode and bytes"),
        ("pub fn f(mut opcode: u8, payload: Option<&[u8]>) {}", "takes an opcode and bytes"),
        ("pub fn f(command: &NvmeCommand<'_>) {}", "takes a command"),
        ("pub fn f(m: M) { m.send(r, c, o, i, out, d); }", "calls `.send(..)`"),
        (
            "use fwgate_wire::cxl::Mailbox;
             pub fn f(m: &mut Mailbox) { Mailbox::send(m, r, c, o, i, out, d); }",
            "calls `fwgate_wire::cxl::Mailbox::send`",
        ),
        ("/// Raw sender.\npub fn f() {}", "says so"),
    ] {
        let found = senders_of(text);
        finds("f", &found);
        assert!(found[0].contains(why), "{text}: {found:?}");
    }
}

#[test]
fn whoever_writes_or_issues_an_ioctl_in_linux_is_a_raw_sender() {
    for text in [
        "pub fn f(fd: Fd) { rustix::io::write(&fd, b\"1\"); }",
        "use rustix::io; pub fn f(fd: Fd) { io::pwrite(&fd, b\"1\", 0); }",
        "use rustix::io::write as quiet; pub fn f(fd: Fd) { quiet(&fd, b\"1\"); }",
        "use std::fs; pub fn f(path: &Path) { fs::write(path, b\"1\"); }",
        "use std::io::Write as _; pub fn f(mut file: File) { file.write_all(b\"1\"); }",
        "pub fn f(mut file: File) { file.write(b\"1\"); }",
        "pub fn f(fd: Fd) { unsafe { rustix::ioctl::ioctl(fd, Call) } }",
        "pub fn f(fd: Fd) { let say = rustix::io::write; say(fd, b\"1\"); }",
        "use rustix::io::*; pub fn f(fd: Fd) { rustix::io::write(fd, b\"1\"); }",
    ] {
        finds("f", &linux_of(text));
    }
    let reads = "/// Raw sender.
        fn f() {}
        pub fn g(fd: Fd, lock: &RwLock<u8>) { rustix::io::read(&fd, b); lock.write(); }";
    clean(&linux_of(reads));
}

#[test]
fn the_sending_ioctls_are_found_behind_their_trait() {
    let sys = "pub(crate) trait Ioctls: Send { fn mem_send(&self, fd: Fd) -> u32; fn name(&self); }
        pub(crate) struct Linux;
        impl Ioctls for Linux {
            fn mem_send(&self, fd: Fd) -> u32 { issue(fd) }
            fn name(&self) {}
        }
        fn issue(fd: Fd) -> u32 { unsafe { rustix::ioctl::ioctl(fd, Call) } }";
    let device = |body: &str| {
        let text = format!(
            "use crate::sys::Ioctls;
             pub struct Device {{ io: Box<dyn Ioctls>, fd: Fd }}
             impl Device {{ pub fn f(&self) {{ {body} }} }}"
        );
        crate_of("linux", &LINUX, &[("sys.rs", sys), ("device.rs", &text)])
    };
    finds("f", &device("self.io.mem_send(self.fd);"));
    finds("f", &device("let io = self.io.as_ref(); io.mem_send(self.fd);"));
    finds("f", &device("Ioctls::mem_send(self.io.as_ref(), self.fd);"));
    finds("f", &device("<dyn Ioctls>::mem_send(self.io.as_ref(), self.fd);"));
    finds("f", &device("<crate::sys::Linux as Ioctls>::mem_send(&l, self.fd);"));
    clean(&device("self.io.name();"));
}

#[test]
fn a_public_function_that_leads_to_one_is_found_however_long_the_way() {
    let found = with(
        "fn one(d: &mut Disk) { d.execute(1, &[]); }
        fn two(d: &mut Disk) { if true { one(d) } }
        pub fn three(d: &mut Disk) { println!(\"{:?}\", two(d)); }",
    );
    finds("three", &found);
    let way = "calls `two` (crates/emulator/src/a.rs:7), which calls `one` \
               (crates/emulator/src/a.rs:6), which calls `execute` (crates/emulator/src/a.rs:4), \
               a raw sender (takes an opcode and bytes)";
    assert!(found[0].ends_with(way), "{found:?}");
}

#[test]
fn a_way_by_a_method_is_found_whatever_it_is_called_on() {
    let more = "struct Held { disk: Disk, all: Vec<Disk> }
        impl Held { fn disk(&mut self) -> &mut Disk { &mut self.disk } }
        impl Disk { fn shut(&mut self) { self.execute(1, &[]); } }";
    for call in [
        "d.shut()",
        "d.disk.shut()",
        "d.disk().shut()",
        "d.all.iter_mut().for_each(|it| it.shut())",
        "(&mut d.disk).shut()",
        "let it = d.all.pop(); it.shut()",
        "Disk::shut(&mut d.disk)",
        "d.all.iter_mut().for_each(Disk::shut)",
        "let Held { disk, .. } = d; disk.shut()",
    ] {
        finds("f", &with(&format!("{more} pub fn f(d: &mut Held) {{ {call}; }}")));
    }
    clean(&with(&format!("{more} pub fn f(d: &mut Held) {{ d.disk.name(); d.disk(); }}")));
}

#[test]
fn a_way_by_a_closure_is_found_where_it_is_made() {
    for body in [
        "d.map(|d| d.execute(1, &[]));",
        "let send = move || d.execute(1, &[]); send()",
        "Box::new(move |opcode: u16| d.execute(opcode, &[]))",
        "retry(|| one(d))",
    ] {
        let text = format!(
            "fn one(d: &mut Disk) {{ d.execute(1, &[]); }}
             fn retry(f: impl Fn()) {{ f() }}
             pub fn f(d: &mut Disk) {{ {body} }}"
        );
        finds("f", &with(&text));
    }
    clean(&with("fn retry(f: impl Fn()) { f() } pub fn f(d: &Disk) { retry(|| d.name()) }"));
}

#[test]
fn a_closure_that_takes_a_delivery_is_not_the_makers() {
    let typed = |takes: &str| {
        with(&format!(
            "pub fn f(mut d: Disk) -> Sender {{
                Arc::new(move |delivery{takes}| d.execute(1, &delivery.message))
            }}"
        ))
    };
    clean(&typed(": &Delivery<Firmware>"));
    clean(&typed(": Delivery<Firmware>"));
    finds("f", &typed(""));
    finds("f", &typed(": &Vec<Delivery<Firmware>>"));
    finds("f", &typed(": &crate::Delivery"));
}

#[test]
fn a_way_by_an_import_is_found_under_each_name() {
    let file = "/// Raw sender.\npub(crate) fn execute() {} pub(crate) fn name() {}";
    let by = |text: &str| {
        let lib = "mod raw; pub(crate) use raw::execute as through;
            pub(crate) mod prelude { pub(crate) use super::raw::*; }";
        let files = [("lib.rs", lib), ("raw/mod.rs", file), ("b/c.rs", text)];
        crate_of("emulator", &EMULATOR, &files)
    };
    for text in [
        "use crate::raw::execute; pub fn f() { execute() }",
        "use crate::raw::execute as quiet; pub fn f() { quiet() }",
        "use crate::raw::{name, execute as quiet}; pub fn f() { name(); quiet() }",
        "use crate::raw as paper; pub fn f() { paper::execute() }",
        "use super::super::raw::{self}; pub fn f() { raw::execute() }",
        "use crate::raw::*; pub fn f() { execute() }",
        "use crate::through; pub fn f() { through() }",
        "use crate::prelude::*; pub fn f() { execute() }",
        "use crate::prelude::execute as name; pub fn f() { name() }",
        "pub fn f() { crate::raw::execute() }",
        "pub fn f() { super::super::raw::execute() }",
        "pub fn f() { use crate::raw::execute as quiet; quiet() }",
        "pub fn f() { use crate::raw::*; execute() }",
        "use crate::raw; pub fn f() { let quiet = raw::execute; quiet() }",
        "use crate::raw::execute as quiet; pub fn f() -> fn() { quiet }",
        "use crate::raw::execute; pub const F: fn() = execute;",
        "use crate::raw::execute; const TABLE: &[fn()] = &[execute]; pub fn f() { TABLE[0]() }",
        "use crate::macro_made::execute; pub fn f() { execute() }",
    ] {
        let found = by(text);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
    }
    for text in [
        "use crate::raw::name as execute; pub fn f() { execute() }",
        "use crate::raw; pub fn f() { raw::name() }",
        "use crate::raw::execute as _quiet; use std::process::execute; pub fn f() { execute() }",
        "use other::raw; pub fn f() { raw::execute() }",
        "fn execute() {} pub fn f() { execute() }",
        "pub fn f() { self::execute() } fn execute() {}",
    ] {
        let found = by(text);
        assert_eq!(found, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn an_import_that_has_the_name_of_the_module_it_comes_from_is_followed() {
    let raw = "/// Raw sender.\npub(crate) fn execute() {}";
    for text in [
        "mod execute; use execute::execute; pub fn f() { execute() }",
        "mod execute; use self::execute::execute as quiet; pub fn f() { quiet() }",
    ] {
        let files = [("lib.rs", text), ("execute.rs", raw)];
        finds("f", &crate_of("emulator", &EMULATOR, &files));
    }
}

#[test]
fn a_common_name_does_not_lead_where_another_of_that_name_does() {
    let more = "struct Link { disk: Disk }
        impl Link {
            fn new() -> Self { let mut it = Self { disk: Disk }; it.disk.execute(1, &[]); it }
            fn open(&mut self) { self.disk.execute(1, &[]); }
            fn get(&mut self, at: usize) { self.disk.execute(1, &[]); }
        }
        fn read(link: &mut Link) { link.open() }
        pub struct File { names: Vec<String>, inner: Inner }
        pub struct Inner;
        impl Inner { fn open(&self) {} fn get(&self, at: usize) {} }";
    for text in [
        "impl File { pub fn new() -> Self { Self { names: Vec::new(), inner: Inner } } }",
        "impl File { pub fn new() -> Self { Self::default() } pub fn f() { File::new(); } }",
        "impl File { pub fn f(&self) { self.open() } fn open(&self) {} }",
        "impl File { pub fn f(&self) { self.inner.open() } }",
        "impl File { pub fn f(&self) -> Option<&String> { self.names.get(1) } }",
        "pub fn f(names: &[String]) -> Option<&String> { names.get(1) }",
        "pub fn f(inner: &Inner) { inner.get(1) }",
        "pub fn f(inner: std::sync::Arc<Inner>) { inner.get(1) }",
        "pub fn f(inner: &std::sync::Mutex<Inner>) { inner.lock().unwrap().get(1) }",
        "pub fn f() { std::fs::read(\"a\"); }",
        "pub fn f() { b::read() } mod b { pub(super) fn read() {} }",
        "pub fn f() { String::new(); Box::new(1); std::sync::Mutex::new(1); }",
    ] {
        let found = with(&format!("{more} {text}"));
        assert_eq!(found, Vec::<String>::new(), "{text}");
    }
    for text in [
        "pub fn f() { Link::new(); }",
        "impl Link { pub(crate) fn again(&mut self) { self.open() } } pub fn f(l: L) { l.again() }",
        // What it is called on is not plain.
        "pub fn f(it: T) { it.get(1) }",
        "pub fn f(it: impl Opens) { it.get(1) }",
        "pub fn f(inner: &Inner) { let inner = other(); inner.get(1) }",
        "pub fn f(inner: &Inner) { g(|inner| inner.get(1)) }",
        "pub fn f(it: &std::sync::Mutex<Link>) { it.lock().unwrap().get(1); }",
        "pub fn f(it: Vec<T>) { it.last().get(1) }",
        "pub fn f(link: &mut Link) { read(link) }",
        "pub fn f<T: Opens>(it: T) { T::open(it) }",
    ] {
        let found = with(&format!("{more} {text}"));
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
    }
}

#[test]
fn a_type_is_known_under_its_other_names() {
    let more = "pub(crate) type Drive = Disk; type Pair<T> = (T, Disk);";
    finds("f", &with(&format!("{more} pub fn f(d: D) {{ Drive::execute(d, 1, &[]) }}")));
    finds(
        "f",
        &with(&format!("{more} impl Drive {{ pub fn f(&mut self) {{ self.execute(1, &[]) }} }}")),
    );
    clean(&with(&format!("{more} pub fn f(d: &Drive) {{ Drive::name(d); d.name(); }}")));
}

#[test]
fn two_types_of_one_name_are_two() {
    let other = "pub struct Disk; impl Disk { pub(crate) fn execute(&self) {} }";
    let raw = "/// Raw sender.\nfn send() {}
        pub(crate) struct Disk; impl Disk { pub(crate) fn execute() { send() } }";
    let f = |path: &str| {
        let text = format!("mod a; mod b; use {path}::Disk; pub fn f() {{ Disk::execute() }}");
        crate_of("emulator", &EMULATOR, &[("lib.rs", &text), ("a.rs", other), ("b.rs", raw)])
    };
    clean(&f("a"));
    finds("f", &f("b"));
}

#[test]
fn a_function_that_is_passed_as_a_value_counts_as_called() {
    finds("f", &with("pub fn f() -> F { Disk::execute }"));
    finds(
        "f",
        &with("pub fn f(d: D) { d.map(Self::g, one) } fn one(d: &mut Disk) { d.execute(1, &[]) }"),
    );
    clean(&with("pub fn f() -> F { Disk::name }"));
}

#[test]
fn what_stands_in_a_macro_counts() {
    for body in [
        "assert!(one(d) == 1, \"{}\", 2)",
        "vec![one(d); 3]",
        "json!({ \"a\": one(d) })",
        "matches!(one(d), Some(it) if it == 1)",
        "select! { it = crate::a::one(d) => it, else => 3 }",
        "quiet!(d)",
    ] {
        let text = format!(
            "macro_rules! quiet {{ ($d:expr) => {{ one($d) }} }}
             fn one(d: &mut Disk) -> u16 {{ d.execute(1, &[]) }}
             pub fn f(d: &mut Disk) {{ {body}; }}"
        );
        finds("f", &with(&text));
    }
    clean(&with("pub fn f(d: &Disk) { println!(\"execute {}\", d.name()); json!({ \"a\": d }) }"));
}

#[test]
fn a_method_of_somebody_elses_trait_is_public_whatever_it_is_for() {
    let body = "{ fn write(&mut self) { self.0.execute(1, &[]); } }";
    let hidden = "struct Hidden(Disk);";
    finds("write", &with(&format!("{hidden} impl std::io::Write for Hidden {body}")));
    finds("drop", &with("impl Drop for Disk { fn drop(&mut self) { self.execute(1, &[]); } }"));
    let own = "trait Writes { fn write(&mut self); }";
    finds("write", &with(&format!("{hidden} pub {own} impl Writes for Hidden {body}")));
    clean(&with(&format!("{hidden} {own} impl Writes for Hidden {body}")));
    finds(
        "f",
        &with(&format!(
            "{hidden} {own} impl Writes for Hidden {body} pub fn f(w: &mut dyn Writes) {{ w.write() }}"
        )),
    );
}

#[test]
fn what_a_trait_says_of_its_method_holds_for_each_that_implements_it() {
    let more = "trait Acts { /// Raw sender: does it.
            fn act(&self); fn look(&self) {} fn both(&self) { self.act() } }
        struct Pokes; impl Acts for Pokes { fn act(&self) {} }";
    finds("f", &with(&format!("{more} pub fn f() {{ Pokes.act() }}")));
    finds("f", &with(&format!("{more} pub fn f(it: &dyn Acts) {{ it.both() }}")));
    finds("f", &with(&format!("{more} pub fn f() {{ Pokes::both(&Pokes) }}")));
    clean(&with(&format!("{more} pub fn f() {{ Pokes.look() }}")));
}

#[test]
fn the_ends_of_the_road_may_send() {
    let submit = "impl Device for Disk { fn submit(&self, recorded: Recorded<Firmware>) -> R {
        let d = recorded.release(&self.observe())?; self.execute(d.opcode, d.payload) } }";
    clean(&with(submit));
    assert_eq!(roads_of(&format!("{RAW} {submit}")), Vec::<String>::new());
}

#[test]
fn a_function_may_send_that_takes_a_record_or_what_it_gives_out() {
    for takes in [
        "recorded: Recorded<Firmware>",
        "delivery: Delivery<R>",
        "delivery: &Delivery<R>",
        "delivery: &mut fwgate_gate::Delivery<R>",
    ] {
        clean(&with(&format!(
            "impl Disk {{ pub fn f(&mut self, {takes}) {{ self.execute(1, b) }} }}"
        )));
        // Nor does whoever calls it: it has a record too.
        let private = format!("fn g(d: &mut Disk, {takes}) {{ d.execute(1, b) }}");
        clean(&with(&format!(
            "{private} pub fn f(d: &mut Disk, all: &mut Held) {{ g(d, all.next()) }}"
        )));
    }
    for takes in [
        "recorded: Option<Recorded<Firmware>>",
        "make: impl Fn(&Delivery<R>)",
        "recorded: RecordedOnce",
        "recorded: crate::Recorded<Firmware>",
    ] {
        finds(
            "f",
            &with(&format!(
                "impl Disk {{ pub fn f(&mut self, {takes}) {{ self.execute(1, b) }} }}"
            )),
        );
    }
}

#[test]
fn a_type_of_the_crates_own_is_no_record() {
    let own = "pub struct Recorded; pub(crate) fn send(opcode: u16, payload: &[u8]) {}
        pub fn f(recorded: Recorded) { send(1, &[]) }";
    finds("f", &senders_of(own));
}

#[test]
fn an_end_of_the_road_that_does_not_open_the_record_is_found() {
    let found = roads_of(
        "use fwgate_gate::Recorded;
        impl fwgate_gate::Device for D {
            fn submit(&self, recorded: Recorded<Firmware>) -> R { self.execute(1, &[]) } }
        impl KernelInterface for D { fn run(&self, opcode: u16) -> R { x.release(&now) } }",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("`submit` does not call `release`"), "{found:?}");
    assert!(found[1].contains("`run` does not take a `Recorded`"), "{found:?}");
}

/// `abort` may write `cancel`, and that alone.
const ABORT: Signs = Signs {
    harmless: &[Harmless {
        by: ("crates/linux/src/a.rs", "stop"),
        calls: "cancel",
        why: "ends it",
    }],
    others: &[],
    ..LINUX
};

fn abort_of(stop: &str, abort: &str) -> Vec<String> {
    let text = format!(
        "fn put(fd: Fd) {{ rustix::io::write(&fd, b\"1\"); }}
         struct Class; impl Class {{ fn cancel(&self) {{ put(self) }} fn begin(&self) {{ put(self) }} }}
         struct Upload; impl Upload {{ fn stop(&self, class: &Class) {{ {stop} }} }}
         impl fwgate_gate::KernelInterface for Upload {{ fn abort(&self) {{ {abort} }} }}"
    );
    let source = Source::parse("crates/linux/src/a.rs", &text).unwrap();
    let mut found = Vec::new();
    raw_senders::check("linux", &ABORT, &[&source], &mut found);
    found
}

#[test]
fn an_excepted_call_is_that_call_by_that_function_only() {
    clean(&abort_of("class.cancel()", "self.stop(&self.class)"));
    finds("abort", &abort_of("class.cancel(); class.begin()", "self.stop(&self.class)"));
    finds("abort", &abort_of("class.cancel()", "self.stop(&self.class); Class.cancel()"));
    finds("abort", &abort_of("class.cancel()", "self.stop(&self.class); put(self.fd)"));
}

#[test]
fn an_exception_that_nobody_needs_is_found() {
    let found = abort_of("", "self.stop(&self.class)");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`stop` no longer leads to a sender by `cancel`"), "{found:?}");
}

#[test]
fn a_name_in_a_list_that_is_not_there_is_found() {
    const GONE: Signs = Signs {
        others: &[("crates/linux/src/a.rs", "number", "reads")],
        inside: &[("crates/linux/src/a.rs", "Registers", "private")],
        harmless: &[],
        ..LINUX
    };
    let check = |text: &str| {
        let source = Source::parse("crates/linux/src/a.rs", text).unwrap();
        let mut found = Vec::new();
        raw_senders::check("linux", &GONE, &[&source], &mut found);
        found
    };
    let found = check("/// Raw sender.\nfn f() {}");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("no function `number`"), "{found:?}");
    assert!(found[1].contains("no `impl Registers` that leads"), "{found:?}");
    let there =
        "fn number() {} struct D; impl wire::Registers for D { fn write32(&self) { number() } }";
    clean(&check(there));
    finds(
        "write32",
        &check(&format!("{there} impl wire::Other for D {{ fn write32(&self) {{ number() }} }}")),
    );
    // It counts as private, and not as harmless, whatever it hides behind.
    for call in [
        "(d: &D) { d.write32() }",
        "(d: &T) { d.write32() }",
        "(d: &mut dyn wire::Registers) { d.write32() }",
        "(d: &mut impl wire::Registers) { d.write32() }",
        "(d: &D) { wire::Registers::write32(d) }",
        "(d: &D) { <D as wire::Registers>::write32(d) }",
    ] {
        finds("f", &check(&format!("{there} pub fn f{call}")));
    }
}

#[test]
fn tests_may_send() {
    clean(&with("#[cfg(test)] mod t { pub fn f(d: &mut Disk) { d.execute(1, &[]) } }"));
    let lib = "/// Raw sender.\nfn send() {} #[cfg(test)] mod played; mod real;";
    let file = "pub fn f() { crate::send() } mod deeper { pub fn g() { crate::send() } }";
    let files = |name| [("lib.rs", lib), (name, file)];
    clean(&crate_of("emulator", &EMULATOR, &files("played.rs")));
    clean(&crate_of("emulator", &EMULATOR, &files("played/more.rs")));
    assert_eq!(crate_of("emulator", &EMULATOR, &files("real.rs")).len(), 2);
}

#[test]
fn a_crate_in_which_no_raw_sender_is_found_fails() {
    let found = senders_of("pub fn f() {}");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("the check has lost its object"), "{found:?}");
}

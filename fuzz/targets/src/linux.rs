// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the crate for Linux reads of a machine: events, command lines, names, and whole folders that
//! stand in for sysfs and procfs.
//!
//! The raw senders, and with them the replies of ioctls, are crate-private and stay so; they are
//! driven with any bytes by `crates/linux/src/path/tests/hostile.rs`.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};
use std::time::{Duration, Instant};

use fwgate_linux::caller;
use fwgate_linux::discover::{DeviceNumber, Machine, Marks, PciAddress, Roots, Uevent, around};
use fwgate_linux::host::{KernelConfig, PanicOnTaint, Taint, doctor, lockdown, module};
use fwgate_policy::{Capabilities, Known, Lockdown, PathKind};

use crate::Target;
use crate::tape::Tape;

/// By name.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("cmdline", cmdline),
    ("config", config),
    ("numbers", numbers),
    ("status", status),
    ("tree", tree),
    ("uevent", uevent),
];

/// A machine with one CXL memory device and one NVMe controller, as Linux 7.3 shows it on QEMU.
const MACHINE: &str = include_str!("../../../crates/linux/tests/trees/qemu-cxl-nvme.txt");
/// What a look at a whole machine may take, also where many run at once.
const LONG: Duration = Duration::from_secs(15);

/// Any bytes as a message: an event whose folder cannot lead elsewhere, or an error with its place.
fn uevent(data: &[u8]) {
    match Uevent::parse(data) {
        Ok(event) => {
            let plain = |part| matches!(part, Component::Normal(_));
            assert!(event.folder.components().all(plain), "{:?}", event.folder);
            let plain =
                |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
            assert!(event.subsystem.as_ref().is_none_or(plain), "{:?}", event.subsystem);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Any command line is read to its end, and what stands behind `--` changes nothing.
fn cmdline(data: &[u8]) {
    let state = PanicOnTaint::parse(data);
    let closed = [b"-- ", data].concat();
    assert_eq!(PanicOnTaint::parse(&closed), PanicOnTaint::default());
    let unquoted = !data.contains(&b'"') && !data.windows(2).any(|two| two == b"--");
    if unquoted {
        let more = [data, b" panic_on_taint=80000"].concat();
        assert!(PanicOnTaint::parse(&more).covers(19), "the last one counts");
    }
    assert!(!state.no_user_taint || contains(data, b"nousertaint"));
}

fn contains(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}

/// What is read as an address or a number is written as it was read.
fn numbers(data: &[u8]) {
    if let Some(number) = DeviceNumber::parse(data) {
        assert_eq!(number.to_string().as_bytes(), data);
    }
    let text = String::from_utf8_lossy(data);
    if let Some(address) = PciAddress::parse(&text) {
        assert_eq!(PciAddress::parse(&address.to_string()), Some(address), "{text}");
    }
    if let Some(address) = PciAddress::in_path(Path::new(text.as_ref())) {
        assert!(text.contains(':'), "{address}");
    }
}

/// Any text as the status of this process: no capability without the namespace.
fn status(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("proc/self");
    fs::create_dir_all(own.join("ns")).expect("a folder");
    fs::write(own.join("status"), data).expect("a file");
    let roots = Roots::at(folder.path());
    assert_eq!(caller::this_process(&roots).capabilities, Capabilities::default());
    symlink("user:[4026531837]", own.join("ns/user")).expect("a link");
    let held = caller::this_process(&roots).capabilities;
    assert!(held == Capabilities::default() || contains(data, b"CapEff:\t"));
}

/// Any bytes as the kernel's configuration and its lists of modules.
fn config(data: &[u8]) {
    let mut tape = Tape::new(data);
    let folder = tempfile::tempdir().expect("a folder");
    let put = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    };
    put("proc/sys/kernel/osrelease", if tape.yes() { b"7.3.4\n" } else { tape.piece() });
    match tape.below(3) {
        0 => put("proc/config.gz", tape.rest()),
        1 => put("boot/config-7.3.4", tape.rest()),
        _ => {
            put("lib/modules/7.3.4/modules.builtin", tape.piece());
            put("lib/modules/7.3.4/modules.dep", tape.rest());
        }
    }
    let roots = Roots::at(folder.path());
    let config = KernelConfig::read(&roots);
    for name in ["FWCTL", "BLK_SED_OPAL", ""] {
        assert_eq!(config.get(name).is_none(), config.source.is_none());
    }
    let _ = module(&roots, "cxl_core");
}

/// A machine of which any file may hold any bytes, be of another kind, be missing, or lead anywhere:
/// it is looked at within a bounded time, and what cannot be told is never "no".
fn tree(data: &[u8]) {
    let mut tape = Tape::new(data);
    let folder = tempfile::tempdir().expect("a folder");
    let machine = Machine { roots: Roots::at(folder.path()) };
    make(folder.path(), &mut tape);
    let started = Instant::now();
    look(&machine);
    let took = started.elapsed();
    assert!(took < LONG, "{took:?}");
}

fn look(machine: &Machine) {
    let roots = &machine.roots;
    let state = lockdown(roots);
    assert!(state.unread.is_none() || state.level == Lockdown::Integrity);
    let host = Taint::new(roots);
    // Where the command line cannot be read nobody can tell what a taint does.
    assert!(host.panic_on_taint().is_ok() || host.foretell(PathKind::Fwctl).is_err());
    let scan = match machine.scan() {
        Ok(scan) => scan,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(scan.unread.len() <= 1024);
    for target in scan.targets() {
        if let Ok(found) = scan.find(&target.name) {
            assert_eq!(found.name, target.name);
        }
        let surroundings = around(roots, &target);
        assert_eq!(surroundings.lockdown, state.level);
        let marks = Marks::new(roots, &target, None);
        let (first, second) = (marks.observe(), marks.observe());
        assert_eq!(first, second, "nothing has changed");
        assert!(!target.nodes().is_empty());
        if surroundings.driven == Known::CannotTell {
            // A device that is gone, or a driver that nobody knows: then nobody's say is lost.
            assert!(scan.devices.iter().any(|device| device.functions.len() < 65_536));
        }
    }
    let report = doctor(&scan);
    for finding in &report.findings {
        assert!(!finding.says.is_empty());
        assert!(!finding.says.contains(char::is_control), "{:?}", finding.says);
    }
}

/// The machine, with changes from the tape.
fn make(root: &Path, tape: &mut Tape<'_>) {
    let lines: Vec<&str> = MACHINE.lines().filter(|line| !line.starts_with('#')).collect();
    let mut changes: Vec<(usize, usize, &[u8])> = Vec::new();
    for _ in 0..tape.below(24) {
        changes.push((usize::from(tape.u16()) % lines.len(), tape.below(6), tape.piece()));
    }
    for (at, line) in lines.iter().enumerate() {
        let (path, plain) = match (line.split_once(" -> "), line.split_once(" = ")) {
            (Some((path, target)), _) => (path, Put::Link(target.as_bytes())),
            (None, Some((path, text))) => (path, Put::Text(text)),
            (None, None) => (line.trim_end_matches('/'), Put::Folder),
        };
        let change = changes.iter().find(|(which, _, _)| *which == at);
        let put = match change {
            None => plain,
            Some((_, 0, _)) => continue,
            Some((_, 1, bytes)) => Put::Bytes(bytes),
            Some((_, 2, bytes)) => Put::Link(bytes),
            Some((_, 3, _)) => Put::Folder,
            Some((_, 4, bytes)) => Put::Many(bytes),
            Some(_) => Put::Pipe,
        };
        put.at(root, Path::new(path));
    }
    for _ in 0..tape.below(8) {
        // Something new beside what is there.
        let line = lines[usize::from(tape.u16()) % lines.len()];
        let near = Path::new(line.split(' ').next().unwrap_or_default());
        let name: Vec<u8> =
            tape.piece().iter().copied().filter(|it| !matches!(it, 0 | b'/')).collect();
        let name = Path::new(std::ffi::OsStr::from_bytes(&name));
        if let Some(folder) = near.parent() {
            Put::Bytes(tape.piece()).at(root, &folder.join(name));
        }
    }
}

/// What is put in a place. Where it cannot be put, it is left out.
enum Put<'b> {
    Text(&'b str),
    Bytes(&'b [u8]),
    Many(&'b [u8]),
    Link(&'b [u8]),
    Folder,
    Pipe,
}

impl Put<'_> {
    fn at(&self, root: &Path, path: &Path) {
        // Nothing is put through a link, which may lead out of the folder, nor over what is there.
        let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || path.ancestors().any(|part| is_link(&root.join(part))) {
            return;
        }
        let path = &root.join(path);
        if let Some(folder) = path.parent() {
            let _ = fs::create_dir_all(folder);
        }
        if fs::symlink_metadata(path).is_ok() {
            return;
        }
        let _ = match self {
            Self::Text(text) => fs::write(path, text.replace("\\n", "\n")),
            Self::Bytes(bytes) => fs::write(path, bytes),
            Self::Many(bytes) => fs::write(path, bytes.repeat(64)),
            Self::Link(target) => symlink(std::ffi::OsStr::from_bytes(target), path),
            Self::Folder => fs::create_dir_all(path),
            Self::Pipe => {
                let mode = rustix::fs::Mode::RWXU;
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).map_err(Into::into)
            }
        };
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel itself says to a process: this program again, as another user, that makes the ioctls with
//! no gate between.
//!
//! *Invariants*: the child makes up nothing: it opens the nodes, makes the ioctls, and prints errnos.
//!
//! *Not here*: the ioctls (`fwgate_conformance::theirs`).

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use fwgate_conformance::build::{Rpc, Send, request};
use fwgate_conformance::ours::System as _;
use fwgate_conformance::theirs::{Names, Theirs};
use fwgate_gate::Caller;
use fwgate_linux::caller;
use fwgate_linux::discover::Roots;
use fwgate_policy::Capabilities;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// The first argument of the child.
pub(crate) const CHILD: &str = "--kernel-says";
/// The first argument of the one that keeps CAP_SYS_RAWIO while it becomes nobody.
pub(crate) const KEEPER: &str = "--nobody-with-rawio";

/// Who a process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    /// Root of the machine.
    Root,
    /// User 65534, without groups and capabilities.
    Nobody,
    /// The same with CAP_SYS_RAWIO and nothing else.
    Rawio,
    /// Root of the machine in a user namespace of its own, with all capabilities there.
    RootOfNamespace,
    /// Nobody as root of a user namespace of its own, with all capabilities there.
    NobodyOfNamespace,
}

impl Who {
    pub(crate) const ALL: [Self; 5] =
        [Self::Root, Self::Nobody, Self::Rawio, Self::RootOfNamespace, Self::NobodyOfNamespace];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Nobody => "nobody",
            Self::Rawio => "nobody with CAP_SYS_RAWIO",
            Self::RootOfNamespace => "root in a user namespace of its own",
            Self::NobodyOfNamespace => "nobody as root of a user namespace of its own",
        }
    }

    /// This program again, as that one.
    pub(crate) fn command(self, args: &[String]) -> Command {
        const SELF: &str = "/proc/self/exe";
        let this = std::env::current_exe().unwrap_or_else(|_| SELF.into());
        let mut command = match self {
            Self::Root | Self::Nobody => Command::new(this),
            Self::Rawio => {
                let mut command = Command::new(this);
                command.arg(KEEPER);
                command
            }
            Self::RootOfNamespace | Self::NobodyOfNamespace => {
                let mut command = Command::new("unshare");
                command.args(["-U", "-r"]).arg(this);
                command
            }
        };
        if matches!(self, Self::Nobody | Self::NobodyOfNamespace) {
            // Without groups too: `Command` drops them with the user.
            command.uid(65534).gid(65534);
        }
        command.args(args);
        command
    }
}

/// One thing to ask of the kernel.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ask {
    /// FWCTL_RPC: scope, opcode, payload.
    Rpc(u32, u16, Vec<u8>),
    /// CXL_MEM_SEND_COMMAND: id, payload, room.
    Id(u32, Vec<u8>, u32),
    /// The same by RAW: opcode, payload, room.
    Raw(u16, Vec<u8>, u32),
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

impl Ask {
    fn text(&self) -> String {
        match self {
            Self::Rpc(scope, opcode, payload) => format!("rpc:{scope}:{opcode}:{}", hex(payload)),
            Self::Id(id, payload, room) => format!("id:{id}:{room}:{}", hex(payload)),
            Self::Raw(opcode, payload, room) => format!("raw:{opcode}:{room}:{}", hex(payload)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (kind, first, second) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = unhex(parts.next()?)?;
        Some(match kind {
            "rpc" => Self::Rpc(first.parse().ok()?, second.parse().ok()?, payload),
            "id" => Self::Id(first.parse().ok()?, payload, second.parse().ok()?),
            "raw" => Self::Raw(first.parse().ok()?, payload, second.parse().ok()?),
            _ => return None,
        })
    }

    fn is_fwctl(&self) -> bool {
        matches!(self, Self::Rpc(..))
    }
}

/// What the kernel said to one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    /// The node could not be opened: errno.
    Closed(i32),
    /// The ioctl failed: errno.
    Refused(i32),
    /// It succeeded: the device's return code, and the reply as far as it was asked for.
    Done(u32, Vec<u8>),
}

impl Said {
    /// The errno of a refusal.
    pub(crate) const fn errno(&self) -> Option<i32> {
        match self {
            Self::Closed(errno) | Self::Refused(errno) => Some(*errno),
            Self::Done(..) => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Closed(errno) => format!("closed:{errno}:"),
            Self::Refused(errno) => format!("refused:{errno}:"),
            Self::Done(code, reply) => format!("done:{code}:{}", hex(reply)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (kind, number, reply) = (parts.next()?, parts.next()?, parts.next()?);
        Some(match kind {
            "closed" => Self::Closed(number.parse().ok()?),
            "refused" => Self::Refused(number.parse().ok()?),
            "done" => Self::Done(number.parse().ok()?, unhex(reply)?),
            _ => return None,
        })
    }
}

/// What the kernel said, and who it said it to, as that process sees itself.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    pub(crate) caller: Caller,
    pub(crate) said: BTreeMap<Ask, Said>,
}

impl Answers {
    pub(crate) fn to(&self, ask: &Ask) -> Result<&Said, String> {
        self.said.get(ask).ok_or_else(|| format!("no answer to {ask:?}"))
    }
}

/// Asks the kernel as somebody. `fwctl` and `memdev` are the names of nodes.
pub(crate) fn ask(
    who: Who,
    fwctl: Option<&str>,
    memdev: Option<&str>,
    asks: &[Ask],
) -> Result<Answers, String> {
    let mut args = vec![CHILD.to_owned(), fwctl.unwrap_or("-").to_owned()];
    args.push(memdev.unwrap_or("-").to_owned());
    args.extend(asks.iter().map(Ask::text));
    let output = who.command(&args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", who.name()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = |what: &str| {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("{}: {what}: {}; said `{text}` and `{errors}`", who.name(), output.status)
    };
    if !output.status.success() {
        return Err(failed("ended badly"));
    }
    let mut lines = text.lines();
    let numbers: Option<Vec<u32>> =
        lines.next().and_then(|line| line.split(' ').map(|word| word.parse().ok()).collect());
    let [uid, gid, sys_admin, sys_rawio] = numbers.as_deref().unwrap_or_default() else {
        return Err(failed("does not say who it is"));
    };
    let capabilities = Capabilities { sys_admin: *sys_admin == 1, sys_rawio: *sys_rawio == 1 };
    let caller = Caller::stand_in(*uid, *gid, Vec::new(), capabilities);
    let said: Option<Vec<Said>> = lines.map(Said::parse).collect();
    let said = said
        .filter(|said| said.len() == asks.len())
        .ok_or_else(|| failed("answers are missing"))?;
    Ok(Answers { caller, said: asks.iter().cloned().zip(said).collect() })
}

/// The child: opens, asks, prints.
pub(crate) fn child(args: &[String]) -> ExitCode {
    let [fwctl, memdev, asks @ ..] = args else { return ExitCode::from(2) };
    let this = caller::this_process(&Roots::here());
    let Capabilities { sys_admin, sys_rawio } = this.capabilities;
    println!("{} {} {} {}", this.uid, this.gid, u8::from(sys_admin), u8::from(sys_rawio));
    let name = |text: &String| (text != "-").then(|| text.clone());
    let (fwctl, memdev) = (name(fwctl), name(memdev));
    let closed = |folder: &str, name: &Option<String>| {
        let name = name.as_ref()?;
        let path = format!("/dev/{folder}/{name}");
        let opened = std::fs::OpenOptions::new().read(true).write(true).open(path);
        opened.err().map(|error| error.raw_os_error().unwrap_or(-1))
    };
    let (no_fwctl, no_memdev) = (closed("fwctl", &fwctl), closed("cxl", &memdev));
    let names = Names {
        fwctl: fwctl.filter(|_| no_fwctl.is_none()),
        memdev: memdev.filter(|_| no_memdev.is_none()),
        nothing_exclusive: false,
    };
    let mut theirs = match Theirs::open(names) {
        Ok(theirs) => theirs,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    for ask in asks {
        let Some(ask) = Ask::parse(ask) else { return ExitCode::from(2) };
        let said = match if ask.is_fwctl() { no_fwctl } else { no_memdev } {
            Some(errno) => Said::Closed(errno),
            None => make(&mut theirs, &ask),
        };
        println!("{}", said.text());
    }
    ExitCode::SUCCESS
}

/// Where the argument and the reply lie.
use fwgate_conformance::build::{ARG, OUTPUT};

fn make(theirs: &mut Theirs, ask: &Ask) -> Said {
    let call = match ask {
        Ask::Rpc(scope, opcode, payload) => {
            Rpc::new(*scope, request((*opcode).into(), payload)).call()
        }
        Ask::Id(id, payload, room) => Send::id(*id, payload.clone(), *room).call(),
        Ask::Raw(opcode, payload, room) => Send::raw(*opcode, payload.clone(), *room).call(),
    };
    let outcome = theirs.ioctl(&call);
    if let Err(errno) = outcome.returned {
        return Said::Refused(errno);
    }
    let word = |at: u64| outcome.word(at).unwrap_or(u32::MAX);
    if ask.is_fwctl() {
        // The response's header: size, return code.
        let size = word(OUTPUT) as usize;
        Said::Done(word(OUTPUT + 4), outcome.bytes(OUTPUT + 8, size.min(4096)))
    } else {
        let size = word(ARG + 32) as usize;
        Said::Done(word(ARG + 12), outcome.bytes(OUTPUT, size.min(4096)))
    }
}

/// The first argument of the child that opens a device by a gate of its own.
pub(crate) const GATE: &str = "--gate-says";

/// What a gate in a process of somebody's own comes to when it opens a device; everything is permitted there.
pub(crate) fn gate(who: Who, name: &str) -> Result<Result<(), String>, String> {
    let args = [GATE.to_owned(), name.to_owned()];
    let output = who.command(&args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", who.name()))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match text.strip_prefix("not opened: ") {
        Some(why) => Ok(Err(why.to_owned())),
        None if text == "opened" => Ok(Ok(())),
        None => Err(format!("{}: {}, `{text}`", who.name(), output.status)),
    }
}

/// The child of that.
pub(crate) fn gate_child(args: &[String]) -> ExitCode {
    let [name] = args else { return ExitCode::from(2) };
    match crate::rig::Rig::new().open(name) {
        Ok(_) => println!("opened"),
        Err(why) => println!("not opened: {}", why.replace('\n', " ")),
    }
    ExitCode::SUCCESS
}

/// Becomes nobody, keeps CAP_SYS_RAWIO, and goes on as this program.
pub(crate) fn keeper(args: &[String]) -> ExitCode {
    match keep() {
        Ok(()) => {
            let this = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
            let error = Command::new(this).args(args).exec();
            eprintln!("cannot go on: {error}");
        }
        Err(error) => eprintln!("cannot keep CAP_SYS_RAWIO: {error}"),
    }
    ExitCode::FAILURE
}

fn keep() -> io::Result<()> {
    use rustix::thread as t;
    let (uid, gid) = (rustix::process::Uid::from_raw(65534), rustix::process::Gid::from_raw(65534));
    t::set_keep_capabilities(true)?;
    t::set_thread_groups(&[])?;
    t::set_thread_res_gid(gid, gid, gid)?;
    t::set_thread_res_uid(uid, uid, uid)?;
    let only = CapabilitySet::SYS_RAWIO;
    t::set_capabilities(
        None,
        CapabilitySets { effective: only, permitted: only, inheritable: only },
    )?;
    t::configure_capability_in_ambient_set(CapabilitySet::SYS_RAWIO, true)?;
    Ok(())
}

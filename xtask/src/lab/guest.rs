// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots a guest and waits for its end.
//!
//! The share is a folder of this machine: `run.sh` in it is run, and left in it are `out.txt` (what
//! it printed), `rc` (its status), `dmesg.txt`, `console.txt`, `qemu.log` and, if the guest asked,
//! `qmp.log`.
//!
//! *Invariants*: a guest ends within its limit, also when this program does not. Disks are thrown
//! away with the run.
//!
//! *Not here*: what QEMU is told (`machine`); the guest's side (`xtask/lab/init`).

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::cache::{Cache, fail, remove, tail};
use super::initrd;
use super::machine::{Files, Wanted, arguments};
use super::qmp::{Channel, Relay};

/// The size of each disk; the files are sparse.
const DISK: u64 = 64 << 20;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the status of `run.sh`.
    Status(u8),
    /// At its limit.
    Timeout,
    /// Without a status.
    Silent,
}

impl End {
    /// As an exit status: 124 and 125 as `timeout` has them.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Status(status) => status,
            Self::Timeout => 124,
            Self::Silent => 125,
        }
    }
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) end: End,
    pub(crate) time: Duration,
    /// The console's or QEMU's last words, where there is no status.
    pub(crate) last_words: String,
}

/// What is done once QEMU runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// Nothing.
    Alone,
    /// A person is given the console.
    Shell,
    /// Devices are plugged in.
    Plug(fn(&mut Channel) -> Result<(), String>),
}

/// Boots the fast guest with the folder as its share.
pub(crate) fn run(cache: &Cache, wanted: &Wanted, share: &Path) -> Result<Run, String> {
    let share = share.canonicalize().map_err(|error| fail(share, &error))?;
    if !share.is_dir() {
        return Err(format!("{}: not a folder", share.display()));
    }
    let scratch = tempfile::Builder::new().prefix("fwgate-lab.").tempdir();
    let scratch = scratch.map_err(|error| format!("no folder for a run: {error}"))?;
    let files = Files {
        kernel: cache.path(wanted.kernel.file()),
        initrd: cache.path(&initrd::path(wanted.kernel, wanted.modules)),
        share: share.clone(),
        run: scratch.path().to_owned(),
    };
    for disk in files.disks() {
        let made = File::create(&disk).and_then(|file| file.set_len(DISK));
        made.map_err(|error| fail(&disk, &error))?;
    }
    let arguments = arguments(wanted, &files);
    let start = if wanted.shell { Start::Shell } else { Start::Alone };
    boot(&arguments, wanted.limit, &files.qmp(), &share, start)
}

/// Starts QEMU and waits.
pub(crate) fn boot(
    arguments: &[String],
    limit: u32,
    qmp: &Path,
    share: &Path,
    start: Start,
) -> Result<Run, String> {
    for old in ["rc", "out.txt", "dmesg.txt", "console.txt", "qmp.log", "qemu.log"] {
        remove(&share.join(old))?;
    }
    let log = share.join("qemu.log");
    let log = File::create(&log).map_err(|error| fail(&log, &error))?;
    // `timeout` outlives us if it must.
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--kill-after=5s", &format!("{limit}s"), "qemu-system-x86_64"]);
    command.args(arguments);
    if !matches!(start, Start::Shell) {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    }
    let began = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("cannot run timeout: {error}"))?;
    if let Some(console) = child.stdout.take() {
        let relay = match start {
            Start::Plug(plug) => {
                let channel = Channel::connect(qmp).and_then(|mut channel| {
                    let plugged = plug(&mut channel);
                    if plugged.is_err() {
                        // Nothing is left running.
                        let _ = channel.ask(&json!({"execute": "quit"}));
                    }
                    plugged.map(|()| channel)
                });
                let said = || tail(&fs::read(share.join("qemu.log")).unwrap_or_default(), 4);
                Relay::over(channel.map_err(|why| format!("{why}\n{}", said()))?)
            }
            Start::Alone | Start::Shell => Relay::new(qmp.to_owned()),
        };
        watch(console, &share.join("console.txt"), &share.join("qmp.log"), relay)?;
    }
    let status = child.wait().map_err(|error| format!("QEMU: {error}"))?;
    let time = began.elapsed();
    let end = end(fs::read_to_string(share.join("rc")).ok().as_deref(), status.code());
    let last_words = match end {
        End::Status(_) => String::new(),
        End::Timeout | End::Silent => {
            let part = |name: &str| tail(&fs::read(share.join(name)).unwrap_or_default(), 8);
            format!("{}\n{}", part("console.txt"), part("qemu.log")).trim().to_owned()
        }
    };
    Ok(Run { end, time, last_words })
}

/// From what the guest left and how QEMU ended.
fn end(rc: Option<&str>, qemu: Option<i32>) -> End {
    match (rc.and_then(|text| text.trim().parse().ok()), qemu) {
        (Some(status), _) => End::Status(status),
        (None, Some(124 | 137)) => End::Timeout,
        (None, _) => End::Silent,
    }
}

/// Keeps the console until it ends, and carries the requests in it.
fn watch(console: impl Read, kept: &Path, log: &Path, mut relay: Relay) -> Result<(), String> {
    let mut kept_file = File::create(kept).map_err(|error| fail(kept, &error))?;
    let mut console = BufReader::new(console);
    let mut line = Vec::new();
    loop {
        line.clear();
        match console.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => kept_file.write_all(&line).map_err(|error| fail(kept, &error))?,
            Err(error) => return Err(format!("the console: {error}")),
        }
        if let Some(answer) = relay.line(&String::from_utf8_lossy(&line)) {
            let file = File::options().create(true).append(true).open(log);
            file.and_then(|mut file| writeln!(file, "{answer}"))
                .map_err(|error| fail(log, &error))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_the_script_counts_also_when_qemu_was_killed_after_it() {
        assert_eq!(end(Some("3\n"), Some(0)), End::Status(3));
        assert_eq!(end(Some("0"), Some(124)), End::Status(0));
    }

    #[test]
    fn no_status_is_never_success() {
        assert_eq!(end(None, Some(0)).code(), 125);
        assert_eq!(end(Some(""), Some(0)).code(), 125);
        assert_eq!(end(Some("300"), None).code(), 125);
        assert_eq!(end(None, Some(124)).code(), 124);
        assert_eq!(end(None, Some(137)).code(), 124);
    }

    #[test]
    fn the_console_is_kept_and_a_refused_request_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("console.txt");
        let log = folder.path().join("qmp.log");
        let text = b"LAB: ready\nLAB-QMP {\"execute\":\"quit\",\"id\":\"1\"}\n\xff end";
        watch(text.as_slice(), &kept, &log, Relay::new("/no/such/socket".into())).unwrap();
        assert_eq!(fs::read(kept).unwrap(), text);
        assert!(fs::read_to_string(log).unwrap().contains("\"id\":\"1\""));
    }
}

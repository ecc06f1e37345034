// SPDX-License-Identifier: MIT OR Apache-2.0
//! A trace instance of our own: buffers that no other reader empties and none of ours disturbs.
//!
//! Lines are hostile; the folder is root's.
//!
//! *Invariants*: what is read is bounded, by length and by time. The instance is removed when it is
//! dropped; one that a killed process of this program left behind is removed by the next.
//!
//! *Spec*: `Documentation/trace/ftrace.rst`, "Instances"; `tracing_read_pipe` in
//! `kernel/trace/trace.c @ v7.3`. Its poll waits for a half-full buffer, so it is read without.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fwgate_gate::SubmitError;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::super::acts::nothing;
use super::super::attribute::{self, Failed};
use super::super::errno::{self, Rules};
use super::format::{Format, TraceEvent};
use super::record;
use crate::discover::roots::Roots;

/// What our instances are called, before the process id.
const PREFIX: &str = "fwgate-";
/// Longest line that is an event. The kernel's own limit is two pages.
const MAX_LINE: usize = 16_384;
/// Longest `format` file.
const MAX_FORMAT: usize = 65_536;
/// Events taken at once.
const MAX_EVENTS: usize = 8192;
/// Bytes read at once, so that a pipe that never ends does not hold anyone.
const MAX_READ: usize = 8 << 20;
/// How often an empty pipe is looked at.
const PERIOD: Duration = Duration::from_millis(10);

const RULES: Rules = Rules {
    permission: "the kernel gives out no trace under lockdown, or not to this user",
    sends_nothing: true,
    ..Rules::PLAIN
};

/// Numbers the instances of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// What came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Read {
    /// Events, in the order of the buffer.
    pub(crate) events: Vec<TraceEvent>,
    /// Events that are known to be lost, and lines that are none.
    pub(crate) lost: u64,
}

/// An instance, enabled.
#[derive(Debug)]
pub(crate) struct Instance {
    folder: PathBuf,
    /// `None` only while it is dropped.
    pipe: Option<File>,
    formats: BTreeMap<String, Format>,
    /// The begin of a line whose end is not there yet.
    partial: Vec<u8>,
    /// Whether that line is too long, and only its end is waited for.
    skipping: bool,
    /// Whether the folder is ours to remove.
    ours: bool,
}

impl Instance {
    /// Makes one and enables these events in it.
    pub(crate) fn make(roots: &Roots, events: &[&str]) -> Result<Self, SubmitError> {
        let instances = roots.tracefs().join("instances");
        sweep(&instances, &roots.proc());
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = instances.join(format!("{PREFIX}{}-{number}", std::process::id()));
        rustix::fs::mkdir(&folder, Mode::RWXU).map_err(|errno| not_made(&folder, errno))?;
        Self::attach(folder, events, true)
    }

    /// Enables these events in a folder that is there.
    pub(crate) fn attach(
        folder: PathBuf,
        events: &[&str],
        ours: bool,
    ) -> Result<Self, SubmitError> {
        // From here on, dropping it removes it.
        let mut instance = Self {
            folder,
            pipe: None,
            formats: BTreeMap::new(),
            partial: Vec::new(),
            skipping: false,
            ours,
        };
        let folder = instance.folder.clone();
        let fail = |path: &Path, failed| errno::error(path, failed, &RULES);
        // The name of the interrupted task would stand in the line, and that is anyone's choice.
        let option = folder.join("options/context-info");
        attribute::put(&option, "0").map_err(|failed| fail(&option, failed))?;
        for event in events {
            let place = folder.join("events/cxl").join(event);
            let path = place.join("format");
            let file = match attribute::bytes(&path, MAX_FORMAT) {
                Ok(file) => String::from_utf8_lossy(&file).into_owned(),
                // An older kernel has fewer events.
                Err(Failed::Open(Errno::NOENT)) => continue,
                Err(failed) => return Err(fail(&path, failed)),
            };
            let format = Format::parse(event, &file).map_err(nothing)?;
            record::check(event, &format).map_err(nothing)?;
            let enable = place.join("enable");
            attribute::put(&enable, "1").map_err(|failed| fail(&enable, failed))?;
            instance.formats.insert((*event).to_owned(), format);
        }
        if instance.formats.is_empty() {
            return Err(nothing("the kernel has none of the `cxl` trace events"));
        }
        let path = folder.join("trace_pipe");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let pipe = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|errno| fail(&path, Failed::Open(errno)))?;
        instance.pipe = Some(File::from(pipe));
        Ok(instance)
    }

    /// Takes what is there now.
    pub(crate) fn take(&mut self) -> Result<Read, SubmitError> {
        let mut read = Read::default();
        let mut chunk = vec![0; 65_536];
        let mut total = 0usize;
        loop {
            let Some(pipe) = &mut self.pipe else { return Ok(read) };
            let count = match pipe.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(nothing(format!("the trace cannot be read: {error}"))),
            };
            self.lines(chunk.get(..count).unwrap_or_default(), &mut read);
            total = total.saturating_add(count);
            if total >= MAX_READ || read.events.len() >= MAX_EVENTS {
                break;
            }
        }
        Ok(read)
    }

    /// Waits for something that `enough` is content with, at most until then.
    pub(crate) fn wait(
        &mut self,
        until: Instant,
        mut enough: impl FnMut(Read) -> bool,
    ) -> Result<(), SubmitError> {
        loop {
            let read = self.take()?;
            if enough(read) || Instant::now() >= until {
                return Ok(());
            }
            std::thread::sleep(PERIOD.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn lines(&mut self, bytes: &[u8], read: &mut Read) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, ended) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            if !self.skipping {
                self.partial.extend_from_slice(piece);
                self.skipping = self.partial.len() > MAX_LINE;
            }
            if self.skipping {
                self.partial.clear();
            }
            if ended {
                let line = std::mem::take(&mut self.partial);
                if std::mem::take(&mut self.skipping) {
                    read.lost = read.lost.saturating_add(1);
                } else {
                    self.line(&line, read);
                }
            }
        }
    }

    fn line(&self, line: &[u8], read: &mut Read) {
        let Ok(line) = core::str::from_utf8(line) else {
            read.lost = read.lost.saturating_add(1);
            return;
        };
        let line = line.trim_start();
        if line.is_empty() {
            return;
        }
        if let Some(count) = lost(line) {
            read.lost = read.lost.saturating_add(count);
            return;
        }
        let event = line
            .split_once(": ")
            .and_then(|(name, rest)| self.formats.get(name).and_then(|format| format.read(rest)));
        match event {
            Some(event) if read.events.len() < MAX_EVENTS => read.events.push(event),
            _ => read.lost = read.lost.saturating_add(1),
        }
    }
}

/// Why there is no instance. Under lockdown, tracefs makes no files and answers EINVAL
/// (`tracefs_create_dir` in `fs/tracefs/inode.c @ v7.3`).
fn not_made(folder: &Path, errno: Errno) -> SubmitError {
    match errno {
        Errno::INVAL | Errno::PERM | Errno::ACCESS => {
            errno::refused(errno, format!("`{}`: {}", folder.display(), RULES.permission))
        }
        _ => errno::error(folder, Failed::Open(errno), &RULES),
    }
}

/// `CPU:3 [LOST 5 EVENTS]`.
fn lost(line: &str) -> Option<u64> {
    let (_, rest) = line.strip_prefix("CPU:")?.split_once("[LOST ")?;
    record::decimal(rest.strip_suffix(" EVENTS]")?)
}

impl Drop for Instance {
    fn drop(&mut self) {
        // An instance with an open file cannot be removed.
        drop(self.pipe.take());
        if self.ours {
            let _gone_or_not = rustix::fs::rmdir(&self.folder);
        }
    }
}

/// Removes what processes of this program left that are no more.
fn sweep(instances: &Path, proc: &Path) {
    let Ok(entries) = std::fs::read_dir(instances) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let Some(id) = id.and_then(|(id, _)| record::decimal(id)) else { continue };
        if !proc.join(id.to_string()).exists() {
            let _busy_or_gone = rustix::fs::rmdir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lockdown_is_the_kernels_refusal_and_no_tracefs_is_none() {
        let place = Path::new("/sys/kernel/tracing/instances/x");
        for errno in [Errno::INVAL, Errno::PERM, Errno::ACCESS] {
            let error = not_made(place, errno).to_string();
            assert!(error.contains("under lockdown") && error.contains("refused"), "{error}");
        }
        let error = not_made(place, Errno::NOENT);
        assert!(matches!(error, SubmitError::Transport { may_have_run: false, .. }), "{error}");
    }
}

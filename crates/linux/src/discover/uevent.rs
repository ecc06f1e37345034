// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's events: what came, went or changed.
//!
//! Hostile: any process may send to a netlink socket, and root may have the kernel pass on text of
//! its own. A message only ever makes facts void, so the worst that a forged one does is that facts
//! are read again.
//!
//! *Invariants*: a message counts only if its sender is the kernel (port 0). What is lost, too long
//! or not understood counts as a change of everything. Counts are kept for watched paths only.
//!
//! *Not here*: what is made of the counts (`generation`).
//!
//! *Spec*: `lib/kobject_uevent.c @ v7.3`: `ACTION@DEVPATH`, zero, then `KEY=VALUE` with a zero each,
//! 2048 bytes of them; multicast group 1; sent to network namespaces of the initial user namespace
//! only; ENOBUFS is left to user space.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{self, AddressFamily, RecvFlags, SocketFlags, SocketType};
use thiserror::Error;

/// The kernel's multicast group; 2 is udev's.
const KERNEL_GROUP: u32 = 1;
/// Longer than the kernel can make a message: 2048 bytes of variables and two paths of 4096.
const MESSAGE: usize = 16 << 10;
/// Messages taken at one go.
const AT_ONCE: usize = 65_536;
/// Room for messages that were not taken yet, in bytes.
const ROOM: usize = 1 << 20;
/// More variables than the kernel has room for.
const MAX_KEYS: usize = 256;

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// It came.
    Add,
    /// It went.
    Remove,
    /// It changed.
    Change,
    /// It has another name.
    Move,
    /// It is back.
    Online,
    /// It is off.
    Offline,
    /// A driver took it.
    Bind,
    /// Its driver let go of it.
    Unbind,
    /// Something that 7.3 does not know.
    Other(String),
}

impl Action {
    fn parse(text: &str) -> Self {
        match text {
            "add" => Self::Add,
            "remove" => Self::Remove,
            "change" => Self::Change,
            "move" => Self::Move,
            "online" => Self::Online,
            "offline" => Self::Offline,
            "bind" => Self::Bind,
            "unbind" => Self::Unbind,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether what there is may be other than before.
    #[must_use]
    pub const fn comes_or_goes(&self) -> bool {
        !matches!(self, Self::Change)
    }
}

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Uevent {
    /// What happened.
    pub action: Action,
    /// To what: its folder relative to sysfs, such as `devices/virtual/...`.
    pub folder: PathBuf,
    /// The subsystem it is of.
    pub subsystem: Option<String>,
    /// The kernel's running number.
    pub sequence: Option<u64>,
}

/// Why there is no event.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum UeventError {
    /// A message is not of the kernel's form.
    #[error("event at byte {at}: expected {expected}")]
    Malformed {
        /// Where.
        at: usize,
        /// What was looked for.
        expected: &'static str,
    },
    /// The socket is not to be had.
    #[error("the kernel's events are not to be had (errno {errno})")]
    Socket {
        /// The errno.
        errno: i32,
    },
}

impl Uevent {
    /// Reads one message.
    ///
    /// # Errors
    ///
    /// [`UeventError::Malformed`] with the place.
    pub fn parse(message: &[u8]) -> Result<Self, UeventError> {
        let malformed = |at, expected| UeventError::Malformed { at, expected };
        let Some((0, body)) = message.split_last() else {
            return Err(malformed(message.len(), "a zero at the end"));
        };
        let mut parts = body.split(|byte| *byte == 0);
        let head = parts.next().unwrap_or_default();
        let head =
            core::str::from_utf8(head).map_err(|error| malformed(error.valid_up_to(), "UTF-8"))?;
        let (action, path) =
            head.split_once('@').ok_or_else(|| malformed(0, "an action, `@` and a path"))?;
        let plain = !action.is_empty() && action.bytes().all(|byte| byte.is_ascii_lowercase());
        if !plain {
            return Err(malformed(0, "an action"));
        }
        let folder = path
            .strip_prefix('/')
            .filter(|path| !path.split('/').any(|part| matches!(part, "" | "." | "..")))
            .ok_or_else(|| malformed(action.len().saturating_add(1), "a path from the root"))?;
        let mut event = Self {
            action: Action::parse(action),
            folder: folder.into(),
            subsystem: None,
            sequence: None,
        };
        let mut at = head.len().saturating_add(1);
        for (index, part) in parts.enumerate() {
            let expected = |expected| malformed(at, expected);
            if index >= MAX_KEYS {
                return Err(expected("fewer variables"));
            }
            let equals = part.iter().position(|byte| *byte == b'=');
            let (key, value) = equals
                .and_then(|equals| {
                    Some((part.get(..equals)?, part.get(equals.saturating_add(1)..)?))
                })
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| expected("`KEY=VALUE`"))?;
            match key {
                b"ACTION" if value != action.as_bytes() => {
                    return Err(expected("the same action as in the head"));
                }
                b"DEVPATH" if value != path.as_bytes() => {
                    return Err(expected("the same path as in the head"));
                }
                b"SUBSYSTEM" => event.subsystem = Some(value.escape_ascii().to_string()),
                b"SEQNUM" => {
                    let number = super::sysfs::number(value).ok_or_else(|| expected("a number"))?;
                    event.sequence = Some(number);
                }
                _ => {}
            }
            at = at.saturating_add(part.len()).saturating_add(1);
        }
        Ok(event)
    }
}

#[derive(Debug, Default)]
struct Counts {
    /// Times that something was lost: everything may have changed.
    everything: u64,
    /// Times that something of a watched subsystem came or went.
    hotplug: u64,
    /// Watchers and events of watched folders.
    watched: BTreeMap<PathBuf, (usize, u64)>,
}

/// Subsystems whose comings and goings make another scan worth while.
const HOTPLUG: [&str; 9] =
    ["auxiliary", "block", "cxl", "edac", "fwctl", "nd", "nvme", "nvme-subsystem", "pci"];

/// The kernel's event socket. One serves the whole process.
#[derive(Debug)]
pub struct Uevents {
    socket: OwnedFd,
    counts: Mutex<Counts>,
}

impl Uevents {
    /// Opens the socket. What happens from now on is seen.
    ///
    /// # Errors
    ///
    /// [`UeventError::Socket`] where the kernel gives none.
    pub fn open() -> Result<Self, UeventError> {
        let failed = |errno: Errno| UeventError::Socket { errno: errno.raw_os_error() };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::RAW;
        let socket = net::socket_with(AddressFamily::NETLINK, kind, flags, Some(KOBJECT_UEVENT))
            .map_err(failed)?;
        // More room where that is allowed; what is lost all the same is noticed.
        let _ = net::sockopt::set_socket_recv_buffer_size_force(&socket, ROOM)
            .or_else(|_| net::sockopt::set_socket_recv_buffer_size(&socket, ROOM));
        net::bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP)).map_err(failed)?;
        Ok(Self { socket, counts: Mutex::default() })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come so far; returns at once.
    pub fn drain(&self) {
        let mut counts = self.counts();
        let mut buffer = vec![0_u8; MESSAGE];
        for _ in 0..AT_ONCE {
            let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
            let (kept, sent, from) = match net::recvfrom(&self.socket, buffer.as_mut_slice(), flags)
            {
                Ok((kept, sent, from)) => (kept, sent, from),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => continue,
                Err(errno) => {
                    counts.everything = counts.everything.saturating_add(1);
                    if errno == Errno::NOBUFS {
                        continue;
                    }
                    return;
                }
            };
            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            if from.is_none_or(|from| from.pid() != 0) {
                continue;
            }
            counts.take(if sent > kept { None } else { buffer.get(..kept) });
        }
        // Still more: whoever asks again gets it, but is not to believe that this was all.
        counts.everything = counts.everything.saturating_add(1);
    }

    /// Watches folders of sysfs, given relative to it, until [`unwatch`](Self::unwatch).
    pub fn watch<'p>(&self, folders: impl IntoIterator<Item = &'p Path>) {
        let mut counts = self.counts();
        for folder in folders {
            let (watchers, _) = counts.watched.entry(folder.to_owned()).or_default();
            *watchers = watchers.saturating_add(1);
        }
    }

    /// Ends what [`watch`](Self::watch) began.
    pub fn unwatch<'p>(&self, folders: impl IntoIterator<Item = &'p Path>) {
        let mut counts = self.counts();
        for folder in folders {
            if let Some((watchers, _)) = counts.watched.get_mut(folder) {
                *watchers = watchers.saturating_sub(1);
                if *watchers == 0 {
                    counts.watched.remove(folder);
                }
            }
        }
    }

    /// How often anything happened to these watched folders, or may have. Takes what has come first.
    #[must_use]
    pub fn seen<'p>(&self, folders: impl IntoIterator<Item = &'p Path>) -> u64 {
        self.drain();
        let counts = self.counts();
        let of = |folder| counts.watched.get(folder).map_or(0, |(_, events)| *events);
        folders.into_iter().map(of).fold(counts.everything, u64::saturating_add)
    }

    /// How often a device that matters here came or went, or may have. Takes what has come first.
    #[must_use]
    pub fn hotplug(&self) -> u64 {
        self.drain();
        let counts = self.counts();
        counts.hotplug.saturating_add(counts.everything)
    }
}

impl AsFd for Uevents {
    /// To wait on: readable where something has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Counts {
    /// One message of the kernel's; `None` where it was too long.
    fn take(&mut self, message: Option<&[u8]>) {
        let Some(Ok(event)) = message.map(Uevent::parse) else {
            self.everything = self.everything.saturating_add(1);
            return;
        };
        if let Some((_, events)) = self.watched.get_mut(&event.folder) {
            *events = events.saturating_add(1);
        }
        let subsystem = event.subsystem.as_deref();
        let matters = subsystem.is_none_or(|subsystem| HOTPLUG.contains(&subsystem));
        if matters && event.action.comes_or_goes() {
            self.hotplug = self.hotplug.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FOLDER: &str = "devices/pci0000:00/0000:00:04.0/nvme/nvme0";

    fn message(action: &str, path: &str, rest: &[&str]) -> Vec<u8> {
        let mut bytes =
            format!("{action}@/{path}\0ACTION={action}\0DEVPATH=/{path}\0").into_bytes();
        for part in rest {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn a_message_of_the_kernel_is_read() {
        let rest = ["SUBSYSTEM=nvme", "NVME_EVENT=connected", "SEQNUM=1234"];
        let event = Uevent::parse(&message("change", FOLDER, &rest)).unwrap();
        assert_eq!(event.action, Action::Change);
        assert_eq!(event.folder, Path::new(FOLDER));
        assert_eq!(event.subsystem.as_deref(), Some("nvme"));
        assert_eq!(event.sequence, Some(1234));
    }

    #[test]
    fn a_message_that_contradicts_itself_or_is_cut_is_refused_with_its_place() {
        let whole = message("add", FOLDER, &["SUBSYSTEM=nvme"]);
        assert!(Uevent::parse(&whole).is_ok());
        for cut in 0..whole.len() {
            let piece = whole.get(..cut).unwrap();
            // Cut behind a zero it is a shorter message of the same form.
            assert_eq!(Uevent::parse(piece).is_ok(), piece.ends_with(b"\0"), "{cut}");
        }
        for wrong in [
            &b""[..],
            b"\0",
            b"libudev\0\xfe\xed\xca\xfe\0",
            b"@/devices/x\0",
            b"add@devices/x\0",
            b"add@/devices/../x\0",
            b"add@/devices//x\0",
            b"add@/devices/x\0ACTION=remove\0",
            b"add@/devices/x\0DEVPATH=/devices/y\0",
            b"add@/devices/x\0SEQNUM=-1\0",
            b"add@/devices/x\0NOVALUE\0",
            b"add@/devices/x\0=1\0",
            b"\xff@/devices/x\0",
        ] {
            let error = Uevent::parse(wrong).unwrap_err();
            assert!(matches!(error, UeventError::Malformed { .. }), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn events_count_for_the_folder_that_is_watched_and_what_is_not_understood_for_all() {
        let mut counts = Counts::default();
        counts.watched.insert(FOLDER.into(), (1, 0));
        counts.take(Some(&message("change", FOLDER, &["SUBSYSTEM=nvme"])));
        counts.take(Some(&message("change", "devices/other", &["SUBSYSTEM=nvme"])));
        assert_eq!(counts.watched.get(Path::new(FOLDER)), Some(&(1, 1)));
        assert_eq!((counts.everything, counts.hotplug), (0, 0));
        counts.take(Some(&message("remove", FOLDER, &["SUBSYSTEM=nvme"])));
        assert_eq!(counts.hotplug, 1);
        counts.take(Some(&message("add", "devices/x", &["SUBSYSTEM=tty"])));
        assert_eq!(counts.hotplug, 1);
        counts.take(Some(b"nonsense"));
        counts.take(None);
        assert_eq!(counts.everything, 2);
        assert_eq!(counts.watched.len(), 1);
    }

    #[test]
    fn a_folder_that_two_watch_is_kept_until_both_have_let_go() {
        let Ok(events) = Uevents::open() else {
            println!("skip: no netlink socket for events in this environment");
            return;
        };
        let folder = Path::new(FOLDER);
        events.watch([folder]);
        events.watch([folder]);
        events.unwatch([folder]);
        assert_eq!(events.counts().watched.len(), 1);
        events.unwatch([folder]);
        assert!(events.counts().watched.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = Uevent::parse(&bytes);
        }

        #[test]
        fn a_changed_message_is_read_or_refused_and_never_names_a_path_with_dots(
            at in 0_usize..120, byte in any::<u8>(),
        ) {
            let mut bytes = message("change", FOLDER, &["SUBSYSTEM=nvme", "SEQNUM=7"]);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            if let Ok(event) = Uevent::parse(&bytes) {
                prop_assert!(event.folder.is_relative());
                prop_assert!(!event.folder.components().any(|part| part.as_os_str() == ".."));
            }
        }

        #[test]
        fn what_was_made_is_read_back(
            path in "[a-z0-9:.]{1,8}(/[a-z0-9:]{1,8}){0,5}", sequence in any::<u64>(),
        ) {
            prop_assume!(!path.split('/').any(|part| matches!(part, "." | "..")));
            let number = format!("SEQNUM={sequence}");
            let event = Uevent::parse(&message("bind", &path, &[&number])).unwrap();
            prop_assert_eq!(event.action, Action::Bind);
            prop_assert_eq!(event.folder, Path::new(&path));
            prop_assert_eq!(event.sequence, Some(sequence));
        }
    }
}

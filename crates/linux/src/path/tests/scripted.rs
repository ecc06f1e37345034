// SPDX-License-Identifier: MIT OR Apache-2.0
//! A kernel that is played: expected calls in order, each with its answer. Hostile answers are as good as others.

use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use fwgate_wire::memdev::CommandInfo;
use rustix::io::Errno;
use zerocopy::native_endian::U32;

use crate::sys::Ioctls;
use crate::sys::fwctl::{Addressed, Info, Node};
use crate::sys::memdev::{MAX_ROWS, Sent, Which};
use crate::sys::nvme::{Admin, AdminDone, Pages, Width};

/// The length returned, bytes of response, bytes for each attached buffer.
pub(super) type RpcAnswer = (u32, Vec<u8>, Vec<Vec<u8>>);

/// One expected call and its answer.
#[derive(Debug)]
pub(super) enum Step {
    /// Device type, length and bytes of the driver's information.
    Info(Result<(u32, u32, Vec<u8>), Errno>),
    /// FWCTL_RPC.
    Rpc(Result<RpcAnswer, Errno>),
    /// `n_commands` as it comes back, and rows.
    Query(Result<(u32, Vec<CommandInfo>), Errno>),
    /// Return code, size, bytes of reply.
    Send(Result<(u32, u32, Vec<u8>), Errno>),
    /// What the ioctl returns, result, data.
    Admin(Result<(i32, u64, Vec<u8>), Errno>),
}

/// What was called.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    Info,
    Rpc { scope: u32, request: Vec<u8>, room: usize },
    Query(usize),
    Send { which: Which, input: Vec<u8>, room: usize },
    Admin { width: Width, admin: Admin, data: Vec<u8> },
}

/// The kernel. Calls that are not expected, or were expected and did not come, fail the test.
#[derive(Debug)]
pub(super) struct Scripted {
    steps: Mutex<VecDeque<Step>>,
    seen: Mutex<Vec<Seen>>,
}

impl Scripted {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: Mutex::new(steps.into_iter().collect()), seen: Mutex::default() }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn next(&self, seen: Seen) -> Step {
        let step = self.steps.lock().unwrap().pop_front();
        let step = step.unwrap_or_else(|| panic!("no answer left for {seen:?}"));
        self.seen.lock().unwrap().push(seen);
        step
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let left = self.steps.lock().map_or(0, |steps| steps.len());
        assert!(left == 0 || std::thread::panicking(), "{left} calls did not come");
    }
}

/// Any open file; the played kernel does not look at it.
pub(super) fn file() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

/// An fwctl node of that device type.
pub(super) fn node(device_type: u32) -> Node {
    let io = Scripted::new([Step::Info(Ok((device_type, 0, Vec::new())))]);
    super::super::fwctl::identify(&io, file()).unwrap()
}

/// A row of a query.
pub(super) fn info(id: u32, flags: u32, size_in: u32, size_out: u32) -> CommandInfo {
    let [id, flags, size_in, size_out] = [id, flags, size_in, size_out].map(U32::new);
    CommandInfo { id, flags, size_in, size_out }
}

fn fill(room: &mut [u8], bytes: &[u8]) {
    let length = room.len().min(bytes.len());
    room[..length].copy_from_slice(&bytes[..length]);
}

impl Ioctls for Scripted {
    fn fwctl_info(&self, _: BorrowedFd<'_>, data: &mut [u8]) -> Result<Info, Errno> {
        let Step::Info(answer) = self.next(Seen::Info) else { panic!("FWCTL_INFO is not next") };
        let (device_type, length, bytes) = answer?;
        fill(data, &bytes);
        Ok(Info { device_type, length })
    }

    fn fwctl_rpc(
        &self,
        mut addressed: Addressed<'_>,
        scope: u32,
        response: &mut [u8],
    ) -> Result<u32, Errno> {
        let request = addressed.request().bytes().to_vec();
        let seen = Seen::Rpc { scope, request, room: response.len() };
        let Step::Rpc(answer) = self.next(seen) else { panic!("FWCTL_RPC is not next") };
        let (length, bytes, attached) = answer?;
        fill(response, &bytes);
        for (memory, bytes) in addressed.request().memory().into_iter().zip(attached) {
            fill(memory, &bytes);
        }
        Ok(length)
    }

    fn mem_query(
        &self,
        _: BorrowedFd<'_>,
        wanted: usize,
    ) -> Result<(u32, [CommandInfo; MAX_ROWS]), Errno> {
        let Step::Query(answer) = self.next(Seen::Query(wanted)) else { panic!("not a query") };
        let (count, given) = answer?;
        let mut rows = [CommandInfo::NOTHING; MAX_ROWS];
        for (row, given) in rows.iter_mut().take(wanted).zip(given) {
            *row = given;
        }
        Ok((count, rows))
    }

    fn mem_send(
        &self,
        _: BorrowedFd<'_>,
        which: Which,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Sent, Errno> {
        let seen = Seen::Send { which, input: input.to_vec(), room: output.len() };
        let Step::Send(answer) = self.next(seen) else { panic!("a send is not next") };
        let (retval, size, bytes) = answer?;
        fill(output, &bytes);
        Ok(Sent { retval, size })
    }

    fn nvme_admin(
        &self,
        _: BorrowedFd<'_>,
        width: Width,
        admin: &Admin,
        data: &mut Pages,
    ) -> Result<AdminDone, Errno> {
        let seen = Seen::Admin { width, admin: *admin, data: data.bytes().to_vec() };
        let Step::Admin(answer) = self.next(seen) else { panic!("an admin command is not next") };
        let (returned, result, bytes) = answer?;
        fill(data.bytes_mut(), &bytes);
        Ok(AdminDone { returned, result })
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! The label area of a memory device's nvdimm child, by the ioctls of its node.
//!
//! The node's folder is not trusted: what is opened is held against sysfs.
//!
//! *Invariants*: no transfer is longer than the kernel says that it may be. A write that fails in the
//! middle says how far it came; nothing is written twice.
//!
//! *Spec*: `nd_ioctl` in `drivers/nvdimm/bus.c`, `cxl_pmem_nvdimm_ctl` in `drivers/cxl/pmem.c @ v7.3`.

use std::os::fd::{AsFd as _, OwnedFd};

use fwgate_gate::SubmitError;
use rustix::io::Errno;

use crate::discover::sysfs::Tree;
use crate::discover::{Node, NodeKind, Roots};
use crate::interface::LabelArea;
use crate::sys::nvdimm::{self, CHUNK};

/// The area of one nvdimm.
#[derive(Debug)]
pub(crate) struct Labels {
    roots: Roots,
    nmem: String,
}

impl Labels {
    pub(crate) fn of(roots: &Roots, nmem: &str) -> Self {
        Self { roots: roots.clone(), nmem: nmem.to_owned() }
    }

    /// Its node, opened anew each time, and the most bytes that one transfer moves.
    fn open(&self) -> Result<(OwnedFd, usize), SubmitError> {
        let not_sent = |what: String| SubmitError::Transport { what, may_have_run: false };
        let folder = format!("bus/nd/devices/{}", self.nmem);
        let number = Tree::open(&self.roots.sys())
            .and_then(|sys| sys.device_number(format!("{folder}/dev")))
            .map_err(|error| not_sent(error.to_string()))?;
        let node = Node { kind: NodeKind::Nvdimm, path: (&self.nmem).into(), number: Some(number) };
        let fd = node.open(&self.roots).map_err(|error| not_sent(error.to_string()))?;
        let size = nvdimm::config_size(fd.as_fd()).map_err(|errno| refused(errno, 0))?;
        let most = usize::try_from(size.max_transfer.get()).unwrap_or(CHUNK).min(CHUNK);
        if size.status.get() != 0 || most == 0 {
            return Err(not_sent(format!("`{}` says that it has no label area", self.nmem)));
        }
        Ok((fd, most))
    }
}

/// An errno in the kernel's own words. `done` bytes were moved before.
fn refused(errno: Errno, done: usize) -> SubmitError {
    let rule = match errno {
        Errno::BUSY => "a namespace of the nvdimm is in use: its labels are the kernel's to write",
        Errno::INVAL => "the range is not within the label area, or longer than one transfer",
        Errno::NOTTY => "the nvdimm's driver has no label commands",
        Errno::NXIO | Errno::NODEV => "the device is gone",
        Errno::PERM | Errno::ACCESS => "the node was not opened for writing",
        _ => "the command to the device failed",
    };
    // Before the mailbox is reached the kernel answers with these.
    let refuses = matches!(errno, Errno::BUSY | Errno::INVAL | Errno::NOTTY | Errno::ACCESS);
    if refuses && done == 0 {
        let errno = errno.raw_os_error();
        return SubmitError::Kernel { errno, rule: rule.to_owned() };
    }
    let what = format!("{rule} (errno {}), after {done} bytes", errno.raw_os_error());
    let gone = matches!(errno, Errno::NXIO | Errno::NODEV);
    SubmitError::Transport { what, may_have_run: !gone || done > 0 }
}

fn status(status: u32, done: usize) -> Result<(), SubmitError> {
    if status == 0 {
        return Ok(());
    }
    let what = format!("the nvdimm's bus answered status {status:#x}, after {done} bytes");
    Err(SubmitError::Transport { what, may_have_run: true })
}

fn place(offset: u32, done: usize) -> Result<u32, SubmitError> {
    let done = u32::try_from(done).ok();
    done.and_then(|done| offset.checked_add(done)).ok_or_else(|| SubmitError::Transport {
        what: "the range does not fit 32 bits".to_owned(),
        may_have_run: false,
    })
}

impl LabelArea for Labels {
    fn read_labels(&self, offset: u32, length: u32) -> Result<Vec<u8>, SubmitError> {
        let (fd, most) = self.open()?;
        let mut data = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let mut done = 0usize;
        for chunk in data.chunks_mut(most) {
            let at = place(offset, done)?;
            let answered = nvdimm::read(fd.as_fd(), at, chunk);
            status(answered.map_err(|errno| refused(errno, done))?, done)?;
            done = done.saturating_add(chunk.len());
        }
        Ok(data)
    }

    fn write_labels(&self, offset: u32, data: &[u8]) -> Result<(), SubmitError> {
        let (fd, most) = self.open()?;
        let mut done = 0usize;
        for chunk in data.chunks(most) {
            let at = place(offset, done)?;
            let answered = nvdimm::write(fd.as_fd(), at, chunk);
            status(answered.map_err(|errno| refused(errno, done))?, done)?;
            done = done.saturating_add(chunk.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_refuses_before_the_mailbox_was_not_sent() {
        assert!(matches!(refused(Errno::BUSY, 0), SubmitError::Kernel { errno: 16, .. }));
        for (errno, done, ran) in [
            (Errno::BUSY, 512, true),
            (Errno::IO, 0, true),
            (Errno::NXIO, 0, false),
            (Errno::NXIO, 512, true),
        ] {
            let SubmitError::Transport { what, may_have_run } = refused(errno, done) else {
                panic!("{errno}")
            };
            assert_eq!(may_have_run, ran, "{what}");
            assert!(what.contains(&format!("after {done} bytes")), "{what}");
        }
    }

    #[test]
    fn a_range_beyond_32_bits_is_not_begun() {
        assert!(place(u32::MAX, 1).is_err());
        assert_eq!(place(8, 4096).unwrap(), 4104);
    }

    #[test]
    fn an_nvdimm_that_sysfs_does_not_have_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sys")).unwrap();
        let labels = Labels::of(&Roots::at(folder.path()), "nmem0");
        let error = labels.read_labels(0, 16).unwrap_err();
        assert!(matches!(error, SubmitError::Transport { may_have_run: false, .. }));
    }
}

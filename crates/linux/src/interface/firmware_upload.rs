// SPDX-License-Identifier: MIT OR Apache-2.0
//! `firmware-upload`: an update through the firmware class.
//!
//! The kernel cuts the image into parts, writes the slot after the active one, and activates it for the
//! next reset: Transfer FW (0201h) and Activate FW (0202h, action 1) in one.
//!
//! What the files say is hostile.
//!
//! *Invariants*: the kernel is told to begin only once it holds the image, byte for byte as it was
//! judged. An image that was not begun is thrown away.
//!
//! *Not here*: whether the version changed: only a reset and Get FW Info tell.
//!
//! *Spec*: `drivers/base/firmware_loader/{sysfs,sysfs_upload}.c @ v7.3`; `cxl_fw_prepare`,
//! `cxl_fw_write`, `cxl_fw_cancel` in `drivers/cxl/core/memdev.c @ v7.3`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fwgate_gate::{Background, Belief, Reply, SubmitError};
use fwgate_wire::cxl::ReturnCode;
use fwgate_wire::cxl::firmware::{TransferAction, TransferFirmwareRequest};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::acts::{Acts, Asked, Interface, Place, done, not_mine, nothing};
use super::attribute::{self, Failed};
use super::errno::{self, Rules, no_way, refused};

const GET_FW_INFO: u16 = 0x0200;
const TRANSFER_FW: u16 = 0x0201;
const ACTIVATE_FW: u16 = 0x0202;
/// `data` takes a page at a time (`kernfs_fop_write_iter` in `fs/kernfs/file.c @ v7.3`).
const PIECE: usize = 4096;
/// The kernel counts the image's bytes in an `int`.
const MAX_IMAGE: usize = i32::MAX as usize;

const RULES: Rules = Rules {
    invalid: "the value is not taken",
    busy: "an update of the device is under way",
    permission: "writing an image needs CAP_SYS_RAWIO in the initial user namespace",
    sends_nothing: true,
    ..Rules::PLAIN
};

/// `firmware-upload`.
pub(crate) type FirmwareUpload = Interface<Uploads>;

/// `firmware-upload`: Transfer FW (0201h), whole or to be dropped.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of the image that is under way, of this process.
    size: Option<u64>,
    /// What the kernel said at the end.
    told: Option<String>,
}

impl FirmwareUpload {
    /// For this memdev.
    #[must_use]
    pub(crate) fn at(place: Place) -> Self {
        Self { place, acts: Uploads::default() }
    }

    /// How the last update of this process failed, in the kernel's words: the step and the reason, such
    /// as `transferring:read-write-error`. `None` if it did not, or has not ended.
    #[must_use]
    pub(crate) fn failure(&self) -> Option<String> {
        self.acts.state().told.clone()
    }
}

impl Uploads {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One device's folder of the class.
struct Class {
    folder: PathBuf,
}

impl Class {
    fn of(place: &Place) -> Self {
        Self { folder: place.names().firmware_folder(place.roots()) }
    }

    fn text(&self, file: &str) -> Result<String, SubmitError> {
        let path = self.folder.join(file);
        attribute::text(&path).map_err(|failed| errno::error(&path, failed, &RULES))
    }

    fn put(&self, file: &str, value: &str) -> Result<(), SubmitError> {
        let path = self.folder.join(file);
        attribute::put(&path, value).map_err(|failed| errno::error(&path, failed, &RULES))
    }

    /// The kernel ignores `loading` in silence while an update is under way.
    fn idle(&self) -> Result<(), SubmitError> {
        match self.text("status")?.as_str() {
            "idle" => Ok(()),
            step => Err(refused(
                Errno::BUSY,
                format!("an update of the device is under way (`{step:.40}`)"),
            )),
        }
    }

    /// Hands the image over. Nothing reaches the device yet.
    fn fill(&self, image: &[u8]) -> Result<(), SubmitError> {
        self.idle()?;
        self.put("loading", "1")?;
        if self.text("loading")? != "1" {
            let rule = "the kernel did not begin to take an image: another update came first";
            return Err(refused(Errno::BUSY, rule.to_owned()));
        }
        let filled = self.write(image).and_then(|()| self.compare(image));
        if filled.is_err() {
            let _thrown_away = self.put("loading", "-1");
        }
        filled
    }

    fn write(&self, image: &[u8]) -> Result<(), SubmitError> {
        let path = self.folder.join("data");
        let fail = |failed| match failed {
            Failed::Call(Errno::NODEV) => refused(
                Errno::NODEV,
                "the kernel takes no image now: another program ended the load".to_owned(),
            ),
            other => errno::error(&path, other, &RULES),
        };
        let file = attribute::open(&path, OFlags::WRONLY).map_err(fail)?;
        let mut offset = 0u64;
        for piece in image.chunks(PIECE) {
            let took = rustix::io::pwrite(&file, piece, offset);
            let took = took.map_err(|errno| fail(Failed::Call(errno)))?;
            if took != piece.len() {
                return Err(fail(Failed::Short { took, of: piece.len() }));
            }
            offset = offset.saturating_add(u64::try_from(took).unwrap_or_default());
        }
        Ok(())
    }

    /// The class has no lock: another program may have written to the same image.
    fn compare(&self, image: &[u8]) -> Result<(), SubmitError> {
        let path: &Path = &self.folder.join("data");
        let held = attribute::bytes(path, image.len())
            .map_err(|failed| errno::error(path, failed, &RULES))?;
        if held == image {
            return Ok(());
        }
        Err(nothing("the kernel holds another image than was written: another program writes too"))
    }

    /// Raw sender: the kernel begins to send the image.
    fn begin_upload(&self) -> Result<(), SubmitError> {
        let path = self.folder.join("loading");
        let rules = Rules {
            sends_nothing: false,
            permission: "a security module refused the image",
            ..RULES
        };
        attribute::put(&path, "0").map_err(|failed| errno::error(&path, failed, &rules))
    }

    fn cancel(&self) -> Result<(), SubmitError> {
        let path = self.folder.join("cancel");
        attribute::put(&path, "1").map_err(|failed| match failed {
            Failed::Call(Errno::NODEV) => {
                refused(Errno::NODEV, "no update of the device is under way".to_owned())
            }
            other => errno::error(&path, other, &RULES),
        })
    }
}

impl Acts for Uploads {
    const KEY: &'static str = "firmware-upload";

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        match asked.opcode {
            TRANSFER_FW => {}
            GET_FW_INFO => {
                return Err(no_way("the firmware class does not tell what is in the slots"));
            }
            ACTIVATE_FW => {
                return Err(no_way(
                    "the kernel activates what it has just written, for the next reset, and nothing else",
                ));
            }
            other => return Err(not_mine(Self::KEY, other)),
        }
        let request = TransferFirmwareRequest::parse(asked.payload);
        let request = request.map_err(|error| nothing(error.to_string()))?;
        let class = Class::of(place);
        match request.header().action() {
            TransferAction::Full => {}
            TransferAction::Abort => {
                class.cancel()?;
                // It may go on all the same.
                return Ok(done(Vec::new(), Belief::Unverified));
            }
            _ => return Err(nothing("a part of an image; the whole is what was judged")),
        }
        let (header, image) = (request.header(), request.data());
        if image.is_empty() || image.len() > MAX_IMAGE {
            return Err(nothing(format!("an image of {} bytes", image.len())));
        }
        if header.offset.get() != 0 {
            return Err(no_way("the kernel writes an image from its first byte"));
        }
        if header.slot != 0 && place.watch().next_firmware_slot() != Some(header.slot) {
            return Err(no_way(format!(
                "the kernel writes the slot after the active one, and slot {} is asked for; slot 0 \
                 leaves it to the kernel",
                header.slot
            )));
        }
        class.fill(image)?;
        if let Err(late) = asked.in_time() {
            let _thrown_away = class.put("loading", "-1");
            return Err(late);
        }
        *self.state() = State { size: u64::try_from(image.len()).ok(), told: None };
        class.begin_upload()?;
        Ok(Reply { background: true, ..done(Vec::new(), Belief::Unverified) })
    }

    fn look(&self, place: &Place) -> Option<Background> {
        let mut state = self.state();
        let size = state.size?;
        let class = Class::of(place);
        let at = |percent, running, return_code| {
            Some(Background { opcode: TRANSFER_FW, percent, running, return_code })
        };
        if class.text("status").ok()? != "idle" {
            let left = attribute::number(&class.folder.join("remaining_size")).ok();
            let done = left.and_then(|left| size.checked_sub(left));
            let percent = done.and_then(|done| done.checked_mul(100)?.checked_div(size));
            return at(percent.and_then(|it| u8::try_from(it.min(99)).ok()), true, None);
        }
        let told = class.text("error").ok()?;
        if told.is_empty() {
            // Every command was answered with success, the activation too.
            return at(Some(100), false, Some(0));
        }
        let code = code(&told);
        state.told = Some(told);
        at(None, false, Some(code.0))
    }

    fn stop(&self, place: &Place) -> Result<(), String> {
        if self.state().size.is_none() {
            return Err("no update of this process was begun".to_owned());
        }
        Class::of(place).cancel().map_err(|error| error.to_string())
    }
}

/// The return code nearest to the kernel's word. The device's own is not passed on.
fn code(told: &str) -> ReturnCode {
    match told.rsplit(':').next() {
        Some("user-abort") => ReturnCode::ABORTED,
        Some("device-busy") => ReturnCode::BUSY,
        Some("invalid-file-size") => ReturnCode::INVALID_PAYLOAD_LENGTH,
        Some("firmware-invalid") => ReturnCode::FW_VERIFICATION_FAILED,
        Some("flash-wearout") => ReturnCode::PERMANENT_MEDIA_FAILURE,
        // hw-error, timeout, read-write-error, and what is not known.
        _ => ReturnCode::INTERNAL_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_the_kernel_reads_as_success() {
        for word in [
            "hw-error",
            "timeout",
            "user-abort",
            "device-busy",
            "invalid-file-size",
            "read-write-error",
            "flash-wearout",
            "firmware-invalid",
            "unknown-error",
            "",
            "none",
        ] {
            assert!(!code(&format!("transferring:{word}")).is_success(), "{word}");
        }
        assert_eq!(code("preparing:user-abort"), ReturnCode::ABORTED);
    }
}

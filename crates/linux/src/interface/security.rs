// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cxl-sanitize`, `cxl-secure-erase`, and the security state: the folder `security` of a memdev.
//!
//! *Invariants*: nothing is written while a decoder is known to be committed, or a sanitize runs.
//!
//! *Not here*: the passphrases of an nvdimm ([`super::nvdimm`]).
//!
//! *Spec*: `security_state_show`, `security_sanitize_store`, `security_erase_store` in
//! `drivers/cxl/core/memdev.c @ v7.3`; `cxl_mem_sanitize` in `drivers/cxl/core/mbox.c @ v7.3`;
//! the sanitize case of `__cxl_pci_mbox_send_cmd` in `drivers/cxl/pci.c @ v7.3`.

use std::sync::Mutex;

use fwgate_gate::{Background, Belief, Reply, SubmitError};
use fwgate_policy::Known;
use rustix::io::Errno;

use super::acts::{Acts, Asked, Interface, Place, done, not_mine, nothing};
use super::attribute;
use super::errno::{self, Rules, refused};
use super::names::Names;
use crate::discover::roots::Roots;

const SANITIZE: u16 = 0x4400;
const SECURE_ERASE: u16 = 0x4401;

const RULES: Rules = Rules {
    invalid: "a user passphrase is set, or the device is locked: security has to be disabled before its \
              data are sanitized or erased",
    busy: "no driver is bound to the memdev, an endpoint decoder of it is committed, a sanitize is \
           under way, or the mailbox is busy",
    permission: "this user may not write it",
    sends: "Get Security State, which the kernel asks for first, or the command itself,",
    ..Rules::PLAIN
};

/// What `security/state` says. It is the kernel's memory, and no answer of the device: what no nvdimm
/// driver ever asked for reads as disabled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecurityState {
    /// No user passphrase is set, or nobody asked.
    Disabled,
    /// A passphrase is set, and the state cannot change until a reset.
    Frozen,
    /// A passphrase is set, and data cannot be reached.
    Locked,
    /// A passphrase is set, and data can be reached.
    Unlocked,
    /// A sanitize runs.
    Sanitize,
}

/// Reads the security state that the kernel remembers. Nothing is sent to the device.
///
/// # Errors
///
/// [`SubmitError`]: the file is not there, or holds something else.
pub fn security_state(roots: &Roots, names: &Names) -> Result<SecurityState, SubmitError> {
    let path = names.folder(roots).join("security/state");
    let quiet = Rules { sends_nothing: true, ..RULES };
    let word = attribute::text(&path).map_err(|failed| errno::error(&path, failed, &quiet))?;
    match word.as_str() {
        "disabled" => Ok(SecurityState::Disabled),
        "frozen" => Ok(SecurityState::Frozen),
        "locked" => Ok(SecurityState::Locked),
        "unlocked" => Ok(SecurityState::Unlocked),
        "sanitize" => Ok(SecurityState::Sanitize),
        other => Err(nothing(format!("`{}` says `{other:.40}`, no known state", path.display()))),
    }
}

fn empty(asked: Asked<'_>) -> Result<(), SubmitError> {
    if asked.payload.is_empty() {
        return Ok(());
    }
    Err(nothing(format!("{} bytes of payload, and the command has none", asked.payload.len())))
}

/// The kernel's condition, evaluated just before it does so itself.
fn free(place: &Place) -> Result<(), SubmitError> {
    if place.watch().decoder_committed() == Known::Yes {
        let rule = "an endpoint decoder of the device is committed: its memory may be in use";
        return Err(refused(Errno::BUSY, rule.to_owned()));
    }
    if security_state(place.roots(), place.names())? == SecurityState::Sanitize {
        return Err(refused(Errno::BUSY, "a sanitize is under way".to_owned()));
    }
    Ok(())
}

/// Raw sender: writes to the attribute that makes the kernel send the command.
fn start_erasing(place: &Place, asked: Asked<'_>, file: &str) -> Result<(), SubmitError> {
    empty(asked)?;
    free(place)?;
    asked.in_time()?;
    let path = place.names().folder(place.roots()).join("security").join(file);
    attribute::put(&path, "1").map_err(|failed| errno::error(&path, failed, &RULES))
}

/// `cxl-sanitize`: Sanitize (4400h).
#[derive(Debug, Default)]
pub(crate) struct Sanitizes {
    /// Whether one of this process was begun.
    began: Mutex<bool>,
}

/// `cxl-sanitize`.
pub(crate) type Sanitize = Interface<Sanitizes>;

impl Sanitize {
    /// For this memdev.
    #[must_use]
    pub(crate) fn at(place: Place) -> Self {
        Self { place, acts: Sanitizes::default() }
    }
}

impl Sanitizes {
    fn began(&self) -> std::sync::MutexGuard<'_, bool> {
        self.began.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Acts for Sanitizes {
    const KEY: &'static str = "cxl-sanitize";

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        if asked.opcode != SANITIZE {
            return Err(not_mine(Self::KEY, asked.opcode));
        }
        start_erasing(place, asked, "sanitize")?;
        *self.began() = true;
        // The kernel remembers a sanitize in the background and nothing of one that has ended,
        // neither that there was one nor with what code. It is never waited for here.
        let state = security_state(place.roots(), place.names());
        let background = state == Ok(SecurityState::Sanitize);
        Ok(Reply { background, ..done(Vec::new(), Belief::Unverified) })
    }

    fn look(&self, place: &Place) -> Option<Background> {
        if !*self.began() {
            return None;
        }
        let state = security_state(place.roots(), place.names()).ok()?;
        let running = state == SecurityState::Sanitize;
        Some(Background { opcode: SANITIZE, percent: None, running, return_code: None })
    }
}

/// `cxl-secure-erase`: Secure Erase (4401h). The kernel waits for the device's answer.
#[derive(Debug)]
pub(crate) struct Erases;

/// `cxl-secure-erase`.
pub(crate) type SecureErase = Interface<Erases>;

impl SecureErase {
    /// For this memdev.
    #[must_use]
    pub(crate) const fn at(place: Place) -> Self {
        Self { place, acts: Erases }
    }
}

impl Acts for Erases {
    const KEY: &'static str = "cxl-secure-erase";

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        if asked.opcode != SECURE_ERASE {
            return Err(not_mine(Self::KEY, asked.opcode));
        }
        start_erasing(place, asked, "erase")?;
        Ok(done(Vec::new(), Belief::Told))
    }
}

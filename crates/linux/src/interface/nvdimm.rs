// SPDX-License-Identifier: MIT OR Apache-2.0
//! `nvdimm-labels` and `nvdimm-security`: the nvdimm child of a memdev.
//!
//! *Invariants*: no passphrase passes through here. The kernel takes ids of keys, which come from
//! whoever opens the interface; a command that carries a passphrase is refused.
//!
//! *Not here*: the ioctls of the label area ([`LabelArea`] is theirs to be).
//!
//! *Spec*: `nvdimm_security_store` in `drivers/nvdimm/security.c @ v7.3`; `security_show`, `frozen_show`
//! in `drivers/nvdimm/dimm_devs.c @ v7.3`; `drivers/cxl/security.c`, `drivers/cxl/pmem.c @ v7.3`.

use core::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use fwgate_gate::{Belief, Reply, SubmitError};
use fwgate_wire::cxl::lsa::{GetLsaRequest, SetLsaRequest};
use rustix::io::Errno;

use super::acts::{Acts, Asked, Interface, Place, done, not_mine, nothing};
use super::attribute::{self, Failed};
use super::errno::{self, Rules, no_way, refused};

const GET_LSA: u16 = 0x4102;
const SET_LSA: u16 = 0x4103;
const GET_SECURITY_STATE: u16 = 0x4500;
const SET_PASSPHRASE: u16 = 0x4501;
const DISABLE_PASSPHRASE: u16 = 0x4502;
const UNLOCK: u16 = 0x4503;
const FREEZE: u16 = 0x4504;
const PASSPHRASE_SECURE_ERASE: u16 = 0x4505;

/// A passphrase, and the type with its reserved bytes before it.
const FIELD: usize = 32;
/// Bits of the security state.
const USER_PASS_SET: u32 = 1;
const LOCKED: u32 = 1 << 2;
const FROZEN: u32 = 1 << 3;
/// Longest label data in one reply.
const MAX_LABELS: usize = 1 << 20;

/// Reads and writes the label area of an nvdimm, by the ioctls of its node.
pub(crate) trait LabelArea: Send + Sync {
    /// Raw sender: reads so many bytes from an offset.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]
    fn read_labels(&self, offset: u32, length: u32) -> Result<Vec<u8>, SubmitError>;

    /// Raw sender: writes at an offset.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]
    fn write_labels(&self, offset: u32, data: &[u8]) -> Result<(), SubmitError>;
}

/// `nvdimm-labels`: Get LSA (4102h), Set LSA (4103h).
pub(crate) struct Labels {
    area: Arc<dyn LabelArea>,
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Labels")
    }
}

/// `nvdimm-labels`.
pub(crate) type NvdimmLabels = Interface<Labels>;

impl NvdimmLabels {
    /// For this memdev, whose label area that is.
    #[must_use]
    pub(crate) fn at(place: Place, area: Arc<dyn LabelArea>) -> Self {
        Self { place, acts: Labels { area } }
    }
}

impl Acts for Labels {
    const KEY: &'static str = "nvdimm-labels";

    fn act(&self, _: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        match asked.opcode {
            GET_LSA => {
                let request = GetLsaRequest::parse(asked.payload);
                let request = request.map_err(|error| nothing(error.to_string()))?;
                let (offset, length) = (request.offset.get(), request.length.get());
                let wanted = usize::try_from(length).unwrap_or(usize::MAX);
                if wanted > MAX_LABELS {
                    return Err(nothing(format!("{length} bytes wanted, at most {MAX_LABELS}")));
                }
                let data = self.area.read_labels(offset, length)?;
                if data.len() != wanted {
                    return Err(nothing(format!(
                        "{} bytes came, {length} were wanted",
                        data.len()
                    )));
                }
                Ok(done(data, Belief::Told))
            }
            SET_LSA => {
                let request = SetLsaRequest::parse(asked.payload);
                let request = request.map_err(|error| nothing(error.to_string()))?;
                if request.header().reserved.get() != 0 {
                    return Err(no_way(
                        "the reserved field is not zero, and the kernel sends zero",
                    ));
                }
                self.area.write_labels(request.header().offset.get(), request.data())?;
                Ok(done(Vec::new(), Belief::Told))
            }
            other => Err(not_mine(Self::KEY, other)),
        }
    }
}

/// Keys of the kernel's keyring: serial numbers of `encrypted` keys of 32 bytes. 0 is the key of zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Keys {
    /// The key that holds now.
    pub current: u32,
    /// The key to set.
    pub new: Option<u32>,
}

/// `nvdimm-security`: Get Security State (4500h), Set Passphrase (4501h), Disable Passphrase (4502h), Freeze
/// Security State (4504h), Passphrase Secure Erase (4505h).
#[derive(Debug)]
pub(crate) struct Secures {
    keys: Keys,
}

/// `nvdimm-security`.
pub(crate) type NvdimmSecurity = Interface<Secures>;

impl NvdimmSecurity {
    /// For this memdev, with the keys that its commands stand for.
    #[must_use]
    pub(crate) const fn at(place: Place, keys: Keys) -> Self {
        Self { place, acts: Secures { keys } }
    }
}

const RULES: Rules = Rules {
    invalid: "the word is not known, or a key id is no number",
    busy: "the nvdimm is in use by a region, or an overwrite is under way",
    permission: "this user may not write it",
    unsupported: "the device has no security, or not this operation in this state",
    ..Rules::PLAIN
};

impl Acts for Secures {
    const KEY: &'static str = "nvdimm-security";

    fn act(&self, place: &Place, asked: Asked<'_>) -> Result<Reply, SubmitError> {
        let folder = folder(place)?;
        let Keys { current, new } = self.keys;
        let word = match asked.opcode {
            GET_SECURITY_STATE => return state(&folder),
            FREEZE if asked.payload.is_empty() => "freeze".to_owned(),
            DISABLE_PASSPHRASE => match whose(asked.payload, 1)? {
                Whose::User => format!("disable {current}"),
                Whose::Master => format!("disable_master {current}"),
            },
            PASSPHRASE_SECURE_ERASE => match whose(asked.payload, 1)? {
                Whose::User => format!("erase {current}"),
                Whose::Master => format!("master_erase {current}"),
            },
            SET_PASSPHRASE => {
                let whose = whose(asked.payload, 2)?;
                let Some(new) = new.filter(|new| *new != 0) else {
                    return Err(no_way(
                        "the kernel wants the id of the new key, and none was given",
                    ));
                };
                match whose {
                    Whose::User => format!("update {current} {new}"),
                    Whose::Master => format!("master_update {current} {new}"),
                }
            }
            UNLOCK => {
                return Err(no_way(
                    "the kernel unlocks when its driver binds, with the key that its keyring has by then",
                ));
            }
            FREEZE => return Err(nothing("a payload, and the command has none")),
            other => return Err(not_mine(Self::KEY, other)),
        };
        asked.in_time()?;
        let path = folder.join("security");
        attribute::put(&path, &word).map_err(|failed| match failed {
            Failed::Call(Errno::NOKEY) => {
                refused(Errno::NOKEY, "the keyring has no such encrypted key of 32 bytes".to_owned())
            }
            // The kernel's own check comes before the command; a reply that is too short says the same.
            Failed::Call(Errno::IO) => SubmitError::Transport {
                what: "the security state is frozen (nothing was sent), or the device's reply is too short"
                    .to_owned(),
                may_have_run: true,
            },
            other => errno::error(&path, other, &RULES),
        })?;
        Ok(done(Vec::new(), Belief::Told))
    }
}

fn folder(place: &Place) -> Result<PathBuf, SubmitError> {
    let nmem = place.names().nmem().ok_or_else(|| nothing("the memdev has no nvdimm child"))?;
    Ok(place.roots().sys().join("bus/nd/devices").join(nmem))
}

#[derive(Clone, Copy, Debug)]
enum Whose {
    User,
    Master,
}

/// Whose passphrase a payload is about. The passphrases themselves have to be zero.
fn whose(payload: &[u8], passphrases: usize) -> Result<Whose, SubmitError> {
    let expected = FIELD.saturating_mul(passphrases.saturating_add(1));
    if payload.len() != expected {
        return Err(nothing(format!("{} bytes of payload, expected {expected}", payload.len())));
    }
    let (kind, rest) = payload.split_first().unwrap_or((&u8::MAX, &[]));
    if rest.iter().any(|byte| *byte != 0) {
        return Err(no_way(
            "the command carries a passphrase, and the kernel takes none: it takes the id of a key in its \
             keyring",
        ));
    }
    match kind {
        0 => Ok(Whose::Master),
        1 => Ok(Whose::User),
        other => Err(no_way(format!("the kernel knows no passphrase of type {other}"))),
    }
}

/// The state that the kernel remembers, in the layout of Get Security State. What it does not tell,
/// the master's and the attempt limits, reads as zero: it is not believed as the device's word.
fn state(folder: &std::path::Path) -> Result<Reply, SubmitError> {
    let quiet = Rules { sends_nothing: true, ..RULES };
    let read = |file: &str| {
        let path = folder.join(file);
        attribute::text(&path).map_err(|failed| errno::error(&path, failed, &quiet))
    };
    let mut state = match read("security")?.as_str() {
        "disabled" => 0,
        "unlocked" => USER_PASS_SET,
        "locked" => USER_PASS_SET | LOCKED,
        other => return Err(nothing(format!("`security` says `{other:.40}`, no known state"))),
    };
    if read("frozen")? == "1" {
        state |= FROZEN;
    }
    Ok(done(state.to_le_bytes().to_vec(), Belief::Unverified))
}

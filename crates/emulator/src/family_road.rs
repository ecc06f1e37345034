// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulated devices of fwctl's families as the gate sees them.
//!
//! *Invariants*: every command comes out of a [`Recorded`], and is sent with the scope that the gate
//! granted; the emulated driver checks that scope for itself.
//!
//! *Not here*: the other emulated devices (`road`), the firmware (`families`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fwgate_gate::device::{Around, Background, Pace, Told};
use fwgate_gate::{
    Belief, Caller, Device, Firmware, Generation, Identity, Message, NoPath, Recorded, Reply,
    SubmitError,
};
use fwgate_policy::tables::Classes;
use fwgate_policy::{Path, Route as Judged};

use crate::families::{EmulatedFamily, Family, FamilyError, FamilyReply};
use crate::road::{PATH, not_mine};
use crate::{BNXT_DEVICE_ID, MLX5_DEVICE_ID, PDS_DEVICE_ID, VENDOR_ID};

/// An emulated device of a family behind the gate.
#[derive(Debug)]
pub struct FamilyDevice {
    identity: Identity,
    device: Mutex<EmulatedFamily>,
}

impl FamilyDevice {
    /// Puts a device behind the gate.
    #[must_use]
    pub fn new(device: EmulatedFamily) -> Arc<Self> {
        Arc::new(Self {
            identity: Identity {
                name: format!("emu:{}", device.name()),
                protocol: device.family().protocol(),
                class: Classes::empty(),
                vendor: VENDOR_ID,
                device: match device.family() {
                    Family::Mlx5 => MLX5_DEVICE_ID,
                    Family::Bnxt => BNXT_DEVICE_ID,
                    Family::Pds => PDS_DEVICE_ID,
                },
                emulated: true,
            },
            device: Mutex::new(device),
        })
    }

    /// The device itself, for what is no command: power cycles, counters.
    pub fn control<T>(&self, use_it: impl FnOnce(&mut EmulatedFamily) -> T) -> T {
        use_it(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, EmulatedFamily> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn generation(device: &EmulatedFamily) -> Generation {
        Generation { opened: format!("emulated {}", device.name()), changes: device.changes() }
    }
}

impl Device for FamilyDevice {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn observe(&self) -> Generation {
        Self::generation(&self.lock())
    }

    fn told(&self) -> Told {
        let device = self.lock();
        Told { firmware: device.firmware().as_bytes().to_vec(), operations: device.operations() }
    }

    fn around(&self) -> Around {
        Around::driven_by_nobody()
    }

    fn paths(&self, _: &Caller) -> Vec<Path> {
        vec![PATH]
    }

    fn path(&self, _: Judged<'_>, _: &Message, _: &Caller) -> Result<Path, NoPath> {
        Ok(PATH)
    }

    fn pace(&self) -> Pace {
        Pace::KeepsDeadline
    }

    fn payload_limit(&self) -> usize {
        1 << 20
    }

    fn submit(&self, recorded: Recorded<Firmware>) -> Result<Reply, SubmitError> {
        let mut device = self.lock();
        let delivery = recorded.release(&Self::generation(&device))?;
        let scope = delivery.scope;
        let done = match (device.family(), &delivery.message) {
            (Family::Mlx5, Message::Mlx5 { opcode, op_mod, payload, reply_length }) => {
                device.mlx5((*opcode, *op_mod), payload, *reply_length, scope)
            }
            (Family::Bnxt, Message::Bnxt { req_type, target_id, payload }) => {
                device.bnxt(*req_type, *target_id, payload, scope)
            }
            (Family::Pds, Message::Pds { endpoint, operation, payload, reply_length }) => {
                device.pds(*endpoint, *operation, payload, *reply_length, scope)
            }
            (_, other) => return Err(not_mine(other.command().protocol().name())),
        };
        let FamilyReply { code, payload } = done.map_err(|error| match error {
            FamilyError::Errno { errno, rule } => SubmitError::Kernel { errno, rule },
            // Its state may be what could not be saved.
            FamilyError::Host(error) => {
                SubmitError::Transport { what: error.to_string(), may_have_run: true }
            }
        })?;
        let [a, b, c, d] = code.to_le_bytes();
        Ok(Reply {
            return_code: u16::from_le_bytes([a, b]),
            vendor_status: u16::from_le_bytes([c, d]),
            payload,
            background: false,
            belief: Belief::Told,
        })
    }

    fn background(&self) -> Option<Background> {
        None
    }
}

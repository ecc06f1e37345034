// SPDX-License-Identifier: MIT OR Apache-2.0
//! Set 02h: Get FW Info (0200h), Transfer FW (0201h), Activate FW (0202h).
//!
//! A package is not trusted: it is checked when its last part is there, in the background.
//!
//! *Invariants*: the active slot is filled and is never written. Parts come in order, without gaps, and
//! within 30 s of each other; else the transfer is dropped.
//!
//! *Not here*: the form of a package (`crate::firmware`). Image bytes are not kept.
//!
//! *Spec*: CXL r3.1 8.2.9.3.1 to 8.2.9.3.3; how Linux uses them `drivers/cxl/core/memdev.c @ v7.3`.

use fwgate_wire::cxl::ReturnCode;
use serde::{Deserialize, Serialize};

use crate::bytes::{Hex, Put as _, Reader};
use crate::engine::{Done, Engine, Handled, Then};
use crate::firmware::{HEAD, UNIT, sum, verify};
use crate::store::BadField;

use super::events::Severity;

/// Firmware slots of the device.
pub(crate) const SLOTS: u8 = 2;
/// Longest wait between two parts, in microseconds.
const PART_TIMEOUT_US: u64 = 30_000_000;
/// Longest image.
const MAX_IMAGE: u64 = 64 << 20;
/// Revision that the device leaves the factory with.
const FACTORY: &str = "FWGT 1.0";

/// The slots and the transfer that is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Firmware {
    active: u8,
    staged: Option<u8>,
    /// Revision of each slot; empty if the slot is.
    slots: [String; SLOTS as usize],
    pub(crate) transfer: Option<Transfer>,
}

/// A package on its way in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    received: u64,
    head: Hex,
    sum: u32,
    last_us: u64,
}

/// A package that is all there, and what its check will say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    slot: u8,
    /// `None` if it will fail.
    revision: Option<String>,
}

impl Default for Firmware {
    fn default() -> Self {
        let slots = [FACTORY.to_owned(), String::new()];
        Self { active: 1, staged: None, slots, transfer: None }
    }
}

/// Refuses a slot number that the device does not have.
pub(crate) fn check_slot(slot: u8, field: &'static str) -> Result<(), BadField> {
    BadField::unless((1..=SLOTS).contains(&slot), field, "expected slot 1 or 2", slot)
}

fn check_revision(revision: &str, field: &'static str) -> Result<(), BadField> {
    let good = revision.len() <= 16 && revision.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    BadField::unless(good, field, "expected at most 16 printable characters", revision.len())
}

impl Package {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        check_slot(self.slot, "background.running.then")?;
        check_revision(self.revision.as_deref().unwrap_or_default(), "background.running.then")
    }
}

impl Firmware {
    pub(crate) fn check(&self) -> Result<(), BadField> {
        check_slot(self.active, "firmware.active")?;
        if let Some(slot) = self.staged {
            check_slot(slot, "firmware.staged")?;
            BadField::unless(!self.empty(slot), "firmware.staged", "expected a filled slot", slot)?;
        }
        for revision in &self.slots {
            check_revision(revision, "firmware.slots")?;
        }
        BadField::unless(
            !self.empty(self.active),
            "firmware.active",
            "expected a filled slot",
            self.active,
        )?;
        if let Some(transfer) = &self.transfer {
            let head = transfer.head.0.len();
            BadField::unless(
                head <= HEAD && transfer.received <= MAX_IMAGE,
                "firmware.transfer",
                "expected at most 32 bytes of head and 64 MiB",
                transfer.received,
            )?;
        }
        Ok(())
    }

    /// The slot that runs, from 1.
    pub(crate) fn active(&self) -> u8 {
        self.active
    }

    /// Whether something else runs than what the device left the factory with.
    pub(crate) fn runs_other_than_first(&self) -> bool {
        self.active != 1
    }

    /// The revision that runs.
    pub(crate) fn revision(&self) -> &str {
        self.slot(self.active)
    }

    fn slot(&self, slot: u8) -> &str {
        let index = usize::from(slot).checked_sub(1);
        index.and_then(|index| self.slots.get(index)).map_or("", String::as_str)
    }

    fn empty(&self, slot: u8) -> bool {
        self.slot(slot).is_empty()
    }
}

/// 0200h.
pub(crate) fn info(engine: &mut Engine, _: &[u8], reply: &mut Vec<u8>) -> Handled {
    let firmware = &engine.state.firmware;
    reply.put_u8(SLOTS);
    reply.put_u8(firmware.active & 7 | (firmware.staged.unwrap_or_default() & 7) << 3);
    // Bit 0: online activation.
    reply.put_u8(1);
    reply.put_zeros(13);
    for slot in 1..=4 {
        reply.put_text(firmware.slot(slot), 16);
    }
    Ok(Done::Now)
}

/// 0201h: actions 0 full, 1 initiate, 2 continue, 3 end, 4 abort. The slot counts with full and end.
pub(crate) fn transfer(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let (action, slot) = (reader.u8()?, reader.u8()?);
    reader.take(2)?;
    let offset = u64::from(reader.u32()?).saturating_mul(UNIT as u64);
    reader.take(0x78)?;
    let data = reader.rest();
    if action > 4 {
        return Err(ReturnCode::INVALID_INPUT);
    }
    engine.idle()?;
    expire(engine);
    let open = engine.state.firmware.transfer.is_some();
    match action {
        0 | 1 if open => return Err(ReturnCode::FW_TRANSFER_IN_PROGRESS),
        2..=4 if !open => return Err(ReturnCode::FW_TRANSFER_OUT_OF_ORDER),
        _ => {}
    }
    if matches!(action, 0 | 3)
        && (check_slot(slot, "").is_err() || slot == engine.state.firmware.active)
    {
        return Err(ReturnCode::INVALID_SLOT);
    }
    if action == 4 {
        engine.change().firmware.transfer = None;
        return Ok(Done::Now);
    }
    if open {
        let expected = engine.state.firmware.transfer.as_ref().map(|transfer| transfer.received);
        if expected != Some(offset) {
            engine.change().firmware.transfer = None;
            return Err(ReturnCode::FW_TRANSFER_OUT_OF_ORDER);
        }
    } else if offset != 0 {
        return Err(ReturnCode::INVALID_INPUT);
    }
    // Only the last part may end inside a unit: the next offset could not name its end.
    if matches!(action, 1 | 2) && (data.is_empty() || !data.len().is_multiple_of(UNIT)) {
        return Err(ReturnCode::INVALID_PAYLOAD_LENGTH);
    }
    add(engine, data)?;
    if matches!(action, 1 | 2) {
        return Ok(Done::Now);
    }
    let Some(Transfer { received, head, sum, .. }) = engine.change().firmware.transfer.take()
    else {
        return Err(ReturnCode::INTERNAL_ERROR);
    };
    let package = Package { slot, revision: verify(&head.0, received, sum) };
    let duration = engine.state.settings.background_us;
    engine.start(0x0201, duration, false, Then::Verify(package))
}

/// Drops a transfer whose next part did not come in time.
fn expire(engine: &mut Engine) {
    let now_us = engine.now_us;
    let late = engine
        .state
        .firmware
        .transfer
        .as_ref()
        .is_some_and(|transfer| now_us.saturating_sub(transfer.last_us) > PART_TIMEOUT_US);
    if late {
        engine.change().firmware.transfer = None;
        engine.log(Severity::Information, "firmware transfer timed out");
    }
}

fn add(engine: &mut Engine, data: &[u8]) -> Result<(), ReturnCode> {
    let now_us = engine.now_us;
    let slot = &mut engine.change().firmware.transfer;
    let transfer = slot.get_or_insert_with(|| Transfer {
        received: 0,
        head: Hex::default(),
        sum: 0,
        last_us: now_us,
    });
    let missing = HEAD.saturating_sub(transfer.head.0.len()).min(data.len());
    let (head, body) = data.split_at_checked(missing).unwrap_or((data, &[]));
    transfer.head.0.extend_from_slice(head);
    transfer.sum = sum(transfer.sum, body);
    transfer.received = transfer.received.saturating_add(data.len() as u64);
    transfer.last_us = now_us;
    if transfer.received > MAX_IMAGE {
        *slot = None;
        return Err(ReturnCode::RESOURCES_EXHAUSTED);
    }
    Ok(())
}

/// The package was checked.
pub(crate) fn finish_verify(engine: &mut Engine, package: Package) -> ReturnCode {
    let Package { slot, revision } = package;
    let Some(revision) = revision else {
        engine.log(Severity::Warning, "firmware package refused");
        return ReturnCode::FW_VERIFICATION_FAILED;
    };
    engine.log(Severity::Information, &format!("slot {slot} holds {revision}"));
    let firmware = &mut engine.change().firmware;
    if let Some(room) = usize::from(slot).checked_sub(1).and_then(|at| firmware.slots.get_mut(at)) {
        *room = revision;
    }
    ReturnCode::SUCCESS
}

/// 0202h: action 0 online, in the background; 1 at the next reset.
pub(crate) fn activate(engine: &mut Engine, input: &[u8], _: &mut Vec<u8>) -> Handled {
    let mut reader = Reader::new(input);
    let (action, slot) = (reader.u8()?, reader.u8()?);
    let firmware = &engine.state.firmware;
    if action > 1 {
        return Err(ReturnCode::INVALID_INPUT);
    }
    if check_slot(slot, "").is_err() || slot == firmware.active || firmware.empty(slot) {
        return Err(ReturnCode::INVALID_SLOT);
    }
    if action == 0 {
        let duration = engine.state.settings.background_us;
        return engine.start(0x0202, duration, false, Then::Activate { slot });
    }
    engine.idle()?;
    engine.change().firmware.staged = Some(slot);
    Ok(Done::Now)
}

/// The slot is active now, if it still holds something.
pub(crate) fn finish_activate(engine: &mut Engine, slot: u8) -> ReturnCode {
    if engine.state.firmware.empty(slot) {
        return ReturnCode::ACTIVATION_FAILED_ROLLED_BACK;
    }
    let state = engine.change();
    state.power.changes = state.power.changes.saturating_add(1);
    let firmware = &mut state.firmware;
    firmware.active = slot;
    if firmware.staged == Some(slot) {
        firmware.staged = None;
    }
    let line = format!("running {}", engine.state.firmware.revision());
    engine.log(Severity::Information, &line);
    ReturnCode::SUCCESS
}

/// Activates the slot that waits for a reset.
pub(crate) fn at_reset(engine: &mut Engine) {
    if let Some(slot) = engine.state.firmware.staged {
        engine.change().firmware.staged = None;
        finish_activate(engine, slot);
    }
}

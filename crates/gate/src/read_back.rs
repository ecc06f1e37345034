// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading back what was set, where the path's word of success is not to be believed.
//!
//! fwgate's word for such an outcome is `unverified`. What is read back is a probe: the gate's own
//! read, on its own record, under the same slot as the command, so that nobody comes between.
//!
//! *Invariants*: only a feature whose data has one layout for reading and writing is compared. What
//! cannot be compared stays unverified; nothing is set again.
//!
//! *Spec*: `drivers/cxl/core/features.c @ v7.3`: `cxl_set_feature` loses a transport failure.

use std::sync::Arc;
use std::time::Instant;

use fwgate_policy::Route;
use fwgate_wire::cxl::features::SetFeatureRequest;
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::device::{Belief, Device, Generation, Reply};
use crate::facts::DeviceFacts;
use crate::journal::{Durability, Journal, Kind};
use crate::outcome::MAX_ERROR;
use crate::permit::Recorded;
use crate::probe::Probe;
use crate::record::{FactsBody, ProbeBody};
use crate::request::Message;
use crate::text;

/// What has to be there after a Set Feature.
pub(crate) struct ReadBack {
    probe: Probe,
    expected: Zeroizing<Vec<u8>>,
    generation: Arc<Generation>,
    journal: Arc<Journal>,
    until: Option<Instant>,
}

impl ReadBack {
    /// What to read back after this message; `None` where it cannot be compared.
    pub(crate) fn of(
        message: &Message,
        facts: &DeviceFacts,
        journal: &Arc<Journal>,
        until: Option<Instant>,
    ) -> Option<Self> {
        let Message::Cxl { opcode: 0x0502, payload } = message else { return None };
        let request = SetFeatureRequest::parse(payload).ok()?;
        let header = request.header();
        let entry = facts.features()?.iter().find(|entry| entry.uuid == header.uuid)?;
        if entry.get_size != entry.set_size {
            return None;
        }
        let count = u16::try_from(request.data().len()).ok()?;
        Some(Self {
            probe: Probe::ReadBack { uuid: header.uuid, offset: header.offset.get(), count },
            expected: Zeroizing::new(request.data().to_vec()),
            generation: Arc::clone(facts.generation()),
            journal: Arc::clone(journal),
            until,
        })
    }

    /// Reads it and says what to believe. The slot is the caller's.
    pub(crate) fn settle(&self, device: &dyn Device, decision: u64, reply: &mut Reply) {
        if reply.belief != Belief::Unverified || reply.return_code != 0 || reply.background {
            return;
        }
        let Some(read) = self.read(device, decision) else { return };
        let same = read.is_ok_and(|read| *read == *self.expected);
        reply.belief = if same { Belief::ReadBack } else { Belief::ReadsOtherwise };
    }

    /// The probe, on record before and after; `None` where it could not be recorded or sent.
    fn read(&self, device: &dyn Device, decision: u64) -> Option<Result<Zeroizing<Vec<u8>>, ()>> {
        let caller = Arc::new(Caller::gate_itself());
        let path = device.path(Route::Firmware, &self.probe.message(), &caller).ok()?;
        let body = ProbeBody {
            caller: &caller,
            device: &text::line(&device.identity().name, MAX_ERROR),
            opened: &text::line(&self.generation.opened, MAX_ERROR),
            changes: self.generation.changes,
            reads_back: Some(decision),
        };
        let bytes = serde_json::to_vec(&body).ok()?;
        let record = self.journal.append(Kind::Probe, &bytes, Durability::Grouped).ok()?.sequence;
        let recorded =
            Recorded::probe(self.probe, &self.generation, &caller, path, record, self.until);
        let (status, error, read) = match device.submit(recorded) {
            Ok(reply) if reply.return_code == 0 => {
                ("done", None, Ok(Zeroizing::new(reply.payload)))
            }
            Ok(reply) => {
                let what = format!("the device answered {:#06X}", reply.return_code);
                ("failed", Some(what), Err(()))
            }
            Err(error) => ("failed", Some(text::line(&error.to_string(), MAX_ERROR)), Err(())),
        };
        let body = FactsBody { status, device: None, digest: None, alert: None, error };
        let bytes = serde_json::to_vec(&body).ok()?;
        let kind = Kind::Outcome { decision: record };
        self.journal.append(kind, &bytes, Durability::Grouped).ok()?;
        Some(read)
    }
}

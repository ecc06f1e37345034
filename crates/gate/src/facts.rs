// SPDX-License-Identifier: MIT OR Apache-2.0
//! All that was read of a device, owned, sorted and bounded, under one generation.
//!
//! Everything in it is the device's claim. Building it can only fail or keep: duplicates in a log
//! are united, never dropped, and the log in the device's own order is kept for `lint`.

use std::sync::Arc;

use fwgate_policy::tables::Classes;
use fwgate_policy::{
    Facts, FeatureFacts, OperationFacts, Protocol, Reported, ReportedRow, Subsystems, Surroundings,
    Tables, lint,
};
use sha2::{Digest, Sha256};

use crate::device::{Around, Generation, Identity};
use crate::text;

/// All that was read of one device.
#[derive(Clone, Debug)]
pub struct DeviceFacts {
    identity: Identity,
    generation: Arc<Generation>,
    firmware: Vec<u8>,
    serial: Option<u64>,
    /// The log as it came, for `lint`.
    raw: Vec<ReportedRow>,
    raw_io: Vec<ReportedRow>,
    reported: Vec<ReportedRow>,
    features: Option<Vec<FeatureFacts>>,
    logs: Option<Vec<[u8; 16]>>,
    operations: Option<Vec<OperationFacts>>,
    around: Around,
    credible: bool,
    digest: [u8; 32],
}

/// What a probe read, before it is put in order.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// Firmware revision, without padding.
    pub firmware: Vec<u8>,
    /// Serial number, as the device claims.
    pub serial: Option<u64>,
    /// Effects log rows in the device's order.
    pub log: Vec<ReportedRow>,
    /// NVMe: I/O command rows.
    pub io_log: Vec<ReportedRow>,
    /// Features.
    pub features: Option<Vec<FeatureFacts>>,
    /// Logs.
    pub logs: Option<Vec<[u8; 16]>>,
    /// pds: the firmware's operations, in its order.
    pub operations: Option<Vec<OperationFacts>>,
}

impl DeviceFacts {
    /// Puts readings in order and decides whether the log is to be believed.
    #[must_use]
    pub fn new(
        identity: Identity,
        generation: Generation,
        around: Around,
        readings: Readings,
        tables: &Tables<'_>,
    ) -> Self {
        let Readings { firmware, serial, log, io_log, features, logs, operations } = readings;
        let mut features = features;
        if let Some(features) = &mut features {
            features.sort_by_key(|entry| entry.uuid);
            // A UUID listed twice is judged by the union of what both say.
            features.dedup_by(|next, kept| {
                let same = next.uuid == kept.uuid;
                if same {
                    kept.effects |= next.effects;
                    kept.flags &= next.flags;
                }
                same
            });
        }
        let digest = digest(&log, &io_log, features.as_deref(), operations.as_deref());
        let mut facts = Self {
            reported: united(&log),
            raw: log,
            raw_io: io_log,
            identity,
            generation: Arc::new(generation),
            firmware,
            serial,
            features,
            logs,
            operations,
            around,
            credible: false,
            digest,
        };
        facts.credible = facts.is_credible(tables);
        facts
    }

    /// Whether `lint` finds the log believable.
    fn is_credible(&self, tables: &Tables<'_>) -> bool {
        self.with_policy(|facts| {
            let protocol = self.identity.protocol;
            // A family's device has no log that could be believed.
            !protocol.is_family()
                && lint::is_credible(protocol, &self.raw, facts, tables)
                && (self.raw_io.is_empty()
                    || lint::is_credible(Protocol::NvmeIo, &self.raw_io, facts, tables))
        })
    }

    /// Lends the facts in the judge's form.
    pub fn with_policy<T>(&self, use_them: impl FnOnce(&Facts<'_>) -> T) -> T {
        let interfaces = self.around.interfaces.as_deref();
        let facts = Facts {
            class: self.identity.class,
            vendor: self.identity.vendor,
            device: self.identity.device,
            firmware: &self.firmware,
            reported: Reported::new(&self.reported).unwrap_or_default(),
            credible: self.credible,
            features: self.features.as_deref(),
            logs: self.logs.as_deref(),
            operations: self.operations.as_deref(),
            surroundings: Surroundings {
                driven: self.around.driven,
                nvdimm_bound: self.around.nvdimm_bound,
                decoder_committed: self.around.decoder_committed,
                namespace_in_use: self.around.namespace_in_use,
                drivers: self.around.drivers,
                interfaces,
            },
            inner: &[],
        };
        use_them(&facts)
    }

    /// What the device is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the facts are bound to.
    #[must_use]
    pub const fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// Firmware revision, cleaned.
    #[must_use]
    pub fn firmware(&self) -> String {
        text::clean(&self.firmware, 64)
    }

    /// Serial number, as the device claims: good enough to deny by, not to grant by.
    #[must_use]
    pub const fn serial(&self) -> Option<u64> {
        self.serial
    }

    /// The effects log in the device's order.
    #[must_use]
    pub fn log(&self) -> &[ReportedRow] {
        &self.raw
    }

    /// NVMe: the log's I/O commands.
    #[must_use]
    pub fn io_log(&self) -> &[ReportedRow] {
        &self.raw_io
    }

    /// The device's features, sorted by UUID.
    #[must_use]
    pub fn features(&self) -> Option<&[FeatureFacts]> {
        self.features.as_deref()
    }

    /// pds: the firmware's operations, in its order.
    #[must_use]
    pub fn operations(&self) -> Option<&[OperationFacts]> {
        self.operations.as_deref()
    }

    /// What kernel and machine do with it.
    #[must_use]
    pub const fn around(&self) -> &Around {
        &self.around
    }

    /// Whether its effects log is to be believed.
    #[must_use]
    pub const fn credible(&self) -> bool {
        self.credible
    }

    /// SHA-256 over all logs and feature entries.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Facts of a file that holds an effects log, of a device of which nothing else is known.
    #[must_use]
    pub fn from_log(
        protocol: Protocol,
        class: Classes,
        log: Vec<ReportedRow>,
        io_log: Vec<ReportedRow>,
        tables: &Tables<'_>,
    ) -> Self {
        let identity = Identity {
            name: String::new(),
            protocol,
            class,
            vendor: 0,
            device: 0,
            emulated: false,
        };
        let generation = Generation { opened: String::new(), changes: 0 };
        let around = Around {
            driven: fwgate_policy::Known::CannotTell,
            nvdimm_bound: fwgate_policy::Known::CannotTell,
            decoder_committed: fwgate_policy::Known::CannotTell,
            namespace_in_use: fwgate_policy::Known::CannotTell,
            // Nothing is sent by this: it is taken for a device that its usual driver drives.
            drivers: match protocol {
                Protocol::Cxl => Subsystems::CXL,
                Protocol::NvmeAdmin | Protocol::NvmeIo => Subsystems::NVME,
                Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => {
                    Subsystems::NETDEV | Subsystems::RDMA
                }
            },
            interfaces: None,
            lockdown: fwgate_policy::Lockdown::None,
        };
        let readings = Readings { log, io_log, ..Readings::default() };
        Self::new(identity, generation, around, readings, tables)
    }
}

/// The rows sorted by opcode, duplicates united bit by bit.
fn united(log: &[ReportedRow]) -> Vec<ReportedRow> {
    let mut rows = log.to_vec();
    rows.sort_by_key(|row| row.opcode);
    rows.dedup_by(|next, kept| {
        let same = next.opcode == kept.opcode;
        if same {
            kept.word |= next.word;
        }
        same
    });
    rows
}

fn digest(
    log: &[ReportedRow],
    io_log: &[ReportedRow],
    features: Option<&[FeatureFacts]>,
    operations: Option<&[OperationFacts]>,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Counts first, so that no row can pass for one of another list.
    let count = |hash: &mut Sha256, count: usize| hash.update((count as u64).to_le_bytes());
    for rows in [log, io_log] {
        count(&mut hash, rows.len());
        for row in rows {
            hash.update(row.opcode.to_le_bytes());
            hash.update(row.word.to_le_bytes());
        }
    }
    count(&mut hash, features.map_or(0, <[FeatureFacts]>::len));
    for entry in features.unwrap_or_default() {
        hash.update(entry.uuid);
        hash.update(entry.flags.to_le_bytes());
        hash.update(entry.effects.to_le_bytes());
        hash.update(entry.get_size.to_le_bytes());
        hash.update(entry.set_size.to_le_bytes());
    }
    // Last, and only where there are any: what was read of other devices keeps its digest.
    for operation in operations.unwrap_or_default() {
        hash.update(operation.endpoint.to_le_bytes());
        hash.update(operation.operation.to_le_bytes());
        hash.update([operation.attribute]);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_move_from_one_list_to_another_change_the_digest() {
        let row = |opcode, word| ReportedRow { opcode, word };
        // The same rows, divided in another way.
        let io = [row(1, 2), row(3, 4)];
        let (first, rest) = io.split_at(1);
        assert_ne!(digest(&io, &[], None, None), digest(first, rest, None, None));
        assert_ne!(digest(&io, &[], None, None), digest(&[], &io, None, None));
        let feature =
            FeatureFacts { uuid: [0; 16], flags: 1, effects: 0, get_size: 0, set_size: 0 };
        let larger = FeatureFacts { set_size: 8, ..feature };
        let of = |feature| digest(&[], &[], Some(&[feature]), None);
        assert_ne!(of(feature), of(larger));
        let operation = OperationFacts { endpoint: 1, operation: 7, attribute: 2 };
        let other = OperationFacts { attribute: 4, ..operation };
        let of = |operation| digest(&[], &[], None, Some(&[operation]));
        assert_ne!(of(operation), of(other));
        assert_ne!(of(operation), digest(&[], &[], None, None));
    }
}

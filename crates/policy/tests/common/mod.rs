// SPDX-License-Identifier: MIT OR Apache-2.0
//! The plainest of everything, for tests to change one thing at a time.
//!
//! *Not here*: the compiled-in rows. These tests keep their own, so that data may change.

use fwgate_policy::facts::Surroundings;
use fwgate_policy::tables::{Classes, Families, FloorRow, Kind};
use fwgate_policy::{
    Capabilities, Confidence, Disclosure, Effects, Facts, Grants, Lockdown, Path, PathKind,
    Reported, Scope, Site, Standing, Tables,
};

/// Tables without a row.
pub(crate) const NO_ROWS: Tables<'static> = Tables {
    cxl: &[],
    cxl_selectors: &[],
    nvme_admin: &[],
    nvme_io: &[],
    nvme_selectors: &[],
    families: Families::NONE,
    ground: &[],
    interfaces: &[],
    stances: &[],
    advisories: &[],
    vendor: &[],
    more: None,
};

/// A cited row for a read that shows nothing.
pub(crate) const READ: FloorRow = FloorRow {
    opcode: 0,
    effects: Effects::empty(),
    confidence: Confidence::Cited,
    discloses: Disclosure::None,
    kind: Kind::Read,
    judged_by: None,
    selector: None,
    input_min: None,
    input_max: None,
    mandatory: Classes::empty(),
    memdev_id: None,
    loggable: false,
    source: "test",
};

/// A credible memory device that reports nothing and that nobody drives.
pub(crate) fn quiet_device() -> Facts<'static> {
    Facts {
        class: Classes::CXL_MEMORY,
        vendor: 0xFFF0,
        device: 0x0C01,
        firmware: b"1.0",
        reported: Reported::default(),
        credible: true,
        features: None,
        logs: None,
        surroundings: Surroundings::DRIVEN_BY_NOBODY,
        operations: None,
        inner: &[],
    }
}

/// Someone who may do everything, by a path that can do everything.
pub(crate) fn almighty() -> Standing {
    Standing {
        asked: None,
        capabilities: Capabilities { sys_admin: true, sys_rawio: true },
        site: Site::Permit,
        grants: Grants {
            may_see: Disclosure::Secret,
            scope: Some(Scope::DebugWriteFull),
            opaque: Some(Scope::DebugWriteFull),
            named_action: true,
            set_aside: fwgate_policy::SetAside::empty(),
        },
        lockdown: Lockdown::None,
        path: Path { kind: PathKind::Fwctl, follows_background: true, admits_caller: true },
        over_budget: false,
    }
}

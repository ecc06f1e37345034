// SPDX-License-Identifier: MIT OR Apache-2.0
//! Step 7: whose business is this, and is that kernel subsystem there to mind it?
//!
//! A row holds under its own condition; what cannot be told counts as owned. A kernel route on the
//! owner's own interface satisfies the row, and so does the memdev ioctl for its typed ids.

use crate::class::Class;
use crate::facts::{Facts, Known};
use crate::judge::{Question, Route};
use crate::reason::{Code, Level, Operand, Reasons};
use crate::standing::{PathKind, SetAside};
use crate::subsystem::Subsystems;
use crate::tables::{Condition, GroundRow, Kind, Tables};

/// The rows that may speak of a command of this class, in every layer. One whose sub-operation
/// cannot be read may be any of them.
pub fn rows<'t, 'a>(
    class: &Class<'a>,
    tables: &'t Tables<'a>,
) -> impl Iterator<Item = &'a GroundRow> + use<'t, 'a> {
    let (protocol, opcode, selector) = (class.protocol, class.opcode, class.selector);
    tables
        .layers()
        .flat_map(move |layer| layer.ground_of(protocol, opcode))
        .filter(move |row| row.selector.is_none() || selector.is_none() || row.selector == selector)
}

/// Judges the ground of the command itself; answers whose ground it is on.
pub(crate) fn check<'a>(
    question: &Question<'_, 'a>,
    class: &Class<'a>,
    reasons: &mut Reasons<'a>,
) -> Subsystems {
    check_at(question, class, 0, reasons)
}

/// Judges the ground of a carried command. Its target is out of the kernel's sight, so a row whose
/// condition is not known to be false holds.
pub(crate) fn check_through<'a>(
    question: &Question<'_, 'a>,
    class: &Class<'a>,
    depth: u8,
    reasons: &mut Reasons<'a>,
) -> Subsystems {
    check_at(question, class, depth, reasons)
}

fn check_at<'a>(
    question: &Question<'_, 'a>,
    class: &Class<'a>,
    depth: u8,
    reasons: &mut Reasons<'a>,
) -> Subsystems {
    if class.kind == Kind::Never {
        reasons.push(Level::Deny, depth, Code::NeverSent, Operand::None);
    }
    if let Route::Kernel(key) = question.route
        && depth == 0
    {
        route(key, class, question, reasons);
    }
    let mut holders = Subsystems::empty();
    for row in rows(class, question.tables) {
        if !holds(row, question.facts) || !(class.changes() || row.read_disturbs) {
            continue;
        }
        // Who is asked by its own interface is not gone behind.
        if !satisfied(row, question, class, depth) {
            holders |= row.owner;
            refuse(row, question, depth, reasons);
        }
    }
    holders
}

/// A kernel route is one only by an interface that a compiled-in row names for this very command,
/// and that is there. Rows loaded at run time open no route, and neither does the row of one
/// sub-operation where the command's own cannot be read.
fn route<'a>(key: &str, class: &Class<'a>, question: &Question<'_, 'a>, reasons: &mut Reasons<'a>) {
    let compiled_in = Tables { more: None, ..*question.tables };
    let named = rows(class, &compiled_in)
        .filter(|row| row.selector.is_none() || row.selector == class.selector)
        .any(|row| row.interface == Some(key));
    if !named || question.facts.surroundings.interface(key) != Known::Yes {
        reasons.push(Level::Deny, 0, Code::WrongInterface, Operand::None);
    }
}

fn holds(row: &GroundRow, facts: &Facts<'_>) -> bool {
    let around = &facts.surroundings;
    let condition = match row.condition {
        Condition::Driven => around.driven,
        Condition::NvdimmBound => around.nvdimm_bound,
        Condition::DecoderCommitted => around.decoder_committed,
        Condition::NamespaceInUse => around.namespace_in_use,
        Condition::InterfacePresent => {
            row.interface.map_or(Known::CannotTell, |key| around.interface(key))
        }
    };
    condition.may_be()
}

fn satisfied(row: &GroundRow, question: &Question<'_, '_>, class: &Class<'_>, depth: u8) -> bool {
    match question.route {
        Route::Kernel(key) => depth == 0 && row.interface == Some(key),
        Route::Firmware => {
            // The typed ioctl refuses by itself what a bound child driver owns.
            let typed = question
                .tables
                .floor(class.protocol, class.opcode)
                .is_some_and(|floor| floor.memdev_id.is_some());
            depth == 0
                && typed
                && question.standing.path.kind == PathKind::Memdev
                && !matches!(row.condition, Condition::NvdimmBound)
        }
    }
}

fn refuse<'a>(
    row: &'a GroundRow,
    question: &Question<'_, 'a>,
    depth: u8,
    reasons: &mut Reasons<'a>,
) {
    let interface = row
        .interface
        .and_then(|key| question.tables.layers().find_map(|layer| layer.interface(key)));
    let operand = Operand::Owner { owner: row.owner, interface, why: row.why };
    let present = row.interface.map_or(Known::No, |key| question.facts.surroundings.interface(key));
    if present == Known::Yes && depth == 0 {
        reasons.push(Level::Redirect, depth, Code::KernelOwned, operand);
    } else if question.standing.grants.set_aside.contains(SetAside::NO_INTERFACE) {
        let set_aside = Operand::SetAside(Code::KernelOwnedNoInterface);
        reasons.push(Level::Note, depth, Code::SetAside, set_aside);
    } else {
        reasons.push(Level::Deny, depth, Code::KernelOwnedNoInterface, operand);
    }
}

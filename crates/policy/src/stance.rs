// SPDX-License-Identifier: MIT OR Apache-2.0
//! Step 8: what the people whose ground this is have said.
//!
//! A Nak binds on its owner's ground; one that merged code has overtaken is history and is not
//! looked at. The ground of an opaque command is every subsystem that drives any function of the
//! same physical device: where there are several, each must have agreed, or the site's explicit
//! line decides.

use crate::judge::Question;
use crate::reason::{Code, Level, Operand, Reasons};
use crate::standing::{PathKind, SetAside};
use crate::subsystem::Subsystems;
use crate::tables::{Matter, Opinion, StanceRow};

/// `drivers` are the subsystems that drive the device or a target, `holders` those whose ground the
/// command is on, carried commands counted.
pub(crate) fn check<'a>(
    question: &Question<'_, 'a>,
    opaque: bool,
    drivers: Subsystems,
    holders: Subsystems,
    reasons: &mut Reasons<'a>,
) {
    let by_fwctl = question.standing.path.kind == PathKind::Fwctl;
    let aside = question.standing.grants.set_aside;
    let mut agreed = Subsystems::empty();
    for row in live(question) {
        let here = row.ground.intersection(match row.matter {
            Matter::Opaque if opaque => drivers,
            Matter::DriverTables if by_fwctl => drivers,
            Matter::KernelInterface => holders,
            Matter::Opaque | Matter::DriverTables => Subsystems::empty(),
        });
        match row.opinion {
            Opinion::Ack if row.matter == Matter::Opaque => agreed |= here,
            Opinion::Ack => {}
            Opinion::Nak if here.is_empty() => {}
            Opinion::Nak if aside.contains(SetAside::NAK) => {
                let operand = Operand::SetAside(Code::Nak);
                reasons.push(Level::Note, 0, Code::SetAside, operand);
            }
            Opinion::Nak => {
                reasons.push(Level::Deny, 0, Code::Nak, Operand::Key(row.key));
            }
        }
    }
    if !opaque || drivers.count() < 2 {
        return;
    }
    let silent = drivers.difference(agreed);
    if silent.is_empty() {
        return;
    }
    if aside.contains(SetAside::SHARED_GROUND) {
        let operand = Operand::SetAside(Code::SharedGround);
        reasons.push(Level::Note, 0, Code::SetAside, operand);
    } else {
        reasons.push(Level::Deny, 0, Code::SharedGround, Operand::Grounds(silent));
    }
}

fn live<'q, 'a>(
    question: &'q Question<'_, 'a>,
) -> impl Iterator<Item = &'a StanceRow> + use<'q, 'a> {
    question
        .tables
        .layers()
        .flat_map(|layer| layer.stances)
        .filter(|row| row.overtaken_by.is_none())
}

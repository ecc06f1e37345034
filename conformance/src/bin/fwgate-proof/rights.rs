// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may: five identities, two modes of the nodes, what the gate says and what the kernel says to the same.
//!
//! *Invariants*: what the kernel refuses for want of a capability the gate does not allow, whatever the site
//! permits; what the node's mode refuses it does not allow by the policy that is built in.

use std::os::unix::fs::PermissionsExt as _;

use fwgate_gate::Caller;
use fwgate_policy::Scope;
use fwgate_wire::cxl::features::feature_uuid;

use crate::discovery::DRIVE;
use crate::features::{get, node, set};
use crate::report::{Report, Verdict, ensure, same};
use crate::rig::{Rig, Unit};
use crate::says::{self, Answers, Ask, Said, Who};

const OURS: [u8; 16] = *feature_uuid::CXL_TEST.as_bytes();
const EPERM: i32 = 1;
const EACCES: i32 = 13;

/// One command of the matrix.
struct Command {
    name: &'static str,
    opcode: u16,
    payload: Vec<u8>,
    scope: Option<Scope>,
    ask: Ask,
}

fn commands() -> Vec<Command> {
    let scopes = [Scope::Configuration, Scope::DebugRead, Scope::DebugWrite, Scope::DebugWriteFull];
    let mut all = vec![Command {
        name: "Identify by id",
        opcode: 0x4000,
        payload: Vec::new(),
        scope: None,
        ask: Ask::Id(1, Vec::new(), 0x43),
    }];
    for (number, scope) in (0..).zip(scopes) {
        let read = get(OURS, 0, 4, 0);
        all.push(Command {
            name: "Get Feature",
            opcode: 0x0501,
            payload: read.clone(),
            scope: Some(scope),
            ask: Ask::Rpc(number, 0x0501, read),
        });
        let write = set(OURS, 0, &0xdead_beef_u32.to_le_bytes());
        all.push(Command {
            name: "Set Feature",
            opcode: 0x0502,
            payload: write.clone(),
            scope: Some(scope),
            ask: Ask::Rpc(number, 0x0502, write),
        });
    }
    all
}

pub(crate) fn run(report: &mut Report) {
    let rig = Rig::new();
    let by_default = Rig::by_default();
    report.check(
        "each identity is seen as what it is, and capabilities of a namespace count for nothing",
        || {
            for who in Who::ALL {
                let caller = says::ask(who, None, None, &[])?.caller;
                let seen =
                    (caller.uid, caller.capabilities.sys_admin, caller.capabilities.sys_rawio);
                let expected = match who {
                    Who::Root => (0, true, true),
                    Who::Nobody => (65534, false, false),
                    Who::Rawio => (65534, false, true),
                    Who::RootOfNamespace | Who::NobodyOfNamespace => (0, false, false),
                };
                same!(who.name(), seen, expected);
            }
            Ok(())
        },
    );
    for mode in [0o600, 0o666] {
        for who in Who::ALL {
            let name = format!(
                "with nodes of mode {mode:o} the gate allows {} nothing that the kernel refuses",
                who.name()
            );
            let mut lines = Vec::new();
            report.check(&name, || matrix(&rig, &by_default, who, mode, &mut lines));
            for line in lines {
                report.note(line);
            }
            let name = format!(
                "with a node of mode {mode:o} the gate of {} reads of a drive what the kernel lets it",
                who.name()
            );
            report.check(&name, || by_own_gate(&rig, who, mode));
        }
    }
}

/// A gate in a process of somebody's own gets no further than the kernel lets that process.
fn by_own_gate(rig: &Rig, who: Who, mode: u32) -> Verdict {
    let drive = rig.find(DRIVE)?.name;
    let path = format!("/dev/{drive}");
    let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    set(mode).map_err(|error| format!("{path}: {error}"))?;
    let opened = says::gate(who, &drive);
    set(0o600).map_err(|error| format!("{path}: {error}"))?;
    let owner = matches!(who, Who::Root | Who::RootOfNamespace);
    match opened? {
        Ok(()) if who == Who::Root => Ok(()),
        Ok(()) => Err("it read the drive's facts".to_owned()),
        // The driver asks for CAP_SYS_ADMIN for what the facts are read with.
        Err(why) if (owner || mode == 0o666) && who != Who::Root => {
            ensure!(why.contains("CAP_SYS_ADMIN"), "{why}");
            Ok(())
        }
        Err(why) => {
            ensure!(who != Who::Root && why.contains("errno 13"), "{why}");
            Ok(())
        }
    }
}

/// Sets the mode of both nodes of a device.
fn open_to(unit: &Unit<'_>, mode: u32) -> Verdict {
    for path in [format!("/dev/fwctl/{}", node(unit)?), format!("/dev/cxl/{}", unit.name())] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, permissions).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

fn matrix(rig: &Rig, by_default: &Rig, who: Who, mode: u32, lines: &mut Vec<String>) -> Verdict {
    let unit = rig.open_target(rig.mock(3)?)?;
    open_to(&unit, mode)?;
    let result = compare(&unit, &by_default.open_target(by_default.mock(3)?)?, who, mode, lines);
    open_to(&unit, 0o600)?;
    result
}

fn compare(
    unit: &Unit<'_>,
    by_default: &Unit<'_>,
    who: Who,
    mode: u32,
    lines: &mut Vec<String>,
) -> Verdict {
    let commands = commands();
    let asks: Vec<Ask> = commands.iter().map(|command| command.ask.clone()).collect();
    let answers = says::ask(who, Some(&node(unit)?), Some(unit.name()), &asks)?;
    let mut wrong = Vec::new();
    for command in &commands {
        let (line, verdicts) = one(unit, by_default, &answers, command)?;
        let (said, permitted, default) = verdicts;
        let scope = command.scope.map_or("", Scope::name);
        lines.push(format!("mode {mode:o}, {}: {} {scope}: {line}", who.name(), command.name));
        let by_capability = said.errno() == Some(EPERM);
        let by_mode = matches!(said, Said::Closed(EACCES));
        if by_capability && (permitted || default) {
            wrong.push(format!(
                "{} {scope}: the gate allows what the kernel refuses by EPERM",
                command.name
            ));
        }
        if by_mode && default {
            wrong.push(format!(
                "{} {scope}: allowed by default, closed by the node's mode",
                command.name
            ));
        }
        // The other way round for who has every right: what the kernel does is not refused.
        if who == Who::Root && matches!(said, Said::Done(0, _)) && !permitted {
            wrong.push(format!(
                "{} {scope}: the kernel does it for root and the gate refuses",
                command.name
            ));
        }
    }
    expected(who, mode, &commands, &answers)?;
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

type Verdicts<'a> = (&'a Said, bool, bool);

fn one<'a>(
    unit: &Unit<'_>,
    by_default: &Unit<'_>,
    answers: &'a Answers,
    command: &Command,
) -> Result<(String, Verdicts<'a>), String> {
    let said = answers.to(&command.ask)?;
    let verdict = |unit: &Unit<'_>, caller: &Caller| {
        unit.explain(caller, command.opcode, &command.payload, command.scope)
    };
    let permitted = verdict(unit, &answers.caller)?;
    let default = verdict(by_default, &answers.caller)?;
    let word = match said {
        Said::Closed(errno) => format!("node closed, errno {errno}"),
        Said::Refused(errno) => format!("kernel refuses, errno {errno}"),
        Said::Done(code, _) => format!("kernel does it, code {code}"),
    };
    let line = format!(
        "{word}; gate where the site permits all {} ({}), by default {} ({})",
        permitted.verdict,
        permitted.headline(),
        default.verdict,
        default.headline(),
    );
    Ok((line, (said, permitted.verdict == "allow", default.verdict == "allow")))
}

/// That the kernel's side of the matrix is the one that the documents name.
fn expected(who: Who, mode: u32, commands: &[Command], answers: &Answers) -> Verdict {
    // The root of a namespace that root made owns the nodes as root does.
    let owner = matches!(who, Who::Root | Who::RootOfNamespace);
    let enters = owner || mode == 0o666;
    let rawio = matches!(who, Who::Root | Who::Rawio);
    for command in commands {
        let said = answers.to(&command.ask)?;
        let full = command.scope == Some(Scope::DebugWriteFull);
        let write = command.opcode == 0x0502;
        let low = command.scope.is_some_and(|scope| scope < Scope::DebugWrite);
        let errno = match (enters, command.ask.clone()) {
            (false, _) => Some(EACCES),
            (true, Ask::Rpc(..)) if full && !rawio => Some(EPERM),
            (true, Ask::Rpc(..)) if write && low => Some(22),
            _ => None,
        };
        let scope = command.scope.map_or("", Scope::name);
        same!(format!("the kernel to {} {scope}", command.name), said.errno(), errno);
    }
    Ok(())
}

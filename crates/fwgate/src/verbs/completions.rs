// SPDX-License-Identifier: MIT OR Apache-2.0
//! `completions`: the shell's script, made from the one definition of the command line, with the names
//! of this machine's devices and of the commands that the tables know.
//!
//! *Invariants*: a name that is offered is one that is taken; a name that is not offered may be taken
//! all the same. Names from sysfs that a shell would read otherwise are left out.

use clap::Command;
use clap::builder::PossibleValuesParser;
use fwgate_wire::{cxl, nvme};

use crate::cli::CompletionsArgs;
use crate::cli::groups::command;
use crate::devices;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Ui;

/// Runs `completions`.
pub(crate) fn run(ui: &mut Ui, args: &CompletionsArgs) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    let mut command = with_names(command(), &devices(), &commands());
    clap_complete::generate(args.shell, &mut command, "fwgate", &mut script);
    ui.bytes(&script)?;
    Ok(Exit::Done)
}

fn devices() -> Vec<String> {
    let plain = |name: &String| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_'))
    };
    devices::all().into_iter().filter(plain).collect()
}

fn commands() -> Vec<String> {
    let cxl = cxl::table::COMMANDS.iter().map(|row| row.slug);
    let nvme = nvme::table::ADMIN.iter().map(|row| row.slug);
    let mut all: Vec<String> = cxl.chain(nvme).map(ToOwned::to_owned).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The definition, with values for DEV and COMMAND; for generating alone, not for parsing.
fn with_names(command: Command, devices: &[String], commands: &[String]) -> Command {
    let both: Vec<String> = devices.iter().chain(commands).cloned().collect();
    let verb = command.get_name().to_owned();
    let command = command.mut_args(|arg| {
        let values = match arg.get_id().as_str() {
            "device" => devices,
            "name" if verb == "send" => commands,
            "target" => &both,
            _ => return arg,
        };
        arg.value_parser(PossibleValuesParser::new(values.iter().cloned()))
    });
    command.mut_subcommands(|verb| with_names(verb, devices, commands))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_offered_devices_and_commands() {
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh] {
            let mut script = Vec::new();
            let mut command = with_names(command(), &devices(), &commands());
            clap_complete::generate(shell, &mut command, "fwgate", &mut script);
            let script = String::from_utf8(script).unwrap();
            for name in ["emu:cxl1", "get-health-info", "identify"] {
                assert!(
                    script.contains(name) || script.contains(&name.replace(':', "\\:")),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn the_commands_are_those_of_the_tables() {
        let commands = commands();
        assert!(commands.iter().any(|name| name == "sanitize"), "{commands:?}");
        assert!(commands.is_sorted());
    }
}

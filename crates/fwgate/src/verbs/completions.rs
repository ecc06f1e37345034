// SPDX-License-Identifier: MIT OR Apache-2.0
//! `completions`: the shell's script, made from the one definition of the command line.

use clap::CommandFactory as _;

use crate::cli::{Cli, CompletionsArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Ui;

/// Runs `completions`.
pub(crate) fn run(ui: &mut Ui, args: &CompletionsArgs) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fwgate", &mut script);
    ui.bytes(&script)?;
    Ok(Exit::Done)
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! From arguments to an exit status.
//!
//! *Invariants*: every failure ends in a documented status; under `-o json` it is also a document
//! on standard output, and that holds for arguments that could not be read too.

use std::ffi::OsString;

use clap::FromArgMatches as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::groups::command;
use crate::cli::{Cli, Verb};
use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::output::{Format, Ui};
use crate::verbs;

/// Runs a command line, the program's name first.
pub(crate) fn run(args: Vec<OsString>) -> Exit {
    let wants_json = wants_json(&args);
    let parsed = command()
        .try_get_matches_from(args)
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    match parsed {
        Ok(cli) => {
            let mut ui = Ui::new(cli.globals.format, cli.globals.verbose);
            match dispatch(&mut ui, &cli) {
                Ok(exit) => exit,
                Err(error) => report(&mut ui, &error),
            }
        }
        Err(error) => unread(&error, wants_json),
    }
}

fn dispatch(ui: &mut Ui, cli: &Cli) -> Result<Exit, CliError> {
    let timeout = cli.globals.timeout;
    match &cli.verb {
        Verb::Effects(args) => verbs::effects::run(ui, args, timeout),
        Verb::Lint(args) => verbs::lint::run(ui, args, timeout),
        Verb::Explain(args) => verbs::explain::run(ui, args, timeout),
        Verb::Audit { verb } => verbs::audit::run(ui, verb),
        Verb::Config { verb } => verbs::config::run(ui, verb),
        Verb::Completions(args) => verbs::completions::run(ui, args),
        Verb::Man(args) => verbs::man::run(ui, args),
        Verb::List(args) => verbs::list::run(ui, args, timeout),
        Verb::Info(args) => verbs::info::run(ui, args, timeout),
        Verb::Send(args) => verbs::send::run(ui, args, timeout),
        Verb::Doctor(args) => verbs::doctor::run(ui, args, timeout),
        Verb::Identify(args) => verbs::identify::run(ui, args, timeout),
        Verb::Health(args) => verbs::health::run(ui, args, timeout),
        Verb::Events(args) => verbs::events::run(ui, args, timeout),
        Verb::Logs { verb } => verbs::logs::run(ui, verb, timeout),
        Verb::Features { verb } => verbs::features::run(ui, verb, timeout),
        Verb::Alerts { verb } => verbs::alerts::run(ui, verb, timeout),
        Verb::Timestamp { verb } => verbs::timestamp::run(ui, verb, timeout),
        Verb::ShutdownState { verb } => verbs::shutdown_state::run(ui, verb, timeout),
        Verb::Partition { verb } => verbs::partition::run(ui, verb, timeout),
        Verb::Labels { verb } => verbs::labels::run(ui, verb, timeout),
        Verb::Scrub { verb } => verbs::scrub::run(ui, verb, timeout),
        Verb::Poison { verb } => verbs::poison::run(ui, verb, timeout),
        Verb::Repair(args) => verbs::repair::run(ui, args, timeout),
        Verb::Sanitize(args) => verbs::sanitize::run(ui, args, timeout),
        Verb::Security(args) => verbs::security::run(ui, args, timeout),
        Verb::Firmware { verb } => verbs::firmware::run(ui, verb, timeout),
        Verb::Tour(args) => verbs::tour::run(ui, args),
    }
}

/// Prints a failure: a sentence for people and, under `-o json`, a document.
fn report(ui: &mut Ui, error: &CliError) -> Exit {
    ui.note(&format!("fwgate: {}\n", error.detail()));
    if ui.format() == Format::Json {
        // Standard output is all that could fail, and there is nobody left to tell.
        let _ = ui.bytes(format!("{}\n", error.document()).as_bytes());
    }
    error.exit()
}

/// Arguments that could not be read; or help, which clap reports the same way.
fn unread(error: &clap::Error, wants_json: bool) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that went away has seen enough.
            let _ = error.print();
            return Exit::Done;
        }
        _ => {}
    }
    let _ = error.print();
    if wants_json {
        let mut ui = Ui::new(Format::Json, false);
        let _ = ui.bytes(format!("{}\n", usage_error(error).document()).as_bytes());
    }
    Exit::Usage
}

fn usage_error(error: &clap::Error) -> CliError {
    let code = match error.kind() {
        ErrorKind::UnknownArgument => "unknown-argument",
        ErrorKind::InvalidSubcommand => "unknown-verb",
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::InvalidUtf8 => {
            "bad-value"
        }
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "missing-argument",
        ErrorKind::ArgumentConflict => "conflicting-arguments",
        _ => "usage",
    };
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return CliError::usage(code, "a verb is missing; see: fwgate --help");
    }
    let made = CliError::usage(code, first_paragraph(&error.render().to_string()));
    let argument =
        [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].into_iter().find_map(|kind| {
            match error.get(kind) {
                Some(ContextValue::String(text)) => Some(text.clone()),
                Some(ContextValue::Strings(texts)) => texts.first().cloned(),
                _ => None,
            }
        });
    match argument {
        Some(argument) => made.argument(&argument),
        None => made,
    }
}

/// The sentence, without clap's prefix, hints and usage.
fn first_paragraph(text: &str) -> String {
    let lines = text.lines().take_while(|line| !line.trim().is_empty());
    let joined = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    shown(joined.strip_prefix("error: ").unwrap_or(&joined))
}

/// Whether JSON is asked for, as far as that can be seen in arguments that cannot be read.
fn wants_json(args: &[OsString]) -> bool {
    let mut args = args.iter().skip(1).map(|arg| arg.to_string_lossy());
    while let Some(arg) = args.next() {
        if arg == "--" {
            return false;
        }
        let value = if let Some(rest) = arg.strip_prefix("--format") {
            match rest.strip_prefix('=') {
                Some(value) => Some(value.to_owned()),
                None if rest.is_empty() => args.next().map(|value| value.into_owned()),
                None => None,
            }
        } else if arg.starts_with("--") {
            None
        } else if let Some(flags) = arg.strip_prefix('-') {
            match flags.trim_start_matches('v').strip_prefix('o') {
                Some("") => args.next().map(|value| value.into_owned()),
                Some(value) => Some(value.trim_start_matches('=').to_owned()),
                None => None,
            }
        } else {
            None
        };
        if value.as_deref() == Some("json") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(args: &[&str]) -> bool {
        let mut all = vec![OsString::from("fwgate")];
        all.extend(args.iter().map(OsString::from));
        wants_json(&all)
    }

    #[test]
    fn json_is_seen_in_every_spelling() {
        for args in [
            &["-o", "json", "nonsense"][..],
            &["nonsense", "-ojson"],
            &["nonsense", "-o=json"],
            &["-vo", "json"],
            &["--format", "json"],
            &["--format=json", "--bad"],
        ] {
            assert!(asks(args), "{args:?}");
        }
    }

    #[test]
    fn json_elsewhere_is_no_form() {
        for args in
            [&["json"][..], &["-o", "table"], &["--", "-o", "json"], &["--output", "json"], &[]]
        {
            assert!(!asks(args), "{args:?}");
        }
    }

    #[test]
    fn a_usage_error_is_one_clean_sentence() {
        let error = command()
            .try_get_matches_from(["fwgate", "explain", "a", "b", "--scope", "much\u{1b}"])
            .unwrap_err();
        let made = usage_error(&error);
        assert_eq!((made.exit(), made.code()), (Exit::Usage, "bad-value"));
        assert!(made.detail().starts_with("invalid value 'much"), "{}", made.detail());
        assert!(!made.detail().contains('\u{1b}'), "{}", made.detail());
    }
}

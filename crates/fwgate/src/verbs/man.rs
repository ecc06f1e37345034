// SPDX-License-Identifier: MIT OR Apache-2.0
//! `man`: manual pages, made from the one definition of the command line.

use std::path::Path;

use clap_mangen::Man;

use crate::cli::ManArgs;
use crate::cli::groups::{GROUPS, about, command};
use crate::devices::FAULTS;
use crate::error::CliError;
use crate::exit::Exit;
use crate::files;
use crate::output::Ui;
use crate::state::VARIABLE;

/// Files and folders that the page names.
const FILES: &[(&str, &str)] = &[
    ("/var/lib/fwgate", "root's journal and emulated devices"),
    ("$XDG_STATE_HOME/fwgate", "everybody else's; without the variable, ~/.local/state/fwgate"),
    ("journal/", "in that folder: the journal of record, segments of hash-chained records"),
    ("devices/", "in that folder: what the emulated devices remember, and their locks"),
];

/// Variables that the page names.
const ENVIRONMENT: &[(&str, &str)] = &[
    (VARIABLE, "folder for journal and emulated devices, in place of the default"),
    ("XDG_STATE_HOME", "where users keep state; relative paths count as none"),
    (FAULTS, "faults that the emulated devices show: a plan in JSON, or a file that holds one"),
    ("COLUMNS", "how wide tables are where standard output is no terminal; 100 without it"),
    ("NO_COLOR", "set to anything, no colours are written, not even on a terminal"),
];

/// Runs `man`.
pub(crate) fn run(ui: &mut Ui, args: &ManArgs) -> Result<Exit, CliError> {
    let mut command = command();
    command.build();
    match &args.dir {
        None => ui.bytes(&page(&command)?)?,
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|error| {
                let detail = format!("cannot make `{}`: {error}", crate::error::path(dir));
                CliError::usage("unwritable-file", detail).argument("DIR").file(dir)
            })?;
            let count = write(dir, &command)?;
            ui.note(&format!("{count} pages in {}\n", crate::error::path(dir)));
        }
    }
    Ok(Exit::Done)
}

/// Writes the page of a verb and of those under it; answers how many.
fn write(dir: &Path, command: &clap::Command) -> Result<usize, CliError> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    files::write_public(&dir.join(format!("{name}.1")), &page(command)?)?;
    let mut count = 1usize;
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        count = count.saturating_add(write(dir, verb)?);
    }
    Ok(count)
}

fn page(command: &clap::Command) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let version = format!("fwgate {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(version).manual("fwgate");
    render(&man, &mut bytes).map_err(|error| {
        CliError::new(Exit::Failed, "output", format!("cannot make the manual: {error}"))
    })?;
    bytes.extend_from_slice(verbs(command).as_bytes());
    if let Some(examples) = command.get_after_help() {
        bytes.extend_from_slice(verbatim("EXAMPLES", &examples.to_string()).as_bytes());
    }
    let exits: Vec<(String, &str)> =
        Exit::ALL.iter().map(|exit| (exit.status().to_string(), exit.meaning())).collect();
    let exits: Vec<(&str, &str)> = exits.iter().map(|(n, text)| (n.as_str(), *text)).collect();
    for (title, rows) in
        [("EXIT STATUS", exits.as_slice()), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)]
    {
        bytes.extend_from_slice(section(title, rows).as_bytes());
    }
    Ok(bytes)
}

/// What clap knows, but for the verbs and what follows the help: those have sections of their own.
fn render(man: &Man, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    man.render_title(bytes)?;
    man.render_name_section(bytes)?;
    man.render_synopsis_section(bytes)?;
    man.render_description_section(bytes)?;
    man.render_options_section(bytes)
}

/// The verbs under a command, those of fwgate itself in groups.
fn verbs(command: &clap::Command) -> String {
    let under: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .filter(|verb| *verb != "help")
        .collect();
    if under.is_empty() {
        return String::new();
    }
    let mut text = ".SH \"VERBS\"\n".to_owned();
    let list = |names: &[&str]| -> String {
        let page = command.get_display_name().unwrap_or_else(|| command.get_name());
        names
            .iter()
            .map(|name| {
                let (page, about) =
                    (plain(&format!("{page}-{name}")), plain(&about(command, name)));
                format!(".TP\n\\fB{page}\\fR(1)\n{about}\n")
            })
            .collect()
    };
    if command.get_name() != "fwgate" {
        text.push_str(&list(&under));
        return text;
    }
    for (title, names) in GROUPS {
        text.push_str(&format!(".SS \"{title}\"\n{}", list(names)));
    }
    text
}

/// A section whose lines stay as they are, in roff.
fn verbatim(title: &str, text: &str) -> String {
    let mut made = format!(".SH \"{title}\"\n.nf\n");
    for line in text.lines().filter(|line| !line.starts_with("Example")) {
        made.push_str(&format!("\\&{}\n", plain(line)));
    }
    made.push_str(".fi\n");
    made
}

fn plain(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// A section of names and what they are, in roff.
fn section(title: &str, rows: &[(&str, &str)]) -> String {
    let mut text = format!(".SH \"{title}\"\n");
    for (name, what) in rows {
        text.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", plain(name), plain(what)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_status_and_every_verb() {
        let mut command = command();
        command.build();
        let text = String::from_utf8(page(&command).unwrap()).unwrap();
        for exit in Exit::ALL {
            assert!(text.contains(&format!("\\fB{}\\fR\n", exit.status())), "{exit:?}");
        }
        for verb in command.get_subcommands() {
            assert!(text.contains(&plain(verb.get_name())), "{}", verb.get_name());
        }
        for (title, _) in GROUPS {
            assert!(text.contains(&format!(".SS \"{title}\"\n")), "{title}");
        }
        for title in ["VERBS", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
            assert!(text.contains(title), "{title}");
        }
    }

    #[test]
    fn every_verb_has_a_page_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command();
        command.build();
        let count = write(folder.path(), &command).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), count);
        assert!(folder.path().join("fwgate-audit-verify.1").exists());
    }
}

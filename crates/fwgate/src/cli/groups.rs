// SPDX-License-Identifier: MIT OR Apache-2.0
//! The verbs in groups, for help and manual.
//!
//! *Invariants*: every verb is in one group and in one alone.

use clap::{Command, CommandFactory as _};

use super::Cli;

/// Verbs under their headings, in the order in which they are shown.
pub(crate) const GROUPS: &[(&str, &[&str])] = &[
    ("Begin", &["tour", "list", "info", "doctor"]),
    ("What a device says", &["identify", "health", "events", "logs", "features"]),
    ("Settings", &["alerts", "timestamp", "shutdown-state", "partition", "labels", "scrub"]),
    ("Media, data and firmware", &["poison", "repair", "sanitize", "security", "firmware"]),
    ("Any command", &["effects", "lint", "explain", "send"]),
    ("fwgate itself", &["audit", "config", "completions", "man"]),
];

/// The command line, with the verbs in groups.
pub(crate) fn command() -> Command {
    let command = Cli::command();
    let template = template(&command);
    command.help_template(template)
}

/// What each verb is, in one line.
pub(crate) fn about(command: &Command, verb: &str) -> String {
    let found = command.get_subcommands().find(|known| known.get_name() == verb);
    found.and_then(|found| found.get_about()).map(ToString::to_string).unwrap_or_default()
}

fn template(command: &Command) -> String {
    let styles = command.get_styles();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut verbs = String::new();
    for (title, names) in GROUPS {
        verbs.push_str(&format!("{header}{title}:{header:#}\n"));
        for name in *names {
            let about = about(command, name);
            verbs.push_str(&format!("  {literal}{name:<16}{literal:#}{about}\n"));
        }
        verbs.push('\n');
    }
    format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{verbs}\
         {header}Everywhere:{header:#}\n{{options}}{{after-help}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        grouped.sort_unstable();
        let command = Cli::command();
        let mut verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        verbs.sort_unstable();
        assert_eq!(grouped, verbs);
    }

    #[test]
    fn a_line_of_help_fits_a_narrow_terminal() {
        let help = command().render_help().to_string();
        // The options below are wrapped by clap for the terminal that there is.
        let (verbs, _) = help.split_once("Everywhere:").unwrap();
        for line in verbs.lines().filter(|line| line.starts_with("  ")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for (title, names) in GROUPS {
            assert!(help.contains(&format!("{title}:\n")), "{title}");
            names.iter().for_each(|name| assert!(help.contains(name), "{name}"));
        }
    }
}

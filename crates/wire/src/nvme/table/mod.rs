// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command tables of NVMe: names, direction, reach.
//!
//! Rows are ours and are trusted; the numbers and names that they are looked up by are not.
//!
//! *Invariants*: rows are sorted by opcode; within a set a slug or a name picks one command.
//!
//! *Not here*: what a command changes or shows (`fwgate_policy::tables`), made from the same
//! file.
//!
//! *Spec*: each row names its own source.

#[rustfmt::skip]
mod commands_gen;

pub use commands_gen::{ADMIN, IO};

/// Admin or I/O: one opcode means different commands in each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Set {
    /// Admin commands.
    Admin,
    /// I/O commands.
    Io,
}

impl Set {
    /// Its rows.
    #[must_use]
    pub const fn rows(self) -> &'static [CommandRow] {
        match self {
            Self::Admin => ADMIN,
            Self::Io => IO,
        }
    }

    /// Its name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Io => "io",
        }
    }
}

/// Which way a command's data go. No safety test: 02h reads and can clear events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// No data.
    None,
    /// From the host to the controller.
    ToController,
    /// From the controller to the host.
    ToHost,
    /// As the command's selector says.
    BySelector,
}

/// One command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandRow {
    /// Opcode.
    pub opcode: u8,
    /// Name, as the specification writes it.
    pub name: &'static str,
    /// Name as it is typed, in kebab-case; unique in its set.
    pub slug: &'static str,
    /// Which way its data go.
    pub direction: Direction,
    /// Where its sub-command sits, in words.
    pub selects: Option<&'static str>,
    /// What it carries or reaches beyond this controller.
    pub wide: Option<&'static str>,
    /// What Linux lets everybody send who can open the node.
    pub unprivileged: Option<&'static str>,
    /// Kernel file or document.
    pub source: &'static str,
    /// What else is known.
    pub notes: Option<&'static str>,
}

/// The command of that opcode.
#[must_use]
pub fn by_opcode(set: Set, opcode: u8) -> Option<&'static CommandRow> {
    let at = set.rows().binary_search_by_key(&opcode, |row| row.opcode).ok()?;
    set.rows().get(at)
}

/// The command of that slug or name, whatever the case of its letters.
#[must_use]
pub fn by_name(set: Set, name: &str) -> Option<&'static CommandRow> {
    set.rows()
        .iter()
        .find(|row| row.slug.eq_ignore_ascii_case(name) || row.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_opcode_slug_and_name() {
        assert_eq!((ADMIN.len(), IO.len()), (50, 18));
        for set in [Set::Admin, Set::Io] {
            assert!(set.rows().is_sorted_by(|a, b| a.opcode < b.opcode), "{}", set.name());
            for row in set.rows() {
                assert_eq!(by_opcode(set, row.opcode), Some(row));
                assert_eq!(by_name(set, row.slug), Some(row), "{}", row.slug);
                assert_eq!(by_name(set, row.name), Some(row), "{}", row.name);
            }
        }
    }

    #[test]
    fn one_opcode_means_two_commands() {
        let names = [Set::Admin, Set::Io].map(|set| by_opcode(set, 0x02).map(|row| row.name));
        assert_eq!(names, [Some("Get Log Page"), Some("Read")]);
    }

    #[test]
    fn the_low_bits_of_an_opcode_agree_with_its_direction() {
        for row in ADMIN {
            let expected = match row.opcode & 3 {
                _ if row.opcode == 0x7F => Direction::BySelector,
                0 => Direction::None,
                1 => Direction::ToController,
                _ => Direction::ToHost,
            };
            assert_eq!(row.direction, expected, "{:#04x}", row.opcode);
        }
    }

    #[test]
    fn vendor_opcodes_have_no_row() {
        for opcode in 0xC0..=u8::MAX {
            assert_eq!(by_opcode(Set::Admin, opcode), None);
        }
    }
}

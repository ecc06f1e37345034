// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands that the kernel's fwctl drivers for mlx5 and bnxt pass on: names, sizes, DMA fields.
//!
//! Rows are ours and are trusted; the numbers and names that they are looked up by are not.
//!
//! *Invariants*: rows are sorted by opcode; within a family a slug or a name picks one command. A
//! DMA field lies inside its request, which the generator checks.
//!
//! *Not here*: the scope of each and what it changes or shows (`fwgate_policy::tables`), made from
//! the same files. pds's operations: the firmware lists them, and only the driver sees the list.
//!
//! *Spec*: each row names its own source.

#[rustfmt::skip]
mod commands_gen;

pub use commands_gen::{BNXT, MLX5};

/// A family whose commands have fixed numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    /// mlx5: NVIDIA ConnectX.
    Mlx5,
    /// bnxt: Broadcom NetXtreme.
    Bnxt,
}

impl Family {
    /// Its rows.
    #[must_use]
    pub const fn rows(self) -> &'static [CommandRow] {
        match self {
            Self::Mlx5 => MLX5,
            Self::Bnxt => BNXT,
        }
    }

    /// Its name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mlx5 => "mlx5",
            Self::Bnxt => "bnxt",
        }
    }
}

/// Which way the bytes at an address go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DmaDirection {
    /// The device reads them.
    ToDevice,
    /// The device writes them.
    FromDevice,
}

/// How many bytes there are at an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DmaLength {
    /// Always that many.
    Fixed(u32),
    /// As a little-endian field of the request says.
    Field {
        /// Where the field starts, from the first byte of the request.
        offset: u16,
        /// Its bytes: 2 or 4.
        width: u8,
        /// Bytes that one of its units counts for.
        unit: u8,
    },
}

/// One address field of a request: 8 bytes that the kernel's driver fills in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DmaField {
    /// Which way the bytes go.
    pub direction: DmaDirection,
    /// Where the address sits, from the first byte of the request.
    pub address: u16,
    /// How many bytes there are.
    pub length: DmaLength,
}

/// One command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandRow {
    /// Opcode; for bnxt the request type.
    pub opcode: u16,
    /// Name, as the kernel's headers write it.
    pub name: &'static str,
    /// Name as it is typed, in kebab-case; unique in its family.
    pub slug: &'static str,
    /// Bytes of the whole request, where the kernel's headers describe it.
    pub request: Option<u16>,
    /// Its address fields, in the driver's order.
    pub dma: &'static [DmaField],
    /// How long the driver waits, in milliseconds, where it says so.
    pub timeout_ms: Option<u32>,
    /// Kernel file.
    pub source: &'static str,
    /// What else is known.
    pub notes: Option<&'static str>,
}

/// The command of that opcode.
#[must_use]
pub fn by_opcode(family: Family, opcode: u16) -> Option<&'static CommandRow> {
    let at = family.rows().binary_search_by_key(&opcode, |row| row.opcode).ok()?;
    family.rows().get(at)
}

/// The command of that slug or name, whatever the case of its letters.
#[must_use]
pub fn by_name(family: Family, name: &str) -> Option<&'static CommandRow> {
    family
        .rows()
        .iter()
        .find(|row| row.slug.eq_ignore_ascii_case(name) || row.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_drivers_is_found_by_opcode_slug_and_name() {
        // mlx5: 11 + 2 + 80 + 1; bnxt: 17 + 77 + 7 + 3.
        assert_eq!((MLX5.len(), BNXT.len()), (94, 104));
        for family in [Family::Mlx5, Family::Bnxt] {
            assert!(family.rows().is_sorted_by(|a, b| a.opcode < b.opcode), "{}", family.name());
            for row in family.rows() {
                assert_eq!(by_opcode(family, row.opcode), Some(row));
                assert_eq!(by_name(family, row.slug), Some(row), "{}", row.slug);
                assert_eq!(by_name(family, row.name), Some(row), "{}", row.name);
            }
        }
        assert_eq!(by_opcode(Family::Mlx5, 0x0906), None);
        assert_eq!(by_name(Family::Bnxt, "hwrm-func-cfg"), None);
    }

    #[test]
    fn the_drivers_32_dma_commands_are_those_of_bnxt_and_lie_inside_their_requests() {
        assert!(MLX5.iter().all(|row| row.dma.is_empty()));
        let with: usize = BNXT.iter().filter(|row| !row.dma.is_empty()).count();
        assert_eq!(with, 32);
        for row in BNXT {
            for field in row.dma {
                let request = row.request.unwrap();
                assert!(row.dma.len() <= 4, "{}", row.name);
                assert!(field.address >= 16 && field.address + 8 <= request, "{}", row.name);
                if let DmaLength::Field { offset, width, unit } = field.length {
                    assert!(matches!(width, 2 | 4) && unit > 0, "{}", row.name);
                    assert!(offset >= 16 && offset + u16::from(width) <= request, "{}", row.name);
                }
            }
        }
    }
}

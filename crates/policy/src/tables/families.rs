// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows of fwctl's families: what the kernel's drivers pass on, and at which scope.
//!
//! *Invariants*: as those of [`super`]; no row lowers a driver's scope.
//!
//! *Not here*: names and sizes of commands (`fwgate_wire::fwctl::table`), made from the same files.

use super::{FloorRow, Protocol, Selector, SelectorRow};
use crate::scope::Scope;

/// The scope at which a kernel fwctl driver passes a command on, and ours where it is higher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScopeRow {
    /// Protocol of the command.
    pub protocol: Protocol,
    /// Opcode.
    pub opcode: u16,
    /// One sub-operation; `None` for the command and for every sub-operation without a row.
    pub selector: Option<Selector>,
    /// The driver's least scope.
    pub driver: Scope,
    /// Ours, where it is higher.
    pub raised: Option<Scope>,
    /// Why it is higher; or why a change that is felt at once is not.
    pub why: &'static str,
}

/// An attribute that pds's firmware gives to an operation, and the scope of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttributeRow {
    /// The attribute.
    pub value: u8,
    /// Its name.
    pub name: &'static str,
    /// The driver's least scope.
    pub driver: Scope,
    /// Ours, where it is higher.
    pub raised: Option<Scope>,
    /// Why it is higher.
    pub why: &'static str,
    /// Kernel file.
    pub source: &'static str,
}

/// What is known of the commands of fwctl's families.
#[derive(Clone, Copy, Debug)]
pub struct Families<'a> {
    /// mlx5 commands, by opcode.
    pub mlx5: &'a [FloorRow],
    /// mlx5 sub-operations, by opcode and selector.
    pub mlx5_selectors: &'a [SelectorRow],
    /// bnxt commands, by request type.
    pub bnxt: &'a [FloorRow],
    /// bnxt sub-operations, by request type and selector.
    pub bnxt_selectors: &'a [SelectorRow],
    /// Scopes, by protocol, opcode and selector.
    pub scopes: &'a [ScopeRow],
    /// pds's attributes, by value.
    pub pds_attributes: &'a [AttributeRow],
}

impl Families<'_> {
    /// Nothing is known: every command is one that the driver refuses.
    pub const NONE: Self = Self {
        mlx5: &[],
        mlx5_selectors: &[],
        bnxt: &[],
        bnxt_selectors: &[],
        scopes: &[],
        pds_attributes: &[],
    };
}

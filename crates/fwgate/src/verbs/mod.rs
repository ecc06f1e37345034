// SPDX-License-Identifier: MIT OR Apache-2.0
//! One file a verb.

pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod effects;
pub(crate) mod explain;
pub(crate) mod info;
pub(crate) mod lint;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod send;
pub(crate) mod tour;

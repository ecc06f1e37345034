// SPDX-License-Identifier: MIT OR Apache-2.0
//! One file a verb.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod effects;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod features;
pub(crate) mod firmware;
pub(crate) mod health;
pub(crate) mod identify;
pub(crate) mod info;
pub(crate) mod labels;
pub(crate) mod lint;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod partition;
pub(crate) mod poison;
pub(crate) mod repair;
pub(crate) mod sanitize;
pub(crate) mod scrub;
pub(crate) mod security;
pub(crate) mod send;
pub(crate) mod shutdown_state;
pub(crate) mod timestamp;
pub(crate) mod tour;

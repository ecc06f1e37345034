// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line from outside: one process a command, as users run it.

mod alerts;
mod audit;
mod bad_input;
mod common;
mod firmware;
mod pages;
mod shapes;
mod tour;
mod transcripts;
mod verbs;
mod widths;

// SPDX-License-Identifier: MIT OR Apache-2.0
//! What became of a request: what the caller is told, and what goes on record of it.
//!
//! Replies and errors come from devices and are hostile: an error is cleaned and cut before it is
//! recorded or shown, and a reply is never recorded.
//!
//! *Invariants*: the bytes of a reply are wiped when their last owner lets go of them, and `Debug`
//! shows their length only.
//!
//! *Not here*: sending (`sending`).

use core::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::device::{Background, Belief, Reply, SubmitError};
use crate::explain::Explanation;
use crate::record::{CommandRecord, OutcomeRecord};
use crate::text;

/// The most characters of an error that are recorded and shown.
pub(crate) const MAX_ERROR: usize = 1024;

/// What became of a request that was sent, or was not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Sent {
    /// Why it was allowed or refused.
    #[serde(flatten)]
    pub explanation: Arc<Explanation>,
    /// The command as it is written in records.
    pub command: Arc<CommandRecord>,
    /// What became of it; `None` where it was refused.
    pub outcome: Option<Outcome>,
    /// The journal's number of the decision.
    pub record: u64,
}

/// What became of a command that was sent.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What is recorded of it.
    #[serde(flatten)]
    pub record: OutcomeRecord,
    /// The reply; wiped when it is dropped.
    #[serde(serialize_with = "hex_reply")]
    pub reply: Zeroizing<Vec<u8>>,
    /// Which kind of failure, for the exit status.
    #[serde(skip)]
    pub failure: Option<Failure>,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("record", &self.record)
            .field("reply", &format_args!("{} bytes", self.reply.len()))
            .field("failure", &self.failure)
            .finish()
    }
}

/// Who failed, where a command was sent and did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The facts changed between judging and sending: the gate refused.
    FactsChanged,
    /// The kernel refused.
    Kernel,
    /// The device answered with an error.
    Device,
    /// The transport failed, or the deadline passed.
    Transport,
}

fn hex_reply<S: serde::Serializer>(reply: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text::hex(reply))
}

/// What a background operation that was started came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Followed {
    /// It ended.
    Ended(Background),
    /// It still runs, or cannot be looked at.
    Runs(Option<Background>),
    /// Another one began before this one was seen to end.
    Lost,
}

impl Outcome {
    /// The outcome of a command that came back, or could not be sent.
    pub(crate) fn of(result: Result<Reply, SubmitError>, started: Instant) -> Self {
        let failure = match &result {
            Ok(reply) if reply.belief == Belief::ReadsOtherwise => Some(Failure::Transport),
            Ok(reply) if reply.return_code == 0 || reply.background => None,
            Ok(_) => Some(Failure::Device),
            Err(SubmitError::FactsChanged { .. }) => Some(Failure::FactsChanged),
            Err(SubmitError::Kernel { .. }) => Some(Failure::Kernel),
            Err(SubmitError::Transport { .. }) => Some(Failure::Transport),
        };
        let (record, reply) = match result {
            Ok(reply) => {
                let status = match (reply.return_code, reply.belief) {
                    _ if reply.background => "running",
                    (0, Belief::Told | Belief::ReadBack) => "done",
                    (0, Belief::Unverified | Belief::ReadsOtherwise) => "unverified",
                    _ => "failed",
                };
                let otherwise = (status == "unverified").then(|| unverified(reply.belief));
                let record = OutcomeRecord {
                    return_code: Some(reply.return_code),
                    vendor_status: (reply.vendor_status != 0).then_some(reply.vendor_status),
                    reply_length: reply.payload.len(),
                    error: otherwise.map(str::to_owned),
                    ..blank(status, started)
                };
                (record, reply.payload)
            }
            Err(error) => {
                let status = match &error {
                    SubmitError::Transport { may_have_run: true, .. } => "unknown",
                    _ => "failed",
                };
                (failed(status, &error.to_string(), started), Vec::new())
            }
        };
        Self { record, reply: Zeroizing::new(reply), failure }
    }

    /// The outcome of a command whose deadline passed while it was under way.
    pub(crate) fn late(started: Instant) -> Self {
        let record = failed("unknown", "the deadline passed; the command goes on", started);
        Self { record, reply: Zeroizing::default(), failure: Some(Failure::Transport) }
    }

    /// Puts in what the background operation came to that the command started.
    pub(crate) fn settle(&mut self, followed: Followed, started: Instant) {
        self.record.duration_us = micros(started);
        match followed {
            Followed::Ended(last) => {
                let failed = last.return_code.is_some_and(|code| code != 0);
                self.record.background = Some(last);
                self.record.return_code = last.return_code;
                self.record.status = match last.return_code {
                    Some(0) => "done",
                    Some(_) => "failed",
                    None => "unverified",
                };
                if last.return_code.is_none() {
                    self.record.error = Some("it ended, and nothing says how".to_owned());
                }
                self.failure = failed.then_some(Failure::Device);
            }
            Followed::Runs(last) => self.record.background = last,
            Followed::Lost => {
                let why = "another background operation began before this one was seen to end";
                self.record.status = "unknown";
                self.record.error = Some(why.to_owned());
                self.failure = Some(Failure::Transport);
            }
        }
    }
}

/// Why success is not believed.
const fn unverified(belief: Belief) -> &'static str {
    match belief {
        Belief::ReadsOtherwise => "read back, and what was set is not there, or cannot be read",
        _ => "this path says success without having it from the device",
    }
}

/// The record of a command that did not come back, or was not sent.
pub(crate) fn failed(status: &'static str, why: &str, started: Instant) -> OutcomeRecord {
    OutcomeRecord { error: Some(text::line(why, MAX_ERROR)), ..blank(status, started) }
}

fn blank(status: &'static str, started: Instant) -> OutcomeRecord {
    OutcomeRecord {
        status,
        return_code: None,
        vendor_status: None,
        reply_length: 0,
        error: None,
        background: None,
        tainted: None,
        duration_us: micros(started),
    }
}

fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

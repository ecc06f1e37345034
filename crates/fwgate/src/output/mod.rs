// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is printed, where, and in which form.
//!
//! *Invariants*: under `-o json` standard output holds JSON alone, under `-o raw` bytes alone;
//! people's text goes to standard error there. Colours only on a terminal, and never where
//! NO_COLOR is set. A reader that went away ends the output, not the work.

pub(crate) mod hex;
pub(crate) mod style;
pub(crate) mod table;

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;

/// The form of what is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// The bytes themselves.
    Raw,
}

/// Columns of a table where no terminal says otherwise.
const WIDTH: usize = 100;

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Ui {
    format: Format,
    verbose: bool,
    width: usize,
    /// Nobody reads standard output any more.
    gone: bool,
}

impl Ui {
    /// The output of this process.
    pub(crate) fn new(format: Format, verbose: bool) -> Self {
        Self { format, verbose, width: width(), gone: false }
    }

    /// The form that was asked for.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Whether more is to be told.
    pub(crate) const fn verbose(&self) -> bool {
        self.verbose
    }

    /// Bytes of a reply that people are shown.
    pub(crate) const fn shown_bytes(&self) -> usize {
        if self.verbose { 64 << 10 } else { 256 }
    }

    /// Columns there are.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// Whether nobody reads standard output any more.
    pub(crate) const fn gone(&self) -> bool {
        self.gone
    }

    /// Whether people watch standard output.
    pub(crate) fn watched(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Whether people watch standard error, so that progress may be shown there.
    pub(crate) fn shows_progress(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Refuses `-o raw` for a verb that has no bytes to give.
    pub(crate) fn no_raw(&self, verb: &str) -> Result<(), CliError> {
        if self.format == Format::Raw {
            let detail = format!(
                "`-o raw` writes bytes, and `{verb}` has none to write; use it with `send` or \
                 `effects`"
            );
            return Err(CliError::usage("no-raw", detail).argument("-o raw"));
        }
        Ok(())
    }

    /// Bytes of a device are not for a terminal.
    #[expect(clippy::unused_self, reason = "output goes through the one that knows the form")]
    pub(crate) fn no_terminal(&self) -> CliError {
        let detail = "a device's bytes are not written to a terminal; use --output FILE or a pipe";
        CliError::usage("raw-to-terminal", detail).argument("-o raw")
    }

    /// Text for people: on standard output for a table, else on standard error.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), CliError> {
        if self.format == Format::Table {
            self.put(|| anstream::stdout().lock().write_all(text.as_bytes()))
        } else {
            self.note(text);
            Ok(())
        }
    }

    /// One JSON document. It is written as it is made, so that a long one is not held twice.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> Result<(), CliError> {
        self.put(|| {
            let mut out = io::BufWriter::new(io::stdout().lock());
            serde_json::to_writer_pretty(&mut out, document)?;
            out.write_all(b"\n")?;
            out.flush()
        })
    }

    /// One JSON document on one line.
    pub(crate) fn json_line(&mut self, document: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(document).map_err(|error| unfit(&error))?;
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Bytes on standard output.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.put(|| {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        })
    }

    /// Text for people on standard error. A standard error that is closed is no reason to fail.
    #[expect(clippy::unused_self, reason = "output goes through the one that knows the form")]
    pub(crate) fn note(&self, text: &str) {
        let _ = anstream::stderr().lock().write_all(text.as_bytes());
    }

    fn put(&mut self, write: impl FnOnce() -> io::Result<()>) -> Result<(), CliError> {
        if self.gone {
            return Ok(());
        }
        match write() {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            Err(error) => {
                let detail = format!("cannot write to standard output: {error}");
                Err(CliError::new(Exit::Failed, "output", detail))
            }
        }
    }
}

/// A number of things, in words.
pub(crate) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

fn unfit(error: &serde_json::Error) -> CliError {
    CliError::new(Exit::Failed, "output", format!("cannot put the answer into JSON: {error}"))
}

/// Columns of the terminal, or what COLUMNS says where there is none; kept between what a table
/// needs and what can be read.
fn width() -> usize {
    let said = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .or_else(said)
        .map_or(WIDTH, |columns| columns.clamp(60, 160))
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! `list`: the devices within reach, and whether they can be used.
//!
//! A device that cannot be used is a row and no failure of the verb.

use std::time::Duration;

use fwgate_gate::record::DeviceRecord;
use fwgate_gate::{DeviceFacts, Opened};
use fwgate_policy::Known;
use serde::Serialize;

use crate::cli::ListArgs;
use crate::devices::{self, Session};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::table::table;
use crate::output::{Format, Ui};

/// What `list` prints.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    devices: Vec<Row>,
}

/// One device.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    name: String,
    device: Option<DeviceRecord>,
    driven_by: Option<&'static str>,
    pub(crate) state: &'static str,
    error: Option<String>,
}

/// Runs `list`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &ListArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("list")?;
    let names = if args.emulated { devices::emulated() } else { devices::all() };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let session = Session::open(&names, "list", timeout)?;
    let rows = rows(&session, &names);
    if ui.format() == Format::Json {
        ui.json(&Document { schema: "fwgate.list/1", devices: rows })?;
    } else {
        let text = render(&rows, ui.width());
        ui.text(&text)?;
    }
    Ok(Exit::Done)
}

/// The rows of these devices.
pub(crate) fn rows(session: &Session, names: &[&str]) -> Vec<Row> {
    names.iter().map(|name| row(name, session.opened(name))).collect()
}

fn row(name: &str, opened: Result<Opened, CliError>) -> Row {
    match opened {
        Ok(opened) => Row {
            name: name.to_owned(),
            device: Some(opened.record().clone()),
            driven_by: driven_by(opened.facts()),
            state: "ready",
            error: None,
        },
        Err(error) => Row {
            name: name.to_owned(),
            device: None,
            driven_by: None,
            state: error.code(),
            error: Some(error.detail().to_owned()),
        },
    }
}

/// Who drives the device; `None` where that cannot be told.
pub(crate) fn driven_by(facts: &DeviceFacts) -> Option<&'static str> {
    let kernel = if facts.identity().emulated { "emulated kernel" } else { "kernel" };
    match facts.around().driven {
        Known::Yes => Some(kernel),
        Known::No => Some("nobody"),
        Known::CannotTell => None,
    }
}

/// The rows for people.
pub(crate) fn render(rows: &[Row], width: usize) -> String {
    let columns = ["NAME", "PROTOCOL", "FIRMWARE", "DRIVEN BY", "LOG", "STATE"];
    let cells = rows.iter().map(|row| {
        let device = row.device.as_ref();
        let state = row
            .error
            .as_ref()
            .map_or(row.state.to_owned(), |error| format!("{}: {error}", row.state));
        vec![
            row.name.clone(),
            device.map_or("-", |device| device.protocol).to_owned(),
            device.map_or("-".to_owned(), |device| device.firmware.clone()),
            row.driven_by.unwrap_or("-").to_owned(),
            device
                .map_or("-", |device| match device.protocol {
                    "mlx5" | "bnxt" | "pds" => "none",
                    _ if device.credible => "credible",
                    _ => "not credible",
                })
                .to_owned(),
            state,
        ]
    });
    table(width, &columns, &cells.collect::<Vec<_>>())
}

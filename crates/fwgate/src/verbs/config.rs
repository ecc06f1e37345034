// SPDX-License-Identifier: MIT OR Apache-2.0
//! `config show`: every setting, its value, and where that comes from.

use fwgate_policy::Tables;
use serde::Serialize;

use crate::cli::ConfigVerb;
use crate::devices::{DEADLINE, FAULTS};
use crate::error::{CliError, path};
use crate::exit::Exit;
use crate::output::table::table;
use crate::output::{Format, Ui};
use crate::state::State;

/// What `config show` prints.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    settings: Vec<Setting>,
}

/// One setting.
#[derive(Debug, Serialize)]
struct Setting {
    name: &'static str,
    value: String,
    from: &'static str,
}

/// Runs `config`.
pub(crate) fn run(ui: &mut Ui, verb: &ConfigVerb) -> Result<Exit, CliError> {
    let ConfigVerb::Show = verb;
    ui.no_raw("config show")?;
    let settings = settings(&State::find()?);
    if ui.format() == Format::Json {
        ui.json(&Document { schema: "fwgate.config/1", settings })?;
    } else {
        let rows = settings
            .into_iter()
            .map(|setting| vec![setting.name.to_owned(), setting.value, setting.from.to_owned()]);
        let text = table(ui.width(), &["SETTING", "VALUE", "FROM"], &rows.collect::<Vec<_>>());
        ui.text(&text)?;
    }
    Ok(Exit::Done)
}

fn settings(state: &State) -> Vec<Setting> {
    let setting = |name, value: String, from| Setting { name, value, from };
    let tables = Tables::BUILTIN;
    let rows = format!(
        "CXL {}, NVMe {}, ground {}, stances {}, advisories {}, vendor {}",
        tables.cxl.len(),
        tables.nvme_admin.len().saturating_add(tables.nvme_io.len()),
        tables.ground.len(),
        tables.stances.len(),
        tables.advisories.len(),
        tables.vendor.len()
    );
    let raw = if cfg!(feature = "raw-commands") { "on" } else { "off" };
    let faults = std::env::var_os(FAULTS).is_some_and(|value| !value.is_empty());
    vec![
        setting("version", env!("CARGO_PKG_VERSION").to_owned(), "built in"),
        setting("state", path(state.path()), state.from()),
        setting("journal", path(&state.journal()), "under state"),
        setting("devices", path(&state.devices()), "under state"),
        setting("policy", "in process: owner of the emulated devices".to_owned(), "built in"),
        setting("tables", rows, "built in"),
        setting("timeout", format!("{}s", DEADLINE.as_secs()), "default, --timeout"),
        setting(
            "faults",
            if faults { "on the emulated devices" } else { "none" }.to_owned(),
            if faults { FAULTS } else { "default" },
        ),
        setting("raw-commands", raw.to_owned(), "built in"),
    ]
}

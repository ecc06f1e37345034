// SPDX-License-Identifier: MIT OR Apache-2.0
//! `info`: what a device is, as far as it says, and what surrounds it.

use std::time::Duration;

use fwgate_gate::record::DeviceRecord;
use fwgate_gate::{Caller, Device, DeviceFacts, Opened};
use fwgate_policy::tables::Classes;
use fwgate_policy::{
    Code, Command, Effects, FeatureFacts, Known, Subsystems, Tables, classify, ground,
};
use fwgate_wire::Uuid;
use fwgate_wire::cxl;
use fwgate_wire::cxl::logs::log_uuid;
use serde::Serialize;

use crate::cli::InfoArgs;
use crate::devices::Session;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::style::{HEAD, paint};
use crate::output::table::{list, pairs, table};
use crate::output::{Format, Ui};
use crate::verbs::list::driven_by;

/// What `info` prints.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    device: DeviceRecord,
    identity: Identity,
    paths: Vec<Path>,
    effects_log: EffectsLog,
    logs: Option<Vec<Log>>,
    features: Option<Vec<Feature>>,
    surroundings: Surroundings,
}

#[derive(Debug, Serialize)]
struct Identity {
    class: Vec<&'static str>,
    /// As the device claims.
    serial: Option<u64>,
    /// What tells this device from another of its name.
    opened: String,
    /// Resets, firmware activations and changes of driver so far.
    changes: u64,
}

#[derive(Debug, Serialize)]
struct Path {
    kind: &'static str,
    follows_background: bool,
    admits_caller: bool,
}

#[derive(Debug, Serialize)]
struct EffectsLog {
    commands: usize,
    io_commands: usize,
    credible: bool,
    digest: String,
}

#[derive(Debug, Serialize)]
struct Log {
    uuid: String,
    name: Option<&'static str>,
}

/// A feature, and what setting it takes.
#[derive(Debug, Serialize)]
pub(crate) struct Feature {
    pub(crate) uuid: String,
    pub(crate) name: Option<&'static str>,
    pub(crate) changeable: bool,
    pub(crate) effects: Vec<&'static str>,
    pub(crate) required_scope: &'static str,
    /// The refusal that holds whoever sets it.
    pub(crate) refusal: Option<&'static str>,
    pub(crate) owner: Option<&'static str>,
    pub(crate) get_size: u16,
    pub(crate) set_size: u16,
}

#[derive(Debug, Serialize)]
struct Surroundings {
    driven_by: Option<&'static str>,
    nvdimm_bound: Option<bool>,
    decoder_committed: Option<bool>,
    namespace_in_use: Option<bool>,
    drivers: Vec<&'static str>,
    interfaces: Option<Vec<&'static str>>,
}

/// Runs `info`.
pub(crate) fn run(
    ui: &mut Ui,
    args: &InfoArgs,
    timeout: Option<Duration>,
) -> Result<Exit, CliError> {
    ui.no_raw("info")?;
    let name = args.device.as_str();
    let session = Session::open(&[name], "info", timeout)?;
    let device = session.device(name)?;
    let caller = session.caller();
    let document = document(device.as_ref(), &session.opened(name)?, &caller);
    if ui.format() == Format::Json {
        ui.json(&document)?;
    } else {
        let text = render(&document, ui.width(), ui.verbose());
        ui.text(&text)?;
    }
    Ok(Exit::Done)
}

fn document(device: &dyn Device, opened: &Opened, caller: &Caller) -> Document {
    let facts = opened.facts();
    let around = facts.around();
    let logs = facts.with_policy(|policy| {
        policy.logs.map(|logs| {
            logs.iter().map(|uuid| Log { uuid: uuid_text(uuid), name: log_name(uuid) }).collect()
        })
    });
    Document {
        schema: "fwgate.info/1",
        device: opened.record().clone(),
        identity: Identity {
            class: classes(facts.identity().class),
            serial: facts.serial(),
            opened: facts.generation().opened.clone(),
            changes: facts.generation().changes,
        },
        paths: device
            .paths(caller)
            .iter()
            .map(|path| Path {
                kind: path.kind.name(),
                follows_background: path.follows_background,
                admits_caller: path.admits_caller,
            })
            .collect(),
        effects_log: EffectsLog {
            commands: facts.log().len(),
            io_commands: facts.io_log().len(),
            credible: facts.credible(),
            digest: fwgate_gate::text::hex(facts.digest()),
        },
        logs,
        features: facts
            .features()
            .map(|features| features.iter().map(|entry| feature(entry, facts)).collect()),
        surroundings: Surroundings {
            driven_by: driven_by(facts),
            nvdimm_bound: known(around.nvdimm_bound),
            decoder_committed: known(around.decoder_committed),
            namespace_in_use: known(around.namespace_in_use),
            drivers: around.drivers.names().collect(),
            interfaces: around.interfaces.clone(),
        },
    }
}

/// A feature as Set Feature would be judged for it.
pub(crate) fn feature(entry: &FeatureFacts, facts: &DeviceFacts) -> Feature {
    let tables = Tables::BUILTIN;
    // UUID, then flags, offset, version and reserved bytes: a full transfer without data.
    let mut payload = entry.uuid.to_vec();
    payload.resize(32, 0);
    let command = Command::Cxl { opcode: 0x0502, payload: &payload };
    facts.with_policy(|policy| {
        let class = classify(&command, policy, &tables);
        let owners = ground::rows(&class, &tables)
            .filter(|row| row.selector.is_some())
            .fold(Subsystems::empty(), |all, row| all | row.owner);
        let refusal = if !entry.changeable() {
            Some(Code::FeatureFixed)
        } else if class.effective.contains(Effects::RESERVED) {
            Some(Code::ReservedEffect)
        } else if class.effective.contains(Effects::SECURITY_STATE) {
            Some(Code::SecurityState)
        } else if class.effective.contains(Effects::BACKGROUND) {
            Some(Code::FeatureBackground)
        } else if !class.reported.intersects(Effects::IMMEDIATE | Effects::AFTER_RESET) {
            Some(Code::FeatureNoEffect)
        } else {
            None
        };
        Feature {
            uuid: uuid_text(&entry.uuid),
            name: cxl::table::feature(&entry.uuid).map(|row| row.name),
            changeable: entry.changeable(),
            effects: class.effective.names().collect(),
            required_scope: class.scope.name(),
            refusal: refusal.map(Code::name),
            owner: (!owners.is_empty()).then(|| owners.first_name()),
            get_size: entry.get_size,
            set_size: entry.set_size,
        }
    })
}

fn uuid_text(uuid: &[u8; 16]) -> String {
    Uuid::from_bytes(*uuid).to_string()
}

fn log_name(uuid: &[u8; 16]) -> Option<&'static str> {
    [
        (log_uuid::COMMAND_EFFECTS, "command effects"),
        (log_uuid::VENDOR_DEBUG, "vendor debug"),
        (log_uuid::COMPONENT_STATE_DUMP, "component state dump"),
    ]
    .into_iter()
    .find_map(|(known, name)| (known.as_bytes() == uuid).then_some(name))
}

fn classes(class: Classes) -> Vec<&'static str> {
    [
        (Classes::CXL_MEMORY, "cxl-memory"),
        (Classes::CXL_SWITCH, "cxl-switch"),
        (Classes::CXL_LOGICAL, "cxl-logical"),
        (Classes::NVME, "nvme"),
    ]
    .into_iter()
    .filter(|(flag, _)| class.contains(*flag))
    .map(|(_, name)| name)
    .collect()
}

const fn known(known: Known) -> Option<bool> {
    match known {
        Known::Yes => Some(true),
        Known::No => Some(false),
        Known::CannotTell => None,
    }
}

fn render(document: &Document, width: usize, verbose: bool) -> String {
    let word = |known: Option<bool>| match known {
        Some(true) => "yes",
        Some(false) => "no",
        None => "cannot tell",
    };
    let device = &document.device;
    let around = &document.surroundings;
    let paths: Vec<&str> = document.paths.iter().map(|path| path.kind).collect();
    let log = if document.effects_log.credible { "credible" } else { "not credible" };
    let claimed = document.identity.serial.map(|serial| format!("{serial:#018x}"));
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let serial = or_none(&device.serial.clone().or(claimed));
    let mut rows = vec![
        ("protocol", device.protocol.to_owned()),
        ("class", list(&document.identity.class)),
        ("pci id", device.pci.clone()),
        ("firmware", device.firmware.clone()),
        ("serial", serial),
        ("address", or_none(&device.address)),
        ("paths", list(&paths)),
        (
            "effects log",
            match device.protocol {
                "mlx5" | "bnxt" | "pds" => "none: judged by the kernel driver's table".to_owned(),
                _ => format!("{} commands, {log}", document.effects_log.commands),
            },
        ),
        ("driven by", around.driven_by.unwrap_or("cannot tell").to_owned()),
        ("nvdimm bound", word(around.nvdimm_bound).to_owned()),
        ("decoder committed", word(around.decoder_committed).to_owned()),
        ("namespace in use", word(around.namespace_in_use).to_owned()),
        (
            "kernel interfaces",
            around.interfaces.as_ref().map_or("cannot tell".to_owned(), |keys| list(keys)),
        ),
    ];
    if verbose {
        rows.push(("digest", document.effects_log.digest.clone()));
        rows.push(("opened", document.identity.opened.clone()));
        rows.push(("changes", document.identity.changes.to_string()));
    }
    let rows: Vec<(String, String)> =
        rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut text = format!("{}\n{}", paint(HEAD, &device.name), pairs(width, 2, &rows));
    if let Some(logs) = &document.logs {
        let rows =
            logs.iter().map(|log| vec![log.uuid.clone(), log.name.unwrap_or("-").to_owned()]);
        text.push_str(&format!("\n{}", table(width, &["LOG", "NAME"], &rows.collect::<Vec<_>>())));
    }
    if let Some(features) = &document.features {
        let rows = features.iter().map(|feature| {
            vec![
                feature.name.map_or_else(|| feature.uuid.clone(), ToOwned::to_owned),
                list(&feature.effects),
                feature
                    .refusal
                    .map_or(feature.required_scope.to_owned(), |code| format!("refused: {code}")),
                feature.owner.unwrap_or("-").to_owned(),
            ]
        });
        let columns = ["FEATURE", "SETTING IT CHANGES", "NEEDS", "OWNER"];
        text.push_str(&format!("\n{}", table(width, &columns, &rows.collect::<Vec<_>>())));
    }
    text
}

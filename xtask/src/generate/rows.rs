// SPDX-License-Identifier: MIT OR Apache-2.0
//! The data files as they are written.
//!
//! Words stay strings here, so that a wrong one can be reported with its row.
//!
//! *Not here*: what is right (`validate`).

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Problem;

/// All data files.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) cxl: CxlCommands,
    pub(crate) features: Features,
    pub(crate) codes: Codes,
    pub(crate) nvme: NvmeCommands,
    pub(crate) ground: Ground,
    pub(crate) stances: Stances,
    pub(crate) advisories: Advisories,
    pub(crate) mlx5: FamilyCommands,
    pub(crate) bnxt: FamilyCommands,
    pub(crate) pds: Attributes,
    /// Path from the root, and contents, sorted by path.
    pub(crate) vendor: Vec<(String, Vendor)>,
}

pub(crate) const CXL: &str = "data/cxl-commands.toml";
pub(crate) const FEATURES: &str = "data/cxl-features.toml";
pub(crate) const CODES: &str = "data/cxl-return-codes.toml";
pub(crate) const NVME: &str = "data/nvme-commands.toml";
pub(crate) const GROUND: &str = "data/ground.toml";
pub(crate) const STANCES: &str = "data/stances.toml";
pub(crate) const ADVISORIES: &str = "data/advisories.toml";
pub(crate) const MLX5: &str = "data/fwctl-mlx5.toml";
pub(crate) const BNXT: &str = "data/fwctl-bnxt.toml";
pub(crate) const PDS: &str = "data/fwctl-pds.toml";
pub(crate) const VENDOR: &str = "data/vendor";

macro_rules! files {
    ($($name:ident { $($field:ident: $row:ty = $key:literal),+ })+) => {$(
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            pub(crate) version: u32,
            $(#[serde(default, rename = $key)]
            pub(crate) $field: Vec<$row>,)+
        }
    )+};
}

files! {
    CxlCommands { commands: Command = "command", selectors: SelectorRow = "selector" }
    Features { rows: Feature = "feature" }
    Codes { rows: Code = "code" }
    NvmeCommands { admin: NvmeCommand = "admin", io: NvmeCommand = "io", selectors: SelectorRow = "selector" }
    Ground { interfaces: Interface = "interface", rows: GroundRow = "ground" }
    Stances { rows: Stance = "stance" }
    Advisories { rows: Advisory = "advisory" }
    FamilyCommands { commands: FamilyCommand = "command", selectors: FamilyOperation = "selector" }
    Attributes { rows: Attribute = "attribute" }
}

/// A range of bytes.
#[derive(Clone, Copy, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Size {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
}

/// Where a selector sits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    pub(crate) offset: u16,
    pub(crate) len: u8,
}

/// A memdev ioctl id.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memdev {
    pub(crate) id: u8,
    pub(crate) name: String,
    pub(crate) state: String,
}

/// One CXL command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    pub(crate) opcode: u16,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) set: String,
    #[serde(default)]
    pub(crate) input: Size,
    #[serde(default)]
    pub(crate) output: Size,
    pub(crate) floor: Option<Vec<String>>,
    pub(crate) confidence: String,
    pub(crate) discloses: String,
    pub(crate) kind: String,
    pub(crate) judged_by: Option<String>,
    pub(crate) selector: Option<Field>,
    #[serde(default)]
    pub(crate) mandatory: Vec<String>,
    pub(crate) memdev: Option<Memdev>,
    pub(crate) raw: Option<String>,
    pub(crate) tunnel: Option<String>,
    pub(crate) cci: String,
    pub(crate) loggable: bool,
    pub(crate) kernel: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) notes: Option<String>,
}

/// One sub-operation, of any protocol.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelectorRow {
    pub(crate) opcode: u16,
    pub(crate) selector: String,
    pub(crate) name: String,
    pub(crate) floor: Option<Vec<String>>,
    pub(crate) confidence: String,
    pub(crate) discloses: String,
    pub(crate) kind: String,
    pub(crate) source: Option<String>,
    pub(crate) notes: Option<String>,
}

/// One NVMe command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NvmeCommand {
    pub(crate) opcode: u8,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) direction: String,
    pub(crate) floor: Option<Vec<String>>,
    pub(crate) confidence: String,
    pub(crate) discloses: String,
    pub(crate) kind: String,
    pub(crate) judged_by: Option<String>,
    pub(crate) selector: Option<Field>,
    pub(crate) selects: Option<String>,
    pub(crate) wide: Option<String>,
    pub(crate) unprivileged: Option<String>,
    #[serde(default)]
    pub(crate) mandatory: Vec<String>,
    pub(crate) loggable: bool,
    pub(crate) source: Option<String>,
    pub(crate) notes: Option<String>,
}

/// One command that a kernel fwctl driver passes on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FamilyCommand {
    pub(crate) opcode: u16,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) scope: String,
    pub(crate) raised: Option<String>,
    pub(crate) why: Option<String>,
    pub(crate) floor: Vec<String>,
    pub(crate) confidence: String,
    pub(crate) discloses: String,
    pub(crate) kind: String,
    pub(crate) judged_by: Option<String>,
    pub(crate) selector: Option<Field>,
    pub(crate) loggable: bool,
    pub(crate) request: Option<u16>,
    #[serde(default)]
    pub(crate) dma: Vec<Dma>,
    pub(crate) timeout_ms: Option<u32>,
    pub(crate) source: Option<String>,
    pub(crate) notes: Option<String>,
}

/// One sub-operation of such a command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FamilyOperation {
    pub(crate) scope: String,
    pub(crate) raised: Option<String>,
    pub(crate) why: Option<String>,
    // What every sub-operation has; flattening would not refuse unknown fields.
    pub(crate) opcode: u16,
    pub(crate) selector: String,
    pub(crate) name: String,
    pub(crate) floor: Vec<String>,
    pub(crate) confidence: String,
    pub(crate) discloses: String,
    pub(crate) kind: String,
    pub(crate) source: Option<String>,
    pub(crate) notes: Option<String>,
}

impl FamilyOperation {
    /// The row without its scope.
    pub(crate) fn plain(&self) -> SelectorRow {
        SelectorRow {
            opcode: self.opcode,
            selector: self.selector.clone(),
            name: self.name.clone(),
            floor: Some(self.floor.clone()),
            confidence: self.confidence.clone(),
            discloses: self.discloses.clone(),
            kind: self.kind.clone(),
            source: self.source.clone(),
            notes: self.notes.clone(),
        }
    }
}

impl FamilyCommands {
    /// The sub-operations without their scopes.
    pub(crate) fn plain_selectors(&self) -> Vec<SelectorRow> {
        self.selectors.iter().map(FamilyOperation::plain).collect()
    }
}

/// One address field of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dma {
    pub(crate) direction: String,
    pub(crate) address: u16,
    pub(crate) fixed: Option<u32>,
    pub(crate) length: Option<u16>,
    pub(crate) width: Option<u8>,
    pub(crate) unit: Option<u8>,
}

/// One attribute of pds's operations.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attribute {
    pub(crate) value: u8,
    pub(crate) name: String,
    pub(crate) scope: String,
    pub(crate) raised: Option<String>,
    pub(crate) why: Option<String>,
    pub(crate) source: Option<String>,
}

/// One CXL feature.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feature {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) exclusive: bool,
    #[serde(default)]
    pub(crate) get_size: Size,
    #[serde(default)]
    pub(crate) set_size: Size,
    pub(crate) get_version: Option<u8>,
    pub(crate) set_version: Option<u8>,
    pub(crate) interface: Option<String>,
    pub(crate) confidence: String,
    pub(crate) source: Option<String>,
    pub(crate) notes: Option<String>,
}

/// One CXL return code.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    pub(crate) value: u16,
    pub(crate) name: String,
    pub(crate) errno: Option<String>,
    pub(crate) retriable: String,
    pub(crate) meaning: String,
    pub(crate) confidence: String,
    pub(crate) source: Option<String>,
    pub(crate) notes: Option<String>,
}

/// One way that the kernel offers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Interface {
    pub(crate) key: String,
    pub(crate) place: String,
    pub(crate) option: String,
    pub(crate) verb: String,
    pub(crate) confidence: String,
    pub(crate) source: Option<String>,
}

/// One ownership.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroundRow {
    pub(crate) protocol: String,
    pub(crate) opcode: u16,
    pub(crate) selector: Option<String>,
    pub(crate) owner: String,
    #[serde(default)]
    pub(crate) others: Vec<String>,
    pub(crate) condition: String,
    pub(crate) read_disturbs: bool,
    pub(crate) interface: Option<String>,
    pub(crate) why: String,
    pub(crate) confidence: String,
    pub(crate) source: Option<String>,
}

/// One stance.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stance {
    pub(crate) key: String,
    pub(crate) ground: String,
    pub(crate) matter: String,
    pub(crate) opinion: String,
    pub(crate) who: String,
    pub(crate) maintainer_of: String,
    pub(crate) date: String,
    pub(crate) address: String,
    pub(crate) says: String,
    pub(crate) overtaken_by: Option<String>,
    pub(crate) confidence: String,
    pub(crate) source: Option<String>,
    pub(crate) notes: Option<String>,
}

/// One advisory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advisory {
    pub(crate) key: String,
    pub(crate) vendor: Option<u16>,
    pub(crate) device: Option<u16>,
    pub(crate) firmware: Option<String>,
    pub(crate) protocol: String,
    pub(crate) opcode: Option<u16>,
    pub(crate) why: String,
    pub(crate) confidence: String,
    pub(crate) source: Option<String>,
}

/// One vendor's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vendor {
    pub(crate) version: u32,
    pub(crate) device: Device,
    #[serde(default, rename = "command")]
    pub(crate) commands: Vec<VendorCommand>,
    #[serde(default, rename = "operation")]
    pub(crate) operations: Vec<SelectorRow>,
}

/// The devices that a vendor's file is about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    pub(crate) vendor: u16,
    pub(crate) device: Option<u16>,
    pub(crate) firmware: Option<String>,
}

/// One vendor command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VendorCommand {
    pub(crate) opcode: u16,
    pub(crate) name: String,
    pub(crate) floor: Vec<String>,
    pub(crate) confidence: String,
    pub(crate) discloses: String,
    pub(crate) selector: Option<Field>,
    pub(crate) carries: Option<Carries>,
    pub(crate) source: Option<String>,
    #[expect(dead_code, reason = "for who reads the file; no table has room for it")]
    pub(crate) notes: Option<String>,
}

/// Where a carried command sits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Carries {
    pub(crate) opcode_at: u16,
    pub(crate) payload_at: u16,
}

/// Reads all data files.
pub(crate) fn load(root: &Path) -> Result<Data, Problem> {
    Ok(Data {
        cxl: read(root, CXL)?,
        features: read(root, FEATURES)?,
        codes: read(root, CODES)?,
        nvme: read(root, NVME)?,
        ground: read(root, GROUND)?,
        stances: read(root, STANCES)?,
        advisories: read(root, ADVISORIES)?,
        mlx5: read(root, MLX5)?,
        bnxt: read(root, BNXT)?,
        pds: read(root, PDS)?,
        vendor: vendor(root)?,
    })
}

fn vendor(root: &Path) -> Result<Vec<(String, Vendor)>, Problem> {
    let folder = fs::read_dir(root.join(VENDOR)).map_err(|error| trouble(VENDOR, &error))?;
    let mut names = Vec::new();
    for entry in folder {
        let name = entry.map_err(|error| trouble(VENDOR, &error))?.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".toml") {
            names.push(format!("{VENDOR}/{name}"));
        }
    }
    names.sort();
    names.into_iter().map(|name| read(root, &name).map(|file| (name, file))).collect()
}

fn read<T: DeserializeOwned>(root: &Path, file: &str) -> Result<T, Problem> {
    let text = fs::read_to_string(root.join(file)).map_err(|error| trouble(file, &error))?;
    parse(file, &text)
}

/// Parses one file; an error names the line.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Problem {
            file: file.into(),
            row: format!("line {line}"),
            what: error.message().trim().replace('\n', " "),
        }
    })
}

fn trouble(file: &str, error: &std::io::Error) -> Problem {
    Problem { file: file.into(), row: String::new(), what: error.to_string() }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Renders the judge's tables.
//!
//! *Not here*: names and sizes of commands (`wire`).

use std::fmt::Write as _;

use super::rows::{
    Advisory, Attribute, Command, Data, Device, FamilyCommand, FamilyCommands, GroundRow,
    Interface, NvmeCommand, SelectorRow, Stance, Vendor, VendorCommand,
};
use super::rust::{self, field, flags, option, option_text, selector, text, word};
use super::vocabulary::{self as words, Word};

/// `crates/policy/src/tables/builtin_gen.rs`.
pub(crate) fn tables(data: &Data) -> String {
    let mut out = rust::header(
        "The judge's tables that are compiled in.",
        "data/*.toml and data/vendor/*.toml",
    );
    out.push_str(IMPORTS);
    let advisory = data.advisories.rows.iter().map(advisory_row).collect::<Vec<_>>();
    let lists: [(&str, &str, &str, Vec<String>); 16] = [
        (
            "CXL floors, by opcode.",
            "CXL",
            "FloorRow",
            data.cxl.commands.iter().map(cxl_row).collect(),
        ),
        (
            "CXL sub-operations, by opcode and selector.",
            "CXL_SELECTORS",
            "SelectorRow",
            operations(&data.cxl.selectors, words::CXL_EFFECTS),
        ),
        (
            "NVMe admin floors, by opcode.",
            "NVME_ADMIN",
            "FloorRow",
            data.nvme.admin.iter().map(nvme_row).collect(),
        ),
        (
            "NVMe I/O floors, by opcode.",
            "NVME_IO",
            "FloorRow",
            data.nvme.io.iter().map(nvme_row).collect(),
        ),
        (
            "NVMe sub-operations, by opcode and selector.",
            "NVME_SELECTORS",
            "SelectorRow",
            operations(&data.nvme.selectors, words::NVME_EFFECTS),
        ),
        (
            "mlx5 commands, by opcode.",
            "MLX5",
            "FloorRow",
            data.mlx5.commands.iter().map(|row| family_row(row, MLX5_HEADER)).collect(),
        ),
        (
            "mlx5 sub-operations, by opcode and selector.",
            "MLX5_SELECTORS",
            "SelectorRow",
            operations(&data.mlx5.plain_selectors(), words::CXL_EFFECTS),
        ),
        (
            "bnxt commands, by request type.",
            "BNXT",
            "FloorRow",
            data.bnxt.commands.iter().map(|row| family_row(row, BNXT_HEADER)).collect(),
        ),
        (
            "bnxt sub-operations, by request type and selector.",
            "BNXT_SELECTORS",
            "SelectorRow",
            operations(&data.bnxt.plain_selectors(), words::CXL_EFFECTS),
        ),
        (
            "Scopes of the kernel's fwctl drivers, by protocol, opcode and selector.",
            "SCOPES",
            "ScopeRow",
            scopes("mlx5", &data.mlx5).chain(scopes("bnxt", &data.bnxt)).collect(),
        ),
        (
            "Attributes of pds's operations, by value.",
            "PDS_ATTRIBUTES",
            "AttributeRow",
            data.pds.rows.iter().map(attribute_row).collect(),
        ),
        (
            "Ownership, by protocol, opcode and selector.",
            "GROUND",
            "GroundRow",
            data.ground.rows.iter().map(ground_row).collect(),
        ),
        (
            "The kernel's interfaces, by key.",
            "INTERFACES",
            "InterfaceRow",
            data.ground.interfaces.iter().map(interface_row).collect(),
        ),
        (
            "Stances, by key.",
            "STANCES",
            "StanceRow",
            data.stances.rows.iter().map(stance_row).collect(),
        ),
        ("Advisories, by key.", "ADVISORIES", "AdvisoryRow<'static>", advisory),
        ("Vendor rows, by opcode.", "VENDOR", "VendorRow<'static>", vendor_rows(&data.vendor)),
    ];
    for (doc, name, row, rows) in &lists {
        let _ = write!(out, "\n/// {doc}\npub const {name}: &[{row}] = &[");
        for row in rows {
            let _ = write!(out, "\n    {row},");
        }
        out.push_str(if rows.is_empty() { "];\n" } else { "\n];\n" });
    }
    out
}

const IMPORTS: &str = "
use super::{
    AdvisoryRow, AttributeRow, Carried, Classes, Condition, DeviceMatch, FloorRow, GroundRow,
    InterfaceRow, JudgedBy, Kind, Matter, Opinion, Protocol, ScopeRow, Selector, SelectorField,
    SelectorRow, StanceRow, VendorRow,
};
use crate::disclosure::Disclosure;
use crate::effects::Effects;
use crate::scope::{Confidence, Scope};
use crate::subsystem::Subsystems;
";

/// What both kinds of floor rows have.
struct Floor<'r> {
    opcode: String,
    effects: String,
    confidence: &'r str,
    discloses: &'r str,
    kind: &'r str,
    judged_by: Option<&'r str>,
    rest: String,
    source: &'r str,
}

fn floor_row(row: &Floor<'_>) -> String {
    format!(
        "FloorRow {{ opcode: {}, effects: {}, confidence: {}, discloses: {}, kind: {}, \
         judged_by: {}, {}, source: {} }}",
        row.opcode,
        row.effects,
        word("Confidence", words::CONFIDENCES, row.confidence),
        word("Disclosure", words::DISCLOSURES, row.discloses),
        word("Kind", words::KINDS, row.kind),
        option(row.judged_by.map(|it| word("JudgedBy", words::JUDGES, it))),
        row.rest,
        text(row.source),
    )
}

fn effects(floor: Option<&Vec<String>>, known: &[Word]) -> String {
    flags("Effects", known, floor.map(Vec::as_slice).unwrap_or_default())
}

fn cxl_row(row: &Command) -> String {
    let side = |value: Option<u32>| option(value.map(|value| value.to_string()));
    let memdev = row.memdev.as_ref().filter(|memdev| memdev.state != "deprecated");
    floor_row(&Floor {
        opcode: format!("0x{:04X}", row.opcode),
        effects: effects(row.floor.as_ref(), words::CXL_EFFECTS),
        confidence: &row.confidence,
        discloses: &row.discloses,
        kind: &row.kind,
        judged_by: row.judged_by.as_deref(),
        rest: format!(
            "selector: {}, input_min: {}, input_max: {}, mandatory: {}, memdev_id: {}, loggable: {}",
            field(row.selector),
            side(row.input.min),
            side(row.input.max),
            flags("Classes", words::CLASSES, &row.mandatory),
            option(memdev.map(|memdev| memdev.id.to_string())),
            row.loggable,
        ),
        source: row.source.as_deref().unwrap_or_default(),
    })
}

fn nvme_row(row: &NvmeCommand) -> String {
    floor_row(&Floor {
        opcode: format!("0x{:02X}", row.opcode),
        effects: effects(row.floor.as_ref(), words::NVME_EFFECTS),
        confidence: &row.confidence,
        discloses: &row.discloses,
        kind: &row.kind,
        judged_by: row.judged_by.as_deref(),
        rest: format!(
            "selector: {}, input_min: None, input_max: None, mandatory: {}, memdev_id: None, loggable: {}",
            field(row.selector),
            flags("Classes", words::CLASSES, &row.mandatory),
            row.loggable,
        ),
        source: row.source.as_deref().unwrap_or_default(),
    })
}

/// Bytes of a mailbox before what the judge calls its payload.
const MLX5_HEADER: u32 = 8;
/// Bytes of a request's header.
const BNXT_HEADER: u32 = 16;
/// The longest request that the kernel's fwctl takes, and the longest of bnxt.
const MAX_RPC: u32 = 2 << 20;
const MAX_HWRM: u32 = 128;
/// The most bytes at one address.
const MAX_DMA: u32 = 0x1_0000;

fn family_row(row: &FamilyCommand, header: u32) -> String {
    let (mut least, mut most) = if header == BNXT_HEADER { (16, MAX_HWRM) } else { (16, MAX_RPC) };
    if let (false, Some(request)) = (row.dma.is_empty(), row.request) {
        // What the device is to read comes after the request; `form` knows how much.
        let read = row.dma.iter().filter(|field| field.direction == "to-device");
        least = u32::from(request);
        most = read.fold(least, |sum, _| sum.saturating_add(MAX_DMA));
    }
    floor_row(&Floor {
        opcode: format!("0x{:04X}", row.opcode),
        effects: effects(Some(&row.floor), words::CXL_EFFECTS),
        confidence: &row.confidence,
        discloses: &row.discloses,
        kind: &row.kind,
        judged_by: row.judged_by.as_deref(),
        rest: format!(
            "selector: {}, input_min: Some({}), input_max: Some({}), mandatory: Classes::empty(), \
             memdev_id: None, loggable: {}",
            field(row.selector),
            u32::saturating_sub(least, header),
            u32::saturating_sub(most, header),
            row.loggable,
        ),
        source: row.source.as_deref().unwrap_or_default(),
    })
}

/// Commands and their sub-operations, a command before its own.
fn scopes<'r>(protocol: &'r str, rows: &'r FamilyCommands) -> impl Iterator<Item = String> + 'r {
    rows.commands.iter().flat_map(move |command| {
        let whole = scope_row(
            protocol,
            command.opcode,
            None,
            &command.scope,
            command.raised.as_deref(),
            command.why.as_deref(),
        );
        let own = rows.selectors.iter().filter(|row| row.opcode == command.opcode);
        std::iter::once(whole).chain(own.map(move |row| {
            let raised = row.raised.as_deref();
            let one = Some(row.selector.as_str());
            scope_row(protocol, row.opcode, one, &row.scope, raised, row.why.as_deref())
        }))
    })
}

fn scope_row(
    protocol: &str,
    opcode: u16,
    one: Option<&str>,
    scope: &str,
    raised: Option<&str>,
    why: Option<&str>,
) -> String {
    format!(
        "ScopeRow {{ protocol: {}, opcode: 0x{opcode:04X}, selector: {}, driver: {}, raised: {}, \
         why: {} }}",
        word("Protocol", words::PROTOCOLS, protocol),
        option(one.map(selector)),
        word("Scope", words::SCOPES, scope),
        option(raised.map(|scope| word("Scope", words::SCOPES, scope))),
        text(why.unwrap_or_default()),
    )
}

fn attribute_row(row: &Attribute) -> String {
    format!(
        "AttributeRow {{ value: 0x{:02X}, name: {}, driver: {}, raised: {}, why: {}, source: {} }}",
        row.value,
        text(&row.name),
        word("Scope", words::SCOPES, &row.scope),
        option(row.raised.as_deref().map(|scope| word("Scope", words::SCOPES, scope))),
        text(row.why.as_deref().unwrap_or_default()),
        text(row.source.as_deref().unwrap_or_default()),
    )
}

fn operations<'r>(rows: impl IntoIterator<Item = &'r SelectorRow>, known: &[Word]) -> Vec<String> {
    rows.into_iter()
        .map(|row| {
            format!(
                "SelectorRow {{ opcode: 0x{:04X}, selector: {}, name: {}, effects: {}, \
                 confidence: {}, discloses: {}, kind: {}, source: {} }}",
                row.opcode,
                selector(&row.selector),
                text(&row.name),
                effects(row.floor.as_ref(), known),
                word("Confidence", words::CONFIDENCES, &row.confidence),
                word("Disclosure", words::DISCLOSURES, &row.discloses),
                word("Kind", words::KINDS, &row.kind),
                text(row.source.as_deref().unwrap_or_default()),
            )
        })
        .collect()
}

fn ground_row(row: &GroundRow) -> String {
    format!(
        "GroundRow {{ protocol: {}, opcode: 0x{:04X}, selector: {}, owner: {}, others: {}, \
         condition: {}, read_disturbs: {}, interface: {}, why: {}, source: {} }}",
        word("Protocol", words::PROTOCOLS, &row.protocol),
        row.opcode,
        option(row.selector.as_deref().map(selector)),
        flags("Subsystems", words::SUBSYSTEMS, &[&row.owner]),
        flags("Subsystems", words::SUBSYSTEMS, &row.others),
        word("Condition", words::CONDITIONS, &row.condition),
        row.read_disturbs,
        option_text(row.interface.as_deref()),
        text(&row.why),
        text(row.source.as_deref().unwrap_or_default()),
    )
}

fn interface_row(row: &Interface) -> String {
    format!(
        "InterfaceRow {{ key: {}, place: {}, option: {}, verb: {} }}",
        text(&row.key),
        text(&row.place),
        text(&row.option),
        text(&row.verb),
    )
}

fn stance_row(row: &Stance) -> String {
    format!(
        "StanceRow {{ key: {}, ground: {}, matter: {}, opinion: {}, who: {}, maintainer_of: {}, \
         date: {}, address: {}, says: {}, overtaken_by: {} }}",
        text(&row.key),
        flags("Subsystems", words::SUBSYSTEMS, &[&row.ground]),
        word("Matter", words::MATTERS, &row.matter),
        word("Opinion", words::OPINIONS, &row.opinion),
        text(&row.who),
        text(&row.maintainer_of),
        text(&row.date),
        text(&row.address),
        text(&row.says),
        option_text(row.overtaken_by.as_deref()),
    )
}

fn device(vendor: Option<u16>, device: Option<u16>, firmware: Option<&str>) -> String {
    let id = |value: Option<u16>| option(value.map(|value| format!("0x{value:04X}")));
    format!(
        "DeviceMatch {{ vendor: {}, device: {}, firmware: {} }}",
        id(vendor),
        id(device),
        option_text(firmware),
    )
}

fn advisory_row(row: &Advisory) -> String {
    format!(
        "AdvisoryRow {{ key: {}, device: {}, protocol: {}, opcode: {}, why: {}, source: {} }}",
        text(&row.key),
        device(row.vendor, row.device, row.firmware.as_deref()),
        word("Protocol", words::PROTOCOLS, &row.protocol),
        option(row.opcode.map(|opcode| format!("0x{opcode:04X}"))),
        text(&row.why),
        text(row.source.as_deref().unwrap_or_default()),
    )
}

/// The rows of all vendor files, by opcode, then by file.
fn vendor_rows(files: &[(String, Vendor)]) -> Vec<String> {
    let mut rows: Vec<(&VendorCommand, &Vendor)> = files
        .iter()
        .flat_map(|(_, file)| file.commands.iter().map(move |command| (command, file)))
        .collect();
    rows.sort_by_key(|(command, _)| command.opcode);
    rows.into_iter().map(|(command, file)| vendor_row(command, file)).collect()
}

fn vendor_row(row: &VendorCommand, file: &Vendor) -> String {
    let Device { vendor, device: device_id, firmware } = &file.device;
    let own = file.operations.iter().filter(|operation| operation.opcode == row.opcode);
    let own = operations(own, words::CXL_EFFECTS);
    let own = if own.is_empty() {
        "&[]".into()
    } else {
        format!("&[\n        {},\n    ]", own.join(",\n        "))
    };
    let carries = row.carries.map(|it| {
        format!("Carried {{ opcode_at: {}, payload_at: {} }}", it.opcode_at, it.payload_at)
    });
    format!(
        "VendorRow {{ device: {}, opcode: 0x{:04X}, name: {}, effects: {}, discloses: {}, \
         selector: {}, operations: {own}, carries: {}, source: {} }}",
        device(Some(*vendor), *device_id, firmware.as_deref()),
        row.opcode,
        text(&row.name),
        flags("Effects", words::CXL_EFFECTS, &row.floor),
        word("Disclosure", words::DISCLOSURES, &row.discloses),
        field(row.selector),
        option(carries),
        text(row.source.as_deref().unwrap_or_default()),
    )
}

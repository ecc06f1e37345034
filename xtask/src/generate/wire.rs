// SPDX-License-Identifier: MIT OR Apache-2.0
//! Renders the command tables: names, sizes, where the kernel has its own way.
//!
//! *Not here*: what a command changes (`policy`).

use std::fmt::Write as _;

use super::rows::{Code, Command, Data, Dma, FamilyCommand, Feature, NvmeCommand};
use super::rust::{self, option, option_text, size, text, word};
use super::vocabulary as words;

/// `crates/wire/src/cxl/table/commands_gen.rs`.
pub(crate) fn cxl(data: &Data) -> String {
    let mut out = rust::header(
        "CXL commands, features and return codes.",
        "data/cxl-commands.toml, data/cxl-features.toml, data/cxl-return-codes.toml",
    );
    out.push_str(
        "\nuse super::{CommandRow, FeatureRow, Memdev, MemdevState, PayloadSize, ReturnCodeRow};\n",
    );
    list(
        &mut out,
        "CXL commands, by opcode.",
        "COMMANDS",
        "CommandRow",
        &data.cxl.commands,
        command,
    );
    list(
        &mut out,
        "CXL features, by UUID.",
        "FEATURES",
        "FeatureRow",
        &data.features.rows,
        feature,
    );
    list(
        &mut out,
        "CXL return codes, by value.",
        "RETURN_CODES",
        "ReturnCodeRow",
        &data.codes.rows,
        code,
    );
    out
}

/// `crates/wire/src/nvme/table/commands_gen.rs`.
pub(crate) fn nvme(data: &Data) -> String {
    let mut out = rust::header("NVMe commands.", "data/nvme-commands.toml");
    out.push_str("\nuse super::{CommandRow, Direction};\n");
    let doc = "NVMe admin commands, by opcode.";
    list(&mut out, doc, "ADMIN", "CommandRow", &data.nvme.admin, nvme_command);
    let doc = "NVMe I/O commands, by opcode.";
    list(&mut out, doc, "IO", "CommandRow", &data.nvme.io, nvme_command);
    out
}

/// `crates/wire/src/fwctl/table/commands_gen.rs`.
pub(crate) fn fwctl(data: &Data) -> String {
    let mut out = rust::header(
        "Commands that the kernel's fwctl drivers pass on.",
        "data/fwctl-mlx5.toml and data/fwctl-bnxt.toml",
    );
    out.push_str("\nuse super::{CommandRow, DmaDirection, DmaField, DmaLength};\n");
    let doc = "mlx5 commands, by opcode.";
    list(&mut out, doc, "MLX5", "CommandRow", &data.mlx5.commands, family_command);
    let doc = "bnxt commands, by request type.";
    list(&mut out, doc, "BNXT", "CommandRow", &data.bnxt.commands, family_command);
    out
}

fn family_command(row: &FamilyCommand) -> String {
    let dma: Vec<String> = row.dma.iter().map(dma_field).collect();
    format!(
        "CommandRow {{ opcode: 0x{:04X}, name: {}, slug: {}, request: {}, dma: &[{}], \
         timeout_ms: {}, source: {}, notes: {} }}",
        row.opcode,
        text(&row.name),
        text(&row.slug),
        option(row.request.map(|bytes| bytes.to_string())),
        dma.join(", "),
        option(row.timeout_ms.map(|it| it.to_string())),
        text(row.source.as_deref().unwrap_or_default()),
        option_text(row.notes.as_deref()),
    )
}

fn dma_field(row: &Dma) -> String {
    let length = match (row.fixed, row.length, row.width, row.unit) {
        (Some(bytes), ..) => format!("DmaLength::Fixed({bytes})"),
        (None, Some(offset), Some(width), Some(unit)) => {
            format!("DmaLength::Field {{ offset: {offset}, width: {width}, unit: {unit} }}")
        }
        // `validate` has refused it.
        _ => "NO_LENGTH".to_owned(),
    };
    format!(
        "DmaField {{ direction: {}, address: {}, length: {length} }}",
        word("DmaDirection", words::DMA_DIRECTIONS, &row.direction),
        row.address,
    )
}

fn list<T>(
    out: &mut String,
    doc: &str,
    name: &str,
    row: &str,
    rows: &[T],
    render: impl Fn(&T) -> String,
) {
    let _ = write!(out, "\n/// {doc}\npub const {name}: &[{row}] = &[");
    for row in rows {
        let _ = write!(out, "\n    {},", render(row));
    }
    out.push_str("\n];\n");
}

fn command(row: &Command) -> String {
    let memdev = row.memdev.as_ref().map(|memdev| {
        format!(
            "Memdev {{ id: {}, name: {}, state: {} }}",
            memdev.id,
            text(&memdev.name),
            word("MemdevState", words::MEMDEV_STATES, &memdev.state),
        )
    });
    format!(
        "CommandRow {{ opcode: 0x{:04X}, name: {}, slug: {}, set: {}, input: {}, output: {}, \
         memdev: {}, cci: {}, kernel: {}, raw: {}, tunnel: {}, source: {}, notes: {} }}",
        row.opcode,
        text(&row.name),
        text(&row.slug),
        text(&row.set),
        size(row.input),
        size(row.output),
        option(memdev),
        text(&row.cci),
        option_text(row.kernel.as_deref()),
        option_text(row.raw.as_deref()),
        option_text(row.tunnel.as_deref()),
        text(row.source.as_deref().unwrap_or_default()),
        option_text(row.notes.as_deref()),
    )
}

fn feature(row: &Feature) -> String {
    let version = |value: Option<u8>| option(value.map(|value| value.to_string()));
    format!(
        "FeatureRow {{ uuid: {}, name: {}, class: {}, exclusive: {}, get_size: {}, set_size: {}, \
         get_version: {}, set_version: {}, interface: {}, source: {}, notes: {} }}",
        rust::bytes(&rust::selector_bytes(&row.uuid).unwrap_or_default()),
        text(&row.name),
        text(&row.class),
        row.exclusive,
        size(row.get_size),
        size(row.set_size),
        version(row.get_version),
        version(row.set_version),
        option_text(row.interface.as_deref()),
        text(row.source.as_deref().unwrap_or_default()),
        option_text(row.notes.as_deref()),
    )
}

fn code(row: &Code) -> String {
    format!(
        "ReturnCodeRow {{ value: 0x{:02X}, name: {}, errno: {}, retriable: {}, meaning: {}, \
         source: {}, notes: {} }}",
        row.value,
        text(&row.name),
        option_text(row.errno.as_deref()),
        text(&row.retriable),
        text(&row.meaning),
        text(row.source.as_deref().unwrap_or_default()),
        option_text(row.notes.as_deref()),
    )
}

fn nvme_command(row: &NvmeCommand) -> String {
    format!(
        "CommandRow {{ opcode: 0x{:02X}, name: {}, slug: {}, direction: {}, selects: {}, \
         wide: {}, unprivileged: {}, source: {}, notes: {} }}",
        row.opcode,
        text(&row.name),
        text(&row.slug),
        word("Direction", words::DIRECTIONS, &row.direction),
        option_text(row.selects.as_deref()),
        option_text(row.wide.as_deref()),
        option_text(row.unprivileged.as_deref()),
        text(row.source.as_deref().unwrap_or_default()),
        option_text(row.notes.as_deref()),
    )
}

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Renders the command tables: names, sizes, where the kernel has its own way.
//!
//! *Not here*: what a command changes (`policy`).

use std::fmt::Write as _;

use super::rows::{Code, Command, Data, Feature, NvmeCommand};
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

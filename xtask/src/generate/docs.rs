// SPDX-License-Identifier: MIT OR Apache-2.0
//! Renders the tables for people.
//!
//! *Invariants*: no cell breaks its table; nothing is said that the data do not say.
//!
//! *Not here*: how a verdict is reached (`docs/specification.md`).

use std::fmt::Write as _;

use super::rows::{Data, Dma, FamilyCommands, NvmeCommand, SelectorRow, Size};

/// `docs/commands-cxl.md`.
pub(crate) fn cxl(data: &Data) -> String {
    let mut out = header(
        "CXL commands",
        "data/cxl-commands.toml, data/cxl-features.toml and data/cxl-return-codes.toml",
    );
    out.push_str(
        "The least that is known of each command, whatever a device reports. *Floor*: its least \
         effects, with how surely they are known. *Shows*: the worst case of a reply. Sizes are \
         payload bytes; `n+` has no fixed upper end.\n\n## Commands\n\n",
    );
    head(
        &mut out,
        &[
            "opcode",
            "name",
            "in",
            "out",
            "floor",
            "shows",
            "kind",
            "judged by",
            "the kernel's own way",
            "source",
        ],
    );
    for row in &data.cxl.commands {
        let kernel = match (&row.memdev, &row.kernel) {
            (Some(memdev), Some(kernel)) => {
                format!("memdev id {} ({}); {kernel}", memdev.id, memdev.state)
            }
            (Some(memdev), None) => format!("memdev id {} ({})", memdev.id, memdev.state),
            (None, kernel) => kernel.clone().unwrap_or_default(),
        };
        line(
            &mut out,
            &[
                format!("`0x{:04X}`", row.opcode),
                format!("{} `{}`", row.name, row.slug),
                size(row.input),
                size(row.output),
                floor(row.floor.as_deref(), &row.confidence),
                row.discloses.clone(),
                row.kind.clone(),
                row.judged_by.clone().unwrap_or_default(),
                kernel,
                row.source.clone().unwrap_or_default(),
            ],
        );
    }
    operations(&mut out, &data.cxl.selectors);
    out.push_str("\n## Features\n\n");
    head(
        &mut out,
        &["UUID", "name", "get", "set", "kernel-exclusive", "the kernel's own way", "source"],
    );
    for row in &data.features.rows {
        line(
            &mut out,
            &[
                format!("`{}`", row.uuid),
                row.name.clone(),
                size(row.get_size),
                size(row.set_size),
                if row.exclusive { "yes".into() } else { "no".into() },
                row.interface.clone().unwrap_or_default(),
                row.source.clone().unwrap_or_default(),
            ],
        );
    }
    out.push_str("\n## Return codes\n\n");
    head(&mut out, &["code", "name", "Linux errno", "retriable", "meaning"]);
    for row in &data.codes.rows {
        line(
            &mut out,
            &[
                format!("`0x{:02X}`", row.value),
                row.name.clone(),
                row.errno.clone().unwrap_or_default(),
                row.retriable.clone(),
                row.meaning.clone(),
            ],
        );
    }
    out
}

/// `docs/commands-nvme.md`.
pub(crate) fn nvme(data: &Data) -> String {
    let mut out = header("NVMe commands", "data/nvme-commands.toml");
    out.push_str(
        "The least that is known of each command, whatever a device reports. Direction is no \
         safety test. Kind `never`: refused to everybody.\n\n## Admin commands\n\n",
    );
    nvme_table(&mut out, &data.nvme.admin);
    out.push_str(
        "\n## I/O commands\n\nNever sent by the gate; here so that a log can be read whole.\n\n",
    );
    nvme_table(&mut out, &data.nvme.io);
    operations(&mut out, &data.nvme.selectors);
    out
}

fn nvme_table(out: &mut String, rows: &[NvmeCommand]) {
    head(
        out,
        &["opcode", "name", "data", "floor", "shows", "kind", "judged by", "reaches", "source"],
    );
    for row in rows {
        line(
            out,
            &[
                format!("`0x{:02X}`", row.opcode),
                format!("{} `{}`", row.name, row.slug),
                row.direction.clone(),
                floor(row.floor.as_deref(), &row.confidence),
                row.discloses.clone(),
                row.kind.clone(),
                row.judged_by.clone().unwrap_or_default(),
                row.wide.clone().unwrap_or_default(),
                row.source.clone().unwrap_or_default(),
            ],
        );
    }
}

/// `docs/commands-fwctl.md`.
pub(crate) fn fwctl(data: &Data) -> String {
    let mut out = header(
        "Commands of fwctl's families",
        "data/fwctl-mlx5.toml, data/fwctl-bnxt.toml and data/fwctl-pds.toml",
    );
    out.push_str(
        "What the kernel's fwctl drivers pass on, at which scope, and where fwgate asks for more and \
         why. A command without a row is refused by the driver and by fwgate. CXL has its own file. \
         *Shows*: the worst case of a reply.\n",
    );
    for (title, rows) in [("mlx5", &data.mlx5), ("bnxt", &data.bnxt)] {
        let _ = write!(out, "\n## {title}\n\n");
        family(&mut out, rows);
    }
    out.push_str("\n## bnxt: buffers\n\nThe driver puts its own buffers at these addresses.\n\n");
    head(&mut out, &["opcode", "name", "request", "buffers", "notes"]);
    for row in data.bnxt.commands.iter().filter(|row| !row.dma.is_empty()) {
        let fields: Vec<String> = row.dma.iter().map(buffer).collect();
        line(
            &mut out,
            &[
                format!("`0x{:04X}`", row.opcode),
                row.name.clone(),
                row.request.map_or("?".into(), |bytes| bytes.to_string()),
                fields.join("; "),
                row.notes.clone().unwrap_or_default(),
            ],
        );
    }
    out.push_str(
        "\n## pds\n\nThe firmware gives each operation an attribute; any other value asks \
         debug-write-full.\n\n",
    );
    head(&mut out, &["attribute", "name", "driver's scope", "ours", "why", "source"]);
    for row in &data.pds.rows {
        line(
            &mut out,
            &[
                format!("`0x{:02X}`", row.value),
                row.name.clone(),
                row.scope.clone(),
                row.raised.clone().unwrap_or_else(|| "the same".into()),
                row.why.clone().unwrap_or_default(),
                row.source.clone().unwrap_or_default(),
            ],
        );
    }
    out
}

fn family(out: &mut String, rows: &FamilyCommands) {
    let same = || "the same".to_owned();
    head(
        out,
        &["opcode", "name", "driver's scope", "ours", "why", "floor", "shows", "kind", "source"],
    );
    for row in &rows.commands {
        line(
            out,
            &[
                format!("`0x{:04X}`", row.opcode),
                format!("{} `{}`", row.name, row.slug),
                row.scope.clone(),
                row.raised.clone().unwrap_or_else(same),
                row.why.clone().unwrap_or_default(),
                floor(Some(&row.floor), &row.confidence),
                row.discloses.clone(),
                row.kind.clone(),
                row.source.clone().unwrap_or_default(),
            ],
        );
        for one in rows.selectors.iter().filter(|one| one.opcode == row.opcode) {
            line(
                out,
                &[
                    format!("`0x{:04X}` `{}`", one.opcode, one.selector),
                    format!("{}: {}", row.name, one.name),
                    one.scope.clone(),
                    one.raised.clone().unwrap_or_else(same),
                    one.why.clone().unwrap_or_default(),
                    floor(Some(&one.floor), &one.confidence),
                    one.discloses.clone(),
                    one.kind.clone(),
                    one.source.clone().unwrap_or_default(),
                ],
            );
        }
    }
}

fn buffer(field: &Dma) -> String {
    let length = match (field.fixed, field.length, field.width, field.unit) {
        (Some(bytes), ..) => format!("{bytes} bytes"),
        (None, Some(at), Some(width), Some(1)) => format!("length in {width} bytes at {at}"),
        (None, Some(at), Some(width), Some(unit)) => {
            format!("length in {width} bytes at {at}, times {unit}")
        }
        _ => "?".into(),
    };
    format!("{}, address at {}, {length}", field.direction, field.address)
}

/// `docs/stances.md`.
pub(crate) fn stances(data: &Data) -> String {
    let mut out = header("Stances and ground", "data/stances.toml and data/ground.toml");
    out.push_str(
        "Who said what about passing firmware commands through, and which subsystem owns what a \
         command touches. A stance binds on its own ground and is advice elsewhere; one that merged \
         code has overtaken is history. Text is a paraphrase unless it is in quotation marks. Bare \
         message ids resolve at <https://lore.kernel.org/r/>.\n\n## Stances\n\n",
    );
    head(
        &mut out,
        &["key", "ground", "matter", "opinion", "who", "date", "says", "address", "overtaken by"],
    );
    for row in &data.stances.rows {
        let mut says = row.says.clone();
        if let Some(notes) = &row.notes {
            let _ = write!(says, " ({notes})");
        }
        line(
            &mut out,
            &[
                format!("`{}`", row.key),
                row.ground.clone(),
                row.matter.clone(),
                row.opinion.clone(),
                format!("{} ({})", row.who, row.maintainer_of),
                row.date.clone(),
                says,
                row.address.clone(),
                row.overtaken_by.clone().unwrap_or_default(),
            ],
        );
    }
    out.push_str("\n## Ground\n\n");
    head(
        &mut out,
        &[
            "command",
            "owner",
            "also touched",
            "while",
            "reads disturb",
            "interface",
            "why",
            "source",
        ],
    );
    for row in &data.ground.rows {
        let selector = row.selector.as_ref().map(|it| format!(" {it}")).unwrap_or_default();
        let width = if row.protocol.starts_with("nvme") { 2 } else { 4 };
        line(
            &mut out,
            &[
                format!("{} `0x{:0width$X}`{selector}", row.protocol, row.opcode),
                row.owner.clone(),
                row.others.join(", "),
                row.condition.clone(),
                if row.read_disturbs { "yes".into() } else { "no".into() },
                row.interface.clone().unwrap_or_else(|| "none".into()),
                row.why.clone(),
                row.source.clone().unwrap_or_default(),
            ],
        );
    }
    out.push_str("\n## Interfaces\n\n");
    head(&mut out, &["key", "place", "option", "instead"]);
    for row in &data.ground.interfaces {
        line(
            &mut out,
            &[
                format!("`{}`", row.key),
                format!("`{}`", row.place),
                row.option.clone(),
                row.verb.clone(),
            ],
        );
    }
    out
}

fn header(title: &str, from: &str) -> String {
    format!(
        "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->\n\
         <!-- made by `cargo xtask gen` from {from}; do not edit -->\n\n# {title}\n\n"
    )
}

fn operations(out: &mut String, rows: &[SelectorRow]) {
    out.push_str("\n## Sub-operations\n\n");
    head(out, &["command", "selector", "name", "floor", "shows", "kind", "source"]);
    for row in rows {
        let notes = row.notes.as_ref().map(|notes| format!(" ({notes})")).unwrap_or_default();
        line(
            out,
            &[
                format!("`0x{:04X}`", row.opcode),
                format!("`{}`", row.selector),
                format!("{}{notes}", row.name),
                floor(row.floor.as_deref(), &row.confidence),
                row.discloses.clone(),
                row.kind.clone(),
                row.source.clone().unwrap_or_default(),
            ],
        );
    }
}

fn head(out: &mut String, names: &[&str]) {
    let _ = writeln!(out, "| {} |", names.join(" | "));
    let _ = writeln!(out, "|{}", "---|".repeat(names.len()));
}

fn line(out: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| cell.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;"))
        .collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn floor(effects: Option<&[String]>, confidence: &str) -> String {
    match effects {
        None => confidence.into(),
        Some([]) => format!("none ({confidence})"),
        Some(effects) => format!("{} ({confidence})", effects.join(", ")),
    }
}

fn size(size: Size) -> String {
    match (size.min, size.max) {
        (Some(min), Some(max)) if min == max => min.to_string(),
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("{min}+"),
        (None, _) => "?".into(),
    }
}

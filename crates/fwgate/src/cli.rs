// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line: one definition that help, man pages and completions are made from.
//!
//! *Invariants*: a verb that is not built is not shown. Every verb's help ends with an example.
//!
//! *Not here*: what a verb does (`verbs`), what COMMAND means (`command`), arguments of the typed
//! verbs (`typed`).

pub(crate) mod groups;
pub(crate) mod typed;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fwgate_policy::Scope;

use crate::output::Format;
use typed::{
    AlertsVerb, DeviceArgs, EventsArgs, FeaturesVerb, FirmwareVerb, LabelsVerb, LogsVerb,
    PartitionVerb, PoisonVerb, RepairArgs, SanitizeArgs, ScrubVerb, SecurityArgs, ShutdownVerb,
    TimestampVerb,
};

/// The gate through which programs send firmware commands to a device.
///
/// fwgate decides on each command from what the device reports the command does, from the least
/// that the specification says of it, from which kernel subsystem owns that ground, and from what
/// the owner of the machine allows. Every decision can be explained, and is on record.
///
/// DEV is a device of this machine (mem0, nvme0, fwctl0, a PCI address, the path of a node, a serial
/// number; for root) or one in software: emu:cxl0 (driven by nobody), emu:cxl1 (driven by an emulated
/// kernel), emu:nvme0, and one of each of fwctl's other families: emu:mlx5-0, emu:bnxt0, emu:pds0.
/// Effects logs can be read from files, too.
#[derive(Parser, Debug)]
#[command(
    name = "fwgate",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    max_term_width = 100,
    after_help = "Start here: fwgate tour",
    after_long_help = "Start here: fwgate tour\n\nSee also: fwgate man | man -l -"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Args, Debug)]
pub(crate) struct Globals {
    /// Form of the answer: text for people, one JSON document, or bytes
    #[arg(
        short = 'o',
        long = "format",
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        help_heading = "Everywhere"
    )]
    pub(crate) format: Format,
    /// Tell more
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub(crate) verbose: bool,
    /// The total deadline.
    #[arg(
        help = "How long to wait in all, for a lock or a device: 500ms, 10s, 2m [default: 10s]",
        long,
        global = true,
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Everywhere"
    )]
    pub(crate) timeout: Option<Duration>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Show the main job on emulated devices, step by step
    ///
    /// Runs in a fresh folder that is removed at the end, checks itself, and touches neither this
    /// machine's devices nor its kernel.
    #[command(after_help = "Example:\n  fwgate tour")]
    Tour(TourArgs),
    /// List the devices within reach
    #[command(after_help = "Example:\n  fwgate list -o json")]
    List(ListArgs),
    /// Tell what a device is and what surrounds it
    #[command(after_help = "Example:\n  fwgate info emu:cxl0")]
    Info(InfoArgs),
    /// Tell which ways lead to each device here, and what is missing
    ///
    /// Nothing is sent and nothing is changed. Anybody may ask; root sees more.
    #[command(after_help = "Examples:\n  fwgate doctor\n  fwgate doctor mem0 --fail-on warning")]
    Doctor(DoctorArgs),
    /// Show what a device says it is
    #[command(after_help = "Example:\n  fwgate identify emu:cxl0")]
    Identify(DeviceArgs),
    /// Show how a device is
    #[command(after_help = "Example:\n  fwgate health emu:cxl0")]
    Health(DeviceArgs),
    /// Show a device's event records; nothing is taken away
    ///
    /// Where the kernel drives the device it drains the logs: its trace events are shown then.
    #[command(after_help = "Examples:\n  fwgate events emu:cxl0\n  fwgate events emu:cxl0 \
                            --follow --count 3")]
    Events(EventsArgs),
    /// List and read a device's logs
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Logs {
        #[command(subcommand)]
        verb: LogsVerb,
    },
    /// List, read and set a device's features
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Features {
        #[command(subcommand)]
        verb: FeaturesVerb,
    },
    /// Show and set when a device warns
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Alerts {
        #[command(subcommand)]
        verb: AlertsVerb,
    },
    /// Show and set a device's clock
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Timestamp {
        #[command(subcommand)]
        verb: TimestampVerb,
    },
    /// Show and set what a loss of power would count as
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    ShutdownState {
        #[command(subcommand)]
        verb: ShutdownVerb,
    },
    /// Show and set how much memory is volatile
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Partition {
        #[command(subcommand)]
        verb: PartitionVerb,
    },
    /// Read and write the label area of persistent memory
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Labels {
        #[command(subcommand)]
        verb: LabelsVerb,
    },
    /// Show and set how a device scrubs its memory
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Scrub {
        #[command(subcommand)]
        verb: ScrubVerb,
    },
    /// List, inject and clear poison
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Poison {
        #[command(subcommand)]
        verb: PoisonVerb,
    },
    /// Repair memory by spare parts of the device
    #[command(after_help = "Examples:\n  fwgate repair emu:cxl1 --kind soft-ppr --address 0x1000 \
                            --query\n  fwgate repair emu:cxl1 --kind row --rank 1 --row 0x20 \
                            --yes-repair emu:cxl1")]
    Repair(RepairArgs),
    /// Erase all data of a device, by the kernel's own interface
    ///
    /// How long it may take is --timeout, one hour without it; it goes on in the device after that.
    #[command(after_help = "Examples:\n  fwgate sanitize emu:cxl1 --dry-run\n  fwgate sanitize \
                            emu:cxl1 --yes-destroy-data emu:cxl1")]
    Sanitize(SanitizeArgs),
    /// Show a device's security state, or freeze it
    #[command(
        override_usage = "fwgate security [OPTIONS] DEV\n       fwgate security freeze [OPTIONS] DEV",
        subcommand_value_name = "VERB",
        subcommand_help_heading = "Verbs",
        after_help = "Example:\n  fwgate security emu:cxl0"
    )]
    Security(SecurityArgs),
    /// Show and update a device's firmware
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Firmware {
        #[command(subcommand)]
        verb: FirmwareVerb,
    },
    /// Show what each command is said to do, does, and needs
    ///
    /// `-o raw` writes the log's own bytes, which `--from` reads.
    #[command(
        override_usage = "fwgate effects [OPTIONS] DEV\n       fwgate effects [OPTIONS] --from \
                          FILE --protocol cxl|nvme",
        after_help = "Examples:\n  fwgate effects emu:cxl0\n  fwgate effects --from cel.bin \
                      --protocol cxl -o json"
    )]
    Effects(EffectsArgs),
    /// Find where an effects log says less than is known
    #[command(
        override_usage = "fwgate lint [OPTIONS] DEV\n       fwgate lint [OPTIONS] --from FILE \
                          --protocol cxl|nvme",
        after_help = "Example:\n  fwgate lint --from cel.bin --protocol cxl --fail-on error"
    )]
    Lint(LintArgs),
    /// Judge a command and say why; send nothing
    ///
    /// No decision is recorded. That the device's facts were read is on record, as always.
    #[command(
        override_usage = "fwgate explain [OPTIONS] DEV COMMAND\n       fwgate explain [OPTIONS] \
                          --from FILE --protocol cxl|nvme COMMAND",
        after_help = "COMMAND is a number (0xC001, C001h) or a name from the tables \
                      (get-health-info). mlx5: an op_mod may follow a colon (0x0B0C:1). pds: \
                      ENDPOINT:OPERATION (0x1:0x00010001).\n\nExamples:\n  fwgate explain emu:cxl0 0xC003 --scope \
                      debug-read\n  fwgate explain emu:cxl0 get-health-info --as 4099:fwgate"
    )]
    Explain(ExplainArgs),
    /// Judge a command, record the decision, and send it if allowed
    #[command(
        override_usage = "fwgate send [OPTIONS] DEV COMMAND",
        after_help = "COMMAND is a number (0xC001, C001h) or a name from the tables \
                      (get-health-info). mlx5: an op_mod may follow a colon (0x0B0C:1). pds: \
                      ENDPOINT:OPERATION (0x1:0x00010001).\n\nExamples:\n  fwgate send emu:cxl0 0xC000\n  fwgate \
                      send emu:cxl0 0xC002 --hex 07000000\n  fwgate send emu:nvme0 identify \
                      --cdw10 1 --length 4096 --read"
    )]
    Send(SendArgs),
    /// Read and check the journal
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Audit {
        #[command(subcommand)]
        verb: AuditVerb,
    },
    /// Show the settings
    #[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Write a completion script for a shell
    #[command(after_help = "Example:\n  fwgate completions bash > \
                      ~/.local/share/bash-completion/completions/fwgate")]
    Completions(CompletionsArgs),
    /// Write the manual pages
    ///
    /// Without DIR, fwgate(1) goes to standard output. With DIR, one page a verb is written there.
    #[command(after_help = "Example:\n  fwgate man | man -l -")]
    Man(ManArgs),
}

/// `tour`.
#[derive(Args, Debug)]
pub(crate) struct TourArgs {
    /// Keep the folder with the devices and the journal, and say where it is
    #[arg(long)]
    pub(crate) keep: bool,
    /// Do not pause between the steps
    #[arg(long)]
    pub(crate) fast: bool,
}

/// `list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Devices in software only
    #[arg(long)]
    pub(crate) emulated: bool,
}

/// `info`.
#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// Device, such as emu:cxl0
    #[arg(value_name = "DEV")]
    pub(crate) device: String,
}

/// `doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// One device; without it, all of this machine
    #[arg(value_name = "DEV")]
    pub(crate) device: Option<String>,
    /// End with status 9 if there is a finding at least that bad
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub(crate) fail_on: Option<DoctorSeverity>,
}

/// How bad a finding of doctor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum DoctorSeverity {
    /// A path is missing, or there is a warning
    Missing,
    /// Something lets people round the gate, or makes commands fail
    Warning,
}

/// A file in place of a device.
#[derive(Args, Debug)]
pub(crate) struct FromArgs {
    /// Read the effects log from a file (CXL: 4-byte rows; NVMe: the 4096-byte page)
    #[arg(long, value_name = "FILE", requires = "protocol")]
    pub(crate) from: Option<PathBuf>,
    /// What the file holds
    #[arg(long, value_name = "PROTOCOL", value_enum, requires = "from")]
    pub(crate) protocol: Option<ProtocolArg>,
}

/// Whose log a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ProtocolArg {
    /// CXL Command Effects Log
    Cxl,
    /// NVMe Commands Supported and Effects log (LID 05h)
    Nvme,
}

/// A device or a file.
#[derive(Args, Debug)]
pub(crate) struct SourceArgs {
    /// Device, such as emu:cxl0
    #[arg(value_name = "DEV", required_unless_present = "from", conflicts_with = "from")]
    pub(crate) device: Option<String>,
    #[command(flatten)]
    pub(crate) from: FromArgs,
}

/// `effects`.
#[derive(Args, Debug)]
pub(crate) struct EffectsArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// `lint`.
#[derive(Args, Debug)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// End with status 9 if there is a finding at least that bad
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub(crate) fail_on: Option<SeverityArg>,
}

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum SeverityArg {
    /// Anything
    Note,
    /// The log is wrong
    Error,
}

/// A command's payload and the rest that makes it whole.
#[derive(Args, Debug)]
pub(crate) struct CommandArgs {
    /// Scope to ask for; without it, the lowest that suffices
    #[arg(long, value_name = "SCOPE", value_parser = scope())]
    pub(crate) scope: Option<Scope>,
    /// File that holds the payload, at most 64 MiB; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "hex")]
    pub(crate) payload: Option<PathBuf>,
    /// Payload as hexadecimal digits
    #[arg(long, value_name = "DIGITS")]
    pub(crate) hex: Option<String>,
    #[command(flatten)]
    pub(crate) nvme: NvmeArgs,
}

/// What an NVMe command has beside its payload.
#[derive(Args, Debug)]
#[command(next_help_heading = "NVMe")]
pub(crate) struct NvmeArgs {
    /// Namespace
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) nsid: Option<u32>,
    /// Command dword 10
    #[arg(long, value_name = "X", value_parser = number)]
    pub(crate) cdw10: Option<u32>,
    /// Command dword 11
    #[arg(long, value_name = "X", value_parser = number)]
    pub(crate) cdw11: Option<u32>,
    /// Command dword 12
    #[arg(long, value_name = "X", value_parser = number)]
    pub(crate) cdw12: Option<u32>,
    /// Command dword 13
    #[arg(long, value_name = "X", value_parser = number)]
    pub(crate) cdw13: Option<u32>,
    /// Command dword 14
    #[arg(long, value_name = "X", value_parser = number)]
    pub(crate) cdw14: Option<u32>,
    /// Command dword 15
    #[arg(long, value_name = "X", value_parser = number)]
    pub(crate) cdw15: Option<u32>,
    /// Bytes of data, in the direction that --read or --write says
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) length: Option<u32>,
    /// Data come from the controller
    #[arg(long, conflicts_with = "write")]
    pub(crate) read: bool,
    /// Data go to the controller
    #[arg(long)]
    pub(crate) write: bool,
}

/// `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// Device and command; with --from the command alone
    #[arg(value_name = "DEV COMMAND", num_args = 1..=2, required = true)]
    pub(crate) target: Vec<String>,
    #[command(flatten)]
    pub(crate) from: FromArgs,
    /// Who is to ask, by name or number, with a group and capabilities that are supposed.
    #[arg(
        long = "as",
        value_name = "USER",
        help = "Who is to ask: USER[:GROUP][+cap_sys_rawio][+cap_sys_admin], by name or number"
    )]
    pub(crate) person: Option<String>,
    #[command(flatten)]
    pub(crate) command: CommandArgs,
}

/// `send`.
#[derive(Args, Debug)]
pub(crate) struct SendArgs {
    /// Device, such as emu:cxl0
    #[arg(value_name = "DEV")]
    pub(crate) device: String,
    /// Number or name of the command
    #[arg(value_name = "COMMAND")]
    pub(crate) name: String,
    /// Write the reply's bytes to a new file, mode 0600
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Let --output replace a file
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Judge only, as `explain` does
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) command: CommandArgs,
}

/// `audit`.
#[derive(Subcommand, Debug)]
pub(crate) enum AuditVerb {
    /// Show the newest records
    #[command(after_help = "Example:\n  fwgate audit tail -n 20")]
    Tail(TailArgs),
    /// Check every byte of the journal; end with status 9 if one is wrong
    #[command(after_help = "Example:\n  fwgate audit verify && echo clean")]
    Verify,
}

/// `audit tail`.
#[derive(Args, Debug)]
pub(crate) struct TailArgs {
    /// How many records
    #[arg(
        short = 'n',
        long = "lines",
        value_name = "N",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(..=100_000)
    )]
    pub(crate) count: u32,
    /// Go on with what is added; under `-o json` one document a line
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// `config`.
#[derive(Subcommand, Debug)]
pub(crate) enum ConfigVerb {
    /// Show each setting and where it comes from
    #[command(after_help = "Example:\n  fwgate config show")]
    Show,
}

/// `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// `man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Folder to write one page a verb into; made if it is not there
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

fn scope() -> impl clap::builder::TypedValueParser<Value = Scope> {
    use clap::builder::TypedValueParser as _;

    clap::builder::PossibleValuesParser::new(Scope::ALL.map(Scope::name))
        .map(|name| Scope::by_name(&name).unwrap_or(Scope::Configuration))
}

/// A number of 32 bits: decimal, or hexadecimal with `0x`.
fn number(text: &str) -> Result<u32, String> {
    let read = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16)
        }
        Some(_) => return Err("hexadecimal digits expected after 0x".to_owned()),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse(),
        None => return Err("a number expected, decimal or 0x and hexadecimal digits".to_owned()),
    };
    read.map_err(|_| "does not fit 32 bits".to_owned())
}

/// The longest time that can be asked for.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A time with its unit: `500ms`, `10s`, `2m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits =
        text.len().saturating_sub(text.trim_start_matches(|c: char| c.is_ascii_digit()).len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return Err("a unit is missing: 500ms, 10s, 2m".to_owned()),
        _ => return Err("a number and ms, s, m or h expected".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a number expected before the unit".to_owned())?;
    let time = Duration::from_millis(number.saturating_mul(scale));
    if time.is_zero() || time > LONGEST {
        return Err("at least 1ms and at most 24h expected".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
                let path = format!("{path} {}", verb.get_name());
                if verb.has_subcommands() {
                    check(verb, &path);
                    continue;
                }
                let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains(&format!("{path} ")) || help.ends_with(&path), "{path}");
            }
        }
        check(&Cli::command(), "fwgate");
    }

    #[test]
    fn a_time_needs_its_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in
            ["10", "", "s", "10 s", "-1s", "0s", "25h", "99999999999999999999s", "1d", "1.5s"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_is_decimal_or_hexadecimal() {
        assert_eq!(number("16"), Ok(16));
        assert_eq!(number("0xFFFFFFFF"), Ok(u32::MAX));
        for bad in ["", "0x", "0x1_0", "+1", "4294967296", "0x100000000", "ten"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}

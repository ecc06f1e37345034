// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of the typed verbs: what one asks of a device by its meaning and not by an opcode.
//!
//! *Invariants*: an address, a size or a threshold that does not fit its field is refused here. What
//! destroys data has an option that takes the device's name.
//!
//! *Not here*: what a verb does (`verbs`).

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::number;

/// A device alone.
#[derive(Args, Debug)]
pub(crate) struct DeviceArgs {
    /// Device, such as emu:cxl0
    #[arg(value_name = "DEV")]
    pub(crate) device: String,
}

/// A device of which something is changed.
#[derive(Args, Debug)]
pub(crate) struct ChangeArgs {
    /// Device, such as emu:cxl0
    #[arg(value_name = "DEV")]
    pub(crate) device: String,
    /// Judge the change and do not make it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A file for bytes that were read.
#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// Write the bytes to a new file, mode 0600
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Let --output replace a file
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

/// `sanitize`.
#[derive(Args, Debug)]
pub(crate) struct SanitizeArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Erase by throwing the keys away (Secure Erase) and not by writing over
    #[arg(long)]
    pub(crate) erase: bool,
    /// The device's name once more: all its data will be gone
    #[arg(long, value_name = "NAME")]
    pub(crate) yes_destroy_data: Option<String>,
}

/// `security`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SecurityArgs {
    /// Device, such as emu:cxl0
    #[arg(value_name = "DEV", required = true)]
    pub(crate) device: Option<String>,
    #[command(subcommand)]
    pub(crate) verb: Option<SecurityVerb>,
}

/// What `security` changes.
#[derive(Subcommand, Debug)]
pub(crate) enum SecurityVerb {
    /// Freeze the security state until the next reset
    #[command(after_help = "Example:\n  fwgate security freeze mem0 --dry-run")]
    Freeze(ChangeArgs),
}

/// `poison`.
#[derive(Subcommand, Debug)]
pub(crate) enum PoisonVerb {
    /// List the places that the device knows to be bad
    #[command(after_help = "Example:\n  fwgate poison list emu:cxl1 0x1000 --length 64k")]
    List(PoisonListArgs),
    /// Mark places as bad, for tests; their data are lost
    #[command(after_help = "Example:\n  fwgate poison inject emu:cxl1 0x1000")]
    Inject(PoisonChangeArgs),
    /// Write zeros to places, and forget that they were bad
    #[command(after_help = "Example:\n  fwgate poison clear emu:cxl1 0x1000 --length 128")]
    Clear(PoisonChangeArgs),
}

/// `poison list`.
#[derive(Args, Debug)]
pub(crate) struct PoisonListArgs {
    /// Device, such as emu:cxl0
    #[arg(value_name = "DEV")]
    pub(crate) device: String,
    /// Where the range begins, in bytes: a device address, a multiple of 64
    #[arg(value_name = "ADDRESS", value_parser = address)]
    pub(crate) address: Option<u64>,
    /// How long the range is; without it, to the end of the device
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub(crate) length: Option<u64>,
}

/// `poison inject`, `poison clear`.
#[derive(Args, Debug)]
pub(crate) struct PoisonChangeArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// The place: a device address, a multiple of 64
    #[arg(value_name = "ADDRESS", value_parser = address)]
    pub(crate) address: u64,
    /// As many bytes from there; one command for each 64, at most 64 KiB
    #[arg(long, value_name = "BYTES", value_parser = size, default_value = "64")]
    pub(crate) length: u64,
}

/// `events`.
#[derive(Args, Debug)]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Wait for more, until Ctrl-C; under `-o json` one document a line
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// End after that many records
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) count: Option<u32>,
}

/// `firmware`.
#[derive(Subcommand, Debug)]
pub(crate) enum FirmwareVerb {
    /// Show the slots, what runs and what waits for a reset
    #[command(after_help = "Example:\n  fwgate firmware info emu:cxl0")]
    Info(DeviceArgs),
    /// Give the device another firmware, and look afterwards what it runs
    ///
    /// Where the kernel drives the device, its firmware loader writes the image. Ctrl-C asks for the
    /// update to be ended. How long it may take is --timeout, one hour without it.
    #[command(after_help = "Example:\n  fwgate firmware update emu:cxl0 image.bin --activate now")]
    Update(FirmwareUpdateArgs),
    /// End an update that was begun and that nobody waits for
    ///
    /// An update that another fwgate waits for is ended by Ctrl-C there, or kill -INT.
    #[command(after_help = "Example:\n  fwgate firmware cancel mem0")]
    Cancel(ChangeArgs),
}

/// `firmware update`.
#[derive(Args, Debug)]
pub(crate) struct FirmwareUpdateArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// File that holds the image, at most 64 MiB
    #[arg(value_name = "FILE")]
    pub(crate) image: PathBuf,
    /// Slot to write; without it, the first that does not run. The kernel's loader chooses itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) slot: Option<u8>,
    /// When it is to run
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Activate::Reset)]
    pub(crate) activate: Activate,
}

/// When new firmware runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Activate {
    /// From the next reset on
    Reset,
    /// At once, where device and kernel can
    Now,
    /// Not yet: only write it
    Never,
}

/// `scrub`.
#[derive(Subcommand, Debug)]
pub(crate) enum ScrubVerb {
    /// Show how the device scrubs its memory
    #[command(after_help = "Example:\n  fwgate scrub show emu:cxl0")]
    Show(DeviceArgs),
    /// Set the patrol scrub
    #[command(after_help = "Example:\n  fwgate scrub set emu:cxl1 --hours 24 --on")]
    Set(ScrubSetArgs),
}

/// `scrub set`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["hours", "on", "off"]))]
pub(crate) struct ScrubSetArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Hours for one pass over all memory
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) hours: Option<u8>,
    /// Switch it on
    #[arg(long, conflicts_with = "off")]
    pub(crate) on: bool,
    /// Switch it off
    #[arg(long)]
    pub(crate) off: bool,
}

/// `repair`.
#[derive(Args, Debug)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// What kind of repair
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) kind: RepairKind,
    /// Post package repair: device address of the row
    #[arg(long, value_name = "ADDRESS", value_parser = address, required_if_eq_any([
        ("kind", "soft-ppr"), ("kind", "hard-ppr")
    ]))]
    pub(crate) address: Option<u64>,
    /// Which nibbles of the bus; 24 bits
    #[arg(long, value_name = "MASK", value_parser = mask)]
    pub(crate) nibbles: Option<u32>,
    /// Ask only whether there is a spare left
    #[arg(long)]
    pub(crate) query: bool,
    /// The device's name once more: a repair cannot be taken back
    #[arg(long, value_name = "NAME")]
    pub(crate) yes_repair: Option<String>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

/// Where memory is spared.
#[derive(Args, Debug)]
#[command(next_help_heading = "Sparing")]
pub(crate) struct PlaceArgs {
    /// Channel
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) channel: u8,
    /// Rank
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) rank: u8,
    /// Bank group
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) bank_group: u8,
    /// Bank
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) bank: u8,
    /// Row; 24 bits
    #[arg(long, value_name = "N", value_parser = mask, default_value = "0")]
    pub(crate) row: u32,
    /// Column
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) column: u16,
    /// Sub-channel, where the device has some
    #[arg(long, value_name = "N")]
    pub(crate) sub_channel: Option<u8>,
    /// For ever, and not until the power goes
    #[arg(long)]
    pub(crate) hard: bool,
}

/// A kind of repair, with class and subclass of Perform Maintenance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum RepairKind {
    /// Soft post package repair: until the power goes
    SoftPpr,
    /// Hard post package repair: for ever
    HardPpr,
    /// Spare a cacheline
    Cacheline,
    /// Spare a row
    Row,
    /// Spare a bank
    Bank,
    /// Spare a rank
    Rank,
}

/// `partition`.
#[derive(Subcommand, Debug)]
pub(crate) enum PartitionVerb {
    /// Show how much is volatile and persistent, now and after the next reset
    #[command(after_help = "Example:\n  fwgate partition show emu:cxl0")]
    Show(DeviceArgs),
    /// Set how much is volatile from the next reset on; the rest is persistent
    #[command(after_help = "Example:\n  fwgate partition set emu:cxl1 512m")]
    Set(PartitionSetArgs),
}

/// `partition set`.
#[derive(Args, Debug)]
pub(crate) struct PartitionSetArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Volatile capacity: a multiple of 256m, such as 512m or 4g
    #[arg(value_name = "VOLATILE", value_parser = size)]
    pub(crate) volatile: u64,
}

/// `labels`.
#[derive(Subcommand, Debug)]
pub(crate) enum LabelsVerb {
    /// Read the label area into a file
    #[command(after_help = "Example:\n  fwgate labels read emu:cxl0 labels.bin")]
    Read(LabelsReadArgs),
    /// Write the label area from a file
    #[command(after_help = "Example:\n  fwgate labels write emu:cxl0 labels.bin --dry-run")]
    Write(LabelsWriteArgs),
}

/// `labels read`.
#[derive(Args, Debug)]
pub(crate) struct LabelsReadArgs {
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// New file, mode 0600
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace the file
    #[arg(long)]
    pub(crate) force: bool,
}

/// `labels write`.
#[derive(Args, Debug)]
pub(crate) struct LabelsWriteArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// File as `labels read` wrote it, at most as long as the label area
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The device's name once more: namespaces that the old labels describe will be gone
    #[arg(long, value_name = "NAME")]
    pub(crate) yes_destroy_data: Option<String>,
}

/// `alerts`.
#[derive(Subcommand, Debug)]
pub(crate) enum AlertsVerb {
    /// Show the thresholds
    #[command(after_help = "Example:\n  fwgate alerts show emu:cxl0")]
    Show(DeviceArgs),
    /// Set or switch off warnings
    #[command(after_help = "Example:\n  fwgate alerts set emu:cxl1 --over-temperature 70")]
    Set(AlertsSetArgs),
}

/// `alerts set`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args([
    "life_used", "over_temperature", "under_temperature", "volatile_errors", "persistent_errors"
]))]
pub(crate) struct AlertsSetArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Warn from that much of the life used, in percent
    #[arg(long, value_name = "N|off", value_parser = threshold::<u8>)]
    pub(crate) life_used: Option<Threshold<u8>>,
    /// Warn from that temperature up, in degrees Celsius
    #[arg(long, value_name = "N|off", value_parser = threshold::<i16>, allow_hyphen_values = true)]
    pub(crate) over_temperature: Option<Threshold<i16>>,
    /// Warn from that temperature down, in degrees Celsius
    #[arg(long, value_name = "N|off", value_parser = threshold::<i16>, allow_hyphen_values = true)]
    pub(crate) under_temperature: Option<Threshold<i16>>,
    /// Warn from that many corrected errors in volatile memory
    #[arg(long, value_name = "N|off", value_parser = threshold::<u16>)]
    pub(crate) volatile_errors: Option<Threshold<u16>>,
    /// Warn from that many corrected errors in persistent memory
    #[arg(long, value_name = "N|off", value_parser = threshold::<u16>)]
    pub(crate) persistent_errors: Option<Threshold<u16>>,
}

/// `shutdown-state`.
#[derive(Subcommand, Debug)]
pub(crate) enum ShutdownVerb {
    /// Show whether the device would count a loss of power now as a dirty shutdown
    #[command(after_help = "Example:\n  fwgate shutdown-state show emu:cxl0")]
    Show(DeviceArgs),
    /// Set it
    #[command(after_help = "Example:\n  fwgate shutdown-state set emu:cxl0 clean")]
    Set(ShutdownSetArgs),
}

/// `shutdown-state set`.
#[derive(Args, Debug)]
pub(crate) struct ShutdownSetArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// The state
    #[arg(value_enum)]
    pub(crate) state: Shutdown,
}

/// A shutdown state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Shutdown {
    /// All data are where they have to be
    Clean,
    /// Data may be lost if the power goes
    Dirty,
}

/// `timestamp`.
#[derive(Subcommand, Debug)]
pub(crate) enum TimestampVerb {
    /// Show the device's clock
    #[command(after_help = "Example:\n  fwgate timestamp show emu:cxl0")]
    Show(DeviceArgs),
    /// Set the device's clock to this machine's, or to a given time
    #[command(after_help = "Example:\n  fwgate timestamp set emu:cxl0")]
    Set(TimestampSetArgs),
}

/// `timestamp set`.
#[derive(Args, Debug)]
pub(crate) struct TimestampSetArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Nanoseconds since 1970; without it, now
    #[arg(value_name = "NANOSECONDS")]
    pub(crate) nanoseconds: Option<u64>,
}

/// `logs`.
#[derive(Subcommand, Debug)]
pub(crate) enum LogsVerb {
    /// List the device's logs
    #[command(after_help = "Example:\n  fwgate logs list emu:cxl0")]
    List(DeviceArgs),
    /// Read a log; `-o raw` and --output give its bytes
    #[command(after_help = "Example:\n  fwgate logs get emu:cxl0 vendor-debug --output debug.bin")]
    Get(LogsGetArgs),
}

/// `logs get`.
#[derive(Args, Debug)]
pub(crate) struct LogsGetArgs {
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// CXL: name or UUID of the log; NVMe: number of the log page
    #[arg(value_name = "LOG")]
    pub(crate) log: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `features`.
#[derive(Subcommand, Debug)]
pub(crate) enum FeaturesVerb {
    /// List the device's features: what setting each changes, and what that needs
    #[command(after_help = "Example:\n  fwgate features list emu:cxl0")]
    List(DeviceArgs),
    /// Read the value of a feature; `-o raw` and --output give its bytes
    #[command(after_help = "Example:\n  fwgate features get emu:cxl0 patrol-scrub --default")]
    Get(FeaturesGetArgs),
    /// Set a feature, whole; a long value goes in parts, judged as one
    #[command(after_help = "Example:\n  fwgate features set emu:cxl1 patrol-scrub --hex 0c01")]
    Set(FeaturesSetArgs),
}

/// `features get`.
#[derive(Args, Debug)]
pub(crate) struct FeaturesGetArgs {
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Name or UUID of the feature
    #[arg(value_name = "FEATURE")]
    pub(crate) feature: String,
    /// The value that the device comes with
    #[arg(long, conflicts_with = "saved")]
    pub(crate) default: bool,
    /// The value that is kept over a reset
    #[arg(long)]
    pub(crate) saved: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `features set`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("value").required(true).args(["payload", "hex"]))]
pub(crate) struct FeaturesSetArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Name or UUID of the feature
    #[arg(value_name = "FEATURE")]
    pub(crate) feature: String,
    /// File that holds the value; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) payload: Option<PathBuf>,
    /// The value as hexadecimal digits
    #[arg(long, value_name = "DIGITS")]
    pub(crate) hex: Option<String>,
    /// Keep it over a reset
    #[arg(long)]
    pub(crate) saved: bool,
}

/// A threshold, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Threshold<T> {
    /// Warn from there.
    At(T),
    /// Do not warn.
    Off,
}

fn threshold<T: std::str::FromStr>(text: &str) -> Result<Threshold<T>, String> {
    if text == "off" {
        return Ok(Threshold::Off);
    }
    text.parse().map(Threshold::At).map_err(|_| "a number that fits, or `off`, expected".to_owned())
}

/// A number of 24 bits.
fn mask(text: &str) -> Result<u32, String> {
    number(text).and_then(|number| {
        if number <= 0xFF_FFFF { Ok(number) } else { Err("does not fit 24 bits".to_owned()) }
    })
}

/// A number of 64 bits: decimal, or hexadecimal with `0x`.
fn number64(text: &str) -> Result<u64, String> {
    let read = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16)
        }
        Some(_) => return Err("hexadecimal digits expected after 0x".to_owned()),
        None if !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()) => text.parse(),
        None => return Err("a number expected, decimal or 0x and hexadecimal digits".to_owned()),
    };
    read.map_err(|_| "does not fit 64 bits".to_owned())
}

/// A device address: a multiple of 64.
fn address(text: &str) -> Result<u64, String> {
    let address = number64(text)?;
    if address.is_multiple_of(64) {
        Ok(address)
    } else {
        Err("a multiple of 64 expected".to_owned())
    }
}

/// Bytes, with k, m, g or t behind for powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let units = [('k', 10), ('m', 20), ('g', 30), ('t', 40)];
    let last = text.chars().last().map(|c| c.to_ascii_lowercase());
    let unit = units.iter().find(|(letter, _)| Some(*letter) == last);
    // No hexadecimal digit is one of those letters.
    let (digits, shift) = match unit {
        Some((_, shift)) => (text.get(..text.len().saturating_sub(1)).unwrap_or_default(), *shift),
        None => (text, 0),
    };
    let bytes = number64(digits)?;
    match bytes.checked_mul(1 << shift) {
        Some(0) => Err("at least 1 byte expected".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("does not fit 64 bits".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_takes_a_unit_and_an_address_a_multiple_of_64() {
        assert_eq!(size("256m"), Ok(256 << 20));
        assert_eq!(size("0x10k"), Ok(16 << 10));
        assert_eq!(size("64"), Ok(64));
        for bad in ["", "m", "0", "-1", "1p", "99999999999t", "1.5g", "é", "18446744073709551616"]
        {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(address("0x1000"), Ok(4096));
        for bad in ["1", "0x", "0x20", "", "4k"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_threshold_is_a_number_that_fits_or_off() {
        assert_eq!(threshold::<i16>("-10"), Ok(Threshold::At(-10)));
        assert_eq!(threshold::<u8>("off"), Ok(Threshold::Off));
        assert!(threshold::<u8>("256").is_err() && threshold::<u16>("-1").is_err());
        assert!(mask("0x1000000").is_err());
    }
}

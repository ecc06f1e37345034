// SPDX-License-Identifier: MIT OR Apache-2.0
//! What COMMAND means: a number or a name, with its payload.
//!
//! Everything here comes from the user and is hostile. *Invariants*: a number is never read two
//! ways: opcodes are hexadecimal. A name picks one command or none.
//!
//! *Not here*: whether it may be sent (`fwgate_policy::judge`).

use fwgate_gate::Message;
use fwgate_policy::{Protocol, Tables};
use fwgate_wire::{cxl, nvme};

use crate::cli::{CommandArgs, NvmeArgs};
use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::files;

/// The longest payload.
const MAX_PAYLOAD: usize = 64 << 20;
/// The longest reply that the gate takes.
const MAX_REPLY: u32 = 1 << 20;
/// Bytes that an Identify always returns.
const IDENTIFY: u32 = 4096;

/// What COMMAND names are looked up in, beside the tables of the specifications.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The language of the device.
    pub(crate) protocol: Protocol,
    /// PCI vendor and device id, which pick the vendor's rows.
    pub(crate) pci: (u16, u16),
    /// Firmware revision, likewise.
    pub(crate) firmware: Vec<u8>,
}

/// The message that COMMAND and the options mean.
pub(crate) fn message(
    name: &str,
    args: &CommandArgs,
    known: &Known,
    tables: &Tables<'_>,
) -> Result<Message, CliError> {
    let opcode = opcode(name, known, tables)?;
    let payload = payload(args)?;
    match known.protocol {
        Protocol::Cxl => {
            if let Some(option) = first_given(&args.nvme) {
                let detail = format!("`{option}` is for NVMe commands, and this is a CXL device");
                return Err(CliError::usage("wrong-protocol", detail).argument(option));
            }
            Ok(Message::Cxl { opcode, payload: payload.unwrap_or_default() })
        }
        Protocol::NvmeAdmin | Protocol::NvmeIo => {
            // Parsed as two hexadecimal digits or found in a table of bytes.
            let opcode = u8::try_from(opcode).unwrap_or(u8::MAX);
            nvme_message(opcode, payload, &args.nvme)
        }
    }
}

fn nvme_message(
    opcode: u8,
    payload: Option<Vec<u8>>,
    args: &NvmeArgs,
) -> Result<Message, CliError> {
    let bad = |detail: &str, option| {
        Err(CliError::usage("bad-length", detail.to_owned()).argument(option))
    };
    let mut data = payload.unwrap_or_default();
    let mut read_length = 0;
    if args.read {
        match args.length {
            Some(length) if length > MAX_REPLY => {
                return bad("a reply is at most 1048576 bytes long", "--length");
            }
            Some(length) => read_length = length,
            None => return bad("`--read` needs `--length`", "--length"),
        }
        if !data.is_empty() {
            return bad("`--read` has no payload; `--write` has", "--read");
        }
    } else if let Some(length) = args.length {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !args.write {
            return bad("`--length` needs `--read` or `--write`", "--length");
        }
        if length != data.len() {
            let detail = format!("`--length` says {length} bytes, the payload has {}", data.len());
            return bad(&detail, "--length");
        }
    } else if opcode == 0x06 && data.is_empty() && !args.write {
        read_length = IDENTIFY;
    }
    if args.write && data.is_empty() {
        return bad("`--write` needs `--payload` or `--hex`", "--write");
    }
    if args.read {
        data = Vec::new();
    }
    let cdw = [args.cdw10, args.cdw11, args.cdw12, args.cdw13, args.cdw14, args.cdw15]
        .map(Option::unwrap_or_default);
    Ok(Message::NvmeAdmin { opcode, nsid: args.nsid.unwrap_or(0), cdw, data, read_length })
}

/// The first NVMe option that was given.
fn first_given(args: &NvmeArgs) -> Option<&'static str> {
    [
        (args.nsid.is_some(), "--nsid"),
        (args.cdw10.is_some(), "--cdw10"),
        (args.cdw11.is_some(), "--cdw11"),
        (args.cdw12.is_some(), "--cdw12"),
        (args.cdw13.is_some(), "--cdw13"),
        (args.cdw14.is_some(), "--cdw14"),
        (args.cdw15.is_some(), "--cdw15"),
        (args.length.is_some(), "--length"),
        (args.read, "--read"),
        (args.write, "--write"),
    ]
    .into_iter()
    .find_map(|(given, option)| given.then_some(option))
}

/// The opcode that COMMAND names.
fn opcode(text: &str, known: &Known, tables: &Tables<'_>) -> Result<u16, CliError> {
    let digits = match known.protocol {
        Protocol::Cxl => 4,
        Protocol::NvmeAdmin | Protocol::NvmeIo => 2,
    };
    if let Some(read) = numeric(text, digits) {
        return read;
    }
    by_name(text, known, tables).ok_or_else(|| unknown(text, known, tables))
}

/// The number, if the text is meant as one: `0x` and up to that many digits, or exactly that many,
/// with or without an `h` behind.
fn numeric(text: &str, digits: usize) -> Option<Result<u16, CliError>> {
    let prefixed = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let suffixed = text.strip_suffix(['h', 'H']);
    let bare = prefixed.or(suffixed).unwrap_or(text);
    let all_digits = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    let decimal = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    let marked = prefixed.is_some() || (suffixed.is_some() && all_digits);
    let fits = bare.len() == digits || (prefixed.is_some() && bare.len() <= digits);
    if all_digits && fits {
        return u16::from_str_radix(bare, 16).ok().map(Ok);
    }
    if !marked && !decimal {
        return None;
    }
    let form = if digits == 4 { "0xC001" } else { "0x06" };
    let detail = format!(
        "`{}` is no opcode here: {digits} hexadecimal digits expected, as in {form}",
        shown(text)
    );
    Some(Err(CliError::usage("bad-opcode", detail)
        .argument("COMMAND")
        .expected(format!("{digits} hexadecimal digits"), text)))
}

fn by_name(text: &str, known: &Known, tables: &Tables<'_>) -> Option<u16> {
    let table = match known.protocol {
        Protocol::Cxl => cxl::table::by_name(text).map(|row| row.opcode),
        Protocol::NvmeAdmin | Protocol::NvmeIo => {
            nvme::table::by_name(nvme::table::Set::Admin, text).map(|row| u16::from(row.opcode))
        }
    };
    table.or_else(|| {
        let fits =
            |name: &str| name.eq_ignore_ascii_case(text) || slug(name).eq_ignore_ascii_case(text);
        vendor_rows(known, tables).find(|(name, _)| fits(name)).map(|(_, opcode)| opcode)
    })
}

/// Names of vendor commands of this device.
fn vendor_rows<'t>(
    known: &'t Known,
    tables: &'t Tables<'_>,
) -> impl Iterator<Item = (&'t str, u16)> {
    let (vendor, device) = known.pci;
    tables
        .layers()
        .flat_map(|layer| layer.vendor)
        .filter(move |row| row.device.covers(vendor, device, &known.firmware))
        .map(|row| (row.name, row.opcode))
}

fn slug(name: &str) -> String {
    name.to_ascii_lowercase().replace(' ', "-")
}

/// No such command, and those that were perhaps meant.
fn unknown(text: &str, known: &Known, tables: &Tables<'_>) -> CliError {
    let wanted = slug(text);
    let slugs: Vec<String> = match known.protocol {
        Protocol::Cxl => cxl::table::COMMANDS.iter().map(|row| row.slug.to_owned()).collect(),
        Protocol::NvmeAdmin | Protocol::NvmeIo => {
            nvme::table::ADMIN.iter().map(|row| row.slug.to_owned()).collect()
        }
    };
    let mut near: Vec<(usize, String)> = slugs
        .into_iter()
        .chain(vendor_rows(known, tables).map(|(name, _)| slug(name)))
        .map(|slug| (likeness(&wanted, &slug), slug))
        .filter(|(likeness, _)| *likeness > 0)
        .collect();
    near.sort_by_key(|(likeness, slug)| (std::cmp::Reverse(*likeness), slug.len()));
    near.truncate(3);
    let hint = if near.is_empty() {
        "a number such as 0xC001, or a name such as get-health-info, expected".to_owned()
    } else {
        let names: Vec<String> = near.into_iter().map(|(_, slug)| format!("`{slug}`")).collect();
        format!("perhaps {}", names.join(" or "))
    };
    let detail = format!("no command `{}`; {hint}", shown(text));
    CliError::new(Exit::NotFound, "unknown-command", detail).argument("COMMAND")
}

/// How many letters the words of two names begin with in common; fewer than three in a word do not
/// count.
fn likeness(wanted: &str, slug: &str) -> usize {
    let common = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    wanted
        .split('-')
        .map(|word| slug.split('-').map(|other| common(word, other)).max().unwrap_or_default())
        .filter(|letters| *letters > 2)
        .sum()
}

/// The payload from `--payload` or `--hex`; `None` where neither was given.
fn payload(args: &CommandArgs) -> Result<Option<Vec<u8>>, CliError> {
    match (&args.payload, &args.hex) {
        (Some(file), _) => files::read(file, MAX_PAYLOAD, "--payload").map(Some),
        (None, Some(text)) => from_hex(text).map(Some),
        (None, None) => Ok(None),
    }
}

/// Bytes from hexadecimal digits; blanks, colons and underscores between them do not count.
pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>, CliError> {
    let bad = |offset: usize, detail: String, found: &str| {
        CliError::usage("bad-hex", detail)
            .argument("--hex")
            .offset(offset)
            .expected("hexadecimal digits, two a byte", found)
    };
    let start = if text.starts_with("0x") || text.starts_with("0X") { 2 } else { 0 };
    let mut bytes = Vec::new();
    let mut high: Option<u8> = None;
    for (offset, c) in text.char_indices().skip(start) {
        if c.is_ascii_whitespace() || matches!(c, ':' | '_') {
            continue;
        }
        let Some(digit) = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) else {
            let c = c.to_string();
            let detail =
                format!("`--hex` has `{}` at character {offset}, no hexadecimal digit", shown(&c));
            return Err(bad(offset, detail, &c));
        };
        match high.take() {
            Some(high) => bytes.push(high << 4 | digit),
            None => high = Some(digit),
        }
    }
    if high.is_some() {
        let detail = "`--hex` has an odd number of digits; two make a byte".to_owned();
        return Err(bad(text.len(), detail, "half a byte"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        command: CommandArgs,
    }

    fn args(list: &[&str]) -> CommandArgs {
        Only::try_parse_from(["x"].iter().chain(list)).unwrap().command
    }

    const CXL: Known =
        Known { protocol: Protocol::Cxl, pci: (0xFFF0, 0x0C01), firmware: Vec::new() };
    const NVME: Known =
        Known { protocol: Protocol::NvmeAdmin, pci: (0xFFF0, 0x0C02), firmware: Vec::new() };

    fn read(known: &Known, text: &str) -> Result<u16, CliError> {
        opcode(text, known, &Tables::BUILTIN)
    }

    #[test]
    fn an_opcode_is_hexadecimal_in_every_spelling() {
        for text in ["0xC001", "0xc001", "C001", "c001h", "C001H"] {
            assert_eq!(read(&CXL, text).unwrap(), 0xC001, "{text}");
        }
        assert_eq!(read(&CXL, "0x1").unwrap(), 1);
        assert_eq!(read(&CXL, "4301").unwrap(), 0x4301);
        for text in ["0x06", "06", "06h", "0x6"] {
            assert_eq!(read(&NVME, text).unwrap(), 6, "{text}");
        }
    }

    #[test]
    fn a_number_that_could_be_read_two_ways_is_refused() {
        for text in ["49153", "1", "0x", "0x1C001", "0xG", "430", "0xC001h", "C00h", "17"] {
            let error = read(&CXL, text).unwrap_err();
            assert_eq!((error.exit(), error.code()), (Exit::Usage, "bad-opcode"), "{text}");
        }
        assert_eq!(read(&NVME, "0x100").unwrap_err().code(), "bad-opcode");
        assert_eq!(read(&NVME, "194").unwrap_err().code(), "bad-opcode");
    }

    #[test]
    fn names_are_those_of_the_tables_and_of_the_vendor() {
        assert_eq!(read(&CXL, "inject-poison").unwrap(), 0x4301);
        assert_eq!(read(&CXL, "Inject Poison").unwrap(), 0x4301);
        assert_eq!(read(&CXL, "multiplexer").unwrap(), 0xC005);
        assert_eq!(read(&NVME, "identify").unwrap(), 0x06);
        let other = Known { pci: (0x8086, 1), ..CXL.clone() };
        assert_eq!(read(&other, "multiplexer").unwrap_err().code(), "unknown-command");
    }

    #[test]
    fn a_name_that_is_not_there_names_its_neighbours() {
        let error = read(&CXL, "get-health").unwrap_err();
        assert_eq!(error.exit(), Exit::NotFound);
        assert!(error.detail().contains("`get-health-info`"), "{}", error.detail());
        for text in ["", "\u{1b}", "ü", "-", "h", "xyz"] {
            assert_eq!(read(&CXL, text).unwrap_err().code(), "unknown-command", "{text:?}");
        }
    }

    #[test]
    fn hexadecimal_digits_make_bytes_or_name_the_place() {
        assert_eq!(from_hex("0x0a FF:00_1").unwrap_err().code(), "bad-hex");
        assert_eq!(from_hex("0x0a FF:00_10").unwrap(), [0x0A, 0xFF, 0, 0x10]);
        assert_eq!(from_hex("").unwrap(), b"");
        assert!(from_hex("0g").unwrap_err().detail().contains("character 1"));
        assert!(from_hex("é").is_err());
    }

    #[test]
    fn nvme_lengths_and_directions_have_to_agree() {
        let make = |list: &[&str]| message("0xC2", &args(list), &NVME, &Tables::BUILTIN);
        for list in [
            &["--read"][..],
            &["--length", "4"],
            &["--write"],
            &["--write", "--hex", "00", "--length", "2"],
            &["--read", "--length", "1048577"],
            &["--read", "--length", "4", "--hex", "00"],
        ] {
            assert_eq!(make(list).unwrap_err().code(), "bad-length", "{list:?}");
        }
        let Message::NvmeAdmin { read_length, cdw, nsid, .. } =
            make(&["--read", "--length", "64", "--cdw10", "0x10", "--cdw15", "5"]).unwrap()
        else {
            panic!("an NVMe message");
        };
        assert_eq!((read_length, cdw, nsid), (64, [16, 0, 0, 0, 0, 5], 0));
    }

    #[test]
    fn an_nvme_option_for_a_cxl_device_is_refused() {
        let error = message("0xC000", &args(&["--nsid", "1"]), &CXL, &Tables::BUILTIN).unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Usage, "wrong-protocol"));
    }
}

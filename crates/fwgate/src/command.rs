// SPDX-License-Identifier: MIT OR Apache-2.0
//! What COMMAND means: a number or a name, with its payload.
//!
//! Everything here comes from the user and is hostile. *Invariants*: a number is never read two
//! ways: opcodes are hexadecimal. A name picks one command or none.
//!
//! mlx5's modifier follows its opcode after a colon; a pds operation is `ENDPOINT:OPERATION`.
//!
//! *Not here*: whether it may be sent (`fwgate_policy::judge`).

use fwgate_gate::Message;
use fwgate_policy::{Protocol, Tables};
use fwgate_wire::fwctl::bnxt::OWN_FUNCTION;
use fwgate_wire::fwctl::table::{self as families, Family};
use fwgate_wire::{cxl, nvme};

use crate::cli::{CommandArgs, NvmeArgs};
use crate::error::{CliError, shown};
use crate::exit::Exit;
use crate::files;

/// The longest payload.
const MAX_PAYLOAD: usize = 64 << 20;
/// The longest reply that the gate takes.
const MAX_REPLY: u32 = 1 << 20;
/// Bytes of reply that are asked of mlx5 and pds where nothing else is said.
const MLX5_REPLY: u32 = 4096 + 16;
const PDS_REPLY: u32 = 256;
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
    if !known.protocol.is_nvme() {
        let length = matches!(known.protocol, Protocol::Mlx5 | Protocol::Pds);
        let given = first_given(&args.nvme).filter(|option| !(length && *option == "--length"));
        if let Some(option) = given {
            let device = match known.protocol {
                Protocol::Cxl => "a CXL",
                Protocol::Mlx5 => "an mlx5",
                other => return Err(wrong_protocol(option, &format!("a {}", other.name()))),
            };
            return Err(wrong_protocol(option, device));
        }
    }
    if known.protocol == Protocol::Pds {
        let (endpoint, operation) = operation(name)?;
        let payload = payload(args)?.unwrap_or_default();
        let reply_length = reply_length(args, PDS_REPLY)?;
        return Ok(Message::Pds { endpoint, operation, payload, reply_length });
    }
    let (name, op_mod) = match name.split_once(':').filter(|_| known.protocol == Protocol::Mlx5) {
        Some((name, op_mod)) => (name, number(op_mod, "an op_mod", u32::from(u16::MAX))?),
        None => (name, 0),
    };
    let opcode = opcode(name, known, tables)?;
    let payload = payload(args)?;
    match known.protocol {
        Protocol::Mlx5 => {
            let op_mod = u16::try_from(op_mod).unwrap_or(u16::MAX);
            // The header goes on to the 16th byte of the mailbox; eight of them are the command's.
            let payload = payload.unwrap_or_else(|| vec![0; 8]);
            let reply_length = reply_length(args, MLX5_REPLY)?;
            Ok(Message::Mlx5 { opcode, op_mod, payload, reply_length })
        }
        Protocol::Bnxt => {
            let payload = payload.unwrap_or_default();
            Ok(Message::Bnxt { req_type: opcode, target_id: OWN_FUNCTION, payload })
        }
        Protocol::Pds => Err(CliError::usage("bad-opcode", "ENDPOINT:OPERATION".to_owned())),
        Protocol::Cxl => Ok(Message::Cxl { opcode, payload: payload.unwrap_or_default() }),
        Protocol::NvmeAdmin | Protocol::NvmeIo => {
            // Parsed as two hexadecimal digits or found in a table of bytes.
            let opcode = u8::try_from(opcode).unwrap_or(u8::MAX);
            nvme_message(opcode, payload, &args.nvme)
        }
    }
}

fn wrong_protocol(option: &'static str, device: &str) -> CliError {
    let detail = format!("`{option}` is for NVMe commands, and this is {device} device");
    CliError::usage("wrong-protocol", detail).argument(option)
}

/// The bytes of reply that `--length` asks for.
fn reply_length(args: &CommandArgs, usual: u32) -> Result<u32, CliError> {
    match args.nvme.length {
        Some(length) if length > MAX_REPLY => {
            let detail = "a reply is at most 1048576 bytes long".to_owned();
            Err(CliError::usage("bad-length", detail).argument("--length"))
        }
        Some(length) => Ok(length),
        None => Ok(usual),
    }
}

/// Endpoint and operation of pds.
fn operation(text: &str) -> Result<(u32, u32), CliError> {
    let Some((endpoint, operation)) = text.split_once(':') else {
        let detail = format!(
            "`{}` names no operation: ENDPOINT:OPERATION expected, as in 0x1:0x00010003",
            shown(text)
        );
        return Err(CliError::usage("bad-opcode", detail)
            .argument("COMMAND")
            .expected("ENDPOINT:OPERATION", text));
    };
    Ok((number(endpoint, "an endpoint", u32::MAX)?, number(operation, "an operation", u32::MAX)?))
}

/// A number: hexadecimal, with or without `0x`.
fn number(text: &str, what: &str, most: u32) -> Result<u32, CliError> {
    let bare = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let digits = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u32::from_str_radix(bare, 16).ok().filter(|value| digits && *value <= most);
    value.ok_or_else(|| {
        let detail = format!("`{}` is no number of {what}: hexadecimal expected", shown(text));
        CliError::usage("bad-opcode", detail)
            .argument("COMMAND")
            .expected("hexadecimal digits", text)
    })
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
        Protocol::Cxl | Protocol::Mlx5 | Protocol::Bnxt | Protocol::Pds => 4,
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
        // Only these rows: a vendor's file speaks of no family's command.
        Protocol::Mlx5 => return families::by_name(Family::Mlx5, text).map(|row| row.opcode),
        Protocol::Bnxt => return families::by_name(Family::Bnxt, text).map(|row| row.opcode),
        Protocol::Pds => return None,
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
        Protocol::Mlx5 => families::MLX5.iter().map(|row| row.slug.to_owned()).collect(),
        Protocol::Bnxt => families::BNXT.iter().map(|row| row.slug.to_owned()).collect(),
        Protocol::Pds => Vec::new(),
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
        let (number, name) = match known.protocol {
            Protocol::Mlx5 => ("0x0100", "query-hca-cap"),
            Protocol::Bnxt => ("0x0000", "ver-get"),
            _ => ("0xC001", "get-health-info"),
        };
        format!("a number such as {number}, or a name such as {name}, expected")
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

    const MLX5: Known =
        Known { protocol: Protocol::Mlx5, pci: (0xFFF0, 0x0C03), firmware: Vec::new() };
    const BNXT: Known =
        Known { protocol: Protocol::Bnxt, pci: (0xFFF0, 0x0C04), firmware: Vec::new() };
    const PDS: Known =
        Known { protocol: Protocol::Pds, pci: (0xFFF0, 0x0C05), firmware: Vec::new() };

    #[test]
    fn an_mlx5_command_has_its_modifier_after_a_colon() {
        let make = |text, list: &[&str]| message(text, &args(list), &MLX5, &Tables::BUILTIN);
        let of = |opcode, op_mod, payload: &[u8], reply_length| Message::Mlx5 {
            opcode,
            op_mod,
            payload: payload.to_vec(),
            reply_length,
        };
        assert_eq!(make("query-hca-cap", &[]).unwrap(), of(0x0100, 0, &[0; 8], 4112));
        assert_eq!(make("0x0B0C:1", &["--hex", "00ff"]).unwrap(), of(0x0B0C, 1, &[0, 0xFF], 4112));
        let named = make("ACCESS_REGISTER_USER:0x1", &["--length", "64"]).unwrap();
        assert_eq!(named, of(0x0B0C, 1, &[0; 8], 64));
        for text in ["0x0B0C:", "0x0B0C:x", "0x0B0C:10000", "0x0B0C:+1", "0x0B0C:1:1"] {
            assert_eq!(make(text, &[]).unwrap_err().code(), "bad-opcode", "{text}");
        }
        assert_eq!(make("0x0100", &["--length", "1048577"]).unwrap_err().code(), "bad-length");
        assert_eq!(make("0x0100", &["--nsid", "1"]).unwrap_err().code(), "wrong-protocol");
    }

    #[test]
    fn a_bnxt_command_is_always_for_the_own_function() {
        let make = |text, list: &[&str]| message(text, &args(list), &BNXT, &Tables::BUILTIN);
        let reset = Message::Bnxt { req_type: 0x0011, target_id: 0xFFFF, payload: vec![0; 8] };
        let hex = &["--hex", "0000000000000000"];
        assert_eq!(make("func-reset", hex).unwrap(), reset);
        assert_eq!(make("0x0011", hex).unwrap(), reset);
        assert_eq!(make("func-resett", &[]).unwrap_err().code(), "unknown-command");
        assert_eq!(make("0x0011:1", &[]).unwrap_err().code(), "bad-opcode");
        assert_eq!(make("0x0011", &["--length", "8"]).unwrap_err().code(), "wrong-protocol");
    }

    #[test]
    fn a_pds_command_is_an_endpoint_and_an_operation() {
        let make = |text, list: &[&str]| message(text, &args(list), &PDS, &Tables::BUILTIN);
        let expected = Message::Pds {
            endpoint: 1,
            operation: 0x0001_0003,
            payload: vec![7],
            reply_length: 256,
        };
        assert_eq!(make("0x1:0x00010003", &["--hex", "07"]).unwrap(), expected);
        assert_eq!(make("1:10003", &["--hex", "07"]).unwrap(), expected);
        for text in ["0x0003", "level", "1:", ":3", "1:100000000", "x:3", "1:2:3"] {
            assert_eq!(make(text, &[]).unwrap_err().code(), "bad-opcode", "{text}");
        }
    }

    #[test]
    fn an_nvme_option_for_a_cxl_device_is_refused() {
        let error = message("0xC000", &args(&["--nsid", "1"]), &CXL, &Tables::BUILTIN).unwrap_err();
        assert_eq!((error.exit(), error.code()), (Exit::Usage, "wrong-protocol"));
    }
}

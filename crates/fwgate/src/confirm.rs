// SPDX-License-Identifier: MIT OR Apache-2.0
//! A word from a person before data are destroyed.
//!
//! *Invariants*: the word is the device's name, typed by the user; there is no `yes` that fits every
//! device. Where nobody can be asked, it has to be on the command line.
//!
//! *Not here*: whether the command may be sent (`fwgate_policy::judge`): who confirms is not thereby
//! permitted.

use std::io::{self, BufRead as _, IsTerminal as _};

use fwgate_gate::Opened;

use crate::error::{CliError, shown};

/// The longest line that is read.
const LINE: usize = 256;

/// Asks for the device's name, or takes it from an option. `what` is what will happen, such as
/// `erases all data on`.
pub(crate) fn confirm(
    opened: &Opened,
    what: &str,
    option: &'static str,
    given: Option<&str>,
) -> Result<(), CliError> {
    let name = opened.record().name.as_str();
    if let Some(given) = given {
        return check(name, given, option);
    }
    let device = describe(opened);
    if !io::stdin().is_terminal() {
        let detail = format!("this {what} {device}: confirm it with {option} {name}");
        return Err(CliError::usage("not-confirmed", detail).argument(option).device(name));
    }
    anstream::eprint!("This {what} {device}.\nType the device's name to go on: ");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if read.is_err() || line.len() > LINE {
        line.clear();
    }
    check(name, line.trim(), option)
}

/// The device as a person tells it from another: name, ids, firmware, serial number and place.
fn describe(opened: &Opened) -> String {
    let record = opened.record();
    let firmware = shown(&record.firmware);
    let mut text =
        format!("{} ({} {}, firmware {firmware}", record.name, record.protocol, record.pci);
    if let Some(serial) = &record.serial {
        text.push_str(&format!(", serial {}", shown(serial)));
    }
    if let Some(address) = &record.address {
        text.push_str(&format!(", at {}", shown(address)));
    }
    text.push(')');
    text
}

fn check(name: &str, given: &str, option: &'static str) -> Result<(), CliError> {
    if given == name {
        return Ok(());
    }
    let detail = format!("`{}` is not the device's name; nothing was sent", shown(given));
    Err(CliError::usage("not-confirmed", detail).argument(option).expected(name, given))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn only_the_devices_own_name_confirms() {
        assert!(check("emu:cxl1", "emu:cxl1", "--yes").is_ok());
        for given in ["", "yes", "y", "emu:cxl0", "EMU:CXL1", "emu:cxl1 ", "cxl1"] {
            let error = check("emu:cxl1", given, "--yes").unwrap_err();
            assert_eq!((error.exit(), error.code()), (Exit::Usage, "not-confirmed"), "{given}");
        }
    }
}

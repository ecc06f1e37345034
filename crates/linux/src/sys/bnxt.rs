// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which addresses bnxt's fwctl driver follows inside a request.
//!
//! A table, and input that is held against it: requests are not trusted.
//!
//! *Invariants*: a request is taken only where its type is in one of the two tables. In one that carries addresses, the
//! caller's own are refused; memory is attached here, of exactly the length that the driver will go by. So no bytes of a
//! caller can make the kernel read or write elsewhere in this process.
//!
//! *Not here*: scopes, names and what the commands do (the family's tables); the call ([`super::fwctl`]).
//!
//! *Spec*: `drivers/fwctl/bnxt/main.c @ v7.3`, `bnxtctl_dma_cmds` and `bnxtctl_validate_rpc`; offsets are those of
//! `include/linux/bnxt/hsi.h` there, computed by a C compiler. A type that a later kernel adds is refused here until it
//! is added: it could carry an address.

use super::fwctl::{Attached, RequestError};

/// `struct input`: the header of a request.
const HEADER: usize = 16;
/// HWRM_MAX_REQ_LEN.
const MAX_REQUEST: usize = 128;
/// FWCTL_BNXT_MAX_DMABUF: the longest transfer of one field.
const MAX_TRANSFER: u32 = 0x1_0000;

/// How the driver knows the length of a transfer.
#[derive(Clone, Copy, Debug)]
enum Length {
    /// Always this.
    Fixed(u32),
    /// 16 bits at this offset count units of so many bytes.
    Word(usize, u32),
    /// 32 bits at this offset count units of so many bytes.
    Long(usize, u32),
}

/// One address in a request.
#[derive(Clone, Copy, Debug)]
struct Field {
    /// Where the address is; 64 bits, little endian.
    at: usize,
    /// Whether the driver reads the memory; else it writes it.
    to_device: bool,
    /// How long the memory is.
    length: Length,
}

/// One command that carries addresses.
struct DmaCommand {
    request_type: u16,
    request_length: usize,
    fields: &'static [Field],
}

const fn to_device(at: usize, length: Length) -> Field {
    Field { at, to_device: true, length }
}

const fn from_device(at: usize, length: Length) -> Field {
    Field { at, to_device: false, length }
}

const fn dma(request_type: u16, request_length: usize, fields: &'static [Field]) -> DmaCommand {
    DmaCommand { request_type, request_length, fields }
}

use Length::{Fixed, Long, Word};

/// Commands that carry addresses, by type.
#[rustfmt::skip]
const WITH_ADDRESSES: [DmaCommand; 32] = [
    dma(0x0023, 40, &[from_device(24, Fixed(408)), from_device(32, Fixed(528))]),
    dma(0x003c, 32, &[from_device(16, Word(26, 1))]),
    dma(0x0067, 32, &[from_device(16, Long(24, 1))]),
    dma(0x0073, 88, &[to_device(24, Word(18, 2))]),
    dma(0x0074, 32, &[from_device(24, Word(18, 1))]),
    dma(0x00b4, 40, &[from_device(24, Word(18, 1)), from_device(32, Word(20, 1))]),
    dma(0x00ba, 40, &[from_device(24, Word(18, 1)), from_device(32, Word(18, 1))]),
    dma(0x00bf, 32, &[to_device(24, Long(20, 1))]),
    dma(0x00ca, 32, &[to_device(16, Word(24, 1))]),
    dma(0x00cb, 32, &[from_device(16, Word(24, 1))]),
    dma(0x00d5, 48, &[from_device(16, Word(24, 1))]),
    dma(0x00d9, 40, &[from_device(16, Word(24, 1))]),
    dma(0x00e6, 32, &[from_device(24, Word(16, 1))]),
    dma(0x00e7, 32, &[from_device(24, Word(16, 1))]),
    dma(0x0203, 40, &[from_device(16, Word(28, 1))]),
    dma(0x0204, 32, &[from_device(24, Word(16, 1))]),
    dma(0x0218, 32, &[from_device(24, Word(16, 1))]),
    dma(0xff0e, 40, &[from_device(16, Word(28, 1))]),
    dma(0xff10, 32, &[from_device(16, Long(28, 4))]),
    dma(0xff11, 80, &[from_device(16, Long(24, 1))]),
    dma(0xff17, 32, &[from_device(16, Long(24, 1))]),
    dma(0xff19, 56, &[from_device(16, Long(24, 1))]),
    dma(0xff2d, 40, &[to_device(16, Long(32, 1)), from_device(24, Long(32, 1))]),
    dma(0xff30, 32, &[to_device(24, Long(20, 1))]),
    dma(0xfff1, 40, &[from_device(16, Word(24, 1))]),
    dma(0xfff2, 40, &[to_device(16, Word(24, 1))]),
    dma(0xfff4, 40, &[to_device(16, Long(32, 1))]),
    dma(0xfffa, 24, &[from_device(16, Fixed(65536))]),
    dma(0xfffc, 40, &[from_device(16, Long(28, 1))]),
    dma(0xfffd, 40, &[from_device(16, Long(32, 1))]),
    dma(0xfffe, 56, &[to_device(16, Long(32, 1))]),
    dma(0xffff, 40, &[to_device(16, Long(28, 1))]),
];

/// Commands that the driver passes as they are, by type.
#[rustfmt::skip]
const WITHOUT_ADDRESSES: [u16; 72] = [
    0x0000, 0x000c, 0x0011, 0x0015, 0x0016, 0x0018, 0x0025, 0x0027, 0x0028, 0x002a, 0x002b, 0x002c,
    0x0037, 0x0039, 0x0047, 0x0087, 0x0088, 0x008a, 0x008c, 0x008d, 0x008f, 0x00a0, 0x00b5, 0x00b6,
    0x00bc, 0x00be, 0x00c0, 0x00c1, 0x00c2, 0x00c3, 0x00c8, 0x00c9, 0x00da, 0x00dd, 0x00df, 0x00e0,
    0x00e1, 0x00e2, 0x0112, 0x0124, 0x0190, 0x0192, 0x0194, 0x0198, 0x019c, 0x01a1, 0x01a4, 0x01a8,
    0x01ac, 0x01c3, 0x0200, 0x0232, 0xff0f, 0xff15, 0xff16, 0xff18, 0xff1c, 0xff20, 0xff21, 0xff25,
    0xff26, 0xff2e, 0xff2f, 0xffec, 0xffee, 0xfff0, 0xfff5, 0xfff6, 0xfff7, 0xfff8, 0xfff9, 0xfffb,
];

/// Holds a request against the tables; answers the memory to attach to it. `data` is what goes to the device
/// beside the request.
pub(super) fn attach(request: &[u8], data: &[u8]) -> Result<Vec<Attached>, RequestError> {
    if !(HEADER..=MAX_REQUEST).contains(&request.len()) {
        return Err(RequestError::Length {
            least: HEADER,
            most: MAX_REQUEST,
            found: request.len(),
        });
    }
    let request_type = u16::from_le_bytes(bytes(request, 0)?);
    let Some(command) = WITH_ADDRESSES.iter().find(|it| it.request_type == request_type) else {
        return match (WITHOUT_ADDRESSES.binary_search(&request_type), data) {
            (Err(_), _) => Err(RequestError::NotListed { request_type }),
            (Ok(_), []) => Ok(Vec::new()),
            (Ok(_), _) => Err(RequestError::Data { stated: 0, given: data.len() }),
        };
    };
    let exact = command.request_length;
    if request.len() != exact {
        return Err(RequestError::Length { least: exact, most: exact, found: request.len() });
    }
    if !data.is_empty() && !command.fields.iter().any(|field| field.to_device) {
        return Err(RequestError::Data { stated: 0, given: data.len() });
    }
    command.fields.iter().map(|field| field.attach(request, data)).collect()
}

impl Field {
    fn attach(&self, request: &[u8], data: &[u8]) -> Result<Attached, RequestError> {
        if bytes::<8>(request, self.at)? != [0; 8] {
            return Err(RequestError::Address { at: self.at });
        }
        let stated = match self.length {
            Fixed(length) => Some(length),
            Word(at, unit) => u32::from(u16::from_le_bytes(bytes(request, at)?)).checked_mul(unit),
            Long(at, unit) => u32::from_le_bytes(bytes(request, at)?).checked_mul(unit),
        };
        let stated = stated.filter(|it| (1..=MAX_TRANSFER).contains(it));
        let stated = stated.ok_or(RequestError::Transfer { most: MAX_TRANSFER })? as usize;
        if !self.to_device {
            return Ok(Attached::room(self.at, stated));
        }
        if data.len() != stated {
            return Err(RequestError::Data { stated, given: data.len() });
        }
        Ok(Attached::data(self.at, data))
    }
}

fn bytes<const N: usize>(request: &[u8], at: usize) -> Result<[u8; N], RequestError> {
    let short = RequestError::Length {
        least: at.saturating_add(N),
        most: MAX_REQUEST,
        found: request.len(),
    };
    let rest = request.get(at..).and_then(|rest| rest.first_chunk::<N>());
    rest.copied().ok_or(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request of that type and length, all else zero.
    fn request(request_type: u16, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[..2].copy_from_slice(&request_type.to_le_bytes());
        bytes
    }

    fn set_length(request: &mut [u8], length: Length, value: u32) {
        match length {
            Fixed(_) => {}
            Word(at, _) => request[at..at + 2].copy_from_slice(&value.to_le_bytes()[..2]),
            Long(at, _) => request[at..at + 4].copy_from_slice(&value.to_le_bytes()),
        }
    }

    fn unit(length: Length) -> u32 {
        match length {
            Fixed(length) => length,
            Word(_, unit) | Long(_, unit) => unit,
        }
    }

    #[test]
    fn both_tables_are_sorted_share_nothing_and_hold_all_104_commands_of_the_driver() {
        assert!(WITH_ADDRESSES.is_sorted_by(|a, b| a.request_type < b.request_type));
        assert!(WITHOUT_ADDRESSES.is_sorted_by(|a, b| a < b));
        for command in &WITH_ADDRESSES {
            assert!(!WITHOUT_ADDRESSES.contains(&command.request_type));
            assert!(command.request_length <= MAX_REQUEST && !command.fields.is_empty());
            for field in command.fields {
                assert!(field.at >= HEADER && field.at + 8 <= command.request_length);
            }
        }
        assert_eq!(WITH_ADDRESSES.len() + WITHOUT_ADDRESSES.len(), 17 + 77 + 7 + 3);
    }

    #[test]
    fn these_tables_and_those_that_payloads_are_parsed_by_agree_row_by_row() {
        use fwgate_wire::fwctl::table::{BNXT, DmaDirection, DmaLength};
        let mut with = WITH_ADDRESSES.iter();
        let mut without = WITHOUT_ADDRESSES.iter();
        for row in BNXT {
            if row.dma.is_empty() {
                assert_eq!(without.next(), Some(&row.opcode), "{}", row.name);
                continue;
            }
            let own = with.next().unwrap();
            assert_eq!(own.request_type, row.opcode, "{}", row.name);
            assert_eq!(row.request.map(usize::from), Some(own.request_length), "{}", row.name);
            // In the driver's order: what comes back is told apart by it.
            let theirs = row.dma.iter().map(|field| {
                let length = match field.length {
                    DmaLength::Fixed(bytes) => (0, 0, bytes),
                    DmaLength::Field { offset, width, unit } => (offset, width, u32::from(unit)),
                };
                (usize::from(field.address), field.direction == DmaDirection::ToDevice, length)
            });
            let ours = own.fields.iter().map(|field| {
                let length = match field.length {
                    Fixed(bytes) => (0, 0, bytes),
                    Word(at, unit) => (u16::try_from(at).unwrap(), 2, unit),
                    Long(at, unit) => (u16::try_from(at).unwrap(), 4, unit),
                };
                (field.at, field.to_device, length)
            });
            assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<_>>(), "{}", row.name);
            // One field's data is all of the data.
            assert!(own.fields.iter().filter(|field| field.to_device).count() < 2, "{}", row.name);
        }
        assert_eq!((with.next().is_none(), without.next()), (true, None));
    }

    #[test]
    fn a_type_that_no_table_names_is_refused_since_it_could_carry_an_address() {
        let known = |it: u16| {
            WITHOUT_ADDRESSES.contains(&it) || WITH_ADDRESSES.iter().any(|c| c.request_type == it)
        };
        for request_type in (0..=u16::MAX).filter(|it| !known(*it)) {
            let refused = attach(&request(request_type, 64), &[]).err();
            assert_eq!(refused, Some(RequestError::NotListed { request_type }));
        }
    }

    #[test]
    fn every_address_has_memory_of_the_length_that_the_driver_goes_by() {
        for command in &WITH_ADDRESSES {
            let mut bytes = request(command.request_type, command.request_length);
            for field in command.fields {
                set_length(&mut bytes, field.length, 8);
            }
            let expected = |field: &Field| match field.length {
                Fixed(length) => length as usize,
                length => 8 * unit(length) as usize,
            };
            let out = command.fields.iter().find(|field| field.to_device).map_or(0, expected);
            let attached = attach(&bytes, &vec![7; out]).unwrap();
            assert_eq!(attached.len(), command.fields.len());
            for (memory, field) in attached.iter().zip(command.fields) {
                assert_eq!((memory.at(), memory.length()), (field.at, expected(field)));
            }
        }
    }

    #[test]
    fn an_address_of_the_callers_own_is_refused_in_every_command() {
        for command in &WITH_ADDRESSES {
            for field in command.fields {
                for byte in 0..8 {
                    let mut bytes = request(command.request_type, command.request_length);
                    for field in command.fields {
                        set_length(&mut bytes, field.length, 8);
                    }
                    bytes[field.at + byte] = 1;
                    let out = command.fields.iter().filter(|field| field.to_device);
                    let data = vec![0; out.map(|it| 8 * unit(it.length) as usize).sum()];
                    let refused = attach(&bytes, &data).err();
                    assert_eq!(refused, Some(RequestError::Address { at: field.at }));
                }
            }
        }
    }

    #[test]
    fn a_transfer_of_nothing_or_of_more_than_64_kib_is_refused() {
        // NVM_READ: the length is 32 bits at 32.
        for length in [0, 0x1_0001, u32::MAX] {
            let mut bytes = request(0xfffd, 40);
            set_length(&mut bytes, Long(32, 1), length);
            assert_eq!(attach(&bytes, &[]).err(), Some(RequestError::Transfer { most: 0x1_0000 }));
        }
        // DBG_READ_DIRECT counts words: a count that wraps in 32 bits is no small one.
        let mut bytes = request(0xff10, 32);
        set_length(&mut bytes, Long(28, 4), 0x4000_0001);
        assert_eq!(attach(&bytes, &[]).err(), Some(RequestError::Transfer { most: 0x1_0000 }));
    }

    #[test]
    fn data_that_is_not_as_long_as_the_request_says_is_refused() {
        // NVM_WRITE: the length is 32 bits at 32.
        let mut bytes = request(0xfffe, 56);
        set_length(&mut bytes, Long(32, 1), 8);
        for given in [0, 7, 9] {
            let refused = attach(&bytes, &vec![0; given]).err();
            assert_eq!(refused, Some(RequestError::Data { stated: 8, given }));
        }
        assert!(attach(&bytes, &[0; 8]).is_ok());
        // A command that takes none.
        let refused = attach(&request(0x0015, 24), &[1]).err();
        assert_eq!(refused, Some(RequestError::Data { stated: 0, given: 1 }));
    }

    #[test]
    fn a_request_that_is_cut_off_or_too_long_is_refused() {
        for length in [0, 1, 15, 129] {
            let bytes = vec![0; length];
            let refused = attach(&bytes, &[]).err();
            assert_eq!(refused, Some(RequestError::Length { least: 16, most: 128, found: length }));
        }
        let refused = attach(&request(0xfffd, 39), &[]).err();
        assert_eq!(refused, Some(RequestError::Length { least: 40, most: 40, found: 39 }));
    }
}

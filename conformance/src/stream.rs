// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random ioctls, most of them nearly right: one seed, one stream.
//!
//! *Invariants*: the stream depends on the seed and on the setting alone. Numbers that the file system layer takes
//! for itself are not made. What is dangerous to a kernel is kept
//! back later (`theirs`).

use crate::build::{self, ARG, INPUT, Info, OUTPUT, Rpc, Send};
use crate::call::{Call, Node};
use crate::memory::{
    BASE, BIG, EDGE_FIXED, FIXED, FIXED_INFO, FIXED_QUERY_0, FIXED_QUERY_25, FIXED_RPC, FIXED_SEND,
    PAGE, WORK_END,
};
use crate::twin::Setting;
use fwgate_wire::memdev::{CommandId, IDS, SEND_COMMAND, VARIABLE};

/// Numbers without end, by SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// One below that.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn word(&mut self) -> u32 {
        self.next() as u32
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// The stream.
#[derive(Clone, Debug)]
pub struct Stream {
    random: Random,
    nodes: Vec<Node>,
    features: Vec<[u8; 16]>,
    payload_size: u32,
    raw_allow_all: bool,
}

/// Addresses where nothing of the caller can be.
const NOWHERE: [u64; 10] = [
    0,
    8,
    4095,
    BASE,
    WORK_END,
    BASE + 8 * PAGE as u64,
    1 << 63,
    0xffff_8880_0000_0000,
    u64::MAX - 7,
    u64::MAX,
];

impl Stream {
    /// Of that seed, for what is there.
    #[must_use]
    pub fn new(seed: u64, setting: &Setting) -> Self {
        let mut nodes = Vec::new();
        let mut features = vec![[0xff; 16], [0; 16]];
        if let Some(fwctl) = &setting.fwctl {
            nodes.push(Node::Fwctl);
            features.extend(fwctl.features.entries.iter().map(|entry| entry.uuid));
            features.extend(fwgate_gate::abi::fwctl::CxlFeatures::kernels_own());
        }
        if setting.memdev.is_some() {
            nodes.push(Node::Memdev);
        }
        Self {
            random: Random::new(seed),
            nodes,
            features,
            payload_size: setting.payload_size,
            raw_allow_all: setting.memdev.as_ref().is_some_and(|it| it.raw_allow_all),
        }
    }

    fn odd_number(&mut self, right: u32) -> u32 {
        let random = &mut self.random;
        match random.below(6) {
            0 => right ^ (1 << random.below(8)),
            1 => right ^ (1 << (16 + random.below(16))),
            2 => random.of(&[0x9a00, 0x9a01, 0x9a02, 0x8008_ce01, 0xc030_ce02]),
            // Types 9Ah to 9Fh and CEh belong to no layer above the driver.
            3 => 0x9a00 + random.below(0x600) as u32,
            4 => (random.word() & 0xffff_00ff) | 0x9a00,
            _ => (random.word() & 0xffff_00ff) | 0xce00,
        }
    }

    /// An address for a structure of that length, and whether it can be placed there.
    fn argument(&mut self, length: usize, fixed: u64) -> u64 {
        let random = &mut self.random;
        let near = |random: &mut Random, end: u64| {
            end.wrapping_sub(length as u64).wrapping_add(random.below(24)).wrapping_sub(8)
        };
        match random.below(200) {
            0..150 => ARG + 8 * random.below(32),
            150..165 => ARG + random.below(256),
            165..172 => near(random, WORK_END),
            172..178 => near(random, EDGE_FIXED),
            178..184 => fixed,
            184 => BIG + 8 * random.below(32),
            185..190 => WORK_END - 1 - random.below(length as u64),
            190..194 => EDGE_FIXED - 1 - random.below(length as u64),
            _ => random.of(&NOWHERE),
        }
    }

    fn input(&mut self, length: usize) -> u64 {
        let random = &mut self.random;
        match random.below(200) {
            0..160 => INPUT + 8 * random.below(16),
            160..170 => INPUT + random.below(64),
            170..175 => WORK_END.wrapping_sub(length as u64),
            175..180 => WORK_END.wrapping_sub(length as u64).wrapping_add(1 + random.below(8)),
            180..184 => FIXED + 8 * random.below(64),
            184..188 => ARG + 8 * random.below(8),
            188 => BIG + random.below(16),
            _ => random.of(&NOWHERE),
        }
    }

    fn output(&mut self, room: u32) -> u64 {
        let random = &mut self.random;
        let room = u64::from(room.min(4096));
        match random.below(200) {
            0..150 => OUTPUT + 8 * random.below(16),
            150..160 => OUTPUT + random.below(64),
            160..166 => WORK_END - room,
            166..172 => WORK_END - room + random.below(32),
            172..178 => EDGE_FIXED - random.below(room + 1),
            178..182 => FIXED + 8 * random.below(64),
            182..186 => ARG.wrapping_add(8 * random.below(48)),
            186..188 => INPUT + random.below(64),
            188 => BIG + random.below(16),
            _ => random.of(&NOWHERE),
        }
    }

    fn uuid(&mut self) -> [u8; 16] {
        let random = &mut self.random;
        if random.chance(6) {
            let mut uuid = [0; 16];
            uuid.copy_from_slice(&random.bytes(16));
            return uuid;
        }
        if random.chance(50) { self.features[0] } else { random.of(&self.features) }
    }

    fn request(&mut self) -> Vec<u8> {
        let upper = if self.random.chance(4) { self.random.word() & 0xffff_0000 } else { 0 };
        let mut request = match self.random.below(100) {
            0..22 => {
                let count =
                    self.random.of(&[0, 7, 8, 47, 48, 49, 56, 96, 104, 480, 4096, u32::MAX]);
                let start = self.random.of(&[0, 0, 0, 0, 0, 1, 1, 2, 7, 8, u16::MAX]);
                build::supported(count, start)
            }
            22..50 => {
                let uuid = self.uuid();
                let offset = self.random.of(&[0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 4095, u16::MAX]);
                let count =
                    self.random.of(&[0, 1, 2, 3, 4, 4, 4, 4, 4, 5, 8, 20, 4096, 4097, u16::MAX]);
                let selection = self.random.of(&[0, 0, 0, 0, 1, 2, 3, 255]);
                build::get(uuid, offset, count, selection)
            }
            50..84 => {
                let uuid = self.uuid();
                let flags = match self.random.below(4) {
                    0 | 1 => 0,
                    2 => self.random.of(&[1, 2, 3, 4, 7, 8, 15]),
                    _ => self.random.word(),
                };
                let offset = self.random.of(&[0, 0, 0, 0, 0, 0, 1, 4, u16::MAX]);
                let version = self.random.of(&[1, 1, 1, 0, 2, 255]);
                let length =
                    self.random.of(&[0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 5, 16, 4063, 4064, 4065]);
                let data = self.random.bytes(length);
                build::set(uuid, flags, offset, version, &data)
            }
            84..94 => {
                let opcode = self
                    .random
                    .of(&[0, 1, 0x0400, 0x0401, 0x0503, 0x04ff, 0x4000, 0x4300, 0xc000, 0xffff]);
                let length = self.random.of(&[0, 1, 8, 16, 32]);
                build::request(opcode, &self.random.bytes(length))
            }
            94..97 => {
                // The right opcode with a payload of another length.
                let opcode = self.random.of(&[0x0500, 0x0501, 0x0502]);
                let length = self.random.of(&[0, 1, 7, 9, 15, 16, 20, 22, 31, 32]);
                let mut payload = self.random.bytes(length);
                let uuid = self.uuid();
                let known = length.min(16);
                payload[..known].copy_from_slice(&uuid[..known]);
                build::request(opcode, &payload)
            }
            _ => {
                let length = self.random.of(&[0, 1, 8, 15, 16, 17, 24]);
                self.random.bytes(length)
            }
        };
        if request.len() >= 16 {
            request[2] |= (upper >> 16) as u8;
            request[3] |= (upper >> 24) as u8;
            if self.random.chance(4) {
                let at = self.random.of(&[4, 12]);
                request[at] = self.random.next() as u8;
            }
            if self.random.chance(6) {
                let op_size =
                    u32::from_ne_bytes([request[8], request[9], request[10], request[11]]);
                let odd = match self.random.below(4) {
                    0 => op_size.wrapping_sub(1),
                    1 => op_size + 1,
                    2 => 0,
                    _ => self.random.word(),
                };
                request[8..12].copy_from_slice(&odd.to_ne_bytes());
            }
        }
        if self.random.chance(5) {
            let more = self.random.below(40) as usize;
            request.extend(self.random.bytes(more));
        }
        request
    }

    /// A size of a structure, and bytes behind its known part.
    fn size(&mut self, known: u32) -> (u32, Vec<u8>) {
        let random = &mut self.random;
        match random.below(100) {
            0..88 => (known, Vec::new()),
            88..91 => (random.below(u64::from(known)) as u32, Vec::new()),
            91..95 => {
                let more = 1 + random.below(64) as usize;
                (known + more as u32, vec![0; more])
            }
            95..97 => {
                let more = 1 + random.below(64) as usize;
                let mut tail = vec![0; more];
                tail[random.below(more as u64) as usize] = 1 << random.below(8);
                (known + more as u32, tail)
            }
            97 => (random.of(&[u32::MAX, 1 << 31, 65536, 4096]), vec![0; 64]),
            98 => (random.of(&[24, 32, 0, 1, u32::MAX]), Vec::new()),
            // All zero up to the hole, and further.
            _ => (16384 + random.below(8) as u32, vec![0; 16384]),
        }
    }

    fn rpc(&mut self) -> Call {
        let request = self.request();
        let scope = match self.random.below(40) {
            0..8 => 0,
            8..14 => 1,
            14..26 => 2,
            26..36 => 3,
            36 => self.random.word(),
            _ => self.random.of(&[4, 5, u32::MAX]),
        };
        let mut rpc = Rpc::new(scope, request);
        let room =
            [0, 1, 7, 8, 9, 11, 12, 13, 16, 20, 24, 28, 64, 72, 80, 4096, 4096, 4096, 4096, 8192];
        rpc.out_len = self.random.of(&room);
        match self.random.below(200) {
            0 => rpc.in_len = Some(2 << 20),
            1 | 2 => rpc.in_len = Some(self.random.of(&[(2 << 20) + 1, u32::MAX])),
            3 => rpc.out_len = 2 << 20,
            4 | 5 => rpc.out_len = self.random.of(&[(2 << 20) + 1, u32::MAX]),
            6..12 => rpc.in_len = Some(self.random.below(rpc.request.len() as u64 + 32) as u32),
            _ => {}
        }
        rpc.input = self.input(rpc.request.len());
        rpc.output = self.output(rpc.out_len);
        (rpc.size, rpc.tail) = self.size(32);
        let bytes = rpc.bytes();
        let arg = self.argument(32, FIXED_RPC);
        let places = vec![(rpc.input, rpc.request), (arg, bytes)];
        Call { node: Node::Fwctl, number: 0x9a01, arg, places }
    }

    fn info(&mut self) -> Call {
        let mut info = Info::default();
        (info.size, info.tail) = self.size(24);
        if self.random.chance(8) {
            info.flags = 1 << self.random.below(32);
        }
        info.room = match self.random.below(10) {
            0..4 => 0,
            4..8 => self.random.of(&[1, 8, 24, 100, 4096]),
            8 => self.random.of(&[8192, 16384, u32::MAX]),
            _ => self.random.below(9000) as u32,
        };
        info.to = self.output(info.room);
        let bytes = info.bytes();
        let arg = self.argument(24, FIXED_INFO);
        Call { node: Node::Fwctl, number: 0x9a00, arg, places: vec![(arg, bytes)] }
    }

    fn query(&mut self) -> Call {
        let rows = match self.random.below(10) {
            0 | 1 => 0,
            2 => self.random.word(),
            _ => self.random.of(&[1, 2, 3, 10, 24, 25, 26, 100, u32::MAX]),
        };
        let mut call = build::query(rows);
        let room = if self.random.chance(50) { 4 } else { 8 + 16 * 25 };
        let fixed = self.random.of(&[FIXED_QUERY_0, FIXED_QUERY_25]);
        call.arg = self.argument(room, fixed);
        call.places[0].0 = call.arg;
        call
    }

    fn send(&mut self) -> Call {
        let mut send = if self.random.chance(30) { self.raw() } else { self.by_id() };
        let size = self.payload_size;
        match self.random.below(100) {
            0..4 => {
                send.flags = self.random.of(&[1, 2, 3]);
            }
            4..7 => send.flags = self.random.of(&[4, 8, 1 << 31, u32::MAX]),
            7..10 => send.raw_reserved = 1 << self.random.below(16),
            10..12 => send.in_reserved = self.random.of(&[1, u32::MAX]),
            12..14 => send.out_reserved = self.random.of(&[1, u32::MAX]),
            14 if send.id != 2 => send.opcode = 1 << self.random.below(16),
            15..20 => {
                let right = send.payload.len() as u32;
                let sizes =
                    [0, right.wrapping_sub(1), right + 1, right + 8, size, size + 1, u32::MAX];
                send.in_size = Some(self.random.of(&sizes));
            }
            20..24 => {
                let right = send.out_size;
                let sizes = [
                    0,
                    right.wrapping_sub(1),
                    right.wrapping_add(1),
                    size,
                    size + 1,
                    1 << 31,
                    u32::MAX,
                ];
                send.out_size = self.random.of(&sizes);
            }
            _ => {}
        }
        send.input = self.input(send.payload.len());
        send.output = self.output(send.out_size);
        let bytes = send.bytes();
        let arg = self.argument(48, FIXED_SEND);
        let places = vec![(send.input, send.payload), (arg, bytes)];
        Call { node: Node::Memdev, number: SEND_COMMAND, arg, places }
    }

    fn by_id(&mut self) -> Send {
        let id = match self.random.below(50) {
            0 => 0,
            1 => self.random.of(&[25, 26, 255, 1 << 31, u32::MAX]),
            2..12 => self.random.of(&[1, 3, 8]),
            _ => 1 + self.random.below(24) as u32,
        };
        let Some(row) = CommandId(id).row() else { return Send::id(id, Vec::new(), 0) };
        let opcode = row.opcode.map_or(0, |opcode| opcode.0);
        let variable = row.size_in == VARIABLE;
        let length = if variable { self.random.of(&[0, 1, 8, 12, 64]) } else { row.size_in };
        let payload = self.payload(opcode, length as usize);
        let out_size = match row.size_out {
            VARIABLE => self.random.of(&[0, 27, 28, 64, 256, 4096, self.payload_size]),
            size if self.random.chance(70) => size,
            size => size + self.random.of(&[0, 1, 16, 100]),
        };
        Send::id(id, payload, out_size)
    }

    fn raw(&mut self) -> Send {
        const HARMLESS: [u16; 12] = [
            0x0000, 0x0001, 0x0005, 0x0200, 0x0300, 0x0400, 0x4000, 0x4100, 0x4200, 0x4202, 0xc000,
            0xffff,
        ];
        const REFUSED: [u16; 18] = [
            0x0202, 0x4101, 0x4103, 0x4204, 0x4300, 0x4301, 0x4302, 0x4303, 0x4304, 0x4305, 0x4400,
            0x4401, 0x4402, 0x4500, 0x4600, 0x0500, 0x0501, 0x0502,
        ];
        let opcode = match self.random.below(20) {
            0..11 => self.random.of(&HARMLESS),
            11 | 12 => 0x0401,
            13 => 0x4102,
            14 => 0x0301,
            // What is refused may do anything where it is not.
            _ if self.raw_allow_all => 0x4000,
            // Get Scan Media Capabilities is not in the list, and a device may not know it.
            _ => self.random.of(&REFUSED),
        };
        let length = match self.random.below(4) {
            0 | 1 => IDS
                .iter()
                .find(|row| row.opcode.is_some_and(|it| it.0 == opcode))
                .map_or(0, |row| row.size_in),
            2 => 0,
            _ => self.random.of(&[1, 8, 10, 16, 24, 64]),
        };
        let length = if length == VARIABLE { 8 } else { length };
        let payload = self.payload(opcode, length as usize);
        let out_size = self.random.of(&[0, 4, 8, 16, 18, 32, 64, 67, 80, 256, self.payload_size]);
        Send::raw(opcode, payload, out_size)
    }

    fn payload(&mut self, opcode: u16, length: usize) -> Vec<u8> {
        use fwgate_wire::cxl::logs::log_uuid::{COMMAND_EFFECTS, VENDOR_DEBUG};
        let mut payload = self.random.bytes(length);
        let mut put = |at: usize, bytes: &[u8]| {
            for (to, from) in payload.iter_mut().skip(at).zip(bytes) {
                *to = *from;
            }
        };
        match opcode {
            0x0401 => {
                let offset: u32 = self.random.of(&[0, 0, 0, 4, 60, 68, 72, 4096]);
                let length: u32 = self.random.of(&[0, 4, 8, 68, 64, 72, 4096, 1 << 20]);
                put(16, &offset.to_le_bytes());
                put(20, &length.to_le_bytes());
                if self.random.chance(85) {
                    put(0, COMMAND_EFFECTS.as_bytes());
                }
            }
            0x0403 | 0x0402 => {
                let log = self.random.of(&[VENDOR_DEBUG, VENDOR_DEBUG, COMMAND_EFFECTS]);
                put(0, log.as_bytes());
            }
            0x4101 => put(8, &[self.random.of(&[0, 0, 1, 2, 3, 0xff])]),
            0x4102 => {
                let offset: u32 = self.random.of(&[0, 0, 64, 4096, 131_071, 131_072, u32::MAX]);
                let length: u32 = self.random.of(&[0, 1, 64, 256, 4096, u32::MAX]);
                put(0, &offset.to_le_bytes());
                put(4, &length.to_le_bytes());
            }
            0x4103 => put(0, &0x1_0000u32.to_le_bytes()),
            _ => {}
        }
        payload
    }
}

impl Iterator for Stream {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        let node = if self.nodes.is_empty() { return None } else { self.random.of(&self.nodes) };
        let mut call = match node {
            Node::Fwctl if self.random.chance(12) => self.info(),
            Node::Fwctl => self.rpc(),
            Node::Memdev if self.random.chance(15) => self.query(),
            Node::Memdev => self.send(),
        };
        if self.random.chance(4) {
            call.number = self.odd_number(call.number);
        }
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_stream_and_another_is_another() {
        let take = |seed| Stream::new(seed, &Setting::cxl_test()).take(500).collect::<Vec<_>>();
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }

    #[test]
    fn no_number_is_one_that_the_layers_above_the_driver_take() {
        for call in Stream::new(3, &Setting::cxl_test()).take(100_000) {
            let [_, group, _, _] = call.number.to_le_bytes();
            let near = [0x9a, 0xce].iter().any(|right: &u8| (right ^ group).count_ones() <= 1);
            assert!(near || (0x9a..=0x9f).contains(&group), "{:#x}", call.number);
        }
    }
}

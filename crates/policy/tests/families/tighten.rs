// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is added against a family's command never helps it, on random questions.
//!
//! *Not here*: the same of CXL and NVMe (`monotone.rs`).

use fwgate_policy::facts::{Known, OperationFacts, Surroundings};
use fwgate_policy::tables::{
    AdvisoryRow, AttributeRow, Condition, DeviceMatch, Families, FloorRow, GroundRow, Kind, Matter,
    Opinion, ScopeRow, Selector, StanceRow,
};
use fwgate_policy::{
    Capabilities, Command, Disclosure, Effects, Facts, Lockdown, Protocol, Question, Route, Scope,
    Site, Standing, Subsystems, Tables, Verdict, judge,
};
use proptest::prelude::*;

use super::{ACCESS_REGISTER_USER, FUNC_RESET, QUERY_HCA_CAP, bnxt_payload, device};
use crate::common::{NO_ROWS, READ, almighty};

/// A question about one command, with a layer of rows that were loaded at run time.
#[derive(Clone, Debug)]
struct World {
    which: usize,
    bytes: Vec<u8>,
    operations: Vec<OperationFacts>,
    floors: Vec<FloorRow>,
    scopes: Vec<ScopeRow>,
    attributes: Vec<AttributeRow>,
    ground: Vec<GroundRow>,
    stances: Vec<StanceRow>,
    advisories: Vec<AdvisoryRow<'static>>,
    around: Surroundings<'static>,
    standing: Standing,
}

const COMMANDS: usize = 9;

impl World {
    fn new(which: usize, bytes: [u8; 40], attributes: [u8; 3], asked: Option<usize>) -> Self {
        let entry = |operation, attribute| OperationFacts { endpoint: 1, operation, attribute };
        let [a, b, c] = attributes;
        Self {
            which,
            bytes: bytes.to_vec(),
            operations: vec![entry(7, a), entry(0x0001_0007, b), entry(8, c)],
            floors: Vec::new(),
            scopes: Vec::new(),
            attributes: Vec::new(),
            ground: Vec::new(),
            stances: Vec::new(),
            advisories: Vec::new(),
            around: Surroundings::DRIVEN_BY_NOBODY,
            standing: Standing { asked: asked.map(|it| Scope::ALL[it % 4]), ..almighty() },
        }
    }

    /// The command's protocol and opcode.
    fn place(&self) -> (Protocol, u16) {
        match self.which {
            0 => (Protocol::Mlx5, QUERY_HCA_CAP),
            1 | 2 => (Protocol::Mlx5, ACCESS_REGISTER_USER),
            3 => (Protocol::Mlx5, 0x0773),
            4 => (Protocol::Bnxt, FUNC_RESET),
            5 => (Protocol::Bnxt, 0xFFF2),
            6 => (Protocol::Bnxt, 0x0016),
            7 => (Protocol::Pds, 7),
            _ => (Protocol::Pds, 8),
        }
    }

    fn outcome(&self) -> (u8, Scope, Option<Scope>, Disclosure) {
        let (protocol, opcode) = self.place();
        let mut floors = self.floors.clone();
        floors.sort_by_key(|row| row.opcode);
        let mut scopes = self.scopes.clone();
        scopes.sort_by_key(|row| (row.protocol, row.opcode, row.selector));
        let mut attributes = self.attributes.clone();
        attributes.sort_by_key(|row| row.value);
        let rows = |of| if protocol == of { &floors[..] } else { &[] };
        let more = Tables {
            families: Families {
                mlx5: rows(Protocol::Mlx5),
                bnxt: rows(Protocol::Bnxt),
                scopes: &scopes,
                pds_attributes: &attributes,
                ..Families::NONE
            },
            ground: &self.ground,
            stances: &self.stances,
            advisories: &self.advisories,
            ..NO_ROWS
        };
        let tables = Tables { more: Some(&more), ..Tables::BUILTIN };
        let facts =
            Facts { operations: Some(&self.operations), surroundings: self.around, ..device() };
        let payload = match protocol {
            Protocol::Bnxt => bnxt_payload(opcode),
            _ => self.bytes.clone(),
        };
        let op_mod = u16::from(self.which == 2);
        let command = match protocol {
            Protocol::Mlx5 => Command::Mlx5 { opcode, op_mod, payload: &payload },
            Protocol::Bnxt => super::bnxt(opcode, &payload),
            _ => Command::Pds { endpoint: 1, operation: u32::from(opcode), payload: &payload },
        };
        let question = Question {
            command,
            route: Route::Firmware,
            facts: &facts,
            tables: &tables,
            standing: &self.standing,
        };
        let told = judge(&question);
        let verdict = match told.verdict {
            Verdict::Allow(_) => 0,
            Verdict::Redirect => 1,
            Verdict::Deny => 2,
        };
        (verdict, told.required, told.granted, told.discloses)
    }

    /// Makes it stricter in one way.
    fn tighten(&mut self, way: u8, pick: u8) -> &'static str {
        let (protocol, opcode) = self.place();
        let scope = Scope::ALL[usize::from(pick % 4)];
        match way % 14 {
            0 => {
                // One row a key, as in a file that was loaded.
                let selector = (pick & 4 != 0).then(|| Selector::new(&[pick & 1]).unwrap());
                let row =
                    ScopeRow { protocol, opcode, selector, driver: scope, raised: None, why: "x" };
                match self.scopes.iter_mut().find(|it| it.selector == selector) {
                    Some(there) => there.driver = there.driver.max(scope),
                    None => self.scopes.push(row),
                }
                "a scope row"
            }
            1 => {
                let effects: Vec<Effects> = Effects::all().iter().collect();
                let effect = effects[usize::from(pick) % effects.len()];
                match self.floors.first_mut() {
                    Some(row) => row.effects |= effect,
                    None => self.floors.push(FloorRow {
                        opcode,
                        effects: effect,
                        kind: Kind::Change,
                        ..READ
                    }),
                }
                "a floor row"
            }
            2 => {
                let value = pick & 0x1F;
                match self.attributes.iter_mut().find(|row| row.value == value) {
                    Some(row) => row.driver = row.driver.max(scope),
                    None => self.attributes.push(AttributeRow {
                        value,
                        name: "x",
                        driver: scope,
                        raised: None,
                        why: "x",
                        source: "test",
                    }),
                }
                "an attribute row"
            }
            3 => {
                let operation = u32::from(7 + (pick & 1));
                let attribute = pick.rotate_left(3);
                self.operations.push(OperationFacts { endpoint: 1, operation, attribute });
                "one more entry of the list"
            }
            4 => {
                self.ground.push(GroundRow {
                    protocol,
                    opcode,
                    selector: None,
                    owner: Subsystems::NETDEV,
                    others: Subsystems::empty(),
                    condition: Condition::Driven,
                    read_disturbs: pick & 1 == 1,
                    interface: None,
                    why: "x",
                    source: "test",
                });
                "a ground row"
            }
            5 => {
                self.stances.push(StanceRow {
                    key: "x",
                    ground: Subsystems::NETDEV,
                    matter: [Matter::Opaque, Matter::DriverTables, Matter::KernelInterface]
                        [usize::from(pick % 3)],
                    opinion: Opinion::Nak,
                    who: "",
                    maintainer_of: "",
                    date: "2026",
                    address: "",
                    says: "",
                    overtaken_by: None,
                });
                "a Nak"
            }
            6 => {
                self.advisories.push(AdvisoryRow {
                    key: "x",
                    device: DeviceMatch { vendor: None, device: None, firmware: None },
                    protocol,
                    opcode: (pick & 1 == 1).then_some(opcode),
                    why: "x",
                    source: "test",
                });
                "an advisory"
            }
            7 => {
                self.around.driven = if pick & 1 == 1 { Known::Yes } else { Known::CannotTell };
                self.around.drivers |= Subsystems::NETDEV;
                "a driver"
            }
            8 => {
                self.standing.lockdown = Lockdown::Confidentiality;
                "lockdown"
            }
            9 => {
                self.standing.capabilities = Capabilities::default();
                "capabilities lost"
            }
            10 => {
                self.standing.grants.scope = None;
                self.standing.grants.named_action = false;
                "grants lost"
            }
            11 => {
                self.standing.grants.opaque = None;
                "the owner's line lost"
            }
            12 => {
                let level = Disclosure::ALL[usize::from(pick) % 6];
                let may_see = &mut self.standing.grants.may_see;
                *may_see = (*may_see).min(level);
                "less to be seen"
            }
            _ => {
                self.standing.site = Site::NoPermit;
                "the site's permit lost"
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_added_against_a_familys_command_never_helps_it(
        which in 0..COMMANDS,
        bytes in any::<[u8; 40]>(),
        attributes in any::<[u8; 3]>(),
        asked in prop::option::of(0..4usize),
        plain in any::<bool>(),
        ways in prop::collection::vec(any::<(u8, u8)>(), 1..6),
    ) {
        // Often the attributes and bytes of something that is sent.
        let attributes = if plain { attributes.map(|it| 1 << (it % 6)) } else { attributes };
        let bytes = if plain { [0; 40] } else { bytes };
        let mut world = World::new(which, bytes, attributes, asked);
        let mut before = world.outcome();
        for (way, pick) in ways {
            let was = world.clone();
            let what = world.tighten(way, pick);
            let after = world.outcome();
            let no_wider = after.0 >= before.0
                && after.1 >= before.1
                && after.3 >= before.3
                && after.2.is_none_or(|scope| before.2.is_some_and(|it| scope >= it));
            prop_assert!(no_wider, "{what} helped: {before:?} became {after:?}\nwas {was:#?}");
            before = after;
        }
    }
}

#[test]
fn each_of_these_questions_is_allowed_before_it_is_tightened() {
    for which in 0..COMMANDS {
        let world = World::new(which, [0; 40], [0x02; 3], None);
        assert_eq!(world.outcome().0, 0, "{which}");
    }
}

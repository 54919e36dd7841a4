//! A day of a node in fast motion: thousands of events by a seed, and an account beside it that knows nothing of the node.

use std::collections::BTreeMap;

use weir_wire::refusal::Code;
use weir_wire::roster::Gate;
use weir_wire::{Bytes, SlotName};

use super::rig::Rig;
use crate::client::Failed;
use crate::ledger::Table;
use crate::testing::slot;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const USERS: u64 = 12;
/// Every third user may pass so much; then it is reset by an hour's end.
const QUOTA: u64 = 400_000;
const FLOOR: u64 = 20_000;
const LARGEST: u64 = 5_000;
/// Bytes of the ledger's file that a day of this never exceeds: reports are kept for a week, in case that the panel is restored.
const MOST_LEDGER: usize = 4 << 20;
/// Users times quarter-hours of the longest outage.
const MOST_PARCELS: usize = 12 * 40;

/// The splitmix64 generator.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

struct User {
    slot: String,
    limited: bool,
    /// His long connection.
    connection: String,
}

#[derive(Debug, Default)]
struct Seen {
    flows: u64,
    refused: u64,
    core_restarts: u64,
    agent_crashes: u64,
    outages: u64,
    rotations: u64,
    resets: u64,
    lists: u64,
    disk_failures: u64,
    steps: u64,
    most_ledger: usize,
    most_parcels: usize,
}

struct Life {
    rig: Rig,
    chance: Seeded,
    users: Vec<User>,
    /// What passed, by slot.
    moved: BTreeMap<SlotName, u64>,
    names: u64,
    connections: u64,
    /// Until when (milliseconds of the life) the panel does not answer, or the disk takes nothing, or the core is down.
    panel_away: u64,
    disk_away: u64,
    core_away: Option<u64>,
    at: u64,
    seen: Seen,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut rig = Rig::bare();
        rig.panel.policy.floor = Bytes::saturating(FLOOR);
        let mut life = Self {
            rig,
            chance: Seeded(seed),
            users: Vec::new(),
            moved: BTreeMap::new(),
            names: 0,
            connections: 0,
            panel_away: 0,
            disk_away: 0,
            core_away: None,
            at: 0,
            seen: Seen::default(),
        };
        for number in 0..USERS {
            let name = life.new_user(number % 3 == 0);
            life.users.push(User { slot: name, limited: number % 3 == 0, connection: String::new() });
        }
        life.rig.sync();
        life.rig.core.kill();
        life.rig.pass(2 * SECOND);
        life.rig.sync_if_sent();
        life
    }

    /// A slot that there was not yet.
    fn new_user(&mut self, limited: bool) -> String {
        let letter = |place: u32| char::from(b'a' + u8::try_from(self.names / 26_u64.pow(place) % 26).unwrap());
        let name: String = ['u', 's', letter(2), letter(1), letter(0)].into_iter().collect();
        self.names += 1;
        self.rig.panel.user(&name, Gate::Open, None);
        if limited {
            self.rig.panel.limits.insert(slot(&name), QUOTA);
        } else {
            self.rig.panel.grants.insert(slot(&name), 1 << 40);
        }
        name
    }

    fn flow(&mut self) {
        let number = usize::try_from(self.chance.below(USERS)).unwrap();
        let user = self.users[number].slot.clone();
        let bytes = 1 + self.chance.below(LARGEST);
        let passed = self.rig.core.is_open(&user) && {
            self.connections += 1;
            if self.chance.one_in(3) {
                self.rig.flow_once(&format!("short {}", self.connections), &user, bytes)
            } else {
                if self.chance.one_in(50) {
                    self.rig.core.end(&self.users[number].connection);
                }
                // When a gate, a reload or the client itself has ended it, he begins another one: no two have the same id.
                if !self.rig.core.is_live(&self.users[number].connection) {
                    self.users[number].connection = format!("long {}", self.connections);
                }
                let long = self.users[number].connection.clone();
                self.rig.flow_on(&long, &user, bytes)
            }
        };
        self.seen.flows += 1;
        if passed {
            *self.moved.entry(slot(&user)).or_default() += bytes;
        } else {
            self.seen.refused += 1;
        }
    }

    /// Whatever is under way to the panel is answered, or not.
    fn talk(&mut self) {
        if self.rig.sent.is_none() {
            return;
        }
        if self.at < self.panel_away {
            self.rig.fail(&Failed::Unreachable("connection refused".to_owned()));
            return;
        }
        match self.chance.below(40) {
            0 => {
                let (request, time) = (self.rig.sent.take().unwrap(), self.rig.panel_second());
                let _ = self.rig.panel.answer(&request, time);
                self.rig.fail(&Failed::Unreachable("the reply was lost".to_owned()));
            }
            1 => {
                let (request, time) = (self.rig.sent.clone().unwrap(), self.rig.panel_second());
                let _ = self.rig.panel.answer(&request, time);
                self.rig.sync_if_sent();
            }
            2 => self.rig.refuse_with(Code::Unavailable),
            _ => drop(self.rig.sync_if_sent()),
        }
    }

    /// Once a minute something may happen.
    fn incident(&mut self) {
        let disk_works = self.at >= self.disk_away;
        match self.chance.below(120) {
            // What it told is in the ledger by the next tick; a core and an agent that die within one take it with them.
            0 if disk_works && self.core_away.is_none() => {
                self.rig.tick();
                self.rig.core.kill();
                self.rig.settle();
                self.core_away = Some(self.at + self.chance.below(3 * MINUTE));
            }
            1 | 2 if disk_works && self.core_away.is_none() => {
                self.seen.agent_crashes += 1;
                self.rig.crash();
            }
            3 => {
                self.seen.outages += 1;
                self.panel_away = self.at + self.chance.below(20 * MINUTE);
            }
            4 => self.rotate(),
            5 if self.core_away.is_none() => {
                self.seen.lists += 1;
                self.rig.core.tell_all();
                self.rig.settle();
            }
            6 => {
                self.seen.disk_failures += 1;
                self.disk_away = self.at + self.chance.below(5 * MINUTE);
            }
            7 => {
                self.seen.steps += 1;
                let step = i64::try_from(HOUR).unwrap();
                self.rig.clock.wall += if self.chance.one_in(2) { step } else { -step };
            }
            8 => self.rig.node.ring(),
            _ => {}
        }
    }

    /// A user's access is revoked: he gets another slot.
    fn rotate(&mut self) {
        self.seen.rotations += 1;
        let number = usize::try_from(self.chance.below(USERS)).unwrap();
        let limited = self.users[number].limited;
        let name = self.new_user(limited);
        let old = core::mem::replace(&mut self.users[number].slot, name);
        self.rig.panel.remove(&old);
    }

    /// The hour ends: who has a quota may pass as much again.
    fn reset(&mut self) {
        self.seen.resets += 1;
        for user in self.users.iter().filter(|user| user.limited) {
            let name = slot(&user.slot);
            let passed = self.moved.get(&name).copied().unwrap_or_default();
            self.rig.panel.limits.insert(name, passed + QUOTA);
        }
        self.rig.node.ring();
        self.rig.settle();
    }

    fn second(&mut self) {
        self.rig.disk_fails = self.at < self.disk_away;
        if self.core_away.is_some_and(|until| self.at >= until) {
            self.core_away = None;
            self.seen.core_restarts += 1;
            self.rig.core.start();
            self.rig.settle();
        }
        if self.chance.one_in(2) {
            self.flow();
        }
        self.talk();
        self.rig.pass(SECOND);
        self.at += SECOND;
    }

    fn look(&mut self) {
        let ledger = self.rig.copy_ledger().len();
        let parcels = self.rig.ledger().all::<serde_json::Value>(Table::Parcels).unwrap().len();
        self.seen.most_ledger = self.seen.most_ledger.max(ledger);
        self.seen.most_parcels = self.seen.most_parcels.max(parcels);
        if !self.rig.disk_fails {
            // As the core does at each collection of garbage; what had ended is in the ledger.
            self.rig.core.forget_ended();
        }
    }

    fn live(&mut self, hours: u64) {
        let day = hours * HOUR;
        // One outage of hours, in the middle.
        let long = day / 3..day / 3 + (day / 3).min(8 * HOUR);
        while self.at < day {
            self.second();
            if long.contains(&self.at) {
                self.panel_away = self.panel_away.max(long.end);
            }
            if self.at.is_multiple_of(MINUTE) {
                self.look();
                self.incident();
            }
            if self.at.is_multiple_of(HOUR) {
                self.reset();
            }
        }
    }

    /// Everything works again, and arrives.
    fn end(&mut self) {
        (self.panel_away, self.disk_away) = (0, 0);
        self.rig.disk_fails = false;
        if self.core_away.take().is_some() {
            self.rig.core.start();
            self.rig.settle();
        }
        if self.rig.sent.is_some() {
            self.rig.fail(&Failed::Unreachable("the panel was restarted".to_owned()));
        }
        self.rig.pass(70 * SECOND);
        self.rig.node.leave(self.rig.clock.now);
        self.rig.sync_all();
        self.rig.pass(2 * SECOND);
        self.rig.sync_if_sent();
        self.look();
    }
}

fn whole_life(seed: u64, hours: u64) {
    let mut life = Life::new(seed);
    life.live(hours);
    life.end();
    let Life { rig, moved, seen, users, .. } = &life;
    println!("seed {seed}: {seen:?}, a ledger of {} bytes at the end", rig.copy_ledger().len());
    assert_eq!(&rig.panel.applied, moved, "seed {seed}: to the byte, by slot");
    assert_eq!(rig.unreported(), 0, "seed {seed}");
    assert_eq!(rig.node.outbox.losses(), (0, 0, 0), "seed {seed}");
    assert!(seen.most_ledger <= MOST_LEDGER, "seed {seed}: a ledger of {} bytes", seen.most_ledger);
    assert!(seen.most_parcels <= MOST_PARCELS, "seed {seed}: {} parcels waited", seen.most_parcels);
    assert_eq!(rig.ledger().all::<serde_json::Value>(Table::Parcels).unwrap().len(), 0, "seed {seed}");
    // The quota held, through everything: over it is what may pass without an answer, and what was under way.
    for user in users.iter().filter(|user| user.limited) {
        let name = slot(&user.slot);
        let (passed, limit) = (moved.get(&name).copied().unwrap_or_default(), rig.panel.limits[&name]);
        assert!(passed <= limit + FLOOR + LARGEST, "seed {seed}: {passed} of {limit}");
    }
    // It was a life.
    let happened = [seen.core_restarts, seen.agent_crashes, seen.outages, seen.rotations, seen.resets, seen.refused];
    assert!(hours < 24 || happened.iter().all(|times| *times > 0) && seen.flows > 20_000, "seed {seed}: {seen:?}");
}

#[test]
fn in_two_hours_of_life_every_byte_is_counted_once_and_the_ledger_stays_small() {
    whole_life(1, 2);
}

#[test]
#[ignore = "three days in fast motion: make test-long"]
fn in_days_of_life_every_byte_is_counted_once_and_the_ledger_stays_small() {
    for seed in [1, 2, 3] {
        whole_life(seed, 24);
    }
}

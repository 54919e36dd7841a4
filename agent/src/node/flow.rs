//! Bytes: what the core tells, and what a tick makes of it.

use std::collections::BTreeSet;

use weir_wire::SlotName;
use weir_wire::pace::NEAR_SECONDS;

use super::ending::CatchUp;
use super::trouble::Source;
use super::{Bringing, Command, CoreSeen, FAST, Node, SLOW, allowance};
use crate::clock::{Moment, Reading};
use crate::cores::{ConnectionEvent, CoreEvent, Counter, Fallen, Origin};
use crate::outbox::parcel::Stamp;

/// Milliseconds between two looks at all gates: grants end, and no event tells when.
const LOOK_AT_ALL: u64 = 60_000;
/// Milliseconds for which a slot counts as online after it moved bytes, where no connections are told.
const ACTIVE: u64 = 60_000;
/// Milliseconds for which ticks stay short after a storm of connections over a limit.
const STORM_LASTS: u64 = 2_000;

impl Node {
    /// Takes in what the core told.
    pub(crate) fn core_event(&mut self, event: CoreEvent, now: Moment) {
        match event {
            CoreEvent::Up { incarnation, version } => {
                let lost = self.at_risk.take().unwrap_or_else(|| self.between_looks());
                self.tally.up(incarnation, lost, self.clock.second(now));
                self.core = CoreSeen::Up { incarnation, version };
                self.troubles.end(Source::Core);
                // All gates are compared with it now.
                self.file.forget = false;
                self.gates.forget_core();
                self.doors.core_down();
                self.presence.core_down();
                if self.rules.core.users_live {
                    self.bringing = Bringing::Due(now);
                } else {
                    self.commands.push(Command::AskGates);
                }
            }
            CoreEvent::Online { users } => {
                let (roster, gates) = (&self.roster, &self.gates);
                let may_pass = |slot: &SlotName| roster.get(slot).is_some() && !gates.is_shut(slot);
                self.addresses.online(&users, now, may_pass);
            }
            CoreEvent::Counters { users, fallen } => self.counters(&users, fallen, now),
            CoreEvent::Connections { reset, events } => self.connections(reset, &events, now),
            CoreEvent::Totals { up, down } => {
                let (relayed_up, relayed_down) = self.tally.relayed();
                self.totals = (up.saturating_sub(relayed_up), down.saturating_sub(relayed_down));
                self.tally.totals(up, down, now);
            }
            CoreEvent::Down { reason } => {
                if !self.rules.core.counters_outlive {
                    self.tally.down();
                }
                self.addresses.core_down(now);
                if matches!(self.core, CoreSeen::Up { .. }) {
                    // Now: rates fall while the core is away.
                    self.at_risk = Some(self.between_looks());
                }
                // A core that is being reloaded goes down for a moment.
                if !self.loading.is_running() {
                    if !matches!(self.core, CoreSeen::Down(_)) {
                        // Whatever it remembers of its gates may be older than the file.
                        self.file.forget = true;
                        self.file.unwritten = self.file.unwritten.or(Some(now));
                    }
                    self.troubles.meet(Source::Core, reason.clone(), now);
                }
                self.core = CoreSeen::Down(reason);
                self.bringing = Bringing::Rest;
                self.gates.forget_core();
            }
        }
    }

    /// Bytes that all users together move between two looks at the core.
    fn between_looks(&self) -> u64 {
        let millis = u64::try_from(self.rules.core.read_every.as_millis()).unwrap_or(1_000);
        self.rates.total().saturating_mul(millis) / 1_000
    }

    fn connections(&mut self, reset: bool, events: &[ConnectionEvent], now: Moment) {
        let (roster, departed) = (&self.roster, &self.departed);
        let ours = |slot: &SlotName| roster.get(slot).is_some() || departed.contains(slot);
        let moved = self.tally.connections(reset, events, now, ours);
        let mut slots = BTreeSet::new();
        for (slot, bytes) in moved.slots {
            self.rates.add(&slot, bytes);
            slots.insert(slot);
        }
        self.credited(&slots, now);
        for (id, slot) in moved.alive {
            if self.is_ours(&slot) && self.gates.is_shut(&slot) {
                self.commands.push(Command::Close { id });
            }
        }
        let roster = &self.roster;
        for id in self.doors.connections(reset, events, |slot| roster.get(slot)) {
            self.commands.push(Command::Close { id });
        }
        let (roster, gates) = (&self.roster, &self.gates);
        let may_pass = |slot: &SlotName| roster.get(slot).is_some() && !gates.is_shut(slot);
        self.addresses.connections(reset, events, now, may_pass);
        self.show_out_crowds(reset, events, now);
        if reset && self.catch_up == CatchUp::FirstList {
            self.first_list(slots.iter().cloned().collect(), now);
        }
        self.moving.append(&mut slots);
        self.move_gates(now);
    }

    /// A core that counts users told what they have moved in all.
    fn counters(&mut self, users: &[Counter], fallen: Fallen, now: Moment) {
        let (roster, departed) = (&self.roster, &self.departed);
        let ours = |slot: &SlotName| roster.get(slot).is_some() || departed.contains(slot);
        let moved = self.tally.counters(users, fallen, ours);
        let mut slots = BTreeSet::new();
        for (slot, bytes) in moved.slots {
            // A shut gate refuses new connections; these are older.
            if self.gates.is_shut(&slot) {
                self.tally.overshot(bytes);
            }
            self.rates.add(&slot, bytes);
            self.active.insert(slot.clone(), now);
            slots.insert(slot);
        }
        self.active.retain(|_, last| now.since(*last) < ACTIVE);
        let sum = |of: fn(&Counter) -> u64| users.iter().fold(0_u64, |sum, user| sum.saturating_add(of(user)));
        self.totals = (sum(|user| user.up), sum(|user| user.down));
        self.credited(&slots, now);
        if self.catch_up == CatchUp::FirstList {
            self.first_list(slots.iter().cloned().collect(), now);
        }
        self.moving.append(&mut slots);
        self.move_gates(now);
    }

    /// These slots have moved bytes.
    fn credited(&mut self, slots: &BTreeSet<SlotName>, now: Moment) {
        for slot in slots {
            self.unreported.entry(slot.clone()).or_insert(now);
            self.decide(slot, now);
        }
    }

    /// Ends connections of those who have too many devices or connections.
    fn show_out_crowds(&mut self, reset: bool, events: &[ConnectionEvent], now: Moment) {
        let (roster, gates, addresses) = (&self.roster, &self.gates, &self.addresses);
        let allowance = |slot: &SlotName| roster.get(slot).filter(|_| !gates.is_shut(slot)).map(allowance);
        let network = |origin: &Origin| addresses.network_of(origin);
        let over = self.presence.connections(reset, events, now, network, allowance);
        self.commands.extend(over.into_iter().map(|id| Command::Close { id }));
        if self.presence.is_waiting() {
            self.fast_until = self.fast_until.max(now.plus(STORM_LASTS));
        }
    }

    pub(super) fn cut(&mut self, slots: Vec<SlotName>, to: Stamp, made: Option<Moment>) {
        for slot in &slots {
            self.unreported.remove(slot);
        }
        self.outbox.cut(&mut self.tally, slots, to, made, &mut self.books.batch);
    }

    pub(super) fn cut_all(&mut self, now: Moment) {
        self.end_quarter(now);
        let slots = self.unreported.keys().cloned().collect();
        self.cut(slots, Stamp::Boot(now), Some(now));
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, reading: Reading) {
        let now = reading.now;
        self.look_at_suspension(reading);
        self.rates.tick(now.since(self.ticked));
        self.end_quarter(now);
        self.ticked = now;
        for slot in core::mem::take(&mut self.moving) {
            if self.is_near(&slot, now) {
                self.fast_until = now.plus(NEAR_SECONDS * 1_000);
            }
        }
        for id in self.presence.tick() {
            self.commands.push(Command::Close { id });
            // Those who come again meanwhile wait for the next tick.
            self.fast_until = self.fast_until.max(now.plus(STORM_LASTS));
        }
        let tick = if now < self.fast_until { FAST } else { SLOW };
        if tick != self.tick {
            self.tick = tick;
            self.commands.push(Command::SetTick(tick));
        }
        let ended = self.next_end.is_some_and(|end| self.clock.second(now) >= end);
        if ended || now.since(self.looked_at_all) >= LOOK_AT_ALL {
            self.decide_all(now);
        }
        self.move_gates(now);
        self.look_at_file(now);
    }

    /// No parcel may reach over a quarter-hour of the panel's clock: every billing period ends on one. Goes before every cut,
    /// because a sync may come sooner after the end than a tick.
    pub(super) fn end_quarter(&mut self, now: Moment) {
        let quarter = self.clock.second(now).quarter();
        let looked = core::mem::replace(&mut self.looked_at_quarter, now);
        if self.clock.second(looked).quarter() < quarter && !self.unreported.is_empty() {
            let boundary = self.clock.moment(quarter);
            let slots = self.unreported.keys().cloned().collect();
            self.cut(slots, Stamp::Quarter(boundary, quarter), Some(now));
        }
    }

    fn is_near(&mut self, slot: &SlotName, now: Moment) -> bool {
        let ahead = self.rates.of(slot).saturating_mul(NEAR_SECONDS);
        let left = self.left(slot, now);
        self.roster.is_open(slot, self.clock.second(now)) && left.is_some_and(|left| left <= ahead)
    }
}

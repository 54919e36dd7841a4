//! What happens at the panel without a node: days begin, jobs run by the clock, persons change users, clients fetch.

#![expect(
    clippy::indexing_slicing,
    reason = "users, lines and nodes are named by the indices that the world handed out"
)]

use weir_wire::pace::GAP;
use weir_wire::roster::PAGE;

use crate::cost::{self, For, Spent};
use crate::dice::Dice;
use crate::number::{real, whole};
use crate::shape::{self, DAY, HOUR, MINUTE};
use crate::world::{ROUND_TRIP, What, World};

/// Accounts that are made, paid for again or come to their end on a day: a thirtieth of all, as of plans by the month.
const DEEDS: f64 = 1.0 / 30.0;
/// Of these: renewed; of the rest one half is new and one half ends.
const RENEWED: f64 = 0.6;
/// Fetches of a subscription by each active user: his client asks every 12 hours.
const FETCHES: u64 = 2;
/// Pages that operators open in a day, besides one for every hundred users.
const PAGES: u64 = 200;
/// Jobs that run every five minutes: alerts, plans, pool, reports, sweep.
const JOBS: u64 = 5;
const EVERY: u64 = 5 * MINUTE;
/// Periods that one run of the sweep ends: nine chunks of 500 within its queries (src/cron/sweep.rs).
const SWEPT: usize = 4_500;
/// Instances of the Worker that tell what they spent, every ten minutes. An assumption.
const INSTANCES: u64 = 4;
const CHANCE: u64 = 4 << 40;

/// What a person or the clock does to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// A new user.
    Create(u32),
    /// Paid for again: his month begins anew.
    Renew(u32),
    /// It has expired.
    Expire(u32),
}

impl World {
    /// A day begins: who connects on it, and what persons do, is drawn.
    pub(crate) fn day(&mut self, now: u64) {
        let number = now / DAY;
        let mut sessions = core::mem::take(&mut self.sessions);
        for user in 0..self.users.len() {
            let mut dice = self.dice.fork(CHANCE + (number << 40) + user as u64);
            let one = &self.users[user];
            if one.ended || !(one.person.always_on || dice.happens(self.args.active)) {
                continue;
            }
            shape::sessions(&one.person, one.lines(), now, &mut dice, &mut sessions);
            self.out.active += 1;
            self.clients(now, &mut dice);
        }
        sessions.sort_unstable_by(|a, b| b.cmp(a));
        self.sessions = sessions;
        self.persons(now);
        self.plan(now + DAY, What::Day);
    }

    /// Subscription fetches and webhooks of one user: nothing else depends on them.
    fn clients(&mut self, now: u64, dice: &mut Dice) {
        for _ in 0..FETCHES {
            let at = now + shape::moment(dice);
            self.out.request(at);
            self.spend(at, For::Subscriptions, &cost::FETCH, 1);
            self.spend(at, For::History, &cost::FETCH_FORGOTTEN, 1);
            self.out.fetches += 1;
        }
        for _ in 0..self.args.webhooks {
            let at = now + shape::moment(dice);
            self.out.request(at);
            self.spend(at, For::Webhooks, &cost::WEBHOOK, 1);
            self.spend(at, For::Webhooks, &cost::WEBHOOK_FOLDED, 1);
        }
    }

    fn persons(&mut self, now: u64) {
        let users = self.users.len() as u64;
        let mut dice = self.dice.fork((1 << 60) + now / DAY);
        for _ in 0..PAGES + users / 100 {
            let at = now + shape::moment(&mut dice);
            self.out.request(at);
            self.spend(at, For::Persons, &cost::PAGE, 1);
        }
        let count = real(users) * DEEDS;
        let count = whole(count) + u64::from(dice.happens(count.fract()));
        for _ in 0..count {
            let at = now + shape::moment(&mut dice);
            let user = u32::try_from(dice.below(users)).unwrap_or(0);
            let deed = if dice.happens(RENEWED) {
                Deed::Renew(user)
            } else if dice.happens(0.5) {
                Deed::Create(user)
            } else {
                Deed::Expire(user)
            };
            self.deeds.push((at, deed));
        }
        self.deeds.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Carries out what was drawn. Every change puts the slot into the next roster of all nodes, and rings them.
    pub(crate) fn deed(&mut self, now: u64, deed: Deed) {
        let (Deed::Create(number) | Deed::Renew(number) | Deed::Expire(number)) = deed;
        for id in self.users[number as usize].lines() {
            self.count(id, now);
        }
        let user = &mut self.users[number as usize];
        match deed {
            Deed::Expire(_) => {
                // The sweep is called for the second at which it is due.
                user.ended = true;
                user.account.open = false;
                self.spend(now, For::Periods, &cost::JOB, 1);
                self.spend(now, For::Periods, &cost::SWEEP, 1);
                self.spend(now, For::Periods, &cost::EXPIRY, 1);
            }
            Deed::Create(_) | Deed::Renew(_) => {
                user.ended = false;
                user.account.open = true;
                user.account.month = 0;
                user.passed = 0;
                let price = if matches!(deed, Deed::Create(_)) { &cost::CREATE } else { &cost::CHANGE };
                self.out.request(now);
                self.spend(now, For::Persons, price, 1);
            }
        }
        self.change(number);
        self.out.changes += 1;
        self.rings.push(None);
    }

    /// Every node but one is rung, and syncs as soon as it may.
    pub(crate) fn ring(&mut self, now: u64, but: Option<u32>) {
        self.out.bell += 1;
        let mut ring = Spent::default();
        ring.add(&cost::RING, 1);
        self.out.spend(now, For::Roster, ring);
        self.hear(now, |number, _| Some(number) != but);
    }

    /// Nodes sync because they were rung. Those for which nothing follows, which are nearly all, are gone through at once:
    /// with thousands of nodes and rings most of a day is this.
    pub(crate) fn hear(&mut self, now: u64, whom: impl Fn(u32, usize) -> bool) {
        let is_planned = self.rung_again;
        let (newest, rest) = (self.roster.len(), self.args.policy.rest());
        let (mut syncs, mut seen, mut rosters, mut entries) = (0, 0, 0, 0);
        let mut others = Vec::new();
        for (number, node) in (0..).zip(&mut self.nodes) {
            let changes = newest - node.held;
            if !whom(number, changes) {
                continue;
            }
            if node.not_before > now {
                self.rung_again |= changes > 0;
            } else if now >= node.idle_until || changes > PAGE {
                others.push(number);
            } else {
                syncs += 1;
                seen += u64::from(node.see(now));
                rosters += u64::from(changes > 0);
                entries += changes as u64;
                node.held = newest;
                node.heard(now, rest);
            }
        }
        self.out.requests(now, syncs);
        self.spend(now, For::Polling, &cost::SYNC, syncs);
        self.spend(now, For::Polling, &cost::SEEN, seen);
        self.spend(now, For::Roster, &cost::ROSTER, rosters);
        self.spend(now, For::Roster, &cost::ROSTER_ENTRY, entries);
        for number in others {
            self.sync(number, now);
        }
        if self.rung_again && !is_planned {
            self.plan(now + ROUND_TRIP + GAP, What::RingAgain);
        }
    }

    /// The trigger: looks which jobs are due, and runs them.
    pub(crate) fn minute(&mut self, now: u64) {
        let users = self.users.len() as u64;
        let nodes = self.nodes.len() as u64;
        self.out.request(now);
        self.spend(now, For::Jobs, &cost::LOOK, 1);
        if now.is_multiple_of(EVERY) {
            self.spend(now, For::Jobs, &cost::JOB, JOBS);
            self.spend(now, For::Jobs, &cost::SWEEP, 1);
            self.spend(now, For::Jobs, &cost::CURSOR, 1);
            // Alerts look at each node and job (src/store/alerts.rs), the pool at half of its vacant slots (src/store/slots.rs).
            self.read(now, For::Jobs, 2 + 4 * nodes + 13 + (users / 20).max(32));
        } else if !self.due.is_empty() {
            self.spend(now, For::Periods, &cost::JOB, 1);
        }
        if now.is_multiple_of(2 * EVERY) {
            self.spend(now, For::Jobs, &cost::TELL, INSTANCES);
        }
        if now.is_multiple_of(HOUR) {
            // The dashboard's count, and the hour of webhooks.
            self.spend(now, For::Jobs, &cost::CURSOR, 2);
            self.read(now, For::Jobs, users + 60);
        }
        if now % DAY == 2 * HOUR {
            self.daily(now, users, nodes);
        }
        self.sweep(now);
        self.plan(now + MINUTE, What::Minute);
    }

    /// Roll-up, retention, packages, backup's look, and the daily report.
    fn daily(&mut self, now: u64, users: u64, nodes: u64) {
        self.spend(now, For::Jobs, &cost::JOB, 5);
        self.read(now, For::Jobs, 3 * users + 5 * nodes);
        let marks = nodes;
        self.spend(now, For::Jobs, &cost::CURSOR, marks);
        // In the long run a day's roll-up folds as many hours as a day makes; the close of the run enters them.
        self.out.rollups += 1;
    }

    fn read(&mut self, now: u64, purpose: For, rows: u64) {
        let mut spent = Spent::default();
        spent.read(rows);
        self.out.spend(now, purpose, spent);
    }

    /// Ends periods, as many as one run may; the rest waits a minute.
    fn sweep(&mut self, now: u64) {
        let mut ended = 0;
        while ended < SWEPT {
            let Some(number) = self.due.pop_front() else { break };
            ended += 1;
            self.spend(now, For::Periods, &cost::PERIOD, 1);
            if self.begin_period(number, now) == Some(true) {
                self.spend(now, For::Periods, &cost::SWEPT_GATE, 1);
            }
        }
        if ended > 0 {
            self.rings.push(None);
        }
    }
}

//! The world: users, nodes, the panel's database, and the clock that goes from event to event.

#![expect(
    clippy::indexing_slicing,
    reason = "users, lines and nodes are named by the indices that this file handed out"
)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use weir_wire::grant::{Account, Asked, COEFFICIENT_ONE};

use crate::args::Args;
use crate::cost::{For, Price, Spent};
use crate::dice::Dice;
use crate::line::{Line, NEVER};
use crate::node::Node;
use crate::number::{real, small, whole};
use crate::outcome::Outcome;
use crate::shape::{self, DAY, HOUR, MINUTE, Person, Session};

/// Milliseconds from a sync to its answer.
pub(crate) const ROUND_TRIP: u64 = 80;
/// Every period ends on one.
pub(crate) const QUARTER: u64 = 15 * MINUTE;
/// A billing period.
const MONTH: u64 = 30 * DAY;
/// Salts of the streams of chance.
const TRAITS: u64 = 1 << 40;
const WARM: u64 = 2 << 40;

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) account: Account<u8>,
    pub(crate) person: Person,
    /// His lines are `first..first + person.nodes`.
    pub(crate) first: u32,
    pub(crate) period_start: u64,
    pub(crate) period_end: u64,
    pub(crate) called_at: u64,
    /// What has really passed in this period.
    pub(crate) passed: u64,
    /// His account has expired.
    pub(crate) ended: bool,
}

impl User {
    pub(crate) fn lines(&self) -> core::ops::Range<u32> {
        self.first..self.first + self.person.nodes
    }
}

/// What happens at a moment; of the same moment in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Quarter,
    Day,
    /// A trigger of the Worker.
    Minute,
    /// Those who were rung in the middle of a sync.
    RingAgain,
    End(u32, u32),
    Cut(u32, u32),
    Near(u32, u32),
    /// A grant of a line has ended.
    Renew(u32),
    Poll(u32),
    Wake(u32),
}

pub(crate) struct World {
    pub(crate) args: Args,
    pub(crate) dice: Dice,
    pub(crate) users: Vec<User>,
    pub(crate) lines: Vec<Line>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) events: BinaryHeap<Reverse<(u64, What)>>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) deeds: Vec<(u64, crate::panel::Deed)>,
    /// The users whom each change of the roster concerns.
    pub(crate) roster: Vec<u32>,
    /// Rings that are to be heard: `(but, )` the node that hears of it by its answer.
    pub(crate) rings: Vec<Option<u32>>,
    pub(crate) rung_again: bool,
    pub(crate) due: VecDeque<u32>,
    pub(crate) out: Outcome,
}

impl World {
    pub(crate) fn new(args: &Args) -> Self {
        let dice = Dice::new(args.seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let mut world = Self {
            args: args.clone(),
            users: Vec::with_capacity(args.users as usize),
            lines: Vec::new(),
            nodes: Vec::new(),
            events: BinaryHeap::new(),
            sessions: Vec::new(),
            deeds: Vec::new(),
            roster: Vec::new(),
            rings: Vec::new(),
            rung_again: false,
            due: VecDeque::new(),
            out: Outcome::new(args),
            dice,
        };
        for number in 0..args.nodes {
            let mut dice = world.dice.fork(3 << 40 | u64::from(number));
            let next = dice.below(args.policy.rest());
            world.nodes.push(Node { n: 1, next, wake: NEVER, dice: Some(dice), ..Node::default() });
            world.plan(next, What::Poll(number));
        }
        for number in 0..args.users {
            world.enter(number);
        }
        for at in [What::Quarter, What::Day, What::Minute] {
            world.plan(0, at);
        }
        world
    }

    /// A user as he stands on some day of his month: he has used his share of it, and nodes where he was on the last day hold
    /// limits that they were given at some moment of it.
    fn enter(&mut self, number: u32) {
        let mut dice = self.dice.fork(TRAITS | u64::from(number));
        let person = Person::draw(&mut dice, &self.args);
        let mut warm = self.dice.fork(WARM | u64::from(number));
        let days_left = if self.args.month_end { 0 } else { warm.below(30) };
        let used = real(person.daily) * self.args.active * real(30 - days_left) * (0.7 + 0.6 * warm.part());
        let month = if person.quota > 0 { whole(used).min(person.quota) } else { whole(used) };
        let mut account =
            Account { open: true, monthly_quota: person.quota, month, lifetime: month, ..Account::default() };
        account.open = !account.is_used_up();
        let first = small(self.lines.len());
        let home = warm.below(u64::from(self.args.nodes));
        for index in 0..person.nodes {
            let node = (home + u64::from(index)) % u64::from(self.args.nodes);
            let id = small(self.lines.len());
            let mut line = Line::new(number, u32::try_from(node).unwrap_or(0), account.open);
            // Asked for at its first byte, and again whenever a grant has ended.
            let phase = shape::moment(&mut warm);
            let key = u8::try_from(index).unwrap_or(0);
            // Of those who were not there yesterday nobody holds anything.
            if person.always_on || warm.happens(self.args.active) {
                let asked = Asked { n: 1, ..Asked::default() };
                line.limit = account.ask(&key, asked, COEFFICIENT_ONE, self.args.rules).unwrap_or(0);
                line.recorded = line.limit;
                if account.open {
                    self.plan(phase, What::Renew(id));
                }
            } else {
                line.let_go();
            }
            self.lines.push(line);
        }
        let period_end = days_left * DAY;
        self.users.push(User {
            account,
            person,
            first,
            period_start: 0,
            period_end,
            called_at: 0,
            passed: month,
            ended: false,
        });
    }

    pub(crate) fn plan(&mut self, at: u64, what: What) {
        self.events.push(Reverse((at, what)));
    }

    pub(crate) fn spend(&mut self, now: u64, purpose: For, price: &Price, count: u64) {
        let mut spent = Spent::default();
        spent.add(price, count);
        self.out.spend(now, purpose, spent);
    }

    /// Runs all days; `told` hears of each hour that has passed.
    pub(crate) fn run(mut self, mut told: impl FnMut(u64)) -> Outcome {
        let end = u64::from(self.args.days) * DAY;
        let mut hour = 0;
        loop {
            let next = self.events.peek().map_or(NEVER, |Reverse((at, _))| *at);
            let session = self.sessions.last().map_or(NEVER, |session| session.from);
            let deed = self.deeds.last().map_or(NEVER, |(at, _)| *at);
            let now = next.min(session).min(deed);
            if now >= end {
                break;
            }
            if now / HOUR > hour {
                hour = now / HOUR;
                told(hour);
            }
            // What ends at a moment comes before what begins.
            if next <= now {
                if let Some(Reverse((_, what))) = self.events.pop() {
                    self.happen(now, what);
                }
            } else if session <= now {
                if let Some(session) = self.sessions.pop() {
                    self.begin(now, session);
                }
            } else if let Some((_, deed)) = self.deeds.pop() {
                self.deed(now, deed);
            }
            while let Some(but) = self.rings.pop() {
                self.ring(now, but);
            }
        }
        self.close(end);
        self.out
    }

    fn close(&mut self, end: u64) {
        for id in 0..small(self.lines.len()) {
            self.count(id, end);
        }
        let waiting = self.nodes.iter().flat_map(|node| &node.parcels).flat_map(|parcel| &parcel.users);
        let waiting: u64 = waiting.map(|(_, bytes, _)| bytes).sum();
        self.out.unreported = waiting + self.lines.iter().map(|line| line.unreported).sum::<u64>();
        self.out.close(self.lines.len());
    }

    fn happen(&mut self, now: u64, what: What) {
        match what {
            What::Quarter => self.quarter(now),
            What::Day => self.day(now),
            What::Minute => self.minute(now),
            What::RingAgain => {
                self.rung_again = false;
                self.hear(now, |_, changes| changes > 0);
            }
            What::End(id, stamp) => self.end(id, stamp, now),
            What::Cut(id, stamp) => {
                if self.lines[id as usize].stamp == stamp {
                    self.cut_off(id, now);
                }
            }
            What::Near(id, stamp) => {
                if self.lines[id as usize].stamp == stamp {
                    self.want(id, now);
                }
            }
            What::Renew(id) => self.renew(id, now),
            What::Poll(node) => {
                let next = self.nodes[node as usize].next;
                if next <= now {
                    self.sync(node, now);
                }
                let next = self.nodes[node as usize].next;
                self.plan(next, What::Poll(node));
            }
            What::Wake(node) => {
                if self.nodes[node as usize].wake == now {
                    self.nodes[node as usize].wake = NEVER;
                    self.sync_soon(node, now);
                }
            }
        }
    }

    /// A user's slot is in the next roster of every node; those that know him have something to do with it.
    pub(crate) fn change(&mut self, number: u32) {
        self.roster.push(number);
        for id in self.users[number as usize].lines() {
            let node = self.lines[id as usize].node;
            self.nodes[node as usize].busy_at(0);
        }
    }

    /// A new period begins for a user, if his has ended. Returns whether his gate opens.
    pub(crate) fn begin_period(&mut self, number: u32, now: u64) -> Option<bool> {
        let user = &mut self.users[number as usize];
        if user.period_end > now {
            return None;
        }
        user.period_start = user.period_end;
        user.period_end += MONTH;
        user.account.month = 0;
        let opens = !user.account.open && !user.ended;
        if opens {
            user.account.open = true;
            self.change(number);
        }
        Some(opens)
    }
}

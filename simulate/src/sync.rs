//! A sync: what the agent puts into it, what the panel does with it, and what follows from the answer.

#![expect(
    clippy::indexing_slicing,
    reason = "users, lines and nodes are named by the indices that the world handed out"
)]

use std::cmp::Reverse;

use weir_wire::address::{MAX_ADDRESS_SETS, TELL_AGAIN, WINDOW};
use weir_wire::grant::{Asked, COEFFICIENT_ONE};
use weir_wire::pace::{self, GAP, GRANT_LASTS, MOST_WAITING};
use weir_wire::roster::PAGE;
use weir_wire::sync::MAX_ASKS;

use crate::cost::{self, For};
use crate::dice::Dice;
use crate::line::NEVER;
use crate::node::{Node, Parcel};
use crate::number::small;
use crate::shape::{DAY, HOUR, MINUTE, SECOND};
use crate::world::{ROUND_TRIP, What, World};

/// As the agent tells addresses, in milliseconds.
pub(crate) const TELL_REST: u64 = weir_wire::address::TELL_REST.unsigned_abs() * SECOND;
pub(crate) const TELL_COUNTS: u64 = WINDOW.unsigned_abs() * SECOND;
const AGAIN: u64 = TELL_AGAIN.unsigned_abs() * SECOND;
/// Between two calls for the grants that other nodes hold of the same user.
const CALLED: u64 = 30 * SECOND;

impl Node {
    /// The answer has come.
    pub(crate) fn heard(&mut self, sent: u64, rest: u64) {
        self.n += 1;
        let heard = sent + ROUND_TRIP;
        let jitter = self.dice.as_mut().map_or(0, Dice::jitter);
        self.not_before = heard + GAP;
        self.next = heard + pace::spread(rest, jitter);
    }

    /// Whether the panel stores how the node is: it was a minute ago, or another roster is held since.
    pub(crate) fn see(&mut self, now: u64) -> bool {
        let is_news = self.seen_at + MINUTE <= now || self.stored != self.held;
        if is_news {
            self.seen_at = now;
            self.stored = self.held;
        }
        is_news
    }
}

impl World {
    pub(crate) fn sync(&mut self, number: u32, now: u64) {
        let node = number as usize;
        self.out.request(now);
        self.spend(now, For::Polling, &cost::SYNC, 1);

        let asks = self.asks(node, now);
        self.cut_due(node, &asks, now);
        let report = self.nodes[node].parcels.pop_front();
        let has_report = report.is_some();
        if let Some(parcel) = report {
            self.apply(node, &parcel, now);
        }
        let starving = self.answer(node, &asks, now);
        self.see(node, has_report || starving, now);
        self.take_addresses(node, now);
        self.take_roster(node, has_report, now);

        let policy = self.args.policy;
        let at = &mut self.nodes[node];
        at.heard(now, policy.rest());
        at.look(policy.report_age());
        let (not_before, more) = (at.not_before, !at.parcels.is_empty());
        if more {
            self.wake(number, not_before);
        } else {
            let lines = &self.lines;
            let soonest = self.nodes[node].wanted.iter().map(|id| lines[*id as usize].not_before).min();
            if let Some(soonest) = soonest {
                self.wake(number, soonest.max(not_before));
            }
        }
    }

    /// The lines that this sync asks for, nearest to their limit first.
    fn asks(&mut self, node: usize, now: u64) -> Vec<u32> {
        let wanted = core::mem::take(&mut self.nodes[node].wanted);
        let mut asks = Vec::new();
        for id in wanted {
            self.count(id, now);
            let line = &mut self.lines[id as usize];
            if let Some(left) = line.reason(ROUND_TRIP) {
                asks.push((left, id));
            } else {
                line.wanted = false;
            }
        }
        asks.sort_unstable();
        let late = asks.split_off(asks.len().min(MAX_ASKS));
        self.nodes[node].wanted = asks.iter().chain(&late).map(|(_, id)| *id).collect();
        asks.into_iter().map(|(_, id)| id).collect()
    }

    /// Cuts what has to be reported: much, old, or of a line that nears its limit.
    fn cut_due(&mut self, node: usize, asks: &[u32], now: u64) {
        if self.nodes[node].parcels.len() >= MOST_WAITING {
            return;
        }
        let policy = self.args.policy;
        let mut ids = Vec::new();
        while let Some((since, id)) = self.nodes[node].old.front().copied() {
            let is_void = self.lines[id as usize].oldest != since;
            if !is_void {
                self.count(id, now);
                if !self.lines[id as usize].is_due(&policy, now) {
                    break;
                }
                ids.push(id);
            }
            self.nodes[node].old.pop_front();
        }
        while let Some(Reverse((at, id))) = self.nodes[node].much.peek().copied() {
            if at > now {
                break;
            }
            self.nodes[node].much.pop();
            self.count(id, now);
            if self.lines[id as usize].is_due(&policy, now) {
                ids.push(id);
            }
        }
        ids.extend(asks.iter().filter(|id| {
            let line = &self.lines[**id as usize];
            policy.is_last(line.unreported, line.limit, line.count)
        }));
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            self.cut(node, &ids, now);
        }
    }

    /// The panel applies a report.
    fn apply(&mut self, node: usize, parcel: &Parcel, now: u64) {
        self.spend(now, For::Reports, &cost::REPORT, 1);
        self.spend(now, For::Reports, &cost::REPORT_USER, parcel.users.len() as u64);
        self.out.report(parcel.users.len());
        let before = parcel.to.saturating_sub(1);
        let hour = small((before / HOUR) as usize);
        let day = small((before / DAY) as usize);
        for (id, bytes, oldest) in &parcel.users {
            self.out.told(*bytes, now - oldest);
            let line = &mut self.lines[*id as usize];
            if line.hour != hour {
                line.hour = hour;
                self.out.hours += 1;
            }
            if line.day != day {
                line.day = day;
                self.out.line_days += 1;
            }
            let user = line.user;
            let late = parcel.to <= self.users[user as usize].period_start && parcel.to > 0;
            if !late && before >= self.users[user as usize].period_end && self.begin_period(user, before).is_some() {
                self.spend(now, For::Periods, &cost::ROLL, 1);
            }
            let key = self.key(*id);
            let account = &mut self.users[user as usize].account;
            let month = account.month;
            account.report(&key, *bytes, COEFFICIENT_ONE);
            if late {
                account.month = month;
            }
            if account.open && account.is_used_up() {
                account.open = false;
                self.change(user);
                self.out.limited += 1;
                self.spend(now, For::Periods, &cost::GATE, 1);
                self.look_at_overshoot(user);
            }
        }
        self.nodes[node].seen_at = now;
        self.nodes[node].stored = self.nodes[node].held;
    }

    /// Which of his lines.
    pub(crate) fn key(&self, id: u32) -> u8 {
        let first = self.users[self.lines[id as usize].user as usize].first;
        u8::try_from(id - first).unwrap_or(0)
    }

    /// The panel answers asks. Returns whether anybody starves while other nodes hold grants of his.
    fn answer(&mut self, node: usize, asks: &[u32], now: u64) -> bool {
        if asks.is_empty() {
            return false;
        }
        self.spend(now, For::Grants, &cost::ASKS, 1);
        self.spend(now, For::Grants, &cost::ASK, asks.len() as u64);
        let (n, rules, longest) = (self.nodes[node].n + 1, self.args.rules, self.args.policy.rest());
        let mut starves = false;
        for id in asks {
            let key = self.key(*id);
            let line = &mut self.lines[*id as usize];
            let (user, count, stated) = (line.user as usize, line.count, line.limit);
            let account = &mut self.users[user].account;
            let others = account.out - account.entries.get(&key).map_or(0, |entry| entry.spendable);
            let gives_back = core::mem::replace(&mut line.gives_back, false);
            let asked = Asked { n, count, held: stated, gives_back };
            let Some(limit) = account.ask(&key, asked, COEFFICIENT_ONE, rules) else { continue };
            let better = limit > stated && limit > count;
            line.recorded = stated.max(limit);
            let settled = line.recorded == limit && limit > count;
            (line.limit, line.granted, line.pressed) = (limit, now, false);
            if limit != stated {
                line.set = now;
            }
            line.shut = limit <= count && !line.let_go;
            if better || settled || line.let_go {
                (line.pause, line.not_before) = (0, 0);
            } else {
                line.pause = pace::next_pause(line.pause, longest);
                line.not_before = now + ROUND_TRIP + line.pause;
            }
            let hungry = &mut self.users[user];
            if hungry.account.open && !gives_back && limit <= count && others > 0 && hungry.called_at + CALLED <= now {
                hungry.called_at = now;
                starves = true;
                self.change(small(user));
                self.spend(now, For::Grants, &cost::STARVING, 1);
            }
            self.plan(now + GRANT_LASTS, What::Renew(*id));
            self.flow(*id, now);
        }
        // Who needs nothing more is not asked for with the next sync.
        let mut wanted = core::mem::take(&mut self.nodes[node].wanted);
        wanted.retain(|id| {
            let line = &mut self.lines[*id as usize];
            line.wanted = line.reason(ROUND_TRIP).is_some();
            line.wanted
        });
        self.nodes[node].wanted = wanted;
        if starves {
            self.rings.push(Some(small(node)));
        }
        starves
    }

    /// How the node is, is stored when that is news.
    fn see(&mut self, node: usize, stored_already: bool, now: u64) {
        if !stored_already && self.nodes[node].see(now) {
            self.spend(now, For::Polling, &cost::SEEN, 1);
        }
    }

    fn take_addresses(&mut self, node: usize, now: u64) {
        let today = small((now / DAY) as usize);
        let (mut sets, mut same) = (0, 0);
        while sets < MAX_ADDRESS_SETS {
            let Some(Reverse((at, id))) = self.nodes[node].told.peek().copied() else { break };
            if at > now {
                break;
            }
            self.nodes[node].told.pop();
            let line = &mut self.lines[id as usize];
            if line.tell_at != at {
                continue;
            }
            let is_there = line.rate > 0 || now < line.until + TELL_COUNTS;
            if !is_there && !line.told {
                line.tell_at = NEVER;
                continue;
            }
            sets += 1;
            // The process that told it is heard, so it stands as it is.
            same += usize::from(is_there && line.told && line.told_day == today);
            (line.told, line.told_at, line.told_day, line.tell_at) = (is_there, now, today, NEVER);
            if is_there {
                let again = if line.rate > 0 { now + AGAIN } else { (line.until + TELL_COUNTS).max(now + TELL_REST) };
                line.tell_at = again;
                self.nodes[node].told.push(Reverse((again, id)));
            }
        }
        if sets > 0 {
            self.spend(now, For::Addresses, &cost::ADDRESSES, 1);
            self.spend(now, For::Addresses, &cost::ADDRESS, (sets - same) as u64);
            self.spend(now, For::Addresses, &cost::ADDRESS_SAME, same as u64);
        }
    }

    /// The panel tells a node what has changed, and the node opens, shuts and asks.
    fn take_roster(&mut self, node: usize, has_report: bool, now: u64) {
        let held = self.nodes[node].held;
        let changes = self.roster.len() - held;
        if changes == 0 && !has_report {
            return;
        }
        self.spend(now, For::Roster, &cost::ROSTER, 1);
        if changes > PAGE {
            // The full list, in pages: each is a sync of its own.
            let slots = self.users.len() + self.users.len() / 10;
            let pages = slots.div_ceil(PAGE) as u64;
            self.out.requests(now, pages - 1);
            self.spend(now, For::Roster, &cost::SYNC, pages - 1);
            self.spend(now, For::Roster, &cost::ROSTER, pages - 1);
            self.spend(now, For::Roster, &cost::ROSTER_ENTRY, slots as u64);
        } else {
            self.spend(now, For::Roster, &cost::ROSTER_ENTRY, changes as u64);
        }
        self.nodes[node].held = self.roster.len();
        for index in held..self.roster.len() {
            let user = &self.users[self.roster[index] as usize];
            let open = user.account.open;
            for id in user.lines() {
                let line = &mut self.lines[id as usize];
                if line.node as usize != node {
                    continue;
                }
                self.count(id, now);
                let line = &mut self.lines[id as usize];
                line.open = open;
                line.pressed = true;
                if changes <= PAGE {
                    line.give_back(ROUND_TRIP);
                }
                line.not_before = 0;
                let was_wanted = core::mem::replace(&mut line.wanted, true);
                if !was_wanted {
                    self.nodes[node].wanted.push(id);
                }
                self.flow(id, now);
            }
        }
    }
}

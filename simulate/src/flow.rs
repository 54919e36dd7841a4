//! Bytes: sessions begin and end, limits are reached, parcels are cut.

#![expect(
    clippy::indexing_slicing,
    reason = "users, lines and nodes are named by the indices that the world handed out"
)]

use std::cmp::Reverse;

use weir_wire::pace::{self, GRANT_LASTS};

use crate::line::NEVER;
use crate::node::Parcel;
use crate::number::small;
use crate::shape::{DAY, SECOND, Session};
use crate::world::{QUARTER, ROUND_TRIP, What, World};

/// The second that a moment is in.
fn second(at: u64) -> u32 {
    u32::try_from(at / SECOND).unwrap_or(u32::MAX)
}

impl World {
    /// Counts a line's bytes until `now`.
    pub(crate) fn count(&mut self, id: u32, now: u64) {
        let line = &mut self.lines[id as usize];
        let bytes = line.count_to(now);
        self.users[line.user as usize].passed += bytes;
        self.out.generated += bytes;
    }

    pub(crate) fn begin(&mut self, now: u64, session: Session) {
        let id = session.line;
        self.count(id, now);
        let line = &mut self.lines[id as usize];
        if self.users[line.user as usize].ended {
            return;
        }
        (line.rate, line.until) = (session.rate, session.until);
        if line.open && !line.told {
            line.tell_at = now.max(line.told_at.saturating_add(crate::sync::TELL_REST));
            let (node, at) = (line.node as usize, line.tell_at);
            self.nodes[node].told.push(Reverse((at, id)));
            self.nodes[node].busy_at(at);
        }
        self.plan(session.until, What::End(id, second(session.until)));
        self.flow(id, now);
    }

    pub(crate) fn end(&mut self, id: u32, until: u32, now: u64) {
        // A session is known by its end: another one that began meanwhile has another.
        if second(self.lines[id as usize].until) != until {
            return;
        }
        self.count(id, now);
        let line = &mut self.lines[id as usize];
        line.rate = 0;
        line.stamp = line.stamp.wrapping_add(1);
        if line.told {
            line.tell_at = (now + crate::sync::TELL_COUNTS).max(line.told_at + crate::sync::TELL_REST);
            let (node, at) = (line.node as usize, line.tell_at);
            self.nodes[node].told.push(Reverse((at, id)));
            self.nodes[node].busy_at(at);
        }
    }

    /// A line may have begun to flow, or flows with another limit: everything that will come of it is planned anew.
    pub(crate) fn flow(&mut self, id: u32, now: u64) {
        let age = self.args.policy.report_age();
        if self.lines[id as usize].let_go && self.lines[id as usize].rate > 0 && self.lines[id as usize].open {
            self.lines[id as usize].take_floor(self.args.policy.floor.get(), now);
            self.want_soon(id, now);
        }
        let line = &mut self.lines[id as usize];
        line.stamp = line.stamp.wrapping_add(1);
        let (stamp, node) = (line.stamp, line.node as usize);
        if line.rate == 0 {
            return;
        }
        let (near, cut) = (line.near_at(now, ROUND_TRIP), line.cut_at(now));
        if line.flows() {
            if line.oldest == NEVER {
                line.oldest = now;
                self.nodes[node].old.push_back((now, id));
                self.nodes[node].busy_at(now + age);
            }
            let left = self.args.policy.report_bytes.get().saturating_sub(line.unreported);
            let much = now.saturating_add(left.saturating_mul(1_000).div_ceil(line.rate));
            if much < line.oldest.saturating_add(age) {
                self.nodes[node].much.push(Reverse((much, id)));
                self.nodes[node].busy_at(much);
            }
        }
        if let Some(near) = near {
            self.plan(near.max(now), What::Near(id, stamp));
        }
        if let Some(cut) = cut {
            self.plan(cut, What::Cut(id, stamp));
        }
    }

    /// The agent sees that a line is at its limit.
    pub(crate) fn cut_off(&mut self, id: u32, now: u64) {
        self.count(id, now);
        let line = &mut self.lines[id as usize];
        if line.count < line.limit {
            self.flow(id, now);
            return;
        }
        line.shut = true;
        line.stamp = line.stamp.wrapping_add(1);
        let user = line.user;
        self.look_at_overshoot(user);
        self.want(id, now);
    }

    /// A grant lasts a day; the first byte after that asks anew.
    pub(crate) fn renew(&mut self, id: u32, now: u64) {
        let line = &self.lines[id as usize];
        let first = line.granted == NEVER;
        if !line.open || line.wanted || (!first && now < line.granted + GRANT_LASTS) {
            return;
        }
        self.count(id, now);
        let line = &mut self.lines[id as usize];
        line.let_go();
        line.granted = if first { 0 } else { line.granted };
        self.flow(id, now);
    }

    /// The node has to ask for a line with the next sync that it may make.
    fn want_soon(&mut self, id: u32, now: u64) {
        let line = &mut self.lines[id as usize];
        let node = line.node;
        line.not_before = 0;
        if !core::mem::replace(&mut line.wanted, true) {
            self.nodes[node as usize].wanted.push(id);
            self.nodes[node as usize].busy_at(0);
        }
        let at = self.nodes[node as usize].not_before.max(now);
        self.wake(node, at);
    }

    /// The node has to ask for a line.
    pub(crate) fn want(&mut self, id: u32, now: u64) {
        let line = &mut self.lines[id as usize];
        let node = line.node;
        if !line.wanted {
            line.wanted = true;
            self.nodes[node as usize].wanted.push(id);
            self.nodes[node as usize].busy_at(0);
        }
        if line.not_before <= now {
            self.sync_soon(node, now);
        } else {
            let at = line.not_before;
            self.wake(node, at);
        }
    }

    /// Syncs as soon as a node may.
    pub(crate) fn sync_soon(&mut self, node: u32, now: u64) {
        let not_before = self.nodes[node as usize].not_before;
        if not_before <= now { self.sync(node, now) } else { self.wake(node, not_before) }
    }

    pub(crate) fn wake(&mut self, node: u32, at: u64) {
        let known = &mut self.nodes[node as usize].wake;
        if at < *known {
            *known = at;
            self.plan(at, What::Wake(node));
        }
    }

    /// No parcel reaches over a quarter-hour: whatever waits is cut, on every node.
    pub(crate) fn quarter(&mut self, now: u64) {
        for node in 0..self.nodes.len() {
            let old = core::mem::take(&mut self.nodes[node].old);
            let ids: Vec<u32> =
                old.iter().filter(|(since, id)| self.lines[*id as usize].oldest == *since).map(|(_, id)| *id).collect();
            self.nodes[node].much.clear();
            self.cut(node, &ids, now);
        }
        if now.is_multiple_of(DAY) {
            for number in 0..self.users.len() {
                if self.users[number].period_end == now {
                    self.users[number].passed = 0;
                    self.due.push_back(small(number));
                }
            }
        }
        self.plan(now + QUARTER, What::Quarter);
    }

    /// Cuts lines' unreported bytes off into parcels that end now.
    pub(crate) fn cut(&mut self, node: usize, ids: &[u32], now: u64) {
        let mut users = Vec::with_capacity(ids.len());
        for id in ids {
            self.count(*id, now);
            let line = &mut self.lines[*id as usize];
            if line.unreported > 0 {
                users.push((*id, core::mem::take(&mut line.unreported), line.oldest));
            }
            line.oldest = NEVER;
        }
        for part in users.chunks(weir_wire::sync::MAX_USERS) {
            self.nodes[node].parcels.push_back(Parcel { to: now, users: part.to_vec() });
            self.nodes[node].busy_at(0);
        }
        let age = self.args.policy.report_age();
        let bytes = self.args.policy.report_bytes.get();
        for id in ids {
            let line = &mut self.lines[*id as usize];
            if line.flows() && line.until > now {
                line.oldest = now;
                self.nodes[node].old.push_back((now, *id));
                self.nodes[node].busy_at(now + age);
                let much = bytes.saturating_mul(1_000).div_ceil(line.rate);
                if much < age {
                    self.nodes[node].much.push(Reverse((now + much, *id)));
                    self.nodes[node].busy_at(now + much);
                }
            }
        }
    }

    /// What has passed beyond a quota, and whether that is within the bound of what may.
    pub(crate) fn look_at_overshoot(&mut self, user: u32) {
        let user = &self.users[user as usize];
        let quota = user.account.monthly_quota;
        if quota == 0 || user.passed <= quota {
            return;
        }
        let over = user.passed - quota;
        let lines = user.lines().map(|id| &self.lines[id as usize]);
        let rates: u64 = lines.map(|line| pace::passes(line.rate, pace::SLOW_TICK)).sum();
        let bound = u64::from(user.person.nodes) * self.args.policy.floor.get() + rates;
        self.out.overshoot(over, bound);
    }
}

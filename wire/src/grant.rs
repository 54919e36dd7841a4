//! Grants: how several nodes share one quota without asking for every byte.
//!
//! A *limit* is an absolute bound on the bytes that one node counts for one slot in one epoch, so a lost or repeated
//! answer adds nothing. The panel keeps one [`Entry`] per (node, epoch, slot) and, per user, the two sums `known` and
//! `out`; an answer to an ask reads and writes only the asking node's entry and the sums.
//!
//! This is the model of what the panel does in SQL; a test runs both on the same random histories and compares every
//! number. All quantities are integers; those called *charged* are the node's bytes times its coefficient / 1000.

use std::collections::BTreeMap;

use crate::bytes::Bytes;

/// Node coefficient of a node that charges its bytes one to one, in per mille.
pub const COEFFICIENT_ONE: u32 = 1_000;
/// Largest node coefficient, in per mille (100 times). Keeps every product below 2^63.
pub const COEFFICIENT_MAX: u32 = 100_000;

/// The operator's settings for grants, in charged bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The last grants are not halved below this; also what an agent may pass without an answer. Default 1 MiB.
    pub floor: Bytes,
    /// No grant is larger. Default 16 GiB.
    pub largest: Bytes,
}

impl Default for Rules {
    fn default() -> Self {
        Self { floor: Bytes::mib(1), largest: Bytes::gib(16) }
    }
}

/// What the panel knows of one slot on one node in one epoch. `count`, `reported` and `held` are the node's own bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `n` of the last ask that was answered.
    pub n: u64,
    /// The node's cumulative count, as last stated or reported.
    pub count: u64,
    /// Bytes of applied reports.
    pub reported: u64,
    /// The bound that the node may hold.
    pub held: u64,
    /// Charged bytes of `count - reported`: spent, though their report is still to come.
    pub known: u64,
    /// Charged bytes of `held - count`: what the node may still spend without asking.
    pub spendable: u64,
}

/// What a node says of one slot in a sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Number of the sync.
    pub n: u64,
    /// The node's cumulative count.
    pub count: u64,
    /// The limit in force there.
    pub held: u64,
    /// It keeps `held` and wants no more.
    pub gives_back: bool,
}

/// One user's quota, usage and grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account<Key: Ord> {
    /// The gate is open: the user is active.
    pub open: bool,
    /// Charged bytes per period, 0 = unlimited.
    pub monthly_quota: u64,
    /// Charged bytes over the lifetime, 0 = unlimited.
    pub total_quota: u64,
    /// Charged against the monthly quota in the current period.
    pub month: u64,
    /// Charged since the account was made, bonus included.
    pub lifetime: u64,
    /// Bonus bytes left.
    pub bonus_left: u64,
    /// Bonus bytes spent; they count in neither quota.
    pub bonus_spent: u64,
    /// Thousandths of a charged byte carried to the next report, `0..1000`.
    pub remainder: u64,
    /// The sum of the entries' `known`.
    pub known: u64,
    /// The sum of the entries' `spendable`.
    pub out: u64,
    /// One entry per (node, epoch, slot).
    pub entries: BTreeMap<Key, Entry>,
}

/// `bytes * coefficient / 1000`, rounded up, without leaving 64 bits.
#[must_use]
pub const fn charged_up(bytes: u64, coefficient: u32) -> u64 {
    let coefficient = coefficient as u64;
    (bytes / 1_000) * coefficient + ((bytes % 1_000) * coefficient).div_ceil(1_000)
}

/// `bytes * coefficient / 1000` and the thousandths that remain, given those carried from before.
#[must_use]
pub const fn charged_carry(bytes: u64, coefficient: u32, remainder: u64) -> (u64, u64) {
    let coefficient = coefficient as u64;
    let thousandths = (bytes % 1_000) * coefficient + remainder;
    ((bytes / 1_000) * coefficient + thousandths / 1_000, thousandths % 1_000)
}

/// The grant out of `free` charged bytes: half of it, so that several nodes can work; all of it when it is small.
#[must_use]
pub fn grant(free: u64, rules: Rules) -> u64 {
    let floor = rules.floor.get();
    let grant = if free <= floor { free } else { floor.max(free / 2) };
    grant.min(rules.largest.get())
}

/// What a node keeps of the `left` bytes that it may still pass, when the panel makes it ask and it needs no more: nothing
/// where the user `moves` nothing, otherwise half.
///
/// A grant of what is free is all of it below the floor, so a node that asked for its last floor would get it again each
/// time that another one starves. Two nodes that both move a little meet in the middle, and neither calls twice for the
/// same bytes.
#[must_use]
pub const fn kept(left: u64, moves: bool) -> u64 {
    if moves { left / 2 } else { 0 }
}

impl<Key: Ord + Clone> Account<Key> {
    /// What is left of both quotas, without the bonus; `None` when both are unlimited.
    fn quota_left(&self) -> Option<u64> {
        let month = (self.monthly_quota > 0).then(|| self.monthly_quota.saturating_sub(self.month));
        let spent = self.lifetime.saturating_sub(self.bonus_spent);
        let total = (self.total_quota > 0).then(|| self.total_quota.saturating_sub(spent));
        match (month, total) {
            (Some(month), Some(total)) => Some(month.min(total)),
            (one, other) => one.or(other),
        }
    }

    /// Whether a quota is used up and no bonus is left.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.quota_left() == Some(0) && self.bonus_left == 0
    }

    /// Charges `bytes` that a node counted. Bytes beyond the quota come out of the bonus and count in neither quota;
    /// overshoot beyond that counts in both.
    fn charge(&mut self, bytes: u64, coefficient: u32) {
        let (charged, remainder) = charged_carry(bytes, coefficient, self.remainder);
        let within = self.quota_left().map_or(charged, |left| charged.min(left));
        let bonus = (charged - within).min(self.bonus_left);
        self.remainder = remainder;
        self.month += charged - bonus;
        self.lifetime += charged;
        self.bonus_left -= bonus;
        self.bonus_spent += bonus;
    }

    fn put(&mut self, key: &Key, mut entry: Entry, coefficient: u32) {
        let old = self.entries.get(key).copied().unwrap_or_default();
        entry.known = charged_up(entry.count.saturating_sub(entry.reported), coefficient);
        entry.spendable = charged_up(entry.held.saturating_sub(entry.count), coefficient);
        self.known = self.known - old.known + entry.known;
        self.out = self.out - old.spendable + entry.spendable;
        self.entries.insert(key.clone(), entry);
    }

    /// Applies `bytes` of a report: charged, and no longer merely known.
    pub fn report(&mut self, key: &Key, bytes: u64, coefficient: u32) {
        self.charge(bytes, coefficient);
        let mut entry = self.entries.get(key).copied().unwrap_or_default();
        entry.reported += bytes;
        entry.count = entry.count.max(entry.reported);
        self.put(key, entry, coefficient);
    }

    /// Answers an ask with the new limit; `None` when the ask is old.
    ///
    /// The entry remembers the larger of the stated and the new limit: the node may go on holding the old one until it
    /// states the new one in a later ask, because this answer may be lost. A node that gives back has lowered its limit
    /// before it says so, and is granted no more than it states.
    pub fn ask(&mut self, key: &Key, asked: Asked, coefficient: u32, rules: Rules) -> Option<u64> {
        let Asked { n, count, held: stated, gives_back } = asked;
        let mut entry = self.entries.get(key).copied().unwrap_or_default();
        if n <= entry.n {
            return None;
        }
        entry.n = n;
        entry.count = count.max(entry.reported);
        let others = self.out - entry.spendable;
        let known = self.known - entry.known + charged_up(entry.count - entry.reported, coefficient);
        let granted = if !self.open {
            0
        } else if let Some(left) = self.quota_left() {
            grant((left + self.bonus_left).saturating_sub(known).saturating_sub(others), rules)
        } else {
            rules.largest.get()
        };
        let node_bytes = match coefficient {
            _ if granted == 0 => 0,
            0 => rules.largest.get(),
            _ => granted * 1_000 / u64::from(coefficient),
        };
        let most = if gives_back { stated.max(entry.count) } else { u64::MAX };
        let limit = Bytes::saturating(entry.count + node_bytes).get().min(most);
        entry.held = stated.max(limit);
        self.put(key, entry, coefficient);
        Some(limit)
    }

    /// Frees what an entry holds, because 25 hours passed; its unreported bytes stay known.
    pub fn expire(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key) {
            self.out -= entry.spendable;
            entry.held = entry.count;
            entry.spendable = 0;
        }
    }

    /// Frees what an entry holds and forgets what it counted and never reported, because its epoch was left or its node
    /// is gone: those bytes are ambiguous and are never billed.
    pub fn leave(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key) {
            self.out -= entry.spendable;
            self.known -= entry.known;
            *entry = Entry { reported: entry.count, held: entry.count, known: 0, spendable: 0, ..*entry };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_is_free_is_granted_and_the_last_floor_whole() {
        let rules = Rules::default();
        assert_eq!(grant(Bytes::mib(100).get(), rules), Bytes::mib(50).get());
        assert_eq!(grant(Bytes::mib(1).get() + 5, rules), Bytes::mib(1).get());
        assert_eq!(grant(1_000, rules), 1_000);
        assert_eq!(grant(0, rules), 0);
        assert_eq!(grant(Bytes::MAX.get(), rules), Bytes::gib(16).get());
    }

    #[test]
    fn charging_in_pieces_equals_charging_at_once() {
        let (mut pieces, mut carried) = (0, 0);
        for _ in 0..1_000 {
            let (charged, rest) = charged_carry(7, 333, carried);
            pieces += charged;
            carried = rest;
        }
        assert_eq!((pieces, carried), charged_carry(7_000, 333, 0));
    }

    #[test]
    fn bytes_beyond_the_quota_come_out_of_the_bonus_and_then_count_in_both() {
        let mut account =
            Account::<u8> { open: true, monthly_quota: 100, total_quota: 1_000, bonus_left: 30, ..Account::default() };
        account.report(&1, 150, COEFFICIENT_ONE);
        assert_eq!((account.month, account.lifetime), (120, 150));
        assert_eq!((account.bonus_left, account.bonus_spent), (0, 30));
        assert!(account.is_used_up());
    }

    #[test]
    fn a_lowered_limit_is_freed_only_when_the_node_states_it() {
        let rules = Rules { floor: Bytes::saturating(10), largest: Bytes::gib(16) };
        let mut account = Account::<u8> { open: true, monthly_quota: 1_000, ..Account::default() };
        let ask = |account: &mut Account<u8>, node, n, held| {
            account.ask(&node, Asked { n, held, ..Asked::default() }, COEFFICIENT_ONE, rules)
        };
        assert_eq!(ask(&mut account, 1, 1, 0), Some(500));
        account.monthly_quota = 400;
        assert_eq!(ask(&mut account, 1, 2, 500), Some(200));
        assert_eq!(account.out, 500, "the answer may be lost");
        assert_eq!(ask(&mut account, 2, 1, 0), Some(0));
        assert_eq!(ask(&mut account, 1, 3, 200), Some(200));
        assert_eq!(ask(&mut account, 2, 2, 0), Some(100));
    }

    #[test]
    fn a_node_that_is_called_keeps_half_where_the_user_moves_something_and_nothing_where_he_does_not() {
        assert_eq!((kept(1_000, false), kept(999, true), kept(1, true)), (0, 499, 0));
    }

    #[test]
    fn what_is_given_back_is_free_at_once_and_is_not_granted_to_the_giver_again() {
        let rules = Rules { floor: Bytes::saturating(100), largest: Bytes::gib(16) };
        let mut account = Account::<u8> { open: true, monthly_quota: 100, ..Account::default() };
        let mut ask = |node, n, held, gives_back| {
            account.ask(&node, Asked { n, count: 0, held, gives_back }, COEFFICIENT_ONE, rules)
        };
        assert_eq!(ask(1, 1, 0, false), Some(100), "the last floor is granted whole");
        assert_eq!(ask(2, 1, 0, false), Some(0));
        assert_eq!(ask(1, 2, 50, true), Some(50));
        assert_eq!(ask(2, 2, 0, false), Some(50));
        assert_eq!(ask(1, 3, 0, true), Some(0));
        assert_eq!(ask(1, 3, 0, true), None, "a copy of it");
        assert_eq!(ask(2, 3, 50, false), Some(100));
    }
}

//! A line: one user on one node, as the agent there knows him.

use weir_wire::grant::kept;
use weir_wire::pace;
use weir_wire::sync::Policy;

use crate::shape::SECOND;

/// A moment that does not come.
pub(crate) const NEVER: u64 = u64::MAX;

#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own, and any of them may go with any other")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) user: u32,
    pub(crate) node: u32,
    /// Bytes per second of the session, which ends at `until`.
    pub(crate) rate: u64,
    pub(crate) until: u64,
    /// Up to when bytes are counted.
    at: u64,
    /// Thousandths of a byte that the last count left over.
    rest: u64,
    /// Bytes of the epoch.
    pub(crate) count: u64,
    pub(crate) unreported: u64,
    /// When the oldest of them was counted.
    pub(crate) oldest: u64,
    /// The count up to which he may pass, when the answer came, and what the panel has recorded.
    pub(crate) limit: u64,
    pub(crate) granted: u64,
    pub(crate) recorded: u64,
    /// When the limit in force was set: before that he was not near it.
    pub(crate) set: u64,
    /// The roster lets him pass; the limit does not.
    pub(crate) open: bool,
    pub(crate) shut: bool,
    /// The panel wants to know.
    pub(crate) pressed: bool,
    /// Nothing is held: the gate is open, and the next byte takes the floor and asks.
    pub(crate) let_go: bool,
    /// A part of the grant is given back with the next ask.
    pub(crate) gives_back: bool,
    /// He is in his node's list of those who may have to be asked for.
    pub(crate) wanted: bool,
    pub(crate) pause: u64,
    pub(crate) not_before: u64,
    /// Older plans for this line are void.
    pub(crate) stamp: u32,
    /// The set of addresses that the panel knows has somebody, and when it was told.
    pub(crate) told: bool,
    pub(crate) told_at: u64,
    /// The day of the key under which it was.
    pub(crate) told_day: u32,
    /// When it has to be told again.
    pub(crate) tell_at: u64,
    /// The hour and the day in which he was reported last.
    pub(crate) hour: u32,
    pub(crate) day: u32,
}

impl Line {
    pub(crate) const fn new(user: u32, node: u32, open: bool) -> Self {
        Self {
            user,
            node,
            rate: 0,
            until: 0,
            at: 0,
            rest: 0,
            count: 0,
            unreported: 0,
            oldest: NEVER,
            limit: 0,
            granted: NEVER,
            recorded: NEVER,
            set: 0,
            open,
            shut: false,
            pressed: false,
            let_go: false,
            gives_back: false,
            wanted: false,
            pause: 0,
            not_before: 0,
            stamp: 0,
            told: false,
            told_at: 0,
            told_day: u32::MAX,
            tell_at: NEVER,
            hour: u32::MAX,
            day: u32::MAX,
        }
    }

    pub(crate) const fn flows(&self) -> bool {
        self.rate > 0 && self.open && !self.shut
    }

    /// Counts what has flowed until `now`. Returns how much that is.
    pub(crate) fn count_to(&mut self, now: u64) -> u64 {
        let span = now.min(self.until).saturating_sub(self.at);
        self.at = self.at.max(now);
        if !self.flows() {
            return 0;
        }
        let thousandths = self.rate * span + self.rest;
        let bytes = thousandths / 1_000;
        self.rest = thousandths % 1_000;
        self.count += bytes;
        self.unreported += bytes;
        bytes
    }

    /// Bytes that pass until an answer to an ask of now is in force.
    pub(crate) const fn ahead(&self, round_trip: u64) -> u64 {
        if self.flows() { pace::passes(self.rate, pace::until_answered(pace::SLOW_TICK, round_trip)) } else { 0 }
    }

    /// How near he is to his limit, if he has to be asked for at `now`: the agent's reasons, in its order.
    pub(crate) fn reason(&self, round_trip: u64) -> Option<u64> {
        if self.pressed {
            return Some(0);
        }
        let differs = self.recorded != self.limit;
        (differs || self.is_near(round_trip)).then(|| self.limit.saturating_sub(self.count))
    }

    const fn is_near(&self, round_trip: u64) -> bool {
        self.open && !self.let_go && self.uses() && pace::is_near(self.limit, self.count, self.ahead(round_trip))
    }

    /// The panel has touched him, because another node may starve: what is not needed is given back.
    pub(crate) const fn give_back(&mut self, round_trip: u64) {
        let left = self.limit.saturating_sub(self.count);
        if self.let_go {
            self.gives_back = true;
        } else if left > 0 && self.granted != NEVER && !self.is_near(round_trip) {
            let keeps = kept(left, self.rate > 0);
            self.limit = self.count + keeps;
            self.let_go = keeps == 0;
            self.gives_back = true;
        }
    }

    /// Nothing is held any more, and nothing has to be said of it.
    pub(crate) const fn let_go(&mut self) {
        self.limit = self.count;
        self.recorded = self.count;
        self.let_go = true;
        self.shut = false;
    }

    /// The first byte after all was let go: the floor, once until an ask is answered.
    pub(crate) const fn take_floor(&mut self, floor: u64, now: u64) {
        self.limit = self.count + floor;
        self.recorded = NEVER;
        self.let_go = false;
        self.gives_back = false;
        self.set = now;
    }

    /// Whoever reached his limit is asked for while he is shut by it; others who move nothing are never near.
    const fn uses(&self) -> bool {
        self.rate > 0 || self.shut
    }

    /// Whether his bytes go into the report of a sync at `now`.
    pub(crate) const fn is_due(&self, policy: &Policy, now: u64) -> bool {
        self.oldest != NEVER && policy.is_due(self.unreported, now.saturating_sub(self.oldest))
    }

    /// When he will be near his limit, if the session lasts that long.
    pub(crate) fn near_at(&self, now: u64, round_trip: u64) -> Option<u64> {
        let left = self.limit.saturating_sub(self.count).saturating_sub(self.ahead(round_trip));
        self.reached(left, now)
    }

    /// When the agent sees that he is at his limit. It looks at him ten times a second where the limit was near for two
    /// seconds and more, and once a second where it came suddenly.
    pub(crate) fn cut_at(&self, now: u64) -> Option<u64> {
        let at = self.reached(self.limit.saturating_sub(self.count), now)?;
        let sudden = at < self.set + pace::NEAR_SECONDS * SECOND;
        let tick = if sudden { pace::SLOW_TICK } else { pace::FAST_TICK };
        Some(at.next_multiple_of(tick))
    }

    fn reached(&self, left: u64, now: u64) -> Option<u64> {
        if !self.flows() {
            return None;
        }
        let at = now.saturating_add(left.saturating_mul(1_000).div_ceil(self.rate));
        (at < self.until).then_some(at)
    }
}

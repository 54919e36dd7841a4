//! What the core counted and no connection told: the error of the accounting, stated instead of hidden.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// Observations that must agree before a gap is taken as lasting.
const AGREEING: usize = 5;
/// Milliseconds between observations that count separately: a burst after a stall is one observation, not many.
const APART: u64 = 900;
/// Milliseconds within which connections tell what they moved before a total. A list that comes sooner may name only those
/// that began or ended.
const TOLD_WITHIN: u64 = 500;
/// So many totals in a row without a byte: everything has been told.
const RESTING: u32 = 2;

/// Unattributed bytes: those of ended incarnations, and the gap between the core's totals and the credits of this one.
///
/// Totals and connections come on different streams, so their difference at one instant is mostly bytes in flight. A
/// total is therefore compared with the credits of half a second later, which makes the gap a lower bound: the largest
/// one that has lasted is kept while bytes flow, and the exact one is taken as soon as nothing moves. It may be the
/// smaller one: the core may tell late what it had seemed to leave out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// Bytes of ended incarnations.
    settled: u64,
    /// Credited in this incarnation, to anybody.
    credited: i64,
    /// Totals that this ledger has not seen grow; `None` until the first total of a core that ran before the ledger.
    base: Option<i64>,
    /// The core's last total, up and down.
    last: Option<i64>,
    /// The gap that is certain.
    firm: i64,
    /// The total to compare, and when it came.
    #[serde(skip)]
    waiting: Option<(i64, Moment)>,
    /// When the last total came that was not one of a burst.
    #[serde(skip)]
    heard: Option<Moment>,
    #[serde(skip)]
    resting: u32,
    #[serde(skip)]
    recent: [Option<i64>; AGREEING],
}

impl Gap {
    /// An incarnation begins whose counters start at zero, or, with `running`, have run before the ledger was made.
    pub(crate) fn begin(&mut self, running: bool) {
        // At its end nothing more is in flight, so the last total counts as it is.
        let last = self.last.map_or(0, |last| self.gap(last)).max(self.firm);
        let settled = self.settled.saturating_add(u64::try_from(last).unwrap_or_default());
        *self = Self { settled, base: (!running).then_some(0), ..Self::default() };
    }

    /// What of a total is not credited.
    fn gap(&mut self, total: i64) -> i64 {
        let base = *self.base.get_or_insert(total.saturating_sub(self.credited));
        total.saturating_sub(base).saturating_sub(self.credited).max(0)
    }

    /// Adds a credit (negative: a correction).
    pub(crate) const fn credit(&mut self, bytes: i64) {
        self.credited = self.credited.saturating_add(bytes);
    }

    /// Notes the core's total.
    pub(crate) fn total(&mut self, bytes: u64, at: Moment) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let before = self.last.replace(bytes);
        if self.heard.is_some_and(|heard| at.since(heard) < APART) {
            return;
        }
        self.heard = Some(at);
        // Before any observation, so that what is in flight is no gap.
        let gap = self.gap(bytes);
        if let Some((total, _)) = self.waiting.replace((bytes, at)) {
            self.observe(total);
        }
        self.resting = if before == Some(bytes) { self.resting.saturating_add(1) } else { 0 };
        if self.resting >= RESTING {
            self.firm = gap;
        }
    }

    /// Notes that connections have told what they moved.
    pub(crate) fn connections_told(&mut self, at: Moment) {
        if let Some((total, _)) = self.waiting.take_if(|(_, came)| at.since(*came) >= TOLD_WITHIN) {
            self.observe(total);
        }
    }

    fn observe(&mut self, total: i64) {
        let gap = self.gap(total);
        self.recent.rotate_left(1);
        if let Some(newest) = self.recent.last_mut() {
            *newest = Some(gap);
        }
        let least = self.recent.iter().copied().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().min());
        self.firm = self.firm.max(least.unwrap_or_default());
    }

    /// Unattributed bytes since the ledger was made.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.settled.saturating_add(u64::try_from(self.firm).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, at_millis};

    #[test]
    fn bytes_in_flight_are_no_gap_and_missed_ones_are_as_soon_as_nothing_moves() {
        let mut gap = Gap::default();
        gap.begin(false);
        gap.total(1_000, at(1));
        gap.total(1_000, at(2));
        assert_eq!(gap.bytes(), 0, "the connections may still tell");
        gap.credit(900);
        gap.total(1_000, at(3));
        assert_eq!(gap.bytes(), 100);
        gap.credit(100);
        gap.total(1_000, at(4));
        assert_eq!(gap.bytes(), 0, "what was told late is no gap any more");
    }

    #[test]
    fn a_lasting_gap_is_still_seen_while_bytes_flow() {
        let mut gap = Gap::default();
        gap.begin(false);
        let mut total = 5_000;
        for second in 1..10 {
            gap.total(total, at(second));
            // Others that end meanwhile tell nothing of those that go on.
            gap.connections_told(at(second));
            total += 10_000;
            gap.credit(if second == 1 { 200 } else { 10_000 });
            gap.connections_told(at_millis(second * 1_000 + 600));
        }
        // 4,800 were missed in the first second; from then on every list is ahead of the total that it is compared with.
        assert_eq!(gap.bytes(), 4_800);
    }

    #[test]
    fn a_burst_of_totals_after_a_stall_is_one_observation() {
        let mut gap = Gap::default();
        gap.begin(false);
        for total in 1..20 {
            gap.total(total * 1_000, at(1));
        }
        gap.credit(19_000);
        gap.connections_told(at(2));
        for second in 2..9 {
            gap.total(19_000, at(second));
            assert_eq!(gap.bytes(), 0);
        }
    }

    #[test]
    fn an_ended_incarnation_leaves_its_gap_and_a_running_core_its_baseline() {
        let mut gap = Gap::default();
        gap.begin(true);
        gap.credit(300);
        gap.total(70_000, at(1));
        assert_eq!(gap.bytes(), 0);
        gap.total(70_050, at(2));
        gap.begin(false);
        assert_eq!(gap.bytes(), 50);
        for second in 3..6 {
            gap.total(10, at(second));
        }
        assert_eq!(gap.bytes(), 60);
    }
}

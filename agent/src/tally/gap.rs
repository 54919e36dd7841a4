//! What the core counted and no connection told: the error of the accounting, stated instead of hidden.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// Observations that must agree before a gap is taken as lasting.
const AGREEING: usize = 5;
/// Milliseconds between observations that count separately: a burst after a stall is one observation, not many.
const APART: u64 = 900;

/// Unattributed bytes: those of ended incarnations, and the gap between the core's totals and the credits of this one.
///
/// Totals and connections come on different streams, so their difference at one instant is mostly bytes in flight. A
/// total is therefore compared only with the credits that the next list of connections brings, which makes the gap a
/// lower bound: it is exact while nothing moves, and the largest bound that has lasted is kept while something does.
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
    /// The largest gap that has lasted.
    firm: i64,
    /// The gap at the last observation.
    now: i64,
    #[serde(skip)]
    waiting: Option<i64>,
    #[serde(skip)]
    recent: [Option<i64>; AGREEING],
    #[serde(skip)]
    observed: Option<Moment>,
}

impl Gap {
    /// An incarnation begins whose counters start at zero, or, with `running`, have run before the ledger was made.
    pub(crate) fn begin(&mut self, running: bool) {
        let settled = self.settled.saturating_add(self.present(true));
        *self = Self { settled, base: (!running).then_some(0), ..Self::default() };
    }

    /// Bytes of this incarnation. At its end nothing more is in flight, so the last total counts as it is.
    fn present(&self, ended: bool) -> u64 {
        let last = match (ended, self.base, self.last) {
            (true, Some(base), Some(last)) => last.saturating_sub(base).saturating_sub(self.credited),
            _ => self.now,
        };
        u64::try_from(last.max(self.firm)).unwrap_or_default()
    }

    /// Adds a credit (negative: a correction).
    pub(crate) const fn credit(&mut self, bytes: i64) {
        self.credited = self.credited.saturating_add(bytes);
    }

    /// Notes the core's total.
    pub(crate) fn total(&mut self, bytes: u64, at: Moment) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.last = Some(bytes);
        // No connection told anything between two totals: nothing was in flight.
        if let Some(waiting) = self.waiting.replace(bytes) {
            self.observe(waiting, at);
        }
    }

    /// Notes that connections have told what they moved since the last total.
    pub(crate) fn connections_told(&mut self, at: Moment) {
        if let Some(waiting) = self.waiting.take() {
            self.observe(waiting, at);
        }
    }

    fn observe(&mut self, total: i64, at: Moment) {
        let base = *self.base.get_or_insert(total.saturating_sub(self.credited));
        self.now = total.saturating_sub(base).saturating_sub(self.credited).max(0);
        if self.observed.is_none_or(|last| at.since(last) >= APART) {
            self.observed = Some(at);
            self.recent.rotate_left(1);
            if let Some(newest) = self.recent.last_mut() {
                *newest = Some(self.now);
            }
            let least = self.recent.iter().copied().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().min());
            self.firm = self.firm.max(least.unwrap_or_default());
        } else if let Some(newest) = self.recent.last_mut() {
            *newest = newest.map(|value| value.min(self.now));
        }
    }

    /// Unattributed bytes since the ledger was made.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.settled.saturating_add(self.present(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64) -> Moment {
        Moment::from_millis(second * 1_000)
    }

    #[test]
    fn bytes_in_flight_are_no_gap_and_missed_ones_are() {
        let mut gap = Gap::default();
        gap.begin(false);
        gap.total(1_000, second(1));
        assert_eq!(gap.bytes(), 0, "the connections have not told yet");
        gap.credit(900);
        gap.connections_told(second(1));
        assert_eq!(gap.bytes(), 100);
        gap.credit(100);
        gap.total(1_000, second(2));
        gap.total(1_000, second(3));
        assert_eq!(gap.bytes(), 0);
    }

    #[test]
    fn a_lasting_gap_is_still_seen_while_bytes_flow() {
        let mut gap = Gap::default();
        gap.begin(false);
        let mut total = 5_000;
        for at in 1..10 {
            gap.total(total, second(at));
            total += 10_000;
            gap.credit(if at == 1 { 200 } else { 10_000 });
            gap.connections_told(second(at));
        }
        // 4,800 were missed in the first second; from then on every list is 200 ahead of the total it is compared with.
        assert_eq!(gap.bytes(), 4_800);
    }

    #[test]
    fn a_burst_of_totals_after_a_stall_is_one_observation() {
        let mut gap = Gap::default();
        gap.begin(false);
        for total in 1..20 {
            gap.total(total * 1_000, second(1));
        }
        gap.credit(19_000);
        gap.connections_told(second(1));
        assert_eq!(gap.bytes(), 0);
    }

    #[test]
    fn an_ended_incarnation_leaves_its_gap_and_a_running_core_its_baseline() {
        let mut gap = Gap::default();
        gap.begin(true);
        gap.credit(300);
        gap.total(70_000, second(1));
        gap.connections_told(second(1));
        assert_eq!(gap.bytes(), 0);
        gap.total(70_050, second(2));
        gap.begin(false);
        assert_eq!(gap.bytes(), 50);
        gap.total(10, second(3));
        gap.total(10, second(4));
        assert_eq!(gap.bytes(), 60);
    }
}

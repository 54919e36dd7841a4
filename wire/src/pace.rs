//! When an agent syncs, cuts and asks, as plain arithmetic: the agent follows it, and whoever asks what a policy costs
//! (`simulate/`) drives the same rules. Spans are milliseconds.

use crate::sync::Policy;

/// Least span between two syncs, whatever the reasons.
pub const GAP: u64 = 100;
/// Between two looks at the counts while nobody is near his limit.
pub const SLOW_TICK: u64 = 1_000;
/// The same while somebody is.
pub const FAST_TICK: u64 = 100;
/// A user who will reach his limit within so many seconds is looked at every [`FAST_TICK`].
pub const NEAR_SECONDS: u64 = 2;
/// Parcels that wait before no more are cut because they are due: the panel is away, and each is a report of its own.
pub const MOST_WAITING: usize = 4;
/// For how long a grant lasts from the sync that carried it: 24 h. The panel frees it an hour later.
pub const GRANT_LASTS: u64 = 86_400_000;
/// The first pause after an answer that gave nothing.
const FIRST_PAUSE: u64 = 2_000;

impl Policy {
    /// Whether a slot's bytes go into the next report: `unreported` of them wait, the oldest for `age`.
    #[must_use]
    pub const fn is_due(&self, unreported: u64, age: u64) -> bool {
        age >= self.report_age() || unreported >= self.report_bytes.get()
    }

    /// The age at which bytes are due.
    #[must_use]
    pub const fn report_age(&self) -> u64 {
        self.report_seconds as u64 * 1_000
    }

    /// Whether a slot that is asked for is so close to its `limit` that its bytes go into the report beside the ask. One
    /// who is shut at his limit is asked for again and again, and has nothing to cut.
    #[must_use]
    pub const fn is_last(&self, unreported: u64, limit: u64, count: u64) -> bool {
        unreported > 0 && limit.saturating_sub(count) <= self.floor.get()
    }

    /// The span between two syncs while nothing presses, before it is [`spread`].
    #[must_use]
    pub const fn rest(&self) -> u64 {
        self.interval as u64 * 1_000
    }
}

/// The span until an answer to an ask of now is in force: a tick, the round trip, and the least gap.
#[must_use]
pub const fn until_answered(tick: u64, round_trip: u64) -> u64 {
    tick.saturating_add(round_trip).saturating_add(GAP)
}

/// Whether an open slot has to be asked for: its limit is reached, or will be before an answer is in force. `ahead` is the
/// bytes that pass until then.
#[must_use]
pub const fn is_near(limit: u64, count: u64, ahead: u64) -> bool {
    limit.saturating_sub(count) <= ahead
}

/// Bytes that pass at `rate` bytes per second within `millis`.
#[must_use]
pub const fn passes(rate: u64, millis: u64) -> u64 {
    rate.saturating_mul(millis) / 1_000
}

/// `millis`, give or take a quarter, so that many agents do not come at once. `jitter` is random bits.
#[must_use]
pub const fn spread(millis: u64, jitter: u32) -> u64 {
    let millis = if millis < 4 { 4 } else { millis };
    millis - millis / 4 + jitter as u64 % (millis / 2)
}

/// The pause after one more answer that gave nothing: twice the last `pause`, from 2 s to `longest`.
#[must_use]
pub const fn next_pause(pause: u64, longest: u64) -> u64 {
    let longest = if longest < FIRST_PAUSE { FIRST_PAUSE } else { longest };
    let twice = pause.saturating_mul(2);
    if twice < FIRST_PAUSE {
        FIRST_PAUSE
    } else if twice > longest {
        longest
    } else {
        twice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Bytes;

    #[test]
    fn bytes_are_due_when_they_are_many_or_old() {
        let policy = Policy::default();
        assert!(!policy.is_due(Bytes::mib(256).get() - 1, 899_999));
        assert!(policy.is_due(Bytes::mib(256).get(), 0));
        assert!(policy.is_due(1, 900_000));
    }

    #[test]
    fn the_last_floor_before_a_limit_is_reported_beside_the_ask() {
        let policy = Policy::default();
        let floor = policy.floor.get();
        assert!(policy.is_last(1, 10 * floor, 9 * floor));
        assert!(!policy.is_last(1, 10 * floor, 9 * floor - 1));
        assert!(!policy.is_last(0, 10 * floor, 10 * floor), "nothing to cut");
    }

    #[test]
    fn a_limit_is_near_when_it_comes_before_an_answer() {
        let ahead = until_answered(SLOW_TICK, 400);
        assert_eq!(ahead, 1_500);
        assert!(is_near(1_500, 0, passes(1_000, ahead)));
        assert!(!is_near(1_501, 0, passes(1_000, ahead)));
        assert!(is_near(5, 7, 0), "it was reached");
    }

    #[test]
    fn syncs_are_spread_by_a_quarter_each_way() {
        assert_eq!(spread(30_000, 0), 22_500);
        assert_eq!(spread(30_000, 14_999), 37_499);
        assert_eq!(spread(30_000, 15_000), 22_500);
        assert_eq!(spread(0, u32::MAX), 4);
    }

    #[test]
    fn pauses_double_from_two_seconds_to_the_longest() {
        let pauses: Vec<_> =
            core::iter::successors(Some(0), |pause| Some(next_pause(*pause, 30_000))).take(7).collect();
        assert_eq!(pauses, [0, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(next_pause(0, 500), 2_000);
    }
}

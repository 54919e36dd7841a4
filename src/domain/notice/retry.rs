//! When a delivery that failed is tried again, and when it is given up.

use weir_wire::Second;

/// First wait of a row, seconds; it doubles with every failure.
const FIRST: i64 = 60;
/// Longest wait, seconds, before the spread.
const LONGEST: i64 = 3_600;
/// Given up so many seconds after it was queued.
pub const PATIENCE: i64 = 3 * 86_400;
/// Given up after so many tries at which the endpoint took offence at this very event: a day later it will again.
pub const MAX_REFUSALS: u32 = 8;

/// When to try again after `failures` in a row (from 1): 1 minute doubling to 1 hour, and up to a fifth more, which follows
/// from `seed`, so that endpoints of one host that failed together do not come back together. An endpoint that names a
/// longer wait gets it, up to an hour.
#[must_use]
pub fn after(failures: u32, seed: i64, asked: Option<i64>, now: Second) -> Second {
    let wait = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(LONGEST);
    // Knuth's multiplicative hash spreads neighbours.
    let mixed = seed.wrapping_add(i64::from(failures)).wrapping_mul(2_654_435_761).rem_euclid(1 << 32);
    let spread = wait * (mixed % 21) / 100;
    now.plus((wait + spread).max(asked.unwrap_or_default().min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Second = Second::clamped(1_794_744_000);

    #[test]
    fn waits_double_from_a_minute_to_an_hour_and_spread_by_a_fifth_at_most() {
        let plain = [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600];
        for (failures, wait) in (1..).zip(plain) {
            for seed in 0..50 {
                let waited = after(failures, seed, None, NOW).since(NOW);
                assert!((wait..=wait + wait / 5).contains(&waited), "{failures} failures, seed {seed}: {waited}");
                assert_eq!(after(failures, seed, None, NOW).since(NOW), waited, "the same for the same seed");
            }
        }
        let waits: std::collections::BTreeSet<i64> = (0..50).map(|seed| after(7, seed, None, NOW).since(NOW)).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_wait_up_to_an_hour() {
        assert_eq!(after(1, 0, Some(1_000), NOW), NOW.plus(1_000));
        assert_eq!(after(1, 0, Some(86_400), NOW), NOW.plus(3_600));
        assert!(after(7, 0, Some(1), NOW) >= NOW.plus(3_600));
        assert!(after(1, 0, Some(-5), NOW) >= NOW.plus(60));
    }
}

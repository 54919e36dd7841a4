//! Numbers and days as this API shows them.

use chrono::DateTime;
use weir_wire::Second;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Longest window in days, and the one of a caller who names none.
pub const MOST_DAYS: u32 = 3_650;
/// See [`MOST_DAYS`].
pub const DAYS: u32 = 30;

/// Bytes as GiB, rounded to three places, half up.
#[must_use]
pub fn gigabytes(bytes: u64) -> f64 {
    // In whole thousandths, so that no rounding of a float decides.
    let thousandths = (u128::from(bytes) * 1_000 + (1 << 29)) >> 30;
    #[expect(clippy::cast_precision_loss, reason = "at most 2^64 / 2^30 thousands, which f64 carries exactly")]
    let exact = thousandths as f64;
    exact / 1_000.0
}

/// The UTC day that contains `at`, counted since 1970.
#[must_use]
pub const fn day(at: Second) -> i64 {
    at.get() / DAY
}

/// The first day of a window of `days` that ends with the day of `now`.
#[must_use]
pub fn first_day(now: Second, days: u32) -> i64 {
    day(now) - i64::from(days) + 1
}

/// `YYYY-MM-DD HH:MM:SS`, UTC.
#[must_use]
pub fn stamp(at: i64) -> String {
    DateTime::from_timestamp(at, 0).map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gigabytes_have_three_places_and_round_half_up() {
        let gib = 1_u64 << 30;
        let cases = [
            (0, 0.0),
            (gib, 1.0),
            (gib / 16, 0.063),
            (536_870, 0.0),
            (536_871, 0.001),
            (gib * 3 / 2, 1.5),
            (9_007_199_254_740_991, 8_388_608.0),
        ];
        for (bytes, expected) in cases {
            assert!((gigabytes(bytes) - expected).abs() < f64::EPSILON, "{bytes}: {}", gigabytes(bytes));
        }
        assert_eq!(gigabytes(gib / 1_000 * 7 + 9).to_string(), "0.007");
    }

    #[test]
    fn a_window_of_one_day_is_today() {
        let now = Second::clamped(1_800_000_000);
        assert_eq!(day(now), 20_833);
        assert_eq!(first_day(now, 1), 20_833);
        assert_eq!(first_day(now, 30), 20_804);
    }

    #[test]
    fn a_stamp_is_utc() {
        assert_eq!(stamp(1_800_000_000), "2027-01-15 08:00:00");
    }
}

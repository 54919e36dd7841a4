//! Whose use of the monthly quota crosses a threshold with a report.

use weir_wire::Bytes;

/// Use before a report, and at most after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Bytes of the period before.
    pub before: Bytes,
    /// Bytes that the report adds at most.
    pub added: Bytes,
    /// Monthly quota, 0 = unlimited.
    pub quota: Bytes,
}

/// The highest of `percents` that lies above the use before and not above the use after. When one report crosses two, the
/// higher one says it all.
#[must_use]
pub fn crossed(percents: &[u32], used: Use) -> Option<u32> {
    let quota = u128::from(used.quota.get());
    if quota == 0 {
        return None;
    }
    let before = u128::from(used.before.get()) * 100;
    let after = u128::from(used.before.plus(used.added).get()) * 100;
    let is_crossed = |percent: &u32| {
        let mark = quota * u128::from(*percent);
        before < mark && mark <= after
    };
    percents.iter().copied().filter(is_crossed).max()
}

/// Bytes that `bytes` of a node are charged at most, at a coefficient in per mille and with any remainder.
#[must_use]
pub fn charged_at_most(bytes: Bytes, coefficient: u32) -> Bytes {
    let charged = u128::from(bytes.get()) * u128::from(coefficient) / 1_000 + 1;
    Bytes::saturating(u64::try_from(charged).unwrap_or(u64::MAX))
}

/// Who may have crossed what: `[user, percent]` for the statement that looks again.
pub type Candidate = (i64, u32);

#[cfg(test)]
mod tests {
    use super::*;

    fn crossing(percents: &[u32], before: u64, added: u64, quota: u64) -> Option<u32> {
        let [before, added, quota] = [before, added, quota].map(Bytes::saturating);
        crossed(percents, Use { before, added, quota })
    }

    #[test]
    fn a_threshold_is_crossed_by_the_byte_that_reaches_it_and_by_no_other() {
        assert_eq!(crossing(&[80], 79, 0, 100), None);
        assert_eq!(crossing(&[80], 79, 1, 100), Some(80));
        assert_eq!(crossing(&[80], 80, 5, 100), None, "it was crossed before");
        assert_eq!(crossing(&[80], 0, 1_000, 100), Some(80));
        assert_eq!(crossing(&[80], 0, 1_000, 0), None, "no quota, no share of it");
        assert_eq!(crossing(&[], 0, 1_000, 100), None);
    }

    #[test]
    fn of_two_thresholds_in_one_report_the_higher_is_told() {
        assert_eq!(crossing(&[90, 50, 80], 10, 75, 100), Some(80));
        assert_eq!(crossing(&[90, 50, 80], 85, 10, 100), Some(90));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let max = Bytes::MAX.get();
        assert_eq!(crossing(&[100], max - 1, max, max), Some(100));
        assert_eq!(charged_at_most(Bytes::MAX, 1_000_000), Bytes::MAX);
        assert_eq!(charged_at_most(Bytes::saturating(10), 1_500).get(), 16);
    }
}

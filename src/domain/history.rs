//! Usage over time: hours, days and months of UTC, and what is kept as which.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime};
use weir_wire::{Bytes, Second};

use super::settings::Retention;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// The last second of the year 9999: no calendar is asked for what lies behind it.
pub const LAST: Second = Second::clamped(253_402_300_799);

/// How long one bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// An hour.
    Hour,
    /// A day of UTC.
    Day,
    /// A month of UTC.
    Month,
}

impl Span {
    /// `hour`, `day` or `month`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The span of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Hour, Self::Day, Self::Month].into_iter().find(|span| span.name() == name)
    }

    /// Begin of the bucket that contains `at`.
    #[must_use]
    pub fn start(self, at: Second) -> Second {
        match self {
            Self::Hour => at.hour(),
            Self::Day => at.plus(-(at.get() % DAY)),
            Self::Month => month(at, 0),
        }
    }

    /// Begin of the bucket after the one that contains `at`.
    #[must_use]
    pub fn next(self, at: Second) -> Second {
        match self {
            Self::Hour => at.hour().plus(HOUR),
            Self::Day => self.start(at).plus(DAY),
            Self::Month => month(at, 1),
        }
    }

    /// Buckets that a chart shows when nobody says how many.
    const fn usual(self) -> i64 {
        match self {
            Self::Hour => 48,
            Self::Day => 30,
            Self::Month => 12,
        }
    }

    /// Begin of the bucket so many before the one that begins at `start`.
    fn back(self, start: Second, count: i64) -> Second {
        match self {
            Self::Hour => start.plus(-count.saturating_mul(HOUR)),
            Self::Day => start.plus(-count.saturating_mul(DAY)),
            Self::Month => month(start, -count),
        }
    }
}

/// The first second of the month `by` months away from the one that contains `at`.
fn month(at: Second, by: i64) -> Second {
    let date = DateTime::from_timestamp(at.min(LAST).get(), 0).map_or(NaiveDate::MIN, |at| at.date_naive());
    let first = date.with_day(1).unwrap_or(date);
    let months = Months::new(u32::try_from(by.unsigned_abs()).unwrap_or(u32::MAX));
    let moved = if by < 0 { first.checked_sub_months(months) } else { first.checked_add_months(months) };
    Second::clamped(moved.unwrap_or(NaiveDate::MIN).and_time(NaiveTime::MIN).and_utc().timestamp())
}

/// Whole buckets of one length, `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// How long each is.
    pub by: Span,
    /// Begin of the first.
    pub from: Second,
    /// End of the last.
    pub to: Second,
}

impl Range {
    /// The buckets that touch `[from, to)`: without `to` up to now, without `from` as many as a chart usually shows. `most` buckets
    /// at most.
    ///
    /// # Errors
    /// The parameter that is wrong, and its rule.
    pub fn new(
        by: Span,
        from: Option<Second>,
        to: Option<Second>,
        now: Second,
        most: u32,
    ) -> Result<Self, (&'static str, String)> {
        let end = by.next(to.unwrap_or(now.plus(1)).plus(-1));
        let start = from.map_or_else(|| by.back(end, by.usual()), |from| by.start(from));
        if to.is_some_and(|to| from.unwrap_or(start) >= to) || start >= end {
            return Err(("to", "a second after from".to_owned()));
        }
        if by.back(end, i64::from(most)) > start {
            return Err(("from", format!("at most {most} {}s before to", by.name())));
        }
        Ok(Self { by, from: start, to: end })
    }
}

/// Bytes of one stored row: its begin, its node, up and down. Without a node it is the sum over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Row(pub Second, pub Option<u32>, pub Bytes, pub Bytes);

/// Bytes of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Bucket {
    /// Its begin.
    pub start: Second,
    /// The node, when the buckets are told apart by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// Bytes from clients.
    pub up: Bytes,
    /// Bytes to clients.
    pub down: Bytes,
}

/// Adds rows of any length up in buckets that are as long or longer, in the order of time and node. A bucket without rows is not there.
#[must_use]
pub fn buckets(by: Span, rows: impl IntoIterator<Item = Row>) -> Vec<Bucket> {
    let mut sums: BTreeMap<(Second, Option<u32>), (Bytes, Bytes)> = BTreeMap::new();
    for Row(at, node, up, down) in rows {
        let sum = sums.entry((by.start(at), node)).or_default();
        *sum = (sum.0.plus(up), sum.1.plus(down));
    }
    sums.into_iter().map(|((start, node), (up, down))| Bucket { start, node, up, down }).collect()
}

/// From when on hours are kept as hours and days as days: begins of a UTC day and of a UTC month, so that none is kept in part.
#[must_use]
pub fn kept_since(retention: &Retention, now: Second) -> (Second, Second) {
    let ago = |days: u32| now.plus(-i64::from(days).saturating_mul(DAY));
    (Span::Day.start(ago(retention.hours_days)), Span::Month.start(ago(retention.days_days)))
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn at(text: &str) -> Second {
        Second::clamped(DateTime::parse_from_rfc3339(text).unwrap().timestamp())
    }

    #[test]
    fn buckets_begin_where_utc_says() {
        let noon = at("2028-02-29T12:34:56Z");
        let cases = [
            (Span::Hour, "2028-02-29T12:00:00Z", "2028-02-29T13:00:00Z"),
            (Span::Day, "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"),
            (Span::Month, "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ];
        for (span, start, next) in cases {
            assert_eq!((span.start(noon), span.next(noon)), (at(start), at(next)), "{span:?}");
            assert_eq!(span.start(at(next).plus(-1)), at(start));
            assert_eq!(Span::named(span.name()), Some(span));
        }
        assert_eq!(Span::Month.next(LAST).plus(-1), LAST);
    }

    #[test]
    fn a_range_is_widened_to_whole_buckets_and_has_a_usual_length() {
        let now = at("2026-11-15T12:30:00Z");
        let range = |by, from, to| Range::new(by, from, to, now, 100);
        let days = range(Span::Day, None, None).unwrap();
        assert_eq!((days.from, days.to), (at("2026-10-17T00:00:00Z"), at("2026-11-16T00:00:00Z")));
        let months = range(Span::Month, None, Some(at("2026-11-01T00:00:00Z"))).unwrap();
        assert_eq!((months.from, months.to), (at("2025-11-01T00:00:00Z"), at("2026-11-01T00:00:00Z")));
        let hour = range(Span::Hour, Some(now), Some(now.plus(1))).unwrap();
        assert_eq!((hour.from, hour.to), (at("2026-11-15T12:00:00Z"), at("2026-11-15T13:00:00Z")));
    }

    #[test]
    fn a_range_that_ends_before_it_begins_or_is_too_long_names_its_parameter() {
        let now = at("2026-11-15T12:30:00Z");
        let field = |from, to, most| Range::new(Span::Day, from, to, now, most).map_err(|(field, _)| field);
        assert_eq!(field(Some(now), Some(now), 100), Err("to"));
        assert_eq!(field(Some(now.plus(5)), Some(now), 100), Err("to"));
        assert_eq!(field(Some(now.plus(90 * DAY)), None, 100), Err("to"));
        assert_eq!(field(Some(now.plus(-9 * DAY)), None, 10).map(|range| range.to.since(range.from) / DAY), Ok(10));
        assert_eq!(field(Some(now.plus(-10 * DAY)), None, 10), Err("from"));
        assert_eq!(field(Some(Second::EPOCH), None, 1_000), Err("from"));
    }

    #[test]
    fn what_is_kept_begins_with_a_whole_day_and_a_whole_month() {
        let (hours, days) = kept_since(&Retention::default(), at("2026-11-15T12:30:00Z"));
        assert_eq!((hours, days), (at("2026-11-08T00:00:00Z"), at("2025-10-01T00:00:00Z")));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_between_rows_and_buckets(rows in proptest::collection::vec((0_i64..90 * DAY, 0_u32..3, 0_u64..100), 0..60)) {
            let rows: Vec<Row> = rows.into_iter().map(|(at, node, bytes)| Row(Second::clamped(at), Some(node), Bytes::saturating(bytes), Bytes::ZERO)).collect();
            let sum: Bytes = rows.iter().map(|row| row.2).sum();
            for by in [Span::Hour, Span::Day, Span::Month] {
                let buckets = buckets(by, rows.clone());
                prop_assert_eq!(buckets.iter().map(|bucket| bucket.up).sum::<Bytes>(), sum);
                prop_assert!(buckets.is_sorted_by(|a, b| (a.start, a.node) < (b.start, b.node)));
            }
        }
    }
}

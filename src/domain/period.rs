//! Billing periods: calendar months with an anchor day, in UTC.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use weir_wire::Second;

use super::name::Breaks;

/// The day of the month on which a user's period begins, 1..=31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct AnchorDay(u32);

impl AnchorDay {
    /// The first of the month.
    pub const FIRST: Self = Self(1);

    /// The day.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for AnchorDay {
    type Error = Breaks;

    fn try_from(day: u32) -> Result<Self, Breaks> {
        if (1..=31).contains(&day) { Ok(Self(day)) } else { Err(Breaks("a day of the month from 1 to 31")) }
    }
}

impl From<AnchorDay> for u32 {
    fn from(day: AnchorDay) -> Self {
        day.0
    }
}

/// One billing period, `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Inclusive.
    pub start: Second,
    /// Exclusive; the next period's start.
    pub end: Second,
}

/// The period that contains `at`, for months that begin at 00:00 UTC on `anchor_day`.
///
/// An anchor beyond the month's length means the month's last day, so that day 31 resets on 28 February. The anchor
/// itself is kept: the month after begins on its own day 31 again.
#[must_use]
pub fn containing(at: Second, anchor_day: u32) -> Period {
    let date = DateTime::<Utc>::from_timestamp(at.get(), 0).map_or(NaiveDate::MAX, |instant| instant.date_naive());
    let this = boundary(date, anchor_day);
    let (start, end) = if date < this {
        (boundary(month(date, -1), anchor_day), this)
    } else {
        (this, boundary(month(date, 1), anchor_day))
    };
    Period { start: midnight(start), end: midnight(end) }
}

/// The first day of the month `by` months away from `date`'s.
fn month(date: NaiveDate, by: i32) -> NaiveDate {
    let first = date.with_day(1).unwrap_or(date);
    let months = Months::new(by.unsigned_abs());
    let moved = if by < 0 { first.checked_sub_months(months) } else { first.checked_add_months(months) };
    moved.unwrap_or(first)
}

/// The anchor day in `date`'s month, at most its last day.
fn boundary(date: NaiveDate, anchor_day: u32) -> NaiveDate {
    (28..=anchor_day).rev().chain([anchor_day]).find_map(|day| date.with_day(day)).unwrap_or(date)
}

fn midnight(date: NaiveDate) -> Second {
    Second::clamped(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Second {
        let instant = DateTime::parse_from_rfc3339(text).unwrap();
        Second::clamped(instant.timestamp())
    }

    fn period(now: &str, anchor: u32) -> (String, String) {
        let Period { start, end } = containing(at(now), anchor);
        let day = |second: Second| DateTime::from_timestamp(second.get(), 0).unwrap().format("%F").to_string();
        (day(start), day(end))
    }

    #[test]
    fn a_period_holds_its_first_second_and_not_its_end() {
        assert_eq!(period("2026-11-01T00:00:00Z", 1), ("2026-11-01".into(), "2026-12-01".into()));
        assert_eq!(period("2026-10-31T23:59:59Z", 1), ("2026-10-01".into(), "2026-11-01".into()));
        assert_eq!(period("2026-12-31T12:00:00Z", 15), ("2026-12-15".into(), "2027-01-15".into()));
        assert_eq!(period("2027-01-02T12:00:00Z", 15), ("2026-12-15".into(), "2027-01-15".into()));
    }

    #[test]
    fn an_anchor_beyond_the_month_means_its_last_day() {
        assert_eq!(period("2027-02-27T12:00:00Z", 31), ("2027-01-31".into(), "2027-02-28".into()));
        assert_eq!(period("2027-02-28T00:00:00Z", 31), ("2027-02-28".into(), "2027-03-31".into()));
        assert_eq!(period("2028-02-29T00:00:00Z", 30), ("2028-02-29".into(), "2028-03-30".into()));
        assert_eq!(period("2027-03-30T23:59:59Z", 31), ("2027-02-28".into(), "2027-03-31".into()));
    }

    #[test]
    fn periods_of_every_anchor_tile_ten_years() {
        for anchor in 1..=31 {
            let mut period = containing(at("2026-01-01T00:00:00Z"), anchor);
            for _ in 0..120 {
                let next = containing(period.end, anchor);
                assert_eq!(next.start, period.end, "anchor {anchor}");
                assert_eq!(containing(period.end.plus(-1), anchor), period, "anchor {anchor}");
                period = next;
            }
        }
    }
}

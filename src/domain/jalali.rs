//! The solar calendar of Iran and Afghanistan, in the 33-year cycle that agrees with the astronomical one from 1799 to 2256.

use chrono::{Datelike as _, NaiveDate};

/// Days from 1 January of year 1 to the first of Farvardin 1399 (20 March 2020), that day included.
const FARVARDIN_1399: i32 = 737_504;
/// Days of 33 years, 8 of them leap years.
const CYCLE: i32 = 33 * 365 + 8;

/// A date as `YYYY-MM-DD` of that calendar.
#[must_use]
pub fn written(date: NaiveDate) -> String {
    let (year, month, day) = solar(date);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of that calendar.
#[must_use]
pub fn solar(date: NaiveDate) -> (i32, u32, u32) {
    let days = date.num_days_from_ce().saturating_sub(FARVARDIN_1399);
    let mut year = 1399 + 33 * days.div_euclid(CYCLE);
    let mut day = days.rem_euclid(CYCLE);
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let day = u32::try_from(day).unwrap_or_default();
    // Six months of 31 days, and then such of 30.
    let (month, day) = if day < 186 { (day / 31, day % 31) } else { (6 + (day - 186) / 30, (day - 186) % 30) };
    (year, month + 1, day + 1)
}

fn length(year: i32) -> i32 {
    if matches!(year.rem_euclid(33), 1 | 5 | 9 | 13 | 17 | 22 | 26 | 30) { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_printed_calendars() {
        for (day, expected) in [
            ((1979, 2, 11), "1357-11-22"),
            ((2000, 3, 19), "1378-12-29"),
            ((2000, 3, 20), "1379-01-01"),
            ((2020, 3, 19), "1398-12-29"),
            ((2020, 3, 20), "1399-01-01"),
            ((2021, 3, 20), "1399-12-30"),
            ((2021, 3, 21), "1400-01-01"),
            ((2025, 3, 20), "1403-12-30"),
            ((2026, 11, 28), "1405-09-07"),
            ((2027, 1, 1), "1405-10-11"),
        ] {
            let date = NaiveDate::from_ymd_opt(day.0, day.1, day.2).unwrap();
            assert_eq!(written(date), expected, "{date}");
        }
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_sun_s_years_begin_in_march() {
        for (day, expected) in [
            ("2021-03-20", (1399, 12, 30)),
            ("2021-03-21", (1400, 1, 1)),
            ("2024-03-20", (1403, 1, 1)),
            ("2025-03-20", (1403, 12, 30)),
            ("2025-03-21", (1404, 1, 1)),
            ("2026-09-22", (1405, 6, 31)),
            ("2026-11-28", (1405, 9, 7)),
            ("1979-02-11", (1357, 11, 22)),
            ("2000-03-20", (1379, 1, 1)),
        ] {
            assert_eq!(solar(date(day)), expected, "{day}");
        }
    }

    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        let mut day = date("1990-01-01");
        let mut before = solar(day);
        while day < date("2100-01-01") {
            day = day.succ_opt().unwrap();
            let (year, month, number) = solar(day);
            let next = if number > 1 {
                (before.0, before.1, before.2 + 1)
            } else if month > 1 {
                (before.0, before.1 + 1, 1)
            } else {
                (before.0 + 1, 1, 1)
            };
            assert_eq!((year, month, number), next, "{day}");
            before = (year, month, number);
        }
    }
}

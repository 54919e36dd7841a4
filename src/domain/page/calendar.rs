//! Dates as readers of each language write them. Persian readers count years by the sun's own calendar.

use chrono::{Datelike as _, NaiveDate};

use super::language::digits;
use crate::domain::notice::texts::Language;

const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const RUSSIAN: [&str; 12] = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
];
const PERSIAN: [&str; 12] =
    ["فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"];

/// A day with its month's name and its year.
#[must_use]
pub fn written(date: NaiveDate, language: Language) -> String {
    format!(
        "{}{}",
        short(date, language),
        match language {
            Language::En | Language::Ru => format!(" {}", date.year()),
            Language::Fa => digits(&format!(" {}", solar(date).0), language),
            Language::Zh => return format!("{}年{}", date.year(), short(date, language)),
        }
    )
}

/// A day with its month's name.
#[must_use]
pub fn short(date: NaiveDate, language: Language) -> String {
    let name = |names: &[&'static str; 12], month: u32| {
        usize::try_from(month).ok().and_then(|month| names.get(month.checked_sub(1)?).copied()).unwrap_or_default()
    };
    match language {
        Language::En => format!("{} {}", date.day(), name(&ENGLISH, date.month())),
        Language::Ru => format!("{} {}", date.day(), name(&RUSSIAN, date.month())),
        Language::Zh => format!("{}月{}日", date.month(), date.day()),
        Language::Fa => {
            let (_, month, day) = solar(date);
            digits(&format!("{day} {}", name(&PERSIAN, month)), language)
        }
    }
}

/// Year, month and day of the solar Hijri calendar. Leap years follow the cycle of 33 years, which agrees with the sun for
/// the years 1178 to 1633 of it, that is until 2254.
fn solar(date: NaiveDate) -> (i32, u32, u32) {
    const BEGIN: (i32, (i32, u32, u32)) = (1400, (2021, 3, 21));
    let (mut year, (y, m, d)) = BEGIN;
    let begin = NaiveDate::from_ymd_opt(y, m, d).unwrap_or(NaiveDate::MIN);
    let mut days = date.signed_duration_since(begin).num_days();
    while days < 0 {
        year -= 1;
        days += length(year);
    }
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let days = u32::try_from(days).unwrap_or_default();
    // Six months of 31 days, then such of 30.
    let (month, day) = if days < 186 { (days / 31, days % 31) } else { (6 + (days - 186) / 30, (days - 186) % 30) };
    (year, month + 1, day + 1)
}

fn length(year: i32) -> i64 {
    365 + i64::from(matches!(year.rem_euclid(33), 1 | 5 | 9 | 13 | 17 | 22 | 26 | 30))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn each_language_writes_a_day_in_its_own_way() {
        let day = date("2026-12-01");
        assert_eq!(written(day, Language::En), "1 December 2026");
        assert_eq!(written(day, Language::Ru), "1 декабря 2026");
        assert_eq!(written(day, Language::Zh), "2026年12月1日");
        assert_eq!(written(day, Language::Fa), "۱۰ آذر ۱۴۰۵");
        assert_eq!(short(day, Language::Zh), "12月1日");
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

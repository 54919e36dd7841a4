//! Dates as readers of each language write them. Persian readers count years by the sun's own calendar.

use chrono::{Datelike as _, NaiveDate};

use super::language::digits;
use crate::domain::jalali::solar;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
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
}

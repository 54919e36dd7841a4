//! Instants as people and HTTP write them.

use weir_wire::Second;

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The instant in the form of RFC 3339, UTC: `2026-11-23T08:25:00Z`.
pub(crate) fn rfc3339(at: Second) -> String {
    let (days, rest) = (at.get().div_euclid(DAY), at.get().rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The instant of an HTTP `Date` header in the one form that may be sent (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37
/// GMT`.
pub(crate) fn http_date(text: &str) -> Option<Second> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)?;
    let mut parts = time.split(':').map(|part| part.parse::<i64>().ok().filter(|part| (0..=60).contains(part)));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let month = i64::try_from(month).ok()? + 1;
    let day = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let days = days_to(year.parse().ok().filter(|year| (1970..=9999).contains(year))?, month, day);
    Some(Second::clamped(days * DAY + hour * 3_600 + minute * 60 + second))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Counts from March, so that the leap day ends its year.
const fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The day of the Gregorian calendar that is so many days after 1970-01-01: year, month, day.
const fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_other_programs_write_them() {
        // From `date -u -d @... +%FT%TZ`.
        for (second, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_795_422_300, "2026-11-23T08:25:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(Second::clamped(second)), text);
        }
    }

    #[test]
    fn a_date_header_is_read_and_anything_else_is_none() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Second::clamped(784_111_777)));
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(Second::clamped(1_709_164_800)));
        for bad in ["", "now", "Sun, 06 Nov 1994", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 6x Nov 1994 08:49:37 GMT"] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_is_found_again() {
        for days in 0..292_194 {
            let (year, month, day) = date_of(days);
            assert_eq!(days_to(year, month, day), days);
        }
    }
}

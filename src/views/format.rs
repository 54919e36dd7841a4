//! How pages write sizes and times.

use chrono::{DateTime, Utc};
use weir_wire::Second;

/// A number with its thousands apart.
#[must_use]
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An instant as a page shows it: in words, with the exact time behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// "3 min ago".
    pub(crate) words: String,
    /// "2026-11-23 02:54:42 UTC".
    pub(crate) exact: String,
    /// RFC 3339.
    pub(crate) machine: String,
}

impl Moment {
    /// `at` as seen from `now`.
    #[must_use]
    pub(crate) fn new(at: Second, now: Second) -> Self {
        let date = DateTime::<Utc>::from_timestamp(at.get(), 0).unwrap_or(DateTime::UNIX_EPOCH);
        Self {
            words: words(at, now),
            exact: date.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            machine: date.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

fn words(at: Second, now: Second) -> String {
    let apart = now.since(at);
    let span = span(apart.abs());
    match apart {
        -4..=4 => "just now".into(),
        ..-4 => format!("in {span}"),
        _ => format!("{span} ago"),
    }
}

/// A length of time in its largest whole unit.
#[must_use]
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn moments_are_told_from_now() {
        let now = Second::clamped(1_796_083_200);
        for (before, text) in [
            (0, "just now"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3_600, "1 h ago"),
            (86_400, "24 h ago"),
            (172_800, "2 d ago"),
            (-7_200, "in 2 h"),
            (-864_000, "in 10 d"),
        ] {
            assert_eq!(Moment::new(now.plus(-before), now).words, text);
        }
        let exact = Moment::new(now, now);
        assert_eq!((exact.exact.as_str(), exact.machine.as_str()), ("2026-12-01 00:00:00 UTC", "2026-12-01T00:00:00Z"));
    }
}

//! Instants as Marzban's API has them: ISO 8601 in UTC, without an offset. Strict clients refuse an offset.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime};
use weir_wire::Second;

/// `2024-01-09T19:37:39`.
#[must_use]
pub fn naive(at: Second) -> String {
    DateTime::from_timestamp(at.get(), 0)
        .map_or_else(|| "1970-01-01T00:00:00".into(), |at| at.format("%Y-%m-%dT%H:%M:%S").to_string())
}

/// An instant that a caller says: with an offset or `Z`, without one (then it is UTC), with or without a fraction, a space for the `T`, or a
/// day alone. `None` if it is none of these.
#[must_use]
pub fn read(text: &str) -> Option<Second> {
    let text = text.trim();
    // In a query that was not encoded, the plus of an offset has become a space.
    let with_offset = |text: &str| DateTime::<FixedOffset>::parse_from_rfc3339(text).ok().map(|at| at.timestamp());
    let plus = text.rfind(' ').filter(|at| *at > 12).map(|at| {
        let (day, offset) = text.split_at(at);
        format!("{day}+{}", offset.trim_start())
    });
    let without = |form| NaiveDateTime::parse_from_str(text, form).ok().map(|at| at.and_utc().timestamp());
    with_offset(text)
        .or_else(|| plus.as_deref().and_then(with_offset))
        .or_else(|| without("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| without("%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|| without("%Y-%m-%dT%H:%M"))
        .or_else(|| {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Some(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp())
        })
        .and_then(|at| Second::try_from(at).ok())
}

/// Seconds that a span reaches back whose start is not said.
const REACH: i64 = 30 * 86_400;

/// Why a span is none; the sentences are Marzban's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSpan {
    /// An instant cannot be read.
    Unreadable,
    /// It ends before it begins.
    Backward,
}

impl NoSpan {
    /// What clients are told.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unreadable => "Invalid date range or format",
            Self::Backward => "Start date must be before end date",
        }
    }
}

/// The span of `start` and `end`, each of which may be missing: 30 days ago, and now.
///
/// # Errors
/// See [`NoSpan`].
pub fn span(start: Option<&str>, end: Option<&str>, now: Second) -> Result<(Second, Second), NoSpan> {
    let said =
        |text: Option<&str>| text.filter(|text| !text.is_empty()).map(|text| read(text).ok_or(NoSpan::Unreadable));
    let end = said(end).transpose()?.unwrap_or(now);
    let start = said(start).transpose()?.unwrap_or(now.plus(-REACH));
    if end < start { Err(NoSpan::Backward) } else { Ok((start, end)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Second {
        Second::clamped(second)
    }

    #[test]
    fn an_instant_is_said_without_an_offset() {
        assert_eq!(naive(at(1_704_829_059)), "2024-01-09T19:37:39");
    }

    #[test]
    fn an_instant_is_read_in_every_form_that_clients_have() {
        for text in [
            "2024-01-09T19:37:39",
            "2024-01-09T19:37:39.250000",
            "2024-01-09T19:37:39Z",
            "2024-01-09T20:37:39+01:00",
            "2024-01-09T20:37:39 01:00",
            "2024-01-09 19:37:39",
        ] {
            assert_eq!(read(text), Some(at(1_704_829_059)), "{text}");
        }
        assert_eq!(read("2024-01-09"), Some(at(1_704_758_400)));
        for text in ["", "yesterday", "2024-13-09", "2024-01-09T25:00:00", "1704829059"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_span_reaches_thirty_days_back_and_does_not_run_backward() {
        let now = at(1_704_829_059);
        assert_eq!(span(None, None, now), Ok((at(1_704_829_059 - 30 * 86_400), now)));
        assert_eq!(span(Some("2024-01-09"), Some(""), now), Ok((at(1_704_758_400), now)));
        assert_eq!(span(Some("x"), None, now), Err(NoSpan::Unreadable));
        assert_eq!(span(Some("2024-01-10"), None, now), Err(NoSpan::Backward));
    }
}

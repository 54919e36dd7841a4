//! What the operator sets: by variables of the Worker, and in the panel, which outranks them.

use serde::{Deserialize, Serialize};

use super::figures::MOST_DAYS;
use super::report::Broken;

/// Which external bytes count towards a user's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counting {
    /// None: they are shown and no more.
    #[default]
    None,
    /// Those of reports with a valid signature.
    Trusted,
    /// All.
    All,
}

impl Counting {
    /// Whether a report is charged.
    #[must_use]
    pub const fn charges(self, is_trusted: bool) -> bool {
        matches!((self, is_trusted), (Self::All, _) | (Self::Trusted, true))
    }
}

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Whether reports are taken.
    pub tracking_enabled: bool,
    /// Days for which reports are kept, 0 = for good.
    pub retention_days: u32,
    /// Days for which fetches of subscriptions are kept, from 1.
    pub fetch_log_days: u32,
    /// Where clients reach the panel, with or without scheme; empty: where they fetched the list.
    pub domain: String,
    /// `Profile-Title` of the whole list.
    pub title: String,
    /// `Profile-Title` of the direct configs.
    pub direct_title: String,
    /// Which external bytes count towards the quota.
    pub quota_counting: Counting,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tracking_enabled: true,
            retention_days: 0,
            fetch_log_days: 30,
            domain: String::new(),
            title: "Xpert Panel".into(),
            direct_title: "Xpert Direct".into(),
            quota_counting: Counting::None,
        }
    }
}

/// What was set in the panel; what it lacks stays as the variables say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracking_enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_days: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fetch_log_days: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direct_title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quota_counting: Option<Counting>,
}

impl Stored {
    /// Whether every field is what it can be.
    ///
    /// # Errors
    /// The first field that is not.
    pub fn check(&self) -> Result<(), Broken> {
        let title = |text: &Option<String>| text.as_deref().is_none_or(is_title);
        let days = |count: Option<u32>, least| count.is_none_or(|count| (least..=MOST_DAYS).contains(&count));
        let rules = [
            (days(self.retention_days, 0), "retention_days", "an integer from 0 to 3650"),
            (days(self.fetch_log_days, 1), "fetch_log_days", "an integer from 1 to 3650"),
            (self.domain.as_deref().is_none_or(is_domain), "domain", "a host name, with or without scheme and port"),
            (title(&self.title), "title", "1 to 60 printable characters"),
            (title(&self.direct_title), "direct_title", "1 to 60 printable characters"),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map_or(Ok(()), |(_, field, rule)| Err(Broken { field, rule }))
    }

    /// `variables` with what was set in the panel.
    #[must_use]
    pub fn over(self, variables: Settings) -> Settings {
        Settings {
            tracking_enabled: self.tracking_enabled.unwrap_or(variables.tracking_enabled),
            retention_days: self.retention_days.unwrap_or(variables.retention_days),
            fetch_log_days: self.fetch_log_days.unwrap_or(variables.fetch_log_days),
            domain: self.domain.unwrap_or(variables.domain),
            title: self.title.unwrap_or(variables.title),
            direct_title: self.direct_title.unwrap_or(variables.direct_title),
            quota_counting: self.quota_counting.unwrap_or(variables.quota_counting),
        }
    }
}

fn is_title(text: &str) -> bool {
    (1..=60).contains(&text.chars().count()) && text.chars().all(|c| !c.is_control())
}

/// Empty is allowed: then lists name the host that they were fetched from.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    text.len() <= 260 && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\'))
}

/// The address to which clients send their reports: absolute even when `domain` names no scheme. `origin` is where the
/// list was fetched.
#[must_use]
pub fn webhook_url(domain: &str, origin: &str) -> String {
    let domain = domain.trim().trim_end_matches('/');
    let base = match domain {
        "" => origin.to_owned(),
        _ if domain.contains("://") => domain.to_owned(),
        _ => format!("https://{domain}"),
    };
    format!("{base}/api/xpert/traffic-webhook")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_webhook_is_absolute_whatever_the_domain_lacks() {
        let url = |domain| webhook_url(domain, "http://127.0.0.1:8787");
        assert_eq!(url("vpn.example.com"), "https://vpn.example.com/api/xpert/traffic-webhook");
        assert_eq!(url(" vpn.example.com:8443/ "), "https://vpn.example.com:8443/api/xpert/traffic-webhook");
        assert_eq!(url("http://localhost:8000/"), "http://localhost:8000/api/xpert/traffic-webhook");
        assert_eq!(url(""), "http://127.0.0.1:8787/api/xpert/traffic-webhook");
    }

    #[test]
    fn what_is_set_in_the_panel_outranks_the_variables() {
        let variables = Settings { retention_days: 30, domain: "a.example".into(), ..Settings::default() };
        let stored: Stored = serde_json::from_str(r#"{"retention_days":0,"tracking_enabled":false}"#).unwrap();
        let settings = stored.over(variables);
        assert_eq!((settings.retention_days, settings.tracking_enabled), (0, false));
        assert_eq!(settings.domain, "a.example");
    }

    #[test]
    fn a_setting_that_breaks_its_rule_is_named() {
        let field = |json: &str| serde_json::from_str::<Stored>(json).unwrap().check().unwrap_err().field;
        assert_eq!(field(r#"{"retention_days":3651}"#), "retention_days");
        assert_eq!(field(r#"{"fetch_log_days":0}"#), "fetch_log_days");
        assert_eq!(field(r#"{"domain":"a b"}"#), "domain");
        assert_eq!(field(r#"{"title":""}"#), "title");
        assert!(serde_json::from_str::<Stored>(r#"{"tracking":true}"#).is_err());
    }

    #[test]
    fn trusted_counting_charges_signed_reports_only() {
        assert!(Counting::All.charges(false));
        assert!(Counting::Trusted.charges(true) && !Counting::Trusted.charges(false));
        assert!(!Counting::None.charges(true));
    }
}

//! Headers that an operator adds for some clients, such as the `routing` of one app.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::client::is_header_name;

/// Names and values that every answer may carry: no line breaks, and nothing that answers depend on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Extra(BTreeMap<String, String>);

/// Headers at most.
const MOST: usize = 16;
/// Longest value.
const LONGEST: usize = 2_000;
/// The panel's own: what the body is, who may keep and show it, and the numbers that clients show.
const OURS: [&str; 14] = [
    "alt-svc",
    "cache-control",
    "connection",
    "date",
    "keep-alive",
    "location",
    "referrer-policy",
    "server",
    "set-cookie",
    "strict-transport-security",
    "subscription-userinfo",
    "transfer-encoding",
    "upgrade",
    "vary",
];
const OUR_PREFIXES: [&str; 5] = ["access-control-", "cf-", "content-", "x-content-", "x-hwid-"];

impl TryFrom<BTreeMap<String, String>> for Extra {
    type Error = String;

    fn try_from(headers: BTreeMap<String, String>) -> Result<Self, String> {
        if headers.len() > MOST {
            return Err(format!("at most {MOST} headers"));
        }
        let mut lower = BTreeMap::new();
        for (name, value) in headers {
            let key = name.to_ascii_lowercase();
            if !is_header_name(&name) {
                return Err(format!("{} is no header's name", name.escape_debug()));
            }
            if OURS.contains(&key.as_str()) || OUR_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
                return Err(format!("{key} is set by the panel"));
            }
            if value.len() > LONGEST || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(format!("{key} must be ASCII of at most {LONGEST} characters; write others as base64:.."));
            }
            // One large client gives up the whole profile over a number that is no integer.
            if key == "profile-update-interval" && !value.parse().is_ok_and(|hours: u32| hours > 0) {
                return Err(format!("{key} must be an integer of hours from 1"));
            }
            if lower.insert(key.clone(), value).is_some() {
                return Err(format!("{key} is given twice"));
            }
        }
        Ok(Self(lower))
    }
}

impl Extra {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extra(headers: &[(&str, &str)]) -> Result<Extra, String> {
        Extra::try_from(
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
        )
    }

    #[test]
    fn a_header_of_an_app_is_taken_in_lower_case() {
        let given = extra(&[("Routing", "happ://routing/off"), ("profile-update-interval", "6")]).unwrap();
        assert_eq!(
            given.iter().collect::<Vec<_>>(),
            [("profile-update-interval", "6"), ("routing", "happ://routing/off")]
        );
    }

    #[test]
    fn what_the_panel_says_itself_and_what_would_break_an_answer_is_refused() {
        for (name, value) in [
            ("Set-Cookie", "a=b"),
            ("Content-Type", "text/html"),
            ("Content-Security-Policy", ""),
            ("Subscription-Userinfo", "upload=0"),
            ("X-Hwid-Active", "true"),
            ("a b", "x"),
            ("", "x"),
            ("announce", "a\r\nset-cookie: b"),
            ("announce", "Zürich"),
            ("profile-update-interval", "0.5"),
            ("profile-update-interval", "0"),
        ] {
            assert!(extra(&[(name, value)]).is_err(), "{name}: {value}");
        }
        assert!(extra(&[("announce", &"x".repeat(LONGEST + 1))]).is_err());
        assert_eq!(extra(&[("Routing", "1"), ("routing", "2")]), Err("routing is given twice".to_owned()));
    }
}

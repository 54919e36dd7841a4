//! How subscriptions present themselves to users, as an operator sets it in the panel.

use serde::{Deserialize, Serialize};

use super::settings::Area;

/// Longest title, in characters. Clients show 25; the rest is for the name of a file.
const TITLE: usize = 64;
/// Longest address, in bytes.
const URL: usize = 500;
/// Hours of a month: who is to fetch more rarely will not notice that he was to fetch at all.
const MOST_HOURS: u32 = 720;

/// What a user gets who may not pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Barred {
    /// One entry, whose name says why there are no others.
    #[default]
    Notice,
    /// A list without entries, in formats that are a list and nothing else. A whole profile has groups, which need a member:
    /// it keeps the entry.
    Empty,
}

/// What was set in the panel; what was not stays as the Worker's variables say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Presentation {
    /// What clients call the subscription.
    pub title: Option<String>,
    /// Hours until clients fetch again.
    pub update_hours: Option<u32>,
    /// Where users get help.
    pub support_url: Option<String>,
    /// What a user gets who may not pass.
    pub barred: Barred,
}

impl Area for Presentation {
    const NAME: &'static str = "subscriptions";
    const PLAIN: &'static [&'static str] = &["title", "support_url", "barred"];

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let titled = |title: &String| {
            !title.trim().is_empty() && title.chars().count() <= TITLE && !title.chars().any(char::is_control)
        };
        if !self.title.as_ref().is_none_or(titled) {
            return Err(("title", "1 to 64 characters, or null for what SUBSCRIPTION_TITLE says"));
        }
        if !self.update_hours.is_none_or(|hours| (1..=MOST_HOURS).contains(&hours)) {
            return Err(("update_hours", "an integer from 1 to 720, or null for what SUBSCRIPTION_HOURS says"));
        }
        if !self.support_url.as_deref().is_none_or(is_link) {
            return Err((
                "support_url",
                "an address that begins with https://, http://, mailto: or tg://, or null for what SUPPORT_URL says",
            ));
        }
        Ok(())
    }
}

/// It becomes a header and a link of a page: ASCII, and nothing that a browser would run.
fn is_link(url: &str) -> bool {
    let begins = ["https://", "http://", "mailto:", "tg://"].iter().any(|scheme| url.starts_with(scheme));
    begins && url.len() <= URL && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), &'static str> {
        serde_json::from_str::<Presentation>(text).unwrap().check().map_err(|(field, _)| field)
    }

    #[test]
    fn what_was_not_set_is_left_to_the_variables() {
        assert_eq!(checked("{}"), Ok(()));
        assert_eq!(serde_json::from_str::<Presentation>("{}").unwrap(), Presentation::default());
        assert_eq!(checked(r#"{"title":null,"update_hours":null,"support_url":null,"barred":"empty"}"#), Ok(()));
    }

    #[test]
    fn each_field_has_its_rule() {
        assert_eq!(checked(r#"{"title":"Blue River"}"#), Ok(()));
        for title in ["", "  ", "a\\nb", &"я".repeat(65)] {
            assert_eq!(checked(&format!(r#"{{"title":"{title}"}}"#)), Err("title"), "{title}");
        }
        for (hours, outcome) in [(0, Err("update_hours")), (1, Ok(())), (720, Ok(())), (721, Err("update_hours"))] {
            assert_eq!(checked(&format!(r#"{{"update_hours":{hours}}}"#)), outcome, "{hours}");
        }
        for good in ["https://example.com/help", "tg://resolve?domain=blue", "mailto:help@example.com"] {
            assert_eq!(checked(&format!(r#"{{"support_url":"{good}"}}"#)), Ok(()), "{good}");
        }
        for bad in ["", "javascript:alert(1)", "https://exämple.com", "https://a b", "example.com"] {
            assert_eq!(checked(&format!(r#"{{"support_url":"{bad}"}}"#)), Err("support_url"), "{bad}");
        }
    }
}

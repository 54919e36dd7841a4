//! Which client fetched a subscription, for the log of fetches.

use serde::{Deserialize, Serialize};

/// Entries of one user and hour at most.
pub const MOST: usize = 8;
/// Longest name of a client family that is kept.
const FAMILY: usize = 24;

/// One entry: `[client family, format, unix second]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch(
    /// Client family.
    pub String,
    /// Format that it got.
    pub String,
    /// When it fetched first in that hour.
    pub i64,
);

/// The product that a `User-Agent` begins with, without version: `clash-verge` of `clash-verge/v2.4.0`. Browsers all begin
/// with the same word and are one family; a client without the header is `none`.
#[must_use]
pub fn family(user_agent: &str) -> String {
    let product = user_agent.trim().split(['/', ' ', '(', ';', ',']).next().unwrap_or_default();
    let product: String = product
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '%'))
        .take(FAMILY)
        .collect();
    match product.as_str() {
        "" => "none".to_owned(),
        "mozilla" => "browser".to_owned(),
        _ => product,
    }
}

/// Whether a fetch of `family` is to be entered beside what the hour's row holds: the first of its family, and not beyond
/// [`MOST`].
#[must_use]
pub fn is_news(logged: Option<&str>, family: &str) -> bool {
    let Some(logged) = logged else { return true };
    // A row that cannot be read is left alone.
    let entries: Option<Vec<Fetch>> = serde_json::from_str(logged).ok();
    entries.is_some_and(|entries| entries.len() < MOST && entries.iter().all(|entry| entry.0 != family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_the_product_without_its_version() {
        for (agent, expected) in [
            ("clash-verge/v2.4.0", "clash-verge"),
            ("HiddifyNext/2.5.7 (android) like ClashMeta v2ray sing-box", "hiddifynext"),
            ("sing-box 1.13.0", "sing-box"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "browser"),
            ("Quantumult%20X/1.0", "quantumult%20x"),
            ("", "none"),
            ("<script>\"[", "script"),
            ("Ünïcode/1", "ncode"),
        ] {
            assert_eq!(family(agent), expected, "{agent}");
        }
        assert_eq!(family(&"x".repeat(500)).len(), FAMILY);
    }

    #[test]
    fn the_first_of_a_family_is_news_and_a_ninth_family_is_not() {
        assert!(is_news(None, "a"));
        let entries = |count: usize| {
            let entries: Vec<Fetch> = (0..count).map(|n| Fetch(format!("f{n}"), "base64".into(), 1)).collect();
            serde_json::to_string(&entries).unwrap()
        };
        assert!(!is_news(Some(&entries(3)), "f2"));
        assert!(is_news(Some(&entries(7)), "other"));
        assert!(!is_news(Some(&entries(8)), "other"));
        assert!(!is_news(Some("{"), "other"));
    }
}

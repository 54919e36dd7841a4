//! The webhook that anybody may call, and what callers name themselves by: a report that passes is one that can be stored, a token that
//! passes is the one that the panel would make, and nothing is both token and alias.
//!
//! An input is the body of a report, a setting, or a token.

use weir::domain::alias;
use weir::domain::token::{Subscription, same};
use weir::domain::xpert::report::{MOST_BYTES, Report};
use weir::domain::xpert::settings::{self, Settings, Stored};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Reads an input as each of those that there are.
///
/// # Panics
/// Something passes that must not.
pub fn check(data: &[u8]) {
    if let Ok(report) = serde_json::from_slice::<Report>(data) {
        self::report(&report);
    }
    if let Ok(stored) = serde_json::from_slice::<Stored>(data) {
        self::settings(stored);
    }
    if let Ok(text) = core::str::from_utf8(data) {
        token(text);
    }
    if let Some((head, rest)) = data.split_first_chunk::<8>() {
        forged(*head, rest);
    }
}

fn report(report: &Report) {
    token(&report.user_token);
    if report.check().is_err() {
        return;
    }
    assert!((1..=65_535).contains(&report.port));
    assert!(report.bytes_uploaded <= MOST_BYTES && report.bytes_downloaded <= MOST_BYTES);
    assert_eq!(report.bytes().get(), report.bytes_uploaded + report.bytes_downloaded);
    for text in [&report.server, &report.protocol] {
        assert!(!text.is_empty() && text.len() <= 4 * 253);
        assert!(!text.contains(|c: char| c.is_control() || c.is_whitespace()), "{text:?}");
    }
}

fn settings(stored: Stored) {
    let text = serde_json::to_string(&stored).expect("settings are JSON");
    assert_eq!(serde_json::from_str::<Stored>(&text).ok().as_ref(), Some(&stored), "{text}");
    let is_sound = stored.check().is_ok();
    let settings = stored.over(Settings::default());
    if is_sound {
        let url = settings::webhook_url(&settings.domain, "https://weir.test");
        assert!(url.contains("://") && url.ends_with("/api/xpert/traffic-webhook"), "{url}");
        // It becomes a header.
        assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
        for title in [&settings.title, &settings.direct_title] {
            assert!(!title.is_empty() && !title.contains(char::is_control));
        }
    }
}

/// A text in a token's place.
fn token(text: &str) {
    if let Some(subscription) = Subscription::read(text, KEY) {
        assert_eq!(subscription.token(KEY), text, "one subscription has two tokens");
        assert!(!alias::fits(text), "a token can be an alias: {text}");
    }
    if alias::fits(text) {
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('/'));
    }
}

/// A token of whatever user and generation reads back, and with another seal it does not.
fn forged(claim: [u8; 8], seal: &[u8]) {
    let claim = u64::from_be_bytes(claim);
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits");
    let made = Subscription { user: half(claim >> 32), generation: half(claim) };
    let token = made.token(KEY);
    assert_eq!(Subscription::read(&token, KEY), Some(made));
    let letters: Vec<u8> =
        token.bytes().zip(seal.iter().chain([&0; 32])).map(|(letter, byte)| letter ^ (byte & 1)).collect();
    let other = String::from_utf8_lossy(&letters);
    assert_eq!(Subscription::read(&other, KEY).is_some(), same(other.as_bytes(), token.as_bytes()), "{other}");
}
